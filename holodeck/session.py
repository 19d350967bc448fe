"""One session, as a program holds it.

One law: every method that changes something has one command id for all its sendings, so it takes
effect once, however often it had to be sent.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from holodeck.actors.host import unarchived
from holodeck.actors.session import STATE, Phase, SessionState, seen_patterns
from holodeck.actors.session.playing.view import Continuity, continuity, status_of
from holodeck.actors.session.talk.exhaust import exhaust
from holodeck.actors.session.talk.view import active
from holodeck.broker.port import Delivery, Record
from holodeck.messages.codec import decode_checkpoint, unpack
from holodeck.messages.control import ForkSession, ResumeSession
from holodeck.messages.conversation import (
    ActiveSessionState,
    ConversationOutcome,
    FactCategory,
    PostSessionExhaust,
    PreSessionContext,
    PronunciationResult,
    RefractionLevel,
    RefractionResponse,
    RefractionTrigger,
)
from holodeck.messages.envelope import (
    HEADER_COMMAND,
    Answer,
    AnyEvent,
    AwaitReply,
    Greet,
    ReadState,
)
from holodeck.messages.errors import (
    RefusedError,
    Unavailable,
)
from holodeck.messages.fleet import (
    Decision,
)
from holodeck.messages.ids import check_id, new_id, partition_of
from holodeck.messages.player import (
    AddMarker,
    AddNote,
    ChangeSettings,
    FlagSafety,
    Interact,
    ProgressMarker,
    SafetyFinding,
    SafetyFlagged,
    SessionStatus,
    TherapeuticSettings,
)
from holodeck.messages.session import (
    AddTask,
    ChangeReputation,
    CompleteTask,
    End,
    EndReason,
    FrictionFinding,
    FrictionType,
    NpcReply,
    Outcome,
    Pattern,
    Pause,
    ReportError,
    ReportFriction,
    RetryTask,
    RouteTask,
    StartTask,
    TakeTurn,
    TaskPriority,
    TaskRouted,
    TurnAnswered,
)
from holodeck.messages.subjects import WORDS, writer_filter
from holodeck.messages.talk import (
    AskRefraction,
    ChooseRefraction,
    CloseConversation,
    FactHeard,
    Heard,
    OfferRefraction,
    ReachGoal,
    RecordAttempt,
    RefractionOffered,
    RememberFact,
    ResolveIncident,
    Signals,
    TurnAnalysis,
)
from holodeck.messages.tiles import Tile

if TYPE_CHECKING:
    from holodeck.deck import Deck


@dataclass(frozen=True, init=False)
class Step:
    """One checkpoint of a session.

    ``at`` and ``events`` are decoded when somebody looks: most who say something only want to know
    that it was stored. Looking raises FutureSchema where a newer program wrote it.

    Attributes:
        sequence: its place in the journal, and what :meth:`Session.state` and
            :meth:`Session.fork` take.
        at: ms since 1970 UTC; 0 where the command changed nothing.
        command: id of the command that led to it; empty where it came as an answer.
        events: what happened; empty where the command changed nothing.
    """

    sequence: int
    at: int
    command: str
    events: tuple[AnyEvent, ...]

    def __init__(
        self,
        sequence: int,
        command: str,
        data: bytes | None,
        safety: SafetyFinding | None = None,
    ) -> None:
        self.__dict__.update(sequence=sequence, command=command, _safety=safety)
        self.__dict__.update({"at": 0, "events": ()} if data is None else {"_data": data})

    @classmethod
    def of(cls, answer: Answer) -> Step:
        """What a command led to."""
        return cls(answer.sequence, "", answer.checkpoint, answer.safety)

    @property
    def safety(self) -> SafetyFinding | None:
        """What gave cause for concern in the text that led to it; None: nothing. Also where the
        settings say that nothing of it shall be stored."""
        found: SafetyFinding | None = self.__dict__["_safety"]
        if found is None:
            found = next((e.finding for e in self.events if isinstance(e, SafetyFlagged)), None)
        return found

    def __getattr__(self, name: str) -> Any:
        # Asked only for what is not there: what has not been decoded yet.
        if name not in ("at", "events"):
            raise AttributeError(name)
        checkpoint = decode_checkpoint(self.__dict__["_data"], f"checkpoint {self.sequence}")
        self.__dict__.update(at=checkpoint.at, events=checkpoint.events)
        return self.__dict__[name]


@dataclass(frozen=True, slots=True)
class Reply:
    """What an NPC answered; ``text`` is None where nobody answers for it. ``safety``: as in
    :class:`Step`, of the turn."""

    turn: int
    npc: str
    text: str | None
    events: tuple[AnyEvent, ...]
    safety: SafetyFinding | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """Three wordings of something; ``number`` is what :meth:`Session.choose` takes."""

    number: int
    response: RefractionResponse
    safety: SafetyFinding | None = None


@dataclass(frozen=True, slots=True)
class TaskRef:
    """A task of a session."""

    id: str
    session: str


@dataclass(frozen=True, slots=True)
class Exhaust:
    """What a session came to.

    Attributes:
        active_ms: time it was active, pauses not counted.
        frictions: how many, by type; reputation: how far it moved, by NPC.
        tasks: how many, by outcome (``open`` where it has none).
    """

    session: str
    sequence: int
    reason: EndReason
    outcome: Outcome
    active_ms: int
    turns: int
    replies: int
    frictions: dict[str, int]
    reputation: dict[str, float]
    tasks: dict[str, int]


class Session:
    """One session, by its id. Making the object does no I/O."""

    def __init__(self, deck: Deck, identity: str) -> None:
        self._deck = deck
        self.id = check_id(identity)
        self._turns: int | None = None
        self._learner: str | None = None

    def __repr__(self) -> str:
        return f"Session({self.id!r})"

    async def command(self, body: Any, *, id: str | None = None) -> Answer:
        """Sends any session command; what the other methods are made of."""
        return await self._deck.caller.command("session", self.id, id or new_id("cmd"), body)

    async def take_turn(
        self,
        text: str,
        *,
        to: str,
        turn: int | None = None,
        frictions: Sequence[FrictionFinding] | None = None,
        register_aligned: bool | None = None,
        speaking_ms: int | None = None,
        analysis: TurnAnalysis | None = None,
        signals: Signals | None = None,
        heard: Heard | None = None,
        location: str = "",
        topic: str = "",
        refraction: int | None = None,
        id: str | None = None,
    ) -> Step:
        """The learner says something to an NPC.

        Args:
            turn: number of this turn; None: the one after the last this object knows of.
            frictions: what was found in it; None if nobody looked.
            analysis: all that was found in it; None: the session's analyst looks, if it has one.
            signals: what the client measured; heard: what a pronunciation engine made of it.
            refraction: number of the refraction whose chosen wording it uses.

        Raises:
            RefusedError: ``turn-order``, ``unknown-npc``, ``session-paused``, ``session-ended``.
        """
        if turn is None:
            if self._turns is None:
                self._turns = (await self.state()).turns
            turn = self._turns + 1
        answer = await self.command(
            TakeTurn(
                turn=turn,
                npc=to,
                text=text,
                speaking_ms=speaking_ms,
                frictions=None if frictions is None else tuple(frictions),
                register_aligned=register_aligned,
                analysis=analysis,
                signals=signals,
                heard=heard,
                location=location,
                topic=topic,
                refraction=refraction,
            ),
            id=id,
        )
        self._turns = max(turn, self._turns or 0)
        return Step.of(answer)

    async def say(
        self,
        text: str,
        *,
        to: str,
        heard: Callable[[str], None] | None = None,
        timeout: float = 15.0,  # noqa: ASYNC109 - how long the NPC may think
        **turn: Any,
    ) -> Reply:
        """As :meth:`take_turn` (and takes what that takes), and waits for what the NPC answers.

        Args:
            heard: told each piece of the answer as the mind makes it up; what counts is what is
                returned.
            timeout: seconds.
        """
        if heard is None:
            step = await self.take_turn(text, to=to, **turn)
            return await self.reply(step, to=to, timeout=timeout)
        if self._turns is None:
            self._turns = (await self.state()).turns
        async with self._hearing(turn.get("turn") or self._turns + 1, heard):
            step = await self.take_turn(text, to=to, **turn)
            return await self.reply(step, to=to, timeout=timeout)

    @asynccontextmanager
    async def _hearing(self, turn: int, heard: Callable[[str], None]) -> AsyncIterator[None]:
        def piece(delivery: Delivery) -> None:
            heard(delivery.data.decode(errors="replace"))

        subject = WORDS.of(self._deck.ns, self.id, turn)
        hearing = await self._deck.broker.subscribe(subject, piece)
        try:
            yield
        finally:
            await hearing.stop()

    async def greet(
        self,
        npc: str,
        *,
        heard: Callable[[str], None] | None = None,
        timeout: float = 15.0,  # noqa: ASYNC109 - how long the NPC may think
    ) -> Reply:
        """Has the session's mind open the conversation, once; ``heard``, ``timeout`` as in
        :meth:`say`. A conversation that has begun is left as it is: ``text`` is None then.

        Raises:
            RefusedError: ``no-reply``: there is no mind, or it has nothing to say.
        """
        before = (await self.command(ReadState(), id=new_id("ask"))).sequence
        async with AsyncExitStack() as open_ears:
            if heard is not None:
                await open_ears.enter_async_context(self._hearing(0, heard))
            answer = await self._deck.caller.command(
                "session", self.id, new_id("ask"), Greet(npc=npc), deadline_s=timeout
            )
        async for step in self.replay(after=before, upto=answer.sequence):
            for event in step.events:
                if isinstance(event, TurnAnswered) and event.turn == 0:
                    return Reply(0, event.npc, event.text, step.events)
        return Reply(0, npc, None, ())

    async def reply(
        self,
        step: Step,
        *,
        to: str,
        timeout: float = 15.0,  # noqa: ASYNC109 - how long the NPC may think
    ) -> Reply:
        """What the NPC ``to`` answers to the turn that led to ``step``; waits for it."""
        turn = next((e.turn for e in step.events if e.kind == "turn.taken"), self._turns or 0)
        try:
            answer = await self._deck.caller.command(
                "session", self.id, new_id("ask"), AwaitReply(turn=turn), deadline_s=timeout
            )
        except RefusedError as error:
            if error.reason != "no-reply":
                raise
            return Reply(turn, to, None, step.events, step.safety)
        said: str | None = None
        async for later in self.replay(after=step.sequence, upto=answer.sequence):
            for event in later.events:
                if isinstance(event, TurnAnswered) and event.turn == turn:
                    said = event.text
        return Reply(turn, to, said, step.events, step.safety)

    async def answer(self, turn: int, text: str, *, npc: str, id: str | None = None) -> Step:
        """What an NPC says to a turn (0: it opens), where no mind does it."""
        return Step.of(await self.command(NpcReply(turn=turn, npc=npc, text=text), id=id))

    # -- in a world ----------------------------------------

    async def refract(
        self,
        text: str,
        *,
        npc: str | None = None,
        number: int | None = None,
        trigger: RefractionTrigger | str = RefractionTrigger.USER,
        timeout: float = 15.0,  # noqa: ASYNC109 - how long the mind may think
    ) -> Offer:
        """Three wordings of what the learner wants to say, made by the session's mind.

        Args:
            number: of this refraction; None: the next.

        Raises:
            RefusedError: ``no-persona``.
            Unavailable: nothing was offered in time.
        """
        if number is None:
            talk = (await self.state()).talk
            number = 1 + (len(talk.refractions) if talk is not None else 0)
        body = AskRefraction(number=number, text=text, npc=npc, trigger=RefractionTrigger(trigger))
        asked = await self.command(body)
        give_up, pause = time.monotonic() + timeout, 0.01
        while True:
            async for step in self.replay(after=max(0, asked.sequence - 1)):
                for event in step.events:
                    if isinstance(event, RefractionOffered) and event.number == number:
                        return Offer(number, event.response, asked.safety)
            if time.monotonic() > give_up:
                raise Unavailable(self.id, f"nothing was offered within {timeout:g} s")
            await asyncio.sleep(pause)
            pause = min(0.25, pause * 1.7)

    async def offer(self, number: int, response: RefractionResponse) -> Step:
        """Offers three wordings, where no mind does it."""
        return Step.of(await self.command(OfferRefraction(number=number, response=response)))

    async def choose(
        self, number: int, level: RefractionLevel | str | None, *, dwell_ms: int = 0
    ) -> Step:
        """Takes one of the three wordings of a refraction; None: none of them."""
        chosen = None if level is None else RefractionLevel(level)
        body = ChooseRefraction(number=number, level=chosen, dwell_ms=dwell_ms)
        return Step.of(await self.command(body))

    async def pronounced(self, number: int, result: PronunciationResult) -> Step:
        """How the chosen wording of a refraction was pronounced."""
        return Step.of(await self.command(RecordAttempt(number=number, result=result)))

    async def remember(
        self,
        npc: str,
        fact: str,
        *,
        category: FactCategory | str = FactCategory.PERSONAL,
        confidence: float = 0.7,
    ) -> Step:
        """An NPC keeps a fact; ``confidence`` 0 to 1."""
        heard = FactHeard(fact=fact, category=FactCategory(category), confidence=confidence)
        return Step.of(await self.command(RememberFact(npc=npc, fact=heard)))

    async def reach(self, npc: str, objective: str) -> Step:
        """An objective was reached.

        Raises:
            RefusedError: ``unknown-objective``.
        """
        return Step.of(await self.command(ReachGoal(npc=npc, objective=objective)))

    async def close(self, npc: str, outcome: ConversationOutcome | str) -> Step:
        """Says how the conversation with one NPC came out."""
        body = CloseConversation(npc=npc, outcome=ConversationOutcome(outcome))
        return Step.of(await self.command(body))

    async def resolve(self, npc: str, incident: str, resolution: str = "") -> Step:
        """Puts right what stood between learner and NPC.

        Raises:
            RefusedError: ``unknown-incident``.
        """
        body = ResolveIncident(npc=npc, incident=incident, resolution=resolution)
        return Step.of(await self.command(body))

    async def active(self) -> ActiveSessionState:
        """The session as it stands, in the users' own terms."""
        return active(self.id, await self._steps())

    async def record(self) -> PostSessionExhaust:
        """Everything an ended session came to.

        Raises:
            RefusedError: ``not-ended``.
        """
        await self.exhaust()
        return exhaust(self.id, await self._steps())

    async def context(self) -> PreSessionContext | None:
        """What the session was started on; None without a persona."""
        talk = (await self.state()).talk
        return talk.context if talk is not None else None

    async def _steps(self) -> list[tuple[int, int, tuple[AnyEvent, ...]]]:
        return [(step.sequence, step.at, step.events) async for step in self.replay()]

    # -- friction and standing ----------------------------------------

    async def friction(
        self,
        type: FrictionType | str,
        severity: float = 0.5,
        *,
        npc: str | None = None,
        detail: str = "",
        id: str | None = None,
    ) -> Step:
        """Somebody noticed friction; ``severity`` 0 to 1."""
        finding = FrictionFinding(type=FrictionType(type), severity=severity, detail=detail)
        return Step.of(await self.command(ReportFriction(finding=finding, npc=npc), id=id))

    async def reputation(
        self, npc: str, delta: float, reason: str = "", *, id: str | None = None
    ) -> Step:
        """The learner's standing with ``npc`` moves by ``delta``, -1 to 1."""
        return Step.of(
            await self.command(ChangeReputation(npc=npc, delta=delta, reason=reason), id=id)
        )

    async def add_task(
        self,
        task: str,
        data: Any = None,
        *,
        priority: TaskPriority | str = TaskPriority.NORMAL,
        capabilities: Sequence[str] = (),
        npc: str | None = None,
        timeout_s: float | None = None,
        start: bool = False,
        id: str | None = None,
    ) -> TaskRef:
        """Adds a task; ``data`` is anything JSON can say; ``start`` begins it at once.

        Raises:
            RefusedError: ``duplicate-task``, ``task-limit``, ``unknown-npc``.
        """
        await self.command(
            AddTask(
                task=task,
                data=json.dumps({} if data is None else data, ensure_ascii=False),
                priority=TaskPriority(priority),
                capabilities=tuple(capabilities),
                npc=npc,
                timeout_s=timeout_s,
                start=start,
            ),
            id=id,
        )
        return TaskRef(task, self.id)

    async def route(
        self,
        task: TaskRef | str,
        *,
        start: bool = False,
        prefer: Sequence[str] = (),
        decision: Decision | None = None,
        id: str | None = None,
    ) -> TaskRouted | None:
        """Chooses who gets a task; None if it was given to somebody before.

        The fleet proposes one of the cast, or without a cast one of the registered agents.

        Args:
            start: begin it at once.
            prefer: agents to be taken if any of them is capable.
            decision: what somebody else decided; None: the fleet is asked.

        Raises:
            RefusedError: ``unknown-task``, ``task-completed``, ``no-agents``; ``agents-full``:
                those who are capable have as many tasks as they take.
        """
        body = RouteTask(task=_name(task), start=start, prefer=tuple(prefer), decision=decision)
        answer = await self.command(body, id=id)
        for event in Step.of(answer).events:
            if isinstance(event, TaskRouted):
                return event
        return None

    async def begin(self, task: TaskRef | str, *, id: str | None = None) -> Step:
        """Starts a task: its time begins to run."""
        return Step.of(await self.command(StartTask(task=_name(task)), id=id))

    async def complete(
        self,
        task: TaskRef | str,
        outcome: Outcome | str = Outcome.SUCCESS,
        *,
        duration_ms: int | None = None,
        result: Any = None,
        error: str = "",
        id: str | None = None,
    ) -> Step:
        """Ends a task. Again with the same outcome: nothing happens.

        Raises:
            RefusedError: ``unknown-task``; ``task-completed`` with another outcome.
        """
        body = CompleteTask(
            task=_name(task),
            outcome=Outcome(outcome),
            duration_ms=duration_ms,
            result=None if result is None else json.dumps(result, ensure_ascii=False),
            error=error,
        )
        return Step.of(await self.command(body, id=id))

    async def retry(
        self, task: TaskRef | str, *, start: bool = False, id: str | None = None
    ) -> int:
        """One more attempt at a task that failed or ran out of time; returns its number.

        Raises:
            RefusedError: ``unknown-task``, ``task-open``, ``task-succeeded`` (or cancelled).
        """
        name = _name(task)
        held = (await self.state()).tasks.get(name)
        attempt = 2 if held is None else held.attempt + 1
        await self.command(RetryTask(task=name, attempt=attempt, start=start), id=id)
        return attempt

    async def report_error(
        self, error: str, *, task: TaskRef | str | None = None, id: str | None = None
    ) -> Step:
        """Tells of an error that ends neither a task nor the session."""
        named = None if task is None else _name(task)
        return Step.of(await self.command(ReportError(error=error[:1000], task=named), id=id))

    async def patterns(self) -> tuple[Pattern, ...]:
        """What the session's tasks show, now; an ended session's stand in its last checkpoint."""
        state = await self.state()
        return seen_patterns(state, int(time.time() * 1000))

    # -- how it is played ----------------------------------------

    async def interact(
        self,
        *,
        intervention: str = "",
        emotional_state: Mapping[str, Any] | None = None,
        variables: Mapping[str, Any] | None = None,
        scene: str | None = None,
        id: str | None = None,
    ) -> Step:
        """Something happened that is no turn of a conversation.

        Args:
            intervention: what was tried; each is remembered once.
            emotional_state: how the player feels, at most 2 KiB as JSON.
            variables: merged into the session's, which have at most 16 KiB as JSON.
            scene: where the story is now; None: where it was.

        Raises:
            RefusedError: ``session-paused``, ``session-ended``, ``too-large``,
                ``variables-full``.
        """
        body = Interact(
            intervention=intervention,
            emotional_state=None if emotional_state is None else json.dumps(dict(emotional_state)),
            variables=None if variables is None else json.dumps(dict(variables)),
            scene=scene,
        )
        return Step.of(await self.command(body, id=id))

    async def mark(self, marker: ProgressMarker, *, id: str | None = None) -> Step:
        """Something was achieved; stored once by its id.

        Raises:
            RefusedError: ``markers-full``; ``session-paused``, ``session-ended``.
        """
        return Step.of(await self.command(AddMarker(marker=marker), id=id))

    async def change_settings(
        self, settings: TherapeuticSettings, *, id: str | None = None
    ) -> Step:
        """From its next turn on the session is led like this.

        Raises:
            RefusedError: ``session-paused``, ``session-ended``.
        """
        return Step.of(await self.command(ChangeSettings(settings=settings), id=id))

    async def note(self, text: str, *, author: str = "", id: str | None = None) -> Step:
        """An operator's word; taken while the session is active or paused."""
        return Step.of(await self.command(AddNote(text=text, author=author), id=id))

    async def flag(
        self,
        finding: SafetyFinding,
        *,
        turn: int = 0,
        rejected: bool = False,
        id: str | None = None,
    ) -> Step:
        """A text gave cause for concern; taken in every phase. Of a session that is over its
        learner keeps it."""
        body = FlagSafety(finding=finding, turn=turn, rejected=rejected)
        return Step.of(await self.command(body, id=id))

    async def status(self) -> SessionStatus:
        """How it stands, as players are told."""
        return status_of(await self.state())

    async def continuity(self) -> Continuity:
        """What whoever goes on with it has to know.

        Raises:
            RefusedError: ``unknown-session``.
        """
        return continuity(await self.state(), int(time.time() * 1000))

    async def pause(self, reason: str = "", *, id: str | None = None) -> Step:
        return Step.of(await self.command(Pause(reason=reason), id=id))

    async def resume(self, *, switch: bool = False, id: str | None = None) -> int:
        """Resumes; the learner is claimed first. Returns the sequence.

        Args:
            switch: pause the session that holds the learner instead of being refused.

        Raises:
            RefusedError: ``learner-busy`` with the id of the session that holds the learner.
        """
        order = ResumeSession(
            id=id or new_id("cmd"), session=self.id, switch=switch, learner=self._learner
        )
        return (await self._deck.order("resume", order)).sequence

    async def end(
        self,
        reason: EndReason | str = EndReason.LEARNER_ENDED,
        outcome: Outcome | str = Outcome.SUCCESS,
        *,
        error: str = "",
        id: str | None = None,
    ) -> Exhaust:
        """Ends the session and says what it came to. Ending it again changes nothing."""
        await self.command(End(reason=EndReason(reason), outcome=Outcome(outcome), error=error),
                           id=id)  # fmt: skip
        return await self.exhaust()

    async def exhaust(self) -> Exhaust:
        """What an ended session came to.

        Raises:
            RefusedError: ``not-ended``.
        """
        answer = await self.command(ReadState(), id=new_id("ask"))
        state = STATE.validate_python(unpack(answer.state or b""))
        if state.phase is not Phase.ENDED or state.end_reason is None or state.outcome is None:
            raise RefusedError("not-ended", state.phase)
        tasks: dict[str, int] = {}
        for task in state.tasks.values():
            word = task.outcome.value if task.outcome else "open"
            tasks[word] = tasks.get(word, 0) + 1
        return Exhaust(
            self.id,
            answer.sequence,
            state.end_reason,
            state.outcome,
            state.active_ms,
            state.turns,
            state.replies,
            state.frictions,
            state.reputation,
            tasks,
        )

    async def state(self, *, at: int | None = None) -> SessionState:
        """The session's state, now or as of the checkpoint with sequence ``at``.

        Raises:
            RefusedError: ``unknown-session``; ``no-such-checkpoint``.
        """
        answer = await self.command(ReadState(at=at), id=new_id("ask"))
        return STATE.validate_python(unpack(answer.state or b""))

    async def replay(self, *, after: int = 0, upto: int | None = None) -> AsyncIterator[Step]:
        """Every checkpoint stored so far, in order; of an archived session, from the archive."""
        deck = self._deck
        partition = partition_of(self.id, deck.partitions)
        subjects = writer_filter(deck.ns, "session", partition, self.id)
        entry = await deck.broker.bucket(deck.layout.archive).get(f"log.{partition}.{self.id}")
        for record in unarchived(entry.data) if entry is not None else ():
            # While it is being taken out of the journal, a part of it is still there as well.
            if after < record.sequence and (upto is None or record.sequence <= upto):
                after = record.sequence
                yield step_of(record)
        journal = deck.broker.log(deck.layout.checkpoints)
        async for record in journal.read(subjects, after=after, upto=upto):
            yield step_of(record)

    async def fork(self, *, at: int | None = None, id: str | None = None) -> Session:
        """A rehearsal that goes on from a checkpoint; it touches no NPC and no learner.

        Args:
            at: sequence of the checkpoint; None: the last.
            id: the rehearsal's session id; None: a fresh one.
        """
        child = id or new_id("fork")
        await self._deck.order(
            "fork", ForkSession(id=new_id("cmd"), parent=self.id, session=child, at=at)
        )
        return Session(self._deck, child)

    async def tiles(self) -> AsyncGenerator[Tile, None]:
        """Every tile of this session, from its first on; ends behind its last."""
        async with aclosing(self._deck.tiles(session=self.id)) as following:
            async for tile in following:
                yield tile
                if tile.question.startswith("[SESSION_END]"):
                    return


def _name(task: TaskRef | str) -> str:
    return task if isinstance(task, str) else task.id


def step_of(record: Record) -> Step:
    """A session's checkpoint as it stands in the journal."""
    return Step(record.sequence, record.headers.get(HEADER_COMMAND, ""), record.data)
