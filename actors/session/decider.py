"""A session: ``new → active ⇄ paused → ended``, its turns, friction, reputation and tasks.

What a conversation in a persona's world has beyond that is decided in ``talk/``, what a practice
session has in ``practice/``.

Pure. Every refusal reason a session knows:

``unknown-session`` nothing was started under this id · ``session-exists`` · ``start-abandoned``
the start came after its claim was given up · ``session-ended`` · ``session-paused`` ·
``session-active`` · ``session-erased`` · ``claim-required`` · ``claim-void`` · ``turn-order`` ·
``unknown-npc`` not in the cast · ``no-cast`` · ``no-agents`` · ``task-limit`` ·
``session-full`` · ``duplicate-task`` · ``unknown-task`` · ``task-completed`` with another outcome ·
``task-open`` · ``task-succeeded`` · ``attempt-order`` · ``bad-fork``; and of a conversation:
``no-persona`` it is none ·
``other-learner`` the context is somebody else's · ``npc-left`` it broke off ·
``unknown-location`` · ``unknown-refraction`` · ``refraction-order`` · ``not-offered`` ·
``unknown-objective`` · ``unknown-incident``; and of practice: ``no-practice`` it is none ·
``no-brief`` · ``empty-curriculum`` · ``question-order`` · ``question-open`` · ``blank-answer`` ·
``no-hint`` · ``wrong-supply``; and of play: ``not-an-object`` · ``too-large`` ·
``variables-full`` · ``markers-full``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

import msgpack
from pydantic import ValidationError

from holodeck.actors.decider import Decider, Moment
from holodeck.actors.session.faults import fault
from holodeck.actors.session.patterns import Done, Story, patterns
from holodeck.actors.session.playing import rules as play
from holodeck.actors.session.playing.state import Flag, Playing
from holodeck.actors.session.practice import rules as practising
from holodeck.actors.session.practice.clock import ends_at
from holodeck.actors.session.practice.state import Practice
from holodeck.actors.session.practice.state import begun as practice_begun
from holodeck.actors.session.rules import choose, turn_reputation
from holodeck.actors.session.state import (
    SCHEMA,
    STATE,
    Charter,
    Earlier,
    Phase,
    SessionState,
    Task,
)
from holodeck.actors.session.talk import refraction, silence, ties
from holodeck.actors.session.talk import turn as turns
from holodeck.actors.session.talk.state import Talk, begun
from holodeck.messages.errors import RefusedError
from holodeck.messages.fleet import MAX_COLLABORATORS, SessionGraph
from holodeck.messages.player import (
    AddMarker,
    AddNote,
    ChangeSettings,
    EraseSession,
    FlagSafety,
    Interact,
    SafetyFlagged,
    SessionErased,
    SessionInteracted,
    SessionMarked,
    SessionNoted,
    SettingsChanged,
)
from holodeck.messages.practice import (
    AnswerGiven,
    AnswerQuestion,
    CloseFeedback,
    FeedbackClosed,
    HintShown,
    QuestionFailed,
    ServeQuestion,
    ShowHint,
)
from holodeck.messages.session import (
    AbandonStart,
    AddTask,
    ChangeReputation,
    CompleteTask,
    EmergenceDetected,
    End,
    EndReason,
    ForkFrom,
    FrictionDetected,
    FrictionFinding,
    H1Delta,
    MindKind,
    NpcParted,
    NpcReply,
    Outcome,
    Pattern,
    Pause,
    ReportEmergence,
    ReportError,
    ReportFriction,
    ReputationChanged,
    Resume,
    RetryTask,
    RouteTask,
    SessionCommand,
    SessionEnded,
    SessionErred,
    SessionEvent,
    SessionForked,
    SessionKind,
    SessionPaused,
    SessionResumeAbandoned,
    SessionResumed,
    SessionStartAbandoned,
    SessionStarted,
    SettleOwed,
    StartSession,
    StartTask,
    TakeTurn,
    TaskAdded,
    TaskCompleted,
    TaskCounts,
    TaskRefused,
    TaskRetried,
    TaskRouted,
    TaskStarted,
    TimerFired,
    TurnAnswered,
    TurnTaken,
)
from holodeck.messages.talk import (
    AffectChanged,
    AskRefraction,
    ChooseRefraction,
    CloseConversation,
    ConversationClosed,
    FactLearned,
    GoalReached,
    IncidentArose,
    IncidentResolved,
    InjectionAdvanced,
    MoodChanged,
    NegotiationCollapsed,
    OfferRefraction,
    OpennessChanged,
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
    SilenceNoticed,
    Stage,
)

Events = Sequence[SessionEvent]

MAX_WEIGHT: Final = 64 * 1024
"""Bytes of names and capabilities the tasks of a session may put into its state. With a thousand
tasks given to agents of the longest names the state then stays below 640 KB of the 1 MB a message
holds, and the checkpoint of an end that closes them all below the 256 KB it may have."""
_NOTHING: Final[Events] = ()


# --- decide ----------------------------------------


def decide(state: SessionState, command: SessionCommand, now: int) -> Events:
    """The events a command leads to; none if it was already obeyed.

    Raises:
        RefusedError: the present state forbids it; the reasons are listed above.
    """
    phases, rule = RULES[type(command)]
    if state.phase not in phases:
        raise RefusedError(_WHY_NOT[state.phase])
    return rule(state, command, now)


_WHY_NOT: Final[dict[Phase, str]] = {
    Phase.NEW: "unknown-session",
    Phase.ACTIVE: "session-active",
    Phase.PAUSED: "session-paused",
    Phase.ENDED: "session-ended",
    Phase.ABANDONED: "start-abandoned",
    Phase.ERASED: "session-erased",
}


def _start(state: SessionState, command: StartSession, now: int) -> Events:
    if state.phase is Phase.ABANDONED:
        raise RefusedError("start-abandoned")
    if state.phase is not Phase.NEW:
        raise RefusedError("session-exists")
    if command.session_kind.claims and command.claim is None:
        raise RefusedError("claim-required", "start it through the supervisor")
    if command.stage is not None:
        known = {one.npc for one in command.stage.characters}
        for member in command.cast:
            if member.npc not in known:
                raise RefusedError("unknown-npc", f"{member.npc} is not of this world")
    if command.context is not None and command.context.learner.id != command.learner:
        raise RefusedError("other-learner", command.context.learner.id)
    if command.narrative is not None:
        play.bounded(command.narrative, "narrative")
    practice = _practice_begins(command, now)
    started = SessionStarted(
        session_kind=command.session_kind,
        learner=command.learner,
        name=command.name,
        claim=command.claim,
        cast=command.cast,
        persona=command.persona,
        tags=command.tags,
        room=command.room,
        model=command.model,
        mind=command.mind,
        max_tasks=command.max_tasks,
        task_timeout_ms=round(command.task_timeout_s * 1000),
        session_timeout_ms=round(command.session_timeout_s * 1000),
        idle_timeout_ms=round(command.idle_timeout_s * 1000),
        emit_tiles=command.emit_tiles,
        h1_router=command.h1_router,
        emergence_offset=command.emergence_offset,
        started_us=command.started_us,
        graph=command.graph,
        analysis=command.analysis,
        ladder=command.ladder,
        context=command.context,
        stage=command.stage,
        practice=command.practice,
        brief=None if command.practice is None else command.brief,
        character=command.character,
        world=command.world,
        settings=command.settings,
        abandon_ms=round((command.abandon_s or 0) * 1000),
        narrative=command.narrative,
    )
    if practice is None:
        return (started,)
    if practice.over is None:
        return (started, *practice.events)
    after = state.copy()
    _on_started(after, started, Moment(0, now))
    return (started, *_over(after, practice))


def _practice_begins(command: StartSession, now: int) -> practising.Step | None:
    """
    Raises:
        RefusedError: ``no-practice`` the session is of another kind; ``no-brief``; as
            :func:`practising.begin`.
    """
    if command.practice is None:
        return None
    if command.session_kind is not SessionKind.PRACTICE:
        raise RefusedError("no-practice", f"it is a session of kind {command.session_kind}")
    if command.brief is None:
        raise RefusedError("no-brief", "how far the learner has come is not known")
    return practising.begin(command.practice, command.brief, command.supplies, now)


def _fork(state: SessionState, command: ForkFrom, now: int) -> Events:
    if state.phase is not Phase.NEW:
        raise RefusedError("session-exists")
    if command.layout != SCHEMA:
        raise RefusedError("bad-fork", f"its state is laid out as of version {command.layout}")
    if _parent_state(command.state).phase in (Phase.NEW, Phase.ABANDONED, Phase.ERASED):
        raise RefusedError("bad-fork", "the parent had not started at that checkpoint")
    return (
        SessionForked(
            parent=command.parent,
            sequence=command.sequence,
            state=command.state,
            layout=command.layout,
        ),
    )


def _parent_state(data: bytes) -> SessionState:
    try:
        return STATE.validate_python(msgpack.unpackb(data, raw=False))
    except (ValueError, TypeError, msgpack.UnpackException, ValidationError) as error:
        raise RefusedError("bad-fork", "no session state") from error


def _abandon(state: SessionState, command: AbandonStart, now: int) -> Events:
    match state.phase:
        case Phase.NEW:
            return (SessionStartAbandoned(learner=command.learner, claim=command.claim),)
        case Phase.PAUSED if command.claim > state.voided and command.claim > state.claim:
            return (SessionResumeAbandoned(claim=command.claim),)
        case Phase.ACTIVE:
            raise RefusedError("session-active")
        case _:
            return _NOTHING


def _resume(state: SessionState, command: Resume, now: int) -> Events:
    if state.phase is Phase.ACTIVE:
        return _NOTHING
    assert state.charter is not None
    if state.charter.kind.claims and not state.parent:
        learner = state.charter.learner
        if command.claim is None or command.learner not in (None, learner):
            raise RefusedError("claim-required", learner)
        if command.claim <= max(state.voided, state.claim):
            raise RefusedError("claim-void", str(command.claim))
    return (SessionResumed(claim=command.claim),)


def _pause(state: SessionState, command: Pause, now: int) -> Events:
    if state.phase is Phase.PAUSED:
        return _NOTHING
    if command.narrative is not None:
        play.bounded(command.narrative, "narrative")
    return (SessionPaused(reason=command.reason, narrative=command.narrative),)


def _friction(state: SessionState, command: ReportFriction, now: int) -> Events:
    if command.npc is not None:
        _in_cast(state, command.npc)
    found = command.finding
    npc = command.npc or state.npc
    if state.talk is not None:
        return (turns.detected(found, state.turns, npc),)
    return (_detected(found, state.turns, npc),)


def _detected(found: FrictionFinding, turn: int, npc: str | None) -> FrictionDetected:
    detected = FrictionDetected(
        type=found.type, severity=found.severity, turn=turn, npc=npc, detail=found.detail
    )
    if not (found.form or found.said or found.consequence):
        return detected
    more = {"form": found.form, "said": found.said, "consequence": found.consequence}
    return detected.model_copy(update=more)


def _reputation(state: SessionState, command: ChangeReputation, now: int) -> Events:
    _in_cast(state, command.npc)
    if state.talk is not None:
        standing = state.talk.standings[command.npc]
        return (ties.moved(command.npc, standing, command.delta, command.reason, state.turns),)
    return (
        ReputationChanged(
            npc=command.npc, delta=command.delta, reason=command.reason, turn=state.turns
        ),
    )


def _start_task(state: SessionState, command: StartTask, now: int) -> Events:
    task = _open_task(state, command.task)
    return _NOTHING if task.started_at else (_begun(state, task),)


def _begun(state: SessionState, task: Task) -> TaskStarted:
    return TaskStarted(
        task=task.id,
        npc=task.npc,
        attempt=task.attempt,
        agent=_agent(state, task),
        capabilities=task.capabilities,
        routing=task.routing,
    )


def _agent(state: SessionState, task: Task) -> str:
    """Who does a task: the one it was given to, else the agent whose session it is."""
    charter = state.charter
    own = charter.learner if charter and charter.kind is SessionKind.AGENT else ""
    return task.npc or own


def _stop(state: SessionState, command: End, now: int) -> Events:
    if state.phase is Phase.ENDED:
        return _NOTHING
    return _end(state, now, command.reason, command.outcome, command.error, command.graph)


def _in_cast(state: SessionState, npc: str) -> None:
    """An empty cast is open to everyone, in a persona's world to everyone who lives there."""
    assert state.charter is not None
    if state.talk is not None:
        ties.who(state.talk, npc)
    cast = state.charter.cast
    for member in cast:
        if member.npc == npc:
            return
    if cast:
        raise RefusedError("unknown-npc", npc)


