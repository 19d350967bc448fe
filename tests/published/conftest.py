"""The published clients in an environment of their own, and a runtime whose doors they knock at."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from textwrap import dedent
from typing import Any, Final

import pytest

import holodeck
from holodeck.broker import find_server
from holodeck.entrypoints.gateway import DeckFleet, Door, Rooms, app, plato_app, router_app, serve
from holodeck.local import Local
from holodeck.messages.errors import StartupError
from holodeck.up import DeckStatus
from tests.conftest import missing

CLIENTS: Final = (
    "superinstance-plato-sdk==1.9.0",
    "holodeck-session-manager==0.1.0",
    "fleet-h1-router==0.1.0",
    "cocapn-plato==0.2.1",
)
INSTALL_S: Final = 100
"""Seconds the index gets; within the timeout of a test."""


class Published:
    """An interpreter that has the published clients and nothing of ours."""

    def __init__(self, folder: Path) -> None:
        self.python = str(folder / "bin" / "python")
        self._folder = folder

    async def program(self, *argv: str) -> str:
        """Runs the interpreter; what it printed.

        Raises:
            AssertionError: it ended with another status than 0; says what it said.
        """
        process = await asyncio.create_subprocess_exec(
            self.python,
            *argv,
            cwd=self._folder,
            env={"PYTHONDONTWRITEBYTECODE": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        said, amiss = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode == 0, f"{said.decode()}\n{amiss.decode()}"
        return said.decode()

    async def run(self, script: str, *args: str) -> Any:
        """Runs a script; the JSON in the last line it printed."""
        said = await self.program("-c", dedent(script), *args)
        return json.loads(said.splitlines()[-1])


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Published:
    """Installed once; skips where the package index cannot be reached."""
    folder = tmp_path_factory.mktemp("published")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, timeout=60)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-input"]
    quick = ["--disable-pip-version-check", "--retries", "1", "--timeout", "15"]
    try:
        done = subprocess.run(
            [*pip, *quick, *CLIENTS], capture_output=True, text=True, timeout=INSTALL_S, check=False
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"the package index did not deliver {', '.join(CLIENTS)} in time")
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        pytest.skip(f"the published clients cannot be installed here: {reason}")
    return Published(folder)


class Doors:
    """A runtime on a real nats-server with all its doors.

    Attributes:
        url: of the gateway; ``plato`` and ``h1`` are the ports of their own.
    """

    def __init__(self, folder: Path) -> None:
        self.local: Local = holodeck.local(folder)
        self._stack = AsyncExitStack()
        self._doors: list[Door] = []
        self.rooms: Rooms

    async def start(self) -> None:
        self.deck = await self.local.start()
        self._stack.push_async_callback(self.local.stop)
        await self.open()

    async def open(self) -> None:
        self.rooms = Rooms(self.local.runtime_connection, self.local.layout)
        mounts = {
            "/plato": plato_app(self.rooms),
            "/h1": router_app(lambda: DeckFleet(self.deck)),
        }
        served = (app(DeckStatus(self.deck), mounts), *mounts.values())
        self._doors = [await serve(each) for each in served]
        self.url, self.plato, self.h1 = (door.url for door in self._doors)

    async def shut(self) -> None:
        for door in self._doors:
            await door.stop()
        self._doors.clear()
        await self.rooms.close()

    async def stop(self) -> None:
        await self.shut()
        await self._stack.aclose()


@pytest.fixture
async def doors(tmp_path: Path) -> AsyncIterator[Doors]:
    try:
        find_server()
    except StartupError as error:
        missing(f"nats-server ({error})")
    opened = Doors(tmp_path / "holodeck")
    await opened.start()
    yield opened
    await opened.stop()
