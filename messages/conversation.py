"""What a conversation session knows before, while and after it is held, and what stays.

One law: the field names are the users' own. In Python they are snake_case; in JSON for the outside
they are camelCase, and both are taken. Times are ISO 8601 with a zone, durations say their unit.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from holodeck.messages.base import Message, Millis, Reason, Share, Text
from holodeck.messages.ids import LearnerId, NpcId, SessionId


def _time(value: str) -> str:
    try:
        told = datetime.fromisoformat(value)
    except ValueError as error:
        raise ValueError("must be a time as ISO 8601 says it") from error
    if told.tzinfo is None:
        raise ValueError("must say its time zone")
    return value


Time = Annotated[str, Field(max_length=40), AfterValidator(_time)]
"""A moment as ISO 8601 with a zone, such as 2026-01-01T09:30:00+00:00."""
Tier = Literal[1, 2, 3]
"""1 companion, 2 immersion, 3 negotiation: kinds of social setting, not difficulty."""
Form = Annotated[str, Field(min_length=1, max_length=200)]
"""A target form or rule, as its author names it."""
Sentence = Annotated[str, Field(max_length=500)]
Name = Annotated[str, Field(max_length=200)]
Signed = Annotated[float, Field(ge=-1.0, le=1.0, allow_inf_nan=False)]
Score = Annotated[float, Field(ge=-0.5, le=1.0, allow_inf_nan=False)]
"""A standing, -0.5 to 1."""
Count = Annotated[int, Field(ge=0, le=2**53)]
Amount = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$", max_length=20)]
"""A language tag: ``es``, ``pt-BR``; up to 20 characters."""


class Contract(Message):
    """Frozen and closed; takes snake_case and camelCase, gives either."""

    model_config = ConfigDict(
        alias_generator=to_camel, validate_by_name=True, validate_by_alias=True
    )

    def outside(self) -> dict[str, Any]:
        """As JSON for the outside: camelCase, what is not there left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


# --- words ----------------------------------------


class FrictionType(StrEnum):
    """The six canonical kinds of friction; any moment the learner visibly struggles."""

    LEXICAL = "lexical"
    MORPHOSYNTACTIC = "morphosyntactic"
    PHONEMIC = "phonemic"
    REGISTER = "register"
    PRAGMATIC = "pragmatic"
    CULTURAL = "cultural"


FRICTION_ALIASES: Final[Mapping[str, FrictionType]] = {
    "vocabulary": FrictionType.LEXICAL,
    "lexical_gap": FrictionType.LEXICAL,
    "grammar": FrictionType.MORPHOSYNTACTIC,
    "morphosyntactic_error": FrictionType.MORPHOSYNTACTIC,
    "phonetic": FrictionType.PHONEMIC,
    "phonemic_error": FrictionType.PHONEMIC,
    "register_mismatch": FrictionType.REGISTER,
    "pragmatic_failure": FrictionType.PRAGMATIC,
    "cultural_violation": FrictionType.CULTURAL,
}
"""Other vocabularies' names for the six."""


def friction_type(value: Any) -> Any:
    """The canonical kind an alias stands for; anything else as it is."""
    return FRICTION_ALIASES.get(value, value) if isinstance(value, str) else value


AnyFrictionType = Annotated[FrictionType, BeforeValidator(friction_type)]
"""A kind of friction under any of its names."""


class Severity(StrEnum):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


MIDPOINTS: Final[Mapping[str, float]] = {
    "low": 0.125,
    "medium": 0.375,
    "high": 0.625,
    "critical": 0.875,
}


def severity_level(severity: float) -> Severity:
    """Below .25 low, below .5 medium, below .75 high, else critical."""
    if severity < 0.25:
        return Severity.LOW
    if severity < 0.5:
        return Severity.MEDIUM
    return Severity.HIGH if severity < 0.75 else Severity.CRITICAL


def severity_number(value: Any) -> Any:
    """A level's midpoint; anything else as it is."""
    return MIDPOINTS.get(value, value) if isinstance(value, str) else value


