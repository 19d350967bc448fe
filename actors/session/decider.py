"""A session: ``new → active ⇄ paused → ended``, its turns, friction, reputation and tasks.

Pure. Every refusal reason a session knows:

``unknown-session`` nothing was started under this id · ``session-exists`` · ``start-abandoned``
the start came after its claim was given up · ``session-ended`` · ``session-paused`` ·
``session-active`` · ``claim-required`` · ``claim-void`` · ``turn-order`` · ``unknown-npc`` not in
the cast · ``no-cast`` · ``task-limit`` · ``duplicate-task`` · ``unknown-task`` · ``task-completed``
with another outcome · ``not-claimed`` · ``bad-fork``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import msgpack
from pydantic import ValidationError

from holodeck.actors.decider import Decider, Moment
from holodeck.actors.session.rules import add, choose, turn_reputation
from holodeck.actors.session.state import STATE, Charter, Phase, SessionState, Task
from holodeck.messages.errors import RefusedError
from holodeck.messages.session import (
    AbandonStart,
    AddTask,
    ChangeReputation,
    CompleteTask,
    End,
    EndReason,
    ForkFrom,
    FrictionDetected,
    MindKind,
    NpcParted,
    NpcReply,
    Outcome,
    Pause,
    ReportFriction,
    ReputationChanged,
    Resume,
    RouteTask,
    SessionCommand,
    SessionEnded,
    SessionEvent,
    SessionForked,
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
    TaskRouted,
    TaskStarted,
    TimerFired,
    TurnAnswered,
    TurnTaken,
)

Events = Sequence[SessionEvent]
_NOTHING: Final[Events] = ()


# --- decide ----------------------------------------


def decide(state: SessionState, command: SessionCommand, now: int) -> Events:
    """The events a command leads to; none if it was already obeyed.

    Raises:
        RefusedError: the present state forbids it; the reasons are listed above.
    """
    match command:
        case StartSession():
            return _start(state, command)
        case ForkFrom():
            return _fork(state, command)
        case AbandonStart():
            return _abandon(state, command)
    if state.phase is Phase.NEW:
        raise RefusedError("unknown-session")
    if state.phase is Phase.ABANDONED:
        raise RefusedError("start-abandoned")
    match command:
        case SettleOwed():
            return _settle(state)
        case End():
            if state.phase is Phase.ENDED:
                return _NOTHING
            return _end(state, now, command.reason, command.outcome, command.error)
        case TimerFired():
            return _timer(state, command, now)
    if state.phase is Phase.ENDED:
        raise RefusedError("session-ended")
    match command:
        case Resume():
            return _resume(state, command)
        case Pause():
            if state.phase is Phase.PAUSED:
                return _NOTHING
            return (SessionPaused(reason=command.reason),)
        case CompleteTask():
            return _complete(state, command, now)
    if state.phase is Phase.PAUSED and not isinstance(command, NpcReply):
        raise RefusedError("session-paused")
    match command:
        case TakeTurn():
            return _turn(state, command)
        case NpcReply():
            return _reply(state, command)
        case ReportFriction(finding=found, npc=npc):
            if npc is not None:
                _in_cast(state, npc)
            return (
                FrictionDetected(
                    type=found.type,
                    severity=found.severity,
                    turn=state.turns,
                    npc=npc or state.npc,
                    detail=found.detail,
                ),
            )
        case ChangeReputation(npc=npc, delta=delta, reason=reason):
            _in_cast(state, npc)
            return (ReputationChanged(npc=npc, delta=delta, reason=reason, turn=state.turns),)
        case AddTask():
            return _add_task(state, command)
        case RouteTask():
            return _route(state, command)
        case StartTask(task=name):
            task = _open_task(state, name)
            return _NOTHING if task.started_at else (TaskStarted(task=name, npc=task.npc),)


def _start(state: SessionState, command: StartSession) -> Events:
    if state.phase is Phase.ABANDONED:
        raise RefusedError("start-abandoned")
    if state.phase is not Phase.NEW:
        raise RefusedError("session-exists")
    if command.session_kind.claims and command.claim is None:
        raise RefusedError("claim-required", "start it through the supervisor")
    return (
        SessionStarted(
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
        ),
    )


def _fork(state: SessionState, command: ForkFrom) -> Events:
    if state.phase is not Phase.NEW:
        raise RefusedError("session-exists")
    if _parent_state(command.state).phase in (Phase.NEW, Phase.ABANDONED):
        raise RefusedError("bad-fork", "the parent had not started at that checkpoint")
    return (SessionForked(parent=command.parent, sequence=command.sequence, state=command.state),)


def _parent_state(data: bytes) -> SessionState:
    try:
        return STATE.validate_python(msgpack.unpackb(data, raw=False))
    except (ValueError, TypeError, msgpack.UnpackException, ValidationError) as error:
        raise RefusedError("bad-fork", "no session state") from error


def _abandon(state: SessionState, command: AbandonStart) -> Events:
    match state.phase:
        case Phase.NEW:
            return (SessionStartAbandoned(learner=command.learner, claim=command.claim),)
        case Phase.PAUSED if command.claim > state.voided and command.claim > state.claim:
            return (SessionResumeAbandoned(claim=command.claim),)
        case Phase.ACTIVE:
            raise RefusedError("session-active")
        case _:
            return _NOTHING


def _resume(state: SessionState, command: Resume) -> Events:
    if state.phase is Phase.ACTIVE:
        return _NOTHING
    assert state.charter is not None
    if state.charter.kind.claims and not state.parent:
        if command.claim is None:
            raise RefusedError("claim-required", "resume it through the supervisor")
        if command.claim <= max(state.voided, state.claim):
            raise RefusedError("claim-void", str(command.claim))
    return (SessionResumed(claim=command.claim),)


def _in_cast(state: SessionState, npc: str) -> None:
    """An empty cast is open to everyone."""
    assert state.charter is not None
    cast = state.charter.cast
    if cast and all(member.npc != npc for member in cast):
        raise RefusedError("unknown-npc", npc)


def _turn(state: SessionState, command: TakeTurn) -> Events:
    if command.turn <= state.turns:
        return _NOTHING
    if command.turn != state.turns + 1:
        raise RefusedError("turn-order", f"turn {state.turns + 1} is next, not {command.turn}")
    _in_cast(state, command.npc)
    findings = command.frictions
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
        events += [
            FrictionDetected(
                type=found.type,
                severity=found.severity,
                turn=command.turn,
                npc=command.npc,
                detail=found.detail,
            )
            for found in findings
        ]
        delta = turn_reputation(findings, command.register_aligned)
        if delta:
            events.append(
                ReputationChanged(npc=command.npc, delta=delta, reason="turn", turn=command.turn)
            )
    return events


def _reply(state: SessionState, command: NpcReply) -> Events:
    if command.turn <= state.answered:
        return _NOTHING
    if command.turn > state.turns:
        raise RefusedError("turn-order", f"there is no turn {command.turn} to answer yet")
    _in_cast(state, command.npc)
    return (TurnAnswered(turn=command.turn, npc=command.npc, text=command.text),)


def _open_task(state: SessionState, name: str) -> Task:
    task = state.task(name)
    if task is None:
        raise RefusedError("unknown-task", name)
    if task.outcome is not None:
        raise RefusedError("task-completed", f"{name} ended as {task.outcome}")
    return task


def _add_task(state: SessionState, command: AddTask) -> Events:
    assert state.charter is not None
    if state.task(command.task) is not None:
        raise RefusedError("duplicate-task", command.task)
    if len(state.tasks) >= state.charter.max_tasks:
        raise RefusedError("task-limit", f"at most {state.charter.max_tasks} tasks")
    if command.npc is not None:
        _in_cast(state, command.npc)
    timeout = (
        state.charter.task_timeout_ms
        if command.timeout_s is None
        else round(command.timeout_s * 1000)
    )
    return (
        TaskAdded(
            task=command.task,
            data=command.data,
            priority=command.priority,
            capabilities=command.capabilities,
            npc=command.npc,
            timeout_ms=timeout,
        ),
    )


def _route(state: SessionState, command: RouteTask) -> Events:
    assert state.charter is not None
    task = _open_task(state, command.task)
    if not state.charter.cast:
        raise RefusedError("no-cast", "the session has no cast to route to")
    if task.npc is not None:
        return _NOTHING
    return (choose(state, task),)


def _complete(state: SessionState, command: CompleteTask, now: int) -> Events:
    task = state.task(command.task)
    if task is None:
        raise RefusedError("unknown-task", command.task)
    if task.outcome is not None:
        if task.outcome is command.outcome:
            return _NOTHING
        raise RefusedError("task-completed", f"{task.id} ended as {task.outcome}")
    return (_completed(task, now, command.outcome, command),)


def _completed(
    task: Task, now: int, outcome: Outcome, command: CompleteTask | None = None
) -> TaskCompleted:
    duration = command.duration_ms if command else None
    if duration is None and task.started_at:
        duration = now - task.started_at
    return TaskCompleted(
        task=task.id,
        outcome=outcome,
        duration_ms=duration,
        npc=task.npc,
        result=command.result if command else None,
        error=command.error if command else "",
    )


def _end(
    state: SessionState, now: int, reason: EndReason, outcome: Outcome, error: str = ""
) -> Events:
    """Closes what is open and says so to the first NPC; the others are owed a word.

    The closings name no NPC: each learns of them from its own parting.
    """
    closing = Outcome.TIMEOUT if outcome is Outcome.TIMEOUT else Outcome.CANCELLED
    events: list[SessionEvent] = [
        _completed(task, now, closing).model_copy(update={"npc": None})
        for task in state.tasks
        if task.outcome is None
    ]
    events.append(
        SessionEnded(reason=reason, outcome=outcome, active_ms=active_ms(state, now), error=error)
    )
    if state.met and not state.parent:
        first = state.met[0]
        events.append(NpcParted(npc=first.name, turns=first.count))
    return events


def _settle(state: SessionState) -> Events:
    if not state.owed:
        return _NOTHING
    npc = state.owed[0]
    turns = next(tally.count for tally in state.met if tally.name == npc)
    return (NpcParted(npc=npc, turns=turns),)


def _timer(state: SessionState, command: TimerFired, now: int) -> Events:
    """Nothing unless the deadline has really passed: a timer may come late, early or twice."""
    if state.phase is Phase.ENDED:
        return _NOTHING
    match command.name:
        case "session":
            due = session_deadline(state)
            if due is None or now < due:
                return _NOTHING
            return _end(state, now, EndReason.TIME_LIMIT, Outcome.TIMEOUT)
        case "idle":
            due = idle_deadline(state)
            if due is None or now < due:
                return _NOTHING
            return _end(state, now, EndReason.INACTIVITY_TIMEOUT, Outcome.TIMEOUT)
        case "task":
            task = state.task(command.task or "")
            due = None if task is None else task_deadline(task)
            if task is None or due is None or now < due:
                return _NOTHING
            return (_completed(task, now, Outcome.TIMEOUT),)


# --- deadlines ----------------------------------------


def active_ms(state: SessionState, now: int) -> int:
    """How long the session was active until ``now``, pauses not counted."""
    running = now - state.active_since if state.phase is Phase.ACTIVE else 0
    return state.active_ms + running


def session_deadline(state: SessionState) -> int | None:
    """When the session's active time is used up; None while paused or without a limit."""
    if state.phase is not Phase.ACTIVE or state.charter is None:
        return None
    limit = state.charter.session_timeout_ms
    return state.active_since + limit - state.active_ms if limit else None


