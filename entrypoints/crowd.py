"""Simulated learners and crews of agents: who they are, what they do, and how they go on when
something fails.

One law: what a learner or a lead does follows from the seed; only when it does it, and to whom the
fleet gives a task, depends on the machine. Every command has an id of its own that is kept through
all repeats, and what came of it is noted.
"""

from __future__ import annotations

import asyncio
import random
import time
from abc import ABC, abstractmethod
from array import array
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from holodeck.deck import Deck
from holodeck.entrypoints.proof import Intent, Ledger
from holodeck.messages.control import ResumeSession, SpawnSession
from holodeck.messages.envelope import Answer, AwaitReply
from holodeck.messages.errors import ContractError, HolodeckError, RefusedError, TransientError
from holodeck.messages.fleet import FLEET, RegisterAgent
from holodeck.messages.ids import new_id
from holodeck.messages.npc import DescribeNpc
from holodeck.messages.session import (
    AddTask,
    CastMember,
    ChangeReputation,
    CompleteTask,
    End,
    EndReason,
    FrictionFinding,
    FrictionType,
    MindKind,
    NpcReply,
    Outcome,
    Pause,
    ReportError,
    ReportFriction,
    RetryTask,
    RouteTask,
    SessionKind,
    StartSession,
    StartTask,
    TakeTurn,
    TaskPriority,
)

log = structlog.get_logger("holodeck.demo")

RATE: Final = 900.0
"""Commands a second the crowd aims at."""
ATTEMPTS: Final = 4
"""How many deadlines a command is given before its outcome stays unknown."""
LEAST: Final = 0.45
"""The share of that rate below which the crowd does not fall by thinking, however slow answers
are."""
_CALM_MS: Final = 20.0
_STRAINED_MS: Final = 60.0

_NAMES: Final = (
    "ana", "bruno", "chen", "dilara", "emeka", "farah", "goran", "hana", "ines", "jonas", "kaori",
    "lucia", "mateo", "nadia", "omar", "priya", "quinn", "rosa", "sven", "tariq", "uma", "viktor",
    "wanjiru", "xenia", "yusuf", "zoe",
)  # fmt: skip
_NPCS: Final = (
    ("marta", "baker"), ("pierre", "waiter"), ("yuki", "station clerk"), ("hassan", "pharmacist"),
    ("olga", "landlady"), ("diego", "bus driver"), ("amara", "nurse"), ("klaus", "librarian"),
    ("sofia", "market trader"), ("lars", "police officer"),
)  # fmt: skip
_SKILLS: Final = ("grammar", "vocabulary", "pronunciation", "culture", "listening", "writing")
_WORDS: Final = (
    ("hola, ¿tiene pan de ayer?", "quisiera dos barras, por favor", "¿cuánto le debo?",
     "perdone, no le he entendido", "¿me lo puede repetir más despacio?"),
    ("guten Tag, ich hätte gern ein Zimmer", "wie viel kostet das mit Frühstück?",
     "könnten Sie das bitte wiederholen?", "ich bin gestern angekommen", "vielen Dank, bis morgen"),
    ("bonjour, une table pour deux s'il vous plaît", "qu'est-ce que vous me conseillez ?",
     "je ne mange pas de viande", "l'addition, s'il vous plaît", "je suis un peu perdu"),
    ("すみません、駅はどこですか。", "切符を二枚ください。", "もう一度お願いします。",
     "この電車は京都に行きますか。", "ありがとうございます。"),
    ("مرحبا، أين أقرب صيدلية؟", "عندي صداع منذ أمس", "كم مرة في اليوم؟", "شكرا جزيلا",
     "هل هذا غالٍ؟"),
    ("good morning, is this seat taken?", "I have been waited here since an hour",
     "could you say that again?", "what does 'overcast' mean?", "thanks, that helps a lot"),
)  # fmt: skip
_REPLIES: Final = (
    "Sí, claro. ¿Algo más?", "Gern. Noch etwas?", "Bien sûr, tout de suite.", "はい、こちらです。",
    "Of course. And how would you say that politely?", "تفضل، هنا.",
)  # fmt: skip
_TASKS: Final = (
    "order in full sentences", "describe the way", "retell the story", "write down five new words",
    "use the past tense", "ask three questions", "listen and repeat", "fill in the form",
)  # fmt: skip
_CREWS: Final = (
    "forge", "oracle", "ledger", "scout", "harbor", "quarry", "beacon", "garden", "loom", "mill",
    "foundry", "archive",
)  # fmt: skip
_TRADES: Final = (
    "compilation", "research", "review", "testing", "translation", "planning", "drafting",
)  # fmt: skip
_ERRORS: Final = (
    "ValueError: line {n} cannot be read", "TimeoutError: no answer within {n} s",
    "KeyError: 'item-{n}'", "the source says {n}, the copy says something else",
)  # fmt: skip
CREW: Final = 5
"""Agents in a crew: few enough that one crew's work crosses the threshold of its component."""
_REASONS: Final = ("kind words", "kept a promise", "was late", "rude tone", "asked politely")


