"""Tasks: added, routed, started, ended; once each."""

from __future__ import annotations

from typing import Any

import pytest

from holodeck.messages.errors import RefusedError
from holodeck.messages.session import (
    AddTask,
    CastMember,
    CompleteTask,
    End,
    Outcome,
    Pause,
    RouteTask,
    StartTask,
    TaskCompleted,
    TaskPriority,
    TaskRouted,
    TaskStarted,
)
from tests.actors.session.stories import OPEN, START, Story, active, new, story


def add(task: str, *capabilities: str, **more: Any) -> AddTask:
    return AddTask(task=task, capabilities=capabilities, **more)


def routed(told: Story, task: str) -> TaskRouted:
    (event,) = told.says(RouteTask(task=task))
    assert isinstance(event, TaskRouted)
    return event


def test_a_task_goes_its_way() -> None:
    told = story(START, add("t", "waiter", priority=TaskPriority.HIGH, data='{"cups": 2}'))
    told.tell(RouteTask(task="t"), StartTask(task="t")).tell(CompleteTask(task="t"), after_s=2.5)
    assert [event.kind for event in told.events][1:] == [
        "task.added",
        "task.routed",
        "task.started",
        "task.completed",
    ]
    task = told.state.tasks["t"]
    assert (task.npc, task.outcome, task.duration_ms) == ("marta", Outcome.SUCCESS, 2500)
    assert task.priority is TaskPriority.HIGH


def test_a_task_is_started_once_and_routed_once() -> None:
    told = active().tell(RouteTask(task="done-soon"), StartTask(task="done-soon"))
    assert told.says(StartTask(task="done-soon"), after_s=5) == []
    assert told.says(RouteTask(task="done-soon")) == []


def test_a_task_that_was_given_to_somebody_is_not_routed() -> None:
    told = story(START, add("t", npc="joan"))
    assert told.says(RouteTask(task="t")) == []
    (event,) = told.says(StartTask(task="t"))
    assert event == TaskStarted(task="t", npc="joan")


def test_a_completion_that_is_sent_again_changes_nothing() -> None:
    told = active().tell(CompleteTask(task="done-soon", outcome=Outcome.FAILED, duration_ms=7))
    again = CompleteTask(task="done-soon", outcome=Outcome.FAILED, duration_ms=9)
    assert told.says(again, after_s=60) == []
    assert told.state.tasks["done-soon"].duration_ms == 7


@pytest.mark.parametrize("given", list(Outcome))
@pytest.mark.parametrize("later", list(Outcome))
def test_a_task_keeps_the_outcome_it_got_first(given: Outcome, later: Outcome) -> None:
    told = active().tell(CompleteTask(task="done-soon", outcome=given))
    if later is given:
        assert told.says(CompleteTask(task="done-soon", outcome=later)) == []
    else:
        with pytest.raises(RefusedError, match="task-completed"):
            told.says(CompleteTask(task="done-soon", outcome=later))


@pytest.mark.parametrize(
    ("start", "given", "measured"),
    [(True, None, 3000), (True, 0, 0), (True, 41, 41), (False, None, None), (False, 41, 41)],
)
def test_how_long_a_task_took(start: bool, given: int | None, measured: int | None) -> None:
    told = active()
    if start:
        told.tell(StartTask(task="done-soon"))
    (event,) = told.says(CompleteTask(task="done-soon", duration_ms=given), after_s=3)
    assert isinstance(event, TaskCompleted)
    assert event.duration_ms == measured


def test_what_a_task_came_to_is_told_and_not_kept() -> None:
    (event,) = active().says(CompleteTask(task="done-soon", result='{"a": 1}', error="almost"))
    assert isinstance(event, TaskCompleted)
    assert (event.result, event.error) == ('{"a": 1}', "almost")


def test_tasks_are_completed_while_the_session_pauses() -> None:
    told = active().tell(StartTask(task="done-soon"), Pause())
    assert [event.kind for event in told.says(CompleteTask(task="done-soon"))] == ["task.completed"]


@pytest.mark.parametrize(
    ("outcome", "closing"),
    [
        (Outcome.SUCCESS, Outcome.CANCELLED),
        (Outcome.FAILED, Outcome.CANCELLED),
        (Outcome.CANCELLED, Outcome.CANCELLED),
        (Outcome.TIMEOUT, Outcome.TIMEOUT),
    ],
)
def test_the_end_closes_what_is_open_and_nothing_else(outcome: Outcome, closing: Outcome) -> None:
    told = story(START, add("a"), add("b"), CompleteTask(task="a"), StartTask(task="b"))
    told.tell(End(outcome=outcome), after_s=4)
    assert told.state.tasks["a"].outcome is Outcome.SUCCESS
    assert told.state.tasks["b"].outcome is closing
    assert told.state.tasks["b"].duration_ms == 4000


def test_a_task_without_a_time_of_its_own_takes_the_sessions() -> None:
    assert active().state.tasks["done-soon"].timeout_ms == 60_000
    assert story(START, add("t", timeout_s=1.5)).state.tasks["t"].timeout_ms == 1500
    assert story(START, add("t", timeout_s=0)).state.tasks["t"].timeout_ms == 0


# --- who gets it ----------------------------------------


def test_the_one_who_can_do_it_gets_it() -> None:
    choice = routed(story(START, add("t", "waiter")), "t")
    assert (choice.npc, choice.match, choice.fallback) == ("marta", 1.0, False)
    assert "capability" in choice.reasoning


def test_among_equals_the_least_busy_gets_it_and_then_the_name_decides() -> None:
    told = story(START, add("a", "cook"), add("b", "cook"))
    first = routed(told, "a")
    assert (first.npc, "name" in first.reasoning) == ("joan", True)
    second = routed(told.tell(RouteTask(task="a")), "b")
    assert (second.npc, "load" in second.reasoning) == ("marta", True)
    told.tell(CompleteTask(task="a"))
    assert routed(told, "b").npc == "joan"


def test_nobody_who_can_do_it_all_means_the_best_match_as_a_fallback() -> None:
    choice = routed(story(START, add("t", "waiter", "singer", "dancer")), "t")
    assert (choice.npc, choice.match, choice.fallback) == ("marta", 0.333333, True)
    choice = routed(story(START, add("t", "astronaut")), "t")
    assert (choice.match, choice.fallback) == (0.0, True)


def test_a_task_that_wants_nothing_suits_everybody() -> None:
    choice = routed(story(START, add("t")), "t")
    assert (choice.npc, choice.match, choice.fallback) == ("joan", 1.0, False)


def test_the_order_of_the_cast_decides_nothing() -> None:
    cast = [CastMember(npc=name, capabilities=("x",)) for name in ("c", "a", "b")]
    choices = {
        routed(new().tell(OPEN.model_copy(update={"cast": tuple(order)}), add("t", "x")), "t").npc
        for order in (cast, cast[::-1], cast[1:] + cast[:1])
    }
    assert choices == {"a"}