def _turn(state: SessionState, command: TakeTurn, now: int) -> Events:
    events = _taken(state, command, now)
    if command.safety is None:
        return events
    return play.with_flag(events, state.playing, command.safety, command.turn)


def _taken(state: SessionState, command: TakeTurn, now: int) -> Events:
    if command.turn <= state.turns:
        return _NOTHING
    if command.turn != state.turns + 1:
        raise RefusedError("turn-order", f"turn {state.turns + 1} is next, not {command.turn}")
    _in_cast(state, command.npc)
    if state.talk is not None:
        return turns.take(state, state.talk, command, now)
    findings, aligned = command.frictions, command.register_aligned
    if command.analysis is not None:
        analysis = command.analysis
        findings = analysis.frictions if findings is None else findings
        aligned = analysis.aligned if aligned is None else aligned
    events: list[SessionEvent] = [
        TurnTaken(
            turn=command.turn,
            npc=command.npc,
            text=command.text,
            speaking_ms=command.speaking_ms,
            analysed=findings is not None,
        )
    ]
    if findings is not None:
        events += [_detected(found, command.turn, command.npc) for found in findings]
        delta = turn_reputation(findings, aligned)
        if delta:
            events.append(
                ReputationChanged(npc=command.npc, delta=delta, reason="turn", turn=command.turn)
            )
    return events


