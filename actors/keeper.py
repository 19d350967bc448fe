"""Runs service actors for ever: a host whose lease was revoked begins again as a new incarnation.

One law: whatever fails here is logged and tried again; only :meth:`stop` ends it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import structlog

from holodeck.actors.host import Host
from holodeck.actors.metrics import Metrics
from holodeck.actors.tiles import Sink, SinkRunner, StoredTile, TileEmitter
from holodeck.actors.tiles.sinks import Erased, Taken
from holodeck.broker.port import Broker, Delivery
from holodeck.broker.streams import Layout
from holodeck.messages.codec import pack, unpack
from holodeck.messages.errors import DecodeError, HolodeckError
from holodeck.messages.subjects import ANY, CTL_HOST

log = structlog.get_logger("holodeck.keeper")

TILES_HOST: Final = "tiles"
"""The name the tile service is asked under, in place of a host's incarnation."""
FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 2.0


class HostKeeper:
    """One host slot: incarnation after incarnation.

    Args:
        make: makes a fresh, unstarted incarnation that calls its argument when it is lost.
    """

    def __init__(self, make: Callable[[Callable[[], None]], Host]) -> None:
        self._make = make
        self._stopping = False
        self._lost = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.host: Host | None = None
        self.incarnations = 0

    async def start(self) -> None:
        """Returns when the first incarnation has started.

        Raises:
            StartupError: it cannot be started at all.
        """
        self._lost.clear()
        self.host = self._make(self._lost.set)
        await self.host.start()
        self.incarnations = 1
        self._task = asyncio.create_task(self._keep())

    async def _keep(self) -> None:
        pause = FIRST_PAUSE_S
        while True:
            await self._lost.wait()
            self._lost.clear()
            while not self._stopping:
                host = self._make(self._lost.set)
                try:
                    await host.start()
                except (HolodeckError, OSError, TimeoutError) as error:
                    log.warning("host.restart-failed", reason=str(error))
                    await host.kill()
                    await asyncio.sleep(pause)
                    pause = min(LONGEST_PAUSE_S, pause * 2)
                    continue
                self.host = host
                self.incarnations += 1
                pause = FIRST_PAUSE_S
                break

    async def stop(self) -> None:
        """Stops in good order."""
        self._stopping = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self.host is not None:
            await self.host.stop()


class TilesService:
    """The tile emitter with its sinks, on a connection of their own."""

    def __init__(
        self,
        connect: Callable[[], Awaitable[Broker]],
        layout: Layout,
        *,
        sinks: Sequence[tuple[str, Callable[[], Sink]]] = (),
        max_age_s: float = 0.0,
        metrics: Metrics | None = None,
    ) -> None:
        self._connect = connect
        self._layout = layout
        self._sinks = sinks
        self._max_age_s = max_age_s
        self.metrics = metrics or Metrics()
        self._names = [name for name, _ in sinks]
        self._runners: list[SinkRunner] = []
        self._offers: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Begins to emit; the streams must have been declared.

        Raises:
            StartupError: the broker cannot be reached.
        """
        self.broker = await self._connect()
        await self.broker.subscribe(CTL_HOST.of(self._layout.ns, TILES_HOST, ANY), self._on_ctl)
        self.emitter = TileEmitter(
            self.broker, self._layout, self.metrics, max_age_s=self._max_age_s
        )
        await self.emitter.start()
        for name, make in self._sinks:
            runner = SinkRunner(
                self.broker, self._layout, self.metrics, name, make(), self.emitter.recent
            )
            await runner.start()
            self._runners.append(runner)

    def _on_ctl(self, delivery: Delivery) -> None:
        match delivery.subject.rpartition(".")[2]:
            case "metrics":
                data = self.metrics.dump()
            case "status":
                data = pack(self.status())
            case "again":
                task = asyncio.create_task(self._again(delivery), name="tile-again")
                self._offers.add(task)
                task.add_done_callback(self._offers.discard)
                return
            case "erase":
                task = asyncio.create_task(self._erase(delivery), name="tile-erase")
                self._offers.add(task)
                task.add_done_callback(self._offers.discard)
                return
            case _:
                data = pack(None)
        if delivery.reply:
            self.broker.post(delivery.reply, data)

    async def _again(self, delivery: Delivery) -> None:
        """Offers a sink a tile that it refused: ``[sink, sequence in TILES, its JSON]``."""
        runners = dict(zip(self._names, self._runners, strict=True))
        try:
            name, sequence, data = unpack(delivery.data, delivery.subject)
            runner = runners.get(name)
            if runner is None:
                told: Taken = ("refused", f"there is no sink {name!r} any more")
            else:
                told = await runner.again(StoredTile(int(sequence), delivery.subject, data))
        except (DecodeError, ValueError, TypeError) as error:
            told = ("refused", str(error)[:500])
        if delivery.reply:
            self.broker.post(delivery.reply, pack(list(told)))

    async def _erase(self, delivery: Delivery) -> None:
        """Has the tiles in memory and every sink forget what was erased; answers what became of
        it there, by sink."""
        try:
            order = unpack(delivery.data, delivery.subject)
            erased = Erased(frozenset(order["sessions"]), str(order["learner"]))
            after = int(order["after"])
        except (DecodeError, KeyError, ValueError, TypeError) as error:
            log.error("erase.unreadable", reason=str(error))
            return
        self.emitter.recent.forget()
        states = await asyncio.gather(*(runner.erase(erased, after) for runner in self._runners))
        if delivery.reply:
            told = dict(zip(self._names, states, strict=True))
            self.broker.post(delivery.reply, pack(told))

    def status(self) -> dict[str, Any]:
        """Where the emitter and each sink are."""
        return {
            "position": self.emitter.position,
            "lag": self.emitter.lag,
            "standing_by": self.emitter.standing_by,
            "running": self.emitter.running,
            "sinks": {name: r.position for name, r in zip(self._names, self._runners, strict=True)},
        }

    async def stop(self) -> None:
        for task in list(self._offers):
            task.cancel()
        await self.emitter.stop()
        for runner in self._runners:
            await runner.stop()
        await self.broker.close()
