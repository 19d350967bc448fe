"""Milestones: reached once, whatever the order and however often it is seen."""

from __future__ import annotations

from datetime import UTC

import pytest

from holodeck.actors.learner import due_command, next_due
from holodeck.actors.learner.player.days import day_of
from holodeck.actors.learner.player.milestones import (
    ALL,
    achievement_value,
    celebration,
    highlights,
    level,
    milestone_value,
    next_title,
    owed,
    passed,
    upcoming,
)
from holodeck.messages.player import (
    CharacterPut,
    GoalProgressed,
    MarkerType,
    MilestoneReached,
    ReachMilestones,
)
from holodeck.messages.practice import SkillMoved, SkillState, SkillTier, Trigger
from holodeck.messages.session import SessionPaused
from tests.actors.session.practice.sessions import CHAIN, Lesson, start
from tests.actors.session.stories import NOON
from tests.player_experience.unit.plays import (
    BREAKTHROUGH,
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
)

HOUR = NOW - 3 * HOUR_MS
TODAY = day_of(NOW, UTC)
FOUR = {
    "3-Day Engagement Streak",
    "5 Sessions Completed",
    "Skill Builder Level 1",
    "Skill Builder Level 2",
}


def test_five_daily_sessions_with_five_skills_reach_the_four_of_the_case_and_an_hour() -> None:
    """The source counts no minutes; here they have milestones too."""
    assert set(five_daily().owe()) == FOUR | {"60 Minutes Together"}


def test_ten_daily_sessions() -> None:
    life = daily(10)
    titles = life.owe()
    assert {
        "3-Day Engagement Streak",
        "7-Day Engagement Streak",
        "5 Sessions Completed",
        "10 Sessions Completed",
    } <= set(titles)
    assert any("Session Milestone" in one.title for one in highlights(life.history))


def test_they_are_found_once() -> None:
    life = daily(10)
    assert life.owe()
    before = life.history.deeds.milestones
    assert life.owe() == []
    assert life.history.deeds.milestones == before
    life.days([-1])
    assert life.owe(NOW + DAY_MS) == []


def test_one_that_is_told_again_keeps_its_time() -> None:
    life = daily(3)
    life.owe()
    at = life.history.deeds.milestones["ms_streak_3"].at
    event = MilestoneReached(milestone="ms_streak_3", title="again", value=1.0)
    life.tell("ana", event, NOW + DAY_MS)
    assert life.history.deeds.milestones["ms_streak_3"].at == at == NOW


def test_a_learner_with_a_profile_owes_what_it_passed_at_once_and_nothing_afterwards() -> None:
    life = daily(2)
    assert (next_due(life.state, NOW), due_command(life.state, NOW)) == (0, None)
    life.days([-1])
    due = next_due(life.state, NOW + DAY_MS)
    assert 0 < due <= NOW + DAY_MS
    assert due_command(life.state, NOW + DAY_MS) == ReachMilestones()
    life.owe(NOW + DAY_MS)
    assert (next_due(life.state, NOW + DAY_MS), due_command(life.state, NOW + DAY_MS)) == (0, None)


def test_a_learner_without_a_profile_stores_none_until_it_has_one() -> None:
    life = Life()
    life.days(range(5))
    assert (next_due(life.state, NOW), due_command(life.state, NOW), life.owe()) == (0, None, [])
    assert {one.id for one in passed(life.history)} >= {"ms_streak_3", "ms_sessions_5"}
    life.settle(at=NOW)
    assert due_command(life.state, NOW) == ReachMilestones()
    assert len(life.owe()) == len(list(passed(life.history)))


def test_a_streak_that_was_reached_stays_reached() -> None:
    life = Life()
    life.settle()
    life.days(range(20, 27))
    assert "7-Day Engagement Streak" in life.owe()
    assert life.history.current_streak(TODAY) == 0


@pytest.mark.parametrize(("threshold", "expected"), [(3, 1), (5, 2), (10, 3), (20, 5), (35, 8)])
def test_the_level_of_a_number_of_skills(threshold: int, expected: int) -> None:
    assert level(threshold) == expected


@pytest.mark.parametrize(
    ("words", "value"),
    [("Major breakthrough", 0.5), ("New coping skill", 0.4), ("Goal progress", 0.35),
     ("hello", 0.2)],
)  # fmt: skip
def test_what_an_achievement_is_worth_after_three_interventions(words: str, value: float) -> None:
    assert achievement_value(words, 3) == value
    assert achievement_value(words, 2) == pytest.approx(value - 0.1)


