"""How a conversation stands: what its checkpoints fold to beside the session's own state.

One law: what is kept is what a decision or a mind needs; every other friction, delta and text
stands in the journal.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from holodeck.actors.session.talk.scaffolds import LANDING, actions
from holodeck.messages.conversation import (
    Affect,
    ConversationOutcome,
    InjectionStatus,
    InnerAffect,
    Mood,
    PreSessionContext,
    RefractionLevel,
    Scaffold,
    Tier,
)
from holodeck.messages.talk import AnalysisKind, Character, Stage

WINDOW: Final = 5
"""Analysed turns an affect is inferred from."""
RECENT: Final = 6
CUT: Final = 500
"""Characters of a recent turn that are kept."""
MANY: Final = 64
"""Topics of a session, and goals and incidents with one NPC, that are kept."""
WORDINGS: Final = 8
"""The newest refractions whose wordings are known again when they are said."""
OPENNESS_TENTHS: Final = 7
"""How open an NPC is when a session begins, in tenths: whole numbers, so that whoever counts them
down or works them out at once comes to the same turn."""
LIVE_INJECTIONS: Final = 3
ATTEMPTS: Final = 2
"""Openings made for one form in one session, at most."""


class Sample(NamedTuple):
    """What one analysed turn showed of the learner; None: not measured.

    Attributes:
        turn: its number; frictions: how many were found in it.
        words: of all languages; l1, hedging: share of the native one, and of hedges, in them.
        repairs: how often it corrected itself.
        latency_ms: from the NPC's last word to the learner's first.
    """

    turn: int
    frictions: int = 0
    words: int = 0
    l1: float | None = None
    hedging: float | None = None
    repairs: int | None = None
    latency_ms: int | None = None


@dataclass(slots=True, unsafe_hash=True)  # not frozen: made twice a turn, and that costs thrice
class Heard:
    """One of the last turns. ``speaker``: learner or npc."""

    speaker: str
    npc: str
    text: str


@dataclass(frozen=True, slots=True)
class Injected:
    """Where a forward injection stands; ``attempts``: openings made for it in this session."""

    form: str
    status: InjectionStatus = InjectionStatus.PENDING
    attempts: int = 0
    npc: str | None = None
    npcs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refracted:
    """One refraction.

    Attributes:
        turn: the learner's last turn before it was asked for.
        asked_seq: sequence of the checkpoint that asked.
        offered: there are wordings; decided: the learner chose one, or none.
        basic, native, formal: the wordings, NFC and casefolded; once one is chosen only that.
        accuracy: of its pronunciation, 0 to 1.
    """

    number: int
    turn: int
    asked_seq: int = 0
    npc: str | None = None
    offered: bool = False
    decided: bool = False
    level: RefractionLevel | None = None
    attempted: bool = False
    accuracy: float | None = None
    used: bool = False
    basic: str = ""
    native: str = ""
    formal: str = ""

    @property
    def wording(self) -> str:
        """The chosen one; empty: none, or too long ago."""
        return "" if self.level is None else getattr(self, self.level.value)


@dataclass(slots=True)
class Standing:
    """How things are between the learner and one NPC in this session.

    Attributes:
        reputation: -0.5 to 1, clamped with every step; began: as the session began.
        mood: since ``seen_at``, ms since 1970 UTC, when one of the two spoke last; 0: never.
        openness: in tenths; warned: it has been resistant; collapsed: the NPC broke off.
        senseless: turns without meaning in a row.
        frictions: how many, by type.
        affect: the learner's after the last turn to it.
        facts: the last three that were learned; goals: reached with it.
        outcome: as somebody told it; None: nobody did.
        incidents: open ones of this session.
        resolved: what was put right, of this session or earlier.
    """

    tier: Tier = 1
    reputation: float = 0.0
    began: float = 0.0
    mood: Mood = Mood.NEUTRAL
    seen_at: int = 0
    openness: int = OPENNESS_TENTHS
    warned: bool = False
    collapsed: bool = False
    senseless: int = 0
    frictions: dict[str, int] = field(default_factory=dict)
    affect: Affect = Affect.NEUTRAL
    topics: tuple[str, ...] = ()
    goals: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()
    outcome: ConversationOutcome | None = None
    incidents: tuple[str, ...] = ()
    resolved: tuple[str, ...] = ()

    def copy(self) -> Standing:
        return replace(self, frictions=dict(self.frictions))


@dataclass(slots=True)
class Talk:
    """One conversation.

    Attributes:
        session: its id.
        context: what was carried into it; None: nobody said.
        pressure: communicative pressure, 0 to 1.
        inner, affect: the learner's state as the rule found it, and as contracts name it.
        signal: of escalation, 0 to 1; intervention: friction in the last turn, and a negative
            state.
        scaffold: level of help, 0 to 5; scaffolds: what it consists of.
        samples: of the last five analysed turns.
        standings: by NPC of the stage.
        injections: the due ones in the order of the stage; the fourth and later are deferred.
        heard: utterances whose pronunciation was looked at; comprehensibility: sum of theirs.
        issues: phonemes that were below 0.6, in the order they came up.
        incident_count: how many arose.
        spoke_at: when the NPC ``silent_npc`` said its last words, ms since 1970 UTC, while the
            learner has answered nothing; 0: nobody waits for the learner.
        spoke_seq: sequence of the checkpoint that armed the next step of the ladder; silence: its
            place in it, from 0.
    """

    session: str
    stage: Stage
    context: PreSessionContext | None = None
    analysis: AnalysisKind = AnalysisKind.NONE
    ladder: bool = False
    tier: Tier = 1
    location: str = ""
    topic: str = ""
    topics: tuple[str, ...] = ()
    pressure: float = 0.5
    inner: InnerAffect = InnerAffect.ENGAGED
    affect: Affect = Affect.NEUTRAL
    signal: float = 0.0
    intervention: bool = False
    scaffold: int = 0
    scaffolds: tuple[Scaffold, ...] = ()
    companion: bool = False
    samples: tuple[Sample, ...] = ()
    standings: dict[str, Standing] = field(default_factory=dict)
    injections: tuple[Injected, ...] = ()
    refractions: tuple[Refracted, ...] = ()
    heard: int = 0
    comprehensibility: float = 0.0
    issues: tuple[str, ...] = ()
    incident_count: int = 0
    recent: tuple[Heard, ...] = ()
    silent_npc: str = ""
    spoke_at: int = 0
    spoke_seq: int = 0
    silence: int = 0

    def copy(self) -> Talk:
        """An equal one that shares nothing changeable with this one."""
        return replace(self, standings={npc: one.copy() for npc, one in self.standings.items()})

    def character(self, npc: str) -> Character | None:
        """Who that is; None: it is of another world."""
        for one in self.stage.characters:
            if one.npc == npc:
                return one
        return None

    def refraction(self, number: int) -> Refracted | None:
        return next((one for one in reversed(self.refractions) if one.number == number), None)

    @property
    def goals(self) -> tuple[str, ...]:
        """Objectives reached, with whomever."""
        return tuple(goal for one in self.standings.values() for goal in one.goals)

    @property
    def waiting(self) -> Refracted | None:
        """The refraction somebody has still to answer, the newest one; None: there is none."""
        last = self.refractions[-1] if self.refractions else None
        return last if last is not None and not last.offered else None

    @property
    def average_comprehensibility(self) -> float | None:
        """Of all utterances so far; None before anything was heard."""
        return round(self.comprehensibility / self.heard, 6) if self.heard else None


def begun(
    session: str,
    stage: Stage,
    context: PreSessionContext | None,
    analysis: AnalysisKind,
    ladder: bool,
) -> Talk:
    """A conversation before anything was said in it."""
    tier = stage.characters[0].tier if stage.characters else 1
    level = LANDING if stage.landing else 0
    return Talk(
        session=session,
        stage=stage,
        context=context,
        analysis=stage.analysis if analysis is AnalysisKind.NONE else analysis,
        ladder=ladder or stage.ladder,
        tier=tier,
        pressure=stage.pressure,
        scaffold=level,
        scaffolds=actions(tier, level),
        standings={
            one.npc: Standing(
                tier=one.tier, reputation=one.reputation, began=one.reputation, mood=one.mood
            )
            for one in stage.characters
        },
        injections=tuple(
            Injected(
                due.form,
                InjectionStatus.PENDING if place < LIVE_INJECTIONS else InjectionStatus.DEFERRED,
                npcs=due.npcs,
            )
            for place, due in enumerate({due.form: due for due in stage.injections}.values())
        ),
    )