def idle_deadline(state: SessionState) -> int | None:
    """When nothing has happened for too long; None while paused or without a limit."""
    if state.phase is not Phase.ACTIVE or state.charter is None:
        return None
    limit = state.charter.idle_timeout_ms
    return state.touched_at + limit if limit else None


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
        best = (due, state.started_seq, TimerFired(name="session"))
    due = idle_deadline(state)
    if due is not None and (best is None or due < best[0]):
        best = (due, state.touched, TimerFired(name="idle"))
    for task in state.tasks:
        due = task_deadline(task)
        if due is not None and (best is None or due < best[0]):
            best = (due, task.armed, TimerFired(name="task", task=task.id))
    return best


# --- evolve ----------------------------------------


def evolve(state: SessionState, event: SessionEvent, moment: Moment) -> SessionState:
    """The state after ``event``. Total: what was stored is never refused."""
    match event:
        case TurnTaken():
            assert state.charter is not None
            return replace(
                state,
                turns=event.turn,
                npc=event.npc,
                met=add(state.met, event.npc, 1),
                awaiting=event.turn if state.charter.mind is not MindKind.NONE else 0,
                awaiting_seq=moment.sequence,
                touched=moment.sequence,
                touched_at=moment.at,
            )
        case TurnAnswered():
            return replace(
                state,
                answered=event.turn,
                replies=state.replies + 1,
                npc=event.npc,
                met=add(state.met, event.npc, 0),
                awaiting=0 if event.turn >= state.awaiting else state.awaiting,
                touched=moment.sequence,
                touched_at=moment.at,
            )
        case FrictionDetected():
            return replace(
                state,
                frictions=add(state.frictions, event.type, 1, event.severity),
                touched=moment.sequence,
                touched_at=moment.at,
            )
        case ReputationChanged():
            return replace(
                state,
                reputation=add(state.reputation, event.npc, 1, event.delta),
                met=add(state.met, event.npc, 0),
                touched=moment.sequence,
                touched_at=moment.at,
            )
        case TaskAdded():
            task = Task(
                event.task,
                moment.at,
                event.data,
                event.priority,
                event.capabilities,
                event.npc,
                event.timeout_ms,
            )
            return replace(
                state,
                tasks=(*state.tasks, task),
                touched=moment.sequence,
                touched_at=moment.at,
                met=add(state.met, event.npc, 0) if event.npc else state.met,
            )
        case TaskRouted():
            return _with_task(state, event.task, moment, npc=event.npc)
        case TaskStarted():
            return _with_task(
                state, event.task, moment, started_at=moment.at, armed=moment.sequence
            )
        case TaskCompleted():
            return _with_task(
                state, event.task, moment, outcome=event.outcome, duration_ms=event.duration_ms
            )
        case SessionStarted():
            return SessionState(
                phase=Phase.ACTIVE,
                charter=Charter(
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
                ),
                claim=event.claim or 0,
                started_at=moment.at,
                started_seq=moment.sequence,
                active_since=moment.at,
                touched=moment.sequence,
                touched_at=moment.at,
            )
        case SessionPaused():
            return replace(
                state,
                phase=Phase.PAUSED,
                active_ms=active_ms(state, moment.at),
                active_since=0,
                awaiting=0,
                touched=moment.sequence,
                touched_at=moment.at,
            )
        case SessionResumed():
            return replace(
                state,
                phase=Phase.ACTIVE,
                claim=event.claim or state.claim,
                active_since=moment.at,
                started_seq=moment.sequence,
                touched=moment.sequence,
                touched_at=moment.at,
            )
        case SessionEnded():
            told = state.met[:1]
            return replace(
                state,
                phase=Phase.ENDED,
                active_ms=event.active_ms,
                active_since=0,
                awaiting=0,
                ended_at=moment.at,
                end_reason=event.reason,
                outcome=event.outcome,
                owed=() if state.parent else tuple(t.name for t in state.met if t not in told),
                touched=moment.sequence,
                touched_at=moment.at,
            )
        case NpcParted():
            return replace(state, owed=tuple(npc for npc in state.owed if npc != event.npc))
        case SessionStartAbandoned():
            return SessionState(phase=Phase.ABANDONED, voided=event.claim, ended_at=moment.at)
        case SessionResumeAbandoned():
            return replace(state, voided=event.claim)
        case SessionForked():
            return _rehearsal(event, moment)


