"""A client process: runs programs against the runtime and writes down what it was told.

Called as ``python -m tests.torture.client``; what to do stands as JSON in ``TORTURE``. It ends by
itself when its time is over and all it asked is answered or given up, or when its standard input
closes.

One law: every sending is in the history before it is sent, and its answer before anything is done
about it.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from holodeck.actors.caller import Caller
from holodeck.actors.decider import Moment
from holodeck.actors.session import STATE
from holodeck.actors.session.decider import session as session_decider
from holodeck.deck import Deck
from holodeck.messages.codec import decode_checkpoint, encode_command, pack, unpack
from holodeck.messages.control import ForkSession, ResumeSession, SpawnSession
from holodeck.messages.envelope import (
    MAX_DEADLINE_MS,
    Answer,
    AwaitReply,
    ReadState,
    ToLearner,
    ToNpc,
    ToSession,
)
from holodeck.messages.errors import HolodeckError, TransientError
from holodeck.messages.ids import partition_of
from holodeck.messages.learner import ClaimLearner
from holodeck.messages.npc import DescribeNpc
from holodeck.messages.session import (
    AbandonStart,
    AddTask,
    ChangeReputation,
    CompleteTask,
    End,
    NpcReply,
    Pause,
    ReportFriction,
    Resume,
    RouteTask,
    SettleOwed,
    StartTask,
    TakeTurn,
    TimerFired,
)
from holodeck.messages.subjects import COMMAND, CTL_SUPERVISOR
from holodeck.wiring import Connection
from tests.torture.leash import begin
from tests.torture.program import Size, Slot, Step, learner_of, steps
from tests.torture.record import Lines, now

ENVELOPES: Final[dict[str, type[ToSession] | type[ToNpc] | type[ToLearner]]] = {
    "session": ToSession,
    "npc": ToNpc,
    "learner": ToLearner,
}
ORDER_S: Final = 4.0
"""How long one sending of an order waits before it is sent again, seconds."""
JUNK_S: Final = 1.5
HASTY_S: Final = 0.005
"""How long a hasty client waits."""
SIMPLE: Final[dict[str, type[Any]]] = {
    "report-friction": ReportFriction,
    "change-reputation": ChangeReputation,
    "add-task": AddTask,
    "route-task": RouteTask,
    "start-task": StartTask,
    "complete-task": CompleteTask,
    "pause": Pause,
    "end": End,
}
"""Commands that are said entirely by the program."""


@dataclass(slots=True)
class Plan:
    """What one client process is to do.

    Attributes:
        begin: when the run began, ns on the clock of the history; seconds: how long it lasts.
        limit_s: how long a command is sent again before it is given up.
    """

    connection: dict[str, Any]
    ns: str
    seed: int
    client: int
    size: dict[str, Any]
    history: str
    begin: int
    seconds: float
    limit_s: float = 8.0


@dataclass(slots=True)
class Known:
    """What this client was told of one session.

    Attributes:
        claim: number of a claim it made for the session; claimed_of: the run of the server that
            told it. Another run may not know of it any more.
    """

    turns: int = 0
    claim: int | None = None
    claimed_of: str = ""
    sequences: deque[int] = field(default_factory=lambda: deque(maxlen=40))


@dataclass(slots=True)
class Sending:
    """One command: what is needed to send it again.

    Attributes:
        sent: when it was first sent, ms since 1970; server: to which run of the server.
        limit_s: how long it is sent again; 0: as usual.
    """

    actor: str
    identity: str
    what: str
    command: str
    body: Any
    sent: int
    server: str
    limit_s: float

    @property
    def claim(self) -> int | None:
        """The claim it rests on."""
        return getattr(self.body, "claim", None)


class Client:
    """One process's worth of programs."""

    def __init__(self, plan: Plan, deck: Deck, lines: Lines) -> None:
        self.plan = plan
        self.size = Size(**plan.size)
        self._deck = deck
        # What rests on a claim is only said to the run of the server that told it.
        self._bound = Caller(deck.broker, deck.ns, deck.partitions, one_run=True)
        self._lines = lines
        self._ops = 0
        self._known: dict[str, Known] = {}
        self.begun: set[str] = set()
        self.last = 0

    # -- time ----------------------------------------

    def elapsed_s(self) -> float:
        return (now() - self.plan.begin) / 1e9

    async def run(self) -> None:
        await asyncio.sleep(max(0.0, -self.elapsed_s()))
        workers = [Worker(self, number) for number in range(self.size.workers)]
        await asyncio.gather(*(worker.run() for worker in workers))

    # -- the history ----------------------------------------

    def number(self) -> int:
        self._ops += 1
        return self._ops

    def fresh(self) -> str:
        """A command id."""
        return f"c{self.plan.client}-{self.number()}"

    def invoke(self, actor: str, identity: str, what: str, command: str, body: Any) -> str:
        op = f"c{self.plan.client}.{self.number()}"
        self._lines.write(
            {
                "t": now(),
                "type": "invoke",
                "op": op,
                "actor": actor,
                "id": identity,
                "what": what,
                "command": command,
                "body": body if isinstance(body, dict) else body.model_dump(mode="json"),
            }
        )
        return op

    def ok(self, op: str, sequence: int, checkpoint: bytes | None, state: Any = None) -> None:
        events = decode_checkpoint(checkpoint, "answer").events if checkpoint else ()
        line = {"t": now(), "type": "ok", "op": op, "sequence": sequence}
        line["events"] = [event.kind for event in events]
        if state is not None:
            line["state"] = state
        self._lines.write(line)

    def refused(self, op: str, reason: str, detail: str = "") -> None:
        text = f"{reason}: {detail[:200]}" if detail else reason
        self._lines.write({"t": now(), "type": "refused", "op": op, "reason": text})

    def unknown(self, op: str, reason: str) -> None:
        self._lines.write({"t": now(), "type": "unknown", "op": op, "reason": reason[:200]})

    # -- asking actors ----------------------------------------

    async def ask(
        self,
        actor: str,
        identity: str,
        what: str,
        body: Any,
        *,
        command: str = "",
        sent: int = 0,
        limit_s: float = 0.0,
    ) -> Answer | None:
        """Sends one command until it is answered; None if nobody did.

        Args:
            command: its id, if it is not a fresh one; sent: then also when it was first sent, ms.
            limit_s: how long it is sent again; its own deadline is no sooner than usual, so that
                it may take effect when nobody waits for it any more.
        """
        command = command or self.fresh()
        limit_s = limit_s or self.plan.limit_s
        sent = sent or int(time.time() * 1000)
        lasts_s = max(limit_s, self.plan.limit_s)
        deadline = min(int((time.time() + lasts_s) * 1000), sent + MAX_DEADLINE_MS)
        envelope = ENVELOPES[actor](id=command, sent=sent, deadline=deadline, body=body)
        op = self.invoke(actor, identity, what, command, body)
        try:
            data = encode_command(envelope)
            caller = self._deck.caller if getattr(body, "claim", None) is None else self._bound
            answer = await caller.send(self._subject(actor, identity), data, limit_s)
        except HolodeckError as error:
            self.unknown(op, f"{error.code}: {error}")
            return None
        self._heard(op, actor, identity, answer)
        return answer

    def _subject(self, actor: str, identity: str) -> str:
        deck = self._deck
        return COMMAND.of(deck.ns, partition_of(identity, deck.partitions), actor, identity)

    def _heard(self, op: str, actor: str, identity: str, answer: Answer) -> None:
        if answer.status != "ok":
            self.refused(op, answer.reason, answer.detail)
            if answer.reason == "unknown-session":
                self.begun.discard(identity)
            return
        state = unpack(answer.state) if answer.state is not None else None
        self.ok(op, answer.sequence, answer.checkpoint, state)
        self.last = max(self.last, answer.sequence)
        if actor == "session":
            known = self.known(identity)
            known.sequences.append(answer.sequence)
            if state is not None:
                known.turns = state["turns"]

    def known(self, session: str) -> Known:
        return self._known.setdefault(session, Known())

    def claim(self, session: str) -> int | None:
        """The number of a claim for a session that is worth something as far as is known."""
        known = self.known(session)
        return known.claim if known.claimed_of == self.server else None

    @property
    def server(self) -> str:
        """Which run of it this client speaks to."""
        return self._deck.broker.server_id

    async def junk(self, session: str, how: str) -> None:
        """Sends what no one can read."""
        command = self.fresh()
        op = self.invoke("session", session, "junk", command, {"junk": how})
        try:
            reply = await self._deck.broker.request(
                self._subject("session", session), _junk(how, command), timeout=JUNK_S
            )
        except TransientError as error:
            self.unknown(op, f"{error.code}: {error}")
            return
        said = unpack(reply.data)
        self.refused(op, said.get("reason", said["status"]), said.get("detail", ""))

    # -- asking the supervisor ----------------------------------------

    async def order(self, verb: str, what: str, order: Any) -> bool:
        """Sends an order until it is obeyed or refused; whether it was obeyed.

        A refusal that comes after the order had to be sent again says nothing about the first
        sending: it may have been obeyed, and its answer lost.
        """
        op = self.invoke("session", order.session, what, order.id, order)
        data = pack(order.model_dump(exclude_defaults=True, mode="python"))
        give_up = time.monotonic() + self.plan.limit_s
        last, attempts = "no answer", 0
        while (left := give_up - time.monotonic()) > 0:
            try:
                reply = await self._deck.broker.request(
                    CTL_SUPERVISOR.of(self._deck.ns, verb), data, timeout=min(ORDER_S, left)
                )
            except TransientError as error:
                last = error.code
            else:
                said = unpack(reply.data)
                if said["status"] == "ok":
                    self._obeyed(op, verb, order.session, said)
                    return True
                if said["status"] in ("refused", "contract") and not attempts:
                    self.refused(op, said.get("reason", ""), said.get("detail", ""))
                    return False
                last = f"{said['status']} {said.get('reason', '')}"
                if said["status"] in ("refused", "contract"):
                    break
            attempts += 1
            await asyncio.sleep(0.1)
        self.unknown(op, f"{last}, after {attempts + 1} sendings")
        return False

    def _obeyed(self, op: str, verb: str, session: str, said: dict[str, Any]) -> None:
        sequence = said.get("sequence", 0)
        self.ok(op, sequence, said.get("checkpoint"))
        self.last = max(self.last, sequence)
        self.known(session).sequences.append(sequence)

    # -- reading the journal itself ----------------------------------------

    async def replay(self, session: str) -> None:
        """Folds what stands for a session, as a client may that wants its history."""
        op = self.invoke("session", session, "replay", self.fresh(), {})
        state, sequence = session_decider.new(), 0
        try:
            async for step in self._deck.session(session).replay():
                sequence = step.sequence
                moment = Moment(sequence, step.at, session)
                session_decider.advance(state, step.events, moment)  # type: ignore[arg-type]
        except TransientError as error:
            self.unknown(op, f"{error.code}: {error}")
            return
        if sequence:
            self.ok(op, sequence, None, STATE.dump_python(state, mode="json"))
        else:
            self.refused(op, "unknown-session")


