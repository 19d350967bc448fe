"""User names: reserved by compare-and-set, given back, taken over when nobody carries them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from holodeck.actors.names import YOUNG_MS, Names, name_key
from holodeck.broker import Bucket, MemoryBroker, MemoryServer
from holodeck.broker.streams import layout
from holodeck.messages.codec import unpack
from holodeck.messages.errors import RefusedError, Unavailable


@dataclass(slots=True)
class Deployment:
    """Who carries which name, what the clock says, and how often somebody was asked."""

    bucket: Bucket
    carried: dict[str, str] = field(default_factory=dict)
    now: int = 1_000_000
    asked: list[str] = field(default_factory=list)
    away: bool = False

    async def carries(self, learner: str, name: str) -> bool:
        self.asked.append(learner)
        if self.away:
            raise Unavailable("learner", "no answer")
        return self.carried.get(learner, "").lower() == name.lower()

    @property
    def names(self) -> Names:
        return Names(self.bucket, self.carries, lambda: self.now)

    async def holder(self, name: str) -> str | None:
        entry = await self.bucket.get(name_key(name))
        return None if entry is None else str(unpack(entry.data)[0])


@pytest.fixture
async def there() -> AsyncIterator[Deployment]:
    broker = MemoryBroker(MemoryServer())
    streams = layout("holodeck")
    await broker.declare(streams.streams, streams.buckets)
    yield Deployment(broker.bucket(streams.actors))
    await broker.close()


async def test_a_name_is_one_learners_whatever_its_case(there: Deployment) -> None:
    await there.names.take("Ana", "ana")
    with pytest.raises(RefusedError, match="already exists"):
        await there.names.take("aNA", "ben")
    await there.names.take("ANA", "ana")
    assert await there.holder("ana") == "ana"
    assert there.asked == [], "a young reservation is not asked after"


async def test_of_many_at_once_one_gets_it(there: Deployment) -> None:
    told = await asyncio.gather(
        *(there.names.take("ana", f"p{n}") for n in range(50)), return_exceptions=True
    )
    assert told.count(None) == 1
    assert all(one is None or isinstance(one, RefusedError) for one in told)
    assert await there.holder("ana") == f"p{told.index(None)}"


async def test_an_old_reservation_is_its_learners_while_it_carries_the_name(
    there: Deployment,
) -> None:
    await there.names.take("ana", "ana")
    there.carried["ana"] = "Ana"
    there.now += YOUNG_MS
    with pytest.raises(RefusedError, match="name-taken"):
        await there.names.take("ana", "ben")
    there.carried.clear()
    await there.names.take("ana", "ben")
    assert await there.holder("ana") == "ben"


async def test_while_its_holder_cannot_be_asked_nobody_takes_a_name_over(
    there: Deployment,
) -> None:
    await there.names.take("ana", "ana")
    there.now += YOUNG_MS
    there.away = True
    with pytest.raises(Unavailable):
        await there.names.take("ana", "ben")
    assert await there.holder("ana") == "ana"


async def test_a_name_is_given_back_by_its_learner_alone(there: Deployment) -> None:
    await there.names.take("ana", "ana")
    await there.names.release("ana", "ben", there.now + 1)
    assert await there.holder("ana") == "ana"
    await there.names.release("Ana", "ana", there.now + 1)
    assert await there.holder("ana") is None
    await there.names.release("ana", "ana", there.now + 1)  # nothing is there: nothing is done
    await there.names.take("ana", "ben")


async def test_a_name_that_was_taken_anew_is_not_given_back(there: Deployment) -> None:
    """Renamed away and back at once: the giving back may come late."""
    await there.names.take("ana", "ana")
    there.now += 10
    renamed_at = there.now
    await there.names.take("ana", "ana")
    await there.names.release("ana", "ana", renamed_at)
    assert await there.holder("ana") == "ana"
