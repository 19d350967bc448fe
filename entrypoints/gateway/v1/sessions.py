"""Sessions: begun, played, paused, ended; what is said in them, and what they came to."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Query, Request
from pydantic import Field, JsonValue, StringConstraints
from pydantic_core import from_json, to_json
from starlette.responses import Response

from holodeck.deck import Deck
from holodeck.entrypoints.gateway.access import (
    Anyone,
    Caller,
    OnDeck,
    caller,
    deck,
    forbidden,
)
from holodeck.entrypoints.gateway.manners import (
    Page,
    Problem,
    Sent,
    answer,
    etag,
    made,
    page,
    sent,
    versioned,
)
from holodeck.entrypoints.gateway.whose import (
    Intent,
    OneIntent,
    Playing,
    Running,
    Visit,
    Watching,
    playing,
    raw_state,
    running,
)
from holodeck.entrypoints.gateway.whose import intent as intent_of
from holodeck.messages.base import MAX_TEXT, Label, Message, Millis, Reason
from holodeck.messages.control import SpawnSession
from holodeck.messages.envelope import AwaitReply
from holodeck.messages.errors import RefusedError, Unavailable
from holodeck.messages.ids import LearnerId, NpcId, SessionId, new_id
from holodeck.messages.player import (
    AddMarker,
    AddNote,
    ChangeSettings,
    CharacterId,
    Interact,
    ProgressMarker,
    SessionNoted,
    TherapeuticSettings,
    WorldId,
)
from holodeck.messages.practice import PracticeOptions
from holodeck.messages.session import (
    CastMember,
    EndReason,
    MindKind,
    Outcome,
    SessionKind,
    StartSession,
    TakeTurn,
    TurnAnswered,
    TurnTaken,
)
from holodeck.messages.talk import AnalysisKind, Signals
from holodeck.session import Session, Step

router: Final = APIRouter(tags=["sessions"])

_STATUS: Final = {"ended": "completed"}
_TRIES: Final = 4
Said = Annotated[str, StringConstraints(min_length=1, max_length=MAX_TEXT, pattern=r"\S")]
"""Something said: 1 to 4000 characters, not blank."""
Seconds = Annotated[float, Field(ge=0, le=365 * 86400, allow_inf_nan=False)]


class StartHow(Message):
    """How a session is begun.

    Attributes:
        persona: the world of a conversation; cast: the NPCs that take part, empty: any, or all the
            persona has.
        settings: how it is led.
        practice: what is practised, in a session of kind ``practice``.
        task_timeout_s, session_timeout_s, idle_timeout_s, abandon_s: as a session's contract says.
    """

    kind: SessionKind = SessionKind.CONVERSATION
    session: SessionId | None = None
    name: Label = ""
    persona: Label = ""
    cast: Annotated[tuple[NpcId | CastMember, ...], Field(max_length=32)] = ()
    tags: Annotated[tuple[Label, ...], Field(max_length=32)] = ()
    room: Label = ""
    model: Label = ""
    mind: MindKind = MindKind.SCRIPTED
    analysis: AnalysisKind = AnalysisKind.NONE
    ladder: bool = False
    character: CharacterId | None = None
    world: WorldId | None = None
    settings: TherapeuticSettings | None = None
    practice: PracticeOptions | None = None
    max_tasks: Annotated[int, Field(ge=1, le=1000)] = 50
    task_timeout_s: Annotated[float, Field(ge=0, le=30 * 86400, allow_inf_nan=False)] = 300.0
    session_timeout_s: Seconds = 3600.0
    idle_timeout_s: Seconds = 0.0
    abandon_s: Seconds | None = None
    emit_tiles: bool = True

    def start(self, learner: str) -> StartSession:
        """The command it becomes.

        Raises:
            Problem: 422: what is given does not go together.
        """
        fields = {name: getattr(self, name) for name in self.model_fields_set & _SAME}
        practice = self.practice
        if self.kind is SessionKind.PRACTICE:
            practice = practice or PracticeOptions(curriculum="primary-maths")
        cast = tuple(CastMember(npc=m) if isinstance(m, str) else m for m in self.cast)
        return made(
            StartSession,
            **fields,
            learner=learner,
            session_kind=self.kind,
            cast=cast,
            practice=practice,
            mind=MindKind.NONE if self.kind is SessionKind.PRACTICE else self.mind,
        )


class SessionStart(
    StartHow,
    json_schema_extra={
        "examples": [{"learner": "ana", "cast": ["marta"]}, {"learner": "ana", "persona": "madrid"}]
    },
):
    """A session to be begun.

    Attributes:
        session: its id; null: a fresh one.
        switch: pause the session that holds the learner instead of being refused.
        character, world: whom the player plays, and where.
    """

    learner: LearnerId
    switch: bool = False


_SAME: Final = frozenset(
    ("name", "persona", "tags", "room", "model", "analysis", "ladder", "character", "world",
     "settings", "max_tasks", "task_timeout_s", "session_timeout_s", "idle_timeout_s",
     "abandon_s", "emit_tiles")
)  # fmt: skip


class Started(Message):
    """A session that has begun; ``sequence``: of its first checkpoint, 0: not told."""

    id: str
    learner: str
    kind: str
    sequence: int


class Turn(Message, json_schema_extra={"examples": [{"text": "¿Qué hay hoy?", "to": "marta"}]}):
    """Something the learner says.

    Attributes:
        turn: its number; null: the next.
        wait_s: seconds to wait for the reply, 0: not at all.
        refraction: number of the refraction whose chosen wording it uses.
    """

    text: Said
    to: NpcId
    turn: Annotated[int, Field(ge=1, le=2**31)] | None = None
    wait_s: Annotated[float, Field(ge=0, le=50, allow_inf_nan=False)] = 15.0
    speaking_ms: Millis | None = None
    signals: Signals | None = None
    location: Label = ""
    topic: Label = ""
    refraction: Annotated[int, Field(ge=1, le=2**31)] | None = None


class TurnMade(Message):
    """A turn that was taken.

    Attributes:
        reply: what was answered; null: nothing (yet, where ``pending``).
        safety: whether the text gave cause for concern, and what for; resources: whom the player
            can turn to then.
    """

    turn: int
    sequence: int
    npc: str
    reply: str | None
    pending: bool
    safety: dict[str, JsonValue]
    resources: list[dict[str, JsonValue]]


class Greeted(Message):
    npc: NpcId
    wait_s: Annotated[float, Field(gt=0, le=50, allow_inf_nan=False)] = 15.0


class Interaction(Message):
    """Something happened that is no turn; the state and the variables are JSON objects."""

    intervention: Label = ""
    emotional_state: dict[str, JsonValue] | None = None
    variables: dict[str, JsonValue] | None = None
    scene: Label | None = None


class NoteWanted(Message):
    text: Said


class Why(Message):
    reason: Reason = ""


class ResumeWanted(Message):
    """``switch``: pause the session that holds the learner instead of being refused."""

    switch: bool = False


class EndWanted(Message):
    reason: EndReason = EndReason.LEARNER_ENDED
    outcome: Outcome = Outcome.SUCCESS
    error: Reason = ""


class Changed(Message):
    """What a call led to; ``sequence``: of the checkpoint, or the session's last one."""

    sequence: int
    changed: bool


