"""What thinks for an NPC: the port every mind fills."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a mind is told before it answers a turn.

    Attributes:
        intent: ``<session>.<sequence>.mind``; the same intent may be asked twice (after a crash),
            at most one answer is stored.
        turn: the learner's turn, from 1.
        text: what the learner said.
    """

    intent: str
    session: str
    npc: str
    learner: str
    persona: str
    turn: int
    text: str


class Mind(Protocol):
    """Answers for an NPC."""

    async def reply(self, prompt: Prompt) -> str:
        """What the NPC says, 1 to 4000 characters. Any exception means: it has nothing to say."""
        ...
