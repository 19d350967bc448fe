"""PLATO rooms, without HTTP: what stands in them, and how something is put in.

One law: a room is a fold over two streams, TILES (what the runtime's own sessions did) and ROOMS
(what others put in); all that is held here is their newest end, made anew from them at any time.

Nothing is connected and nothing is read before the first question, so a door nobody knocks at
costs nothing. Then the newest tiles of both streams are read and followed. The runtime's own are
kept as the bytes they are and taken apart only when somebody looks at them.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import heapq
import time
from collections import Counter, deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Final, cast
from urllib.parse import quote, unquote
from weakref import WeakValueDictionary

import structlog
from pydantic_core import from_json, to_json

from holodeck.actors.tiles.tile import HEADER_AT
from holodeck.broker.port import Broker, Follower, Log, Record
from holodeck.broker.streams import Layout
from holodeck.entrypoints.gateway.gate import Submission, others_tile, own_tile, stamped, tile_hash
from holodeck.messages.errors import (
    InvalidId,
    LostFence,
    OutcomeUnknown,
    RefusedError,
    TooLarge,
    TransientError,
    Unavailable,
)
from holodeck.messages.ids import encode_foreign, new_id
from holodeck.messages.subjects import ANY, ROOM, all_tiles

log = structlog.get_logger("holodeck.rooms")

MOST: Final = 50_000
"""Tiles held of each of the two streams."""
MOST_BYTES: Final = 64 * 1024 * 1024
"""Bytes held of each of the two streams."""

HEADER_ROOM: Final = "Holodeck-Room"
"""The room's name, percent-encoded."""
HEADER_DEED: Final = "Holodeck-Room-Deed"
"""``tile``, ``retract`` or ``supersede``."""
HEADER_HASH: Final = "Holodeck-Room-Hash"
HEADER_OLD: Final = "Holodeck-Room-Old"
"""The tile that is retracted or superseded."""
HEADER_TOTAL: Final = "Holodeck-Room-Total"
"""Tiles others put into the room, with this one: so a room's size shows in its last record."""
HEADER_CLOCK: Final = "Holodeck-Room-Clock"
"""The room's lamport, and the ms since 1970 UTC of its first tile."""
HEADER_SINCE: Final = "Holodeck-Room-Since"
HEADER_SUBMISSION: Final = "Holodeck-Submission"
"""Tells after a lost answer whether a record is the one that was sent."""

_PATIENCE_S: Final = 5.0
_TRIES: Final = 16
_TURN: Final = 250
"""Tiles looked at between two turns of the event loop."""
_HEADER_ROOM: Final = 4096
_FRONT: Final = b'{"id":"'
_ERASED: Final = frozenset({"session-erased", "learner-erased"})
"""What a tile is called by which somebody is to be forgotten."""
_DOMAIN: Final = b'"domain":"'

Connect = Callable[[], Awaitable[Broker]]


def room_token(name: str) -> str:
    """A room's name as a subject token: reversible where it fits, a digest of it elsewhere."""
    try:
        return encode_foreign(name)
    except InvalidId:
        # No name encodes to this: "zz" is no hex number.
        return "h_zz" + hashlib.sha256(name.encode()).hexdigest()[:40]


class Entry:
    """One tile as it is held.

    Attributes:
        data: its JSON; ``own``: from TILES, whose answers are objects.
        at: ms since 1970 UTC.
        lamport: counts up within its room.
        retracts: not a tile but the deed that ended this one; held to be let go in order.
    """

    __slots__ = ("at", "data", "digest", "lamport", "own", "retracts", "room")

    def __init__(
        self, room: Room, data: bytes, at: int, lamport: int, digest: str = "",
        *, own: bool = False, retracts: str = "",
    ) -> None:  # fmt: skip
        self.room, self.data, self.at, self.lamport = room, data, at, lamport
        self.digest, self.own, self.retracts = digest, own, retracts


@dataclass(slots=True, eq=False)
class Room:
    """One room.

    Attributes:
        own_total, others_total: tiles it ever got, held or not.
        since: ms since 1970 UTC of the first tile known of.
        clock: lamport of the newest tile.
        ended: by hash, the state of tiles that are not active any more.
    """

    name: str
    own_total: int = 0
    others_total: int = 0
    since: int = 0
    clock: int = 0
    own: deque[Entry] = field(default_factory=deque)
    others: deque[Entry] = field(default_factory=deque)
    by_hash: dict[str, Entry] = field(default_factory=dict)
    ended: dict[str, str] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return self.own_total + self.others_total

    def newest(self) -> Iterator[Entry]:
        """The tiles held now, the newest first."""
        return _newest(self.own, self.others, lambda entry: -entry.lamport)

    def starts(self, at: int) -> None:
        self.since = min(self.since, at) if self.since else at


