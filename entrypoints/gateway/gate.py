"""What may become a tile of a room, and what a tile looks like to those who read it.

One law: it decides from the submission alone, and says in one sentence what is wrong with it;
whether a tile stands in the room already is the store's business.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pydantic_core import from_json, to_json

from holodeck.messages.errors import ContractError, RefusedError

MAX_ROOM: Final = 200
"""Characters of a room's name."""
ANSWER: Final = (20, 5000)
"""Characters an answer in prose has at least and at most."""
QUESTION: Final = 5
"""Characters a question has at least."""
WORDS: Final = frozenset(
    ("always", "never", "guaranteed", "impossible", "proven", "everyone", "nobody")
)
"""What an answer in prose must not claim."""
TELEMETRY: Final = frozenset(
    ("scout-reports", "mid-synthesis", "architect-inference", "h1-routing-experiment")
)
"""A room with one of these segments takes what programs report; nobody proof-reads it."""

_CLAIM: Final = re.compile(rf"\b({'|'.join(sorted(WORDS))})\b", re.IGNORECASE)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_OURS: Final = frozenset(
    (
        "_hash", "answer", "agent", "confidence", "created_at", "domain", "gate", "id", "lamport",
        "provenance", "question", "room", "room_id", "room_tile_count", "sequence", "source",
        "state", "status", "tags", "tile_hash", "tile_id", "timestamp",
    )
)  # fmt: skip
"""What the store says of a tile; under these names a submission brings nothing of its own."""


def room_name(text: Any) -> str:
    """The name of a room: 1 to 200 printable characters, segments divided by single slashes.

    Raises:
        ContractError: it is none; among others ``a//b``, ``/a`` and ``a/../b``.
    """
    if not isinstance(text, str):
        raise ContractError(f"the name of a room is a text, not {_kind(text)}")
    name = text.strip()
    if not name or len(name) > MAX_ROOM:
        raise ContractError(f"the name of a room has 1 to {MAX_ROOM} characters, not {len(name)}")
    if not name.isprintable():
        raise ContractError("the name of a room has only printable characters")
    if any(segment.strip() in ("", ".", "..") for segment in name.split("/")):
        raise ContractError(f"the room {name!r} has a segment that is empty, a dot or two dots")
    return name


