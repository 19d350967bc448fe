"""The offline mind: short, polite and always the same for the same turn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from holodeck.messages.ids import partition_of
from holodeck.minds.port import Prompt, Said

_ASKED: Final = (
    "Good question. What do you think yourself?",
    "Let me answer with a hint: say it slowly, word by word.",
    "I would put it more simply. Try once more?",
)
_SAID: Final = (
    "I see. Tell me more.",
    "Very well, and then?",
    "That was clear. Please go on.",
    "I understand. Anything else?",
)


class ScriptedMind:
    """Chooses one of a few lines by what was said; no state, no chance, no network."""

    async def reply(self, prompt: Prompt, heard: Callable[[str], None] | None = None) -> Said:
        lines = _ASKED if prompt.text.rstrip().endswith("?") else _SAID
        return Said(lines[partition_of(f"{prompt.npc}:{prompt.turn}:{prompt.text}", len(lines))])
