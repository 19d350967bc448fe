"""What cases say in prose, and what of it is true.

One law: words are true of a result only where one of its facts says them; words that no fact says
are not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from holodeck.messages.errors import HolodeckError, RefusedError

NUMBERS: Final = (
    "no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve",
)  # fmt: skip
_EMPTY: Final = frozenset(
    [
        "an", "and", "are", "as", "be", "been", "by", "call", "has", "have", "in", "is", "it",
        "its", "of", "that", "the", "their", "there", "to", "was", "were", "with",
    ]
)  # fmt: skip
_NOT: Final = frozenset(["not", "no", "never", "without", "none", "cannot"])
_SAME: Final = {
    word: same
    for same, words in {
        "refused": "refuse rejected reject denied fail failed failing raise raised error "
        "valueerror validationerror exception",
        "ok": "succeed succeeded success successful accepted",
        "same": "equal unchanged identical",
        "new": "fresh another",
    }.items()
    for word in words.split()
}
_COUNT: Final = re.compile(
    rf"^(?P<how>at most|at least|no more than|exactly|only)? ?"
    rf"(?P<number>\d+|{'|'.join(NUMBERS)})\b ?(?P<what>.*)$"
)


def words_of(text: str) -> frozenset[str]:
    """The words that matter, in one form each: ``The calls were rejected`` is ``refused``."""
    found = set()
    for word in re.findall(r"[\w*-]+", text):
        if word == "a":  # in contrast to one that is called A
            continue
        word = word.lower()
        plain = word[:-1] if len(word) > 3 and word.endswith("s") and word[-2] != "s" else word
        same = "not" if plain in _NOT else _SAME.get(plain, plain)
        if same not in _EMPTY and plain not in _EMPTY:
            found.add(same)
    return frozenset(found)


@dataclass(frozen=True, slots=True)
class Said:
    """A result, and what can be said of it.

    A text is true where each of its clauses is (``or`` parts alternatives, commas, semicolons,
    ``+`` and ``and`` part clauses): all its words stand in one fact, with *not* in both or in
    neither; or it counts something (``at most one active``) and the count is right.

    Attributes:
        value: what it is; equal numbers and texts are true of it.
        facts: phrases that are true.
        counts: how many, by what is counted.
    """

    value: Any
    facts: tuple[str, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)

    def says(self, expected: str | float | None) -> bool:
        if not isinstance(expected, str):
            return type(self.value) is type(expected) and self.value == expected
        if self.value == expected:
            return True
        return any(
            all(self._clause(clause) for clause in re.split(r"[,;+]|\band\b", option))
            for option in re.split(r"\bor\b", expected)
        )

    def shown(self) -> Any:
        if isinstance(self.value, HolodeckError):
            return f"{type(self.value).__name__}: {self.value}"
        facts = [*self.facts, *(f"{number} {what}" for what, number in self.counts.items())]
        return f"{self.value} ({', '.join(facts)})" if facts else self.value

    def _clause(self, clause: str) -> bool:
        text = clause.strip()
        if not text:
            return False
        counting = _COUNT.match(text.lower())
        if counting is not None and self._counted(**counting.groupdict()):
            return True
        told = words_of(text)
        return bool(told) and any(
            told <= words and ("not" in told) is ("not" in words)
            for words in map(words_of, self.facts)
        )

    def _counted(self, how: str | None, number: str, what: str) -> bool:
        wanted = int(number) if number.isdigit() else NUMBERS.index(number)
        told = words_of(what)
        found = [n for name, n in self.counts.items() if told <= words_of(name)]
        if not told and type(self.value) is int:
            found.append(self.value)
        match how:
            case "at most" | "no more than":
                return any(n <= wanted for n in found)
            case "at least":
                return any(n >= wanted for n in found)
            case _:
                return wanted in found


def refused(error: Exception, *facts: str) -> Said:
    """The real code refused; ``facts`` say what was."""
    by_name = (error.reason,) if isinstance(error, RefusedError) else ()
    return Said(error, ("refused", "explicit error", *by_name, *facts))
