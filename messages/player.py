"""Players: who a learner is as a person at play, what may be known of it, and how it comes on.

A player is a learner: the player's id is the learner's. What is said to it goes to the learner
actor; what happens while it plays is said to the session. Times are ms since 1970 UTC; days and
hours of the day are the player's own, by its time zone.
"""

from __future__ import annotations

import re
import zoneinfo
from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from holodeck.messages.base import Event, JsonText, Label, Message, Millis, Reason, Share, Text
from holodeck.messages.ids import ID_PATTERN, LearnerId, NpcId, SessionId

MAX_CHARACTERS: Final = 5
"""Active characters a player may have."""
MAX_DELEGATES: Final = 16
"""People a player may let see what it sees."""

CharacterId = Annotated[str, StringConstraints(pattern=ID_PATTERN)]
WorldId = Annotated[str, StringConstraints(pattern=ID_PATTERN)]
Item = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]
"""One entry of a list: 1 to 200 characters, not blank."""
Topics = Annotated[tuple[Item, ...], Field(max_length=50)]


class IntensityLevel(StrEnum):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class TherapeuticApproach(StrEnum):
    CBT = "cognitive_behavioral_therapy"
    NARRATIVE_THERAPY = "narrative_therapy"
    MINDFULNESS = "mindfulness"
    ACCEPTANCE_COMMITMENT = "acceptance_commitment_therapy"
    DIALECTICAL_BEHAVIORAL = "dialectical_behavioral_therapy"
    SOLUTION_FOCUSED = "solution_focused_therapy"
    HUMANISTIC = "humanistic_therapy"
    BEHAVIORAL_ACTIVATION = "behavioral_activation"
    SKILL_BUILDING = "skill_building"
    INSIGHT_ORIENTED = "insight_oriented"


class DifficultyLevel(StrEnum):
    BEGINNER = "beginner"
    INTERMEDIATE = "intermediate"
    ADVANCED = "advanced"
    EXPERT = "expert"


class CrisisType(StrEnum):
    SUICIDAL_IDEATION = "suicidal_ideation"
    SELF_HARM = "self_harm"
    PANIC_ATTACK = "panic_attack"
    SEVERE_DEPRESSION = "severe_depression"
    TRAUMA_RESPONSE = "trauma_response"
    SUBSTANCE_ABUSE = "substance_abuse"
    GENERAL_DISTRESS = "general_distress"


class SessionStatus(StrEnum):
    """How a session stands, as players are told."""

    ACTIVE = "active"
    PAUSED = "paused"
    COMPLETED = "completed"
    ABANDONED = "abandoned"


class MarkerType(StrEnum):
    MILESTONE = "milestone"
    BREAKTHROUGH = "breakthrough"
    SKILL_ACQUIRED = "skill_acquired"
    GOAL_ACHIEVED = "goal_achieved"
    SETBACK_OVERCOME = "setback_overcome"
    INSIGHT = "insight"
    THERAPEUTIC_GOAL = "therapeutic_goal"


# --- preferences, privacy, settings ----------------------------------------

Phone = Annotated[str, StringConstraints(max_length=20, pattern=r"^(\+?[0-9 ()-]{10,})?$")]


class CrisisContact(Message):
    """Whom to call; all of it is the player's own business."""

    primary_contact_name: Annotated[str, Field(max_length=100)] = ""
    primary_contact_phone: Phone = ""
    therapist_name: Annotated[str, Field(max_length=100)] = ""
    therapist_phone: Phone = ""
    crisis_hotline_preference: Annotated[str, Field(max_length=20)] = ""
    emergency_instructions: Annotated[str, Field(max_length=500)] = ""


class TherapeuticPreferences(Message):
    """What a player wants of sessions in general.

    Attributes:
        session_duration_preference: minutes, 10 to 120.
    """

    intensity_level: IntensityLevel = IntensityLevel.MEDIUM
    preferred_approaches: Annotated[tuple[TherapeuticApproach, ...], Field(max_length=5)] = ()
    trigger_warnings: Topics = ()
    comfort_topics: Topics = ()
    avoid_topics: Topics = ()
    crisis_contact_info: CrisisContact | None = None
    session_duration_preference: Annotated[int, Field(ge=10, le=120)] = 30
    reminder_frequency: Annotated[str, Field(max_length=50)] = "weekly"


