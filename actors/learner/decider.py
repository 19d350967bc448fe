"""A learner: the claim that keeps it to one active session, and what its sessions left behind.

One law: the learner is claimed by at most one session. The claim is made before the session
starts or resumes, confirmed by ``session.started`` or ``session.resumed``, and goes with
``session.paused``, ``session.ended`` or the abandoning of the start.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from pydantic import TypeAdapter

from holodeck.actors.decider import Decider, Moment
from holodeck.messages.envelope import AnyEvent
from holodeck.messages.errors import RefusedError
from holodeck.messages.learner import ClaimLearner, LearnerClaimed, LearnerCommand, LearnerEvent
from holodeck.messages.session import (
    FrictionDetected,
    Outcome,
    ReputationChanged,
    SessionEnded,
    SessionKind,
    SessionPaused,
    SessionResumeAbandoned,
    SessionResumed,
    SessionStartAbandoned,
    SessionStarted,
    TaskAdded,
    TaskCompleted,
    TaskRouted,
    TaskStarted,
    TurnTaken,
)

SCHEMA: Final = 1
RECENT: Final = 20
"""How many sessions a learner remembers one by one."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Attributes:
    number: sequence of the claim's checkpoint.
    confirmed: the session has started or resumed on it.
    """

    session: str
    number: int
    at: int
    confirmed: bool = False


@dataclass(frozen=True, slots=True)
class Visit:
    """One session of the learner; ``ended_at`` is 0 and ``outcome`` None while it lives."""

    session: str
    kind: SessionKind
    started_at: int
    ended_at: int = 0
    outcome: Outcome | None = None


@dataclass(frozen=True, slots=True)
class FrictionTotal:
    type: str
    count: int
    severity: float


@dataclass(frozen=True, slots=True)
class LearnerState:
    """One learner.

    Attributes:
        friction, reputations, tasks: messages of that family that reached the learner.
        checkpoints: all that named it.
    """

    claim: Claim | None = None
    sessions: int = 0
    recent: tuple[Visit, ...] = ()
    turns: int = 0
    friction: int = 0
    friction_totals: tuple[FrictionTotal, ...] = ()
    reputations: int = 0
    tasks: int = 0
    tasks_done: int = 0
    first_at: int = 0
    last_at: int = 0
    checkpoints: int = 0
    last_sequence: int = 0


def decide(state: LearnerState, command: LearnerCommand, now: int) -> Sequence[LearnerEvent]:
    """The events a command leads to.

    Raises:
        RefusedError: ``claimed``, with the id of the session that holds the learner.
    """
    match command:
        case ClaimLearner(session=wanted):
            held = state.claim
            if held is not None and (held.session != wanted or held.confirmed):
                raise RefusedError("claimed", held.session)
            return (LearnerClaimed(session=wanted),)


def evolve(state: LearnerState, event: AnyEvent, moment: Moment) -> LearnerState:
    """The learner after one event that concerns it."""
    if moment.sequence != state.last_sequence:
        state = replace(
            state,
            checkpoints=state.checkpoints + 1,
            last_sequence=moment.sequence,
            last_at=moment.at,
            first_at=state.first_at or moment.at,
        )
    match event:
        case TurnTaken():
            return replace(state, turns=state.turns + 1)
        case FrictionDetected():
            return replace(
                state,
                friction=state.friction + 1,
                friction_totals=_count(state.friction_totals, event),
            )
        case ReputationChanged():
            return replace(state, reputations=state.reputations + 1)
        case TaskCompleted():
            return replace(state, tasks=state.tasks + 1, tasks_done=state.tasks_done + 1)
        case TaskAdded() | TaskRouted() | TaskStarted():
            return replace(state, tasks=state.tasks + 1)
        case LearnerClaimed():
            return replace(state, claim=Claim(event.session, moment.sequence, moment.at))
        case SessionStarted():
            visit = Visit(moment.writer, event.session_kind, moment.at)
            return replace(
                _confirmed(state, moment.writer, event.claim),
                sessions=state.sessions + 1,
                recent=(*state.recent, visit)[-RECENT:],
            )
        case SessionResumed():
            return _confirmed(state, moment.writer, event.claim)
        case SessionPaused() | SessionStartAbandoned() | SessionResumeAbandoned():
            return _released(state, moment.writer)
        case SessionEnded():
            return replace(
                _released(state, moment.writer),
                recent=tuple(
                    replace(visit, ended_at=moment.at, outcome=event.outcome)
                    if visit.session == moment.writer and not visit.ended_at
                    else visit
                    for visit in state.recent
                ),
            )
        case _:
            return state


def _confirmed(state: LearnerState, session: str, number: int | None) -> LearnerState:
    held = state.claim
    if held is None or held.session != session or held.number != number:
        return state
    return replace(state, claim=replace(held, confirmed=True))


def _released(state: LearnerState, session: str) -> LearnerState:
    if state.claim is None or state.claim.session != session:
        return state
    return replace(state, claim=None)


def _count(totals: tuple[FrictionTotal, ...], event: FrictionDetected) -> tuple[FrictionTotal, ...]:
    for index, total in enumerate(totals):
        if total.type == event.type:
            more = FrictionTotal(
                total.type, total.count + 1, round(total.severity + event.severity, 6)
            )
            return (*totals[:index], more, *totals[index + 1 :])
    return (*totals, FrictionTotal(event.type, 1, round(event.severity, 6)))


learner: Final[Decider[LearnerState, LearnerCommand, AnyEvent]] = Decider(
    LearnerState(), decide, evolve
)
LEARNER_STATE: Final = TypeAdapter(LearnerState)
