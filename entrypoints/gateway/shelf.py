"""What the hosts know by heart, as the door shows it: personas, curricula, worlds.

One law: it is read from the same files as the hosts', at the first question.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import cached_property
from typing import Any, Literal

from holodeck.minds.curricula import CurriculumLibrary
from holodeck.minds.personas import Library
from holodeck.minds.worlds import WorldLibrary


class Shelf:
    """Three libraries, each opened when somebody asks.

    Args:
        personas, curricula: open theirs; worlds: opens its own with the personas.
    """

    def __init__(
        self,
        personas: Callable[[], Library] = Library,
        curricula: Callable[[], CurriculumLibrary] = CurriculumLibrary,
        worlds: Callable[[Library], WorldLibrary] = lambda found: WorldLibrary(personas=found),
    ) -> None:
        self._personas, self._curricula, self._worlds = personas, curricula, worlds

    @cached_property
    def personas(self) -> Library:
        return self._personas()

    @cached_property
    def curricula(self) -> CurriculumLibrary:
        return self._curricula()

    @cached_property
    def worlds(self) -> WorldLibrary:
        return self._worlds(self.personas)

    async def opened(self, name: Literal["personas", "curricula", "worlds"]) -> Any:
        """One of them; reading files at the first time, beside whatever else is asked."""
        if name not in self.__dict__:
            await asyncio.to_thread(getattr, self, name)
        return getattr(self, name)

    def persona_rows(self) -> list[dict[str, Any]]:
        """A row a persona: what it is called and who lives there."""
        rows = []
        for name in self.personas.names():
            found = self.personas.get(name)
            if found is not None:
                rows.append(
                    {
                        "id": found.id,
                        "name": found.name,
                        "domain": found.domain,
                        "objective": found.objective,
                        "level": found.level.value,
                        "target_language": found.target_language,
                        "npcs": [
                            {"id": npc.id, "name": npc.name, "role": npc.role} for npc in found.npcs
                        ],
                    }
                )
        return rows

    def curriculum_rows(self) -> list[dict[str, Any]]:
        """A row a curriculum: what it is called and how many skills it has."""
        rows = []
        for name in self.curricula.names():
            found = self.curricula.get(name)
            if found is not None:
                rows.append({"id": name, "name": found.name, "skills": len(found.skills)})
        return rows