class Affect(StrEnum):
    """The learner's emotional state as contracts name it."""

    CONFIDENT = "confident"
    ENGAGED = "engaged"
    NEUTRAL = "neutral"
    UNCERTAIN = "uncertain"
    FRUSTRATED = "frustrated"
    ANXIOUS = "anxious"
    WITHDRAWN = "withdrawn"


class InnerAffect(StrEnum):
    """The nine states the rule infers; ``amused`` only a caller can tell."""

    CONFIDENT = "confident"
    ENGAGED = "engaged"
    UNCERTAIN = "uncertain"
    FRUSTRATED = "frustrated"
    ANXIOUS = "anxious"
    DISENGAGED = "disengaged"
    AMUSED = "amused"
    DETERMINED = "determined"
    OVERWHELMED = "overwhelmed"


class Cefr(StrEnum):
    A1 = "A1"
    A2 = "A2"
    B1 = "B1"
    B2 = "B2"
    C1 = "C1"
    C2 = "C2"


class Trajectory(StrEnum):
    """Where the mix of languages goes."""

    ADVANCING = "advancing"
    STALLED = "stalled"
    REGRESSING = "regressing"


class Trend(StrEnum):
    INCREASING = "increasing"
    STABLE = "stable"
    DECREASING = "decreasing"


class VocabularyPriority(StrEnum):
    CRITICAL = "critical"
    IMPORTANT = "important"
    SUPPLEMENTARY = "supplementary"


class InjectionStatus(StrEnum):
    """Inside one session."""

    PENDING = "pending"
    OPPORTUNITY = "opportunity-created"
    USED = "learner-used"
    DEFERRED = "deferred"


class SpecStatus(StrEnum):
    """Across sessions."""

    PENDING = "pending"
    INJECTED = "injected"
    DEFERRED = "deferred"
    EXPIRED = "expired"
    RESOLVED = "resolved"


class RefractionLevel(StrEnum):
    BASIC = "basic"
    NATIVE = "native"
    FORMAL = "formal"


class RefractionTrigger(StrEnum):
    USER = "user-initiated"
    SYSTEM = "system-detected"


class Risk(StrEnum):
    ZERO = "zero"
    LOW = "low"
    CONTEXT = "context-dependent"
    HIGH = "high"


class RegisterClass(StrEnum):
    INFORMAL = "informal"
    NEUTRAL = "neutral"
    FORMAL = "formal"
    TECHNICAL = "technical"
    MIXED = "mixed"


class RegisterViolation(StrEnum):
    TOO_INFORMAL = "too-informal"
    TOO_FORMAL = "too-formal"
    SPEECH_ACT = "wrong-speech-act"
    POLITENESS = "missing-politeness"
    ADDRESS = "incorrect-address"


class RetentionStyle(StrEnum):
    GAMIFIED = "gamified-coercion"
    ORGANIC = "organic-social"
    URGENCY = "professional-urgency"
    MASTERY = "intrinsic-mastery"
    ACCOUNTABILITY = "social-accountability"


class CurriculumFormat(StrEnum):
    SLIDESHOW = "interactive-slideshow"
    VIDEO = "ai-video-dialogue"
    CARDS = "spaced-repetition-cards"
    PODCAST = "audio-podcast"
    DEBRIEF = "conversational-debrief"
    SUMMARY = "notebook-summary"


CURRICULUM_ALIASES: Final[Mapping[str, CurriculumFormat]] = {
    "slideshow": CurriculumFormat.SLIDESHOW,
    "video": CurriculumFormat.VIDEO,
    "flashcards": CurriculumFormat.CARDS,
    "podcast": CurriculumFormat.PODCAST,
    "debrief": CurriculumFormat.DEBRIEF,
    "summary": CurriculumFormat.SUMMARY,
}


def _format(value: Any) -> Any:
    return CURRICULUM_ALIASES.get(value, value) if isinstance(value, str) else value


AnyFormat = Annotated[CurriculumFormat, BeforeValidator(_format)]
"""A curriculum format under any of its names."""


