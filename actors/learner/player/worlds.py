"""Worlds: how one is made to measure for a character, and how the two go together.

One law: what a character wants of a world is kept with the player; the world stays as it is. How
well the two go together is worked out of both whenever it is asked for, never kept.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from holodeck.actors.decider import Moment
from holodeck.actors.learner.player.characters import owned
from holodeck.actors.learner.player.profile import fits, known
from holodeck.actors.learner.player.settings import same
from holodeck.actors.learner.player.state import CUSTOMIZED, WORLDS_BYTES, Customized, size
from holodeck.messages.player import (
    Character,
    CustomizeWorld,
    DifficultyLevel,
    PlayerEvent,
    Prerequisite,
    TherapeuticApproach,
    World,
    WorldCustomized,
    WorldParameters,
)

if TYPE_CHECKING:
    from holodeck.actors.learner.decider import LearnerState


def customize(state: LearnerState, command: CustomizeWorld, now: int) -> Sequence[PlayerEvent]:
    """Raises RefusedError: ``unknown-player``, ``unknown-character``; ``too-large``, parameters of
    more than 16 KiB."""
    held = known(state)
    owned(held, command.character)
    fits(command.parameters, WORLDS_BYTES // 2)
    if held.parameters(command.character, command.world) == command.parameters:
        return ()
    return (
        WorldCustomized(
            character=command.character, world=command.world, parameters=command.parameters
        ),
    )


def customized(state: LearnerState, event: WorldCustomized, moment: Moment) -> None:
    player = state.player
    if player is None:
        return
    others = (
        one for one in player.worlds if (one.character, one.world) != (event.character, event.world)
    )
    made = Customized(event.character, event.world, event.parameters, moment.at)
    kept, room = [made], WORLDS_BYTES - size(made.parameters)
    for one in reversed((*others,)[1 - CUSTOMIZED :]):
        room -= size(one.parameters)
        if room < 0:
            break
        kept.insert(0, one)
    player.worlds = tuple(kept)


# --- compatibility ----------------------------------------

WEIGHTS: Final[dict[str, float]] = {
    "readiness": 0.25,
    "approach": 0.30,
    "safety": 0.25,
    "difficulty": 0.15,
    "prerequisites": 0.05,
}
REACH: Final = 0.3
"""How far readiness may lie from what a world recommends before nothing of it fits."""
LABELS: Final[tuple[tuple[float, str], ...]] = (
    (0.8, "excellent"),
    (0.6, "good"),
    (0.4, "fair"),
    (0.0, "poor"),
)
RECOMMENDED: Final = 0.6
CONCERN: Final = 0.7
"""A world whose safety lies below it is warned of."""
DISTANCE: Final = (1.0, 0.7, 0.4, 0.1)
"""How well a difficulty fits, by how many levels it lies off."""
SKILLED: Final = 0.5
"""The readiness from which a wanted skill level counts as reached."""


@dataclass(frozen=True, slots=True)
class Factor:
    """One side of how a character and a world go together; ``score``: 0 to 1."""

    name: str
    score: float
    weight: float
    explanation: str


@dataclass(frozen=True, slots=True)
class Compatibility:
    """How a character and a world go together.

    Attributes:
        overall_score: Σ score · weight / Σ weight, 0 to 1.
        label: excellent from 0.8, good from 0.6, fair from 0.4, else poor; recommended from 0.6.
        unmet_prerequisites: in words.
    """

    character_id: str
    world_id: str
    overall_score: float
    label: str
    recommended: bool
    factors: tuple[Factor, ...]
    warnings: tuple[str, ...] = ()
    recommendations: tuple[str, ...] = ()
    prerequisites_met: bool = True
    unmet_prerequisites: tuple[str, ...] = field(default=())


def weighted(factors: Iterable[Factor]) -> float:
    """Σ score · weight / Σ weight, 0 to 1; 0 where nothing weighs."""
    some = tuple(factors)
    total = sum(one.weight for one in some)
    return round(sum(one.score * one.weight for one in some) / total, 6) if total else 0.0


def suited(readiness: float) -> DifficultyLevel:
    """The difficulty that suits a readiness: below 0.3 beginner, below 0.6 intermediate, up to 0.8
    advanced, else expert.

    0.8 itself is advanced: what recommends it most often is an advanced world, and who has just
    what it recommends fits it.
    """
    if readiness < 0.3:
        return DifficultyLevel.BEGINNER
    if readiness < 0.6:
        return DifficultyLevel.INTERMEDIATE
    return DifficultyLevel.ADVANCED if readiness <= 0.8 else DifficultyLevel.EXPERT


def compatibility(
    character: Character,
    world: World,
    *,
    triggers: Iterable[str] = (),
    parameters: WorldParameters | None = None,
    completed: Collection[str] = (),
) -> Compatibility:
    """How they go together.

    Args:
        triggers: of the player itself, beside those of the character.
        parameters: how the character wants the world; None: as it comes.
        completed: worlds the player has finished a session in.
    """
    own = character.therapeutic_profile
    ready = own.readiness_level
    difficulty = world.difficulty_level if parameters is None else parameters.challenge_level
    wanted = {one for goal in own.therapeutic_goals if goal.is_active
              for one in goal.therapeutic_approaches}  # fmt: skip
    wanted |= set(own.therapeutic_approaches)
    delicate = same((*own.trigger_topics, *triggers))
    hit = _hit(delicate, world)
    unmet = tuple(
        one.description or _told(one)
        for one in world.prerequisites
        if not _met(one, ready, completed)
    )
    factors = (
        _readiness(ready, world),
        _approach(wanted, set(world.therapeutic_approaches)),
        _safety(delicate, hit, world),
        _difficulty(ready, difficulty),
        _prerequisites(len(unmet), len(world.prerequisites)),
    )
    score = weighted(factors)
    warnings = []
    if factors[2].score < CONCERN:
        warnings.append(f"safety: it may bring up {', '.join(sorted(hit))}")
    if unmet:
        warnings.append("not everything it asks for is met yet")
    advice = []
    if ready < world.recommended_readiness - REACH / 2:
        advice.append("a gentler world first would make this one easier")
    if factors[1].score < CONCERN and wanted:
        advice.append("its approaches are others than the character's goals name")
    if factors[3].score < 1.0 and parameters is None:
        advice.append(f"customize it: a challenge level of {suited(ready).value} fits better")
    return Compatibility(
        character_id=character.character_id,
        world_id=world.world_id,
        overall_score=score,
        label=next(word for least, word in LABELS if score >= least),
        recommended=score >= RECOMMENDED,
        factors=factors,
        warnings=tuple(warnings),
        recommendations=tuple(advice),
        prerequisites_met=not unmet,
        unmet_prerequisites=unmet,
    )


def _readiness(ready: float, world: World) -> Factor:
    off = abs(ready - world.recommended_readiness)
    told = f"the character's readiness is {ready:g}, {world.recommended_readiness:g} is recommended"
    return _factor("readiness", max(0.0, 1 - off / REACH), told)


def _approach(wanted: set[TherapeuticApproach], offered: set[TherapeuticApproach]) -> Factor:
    if not offered:
        return _factor("approach", 0.5, "the world names no approach")
    if not wanted:
        return _factor("approach", 0.6, "the character's goals name no approach")
    shared = len(wanted & offered)
    score = 0.7 * shared / len(wanted) + 0.3 * shared / len(offered)
    return _factor("approach", score, f"{shared} of {len(wanted)} approaches are offered")


def _hit(delicate: set[str], world: World) -> set[str]:
    """Delicate topics that the world warns of: one names the other."""
    warned = same(world.content_warnings)
    return {topic for topic in delicate if any(topic in one or one in topic for one in warned)}


def _safety(delicate: set[str], hit: set[str], world: World) -> Factor:
    if not delicate:
        return _factor("safety", 1.0, "nothing delicate was named")
    if not world.content_warnings:
        return _factor("safety", 0.9, "the world warns of nothing")
    told = f"the world warns of {len(hit)} of {len(delicate)} delicate topics"
    return _factor("safety", 1 - 0.8 * len(hit) / len(delicate), told)


def _difficulty(ready: float, difficulty: DifficultyLevel) -> Factor:
    levels = list(DifficultyLevel)
    fits = suited(ready)
    off = abs(levels.index(fits) - levels.index(difficulty))
    return _factor("difficulty", DISTANCE[off], f"it is {difficulty.value}, {fits.value} suits")


def _prerequisites(unmet: int, wanted: int) -> Factor:
    if not wanted:
        return _factor("prerequisites", 1.0, "it asks for nothing")
    return _factor("prerequisites", (wanted - unmet) / wanted, f"{wanted - unmet} of {wanted} met")


def _factor(name: str, score: float, told: str) -> Factor:
    return Factor(name, round(score, 6), WEIGHTS[name], told)


def _met(wanted: Prerequisite, ready: float, completed: Collection[str]) -> bool:
    value = wanted.required_value
    match wanted.prerequisite_type:
        case "therapeutic_readiness":
            return isinstance(value, int | float) and ready >= value
        case "completed_worlds":
            named = (value,) if isinstance(value, str) else value
            return isinstance(named, tuple) and all(one in completed for one in named)
        case "skill_level":
            return ready >= SKILLED


def _told(wanted: Prerequisite) -> str:
    return f"{wanted.prerequisite_type}: {wanted.required_value}"
