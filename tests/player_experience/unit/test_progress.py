"""Engagement, risk, momentum, trends, effectiveness and charts."""

from __future__ import annotations

from datetime import UTC
from typing import Any

import pytest

from holodeck.actors.learner.player.charts import charts
from holodeck.actors.learner.player.days import day_of
from holodeck.actors.learner.player.history import OPEN
from holodeck.actors.learner.player.progress import (
    WEEK,
    challenges,
    dropout_risk,
    effectiveness,
    effectiveness_metrics,
    effectiveness_overall,
    engagement,
    engagement_trend,
    momentum,
    next_goals,
    overall,
    part_of,
    progress_trend,
    readiness,
    strengths,
    summary,
)
from holodeck.messages.player import MarkerType, SettingsChanged, TherapeuticApproach
from holodeck.messages.player import TherapeuticSettings as Settings
from holodeck.messages.session import (
    EndReason,
    SessionKind,
    SessionPaused,
    SessionResumed,
    SessionStarted,
)
from tests.player_experience.unit.plays import (
    BREAKTHROUGH,
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    NOW,
    SKILL,
    Life,
    begun,
    five_daily,
    mark,
    over,
)

TODAY = day_of(NOW, UTC)
HOUR = NOW - 3 * HOUR_MS
CBT, MINDFUL = TherapeuticApproach.CBT, TherapeuticApproach.MINDFULNESS


@pytest.mark.parametrize(
    ("days_away", "week", "streak", "average", "risk"),
    [
        (4, 1, 0, 30, 0.2),
        (4, 0, 0, 5, 0.4),
        (8, 0, 0, 30, 0.5),
        (8, 0, 0, 5, 0.6),
        (0, 1, 7, 30, 0.0),
        (0, 1, 3, 5, 0.1),
        (7, 1, 0, 30, 0.2),
        (3, 2, 0, 30, 0.0),
        (None, 0, 0, 0, 0.8),
        (0, 9, 30, 60, 0.0),
    ],
)
def test_dropout_risk(
    days_away: int | None, week: int, streak: int, average: float, risk: float
) -> None:
    assert dropout_risk(days_away, week, streak, average) == risk


@pytest.mark.parametrize(
    ("markers", "streak", "week", "value"),
    [(0, 0, 0, 0.3), (5, 5, 5, 0.65), (10, 3, 2, 0.63), (15, 20, 4, 1.0), (16, 25, 9, 1.0)],
)
def test_momentum(markers: int, streak: int, week: int, value: float) -> None:
    assert momentum(markers, streak, week) == value


@pytest.mark.parametrize(
    ("markers", "week", "streak", "risk", "trend"),
    [
        (10, 3, 5, 0, "improving"),
        (9, 3, 5, 0, "stable"),
        (0, 0, 0, 0, "declining"),
        (0, 1, 0, 0.61, "declining"),
        (0, 1, 0, 0.6, "stable"),
    ],
)
def test_the_trend_of_progress(
    markers: int, week: int, streak: int, risk: float, trend: str
) -> None:
    assert progress_trend(markers, week, streak, risk) == trend


@pytest.mark.parametrize(
    ("week", "before", "risk", "trend"),
    [
        (0, 0, 0.8, "stable"),
        (3, 2, 0.9, "increasing"),
        (2, 3, 0.5, "decreasing"),
        (2, 3, 0.4, "stable"),
        (2, 2, 1.0, "stable"),
    ],
)
def test_the_trend_of_engagement(week: int, before: int, risk: float, trend: str) -> None:
    assert engagement_trend(week, before, risk) == trend


def test_who_never_played_has_the_figures_of_the_case_and_words_of_welcome() -> None:
    told = summary(Life().history, NOW, UTC)
    assert told.engagement.dropout_risk == 0.8
    assert (told.momentum, told.readiness) == (0.3, 0.29)
    assert (told.progress_trend, told.engagement_trend) == ("declining", "stable")
    assert (told.challenges, told.adjustments, told.strengths) == ((), (), ())
    assert told.next_goals == ("Play a first session",)
    welcome = Life().view("progress")["welcome"]
    assert "Welcome" in welcome
    assert "reconnect" not in str(Life().view("dashboard")).lower()


