"""The list of sessions: what the hosts carry, searched, sorted and cut into pages.

One law: it is a copy a second or two old, made only while somebody asks; nothing is decided by it.

Hosts know of a sleeping session no more than its id and sequence. What it is stands in its
snapshot, which is read once for each sequence, beside whatever is asked.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import structlog
from pydantic import ValidationError

from holodeck.actors.host import session_row
from holodeck.actors.session import STATE
from holodeck.actors.session.state import SCHEMA
from holodeck.broker.port import Broker, Entry
from holodeck.deck import Deck
from holodeck.entrypoints.gateway.v1.watch_cards import iso
from holodeck.messages.codec import unpack
from holodeck.messages.errors import HolodeckError
from holodeck.messages.ids import partition_of

log = structlog.get_logger("holodeck.gateway")

FRESH_S: Final = 1.5
"""How old a copy may be that is answered from."""
STALE_S: Final = 10.0
"""How old one may be that is answered from while the next one is being made."""
REMEMBERED: Final = 50_000
"""Sleeping sessions whose snapshot is remembered."""
FEW: Final = 200
"""Up to so many snapshots are read one by one; more, all of them in one go."""

STATUSES: Final = ("active", "paused", "completed", "abandoned")
_STATUS: Final = {
    "active": "active", "paused": "paused", "ended": "completed", "abandoned": "abandoned",
}  # fmt: skip
SORTS: Final[Mapping[str, Callable[[dict[str, Any]], Any]]] = {
    "started": lambda row: row["started_at"] or "",
    "last": lambda row: row["last_at"] or "",
    "turns": lambda row: row["turns"],
    "learner": lambda row: (row["learner"], row["id"]),
    "id": lambda row: row["id"],
    "kind": lambda row: (row["kind"], row["id"]),
    "status": lambda row: (row["status"], row["id"]),
    "host": lambda row: (row["host"], row["id"]),
}
"""What a list may be sorted by; with ``-`` in front the other way round."""


def row_of(told: Mapping[str, Any], host: str, *, asleep: bool) -> dict[str, Any]:
    """A row as it is answered, out of what a host or a snapshot tells."""
    return {
        "id": told["session"],
        "kind": told.get("kind", ""),
        "learner": told.get("learner", ""),
        "name": told.get("name", ""),
        "persona": told.get("persona", ""),
        "world": told.get("world", ""),
        "character": told.get("character", ""),
        "status": _STATUS.get(told.get("phase", ""), "unknown"),
        "npc": told.get("npc", ""),
        "tags": list(told.get("tags", ())),
        "turns": told.get("turns", 0),
        "tasks": told.get("tasks", 0),
        "parent": told.get("parent", ""),
        "started_at": iso(told.get("started_at", 0)),
        "last_at": iso(told.get("touched_at", 0)),
        "sequence": told.get("sequence", 0),
        "host": host,
        "asleep": asleep,
    }


def searched(row: Mapping[str, Any]) -> str:
    """The text words are looked for in, lower case."""
    names = ("id", "learner", "name", "persona", "world", "character", "npc", "kind", "status")
    return "\n".join((*(row[name] for name in names), *row["tags"])).lower()


class Rows:
    """The sessions of all hosts.

    Args:
        connect: gives a connection with the runtime's rights; asked when a sleeping session is
            seen for the first time.
    """

    def __init__(self, deck: Callable[[], Deck], connect: Callable[[], Awaitable[Broker]]) -> None:
        self._deck, self._connect = deck, connect
        self._rows: list[dict[str, Any]] = []
        self._texts: dict[str, tuple[int, str]] = {}
        self._held: dict[str, dict[str, Any]] = {}
        self._at = 0.0
        self._made = 0
        self._making: asyncio.Task[None] | None = None
        self._reading: asyncio.Task[None] | None = None
        self._known: OrderedDict[str, tuple[int, dict[str, Any]]] = OrderedDict()
        self._chosen: OrderedDict[tuple[Any, ...], list[dict[str, Any]]] = OrderedDict()

    async def all(self) -> list[dict[str, Any]]:
        """Every row, from a copy a moment old; not to be changed.

        Raises:
            Unavailable: the supervisor does not answer.
        """
        age = time.monotonic() - self._at
        if self._made and age <= FRESH_S:
            return self._rows
        if self._making is None:
            self._making = asyncio.create_task(self._make(), name="session-rows")
            self._making.add_done_callback(self._made_or_not)
        if not self._made or age > STALE_S:
            await asyncio.shield(self._making)
        return self._rows

    async def chosen(
        self,
        *,
        q: str = "",
        status: Iterable[str] = (),
        kind: Iterable[str] = (),
        learner: str = "",
        sort: str = "-started",
    ) -> list[dict[str, Any]]:
        """The rows somebody wants, in order.

        Args:
            q: words that all occur in an id, a name or a tag, whatever the case.
            sort: one of :data:`SORTS`, with ``-`` in front the other way round.
        """
        rows = await self.all()
        words = tuple(q.lower().split())
        key = (self._made, words, frozenset(status), frozenset(kind), learner, sort)
        found = self._chosen.get(key)
        if found is None:
            found = self._choose(rows, words, key[2], key[3], learner, sort)
            self._chosen[key] = found
            while len(self._chosen) > 32:
                self._chosen.popitem(last=False)
        return found

    def _choose(
        self,
        rows: Sequence[dict[str, Any]],
        words: Sequence[str],
        status: frozenset[str],
        kind: frozenset[str],
        learner: str,
        sort: str,
    ) -> list[dict[str, Any]]:
        texts = self._texts
        found = [
            row
            for row in rows
            if (not status or row["status"] in status)
            and (not kind or row["kind"] in kind)
            and (not learner or row["learner"] == learner)
            and all(word in texts[row["id"]][1] for word in words)
        ]
        found.sort(key=SORTS[sort.removeprefix("-")], reverse=sort.startswith("-"))
        return found

    async def counts(self) -> dict[str, Any]:
        """How many there are: by status, by kind, and how many of them sleep."""
        rows = await self.all()
        return {
            "by_status": dict(Counter(row["status"] for row in rows)),
            "by_kind": dict(Counter(row["kind"] or "unknown" for row in rows)),
            "asleep": sum(row["asleep"] for row in rows),
        }

    def close(self) -> None:
        for task in (self._making, self._reading):
            if task is not None:
                task.cancel()

    # --- the copy ----------------------------------------

    def _made_or_not(self, task: asyncio.Task[None]) -> None:
        self._making = None
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("sessions not listed", error=str(error))

    async def _make(self) -> None:
        told = await self._deck().sessions()
        rows: list[dict[str, Any]] = []
        texts: dict[str, tuple[int, str]] = {}
        held: dict[str, dict[str, Any]] = {}
        missing: list[str] = []
        for n, one in enumerate(told):
            if n % 500 == 499:
                await asyncio.sleep(0)  # others have their turn
            identity, sequence, asleep = one["session"], one["sequence"], one["phase"] == "asleep"
            row = self._held.get(identity)
            if (
                row is None
                or row["sequence"] != sequence
                or row["asleep"] != asleep
                or row["host"] != one["host"]
                or row["status"] == "unknown"
            ):
                row = self._row(one, asleep=asleep)
                if row["status"] == "unknown":
                    missing.append(identity)
                texts[identity] = sequence, searched(row)
            else:
                texts[identity] = self._texts[identity]
            held[identity] = row
            rows.append(row)
        self._rows, self._texts, self._held = rows, texts, held
        self._at = time.monotonic()
        self._made += 1
        self._chosen.clear()
        if missing and self._reading is None:
            self._reading = asyncio.create_task(self._read(missing), name="sleeping-sessions")
            self._reading.add_done_callback(self._read_or_not)

    def _row(self, told: dict[str, Any], *, asleep: bool) -> dict[str, Any]:
        """A row made anew; of a sleeping session out of what is remembered of it."""
        identity, sequence = told["session"], told["sequence"]
        if asleep:
            found = self._known.get(identity)
            if found is not None and found[0] == sequence:
                return row_of(found[1], told["host"], asleep=True)
        else:
            self._remember(identity, sequence, told)
        return row_of(told, told["host"], asleep=asleep)

    def _remember(self, identity: str, sequence: int, told: dict[str, Any]) -> None:
        self._known[identity] = sequence, told
        self._known.move_to_end(identity)
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)

    # --- sleeping sessions ----------------------------------------

    def _read_or_not(self, task: asyncio.Task[None]) -> None:
        self._reading = None
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("sleeping sessions not read", error=str(error))

    async def _read(self, missing: Sequence[str]) -> None:
        deck = self._deck()
        bucket = (await self._connect()).bucket(deck.layout.live)
        if len(missing) > FEW:
            wanted = set(missing)
            async for entry in bucket.scan("live.>"):
                if entry.key.rpartition(".")[2] in wanted:
                    self._take(entry)
        else:
            for identity in missing:
                entry_ = await bucket.get(
                    f"live.{partition_of(identity, deck.partitions)}.{identity}"
                )
                if entry_ is not None:
                    self._take(entry_)
        self._at = 0.0

    def _take(self, entry: Entry) -> None:
        identity = entry.key.rpartition(".")[2]
        try:
            raw = unpack(entry.data, entry.key)
            if raw["v"] != SCHEMA:
                return
            state = STATE.validate_python(raw["state"])
        except (HolodeckError, ValidationError, KeyError, TypeError) as error:
            log.warning("snapshot not read", key=entry.key, error=str(error)[:200])
            return
        told = {"session": identity, "sequence": raw["seq"], **session_row(state)}
        self._remember(identity, raw["seq"], told)
