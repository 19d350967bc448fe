"""Questions of adding and taking away.

One law: a task's numbers stand in the order of the calculation, and the addends of a sum from the
greatest down, for their order is no new task.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from random import Random
from typing import Annotated, Final, Literal

from pydantic import Field

from holodeck.minds.questions import stories
from holodeck.minds.questions.family import (
    Draft,
    Family,
    Numbers,
    Params,
    Slip,
    Span,
    Value,
    pick,
    said,
    shuffled,
    through,
)

_PLACES: Final = ("Ones", "Tens", "Hundreds", "Thousands", "Ten-thousands")
Crossing = Literal["none", "any", "some"]
"""Whether a ten is passed: never, as it comes, or at least once."""


def carries(addends: Sequence[int]) -> int:
    """How often a ten is carried."""
    count = carry = 0
    rest = list(addends)
    while any(rest) or carry:
        carry = (sum(one % 10 for one in rest) + carry) // 10
        count += carry > 0
        rest = [one // 10 for one in rest]
    return count


def borrows(high: int, low: int) -> int:
    """How often a ten is broken."""
    count = borrow = 0
    while low or borrow:
        borrow = int(high % 10 - borrow < low % 10)
        count += borrow
        high, low = high // 10, low // 10
    return count


def _digitwise(high: int, low: int, by: Callable[[int, int], int]) -> int:
    """Both numbers place by place, without regard to the next place."""
    out, unit = 0, 1
    while high or low:
        out += by(high % 10, low % 10) % 10 * unit
        high, low, unit = high // 10, low // 10, unit * 10
    return out


def _column_sum(a: int, b: int) -> list[str]:
    """The written addition in at most five lines."""
    if max(a, b) <= 10:
        if a + b <= 10:
            return [f"Start at {a} and count on {b}.", f"{a} + {b} = {a + b}"]
        fill = 10 - a
        return [f"Make ten: {a} + {fill} = 10, and {b - fill} more.", f"{a} + {b} = {a + b}"]
    lines, carry, place = [], 0, 0
    left, right = a, b
    while left or right:
        x, y = left % 10, right % 10
        total = x + y + carry
        parts = f"{x} + {y}" + (" + 1" if carry else "")
        more = left >= 10 or right >= 10
        carried = f", write {total % 10} and carry 1" if total > 9 and more else ""
        lines.append(f"{_PLACES[place]}: {parts} = {total}{carried}.")
        carry = total // 10
        left, right, place = left // 10, right // 10, place + 1
    return [*lines[:4], f"{a} + {b} = {a + b}"]


def _column_difference(a: int, b: int) -> list[str]:
    """The written subtraction in at most five lines."""
    if a <= 20 and b <= 10:
        if a > 10 > a - b and (fill := a - 10) < b:
            return [
                f"First to ten: {a} - {fill} = 10, then {b - fill} more.",
                f"{a} - {b} = {a - b}",
            ]
        return [f"Start at {a} and count back {b}.", f"{a} - {b} = {a - b}"]
    lines, borrow, place = [], 0, 0
    left, right = a, b
    while left:
        x, y = left % 10 - borrow, right % 10
        borrow = int(x < y)
        taken = " (one ten taken from the next place)" if borrow else ""
        if y or borrow or x >= 0:
            lines.append(
                f"{_PLACES[place]}: {x + 10 * borrow} - {y} = {x + 10 * borrow - y}{taken}."
            )
        left, right, place = left // 10, right // 10, place + 1
    return [*lines[:4], f"{a} - {b} = {a - b}"]


class SumParams(Params):
    """
    Attributes:
        addends: how many.
        numbers: the least and the greatest of each.
        total: the greatest total, 0 for any.
        carry: ``none`` for sums that pass no ten, ``some`` for those that do.
    """

    kinds: tuple[Literal["plain", "missing", "story"], ...] = ("plain", "missing", "story")
    addends: Annotated[int, Field(ge=2, le=4)] = 2
    numbers: Span = (1, 10)
    total: Annotated[int, Field(ge=0)] = 0
    carry: Crossing = "any"


class Addition(Family[SumParams]):
    """``plain``, ``story``: the addends; ``missing``: the known and the unknown one."""

    name = "addition"
    params = SumParams
    plain_hint = "Add the ones first and mind the tens that come of it."

    def axes(self, kind: str, params: SumParams) -> tuple[Sequence[int], ...]:
        count = params.addends if kind == "plain" else 2
        return (through(params.numbers),) * count

    def fits(self, kind: str, task: Numbers, params: SumParams) -> bool:
        if kind != "missing" and any(a < b for a, b in pairwise(task)):
            return False
        if kind == "story" and task[-1] < 2:
            return False
        if params.total and sum(task) > params.total:
            return False
        return params.carry == "any" or (carries(task) > 0) == (params.carry == "some")

    def answer(self, kind: str, task: Numbers) -> Value:
        return task[1] if kind == "missing" else sum(task)

    def slips(self, kind: str, task: Numbers) -> Sequence[Slip]:
        first, *rest = task
        total = sum(task)
        if kind == "missing":
            return [
                ("added", first + total),
                ("off-by-ten", task[1] + 10),
                ("off-by-one", task[1] + 1),
            ]
        found: list[Slip] = []
        if len(task) == 2 and (loose := _digitwise(*task, int.__add__)) != total:
            found.append(("no-carry", loose))
            if total >= 100 and loose != total - 10 and carries(task) > 1:
                found.append(("no-carry", total - 10))
        if len(task) > 2:
            found += [("one-left-out", total - rest[-1]), ("off-by-ten", total - 10)]
        elif first != rest[0]:
            found.append(("subtracted", first - rest[0]))
        found.append(("off-by-ten", total + 10))
        return found

    def recall(self, kind: str, numbers: Numbers) -> Numbers | None:
        if kind == "missing":
            shown = tuple(sorted(numbers))
            return (shown[0], shown[1] - shown[0]) if len(shown) == 2 else None
        return tuple(sorted(numbers, reverse=True))

    def word(self, kind: str, task: Numbers, params: SumParams, chance: Random) -> Draft:
        many = carries(task)
        weight = min(2, many + (len(task) > 2) + (kind == "missing" and max(task) > 20))
        if kind == "missing":
            a, b = task
            left, right = (said(a), "?") if chance.random() < 0.5 else ("?", said(a))
            return Draft(
                pick(
                    chance,
                    (
                        f"Which number is missing? {left} + {right} = {said(a + b)}",
                        f"What must be added to {said(a)} to make {said(a + b)}?",
                    ),
                ),
                (f"The missing part is the total less {a}.", f"{a + b} - {a} = {b}"),
                f"How far is it from {said(a)} up to {said(a + b)}?",
                weight,
            )
        total = sum(task)
        order = shuffled(chance, task)
        if len(task) > 2:
            lines, sofar = [], order[0]
            for one in order[1:]:
                lines.append(f"{sofar} + {one} = {sofar + one}")
                sofar += one
            text = f"What is {' + '.join(said(one) for one in order)}?"
            return Draft(text, lines, "Add two of them first, then the next.", weight)
        a, b = order
        text = (
            stories.tell(chance, stories.ADDING, a, b)
            if kind == "story"
            else pick(
                chance,
                (
                    f"What is {said(a)} + {said(b)}?",
                    f"{said(a)} + {said(b)} = ?",
                    f"Find the sum of {said(a)} and {said(b)}.",
                ),
            )
        )
        hint = (
            "Fill up to ten first."
            if total <= 20
            else "Add ones, then tens, and carry what is over nine."
        )
        return Draft(text, _column_sum(*task), hint, weight)


class DifferenceParams(Params):
    """
    Attributes:
        high, low: of the number that is taken from, and of the one that is taken.
        borrow: ``some`` for those where a ten is broken.
        across_zero: only tasks where a ten is broken across a zero.
    """

    kinds: tuple[Literal["plain", "missing", "story"], ...] = ("plain", "missing", "story")
    high: Span = (2, 20)
    low: Span = (1, 10)
    borrow: Crossing = "any"
    across_zero: bool = False


class Subtraction(Family[DifferenceParams]):
    """``plain``, ``story``: from and how much; ``missing``: from and the unknown."""

    name = "subtraction"
    params = DifferenceParams
    plain_hint = "Take away the ones first; if there are too few, break up a ten."

    def axes(self, kind: str, params: DifferenceParams) -> tuple[Sequence[int], ...]:
        return through(params.high), through(params.low)

    def fits(self, kind: str, task: Numbers, params: DifferenceParams) -> bool:
        a, b = task
        if a <= b or (kind == "story" and (b < 2 or a - b < 2)):
            return False
        crossing = borrows(a, b)
        if params.across_zero and not (crossing and a // 10 % 10 == 0 and a % 10 < b % 10):
            return False
        return params.borrow == "any" or (crossing > 0) == (params.borrow == "some")

    def answer(self, kind: str, task: Numbers) -> Value:
        return task[1] if kind == "missing" else task[0] - task[1]

    def slips(self, kind: str, task: Numbers) -> Sequence[Slip]:
        a, b = task
        if kind == "missing":
            return [("added", 2 * a - b), ("off-by-ten", b + 10), ("off-by-one", b + 1)]
        found: list[Slip] = []
        if borrows(a, b):
            found += [
                ("smaller-from-larger", _digitwise(a, b, lambda x, y: abs(x - y))),
                ("ten-not-taken", a - b + 10),
            ]
        return [*found, ("added", a + b), ("off-by-one", a - b + 1)]

    def recall(self, kind: str, numbers: Numbers) -> Numbers | None:
        if len(numbers) != 2:
            return None
        high, low = max(numbers), min(numbers)
        return (high, high - low) if kind == "missing" else (high, low)

    def word(self, kind: str, task: Numbers, params: DifferenceParams, chance: Random) -> Draft:
        a, b = task
        crossing = borrows(a, b)
        zero = crossing > 0 and "0" in str(a)[1:]
        weight = min(2, crossing + zero)
        if kind == "missing":
            return Draft(
                pick(
                    chance,
                    (
                        f"Which number is missing? {said(a)} - ? = {said(a - b)}",
                        f"What must be taken from {said(a)} to leave {said(a - b)}?",
                    ),
                ),
                (f"From {a} down to {a - b} it is {b}.", f"{a} - {a - b} = {b}"),
                f"How far is it from {said(a - b)} up to {said(a)}?",
                weight,
            )
        text = (
            stories.tell(chance, stories.TAKING, a, b)
            if kind == "story"
            else pick(
                chance,
                (
                    f"What is {said(a)} - {said(b)}?",
                    f"{said(a)} - {said(b)} = ?",
                    f"Take {said(b)} away from {said(a)}. What is left?",
                    f"Find the difference of {said(a)} and {said(b)}.",
                ),
            )
        )
        hint = (
            "Go down to ten first."
            if a <= 20
            else "Where the upper digit is too small, break up one of the next place."
        )
        return Draft(text, _column_difference(a, b), hint, weight)


class TwoStepParams(Params):
    """``first``, ``other``: of the number at the start, and of the two that change it."""

    kinds: tuple[Literal["more-more", "more-less", "less-more", "less-less"], ...] = (
        "more-more",
        "more-less",
        "less-more",
        "less-less",
    )
    first: Span = (50, 400)
    other: Span = (10, 200)


_TWO_STEPS: Final = {
    "more-more": (1, 1, stories.MORE_THEN_MORE),
    "more-less": (1, -1, stories.MORE_THEN_LESS),
    "less-more": (-1, 1, stories.LESS_THEN_MORE),
    "less-less": (-1, -1, stories.LESS_THEN_LESS),
}


class TwoStepStory(Family[TwoStepParams]):
    """The start and the two changes, as the kind has them."""

    name = "two-step-story"
    params = TwoStepParams
    plain_hint = "Do one thing after the other: what is there after the first change?"

    def axes(self, kind: str, params: TwoStepParams) -> tuple[Sequence[int], ...]:
        other = through(params.other)
        return through(params.first), other, other

    def fits(self, kind: str, task: Numbers, params: TwoStepParams) -> bool:
        one, two, _ = _TWO_STEPS[kind]
        between = task[0] + one * task[1]
        return between > 1 and between + two * task[2] > 1

    def answer(self, kind: str, task: Numbers) -> Value:
        one, two, _ = _TWO_STEPS[kind]
        return task[0] + one * task[1] + two * task[2]

    def slips(self, kind: str, task: Numbers) -> Sequence[Slip]:
        one, two, _ = _TWO_STEPS[kind]
        a, b, c = task
        return [
            ("one-step-only", a + one * b),
            ("second-way-wrong", a + one * b - two * c),
            ("first-way-wrong", a - one * b + two * c),
            ("all-added", a + b + c),
        ]

    def word(self, kind: str, task: Numbers, params: TwoStepParams, chance: Random) -> Draft:
        one, two, told = _TWO_STEPS[kind]
        a, b, c = task
        between = a + one * b
        key = between + two * c
        signs = ["+" if way > 0 else "-" for way in (one, two)]
        crossing = carries((a, b)) if one > 0 else borrows(a, b)
        crossing += carries((between, c)) if two > 0 else borrows(between, c)
        return Draft(
            stories.tell(chance, told, a, b, c),
            (f"First: {a} {signs[0]} {b} = {between}", f"Then: {between} {signs[1]} {c} = {key}"),
            "Do one thing after the other: what is there after the first change?",
            min(2, crossing // 2 + (one != two)),
        )


FAMILIES: Final = (Addition(), Subtraction(), TwoStepStory())
