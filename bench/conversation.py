"""Full turns of conversations a second, beside plain commands of the same run."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

from bench import commands
from bench._load import Run, drawing, latency_rows, middle_of, of_all, plan_of, under_load
from bench._report import Report, Row, say
from bench._runtime import running
from holodeck.broker.streams import layout
from holodeck.deck import Deck
from holodeck.minds.personas import Library

HELP = "full turns a second (the whole micro-loop) beside the plain commands of the same run"
FLOOR = 0.5


def arguments(parser: argparse.ArgumentParser) -> None:
    commands.arguments_beside(parser, "turns")
    parser.add_argument("--persona", default="barcelona-cafe", help="their world")


async def _talk(options: argparse.Namespace, run: int) -> Run:
    """One run: a fresh runtime, every session in a world, warm-up, the measured seconds."""
    world = Library().get(options.persona)
    if world is None:
        raise SystemExit(f"there is no persona {options.persona!r}")
    tiles_per_s = 0.0
    async with running(options.hosts, ray=options.ray) as runtime:
        plan = plan_of(
            options, runtime, run,
            persona=world.id,
            cast=tuple(npc.id for npc in world.npcs),
            touchy=tuple(npc.id for npc in world.npcs if npc.openness_enabled),
        )  # fmt: skip
        deck = await Deck.open(runtime.connection, runtime.ns)
        tiles = deck.broker.log(layout(runtime.ns).tiles)

        @contextlib.asynccontextmanager
        async def counted(_: Mapping[str, int]) -> AsyncIterator[None]:
            nonlocal tiles_per_s
            clock = asyncio.get_running_loop().time
            before, began = await tiles.end(), clock()
            yield
            tiles_per_s = (await tiles.end() - before) / (clock() - began)

        try:
            result = await under_load(
                runtime, plan, sessions="sessions in a world", meanwhile=counted
            )
        finally:
            await deck.close()
    result["tiles_per_s"] = tiles_per_s
    say(f"  {result['durable_per_s']:,.0f} full turns/s, {tiles_per_s:,.0f} tiles/s")
    return result


async def run(options: argparse.Namespace) -> Report:
    runs = await commands.beside(options, _talk)
    middle = middle_of(runs)
    figures: dict[str, Any] = {
        "turns_per_s": of_all(runs, "durable_per_s"),
        "plain_per_s": of_all(runs, "plain_per_s"),
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
        *latency_rows(runs, options, "turn", lambda _: ""),
    ]  # fmt: skip
    draw = drawing(
        runs, what="turns", title="Full turns",
        beside=(figures["plain_per_s"], "plain commands"), floor=FLOOR,
    )  # fmt: skip
    return Report("conversation", figures, rows, draw)
