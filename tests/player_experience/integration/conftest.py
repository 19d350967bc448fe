"""A real nats-server with an empty journal, and a scribe who writes into it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from holodeck.broker import EmbeddedServer, NatsBroker, connect, find_server
from holodeck.messages.errors import StartupError
from tests.conftest import missing
from tests.player_experience.journal import PARTITIONS, Dial, Scribe


@pytest.fixture
async def nats(tmp_path: Path) -> AsyncIterator[EmbeddedServer]:
    try:
        find_server()
    except StartupError as error:
        missing(f"nats-server ({error})")
    async with EmbeddedServer(tmp_path / "nats", partitions=PARTITIONS) as running:
        yield running


@pytest.fixture
def dial(nats: EmbeddedServer) -> Dial:
    """Opens one more connection with the runtime's rights."""

    async def one() -> NatsBroker:
        return await connect(nats.url, credentials=nats.runtime)

    return one


@pytest.fixture
async def scribe(dial: Dial) -> AsyncIterator[Scribe]:
    broker = await dial()
    scribe = Scribe(broker)
    await scribe.prepare()
    yield scribe
    await broker.close(discard=True)
