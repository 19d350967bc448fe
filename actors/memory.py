"""The command ids an actor remembers, so that a repeat has no second effect."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from holodeck.messages.envelope import REMEMBER_COUNT, REMEMBER_MS


class CommandMemory:
    """Command id → sequence of the checkpoint it led to.

    One law: an id is kept for at least 120 s (twice the longest client deadline) and as long as
    fewer than 256 newer ones are known.
    """

    __slots__ = ("_ids",)

    def __init__(self, entries: Iterable[tuple[str, int, int]] = ()) -> None:
        self._ids: dict[str, tuple[int, int]] = {
            command: (sequence, at) for command, sequence, at in entries
        }

    def get(self, command: str) -> int | None:
        """The sequence of the checkpoint ``command`` led to; None if it is not remembered."""
        found = self._ids.get(command)
        return None if found is None else found[0]

    def add(self, command: str, sequence: int, at: int) -> None:
        """Remembers ``command``; ``at`` in ms since 1970 UTC decides what may be forgotten."""
        ids = self._ids
        ids[command] = (sequence, at)
        while len(ids) > REMEMBER_COUNT:
            oldest = next(iter(ids))
            if ids[oldest][1] > at - REMEMBER_MS:
                break
            del ids[oldest]

    def dump(self) -> list[Any]:
        return [[command, sequence, at] for command, (sequence, at) in self._ids.items()]

    def __len__(self) -> int:
        return len(self._ids)