class PrivacySettings(Message):
    """What may be done with what is known; ``data_retention_period_days``: 30 to 2555."""

    data_collection_consent: bool = True
    research_participation_consent: bool = False
    progress_sharing_enabled: bool = False
    anonymous_analytics_enabled: bool = True
    session_recording_enabled: bool = False
    data_retention_period_days: Annotated[int, Field(ge=30, le=2555)] = 365
    third_party_sharing_consent: bool = False
    collect_interaction_patterns: bool = True
    collect_emotional_responses: bool = True
    collect_therapeutic_outcomes: bool = True
    collect_usage_statistics: bool = True


Frequency = Literal["minimal", "balanced", "frequent"]


class TherapeuticSettings(Message):
    """How one session is to be led; each number 0 to 1."""

    intensity_level: Share = 0.5
    preferred_approaches: Annotated[tuple[TherapeuticApproach, ...], Field(max_length=10)] = ()
    intervention_frequency: Frequency = "balanced"
    feedback_sensitivity: Share = 0.5
    crisis_monitoring_enabled: bool = True
    adaptive_difficulty: bool = True


class Boundary(Message):
    """Something the player set: ``topics`` of an ``avoid_topic`` or ``comfort_topic`` boundary."""

    boundary_id: Item
    boundary_type: Literal["avoid_topic", "comfort_topic", "intensity_limit", "other"]
    severity: Literal["soft", "hard", "critical"] = "soft"
    topics: Topics = ()
    description: Reason = ""
    is_active: bool = True


class PlayerSettings(Message):
    """A player's own therapeutic settings, in versions; conflicts between them are found by
    ``actors/learner/player/settings.py``.

    Attributes:
        safety_check_frequency: interactions, 1 to 20; session_duration: minutes, 10 to 120;
            break_reminder_interval: minutes, 5 to 60.
        version: counted by the learner actor, from 1.
    """

    intensity_level: IntensityLevel = IntensityLevel.MEDIUM
    preferred_approaches: Annotated[tuple[TherapeuticApproach, ...], Field(max_length=10)] = ()
    secondary_approaches: Annotated[tuple[TherapeuticApproach, ...], Field(max_length=10)] = ()
    intervention_frequency: Frequency = "balanced"
    feedback_sensitivity: Share = 0.5
    pacing_preference: Literal["slow", "adaptive", "fast"] = "adaptive"
    challenge_tolerance: Share = 0.5
    boundaries: Annotated[tuple[Boundary, ...], Field(max_length=50)] = ()
    trigger_warnings: Topics = ()
    comfort_topics: Topics = ()
    avoid_topics: Topics = ()
    crisis_monitoring_enabled: bool = True
    crisis_sensitivity: Share = 0.7
    emergency_contact_enabled: bool = False
    safety_check_frequency: Annotated[int, Field(ge=1, le=20)] = 5
    adaptive_difficulty: bool = True
    learning_style_preference: Label = ""
    progress_celebration_style: Literal["minimal", "moderate", "enthusiastic"] = "moderate"
    session_duration: Annotated[int, Field(ge=10, le=120)] = 30
    break_reminder_enabled: bool = True
    break_reminder_interval: Annotated[int, Field(ge=5, le=60)] = 20
    version: Annotated[int, Field(ge=1, le=2**53)] = 1

    @model_validator(mode="after")
    def _each_boundary_once(self) -> PlayerSettings:
        names = [boundary.boundary_id for boundary in self.boundaries]
        if len(set(names)) != len(names):
            raise ValueError("boundaries name an id twice")
        return self


# --- characters ----------------------------------------

_NAME: Final = re.compile(r"[A-Za-z' -]{2,50}")


def _name(value: str) -> str:
    if _NAME.fullmatch(value) is None or len(value.strip()) < 2:
        raise ValueError("a name has 2 to 50 letters, spaces, hyphens and apostrophes")
    return value


def same_name(name: str) -> str:
    """A name as two of them are compared: letters, spaces, hyphens, apostrophes, lower case."""
    return re.sub(r"[^A-Za-z' -]", "", name).strip().lower()


CharacterName = Annotated[str, StringConstraints(max_length=50), AfterValidator(_name)]


class Appearance(Message):
    age_range: Literal["child", "teen", "adult", "elder"] = "adult"
    gender_identity: Annotated[str, Field(max_length=100)] = "non-binary"
    physical_description: Annotated[str, Field(max_length=1000)] = ""
    clothing_style: Annotated[str, Field(max_length=100)] = "casual"
    distinctive_features: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=100)], ...], Field(max_length=10)
    ] = ()
    avatar_image_url: Annotated[str, Field(max_length=500)] = ""


