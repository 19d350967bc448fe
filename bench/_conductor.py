"""A crowd (:mod:`bench._crowd`) as a bench sees it: orders go out, what they came to comes back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from bench._generator import Plan
from bench._processes import Child
from bench._progress import bar


class Conductor:
    """A crowd in a process of its own, as the bench sees it."""

    def __init__(self, child: Child) -> None:
        self.child = child

    async def begin(self, verb: str, **order: Any) -> None:
        """Gives an order without waiting for its end."""
        await self.child.tell({"do": verb, **order})

    async def done(self, verb: str) -> dict[str, Any]:
        """Waits for the end of an order; what it came to."""
        found: dict[str, Any] = await self.child.said(verb)
        return found

    async def stop(self) -> None:
        """Ends the order under way; it is still answered."""
        await self.child.tell({"do": "stop"})

    async def do(
        self, verb: str, *, title: str = "", total: int = 0, **order: Any
    ) -> dict[str, Any]:
        """Gives an order and waits; with ``title`` a bar shows how much of ``total`` is done."""
        await self.begin(verb, **order)
        if not title:
            return await self.done(verb)
        with bar(title, total) as shown:
            async for line in self.child.lines():
                if verb in line:
                    found: dict[str, Any] = line[verb]
                    return found
                shown.reached(line.get("progress", 0))
        return await self.done(verb)  # it ended: says so


@asynccontextmanager
async def crowd(plan: Plan) -> AsyncIterator[Conductor]:
    """Starts an empty crowd (``plan.sessions`` is 0); ends its process at the end."""
    child = await Child.start("bench._crowd", order=plan.order(), apart=True)
    try:
        await child.said("ready")
        yield Conductor(child)
    finally:
        await child.stop()
