"""The tile emitter: follows every checkpoint and stores one tile per event.

One law: the place of an emitter is the last tile in TILES and nothing else. Every append is fenced
over the whole of TILES, so of any number of emitters only the one that has seen all tiles can add
the next; the stream holds one copy of each tile, in the order of the journal, whoever wrote them.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import Counter, deque
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from typing import Final, cast

import structlog

from holodeck.actors.metrics import Metrics
from holodeck.actors.tiles.dead import Graveyard
from holodeck.actors.tiles.intake import Intake
from holodeck.actors.tiles.recent import Recent
from holodeck.actors.tiles.tile import (
    EVENTS,
    HEADER_AT,
    ROOM,
    Origin,
    origin_of,
    tile_fronts,
    tiles_of,
)
from holodeck.broker.port import Broker, Headers, Log, Record
from holodeck.broker.streams import Layout
from holodeck.messages.codec import decode_checkpoint
from holodeck.messages.errors import (
    DecodeError,
    LostFence,
    OutcomeUnknown,
    StoreFull,
    TooLarge,
    TransientError,
    Unavailable,
)
from holodeck.messages.subjects import all_checkpoints, all_tiles, place_of
from holodeck.messages.tiles import HEADER_ORIGIN, HEADER_TILE

STREAM: Final = "CHECKPOINTS"
"""What the journal is called in subjects of dead letters."""
NOWHERE: Final = Origin(0, -1)
"""Where an emitter begins when there are no tiles."""

_SLICE: Final = 128
_REST_S: Final = 0.01
"""Seconds between two runs while tiles come steadily: what gathers meanwhile shares the cost of a
turn, of an answer and of a write to each sink. After a quiet time the first does not wait."""
_STAND_BY_S: Final = (1.0, 2.0)
_TRIM_S: Final = 3600.0
_HEADER_ROOM: Final = 4096

log = structlog.get_logger("holodeck.tiles")


@dataclass(slots=True)
class _Run:
    """Tiles that are stored together, in the order of the journal.

    Attributes:
        rows: subject, data and headers of each.
        kinds: of which event each is.
        position: sequence of the checkpoint of the last one.
    """

    rows: list[tuple[str, bytes, Headers]] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    position: int = 0


class _Flight:
    """The runs of tiles that are on their way, oldest first. Its length counts tiles."""

    def __init__(self, wake: Callable[[], None], landed: Callable[[_Run], None]) -> None:
        self._wake, self._landed = wake, landed
        self._queue: deque[tuple[asyncio.Future[int], _Run]] = deque()
        self._tiles = 0
        self.failure: BaseException | None = None

    def __len__(self) -> int:
        return self._tiles

    def add(self, future: asyncio.Future[int], run: _Run) -> None:
        self._queue.append((future, run))
        self._tiles += len(run.rows)
        future.add_done_callback(self._settle)

    def _settle(self, future: asyncio.Future[int]) -> None:
        if not future.cancelled():
            future.exception()  # seen: behind the first failure all others fail too
        queue = self._queue
        while queue and queue[0][0].done() and self.failure is None:
            first, run = queue[0]
            if first.cancelled():
                self.failure = OutcomeUnknown("the append was given up")
            elif (error := first.exception()) is not None:
                self.failure = error
            else:
                queue.popleft()
                self._tiles -= len(run.rows)
                self._landed(run)
        self._wake()


class TileEmitter:
    """Emits the tiles of a namespace. Several may run: one emits, the others stand by.

    Attributes:
        position: sequence of the checkpoint of the last tile known to be stored; 0: none.
        recent: the tiles it stored last, for sinks of the same process.
        standing_by: another emitter is at work, this one watches it.
    """

    def __init__(
        self,
        broker: Broker,
        layout: Layout,
        metrics: Metrics,
        *,
        room: str = ROOM,
        window: int = 2048,
        backlog: int = 16_384,
        max_age_s: float = 0.0,
    ) -> None:
        """
        Args:
            room: the domain of the tiles.
            window: how many appends may be on their way.
            backlog: how many checkpoints may wait in memory; the rest wait in the journal.
            max_age_s: seconds a tile is kept, trimmed hourly; 0 keeps all.
        """
        self._broker, self._ns, self._metrics = broker, layout.ns, metrics
        self._checkpoints: Log = broker.log(layout.checkpoints)
        self._tiles: Log = broker.log(layout.tiles)
        self._dead = Graveyard(broker, layout, metrics, STREAM)
        self._all_tiles = all_tiles(layout.ns)
        self._fronts = tile_fronts(layout.ns)
        self._room, self._window, self._backlog = room, window, backlog
        self._max_age_s = max_age_s
        self._wake = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None
        self._trimmer: asyncio.Task[None] | None = None
        self._lag_gauge = metrics.consumer_lag("tiles")
        self._intake: Intake | None = None
        self._owed = 0
        self.position = 0
        self.recent = Recent()
        self.standing_by = False
        self._server = broker.server_id
        self._anew = False
        broker.on_reconnect(self._reconnected)

    def _reconnected(self) -> None:
        """Another run of the server may hold a shorter journal: begin again from what is there."""
        if self._broker.server_id != self._server:
            self._server = self._broker.server_id
            self.recent.cease()  # at once: of what it holds, the end may be lost
            self._anew = True
            self._wake.set()

    @property
    def running(self) -> bool:
        """Whether it is at work or standing by; False before start, after stop and after a bug."""
        return self._task is not None and not self._task.done()

    @property
    def lag(self) -> int:
        """Checkpoints not yet turned into stored tiles, as far as is known here."""
        if self.standing_by or self._intake is None:
            return max(0, self._owed - self.position)
        return self._intake.lag

    async def start(self) -> None:
        """Begins; returns at once. What fails is logged and tried again."""
        if self._task is not None:
            return
        self._stopping = False
        self._task = asyncio.create_task(self._run(), name="tile-emitter")
        if self._max_age_s:
            self._trimmer = asyncio.create_task(self._trim_hourly(), name="tile-trimmer")

    async def stop(self, grace: float = 5.0) -> None:
        """Ends; waits up to ``grace`` seconds for tiles on their way."""
        self._stopping = True
        self._wake.set()
        tasks = [task for task in (self._task, self._trimmer) if task is not None]
        if self._trimmer is not None:
            self._trimmer.cancel()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=grace)
            self._task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._task = self._trimmer = None

    # --- the life of an emitter -------------------------------------------------------------------

    async def _run(self) -> None:
        """Emits until stopped; a broken run is followed by another."""
        wait = 0.1
        while not self._stopping:
            before = self.position
            try:
                await self._emit()
                continue
            except LostFence:
                rival = True
            except StoreFull as error:
                rival = False
                log.error("tiles wait: TILES is full", error=str(error))
                wait = max(wait, 2.0)
            except TransientError as error:
                rival = False
                log.warning("tiles wait", error=str(error) or error.code, position=self.position)
            except Exception:
                log.exception("tile emitter ends: this is a bug", position=self.position)
                raise
            finally:
                self._intake = None
            if self.position > before:
                wait = 0.1
            try:
                if rival:
                    await self._stand_by()
                else:
                    await self._pause(random.uniform(wait / 2, wait))
                    wait = min(2 * wait, 5.0)
            except TransientError as error:
                log.warning("tiles wait", error=str(error) or error.code, position=self.position)
                await self._pause(1.0)

    async def _pause(self, seconds: float) -> None:
        """Sleeps, but not through a stop."""
        until = time.monotonic() + seconds
        while not self._stopping and (left := until - time.monotonic()) > 0:
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), left)

    async def _emit(self) -> None:
        """Makes tiles until stopped or something fails."""
        self._anew = False
        expected, start = await self._resume()
        self.position = start.sequence
        flight = _Flight(self._wake.set, self._landed)
        intake = Intake(
            self._checkpoints,
            all_checkpoints(self._ns),
            "tiles",
            self._wake.set,
            self._backlog,
        )
        try:
            self.recent.begin(expected)
            # The checkpoint of the last tile may have further events: it is read once more.
            await intake.open(max(0, start.sequence - 1))
            self._intake = intake
            log.info("emitting tiles", checkpoint=start.sequence, tiles=expected)
            while not (self._stopping and not flight):
                self._wake.clear()
                if self._anew:
                    raise Unavailable("tiles", "the server was started anew")
                if flight.failure is not None:
                    raise flight.failure
                room = 0 if self._stopping else self._window - len(flight)
                run, more = await self._gather(intake, start, room)
                if run.rows:
                    flight.add(self._tiles.append_run(run.rows, after=expected), run)
                    expected += len(run.rows)
                self._lag_gauge.set(intake.lag)
                await intake.refill()
                if more:
                    await asyncio.sleep(0)  # only the others get a turn
                elif run.rows:
                    await asyncio.sleep(_REST_S)
                else:
                    await self._wake.wait()
        finally:
            self.recent.cease()
            await intake.close()

    def _landed(self, run: _Run) -> None:
        self.position = run.position
        for kind, count in Counter(run.kinds).items():
            self._metrics.tile(EVENTS[kind].name).inc(count)
        self.recent.add(run.rows)

    async def _gather(self, intake: Intake, start: Origin, room: int) -> tuple[_Run, bool]:
        """The tiles of the checkpoints that wait, until there are ``room`` of them or a turn of
        the event loop is full; the latter is also told."""
        run = _Run()
        for _ in range(_SLICE):
            if len(run.rows) >= room or (record := intake.pop()) is None:
                return run, False
            try:
                self._make(record, start, run)
            except (DecodeError, TooLarge) as error:
                await self._dead.bury(record, error.code, str(error))
        return run, True

    def _make(self, record: Record, start: Origin, run: _Run) -> None:
        """Adds the tiles of one checkpoint that are not stored yet.

        Raises:
            DecodeError: no checkpoint, or of a future schema.
            TooLarge: a tile would not fit into a message.
        """
        sequence = record.sequence
        if sequence < start.sequence:
            return
        place = place_of(record.subject)
        if place is None:
            raise DecodeError(record.subject, "no subject of a checkpoint")
        checkpoint = decode_checkpoint(record.data, record.subject)
        tiles = tiles_of(place, sequence, checkpoint, self._room)
        limit = self._broker.max_payload - _HEADER_ROOM
        largest = max(map(len, tiles))
        if largest > limit:
            raise TooLarge(largest, limit)
        identity, at = place.identity, str(checkpoint.at)
        fronts, rows, kinds, events = self._fronts, run.rows, run.kinds, checkpoint.events
        for n in range(start.n + 1 if sequence == start.sequence else 0, len(tiles)):
            kind, origin = events[n].kind, f"{sequence}.{n}"
            headers = {
                HEADER_TILE: f"{identity}.{origin}",
                HEADER_ORIGIN: origin,
                HEADER_AT: at,
            }
            rows.append((fronts[kind] + identity, tiles[n], headers))
            kinds.append(kind)
        run.position = sequence

    async def _resume(self) -> tuple[int, Origin]:
        """What the next append has to expect, and the last tile's origin."""
        while True:
            # In this order: had somebody written after the first answer, the second would show it.
            expected = await self._tiles.end()
            last, origin = await self._last_tile()
            if last > expected:
                continue
            if origin.sequence <= await self._checkpoints.end():
                return expected, origin
            await self.discard_ahead()

    async def _last_tile(self) -> tuple[int, Origin]:
        """Sequence and origin of the newest tile; passes over what others wrote into TILES."""
        newest = await self._tiles.last(self._all_tiles)
        if newest is None:
            return 0, NOWHERE
        origin = _origin(newest)
        if origin is not None:
            return newest.sequence, origin
        tail = await self._back_to(lambda _: True)
        known = [found for _, found in tail if found is not None]
        return newest.sequence, known[-1] if known else NOWHERE

    async def _back_to(self, found: Callable[[Origin], bool]) -> list[tuple[int, Origin | None]]:
        """The end of TILES, back to a tile for which ``found`` holds, or all of it."""
        end, reach = await self._tiles.end(), 256
        while True:
            after = max(0, end - reach)
            tail = [
                (record.sequence, _origin(record))
                async for record in self._tiles.read(
                    self._all_tiles, after=after, headers_only=True
                )
            ]
            if after == 0 or any(origin is not None and found(origin) for _, origin in tail):
                return tail
            reach *= 8

    async def _stand_by(self) -> None:
        """Returns when tiles are owed and nobody has stored any for a while."""
        self.standing_by = True
        log.info("standing by: another emitter is at work")
        try:
            seen, owed = -1, 0
            while not self._stopping:
                last, origin = await self._last_tile()
                self.position = origin.sequence
                if last == seen and await self._behind(origin, owed):
                    log.warning("taking over", checkpoint=origin.sequence, owed=owed)
                    return
                seen, owed = last, await self._checkpoints.end()
                self._owed = owed
                self._lag_gauge.set(self.lag)
                await self._pause(random.uniform(*_STAND_BY_S))
        finally:
            self.standing_by = False

    async def _behind(self, origin: Origin, owed: int) -> bool:
        """Whether a checkpoint up to ``owed`` lacks a tile."""
        if owed != origin.sequence:
            return owed > origin.sequence
        record = await self._checkpoints.get(owed)
        if record is None:
            return False
        run = _Run()
        try:
            self._make(record, origin, run)
        except (DecodeError, TooLarge):
            return False
        return bool(run.rows)

    # --- upkeep -----------------------------------------------------------------------------------

    async def discard_ahead(self) -> int:
        """Removes tiles of checkpoints that the journal does not have (any more); how many.

        To be called after a start of the broker, before anything is appended to the journal: a
        power loss can take the journal's end and leave the tiles of it.

        Raises:
            Unavailable, BrokerError: the broker does not answer; call it again.
        """
        end = await self._checkpoints.end()
        tail = await self._back_to(lambda origin: origin.sequence <= end)
        ahead = [seq for seq, origin in tail if origin is not None and origin.sequence > end]
        for at in range(0, len(ahead), 256):
            await asyncio.gather(
                *(self._tiles.delete(seq, overwrite=False) for seq in ahead[at : at + 256])
            )
        letters = await self._dead.discard_ahead(end)
        if ahead or letters:
            log.warning(
                "discarded what is ahead of the journal", tiles=len(ahead), dead_letters=letters,
                end=end,
            )  # fmt: skip
        return len(ahead)

    async def trim(self, max_age_s: float) -> int:
        """Removes tiles older than ``max_age_s`` seconds; how many.

        The newest of the old ones stays. So TILES is never empty once it had a tile (an emitter
        would begin again at the first checkpoint), not even after :meth:`discard_ahead`.

        Raises:
            Unavailable, BrokerError: the broker does not answer; call it again.
        """
        oldest = time.time() * 1000 - max_age_s * 1000
        keep = 0
        records = self._tiles.read(self._all_tiles, headers_only=True)
        async with contextlib.aclosing(cast("AsyncGenerator[Record]", records)):
            async for record in records:
                at = record.headers.get(HEADER_AT, "")
                if not at.isdecimal() or _origin(record) is None:
                    continue
                if int(at) >= oldest:
                    break
                keep = record.sequence
        return await self._tiles.purge(below=keep) if keep else 0

    async def _trim_hourly(self) -> None:
        while True:
            try:
                removed = await self.trim(self._max_age_s)
                if removed:
                    log.info("old tiles trimmed", tiles=removed)
            except TransientError as error:
                log.warning("tiles not trimmed", error=str(error) or error.code)
            await asyncio.sleep(random.uniform(0.9, 1.1) * _TRIM_S)


def _origin(record: Record) -> Origin | None:
    try:
        return origin_of(record.headers.get(HEADER_ORIGIN), record.subject)
    except DecodeError:
        return None  # not ours: anyone may publish below a subject of TILES