class ExhaustShape(Message):
    """What a session came to; see ``holodeck.session.Exhaust``."""

    session: str
    sequence: int
    reason: str
    outcome: str
    active_ms: int
    turns: int
    replies: int
    frictions: dict[str, int]
    reputation: dict[str, float]
    tasks: dict[str, int]


class SessionShape(Message):
    """A session as it stands; times ISO 8601 UTC, durations ms."""

    id: str
    kind: str
    learner: str
    name: str
    persona: str
    character: str | None
    world: str | None
    status: str
    npc: str | None
    turns: int
    replies: int
    started_at: str | None
    last_at: str | None
    ended_at: str | None
    end_reason: str | None
    outcome: str | None
    active_ms: int
    cast: list[str]
    tags: list[str]
    mind: str
    settings: dict[str, JsonValue] | None
    scene: str
    variables: dict[str, JsonValue]
    markers: list[dict[str, JsonValue]]
    notes: list[dict[str, JsonValue]]
    emotions: list[dict[str, JsonValue]]
    interactions: int
    interventions: list[str]
    frictions: dict[str, int]
    reputation: dict[str, float]
    tasks: list[dict[str, JsonValue]]
    parent: str | None
    sequence: int
    etag: str


# --- beginning ----------------------------------------


@router.post("/sessions", status_code=201, response_model=Started, summary="Begin a session")
async def start(
    request: Request,
    who: Anyone,
    on: OnDeck,
    intent: OneIntent,
    wanted: Annotated[SessionStart, sent(SessionStart)],
) -> Response:
    if not (who.is_(wanted.learner) or (who.operates and wanted.kind is SessionKind.AGENT)):
        raise forbidden("a session is begun by its learner; that of an agent by operators too")
    identity, sequence = await begin(on, wanted, intent)
    request.app.state.gateway.sessions.keep(identity, wanted.learner, wanted.kind.value, 0)
    told = {"id": identity, "learner": wanted.learner, "kind": wanted.kind, "sequence": sequence}
    return answer(told, 201, {"location": f"/api/v1/sessions/{identity}"})


