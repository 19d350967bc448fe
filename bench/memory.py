"""Resident bytes of a session, awake and asleep, and an NPC that met very many learners."""

from __future__ import annotations

import argparse
import asyncio
import random
import time
from dataclasses import asdict
from typing import Any

from bench._generator import Plan, session_id
from bench._plain import Plain, plain
from bench._processes import Child
from bench._report import Report, Row, millis, percentile, say
from holodeck.messages.codec import encode_checkpoint, encode_command
from holodeck.messages.envelope import HEADER_COMMAND, HEADER_WRITER, ReadState, ToNpc
from holodeck.messages.ids import new_id, partition_of
from holodeck.messages.session import SessionKind, SessionStarted, TurnTaken
from holodeck.messages.subjects import CHECKPOINT, COMMAND

HELP = "resident bytes of a session awake and asleep; briefing of an NPC that met 50,000"
BOUND_AWAKE, BOUND_ASLEEP, BOUND_BRIEF_MS = 40_000, 2_000, 20.0
CROWDED = "npc-crowd"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sessions", type=int, default=20_000)
    parser.add_argument("--npcs", type=int, default=40)
    parser.add_argument("--learners", type=int, default=50_000, help="whom one NPC met")
    parser.add_argument("--briefs", type=int, default=4_000, help="asked, each of another learner")
    parser.add_argument("--brief-rate", type=float, default=200.0, help="asked a second, open loop")


async def _weigh(host: Child) -> int:
    await host.tell({"ask": "memory"})
    weight: int = await host.said("memory")
    return weight


async def _sessions(options: argparse.Namespace) -> dict[str, Any]:
    """Awake: 20,000 sessions on one host. Asleep: on a fresh host that adopts them."""
    async with plain() as runtime:
        host = await runtime.host()
        idle = await _weigh(host)
        say(f"  idle host {idle / 1e6:.1f} MB")
        plan = Plan(
            connection=asdict(runtime.connection),
            ns=runtime.layout.ns,
            sessions=options.sessions,
            npcs=options.npcs,
            starts_in_flight=128,
            concurrency=256,
            one_turn=True,
        )
        generator = await Child.start("bench._generator", order=plan.order())
        started = await generator.said("started")
        await generator.said("result")
        await generator.stop()
        status = await runtime.until(lambda one: one["lag"] == 0, host.pid, 60)
        awake = await _weigh(host)
        say(f"  {status['awake']} sessions awake, {(awake - idle) / options.sessions:,.0f} bytes"
            f" each, started at {started['starts_per_s']:,.0f}/s")  # fmt: skip
        folds = status["folds"]
        await host.stop(120)
        # The sleepers: a host that puts everything to sleep almost at once.
        host = await runtime.host(idle_sleep_s=1.0, flush_s=1.0)
        await runtime.until(lambda one: one["awake"] == 0 and one["folds"] == 0, host.pid, 180)
        await host.stop(120)
        began = time.perf_counter()
        host = await runtime.host()
        adopted_s = time.perf_counter() - began
        status = await runtime.until(lambda one: one["awake"] == 0, host.pid, 5)
        asleep = await _weigh(host)
        say(f"  {status['asleep']} asleep: {(asleep - idle) / options.sessions:,.0f} bytes each")
        woken = await _wake(runtime, options)
        await host.stop(60)
    return {
        "awake_bytes": (awake - idle) // options.sessions,
        "asleep_bytes": (asleep - idle) // options.sessions,
        "idle_host_bytes": idle,
        "awake": options.sessions,
        "asleep": status["asleep"],
        "folds_awake": folds,
        "adopted_s": round(adopted_s, 2),
        "wake_p99_ms": woken,
    }


async def _wake(runtime: Plain, options: argparse.Namespace) -> float:
    """How long the first question to a sleeping session takes."""
    took = []
    for number in random.Random(1).sample(range(options.sessions), min(500, options.sessions)):
        began = time.perf_counter()
        await runtime.deck.session(session_id("b", number)).state()
        took.append(time.perf_counter() - began)
    return millis(percentile(took, 0.99))