class Priority(StrEnum):
    IMMEDIATE = "immediate"
    SOON = "soon"
    REINFORCEMENT = "reinforcement"


class ExerciseType(StrEnum):
    FILL_BLANK = "fill-blank"
    REORDER = "reorder"
    CHOICE = "multiple-choice"
    PRODUCTION = "free-production"
    PRONUNCIATION = "pronunciation"
    REGISTER = "register-selection"


class Consequence(StrEnum):
    """What a friction did to the conversation; the first three count as recovered."""

    DESPITE = "communication-succeeded-despite-friction"
    PARTIAL = "communication-partially-succeeded"
    NPC_HELPED = "communication-failed-npc-helped"
    ABANDONED = "communication-failed-topic-abandoned"
    ENDED = "communication-failed-interaction-ended"
    SOCIAL = "social-friction-event-created"
    WEAKENED = "negotiation-position-weakened"
    COLLAPSED = "negotiation-collapsed"

    @property
    def recovered(self) -> bool:
        return self in (Consequence.DESPITE, Consequence.PARTIAL, Consequence.NPC_HELPED)


class ConversationOutcome(StrEnum):
    COMPLETED = "completed-successfully"
    FRICTION = "friction-event"
    ABANDONED = "abandoned"
    NPC_ENDED = "npc-ended"


class ProfessionalKind(StrEnum):
    PROPOSAL = "proposal"
    COMMITMENT = "commitment"
    NEGOTIATION = "negotiation-outcome"
    VIOLATION = "register-violation"


class ProfessionalOutcome(StrEnum):
    POSITIVE = "positive"
    NEUTRAL = "neutral"
    NEGATIVE = "negative"


class FactCategory(StrEnum):
    PERSONAL = "personal"
    PROFESSIONAL = "professional"
    PREFERENCE = "preference"
    EVENT = "event"
    COMMITMENT = "commitment"


class TriggerType(StrEnum):
    NPC_MESSAGE = "npc-message"
    CHECK_IN = "companion-check-in"
    PREVIEW = "scenario-preview"
    ACHIEVEMENT = "achievement-alert"
    STREAK = "streak-reminder"
    DEADLINE = "deadline-countdown"
    CHALLENGE = "challenge-unlock"
    PEER = "peer-update"
    CURRICULUM = "curriculum-ready"
    DRILL = "pronunciation-drill"


