"""A load generator that takes orders while it runs (``python -m bench._crowd``): a crowd of
sessions that grows, plays, shrinks, or lives for ever with births and deaths.

One law: after its plan it gets one JSON line for each order, does one order at a time and answers
each with one line ``{"<order>": result}``; ``stop`` ends the order under way, and when stdin ends,
so does it.

Orders:

- ``start``: starts ``count`` sessions, ``in_flight`` at once; with ``keep`` false nothing is ever
  said to them again.
- ``settle-in``: brings each session into the middle of its life (:func:`from_the_middle`).
- ``play``: closed loop, ``concurrency`` in flight, or open loop at ``rate``, for ``seconds``;
  lines ``opened`` and ``closed`` say when it begins and ends.
- ``end``: ends the ``count`` youngest sessions.
- ``live``: open loop at ``rate`` over ``seats`` seats until ``stop``; whoever sits there starts a
  session, takes ``life`` steps and ends it, and somebody else sits down. ``sample`` lines say every
  ``every`` seconds what was measured since the last one.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import random
from collections.abc import Awaitable, Callable
from typing import Any, Final

import uvloop

from bench._generator import Load, Plan, Player, Window, each
from bench._mix import ROUND, Step, from_the_middle
from bench._processes import orders, report_line
from bench._report import millis, percentile
from holodeck.deck import Deck
from holodeck.messages.errors import HolodeckError
from holodeck.wiring import Connection

END: Final = Step("end", {"kind": "end"})
_PROGRESS: Final = 200
"""After how many items a word of progress is said."""
_GIVE_UP: Final = 1000
"""After so many failures a crowd that lives for ever is not worth the name."""


class Crowd(Load):
    """All sessions of one generator; :attr:`players` are those that are spoken to."""

    def __init__(self, plan: Plan, deck: Deck) -> None:
        super().__init__(plan, deck)
        self._numbers = itertools.count(plan.first)
        self._stop = asyncio.Event()

    def newcomer(self) -> Player:
        """The next one, whose session has not started yet."""
        return Player(self, next(self._numbers))

    def stop(self) -> None:
        """Ends the order under way."""
        self._stop.set()
        self.window.closed = min(self.window.closed, self.clock())

    # -- orders ------------------------------------------

    async def grow(self, count: int, in_flight: int, keep: bool = True) -> dict[str, Any]:
        """Starts ``count`` sessions; how fast."""
        took: list[float] = []

        async def begin(player: Player) -> None:
            began = self.clock()
            await player.start()
            took.append(self.clock() - began)
            if keep:
                self.players.append(player)
            _progress(len(took))

        began = self.clock()
        await each((self.newcomer() for _ in range(count)), begin, in_flight)
        seconds = self.clock() - began
        return {
            "count": count,
            "seconds": seconds,
            "per_s": count / max(seconds, 1e-9),
            "p50_ms": millis(percentile(took, 0.5)),
            "p99_ms": millis(percentile(took, 0.99)),
        }

    async def settle_in(self, in_flight: int) -> dict[str, Any]:
        """Brings every session somewhere into the middle of its life."""
        chance = random.Random(self.plan.seed)
        done = itertools.count(1)
        played = 0

        async def one(player: Player) -> None:
            nonlocal played
            seed = f"{self.plan.seed}.{player.id}"
            needed, player.script = from_the_middle(player.npc, seed, chance.randrange(ROUND))
            for step in needed:
                await player.play(step, self.clock())
            played += len(needed)
            _progress(next(done))

        await each(self.players, one, in_flight)
        gc.collect()
        gc.freeze()
        return {"commands": played}

    async def play(self, seconds: float, concurrency: int = 0, rate: float = 0.0) -> dict[str, Any]:
        """Plays for ``seconds`` or until :meth:`stop`; what was measured."""
        self.window = Window()
        self.window.opened = self.clock()
        self.window.closed = self.window.opened + seconds
        self.plan = _with(self.plan, concurrency=concurrency, rate=rate)
        retries = self.deck.caller.retries
        report_line(opened=True)
        await (self.open() if rate else self.closed())
        report_line(closed=True)  # at once: putting the result together takes its time
        seconds = self.window.closed - self.window.opened
        found = self.result() | {"seconds": seconds}
        return found | {"retries": self.deck.caller.retries - retries}

    async def end(self, count: int, in_flight: int) -> dict[str, Any]:
        """Ends the ``count`` youngest sessions."""
        leaving = self.players[len(self.players) - count :]
        del self.players[len(self.players) - count :]

        async def leave(player: Player) -> None:
            await player.play(END, self.clock())

        await each(leaving, leave, in_flight)
        return {"count": count}

    async def live(self, seats: int, rate: float, life: int, every: float) -> dict[str, Any]:
        """Lives until :meth:`stop`; says a ``sample`` every ``every`` seconds."""
        self.window = Window(opened=self.clock())
        chance = random.Random(self.plan.seed)
        row = [Seat(self, life, chance.randrange(life + 1)) for _ in range(seats)]
        telling = asyncio.create_task(self._tell(every))
        began, total = self.clock(), 0
        try:
            for number in itertools.count():
                due = began + number / rate
                while (now := self.clock()) < due and not self._stop.is_set():
                    await asyncio.sleep(due - now)
                if self._stop.is_set() or sum(self.failed.values()) > _GIVE_UP:
                    break
                self.late = max(self.late, now - due)
                row[number % seats].call(due)
                total += 1
            await asyncio.gather(*(seat.quiet() for seat in row))
        finally:
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)
        return {
            "commands": total,
            "refused": dict(self.refused),
            "failed": dict(self.failed),
            "examples": self.examples,
        }

    async def _tell(self, every: float) -> None:
        while True:
            await asyncio.sleep(every)
            now = self.clock()
            last, self.window = self.window, Window(opened=now)
            times = [took for _, took, _ in last.done]
            kinds = [kind for *_, kind in last.done]
            report_line(
                sample={
                    "seconds": now - last.opened,
                    "commands": len(times),
                    "started": kinds.count("start"),
                    "ended": kinds.count("end"),
                    "p50_ms": millis(percentile(times, 0.5)),
                    "p99_ms": millis(percentile(times, 0.99)),
                    "max_ms": millis(max(times, default=0.0)),
                    "late_ms": millis(self.late),
                    "refused": sum(self.refused.values()),
                    "failed": sum(self.failed.values()),
                }
            )
            self.late = 0.0

    async def obey(self, order: dict[str, Any]) -> None:
        """Does one order and reports on it."""
        verb = order.pop("do")
        doing: dict[str, Callable[..., Awaitable[dict[str, Any]]]] = {
            "start": self.grow,
            "settle-in": self.settle_in,
            "play": self.play,
            "end": self.end,
            "live": self.live,
        }
        self._stop.clear()
        report_line(**{verb: await doing[verb](**order)})


class Seat:
    """A place in a crowd that lives for ever: one session after the other.

    Args:
        life: steps of a session between its start and its end.
        left: how many the first session takes, so that not all end at once.
    """

    def __init__(self, crowd: Crowd, life: int, left: int) -> None:
        self._crowd = crowd
        self._life = life
        self._left = left
        self._player: Player | None = None
        self._due: list[float] = []
        self._busy: asyncio.Task[None] | None = None

    def call(self, due: float) -> None:
        """The next command was due at ``due``; it waits for those before it."""
        self._due.append(due)
        if self._busy is None or self._busy.done():
            self._busy = asyncio.create_task(self._work())

    async def quiet(self) -> None:
        """Returns when the command under way is done; what was due behind it is not sent."""
        del self._due[1:]
        if self._busy is not None:
            await self._busy

    async def _work(self) -> None:
        while self._due:
            await self._step(self._due[0])
            del self._due[0]

    async def _step(self, since: float) -> None:
        player = self._player
        if player is None:
            await self._sit_down(since)
        elif self._left > 0 and not player.stuck:
            self._left -= 1
            await player.play(player.script.next(), since)
        else:
            self._player = None
            await player.play(END, since)

    async def _sit_down(self, since: float) -> None:
        crowd = self._crowd
        player = crowd.newcomer()
        try:
            await player.start()
        except HolodeckError as error:
            crowd.failed["start"] += 1
            crowd.note(f"{player.id} start: {error}")
            return
        crowd.window.add(crowd.clock(), since, "start", True)
        self._player = player
        self._left = self._left or self._life


def _with(plan: Plan, **changes: Any) -> Plan:
    return Plan(**{**plan.order(), **changes})


def _progress(done: int) -> None:
    if done % _PROGRESS == 0:
        report_line(progress=done)


async def _main() -> None:
    stdin = await orders()
    plan = Plan(**json.loads(await stdin.readline()))
    deck = await Deck.open(
        Connection(**plan.connection), plan.ns, deadline_s=min(60.0, plan.deadline_s)
    )
    here = Crowd(plan, deck)
    report_line(ready=True)
    working: asyncio.Task[None] | None = None
    try:
        # An order that fails ends the group, and with it this process: whoever waits is told so.
        async with asyncio.TaskGroup() as group:
            while line := await stdin.readline():
                order = json.loads(line)
                if order["do"] == "stop":
                    here.stop()
                else:
                    working = group.create_task(here.obey(order))
            if working is not None:
                working.cancel()
    finally:
        await deck.close()


if __name__ == "__main__":
    uvloop.run(_main())
