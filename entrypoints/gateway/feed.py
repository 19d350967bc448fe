"""Tiles as they come, for many listeners at once over one reader.

One law: a listener hears everything it asked for in order and once, or is told that it did not
keep up; nobody waits for anybody else.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import structlog

from holodeck.broker.port import Broker, Follower, Record
from holodeck.broker.streams import Layout
from holodeck.messages.errors import TransientError
from holodeck.messages.ids import new_id
from holodeck.messages.subjects import ANY, TILE, all_tiles

log = structlog.get_logger("holodeck.gateway")

WINDOW: Final = 512
"""Tiles that may wait for one listener."""
_RUN: Final = 100
"""Tiles handed over at once."""


class TooSlow(Exception):
    """The listener did not keep up; ``last`` is the sequence of the last tile it was given."""

    def __init__(self, last: int) -> None:
        super().__init__(last)
        self.last = last


@dataclass(slots=True, eq=False)
class Listener:
    """One who listens.

    Attributes:
        session, family, event: what it wants to hear of; empty: all.
        position: sequence of the last tile it was given.
        behind: tiles went by while it read older ones, so that it has to read those too.
    """

    session: str = ""
    family: str = ""
    event: str = ""
    position: int = 0
    catching_up: bool = True
    behind: bool = False
    slow: bool = False
    waiting: asyncio.Queue[Record | None] = field(default_factory=lambda: asyncio.Queue(WINDOW + 1))

    def takes(self, family: str, event: str) -> bool:
        return self.family in ("", family) and self.event in ("", event)

    def offer(self, record: Record) -> None:
        if self.slow:
            return
        if self.waiting.qsize() < WINDOW:
            self.waiting.put_nowait(record)
        elif self.catching_up:
            while not self.waiting.empty():
                self.waiting.get_nowait()
            self.behind = True
        else:
            self.slow = True
            self.waiting.put_nowait(None)


class Feed:
    """The tiles of a namespace, followed while somebody listens.

    Args:
        connect: gives a connection that may create consumers.
    """

    def __init__(self, connect: Callable[[], Awaitable[Broker]], layout: Layout) -> None:
        self._connect, self._layout = connect, layout
        self._changing = asyncio.Lock()
        self._follower: Follower | None = None
        self._seen = 0
        self._all: set[Listener] = set()
        self._by_session: dict[str, set[Listener]] = {}

    @property
    def listeners(self) -> int:
        return len(self._all) + sum(map(len, self._by_session.values()))

    @asynccontextmanager
    async def listen(
        self,
        *,
        session: str = "",
        family: str = "",
        event: str = "",
        after: int | None = None,
        beat_s: float = 15.0,
    ) -> AsyncIterator[AsyncIterator[list[Record]]]:
        """Hears tiles.

        Args:
            after: from behind this sequence on; None: from now on.
            beat_s: seconds after which an empty list says that there was nothing.

        Yields:
            the tiles, without end, as many at once as there are; raises :class:`TooSlow`.

        Raises:
            TransientError: the broker does not answer.
        """
        listener = Listener(session, family, event)
        group = self._by_session.setdefault(session, set()) if session else self._all
        group.add(listener)
        try:
            await self._follow()
            listener.position = self._seen if after is None else min(after, self._seen)
            async with aclosing(self._tiles(listener, beat_s)) as tiles:
                yield tiles
        finally:
            group.discard(listener)
            if session and not group and self._by_session.get(session) is group:
                del self._by_session[session]
            await self._rest()

    async def _tiles(self, listener: Listener, beat_s: float) -> AsyncGenerator[list[Record]]:
        stream = (await self._connect()).log(self._layout.tiles)
        subjects = TILE.of(
            self._layout.ns, listener.family or ANY, listener.event or ANY, listener.session or ANY
        )
        found: list[Record] = []
        while True:
            listener.behind = False
            upto = self._seen
            if upto > listener.position:
                async for record in stream.read(subjects, after=listener.position, upto=upto):
                    listener.position = record.sequence
                    found.append(record)
                    if len(found) >= _RUN:
                        yield found
                        found = []
                listener.position = max(listener.position, upto)
            if found:
                yield found
                found = []
            if not listener.behind:
                break
        listener.catching_up = False
        waiting = listener.waiting
        while True:
            try:
                first = await asyncio.wait_for(waiting.get(), beat_s)
            except TimeoutError:
                yield []
                continue
            # One behind the other without waiting: a burst is one write to the listener.
            records = [first]
            while len(records) < _RUN and not waiting.empty():
                records.append(waiting.get_nowait())
            fresh = [one for one in records if one is not None and one.sequence > listener.position]
            if fresh:
                listener.position = fresh[-1].sequence
                yield fresh
            if None in records:
                raise TooSlow(listener.position)

    def _heard(self, record: Record) -> None:
        self._seen = record.sequence
        tokens = record.subject.split(".")
        if len(tokens) != 5:
            return
        family, event, session = tokens[2:]
        for listener in self._all:
            if listener.takes(family, event):
                listener.offer(record)
        for listener in self._by_session.get(session, ()):
            if listener.takes(family, event):
                listener.offer(record)

    async def _follow(self) -> None:
        async with self._changing:
            if self._follower is not None:
                return
            stream = (await self._connect()).log(self._layout.tiles)
            self._seen = await stream.end()
            self._follower = await stream.follow(
                all_tiles(self._layout.ns), self._heard, after=self._seen, name=new_id("feed")
            )

    async def _rest(self) -> None:
        """Follows no more when nobody listens."""
        async with self._changing:
            if not self.listeners:
                await self._stop()

    async def close(self) -> None:
        """Follows no more; whoever listens hears nothing further."""
        async with self._changing:
            await self._stop()

    async def _stop(self) -> None:
        follower, self._follower = self._follower, None
        if follower is not None:
            try:
                await follower.stop()
            except TransientError as error:  # a broker that is gone has no consumer
                log.info("feed not stopped", error=str(error))
