"""One service of the runtime in a process of its own, to be killed, frozen and restarted.

Called as ``python -m tests.runtime.process``; what to run stands as JSON in ``STAGE``. It ends
when its standard input closes, so that it never outlives the test.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
from typing import Any, Protocol

import structlog

from holodeck.actors.host import Host, HostOptions
from holodeck.actors.keeper import HostKeeper, TilesService
from holodeck.actors.supervisor import Supervisor, SupervisorOptions
from holodeck.broker.streams import layout
from holodeck.config import load_settings
from holodeck.messages.session import MindKind
from holodeck.minds import Faculties, Mind
from holodeck.wiring import Connection, faculties_of
from tests.runtime.minds import EchoMind


class Service(Protocol):
    async def start(self) -> None: ...


def made(plan: dict[str, Any]) -> Service:
    """What the plan names."""
    connect = Connection(**plan["connection"])
    streams = layout(max_bytes=plan["max_bytes"])
    match plan["role"]:
        case "host":
            options = HostOptions(**plan["options"])
            minds: Faculties | dict[MindKind, Mind] = (
                faculties_of(load_settings()) if plan["worlds"] else {MindKind.SCRIPTED: EchoMind()}
            )
            return HostKeeper(
                lambda lost: Host(connect, streams, options, minds=minds, on_lost=lost)
            )
        case "supervisor":
            return Supervisor(connect, streams, SupervisorOptions(**plan["options"]))
        case _:
            return TilesService(connect, streams)


async def main() -> None:
    plan = json.loads(os.environ["STAGE"])
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    await made(plan).start()
    await asyncio.Event().wait()


def _leash() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    threading.Thread(target=_leash, daemon=True).start()
    asyncio.run(main())
