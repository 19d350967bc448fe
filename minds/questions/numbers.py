"""Questions about numbers: places, order, rounding.

One law: a place is told by its power of ten, from 0 for the ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Annotated, Final, Literal

from pydantic import Field

from holodeck.minds.questions.family import (
    Draft,
    Family,
    Numbers,
    Params,
    Slip,
    Span,
    Value,
    listed,
    pick,
    said,
    shuffled,
    through,
)

PLACES: Final = (
    "ones", "tens", "hundreds", "thousands", "ten-thousands", "hundred-thousands", "millions",
)  # fmt: skip
_SMALL: Final = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen",
    "nineteen",
)  # fmt: skip
_TENS: Final = (
    "", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety",
)  # fmt: skip
_MILLION: Final = 1_000_000
TEN: Final = tuple(int(f"1{'0' * place}") for place in range(12))
"""The powers of ten."""


def in_words(number: int) -> str:
    """A number below a million, as it is said in British English."""
    if number < 20:
        return _SMALL[number]
    if number < 100:
        rest = number % 10
        return _TENS[number // 10] + (f"-{_SMALL[rest]}" if rest else "")
    if number < 1000:
        rest = number % 100
        return f"{_SMALL[number // 100]} hundred" + (f" and {in_words(rest)}" if rest else "")
    rest = number % 1000
    joined = f" and {in_words(rest)}" if 0 < rest < 100 else f" {in_words(rest)}" if rest else ""
    return f"{in_words(number // 1000)} thousand{joined}"


def parts(number: int) -> list[tuple[int, int]]:
    """Digit and place of each digit but zero, the highest first."""
    text = str(number)
    return [(int(one), len(text) - 1 - at) for at, one in enumerate(text) if one != "0"]


class PlaceParams(Params):
    """``numbers``: the least and the greatest; ``more`` and ``less`` step by a power of ten."""

    kinds: tuple[Literal["value", "digit", "compose", "words", "more", "less"], ...] = (
        "value",
        "digit",
        "compose",
        "words",
        "more",
        "less",
    )
    numbers: Span = (10, 99)

    @property
    def places(self) -> range:
        return range(len(str(self.numbers[1])))


class PlaceValue(Family[PlaceParams]):
    """``value``, ``digit``: number and place; ``compose``, ``words``: number; ``more``, ``less``:
    number and place."""

    name = "place-value"
    params = PlaceParams
    plain_hint = "Read the number from the right: each place is worth ten times the one before."

    def axes(self, kind: str, params: PlaceParams) -> tuple[Sequence[int], ...]:
        if kind in ("compose", "words"):
            return (through(params.numbers),)
        return (through(params.numbers), params.places)

    def fits(self, kind: str, task: Numbers, params: PlaceParams) -> bool:
        number = task[0]
        match kind:
            case "compose":
                return len(parts(number)) > 1
            case "words":
                return number < _MILLION
            case "value" | "digit":
                text = str(number)
                if task[1] >= len(text):
                    return False
                digit = text[-1 - task[1]]
                return digit != "0" and text.count(digit) == 1 and len(text) > 1
            case "more":
                return number + TEN[task[1]] <= TEN[len(str(params.numbers[1]))]
            case _:
                return number > TEN[task[1]]

    def answer(self, kind: str, task: Numbers) -> Value:
        match kind:
            case "value":
                return int(str(task[0])[-1 - task[1]]) * TEN[task[1]]
            case "digit":
                return int(str(task[0])[-1 - task[1]])
            case "more":
                return task[0] + TEN[task[1]]
            case "less":
                return task[0] - TEN[task[1]]
            case _:
                return task[0]

    def slips(self, kind: str, task: Numbers) -> Sequence[Slip]:
        number = task[0]
        text = str(number)
        match kind:
            case "value":
                digit, place = int(text[-1 - task[1]]), task[1]
                return [
                    *([("digit-alone", digit)] if place else []),
                    ("place-too-high", digit * TEN[place + 1]),
                    *([("place-too-low", digit * TEN[place - 1])] if place else []),
                    ("whole-number", number),
                ]
            case "digit":
                own = len(text) - 1 - task[1]
                mirrored = text[::-1][own]
                return [
                    ("from-the-left", int(mirrored)),
                    *(("other-place", int(one)) for at, one in enumerate(text) if at != own),
                ]
            case "more" | "less":
                sign = 1 if kind == "more" else -1
                by = TEN[task[1]]
                return [
                    ("place-too-high", number + sign * by * 10),
                    *([("place-too-low", number + sign * by // 10)] if by > 1 else []),
                    ("wrong-way", number - sign * by),
                ]
            case _:
                bare = text.replace("0", "")
                swapped = text[:-2] + text[-1] + text[-2]
                return [
                    *([("dropped-zero", int(bare))] if bare != text else []),
                    ("swapped-places", int(swapped)),
                    ("extra-zero", int(f"{text[:-1]}0{text[-1]}")),
                ]

    def recall(self, kind: str, numbers: Numbers) -> Numbers | None:
        if kind in ("value", "more", "less") and len(numbers) == 2:
            first, number = numbers
            if kind == "value" and (at := str(number).find(str(first))) >= 0:
                return number, len(str(number)) - 1 - at
            if kind != "value" and str(first).strip("0") == "1":
                return number, len(str(first)) - 1
        return None

    def word(self, kind: str, task: Numbers, params: PlaceParams, chance: Random) -> Draft:
        number = task[0]
        weight = min(2, max(0, len(str(number)) - len(str(params.numbers[0]))))
        match kind:
            case "value":
                digit, place = int(str(number)[-1 - task[1]]), task[1]
                return Draft(
                    pick(
                        chance,
                        (
                            f"What is the value of the digit {digit} in {said(number)}?",
                            f"How much is the {digit} in {said(number)} worth?",
                        ),
                    ),
                    (
                        f"In {said(number)} the digit {digit} is in the {PLACES[place]} place.",
                        f"{digit} × {TEN[place]} = {digit * TEN[place]}",
                    ),
                    "Find the place of the digit first: ones, tens, hundreds and so on.",
                    weight,
                )
            case "digit":
                place = task[1]
                digit = int(str(number)[-1 - place])
                return Draft(
                    pick(
                        chance,
                        (
                            f"Which digit is in the {PLACES[place]} place of {said(number)}?",
                            f"Look at {said(number)}. Which digit stands for the {PLACES[place]}?",
                        ),
                    ),
                    (
                        f"From the right, the places are {listed(PLACES[: place + 1])}."
                        if place
                        else "The place furthest to the right is the ones place.",
                        f"In {said(number)} the {PLACES[place]} digit is {digit}.",
                    ),
                    "Begin at the right with the ones, then go left place by place.",
                    weight,
                )
            case "compose":
                words = [
                    f"{digit} {PLACES[place] if digit > 1 else PLACES[place][:-1]}"
                    for digit, place in parts(number)
                ]
                gap = "0" in str(number)
                return Draft(
                    pick(
                        chance,
                        (
                            f"What number is {listed(words)}?",
                            f"Write as one number: {listed(words)}.",
                        ),
                    ),
                    (
                        " + ".join(str(digit * TEN[place]) for digit, place in parts(number)),
                        f"= {number}",
                        *(("A place that is not named holds a 0.",) if gap else ()),
                    ),
                    "Write what each part is worth, one under the other, and add.",
                    min(2, weight + gap),
                )
            case "words":
                gap = "0" in str(number)
                return Draft(
                    f"Write this number in digits: {in_words(number)}.",
                    (
                        " + ".join(str(digit * TEN[place]) for digit, place in parts(number))
                        or "0",
                        f"So {in_words(number)} is {number}.",
                    ),
                    "Split the words at thousand and hundred, and write each part as digits.",
                    min(2, weight + gap),
                )
            case _:
                by = TEN[task[1]]
                sign = "+" if kind == "more" else "-"
                result = number + by if kind == "more" else number - by
                turns = number // by % 10 == (9 if kind == "more" else 0)
                return Draft(
                    pick(
                        chance,
                        (
                            f"What number is {by} {kind} than {said(number)}?",
                            f"Which number is {by} {kind} than {said(number)}?",
                        ),
                    ),
                    (
                        f"Only the {PLACES[task[1]]} change first, by 1."
                        if not turns
                        else f"The {PLACES[task[1]]} pass a ten: the next place changes too.",
                        f"{number} {sign} {by} = {result}",
                    ),
                    f"Look at the {PLACES[task[1]]} place: it is the one that changes.",
                    min(2, task[1] // 2 + turns),
                )


class OrderParams(Params):
    """
    Attributes:
        numbers: the least and the greatest of the smallest number.
        spread: how far the others lie above it at most.
        steps: of number lines.
    """

    kinds: tuple[Literal["largest", "smallest", "gap", "halfway"], ...] = (
        "largest",
        "smallest",
        "gap",
        "halfway",
    )
    numbers: Span = (100, 999)
    spread: Annotated[int, Field(ge=4, le=1_000_000)] = 300
    steps: Annotated[tuple[Annotated[int, Field(ge=1, le=100_000)], ...], Field(min_length=1)] = (
        5,
        10,
        50,
        100,
    )


class OrderNumbers(Family[OrderParams]):
    """``largest``, ``smallest``: the smallest of four and the others' distances from it, rising;
    ``gap``: start, step and missing place of five; ``halfway``: start and half the distance."""

    name = "order-numbers"
    params = OrderParams
    plain_hint = "Compare the highest place first, then go to the right."

    def axes(self, kind: str, params: OrderParams) -> tuple[Sequence[int], ...]:
        start = through(params.numbers)
        match kind:
            case "gap":
                return start, params.steps, range(1, 4)
            case "halfway":
                return start, params.steps
            case _:
                far = range(1, params.spread + 1)
                return start, far, far, far

    def fits(self, kind: str, task: Numbers, params: OrderParams) -> bool:
        match kind:
            case "gap" | "halfway":
                return task[0] % task[1] == 0
            case _:
                return task[1] < task[2] < task[3]

    def answer(self, kind: str, task: Numbers) -> Value:
        match kind:
            case "largest":
                return task[0] + task[3]
            case "smallest":
                return task[0]
            case "gap":
                return task[0] + task[1] * task[2]
            case _:
                return task[0] + task[1]

    def slips(self, kind: str, task: Numbers) -> Sequence[Slip]:
        match kind:
            case "gap":
                key = task[0] + task[1] * task[2]
                return [("one-more", key - task[1] + 1), ("step-lost", key + task[1])]
            case "halfway":
                start, half = task
                return [("distance", 2 * half), ("far-end", start + 2 * half), ("half", half)]
            case _:
                return ()

    def word(self, kind: str, task: Numbers, params: OrderParams, chance: Random) -> Draft:
        match kind:
            case "gap":
                start, step, missing = task
                key = start + step * missing
                row = [said(start + step * at) if at != missing else "?" for at in range(5)]
                return Draft(
                    f"Which number is missing: {', '.join(row)}?",
                    (f"The numbers go up by {step}.", f"{key - step} + {step} = {key}"),
                    "Look how far it is from one number to the next.",
                    (step not in (1, 10, 100)) + (start >= 1000),
                )
            case "halfway":
                start, half = task
                return Draft(
                    pick(
                        chance,
                        (
                            "Which number is halfway between "
                            f"{said(start)} and {said(start + 2 * half)}?",
                            f"A number line has marks at {said(start)} and "
                            f"{said(start + 2 * half)}. Which number is in the middle?",
                        ),
                    ),
                    (
                        f"From {start} to {start + 2 * half} it is {2 * half}, half of it {half}.",
                        f"{start} + {half} = {start + half}",
                    ),
                    "Take half of the distance and add it to the smaller number.",
                    (half % 10 != 0) + (start >= 1000),
                )
            case _:
                four = [task[0], *(task[0] + far for far in task[1:])]
                key = four[-1] if kind == "largest" else four[0]
                close = task[3] <= 30
                rival = four[-2] if kind == "largest" else four[1]
                return Draft(
                    f"Which of these numbers is the {kind}: "
                    f"{', '.join(said(one) for one in shuffled(chance, four))}?",
                    (
                        "Compare the places from the left: the first that differs decides.",
                        f"{key} is {'more' if kind == 'largest' else 'less'} than {rival}, "
                        f"so the {kind} is {key}.",
                    ),
                    "Compare the highest place first, then go to the right.",
                    2 * close if len(str(four[0])) == len(str(four[-1])) else 1,
                    options=four,
                )


class RoundParams(Params):
    """``units``: powers of ten to round to."""

    kinds: tuple[Literal["plain"], ...] = ("plain",)
    numbers: Span = (11, 999)
    units: Annotated[
        tuple[Literal[10, 100, 1000, 10_000, 100_000], ...], Field(min_length=1, max_length=5)
    ] = (10, 100)


class Rounding(Family[RoundParams]):
    """Number and unit; a number in the middle goes up."""

    name = "rounding"
    params = RoundParams
    plain_hint = "Look at the digit to the right of the place: from five on, go up."

    def axes(self, kind: str, params: RoundParams) -> tuple[Sequence[int], ...]:
        return through(params.numbers), params.units

    def fits(self, kind: str, task: Numbers, params: RoundParams) -> bool:
        return task[0] % task[1] != 0 and task[0] > task[1]

    def answer(self, kind: str, task: Numbers) -> Value:
        number, unit = task
        return (number + unit // 2) // unit * unit

    def slips(self, kind: str, task: Numbers) -> Sequence[Slip]:
        number, unit = task
        down = number // unit * unit
        up = down + unit
        middle = number % unit == unit // 2
        other = down if number % unit >= unit // 2 else up
        small, big = unit // 10, unit * 10
        return [
            ("middle-down" if middle else "wrong-direction", other),
            *([("smaller-unit", (number + small // 2) // small * small)] if unit > 10 else []),
            ("greater-unit", (number + big // 2) // big * big),
        ]

    def word(self, kind: str, task: Numbers, params: RoundParams, chance: Random) -> Draft:
        number, unit = task
        down = number // unit * unit
        up = down + unit
        key = (number + unit // 2) // unit * unit
        digit = number % unit // (unit // 10)
        rule = "less than 5: down" if digit < 5 else "5 or more: up"
        carries = key == up and str(up).count("0") > str(unit).count("0")
        return Draft(
            pick(
                chance,
                (
                    f"Round {said(number)} to the nearest {said(unit)}.",
                    f"What is {said(number)}, rounded to the nearest {said(unit)}?",
                ),
            ),
            (
                f"{said(number)} lies between {said(down)} and {said(up)}.",
                f"The digit after the place is {digit}, {rule}.",
                f"Rounded: {key}",
            ),
            f"Between which two multiples of {said(unit)} does {said(number)} lie, "
            "and which is nearer?",
            (digit == 5) + carries,
        )


FAMILIES: Final = (PlaceValue(), OrderNumbers(), Rounding())
