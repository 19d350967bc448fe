"""The dashboard and the views it is made of: one look, for whom it is meant."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from holodeck.actors.learner.player.dashboard import next_session
from holodeck.actors.learner.player.days import begin_of, day_of, local
from holodeck.actors.learner.player.reading import read
from holodeck.messages.codec import pack, unpack
from holodeck.messages.conversation import Cefr
from holodeck.messages.envelope import ReadPlayer
from holodeck.messages.errors import RefusedError
from holodeck.messages.learner import ProfileEdited
from holodeck.messages.player import (
    CharacterPut,
    PlayerUpdated,
    PrivacySettings,
    SessionInteracted,
    TherapeuticApproach,
    World,
)
from holodeck.messages.session import SessionPaused
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
    mark,
    over,
)

HOUR = NOW - 3 * HOUR_MS
TODAY = day_of(NOW, UTC)
VIEWS = (
    "progress", "charts", "milestones", "effectiveness", "recommendations", "sessions",
    "dashboard",
)  # fmt: skip


class Atlas:
    """One world."""

    def get(self, world: str) -> World | None:
        return World(world_id="garden", name="The Garden") if world == "garden" else None

    def names(self) -> Sequence[str]:
        return ("garden",)


def mira() -> CharacterPut:
    return CharacterPut.model_validate(
        {
            "character": {
                "character_id": "mira",
                "name": "Mira",
                "background": {"name": "Mira"},
                "therapeutic_profile": {
                    "therapeutic_goals": [
                        {"goal_id": "calm", "description": "calm", "progress_percentage": 40}
                    ]
                },
            }
        }
    )


def test_minutes_today_are_todays() -> None:
    life = Life()
    life.days([1], minutes=20)
    life.play(HOUR, 20)
    life.play(HOUR + HOUR_MS, 20)
    assert life.view("dashboard")["total_session_time_today"] == 40


def test_what_is_running_counts_to_today_and_what_ran_into_it_to_yesterday() -> None:
    life = Life()
    life.play(begin_of(TODAY, UTC) - 10 * MINUTE_MS, 30)
    life.tell("s", begun(), NOW - 5 * MINUTE_MS)
    assert life.view("dashboard")["total_session_time_today"] == 5


def test_one_look_shows_characters_sessions_highlights_and_what_comes_next() -> None:
    life = daily(8)
    life.tell("ana", mira(), HOUR - 50 * DAY_MS)
    life.owe()
    live = life.sequence + 1
    life.tell("old", begun(character="mira", world="garden"), HOUR)
    life.tell("old", SessionPaused(), HOUR + 1)
    cbt = [TherapeuticApproach.CBT]
    life.play(HOUR + 2, 30, session="done", character="mira", world="garden", approaches=cbt)
    life.tell("now", begun(character="mira", world="nowhere"), HOUR + HOUR_MS)
    query = ReadPlayer(view="dashboard", at=NOW)
    found = read("ana", life.state, query, Atlas())
    assert live > 0
    assert found["active_session"] == "now"
    assert found["paused_sessions"] == ["old"]
    (character,) = found["active_characters"]
    assert (character["character_id"], character["name"]) == ("mira", "Mira")
    assert (character["session_id"], character["session_status"]) == ("now", "active")
    assert character["goals"] == [{"goal_id": "calm", "progress_percentage": 40}]
    recent = found["recent_sessions"]
    assert [one["session_id"] for one in recent][:3] == ["now", "old", "done"]
    assert len(recent) == 5
    assert (recent[1]["character_name"], recent[1]["world_name"]) == ("Mira", "The Garden")
    assert (recent[0]["world_id"], recent[0]["world_name"]) == ("nowhere", None)
    assert any("Streak Achievement" in title for title in found["progress_highlights"])
    assert 1 <= len(found["recommendations"]) <= 8
    assert len(found["upcoming_milestones"]) == 3
    assert found["current_streak_days"] == 8
    assert found["most_effective_approach"] == "cognitive_behavioral_therapy"
    assert found["preferred_session_time"] == "morning"
    assert 0 <= found["therapeutic_momentum"] <= 1
    assert found["next_recommended_session"] > NOW


def test_the_most_effective_approach_is_none_before_a_session_with_one_is_over() -> None:
    life = daily(2)
    life.tell("s", begun(approaches=[TherapeuticApproach.MINDFULNESS]), HOUR)
    assert life.view("dashboard")["most_effective_approach"] is None
    life.tell("s", over(20), HOUR + HOUR_MS)
    assert life.view("dashboard")["most_effective_approach"] == "mindfulness"


def test_sessions_are_listed_with_what_happened_in_them() -> None:
    life = Life()
    life.settle()
    life.tell("s", begun(world="garden"), HOUR)
    for name in ("breathing", "breathing", "grounding"):
        event = SessionInteracted(number=1, intervention=name, scene="pond")
        life.tell("s", event, HOUR + MINUTE_MS)
    life.tell("s", mark("m", SKILL, "breathes calmly"), HOUR + MINUTE_MS)
    (live,) = life.view("sessions")["sessions"]
    assert (live["status"], live["interactions"], live["interventions"]) == ("active", 3, 2)
    assert (live["scene"], live["minutes"], live["ended_at"]) == ("pond", 180, None)
    life.tell("s", over(12), HOUR + HOUR_MS)
    (done,) = life.view("sessions")["sessions"]
    assert (done["status"], done["minutes"], done["progress_markers"]) == ("completed", 12, 1)
    assert done["key_achievements"] == ["breathes calmly"]
    assert done["outcome"] == "success"


def test_of_sessions_that_are_over_the_newest_fifty_are_listed() -> None:
    life = Life()
    for number in range(60):
        life.play(HOUR + number * 1000, 0, session=f"s{number}")
    found = life.view("sessions")
    assert (len(found["sessions"]), found["total"], found["ever"]) == (50, 50, 60)
    assert found["sessions"][0]["session_id"] == "s59"
    assert len(life.view("sessions", limit=7)["sessions"]) == 7


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_is_plain_values_for_anybody_who_learns(view: str) -> None:
    lives = [Life(), daily(12), five_daily()]
    lives[1].owe()
    for life in lives:
        found = life.view(view)
        assert unpack(pack(found)) == json.loads(json.dumps(found)) == found


@pytest.mark.parametrize("view", VIEWS)
def test_who_may_look(view: str) -> None:
    life = five_daily()
    life.tell("ana", PlayerUpdated(delegates=("bo",)), NOW)
    assert life.view(view, role="learner", viewer="bo") == life.view(view)
    queries: list[dict[str, Any]] = [
        {"role": "learner", "viewer": "eve"},
        {"role": "operator"},
        {"role": "reader"},
    ]
    for query in queries:
        with pytest.raises(RefusedError, match="access-restricted"):
            life.view(view, **query)


def test_a_stranger_sees_figures_where_they_are_shared_and_no_words() -> None:
    life = Life()
    life.settle()
    life.tell("s", begun(world="secret-place"), HOUR)
    life.tell("s", mark("m", SKILL, "told my sister"), HOUR + 1)
    life.tell("s", over(20), HOUR + HOUR_MS)
    life.owe()
    life.tell("ana", PlayerUpdated(privacy=PrivacySettings(progress_sharing_enabled=True)), NOW)
    seen = {
        view: life.view(view, role="learner", viewer="eve")
        for view in ("progress", "charts", "milestones")
    }
    assert "sister" not in str(seen)
    assert "secret" not in str(seen)
    assert seen["progress"]["engagement"]["total_sessions"] == 1
    for view in ("effectiveness", "recommendations", "sessions", "dashboard"):
        with pytest.raises(RefusedError, match="access-restricted"):
            life.view(view, role="learner", viewer="eve")


# --- the next session ----------------------------------------


def test_the_next_session_is_at_the_hour_it_mostly_begins_in() -> None:
    life = Life()
    life.days([3, 2, 1])
    at = next_session(life.history, (), NOW, UTC)
    assert at is not None
    assert (local(at, UTC).hour, day_of(at, UTC)) == (9, TODAY + 1)
    early = NOW - 6 * HOUR_MS
    at = next_session(life.history, (), early, UTC)
    assert at is not None
    assert (local(at, UTC).hour, day_of(at, UTC)) == (9, TODAY)


def test_who_played_today_is_expected_tomorrow() -> None:
    life = Life()
    life.play(NOW - 6 * HOUR_MS)
    at = next_session(life.history, (23,), NOW, UTC)
    assert at is not None
    assert (local(at, UTC).hour, day_of(at, UTC)) == (23, TODAY + 1)


def test_the_hours_a_player_named_come_before_those_it_plays_in() -> None:
    life = Life()
    life.days([3, 2, 1])
    life.tell("ana", ProfileEdited(cefr=Cefr.A2, preferred_hours=(18, 7)), NOW)
    at = life.view("dashboard")["next_recommended_session"]
    assert (local(at, UTC).hour, day_of(at, UTC)) == (18, TODAY)


def test_of_who_never_played_and_said_nothing_no_hour_is_known() -> None:
    assert Life().view("dashboard")["next_recommended_session"] is None


@pytest.mark.parametrize("zone", ["Europe/Madrid", "America/New_York", "Asia/Kathmandu"])
def test_the_next_session_keeps_its_hour_when_the_clocks_change(zone: str) -> None:
    there = ZoneInfo(zone)
    life = Life()
    life.settle(zone)
    day = day_of(NOW, there)
    for ago in range(250, 0, -25):
        life.play(begin_of(day - ago, there) + 12 * HOUR_MS)
    for ago in range(365):
        now = begin_of(day - ago, there) + HOUR_MS
        at = next_session(life.history, (20,), now, there)
        assert at is not None
        assert local(at, there).hour == 20
        assert now < at < now + 2 * DAY_MS
