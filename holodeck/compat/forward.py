"""The tiles of this process's sessions, to a PLATO server that was configured by address.

One law: in order within a session, each at least once while this process lives, and nobody waits
for it but who asks :meth:`Forwarder.flush`. The tiles themselves stand in the runtime in any case.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

import structlog

from holodeck.actors.metrics import Metrics
from holodeck.actors.tiles.dead import Graveyard
from holodeck.actors.tiles.plato import PlatoSink
from holodeck.actors.tiles.recent import StoredTile
from holodeck.actors.tiles.sinks import Desk, SinkDown
from holodeck.actors.tiles.tile import tile_fronts
from holodeck.broker.port import Record
from holodeck.compat.background import logged, steadily
from holodeck.deck import Deck
from holodeck.messages.ids import new_id
from holodeck.messages.subjects import ANY, TILE

BATCH: Final = 256
FLUSH_S: Final = 5.0
"""Seconds the end of the process waits for what has not been sent."""
_LONGEST_WAIT_S: Final = 5.0

log = structlog.get_logger("holodeck.compat")


class _Refusals(Graveyard):
    """A client may bury nothing in the runtime's DEAD stream: refusals are logged."""

    async def bury(self, record: Record, reason: str, detail: str) -> None:
        log.warning(
            "the PLATO server refused a tile", reason=reason, words=detail, subject=record.subject
        )

    async def discard_ahead(self, end: int) -> int:
        return 0


class Forwarder:
    """Carries tiles to one server; its methods belong on the loop of the runtime's thread."""

    def __init__(self, deck: Deck, url: str) -> None:
        self._deck = deck
        self.url = url
        self._sink = PlatoSink(url)
        metrics = Metrics()
        self._sink.attach(
            Desk("compat", metrics, _Refusals(deck.broker, deck.layout, metrics, "TILES"))
        )
        self._sessions: set[str] = set()
        self._following: dict[str, tuple[asyncio.Task[None], Callable[[], bool]]] = {}
        self._waiting: asyncio.Queue[StoredTile] = asyncio.Queue()
        self._came = 0
        self._sent = 0
        self._moved = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def add(self, session: str, ended: Callable[[], bool]) -> None:
        """From its first on, all tiles of a session go there; again: nothing happens.

        Args:
            ended: whether the session has ended, so that a last tile is to be awaited.
        """
        if session in self._sessions:
            return
        self._sessions.add(session)
        if self._task is None:
            self._task = asyncio.create_task(logged(self._run()), name=f"tiles to {self.url}")
        task = asyncio.create_task(logged(self._follow(session)), name=f"tiles of {session}")
        self._following[session] = (task, ended)

    async def flush(self, seconds: float) -> bool:
        """Waits until all that has come, and all of those sessions that have ended, is answered
        for by the server; False if that took too long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._sent < self._came or any(
                    ended() for _, ended in self._following.values()
                ):
                    self._moved.clear()
                    await self._moved.wait()
                return True
        return False

    async def close(self) -> None:
        """Sends what is left, at most for a few seconds, and leaves."""
        if not await self.flush(FLUSH_S):
            log.warning("tiles were not sent", url=self.url, count=self._came - self._sent)
        tasks = [task for task, _ in self._following.values()]
        tasks += [self._task] if self._task is not None else []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._sink.close()

    async def _follow(self, session: str) -> None:
        ns = self._deck.ns
        last = tile_fronts(ns)["session.ended"] + session
        over = asyncio.Event()

        def take(record: Record) -> None:
            self._came += 1
            # Numbered as they come here: order matters within a session, and is kept by that.
            self._waiting.put_nowait(StoredTile(self._came, record.subject, record.data))
            if record.subject == last:
                over.set()

        stream = self._deck.broker.log(self._deck.layout.tiles)
        all_of_it = TILE.of(ns, ANY, ANY, session)
        follower = await steadily(
            lambda: stream.follow(all_of_it, take, after=0, name=new_id("forward"))
        )
        try:
            await over.wait()
        finally:
            await follower.stop()
        del self._following[session]
        self._moved.set()

    async def _run(self) -> None:
        await self._sink.open(1 << 62)
        while True:
            batch = [await self._waiting.get()]
            while len(batch) < BATCH and not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            wait = 0.2
            while True:
                try:
                    await self._sink.write(batch)
                except SinkDown as error:
                    log.warning("the PLATO server is away", url=self.url, problem=str(error))
                    await asyncio.sleep(wait)
                    wait = min(wait * 2, _LONGEST_WAIT_S)
                else:
                    break
            self._sent = batch[-1].sequence
            self._moved.set()


class Forwarders:
    """The forwarders of one runtime, by address."""

    def __init__(self, deck: Deck) -> None:
        self._deck = deck
        self._by_url: dict[str, Forwarder] = {}

    async def add(self, url: str, session: str, ended: Callable[[], bool]) -> None:
        """Sends a session's tiles to the server at ``url`` too."""
        found = self._by_url.get(url)
        if found is None:
            found = self._by_url[url] = Forwarder(self._deck, url)
        found.add(session, ended)

    async def flush(self, url: str, seconds: float) -> bool:
        """As :meth:`Forwarder.flush`; True where nothing goes to ``url``."""
        found = self._by_url.get(url)
        return found is None or await found.flush(seconds)

    async def close(self) -> None:
        await asyncio.gather(*(one.close() for one in self._by_url.values()))
