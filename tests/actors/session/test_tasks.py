"""Tasks: added, routed, started, ended; once each."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from holodeck.actors.session import STATE, Task
from holodeck.actors.session.decider import collaborators
from holodeck.actors.session.faults import fault
from holodeck.actors.session.state import Earlier
from holodeck.messages.base import MAX_MESSAGE
from holodeck.messages.codec import encode_checkpoint, pack
from holodeck.messages.errors import RefusedError
from holodeck.messages.fleet import MAX_COLLABORATORS, Alternative
from holodeck.messages.session import (
    AddTask,
    CastMember,
    CompleteTask,
    End,
    Outcome,
    Pause,
    ReportError,
    RetryTask,
    RouteTask,
    SessionEnded,
    SessionErred,
    StartTask,
    TaskCompleted,
    TaskPriority,
    TaskRetried,
    TaskRouted,
    TaskStarted,
)
from tests.actors.session.stories import OPEN, START, Story, active, decided, new, story


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
    assert event == TaskStarted(task="t", npc="joan", agent="joan")


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


@pytest.mark.parametrize("letter", ["x", "ñ", "😀"])
def test_a_session_full_of_tasks_can_still_be_ended_and_kept(letter: str) -> None:
    """However many bytes a letter takes; all are given to agents of long names, and are open."""
    agent = "a" * 64
    decision = decided(agent, collaborators=tuple(f"{n:0>64}" for n in range(MAX_COLLABORATORS)))
    told = story(OPEN.model_copy(update={"max_tasks": 1000, "learner": agent}))
    count = 0
    with contextlib.suppress(RefusedError):
        for count in range(1001):
            name = f"{letter * 61}{count:04d}"
            told.tell(add(name), RouteTask(task=name, start=True, decision=decision))
    assert count > 250
    told.at += 10**9
    events = told.says(End(error="x" * 1000))
    assert len(events) == count + 3
    assert len(encode_checkpoint(told.at, events)) < 4 * MAX_MESSAGE
    assert len(pack(STATE.dump_python(told.state))) < 640 * 1024


# --- what the fleet decided ----------------------------------------


def test_what_the_fleet_decided_is_what_is_stored() -> None:
    alternative = Alternative(agent="fm", score=1.5, load=2, delta_h1=0, delta_components=-1)
    decision = decided("jc1", alternatives=(alternative,), collaborators=("fm", "oracle1"))
    told = story(OPEN.model_copy(update={"emergence_offset": 0.5}), add("t", "research"))
    (event,) = told.says(RouteTask(task="t", decision=decision))
    assert event == TaskRouted(
        task="t",
        npc="jc1",
        match=0.5,
        fallback=False,
        reasoning="Lowest load",
        routing=decision.routing,
        alternatives=(alternative,),
        collaborators=("fm", "oracle1"),
        offset=0.5,
    )


def test_routing_may_begin_the_task_in_the_same_checkpoint() -> None:
    decision = decided("jc1")
    told = story(OPEN, add("t", "research"))
    routed, started = told.says(RouteTask(task="t", start=True, decision=decision))
    assert isinstance(routed, TaskRouted)
    assert started == TaskStarted(
        task="t",
        npc="jc1",
        agent="jc1",
        capabilities=("research",),
        routing=decision.routing,
    )


def test_a_task_routed_before_is_only_begun_or_nothing() -> None:
    told = story(OPEN, add("t"), RouteTask(task="t", decision=decided("jc1")))
    again = RouteTask(task="t", start=True, decision=decided("fm"))
    assert told.says(again.model_copy(update={"start": False})) == []
    (event,) = told.says(again)
    assert isinstance(event, TaskStarted)
    assert (event.agent, event.routing) == ("jc1", decided("jc1").routing)
    assert told.tell(again).says(again) == []


def test_a_task_that_runs_already_is_routed_without_a_second_start() -> None:
    told = story(OPEN, add("t", start=True))
    (event,) = told.says(RouteTask(task="t", start=True, decision=decided("jc1")))
    assert isinstance(event, TaskRouted)


def test_a_decision_goes_before_the_sessions_own_rule() -> None:
    told = story(START, add("t", "waiter"))
    (event,) = told.says(RouteTask(task="t", decision=decided("joan")))
    assert isinstance(event, TaskRouted)
    assert event.npc == "joan"
    assert routed(told, "t").npc == "marta"


def test_a_task_may_begin_as_it_is_added() -> None:
    added, started = story(OPEN).says(add("t", "research", start=True))
    assert added.kind == "task.added"
    assert started == TaskStarted(task="t", agent="ana", capabilities=("research",))


def test_without_anybody_else_the_agent_of_the_session_does_its_tasks() -> None:
    """But a learner of a conversation is no agent."""
    for start, agent in ((OPEN, "ana"), (START, "")):
        told = story(start, add("t", start=True))
        started = told.events[-1]
        assert isinstance(started, TaskStarted)
        (completed,) = told.says(CompleteTask(task="t"))
        assert isinstance(completed, TaskCompleted)
        assert (started.agent, completed.agent) == (agent, agent)


def test_who_works_in_a_session_is_told_with_the_newest_last() -> None:
    told = story(OPEN, add("a"), add("b"), add("c"), add("d"))
    assert collaborators(told.state, "d") == ()
    for task, agent in (("a", "jc1"), ("b", "fm"), ("c", "jc1")):
        told.tell(RouteTask(task=task, decision=decided(agent)))
    assert collaborators(told.state, "d") == ("fm", "jc1")


def test_whoever_had_a_task_before_works_with_who_gets_it_now() -> None:
    told = story(OPEN, add("a"), add("b"), RouteTask(task="a", decision=decided("jc1")))
    told.tell(CompleteTask(task="a", outcome=Outcome.FAILED), RetryTask(task="a", attempt=2))
    assert collaborators(told.state, "a") == ("jc1",)
    assert collaborators(told.state, "b") == ()


def test_only_the_newest_collaborators_are_told() -> None:
    count = MAX_COLLABORATORS + 3
    told = story(OPEN.model_copy(update={"max_tasks": 100}))
    for n in range(count):
        told.tell(add(f"t{n}"), RouteTask(task=f"t{n}", decision=decided(f"a{n}")))
    assert collaborators(told.state, "t0") == tuple(f"a{n}" for n in range(3, count))


# --- attempts ----------------------------------------


def failed(*more: Any) -> Story:
    told = story(START, add("t", "waiter", npc="joan", start=True))
    return told.tell(CompleteTask(task="t", outcome=Outcome.FAILED, duration_ms=7), *more)


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.TIMEOUT])
def test_what_failed_or_ran_out_of_time_may_be_tried_again(outcome: Outcome) -> None:
    told = active().tell(CompleteTask(task="done-soon", outcome=outcome))
    (event,) = told.says(RetryTask(task="done-soon", attempt=2))
    assert event == TaskRetried(task="done-soon", attempt=2)


def test_another_attempt_is_open_and_given_to_nobody() -> None:
    before = failed().state.tasks["t"]
    told = failed(RetryTask(task="t", attempt=2))
    task = told.state.tasks["t"]
    assert task == Task(
        "t", before.added_at, before.priority, ("waiter",), None, before.timeout_ms, attempt=2
    )
    assert told.state.earlier == (Earlier("t", 1, Outcome.FAILED, 7, 1, ""),)
    assert told.state.handed == (("t", "joan"),)


def test_attempts_count_up_and_a_repeat_changes_nothing() -> None:
    told = failed(RetryTask(task="t", attempt=2))
    assert told.says(RetryTask(task="t", attempt=2)) == []
    told.tell(CompleteTask(task="t", outcome=Outcome.TIMEOUT))
    assert told.says(RetryTask(task="t", attempt=2)) == []
    told.tell(RetryTask(task="t", attempt=3), CompleteTask(task="t"))
    assert told.says(RetryTask(task="t", attempt=2)) == []
    assert told.says(RetryTask(task="t", attempt=3)) == []
    with pytest.raises(RefusedError, match="task-succeeded"):
        told.says(RetryTask(task="t", attempt=4))
    assert [one.attempt for one in told.state.earlier] == [1, 2]


def test_an_attempt_may_begin_in_the_same_checkpoint() -> None:
    retried, started = failed().says(RetryTask(task="t", attempt=2, start=True))
    assert retried == TaskRetried(task="t", attempt=2)
    assert started == TaskStarted(task="t", attempt=2, capabilities=("waiter",))


def test_every_step_of_an_attempt_says_which_it_is() -> None:
    told = failed(RetryTask(task="t", attempt=2))
    told.tell(RouteTask(task="t"), StartTask(task="t"), CompleteTask(task="t"))
    steps = told.events[-3:]
    assert [event.kind for event in steps] == ["task.routed", "task.started", "task.completed"]
    assert [getattr(event, "attempt", 0) for event in steps] == [2, 2, 2]


def test_the_attempts_come_in_the_order_in_which_they_ended() -> None:
    """Whatever the order in which tasks were added."""
    told = story(OPEN, add("a"), add("b"))
    told.tell(CompleteTask(task="b", outcome=Outcome.FAILED))
    told.tell(CompleteTask(task="a"), RetryTask(task="b", attempt=2), CompleteTask(task="b"))
    (ended,) = (e for e in told.says(End()) if isinstance(e, SessionEnded))
    assert [pattern.name for pattern in ended.patterns] == [
        "mixed_outcomes",
        "first_failure_recovered",
    ]
    (recovered,) = (p for p in ended.patterns if p.name == "first_failure_recovered")
    assert recovered.evidence == ("b", "a")
    assert (told.state.tasks["a"].place, told.state.tasks["b"].place) == (2, 3)


def test_three_attempts_are_a_storm() -> None:
    told = failed(RetryTask(task="t", attempt=2), CompleteTask(task="t", outcome=Outcome.FAILED))
    told.tell(RetryTask(task="t", attempt=3), CompleteTask(task="t"))
    (ended,) = (e for e in told.says(End()) if isinstance(e, SessionEnded))
    assert "retry_storm" in [pattern.name for pattern in ended.patterns]


@pytest.mark.parametrize("when", ["started", "not started", "tried again"])
@pytest.mark.parametrize("given", [0, 41])
def test_a_duration_that_was_given_is_kept_in_whatever_order_things_came(
    when: str, given: int
) -> None:
    told = story(OPEN, add("t", start=when != "not started"))
    told.at += 3000
    if when == "tried again":
        told.tell(CompleteTask(task="t", outcome=Outcome.FAILED, duration_ms=9))
        told.tell(RetryTask(task="t", attempt=2, start=True))
    told.tell(CompleteTask(task="t", duration_ms=given), after_s=5)
    assert told.state.tasks["t"].duration_ms == given


# --- errors ----------------------------------------


def test_an_error_is_told_with_what_is_stable_of_it() -> None:
    told = story(OPEN, add("t"))
    (event,) = told.says(ReportError(error="KeyError: 'a' after 5 s", task="t"))
    assert event == SessionErred(
        error="KeyError: 'a' after 5 s",
        error_class="KeyError",
        fingerprint=fault("KeyError: 'b' after 7 s").fingerprint,
        task="t",
        agent="ana",
    )
    assert told.tell(ReportError(error="again")).state.tasks["t"].outcome is None


def test_an_error_may_be_told_of_no_task_and_of_one_nobody_knows() -> None:
    """It is a report, not an order: what went wrong may be that the task is missing."""
    for task in (None, "never added"):
        (event,) = story(OPEN).says(ReportError(error="no milk", task=task))
        assert isinstance(event, SessionErred)
        assert event.task == task


def test_a_task_that_fails_keeps_the_fingerprint_of_its_error() -> None:
    told = story(OPEN, add("t"))
    told.tell(CompleteTask(task="t", outcome=Outcome.FAILED, error="TimeoutError: 5 s"))
    event = told.events[-1]
    assert isinstance(event, TaskCompleted)
    assert event.error_class == "TimeoutError"
    assert event.fingerprint == told.state.tasks["t"].fingerprint != ""
    told.tell(RetryTask(task="t", attempt=2))
    assert told.state.earlier[0].fingerprint == event.fingerprint
    assert told.state.tasks["t"].fingerprint == ""


def test_an_error_that_repeats_shows_at_the_end_also_over_attempts() -> None:
    told = story(OPEN, add("t"), add("u"))
    told.tell(CompleteTask(task="u", outcome=Outcome.FAILED, error="KeyError: 1"))
    for attempt in (2, 3):
        error = f"KeyError: {attempt}"
        told.tell(CompleteTask(task="t", outcome=Outcome.FAILED, error=error))
        told.tell(RetryTask(task="t", attempt=attempt))
    (ended,) = (e for e in told.says(End()) if isinstance(e, SessionEnded))
    (found,) = (p for p in ended.patterns if p.name == "repeated_error")
    assert found.evidence == ("u", "t")
