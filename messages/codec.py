"""Bytes on the wire: msgpack, versioned, upcast on reading.

One law: whatever this module has ever written, it reads for ever. Frozen samples of every
checkpoint kind and version lie in ``tests/messages/samples`` and are decoded by every test run.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, get_args

import msgpack
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from holodeck.messages.base import MAX_MESSAGE, MAX_STATE
from holodeck.messages.envelope import (
    ENVELOPES,
    JSON_CONTENT,
    Answer,
    AnyEvent,
    Body,
    Checkpoint,
    Envelope,
)
from holodeck.messages.errors import DecodeError, FutureSchema, TooLarge

SCHEMA: Final = 1
"""The version of checkpoints this program writes."""

UPCASTERS: Final[dict[int, Callable[[dict[str, Any]], dict[str, Any]]]] = {}
"""From a version to the next one: takes a raw checkpoint of that version. Empty while 1 is all."""

_EVENTS: Final[TypeAdapter[tuple[AnyEvent, ...]]] = TypeAdapter(
    tuple[AnyEvent, ...], config=ConfigDict(defer_build=True)
)
_pack: Final[Callable[[Any], bytes]] = msgpack.Packer(use_bin_type=True, autoreset=True).pack


def ready() -> None:
    """Builds every validator that was left for later, so that none is built while somebody waits:
    for whoever serves. Half a second."""
    adapters: tuple[TypeAdapter[Any], ...] = (_EVENTS, _ANSWER, *ENVELOPES.values())
    for adapter in adapters:
        adapter.rebuild(raise_errors=True)
    for model in _members(AnyEvent):
        model.model_rebuild()


def _members(union: Any) -> Iterator[type[BaseModel]]:
    """The classes of a union, however it is wrapped."""
    if isinstance(union, type):
        if issubclass(union, BaseModel):
            yield union
        return
    for part in get_args(union):
        yield from _members(part)


def pack(value: Any) -> bytes:
    """Plain values (maps, lists, text, numbers, bytes) as msgpack."""
    return _pack(value)


def unpack(data: bytes, subject: str = "") -> Any:
    """msgpack as plain values.

    Raises:
        DecodeError: not exactly one msgpack value.
    """
    try:
        return msgpack.unpackb(data, raw=False, strict_map_key=False)
    except (ValueError, TypeError, UnicodeDecodeError, msgpack.UnpackException) as error:
        raise DecodeError(subject, f"no msgpack: {error}") from error


def explain(error: ValidationError) -> str:
    """What is wrong with a message, each field by name, without repeating its value."""
    parts = []
    for item in error.errors(include_url=False, include_input=False, include_context=False)[:5]:
        where = ".".join(str(part) for part in item["loc"]) or "message"
        parts.append(f"{where}: {item['msg']}")
    return "; ".join(parts)


# --- commands ----------------------------------------


def encode_command(envelope: Envelope) -> bytes:
    """A command as msgpack; fields at their default are left out.

    Raises:
        TooLarge: over 64 KiB (a fork: 512 KiB).
    """
    return encode_call(envelope.id, envelope.sent, envelope.deadline, envelope.body)


def encode_call(command: str, sent: int, deadline: int, body: Body) -> bytes:
    """As :func:`encode_command`, for who sends much and needs no envelope in between."""
    data = _pack(
        {
            "id": command,
            "sent": sent,
            "deadline": deadline,
            "body": {"kind": body.kind, **body.model_dump(exclude_defaults=True)},
        }
    )
    limit = _limit(body)
    if len(data) > limit:
        raise TooLarge(len(data), limit)
    return data


def _limit(body: Body) -> int:
    """A fork carries a whole state; nothing else is that large."""
    return MAX_STATE if body.kind == "fork" else MAX_MESSAGE


def decode_command(kind: str, data: bytes, subject: str, content: str = "") -> Envelope:
    """A command for an actor of ``kind``, from msgpack or, by its content type, from JSON.

    Raises:
        TooLarge: over 64 KiB.
        DecodeError: no such actor kind, not msgpack or JSON, or not a command we know.
    """
    if len(data) > MAX_STATE:
        raise TooLarge(len(data), MAX_MESSAGE)
    adapter = ENVELOPES.get(kind)
    if adapter is None:
        raise DecodeError(subject, f"no actor of kind {kind!r}")
    large = len(data) > MAX_MESSAGE
    try:
        envelope: Envelope = (
            adapter.validate_json(data)
            if content.startswith(JSON_CONTENT)
            else adapter.validator.validate_python(unpack(data, subject))
        )
    except (ValidationError, DecodeError) as error:
        if large:
            raise TooLarge(len(data), MAX_MESSAGE) from error
        if isinstance(error, DecodeError):
            raise
        raise DecodeError(subject, explain(error)) from error
    if large and len(data) > _limit(envelope.body):
        raise TooLarge(len(data), MAX_MESSAGE)
    return envelope


# --- answers ----------------------------------------


def encode_answer(answer: Answer, *, as_json: bool = False) -> bytes:
    """An answer as msgpack; for plain clients as JSON with the checkpoint and state unpacked."""
    if not as_json:
        packed: dict[str, Any] = {"status": answer.status, "sequence": answer.sequence}
        if answer.reason:
            packed["reason"] = answer.reason
        if answer.detail:
            packed["detail"] = answer.detail
        if answer.checkpoint is not None:
            packed["checkpoint"] = answer.checkpoint
        if answer.state is not None:
            packed["state"] = answer.state
        if answer.safety is not None:
            packed["safety"] = answer.safety.model_dump(mode="json")
        return _pack(packed)
    out: dict[str, Any] = {"status": answer.status, "sequence": answer.sequence}
    if answer.reason:
        out |= {"reason": answer.reason, "detail": answer.detail}
    if answer.checkpoint is not None:
        out["checkpoint"] = unpack(answer.checkpoint)
    if answer.state is not None:
        out["state"] = unpack(answer.state)
    if answer.safety is not None:
        out["safety"] = answer.safety.model_dump(mode="json")
    return json.dumps(out, default=_json_bytes, ensure_ascii=False).encode()


def _json_bytes(value: Any) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(f"no JSON for {type(value).__name__}")


_ANSWER: Final = TypeAdapter(Answer)


def decode_answer(data: bytes, subject: str) -> Answer:
    """An answer.

    Raises:
        DecodeError: not an answer.
    """
    try:
        answer: Answer = _ANSWER.validator.validate_python(unpack(data, subject))
    except ValidationError as error:
        raise DecodeError(subject, explain(error)) from error
    return answer


# --- checkpoints ----------------------------------------


def encode_checkpoint(
    at: int, events: Sequence[AnyEvent], room: str = "", quiet: bool = False
) -> bytes:
    """Events as one stored message: ``{v, at, events: [{kind, …}]}``, defaults left out."""
    raw: dict[str, Any] = {
        "v": SCHEMA,
        "at": at,
        "events": [
            {
                "kind": event.kind,
                # What model_dump() calls, without its dozen arguments: this runs for every
                # event of every command.
                **event.__pydantic_serializer__.to_python(event, exclude_defaults=True),
            }
            for event in events
        ],
    }
    if room:
        raw["room"] = room
    if quiet:
        raw["quiet"] = True
    return _pack(raw)


def decode_checkpoint(data: bytes, subject: str) -> Checkpoint:
    """A stored message as events, upcast to today's schema.

    Raises:
        FutureSchema: written by a newer program.
        DecodeError: no checkpoint.
    """
    raw = unpack(data, subject)
    if not isinstance(raw, dict) or not isinstance(raw.get("v"), int):
        raise DecodeError(subject, "no checkpoint: no schema version")
    version = raw["v"]
    if version > SCHEMA:
        raise FutureSchema(subject, f"schema {version}, this program knows {SCHEMA}")
    while version < SCHEMA:
        upcast = UPCASTERS.get(version)
        if upcast is None:
            raise DecodeError(subject, f"there never was a schema {version}")
        raw = upcast(raw)
        version += 1
    try:
        # What a newer minor writer added is left out, also inside what commands are made of.
        events = _EVENTS.validator.validate_python(raw.get("events"), extra="ignore")
    except ValidationError as error:
        raise DecodeError(subject, explain(error)) from error
    at = raw.get("at")
    if not events or not isinstance(at, int) or at < 0:
        raise DecodeError(subject, "no checkpoint: no time or no events")
    room = raw.get("room", "")
    if not isinstance(room, str):
        raise DecodeError(subject, "no checkpoint: its room is no text")
    return Checkpoint(at, events, room, raw.get("quiet") is True)
