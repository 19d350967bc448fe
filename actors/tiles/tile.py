"""A checkpoint as tiles: pure.

One law: one event, one tile, with an id that depends on nothing but where the event stands
(``<writer>.<sequence>.<n>``), so making the tiles of a checkpoint twice makes the same tiles.

On the wire a tile is JSON, unlike everything else here: sinks and plain tools read it. Here it is
made straight from an event's fields, because every command pays for it; that what comes out is a
:class:`~holodeck.messages.tiles.Tile` is what the tests of every event kind show.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final, NamedTuple

from pydantic import ValidationError
from pydantic_core import to_json

from holodeck.messages.codec import explain
from holodeck.messages.envelope import Checkpoint
from holodeck.messages.errors import DecodeError
from holodeck.messages.ids import NOBODY
from holodeck.messages.learner import LearnerClaimed
from holodeck.messages.npc import NpcDescribed
from holodeck.messages.session import (
    FrictionDetected,
    NpcParted,
    ReputationChanged,
    SessionEnded,
    SessionForked,
    SessionPaused,
    SessionResumeAbandoned,
    SessionResumed,
    SessionStartAbandoned,
    SessionStarted,
    TaskAdded,
    TaskCompleted,
    TaskRouted,
    TaskStarted,
    TurnAnswered,
    TurnTaken,
)
from holodeck.messages.subjects import TILE, Place
from holodeck.messages.tiles import SOURCE, Tile

SCHEMA: Final = 1
"""The version of a tile's answer."""
ROOM: Final = "scout-reports/holodeck-session"
"""The domain of tiles, unless another is configured."""

HEADER_AT: Final = "Holodeck-At"
"""The checkpoint's time in ms since 1970 UTC, so that a tile's age shows without its body."""


class EventName(NamedTuple):
    """What an event kind is called outside.

    Attributes:
        name: upper snake case, stands in the question.
        phase: the tag that tells it from others of its family.
        confidence: 0 to 1, as the session manager gives it.
    """

    name: str
    phase: str
    confidence: float = 1.0

    @property
    def token(self) -> str:
        """As it stands in a subject: lower case, dashed."""
        return self.name.lower().replace("_", "-")


EVENTS: Final[dict[str, EventName]] = {
    "session.started": EventName("SESSION_START", "start"),
    "session.start-abandoned": EventName("SESSION_START_ABANDONED", "start-abandoned"),
    "session.resume-abandoned": EventName("SESSION_RESUME_ABANDONED", "resume-abandoned"),
    "session.forked": EventName("SESSION_FORK", "fork"),
    "session.paused": EventName("SESSION_PAUSE", "pause"),
    "session.resumed": EventName("SESSION_RESUME", "resume"),
    "session.ended": EventName("SESSION_END", "end", 0.95),
    "npc.parted": EventName("NPC_PARTED", "parted"),
    "npc.described": EventName("NPC_DESCRIBED", "described"),
    "learner.claimed": EventName("LEARNER_CLAIMED", "claimed"),
    "turn.taken": EventName("TURN", "taken"),
    "turn.answered": EventName("REPLY", "answered"),
    "friction.detected": EventName("FRICTION", "detected"),
    "reputation.changed": EventName("REPUTATION", "changed"),
    "task.added": EventName("TASK_ADDED", "added"),
    "task.routed": EventName("TASK_ROUTED", "routed"),
    "task.started": EventName("TASK_START", "start", 0.9),
    "task.completed": EventName("TASK_END", "end", 0.95),
}
"""Every event kind; a test compares it with the union in :mod:`holodeck.messages`."""

_FAMILY: Final = {kind: kind.partition(".")[0] for kind in EVENTS}
_TAGS: Final = {kind: ("scout", _FAMILY[kind], event.phase) for kind, event in EVENTS.items()}
_OWN_ID: Final = {"session": "session_id", "npc": "npc_id", "learner": "learner_id"}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def tile_fronts(ns: str) -> Mapping[str, str]:
    """By event kind, the subject its tiles are published under, up to the last token.

    The family is the event's own, so ``<ns>.tile.friction.>`` shows friction also where it came
    inside a turn. The last token is the writer's id: the session, or for an NPC's or learner's
    own edits that NPC or learner.
    """
    return {kind: TILE.of(ns, _FAMILY[kind], event.token, "") for kind, event in EVENTS.items()}


def tiles_of(place: Place, sequence: int, checkpoint: Checkpoint, room: str = ROOM) -> list[bytes]:
    """The tiles of one checkpoint, in the order of its events, each one line of compact JSON.

    The answer holds ``schema``, the writer's id (``session_id``, ...), ``at`` (UTC, ISO 8601 with
    ms and Z), ``sequence``, ``n`` and all fields of the event, with two exceptions: the state a
    fork began from is no news and may be large, and where it left its parent is called
    ``parent_sequence``.

    Raises:
        DecodeError: the time lies behind the year 9999.
    """
    identity = place.identity
    head: dict[str, Any] = {
        "schema": SCHEMA,
        _OWN_ID.get(place.kind, "actor_id"): identity,
        "at": _written(identity, checkpoint.at),
        "sequence": sequence,
        "n": 0,
    }
    if place.learner != NOBODY:
        head["learner"] = place.learner
    out = []
    for n, event in enumerate(checkpoint.events):
        kind = event.kind
        name, _, confidence = EVENTS[kind]
        about, tags = _ABOUT[type(event)](event, place)
        told = _TOLD.get(kind)
        head["n"] = n
        tile = {
            "id": f"{identity}.{sequence}.{n}",
            "domain": room,
            "question": f"[{name}] {about}",
            "answer": head | (event.__dict__ if told is None else told(event)),
            "tags": _TAGS[kind] + tags,
            "confidence": confidence,
            "source": SOURCE,
        }
        out.append(to_json(tile, inf_nan_mode="null"))
    return out


