"""Streaks: unbroken days of the player's own calendar."""

from __future__ import annotations

from datetime import UTC
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holodeck.actors.learner.player.days import (
    begin_of,
    day_of,
    hour_of,
    local,
    moment_of,
    week_of,
    zone_named,
)
from holodeck.actors.learner.player.history import RUNS, PlayHistory, streaks, with_day
from holodeck.actors.learner.player.progress import engagement
from holodeck.messages.conversation import Cefr
from holodeck.messages.learner import ProfileEdited
from holodeck.messages.session import SessionPaused, SessionResumed, TurnTaken
from tests.player_experience.unit.plays import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    NOW,
    Life,
    begun,
    over,
)

TODAY = day_of(NOW, UTC)
HOUR = NOW - 3 * HOUR_MS


@pytest.mark.parametrize(
    ("days_ago", "current", "longest"),
    [
        ([0, 1, 2, 3, 4], 5, 5),
        ([0, 1, 3, 4], 2, 2),
        ([10, 11, 12, 13, 14], 0, 5),
        ([1, 2, 3], 0, 3),
        ([0, 0, 1], 2, 2),
        ([-1, 0], 1, 1),
        ([-1], 0, 0),
        ([-3, -2, -1], 0, 0),
        ([], 0, 0),
        ([0], 1, 1),
        ([5, 0, 4, 1, 2, 3], 6, 6),
    ],
    ids=[
        "streak-of-five-days",
        "broken-streak-counts-from-today",
        "old-activity",
        "no-session-today-yet",
        "duplicate-days-count-once",
        "future-date",
        "only-a-future-date",
        "only-future-dates",
        "never",
        "today",
        "in-no-order",
    ],
)
def test_a_streak_counts_unbroken_days_back_from_today(
    days_ago: list[int], current: int, longest: int
) -> None:
    assert streaks([TODAY - ago for ago in days_ago], TODAY) == (current, longest)


@pytest.mark.parametrize("days_ago", [[0, 1, 2, 3, 4], [0, 1, 3, 4], [10, 11, 12], [1, 2, 3]])
def test_sessions_give_the_streak_of_the_days_they_began_on(days_ago: list[int]) -> None:
    life = Life()
    life.days(days_ago)
    seen = engagement(life.history, NOW, UTC)
    expected = streaks([TODAY - ago for ago in days_ago], TODAY)
    assert (seen.current_streak, seen.longest_streak) == expected
    assert seen.sessions == len(days_ago)


def test_forty_sessions_on_one_day_are_a_streak_of_one_and_leave_older_days_alone() -> None:
    life = Life()
    life.days([1, 2])
    for number in range(40):
        life.play(HOUR + number * MINUTE_MS, 1)
    seen = engagement(life.history, NOW, UTC)
    assert (seen.sessions, seen.current_streak) == (42, 3)


def test_a_session_begun_twice_a_day_and_told_twice_raises_nothing() -> None:
    life = Life()
    life.play(HOUR)
    life.play(HOUR + HOUR_MS)
    assert life.history.current_streak(TODAY) == 1


def test_a_gap_begins_anew() -> None:
    life = Life()
    life.days([22, 21, 20])
    life.days([0])
    assert life.history.current_streak(TODAY) == 1
    assert life.history.longest_streak(TODAY) == 3


def test_a_session_that_is_gone_on_with_on_other_days_is_played_on_those_days_too() -> None:
    life = Life()
    life.tell("s", begun(), HOUR - 2 * DAY_MS)
    life.tell("s", SessionPaused(), HOUR - 2 * DAY_MS + HOUR_MS)
    life.tell("s", SessionResumed(), HOUR - DAY_MS)
    life.tell("s", SessionPaused(), HOUR - DAY_MS + HOUR_MS)
    assert life.history.runs == ((TODAY - 2, TODAY - 1),)
    assert life.history.current_streak(TODAY) == 0
    life.tell("s", SessionResumed(), HOUR)
    assert life.history.current_streak(TODAY) == 3


def test_a_turn_after_midnight_makes_it_a_day_of_play() -> None:
    life = Life()
    midnight = begin_of(TODAY, UTC)
    life.tell("s", begun(), midnight - 10 * MINUTE_MS)
    life.tell("s", TurnTaken(turn=1, npc="marta", text="hola"), midnight - MINUTE_MS)
    assert life.history.runs == ((TODAY - 1, TODAY - 1),)
    life.tell("s", TurnTaken(turn=2, npc="marta", text="adios"), midnight)
    assert life.history.runs == ((TODAY - 1, TODAY),)
    # the time spent is all of the day the span began on
    life.tell("s", over(20), midnight + 10 * MINUTE_MS)
    assert life.history.on(TODAY - 1).active_ms == 20 * MINUTE_MS


