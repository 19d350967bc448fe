"""What the journal no longer hands on by itself: sessions that have moved to the archive.

One law: whoever reads from the beginning reads everything, in the order of the sequences, however
much of it was archived meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import sqlite3
import time
from collections.abc import AsyncGenerator, Sequence
from typing import Final, cast

import structlog

from holodeck.actors.folds import HEADER_SEQUENCE
from holodeck.actors.host import unarchived
from holodeck.actors.projections.port import Step, step_of
from holodeck.actors.projections.view import opens
from holodeck.broker.port import Broker, Entry, Record
from holodeck.broker.streams import Layout
from holodeck.messages.errors import DecodeError
from holodeck.messages.ids import partition_of
from holodeck.messages.subjects import writer_filter

_SLICE_S: Final = 0.01
_MANY: Final = 512

log = structlog.get_logger("holodeck.projections")


def mark_of(record: Record) -> str:
    """Tells a record from any other that might stand at its sequence: 64 bits of a digest."""
    digest = hashlib.blake2b(record.subject.encode(), digest_size=8)
    digest.update(record.data)
    return digest.hexdigest()


class JournalHistory:
    """A session's earlier checkpoints, from the journal or else the archive.

    Args:
        partitions: of the deployment.
    """

    def __init__(self, broker: Broker, layout: Layout, partitions: int) -> None:
        self._ns, self._partitions = layout.ns, partitions
        self._journal = broker.log(layout.checkpoints)
        self._archive = broker.bucket(layout.archive)

    async def of(self, session: str, before: int) -> Sequence[Step]:
        partition = partition_of(session, self._partitions)
        subjects = writer_filter(self._ns, "session", partition, session)
        records = [record async for record in self._journal.read(subjects, upto=before - 1)]
        steps = _steps(records)
        if not steps or not opens(steps[0]):
            # Archived, or on its way there: then the journal has none of it, or only its end.
            entry = await self._archive.get(f"log.{partition}.{session}")
            if entry is not None:
                steps = _steps([one for one in unarchived(entry.data) if one.sequence < before])
        return steps


def _steps(records: Sequence[Record]) -> list[Step]:
    """The readable ones among records."""
    steps = []
    for record in records:
        try:
            steps.append(step_of(record))
        except DecodeError as error:
            log.warning("projection.unreadable", sequence=record.sequence, reason=str(error))
    return steps


class Archived:
    """The archived checkpoints behind a place, in the order of their sequences.

    They lie in the archive by session and there may be more than fit into memory, so they are put
    in order in a file that has no name: whatever becomes of this process, nobody finds it later.
    """

    def __init__(self) -> None:
        self._file: sqlite3.Connection | None = None
        self._queue: list[Record] = []
        self._after = 0
        self.count = 0

    async def load(self, broker: Broker, layout: Layout, after: int) -> None:
        """Reads the archive for what stands behind ``after``.

        Raises:
            Unavailable, BrokerError: it cannot be read now.
        """
        self.close()
        self._after = after
        bucket = broker.bucket(layout.archive)
        began = time.monotonic()
        scan = cast("AsyncGenerator[Entry]", bucket.scan("log.>", headers_only=True))
        async with contextlib.aclosing(scan):
            wanted = [
                entry.key
                async for entry in scan
                if int(entry.headers.get(HEADER_SEQUENCE, "0")) > after
            ]
        for key in wanted:
            entry = await bucket.get(key)
            if entry is None:
                continue  # erased meanwhile
            for record in unarchived(entry.data):
                if record.sequence > after:
                    self._add(record)
            if time.monotonic() - began > _SLICE_S:
                await asyncio.sleep(0)
                began = time.monotonic()
        if self._file is not None:
            self._file.commit()
            log.info("projection.reads-archive", checkpoints=self.count, after=after)

    def _add(self, record: Record) -> None:
        if self._file is None:
            # An empty name: the library makes a file of it and removes its name at once.
            self._file = sqlite3.connect("")
            self._file.execute("PRAGMA journal_mode=OFF")
            self._file.execute(
                "CREATE TABLE records (sequence INTEGER PRIMARY KEY, subject TEXT, data BLOB)"
            )
        self._file.execute(
            "INSERT OR REPLACE INTO records VALUES (?, ?, ?)",
            (record.sequence, record.subject, record.data),
        )
        self.count += 1

    def before(self, sequence: int | None) -> Record | None:
        """The next one, if it stands before ``sequence``; None: at all."""
        if not self._queue and self._file is not None:
            rows = self._file.execute(
                "SELECT subject, sequence, data FROM records WHERE sequence > ? "
                "ORDER BY sequence LIMIT ?",
                (self._after, _MANY),
            ).fetchall()
            self._queue = [Record(subject, at, data, {}) for subject, at, data in reversed(rows)]
            if not self._queue:
                self.close()
        if not self._queue or (sequence is not None and self._queue[-1].sequence >= sequence):
            return None
        record = self._queue.pop()
        self._after = record.sequence
        return record

    def close(self) -> None:
        """Lets the file go."""
        self._queue = []
        file, self._file = self._file, None
        if file is not None:
            file.close()
