"""Sessions under load by one generator: the options, the run and the figures that the benchmarks
of it share.

One law: what two benchmarks set beside each other was asked for, run and measured the same way.
"""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bench._generator import Plan
from bench._processes import Child, CpuMeter
from bench._report import Row, median, say
from bench._runtime import Running, ray_argument

Run = dict[str, Any]
"""What one run found: what the generator tells, and what was measured beside it."""
Meanwhile = Callable[[Mapping[str, int]], contextlib.AbstractAsyncContextManager[object]]
"""Entered when the measured seconds begin, with the pid of each process, and left at their end."""


def load_arguments(
    parser: argparse.ArgumentParser, *, what: str, seconds: float, repeat: str
) -> None:
    """The options of every bench of sessions under load.

    Args:
        what: is in flight: commands, turns, answers.
        seconds: measured, unless asked for otherwise.
        repeat: what the option to repeat says of itself.
    """
    ray_argument(parser)
    parser.add_argument("--sessions", type=int, default=500, help="sessions, one learner each")
    parser.add_argument("--hosts", type=int, default=1, help="host processes")
    parser.add_argument("--concurrency", type=int, default=500, help=f"{what} in flight")
    parser.add_argument("--seconds", type=float, default=seconds,
                        help="measured, after the warm-up")  # fmt: skip
    parser.add_argument("--warmup", type=float, default=3.0, help="seconds")
    parser.add_argument("--repeat", type=int, default=1, help=repeat)
    parser.add_argument("--seed", type=int, default=1)


def plan_of(options: argparse.Namespace, runtime: Running, run: int, **further: Any) -> Plan:
    """What the generator shall do in run number ``run``; ``further``: what its sessions are."""
    return Plan(
        connection=runtime.client,
        ns=runtime.ns,
        sessions=options.sessions,
        seed=options.seed + run,
        concurrency=options.concurrency,
        warmup_s=options.warmup,
        seconds=options.seconds,
        **further,
    )


async def under_load(
    runtime: Running, plan: Plan, *, sessions: str, meanwhile: Meanwhile | None = None
) -> Run:
    """Starts the plan's sessions, warms up and measures.

    Args:
        sessions: what they are called.

    Returns:
        What the generator tells, with ``durable_per_s``, ``starts_per_s``, and ``cpu_us`` and
        ``cores_used`` of each process: microseconds for each durable command, and cores.
    """
    generator = await Child.start("bench._generator", order=plan.order())
    try:
        started = await generator.said("started")
        say(f"  {plan.sessions} {sessions} at {started['starts_per_s']:,.0f}/s,"
            f" p99 {started['p99_ms']:.0f} ms")  # fmt: skip
        await generator.said("opened")
        pids = {**runtime.pids, "generator": generator.pid}
        meter = CpuMeter(pids)
        async with contextlib.nullcontext() if meanwhile is None else meanwhile(pids):
            await generator.said("closed")
        cpu = meter.used()
        result: Run = await generator.said("result")
    finally:
        await generator.stop()
    durable = max(1, result["durable"])
    return result | {
        "durable_per_s": result["durable"] / plan.seconds,
        "starts_per_s": started["starts_per_s"],
        "cpu_us": {name: round(each / durable * 1e6, 1) for name, each in cpu.items()},
        "cores_used": {name: round(each / plan.seconds, 3) for name, each in cpu.items()},
    }


def middle_of(runs: Sequence[Run]) -> Run:
    """The run whose ``ratio`` is the median one."""
    return sorted(runs, key=lambda one: one["ratio"])[(len(runs) - 1) // 2]


def of_all(runs: Sequence[Run], key: str) -> int:
    """The median over the runs, in whole numbers."""
    return round(median(one[key] for one in runs))


def latency_rows(
    runs: Sequence[Run], options: argparse.Namespace, unit: str, beside: Callable[[str], str]
) -> list[Row]:
    """The lines below the figures proper: latency, each run, CPU, and what went wrong.

    Args:
        unit: what one durable command is here.
        beside: what to say beside the CPU of a process.
    """
    middle = middle_of(runs)
    rows = [
        Row("p50", f"{middle['p50_ms']:.1f} ms", f"{options.concurrency} in flight"),
        Row("p99", f"{middle['p99_ms']:.1f} ms"),
    ]
    if len(runs) > 1:
        rows.append(Row("each run", " · ".join(f"{one['ratio']:.3f}" for one in runs), "ratio"))
    rows += [
        Row(f"CPU of {name}", f"{each:.0f} µs/{unit}", beside(name))
        for name, each in sorted(middle["cpu_us"].items(), key=lambda item: -item[1])
    ]
    trouble = {**middle["refused"], **middle["failed"]}
    if trouble:
        rows.append(Row("not acknowledged", str(sum(trouble.values())), str(trouble)))
    return rows


def drawing(
    runs: Sequence[Run], *, what: str, title: str, beside: tuple[float, str], floor: float
) -> Callable[[Any], None]:
    """Draws durable commands a second over the measured seconds of each run.

    Args:
        what: is counted.
        beside: a rate to compare with, dashed, and its name.
        floor: the share of it that is asked for, dotted.
    """
    rate, name = beside

    def draw(axes: Any) -> None:
        for number, one in enumerate(runs):
            slices = one["slices"]
            per_s = [
                sum(slices[i : i + 5]) / (5 * one["slice_s"]) for i in range(0, len(slices), 5)
            ]
            axes.plot([i * 0.5 for i in range(len(per_s))], per_s, label=f"run {number + 1}")
        axes.axhline(rate, linestyle="--", color="grey", label=name)
        axes.axhline(floor * rate, linestyle=":", color="red", label=f"{floor} of it")
        axes.set(xlabel="seconds", ylabel=f"{what}/s", title=title, ylim=(0, None))
        axes.legend()

    return draw
