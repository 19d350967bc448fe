"""Minds for tests: one that answers at once, one that can be made to wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from holodeck.minds.port import Prompt, Said


class EchoMind:
    """Answers with what was said; counts how often it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def reply(self, prompt: Prompt, heard: Callable[[str], None] | None = None) -> Said:
        self.asked.append(prompt.intent)
        return Said(f"you said: {prompt.text}")


class SlowMind(EchoMind):
    """Answers once it may."""

    def __init__(self) -> None:
        super().__init__()
        self.may = asyncio.Event()

    async def reply(self, prompt: Prompt, heard: Callable[[str], None] | None = None) -> Said:
        said = await super().reply(prompt)
        await self.may.wait()
        return said
