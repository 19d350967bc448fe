"""Whether an answer is right.

One law: an answer is judged by its exact value, in whatever sound way the learner writes it; no
text, however odd, raises or takes long.
"""

from __future__ import annotations

import re
import unicodedata
from fractions import Fraction
from functools import lru_cache
from typing import Final, NamedTuple

from holodeck.messages.practice import AnswerFormat, AnswerType, Question

LONGEST: Final = 200
"""Characters of an answer that is read; a longer one is wrong."""

_SLASHES: Final = "\u2044\u2215\u29f8"
_MINUSES: Final = "\u2010\u2011\u2012\u2013\u2014\u2212\ufe58"
_SIGNS: Final = str.maketrans(dict.fromkeys(_SLASHES, "/") | dict.fromkeys(_MINUSES, "-"))
_CURRENCIES: Final = {"$": "dollar", "€": "euro", "£": "pound", "¥": "yen", "₹": "rupee"}

_WHOLE: Final = r"(?:\d+|[1-9]\d{0,2}(?:,\d{3})+)"
_NUMBER: Final = re.compile(
    rf"""(?P<sign>[+-]?)\ ?
    (?:(?:(?P<mixed>{_WHOLE})\ )?(?P<top>{_WHOLE})\ ?/\ ?(?P<under>[+-]?)\ ?(?P<bottom>{_WHOLE})
      |(?P<whole>{_WHOLE}|[1-9]\d{{0,2}}(?:\ \d{{3}})+)?(?P<point>\.(?P<part>\d*))?)""",
    re.ASCII | re.VERBOSE,
)


class Verdict(NamedTuple):
    """What came of an answer.

    Attributes:
        blank: nothing was entered; it counts as no answer at all.
        other_form: the value is right and the form is not the one asked for; ``right`` is false.
        shown: the answer as it is shown and kept: the option's text, or what was entered without
            what cannot be printed; up to 200 characters.
    """

    right: bool
    blank: bool = False
    other_form: bool = False
    shown: str = ""


class Number(NamedTuple):
    """A number that was read, and how it was written.

    Attributes:
        form: equal for two ways of writing that differ only in spaces, separators of thousands,
            leading zeros or a plus.
    """

    value: Fraction
    form: tuple[str, ...]

    @property
    def whole(self) -> bool:
        """Written without a fraction bar."""
        return self.form[0] != "fraction"


def check(question: Question, given: str, choice: int | None = None) -> Verdict:
    """Judges an answer; never raises.

    Numbers count by their exact value: 1,000 and 1 000 in proper groups, 42.0 for 42, a decimal,
    improper or mixed number for a fraction, the question's unit behind and a sign of currency in
    front. A fraction bar where a whole number is asked for is a division left undone: another
    form. Not read as numbers: 1e2, 50 %, a decimal comma, n/0.

    Args:
        choice: which option, from 0; only with multiple choice. Without it the text is looked for
            among the options, then read as the number of one, from 1.
    """
    shown = _shown(given)
    if question.format is AnswerFormat.CHOICE:
        return _chosen(question, given, shown, choice)
    if not shown:
        return Verdict(right=False, blank=True)
    key, said = read(question.answer, question.unit), read(given, question.unit)
    if key is None:
        return Verdict(right=_same(question.answer, given), shown=shown)
    if said is None or said.value != key.value:
        return Verdict(right=False, shown=shown)
    undone = question.answer_type is AnswerType.INTEGER and not said.whole
    other = undone or (question.exact_form and said.form != key.form)
    return Verdict(right=not other, other_form=other, shown=shown)


def _chosen(question: Question, given: str, shown: str, choice: int | None) -> Verdict:
    choices = question.choices
    if choice is None:
        if not shown:
            return Verdict(right=False, blank=True)
        choice = _meant(choices, given)
    if choice is None or not 0 <= choice < len(choices):
        return Verdict(right=False, shown=shown)
    picked = choices[choice]
    return Verdict(right=_same(picked, question.answer), shown=_shown(picked))


