"""What the tests of this folder share: configurations, tiles, callbacks that can be waited for."""

from __future__ import annotations

import itertools
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any, Final

from holodeck.compat import Session, SessionConfig
from holodeck.compat.background import background
from holodeck.messages.tiles import Tile
from tests.conftest import ROOT

_numbers: Final = itertools.count(1)


def config(**more: Any) -> SessionConfig:
    """One with an agent of its own."""
    number = next(_numbers)
    return SessionConfig(**{"session_name": f"work {number}", "agent_id": f"agent{number}"} | more)


async def _tiles(session_id: str) -> list[Tile]:
    return [tile async for tile in background().deck.session(session_id).tiles()]


def tiles_of(session: Session) -> list[Tile]:
    """All tiles of a session that has ended or will."""
    return background().call(_tiles(session.session_id))


def events_of(session: Session) -> list[str]:
    """The names of its tiles, in order."""
    return [tile.question[1:].partition("]")[0] for tile in tiles_of(session)]


def run(program: str, state: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A program in a process of its own, with a state folder of its own."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(program), *words],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "HOLODECK_STATE_DIR": str(state)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


class Heard:
    """A callback that keeps what it was called with."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self._more = threading.Condition()

    def __call__(self, *args: Any) -> None:
        with self._more:
            self.calls.append(args)
            self._more.notify_all()

    def wait(self, count: int = 1, seconds: float = 15.0) -> list[tuple[Any, ...]]:
        """Its calls as soon as there are so many."""
        with self._more:
            assert self._more.wait_for(lambda: len(self.calls) >= count, seconds), self.calls
            return list(self.calls)
