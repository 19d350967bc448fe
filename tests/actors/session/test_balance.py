"""What a session came to: its counts, its time, the graph it left, and what its tasks show."""

from __future__ import annotations

from typing import Any

import pytest

from holodeck.actors.session import seen_patterns, task_counts
from holodeck.actors.session.faults import fault
from holodeck.messages.fleet import GraphPoint, SessionGraph
from holodeck.messages.session import (
    AddTask,
    CompleteTask,
    End,
    H1Delta,
    Outcome,
    Pause,
    ReportEmergence,
    RetryTask,
    SessionEnded,
    SessionErred,
    TaskCounts,
    TimerFired,
)
from tests.actors.session.stories import NOON, OPEN, START, Story, crossing, story


def the_end(told: Story, command: Any, *, after_s: float = 0) -> SessionEnded:
    (ended,) = (e for e in told.says(command, after_s=after_s) if isinstance(e, SessionEnded))
    return ended


def test_an_end_says_whose_session_it_was_and_how_long_it_took() -> None:
    told = story(START.model_copy(update={"name": "café", "idle_timeout_s": 0})).tell(
        Pause(), after_s=10
    )
    ended = the_end(told, End(error="why"), after_s=30)
    assert (ended.agent, ended.name, ended.error) == ("ana", "café", "why")
    assert (ended.duration_ms, ended.active_ms) == (40_000, 10_000)


def test_an_end_for_an_error_tells_the_error_too() -> None:
    events = story(OPEN).says(End(outcome=Outcome.FAILED, error="KeyError: 'x'"))
    assert [event.kind for event in events] == ["session.erred", "session.ended"]
    (erred, _) = events
    assert isinstance(erred, SessionErred)
    assert (erred.error, erred.error_class, erred.agent) == ("KeyError: 'x'", "KeyError", "ana")
    assert erred.fingerprint == fault("KeyError: 'y'").fingerprint


EACH = TaskCounts(total=5, succeeded=1, failed=1, cancelled=1, timed_out=1, open=1)


@pytest.mark.parametrize(
    ("outcome", "counts"),
    [
        (
            Outcome.SUCCESS,
            TaskCounts(total=5, succeeded=1, failed=1, cancelled=2, timed_out=1, open=1),
        ),
        (
            Outcome.TIMEOUT,
            TaskCounts(total=5, succeeded=1, failed=1, cancelled=1, timed_out=2, open=1),
        ),
    ],
)
def test_an_end_counts_the_tasks_by_how_they_came_out(outcome: Outcome, counts: TaskCounts) -> None:
    told = story(OPEN, *(AddTask(task=f"t{n}") for n in range(5)))
    for n, given in enumerate(Outcome):
        told.tell(CompleteTask(task=f"t{n}", outcome=given))
    assert the_end(told, End(outcome=outcome)).tasks == counts
    told.tell(End(outcome=outcome))
    assert task_counts(told.state) == counts.model_copy(update={"open": 0})


def test_a_task_counts_once_by_its_last_attempt() -> None:
    told = story(OPEN, AddTask(task="t"))
    told.tell(CompleteTask(task="t", outcome=Outcome.FAILED), RetryTask(task="t", attempt=2))
    told.tell(CompleteTask(task="t"))
    assert the_end(told, End()).tasks == TaskCounts(total=1, succeeded=1)


FIRST = GraphPoint(h1=2, vertices=4, edges=5, components=2, sequence=9)
LAST = GraphPoint(h1=5, vertices=5, edges=9, components=1, sequence=99)
SEEN = SessionGraph(graph=LAST, own_change=1, crossings=2)
GRAPHED = OPEN.model_copy(update={"graph": FIRST})


@pytest.mark.parametrize(
    "last",
    [
        End(graph=SEEN),
        TimerFired(name="session", graph=SEEN),
        TimerFired(name="idle", graph=SEEN),
    ],
    ids=["end", "session-timer", "idle-timer"],
)
def test_what_became_of_the_graph_is_told_at_every_kind_of_end(last: Any) -> None:
    limits = {"session_timeout_s": 60.0, "idle_timeout_s": 60.0}
    ended = the_end(story(GRAPHED.model_copy(update=limits)), last, after_s=60)
    assert ended.h1 == H1Delta(
        start=2, end=5, change=3, own_change=1, crossings=2, first=FIRST, last=LAST
    )
    names = [pattern.name for pattern in ended.patterns]
    assert "emergence_crossed" in names
    assert "silo_merged" in names


