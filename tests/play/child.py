"""Somebody before the windows of practice, without a terminal."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from holodeck.entrypoints.play.app import Play
from holodeck.entrypoints.play.desk import Desk
from holodeck.entrypoints.play.screens_session import Practice
from tests.play.desks import Scripted

SIZE = (80, 24)


@dataclass
class Child:
    """Somebody before the window."""

    app: Play
    pilot: Any

    @property
    def sees(self) -> str:
        """All that is on the screen, as text."""
        strips = self.app.screen._compositor.render_strips()
        return "\n".join("".join(segment.text for segment in strip) for strip in strips)

    async def until(self, seen: str | Callable[[], bool]) -> None:
        """Waits for a text on the screen, or for something to be so."""
        there = seen if callable(seen) else lambda: seen in self.sees
        for _ in range(1000):
            if there():
                return
            await self.pilot.pause(0.01)
        pytest.fail(f"{seen} was never seen in\n{self.sees}")

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    async def plays(self) -> None:
        """Begins a session."""
        await self.until("PLAY")
        await self.press("enter")
        await self.until("Q 1/~")

    async def answers(self, text: str) -> None:
        await self.press(*text, "enter")

    @property
    def page(self) -> Practice:
        page = self.app.screen
        assert isinstance(page, Practice)
        return page


@asynccontextmanager
async def child(
    desk: Desk | None = None, *, size: tuple[int, int] = SIZE, close_after: float = 0.0
) -> AsyncIterator[Child]:
    app = Play(desk or Scripted(), close_after=close_after)
    async with app.run_test(size=size, notifications=True) as pilot:
        yield Child(app, pilot)
