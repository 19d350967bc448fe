"""What a family of questions is: a finite space of tasks, and how one of them is put into words.

One law: a task is its kind and its numbers, and these alone decide its key; chance chooses among
tasks and words, never the answer.
"""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from itertools import islice, product
from math import prod
from random import Random
from typing import Annotated, Final, Generic, TypeVar

from pydantic import AfterValidator, Field, JsonValue, ValidationError

from holodeck.messages.base import Message
from holodeck.messages.errors import ContractError
from holodeck.messages.practice import AnswerFormat, AnswerType, Question, SkillId, SkillTier

POOL: Final = 2000
"""Tasks of a space at most: a larger one is a fixed sample of itself, nobody comes to its end."""
_ENUMERATED: Final = 20_000
_DRAWS: Final = 16
"""Random draws before the space is searched from one end to the other."""
_OLDEST: Final = 12

Numbers = tuple[int, ...]
Value = int | Fraction | Decimal | str
"""A key or an option; of one question all are of kinds that compare by value."""
Slip = tuple[str, Value]
"""A typical mistake: its name, and what it comes to."""


def rising(pair: tuple[int, int]) -> tuple[int, int]:
    """
    Raises:
        ValueError: the first is above the second.
    """
    if pair[0] > pair[1]:
        raise ValueError(f"{pair[0]} is above {pair[1]}")
    return pair


_Bound = Annotated[int, Field(ge=1, le=1_000_000)]
Span = Annotated[tuple[_Bound, _Bound], AfterValidator(rising)]
"""The least and the greatest, both included; from 1 to a million."""
_T = TypeVar("_T")


def pick(chance: Random, of: Sequence[_T]) -> _T:
    """One of them. Built on ``random()`` alone, the one draw that no Python version changes."""
    return of[int(chance.random() * len(of))]


def shuffled(chance: Random, of: Iterable[_T]) -> list[_T]:
    out = list(of)
    for last in range(len(out) - 1, 0, -1):
        other = int(chance.random() * (last + 1))
        out[last], out[other] = out[other], out[last]
    return out


def through(span: tuple[int, int]) -> range:
    return range(span[0], span[1] + 1)


def said(number: int) -> str:
    """With a comma between thousands from 10,000 up."""
    return f"{number:,}" if number >= 10_000 else str(number)


def listed(words: Sequence[str]) -> str:
    """``a, b and c``"""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def whole(value: Fraction) -> Value:
    """An integer where the fraction is one."""
    return value.numerator if value.denominator == 1 else value


