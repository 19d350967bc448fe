"""One service of the runtime in a process of its own, to be killed, frozen and started again.

Called as ``python -m tests.torture.process``; what to run stands as JSON in ``TORTURE``. A host
reads its wall clock through an offset that the nemesis changes; a planted fault is planted here
and nowhere else.
"""

from __future__ import annotations

import asyncio
import mmap
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol

from holodeck.actors.host import Host, HostOptions
from holodeck.actors.keeper import HostKeeper, TilesService
from holodeck.actors.supervisor import Supervisor, SupervisorOptions
from holodeck.broker.streams import layout
from holodeck.messages.session import MindKind
from holodeck.minds import Mind
from holodeck.wiring import Connection
from tests.runtime.minds import EchoMind
from tests.torture.leash import begin
from tests.torture.mutants import plant

OFFSET: Final = struct.Struct("<d")
"""How far a clock is off, seconds."""


class Service(Protocol):
    async def start(self) -> None: ...


def skewed(path: Path) -> Callable[[], float]:
    """The wall clock, s since 1970 UTC, off by what stands in the file at each moment."""
    with path.open("rb") as file:
        offset = mmap.mmap(file.fileno(), OFFSET.size, prot=mmap.PROT_READ)
    return lambda: time.time() + float(OFFSET.unpack(offset)[0])


def made(plan: dict[str, Any]) -> Service:
    """What the plan names."""
    connect = Connection(**plan["connection"])
    streams = layout(max_bytes=plan["max_bytes"])
    match plan["role"]:
        case "host":
            options = HostOptions(**plan["options"])
            wall = skewed(Path(plan["clock"]))
            minds: dict[MindKind, Mind] = {MindKind.SCRIPTED: EchoMind()}
            return HostKeeper(
                lambda lost: Host(connect, streams, options, minds=minds, on_lost=lost, wall=wall)
            )
        case "supervisor":
            return Supervisor(connect, streams, SupervisorOptions(**plan["options"]))
        case _:
            return TilesService(connect, streams)


async def main(plan: dict[str, Any]) -> None:
    if plan["mutant"]:
        plant(plan["mutant"])
    await made(plan).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    begin(main)
