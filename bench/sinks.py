"""A PLATO server that hangs, breaks or refuses, beside one that takes tiles and beside none."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bench._generator import Plan
from bench._processes import Child, CpuMeter
from bench._progress import bar
from bench._report import Report, Row, median, say
from bench._runtime import Running, running
from holodeck.messages.subjects import DEAD, all_tiles
from holodeck.messages.tiles import HEADER_TILE

HELP = "p99 of commands beside a PLATO server in trouble, against none; nothing lost, in order"
BOUND: Final = 1.2
"""p99 beside a server may be so many times the p99 without one."""
NONE: Final = "none"
TROUBLES: Final = ("takes", "hangs", "breaks", "refuses")
_SAY: Final = {
    NONE: "no PLATO server",
    "takes": "one that takes them",
    "hangs": "one that never answers",
    "breaks": "one that answers 500",
    "refuses": "one that refuses",
}
_MENDED: Final = 0.75
"""The server that answers 500 does so for this share of the measured time."""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rate", type=float, default=200.0, help="commands a second, open loop")
    parser.add_argument("--sessions", type=int, default=200)
    parser.add_argument("--npcs", type=int, default=40)
    parser.add_argument("--hosts", type=int, default=1, help="host processes")
    parser.add_argument("--seconds", type=float, default=15.0, help="measured, after the warm-up")
    parser.add_argument("--warmup", type=float, default=3.0, help="seconds")
    parser.add_argument("--repeats", type=int, default=3, help="of all, interleaved")
    parser.add_argument("--drain", type=float, default=180.0,
                        help="seconds for what waited to arrive")  # fmt: skip
    parser.add_argument("--servers", nargs="+", choices=TROUBLES, default=list(TROUBLES))
    parser.add_argument("--seed", type=int, default=1)


@dataclass(frozen=True, slots=True)
class Found:
    """One run.

    Attributes:
        cores: CPU seconds a second by process, while it was measured.
        backlog: tiles the server did not have when the load ended.
        lost: tiles neither at the server nor in DEAD; disorder: sessions whose tiles came in
            another order than they happened, repeats left aside.
        repeats: tiles the server took more than once.
    """

    p50_ms: float
    p99_ms: float
    reached: float
    cores: dict[str, float]
    failed: int
    stored: int = 0
    backlog: int = 0
    requests: int = 0
    dead: int = 0
    lost: int = 0
    disorder: int = 0
    repeats: int = 0

    @property
    def sound(self) -> bool:
        return not (self.lost or self.disorder or self.failed)


async def run(options: argparse.Namespace) -> Report:
    found: dict[str, list[Found]] = {name: [] for name in (NONE, *options.servers)}
    # None at both ends of each turn: what these two differ by is noise.
    turn = (NONE, *options.servers, NONE)
    with bar("sinks", options.repeats * len(turn)) as shown:
        for number in range(options.repeats):
            order = turn if number % 2 == 0 else turn[::-1]
            for at, name in enumerate(order):
                shown.reached(number * len(turn) + at, f"{_SAY[name]}, turn {number + 1}")
                one = await _one(name, options, options.seed + number)
                say(f"  {name}: p99 {one.p99_ms:.2f} ms, lost {one.lost}, dead {one.dead}")
                found[name].append(one)
    return _report(options, found)


async def _one(name: str, options: argparse.Namespace, seed: int) -> Found:
    """One runtime with one kind of server, from start to the last tile's arrival."""
    async with _plato(name) as (plato, url):
        settings: dict[str, Any] = {} if url is None else {"plato_url": url}
        async with running(options.hosts, **settings) as runtime:
            plan = Plan(
                connection=runtime.client,
                ns=runtime.ns,
                sessions=options.sessions,
                npcs=options.npcs,
                seed=seed,
                rate=options.rate,
                warmup_s=options.warmup,
                seconds=options.seconds,
            )
            generator = await Child.start("bench._generator", order=plan.order())
            try:
                await generator.said("opened")
                meter = CpuMeter(runtime.pids)
                if plato is not None and name == "breaks":
                    await asyncio.sleep(options.seconds * _MENDED)
                    await plato.tell({"mode": "takes"})
                await generator.said("closed")
                used = meter.used()
                result: dict[str, Any] = await generator.said("result")
            finally:
                await generator.stop()
            arrived: dict[str, int] = {}
            if plato is not None:
                arrived = await _arrived(plato, runtime, name, options.drain)
            return Found(
                p50_ms=result["p50_ms"],
                p99_ms=result["p99_ms"],
                reached=round(result["done"] / options.seconds, 1),
                cores={who: round(s / options.seconds, 3) for who, s in used.items()},
                failed=sum(result["failed"].values()),
                **arrived,
            )


@contextlib.asynccontextmanager
async def _plato(name: str) -> AsyncIterator[tuple[Child | None, str | None]]:
    """The server as a process of its own; none for ``none``."""
    if name == NONE:
        yield None, None
        return
    child = await Child.start("tests.tiles.plato_stub", order={"mode": name})
    try:
        yield child, await child.said("url")
    finally:
        await child.stop()


