"""A cell leaves memory only when its snapshot is stored."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from holodeck.actors.decider import Moment
from holodeck.actors.folds import Cell, Folds
from holodeck.broker import MemoryBroker
from holodeck.broker.port import Bucket, Entry, Headers, Record
from holodeck.broker.streams import layout
from holodeck.messages.session import TurnTaken
from holodeck.messages.subjects import Place

LAYOUT = layout()
CELLS = 300
"""More than go into one batch of a flush."""


class Slow:
    """A bucket whose puts are answered when told, or never."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self.go = asyncio.Event()
        self.broken = False

    def put(
        self, key: str, data: bytes, *, after: int | None = None, headers: Headers | None = None
    ) -> asyncio.Future[int]:
        async def later() -> int:
            await self.go.wait()
            if self.broken:
                raise RuntimeError("no way through")
            return await self._bucket.put(key, data, after=after, headers=headers)

        return asyncio.ensure_future(later())

    async def get(self, key: str) -> Entry | None:
        return await self._bucket.get(key)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def bucket() -> Slow:
    broker = MemoryBroker()
    await broker.declare(LAYOUT.streams, LAYOUT.buckets)
    return Slow(broker.bucket(LAYOUT.actors))


def folds_of(bucket: Slow, clock: Clock, valid: Callable[[], bool] = lambda: True) -> Folds:
    async def refold(_cell: Any) -> None:
        raise AssertionError("nothing has to be folded again")

    folds = Folds(bucket, clock, refold, valid, lambda _cell: None)  # type: ignore[arg-type]
    folds.partition("3", set())
    turn = (TurnTaken(turn=1, npc="marta", text="hola"),)
    for number in range(CELLS):
        learner = f"l{number}"
        place = Place("session", "9", "s", "turn", "3", "marta", "7", learner)
        folds.apply("npc", place, Record("", number + 1, b"", {}), 1, turn)
    return folds


async def test_a_cell_that_is_still_being_written_stays(bucket: Slow) -> None:
    clock = Clock()
    folds = folds_of(bucket, clock)
    flush = asyncio.create_task(folds.flush("3"))
    await asyncio.sleep(0)

    clock.now = 100.0
    assert folds.passivate(before=50.0) == 0

    bucket.go.set()
    assert await flush
    assert folds.passivate(before=50.0) == CELLS + 1  # and the NPC
    for number in range(CELLS):
        assert await bucket.get(f"cell.3.relation.marta.l{number}") is not None


async def test_a_flush_that_breaks_off_forgets_nothing(bucket: Slow) -> None:
    clock = Clock()
    folds = folds_of(bucket, clock)
    bucket.broken = True
    bucket.go.set()
    with pytest.raises(RuntimeError):
        await folds.flush("3")

    clock.now = 100.0
    assert folds.passivate(before=50.0) == 0
    bucket.broken = False
    assert await folds.flush("3")
    assert await bucket.get(f"cell.3.relation.marta.l{CELLS - 1}") is not None


async def test_nothing_is_written_while_the_store_is_in_doubt(bucket: Slow) -> None:
    """Not even the first of it: what the cells contain may never have happened."""
    trusted = False
    folds = folds_of(bucket, Clock(), lambda: trusted)
    bucket.go.set()
    assert not await folds.flush("3")
    assert await bucket.get("cell.3.npc.marta") is None

    trusted = True
    assert await folds.flush("3")
    assert await bucket.get("cell.3.npc.marta") is not None


def test_the_time_of_a_cell_never_runs_backwards() -> None:
    # given a cell that has folded a checkpoint of a host whose clock is ahead
    cell = Cell("npc", "cell.0.npc.marta")
    turn = TurnTaken(turn=1, npc="marta", text="hola")
    cell.fold(Moment(1, 5000, "s1", "ana"), (turn,), None)

    # when one of a slower clock follows, then what it writes itself is no earlier than both
    cell.fold(Moment(2, 3000, "s2", "ana"), (turn,), None)
    assert cell.at == 5000