# --- the pulse ----------------------------------------


@dataclass(slots=True)
class Pulse:
    """What happens, as it happens: counts, rates and latencies as the clients see them.

    Attributes:
        by_second: commands answered in each second since :attr:`began`.
        latencies: of every answered command, ms, in order of the answers.
        recent: when and in how many ms the commands of the last seconds were answered.
        events: when and what, for people.
        waiting: when each command now on its way was sent, by a running number.
        failing_over: a host was killed and not all is well again; latency says nothing now.
    """

    began: float = field(default_factory=time.monotonic)
    by_second: Counter[int] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    latencies: array[float] = field(default_factory=lambda: array("d"))
    recent: deque[tuple[float, float]] = field(default_factory=deque)
    events: deque[tuple[float, str]] = field(default_factory=lambda: deque(maxlen=40))
    waiting: dict[int, float] = field(default_factory=dict)
    started: int = 0
    ended: int = 0
    live: int = 0
    paused: int = 0
    commands: int = 0
    replies: int = 0
    retries: int = 0
    failed: int = 0
    failing_over: bool = False
    _number: int = 0

    def now(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self.began

    def sent(self) -> int:
        """A command goes out; the number is what :meth:`back` takes."""
        self._number += 1
        self.waiting[self._number] = time.monotonic()
        return self._number

    def back(self, number: int, what: str, *, good: bool = True) -> None:
        """It was answered (or, not ``good``, given up)."""
        now = time.monotonic()
        began = self.waiting.pop(number)
        if not good:
            self.failed += 1
            return
        taken = (now - began) * 1000
        self.commands += 1
        self.kinds[what] += 1
        self.by_second[int(now - self.began)] += 1
        self.latencies.append(taken)
        self.recent.append((now, taken))
        while self.recent and self.recent[0][0] < now - 3.0:
            self.recent.popleft()

    def say(self, text: str) -> None:
        """Something worth seeing happened."""
        self.events.append((self.now(), text))

    def rate(self, seconds: float = 2.0) -> float:
        """Commands a second, lately."""
        since = time.monotonic() - seconds
        return sum(1 for at, _ in reversed(self.recent) if at >= since) / seconds

    def oldest_ms(self) -> float:
        """How long the command that waits longest has been waiting, ms."""
        if not self.waiting:
            return 0.0
        return (time.monotonic() - next(iter(self.waiting.values()))) * 1000

    def quantiles(self, seconds: float = 3.0) -> tuple[float, float, float]:
        """p50, p95, p99 of the last seconds, ms."""
        since = time.monotonic() - seconds
        return quantiles([ms for at, ms in self.recent if at >= since])


def quantiles(values: Any) -> tuple[float, float, float]:
    """p50, p95 and p99; zeros for nothing."""
    ranked = sorted(values)
    if not ranked:
        return (0.0, 0.0, 0.0)
    last = len(ranked) - 1
    return (
        ranked[round(last * 0.5)],
        ranked[round(last * 0.95)],
        ranked[round(last * 0.99)],
    )


# --- the crowd ----------------------------------------


@dataclass(frozen=True, slots=True)
class Npc:
    """One NPC of the cast everyone draws from."""

    id: str
    name: str
    role: str
    capabilities: tuple[str, ...]


def make_npcs(count: int, seed: int) -> tuple[Npc, ...]:
    """The NPCs of a run, the same for the same seed."""
    rng = random.Random(f"npcs:{seed}")
    out = []
    for index in range(count):
        name, role = _NPCS[index % len(_NPCS)]
        skills = tuple(sorted(rng.sample(_SKILLS, rng.randint(1, 3))))
        out.append(Npc(f"{name}-{index:02d}", name.capitalize(), role, skills))
    return tuple(out)


@dataclass(frozen=True, slots=True)
class Crew:
    """Agents that get tasks of the same kind, and the lead whose sessions these come from.

    Attributes:
        skill: what all of them can do; nobody else can, so crews are silos at first.
        members: by agent, what it can do besides.
        max_load: tasks each takes at once.
    """

    lead: str
    skill: str
    members: tuple[tuple[str, str], ...]
    max_load: int


def make_crews(sessions: int, seed: int) -> tuple[Crew, ...]:
    """The crews beside so many learners, 2 to 8, the same for the same seed."""
    rng = random.Random(f"crews:{seed}")
    count = max(2, min(8, sessions // 60))
    out = []
    for name in rng.sample(_CREWS, count):
        trades = rng.sample(_TRADES, CREW)
        members = tuple((f"{name}-{n}", trade) for n, trade in enumerate(trades, start=1))
        out.append(Crew(f"{name}-lead", f"{name}-work", members, rng.randint(2, 4)))
    return tuple(out)


class Crowd:
    """Learners who begin sessions, act in them, end them and begin again; beside them crews of
    agents, whose leads do the same with tasks.

    Args:
        target: commands a second to aim at; the learners think longer when answers are slow.
    """

    def __init__(
        self,
        deck: Deck,
        ledger: Ledger,
        pulse: Pulse,
        *,
        sessions: int,
        npcs: int,
        seed: int,
        target: float = RATE,
    ) -> None:
        self.deck, self.ledger, self.pulse = deck, ledger, pulse
        self.npcs = make_npcs(npcs, seed)
        self.crews = make_crews(sessions, seed)
        self.seed = seed
        self.size = sessions
        self.target = target
        self.think = max(0.01, sessions / target)
        self.ending = asyncio.Event()
        self._learners = [_Learner(self, index) for index in range(sessions)]
        self._leads = [_Lead(self, number, crew) for number, crew in enumerate(self.crews * _SEATS)]

    async def run(self) -> None:
        """Lives until :meth:`finish` is called and everyone has ended its session."""
        async with asyncio.TaskGroup() as group:
            for npc in self.npcs:
                group.create_task(self._describe(npc))
            for crew in self.crews:
                group.create_task(self._register(crew))
        pacing = asyncio.create_task(self._pace())
        try:
            async with asyncio.TaskGroup() as group:
                for one in (*self._learners, *self._leads):
                    group.create_task(one.live())
        finally:
            pacing.cancel()

    def finish(self) -> None:
        """Everyone ends its session and begins no other."""
        self.ending.set()

    async def send(self, kind: str, actor: str, command: str, body: Any) -> Answer | None:
        """Sends a command under one id until its outcome is known, and notes it.

        Returns:
            None: refused, or the outcome stays unknown.
        """

        async def call() -> Answer:
            return await self.deck.caller.command(kind, actor, command, body)

        return await self._until_known(Intent(kind, actor, command), body.kind, call)

    async def order(self, actor: str, verb: str, body: Any) -> Answer | None:
        """As :meth:`send`, for what goes through the supervisor."""

        async def call() -> Answer:
            told = await self.deck.order(verb, body)
            return Answer(status="ok", sequence=told.sequence, checkpoint=told.checkpoint)

        return await self._until_known(Intent("session", actor, f"{body.id}.{verb}"), verb, call)

    async def _until_known(
        self, intent: Intent, what: str, call: Callable[[], Any]
    ) -> Answer | None:
        number = self.pulse.sent()
        for _ in range(ATTEMPTS):
            try:
                answer: Answer = await call()
            except (RefusedError, ContractError) as error:
                reason = error.reason if isinstance(error, RefusedError) else error.code
                self.ledger.refuse(intent, reason)
                log.warning("refused", command=str(intent), what=what, reason=str(error))
                self.pulse.back(number, "refused")
                return None
            except TransientError:
                self.ledger.wonder(intent)
                self.pulse.retries += 1
                log.warning("unknown", command=str(intent), what=what)
                continue
            self.ledger.acknowledge(
                intent, answer.sequence, what, stored=answer.checkpoint is not None
            )
            self.pulse.back(number, what)
            return answer
        self.pulse.back(number, what, good=False)
        self.pulse.say(f"no answer to {intent}")
        return None

    async def _describe(self, npc: Npc) -> None:
        body = DescribeNpc(name=npc.name, role=npc.role)
        await self.send("npc", npc.id, f"{npc.id}.describe", body)

    async def _register(self, crew: Crew) -> None:
        for agent, trade in crew.members:
            body = RegisterAgent(
                agent=agent, capabilities=(crew.skill, trade), max_load=crew.max_load
            )
            await self.send("fleet", FLEET, f"{agent}.register", body)

    async def _pace(self) -> None:
        """Learners think longer while answers are slow, shorter while there is room."""
        while True:
            await asyncio.sleep(1.0)
            pulse = self.pulse
            if pulse.failing_over or self.ending.is_set():
                continue
            p50, _, _ = pulse.quantiles(2.0)
            rate = pulse.rate()
            if p50 > _STRAINED_MS:
                self.think *= 1.15
            elif rate > self.target * 1.15:
                self.think *= 1.1
            elif rate < self.target * 0.95 and p50 < _CALM_MS:
                self.think *= 0.85
            longest = self.size / (self.target * LEAST)
            self.think = min(longest, max(0.005, self.think))


_SEATS: Final = 2
"""Sessions a crew works in at a time: an agent's session claims nobody."""


class _Somebody(ABC):
    """Who has one session after the other, and thinks between two steps."""

    def __init__(self, crowd: Crowd, seed: str) -> None:
        self.crowd = crowd
        self.rng = random.Random(seed)
        self.visits = 0

    @abstractmethod
    def _visit(self) -> _Visit | _Shift:
        """The next session."""

    async def live(self) -> None:
        crowd = self.crowd
        await self._rest(self.rng.uniform(0.0, max(0.2, crowd.size / 250)))
        while not crowd.ending.is_set():
            self.visits += 1
            visit = self._visit()
            if await visit.begin():
                await visit.act()
                await visit.end()
            else:
                await self._rest(crowd.think * 4)

    async def think(self, share: float = 1.0) -> None:
        await self._rest(self.crowd.think * share * self.rng.uniform(0.4, 1.6))

    async def _rest(self, seconds: float) -> None:
        """Sleeps, unless the run ends."""
        ending = self.crowd.ending
        if ending.is_set():
            return
        if seconds < 0.5:
            await asyncio.sleep(seconds)
            return
        try:
            async with asyncio.timeout(seconds):
                await ending.wait()
        except TimeoutError:
            pass


class _Learner(_Somebody):
    """One learner: one session at a time."""

    def __init__(self, crowd: Crowd, index: int) -> None:
        super().__init__(crowd, f"{crowd.seed}:{index}")
        self.index = index
        self.id = f"{self.rng.choice(_NAMES)}-{index:04d}"
        self.words = self.rng.choice(_WORDS)

    def _visit(self) -> _Visit:
        return _Visit(self, f"s{self.crowd.seed}-{self.index:04d}-{self.visits}")


class _Lead(_Somebody):
    """One seat of a crew's lead: a session with tasks for the crew at a time."""

    def __init__(self, crowd: Crowd, number: int, crew: Crew) -> None:
        super().__init__(crowd, f"{crowd.seed}:crew:{number}")
        self.number = number
        self.crew = crew

    def _visit(self) -> _Shift:
        return _Shift(self, f"a{self.crowd.seed}-{self.number:02d}-{self.visits}")


class _Visit:
    """One session of one learner, from its start to its end.

    Attributes:
        tasks: the tasks that can still be done, with what is next for each.
    """

    def __init__(self, learner: _Learner, identity: str) -> None:
        self.learner, self.crowd, self.rng = learner, learner.crowd, learner.rng
        self.id = identity
        rng = self.rng
        self.cast = rng.sample(self.crowd.npcs, min(rng.randint(2, 4), len(self.crowd.npcs)))
        self.mind = MindKind.SCRIPTED if rng.random() < 0.35 else MindKind.NONE
        self.turns = 0
        self.added = 0
        self.sent = 0
        self.tasks: list[tuple[str, str]] = []

    def _next_id(self) -> str:
        self.sent += 1
        return f"{self.id}.{self.sent}"

    async def _send(self, body: Any) -> Answer | None:
        return await self.crowd.send("session", self.id, self._next_id(), body)

    async def begin(self) -> bool:
        kinds = (SessionKind.CONVERSATION, SessionKind.PRACTICE)
        kind = self.rng.choices(kinds, (80, 20))[0]
        start = StartSession(
            session_kind=kind,
            learner=self.learner.id,
            name=f"visit {self.learner.visits}",
            cast=tuple(CastMember(npc=npc.id, capabilities=npc.capabilities) for npc in self.cast),
            tags=(f"seed-{self.crowd.seed}",),
            mind=self.mind,
        )
        order = SpawnSession(id=self._next_id(), session=self.id, start=start)
        answer = await self.crowd.order(self.id, "start", order)
        pulse = self.crowd.pulse
        if answer is not None:
            pulse.started += 1
            pulse.live += 1
        return answer is not None

    async def act(self) -> None:
        steps = self.rng.randint(10, 28)
        for _ in range(steps):
            await self.learner.think()
            if self.crowd.ending.is_set():
                return
            await self.rng.choices(
                (self._turn, self._friction, self._reputation, self._task, self._pause),
                (45, 11, 12, 27, 5),
            )[0]()

    async def end(self) -> None:
        self.rng.random()
        lucky = self.rng.random() < 0.85
        body = End(
            reason=EndReason.LEARNER_ENDED if lucky else EndReason.NATURAL_CONCLUSION,
            outcome=Outcome.SUCCESS if lucky else Outcome.FAILED,
        )
        answer = await self._send(body)
        pulse = self.crowd.pulse
        if answer is not None:
            pulse.ended += 1
            pulse.live -= 1

    # -- what it does ----------------------------------------

    async def _turn(self) -> None:
        rng = self.rng
        npc = rng.choice(self.cast)
        looked = rng.random() < 0.7
        findings = tuple(self._finding() for _ in range(rng.choices((0, 1, 2), (55, 35, 10))[0]))
        body = TakeTurn(
            turn=self.turns + 1,
            npc=npc.id,
            text=rng.choice(self.learner.words),
            speaking_ms=rng.randint(600, 6000),
            frictions=findings if looked else None,
            register_aligned=rng.random() < 0.8 if looked else None,
        )
        reply = rng.choice(_REPLIES) if rng.random() < 0.7 else ""
        if await self._send(body) is None:
            return
        self.turns += 1
        if self.mind is MindKind.SCRIPTED:
            await self._listen()
        elif reply:
            await self._send(NpcReply(turn=self.turns, npc=npc.id, text=reply))

    async def _listen(self) -> None:
        """Waits for what the mind says to the last turn; a question, so nothing is stored."""
        try:
            await self.crowd.deck.caller.command(
                "session", self.id, new_id("ask"), AwaitReply(turn=self.turns), deadline_s=10.0
            )
        except HolodeckError:
            return
        self.crowd.pulse.replies += 1

    def _finding(self) -> FrictionFinding:
        return FrictionFinding(
            type=self.rng.choice(tuple(FrictionType)),
            severity=round(self.rng.betavariate(2, 3), 2),
            detail=self.rng.choice(self.learner.words),
        )

    async def _friction(self) -> None:
        npc = self.rng.choice(self.cast).id if self.rng.random() < 0.8 else None
        await self._send(ReportFriction(finding=self._finding(), npc=npc))

    async def _reputation(self) -> None:
        rng = self.rng
        delta = round(rng.uniform(0.02, 0.3) * (1 if rng.random() < 0.55 else -1), 2)
        npc = rng.choice(self.cast).id
        await self._send(ChangeReputation(npc=npc, delta=delta, reason=rng.choice(_REASONS)))

    async def _task(self) -> None:
        """The next step of an open task, or a new one."""
        rng = self.rng
        if not self.tasks or (len(self.tasks) < 3 and rng.random() < 0.3):
            self.added += 1
            name = f"task-{self.added}"
            forgotten = rng.random() < 0.2
            body = AddTask(
                task=name,
                data=f'{{"what": "{rng.choice(_TASKS)}"}}',
                priority=rng.choice(tuple(TaskPriority)),
                capabilities=tuple(rng.sample(_SKILLS, rng.randint(1, 2))),
                timeout_s=round(rng.uniform(0.3, 1.5), 1) if forgotten else None,
            )
            if await self._send(body) is not None:
                self.tasks.append((name, "forget" if forgotten else "route"))
            return
        name, step = self.tasks.pop(0)
        fails = rng.random() < 0.2
        match step:
            case "route" | "forget":
                routed = await self._send(RouteTask(task=name))
                following = "start" if step == "route" else "start-forget"
            case "start" | "start-forget":
                routed = await self._send(StartTask(task=name))
                # What is forgotten runs out of time by itself.
                following = "complete" if step == "start" else ""
            case _:
                outcome = Outcome.FAILED if fails else Outcome.SUCCESS
                error = "gave up" if fails else ""
                routed = await self._send(CompleteTask(task=name, outcome=outcome, error=error))
                following = ""
        if routed is not None and following:
            self.tasks.append((name, following))

    async def _pause(self) -> None:
        if await self._send(Pause(reason="coffee")) is None:
            return
        pulse = self.crowd.pulse
        pulse.paused += 1
        await self.learner.think(2.0)
        while True:
            order = ResumeSession(id=self._next_id(), session=self.id)
            resumed = await self.crowd.order(self.id, "resume", order)
            if resumed is not None or self.crowd.ending.is_set():
                break
            await self.learner.think(2.0)
        pulse.paused -= 1


class _Shift:
    """One session of a crew: tasks are added, given to its agents by the fleet, worked on, tried
    again where they fail, and now and then left behind.

    All tasks are given away before the first is worked on: so they go to different agents, who
    are linked by them.

    Attributes:
        tried: by task, the number of its attempt.
    """

    def __init__(self, lead: _Lead, identity: str) -> None:
        self.lead, self.crowd, self.rng = lead, lead.crowd, lead.rng
        self.id = identity
        self.sent = 0
        self.tried: dict[str, int] = {}

    def _next_id(self) -> str:
        self.sent += 1
        return f"{self.id}.{self.sent}"

    async def _send(self, body: Any) -> Answer | None:
        return await self.crowd.send("session", self.id, self._next_id(), body)

    async def begin(self) -> bool:
        lead = self.lead
        start = StartSession(
            session_kind=SessionKind.AGENT,
            learner=lead.crew.lead,
            name=f"shift {lead.visits}",
            tags=(f"seed-{self.crowd.seed}", lead.crew.skill),
            h1_router=True,
        )
        order = SpawnSession(id=self._next_id(), session=self.id, start=start)
        answer = await self.crowd.order(self.id, "start", order)
        pulse = self.crowd.pulse
        if answer is not None:
            pulse.started += 1
            pulse.live += 1
        return answer is not None

    async def act(self) -> None:
        rng = self.rng
        given = []
        for number in range(1, rng.randint(3, 6) + 1):
            task = f"job-{number}"
            if await self._add(task) and await self._give(task):
                given.append(task)
        rng.shuffle(given)
        for task in given:
            # Drawn for every task, so that what is done follows from the seed alone.
            left, forgotten, wrong = (rng.random() for _ in range(3))
            if self.crowd.ending.is_set():
                return
            if left < 0.08:
                continue  # it ends with the session
            if forgotten < 0.08:
                await self._begin(task)
                continue  # its time runs out by itself
            await self._work(task, fails=wrong < 0.25)

    async def _add(self, task: str) -> bool:
        rng, crew = self.rng, self.lead.crew
        needed = [crew.skill]
        if rng.random() < 0.3:
            needed.append(rng.choice(_TRADES))  # which perhaps none of them has
        body = AddTask(
            task=task,
            data=f'{{"what": "{rng.choice(_TASKS)}"}}',
            priority=rng.choice(tuple(TaskPriority)),
            capabilities=tuple(needed),
            timeout_s=round(rng.uniform(2.0, 6.0), 1),
        )
        await self.lead.think(0.5)
        if self.crowd.ending.is_set() or await self._send(body) is None:
            return False
        self.tried[task] = 1
        return True

    async def _give(self, task: str) -> bool:
        """Has the fleet choose; False where everybody has enough to do."""
        await self.lead.think(0.5)
        return await self._send(RouteTask(task=task)) is not None

    async def _begin(self, task: str) -> bool:
        await self.lead.think(0.5)
        return await self._send(StartTask(task=task)) is not None

    async def _work(self, task: str, *, fails: bool) -> None:
        """Begins a task and ends it; one that failed is given away once more, perhaps to another,
        and then succeeds on the whole."""
        if not await self._begin(task):
            return
        await self.lead.think()
        rng = self.rng
        again = rng.random()
        error = rng.choice(_ERRORS).format(n=rng.randint(2, 900)) if fails else ""
        outcome = Outcome.FAILED if fails else Outcome.SUCCESS
        ended = await self._send(CompleteTask(task=task, outcome=outcome, error=error))
        if ended is None or not fails:
            return
        if again < 0.2:
            await self._send(ReportError(error=error, task=task))
            return
        self.tried[task] += 1
        retry = RetryTask(task=task, attempt=self.tried[task])
        if await self._send(retry) is None or not await self._give(task):
            return
        await self._work(task, fails=again > 0.8 and self.tried[task] < 4)

    async def end(self) -> None:
        lucky = self.rng.random() < 0.85
        body = End(
            reason=EndReason.NATURAL_CONCLUSION,
            outcome=Outcome.SUCCESS if lucky else Outcome.FAILED,
        )
        answer = await self._send(body)
        pulse = self.crowd.pulse
        if answer is not None:
            pulse.ended += 1
            pulse.live -= 1


__all__ = ["RATE", "Crew", "Crowd", "Npc", "Pulse", "make_crews", "make_npcs", "quantiles"]
