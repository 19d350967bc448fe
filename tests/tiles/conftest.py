"""A real nats-server with the streams of the tests, and processes that can be killed."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from holodeck.broker import EmbeddedServer, MemoryBroker, NatsBroker, connect, find_server
from holodeck.messages.errors import StartupError
from tests.conftest import ROOT, missing
from tests.tiles.support import LAYOUT

Launch = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[EmbeddedServer]:
    try:
        find_server()
    except StartupError as error:
        missing(f"nats-server ({error})")
    async with EmbeddedServer(tmp_path / "nats") as running:
        yield running


@pytest.fixture
async def broker(server: EmbeddedServer) -> AsyncIterator[NatsBroker]:
    """A connection to a server that has all streams."""
    opened = await connect(server.url, credentials=server.runtime)
    assert await opened.declare(LAYOUT.streams, LAYOUT.buckets) == []
    yield opened
    await opened.close(discard=True)


@pytest.fixture
async def memory() -> AsyncIterator[MemoryBroker]:
    opened = MemoryBroker()
    assert await opened.declare(LAYOUT.streams, LAYOUT.buckets) == []
    yield opened
    await opened.close()


@pytest.fixture
def launch(server: EmbeddedServer) -> Iterator[Launch]:
    """Starts ``tests.tiles.process``; whatever still runs at the end is killed."""
    started: list[subprocess.Popen[bytes]] = []

    def start(role: str, file: Path | str = "-") -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [
                sys.executable, "-m", "tests.tiles.process",
                role, server.url, server.runtime.user, str(file),
            ],
            cwd=ROOT,
            env={**os.environ, "PASSWORD": server.runtime.password, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        started.append(process)
        return process

    yield start
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.wait()
