"""The reading half of NPCs and learners: cells that fold the checkpoints naming them.

One law: a cell's state is the fold of every checkpoint that names it, in stream order, each once.
Where a cell stands is in its snapshot; where a partition stands is in its ``folded`` mark; never
in a consumer.

A cell that has a snapshot but is not in memory collects what concerns it and folds it when the
snapshot has come; a cell nobody has met yet begins empty, at once.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, Literal, Protocol

import structlog
from pydantic import ValidationError

from holodeck.actors.decider import Decider, Moment
from holodeck.actors.fleet.decider import FLEET_STATE, fleet
from holodeck.actors.fleet.decider import SCHEMA as FLEET_SCHEMA
from holodeck.actors.learner.decider import LEARNER_STATE, acts_alone, learner, next_due
from holodeck.actors.learner.decider import SCHEMA as LEARNER_SCHEMA
from holodeck.actors.memory import CommandMemory
from holodeck.actors.npc.decider import NPC_STATE, RELATION_STATE, npc, relation
from holodeck.actors.npc.decider import SCHEMA as NPC_SCHEMA
from holodeck.broker.port import Bucket, Record
from holodeck.messages.codec import pack, unpack
from holodeck.messages.envelope import HEADER_COMMAND
from holodeck.messages.errors import DecodeError, LostFence, TransientError
from holodeck.messages.fleet import FLEET
from holodeck.messages.ids import NOBODY
from holodeck.messages.player import LearnerErased
from holodeck.messages.subjects import Place

log = structlog.get_logger("holodeck.folds")

Role = Literal["npc", "learner", "fleet"]
FLEET_FAMILIES: Final = frozenset(
    {"session", "task", "emergence", "agent", "mid", "architect", "learner"}
)
"""What the fleet picks from the journal, whoever wrote it; see :func:`concerns_fleet`."""
HEADER_DUE: Final = "Holodeck-Due"
"""When a sleeping actor has something to do by itself, ms since 1970 UTC."""
HEADER_SEQUENCE: Final = "Holodeck-Sequence"
"""The journal sequence a snapshot contains, so that a scan of headers is enough."""

_KINDS: Final[dict[str, tuple[Decider[Any, Any, Any], Adapter, int]]] = {
    "npc": (npc, NPC_STATE, NPC_SCHEMA),
    "relation": (relation, RELATION_STATE, NPC_SCHEMA),
    "learner": (learner, LEARNER_STATE, LEARNER_SCHEMA),
    "fleet": (fleet, FLEET_STATE, FLEET_SCHEMA),
}


class Adapter(Protocol):
    """Turns a state into plain values and back; a pydantic TypeAdapter is one."""

    def dump_python(self, state: Any, /) -> Any: ...

    def validate_python(self, raw: Any, /) -> Any:
        """Raises ValidationError, KeyError or TypeError where that is no such state."""
        ...


def cell_key(partition: int | str, kind: str, *identity: str) -> str:
    """A cell's key in the bucket ``actors``: ``cell.<p>.<kind>.<id>[.<learner>]``."""
    return ".".join(("cell", str(partition), kind, *identity))


def concerns_fleet(family: str, events: Sequence[Any]) -> bool:
    """Whether the fleet folds a checkpoint of one of :data:`FLEET_FAMILIES`: of learners it hears
    only that they are gone. A claim, of which each start has one, is nothing to it."""
    return family != "learner" or isinstance(events[0], LearnerErased)


