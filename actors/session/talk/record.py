"""A session read from its checkpoints: who said what, when, and what was found in it.

One law: every checkpoint is read once, in order, and whatever came of a session (its state while
it runs, its exhaust, its metrics) is told from this one reading.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from holodeck.actors.session.talk.affect import needs_scaffold
from holodeck.actors.session.talk.state import LIVE_INJECTIONS, OPENNESS_TENTHS
from holodeck.messages.conversation import (
    Affect,
    ConversationOutcome,
    ConversationTurn,
    FrictionType,
    InjectionStatus,
    PreSessionContext,
    RefractionLevel,
    Severity,
    Tier,
    severity_level,
)
from holodeck.messages.envelope import AnyEvent
from holodeck.messages.errors import RefusedError
from holodeck.messages.session import (
    FrictionDetected,
    NpcParted,
    ReputationChanged,
    SessionEnded,
    SessionForked,
    SessionPaused,
    SessionResumed,
    SessionStarted,
    TurnAnswered,
    TurnTaken,
)
from holodeck.messages.talk import (
    AffectChanged,
    ConversationClosed,
    InjectionAdvanced,
    NegotiationCollapsed,
    OpennessChanged,
    Parting,
    PronunciationHeard,
    RefractionAsked,
    RefractionAttempted,
    RefractionChosen,
    RefractionUsed,
    Stage,
)

Step = tuple[int, int, tuple[AnyEvent, ...]]
"""One checkpoint: sequence, when (ms since 1970 UTC), events."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def iso(at: int) -> str:
    """A moment as ISO 8601 in UTC, to the millisecond; ``at``: ms since 1970 UTC."""
    return (_EPOCH + timedelta(milliseconds=at)).isoformat(timespec="milliseconds")


def as_tier(tier: int) -> Tier:
    """A session without a persona has none, 0; contracts then say 1."""
    return 3 if tier == 3 else 2 if tier == 2 else 1


def recovers(
    kind: FrictionType,
    form: str,
    *,
    meaningful: bool,
    used: Collection[str] = (),
    found: Iterable[tuple[FrictionType, str]] = (),
) -> bool:
    """Whether a later turn of the same conversation shows that the learner got over a friction.

    It does where it uses the form that was missed, or where it says something and the same is
    not missed again: the same form, or the same kind where nobody could name a form. A turn
    nobody looked at shows nothing.

    Args:
        kind, form: of the friction; ``form`` may be empty.
        meaningful: the later turn was looked at and said something.
        used: forms it used correctly.
        found: kind and form of each friction in it.
    """
    if form and form in used:
        return True
    if not meaningful:
        return False
    return not any(other == form if form else type_ is kind for type_, other in found)


def meaningful(turn: TurnTaken) -> bool:
    """Whether somebody looked at a turn, and it said something."""
    return turn.analysed if turn.analysis is None else turn.analysis.meaningful


@dataclass(slots=True)
class Said:
    """One turn, of either side.

    Attributes:
        number: of the learner's turn it is, or answers; 0 opens a conversation.
        taken: the learner's turn itself; None: the NPC spoke.
        affect: how the learner was after it; None before anybody could tell, and for NPCs.
    """

    number: int
    npc: str
    text: str
    at: int
    speaking_ms: int = 0
    taken: TurnTaken | None = None
    affect: Affect | None = None

    def turn(self) -> ConversationTurn:
        return ConversationTurn(
            speaker="npc" if self.taken is None else "learner",
            content=self.text,
            timestamp=iso(self.at),
            duration_ms=self.speaking_ms,
            emotional_state=self.affect,
        )


@dataclass(slots=True)
class Struggle:
    """One friction.

    Attributes:
        index: place of the turn it was in among all turns of the session, from 0.
        npc: who it happened with; empty: nobody had been met.
        recovered: the conversation went on in spite of it.
    """

    event: FrictionDetected
    at: int
    index: int
    npc: str
    recovered: bool = False

    @property
    def level(self) -> Severity:
        return self.event.level or severity_level(self.event.severity)


@dataclass(slots=True)
class Meeting:
    """The conversation with one NPC; ``places``: of its turns among all turns of the session."""

    npc: str
    tier: int = 0
    location: str = ""
    places: list[int] = field(default_factory=list)
    heard: int = 0
    closed: ConversationOutcome | None = None
    broke_off: bool = False
    parting: Parting | None = None

    @property
    def outcome(self) -> ConversationOutcome:
        """What the NPC parted with, else what was said of it last; unsaid, it was abandoned."""
        if self.parting is not None:
            return self.parting.outcome
        if self.closed is not None:
            return self.closed
        return ConversationOutcome.NPC_ENDED if self.broke_off else ConversationOutcome.ABANDONED


@dataclass(slots=True)
class Asked:
    """One refraction; ``index``: place of the learner's last turn before it."""

    index: int
    level: RefractionLevel | None = None
    attempted: bool = False
    accuracy: float | None = None
    used: bool = False