def _reply(state: SessionState, command: NpcReply, now: int) -> Events:
    if command.turn <= state.answered:
        return _NOTHING
    if command.turn > state.turns:
        raise RefusedError("turn-order", f"there is no turn {command.turn} to answer yet")
    _in_cast(state, command.npc)
    if state.talk is not None:
        return turns.answer(state, state.talk, command, state.phase is Phase.ACTIVE)
    return (
        TurnAnswered(
            turn=command.turn,
            npc=command.npc,
            text=command.text,
            speaking_ms=command.speaking_ms,
            source=command.source,
        ),
    )


def _talk(state: SessionState) -> Talk:
    """
    Raises:
        RefusedError: ``no-persona``, the session has no world.
    """
    if state.talk is None:
        raise RefusedError("no-persona", "start a conversation with a persona")
    return state.talk


def _ask(state: SessionState, command: AskRefraction, now: int) -> Events:
    talk = _talk(state)
    if command.npc is not None:
        _in_cast(state, command.npc)
    events = refraction.ask(state, talk, command)
    return play.with_flag(events, state.playing, command.safety, state.turns)


def _offer(state: SessionState, command: OfferRefraction, now: int) -> Events:
    return refraction.offer(_talk(state), command)


def _choose(state: SessionState, command: ChooseRefraction, now: int) -> Events:
    return refraction.choose(_talk(state), command)


def _attempt(state: SessionState, command: RecordAttempt, now: int) -> Events:
    return refraction.attempt(_talk(state), command)


def _remember(state: SessionState, command: RememberFact, now: int) -> Events:
    _in_cast(state, command.npc)
    return ties.remember(state, command)


def _reach(state: SessionState, command: ReachGoal, now: int) -> Events:
    talk = _talk(state)
    _in_cast(state, command.npc)
    return ties.reach(state, talk, command)


def _close(state: SessionState, command: CloseConversation, now: int) -> Events:
    _in_cast(state, command.npc)
    return ties.close(state, command)


def _resolve(state: SessionState, command: ResolveIncident, now: int) -> Events:
    talk = _talk(state)
    _in_cast(state, command.npc)
    return ties.resolve(state, talk, command, now)


def _record(state: SessionState, command: RecordProfessional, now: int) -> Events:
    _in_cast(state, command.npc)
    return ties.record(state, command)


def _interact(state: SessionState, command: Interact, now: int) -> Events:
    return play.interact(state.playing or play.UNPLAYED, command, interactions(state) + 1)


def interactions(state: SessionState) -> int:
    """How often the player did something: turns, answers, and whatever else was told."""
    answers = state.practice.answered if state.practice is not None else 0
    others = state.playing.interacted if state.playing is not None else 0
    return state.turns + answers + others


def _mark(state: SessionState, command: AddMarker, now: int) -> Events:
    return play.mark(state.playing or play.UNPLAYED, command)


def _settings(state: SessionState, command: ChangeSettings, now: int) -> Events:
    return play.change(state.playing or play.UNPLAYED, command)


def _note(state: SessionState, command: AddNote, now: int) -> Events:
    return play.note(command)


def _flag(state: SessionState, command: FlagSafety, now: int) -> Events:
    return play.flag(state.playing or play.UNPLAYED, command)


def _erase(state: SessionState, command: EraseSession, now: int) -> Events:
    return _NOTHING if state.phase is Phase.ERASED else (SessionErased(),)


def _answered(state: SessionState, command: AnswerQuestion, now: int) -> Events:
    events = _ANSWER(state, command, now)
    return play.with_flag(events, state.playing, command.safety, 0)


def _practise(
    rule: Callable[[practising.Step, Any], None],
) -> Callable[[SessionState, Any, int], Events]:
    """A rule of practice as one of the session's."""

    def decided(state: SessionState, command: Any, now: int) -> Events:
        step = _step(state, now)
        rule(step, command)
        return step.events if step.over is None else _over(state, step)

    return decided


def _step(state: SessionState, now: int) -> practising.Step:
    """
    Raises:
        RefusedError: ``no-practice``.
    """
    if state.practice is None:
        raise RefusedError("no-practice", "start a practice session")
    return practising.Step(state.practice.copy(), now, active_ms(state, now))


def _over(state: SessionState, step: practising.Step) -> Events:
    """What practice led to, and the end it led to."""
    match step.over:
        case "time" | "left" | None:
            reason, outcome = EndReason.TIME_LIMIT, Outcome.SUCCESS
        case "alone":
            reason, outcome = EndReason.INACTIVITY_TIMEOUT, Outcome.TIMEOUT
        case "failed":
            reason, outcome = EndReason.SYSTEM_ERROR, Outcome.FAILED
    return _end(state, step.now, reason, outcome, step.fault, step=step)


def _open_task(state: SessionState, name: str) -> Task:
    task = state.tasks.get(name)
    if task is None:
        raise RefusedError("unknown-task", name)
    if task.outcome is not None:
        raise RefusedError("task-completed", f"{name} ended as {task.outcome}")
    return task


def _weight(task: AddTask | TaskAdded) -> int:
    return _size(task.task) + sum(map(_size, task.capabilities))


def _size(text: str) -> int:
    """As it stands in a message: a character may take four bytes."""
    return len(text.encode())


