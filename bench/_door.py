"""A child process of a benchmark: the HTTP door before a runtime that runs."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import uvloop

from bench._processes import report_line
from holodeck.broker.streams import layout
from holodeck.deck import Deck
from holodeck.entrypoints.gateway.api import Gateway, api
from holodeck.entrypoints.gateway.door import app, serve
from holodeck.entrypoints.gateway.safety import Care
from holodeck.minds.safety import KeywordSafety, load_resources
from holodeck.up import DeckStatus
from holodeck.wiring import Connection


async def _main() -> None:
    loop = asyncio.get_running_loop()
    stdin = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin)
    order: dict[str, Any] = json.loads(await stdin.readline())
    deck = await Deck.open(Connection(**order["client"]), order["ns"], deadline_s=30.0)
    resources = load_resources()
    gateway = Gateway(
        lambda: deck,
        Connection(**order["runtime"]),
        layout(order["ns"]),
        key=order["key"].encode(),
        required=True,
        rate=0,
        care=Care(KeywordSafety(resources).look, resources),
    )
    door = await serve(app(DeckStatus(deck), {"/api/v1": api(gateway)}))
    report_line(port=door.port)
    try:
        await stdin.read()
    finally:
        await door.stop()
        await gateway.close()
        await deck.close()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        import cProfile
        import pstats

        profile = cProfile.Profile()
        profile.enable()
        uvloop.run(_main())
        profile.disable()
        pstats.Stats(profile, stream=sys.stderr).sort_stats("tottime").print_stats(60)
    else:
        uvloop.run(_main())
