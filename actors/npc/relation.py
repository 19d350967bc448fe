"""How one NPC stands with one learner: the fold of every checkpoint that names both.

One law: a standing moves only by what is in a checkpoint or by weeks that went by before it, and
every move is in the trail with its cause.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal, NamedTuple

from pydantic import TypeAdapter

from holodeck.actors.decider import Decider, Moment
from holodeck.actors.npc.behaviour import decayed
from holodeck.actors.npc.memory import (
    TOPICS,
    Fact,
    Memory,
    learned,
    recalled,
    remembered,
    ring,
)
from holodeck.actors.npc.standing import WEEK_MS, clamped, faded, turned
from holodeck.messages.conversation import Mood, ProfessionalKind, ProfessionalOutcome
from holodeck.messages.envelope import AnyEvent
from holodeck.messages.npc import NpcCommand, NpcEvent
from holodeck.messages.player import LearnerErased
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
from holodeck.messages.talk import (
    FactLearned,
    GoalReached,
    IncidentArose,
    IncidentResolved,
    MoodChanged,
    NegotiationCollapsed,
    OpennessChanged,
    ProfessionalRecorded,
)

TRAIL: Final = 50
INCIDENTS: Final = 20
HISTORY: Final = 50
MINUTE_MS: Final = 60_000

Cause = Literal["begun", "faded", "turn", "goal", "collapse", "repair", "told"]
"""Why a standing moved: it began elsewhere than at 0, weeks went by, a turn, an objective reached,
a negotiation broken off, an incident put right, or somebody said so."""


class Change(NamedTuple):
    """One move of a standing.

    Attributes:
        sequence, session: of the checkpoint that brought it; at: ms since 1970 UTC.
        turn: the learner's turn of that session, 0: none.
        delta: what was asked for; score: the standing after it.
    """

    sequence: int
    session: str
    turn: int
    delta: float
    score: float
    reason: str
    cause: Cause
    at: int


class Incident(NamedTuple):
    """Something that went wrong between the two. ``impact``: -1 to 0."""

    incident: str
    description: str
    impact: float
    at: int = 0
    session: str = ""
    resolved: bool = False
    resolution: str = ""


class Dealing(NamedTuple):
    """A line of the professional history."""

    type: ProfessionalKind
    description: str
    outcome: ProfessionalOutcome
    at: int = 0
    session: str = ""


class Debrief(NamedTuple):
    """A negotiation that broke off and has not been talked over."""

    session: str
    turn: int
    cause: str
    at: int


@dataclass(frozen=True, slots=True)
class OpenTasks:
    """How many tasks of one session the NPC was given that have not ended yet."""

    session: str
    count: int


@dataclass(slots=True)
class Bond:
    """What conversations left behind, beyond a number.

    Attributes:
        facts: at most 40; memories: at most 100, the oldest first.
        topics: the newest 20 that were turned to.
        incidents: the newest 20, those put right going first.
        history: professional, the newest 50.
        openness: 0 to 1, as it last was; for briefings only. None: it never mattered.
        mood: as it was left, and since when (ms since 1970 UTC).
        debrief: pending until they part in a later session.
    """

    facts: tuple[Fact, ...] = ()
    memories: tuple[Memory, ...] = ()
    topics: tuple[str, ...] = ()
    incidents: tuple[Incident, ...] = ()
    history: tuple[Dealing, ...] = ()
    openness: float | None = None
    mood: Mood = Mood.NEUTRAL
    mood_at: int = 0
    debrief: Debrief | None = None


@dataclass(slots=True)
class Relation:
    """How one NPC stands with one learner.

    Attributes:
        reputation: -0.5 to 1, as it was when they last met; see :meth:`standing`.
        begun: the standing has begun, at 0 or where the first turn said.
        because: what the checkpoint being folded was about, for the trail.
        interactions: turns, either way.
        sessions: sessions that ended between them.
        friction, reputations, tasks: messages of that family that reached the NPC.
        open: tasks it was given and that have not ended yet, by session.
        first_at, last_at: ms since 1970 UTC.
        changes: the newest 50 moves of the standing, the oldest first.
        bond: None until a conversation leaves something.
        erased: the learner was; the NPC knows nothing of it, and nothing is added any more.
    """

    reputation: float = 0.0
    begun: bool = False
    because: Cause = "told"
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
    changes: list[Change] = field(default_factory=list)
    bond: Bond | None = None
    erased: bool = False

    def copy(self) -> Relation:
        bond = None if self.bond is None else replace(self.bond)
        return replace(self, changes=self.changes.copy(), bond=bond)

    def standing(self, now: int) -> float:
        """The reputation at a time, idle weeks taken off: -0.5 to 1."""
        return faded(self.reputation, self.last_at, now)

    def mood(self, now: int) -> Mood:
        """The mood towards this learner at a time."""
        bond = self.bond
        if bond is None:
            return Mood.NEUTRAL
        return decayed(bond.mood, (now - bond.mood_at) // MINUTE_MS)

    @property
    def memories(self) -> tuple[Memory, ...]:
        """At most 100, the oldest first."""
        return () if self.bond is None else self.bond.memories

    @property
    def facts(self) -> tuple[Fact, ...]:
        """At most 40."""
        return () if self.bond is None else self.bond.facts


def _bond(state: Relation) -> Bond:
    if state.bond is None:
        state.bond = Bond()
    return state.bond


# --- the standing ----------------------------------------


def _met(state: Relation, moment: Moment) -> None:
    state.checkpoints += 1
    state.last_sequence = moment.sequence
    state.because = "told"
    at, last = moment.at, state.last_at
    if not state.first_at:
        state.first_at = at
    if at >= last:
        if at - last >= WEEK_MS and state.reputation:
            _fade(state, moment)
        state.last_at = at


def _fade(state: Relation, moment: Moment) -> None:
    left = faded(state.reputation, state.last_at, moment.at)
    delta, state.reputation = round(left - state.reputation, 6), left
    _note(state, moment, 0, delta, "weeks without meeting", "faded")


def _begin(state: Relation, base: float | None, moment: Moment) -> None:
    state.begun = True
    if base:
        state.reputation = clamped(base)
        _note(state, moment, 0, state.reputation, "where it begins", "begun")


def _note(
    state: Relation, moment: Moment, turn: int, delta: float, reason: str, cause: Cause
) -> None:
    sequence, at, writer, _ = moment
    trail = state.changes
    trail.append(Change(sequence, writer, turn, delta, state.reputation, reason[:200], cause, at))
    if len(trail) > TRAIL:
        del trail[0]


def _reputation(state: Relation, event: ReputationChanged, moment: Moment) -> None:
    if not state.begun:
        _begin(state, event.base, moment)
    delta, reason = event.delta, event.reason
    state.reputation = turned(state.reputation, delta)
    state.reputations += 1
    state.last_reason = reason
    _note(state, moment, event.turn, delta, reason, state.because)


# --- turns ----------------------------------------


def _turn(state: Relation, event: TurnTaken, moment: Moment) -> None:
    state.interactions += 1
    state.because = "turn"
    if not state.begun:
        _begin(state, event.base, moment)
    topic = event.topic
    if topic:
        bond = _bond(state)
        if not bond.topics or bond.topics[-1] != topic:
            bond.topics = ring(bond.topics, topic[:200], TOPICS)


def _answer(state: Relation, event: TurnAnswered, moment: Moment) -> None:
    state.interactions += 1


def _friction(state: Relation, event: FrictionDetected, moment: Moment) -> None:
    state.friction += 1


def _mood(state: Relation, event: MoodChanged, moment: Moment) -> None:
    bond = _bond(state)
    bond.mood, bond.mood_at = event.mood, moment.at


def _openness(state: Relation, event: OpennessChanged, moment: Moment) -> None:
    _bond(state).openness = _share(event.score)


def _collapsed(state: Relation, event: NegotiationCollapsed, moment: Moment) -> None:
    state.because = "collapse"
    _bond(state).debrief = Debrief(moment.writer, event.turn, event.cause, moment.at)


def _goal(state: Relation, event: GoalReached, moment: Moment) -> None:
    state.because = "goal"


# --- what it keeps ----------------------------------------


def _fact(state: Relation, event: FactLearned, moment: Moment) -> None:
    bond = _bond(state)
    heard = Fact(
        event.fact[:300],
        event.category,
        _share(event.confidence),
        since=moment.at,
        at=moment.at,
    )
    bond.facts = learned(bond.facts, heard)


def _arose(state: Relation, event: IncidentArose, moment: Moment) -> None:
    bond = _bond(state)
    name = event.incident[:200]
    others = [one for one in bond.incidents if one.incident != name]
    if len(others) >= INCIDENTS:
        settled = (index for index, one in enumerate(others) if one.resolved)
        del others[next(settled, 0)]
    impact = round(min(0.0, max(-1.0, event.impact)), 6)
    arisen = Incident(name, event.description[:500], impact, moment.at, moment.writer)
    bond.incidents = (*others, arisen)


def _resolved(state: Relation, event: IncidentResolved, moment: Moment) -> None:
    state.because = "repair"
    bond = _bond(state)
    name = event.incident[:200]
    bond.incidents = tuple(
        one._replace(resolved=True, resolution=event.resolution[:500])
        if name in (one.incident, one.description)
        else one
        for one in bond.incidents
    )


def _dealt(state: Relation, event: ProfessionalRecorded, moment: Moment) -> None:
    bond = _bond(state)
    line = Dealing(event.type, event.description[:500], event.outcome, moment.at, moment.writer)
    bond.history = ring(bond.history, line, HISTORY)


def _parted(state: Relation, event: NpcParted, moment: Moment) -> None:
    state.sessions += 1
    state.open = tuple(item for item in state.open if item.session != moment.writer)
    parting = event.parting
    if parting is None:
        return
    bond = _bond(state)
    if bond.debrief is not None and bond.debrief.session != moment.writer:
        bond.debrief = None
    if parting.openness is not None:
        bond.openness = _share(parting.openness)
    if parting.recalled:
        bond.memories = recalled(bond.memories, frozenset(parting.recalled))
    if parting.memory:
        kept = Memory(
            moment.sequence,
            parting.memory[:500],
            importance=_share(parting.importance),
            valence=round(min(1.0, max(-1.0, parting.valence)), 6),
            session=moment.writer,
            at=moment.at,
        )
        bond.memories = remembered(bond.memories, kept)


def _share(value: float) -> float:
    return round(min(1.0, max(0.0, value)), 6)


# --- tasks ----------------------------------------


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


def _forgotten(state: Relation, event: LearnerErased, moment: Moment) -> None:
    blank = Relation(erased=True)
    for name in Relation.__slots__:
        setattr(state, name, getattr(blank, name))


def _erased(state: Relation) -> bool:
    return state.erased


def _nothing(state: Relation, command: NpcCommand, now: int) -> Sequence[NpcEvent]:
    """A relation is never spoken to: it only folds."""
    return ()


relation: Final[Decider[Relation, NpcCommand, AnyEvent]] = Decider(
    Relation,
    _nothing,
    {
        TurnTaken: _turn,
        TurnAnswered: _answer,
        FrictionDetected: _friction,
        ReputationChanged: _reputation,
        TaskAdded: _task_given,
        TaskStarted: _task,
        TaskRouted: _task_given,
        TaskCompleted: _task_done,
        NpcParted: _parted,
        MoodChanged: _mood,
        OpennessChanged: _openness,
        NegotiationCollapsed: _collapsed,
        GoalReached: _goal,
        FactLearned: _fact,
        IncidentArose: _arose,
        IncidentResolved: _resolved,
        ProfessionalRecorded: _dealt,
        LearnerErased: _forgotten,
    },
    _met,
    _erased,
)
RELATION_STATE: Final = TypeAdapter(Relation)
