"""The cases of tiles on their way to a PLATO server.

One law: a real sink carries the tile over real HTTP to a server that answers as the case says.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final

from holodeck.actors.metrics import Metrics
from holodeck.actors.tiles import SinkRunner
from holodeck.actors.tiles.plato import PlatoSink
from holodeck.broker import MemoryBroker
from holodeck.messages.subjects import TILE
from tests.conformance.runner import Adapter
from tests.conformance.shapes import has, unknown
from tests.tiles.plato_stub import TAKEN, Plato, Reply
from tests.tiles.support import LAYOUT, until


def tile(given: Any) -> Any:
    if has(given, "http", "body"):
        accepted, _ = asyncio.run(_sent({}, Reply(given["http"], given["body"])))
        return {"emit_returns": accepted}
    if has(given, "answer"):
        _, received = asyncio.run(_sent(given["answer"], TAKEN))
        answer = received["answer"]
        kind = "string" if isinstance(answer, str) else type(answer).__name__
        # The cases have this key for what the text on the wire says.
        return {"wire_type": kind, "json": {"loads(answer)": json.loads(answer)}}
    raise unknown("tile", given)


async def _sent(answer: dict[str, Any], reply: Reply) -> tuple[bool, dict[str, Any]]:
    """Whether the sink counts the tile as accepted, and the tile as the server got it."""
    broker, metrics = MemoryBroker(), Metrics()
    await broker.declare(LAYOUT.streams, LAYOUT.buckets)
    sent = {
        "id": "sess_1.1.0",
        "domain": "scout-reports/holodeck-session",
        "question": "[SESSION_START] ana:everything",
        "answer": answer,
        "tags": ["scout", "session", "start", "ana"],
        "confidence": 1.0,
        "source": "holodeck-session-manager",
    }
    subject = TILE.of(LAYOUT.ns, "session", "session-start", "sess_1")
    try:
        async with Plato(lambda tile: reply) as plato:
            runner = SinkRunner(broker, LAYOUT, metrics, "plato", PlatoSink(plato.url))
            await broker.log(LAYOUT.tiles).append(subject, json.dumps(sent).encode())
            await runner.start()
            try:
                await until(lambda: bool(plato.seen) and _answered(metrics) > 0)
            finally:
                await runner.stop(grace=0.2)
    finally:
        await broker.close()
    return _answered(metrics, "accepted") > 0, plato.seen[0].tile


def _answered(metrics: Metrics, *results: str) -> float:
    """How many deliveries came to one of ``results``; by default to any that the server chose."""
    counted = [
        metrics.registry.get_sample_value(
            "holodeck_tile_deliveries_total", {"sink": "plato", "result": result}
        )
        for result in results or ("accepted", "refused", "failed")
    ]
    return sum(count or 0.0 for count in counted)


ADAPTERS: Final[dict[str, Adapter]] = {"tile": tile}
