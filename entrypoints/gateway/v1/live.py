"""A live session over a WebSocket: what is said, heard and done in it, frame by frame.

One law: nothing that comes breaks the connection but who it comes from: a frame that is wrong is
answered by a notice.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Annotated, Any, Final, Literal

import structlog
from fastapi import APIRouter, Query, WebSocket, WebSocketDisconnect
from pydantic import Field, JsonValue, TypeAdapter, ValidationError
from pydantic_core import from_json, to_json

from holodeck.broker.port import Delivery, Subscription
from holodeck.entrypoints.gateway.access import Caller
from holodeck.entrypoints.gateway.exercises import EXERCISES, Exercise, suggested
from holodeck.entrypoints.gateway.feed import TooSlow
from holodeck.entrypoints.gateway.manners import Problem, made, problem_of
from holodeck.entrypoints.gateway.v1.sessions import (
    Interaction,
    StartHow,
    Turn,
    as_text,
    iso,
    number_of,
    replied,
    taken,
)
from holodeck.entrypoints.gateway.whose import Intent, Visit
from holodeck.messages.base import Label, Message, Reason
from holodeck.messages.errors import HolodeckError, TransientError
from holodeck.messages.ids import NpcId, check_id, new_id
from holodeck.messages.player import (
    AddMarker,
    ChangeSettings,
    CharacterId,
    CrisisType,
    GiveFeedback,
    Interact,
    ProgressMarker,
    SafetyFinding,
    TherapeuticSettings,
    WorldId,
)
from holodeck.messages.session import EndReason, Outcome
from holodeck.messages.subjects import ANY, WORDS
from holodeck.session import Session, Step

log = structlog.get_logger("holodeck.gateway")

router: Final = APIRouter(tags=["sessions"])

FRAMES: Final = 10
"""Frames that are taken within :data:`WINDOW_S` seconds."""
WINDOW_S: Final = 2.0
WAITING: Final = 32
"""Frames that may wait while one is being answered."""


class Say(Turn):
    """As a turn of the REST interface; it is always waited for."""

    type: Literal["say"]


class Do(Interaction):
    """Something happened; or a button was pressed, by its ``id``."""

    type: Literal["interaction"]
    id: Label = ""


class Mark(Message):
    type: Literal["marker"]
    marker: ProgressMarker


class Comment(Message):
    type: Literal["feedback"]
    rating: Annotated[int, Field(ge=1, le=5, strict=True)] | None = None
    text: Annotated[str, Field(min_length=1, max_length=4000)] | None = None
    preference_changes: dict[str, JsonValue] | None = None
    crisis_types: Annotated[tuple[CrisisType, ...], Field(max_length=7)] = ()


class Lead(Message):
    type: Literal["settings"]
    settings: TherapeuticSettings


class Switch(Message):
    type: Literal["switch"]
    character: CharacterId | None = None
    world: WorldId | None = None
    cast: Annotated[tuple[NpcId, ...], Field(max_length=32)] = ()


class Pause(Message):
    type: Literal["pause"]
    reason: Reason = ""


class Resume(Message):
    type: Literal["resume"]
    switch: bool = False


class End(Message):
    type: Literal["end"]
    reason: EndReason = EndReason.LEARNER_ENDED
    outcome: Outcome = Outcome.SUCCESS


class Ping(Message):
    type: Literal["ping"]


Frame = Annotated[
    Say | Do | Mark | Comment | Lead | Switch | Pause | Resume | End | Ping,
    Field(discriminator="type"),
]
FRAME: Final[TypeAdapter[Frame]] = TypeAdapter(Frame)
TYPES: Final = frozenset(
    ("say", "interaction", "marker", "feedback", "settings", "switch", "pause", "resume", "end",
     "ping")
)  # fmt: skip


class Gone(Exception):
    """The connection is to be closed; ``code``: with what."""

    def __init__(self, code: int, why: str) -> None:
        super().__init__(code, why)
        self.code, self.why = code, why


class Live:
    """One connection.

    Attributes:
        visit: whose session it is; changes when the player switches.
        offered, begun: exercises that were offered here, and those of them that were begun.
    """

    def __init__(self, socket: WebSocket, who: Caller, visit: Visit, typing: bool) -> None:
        self.socket, self.who, self.visit, self.typing = socket, who, visit, typing
        self.gateway = socket.app.state.gateway
        self.offered: set[str] = set()
        self.begun: set[str] = set()
        self._lately: deque[float] = deque(maxlen=FRAMES)
        self._waiting: asyncio.Queue[Frame] = asyncio.Queue(WAITING)
        self._ears: Subscription | None = None
        self._sending = asyncio.Lock()
        self._hearing, self._welcomed = asyncio.Event(), asyncio.Event()

    # --- telling ----------------------------------------

    async def tell(self, kind: str, **more: Any) -> None:
        now = iso(int(time.time() * 1000))
        frame = {"type": kind, "session": self.visit.id, "at": now, **more}
        async with self._sending:
            await self.socket.send_text(to_json(frame, inf_nan_mode="null").decode())

    async def notice(self, code: str, text: str, body: str = "") -> None:
        """Says that a frame was not taken. What it says gives cause for concern is told too."""
        await self.tell("notice", role="system", code=code, text=text)
        if body:
            finding = self.gateway.care.look_into(body.encode(errors="replace"))
            if finding is not None:
                await self.safety(finding)
                learner = self.visit.known.learner
                self.gateway.care.flag(self.visit.deck, learner, finding)

    async def safety(self, finding: SafetyFinding) -> None:
        await self.tell("safety", **self.gateway.care.told(finding))

    # --- the connection ----------------------------------------

    async def run(self, tiles: bool) -> None:
        """Until somebody ends it."""
        await self._listen()
        tasks: list[asyncio.Task[None]] = []
        try:
            if tiles:
                # Whoever is welcomed misses nothing of what comes then.
                tasks.append(asyncio.create_task(self._tiles(), name="live-tiles"))
                tasks.append(asyncio.create_task(self._heard(), name="live-heard"))
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                if tasks[0].done():
                    tasks[0].result()
                tasks.pop().cancel()
            await self.tell(
                "welcome", role="system", learner=self.visit.known.learner, frames=sorted(TYPES)
            )
            self._welcomed.set()
            tasks.append(asyncio.create_task(self._read(), name="live-read"))
            tasks.append(asyncio.create_task(self._work(), name="live-work"))
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._deafen()

    async def _read(self) -> None:
        """Takes frames, so many in so much time."""
        while True:
            message = await self.socket.receive()
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(message.get("code", 1000))
            text = message.get("text")
            if text is None:
                text = (message.get("bytes") or b"").decode(errors="replace")
            now = time.monotonic()
            if len(self._lately) == FRAMES and now - self._lately[0] < WINDOW_S:
                await self.notice(
                    "slow-down", "too many frames at once; this one was dropped", text
                )
                continue
            self._lately.append(now)
            await self._let_in()
            frame = await self._frame(text)
            if isinstance(frame, Ping):
                await self.tell("pong")
            elif frame is not None:
                try:
                    self._waiting.put_nowait(frame)
                except asyncio.QueueFull:
                    await self.notice("slow-down", "too much waits; this frame was dropped", text)

    async def _let_in(self) -> None:
        """Raises Gone where the token has ended since."""
        try:
            await self.gateway.access.caller(self.socket)
        except Problem as problem:
            raise Gone(1008, problem.detail) from problem
        except TransientError:
            return  # it was good a moment ago; what is asked will say that nobody is there

    async def _frame(self, text: str) -> Frame | None:
        try:
            raw = from_json(text)
        except ValueError:
            await self.notice("not-json", "a frame is a JSON object", text)
            return None
        if not isinstance(raw, dict):
            await self.notice("not-an-object", "a frame is a JSON object", text)
            return None
        kind = raw.get("type")
        if not isinstance(kind, str) or kind not in TYPES:
            await self.notice("unknown-type", f"a type is one of {', '.join(sorted(TYPES))}", text)
            return None
        try:
            return FRAME.validate_python(raw, strict=False)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            where = ".".join(str(part) for part in first["loc"][1:])
            await self.notice("invalid", f"{where}: {first['msg']}", text)
            return None

    async def _work(self) -> None:
        """Answers frame after frame."""
        while True:
            frame = await self._waiting.get()
            try:
                await self._answer(frame)
            except Problem as problem:
                await self.tell("error", code=problem.code, text=problem.detail)
            except HolodeckError as error:
                found = problem_of(error)
                await self.tell("error", code=found.code, text=found.detail)
                if isinstance(frame, Say | Comment) and frame.text:
                    finding = self.gateway.care.look(frame.text)
                    if finding is not None:
                        await self.safety(finding)
                if found.status == 503 and not self.visit.deck.broker.connected:
                    raise Gone(1013, "the runtime is away; come again") from error

    # --- answering ----------------------------------------

    async def _answer(self, frame: Frame) -> None:
        intent, visit = Intent(None), self.visit
        match frame:
            case Say():
                await self._said(frame)
            case Do():
                await self._did(frame)
            case Mark():
                await self._done("marker", await self._command(AddMarker(marker=frame.marker)))
            case Comment():
                await self._commented(frame)
            case Lead():
                await self._done(
                    "settings", await self._command(ChangeSettings(settings=frame.settings))
                )
            case Switch():
                await self._switch(frame)
            case Pause():
                step = await Session(visit.deck, visit.id).pause(frame.reason, id=intent.id())
                await self._done("pause", step)
            case Resume():
                session = Session(visit.deck, visit.id)
                session._learner = visit.known.learner
                sequence = await session.resume(switch=frame.switch, id=intent.id())
                await self.tell("done", of="resume", sequence=sequence)
            case End():
                came_to = await Session(visit.deck, visit.id).end(frame.reason, frame.outcome)
                await self.tell("done", of="end", sequence=came_to.sequence, exhaust=came_to)
            case Ping():
                await self.tell("pong")

    async def _said(self, frame: Say) -> None:
        if self.typing:
            await self.tell("typing", state="start", who=frame.to)
        try:
            await self.tell("progress", stage="analyzing")
            step = await taken(self.visit, frame, Intent(None))
            concern = self.gateway.concern(step)
            crisis = concern["safety"]["crisis"]
            if crisis:
                # Before the reply, which may take its time.
                await self.tell("safety", **concern)
            await self.tell("progress", stage="personalizing")
            reply, pending = await replied(self.visit, step, frame.wait_s or 15.0)
            await self.tell("progress", stage="complete")
            offers = suggested(frame.text, crisis)
            self.offered.update(one.id for one in offers)
            elements = [{"type": "resource", **one} for one in concern["resources"]]
            elements += [one.button() for one in offers]
            await self.tell(
                "reply",
                role="assistant",
                turn=number_of(step),
                sequence=step.sequence,
                npc=frame.to,
                text=reply,
                pending=pending,
                safety=concern["safety"],
                elements=elements,
            )
        finally:
            if self.typing:
                await self.tell("typing", state="stop", who=frame.to)

    async def _did(self, frame: Do) -> None:
        if frame.id:
            await self._pressed(frame.id)
            return
        body = made(
            Interact,
            intervention=frame.intervention,
            emotional_state=as_text(frame.emotional_state),
            variables=as_text(frame.variables),
            scene=frame.scene,
        )
        await self._done("interaction", await self._command(body))

    async def _pressed(self, button: str) -> None:
        exercise = EXERCISES.get(button)
        if exercise is not None and exercise.id in self.offered:
            self.begun.add(exercise.id)
            await self._command(Interact(intervention=exercise.id))
            await self.tell(
                "exercise", role="interactive", id=exercise.id, elements=exercise.guidance()
            )
            return
        finished = next((one for one in EXERCISES.values() if one.done == button), None)
        if finished is not None and finished.id in self.begun:
            await self._finished(finished)
            return
        await self.notice("not-offered", "there is no such button here now")

    async def _finished(self, exercise: Exercise) -> None:
        marker = exercise.marker()
        step = await self._command(AddMarker(marker=marker))
        # Only when it is stored: a click that came to nothing may be repeated.
        self.begun.discard(exercise.id)
        self.offered.discard(exercise.id)
        element = {"type": "progress", "marker": marker, "new": bool(step.events)}
        await self.tell("exercise", role="interactive", id=exercise.done, elements=[element])

    async def _commented(self, frame: Comment) -> None:
        body = made(
            GiveFeedback,
            feedback_id=new_id("fb"),
            session=self.visit.id,
            rating=frame.rating,
            text=frame.text,
            preference_changes=as_text(frame.preference_changes),
            crisis_types=frame.crisis_types,
        )
        step = await self.visit.deck.player(self.visit.known.learner).command(body)
        finding = self.gateway.care.look(frame.text) if frame.text else None
        if finding is not None:
            await self.safety(finding)
        await self._done("feedback", step)

    async def _switch(self, frame: Switch) -> None:
        learner = self.visit.known.learner
        start = StartHow(cast=frame.cast).start(learner)
        session = await self.visit.deck.switch(
            learner, character=frame.character, world=frame.world, start=start
        )
        known = await self.gateway.sessions.known(self.visit.deck, session.id)
        before = self.visit.id
        self.visit = Visit(self.who, self.visit.deck, session.id, known)
        await self._listen()
        await self.tell("switched", before=before)

    async def _command(self, body: Any) -> Step:
        answer = await self.visit.deck.caller.command(
            "session", self.visit.id, new_id("http"), body
        )
        return Step.of(answer)

    async def _done(self, of: str, step: Step) -> None:
        await self.tell("done", of=of, sequence=step.sequence, changed=bool(step.events))

    # --- hearing ----------------------------------------

    async def _listen(self) -> None:
        """Hears the pieces of replies in the session there is now."""
        await self._deafen()
        loop, deck = asyncio.get_running_loop(), self.visit.deck

        def piece(delivery: Delivery) -> None:
            turn = delivery.subject.rpartition(".")[2]
            text = delivery.data.decode(errors="replace")
            task = loop.create_task(self._piece(int(turn), text))
            pieces.add(task)
            task.add_done_callback(pieces.discard)

        pieces: set[asyncio.Task[None]] = set()
        self._ears = await deck.broker.subscribe(WORDS.of(deck.ns, self.visit.id, ANY), piece)

    async def _piece(self, turn: int, text: str) -> None:
        try:
            await self.tell("words", turn=turn, text=text)
        except (WebSocketDisconnect, RuntimeError):
            log.debug("words for somebody who has left")

    async def _deafen(self) -> None:
        ears, self._ears = self._ears, None
        if ears is not None:
            try:
                await ears.stop()
            except TransientError:
                log.debug("a subscription went with its connection")

    async def _heard(self) -> None:
        await self._hearing.wait()

    async def _tiles(self) -> None:
        """Tells of the session's tiles from now on; whoever does not keep up hears no more."""
        while True:
            visit = self.visit
            try:
                async with self.gateway.feed.listen(session=visit.id, beat_s=2.0) as tiles:
                    self._hearing.set()
                    await self._welcomed.wait()
                    async for records in tiles:
                        for record in records:
                            await self.tell("tile", tile=from_json(record.data))
                        if self.visit is not visit:
                            break
            except TooSlow as slow:
                await self.notice("too-slow", f"tiles behind {slow.last} were left out")


