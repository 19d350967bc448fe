"""Where tiles go from TILES.

One law: a sink is handed TILES in order, and its place is kept only after the sink has what stands
before it: so each tile comes at least once, and one sink's trouble is nobody else's.

While it keeps up with an emitter of its process it is handed what that one has just stored; after a
start, or when it was too slow, or when another process emits, it reads the stream for itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Final, Literal, NamedTuple, Protocol, runtime_checkable

import structlog

from holodeck.actors.metrics import Metrics
from holodeck.actors.tiles.dead import Graveyard
from holodeck.actors.tiles.intake import Intake
from holodeck.actors.tiles.recent import Recent, StoredTile
from holodeck.broker.port import Broker
from holodeck.broker.streams import Layout
from holodeck.messages.errors import DecodeError, StartupError, TransientError
from holodeck.messages.ids import check_id
from holodeck.messages.subjects import all_tiles

STREAM: Final = "TILES"
_BATCH: Final = 512
_KEEP_S: Final = 1.0

log = structlog.get_logger("holodeck.tiles")


_OURS: Final = b'{"id":"'
"""How every tile of the emitter's begins; only what begins otherwise is looked at closely."""


class SinkDown(TransientError):
    """A sink cannot take tiles now; they wait in TILES."""

    code = "sink-down"


class Sink(Protocol):
    """Somewhere tiles go."""

    async def open(self, end: int) -> int | None:
        """Gets ready; called before the first batch and again after each :class:`SinkDown`.

        Args:
            end: the last sequence of TILES. What the sink has from behind it is history that a
                power loss took; those sequences will come again with other tiles.

        Returns:
            the last sequence the sink itself knows it has, which counts more than the place
            that was kept; None when it does not know.

        Raises:
            SinkDown: try again later.
            StartupError: it can never work as configured.
        """
        ...

    async def write(self, tiles: Sequence[StoredTile]) -> None:
        """Takes tiles, in order; returns when they are safe. Repeats are dropped by ``tile.id``.

        It is cancelled when another run of the server comes, and when it does not end after a stop.

        Raises:
            SinkDown: none or some were taken; all of them come again.
        """
        ...

    async def close(self) -> None: ...


class Desk(NamedTuple):
    """What a sink needs that tells more of its tiles than that it has them.

    Attributes:
        name: of the sink.
        refused: where it buries tiles that can never be taken, in the order of TILES. It is a
            graveyard of its own: what other sinks take has nothing to do with it.
    """

    name: str
    metrics: Metrics
    refused: Graveyard


@runtime_checkable
class Reporting(Protocol):
    """A sink that is given a desk, once and before anything else."""

    def attach(self, desk: Desk) -> None: ...


class Erased(NamedTuple):
    """Whose tiles are not to be anywhere any more."""

    sessions: frozenset[str]
    learner: str


@runtime_checkable
class Erasing(Protocol):
    """A sink that can take back what it was given."""

    async def erase(self, erased: Erased) -> None:
        """Removes every tile of these sessions and of the learner, its bytes too, but not the word
        that they were erased. Called between two batches.

        Raises:
            SinkDown: some may be left; ask again.
        """
        ...


Taken = tuple[Literal["ok", "refused", "down"], str]
"""What became of a tile, and what was said to it."""


@runtime_checkable
class Retaking(Protocol):
    """A sink that refuses tiles, and can be offered one once more."""

    async def again(self, stored: StoredTile) -> Taken:
        """Offers one tile that it refused, once. What comes after it is long there."""
        ...


