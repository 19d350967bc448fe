"""A host process is killed under load: how soon all its partitions answer, and what was lost."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path
from typing import Any

from bench._generator import Plan, session_id
from bench._probe import kill_host, one_of_each
from bench._processes import Child
from bench._proof import prove
from bench._report import Report, Row, percentile, say
from bench._runtime import ray_argument, running
from holodeck.messages.codec import unpack

HELP = "SIGKILL of a host under load: time to recover, acknowledged and lost, applied twice"
BOUND_S = 5.0


def arguments(parser: argparse.ArgumentParser) -> None:
    ray_argument(parser)
    parser.add_argument("--sessions", type=int, default=10_000)
    parser.add_argument("--npcs", type=int, default=40)
    parser.add_argument("--rate", type=float, default=1000.0, help="commands a second, open loop")
    parser.add_argument("--hosts", type=int, default=2)
    parser.add_argument("--before", type=float, default=8.0, help="seconds of load before the kill")
    parser.add_argument("--after", type=float, default=17.0, help="seconds of load after it")
    parser.add_argument("--seed", type=int, default=1)


async def run(options: argparse.Namespace) -> Report:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "acknowledged"
        async with running(options.hosts, ray=options.ray) as runtime:
            deck = await runtime.deck(deadline_s=30.0)
            broker = await runtime.connection()
            plan = Plan(
                connection=runtime.client,
                ns=runtime.ns,
                sessions=options.sessions,
                npcs=options.npcs,
                seed=options.seed,
                rate=options.rate,
                warmup_s=0.5,
                seconds=options.before + options.after,
                deadline_s=60.0,
                file=str(file),
            )
            sessions = one_of_each(
                (session_id(plan.name, n) for n in range(options.sessions)), deck.partitions
            )
            generator = await Child.start("bench._generator", order=plan.order())
            try:
                started = await generator.said("started")
                say(f"  {options.sessions} sessions at {started['starts_per_s']:,.0f}/s")
                await generator.said("opened")
                opened = time.perf_counter()
                await asyncio.sleep(options.before)
                killed, answers = await kill_host(deck, broker, sessions)
                say(f"  recovered after {max(answers, default=0.0):.2f} s")
                result: dict[str, Any] = await generator.said("result")
            finally:
                await generator.stop()
            say("  reading the journal back, asking every session")
            proof = await prove(broker, deck.layout, deck, unpack(file.read_bytes()))
            await deck.close()
            await broker.close()
    recovered = max(answers, default=0.0)
    figures = {
        "recovered_s": round(recovered, 3),
        "first_partition_s": round(min(answers, default=0.0), 3),
        "median_partition_s": round(percentile(answers, 0.5), 3),
        "partitions": len(answers),
        "lost": proof.lost,
        "twice": proof.twice,
        "differing": proof.differing,
        "unasked": proof.unasked,
        "acknowledged": proof.acked,
        "checkpoints": proof.checkpoints,
        "examples": [*proof.examples, *result["examples"]],
        "sessions": options.sessions,
        "rate": options.rate,
        "killed_at_s": round(killed - opened, 3),
        **{key: result[key] for key in ("p50_ms", "p99_ms", "max_ms", "refused", "failed",
                                        "retries")},
    }  # fmt: skip
    rows = [
        Row("recovered after", f"{recovered:.2f} s",
            f"at most {BOUND_S:g} s; all {len(answers)} partitions, first"
            f" {figures['first_partition_s']:.2f} s"),
        Row("acknowledged and lost", str(proof.lost), f"of {proof.acked:,} acknowledged"),
        Row("applied twice", str(proof.twice), f"in {proof.checkpoints:,} checkpoints"),
        Row("sessions whose state differs", str(proof.differing),
            f"of {options.sessions:,} asked, {proof.unasked} did not answer"),
        Row("longest command", f"{result['max_ms'] / 1000:.2f} s",
            f"open loop at {options.rate:,.0f}/s over the kill; p50 {result['p50_ms']:.1f} ms"),
        Row("without an answer", str(sum(result["failed"].values())), str(result["failed"] or "")),
    ]  # fmt: skip
    if result["refused"]:
        rows.append(Row("refused", str(sum(result["refused"].values())), str(result["refused"])))

    def draw(axes: Any) -> None:
        step = result["slice_s"]
        times = [index * step for index in range(len(result["slices"]))]
        axes.plot(times, [count / step for count in result["slices"]], label="answered a second")
        axes.axvline(killed - opened, color="red", label="SIGKILL")
        axes.axvline(killed - opened + recovered, color="green", label="last partition answers")
        axes.set(xlabel="seconds", ylabel="commands/s", title="A host dies", ylim=(0, None))
        axes.legend()

    return Report("failover", figures, rows, draw)
