"""The shell around an actor's mind: mailbox, fence, remembered ids, answers.

One law: one command at a time, each decided on a state that contains every earlier checkpoint of
the actor, appended under its fence, and answered only when it is stored.

The fast way (idle actor, append acknowledged) is plain calls and one future; every doubt (a lost
fence, an answer that did not come) goes into a coroutine that reads the log before it decides.
"""

from __future__ import annotations

import asyncio
import hashlib
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Final, Protocol, cast

import structlog
from pydantic import ValidationError

from holodeck.actors.decider import Moment
from holodeck.actors.folds import Cell
from holodeck.actors.memory import CommandMemory
from holodeck.actors.metrics import Metrics
from holodeck.actors.names import Names
from holodeck.actors.session.decider import (
    arms,
    collaborators,
    concerns,
    next_deadline,
    refusal,
    session,
)
from holodeck.actors.session.state import SCHEMA, STATE, Phase, SessionState
from holodeck.broker.port import Log, Record
from holodeck.messages.base import MAX_MESSAGE
from holodeck.messages.codec import decode_checkpoint, encode_checkpoint, pack, unpack
from holodeck.messages.envelope import (
    HEADER_COMMAND,
    HEADER_PARENT,
    HEADER_WRITER,
    MAX_DEADLINE_MS,
    Answer,
    AwaitReply,
    Checkpoint,
    CheckStart,
    Envelope,
    Greet,
    ReadState,
)
from holodeck.messages.errors import (
    BrokerError,
    DecodeError,
    LostFence,
    OutcomeUnknown,
    RefusedError,
    StoreFull,
    TransientError,
)
from holodeck.messages.fleet import (
    FLEET,
    INTERNAL_FLEET_COMMANDS,
    AskGraph,
    AskRoute,
    Candidate,
    Decision,
    SessionGraph,
)
from holodeck.messages.ids import NOBODY, new_id, partition_of
from holodeck.messages.learner import INTERNAL_LEARNER_COMMANDS
from holodeck.messages.player import (
    EraseLearner,
    EraseSession,
    FlagSafety,
    LearnerErased,
    SafetyFinding,
    SessionErased,
)
from holodeck.messages.practice import AnswerQuestion, CloseFeedback, ServeQuestion
from holodeck.messages.session import (
    INTERNAL_COMMANDS,
    AbandonStart,
    CastMember,
    End,
    ForkFrom,
    NpcReply,
    Pause,
    RouteTask,
    SessionEvent,
    SessionKind,
    SessionStarted,
    SettleOwed,
    StartSession,
    TakeTurn,
    TimerFired,
)
from holodeck.messages.subjects import CHECKPOINT, writer_filter
from holodeck.messages.talk import AnalysisKind, AskRefraction, OfferRefraction, TurnAnalysis

log = structlog.get_logger("holodeck.shell")

BEGINNINGS: Final = (StartSession, ForkFrom, AbandonStart)
"""The commands that can be a session's first."""
_INTERNAL: Final = INTERNAL_COMMANDS | INTERNAL_FLEET_COMMANDS | INTERNAL_LEARNER_COMMANDS
DEFAULT_DEADLINE_MS: Final = 10_000
"""How long a plain client that names no deadline waits, ms."""


class Work:
    """One command in a mailbox.

    Attributes:
        actor: the kind of actor it is for.
        replies: where answers are awaited, each with whether it wants JSON; repeats add theirs.
        received: when it came, seconds on the loop's clock.
        asked: the fleet has been asked what has to be known before it is decided.
        heeded: its text was looked at; finding: what gave cause for concern in it.
        behind: who is answered, and what, once this is stored.
    """

    __slots__ = (
        "actor",
        "asked",
        "behind",
        "body",
        "deadline",
        "finding",
        "heeded",
        "id",
        "internal",
        "received",
        "replies",
        "sent",
    )

    def __init__(
        self,
        actor: str,
        command: str,
        body: Any,
        *,
        sent: int,
        deadline: int,
        received: float,
        replies: list[tuple[str, bool]] | None = None,
        internal: bool = False,
    ) -> None:
        self.actor = actor
        self.id = command
        self.body = body
        self.sent = sent
        self.deadline = deadline
        self.received = received
        self.replies = replies if replies is not None else []
        self.internal = internal
        self.asked = False
        self.heeded = False
        self.finding: SafetyFinding | None = None
        self.behind: tuple[Work, Answer] | None = None

    @classmethod
    def of(
        cls, actor: str, envelope: Envelope, now: int, received: float, reply: str, as_json: bool
    ) -> Work:
        """A client's command, with its times filled in and bounded."""
        sent = envelope.sent or now
        deadline = envelope.deadline or now + DEFAULT_DEADLINE_MS
        return cls(
            actor,
            envelope.id,
            envelope.body,
            sent=sent,
            deadline=min(deadline, sent + MAX_DEADLINE_MS),
            received=received,
            replies=[(reply, as_json)] if reply else [],
        )


class Talks(Protocol):
    """What a host does for conversations before a command is decided."""

    def knows_worlds(self) -> bool:
        """Whether there is a library, so that a persona is more than a label."""
        ...

    def check(self, persona: str, cast: tuple[CastMember, ...]) -> None:
        """Whether a start in that world could be prepared.

        Raises:
            RefusedError: no such persona, or an NPC of another world.
        """
        ...

    async def prepare(self, start: StartSession) -> StartSession:
        """The start with what learner, NPCs and persona say.

        Raises:
            RefusedError: no such persona, or an NPC of another world.
            TransientError: somebody did not answer.
        """
        ...

    def analyse(
        self, state: SessionState, turn: TakeTurn
    ) -> TurnAnalysis | Awaitable[TurnAnalysis | None] | None:
        """What is found in a turn; None: nobody looked."""
        ...

    async def greet(self, shell: SessionShell, npc: str) -> None:
        """Has an NPC open the conversation."""
        ...


class Practises(Protocol):
    """What a host does for practice before a command is decided."""

    def knows(self) -> bool:
        """Whether there are curricula, so that a course is filled in."""
        ...

    def check(self, curriculum: str) -> None:
        """
        Raises:
            RefusedError: no such curriculum.
        """
        ...

    async def prepare(self, start: StartSession) -> StartSession:
        """The start with its course and how far the learner has come.

        Raises:
            RefusedError: no such curriculum.
            TransientError: the learner did not answer.
        """
        ...

    def decided(
        self, state: SessionState, body: AnswerQuestion | CloseFeedback, now: int, identity: str
    ) -> Sequence[SessionEvent]:
        """What a command leads to, with the question that will be waited for after it, if that
        is at hand.

        Raises:
            RefusedError: the present state forbids it.
        """
        ...

    def stocked(self, state: SessionState, body: Any, now: int, identity: str) -> Any:
        """The command with the question that will be waited for after it, if that is at hand."""
        ...


