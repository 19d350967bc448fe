"""What belongs to a learner: its sessions, rehearsals made from them, the NPCs it met.

One law: the journal and the archive say it, nothing else does; no list of it is kept anywhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from holodeck.actors.host import HEADER_AGAIN, HEADER_BYTES, HEADER_LEARNER, unarchived
from holodeck.broker.port import Broker, Record
from holodeck.broker.streams import Layout
from holodeck.messages.codec import unpack
from holodeck.messages.envelope import HEADER_PARENT
from holodeck.messages.ids import NOBODY, partition_of
from holodeck.messages.subjects import ANY, CHECKPOINT, place_of, writer_filter

AT_ONCE: Final = 16
"""Records asked for one by one that are on their way at once."""


@dataclass(frozen=True, slots=True)
class Archived:
    """One session in the archive.

    Attributes:
        key: in the bucket ``archive``.
        parent: of a rehearsal, else empty.
        again: it was put there once more, over an earlier value.
        bytes: what it was in the journal was not overwritten there.
    """

    key: str
    identity: str
    learner: str
    parent: str
    again: bool
    bytes: bool


class Belongings:
    """Looks for what belongs to learners."""

    def __init__(self, broker: Broker, layout: Layout, partitions: int) -> None:
        self._ns, self._partitions = layout.ns, partitions
        self._journal = broker.log(layout.checkpoints)
        self._archive = broker.bucket(layout.archive)
        self._actors = broker.bucket(layout.actors)

    def p(self, identity: str) -> int:
        """The partition of an id."""
        return partition_of(identity, self._partitions)

    def naming(self, learner: str) -> str:
        """Every checkpoint that names a learner."""
        return CHECKPOINT.of(self._ns, *[ANY] * 7, learner)

    async def find(
        self, learner: str, known: Iterable[str] = ()
    ) -> tuple[dict[str, bool], set[str]]:
        """The sessions of a learner, each with whether it is a rehearsal, and the NPCs it met.

        Args:
            known: sessions known to be the learner's, whatever stands in the journal.
        """
        found: dict[str, bool] = dict.fromkeys(known, False)
        npcs: set[str] = set()
        async for record in self._journal.read(self.naming(learner), headers_only=True):
            place = place_of(record.subject)
            if place is None:
                continue
            if place.kind == "session":
                found[place.identity] = False
            if place.npc != NOBODY:
                npcs.add(place.npc)
        relations = f"cell.*.relation.*.{learner}"
        async for entry in self._actors.scan(relations, headers_only=True):
            npcs.add(entry.key.split(".")[3])
        parents = await self._parents()
        for one in await self.archived():
            if one.learner == learner:
                found[one.identity] = bool(one.parent)
            if one.parent:
                parents[one.identity] = one.parent
        more = True
        while more:
            forks = [n for n, parent in parents.items() if parent in found and not found.get(n)]
            found |= dict.fromkeys(forks, True)
            more = bool(forks)
        return found, npcs

    async def log_of(self, session: str, after: int = 0) -> list[Record]:
        """Every checkpoint of a session behind ``after``, from the archive and the journal."""
        known: list[Record] = []
        entry = await self._archive.get(f"log.{self.p(session)}.{session}")
        if entry is not None:
            known = [record for record in unarchived(entry.data) if record.sequence > after]
        last = known[-1].sequence if known else after
        subjects = writer_filter(self._ns, "session", self.p(session), session)
        return known + [record async for record in self._journal.read(subjects, after=last)]

    async def archived(self) -> list[Archived]:
        """Every archived session, with whose it is."""
        found = []
        async for entry in self._archive.scan("log.>", headers_only=True):
            _, _, identity = entry.key.split(".", 2)
            learner = entry.headers.get(HEADER_LEARNER)
            parent = entry.headers.get(HEADER_PARENT, "")
            again, left = HEADER_AGAIN in entry.headers, HEADER_BYTES in entry.headers
            if learner is None:
                learner, parent = await self._read_archived(entry.key)
            found.append(Archived(entry.key, identity, learner, parent, again, left))
        return found

    async def _read_archived(self, key: str) -> tuple[str, str]:
        """Whose an archived session is where its headers do not say."""
        entry = await self._archive.get(key)
        if entry is None:
            return "", ""
        state = unpack(unpack(entry.data, key)["state"], key)["state"]
        charter = state.get("charter") or {}
        return charter.get("learner", ""), state.get("parent", "")

    async def _parents(self) -> dict[str, str]:
        """By rehearsal in the journal, whom it was made from."""
        parents: dict[str, str] = {}
        unsaid: dict[str, int] = {}
        nobody = (NOBODY,) * 4
        subjects = CHECKPOINT.of(self._ns, "session", ANY, ANY, "session", *nobody)
        async for record in self._journal.read(subjects, headers_only=True):
            identity = record.subject.split(".", 5)[4]
            parent = record.headers.get(HEADER_PARENT)
            if parent is not None:
                parents[identity] = parent
                unsaid.pop(identity, None)
            elif identity not in parents:
                unsaid.setdefault(identity, record.sequence)
        limit = asyncio.Semaphore(AT_ONCE)

        async def look(identity: str, sequence: int) -> None:
            async with limit:
                record = await self._journal.get(sequence)
            if record is not None:
                first = (unpack(record.data, record.subject).get("events") or [{}])[0]
                if first.get("kind") == "session.forked":
                    parents[identity] = first["parent"]

        await asyncio.gather(*(look(*one) for one in unsaid.items()))
        return parents
