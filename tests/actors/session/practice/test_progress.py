"""Tiers, mastery, fluency, and when a skill is to be reviewed."""

from __future__ import annotations

import datetime
import random
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holodeck.actors.session.practice import progress
from holodeck.actors.session.practice.clock import answer_ms, countdown
from holodeck.actors.session.practice.reviews import (
    DAY_MS,
    OldestFirst,
    Scheduler,
    SpacedScheduler,
    scheduler,
)
from holodeck.actors.session.practice.summary import percent
from holodeck.messages.practice import (
    LEARN_RULE,
    PROVE_RULE,
    RECOVERY_RULE,
    Card,
    Course,
    CourseSkill,
    SchedulerKind,
    SkillRecord,
    SkillState,
    SkillTier,
    TierRule,
    Trigger,
)
from tests.actors.session.stories import NOON

COUNTS = st.integers(0, 60)


@given(COUNTS, COUNTS, st.integers(1, 12), st.sampled_from([0.5, 0.75, 0.85, 0.9, 1.0]))
def test_what_is_needed_completes_the_tier_and_one_less_does_not(
    wrong: int, right: int, problems: int, share: float
) -> None:
    rule = TierRule(problems=problems, accuracy=share)
    attempts = wrong + right
    more = progress.needed(attempts, right, rule)
    if more is None:
        assert share == 1.0
        assert wrong
        return
    assert progress.complete(attempts + more, right + more, rule)
    assert more == 0 or not progress.complete(attempts + more - 1, right + more - 1, rule)


def test_the_bar_shows_what_the_rule_asks_for() -> None:
    assert progress.needed(0, 0, LEARN_RULE) == 8
    assert progress.needed(6, 5, PROVE_RULE) == 1
    assert progress.needed(8, 0, LEARN_RULE) == 24
    assert progress.needed(8, 6, LEARN_RULE) == 0


def test_an_answer_moves_a_skill_once_at_most() -> None:
    def after(state: SkillState, tier: SkillTier, attempts: int, correct: int) -> Any:
        record = SkillRecord(skill="a", state=state, tier=tier, attempts=attempts, correct=correct)
        rule = progress.rule_of(COURSE, None, state, tier)
        move = progress.moved_by(record, rule)
        return move and (move.trigger, move.state, move.tier)

    learn, prove = SkillTier.LEARN, SkillTier.PROVE
    assert after(SkillState.NEW, learn, 1, 1) == (Trigger.FIRST, SkillState.LEARNING, learn)
    assert after(SkillState.LEARNING, learn, 7, 7) is None
    assert after(SkillState.LEARNING, learn, 8, 6) == (Trigger.TIER, SkillState.LEARNING, prove)
    assert after(SkillState.LEARNING, prove, 6, 5) is None
    assert after(SkillState.LEARNING, prove, 7, 6) == (
        Trigger.MASTERY,
        SkillState.MASTERED,
        prove,
    )
    assert after(SkillState.MASTERED, prove, 6, 6) is None
    assert after(SkillState.RUSTY, learn, 4, 3) == (
        Trigger.RECOVERY,
        SkillState.MASTERED,
        learn,
    )


COURSE = Course(id="c")


def test_a_skills_own_rule_goes_before_its_courses_and_recovery_before_both() -> None:
    own = TierRule(problems=2, accuracy=1)
    skill = CourseSkill(id="a", name="A", learn=own)
    of = progress.rule_of
    assert of(COURSE, skill, SkillState.NEW, SkillTier.LEARN) is own
    assert of(COURSE, skill, SkillState.LEARNING, SkillTier.PROVE) == PROVE_RULE
    assert of(COURSE, skill, SkillState.RUSTY, SkillTier.LEARN) == RECOVERY_RULE


@given(st.floats(0, 1), st.lists(st.floats(0, 1), max_size=12), st.integers(0, 40))
def test_fluency_is_a_share(share: float, speeds: list[float], streak: int) -> None:
    assert 0 <= progress.fluency(share, speeds, streak) <= 1


@given(st.integers(0, 10**6), st.integers(1, 120))
def test_a_slower_answer_never_scores_more(time_ms: int, limit_s: int) -> None:
    score = progress.speed_score(time_ms, limit_s)
    assert 0 <= progress.speed_score(time_ms + 50, limit_s) <= score <= 1


