"""What must be true of a runtime after whatever was done to it.

One law: nothing here asks the runtime's own shells how it was; it reads the streams back and lets
the checker of :mod:`tests.torture` judge them. What only a living stage can show (what was answered
byte for byte, what the consumers of a partition deliver) is judged here.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from holodeck.actors.decider import Moment
from holodeck.actors.fleet.decider import fleet
from holodeck.actors.fleet.views import agents_view, status_view
from holodeck.actors.folds import FLEET_FAMILIES, concerns_fleet
from holodeck.broker.port import Log, Record
from holodeck.deck import Deck
from holodeck.messages.codec import decode_checkpoint, unpack
from holodeck.messages.envelope import HEADER_COMMAND, HEADER_WRITER, Checkpoint, ReadState
from holodeck.messages.errors import DecodeError
from holodeck.messages.ids import NOBODY, new_id
from holodeck.messages.subjects import (
    Place,
    all_checkpoints,
    all_tiles,
    learner_filter,
    npc_filter,
    place_of,
)
from holodeck.messages.tiles import HEADER_ORIGIN
from tests.runtime.load import Account
from tests.runtime.stage import Stage, until
from tests.torture import run as torture
from tests.torture.checker import LAWS, check
from tests.torture.checker.histories import Histories, Key


@dataclass(frozen=True, slots=True)
class Row:
    """One checkpoint of the journal; ``checkpoint`` is None where nobody can read it."""

    place: Place
    record: Record
    checkpoint: Checkpoint | None

    @property
    def sequence(self) -> int:
        return self.record.sequence

    @property
    def command(self) -> str:
        return self.record.headers.get(HEADER_COMMAND, "")

    @property
    def writer(self) -> str:
        return self.record.headers.get(HEADER_WRITER, "")

    def kinds(self) -> list[str]:
        return [event.kind for event in self.checkpoint.events] if self.checkpoint else []

    def as_left(self) -> torture.Row:
        """As the checker takes it."""
        record = self.record
        return torture.Row(
            record.sequence,
            record.subject,
            record.data,
            record.headers,
            self.place,
            self.checkpoint,
        )


async def journal(stage: Stage) -> list[Row]:
    """The whole journal, in order; what is no checkpoint's subject is left out."""
    log = stage.broker.log(stage.layout.checkpoints)
    rows = []
    async for record in log.read(all_checkpoints(stage.layout.ns)):
        row = row_of(record)
        if row is not None:
            rows.append(row)
    return rows


def row_of(record: Record) -> Row | None:
    place = place_of(record.subject)
    if place is None:
        return None
    try:
        checkpoint: Checkpoint | None = decode_checkpoint(record.data, record.subject)
    except DecodeError:
        checkpoint = None
    return Row(place, record, checkpoint)


def of_session(rows: list[Row], identity: str) -> list[Row]:
    return [r for r in rows if r.place.kind == "session" and r.place.identity == identity]


# -- what only a living stage can show ----------------------------------------


def every_acknowledged_command_is_stored_once(rows: list[Row], account: Account) -> None:
    """(a) Byte for byte as it was answered. And no command at all is stored twice, acknowledged or
    not."""
    stored: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if row.command:
            stored.setdefault((row.place.identity, row.command), []).append(row)
    twice = {key: [r.sequence for r in found] for key, found in stored.items() if len(found) > 1}
    assert not twice, f"applied twice: {twice}"
    untrue = [key for key in account.nothing if key in stored]
    assert not untrue, f"refused and stored: {untrue}"
    for key, (sequence, data) in account.acknowledged.items():
        assert key in stored, f"acknowledged and lost: {key} at {sequence}"
        row = stored[key][0]
        assert (row.sequence, row.record.data) == (sequence, data), f"answer differs: {key}"


async def partition_consumers_deliver_the_same(stage: Stage, rows: list[Row]) -> None:
    """(d) What is picked by subject from the whole equals what one filter a partition gives."""
    log = stage.broker.log(stage.layout.checkpoints)
    ns = stage.layout.ns
    limit = asyncio.Semaphore(4)

    async def read(subjects: str) -> list[int]:
        async with limit:
            return [record.sequence async for record in log.read(subjects)]

    async def one(p: int) -> None:
        for_npcs, for_learners = await asyncio.gather(
            read(npc_filter(ns, p)), read(learner_filter(ns, p))
        )
        assert for_npcs == [r.sequence for r in rows if r.place.npc_partition == str(p)]
        assert for_learners == [r.sequence for r in rows if r.place.learner_partition == str(p)]

    await asyncio.gather(*(one(p) for p in range(stage.partitions)))


