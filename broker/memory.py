"""The broker port within one process, for tests and for programs that need nothing durable.

One law: what a program may rely on is the same here as over NATS: fences, limits, order, and that
nothing is ever delivered inside the call that caused it (all delivery goes through the event
loop). What is stored lives as long as the :class:`MemoryServer`.
"""

from __future__ import annotations

import asyncio
import bisect
import itertools
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog

from holodeck.broker.port import Delivery, Entry, Follower, Headers, Record, Subscription
from holodeck.broker.streams import BucketSpec, Mismatch, StreamSpec
from holodeck.messages.errors import (
    BrokerError,
    ContractError,
    LostFence,
    NoResponder,
    OutcomeUnknown,
    StoreFull,
    Unavailable,
)

log = structlog.get_logger("holodeck.broker")

_MAX_PAYLOAD: Final = 1024 * 1024
_OVERHEAD: Final = 22
"""Bytes a record takes beside its subject, headers and data; about what nats-server counts."""


def matches(pattern: str, subject: str) -> bool:
    """Whether a subject filter with ``*`` (one token) and ``>`` (one or more) takes a subject."""
    if pattern == subject:
        return True
    if "*" not in pattern and not pattern.endswith(">"):
        return False
    wanted, tokens = pattern.split("."), subject.split(".")
    if wanted[-1] == ">":
        head = wanted[:-1]
        if len(tokens) <= len(head):
            return False
        return all(w in ("*", t) for w, t in zip(head, tokens, strict=False))
    return len(wanted) == len(tokens) and all(
        w in ("*", t) for w, t in zip(wanted, tokens, strict=True)
    )


@dataclass(slots=True)
class _Stream:
    """What is stored in one stream.

    Attributes:
        sequences: of all present records, rising.
        newest: the last sequence by subject, and by every leading part of a subject with a dot
            behind it, so that a fence over ``a.b.>`` costs nothing; -1 where a removal made it
            unknown.
    """

    spec: StreamSpec
    one_per_subject: bool = False
    records: dict[int, Record] = field(default_factory=dict)
    sequences: list[int] = field(default_factory=list)
    newest: dict[str, int] = field(default_factory=dict)
    last_sequence: int = 0
    size: int = 0
    followers: list[_Follower] = field(default_factory=list)

    def last_of(self, subjects: str | None) -> int:
        """The last sequence among the subjects that the filter takes; None: of the stream."""
        if subjects is None:
            return self.last_sequence
        front = subjects[:-1] if subjects.endswith(".>") else subjects
        if "*" in front or front == ">":
            return self._search(lambda subject: matches(subjects, subject))
        last = self.newest.get(front, 0)
        if last < 0:
            last = self._search(lambda subject: matches(subjects, subject))
            self.newest[front] = last
        return last

    def _search(self, wanted: Callable[[str], bool]) -> int:
        for sequence in reversed(self.sequences):
            if wanted(self.records[sequence].subject):
                return sequence
        return 0

    def store(self, subject: str, data: bytes, headers: Headers) -> int:
        size = _weight(subject, data, headers)
        old = self.last_of(subject) if self.one_per_subject else 0
        freed = 0
        if old:
            gone = self.records[old]
            freed = _weight(gone.subject, gone.data, gone.headers)
        if 0 <= self.spec.max_bytes < self.size - freed + size:
            raise StoreFull("maximum bytes exceeded")
        if old:
            self.remove(old)
        self.last_sequence += 1
        sequence = self.last_sequence
        record = Record(subject, sequence, data, headers)
        self.records[sequence] = record
        self.sequences.append(sequence)
        for front in _fronts(subject):
            self.newest[front] = sequence
        self.size += size
        for follower in self.followers:
            follower.wake()
        return sequence

    def remove(self, sequence: int) -> None:
        record = self.records.pop(sequence, None)
        if record is None:
            return
        del self.sequences[bisect.bisect_left(self.sequences, sequence)]
        self.size -= _weight(record.subject, record.data, record.headers)
        for front in _fronts(record.subject):
            if self.newest.get(front) == sequence:
                self.newest[front] = -1

    def above(self, after: int) -> list[int]:
        return self.sequences[bisect.bisect_right(self.sequences, after) :]


def _fronts(subject: str) -> list[str]:
    """``a.b.c`` as ``a.``, ``a.b.`` and ``a.b.c`` itself."""
    fronts, at = [subject], subject.find(".")
    while at >= 0:
        fronts.append(subject[: at + 1])
        at = subject.find(".", at + 1)
    return fronts


