"""Checkpoints to make tiles of, and what must be true of the tiles."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final

from holodeck.broker.port import Broker, Record
from holodeck.broker.streams import Layout, layout
from holodeck.messages.codec import encode_checkpoint
from holodeck.messages.envelope import AnyEvent
from holodeck.messages.session import (
    FrictionDetected,
    FrictionType,
    ReputationChanged,
    TurnTaken,
)
from holodeck.messages.subjects import CHECKPOINT, all_tiles
from holodeck.messages.tiles import HEADER_ORIGIN

LAYOUT: Final = layout(max_bytes=512 * 1024 * 1024)
EVENTS: Final[tuple[AnyEvent, ...]] = (
    TurnTaken(turn=1, npc="marta", text="hola", analysed=True),
    FrictionDetected(type=FrictionType.LEXICAL, severity=0.3, turn=1, npc="marta"),
    ReputationChanged(npc="marta", delta=0.02, turn=1),
)


def subject(session: str = "sess_1", family: str = "turn") -> str:
    return CHECKPOINT.of("holodeck", "session", 3, session, family, 4, "marta", 5, "ana")


async def journal(
    broker: Broker,
    count: int,
    *,
    events: Sequence[AnyEvent] = EVENTS,
    at: int | None = None,
    layout: Layout = LAYOUT,
) -> None:
    """Appends ``count`` checkpoints of ``events``."""
    log = broker.log(layout.checkpoints)
    data = encode_checkpoint(int(time.time() * 1000) if at is None else at, events)
    await asyncio.gather(*(log.append(subject(f"s{n % 7}"), data) for n in range(count)))


async def tiles(broker: Broker, layout: Layout = LAYOUT) -> list[Record]:
    return [record async for record in broker.log(layout.tiles).read(all_tiles(layout.ns))]


async def origins(broker: Broker) -> list[str]:
    return [record.headers[HEADER_ORIGIN] for record in await tiles(broker)]


def expected(checkpoints: int, events: int = len(EVENTS), first: int = 1) -> list[str]:
    """The origins of the tiles of ``checkpoints`` checkpoints, each once, in order."""
    return [f"{s}.{n}" for s in range(first, first + checkpoints) for n in range(events)]


async def until(what: Callable[[], bool], seconds: float = 15.0) -> None:
    """Waits for ``what``; fails after ``seconds``."""
    async with asyncio.timeout(seconds):
        while not what():
            await asyncio.sleep(0.01)


async def until_tiles(broker: Broker, count: int, seconds: float = 15.0) -> None:
    """Waits until TILES has reached the sequence ``count``."""
    log = broker.log(LAYOUT.tiles)
    async with asyncio.timeout(seconds):
        while await log.end() < count:
            await asyncio.sleep(0.02)