class Background(Message):
    name: CharacterName
    backstory: Annotated[str, Field(max_length=2000)] = ""
    personality_traits: Annotated[tuple[Item, ...], Field(max_length=20)] = ()
    core_values: Annotated[tuple[Item, ...], Field(max_length=15)] = ()
    fears_and_anxieties: Annotated[tuple[Item, ...], Field(max_length=15)] = ()
    strengths_and_skills: Annotated[tuple[Item, ...], Field(max_length=20)] = ()
    life_goals: Annotated[tuple[Item, ...], Field(max_length=15)] = ()
    relationships: Annotated[
        dict[Annotated[str, Field(max_length=50)], Annotated[str, Field(max_length=200)]],
        Field(max_length=10),
    ] = Field(default_factory=dict)


class Goal(Message):
    """Something a character works towards; ``progress_percentage``: 0 to 100."""

    goal_id: Item
    description: Annotated[str, Field(min_length=1, max_length=500)]
    target_date: Millis | None = None
    progress_percentage: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)] = 0.0
    therapeutic_approaches: Annotated[tuple[TherapeuticApproach, ...], Field(max_length=10)] = ()
    milestones: Annotated[tuple[Item, ...], Field(max_length=20)] = ()
    is_active: bool = True


class TherapeuticProfile(Message):
    primary_concerns: Annotated[tuple[Item, ...], Field(max_length=15)] = ()
    therapeutic_goals: Annotated[tuple[Goal, ...], Field(max_length=10)] = ()
    preferred_intensity: IntensityLevel = IntensityLevel.MEDIUM
    comfort_zones: Annotated[tuple[Item, ...], Field(max_length=15)] = ()
    challenge_areas: Annotated[tuple[Item, ...], Field(max_length=15)] = ()
    coping_strategies: Annotated[tuple[Item, ...], Field(max_length=20)] = ()
    trigger_topics: Annotated[tuple[Item, ...], Field(max_length=20)] = ()
    readiness_level: Share = 0.5
    therapeutic_approaches: Annotated[tuple[TherapeuticApproach, ...], Field(max_length=10)] = ()

    @model_validator(mode="after")
    def _each_goal_once(self) -> TherapeuticProfile:
        names = [goal.goal_id for goal in self.therapeutic_goals]
        if len(set(names)) != len(names):
            raise ValueError("therapeutic_goals name an id twice")
        return self


class Character(Message):
    """Whom a player plays. ``name`` and ``background.name`` are one name."""

    character_id: CharacterId
    name: CharacterName
    appearance: Appearance = Appearance()
    background: Background
    therapeutic_profile: TherapeuticProfile = TherapeuticProfile()
    is_active: bool = True

    @model_validator(mode="after")
    def _one_name(self) -> Character:
        if same_name(self.name) != same_name(self.background.name):
            raise ValueError("name and background.name differ")
        return self


# --- worlds ----------------------------------------


class WorldParameters(Message):
    """``session_length_preference``: minutes, 10 to 120."""

    therapeutic_intensity: Share = 0.5
    narrative_pace: Literal["slow", "medium", "fast"] = "medium"
    interaction_frequency: Frequency = "balanced"
    challenge_level: DifficultyLevel = DifficultyLevel.INTERMEDIATE
    focus_areas: Topics = ()
    avoid_topics: Topics = ()
    session_length_preference: Annotated[int, Field(ge=10, le=120)] = 30


class Prerequisite(Message):
    prerequisite_type: Literal["therapeutic_readiness", "completed_worlds", "skill_level"]
    description: Reason = ""
    required_value: float | tuple[WorldId, ...] | str = 0.0