class TriggerStatus(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    ENGAGED = "engaged"
    DISMISSED = "dismissed"
    EXPIRED = "expired"


class RuleTrajectory(StrEnum):
    """``fluctuating`` is the learning frontier."""

    ACQUIRING = "acquiring"
    CORRECT = "stable-correct"
    INCORRECT = "stable-incorrect"
    REGRESSING = "regressing"
    FLUCTUATING = "fluctuating"


class Scaffold(StrEnum):
    """What eases a turn."""

    REDUCE_L2 = "reduce-l2-ratio"
    CHECK_IN = "offer-companion-check-in"
    SIMPLIFY = "simplify-npc-register"
    PATIENCE = "increase-npc-patience"
    HINT = "provide-vocabulary-hint"
    TOPIC = "reduce-topic-complexity"
    BREAK = "offer-session-break"
    REFRACTION = "activate-refraction-helper"


class SilenceStep(StrEnum):
    """What happens when the learner says nothing, in the order of each tier's ladder."""

    WAIT = "wait"
    ENCOURAGE = "encourage"
    SCAFFOLD = "scaffold"
    CHECK_IN = "check-in-or-repeat"
    WAY_OUT = "offer-alternative-or-end"
    PAUSE = "hold-the-pause"


class Mood(StrEnum):
    NEUTRAL = "neutral"
    PLEASED = "pleased"
    BUSY = "busy"
    IRRITATED = "irritated"
    ANXIOUS = "anxious"
    AMUSED = "amused"
    IMPATIENT = "impatient"
    WARM = "warm"
    COLD = "cold"
    PANICKING = "panicking"


class OpennessState(StrEnum):
    """``resistant`` below 0.3, ``collapsed`` below 0.1."""

    OPEN = "open"
    RESISTANT = "resistant"
    COLLAPSED = "collapsed"


class Phase(StrEnum):
    """The macro loop's five, in order."""

    EXTRACTION = "friction-extraction"
    CLASSIFICATION = "pattern-classification"
    CURRICULUM = "curriculum-generation"
    DELIVERY = "adaptive-lesson-feedback"
    INJECTION = "forward-injection"


# --- before a session ----------------------------------------


class Coordinates(Contract):
    """x linguistic granularity, y situational agency, z engagement fit."""

    x: Share = 0.0
    y: Share = 0.0
    z: Share = 0.0


class CodeSwitchState(Contract):
    """``current_l2_ratio``: the share of the target language that is aimed for."""

    current_l2_ratio: Share = 0.2
    trajectory: Trajectory = Trajectory.STALLED


class ContextLearner(Contract):
    id: LearnerId
    cefr: Cefr = Cefr.A1
    matrix_coordinates: Coordinates = Coordinates()
    code_switch_state: CodeSwitchState = CodeSwitchState()
    top_friction_areas: Annotated[tuple[Form, ...], Field(max_length=32)] = ()
    phoneme_priorities: Annotated[tuple[Name, ...], Field(max_length=32)] = ()
    session_count: Count = 0
    days_since_last_session: Amount = 0.0
    retention_profile: RetentionStyle = RetentionStyle.MASTERY
    preferred_curriculum_format: AnyFormat = CurriculumFormat.CARDS


class VocabularyDomain(Contract):
    name: Name
    priority: VocabularyPriority = VocabularyPriority.IMPORTANT


class ContextPersona(Contract):
    id: Name
    domain: Name
    target_language: Language
    native_language: Language
    vocabulary_domains: Annotated[tuple[VocabularyDomain, ...], Field(max_length=32)] = ()


class KnownFact(Contract):
    fact: Sentence
    confidence: Share


class OpenMatter(Contract):
    """Something between learner and NPC that was never put right; ``impact`` -1 to 0."""

    description: Sentence
    impact: Signed


class NPCBriefing(Contract):
    """What an NPC knows when a session begins."""

    npc_id: NpcId
    role: Name = ""
    tier: Tier = 1
    personality: Sentence = ""
    reputation_score: Score = 0.0
    remembered_facts: Annotated[tuple[KnownFact, ...], Field(max_length=100)] = ()
    unresolved_events: Annotated[tuple[OpenMatter, ...], Field(max_length=100)] = ()
    recent_vector_memories: Annotated[tuple[Sentence, ...], Field(max_length=20)] = ()
    injection_directives: Annotated[tuple[Sentence, ...], Field(max_length=16)] = ()
    openness_score: Share | None = None


class ContextInjection(Contract):
    target_form: Form
    method: Sentence
    target_npc_ids: Annotated[tuple[NpcId, ...], Field(max_length=32)] = ()
    naturality_constraint: Sentence = ""


class PreSessionContext(Contract):
    """Everything that is carried into a session, assembled before anybody speaks."""

    learner: ContextLearner
    persona: ContextPersona
    npc_briefings: dict[NpcId, NPCBriefing] = Field(default_factory=dict, max_length=32)
    injections: Annotated[tuple[ContextInjection, ...], Field(max_length=16)] = ()
    recommended_tier: Tier = 1
    objectives: Annotated[tuple[Sentence, ...], Field(max_length=256)] = ()


# --- while it is held ----------------------------------------


class ConversationTurn(Contract):
    speaker: Literal["learner", "npc"]
    content: Text
    timestamp: Time
    duration_ms: Millis = 0
    audio_url: Name | None = None
    emotional_state: Affect | None = None


class ActiveSession(Contract):
    id: SessionId
    learner_id: LearnerId
    persona_schema_id: Name
    started_at: Time
    current_tier: Tier = 1
    current_location_id: Name = ""
    current_npc_id: str = ""


class ActiveConversation(Contract):
    turn_count: Count = 0
    turns: tuple[ConversationTurn, ...] = ()
    current_topic_id: Name = ""
    topics_discussed: tuple[Name, ...] = ()


class DetectedFriction(Contract):
    turn_index: Count
    type: AnyFrictionType
    severity: Severity
    timestamp: Time


class FrictionMonitor(Contract):
    """``current_friction_rate``: per minute."""

    detected_frictions: tuple[DetectedFriction, ...] = ()
    current_friction_rate: Amount = 0.0
    intervention_needed: bool = False
    current_affective_state: Affect = Affect.NEUTRAL


class PronunciationMonitor(Contract):
    """``average_comprehensibility``: None before anything was heard."""

    utterances_analyzed: Count = 0
    average_comprehensibility: Share | None = None
    phoneme_issues_detected: tuple[Name, ...] = ()


class LiveInjection(Contract):
    target_form: Form
    status: InjectionStatus = InjectionStatus.PENDING
    npc_id: NpcId | None = None


class LiveReputation(Contract):
    npc_id: NpcId
    delta: Signed
    reason: Reason = ""
    turn_index: Count = 0


class LiveRefraction(Contract):
    trigger_turn_index: Count
    selected_level: RefractionLevel | None = None
    pronunciation_attempted: bool = False
    used_in_conversation: bool = False


class OpennessViolation(Contract):
    description: Sentence
    penalty: Share


class OpennessTracking(Contract):
    current_score: Share = 0.7
    violations: tuple[OpennessViolation, ...] = ()
    collapsed: bool = False


class ActiveSessionState(Contract):
    """A session while it runs."""

    session: ActiveSession
    conversation: ActiveConversation = ActiveConversation()
    friction_monitor: FrictionMonitor = FrictionMonitor()
    pronunciation: PronunciationMonitor = PronunciationMonitor()
    injection_status: tuple[LiveInjection, ...] = ()
    reputation_deltas: tuple[LiveReputation, ...] = ()
    refraction_sessions: tuple[LiveRefraction, ...] = ()
    openness_tracking: dict[NpcId, OpennessTracking] | None = None


# --- after it ----------------------------------------


class SessionConversation(Contract):
    npc_id: NpcId
    location_id: Name = ""
    tier: Tier = 1
    turns: tuple[ConversationTurn, ...] = ()
    outcome: ConversationOutcome = ConversationOutcome.ABANDONED


class PhonemeResult(Contract):
    """``phoneme``: in IPA; ``cosine_similarity``: about 0.7 is acceptable."""

    phoneme: Annotated[str, Field(min_length=1, max_length=20)]
    accuracy: Share
    cosine_similarity: Share = 0.0


class PronunciationSessionData(Contract):
    target_phrase: Sentence = ""
    phoneme_results: Annotated[tuple[PhonemeResult, ...], Field(max_length=64)] = ()
    comprehensibility_score: Share


class SessionMetrics(Contract):
    """None where the formula has nothing to divide by, or the tier has no such metric.

    Attributes:
        task_completion_rate: completed of attempted conversations, tiers 2 and 3.
        friction_rate: frictions a minute.
        code_switch_ratio: L1 words of all words, tier 1.
        register_accuracy_score: fitting turns of judged turns, tier 3.
        average_comprehensibility: mean of the utterances' scores.
        words_per_minute: words by minutes spoken.
        recovery_rate: recovered of all frictions.
        reputation_delta: by NPC, the sum of its changes.
    """

    task_completion_rate: Share | None = None
    friction_rate: Amount | None = None
    code_switch_ratio: Share | None = None
    register_accuracy_score: Share | None = None
    average_comprehensibility: Share | None = None
    words_per_minute: Amount | None = None
    total_speaking_time_seconds: Amount = 0.0
    recovery_rate: Share | None = None
    reputation_delta: dict[NpcId, float] = Field(default_factory=dict)


class SessionRecord(Contract):
    session_id: SessionId
    learner_id: LearnerId
    persona_schema_id: Name
    active_tiers: tuple[Tier, ...] = ()
    started_at: Time
    ended_at: Time
    duration_minutes: Amount
    end_reason: str
    conversations: tuple[SessionConversation, ...] = ()
    pronunciation_data: tuple[PronunciationSessionData, ...] = ()
    metrics: SessionMetrics = SessionMetrics()


class RawFriction(Contract):
    """``context_window``: up to three turns before it, the turn itself, and three after."""

    turn_index: Count
    type: AnyFrictionType
    severity: Severity
    raw_utterance: str
    context_window: tuple[ConversationTurn, ...] = ()


class AppliedDelta(Contract):
    delta: Signed
    reason: Reason = ""


class ReputationUpdate(Contract):
    npc_id: NpcId
    new_score: Score
    deltas: tuple[AppliedDelta, ...] = ()


class NewMemory(Contract):
    npc_id: NpcId
    content: Sentence
    emotional_valence: Signed = 0.0
    importance: Share = 0.5


class InjectionResult(Contract):
    target_form: Form
    executed: bool
    learner_used_target_form: bool


class RefractionOutcome(Contract):
    selected_level: RefractionLevel | None = None
    pronunciation_attempted: bool = False
    accuracy: Share | None = None
    used_in_conversation: bool = False


class PostSessionExhaust(Contract):
    """Everything a session came to, as the macro loop takes it."""

    session_record: SessionRecord
    raw_friction_detections: tuple[RawFriction, ...] = ()
    reputation_updates: tuple[ReputationUpdate, ...] = ()
    new_memories: tuple[NewMemory, ...] = ()
    injection_results: tuple[InjectionResult, ...] = ()
    refraction_data: tuple[RefractionOutcome, ...] = ()


# --- refraction ----------------------------------------


class RecentTurn(Contract):
    speaker: Literal["learner", "npc"]
    text: Sentence


class RefractionScene(Contract):
    npc_id: str = ""
    npc_role: Name = ""
    npc_register: RegisterClass = RegisterClass.NEUTRAL
    recent_turns: tuple[RecentTurn, ...] = ()


class RefractionRequest(Contract):
    trigger: RefractionTrigger
    learner_input: Text
    input_language: Language
    target_language: Language
    native_language: Language
    cefr_level: Cefr = Cefr.A1
    tier_context: Tier = 1
    conversation_context: RefractionScene = RefractionScene()
    domain_context: Name = ""
    persona_schema_id: Name = ""
    session_id: str = ""


class Explanation(Contract):
    grammar: Sentence = ""
    vocabulary: Sentence = ""
    pragmatic_effect: Sentence = ""
    cultural_notes: Sentence | None = None
    power_dynamics: Sentence | None = None


class Refraction(Contract):
    """One wording of what the learner wants to say."""

    formulation: Annotated[str, Field(min_length=1, max_length=1000)]
    register_label: Literal["safe-simple", "colloquial-idiomatic", "high-professional"] = Field(
        alias="register"
    )
    explanation: Explanation = Explanation()
    risk_level: Risk = Risk.ZERO
    suitable_for: Annotated[tuple[Name, ...], Field(max_length=8)] = ()
    audio_model_url: Name | None = None


class Refractions(Contract):
    basic: Refraction
    native: Refraction
    formal: Refraction


class PronunciationFocus(Contract):
    word: Name
    phoneme_challenge: Name = ""
    guidance: Sentence = ""
    audio_url: Name | None = None


class RefractionMetadata(Contract):
    processing_time_ms: Millis = 0
    model_used: Name = ""
    confidence: Share = 1.0
    domain_vocab_used: Annotated[tuple[Name, ...], Field(max_length=32)] = ()


class RefractionResponse(Contract):
    intent_analysis: Sentence = ""
    refractions: Refractions
    contrastive_notes: Sentence = ""
    pronunciation_focus: Annotated[tuple[PronunciationFocus, ...], Field(max_length=8)] = ()
    metadata: RefractionMetadata = RefractionMetadata()


class WordAccuracy(Contract):
    word: Name
    accuracy: Share
    phonemes_correct: Count = 0
    phonemes_total: Count = 0


class PronunciationResult(Contract):
    overall_accuracy: Share
    word_accuracy: Annotated[tuple[WordAccuracy, ...], Field(max_length=64)] = ()
    comprehensibility_score: Share
    feedback: Sentence = ""


# --- what stays ----------------------------------------


class PhonemeProfile(Contract):
    """``accuracy_map``: per phoneme one mean a session, the newest last, at most 20."""

    accuracy_map: dict[str, tuple[Share, ...]] = Field(default_factory=dict)


class FrictionProfile(Contract):
    """``dominant_types``: the most frequent first."""

    dominant_types: tuple[AnyFrictionType, ...] = ()
    trend: Trend = Trend.STABLE


class EngagementMetrics(Contract):
    days_since_start: Amount = 0.0
    total_sessions: Count = 0
    sessions_last_7_days: Count = Field(default=0, alias="sessionsLast7Days")
    sessions_last_30_days: Count = Field(default=0, alias="sessionsLast30Days")
    average_session_minutes: Amount = 0.0
    days_since_last_session: Amount = 0.0
    weekly_frequency: Amount = 0.0
    lesson_completion_rate: Share = 0.0
    async_trigger_engagement_rate: Share = 0.0
    frequency_trend: Trend = Trend.STABLE


class RetentionProfile(Contract):
    style: RetentionStyle = RetentionStyle.MASTERY
    engagement: EngagementMetrics = EngagementMetrics()


class InstructionalPreferences(Contract):
    preferred_format: AnyFormat = CurriculumFormat.CARDS
    explanation_depth: Literal["detailed", "standard", "concise"] = "standard"
    engages_audio: bool = False
    engages_video: bool = False
    completes_exercises: bool = False
    average_completion_rate: Share = 0.0


class SavedLearner(Contract):
    current_cefr: Cefr = Field(default=Cefr.A1, alias="currentCEFR")
    matrix_coordinates: Coordinates = Coordinates()
    code_switching_state: CodeSwitchState = CodeSwitchState()
    phoneme_profile: PhonemeProfile = PhonemeProfile()
    friction_profile: FrictionProfile = FrictionProfile()
    retention_profile: RetentionProfile = RetentionProfile()
    instructional_preferences: InstructionalPreferences = InstructionalPreferences()
    total_session_count: Count = 0
    last_session_at: Time | None = None


class SocialFrictionEvent(Contract):
    """Tier 2's way of failing: something that stays between learner and NPC until put right."""

    event_id: Name
    description: Sentence
    created_at: Time
    resolved: bool = False
    resolution: Sentence | None = None
    reputation_impact: Signed = 0.0


class ProfessionalEvent(Contract):
    type: ProfessionalKind
    description: Sentence
    timestamp: Time
    outcome: ProfessionalOutcome = ProfessionalOutcome.NEUTRAL


class SavedRelationship(Contract):
    reputation_score: Score = 0.0
    remembered_facts: tuple[KnownFact, ...] = ()
    unresolved_events: tuple[SocialFrictionEvent, ...] = ()
    professional_history: tuple[ProfessionalEvent, ...] = ()
    interaction_count: Count = 0
    last_interaction_at: Time | None = None
    openness_score: Share | None = None


class VectorMemory(Contract):
    npc_id: NpcId
    content: Sentence
    embedding: tuple[float, ...] = ()
    emotional_valence: Signed = 0.0
    importance: Share = 0.5


class ForwardInjectionSpec(Contract):
    """How an NPC of a later session makes a target form necessary; hidden from the learner."""

    target_form: Form
    friction_type: AnyFrictionType
    injection_method: Sentence
    naturality_constraint: Sentence = ""
    target_npc_ids: Annotated[tuple[NpcId, ...], Field(max_length=32)] = ()
    target_tier: Tier = 1
    target_location_ids: Annotated[tuple[Name, ...], Field(max_length=32)] = ()
    max_session_attempts: Annotated[int, Field(ge=1, le=20)] = 3
    status: SpecStatus = SpecStatus.PENDING


class Exercise(Contract):
    type: ExerciseType
    prompt: Sentence
    accepted_answers: Annotated[tuple[Sentence, ...], Field(max_length=8)] = ()
    incorrect_feedback: Sentence = ""
    correct_feedback: Sentence = ""


class UnitContent(Contract):
    explanation_l1: Sentence = ""
    examples_l2: Annotated[tuple[Sentence, ...], Field(max_length=8)] = ()
    contrastive_analysis: Sentence | None = None
    audio_models: tuple[Name, ...] = ()
    video_models: tuple[Name, ...] = ()


class CurriculumUnit(Contract):
    id: Name
    friction_point_ids: tuple[Name, ...] = ()
    target_form: Form
    title: Name
    content: UnitContent = UnitContent()
    exercises: Annotated[tuple[Exercise, ...], Field(max_length=8)] = ()
    context_reference: Sentence = ""


class MicroCurriculum(Contract):
    id: Name
    source_session_id: SessionId
    addressed_friction_point_ids: tuple[Name, ...] = ()
    format: AnyFormat = CurriculumFormat.CARDS
    units: Annotated[tuple[CurriculumUnit, ...], Field(max_length=5)] = ()
    schema_version: Name = "1.0"


class UnitEngagement(Contract):
    unit_id: Name
    completed: bool = False
    skipped: bool = False
    flagged_unclear: bool = False
    requested_more_examples: bool = False
    exercise_accuracy: Share = 0.0
    time_spent_seconds: Amount = 0.0


class PreferenceSignals(Contract):
    example_preference: Literal["more", "standard", "fewer"] = "standard"
    reads_explanations: bool = False
    engages_audio: bool = False
    engages_video: bool = False
    pace_relative_to_estimate: Amount = 1.0
    asks_follow_ups: bool = False


class AdaptiveLessonResult(Contract):
    curriculum_id: Name
    completion_rate: Share
    time_spent_minutes: Amount = 0.0
    unit_engagement: Annotated[tuple[UnitEngagement, ...], Field(max_length=5)] = ()
    preference_signals: PreferenceSignals = PreferenceSignals()


class TriggerSender(Contract):
    name: Name
    npc_id: NpcId | None = None
    type: Literal["npc", "system", "peer", "instructor"] = "system"


class TriggerContent(Contract):
    title: Name
    body: Sentence
    cta_text: Name = ""
    deep_link: Name = ""
    media_url: Name | None = None
    language: Language = "en"


class ScheduledTrigger(Contract):
    """Something that is said to the learner between sessions; higher ``priority`` goes first."""

    trigger_id: Name
    learner_id: LearnerId
    type: TriggerType
    sender: TriggerSender
    content: TriggerContent
    scheduled_at: Time
    status: TriggerStatus = TriggerStatus.PENDING
    priority: Annotated[int, Field(ge=0, le=1000)] = 0
    expires_at: Time
    source_profile: RetentionStyle = RetentionStyle.MASTERY
    is_reactive: bool = False


class InterlanguageUpdate(Contract):
    confirmed_rules: tuple[Form, ...] = ()
    violated_rules: tuple[Form, ...] = ()
    emerging_rules: tuple[Form, ...] = ()
    fossilizing_rules: tuple[Form, ...] = ()


class InterSessionPersistence(Contract):
    """What makes each session aware of all earlier ones."""

    learner_profile: SavedLearner
    npc_relationships: dict[NpcId, SavedRelationship] = Field(default_factory=dict)
    vector_memories: tuple[VectorMemory, ...] = ()
    pending_injections: tuple[ForwardInjectionSpec, ...] = ()
    pending_curriculum: MicroCurriculum | None = None
    scheduled_triggers: tuple[ScheduledTrigger, ...] = ()
    interlanguage_update: InterlanguageUpdate = InterlanguageUpdate()


PHASES: Final[tuple[type[Contract], ...]] = (
    PreSessionContext,
    NPCBriefing,
    ActiveSessionState,
    PostSessionExhaust,
    InterSessionPersistence,
)
"""The contracts of the four phases, as users know them."""
