"""What two hundred practice sessions make of a simulated learner whose skill is known."""

from __future__ import annotations

import argparse
import time
from typing import Any, Final

from bench._learner import Life, Past
from bench._report import Report, Row, say
from holodeck.messages.practice import SchedulerKind
from holodeck.minds.curricula import CurriculumLibrary

HELP = "mastery over 200 sessions of a simulated learner: its order, and who waits how long"
WAIT: Final = 10
"""Sessions an unlocked, unmastered skill may stay unasked."""
OVERDUE: Final = 3
"""Sessions a due review may wait."""
DUE: Final = {
    SchedulerKind.FSRS: "every review by its date",
    SchedulerKind.OLDEST: "whatever was practised longest ago",
}
"""What is meant by due."""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sessions", type=int, default=200)
    parser.add_argument("--curriculum", default="primary-maths", help="what is practised")
    parser.add_argument("--minutes", type=float, default=15.0, help="of a session")
    parser.add_argument("--seed", default="1")


async def run(options: argparse.Namespace) -> Report:
    curriculum = CurriculumLibrary().get(options.curriculum)
    if curriculum is None:
        raise SystemExit(f"there is no curriculum {options.curriculum!r}")
    skills = len(curriculum.skills)
    lives: dict[str, list[Past]] = {}
    rows: list[Row] = []
    figures: dict[str, Any] = {"sessions": options.sessions, "skills": skills}
    passed = True
    for kind in SchedulerKind:
        began = time.perf_counter()
        life = Life(curriculum, options.seed, scheduler=kind, minutes=options.minutes)
        past = list(life.live(options.sessions))
        took = time.perf_counter() - began
        lives[kind.value] = past
        found = told(past, skills)
        answers = sum(one.answered for one in past)
        say(f"  {kind.value}: {answers:,} answers in {took:.1f} s")
        figures[kind.value] = found | {"seconds": round(took, 1), "answers": answers}
        late = found["waited"] > WAIT or found["overdue"] > OVERDUE
        passed = passed and not (found["unready"] or late)
        rows += [
            Row(f"{kind.value}: mastered", f"{found['mastered']} of {skills}",
                f"all for the first time in session {found['all_in']}"),
            Row(f"{kind.value}: before what it needs", str(found["unready"]), "none"),
            Row(f"{kind.value}: longest unasked", f"{found['waited']} sessions", f"at most {WAIT}"),
            Row(f"{kind.value}: longest overdue", f"{found['overdue']} sessions",
                f"at most {OVERDUE}; {DUE[kind]}"),
            Row(f"{kind.value}: right", f"{100 * found['right']:.0f} %", f"{answers:,} answers"),
        ]  # fmt: skip

    def draw(axes: Any) -> None:
        paint(axes, lives, skills)

    return Report("mastery", figures, rows, draw, passed)


def told(past: list[Past], skills: int) -> dict[str, Any]:
    """A life in figures."""
    answered = sum(one.answered for one in past)
    return {
        "mastered": past[-1].mastered,
        "all_in": next((one.number for one in past if one.mastered == skills), None),
        "unready": sum(len(one.unready) for one in past),
        "waited": max(one.waited for one in past),
        "overdue": max(one.overdue for one in past),
        "rusty": max(one.rusty for one in past),
        "right": round(sum(one.right for one in past) / max(1, answered), 3),
    }


def paint(axes: Any, lives: dict[str, list[Past]], skills: int) -> None:
    """Mastered skills, and what the learner truly can, by session."""
    for (name, past), colour in zip(lives.items(), ("#0072b2", "#d55e00"), strict=False):
        numbers = [one.number for one in past]
        axes.plot(numbers, [one.mastered for one in past], color=colour, label=f"mastered, {name}")
        axes.plot(numbers, [one.able * skills for one in past], color=colour, linestyle=":",
                  label=f"truly known, {name}")  # fmt: skip
        axes.plot(numbers, [one.waited for one in past], color=colour, linewidth=0.6, alpha=0.6,
                  label=f"sessions unasked at most, {name}")  # fmt: skip
    axes.axhline(skills, color="grey", linewidth=0.8)
    axes.axhline(WAIT, color="grey", linewidth=0.8, linestyle="--")
    axes.set(xlabel="session", ylabel="skills (and sessions unasked)", ylim=(0, skills * 1.05),
             title="A simulated learner: mastery by session")  # fmt: skip
    axes.legend(fontsize=8, loc="center right")
