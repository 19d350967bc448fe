"""What may be said to a session, and what a session says happened.

Commands are imperative and may be refused; events are past tense and never are. One command leads
to one checkpoint, which holds all its events and names at most one NPC.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, model_validator

from holodeck.messages.base import Event, JsonText, Label, Message, Millis, Reason, Share, Text
from holodeck.messages.ids import LearnerId, NpcId, SessionId, TaskId


class SessionKind(StrEnum):
    """What kind of work a session is; conversation and practice claim their learner."""

    CONVERSATION = "conversation"
    PRACTICE = "practice"
    AGENT = "agent"

    @property
    def claims(self) -> bool:
        """Whether a learner can have only one active session of this kind."""
        return self is not SessionKind.AGENT


class EndReason(StrEnum):
    LEARNER_ENDED = "learner-ended"
    TIME_LIMIT = "time-limit"
    NATURAL_CONCLUSION = "natural-conclusion"
    SYSTEM_ERROR = "system-error"
    INACTIVITY_TIMEOUT = "inactivity-timeout"


class Outcome(StrEnum):
    """How a session or a task came out."""

    SUCCESS = "success"
    FAILED = "failed"
    TIMEOUT = "timeout"
    CANCELLED = "cancelled"


class TaskPriority(StrEnum):
    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    CRITICAL = "critical"


class FrictionType(StrEnum):
    """The six canonical kinds of friction; any moment the learner visibly struggles."""

    LEXICAL = "lexical"
    MORPHOSYNTACTIC = "morphosyntactic"
    PHONEMIC = "phonemic"
    REGISTER = "register"
    PRAGMATIC = "pragmatic"
    CULTURAL = "cultural"


class MindKind(StrEnum):
    """Who answers a turn: nobody (replies come as commands) or the scripted mind."""

    NONE = "none"
    SCRIPTED = "scripted"


Capabilities = Annotated[tuple[Label, ...], Field(max_length=32)]
Delta = Annotated[float, Field(ge=-1.0, le=1.0, allow_inf_nan=False)]


class CastMember(Message):
    """An NPC that takes part, and what it can be asked to do."""

    npc: NpcId
    capabilities: Capabilities = ()


class FrictionFinding(Message):
    """One moment of struggle somebody found in a turn.

    Attributes:
        severity: 0 to 1; below .25 low, .5 medium, .75 high, above critical.
    """

    type: FrictionType
    severity: Share = 0.5
    detail: Annotated[str, Field(max_length=500)] = ""


# --- commands ----------------------------------------


class StartSession(Message):
    """Begins a session. Its first command, and only its first.

    Attributes:
        learner: who learns; the agent's id in a session of kind ``agent``.
        claim: sequence of the learner's claim this start rests on; needed by claiming kinds.
        task_timeout_s: seconds a started task may take, 0 none.
        session_timeout_s: seconds of active time (pauses not counted), 0 none.
        idle_timeout_s: seconds without a command while active, 0 none.
    """

    kind: Literal["start"] = "start"
    session_kind: SessionKind = SessionKind.CONVERSATION
    learner: LearnerId
    name: Label = ""
    claim: Annotated[int, Field(ge=1)] | None = None
    cast: Annotated[tuple[CastMember, ...], Field(max_length=32)] = ()
    persona: Label = ""
    tags: Annotated[tuple[Label, ...], Field(max_length=32)] = ()
    room: Label = ""
    model: Label = ""
    mind: MindKind = MindKind.NONE
    max_tasks: Annotated[int, Field(ge=1, le=1000)] = 50
    task_timeout_s: Annotated[float, Field(ge=0, le=30 * 86400)] = 300.0
    session_timeout_s: Annotated[float, Field(ge=0, le=365 * 86400)] = 3600.0
    idle_timeout_s: Annotated[float, Field(ge=0, le=365 * 86400)] = 0.0

    @model_validator(mode="after")
    def _each_npc_once(self) -> StartSession:
        names = [member.npc for member in self.cast]
        if len(set(names)) != len(names):
            raise ValueError("cast names an NPC twice")
        return self


class AbandonStart(Message):
    """Settles an overdue claim: from now on nothing resting on it can begin or resume."""

    kind: Literal["abandon-start"] = "abandon-start"
    learner: LearnerId
    claim: Annotated[int, Field(ge=1)]


class ForkFrom(Message):
    """Begins a rehearsal from a parent's state at one of its checkpoints.

    Attributes:
        state: the parent's state at ``sequence``, msgpack; ``layout``: the version it is laid out
            in.
    """

    kind: Literal["fork"] = "fork"
    parent: SessionId
    sequence: Annotated[int, Field(ge=1)]
    state: bytes
    layout: Annotated[int, Field(ge=1)] = 1


class TakeTurn(Message):
    """The learner says something to an NPC.

    Attributes:
        turn: 1 for the learner's first utterance, then counting; makes a repeat harmless.
        speaking_ms: how long it took to say.
        frictions: what was found in it; None when nobody looked (reputation then stays).
        register_aligned: whether the level of formality fitted; None when nobody judged.
    """

    kind: Literal["take-turn"] = "take-turn"
    turn: Annotated[int, Field(ge=1)]
    npc: NpcId
    text: Text
    speaking_ms: Millis | None = None
    frictions: Annotated[tuple[FrictionFinding, ...], Field(max_length=16)] | None = None
    register_aligned: bool | None = None


class NpcReply(Message):
    """The NPC says something.

    Attributes:
        turn: the learner's turn it answers; 0 opens the conversation. One reply a turn.
    """

    kind: Literal["npc-reply"] = "npc-reply"
    turn: Annotated[int, Field(ge=0)]
    npc: NpcId
    text: Text


class ReportFriction(Message):
    """Somebody noticed friction outside the turn that carried it."""

    kind: Literal["report-friction"] = "report-friction"
    finding: FrictionFinding
    npc: NpcId | None = None


class ChangeReputation(Message):
    """The learner's standing with one NPC moves by ``delta``, -1 to 1."""

    kind: Literal["change-reputation"] = "change-reputation"
    npc: NpcId
    delta: Delta
    reason: Reason = ""


