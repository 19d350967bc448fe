"""Characters: whom a player plays.

One law: at most five are active. What a character brings along (what it fears, values, is like)
is worked into its therapeutic profile once, when it is made; afterwards the player's word counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from holodeck.actors.decider import Moment
from holodeck.actors.learner.player.profile import known
from holodeck.actors.learner.player.state import (
    CHARACTERS_BYTES,
    REMOVED,
    CharacterKept,
    Player,
    size,
)
from holodeck.messages.errors import RefusedError
from holodeck.messages.player import (
    MAX_CHARACTERS,
    Character,
    CharacterPut,
    CharacterRemoved,
    Goal,
    GoalProgressed,
    PlayerEvent,
    ProgressGoal,
    PutCharacter,
    RemoveCharacter,
    TherapeuticApproach,
    TherapeuticProfile,
)

if TYPE_CHECKING:
    from holodeck.actors.learner.decider import LearnerState

READY: Final = frozenset({"empathetic", "patient", "open-minded", "resilient", "supportive"})
"""Traits that make ready, 0.05 each."""
UNREADY: Final = frozenset({"anxious", "perfectionist", "stubborn", "defensive"})
"""Traits that make less ready, 0.03 each."""
READY_STEP: Final = 0.05
UNREADY_STEP: Final = 0.03
READY_MOST: Final = 0.2
"""How far traits move readiness at most, either way."""

# What stands behind a word: found anywhere in the entry, lower case.
_CONCERNS: Final[Mapping[str, str]] = {
    "anxi": "anxiety",
    "worr": "anxiety",
    "panic": "anxiety",
    "perfection": "perfectionism",
    "stress": "work stress",
    "deadline": "work stress",
    "overwork": "work stress",
    "lonel": "loneliness",
    "alone": "loneliness",
    "abandon": "loneliness",
    "fail": "fear of failure",
    "reject": "fear of rejection",
    "judg": "fear of rejection",
    "sad": "low mood",
    "hopeless": "low mood",
    "ang": "anger",
    "grie": "grief",
    "loss": "grief",
}
_CHALLENGES: Final[Mapping[str, str]] = {
    "perfection": "self-acceptance",
    "self-critic": "self-acceptance",
    "insecur": "self-acceptance",
    "not good enough": "self-acceptance",
    "fail": "self-acceptance",
    "stubborn": "flexibility",
    "defensive": "taking in feedback",
    "shy": "social confidence",
    "reject": "social confidence",
    "judg": "social confidence",
    "conflict": "assertiveness",
    "change": "flexibility",
}
_COMFORT: Final[Mapping[str, str]] = {
    "famil": "family",
    "friend": "friendship",
    "creativ": "creative expression",
    "art": "creative expression",
    "music": "music",
    "nature": "nature",
    "learn": "learning",
    "knowledge": "learning",
    "help": "helping others",
    "compassion": "helping others",
    "empath": "helping others",
    "supportive": "helping others",
    "honest": "open conversation",
    "open-minded": "open conversation",
}
_COPING: Final[Mapping[str, str]] = {
    "patient": "taking time",
    "resilien": "remembering what was overcome before",
    "creativ": "creative expression",
    "humo": "humour",
    "mindful": "mindful breathing",
    "calm": "mindful breathing",
    "organi": "planning in small steps",
    "disciplin": "planning in small steps",
    "empath": "talking with somebody",
    "supportive": "talking with somebody",
    "open-minded": "trying another view",
}

_A: Final = TherapeuticApproach
_GOALS: Final[Mapping[str, Goal]] = {
    "anxiety": Goal(
        goal_id="ease-anxiety",
        description="Notice anxious moments early and have two ways of getting through them",
        therapeutic_approaches=(_A.CBT, _A.MINDFULNESS),
        milestones=("Name what sets it off", "Try one way", "Use a second one unasked"),
    ),
    "work stress": Goal(
        goal_id="balance-work",
        description="Keep work within its hours and come back from it rested",
        therapeutic_approaches=(_A.SOLUTION_FOCUSED, _A.MINDFULNESS),
        milestones=("Name what weighs most", "Keep one evening free", "Keep a week's limits"),
    ),
    "self-acceptance": Goal(
        goal_id="accept-myself",
        description="Speak to oneself as one would to a friend",
        therapeutic_approaches=(_A.ACCEPTANCE_COMMITMENT, _A.HUMANISTIC),
        milestones=("Hear the harsh voice", "Answer it once", "Let a mistake be one"),
    ),
}
"""Goals a character gets with a concern or a challenge of that name."""


def _behind(words: Mapping[str, str], *lists: Sequence[str]) -> list[str]:
    entries = [entry.casefold() for some in lists for entry in some]
    return [meant for word, meant in words.items() if any(word in entry for entry in entries)]


def _joined(own: Sequence[str], more: Sequence[str], most: int) -> tuple[str, ...]:
    """The player's own entries first, each once, whatever its case; at most ``most``."""
    found: dict[str, str] = {}
    for entry in (*own, *more):
        found.setdefault(entry.casefold(), entry)
    return tuple(found.values())[: max(most, len(own))]


def readiness(start: float, traits: Sequence[str]) -> float:
    """Readiness after traits, 0 to 1: + 0.05 for each that makes ready, - 0.03 for each that makes
    less ready, at most 0.2 either way."""
    told = [trait.strip().casefold() for trait in traits]
    moved = READY_STEP * sum(trait in READY for trait in told)
    moved -= UNREADY_STEP * sum(trait in UNREADY for trait in told)
    moved = max(-READY_MOST, min(READY_MOST, moved))
    return round(max(0.0, min(1.0, start + moved)), 6)


