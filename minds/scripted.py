"""The offline mind: always the same for the same turn, with a persona in its author's words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from holodeck.messages.conversation import RefractionRequest, RefractionResponse
from holodeck.messages.ids import partition_of
from holodeck.messages.persona import Persona
from holodeck.messages.player import TherapeuticSettings
from holodeck.minds.personal import PersonaMind, gentle
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
_ASKED_GENTLY: Final = (
    "That is a good thing to ask. There is no hurry.",
    "We can look at it together, one word at a time.",
    "I like that you ask. Say as much of it as you wish.",
)
_SAID_GENTLY: Final = (
    "Thank you for telling me.",
    "That came across well. Take your time.",
    "I hear you. We can stay with this as long as you like.",
    "All right. Only go on if you wish to.",
)


class ScriptedMind:
    """Speaks as the session's persona has it; without one, chooses one of a few lines by what was
    said. No state, no chance, no network."""

    def __init__(self) -> None:
        self._personal = PersonaMind()

    async def reply(self, prompt: Prompt, heard: Callable[[str], None] | None = None) -> Said:
        if prompt.world is not None and prompt.world.npc(prompt.npc) is not None:
            return await self._personal.reply(prompt, heard)
        asked = prompt.text.rstrip().endswith("?")
        if gentle(prompt.settings):
            lines = _ASKED_GENTLY if asked else _SAID_GENTLY
        else:
            lines = _ASKED if asked else _SAID
        return Said(lines[partition_of(f"{prompt.npc}:{prompt.turn}:{prompt.text}", len(lines))])

    async def refract(
        self,
        request: RefractionRequest,
        world: Persona | None,
        settings: TherapeuticSettings | None = None,
    ) -> RefractionResponse:
        """
        Raises:
            RefusedError: ``no-wording``: no card fits, and no word of it is known.
        """
        return await self._personal.refract(request, world, settings)