@pytest.mark.parametrize(
    ("start", "end"),
    [(OPEN, End(graph=SEEN)), (GRAPHED, End()), (OPEN, End())],
    ids=["not-at-the-start", "not-at-the-end", "at-neither"],
)
def test_without_the_graph_at_both_ends_nothing_is_said_of_it(start: Any, end: End) -> None:
    ended = the_end(story(start), end)
    assert ended.h1 is None
    assert not {pattern.name for pattern in ended.patterns} & {"silo_merged", "silo_split"}


def test_an_empty_graph_is_not_an_unknown_one() -> None:
    start = OPEN.model_copy(update={"graph": GraphPoint()})
    ended = the_end(story(start), End(graph=SessionGraph()))
    assert ended.h1 == H1Delta(start=0, end=0, change=0)


# --- what went on in it ----------------------------------------


def names_of(told: Story, command: Any = None, *, after_s: float = 0) -> list[str]:
    ended = the_end(told, command or End(outcome=Outcome.CANCELLED), after_s=after_s)
    return [pattern.name for pattern in ended.patterns]


def test_a_crossing_is_told_once_and_shows_at_the_end() -> None:
    told = story(OPEN, AddTask(task="t"), ReportEmergence(crossing=crossing(41)))
    assert told.says(ReportEmergence(crossing=crossing(41))) == []
    told.tell(ReportEmergence(crossing=crossing(42)))
    assert told.state.crossed == (41, 42)
    ended = the_end(told, End())
    (found,) = (p for p in ended.patterns if p.name == "emergence_crossed")
    assert found.evidence == ("crossings=2",)


def test_crossings_the_session_was_not_told_of_yet_count_too() -> None:
    told = story(GRAPHED, ReportEmergence(crossing=crossing(41)))
    ended = the_end(told, End(graph=SEEN))
    (found,) = (p for p in ended.patterns if p.name == "emergence_crossed")
    assert found.evidence == ("crossings=2",)


def test_a_session_remembers_its_last_64_crossings() -> None:
    told = story(OPEN, *(ReportEmergence(crossing=crossing(n)) for n in range(1, 70)))
    assert told.state.crossed == tuple(range(6, 70))
    assert told.says(ReportEmergence(crossing=crossing(69))) == []


def test_time_with_an_open_task_is_no_idle_time() -> None:
    told = story(OPEN)
    told.tell(AddTask(task="a"), after_s=10)  # 10 s idle
    told.tell(AddTask(task="b"), after_s=10)
    told.tell(CompleteTask(task="a", outcome=Outcome.FAILED), after_s=10)
    assert (told.state.busy_ms, told.state.busy_since) == (0, NOON + 10_000)
    told.tell(CompleteTask(task="b"), after_s=10)  # 30 s busy
    assert (told.state.busy_ms, told.state.busy_since) == (30_000, 0)
    told.tell(RetryTask(task="a", attempt=2), after_s=10)  # 10 s idle
    told.tell(CompleteTask(task="a"), after_s=5)  # 5 s busy
    assert (told.state.busy_ms, told.state.open) == (35_000, 0)
    assert "idle_session" not in names_of(told, after_s=15)  # 35 s of 70
    assert "idle_session" in names_of(told, after_s=15.001)


def test_a_task_that_is_open_at_the_end_was_worked_on_until_then() -> None:
    told = story(OPEN).tell(AddTask(task="a"), after_s=10)
    assert "idle_session" not in names_of(told, after_s=10)
    assert "idle_session" in names_of(told, after_s=9.999)


def test_a_conversation_without_tasks_shows_nothing_for_that_is_what_it_is() -> None:
    """Patterns are about tasks; where a session is there for them, having none is one."""
    assert names_of(story(OPEN)) == ["idle_session"]
    assert names_of(story(START)) == []
    assert names_of(story(START, AddTask(task="t"))) == ["unfinished_work"]


def test_what_is_closed_by_the_end_is_unfinished_and_no_outcome_of_its_own() -> None:
    told = story(OPEN, AddTask(task="a"), AddTask(task="b"))
    assert names_of(told) == ["unfinished_work"]
    assert names_of(told, End(outcome=Outcome.TIMEOUT)) == [
        "unfinished_work",
        "session_timed_out",
    ]


def test_while_it_runs_a_session_shows_what_it_shows_so_far() -> None:
    told = story(OPEN, AddTask(task="a"), AddTask(task="b"))
    told.tell(CompleteTask(task="a", outcome=Outcome.FAILED), CompleteTask(task="b"))
    seen = [pattern.name for pattern in seen_patterns(told.state, told.at)]
    assert seen == ["mixed_outcomes", "first_failure_recovered"]
    told.tell(End(), after_s=1)
    ended = next(event for event in told.events if isinstance(event, SessionEnded))
    assert seen_patterns(told.state, told.at + 10**9) == ended.patterns