def _told_of_start(event: SessionStarted) -> dict[str, Any]:
    """With the names the session manager promised."""
    return event.__dict__ | {"agent_id": event.learner, "session_name": event.name}


def _told_of_fork(event: SessionForked) -> dict[str, Any]:
    """Its field ``sequence`` is not this tile's."""
    told = event.__dict__ | {"parent_sequence": event.sequence}
    del told["state"], told["sequence"]
    return told


_TOLD: Final[dict[str, Callable[[Any], dict[str, Any]]]] = {
    "session.started": _told_of_start,
    "session.forked": _told_of_fork,
}
"""What a tile tells of an event, where that is not just its fields."""


def _written(identity: str, at: int) -> str:
    seconds, ms = divmod(at, 1000)
    try:
        return f"{_second(seconds)}.{ms:03d}Z"
    except OverflowError as error:
        raise DecodeError(identity, "its time lies behind the year 9999") from error


@lru_cache(maxsize=64)
def _second(seconds: int) -> str:
    """Checkpoints come in the order of time, so most have the second of the one before."""
    return (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")


_Words = tuple[str, tuple[str, ...]]
"""The question's words, on one line, and the tags behind the first three."""


def _whole(place: Place) -> str:
    who = place.learner
    return f"{who}:{place.identity}" if who != NOBODY else place.identity


def _turn(event: TurnTaken, place: Place) -> _Words:
    return f"{place.learner} → {event.npc}, turn {event.turn}", (event.npc,)


def _reply(event: TurnAnswered, place: Place) -> _Words:
    return f"{event.npc} → {place.learner}, turn {event.turn}", (event.npc,)


def _friction(event: FrictionDetected, place: Place) -> _Words:
    name = event.type.value
    return f"{_whole(place)}: {name} {event.severity:.2f}", (name,)


def _reputation(event: ReputationChanged, place: Place) -> _Words:
    return f"{place.learner} with {event.npc} {event.delta:+.3f}", (event.npc,)


def _task_added(event: TaskAdded, place: Place) -> _Words:
    return _line(event.task), (event.priority.value,)


def _task_routed(event: TaskRouted, place: Place) -> _Words:
    return f"{_line(event.task)} → {event.npc}", (event.npc,)


def _task_started(event: TaskStarted, place: Place) -> _Words:
    return f"{_line(event.task)} → {event.npc or NOBODY}", ()


def _task_ended(event: TaskCompleted, place: Place) -> _Words:
    outcome = event.outcome.value
    return f"{_line(event.task)} — {outcome.upper()}", (outcome,)


def _started(event: SessionStarted, place: Place) -> _Words:
    return f"{event.learner}:{_line(event.name) or place.identity}", (event.learner,)


def _ended(event: SessionEnded, place: Place) -> _Words:
    outcome = event.outcome.value
    return f"{_whole(place)} — {outcome.upper()}", (outcome,)


def _forked(event: SessionForked, place: Place) -> _Words:
    return f"{place.identity} from {event.parent} at {event.sequence}", (event.parent,)


def _abandoned(event: SessionStartAbandoned | SessionResumeAbandoned, place: Place) -> _Words:
    return f"{_whole(place)}, claim {event.claim}", ()


def _changed(event: SessionPaused | SessionResumed, place: Place) -> _Words:
    return _whole(place), ()


def _parted(event: NpcParted, place: Place) -> _Words:
    return f"{place.learner} from {event.npc} after {event.turns} turns", (event.npc,)


def _described(event: NpcDescribed, place: Place) -> _Words:
    return f"{place.identity}: {_line(event.name)}", (place.identity,)


def _claimed(event: LearnerClaimed, place: Place) -> _Words:
    return f"{place.identity}:{event.session}", (place.identity,)


_ABOUT: Final[dict[type, Callable[[Any, Place], _Words]]] = {
    TurnTaken: _turn,
    TurnAnswered: _reply,
    FrictionDetected: _friction,
    ReputationChanged: _reputation,
    TaskAdded: _task_added,
    TaskRouted: _task_routed,
    TaskStarted: _task_started,
    TaskCompleted: _task_ended,
    SessionStarted: _started,
    SessionEnded: _ended,
    SessionForked: _forked,
    SessionStartAbandoned: _abandoned,
    SessionResumeAbandoned: _abandoned,
    SessionPaused: _changed,
    SessionResumed: _changed,
    NpcParted: _parted,
    NpcDescribed: _described,
    LearnerClaimed: _claimed,
}


def _line(text: str) -> str:
    return " ".join(text.split())


def decode_tile(data: bytes, subject: str) -> Tile:
    """A tile from its JSON.

    Raises:
        DecodeError: no tile.
    """
    try:
        return Tile.model_validate_json(data)
    except ValidationError as error:
        raise DecodeError(subject, explain(error)) from error


class Origin(NamedTuple):
    """Where a tile comes from: a checkpoint's sequence and the place among its events, from 0."""

    sequence: int
    n: int


def origin_of(header: str | None, subject: str) -> Origin:
    """The origin a tile's header names.

    Raises:
        DecodeError: the header is missing or not ``<sequence>.<n>``.
    """
    first, _, second = (header or "").partition(".")
    if not (first.isdecimal() and second.isdecimal()):
        raise DecodeError(subject, f"no origin of a tile: {header!r}")
    return Origin(int(first), int(second))
