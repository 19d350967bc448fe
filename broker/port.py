"""How messages travel: the ports that every broker adapter fills.

One law: actors know these Protocols and nothing of NATS. Everything that happens often is a plain
call with a plain callback (``post`` queues, ``append`` returns a future); only what happens seldom
is a coroutine. All callbacks run on the event loop the broker was opened on and must not block.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from holodeck.broker.streams import BucketSpec, Mismatch, StreamSpec

Headers = Mapping[str, str]


class Delivery(NamedTuple):
    """One message as it arrived on a core subject.

    Attributes:
        reply: where an answer is awaited; empty when nobody waits.
        headers: None when the message had none.
    """

    subject: str
    data: bytes
    reply: str = ""
    headers: Headers | None = None


class Record(NamedTuple):
    """One stored message of a stream.

    Attributes:
        sequence: its place in the stream, from 1.
        headers: empty when it had none. ``data`` is empty when only headers were asked for.
    """

    subject: str
    sequence: int
    data: bytes
    headers: Headers


class Entry(NamedTuple):
    """One value of a key-value bucket.

    Attributes:
        revision: what a compare-and-set of this key has to name.
    """

    key: str
    revision: int
    data: bytes
    headers: Headers


class Subscription(Protocol):
    """A live interest in a subject."""

    async def stop(self) -> None:
        """Ends the interest; nothing is delivered after it returns."""
        ...


class Follower(Protocol):
    """A reader that is handed every record of a stream, in order, none left out.

    Attributes:
        position: sequence of the last record handed to the handler (or skipped as not matching).
        gaps: how often it found deliveries missing and opened a new consumer.
        pending: how many records the broker still had to deliver at the last delivery, or, before
            the first one, when the reader was opened.
    """

    position: int
    gaps: int
    pending: int

    async def stop(self) -> None: ...


class Log(Protocol):
    """One stream: an ordered, fenced log."""

    @property
    def name(self) -> str: ...

    def append(
        self,
        subject: str,
        data: bytes,
        *,
        after: int | None = None,
        over: str | None = None,
        headers: Headers | None = None,
    ) -> asyncio.Future[int]:
        """Stores ``data``; the future gives the new sequence.

        Args:
            after: store only if the last sequence among the subjects that ``over`` matches is
                this (0: none there yet). None: no fence.
            over: subject filter the fence looks over, wildcards allowed; None with ``after``
                set: the whole stream.

        The future raises:
            LostFence: somebody else wrote since ``after``.
            StoreFull: the stream is at its limit.
            OutcomeUnknown: no answer in time; read the tail before deciding.
            BrokerError: refused for another reason (too large, no such stream).
        """
        ...

    def append_run(
        self, records: Sequence[tuple[str, bytes, Headers]], *, after: int
    ) -> asyncio.Future[int]:
        """Stores records one behind the other; the future answers for the last and so for all.

        The k-th is stored at the sequence ``after + k`` or not at all (each is fenced over the
        whole stream), so the answer for the last says that every place up to it is taken. That
        suffices for writers that agree on what belongs into each place; one answer for a run
        costs the broker little more than its records. The future raises as :meth:`append` does;
        how many were stored is then unknown.

        Args:
            records: subject, data and headers of each; at least one.
            after: the stream's last sequence before the first.
        """
        ...

    async def tail(self, subjects: str, after: int) -> list[Record]:
        """Every record that ``subjects`` matches with a sequence above ``after``.

        Read from the stream's leader, so it sees every acknowledged append. For short tails.

        Raises:
            Unavailable: the broker does not answer.
        """
        ...

    def read(
        self,
        subjects: str,
        *,
        after: int = 0,
        upto: int | None = None,
        headers_only: bool = False,
        last_per_subject: bool = False,
    ) -> AsyncIterator[Record]:
        """Every record present now that ``subjects`` matches, in order; ends at the end.

        Args:
            upto: stop behind this sequence.
        """
        ...

    async def get(self, sequence: int) -> Record | None:
        """The record at ``sequence``; None if there is none (any more)."""
        ...

    async def last(self, subjects: str) -> Record | None:
        """The newest record that ``subjects`` matches, from the leader; None if there is none."""
        ...

    async def end(self) -> int:
        """The stream's last sequence, 0 when nothing was ever stored."""
        ...

    async def delete(self, sequence: int, *, overwrite: bool = True) -> None:
        """Removes one record; with ``overwrite`` its bytes too. Missing: no error."""
        ...

    async def purge(self, subjects: str | None = None, *, below: int | None = None) -> int:
        """Removes matching records with a sequence below ``below``; returns how many."""
        ...

    async def follow(
        self,
        subjects: str,
        handler: Callable[[Record], None],
        *,
        after: int,
        name: str,
        window: int = 2048,
        durable: bool = False,
    ) -> Follower:
        """Hands every record above ``after`` to ``handler``, then waits for more, for ever.

        Complete and in order whatever happens to connections or the server: a gap in the
        consumer's own numbering opens a new consumer behind the last record handled.

        Args:
            name: a unique name for this reader, a single token (it names the consumer).
            window: how many records may be on their way unacknowledged.
            durable: the broker keeps the consumer under ``name`` when its reader is gone, so
                that whoever looks sees how far it is behind. The next reader of that name begins
                it anew at its own ``after``; of two at a time the later one has it.
        """
        ...

    async def size(self) -> tuple[int, int]:
        """Bytes stored and the limit in bytes (-1: none)."""
        ...


