"""Whether a question that somebody made may be asked.

One law: three validators in a fixed order, structural, answer-format, math-check, and the first
that finds something says so; arithmetic is exact, and what cannot be recomputed is believed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Annotated, Any, Final, Literal

from pydantic import Field, ValidationError

from holodeck.messages.base import Message
from holodeck.messages.errors import ContractError
from holodeck.messages.practice import (
    AnswerFormat,
    AnswerType,
    Difficulty,
    Question,
    SkillId,
    SkillTier,
)

Validator = Literal["structural", "answer-format", "math-check"]

OPTIONS: Final = 4
LARGEST: Final = 2**63
"""Whole keys lie below it in size."""
_DEEPEST: Final = 20
"""Parentheses that are followed; whoever nests deeper is believed."""

_KEYS: Final[Mapping[AnswerType, re.Pattern[str]]] = {
    AnswerType.INTEGER: re.compile(r"(?!-0$)-?(?:0|[1-9][0-9]*)"),
    AnswerType.DECIMAL: re.compile(r"(?!-0$)-?(?:0|[1-9][0-9]*)(?:\.[0-9]*[1-9])?"),
    AnswerType.FRACTION: re.compile(r"(?!-0/)-?(?:0|[1-9][0-9]*)/[1-9][0-9]*"),
    AnswerType.TEXT: re.compile(r".*\S.*", re.DOTALL),
}
_NUMBER: Final = re.compile(r"-?(?:[0-9]+(?:\.[0-9]+)?|[0-9]+/0*[1-9][0-9]*)")


class UnsoundQuestion(ContractError):
    """A question that may not be asked.

    Attributes:
        validator: which one says so; problem: what it says, in words for whoever made it.
        retryable: another try may do better.
    """

    code = "unsound-question"

    def __init__(self, validator: Validator, problem: str, retryable: bool = True) -> None:
        super().__init__(validator, problem, retryable)
        self.validator, self.problem, self.retryable = validator, problem, retryable

    def __str__(self) -> str:
        return f"{self.validator}: {self.problem}"


class Draft(Message):
    """What whoever makes a question has to say: every field, and no other."""

    text: Annotated[str, Field(min_length=1, max_length=500)]
    format: AnswerFormat
    answer: Annotated[str, Field(max_length=200)]
    answer_type: AnswerType
    choices: Annotated[tuple[Annotated[str, Field(max_length=200)], ...], Field(max_length=20)]
    hint: Annotated[str, Field(max_length=500)]
    difficulty: Difficulty
    explanation: Annotated[str, Field(min_length=1, max_length=1000)]


def checked(
    said: object,
    *,
    skill: SkillId,
    tier: SkillTier,
    math: bool,
    source: str = "model",
) -> Question:
    """The question somebody drafted, if it may be asked.

    Args:
        said: plain data with the fields of :class:`Draft`.
        math: the key is recomputed where it can be.

    Raises:
        UnsoundQuestion: the first validator that finds something.
    """
    draft = structural(said)
    answer_format(draft.answer, draft.answer_type, draft.format, draft.choices)
    if math and not math_check(draft.text, draft.answer, draft.answer_type):
        raise UnsoundQuestion(
            "math-check", f"{draft.answer!r} is not what the text comes to when computed"
        )
    return Question(**draft.model_dump(), skill=skill, tier=tier, source=source)


def structural(said: object) -> Draft:
    """The draft plain data says.

    Raises:
        UnsoundQuestion: a field is missing, unknown or out of its bounds, or a text is to be
            typed in.
    """
    try:
        draft = Draft.model_validate(said)
    except ValidationError as error:
        problems = (_problem(told) for told in error.errors(include_url=False))
        raise UnsoundQuestion("structural", "; ".join(problems)) from None
    for name in ("text", "explanation"):
        if not getattr(draft, name).strip():
            raise UnsoundQuestion("structural", f"{name} is blank")
    if draft.answer_type is AnswerType.TEXT and draft.format is not AnswerFormat.CHOICE:
        raise UnsoundQuestion("structural", "answer_type text needs format multiple_choice")
    return draft


def _problem(told: Mapping[str, Any]) -> str:
    where = ".".join(map(str, told["loc"])) or "the reply"
    return f"{where}: {told['msg']}"


def answer_format(
    answer: str, answer_type: AnswerType, form: AnswerFormat, choices: Sequence[str] = ()
) -> None:
    """Checks that a key has its canonical form and stands among four good options or none.

    Options are distinct ignoring case and outer space, and by value where the key is a number.

    Raises:
        UnsoundQuestion: it is not so.
    """
    problem = _key_problem(answer, answer_type)
    if problem is None:
        problem = _option_problem(answer, answer_type, form, choices)
    if problem is not None:
        raise UnsoundQuestion("answer-format", problem)


def _key_problem(answer: str, answer_type: AnswerType) -> str | None:
    if not _KEYS[answer_type].fullmatch(answer):
        return f"{answer!r} is no {answer_type} in its shortest form"
    if answer_type is AnswerType.INTEGER and abs(int(answer)) >= LARGEST:
        return "the answer is too large"
    if answer_type is AnswerType.FRACTION:
        value = Fraction(answer)
        lowest = f"{value.numerator}/{value.denominator}"
        if answer != lowest:
            return f"{answer!r} is not in lowest terms, which are {lowest!r}"
    return None


def _option_problem(
    answer: str, answer_type: AnswerType, form: AnswerFormat, choices: Sequence[str]
) -> str | None:
    if form is AnswerFormat.NUMERIC:
        return "format numeric takes no choices" if choices else None
    if len(choices) != OPTIONS:
        return f"there are {len(choices)} choices, {OPTIONS} are wanted"
    plain = [choice.strip().casefold() for choice in choices]
    if not all(plain):
        return "a choice is blank"
    if len(set(plain)) < OPTIONS:
        return "two choices are the same"
    if answer_type is not AnswerType.TEXT:
        values = [value for choice in plain if (value := _value(choice)) is not None]
        if len(set(values)) < len(values):
            return "two choices have the same value"
    if answer.strip().casefold() not in plain:
        return f"the answer {answer!r} is none of the choices"
    return None


def _value(text: str) -> Fraction | None:
    return Fraction(text) if _NUMBER.fullmatch(text) else None


# --- recomputing ----------------------------------------

_TOKEN: Final = re.compile(
    r"""(?P<number>
        (?:[0-9]+\ +)?[0-9]+/[0-9]+(?!/?[0-9])        # a fraction, maybe a mixed number
       |(?:[1-9][0-9]{0,2}(?:(?:,[0-9]{3})+|(?:\ [0-9]{3})+)|[0-9]+)(?:\.[0-9]+)?(?![0-9])
       |\.[0-9]+)
    |(?P<word>(?:[^\W\d_]|')+(?:-\w+)*)
    |(?P<gap>_+|\?|□|▢|\[\ *\])
    |(?P<sign>[-+*/×÷=()])
    |(?P<space>\s+)
    |(?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_ALIKE: Final = str.maketrans(
    {"\u2212": " - ", "·": "×", "⋅": "×", "∙": "×", "∗": "*", "✕": "×", "✖": "×", "∕": "/",
     "\u2044": "/", "＋": "+", "＝": "=", "–": "-", "—": "-", "\u2010": "-", "\u2011": "-",
     "\u00a0": " ", "\u202f": " ", "\u2009": " ", "$": " ", "€": " ", "£": " "}
)  # fmt: skip
_BEYOND: Final = re.compile(r"[\^√%²³¹⁴-⁹!|<>≤≥≠≈~°∛π]|[0-9]:[0-9]|\*\*|//|/[0-9]+/")
_LOOSE: Final = re.compile(
    r"""\b(?:estimat\w+|round\w*|nearest|about|approximate\w*|roughly|half|halve\w*|twice|doubl\w+
    |tripl\w+|dozen|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|quotient
    |digits?|numerator|denominator|factors?|multiples?|opposite|reciprocal|place)\b""",
    re.VERBOSE | re.IGNORECASE,
)
"""Words after which the key need not be the value of what is written."""
_TIMES: Final = frozenset({"x", "X"})
_OPERANDS: Final = frozenset({"number", "gap"})
_BETWEEN: Final = frozenset("+-*×÷=")


class _Unclear(Exception):
    """The text holds nothing that can be computed with certainty."""


@dataclass(frozen=True, slots=True)
class _Token:
    """``tight``: a hyphen with no space on either side, which may stand for *to*."""

    kind: Literal["number", "sign", "gap", "letter"]
    text: str
    tight: bool = False


def math_check(text: str, answer: str, answer_type: AnswerType) -> bool:
    """Whether a key may be right, so far as the text can be computed.

    It can be where the text holds one expression or one equation and no other figures. Known are
    chains with precedence, parentheses, fractions and mixed numbers, separators of thousands,
    other signs for minus, times and divided, ``x`` between numbers, and an equation with a gap
    (``?``, ``__``) or one letter, which the key is put into. A range (12-18) is no difference.
    Division by zero has no value, so no number is right. With a remainder, the whole quotient and
    the remainder are both taken.

    Returns:
        False only where the key is certainly wrong.
    """
    key = _value(answer)
    if answer_type is AnswerType.TEXT or key is None:
        return True
    flat = "".join(_spelled(letter) for letter in text).translate(_ALIKE)
    if _BEYOND.search(flat) or _LOOSE.search(flat):
        return True
    try:
        return _holds(_expression(flat), key, rest="remainder" in flat.casefold())
    except _Unclear:
        return True
    except ZeroDivisionError:
        return False


def _spelled(letter: str) -> str:
    if unicodedata.decomposition(letter).startswith("<fraction>"):
        return f" {unicodedata.normalize('NFKC', letter)}"
    return letter


def _expression(flat: str) -> list[_Token]:
    """The one run of tokens that is an expression."""
    runs = [run for run in _runs(flat) if any(token.kind == "number" for token in run)]
    if len(runs) != 1:
        raise _Unclear
    run = runs[0]
    signs = [token for token in run if token.kind == "sign" and token.text not in "()"]
    if not signs or (all(sign.tight for sign in signs)):
        raise _Unclear
    return run


def _runs(flat: str) -> list[list[_Token]]:
    """Stretches of numbers, signs and gaps between words and other marks."""
    runs: list[list[_Token]] = [[]]
    kept = [(str(one.lastgroup), one) for one in _TOKEN.finditer(flat)]
    kept = [(kind, one) for kind, one in kept if kind != "space"]
    for at, (kind, one) in enumerate(kept):
        after = kept[at + 1] if at + 1 < len(kept) else None
        run = runs[-1]
        wants = not run or (run[-1].kind == "sign" and run[-1].text != ")")
        match kind:
            case "number":
                run.append(_Token("number", one[0]))
            case "gap" if wants or one[0] != "?":
                run.append(_Token("gap", "?"))
            case "word" if one[0] in _TIMES and not wants and after and after[0] in _OPERANDS:
                run.append(_Token("sign", "×"))
            case "word" if len(one[0]) == 1 and (
                (run and wants) or (after is not None and after[1][0] in _BETWEEN)
            ):
                run.append(_Token("letter", one[0]))
            case "sign":
                run.append(_Token("sign", one[0], _tight(flat, one)))
            case _ if any(c.isdigit() for c in one[0]):
                raise _Unclear
            case _:
                runs.append([])
    return runs


def _tight(flat: str, one: re.Match[str]) -> bool:
    before, after = flat[: one.start()][-1:], flat[one.end() :][:1]
    return one[0] == "-" and before.isdigit() and after.isdigit()


def _holds(run: list[_Token], key: Fraction, *, rest: bool) -> bool:
    """Whether the key is the value of an expression, or fills the gap of an equation."""
    equals = [at for at, token in enumerate(run) if token.text == "="]
    gaps = [token for token in run if token.kind == "gap"]
    letters = {token.text for token in run if token.kind == "letter"}
    if len(gaps) + len(letters) > 1 or len(equals) > 1:
        raise _Unclear
    if not equals:
        if gaps or letters:
            raise _Unclear
        return _is(run, key, rest=rest)
    left, right = run[: equals[0]], run[equals[0] + 1 :]
    if not right:
        if gaps or letters:
            raise _Unclear
        return _is(left, key, rest=rest)
    if not (gaps or letters):
        raise _Unclear
    if [token.kind for token in right] in (["gap"], ["letter"]):
        return _is(left, key, rest=rest)
    return _Reading(left, key).value() == _Reading(right, key).value()


def _is(run: list[_Token], key: Fraction, *, rest: bool) -> bool:
    value = _Reading(run, key).value()
    if rest:
        if len(run) != 3 or run[1].text not in "/÷":
            raise _Unclear
        top, bottom = (_Reading([token], key).value() for token in (run[0], run[2]))
        return key in divmod(top, bottom)
    return value == key


@dataclass(slots=True)
class _Reading:
    """Reads tokens by precedence; the key stands in the gap."""

    tokens: Sequence[_Token]
    key: Fraction
    at: int = field(default=0)
    depth: int = field(default=0)

    def value(self) -> Fraction:
        found = self._sum()
        if self.at < len(self.tokens):
            raise _Unclear
        return found

    def _next(self, *signs: str) -> str | None:
        if self.at < len(self.tokens):
            token = self.tokens[self.at]
            if token.kind == "sign" and token.text in signs:
                self.at += 1
                return token.text
        return None

    def _sum(self) -> Fraction:
        found = self._product()
        while sign := self._next("+", "-"):
            other = self._product()
            found = found + other if sign == "+" else found - other
        return found

    def _product(self) -> Fraction:
        found = self._factor()
        while sign := self._next("*", "×", "/", "÷"):
            other = self._factor()
            found = found * other if sign in "*×" else found / other
        return found

    def _factor(self) -> Fraction:
        negative = False
        while sign := self._next("+", "-"):
            negative ^= sign == "-"
        if self._next("("):
            self.depth += 1
            if self.depth > _DEEPEST:
                raise _Unclear
            found = self._sum()
            if not self._next(")"):
                raise _Unclear
            self.depth -= 1
        elif self.at < len(self.tokens) and self.tokens[self.at].kind != "sign":
            found = self._operand(self.tokens[self.at])
            self.at += 1
        else:
            raise _Unclear
        return -found if negative else found

    def _operand(self, token: _Token) -> Fraction:
        if token.kind != "number":
            return self.key
        if "/" in token.text:
            *whole, fraction = token.text.split()
            top, bottom = fraction.split("/")
            return int(whole[0] if whole else "0") + Fraction(int(top), int(bottom))
        return Fraction(token.text.replace(",", "").replace(" ", ""))
