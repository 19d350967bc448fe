"""The offline analyst on recorded dialogues: what it finds where a tutor corrected; its pace."""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from bench._report import Report, Row, median, percentile, say
from holodeck.messages.errors import StartupError
from holodeck.messages.persona import Persona
from holodeck.messages.talk import Character, TurnAnalysis
from holodeck.minds.analysis import OfflineAnalyst
from holodeck.minds.personas import Library
from holodeck.minds.phrases import Matcher, keys
from holodeck.minds.port import Utterance

HELP = "friction found in guesses that a tutor corrected or confirmed; microseconds a turn"

PHRASES: Final = 200
"""How many phrases are looked for when the matcher alone is timed, among 15 words."""
ANSWERS: Final = ("corrected", "confirmed", "hinted", "asked", "unmarked")


@dataclass(frozen=True, slots=True)
class Guess:
    """One guess of a learner.

    Attributes:
        even: of a dialogue with an even number: the half the lists were written with.
        answer: what the tutor did next, one of ``ANSWERS``.
        goal: the phrase that was sought, in pieces.
    """

    dialogue: str
    even: bool
    text: str
    answer: str
    goal: tuple[str, ...]


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data", type=Path, required=True, help="dialogues, one JSON object a line"
    )
    parser.add_argument("--persona", default="picture-tutor", help="whose lists")
    parser.add_argument("--misses", type=int, default=0, help="print so many misses of each kind")


def _answer(acts: Sequence[str]) -> str:
    """What the tutor did: a correction counts before a confirmation beside it."""
    for act, name in (
        ("correction", "corrected"),
        ("confirmation", "confirmed"),
        ("hint", "hinted"),
        ("question", "asked"),
    ):
        if act in acts:
            return name
    return "unmarked"


def _dialogues(path: Path) -> list[dict[str, Any]]:
    try:
        with path.open(encoding="utf-8") as lines:
            return [json.loads(line) for line in lines if line.strip()]
    except (OSError, ValueError) as error:
        raise StartupError(f"{path} cannot be read ({error})", "Give --data a JSONL file") from None


def _guesses(dialogues: Sequence[dict[str, Any]]) -> Iterator[Guess]:
    for number, one in enumerate(dialogues, 1):
        turns = one["turns"]
        for said, answered in pairwise(turns):
            by = (said["by"], answered["by"])
            if by == ("learner", "npc") and "guess" in said.get("acts", ()):
                yield Guess(
                    one["id"],
                    number % 2 == 0,
                    said["text"],
                    _answer(answered.get("acts", ())),
                    tuple(one.get("goal", {}).get("words", ())),
                )


def _paces(world: Persona, texts: Sequence[str], character: Character) -> dict[str, float]:
    """Microseconds: of a whole analysis, and of the matcher alone."""
    analyst = OfflineAnalyst()
    began = time.perf_counter()
    made = analyst.world(world)
    ready = time.perf_counter() - began
    for text in texts[:50]:
        analyst.analyse(Utterance(text, world, character))
    took = []
    for text in texts:
        began = time.perf_counter()
        analyst.analyse(Utterance(text, world, character))
        took.append(time.perf_counter() - began)
    phrases = [phrase for rule in world.forms for phrase in (*rule.right, *rule.wrong, *rule.wants)]
    phrases = (phrases * (PHRASES // len(phrases) + 1))[:PHRASES]
    matcher = Matcher(enumerate(phrases))
    words = [word for text in texts for word in keys(text) if word]
    turns = [words[at : at + 15] for at in range(0, len(words) - 15, 15)]
    alone = []
    for turn in turns:
        began = time.perf_counter()
        matcher.find(turn)
        alone.append(time.perf_counter() - began)
    return {
        "ready_ms": round(ready * 1e3, 1),
        "phrases": len(made.entries),
        "turn_us": round(median(took) * 1e6, 1),
        "turn_p99_us": round(percentile(took, 0.99) * 1e6, 1),
        "match_us": round(median(alone) * 1e6, 1),
        "match_p99_us": round(percentile(alone, 0.99) * 1e6, 1),
    }


async def run(options: argparse.Namespace) -> Report:
    world = Library().get(options.persona)
    if world is None:
        raise StartupError(f"there is no persona {options.persona!r}", "holodeck persona list")
    dialogues = _dialogues(options.data)
    cast = world.npcs[0]
    character = Character(npc=cast.id, tier=cast.tier, register_level=cast.register_level)
    analyst = OfflineAnalyst()
    found: Counter[tuple[str, str, str, bool]] = Counter()
    shown: Counter[tuple[str, bool]] = Counter()
    forms: Counter[str] = Counter()

    def look(guess: Guess, sought: Sequence[str]) -> TurnAnalysis:
        return analyst.analyse(Utterance(guess.text, world, character), sought=sought)

    for guess in _guesses(dialogues):
        half = "even" if guess.even else "odd"
        for way, sought in (("plain", ()), ("sought", guess.goal)):
            analysis = look(guess, sought)
            has = bool(analysis.frictions)
            found[half, way, guess.answer, has] += 1
            if way == "plain" and guess.answer == "corrected":
                forms.update({one.form or one.detail for one in analysis.frictions})
            wrong = has != (guess.answer == "corrected")
            key = (f"{way} {guess.answer}", has)
            if wrong and guess.answer in ANSWERS[:2] and shown[key] < options.misses:
                shown[key] += 1
                names = ", ".join(one.form or one.detail for one in analysis.frictions)
                say(f"  {half} {way} {guess.answer}: {guess.text!r} [{names}]")

    figures: dict[str, Any] = {
        "dialogues": len(dialogues),
        "forms_in_corrected": dict(forms.most_common()),
    }
    rows: list[Row] = []
    for way in ("plain", "sought"):
        for half in ("even", "odd", "both"):
            halves = ("even", "odd") if half == "both" else (half,)
            table = {
                answer: [sum(found[h, way, answer, has] for h in halves) for has in (True, False)]
                for answer in ANSWERS
            }
            figures[f"{way}_{half}"] = table
            (hit, missed), (alarm, quiet) = table["corrected"], table["confirmed"]
            rows.append(
                Row(
                    f"{way}, {half}: corrected, friction found",
                    f"{hit / max(1, hit + missed):.2f}",
                    f"{hit} of {hit + missed}",
                )
            )
            rows.append(
                Row(
                    f"{way}, {half}: confirmed, none found",
                    f"{quiet / max(1, alarm + quiet):.2f}",
                    f"{quiet} of {alarm + quiet}",
                )
            )
    texts = [turn["text"] for one in dialogues for turn in one["turns"] if turn["by"] == "learner"]
    paces = _paces(world, texts, character)
    figures["pace"] = paces
    rows += [
        Row("a turn, median", f"{paces['turn_us']:.0f} µs", f"p99 {paces['turn_p99_us']:.0f} µs"),
        Row(f"15 words, {PHRASES} phrases, median", f"{paces['match_us']:.0f} µs",
            f"p99 {paces['match_p99_us']:.0f} µs; bound 100 µs"),
        Row("a persona made ready, once", f"{paces['ready_ms']:.0f} ms"),
    ]  # fmt: skip
    return Report("analysis", figures, rows)
