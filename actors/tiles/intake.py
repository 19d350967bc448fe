"""A follower with a bounded queue.

One law: a reader that is slower than the stream costs a bounded amount of memory, because what it
cannot hold is left in the stream and asked for again.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable

from holodeck.broker.port import Follower, Log, Record


class Intake:
    """Records of a stream, in order, pulled at the reader's own pace.

    Attributes:
        gaps: how often the follower found deliveries missing.
    """

    def __init__(
        self,
        log: Log,
        subjects: str,
        name: str,
        ready: Callable[[], None],
        bound: int = 16_384,
        *,
        durable: bool = False,
    ) -> None:
        """
        Args:
            name: what the consumer's name begins with, or if it is durable is; a single token.
            ready: called when there is something to :meth:`pop` again, or to :meth:`refill`.
            bound: how many records may wait here.
            durable: as in :meth:`~holodeck.broker.port.Log.follow`.
        """
        self._durable = durable
        self._log, self._subjects, self._name, self._ready = log, subjects, name, ready
        self._bound = bound
        self._queue: deque[Record] = deque()
        self._follower: Follower | None = None
        self._full = False
        self._after = 0
        self._gaps = 0

    @property
    def gaps(self) -> int:
        return self._gaps + (self._follower.gaps if self._follower is not None else 0)

    @property
    def lag(self) -> int:
        """Records not popped yet, as far as the broker has told."""
        follower = self._follower
        if follower is None:
            return len(self._queue)
        return len(self._queue) + max(0, follower.pending, follower.position - self._after)

    async def open(self, after: int) -> None:
        """Begins behind ``after``.

        Raises:
            Unavailable, BrokerError: the stream cannot be followed now.
        """
        self._queue.clear()
        self._after = after
        self._full = False
        await self._follow()

    def pop(self) -> Record | None:
        """The next record; None if none waits here."""
        return self._queue.popleft() if self._queue else None

    async def refill(self) -> None:
        """Follows again once half the queue is free; call it whenever it may be.

        Raises:
            Unavailable, BrokerError: the stream cannot be followed now.
        """
        if self._full and len(self._queue) <= self._bound // 2:
            await self._drop()
            self._full = False
            await self._follow()

    async def close(self) -> None:
        await self._drop()
        self._queue.clear()

    async def _follow(self) -> None:
        self._follower = await self._log.follow(
            self._subjects,
            self._take,
            after=self._after,
            name=self._name if self._durable else f"{self._name}-{secrets.token_hex(6)}",
            durable=self._durable,
        )

    async def _drop(self) -> None:
        follower, self._follower = self._follower, None
        self._full = True  # whatever still arrives is not taken
        if follower is not None:
            self._gaps += follower.gaps
            await follower.stop()

    def _take(self, record: Record) -> None:
        if self._full:
            return
        self._queue.append(record)
        self._after = record.sequence
        self._full = len(self._queue) >= self._bound
        if self._full or len(self._queue) == 1:
            self._ready()
