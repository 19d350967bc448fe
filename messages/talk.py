"""What is said in a conversation session beyond the plain turn: analysis, refraction, memory.

One law: whatever a turn was found to be comes in with the command, so that deciding it needs no
word list, no model and no clock.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from holodeck.messages.base import Event, Message, Millis, Share, Text
from holodeck.messages.conversation import (
    Affect,
    AnyFrictionType,
    Cefr,
    Consequence,
    ContextLearner,
    ConversationOutcome,
    Count,
    FactCategory,
    Form,
    ForwardInjectionSpec,
    InjectionStatus,
    InnerAffect,
    Mood,
    Name,
    NPCBriefing,
    OpennessState,
    PhonemeResult,
    ProfessionalKind,
    ProfessionalOutcome,
    PronunciationResult,
    RefractionLevel,
    RefractionRequest,
    RefractionResponse,
    RefractionTrigger,
    RegisterClass,
    RegisterViolation,
    Scaffold,
    Score,
    Sentence,
    SilenceStep,
    Tier,
    severity_number,
)
from holodeck.messages.ids import LearnerId, NpcId
from holodeck.messages.player import SafetyFinding, TherapeuticSettings

Severe = Annotated[float, BeforeValidator(severity_number), Field(ge=0, le=1, allow_inf_nan=False)]
"""0 to 1, or a level's name (then the middle of its quarter)."""


class FrictionFinding(Message):
    """One moment of struggle somebody found in a turn.

    Attributes:
        type: one of the six, or an alias such as ``vocabulary``.
        severity: 0 to 1, or a level; below .25 low, .5 medium, .75 high, above critical.
        form: the target form or rule that was missed; said: what was said instead.
        consequence: what it did to the conversation, where somebody can tell.
    """

    type: AnyFrictionType
    severity: Severe = 0.5
    detail: Sentence = ""
    form: Annotated[str, Field(max_length=200)] = ""
    said: Annotated[str, Field(max_length=200)] = ""
    consequence: Consequence | None = None


# --- what a turn was found to be ----------------------------------------


class AnalysisKind(StrEnum):
    """Who looks at a turn before it is decided: nobody (the caller says what it found), the
    persona's word lists, or a model."""

    NONE = "none"
    OFFLINE = "offline"
    MODEL = "model"


class FactHeard(Message):
    """Something the learner said of itself that the NPC keeps."""

    fact: Annotated[str, Field(min_length=1, max_length=300)]
    category: FactCategory = FactCategory.PERSONAL
    confidence: Share = 0.7


class TurnAnalysis(Message):
    """What was found in one utterance.

    Attributes:
        l1_words, l2_words, other_words: how many words of each language; ``other`` is in neither
            list.
        unique_words: distinct words of the target language.
        level: how formal it was; aligned: whether that fits the NPC; violation: how it does not.
        frictions: what was found; where the command says its own, those count.
        forms: target forms used correctly.
        comprehensibility: 0 to 1, chance that a native understands without effort.
        meaningful: whether it said anything; aggressive: whether in anger.
        hedges, repairs: how often it hedged, how often it corrected itself.
        topic: the vocabulary domain it was about.
        reached: objectives of the NPC it was said to that were reached by it.
        source: who looked.
    """

    l1_words: Count = 0
    l2_words: Count = 0
    other_words: Count = 0
    unique_words: Count = 0
    level: RegisterClass | None = None
    aligned: bool | None = None
    violation: RegisterViolation | None = None
    frictions: Annotated[tuple[FrictionFinding, ...], Field(max_length=16)] = ()
    forms: Annotated[tuple[Form, ...], Field(max_length=16)] = ()
    comprehensibility: Share | None = None
    meaningful: bool = True
    aggressive: bool = False
    hedges: Count = 0
    repairs: Count = 0
    topic: Name = ""
    facts: Annotated[tuple[FactHeard, ...], Field(max_length=4)] = ()
    reached: Annotated[tuple[Name, ...], Field(max_length=4)] = ()
    source: Literal["caller", "offline", "model"] = "caller"


class Signals(Message):
    """What the client measured of a turn.

    Attributes:
        latency_ms: from the end of the NPC's words to the learner's first.
        pause_ms: the mean pause inside it.
        avoided: the learner turned away from the topic.
    """

    latency_ms: Millis | None = None
    pause_ms: Millis | None = None
    avoided: bool = False


class Heard(Message):
    """What a pronunciation engine made of a turn."""

    comprehensibility: Share
    target_phrase: Sentence = ""
    phonemes: Annotated[tuple[PhonemeResult, ...], Field(max_length=64)] = ()


