"""Starts, turns and ends over HTTP, beside the same over NATS in the same run."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any, Final

from pydantic_core import from_json, to_json

from bench._processes import Child, CpuMeter
from bench._report import Report, Row, median, millis, percentile, say
from bench._runtime import Running, ray_argument, running
from holodeck.deck import Deck
from holodeck.entrypoints.gateway.access import Role, mint
from holodeck.messages.session import MindKind

HELP = "requests per second and p99 of start, turn and end over HTTP, beside the same over NATS"
KEY: Final = "the key of a benchmark, good for nothing else"
VERBS: Final = ("start", "turn", "end")
Seen = dict[str, list[float]]
Player = Callable[[str, Seen], Awaitable[None]]


def arguments(parser: argparse.ArgumentParser) -> None:
    ray_argument(parser)
    parser.add_argument("--connections", type=int, default=100, help="open at once")
    parser.add_argument("--seconds", type=float, default=10.0, help="for each of the two")
    parser.add_argument("--turns", type=int, default=5, help="of a session")
    parser.add_argument("--hosts", type=int, default=1, help="host processes")


class Line:
    """One HTTP connection that stays open; the least a client can do."""

    def __init__(self, port: int, token: str) -> None:
        self._port = port
        self._head = f"Host: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n"
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter

    async def open(self) -> Line:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        data = to_json(body)
        self._writer.write(
            f"POST /api/v1{path} HTTP/1.1\r\n{self._head}"
            f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n".encode()
            + data
        )
        head = await self._reader.readuntil(b"\r\n\r\n")
        status = int(head[9:12])
        at = head.lower().index(b"content-length:") + 15
        content = await self._reader.readexactly(int(head[at : head.index(b"\r", at)]))
        found: dict[str, Any] = from_json(content)
        if status >= 300:
            raise SystemExit(f"{path}: {status} {found}")
        return found

    async def close(self) -> None:
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()


async def _timed(seen: Seen, verb: str, call: Awaitable[Any]) -> Any:
    began = time.perf_counter()
    found = await call
    seen[verb].append(time.perf_counter() - began)
    return found


def _over_http(line: Line, learner: str, turns: int) -> Player:
    async def play(_: str, seen: Seen) -> None:
        start = {"learner": learner, "mind": "none", "cast": ["marta"]}
        session = (await _timed(seen, "start", line.post("/sessions", start)))["id"]
        for number in range(turns):
            said = {"text": f"this is turn {number}", "to": "marta", "wait_s": 0}
            await _timed(seen, "turn", line.post(f"/sessions/{session}/turns", said))
        await _timed(seen, "end", line.post(f"/sessions/{session}/end", {}))

    return play


def _over_nats(deck: Deck, learner: str, turns: int) -> Player:
    async def play(_: str, seen: Seen) -> None:
        start = deck.start_session(learner=learner, mind=MindKind.NONE, cast=["marta"])
        session = await _timed(seen, "start", start)
        for number in range(turns):
            await _timed(seen, "turn", session.take_turn(f"this is turn {number}", to="marta"))
        await _timed(seen, "end", session.end())

    return play


async def _load(players: dict[str, Player], seconds: float, meter: CpuMeter) -> dict[str, Any]:
    """Everybody plays one session after the other; what is counted begins after a tenth."""
    seen: Seen = {verb: [] for verb in VERBS}
    loop = asyncio.get_running_loop()
    give_up = loop.time() + seconds * 1.1

    async def each(learner: str, play: Player) -> None:
        while loop.time() < give_up:
            await play(learner, seen)

    tasks = [asyncio.create_task(each(name, play)) for name, play in players.items()]
    await asyncio.sleep(seconds * 0.1)
    for times in seen.values():
        times.clear()
    meter.used()
    began = loop.time()
    await asyncio.sleep(seconds)
    took, cpu = loop.time() - began, meter.used()
    counted = {verb: list(times) for verb, times in seen.items()}
    await asyncio.gather(*tasks)
    calls = sum(map(len, counted.values()))
    return {
        "per_s": round(calls / took),
        **{
            verb: {
                "per_s": round(len(times) / took),
                "p50_ms": millis(median(times)),
                "p99_ms": millis(percentile(times, 0.99)),
            }
            for verb, times in counted.items()
        },
        "cpu_us_per_call": {name: round(used / calls * 1e6) for name, used in cpu.items()},
    }


async def _http(runtime: Running, options: argparse.Namespace) -> dict[str, Any]:
    order = {
        "client": runtime.client,
        "runtime": asdict(runtime.connection),
        "ns": runtime.ns,
        "key": KEY,
    }
    child = await Child.start("bench._door", order=order)
    lines: list[Line] = []
    try:
        port = await child.said("port")
        players: dict[str, Player] = {}
        for number in range(options.connections):
            learner = f"web-{number}"
            token = mint(KEY.encode(), runtime.ns, Role.LEARNER, learner, days=1).token
            lines.append(await Line(port, token).open())
            players[learner] = _over_http(lines[-1], learner, options.turns)
        meter = CpuMeter(runtime.pids | {"gateway": child.pid})
        return await _load(players, options.seconds, meter)
    finally:
        for line in lines:
            await line.close()
        await child.stop()


async def _nats(runtime: Running, options: argparse.Namespace) -> dict[str, Any]:
    deck = await runtime.deck(deadline_s=30.0)
    try:
        players = {
            f"bus-{number}": _over_nats(deck, f"bus-{number}", options.turns)
            for number in range(options.connections)
        }
        return await _load(players, options.seconds, CpuMeter(runtime.pids))
    finally:
        await deck.close()


async def run(options: argparse.Namespace) -> Report:
    async with running(options.hosts, ray=options.ray) as runtime:
        nats = await _nats(runtime, options)
        say(f"  over NATS: {nats['per_s']:,} calls/s")
        http = await _http(runtime, options)
        say(f"  over HTTP: {http['per_s']:,} calls/s")
    figures: dict[str, Any] = {
        "connections": options.connections,
        "turns": options.turns,
        "hosts": options.hosts,
        "http": http,
        "nats": nats,
        "share": round(http["per_s"] / nats["per_s"], 2),
    }
    rows = [
        Row("calls/s over HTTP", f"{http['per_s']:,}",
            f"{options.connections} connections; {figures['share']:.0%} of the same over NATS"),
        Row("calls/s over NATS", f"{nats['per_s']:,}", "one connection for all"),
        *(
            Row(f"{verb}: p50 / p99", f"{http[verb]['p50_ms']:.1f} / {http[verb]['p99_ms']:.1f} ms",
                f"over NATS {nats[verb]['p50_ms']:.1f} / {nats[verb]['p99_ms']:.1f} ms")
            for verb in VERBS
        ),
        *(
            Row(f"CPU of {name}", f"{used} µs/call")
            for name, used in sorted(http["cpu_us_per_call"].items(), key=lambda one: -one[1])
        ),
    ]  # fmt: skip

    def draw(axes: Any) -> None:
        for place, (name, found) in enumerate((("HTTP", http), ("NATS", nats))):
            heights = [found[verb]["p99_ms"] for verb in VERBS]
            axes.bar([n + 0.4 * place for n in range(len(VERBS))], heights, 0.4, label=name)
        axes.set_xticks([n + 0.2 for n in range(len(VERBS))], VERBS)
        axes.set(ylabel="p99, ms", title=f"{options.connections} at once")
        axes.legend()

    return Report("gateway", figures, rows, draw)
