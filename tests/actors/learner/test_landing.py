"""Soft landing: three of five signals, strict thresholds, the first three sessions."""

from __future__ import annotations

import pytest

from holodeck.actors.learner.landing import (
    EXPECTED,
    LandingSignals,
    count,
    eased_pressure,
    lands,
    signals_of,
)
from holodeck.actors.learner.story import Story
from holodeck.messages.conversation import Affect, Cefr, ConversationOutcome, InnerAffect
from holodeck.messages.talk import AffectChanged
from tests.actors.learner.talks import DAY, PERSONA, Ana

EDGE = LandingSignals(3.0, 0.4, 2.0, 0.3, 1)
HARD = LandingSignals(3.1, 0.41, 2.1, 0.29, 2)


def test_every_threshold_is_strict() -> None:
    assert (count(EDGE), count(HARD), count(LandingSignals())) == (0, 5, 0)


@pytest.mark.parametrize(
    ("signals", "number", "before", "after"),
    [
        (LandingSignals(3.2, 0.45, 2.1, 0.5, 0), 1, False, True),
        (LandingSignals(3.2, 0.45, 2.1, 0.5, 0), 3, False, True),
        (LandingSignals(3.2, 0.45, 2.1, 0.5, 0), 4, False, False),
        (LandingSignals(3.2, 0.45, 1.0, 0.5, 0), 1, False, False),
        (LandingSignals(3.2, 0.45, 1.0, 0.5, 0), 9, True, True),
        (LandingSignals(3.2, 0.1, 1.0, 0.5, 0), 4, True, False),
    ],
    ids=[
        "three-converge",
        "in-the-third-session-too",
        "in-the-fourth-no-more",
        "two-are-not-enough",
        "but-enough-to-stay",
        "one-is-not",
    ],
)
def test_it_begins_early_and_ends_when_the_signals_do(
    signals: LandingSignals, number: int, before: bool, after: bool
) -> None:
    assert lands(signals, number, before) is after


def test_a_session_shows_its_signals() -> None:
    story = Story(
        "s1",
        active_ms=120_000,
        frictions=8,
        analysed=10,
        l1_turns=5,
        latency_ms=50_000,
        latencies=10,
        npcs={"marta": 2, "pau": 2, "iris": 1},
        outcomes={"marta": ConversationOutcome.COMPLETED.value},
    )
    assert signals_of(story, Cefr.A1, 2) == LandingSignals(4.0, 0.5, 2.5, 0.5, 2)
    assert signals_of(story, Cefr.B2, 0).friction_density_ratio == 4.0 / EXPECTED[Cefr.B2]


def test_too_few_turns_show_nothing() -> None:
    story = Story("s1", frictions=3, analysed=9, l1_turns=9, latency_ms=90_000, latencies=9)
    assert signals_of(story, Cefr.A1, 0) == LandingSignals(friction_density_ratio=3.0)


def test_pressure_begins_in_the_lower_quartile_of_the_tier() -> None:
    assert [eased_pressure(tier) for tier in (1, 2, 3)] == [0.325, 0.4375, 0.55]


def test_a_learner_that_overrated_itself_lands_softly_and_takes_off_again() -> None:
    # given a first session full of friction, of the native language and of long silences
    ana = Ana()
    ana.starts("s1")
    for _ in range(12):
        ana.says("s1", "a", "b", "c", l1=4, l2=2, latency=6000)
    bad = AffectChanged(turn=12, state=Affect.ANXIOUS, inner=InnerAffect.OVERWHELMED, pressure=0.7)
    ana.wrote("s1", bad)
    ana.ends("s1", minutes=4, outcome=ConversationOutcome.ABANDONED)
    ana.settles()
    # then it is on, and the next session asks for less
    brief = ana.brief()
    assert ana.profile.landing
    assert (brief.landing, brief.recommended_tier, brief.pressure) == (True, 1, 0.325)
    # when the next goes well
    ana.at += DAY
    ana.starts("s2", persona=PERSONA)
    for _ in range(12):
        ana.says("s2", latency=1500)
    ana.ends("s2")
    ana.settles()
    # then it is over
    assert not ana.profile.landing
    assert ana.brief().pressure == 0.5