def _weight(subject: str, data: bytes, headers: Headers) -> int:
    size = _OVERHEAD + len(subject) + len(data)
    if headers:
        size += 16 + sum(len(k) + len(v) + 4 for k, v in headers.items())
    return size


class MemoryServer:
    """What several :class:`MemoryBroker` share, as clients share a server."""

    def __init__(self, *, max_payload: int = _MAX_PAYLOAD) -> None:
        self.server_id = secrets.token_hex(8)
        self.max_payload = max_payload
        self._streams: dict[str, _Stream] = {}
        self._subs: dict[str, list[_Sub]] = {}
        self._wild: list[_Sub] = []
        self._turn = itertools.count()

    def _add(self, sub: _Sub) -> None:
        wild = "*" in sub.subject or sub.subject.endswith(">")
        (self._wild if wild else self._subs.setdefault(sub.subject, [])).append(sub)

    def _discard(self, sub: _Sub) -> None:
        if sub in self._wild:
            self._wild.remove(sub)
        exact = self._subs.get(sub.subject)
        if exact is not None and sub in exact:
            exact.remove(sub)
            if not exact:
                del self._subs[sub.subject]

    def _deliver(self, delivery: Delivery) -> int:
        """Hands a message to its listeners (one of each queue); returns how many there are."""
        subs = [*self._subs.get(delivery.subject, ())]
        subs += [sub for sub in self._wild if matches(sub.subject, delivery.subject)]
        queues: dict[str, list[_Sub]] = {}
        for sub in subs:
            if sub.queue:
                queues.setdefault(sub.queue, []).append(sub)
            else:
                sub.take(delivery)
        for members in queues.values():
            members[next(self._turn) % len(members)].take(delivery)
        return len(subs)

    def _stream_for(self, subject: str) -> _Stream | None:
        for stream in self._streams.values():
            if any(matches(pattern, subject) for pattern in stream.spec.subjects):
                return stream
        return None

    def _post(self, delivery: Delivery) -> None:
        """A message as it reaches the server: to listeners, and into a stream that takes it."""
        self._deliver(delivery)
        stream = self._stream_for(delivery.subject)
        if stream is not None:
            try:
                stream.store(delivery.subject, delivery.data, dict(delivery.headers or {}))
            except StoreFull as error:
                log.warning("post not stored", subject=delivery.subject, error=str(error))


class _Sub:
    def __init__(
        self,
        broker: MemoryBroker,
        subject: str,
        queue: str,
        handler: Callable[[Delivery], None],
    ) -> None:
        self._broker, self.subject, self.queue, self._handler = broker, subject, queue, handler
        self._alive = True

    def take(self, delivery: Delivery) -> None:
        self._broker._loop.call_soon(self._run, delivery)

    def _run(self, delivery: Delivery) -> None:
        if not self._alive:
            return
        try:
            self._handler(delivery)
        except Exception:
            log.exception("handler failed", subject=delivery.subject)

    async def stop(self) -> None:
        self._end()

    def _end(self) -> None:
        self._alive = False
        self._broker._server._discard(self)
        self._broker._subs.discard(self)


