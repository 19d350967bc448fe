"""A host: one process, or one part of it, that carries thousands of keyed actors.

One law: one ``Host`` object is one incarnation. When its lease is revoked it is over: it drops
everything at once, and whoever runs it begins a new one.
"""

from __future__ import annotations

import asyncio
import heapq
import time
import zlib
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import structlog

from holodeck.actors.caller import Caller
from holodeck.actors.conversing import Conversing
from holodeck.actors.decider import Moment
from holodeck.actors.dispatch import FleetShell
from holodeck.actors.folds import (
    FLEET_FAMILIES,
    HEADER_DUE,
    HEADER_SEQUENCE,
    Cell,
    Folds,
    Role,
    cell_key,
    concerns_fleet,
)
from holodeck.actors.heeding import Heeding
from holodeck.actors.learner.decider import next_due
from holodeck.actors.lease import Lease, holder
from holodeck.actors.metrics import Metrics
from holodeck.actors.names import Names
from holodeck.actors.narrating import Narrating
from holodeck.actors.people import LearnerShell, NpcShell
from holodeck.actors.practising import Practising
from holodeck.actors.session import Phase, SessionState
from holodeck.actors.session.decider import next_deadline
from holodeck.actors.shell import BEGINNINGS, FoldShell, SessionShell, Work
from holodeck.actors.table import ERASURES, HOLDS, Table, deployment, erasure_of, read_table
from holodeck.broker.port import (
    Broker,
    Bucket,
    Delivery,
    Entry,
    Follower,
    Log,
    Record,
    Subscription,
)
from holodeck.broker.streams import Layout
from holodeck.messages.codec import (
    decode_checkpoint,
    decode_command,
    encode_answer,
    pack,
    ready,
    unpack,
)
from holodeck.messages.envelope import (
    HEADER_CONTENT,
    HEADER_PARENT,
    HEADER_WRITER,
    JSON_CONTENT,
    MAX_DEADLINE_MS,
    Answer,
    Checkpoint,
    ReadPlayer,
)
from holodeck.messages.errors import (
    ContractError,
    DecodeError,
    LostFence,
    RefusedError,
    TransientError,
)
from holodeck.messages.fleet import FLEET, GraphPoint
from holodeck.messages.ids import NOBODY, new_id, partition_of
from holodeck.messages.session import MindKind
from holodeck.messages.subjects import (
    ANY,
    COMMAND,
    CTL_HOST,
    DEAD,
    Place,
    all_checkpoints,
    learner_filter,
    npc_filter,
    partition_filter,
    place_of,
    writer_filter,
)
from holodeck.minds.port import Faculties, Mind

log = structlog.get_logger("holodeck.host")

TICK_S: Final = 0.05
PAGE_BYTES: Final = 512 * 1024
"""Bytes of rows told in one answer; a message holds a megabyte."""
HEADER_ENDED: Final = "Holodeck-Ended"
HEADER_LEARNER: Final = "Holodeck-Learner"
"""Whose an archived session is."""
HEADER_BYTES: Final = "Holodeck-Bytes"
"""An archived log whose checkpoints were taken out of the journal without being overwritten."""
OVERWRITING: Final = 0.1
OVERWRITING_S: Final = 30.0
"""How long one look for what is to be archived overwrites what it takes out of the journal: this
share of the time between two, but at least so many seconds. Beyond that there is so much to do
that the server's files turn over by themselves."""
HEADER_AGAIN: Final = "Holodeck-Again"
"""An archived log that was put once more, over an earlier one."""
RELEASED_S: Final = 15.0
"""How long a partition laid down for another host is not taken up again under the same table;
longer than the supervisor waits for the laying down."""
FEW: Final = 64
"""How many snapshots a takeover asks for one by one; more are read all at once."""
TAIL: Final = 200_000
"""How many records of the journal a takeover may have to read; about two seconds."""
FRESH: Final = 4096
"""How many checkpoints written here are kept decoded until they come back to be folded."""
HOLDS_MS: Final = 60_000
"""How long a projection's word that it has still to read something counts, ms."""
NAME_PATIENCE_S: Final = 5.0
"""How long the holder of a user name is asked whether it carries it, seconds."""
ENDED_LINGER_S: Final = 30.0
"""How long an ended session stays in memory for the questions that follow its end."""


@dataclass(frozen=True, slots=True)
class HostOptions:
    """How a host behaves; times in seconds unless they say otherwise.

    Attributes:
        partitions: what a deployment is created with if this host is the first.
        mailbox: commands that may wait for one actor.
        idle_sleep_s: after this long without a command an actor is snapshotted and dropped.
        flush_s: how often each partition is snapshotted; sooner if very much is written.
        keep_s: an ended session older than this moves to the archive.
        max_sessions: live sessions this host takes.
        abandon_s: a session whose start does not say, and to which no client has said anything
            for so long, ends as abandoned; 0 never.
        mid_window_s: how long the fleet gathers what sessions show before it is put together.
        threaded_lease: renew the lease from a thread of its own.
    """

    name: str = "host"
    node: str = ""
    partitions: int = 64
    mailbox: int = 256
    idle_sleep_s: float = 300.0
    flush_s: float = 60.0
    lease_s: float = 2.0
    lease_renew_s: float = 0.5
    keep_s: float = 90 * 86400.0
    max_sessions: int = 100_000
    abandon_s: float = 0.0
    mid_window_s: float = 300.0
    threaded_lease: bool = True


Roles = frozenset[Role]
EVERYONE: Final[Roles] = frozenset({"npc", "learner", "fleet"})
PEOPLE: Final[Roles] = frozenset({"npc", "learner"})
BEHIND: Final = 10_000
"""How many records a fleet has to be behind the others' folds to be read for by a reader of its
own, so that nobody waits for it."""


def inbox_filters(ns: str, owned: Iterable[int], partitions: int) -> list[tuple[str, Roles]]:
    """What a host reads its folds from, each filter with the roles it serves.

    One read-all consumer, picked by subject, is cheapest by far for a host that owns an eighth
    of the partitions or more; below that, one consumer per partition and role. Whoever has the
    fleet reads everything for it.
    """
    mine = sorted(owned)
    if not mine:
        return []
    if len(mine) * 8 >= partitions:
        return [(all_checkpoints(ns), EVERYONE)]
    filters: list[tuple[str, Roles]] = []
    for p in mine:
        filters.append((npc_filter(ns, p), frozenset({"npc"})))
        filters.append((learner_filter(ns, p), frozenset({"learner"})))
    if partition_of(FLEET, partitions) in mine:
        filters.append((all_checkpoints(ns), frozenset({"fleet"})))
    return filters


class _Reader:
    """One follower of the journal and the place it has reached.

    Attributes:
        roles: whom it serves.
        whole: it is shown every checkpoint, not only those of a partition.
    """

    __slots__ = ("follower", "gaps", "known", "position", "roles", "target", "whole")

    def __init__(self, roles: Roles, whole: bool, position: int, target: int) -> None:
        self.roles = roles
        self.whole = whole
        self.position = position
        self.target = target
        self.known = 0
        self.gaps = 0
        self.follower: Follower | None = None

    def reached(self) -> int:
        """Everything that concerns us up to this sequence has been folded."""
        follower = self.follower
        if follower is None:
            return -1
        if follower.pending == 0 and self.position >= follower.position:
            # Nothing more was waiting: what the stream held at the start is behind us.
            return max(self.position, self.target, self.known)
        return max(self.position, self.known)