def _add_task(state: SessionState, command: AddTask, now: int) -> Events:
    assert state.charter is not None
    if command.task in state.tasks:
        raise RefusedError("duplicate-task", command.task)
    if len(state.tasks) >= state.charter.max_tasks:
        if not state.refused:
            # Stored once, so that the session's patterns can tell; the sender is refused all the
            # same.
            return (TaskRefused(task=command.task, limit=state.charter.max_tasks),)
        raise RefusedError("task-limit", f"at most {state.charter.max_tasks} tasks")
    if state.weight + _weight(command) > MAX_WEIGHT:
        raise RefusedError("session-full", "its tasks fill the state; end it and start another")
    if command.npc is not None:
        _in_cast(state, command.npc)
    timeout = (
        state.charter.task_timeout_ms
        if command.timeout_s is None
        else round(command.timeout_s * 1000)
    )
    added = TaskAdded(
        task=command.task,
        data=command.data,
        priority=command.priority,
        capabilities=command.capabilities,
        npc=command.npc,
        timeout_ms=timeout,
    )
    if not command.start:
        return (added,)
    return (added, _begun(state, _added(added, now)))


def refusal(event: SessionEvent) -> RefusedError | None:
    """What the sender of a command is refused with although it led to this event."""
    if isinstance(event, TaskRefused):
        return RefusedError("task-limit", f"at most {event.limit} tasks")
    return None


def _route(state: SessionState, command: RouteTask, now: int) -> Events:
    assert state.charter is not None
    task = _open_task(state, command.task)
    if task.npc is not None:
        return (_begun(state, task),) if command.start and not task.started_at else _NOTHING
    decision = command.decision
    if decision is None:
        if not state.charter.cast:
            raise RefusedError("no-cast", "the session has no cast, and the fleet was not asked")
        routed = choose(state, task)
    else:
        routing = decision.routing
        if not routing.agent:
            raise RefusedError("no-agents", decision.reasoning)
        _in_cast(state, routing.agent)
        routed = TaskRouted(
            task=task.id,
            npc=routing.agent,
            match=routing.match,
            fallback=routing.fallback,
            reasoning=decision.reasoning,
            attempt=task.attempt,
            routing=routing,
            alternatives=decision.alternatives,
            collaborators=decision.collaborators,
            offset=state.charter.emergence_offset,
        )
    if not command.start or task.started_at:
        return (routed,)
    return (routed, _begun(state, replace(task, npc=routed.npc, routing=routed.routing)))


def collaborators(state: SessionState, task: str) -> tuple[str, ...]:
    """Who works in the session besides: the agents its tasks were given to, the newest last, and
    whoever had this task before."""
    met = [other.npc for other in state.tasks.values() if other.npc is not None]
    met += [npc for name, npc in state.handed if name == task]
    return tuple(dict.fromkeys(met[::-1]))[:MAX_COLLABORATORS][::-1]


def _retry(state: SessionState, command: RetryTask, now: int) -> Events:
    task = state.tasks.get(command.task)
    if task is None:
        raise RefusedError("unknown-task", command.task)
    if command.attempt <= task.attempt:
        return _NOTHING
    if command.attempt != task.attempt + 1:
        raise RefusedError("attempt-order", f"attempt {task.attempt + 1} is next")
    match task.outcome:
        case None:
            raise RefusedError("task-open", task.id)
        case Outcome.SUCCESS | Outcome.CANCELLED:
            raise RefusedError("task-succeeded", f"{task.id} ended as {task.outcome}")
        case Outcome.FAILED | Outcome.TIMEOUT:
            pass
    if state.weight + _EARLIER + _size(task.id) > MAX_WEIGHT:
        raise RefusedError("session-full", "its tasks fill the state; end it and start another")
    retried = TaskRetried(task=task.id, attempt=command.attempt)
    if not command.start:
        return (retried,)
    return (retried, _begun(state, _reopened(task, command.attempt)))


_EARLIER: Final = 64
"""What an earlier attempt weighs, beside its task's name."""


def _reopened(task: Task, attempt: int) -> Task:
    return Task(
        task.id, task.added_at, task.priority, task.capabilities, None, task.timeout_ms,
        attempt=attempt,
    )  # fmt: skip


def _report_error(state: SessionState, command: ReportError, now: int) -> Events:
    return (_erred(state, command.error, command.task),)


def _erred(state: SessionState, error: str, task: str | None = None) -> SessionErred:
    found = fault(error)
    return SessionErred(
        error=error,
        error_class=found.error_class,
        fingerprint=found.fingerprint,
        task=task,
        agent=state.charter.learner if state.charter else "",
    )


def _emergence(state: SessionState, command: ReportEmergence, now: int) -> Events:
    if command.crossing.number in state.crossed:
        return _NOTHING
    return (EmergenceDetected(crossing=command.crossing),)


def _complete(state: SessionState, command: CompleteTask, now: int) -> Events:
    task = state.tasks.get(command.task)
    if task is None:
        raise RefusedError("unknown-task", command.task)
    if task.outcome is not None:
        if task.outcome is command.outcome:
            return _NOTHING
        raise RefusedError("task-completed", f"{task.id} ended as {task.outcome}")
    return (_completed(state, task, now, command.outcome, command),)


def _completed(
    state: SessionState,
    task: Task,
    now: int,
    outcome: Outcome,
    command: CompleteTask | None = None,
) -> TaskCompleted:
    duration = command.duration_ms if command else None
    if duration is None and task.started_at:
        duration = now - task.started_at
    error = command.error if command else ""
    found = fault(error)
    return TaskCompleted(
        task=task.id,
        outcome=outcome,
        duration_ms=duration,
        npc=task.npc,
        result=command.result if command else None,
        error=error,
        attempt=task.attempt,
        agent=_agent(state, task),
        error_class=found.error_class,
        fingerprint=found.fingerprint,
    )


def _end(
    state: SessionState,
    now: int,
    reason: EndReason,
    outcome: Outcome,
    error: str = "",
    graph: SessionGraph | None = None,
    step: practising.Step | None = None,
) -> Events:
    """Closes what is open and says so to the first NPC; the others are owed a word.

    The closings name no NPC: each learns of them from its own parting. ``step``: what happened in
    practice just before.
    """
    assert state.charter is not None
    closing = Outcome.TIMEOUT if outcome is Outcome.TIMEOUT else Outcome.CANCELLED
    events: list[SessionEvent] = []
    if state.practice is not None:
        step = step or _step(state, now)
        practising.finish(step)
        events += step.events
    events += [
        _completed(state, task, now, closing).model_copy(update={"npc": None})
        for task in state.tasks.values()
        if task.outcome is None
    ]
    if error:
        events.append(_erred(state, error))
    h1 = h1_delta(state, graph)
    events.append(
        SessionEnded(
            reason=reason,
            outcome=outcome,
            active_ms=active_ms(state, now),
            error=error,
            agent=state.charter.learner,
            name=state.charter.name,
            duration_ms=now - state.started_at,
            tasks=task_counts(state, closing),
            h1=h1,
            patterns=(
                seen_patterns(state, now, outcome, h1, graph)
                if state.charter.kind is SessionKind.AGENT or state.tasks
                else ()
            ),
        )
    )
    if state.met and not state.parent:
        first = next(iter(state.met))
        events.append(ties.parted(state, first, reason))
    return events