class MemoryBroker:
    """:class:`~holodeck.broker.port.Broker` over a :class:`MemoryServer` of this process."""

    def __init__(self, server: MemoryServer | None = None) -> None:
        self._server = server or MemoryServer()
        self._loop = asyncio.get_running_loop()
        self._closed = False
        self._subs: set[_Sub] = set()
        self._followers: set[_Follower] = set()
        self._waiting: set[asyncio.Future[Delivery]] = set()
        self._reconnected: list[Callable[[], None]] = []
        self._out: list[tuple[Callable[[], None], asyncio.Future[int] | None]] = []

    @property
    def server_id(self) -> str:
        return self._server.server_id

    @property
    def connected(self) -> bool:
        return not self._closed

    @property
    def max_payload(self) -> int:
        return self._server.max_payload

    def on_reconnect(self, handler: Callable[[], None]) -> None:
        self._reconnected.append(handler)

    def reconnect(self) -> None:
        """Tells the :meth:`on_reconnect` handlers, as if the connection had been lost."""
        for handler in self._reconnected:
            self._loop.call_soon(handler)

    def _send(self, action: Callable[[], None], promise: asyncio.Future[int] | None = None) -> None:
        """Does ``action`` at the server a moment later, in the order of sending."""
        if not self._out:
            self._loop.call_soon(self._drain)
        self._out.append((action, promise))

    def _drain(self) -> None:
        out, self._out = self._out, []
        for action, promise in out:
            # Given up while it waited: must not happen any more.
            if promise is None or not promise.done():
                action()

    def post(
        self, subject: str, data: bytes, *, reply: str = "", headers: Headers | None = None
    ) -> None:
        if self._closed:
            return
        if len(data) > self.max_payload:
            log.error("message not sent", subject=subject, error="too large")
            return
        delivery = Delivery(subject, data, reply, dict(headers) if headers else None)
        self._send(lambda: self._server._post(delivery))

    async def request(
        self,
        subject: str,
        data: bytes,
        *,
        timeout: float,  # noqa: ASYNC109
        headers: Headers | None = None,
    ) -> Delivery:
        if self._closed:
            raise Unavailable(subject, "this connection is closed")
        if len(data) > self.max_payload:
            raise BrokerError("request", f"over the limit of {self.max_payload} bytes")
        inbox = f"_INBOX.{secrets.token_hex(8)}"
        future: asyncio.Future[Delivery] = self._loop.create_future()

        def answered(delivery: Delivery) -> None:
            if not future.done():
                future.set_result(delivery)

        def send() -> None:
            sent = Delivery(subject, data, inbox, dict(headers) if headers else None)
            if not self._server._deliver(sent) and not future.done():
                future.set_exception(NoResponder(subject))

        sub = _Sub(self, inbox, "", answered)
        self._server._add(sub)
        self._waiting.add(future)
        self._send(send)
        try:
            async with asyncio.timeout(timeout):
                return await future
        except TimeoutError as error:
            raise Unavailable(subject, f"no answer within {timeout:g} s") from error
        finally:
            self._waiting.discard(future)
            await sub.stop()

    async def subscribe(
        self, subject: str, handler: Callable[[Delivery], None], *, queue: str = ""
    ) -> Subscription:
        if self._closed:
            raise Unavailable(subject, "this connection is closed")
        sub = _Sub(self, subject, queue, handler)
        self._subs.add(sub)
        self._server._add(sub)
        return sub

    def log(self, spec: StreamSpec) -> MemoryLog:
        return MemoryLog(self, spec.name)

    def bucket(self, spec: BucketSpec) -> MemoryBucket:
        return MemoryBucket(self, spec.name)

    async def declare(
        self, streams: Sequence[StreamSpec], buckets: Sequence[BucketSpec]
    ) -> list[Mismatch]:
        wanted = [(spec, False) for spec in streams]
        wanted += [(_bucket_stream(spec), True) for spec in buckets]
        found: list[Mismatch] = []
        for spec, one_per_subject in wanted:
            stream = self._server._streams.get(spec.name)
            if stream is None:
                self._server._streams[spec.name] = _Stream(spec, one_per_subject)
                continue
            actual = stream.spec
            for setting, expected, is_ in (
                ("subjects", list(spec.subjects), list(actual.subjects)),
                ("storage", spec.storage, actual.storage),
                ("max_bytes", spec.max_bytes, actual.max_bytes),
                ("max_age", spec.max_age_s, actual.max_age_s),
                ("num_replicas", spec.replicas, actual.replicas),
            ):
                if expected != is_:
                    found.append(Mismatch(spec.name, setting, str(expected), str(is_)))
        await asyncio.sleep(0)
        return found

    async def flush(self) -> None:
        if self._closed:
            raise Unavailable("flush", "this connection is closed")
        done = asyncio.Event()
        self._send(done.set)
        await done.wait()

    async def close(self, *, discard: bool = False) -> None:
        if self._closed:
            return
        if discard:
            for _, promise in self._out:
                if promise is not None:
                    _fail(promise, OutcomeUnknown("the connection was closed"))
            self._out.clear()
        else:
            await self.flush()
        self._closed = True
        for sub in tuple(self._subs):
            sub._end()
        for follower in tuple(self._followers):
            follower._end()
        for future in self._waiting:
            if not future.done():
                future.set_exception(Unavailable("request", "the connection was closed"))


def _bucket_stream(spec: BucketSpec) -> StreamSpec:
    return StreamSpec(
        f"KV_{spec.name}",
        (f"$KV.{spec.name}.>",),
        spec.max_bytes,
        replicas=spec.replicas,
        storage=spec.storage,
    )