@dataclass(slots=True)
class Openness:
    """``score``: 0 to 1; ``violations``: what each was and what it cost."""

    score: float = OPENNESS_TENTHS / 10
    violations: list[tuple[str, float]] = field(default_factory=list)
    collapsed: bool = False


_Open = dict[tuple[FrictionType, str], list[Struggle]]


@dataclass(slots=True)
class Record:
    """A session as far as it was read.

    Attributes:
        active_ms: time it was active, pauses not counted, until the last checkpoint read.
        said: every turn, in order; places: index in it, by number of the learner's turn.
        meetings: by NPC, in the order they were met.
        injections: status and NPC of each form that is due or was dealt with.
        openness: of NPCs that can break off, and of those whose openness moved.
        refractions: by number; topics: each once, in order.
    """

    started: SessionStarted | None = None
    started_at: int = 0
    ended: SessionEnded | None = None
    ended_at: int = 0
    last_at: int = 0
    said: list[Said] = field(default_factory=list)
    places: dict[int, int] = field(default_factory=dict)
    struggles: list[Struggle] = field(default_factory=list)
    meetings: dict[str, Meeting] = field(default_factory=dict)
    moved: list[tuple[ReputationChanged, int]] = field(default_factory=list)
    heard: list[PronunciationHeard] = field(default_factory=list)
    injections: dict[str, tuple[InjectionStatus, str | None]] = field(default_factory=dict)
    refractions: dict[int, Asked] = field(default_factory=dict)
    openness: dict[str, Openness] = field(default_factory=dict)
    affect: Affect | None = None
    intervention: bool = False
    npc: str = ""
    tier: int = 0
    location: str = ""
    topic: str = ""
    topics: list[str] = field(default_factory=list)
    _active_ms: int = 0
    _since: int | None = None
    _turn: TurnTaken | None = None
    _made: list[ConversationTurn] = field(default_factory=list)
    _fresh: list[Struggle] = field(default_factory=list)
    _open: dict[str, _Open] = field(default_factory=dict)

    @property
    def context(self) -> PreSessionContext | None:
        return None if self.started is None else self.started.context

    @property
    def stage(self) -> Stage | None:
        return None if self.started is None else self.started.stage

    @property
    def active_ms(self) -> int:
        if self.ended is not None:
            return self.ended.active_ms
        return self.active_until(self.last_at)

    def active_until(self, at: int) -> int:
        """Active time until ``at``, ms since 1970 UTC, if nothing happens before it."""
        running = 0 if self._since is None else max(0, at - self._since)
        return self._active_ms + running

    def turns(self, places: Iterable[int]) -> tuple[ConversationTurn, ...]:
        """Those at these places; each is made once. For a record that was read to its end."""
        made = self._made
        for place in range(len(made), len(self.said)):
            made.append(self.said[place].turn())
        return tuple(made[place] for place in places)

    def index(self, number: int) -> int:
        """Place of the learner's turn ``number`` among all turns; before the first one, 0."""
        return self.places.get(number, 0)

    def tier_of(self, npc: str) -> Tier:
        """Of the turns said to it, else as it is described; 1 in a session without a persona."""
        meeting = self.meetings.get(npc)
        tier = meeting.tier if meeting is not None else 0
        if not tier and meeting is not None and meeting.parting is not None:
            tier = meeting.parting.tier
        if not tier and self.context is not None and npc in self.context.npc_briefings:
            tier = self.context.npc_briefings[npc].tier
        return as_tier(tier)

    def began_at(self, npc: str) -> float:
        """Its standing as the session began."""
        for character in () if self.stage is None else self.stage.characters:
            if character.npc == npc:
                return character.reputation
        if self.context is not None and npc in self.context.npc_briefings:
            return self.context.npc_briefings[npc].reputation_score
        return 0.0

    # --- reading ----------------------------------------

    def read(self, at: int, events: Iterable[AnyEvent]) -> None:
        """Takes in one checkpoint."""
        if self.ended is None:
            self.last_at = at
        for event in events:
            self._read(at, event)

    def _read(self, at: int, event: AnyEvent) -> None:
        match event:
            case TurnTaken():
                self._taken(at, event)
            case TurnAnswered():
                place = len(self.said)
                speaking = event.speaking_ms or 0
                self.said.append(Said(event.turn, event.npc, event.text, at, speaking))
                self._meet(event.npc).places.append(place)
                self.npc = event.npc
            case FrictionDetected():
                self._friction(at, event)
            case ReputationChanged():
                self.moved.append((event, self.index(event.turn)))
                self._meet(event.npc)
            case AffectChanged():
                self.affect = event.state
                self.intervention = event.intervention
                place = self.index(event.turn)
                if place < len(self.said) and self.said[place].taken is not None:
                    self.said[place].affect = event.state
            case PronunciationHeard():
                self.heard.append(event)
            case InjectionAdvanced():
                # What was used once stays used.
                if self.injections.get(event.form, ("", None))[0] is not InjectionStatus.USED:
                    self.injections[event.form] = (event.status, event.npc)
            case OpennessChanged():
                openness = self.openness.setdefault(event.npc, Openness())
                openness.score = event.score
                if event.penalty > 0:
                    openness.violations.append((event.description, event.penalty))
            case NegotiationCollapsed():
                self.openness.setdefault(event.npc, Openness()).collapsed = True
                self._meet(event.npc).broke_off = True
            case RefractionAsked():
                self.refractions[event.number] = Asked(self.index(event.turn))
            case RefractionChosen():
                self._asked(event.number).level = event.level
            case RefractionAttempted():
                asked = self._asked(event.number)
                asked.attempted, asked.accuracy = True, event.result.overall_accuracy
            case RefractionUsed():
                asked = self._asked(event.number)
                asked.used, asked.level = True, event.level or asked.level
            case ConversationClosed():
                self._meet(event.npc).closed = event.outcome
            case NpcParted():
                self._meet(event.npc).parting = event.parting
            case SessionStarted():
                self._began(at, event)
            case SessionPaused():
                self._active_ms = self.active_until(at)
                self._since = None
            case SessionResumed():
                self._since = at
            case SessionEnded():
                self._active_ms = self.active_until(at)
                self._since = None
                self.ended, self.ended_at = event, at
            case SessionForked():
                self.ended, self.ended_at = None, 0
                self.last_at = self._since = at
            case _:
                pass

    def _began(self, at: int, event: SessionStarted) -> None:
        self.started, self.started_at, self._since = event, at, at
        due: list[str] = []
        if event.context is not None:
            self.tier = event.context.recommended_tier
            due = [one.target_form for one in event.context.injections]
        if event.stage is not None:
            due = [one.form for one in event.stage.injections] or due
            for character in event.stage.characters:
                if character.openness_enabled:
                    self.openness[character.npc] = Openness()
        for place, form in enumerate(dict.fromkeys(due)):
            live = place < LIVE_INJECTIONS
            self.injections[form] = (
                InjectionStatus.PENDING if live else InjectionStatus.DEFERRED,
                None,
            )

    def _taken(self, at: int, event: TurnTaken) -> None:
        self._settle()
        self._turn = event
        place = self.places[event.turn] = len(self.said)
        self.said.append(
            Said(event.turn, event.npc, event.text, at, event.speaking_ms or 0, event, self.affect)
        )
        self.intervention = False
        self.npc, self.tier = event.npc, event.tier or self.tier
        self.location = event.location or self.location
        meeting = self._meet(event.npc)
        meeting.places.append(place)
        meeting.heard += 1
        meeting.tier = event.tier or meeting.tier
        meeting.location = meeting.location or self.location
        topic = event.topic or ("" if event.analysis is None else event.analysis.topic)
        if topic:
            self.topic = topic
            if topic not in self.topics:
                self.topics.append(topic)

    def _friction(self, at: int, event: FrictionDetected) -> None:
        place = self.index(event.turn)
        npc = event.npc or (self.said[place].npc if event.turn in self.places else "")
        struggle = Struggle(event, at, place, npc)
        self.struggles.append(struggle)
        if npc:
            self._meet(npc)
        if event.consequence is not None:
            struggle.recovered = event.consequence.recovered
        if self._turn is not None and event.turn == self._turn.turn:
            self._fresh.append(struggle)
            if self.affect is not None and needs_scaffold(True, self.affect):
                self.intervention = True
        elif event.consequence is None and npc:
            self._wait(struggle)

    def _wait(self, struggle: Struggle) -> None:
        event = struggle.event
        kept = self._open.setdefault(struggle.npc, {})
        kept.setdefault((event.type, event.form), []).append(struggle)

    def _settle(self) -> None:
        """The last learner turn is over: what it shows of earlier frictions, and its own wait."""
        turn = self._turn
        if turn is None:
            return
        waiting = self._open.get(turn.npc, {})
        used = () if turn.analysis is None else turn.analysis.forms
        found = [(one.event.type, one.event.form) for one in self._fresh if one.npc == turn.npc]
        shown = [
            key
            for key in waiting
            if recovers(*key, meaningful=meaningful(turn), used=used, found=found)
        ]
        for key in shown:
            for struggle in waiting.pop(key):
                struggle.recovered = True
        for struggle in self._fresh:
            if struggle.event.consequence is None and struggle.npc:
                self._wait(struggle)
        self._turn, self._fresh = None, []

    def _meet(self, npc: str) -> Meeting:
        return self.meetings.setdefault(npc, Meeting(npc))

    def _asked(self, number: int) -> Asked:
        """One whose asking could not be read is there all the same."""
        return self.refractions.setdefault(number, Asked(max(0, len(self.said) - 1)))


def read(steps: Iterable[Step]) -> Record:
    """Reads a session's checkpoints, the first one first.

    Of a rehearsal: its parent's checkpoints up to the fork, then its own.

    Raises:
        RefusedError: ``unknown-session``, they do not hold its start.
    """
    record = Record()
    for _, at, events in steps:
        record.read(at, events)
    if record.started is None:
        raise RefusedError("unknown-session", "its start is not among the checkpoints")
    record._settle()
    return record