def task_counts(state: SessionState, closing: Outcome | None = None) -> TaskCounts:
    """How the tasks came out; ``closing`` is what those still open end as."""
    ended = [task.outcome or closing for task in state.tasks.values()]
    return TaskCounts(
        total=len(ended),
        succeeded=ended.count(Outcome.SUCCESS),
        failed=ended.count(Outcome.FAILED),
        cancelled=ended.count(Outcome.CANCELLED),
        timed_out=ended.count(Outcome.TIMEOUT),
        open=state.open,
    )


def h1_delta(state: SessionState, now: SessionGraph | None) -> H1Delta | None:
    """What became of the co-work graph since the start; None where it is not known at both ends."""
    if state.graph is None or now is None:
        return None
    return H1Delta(
        start=state.graph.h1,
        end=now.graph.h1,
        change=now.graph.h1 - state.graph.h1,
        own_change=now.own_change,
        crossings=now.crossings,
        first=state.graph,
        last=now.graph,
    )


def seen_patterns(
    state: SessionState,
    now: int,
    outcome: Outcome | None = None,
    h1: H1Delta | None = None,
    graph: SessionGraph | None = None,
) -> tuple[Pattern, ...]:
    """What the tasks show so far; ``outcome`` is what the session ends as, None while it runs."""
    done: list[tuple[int, Done]] = [
        (e.place, Done(e.task, e.attempt, e.outcome, e.duration_ms, e.fingerprint))
        for e in state.earlier
    ]
    tasks = state.tasks.values()
    done += [
        (t.place, Done(t.id, t.attempt, t.outcome, t.duration_ms, t.fingerprint))
        for t in tasks
        if t.outcome is not None
    ]
    done.sort(key=lambda placed: placed[0])
    duration = (state.ended_at or now) - state.started_at
    busy = state.busy_ms + (now - state.busy_since if state.busy_since else 0)
    crossings = max(len(state.crossed), graph.crossings if graph else 0)
    return patterns(
        Story(
            done=[one for _, one in done],
            tasks=len(state.tasks),
            open=[t.id for t in tasks if t.outcome is None],
            attempts={t.id: t.attempt for t in tasks},
            routed={t.id: t.npc for t in tasks if t.npc is not None},
            fallbacks=list(
                dict.fromkeys(
                    [e.task for e in state.earlier if e.fallback]
                    + [t.id for t in tasks if t.fallback]
                )
            ),
            capacity_hit=state.refused,
            outcome=outcome or state.outcome,
            duration_ms=duration,
            idle_ms=max(0, duration - busy),
            crossings=crossings,
            components=(h1.first.components, h1.last.components) if h1 else None,
        )
    )


def _settle(state: SessionState, command: SettleOwed, now: int) -> Events:
    if not state.owed:
        return _NOTHING
    npc = state.owed[0]
    return (ties.parted(state, npc, state.end_reason),)


def _timer(state: SessionState, command: TimerFired, now: int) -> Events:
    """Nothing unless the deadline has really passed: a timer may come late, early or twice."""
    if state.phase is Phase.ENDED:
        return _NOTHING
    match command.name:
        case "session":
            due = session_deadline(state)
            if due is None or now < due:
                return _NOTHING
            if state.practice is not None:
                step = _step(state, now)
                practising.expire(step)
                return _over(state, step)
            return _end(state, now, EndReason.TIME_LIMIT, Outcome.TIMEOUT, "", command.graph)
        case "idle":
            due = idle_deadline(state)
            if due is None or now < due:
                return _NOTHING
            return _end(
                state, now, EndReason.INACTIVITY_TIMEOUT, Outcome.TIMEOUT, "", command.graph
            )
        case "abandon":
            due = abandon_deadline(state)
            if due is None or now < due:
                return _NOTHING
            return _end(state, now, EndReason.ABANDONED, Outcome.TIMEOUT, "", command.graph)
        case "task":
            task = state.tasks.get(command.task or "")
            due = None if task is None else task_deadline(task)
            if task is None or due is None or now < due:
                return _NOTHING
            return (_completed(state, task, now, Outcome.TIMEOUT),)
        case "silence":
            if state.talk is None or state.phase is not Phase.ACTIVE:
                return _NOTHING
            return silence.noticed(state, state.talk, now)


_ANSWER: Final = _practise(practising.answer)
_ANY: Final = frozenset(Phase) - {Phase.ERASED}
_KNOWN: Final = _ANY - {Phase.NEW}
_BEGUN: Final = frozenset({Phase.ACTIVE, Phase.PAUSED, Phase.ENDED})
_LIVE: Final = frozenset({Phase.ACTIVE, Phase.PAUSED})
_ACTIVE: Final = frozenset({Phase.ACTIVE})

RULES: Final[dict[type, tuple[frozenset[Phase], Callable[[SessionState, Any, int], Events]]]] = {
    StartSession: (_ANY, _start),
    ForkFrom: (_ANY, _fork),
    AbandonStart: (_ANY, _abandon),
    SettleOwed: (_BEGUN, _settle),
    End: (_BEGUN, _stop),
    TimerFired: (_BEGUN, _timer),
    Resume: (_LIVE, _resume),
    Pause: (_LIVE, _pause),
    CompleteTask: (_LIVE, _complete),
    NpcReply: (_LIVE, _reply),
    TakeTurn: (_ACTIVE, _turn),
    ReportFriction: (_ACTIVE, _friction),
    ChangeReputation: (_ACTIVE, _reputation),
    AddTask: (_ACTIVE, _add_task),
    RouteTask: (_ACTIVE, _route),
    StartTask: (_ACTIVE, _start_task),
    RetryTask: (_ACTIVE, _retry),
    ReportError: (_LIVE, _report_error),
    ReportEmergence: (_LIVE, _emergence),
    AskRefraction: (_ACTIVE, _ask),
    OfferRefraction: (_LIVE, _offer),
    ChooseRefraction: (_ACTIVE, _choose),
    RecordAttempt: (_ACTIVE, _attempt),
    RememberFact: (_ACTIVE, _remember),
    ReachGoal: (_ACTIVE, _reach),
    CloseConversation: (_ACTIVE, _close),
    ResolveIncident: (_ACTIVE, _resolve),
    RecordProfessional: (_ACTIVE, _record),
    AnswerQuestion: (_ACTIVE, _answered),
    CloseFeedback: (_ACTIVE, _practise(practising.close)),
    ServeQuestion: (_LIVE, _practise(practising.serve)),
    ShowHint: (_ACTIVE, _practise(practising.hint)),
    Interact: (_ACTIVE, _interact),
    AddMarker: (_ACTIVE, _mark),
    ChangeSettings: (_ACTIVE, _settings),
    AddNote: (_LIVE, _note),
    FlagSafety: (_KNOWN, _flag),
    EraseSession: (_KNOWN | {Phase.ERASED}, _erase),
}
"""Every command: the phases it is heard in, and its rule."""