async def begin(on: Deck, wanted: SessionStart, intent: Intent) -> tuple[str, int]:
    """Begins a session and says its id and sequence."""
    identity = wanted.session or intent.name("sess")
    order = SpawnSession.model_construct(
        id=intent.id(), session=identity, start=wanted.start(wanted.learner), switch=wanted.switch
    )
    reported = await on.order("start", order)
    return identity, reported.sequence


# --- reading ----------------------------------------


@router.get("/sessions/{id}", response_model=SessionShape, summary="A session as it stands")
async def read(
    visit: Watching,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    sequence, state = await raw_state(visit.deck, visit.id)
    told = shown(visit.id, sequence, state)
    return versioned(told, told["etag"], if_none_match)


@router.get("/sessions/{id}/messages", response_model=Page, summary="What was said, in order")
async def messages(
    visit: Watching,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    cursor: Annotated[str | None, Query(max_length=20)] = None,
) -> Response:
    said: list[dict[str, Any]] = []
    async for step in Session(visit.deck, visit.id).replay():
        for event in step.events:
            line = _line(event)
            if line is not None:
                said.append({"sequence": step.sequence, "at": iso(step.at), **line})
    return answer(page(said, limit, cursor))


def _line(event: Any) -> dict[str, Any] | None:
    match event:
        case TurnTaken():
            return {"role": "learner", "turn": event.turn, "npc": event.npc, "text": event.text}
        case TurnAnswered():
            return {"role": "npc", "turn": event.turn, "npc": event.npc, "text": event.text}
        case SessionNoted():
            return {"role": "note", "turn": 0, "npc": None, "text": event.text}
        case _:
            return None


@router.get(
    "/sessions/{id}/exhaust", response_model=ExhaustShape, summary="What an ended session came to"
)
async def exhaust(visit: Watching) -> Response:
    return answer(await Session(visit.deck, visit.id).exhaust())


# --- saying ----------------------------------------


@router.post(
    "/sessions/{id}/turns",
    status_code=201,
    response_model=TurnMade,
    responses={202: {"model": TurnMade, "description": "Taken; the reply is still being made"}},
    summary="Say something, and hear the reply",
)
async def take_turn(
    request: Request,
    visit: Playing,
    intent: OneIntent,
    said: Annotated[Turn, sent(Turn)],
) -> Response:
    step = await taken(visit, said, intent)
    reply, pending = None, False
    if said.wait_s > 0:
        reply, pending = await replied(visit, step, said.wait_s)
    number = number_of(step)
    told = {
        "turn": number,
        "sequence": step.sequence,
        "npc": said.to,
        "reply": reply,
        "pending": pending,
        **request.app.state.gateway.concern(step),
    }
    return answer(told, 202 if pending else 201)


async def taken(visit: Visit, said: Turn, intent: Intent) -> Step:
    """Takes a turn, under the next number unless it brings one.

    Two turns at once must not have one number: the actor would take the second for a repeat of
    the first. Here they wait for each other; one that comes another way shows in an answer
    without a checkpoint, and then the number is asked for anew.
    """
    if said.turn is not None:
        return await _sent_turn(visit, said, said.turn, intent.id())
    known = visit.known
    async with known.lock:
        for attempt in range(_TRIES):
            if known.turns is None:
                _, state = await raw_state(visit.deck, visit.id)
                known.turns = int(state["turns"])
            try:
                part = str(attempt) if attempt else ""
                step = await _sent_turn(visit, said, known.turns + 1, intent.id(part))
            except RefusedError as error:
                known.turns = None
                if error.reason != "turn-order":
                    raise
                continue
            if step.events:
                known.turns = max(known.turns, number_of(step))
                return step
            known.turns = None
    raise RefusedError("turn-order", "others are speaking in this session; say which turn it is")


async def _sent_turn(visit: Visit, said: Turn, number: int, command: str) -> Step:
    body = TakeTurn(
        turn=number,
        npc=said.to,
        text=said.text,
        speaking_ms=said.speaking_ms,
        signals=said.signals,
        location=said.location,
        topic=said.topic,
        refraction=said.refraction,
    )
    return Step.of(await visit.deck.caller.command("session", visit.id, command, body))


def number_of(step: Step) -> int:
    """The turn a step took; 0: none."""
    return next((event.turn for event in step.events if isinstance(event, TurnTaken)), 0)


async def replied(visit: Visit, step: Step, wait_s: float) -> tuple[str | None, bool]:
    """The reply to the turn of a step, and whether it is still being made."""
    number = number_of(step)
    if not number:
        return None, False
    try:
        reached = await visit.deck.caller.command(
            "session", visit.id, new_id("ask"), AwaitReply(turn=number), deadline_s=wait_s
        )
    except Unavailable:
        return None, True
    except RefusedError as error:
        if error.reason != "no-reply":
            raise
        return None, False
    session = Session(visit.deck, visit.id)
    async for later in session.replay(after=step.sequence, upto=reached.sequence):
        for event in later.events:
            if isinstance(event, TurnAnswered) and event.turn == number:
                return event.text, False
    return None, False


@router.post("/sessions/{id}/greeting", response_model=TurnMade, summary="Have an NPC open it")
async def greet(
    request: Request, visit: Playing, asked: Annotated[Greeted, sent(Greeted)]
) -> Response:
    session = Session(visit.deck, visit.id)
    reply = await session.greet(asked.npc, timeout=asked.wait_s)
    told = {
        "turn": 0,
        "sequence": 0,
        "npc": reply.npc,
        "reply": reply.text,
        "pending": False,
        "safety": {"crisis": False, "types": []},
        "resources": [],
    }
    return answer(told)


# --- playing ----------------------------------------


@router.post(
    "/sessions/{id}/interactions",
    status_code=201,
    response_model=Changed,
    summary="Something happened that is no turn",
)
async def interact(
    visit: Playing, intent: OneIntent, what: Annotated[Interaction, sent(Interaction)]
) -> Response:
    body = Interact(
        intervention=what.intervention,
        emotional_state=as_text(what.emotional_state),
        variables=as_text(what.variables),
        scene=what.scene,
    )
    return changed(await command(visit, body, intent), 201)


@router.post(
    "/sessions/{id}/markers", status_code=201, response_model=Changed, summary="Add a marker"
)
async def mark(
    visit: Playing, intent: OneIntent, marker: Annotated[ProgressMarker, sent(ProgressMarker)]
) -> Response:
    return changed(await command(visit, AddMarker(marker=marker), intent), 201)


@router.post("/sessions/{id}/notes", status_code=201, response_model=Changed, summary="Send a note")
async def note(
    visit: Running, intent: OneIntent, wanted: Annotated[NoteWanted, sent(NoteWanted)]
) -> Response:
    body = AddNote(text=wanted.text, author=visit.caller.subject)
    return changed(await command(visit, body, intent), 201)


@router.put("/sessions/{id}/settings", response_model=Changed, summary="Lead it like this")
async def settings(
    visit: Playing,
    intent: OneIntent,
    wanted: Annotated[TherapeuticSettings, sent(TherapeuticSettings)],
) -> Response:
    return changed(await command(visit, ChangeSettings(settings=wanted), intent))


# --- running ----------------------------------------


@router.post("/sessions/{id}/pause", response_model=Changed, summary="Pause")
async def pause(
    visit: Running, intent: OneIntent, why: Annotated[Why, sent(Why, optional=True)]
) -> Response:
    session = Session(visit.deck, visit.id)
    return changed(await session.pause(why.reason, id=intent.id()))


@router.post("/sessions/{id}/resume", response_model=Changed, summary="Go on")
async def resume(
    visit: Running,
    intent: OneIntent,
    wanted: Annotated[ResumeWanted, sent(ResumeWanted, optional=True)],
) -> Response:
    session = Session(visit.deck, visit.id)
    session._learner = visit.known.learner
    sequence = await session.resume(switch=wanted.switch, id=intent.id())
    return answer({"sequence": sequence, "changed": True})


@router.post("/sessions/{id}/end", response_model=ExhaustShape, summary="End")
async def end(
    visit: Running, intent: OneIntent, wanted: Annotated[EndWanted, sent(EndWanted, optional=True)]
) -> Response:
    session = Session(visit.deck, visit.id)
    came_to = await session.end(wanted.reason, wanted.outcome, error=wanted.error, id=intent.id())
    return answer(came_to)


# --- quickly ----------------------------------------

Quick = Callable[[Request, str], Awaitable[Response]]


async def _start(request: Request, _: str) -> Response:
    who = await caller(request)
    on = await deck(request)
    wanted = await _START(request)
    assert isinstance(wanted, SessionStart)
    return await start(request, who, on, await _intent(request, who), wanted)


async def _take_turn(request: Request, identity: str) -> Response:
    who = await caller(request)
    visit = await playing(request, who, identity)
    said = await _TURN(request)
    assert isinstance(said, Turn)
    return await take_turn(request, visit, await _intent(request, who), said)


async def _end(request: Request, identity: str) -> Response:
    who = await caller(request)
    visit = await running(request, who, identity)
    wanted = await _END(request)
    assert isinstance(wanted, EndWanted)
    return await end(visit, await _intent(request, who), wanted)


async def _intent(request: Request, who: Caller) -> Intent:
    key = request.headers.get("idempotency-key")
    if key is not None and re.fullmatch(_KEY, key) is None:
        wrong = {"where": ["header", "Idempotency-Key"], "what": f"is like {_KEY}", "type": "key"}
        raise Problem(422, "invalid", "the key is not of the form of one", errors=[wrong])
    return await intent_of(request, who, key)


_KEY: Final = r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}"
_START, _TURN = Sent(SessionStart, False), Sent(Turn, False)
_END = Sent(EndWanted, True)
QUICK: Final[dict[str, Quick]] = {
    "/sessions": _start,
    "/sessions/{id}/turns": _take_turn,
    "/sessions/{id}/end": _end,
}
"""The routes that are called most by POST: the same as above, with what they depend on asked for
in so many words."""


