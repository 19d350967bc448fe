"""Dead letters: what nobody could process, and how it goes back.

One law: a letter goes back where it came from, and leaves only when it was taken there; so it has
its effect once, whoever asks for it how often.

What can go back is a command, under its own id, and a tile that a sink refused. A checkpoint
cannot: it stands in the journal already, and a second one would count twice.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog

from holodeck.actors.keeper import TILES_HOST
from holodeck.actors.tiles.dead import (
    HEADER_BURIED,
    HEADER_ORIGIN_SEQUENCE,
    HEADER_ORIGIN_SUBJECT,
    HEADER_REASON,
)
from holodeck.broker.port import Broker, Log, Record
from holodeck.deck import Deck
from holodeck.entrypoints.gateway.v1.watch_cards import iso
from holodeck.messages.codec import pack, unpack
from holodeck.messages.errors import (
    DecodeError,
    LostFence,
    NoResponder,
    RefusedError,
    Unavailable,
)
from holodeck.messages.subjects import CTL_HOST, REST

log = structlog.get_logger("holodeck.gateway")

MOST: Final = 2000
"""Letters that are listed: the newest."""
PREVIEW: Final = 2000
"""Characters that are shown of one."""
CLAIM_S: Final = 30.0
"""How long somebody who sends one back may take before another may try."""
COMMANDS: Final = "COMMANDS"
_HOST_SUBJECT: Final = "Holodeck-Subject"
_HOST_ORIGIN: Final = "Holodeck-Origin"


def letter_of(record: Record) -> dict[str, Any]:
    """A letter as it is answered."""
    head = record.headers
    stream, _, reason = record.subject.partition(".dead.")[2].partition(".")
    origin = head.get(HEADER_ORIGIN_SEQUENCE) or head.get(_HOST_ORIGIN) or "0"
    at = head.get(HEADER_BURIED, "")
    return {
        "sequence": record.sequence,
        "at": iso(int(at)) if at.isdecimal() else None,
        "stream": stream,
        "reason": reason,
        "detail": head.get(HEADER_REASON, ""),
        "subject": head.get(HEADER_ORIGIN_SUBJECT) or head.get(_HOST_SUBJECT) or "",
        "origin": int(origin) if origin.isdecimal() else 0,
        "size": len(record.data),
        "preview": _preview(record.data),
        "redeliverable": stream == COMMANDS or stream.startswith("TILES-"),
    }


def _preview(data: bytes) -> str:
    """What it seems to say: msgpack or text as text, else bytes in hex."""
    try:
        value = unpack(data)
    except DecodeError:
        value = None
    if isinstance(value, dict | list):
        text = repr(value)
    else:
        text = data.decode(errors="replace")
        if sum(char == "�" or not (char.isprintable() or char.isspace()) for char in text) > 8:
            text = data[: PREVIEW // 2].hex(" ")
    return text if len(text) <= PREVIEW else text[: PREVIEW - 1] + "…"


class Letters:
    """The dead letters of a namespace.

    Args:
        connect: gives a connection with the runtime's rights.
    """

    def __init__(self, deck: Callable[[], Deck], connect: Callable[[], Awaitable[Broker]]) -> None:
        self._deck, self._connect = deck, connect
        self._counted: tuple[tuple[int, int], int] | None = None

    async def _log(self) -> Log:
        return (await self._connect()).log(self._deck().layout.dead)

    def _all(self) -> str:
        return f"{self._deck().ns}.dead.{REST}"

    async def count(self) -> int:
        """How many there are; counted anew where the stream has changed."""
        letters = await self._log()
        mark = (await letters.end(), (await letters.size())[0])
        if self._counted is None or self._counted[0] != mark:
            count = 0
            async for _ in letters.read(self._all(), headers_only=True):
                count += 1
            self._counted = mark, count
        return self._counted[1]

    async def newest(self) -> list[dict[str, Any]]:
        """The newest :data:`MOST`, the newest first."""
        found: list[Record] = []
        async for record in (await self._log()).read(self._all()):
            found.append(record)
            if len(found) > 2 * MOST:
                del found[:MOST]
        return [letter_of(record) for record in reversed(found[-MOST:])]

    async def _get(self, sequence: int) -> Record:
        record = await (await self._log()).get(sequence)
        if record is None:
            raise RefusedError("unknown-letter", str(sequence))
        return record

    async def delete(self, sequence: int) -> None:
        """Throws a letter away.

        Raises:
            RefusedError: ``unknown-letter``.
        """
        await self._get(sequence)
        await (await self._log()).delete(sequence)

    async def redeliver(self, sequence: int) -> dict[str, Any]:
        """Sends a letter back where it came from, and takes it out of DEAD once it was taken.

        Returns:
            ``{sequence, stream, status, detail}``; ``status`` is what was said to it there:
            ``ok``, ``refused``, or ``contract`` where it still cannot be read: then it has come
            back as another letter.

        Raises:
            RefusedError: ``unknown-letter``; ``letter-under-way``, somebody is sending it back;
                ``letter-stays``, it cannot go back, or the sink refused it again.
            Unavailable: there it was not taken; the letter stays.
        """
        record = await self._get(sequence)
        told = letter_of(record)
        if not told["redeliverable"]:
            raise RefusedError(
                "letter-stays",
                "it still stands in its stream; a second one would count twice",
            )
        broker = await self._connect()
        claims = broker.bucket(self._deck().layout.cluster)
        key = f"redelivery.{sequence}"
        revision = await self._claim(claims, key)
        try:
            if told["stream"] == COMMANDS:
                status, detail = await self._command(broker, told["subject"], record.data)
            else:
                sink = told["stream"].partition("-")[2]
                status, detail = await self._tile(broker, sink, told["origin"], record.data)
            await (await self._log()).delete(sequence)
        finally:
            try:
                await claims.delete(key, after=revision)
            except LostFence:
                log.warning("a letter took longer than its claim", sequence=sequence)
        log.info("letter sent back", sequence=sequence, stream=told["stream"], status=status)
        return {
            "sequence": sequence, "stream": told["stream"], "status": status, "detail": detail,
        }  # fmt: skip

    async def _claim(self, claims: Any, key: str) -> int:
        now = int(time.time() * 1000)
        try:
            return int(await claims.put(key, str(now).encode(), after=0))
        except LostFence:
            entry = await claims.get(key)
            if entry is None or now - int(entry.data or b"0") < CLAIM_S * 1000:
                raise RefusedError("letter-under-way", "somebody is sending it back") from None
        try:
            return int(await claims.put(key, str(now).encode(), after=entry.revision))
        except LostFence as error:
            raise RefusedError("letter-under-way", "somebody is sending it back") from error

    async def _command(self, broker: Broker, subject: str, data: bytes) -> tuple[str, str]:
        """The answer to a command. A repeat has no second effect: it is the same id."""
        if not subject.startswith(f"{self._deck().ns}.cmd."):
            raise RefusedError("letter-stays", f"{subject!r} is no subject of a command")
        for _ in range(40):
            try:
                reply = await broker.request(subject, data, timeout=5.0)
            except NoResponder:
                await asyncio.sleep(0.1)
                continue
            answer = unpack(reply.data, subject)
            status = str(answer.get("status", "contract"))
            if status not in ("busy", "moved"):
                return status, str(answer.get("detail") or answer.get("reason") or "")[:1000]
            await asyncio.sleep(0.1)
        raise Unavailable(subject, "nobody took it")

    async def _tile(self, broker: Broker, sink: str, origin: int, data: bytes) -> tuple[str, str]:
        subject = CTL_HOST.of(self._deck().ns, TILES_HOST, "again")
        reply = await broker.request(subject, pack([sink, origin, data]), timeout=30.0)
        told = unpack(reply.data, subject)
        if not isinstance(told, list):
            raise Unavailable(subject, "the tile emitter knows no such order")
        status, detail = told
        if status == "down":
            raise Unavailable(sink, detail)
        if status != "ok":
            raise RefusedError("letter-stays", detail)
        return "ok", detail
