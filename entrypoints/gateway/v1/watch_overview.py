"""The runtime in figures, once a second.

One law: one task asks for everybody, and only while somebody looks; rates are differences of what
hosts have counted, so a host that dies takes nothing back.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import structlog
from pydantic_core import to_json

from holodeck.actors.metrics import read_dump
from holodeck.actors.tiles import decode_tile
from holodeck.broker.port import Broker, Follower, Record
from holodeck.deck import Deck
from holodeck.entrypoints.gateway.v1.watch_cards import iso
from holodeck.entrypoints.gateway.v1.watch_letters import Letters
from holodeck.entrypoints.gateway.v1.watch_rows import Rows
from holodeck.messages.errors import DecodeError, HolodeckError
from holodeck.messages.ids import new_id
from holodeck.messages.subjects import ANY, TILE

log = structlog.get_logger("holodeck.gateway")

EVERY_S: Final = 1.0
LINGER_S: Final = 30.0
"""How long it goes on asking after the last one looked."""
WINDOW_S: Final = 10.0
"""Latency is that of the commands of so many seconds."""
HISTORY: Final = 300
"""Seconds that are kept for whoever comes later."""
ROWS_S: Final = 5.0
"""How often the sessions are counted by status and kind."""
ALERTS: Final = 50

_COUNTED: Final = {
    "holodeck_commands_total": "commands",
    "holodeck_tiles_total": "tiles",
    "holodeck_recoveries_total": "recoveries",
}
_STARTS: Final = "SESSION_START"


@dataclass(slots=True)
class Counted:
    """What one process has counted so far, at one moment.

    Attributes:
        totals: commands, refused, tiles, starts, recoveries (those after a start apart).
        buckets: commands by upper bound of their latency in s, cumulative.
        recovery_s: seconds all takeovers took; store: bytes and limits by stream.
        live: sessions that are active or paused; None: it carries none.
    """

    totals: dict[str, float] = field(default_factory=dict)
    buckets: dict[float, float] = field(default_factory=dict)
    recovery_s: float = 0.0
    store: dict[str, tuple[float, float]] = field(default_factory=dict)
    causes: dict[str, float] = field(default_factory=dict)
    live: int | None = None


@dataclass(slots=True)
class Sample:
    """``at``: s on the monotonic clock; ``by``: by process."""

    at: float
    by: dict[str, Counted]


def counted(process: str, dump: bytes) -> Counted:
    """What a process has counted, out of its ``Metrics.dump()``.

    Raises:
        DecodeError: it is no dump of this version.
    """
    families, _ = read_dump(process, dump)
    out = Counted()
    totals = out.totals
    sizes: dict[str, float] = {}
    limits: dict[str, float] = {}
    for name, _, _, samples in families:
        if name in _COUNTED:
            what = _COUNTED[name]
            for _, pairs, value in samples:
                labels = dict(map(tuple, pairs))
                totals[what] = totals.get(what, 0.0) + value
                if labels.get("result") == "refused":
                    totals["refused"] = totals.get("refused", 0.0) + value
                if labels.get("event") == _STARTS:
                    totals["starts"] = totals.get("starts", 0.0) + value
                if "cause" in labels:
                    out.causes[labels["cause"]] = out.causes.get(labels["cause"], 0.0) + value
        elif name == "holodeck_command_latency_seconds":
            for sample, pairs, value in samples:
                if sample.endswith("_bucket"):
                    out.buckets[float(dict(map(tuple, pairs))["le"])] = value
        elif name == "holodeck_session_active_total":
            out.live = int(sum(value for _, _, value in samples))
        elif name == "holodeck_recovery_seconds":
            for sample, _, value in samples:
                if sample.endswith("_sum"):
                    out.recovery_s = value
        elif name in ("holodeck_store_bytes", "holodeck_store_limit_bytes"):
            kept = sizes if name == "holodeck_store_bytes" else limits
            for _, pairs, value in samples:
                kept[dict(map(tuple, pairs))["stream"]] = value
    out.store = {stream: (size, limits.get(stream, -1.0)) for stream, size in sizes.items()}
    return out


def gained(old: Sample, new: Sample, what: str) -> float:
    """How much was counted between two samples, over all processes.

    One that is new since, or began again from 0, counts with what it has; one that is gone with
    nothing.
    """
    total = 0.0
    for process, now in new.by.items():
        before = old.by.get(process)
        value = now.totals.get(what, 0.0)
        was = 0.0 if before is None else before.totals.get(what, 0.0)
        total += value - was if value >= was else value
    return total


def quantile(old: Sample | None, new: Sample, share: float) -> float | None:
    """The latency in ms that ``share`` (0 to 1) of the commands between two samples kept, by linear
    interpolation within its bucket (as Prometheus' ``histogram_quantile``); None: there were none.
    """
    below: dict[float, float] = {}
    for process, now in new.by.items():
        before = old.by.get(process) if old is not None else None
        for bound, value in now.buckets.items():
            was = 0.0 if before is None else before.buckets.get(bound, 0.0)
            below[bound] = below.get(bound, 0.0) + (value - was if value >= was else value)
    bounds = sorted(below)
    if not bounds or below[bounds[-1]] <= 0:
        return None
    rank, low, under = share * below[bounds[-1]], 0.0, 0.0
    for bound in bounds:
        if below[bound] >= rank:
            if bound == float("inf"):
                return round(low * 1000, 3)
            inside = below[bound] - under
            part = (rank - under) / inside if inside else 1.0
            return round((low + (bound - low) * part) * 1000, 3)
        low, under = bound, below[bound]
    return round(low * 1000, 3)


class Overview:
    """What is told of the whole runtime.

    Args:
        connect: gives a connection with the runtime's rights, to follow alerts.
        projections: tells of the stores beside, if there are any.
    """

    def __init__(
        self,
        deck: Callable[[], Deck],
        connect: Callable[[], Awaitable[Broker]],
        rows: Rows,
        letters: Letters,
        projections: Callable[[], Awaitable[Sequence[Mapping[str, Any]]]],
    ) -> None:
        self._deck, self._connect = deck, connect
        self._rows, self._letters, self._projections = rows, letters, projections
        self._samples: deque[Sample] = deque(maxlen=int(WINDOW_S / EVERY_S) + 1)
        self._history: deque[dict[str, Any]] = deque(maxlen=HISTORY)
        self._counts: dict[str, Any] = {}
        self._stores: list[Mapping[str, Any]] = []
        self._counted_at = 0.0
        self._told: dict[str, Any] | None = None
        self._json = b""
        self._number = 0
        self._next: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._wanted = 0.0
        self._lookers = 0
        self._recovery: tuple[int | None, str | None] = (None, None)
        self.alerts = Alerts(deck, connect)

    async def now(self) -> dict[str, Any]:
        """The figures, at most two seconds old, with the ``history`` of the last five minutes.

        Raises:
            Unavailable: the supervisor does not answer.
        """
        self._look()
        if self._told is None or time.monotonic() - self._told_at > 2 * EVERY_S:
            await self._ask()
        assert self._told is not None
        return {**self._told, "history": list(self._history)}

    async def events(self) -> AsyncGenerator[bytes]:
        """The figures as JSON whenever they are new, for ever; who is slow misses some."""
        self._lookers += 1
        seen = 0
        try:
            while True:
                self._look()
                if self._number != seen:
                    seen = self._number
                    yield self._json
                    continue
                if self._next is None:
                    self._next = asyncio.get_running_loop().create_future()
                try:
                    async with asyncio.timeout(5.0):
                        await asyncio.shield(self._next)
                except TimeoutError:
                    yield b""  # nothing new: only so that the connection is known to live
        finally:
            self._lookers -= 1

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.alerts.close()

    # --- asking ----------------------------------------

    _told_at = 0.0

    def _look(self) -> None:
        self._wanted = time.monotonic()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="overview")

    async def _run(self) -> None:
        while self._lookers or time.monotonic() - self._wanted < LINGER_S:
            began = time.monotonic()
            try:
                async with asyncio.timeout(10.0):
                    await self._ask()
            except (TimeoutError, HolodeckError) as error:
                log.warning("no overview", error=str(error) or "no answer in time")
            await asyncio.sleep(max(0.2, EVERY_S - (time.monotonic() - began)))
        # Who comes after a while gets rates of then, not since now.
        self._samples.clear()

    async def _ask(self) -> None:
        deck = self._deck()
        status, dumps = await asyncio.gather(deck.status(), deck.metrics())
        sample = Sample(time.monotonic(), {})
        for process, dump in dumps.items():
            try:
                sample.by[process] = counted(process, dump)
            except DecodeError as error:
                log.warning("no figures of a process", process=process, error=str(error))
        if time.monotonic() - self._counted_at > ROWS_S or not self._counts:
            self._counts, self._counted_at = await self._rows.counts(), time.monotonic()
            self._stores = list(await self._projections())
        await self.alerts.open()
        dead = await self._letters.count()
        told = self._tell(status, sample)
        told["dead_letters"] = dead
        told["projections"] = self._stores
        self._samples.append(sample)
        self._history.append(
            {
                "at": told["at"],
                "live": told["sessions"]["live"],
                **told["rates"],
                **told["latency"],
            }
        )
        self._told, self._told_at = told, time.monotonic()
        self._json = to_json(told, inf_nan_mode="null")
        self._number += 1
        if self._next is not None and not self._next.done():
            self._next.set_result(None)
        self._next = None

    def _tell(self, status: Mapping[str, Any], sample: Sample) -> dict[str, Any]:
        last = self._samples[-1] if self._samples else None
        first = self._samples[0] if self._samples else None
        rates: dict[str, float | None] = dict.fromkeys(("commands", "tiles", "starts", "refused"))
        if last is not None and sample.at > last.at:
            for what in rates:
                rates[what] = round(gained(last, sample, what) / (sample.at - last.at), 2)
            recovered = gained(last, sample, "recoveries")
            if recovered:
                took = sum(
                    max(0.0, now.recovery_s - before.recovery_s)
                    for process, now in sample.by.items()
                    if (before := last.by.get(process)) is not None
                )
                took = took or sum(
                    now.recovery_s for name, now in sample.by.items() if name not in last.by
                )
                each = round(took / recovered * 1000) if took else None
                self._recovery = each, iso(int(time.time() * 1000))
        causes: dict[str, int] = {}
        store: dict[str, tuple[float, float]] = {}
        for one in sample.by.values():
            for cause, count in one.causes.items():
                causes[cause] = causes.get(cause, 0) + int(count)
            store.update(one.store)
        hosts = [
            {
                "name": host["host"],
                "incarnation": host["incarnation"],
                "node": host["node"],
                "pid": host["pid"],
                "partitions": len(host.get("partitions", ())),
                "sessions": host.get("awake", 0) + host.get("asleep", 0),
                "awake": host.get("awake", 0),
                "asleep": host.get("asleep", 0),
                "lag": host.get("lag", 0),
                "draining": bool(host["draining"]),
                "answers": bool(host["answers"]),
                "lease": bool(host.get("lease", False)),
            }
            for host in sorted(status["hosts"], key=lambda host: str(host["host"]))
        ]
        by_status = self._counts.get("by_status", {})
        limits = [limit for _, limit in store.values() if limit > 0]
        return {
            "at": iso(int(time.time() * 1000)),
            "sessions": {
                "live": sum(one.live or 0 for one in sample.by.values()),
                "awake": sum(host["awake"] for host in hosts),
                "asleep": sum(host["asleep"] for host in hosts),
                "paused": by_status.get("paused", 0),
                "by_status": by_status,
                "by_kind": self._counts.get("by_kind", {}),
            },
            "rates": rates,
            "latency": {
                "p50_ms": quantile(first, sample, 0.5),
                "p99_ms": quantile(first, sample, 0.99),
            },
            "hosts": hosts,
            "partitions": status["partitions"],
            "unowned": status["unowned"],
            "tiles": status.get("tiles"),
            "store": {
                "bytes": int(sum(size for size, _ in store.values())),
                "max_bytes": int(sum(limits)) if limits else None,
                "full": bool(status["full"]),
                "streams": {name: int(size) for name, (size, _) in sorted(store.items())},
            },
            "recoveries": {
                "total": sum(causes.values()),
                "by_cause": causes,
                "last_ms": self._recovery[0],
                "last_at": self._recovery[1],
            },
            "alerts": self.alerts.newest(10),
        }


class Alerts:
    """What somebody should look at: emergence in the co-work graph, and safety findings.

    The newest :data:`ALERTS` are held; they are followed as tiles, which have a family each.
    """

    FAMILIES: Final = ("emergence", "safety")

    def __init__(self, deck: Callable[[], Deck], connect: Callable[[], Awaitable[Broker]]) -> None:
        self._deck, self._connect = deck, connect
        self._held: deque[dict[str, Any]] = deque(maxlen=ALERTS)
        self._followers: list[Follower] = []
        self._open = False
        self._lock = asyncio.Lock()

    async def open(self) -> None:
        """Reads what there is and follows; again does nothing."""
        if self._open:
            return
        async with self._lock:
            if self._open:
                return
            deck = self._deck()
            tiles = (await self._connect()).log(deck.layout.tiles)
            found: list[Record] = []
            end = await tiles.end()
            filters = [TILE.of(deck.ns, family, ANY, ANY) for family in self.FAMILIES]
            for subjects in filters:
                newest: deque[Record] = deque(maxlen=ALERTS)
                async for record in tiles.read(subjects, upto=end):
                    newest.append(record)
                found += newest
            for record in sorted(found, key=lambda record: record.sequence):
                self._take(record)
            for subjects in filters:
                self._followers.append(
                    await tiles.follow(subjects, self._take, after=end, name=new_id("alerts"))
                )
            self._open = True

    def newest(self, count: int = ALERTS) -> list[dict[str, Any]]:
        """The newest first."""
        return list(self._held)[::-1][:count]

    async def close(self) -> None:
        for follower in self._followers:
            await follower.stop()
        self._followers.clear()

    def _take(self, record: Record) -> None:
        try:
            answer = decode_tile(record.data, record.subject).answer
            if answer["kind"] == "safety.flagged":
                kind, text = "safety", "a safety finding: look at the session"
            else:
                edge = answer["edge"]
                kind = "emergence"
                text = (
                    f"{answer['h1']} loops among {answer['n_vertices']} agents, above "
                    f"{answer['threshold']:g}, by the link of {edge[0]} and {edge[1]}"
                )
            self._held.append(
                {
                    "at": answer["at"],
                    "kind": kind,
                    "session": answer.get("session_id", ""),
                    "sequence": answer["sequence"],
                    "text": text,
                }
            )
        except (DecodeError, KeyError, TypeError, ValueError) as error:
            log.warning("alert not read", sequence=record.sequence, error=str(error))