def test_two_short_sessions_two_weeks_ago() -> None:
    life = Life()
    life.days([15, 16], minutes=5)
    told = summary(life.history, NOW, UTC)
    assert told.engagement.dropout_risk == 0.6
    assert (told.momentum, told.progress_trend) == (0.3, "declining")
    assert "Coming Back" in told.challenges  # what nobody reaches in the source


def test_five_daily_sessions_of_half_an_hour_with_five_skills() -> None:
    told = summary(five_daily().history, NOW, UTC)
    assert (told.engagement.sessions, told.engagement.minutes) == (5, 150)
    assert (told.momentum, told.readiness) == (0.65, 0.645)
    assert "Skill Development" in told.strengths


def test_readiness_asks_what_was_achieved_not_how_long_it_took() -> None:
    assert readiness(0.65, 4, 5) == 0.645
    assert readiness(1.0, 99, 99) == 1.0


def test_the_overall_score_is_of_milestones_momentum_and_streak() -> None:
    assert overall(0, 0, 0.5, 0) == 0.15
    assert overall(3, 1, 1.0, 30) == 0.9
    assert overall(4, 0, 1.0, 90) == 1.0


def test_a_week_has_eight_dates_and_a_month_thirty_one() -> None:
    life = Life()
    life.days([0, 7, 8, 14, 15, 30, 31])
    seen = engagement(life.history, NOW, UTC)
    assert (seen.sessions_this_week, seen.sessions_before, seen.sessions_this_month) == (2, 2, 6)
    assert WEEK == 7


def test_what_agents_do_is_not_play() -> None:
    life = Life()
    life.tell("a", SessionStarted(session_kind=SessionKind.AGENT, learner="ana"), NOW)
    assert life.state.history is None
    life.play(HOUR, 10, kind=SessionKind.PRACTICE)
    assert life.history.sessions == 1


def test_strengths_challenges_and_goals_are_those_whose_figures_hold() -> None:
    life = Life()
    for ago in range(9, -1, -1):
        life.play(HOUR - ago * DAY_MS, 35, [SKILL, BREAKTHROUGH])
    seen = engagement(life.history, NOW, UTC)
    assert set(strengths(seen, 10, 10)) == {
        "Consistent Engagement",
        "Skill Development",
        "Insight and Breakthroughs",
        "Sustained Focus",
        "Regular Practice",
    }
    assert challenges(seen, 10, 10) == ()
    assert next_goals(seen, 10, 10) == ("Keep going for fourteen days in a row",)
    assert len(next_goals(engagement(Life().history, NOW, UTC), 0, 0)) == 1


@pytest.mark.parametrize(
    ("hour", "part"), [(4, "evening"), (5, "morning"), (11, "morning"), (12, "afternoon"),
                       (16, "afternoon"), (17, "evening"), (23, "evening")],
)  # fmt: skip
def test_parts_of_the_day(hour: int, part: str) -> None:
    assert part_of(hour) == part


# --- time ----------------------------------------


def test_pauses_are_no_time_played() -> None:
    life = Life()
    life.tell("s", begun(world="garden"), HOUR)
    life.tell("s", SessionPaused(), HOUR + 10 * MINUTE_MS)
    life.tell("s", SessionPaused(), HOUR + 15 * MINUTE_MS)
    life.tell("s", SessionResumed(), HOUR + 60 * MINUTE_MS)
    assert engagement(life.history, HOUR + 65 * MINUTE_MS, UTC).minutes == 15
    life.tell("s", over(20), HOUR + 70 * MINUTE_MS)
    history = life.history
    assert history.active_ms == history.recent[-1].active_ms == 20 * MINUTE_MS
    assert history.on(TODAY).active_ms == 20 * MINUTE_MS
    assert history.worlds["garden"].active_ms == 20 * MINUTE_MS


