"""Tasks of a session, the questions of a practice session, and refractions."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, Any, Final

import structlog
from fastapi import APIRouter, Query, Request
from fastapi import Path as InPath
from pydantic import Field, JsonValue
from starlette.responses import Response

from holodeck.entrypoints.gateway.manners import answer, made, sent
from holodeck.entrypoints.gateway.v1.sessions import Changed, Said, as_text, changed, command
from holodeck.entrypoints.gateway.whose import OneIntent, Playing, Visit, Watching
from holodeck.messages.base import Label, Message, Millis, Reason
from holodeck.messages.conversation import RefractionLevel
from holodeck.messages.errors import RefusedError, Unavailable
from holodeck.messages.ids import NpcId, TaskId
from holodeck.messages.practice import AnswerQuestion, CloseFeedback
from holodeck.messages.session import (
    AddTask,
    CompleteTask,
    Outcome,
    RetryTask,
    RouteTask,
    SessionKind,
    StartTask,
    TaskPriority,
    TaskRouted,
)
from holodeck.messages.talk import (
    AskRefraction,
    ChooseRefraction,
    RefractionAsked,
    RefractionOffered,
)
from holodeck.practice import Asked, Marked, Practice
from holodeck.session import Session, Step

log = structlog.get_logger("holodeck.gateway")

router: Final = APIRouter(tags=["sessions"])

TaskPath = Annotated[str, InPath(min_length=1, max_length=128, description="a task")]
Number = Annotated[int, InPath(ge=1, le=2**31, description="of the refraction, from 1")]


class TaskWanted(Message, json_schema_extra={"examples": [{"task": "t1", "start": True}]}):
    """Something to do; ``data``: anything JSON can say."""

    task: TaskId
    data: JsonValue = None
    priority: TaskPriority = TaskPriority.NORMAL
    capabilities: Annotated[tuple[Label, ...], Field(max_length=32)] = ()
    npc: NpcId | None = None
    timeout_s: Annotated[float, Field(ge=0, le=30 * 86400, allow_inf_nan=False)] | None = None
    start: bool = False


class RouteWanted(Message):
    """``start``: begin it at once; ``prefer``: agents to be taken if any of them is capable."""

    start: bool = False
    prefer: Annotated[tuple[NpcId, ...], Field(max_length=32)] = ()


class TaskDone(Message):
    outcome: Outcome = Outcome.SUCCESS
    duration_ms: Millis | None = None
    result: JsonValue = None
    error: Reason = ""


class RetryWanted(Message):
    start: bool = False


@router.post("/sessions/{id}/tasks", status_code=201, response_model=Changed, summary="Add a task")
async def add_task(
    visit: Playing, intent: OneIntent, wanted: Annotated[TaskWanted, sent(TaskWanted)]
) -> Response:
    body = made(
        AddTask,
        task=wanted.task,
        data=as_text({} if wanted.data is None else wanted.data),
        priority=wanted.priority,
        capabilities=wanted.capabilities,
        npc=wanted.npc,
        timeout_s=wanted.timeout_s,
        start=wanted.start,
    )
    return changed(await command(visit, body, intent), 201)


@router.post("/sessions/{id}/tasks/{task}/route", summary="Choose who gets a task")
async def route_task(
    visit: Playing,
    intent: OneIntent,
    task: TaskPath,
    wanted: Annotated[RouteWanted, sent(RouteWanted, optional=True)],
) -> Response:
    body = made(RouteTask, task=task, start=wanted.start, prefer=wanted.prefer)
    step = await command(visit, body, intent)
    routed = next((one for one in step.events if isinstance(one, TaskRouted)), None)
    return answer({"sequence": step.sequence, "routed": routed})


@router.post("/sessions/{id}/tasks/{task}/start", response_model=Changed, summary="Begin a task")
async def start_task(visit: Playing, intent: OneIntent, task: TaskPath) -> Response:
    return changed(await command(visit, made(StartTask, task=task), intent))


@router.post("/sessions/{id}/tasks/{task}/complete", response_model=Changed, summary="End a task")
async def complete_task(
    visit: Playing,
    intent: OneIntent,
    task: TaskPath,
    done: Annotated[TaskDone, sent(TaskDone, optional=True)],
) -> Response:
    body = made(
        CompleteTask,
        task=task,
        outcome=done.outcome,
        duration_ms=done.duration_ms,
        result=None if done.result is None else as_text(done.result),
        error=done.error,
    )
    return changed(await command(visit, body, intent))


@router.post(
    "/sessions/{id}/tasks/{task}/retry", response_model=Changed, summary="One more attempt"
)
async def retry_task(
    visit: Playing,
    intent: OneIntent,
    task: TaskPath,
    wanted: Annotated[RetryWanted, sent(RetryWanted, optional=True)],
) -> Response:
    held = (await Session(visit.deck, visit.id).state()).tasks.get(task)
    attempt = 2 if held is None else held.attempt + 1
    body = made(RetryTask, task=task, attempt=attempt, start=wanted.start)
    return changed(await command(visit, body, intent))


# --- practice ----------------------------------------


class Given(Message, json_schema_extra={"examples": [{"number": 1, "given": "12"}]}):
    """An answer; ``choice``: which option, from 0; ``proceed``: close the feedback at once."""

    number: Annotated[int, Field(ge=1, le=2**31)]
    given: Annotated[str, Field(max_length=500)] = ""
    choice: Annotated[int, Field(ge=0, le=3)] | None = None
    time_ms: Millis = 0
    proceed: bool = False


class FeedbackRead(Message):
    """``number``: of the question whose feedback was read; null: the open one."""

    number: Annotated[int, Field(ge=1, le=2**31)] | None = None


@router.get("/sessions/{id}/practice", summary="The question that is open")
async def practice(visit: Watching, wait_s: Annotated[float, Query(ge=0, le=50)] = 0.0) -> Response:
    held = _practised(visit)
    await held._read()
    if held._view.waits and wait_s:
        try:
            await held.question(timeout=wait_s)
        except Unavailable:
            log.debug("a question is still being made", session=visit.id)
    view = held._view
    return answer(
        {
            "question": _question(view.open),
            "pending": view.waits,
            "feedback": _marked(view.marked if view.feedback else None),
            "over": view.ended,
            "paused": view.paused,
            "summary": view.summary,
        }
    )


def _practised(visit: Visit) -> Practice:
    """The session as one of practice.

    Raises:
        RefusedError: ``no-practice``: it is none.
    """
    if visit.known.kind != SessionKind.PRACTICE:
        raise RefusedError("no-practice", "this is no practice session")
    return Practice(visit.deck, visit.id, visit.known.learner)


@router.post("/sessions/{id}/practice/answer", summary="Answer the open question")
async def give_answer(
    request: Request, visit: Playing, intent: OneIntent, given: Annotated[Given, sent(Given)]
) -> Response:
    held = _practised(visit)
    body = made(AnswerQuestion, **given.model_dump())
    step = await command(visit, body, intent)
    await held._read()
    marked = held._view.marked
    if marked is None or marked.answer.number != given.number:
        marked = await held._earlier(given.number)
    return answer({**(_marked(marked) or {}), **request.app.state.gateway.concern(step)})


@router.post("/sessions/{id}/practice/hint", summary="Show the hint of the open question")
async def hint(visit: Playing, intent: OneIntent) -> Response:
    held = _practised(visit)
    return answer({"hint": await held.hint(id=intent.id())})


@router.post("/sessions/{id}/practice/continue", summary="The feedback was read")
async def go_on(
    visit: Playing,
    intent: OneIntent,
    read: Annotated[FeedbackRead, sent(FeedbackRead, optional=True)],
) -> Response:
    held = _practised(visit)
    if read.number is None:
        return answer({"question": _question(await held.close_feedback(id=intent.id()))})
    await command(visit, made(CloseFeedback, number=read.number), intent)
    await held._read()
    return answer({"question": _question(held._view.open)})


def _question(asked: Asked | None) -> dict[str, Any] | None:
    """A question without its key: who is asked must not be told."""
    if asked is None:
        return None
    question = asked.question
    return {
        "number": asked.number,
        "text": question.text,
        "format": question.format,
        "choices": question.choices,
        "unit": question.unit,
        "skill": question.skill,
        "tier": question.tier,
        "difficulty": question.difficulty,
        "category": asked.category,
        "slot": asked.slot,
        "repeat": asked.repeat,
        "has_hint": bool(question.hint),
        "hint": question.hint if asked.hinted else None,
    }


def _marked(marked: Marked | None) -> dict[str, Any] | None:
    if marked is None:
        return None
    return {
        "number": marked.answer.number,
        "correct": marked.answer.correct,
        "answer": marked.answer,
        "key": marked.question.answer,
        "explanation": marked.question.explanation,
        "moved": marked.moved,
        "rewards": marked.rewards,
        "next": _question(marked.next),
        "summary": marked.summary,
    }


# --- refractions ----------------------------------------


class RefractionWanted(Message):
    """What the learner wants to say."""

    text: Said
    npc: NpcId | None = None
    wait_s: Annotated[float, Field(gt=0, le=50, allow_inf_nan=False)] = 15.0


class Chosen(Message):
    """Which of the three wordings; null: none. ``dwell_ms``: how long it took to choose."""

    level: RefractionLevel | None = None
    dwell_ms: Millis = 0


@router.post(
    "/sessions/{id}/refractions",
    status_code=201,
    responses={202: {"description": "Asked for; the wordings are still being made"}},
    summary="Three wordings of something",
)
async def refract(
    request: Request,
    visit: Playing,
    intent: OneIntent,
    wanted: Annotated[RefractionWanted, sent(RefractionWanted)],
) -> Response:
    talk = (await Session(visit.deck, visit.id).state()).talk
    last = talk.refractions[-1].number if talk is not None and talk.refractions else 0
    body = made(AskRefraction, number=last + 1, text=wanted.text, npc=wanted.npc)
    step = await command(visit, body, intent)
    # Of a repeat, the number that was given to the first.
    asked = next((one for one in step.events if isinstance(one, RefractionAsked)), None)
    number = last + 1 if asked is None else asked.number
    offer = await _offered(visit, step, number, wanted.wait_s)
    told = {
        "number": number,
        "response": None if offer is None else offer.response,
        **request.app.state.gateway.concern(step),
    }
    return answer(told, 202 if offer is None else 201)


async def _offered(
    visit: Visit, asked: Step, number: int, wait_s: float
) -> RefractionOffered | None:
    """The wordings, once there are any; None: not within so many seconds."""
    session, give_up, pause = Session(visit.deck, visit.id), time.monotonic() + wait_s, 0.01
    while True:
        async for step in session.replay(after=max(0, asked.sequence - 1)):
            for event in step.events:
                if isinstance(event, RefractionOffered) and event.number == number:
                    return event
        if time.monotonic() > give_up:
            return None
        await asyncio.sleep(pause)
        pause = min(0.25, pause * 1.7)


@router.post(
    "/sessions/{id}/refractions/{number}/choose", response_model=Changed, summary="Take a wording"
)
async def choose(
    visit: Playing,
    intent: OneIntent,
    number: Number,
    chosen: Annotated[Chosen, sent(Chosen, optional=True)],
) -> Response:
    body = made(ChooseRefraction, number=number, level=chosen.level, dwell_ms=chosen.dwell_ms)
    return changed(await command(visit, body, intent))
