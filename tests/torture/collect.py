"""The end of a run: everything heals and settles, then what stands and who lives is written down.

One law: nothing is read before all is quiet, and it is read again if it was not.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any, Final

import msgpack

from holodeck.actors.caller import Caller
from holodeck.broker.port import Log, Record
from holodeck.messages.codec import unpack
from holodeck.messages.envelope import ReadState
from holodeck.messages.errors import HolodeckError
from holodeck.messages.subjects import all_checkpoints, all_tiles
from holodeck.messages.tiles import HEADER_ORIGIN
from tests.torture.checker.histories import Histories, History
from tests.torture.record import Lines
from tests.torture.run import Row
from tests.torture.world import World

QUIET_S: Final = 0.6
"""So long nobody writes once all is quiet; hosts look for what is due every 0.05 s."""
AHEAD_S: Final = 12.0
"""How far all clocks are put forward at the end: then every short timer is due at once. More than
the longest of those timers and the farthest skew together."""
READS: Final = 3
"""How often it is read again because somebody still wrote."""


async def settle(world: World, patience_s: float) -> str:
    """Waits until the runtime is whole, nobody writes any more, and the tiles are complete.

    Returns:
        what did not come about in ``patience_s``; empty if everything did.
    """
    world.skew_all(AHEAD_S)
    checkpoints, tiles = (world.broker.log(s) for s in world.layout.streams[:2])
    try:
        async with asyncio.timeout(patience_s):
            waiting = "not every partition has a living owner"
            await world.whole(patience_s)
            waiting = "somebody still writes to the journal"
            await _quiet(checkpoints)
            waiting = "the tiles are not complete"
            await _tiled(world, checkpoints, tiles)
            world.skew_all(0.0)
    except TimeoutError:
        return f"{waiting} {patience_s:g} s after the last fault"
    return ""


async def _quiet(log: Log) -> None:
    end = -1
    while end != (end := await log.end()):
        await asyncio.sleep(QUIET_S)


async def _tiled(world: World, checkpoints: Log, tiles: Log) -> None:
    last = await checkpoints.last(all_checkpoints(world.layout.ns))
    while last is not None:
        tile = await tiles.last(all_tiles(world.layout.ns))
        if tile is not None:
            origin = tile.headers[HEADER_ORIGIN].partition(".")[0]
            if int(origin) >= last.sequence:
                return
        await asyncio.sleep(0.05)


async def collect(world: World) -> None:
    """Writes the streams and the states into the folder."""
    folder, layout = world.folder, world.layout
    checkpoints = world.broker.log(layout.checkpoints)
    for _ in range(READS):
        end = await checkpoints.end()
        journal = await _dump(checkpoints, all_checkpoints(layout.ns), folder / "journal.bin")
        await _states(world, journal, folder / "states.jsonl")
        if await checkpoints.end() == end:
            break
    await _dump(world.broker.log(layout.tiles), all_tiles(layout.ns), folder / "tiles.bin")
    await _dump(world.broker.log(layout.dead), f"{layout.ns}.dead.>", folder / "dead.bin")


async def _dump(log: Log, subjects: str, path: Path) -> list[Record]:
    records = [record async for record in log.read(subjects)]
    with path.open("wb") as file:
        for each in records:
            file.write(msgpack.packb([each.sequence, each.subject, each.data, dict(each.headers)]))
    return records


async def _states(world: World, journal: list[Record], path: Path) -> None:
    """Asks everyone the journal names; who does not answer is left out."""
    rows = [Row.of(r.sequence, r.subject, r.data, r.headers) for r in journal]
    caller = Caller(world.broker, world.layout.ns, world.setting.partitions)
    limit = asyncio.Semaphore(16)
    with Lines(path, anew=True) as lines:

        async def one(history: History) -> None:
            async with limit:
                said = await _said(caller, history)
            if said is not None:
                lines.write(said)

        await asyncio.gather(*(one(history) for history in Histories(rows)))


async def _said(caller: Caller, history: History) -> dict[str, Any] | None:
    kind, identity, *learner = history.key
    actor = "npc" if kind == "relation" else kind
    after = 0 if kind == "session" else history.sequence(len(history.rows))
    body = ReadState(after=after, learner=learner[0] if learner else None)
    command = f"end-{time.monotonic_ns()}"
    try:
        answer = await caller.command(actor, identity, command, body, deadline_s=6.0)
    except HolodeckError:
        return None
    return {
        "actor": kind,
        "id": identity,
        "learner": learner[0] if learner else "",
        "sequence": answer.sequence,
        "state": unpack(answer.state or b""),
    }