# --- deadlines ----------------------------------------


def active_ms(state: SessionState, now: int) -> int:
    """How long the session was active until ``now``, pauses not counted."""
    running = now - state.active_since if state.phase is Phase.ACTIVE else 0
    return state.active_ms + running


def friction_rate(state: SessionState, now: int) -> float:
    """Frictions so far by active minutes, the first minute counted full; rounded to 6 digits."""
    minutes = max(1.0, active_ms(state, now) / 60_000)
    return round(sum(state.frictions.values()) / minutes, 6)


def session_deadline(state: SessionState) -> int | None:
    """When the session's active time is used up; None while paused or without a limit.

    In practice, when it ends by itself: with a question or feedback open some minutes later.
    """
    if state.phase is not Phase.ACTIVE or state.charter is None:
        return None
    practice = state.practice
    if practice is not None:
        limit = ends_at(practice.limit_ms, busy=practice.busy)
        return state.active_since + limit - state.active_ms
    limit = state.charter.session_timeout_ms
    return state.active_since + limit - state.active_ms if limit else None


def idle_deadline(state: SessionState) -> int | None:
    """When nothing has happened for too long; None while paused or without a limit."""
    if state.phase is not Phase.ACTIVE or state.charter is None:
        return None
    limit = state.charter.idle_timeout_ms
    return state.touched_at + limit if limit else None


def abandon_deadline(state: SessionState) -> int | None:
    """When nobody has said anything to it for too long, pauses counted; None without a limit."""
    if state.charter is None or not state.charter.abandon_ms or state.phase not in _LIVE:
        return None
    return state.heard_at + state.charter.abandon_ms


def silence_deadline(state: SessionState) -> int | None:
    """When the learner's silence is answered next; None while paused, or where it is not."""
    if state.talk is None or state.phase is not Phase.ACTIVE:
        return None
    return silence.deadline(state.talk)


def task_deadline(task: Task) -> int | None:
    """When a started task runs out of time. A pause of the session does not stop it: whoever
    works on a task is not the one who paused."""
    if task.outcome is not None or not task.started_at or not task.timeout_ms:
        return None
    return task.started_at + task.timeout_ms


def next_deadline(state: SessionState) -> tuple[int, int, TimerFired] | None:
    """The earliest deadline: when, the sequence that armed it, and the command it fires as."""
    best: tuple[int, int, TimerFired] | None = None
    due = session_deadline(state)
    if due is not None:
        armed = state.started_seq
        if state.practice is not None:
            armed = max(armed, state.practice.armed)
        best = (due, armed, TimerFired(name="session"))
    due = idle_deadline(state)
    if due is not None and (best is None or due < best[0]):
        best = (due, state.touched, TimerFired(name="idle"))
    due = abandon_deadline(state)
    if due is not None and (best is None or due < best[0]):
        best = (due, state.touched, TimerFired(name="abandon"))
    if state.talk is not None:
        due = silence_deadline(state)
        if due is not None and (best is None or due < best[0]):
            best = (due, state.talk.spoke_seq, TimerFired(name="silence"))
    for task in state.tasks.values():
        due = task_deadline(task)
        if due is not None and (best is None or due < best[0]):
            best = (due, task.armed, TimerFired(name="task", task=task.id))
    return best


def arms(events: Events) -> bool:
    """Whether a checkpoint may bring a deadline nearer. All others leave it or move it away, so
    that whoever waits for it need not ask for it anew."""
    for event in events:
        if type(event) in _ARMING or (isinstance(event, TurnAnswered) and event.ladder):
            return True
    return False


_ARMING: Final = frozenset(
    {
        SessionStarted,
        SessionForked,
        SessionResumed,
        TaskStarted,
        SilenceNoticed,
        FeedbackClosed,
        QuestionFailed,
    }
)


# --- evolve ----------------------------------------


def _on_turn(state: SessionState, event: TurnTaken, moment: Moment) -> None:
    state.turns = event.turn
    state.npc = event.npc
    state.met[event.npc] = state.met.get(event.npc, 0) + 1
    if state.charter is not None and state.charter.mind is not MindKind.NONE:
        state.awaiting, state.awaiting_seq = event.turn, moment.sequence
    if state.talk is not None:
        turns.on_turn(state.talk, event, moment)


def _on_answer(state: SessionState, event: TurnAnswered, moment: Moment) -> None:
    state.answered = event.turn
    state.replies += 1
    if state.charter is not None and state.charter.mind is MindKind.NONE:
        state.heard_at = moment.at  # then it is a client that answers
    state.npc = event.npc
    state.met.setdefault(event.npc, 0)
    if event.turn >= state.awaiting:
        state.awaiting = 0
    if state.talk is not None:
        turns.on_answer(state.talk, event, moment)


def _on_friction(state: SessionState, event: FrictionDetected, moment: Moment) -> None:
    name = event.type.value
    state.frictions[name] = state.frictions.get(name, 0) + 1
    if event.npc is not None:
        state.met.setdefault(event.npc, 0)
    if state.talk is not None:
        turns.on_friction(state.talk, event)


def _on_reputation(state: SessionState, event: ReputationChanged, moment: Moment) -> None:
    moved = state.reputation.get(event.npc, 0.0) + event.delta
    state.reputation[event.npc] = round(moved, 6)
    state.met.setdefault(event.npc, 0)
    if state.talk is not None:
        ties.on_reputation(state.talk, event)


def _on_task_added(state: SessionState, event: TaskAdded, moment: Moment) -> None:
    state.weight += _weight(event)
    state.tasks[event.task] = _added(event, moment.at)
    _opened(state, moment.at)
    if event.npc is not None:
        state.met.setdefault(event.npc, 0)