class Host:
    """One incarnation.

    Args:
        connect: opens a connection with the runtime's rights.
        minds: what it thinks with, or only who answers turns, by the kind a session asks for.
        on_lost: called once, when the lease was revoked and everything has been dropped.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[Broker]],
        layout: Layout,
        options: HostOptions,
        *,
        minds: Faculties | Mapping[MindKind, Mind] | None = None,
        metrics: Metrics | None = None,
        on_lost: Callable[[], None] | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._connect = connect
        self.layout = layout
        self.options = options
        self.ns = layout.ns
        self.incarnation = new_id("inc")
        self.mailbox = options.mailbox
        self.metrics = metrics or Metrics()
        faculties = minds if isinstance(minds, Faculties) else Faculties(minds=minds or {})
        self._recall = faculties.recall
        self._worlds = faculties.worlds
        self.talks = Conversing(self, faculties)
        self.practises = Practising(self, faculties)
        self.tales = Narrating(self, faculties, options.abandon_s)
        self.heeds = Heeding(self, faculties)
        self._on_lost = on_lost
        self._wall = wall
        self.partitions = options.partitions
        self.high = 0
        self.owned: set[int] = set()
        self.draining = False
        self.erased: set[str] = set()
        self.sessions: dict[str, SessionShell] = {}
        self.asleep: dict[str, tuple[int, int]] = {}
        self._shells: dict[str, dict[str, FoldShell]] = {"npc": {}, "learner": {}}
        self._dirty: dict[int, set[str]] = {}
        self._marks: dict[tuple[str, int], int] = {}
        self._archived: set[int] = set()
        self._retain_at: dict[int, float] = {}
        # Looking through what has ended costs a read of all of it: hourly is soon enough for
        # days, and a short retention is looked after accordingly.
        self._retain_every = min(3600.0, max(options.flush_s, options.keep_s / 20))
        self._heap: list[tuple[int, str]] = []
        self._learner_heap: list[tuple[int, str]] = []
        self._learner_due: dict[str, int] = {}
        self._fold_from: dict[tuple[str, str], int] = {}
        self._readers: list[_Reader] = []
        self._reader_at: dict[tuple[str, str], _Reader] = {}
        self._reading = True
        self._waiters: list[tuple[int, int, str, int, Callable[[], None]]] = []
        self._waiter = 0
        self._fresh: dict[int, Checkpoint] = {}
        self._subs: dict[int, Subscription] = {}
        self._own_subs: list[Subscription] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        self._table = Table(0, (), "")
        self._table_lock = asyncio.Lock()
        self._flushing: dict[int, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._laid_down: dict[int, tuple[int, float]] = {}
        self.fleet: FleetShell | None = None
        self._fleet_at = partition_of(FLEET, self.partitions)
        self._no_graph: GraphPoint | None = None
        self._closed = False
        self._server = ""
        self._suspect = False
        self._seen = 0

    # -- life ----------------------------------------

    async def start(self) -> None:
        """Connects, takes a lease and waits to be given partitions.

        Raises:
            StartupError: the broker cannot be reached or used.
        """
        self._loop = asyncio.get_running_loop()
        ready()
        self.broker = await self._connect()
        layout = self.layout
        self.journal: Log = self.broker.log(layout.checkpoints)
        self._dead = self.broker.log(layout.dead)
        self._live = self.broker.bucket(layout.live)
        self._archive = self.broker.bucket(layout.archive)
        self._actors = self.broker.bucket(layout.actors)
        self._cluster = self.broker.bucket(layout.cluster)
        self.partitions = (await deployment(self._cluster, self.options.partitions)).partitions
        self._fleet_at = partition_of(FLEET, self.partitions)
        self._caller = Caller(self.broker, self.ns, self.partitions)
        self.names = Names(self._actors, self._carries, self.now)
        self.folds = Folds(self._actors, self.time, self._refold, self.valid, self._stirred)
        self.high = await self.journal.end()
        self._server = self.broker.server_id
        self.broker.on_reconnect(self._reconnected)
        me = holder(self.incarnation, self.options.name, self.options.node)
        self.lease = Lease(
            self._connect,
            layout.cluster,
            me,
            on_lost=self._lost,
            valid_s=self.options.lease_s,
            renew_s=self.options.lease_renew_s,
            threaded=self.options.threaded_lease,
        )
        self._own_subs.append(
            await self.broker.subscribe(CTL_HOST.of(self.ns, self.incarnation, ANY), self._on_ctl)
        )
        self._own_subs.append(
            await self._cluster.watch("table", lambda _entry: self.spawn(self.reread_table()))
        )
        # In this order: who is to be erased from now on is heard of, who was before is read.
        self._own_subs.append(await self._cluster.watch(ERASURES, self._on_erasure))
        async for entry in self._cluster.scan(ERASURES, headers_only=True):
            self._on_erasure(entry)
        await self.lease.start()
        self.spawn(self._tick())
        self.spawn(self._flush_loop())
        self.spawn(self._poll())
        await self.reread_table()
        log.info("host.started", host=self.options.name, incarnation=self.incarnation)

    async def stop(self) -> None:
        """Leaves in good order: snapshots everything, gives the lease up."""
        if self._closed:
            return
        await self.drain()
        await self._close()
        await self.lease.stop()
        await self.broker.close()

    async def kill(self) -> None:
        """Stops as a crash would: nothing is saved, nothing is said. For tests and demos."""
        if self._closed:
            return
        await self._close()
        # A start that failed half way has not made everything yet.
        if hasattr(self, "lease"):
            await self.lease.stop(release=False)
        if hasattr(self, "broker"):
            await self.broker.close(discard=True)

    def _lost(self) -> None:
        """The lease was revoked: another host has our partitions, or soon will."""
        if self._closed:
            return
        self.metrics.lease_losses.inc()
        self._loop.create_task(self._abandon())

    async def _abandon(self) -> None:
        await self._close()
        await self.broker.close(discard=True)
        await self.lease.stop()
        log.warning("host.abandoned", incarnation=self.incarnation)
        if self._on_lost is not None:
            self._on_lost()

    async def _close(self) -> None:
        self._closed = True
        for shell in self.sessions.values():
            shell.dropped = True
        for shells in self._shells.values():
            for fold_shell in shells.values():
                fold_shell.dropped = True
        if self.fleet is not None:
            self.fleet.dropped = True
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def spawn(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        """Runs a coroutine that belongs to this incarnation; its failure is a bug and is logged."""
        if self._closed:
            coroutine.close()
            return
        task = self._loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("host.task-failed", exc_info=task.exception())

    # -- time and rights ----------------------------------------

    def now(self) -> int:
        """Wall clock, ms since 1970 UTC."""
        return int(self._wall() * 1000)

    def time(self) -> float:
        """Monotonic clock, seconds. Not the loop's: that of uvloop counts whole milliseconds."""
        return time.monotonic()

    def valid(self) -> bool:
        """Whether this incarnation may answer and write right now."""
        return not self._suspect and self.lease.valid

    def erasing(self, learner: str) -> bool:
        return learner in self.erased

    def _on_erasure(self, entry: Entry) -> None:
        self.erased.add(erasure_of(entry.key))

    def owns(self, partition: int) -> bool:
        return partition in self.owned and not self._closed

    # -- partitions ----------------------------------------

    async def reread_table(self) -> None:
        """Takes up and lays down partitions until what is held is what the table says."""
        async with self._table_lock:
            self._table = table = await read_table(self._cluster, self.partitions)
            wanted = table.of(self.incarnation) - self._released(table.epoch)
            for partition in self.owned - wanted:
                await self._drop(partition)
            if self._server != self.broker.server_id:
                self._server = self.broker.server_id
            fresh = wanted - self.owned
            # Under a table of the server's last run nobody has looked yet for snapshots that are
            # ahead of the journal.
            if fresh and not self.draining and table.server == self.broker.server_id:
                try:
                    await self._adopt(fresh)
                except BaseException:
                    # Held by halves is worse than not held: the next look takes them up anew.
                    for partition in fresh:
                        await self._drop(partition)
                    raise
            elif not self._reading:
                await self._stop_readers()
                await self._open_readers(await self.journal.end())
            self.metrics.partitions_owned.set(len(self.owned))
        if self._suspect and table.server == self.broker.server_id:
            await self._trust_again()

    def _released(self, epoch: int) -> set[int]:
        """What was laid down for another host while the table does not say so yet."""
        since = self.time() - RELEASED_S
        self._laid_down = {
            p: (at, when)
            for p, (at, when) in self._laid_down.items()
            if at == epoch and when > since
        }
        return set(self._laid_down)

    async def _drop(self, partition: int) -> None:
        """Lays a partition down at once: nothing of it is answered any more."""
        self.owned.discard(partition)
        sub = self._subs.pop(partition, None)
        if sub is not None:
            await sub.stop()
        for shell in [s for s in self.sessions.values() if s.partition == partition]:
            shell.dropped = True
            del self.sessions[shell.identity]
        for identity in [i for i in self.asleep if self._partition(i) == partition]:
            del self.asleep[identity]
        for shells in self._shells.values():
            for fold_shell in [s for s in shells.values() if s.partition == partition]:
                fold_shell.dropped = True
                del shells[fold_shell.identity]
        self._dirty.pop(partition, None)
        self._marks.pop(("sessions", partition), None)
        self._marks.pop(("folds", partition), None)
        self.folds.drop(str(partition))
        for role in ("npc", "learner", "fleet"):
            self._fold_from.pop((role, str(partition)), None)
        if self.fleet is not None and partition == self._fleet_at:
            self.fleet.dropped = True
            self.fleet = None

    def _partition(self, identity: str) -> int:
        return partition_of(identity, self.partitions)

    async def _adopt(self, fresh: set[int]) -> None:
        """Takes partitions up: snapshots, then the tail of the journal, then timers, then work."""
        began = self.time()
        end = await self.journal.end()
        marks = await self._read_marks(fresh)
        for partition in fresh:
            self._dirty[partition] = set()
        tails, known, _ = await asyncio.gather(
            self._read_tails(marks), self._read_cells(fresh), self._read_archived(fresh)
        )
        asleep = await self._rebuild(tails, marks)
        self.asleep.update(asleep)
        for identity, (due, _) in asleep.items():
            if due:
                heapq.heappush(self._heap, (due, identity))
        # A reader that is further on must not hand a fresh partition anything before its backlog.
        await self._stop_readers()
        for partition in fresh:
            name = str(partition)
            self.folds.partition(name, known[partition])
            self._fold_from["npc", name] = self._fold_from["learner", name] = marks[partition][1]
            if partition == self._fleet_at:
                # Where it was never saved it has everything still to read.
                saved = hash(cell_key(partition, "fleet", FLEET)) in known[partition]
                self._fold_from["fleet", name] = marks[partition][1] if saved else 0
                self.fleet = FleetShell(self, partition, self.options.mid_window_s)
        self.owned |= fresh
        self.high = max(self.high, end)
        await self._open_readers(end)
        await asyncio.gather(*(self._listen(partition) for partition in fresh))
        for shell in list(self.sessions.values()):
            if shell.partition in fresh:
                self._awaken(shell)
        took = self.time() - began
        self.metrics.recovery("adopted", took)
        log.info(
            "partitions.adopted", count=len(fresh), seconds=round(took, 3), sessions=len(asleep)
        )

    async def _listen(self, partition: int) -> None:
        self._subs[partition] = await self.broker.subscribe(
            COMMAND.of(self.ns, partition, ANY, ANY), self._on_command
        )

    async def _read_archived(self, fresh: set[int]) -> None:
        """Which partitions have an archive: there a start has to look into it first."""

        async def one(partition: int) -> None:
            async for _ in self._archive.scan(f"log.{partition}.>", headers_only=True):
                self._archived.add(partition)
                break

        await asyncio.gather(*(one(partition) for partition in fresh))

    def _awaken(self, shell: SessionShell) -> None:
        shell.wake()
        if shell.state.awaiting or shell.state.talk is not None:
            self.spawn(self.talks.again(shell))
        if shell.state.practice is not None:
            self.practises.stored(shell)

    async def _read_marks(self, fresh: set[int]) -> dict[int, tuple[int, int]]:
        """Per partition: the sequences up to which its session snapshots and its folds are whole.

        Either stands in the bucket of what it vouches for, and was written behind it: a store
        that loses its end with the power loses the mark before it loses a snapshot.
        """

        async def one(what: str, bucket: Bucket, partition: int) -> int:
            entry = await bucket.get(f"folded.{partition}")
            self._marks[what, partition] = entry.revision if entry else 0
            return int(unpack(entry.data)) if entry else 0

        async def both(partition: int) -> tuple[int, int]:
            sessions, folds = await asyncio.gather(
                one("sessions", self._live, partition), one("folds", self._actors, partition)
            )
            return sessions, folds

        partitions = sorted(fresh)
        found = await asyncio.gather(*(both(partition) for partition in partitions))
        return dict(zip(partitions, found, strict=True))

    async def _write_mark(self, what: str, bucket: Bucket, partition: int, mark: int) -> bool:
        key = f"folded.{partition}"
        revision = self._marks.get((what, partition))
        if revision is None:
            return False
        try:
            revision, whole = await bucket.put(key, pack(mark), after=revision), True
        except LostFence:
            entry = await bucket.get(key)
            revision, whole = entry.revision if entry else 0, False
        if partition in self.owned:
            self._marks[what, partition] = revision
        return whole

    async def _read_cells(self, fresh: set[int]) -> dict[int, set[int]]:
        """Hashes of the keys of all NPC, relation and learner snapshots, by partition."""
        known: dict[int, set[int]] = {partition: set() for partition in fresh}
        everything = len(fresh) > 8
        for keys in ["cell.>"] if everything else [f"cell.{p}.>" for p in sorted(fresh)]:
            async for entry in self._actors.scan(keys, headers_only=True):
                partition = int(entry.key.split(".", 2)[1])
                if partition not in fresh:
                    continue
                known[partition].add(hash(entry.key))
                if due := int(entry.headers.get(HEADER_DUE, "0")):
                    self.arm_learner(entry.key.rsplit(".", 1)[1], due)
        return known

    async def _read_tails(
        self, marks: dict[int, tuple[int, int]]
    ) -> dict[str, tuple[int, list[Record]]]:
        """Of each session that was written to behind its partition's mark: the partition, and what
        was written."""
        tails: dict[str, tuple[int, list[Record]]] = {}
        limit = asyncio.Semaphore(8)

        async def one(partition: int) -> None:
            subjects = partition_filter(self.ns, "session", partition)
            async with limit:
                async for record in self.journal.read(subjects, after=marks[partition][0]):
                    identity = record.subject.split(".", 5)[4]
                    tails.setdefault(identity, (partition, []))[1].append(record)
                    self.high = max(self.high, record.sequence)

        await asyncio.gather(*(one(partition) for partition in sorted(marks)))
        return tails

    async def _rebuild(
        self,
        tails: dict[str, tuple[int, list[Record]]],
        marks: dict[int, tuple[int, int]],
    ) -> dict[str, tuple[int, int]]:
        """Rebuilds every session whose tail goes beyond its snapshot. The others sleep on.

        Returns:
            of these: id → when its next timer is due (0 none), sequence.
        """
        asleep: dict[str, tuple[int, int]] = {}
        behind: dict[str, Entry] = {}
        everything = len(marks) > 8
        # Asked for one by one, many snapshots would take the longest of all that is to be done.
        whole = len(tails) > FEW
        for keys in ["live.>"] if everything else [f"live.{p}.>" for p in sorted(marks)]:
            async for entry in self._live.scan(keys, headers_only=not whole):
                _, partition, identity = entry.key.split(".", 2)
                if int(partition) not in marks:
                    continue
                sequence = int(entry.headers.get(HEADER_SEQUENCE, "0"))
                if identity in tails and tails[identity][1][-1].sequence > sequence:
                    behind[identity] = entry
                    continue
                tails.pop(identity, None)
                asleep[identity] = (int(entry.headers.get(HEADER_DUE, "0")), sequence)

        async def one(identity: str, partition: int, records: list[Record]) -> None:
            shell = SessionShell(self, identity, partition)
            entry = behind.get(identity)
            if entry is not None:
                await self._load_snapshot(shell, entry if whole else None)
            elif marks[partition][0]:
                # Older than the mark and without a snapshot: it had ended, or never was.
                first = unpack(records[0].data).get("events", [{}])[0].get("kind")
                if first not in _FIRST:
                    records = await self.history(identity, partition, 0)
            for record in records:
                self._fold_record(shell, record)
            if shell.state.phase is Phase.NEW:
                return
            self.sessions[identity] = shell
            self._dirty[partition].add(identity)

        waiting = list(tails.items())
        for index in range(0, len(waiting), 64):
            batch = waiting[index : index + 64]
            await asyncio.gather(*(one(identity, *tail) for identity, tail in batch))
        return asleep

    def _fold_record(self, shell: SessionShell, record: Record) -> None:
        """Folds a stored checkpoint. One that cannot be read is skipped here; the tile emitter,
        which reads everything, puts it aside for operators."""
        try:
            shell.fold(record)
        except DecodeError as error:
            log.error("checkpoint.undecodable", sequence=record.sequence, reason=str(error))
            shell.sequence = record.sequence

    async def _load_snapshot(self, shell: SessionShell, entry: Entry | None = None) -> None:
        """Gives a session the state of its snapshot, which is read if it was not yet."""
        if entry is None:
            entry = await self._live.get(f"live.{shell.partition}.{shell.identity}")
        if entry is None:
            return
        shell.revision = entry.revision
        try:
            usable = shell.load(entry.data)
        except (ValueError, KeyError, TypeError, DecodeError) as error:
            log.error("session.snapshot-unreadable", session=shell.identity, reason=str(error))
            usable = False
        if not usable:
            for record in await self.history(shell.identity, shell.partition, 0):
                self._fold_record(shell, record)

    async def restore(self, shell: SessionShell) -> None:
        """Gives a session that is not in memory its state, from snapshot, journal or archive.

        A snapshot only shortens the reading. It may be an old one: a killed server brings back
        what was overwritten, where the value that overwrote it had been deleted.
        """
        if self.asleep.pop(shell.identity, None) is not None:
            subjects = writer_filter(self.ns, "session", shell.partition, shell.identity)
            last = await self.journal.last(subjects)
            if last is not None:
                await self._load_snapshot(shell)
                if shell.sequence == last.sequence:
                    return
        for record in await self.history(shell.identity, shell.partition, shell.sequence):
            self._fold_record(shell, record)

    async def history(self, identity: str, partition: int, after: int) -> list[Record]:
        """Every checkpoint of a session above ``after``, from the journal or else the archive."""
        subjects = writer_filter(self.ns, "session", partition, identity)
        records = [record async for record in self.journal.read(subjects, after=after)]
        last = records[-1].sequence if records else after
        if last or not self._archived:
            records += await self.journal.tail(subjects, last)
        if not after and partition in self._archived and not _from_its_beginning(records):
            entry = await self._archive.get(f"log.{partition}.{identity}")
            if entry is not None:
                # What was written since it was put there, or is being taken out of the journal.
                known = unarchived(entry.data)
                last = known[-1].sequence
                records = known + [record for record in records if record.sequence > last]
        return records

    # -- folds ----------------------------------------

    async def _stop_readers(self) -> None:
        """Ends all readers, and notes up to where each partition has been folded."""
        self._reading = False
        for reader in self._readers:
            if reader.follower is not None:
                await reader.follower.stop()
        for role, name in self._fold_from:
            self._fold_from[role, name] = self._folded(role, name)
        self._readers, self._reader_at = [], {}

    async def _open_readers(self, end: int) -> None:
        """Reads the journal from the oldest place any owned partition has folded to."""
        filters = inbox_filters(self.ns, self.owned, self.partitions)
        everything = all_checkpoints(self.ns)
        if filters == [(everything, EVERYONE)] and self._fleet_is_behind():
            filters = [(everything, PEOPLE), (everything, frozenset({"fleet"}))]
        for number, (subjects, roles) in enumerate(filters):
            served = [
                (kind, name)
                for kind, name in self._fold_from
                if kind in roles and subjects in (everything, _filter(self.ns, kind, name))
            ]
            after = min(self._fold_from[key] for key in served)
            reader = _Reader(roles, subjects == everything, after, end)
            self._readers.append(reader)
            self._reader_at.update(dict.fromkeys(served, reader))
            reader.follower = await self.journal.follow(
                subjects,
                partial(self._on_record, reader),
                after=after,
                name=f"{self.incarnation}-{number}-{self._waiter}",
            )
            self._waiter += 1
        self._reading = True

    def _fleet_is_behind(self) -> bool:
        places = self._fold_from
        fleet = [at for (role, _), at in places.items() if role == "fleet"]
        people = [at for (role, _), at in places.items() if role != "fleet"]
        return bool(fleet) and bool(people) and fleet[0] < min(people) - BEHIND

    def _join_readers(self) -> None:
        """Hands a fleet that has caught up over to the reader of everybody else."""
        if len(self._readers) != 2 or self._readers[0].roles != PEOPLE or self.fleet is None:
            return
        people, fleet = self._readers
        key = ("fleet", str(self.fleet.partition))
        if not people.whole or fleet.position < max(people.position, people.target):
            return
        self._fold_from[key] = fleet.position
        self._reader_at[key] = people
        people.roles, fleet.roles = EVERYONE, frozenset()
        self._readers.remove(fleet)
        if fleet.follower is not None:
            self.spawn(fleet.follower.stop())

    def _folded(self, role: str, partition: str) -> int:
        """Up to which sequence a partition's cells of ``role`` contain everything."""
        place = self._fold_from[role, partition]
        reader = self._reader_at.get((role, partition))
        return place if reader is None else max(place, reader.reached())

    def _on_record(self, reader: _Reader, record: Record) -> None:
        """One checkpoint from the journal: folded by whom its subject names."""
        tokens = record.subject.split(".")
        sequence = record.sequence
        if len(tokens) == 10:
            told: Checkpoint | None = None
            if tokens[2] == "session":
                shell = self.sessions.get(tokens[4])
                if shell is not None and sequence > shell.sequence:
                    flight = shell.flight
                    if flight is not None and flight.data == record.data:
                        # Our own, come back before its acknowledgement was taken up.
                        told = Checkpoint(flight.at, tuple(flight.events))
                    elif record.headers.get(HEADER_WRITER) != self.incarnation:
                        self._foreign(shell)
            fold_from, roles = self._fold_from, reader.roles
            npc_place = learner_place = fleet_place = None
            if "npc" in roles:
                npc_place = fold_from.get(("npc", tokens[6]))
            if "learner" in roles:
                learner_place = fold_from.get(("learner", tokens[8]))
            fleet = self.fleet
            if fleet is not None and "fleet" in roles and tokens[5] in FLEET_FAMILIES:
                fleet_place = fold_from.get(("fleet", str(fleet.partition)))
            for_npc = npc_place is not None and sequence > npc_place
            for_learner = learner_place is not None and sequence > learner_place
            for_fleet = fleet_place is not None and sequence > fleet_place
            if for_npc or for_learner or for_fleet:
                if told is None:
                    told = self._fresh.pop(sequence, None) or _told(record)
                if told is not None:
                    at, events = told.at, told.events
                    place = Place(*tokens[2:])
                    if for_npc:
                        self.folds.apply("npc", place, record, at, events)
                    if for_learner:
                        self.folds.apply("learner", place, record, at, events)
                    if for_fleet and fleet is not None and concerns_fleet(tokens[5], events):
                        cell = self.folds.apply_fleet(
                            str(fleet.partition), place, record, at, events
                        )
                        if cell.pending is None:
                            fleet.saw(place.identity, events)
        reader.position = sequence
        if sequence > self.high:
            self.high = sequence
        # Whoever waits, waits for the target too: until then a look would only sort them anew.
        if self._waiters and reader.reached() >= reader.target:
            self._wake_folded()

    def _foreign(self, shell: SessionShell) -> None:
        """Somebody else wrote to a session we hold: fold it before anyone reads it here."""
        if not shell.busy:
            shell.loading = True
            self.spawn(self._resync(shell))

    async def _resync(self, shell: SessionShell) -> None:
        try:
            await self.reread_table()
            for record in await self.journal.tail(
                writer_filter(self.ns, "session", shell.partition, shell.identity), shell.sequence
            ):
                self._fold_record(shell, record)
        except TransientError as error:
            log.warning("resync.failed", session=shell.identity, reason=str(error))
        shell.loading = False
        if not shell.dropped:
            self._dirty[shell.partition].add(shell.identity)
            shell.wake()
            shell._next()

    async def _refold(self, cell: Cell) -> None:
        """Folds a cell from the journal's first checkpoint on: its snapshot cannot be used."""
        _, partition, kind, *identity = cell.key.split(".")
        role: Role = "npc" if kind == "relation" else kind  # type: ignore[assignment]
        subjects = _filter(self.ns, role, partition)
        async for record in self.journal.read(subjects):
            place = place_of(record.subject)
            if place is None:
                continue
            if role == "fleet":
                if place.family not in FLEET_FAMILIES:
                    continue
            else:
                named = [place.npc, place.learner] if kind == "relation" else [getattr(place, role)]
                if named != identity:
                    continue
            try:
                checkpoint = decode_checkpoint(record.data, record.subject)
            except DecodeError:
                continue
            if role == "fleet" and not concerns_fleet(place.family, checkpoint.events):
                continue
            own = place.kind == kind and place.identity == identity[0]
            learner = "" if place.learner == NOBODY else place.learner
            moment = Moment(record.sequence, checkpoint.at, place.identity, learner)
            cell.fold(moment, checkpoint.events, record.headers.get("Holodeck-Command", "") if own else None)  # fmt: skip  # noqa: E501

    def when_folded(
        self, role: str, partition: int, sequence: int, then: Callable[[], None]
    ) -> None:
        """Calls ``then`` once the partition's folds are whole and contain ``sequence``."""
        if self._caught_up(role, partition, sequence):
            then()
            return
        self._waiter += 1
        heapq.heappush(self._waiters, (sequence, self._waiter, role, partition, then))
        reader = self._reader_at.get((role, str(partition)))
        if reader is not None and not reader.whole:
            self.spawn(self._look(reader, _filter(self.ns, role, str(partition)), sequence))

    async def _look(self, reader: _Reader, subjects: str, sequence: int) -> None:
        """The reader of one partition is not shown what concerns others: looks how far it is."""
        give_up = self.time() + MAX_DEADLINE_MS / 1000
        while reader in self._readers and reader.reached() < sequence and self.time() < give_up:
            await asyncio.sleep(TICK_S)
            try:
                end = await self.journal.end()
                last = await self.journal.last(subjects)
            except TransientError as error:
                log.warning("look.failed", reason=str(error))
                continue
            if last is None or last.sequence <= reader.position:
                reader.known = max(reader.known, end)
        self._wake_folded()

    def _caught_up(self, role: str, partition: int, sequence: int) -> bool:
        reader = self._reader_at.get((role, str(partition)))
        return reader is not None and reader.reached() >= max(sequence, reader.target)

    def _wake_folded(self) -> None:
        waiters = self._waiters
        blocked: list[tuple[int, int, str, int, Callable[[], None]]] = []
        top = max((reader.reached() for reader in self._readers), default=0)
        while waiters and waiters[0][0] <= top:
            item = heapq.heappop(waiters)
            if item[3] not in self.owned:
                continue
            if self._caught_up(item[2], item[3], item[0]):
                item[4]()
            else:
                blocked.append(item)
        for item in blocked:
            heapq.heappush(waiters, item)

    def cell(self, kind: str, identity: str) -> Cell:
        """The cell of an NPC, a learner, or (``npc.learner``) a relation."""
        first = identity.partition(".")[0]
        return self.folds.cell(str(self._partition(first)), kind, *identity.split("."))

    def awake(self, kind: str, identity: str) -> Cell | None:
        """As :meth:`cell`, if it is in memory; it may go to sleep all the same."""
        first = identity.partition(".")[0]
        return self.folds.awake(str(self._partition(first)), kind, *identity.split("."))

    def when_ready(self, cell: Cell, then: Callable[[], None]) -> None:
        self.folds.when_ready(cell, then)

    # -- commands ----------------------------------------

    def _on_command(self, delivery: Delivery) -> None:
        received = time.monotonic()
        tokens = delivery.subject.split(".")
        headers = delivery.headers
        content = headers.get(HEADER_CONTENT, "") if headers else ""
        kind, identity = tokens[3], tokens[4]
        as_json = content.startswith(JSON_CONTENT)
        try:
            envelope = decode_command(kind, delivery.data, delivery.subject, content)
            partition = int(tokens[2])
            if partition_of(identity, self.partitions) != partition:
                raise DecodeError(delivery.subject, "the id lives in another partition")
        except (ContractError, ValueError) as error:
            self._unreadable(delivery, as_json, error)
            return
        work = Work.of(kind, envelope, self.now(), received, delivery.reply, as_json)
        if partition not in self.owned or self.draining:
            self.answer(work, Answer(status="moved", reason="moved"))
            return
        if kind == "session":
            self._to_session(identity, partition, work)
        else:
            self._to_fold(kind, identity, partition, work)

    def _unreadable(self, delivery: Delivery, as_json: bool, error: Exception) -> None:
        code = getattr(error, "code", "undecodable")
        self.metrics.command("unknown", code, 0.0)
        self.dead("COMMANDS", error, delivery.subject, delivery.data, 0)
        if delivery.reply and self.valid():
            answer = Answer(status="contract", reason=code, detail=str(error)[:1000])
            self.broker.post(delivery.reply, encode_answer(answer, as_json=as_json))

    def _to_session(self, identity: str, partition: int, work: Work) -> None:
        shell = self.sessions.get(identity)
        if shell is None:
            shell = SessionShell(self, identity, partition)
            self.sessions[identity] = shell
            begins = isinstance(work.body, BEGINNINGS)
            if begins and identity not in self.asleep and partition not in self._archived:
                shell.unread = True
            else:
                shell.loading = True
                self.spawn(shell.open())
        shell.submit(work)

    def _to_fold(self, kind: str, identity: str, partition: int, work: Work) -> None:
        if kind == "fleet":
            if self.fleet is None or identity != FLEET:
                told = f"there is one in each namespace, {FLEET}"
                self.answer(work, Answer(status="refused", reason="unknown-fleet", detail=told))
                return
            self.fleet.submit(work)
            return
        if kind == "learner":
            self._learner(identity, partition).submit(work)
            return
        shells = self._shells[kind]
        shell = shells.get(identity)
        if shell is None:
            shell = shells[identity] = NpcShell(self, identity, partition, self._recall)
        shell.submit(work)

    async def command(
        self, kind: str, identity: str, command: str, body: Any, seconds: float
    ) -> Answer:
        """Asks another actor, wherever it lives; as :meth:`Caller.command`."""
        return await self._caller.command(kind, identity, command, body, deadline_s=seconds)

    def answer(self, work: Work, answer: Answer) -> None:
        """Answers everyone who waits for a command, if the lease still holds."""
        self.metrics.command(work.actor, answer.status, time.monotonic() - work.received)
        if not work.replies or not self.valid():
            return
        if work.finding is not None:
            answer = replace(answer, safety=work.finding)
        encoded: dict[bool, bytes] = {}
        for reply, as_json in work.replies:
            data = encoded.get(as_json)
            if data is None:
                data = encoded[as_json] = encode_answer(answer, as_json=as_json)
            headers = {HEADER_CONTENT: JSON_CONTENT} if as_json else None
            self.broker.post(reply, data, headers=headers)

    def dead(self, stream: str, error: Exception, subject: str, data: bytes, sequence: int) -> None:
        """Puts a message nobody can decode aside for operators, and counts it."""
        reason = getattr(error, "code", "undecodable")
        self.metrics.dead_letter(stream, reason)
        future = self._dead.append(
            DEAD.of(self.ns, stream, reason),
            data[: 512 * 1024],
            headers={
                "Holodeck-Subject": subject[:1024],
                "Holodeck-Origin": str(sequence),
                "Holodeck-Reason": _one_line(str(error)),
                "Holodeck-At": str(self.now()),
            },
        )
        future.add_done_callback(_noted)

    def committed(self, shell: SessionShell, work: Work, events: Sequence[Any]) -> None:
        """A session has stored a checkpoint: count it, remember it for the next flush, think."""
        dirty = self._dirty.get(shell.partition)
        if dirty is not None:
            dirty.add(shell.identity)
        self.metrics.observe(events)
        if shell.state.awaiting or shell.state.talk is not None:
            self.talks.stored(shell, events)
        if shell.state.practice is not None:
            self.practises.stored(shell)
        if shell.state.playing is not None:
            self.tales.stored(shell, events)

    def wrote(self, sequence: int, at: int, events: Sequence[Any]) -> None:
        """Keeps what was just written, so that it need not be decoded when it comes back."""
        readers = self._readers
        if len(readers) == 1 and readers[0].position >= sequence:
            return  # it came back before its acknowledgement was taken up
        fresh = self._fresh
        if len(fresh) >= FRESH:
            fresh.clear()
        fresh[sequence] = Checkpoint(at, tuple(events))

    def forget(self, shell: SessionShell) -> None:
        """Drops a shell that turned out to hold nothing."""
        if self.sessions.get(shell.identity) is shell and not shell.busy and not shell.queue:
            del self.sessions[shell.identity]

    def arm(self, shell: SessionShell, due: int) -> None:
        """Puts a deadline (ms since 1970 UTC) into the heap."""
        shell.armed = due
        heapq.heappush(self._heap, (due, shell.identity))

    def post(self, subject: str, data: bytes) -> None:
        """Says something that nothing keeps."""
        if self.valid():
            self.broker.post(subject, data)

    # -- learners ----------------------------------------

    async def _carries(self, learner: str, name: str) -> bool:
        """Whether the learner's profile has that user name."""
        ask = ReadPlayer(view="profile", at=self.now())
        try:
            answer = await self.command("learner", learner, new_id("ask"), ask, NAME_PATIENCE_S)
        except RefusedError:
            return False  # it has no profile, or is erased
        found: str = unpack(answer.state or b"")["username"]
        return found.lower() == name.lower()

    def _stirred(self, cell: Cell) -> None:
        """A learner with a profile has folded something: it may have something to do."""
        due = next_due(cell.state, self.now())
        if not due:
            return
        _, partition, _, identity = cell.key.split(".")
        if int(partition) in self.owned:
            self.arm_learner(identity, due)

    def arm_learner(self, identity: str, due: int) -> None:
        """Has a learner look at ``due`` (ms since 1970 UTC) for what it has to do; a later time
        takes the place of an earlier one only when that has passed."""
        known = self._learner_due.get(identity)
        if known is not None and known <= due:
            return
        self._learner_due[identity] = due
        heapq.heappush(self._learner_heap, (due, identity))

    def _learner(self, identity: str, partition: int) -> LearnerShell:
        shells = self._shells["learner"]
        shell = shells.get(identity)
        if shell is None:
            shell = shells[identity] = LearnerShell(self, identity, partition, self._worlds)
        assert isinstance(shell, LearnerShell)
        return shell

    def _wake_learners(self) -> None:
        """Learners whose time has come; at most 200 at once."""
        now, woken = self.now(), 0
        heap = self._learner_heap
        while heap and heap[0][0] <= now and woken < 200:
            due, identity = heapq.heappop(heap)
            if self._learner_due.get(identity) != due:
                continue
            del self._learner_due[identity]
            partition = self._partition(identity)
            if partition not in self.owned:
                continue
            woken += 1
            # Not before the fold is whole: what it would owe may have been done long ago.
            self.when_folded("learner", partition, 0, partial(self._wake_learner, identity))

    def _wake_learner(self, identity: str) -> None:
        partition = self._partition(identity)
        if partition in self.owned and not self.draining:
            shell = self._learner(identity, partition)
            self.when_ready(self.cell("learner", identity), shell.stir)

    # -- clockwork ----------------------------------------

    async def _tick(self) -> None:
        """Fires deadlines and, now and then, puts idle actors to sleep."""
        next_sweep = self.time() + 1.0
        while True:
            await asyncio.sleep(TICK_S)
            if not self.valid():
                continue
            self._fire_due()
            if self._learner_heap:
                self._wake_learners()
            if self._waiters:
                self._wake_folded()
            if self.fleet is not None:
                self.fleet.tick()
                self._join_readers()
            if self.time() >= next_sweep:
                next_sweep = self.time() + max(0.2, min(5.0, self.options.idle_sleep_s / 4))
                await self._sleep_idle()
                self._gauge()

    def _fire_due(self) -> None:
        now = self.now()
        fired = 0
        while self._heap and self._heap[0][0] <= now and fired < 500:
            due, identity = heapq.heappop(self._heap)
            shell = self.sessions.get(identity)
            if shell is not None:
                if shell.armed == due:
                    fired += 1
                    shell.fire(now)
            elif identity in self.asleep and self.asleep[identity][0] == due:
                fired += 1
                shell = SessionShell(self, identity, self._partition(identity))
                self.sessions[identity] = shell
                shell.loading = True
                self.spawn(shell.open())

    async def _sleep_idle(self) -> None:
        """Snapshots and drops what was idle for long; ended sessions go sooner."""
        now = self.time()
        before = now - self.options.idle_sleep_s
        ended_before = now - min(ENDED_LINGER_S, self.options.idle_sleep_s)
        idle = [
            shell
            for shell in self.sessions.values()
            if not shell.busy
            and not shell.queue
            and not shell.waiting
            and not shell.asking
            and shell.used < (ended_before if shell.state.phase in _OVER else before)
        ]
        for index in range(0, len(idle), 256):
            batch = idle[index : index + 256]
            await self._save_sessions(batch)
            for shell in batch:
                self._put_to_sleep(shell)
        self.folds.passivate(before)
        for shells in self._shells.values():
            for fold_shell in [s for s in shells.values() if s.used < before and not s.busy]:
                if not fold_shell.queue:
                    del shells[fold_shell.identity]

    def _put_to_sleep(self, shell: SessionShell) -> None:
        if shell.busy or shell.queue or shell.waiting or shell.asking:
            return
        if shell.saved != shell.sequence:
            return
        if self.sessions.get(shell.identity) is not shell:
            return
        del self.sessions[shell.identity]
        if shell.state.phase in (Phase.ACTIVE, Phase.PAUSED):
            due = next_deadline(shell.state)
            when = due[0] if due else 0
            self.asleep[shell.identity] = (when, shell.sequence)
            if when:
                heapq.heappush(self._heap, (when, shell.identity))

    def _gauge(self) -> None:
        metrics = self.metrics
        metrics.awake["session"].set(len(self.sessions))
        cells = self.folds.count()
        metrics.awake["npc"].set(cells["npc"] + cells["relation"])
        metrics.awake["learner"].set(cells["learner"])
        metrics.asleep.set(len(self.asleep))
        metrics.mailbox_depth.set(sum(s.depth() for s in self.sessions.values() if s.queue))
        live = sum(
            1 for s in self.sessions.values() if s.state.phase in (Phase.ACTIVE, Phase.PAUSED)
        )
        metrics.session_active.set(live + len(self.asleep))
        lag = 0
        for reader in self._readers:
            if reader.follower is not None:
                lag += reader.follower.pending
                metrics.inbox_gaps.inc(reader.follower.gaps - reader.gaps)
                reader.gaps = reader.follower.gaps
        metrics.inbox_lag.set(lag)
        fleet = self.awake("fleet", FLEET) if self.fleet is not None else None
        point = fleet.state.point() if fleet is not None else self._no_graph
        if point is not None and (fleet is not None or self.fleet is None):
            # Once more where the fleet has gone elsewhere: the graph is told of by one host.
            self._no_graph = GraphPoint() if fleet is not None else None
            metrics.graph["betti1"].set(point.h1)
            metrics.graph["components"].set(point.components)
            metrics.graph["vertices"].set(point.vertices)
            metrics.graph["edges"].set(point.edges)

    async def _poll(self) -> None:
        """Reads the table now and then, in case a change was not heard of."""
        while True:
            await asyncio.sleep(1.0)
            try:
                await self.reread_table()
            except TransientError as error:
                log.warning("table.unread", reason=str(error))

    # -- snapshots ----------------------------------------

    async def _flush_loop(self) -> None:
        """Snapshots one partition after the other, each once in ``flush_s``, or sooner where so
        much is written that a takeover would have to read more than :data:`TAIL`."""
        flush_s = self.options.flush_s
        pace = flush_s
        while True:
            partitions = sorted(self.owned)
            if not partitions:
                await asyncio.sleep(min(1.0, flush_s))
                continue
            began, high = self.time(), self.high
            for partition in partitions:
                await asyncio.sleep(pace / len(partitions))
                if partition in self.owned and self.valid():
                    try:
                        await self.flush(partition)
                        if self.time() >= self._retain_at.get(partition, 0.0):
                            self._retain_at[partition] = self.time() + self._retain_every
                            await self._retain(partition)
                    except TransientError as error:
                        log.warning("flush.failed", partition=partition, reason=str(error))
            written = max(1, self.high - high)
            pace = min(flush_s, (self.time() - began) * TAIL / written)

    def _floor(self, partition: int) -> int:
        """A sequence up to which every checkpoint of the partition's sessions is in our states."""
        floor = self.high
        for shell in self.sessions.values():
            if shell.partition == partition and shell.flight is not None:
                floor = min(floor, shell.flight.base)
        return floor

    async def flush(self, partition: int) -> bool:
        """Writes what changed, then the mark that says up to where all is written.

        One at a time in each partition: a second one would find nothing changed, and its mark
        would pass what the first has not written yet.
        """
        async with self._flushing[partition]:
            return await self._flush(partition)

    async def _flush(self, partition: int) -> bool:
        dirty = self._dirty.get(partition)
        if dirty is None:
            return False
        sessions_mark = self._floor(partition)
        folds_mark = min(
            self._folded(role, name) for role, name in self._fold_from if name == str(partition)
        )
        self._dirty[partition] = set()
        shells = [s for s in map(self.sessions.get, dirty) if s is not None]
        missing = {i for i in dirty if i not in self.sessions and i not in self.asleep}
        try:
            whole = await self._save_sessions(shells)
        finally:
            # Also when it broke off: a later mark must not pass what was not saved.
            if partition in self.owned:
                self._dirty[partition] |= {
                    s.identity for s in shells if s.saved != s.sequence and not s.dropped
                }
        if partition not in self.owned:
            return False
        if missing:
            log.debug("flush.gone", partition=partition, count=len(missing))
        # Both halves, always: a session that failed to save must not keep the folds unsaved.
        folded = await self.folds.flush(str(partition))
        if partition not in self.owned or not self.valid():
            return False
        whole = whole and await self._write_mark("sessions", self._live, partition, sessions_mark)
        folded = folded and await self._write_mark("folds", self._actors, partition, folds_mark)
        return whole and folded

    async def _save_sessions(self, shells: list[SessionShell]) -> bool:
        """Snapshots sessions; True if every one was saved with at least its present state."""
        whole = True
        for index in range(0, len(shells), 128):
            batch: list[tuple[SessionShell, int, asyncio.Future[int]]] = []
            for shell in shells[index : index + 128]:
                if not self.valid():
                    whole = False
                    break
                if shell.dropped or shell.saved == shell.sequence or shell.loading:
                    whole = whole and not shell.loading
                    continue
                if shell.state.phase is Phase.ERASED:
                    whole = await self._save_erased(shell) and whole
                    continue
                if shell.state.phase in _OVER and not shell.state.owed:
                    await self._save_ended(shell)
                    continue
                due = next_deadline(shell.state)
                headers = {HEADER_SEQUENCE: str(shell.sequence)}
                if due is not None:
                    headers[HEADER_DUE] = str(due[0])
                key = f"live.{shell.partition}.{shell.identity}"
                batch.append(
                    (
                        shell,
                        shell.sequence,
                        self._live.put(key, shell.dump(), after=shell.revision, headers=headers),
                    )
                )
            for shell, sequence, future in batch:
                try:
                    shell.revision = await future
                    shell.saved = max(shell.saved, sequence)
                except LostFence:
                    await self._refence(shell)
                    whole = False
                except TransientError as error:
                    log.warning("snapshot.failed", session=shell.identity, reason=str(error))
                    whole = False
        return whole

    async def _refence(self, shell: SessionShell) -> None:
        """The snapshot's revision is not what we thought: learn it, unless it knows more."""
        entry = await self._live.get(f"live.{shell.partition}.{shell.identity}")
        if entry is None:
            shell.revision = 0
        elif int(entry.headers.get(HEADER_SEQUENCE, "0")) <= shell.sequence:
            shell.revision = entry.revision

    async def _save_ended(self, shell: SessionShell) -> None:
        """An ended session leaves the live ones and is noted for the archive."""
        sequence = shell.sequence
        note = self._live.put(
            f"ended.{shell.partition}.{shell.identity}",
            b"",
            headers={
                HEADER_SEQUENCE: str(sequence),
                HEADER_ENDED: str(shell.state.ended_at),
            },
        )
        try:
            await note
            if shell.revision:
                await self._live.delete(f"live.{shell.partition}.{shell.identity}")
                shell.revision = 0
            shell.saved = sequence
        except TransientError as error:
            log.warning("snapshot.failed", session=shell.identity, reason=str(error))

    async def _save_erased(self, shell: SessionShell) -> bool:
        """Of an erased session no snapshot and no note is left: its checkpoint says it all."""
        sequence = shell.sequence
        try:
            for key in ("live", "ended"):
                await self._live.delete(f"{key}.{shell.partition}.{shell.identity}")
        except TransientError as error:
            log.warning("snapshot.failed", session=shell.identity, reason=str(error))
            return False
        shell.revision, shell.saved = 0, sequence
        return True

    # -- retention ----------------------------------------

    async def _retain(self, partition: int) -> None:
        """Moves sessions that ended long ago to the archive, once every fold has passed them."""
        horizon = self.now() - int(self.options.keep_s * 1000)
        until = self.time() + max(OVERWRITING_S, OVERWRITING * self._retain_every)
        passed: int | None = None
        async for entry in self._live.scan(f"ended.{partition}.>", headers_only=True):
            if int(entry.headers[HEADER_ENDED]) > horizon:
                continue
            if passed is None:
                passed = await self._passed()
            if int(entry.headers[HEADER_SEQUENCE]) > passed:
                continue
            async with self._flushing[partition]:
                # Not beside a flush: who waited for one after a session was erased knows that
                # nothing of it is on its way into the archive.
                identity = entry.key.split(".", 2)[2]
                overwrite = self.time() < until
                await self._archive_session(partition, identity, entry.key, overwrite)

    async def _passed(self) -> int:
        """The sequence that every partition's folds, the tile emitter and the projections at work
        have behind them."""
        low = await self.journal.end()
        for partition in range(self.partitions):
            entry = await self._actors.get(f"folded.{partition}")
            low = min(low, unpack(entry.data) if entry else 0)
        async for held in self._cluster.scan(HOLDS):
            # A projection that fills its store reads what is there; one that is gone holds
            # nothing up, since it will look into the archive.
            said = unpack(held.data)
            if self.now() - said["at"] < HOLDS_MS:
                low = min(low, said["position"])
        tile = await self.broker.log(self.layout.tiles).last(f"{self.ns}.tile.>")
        origin = tile.headers.get("Holodeck-Origin", "0") if tile else "0"
        return min(low, int(origin.partition(".")[0]))

    async def _archive_session(
        self, partition: int, identity: str, note: str, overwrite: bool
    ) -> None:
        subjects = writer_filter(self.ns, "session", partition, identity)
        records = [record async for record in self.journal.read(subjects)]
        shell = SessionShell(self, identity, partition)
        for record in await self.history(identity, partition, 0) if records else ():
            self._fold_record(shell, record)
        if records and shell.state.phase is not Phase.ERASED:
            await self._put_archived(shell, overwrite)
            self._archived.add(partition)
            self.sessions.pop(identity, None)
            for record in records:
                began = self.time()
                await self.journal.delete(record.sequence, overwrite=overwrite)
                # Each is overwritten on the disk while appends wait: no more than a third of it.
                await asyncio.sleep(2 * (self.time() - began) if overwrite else 0)
        await self._live.delete(note)

    async def _put_archived(self, shell: SessionShell, overwrite: bool) -> None:
        """Puts a session's whole log into the archive, unless it is there: a host may have died
        while it took the same out of the journal."""
        key = f"log.{shell.partition}.{shell.identity}"
        there = await self._archive.get(key)
        if there is not None and int(there.headers.get(HEADER_SEQUENCE, "0")) >= shell.sequence:
            return
        log_ = await self.history(shell.identity, shell.partition, 0)
        headers = {HEADER_SEQUENCE: str(shell.sequence), HEADER_PARENT: shell.state.parent}
        if shell.state.charter is not None:
            headers[HEADER_LEARNER] = shell.state.charter.learner
        if there is not None:
            headers[HEADER_AGAIN] = "1"
        if not overwrite:
            headers[HEADER_BYTES] = "1"
        await self._archive.put(key, archived(log_, shell.dump()), headers=headers)

    # -- being spoken to ----------------------------------------

    def _on_ctl(self, delivery: Delivery) -> None:
        self.spawn(self._ctl(delivery))

    async def _ctl(self, delivery: Delivery) -> None:
        verb = delivery.subject.rpartition(".")[2]
        match verb:
            case "status":
                answer: Any = self.status()
            case "metrics":
                self._gauge()
                if delivery.reply:
                    self.broker.post(delivery.reply, self.metrics.dump())
                return
            case "sessions":
                answer = self.listing(*(unpack(delivery.data) if delivery.data else ()))
            case "erase":
                self.erased.add(unpack(delivery.data))
                answer = True
            case "flush":
                answer = await self._flush_all()
            case "release":
                answer = await self.release(set(unpack(delivery.data)))
            case "drain":
                await self.drain()
                answer = True
            case _:
                answer = None
        if delivery.reply:
            self.broker.post(delivery.reply, pack(answer))

    def status(self) -> dict[str, Any]:
        """What operators ask a host for."""
        return {
            "incarnation": self.incarnation,
            "host": self.options.name,
            "partitions": sorted(self.owned),
            "awake": len(self.sessions),
            "asleep": len(self.asleep),
            "folds": len(self.folds),
            "position": min((r.position for r in self._readers), default=0),
            "lag": sum(r.follower.pending for r in self._readers if r.follower is not None),
            "gaps": sum(r.follower.gaps for r in self._readers if r.follower is not None),
            "draining": self.draining,
            "lease": self.lease.valid,
        }

    def listing(self, after: str = "", limit: int = 1000) -> tuple[list[dict[str, Any]], bool]:
        """The sessions this host carries behind the id ``after``, in order of id: at most
        ``limit``, and as many as go into a message; and whether there are more behind them.

        Of sleeping ones only id and sequence are in memory.
        """
        awake = [
            identity
            for identity, shell in self.sessions.items()
            if identity > after and shell.state.phase is not Phase.NEW
        ]
        asleep = (i for i in self.asleep if i > after and i not in self.sessions)
        names = heapq.nsmallest(limit + 1, (*awake, *asleep))
        out: list[dict[str, Any]] = []
        size = 0
        for identity in names[:limit]:
            shell = self.sessions.get(identity)
            if shell is None:
                sequence = self.asleep[identity][1]
                row = {"session": identity, "phase": "asleep", "sequence": sequence}
            else:
                row = {"session": identity, "sequence": shell.sequence}
                row |= session_row(shell.state)
            size += len(pack(row))
            if out and size > PAGE_BYTES:
                break
            out.append(row)
        return out, len(names) > len(out)

    async def release(self, partitions: set[int]) -> bool:
        """Lays partitions down in good order: mailboxes worked off, everything saved."""
        for partition in partitions & self.owned:
            sub = self._subs.pop(partition, None)
            if sub is not None:
                await sub.stop()
        # NPCs and learners too: a claim cut off under way costs its caller a whole resending.
        mine: list[SessionShell | FoldShell] = [
            shell for shell in self.sessions.values() if shell.partition in partitions
        ]
        for shells in self._shells.values():
            mine += [shell for shell in shells.values() if shell.partition in partitions]
        deadline = self.time() + 5.0
        if self.fleet is not None and self.fleet.partition in partitions:
            mine.append(self.fleet)
        while any(s.busy or s.queue for s in mine) and self.time() < deadline:
            await asyncio.sleep(0.01)
        whole = True
        for partition in partitions & self.owned:
            whole = await self.flush(partition) and whole
        async with self._table_lock:
            for partition in partitions & self.owned:
                self._laid_down[partition] = (self._table.epoch, self.time())
                await self._drop(partition)
        return whole

    async def _flush_all(self) -> bool:
        """Snapshots everything now; False if something could not be."""
        try:
            return all([await self.flush(partition) for partition in sorted(self.owned)])
        except TransientError as error:
            log.warning("flush.failed", reason=str(error))
            return False

    async def drain(self) -> None:
        """Lays everything down; the supervisor hands it to others."""
        self.draining = True
        try:
            await self.release(set(self.owned))
        except TransientError as error:
            log.warning("drain.incomplete", reason=str(error))

    # -- a server that restarted ----------------------------------------

    def _reconnected(self) -> None:
        """A new run of the server may have lost its unsynced tail: nothing is answered or written
        until the supervisor has looked (DESIGN: machine lost power)."""
        if self.broker.server_id == self._server:
            return
        if not self._suspect:
            # What is read from here on may be of the new line of history.
            self._seen = self.high
        self._suspect = True
        self.spawn(self._check_server())

    async def _check_server(self) -> None:
        while self._suspect:
            try:
                await self.reread_table()
            except TransientError as error:
                log.warning("server.unchecked", reason=str(error))
            await asyncio.sleep(0.1)

    async def _trust_again(self) -> None:
        if self._table.end < self._seen:
            log.error("journal.shorter", end=self._table.end, seen=self._seen)
            self._lost()
            return
        self._server = self.broker.server_id
        self._suspect = False
        for shell in self.sessions.values():
            if shell.state.owed and not shell.busy:
                shell.settle()


