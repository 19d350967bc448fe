"""What must be true of a runtime after whatever was done to it.

One law: nothing here asks the runtime's own shells how it was; it reads the streams back and folds
them with the pure deciders, and compares.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from holodeck.actors.decider import Decider, Moment
from holodeck.actors.learner.decider import learner
from holodeck.actors.npc.decider import npc, relation
from holodeck.actors.session.decider import session
from holodeck.broker.port import Record
from holodeck.deck import Deck
from holodeck.messages.codec import decode_checkpoint
from holodeck.messages.envelope import HEADER_COMMAND, HEADER_WRITER, Checkpoint
from holodeck.messages.errors import DecodeError
from holodeck.messages.ids import NOBODY
from holodeck.messages.session import SessionResumed, SessionStarted
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

DECIDERS: Mapping[str, Decider[Any, Any, Any]] = {
    "npc": npc,
    "relation": relation,
    "learner": learner,
    "session": session,
}


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


@dataclass(slots=True)
class Folded:
    """A state and the last checkpoint in it."""

    state: Any
    sequence: int = 0


@dataclass(slots=True)
class Fold:
    """Every state there is, folded anew: by kind and ids."""

    cells: dict[tuple[str, ...], Folded] = field(default_factory=dict)

    def add(self, key: tuple[str, ...], row: Row, checkpoint: Checkpoint) -> None:
        decider = DECIDERS[key[0]]
        cell = self.cells.setdefault(key, Folded(decider.initial))
        place = row.place
        who = "" if place.learner == NOBODY else place.learner
        moment = Moment(row.sequence, checkpoint.at, place.identity, who)
        cell.state = decider.fold(cell.state, checkpoint.events, moment)
        cell.sequence = row.sequence


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


# -- each truth by itself ----------------------------------------


def every_acknowledged_command_is_stored_once(rows: list[Row], account: Account) -> None:
    """(a) And no command at all is stored twice, acknowledged or not."""
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


def every_session_has_one_line_of_history(rows: list[Row], *, may_return: bool = False) -> None:
    """(b) One writer after the other, time never backwards, turns and phases in their order."""
    lines: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        lines.setdefault((row.place.kind, row.place.identity), []).append(row)
    for key, line in lines.items():
        written = [row.writer for row in line if row.writer]
        changes = [w for i, w in enumerate(written) if i == 0 or w != written[i - 1]]
        if not may_return:
            assert len(changes) == len(set(changes)), f"writers of {key} alternate: {changes}"
        if key[0] == "session":
            _one_story(key[1], [row for row in line if row.checkpoint is not None])


def _one_story(identity: str, line: list[Row]) -> None:
    at, turns, ended = 0, 0, False
    partings: Counter[str] = Counter()
    tasks: Counter[str] = Counter()
    met: set[str] = set()
    for index, row in enumerate(line):
        assert row.checkpoint is not None
        assert row.checkpoint.at >= at, f"{identity}: time runs backwards"
        at = row.checkpoint.at
        for one in row.checkpoint.events:
            event: Any = one
            kind = event.kind
            assert not ended or kind == "npc.parted", f"{identity}: {kind} after its end"
            if kind in ("session.started", "session.forked", "session.start-abandoned"):
                assert index == 0, f"{identity}: begins twice"
                if kind == "session.forked":
                    return
            if kind == "turn.taken":
                assert event.turn == turns + 1, f"{identity}: turn {event.turn} after {turns}"
                turns = event.turn
            if kind == "task.completed":
                tasks[event.task] += 1
            if kind == "npc.parted":
                partings[event.npc] += 1
            elif kind in ("turn.taken", "turn.answered", "reputation.changed") or (
                kind.startswith("task.") and event.npc
            ):
                met.add(event.npc)
            ended = ended or kind == "session.ended"
    assert all(n == 1 for n in tasks.values()), f"{identity}: a task ended twice: {tasks}"
    assert all(n == 1 for n in partings.values()), f"{identity}: parted twice: {partings}"
    if ended:
        assert set(partings) == met, f"{identity}: met {met}, parted from {set(partings)}"


def a_learner_has_one_active_session(rows: list[Row]) -> None:
    """At every point of the journal."""
    active: dict[str, str] = {}
    for row in rows:
        if row.place.kind != "session" or row.checkpoint is None:
            continue
        who, here = row.place.learner, row.place.identity
        for event in row.checkpoint.events:
            match event:
                case SessionStarted() if not event.session_kind.claims:
                    break
                case SessionStarted() | SessionResumed():
                    held = active.get(who, here)
                    assert held == here, f"{who}: {here} began at {row.sequence} beside {held}"
                    active[who] = here
                case _ if event.kind in ("session.paused", "session.ended"):
                    if active.get(who) == here:
                        del active[who]


def fresh_fold(rows: list[Row]) -> Fold:
    """Everything, folded anew from the journal as one stream."""
    fold = Fold()
    for row in rows:
        if row.checkpoint is None:
            continue
        place = row.place
        if place.kind == "session":
            fold.add(("session", place.identity), row, row.checkpoint)
        if place.npc != NOBODY:
            fold.add(("npc", place.npc), row, row.checkpoint)
            if place.learner != NOBODY:
                fold.add(("relation", place.npc, place.learner), row, row.checkpoint)
        if place.learner != NOBODY:
            fold.add(("learner", place.learner), row, row.checkpoint)
    return fold


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


async def live_states_equal_a_fresh_fold(deck: Deck, fold: Fold) -> None:
    """(c) Sessions, NPCs, relations and learners, each asked."""
    limit = asyncio.Semaphore(32)
    differ: list[str] = []

    async def one(key: tuple[str, ...], cell: Folded) -> None:
        async with limit:
            match key:
                case ("npc", name):
                    live: Any = await deck.npc(name).state(after=cell.sequence)
                case ("relation", name, who):
                    live = (await deck.npc(name).brief(who, after=cell.sequence)).relation
                case ("learner", who):
                    live = await deck.learner(who).state(after=cell.sequence)
                case _:
                    live = await deck.session(key[1]).state()
        if live != cell.state:
            differ.append(f"{key}: live {live}\n  fold {cell.state}")

    await asyncio.gather(*(one(key, cell) for key, cell in fold.cells.items()))
    assert not differ, f"{len(differ)} differ, among them\n" + "\n".join(differ[:3])


async def tiles_are_one_per_event(stage: Stage, rows: list[Row]) -> None:
    """(e) In the order of the journal, each once."""
    wanted = [
        f"{row.sequence}.{n}"
        for row in rows
        if row.checkpoint is not None
        for n in range(len(row.checkpoint.events))
    ]
    log = stage.broker.log(stage.layout.tiles)
    subjects = all_tiles(stage.layout.ns)

    async def there() -> bool:
        last = await log.last(subjects)
        return not wanted or (last is not None and last.headers[HEADER_ORIGIN] == wanted[-1])

    await until(there, 20.0, 0.05)
    found = [
        record.headers[HEADER_ORIGIN] async for record in log.read(subjects, headers_only=True)
    ]
    assert found == wanted


async def dead_letters(stage: Stage) -> list[Record]:
    log = stage.broker.log(stage.layout.dead)
    return [record async for record in log.read(f"{stage.layout.ns}.dead.>")]


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
    every_session_has_one_line_of_history(rows, may_return=may_return)
    a_learner_has_one_active_session(rows)
    await partition_consumers_deliver_the_same(stage, rows)
    await live_states_equal_a_fresh_fold(deck, fresh_fold(rows))
    if tiles:
        await tiles_are_one_per_event(stage, rows)
    if not garbage:
        assert await dead_letters(stage) == []
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
    "Fold",
    "Folded",
    "Row",
    "dead_letters",
    "everything_is_exact",
    "fresh_fold",
    "journal",
    "of_session",
    "row_of",
    "settled",
]
