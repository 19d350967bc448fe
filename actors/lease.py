"""The lease: a host's right to answer.

One law: whoever answers holds a lease that ran no longer than its validity since its renewal was
*sent*, on a clock that also runs while the process is stopped. It is renewed by compare-and-set,
so that once the supervisor has revoked it, no renewal of that incarnation can ever succeed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache
from typing import Final

import structlog

from holodeck.broker.port import Broker, Bucket
from holodeck.broker.streams import BucketSpec
from holodeck.messages.codec import pack, unpack
from holodeck.messages.errors import HolodeckError, LostFence, TransientError

log = structlog.get_logger("holodeck.lease")

REVOKED: Final = b"revoked"
"""What stands in place of a lease that is over: taken away, or given up by its holder."""


def boottime() -> float:
    """Seconds since boot, counting the time the process or the machine was stopped."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def lease_key(incarnation: str) -> str:
    return f"lease.{incarnation}"


def incarnation_of(key: str) -> str:
    """Whose lease a key is."""
    return key.removeprefix("lease.")


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lease, with what is needed to see from outside that its process is gone.

    Attributes:
        boot: the machine's boot id; pid_space: its pid namespace; started: the process's start
            in clock ticks since boot. Together with ``pid`` they name one process for ever.
    """

    incarnation: str
    host: str
    node: str
    pid: int
    boot: str
    pid_space: str
    started: int

    def encode(self) -> bytes:
        return pack(
            [
                self.incarnation,
                self.host,
                self.node,
                self.pid,
                self.boot,
                self.pid_space,
                self.started,
            ]
        )

    @staticmethod
    def decode(data: bytes) -> Holder:
        return Holder(*unpack(data))

    def same_machine(self) -> bool:
        """Whether its pid means something here."""
        return (self.boot, self.pid_space) == (_boot_id(), _pid_space())

    def known_dead(self) -> bool:
        """Whether this machine can see that the process is gone. False: alive, or elsewhere."""
        if not self.same_machine():
            return False
        return process_started(self.pid) != self.started


def process_started(pid: int) -> int | None:
    """When a process was started, in clock ticks since boot; None if it is gone or a zombie."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in ("Z", "X") else int(fields[19])


@cache
def _boot_id() -> str:
    with contextlib.suppress(OSError), open("/proc/sys/kernel/random/boot_id") as file:
        return file.read().strip()
    return ""


@cache
def _pid_space() -> str:
    with contextlib.suppress(OSError):
        return os.readlink("/proc/self/ns/pid")
    return ""


def holder(incarnation: str, host: str, node: str) -> Holder:
    """This process as a holder."""
    pid = os.getpid()
    return Holder(incarnation, host, node, pid, _boot_id(), _pid_space(), process_started(pid) or 0)


class Lease:
    """Keeps one incarnation's lease.

    Args:
        connect: opens a connection of the lease's own.
        valid_s: how long one renewal holds, seconds.
        renew_s: how often it is renewed, seconds.
        threaded: renew from a thread with its own event loop, so that a busy loop does not lose
            the lease. False (in-process brokers, tests): a task of the running loop.
        on_lost: called on the loop that called :meth:`start`, once, when it was revoked.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[Broker]],
        bucket: BucketSpec,
        me: Holder,
        *,
        on_lost: Callable[[], None],
        valid_s: float = 2.0,
        renew_s: float = 0.5,
        threaded: bool = True,
    ) -> None:
        self._connect = connect
        self._spec = bucket
        self._me = me
        self._on_lost = on_lost
        self._valid_s = valid_s
        self._renew_s = renew_s
        self._threaded = threaded
        self._until = 0.0
        self._revision = 0
        self._stopping = False
        self.revoked = False
        self.losses = 0
        self._thread: threading.Thread | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def valid(self) -> bool:
        """Whether this incarnation may answer right now."""
        return boottime() < self._until

    async def start(self) -> None:
        """Returns once the first lease is held.

        Raises:
            TransientError: the broker did not grant it in 10 s.
        """
        loop = asyncio.get_running_loop()
        held: asyncio.Future[None] = loop.create_future()

        def granted(error: BaseException | None) -> None:
            if not held.done():
                if error is None:
                    held.set_result(None)
                else:
                    held.set_exception(error)

        def lost() -> None:
            loop.call_soon_threadsafe(self._on_lost)

        def tell(error: BaseException | None) -> None:
            loop.call_soon_threadsafe(granted, error)

        if self._threaded:
            self._thread = threading.Thread(
                target=lambda: asyncio.run(self._keep(tell, lost)), name="lease", daemon=True
            )
            self._thread.start()
        else:
            self._task = asyncio.create_task(self._keep(tell, lost))
        async with asyncio.timeout(10):
            await held

    async def _keep(
        self, tell: Callable[[BaseException | None], None], lost: Callable[[], None]
    ) -> None:
        try:
            broker = await self._connect()
        except HolodeckError as error:
            tell(error)
            return
        told = False
        try:
            bucket = broker.bucket(self._spec)
            while not self._stopping:
                try:
                    await self._renew(bucket)
                except LostFence:
                    self.revoked, self._until = True, 0.0
                    log.warning("lease.revoked", incarnation=self._me.incarnation)
                    lost()
                    return
                except TransientError as error:
                    log.warning("lease.renewal-failed", reason=str(error))
                else:
                    if not told and self.valid:
                        told = True
                        tell(None)
                await asyncio.sleep(self._renew_s)
            if not self.revoked:
                # Not deleted: who watches hears of a value at once, of a missing one by looking.
                with contextlib.suppress(TransientError):
                    await bucket.put(lease_key(self._me.incarnation), REVOKED, after=self._revision)
        finally:
            await broker.close(discard=True)

    async def _renew(self, bucket: Bucket) -> None:
        key = lease_key(self._me.incarnation)
        if self._until and boottime() >= self._until:
            self.losses += 1
        sent = boottime()
        try:
            async with asyncio.timeout(self._valid_s):
                self._revision = await bucket.put(key, self._me.encode(), after=self._revision)
        except (TransientError, TimeoutError) as error:
            # Perhaps it was stored and the answer was lost: look whose value stands there.
            entry = await bucket.get(key)
            if entry is None and self._revision == 0:
                return
            if entry is None or entry.data != self._me.encode():
                raise LostFence(entry.revision if entry else 0) from error
            self._revision = entry.revision
            return
        self._until = sent + self._valid_s

    async def stop(self, *, release: bool = True) -> None:
        """Gives the lease up (or, without ``release``, just stops renewing it)."""
        self._stopping = True
        if not release:
            self.revoked = True
        self._until = 0.0
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, 5.0)
        if self._task is not None:
            await asyncio.wait([self._task], timeout=5.0)