async def _arrived(plato: Child, runtime: Running, name: str, seconds: float) -> dict[str, int]:
    """Lets what waited arrive, and counts what did."""
    deck = await runtime.deck(deadline_s=30.0)
    broker = await runtime.connection()
    try:
        before = (await deck.status())["tiles"]
        log = broker.log(deck.layout.tiles)
        backlog = await log.end() - before["sinks"]["plato"]
        if name == "hangs":
            await plato.tell({"mode": "takes"})
        async with asyncio.timeout(seconds):
            while True:
                tiles = (await deck.status())["tiles"]
                end = await log.end()
                if tiles["lag"] == 0 and tiles["sinks"]["plato"] >= end:
                    break
                await asyncio.sleep(0.1)
        await plato.tell({"ask": "told"})
        told: dict[str, Any] = await plato.said("told")
        stored = [
            record.headers[HEADER_TILE]
            async for record in log.read(all_tiles(deck.ns), headers_only=True)
        ]
        dead = {
            _id(record.data)
            async for record in broker.log(deck.layout.dead).read(DEAD.under(deck.ns))
        }
        ids: Sequence[str] = told["ids"]
        firsts = list(dict.fromkeys(ids))
        return {
            "stored": len(stored),
            "backlog": max(0, backlog),
            "requests": told["requests"],
            "dead": len(dead),
            "lost": len(set(stored) - set(ids) - dead),
            "disorder": told["overtaken"] + _disorder(firsts, stored),
            "repeats": len(ids) - len(firsts),
        }
    finally:
        await deck.close()
        await broker.close()


def _id(tile: bytes) -> str:
    return tile.partition(b'"id":"')[2].partition(b'"')[0].decode()


def _disorder(came: Sequence[str], stored: Sequence[str]) -> int:
    """How many sessions' tiles came in another order than they are stored in."""
    place = {name: at for at, name in enumerate(stored)}
    last: dict[str, int] = {}
    wrong = set()
    for name in came:
        session, at = name.partition(".")[0], place.get(name, -1)
        if at < last.get(session, -1):
            wrong.add(session)
        last[session] = at
    return len(wrong)


def _ratio(found: Mapping[str, Sequence[Found]], name: str) -> float:
    """The middle one of all turns' p99 against what it was without a server in the same turn."""
    return median(
        one.p99_ms / ((first.p99_ms + last.p99_ms) / 2)
        for one, (first, last) in zip(found[name], _pairs(found[NONE]), strict=True)
    )


def _pairs(none: Sequence[Found]) -> list[tuple[Found, Found]]:
    """The two runs without a server of each turn."""
    return list(zip(none[::2], none[1::2], strict=True))


def _report(options: argparse.Namespace, found: Mapping[str, Sequence[Found]]) -> Report:
    ratios = {name: round(_ratio(found, name), 3) for name in options.servers}
    noise = median(
        max(a.p99_ms, b.p99_ms) / min(a.p99_ms, b.p99_ms) for a, b in _pairs(found[NONE])
    )
    figures: dict[str, Any] = {
        "rate": options.rate,
        "seconds": options.seconds,
        "repeats": options.repeats,
        "bound": BOUND,
        "noise": round(noise, 3),
        "ratios": ratios,
        "runs": {
            name: [{field: getattr(one, field) for field in Found.__slots__} for one in runs]
            for name, runs in found.items()
        },
    }
    base = median(one.p99_ms for one in found[NONE])
    rows = [
        Row("p99 without", f"{base:.2f} ms",
            f"{options.rate:,.0f} commands/s; two runs differ by {noise:.2f} times"),
    ]  # fmt: skip
    for name in options.servers:
        runs = found[name]
        middle = median(one.p99_ms for one in runs)
        rows.append(
            Row(
                f"p99, {_SAY[name]}",
                f"{middle:.2f} ms",
                f"{ratios[name]:.2f} times, at most {BOUND:g}",
            )
        )
    for name in options.servers:
        total = {
            field: sum(getattr(one, field) for one in found[name])
            for field in ("stored", "backlog", "requests", "dead", "lost", "disorder", "repeats")
        }
        rows.append(
            Row(
                f"tiles, {_SAY[name]}",
                f"{total['stored']:,}",
                f"lost {total['lost']}, out of order {total['disorder']}, in DEAD "
                f"{total['dead']:,}, waited {total['backlog']:,}, repeated {total['repeats']}",
            )
        )
    slow = [name for name in options.servers if ratios[name] > BOUND]
    sound = all(one.sound for runs in found.values() for one in runs)
    if slow:
        say(f"  above {BOUND:g} times: {', '.join(slow)} (noise {noise:.2f} times)")
    return Report("sinks", figures, rows, passed=sound and not slow)