class MemoryLog:
    """One stream in memory; see :class:`~holodeck.broker.port.Log`."""

    def __init__(self, broker: MemoryBroker, name: str) -> None:
        self._broker, self._name = broker, name

    @property
    def name(self) -> str:
        return self._name

    def _stream(self, operation: str) -> _Stream:
        if self._broker._closed:
            raise Unavailable(operation, "this connection is closed")
        stream = self._broker._server._streams.get(self._name)
        if stream is None:
            raise BrokerError(operation, "stream not found", 10059)
        return stream

    def append_run(
        self, records: Sequence[tuple[str, bytes, Headers]], *, after: int
    ) -> asyncio.Future[int]:
        for place, (subject, data, headers) in enumerate(records):
            last = self.append(subject, data, after=after + place, headers=headers)
            # Only the last one's answer is looked at: it fails with any before it.
            last.add_done_callback(_looked_at)
        return last

    def append(
        self,
        subject: str,
        data: bytes,
        *,
        after: int | None = None,
        over: str | None = None,
        headers: Headers | None = None,
    ) -> asyncio.Future[int]:
        broker = self._broker
        future: asyncio.Future[int] = broker._loop.create_future()
        kept = dict(headers) if headers else {}

        def refuse(error: Exception) -> None:
            _fail(future, error)

        def store() -> None:
            if broker._server._stream_for(subject) is not stream:
                refuse(BrokerError("append", "no stream takes this subject", 503))
                return
            # Listeners hear what is published before anyone knows whether it is stored.
            broker._server._deliver(Delivery(subject, data, "", kept or None))
            if after is not None:
                last = stream.last_of(over)
                if last != after:
                    refuse(LostFence(last))
                    return
            try:
                sequence = stream.store(subject, data, kept)
            except StoreFull as error:
                refuse(error)
                return
            if not future.done():
                future.set_result(sequence)

        if broker._closed:
            refuse(BrokerError("append", "this connection is closed"))
        elif len(data) > broker.max_payload:
            refuse(BrokerError("append", f"over the limit of {broker.max_payload} bytes", 10054))
        elif self._name not in broker._server._streams:
            refuse(BrokerError("append", "no stream takes this subject", 503))
        else:
            stream = broker._server._streams[self._name]
            broker._send(store, future)
        return future

    async def tail(self, subjects: str, after: int) -> list[Record]:
        await asyncio.sleep(0)
        stream = self._stream("tail")
        records = (stream.records[n] for n in stream.above(after))
        return [record for record in records if matches(subjects, record.subject)]

    async def read(
        self,
        subjects: str,
        *,
        after: int = 0,
        upto: int | None = None,
        headers_only: bool = False,
        last_per_subject: bool = False,
    ) -> AsyncIterator[Record]:
        await asyncio.sleep(0)
        stream = self._stream("read")
        for sequence in stream.above(after):
            if upto is not None and sequence > upto:
                return
            record = stream.records.get(sequence)
            if record is None or not matches(subjects, record.subject):
                continue
            if last_per_subject and stream.last_of(record.subject) != sequence:
                continue
            if headers_only:
                record = Record(record.subject, sequence, b"", record.headers)
            yield record

    async def get(self, sequence: int) -> Record | None:
        await asyncio.sleep(0)
        return self._stream("get").records.get(sequence)

    async def last(self, subjects: str) -> Record | None:
        await asyncio.sleep(0)
        stream = self._stream("last")
        return stream.records.get(stream.last_of(subjects))

    async def end(self) -> int:
        await asyncio.sleep(0)
        return self._stream("end").last_sequence

    async def delete(self, sequence: int, *, overwrite: bool = True) -> None:
        await asyncio.sleep(0)
        self._stream("delete").remove(sequence)

    async def purge(self, subjects: str | None = None, *, below: int | None = None) -> int:
        await asyncio.sleep(0)
        stream = self._stream("purge")
        gone = [
            n
            for n in stream.sequences
            if (below is None or n < below)
            and (subjects is None or matches(subjects, stream.records[n].subject))
        ]
        for sequence in gone:
            stream.remove(sequence)
        return len(gone)

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
        stream = self._stream("follow")
        follower = _Follower(self._broker, stream, subjects, handler, after)
        stream.followers.append(follower)
        self._broker._followers.add(follower)
        follower.wake()
        return follower

    async def size(self) -> tuple[int, int]:
        await asyncio.sleep(0)
        stream = self._stream("size")
        return stream.size, stream.spec.max_bytes


