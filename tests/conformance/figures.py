"""How results of the player's rules are put so that cases can speak of them.

One law: here nothing is computed, only said: a number as a number and in words, a trial as taken or
refused, a list by what is in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from holodeck.messages.errors import HolodeckError
from tests.conformance.compare import TOLERANCE
from tests.conformance.runner import Case, Otherwise
from tests.conformance.words import NUMBERS, Said, refused, words_of

_NUMBER: Final = r"[+-]?\d+(?:\.\d+)?"
_BOUND: Final = re.compile(rf"(?P<how><=|>=|<|>|≤|≥|=)?\s*(?P<number>{_NUMBER})")
_RANGE: Final = re.compile(rf"(?P<low>{_NUMBER})\s*(?:\.\.|to|–|-)\s*(?P<high>{_NUMBER})")
_TIMES: Final = {"once": 1, "twice": 2, "thrice": 3, "none": 0, "empty": 0, "nothing": 0}


@dataclass(frozen=True, slots=True)
class Figure:
    """A number: equal to one, or as words say (``>1``, ``1..6``, ``+1``, ``once``, ``five``)."""

    value: float

    def says(self, expected: str | float | None) -> bool:
        if not isinstance(expected, str):
            return expected is not None and abs(self.value - expected) <= TOLERANCE
        text = expected.strip().lower()
        text = re.sub(r"^(an )?(at most|no more than|up to) ", "<=", text)
        text = re.sub(r"^at least ", ">=", text)
        text = re.sub(r"^(exactly|only) ", "", text)
        named = {**_TIMES, **{word: n for n, word in enumerate(NUMBERS)}}
        text = re.sub(r"[a-z]+", lambda word: str(named.get(word[0], word[0])), text)
        if within := _RANGE.fullmatch(text):
            return float(within["low"]) <= self.value <= float(within["high"])
        if bound := _BOUND.fullmatch(text):
            number = float(bound["number"])
            match bound["how"]:
                case "<":
                    return self.value < number
                case ">":
                    return self.value > number
                case "<=" | "≤":
                    return self.value <= number + TOLERANCE
                case ">=" | "≥":
                    return self.value >= number - TOLERANCE
                case _:
                    return abs(self.value - number) <= TOLERANCE
        return False

    def shown(self) -> Any:
        return self.value


class Figures(dict[str, Any]):
    """An object of results; a number that is expected in its place is that of its first key."""

    def says(self, expected: str | float | None) -> bool:
        first = next(iter(self.values()), None)
        return Figure(first).says(expected) if isinstance(first, int | float) else False

    def shown(self) -> Any:
        return dict(self)


@dataclass(frozen=True, slots=True)
class Listed:
    """Texts in order, one of which is expected, or words of one."""

    items: tuple[str, ...]

    def says(self, expected: str | float | None) -> bool:
        if not isinstance(expected, str):
            return False
        wanted = expected.casefold()
        return bool(wanted) and any(wanted in item.casefold() for item in self.items)

    def shown(self) -> Any:
        return list(self.items)


def tried(attempt: Callable[[], Any], *facts: str) -> Said:
    """``ok``, or what the attempt is refused for; ``facts`` say what a refusal is called."""
    try:
        attempt()
    except (ValidationError, HolodeckError, ValueError) as error:
        called = ["validation error"] if isinstance(error, ValueError) else []
        reason = getattr(error, "reason", "")
        if reason:
            called += [reason.replace("-", " "), f"error mentioning that it {error}"]
        return refused(error, *called, *facts)
    return Said("ok", ("ok", "valid"))


def order(numbers: Sequence[float]) -> Said:
    """Whether numbers rise or fall."""
    rising = list(numbers) == sorted(numbers)
    falling = list(numbers) == sorted(numbers, reverse=True)
    facts = (("ascending", "sorted") if rising else ()) + (("descending",) if falling else ())
    return Said(list(numbers), facts)


def answered(expected: Any, results: Mapping[str, Any]) -> dict[str, Any]:
    """Results under the keys a case asks for, which may say in words what is asked of one:
    ``milestones include``, ``a highlight mentions``, ``recommendation types``.

    A result is asked for where all words of its name are among those of the key; of several the
    one with most words. Where a key says ``include``, ``contains`` or ``mentions``, a list is
    asked for what is in it.
    """
    found: dict[str, Any] = {}
    for key, value in expected.items() if isinstance(expected, Mapping) else ():
        if key in results:
            found[key] = results[key]
            continue
        asked = words_of(key.replace("_", " "))
        names = [name for name in results if words_of(name.replace("_", " ")) <= asked]
        if not names:
            continue
        got = results[max(names, key=lambda name: len(words_of(name.replace("_", " "))))]
        if asked & {"include", "contain", "mention"} and isinstance(got, list | tuple):
            items = Listed(tuple(map(str, got)))
            got = [items] * len(value) if isinstance(value, list) else items
        found[key] = got
    return found


def otherwise(
    case: Case, got: Any, decision: str, reason: str, decided: Any = None, **parts: Any
) -> Otherwise:
    """A result that was ``decided``; with ``parts`` only these of an object were, and all else
    has to be as is expected."""
    if parts and isinstance(case.expected, Mapping):
        decided = {**case.expected, **{k: v for k, v in parts.items() if k in case.expected}}
    return Otherwise(got, decided, decision, reason)


def each(value: Any) -> list[Any]:
    """The items of a list; of anything else itself."""
    return list(value) if isinstance(value, list | tuple) else [value]


def like(value: Any, results: Iterable[Any]) -> Any:
    """Results as a list where ``value`` is one, else the only one."""
    found = list(results)
    return found if isinstance(value, list | tuple) else found[0]


def number_word(number: int) -> str:
    return NUMBERS[number] if 0 <= number < len(NUMBERS) else str(number)