# --- who takes part, in numbers ----------------------------------------


class Traits(Message):
    """Big Five, each 0 to 1."""

    openness: Share = 0.5
    conscientiousness: Share = 0.5
    extraversion: Share = 0.5
    agreeableness: Share = 0.5
    neuroticism: Share = 0.5


class Culture(Message):
    """Each 0 to 1."""

    communicative_directness: Share = 0.5
    formality_default: Share = 0.5
    power_distance_sensitivity: Share = 0.5
    emotional_expressiveness: Share = 0.5


class Character(Message):
    """An NPC as the rules of a turn need it.

    Attributes:
        patience: 0 to 1.
        register_level: how formal the learner is expected to be.
        openness_enabled: whether it can break a negotiation off.
        reputation, mood: as the session begins.
        objectives: what can be reached with it.
        memories: numbers of what it was reminded of for this session, as in :class:`NpcBrief`.
    """

    npc: NpcId
    name: Name = ""
    tier: Tier = 1
    traits: Traits = Traits()
    culture: Culture = Culture()
    patience: Share = 0.5
    register_level: RegisterClass = RegisterClass.NEUTRAL
    openness_enabled: bool = False
    reputation: Score = 0.0
    mood: Mood = Mood.NEUTRAL
    objectives: Annotated[tuple[Name, ...], Field(max_length=8)] = ()
    memories: Annotated[tuple[Count, ...], Field(max_length=20)] = ()


class Baseline(Message):
    """What is usual for the learner: means of its turns. The defaults are population norms."""

    latency_ms: Annotated[float, Field(gt=0, le=3_600_000, allow_inf_nan=False)] = 2000.0
    l1: Share = 0.10
    hedging: Share = 0.05
    repair: Share = 0.10
    pause_ms: Annotated[float, Field(ge=0, le=3_600_000, allow_inf_nan=False)] = 500.0
    avoidance: Share = 0.02


class DueInjection(Message):
    """A forward injection to be executed in this session."""

    form: Form
    type: AnyFrictionType
    method: Sentence = ""
    naturality: Sentence = ""
    npcs: Annotated[tuple[NpcId, ...], Field(max_length=32)] = ()
    attempts: Count = 0


class Stage(Message):
    """What the micro-loop of a session needs to know, fixed when it starts.

    Attributes:
        native, target: languages.
        pressure: communicative pressure it begins with, 0 to 1.
        tier3_sessions: negotiations the learner had before; the first is capped at 0.7.
        limit_ms: active time it may take, 0 none; inactivity_ms: silence that ends it, 0 none.
        ladder: whether silence is answered by deadline.
        locations: where one can be; empty: anywhere.
        landing: soft landing is on.
    """

    native: Annotated[str, Field(max_length=20)] = ""
    target: Annotated[str, Field(max_length=20)] = ""
    cefr: Cefr = Cefr.A1
    characters: Annotated[tuple[Character, ...], Field(max_length=32)] = ()
    baseline: Baseline = Baseline()
    injections: Annotated[tuple[DueInjection, ...], Field(max_length=5)] = ()
    pressure: Share = 0.5
    tier3_sessions: Count = 0
    limit_ms: Millis = 0
    inactivity_ms: Millis = 0
    ladder: bool = False
    locations: Annotated[tuple[Name, ...], Field(max_length=64)] = ()
    landing: bool = False
    analysis: AnalysisKind = AnalysisKind.NONE


# --- briefings, asked for before a start ----------------------------------------


class BriefLearner(Message):
    """Asks a learner actor what a session has to know of the learner.

    Attributes:
        at: now, ms since 1970 UTC.
        persona: whose world it will be in.
    """

    kind: Literal["brief-learner"] = "brief-learner"
    at: Millis
    persona: Name = ""
    after: Annotated[int, Field(ge=0)] = 0


class LearnerBrief(Message):
    """``injections``: due ones of that world, at most three; ``reached``: objectives already
    reached there; ``preferred_minutes``: None: the learner never said; ``settings``: how it wants
    sessions to be led, None: it has no profile as a player."""

    learner: ContextLearner
    baseline: Baseline = Baseline()
    injections: Annotated[tuple[ForwardInjectionSpec, ...], Field(max_length=5)] = ()
    attempts: Annotated[tuple[Count, ...], Field(max_length=5)] = ()
    recommended_tier: Tier = 1
    reached: Annotated[tuple[Name, ...], Field(max_length=64)] = ()
    pressure: Share = 0.5
    tier3_sessions: Count = 0
    landing: bool = False
    preferred_minutes: Annotated[float, Field(gt=0, le=1440)] | None = None
    settings: TherapeuticSettings | None = None


