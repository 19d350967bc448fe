"""A learner: the claim that keeps it to one active session, and what its sessions left behind.

One law: the learner is claimed by at most one session. The claim is made before the session
starts or resumes, confirmed by ``session.started`` or ``session.resumed``, and goes with
``session.paused``, ``session.ended`` or the abandoning of the start. The session that holds the
learner may claim anew at any time: it knows itself which of its claims a pause has made void.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
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
    TaskRefused,
    TaskRetried,
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
    """Attributes:
    severity: the sum over all of them.
    """

    count: int
    severity: float


@dataclass(slots=True)
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
    friction_totals: dict[str, FrictionTotal] = field(default_factory=dict)
    reputations: int = 0
    tasks: int = 0
    tasks_done: int = 0
    first_at: int = 0
    last_at: int = 0
    checkpoints: int = 0
    last_sequence: int = 0

    def copy(self) -> LearnerState:
        return replace(self, friction_totals=dict(self.friction_totals))


def decide(state: LearnerState, command: LearnerCommand, now: int) -> Sequence[LearnerEvent]:
    """The events a command leads to.

    Raises:
        RefusedError: ``claimed``, with the id of the session that holds the learner.
    """
    match command:
        case ClaimLearner(session=wanted):
            held = state.claim
            if held is not None and held.session != wanted and held.number != command.void:
                raise RefusedError("claimed", held.session)
            return (LearnerClaimed(session=wanted),)


def _seen(state: LearnerState, moment: Moment) -> None:
    state.checkpoints += 1
    state.last_sequence, state.last_at = moment.sequence, moment.at
    if not state.first_at:
        state.first_at = moment.at


def _turn(state: LearnerState, event: TurnTaken, moment: Moment) -> None:
    state.turns += 1


def _friction(state: LearnerState, event: FrictionDetected, moment: Moment) -> None:
    state.friction += 1
    name = event.type.value
    total = state.friction_totals.get(name)
    state.friction_totals[name] = FrictionTotal(
        (total.count if total else 0) + 1,
        round((total.severity if total else 0.0) + event.severity, 6),
    )


def _reputation(state: LearnerState, event: ReputationChanged, moment: Moment) -> None:
    state.reputations += 1


def _task(
    state: LearnerState,
    event: TaskAdded | TaskRefused | TaskRetried | TaskRouted | TaskStarted,
    moment: Moment,
) -> None:
    state.tasks += 1


def _task_done(state: LearnerState, event: TaskCompleted, moment: Moment) -> None:
    state.tasks += 1
    state.tasks_done += 1


def _claimed(state: LearnerState, event: LearnerClaimed, moment: Moment) -> None:
    state.claim = Claim(event.session, moment.sequence, moment.at)


def _started(state: LearnerState, event: SessionStarted, moment: Moment) -> None:
    _confirm(state, moment.writer, event.claim)
    state.sessions += 1
    visit = Visit(moment.writer, event.session_kind, moment.at)
    state.recent = (*state.recent, visit)[-RECENT:]


def _resumed(state: LearnerState, event: SessionResumed, moment: Moment) -> None:
    _confirm(state, moment.writer, event.claim)


def _let_go(
    state: LearnerState,
    event: SessionPaused | SessionStartAbandoned,
    moment: Moment,
) -> None:
    _release(state, moment.writer)


def _resume_abandoned(state: LearnerState, event: SessionResumeAbandoned, moment: Moment) -> None:
    """A later claim of the same session stays: it may yet resume on that one."""
    if state.claim is not None and state.claim.number <= event.claim:
        _release(state, moment.writer)


def _ended(state: LearnerState, event: SessionEnded, moment: Moment) -> None:
    _release(state, moment.writer)
    state.recent = tuple(
        replace(visit, ended_at=moment.at, outcome=event.outcome)
        if visit.session == moment.writer and not visit.ended_at
        else visit
        for visit in state.recent
    )


def _confirm(state: LearnerState, session: str, number: int | None) -> None:
    held = state.claim
    if held is not None and held.session == session and held.number == number:
        state.claim = replace(held, confirmed=True)


def _release(state: LearnerState, session: str) -> None:
    if state.claim is not None and state.claim.session == session:
        state.claim = None


learner: Final[Decider[LearnerState, LearnerCommand, AnyEvent]] = Decider(
    LearnerState,
    decide,
    {
        TurnTaken: _turn,
        FrictionDetected: _friction,
        ReputationChanged: _reputation,
        TaskAdded: _task,
        TaskRefused: _task,
        TaskRetried: _task,
        TaskRouted: _task,
        TaskStarted: _task,
        TaskCompleted: _task_done,
        LearnerClaimed: _claimed,
        SessionStarted: _started,
        SessionResumed: _resumed,
        SessionPaused: _let_go,
        SessionStartAbandoned: _let_go,
        SessionResumeAbandoned: _resume_abandoned,
        SessionEnded: _ended,
    },
    _seen,
)
LEARNER_STATE: Final = TypeAdapter(LearnerState)