@pytest.mark.parametrize(
    ("title", "value"),
    [
        ("7-Day Engagement Streak", 0.5),
        ("Skill Builder Level 1", 0.6),
        ("Breakthrough Explorer Level 1", 0.7),
        ("10 Sessions Completed", 0.3),
    ],
)
def test_what_a_milestone_is_worth(title: str, value: float) -> None:
    assert milestone_value(title) == value
    assert milestone_value(title, 2) == pytest.approx(value + 0.1)


@pytest.mark.parametrize(
    ("title", "kind"),
    [
        ("7-Day Engagement Streak", "progress_milestone"),
        ("30-Day Engagement Streak", "major_achievement"),
        ("Skill Builder Level 1", "skill_mastery"),
        ("Breakthrough Explorer Level 1", "major_achievement"),
    ],
)
def test_how_a_milestone_is_celebrated(title: str, kind: str) -> None:
    assert celebration(title) == kind


@pytest.mark.parametrize(
    ("title", "after"),
    [
        ("7-Day Engagement Streak", "14-Day Engagement Streak"),
        ("14-Day Engagement Streak", "30-Day Engagement Streak"),
        ("3-Day Engagement Streak", "7-Day Engagement Streak"),  # the source names none
        ("Skill Builder Level 1", "Skill Builder Level 2"),
        ("60-Day Engagement Streak", None),
        ("Something else", None),
    ],
)
def test_the_next_milestone(title: str, after: str | None) -> None:
    assert next_title(title) == after


def test_every_milestone_has_an_id_and_a_title_of_its_own_and_a_value_in_range() -> None:
    assert len({one.id for one in ALL}) == len({one.title for one in ALL}) == len(ALL) == 30
    assert all(0 < one.value <= 1 for one in ALL)


# --- the six families ----------------------------------------


def test_breakthroughs_and_goals() -> None:
    life = Life()
    life.settle()
    life.play(HOUR, 1, [BREAKTHROUGH, MarkerType.GOAL_ACHIEVED, MarkerType.THERAPEUTIC_GOAL])
    assert life.owe() == ["Breakthrough Explorer Level 1", "1 Therapeutic Goal Achieved"]
    assert (life.history.breakthroughs, life.history.deeds.goals, life.history.achieved) == (
        1,
        2,
        3,
    )


def test_a_goal_counts_once_by_marker_and_by_percentage() -> None:
    life = Life()
    life.settle()
    life.tell("s", begun(character="mira"), HOUR)
    goal = mark("m", MarkerType.GOAL_ACHIEVED, related_goal_id="calm")
    life.tell("s", goal, HOUR + 1)
    for percentage in (50, 100, 40, 100):
        event = GoalProgressed(character="mira", goal="calm", percentage=percentage)
        life.tell("ana", event, HOUR + 2)
    assert life.history.deeds.goals == 1
    other = GoalProgressed(character="tom", goal="calm", percentage=100)
    life.tell("ana", other, HOUR + 3)
    assert life.history.deeds.goals == 2


def test_a_character_that_comes_with_a_goal_achieved_counts_it() -> None:
    life = Life()
    life.settle()
    event = CharacterPut.model_validate(
        {
            "character": {
                "character_id": "mira",
                "name": "Mira",
                "background": {"name": "Mira"},
                "therapeutic_profile": {
                    "therapeutic_goals": [
                        {"goal_id": "a", "description": "a", "progress_percentage": 100},
                        {"goal_id": "b", "description": "b", "progress_percentage": 99},
                    ]
                },
            }
        }
    )
    life.tell("ana", event, HOUR)
    life.tell("ana", event, HOUR)
    assert life.history.deeds.goals == 1


def test_minutes_are_of_active_time() -> None:
    life = Life()
    life.settle()
    life.play(HOUR - 2 * DAY_MS, 59)
    assert life.owe() == []
    life.play(HOUR, 1)
    assert life.owe() == ["60 Minutes Together"]


