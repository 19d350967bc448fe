"""A TCP proxy on loopback that can cut and pause connections.

One law: after :meth:`Proxy.cut` nothing that was under way arrives; new connections are taken.
"""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType
from typing import Self


class Proxy:
    """Passes bytes between clients and ``host:port``.

    Attributes:
        connections: how many were ever accepted.
    """

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self._target = (host, port)
        self._server: asyncio.Server | None = None
        self._port = 0
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._open: dict[asyncio.Event, list[asyncio.StreamWriter]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.connections = 0

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self._port}"

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
        """Resets every connection; with ``refuse`` new ones too, until :meth:`mend`."""
        if refuse and self._server is not None:
            self._server.close()
            self._server = None
        for event, writers in self._open.items():
            event.set()
            for writer in writers:
                writer.transport.abort()

    async def mend(self) -> None:
        """Takes connections again, at the same port, and lets bytes flow."""
        self._flowing.set()
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._port)
            self._port = self._server.sockets[0].getsockname()[1]

    def pause(self) -> None:
        """Holds all bytes back; connections stay open."""
        self._flowing.clear()

    def resume(self) -> None:
        self._flowing.set()

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
                asyncio.create_task(self._pass(reader, far_writer)),
                asyncio.create_task(self._pass(far_reader, writer)),
                asyncio.create_task(self._wait(cut)),
            ]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
        except OSError:
            return  # the server is down: so is this connection
        finally:
            del self._open[cut]
            for each in writers:
                each.transport.abort()

    async def _wait(self, cut: asyncio.Event) -> None:
        await cut.wait()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                await self._flowing.wait()
                writer.write(data)
                await writer.drain()
