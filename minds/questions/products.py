"""Questions of multiplying and dividing.

One law: a division is built from its quotient, so that it comes out as its kind says.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd
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
    listed,
    pick,
    said,
    shuffled,
    through,
)

Table = Annotated[int, Field(ge=1, le=100)]
Tables = Annotated[tuple[Table, ...], Field(min_length=1)]


def _row(times: int, size: int) -> str:
    """A product as repeated addition, as far as a line holds."""
    return " + ".join([str(size)] * times) if times <= 6 else f"{times} times {size}"


class GroupParams(Params):
    """``groups``, ``size``: how many, and how large each is."""

    kinds: tuple[Literal["groups", "array", "repeated", "story"], ...] = (
        "groups",
        "array",
        "repeated",
        "story",
    )
    groups: Span = (2, 5)
    size: Span = (2, 10)


class EqualGroups(Family[GroupParams]):
    """Number of groups and size of each."""

    name = "equal-groups"
    params = GroupParams
    plain_hint = "Add the size once for every group."

    def axes(self, kind: str, params: GroupParams) -> tuple[Sequence[int], ...]:
        return through(params.groups), through(params.size)

    def answer(self, kind: str, task: Numbers) -> Value:
        return task[0] * task[1]

    def slips(self, kind: str, task: Numbers) -> Sequence[Slip]:
        groups, size = task
        return [
            ("added", groups + size),
            ("one-group-less", (groups - 1) * size),
            ("one-group-more", (groups + 1) * size),
        ]

    def recall(self, kind: str, numbers: Numbers) -> Numbers | None:
        if kind == "repeated" and len(set(numbers)) == 1:
            return len(numbers), numbers[0]
        return numbers

    def word(self, kind: str, task: Numbers, params: GroupParams, chance: Random) -> Draft:
        groups, size = task
        match kind:
            case "groups":
                text = pick(
                    chance,
                    (
                        f"How many are {groups} groups of {size}?",
                        f"There are {groups} plates with {size} plums on each. How many plums?",
                    ),
                )
            case "array":
                text = pick(
                    chance,
                    (
                        f"Dots stand in {groups} rows of {size}. How many dots are there?",
                        f"A tray has {groups} rows with {size} cups in each. How many cups?",
                    ),
                )
            case "repeated":
                text = f"What is {' + '.join([str(size)] * groups)}?"
            case _:
                text = stories.tell(chance, stories.GROUPS, groups, size)
        return Draft(
            text,
            (
                f"{groups} groups of {size}: {_row(groups, size)}",
                f"{groups} × {size} = {groups * size}",
            ),
            f"Count on in steps of {size}.",
            (size > 5) + (groups > 4),
        )


class TableParams(Params):
    """``tables``: whose facts are asked; ``by``: the other factor."""

    kinds: tuple[Literal["plain", "missing", "story"], ...] = ("plain", "missing", "story")
    tables: Tables = (2, 5, 10)
    by: Span = (1, 10)


class TimesTable(Family[TableParams]):
    """The other factor and the table's; a fact of two tables is asked in one order only."""

    name = "times-table"
    params = TableParams
    plain_hint = "Start from a fact nearby that you know, and go one step on or back."

    def axes(self, kind: str, params: TableParams) -> tuple[Sequence[int], ...]:
        return through(params.by), params.tables

    def fits(self, kind: str, task: Numbers, params: TableParams) -> bool:
        by, table = task
        if kind == "story" and (by < 2 or table < 2):
            return False
        low, high = params.by
        turned = by in params.tables and low <= table <= high
        return kind == "missing" or not turned or by <= table

    def answer(self, kind: str, task: Numbers) -> Value:
        return task[0] if kind == "missing" else task[0] * task[1]

    def slips(self, kind: str, task: Numbers) -> Sequence[Slip]:
        by, table = task
        if kind == "missing":
            return [
                ("neighbour-fact", by + 1),
                ("neighbour-fact", by - 1),
                ("subtracted", by * table - table),
            ]
        return [
            ("neighbour-fact", (by + 1) * table),
            ("neighbour-fact", (by - 1) * table),
            ("added", by + table),
            ("neighbour-fact", by * (table + 1)),
        ]

    def recall(self, kind: str, numbers: Numbers) -> Numbers | None:
        if len(numbers) != 2:
            return None
        if kind == "missing":
            low, high = sorted(numbers)
            return (high // low, low) if low and high % low == 0 else None
        return numbers

    def word(self, kind: str, task: Numbers, params: TableParams, chance: Random) -> Draft:
        by, table = task
        product = by * table
        weight = (by > 5) + (by > 5 and table > 5)
        if kind == "missing":
            shown = f"? × {table}" if chance.random() < 0.5 else f"{table} × ?"
            return Draft(
                pick(
                    chance,
                    (
                        f"Which number is missing? {shown} = {product}",
                        f"How many times {table} is {product}?",
                    ),
                ),
                (f"How often does {table} go into {product}?", f"{product} ÷ {table} = {by}"),
                f"Count in steps of {table} until you are there.",
                min(2, weight + 1),
            )
        a, b = (by, table) if chance.random() < 0.5 else (table, by)
        text = (
            stories.tell(chance, stories.GROUPS, a, b)
            if kind == "story"
            else pick(chance, (f"What is {a} × {b}?", f"{a} × {b} = ?", f"Multiply {a} by {b}."))
        )
        known = f"{by - 1} × {table} = {product - table}, and one {table} more."
        return Draft(
            text,
            (
                known if by > 1 else f"Once {table} is {table}.",
                f"{a} × {b} = {product}",
            ),
            f"Think of the table of {table} and of a fact nearby that you know.",
            weight,
        )


class ShareParams(Params):
    """``by``: divisors; ``result``: quotients."""

    kinds: tuple[Literal["plain", "share", "group", "missing"], ...] = (
        "plain",
        "share",
        "group",
        "missing",
    )
    by: Tables = (2, 5, 10)
    result: Span = (1, 10)


class DivisionFacts(Family[ShareParams]):
    """Divisor and quotient; ``missing`` asks for the divisor."""

    name = "division-facts"
    params = ShareParams
    plain_hint = "Turn it round: think of the times table of the number you divide by."

    def axes(self, kind: str, params: ShareParams) -> tuple[Sequence[int], ...]:
        return params.by, through(params.result)

    def fits(self, kind: str, task: Numbers, params: ShareParams) -> bool:
        by, result = task
        return kind == "plain" or (by > 1 and result > 1)

    def answer(self, kind: str, task: Numbers) -> Value:
        return task[0] if kind == "missing" else task[1]

    def slips(self, kind: str, task: Numbers) -> Sequence[Slip]:
        by, result = task
        asked, shown = (by, result) if kind == "missing" else (result, by)
        return [
            ("subtracted", by * result - shown),
            ("neighbour-fact", asked + 1),
            ("neighbour-fact", asked - 1),
            ("swapped-roles", shown),
        ]

    def recall(self, kind: str, numbers: Numbers) -> Numbers | None:
        if len(numbers) != 2 or not min(numbers) or max(numbers) % min(numbers):
            return None
        shown, other = min(numbers), max(numbers) // min(numbers)
        return (other, shown) if kind == "missing" else (shown, other)

    def word(self, kind: str, task: Numbers, params: ShareParams, chance: Random) -> Draft:
        by, result = task
        total = by * result
        weight = (total > 30) + (result > 5 and by > 5)
        if kind == "missing":
            return Draft(
                pick(
                    chance,
                    (
                        f"Which number is missing? {total} ÷ ? = {result}",
                        f"By which number must {total} be divided to get {result}?",
                    ),
                ),
                (f"The missing number times {result} is {total}.", f"{total} ÷ {result} = {by}"),
                f"What times {result} makes {total}?",
                min(2, weight + 1),
            )
        match kind:
            case "share":
                text = stories.tell(chance, stories.SHARING, total, by)
            case "group":
                text = stories.tell(chance, stories.PACKING, total, by)
            case _:
                text = pick(
                    chance,
                    (
                        f"What is {total} ÷ {by}?",
                        f"{total} ÷ {by} = ?",
                        f"Divide {total} by {by}.",
                    ),
                )
        return Draft(
            text,
            (f"What times {by} is {total}? It is {result}.", f"{total} ÷ {by} = {result}"),
            f"Think of the table of {by}: what times {by} makes {total}?",
            weight,
        )


class ProductParams(Params):
    """``first``, ``second``: of the factors; the first is the longer one."""

    kinds: tuple[Literal["plain", "story"], ...] = ("plain", "story")
    first: Span = (11, 99)
    second: Span = (2, 9)


class Multiplication(Family[ProductParams]):
    """The two factors, the greater first."""

    name = "multiplication"
    params = ProductParams
    plain_hint = "Split one number into its places, multiply each part, and add."

    def axes(self, kind: str, params: ProductParams) -> tuple[Sequence[int], ...]:
        return through(params.first), through(params.second)

    def fits(self, kind: str, task: Numbers, params: ProductParams) -> bool:
        return task[0] >= task[1] and task[0] % 10 != 0 and task[1] % 10 != 0

    def answer(self, kind: str, task: Numbers) -> Value:
        return task[0] * task[1]

    def slips(self, kind: str, task: Numbers) -> Sequence[Slip]:
        a, b = task
        if b < 10:
            loose = int("".join(str(int(digit) * b % 10) for digit in str(a)))
            first = a // 10 * 10
            return [
                *([("no-carry", loose)] if loose != a * b else []),
                ("missing-part", first * b),
                ("ones-not-multiplied", first * b + a % 10),
                ("off-by-ten", a * b + 10),
            ]
        tens, ones = b // 10, b % 10
        return [
            ("no-zero-shift", a * tens + a * ones),
            ("missing-part", a * tens * 10),
            ("only-like-places", a // 10 * 10 * tens * 10 + a % 10 * ones),
            ("off-by-ten", a * b + 100),
        ]

    def recall(self, kind: str, numbers: Numbers) -> Numbers | None:
        return tuple(sorted(numbers, reverse=True))

    def word(self, kind: str, task: Numbers, params: ProductParams, chance: Random) -> Draft:
        a, b = task
        x, y = (a, b) if chance.random() < 0.6 else (b, a)
        text = (
            stories.tell(chance, stories.GROUPS, b, a)
            if kind == "story"
            else pick(
                chance,
                (
                    f"What is {said(x)} × {said(y)}?",
                    f"{said(x)} × {said(y)} = ?",
                    f"Multiply {said(x)} by {said(y)}.",
                ),
            )
        )
        if b < 10:
            pieces = [
                int(digit) * 10**at for at, digit in enumerate(reversed(str(a))) if digit > "0"
            ]
            pieces.reverse()
            steps = [
                ", ".join(f"{one} × {b} = {one * b}" for one in pieces),
                f"{' + '.join(str(one * b) for one in pieces)} = {a * b}",
            ]
            hint = f"Split {said(a)} into its places and multiply each part by {b}."
        else:
            tens, ones = b // 10 * 10, b % 10
            steps = [
                f"{a} × {tens} = {a * tens}",
                f"{a} × {ones} = {a * ones}",
                f"{a * tens} + {a * ones} = {a * b}",
            ]
            hint = f"Multiply {said(a)} by the tens of {b}, then by its ones, and add."
        return Draft(text, steps, hint, (a % 10 * (b % 10) >= 10) + (a > 50 and b % 10 > 5))


class RemainderParams(Params):
    """``by``: divisors; ``result``: quotients. There is always a remainder."""

    kinds: tuple[Literal["both", "remainder", "full", "enough"], ...] = (
        "both",
        "remainder",
        "full",
        "enough",
    )
    by: Span = (2, 9)
    result: Span = (2, 10)


class DivisionRemainder(Family[RemainderParams]):
    """Dividend and divisor. ``both`` asks for quotient and remainder, written ``5 r 2``;
    ``enough`` for how many it takes to hold all."""

    name = "division-remainder"
    params = RemainderParams
    plain_hint = "Find the greatest multiple that still fits; what is over is the remainder."

    def axes(self, kind: str, params: RemainderParams) -> tuple[Sequence[int], ...]:
        low, high = params.by[0] * params.result[0], params.by[1] * params.result[1] + params.by[1]
        return range(low, high), through(params.by)

    def fits(self, kind: str, task: Numbers, params: RemainderParams) -> bool:
        quotient, rest = divmod(task[0], task[1])
        return params.result[0] <= quotient <= params.result[1] and rest > 0

    def answer(self, kind: str, task: Numbers) -> Value:
        quotient, rest = divmod(task[0], task[1])
        match kind:
            case "both":
                return f"{quotient} r {rest}"
            case "remainder":
                return rest
            case "full":
                return quotient
            case _:
                return quotient + 1

    def slips(self, kind: str, task: Numbers) -> Sequence[Slip]:
        total, by = task
        quotient, rest = divmod(total, by)
        match kind:
            case "both":
                return [
                    ("missing-to-next", f"{quotient + 1} r {by - rest}"),
                    ("remainder-too-great", f"{quotient - 1} r {rest + by}"),
                    ("swapped-roles", f"{rest} r {quotient}"),
                    ("remainder-dropped", f"{quotient} r 0"),
                ]
            case "remainder":
                return [
                    ("missing-to-next", by - rest),
                    ("swapped-roles", quotient),
                    ("remainder-too-great", rest + by),
                ]
            case "full":
                return [
                    ("rounded-up", quotient + 1),
                    ("swapped-roles", rest),
                    ("subtracted", total - by),
                ]
            case _:
                return [
                    ("remainder-dropped", quotient),
                    ("swapped-roles", rest),
                    ("subtracted", total - by),
                ]

    def others(self, kind: str, task: Numbers, chance: Random) -> Sequence[Value]:
        if kind != "both":
            return ()
        quotient, rest = divmod(task[0], task[1])
        return [f"{quotient + 1} r {rest}", f"{quotient} r {rest + 1}"]

    def recall(self, kind: str, numbers: Numbers) -> Numbers | None:
        return (max(numbers), min(numbers)) if len(numbers) == 2 else None

    def word(self, kind: str, task: Numbers, params: RemainderParams, chance: Random) -> Draft:
        total, by = task
        quotient, rest = divmod(total, by)
        fits = f"{quotient} × {by} = {quotient * by}, and {rest} more is {total}."
        weight = (total > 40) + (by > 5)
        match kind:
            case "both":
                text = pick(
                    chance,
                    (
                        f"What is {total} ÷ {by}, with remainder?",
                        f"Divide {total} by {by}. What are quotient and remainder?",
                    ),
                )
                last = f"{total} ÷ {by} = {quotient} r {rest}"
            case "remainder":
                if chance.random() < 0.4:
                    text = f"What is the remainder of {total} ÷ {by}?"
                else:
                    text = stories.tell(chance, stories.LEFT_OVER, total, by)
                last = f"Left over: {rest}"
            case "full":
                text = stories.tell(chance, stories.FULL_ONLY, total, by)
                last = f"The {rest} left over make no full one, so the answer is {quotient}."
            case _:
                text = stories.tell(chance, stories.ALL_IN, total, by)
                last = f"The {rest} left over need one more: {quotient} + 1 = {quotient + 1}"
        hint = f"Which multiple of {by} comes just below {total}?"
        return Draft(text, (fits, last), hint, weight)


class FactorParams(Params):
    """``numbers``: whose factors are asked."""

    kinds: tuple[Literal["factor", "prime", "common-factor", "common-multiple"], ...] = (
        "factor",
        "prime",
        "common-factor",
        "common-multiple",
    )
    numbers: Span = (4, 30)


def _prime(number: int) -> bool:
    return number > 1 and all(number % by for by in range(2, int(number**0.5) + 1))


class Factors(Family[FactorParams]):
    """``factor``: a number and one of its factors; ``prime``: a prime; ``common-factor``,
    ``common-multiple``: two numbers, the greater first."""

    name = "factors"
    params = FactorParams
    plain_hint = "Try the small divisors one after the other."

    def axes(self, kind: str, params: FactorParams) -> tuple[Sequence[int], ...]:
        numbers = through(params.numbers)
        match kind:
            case "factor":
                return numbers, range(2, params.numbers[1])
            case "prime":
                return (numbers,)
            case _:
                return numbers, numbers

    def fits(self, kind: str, task: Numbers, params: FactorParams) -> bool:
        match kind:
            case "factor":
                return task[1] < task[0] and task[0] % task[1] == 0
            case "prime":
                return task[0] > 10 and _prime(task[0])
            case "common-factor":
                return task[0] > task[1] and gcd(task[0], task[1]) > 1
            case _:
                return task[0] > task[1]

    def answer(self, kind: str, task: Numbers) -> Value:
        match kind:
            case "factor":
                return task[1]
            case "prime":
                return task[0]
            case "common-factor":
                return gcd(task[0], task[1])
            case _:
                return task[0] * task[1] // gcd(task[0], task[1])

    def slips(self, kind: str, task: Numbers) -> Sequence[Slip]:
        if kind not in ("common-factor", "common-multiple"):
            return ()
        a, b = task
        factor, multiple = gcd(a, b), a * b // gcd(a, b)
        if kind == "common-factor":
            return [("multiple-for-factor", multiple), ("difference", a - b), ("product", a * b)]
        return [("factor-for-multiple", factor), ("product", a * b), ("sum", a + b)]

    def recall(self, kind: str, numbers: Numbers) -> Numbers | None:
        return tuple(sorted(numbers, reverse=True))

    def word(self, kind: str, task: Numbers, params: FactorParams, chance: Random) -> Draft:
        match kind:
            case "factor":
                number, factor = task
                wrong = [one for one in range(2, number + 8) if number % one]
                near = sorted(shuffled(chance, wrong), key=lambda one: abs(one - factor))[:3]
                return Draft(
                    f"Which of these is a factor of {number}: "
                    f"{', '.join(map(str, shuffled(chance, (factor, *near))))}?",
                    (
                        f"A factor of {number} divides it without remainder.",
                        f"{number} ÷ {factor} = {number // factor}, so {factor} is a factor.",
                    ),
                    f"Which one divides {number} without remainder?",
                    (number > 30) + (factor > 9),
                    options=(factor, *near),
                )
            case "prime":
                (prime,) = task
                wrong = [one for one in range(4, prime + 12) if not _prime(one) and one % 2]
                wrong = sorted(shuffled(chance, wrong), key=lambda one: abs(one - prime))[:3]
                return Draft(
                    "Which of these is a prime number: "
                    f"{', '.join(map(str, shuffled(chance, (prime, *wrong))))}?",
                    (
                        "A prime number has no factors but 1 and itself.",
                        f"{listed([f'{one} = {_split(one)}' for one in wrong])}; "
                        f"{prime} cannot be split.",
                    ),
                    "Try to divide each by 3, by 5 and by 7.",
                    1 + (prime > 30),
                    options=(prime, *wrong),
                )
            case "common-factor":
                a, b = task
                key = gcd(a, b)
                return Draft(
                    f"What is the greatest common factor of {b} and {a}?",
                    (
                        f"{b} = {key} × {b // key} and {a} = {key} × {a // key}.",
                        f"No greater number divides both: {key}",
                    ),
                    "List the factors of the smaller number and try the greatest first.",
                    1 + (a > 30),
                )
            case _:
                a, b = task
                key = a * b // gcd(a, b)
                return Draft(
                    f"What is the least common multiple of {b} and {a}?",
                    (
                        f"Count in steps of {a} until {b} divides it too.",
                        f"{key} = {a} × {key // a} = {b} × {key // b}",
                    ),
                    f"Count in steps of {a}. Which is the first that {b} divides too?",
                    1 + (key > 100),
                )


def _split(number: int) -> str:
    by = next(one for one in range(2, number) if number % one == 0)
    return f"{by} × {number // by}"


class EstimateParams(Params):
    """``numbers``: the operands; ``unit``: what they are rounded to."""

    kinds: tuple[Literal["sum", "difference"], ...] = ("sum", "difference")
    numbers: Span = (110, 990)
    unit: Literal[10, 100, 1000] = 100


class Estimation(Family[EstimateParams]):
    """The two numbers, the greater first, and the unit."""

    name = "estimation"
    params = EstimateParams
    plain_hint = "Round both numbers before you calculate."

    def axes(self, kind: str, params: EstimateParams) -> tuple[Sequence[int], ...]:
        return through(params.numbers), through(params.numbers), (params.unit,)

    def fits(self, kind: str, task: Numbers, params: EstimateParams) -> bool:
        a, b, unit = task
        if a % unit == 0 or b % unit == 0:
            return False
        a, b = _rounded(a, unit), _rounded(b, unit)
        return task[0] > task[1] and b > 0 and (kind == "sum" or a > b)

    def answer(self, kind: str, task: Numbers) -> Value:
        a, b, unit = task
        low = _rounded(b, unit)
        return _rounded(a, unit) + (low if kind == "sum" else -low)

    def slips(self, kind: str, task: Numbers) -> Sequence[Slip]:
        a, b, unit = task
        sign = 1 if kind == "sum" else -1
        return [
            ("exact", a + sign * b),
            ("one-not-rounded", _rounded(a, unit) + sign * b),
            ("rounded-down", a // unit * unit + sign * (b // unit * unit)),
        ]

    def word(self, kind: str, task: Numbers, params: EstimateParams, chance: Random) -> Draft:
        a, b, unit = task
        sign = "+" if kind == "sum" else "-"
        x, y = _rounded(a, unit), _rounded(b, unit)
        key = x + y if kind == "sum" else x - y
        return Draft(
            f"Estimate {said(a)} {sign} {said(b)}: round both numbers to the nearest {unit} first.",
            (f"{a} is about {x}, {b} is about {y}.", f"{x} {sign} {y} = {key}"),
            f"Which multiple of {unit} is nearest to each number?",
            (a % unit == unit // 2) + (b % unit == unit // 2) + (a >= 1000),
        )


def _rounded(number: int, unit: int) -> int:
    return (number + unit // 2) // unit * unit


FAMILIES: Final = (
    EqualGroups(),
    TimesTable(),
    DivisionFacts(),
    Multiplication(),
    DivisionRemainder(),
    Factors(),
    Estimation(),
)
