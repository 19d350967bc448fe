"""What may be said to a learner actor, and the edits it makes of its own."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, TypeAdapter

from holodeck.messages.base import Event, Label, Message
from holodeck.messages.conversation import (
    AdaptiveLessonResult,
    Cefr,
    Coordinates,
    Form,
    ForwardInjectionSpec,
    FrictionType,
    InstructionalPreferences,
    InterlanguageUpdate,
    Language,
    MicroCurriculum,
    Phase,
    RetentionStyle,
    RuleTrajectory,
    ScheduledTrigger,
    SessionMetrics,
    Tier,
)
from holodeck.messages.ids import SessionId
from holodeck.messages.player import PlayerCommand, PlayerEvent
from holodeck.messages.talk import Baseline


class ClaimLearner(Message):
    """Reserves the learner for one session, before that session starts or resumes.

    Attributes:
        after: decide only once the fold has this sequence (0: as it stands). Who was told that
            the claimed session ended at a sequence asks again with it.
        void: number of a claim that is known to be worth nothing, because its session has ended,
            gave up, or is another learner's; it is passed over.
    """

    kind: Literal["claim"] = "claim"
    session: SessionId
    after: Annotated[int, Field(ge=0)] = 0
    void: Annotated[int, Field(ge=0)] = 0


Hour = Annotated[int, Field(ge=0, le=23)]


class EditProfile(Message):
    """Says something of the learner; what is None stays.

    Attributes:
        preferred_minutes: how long a session should take; it is ended at 1.5 times that.
        preferred_hours: of the day, in the learner's own time, when something may be said to it
            between sessions; empty: any.
        utc_offset_minutes: of the learner's time, -840 to 840.
        triggers: whether anything is said between sessions at all.
    """

    kind: Literal["edit-profile"] = "edit-profile"
    name: Label | None = None
    cefr: Cefr | None = None
    native_language: Language | None = None
    target_language: Language | None = None
    style: RetentionStyle | None = None
    preferences: InstructionalPreferences | None = None
    preferred_minutes: Annotated[float, Field(ge=1, le=1440)] | None = None
    preferred_hours: Annotated[tuple[Hour, ...], Field(max_length=24)] | None = None
    utc_offset_minutes: Annotated[int, Field(ge=-840, le=840)] | None = None
    triggers: bool | None = None
    critical_phonemes: Annotated[tuple[Label, ...], Field(max_length=32)] | None = None


class ReportLesson(Message):
    """How the learner worked through its pending curriculum."""

    kind: Literal["report-lesson"] = "report-lesson"
    result: AdaptiveLessonResult


class ScheduleTrigger(Message):
    """Something to be said to the learner between sessions."""

    kind: Literal["schedule-trigger"] = "schedule-trigger"
    trigger: ScheduledTrigger


class AnswerTrigger(Message):
    """What the learner did with something that was delivered."""

    kind: Literal["answer-trigger"] = "answer-trigger"
    trigger: Annotated[str, Field(min_length=1, max_length=200)]
    status: Literal["engaged", "dismissed"]


class RunLoop(Message):
    """Sent by a learner to itself when one of its sessions has ended: the macro loop."""

    kind: Literal["run-loop"] = "run-loop"
    session: SessionId


class DeliverTriggers(Message):
    """Sent by a learner to itself when a trigger is due."""

    kind: Literal["deliver-triggers"] = "deliver-triggers"


LearnerCommand = Annotated[
    ClaimLearner
    | EditProfile
    | ReportLesson
    | ScheduleTrigger
    | AnswerTrigger
    | RunLoop
    | DeliverTriggers
    | PlayerCommand,
    Field(discriminator="kind"),
]
INTERNAL_LEARNER_COMMANDS = frozenset({"run-loop", "deliver-triggers", "reach-milestones"})
"""Kinds only the learner's own host may send."""


class LearnerClaimed(Event):
    """The learner is reserved; the checkpoint's own sequence is the claim's number."""

    kind: Literal["learner.claimed"] = "learner.claimed"
    session: SessionId