class World(Message):
    """Where a character can go.

    Attributes:
        persona: the persona whose people live there; empty: none do.
        estimated_duration: minutes.
        average_rating: 0 to 5; 0: nobody rated it.
    """

    world_id: WorldId
    name: Annotated[str, StringConstraints(min_length=3, max_length=200, strip_whitespace=True)]
    description: Annotated[str, Field(max_length=1000)] = ""
    long_description: Annotated[str, Field(max_length=4000)] = ""
    persona: Label = ""
    themes: Topics = ()
    therapeutic_approaches: Annotated[tuple[TherapeuticApproach, ...], Field(max_length=10)] = ()
    difficulty_level: DifficultyLevel = DifficultyLevel.BEGINNER
    estimated_duration: Annotated[int, Field(ge=1, le=1440)] = 120
    tags: Topics = ()
    content_warnings: Topics = ()
    prerequisites: Annotated[tuple[Prerequisite, ...], Field(max_length=20)] = ()
    recommended_readiness: Share = 0.5
    default_parameters: WorldParameters = WorldParameters()
    average_rating: Annotated[float, Field(ge=0, le=5)] = 0.0
    completion_rate: Share = 0.0
    effectiveness: Share = 0.0


# --- what happens in a session ----------------------------------------


class ProgressMarker(Message):
    """Something achieved; stored once by its id. ``therapeutic_value``: 0 to 1."""

    marker_id: Item
    marker_type: MarkerType
    description: Reason = ""
    therapeutic_value: Share = 0.0
    related_goal_id: Item | None = None


class SafetyFinding(Message):
    """What a safety mind found in a text; the text itself is not in it.

    Attributes:
        types: at least one; confidence: 0 to 1.
        resources: ids of the configured resources that answer it.
        source: which mind found it.
    """

    types: Annotated[tuple[CrisisType, ...], Field(min_length=1, max_length=7)]
    confidence: Share
    resources: Annotated[tuple[Item, ...], Field(max_length=20)] = ()
    source: Label = ""


class CrisisResource(Message):
    """Whom a player can turn to; configured, see ``config/resources.yaml``.

    Attributes:
        priority: 1 (first) to 5.
    """

    resource_id: Item
    name: Label
    contact_method: Literal["phone", "text", "chat", "website"]
    contact_info: Label
    availability: Label = ""
    crisis_types: Annotated[tuple[CrisisType, ...], Field(max_length=7)] = ()
    priority: Annotated[int, Field(ge=1, le=5)] = 3
    is_emergency: bool = False


# commands to a session


class Interact(Message):
    """Something happened in the session that is no turn of a conversation.

    Attributes:
        intervention: what was tried; each is remembered once.
        emotional_state: how the player feels, a JSON object; ``variables``: a JSON object merged
            into the session's.
        scene: where the story is now; None: where it was.
    """

    kind: Literal["interact"] = "interact"
    intervention: Label = ""
    emotional_state: JsonText | None = None
    variables: JsonText | None = None
    scene: Label | None = None


class AddMarker(Message):
    """A repeat of a marker's id adds nothing."""

    kind: Literal["add-marker"] = "add-marker"
    marker: ProgressMarker


class ChangeSettings(Message):
    """From now on the session is led like this; every mind is told."""

    kind: Literal["change-settings"] = "change-settings"
    settings: TherapeuticSettings


class AddNote(Message):
    """An operator's word into a session; ``author`` as the gateway knows it."""

    kind: Literal["add-note"] = "add-note"
    text: Text
    author: Label = ""


class FlagSafety(Message):
    """A text gave cause for concern. Taken in every phase of a session, and by learners.

    Attributes:
        turn: the turn it is about, 0 none.
        rejected: the text itself was not taken.
    """

    kind: Literal["flag-safety"] = "flag-safety"
    finding: SafetyFinding
    turn: Annotated[int, Field(ge=0)] = 0
    rejected: bool = False


class EraseSession(Message):
    """Leaves nothing of a session but that its id was used. Sent by who erases its learner."""

    kind: Literal["erase-session"] = "erase-session"


# events of a session


class SessionInteracted(Event):
    """As in :class:`Interact`; ``number``: of interactions, turns included."""

    kind: Literal["session.interacted"] = "session.interacted"
    number: int
    intervention: str = ""
    emotional_state: str | None = None
    variables: str | None = None
    scene: str | None = None


class SessionMarked(Event):
    kind: Literal["session.marked"] = "session.marked"
    marker: ProgressMarker


class SettingsChanged(Event):
    kind: Literal["session.settings-changed"] = "session.settings-changed"
    settings: TherapeuticSettings


class SessionNoted(Event):
    kind: Literal["session.noted"] = "session.noted"
    text: str
    author: str = ""


class SafetyFlagged(Event):
    """As in :class:`FlagSafety`."""

    kind: Literal["safety.flagged"] = "safety.flagged"
    finding: SafetyFinding
    turn: int = 0
    rejected: bool = False


