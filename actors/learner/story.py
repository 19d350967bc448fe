"""What is kept of a session until it has been evaluated, and what evaluating it brings forth.

One law: plain values that fold from checkpoints; the loop reads nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from holodeck.messages.conversation import (
    Coordinates,
    ForwardInjectionSpec,
    FrictionType,
    InjectionStatus,
    InterlanguageUpdate,
    MicroCurriculum,
    SessionMetrics,
    Tier,
)
from holodeck.messages.learner import LanguageRule, PhaseDone
from holodeck.messages.talk import Baseline


@dataclass(frozen=True, slots=True)
class FrictionPoint:
    """One friction of one session.

    Attributes:
        id: ``<session>-fp-<n>``, n from 1.
        form: the target rule or form, empty if nobody could name it; said: what was said instead.
        recovered: the conversation went on in spite of it.
        at: ms since 1970 UTC.
    """

    id: str
    session: str
    type: FrictionType
    severity: float
    form: str = ""
    said: str = ""
    turn: int = 0
    npc: str = ""
    tier: int = 1
    recovered: bool = False
    at: int = 0

    @property
    def key(self) -> str:
        """What recurrence goes by: the rule, else what was said."""
        return self.form or self.said


@dataclass(slots=True)
class Story:
    """One session of the learner, as far as it has come.

    Attributes:
        l1_words, l2_words, other_words: of all analysed turns; unique_words: the mean over turns
            is ``unique_words / analysed``.
        l1_tier1, words_tier1: those of tier 1 turns, for the code-switch ratio.
        spoken_ms, spoken_words: of turns whose speaking time is known.
        judged, fitting: turns whose register was judged, and those of them that fitted (tier 3:
            ``judged3``, ``fitting3``).
        scores, scored: sum and number of comprehensibility scores.
        latency_ms, latencies: sum and number; hedges, repairs, avoided: over analysed turns.
        l1_turns: analysed turns with a word of the native language.
        forms: correct uses, by form; tiers: learner turns, by tier; npcs: tier by NPC met.
        outcomes: how the conversation with an NPC came out, where it was said.
        injections: where each stands; reached: objectives.
        bad_affect: the learner was anxious or overwhelmed at some time; affects: changes by state.
        phonemes: sum and number of accuracies, by phoneme.
        reputation: sum of its changes, by NPC.
        collapsed: NPCs that broke off.
    """

    session: str
    persona: str = ""
    started_at: int = 0
    ended_at: int = 0
    active_ms: int = 0
    turns: int = 0
    analysed: int = 0
    l1_words: int = 0
    l2_words: int = 0
    other_words: int = 0
    unique_words: int = 0
    l1_tier1: int = 0
    words_tier1: int = 0
    spoken_ms: int = 0
    spoken_words: int = 0
    judged: int = 0
    fitting: int = 0
    judged3: int = 0
    fitting3: int = 0
    scores: float = 0.0
    scored: int = 0
    latency_ms: int = 0
    latencies: int = 0
    pause_ms: int = 0
    pauses: int = 0
    hedges: int = 0
    repairs: int = 0
    avoided: int = 0
    l1_turns: int = 0
    points: tuple[FrictionPoint, ...] = ()
    frictions: int = 0
    recovered: int = 0
    forms: dict[str, int] = field(default_factory=dict)
    tiers: dict[int, int] = field(default_factory=dict)
    npcs: dict[str, int] = field(default_factory=dict)
    outcomes: dict[str, str] = field(default_factory=dict)
    injections: dict[str, InjectionStatus] = field(default_factory=dict)
    reached: tuple[str, ...] = ()
    bad_affect: bool = False
    affects: dict[str, int] = field(default_factory=dict)
    phonemes: dict[str, tuple[float, int]] = field(default_factory=dict)
    reputation: dict[str, float] = field(default_factory=dict)
    collapsed: tuple[str, ...] = ()

    def copy(self) -> Story:
        """An equal story that shares nothing changeable."""
        return replace(
            self,
            forms=dict(self.forms),
            tiers=dict(self.tiers),
            npcs=dict(self.npcs),
            outcomes=dict(self.outcomes),
            injections=dict(self.injections),
            affects=dict(self.affects),
            phonemes=dict(self.phonemes),
            reputation=dict(self.reputation),
        )


@dataclass(frozen=True, slots=True)
class Pending:
    """A forward injection that waits for its sessions; ``attempts``: sessions that tried."""

    spec: ForwardInjectionSpec
    persona: str = ""
    attempts: int = 0
    since: int = 0


@dataclass(frozen=True, slots=True)
class Known:
    """What the loop is told of the learner beside the story.

    Attributes:
        number: of this session, from 1.
        history: the newest 100 friction points of earlier sessions, the oldest first.
        rates: friction rates of the last sessions, the newest last.
        completion: task completion rates of the last sessions, the newest last.
    """

    number: int = 1
    history: tuple[FrictionPoint, ...] = ()
    rules: dict[str, LanguageRule] = field(default_factory=dict)
    injections: tuple[Pending, ...] = ()
    coordinates: Coordinates = field(default_factory=Coordinates)
    baseline: Baseline = field(default_factory=Baseline)
    rates: tuple[float, ...] = ()
    completion: tuple[float, ...] = ()
    tier: Tier = 1
    lesson_completion: float = 0.0
    weekly_sessions: float = 0.0
    landing: bool = False
    bad_affect_sessions: int = 0


@dataclass(frozen=True, slots=True)
class LoopResult:
    """What evaluating a session came to.

    Attributes:
        rules: those that changed, by form.
        planned: new injections, and deferred ones that were met anew: pending or deferred, tried
            in no session yet.
        settled: ``(form, status, attempts)`` of each old one where either changed: resolved and
            expired are over; pending (also: no longer deferred), injected and deferred stay, with
            that status and as many attempts. Those that are over come first.
        landing: as it was known; the loop does not judge it.
    """

    phases: tuple[PhaseDone, ...]
    metrics: SessionMetrics
    interlanguage: InterlanguageUpdate
    coordinates: Coordinates
    recommended_tier: Tier
    baseline: Baseline
    rules: dict[str, LanguageRule]
    curriculum: MicroCurriculum | None = None
    planned: tuple[ForwardInjectionSpec, ...] = ()
    settled: tuple[tuple[str, str, int], ...] = ()
    l1_share: float | None = None
    landing: bool = False