class Tales(Protocol):
    """What a host does for how a session is played."""

    def concerns(self, start: StartSession) -> bool:
        """Whether somebody in particular is played, or somewhere."""
        ...

    def completed(self, start: StartSession) -> StartSession:
        """The start with how long it may be left alone, and with the people of its world."""
        ...

    def check(self, world: str) -> None:
        """
        Raises:
            RefusedError: no such world.
        """
        ...

    async def prepare(self, start: StartSession, session: str) -> StartSession:
        """The start with the player's settings and what the narrator keeps of it.

        Raises:
            RefusedError: no such world, or no such character of the player's.
            TransientError: the player did not answer.
        """
        ...

    def tells(self, state: SessionState) -> bool:
        """Whether a narrator has to do with it."""
        ...

    async def pausing(self, state: SessionState, session: str, pause: Pause) -> Pause:
        """The pause with what the narrator keeps."""
        ...

    def again(self, shell: SessionShell) -> None:
        """A session is in memory again."""
        ...


class Heeds(Protocol):
    """What a host does with a text of a player before anything else."""

    def look(
        self, body: Any, learner: str = "", session: str = ""
    ) -> SafetyFinding | Awaitable[SafetyFinding | None] | None:
        """What gives cause for concern in a command's text; None: nothing, or it has no text."""
        ...


class House(Protocol):
    """What a shell needs of the host it lives in."""

    ns: str
    partitions: int
    incarnation: str
    journal: Log
    metrics: Metrics
    mailbox: int
    high: int

    @property
    def talks(self) -> Talks: ...
    @property
    def practises(self) -> Practises: ...
    @property
    def tales(self) -> Tales: ...
    @property
    def heeds(self) -> Heeds: ...
    def now(self) -> int: ...
    def time(self) -> float: ...
    def valid(self) -> bool: ...
    def owns(self, partition: int) -> bool: ...
    def erasing(self, learner: str) -> bool:
        """Whether a learner was erased or is to be: nothing may begin for it any more."""
        ...

    def answer(self, work: Work, answer: Answer) -> None: ...
    def spawn(self, coroutine: Any) -> None: ...
    async def command(
        self, kind: str, identity: str, command: str, body: Any, seconds: float
    ) -> Answer: ...
    def arm(self, shell: SessionShell, due: int) -> None: ...
    def arm_learner(self, identity: str, due: int) -> None: ...
    @property
    def names(self) -> Names: ...
    def committed(self, shell: SessionShell, work: Work, events: Sequence[Any]) -> None: ...
    def wrote(self, sequence: int, at: int, events: Sequence[Any]) -> None: ...
    def forget(self, shell: SessionShell) -> None: ...
    async def reread_table(self) -> None: ...
    async def history(self, identity: str, partition: int, after: int) -> list[Record]: ...
    async def restore(self, shell: SessionShell) -> None: ...
    def cell(self, kind: str, identity: str) -> Cell: ...
    def awake(self, kind: str, identity: str) -> Cell | None: ...
    def when_folded(self, role: str, partition: int, sequence: int, then: Any) -> None: ...
    def when_ready(self, cell: Cell, then: Callable[[], None]) -> None: ...


class Flight:
    """An append under way.

    Attributes:
        after: the actor's last sequence when it was decided; what its fence names.
        base: the highest sequence known to this host when it was sent; a mark written meanwhile
            must not pass it.
    """

    __slots__ = ("after", "at", "base", "data", "events", "sent", "subject", "work")

    def __init__(
        self, work: Work, events: Sequence[Any], at: int, subject: str, data: bytes, base: int
    ) -> None:
        self.work = work
        self.events = events
        self.at = at
        self.subject = subject
        self.data = data
        self.base = base
        self.after = 0
        self.sent = 0.0


