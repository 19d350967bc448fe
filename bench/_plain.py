"""The runtime without Ray: server and supervisor here, each host a process that can be weighed."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Any

from bench._processes import Child
from holodeck.actors.supervisor import Supervisor
from holodeck.broker import EmbeddedServer
from holodeck.broker.streams import Layout
from holodeck.config import load_settings
from holodeck.deck import Deck
from holodeck.wiring import Connection, layout_of, supervisor_options


class Plain:
    """A server with its supervisor.

    Attributes:
        connection: with the runtime's rights; client: with a client's.
    """

    def __init__(
        self, server: EmbeddedServer, connection: Connection, layout: Layout, deck: Deck
    ) -> None:
        self.server = server
        self.connection = connection
        self.client = Connection(
            server.url,
            user=server.client.user,
            password=server.client.password,
            inbox_prefix=server.client_inbox_prefix,
            reads="direct",
        )
        self.layout = layout
        self.deck = deck
        self._hosts = 0

    async def host(self, **settings: Any) -> Child:
        """The only host; returns when it owns every partition."""
        child = await self.add_host(**settings)
        await self.until(
            lambda host: len(host["partitions"]) == self.deck.partitions, child.pid, 120.0
        )
        return child

    async def add_host(self, **settings: Any) -> Child:
        """One more host; returns when it has a lease."""
        self._hosts += 1
        child = await Child.start(
            "bench._service",
            "host",
            order={
                "connection": asdict(self.connection),
                "settings": settings,
                "name": f"host-{self._hosts}",
            },
        )
        await child.said("ready")
        return child

    async def tiles(self) -> Child:
        """The tile emitter."""
        child = await Child.start(
            "bench._service", "tiles", order={"connection": asdict(self.connection), "settings": {}}
        )
        await child.said("ready")
        return child

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
async def plain() -> AsyncIterator[Plain]:
    """Starts nats-server and supervisor with an empty store; stops them at the end."""
    settings = load_settings()
    layout = layout_of(settings)
    with tempfile.TemporaryDirectory(
        prefix="holodeck-bench-", ignore_cleanup_errors=True
    ) as folder:
        async with EmbeddedServer(
            folder,
            ns=settings.namespace,
            partitions=settings.partitions,
            max_file_store=settings.max_bytes * 2,
        ) as server:
            connection = Connection(
                server.url, user=server.runtime.user, password=server.runtime.password
            )
            supervisor = Supervisor(connection, layout, supervisor_options(settings))
            await supervisor.start()
            deck = await Deck.open(connection, settings.namespace)
            try:
                yield Plain(server, connection, layout, deck)
            finally:
                await deck.close()
                await supervisor.stop()