def test_time_is_spent_under_the_approaches_that_held_at_the_time() -> None:
    life = Life()
    life.tell("s", begun(approaches=[CBT]), HOUR)
    changed = SettingsChanged(settings=Settings(preferred_approaches=(MINDFUL,)))
    life.tell("s", changed, HOUR + 10 * MINUTE_MS)
    life.tell("s", over(25), HOUR + 25 * MINUTE_MS)
    parts = life.history.deeds.approaches
    assert parts[CBT].active_ms == 10 * MINUTE_MS
    assert parts[MINDFUL].active_ms == 15 * MINUTE_MS
    assert (parts[CBT].sessions, parts[MINDFUL].sessions) == (0, 1)


def test_favourite_is_where_most_time_went_and_best_where_sessions_were_longest() -> None:
    life = Life()
    for ago in range(4):
        life.play(HOUR - ago * DAY_MS, 12, approaches=[CBT], world="garden")
    life.play(HOUR - 9 * DAY_MS, 30, approaches=[MINDFUL], world="harbour")
    told = summary(life.history, NOW, UTC)
    assert (told.favourite_approach, told.best_approach) == (CBT, MINDFUL)
    assert told.best_world == "harbour"


# --- effectiveness ----------------------------------------


def test_the_metrics_of_the_case() -> None:
    metrics = effectiveness_metrics(5, 5, 0)
    assert [one.value for one in metrics] == [0.25, 0.5, 0.0]
    assert [one.confidence for one in metrics] == [0.9, 0.8, 0.7]
    assert effectiveness_overall(metrics) == pytest.approx(0.20833, abs=1e-5)