def _added(event: TaskAdded, at: int) -> Task:
    return Task(event.task, at, event.priority, event.capabilities, event.npc, event.timeout_ms)


def _opened(state: SessionState, at: int) -> None:
    if not state.open:
        state.busy_since = at
    state.open += 1


def _closed(state: SessionState, at: int) -> None:
    state.open -= 1
    if not state.open:
        state.busy_ms += at - state.busy_since
        state.busy_since = 0


def _on_task_routed(state: SessionState, event: TaskRouted, moment: Moment) -> None:
    _change_task(state, event.task, npc=event.npc, routing=event.routing, fallback=event.fallback)
    state.met.setdefault(event.npc, 0)


def _on_task_started(state: SessionState, event: TaskStarted, moment: Moment) -> None:
    _change_task(state, event.task, started_at=moment.at, armed=moment.sequence)


def _on_task_completed(state: SessionState, event: TaskCompleted, moment: Moment) -> None:
    task = state.tasks.get(event.task)
    if event.outcome is not Outcome.TIMEOUT:
        state.heard_at = moment.at
    if task is not None and task.outcome is None:
        state.completed += 1
        _closed(state, moment.at)
        _change_task(
            state,
            event.task,
            outcome=event.outcome,
            duration_ms=event.duration_ms,
            place=state.completed,
            fingerprint=event.fingerprint,
        )


def _on_task_retried(state: SessionState, event: TaskRetried, moment: Moment) -> None:
    task = state.tasks.get(event.task)
    if task is None or task.outcome is None:
        return
    state.weight += _EARLIER + _size(task.id)
    state.earlier += (
        Earlier(
            task.id,
            task.attempt,
            task.outcome,
            task.duration_ms,
            task.place,
            task.fingerprint,
            task.fallback,
        ),
    )
    if task.npc is not None:
        state.handed += ((task.id, task.npc),)
    state.tasks[task.id] = _reopened(task, event.attempt)
    _opened(state, moment.at)


def _on_task_refused(state: SessionState, event: TaskRefused, moment: Moment) -> None:
    state.refused = True


def _on_emergence(state: SessionState, event: EmergenceDetected, moment: Moment) -> None:
    state.crossed = (*state.crossed, event.crossing.number)[-64:]


def _change_task(state: SessionState, name: str, **change: Any) -> None:
    """A task whose own checkpoint could not be read is not there to be changed."""
    task = state.tasks.get(name)
    if task is not None:
        state.tasks[name] = replace(task, **change)


def _on_started(state: SessionState, event: SessionStarted, moment: Moment) -> None:
    state.phase = Phase.ACTIVE
    state.charter = Charter(
        event.session_kind,
        event.learner,
        event.name,
        event.cast,
        event.persona,
        event.tags,
        event.room,
        event.model,
        event.mind,
        event.max_tasks,
        event.task_timeout_ms,
        event.session_timeout_ms,
        event.idle_timeout_ms,
        event.emit_tiles,
        event.emergence_offset,
        event.abandon_ms,
    )
    if event.character or event.world or event.settings or event.narrative:
        state.playing = Playing(
            event.character, event.world, event.settings, narrative=event.narrative
        )
    if event.stage is not None:
        _on_stage(state, event, event.stage, moment)
    if event.practice is not None and event.brief is not None:
        state.practice = practice_begun(event.brief, event.practice, moment.writer)
    state.graph = event.graph
    state.claim = event.claim or 0
    state.started_at = state.active_since = moment.at
    state.started_seq = moment.sequence


def _on_stage(state: SessionState, event: SessionStarted, stage: Stage, moment: Moment) -> None:
    """A persona's world: its own limits of time are the session's, where they are closer."""
    assert state.charter is not None
    limit = min(filter(None, (event.session_timeout_ms, stage.limit_ms)), default=0)
    state.charter = replace(
        state.charter,
        session_timeout_ms=limit,
        idle_timeout_ms=event.idle_timeout_ms or stage.inactivity_ms,
    )
    state.talk = begun(moment.writer, stage, event.context, event.analysis, event.ladder)


def _on_paused(state: SessionState, event: SessionPaused, moment: Moment) -> None:
    state.active_ms = active_ms(state, moment.at)
    state.phase = Phase.PAUSED
    # The pause lets the learner go: whatever was claimed before it is worth nothing any more.
    state.voided = moment.sequence
    state.active_since = state.awaiting = 0
    if event.narrative is not None:
        _playing(state).narrative = event.narrative


def _on_resumed(state: SessionState, event: SessionResumed, moment: Moment) -> None:
    state.phase = Phase.ACTIVE
    state.claim = event.claim or state.claim
    state.active_since = moment.at
    state.started_seq = moment.sequence
    if state.talk is not None:
        silence.again(state.talk, moment)


def _on_ended(state: SessionState, event: SessionEnded, moment: Moment) -> None:
    state.phase = Phase.ENDED
    state.active_ms = event.active_ms
    state.active_since = state.awaiting = 0
    state.ended_at = moment.at
    state.end_reason, state.outcome = event.reason, event.outcome
    state.owed = () if state.parent else tuple(state.met)[1:]


def _on_parted(state: SessionState, event: NpcParted, moment: Moment) -> None:
    state.owed = tuple(npc for npc in state.owed if npc != event.npc)


def _on_start_abandoned(state: SessionState, event: SessionStartAbandoned, moment: Moment) -> None:
    state.phase = Phase.ABANDONED
    state.voided = event.claim
    state.ended_at = moment.at


def _on_resume_abandoned(
    state: SessionState, event: SessionResumeAbandoned, moment: Moment
) -> None:
    state.voided = event.claim


def _on_forked(state: SessionState, event: SessionForked, moment: Moment) -> None:
    """The parent's state, alive again from now on: clocks restart, nobody is owed anything."""
    parent = _parent_state(event.state)
    for name in SessionState.__slots__:
        setattr(state, name, getattr(parent, name))
    state.active_ms = 0
    state.phase = Phase.ACTIVE
    state.parent, state.parent_sequence = event.parent, event.sequence
    state.claim = 0
    state.started_seq = moment.sequence
    state.started_at = state.active_since = moment.at
    # Counted anew: a parent's state that was stored long ago did not know how many are open.
    state.open = sum(task.outcome is None for task in parent.tasks.values())
    state.busy_ms, state.busy_since = 0, moment.at if state.open else 0
    state.ended_at = state.awaiting = 0
    state.end_reason = state.outcome = None
    state.owed = ()
    state.graph = None
    for task in parent.tasks.values():
        if task.started_at and task.outcome is None:
            state.tasks[task.id] = replace(task, started_at=moment.at, armed=moment.sequence)
    if state.talk is not None:
        turns.rehearse(state.talk, moment)
        silence.again(state.talk, moment)
    state.touched, state.touched_at = moment.sequence, moment.at


