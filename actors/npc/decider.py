"""What an NPC is: the fold of what it was told of itself and of every checkpoint naming it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from pydantic import TypeAdapter

from holodeck.actors.decider import Decider, Moment
from holodeck.actors.npc.relation import RELATION_STATE, OpenTasks, Relation, relation
from holodeck.actors.npc.standing import CEILING, FLOOR, Band, band
from holodeck.messages.conversation import Tier
from holodeck.messages.envelope import AnyEvent
from holodeck.messages.npc import DescribeNpc, NpcCommand, NpcDescribed, NpcEvent
from holodeck.messages.session import NpcParted, TurnTaken
from holodeck.messages.talk import Culture, Traits

__all__ = [
    "CEILING",
    "FLOOR",
    "NPC_STATE",
    "RELATION_STATE",
    "SCHEMA",
    "Band",
    "NpcState",
    "OpenTasks",
    "Relation",
    "band",
    "npc",
    "relation",
]

SCHEMA: Final = 2
"""Version of the snapshot layout of NPCs and relations; one of another version is folded again."""


@dataclass(slots=True)
class NpcState:
    """One NPC.

    Attributes:
        traits, culture: None: it was never told, and is average.
        patience: 0 to 1.
        turns: learner turns it heard, from everyone; checkpoints: those that named it.
    """

    name: str = ""
    role: str = ""
    personality: str = ""
    tier: Tier = 1
    traits: Traits | None = None
    culture: Culture | None = None
    patience: float = 0.5
    turns: int = 0
    partings: int = 0
    checkpoints: int = 0
    last_at: int = 0

    def copy(self) -> NpcState:
        return replace(self)


def decide(state: NpcState, command: NpcCommand, now: int) -> Sequence[NpcEvent]:
    """The events a command leads to; none if it was already obeyed."""
    match command:
        case DescribeNpc():
            told = NpcDescribed(
                name=command.name,
                role=command.role,
                personality=command.personality,
                tier=command.tier,
                traits=command.traits,
                culture=command.culture,
                patience=command.patience,
            )
            return () if told == _as_told(state) else (told,)


def _as_told(state: NpcState) -> NpcDescribed:
    """What would have to be said for the NPC to be what it is."""
    return NpcDescribed(
        name=state.name,
        role=state.role,
        personality=state.personality,
        tier=state.tier,
        traits=state.traits,
        culture=state.culture,
        patience=state.patience,
    )


def _described(state: NpcState, event: NpcDescribed, moment: Moment) -> None:
    state.name, state.role = event.name, event.role
    state.personality, state.tier = event.personality, event.tier
    state.traits, state.culture, state.patience = event.traits, event.culture, event.patience


def _heard(state: NpcState, event: TurnTaken, moment: Moment) -> None:
    state.turns += 1


def _left(state: NpcState, event: NpcParted, moment: Moment) -> None:
    state.partings += 1


def _seen(state: NpcState, moment: Moment) -> None:
    state.checkpoints += 1
    state.last_at = moment.at


npc: Final[Decider[NpcState, NpcCommand, AnyEvent]] = Decider(
    NpcState,
    decide,
    {NpcDescribed: _described, TurnTaken: _heard, NpcParted: _left},
    _seen,
)
NPC_STATE: Final = TypeAdapter(NpcState)
