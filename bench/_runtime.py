"""The whole runtime in a folder of its own that goes at the end.

As ``holodeck up`` runs it, on Ray; or, for quick looks and tests, the same services as plain
processes.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench._plain import plain
from bench._processes import Child
from bench._report import say
from holodeck.config import load_settings
from holodeck.deck import Deck
from holodeck.up import Runtime
from holodeck.wiring import Connection


@dataclass(frozen=True, slots=True)
class Running:
    """A runtime that has been started.

    Attributes:
        pids: of each process of it: ``nats-server``, ``supervisor``, ``tiles``, ``host-0``, …
        connection: with the runtime's rights, to read back what was stored.
        as_client: with a client's.
    """

    ns: str
    pids: dict[str, int]
    connection: Connection
    as_client: Connection

    @property
    def client(self) -> dict[str, Any]:
        """How a generator connects: as any client."""
        return asdict(self.as_client)

    async def deck(self, *, deadline_s: float) -> Deck:
        return await Deck.open(self.as_client, self.ns, deadline_s=deadline_s)


def ray_argument(parser: argparse.ArgumentParser) -> None:
    """The option that every bench of the whole runtime has."""
    parser.add_argument("--ray", action=argparse.BooleanOptionalAction, default=True,
                        help="services as Ray actors, or else as plain processes")  # fmt: skip


@contextlib.asynccontextmanager
async def running(hosts: int, *, ray: bool = True, **settings: Any) -> AsyncIterator[Running]:
    """Starts nats-server, supervisor, hosts and tile emitter; stops them at the end.

    Args:
        settings: those that shall differ from the default ones.
    """
    began = asyncio.get_running_loop().time()
    async with (_on_ray if ray else _as_processes)(hosts, settings) as found:
        took = asyncio.get_running_loop().time() - began
        say(f"  runtime with {hosts} host(s) after {took:.1f} s")
        yield found


@contextlib.asynccontextmanager
async def _on_ray(hosts: int, given: dict[str, Any]) -> AsyncIterator[Running]:
    with tempfile.TemporaryDirectory(
        prefix="holodeck-bench-", ignore_cleanup_errors=True
    ) as folder:
        settings = load_settings(
            **{"state_dir": Path(folder), "hosts": hosts, "log_level": "warning"} | given
        )
        runtime = Runtime(settings)
        where = await runtime.start()
        pids = {name: placed.pid for name, placed in where.services.items()}
        if runtime.server is not None:
            pids["nats-server"] = runtime.server.pid
        try:
            yield Running(settings.namespace, pids, runtime.connection, runtime.client)
        finally:
            await runtime.stop()


@contextlib.asynccontextmanager
async def _as_processes(hosts: int, given: dict[str, Any]) -> AsyncIterator[Running]:
    async with plain(**given) as runtime, contextlib.AsyncExitStack() as stack:
        children: dict[str, Child] = {"tiles": await runtime.tiles()}
        stack.push_async_callback(children["tiles"].stop)
        for index in range(hosts):
            child = children[f"host-{index}"] = await runtime.add_host()
            stack.push_async_callback(child.stop)
        await runtime.balanced(hosts)
        pids = {name: child.pid for name, child in children.items()}
        pids |= {"supervisor": runtime.supervisor.pid, "nats-server": runtime.server.pid}
        yield Running(runtime.layout.ns, pids, runtime.connection, runtime.client)
