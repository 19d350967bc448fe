"""Questions about fractions.

One law: a fraction of a task is its top and its bottom, one after the other; a key is in lowest
terms, and an integer where it comes out whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations
from math import comb, gcd, lcm
from random import Random
from typing import Final, Literal

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
    shuffled,
    through,
    whole,
    written,
)

_NTH: Final = (
    "", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth",
    "tenth", "eleventh", "twelfth",
)  # fmt: skip
_SHAPES: Final = ("bar", "circle", "rectangle", "cake", "pizza", "ribbon")
_CODE: Final = 1000


def _reduced(top: int, bottom: int) -> str:
    """``6/8 = 3/4``, or the fraction alone where it is in lowest terms already."""
    plain, low = f"{top}/{bottom}", written(whole(Fraction(top, bottom)))
    return plain if plain == low else f"{plain} = {low}"


class PartParams(Params):
    """``bottoms``: into how many parts the whole is cut, 12 at most."""

    kinds: tuple[Literal["shaded", "unshaded", "set", "line"], ...] = (
        "shaded",
        "unshaded",
        "set",
        "line",
    )
    bottoms: Span = (2, 8)


class FractionParts(Family[PartParams]):
    """How many parts are meant (``unshaded``: are not), and how many there are."""

    name = "fraction-parts"
    params = PartParams
    plain_hint = "The bottom says into how many equal parts the whole is cut, the top how many."

    def axes(self, kind: str, params: PartParams) -> tuple[Sequence[int], ...]:
        return range(1, min(12, params.bottoms[1])), through(params.bottoms)

    def fits(self, kind: str, task: Numbers, params: PartParams) -> bool:
        return task[0] < task[1] <= 12

    def answer(self, kind: str, task: Numbers) -> Value:
        top, bottom = task
        return Fraction(bottom - top if kind == "unshaded" else top, bottom)

    def slips(self, kind: str, task: Numbers) -> Sequence[Slip]:
        top, bottom = task
        rest = bottom - top
        if kind == "unshaded":
            top, rest = rest, top
        return [
            ("part-to-rest", Fraction(top, rest)),
            ("other-part", Fraction(rest, bottom)),
            ("upside-down", Fraction(bottom, top)),
            ("whole-not-counted", Fraction(top, bottom + 1)),
        ]

    def recall(self, kind: str, numbers: Numbers) -> Numbers | None:
        if kind == "line" or len(numbers) != 2:
            return None
        return min(numbers), max(numbers)

    def word(self, kind: str, task: Numbers, params: PartParams, chance: Random) -> Draft:
        top, bottom = task
        part = bottom - top if kind == "unshaded" else top
        shape = pick(chance, _SHAPES)
        are = "is" if top == 1 else "are"
        match kind:
            case "shaded" | "unshaded":
                text = (
                    f"A {shape} is cut into {bottom} equal parts, {top} of them {are} shaded. "
                    f"What fraction of the {shape} is {'not ' if kind == 'unshaded' else ''}shaded?"
                )
            case "set":
                thing, colour = (
                    pick(chance, stories.THINGS),
                    pick(chance, ("red", "blue", "green", "yellow")),
                )
                text = (
                    f"{pick(chance, stories.NAMES)} has {bottom} {thing}, {top} of them {are} "
                    f"{colour}. What fraction of the {thing} is {colour}?"
                )
            case _:
                text = (
                    f"A number line from 0 to 1 is cut into {bottom} equal parts. "
                    f"Which fraction is at the {_NTH[top]} mark after 0?"
                )
        return Draft(
            text,
            (
                f"There are {bottom} equal parts: that is the bottom.",
                f"{part} of them count{'s' if part == 1 else ''}: that is the top.",
                f"The fraction is {_reduced(part, bottom)}.",
            ),
            "The bottom says how many equal parts there are, the top how many are meant.",
            (bottom > 5) + (gcd(part, bottom) > 1),
        )


class SameParams(Params):
    """``bottoms``: of the fraction in lowest terms; ``times``: by what both are multiplied."""

    kinds: tuple[Literal["top", "bottom", "simplify", "which"], ...] = (
        "top",
        "bottom",
        "simplify",
        "which",
    )
    bottoms: Span = (2, 6)
    times: Span = (2, 5)


class SameFraction(Family[SameParams]):
    """A fraction in lowest terms, and by what top and bottom are multiplied."""

    name = "same-fraction"
    params = SameParams
    plain_hint = "Multiply or divide top and bottom by the same number."

    def axes(self, kind: str, params: SameParams) -> tuple[Sequence[int], ...]:
        times = range(max(2, params.times[0]), max(2, params.times[1]) + 1)
        return range(1, params.bottoms[1]), through(params.bottoms), times

    def fits(self, kind: str, task: Numbers, params: SameParams) -> bool:
        return task[0] < task[1] and gcd(task[0], task[1]) == 1

    def answer(self, kind: str, task: Numbers) -> Value:
        top, bottom, times = task
        match kind:
            case "top":
                return top * times
            case "bottom":
                return bottom * times
            case "simplify":
                return Fraction(top, bottom)
            case _:
                return f"{top * times}/{bottom * times}"

    def slips(self, kind: str, task: Numbers) -> Sequence[Slip]:
        top, bottom, times = task
        added = bottom * times - bottom
        match kind:
            case "top":
                return [("added-the-same", top + added), ("not-multiplied", top)]
            case "bottom":
                return [("added-the-same", bottom + top * times - top), ("not-multiplied", bottom)]
            case "simplify":
                return [("upside-down", Fraction(bottom, top))]
            case _:
                return [("added-the-same", f"{top + times}/{bottom + times}")]

    def recall(self, kind: str, numbers: Numbers) -> Numbers | None:
        if kind in ("top", "bottom") and len(numbers) == 3:
            first, second, third = numbers
            by = second if kind == "top" else first
            return (first, second, third // by) if by and third % by == 0 else None
        return None

    def others(self, kind: str, task: Numbers, chance: Random) -> Sequence[Value]:
        if kind != "which":
            return ()
        top, bottom, times = task
        seen = {Fraction(top, bottom), Fraction(top + times, bottom + times)}
        found: list[Value] = []
        for x, y in (
            (top * times, bottom),
            (top, bottom * times),
            (top * times + 1, bottom * times),
            (top * times, bottom * times + 1),
            (top * times - 1, bottom * times),
        ):
            if x and Fraction(x, y) not in seen:
                seen.add(Fraction(x, y))
                found.append(f"{x}/{y}")
        return found

    def word(self, kind: str, task: Numbers, params: SameParams, chance: Random) -> Draft:
        top, bottom, times = task
        big_top, big_bottom = top * times, bottom * times
        weight = (times > 3) + (bottom > 6)
        match kind:
            case "top":
                return Draft(
                    f"Which number is missing? {top}/{bottom} = ?/{big_bottom}",
                    (
                        f"The bottom was multiplied by {times}: {bottom} × {times} = {big_bottom}",
                        f"So the top is too: {top} × {times} = {big_top}",
                    ),
                    f"By what must {bottom} be multiplied to make {big_bottom}?",
                    weight,
                )
            case "bottom":
                return Draft(
                    f"Which number is missing? {top}/{bottom} = {big_top}/?",
                    (
                        f"The top was multiplied by {times}: {top} × {times} = {big_top}",
                        f"So the bottom is too: {bottom} × {times} = {big_bottom}",
                    ),
                    f"By what must {top} be multiplied to make {big_top}?",
                    weight,
                )
            case "simplify":
                return Draft(
                    pick(
                        chance,
                        (
                            f"Write {big_top}/{big_bottom} in lowest terms.",
                            f"Simplify {big_top}/{big_bottom} as far as it goes.",
                        ),
                    ),
                    (
                        f"{times} is the greatest number that divides {big_top} and {big_bottom}.",
                        f"{big_top} ÷ {times} = {top} and {big_bottom} ÷ {times} = {bottom}",
                        f"{big_top}/{big_bottom} = {top}/{bottom}",
                    ),
                    "Which is the greatest number that divides top and bottom?",
                    weight,
                    exact=True,
                )
            case _:
                return Draft(
                    pick(
                        chance,
                        (
                            f"Which fraction has the same value as {top}/{bottom}?",
                            f"Which fraction is equal to {top}/{bottom}?",
                        ),
                    ),
                    (
                        f"Multiply top and bottom of {top}/{bottom} by {times}.",
                        f"{top}/{bottom} = {big_top}/{big_bottom}",
                    ),
                    "Top and bottom must be multiplied by the same number.",
                    weight,
                )


class CompareParams(Params):
    """
    Attributes:
        bottoms: of all fractions, 40 at most.
        like: whether the four have one bottom, or one top; ``any``: they are in lowest terms.
    """

    kinds: tuple[Literal["largest", "smallest"], ...] = ("largest", "smallest")
    bottoms: Span = (2, 8)
    like: Literal["any", "bottom", "top"] = "any"


class CompareFractions(Family[CompareParams]):
    """Four fractions from the smallest up, each as top × 1000 + bottom."""

    name = "compare-fractions"
    params = CompareParams
    plain_hint = "Bring them to one bottom, or ask how far each is from one half or from one."

    def axes(self, kind: str, params: CompareParams) -> tuple[Sequence[int], ...]:
        return (self._codes(params),) * 4

    def _codes(self, params: CompareParams) -> list[int]:
        """From the smallest fraction up."""
        low, high = params.bottoms
        codes = [
            top * _CODE + bottom
            for bottom in range(min(low, 40), min(high, 40) + 1)
            for top in range(1, bottom)
            if params.like != "any" or gcd(top, bottom) == 1
        ]
        return sorted(codes, key=lambda code: Fraction(*divmod(code, _CODE)))

    def pool(self, kind: str, params: CompareParams, most: int, chance: Random) -> list[Numbers]:
        groups: dict[int, list[int]] = {}
        for code in self._codes(params):
            top, bottom = divmod(code, _CODE)
            group = {"any": 0, "bottom": bottom, "top": top}[params.like]
            groups.setdefault(group, []).append(code)
        if sum(comb(len(one), 4) for one in groups.values()) <= 10 * most:
            fours = [four for one in groups.values() for four in combinations(one, 4)]
            return sorted(shuffled(chance, fours)[:most])
        some = [one for one in groups.values() if len(one) >= 4]
        drawn: dict[Numbers, None] = {}
        while len(drawn) < most:
            group_of = pick(chance, some)
            places = {int(chance.random() * len(group_of)) for _ in range(4)}
            if len(places) == 4:
                drawn[tuple(group_of[place] for place in sorted(places))] = None
        return list(drawn)

    def answer(self, kind: str, task: Numbers) -> Value:
        top, bottom = divmod(task[-1 if kind == "largest" else 0], _CODE)
        return f"{top}/{bottom}"

    def word(self, kind: str, task: Numbers, params: CompareParams, chance: Random) -> Draft:
        four = [divmod(code, _CODE) for code in task]
        bottoms = {bottom for _, bottom in four}
        weight = 0
        if len(bottoms) == 1:
            rule = "All parts are equally large, so the number of parts decides."
            hint = "The bottoms are equal: which has the most or the fewest parts?"
        elif len({top for top, _ in four}) == 1:
            rule = "Equally many parts: the greater the bottom, the smaller each part."
            hint = "The tops are equal: are the parts large or small?"
            weight = 1
        else:
            bottom = lcm(*bottoms)
            scaled = [f"{x}/{y} = {x * bottom // y}/{bottom}" for x, y in four]
            rule = f"With one bottom: {', '.join(scaled)}."
            hint = self.plain_hint
            weight = 1 + (bottom > 24)
        options = [f"{top}/{bottom}" for top, bottom in four]
        key = options[-1 if kind == "largest" else 0]
        return Draft(
            f"Which of these fractions is the {kind}: {', '.join(shuffled(chance, options))}?",
            (rule, f"The {kind} is {key}."),
            hint,
            weight,
            options=options,
        )


class FractionSumParams(Params):
    """``bottoms``: 12 at most; ``like``: whether both are equal, otherwise they differ."""

    kinds: tuple[Literal["add", "subtract", "story"], ...] = ("add", "subtract", "story")
    bottoms: Span = (2, 8)
    like: bool = True


class FractionSums(Family[FractionSumParams]):
    """Two fractions, the greater first."""

    name = "fraction-sums"
    params = FractionSumParams
    plain_hint = "Only parts of equal size can be put together: look at the bottoms first."

    def axes(self, kind: str, params: FractionSumParams) -> tuple[Sequence[int], ...]:
        bottoms = range(min(12, params.bottoms[0]), min(12, params.bottoms[1]) + 1)
        tops = range(1, bottoms[-1])
        return tops, bottoms, tops, bottoms

    def fits(self, kind: str, task: Numbers, params: FractionSumParams) -> bool:
        a, b, x, y = task
        if a >= b or x >= y or (b == y) != params.like or a * y < x * b:
            return False
        if kind == "subtract" and a * y == x * b:
            return False
        return params.like or (gcd(a, b) == 1 and gcd(x, y) == 1)

    def answer(self, kind: str, task: Numbers) -> Value:
        a, b, x, y = task
        other = Fraction(x, y)
        return whole(Fraction(a, b) + (-other if kind == "subtract" else other))

    def slips(self, kind: str, task: Numbers) -> Sequence[Slip]:
        a, b, x, y = task
        if kind == "subtract":
            found: list[Slip] = []
            if b != y and a != x:
                found.append(("tops-and-bottoms", whole(abs(Fraction(a - x, b - y)))))
            if a != x:
                found.append(("bottom-kept", whole(Fraction(abs(a - x), max(b, y)))))
                found.append(("bottoms-multiplied", whole(Fraction(abs(a - x), b * y))))
            return [*found, ("added", whole(Fraction(a, b) + Fraction(x, y)))]
        return [
            ("tops-and-bottoms", whole(Fraction(a + x, b + y))),
            ("bottoms-multiplied", whole(Fraction(a + x, b * y))),
            *([("bottom-kept", whole(Fraction(a + x, max(b, y))))] if b != y else []),
            ("subtracted", whole(abs(Fraction(a, b) - Fraction(x, y)))),
        ]

    def recall(self, kind: str, numbers: Numbers) -> Numbers | None:
        if len(numbers) != 4:
            return None
        a, b, x, y = numbers
        return numbers if a * y >= x * b else (x, y, a, b)

    def word(self, kind: str, task: Numbers, params: FractionSumParams, chance: Random) -> Draft:
        a, b, x, y = task
        sign = "-" if kind == "subtract" else "+"
        if kind != "subtract" and chance.random() < 0.5:
            a, b, x, y = x, y, a, b
        bottom = lcm(b, y)
        left, right = a * bottom // b, x * bottom // y
        top = left - right if kind == "subtract" else left + right
        if kind == "story":
            name = pick(chance, stories.NAMES)
            text = pick(
                chance,
                (
                    f"{name} walks {a}/{b} of a mile and then {x}/{y} of a mile. "
                    "How many miles is that in all?",
                    f"{name} paints {a}/{b} of a fence on one day and {x}/{y} of a fence on the "
                    "next. How many fences is that?",
                    f"A jug holds {a}/{b} of a litre and {name} pours in {x}/{y} of a litre. "
                    "How many litres are in it now?",
                ),
            )
        else:
            text = pick(chance, (f"What is {a}/{b} {sign} {x}/{y}?", f"{a}/{b} {sign} {x}/{y} = ?"))
        same = f"{left}/{bottom} {sign} {right}/{bottom}"
        steps = (
            f"The parts are equally large: only the tops are "
            f"{'subtracted' if sign == '-' else 'added'}."
            if b == y
            else f"A common bottom is {bottom}: {a}/{b} = {left}/{bottom}, "
            f"{x}/{y} = {right}/{bottom}.",
            f"{same} = {_reduced(top, bottom)}",
        )
        hint = (
            "The parts are equally large: what happens to the tops?"
            if b == y
            else f"Find a number that {b} and {y} both divide."
        )
        return Draft(text, steps, hint, (gcd(top, bottom) > 1) + (bottom not in (b, y)))


class PartOfParams(Params):
    """``bottoms``: of the fraction; ``unit``: what one part of the number is."""

    kinds: tuple[Literal["plain", "story"], ...] = ("plain", "story")
    bottoms: Span = (2, 6)
    unit: Span = (1, 10)


class FractionOf(Family[PartOfParams]):
    """A fraction in lowest terms, and the number that a part is taken of."""

    name = "fraction-of"
    params = PartOfParams
    plain_hint = "Find one part first, then as many parts as the top says."

    def axes(self, kind: str, params: PartOfParams) -> tuple[Sequence[int], ...]:
        bottoms = through(params.bottoms)
        totals = range(bottoms[0] * params.unit[0], bottoms[-1] * params.unit[1] + 1)
        return range(1, bottoms[-1]), bottoms, totals

    def fits(self, kind: str, task: Numbers, params: PartOfParams) -> bool:
        top, bottom, total = task
        low, high = params.unit
        return (
            top < bottom
            and total % bottom == 0
            and low <= total // bottom <= high
            and gcd(top, bottom) == 1
        )

    def answer(self, kind: str, task: Numbers) -> Value:
        return task[2] // task[1] * task[0]

    def slips(self, kind: str, task: Numbers) -> Sequence[Slip]:
        top, bottom, total = task
        one = total // bottom
        return [
            *([("one-part-only", one)] if top > 1 else []),
            ("the-rest", total - one * top),
            ("bottom-only", total - bottom),
            ("top-only", total * top),
        ]

    def word(self, kind: str, task: Numbers, params: PartOfParams, chance: Random) -> Draft:
        top, bottom, total = task
        one = total // bottom
        name, thing = pick(chance, stories.NAMES), pick(chance, stories.THINGS)
        text = (
            pick(
                chance,
                (
                    f"Of all {thing}, {top}/{bottom} are red, and there are {total} {thing}. "
                    "How many are red?",
                    f"{top}/{bottom} of the {total} {thing} belong to {name}. How many is that?",
                    f"{name} gives away {top}/{bottom} of {total} {thing}. How many is that?",
                ),
            )
            if kind == "story"
            else pick(
                chance,
                (f"What is {top}/{bottom} of {total}?", f"How much is {top}/{bottom} of {total}?"),
            )
        )
        return Draft(
            text,
            (
                f"One of {bottom} equal parts: {total} ÷ {bottom} = {one}",
                f"{top} part{'s' if top > 1 else ''}: {top} × {one} = {one * top}",
            ),
            f"How much is one of {bottom} equal parts of {total}?",
            (top > 1) + (one > 9),
        )


class FractionProductParams(Params):
    """``bottoms``: 12 at most."""

    kinds: tuple[Literal["times", "divide"], ...] = ("times", "divide")
    bottoms: Span = (2, 6)


class FractionProducts(Family[FractionProductParams]):
    """Two fractions in lowest terms; of ``times`` the greater first."""

    name = "fraction-products"
    params = FractionProductParams
    plain_hint = "To multiply, go straight across; to divide, turn the second one over first."

    def axes(self, kind: str, params: FractionProductParams) -> tuple[Sequence[int], ...]:
        bottoms = range(min(12, params.bottoms[0]), min(12, params.bottoms[1]) + 1)
        tops = range(1, bottoms[-1])
        return tops, bottoms, tops, bottoms

    def fits(self, kind: str, task: Numbers, params: FractionProductParams) -> bool:
        a, b, x, y = task
        if a >= b or x >= y or gcd(a, b) > 1 or gcd(x, y) > 1:
            return False
        return kind == "divide" or a * y >= x * b

    def answer(self, kind: str, task: Numbers) -> Value:
        a, b, x, y = task
        return whole(Fraction(a * x, b * y) if kind == "times" else Fraction(a * y, b * x))

    def slips(self, kind: str, task: Numbers) -> Sequence[Slip]:
        a, b, x, y = task
        if kind == "times":
            return [
                ("cross-multiplied", whole(Fraction(a * y, b * x))),
                ("tops-and-bottoms", whole(Fraction(a + x, b + y))),
                ("bottom-kept", whole(Fraction(a * x, max(b, y)))),
            ]
        return [
            ("not-turned", whole(Fraction(a * x, b * y))),
            ("wrong-one-turned", whole(Fraction(b * x, a * y))),
        ]

    def word(
        self, kind: str, task: Numbers, params: FractionProductParams, chance: Random
    ) -> Draft:
        a, b, x, y = task
        if kind == "times":
            if chance.random() < 0.5:
                a, b, x, y = x, y, a, b
            return Draft(
                f"What is {a}/{b} × {x}/{y}?",
                (
                    f"Tops: {a} × {x} = {a * x}, bottoms: {b} × {y} = {b * y}",
                    f"{a}/{b} × {x}/{y} = {_reduced(a * x, b * y)}",
                ),
                "Multiply the tops, then the bottoms, and simplify.",
                1 + (gcd(a * x, b * y) > 1),
            )
        return Draft(
            f"What is {a}/{b} ÷ {x}/{y}?",
            (
                f"Dividing by {x}/{y} is multiplying by {y}/{x}.",
                f"{a}/{b} × {y}/{x} = {_reduced(a * y, b * x)}",
            ),
            "Turn the second fraction over and multiply.",
            1 + (gcd(a * y, b * x) > 1),
        )


class MixedParams(Params):
    """``bottoms``: of the fraction; ``wholes``: the whole part."""

    kinds: tuple[Literal["improper", "mixed"], ...] = ("improper", "mixed")
    bottoms: Span = (2, 6)
    wholes: Span = (1, 4)


class MixedNumbers(Family[MixedParams]):
    """Whole part and a fraction in lowest terms; ``improper`` asks for one fraction, ``mixed`` for
    the mixed number."""

    name = "mixed-numbers"
    params = MixedParams
    plain_hint = "How many parts make one whole, and how many wholes are there?"

    def axes(self, kind: str, params: MixedParams) -> tuple[Sequence[int], ...]:
        return through(params.wholes), range(1, params.bottoms[1]), through(params.bottoms)

    def fits(self, kind: str, task: Numbers, params: MixedParams) -> bool:
        return task[1] < task[2] and gcd(task[1], task[2]) == 1

    def answer(self, kind: str, task: Numbers) -> Value:
        wholes, top, bottom = task
        if kind == "improper":
            return Fraction(wholes * bottom + top, bottom)
        return f"{wholes} {top}/{bottom}"

    def slips(self, kind: str, task: Numbers) -> Sequence[Slip]:
        wholes, top, bottom = task
        if kind == "improper":
            return [
                ("whole-added-to-top", whole(Fraction(wholes + top, bottom))),
                ("top-forgotten", whole(Fraction(wholes * bottom * top, bottom))),
            ]
        return [
            ("upside-down", f"{top} {wholes}/{bottom}"),
            ("one-whole-more", f"{wholes + 1} {top}/{bottom}"),
        ]

    def others(self, kind: str, task: Numbers, chance: Random) -> Sequence[Value]:
        if kind == "improper":
            return ()
        wholes, top, bottom = task
        seen = {
            Fraction(wholes * bottom + top, bottom),
            Fraction((wholes + 1) * bottom + top, bottom),
            top + Fraction(wholes, bottom),
        }
        found: list[Value] = []
        for one, x, y in (
            (wholes, top, bottom + 1),
            (wholes, bottom - top, bottom),
            (max(1, wholes - 1), top, bottom),
            (wholes + 2, top, bottom),
            (wholes + 1, top, bottom + 1),
        ):
            if x < y and one + Fraction(x, y) not in seen:
                seen.add(one + Fraction(x, y))
                found.append(f"{one} {x}/{y}")
        return found

    def word(self, kind: str, task: Numbers, params: MixedParams, chance: Random) -> Draft:
        wholes, top, bottom = task
        total = wholes * bottom + top
        weight = (bottom > 4) + (wholes > 2)
        if kind == "improper":
            return Draft(
                f"Write {wholes} {top}/{bottom} as one fraction, without a whole number.",
                (
                    f"{wholes} whole{'s' if wholes > 1 else ''}: {wholes} × {bottom} = "
                    f"{wholes * bottom} parts, and {top} more.",
                    f"{wholes} {top}/{bottom} = {total}/{bottom}",
                ),
                f"How many parts of size 1/{bottom} are in one whole?",
                weight,
                exact=True,
            )
        return Draft(
            f"Which mixed number is {total}/{bottom}?",
            (
                f"{total} ÷ {bottom} = {wholes}, and {top} is left over.",
                f"{total}/{bottom} = {wholes} {top}/{bottom}",
            ),
            f"How often does {bottom} go into {total}?",
            weight,
        )


FAMILIES: Final = (
    FractionParts(),
    SameFraction(),
    CompareFractions(),
    FractionSums(),
    FractionOf(),
    FractionProducts(),
    MixedNumbers(),
)