async def _crowd(options: argparse.Namespace) -> dict[str, Any]:
    """One NPC meets very many learners; then it is asked about some of them, on a fresh host."""
    async with plain() as runtime:
        host = await runtime.host(idle_sleep_s=5.0, flush_s=1.0)
        await _meet(runtime, options.learners)
        await runtime.until(
            lambda one: one["lag"] == 0 and one["position"] >= options.learners, host.pid, 120
        )
        await runtime.until(lambda one: one["folds"] == 0, host.pid, 180)
        await host.stop(120)
        host = await runtime.host()
        idle = await _weigh(host)
        chosen = random.Random(2).sample(
            range(options.learners), min(options.briefs, options.learners)
        )
        cold = await _brief(runtime, chosen, options.brief_rate)
        warm = await _brief(runtime, chosen, options.brief_rate)
        say(f"  briefing p99 {millis(percentile(cold, 0.99))} ms, again"
            f" {millis(percentile(warm, 0.99))} ms")  # fmt: skip
        await host.stop(60)
    return {
        "npc_learners": options.learners,
        "npc_brief_p50_ms": millis(percentile(cold, 0.5)),
        "npc_brief_p99_ms": millis(percentile(cold, 0.99)),
        "npc_brief_again_p99_ms": millis(percentile(warm, 0.99)),
        "npc_host_bytes": idle,
    }


async def _meet(runtime: Plain, learners: int) -> None:
    """Stores, for each learner, a session's first checkpoint with one turn to the NPC."""
    broker = await runtime.connection()
    journal = broker.log(runtime.layout.checkpoints)
    ns, partitions, writer = runtime.layout.ns, runtime.deck.partitions, new_id("bench")
    at = int(time.time() * 1000)
    waiting: list[asyncio.Future[int]] = []
    try:
        for number in range(learners):
            session, learner = f"crowd-{number}", f"met-{number}"
            events = (
                SessionStarted(session_kind=SessionKind.AGENT, learner=learner),
                TurnTaken(turn=1, npc=CROWDED, text="Hola"),
            )
            subject = CHECKPOINT.of(
                ns, "session", partition_of(session, partitions), session, "session",
                partition_of(CROWDED, partitions), CROWDED,
                partition_of(learner, partitions), learner,
            )  # fmt: skip
            headers = {HEADER_COMMAND: f"{session}.0", HEADER_WRITER: writer}
            waiting.append(journal.append(subject, encode_checkpoint(at, events), headers=headers))
            if len(waiting) == 500:
                await asyncio.gather(*waiting)
                waiting.clear()
        await asyncio.gather(*waiting)
    finally:
        await broker.close()
    say(f"  {learners} learners met")


async def _brief(runtime: Plain, learners: list[int], rate: float) -> list[float]:
    """Asks about each learner at a fixed rate; seconds from when each question was due."""
    caller, ns = runtime.deck.caller, runtime.layout.ns
    subject = COMMAND.of(ns, partition_of(CROWDED, runtime.deck.partitions), "npc", CROWDED)
    took: list[float] = []

    async def ask(learner: int, due: float) -> None:
        now = int(time.time() * 1000)
        question = ToNpc(id=new_id("ask"), sent=now, deadline=now + 15_000,
                         body=ReadState(learner=f"met-{learner}"))  # fmt: skip
        answer = await caller.send(subject, encode_command(question), 15.0)
        if answer.status != "ok" or answer.sequence == 0:
            raise RuntimeError(f"met-{learner}: {answer.status} {answer.reason}")
        took.append(time.perf_counter() - due)

    async with asyncio.TaskGroup() as asking:
        began = time.perf_counter()
        for number, learner in enumerate(learners):
            due = began + number / rate
            while (now := time.perf_counter()) < due:
                await asyncio.sleep(due - now)
            asking.create_task(ask(learner, due))
    return took


async def run(options: argparse.Namespace) -> Report:
    say(f"{options.sessions} sessions on one host")
    figures = await _sessions(options)
    if options.learners:
        say(f"one NPC meets {options.learners} learners")
        figures |= await _crowd(options)
    rows = [
        Row("awake, resident a session", f"{figures['awake_bytes']:,} bytes",
            f"at most {BOUND_AWAKE:,}; {figures['awake']:,} sessions, one turn each, with learner"
            " and relation"),
        Row("asleep, resident a session", f"{figures['asleep_bytes']:,} bytes",
            f"at most {BOUND_ASLEEP:,}; a fresh host that adopted {figures['asleep']:,}"),
        Row("idle host", f"{figures['idle_host_bytes'] / 1e6:.1f} MB", "taken off both"),
        Row("adopted in", f"{figures['adopted_s']:.1f} s", "process start included"),
        Row("waking p99", f"{figures['wake_p99_ms']:.1f} ms", "first question to a sleeper"),
    ]  # fmt: skip
    if options.learners:
        rows.append(
            Row("briefing p99", f"{figures['npc_brief_p99_ms']:.1f} ms",
                f"at most {BOUND_BRIEF_MS:g} ms; an NPC that met {options.learners:,}, not in"
                f" memory; again {figures['npc_brief_again_p99_ms']:.1f} ms")
        )  # fmt: skip
    return Report("memory", figures, rows)
