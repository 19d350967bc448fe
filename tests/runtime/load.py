"""Clients that go on whatever happens, and keep account of what they were told."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self

from holodeck.deck import Deck
from holodeck.messages.control import ResumeSession
from holodeck.messages.envelope import Answer
from holodeck.messages.errors import RefusedError, TransientError
from holodeck.messages.ids import new_id
from holodeck.messages.session import (
    AddTask,
    ChangeReputation,
    CompleteTask,
    FrictionFinding,
    FrictionType,
    Pause,
    ReportFriction,
    StartTask,
    TakeTurn,
)

NPCS: Final = ("marta", "joan", "pau", "rosa", "lluis")


@dataclass
class Account:
    """What clients were told.

    Attributes:
        acknowledged: sequence and bytes of the checkpoint, by session and command id.
        unknown: commands nobody ever got an answer to, by session and id.
        nothing: commands that were refused, so that nothing may be stored of them.
        errors: refusals no client should have seen.
        last: when something was last acknowledged, seconds on the loop's clock.
        gap: the longest time in which nothing was acknowledged, seconds.
    """

    acknowledged: dict[tuple[str, str], tuple[int, bytes]] = field(default_factory=dict)
    unknown: set[tuple[str, str]] = field(default_factory=set)
    nothing: set[tuple[str, str]] = field(default_factory=set)
    errors: list[str] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    last: float = 0.0
    gap: float = 0.0

    def told(self, session: str, command: str, answer: Answer) -> None:
        self.unknown.discard((session, command))
        if answer.checkpoint is None:
            return
        found = (answer.sequence, answer.checkpoint)
        known = self.acknowledged.setdefault((session, command), found)
        if known != found:
            self.errors.append(f"{session} {command}: told {known[0]}, then {found[0]}")
        now = asyncio.get_running_loop().time()
        if self.last:
            self.gap = max(self.gap, now - self.last)
        self.last = now


class Load:
    """Sessions that each do one thing after the other until told to stop.

    Args:
        pace_s: mean pause between two commands of a session.
        tolerated: refusals the test provokes; the command is given up.
    """

    def __init__(
        self,
        deck: Deck,
        sessions: int = 24,
        *,
        pace_s: float = 0.02,
        seed: int = 1,
        tolerated: frozenset[str] = frozenset(),
        deadline_s: float = 30.0,
        prefix: str = "s",
        start: dict[str, Any] | None = None,
    ) -> None:
        self.deck = deck
        self.names = [f"{prefix}{seed}-{n}" for n in range(sessions)]
        self.account = Account()
        self._pace = pace_s
        self._seed = seed
        self._tolerated = tolerated
        self._deadline = deadline_s
        self._start = start or {}
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        """Returns when every session has started."""
        await asyncio.gather(*(self.begin(name) for name in self.names))
        self._tasks = [asyncio.create_task(self._client(name)) for name in self.names]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            await self.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def stop(self) -> Account:
        """Ends the load, each client after its last answer; what they were told."""
        self._stopping = True
        await asyncio.gather(*self._tasks)
        assert not self.account.errors, self.account.errors[:5]
        return self.account

    async def begin(self, name: str) -> None:
        given: dict[str, Any] = {"learner": f"l-{name}", "session": name, **self._start}
        await self.deck.start_session(**given)

    async def acknowledgements(self, more: int, seconds: float = 20.0) -> None:
        """Waits until ``more`` further commands were acknowledged."""
        wanted = len(self.account.acknowledged) + more
        async with asyncio.timeout(seconds):
            while len(self.account.acknowledged) < wanted:
                await asyncio.sleep(0.01)

    async def send(self, session: str, body: Any, command: str | None = None) -> Answer | None:
        """Sends one command until it is answered; None if it was refused as tolerated."""
        command = command or new_id("cmd")
        key = (session, command)
        self.account.unknown.add(key)
        while True:
            try:
                answer = await self.deck.caller.command(
                    "session", session, command, body, deadline_s=self._deadline
                )
            except RefusedError as error:
                self.account.refused[error.reason] += 1
                self.account.unknown.discard(key)
                self.account.nothing.add(key)
                if error.reason not in self._tolerated:
                    self.account.errors.append(f"{session} {body.kind}: {error}")
                return None
            except TransientError as error:
                self.account.refused[error.code] += 1
                if self._stopping:
                    return None
                continue
            self.account.told(session, command, answer)
            return answer

    async def _client(self, name: str) -> None:
        chance = random.Random(f"{self._seed} {name}")
        turn, tasks = 0, 0
        while not self._stopping:
            npc = chance.choice(NPCS)
            match chance.choices(("turn", "friction", "reputation", "task", "pause"),
                                 (50, 20, 10, 15, 5))[0]:  # fmt: skip
                case "turn":
                    found = (FrictionFinding(type=FrictionType.LEXICAL, severity=0.4),)
                    said = TakeTurn(turn=turn + 1, npc=npc, text="hola", frictions=found)
                    turn += await self.send(name, said) is not None
                case "friction":
                    finding = FrictionFinding(type=FrictionType.REGISTER, severity=0.6)
                    await self.send(name, ReportFriction(finding=finding, npc=npc))
                case "reputation":
                    delta = round(chance.uniform(-0.2, 0.2), 3)
                    await self.send(name, ChangeReputation(npc=npc, delta=delta))
                case "task" if tasks < 12:
                    task = f"task-{tasks}"
                    tasks += 1
                    if await self.send(name, AddTask(task=task, npc=npc)) is not None:
                        await self.send(name, StartTask(task=task))
                        await self.send(name, CompleteTask(task=task))
                case _:
                    await self._pause(name)
            await asyncio.sleep(chance.expovariate(1 / self._pace))

    async def _pause(self, name: str) -> None:
        if await self.send(name, Pause()) is None:
            return
        order = ResumeSession(id=new_id("cmd"), session=name)
        while not self._stopping or not self._tolerated:
            try:
                await self.deck.order("resume", order)
            except RefusedError as error:
                if error.reason in self._tolerated:
                    self.account.refused[error.reason] += 1
                    await asyncio.sleep(0.1)
                    continue
                self.account.errors.append(f"{name} resume: {error}")
                return
            except TransientError as error:
                self.account.refused[error.code] += 1
                continue
            return