class SinkRunner:
    """Carries tiles to one sink, for ever.

    Its place lies in the bucket ``cluster`` under ``sink.<name>``.

    Attributes:
        position: sequence of the last tile the sink has.
    """

    def __init__(
        self,
        broker: Broker,
        layout: Layout,
        metrics: Metrics,
        name: str,
        sink: Sink,
        recent: Recent | None = None,
    ) -> None:
        """
        Args:
            recent: what the emitter of this process stored last; None: there is no emitter here.
        """
        self._broker, self._name, self._sink = broker, check_id(name), sink
        self._recent = recent or Recent()
        self._key = f"sink.{name}"
        self._all = all_tiles(layout.ns)
        self._tiles = broker.log(layout.tiles)
        self._bucket = broker.bucket(layout.cluster)
        self._dead = Graveyard(broker, layout, metrics, STREAM)
        self._lag_gauge = metrics.consumer_lag(self._key)
        if isinstance(sink, Reporting):
            refused = Graveyard(broker, layout, metrics, f"{STREAM}-{name}")
            sink.attach(Desk(name, metrics, refused))
        self._wake = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None
        self._intake: Intake | None = None
        self._kept = 0
        self._kept_at = 0.0
        self._reminder: asyncio.TimerHandle | None = None
        self.position = 0
        self._server = broker.server_id
        self._anew = False
        self._writing: asyncio.Task[None] | None = None
        self._between = asyncio.Lock()
        broker.on_reconnect(self._reconnected)

    def _reconnected(self) -> None:
        """Another run of the server may hold fewer tiles: begin again from what is there."""
        if self._broker.server_id != self._server:
            self._server = self._broker.server_id
            self._anew = True
            self._wake.set()
            if self._writing is not None:
                self._writing.cancel()

    @property
    def running(self) -> bool:
        """False before start, after stop, and when the sink can never work or a bug ended it."""
        return self._task is not None and not self._task.done()

    @property
    def reading(self) -> bool:
        """Whether it reads the stream, because no emitter hands it what comes next."""
        return self._intake is not None

    @property
    def lag(self) -> int:
        """Tiles the sink does not have yet, as far as is known here."""
        if self._intake is not None:
            return self._intake.lag
        return max(0, self._recent.end - self.position)

    async def start(self) -> None:
        """Begins; returns at once. What fails is logged and tried again."""
        if self._task is None:
            self._stopping = False
            self._task = asyncio.create_task(self._run(), name=self._key)

    async def stop(self, grace: float = 5.0) -> None:
        """Ends after the batch at hand, at the latest after ``grace`` seconds."""
        self._stopping = True
        self._wake.set()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=grace)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        await self._sink.close()

    async def again(self, stored: StoredTile) -> Taken:
        """Offers the sink a tile that it refused, once more."""
        if not isinstance(self._sink, Retaking):
            return "refused", f"the sink {self._name} never refuses, so nothing comes again"
        return await self._sink.again(stored)

    async def erase(self, erased: Erased, after: int) -> Literal["erased", "behind", "kept"]:
        """What became of the tiles of erased sessions and learners here: they are gone; they will
        be, when the sink has taken the tile at ``after``; or it cannot take back what it has."""
        if not isinstance(self._sink, Erasing):
            return "kept"
        if self._task is None or self.position < after:
            return "behind"
        async with self._between:
            try:
                await self._sink.erase(erased)
            except SinkDown as error:
                log.warning("sink does not erase", sink=self._name, error=str(error))
                return "behind"
        return "erased"

    async def _run(self) -> None:
        wait = 0.1
        while not self._stopping:
            before = self.position
            try:
                # It returns when another run of the server came. Then there is no time to lose:
                # where TILES ends has to be known before an emitter goes on from there.
                await self._carry()
            except TransientError as error:
                log.warning("sink waits", sink=self._name, error=str(error) or error.code)
                if self.position > before:
                    wait = 0.1
                self._wake.clear()
                if not self._stopping:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._wake.wait(), random.uniform(wait / 2, wait))
                wait = min(2 * wait, 10.0)
            except StartupError as error:
                log.error("sink given up", sink=self._name, error=str(error))
                raise
            except Exception:
                log.exception("sink ends: this is a bug", sink=self._name, position=self.position)
                raise

    async def _carry(self) -> None:
        """Hands on tiles until stopped, the server was started anew, or something fails."""
        self._anew = False
        end = await self._tiles.end()
        entry = await self._bucket.get(self._key)
        self._kept = int(entry.data) if entry is not None and entry.data.isdigit() else 0
        known = await self._sink.open(end)
        self.position = min(end, self._kept if known is None else known)
        self._recent.join(self._wake.set)
        try:
            while not (self._stopping or self._anew):
                self._wake.clear()
                batch, last = await self._next()
                if batch and not await self._written(batch):
                    return
                self.position = max(last, self.position)
                self._lag_gauge.set(self.lag)
                await self._keep()
                if last:
                    await asyncio.sleep(0)  # there may be more: only the others get a turn
                else:
                    await self._wake.wait()
            if self._stopping:
                await self._keep()
        finally:
            self._recent.leave(self._wake.set)
            await self._close_intake()
            if self._reminder is not None:
                self._reminder.cancel()
                self._reminder = None

    async def _written(self, batch: Sequence[StoredTile]) -> bool:
        """Whether the sink has the tiles; False as soon as another run of the server comes.

        A sink may take long, and where TILES ends has to be asked before an emitter goes on.
        """
        async with self._between:
            return await self._write(batch)

    async def _write(self, batch: Sequence[StoredTile]) -> bool:
        self._writing = writing = asyncio.create_task(self._sink.write(batch))
        try:
            await asyncio.wait({writing})
            if writing.cancelled() and self._anew:
                return False
            writing.result()
            return True
        finally:
            self._writing = None
            if not writing.done():
                writing.cancel()
                await asyncio.gather(writing, return_exceptions=True)

    async def _next(self) -> tuple[list[StoredTile], int]:
        """The next tiles, and the sequence up to which that is all; 0 if there are none."""
        fresh = self._recent.behind(self.position, _BATCH)
        if fresh is None:
            return await self._read()
        if self._intake is not None:
            log.info("sink keeps up", sink=self._name, position=self.position)
            await self._close_intake()
        return fresh, fresh[-1].sequence if fresh else 0

    async def _read(self) -> tuple[list[StoredTile], int]:
        """The next tiles from the stream; what is none there is buried."""
        if self._intake is None:
            log.info("sink reads", sink=self._name, position=self.position)
            intake = Intake(self._tiles, self._all, f"sink-{self._name}", self._wake.set)
            await intake.open(self.position)
            self._intake = intake
        batch: list[StoredTile] = []
        last = 0
        while len(batch) < _BATCH and (record := self._intake.pop()) is not None:
            last = record.sequence
            stored = StoredTile(last, record.subject, record.data)
            if not stored.data.startswith(_OURS):
                try:
                    _ = stored.tile
                except DecodeError as error:
                    await self._dead.bury(record, error.code, str(error))
                    continue
            batch.append(stored)
        await self._intake.refill()
        return batch, last

    async def _close_intake(self) -> None:
        intake, self._intake = self._intake, None
        if intake is not None:
            await intake.close()

    async def _keep(self) -> None:
        """Notes the place, at most once a second: what is handed on again costs less."""
        if self.position == self._kept:
            return
        now = time.monotonic()
        if self._stopping or now - self._kept_at >= _KEEP_S:
            await self._bucket.put(self._key, str(self.position).encode())
            self._kept, self._kept_at = self.position, now
        elif self._reminder is None:
            self._reminder = asyncio.get_running_loop().call_later(_KEEP_S, self._remind)

    def _remind(self) -> None:
        self._reminder = None
        self._wake.set()


