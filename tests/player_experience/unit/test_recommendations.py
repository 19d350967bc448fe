"""Recommendations: sorted, each once, and none that is not wanted."""

from __future__ import annotations

from datetime import UTC

import pytest

from holodeck.actors.decider import Moment
from holodeck.actors.learner import learner
from holodeck.actors.learner.player.progress import summary
from holodeck.actors.learner.player.recommend import (
    Recommendation,
    combined,
    of_progress,
    personal,
    recommendations,
)
from holodeck.messages.player import (
    CrisisType,
    DismissRecommendation,
    FeedbackGiven,
    PlayerUpdated,
    PrivacySettings,
    SafetyFinding,
    SafetyFlagged,
    SessionInteracted,
)
from tests.player_experience.unit.plays import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    NOW,
    SKILL,
    Life,
    begun,
    daily,
    five_daily,
)

HOUR = NOW - 3 * HOUR_MS


def told(life: Life, now: int = NOW) -> list[Recommendation]:
    return recommendations(life.history, life.state.player, now, UTC)


def said(life: Life, at: int = NOW - HOUR_MS, confidence: float = 0.9, **more: object) -> None:
    """A feedback."""
    number = 0 if life.state.player is None else len(life.state.player.feedback)
    event = FeedbackGiven.model_validate(
        {"feedback_id": f"f{number}", "feedback_type": "rating", "confidence": confidence, **more}
    )
    life.tell("ana", event, at)


def of(one: tuple[str, str, str, int]) -> Recommendation:
    identity, title, kind, priority = one
    return Recommendation(id=identity, title=title, type=kind, priority=priority)


def test_five_daily_sessions_with_five_skills() -> None:
    found = told(five_daily())
    assert [one.priority for one in found] == [2, 3]


def test_two_short_sessions_two_weeks_ago() -> None:
    life = Life()
    life.days([15, 16], minutes=5)
    assert [one.type for one in told(life)] == ["therapeutic_approach", "skill_building"]


def test_who_never_played_is_welcomed_and_told_nothing_else() -> None:
    (only,) = told(Life())
    assert (only.priority, only.type) == (1, "getting_started")
    assert "Welcome" in only.title


def test_fifteen_daily_sessions_give_one_to_six_in_order_and_of_several_types() -> None:
    found = of_progress(summary(daily(15, 35).history, NOW, UTC), NOW, UTC)
    assert 1 <= len(found) <= 6
    priorities = [one.priority for one in found]
    assert priorities == sorted(priorities)
    assert len({one.type for one in found}) > 1


def test_a_long_streak_with_momentum_asks_for_more() -> None:
    life = Life()
    for ago in range(9, -1, -1):
        life.play(HOUR - ago * DAY_MS, 30, [SKILL])
    assert [(one.type, one.priority) for one in told(life)] == [
        ("advanced_challenge", 1),
        ("skill_building", 3),
    ]


# --- what the player said ----------------------------------------


def test_three_low_ratings_recommend_to_adjust_the_intensity() -> None:
    life = five_daily()
    for _ in range(3):
        said(life, rating=2)
    titles = [one.title.lower() for one in personal(life.history, life.state.player, NOW, UTC)]
    assert any("adjust" in title for title in titles)


@pytest.mark.parametrize("ratings", [[3], [2, 4], [5, 5, 1, 1]])
def test_a_mean_of_three_recommends_nothing(ratings: list[int]) -> None:
    life = five_daily()
    for rating in ratings:
        said(life, rating=rating)
    assert personal(life.history, life.state.player, NOW, UTC) == []


def test_ratings_older_than_a_week_do_not_count() -> None:
    life = five_daily()
    said(life, at=NOW - 7 * DAY_MS - 1, rating=1)
    assert personal(life.history, life.state.player, NOW, UTC) == []


@pytest.mark.parametrize(
    ("text", "kind", "priority"),
    [
        ("much too FAST for me", "pacing", 2),
        ("overwhelming", "pacing", 2),
        ("a bit boring", "engagement", 3),
        ("not engaging", "engagement", 3),
    ],
)
def test_words_of_feedback(text: str, kind: str, priority: int) -> None:
    life = five_daily()
    said(life, text=text)
    (only,) = personal(life.history, life.state.player, NOW, UTC)
    assert (only.type, only.priority) == (kind, priority)


