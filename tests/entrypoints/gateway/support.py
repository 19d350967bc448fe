"""Tiles as others put them in, and as the runtime's emitter stores them."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from holodeck.actors.tiles.tile import HEADER_AT
from holodeck.broker.port import Broker
from holodeck.broker.streams import layout
from holodeck.messages.subjects import TILE
from holodeck.messages.tiles import HEADER_ORIGIN, HEADER_TILE, Tile

LAYOUT: Final = layout(max_bytes=512 * 1024 * 1024)
OURS: Final = "scout-reports/holodeck-session"
SLASHES: Final = "gc/research/scout-reports/holodeck-session"
PROSE: Final = "The harbour is deep enough for two ships at low tide."
AT: Final = 1_700_000_000_000


def submission(n: int = 0, room: str = "harbour", **more: Any) -> dict[str, Any]:
    return {
        "domain": room,
        "question": f"How deep is berth {n}?",
        "answer": PROSE,
        "source": "pilot",
    } | more


def own_tile(n: int, room: str = OURS) -> Tile:
    return Tile(
        id=f"sess_1.{n}.0",
        domain=room,
        question=f"[TURN] ana → marta, turn {n}",
        answer={"schema": 1, "session_id": "sess_1", "sequence": n, "text": "¿qué tal?"},
        tags=("scout", "turn", "taken", "marta"),
    )


async def own_tiles(broker: Broker, count: int, *, room: str = OURS, first: int = 1) -> None:
    """Stores tiles of ours as the emitter does, one a second since ``AT``."""
    log = broker.log(LAYOUT.tiles)
    stored = []
    for n in range(first, first + count):
        headers = {
            HEADER_TILE: f"sess_1.{n}.0",
            HEADER_ORIGIN: f"{n}.0",
            HEADER_AT: str(AT + 1000 * n),
        }
        data = own_tile(n, room).model_dump_json().encode()
        subject = TILE.of(LAYOUT.ns, "turn", "turn", "sess_1")
        stored.append(log.append(subject, data, headers=headers))
    await asyncio.gather(*stored)
