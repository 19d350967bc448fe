"""What was said to a session, as the commands its decider takes.

One law: a recorded body is taken as it stands. Only what no client wrote down (timers, partings,
replies of minds, steps of the supervisor) is told from the checkpoint it led to.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from pydantic import ValidationError

from holodeck.messages.conversation import InjectionStatus
from holodeck.messages.fleet import Decision, Routing, SessionGraph
from holodeck.messages.player import FlagSafety, SafetyFlagged
from holodeck.messages.practice import (
    AnswerQuestion,
    CloseFeedback,
    QuestionServed,
    ServeQuestion,
    Supply,
)
from holodeck.messages.session import (
    SESSION_COMMAND,
    AbandonStart,
    End,
    ForkFrom,
    H1Delta,
    NpcReply,
    Pause,
    Resume,
    RouteTask,
    SessionEnded,
    SessionForked,
    SessionPaused,
    SessionResumeAbandoned,
    SessionResumed,
    SessionStartAbandoned,
    SessionStarted,
    SettleOwed,
    StartSession,
    TakeTurn,
    TaskRouted,
    TimerFired,
    TurnAnswered,
)
from holodeck.messages.talk import AskRefraction, InjectionAdvanced
from tests.torture.run import Op, Row

_TIMER: Final = re.compile(
    r"timer\.(session|idle|abandon|task|silence)(?:-(.+))?\.(\d+)", re.DOTALL
)
_REPLY: Final = re.compile(r"turn-(\d+)-reply")


def spoken(op: Op) -> Any | None:
    """The session command an operation carried; None if its body is none."""
    try:
        return SESSION_COMMAND.validate_python({"kind": op.what, **op.body})
    except ValidationError:
        return None


def timer_of(command: str) -> tuple[TimerFired, int] | None:
    """The timer a command id names and the sequence that armed it; None for other ids."""
    found = _TIMER.fullmatch(command)
    if found is None:
        return None
    name, task, armed = found.groups()
    return TimerFired.model_validate({"name": name, "task": task}), int(armed)


def candidates(row: Row, ops: Iterable[Op]) -> list[Any]:
    """The commands a session's checkpoint may have come from.

    Args:
        ops: the operations recorded under its command id.
    """
    found: list[Any] = []
    for op in ops:
        command = _started(row, op.body) if op.is_order else spoken(op)
        if command is not None:
            found.append(command)
    if not found:
        told = _told(row)
        if told is not None:
            found.append(told)
    return [_filled_in(row, command) for command in found]


def _filled_in(row: Row, command: Any) -> Any:
    """A command with what its host learned of others before it was decided, or found in its text.
    Only the checkpoint tells what that was."""
    command = _heeded(row, command)
    for event in row.events:
        match command, event:
            case StartSession(), SessionStarted() as begun:
                told: dict[str, Any] = {
                    "graph": begun.graph,
                    "context": begun.context,
                    "stage": begun.stage,
                    "brief": begun.brief,
                    "supplies": _supplies(row),
                    "settings": begun.settings,
                    "narrative": begun.narrative,
                    "abandon_s": begun.abandon_ms / 1000,
                    "persona": command.persona or begun.persona,  # whose people live in its world
                }
                if begun.context is not None:
                    told["cast"] = begun.cast  # an empty one is filled in from the persona
                return command.model_copy(update=told)
            case AnswerQuestion(supplies=()) | CloseFeedback(supplies=()), QuestionServed():
                return command.model_copy(update={"supplies": _supplies(row)})
            case RouteTask(decision=None), TaskRouted(routing=Routing() as routing):
                decision = Decision(
                    routing=routing,
                    reasoning=event.reasoning,
                    alternatives=event.alternatives,
                    collaborators=event.collaborators,
                )
                return command.model_copy(update={"decision": decision})
            case End(graph=None) | TimerFired(graph=None), SessionEnded(h1=H1Delta() as h1):
                point = SessionGraph(
                    graph=h1.last, own_change=h1.own_change, crossings=h1.crossings
                )
                return command.model_copy(update={"graph": point})
            case Pause(narrative=None), SessionPaused(narrative=str() as kept):
                return command.model_copy(update={"narrative": kept})
            case _:
                pass
    return command


def _heeded(row: Row, command: Any) -> Any:
    found = next((e.finding for e in row.events if isinstance(e, SafetyFlagged)), None)
    if found is not None and isinstance(command, TakeTurn | AskRefraction | AnswerQuestion):
        return command.model_copy(update={"safety": found})
    return command


def _supplies(row: Row) -> tuple[Supply, ...]:
    """The questions that came along with a command, as far as one was served."""
    return tuple(
        Supply(
            skill=event.question.skill,
            tier=event.question.tier,
            question=event.question,
            repeat=event.repeat,
        )
        for event in row.events
        if isinstance(event, QuestionServed)
    )


def _started(row: Row, body: Mapping[str, Any]) -> Any | None:
    """A start as it was ordered, on the claim it was given."""
    first = row.events[0]
    asked = body.get("start")
    if not isinstance(first, SessionStarted) or not isinstance(asked, dict):
        return _told(row)
    try:
        return StartSession.model_validate({**asked, "claim": first.claim})
    except ValidationError:
        return None


def _told(row: Row) -> Any | None:
    """The one command that can have led to a checkpoint; None where there are many."""
    timer = timer_of(row.command)
    if timer is not None:
        return timer[0]
    if row.command.startswith("owed."):
        return SettleOwed()
    match row.events[0]:
        case QuestionServed(number=number) if row.command.startswith("question-"):
            return ServeQuestion(number=number, supplies=_supplies(row))
        case QuestionServed(number=number):
            return CloseFeedback(number=number - 1, supplies=_supplies(row))
        case TurnAnswered() as said if _REPLY.fullmatch(row.command):
            opened = tuple(
                event.form
                for event in row.events
                if isinstance(event, InjectionAdvanced)
                and event.status is InjectionStatus.OPPORTUNITY
            )
            return NpcReply(
                turn=said.turn,
                npc=said.npc,
                text=said.text,
                opened=opened,
                speaking_ms=said.speaking_ms,
                source=said.source,
            )
        case SafetyFlagged() as flag if row.command.startswith("safety."):
            return FlagSafety(finding=flag.finding, turn=flag.turn, rejected=flag.rejected)
        case SessionPaused(reason=reason):
            return Pause(reason=reason)
        case SessionResumed(claim=claim):
            return Resume(claim=claim)
        case SessionStartAbandoned(learner=learner, claim=claim):
            return AbandonStart(learner=learner, claim=claim)
        case SessionResumeAbandoned(claim=claim):
            return AbandonStart(learner="anyone", claim=claim)
        case SessionForked() as fork:
            return ForkFrom(
                parent=fork.parent, sequence=fork.sequence, state=fork.state, layout=fork.layout
            )
        case SessionStarted() as begun:
            return _start_of(begun)
        case _:
            return None


def _start_of(begun: SessionStarted) -> StartSession:
    return StartSession(
        session_kind=begun.session_kind,
        learner=begun.learner,
        name=begun.name,
        claim=begun.claim,
        cast=begun.cast,
        persona=begun.persona,
        tags=begun.tags,
        room=begun.room,
        model=begun.model,
        mind=begun.mind,
        max_tasks=begun.max_tasks,
        task_timeout_s=begun.task_timeout_ms / 1000,
        session_timeout_s=begun.session_timeout_ms / 1000,
        idle_timeout_s=begun.idle_timeout_ms / 1000,
        emit_tiles=begun.emit_tiles,
        h1_router=begun.h1_router,
        emergence_offset=begun.emergence_offset,
        started_us=begun.started_us,
        analysis=begun.analysis,
        ladder=begun.ladder,
        practice=begun.practice,
        character=begun.character,
        world=begun.world,
    )


__all__ = ["candidates", "spoken", "timer_of"]
