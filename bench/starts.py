"""Session starts a second through the supervisor."""

from __future__ import annotations

import argparse
from typing import Any

from bench._generator import Plan
from bench._limits import limits
from bench._processes import Child, CpuMeter
from bench._report import Report, Row, say
from bench._runtime import Running, ray_argument, running
from bench.rayactor import in_a_process

HELP = "session starts a second through the supervisor, claims included"
BOUND = 400


def arguments(parser: argparse.ArgumentParser) -> None:
    ray_argument(parser)
    parser.add_argument("--starts", type=int, default=8000, help="sessions of each kind")
    parser.add_argument("--in-flight", type=int, default=128, help="starts under way at once")
    parser.add_argument("--hosts", type=int, default=1, help="host processes")
    parser.add_argument("--raw-seconds", type=float, default=3.0)
    parser.add_argument("--with-rayactor", action=argparse.BooleanOptionalAction, default=True,
                        help="the naive twin in the same run")  # fmt: skip
    parser.add_argument("--actors", type=int, default=10, help="of the naive twin")


async def _starts(runtime: Running, kind: str, count: int, in_flight: int) -> dict[str, Any]:
    plan = Plan(
        connection=runtime.client,
        ns=runtime.ns,
        sessions=count,
        kind=kind,
        name=kind[:2],
        starts_in_flight=in_flight,
    )
    meter = CpuMeter(runtime.pids)
    generator = await Child.start("bench._generator", order=plan.order())
    try:
        started: dict[str, Any] = await generator.said("started")
        cpu = meter.used()
    finally:
        await generator.stop()
    started["cpu_us_per_start"] = {
        name: round(seconds / count * 1e6, 1)
        for name, seconds in cpu.items()
        if name in runtime.pids
    }
    say(f"  {kind}: {started['starts_per_s']:,.0f} starts/s")
    return started


async def run(options: argparse.Namespace) -> Report:
    raw = (await limits(options.raw_seconds, ("fenced_wildcard",)))["fenced_wildcard"]["per_s"]
    async with running(options.hosts, ray=options.ray) as runtime:
        await _starts(runtime, "practice", min(500, options.starts), options.in_flight)
        claimed = await _starts(runtime, "conversation", options.starts, options.in_flight)
        agents = await _starts(runtime, "agent", options.starts, options.in_flight)
    twin = await in_a_process(options.actors) if options.with_rayactor else None
    figures: dict[str, Any] = {
        "starts_per_s": round(claimed["starts_per_s"]),
        "p50_ms": claimed["p50_ms"],
        "p99_ms": claimed["p99_ms"],
        "agent_starts_per_s": round(agents["starts_per_s"]),
        "cpu_us_per_start": claimed["cpu_us_per_start"],
        "raw_fenced_per_s": round(raw),
        "in_flight": options.in_flight,
        "hosts": options.hosts,
        "rayactor": twin,
    }
    rows = [
        Row("session starts/s", f"{figures['starts_per_s']:,}",
            f"at least {BOUND}; two checkpoints each (claim, start); raw fenced {raw:,.0f}/s"),
        Row("p50 / p99", f"{claimed['p50_ms']:.0f} / {claimed['p99_ms']:.0f} ms",
            f"{options.in_flight} under way at once"),
        Row("agent session starts/s", f"{figures['agent_starts_per_s']:,}",
            "no claim: one checkpoint each"),
        *(
            Row(f"CPU of {name}", f"{each:.0f} µs/start")
            for name, each in sorted(claimed["cpu_us_per_start"].items(), key=lambda i: -i[1])
        ),
    ]  # fmt: skip
    if twin is not None:
        rows.append(
            Row("one Ray actor a session", f"{twin['starts_per_s']:.1f} starts/s",
                f"{twin['bytes_per_session'] / 1e6:.0f} MB each, nothing durable")
        )  # fmt: skip

    def draw(axes: Any) -> None:
        bars = {"with claim": claimed["starts_per_s"], "agent": agents["starts_per_s"]}
        if twin is not None:
            bars["Ray actor each"] = twin["starts_per_s"]
        axes.barh(list(bars), list(bars.values()))
        axes.axvline(BOUND, linestyle=":", color="red", label=f"at least {BOUND}")
        axes.set(xscale="log", xlabel="session starts a second", title="Starts")
        axes.legend()

    return Report("starts", figures, rows, draw)
