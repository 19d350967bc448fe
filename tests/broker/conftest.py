"""A real nats-server, and brokers on it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from holodeck.broker import EmbeddedServer, find_server
from holodeck.messages.errors import StartupError
from tests.conftest import missing


@pytest.fixture
def need_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skips without a nats-server (fails in CI)."""
    try:
        find_server()
    except StartupError as error:
        missing(f"nats-server ({error})")


@pytest.fixture
async def server(need_server: None, tmp_path: Path) -> AsyncIterator[EmbeddedServer]:
    """One server for one test, with a store of its own."""
    async with EmbeddedServer(tmp_path / "nats") as running:
        yield running