class ProfileEdited(Event):
    """As in :class:`EditProfile`."""

    kind: Literal["profile.edited"] = "profile.edited"
    name: str | None = None
    cefr: Cefr | None = None
    native_language: str | None = None
    target_language: str | None = None
    style: RetentionStyle | None = None
    preferences: InstructionalPreferences | None = None
    preferred_minutes: float | None = None
    preferred_hours: tuple[int, ...] | None = None
    utc_offset_minutes: int | None = None
    triggers: bool | None = None
    critical_phonemes: tuple[str, ...] | None = None


class LessonReported(Event):
    """``engaged``: at least 0.6 of the units done; ``mastered``: at least 0.8 of the exercises."""

    kind: Literal["lesson.reported"] = "lesson.reported"
    result: AdaptiveLessonResult
    engaged: bool
    mastered: bool


class TriggerScheduled(Event):
    kind: Literal["trigger.scheduled"] = "trigger.scheduled"
    trigger: ScheduledTrigger


class TriggerDelivered(Event):
    kind: Literal["trigger.delivered"] = "trigger.delivered"
    trigger: str
    type: str
    title: str = ""
    body: str = ""


class TriggerAnswered(Event):
    kind: Literal["trigger.answered"] = "trigger.answered"
    trigger: str
    status: Literal["engaged", "dismissed"]


class TriggerExpired(Event):
    kind: Literal["trigger.expired"] = "trigger.expired"
    trigger: str


class PhaseDone(Event):
    """One phase of the macro loop: ``items``: how many it brought forth."""

    phase: Phase
    items: int


class LanguageRule(Event):
    """A rule of the learner's interlanguage, by the form it is about.

    Attributes:
        confidence: 0.01 to 0.99 that the learner follows a rule of its own here (0.5 at first
            sight); below 0.5 random, from 0.7 systematic.
        trend: share of right uses in each session it came up in, the newest last, at most 8.
        sessions: how many it came up in; hits: frictions ever; seen: number of the last session.
        lessons: lessons about it that did not help.
        target_like: its last uses were right.
    """

    form: str
    type: FrictionType
    confidence: float = 0.5
    trend: tuple[float, ...] = ()
    trajectory: RuleTrajectory = RuleTrajectory.ACQUIRING
    sessions: int = 0
    hits: int = 0
    seen: int = 0
    lessons: int = 0
    target_like: bool = False
    fossilised: bool = False


class LoopCompleted(Event):
    """A session was evaluated, once.

    Attributes:
        rules: those that changed, at most 64.
        skipped: why nothing was evaluated, such as ``system-error``; empty: it was.
        coordinates: the learner's, after it.
        l1_share: of the session's words; None where nobody counted.
        baseline: the learner's, after it.
        landing: soft landing, after it.
    """

    kind: Literal["loop.completed"] = "loop.completed"
    session: SessionId
    phases: tuple[PhaseDone, ...] = ()
    metrics: SessionMetrics = SessionMetrics()
    interlanguage: InterlanguageUpdate = InterlanguageUpdate()
    coordinates: Coordinates = Coordinates()
    recommended_tier: Tier = 1
    l1_share: float | None = None
    baseline: Baseline = Baseline()
    landing: bool = False
    rules: tuple[LanguageRule, ...] = ()
    skipped: str = ""


class CurriculumGenerated(Event):
    kind: Literal["curriculum.generated"] = "curriculum.generated"
    curriculum: MicroCurriculum


class InjectionPlanned(Event):
    """A forward injection for a later session; one of the same form is replaced."""

    kind: Literal["injection.planned"] = "injection.planned"
    spec: ForwardInjectionSpec
    session: str = ""


class InjectionSettled(Event):
    """A forward injection is over, or was tried once more (``attempts``)."""

    kind: Literal["injection.settled"] = "injection.settled"
    form: Form
    status: str
    attempts: int = 0
    session: str = ""


LearnerEvent = Annotated[
    LearnerClaimed
    | ProfileEdited
    | LessonReported
    | TriggerScheduled
    | TriggerDelivered
    | TriggerAnswered
    | TriggerExpired
    | LoopCompleted
    | CurriculumGenerated
    | InjectionPlanned
    | InjectionSettled
    | PlayerEvent,
    Field(discriminator="kind"),
]
LEARNER_COMMAND: TypeAdapter[LearnerCommand] = TypeAdapter(
    LearnerCommand, config=ConfigDict(defer_build=True)
)