class _Follower:
    def __init__(
        self,
        broker: MemoryBroker,
        stream: _Stream,
        subjects: str,
        handler: Callable[[Record], None],
        after: int,
    ) -> None:
        sequences = stream.sequences
        self.position, self.gaps = after, 0
        self.pending = len(sequences) - bisect.bisect_right(sequences, after)
        self._broker, self._stream, self._subjects, self._handler = (
            broker,
            stream,
            subjects,
            handler,
        )
        self._scheduled = False
        self._stopped = False

    def wake(self) -> None:
        if not self._scheduled and not self._stopped:
            self._scheduled = True
            self._broker._loop.call_soon(self._run)

    def _run(self) -> None:
        """Hands over at most a few hundred, then lets others run."""
        self._scheduled = False
        sequences = self._stream.sequences
        start = bisect.bisect_right(sequences, self.position)
        left = len(sequences) - start
        for at, sequence in enumerate(sequences[start : start + 256]):
            if self._stopped:
                return
            record = self._stream.records.get(sequence)
            self.position = sequence
            if record is None or not matches(self._subjects, record.subject):
                continue
            self.pending = left - at - 1
            try:
                self._handler(record)
            except Exception:
                log.exception("follower's handler failed", sequence=sequence)
        if left > 256:
            self.wake()
        else:
            self.pending = 0

    async def stop(self) -> None:
        self._end()

    def _end(self) -> None:
        self._stopped = True
        self._broker._followers.discard(self)
        if self in self._stream.followers:
            self._stream.followers.remove(self)


class MemoryBucket:
    """A key-value bucket in memory; see :class:`~holodeck.broker.port.Bucket`."""

    def __init__(self, broker: MemoryBroker, name: str) -> None:
        self._broker, self._name = broker, name
        self._log = MemoryLog(broker, f"KV_{name}")
        self._front = f"$KV.{name}."

    @property
    def name(self) -> str:
        return self._name

    def put(
        self, key: str, data: bytes, *, after: int | None = None, headers: Headers | None = None
    ) -> asyncio.Future[int]:
        _check_key(key)
        future: asyncio.Future[int] = self._broker._loop.create_future()
        kept = dict(headers) if headers else {}

        def store() -> None:
            try:
                stream = self._log._stream("put")
                last = stream.last_of(self._front + key)
                if after is not None and last != after:
                    raise LostFence(last)
                future.set_result(stream.store(self._front + key, data, kept))
            except (LostFence, StoreFull, BrokerError, Unavailable) as error:
                _fail(future, error)

        if self._broker._closed:
            _fail(future, BrokerError("put", "this connection is closed"))
        else:
            self._broker._send(store, future)
        return future

    async def get(self, key: str) -> Entry | None:
        _check_key(key)
        record = await self._log.last(self._front + key)
        return None if record is None else self._entry(record)

    def _entry(self, record: Record) -> Entry:
        key = record.subject[len(self._front) :]
        return Entry(key, record.sequence, record.data, record.headers)

    async def scan(self, keys: str, *, headers_only: bool = False) -> AsyncIterator[Entry]:
        async for record in self._log.read(self._front + keys, headers_only=headers_only):
            yield self._entry(record)

    async def delete(self, key: str, *, after: int | None = None) -> None:
        _check_key(key)
        await asyncio.sleep(0)
        stream = self._log._stream("delete")
        last = stream.last_of(self._front + key)
        if after is not None and last != after:
            raise LostFence(last)
        stream.remove(last)

    async def erase(self, key: str) -> int:
        there = await self.get(key) is not None
        await self.delete(key)
        return int(there)

    async def renew(self) -> int:
        found = 0
        async for entry in self.scan(">"):
            try:
                await self.put(entry.key, entry.data, after=entry.revision, headers=entry.headers)
            except LostFence:
                continue
            found += 1
        return found

    async def watch(self, keys: str, handler: Callable[[Entry], None]) -> Subscription:
        return await self._log.follow(
            self._front + keys,
            lambda record: handler(self._entry(record)),
            after=await self._log.end(),
            name="watch",
        )


def _looked_at(future: asyncio.Future[int]) -> None:
    if not future.cancelled():
        future.exception()


def _fail(future: asyncio.Future[int], error: Exception) -> None:
    """Gives the future an error that may stay unread without a warning."""
    if not future.done():
        future.set_exception(error)
        future.exception()


def _check_key(key: str) -> None:
    if not key or key.startswith("chunk.") or any(c in key for c in " *>\r\n\t"):
        raise ContractError(f"{key!r} is no key: no blanks, no wildcards, not below 'chunk.'")
