"""Answers of practice sessions a second, beside plain commands of the same run; and how fast
questions are made."""

from __future__ import annotations

import argparse
from typing import Any

from bench import commands
from bench._generator import Plan
from bench._processes import Child, CpuMeter
from bench._questions import questions_per_second
from bench._report import Report, Row, median, say
from bench._runtime import ray_argument, running
from holodeck.minds.curricula import CurriculumLibrary

HELP = "answers a second (each with its next question) beside the plain commands of the same run"
FLOOR = 0.5
QUESTIONS = 5000


def arguments(parser: argparse.ArgumentParser) -> None:
    ray_argument(parser)
    parser.add_argument("--sessions", type=int, default=500, help="sessions, one learner each")
    parser.add_argument("--curriculum", default="primary-maths", help="what they practise")
    parser.add_argument("--hosts", type=int, default=1, help="host processes")
    parser.add_argument("--concurrency", type=int, default=500, help="answers in flight")
    parser.add_argument("--seconds", type=float, default=15.0, help="measured, after the warm-up")
    parser.add_argument("--warmup", type=float, default=3.0, help="seconds")
    parser.add_argument("--repeat", type=int, default=1, help="runs of both; the median counts")
    parser.add_argument("--seed", type=int, default=1)
    parser.set_defaults(npcs=40, mind="none", profile=None)


async def _answers(options: argparse.Namespace, run: int) -> dict[str, Any]:
    """One run: a fresh runtime, every session a learner's first, warm-up, the measured seconds."""
    async with running(options.hosts, ray=options.ray) as runtime:
        plan = Plan(
            connection=runtime.client,
            ns=runtime.ns,
            sessions=options.sessions,
            seed=options.seed + run,
            concurrency=options.concurrency,
            warmup_s=options.warmup,
            seconds=options.seconds,
            curriculum=options.curriculum,
        )
        generator = await Child.start("bench._generator", order=plan.order())
        try:
            started = await generator.said("started")
            say(f"  {options.sessions} practice sessions at {started['starts_per_s']:,.0f}/s")
            await generator.said("opened")
            meter = CpuMeter({**runtime.pids, "generator": generator.pid})
            await generator.said("closed")
            cpu = meter.used()
            result: dict[str, Any] = await generator.said("result")
        finally:
            await generator.stop()
    result["answers_per_s"] = result["durable"] / options.seconds
    result["starts_per_s"] = started["starts_per_s"]
    result["cpu_us"] = {
        name: round(each / max(1, result["durable"]) * 1e6, 1) for name, each in cpu.items()
    }
    say(f"  {result['answers_per_s']:,.0f} answers/s")
    return result


async def run(options: argparse.Namespace) -> Report:
    curriculum = CurriculumLibrary().get(options.curriculum)
    if curriculum is None:
        raise SystemExit(f"there is no curriculum {options.curriculum!r}")
    pace = questions_per_second(curriculum.skills)
    say(f"{pace.overall:,.0f} questions/s on one core")
    runs: list[dict[str, Any]] = []
    for number in range(options.repeat):
        say(f"run {number + 1} of {options.repeat}")
        plain = await commands.once(options, number)
        told = await _answers(options, number)
        told["plain_per_s"] = plain["durable_per_s"]
        told["ratio"] = told["answers_per_s"] / plain["durable_per_s"]
        told["plain_cpu_us"] = plain["cpu_us_per_command"]
        runs.append(told)
    middle = sorted(runs, key=lambda one: one["ratio"])[(len(runs) - 1) // 2]
    figures = {
        "questions_per_s": round(pace.overall),
        "slowest_questions_per_s": round(pace.slowest),
        "slowest": pace.slowest_of,
        "first_question_ms": round(pace.first_ms, 2),
        "answers_per_s": round(median(one["answers_per_s"] for one in runs)),
        "plain_per_s": round(median(one["plain_per_s"] for one in runs)),
        "ratio": round(middle["ratio"], 3),
        "starts_per_s": round(middle["starts_per_s"]),
        "p50_ms": middle["p50_ms"],
        "p99_ms": middle["p99_ms"],
        "cpu_us_per_answer": middle["cpu_us"],
        "cpu_us_per_command": middle["plain_cpu_us"],
        "ratios": [round(one["ratio"], 3) for one in runs],
        "refused": middle["refused"],
        "failed": middle["failed"],
        "without_checkpoint": middle["without_checkpoint"],
    }
    rows = [
        Row("questions/s", f"{figures['questions_per_s']:,}",
            f"one core, no runtime; at least {QUESTIONS:,}"),
        Row("slowest questions/s", f"{figures['slowest_questions_per_s']:,}", pace.slowest_of),
        Row("answers/s", f"{figures['answers_per_s']:,}",
            f"plain commands {figures['plain_per_s']:,}/s"),
        Row("ratio", f"{figures['ratio']:.3f}", f"at least {FLOOR}"),
        Row("starts/s", f"{figures['starts_per_s']:,}",
            "learner asked, planned and first question made"),
        Row("p50", f"{figures['p50_ms']:.1f} ms", f"{options.concurrency} in flight"),
        Row("p99", f"{figures['p99_ms']:.1f} ms"),
    ]  # fmt: skip
    if len(runs) > 1:
        rows.append(Row("each run", " · ".join(f"{one['ratio']:.3f}" for one in runs), "ratio"))
    rows += [
        Row(f"CPU of {name}", f"{each:.0f} µs/answer",
            f"{middle['plain_cpu_us'][name]:.0f} µs/plain command")
        for name, each in sorted(middle["cpu_us"].items(), key=lambda item: -item[1])
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
        axes.axhline(figures["plain_per_s"], linestyle="--", color="grey", label="plain commands")
        axes.axhline(FLOOR * figures["plain_per_s"], linestyle=":", color="red",
                     label=f"{FLOOR} of them")  # fmt: skip
        axes.set(xlabel="seconds", ylabel="answers/s", title="Answers", ylim=(0, None))
        axes.legend()

    return Report("practice", figures, rows, draw)
