"""Progress on stderr: a bar where there is a terminal, a line for each part of the work if not."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from bench._report import say

_STEP_S: Final = 0.25


class Bar:
    """One part of the work that is under way."""

    def __init__(self, progress: Progress, title: str, total: float) -> None:
        self._progress = progress
        self._task = progress.add_task(title, total=total)

    def reached(self, done: float, title: str | None = None) -> None:
        """How much of the total is done; ``title`` replaces the text in front."""
        if title is None:
            self._progress.update(self._task, completed=done)
        else:
            self._progress.update(self._task, completed=done, description=title)


@contextmanager
def bar(title: str, total: float) -> Iterator[Bar]:
    """Shows a bar while the block runs."""
    terminal = sys.stderr.isatty()
    if not terminal:
        say(f"  {title}")
    columns = (
        TextColumn("  {task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns, console=Console(stderr=True), transient=True, disable=not terminal
    ) as progress:
        yield Bar(progress, title, total)


async def wait(title: str, seconds: float) -> None:
    """Waits, and shows how long still."""
    began = time.monotonic()
    with bar(title, round(seconds)) as shown:
        while (gone := time.monotonic() - began) < seconds:
            shown.reached(int(gone))
            await asyncio.sleep(min(_STEP_S, seconds - gone))
