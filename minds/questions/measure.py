"""Questions about measures: money, time, lengths, areas, units.

One law: times of day are minutes since midnight, money is in cents, and a key is in the unit that
the words ask for.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
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
    through,
)
from holodeck.minds.questions.sums import borrows, carries

_PAID: Final = (10, 20, 50, 100, 200, 500, 1000)
Coin = Annotated[int, Field(ge=1, le=500)]


def _of_coins(count: int, value: int) -> str:
    cents = "1 cent" if value == 1 else f"{value} cents"
    return f"one coin of {cents}" if count == 1 else f"{count} coins of {cents}"


class CoinParams(Params):
    """``coins``: their values in cents; ``total``: of all, and of prices, in cents."""

    kinds: tuple[Literal["count", "change", "total"], ...] = ("count", "change", "total")
    coins: Annotated[tuple[Coin, ...], Field(min_length=2, max_length=12)] = (1, 2, 5, 10, 20, 50)
    total: Span = (10, 100)


class Coins(Family[CoinParams]):
    """``count``: how many of which coin, twice, the greater coin first; ``change``: price and what
    is paid; ``total``: two prices, the greater first."""

    name = "coins"
    params = CoinParams
    plain_hint = "Begin with the greatest amount and go on from there."

    def axes(self, kind: str, params: CoinParams) -> tuple[Sequence[int], ...]:
        match kind:
            case "count":
                return range(1, 7), params.coins, range(1, 7), params.coins
            case "change":
                return through(params.total), [one for one in _PAID if one <= 2 * params.total[1]]
            case _:
                return through(params.total), through(params.total)

    def fits(self, kind: str, task: Numbers, params: CoinParams) -> bool:
        low, high = params.total
        match kind:
            case "count":
                a, x, b, y = task
                return x > y and low <= a * x + b * y <= high and a + b > 2
            case "change":
                price, paid = task
                return price < paid and all(one < price or one >= paid for one in _PAID)
            case _:
                return task[0] >= task[1] and sum(task) <= high

    def answer(self, kind: str, task: Numbers) -> Value:
        match kind:
            case "count":
                a, x, b, y = task
                return a * x + b * y
            case "change":
                return task[1] - task[0]
            case _:
                return task[0] + task[1]

    def slips(self, kind: str, task: Numbers) -> Sequence[Slip]:
        match kind:
            case "count":
                a, x, b, y = task
                return [
                    ("coins-counted", a + b),
                    ("one-kind-only", a * x),
                    ("values-swapped", a * y + b * x),
                ]
            case "change":
                price, paid = task
                left = paid - price
                found = [("ten-not-taken", left + 10)] if borrows(paid, price) else []
                return [*found, ("added", paid + price), ("off-by-ten", max(1, left - 10))]
            case _:
                a, b = task
                found = [("no-carry", a + b - 10)] if carries((a, b)) else []
                return [*found, ("subtracted", a - b), ("off-by-ten", a + b + 10)]

    def recall(self, kind: str, numbers: Numbers) -> Numbers | None:
        if kind == "change":
            return (min(numbers), max(numbers)) if len(numbers) == 2 else None
        return tuple(sorted(numbers, reverse=True)) if kind == "total" else numbers

    def word(self, kind: str, task: Numbers, params: CoinParams, chance: Random) -> Draft:
        name = pick(chance, stories.NAMES)
        match kind:
            case "count":
                a, x, b, y = task
                first, second = a * x, b * y
                return Draft(
                    pick(
                        chance,
                        (
                            f"{name} has {_of_coins(a, x)} and {_of_coins(b, y)}. "
                            "How many cents is that?",
                            f"In a purse are {_of_coins(a, x)} and {_of_coins(b, y)}. "
                            "How many cents are in it?",
                        ),
                    ),
                    (
                        f"{a} × {x} = {first} and {b} × {y} = {second}",
                        f"{first} + {second} = {first + second}",
                    ),
                    "Count the coins of each sort by their value, then put both together.",
                    (a + b > 5) + (carries((first, second)) > 0),
                    unit="cents",
                )
            case "change":
                price, paid = task
                thing = pick(chance, ("a bun", "a pencil", "an apple", "a postcard", "a ticket"))
                ten = -(-price // 10) * 10
                steps = (
                    (f"{price} and {ten - price} is {ten}.", f"{ten} and {paid - ten} is {paid}.")
                    if price < ten < paid
                    else ()
                )
                return Draft(
                    pick(
                        chance,
                        (
                            f"{name} buys {thing} for {price} cents and pays with {paid} cents. "
                            "How many cents come back?",
                            f"{thing.capitalize()} costs {price} cents. {name} pays {paid} cents. "
                            "How many cents is the change?",
                        ),
                    ),
                    (
                        "The change is what was paid less the price.",
                        *steps,
                        f"{paid} - {price} = {paid - price}",
                    ),
                    "Count up from the price to the next ten, then to what was paid.",
                    borrows(paid, price),
                    unit="cents",
                )
            case _:
                a, b = task if chance.random() < 0.5 else (task[1], task[0])
                return Draft(
                    pick(
                        chance,
                        (
                            f"{name} buys a bun for {a} cents and milk for {b} cents. "
                            "How many cents is that together?",
                            f"A card costs {a} cents, a stamp {b} cents. "
                            "How many cents do both cost?",
                        ),
                    ),
                    ("Both prices are added.", f"{a} + {b} = {a + b}"),
                    "Add the tens first, then the ones.",
                    min(2, carries((a, b))),
                    unit="cents",
                )


def _clock(minutes: int) -> str:
    return f"{minutes // 60}:{minutes % 60:02}"


def _near_times(chance: Random, minutes: int) -> list[Value]:
    steps = (60, -60, 10, -10, 5, -5, 30)
    sign = 1 if chance.random() < 0.5 else -1
    return [_clock((minutes - 60 + sign * by) % 720 + 60) for by in steps]


def _hour(number: int) -> int:
    """On a clock with twelve hours."""
    return (number - 1) % 12 + 1


class ClockParams(Params):
    """``step``: minutes between the times asked for."""

    kinds: tuple[Literal["minutes", "hand", "read", "spoken", "to-next"], ...] = (
        "minutes",
        "hand",
        "read",
        "spoken",
        "to-next",
    )
    step: Literal[5, 10, 15, 30] = 5


_SPOKEN: Final = {
    5: "five past", 10: "ten past", 15: "quarter past", 20: "twenty past",
    25: "twenty-five past", 30: "half past", 35: "twenty-five to", 40: "twenty to",
    45: "quarter to", 50: "ten to", 55: "five to",
}  # fmt: skip


class Clock(Family[ClockParams]):
    """``minutes``, ``hand``: minutes past the hour; ``read``, ``spoken``, ``to-next``: hour and
    minutes past it."""

    name = "clock"
    params = ClockParams
    plain_hint = "The long hand shows the minutes: from one number to the next it takes five."

    def axes(self, kind: str, params: ClockParams) -> tuple[Sequence[int], ...]:
        past = range(params.step, 60, params.step)
        return (past,) if kind in ("minutes", "hand") else (range(1, 13), past)

    def answer(self, kind: str, task: Numbers) -> Value:
        match kind:
            case "minutes":
                return task[0]
            case "hand":
                return task[0] // 5
            case "to-next":
                return 60 - task[1]
            case _:
                return f"{task[0]}:{task[1]:02}"

    def slips(self, kind: str, task: Numbers) -> Sequence[Slip]:
        match kind:
            case "minutes":
                return [("number-for-minutes", task[0] // 5), ("tens", task[0] * 2)]
            case "hand":
                return [("minutes-for-number", task[0]), ("tens", task[0] // 10)]
            case "to-next":
                return [("minutes-past", task[1]), ("hundred-minutes", 100 - task[1])]
            case _:
                hour, past = task
                found: list[Slip] = [("next-hour", f"{_hour(hour + 1)}:{past:02}")]
                if kind == "spoken" and past > 30:
                    found.append(("to-for-past", f"{_hour(hour + 1)}:{60 - past:02}"))
                if kind == "read":
                    found.append(("hands-swapped", f"{past // 5}:{hour % 12 * 5:02}"))
                    found.append(("number-for-minutes", f"{hour}:{past // 5:02}"))
                return found

    def others(self, kind: str, task: Numbers, chance: Random) -> Sequence[Value]:
        return _near_times(chance, task[0] * 60 + task[1]) if kind in ("read", "spoken") else ()

    def recall(self, kind: str, numbers: Numbers) -> Numbers | None:
        match kind:
            case "minutes":
                return (numbers[0] * 5,) if numbers else None
            case "to-next":
                return numbers[:2]
            case _:
                return numbers

    def word(self, kind: str, task: Numbers, params: ClockParams, chance: Random) -> Draft:
        match kind:
            case "minutes":
                (past,) = task
                return Draft(
                    f"The long hand of a clock points at the {past // 5}. "
                    "How many minutes past the hour is it?",
                    ("From one number to the next it is 5 minutes.", f"{past // 5} × 5 = {past}"),
                    "Count in fives from the top of the clock.",
                    past > 30,
                    unit="minutes",
                )
            case "hand":
                (past,) = task
                return Draft(
                    f"It is {past} minutes past the hour. "
                    "At which number of the clock does the long hand point?",
                    ("From one number to the next it is 5 minutes.", f"{past} ÷ 5 = {past // 5}"),
                    "Count in fives from the top of the clock.",
                    1 + (past > 30),
                )
            case "to-next":
                hour, past = task
                return Draft(
                    f"It is {hour}:{past:02}. How many minutes is it until {_hour(hour + 1)}:00?",
                    ("An hour has 60 minutes.", f"60 - {past} = {60 - past}"),
                    "Count on in fives to the full hour.",
                    1 + (past % 10 != 0),
                    unit="minutes",
                )
            case "spoken":
                hour, past = task
                named = hour if past <= 30 else _hour(hour + 1)
                key = f"{hour}:{past:02}"
                return Draft(
                    f"Which time is {_SPOKEN[past]} {named}?",
                    (
                        f"{_SPOKEN[past].capitalize()} {named}: {past} minutes "
                        f"after {hour} o'clock."
                        if past <= 30
                        else f"{_SPOKEN[past].capitalize()} {named}: {60 - past} minutes "
                        f"before {named} o'clock.",
                        f"The time is {key}.",
                    ),
                    "Past means after the full hour, to means before it.",
                    1 + (past > 30),
                )
            case _:
                hour, past = task
                key = f"{hour}:{past:02}"
                return Draft(
                    f"The short hand is between {hour} and {_hour(hour + 1)}, "
                    f"the long hand points at {past // 5}. What time is it?",
                    (
                        f"The short hand has passed {hour}: the hour is {hour}.",
                        f"The long hand: {past // 5} × 5 = {past} minutes.",
                        f"It is {key}.",
                    ),
                    "The hour is the number the short hand has passed.",
                    1 + (past > 30),
                )


class ElapsedParams(Params):
    """``minutes``: how long it lasts; ``hours``: when it begins, on a clock with 24 hours."""

    kinds: tuple[Literal["duration", "end", "start"], ...] = ("duration", "end", "start")
    step: Literal[1, 5, 10, 15] = 5
    minutes: Span = (10, 90)
    hours: Span = (7, 17)


class ElapsedTime(Family[ElapsedParams]):
    """When it begins, in minutes since midnight, and how many minutes it lasts."""

    name = "elapsed-time"
    params = ElapsedParams
    plain_hint = "Go to the next full hour first: an hour has sixty minutes, not a hundred."

    def axes(self, kind: str, params: ElapsedParams) -> tuple[Sequence[int], ...]:
        low, high = params.hours
        step = params.step
        least = -(-params.minutes[0] // step) * step
        starts = range(low * 60, min(high, 22) * 60 + 60, step)
        return starts, range(least, params.minutes[1] + 1, step)

    def fits(self, kind: str, task: Numbers, params: ElapsedParams) -> bool:
        return task[0] + task[1] < 24 * 60

    def answer(self, kind: str, task: Numbers) -> Value:
        start, length = task
        match kind:
            case "duration":
                return length
            case "end":
                return _clock(start + length)
            case _:
                return _clock(start)

    def slips(self, kind: str, task: Numbers) -> Sequence[Slip]:
        start, length = task
        end = start + length
        if kind == "duration":
            plain = (end // 60 - start // 60) * 100 + end % 60 - start % 60
            found: list[Slip] = [("hundred-minutes", plain)] if plain != length else []
            if length > 60:
                found.append(("hour-lost", length - 60))
            return [*found, ("minutes-only", abs(end % 60 - start % 60))]
        if kind == "end":
            loose = start // 60 * 100 + start % 60 + length
            found = []
            if loose % 100 < 60 and (wrong := f"{loose // 100}:{loose % 100:02}") != _clock(end):
                found.append(("hundred-minutes", wrong))
            return [*found, ("hour-lost", _clock(start // 60 * 60 + end % 60))]
        loose = end // 60 * 100 + end % 60 - length
        found = []
        if loose % 100 < 60 and (wrong := f"{loose // 100}:{loose % 100:02}") != _clock(start):
            found.append(("hundred-minutes", wrong))
        return [*found, ("wrong-way", _clock((end + length) % 1440))]

    def others(self, kind: str, task: Numbers, chance: Random) -> Sequence[Value]:
        if kind == "duration":
            return ()
        at = task[0] + (task[1] if kind == "end" else 0)
        sign = 1 if chance.random() < 0.5 else -1
        return [_clock((at + sign * by) % 1440) for by in (10, 60, -10, -60, 5)]

    def recall(self, kind: str, numbers: Numbers) -> Numbers | None:
        if kind == "duration" and len(numbers) == 4:
            a, b, x, y = numbers
            return a * 60 + b, (x - a) * 60 + y - b
        if kind != "duration" and len(numbers) == 3:
            length, a, b = (numbers[2], *numbers[:2])
            return (a * 60 + b - (length if kind == "start" else 0), length)
        return None

    def word(self, kind: str, task: Numbers, params: ElapsedParams, chance: Random) -> Draft:
        start, length = task
        end = start + length
        full = -(-start // 60) * 60
        crosses = start % 60 > 0 and end > full
        lines = (
            (
                f"From {_clock(start)} to {_clock(full)}: {full - start} minutes.",
                f"From {_clock(full)} to {_clock(end)}: {end - full} minutes.",
            )
            if crosses
            else (f"It stays within the hour from {_clock(start // 60 * 60)}.",)
            if end - start // 60 * 60 < 60
            else ("An hour has 60 minutes.",)
        )
        weight = crosses + (length > 60)
        name = pick(chance, stories.NAMES)
        thing = pick(chance, ("film", "lesson", "match", "concert", "bus ride", "party"))
        match kind:
            case "duration":
                return Draft(
                    pick(
                        chance,
                        (
                            f"The {thing} begins at {_clock(start)} and ends at {_clock(end)}. "
                            "How many minutes does it last?",
                            f"{name} reads from {_clock(start)} to {_clock(end)}. "
                            "How many minutes is that?",
                        ),
                    ),
                    (*lines, f"Together: {length} minutes"),
                    "Go to the next full hour first, then on to the end.",
                    weight,
                    unit="minutes",
                )
            case "end":
                return Draft(
                    f"The {thing} begins at {_clock(start)} and lasts {length} minutes. "
                    "When does it end?",
                    (*lines, f"It ends at {_clock(end)}."),
                    "Go to the next full hour first and add what is left.",
                    weight,
                )
            case _:
                return Draft(
                    f"The {thing} ends at {_clock(end)}. It lasted {length} minutes. "
                    "When did it begin?",
                    (*lines, f"It began at {_clock(start)}."),
                    "Go back to the full hour first, then back by what is left.",
                    weight,
                )


class SideParams(Params):
    """``sides``: of a rectangle or polygon."""

    sides: Span = (2, 12)


class PerimeterParams(SideParams):
    kinds: tuple[Literal["rectangle", "square", "side", "polygon"], ...] = (
        "rectangle",
        "square",
        "side",
        "polygon",
    )


_POLYGONS: Final = {3: "triangle", 5: "pentagon", 6: "hexagon", 8: "octagon"}


class Perimeter(Family[PerimeterParams]):
    """``rectangle``: its sides, the longer first; ``side``: the known and the unknown one;
    ``square``: its side; ``polygon``: how many equal sides, and how long they are."""

    name = "perimeter"
    params = PerimeterParams
    plain_hint = "Walk around the shape in your mind and add every side."

    def axes(self, kind: str, params: PerimeterParams) -> tuple[Sequence[int], ...]:
        sides = through(params.sides)
        match kind:
            case "square":
                return (sides,)
            case "polygon":
                return tuple(_POLYGONS), sides
            case _:
                return sides, sides

    def fits(self, kind: str, task: Numbers, params: PerimeterParams) -> bool:
        return kind != "rectangle" or task[0] > task[1]

    def answer(self, kind: str, task: Numbers) -> Value:
        match kind:
            case "rectangle":
                return 2 * (task[0] + task[1])
            case "square":
                return 4 * task[0]
            case "side":
                return task[1]
            case _:
                return task[0] * task[1]

    def slips(self, kind: str, task: Numbers) -> Sequence[Slip]:
        match kind:
            case "rectangle":
                a, b = task
                return [("area", a * b), ("two-sides-only", a + b), ("one-side-lost", 2 * a + b)]
            case "square":
                (a,) = task
                return [("area", a * a), ("two-sides-only", 2 * a), ("one-side-lost", 3 * a)]
            case "side":
                a, b = task
                return [
                    ("one-side-taken", 2 * b + a),
                    ("not-halved", 2 * b),
                    ("halved-only", a + b),
                ]
            case _:
                n, a = task
                return [("added", n + a), ("one-side-lost", (n - 1) * a), ("as-a-square", 4 * a)]

    def recall(self, kind: str, numbers: Numbers) -> Numbers | None:
        if kind == "rectangle":
            return tuple(sorted(numbers, reverse=True))
        if kind == "side" and len(numbers) == 2:
            around, side = max(numbers), min(numbers)
            return side, around // 2 - side
        return numbers

    def word(self, kind: str, task: Numbers, params: PerimeterParams, chance: Random) -> Draft:
        unit = pick(chance, ("cm", "m"))
        place = pick(chance, ("picture", "card", "rug", "window"))
        match kind:
            case "rectangle":
                a, b = task if chance.random() < 0.5 else (task[1], task[0])
                return Draft(
                    pick(
                        chance,
                        (
                            f"A rectangle is {a} {unit} long and {b} {unit} wide. "
                            "What is its perimeter?",
                            f"A {place} is {a} {unit} by {b} {unit}. How long is its edge?",
                        ),
                    ),
                    (
                        f"Two neighbouring sides: {a} + {b} = {a + b}",
                        f"Twice that: 2 × {a + b} = {2 * (a + b)}",
                    ),
                    "Every side occurs twice: go all the way around.",
                    (a + b > 15) + (a + b > 30),
                    unit=unit,
                )
            case "square":
                (a,) = task
                return Draft(
                    f"A square has sides of {a} {unit}. What is its perimeter?",
                    ("A square has four equal sides.", f"4 × {a} = {4 * a}"),
                    "How many sides of this length are there?",
                    a > 9,
                    unit=unit,
                )
            case "side":
                a, b = task
                return Draft(
                    f"The perimeter of a rectangle is {2 * (a + b)} {unit}. "
                    f"One side is {a} {unit}. How long is the side next to it?",
                    (f"Half of the perimeter: {2 * (a + b)} ÷ 2 = {a + b}", f"{a + b} - {a} = {b}"),
                    "Two neighbouring sides are half of the perimeter.",
                    2,
                    unit=unit,
                )
            case _:
                n, a = task
                return Draft(
                    f"A {_POLYGONS[n]} has {n} equal sides of {a} {unit}. What is its perimeter?",
                    (f"{n} sides of {a} {unit} are added.", f"{n} × {a} = {n * a}"),
                    "Add the side once for every side of the shape.",
                    1 + (a > 9),
                    unit=unit,
                )


class AreaParams(SideParams):
    kinds: tuple[Literal["grid", "rectangle", "square", "side"], ...] = (
        "grid",
        "rectangle",
        "square",
        "side",
    )
    sides: Span = (2, 10)


class Area(Family[AreaParams]):
    """``grid``, ``rectangle``: the sides, the longer first; ``side``: the known and the unknown
    one; ``square``: its side."""

    name = "area"
    params = AreaParams
    plain_hint = "Think of rows of little squares: how many rows, and how many in each?"

    def axes(self, kind: str, params: AreaParams) -> tuple[Sequence[int], ...]:
        sides = through(params.sides)
        return (sides,) if kind == "square" else (sides, sides)

    def fits(self, kind: str, task: Numbers, params: AreaParams) -> bool:
        return kind in ("square", "side") or task[0] > task[1]

    def answer(self, kind: str, task: Numbers) -> Value:
        match kind:
            case "square":
                return task[0] ** 2 if task else 0
            case "side":
                return task[1]
            case _:
                return task[0] * task[1]

    def slips(self, kind: str, task: Numbers) -> Sequence[Slip]:
        match kind:
            case "square":
                (a,) = task
                return [("perimeter", 4 * a), ("doubled", 2 * a), ("neighbour-fact", a * (a + 1))]
            case "side":
                a, b = task
                return [("subtracted", a * b - a), ("halved", a * b // 2), ("perimeter", 2 * b)]
            case _:
                a, b = task
                return [
                    ("perimeter", 2 * (a + b)),
                    ("added", a + b),
                    ("neighbour-fact", a * (b + 1)),
                ]

    def recall(self, kind: str, numbers: Numbers) -> Numbers | None:
        if kind == "side" and len(numbers) == 2 and min(numbers):
            return min(numbers), max(numbers) // min(numbers)
        return tuple(sorted(numbers, reverse=True))

    def word(self, kind: str, task: Numbers, params: AreaParams, chance: Random) -> Draft:
        short, long = pick(chance, (("cm", "square centimetres"), ("m", "square metres")))
        match kind:
            case "grid":
                a, b = task if chance.random() < 0.5 else (task[1], task[0])
                return Draft(
                    pick(
                        chance,
                        (
                            f"A rectangle is covered by {a} rows of {b} unit squares. "
                            "What is its area in unit squares?",
                            f"On squared paper, a rectangle is {a} squares long and {b} squares "
                            "wide. How many squares does it cover?",
                        ),
                    ),
                    (f"{a} rows with {b} squares in each.", f"{a} × {b} = {a * b}"),
                    "Count one row and think how many rows there are.",
                    (a * b > 30) + (a * b > 60),
                    unit="squares",
                )
            case "rectangle":
                a, b = task if chance.random() < 0.5 else (task[1], task[0])
                return Draft(
                    f"A rectangle is {a} {short} long and {b} {short} wide. "
                    f"What is its area in {long}?",
                    ("Area is length times width.", f"{a} × {b} = {a * b}"),
                    "Think of rows of little squares that fill it.",
                    (a * b > 30) + (a * b > 60),
                    unit=long,
                )
            case "square":
                (a,) = task
                return Draft(
                    f"A square has sides of {a} {short}. What is its area in {long}?",
                    (f"{a} rows with {a} little squares in each.", f"{a} × {a} = {a * a}"),
                    "As many rows as there are squares in a row.",
                    1 + (a > 9),
                    unit=long,
                )
            case _:
                a, b = task
                return Draft(
                    f"A rectangle has an area of {a * b} {long}. One side is {a} {short}. "
                    "How long is the side next to it?",
                    (f"What times {a} is {a * b}?", f"{a * b} ÷ {a} = {b}"),
                    f"How many rows of {a} squares make the area?",
                    2,
                    unit=short,
                )


_PAIRS: Final = {
    "cm-mm": ("cm", "mm", 10),
    "m-cm": ("m", "cm", 100),
    "km-m": ("km", "m", 1000),
    "kg-g": ("kg", "g", 1000),
    "l-ml": ("l", "ml", 1000),
}
_PAIR_NAMES: Final = tuple(_PAIRS)


class MetricParams(Params):
    """``units``: pairs, the greater first; ``amount``: of the greater unit."""

    kinds: tuple[Literal["down", "up", "decimal", "add"], ...] = ("down", "up", "decimal", "add")
    units: Annotated[
        tuple[Literal["cm-mm", "m-cm", "km-m", "kg-g", "l-ml"], ...], Field(min_length=1)
    ] = ("cm-mm", "m-cm", "km-m", "kg-g", "l-ml")
    amount: Span = (1, 9)


class Metric(Family[MetricParams]):
    """The pair (0 cm-mm, 1 m-cm, 2 km-m, 3 kg-g, 4 l-ml), and: ``down``, ``up``: how many of the
    greater unit; ``decimal``: how many tenths of it; ``add``: how many of each."""

    name = "metric"
    params = MetricParams
    plain_hint = "How many of the small unit make one of the great unit?"

    def axes(self, kind: str, params: MetricParams) -> tuple[Sequence[int], ...]:
        pairs = [_PAIR_NAMES.index(one) for one in dict.fromkeys(params.units)]
        low, high = params.amount
        match kind:
            case "decimal":
                return pairs, range(low * 10, high * 10 + 10)
            case "add":
                return pairs, through(params.amount), range(1, 1000)
            case _:
                return pairs, through(params.amount)

    def fits(self, kind: str, task: Numbers, params: MetricParams) -> bool:
        match kind:
            case "decimal":
                return task[1] % 10 != 0
            case "add":
                factor = _PAIRS[_PAIR_NAMES[task[0]]][2]
                return task[2] < factor and task[2] % max(1, factor // 20) == 0
            case _:
                return True

    def answer(self, kind: str, task: Numbers) -> Value:
        factor = _PAIRS[_PAIR_NAMES[task[0]]][2]
        match kind:
            case "down":
                return task[1] * factor
            case "up":
                return task[1]
            case "decimal":
                return Decimal(task[1]) / 10
            case _:
                return task[1] * factor + task[2]

    def slips(self, kind: str, task: Numbers) -> Sequence[Slip]:
        factor = _PAIRS[_PAIR_NAMES[task[0]]][2]
        match kind:
            case "down":
                key = task[1] * factor
                return [
                    ("factor-ten", key * 10),
                    ("factor-ten", key // 10),
                    ("wrong-way", task[1]),
                ]
            case "up":
                key = task[1]
                return [
                    ("factor-ten", key * 10),
                    ("wrong-way", key * factor * factor),
                    ("factor-ten", key * 100),
                ]
            case "decimal":
                value = Decimal(task[1]) / 10
                return [("factor-ten", value * 10), ("factor-ten", value / 10)]
            case _:
                amount, rest = task[1:]
                return [
                    ("joined", int(f"{amount}{rest}")),
                    ("added-only", amount + rest),
                    ("factor-ten", amount * factor * 10 + rest),
                    ("factor-ten", amount * factor // 10 + rest),
                ]

    def word(self, kind: str, task: Numbers, params: MetricParams, chance: Random) -> Draft:
        great, small, factor = _PAIRS[_PAIR_NAMES[task[0]]]
        rule = f"1 {great} = {said(factor)} {small}"
        weight = (factor > 100) + (task[1] > 9)
        match kind:
            case "down":
                amount = task[1]
                return Draft(
                    pick(
                        chance,
                        (
                            f"How many {small} are {amount} {great}?",
                            f"Write {amount} {great} in {small}.",
                        ),
                    ),
                    (rule, f"{amount} × {factor} = {amount * factor}"),
                    f"How many {small} make one {great}?",
                    weight,
                    unit=small,
                )
            case "up":
                amount = task[1]
                return Draft(
                    pick(
                        chance,
                        (
                            f"How many {great} are {said(amount * factor)} {small}?",
                            f"Write {said(amount * factor)} {small} in {great}.",
                        ),
                    ),
                    (rule, f"{amount * factor} ÷ {factor} = {amount}"),
                    f"How many {small} make one {great}?",
                    weight,
                    unit=great,
                )
            case "decimal":
                few = task[1] * factor // 10
                key = f"{task[1] // 10}.{task[1] % 10}"
                return Draft(
                    pick(
                        chance,
                        (
                            f"Write {said(few)} {small} in {great}, as a decimal.",
                            f"How many {great} are {said(few)} {small}? Answer with a decimal.",
                        ),
                    ),
                    (rule, f"{few} ÷ {factor} = {key}"),
                    f"How many {small} make one {great}, and how many a tenth of it?",
                    1 + (factor > 100),
                    unit=great,
                )
            case _:
                amount, rest = task[1:]
                return Draft(
                    pick(
                        chance,
                        (
                            f"How many {small} are {amount} {great} and {rest} {small}?",
                            f"Write {amount} {great} {rest} {small} in {small}.",
                        ),
                    ),
                    (
                        rule,
                        f"{amount} × {factor} = {amount * factor}",
                        f"{amount * factor} + {rest} = {amount * factor + rest}",
                    ),
                    f"Change the {great} into {small} first.",
                    1 + (rest * 10 < factor),
                    unit=small,
                )


FAMILIES: Final = (Coins(), Clock(), ElapsedTime(), Perimeter(), Area(), Metric())
