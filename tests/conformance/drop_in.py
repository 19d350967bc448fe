"""The cases of the published session manager's interface.

One law: its users' calls are made, on a runtime of their own that ends with the case.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Any, Final
from unittest import mock

from holodeck import compat
from holodeck.compat.background import background
from holodeck.messages.errors import HolodeckError
from holodeck.messages.session import AddTask, CompleteTask, StartTask
from tests.conformance.agent_sessions import begun
from tests.conformance.runner import Adapter
from tests.conformance.shapes import has, unknown


@contextmanager
def manager(**config: Any) -> Iterator[compat.SessionManager]:
    """A session manager with a runtime that knows nothing and nobody else knows."""
    compat.shutdown()
    others = {name: value for name, value in os.environ.items() if name[:9] != "HOLODECK_"}
    named = {"session_name": "a case", "agent_id": "ana"} | config
    with (
        tempfile.TemporaryDirectory(prefix="holodeck-") as home,
        mock.patch.dict(os.environ, others | {"XDG_STATE_HOME": home}, clear=True),
    ):
        try:
            yield compat.SessionManager(compat.SessionConfig(**named))
        finally:
            compat.shutdown()


def session(given: Any) -> Any:
    if has(given, "enum"):
        return _members(given["enum"])
    raise unknown("session", given)


def task(given: Any) -> Any:
    if has(given, "enum"):
        return _members(given["enum"])
    if has(given, "task_id", "data"):
        with manager() as managing:
            added = managing.start_session().add_task(given["task_id"], given["data"])
            return _told(added)
    if has(given, "started_at", "completed_at", "duration_ms"):
        return _measured(given["started_at"], given["completed_at"], given["duration_ms"])
    if has(given, "outcome", maybe=("duration_ms", "error", "result")):
        with manager() as managing:
            ended = managing.start_session().add_task("t")
            return _told(ended.complete(given["outcome"], **given | {"outcome": None}))
    if has(given, "complete"):
        with manager() as managing:
            try:
                ended = managing.start_session().complete_task(given["complete"])
            except HolodeckError as error:
                likely = isinstance(error, KeyError) and given["complete"] in str(error)
                return {"raises": error if likely else f"{error!r} names no key"}
            return _told(ended)
    raise unknown("task", given)


def tile(given: Any) -> Any:
    if has(given, "decision"):
        decision = compat.Decision(given["decision"])
        with manager() as managing:
            working = managing.start_session()
            working.add_task("t")
            told = compat.PlatoTileEmitter().emit_task_start(working.session_id, "t", decision)
        return {
            "decision": {name: getattr(decision, name) for name in given["decision"]},
            "json": json.loads(json.dumps(decision)),
            "emit_task_start": "ok" if told else "nothing to tell",
        }
    raise unknown("tile", given)


def _members(name: str) -> dict[str, Any]:
    """The members of an enumeration, and the ``default`` where a task has one."""
    kind = getattr(compat, name)
    if not issubclass(kind, Enum):
        raise unknown("enumerations", name)
    members = {member.name: member.value for member in kind}
    if kind is compat.TaskPriority:
        with manager() as managing:
            members["default"] = managing.start_session().add_task("t").priority.name
    return members


def _told(one: compat.Task) -> dict[str, Any]:
    """What users read of a task."""
    return {
        "task_id": one.task_id,
        "data": one.data,
        "is_complete": one.is_complete,
        "is_success": one.is_success,
        "outcome": None if one.outcome is None else one.outcome.value,
        "duration_ms": one.duration_ms,
        "duration_seconds": one.duration_seconds,
        "result": one.result,
        "error": one.error,
    }


def _measured(started: float, completed: float, duration_ms: int | None) -> dict[str, Any]:
    """A task whose times are given, in seconds: its session reads them from a journal."""
    story = begun(at=round(started * 1000)).tell(AddTask(task="t"), StartTask(task="t"))
    end = CompleteTask(task="t", duration_ms=duration_ms)
    story.tell(end, after_s=completed - started)
    read = compat.Session("sess_1", compat.SessionConfig(session_name="a case", agent_id="ana"))
    for moment, events in story.log:
        read._take(moment.sequence, moment.at, events)
    return _told(read.tasks["t"])


def alerts(links: list[tuple[str, str]], offset: float) -> list[compat.EmergenceAlert]:
    """What the callback of the session that makes the last of these links is told.

    Each link is made by a session of its own: it has a task routed to the one, then to the other.
    """
    heard: list[compat.EmergenceAlert] = []
    with manager(emergence_threshold_offset=offset) as managing:
        back = background()
        for agent in dict.fromkeys(name for link in links for name in link):
            back.call(back.deck.fleet.register(agent))
        for link in links:
            if link == links[-1]:
                managing.config.on_emergence_alert = heard.append
            working = managing.start_session()
            for agent in link:
                working.route_task_h1(f"for {agent}", prefer=[agent])
            working.end_session()
    return heard


ADAPTERS: Final[dict[str, Adapter]] = {"session": session, "task": task, "tile": tile}
