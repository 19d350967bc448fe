"""Latency at a fixed rate, open loop: each command's time runs from when it was due."""

from __future__ import annotations

import argparse
from typing import Any

from bench._generator import Plan
from bench._limits import limits
from bench._processes import Child, CpuMeter
from bench._report import Report, Row, say
from bench._runtime import ray_argument, running

HELP = "p50 and p99 of commands at a fixed rate, measured from when each was due"
BOUND_P50, BOUND_P99 = 5.0, 10.0


def arguments(parser: argparse.ArgumentParser) -> None:
    ray_argument(parser)
    parser.add_argument("--rate", type=float, default=500.0, help="commands a second")
    parser.add_argument("--sessions", type=int, default=500)
    parser.add_argument("--npcs", type=int, default=40)
    parser.add_argument("--hosts", type=int, default=1, help="host processes")
    parser.add_argument("--seconds", type=float, default=20.0, help="measured, after the warm-up")
    parser.add_argument("--warmup", type=float, default=3.0, help="seconds")
    parser.add_argument("--raw-seconds", type=float, default=3.0)
    parser.add_argument("--seed", type=int, default=1)


async def run(options: argparse.Namespace) -> Report:
    # One request at a time has no queue in front of it: the shortest a round trip can be.
    raw = await limits(options.raw_seconds, ("one_request", "one_fenced"))
    async with running(options.hosts, ray=options.ray) as runtime:
        plan = Plan(
            connection=runtime.client,
            ns=runtime.ns,
            sessions=options.sessions,
            npcs=options.npcs,
            seed=options.seed,
            rate=options.rate,
            warmup_s=options.warmup,
            seconds=options.seconds,
        )
        generator = await Child.start("bench._generator", order=plan.order())
        try:
            await generator.said("opened")
            meter = CpuMeter({**runtime.pids, "generator": generator.pid})
            await generator.said("closed")
            cpu = meter.used()
            result: dict[str, Any] = await generator.said("result")
        finally:
            await generator.stop()
    say(f"  {result['done']} commands")
    raw_ms = {name: 1000 / one["per_s"] for name, one in raw.items()}
    figures = {
        "rate": options.rate,
        "reached_per_s": round(result["done"] / options.seconds, 1),
        **{key: result[key] for key in ("p50_ms", "p90_ms", "p99_ms", "max_ms", "by_kind",
                                        "refused", "failed", "generator_late_ms")},
        "raw_request_ms": round(raw_ms["one_request"], 3),
        "raw_fenced_ms": round(raw_ms["one_fenced"], 3),
        "cores_used": {name: round(s / options.seconds, 3) for name, s in cpu.items()},
        "hosts": options.hosts,
    }  # fmt: skip
    one_way = f"raw request {raw_ms['one_request']:.2f} ms + store {raw_ms['one_fenced']:.2f} ms"
    rows = [
        Row("rate", f"{options.rate:,.0f}/s", f"reached {figures['reached_per_s']:,.0f}/s"),
        Row("p50", f"{result['p50_ms']:.2f} ms", f"at most {BOUND_P50:g} ms; {one_way}"),
        Row("p90", f"{result['p90_ms']:.2f} ms"),
        Row("p99", f"{result['p99_ms']:.2f} ms", f"at most {BOUND_P99:g} ms"),
        Row("longest", f"{result['max_ms']:.2f} ms",
            f"the generator itself was up to {result['generator_late_ms']:.1f} ms late"),
    ]  # fmt: skip
    rows += [
        Row(f"p99 of {kind}", f"{one['p99_ms']:.2f} ms", f"p50 {one['p50_ms']:.2f} ms")
        for kind, one in result["by_kind"].items()
    ]

    def draw(axes: Any) -> None:
        shares = [n / 2 for n in range(1, 200)]
        axes.semilogy(shares, [max(0.01, ms) for ms in result["quantiles_ms"]])
        for bound, share in ((BOUND_P50, 50), (BOUND_P99, 99)):
            axes.plot([share], [bound], "rv", label=f"p{share} at most {bound:g} ms")
        axes.set(xlabel="percentile", ylabel="ms", title=f"Open loop, {options.rate:g}/s")
        axes.legend()

    return Report("latency", figures, rows, draw)