class SessionErased(Event):
    """The last and only checkpoint of a session that was erased; it names nobody."""

    kind: Literal["session.erased"] = "session.erased"


# --- what is said to a player ----------------------------------------

Username = Annotated[str, StringConstraints(max_length=50, pattern=r"^[A-Za-z0-9_-]{3,50}$")]
Email = Annotated[
    str,
    StringConstraints(max_length=254, pattern=r"^[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}$"),
]


def _zone(value: str) -> str:
    if value not in zoneinfo.available_timezones():
        raise ValueError("no time zone of that name; such as Europe/Madrid or UTC")
    return value


Zone = Annotated[str, StringConstraints(max_length=64), AfterValidator(_zone)]
"""A time zone by its IANA name."""


class CreatePlayer(Message):
    """Gives a learner a profile, once; the name is the player's alone."""

    kind: Literal["create-player"] = "create-player"
    username: Username
    email: Email
    time_zone: Zone = "UTC"
    preferences: TherapeuticPreferences = TherapeuticPreferences()
    privacy: PrivacySettings = PrivacySettings()


class UpdatePlayer(Message):
    """What is None stays."""

    kind: Literal["update-player"] = "update-player"
    username: Username | None = None
    email: Email | None = None
    time_zone: Zone | None = None
    preferences: TherapeuticPreferences | None = None
    privacy: PrivacySettings | None = None
    delegates: Annotated[tuple[LearnerId, ...], Field(max_length=MAX_DELEGATES)] | None = None
    is_active: bool | None = None


class ChangePlayerSettings(Message):
    """New settings.

    Attributes:
        base: the version they were made from; None: whichever it is. Another version than that
            refuses it.
        resolve: what can be mended of itself is; else conflicts of severity error and critical
            refuse it.
    """

    kind: Literal["change-player-settings"] = "change-player-settings"
    settings: PlayerSettings
    base: Annotated[int, Field(ge=0, le=2**53)] | None = None
    resolve: bool = True


class PutCharacter(Message):
    """A new character, or all of one anew. At most five are active."""

    kind: Literal["put-character"] = "put-character"
    character: Character
    create: bool = True


class ProgressGoal(Message):
    """How far a goal is; beyond 0 to 100 the nearest within."""

    kind: Literal["progress-goal"] = "progress-goal"
    character: CharacterId
    goal: Item
    percentage: Annotated[float, Field(allow_inf_nan=False)]


class RemoveCharacter(Message):
    """The character is not played any more; what it did stays."""

    kind: Literal["remove-character"] = "remove-character"
    character: CharacterId


class CustomizeWorld(Message):
    """How a world is to be for one character."""

    kind: Literal["customize-world"] = "customize-world"
    character: CharacterId
    world: WorldId
    parameters: WorldParameters


class GiveFeedback(Message):
    """What the player says of a session: one of rating (1 to 5), text, changes or crisis types."""

    kind: Literal["give-feedback"] = "give-feedback"
    feedback_id: Item
    session: SessionId | None = None
    rating: Annotated[int, Field(ge=1, le=5, strict=True)] | None = None
    text: Text | None = None
    preference_changes: JsonText | None = None
    crisis_types: Annotated[tuple[CrisisType, ...], Field(max_length=7)] = ()

    @model_validator(mode="after")
    def _one_of_them(self) -> GiveFeedback:
        given = [self.rating, self.text, self.preference_changes, self.crisis_types or None]
        if sum(one is not None for one in given) != 1:
            raise ValueError("give one of rating, text, preference_changes and crisis_types")
        return self


class ApproveChange(Message):
    """Yes or no to what a feedback led to and needs the player's word for."""

    kind: Literal["approve-change"] = "approve-change"
    feedback_id: Item
    approve: bool = True


class DismissRecommendation(Message):
    kind: Literal["dismiss-recommendation"] = "dismiss-recommendation"
    recommendation: Item


class RecordAccess(Message):
    """Somebody else looked; written by the gateway, shown to the owner alone."""

    kind: Literal["record-access"] = "record-access"
    by: LearnerId
    role: Literal["delegate", "operator", "reader", "stranger"]
    what: Label


class ReachMilestones(Message):
    """Sent by a learner to itself when thresholds were passed."""

    kind: Literal["reach-milestones"] = "reach-milestones"