def _meant(choices: tuple[str, ...], given: str) -> int | None:
    """Which option a text means: by its words, else by its number, else by its value."""
    for index, text in enumerate(choices):
        if _same(text, given):
            return index
    plain = _plain(given)
    if len(plain) == 1 and plain.isdigit() and 1 <= int(plain) <= len(choices):
        return int(plain) - 1
    said = read(given)
    if said is None:
        return None
    values = [number and number.value for number in map(read, choices)]
    return values.index(said.value) if said.value in values else None


def read(text: str, unit: str = "") -> Number | None:
    """The number a text is; None: it is none.

    Args:
        unit: a word that may stand behind it.
    """
    return _read(text, unit) if len(text) <= LONGEST else None


@lru_cache(maxsize=1024)
def _read(text: str, unit: str) -> Number | None:
    plain = _without_currency(_without_unit(_plain(text), _plain(unit)), _plain(unit))
    found = _NUMBER.fullmatch(plain)
    if found is None:
        return None
    sign = -1 if found["sign"] == "-" else 1
    if found["bottom"] is not None:
        top, bottom = _int(found["top"]), _int(found["bottom"])
        mixed = found["mixed"]
        if bottom == 0 or (mixed is not None and (found["under"] or found["top"][:2] == "00")):
            return None  # 1 000/3 is no mixed number
        under = -1 if found["under"] == "-" else 1
        value = sign * (_int(mixed or "0") + Fraction(top, under * bottom))
        ahead = () if mixed is None else (str(_int(mixed)),)
        return Number(value, ("fraction", *ahead, str(sign), str(top), str(under * bottom)))
    whole, part = found["whole"], found["part"]
    if not whole and not part:
        return None
    scale = 10 ** len(part or "")
    value = Fraction(sign * (_int(whole or "0") * scale + int(part or "0")), scale)
    number = str(_int(whole or "0"))
    if part:
        return Number(value, ("decimal", str(sign), number, part))
    return Number(value, ("integer", "0" if value == 0 else str(sign), number))


def _int(digits: str) -> int:
    return int(digits.replace(",", "").replace(" ", ""))


def _without_unit(plain: str, unit: str) -> str:
    if not unit:
        return plain
    folded, unit = plain.casefold().removesuffix("."), unit.casefold().removesuffix(".")
    words = {unit}
    if len(unit) >= 3 and unit.isalpha():  # "ms" is no plural of "m"
        words |= {f"{unit}s", unit.removesuffix("s")}
    for word in sorted(words, key=len, reverse=True):
        if folded.endswith(word):
            return folded.removesuffix(word).rstrip()
    return plain


def _without_currency(plain: str, unit: str) -> str:
    """Without one sign of currency in front, also behind a minus; with a unit only its own."""
    sign, rest = (plain[:1], plain[1:].lstrip()) if plain[:1] in ("+", "-") else ("", plain)
    word = _CURRENCIES.get(rest[:1])
    if word is None or not (unit in ("", rest[:1]) or unit.casefold().startswith(word)):
        return plain
    return sign + rest[1:].lstrip()


def _plain(text: str) -> str:
    """In one spelling: NFKC, digits 0 to 9, one kind of minus and slash, single spaces."""
    if text.isascii() and text.isprintable():
        return " ".join(text.split())  # nothing of it has another spelling
    pieces: list[str] = []
    before = " "
    for letter in text:
        kind = unicodedata.decomposition(letter).partition(" ")[0]
        if kind == "<fraction>":
            # 1½ is one and a half, and no eleven halves.
            pieces.append(f" {unicodedata.normalize('NFKC', letter)}")
        elif kind == "<super>" and before.isdecimal():
            pieces.append("^")  # a power is no further digit
        elif unicodedata.category(letter) not in ("Cf", "Cc", "Cs") or letter.isspace():
            pieces.append(letter)
        before = letter
    flat = unicodedata.normalize("NFKC", "".join(pieces)).translate(_SIGNS)
    flat = "".join(
        str(unicodedata.decimal(c)) if c.isdecimal() and not c.isascii() else c for c in flat
    )
    return " ".join(flat.split())


def _same(one: str, other: str) -> bool:
    return _plain(one).casefold() == _plain(other).casefold()


def _shown(text: str) -> str:
    if len(text) <= LONGEST and text.isprintable():
        return " ".join(text.split())
    kept = "".join(c if c.isprintable() else " " for c in text[: 4 * LONGEST])
    return " ".join(kept.split())[:LONGEST]
