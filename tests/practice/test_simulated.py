"""A learner of known skill practises forty days: mastery follows the graph, nobody waits long."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from bench._learner import Life, Past
from bench.mastery import OVERDUE, WAIT, told
from holodeck.actors.session import SessionState
from holodeck.messages.envelope import AnyEvent
from holodeck.messages.practice import AnswerGiven, QuestionServed, SchedulerKind, SkillState
from holodeck.minds.curricula import CurriculumLibrary

SESSIONS = 40


def lived(curriculum: str, scheduler: SchedulerKind, **more: Any) -> tuple[Life, list[Past]]:
    found = CurriculumLibrary().get(curriculum)
    assert found is not None
    life = Life(found, "tests", scheduler=scheduler, **more)
    return life, list(life.live(SESSIONS))


@pytest.mark.parametrize("scheduler", list(SchedulerKind))
@pytest.mark.parametrize("curriculum", ["primary-maths", "music-reading"])
class TestFortySessions:
    def test_mastery_rises_in_the_order_of_the_graph(
        self, curriculum: str, scheduler: SchedulerKind
    ) -> None:
        life, past = lived(curriculum, scheduler)
        assert [one.unready for one in past] == [()] * SESSIONS
        halfway = past[SESSIONS // 2].mastered
        assert 0 < past[4].mastered < halfway
        assert past[-1].mastered >= halfway
        assert past[-1].mastered + past[-1].rusty > len(life.skills) // 3

    def test_no_unlocked_skill_waits_ten_sessions_and_no_due_review_four(
        self, curriculum: str, scheduler: SchedulerKind
    ) -> None:
        _, past = lived(curriculum, scheduler)
        assert max(one.waited for one in past) <= WAIT
        assert max(one.overdue for one in past) <= OVERDUE


def test_what_the_learner_keeps_is_what_its_sessions_counted() -> None:
    """After every single checkpoint, through forty sessions."""
    seen: Counter[str] = Counter()

    def compared(session: str, events: tuple[AnyEvent, ...], state: SessionState) -> None:
        seen[session] += 1
        assert state.practice is not None
        own = {k: r for k, r in state.practice.records.items() if r.last_at or r.total}
        kept = {k: r for k, r in life.profile.records.items() if r.last_at or r.total}
        assert kept == own

    found = CurriculumLibrary().get("primary-maths")
    assert found is not None
    life = Life(found, "tests", told=compared)
    past = list(life.live(SESSIONS))
    assert len(seen) == SESSIONS
    profile = life.profile
    assert profile.sessions == SESSIONS
    assert profile.answers == sum(one.answered for one in past)
    assert profile.right == sum(one.right for one in past)
    assert [one.number for one in profile.history] == list(range(1, SESSIONS + 1))
    assert profile.live == {}


def test_a_life_is_the_same_every_time() -> None:
    _, once = lived("music-reading", SchedulerKind.FSRS)
    _, again = lived("music-reading", SchedulerKind.FSRS)
    assert once == again


def test_no_task_of_a_session_is_asked_twice_while_there_are_others() -> None:
    asked: Counter[tuple[str, str, str]] = Counter()
    repeats = 0

    def noted(session: str, events: tuple[AnyEvent, ...], state: SessionState) -> None:
        nonlocal repeats
        for event in events:
            if isinstance(event, QuestionServed):
                repeats += event.repeat
                if not event.repeat:
                    asked[session, event.question.skill, event.question.task] += 1

    found = CurriculumLibrary().get("primary-maths")
    assert found is not None
    Life(found, "tests", told=noted).session()
    assert asked
    assert max(asked.values()) == 1
    assert repeats < sum(asked.values()) / 10


def test_the_figures_of_a_life_are_told() -> None:
    life, past = lived("music-reading", SchedulerKind.FSRS)
    figures = told(past, len(life.skills))
    answered = sum(one.answered for one in past)
    assert figures["right"] == round(sum(one.right for one in past) / answered, 3)
    assert 0.5 < figures["right"] < 0.97
    assert figures["mastered"] == life.profile.count(SkillState.MASTERED)


def test_answers_are_given_one_by_one() -> None:
    numbers: list[int] = []

    def noted(session: str, events: tuple[AnyEvent, ...], state: SessionState) -> None:
        numbers.extend(event.number for event in events if isinstance(event, AnswerGiven))

    found = CurriculumLibrary().get("music-reading")
    assert found is not None
    past = Life(found, "tests", minutes=5, told=noted).session()
    assert numbers == list(range(1, past.answered + 1))
