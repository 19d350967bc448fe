"""Durable commands a second, end to end, with everything on."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import Any

from bench._generator import Plan
from bench._limits import limits
from bench._processes import Child, CpuMeter
from bench._report import Report, Row, median, say
from bench._runtime import ray_argument, running

HELP = "durable commands a second beside the raw fenced limit, everything on"
FLOOR, AIM = 0.3, 0.45


def arguments(parser: argparse.ArgumentParser) -> None:
    ray_argument(parser)
    parser.add_argument("--sessions", type=int, default=500, help="sessions, one learner each")
    parser.add_argument("--npcs", type=int, default=40)
    parser.add_argument("--hosts", type=int, default=1, help="host processes")
    parser.add_argument("--concurrency", type=int, default=500, help="commands in flight")
    parser.add_argument("--seconds", type=float, default=20.0, help="measured, after the warm-up")
    parser.add_argument("--warmup", type=float, default=3.0, help="seconds")
    parser.add_argument("--raw-seconds", type=float, default=5.0, help="for each raw measurement")
    parser.add_argument("--repeat", type=int, default=1, help="runs; the median counts")
    parser.add_argument("--mind", choices=("none", "scripted"), default="none",
                        help="scripted: each turn leads to a second checkpoint")  # fmt: skip
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--profile", type=Path, metavar="FOLDER",
                        help="where py-spy shall write the stacks of each process")  # fmt: skip


async def _raw(seconds: float) -> dict[str, float]:
    """The limits, with nothing else running."""
    found = await limits(seconds, ("fenced_wildcard_lean", "fenced_wildcard"))
    return {
        "raw_fenced_per_s": found["fenced_wildcard"]["per_s"],
        "raw_lean_per_s": found["fenced_wildcard_lean"]["per_s"],
    }


async def once(options: argparse.Namespace, run: int) -> dict[str, Any]:
    """One run: a fresh runtime, all sessions, warm-up, the measured seconds."""
    async with running(options.hosts, ray=options.ray) as runtime:
        plan = Plan(
            connection=runtime.client,
            ns=runtime.ns,
            sessions=options.sessions,
            npcs=options.npcs,
            mind=options.mind,
            seed=options.seed + run,
            concurrency=options.concurrency,
            warmup_s=options.warmup,
            seconds=options.seconds,
        )
        generator = await Child.start("bench._generator", order=plan.order())
        try:
            started = await generator.said("started")
            say(f"  {options.sessions} sessions at {started['starts_per_s']:,.0f}/s")
            await generator.said("opened")
            meter = CpuMeter({**runtime.pids, "generator": generator.pid})
            if options.profile is not None:
                await _profile(options.profile, {**runtime.pids, "generator": generator.pid})
            await generator.said("closed")
            cpu = meter.used()
            result: dict[str, Any] = await generator.said("result")
        finally:
            await generator.stop()
    result["durable_per_s"] = result["durable"] / options.seconds
    result["cpu_us_per_command"] = {
        name: round(seconds / max(1, result["durable"]) * 1e6, 1) for name, seconds in cpu.items()
    }
    result["cores_used"] = {
        name: round(seconds / options.seconds, 3) for name, seconds in cpu.items()
    }
    say(f"  {result['durable_per_s']:,.0f} durable commands/s")
    return result


async def _profile(folder: Path, pids: dict[str, int]) -> None:
    """Lets py-spy look at each process for some seconds, one after the other."""
    spy = Path(sys.executable).parent / "py-spy"
    for name in ("host-0", "generator", "tiles"):
        process = await asyncio.create_subprocess_exec(
            str(spy), "record", "--pid", str(pids[name]), "--duration", "5", "--rate", "200",
            "--format", "raw", "--output", str(folder / f"{name}.txt"), "--nonblocking",
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        await process.wait()


async def run(options: argparse.Namespace) -> Report:
    runs: list[dict[str, Any]] = []
    raws = [await _raw(options.raw_seconds)]
    for number in range(options.repeat):
        say(f"run {number + 1} of {options.repeat}")
        result = await once(options, number)
        raws.append(await _raw(options.raw_seconds))
        for key in raws[0]:
            result[key] = (raws[-2][key] + raws[-1][key]) / 2
        result["ratio"] = result["durable_per_s"] / result["raw_fenced_per_s"]
        result["ratio_to_lean"] = result["durable_per_s"] / result["raw_lean_per_s"]
        runs.append(result)
    middle = sorted(runs, key=lambda one: one["ratio"])[(len(runs) - 1) // 2]
    figures = {
        "durable_per_s": round(median(one["durable_per_s"] for one in runs)),
        "raw_fenced_per_s": round(median(one["raw_fenced_per_s"] for one in runs)),
        "raw_lean_per_s": round(median(one["raw_lean_per_s"] for one in runs)),
        "ratio": round(middle["ratio"], 3),
        "ratio_to_lean": round(middle["ratio_to_lean"], 3),
        "p50_ms": middle["p50_ms"],
        "p99_ms": middle["p99_ms"],
        "cpu_us_per_command": middle["cpu_us_per_command"],
        "cores_used": middle["cores_used"],
        "hosts": options.hosts,
        "sessions": options.sessions,
        "concurrency": options.concurrency,
        "raw_each": [{key: round(value) for key, value in one.items()} for one in raws],
        "runs": [
            {
                key: one[key]
                for key in ("durable_per_s", "raw_fenced_per_s", "raw_lean_per_s", "ratio",
                            "ratio_to_lean", "p50_ms", "p99_ms", "by_kind", "refused",
                            "failed", "without_checkpoint", "retries")
            }
            for one in runs
        ],
    }  # fmt: skip
    rows = [
        Row("durable commands/s", f"{figures['durable_per_s']:,}",
            f"nats-py's fenced publish with wildcard {figures['raw_fenced_per_s']:,}/s"),
        Row("ratio", f"{figures['ratio']:.3f}", f"at least {FLOOR}, aim {AIM}"),
        Row("ratio to a lean inbox", f"{figures['ratio_to_lean']:.3f}",
            f"fenced publish past nats-py's JetStream client {figures['raw_lean_per_s']:,}/s"),
        Row("p50", f"{figures['p50_ms']:.1f} ms", f"{options.concurrency} in flight"),
        Row("p99", f"{figures['p99_ms']:.1f} ms"),
    ]  # fmt: skip
    if len(runs) > 1:
        rows.append(Row("each run", " · ".join(f"{one['ratio']:.3f}" for one in runs), "ratio"))
    rows += [
        Row(f"CPU of {name}", f"{each:.0f} µs/command",
            f"{middle['cores_used'][name]:.2f} cores")
        for name, each in sorted(
            middle["cpu_us_per_command"].items(), key=lambda item: -item[1]
        )
    ]  # fmt: skip
    trouble = {**middle["refused"], **middle["failed"]}
    if trouble:
        rows.append(Row("not acknowledged", str(sum(trouble.values())), str(trouble)))

    def draw(axes: Any) -> None:
        for number, one in enumerate(runs):
            slices = one["slices"]
            per_s = [
                sum(slices[i : i + 5]) / (5 * one["slice_s"]) for i in range(0, len(slices), 5)
            ]
            axes.plot([i * 0.5 for i in range(len(per_s))], per_s, label=f"run {number + 1}")
        axes.axhline(figures["raw_fenced_per_s"], linestyle="--", color="grey", label="raw fenced")
        axes.axhline(FLOOR * figures["raw_fenced_per_s"], linestyle=":", color="red",
                     label=f"{FLOOR} of it")  # fmt: skip
        axes.set(xlabel="seconds", ylabel="commands/s", title="Durable commands", ylim=(0, None))
        axes.legend()

    return Report("commands", figures, rows, draw)
