"""The load generator, a process of its own (``python -m bench._generator``).

One law: a session has one command in flight; what a command is answered is counted when the answer
is here, and its time runs from when it was to be sent.

Commands are put together as plain maps and packed once each; they travel through the client's own
:class:`~holodeck.actors.caller.Caller`, resumes through the supervisor.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import uvloop

from bench._mix import AnswerScript, Script, Step, TalkScript, Tally
from bench._processes import orders, report_line
from bench._report import millis, percentile, say
from holodeck.deck import Deck
from holodeck.messages.codec import pack
from holodeck.messages.control import ResumeSession
from holodeck.messages.errors import HolodeckError, RefusedError, TransientError, Unavailable
from holodeck.messages.ids import partition_of
from holodeck.messages.session import MindKind, SessionKind
from holodeck.messages.subjects import COMMAND
from holodeck.wiring import Connection

_SLICE_S = 0.1


@dataclass(frozen=True, slots=True)
class Plan:
    """What a generator is to do.

    Attributes:
        first: number of the first session, so that several plans share a deployment.
        starts_in_flight: sessions being started at once.
        concurrency: commands in flight (closed loop), at most one per session.
        rate: commands a second (open loop); 0: closed loop.
        one_turn: in place of the mix each session takes one turn, once.
        persona: in place of the mix each session is a conversation in this world; ``cast``: the
            NPCs of it, one a session; ``touchy``: those that would break off.
        curriculum: in place of the mix each session practises it and answers what it is asked.
        file: where to write what was acknowledged; empty: nowhere.
    """

    connection: dict[str, Any]
    ns: str
    sessions: int
    npcs: int = 40
    kind: str = "conversation"
    mind: str = "none"
    seed: int = 1
    first: int = 0
    name: str = "b"
    starts_in_flight: int = 64
    concurrency: int = 500
    rate: float = 0.0
    one_turn: bool = False
    persona: str = ""
    cast: tuple[str, ...] = ()
    touchy: tuple[str, ...] = ()
    curriculum: str = ""
    warmup_s: float = 0.0
    seconds: float = 0.0
    deadline_s: float = 30.0
    file: str = ""

    def order(self) -> dict[str, Any]:
        return asdict(self)


def session_id(name: str, number: int) -> str:
    """The id of a simulated session; its learner's id is ``l`` and the same."""
    return f"{name}-{number:06d}"


@dataclass(slots=True)
class Window:
    """What was measured while it was open.

    Attributes:
        done: when each command was answered (seconds since the window opened), how long it took
            (seconds), and its kind.
    """

    opened: float = 0.0
    closed: float = float("inf")
    done: list[tuple[float, float, str]] = field(default_factory=list)
    durable: int = 0

    def add(self, now: float, since: float, kind: str, durable: bool) -> None:
        if self.opened <= now < self.closed:
            self.done.append((now - self.opened, now - since, kind))
            self.durable += durable