def written(value: Value) -> str:
    """The canonical form of a key: an integer, the shortest decimal, a fraction in lowest terms."""
    if isinstance(value, Decimal):
        text = format(value, "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    return str(value)


class Params(Message):
    """What every family can be told.

    Attributes:
        kinds: the kinds of task, each as often as the other.
        choice: the share of questions with four options where the answer could be typed, 0 to 1.
    """

    kinds: tuple[str, ...] = ("plain",)
    choice: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.25


P = TypeVar("P", bound=Params)


@dataclass(slots=True)
class Draft:
    """A task in words.

    Attributes:
        steps: the explanation, 2 to 5 lines; the last one says the key.
        weight: how hard for its tier: 0, 1 or 2.
        options: all four, where the words name them.
        exact: only the canonical form counts.
    """

    text: str
    steps: Sequence[str]
    hint: str
    weight: int = 0
    unit: str = ""
    options: Sequence[Value] = ()
    exact: bool = False


class Family(ABC, Generic[P]):
    """Tasks of one sort.

    Attributes:
        name: as a curriculum calls it.
        params: what a curriculum may say.
        plain_hint: one without numbers, for tasks whose own hint would give the key away.
    """

    name: str
    params: type[P]
    plain_hint: str

    @abstractmethod
    def axes(self, kind: str, params: P) -> tuple[Sequence[int], ...]:
        """What each number of a task may be."""

    def fits(self, kind: str, task: Numbers, params: P) -> bool:
        """Whether these numbers are a task, and the canonical one of those that say the same."""
        return True

    def pool(self, kind: str, params: P, most: int, chance: Random) -> Sequence[Numbers]:
        """The tasks of a kind, distinct, ``most`` of them by chance where there are more."""

        def fits(task: Numbers) -> bool:
            return self.fits(kind, task, params)

        return _pool(self.axes(kind, params), fits, most, chance)

    @abstractmethod
    def answer(self, kind: str, task: Numbers) -> Value:
        """The key."""

    def slips(self, kind: str, task: Numbers) -> Sequence[Slip]:
        """What typical mistakes come to, the most typical first."""
        return ()

    def others(self, kind: str, task: Numbers, chance: Random) -> Sequence[Value]:
        """More wrong options, for when mistakes are too few; needed where the key is a text."""
        return ()

    @abstractmethod
    def word(self, kind: str, task: Numbers, params: P, chance: Random) -> Draft:
        """The task in words."""

    def recall(self, kind: str, numbers: Numbers) -> Numbers | None:
        """The numbers of a task by those of its text, in order; None: not one of this kind."""
        return numbers


@dataclass(frozen=True)
class Space(Generic[P]):
    """Every task of a family with its parameters at a tier.

    Attributes:
        pools: the tasks of each kind.
    """

    family: Family[P]
    params: P
    tier: SkillTier
    pools: Mapping[str, Sequence[Numbers]]

    @cached_property
    def kinds(self) -> Sequence[str]:
        return tuple(self.pools)

    @cached_property
    def every(self) -> Sequence[tuple[str, Numbers]]:
        return tuple((kind, task) for kind, pool in self.pools.items() for task in pool)

    def key(self, kind: str, task: Numbers) -> str:
        """Names the task whatever its words."""
        return f"{self.family.name}:{kind}:{','.join(map(str, task))}"

    def fresh(
        self, chance: Random, avoid: frozenset[str], wanted: frozenset[str]
    ) -> tuple[str, Numbers] | None:
        """A task that is not among ``avoid``, by preference one that a ``wanted`` slip shows in;
        None: there is none left."""
        second: tuple[str, Numbers] | None = None
        for _ in range(_DRAWS):
            kind = pick(chance, self.kinds)
            task = pick(chance, self.pools[kind])
            if self.key(kind, task) in avoid:
                continue
            if not wanted or wanted & self._shown(kind, task):
                return kind, task
            second = second or (kind, task)
        if second is not None:
            return second
        start = int(chance.random() * len(self.every))
        for at in range(start - len(self.every), start):
            if self.key(*self.every[at]) not in avoid:
                return self.every[at]
        return None

    def oldest(self, chance: Random, prior: Sequence[str]) -> tuple[str, Numbers]:
        """Of a dozen tasks the one whose question lies furthest back in ``prior``, the newest
        last; for when all have been asked."""
        start = int(chance.random() * len(self.every))
        if not prior:
            return self.every[start]
        some = (*self.every[start:], *self.every[:start])[:_OLDEST]
        marks = [_mark(text) for text in prior]

        def last(one: tuple[str, Numbers]) -> int:
            mark = _mark(self.family.word(*one, self.params, chance).text)
            return max((at for at, other in enumerate(marks) if other == mark), default=-1)

        return min(some, key=last)

    def misconceptions(self, errors: Sequence[str]) -> frozenset[str]:
        """The names of the slips that recent wrong answers show, of each the most typical one.

        ``errors``: each ``Answered A for 'Q', correct answer was K``; others show none.
        """
        found: set[str] = set()
        for error in errors:
            if (parts := _ERROR.match(error)) is None:
                continue
            given, text, key = (part.strip() for part in parts.groups())
            given = _bare(given)
            for kind in self.kinds:
                task = self.family.recall(kind, numbers_in(text))
                if task is None or not self._possible(kind, task):
                    continue
                if _bare(written(self.family.answer(kind, task))) == _bare(key):
                    slips = self.family.slips(kind, task)
                    names = (name for name, value in slips if _bare(written(value)) == given)
                    found.update(islice(names, 1))
        return frozenset(found)

    def _possible(self, kind: str, task: Numbers) -> bool:
        axes = self.family.axes(kind, self.params)
        return (
            len(axes) == len(task)
            and all(number in axis for number, axis in zip(task, axes, strict=True))
            and self.family.fits(kind, task, self.params)
        )

    def _shown(self, kind: str, task: Numbers) -> frozenset[str]:
        key = self.family.answer(kind, task)
        return frozenset(name for name, value in self.family.slips(kind, task) if value != key)

    def question(self, skill: SkillId, kind: str, task: Numbers, chance: Random) -> Question:
        """The task as a question."""
        learn = self.tier is SkillTier.LEARN
        key = self.family.answer(kind, task)
        draft = self.family.word(kind, task, self.params, chance)
        answer = written(key)
        text_key = isinstance(key, str)
        choices: tuple[str, ...] = ()
        if draft.options:
            choices = tuple(written(one) for one in shuffled(chance, draft.options))
        elif not draft.exact and (text_key or chance.random() < self.params.choice):
            slips = [value for _, value in self.family.slips(kind, task)]
            more = self.family.others(kind, task, chance)
            choices = _options(chance, key, (*slips, *more))
        hint = ""
        if learn:
            hint = draft.hint if not tells(draft.hint, answer) else self.family.plain_hint
        return Question(
            text=draft.text,
            format=AnswerFormat.CHOICE if choices else AnswerFormat.NUMERIC,
            answer=answer,
            answer_type=_type_of(key),
            choices=choices,
            hint=hint,
            difficulty=(1 if learn else 3) + min(2, max(0, draft.weight)),
            explanation="\n".join(draft.steps),
            skill=skill,
            tier=self.tier,
            unit="" if choices else draft.unit,
            exact_form=draft.exact,
            task=self.key(kind, task),
            source="offline",
        )


def space(family: Family[P], tier: SkillTier, raw: Mapping[str, JsonValue]) -> Space[P]:
    """
    Raises:
        ContractError: a parameter is unknown or out of bounds, or together they allow no task.
    """
    try:
        params = family.params.model_validate(raw)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, one['loc'])) or 'parameters'}: {one['msg']}"
            for one in error.errors(include_url=False)
        )
        raise ContractError(f"{family.name}: {faults}") from error
    if not params.kinds:
        raise ContractError(f"{family.name}: kinds: there must be one at least")
    chance = Random(f"{family.name}:{json.dumps(dict(raw), sort_keys=True)}")
    pools: dict[str, Sequence[Numbers]] = {}
    for kind in dict.fromkeys(params.kinds):
        if pool := family.pool(kind, params, POOL // len(params.kinds), chance):
            pools[kind] = pool
        else:
            raise ContractError(f"{family.name}: the parameters allow no task of kind {kind}")
    return Space(family, params, tier, pools)


def _pool(
    axes: tuple[Sequence[int], ...], fits: Callable[[Numbers], bool], most: int, chance: Random
) -> Sequence[Numbers]:
    size = prod(len(axis) for axis in axes)
    if size <= _ENUMERATED:
        found = [task for task in product(*axes) if fits(task)]
        return tuple(sorted(shuffled(chance, found)[:most]))
    drawn: dict[Numbers, None] = {}
    for _ in range(_ENUMERATED):
        task = tuple(pick(chance, axis) for axis in axes)
        if fits(task):
            drawn[task] = None
            if len(drawn) == most:
                break
    return tuple(drawn)


_ERROR: Final = re.compile(
    r"Answered (.*?) for ['\"](.*)['\"], (?:the )?correct answer was (.*?)\.?\s*$", re.DOTALL
)
_NUMBER: Final = re.compile(r"\d+(?:,\d{3}(?!\d))*")
_LEADING: Final = re.compile(r"-?\d+(?:[./]\d+)?(?: r \d+)?(?=$| [a-z])")


def numbers_in(text: str) -> Numbers:
    """The natural numbers in a text, in order."""
    return tuple(int(one.replace(",", "")) for one in _NUMBER.findall(text))


def _mark(text: str) -> object:
    return sorted(numbers_in(text)) or text


def _bare(given: str) -> str:
    """A short form to compare what was entered with what a slip comes to: no commas, no unit."""
    plain = re.sub(r"(?<=\d),(?=\d{3})", "", given.strip())
    return found.group() if (found := _LEADING.match(plain)) else plain.casefold()


def tells(hint: str, answer: str) -> bool:
    """Whether the hint has the answer in it, as a word of its own, with commas or without."""
    hint = hint.replace(",", "")
    at = hint.find(answer)
    while at >= 0:
        before = hint[max(0, at - 1) : at]
        after = hint[at + len(answer) : at + len(answer) + 1]
        if not before.isalnum() and not after.isalnum():
            return True
        at = hint.find(answer, at + 1)
    return False


def _type_of(key: Value) -> AnswerType:
    match key:
        case int():
            return AnswerType.INTEGER
        case Fraction():
            return AnswerType.FRACTION
        case Decimal():
            return AnswerType.DECIMAL
        case str():
            return AnswerType.TEXT


def _options(chance: Random, key: Value, wrong: Iterable[Value]) -> tuple[str, ...]:
    """The key and three wrong ones, all distinct by value, in an order of chance."""
    values: list[Value] = [key]
    for one in (*wrong, *_near(chance, key)):
        if one not in values and (isinstance(one, str) or one >= 0):
            values.append(one)
            if len(values) == 4:
                break
    return tuple(written(one) for one in shuffled(chance, values))


def _near(chance: Random, key: Value) -> Iterable[Value]:
    """Values near the key, on either side by chance, so that its rank tells nothing."""
    sign = 1 if chance.random() < 0.5 else -1
    match key:
        case int():
            step: int = 10 ** max(0, len(str(key)) - 2)
            ten = 10 if key >= 10 else 3
            near = (step, 2 * step, ten, -step, ten * step, -2 * step)
            return [key + sign * by for by in near] + [key + step * by for by in (3, 4, 5)]
        case Fraction():
            top, bottom = key.numerator, key.denominator
            return [
                Fraction(top + sign, bottom),
                Fraction(top, bottom + 1),
                Fraction(top + 1, bottom),
                Fraction(top, max(1, bottom - 1)),
                Fraction(top + 2, bottom),
                Fraction(top + 1, bottom + 1),
            ]
        case Decimal():
            return [key * 10, key / 10, key * 100, key + 1, key / 100]
        case str():
            return ()