def tile_hash(question: str, answer: str) -> str:
    """The first 16 hex digits of SHA-256 over question and answer, as the room servers have it."""
    return hashlib.sha256((question + answer).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Submission:
    """A tile that came through the gate.

    Attributes:
        hash: see :func:`tile_hash`.
        tile: its fields as they are served, but for what the store adds.
    """

    room: str
    hash: str
    source: str
    tile: Mapping[str, Any]


def admit(given: Mapping[str, Any], room: str | None = None) -> Submission:
    """The tile that a submission asks for.

    Args:
        given: as it came; ``answer`` is a text, or an object or list that is kept as its JSON.
        room: where the address says so; else ``room``, ``room_id`` or ``domain`` of ``given``.

    Raises:
        ContractError: a field is of the wrong type, or the room's name is none.
        RefusedError: the gate does not let it in; the first of its rules that it breaks.
    """
    place = room or given.get("room") or given.get("room_id") or given.get("domain")
    domain = given.get("domain") or place
    question, answer = given.get("question"), given.get("answer")
    for name, value in (("domain", domain), ("question", question), ("answer", answer)):
        if value is None or value in ("", {}, []):
            raise RefusedError("missing-field", f"Missing required field: {name}")
    place = room_name(place)
    domain = domain if isinstance(domain, str) else place
    if not isinstance(question, str):
        raise ContractError(f"question is a text, not {_kind(question)}")
    if not isinstance(answer, str | dict | list):
        raise ContractError(f"answer is a text or an object, not {_kind(answer)}")
    text = answer if isinstance(answer, str) else _json(answer)
    prose = isinstance(answer, str) and not _structured(answer)
    least, most = ANSWER
    if prose and len(text) < least:
        raise RefusedError("answer-too-short", f"Answer too short ({len(text)} < {least})")
    if prose and len(text) > most:
        raise RefusedError("answer-too-long", f"Answer too long ({len(text)} > {most})")
    if len(question) < QUESTION:
        raise RefusedError("question-too-short", f"Question too short ({len(question)} < 5)")
    if prose and TELEMETRY.isdisjoint(place.split("/")) and (found := _CLAIM.search(text)):
        raise RefusedError("absolute-claim", f"Absolute claim in the answer: {found[1].lower()!r}")
    confidence = given.get("confidence")
    confidence = 0.5 if confidence is None else confidence
    if isinstance(confidence, bool) or not isinstance(confidence, int | float):
        raise ContractError(f"confidence is a number, not {_kind(confidence)}")
    if not 0 <= confidence <= 1:
        raise RefusedError("confidence", f"Confidence {confidence} is not within 0 and 1")
    source = given.get("source") or given.get("agent") or "anonymous"
    if not isinstance(source, str):
        raise ContractError(f"source is a text, not {_kind(source)}")
    more = {name: value for name, value in given.items() if name not in _OURS}
    tile = more | {
        "domain": domain,
        "question": question,
        "answer": text,
        "tags": _tags(given.get("tags")),
        "confidence": confidence,
        "source": source,
        "provenance": _provenance(given.get("provenance"), source),
    }
    return Submission(place, tile_hash(question, text), source, tile)


def own_tile(data: bytes) -> dict[str, Any] | None:
    """A tile of the runtime's own stream as rooms show it, the answer as JSON text; None: no
    tile."""
    try:
        raw = from_json(data)
        question, answer = str(raw["question"]), raw["answer"]
        text = answer if isinstance(answer, str) else _json(answer)
        source = str(raw.get("source") or "holodeck")
        return {
            "domain": str(raw["domain"]),
            "question": question,
            "answer": text,
            "tags": _tags(raw.get("tags")),
            "confidence": float(raw.get("confidence", 1.0)),
            "source": source,
            "provenance": f"{source}:{raw.get('id', '')}",
        }
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def others_tile(data: bytes) -> dict[str, Any] | None:
    """A tile as :func:`admit` made it, from its JSON; None: no tile."""
    try:
        tile = from_json(data)
        texts = [tile[name] for name in ("domain", "question", "answer", "source", "provenance")]
        tile["tags"] = _tags(tile["tags"])
        tile["confidence"] = float(tile["confidence"])
        return dict(tile) if all(isinstance(text, str) for text in texts) else None
    except (ValueError, TypeError, KeyError):
        return None


def stamped(tile: Mapping[str, Any], *, room: str, digest: str, at: int, lamport: int,
            state: str) -> dict[str, Any]:  # fmt: skip
    """A tile with all that the store knows of it.

    Args:
        at: ms since 1970 UTC.
        lamport: its place in the room's order.
        state: ``Active``, ``Retracted`` or ``Superseded``.
    """
    return {
        **tile,
        "agent": tile["source"],
        "room": room,
        "room_id": room,
        "_hash": digest,
        "tile_hash": digest,
        "tile_id": digest,
        "id": digest,
        "timestamp": at,
        "created_at": iso(at),
        "lamport": lamport,
        "state": state,
    }


def iso(at: int) -> str:
    """``at``, ms since 1970 UTC, as ISO 8601 with ms and Z; the nearest there is, out of range."""
    try:
        moment = _EPOCH + timedelta(milliseconds=at)
    except OverflowError:
        moment = datetime.max.replace(tzinfo=UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _structured(answer: str) -> bool:
    """Whether a text is a JSON object or list: written by a program, for programs."""
    if not answer.lstrip().startswith(("{", "[")):
        return False
    try:
        return isinstance(from_json(answer), dict | list)
    except ValueError:
        return False


def _tags(given: Any) -> list[str]:
    if isinstance(given, str):
        return [given]
    return [str(tag) for tag in given] if isinstance(given, list | tuple) else []


def _provenance(given: Any, source: str) -> str:
    """Always a text: published clients show it as it is."""
    if given is None or given == "":
        return source
    return given if isinstance(given, str) else _json(given)


def _json(value: Any) -> str:
    return to_json(value, inf_nan_mode="null").decode()


def _kind(value: Any) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case list():
            return "a list"
        case _:
            return "an object"