def test_a_skill_of_practice_counts_when_it_is_mastered_for_the_first_time() -> None:
    life = Life()
    life.settle()
    lesson = Lesson(at=NOON)
    lesson.give(start(CHAIN, ()))
    for _, events in lesson.log:
        for event in events:
            life.tell("p", event, HOUR)
    skill = CHAIN.skills[0].id

    def moved(trigger: Trigger, before: SkillState, after: SkillState) -> SkillMoved:
        return SkillMoved(
            skill=skill, trigger=trigger, state=after, before=before,
            tier=SkillTier.PROVE, tier_before=SkillTier.PROVE,
        )  # fmt: skip

    learning, done, rusty = SkillState.LEARNING, SkillState.MASTERED, SkillState.RUSTY
    life.tell("p", moved(Trigger.MASTERY, learning, done), HOUR + 1)
    assert life.history.deeds.mastered == 1
    life.tell("p", moved(Trigger.MASTERY, learning, done), HOUR + 2)
    life.tell("p", moved(Trigger.RECOVERY, rusty, done), HOUR + 3)
    assert (life.history.deeds.mastered, life.history.skills, life.history.achieved) == (1, 1, 1)
    assert life.history.on(day_of(HOUR, UTC)).skills == 1


# --- on the way ----------------------------------------


def test_what_comes_next_is_the_nearest_of_each_family_first() -> None:
    life = daily(4, minutes=10)
    found = upcoming(life.history, TODAY)
    assert [one.milestone.id for one in found[:3]] == [
        "ms_sessions_5",
        "ms_minutes_60",
        "ms_streak_7",
    ]
    assert [one.progress for one in found[:3]] == [0.8, 0.666667, 0.571429]
    assert len({one.milestone.family for one in found}) == len(found) == 6


def test_a_broken_streak_begins_anew_on_the_way_to_the_next() -> None:
    life = Life()
    life.days([*range(10, 15), 0])
    streak = next(one for one in upcoming(life.history, TODAY) if one.milestone.family == "streak")
    assert (streak.milestone.threshold, streak.reached) == (7, 1)


# --- highlights ----------------------------------------


def test_eight_daily_sessions_have_each_streak_once_among_their_highlights() -> None:
    life = daily(8)
    life.owe()
    found = highlights(life.history)
    streaks = [one for one in found if "Streak Achievement" in one.title]
    assert [one.title for one in streaks].count("Streak Achievement: 7 days") == 1
    assert {one.type for one in streaks} == {"milestone"}
    assert {one.value for one in streaks} == {0.23, 0.27}
    assert len({one.id for one in found}) == len(found)


def test_highlights_are_at_most_ten_the_newest_first_and_say_what_was_achieved() -> None:
    life = Life()
    life.settle()
    for ago in range(12, -1, -1):
        name = f"s{ago}"
        life.tell(name, begun(), HOUR - ago * DAY_MS)
        words = f"a new coping skill {ago}"
        life.tell(name, mark("m", SKILL, words), HOUR - ago * DAY_MS + MINUTE_MS)
        life.play(HOUR - ago * DAY_MS + HOUR_MS, 1, session=name)
    found = highlights(life.history)
    assert len(found) == 10
    life.owe()
    times = [one.at for one in highlights(life.history, 50)]
    assert times == sorted(times, reverse=True)
    achieved = [one for one in highlights(life.history, 50) if one.type == "achievement"]
    assert achieved[0].title == "a new coping skill 0"
    assert achieved[0].value == 0.3
    assert highlights(life.history, 50, words=False) == [
        one for one in highlights(life.history, 50) if one.type == "milestone"
    ]


def test_what_a_running_session_achieved_is_a_highlight_already() -> None:
    life = Life()
    life.play(HOUR - DAY_MS, 5, [BREAKTHROUGH])
    life.tell("s", begun(character="mira"), HOUR)
    life.tell("s", mark("m", SKILL, "breathes calmly"), HOUR + MINUTE_MS)
    found = [one for one in highlights(life.history) if one.type == "achievement"]
    assert [(one.title, one.character) for one in found] == [
        ("breathes calmly", "mira"),
        ("breakthrough", ""),
    ]


def test_of_many_sessions_that_wait_the_newest_achieved_is_told_first() -> None:
    life = Life()
    for number in range(6):
        name, begins = f"s{number}", HOUR + number * HOUR_MS
        life.tell(name, begun(), begins)
        for place in range(3):
            marked = mark(f"m{place}", SKILL, f"skill {number}.{place}")
            life.tell(name, marked, begins + MINUTE_MS)
        life.tell(name, SessionPaused(), begins + 2 * MINUTE_MS)
    found = [one for one in highlights(life.history, 50) if one.type == "achievement"]
    told = [one.title for one in highlights(life.history) if one.type == "achievement"]
    assert told == [one.title for one in found[: len(told)]]
    assert {"skill 5.0", "skill 5.1", "skill 5.2"} <= set(told)
    assert "skill 0.0" not in told


def test_nothing_is_owed_when_all_is_stored() -> None:
    life = five_daily()
    life.owe()
    assert owed(life.history) == ()
    assert life.history.owed_at == 0
