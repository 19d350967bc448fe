"""How each process of a torture run begins, and that it never outlives the run."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog

PLAN: Final = "TORTURE"
"""The environment variable in which a process finds what it is to be, as JSON."""


def begin(main: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
    """Runs ``main`` with the plan; ends when it does, or when standard input closes: only the
    process that drives the run holds the other end."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    threading.Thread(target=_leash, daemon=True).start()
    asyncio.run(_run(main))


async def _run(main: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
    await main(json.loads(os.environ[PLAN]))


def _leash() -> None:
    # Not through sys.stdin, whose lock would be held when the interpreter ends before us.
    while os.read(0, 1024):
        pass
    os._exit(0)