class AddTask(Message):
    """Something to do in this session.

    Attributes:
        data: free data of the caller, JSON text.
        npc: who the task is for, if that is known already.
        timeout_s: seconds from its start; None takes the session's.
    """

    kind: Literal["add-task"] = "add-task"
    task: TaskId
    data: JsonText = "{}"
    priority: TaskPriority = TaskPriority.NORMAL
    capabilities: Capabilities = ()
    npc: NpcId | None = None
    timeout_s: Annotated[float, Field(ge=0, le=30 * 86400)] | None = None


class RouteTask(Message):
    """Chooses who of the cast gets a task, by capability, then load, then name."""

    kind: Literal["route-task"] = "route-task"
    task: TaskId


class StartTask(Message):
    kind: Literal["start-task"] = "start-task"
    task: TaskId


class CompleteTask(Message):
    """Ends a task.

    Attributes:
        duration_ms: how long it took; None measures from its start.
    """

    kind: Literal["complete-task"] = "complete-task"
    task: TaskId
    outcome: Outcome = Outcome.SUCCESS
    duration_ms: Millis | None = None
    result: JsonText | None = None
    error: Reason = ""


class Pause(Message):
    kind: Literal["pause"] = "pause"
    reason: Reason = ""


class Resume(Message):
    """A paused session goes on.

    Attributes:
        claim: sequence of the learner's claim this rests on, made after the pause; needed by
            claiming kinds.
        learner: at whom that claim was made. Where it is another's, the session refuses and names
            its own learner; so whoever resumes need not read the session first.
    """

    kind: Literal["resume"] = "resume"
    claim: Annotated[int, Field(ge=1)] | None = None
    learner: LearnerId | None = None


class End(Message):
    kind: Literal["end"] = "end"
    reason: EndReason = EndReason.LEARNER_ENDED
    outcome: Outcome = Outcome.SUCCESS
    error: Reason = ""


class SettleOwed(Message):
    """Sent by a session to itself: tells the next NPC it owes a word to."""

    kind: Literal["settle-owed"] = "settle-owed"


class TimerFired(Message):
    """Sent by the host when a deadline has passed. ``name`` is session, idle or task."""

    kind: Literal["timer"] = "timer"
    name: Literal["session", "idle", "task"]
    task: TaskId | None = None


SessionCommand = Annotated[
    StartSession
    | AbandonStart
    | ForkFrom
    | TakeTurn
    | NpcReply
    | ReportFriction
    | ChangeReputation
    | AddTask
    | RouteTask
    | StartTask
    | CompleteTask
    | Pause
    | Resume
    | End
    | SettleOwed
    | TimerFired,
    Field(discriminator="kind"),
]

