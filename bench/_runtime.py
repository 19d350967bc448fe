"""The whole runtime, as ``holodeck up`` runs it, in a folder of its own that goes at the end."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import AsyncIterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench._report import say
from holodeck.config import load_settings
from holodeck.up import Runtime, Where
from holodeck.wiring import Connection


class Running:
    """A runtime that has been started.

    Attributes:
        pids: of each process of it: ``nats-server``, ``supervisor``, ``tiles``, ``host-0``, …
    """

    def __init__(self, runtime: Runtime, where: Where) -> None:
        self.runtime = runtime
        self.where = where
        self.ns = runtime.settings.namespace
        self.pids = {name: placed.pid for name, placed in where.services.items()}
        if runtime.server is not None:
            self.pids["nats-server"] = runtime.server.pid

    @property
    def client(self) -> dict[str, Any]:
        """How a generator connects: as any client."""
        return asdict(self.runtime.client)

    @property
    def connection(self) -> Connection:
        """With the runtime's rights, to read back what was stored."""
        return self.runtime.connection


@contextlib.asynccontextmanager
async def running(hosts: int, **settings: Any) -> AsyncIterator[Running]:
    """Starts nats-server, Ray, supervisor, hosts and tile emitter; stops them at the end."""
    with tempfile.TemporaryDirectory(
        prefix="holodeck-bench-", ignore_cleanup_errors=True
    ) as folder:
        runtime = Runtime(
            load_settings(state_dir=Path(folder), hosts=hosts, log_level="warning", **settings)
        )
        where = await runtime.start()
        say(f"  runtime with {hosts} host(s) after {where.ready_s:.1f} s")
        try:
            yield Running(runtime, where)
        finally:
            await runtime.stop()