def _playing(state: SessionState) -> Playing:
    if state.playing is None:
        state.playing = Playing()
    return state.playing


def _on_interacted(state: SessionState, event: SessionInteracted, moment: Moment) -> None:
    _playing(state).interacted_as(event, moment.at)


def _on_marked(state: SessionState, event: SessionMarked, moment: Moment) -> None:
    _playing(state).marked(event, moment.at)


def _on_settings(state: SessionState, event: SettingsChanged, moment: Moment) -> None:
    _playing(state).settings = event.settings


def _on_noted(state: SessionState, event: SessionNoted, moment: Moment) -> None:
    _playing(state).noted(event, moment.at)


def _on_erred(state: SessionState, event: SessionErred, moment: Moment) -> None:
    """What went wrong stands in the journal."""


def _on_flagged(state: SessionState, event: SafetyFlagged, moment: Moment) -> None:
    flag = Flag(moment.at, event.finding, event.turn, event.rejected)
    _playing(state).flag(flag)


def _on_erased(state: SessionState, event: SessionErased, moment: Moment) -> None:
    """What is left says only that the id was used, and when it was done with."""
    blank = SessionState(phase=Phase.ERASED, ended_at=moment.at)
    for name in SessionState.__slots__:
        setattr(state, name, getattr(blank, name))


def _erased(state: SessionState) -> bool:
    return state.phase is Phase.ERASED


def _seen(state: SessionState, moment: Moment) -> None:
    """Any checkpoint is a sign of life: the idle timer begins anew."""
    state.touched, state.touched_at = moment.sequence, moment.at


def _practised(
    change: Callable[[Practice, Any, Moment], None],
) -> Callable[[SessionState, Any, Moment], None]:
    def changed(state: SessionState, event: Any, moment: Moment) -> None:
        if state.practice is not None:
            change(state.practice, event, moment)

    return changed


_CHANGES: Final[dict[type, Callable[[SessionState, Any, Moment], None]]] = {
    TurnTaken: _on_turn,
    TurnAnswered: _on_answer,
    FrictionDetected: _on_friction,
    ReputationChanged: _on_reputation,
    TaskAdded: _on_task_added,
    TaskRouted: _on_task_routed,
    TaskStarted: _on_task_started,
    TaskCompleted: _on_task_completed,
    TaskRetried: _on_task_retried,
    TaskRefused: _on_task_refused,
    EmergenceDetected: _on_emergence,
    SessionStarted: _on_started,
    SessionPaused: _on_paused,
    SessionResumed: _on_resumed,
    SessionEnded: _on_ended,
    NpcParted: _on_parted,
    SessionStartAbandoned: _on_start_abandoned,
    SessionResumeAbandoned: _on_resume_abandoned,
    SessionForked: _on_forked,
    AffectChanged: turns.on_affect,
    ScaffoldingEscalated: turns.on_scaffolding,
    OpennessChanged: turns.on_openness,
    NegotiationCollapsed: turns.on_collapse,
    InjectionAdvanced: turns.on_injection,
    PronunciationHeard: turns.on_pronunciation,
    RefractionAsked: refraction.on_asked,
    RefractionOffered: refraction.on_offered,
    RefractionChosen: refraction.on_chosen,
    RefractionAttempted: refraction.on_attempted,
    RefractionUsed: refraction.on_used,
    MoodChanged: ties.on_mood,
    FactLearned: ties.on_fact,
    GoalReached: ties.on_goal,
    ConversationClosed: ties.on_closed,
    IncidentArose: ties.on_incident,
    IncidentResolved: ties.on_resolved,
    ProfessionalRecorded: ties.on_professional,
    SilenceNoticed: silence.on_silence,
    SessionInteracted: _on_interacted,
    SessionMarked: _on_marked,
    SettingsChanged: _on_settings,
    SessionNoted: _on_noted,
    SafetyFlagged: _on_flagged,
    SessionErred: _on_erred,
    SessionErased: _on_erased,
    **{kind: _practised(change) for kind, change in practising.CHANGES.items()},
}
_HEARD: Final = frozenset(
    {
        SessionStarted,
        SessionPaused,
        SessionResumed,
        SessionForked,
        TurnTaken,
        FrictionDetected,
        ReputationChanged,
        TaskAdded,
        TaskRouted,
        TaskStarted,
        TaskRetried,
        TaskRefused,
        SessionErred,
        RefractionAsked,
        RefractionChosen,
        RefractionAttempted,
        FactLearned,
        GoalReached,
        ConversationClosed,
        IncidentResolved,
        ProfessionalRecorded,
        AnswerGiven,
        HintShown,
        FeedbackClosed,
        SessionInteracted,
        SessionMarked,
        SettingsChanged,
    }
)
"""What happens only because a client said something. A mind's words and what time brings about are
no sign of anybody there, nor is an operator's note."""


def _heard(
    change: Callable[[SessionState, Any, Moment], None],
) -> Callable[[SessionState, Any, Moment], None]:
    def changed(state: SessionState, event: Any, moment: Moment) -> None:
        change(state, event, moment)
        state.heard_at = moment.at

    return changed


CHANGES: Final[dict[type, Callable[[SessionState, Any, Moment], None]]] = {
    kind: _heard(change) if kind in _HEARD else change for kind, change in _CHANGES.items()
}
"""Every event: what it changes."""


# --- address ----------------------------------------


def concerns(state: SessionState, events: Events) -> tuple[str, str, str]:
    """Family, NPC and learner a checkpoint of these events names; empty where there is none.

    The family is the first event's. A rehearsal concerns nobody but itself.
    """
    first = events[0]
    family = first.kind.partition(".")[0]
    if state.parent or isinstance(first, SessionForked | SessionErased):
        return family, "", ""
    if state.charter is None:
        return family, "", first.learner if isinstance(first, _OPENINGS) else ""
    npc = ""
    for event in events:
        if type(event) in _NAMING:
            npc = event.npc or ""  # type: ignore[union-attr]
            if npc:
                break
    return family, npc, state.charter.learner


_OPENINGS: Final = (SessionStarted, SessionStartAbandoned)
_NAMING: Final = frozenset(event for event in CHANGES if "npc" in event.__annotations__)
"""The events that name an NPC."""

session: Final[Decider[SessionState, SessionCommand, SessionEvent]] = Decider(
    SessionState, decide, CHANGES, _seen, _erased
)