class Player:
    """One session and its simulated learner."""

    def __init__(self, load: Load, number: int) -> None:
        plan = load.plan
        self._load = load
        self.id = session_id(plan.name, number)
        self.learner = "l" + self.id
        self.script: Script | TalkScript | AnswerScript
        self.npc = ""
        if plan.curriculum:
            self.script = AnswerScript(f"{plan.seed}.{self.id}")
        elif plan.persona:
            self.npc = plan.cast[number % len(plan.cast)]
            self.script = TalkScript(
                self.npc, f"{plan.seed}.{self.id}", touchy=self.npc in plan.touchy
            )
        else:
            self.npc = f"npc-{number % plan.npcs:03d}"
            self.script = Script(self.npc, f"{plan.seed}.{self.id}")
        self.tally = Tally()
        self.due: deque[float] = deque()
        self.stuck = False
        self._subject = COMMAND.of(
            plan.ns, partition_of(self.id, load.deck.partitions), "session", self.id
        )
        self._number = 0

    async def start(self) -> None:
        plan = self._load.plan
        if isinstance(self.script, AnswerScript):
            await self._start_practice(self.script)
            return
        await self._load.deck.start_session(
            session=self.id,
            learner=self.learner,
            kind=SessionKind(plan.kind),
            mind=MindKind(plan.mind),
            max_tasks=1000,
            persona=plan.persona,
            cast=(self.npc,) if plan.persona else (),
            id=f"{self.id}.0",
        )
        self.tally.acked.append(f"{self.id}.0.start")

    async def _start_practice(self, script: AnswerScript) -> None:
        plan = self._load.plan
        practice = await self._load.deck.start_practice(
            self.learner, plan.curriculum, minutes=240, session=self.id, id=f"{self.id}.0"
        )
        self.tally.acked.append(f"{self.id}.0.start")
        asked = await practice.question()
        if asked is None:
            raise Unavailable(self.id, "a practice session without a question")
        script.asked(asked.number, asked.question.model_dump())

    async def play(self, step: Step, since: float) -> None:
        """Sends one command and notes its answer."""
        load = self._load
        self._number += 1
        command = f"{self.id}.{self._number}"
        verb = step.body.get("kind", step.kind)
        try:
            if step.kind == "resume":
                order = ResumeSession(id=command, session=self.id, learner=self.learner)
                reported = await load.deck.order("resume", order)
                durable, command = reported.checkpoint is not None, f"{command}.resume"
            else:
                durable = await self._send(command, step.body)
        except RefusedError as error:
            load.refused[f"{verb}: {error.reason}"] += 1
            load.note(f"{command} {verb}: {error}")
            return
        except TransientError as error:
            # It may or may not have taken effect: nothing can be said of this session any more.
            load.failed[f"{verb}: {error.code}"] += 1
            load.note(f"{command} {verb}: {error}")
            self.tally.unknown.append(command)
            self.stuck = True
            return
        now = load.clock()
        load.window.add(now, since, step.kind, durable)
        self.tally.counts[verb] += 1
        self.tally.moved += step.body.get("delta", 0.0)
        if durable:
            self.tally.acked.append(command)
        else:
            load.without_checkpoint += 1

    async def _send(self, command: str, body: dict[str, Any]) -> bool:
        sent = int(time.time() * 1000)
        limit = self._load.plan.deadline_s
        data = pack(
            {"id": command, "sent": sent, "deadline": sent + int(limit * 1000), "body": body}
        )
        answer = await self._load.deck.caller.send(self._subject, data, limit)
        if answer.status != "ok":
            raise RefusedError(answer.reason, answer.detail)
        if answer.checkpoint is not None and isinstance(self.script, AnswerScript):
            self.script.heard(answer.checkpoint)
        return answer.checkpoint is not None

    async def play_due(self) -> None:
        """Plays one step for each scheduled time, one after the other (open loop)."""
        while self.due and not self.stuck:
            await self.play(self.script.next(), self.due[0])
            self.due.popleft()


