"""A tile: one event of a checkpoint as the outside world sees it (PLATO format)."""

from __future__ import annotations

from typing import Any, Final

from pydantic import Field

from holodeck.messages.base import Message

HEADER_TILE: Final = "Holodeck-Tile"
HEADER_ORIGIN: Final = "Holodeck-Origin"
"""``<sequence>.<n>``: the checkpoint the tile comes from and its place among that one's events."""
SOURCE: Final = "holodeck-session-manager"


class Tile(Message):
    """One event.

    Attributes:
        id: ``<session>.<sequence>.<n>``; stable, so foreign sinks can drop repeats.
        domain: the room it belongs to.
        question: ``[EVENT] …``, one line.
        answer: everything about it.
        confidence: 0 to 1.
        quiet: the session asked that PLATO is not told.
    """

    id: str
    domain: str
    question: str
    answer: dict[str, Any]
    tags: tuple[str, ...] = ()
    confidence: float = Field(default=1.0, ge=0.0, le=1.0)
    source: str = SOURCE
    quiet: bool = False
