"""Deadlines: stored, exact, and harmless when a timer comes early, late or twice."""

from __future__ import annotations

import pytest

from holodeck.actors.session import active_ms, arms, next_deadline
from holodeck.messages.session import (
    AddTask,
    CompleteTask,
    End,
    EndReason,
    NpcReply,
    Outcome,
    Pause,
    Resume,
    RetryTask,
    SessionEnded,
    StartTask,
    TaskCompleted,
    TaskCounts,
    TimerFired,
)
from tests.actors.session.stories import NOON, OPEN, START, Story, active, rehearsal, story, turn

SESSION, IDLE = TimerFired(name="session"), TimerFired(name="idle")
LONG_IDLE = START.model_copy(update={"idle_timeout_s": 0.0})


def task_timer(task: str) -> TimerFired:
    return TimerFired(name="task", task=task)


def due(told: Story) -> tuple[float, str] | None:
    """Seconds from now, and which timer."""
    found = next_deadline(told.state)
    return None if found is None else ((found[0] - told.at) / 1000, found[2].name)


def test_a_session_ends_when_its_time_is_used_up() -> None:
    told = story(LONG_IDLE)
    assert due(told) == (600.0, "session")
    assert told.says(SESSION, after_s=599.999) == []
    (event,) = told.says(SESSION, after_s=600)
    assert event == SessionEnded(
        reason=EndReason.TIME_LIMIT,
        outcome=Outcome.TIMEOUT,
        active_ms=600_000,
        agent="ana",
        duration_ms=600_000,
        tasks=TaskCounts(),
    )


def test_only_active_time_counts() -> None:
    told = story(LONG_IDLE).tell(Pause(), after_s=100)
    assert due(told) is None
    assert told.says(SESSION, after_s=5000) == []
    told.tell(Resume(claim=99), after_s=5000)
    assert due(told) == (500.0, "session")
    told.tell(Pause(), after_s=450)
    told.tell(Resume(claim=199), after_s=86_400)
    assert due(told) == (50.0, "session")
    assert active_ms(told.state, told.at + 50_000) == 600_000
    (event,) = told.says(SESSION, after_s=50)
    assert isinstance(event, SessionEnded)
    assert event.active_ms == 600_000
    assert event.duration_ms == 100_000 + 5_000_000 + 450_000 + 86_400_000 + 50_000


def test_a_late_timer_ends_the_session_all_the_same() -> None:
    (event,) = story(LONG_IDLE).says(SESSION, after_s=4000)
    assert isinstance(event, SessionEnded)
    assert event.active_ms == 4_000_000


@pytest.mark.parametrize("timer", [SESSION, IDLE, task_timer("done-soon"), task_timer("no-such")])
def test_a_timer_that_fires_twice_or_after_the_end_does_nothing(timer: TimerFired) -> None:
    told = active().tell(StartTask(task="done-soon")).tell(timer, after_s=5000)
    assert told.says(timer, after_s=1) == []
    told.tell(End())
    assert told.says(timer, after_s=5000) == []


@pytest.mark.parametrize("timer", [SESSION, IDLE, task_timer("t")])
def test_without_a_limit_no_timer_ends_anything(timer: TimerFired) -> None:
    told = story(OPEN, AddTask(task="t"), StartTask(task="t"))
    assert due(told) is None
    assert told.says(timer, after_s=10**9) == []


def test_everything_that_happens_puts_the_idle_end_off() -> None:
    told = story(START)
    assert due(told) == (120.0, "idle")
    for command in (turn(1), NpcReply(turn=1, npc="marta", text="sí"), AddTask(task="t")):
        told.tell(command, after_s=100)
        assert due(told) == (120.0, "idle")
    assert told.says(IDLE, after_s=119.999) == []
    *_, event = told.says(IDLE, after_s=120)
    assert event.kind == "npc.parted"
    ended = next(e for e in told.says(IDLE, after_s=120) if isinstance(e, SessionEnded))
    assert (ended.reason, ended.outcome) == (EndReason.INACTIVITY_TIMEOUT, Outcome.TIMEOUT)


