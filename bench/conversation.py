"""Full turns of conversations a second, beside plain commands of the same run."""

from __future__ import annotations

import argparse
import asyncio
from typing import Any

from bench import commands
from bench._generator import Plan
from bench._processes import Child, CpuMeter
from bench._report import Report, Row, median, say
from bench._runtime import ray_argument, running
from holodeck.broker.streams import layout
from holodeck.deck import Deck
from holodeck.minds.personas import Library

HELP = "full turns a second (the whole micro-loop) beside the plain commands of the same run"
FLOOR = 0.5


def arguments(parser: argparse.ArgumentParser) -> None:
    ray_argument(parser)
    parser.add_argument("--sessions", type=int, default=500, help="sessions, one learner each")
    parser.add_argument("--persona", default="barcelona-cafe", help="their world")
    parser.add_argument("--hosts", type=int, default=1, help="host processes")
    parser.add_argument("--concurrency", type=int, default=500, help="turns in flight")
    parser.add_argument("--seconds", type=float, default=15.0, help="measured, after the warm-up")
    parser.add_argument("--warmup", type=float, default=3.0, help="seconds")
    parser.add_argument("--repeat", type=int, default=1, help="runs of both; the median counts")
    parser.add_argument("--seed", type=int, default=1)
    parser.set_defaults(npcs=40, mind="none", profile=None)


async def _talk(options: argparse.Namespace, run: int) -> dict[str, Any]:
    """One run: a fresh runtime, every session in a world, warm-up, the measured seconds."""
    world = Library().get(options.persona)
    if world is None:
        raise SystemExit(f"there is no persona {options.persona!r}")
    async with running(options.hosts, ray=options.ray) as runtime:
        plan = Plan(
            connection=runtime.client,
            ns=runtime.ns,
            sessions=options.sessions,
            seed=options.seed + run,
            concurrency=options.concurrency,
            warmup_s=options.warmup,
            seconds=options.seconds,
            persona=world.id,
            cast=tuple(npc.id for npc in world.npcs),
            touchy=tuple(npc.id for npc in world.npcs if npc.openness_enabled),
        )
        deck = await Deck.open(runtime.connection, runtime.ns)
        tiles = deck.broker.log(layout(runtime.ns).tiles)
        generator = await Child.start("bench._generator", order=plan.order())
        try:
            started = await generator.said("started")
            say(f"  {options.sessions} sessions in a world at {started['starts_per_s']:,.0f}/s,"
                f" p99 {started['p99_ms']:.0f} ms")  # fmt: skip
            await generator.said("opened")
            meter = CpuMeter({**runtime.pids, "generator": generator.pid})
            before, began = await tiles.end(), asyncio.get_running_loop().time()
            await generator.said("closed")
            made = await tiles.end() - before
            took = asyncio.get_running_loop().time() - began
            cpu = meter.used()
            result: dict[str, Any] = await generator.said("result")
        finally:
            await generator.stop()
            await deck.close()
    turns = max(1, result["durable"])
    result["turns_per_s"] = result["durable"] / options.seconds
    result["tiles_per_s"] = made / took
    result["starts_per_s"] = started["starts_per_s"]
    result["cpu_us"] = {name: round(each / turns * 1e6, 1) for name, each in cpu.items()}
    say(f"  {result['turns_per_s']:,.0f} full turns/s, {result['tiles_per_s']:,.0f} tiles/s")
    return result


async def run(options: argparse.Namespace) -> Report:
    runs: list[dict[str, Any]] = []
    for number in range(options.repeat):
        say(f"run {number + 1} of {options.repeat}")
        plain = await commands.once(options, number)
        talk = await _talk(options, number)
        talk["plain_per_s"] = plain["durable_per_s"]
        talk["ratio"] = talk["turns_per_s"] / plain["durable_per_s"]
        runs.append(talk)
    middle = sorted(runs, key=lambda one: one["ratio"])[(len(runs) - 1) // 2]
    figures = {
        "turns_per_s": round(median(one["turns_per_s"] for one in runs)),
        "plain_per_s": round(median(one["plain_per_s"] for one in runs)),
        "ratio": round(middle["ratio"], 3),
        "tiles_per_s": round(middle["tiles_per_s"]),
        "starts_per_s": round(middle["starts_per_s"]),
        "p50_ms": middle["p50_ms"],
        "p99_ms": middle["p99_ms"],
        "cpu_us_per_turn": middle["cpu_us"],
        "ratios": [round(one["ratio"], 3) for one in runs],
        "refused": middle["refused"],
        "failed": middle["failed"],
    }
    rows = [
        Row("full turns/s", f"{figures['turns_per_s']:,}",
            f"plain commands {figures['plain_per_s']:,}/s"),
        Row("ratio", f"{figures['ratio']:.3f}", f"at least {FLOOR}"),
        Row("tiles/s", f"{figures['tiles_per_s']:,}", "written to TILES meanwhile"),
        Row("starts in a world/s", f"{figures['starts_per_s']:,}",
            "learner and NPC asked before each"),
        Row("p50", f"{figures['p50_ms']:.1f} ms", f"{options.concurrency} in flight"),
        Row("p99", f"{figures['p99_ms']:.1f} ms"),
    ]  # fmt: skip
    if len(runs) > 1:
        told = " · ".join(f"{one['ratio']:.3f}" for one in runs)
        rows.append(Row("each run", told, "ratio"))
    rows += [
        Row(f"CPU of {name}", f"{each:.0f} µs/turn")
        for name, each in sorted(middle["cpu_us"].items(), key=lambda item: -item[1])
    ]
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
        axes.axhline(figures["plain_per_s"], linestyle="--", color="grey", label="plain commands")
        axes.set(xlabel="seconds", ylabel="turns/s", title="Full turns", ylim=(0, None))
        axes.legend()

    return Report("conversation", figures, rows, draw)