# --- whose days ----------------------------------------


def test_days_are_those_of_the_zone_of_the_profile() -> None:
    """23:30 and 00:30 of Tokyo are one day of UTC and two of the player's."""
    tokyo = ZoneInfo("Asia/Tokyo")
    midnight = begin_of(TODAY, tokyo)
    for zone, expected in (("Asia/Tokyo", 2), ("UTC", 1)):
        life = Life()
        life.settle(zone)
        life.play(midnight - 30 * MINUTE_MS, 5)
        life.play(midnight + 30 * MINUTE_MS, 5)
        last = life.history.runs[-1][1]
        assert life.history.current_streak(last) == expected


def test_without_a_profile_the_offset_a_learner_said_makes_its_days() -> None:
    life = Life()
    life.tell("ana", ProfileEdited(cefr=Cefr.A2, utc_offset_minutes=-600), HOUR - 9 * DAY_MS)
    life.play(begin_of(TODAY, UTC) + 5 * HOUR_MS, 5)
    assert life.history.runs == ((TODAY - 1, TODAY - 1),)


@pytest.mark.parametrize(
    ("zone", "change"),
    [
        ("Europe/Madrid", 1_774_746_000_000),  # 2026-03-29 01:00 UTC: 23 hours
        ("Europe/Madrid", 1_792_890_000_000),  # 2026-10-25 01:00 UTC: 25 hours
        ("America/New_York", 1_793_512_800_000),  # 2026-11-01 06:00 UTC
        ("Australia/Lord_Howe", 1_775_314_800_000),  # half an hour
    ],
)
def test_a_day_of_another_length_breaks_no_streak_and_counts_once(zone: str, change: int) -> None:
    life = Life()
    life.settle(zone)
    there = ZoneInfo(zone)
    changed = day_of(change, there)
    for day in range(changed - 2, changed + 3):
        life.play(begin_of(day, there), 1)
        life.play(begin_of(day + 1, there) - 2 * MINUTE_MS, 1)
    assert life.history.runs == ((changed - 2, changed + 2),)
    assert life.history.current_streak(changed + 2) == 5
    assert begin_of(changed + 1, there) - begin_of(changed, there) != DAY_MS


def test_an_hour_that_is_leapt_over_is_the_one_after_it() -> None:
    madrid = ZoneInfo("Europe/Madrid")
    changed = day_of(1_774_746_000_000, madrid)
    assert local(moment_of(changed, 2, madrid), madrid).hour == 3
    assert local(moment_of(changed, 3, madrid), madrid).hour == 3


@given(st.integers(0, 2**53), st.integers(0, 23))
def test_the_short_way_of_utc_leads_to_the_same_days_and_hours(at: int, hour: int) -> None:
    there = ZoneInfo("Etc/UTC")
    day = day_of(at, UTC)
    assert day == day_of(at, there)
    assert hour_of(at, UTC) == hour_of(at, there)
    assert moment_of(day, hour, UTC) == moment_of(day, hour, there)


def test_a_zone_that_this_machine_does_not_know_is_the_offset_else_utc() -> None:
    assert zone_named("Atlantis/Deep") is UTC
    assert local(NOW, zone_named("Atlantis/Deep", 90)).hour == 13
    assert local(NOW, zone_named("Europe/Madrid", 90)).hour == 13
    assert local(NOW, zone_named("", -60)).hour == 11


def test_weeks_are_those_of_the_calendar() -> None:
    assert week_of(TODAY) == ("2026-w48", TODAY + 4)
    sunday, monday = TODAY + 3, TODAY + 4
    assert week_of(sunday) == ("2026-w48", monday)
    assert week_of(monday) == ("2026-w49", monday + 7)


# --- what is kept ----------------------------------------


def test_of_days_that_are_let_go_the_longest_streak_stays() -> None:
    history = PlayHistory()
    days = [*range(30), *range(100, 100 + 4 * RUNS, 2)]
    for day in days:
        history.runs, history.longest = with_day(history.runs, day, history.longest)
    assert len(history.runs) == RUNS
    assert history.longest_streak(10_000) == 30
    assert history.current_streak(days[-1]) == 1


def test_ten_years_of_daily_play_are_one_run() -> None:
    runs: tuple[tuple[int, int], ...] = ()
    for day in range(3650):
        runs, _ = with_day(runs, day, 0)
    assert runs == ((0, 3649),)