def _filter(ns: str, role: str, partition: str) -> str:
    """What a reader of one role in one partition is shown."""
    match role:
        case "npc":
            return npc_filter(ns, partition)
        case "learner":
            return learner_filter(ns, partition)
        case _:
            return all_checkpoints(ns)


def session_row(state: SessionState) -> dict[str, Any]:
    """What a list shows of a session, as far as its state tells it."""
    charter, playing = state.charter, state.playing
    return {
        "phase": state.phase,
        "kind": charter.kind if charter else "",
        "learner": charter.learner if charter else "",
        "name": charter.name if charter else "",
        "persona": charter.persona if charter else "",
        "tags": list(charter.tags) if charter else [],
        "world": (playing.world if playing else None) or "",
        "character": (playing.character if playing else None) or "",
        "npc": state.npc or "",
        "turns": state.turns,
        "tasks": len(state.tasks),
        "parent": state.parent,
        "started_at": state.started_at,
        "touched_at": state.touched_at,
    }


_OVER: Final = frozenset({Phase.ENDED, Phase.ABANDONED, Phase.ERASED})
_FIRST: Final = frozenset(
    {"session.started", "session.forked", "session.start-abandoned", "session.erased"}
)
"""What a session's log can begin with."""


def _from_its_beginning(records: Sequence[Record]) -> bool:
    """Whether a session's log is whole: its beginning is not in the archive."""
    if not records:
        return False
    events = unpack(records[0].data).get("events") or [{}]
    return events[0].get("kind") in _FIRST


def _told(record: Record) -> Checkpoint | None:
    """What a stored checkpoint says; None if it cannot be read."""
    try:
        return decode_checkpoint(record.data, record.subject)
    except DecodeError as error:
        # The tile emitter, which reads everything, puts it aside for operators.
        log.warning("inbox.undecodable", sequence=record.sequence, reason=str(error))
        return None


def _one_line(text: str) -> str:
    return " ".join(text.split())[:500]


def _noted(future: asyncio.Future[int]) -> None:
    error = future.exception()
    if error is not None:
        log.error("dead-letter.lost", reason=str(error))


def archived(records: Sequence[Record], state: bytes) -> bytes:
    """An ended session as one value: its state and its compressed log."""
    rows = [[r.subject, r.sequence, r.data, dict(r.headers)] for r in records]
    return pack({"v": 1, "state": state, "log": zlib.compress(pack(rows), 6)})


def unarchived(data: bytes) -> list[Record]:
    """The log of an archived session."""
    rows = unpack(zlib.decompress(unpack(data)["log"]))
    return [Record(subject, sequence, body, headers) for subject, sequence, body, headers in rows]