INTERNAL_COMMANDS = frozenset({"settle-owed", "timer"})
"""Kinds only an actor's own host may send; from a client they are refused."""


# --- events ----------------------------------------


class SessionStarted(Event):
    kind: Literal["session.started"] = "session.started"
    session_kind: SessionKind
    learner: LearnerId
    name: str = ""
    claim: int | None = None
    cast: tuple[CastMember, ...] = ()
    persona: str = ""
    tags: tuple[str, ...] = ()
    room: str = ""
    model: str = ""
    mind: MindKind = MindKind.NONE
    max_tasks: int = 50
    task_timeout_ms: int = 300_000
    session_timeout_ms: int = 3_600_000
    idle_timeout_ms: int = 0


class SessionStartAbandoned(Event):
    """The first and only checkpoint of a session whose start came too late."""

    kind: Literal["session.start-abandoned"] = "session.start-abandoned"
    learner: LearnerId
    claim: int


class SessionResumeAbandoned(Event):
    """A paused session will not be resumed on this claim any more."""

    kind: Literal["session.resume-abandoned"] = "session.resume-abandoned"
    claim: int


class SessionForked(Event):
    kind: Literal["session.forked"] = "session.forked"
    parent: SessionId
    sequence: int
    state: bytes
    layout: int = 1


class SessionPaused(Event):
    kind: Literal["session.paused"] = "session.paused"
    reason: str = ""


class SessionResumed(Event):
    kind: Literal["session.resumed"] = "session.resumed"
    claim: int | None = None


class SessionEnded(Event):
    """Attributes:
    active_ms: time it was active, pauses not counted.
    """

    kind: Literal["session.ended"] = "session.ended"
    reason: EndReason
    outcome: Outcome
    active_ms: int
    error: str = ""


class NpcParted(Event):
    """A session ended for one NPC that took part in it."""

    kind: Literal["npc.parted"] = "npc.parted"
    npc: NpcId
    turns: int


class TurnTaken(Event):
    kind: Literal["turn.taken"] = "turn.taken"
    turn: int
    npc: NpcId
    text: str
    speaking_ms: int | None = None
    analysed: bool = False


class TurnAnswered(Event):
    kind: Literal["turn.answered"] = "turn.answered"
    turn: int
    npc: NpcId
    text: str


class FrictionDetected(Event):
    kind: Literal["friction.detected"] = "friction.detected"
    type: FrictionType
    severity: float
    turn: int
    npc: NpcId | None = None
    detail: str = ""


class ReputationChanged(Event):
    kind: Literal["reputation.changed"] = "reputation.changed"
    npc: NpcId
    delta: float
    reason: str = ""
    turn: int = 0


class TaskAdded(Event):
    kind: Literal["task.added"] = "task.added"
    task: TaskId
    data: str = "{}"
    priority: TaskPriority = TaskPriority.NORMAL
    capabilities: tuple[str, ...] = ()
    npc: NpcId | None = None
    timeout_ms: int = 0


class TaskRouted(Event):
    """Attributes:
    fallback: nobody had all capabilities; ``match`` says what share the chosen one has.
    """

    kind: Literal["task.routed"] = "task.routed"
    task: TaskId
    npc: NpcId
    match: float
    fallback: bool
    reasoning: str = ""


class TaskStarted(Event):
    kind: Literal["task.started"] = "task.started"
    task: TaskId
    npc: NpcId | None = None


class TaskCompleted(Event):
    kind: Literal["task.completed"] = "task.completed"
    task: TaskId
    outcome: Outcome
    duration_ms: int | None = None
    npc: NpcId | None = None
    result: str | None = None
    error: str = ""


SessionEvent = Annotated[
    SessionStarted
    | SessionStartAbandoned
    | SessionResumeAbandoned
    | SessionForked
    | SessionPaused
    | SessionResumed
    | SessionEnded
    | NpcParted
    | TurnTaken
    | TurnAnswered
    | FrictionDetected
    | ReputationChanged
    | TaskAdded
    | TaskRouted
    | TaskStarted
    | TaskCompleted,
    Field(discriminator="kind"),
]

SESSION_COMMAND: TypeAdapter[SessionCommand] = TypeAdapter(SessionCommand)