class Cell:
    """One folded state.

    Attributes:
        sequence: of the last checkpoint folded in.
        own: sequence of the last checkpoint this actor wrote itself; what its fence expects.
        revision: of its snapshot, 0 if there is none.
        pending: what has come while the snapshot was being read; None once it is ready.
    """

    __slots__ = (
        "at",
        "key",
        "kind",
        "memory",
        "own",
        "pending",
        "ready",
        "revision",
        "sequence",
        "state",
        "used",
    )

    def __init__(self, kind: str, key: str) -> None:
        self.kind = kind
        self.key = key
        self.state: Any = _KINDS[kind][0].initial
        self.sequence = 0
        self.own = 0
        self.at = 0
        self.revision = 0
        self.memory: CommandMemory | None = None
        self.pending: list[tuple[Moment, tuple[Any, ...], str | None]] | None = None
        self.ready: list[Callable[[], None]] | None = None
        self.used = 0.0

    def dump(self) -> bytes:
        """The snapshot."""
        _, adapter, schema = _KINDS[self.kind]
        return pack(
            {
                "v": schema,
                "seq": self.sequence,
                "own": self.own,
                "at": self.at,
                "mem": self.memory.dump() if self.memory else [],
                "state": adapter.dump_python(self.state),
            }
        )

    def shown(self) -> bytes:
        """The state alone, for whoever asks."""
        return pack(_KINDS[self.kind][1].dump_python(self.state))

    def load(self, data: bytes) -> bool:
        """Takes a snapshot's state; False (and unchanged) if its layout is another version's."""
        decider, adapter, schema = _KINDS[self.kind]
        try:
            raw = unpack(data, self.key)
            if raw["v"] != schema:
                return False
            self.state = adapter.validate_python(raw["state"])
        except (DecodeError, ValidationError, KeyError, TypeError) as error:
            log.error("cell.snapshot-unreadable", key=self.key, reason=str(error))
            self.state = decider.initial
            return False
        self.sequence, self.own, self.at = raw["seq"], raw["own"], raw["at"]
        self.memory = CommandMemory(map(tuple, raw["mem"])) if raw["mem"] else None
        return True

    def fold(self, moment: Moment, events: tuple[Any, ...], command: str | None) -> None:
        """One checkpoint; ``command`` is its id if this actor wrote it itself."""
        if moment.sequence <= self.sequence:
            return
        _KINDS[self.kind][0].advance(self.state, events, moment)
        if isinstance(events[0], LearnerErased) and self.kind == "learner":
            self.memory = None  # commands have names too
        # Others wrote by other clocks; what this actor writes itself must not lie before its last.
        self.sequence, self.at = moment.sequence, max(self.at, moment.at)
        if command is not None:
            self.own = moment.sequence
            if self.memory is None:
                self.memory = CommandMemory()
            self.memory.add(command, moment.sequence, moment.at)


