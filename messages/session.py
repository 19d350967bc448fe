"""What may be said to a session, and what a session says happened.

Commands are imperative and may be refused; events are past tense and never are. One command leads
to one checkpoint, which holds all its events and names at most one NPC.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, TypeAdapter, model_validator

from holodeck.messages.base import Event, JsonText, Label, Message, Millis, Reason, Text
from holodeck.messages.conversation import (
    Consequence,
    Form,
    PreSessionContext,
    Severity,
)
from holodeck.messages.conversation import FrictionType as FrictionType
from holodeck.messages.fleet import (
    Alternative,
    Capabilities,
    Collaborators,
    Decision,
    GraphPoint,
    Routing,
    SessionGraph,
)
from holodeck.messages.ids import LearnerId, NpcId, SessionId, TaskId
from holodeck.messages.player import (
    CharacterId,
    PlayingCommand,
    PlayingEvent,
    SafetyFinding,
    TherapeuticSettings,
    WorldId,
)
from holodeck.messages.practice import (
    AnswerGiven,
    AnswerQuestion,
    CloseFeedback,
    FeedbackClosed,
    HintShown,
    PracticeBrief,
    PracticeOptions,
    PracticePlanned,
    PracticeSummed,
    QuestionFailed,
    QuestionServed,
    ReviewCredited,
    RewardEarned,
    ServeQuestion,
    ShowHint,
    SkillMoved,
    Supplies,
)
from holodeck.messages.talk import (
    AffectChanged,
    AnalysisKind,
    AskRefraction,
    ChooseRefraction,
    CloseConversation,
    ConversationClosed,
    FactLearned,
    GoalReached,
    Heard,
    IncidentArose,
    IncidentResolved,
    InjectionAdvanced,
    MoodChanged,
    NegotiationCollapsed,
    OfferRefraction,
    OpennessChanged,
    Parting,
    ProfessionalRecorded,
    PronunciationHeard,
    ReachGoal,
    RecordAttempt,
    RecordProfessional,
    RefractionAsked,
    RefractionAttempted,
    RefractionChosen,
    RefractionOffered,
    RefractionUsed,
    RememberFact,
    ResolveIncident,
    ScaffoldingEscalated,
    Signals,
    SilenceNoticed,
    Stage,
    TurnAnalysis,
)
from holodeck.messages.talk import FrictionFinding as FrictionFinding


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
    ABANDONED = "abandoned"


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


class MindKind(StrEnum):
    """Who answers a turn: nobody (replies come as commands), the scripted mind or a model."""

    NONE = "none"
    SCRIPTED = "scripted"
    MODEL = "model"


Delta = Annotated[float, Field(ge=-1.0, le=1.0, allow_inf_nan=False)]


class CastMember(Message):
    """An NPC that takes part, and what it can be asked to do."""

    npc: NpcId
    capabilities: Capabilities = ()


class Crossing(Event):
    """A component of the co-work graph rose above its threshold: β1 > V + offset.

    Attributes:
        number: sequence of the checkpoint whose link did it.
        h1, vertices, edges: of the component; threshold: V + offset.
        members: of the component, in order of their names, at most 64; ``more``: how many others.
        edge: the two agents whose link crossed.
    """

    number: Annotated[int, Field(ge=1)]
    h1: int
    threshold: float
    offset: float = -2.0
    vertices: int
    edges: int
    members: Annotated[tuple[NpcId, ...], Field(max_length=64)] = ()
    more: int = 0
    edge: tuple[NpcId, NpcId]
    session: str = ""
    task: str = ""

    def __str__(self) -> str:
        return (
            f"EMERGENCE: β₁={self.h1} > V{self.offset:+g}={self.threshold:g} "
            f"(V={self.vertices}, E={self.edges})"
        )


# --- commands ----------------------------------------


class StartSession(Message):
    """Begins a session. Its first command, and only its first.

    Attributes:
        learner: who learns; the agent's id in a session of kind ``agent``.
        claim: sequence of the learner's claim this start rests on; needed by claiming kinds.
        task_timeout_s: seconds a started task may take, 0 none.
        session_timeout_s: seconds of active time (pauses not counted), 0 none.
        idle_timeout_s: seconds without a command while active, 0 none.
        room: where its tiles belong; empty: the default room.
        emit_tiles: whether its tiles go to PLATO; they are made and kept in any case.
        h1_router: whether the agent said it has its tasks routed; told on, changes nothing.
        emergence_offset: an alert is raised where β1 > V + offset in a component.
        started_us: when it began by the clock of whoever starts it, µs since 1970 UTC; None: when
            the host hears of it.
        graph: the co-work graph now; filled in by the host for sessions of kind ``agent``.
        persona: the world of a conversation, one the hosts know; empty: none, and then nothing of
            the micro-loop but friction and reputation. In other kinds: any label.
        analysis: who looks at a turn before it is decided, where its sender did not.
        ladder: whether silence is answered by deadline.
        context, stage: what learner, NPCs and persona say; filled in by the host.
        practice: what is practised, in a session of kind ``practice``. Its minutes are then the
            limit of active time, in place of ``session_timeout_s``.
        brief: how far the learner has come; filled in by the host. supplies: the first question,
            made by the host.
        character, world: whom the player plays, and where; None: nobody in particular.
        settings: how it is to be led; None: as the player's settings say where the player is
            asked (it has a character or a world, or is a conversation in a persona's), else as
            nobody said, which is as the defaults.
        abandon_s: seconds without a client's command, active or paused, after which it ends as
            abandoned; 0 never; None: as the hosts are set, in kinds that claim their learner.
        narrative: what the narrator keeps of it, JSON; filled in by the host.
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
    emit_tiles: bool = True
    h1_router: bool = False
    emergence_offset: Annotated[float, Field(ge=-1e6, le=1e6)] = -2.0
    started_us: Annotated[int, Field(ge=0, le=2**53)] | None = None
    graph: GraphPoint | None = None
    analysis: AnalysisKind = AnalysisKind.NONE
    ladder: bool = False
    context: PreSessionContext | None = None
    stage: Stage | None = None
    practice: PracticeOptions | None = None
    brief: PracticeBrief | None = None
    supplies: Supplies = ()
    character: CharacterId | None = None
    world: WorldId | None = None
    settings: TherapeuticSettings | None = None
    abandon_s: Annotated[float, Field(ge=0, le=365 * 86400)] | None = None
    narrative: JsonText | None = None

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
        analysis: what was found in it; None: the host looks, where the session says so. What
            ``frictions`` and ``register_aligned`` say goes before it.
        signals: what the client measured; heard: what a pronunciation engine made of it.
        location, topic: where and about what; empty: as before.
        refraction: number of the refraction whose chosen wording it uses.
        safety: what gives cause for concern in it; filled in by the host.
    """

    kind: Literal["take-turn"] = "take-turn"
    turn: Annotated[int, Field(ge=1)]
    npc: NpcId
    text: Text
    speaking_ms: Millis | None = None
    frictions: Annotated[tuple[FrictionFinding, ...], Field(max_length=16)] | None = None
    register_aligned: bool | None = None
    analysis: TurnAnalysis | None = None
    signals: Signals | None = None
    heard: Heard | None = None
    location: Label = ""
    topic: Label = ""
    refraction: Annotated[int, Field(ge=1, le=1000)] | None = None
    safety: SafetyFinding | None = None


class NpcReply(Message):
    """The NPC says something.

    Attributes:
        turn: the learner's turn it answers; 0 opens the conversation. One reply a turn.
        opened: target forms it made an opening for; speaking_ms: how long it takes to say.
        source: who made it up, such as ``scripted``, ``fallback`` or a model's name.
    """

    kind: Literal["npc-reply"] = "npc-reply"
    turn: Annotated[int, Field(ge=0)]
    npc: NpcId
    text: Text
    opened: Annotated[tuple[Form, ...], Field(max_length=5)] = ()
    speaking_ms: Millis | None = None
    source: Label = ""


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
        start: begin it at once.
    """

    kind: Literal["add-task"] = "add-task"
    task: TaskId
    data: JsonText = "{}"
    priority: TaskPriority = TaskPriority.NORMAL
    capabilities: Capabilities = ()
    npc: NpcId | None = None
    timeout_s: Annotated[float, Field(ge=0, le=30 * 86400)] | None = None
    start: bool = False


class RouteTask(Message):
    """Chooses who gets a task: one of the cast, or without a cast one of the fleet's agents.

    Attributes:
        start: begin it at once.
        prefer: agents to be taken if any of them is capable.
        decision: who gets it; None: the host asks the fleet before the session decides.
    """

    kind: Literal["route-task"] = "route-task"
    task: TaskId
    start: bool = False
    prefer: Annotated[tuple[NpcId, ...], Field(max_length=32)] = ()
    decision: Decision | None = None


class RetryTask(Message):
    """One more attempt at a task that failed or ran out of time.

    Attributes:
        attempt: number of the new attempt; makes a repeat harmless.
        start: begin it at once.
    """

    kind: Literal["retry-task"] = "retry-task"
    task: TaskId
    attempt: Annotated[int, Field(ge=2, le=100)]
    start: bool = False


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


class ReportError(Message):
    """Something went wrong that ends neither a task nor the session."""

    kind: Literal["report-error"] = "report-error"
    error: Annotated[str, Field(min_length=1, max_length=1000)]
    task: TaskId | None = None


class ReportEmergence(Message):
    """Sent by the fleet: a link this session made lifted a component above its threshold."""

    kind: Literal["report-emergence"] = "report-emergence"
    crossing: Crossing


class Pause(Message):
    """``narrative``: as in :class:`StartSession`, as the narrator has it now."""

    kind: Literal["pause"] = "pause"
    reason: Reason = ""
    narrative: JsonText | None = None


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
    """Ends the session; what is still open ends with it.

    Attributes:
        graph: the co-work graph now; filled in by the host where the session is part of it.
    """

    kind: Literal["end"] = "end"
    reason: EndReason = EndReason.LEARNER_ENDED
    outcome: Outcome = Outcome.SUCCESS
    error: Reason = ""
    graph: SessionGraph | None = None


class SettleOwed(Message):
    """Sent by a session to itself: tells the next NPC it owes a word to."""

    kind: Literal["settle-owed"] = "settle-owed"


class TimerFired(Message):
    """Sent by the host when a deadline has passed. ``name`` is session, idle, abandon, task or
    silence; ``graph`` as in :class:`End`."""

    kind: Literal["timer"] = "timer"
    name: Literal["session", "idle", "abandon", "task", "silence"]
    task: TaskId | None = None
    graph: SessionGraph | None = None


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
    | RetryTask
    | ReportError
    | ReportEmergence
    | AskRefraction
    | OfferRefraction
    | ChooseRefraction
    | RecordAttempt
    | RememberFact
    | ReachGoal
    | CloseConversation
    | ResolveIncident
    | RecordProfessional
    | AnswerQuestion
    | CloseFeedback
    | ServeQuestion
    | ShowHint
    | PlayingCommand
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
    emit_tiles: bool = True
    h1_router: bool = False
    emergence_offset: float = -2.0
    started_us: int | None = None
    graph: GraphPoint | None = None
    analysis: AnalysisKind = AnalysisKind.NONE
    ladder: bool = False
    context: PreSessionContext | None = None
    stage: Stage | None = None
    practice: PracticeOptions | None = None
    brief: PracticeBrief | None = None
    character: str | None = None
    world: str | None = None
    settings: TherapeuticSettings | None = None
    abandon_ms: int = 0
    narrative: str | None = None


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
    narrative: str | None = None


class SessionResumed(Event):
    kind: Literal["session.resumed"] = "session.resumed"
    claim: int | None = None


class TaskCounts(Event):
    """How the tasks of a session came out; ``open``: they were when it ended."""

    total: int = 0
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    timed_out: int = 0
    open: int = 0


class Pattern(Event):
    """Something a session's tasks show.

    Attributes:
        evidence: ids of the tasks, or the facts, that show it; at most 20.
    """

    name: str
    evidence: tuple[str, ...] = ()


class H1Delta(Event):
    """What became of the co-work graph's β1 between a session's start and end.

    Attributes:
        change: end − start, whoever caused it; own_change: loops this session closed itself.
    crossings: how often one of its links lifted a component above its threshold.
        first, last: the graph at both ends.
    """

    start: int
    end: int
    change: int
    own_change: int = 0
    crossings: int = 0
    first: GraphPoint = GraphPoint()
    last: GraphPoint = GraphPoint()


class SessionEnded(Event):
    """Attributes:
    active_ms: time it was active, pauses not counted; duration_ms: since its start.
    agent, name: as they were told at the start.
    h1: None where there was no graph to look at.
    """

    kind: Literal["session.ended"] = "session.ended"
    reason: EndReason
    outcome: Outcome
    active_ms: int
    error: str = ""
    agent: str = ""
    name: str = ""
    duration_ms: int = 0
    tasks: TaskCounts | None = None
    h1: H1Delta | None = None
    patterns: tuple[Pattern, ...] = ()


class SessionErred(Event):
    """Something went wrong.

    Attributes:
        error_class, fingerprint: the same for the same error with other numbers and names in it.
    """

    kind: Literal["session.erred"] = "session.erred"
    error: str
    error_class: str = ""
    fingerprint: str = ""
    task: str | None = None
    agent: str = ""


class EmergenceDetected(Event):
    kind: Literal["emergence.detected"] = "emergence.detected"
    crossing: Crossing


class NpcParted(Event):
    """A session ended for one NPC that took part in it."""

    kind: Literal["npc.parted"] = "npc.parted"
    npc: NpcId
    turns: int
    parting: Parting | None = None


class TurnTaken(Event):
    """Attributes:
    analysis: what was found in it, without the frictions, which are events of their own.
    tier: of the NPC it was said to; 0 in a session without a persona.
    base: where the standing begins if these two never met, -0.5 to 1; None: at 0.
    """

    kind: Literal["turn.taken"] = "turn.taken"
    turn: int
    npc: NpcId
    text: str
    speaking_ms: int | None = None
    analysed: bool = False
    analysis: TurnAnalysis | None = None
    signals: Signals | None = None
    aligned: bool | None = None
    location: str = ""
    topic: str = ""
    tier: Literal[0, 1, 2, 3] = 0
    base: float | None = None


class TurnAnswered(Event):
    """``ladder``: from now on the learner's silence is answered by deadline."""

    kind: Literal["turn.answered"] = "turn.answered"
    turn: int
    npc: NpcId
    text: str
    speaking_ms: int | None = None
    source: str = ""
    ladder: bool = False


class FrictionDetected(Event):
    """Attributes:
    level: what the severity is called.
    form: the target form or rule that was missed; said: what was said instead.
    """

    kind: Literal["friction.detected"] = "friction.detected"
    type: FrictionType
    severity: float
    turn: int
    npc: NpcId | None = None
    detail: str = ""
    level: Severity | None = None
    form: str = ""
    said: str = ""
    consequence: Consequence | None = None


class ReputationChanged(Event):
    """``base``: as in :class:`TurnTaken`."""

    kind: Literal["reputation.changed"] = "reputation.changed"
    npc: NpcId
    delta: float
    reason: str = ""
    turn: int = 0
    base: float | None = None


class TaskAdded(Event):
    kind: Literal["task.added"] = "task.added"
    task: TaskId
    data: str = "{}"
    priority: TaskPriority = TaskPriority.NORMAL
    capabilities: tuple[str, ...] = ()
    npc: NpcId | None = None
    timeout_ms: int = 0


class TaskRefused(Event):
    """The first task a session turned away because it has as many as it may have."""

    kind: Literal["task.refused"] = "task.refused"
    task: TaskId
    limit: int


class TaskRouted(Event):
    """Attributes:
    fallback: nobody had all capabilities; ``match`` says what share the chosen one has.
    routing: None where the fleet was not asked.
    collaborators: who the agent is linked to by it, in the co-work graph.
    offset: emergence is β1 > V + offset.
    """

    kind: Literal["task.routed"] = "task.routed"
    task: TaskId
    npc: NpcId
    match: float
    fallback: bool
    reasoning: str = ""
    attempt: int = 1
    routing: Routing | None = None
    alternatives: tuple[Alternative, ...] = ()
    collaborators: Collaborators = ()
    offset: float = -2.0


class TaskStarted(Event):
    """Attributes:
    agent: who does it: the one it was routed to, else the session's own.
    """

    kind: Literal["task.started"] = "task.started"
    task: TaskId
    npc: NpcId | None = None
    attempt: int = 1
    agent: str = ""
    capabilities: tuple[str, ...] = ()
    routing: Routing | None = None


class TaskCompleted(Event):
    """Attributes:
    error_class, fingerprint: the same for the same error with other numbers and names in it.
    agent: as in :class:`TaskStarted`.
    """

    kind: Literal["task.completed"] = "task.completed"
    task: TaskId
    outcome: Outcome
    duration_ms: int | None = None
    npc: NpcId | None = None
    result: str | None = None
    error: str = ""
    attempt: int = 1
    agent: str = ""
    error_class: str = ""
    fingerprint: str = ""


class TaskRetried(Event):
    """A task is open once more, given to nobody."""

    kind: Literal["task.retried"] = "task.retried"
    task: TaskId
    attempt: int


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
    | TaskCompleted
    | TaskRetried
    | TaskRefused
    | SessionErred
    | EmergenceDetected
    | AffectChanged
    | ScaffoldingEscalated
    | OpennessChanged
    | NegotiationCollapsed
    | MoodChanged
    | InjectionAdvanced
    | PronunciationHeard
    | RefractionAsked
    | RefractionOffered
    | RefractionChosen
    | RefractionAttempted
    | RefractionUsed
    | FactLearned
    | IncidentArose
    | IncidentResolved
    | ProfessionalRecorded
    | GoalReached
    | ConversationClosed
    | SilenceNoticed
    | PracticePlanned
    | QuestionServed
    | QuestionFailed
    | HintShown
    | AnswerGiven
    | FeedbackClosed
    | SkillMoved
    | ReviewCredited
    | RewardEarned
    | PracticeSummed
    | PlayingEvent,
    Field(discriminator="kind"),
]

SESSION_COMMAND: TypeAdapter[SessionCommand] = TypeAdapter(
    SessionCommand, config=ConfigDict(defer_build=True)
)
