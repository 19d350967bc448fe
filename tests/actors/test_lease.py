"""The lease: who holds it may answer, who was revoked never may again. A fake bucket, no server."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from holodeck.actors.lease import (
    REVOKED,
    Holder,
    Lease,
    boottime,
    holder,
    lease_key,
    process_started,
)
from holodeck.broker.port import Entry
from holodeck.broker.streams import BucketSpec
from holodeck.messages.errors import LostFence, OutcomeUnknown, Unavailable

ME = holder("inc_1", "host-0", "node-0")
KEY = lease_key("inc_1")


class OneKey:
    """A bucket of one key that can be told to fail; also the broker it is asked from."""

    def __init__(self) -> None:
        self.revision = 0
        self.data: bytes | None = None
        self.before: Callable[[], None] = lambda: None
        self.after: Callable[[], None] = lambda: None

    def bucket(self, spec: BucketSpec) -> OneKey:
        return self

    async def close(self, *, discard: bool = False) -> None:
        pass

    async def put(self, key: str, data: bytes, *, after: int | None = None, **_: Any) -> int:
        self.before()
        if after is not None and after != self.revision:
            raise LostFence(self.revision)
        self.revision += 1
        self.data = data
        self.after()
        return self.revision

    async def get(self, key: str) -> Entry | None:
        return None if self.data is None else Entry(key, self.revision, self.data, {})

    async def delete(self, key: str, *, after: int | None = None) -> None:
        self.data = None


def lease(bucket: OneKey, lost: list[str], *, valid_s: float = 0.3) -> Lease:
    async def connect() -> Any:
        return bucket

    return Lease(
        connect,
        BucketSpec("cluster", 1),
        ME,
        on_lost=lambda: lost.append("lost"),
        valid_s=valid_s,
        renew_s=0.02,
        threaded=False,
    )


def broken(error: Exception) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0.005)


async def test_a_renewed_lease_stays_valid() -> None:
    bucket, lost = OneKey(), list[str]()
    mine = lease(bucket, lost)
    assert not mine.valid
    await mine.start()
    for _ in range(30):
        assert mine.valid
        await asyncio.sleep(0.02)
    await mine.stop()
    assert not mine.valid
    assert (bucket.data, lost) == (REVOKED, [])


async def test_a_revoked_lease_ends_at_once_and_for_ever() -> None:
    bucket, lost = OneKey(), list[str]()
    mine = lease(bucket, lost, valid_s=60)
    await mine.start()
    await bucket.put(KEY, REVOKED)
    await until(lambda: lost)
    assert (mine.valid, mine.revoked, lost) == (False, True, ["lost"])
    await asyncio.sleep(0.1)
    assert bucket.data == REVOKED
    await mine.stop(release=False)


async def test_a_lease_that_cannot_be_renewed_runs_out_and_is_taken_up_again() -> None:
    bucket, lost = OneKey(), list[str]()
    mine = lease(bucket, lost)
    await mine.start()
    bucket.before = broken(Unavailable("kv", "cut"))
    await until(lambda: not mine.valid)
    assert not mine.revoked
    bucket.before = lambda: None
    await until(lambda: mine.valid)
    assert lost == []
    await mine.stop()


async def test_a_renewal_that_was_stored_without_an_answer_loses_nothing() -> None:
    bucket, lost = OneKey(), list[str]()
    mine = lease(bucket, lost)
    await mine.start()
    bucket.after = broken(OutcomeUnknown())
    seen = bucket.revision
    await until(lambda: bucket.revision > seen + 2)
    bucket.after = lambda: None
    await until(lambda: mine.valid)
    assert (mine.revoked, lost) == (False, [])
    await mine.stop()


async def test_nobody_starts_before_a_lease_is_really_held() -> None:
    bucket, lost = OneKey(), list[str]()
    mine = lease(bucket, lost)
    bucket.before = broken(Unavailable("kv", "cut"))
    starting = asyncio.create_task(mine.start())
    await asyncio.sleep(0.15)
    assert not starting.done()
    bucket.before = lambda: None
    await starting
    assert mine.valid
    await mine.stop()


async def test_it_counts_from_when_the_renewal_was_sent() -> None:
    bucket, lost = OneKey(), list[str]()
    mine = lease(bucket, lost, valid_s=0.5)
    await mine.start()
    sent: list[float] = []
    bucket.before = lambda: sent.append(boottime())
    await until(lambda: sent)
    bucket.before = broken(Unavailable("kv", "cut"))
    await until(lambda: not mine.valid)
    assert boottime() >= sent[-1] + 0.45
    assert mine._until <= sent[-1] + 0.5
    await mine.stop(release=False)


# --- who holds it ----------------------------------------


def test_a_holder_comes_back_from_its_bytes() -> None:
    assert Holder.decode(ME.encode()) == ME


def test_a_living_process_is_not_known_dead() -> None:
    assert ME.same_machine()
    assert not ME.known_dead()


def test_a_process_that_is_gone_is_known_dead_also_while_it_is_a_zombie() -> None:
    child = subprocess.Popen(["sleep", "60"])
    started = process_started(child.pid)
    assert started is not None
    other = replace(ME, pid=child.pid, started=started)
    assert not other.known_dead()
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert other.known_dead()
    child.wait()
    assert other.known_dead()


def test_another_process_under_the_same_number_does_not_count() -> None:
    assert replace(ME, started=ME.started - 1).known_dead()


@pytest.mark.parametrize("change", [{"boot": "another boot"}, {"pid_space": "pid:[1]"}])
def test_nothing_is_known_of_processes_elsewhere(change: dict[str, str]) -> None:
    far = replace(ME, started=0, **change)  # type: ignore[arg-type]
    assert not far.same_machine()
    assert not far.known_dead()


def test_the_clock_of_leases_runs_on() -> None:
    assert 0 < boottime() <= boottime()