@pytest.mark.parametrize(
    ("level", "expected"), [(0.81, True), (0.8, False), (1, True), (1.5, False), ('"9"', False)]
)
def test_stress_above_eight_tenths(level: object, expected: bool) -> None:
    life = Life()
    life.tell("s", begun(), HOUR)
    event = SessionInteracted(number=1, emotional_state=f'{{"stress_level": {level}}}')
    life.tell("s", event, HOUR + MINUTE_MS)
    found = personal(life.history, None, NOW, UTC)
    assert [(one.priority, "stress" in one.title.lower()) for one in found] == (
        [(2, True)] if expected else []
    )
    assert personal(life.history, None, HOUR + DAY_MS + HOUR_MS, UTC) == []


def test_feelings_are_not_kept_against_the_players_will() -> None:
    life = Life()
    life.settle()
    privacy = PrivacySettings(collect_emotional_responses=False)
    life.tell("ana", PlayerUpdated(privacy=privacy), HOUR - 1)
    life.tell("s", begun(), HOUR)
    event = SessionInteracted(number=1, emotional_state='{"stress_level": 1}')
    life.tell("s", event, HOUR + MINUTE_MS)
    assert (life.history.deeds.stress, life.history.deeds.stressed_at) == (0.0, 0)


@pytest.mark.parametrize(("hour", "told_so"), [(23, True), (22, False), (5, True), (6, False)])
def test_the_late_hour_is_spoken_of_to_who_is_playing(hour: int, told_so: bool) -> None:
    now = NOW + (hour - 12) * HOUR_MS
    life = Life()
    life.play(now - HOUR_MS, 10)
    found = [one.type for one in personal(life.history, None, now, UTC)]
    assert found == (["timing"] if told_so else [])
    asleep = Life()
    asleep.play(now - 5 * HOUR_MS, 10)
    assert personal(asleep.history, None, now, UTC) == []


def test_a_text_that_gave_cause_for_concern_recommends_a_professional_for_two_weeks() -> None:
    life = five_daily()
    finding = SafetyFinding(types=(CrisisType.GENERAL_DISTRESS,), confidence=0.4)
    life.tell("s", SafetyFlagged(finding=finding), NOW)
    (first, *_) = told(life)
    assert (first.type, first.priority) == ("professional_support", 1)
    assert [one.type for one in personal(life.history, None, NOW + 15 * DAY_MS, UTC)] == []


@pytest.mark.parametrize(
    ("unsure", "sure", "expected"), [(3, 2, True), (2, 0, False), (3, 3, False), (4, 3, True)]
)
def test_feedback_that_is_mostly_guessed_at_recommends_a_professional(
    unsure: int, sure: int, expected: bool
) -> None:
    life = five_daily()
    for confidence in [0.5] * unsure + [0.9] * sure:
        said(life, confidence=confidence, text="well")
    found = [one.type for one in personal(life.history, life.state.player, NOW, UTC)]
    assert ("professional_support" in found) is expected


# --- all of them ----------------------------------------


def test_the_combined_list_keeps_the_first_of_two_with_the_same_title_and_type() -> None:
    progress = [of(("1", "A", "x", 3)), of(("2", "B", "x", 1))]
    own = [of(("3", "A", "x", 1)), of(("4", "A", "y", 2))]
    own += [of((f"more{n}", f"C{n}", "x", 5)) for n in range(10)]
    found = combined(progress, own)
    assert [one.id for one in found[:3]] == ["2", "4", "1"]
    assert len(found) == 8


def test_what_was_dismissed_or_has_expired_is_left_out() -> None:
    one, two = of(("1", "A", "x", 1)), of(("2", "B", "x", 1))
    late = Recommendation(id="3", title="C", type="x", priority=1, expires_at=NOW)
    assert combined([one, two, late], [], {"1"}, NOW) == [two]
    assert combined([late], [], (), NOW - 1) == [late]


def test_one_that_is_dismissed_is_gone_until_the_week_is_over() -> None:
    life = five_daily()
    wanted = told(life)[0]
    events = learner.decide(life.state, DismissRecommendation(recommendation=wanted.id), NOW)
    life.state = learner.fold(life.state, events, Moment(999, NOW, "ana", "ana"))
    assert wanted.id not in [one.id for one in told(life)]
    assert NOW < wanted.expires_at <= NOW + 7 * DAY_MS
    life.days(range(-5, -2))
    later = told(life, NOW + 5 * DAY_MS)
    assert [one.title for one in later if one.title == wanted.title]
    assert all(one.id != wanted.id for one in later)
