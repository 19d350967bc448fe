"""How the learner feels, by numbers."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holodeck.actors.session.talk.affect import (
    NAMED,
    NEGATIVE,
    PRESSURE_STEP,
    Ratios,
    escalation_signal,
    help_for,
    hesitates,
    inferred,
    needs_scaffold,
    pressed,
    pressure_range,
    ratios,
)
from holodeck.actors.session.talk.scaffolds import ACTIONS, MOST, actions, next_level
from holodeck.actors.session.talk.silence import companion_steps_in, silence_step
from holodeck.actors.session.talk.state import Sample
from holodeck.messages.conversation import Affect, InnerAffect, Scaffold, Tier
from holodeck.messages.talk import Baseline

USUAL = Baseline()
TIERS: tuple[Tier, ...] = (1, 2, 3)


@pytest.mark.parametrize(
    ("shown", "state"),
    [
        (Ratios(latency=2.1, l1=1.6, hedging=2, frictions=3, words=5), "overwhelmed"),
        (Ratios(latency=1.6, l1=1.6, hedging=1.6, frictions=2, words=5), "frustrated"),
        (Ratios(l1=1.6, hedging=1.4, words=5), "anxious"),
        (Ratios(latency=1.4, hedging=1.3, words=5), "uncertain"),
        (Ratios(latency=1.6, words=2), "disengaged"),
        (Ratios(repair=0.7, words=9), "confident"),
        (Ratios(repair=1.3, frictions=1, words=5), "determined"),
        (Ratios(words=5), "engaged"),
        (Ratios(latency=2.0, l1=1.5, hedging=1.2, frictions=2, words=3), "engaged"),
    ],
)
def test_the_first_rule_that_fits_names_the_state(shown: Ratios, state: str) -> None:
    assert inferred(shown) == state


def test_what_nobody_measured_is_as_usual() -> None:
    assert ratios([Sample(1, words=4)], USUAL) == Ratios(words=4.0)
    assert ratios([], USUAL) == Ratios()
    assert escalation_signal([], USUAL) == 0.0
    assert Ratios().reasons() == ()


def test_means_are_over_the_turns_that_were_measured() -> None:
    shown = ratios([Sample(1, 1, 4, 0.2, 0.1, 1, 4000), Sample(2, 0, 6)], USUAL)
    assert shown == Ratios(2.0, 2.0, 2.0, 10.0, 0.5, 5.0)
    assert shown.reasons() == (
        "latency above-baseline 2.0",
        "l1 above-baseline 2.0",
        "hedging above-baseline 2.0",
        "repair above-baseline 10.0",
        "frictions 0.5",
    )
    assert ratios([Sample(1, latency_ms=1000)], USUAL).reasons() == ("latency below-baseline 0.5",)


def test_a_learner_that_never_hesitates_or_hedges_has_a_usual_too() -> None:
    never = Baseline(latency_ms=1e-9, l1=0, hedging=0, repair=0)
    still = ratios([Sample(1, 0, 5, 0.0, 0.0, 0, 0)], never)
    assert (still.latency, still.l1, still.hedging, still.repair) == (0.0, 0.0, 0.0, 0.0)
    loud = ratios([Sample(1, 0, 5, 1.0, 1.0, 9, 9000)], never)
    assert math.isfinite(loud.latency)
    assert loud.l1 == 100.0


SAMPLES = st.lists(
    st.builds(
        Sample,
        turn=st.just(1),
        frictions=st.integers(0, 16),
        words=st.integers(0, 2000),
        l1=st.none() | st.floats(0, 1),
        hedging=st.none() | st.floats(0, 1),
        repairs=st.none() | st.integers(0, 50),
        latency_ms=st.none() | st.integers(0, 2**53),
    ),
    max_size=5,
)
BASELINES = st.builds(
    Baseline,
    latency_ms=st.floats(0, 3_600_000, exclude_min=True),
    l1=st.floats(0, 1),
    hedging=st.floats(0, 1),
    repair=st.floats(0, 1),
)


@given(SAMPLES, BASELINES)
def test_every_signal_is_a_finite_number(samples: list[Sample], baseline: Baseline) -> None:
    shown = ratios(samples, baseline)
    assert all(
        math.isfinite(value) and value >= 0
        for value in (shown.latency, shown.l1, shown.hedging, shown.repair, shown.frictions)
    )
    assert inferred(shown) in NAMED
    assert 0.0 <= escalation_signal(samples, baseline) <= 1.0


@given(
    st.floats(0, 1),
    st.lists(st.sampled_from(list(InnerAffect)), min_size=1),
    st.sampled_from(TIERS),
    st.integers(0, 2),
)
def test_pressure_never_leaves_its_tier(
    pressure: float, states: list[InnerAffect], tier: Tier, before: int
) -> None:
    low, high = pressure_range(tier, before)
    for inner in states:
        pressure = pressed(pressure, inner, tier, before)
        assert low <= pressure <= high


def test_every_state_has_a_name_and_a_step() -> None:
    assert set(NAMED) == set(PRESSURE_STEP) == set(InnerAffect)
    assert {NAMED[inner] for inner in InnerAffect} <= set(Affect)


@pytest.mark.parametrize(
    ("inner", "signal", "helps"),
    [
        ("overwhelmed", 0.7, "activate_companion"),
        ("frustrated", 0.7, "lower_difficulty"),
        ("overwhelmed", 0.69, None),
        ("anxious", 1.0, None),
    ],
)
def test_help_at_once_is_for_a_strong_signal_of_two_states(
    inner: str, signal: float, helps: str | None
) -> None:
    assert help_for(InnerAffect(inner), signal) == helps


def test_an_intervention_needs_friction_and_a_negative_state() -> None:
    for state in Affect:
        assert needs_scaffold(True, state) is (state in NEGATIVE)
        assert not needs_scaffold(False, state)


@given(
    st.integers(0, 5), st.booleans(), st.booleans(), st.sampled_from(list(Affect)), st.booleans()
)
def test_help_moves_step_by_step_between_its_ends(
    level: int, needed: bool, escalates: bool, affect: Affect, landing: bool
) -> None:
    after = next_level(level, needed, escalates, affect, landing)
    assert (3 if landing else 0) <= after <= MOST
    if level >= 3 or not landing:
        assert -1 <= after - level <= 2


@pytest.mark.parametrize("tier", TIERS)
def test_more_help_contains_less(tier: Tier) -> None:
    for level in range(MOST):
        assert set(actions(tier, level)) <= set(actions(tier, level + 1))
    assert actions(tier, 0) == ()
    assert len(actions(tier, MOST)) == len(ACTIONS[tier])


def test_an_authority_never_simplifies_and_a_stranger_never_speaks_the_learners_language() -> None:
    assert Scaffold.SIMPLIFY not in actions(3, MOST)
    assert all(Scaffold.REDUCE_L2 not in actions(tier, MOST) for tier in (2, 3))


def test_thresholds_of_silence_are_crossed_not_touched() -> None:
    assert [hesitates(seconds) for seconds in (1.9, 2.0, 2.001)] == [False, False, True]
    assert [companion_steps_in(1, seconds) for seconds in (3.0, 3.1)] == [False, True]
    assert not companion_steps_in(2, 60)
    assert silence_step(2, 2.9) is None
    assert silence_step(1, 7) == "encourage"
    assert silence_step(3, 60) == "hold-the-pause"