class Index:
    """The newest end of both streams, by room: the fold.

    Args:
        most, most_bytes: how much is held of each stream.
    """

    def __init__(self, most: int = MOST, most_bytes: int = MOST_BYTES) -> None:
        self._most, self._most_bytes = most, most_bytes
        self.rooms: dict[str, Room] = {}
        self.own: deque[Entry] = deque()
        self.others: deque[Entry] = deque()
        self.sources: dict[str, None] = {}
        self.position = 0
        """Sequence in ROOMS up to which everything is in here."""
        self.last: dict[str, int] = {}
        """By subject of ROOMS the newest record's sequence: what the fence names."""
        self._bytes = {True: 0, False: 0}
        self._by_domain: dict[bytes, Room] = {}

    @property
    def total(self) -> int:
        return sum(room.total for room in self.rooms.values())

    def newest(self) -> Iterator[Entry]:
        """The tiles held now of all rooms, the newest first."""
        return _newest(self.own, self.others, lambda entry: -entry.at)

    def room(self, name: str) -> Room:
        found = self.rooms.get(name)
        if found is None:
            found = self.rooms[name] = Room(name)
        return found

    def add_own(self, record: Record) -> None:
        """A tile of the runtime's own; what is none is passed over."""
        *_, event, about = record.subject.rsplit(".", 2)
        if event in _ERASED:
            self._forget(about, learner=event == "learner-erased")
        room = self._room_of(record.data)
        if room is None:
            return
        at = _number(record.headers.get(HEADER_AT))
        room.own_total += 1
        room.starts(at)
        room.clock = max(room.clock + 1, record.sequence)
        entry = Entry(room, record.data, at, room.clock, own=True)
        room.own.append(entry)
        self._hold(self.own, entry)

    def _forget(self, about: str, *, learner: bool) -> None:
        """Lets go the tiles of a session or learner that was erased, and rooms of them alone."""
        front, named = b'{"id":"%b.' % about.encode(), b'"learner":"%b"' % about.encode()
        gone = {
            entry
            for entry in self.own
            if entry.data.startswith(front) or (learner and named in entry.data)
        }
        if not gone:
            return
        self.own = deque(entry for entry in self.own if entry not in gone)
        for entry in gone:
            self._bytes[True] -= len(entry.data)
            entry.room.own_total -= 1
        for room in {entry.room.name: entry.room for entry in gone}.values():
            room.own = deque(entry for entry in room.own if entry not in gone)
            if not room.total and self.rooms.get(room.name) is room:
                del self.rooms[room.name]
        self._by_domain.clear()

    def count_own(self, record: Record) -> None:
        """One that is too old to be held."""
        room = self._room_of(record.data)
        if room is not None:
            room.own_total += 1
            room.starts(_number(record.headers.get(HEADER_AT)))

    def add_other(self, record: Record) -> None:
        """A record of ROOMS, in the order of the stream."""
        self.position = max(self.position, record.sequence)
        self.last[record.subject] = record.sequence
        head = record.headers
        deed, name = head.get(HEADER_DEED), unquote(head.get(HEADER_ROOM, ""))
        if not deed or not name:
            log.warning("no record of a room", subject=record.subject, sequence=record.sequence)
            return
        room = self.know(record)
        room.clock = max(room.clock + 1, _number(head.get(HEADER_CLOCK)))
        at, digest, old = _number(head.get(HEADER_AT)), head.get(HEADER_HASH, ""), ""
        if deed != "tile":
            old = head.get(HEADER_OLD, "")
            room.ended[old] = "Retracted" if deed == "retract" else "Superseded"
        data = b"" if deed == "retract" else record.data
        entry = Entry(room, data, at, room.clock, digest, retracts=old)
        if digest:
            room.others.append(entry)
            room.by_hash[digest] = entry
        self._hold(self.others, entry)

    def know(self, record: Record) -> Room:
        """What the headers of a record of ROOMS tell of its room, without holding a tile."""
        head = record.headers
        room = self.room(unquote(head.get(HEADER_ROOM, "")))
        room.others_total = max(room.others_total, _number(head.get(HEADER_TOTAL)))
        self.last[record.subject] = max(self.last.get(record.subject, 0), record.sequence)
        room.starts(_number(head.get(HEADER_SINCE)))
        return room

    def heard_of(self, source: str) -> None:
        """A source that put something in; the first thousand are told of."""
        if len(self.sources) < 1000:
            self.sources[source] = None

    def _room_of(self, data: bytes) -> Room | None:
        begin = data.find(_DOMAIN, 0, 256) if data.startswith(_FRONT) else -1
        name: Any = None
        if begin >= 0:
            begin += len(_DOMAIN)
            raw = data[begin : data.find(b'"', begin)]
            if b"\\" not in raw:
                known = self._by_domain.get(raw)
                if known is not None:
                    return known
                known = self._by_domain[raw] = self.room(raw.decode())
                return known
        with contextlib.suppress(ValueError, TypeError, KeyError):
            name = from_json(data)["domain"]
        return self.room(name) if isinstance(name, str) and name else None

    def _hold(self, held: deque[Entry], entry: Entry) -> None:
        held.append(entry)
        self._bytes[entry.own] += len(entry.data)
        while len(held) > self._most or (self._bytes[entry.own] > self._most_bytes and held):
            self._let_go(held.popleft())

    def _let_go(self, entry: Entry) -> None:
        room = entry.room
        self._bytes[entry.own] -= len(entry.data)
        mine = room.own if entry.own else room.others
        if mine and mine[0] is entry:
            mine.popleft()
        if room.by_hash.get(entry.digest) is entry:
            del room.by_hash[entry.digest]
        room.ended.pop(entry.retracts, None)


