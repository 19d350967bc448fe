"""Erasing a learner: the steps, and how far they have come.

One law: what is to be done stands in the bucket ``cluster`` before it is done, and every step may
be taken twice; so whoever dies on the way, the next run goes on from there, and two orders for one
learner are one.

The order of the steps is what makes it whole. First nothing may begin for the learner any more,
on any host. Then each of its sessions, and each rehearsal made from one of them, becomes a
tombstone that names nobody; every NPC it met is told; a last word of the learner closes that. Only
when every fold, every snapshot and the tile emitter have passed the last word does anything leave
the journal: before that, a takeover might need it.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal, Protocol, get_args

import structlog

from holodeck.actors.belongings import Belongings
from holodeck.actors.caller import Caller
from holodeck.actors.folds import cell_key
from holodeck.actors.keeper import TILES_HOST
from holodeck.actors.lease import REVOKED, incarnation_of
from holodeck.actors.projections import PROJECTIONS_HOST
from holodeck.actors.table import (
    ERASURES,
    HOLDS,
    LEASES,
    erasure_key,
    erasure_of,
    projection_of,
)
from holodeck.actors.tiles.tile import tile_fronts
from holodeck.broker.port import Broker, Log
from holodeck.broker.streams import Layout
from holodeck.messages.codec import pack, unpack
from holodeck.messages.control import Receipt
from holodeck.messages.errors import DecodeError, RefusedError, TransientError
from holodeck.messages.ids import MAX_COMMAND_ID, new_id
from holodeck.messages.learner import LearnerEvent
from holodeck.messages.player import EraseLearner, EraseSession
from holodeck.messages.subjects import ANY, TILE, writer_filter
from holodeck.messages.tiles import HEADER_ORIGIN

log = structlog.get_logger("holodeck.erasing")

AT_ONCE: Final = 16
"""Sessions that are being erased at once."""
PERSIST: Final = 256
"""Records after whose removal the counts are written down."""
LONGEST_PAUSE_S: Final = 10.0
REMAINS: Final = (
    "the ids of its sessions and rehearsals, each in a tombstone that names nobody",
    "its own id, in the word that it was erased, in this receipt and where others named it",
)

CUT: Final = (
    "the server stopped {} times while records were being removed: the bytes of one record each "
    "time may stay in its file, read by nobody, until the server rewrites that"
)
"""It notes that a record is gone before it overwrites it, and never looks at one again that is."""

LEFT: Final = (
    "{} sessions had been archived in such numbers that they were not overwritten in the journal: "
    "their bytes there, read by nobody, go when the server rewrites or removes those files"
)

Stage = Literal["blocking", "waiting", "journal", "snapshots", "others", "done"]


class Ask(Protocol):
    """Asks a host, or a service under its name; None if it gives no answer."""

    def __call__(
        self, incarnation: str, verb: str, data: bytes, seconds: float, /
    ) -> Awaitable[Any]: ...


@dataclass(slots=True)
class Erasure:
    """How far the erasing of one learner has come.

    Attributes:
        id: what the ids of its commands begin with; names nobody.
        at: when it was ordered, ms since 1970 UTC.
        sessions: by id, the sequence of the tombstone; 0: not yet. Rehearsals included.
        last: sequence of the learner's last word, 0: not yet said.
        run: of the server, in which records are being removed; cut: how often such a run ended
            before all of them were.
        left: sessions that had gone into the archive without being overwritten in the journal.
    """

    id: str
    learner: str
    at: int
    stage: Stage = "blocking"
    sessions: dict[str, int] = field(default_factory=dict)
    forks: list[str] = field(default_factory=list)
    npcs: list[str] = field(default_factory=list)
    last: int = 0
    run: str = ""
    cut: int = 0
    left: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    sinks: dict[str, str] = field(default_factory=dict)
    projections: dict[str, str] = field(default_factory=dict)

    @property
    def ids(self) -> frozenset[str]:
        """Whatever a record must not be about: the learner, its sessions and their rehearsals."""
        return frozenset((self.learner, *self.sessions))

    def receipt(self) -> Receipt:
        remains = list(REMAINS)
        for where in (self.sinks, self.projections):
            remains += [f"what {name} has: {state}" for name, state in sorted(where.items()) if state != "erased"]  # fmt: skip  # noqa: E501
        if self.cut:
            remains.append(CUT.format(self.cut))
        if self.left:
            remains.append(LEFT.format(self.left))
        told = Receipt(
            learner=self.learner,
            at=self.at,
            sessions=len(self.sessions) - len(self.forks),
            forks=len(self.forks),
            sinks=self.sinks,
            projections=self.projections,
            complete=self.stage == "done",
            remains=tuple(remains),
        ).model_copy(update=self.counts)
        text = json.dumps(told.model_dump(mode="json", exclude={"digest"}), sort_keys=True)
        return told.model_copy(update={"digest": hashlib.sha256(text.encode()).hexdigest()})

    def told(self) -> bytes:
        return pack({"v": 1, **asdict(self)})

    @staticmethod
    def of(data: bytes) -> Erasure:
        raw = unpack(data, "erasure")
        del raw["v"]
        return Erasure(**raw)


class Erasing:
    """Erases learners, one walk a learner.

    Args:
        ask: asks a host.
        projections: names of those that are configured, whether they run now or not.
    """

    def __init__(
        self,
        broker: Broker,
        layout: Layout,
        partitions: int,
        caller: Caller,
        ask: Ask,
        projections: Sequence[str] = (),
    ) -> None:
        self._broker, self._layout, self._ns = broker, layout, layout.ns
        self._partitions = partitions
        self._belongings = Belongings(broker, layout, partitions)
        self._caller = caller
        self._ask = ask
        self._configured = tuple(projections)
        self._journal = broker.log(layout.checkpoints)
        self._tiles = broker.log(layout.tiles)
        self._dead = broker.log(layout.dead)
        self._live = broker.bucket(layout.live)
        self._actors = broker.bucket(layout.actors)
        self._archive = broker.bucket(layout.archive)
        self._cluster = broker.bucket(layout.cluster)
        self._walks: dict[str, asyncio.Task[Receipt]] = {}

    # -- orders ----------------------------------------

    async def begin(self) -> None:
        """Goes on with what an earlier run has left."""
        async for entry in self._cluster.scan(ERASURES):
            if Erasure.of(entry.data).stage != "done":
                self._walking(erasure_of(entry.key))

    async def stop(self) -> None:
        """Ends; what is not done is gone on with by the next run."""
        walks = list(self._walks.values())
        for walk in walks:
            walk.cancel()
        await asyncio.gather(*walks, return_exceptions=True)

    async def erase(self, learner: str, wait_s: float) -> Receipt:
        """Erases a learner, or goes on with it; the receipt as it stands after ``wait_s`` seconds
        at most.

        Raises:
            RefusedError: ``unknown-learner``, nothing names it.
            TransientError: the broker does not answer.
        """
        if learner not in self._walks:
            entry = await self._cluster.get(erasure_key(learner))
            if entry is None:
                if not await self._known(learner):
                    raise RefusedError("unknown-learner", learner)
                intent = Erasure(new_id("erasure"), learner, int(time.time() * 1000))
                # Of two who write it the second finds it there, and joins the walk of the first.
                await self._cluster.put(erasure_key(learner), intent.told(), after=0)
            elif (intent := Erasure.of(entry.data)).stage == "done":
                return intent.receipt()
        walk = self._walking(learner)
        done, _ = await asyncio.wait({walk}, timeout=wait_s)
        if done:
            return walk.result()
        entry = await self._cluster.get(erasure_key(learner))
        if entry is None:
            raise RefusedError("unknown-learner", learner)
        return Erasure.of(entry.data).receipt()

    def _walking(self, learner: str) -> asyncio.Task[Receipt]:
        walk = self._walks.get(learner)
        if walk is None:
            walk = self._walks[learner] = asyncio.create_task(self._walk(learner))
            walk.add_done_callback(lambda done: self._walked(learner, done))
        return walk

    def _walked(self, learner: str, walk: asyncio.Task[Receipt]) -> None:
        self._walks.pop(learner, None)
        if not walk.cancelled() and walk.exception() is not None:
            log.error("erasing.failed", exc_info=walk.exception())

    async def _known(self, learner: str) -> bool:
        if await self._journal.last(self._belongings.naming(learner)) is not None:
            return True
        key = cell_key(self._belongings.p(learner), "learner", learner)
        if await self._actors.get(key) is not None:
            return True
        return any(one.learner == learner for one in await self._belongings.archived())

    # -- the walk ----------------------------------------

    async def _walk(self, learner: str) -> Receipt:
        pause = 0.1
        while True:
            try:
                entry = await self._cluster.get(erasure_key(learner))
                if entry is None:
                    raise RefusedError("unknown-learner", learner)
                walk = _Walk(self, Erasure.of(entry.data), entry.revision)
                return await walk.run()
            except TransientError as error:
                log.warning("erasing.waits", reason=str(error))
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)

    # -- looking ----------------------------------------

    async def _hosts(self) -> list[str]:
        """Every incarnation that holds a lease."""
        leases = self._cluster.scan(LEASES)
        return [incarnation_of(entry.key) async for entry in leases if entry.data != REVOKED]


class _Walk:
    """One run of the steps of one erasure."""

    def __init__(self, house: Erasing, intent: Erasure, revision: int) -> None:
        self._house, self._intent, self._revision = house, intent, revision
        self._keeping = asyncio.Lock()

    async def run(self) -> Receipt:
        """Every step that is left.

        Raises:
            TransientError: not now; begin again from what is written down.
        """
        intent = self._intent
        steps: Sequence[tuple[Stage, Callable[[], Awaitable[None]]]] = (
            ("blocking", self._block),
            ("waiting", self._wait),
            ("journal", self._clear_streams),
            ("snapshots", self._clear_buckets),
            ("others", self._clear_others),
        )
        for number, (stage, take) in enumerate(steps):
            if intent.stage == stage:
                await take()
                intent.stage = steps[number + 1][0] if number + 1 < len(steps) else "done"
                await self._keep()
        receipt = intent.receipt()
        log.info("erasing.done", erasure=intent.id, digest=receipt.digest)
        return receipt

    async def _keep(self) -> None:
        key = erasure_key(self._intent.learner)
        async with self._keeping:
            self._revision = await self._house._cluster.put(
                key, self._intent.told(), after=self._revision
            )

    def _count(self, what: str, number: int = 1) -> None:
        counts = self._intent.counts
        counts[what] = counts.get(what, 0) + number

    def _step(self, *parts: str) -> str:
        whole = ".".join((self._intent.id, *parts))
        if len(whole) <= MAX_COMMAND_ID:
            return whole
        return f"{hashlib.blake2b(whole.encode(), digest_size=16).hexdigest()}.{parts[0]}"

    # -- tombstones ----------------------------------------

    async def _block(self) -> None:
        """Nothing begins any more, every session is a tombstone, every NPC has been told."""
        intent = self._intent
        await self._tell_hosts()
        await self._say("block", None)
        while True:
            found, npcs = await self._house._belongings.find(intent.learner, intent.sessions)
            intent.npcs = sorted({*intent.npcs, *npcs})
            new = [name for name in sorted(found) if not intent.sessions.get(name)]
            if not new:
                break
            intent.sessions |= dict.fromkeys(new, 0)
            intent.forks = sorted({*intent.forks, *(n for n in new if found[n])})
            await self._keep()
            limit = asyncio.Semaphore(AT_ONCE)
            await asyncio.gather(*(self._bury(name, limit) for name in new))
            await self._keep()
        for npc in intent.npcs:
            await self._say("npc", npc)
        intent.last = await self._say("last", None)
        log.info("erasing.closed", erasure=intent.id, sessions=len(intent.sessions), at=intent.last)

    async def _tell_hosts(self) -> None:
        """Every host knows that the learner is to be erased; those to come read it."""
        told: set[str] = set()
        while left := [name for name in await self._house._hosts() if name not in told]:
            for name in left:
                if await self._house._ask(name, "erase", pack(self._intent.learner), 2.0):
                    told.add(name)

    async def _say(self, what: str, npc: str | None) -> int:
        name = self._step(what) if npc is None else self._step(what, npc)
        learner = self._intent.learner
        answer = await self._house._caller.command("learner", learner, name, EraseLearner(npc=npc))
        return answer.sequence

    async def _bury(self, session: str, limit: asyncio.Semaphore) -> None:
        async with limit:
            try:
                answer = await self._house._caller.command(
                    "session", session, self._step("session", session), EraseSession()
                )
                sequence = answer.sequence
            except RefusedError as error:
                # Of one that never began there is nothing, and nothing can begin any more.
                if error.reason != "unknown-session":
                    raise
                sequence = -1
            self._intent.sessions[session] = sequence

    # -- until everybody has passed them ----------------------------------------

    async def _wait(self) -> None:
        pause = 0.05
        while not await self._passed():
            await asyncio.sleep(pause)
            pause = min(2 * pause, 1.0)

    async def _passed(self) -> bool:
        """Whether snapshots and folds of every partition, and the tiles, contain the last word."""
        house, last = self._house, self._intent.last
        hosts = await house._hosts()
        await asyncio.gather(*(house._ask(host, "flush", b"", 30.0) for host in hosts))
        for partition in range(house._partitions):
            for bucket in (house._live, house._actors):
                entry = await bucket.get(f"folded.{partition}")
                if entry is None or int(unpack(entry.data)) < last:
                    return False
        front = tile_fronts(house._ns)["learner.erased"]
        tile = await house._tiles.last(front + self._intent.learner)
        return tile is not None and _origin(tile.headers) >= last

    # -- streams ----------------------------------------

    async def _clear_streams(self) -> None:
        """Takes everything out of the journal, TILES and DEAD; beside each other, for each waits
        for the disk most of the time."""
        await self._removing()
        kept = {*self._intent.sessions.values(), self._intent.last}
        # Tiles of reports go first: they are found by what stands in the journal.
        await self._clear_reports()
        done = await asyncio.gather(
            self._clear_journal(kept),
            self._clear_tiles(kept),
            self._clear_letters(),
            return_exceptions=True,
        )
        for one in done:
            if isinstance(one, BaseException):
                raise one

    async def _clear_journal(self, kept: set[int]) -> None:
        intent, house = self._intent, self._house
        for session in sorted(intent.sessions):
            p = house._belongings.p(session)
            await self._take_out(writer_filter(house._ns, "session", p, session), kept)
        await self._take_out(house._belongings.naming(intent.learner), kept)

    async def _clear_reports(self) -> None:
        """What the fleet wrote that names one of them, and the tiles of it."""
        house, ids = self._house, self._intent.ids
        reports = [
            record.sequence
            async for record in house._journal.read(f"{house._ns}.checkpoint.fleet.>")
            if _mentions(record.data, ids)
        ]
        told = set(reports)
        for family in ("mid", "architect", "agent"):
            rows = house._tiles.read(TILE.of(house._ns, family, ANY, ANY), headers_only=True)
            out = [row.sequence async for row in rows if _origin(row.headers) in told]
            await self._delete(house._tiles, out, "tiles")
        await self._delete(house._journal, reports, "checkpoints")

    async def _clear_tiles(self, kept: set[int]) -> None:
        fronts = tile_fronts(self._house._ns)
        own = {fronts[kind] for kind in _OWN}
        others = set(fronts.values()) - own
        for name in sorted(self._intent.sessions):
            await self._clear_tiles_of(name, others, kept)
        await self._clear_tiles_of(self._intent.learner, own, kept)

    async def _clear_letters(self) -> None:
        house, ids = self._house, self._intent.ids
        letters = [
            record.sequence
            async for record in house._dead.read(f"{house._ns}.dead.>")
            if _mentions(record.data, ids)
            or any(token in ids for token in record.headers.get("Holodeck-Subject", "").split("."))
        ]
        await self._delete(house._dead, letters, "dead")

    async def _removing(self) -> None:
        """Notes in which run of the server records are removed from now on."""
        intent, run = self._intent, self._house._broker.server_id
        if intent.run != run:
            intent.cut += bool(intent.run)
            intent.run = run
            await self._keep()

    async def _clear_tiles_of(self, name: str, fronts: set[str], kept: set[int]) -> None:
        """Takes out the tiles of one session or learner; somebody else may have the same id."""
        tiles = self._house._tiles
        rows = tiles.read(TILE.of(self._house._ns, ANY, ANY, name), headers_only=True)
        out = [
            row.sequence
            async for row in rows
            if row.subject[: -len(name)] in fronts and _origin(row.headers) not in kept
        ]
        await self._delete(tiles, out, "tiles")

    async def _take_out(self, subjects: str, kept: set[int]) -> None:
        journal = self._house._journal
        rows = journal.read(subjects, headers_only=True)
        out = [record.sequence async for record in rows if record.sequence not in kept]
        await self._delete(journal, out, "checkpoints")

    async def _delete(self, log_: Log, sequences: Sequence[int], what: str) -> None:
        """Removes records with their bytes. Each is overwritten on the disk while appends wait:
        in the journal, where commands are what waits, no more than half of the time is theirs."""
        for number, sequence in enumerate(sequences, 1):
            began = time.monotonic()
            await log_.delete(sequence)
            self._count(what)
            if number % PERSIST == 0:
                await self._keep()
            if log_ is self._house._journal:
                await asyncio.sleep(time.monotonic() - began)
        if sequences:
            await self._keep()

    # -- snapshots ----------------------------------------

    async def _clear_buckets(self) -> None:
        intent, house = self._intent, self._house
        await self._removing()
        ids = intent.ids
        again = False
        for one in await house._belongings.archived():
            if one.identity in ids or one.learner == intent.learner:
                again = again or one.again
                intent.left += one.bytes
                self._count("snapshots", await house._archive.erase(one.key))
        for session in sorted(intent.sessions):
            for kind in ("live", "ended"):
                await house._live.delete(f"{kind}.{house._belongings.p(session)}.{session}")
        for npc in intent.npcs:
            self._count("snapshots")
            key = cell_key(house._belongings.p(npc), "relation", npc, intent.learner)
            await house._actors.delete(key)
        async for entry in house._actors.scan("name.>"):
            if unpack(entry.data, entry.key)[0] == intent.learner:
                await house._actors.delete(entry.key, after=entry.revision)
                self._count("names")
        self._count("snapshots")
        for bucket in (house._live, house._actors, *([house._archive] if again else [])):
            await bucket.renew()

    # -- whoever was given it ----------------------------------------

    async def _clear_others(self) -> None:
        """Sinks are told; projections come by the last word in their own time."""
        intent, house = self._intent, self._house
        front = tile_fronts(house._ns)["learner.erased"]
        tile = await house._tiles.last(front + intent.learner)
        order = pack(
            {
                "sessions": sorted(intent.sessions),
                "learner": intent.learner,
                "after": tile.sequence if tile else 0,
            }
        )
        pause = 0.1
        while True:
            sinks = await house._ask(TILES_HOST, "erase", order, 60.0)
            intent.sinks = {"tiles": "behind"} if sinks is None else sinks  # or there are none
            rows = await house._ask(PROJECTIONS_HOST, "status", b"", 5.0)
            filled = [projection_of(entry.key) async for entry in house._cluster.scan(HOLDS)]
            intent.projections = projected(house._configured, filled, rows or (), intent.last)
            if "behind" not in {*intent.sinks.values(), *intent.projections.values()}:
                return
            await self._keep()
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)


def projected(
    configured: Iterable[str], filled: Iterable[str], rows: Iterable[Mapping[str, Any]], last: int
) -> dict[str, str]:
    """What has become of an erasure in each store, by projection.

    Args:
        configured: those there are to be; one that does not answer is behind.
        filled: those that ever ran; what one of them has that is not configured any more, nobody
            takes back.
        rows: what those that run say of themselves; last: sequence of the learner's last word.
    """
    told = dict.fromkeys(filled, "kept") | dict.fromkeys(configured, "behind")
    for row in rows:
        told[row["projection"]] = "erased" if row["position"] >= last else "behind"
    return told


_OWN: Final = frozenset(
    kind.model_fields["kind"].default for kind in get_args(get_args(LearnerEvent)[0])
)
"""The kinds of events that learners write."""


def _origin(headers: Any) -> int:
    """The sequence of the checkpoint a tile is of; 0 where it does not say."""
    text = headers.get(HEADER_ORIGIN, "0").partition(".")[0]
    return int(text) if text.isdigit() else 0


def _mentions(data: bytes, ids: frozenset[str]) -> bool:
    """Whether one of the names stands in a message, as a whole word of one of its texts."""
    try:
        return any(_words(text) & ids for text in _texts(unpack(data, "dead")))
    except DecodeError:
        pass
    try:
        return any(_words(text) & ids for text in _texts(json.loads(data)))
    except ValueError:
        return bool(_words(data.decode(errors="replace")) & ids)


_WORD: Final = re.compile(r"[A-Za-z0-9_-]+")


def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text))


def _texts(value: Any) -> Iterable[str]:
    """Every text in a plain value; texts that are packed once more as well."""
    match value:
        case str():
            yield value
        case bytes():
            yield value.decode(errors="replace")
        case dict():
            for key, one in value.items():
                yield from _texts(key)
                yield from _texts(one)
        case list() | tuple():
            for one in value:
                yield from _texts(one)
        case _:
            return
