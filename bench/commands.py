"""Durable commands a second, end to end, with everything on."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from bench._limits import limits
from bench._load import (
    Meanwhile,
    Run,
    drawing,
    latency_rows,
    load_arguments,
    middle_of,
    of_all,
    plan_of,
    under_load,
)
from bench._report import Report, Row, say
from bench._runtime import running

HELP = "durable commands a second beside the raw fenced limit, everything on"
FLOOR, AIM = 0.3, 0.45


def arguments(parser: argparse.ArgumentParser) -> None:
    load_arguments(parser, what="commands", seconds=20.0, repeat="runs; the median counts")
    parser.add_argument("--npcs", type=int, default=40)
    parser.add_argument("--raw-seconds", type=float, default=5.0, help="for each raw measurement")
    parser.add_argument("--mind", choices=("none", "scripted"), default="none",
                        help="scripted: each turn leads to a second checkpoint")  # fmt: skip
    parser.add_argument("--profile", type=Path, metavar="FOLDER",
                        help="where py-spy shall write the stacks of each process")  # fmt: skip


def arguments_beside(parser: argparse.ArgumentParser, what: str) -> None:
    """The options of a bench that is set beside this one; ``what`` is counted there."""
    load_arguments(parser, what=what, seconds=15.0, repeat="runs of both; the median counts")
    parser.set_defaults(npcs=40, mind="none", profile=None)


async def _raw(seconds: float) -> dict[str, float]:
    """The limits, with nothing else running."""
    found = await limits(seconds, ("fenced_wildcard_lean", "fenced_wildcard"))
    return {
        "raw_fenced_per_s": found["fenced_wildcard"]["per_s"],
        "raw_lean_per_s": found["fenced_wildcard_lean"]["per_s"],
    }


async def once(options: argparse.Namespace, run: int) -> Run:
    """One run: a fresh runtime, all sessions, warm-up, the measured seconds."""
    async with running(options.hosts, ray=options.ray) as runtime:
        plan = plan_of(options, runtime, run, npcs=options.npcs, mind=options.mind)
        folder = options.profile
        result = await under_load(
            runtime, plan, sessions="sessions",
            meanwhile=None if folder is None else _profiled(folder),
        )  # fmt: skip
    say(f"  {result['durable_per_s']:,.0f} durable commands/s")
    return result


async def beside(
    options: argparse.Namespace, measure: Callable[[argparse.Namespace, int], Awaitable[Run]]
) -> list[Run]:
    """Runs of something else, each behind plain commands on the same machine.

    Returns:
        What ``measure`` gave, with ``plain_per_s``, ``plain_cpu_us``, and ``ratio`` of the two.
    """
    runs = []
    for number in range(options.repeat):
        say(f"run {number + 1} of {options.repeat}")
        plain = await once(options, number)
        found = await measure(options, number)
        found |= {
            "plain_per_s": plain["durable_per_s"],
            "plain_cpu_us": plain["cpu_us"],
            "ratio": found["durable_per_s"] / plain["durable_per_s"],
        }
        runs.append(found)
    return runs


def _profiled(folder: Path) -> Meanwhile:
    @contextlib.asynccontextmanager
    async def meanwhile(pids: Mapping[str, int]) -> AsyncIterator[None]:
        await _profile(folder, pids)
        yield

    return meanwhile


async def _profile(folder: Path, pids: Mapping[str, int]) -> None:
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
    runs: list[Run] = []
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
    middle = middle_of(runs)
    figures: dict[str, Any] = {
        "durable_per_s": of_all(runs, "durable_per_s"),
        "raw_fenced_per_s": of_all(runs, "raw_fenced_per_s"),
        "raw_lean_per_s": of_all(runs, "raw_lean_per_s"),
        "ratio": round(middle["ratio"], 3),
        "ratio_to_lean": round(middle["ratio_to_lean"], 3),
        "p50_ms": middle["p50_ms"],
        "p99_ms": middle["p99_ms"],
        "cpu_us_per_command": middle["cpu_us"],
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
        *latency_rows(
            runs, options, "command", lambda name: f"{middle['cores_used'][name]:.2f} cores"
        ),
    ]  # fmt: skip
    draw = drawing(
        runs, what="commands", title="Durable commands",
        beside=(figures["raw_fenced_per_s"], "raw fenced"), floor=FLOOR,
    )  # fmt: skip
    return Report("commands", figures, rows, draw)
