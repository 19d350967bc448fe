"""What a simulated learner does: an endless, seeded sequence of commands with an exact mix.

One law: of each forty steps exactly twenty are turns, eight friction reports, four changes of
reputation, six task steps (two tasks, each added, started and completed), and two are a pause with
the resume that follows it.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any, Final

from holodeck.messages.codec import unpack

TEXT: Final = (
    "Hola, quisiera un café con leche y, si puede ser, una mesa cerca de la ventana; "
    "¿me recomienda algo dulce para acompañarlo?"
)
"""One turn's utterance; a turn's checkpoint then is about as long as the raw limits' payload."""
FRICTIONS: Final = ("lexical", "morphosyntactic", "phonemic", "register", "pragmatic", "cultural")
KINDS: Final = ("turn", "friction", "reputation", "task", "pause", "resume")
_TURNS, _FRICTIONS, _REPUTATIONS, _TASKS = 20, 8, 4, 2
ROUND: Final = _TURNS + _FRICTIONS + _REPUTATIONS + 3 * _TASKS + 2
"""Steps until the mix is exact again."""


@dataclass(frozen=True, slots=True)
class Step:
    """One command.

    Attributes:
        kind: one of :data:`KINDS`; a ``resume`` goes through the supervisor and has no body.
    """

    kind: str
    body: dict[str, Any]


class Script:
    """The steps of one session.

    Args:
        turn, task: how many turns were taken and tasks added before.
    """

    def __init__(self, npc: str, seed: str, *, turn: int = 0, task: int = 0) -> None:
        self._npc = npc
        self._chance = random.Random(seed)
        self._turn = turn
        self._task = task
        self._steps: deque[Step] = deque()

    def next(self) -> Step:
        if not self._steps:
            self._steps = deque(self._round())
        return self._steps.popleft()

    def _round(self) -> list[Step]:
        """Forty steps: shuffled, but each task in its order and the resume behind its pause."""
        chance = self._chance
        tasks = [f"task-{self._task + index + 1}" for index in range(_TASKS)]
        self._task += _TASKS
        slots = (
            ["turn"] * _TURNS
            + ["friction"] * _FRICTIONS
            + ["reputation"] * _REPUTATIONS
            + [name for name in tasks for _ in range(3)]
            + ["pause"]
        )
        chance.shuffle(slots)
        verbs = {name: iter(("add-task", "start-task", "complete-task")) for name in tasks}
        steps: list[Step] = []
        for slot in slots:
            match slot:
                case "turn":
                    self._turn += 1
                    body = {"kind": "take-turn", "turn": self._turn, "npc": self._npc, "text": TEXT}
                    steps.append(Step("turn", body))
                case "friction":
                    finding = {"type": chance.choice(FRICTIONS), "severity": 0.5}
                    body = {"kind": "report-friction", "finding": finding, "npc": self._npc}
                    steps.append(Step("friction", body))
                case "reputation":
                    delta = chance.choice((-0.05, 0.05, 0.1))
                    body = {"kind": "change-reputation", "npc": self._npc, "delta": delta,
                            "reason": "bench"}  # fmt: skip
                    steps.append(Step("reputation", body))
                case "pause":
                    steps.append(Step("pause", {"kind": "pause"}))
                    steps.append(Step("resume", {}))
                case task:
                    verb = next(verbs[task])
                    body = {"kind": verb, "task": task}
                    if verb == "add-task":
                        body |= {"npc": self._npc}
                    steps.append(Step("task", body))
        return steps