class EraseLearner(Message):
    """Forgets the learner.

    Attributes:
        npc: of whom this word is for, which forgets the learner too; None: the last word.
    """

    kind: Literal["erase-learner"] = "erase-learner"
    npc: NpcId | None = None


# events of a player


class PlayerCreated(Event):
    kind: Literal["player.created"] = "player.created"
    username: str
    email: str
    time_zone: str = "UTC"
    preferences: TherapeuticPreferences = TherapeuticPreferences()
    privacy: PrivacySettings = PrivacySettings()


class PlayerUpdated(Event):
    kind: Literal["player.updated"] = "player.updated"
    username: str | None = None
    email: str | None = None
    time_zone: str | None = None
    preferences: TherapeuticPreferences | None = None
    privacy: PrivacySettings | None = None
    delegates: tuple[str, ...] | None = None
    is_active: bool | None = None


class PlayerSettingsChanged(Event):
    """``resolved``: names of the conflicts that were mended."""

    kind: Literal["player.settings-changed"] = "player.settings-changed"
    settings: PlayerSettings
    resolved: tuple[str, ...] = ()


class CharacterPut(Event):
    kind: Literal["player.character-put"] = "player.character-put"
    character: Character


class GoalProgressed(Event):
    kind: Literal["player.goal-progressed"] = "player.goal-progressed"
    character: str
    goal: str
    percentage: float


class CharacterRemoved(Event):
    kind: Literal["player.character-removed"] = "player.character-removed"
    character: str


class WorldCustomized(Event):
    kind: Literal["player.world-customized"] = "player.world-customized"
    character: str
    world: str
    parameters: WorldParameters


class FeedbackGiven(Event):
    """Attributes:
    feedback_type: rating, text, preference_change or crisis_indicator.
    changes: what it led to; confidence: 0 to 1; approval: it waits for the player's word.
    """

    kind: Literal["player.feedback-given"] = "player.feedback-given"
    feedback_id: str
    feedback_type: str
    session: str | None = None
    rating: int | None = None
    text: str | None = None
    preference_changes: str | None = None
    crisis_types: tuple[CrisisType, ...] = ()
    changes: tuple[str, ...] = ()
    confidence: float = 0.0
    approval: bool = False


class ChangeApproved(Event):
    kind: Literal["player.change-approved"] = "player.change-approved"
    feedback_id: str
    approve: bool


class RecommendationDismissed(Event):
    kind: Literal["player.recommendation-dismissed"] = "player.recommendation-dismissed"
    recommendation: str


class PlayerAccessed(Event):
    kind: Literal["player.accessed"] = "player.accessed"
    by: str
    role: str
    what: str = ""


class MilestoneReached(Event):
    """Stored once by its id, ``ms_<streak|sessions|skills|breakthroughs|minutes|goals>_<n>``."""

    kind: Literal["player.milestone-reached"] = "player.milestone-reached"
    milestone: str
    title: str
    value: float = 0.0


class PlayerFlagged(Event):
    """As ``safety.flagged``, where no session took it."""

    kind: Literal["player.flagged"] = "player.flagged"
    finding: SafetyFinding
    turn: int = 0
    rejected: bool = False


class LearnerErased(Event):
    """The learner is forgotten; whoever folds this keeps nothing of it. ``npc``: as in the
    command."""

    kind: Literal["learner.erased"] = "learner.erased"
    npc: str | None = None


PlayerCommand = (
    CreatePlayer
    | UpdatePlayer
    | ChangePlayerSettings
    | PutCharacter
    | ProgressGoal
    | RemoveCharacter
    | CustomizeWorld
    | GiveFeedback
    | ApproveChange
    | DismissRecommendation
    | RecordAccess
    | ReachMilestones
    | FlagSafety
    | EraseLearner
)
PlayerEvent = (
    PlayerCreated
    | PlayerUpdated
    | PlayerSettingsChanged
    | CharacterPut
    | GoalProgressed
    | CharacterRemoved
    | WorldCustomized
    | FeedbackGiven
    | ChangeApproved
    | RecommendationDismissed
    | PlayerAccessed
    | MilestoneReached
    | PlayerFlagged
    | LearnerErased
)
PlayingCommand = Interact | AddMarker | ChangeSettings | AddNote | FlagSafety | EraseSession
"""What is said to a session about how it is played."""
PlayingEvent = (
    SessionInteracted
    | SessionMarked
    | SettingsChanged
    | SessionNoted
    | SafetyFlagged
    | SessionErased
)