# -- what is left, for the checker ----------------------------------------


async def last_words(deck: Deck, rows: list[Row]) -> list[torture.Said]:
    """What every session, NPC, relation and learner says of itself, each asked; a session of which
    nobody can read anything never began."""
    limit = asyncio.Semaphore(32)
    histories = Histories(row.as_left() for row in rows)

    async def one(key: Key, after: int) -> torture.Said:
        kind, identity, *more = key
        learner = more[0] if more else None
        actor = "npc" if kind == "relation" else kind
        asked = ReadState() if kind == "session" else ReadState(after=after, learner=learner)
        async with limit:
            answer = await deck.caller.command(actor, identity, new_id("ask"), asked)
        state = unpack(answer.state or b"")
        return torture.Said(kind, identity, answer.sequence, state, learner or "")  # type: ignore[arg-type]

    return await asyncio.gather(
        *(one(history.key, history.readable) for history in histories if history.readable)
    )


async def tiles_to(stage: Stage, rows: list[Row]) -> list[torture.Stored]:
    """TILES, once it has the last event of the journal."""
    readable = [row for row in rows if row.checkpoint is not None]
    log = stage.broker.log(stage.layout.tiles)
    subjects = all_tiles(stage.layout.ns)

    async def there() -> bool:
        if not readable:
            return True
        last = await log.last(subjects)
        wanted = f"{readable[-1].sequence}.{len(readable[-1].kinds()) - 1}"
        return last is not None and last.headers[HEADER_ORIGIN] == wanted

    await until(there, 60.0, 0.05)
    return await _stored(log, subjects)


async def _stored(log: Log, subjects: str) -> list[torture.Stored]:
    return [
        torture.Stored(record.sequence, record.subject, record.data, record.headers)
        async for record in log.read(subjects)
    ]


async def dead_letters(stage: Stage) -> list[Record]:
    log, subjects = _graveyard(stage)
    return [record async for record in log.read(subjects)]


def _graveyard(stage: Stage) -> tuple[Log, str]:
    return stage.broker.log(stage.layout.dead), f"{stage.layout.ns}.dead.>"


async def the_fleet_is_the_fold(deck: Deck, rows: list[Row]) -> None:
    """The fleet's own figures and its agents' loads are those of a fresh fold of the journal."""
    fresh = fleet.initial
    for row in rows:
        if row.place.family not in FLEET_FAMILIES or row.checkpoint is None:
            continue
        if concerns_fleet(row.place.family, row.checkpoint.events):
            learner = "" if row.place.learner == NOBODY else row.place.learner
            moment = Moment(row.sequence, row.checkpoint.at, row.place.identity, learner)
            fleet.advance(fresh, row.checkpoint.events, moment)
    found = await deck.fleet.status(after=fresh.sequence)
    found.pop("reserved")
    assert found == status_view(fresh)
    assert await deck.fleet.agents() == agents_view(fresh, 2000)


# -- all of them --------------------------------------------------


async def everything_is_exact(
    stage: Stage,
    deck: Deck,
    account: Account | None = None,
    *,
    may_return: bool = False,
    tiles: bool = True,
    garbage: bool = False,
) -> list[Row]:
    """All of the above; the load must have stopped.

    Args:
        may_return: an incarnation may come back to a session after another one, in good order.
        garbage: the test itself put something unreadable in.
    """
    rows = await settled(stage)
    every_acknowledged_command_is_stored_once(rows, account or Account())
    await partition_consumers_deliver_the_same(stage, rows)
    left = torture.Run(
        settings=torture.Settings(partitions=stage.partitions, ns=stage.layout.ns),
        journal=[row.as_left() for row in rows],
        tiles=await tiles_to(stage, rows) if tiles else None,
        dead=None if garbage else await _stored(*_graveyard(stage)),
        said=await last_words(deck, rows),
        recorded=False,
    )
    unlooked = {"one-line": may_return, "tiles": not tiles, "dead": garbage}
    report = check(left, {law for law in LAWS if not unlooked.get(law)})
    assert report.holds, f"broken: {report.broken}\n{report}"
    await the_fleet_is_the_fold(deck, rows)
    return rows


async def settled(stage: Stage, quiet_s: float = 0.2) -> list[Row]:
    """The journal once nobody has written for a while."""
    log = stage.broker.log(stage.layout.checkpoints)
    async with asyncio.timeout(20):
        end = -1
        while end != (end := await log.end()):
            await asyncio.sleep(quiet_s)
    return await journal(stage)


__all__ = [
    "Row",
    "dead_letters",
    "everything_is_exact",
    "journal",
    "of_session",
    "row_of",
    "settled",
]
