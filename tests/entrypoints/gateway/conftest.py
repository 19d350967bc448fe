"""Rooms on a broker in memory and on a real server, and a client that speaks to their door."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from holodeck.broker import (
    Broker,
    EmbeddedServer,
    MemoryBroker,
    MemoryServer,
    connect,
    find_server,
)
from holodeck.entrypoints.gateway import Rooms, plato_app
from holodeck.messages.errors import StartupError
from tests.conftest import missing
from tests.entrypoints.gateway.support import LAYOUT


@pytest.fixture
def store() -> MemoryServer:
    return MemoryServer()


@pytest.fixture
async def broker(store: MemoryServer) -> AsyncIterator[MemoryBroker]:
    """A connection to the store in memory, which has all streams."""
    opened = MemoryBroker(store)
    assert await opened.declare(LAYOUT.streams, LAYOUT.buckets) == []
    yield opened
    await opened.close()


@pytest.fixture
async def rooms(store: MemoryServer, broker: MemoryBroker) -> AsyncIterator[Rooms]:
    async def opened() -> Broker:
        return MemoryBroker(store)

    made = Rooms(opened, LAYOUT)
    yield made
    await made.close()


@pytest.fixture
async def http(rooms: Rooms) -> AsyncIterator[httpx.AsyncClient]:
    """Speaks to the rooms; under a name of its own, since that of httpx asks for a list."""
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=plato_app(rooms)),
        base_url="http://rooms",
        headers={"user-agent": "tests"},
    ) as client:
        yield client


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[EmbeddedServer]:
    """A real nats-server with all streams."""
    try:
        find_server()
    except StartupError as error:
        missing(f"nats-server ({error})")
    async with EmbeddedServer(tmp_path / "nats") as running:
        opened = await connect(running.url, credentials=running.runtime)
        assert await opened.declare(LAYOUT.streams, LAYOUT.buckets) == []
        await opened.close()
        yield running
