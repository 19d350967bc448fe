"""Keeps the thread of a story as far as it can be told from what was said. No network, no chance.

One law: all it knows it is told, so a story goes on in another process as if it had never moved.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from holodeck.messages.conversation import RecentTurn
from holodeck.minds.port import Story

LINES: Final = 12
"""Lines a summary has at most; LINE: characters of each."""
LINE: Final = 160


class ThreadNarrator:
    """What it keeps: ``scene``, ``position`` (learner turns), ``character``, ``world`` and a
    ``summary`` of the last lines, which minds that go on with the story are told."""

    async def initialise(self, story: Story) -> Mapping[str, Any]:
        return _kept(story, "")

    async def state(self, story: Story) -> Mapping[str, Any]:
        before = (story.kept or {}).get("summary", "")
        return _kept(story, summed(before if isinstance(before, str) else "", story.recent))

    async def restore(self, story: Story) -> None:
        """It is told everything again whenever it is asked."""

    async def settings(self, story: Story) -> None:
        """As :meth:`restore`."""

    async def finalise(self, story: Story) -> None:
        """There is nothing to close."""


def _kept(story: Story, summary: str) -> dict[str, Any]:
    return {
        "character": story.character,
        "world": story.world,
        "scene": story.scene,
        "position": story.turns,
        "summary": summary,
    }


def summed(before: str, recent: Sequence[RecentTurn]) -> str:
    """The newest lines, those of before and those that were said since, each but once in a row."""
    lines = before.splitlines()
    said = [f"{turn.speaker}: {' '.join(turn.text.split())}"[:LINE] for turn in recent]
    overlap = next(
        (size for size in range(min(len(said), len(lines)), 0, -1) if lines[-size:] == said[:size]),
        0,
    )
    return "\n".join([*lines, *said[overlap:]][-LINES:])