class Shell(ABC):
    """What session, NPC and learner shells have in common: the mailbox and the checks."""

    __slots__ = (
        "dropped",
        "flight",
        "house",
        "identity",
        "loading",
        "partition",
        "queue",
        "used",
    )

    kind = ""

    def __init__(self, house: House, identity: str, partition: int) -> None:
        self.house = house
        self.identity = identity
        self.partition = partition
        self.queue: deque[Work] | None = None
        self.flight: Flight | None = None
        self.loading = False
        self.dropped = False
        self.used = house.time()

    # -- mailbox ----------------------------------------

    @property
    def busy(self) -> bool:
        return self.flight is not None or self.loading

    def submit(self, work: Work) -> None:
        """Takes a command: at once if idle, else into the mailbox, else ``busy``."""
        self.used = self.house.time()
        if not self.busy and not self.queue:
            self._begin(work)
            return
        if self._attach(work):
            return
        if self.queue is None:
            self.queue = deque()
        if len(self.queue) >= self.house.mailbox:
            self.house.answer(work, Answer(status="busy", reason="busy"))
            return
        self.queue.append(work)
        if not self.busy:
            self._next()

    def _attach(self, work: Work) -> bool:
        """A repeat of what is queued or running adds its reply address, not a second place."""
        if self.flight is not None and self.flight.work.id == work.id:
            self.flight.work.replies += work.replies
            return True
        for waiting in self.queue or ():
            if waiting.id == work.id:
                waiting.replies += work.replies
                return True
        return False

    def _next(self) -> None:
        while self.queue and not self.busy:
            self._begin(self.queue.popleft())
        if self.queue is not None and not self.queue:
            self.queue = None

    def depth(self) -> int:
        return (len(self.queue) if self.queue else 0) + (self.flight is not None)

    @abstractmethod
    def _begin(self, work: Work) -> None:
        """Takes up one command: checks, decides, appends, or answers at once."""

    # -- what every command is checked for ----------------------------------------

    def _admit(self, work: Work, memory: CommandMemory | None) -> bool:
        """Whether the command is to be decided; otherwise it was answered or dropped."""
        house = self.house
        if not house.valid():
            return False
        now = house.now()
        if not work.internal:
            if work.body.kind in _INTERNAL:
                house.answer(work, Answer(status="contract", reason="internal-command"))
                return False
            # What is too old for its id to be known is told so below: its sender's clock is wrong.
            if now > work.deadline and work.sent >= now - MAX_DEADLINE_MS:
                house.metrics.command(self.kind, "late", house.time() - work.received)
                return False
        known = memory.get(work.id) if memory is not None else None
        if known is not None:
            house.spawn(self._repeat(work, known))
            return False
        if not work.internal and work.sent < now - MAX_DEADLINE_MS:
            self._refuse(work, RefusedError("expired", "sent more than 60 s ago"))
            return False
        return True

    async def _repeat(self, work: Work, sequence: int) -> None:
        """The first answer again: the stored checkpoint itself."""
        try:
            record = await self.house.journal.get(sequence)
        except TransientError:
            return
        data = record.data if record else None
        self.house.answer(work, self._told(sequence, data))

    def _told(self, sequence: int, data: bytes | None) -> Answer:
        """The answer to a command that led to the checkpoint ``data``."""
        return Answer(status="ok", sequence=sequence, checkpoint=data)

    def _refuse(self, work: Work, error: RefusedError) -> None:
        self.house.answer(work, Answer(status="refused", reason=error.reason, detail=error.detail))

    def _bug(self, work: Work, error: Exception) -> None:
        log.exception("actor.bug", actor=self.kind, command=work.body.kind, exc_info=error)
        self.house.answer(work, Answer(status="refused", reason="internal-error"))

    def _append(
        self,
        work: Work,
        events: Sequence[Any],
        at: int,
        subject: str,
        after: int,
        room: str = "",
        quiet: bool = False,
    ) -> None:
        data = encode_checkpoint(at, events, room, quiet)
        if len(data) > 4 * MAX_MESSAGE and work.body.kind != "fork":
            # More than any sound command can lead to; the broker would refuse it at 1 MB.
            self._refuse(work, RefusedError("too-large", f"{len(data)} bytes in one checkpoint"))
            return
        self.flight = Flight(work, events, at, subject, data, self.house.high)
        self._send(after)

    def _send(self, after: int) -> None:
        flight = self.flight
        assert flight is not None
        house = self.house
        flight.after, flight.sent = after, house.time()
        headers = {HEADER_COMMAND: flight.work.id, HEADER_WRITER: house.incarnation}
        if isinstance(flight.work.body, ForkFrom):
            headers[HEADER_PARENT] = flight.work.body.parent
        house.journal.append(
            flight.subject,
            flight.data,
            after=after,
            over=writer_filter(house.ns, self.kind, self.partition, self.identity),
            headers=headers,
        ).add_done_callback(self._acked)

    def _acked(self, future: asyncio.Future[int]) -> None:
        error = future.exception()
        if self.dropped:
            return
        flight = self.flight
        assert flight is not None
        if error is not None:
            self._failed(error)
            return
        self.house.metrics.append_latency.observe(self.house.time() - flight.sent)
        self._landed(flight, future.result())

    @abstractmethod
    def _landed(self, flight: Flight, sequence: int) -> None:
        """The append under way is stored."""

    @abstractmethod
    async def _resolve(self, lost: bool) -> None:
        """Finds out what became of an append in doubt; ``lost``: the fence refused it."""

    def _failed(self, error: BaseException) -> None:
        """Sorts an append's failure: told to the sender, or looked into."""
        flight = self.flight
        assert flight is not None
        house = self.house
        match error:
            case LostFence():
                house.metrics.fence_losses.inc()
                house.spawn(self._resolve(True))
            case OutcomeUnknown():
                house.metrics.outcomes_unknown.inc()
                house.spawn(self._resolve(False))
            case StoreFull():
                self.flight = None
                self._refuse(
                    flight.work, RefusedError("store-full", "the store takes nothing more")
                )
                self._next()
            case BrokerError():
                self.flight = None
                self._refuse(flight.work, RefusedError("not-stored", str(error)))
                self._next()
            case _:
                house.metrics.outcomes_unknown.inc()
                log.error("append.failed", reason=repr(error))
                house.spawn(self._resolve(False))