class Load:
    """All players of one generator."""

    def __init__(self, plan: Plan, deck: Deck) -> None:
        self.plan = plan
        self.deck = deck
        self.clock = time.perf_counter  # uvloop's own clock counts whole milliseconds
        self.window = Window()
        self.refused: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.without_checkpoint = 0
        self.examples: list[str] = []
        self.late = 0.0
        self.players = [Player(self, plan.first + index) for index in range(plan.sessions)]
        self._playing: set[asyncio.Task[None]] = set()

    def note(self, text: str) -> None:
        """Keeps the first few things that went wrong."""
        if len(self.examples) < 10:
            self.examples.append(text)

    async def start(self) -> dict[str, float]:
        """Starts all sessions; how fast."""
        took: list[float] = []

        async def one(player: Player) -> None:
            began = self.clock()
            await player.start()
            took.append(self.clock() - began)

        began = self.clock()
        await each(self.players, one, self.plan.starts_in_flight)
        seconds = self.clock() - began
        return {
            "starts_per_s": len(took) / max(seconds, 1e-9),
            "p50_ms": millis(percentile(took, 0.5)),
            "p99_ms": millis(percentile(took, 0.99)),
            "seconds": seconds,
        }

    async def one_turn(self) -> None:
        """Each session takes one turn."""

        async def turn(player: Player) -> None:
            step = player.script.next()
            while step.kind != "turn":
                step = player.script.next()
            await player.play(step, self.clock())

        await each(self.players, turn, self.plan.concurrency)

    async def closed(self) -> None:
        """Keeps ``concurrency`` commands in flight until the window closes."""
        lanes = max(1, min(self.plan.concurrency, len(self.players)))

        async def lane(players: list[Player]) -> None:
            for player in itertools.cycle(players):
                if self.clock() >= self.window.closed:
                    return
                if not player.stuck:
                    await player.play(player.script.next(), self.clock())
                elif all(p.stuck for p in players):
                    return

        await asyncio.gather(*(lane(self.players[index::lanes]) for index in range(lanes)))

    async def open(self) -> None:
        """Sends at fixed times, whatever the answers do, until the window closes."""
        began = self.clock()
        loop = asyncio.get_running_loop()
        for number in itertools.count():
            due = began + number / self.plan.rate
            if due >= self.window.closed:
                break
            while (now := self.clock()) < due:
                await asyncio.sleep(due - now)
            self.late = max(self.late, now - due)
            player = self.players[number % len(self.players)]
            player.due.append(due)
            if len(player.due) == 1:
                task = loop.create_task(player.play_due())
                self._playing.add(task)
                task.add_done_callback(self._playing.discard)
        if self._playing:
            await asyncio.wait(self._playing)

    def result(self) -> dict[str, Any]:
        """What was measured."""
        window = self.window
        times = [took for _, took, _ in window.done]
        kinds = sorted({kind for *_, kind in window.done})
        slices: Counter[int] = Counter(int(at / _SLICE_S) for at, _, _ in window.done)
        worst: dict[int, float] = {}
        for at, took, _ in window.done:
            index = int(at / _SLICE_S)
            worst[index] = max(worst.get(index, 0.0), took)
        return {
            "done": len(window.done),
            "durable": window.durable,
            "p50_ms": millis(percentile(times, 0.5)),
            "p90_ms": millis(percentile(times, 0.9)),
            "p99_ms": millis(percentile(times, 0.99)),
            "max_ms": millis(max(times, default=0.0)),
            "by_kind": {
                kind: {
                    "count": len(some),
                    "p50_ms": millis(percentile(some, 0.5)),
                    "p99_ms": millis(percentile(some, 0.99)),
                }
                for kind in kinds
                if (some := [took for _, took, other in window.done if other == kind])
            },
            "quantiles_ms": [millis(percentile(times, n / 200)) for n in range(1, 200)],
            "slice_s": _SLICE_S,
            "slices": [slices[index] for index in range(max(slices, default=-1) + 1)],
            "worst_ms": [millis(worst.get(i, 0.0)) for i in range(max(slices, default=-1) + 1)],
            "refused": dict(self.refused),
            "failed": dict(self.failed),
            "examples": self.examples,
            "without_checkpoint": self.without_checkpoint,
            "retries": self.deck.caller.retries,
            "generator_late_ms": millis(self.late),
        }

    def write(self, path: Path) -> None:
        """What was acknowledged of each session, for whoever checks it against the journal."""
        path.write_bytes(
            pack(
                {
                    player.id: {
                        "acked": player.tally.acked,
                        "counts": dict(player.tally.counts),
                        "moved": player.tally.moved,
                        "unknown": player.tally.unknown,
                    }
                    for player in self.players
                }
            )
        )


async def each(
    items: Iterable[Player], work: Callable[[Player], Awaitable[None]], in_flight: int
) -> None:
    """Does ``work`` on each item, ``in_flight`` at once."""
    waiting = iter(items)

    async def lane() -> None:
        for item in waiting:
            await work(item)

    await asyncio.gather(*(lane() for _ in range(max(1, in_flight))))


async def _main() -> None:
    stdin = await orders()
    plan = Plan(**json.loads(await stdin.readline()))
    deck = await Deck.open(
        Connection(**plan.connection), plan.ns, deadline_s=min(60.0, plan.deadline_s)
    )
    load = Load(plan, deck)
    try:
        report_line(started=await load.start())
        gc.collect()
        gc.freeze()
        if plan.one_turn:
            await load.one_turn()
        elif plan.seconds:
            now = load.clock()
            load.window.opened = now + plan.warmup_s
            load.window.closed = load.window.opened + plan.seconds
            loop = asyncio.get_running_loop()
            closed = asyncio.Event()

            def close() -> None:
                report_line(closed=time.time())
                closed.set()

            loop.call_later(plan.warmup_s, lambda: report_line(opened=time.time()))
            loop.call_later(plan.warmup_s + plan.seconds, close)
            await (load.open() if plan.rate else load.closed())
            await closed.wait()
        if plan.file:
            load.write(Path(plan.file))
        report_line(result=load.result())
        await stdin.read()
    except HolodeckError as error:
        say(f"load generator: {error}")
        raise SystemExit(1) from error
    finally:
        await deck.close()


if __name__ == "__main__":
    uvloop.run(_main())