def test_a_task_runs_out_of_time_from_its_start() -> None:
    told = story(LONG_IDLE, AddTask(task="t"))
    assert due(told) == (600.0, "session")
    told.tell(StartTask(task="t"), after_s=50)
    assert due(told) == (60.0, "task")
    assert told.says(task_timer("t"), after_s=59.999) == []
    (event,) = told.says(task_timer("t"), after_s=60)
    assert event == TaskCompleted(task="t", outcome=Outcome.TIMEOUT, duration_ms=60_000)
    told.tell(task_timer("t"), after_s=60)
    assert due(told) == (490.0, "session")


def test_another_attempt_has_all_its_time() -> None:
    told = story(LONG_IDLE, AddTask(task="t", timeout_s=30, start=True))
    told.tell(task_timer("t"), after_s=30)
    told.tell(RetryTask(task="t", attempt=2), after_s=5)
    assert due(told) == (565.0, "session")
    assert told.says(task_timer("t"), after_s=31) == []
    told.tell(StartTask(task="t"), after_s=5)
    assert due(told) == (30.0, "task")
    assert told.says(task_timer("t"), after_s=29.999) == []
    (event,) = told.says(task_timer("t"), after_s=30)
    assert event == TaskCompleted(task="t", outcome=Outcome.TIMEOUT, duration_ms=30_000, attempt=2)


@pytest.mark.parametrize(
    "command",
    [AddTask(task="u", start=True), RetryTask(task="t", attempt=2, start=True)],
    ids=lambda command: command.kind,
)
def test_what_begins_a_task_by_the_way_arms_its_timer(command: object) -> None:
    told = story(LONG_IDLE, AddTask(task="t"), CompleteTask(task="t", outcome=Outcome.FAILED))
    told.tell(command)
    assert arms(told.log[-1][1])
    assert due(told) == (60.0, "task")


def test_a_pause_of_the_session_does_not_stop_a_task() -> None:
    told = active().tell(StartTask(task="done-soon"), Pause())
    assert due(told) == (60.0, "task")
    assert told.says(task_timer("done-soon"), after_s=60)


def test_a_finished_task_has_no_deadline() -> None:
    told = story(LONG_IDLE, AddTask(task="t"), StartTask(task="t"), CompleteTask(task="t"))
    assert due(told) == (600.0, "session")
    assert told.says(task_timer("t"), after_s=1000) == []


def test_the_earliest_deadline_comes_first_and_names_what_armed_it() -> None:
    told = story(LONG_IDLE, AddTask(task="a", timeout_s=90), AddTask(task="b", timeout_s=30))
    told.tell(StartTask(task="a"))
    armed = told.sequence
    assert next_deadline(told.state) == (NOON + 90_000, armed, task_timer("a"))
    told.tell(StartTask(task="b"))
    assert next_deadline(told.state) == (NOON + 30_000, told.sequence, task_timer("b"))


def test_every_arming_of_a_timer_has_a_sequence_of_its_own() -> None:
    """So the command ids of timers, which carry it, are never taken for each other."""
    told = story(LONG_IDLE)
    first = next_deadline(told.state)
    told.tell(Pause(), after_s=1).tell(Resume(claim=99), after_s=1)
    second = next_deadline(told.state)
    assert first is not None
    assert second is not None
    assert first[1] != second[1]
    idle = story(START)
    one = next_deadline(idle.state)
    two = next_deadline(idle.tell(turn(1)).state)
    assert one is not None
    assert two is not None
    assert one[1] != two[1]


def test_a_rehearsals_clocks_begin_anew() -> None:
    told = rehearsal()
    assert told.state.active_ms == 0
    assert told.state.started_at == told.at
    assert next_deadline(told.state) == (told.at + 60_000, told.sequence, task_timer("done-soon"))
    assert told.says(task_timer("done-soon"), after_s=59) == []
    assert told.says(SESSION, after_s=599) == []
    assert told.says(SESSION, after_s=600)


def test_the_time_a_session_was_active_is_told_at_its_end() -> None:
    told = active().tell(Pause(), after_s=10)
    told.tell(Resume(claim=99), after_s=1000)
    ended = next(e for e in told.says(End(), after_s=5) if isinstance(e, SessionEnded))
    assert ended.active_ms == 15_000
    assert told.tell(End(), after_s=5).state.active_ms == 15_000
