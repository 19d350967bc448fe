"""Answers of practice sessions a second, beside plain commands of the same run; and how fast
questions are made."""

from __future__ import annotations

import argparse
from typing import Any

from bench import commands
from bench._load import Run, drawing, latency_rows, middle_of, of_all, plan_of, under_load
from bench._questions import questions_per_second
from bench._report import Report, Row, say
from bench._runtime import running
from holodeck.minds.curricula import CurriculumLibrary

HELP = "answers a second (each with its next question) beside the plain commands of the same run"
FLOOR = 0.5
QUESTIONS = 5000


def arguments(parser: argparse.ArgumentParser) -> None:
    commands.arguments_beside(parser, "answers")
    parser.add_argument("--curriculum", default="primary-maths", help="what they practise")


async def _answers(options: argparse.Namespace, run: int) -> Run:
    """One run: a fresh runtime, every session a learner's first, warm-up, the measured seconds."""
    async with running(options.hosts, ray=options.ray) as runtime:
        plan = plan_of(options, runtime, run, curriculum=options.curriculum)
        result = await under_load(runtime, plan, sessions="practice sessions")
    say(f"  {result['durable_per_s']:,.0f} answers/s")
    return result


async def run(options: argparse.Namespace) -> Report:
    curriculum = CurriculumLibrary().get(options.curriculum)
    if curriculum is None:
        raise SystemExit(f"there is no curriculum {options.curriculum!r}")
    pace = questions_per_second(curriculum.skills)
    say(f"{pace.overall:,.0f} questions/s on one core")
    runs = await commands.beside(options, _answers)
    middle = middle_of(runs)
    figures: dict[str, Any] = {
        "questions_per_s": round(pace.overall),
        "slowest_questions_per_s": round(pace.slowest),
        "slowest": pace.slowest_of,
        "first_question_ms": round(pace.first_ms, 2),
        "answers_per_s": of_all(runs, "durable_per_s"),
        "plain_per_s": of_all(runs, "plain_per_s"),
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
        *latency_rows(
            runs, options, "answer",
            lambda name: f"{middle['plain_cpu_us'][name]:.0f} µs/plain command",
        ),
    ]  # fmt: skip
    draw = drawing(
        runs, what="answers", title="Answers",
        beside=(figures["plain_per_s"], "plain commands"), floor=FLOOR,
    )  # fmt: skip
    return Report("practice", figures, rows, draw)
