"""Reading worlds from YAML, and the library of them.

One law: a persona is a world too, by its id; so wherever a world is named, either may be.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from holodeck.messages.conversation import Cefr
from holodeck.messages.persona import Fault, Persona
from holodeck.messages.player import (
    DifficultyLevel,
    TherapeuticApproach,
    World,
    WorldParameters,
)
from holodeck.minds.documents import Document, DocumentError, text_of
from holodeck.minds.port import Library

PACKAGED: Final = Path(__file__).resolve().parent.parent / "config" / "worlds"
"""Where the worlds that come with the program lie."""

_LEVELS: Final[dict[Cefr, tuple[DifficultyLevel, float]]] = {
    Cefr.A1: (DifficultyLevel.BEGINNER, 0.3),
    Cefr.A2: (DifficultyLevel.BEGINNER, 0.3),
    Cefr.B1: (DifficultyLevel.INTERMEDIATE, 0.5),
    Cefr.B2: (DifficultyLevel.INTERMEDIATE, 0.5),
    Cefr.C1: (DifficultyLevel.ADVANCED, 0.7),
    Cefr.C2: (DifficultyLevel.EXPERT, 0.9),
}
"""How difficult a persona's world is, and the readiness it wants, by where its learners stand."""


class WorldError(DocumentError):
    """A world that cannot be used."""

    code = "world"


def load(path: Path) -> World:
    """The world in a file.

    Raises:
        WorldError: the file cannot be read, is over 1 MiB, is no YAML, or is no sound world; all
            faults at once.
    """
    text = text_of(path)
    world, faults = parse(text) if isinstance(text, str) else (None, (text,))
    if world is None or faults:
        raise WorldError(str(path), faults)
    return world


def parse(text: str) -> tuple[World | None, tuple[Fault, ...]]:
    """The world a YAML text says, and what is wrong with it; None where no world came out."""
    document = Document(text, World)
    if document.broken:
        return None, document.told()
    data: Any = document.data
    if not isinstance(data, dict):
        return None, (Fault(path="", problem="is no mapping of names to values", line=1),)
    world = None
    try:
        world = World.model_validate(data)
    except ValidationError as error:
        for told in error.errors(include_url=False):
            document.shape_fault(told)
    return world, document.told()


def of_persona(persona: Persona) -> World:
    """A persona as a world: its people live there, and it practises a language."""
    difficulty, readiness = _LEVELS[persona.level]
    minutes = min(120, max(10, round(persona.preferred_minutes)))
    return World(
        world_id=persona.id,
        name=persona.name,
        description=persona.description[:1000] or persona.objective[:1000],
        long_description=persona.objective,
        persona=persona.id,
        themes=(persona.domain,),
        therapeutic_approaches=(TherapeuticApproach.SKILL_BUILDING,),
        difficulty_level=difficulty,
        estimated_duration=max(1, minutes * max(1, len(persona.scenarios))),
        tags=(persona.target_language, persona.level.value),
        recommended_readiness=readiness,
        default_parameters=WorldParameters(
            challenge_level=difficulty,
            focus_areas=(persona.objective[:200],),
            session_length_preference=minutes,
        ),
    )


class WorldLibrary:
    """The worlds of the packaged folder and of further ones, and every persona; read once."""

    def __init__(
        self,
        folders: Sequence[Path] = (),
        *,
        personas: Library | None = None,
        packaged: bool = True,
    ) -> None:
        """
        Args:
            folders: further folders; every ``.yaml`` or ``.yml`` in them is a world.
            personas: each is a world, unless a file describes one of its id and names it.
            packaged: those that come with the program are in it too.

        Raises:
            WorldError: one of them cannot be used, two have the same id, one names a persona
                there is not, or has a persona's id without naming it.
        """
        self._worlds: dict[str, World] = {}
        self._files: dict[str, Path] = {}
        known = set(personas.names()) if personas is not None else set()
        for folder in (*((PACKAGED,) if packaged else ()), *folders):
            if not folder.is_dir():
                raise WorldError(str(folder), (Fault(path="", problem="there is no such folder"),))
            for file in sorted(p for p in folder.iterdir() if p.suffix in (".yaml", ".yml")):
                world = load(file)
                faults = []
                if world.world_id in self._worlds:
                    where = self._files[world.world_id]
                    faults.append(
                        Fault(path="world_id", problem=f"{world.world_id!r} is {where} too")
                    )
                if world.persona and world.persona not in known:
                    problem = f"there is no persona {world.persona!r}"
                    faults.append(Fault(path="persona", problem=problem))
                if world.world_id in known and world.persona != world.world_id:
                    problem = f"{world.world_id!r} is a persona; it has to be named as persona too"
                    faults.append(Fault(path="world_id", problem=problem))
                if faults:
                    raise WorldError(str(file), tuple(faults))
                self._worlds[world.world_id] = world
                self._files[world.world_id] = file
        for name in sorted(known):
            persona = personas.get(name) if personas is not None else None
            if persona is not None:
                self._worlds.setdefault(name, of_persona(persona))

    def get(self, world: str) -> World | None:
        """The world of that id; None: there is none."""
        return self._worlds.get(world)

    def names(self) -> Sequence[str]:
        """Their ids, sorted."""
        return sorted(self._worlds)

    def file(self, world: str) -> Path | None:
        """Where it was read; None: nowhere, it is a persona."""
        return self._files.get(world)
