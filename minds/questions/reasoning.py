"""Questions of why a calculation is right: which other one must come to the same.

One law: an option is a calculation or an equation; of equations just one is true, of calculations
just one has the value asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Final, Literal

from holodeck.minds.questions.family import (
    Draft,
    Family,
    Numbers,
    Params,
    Slip,
    Span,
    Value,
    pick,
    through,
)


class ReasonParams(Params):
    """``numbers``: of the operands."""

    kinds: tuple[Literal["commute", "distribute", "inverse", "compensate"], ...] = (
        "commute",
        "distribute",
        "inverse",
        "compensate",
    )
    numbers: Span = (3, 12)


class Reasoning(Family[ReasonParams]):
    """``commute``, ``inverse``: two factors; ``distribute``: a factor and the ones of a number
    from 11 to 19; ``compensate``: a number, and what lies just below a ten."""

    name = "reasoning"
    params = ReasonParams
    plain_hint = "Calculate nothing at first: what does each option do to the numbers?"

    def axes(self, kind: str, params: ReasonParams) -> tuple[Sequence[int], ...]:
        numbers = through(params.numbers)
        match kind:
            case "distribute":
                return numbers, range(2, 10)
            case "compensate":
                return range(21, 90), (8, 9, 18, 19, 28, 29)
            case _:
                return numbers, numbers

    def fits(self, kind: str, task: Numbers, params: ReasonParams) -> bool:
        a, b = task
        match kind:
            case "distribute":
                return a > 1
            case "compensate":
                return a % 10 != 0
            case _:
                return a != b and min(a, b) > 2

    def answer(self, kind: str, task: Numbers) -> Value:
        a, b = task
        match kind:
            case "commute":
                return f"{b} × {a}"
            case "distribute":
                return f"{a} × 10 + {a} × {b}"
            case "inverse":
                return f"{a * b} ÷ {b} = {a}"
            case _:
                tens = -(-b // 10) * 10
                return f"{a} + {tens} - {tens - b}"

    def slips(self, kind: str, task: Numbers) -> Sequence[Slip]:
        a, b = task
        match kind:
            case "commute":
                return [
                    ("added", f"{b} + {a}"),
                    ("neighbour-fact", f"{b} × {a + 1}"),
                    ("both-changed", f"{b + 1} × {a + 1}"),
                ]
            case "distribute":
                return [
                    ("one-part-only", f"{a} × 10 + {b}"),
                    ("tens-as-ones", f"{a} × 1 + {a} × {b}"),
                    ("all-multiplied", f"{a} × 10 × {b}"),
                ]
            case "inverse":
                return [
                    ("swapped-roles", f"{b} ÷ {a * b} = {a}"),
                    ("same-divisor", f"{a * b} ÷ {a} = {a}"),
                    ("difference", f"{a * b} - {b} = {a}"),
                ]
            case _:
                tens = -(-b // 10) * 10
                return [
                    ("wrong-way", f"{a} + {tens} + {tens - b}"),
                    ("not-taken-back", f"{a} + {tens}"),
                    ("ten-too-little", f"{a} + {tens - 10} - {tens - b}"),
                ]

    def word(self, kind: str, task: Numbers, params: ReasonParams, chance: Random) -> Draft:
        a, b = task
        match kind:
            case "commute":
                return Draft(
                    pick(
                        chance,
                        (
                            f"Which calculation has the same result as {a} × {b}?",
                            f"What comes to the same as {a} × {b}?",
                        ),
                    ),
                    ("The order of factors does not matter.", f"{a} × {b} = {b} × {a}"),
                    "What may be changed in a product without changing the result?",
                    a * b > 50,
                )
            case "distribute":
                return Draft(
                    pick(
                        chance,
                        (
                            f"Which calculation has the same result as {a} × {10 + b}?",
                            f"How can {a} × {10 + b} be worked out in parts?",
                        ),
                    ),
                    (
                        f"{10 + b} = 10 + {b}, and both parts are multiplied by {a}.",
                        f"{a} × {10 + b} = {a} × 10 + {a} × {b}",
                    ),
                    f"Split {10 + b} into tens and ones: what happens to each part?",
                    1 + (b > 5),
                )
            case "inverse":
                return Draft(
                    f"{a} × {b} = {a * b}. Which of these must be true too?",
                    ("Dividing undoes multiplying.", f"{a * b} ÷ {b} = {a}"),
                    "Which calculation undoes the multiplication?",
                    1,
                )
            case _:
                tens = -(-b // 10) * 10
                return Draft(
                    f"Which calculation has the same result as {a} + {b}?",
                    (
                        f"{b} is {tens - b} less than {tens}: add {tens} and take {tens - b} away.",
                        f"{a} + {b} = {a} + {tens} - {tens - b}",
                    ),
                    "Which round number is near, and what must be put right afterwards?",
                    1 + (b > 10),
                )


FAMILIES: Final = (Reasoning(),)