@given(st.lists(st.booleans(), max_size=8))
def test_reviews_are_poor_when_fewer_than_two_of_the_last_four_are_right(
    seen: list[bool],
) -> None:
    assert progress.poor(seen) is (len(seen) >= 4 and sum(seen[-4:]) < 2)


def test_a_share_is_shown_rounded_half_up() -> None:
    assert percent(11, 14) == 79
    assert percent(1, 8) == 13
    assert percent(0, 0) == 0


@given(st.floats(-1e6, 1e7), st.floats(0, 1e7))
def test_the_countdown_never_goes_below_zero(active: float, limit: float) -> None:
    minutes, seconds = countdown(active, limit).split(":")
    assert len(seconds) == 2
    assert 0 <= int(seconds) < 60
    assert int(minutes) * 60 + int(seconds) <= max(0.0, (limit - active) / 1000)
    assert answer_ms(active, limit) >= 0


# --- reviews ----------------------------------------


def days(card: Card) -> float:
    return (card.due_at - card.last_at) / DAY_MS


def test_good_reviews_are_ever_further_apart_and_a_bad_one_brings_the_next_near() -> None:
    by = SpacedScheduler()
    card = by.first(NOON)
    intervals = [days(card)]
    for _ in range(4):
        card = by.reviewed(card, 1.0, card.due_at)
        intervals.append(days(card))
    assert intervals == sorted(set(intervals))
    assert intervals[:3] == [2, 11, 46]
    hard = by.reviewed(card, 2 / 3, card.due_at)
    again = by.reviewed(card, 1 / 3, card.due_at)
    good = by.reviewed(card, 1.0, card.due_at)
    assert days(again) < days(hard) <= days(good)
    assert (again.hits, hard.hits, again.reviews) == (0, card.hits + 1, card.reviews + 1)


def test_a_review_on_the_same_day_brings_little() -> None:
    by = SpacedScheduler()
    card = by.first(NOON)
    for minute in range(10):
        card = by.reviewed(card, 1.0, NOON + minute * 60_000)
    assert days(card) < 11


def test_neither_clock_nor_chance_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def poisoned(*_: Any, **__: Any) -> Any:
        raise AssertionError("the clock was read, or chance drawn")

    class Poisoned(datetime.datetime):
        now = classmethod(poisoned)
        utcnow = classmethod(poisoned)
        today = classmethod(poisoned)

    monkeypatch.setattr("fsrs.scheduler.datetime", Poisoned)
    monkeypatch.setattr("fsrs.card.datetime", Poisoned)
    monkeypatch.setattr("fsrs.scheduler.random", poisoned)
    for name in ("time", "time_ns", "sleep", "monotonic"):
        monkeypatch.setattr(time, name, poisoned)
    monkeypatch.setattr(random, "random", poisoned)
    by = SpacedScheduler()
    card = by.first(NOON)
    for share in (1.0, 0.6, 0.0, 1.0):
        card = by.reviewed(card, share, card.due_at + 3 * DAY_MS)
    assert card.reviews == 5


CARDS = st.builds(
    Card,
    due_at=st.integers(-(2**53), 2**53),
    last_at=st.integers(0, 2**53),
    stability=st.floats(),
    difficulty=st.floats(),
    reviews=st.integers(0, 10**6),
    hits=st.integers(0, 10**6),
)


@given(
    st.sampled_from([SpacedScheduler(), OldestFirst()]),
    CARDS,
    st.floats(0, 1),
    st.integers(0, 2**53),
)
def test_whatever_a_card_says_it_gets_a_next_date(
    by: Scheduler, card: Card, share: float, at: int
) -> None:
    after = by.reviewed(card, share, at)
    assert after == by.reviewed(card, share, at)
    assert after.last_at == at
    assert 0 <= after.stability < 1e6


def test_without_dates_a_card_keeps_only_when_it_was_reviewed() -> None:
    by = scheduler(SchedulerKind.OLDEST)
    card = by.reviewed(by.first(NOON), 1.0, NOON + DAY_MS)
    assert (card.due_at, card.last_at, card.reviews, card.hits) == (
        NOON + DAY_MS,
        NOON + DAY_MS,
        1,
        1,
    )