class SessionShell(Shell):
    """One session.

    Attributes:
        sequence: of its last checkpoint, 0 if nothing is stored.
        revision: of its snapshot in the bucket ``live``; ``saved``: the sequence that one has.
        armed: the due time it stands in the host's heap with, ms; 0: not there.
        unread: nobody has looked yet whether anything is stored. What begins a session needs no
            look, for its append is fenced; whatever else can be said about one does.
        asking: commands for which the fleet is being asked, by id; None: no such thing.
        archived: its log has left the journal, so that a fence finds nothing there.
    """

    __slots__ = (
        "archived",
        "armed",
        "asking",
        "at",
        "held",
        "memory",
        "revision",
        "saved",
        "sequence",
        "state",
        "unread",
        "waiting",
    )

    kind = "session"

    def __init__(self, house: House, identity: str, partition: int) -> None:
        super().__init__(house, identity, partition)
        self.state: SessionState = session.new()
        self.sequence = 0
        self.at = 0
        self.memory: CommandMemory | None = None
        self.revision = 0
        self.saved = 0
        self.armed = 0
        self.held: tuple[Work, Answer] | None = None
        self.waiting: list[tuple[int, Work]] | None = None
        self.unread = False
        self.archived = False
        self.asking: dict[str, Work] | None = None

    # -- snapshot ----------------------------------------

    def dump(self) -> bytes:
        return pack(
            {
                "v": SCHEMA,
                "seq": self.sequence,
                "at": self.at,
                "mem": self.memory.dump() if self.memory else [],
                "state": STATE.dump_python(self.state),
            }
        )

    def load(self, data: bytes) -> bool:
        """Takes a snapshot's state; False if its layout is another version's."""
        raw = unpack(data, self.identity)
        if raw["v"] != SCHEMA:
            return False
        self.state = STATE.validate_python(raw["state"])
        self.sequence = self.saved = raw["seq"]
        self.at = raw["at"]
        self.memory = CommandMemory(map(tuple, raw["mem"])) if raw["mem"] else None
        return True

    def fold(self, record: Record) -> None:
        """One stored checkpoint of this session, in order; what is folded already is skipped."""
        if record.sequence <= self.sequence:
            return
        checkpoint = decode_checkpoint(record.data, record.subject)
        self._evolve(
            record.sequence,
            checkpoint.at,
            record.headers.get(HEADER_COMMAND, ""),
            checkpoint.events,
        )

    def _evolve(self, sequence: int, at: int, command: str, events: Sequence[Any]) -> None:
        session.advance(self.state, events, Moment(sequence, at, self.identity))
        self.sequence, self.at = sequence, at
        if self.archived:
            self.archived = False
        if isinstance(events[0], SessionErased):
            self.memory = None  # commands have names too
        if command:
            if self.memory is None:
                self.memory = CommandMemory()
            self.memory.add(command, sequence, at)

    # -- deciding ----------------------------------------

    def _begin(self, work: Work) -> None:
        house = self.house
        if type(work.body) in _SAID and not work.heeded and not self._heed(work):
            return
        if work.finding is not None and house.valid() and self._late(work):
            self._flag(work, Answer(status="refused", reason="expired"))
            return
        if not self._admit(work, self.memory):
            return
        body = work.body
        if isinstance(body, CheckStart):
            self._check(work, body)
            return
        if self.unread and not self.sequence and not isinstance(body, BEGINNINGS):
            self._look(work)
            return
        if isinstance(body, ReadState):
            self._read(work)
            return
        if isinstance(body, AwaitReply):
            self._await_reply(work, body.turn)
            return
        if isinstance(body, Greet):
            self._greet(work, body.npc)
            return
        if type(body) in _BARRED:
            error = self._barred(body)
            if error is not None:
                self._refuse(work, error)
                return
        if isinstance(body, FlagSafety) and self.state.phase is Phase.ENDED:
            house.spawn(self._hand_on(work, body))
            return
        if isinstance(body, StartSession) and not work.asked:
            work.body = body = house.tales.completed(body)
        if not work.asked and type(body) in _ASKING and self._ask(work):
            return
        at = max(house.now(), self.at)
        try:
            body = work.body
            if isinstance(body, AnswerQuestion) and body.safety is not None:
                body = house.practises.stocked(self.state, body, at, self.identity)
                events = session.decide(self.state, body, at)
            elif type(body) in _PRACTISED:
                events = house.practises.decided(self.state, body, at, self.identity)
            else:
                events = session.decide(self.state, body, at)
        except RefusedError as error:
            if self.unread and not self.sequence:
                self._look(work)
            else:
                self._refuse(work, error)
            return
        except Exception as error:
            self._bug(work, error)
            return
        if not events:
            done = Answer(status="ok", sequence=self.sequence)
            if work.finding is not None:
                self._flag(work, done)
            else:
                self._settled(work, done)
            return
        family, npc, learner = concerns(self.state, events)
        subject = CHECKPOINT.of(
            house.ns,
            self.kind,
            self.partition,
            self.identity,
            family,
            partition_of(npc, house.partitions) if npc else NOBODY,
            npc or NOBODY,
            partition_of(learner, house.partitions) if learner else NOBODY,
            learner or NOBODY,
        )
        charter = self.state.charter
        if isinstance(events[0], SessionErased):
            room, quiet = "", False
        elif charter is not None:
            room, quiet = charter.room, not charter.emit_tiles
        elif isinstance(events[0], SessionStarted):
            room, quiet = events[0].room, not events[0].emit_tiles
        else:
            room, quiet = "", False
        self._append(work, events, at, subject, self._fence(), room, quiet)

    def _fence(self) -> int:
        """The sequence of its last checkpoint in the journal."""
        return 0 if self.archived else self.sequence

    def _failed(self, error: BaseException) -> None:
        if isinstance(error, LostFence):
            self.archived = self.sequence > 0 and not error.last and not self.archived
        super()._failed(error)

    def _barred(self, body: StartSession | ForkFrom | EraseSession) -> RefusedError | None:
        """Why nothing may begin, or nothing be erased, whatever the session says.

        Erased is only what belongs to a learner of whom the store says so: that word stands where
        clients cannot write. Of a start that was given up nothing is known but its id.
        """
        house, charter = self.house, self.state.charter
        match body:
            case StartSession():
                barred = house.erasing(body.learner)
            case ForkFrom():
                barred = house.erasing(_learner_of(body))
            case EraseSession():
                if charter is None or house.erasing(charter.learner):
                    return None
                return RefusedError("not-erasing", "erase the learner it belongs to")
        return RefusedError("learner-erased") if barred else None

    # -- what gives cause for concern ----------------------------------------

    def _heed(self, work: Work) -> bool:
        """Has a player's text looked at; False: that takes time, and the command comes back."""
        if self.asking is not None and work.id in self.asking:
            self.asking[work.id].replies += work.replies
            return False
        work.heeded = True
        charter = self.state.charter
        learner = charter.learner if charter is not None else ""
        found = self.house.heeds.look(work.body, learner, self.identity)
        if found is None or isinstance(found, SafetyFinding):
            self._found(work, found)
            return True
        if self.asking is None:
            self.asking = {}
        self.asking[work.id] = work
        self.house.spawn(self._asked(work, self._heeded(work, found)))
        return False

    async def _heeded(self, work: Work, looking: Awaitable[SafetyFinding | None]) -> None:
        self._found(work, await looking)

    def _found(self, work: Work, found: SafetyFinding | None) -> None:
        """What a client itself found counts where the host finds nothing."""
        work.finding = found or work.body.safety
        if work.finding is not work.body.safety:
            work.body = work.body.model_copy(update={"safety": work.finding})

    def _flag(self, work: Work, answer: Answer) -> None:
        """Stores what was found in a text that was not taken, and answers only then."""
        house, state = self.house, self.state
        finding, charter = work.finding, state.charter
        name = f"safety.{hashlib.blake2b(work.id.encode(), digest_size=16).hexdigest()}"
        if finding is None or charter is None:
            house.answer(work, answer)  # nobody knows who said it
            return
        if self.memory is not None and self.memory.get(name) is not None:
            house.answer(work, answer)
            return
        now = house.now()
        flag = Work(
            self.kind,
            name,
            FlagSafety(finding=finding, rejected=True),
            sent=now,
            deadline=now + MAX_DEADLINE_MS,
            received=house.time(),
            internal=True,
        )
        flag.behind = (work, answer)
        self.submit(flag)

    async def _hand_on(self, work: Work, flag: FlagSafety) -> None:
        """The learner takes what a session that is over cannot: it may have been put away."""
        house, charter = self.house, self.state.charter
        try:
            if charter is None:
                raise RefusedError("session-ended")
            self._say(
                work,
                await house.command("learner", charter.learner, work.id, flag, FLEET_PATIENCE_S),
            )
        except RefusedError as error:
            self._refuse(work, error)
        except (TransientError, DecodeError) as error:
            log.error("safety.not-stored", session=self.identity, reason=str(error))
            self._say(work, Answer(status="busy", reason="no-learner"))

    def _say(self, work: Work, answer: Answer) -> None:
        """Answers a command, and first who waits behind it."""
        if work.behind is not None:
            self.house.answer(*work.behind)
            work.behind = None
        if not work.internal:
            self.house.answer(work, answer)

    def _refuse(self, work: Work, error: RefusedError) -> None:
        answer = Answer(status="refused", reason=error.reason, detail=error.detail)
        if work.finding is not None:
            self._flag(work, answer)
        else:
            self._say(work, answer)

    def _late(self, work: Work) -> bool:
        """Whether nobody waits for its answer any more, and it never had its effect."""
        known = self.memory is not None and self.memory.get(work.id) is not None
        return self.house.now() > work.deadline and not known

    # -- what others know ----------------------------------------

    def _attach(self, work: Work) -> bool:
        if self.asking is not None and (asked := self.asking.get(work.id)) is not None:
            asked.replies += work.replies
            return True
        return super()._attach(work)

    def _ask(self, work: Work) -> bool:
        """Whether somebody is asked first; the mailbox goes on meanwhile, and the command comes
        back into it with the answer."""
        body = work.body
        if self.asking is not None and work.id in self.asking:
            self.asking[work.id].replies += work.replies
            return True
        if isinstance(body, TakeTurn):
            looking = self._analysis(work, body)
        elif self._has_course(body):
            looking = self._coursed(work)
        elif self._has_world(body):
            looking = self._prepared(work)
        elif isinstance(body, Pause):
            looking = self._narrated(work, body) if self._is_told(body) else None
        else:
            question = self._question(body)
            looking = None if question is None else self._told_by_fleet(work, question)
        if isinstance(body, StartSession) and self._is_played(body):
            looking = self._played(work, looking)
        if looking is None:
            return False
        if self.asking is None:
            self.asking = {}
        work.asked = True
        self.asking[work.id] = work
        self.house.spawn(self._asked(work, looking))
        return True

    def _has_world(self, body: Any) -> bool:
        """Whether a start needs learner and NPCs to be asked. What will be refused asks nobody."""
        return (
            isinstance(body, StartSession)
            and body.session_kind is SessionKind.CONVERSATION
            and bool(body.persona)
            and body.context is None
            and body.claim is not None
            and self.state.phase is Phase.NEW
            and self.house.talks.knows_worlds()
        )

    def _has_course(self, body: Any) -> bool:
        return (
            isinstance(body, StartSession)
            and body.session_kind is SessionKind.PRACTICE
            and body.practice is not None
            and body.brief is None
            and body.claim is not None
            and self.state.phase is Phase.NEW
            and self.house.practises.knows()
        )

    def _is_played(self, start: StartSession) -> bool:
        return self.state.phase is Phase.NEW and self.house.tales.concerns(start)

    async def _played(self, work: Work, then: Coroutine[Any, Any, None] | None) -> None:
        """Asks the player and the narrator, then whoever else has to be asked."""
        try:
            work.body = await self.house.tales.prepare(work.body, self.identity)
        except BaseException:
            if then is not None:
                then.close()
            raise
        if then is not None:
            await then

    def _is_told(self, pause: Pause) -> bool:
        if self.state.phase is not Phase.ACTIVE or pause.narrative is not None:
            return False
        return self.house.tales.tells(self.state)

    async def _narrated(self, work: Work, pause: Pause) -> None:
        work.body = await self.house.tales.pausing(self.state, self.identity, pause)

    async def _coursed(self, work: Work) -> None:
        house = self.house
        try:
            ready = await house.practises.prepare(work.body)
        except DecodeError as error:
            raise TransientError(str(error)) from error
        work.body = house.practises.stocked(self.state, ready, house.now(), self.identity)

    def _analysis(self, work: Work, turn: TakeTurn) -> Coroutine[Any, Any, None] | None:
        """Has a turn looked at: at once where that takes no waiting, else by the coroutine."""
        state = self.state
        talk = state.talk
        if talk is None or talk.analysis is AnalysisKind.NONE or turn.analysis is not None:
            return None
        if state.phase is not Phase.ACTIVE or turn.turn != state.turns + 1:
            return None
        found = self.house.talks.analyse(state, turn)
        if found is None:
            return None
        if isinstance(found, TurnAnalysis):
            work.body = turn.model_copy(update={"analysis": found})
            return None
        return self._analysed(work, turn, found)

    async def _analysed(
        self, work: Work, turn: TakeTurn, looking: Awaitable[TurnAnalysis | None]
    ) -> None:
        work.body = turn.model_copy(update={"analysis": await looking})

    async def _prepared(self, work: Work) -> None:
        try:
            work.body = await self.house.talks.prepare(work.body)
        except DecodeError as error:
            raise TransientError(str(error)) from error

    def _question(self, body: Any) -> AskRoute | AskGraph | None:
        """What the fleet has to be asked before ``body`` can be decided; None: nothing.

        A rehearsal asks nothing, for it is nobody's work; nor does what will be refused anyway.
        """
        state = self.state
        charter = state.charter
        match body:
            case StartSession(session_kind=SessionKind.AGENT, graph=None):
                if state.phase is not Phase.NEW:
                    return None
                return AskGraph(joins=body.learner, after=self.house.high)
            case RouteTask(decision=None):
                task = state.tasks.get(body.task)
                if charter is None or task is None or state.parent:
                    return None
                if state.phase is not Phase.ACTIVE or task.outcome or task.npc:
                    return None
                return AskRoute(
                    session=self.identity,
                    task=task.id,
                    attempt=task.attempt,
                    capabilities=task.capabilities,
                    candidates=tuple(
                        Candidate(agent=member.npc, capabilities=member.capabilities)
                        for member in charter.cast
                    ),
                    own=charter.learner if charter.kind is SessionKind.AGENT else None,
                    collaborators=collaborators(state, task.id),
                    prefer=body.prefer,
                    offset=charter.emergence_offset,
                )
            case End(graph=None):
                pass
            case TimerFired(graph=None) if body.name != "task":
                due = next_deadline(state)
                if due is None or due[0] > self.house.now():
                    return None
            case _:
                return None
        if state.graph is None or state.parent or state.phase not in (Phase.ACTIVE, Phase.PAUSED):
            return None
        return AskGraph(session=self.identity, after=self.sequence)

    async def _told_by_fleet(self, work: Work, question: AskRoute | AskGraph) -> None:
        """Fills in what the fleet says.

        Without an answer a session starts and ends all the same, with nothing said of the graph;
        a task goes to one of the cast by the session's own rule, and where there is no cast its
        sender is asked to try again.
        """
        body = work.body
        try:
            answer = await self.house.command(
                "fleet", FLEET, new_id("ask"), question, FLEET_PATIENCE_S
            )
            raw = unpack(answer.state or b"", "fleet")
            match body:
                case RouteTask():
                    body = body.model_copy(update={"decision": Decision.model_validate(raw)})
                case StartSession():
                    graph = SessionGraph.model_validate(raw).graph
                    body = body.model_copy(update={"graph": graph})
                case _:
                    body = body.model_copy(update={"graph": SessionGraph.model_validate(raw)})
            work.body = body
        except (TransientError, DecodeError, ValidationError) as error:
            log.warning("fleet.silent", session=self.identity, reason=str(error))
            if isinstance(body, RouteTask) and not (self.state.charter and self.state.charter.cast):
                raise TransientError("no-fleet") from error

    async def _asked(self, work: Work, looking: Coroutine[Any, Any, None]) -> None:
        """Brings a command back with what was asked for."""
        house = self.house
        refused: RefusedError | None = None
        silent = ""
        try:
            await looking
        except RefusedError as error:
            refused = error
        except TransientError as error:
            log.warning("session.asked-in-vain", session=self.identity, reason=str(error))
            silent = "no-fleet" if isinstance(work.body, RouteTask) else "no-context"
        asking = self.asking or {}
        asking.pop(work.id, None)
        if not asking:
            self.asking = None
        if self.dropped:
            return
        if refused is not None:
            self._refuse(work, refused)
        elif silent:
            house.answer(work, Answer(status="busy", reason=silent))
        else:
            self.submit(work)

    def _told(self, sequence: int, data: bytes | None) -> Answer:
        if data is not None:
            first = decode_checkpoint(data, self.identity).events[0]
            error = refusal(first)  # type: ignore[arg-type]  # a session's own
            if error is not None:
                return _refused(error, sequence, data)
        return super()._told(sequence, data)

    def _look(self, work: Work) -> None:
        """Reads what is stored, then takes the command up again."""
        if self.queue is None:
            self.queue = deque()
        self.queue.appendleft(work)
        self.loading = True
        self.house.spawn(self.open())

    def _landed(self, flight: Flight, sequence: int) -> None:
        self._evolve(sequence, flight.at, flight.work.id, flight.events)
        self.house.wrote(sequence, flight.at, flight.events)
        self.flight = None
        self._stored(flight.work, sequence, flight.data, flight.events)
        self._next()

    def _stored(self, work: Work, sequence: int, data: bytes, events: Sequence[Any]) -> None:
        """What follows a checkpoint that is known to be stored and folded."""
        house = self.house
        house.high = max(house.high, sequence)
        house.committed(self, work, events)
        error = refusal(events[0])
        if error is None:
            self._settled(work, Answer(status="ok", sequence=sequence, checkpoint=data))
        else:
            self._settled(work, _refused(error, sequence, data))
        if self.waiting:
            self._wake()
        if isinstance(work.body, TimerFired):
            self.fire(house.now())  # others may be due as well
        elif arms(events):
            self._arm()

    def _arm(self) -> None:
        due = next_deadline(self.state)
        if due is not None and (not self.armed or due[0] < self.armed):
            self.house.arm(self, due[0])

    def _settled(self, work: Work, answer: Answer) -> None:
        """Answers, unless NPCs are still owed a word: then that goes first."""
        if self.state.owed:
            if not isinstance(work.body, SettleOwed):
                self.held = (work, answer)
            self.settle()
            return
        if self.held is not None:
            first, kept = self.held
            self.held = None
            self._say(first, kept)
        self._say(work, answer)

    def settle(self) -> None:
        """Sends itself the command for the next NPC it owes a word to, before anything else."""
        now = self.house.now()
        work = Work(
            self.kind,
            f"owed.{self.state.ended_at}.{len(self.state.owed)}",
            SettleOwed(),
            sent=now,
            deadline=now,
            received=self.house.time(),
            internal=True,
        )
        if self.queue is None:
            self.queue = deque()
        self.queue.appendleft(work)
        if not self.busy:
            self._next()

    def fire(self, now: int) -> None:
        """Sends itself the earliest timer that is due, or arms what is not yet."""
        self.armed = 0
        due = next_deadline(self.state)
        if due is None:
            return
        when, armed_by, command = due
        if when > now:
            self.house.arm(self, when)
            return
        name = command.name if command.task is None else f"{command.name}-{command.task}"
        self.internal(f"timer.{name}.{armed_by}", command)
        self.house.arm(self, now + 1000)

    def internal(
        self, command: str, body: TimerFired | NpcReply | OfferRefraction | ServeQuestion
    ) -> None:
        """A command of this session to itself."""
        now = self.house.now()
        self.submit(
            Work(
                self.kind,
                command,
                body,
                sent=now,
                deadline=now + MAX_DEADLINE_MS,
                received=self.house.time(),
                internal=True,
            )
        )

    # -- queries ----------------------------------------

    def _read(self, work: Work) -> None:
        query: ReadState = work.body
        if self.state.phase is Phase.ERASED:
            self._refuse(work, RefusedError("session-erased"))
            return
        if query.at is not None and query.at < self.sequence:
            self.house.spawn(self._read_at(work, query.at))
            return
        if self.state.phase is Phase.NEW:
            self._refuse(work, RefusedError("unknown-session"))
            self.house.forget(self)
            return
        self.house.answer(
            work,
            Answer(status="ok", sequence=self.sequence, state=pack(STATE.dump_python(self.state))),
        )

    async def _read_at(self, work: Work, at: int) -> None:
        """The state as of an earlier checkpoint, by folding the journal up to there."""
        state, sequence = session.new(), 0
        try:
            for record in await self.house.history(self.identity, self.partition, 0):
                if record.sequence > at:
                    break
                checkpoint = decode_checkpoint(record.data, record.subject)
                sequence = record.sequence
                moment = Moment(sequence, checkpoint.at, self.identity)
                session.advance(state, session_events(checkpoint), moment)
        except TransientError as error:
            log.warning("read.failed", reason=str(error))
            return
        if sequence == 0:
            self._refuse(work, RefusedError("no-such-checkpoint", str(at)))
            return
        self.house.answer(
            work, Answer(status="ok", sequence=sequence, state=pack(STATE.dump_python(state)))
        )

    def _check(self, work: Work, body: CheckStart) -> None:
        """Says whether a start could be prepared; looks at nothing that is stored."""
        try:
            if body.persona:
                self.house.talks.check(body.persona, body.cast)
            if body.curriculum is not None:
                self.house.practises.check(body.curriculum)
            if body.world is not None:
                self.house.tales.check(body.world)
        except RefusedError as error:
            self._refuse(work, error)
        else:
            self.house.answer(work, Answer(status="ok", sequence=self.sequence))
        if self.state.phase is Phase.NEW:
            self.house.forget(self)

    def _await_reply(self, work: Work, turn: int) -> None:
        if self.state.phase is Phase.NEW:
            self._refuse(work, RefusedError("unknown-session"))
            self.house.forget(self)
        elif self.state.phase is Phase.ERASED:
            self._refuse(work, RefusedError("session-erased"))
        elif self.state.answered >= turn:
            self.house.answer(work, Answer(status="ok", sequence=self.sequence))
        elif self.state.awaiting == 0 and turn <= self.state.turns:
            self._refuse(work, RefusedError("no-reply", "nothing will answer this turn"))
        else:
            self._wait(turn, work)

    def _wake(self) -> None:
        waiting, self.waiting = self.waiting or [], None
        for turn, work in waiting:
            if turn == 0 and self.state.answered < 0:
                self._wait(0, work)  # the greeting is still being made up
            else:
                self._await_reply(work, turn)

    def _wait(self, turn: int, work: Work) -> None:
        if self.waiting is None:
            self.waiting = []
        self.waiting.append((turn, work))

    def _greet(self, work: Work, npc: str) -> None:
        """Has the mind open the conversation, once, and answers when that is stored."""
        state = self.state
        if state.phase is not Phase.ACTIVE:
            self._refuse(work, RefusedError(f"session-{state.phase}"))
        elif state.answered >= 0 or state.turns:
            self.house.answer(work, Answer(status="ok", sequence=self.sequence))
        else:
            first = not any(turn == 0 for turn, _ in self.waiting or ())
            self._wait(0, work)
            if first:
                self.house.spawn(self._greeted(npc))

    async def _greeted(self, npc: str) -> None:
        await self.house.talks.greet(self, npc)
        if self.state.answered < 0 and not self.busy:
            # Nobody had anything to say: whoever waits is told so.
            waiting, self.waiting = self.waiting or [], None
            for turn, work in waiting:
                if turn == 0:
                    self._refuse(work, RefusedError("no-reply", "nobody opens the conversation"))
                else:
                    self._wait(turn, work)

    # -- doubt ----------------------------------------

    async def _resolve(self, lost: bool) -> None:
        """Finds out what became of an append, by reading the log; never guesses."""
        house = self.house
        flight = self.flight
        assert flight is not None
        while not self.dropped:
            if not house.valid():
                await asyncio.sleep(0.05)
                continue
            try:
                if self.sequence:
                    tail = await house.journal.tail(
                        writer_filter(house.ns, self.kind, self.partition, self.identity),
                        self.sequence,
                    )
                else:
                    tail = await house.history(self.identity, self.partition, 0)
                if self.dropped:
                    return
                foreign = any(r.headers.get(HEADER_WRITER) != house.incarnation for r in tail)
                mine = [r for r in tail if r.headers.get(HEADER_COMMAND) == flight.work.id]
                if foreign:
                    await house.reread_table()
                    if not house.owns(self.partition):
                        house.answer(flight.work, Answer(status="moved", reason="moved"))
                        return
            except TransientError as error:
                log.warning("resolve.retried", session=self.identity, reason=str(error))
                await asyncio.sleep(0.1)
                continue
            for record in tail:
                self.fold(record)
            if mine:
                self.flight = None
                stored = decode_checkpoint(mine[0].data, mine[0].subject)
                self._stored(flight.work, mine[0].sequence, mine[0].data, stored.events)
                self._next()
                return
            if tail or lost:
                # The fence is behind us now: decide again on what really stands there.
                self.flight = None
                self._begin(flight.work)
                self._next()
                return
            # Nothing there yet, which proves nothing: the same append again, under the same
            # fence. If the first one still arrives, the fence lets only one of the two in.
            self._send(self._fence())
            return

    async def open(self) -> None:
        """Restores the state of a session that is not in memory, then works the mailbox off."""
        self.loading = True
        while not self.dropped:
            try:
                await self.house.restore(self)
                break
            except TransientError as error:
                log.warning("restore.retried", session=self.identity, reason=str(error))
                await asyncio.sleep(0.1)
        self.loading = self.unread = False
        if self.dropped:
            return
        self.wake()
        self._next()
        if self.state.phase is Phase.NEW and not self.busy:
            self.house.forget(self)

    def wake(self) -> None:
        """What a restored session still has to do: settle debts, arm timers."""
        if self.state.owed:
            self.settle()
        if self.state.playing is not None:
            self.house.tales.again(self)
        self._arm()


