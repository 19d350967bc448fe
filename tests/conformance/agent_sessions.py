"""The cases of agent sessions that are about a session itself: its tasks, its time, its tiles.

One law: what is expected comes out of the real decider and the real tile maker.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from holodeck.actors.decider import Moment
from holodeck.actors.fleet.decider import FleetState, fleet
from holodeck.actors.session import next_deadline
from holodeck.actors.session.decider import refusal
from holodeck.actors.tiles import EVENTS, tiles_of
from holodeck.messages.envelope import Checkpoint
from holodeck.messages.errors import HolodeckError
from holodeck.messages.fleet import Decision, GraphPoint, Routing, SessionGraph
from holodeck.messages.session import (
    AddTask,
    CompleteTask,
    Crossing,
    End,
    Outcome,
    ReportEmergence,
    ReportError,
    RouteTask,
    SessionEnded,
    SessionKind,
    StartSession,
    StartTask,
    TaskRouted,
)
from holodeck.messages.subjects import Place
from tests.actors.session.stories import Story
from tests.conformance.runner import Adapter
from tests.conformance.shapes import ORDINALS, has, unknown

# --- what is told to a session, and what it shows ----------------------------------------


def begun(agent: str = "ana", at: int | None = None, **more: Any) -> Story:
    """A session of an agent without limits of time; ``more`` as in :class:`StartSession`.

    Args:
        at: when, ms since 1970 UTC.
    """
    limits = {"task_timeout_s": 0.0, "session_timeout_s": 0.0}
    start = StartSession(session_kind=SessionKind.AGENT, learner=agent, **(limits | more))
    story = Story() if at is None else Story(at=at)
    return story.tell(start)


def heard(story: Story, command: Any) -> HolodeckError | None:
    """Gives a command; what its sender is refused with, None if it was obeyed."""
    try:
        events = story.says(command)
        story.tell(command)
    except HolodeckError as error:
        return error
    refused = map(refusal, events)
    return next((error for error in refused if error is not None), None)


def waited(story: Story, seconds: float) -> Story:
    """Time goes by, and every timer fires when it is due."""
    until = story.at + round(seconds * 1000)
    while (deadline := next_deadline(story.state)) is not None and deadline[0] <= until:
        story.at = max(story.at, deadline[0])
        story.tell(deadline[-1])
    story.at = until
    return story


def tiles(story: Story, session: str = "sess_1") -> list[dict[str, Any]]:
    """The tiles of a session, each with ``event`` as its question has it in brackets.

    The keys of the answer stand under ``answer_keys``, those of an object in it under
    ``<name>_keys``.
    """
    assert story.state.charter is not None
    place = Place("session", "0", session, "session", "-", "-", "0", story.state.charter.learner)
    return [
        _shown(json.loads(data))
        for moment, events in story.log
        for data in tiles_of(place, moment.sequence, Checkpoint(moment.at, events))
    ]


def _shown(tile: dict[str, Any]) -> dict[str, Any]:
    answer = tile["answer"]
    keys = {f"{name}_keys": list(v) for name, v in answer.items() if isinstance(v, Mapping)}
    event = tile["question"].partition("]")[0].removeprefix("[")
    return tile | keys | {"event": event, "answer_keys": list(answer)}


def the(event: str, found: list[dict[str, Any]]) -> dict[str, Any]:
    """The one tile of an event."""
    (tile,) = [tile for tile in found if tile["event"] == event]
    return tile


# --- sessions and tasks ----------------------------------------


def session(given: Any) -> Any:
    if not has(given, "session_timeout_seconds", "idle_seconds"):
        raise unknown("session", given)
    told = begun(session_timeout_s=given["session_timeout_seconds"])
    told.tell(AddTask(task="t1"), AddTask(task="t2"), StartTask(task="t2"))
    waited(told, given["idle_seconds"])
    closed = {task.outcome for task in told.state.tasks.values()}
    return {
        "outcome": told.state.outcome,
        "open_tasks_outcome": closed.pop() if len(closed) == 1 else sorted(map(str, closed)),
        **_counted(told),
    }


def _counted(story: Story) -> dict[str, int]:
    """How many tiles of each event there is, under its name alone and with ``_tile`` behind it."""
    counts = Counter(tile["event"] for tile in tiles(story))
    shown = [event.shown for event in EVENTS.values()]
    return {f"{event}{end}": counts[event] for event in shown for end in ("", "_tile")}


def task(given: Any) -> Any:
    if has(given, "max_tasks", "adds"):
        told = begun(max_tasks=given["max_tasks"])
        return _adds(told, [f"t{n}" for n in range(given["adds"])])
    if has(given, "add"):
        return _adds(begun(), given["add"])
    if has(given, "outcomes"):
        told = begun().tell(AddTask(task="t"))
        answers = [
            heard(told, CompleteTask(task="t", outcome=Outcome(outcome)))
            for outcome in given["outcomes"]
        ]
        last = told.state.tasks["t"].outcome
        return {"outcome": last, **dict(zip(ORDINALS, answers, strict=False))}
    if has(given, "task_timeout_seconds", "run_seconds"):
        told = begun(task_timeout_s=given["task_timeout_seconds"])
        told.tell(AddTask(task="t", start=True))
        waited(told, given["run_seconds"])
        return {"outcome": told.state.tasks["t"].outcome, **_counted(told)}
    raise unknown("task", given)


def _adds(story: Story, names: list[str]) -> dict[str, Any]:
    answers = [heard(story, AddTask(task=name)) for name in names]
    return {
        **{f"{nth}_add": answer for nth, answer in zip(ORDINALS, answers, strict=False)},
        "task_count": len(story.state.tasks),
        "order_len": len(story.state.tasks),
    }


# --- the graph at both ends ----------------------------------------


def h1_delta(given: Any) -> Any:
    if has(given, "start", "end"):
        return _delta(given["start"], given["end"])
    if has(given, "beta1_at_start", "beta1_at_end", maybe=("routings",)):
        return _delta(given["beta1_at_start"], given["beta1_at_end"], given.get("routings", 0))
    if has(given, "edges"):
        return _own_changes(given["edges"])
    raise unknown("h1_delta", given)


def _delta(start: int | None, end: int | None, routings: int = 0) -> dict[str, Any] | None:
    told = begun(graph=None if start is None else GraphPoint(h1=start))
    for n in range(routings):
        decision = Decision(routing=Routing(agent="bo"))
        told.tell(AddTask(task=f"t{n}"), RouteTask(task=f"t{n}", decision=decision))
    told.tell(End(graph=None if end is None else SessionGraph(graph=GraphPoint(h1=end))))
    (ended,) = [event for event in told.events if isinstance(event, SessionEnded)]
    return None if ended.h1 is None else ended.h1.model_dump() | {"present": True}


def _own_changes(edges: list[list[str]]) -> dict[str, Any]:
    """Sessions take turns in routing; each link is (session, agent, with whom)."""
    state = FleetState()
    for sequence, (session, agent, other) in enumerate(edges, 1):
        routed = TaskRouted(
            task=f"t{sequence}", npc=agent, match=1.0, fallback=False, collaborators=(other,)
        )
        fleet.advance(state, (routed,), Moment(sequence, 1_000, session, "ana"))
    return {
        "own_change": {session: state.seen_by(session).own_change for session, *_ in edges},
        "global_change": state.point().h1,
    }


# --- tiles ----------------------------------------


def tile(given: Any) -> Any:
    if has(given, "agent_id", "session_name"):
        return the("SESSION_START", tiles(begun(given["agent_id"], name=given["session_name"])))
    if has(given, "agent_id", "session_name", "outcome", maybe=("error",)):
        told = begun(given["agent_id"], name=given["session_name"])
        told.tell(End(outcome=Outcome(given["outcome"]), error=given.get("error", "")))
        return the("SESSION_END", tiles(told))
    if has(given, "task_id", "agent_id", "routing"):
        return _task_start(given)
    if has(given, "task_id", "outcome", maybe=("duration_ms", "error")):
        told = begun().tell(AddTask(task=given["task_id"], start=True))
        told.tell(
            CompleteTask(
                task=given["task_id"],
                outcome=Outcome(given["outcome"]),
                duration_ms=given.get("duration_ms"),
                error=given.get("error", ""),
            )
        )
        return the("TASK_END", tiles(told))
    if has(given, "session_id", "error"):
        told = begun().tell(ReportError(error=given["error"]))
        return the("SESSION_ERROR", tiles(told, given["session_id"]))
    if has(given, "event"):
        return the(given["event"], tiles(_with_everything()))
    if has(given, "tasks"):
        told = begun()
        for n in range(given["tasks"]):
            told.tell(AddTask(task=f"t{n}", start=True), CompleteTask(task=f"t{n}"))
        return _counted(told.tell(End()))
    if has(given, "tz", "started_at_utc"):
        return _started(given["tz"], given["started_at_utc"])
    raise unknown("tile", given)


def _task_start(given: Mapping[str, Any]) -> dict[str, Any]:
    routing = given["routing"]
    if not has(
        routing,
        "agent_id",
        maybe=("h1_before", "h1_after", "emergence_risk", "confidence", "capability_match_score"),
    ):
        raise unknown("tile", routing)
    chosen = Routing(
        agent=routing["agent_id"],
        h1_before=routing.get("h1_before", 0),
        h1_after=routing.get("h1_after", 0),
        emergence_risk=routing.get("emergence_risk", 0.0),
        confidence=routing.get("confidence", 0.0),
        match=routing.get("capability_match_score", 1.0),
    )
    told = begun(given["agent_id"]).tell(AddTask(task=given["task_id"]))
    told.tell(RouteTask(task=given["task_id"], start=True, decision=Decision(routing=chosen)))
    return the("TASK_START", tiles(told))


def _with_everything() -> Story:
    """A session in which every event that may be asked for happens once."""
    told = begun(name="everything", graph=GraphPoint())
    told.tell(AddTask(task="t", start=True), ReportError(error="Connection timeout"))
    crossing = Crossing(number=1, h1=3, threshold=2, vertices=4, edges=6, edge=("ana", "bo"))
    told.tell(ReportEmergence(crossing=crossing), CompleteTask(task="t"))
    return told.tell(End(graph=SessionGraph()))


def _started(zone: str, started: str) -> dict[str, Any]:
    """What a machine in that time zone says about when a session started."""
    us = (datetime.fromisoformat(started) - _EPOCH) // timedelta(microseconds=1)
    with _living_in(zone):
        found = the("SESSION_START", tiles(begun(at=us // 1000, started_us=us)))
    return dict(found["answer"])


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@contextmanager
def _living_in(zone: str) -> Iterator[None]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = zone
    time.tzset()
    try:
        yield
    finally:
        if before is None:
            del os.environ["TZ"]
        else:
            os.environ["TZ"] = before
        time.tzset()


ADAPTERS: Final[dict[str, Adapter]] = {
    "h1_delta": h1_delta,
    "session": session,
    "task": task,
    "tile": tile,
}
