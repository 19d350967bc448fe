"""A stage for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from holodeck.broker import find_server
from holodeck.messages.errors import StartupError
from tests.conftest import missing
from tests.runtime.stage import Stage

Staging = Callable[..., Any]


@pytest.fixture
def need_server() -> None:
    """Skips without a nats-server (fails in CI)."""
    try:
        find_server()
    except StartupError as error:
        missing(f"nats-server ({error})")


@pytest.fixture
async def staging(need_server: None, tmp_path: Path) -> AsyncIterator[Staging]:
    """Makes the one stage of a test, with options."""
    async with AsyncExitStack() as stack:

        async def make(**options: Any) -> Stage:
            return await stack.enter_async_context(Stage(tmp_path, **options))

        yield make


@pytest.fixture
async def stage(staging: Staging) -> Stage:
    made: Stage = await staging()
    return made