@dataclass(frozen=True, slots=True)
class Accepted:
    """A tile that is stored.

    Attributes:
        total: tiles of the room, with this one.
    """

    room: str
    hash: str
    lamport: int
    total: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which tiles somebody asks for; empty fields do not choose.

    Attributes:
        words: all of them occur in question, answer, tags, domain or source, whatever the case.
        active: without those that were retracted or superseded.
    """

    room: str = ""
    domain: str = ""
    source: str = ""
    words: tuple[str, ...] = ()
    since: int = 0
    active: bool = True

    def takes(self, tile: dict[str, Any]) -> bool:
        if self.active and tile["state"] != "Active":
            return False
        if self.domain and self.domain not in (tile["domain"], tile["room"]):
            return False
        if self.source and self.source != tile["source"]:
            return False
        if not self.words:
            return True
        text = "\n".join(
            (tile["question"], tile["answer"], tile["domain"], tile["source"], *tile["tags"])
        ).lower()
        return all(word in text for word in self.words)

    def may_take(self, data: bytes) -> bool:
        """Whether the tile with this JSON can be one; spares taking apart what cannot."""
        plain = [word for word in self.words if word.isalnum()]
        if not plain:
            return True
        text = data.decode(errors="replace").lower()
        return "\\u" in text or all(word in text for word in plain)


class Rooms:
    """The rooms of one namespace.

    Args:
        connect: opens a connection with the runtime's rights; asked at the first question.
        most, most_bytes: see :class:`Index`.
        clock: seconds since 1970 UTC.
    """

    def __init__(
        self,
        connect: Connect,
        layout: Layout,
        *,
        most: int = MOST,
        most_bytes: int = MOST_BYTES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._connect, self._layout = connect, layout
        self._most, self._most_bytes = most, most_bytes
        self._clock = clock
        self._began = time.monotonic()
        self._opening = asyncio.Lock()
        self._broker: Broker | None = None
        self._index: Index | None = None
        self._unsure = False
        self._run = ""
        self._others: Log
        self._followers: list[Follower] = []
        self._counting: asyncio.Task[None] | None = None
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._writing: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self.accepted = 0
        self.refused: Counter[str] = Counter()

    @property
    def uptime_s(self) -> float:
        return time.monotonic() - self._began

    @property
    def counting(self) -> bool:
        """Whether tiles too old to be held are still being counted."""
        return self._counting is not None and not self._counting.done()

    async def index(self) -> Index:
        """The rooms as they are now; connects and reads them at the first call.

        Raises:
            TransientError: the broker does not answer (yet).
        """
        if self._index is None or self._unsure:
            async with self._opening:
                if self._unsure and self._broker is not None:
                    if self._broker.server_id != self._run:
                        await self._shut()
                    self._unsure = False
                if self._index is None:
                    await self._open()
        assert self._index is not None
        return self._index

    async def close(self) -> None:
        """Lets go of everything; what is stored stays."""
        async with self._opening:
            await self._shut()

    async def _shut(self) -> None:
        if self._counting is not None:
            self._counting.cancel()
            await asyncio.gather(self._counting, return_exceptions=True)
        self._index = None
        followers, self._followers = self._followers, []
        broker, self._broker = self._broker, None
        for follower in followers:
            with contextlib.suppress(TransientError):  # a broker that is gone has no consumer
                await follower.stop()
        if broker is not None:
            await broker.close()

    def _reconnected(self) -> None:
        """A new run of the server may have lost the end of its streams to a power loss, and what
        comes then under the same sequences is not what is held: everything is read anew."""
        self._unsure = True

    # --- reading ----------------------------------------------------------------------------------

    async def newest(self, wanted: Wanted, *, limit: int, offset: int = 0) -> list[dict[str, Any]]:
        """The tiles somebody asks for, the newest first, as they are served."""
        found = self._matching(wanted)
        async with contextlib.aclosing(found):
            out: list[dict[str, Any]] = []
            async for tile in found:
                if offset:
                    offset -= 1
                    continue
                if len(out) == limit:
                    break
                out.append(tile)
            return out

    async def page(
        self, wanted: Wanted, *, limit: int, offset: int = 0
    ) -> tuple[list[dict[str, Any]], int]:
        """As :meth:`newest`, and how many there are in all among the tiles held."""
        out: list[dict[str, Any]] = []
        n = 0
        async with contextlib.aclosing(self._matching(wanted)) as found:
            async for tile in found:
                if offset <= n < offset + limit:
                    out.append(tile)
                n += 1
        return out, n

    async def has(self, digest: str) -> bool:
        """Whether a tile of this hash is held and active."""
        index = await self.index()
        for room in list(index.rooms.values()):
            if await self._find(room, digest) is not None and digest not in room.ended:
                return True
        return False

    async def _matching(self, wanted: Wanted) -> AsyncGenerator[dict[str, Any]]:
        index = await self.index()
        if wanted.room:
            room = index.rooms.get(wanted.room)
            held = room.newest() if room is not None else iter(())
        else:
            held = index.newest()
        async for entry in _in_turns(held):
            if entry.at <= wanted.since and wanted.since:
                continue
            if not (entry.own or entry.digest) or not wanted.may_take(entry.data):
                continue
            tile = _shown(entry)
            if tile is not None and wanted.takes(tile):
                yield tile

    async def _find(self, room: Room, digest: str) -> Entry | None:
        found = room.by_hash.get(digest)
        if found is not None:
            return found
        async for entry in _in_turns(list(room.own)):
            if _digest(entry) == digest:
                return entry
        return None

    # --- writing ----------------------------------------------------------------------------------

    async def submit(self, submission: Submission) -> Accepted:
        """Puts a tile into its room.

        Raises:
            RefusedError: ``duplicate``: the room holds a tile of the same question and answer.
            TooLarge: it does not fit into a message.
            TransientError: it could not be stored.
        """

        async def prepare(room: Room | None) -> _Deed:
            if room is not None and submission.hash in room.by_hash:
                raise RefusedError("duplicate", f"Duplicate: {submission.hash} is in this room")
            return _Deed("tile", to_json(submission.tile), digest=submission.hash)

        stored = await self._write(submission.room, prepare)
        (await self.index()).heard_of(submission.source)
        return stored

    async def retract(self, name: str, digest: str, reason: str) -> Accepted:
        """Marks a tile as retracted; it stays where it is. Doing it twice does it once.

        Raises:
            RefusedError: ``unknown-tile``: the room holds none of this hash.
        """

        async def prepare(room: Room | None) -> _Deed | None:
            await self._known(room, digest)
            if room is not None and room.ended.get(digest) == "Retracted":
                return None
            return _Deed("retract", to_json({"tile_hash": digest, "reason": reason}), old=digest)

        return replace(await self._write(name, prepare), hash=digest)

    async def supersede(self, name: str, old: str, submission: Submission) -> Accepted:
        """Puts a tile in the place of another; both in one record, so never only half.

        Raises:
            RefusedError: ``unknown-tile``: the room holds none of the hash ``old``;
                ``not-active``: it was retracted or superseded before; ``duplicate``.
        """

        async def prepare(room: Room | None) -> _Deed:
            await self._known(room, old)
            assert room is not None
            if old in room.ended:
                raise RefusedError("not-active", f"{old} is {room.ended[old].lower()} already")
            if submission.hash in room.by_hash:
                raise RefusedError("duplicate", f"Duplicate: {submission.hash} is in this room")
            body = to_json(submission.tile)
            return _Deed("supersede", body, digest=submission.hash, old=old)

        return await self._write(name, prepare)

    async def _known(self, room: Room | None, digest: str) -> None:
        if room is None or await self._find(room, digest) is None:
            raise RefusedError("unknown-tile", f"The room holds no tile {digest!r}")

    async def _write(
        self, name: str, prepare: Callable[[Room | None], Awaitable[_Deed | None]]
    ) -> Accepted:
        """Appends to a room what ``prepare`` makes of the room as it stands, fenced: if another
        gateway wrote meanwhile, its record is awaited and the whole is decided again."""
        token = room_token(name)
        subject = ROOM.of(self._layout.ns, token)
        lock = self._writing.get(token)
        if lock is None:
            lock = self._writing[token] = asyncio.Lock()
        submission = new_id("sub")
        async with lock:
            for _ in range(_TRIES):
                index = await self.index()
                room = index.rooms.get(name)
                deed = await prepare(room)
                at = int(self._clock() * 1000)
                before = room or Room(name, since=at)
                counts = 1 if deed is not None and deed.digest else 0
                stored = Accepted(
                    name,
                    "" if deed is None else deed.digest,
                    before.clock + (deed is not None),
                    before.total + counts,
                )
                if deed is None:
                    return stored
                head = {
                    HEADER_ROOM: quote(name, safe="/"),
                    HEADER_DEED: deed.name,
                    HEADER_HASH: deed.digest,
                    HEADER_OLD: deed.old,
                    HEADER_AT: str(at),
                    HEADER_TOTAL: str(before.others_total + counts),
                    HEADER_CLOCK: str(stored.lamport),
                    HEADER_SINCE: str(before.since or at),
                    HEADER_SUBMISSION: submission,
                }
                headers = {name: value for name, value in head.items() if value}
                if self._broker is None:
                    continue  # let go of meanwhile
                limit = self._broker.max_payload - _HEADER_ROOM
                if len(deed.data) > limit:
                    raise TooLarge(len(deed.data), limit)
                sequence = await self._append(index, subject, deed.data, headers)
                if sequence is not None:
                    await self._reached(sequence)
                    self.accepted += counts
                    entry = index.room(name).by_hash.get(stored.hash)
                    # A tile of ours may have come in between.
                    return stored if entry is None else replace(stored, lamport=entry.lamport)
        raise Unavailable(subject, "others write into this room faster than we do")

    async def _append(
        self, index: Index, subject: str, data: bytes, headers: dict[str, str]
    ) -> int | None:
        """The sequence, or None once the index has what others wrote meanwhile."""
        after = index.last.get(subject, 0)
        try:
            return await self._others.append(
                subject, data, after=after, over=subject, headers=headers
            )
        except (LostFence, OutcomeUnknown):
            # Its answer may have been lost and not the record: only the stream can tell. If it is
            # not there, the fence keeps a late one out once the next is in.
            tail = await self._others.tail(subject, after)
        for record in tail:
            if record.headers.get(HEADER_SUBMISSION) == headers[HEADER_SUBMISSION]:
                return record.sequence
        if tail:
            await self._reached(tail[-1].sequence)
        else:
            newest = await self._others.last(subject)  # somebody may have purged the room
            index.last[subject] = newest.sequence if newest is not None else 0
        return None

    async def _reached(self, sequence: int) -> None:
        """Returns when the index has everything of ROOMS up to ``sequence``, or it takes long."""
        index = await self.index()
        if index.position >= sequence:
            return
        arrived: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (sequence, id(arrived), arrived))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(arrived, _PATIENCE_S)

    # --- following --------------------------------------------------------------------------------

    async def _open(self) -> None:
        broker = await self._connect()
        followers: list[Follower] = []
        try:
            tiles, others = broker.log(self._layout.tiles), broker.log(self._layout.rooms)
            index = Index(self._most, self._most_bytes)
            own_filter, filter_ = all_tiles(self._layout.ns), ROOM.of(self._layout.ns, ANY)
            begin = max(0, await tiles.end() - self._most)
            other_end = await others.end()
            heads = [
                record
                async for record in others.read(filter_, headers_only=True, last_per_subject=True)
            ]
            mine = [record async for record in tiles.read(own_filter, after=begin)]
            theirs = [
                record
                async for record in others.read(filter_, after=max(0, other_end - self._most))
            ]
            for is_own, record in _by_time(mine, theirs):
                (index.add_own if is_own else index.add_other)(record)
            for record in heads:
                if record.headers.get(HEADER_ROOM):
                    room = index.know(record)
                    room.clock = max(room.clock, _number(record.headers.get(HEADER_CLOCK)))
            # What was read is the place to go on from: a stream's end may be a record that is gone.
            index.position = max([other_end, *(record.sequence for record in theirs)])
            self._others = others

            def another(record: Record) -> None:
                index.add_other(record)
                while self._waiting and self._waiting[0][0] <= index.position:
                    _, _, arrived = heapq.heappop(self._waiting)
                    if not arrived.done():
                        arrived.set_result(None)

            followers.append(
                await tiles.follow(
                    own_filter,
                    index.add_own,
                    after=mine[-1].sequence if mine else begin,
                    name=new_id("rooms"),
                )
            )
            followers.append(
                await others.follow(filter_, another, after=index.position, name=new_id("rooms"))
            )
        except BaseException:
            for follower in followers:
                await follower.stop()
            await broker.close(discard=True)
            raise
        self._broker, self._followers, self._index = broker, followers, index
        self._run = broker.server_id
        broker.on_reconnect(self._reconnected)
        if begin:
            self._counting = asyncio.create_task(self._count(tiles, index, begin), name="rooms")
        log.info("rooms are open", rooms=len(index.rooms), own=len(mine), others=len(theirs))

    async def _count(self, tiles: Log, index: Index, upto: int) -> None:
        """Counts the tiles too old to be held, once, beside everything else."""
        after = 0
        while after < upto:
            try:
                records = tiles.read(all_tiles(self._layout.ns), after=after, upto=upto)
                async with contextlib.aclosing(cast("AsyncGenerator[Record]", records)):
                    async for record in records:
                        index.count_own(record)
                        after = record.sequence
                return
            except TransientError as error:
                log.warning("old tiles not counted yet", after=after, error=str(error))
                await asyncio.sleep(1.0)


@dataclass(frozen=True, slots=True)
class _Deed:
    """What is to be appended to a room."""

    name: str
    data: bytes
    digest: str = ""
    old: str = ""


def _by_time(own: list[Record], others: list[Record]) -> Iterable[tuple[bool, Record]]:
    """Both streams as one, each in its own order, woven by the times they carry."""

    def woven(records: list[Record], is_own: bool) -> Iterator[tuple[int, bool, int, Record]]:
        latest = 0
        for n, record in enumerate(records):
            latest = max(latest, _number(record.headers.get(HEADER_AT)))
            yield latest, is_own, n, record

    for _, is_own, _, record in heapq.merge(woven(own, True), woven(others, False)):
        yield is_own, record


def _newest(
    own: deque[Entry], others: deque[Entry], key: Callable[[Entry], int]
) -> Iterator[Entry]:
    # Copies: while others have their turn the fold goes on.
    return heapq.merge(list(reversed(own)), list(reversed(others)), key=key)


async def _in_turns(entries: Iterable[Entry]) -> AsyncIterator[Entry]:
    """Hands out entries and lets others have their turn every now and then."""
    source = iter(entries)
    while run := list(islice(source, _TURN)):
        for entry in run:
            yield entry
        await asyncio.sleep(0)


def _digest(entry: Entry) -> str:
    """The hash of a tile; made at first sight for the runtime's own, which do not carry it."""
    if not entry.digest:
        tile = own_tile(entry.data)
        entry.digest = tile_hash(tile["question"], tile["answer"]) if tile is not None else "-"
    return entry.digest


def _shown(entry: Entry) -> dict[str, Any] | None:
    tile = own_tile(entry.data) if entry.own else others_tile(entry.data)
    if tile is None:
        return None
    if not entry.digest:
        entry.digest = tile_hash(tile["question"], tile["answer"])
    return stamped(
        tile,
        room=entry.room.name,
        digest=entry.digest,
        at=entry.at,
        lamport=entry.lamport,
        state=entry.room.ended.get(entry.digest, "Active"),
    )


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() else 0
