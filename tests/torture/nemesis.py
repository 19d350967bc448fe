"""Does to a world what the schedule says, and writes down what it did.

One law: a fault's ``begin`` is written before anything happens and its ``end`` when the world has
all it needs to heal; a fault that cannot be ended ends the run.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from holodeck.broker.port import Broker
from tests.broker.proxy import BOTH, Way
from tests.torture.record import Lines, now
from tests.torture.schedule import Fault
from tests.torture.world import World

SPARE_BYTES: Final = 2000
"""What a filled store still takes: a few checkpoints."""


class Nemesis:
    """Works a schedule off.

    Attributes:
        active: what is going on right now, for the progress line; done: how many have ended.
    """

    def __init__(self, world: World, lines: Lines) -> None:
        self._world = world
        self._lines = lines
        self.active: list[Fault] = []
        self.done = 0
        self._do: dict[str, Callable[[Fault], Awaitable[None]]] = {
            "kill-host": self._kill_process,
            "kill-supervisor": self._kill_process,
            "kill-tiles": self._kill_process,
            "freeze-host": self._freeze,
            "kill-server": self._kill_server,
            "fill-store": self._fill_store,
            "power-loss": self._power_loss,
            "cut": self._cut,
            "delay": self._delay,
            "partition": self._partition,
            "skew-clock": self._skew_clock,
        }

    async def run(self, faults: Sequence[Fault], begin: int) -> None:
        """Returns when the last one has ended.

        Args:
            begin: when the run began, ns on the clock of the history.
        """
        async with asyncio.TaskGroup() as group:
            for fault in faults:
                group.create_task(self._one(fault, begin))

    async def _one(self, fault: Fault, begin: int) -> None:
        await asyncio.sleep(max(0.0, fault.at - (now() - begin) / 1e9))
        self.active.append(fault)
        await self._do[fault.fault](fault)
        self.active.remove(fault)
        self.done += 1

    @asynccontextmanager
    async def _noted(self, fault: Fault, **more: Any) -> AsyncIterator[dict[str, Any]]:
        """Writes begin and end; what is put into the yielded dict stands in the end's detail."""
        self._note("begin", fault, more)
        found: dict[str, Any] = {}
        yield found
        self._note("end", fault, {**more, **found})

    def _note(self, what: str, fault: Fault, more: dict[str, Any]) -> None:
        self._lines.write(
            {
                "t": now(),
                "type": what,
                "fault": fault.fault,
                "target": fault.target,
                "detail": {**fault.detail, **more},
            }
        )

    # -- processes ----------------------------------------

    async def _kill_process(self, fault: Fault) -> None:
        slot = self._world.slots[fault.target]
        async with self._noted(fault):
            slot.held += 1
            await asyncio.to_thread(slot.kill)
            await asyncio.sleep(fault.seconds)
            slot.held -= 1
            if not slot.held and not slot.alive:
                slot.start()

    async def _freeze(self, fault: Fault) -> None:
        slot = self._world.slots[fault.target]
        async with self._noted(fault):
            slot.signal(signal.SIGSTOP)
            await asyncio.sleep(fault.seconds)
            slot.signal(signal.SIGCONT)

    # -- the server ----------------------------------------

    async def _kill_server(self, fault: Fault) -> None:
        async with self._noted(fault):
            await self._world.server.kill()
            await asyncio.sleep(fault.seconds)
            await self._world.server_back()

    async def _fill_store(self, fault: Fault) -> None:
        """The journal's limit comes down to what it holds, and goes up again."""
        world = self._world
        name = world.layout.checkpoints.name
        size, limit = await world.broker.log(world.layout.checkpoints).size()
        async with self._noted(fault, bytes=size + SPARE_BYTES):
            await _resize(world.broker, name, size + SPARE_BYTES)
            await asyncio.sleep(fault.seconds)
            await _resize(world.broker, name, limit)

    async def _power_loss(self, fault: Fault) -> None:
        """A copy of the store is taken while the server stands still; later the server is killed
        and what was copied takes the place of what has been written since."""
        world = self._world
        streams = _store(world.server.folder, world.layout.checkpoints.name)
        if fault.detail["what"] == "everything":
            streams = streams.parent
        copy = world.folder / "as-it-was"
        world.server.send_signal(signal.SIGSTOP)
        taken = now()
        await asyncio.to_thread(shutil.copytree, streams, copy)
        world.server.send_signal(signal.SIGCONT)
        await asyncio.sleep(fault.seconds)
        async with self._noted(fault, t_copy=taken) as found:
            await world.server.kill()
            await asyncio.to_thread(shutil.rmtree, streams)
            await asyncio.to_thread(shutil.move, copy, streams)
            found["end"] = await world.server_back()

    # -- the network ----------------------------------------

    async def _cut(self, fault: Fault) -> None:
        world, target = self._world, fault.target
        async with self._noted(fault):
            if not fault.seconds:
                world.proxies[target].cut()
                return
            world.bar(target)
            await asyncio.sleep(fault.seconds)
            await world.admit(target)

    async def _delay(self, fault: Fault) -> None:
        proxy = self._world.proxies[fault.target]
        async with self._noted(fault):
            proxy.delay(fault.detail["late_s"], *_ways(fault))
            await asyncio.sleep(fault.seconds)
            proxy.delay(0.0)

    async def _partition(self, fault: Fault) -> None:
        world, target = self._world, fault.target
        async with self._noted(fault):
            if fault.detail["how"] == "link":
                wall = world.walls[target]
                await asyncio.to_thread(wall.pull)
                await asyncio.sleep(fault.seconds)
                await asyncio.to_thread(wall.plug)
                return
            world.proxies[target].pause(*_ways(fault))
            await asyncio.sleep(fault.seconds)
            world.proxies[target].resume()

    # -- clocks ----------------------------------------

    async def _skew_clock(self, fault: Fault) -> None:
        world = self._world
        async with self._noted(fault):
            for number, offset in enumerate(fault.detail["offsets_s"]):
                world.skew(f"host-{number}", offset)
            await asyncio.sleep(fault.seconds)
            for number in range(len(fault.detail["offsets_s"])):
                world.skew(f"host-{number}", 0.0)


def _ways(fault: Fault) -> tuple[Way, ...]:
    ways: dict[str, tuple[Way, ...]] = {"both": BOTH, "up": ("up",), "down": ("down",)}
    return ways[fault.detail["ways"]]


def _store(server: Path, stream: str) -> Path:
    """The folder in which the server keeps a stream."""
    (found,) = (server / "jetstream").glob(f"**/streams/{stream}")
    return found


async def _resize(broker: Broker, name: str, size: int) -> None:
    api = broker._api  # type: ignore[attr-defined]
    info = await api(f"STREAM.INFO.{name}")
    await api(f"STREAM.UPDATE.{name}", {**info["config"], "max_bytes": size})
