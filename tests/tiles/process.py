"""A tile emitter or a file sink in a process of its own, to be killed and frozen.

Called as ``python -m tests.tiles.process emit|sink|both URL USER FILE``, the password in
PASSWORD. With ``both``, the emitter feeds the sink.
"""

from __future__ import annotations

import asyncio
import os
import sys

from holodeck.actors.metrics import Metrics
from holodeck.actors.tiles import JsonlSink, SinkRunner, TileEmitter
from holodeck.broker.nats import Password, connect
from tests.tiles.support import LAYOUT


async def main(role: str, url: str, user: str, file: str) -> None:
    broker = await connect(url, credentials=Password(user, os.environ["PASSWORD"]))
    emitter = TileEmitter(broker, LAYOUT, Metrics(), window=64)
    if role != "sink":
        await emitter.start()
    if role != "emit":
        sink = JsonlSink(file)
        await SinkRunner(broker, LAYOUT, Metrics(), "file", sink, emitter.recent).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:5]))
