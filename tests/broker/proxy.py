"""A TCP proxy that cuts, holds back and delays connections, each way by itself.

One law: bytes arrive in order or not at all. After :meth:`Proxy.cut` nothing that was under way
arrives; what is merely held back or late still does, also when its sender has died meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Literal, Self

Way = Literal["up", "down"]
"""``up``: from the client to the server."""
BOTH: Final[tuple[Way, ...]] = ("up", "down")
_MOST: Final = 256
"""Pieces of up to 64 KiB that wait in one way of one connection; then the sender waits."""


@dataclass(slots=True)
class _Weather:
    """What happens to bytes that go one way.

    Attributes:
        late: seconds each piece takes.
    """

    flowing: asyncio.Event = field(default_factory=asyncio.Event)
    late: float = 0.0


class Proxy:
    """Passes bytes between clients and ``host:port``.

    Attributes:
        connections: how many were ever accepted.
    """

    def __init__(self, port: int, host: str = "127.0.0.1", *, listen: str = "127.0.0.1") -> None:
        self._target = (host, port)
        self._listen = listen
        self._server: asyncio.Server | None = None
        self._port = 0
        self._weather: dict[Way, _Weather] = {way: _Weather() for way in BOTH}
        for weather in self._weather.values():
            weather.flowing.set()
        self._open: dict[asyncio.Event, list[asyncio.StreamWriter]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.connections = 0

    @property
    def url(self) -> str:
        return f"nats://{self._listen}:{self._port}"

    async def __aenter__(self) -> Self:
        await self.mend()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.cut(refuse=True)
        if self._tasks:
            await asyncio.wait(self._tasks)

    def cut(self, *, refuse: bool = False) -> None:
        """Resets every connection; with ``refuse`` new ones too, until :meth:`admit`."""
        if refuse and self._server is not None:
            self._server.close()
            self._server = None
        for event, writers in self._open.items():
            event.set()
            for writer in writers:
                writer.transport.abort()

    async def mend(self) -> None:
        """Takes connections again, at the same port, and lets bytes flow without delay."""
        self.resume()
        self.delay(0.0)
        await self.admit()

    async def admit(self) -> None:
        """Takes connections again, at the same port."""
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, self._listen, self._port)
            self._port = self._server.sockets[0].getsockname()[1]

    def pause(self, *ways: Way) -> None:
        """Holds all bytes back (those of the named ways); connections stay open."""
        for way in ways or BOTH:
            self._weather[way].flowing.clear()

    def resume(self) -> None:
        for weather in self._weather.values():
            weather.flowing.set()

    def delay(self, seconds: float, *ways: Way) -> None:
        """From now on each byte (that goes one of the named ways) arrives so much later."""
        for way in ways or BOTH:
            self._weather[way].late = seconds

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.connections += 1
        cut = asyncio.Event()
        writers = self._open[cut] = [writer]
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
            writers.append(far_writer)
            ways = [
                asyncio.create_task(self._pass(reader, far_writer, self._weather["up"])),
                asyncio.create_task(self._pass(far_reader, writer, self._weather["down"])),
                asyncio.create_task(self._wait(cut)),
            ]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            if not cut.is_set():
                # One side has ended: the other still gets what was written to it.
                for each in writers:
                    each.close()
                return
        except OSError:
            return  # the server is down: so is this connection
        finally:
            del self._open[cut]
            for each in writers:
                if not each.is_closing():
                    each.transport.abort()

    async def _wait(self, cut: asyncio.Event) -> None:
        await cut.wait()

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, weather: _Weather
    ) -> None:
        """Ends when the sender has ended and everything it sent has been passed on."""
        loop = asyncio.get_running_loop()
        waiting: deque[tuple[float, bytes]] = deque()
        stirred, room = asyncio.Event(), asyncio.Event()

        async def take() -> None:
            with contextlib.suppress(OSError):
                while data := await reader.read(65536):
                    waiting.append((loop.time() + weather.late, data))
                    stirred.set()
                    if len(waiting) >= _MOST:
                        room.clear()
                        await room.wait()
            waiting.append((loop.time() + weather.late, b""))
            stirred.set()

        taking = asyncio.create_task(take())
        try:
            with contextlib.suppress(OSError):
                while True:
                    while not waiting:
                        stirred.clear()
                        await stirred.wait()
                    due, data = waiting[0]
                    await asyncio.sleep(max(0.0, due - loop.time()))
                    await weather.flowing.wait()
                    waiting.popleft()
                    room.set()
                    if not data:
                        return
                    writer.write(data)
                    await writer.drain()
        finally:
            taking.cancel()
            await asyncio.gather(taking, return_exceptions=True)
