"""Carries the journal into one store, for ever.

One law: a runner follows the journal with a consumer of its own and believes the store about the
place; what goes wrong with a store is tried again and is nobody else's business.

A store is emptied and filled from the beginning when somebody asks for it, when it has no place,
and when its place is none of this journal's: behind the journal's end, or at another checkpoint.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Sequence
from typing import Any, Final, Literal

import structlog

from holodeck.actors.metrics import Metrics
from holodeck.actors.projections.history import Archived, JournalHistory, mark_of
from holodeck.actors.projections.port import (
    START,
    Bookmark,
    Overtaken,
    Projection,
    Step,
    step_of,
)
from holodeck.actors.table import hold_key
from holodeck.actors.tiles.intake import Intake
from holodeck.broker.port import Broker, Record
from holodeck.broker.streams import Layout
from holodeck.messages.codec import pack
from holodeck.messages.errors import DecodeError, TransientError
from holodeck.messages.ids import check_id
from holodeck.messages.subjects import all_checkpoints

BATCH: Final = 1024
HOLD_S: Final = 10.0
"""Seconds between two words to retention that what is behind our place is still to be read."""
_REST_S: Final = 0.02
"""Seconds between two batches while checkpoints come steadily: what gathers shares a write."""
_LONGEST_S: Final = 5.0
_BUG_S: Final = 30.0
_STAND_BY_S: Final = (2.0, 4.0)
_NO_PLACE: Final = "the store has no place"

State = Literal["starting", "filling", "live", "waiting", "standing-by", "stopped"]

log = structlog.get_logger("holodeck.projections")


class ProjectionRunner:
    """One projection at work.

    Attributes:
        position: sequence of the last checkpoint the store has.
        state: ``filling`` while it catches up from the beginning, ``waiting`` while the store or
            the broker is away, ``standing-by`` while another runner is at work.
        error: what went wrong last, empty while all is well.
    """

    def __init__(
        self,
        broker: Broker,
        layout: Layout,
        metrics: Metrics,
        projection: Projection,
        partitions: int,
        *,
        keep_s: float = 0.0,
        backlog: int = 4096,
    ) -> None:
        """
        Args:
            keep_s: seconds after its end at which a session may be archived; a store that is
                further behind looks into the archive too.
            backlog: how many checkpoints may wait in memory.
        """
        self.name = check_id(projection.name)
        self.projection = projection
        self._broker, self._layout, self._ns = broker, layout, layout.ns
        self._journal = broker.log(layout.checkpoints)
        self._cluster = broker.bucket(layout.cluster)
        self._history = JournalHistory(broker, layout, partitions)
        self._keep_ms, self._backlog = round(keep_s * 1000), backlog
        self._figures = metrics.projection(self.name)
        self._wake = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None
        self._intake: Intake | None = None
        self._peeked: Record | None = None
        self._last = 0
        self._target = 0
        self._asked = False
        self._held_at = 0.0
        self.position = 0
        self.state: State = "starting"
        self.error = ""
        self.rebuilds = 0
        self._server = broker.server_id
        self._anew = False
        broker.on_reconnect(self._reconnected)

    def _reconnected(self) -> None:
        """Another run of the server may hold a shorter journal: compare the store with it."""
        if self._broker.server_id != self._server:
            self._server = self._broker.server_id
            self._anew = True
            self._wake.set()

    @property
    def running(self) -> bool:
        return self._task is not None and not self._task.done()

    def rebuild(self) -> None:
        """Asks for the store to be emptied and filled from the beginning; returns at once. A
        store that is away is emptied when it is back."""
        self._asked = True
        self._wake.set()

    async def status(self) -> dict[str, Any]:
        """``projection, store, state, position, end, lag, error``: ``end`` is the sequence of the
        newest checkpoint there is, ``lag`` how many the store does not have, at most.

        Raises:
            Unavailable, BrokerError: the broker does not answer.
        """
        newest = await self._journal.last(all_checkpoints(self._ns))
        end = newest.sequence if newest is not None else 0
        behind = 0 if self.position >= end else end - self.position
        if behind and self._intake is not None and self.state == "live":
            behind = max(1, min(behind, self._lag(self._intake)))
        return {
            "projection": self.name,
            "store": self.projection.store,
            "state": "filling" if self._asked else self.state,
            "position": 0 if self._asked else self.position,
            "end": end,
            "lag": end if self._asked else behind,
            "error": self.error,
            "rebuilds": self.rebuilds,
        }

    async def start(self) -> None:
        """Begins; returns at once. What fails is logged and tried again."""
        if self._task is None:
            self._stopping = False
            self._task = asyncio.create_task(self._run(), name=f"projection-{self.name}")

    async def stop(self, grace: float = 5.0) -> None:
        """Ends after the batch at hand, at the latest after ``grace`` seconds."""
        self._stopping = True
        self._wake.set()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=grace)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        self.state = "stopped"
        await self.projection.close()

    # --- the life of a runner ----------------------------------------

    async def _run(self) -> None:
        wait = 0.1
        while not self._stopping:
            before = self.position
            try:
                await self._carry()
                continue
            except Overtaken as error:
                self._went_wrong(error)
                log.info("projection stands by", projection=self.name, reason=str(error))
                pause = await self._stood_by()
            except TransientError as error:
                self._went_wrong(error)
                log.warning("projection waits", projection=self.name, error=self.error)
                wait = 0.1 if self.position > before else min(2 * wait, _LONGEST_S)
                pause = random.uniform(wait / 2, wait)
            except Exception as error:
                # Of one store; the others go on. It may be mended by a rebuild or a new version.
                self._went_wrong(error)
                log.exception("projection fails: this is a bug", projection=self.name)
                pause = _BUG_S
            await self._pause(pause)

    def _went_wrong(self, error: Exception) -> None:
        self._figures.errors.inc()
        self.state = "waiting"
        self.error = (str(error) or type(error).__name__)[:500]

    async def _pause(self, seconds: float) -> None:
        """Sleeps, but not through a stop or an order."""
        await self._measure_away()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not (self._stopping or self._asked):
                    self._wake.clear()
                    await self._wake.wait()

    async def _measure_away(self) -> None:
        """While nothing can be written, what gathers is still counted."""
        try:
            self._figures.lag.set((await self.status())["lag"])
        except TransientError as error:
            log.debug("projection.not-measured", projection=self.name, reason=str(error))

    async def _carry(self) -> None:
        """Hands the journal on until stopped, asked to begin anew, or something fails."""
        self._anew = False
        place = await self._opened()
        archived = Archived()
        intake = Intake(
            self._journal,
            all_checkpoints(self._ns),
            f"projection-{self.name}",
            self._wake.set,
            self._backlog,
            durable=True,
        )
        try:
            await self._hold(place.sequence)
            if place == START or time.time() * 1000 - place.at > self._keep_ms / 2:
                await archived.load(self._broker, self._layout, place.sequence)
            self._peeked, self._last = None, place.sequence
            await intake.open(place.sequence)
            self._intake = intake
            log.info("projection follows", projection=self.name, position=place.sequence)
            self.error = ""
            while not (self._stopping or self._anew or self._asked):
                self._wake.clear()
                batch = self._gather(intake, archived)
                if batch:
                    await self._apply(batch)
                self._figures.lag.set(self._lag(intake))
                if self.position >= self._target:
                    self.state = "live"
                if time.monotonic() - self._held_at >= HOLD_S:
                    await self._hold(self.position)
                await intake.refill()
                if len(batch) >= BATCH:
                    await asyncio.sleep(0)  # only the others get a turn
                elif batch:
                    await asyncio.sleep(_REST_S)
                else:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(HOLD_S):
                            await self._wake.wait()
        finally:
            self._intake = self._peeked = None
            archived.close()
            await intake.close()

    async def _opened(self) -> Bookmark:
        """Where to go on; of a store that does not fit the journal, the beginning."""
        place = await self.projection.open(self._history)
        end = await self._journal.end()
        reason = await self._amiss(place, end)
        if reason:
            tell = log.info if reason == _NO_PLACE else log.warning
            tell("projection begins anew", projection=self.name, reason=reason)
            await self._hold(0)
            await self.projection.reset()
            self._asked = False
            self.rebuilds += 1
            place = START
        assert place is not None
        self._target = end if place == START else 0
        self.position = place.sequence
        self.state = "filling" if place == START else "live"
        return place

    async def _amiss(self, place: Bookmark | None, end: int) -> str:
        """Why a store has to be filled anew; empty: it need not."""
        if self._asked:
            return "asked for"
        if place is None:
            return _NO_PLACE
        if place.sequence > end:
            return "the store is ahead of the journal"
        if place.mark:
            there = await self._journal.get(place.sequence)
            if there is not None and mark_of(there) != place.mark:
                return "the store was filled from another journal"
        return ""

    def _lag(self, intake: Intake) -> int:
        return intake.lag + (self._peeked is not None)

    def _gather(self, intake: Intake, archived: Archived) -> list[Record]:
        """The next checkpoints, from archive and journal, in the order of their sequences."""
        batch: list[Record] = []
        while len(batch) < BATCH:
            if self._peeked is None:
                self._peeked = intake.pop()
            peeked = self._peeked
            if peeked is None and intake.lag:
                break  # an archived one may belong behind what is on its way
            record = archived.before(None if peeked is None else peeked.sequence)
            if record is None:
                if peeked is None:
                    break
                record, self._peeked = peeked, None
            if record.sequence > self._last:
                self._last = record.sequence
                batch.append(record)
        return batch

    async def _apply(self, batch: Sequence[Record]) -> None:
        steps: list[Step] = []
        at = 0
        for record in batch:
            try:
                step = step_of(record)
            except DecodeError as error:
                # The tile emitter buries it; here it is only passed over.
                self._figures.errors.inc()
                log.warning(
                    "projection.unreadable", projection=self.name, sequence=record.sequence,
                    reason=str(error),
                )  # fmt: skip
                continue
            steps.append(step)
            at = step.at
        last = batch[-1]
        await self.projection.apply(steps, Bookmark(last.sequence, mark_of(last), at))
        self.position = last.sequence
        self._figures.applied.inc(len(steps))

    async def _hold(self, position: int) -> None:
        """Tells retention what is still to be read here. A runner that is gone holds nothing up:
        its word is worth a minute."""
        said = {"position": position, "at": round(time.time() * 1000)}
        await self._cluster.put(hold_key(self.name), pack(said))
        self._held_at = time.monotonic()

    async def _stood_by(self) -> float:
        """Waits while another runner is at work; how long to wait after that, in seconds."""
        seen: Bookmark | None = None
        first = True
        while not (self._stopping or self._asked):
            self.state = "standing-by"
            try:
                place = await self.projection.open(self._history)
                newest = await self._journal.last(all_checkpoints(self._ns))
            except TransientError as error:
                self._went_wrong(error)
                return 1.0
            self.position = place.sequence if place is not None else 0
            owed = newest is not None and newest.sequence > self.position
            if owed and not first and place == seen:
                log.warning("projection takes over", projection=self.name, position=self.position)
                return 0.0
            seen, first = place, False
            await self._pause(random.uniform(*_STAND_BY_S))
        return 0.0
