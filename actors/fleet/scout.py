"""What a scout reports: one event of a session or a task, whoever saw it.

One law: a tile is read as far as it can be understood. What is missing stays unknown, what makes no
sense is no report, and nothing a stranger writes raises.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from math import isfinite
from typing import Any, Final, NamedTuple

from holodeck.actors.session.faults import fault

DEFAULT_TIMEOUT_MS: Final = 3_600_000
"""What the session manager takes where a start names no timeout."""

_EVENTS: Final = frozenset(
    {
        "SESSION_START",
        "SESSION_PAUSE",
        "SESSION_RESUME",
        "SESSION_END",
        "SESSION_ERROR",
        "TASK_ADDED",
        "TASK_ROUTED",
        "TASK_START",
        "TASK_END",
        "EMERGENCE_ALERT",
    }
)
_PREFIX: Final = re.compile(r"\s*\[([A-Z_ ]{1,40})\]")
_LONGEST: Final = 128
"""Characters of a foreign id or word that are kept."""
_MOST: Final = 2**53
_ATTEMPTS: Final = 1000
_NOT_MS: Final = 100_000_000_000
"""A time below this is taken for seconds: as ms it would lie before March 1973."""


class Seen(NamedTuple):
    """One event as the mid sees it, whoever reported it.

    Attributes:
        event: ``SESSION_START``, ``SESSION_PAUSE``, ``SESSION_RESUME``, ``SESSION_END``,
            ``SESSION_ERROR``, ``TASK_ADDED``, ``TASK_ROUTED``, ``TASK_START``, ``TASK_END`` or
            ``EMERGENCE_ALERT``; any other is read and leads to nothing.
        session: its id; empty only for an alert.
        agent: of a session's event whose session it is, of a task's who works on it; empty if
            the event does not say.
        at: ms since 1970 UTC, 0 unknown.
        sequence: of its checkpoint, 0 unknown.
        attempt: from 1.
        outcome: ``success``, ``failed``, ``timeout``, ``cancelled``; of a session's or task's end.
        duration_ms: of a task; None measures from its start.
        fingerprint: of the error, equal for equal errors; empty if there was none.
        capabilities: that the task asks for.
        routed_to: whom the router chose.
        fallback: the chosen one lacks some of the capabilities.
        beta1: β1 of the shared graph at this moment.
        components: its components at this moment.
        counts: of a session's end: tasks total, succeeded, failed, cancelled, timed out, open;
            -1 for one that was not told.
        tags: of a session's start.
        timeout_ms: of a session's start: how long it may be active, 0 for ever.
        delta_beta1: what this event itself added to β1. Summed over events, so what a session's
            end sums up must not have been told before.
    """

    event: str
    session: str
    agent: str = ""
    at: int = 0
    sequence: int = 0
    task: str = ""
    attempt: int = 1
    outcome: str = ""
    duration_ms: int | None = None
    fingerprint: str = ""
    capabilities: tuple[str, ...] = ()
    routed_to: str = ""
    fallback: bool = False
    beta1: int | None = None
    components: int | None = None
    counts: tuple[int, int, int, int, int, int] | None = None
    tags: tuple[str, ...] = ()
    timeout_ms: int = 0
    delta_beta1: int = 0


def seen_of_tile(tile: Mapping[str, Any]) -> Seen | None:
    """A tile as a report; None where it is none of :class:`Seen`'s events.

    The event is the question's prefix in brackets. The answer is an object or its JSON text. Read
    are our own tiles, those of the README, and those of the published session manager, which
    lack most of it: a start without a timeout has :data:`DEFAULT_TIMEOUT_MS`, a missing
    sequence is the tile's ``sequence`` or ``lamport`` or unknown, an error without a fingerprint
    gets the one of its text.
    """
    asked = tile.get("question")
    prefix = _PREFIX.match(asked) if isinstance(asked, str) else None
    event = prefix.group(1).replace(" ", "_") if prefix is not None else ""
    answer = _object(tile.get("answer"))
    if event not in _EVENTS or answer is None:
        return None
    session, task = _word(answer.get("session_id")), ""
    if not session and event != "EMERGENCE_ALERT":
        return None
    if event.startswith("TASK"):
        task = _word(answer.get("task_id")) or _word(answer.get("task"))
        if not task:
            return None
    start, end = event == "SESSION_START", event == "SESSION_END"
    routing = _mapping(answer.get("routing"))
    delta = _mapping(answer.get("h1_delta")) or _mapping(answer.get("h1"))
    graph = _mapping(delta.get("last") if end else answer.get("graph"))
    owner = _word(answer.get("agent_id"))
    worker = _word(answer.get("npc")) or _word(answer.get("agent")) or owner
    routed = worker if event == "TASK_ROUTED" else ""
    return Seen(
        event=event,
        session=session,
        agent="" if routed else worker if task else owner or _word(answer.get("learner")),
        at=_time_of(tile, answer),
        sequence=_first(answer.get("sequence"), tile.get("sequence"), tile.get("lamport"), least=0)
        or 0,
        task=task,
        attempt=min(_first(answer.get("attempt"), least=1) or 1, _ATTEMPTS),
        outcome=_word(answer.get("outcome")).lower() if end or event == "TASK_END" else "",
        duration_ms=_first(answer.get("duration_ms"), least=0),
        fingerprint=_fingerprint(tile, answer),
        capabilities=_words(answer.get("capabilities", answer.get("required_capabilities"))),
        routed_to=_word(routing.get("agent_id")) or routed,
        fallback=(routing.get("fallback") or answer.get("fallback")) is True,
        beta1=_first(delta.get("end"), graph.get("h1"), answer.get("h1")),
        components=_first(graph.get("components"), answer.get("components")),
        counts=_counts(answer.get("tasks")) if end else None,
        tags=_words(answer.get("tags")) if start else (),
        timeout_ms=_timeout(answer) if start else 0,
        delta_beta1=_first(delta.get("own_change")) or 0,
    )


def _object(answer: object) -> Mapping[str, Any] | None:
    if isinstance(answer, str):
        try:
            answer = json.loads(answer)
        except (ValueError, RecursionError):
            return None
    return answer if isinstance(answer, Mapping) else None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _word(value: object) -> str:
    """A text of bounded length that can be stored: no half of a surrogate pair."""
    if not isinstance(value, str):
        return ""
    text = value[:_LONGEST]
    return text if text.isascii() else text.encode(errors="replace").decode()


def _words(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        return ()
    return tuple(word for word in map(_word, value[:32]) if word)


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if abs(value) <= _MOST and isfinite(value) else None


def _first(*values: object, least: int = -_MOST) -> int | None:
    """The first that is a number from ``least`` on, cut to a whole one."""
    for value in values:
        number = _number(value)
        if number is not None and number >= least:
            return int(number)
    return None


def _time_of(tile: Mapping[str, Any], answer: Mapping[str, Any]) -> int:
    """ms since 1970 UTC; 0 where no field tells it."""
    for value in (
        answer.get("at"),
        answer.get("started"),
        answer.get("ended"),
        answer.get("timestamp"),
        tile.get("timestamp"),
        tile.get("created_at"),
    ):
        if isinstance(value, str):
            try:
                moment = datetime.fromisoformat(value[:40])
            except ValueError:
                continue
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=UTC)
            ms = int(moment.timestamp() * 1000)
        else:
            number = _number(value)
            if number is None:
                continue
            ms = int(number if number >= _NOT_MS else number * 1000)
        if ms > 0:
            return ms
    return 0


def _counts(value: object) -> tuple[int, int, int, int, int, int] | None:
    if not isinstance(value, Mapping):
        return None
    total, succeeded, failed, cancelled, timed_out, open_ = (
        -1 if (number := _first(value.get(name), least=0)) is None else number
        for name in ("total", "succeeded", "failed", "cancelled", "timed_out", "open")
    )
    return total, succeeded, failed, cancelled, timed_out, open_


def _timeout(answer: Mapping[str, Any]) -> int:
    ms = _first(answer.get("session_timeout_ms"), least=0)
    if ms is None:
        seconds = _number(answer.get("session_timeout_seconds"))
        ms = DEFAULT_TIMEOUT_MS if seconds is None or seconds < 0 else int(seconds * 1000)
    return ms


def _fingerprint(tile: Mapping[str, Any], answer: Mapping[str, Any]) -> str:
    error = answer.get("error")
    told = _word(answer.get("error_fingerprint")) or _word(answer.get("fingerprint"))
    told = told or _word(_mapping(error).get("fingerprint"))
    if told:
        return told
    for tag in _words(tile.get("tags")):
        if tag.startswith("error_type:"):
            return tag.removeprefix("error_type:")
    return fault(error[:4000]).fingerprint if isinstance(error, str) else ""