class Bucket(Protocol):
    """A key-value bucket: the newest value per key, with compare-and-set."""

    @property
    def name(self) -> str: ...

    def put(
        self, key: str, data: bytes, *, after: int | None = None, headers: Headers | None = None
    ) -> asyncio.Future[int]:
        """Stores a value; the future gives the new revision. Values of any size are taken.

        Args:
            after: the revision that must be the newest (0: the key must not exist). None: any.

        The future raises as :meth:`Log.append` does.
        """
        ...

    async def get(self, key: str) -> Entry | None:
        """The newest value; None if there is none. ``key`` is literal."""
        ...

    def scan(self, keys: str, *, headers_only: bool = False) -> AsyncIterator[Entry]:
        """Every present entry whose key the filter ``keys`` matches (``*``, ``>``)."""
        ...

    async def delete(self, key: str, *, after: int | None = None) -> None:
        """Removes the key and its history, if its newest revision is ``after``.

        Raises:
            LostFence: ``after`` is given and not the newest.
        """
        ...

    async def erase(self, key: str) -> int:
        """Removes whatever stands under the key, its bytes too; returns how many values.

        For values that were never overwritten: bytes of those that were go with :meth:`renew`.
        """
        ...

    async def renew(self) -> int:
        """Writes every value anew, so that nothing is left in the store's files of what was
        overwritten or deleted before; returns how many.

        Each value gets a new revision, in the order of the old ones. What others write meanwhile
        wins; whoever names an old revision is told LostFence and has to look.
        """
        ...

    async def watch(self, keys: str, handler: Callable[[Entry], None]) -> Subscription:
        """Tells of every put from now on (not of deletes), at most once: poll as well."""
        ...


class Broker(Protocol):
    """One connection to a broker, with everything that goes over it.

    Attributes:
        server_id: which run of which server this connection talks to; changes when it restarts.
    """

    @property
    def server_id(self) -> str: ...

    @property
    def connected(self) -> bool: ...

    @property
    def max_payload(self) -> int:
        """The largest message in bytes."""
        ...

    def post(
        self, subject: str, data: bytes, *, reply: str = "", headers: Headers | None = None
    ) -> None:
        """Queues a message to be sent; never blocks, never raises for a lost connection."""
        ...

    async def request(
        self,
        subject: str,
        data: bytes,
        *,
        timeout: float,  # noqa: ASYNC109 - a reply's deadline, not a cancel scope
        headers: Headers | None = None,
    ) -> Delivery:
        """Sends and awaits one answer, ``timeout`` in seconds.

        Raises:
            NoResponder: nobody listens on the subject.
            Unavailable: no answer in time, or the connection is down.
        """
        ...

    async def subscribe(
        self, subject: str, handler: Callable[[Delivery], None], *, queue: str = ""
    ) -> Subscription: ...

    def log(self, spec: StreamSpec) -> Log: ...

    def bucket(self, spec: BucketSpec) -> Bucket: ...

    async def declare(
        self, streams: Sequence[StreamSpec], buckets: Sequence[BucketSpec]
    ) -> list[Mismatch]:
        """Creates what is missing; what exists is compared and never changed.

        Returns:
            every setting that differs from its spec, empty when all is as declared.
        """
        ...

    def on_reconnect(self, handler: Callable[[], None]) -> None:
        """Calls ``handler`` each time the connection was lost and is back."""
        ...

    async def flush(self) -> None:
        """Returns when everything posted so far has reached the server.

        Raises:
            Unavailable: the connection is down.
        """
        ...

    async def close(self, *, discard: bool = False) -> None:
        """Ends the connection; with ``discard`` what is still queued is thrown away."""
        ...
