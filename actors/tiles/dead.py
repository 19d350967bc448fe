"""Where messages go that nobody can process.

One law: a dead letter is the message's own bytes with its origin and the reason beside it; one per
message, however many readers come by, as long as those who bury from one stream go in its order.
"""

from __future__ import annotations

import time
from typing import Final

import structlog

from holodeck.actors.metrics import Metrics
from holodeck.broker.port import Broker, Log, Record
from holodeck.broker.streams import Layout
from holodeck.messages.errors import LostFence, StoreFull
from holodeck.messages.subjects import ANY, DEAD

HEADER_ORIGIN_SUBJECT: Final = "Holodeck-Origin-Subject"
HEADER_ORIGIN_SEQUENCE: Final = "Holodeck-Origin-Sequence"
HEADER_REASON: Final = "Holodeck-Reason"
HEADER_BURIED: Final = "Holodeck-At"
"""When it was put aside, ms since 1970 UTC."""

_ROOM_FOR_HEADERS: Final = 16 * 1024

log = structlog.get_logger("holodeck.tiles")


class Graveyard:
    """Buries the messages of one stream.

    Args:
        stream: its plain name, as it stands in the subject (``CHECKPOINTS``).
    """

    def __init__(self, broker: Broker, layout: Layout, metrics: Metrics, stream: str) -> None:
        self._broker, self._metrics, self._stream = broker, metrics, stream
        self._ns = layout.ns
        self._log: Log = broker.log(layout.dead)
        self._all = DEAD.of(layout.ns, stream, ANY)

    async def bury(self, record: Record, reason: str, detail: str) -> None:
        """Stores one dead letter, unless it or a later one of the stream is stored already.

        A full DEAD stream is counted and logged; it must not hold up the living.

        Args:
            reason: a single token (``undecodable``, ``future-schema``, ``too-large``).

        Raises:
            OutcomeUnknown, Unavailable, BrokerError: ask again.
        """
        headers = {
            HEADER_ORIGIN_SUBJECT: _plain(record.subject),
            HEADER_ORIGIN_SEQUENCE: str(record.sequence),
            HEADER_REASON: _plain(detail),
            HEADER_BURIED: str(int(time.time() * 1000)),
        }
        data = record.data[: self._broker.max_payload - _ROOM_FOR_HEADERS]
        subject = DEAD.of(self._ns, self._stream, reason)
        while True:
            last = await self._log.last(self._all)
            if last is not None and origin_sequence(last) >= record.sequence:
                return
            after = last.sequence if last is not None else 0
            try:
                await self._log.append(subject, data, after=after, over=self._all, headers=headers)
            except LostFence:
                continue  # another reader of the stream is burying too
            except StoreFull:
                log.error(
                    "dead letter not kept: the stream is full", stream=self._stream,
                    sequence=record.sequence, reason=reason, detail=detail,
                )  # fmt: skip
            else:
                log.warning(
                    "dead letter", stream=self._stream, sequence=record.sequence, reason=reason,
                    detail=detail,
                )  # fmt: skip
            self._metrics.dead_letter(self._stream, reason)
            return

    async def discard_ahead(self, end: int) -> int:
        """Removes dead letters from behind ``end``, which a power loss took from their stream."""
        ahead = [
            record.sequence
            async for record in self._log.read(self._all, headers_only=True)
            if origin_sequence(record) > end
        ]
        for sequence in ahead:
            await self._log.delete(sequence, overwrite=False)
        return len(ahead)


def origin_sequence(letter: Record) -> int:
    """The sequence a dead letter had in the stream it came from; 0 if it does not say."""
    text = letter.headers.get(HEADER_ORIGIN_SEQUENCE, "")
    return int(text) if text.isdecimal() else 0


def _plain(text: str) -> str:
    """Fit for a header: printable ASCII, one line, not long."""
    return " ".join(text.encode("ascii", "replace").decode().split())[:500]
