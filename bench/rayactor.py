"""The naive twin: one Ray actor a session, a counter in memory, nothing durable."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench._limits import limits
from bench._processes import resident_bytes
from bench._report import ROOT, Report, Row, say

HELP = "the naive twin for comparison: one Ray actor a session, nothing durable"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--actors", type=int, default=10, help="sessions, one actor each")
    parser.add_argument("--calls", type=int, default=10_000, help="pipelined, over all actors")
    parser.add_argument("--raw-seconds", type=float, default=3.0, help="0: leave the limit out")


class Counting:
    """What a session would be: who talks to it gets the next number."""

    def __init__(self) -> None:
        self._turns = 0

    def turn(self, text: str) -> int:
        self._turns += 1
        return self._turns

    def pid(self) -> int:
        import os

        return os.getpid()


def measure(actors: int, calls: int) -> dict[str, Any]:
    """Starts a Ray of its own, measures, stops it."""
    import ray

    ray.init(include_dashboard=False, log_to_driver=False, configure_logging=False)
    try:
        kind: Any = ray.remote(Counting)
        began = time.perf_counter()
        made = [kind.options(num_cpus=0).remote() for _ in range(actors)]
        pids = ray.get([actor.pid.remote() for actor in made])
        starts = actors / (time.perf_counter() - began)
        say(f"  {starts:.1f} starts/s")
        began = time.perf_counter()
        ray.get([made[n % actors].turn.remote("hola") for n in range(calls)])
        rate = calls / (time.perf_counter() - began)
        say(f"  {rate:,.0f} calls/s")
        one = made[0]
        took = []
        for _ in range(200):
            began = time.perf_counter()
            ray.get(one.turn.remote("hola"))
            took.append(time.perf_counter() - began)
        sizes = [resident_bytes(pid) for pid in pids]
    finally:
        ray.shutdown()
    return {
        "starts_per_s": round(starts, 2),
        "calls_per_s": round(rate),
        "call_p50_ms": round(sorted(took)[100] * 1000, 3),
        "bytes_per_session": sum(rss for rss, _ in sizes) // actors,
        "own_bytes_per_session": sum(pss for _, pss in sizes) // actors,
        "actors": actors,
    }


async def in_a_process(actors: int) -> dict[str, Any]:
    """The figures, from a process of its own, so that its Ray is nobody else's."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rayactor.json"
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bench", "rayactor", "--actors", str(actors),
            "--raw-seconds", "0", "--json", str(path),
            cwd=ROOT, stdout=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        if await process.wait():
            raise RuntimeError("the naive twin could not be measured")
        figures: dict[str, Any] = json.loads(path.read_text())["figures"]
        return figures


async def run(options: argparse.Namespace) -> Report:
    raw = 0.0
    if options.raw_seconds:
        raw = (await limits(options.raw_seconds, ("request",)))["request"]["per_s"]
    figures = await asyncio.to_thread(measure, options.actors, options.calls)
    figures["raw_request_per_s"] = round(raw)
    rows = [
        Row("starts/s", f"{figures['starts_per_s']:.1f}", f"{options.actors} actors"),
        Row("calls/s", f"{figures['calls_per_s']:,}",
            f"pipelined; raw NATS request-reply {raw:,.0f}/s" if raw else "pipelined"),
        Row("one call at a time, p50", f"{figures['call_p50_ms']:.2f} ms"),
        Row("resident a session", f"{figures['bytes_per_session'] / 1e6:.0f} MB",
            f"{figures['own_bytes_per_session'] / 1e6:.0f} MB with shared pages divided up"),
    ]  # fmt: skip
    return Report("rayactor", figures, rows)