def enriched(character: Character) -> Character:
    """A new character with what its background brings along worked into its profile."""
    background, own = character.background, character.therapeutic_profile
    traits, fears = background.personality_traits, background.fears_and_anxieties
    values, skills = background.core_values, background.strengths_and_skills
    concerns = _joined(own.primary_concerns, _behind(_CONCERNS, traits, fears), 15)
    challenges = _joined(own.challenge_areas, _behind(_CHALLENGES, traits, fears), 15)
    goals = {goal.goal_id: goal for goal in own.therapeutic_goals}
    for reason in (*concerns, *challenges):
        goal = _GOALS.get(reason.casefold())
        if goal is not None and len(goals) < 10:
            goals.setdefault(goal.goal_id, goal)
    profile = own.model_copy(
        update={
            "primary_concerns": concerns,
            "challenge_areas": challenges,
            "comfort_zones": _joined(own.comfort_zones, _behind(_COMFORT, values, traits), 15),
            "coping_strategies": _joined(
                own.coping_strategies, _behind(_COPING, skills, traits), 20
            ),
            "therapeutic_goals": tuple(goals.values()),
            "readiness_level": readiness(own.readiness_level, traits),
        }
    )
    return character.model_copy(update={"therapeutic_profile": profile})


# --- decisions ----------------------------------------


def owned(held: Player, character: str) -> CharacterKept:
    """The player's character of that id, played or not.

    Raises:
        RefusedError: ``unknown-character``.
    """
    kept = held.characters.get(character)
    if kept is None:
        raise RefusedError("unknown-character", character)
    return kept


def put(state: LearnerState, command: PutCharacter, now: int) -> Sequence[PlayerEvent]:
    """Raises RefusedError: ``unknown-player``; ``character-exists``, made before; where it is no
    new one ``unknown-character``; ``too-many-characters``, five are active;
    ``too-large``, with it those that are active come to more than 96 KiB."""
    held = known(state)
    wanted = command.character
    kept = held.characters.get(wanted.character_id)
    if command.create:
        if kept is not None:
            raise RefusedError("character-exists", f"{wanted.character_id} already exists")
        wanted = enriched(wanted)
    elif kept is None:
        raise RefusedError("unknown-character", wanted.character_id)
    elif kept.character == wanted:
        return ()
    others = [one for one in held.active if one.character.character_id != wanted.character_id]
    if wanted.is_active and len(others) >= MAX_CHARACTERS:
        raise RefusedError("too-many-characters", f"at most {MAX_CHARACTERS} are active")
    beside = sum(size(one.character) for one in others) if wanted.is_active else 0
    if size(wanted) + beside > CHARACTERS_BYTES:
        raise RefusedError("too-large", f"together they may have {CHARACTERS_BYTES} bytes")
    return (CharacterPut(character=wanted),)


def remove(state: LearnerState, command: RemoveCharacter, now: int) -> Sequence[PlayerEvent]:
    """Raises RefusedError: ``unknown-player``, ``unknown-character``."""
    if not owned(known(state), command.character).active:
        return ()
    return (CharacterRemoved(character=command.character),)


def progress(state: LearnerState, command: ProgressGoal, now: int) -> Sequence[PlayerEvent]:
    """Raises RefusedError: ``unknown-player``, ``unknown-character``; ``unknown-goal``."""
    kept = owned(known(state), command.character)
    percentage = max(0.0, min(100.0, command.percentage))
    for goal in kept.character.therapeutic_profile.therapeutic_goals:
        if goal.goal_id == command.goal:
            if goal.progress_percentage == percentage:
                return ()
            return (
                GoalProgressed(
                    character=command.character, goal=command.goal, percentage=percentage
                ),
            )
    raise RefusedError("unknown-goal", command.goal)


# --- folds ----------------------------------------


def made(state: LearnerState, event: CharacterPut, moment: Moment) -> None:
    player = state.player
    if player is None:
        return
    identity = event.character.character_id
    before = player.characters.get(identity)
    began = moment.at if before is None else before.created_at
    gone = 0 if event.character.is_active else moment.at
    player.characters[identity] = CharacterKept(event.character, began, moment.at, gone)
    if gone:
        _let_go(player, identity)


def removed(state: LearnerState, event: CharacterRemoved, moment: Moment) -> None:
    player = state.player
    kept = None if player is None else player.characters.get(event.character)
    if player is None or kept is None:
        return
    rest = kept.character.model_copy(update={"is_active": False})
    player.characters[event.character] = replace(
        kept, character=rest, changed_at=moment.at, removed_at=moment.at
    )
    _let_go(player, event.character)


def _let_go(player: Player, character: str) -> None:
    """The session of a character that is played no more is not its session any more."""
    player.open.pop(character, None)
    gone = sorted(
        (kept.removed_at, identity)
        for identity, kept in player.characters.items()
        if not kept.active
    )
    room = CHARACTERS_BYTES // 2
    for nth, (_, identity) in enumerate(reversed(gone)):
        room -= size(player.characters[identity].character)
        if nth and (nth >= REMOVED or room < 0):
            del player.characters[identity]


def progressed(state: LearnerState, event: GoalProgressed, moment: Moment) -> None:
    player = state.player
    kept = None if player is None else player.characters.get(event.character)
    if player is None or kept is None:
        return
    own: TherapeuticProfile = kept.character.therapeutic_profile
    goals = tuple(
        goal.model_copy(update={"progress_percentage": event.percentage})
        if goal.goal_id == event.goal
        else goal
        for goal in own.therapeutic_goals
    )
    profile = own.model_copy(update={"therapeutic_goals": goals})
    character = kept.character.model_copy(update={"therapeutic_profile": profile})
    player.characters[event.character] = replace(kept, character=character, changed_at=moment.at)