class JsonlSink:
    """A file with one JSON object per line: a tile and its ``tile_sequence``.

    Exact, not only at-least-once, against death of the process: the file's own last line says
    what it has. At ``rotate_bytes`` the file is renamed to ``<stem>.<last sequence><suffix>`` and
    a new one begun. One process at a time writes it.
    """

    def __init__(self, path: Path | str, *, rotate_bytes: int = 256 * 1024 * 1024) -> None:
        self.path = Path(path)
        self._rotate_bytes = rotate_bytes
        self._file: IO[bytes] | None = None
        self._lock: IO[bytes] | None = None
        self._size = 0
        self._last = 0

    async def open(self, end: int) -> int | None:
        try:
            self._claim()
            self._open()
        except OSError as error:
            raise SinkDown(f"{self.path}: {error.strerror}") from error
        self._last = min(self._last, end)
        return self._last or None  # a file that was moved away is not written once more

    async def write(self, tiles: Sequence[StoredTile]) -> None:
        lines = [
            b'{"tile_sequence":%d,%b\n' % (stored.sequence, stored.data.lstrip()[1:])
            for stored in tiles
            if stored.sequence > self._last
        ]
        if not lines:
            return
        block = b"".join(lines)
        try:
            if self._size and self._size + len(block) > self._rotate_bytes:
                self._rotate()
            self._put(block)
        except OSError as error:
            self._shut()  # opening it again cuts off what was written in part
            raise SinkDown(f"{self.path}: {error.strerror}") from error
        self._size += len(block)
        self._last = tiles[-1].sequence

    async def close(self) -> None:
        self._shut()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    async def erase(self, erased: Erased) -> None:
        """Writes each file anew without what is of them; the old one is overwritten with zeros."""
        try:
            self._shut()
            for path in [*self._files(), self.path]:
                if path.exists():
                    await asyncio.to_thread(_rewrite, path, erased)
            self._open()
        except OSError as error:
            raise SinkDown(f"{self.path}: {error.strerror}") from error

    def _put(self, block: bytes) -> None:
        if self._file is None:
            raise SinkDown(f"{self.path} is not open")
        left = memoryview(block)
        while left:  # one write may take only a part
            left = left[self._file.write(left) :]

    def _claim(self) -> None:
        """Keeps a second process away: two writers would tear each other's lines."""
        if self._lock is not None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lock = open(self.path.with_name(self.path.name + ".lock"), "ab")  # noqa: SIM115 - held
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.close()
            raise StartupError(
                f"{self.path} is being written by another process",
                "stop that one, or choose another file",
            ) from error
        self._lock = lock

    def _open(self) -> None:
        """Opens the file behind its last whole line; a torn one is cut off."""
        self._shut()
        # Unbuffered: what a failed write left behind must not come out of a buffer later.
        file = open(self.path, "ab+", buffering=0)  # noqa: SIM115 - held
        try:
            size = file.seek(0, os.SEEK_END)
            good, line = _last_line(file, size)
            if good < size:
                log.warning("torn line cut off", file=str(self.path), bytes=size - good)
                file.truncate(good)
        except OSError:
            file.close()
            raise
        self._file, self._size = file, good
        self._last = _sequence_of(line) if line else self._rotated()

    def _rotate(self) -> None:
        self._shut()
        self.path.rename(
            self.path.with_name(f"{self.path.stem}.{self._last:012d}{self.path.suffix}")
        )
        self._file, self._size = open(self.path, "ab+", buffering=0), 0  # noqa: SIM115 - held

    def _rotated(self) -> int:
        """The last sequence in the files rotated away; their names tell."""
        return max(self._files().values(), default=0)

    def _files(self) -> dict[Path, int]:
        """The files rotated away, each with its last sequence."""
        front, back = self.path.stem + ".", self.path.suffix
        return {
            found: int(middle)
            for found in self.path.parent.iterdir()
            if found.name.startswith(front) and found.name.endswith(back)
            for middle in [found.name[len(front) : len(found.name) - len(back)]]
            if middle.isdecimal()
        }

    def _shut(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()


def _last_line(file: IO[bytes], size: int) -> tuple[int, bytes]:
    """Where the last whole line ends, and that line; (0, empty) if there is none."""
    reach = 64 * 1024
    while True:
        start = max(0, size - reach)
        file.seek(start)
        block = file.read(size - start)
        end = block.rfind(b"\n") + 1
        if end:
            begin = block.rfind(b"\n", 0, end - 1) + 1
            if begin or start == 0:
                return start + end, block[begin:end]
        if start == 0:
            return 0, b""
        reach *= 4


def _sequence_of(line: bytes) -> int:
    try:
        return int(json.loads(line)["tile_sequence"])
    except (ValueError, KeyError, TypeError) as error:
        raise SinkDown("the last line of the file is none of ours; move it away") from error


def _rewrite(path: Path, erased: Erased) -> None:
    """Puts a file in the place of ``path`` that lacks the lines of erased sessions and learners;
    the word that they were erased stays, and so the end of the file."""
    fresh = path.with_name(path.name + ".erasing")
    with open(path, "rb+") as old:
        with open(fresh, "wb") as new:
            for line in old:
                if not _is_of(line, erased):
                    new.write(line)
            new.flush()
            os.fsync(new.fileno())
        fresh.replace(path)
        # The old file has no name any more; this is the last that is written into it.
        left = old.seek(0, os.SEEK_END)
        old.seek(0)
        while left > 0:
            left -= old.write(bytes(min(left, 1 << 20)))
        old.flush()
        os.fsync(old.fileno())


def _is_of(line: bytes, erased: Erased) -> bool:
    """Whether a line is a tile of them, other than a word that something was erased."""
    try:
        tile = json.loads(line)
        answer, question = tile["answer"], str(tile["question"])
        about = answer.get("session_id"), answer.get("learner_id"), answer.get("learner")
    except (ValueError, KeyError, TypeError, AttributeError):
        return False
    theirs = about[0] in erased.sessions or erased.learner in about[1:]
    return theirs and not question.startswith(("[SESSION_ERASED]", "[LEARNER_ERASED]"))
