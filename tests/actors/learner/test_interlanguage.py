"""The learner's own grammar: beliefs, trajectories, what sets and what comes right again."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holodeck.actors.learner.interlanguage import (
    CHANCE,
    CONFIRMS,
    TREND,
    VIOLATES,
    RuleStatus,
    Strategy,
    Uses,
    at_risk,
    believed,
    changed,
    fossilises,
    resolved,
    status,
    strategy,
    teachable,
    trajectory,
    updated,
)
from holodeck.messages.conversation import FrictionType, RuleTrajectory
from holodeck.messages.learner import LanguageRule

GRAMMAR = FrictionType.MORPHOSYNTACTIC
uses = st.builds(Uses, st.integers(0, 50), st.integers(0, 50)).filter(
    lambda one: one.right + one.wrong > 0
)


def over(*sessions: tuple[int, int], lessons: int = 0) -> LanguageRule:
    """A rule after sessions of (right, wrong) uses."""
    rule = LanguageRule(form="a", type=GRAMMAR, lessons=lessons)
    for number, (right, wrong) in enumerate(sessions, 1):
        rule = updated(rule, "a", GRAMMAR, Uses(right, wrong), number)
    return rule


def test_one_use_is_one_step_of_bayes() -> None:
    confirmed = 0.5 * CONFIRMS / (0.5 * CONFIRMS + 0.5 * CHANCE)
    violated = 0.5 * VIOLATES / (0.5 * VIOLATES + 0.5 * CHANCE)

    assert believed(0.5, Uses(wrong=1)) == round(confirmed, 6) == 0.583333
    assert believed(0.5, Uses(right=1)) == round(violated, 6) == 0.375


def test_two_uses_are_two_steps_whatever_their_order() -> None:
    wrong_first = believed(believed(0.5, Uses(wrong=1)), Uses(right=1))
    right_first = believed(believed(0.5, Uses(right=1)), Uses(wrong=1))

    assert math.isclose(wrong_first, right_first, abs_tol=1e-5)
    assert math.isclose(believed(0.5, Uses(1, 1)), wrong_first, abs_tol=1e-5)


def test_one_session_makes_nothing_systematic_and_the_second_may() -> None:
    assert status(over((0, 40)).confidence) is RuleStatus.UNDECIDED
    assert status(over((0, 40), (0, 40)).confidence) is RuleStatus.SYSTEMATIC
    assert status(over((0, 1), (0, 1)).confidence) is RuleStatus.UNDECIDED
    assert status(over((0, 1), (0, 1), (0, 1)).confidence) is RuleStatus.SYSTEMATIC


def test_right_uses_take_a_rule_of_ones_own_back() -> None:
    rule = over(*[(0, 3)] * 4, *[(3, 0)] * 4)

    assert status(rule.confidence) is RuleStatus.RANDOM
    assert rule.target_like
    assert rule.hits == 12


@given(st.floats(0.01, 0.99), uses)
def test_confidence_stays_within_its_bounds_and_goes_where_the_uses_point(
    before: float, seen: Uses
) -> None:
    after = believed(before, seen)

    assert 0.01 <= after <= 0.99
    if not seen.right:
        assert after >= round(before, 6)
    if not seen.wrong:
        assert after <= round(before, 6)


def test_no_use_moves_nothing() -> None:
    assert believed(0.42, Uses()) == 0.42


@pytest.mark.parametrize(
    ("trend", "going"),
    [
        ([], RuleTrajectory.ACQUIRING),
        ([0.0, 0.0], RuleTrajectory.ACQUIRING),
        ([0.85, 0.9, 1.0], RuleTrajectory.CORRECT),
        ([0.1, 0.85, 0.85, 0.85], RuleTrajectory.CORRECT),
        ([1.0, 1.0, 0.84], RuleTrajectory.ACQUIRING),
        ([0.0, 0.0, 0.0], RuleTrajectory.INCORRECT),
        ([0.3, 0.2, 0.35], RuleTrajectory.INCORRECT),
        ([0.2, 0.3, 0.4], RuleTrajectory.ACQUIRING),
        ([0.9, 0.6, 0.5], RuleTrajectory.REGRESSING),
        ([1.0, 0.0, 0.0], RuleTrajectory.REGRESSING),
        ([0.0, 1.0, 0.0], RuleTrajectory.FLUCTUATING),
        ([1.0, 0.0, 1.0, 0.0], RuleTrajectory.FLUCTUATING),
    ],
)
def test_a_trajectory_is_told_by_the_last_sessions(
    trend: list[float], going: RuleTrajectory
) -> None:
    assert trajectory(trend) is going


@pytest.mark.parametrize(
    ("sessions", "going", "confidence", "lessons", "sets"),
    [
        (5, RuleTrajectory.INCORRECT, 0.7, 1, True),
        (5, RuleTrajectory.REGRESSING, 0.7, 1, True),
        (4, RuleTrajectory.INCORRECT, 0.9, 2, False),
        (5, RuleTrajectory.FLUCTUATING, 0.9, 2, False),
        (5, RuleTrajectory.INCORRECT, 0.699, 1, False),
        (9, RuleTrajectory.INCORRECT, 0.9, 0, False),
    ],
)
def test_a_form_sets_only_where_all_four_hold(
    sessions: int, going: RuleTrajectory, confidence: float, lessons: int, sets: bool
) -> None:
    assert fossilises(sessions, going, confidence, lessons) is sets


def test_what_has_set_is_over_only_after_five_sessions_above_the_mark() -> None:
    wrong = [(0, 2)] * 5
    fossil = over(*wrong, lessons=1)
    better = over(*wrong, *[(9, 1)] * 4, lessons=1)
    cured = over(*wrong, *[(9, 1)] * 5, lessons=1)

    assert not over(*wrong, lessons=0).fossilised
    assert fossil.fossilised
    assert better.fossilised
    assert not cured.fossilised
    assert not resolved([0.85] * 5)
    assert resolved([0.0, *[0.86] * 5])


def test_strategies_come_in_their_order() -> None:
    assert [strategy(failed) for failed in range(6)] == [
        Strategy.VARIED,
        Strategy.VARIED,
        Strategy.PAIRS,
        Strategy.CORRECTION,
        Strategy.COMBINED,
        Strategy.COMBINED,
    ]


def test_risk_begins_with_the_third_hit() -> None:
    assert [at_risk(hits) for hits in (0, 2, 3, 9)] == [False, False, True, True]


def test_a_rule_is_teachable_up_to_one_stage_above_the_learner() -> None:
    assert [teachable(stage, 2) for stage in range(1, 6)] == [True, True, True, False, False]


def test_a_session_changes_what_it_missed_and_what_it_used_of_what_was_ever_missed() -> None:
    known = {"old": over((0, 1)), "idle": over((0, 1))}

    found = changed(known, [("new", GRAMMAR), ("new", GRAMMAR)], {"old": 2, "easy": 3}, 2)

    assert list(found) == ["new", "old"]
    assert (found["new"].hits, found["new"].sessions, found["new"].seen) == (2, 1, 2)
    assert (found["old"].hits, found["old"].trend) == (1, (0.0, 1.0))
    assert found["old"].target_like


def test_a_form_both_used_and_missed_gets_the_share_of_right_uses() -> None:
    found = changed({}, [("a", GRAMMAR)], {"a": 3}, 1)

    assert found["a"].trend == (0.75,)


@given(st.lists(uses, max_size=20))
def test_a_rule_remembers_its_last_sessions_and_counts_them_all(sessions: list[Uses]) -> None:
    rule = over(*[(one.right, one.wrong) for one in sessions])

    assert rule.sessions == len(sessions)
    assert rule.hits == sum(one.wrong for one in sessions)
    assert rule.trend == tuple(round(one.share, 6) for one in sessions[-TREND:])
