"""The runtime without Ray: each service a process that can be weighed, killed and replaced."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict
from typing import Any

from bench._processes import Child
from holodeck.broker import EmbeddedServer
from holodeck.broker.streams import Layout
from holodeck.config import load_settings
from holodeck.deck import Deck
from holodeck.wiring import Connection, layout_of


class Plain:
    """A server with its supervisor.

    Attributes:
        connection: with the runtime's rights; client: with a client's.
        settings: what every service is given.
    """

    def __init__(
        self, folder: str, server: EmbeddedServer, layout: Layout, settings: Mapping[str, Any]
    ) -> None:
        self.server = server
        self.connection = Connection(
            server.url, user=server.runtime.user, password=server.runtime.password
        )
        self.client = Connection(
            server.url,
            user=server.client.user,
            password=server.client.password,
            inbox_prefix=server.client_inbox_prefix,
            reads="direct",
        )
        self.layout = layout
        self.settings = dict(settings)
        self.deck: Deck
        self.supervisor: Child
        self._folder = folder
        self._hosts = 0

    async def supervise(self) -> None:
        """Starts the supervisor, which declares the streams; then the deck can be opened."""
        self.supervisor = await self._service("supervisor")
        self.deck = await Deck.open(self.connection, self.layout.ns)

    async def close(self) -> None:
        """Ends the supervisor; hosts and emitter are ended by whoever started them."""
        await self.deck.close()
        await self.supervisor.stop()

    async def _service(self, kind: str, **order: Any) -> Child:
        """One service process; returns when it runs."""
        order = {"connection": asdict(self.connection), "settings": self.settings} | order
        child = await Child.start("bench._service", kind, order=order, apart=True)
        await child.said("ready")
        return child

    async def host(self, **settings: Any) -> Child:
        """The only host; returns when it owns every partition."""
        child = await self.add_host(**settings)
        await self.until(
            lambda host: len(host["partitions"]) == self.deck.partitions, child.pid, 120.0
        )
        return child

    async def add_host(self, **settings: Any) -> Child:
        """One more host; returns when it has a lease."""
        name = f"host-{self._hosts}"
        self._hosts += 1
        return await self._service("host", settings=self.settings | settings, name=name)

    async def tiles(self) -> Child:
        """The tile emitter, with the JSONL sink that ``holodeck up`` gives it."""
        return await self._service("tiles", folder=self._folder)

    async def balanced(self, hosts: int, seconds: float = 30.0) -> None:
        """Waits until so many hosts share all partitions.

        Raises:
            TimeoutError: they did not in ``seconds``.
        """
        async with asyncio.timeout(seconds):
            while True:
                owned = [
                    len(host.get("partitions", ())) for host in (await self.deck.status())["hosts"]
                ]
                if sum(owned) == self.deck.partitions and len(list(filter(None, owned))) == hosts:
                    return
                await asyncio.sleep(0.05)

    async def folded(self, pid: int, seconds: float) -> None:
        """Waits until the host with process ``pid`` and the tile emitter have no backlog.

        Raises:
            TimeoutError: they had in ``seconds`` still.
        """
        async with asyncio.timeout(seconds):
            while True:
                status = await self.deck.status()
                host: dict[str, Any] = next((h for h in status["hosts"] if h["pid"] == pid), {})
                tiles = status["tiles"] or {}
                if host.get("lag") == 0 and tiles.get("lag") == 0:
                    return
                await asyncio.sleep(0.05)

    async def until(self, holds: Any, pid: int, seconds: float) -> dict[str, Any]:
        """Waits until ``holds`` of the host's status.

        Raises:
            TimeoutError: it did not in ``seconds``.
        """
        give_up = time.monotonic() + seconds
        while True:
            for host in (await self.deck.status())["hosts"]:
                if host["pid"] == pid and "partitions" in host and holds(host):
                    found: dict[str, Any] = host
                    return found
            if time.monotonic() > give_up:
                raise TimeoutError(f"host {pid}: not within {seconds:g} s")
            await asyncio.sleep(0.1)


@contextlib.asynccontextmanager
async def plain(**overrides: Any) -> AsyncIterator[Plain]:
    """Starts nats-server and supervisor with an empty store; stops them at the end.

    Args:
        overrides: settings other than the default ones, for every service.
    """
    settings = load_settings(**overrides)
    with tempfile.TemporaryDirectory(
        prefix="holodeck-bench-", ignore_cleanup_errors=True
    ) as folder:
        async with EmbeddedServer(
            folder,
            ns=settings.namespace,
            partitions=settings.partitions,
            max_file_store=settings.max_bytes * 2,
        ) as server:
            runtime = Plain(folder, server, layout_of(settings), overrides)
            await runtime.supervise()
            try:
                yield runtime
            finally:
                await runtime.close()
