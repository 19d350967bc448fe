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


@dataclass(slots=True)
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

    def copy(self) -> NpcState:
        return replace(self)


@dataclass(frozen=True, slots=True)
class OpenTasks:
    """How many tasks of one session the NPC was given that have not ended yet."""

    session: str
    count: int


@dataclass(slots=True)
class Relation:
    """How one NPC stands with one learner.

    Attributes:
        reputation: -0.5 to 1.
        interactions: turns, either way.
        sessions: sessions that ended between them.
        friction, reputations, tasks: messages of that family that reached the NPC.
        open: tasks it was given and that have not ended yet, by session.
        first_at, last_at: ms since 1970 UTC.
    """

    reputation: float = 0.0
    interactions: int = 0
    sessions: int = 0
    friction: int = 0
    reputations: int = 0
    tasks: int = 0
    open: tuple[OpenTasks, ...] = ()
    first_at: int = 0
    last_at: int = 0
    last_reason: str = ""
    checkpoints: int = 0
    last_sequence: int = 0

    def copy(self) -> Relation:
        return replace(self)


def decide(state: NpcState, command: NpcCommand, now: int) -> Sequence[NpcEvent]:
    """The events a command leads to; none if it was already obeyed."""
    match command:
        case DescribeNpc(name=name, role=role):
            if (state.name, state.role) == (name, role):
                return ()
            return (NpcDescribed(name=name, role=role),)


def _described(state: NpcState, event: NpcDescribed, moment: Moment) -> None:
    state.name, state.role = event.name, event.role


def _heard(state: NpcState, event: TurnTaken, moment: Moment) -> None:
    state.turns += 1


def _left(state: NpcState, event: NpcParted, moment: Moment) -> None:
    state.partings += 1


def _seen(state: NpcState, moment: Moment) -> None:
    state.checkpoints += 1
    state.last_at = moment.at


def _met(state: Relation, moment: Moment) -> None:
    state.checkpoints += 1
    state.last_sequence, state.last_at = moment.sequence, moment.at
    if not state.first_at:
        state.first_at = moment.at


def _spoke(state: Relation, event: TurnTaken | TurnAnswered, moment: Moment) -> None:
    state.interactions += 1


def _friction(state: Relation, event: FrictionDetected, moment: Moment) -> None:
    state.friction += 1


def _reputation(state: Relation, event: ReputationChanged, moment: Moment) -> None:
    state.reputation = round(min(CEILING, max(FLOOR, state.reputation + event.delta)), 6)
    state.reputations += 1
    state.last_reason = event.reason


def _task(state: Relation, event: TaskStarted, moment: Moment) -> None:
    state.tasks += 1


def _task_given(state: Relation, event: TaskAdded | TaskRouted, moment: Moment) -> None:
    state.tasks += 1
    if event.npc is not None:
        _open(state, moment.writer, 1)


def _task_done(state: Relation, event: TaskCompleted, moment: Moment) -> None:
    """What a session's end closes names nobody: the parting says it."""
    state.tasks += 1
    if event.npc is not None:
        _open(state, moment.writer, -1)


def _open(state: Relation, session: str, change: int) -> None:
    counts = {item.session: item.count for item in state.open}
    counts[session] = counts.get(session, 0) + change
    state.open = tuple(OpenTasks(name, count) for name, count in counts.items() if count > 0)


def _parted(state: Relation, event: NpcParted, moment: Moment) -> None:
    state.sessions += 1
    state.open = tuple(item for item in state.open if item.session != moment.writer)


def _nothing(state: Relation, command: NpcCommand, now: int) -> Sequence[NpcEvent]:
    """A relation is never spoken to: it only folds."""
    return ()


npc: Final[Decider[NpcState, NpcCommand, AnyEvent]] = Decider(
    NpcState,
    decide,
    {NpcDescribed: _described, TurnTaken: _heard, NpcParted: _left},
    _seen,
)
relation: Final[Decider[Relation, NpcCommand, AnyEvent]] = Decider(
    Relation,
    _nothing,
    {
        TurnTaken: _spoke,
        TurnAnswered: _spoke,
        FrictionDetected: _friction,
        ReputationChanged: _reputation,
        TaskAdded: _task_given,
        TaskStarted: _task,
        TaskRouted: _task_given,
        TaskCompleted: _task_done,
        NpcParted: _parted,
    },
    _met,
)
NPC_STATE: Final = TypeAdapter(NpcState)
RELATION_STATE: Final = TypeAdapter(Relation)