class Folds:
    """All cells of the partitions one host owns.

    Args:
        actors: the bucket snapshots are kept in.
        clock: seconds, monotonic.
        refold: reads every checkpoint naming a cell, for one whose snapshot cannot be used.
        valid: whether snapshots may be written right now. On a server that may have lost its
            tail they may not: what they contain may never have happened.
        stirred: told of a learner that may act alone whenever it has folded something.
    """

    def __init__(
        self,
        actors: Bucket,
        clock: Callable[[], float],
        refold: Callable[[Cell], Any],
        valid: Callable[[], bool],
        stirred: Callable[[Cell], None],
    ) -> None:
        self._bucket = actors
        self._clock = clock
        self._refold = refold
        self._valid = valid
        self._stirred = stirred
        self._cells: dict[str, Cell] = {}
        self._met: dict[tuple[str, str], tuple[Cell, ...]] = {}
        self._known: dict[str, set[int]] = {}
        self._dirty: dict[str, set[str]] = {}
        self._writing: list[set[str]] = []
        self._loads: set[asyncio.Task[None]] = set()
        self._limit = asyncio.Semaphore(64)

    def __len__(self) -> int:
        return len(self._cells)

    def count(self) -> Counter[str]:
        """How many cells of each kind are in memory."""
        return Counter(cell.kind for cell in self._cells.values())

    def partition(self, partition: str, keys: set[int]) -> None:
        """Begins with a partition; ``keys`` are hashes of the keys that have snapshots."""
        self._known[partition] = keys
        self._dirty[partition] = set()

    def drop(self, partition: str) -> None:
        """Forgets a partition."""
        self._known.pop(partition, None)
        self._dirty.pop(partition, None)
        prefix = f"cell.{partition}."
        for key in [key for key in self._cells if key.startswith(prefix)]:
            del self._cells[key]
        self._met.clear()

    def cell(self, partition: str, kind: str, *identity: str) -> Cell:
        """The cell, being loaded if it has a snapshot and was asleep."""
        key = cell_key(partition, kind, *identity)
        found = self._cells.get(key)
        if found is None:
            found = self._cells[key] = Cell(kind, key)
            if hash(key) in self._known[partition]:
                found.pending = []
                task = asyncio.create_task(self._load(found, partition))
                self._loads.add(task)
                task.add_done_callback(self._loads.discard)
        found.used = self._clock()
        return found

    def awake(self, partition: str, kind: str, *identity: str) -> Cell | None:
        """The cell if it is in memory and has its snapshot; it is not kept awake by that."""
        found = self._cells.get(cell_key(partition, kind, *identity))
        return found if found is not None and found.pending is None else None

    def apply(
        self, role: Role, place: Place, record: Record, at: int, events: tuple[Any, ...]
    ) -> None:
        """Folds a checkpoint into every cell of ``role`` that its subject names."""
        learner = "" if place.learner == NOBODY else place.learner
        met = (place.npc if role == "npc" else "", learner)
        cells = self._met.get(met)
        if cells is None:
            # Remembered for as long as they are in memory: a session names the same ones for long.
            cells = self._met[met] = self._named(role, place)
        own = place.kind == role and place.identity == (place.npc if role == "npc" else learner)
        dirty = self._dirty[place.npc_partition if role == "npc" else place.learner_partition]
        self._fold(cells, own, dirty, place.identity, learner, record, at, events)

    def apply_fleet(
        self, partition: str, place: Place, record: Record, at: int, events: tuple[Any, ...]
    ) -> Cell:
        """Folds a checkpoint of one of :data:`FLEET_FAMILIES` into the namespace's fleet."""
        cell = self.cell(partition, "fleet", FLEET)
        learner = "" if place.learner == NOBODY else place.learner
        own = place.kind == "fleet"
        dirty = self._dirty[partition]
        self._fold((cell,), own, dirty, place.identity, learner, record, at, events)
        return cell

    def _fold(
        self,
        cells: tuple[Cell, ...],
        own: bool,
        dirty: set[str],
        writer: str,
        learner: str,
        record: Record,
        at: int,
        events: tuple[Any, ...],
    ) -> None:
        command = record.headers.get(HEADER_COMMAND, "") if own else None
        moment = Moment(record.sequence, at, writer, learner)
        now = self._clock()
        for cell in cells:
            cell.used = now
            dirty.add(cell.key)
            if cell.pending is None:
                cell.fold(moment, events, command)
                if cell.kind == "learner" and acts_alone(cell.state):
                    self._stirred(cell)
            else:
                cell.pending.append((moment, events, command))
            command = None  # a relation writes nothing itself

    def _named(self, role: Role, place: Place) -> tuple[Cell, ...]:
        """The cells of ``role`` that a subject names; the first is who may have written it."""
        if role == "learner":
            return (self.cell(place.learner_partition, "learner", place.learner),)
        named = self.cell(place.npc_partition, "npc", place.npc)
        if place.learner == NOBODY:
            return (named,)
        return (
            named,
            self.cell(place.npc_partition, "relation", place.npc, place.learner),
        )

    async def _load(self, cell: Cell, partition: str) -> None:
        async with self._limit:
            while True:
                try:
                    entry = await self._bucket.get(cell.key)
                    if entry is not None:
                        cell.revision = entry.revision
                        if not cell.load(entry.data):
                            await self._refold(cell)
                    break
                except TransientError as error:
                    log.warning("cell.load-retried", key=cell.key, reason=str(error))
                    await asyncio.sleep(0.2)
        if partition not in self._known:
            return
        pending, cell.pending = cell.pending or [], None
        for item in pending:
            cell.fold(*item)
        ready, cell.ready = cell.ready or [], None
        for waiter in ready:
            waiter()
        if cell.kind == "learner" and acts_alone(cell.state):
            self._stirred(cell)

    def when_ready(self, cell: Cell, waiter: Callable[[], None]) -> None:
        """Calls ``waiter`` once the cell has its snapshot, now if it has."""
        if cell.pending is None:
            waiter()
        elif cell.ready is None:
            cell.ready = [waiter]
        else:
            cell.ready.append(waiter)

    def loading(self, partition: str) -> Iterator[Cell]:
        prefix = f"cell.{partition}."
        return (
            cell
            for key, cell in self._cells.items()
            if cell.pending is not None and key.startswith(prefix)
        )

    async def flush(self, partition: str) -> bool:
        """Writes a snapshot of every cell that changed; False if some could not be written."""
        dirty = self._dirty.get(partition)
        if not dirty:
            return True
        self._dirty[partition] = set()
        # Until its snapshot is stored a cell must stay: a mark written later covers it.
        self._writing.append(dirty)
        left = dirty
        try:
            left = await self._write(dirty, partition)
        finally:
            self._writing.remove(dirty)
            if left and partition in self._dirty:
                self._dirty[partition] |= left
        return not left

    async def _write(self, dirty: set[str], partition: str) -> set[str]:
        """Snapshots of cells, by key; returns those that could not be written."""
        left: set[str] = set()
        batch: list[tuple[Cell, asyncio.Future[int]]] = []
        for key in sorted(dirty):
            if not batch and not self._valid():
                return dirty
            cell = self._cells.get(key)
            if cell is None:
                continue
            if cell.pending is not None:
                left.add(key)
                continue
            if cell.kind == "relation" and cell.state.erased:
                if not await self._forget(cell, partition):
                    left.add(key)
                continue
            headers = {HEADER_SEQUENCE: str(cell.sequence)}
            if cell.kind == "learner" and (due := next_due(cell.state)):
                headers[HEADER_DUE] = str(due)
            batch.append(
                (cell, self._bucket.put(key, cell.dump(), after=cell.revision, headers=headers))
            )
            if len(batch) >= 128:
                await self._written(batch, left, partition)
                batch = []
        await self._written(batch, left, partition)
        return left

    async def _forget(self, cell: Cell, partition: str) -> bool:
        """Nothing is kept of a relation with a learner who was erased, not even that."""
        try:
            await self._bucket.delete(cell.key)
        except TransientError as error:
            log.warning("cell.flush-failed", key=cell.key, reason=str(error))
            return False
        if partition in self._known:
            self._known[partition].discard(hash(cell.key))
            if self._cells.get(cell.key) is cell:
                del self._cells[cell.key]
                self._met.clear()
        return True

    async def _written(
        self, batch: list[tuple[Cell, asyncio.Future[int]]], left: set[str], partition: str
    ) -> None:
        for cell, future in batch:
            try:
                cell.revision = await future
            except LostFence as error:
                # Our own write was stored and its ack lost, or another incarnation wrote it. What
                # knows more than we do stays: a snapshot's sequence only rises.
                entry = await self._bucket.get(cell.key)
                cell.revision = entry.revision if entry else error.last
                if entry is None or int(entry.headers.get(HEADER_SEQUENCE, "0")) < cell.sequence:
                    left.add(cell.key)
            except TransientError as error:
                log.warning("cell.flush-failed", key=cell.key, reason=str(error))
                left.add(cell.key)
            else:
                if partition in self._known:
                    self._known[partition].add(hash(cell.key))

    def passivate(self, before: float) -> int:
        """Drops from memory what was not used since ``before`` and is saved; returns how many."""
        idle = [
            key
            for key, cell in self._cells.items()
            if cell.used < before
            and cell.pending is None
            and key not in self._dirty.get(key.split(".", 2)[1], ())
            and not any(key in writing for writing in self._writing)
        ]
        for key in idle:
            del self._cells[key]
        if idle:
            self._met.clear()
        return len(idle)