def _with_task(
    state: SessionState,
    name: str,
    moment: Moment,
    **change: object,
) -> SessionState:
    tasks = tuple(
        replace(task, **change) if task.id == name else task  # type: ignore[arg-type]
        for task in state.tasks
    )
    npc = change.get("npc")
    return replace(
        state,
        tasks=tasks,
        met=add(state.met, npc, 0) if isinstance(npc, str) else state.met,
        touched=moment.sequence,
        touched_at=moment.at,
    )


def _rehearsal(event: SessionForked, moment: Moment) -> SessionState:
    """The parent's state, alive again from now on: clocks restart, nobody is owed anything."""
    parent = _parent_state(event.state)
    return replace(
        parent,
        phase=Phase.ACTIVE,
        parent=event.parent,
        parent_sequence=event.sequence,
        claim=0,
        started_seq=moment.sequence,
        active_ms=active_ms(parent, parent.touched_at),
        active_since=moment.at,
        touched=moment.sequence,
        touched_at=moment.at,
        ended_at=0,
        end_reason=None,
        outcome=None,
        awaiting=0,
        owed=(),
        tasks=tuple(
            replace(task, started_at=moment.at, armed=moment.sequence)
            if task.started_at and task.outcome is None
            else task
            for task in parent.tasks
        ),
    )


# --- address ----------------------------------------


def concerns(state: SessionState, events: Events) -> tuple[str, str, str]:
    """Family, NPC and learner a checkpoint of these events names; empty where there is none.

    The family is the first event's. A rehearsal concerns nobody but itself.
    """
    first = events[0]
    family = first.kind.partition(".")[0]
    if state.parent or isinstance(first, SessionForked):
        return family, "", ""
    if isinstance(first, SessionStarted | SessionStartAbandoned):
        return family, "", first.learner
    npc = ""
    for event in events:
        npc = getattr(event, "npc", None) or ""
        if npc:
            break
    return family, npc, state.charter.learner if state.charter else ""


session: Final[Decider[SessionState, SessionCommand, SessionEvent]] = Decider(
    SessionState(), decide, evolve
)