def test_the_highest_level_can_be_reached() -> None:
    metrics = effectiveness_metrics(20, 10, 3)
    assert effectiveness_overall(metrics[::-1]) == 0.8  # in whatever order floats are added
    assert effectiveness_overall(metrics) == 0.8
    life = Life()
    for number in range(20):
        markers = [SKILL] if number < 10 else [BREAKTHROUGH] if number < 13 else []
        life.play(HOUR - number // 4 * DAY_MS, 30, markers)
    assert effectiveness(life.history, NOW, UTC).level == "high"


@pytest.mark.parametrize(
    ("sessions", "skills", "broke", "level", "advice"),
    [(1, 0, 0, "low", 2), (20, 5, 0, "moderate", 1), (20, 10, 1, "good", 1)],
)
def test_the_levels(sessions: int, skills: int, broke: int, level: str, advice: int) -> None:
    life = Life()
    markers = [SKILL] * skills + [BREAKTHROUGH] * broke
    for number in range(sessions):
        life.play(HOUR + number, 1, markers if not number else ())
    found = effectiveness(life.history, NOW, UTC)
    assert (found.level, len(found.advice)) == (level, advice)


def test_what_lies_before_the_period_does_not_count() -> None:
    life = Life()
    life.play(HOUR - 30 * DAY_MS, 30, [SKILL, BREAKTHROUGH], approaches=[CBT])
    assert effectiveness(life.history, NOW, UTC, 30).sessions == 0
    assert effectiveness(life.history, NOW, UTC, 30).most == ()
    whole = effectiveness(life.history, NOW, UTC, 31)
    assert (whole.sessions, whole.metrics[1].value) == (1, 0.1)
    assert [one.approach for one in whole.most] == [CBT]
    assert effectiveness(life.history, NOW, UTC, 0).first == TODAY
    assert effectiveness(life.history, NOW, UTC, 500).first == TODAY - 59


def test_effectiveness_ranks_approaches_and_counts_goals() -> None:
    life = Life()
    life.play(HOUR - DAY_MS, 30, approaches=[CBT])
    life.play(HOUR - DAY_MS, 10, approaches=[MINDFUL])
    life.tell("g", begun(character="mira"), HOUR)
    for name, goal in (("a", "g1"), ("b", "g1"), ("c", None)):
        event = mark(name, MarkerType.GOAL_ACHIEVED, related_goal_id=goal)
        life.tell("g", event, HOUR + MINUTE_MS)
    life.tell("g", mark("i", MarkerType.INSIGHT), HOUR + MINUTE_MS)
    found = effectiveness(life.history, NOW, UTC)
    assert [one.approach for one in found.most] == [CBT]
    assert [one.approach for one in found.least] == [MINDFUL]
    assert (found.goals_achieved, found.goals_in_progress) == (2, 1)
    assert found.self_awareness == 0.2


# --- charts ----------------------------------------


def test_charts_of_seven_days() -> None:
    life = Life()
    life.days([1, 0])
    life.play(HOUR + HOUR_MS, 30)
    found = charts(life.history, NOW, UTC, 7)
    assert len(found.buckets) == found.days == 7
    assert found.sessions == (0, 0, 0, 0, 0, 1, 2)
    assert found.minutes[-2:] == (30, 60)
    assert found.buckets[-1] == "2026-11-26"


@pytest.mark.parametrize(("days", "buckets"), [(0, 1), (500, 60), (-5, 1), (14, 14)])
def test_a_range_is_brought_into_what_can_be_drawn(days: int, buckets: int) -> None:
    assert charts(Life().history, NOW, UTC, days).days == buckets


def test_charts_know_what_is_running_and_what_was_achieved() -> None:
    life = Life()
    life.tell("s", begun(), NOW - 20 * MINUTE_MS)
    life.tell("s", mark("m", SKILL), NOW - 10 * MINUTE_MS)
    found = charts(life.history, NOW, UTC, 2)
    assert (found.minutes, found.markers) == ((0, 20), (0, 1))


def test_sixty_days_of_several_sessions_are_all_in_the_charts() -> None:
    life = Life()
    for ago in range(80, -1, -1):
        for number in range(3):
            life.play(HOUR - ago * DAY_MS + number * MINUTE_MS, 1)
    found = charts(life.history, NOW, UTC, 60)
    assert found.sessions == (3,) * 60
    assert len(life.history.recent) == 50


# --- sessions one by one ----------------------------------------


def test_sessions_of_a_pair_are_found_the_newest_first() -> None:
    life = Life()
    life.tell("one", begun(character="mira", world="garden"), HOUR)
    life.tell("one", SessionPaused(), HOUR + 1)
    life.tell("two", begun(character="mira", world="harbour"), HOUR + 2)
    life.tell("two", SessionPaused(), HOUR + 3)
    life.tell("three", begun(character="mira", world="garden"), HOUR + 4)
    history = life.history
    assert history.of_pair("mira", "garden") == ("three", "one")
    assert history.of_pair("mira", None) == ()
    assert history.active() == "three"
    life.tell("three", over(1, EndReason.ABANDONED), HOUR + 5)
    assert life.history.of_pair("mira", "garden") == ("one",)
    assert life.history.active() is None
    assert life.history.recent[-1].status.value == "abandoned"


def test_a_session_ends_once_and_unknown_ones_change_nothing() -> None:
    life = Life()
    life.play(HOUR, 10, session="s")
    before = life.history
    for event in (over(99), SessionPaused(), SessionResumed(), mark("x", SKILL)):
        life.tell("s", event, NOW)
        life.tell("unheard-of", event, NOW)
    assert life.history == before


@pytest.mark.parametrize("event", [{"active_ms": 0}, {"active_ms": 10**12}])
def test_what_a_session_says_of_its_time_is_believed(event: dict[str, Any]) -> None:
    life = Life()
    life.tell("s", begun(), HOUR)
    ended = over(0).model_copy(update=event)
    life.tell("s", ended, HOUR + 1)
    assert life.history.active_ms == event["active_ms"]


def test_of_too_many_open_sessions_the_one_begun_first_is_heard_no_more() -> None:
    life = Life()
    for number in range(OPEN + 1):
        life.tell(f"s{number}", begun(character="mira"), HOUR + number)
        life.tell(f"s{number}", SessionPaused(), HOUR + number)
    found = life.history.of_pair("mira", None)
    assert (len(found), found[0]) == (OPEN, f"s{OPEN}")
    assert "s0" not in found
    assert life.history.sessions == OPEN + 1
    life.tell("s0", over(5), NOW)
    assert life.history.recent == ()