# --- shapes ----------------------------------------


async def command(visit: Visit, body: Any, intent: Intent, part: str = "") -> Step:
    return Step.of(await visit.deck.caller.command("session", visit.id, intent.id(part), body))


def changed(step: Step, status: int = 200) -> Response:
    stored = "_data" in step.__dict__ or bool(step.events)
    return answer({"sequence": step.sequence, "changed": stored}, status)


def as_text(value: Any) -> str | None:
    """A JSON value as the text a frozen message carries."""
    return None if value is None else to_json(value).decode()


def iso(at: int) -> str | None:
    """A time in ms since 1970 UTC; None: there was none."""
    if not at:
        return None
    moment = datetime.fromtimestamp(at / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def shown(identity: str, sequence: int, state: dict[str, Any]) -> dict[str, Any]:
    """A session's state as it is answered."""
    charter, playing = state.get("charter") or {}, state.get("playing") or {}
    phase = state["phase"]
    status = _STATUS.get(phase, phase)
    if phase == "ended" and state.get("end_reason") == EndReason.ABANDONED:
        status = "abandoned"
    active = state["active_ms"]
    if state["active_since"]:
        active += max(0, int(time.time() * 1000) - state["active_since"])
    return {
        "id": identity,
        "kind": charter.get("kind", ""),
        "learner": charter.get("learner", ""),
        "name": charter.get("name", ""),
        "persona": charter.get("persona", ""),
        "character": playing.get("character"),
        "world": playing.get("world"),
        "status": status,
        "npc": state["npc"],
        "turns": state["turns"],
        "replies": state["replies"],
        "started_at": iso(state["started_at"]),
        "last_at": iso(state["touched_at"]),
        "ended_at": iso(state["ended_at"]),
        "end_reason": state["end_reason"],
        "outcome": state["outcome"],
        "active_ms": active,
        "cast": [member["npc"] for member in charter.get("cast", ())],
        "tags": charter.get("tags", []),
        "mind": charter.get("mind", ""),
        "settings": playing.get("settings"),
        "scene": playing.get("scene", ""),
        "variables": from_json(playing.get("variables") or "{}"),
        "markers": [
            {**kept["marker"], "achieved_at": iso(kept["at"])}
            for kept in playing.get("markers", {}).values()
        ],
        "notes": [
            {"at": iso(one["at"]), "text": one["text"], "author": one["author"]}
            for one in playing.get("notes", ())
        ],
        "emotions": [
            {"at": iso(one["at"]), "state": from_json(one["data"])}
            for one in playing.get("emotions", ())[-5:]
        ],
        "interactions": playing.get("interacted", 0) + state["turns"],
        "interventions": playing.get("interventions", []),
        "frictions": state["frictions"],
        "reputation": state["reputation"],
        "tasks": [_task(task) for task in state["tasks"].values()],
        "parent": state["parent"] or None,
        "sequence": sequence,
        "etag": etag(identity, sequence, phase),
    }


def _task(task: dict[str, Any]) -> dict[str, Any]:
    status = task["outcome"] or ("started" if task["started_at"] else "added")
    return {
        "id": task["id"],
        "status": status,
        "priority": task["priority"],
        "npc": task["npc"],
        "capabilities": list(task["capabilities"]),
        "attempt": task["attempt"],
        "added_at": iso(task["added_at"]),
        "started_at": iso(task["started_at"]),
        "duration_ms": task["duration_ms"],
    }