class TalkScript:
    """The turns of one conversation in a world, each with all that can be found in it.

    Of ten turns three hold a friction and one of these two; levels, register, forms, signals and
    pronunciation vary, so that affect, reputation, mood and what else moves do move. To an NPC that
    would break off, nothing is said that costs its openness more than six times.
    """

    def __init__(self, npc: str, seed: str, *, touchy: bool = False) -> None:
        self._npc = npc
        self._breaches = 6 if touchy else 0
        self._touchy = touchy
        self._chance = random.Random(seed)
        self._turn = 0

    def next(self) -> Step:
        self._turn += 1
        chance = self._chance
        hard = chance.random() < 0.3
        found = [
            {
                "type": chance.choice(FRICTIONS),
                "severity": round(chance.random() * (0.7 if self._touchy else 1.0), 2),
                "form": f"form-{chance.randrange(12)}",
                "said": "un café",
            }
            for _ in range(1 + (chance.random() < 1 / 3) if hard else 0)
        ]
        l1 = chance.randrange(3) if hard else 0
        aligned = chance.random() < 0.85
        breaches = [one for one in found if one["type"] in ("register", "cultural")]
        if self._touchy and (breaches or not aligned):
            cost = len(breaches) + (not aligned)
            if cost <= self._breaches:
                self._breaches -= cost
            else:
                found, aligned = [one for one in found if one not in breaches], True
        body = {
            "kind": "take-turn",
            "turn": self._turn,
            "npc": self._npc,
            "text": TEXT,
            "speaking_ms": 4000 + chance.randrange(4000),
            "signals": {"latency_ms": chance.randrange(800, 5000 if hard else 2500)},
            "heard": {
                "comprehensibility": round(0.5 + chance.random() / 2, 2),
                "phonemes": [{"phoneme": "r", "accuracy": round(chance.random(), 2)}],
            },
            "analysis": {
                "l1_words": l1,
                "l2_words": 18 - l1,
                "unique_words": 15,
                "level": "neutral",
                "aligned": aligned,
                "frictions": found,
                "forms": [f"form-{chance.randrange(12)}"],
                "comprehensibility": round(0.6 + chance.random() * 0.4, 2),
                "hedges": chance.randrange(2),
                "topic": chance.choice(("orders", "sweets", "the-table")),
            },
        }
        return Step("turn", body)


class AnswerScript:
    """The answers of one practice session, four in five of them right; each closes its feedback,
    so that the next question comes with it."""

    def __init__(self, seed: str) -> None:
        self._chance = random.Random(seed)
        self._number = 0
        self._question: dict[str, Any] = {}

    def asked(self, number: int, question: dict[str, Any]) -> None:
        """Which question is open."""
        self._number, self._question = number, question

    def heard(self, checkpoint: bytes) -> None:
        """What the last answer led to, as it was stored."""
        for event in unpack(checkpoint)["events"]:
            if event["kind"] == "question.served":
                self.asked(event["number"], event["question"])

    def next(self) -> Step:
        chance, key = self._chance, self._question["answer"]
        choices = self._question.get("choices", ())
        right = chance.random() < 0.8
        body: dict[str, Any] = {
            "kind": "answer-question",
            "number": self._number,
            "time_ms": chance.randrange(3000, 25_000),
            "proceed": True,
        }
        if choices:
            wrong = [n for n, choice in enumerate(choices) if choice != key]
            body["choice"] = list(choices).index(key) if right else chance.choice(wrong)
        else:
            body["given"] = key if right else f"{key}0"
        return Step("answer", body)


def from_the_middle(npc: str, seed: str, passed: int) -> tuple[list[Step], Script]:
    """A script as it stands after ``passed`` steps, and the few of them that have to be played.

    What follows needs only the tasks that were open then and a pause that was just made; all else
    is left out. So very many sessions are in the middle of their lives, each somewhere else, after
    one and a half commands each; from the first command on all together give the exact mix.

    Args:
        passed: 0 to :data:`ROUND`.
    """
    first = Script(npc, seed)
    turns = sum(first.next().kind == "turn" for _ in range(passed))
    script = Script(npc, seed, turn=-turns)
    steps = [script.next() for _ in range(passed)]
    done = {step.body["task"] for step in steps if step.body.get("kind") == "complete-task"}
    needed = [step for step in steps if step.kind == "task" and step.body["task"] not in done]
    if steps and steps[-1].kind == "pause":
        needed.append(steps[-1])
    return needed, script


@dataclass(slots=True)
class Tally:
    """What was acknowledged of one session.

    Attributes:
        acked: ids of acknowledged commands that led to a checkpoint.
        counts: acknowledged commands by verb (``take-turn``, ``add-task``, … ``resume``).
        moved: how far reputation moved.
        unknown: ids without an answer until their deadline.
    """

    acked: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    moved: float = 0.0
    unknown: list[str] = field(default_factory=list)
