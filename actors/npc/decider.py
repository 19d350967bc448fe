"""What an NPC is, and how it stands with each learner: folds over the checkpoints naming it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from pydantic import TypeAdapter

from holodeck.actors.decider import Decider, Moment
from holodeck.messages.envelope import AnyEvent
from holodeck.messages.npc import DescribeNpc, NpcCommand, NpcDescribed, NpcEvent
from holodeck.messages.session import (
    FrictionDetected,
    NpcParted,
    ReputationChanged,
    TaskAdded,
    TaskCompleted,
    TaskRouted,
    TaskStarted,
    TurnAnswered,
    TurnTaken,
)

SCHEMA: Final = 1
FLOOR: Final = -0.5
CEILING: Final = 1.0

Band = Literal["warm", "friendly", "cool", "cold"]


def band(reputation: float) -> Band:
    """How a standing feels: warm from 0.5, friendly from 0, cool from -0.3, cold below."""
    if reputation >= 0.5:
        return "warm"
    if reputation >= 0.0:
        return "friendly"
    return "cool" if reputation >= -0.3 else "cold"


@dataclass(frozen=True, slots=True)
class NpcState:
    """One NPC.

    Attributes:
        turns: learner turns it heard, from everyone; checkpoints: those that named it.
    """

    name: str = ""
    role: str = ""
    turns: int = 0
    partings: int = 0
    checkpoints: int = 0
    last_at: int = 0


@dataclass(frozen=True, slots=True)
class Relation:
    """How one NPC stands with one learner.

    Attributes:
        reputation: -0.5 to 1.
        interactions: turns, either way.
        sessions: sessions that ended between them.
        friction, reputations, tasks: messages of that family that reached the NPC.
        open_tasks: tasks it was given and that have not ended yet.
        first_at, last_at: ms since 1970 UTC.
    """

    reputation: float = 0.0
    interactions: int = 0
    sessions: int = 0
    friction: int = 0
    reputations: int = 0
    tasks: int = 0
    open_tasks: int = 0
    first_at: int = 0
    last_at: int = 0
    last_reason: str = ""
    checkpoints: int = 0
    last_sequence: int = 0


def decide(state: NpcState, command: NpcCommand, now: int) -> Sequence[NpcEvent]:
    """The events a command leads to; none if it was already obeyed."""
    match command:
        case DescribeNpc(name=name, role=role):
            if (state.name, state.role) == (name, role):
                return ()
            return (NpcDescribed(name=name, role=role),)


def evolve(state: NpcState, event: AnyEvent, moment: Moment) -> NpcState:
    """The NPC's own state after one event that concerns it."""
    match event:
        case NpcDescribed():
            return replace(state, name=event.name, role=event.role, last_at=moment.at)
        case TurnTaken():
            return replace(state, turns=state.turns + 1, last_at=moment.at)
        case NpcParted():
            return replace(state, partings=state.partings + 1, last_at=moment.at)
        case _:
            return state


def evolve_relation(state: Relation, event: AnyEvent, moment: Moment) -> Relation:
    """The relation after one event that concerns this NPC and this learner."""
    if moment.sequence != state.last_sequence:
        state = replace(
            state,
            checkpoints=state.checkpoints + 1,
            last_sequence=moment.sequence,
            last_at=moment.at,
            first_at=state.first_at or moment.at,
        )
    match event:
        case TurnTaken() | TurnAnswered():
            return replace(state, interactions=state.interactions + 1)
        case FrictionDetected():
            return replace(state, friction=state.friction + 1)
        case ReputationChanged():
            moved = round(min(CEILING, max(FLOOR, state.reputation + event.delta)), 6)
            return replace(
                state,
                reputation=moved,
                reputations=state.reputations + 1,
                last_reason=event.reason,
            )
        case TaskAdded() | TaskStarted():
            return replace(state, tasks=state.tasks + 1)
        case TaskRouted():
            return replace(state, tasks=state.tasks + 1, open_tasks=state.open_tasks + 1)
        case TaskCompleted():
            return replace(state, tasks=state.tasks + 1, open_tasks=max(0, state.open_tasks - 1))
        case NpcParted():
            return replace(state, sessions=state.sessions + 1)
        case _:
            return state


npc: Final[Decider[NpcState, NpcCommand, AnyEvent]] = Decider(NpcState(), decide, evolve)
relation: Final[Decider[Relation, NpcCommand, AnyEvent]] = Decider(
    Relation(), lambda _state, _command, _now: (), evolve_relation
)
NPC_STATE: Final = TypeAdapter(NpcState)
RELATION_STATE: Final = TypeAdapter(Relation)