class BriefNpc(Message):
    """Asks an NPC what it knows of a learner.

    Attributes:
        at: now, ms since 1970 UTC: idle weeks fade a standing.
        cue: what the memories are recalled by.
        recall: how many memories.
    """

    kind: Literal["brief-npc"] = "brief-npc"
    learner: LearnerId
    at: Millis
    cue: Annotated[str, Field(max_length=2000)] = ""
    recall: Annotated[int, Field(ge=0, le=20)] = 5
    after: Annotated[int, Field(ge=0)] = 0


class NpcBrief(Message):
    """``briefing``: what the persona says of the NPC is filled in by whoever asked.

    Attributes:
        met: their standing has begun; else it begins where the persona says.
        recalled: numbers of the memories in the briefing, in its order: each is the sequence of
            the checkpoint it came from.
    """

    briefing: NPCBriefing
    mood: Mood = Mood.NEUTRAL
    interactions: Count = 0
    sessions: Count = 0
    met: bool = False
    recalled: Annotated[tuple[Count, ...], Field(max_length=20)] = ()


# --- commands ----------------------------------------


class AskRefraction(Message):
    """The learner wants to say something and asks how. A session's mind answers, or whoever sends
    ``offer-refraction``. ``safety``: as in :class:`~holodeck.messages.session.TakeTurn`."""

    kind: Literal["ask-refraction"] = "ask-refraction"
    number: Annotated[int, Field(ge=1, le=1000)]
    text: Text
    npc: NpcId | None = None
    trigger: RefractionTrigger = RefractionTrigger.USER
    safety: SafetyFinding | None = None


class OfferRefraction(Message):
    """Three wordings of what was asked for."""

    kind: Literal["offer-refraction"] = "offer-refraction"
    number: Annotated[int, Field(ge=1, le=1000)]
    response: RefractionResponse


class ChooseRefraction(Message):
    """``level``: None: none of them, back to the conversation."""

    kind: Literal["choose-refraction"] = "choose-refraction"
    number: Annotated[int, Field(ge=1, le=1000)]
    level: RefractionLevel | None = None
    dwell_ms: Millis = 0


class RecordAttempt(Message):
    """How a chosen wording was pronounced."""

    kind: Literal["record-attempt"] = "record-attempt"
    number: Annotated[int, Field(ge=1, le=1000)]
    result: PronunciationResult


class RememberFact(Message):
    kind: Literal["remember-fact"] = "remember-fact"
    npc: NpcId
    fact: FactHeard


class ReachGoal(Message):
    """An objective was reached; earns +0.10 once."""

    kind: Literal["reach-goal"] = "reach-goal"
    npc: NpcId
    objective: Annotated[str, Field(min_length=1, max_length=200)]


class CloseConversation(Message):
    """How the conversation with one NPC came out; the last word counts."""

    kind: Literal["close-conversation"] = "close-conversation"
    npc: NpcId
    outcome: ConversationOutcome


class ResolveIncident(Message):
    """Something that stood between learner and NPC was put right; earns +0.10."""

    kind: Literal["resolve-incident"] = "resolve-incident"
    npc: NpcId
    incident: Annotated[str, Field(min_length=1, max_length=200)]
    resolution: Sentence = ""


class RecordProfessional(Message):
    """A line of the professional history a tier 3 NPC keeps."""

    kind: Literal["record-professional"] = "record-professional"
    npc: NpcId
    type: ProfessionalKind
    description: Annotated[str, Field(min_length=1, max_length=500)]
    outcome: ProfessionalOutcome = ProfessionalOutcome.NEUTRAL


# --- events ----------------------------------------


class AffectChanged(Event):
    """The learner's state after a turn, where it or the pressure moved.

    Attributes:
        inner: the finer state the rule found; pressure: after it, 0 to 1.
        signal: 0 to 1; from 0.7 on a frustrated or overwhelmed learner gets help.
        intervention: friction in the turn and a negative state.
        reasons: the signals that led to it, such as ``latency above-baseline 2.4``.
    """

    kind: Literal["affect.changed"] = "affect.changed"
    turn: int
    state: Affect
    inner: InnerAffect
    pressure: float
    signal: float = 0.0
    intervention: bool = False
    reasons: tuple[str, ...] = ()