class Worker:
    """One program at work: one step after the other."""

    def __init__(self, client: Client, number: int) -> None:
        self._client = client
        self._number = number
        plan = client.plan
        self._slots = [Slot(plan.seed, n, client.size) for n in range(client.size.sessions)]
        self._fork = ""
        self._forks = 0
        self._later: deque[tuple[int, Sending]] = deque()
        self._done = 0

    async def run(self) -> None:
        client = self._client
        for step in steps(client.plan.seed, client.plan.client, self._number, client.size):
            if client.elapsed_s() >= client.plan.seconds:
                return
            await self._take(step)
            await self._again()
            self._done += 1
            await asyncio.sleep(step.pause_s)

    async def _take(self, step: Step) -> None:
        slot = self._slots[step.slot]
        session = slot.session(self._client.elapsed_s())
        if step.own and self._fork:
            session = self._fork
        elif session not in self._client.begun:
            self._client.begun.add(session)
            await self._start(slot, session, switch=step.share < 0.5)
        special = self._special().get(step.what)
        if special is not None:
            await special(step, slot, session)
            return
        await self._send(step, *self._command(step, slot, session))

    # -- commands ----------------------------------------

    def _command(self, step: Step, slot: Slot, session: str) -> tuple[str, str, str, Any]:
        """Kind of actor, its id, what it is, and the command."""
        fields, known = dict(step.fields), self._client.known(session)
        ahead = fields.pop("ahead", 0)
        match step.what:
            case "take-turn":
                body: Any = TakeTurn(turn=max(1, known.turns + ahead), **fields)
            case "npc-reply":
                body = NpcReply(turn=known.turns + ahead, **fields)
            case "resume-itself":
                body = Resume(claim=self._client.claim(session))
            case "start-itself":
                body = slot.start(session).model_copy(update={"claim": self._client.claim(session)})
            case "abandon-start":
                body = AbandonStart(learner=slot.learner, claim=self._client.claim(session) or 1)
                session = f"{session}x" if step.share < 0.5 else session
            case "internal":
                body = SettleOwed() if fields["kind"] == "settle-owed" else TimerFired(name="idle")
            case "describe":
                return "npc", step.npc, step.what, DescribeNpc(**fields)
            case "claim":
                return "learner", slot.learner, step.what, ClaimLearner(session=session)
            case _:
                body = SIMPLE[step.what](**fields)
        return "session", session, body.kind, body

    async def _send(self, step: Step, actor: str, identity: str, what: str, body: Any) -> None:
        client = self._client
        sent = int(time.time() * 1000)
        limit_s = HASTY_S if step.hasty else 0.0
        sending = Sending(actor, identity, what, client.fresh(), body, sent, client.server, limit_s)
        if step.repeat == "at-once":
            answer, _ = await asyncio.gather(self._transmit(sending), self._transmit(sending))
        else:
            answer = await self._transmit(sending)
        if step.repeat == "after":
            await self._transmit(sending)
        elif step.repeat == "later":
            self._later.append((self._done + 2 + int(step.share * 10), sending))
        self._learn(sending, answer)

    async def _transmit(self, sending: Sending) -> Answer | None:
        return await self._client.ask(
            sending.actor,
            sending.identity,
            sending.what,
            sending.body,
            command=sending.command,
            sent=sending.sent,
            limit_s=sending.limit_s,
        )

    def _learn(self, sending: Sending, answer: Answer | None) -> None:
        if answer is None or answer.status != "ok":
            return
        body = sending.body
        if sending.what == "take-turn":
            known = self._client.known(sending.identity)
            known.turns = max(known.turns, body.turn)
        elif sending.what == "claim":
            known = self._client.known(body.session)
            known.claim, known.claimed_of = answer.sequence, sending.server

    async def _again(self) -> None:
        """What was to be sent once more some steps later, if its time has come."""
        if self._later and self._later[0][0] <= self._done:
            _, sending = self._later.popleft()
            rests_on_another = sending.claim is not None and sending.server != self._client.server
            young = time.time() * 1000 - sending.sent < MAX_DEADLINE_MS / 2
            if young and not rests_on_another:
                await self._transmit(sending)

    # -- what is no plain command ----------------------------------------

    def _special(self) -> dict[str, Callable[[Step, Slot, str], Awaitable[None]]]:
        return {
            "start": self._start_step,
            "resume": self._resume,
            "switch": self._resume,
            "fork": self._forked,
            "read": self._read,
            "read-at": self._read,
            "await-reply": self._await_reply,
            "replay": self._replay,
            "read-npc": self._read_npc,
            "read-relation": self._read_npc,
            "read-learner": self._read_learner,
            "stale": self._stale,
            "junk": self._junk,
        }

    async def _start_step(self, step: Step, slot: Slot, session: str) -> None:
        await self._start(slot, session, switch=step.fields["switch"])

    async def _start(self, slot: Slot, session: str, *, switch: bool) -> None:
        order = SpawnSession(
            id=self._client.fresh(), session=session, start=slot.start(session), switch=switch
        )
        await self._client.order("start", "switch" if switch else "start", order)

    async def _resume(self, step: Step, slot: Slot, session: str) -> None:
        switch = step.what == "switch"
        order = ResumeSession(id=self._client.fresh(), session=session, switch=switch)
        send = [self._client.order("resume", step.what, order)]
        if step.repeat == "at-once":
            send.append(self._client.order("resume", step.what, order))
        await asyncio.gather(*send)

    async def _forked(self, step: Step, slot: Slot, session: str) -> None:
        self._forks += 1
        child = f"f{self._client.plan.client}-{self._number}-{self._forks}"
        at = self._some_sequence(step, session) if step.share < 0.7 else None
        order = ForkSession(id=self._client.fresh(), parent=session, session=child, at=at)
        if await self._client.order("fork", "fork", order):
            self._fork = child

    def _some_sequence(self, step: Step, session: str) -> int | None:
        sequences = self._client.known(session).sequences
        return sequences[int(step.share * len(sequences))] or None if sequences else None

    async def _read(self, step: Step, slot: Slot, session: str) -> None:
        at = self._some_sequence(step, session) if step.what == "read-at" else None
        await self._client.ask("session", session, "read", ReadState(at=at))

    async def _await_reply(self, step: Step, slot: Slot, session: str) -> None:
        body = AwaitReply(turn=self._client.known(session).turns)
        await self._client.ask("session", session, "await-reply", body, limit_s=1.0)

    async def _replay(self, step: Step, slot: Slot, session: str) -> None:
        await self._client.replay(session)

    def _after(self, step: Step) -> int:
        """What the fold must have seen; mostly whatever it has."""
        return self._client.last if step.share < 0.3 else 0

    async def _read_npc(self, step: Step, slot: Slot, session: str) -> None:
        learner = step.learner if step.what == "read-relation" else None
        body = ReadState(after=self._after(step), learner=learner)
        await self._client.ask("npc", step.npc, "read", body, limit_s=4.0)

    async def _read_learner(self, step: Step, slot: Slot, session: str) -> None:
        learner = learner_of(step.slot, self._client.size)
        body = ReadState(after=self._after(step))
        await self._client.ask("learner", learner, "read", body, limit_s=4.0)

    async def _stale(self, step: Step, slot: Slot, session: str) -> None:
        """A command from long ago: nobody knows any more whether it was obeyed."""
        body = ChangeReputation(npc=step.fields["npc"], delta=0.1, reason="stale")
        sent = int((time.time() - step.fields["age_s"]) * 1000)
        await self._client.ask("session", session, body.kind, body, sent=sent, limit_s=2.0)

    async def _junk(self, step: Step, slot: Slot, session: str) -> None:
        await self._client.junk(session, step.fields["how"])


def _junk(how: str, command: str) -> bytes:
    """Bytes that are no command, in one of several ways."""
    body: dict[str, Any] = {"kind": "pause"}
    match how:
        case "bytes":
            return b"\xc1\x00junk"
        case "json":
            return b'{"id": "x", "body": {}}'
        case "field":
            body["colour"] = "green"
        case "kind":
            body["kind"] = "explode"
        case _:
            body = {"kind": "take-turn", "turn": 1, "npc": "marta", "text": "a" * 70_000}
    return pack({"id": command, "body": body})


async def main(raw: dict[str, Any]) -> None:
    plan = Plan(**raw)
    deck = await Deck.open(Connection(**plan.connection), plan.ns, deadline_s=plan.limit_s)
    with Lines(Path(plan.history)) as lines:
        await Client(plan, deck, lines).run()
    await deck.close()


if __name__ == "__main__":
    begin(main)