def _learner_of(fork: ForkFrom) -> str:
    """Whose session a rehearsal is made from; empty where its state does not say."""
    try:
        return str(unpack(fork.state, "fork")["charter"]["learner"])
    except (DecodeError, KeyError, TypeError):
        return ""


_ASKING: Final = frozenset({StartSession, TakeTurn, RouteTask, Pause, End, TimerFired})
_BARRED: Final = frozenset({StartSession, ForkFrom, EraseSession})
"""The commands that an erasure may forbid, whatever the session says."""
_PRACTISED: Final = frozenset({AnswerQuestion, CloseFeedback})
_SAID: Final = frozenset({TakeTurn, AskRefraction, AnswerQuestion})
"""The commands that carry a player's own words."""
FLEET_PATIENCE_S: Final = 5.0
"""How long a session waits for the fleet, seconds; longer than a takeover takes."""


def _refused(error: RefusedError, sequence: int, data: bytes) -> Answer:
    """A refusal that is stored."""
    return Answer("refused", sequence, error.reason, error.detail, data)


class FoldShell(Shell):
    """The deciding half of an NPC or a learner.

    Its own checkpoint takes effect when it comes back in stream order, like anybody else's. The
    sender is answered as soon as it is stored; only the next command, and whoever reads, waits
    until it is folded.

    Attributes:
        wrote: sequence of the last checkpoint stored from here; 0 none.
        behind: the last checkpoint of its own, and the one before it that the journal still has
            (0 none), where it was found that the last ones were taken out.
    """

    __slots__ = ("behind", "kind", "mind", "wrote")

    def __init__(self, house: House, kind: str, identity: str, partition: int, mind: Any) -> None:
        super().__init__(house, identity, partition)
        self.kind = kind
        self.mind = mind
        self.wrote = 0
        self.behind = (0, 0)

    def _cell(self) -> Cell:
        return self.house.cell(self.kind, self.identity)

    def internal(self, command: str, body: Any) -> None:
        """A command of this actor to itself."""
        now = self.house.now()
        self.submit(
            Work(
                self.kind,
                command,
                body,
                sent=now,
                deadline=now,
                received=self.house.time(),
                internal=True,
            )
        )

    def submit(self, work: Work) -> None:
        body = work.body
        if isinstance(body, ReadState):
            # Reads take no place in the mailbox: they only wait for the fold they ask for, and for
            # what was acknowledged before they came.
            after = max(body.after, self.wrote)
            self.house.when_folded(self.kind, self.partition, after, lambda: self._read(work))
            return
        super().submit(work)

    def _begin(self, work: Work) -> None:
        after = getattr(work.body, "after", 0)
        self.loading = True
        self.house.when_folded(self.kind, self.partition, after, lambda: self._folded(work))

    def _folded(self, work: Work) -> None:
        self.house.when_ready(self._cell(), lambda: self._decide(work))

    def _decide(self, work: Work) -> None:
        self.loading = False
        if self.dropped:
            return
        house = self.house
        cell = self._cell()
        if not self._admit(work, cell.memory):
            self._soon()
            return
        if isinstance(work.body, EraseLearner) and not house.erasing(self.identity):
            self._refuse(work, RefusedError("not-erasing", "ask the supervisor to erase it"))
            self._soon()
            return
        at = max(house.now(), cell.at)
        try:
            events = self.mind.decide(cell.state, work.body, at)
        except RefusedError as error:
            self._refuse(work, error)
            self._soon()
            return
        except Exception as error:
            self._bug(work, error)
            self._soon()
            return
        if not events:
            house.answer(work, Answer(status="ok", sequence=cell.sequence))
            self._soon()
            return
        family = events[0].kind.partition(".")[0]
        p, identity = self.partition, self.identity
        nobody = (NOBODY, NOBODY)
        npc = (p, identity) if self.kind == "npc" else nobody
        if isinstance(events[0], LearnerErased) and events[0].npc is not None:
            npc = (partition_of(events[0].npc, house.partitions), events[0].npc)
        learner = (p, identity) if self.kind == "learner" else nobody
        subject = CHECKPOINT.of(house.ns, self.kind, p, identity, family, *npc, *learner)
        own, left = self.behind
        self._append(work, events, at, subject, left if own == cell.own else cell.own)

    def _failed(self, error: BaseException) -> None:
        flight = self.flight
        if isinstance(error, LostFence) and flight is not None:
            own = self._cell().own
            taken = error.last < own == flight.after
            self.behind = (own, error.last) if taken else (0, 0)
        super()._failed(error)

    def _soon(self) -> None:
        """The next command, from a fresh stack: callbacks may nest deeply."""
        asyncio.get_running_loop().call_soon(self._next)

    def _landed(self, flight: Flight, sequence: int) -> None:
        self._stored(flight.work, sequence, flight.data)

    def _stored(self, work: Work, sequence: int, data: bytes) -> None:
        """Answers; the next command waits until this one's checkpoint is folded."""
        answer = Answer(status="ok", sequence=sequence, checkpoint=data)
        self.wrote = sequence
        self.house.answer(work, answer)
        work.replies.clear()

        def folded() -> None:
            self.house.when_ready(self._cell(), lambda: self._done(work, answer))

        self.house.when_folded(self.kind, self.partition, sequence, folded)

    def _done(self, work: Work, answer: Answer) -> None:
        if self.dropped:
            return
        self.flight = None
        if work.replies:  # of repeats that came after the answer
            self.house.answer(work, answer)
        self._soon()

    async def _resolve(self, lost: bool) -> None:
        house = self.house
        flight = self.flight
        assert flight is not None
        while not self.dropped:
            if not house.valid():
                await asyncio.sleep(0.05)
                continue
            try:
                # From where it was decided: the cell may have folded this very append meanwhile.
                tail = await house.journal.tail(
                    writer_filter(house.ns, self.kind, self.partition, self.identity), flight.after
                )
                if any(r.headers.get(HEADER_WRITER) != house.incarnation for r in tail):
                    await house.reread_table()
                    if not house.owns(self.partition):
                        house.answer(flight.work, Answer(status="moved", reason="moved"))
                        return
            except TransientError as error:
                log.warning("resolve.retried", actor=self.kind, reason=str(error))
                await asyncio.sleep(0.1)
                continue
            for record in tail:
                if record.headers.get(HEADER_COMMAND) == flight.work.id:
                    self._stored(flight.work, record.sequence, record.data)
                    return
            if tail or lost:
                self.flight = None
                self.loading = True
                last = tail[-1].sequence if tail else 0
                again = partial(self._folded, flight.work)
                house.when_folded(self.kind, self.partition, last, again)
                return
            self._send(flight.after)
            return

    def _read(self, work: Work) -> None:
        query: ReadState = work.body
        house = self.house
        cell = self._cell()
        if self.kind == "npc" and query.learner is not None:
            cell = house.cell("relation", f"{self.identity}.{query.learner}")

        def ready() -> None:
            if self.kind == "learner" and cell.state.erased:
                self._refuse(work, RefusedError("learner-erased"))
            elif house.valid():
                house.answer(work, Answer(status="ok", sequence=cell.sequence, state=cell.shown()))

        house.when_ready(cell, ready)


def session_events(checkpoint: Checkpoint) -> tuple[SessionEvent, ...]:
    """The events of a checkpoint that a session wrote."""
    return cast("tuple[SessionEvent, ...]", checkpoint.events)


__all__ = ["FoldShell", "House", "SessionShell", "Shell", "Work"]