class ScaffoldingEscalated(Event):
    """``level``: 1 to 5, 0 back to none; ``before``: the level until now."""

    kind: Literal["scaffolding.escalated"] = "scaffolding.escalated"
    turn: int
    level: int
    before: int
    actions: tuple[Scaffold, ...] = ()
    trigger: InnerAffect
    companion: bool = False


class OpennessChanged(Event):
    """``score``: 0 to 1 after it; ``warning``: it has just become resistant."""

    kind: Literal["openness.changed"] = "openness.changed"
    npc: NpcId
    turn: int
    score: float
    penalty: float
    state: OpennessState
    description: str = ""
    warning: bool = False


class NegotiationCollapsed(Event):
    """The NPC broke off. A debrief is pending until the learner's next session."""

    kind: Literal["negotiation.collapsed"] = "negotiation.collapsed"
    npc: NpcId
    turn: int
    cause: Literal["openness", "cultural-breach", "no-meaning", "aggression", "l1-fallback"]


class MoodChanged(Event):
    kind: Literal["mood.changed"] = "mood.changed"
    npc: NpcId
    turn: int
    mood: Mood
    before: Mood
    trigger: str


class InjectionAdvanced(Event):
    kind: Literal["injection.advanced"] = "injection.advanced"
    form: str
    status: InjectionStatus
    npc: NpcId | None = None
    turn: int = 0


class PronunciationHeard(Event):
    """``issues``: phonemes below 0.6."""

    kind: Literal["pronunciation.heard"] = "pronunciation.heard"
    turn: int
    comprehensibility: float
    target_phrase: str = ""
    phonemes: tuple[PhonemeResult, ...] = ()
    issues: tuple[str, ...] = ()


class RefractionAsked(Event):
    """``turn``: the learner's last turn before it."""

    kind: Literal["refraction.asked"] = "refraction.asked"
    number: int
    turn: int
    request: RefractionRequest
    npc: NpcId | None = None


class RefractionOffered(Event):
    kind: Literal["refraction.offered"] = "refraction.offered"
    number: int
    response: RefractionResponse


class RefractionChosen(Event):
    kind: Literal["refraction.chosen"] = "refraction.chosen"
    number: int
    level: RefractionLevel | None = None
    dwell_ms: int = 0


class RefractionAttempted(Event):
    kind: Literal["refraction.attempted"] = "refraction.attempted"
    number: int
    result: PronunciationResult


class RefractionUsed(Event):
    """A chosen wording was said in a turn."""

    kind: Literal["refraction.used"] = "refraction.used"
    number: int
    turn: int
    level: RefractionLevel | None = None


class FactLearned(Event):
    kind: Literal["fact.learned"] = "fact.learned"
    npc: NpcId
    fact: str
    category: FactCategory = FactCategory.PERSONAL
    confidence: float = 0.7
    turn: int = 0


class IncidentArose(Event):
    """A tier 2 conversation went wrong in a way that stays. ``impact``: -1 to 0."""

    kind: Literal["incident.arose"] = "incident.arose"
    npc: NpcId
    incident: str
    description: str
    impact: float
    turn: int = 0


class IncidentResolved(Event):
    kind: Literal["incident.resolved"] = "incident.resolved"
    npc: NpcId
    incident: str
    resolution: str = ""


class ProfessionalRecorded(Event):
    kind: Literal["professional.recorded"] = "professional.recorded"
    npc: NpcId
    type: ProfessionalKind
    description: str
    outcome: ProfessionalOutcome
    turn: int = 0


class GoalReached(Event):
    kind: Literal["goal.reached"] = "goal.reached"
    npc: NpcId
    objective: str
    turn: int = 0


class ConversationClosed(Event):
    kind: Literal["conversation.closed"] = "conversation.closed"
    npc: NpcId
    outcome: ConversationOutcome


class SilenceNoticed(Event):
    """The learner has said nothing for ``after_ms`` since the NPC's last words."""

    kind: Literal["silence.noticed"] = "silence.noticed"
    turn: int
    step: SilenceStep
    after_ms: int
    npc: NpcId | None = None


class Parting(Event):
    """What an NPC keeps of a conversation that has ended.

    Attributes:
        memory: in a sentence or two; valence: -1 to 1; importance: 0 to 1.
        openness: of a tier 3 NPC, as it was at the end.
        recalled: memories it was reminded of for it, as in :class:`NpcBrief`.
    """

    outcome: ConversationOutcome = ConversationOutcome.ABANDONED
    tier: Tier = 1
    memory: str = ""
    valence: float = 0.0
    importance: float = 0.6
    openness: float | None = None
    recalled: tuple[int, ...] = ()
