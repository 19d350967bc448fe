"""One service as a plain process, without Ray (``python -m bench._service host``, ``supervisor``
or ``tiles``).

Made for measuring memory: on ``{"ask": "memory"}`` it collects garbage and says how much memory
is resident; when its stdin ends it stops in good order.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import sys
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

import structlog
import uvloop

from bench._processes import orders, report_line, resident_bytes
from holodeck.actors.host import Host
from holodeck.actors.keeper import HostKeeper, TilesService
from holodeck.actors.supervisor import Supervisor
from holodeck.actors.tiles import JsonlSink
from holodeck.config import load_settings
from holodeck.wiring import (
    Connection,
    faculties_of,
    host_options,
    layout_of,
    supervisor_options,
)

_STOP_S: Final = 110.0


class Service(Protocol):
    async def start(self) -> None: ...
    async def stop(self) -> None: ...


def service(kind: str, order: dict[str, Any]) -> Service:
    """What runs here, wired as ``holodeck up`` wires it."""
    settings = load_settings(**order["settings"])
    connect = Connection(**order["connection"])
    layout = layout_of(settings)
    match kind:
        case "supervisor":
            return Supervisor(connect, layout, supervisor_options(settings))
        case "tiles":
            sink = partial(JsonlSink, Path(order["folder"]) / "tiles.jsonl")
            return TilesService(connect, layout, sinks=(("jsonl", sink),))
        case _:
            options = host_options(settings, order["name"])
            return HostKeeper(
                lambda lost: Host(
                    connect, layout, options, minds=faculties_of(settings), on_lost=lost
                )
            )


async def _main() -> None:
    # Resident bytes are a matter of what was imported, too: a host under Ray has no logs to stdout.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
                        logger_factory=structlog.PrintLoggerFactory(sys.stderr))  # fmt: skip
    gc.set_threshold(50_000, 20, 50)  # as the services under Ray have it, see actors/cluster.py
    stdin = await orders()
    running = service(sys.argv[1], json.loads(await stdin.readline()))
    await running.start()
    report_line(ready=os.getpid())
    while line := await stdin.readline():
        if json.loads(line)["ask"] == "memory":
            gc.collect()
            await asyncio.sleep(0.2)
            resident, _ = resident_bytes(os.getpid())
            report_line(memory=resident)
    # Whoever started this may have died, and the server with it: never outlive them for long.
    try:
        await asyncio.wait_for(running.stop(), _STOP_S)
    finally:
        os._exit(0)


if __name__ == "__main__":
    uvloop.run(_main())