@router.websocket("/sessions/{id}/live")
async def live(
    socket: WebSocket,
    id: str,
    typing: Annotated[str, Query()] = "",
    tiles: Annotated[str, Query()] = "",
) -> None:
    gateway = socket.app.state.gateway
    await socket.accept()
    gauge = gateway.figures.streams.labels("live")
    gauge.inc()
    try:
        who = await gateway.access.caller(socket)
        on = gateway.deck()
        known = await gateway.sessions.known(on, check_id(id))
        if not who.is_(known.learner):
            raise Gone(1008, "this session is somebody else's")
        yes = ("1", "true", "yes")
        await Live(socket, who, Visit(who, on, id, known), typing in yes).run(tiles in yes)
    except WebSocketDisconnect:
        return
    except Gone as gone:
        await _close(socket, gone.code, gone.why)
    except Problem as problem:
        await _close(socket, 1008, problem.title)
    except HolodeckError as error:
        code = 1013 if isinstance(error, TransientError) else 1008
        await _close(socket, code, problem_of(error).code)
    except Exception:
        log.exception("a live session failed")
        await _close(socket, 1011, "something went wrong; the log says what")
    finally:
        gauge.dec()


async def _close(socket: WebSocket, code: int, why: str) -> None:
    try:
        await socket.close(code, why.encode()[:120].decode(errors="ignore"))
    except RuntimeError:
        log.debug("closed already")
