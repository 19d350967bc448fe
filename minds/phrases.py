"""Words of an utterance, and phrases found among them.

One law: whatever the script, case, normalisation or apostrophe, equal words have equal keys, and
nothing here fails on any text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Final

BREAK: Final = ""
"""Key of the end of a sentence; no phrase reaches across it."""
MAX_WAYS: Final = 4096
"""How many different word sequences one phrase may stand for."""

_QUOTES: Final = str.maketrans(
    {
        "\u2018": "'", "\u2019": "'", "\u201b": "'", "\u02bc": "'", "\u02b9": "'", "\u2032": "'",
        "\u00b4": "'", "`": "'", "\uff07": "'",
        "\u00ad": None, "\u200b": None, "\u200c": None, "\u200d": None, "\u2060": None,
        "\ufeff": None,
    }
)  # fmt: skip
_MARKS: Final = "\u0300-\u036f"
_WORD: Final = re.compile(
    rf"(?P<word>[^\W\d_][{_MARKS}]*(?:[^\W\d_]|[{_MARKS}])*(?:'(?:[^\W\d_]|[{_MARKS}])+)*'?)"
    r"|(?P<number>\d+(?:[.,:]\d+)*)|(?P<stop>[.?!;:\u2026\n\u00bf\u00a1]+)"
)
_STOPS: Final = frozenset(".?!;:\u2026\n\u00bf\u00a1\u3002\uff01\uff1f\uff1b\u061f\u0964\u06d4")
_ELIDED: Final = frozenset(
    {
        "all", "anch", "c", "coll", "com", "cos", "d", "dall", "dell", "dov", "j", "l", "m", "n",
        "nell", "qu", "quand", "quell", "quest", "s", "sull", "t", "un",
    }
)  # fmt: skip
"""What may stand before an apostrophe as a word of its own: ``l'albero`` is two words, ``don't``
is one."""
_LONG: Final = 4
"""So long a rest is a word even where no vowel begins it: a learner wrote ``l'letto``."""
_VOWELS: Final = frozenset("aeiouhyàáâäãåèéêëìíîïòóôöõøùúûüœæ")
_CHARACTERS: Final = (
    (0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3040, 0x30FF), (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF),
)  # fmt: skip
"""Scripts written without blanks: each letter counts as a word."""


@dataclass(frozen=True, slots=True)
class Token:
    """One word as it stands in the text.

    Attributes:
        key: NFC and casefolded; what words are compared by; ``BREAK`` for the end of a sentence.
        surface: as written, in NFC.
    """

    key: str
    surface: str

    @property
    def number(self) -> bool:
        return self.key[:1].isdigit()


_END: Final = Token(BREAK, "")


def normal(word: str) -> str:
    """NFC, casefolded, with one kind of apostrophe."""
    return unicodedata.normalize(
        "NFC", unicodedata.normalize("NFC", word).translate(_QUOTES).casefold()
    )


@lru_cache(maxsize=16_384)
def plain(key: str) -> str:
    """A key without its accents: ``é`` as ``e``, ``ø`` as ``o``. Learners often type so."""
    bare = unicodedata.normalize("NFD", key)
    return "".join(c for c in bare if not unicodedata.combining(c)).translate(_BARE)


_BARE: Final = str.maketrans({"ø": "o", "æ": "ae", "œ": "oe", "ł": "l", "đ": "d", "ı": "i"})


def tokens(text: str) -> list[Token]:
    """The words of a text in order, with a ``BREAK`` wherever a sentence ends before the next.

    Punctuation is dropped, a hyphen parts words, an elided article or preposition is a word of its
    own together with its apostrophe, digits are a word. Scripts without blanks fall into letters.
    """
    text = unicodedata.normalize("NFC", text).translate(_QUOTES)
    out: list[Token] = []
    if any(c > "\u036f" and c not in "\u2026\u2013\u2014\u201c\u201d\u20ac" for c in text):
        _any_script(text, out)
    else:
        for match in _WORD.finditer(text):
            kind = match.lastgroup
            if kind == "stop":
                _stop(out)
            elif kind == "number":
                out.append(Token(match.group(), match.group()))
            else:
                _word(match.group(), out)
    if out and out[-1] is _END:
        out.pop()
    return out


def keys(text: str) -> list[str]:
    """The keys of :func:`tokens`."""
    return [token.key for token in tokens(text)]


def _stop(out: list[Token]) -> None:
    if out and out[-1] is not _END:
        out.append(_END)


def _word(word: str, out: list[Token]) -> None:
    while "'" in word:
        head, _, rest = word.partition("'")
        if normal(head) not in _ELIDED or (
            rest and normal(rest)[:1] not in _VOWELS and len(rest) < _LONG
        ):
            break
        out.append(Token(normal(head) + "'", head + "'"))
        word = rest
    word = word.rstrip("'")
    if word:
        out.append(Token(normal(word), word))


def _any_script(text: str, out: list[Token]) -> None:
    """As the pattern does it, letter by letter, for scripts it does not know."""
    held: list[str] = []
    digits = False

    def flush() -> None:
        if held:
            word = "".join(held)
            if digits:
                out.append(Token(normal(word), word))
            else:
                _word(word, out)
            held.clear()

    for c in text:
        category = unicodedata.category(c)
        if category[0] == "L" and any(low <= ord(c) <= high for low, high in _CHARACTERS):
            flush()
            out.append(Token(normal(c), c))
        elif category[0] == "L" or (category[0] == "M" and held):
            if digits:
                flush()
            digits = False
            held.append(c)
        elif category[0] == "N":
            if not digits:
                flush()
            digits = True
            held.append(c)
        elif c == "'" and held and not digits:
            held.append(c)
        else:
            flush()
            if c in _STOPS:
                _stop(out)
    flush()


# --- phrases ----------------------------------------

Slot = frozenset[str] | None
"""What one word of a phrase may be; None: any word."""
_EDGE: Final = frozenset({BREAK})


class PhraseError(ValueError):
    """A phrase that can match nothing, or everything; the text says why."""


def slots(phrase: str) -> list[tuple[Slot, ...]]:
    """The ways in which a phrase may be said, each as one slot a word.

    ``*`` stands for any one word, ``a|b`` for either, ``^`` and ``$`` for the beginning and the end
    of a sentence. An alternative that is more than one word,
    such as ``l'albero``, makes a way of its own.

    Raises:
        PhraseError: there is no word in it, it ends in an open ``|``, or it may be said in more
            than 4096 ways.
    """
    choices: list[list[tuple[Slot, ...]]] = []
    ways = 1
    for part in phrase.split():
        if part in ("*", "^", "$"):
            choices.append([(None if part == "*" else _EDGE,)])
            continue
        single: set[str] = set()
        many: list[tuple[Slot, ...]] = []
        for one in part.split("|"):
            found = keys(one)
            if not found or BREAK in found:
                if part.count("|"):
                    raise PhraseError(f"{part!r}: an alternative is empty")
                continue  # a mark standing alone
            if len(found) == 1:
                single.add(found[0])
            else:
                many.append(tuple(frozenset({key}) for key in found))
        if single:
            many.append((frozenset(single),))
        if many:
            choices.append(many)
            ways *= len(many)
    if not any(slot and slot != _EDGE for choice in choices for way in choice for slot in way):
        raise PhraseError(f"{phrase!r} holds no word")
    if ways > MAX_WAYS:
        raise PhraseError(f"{phrase!r} may be said in more than {MAX_WAYS} ways")
    return [tuple(slot for part in way for slot in part) for way in product(*choices)]


@dataclass(frozen=True, slots=True)
class Hit:
    """Where a phrase was found: words ``start`` to ``stop`` (exclusive) of the tokens.

    Attributes:
        tag: what the phrase was given in with.
        free: indices of the words that stood for ``*``.
    """

    tag: int
    start: int
    stop: int
    free: tuple[int, ...] = ()


class Matcher:
    """Many phrases looked for at once.

    Each phrase lies under the rarest sure word it has, so that of a list of hundreds only those
    are tried of which a word was said.
    """

    __slots__ = ("_by_word",)

    def __init__(self, phrases: Iterable[tuple[int, str]]) -> None:
        """
        Args:
            phrases: each with its tag.

        Raises:
            PhraseError: one of them cannot be matched.
        """
        by_word: dict[str, list[tuple[int, tuple[Slot, ...], int]]] = {}
        for tag, phrase in phrases:
            for way in slots(phrase):
                at = min(
                    (i for i, slot in enumerate(way) if slot and slot != _EDGE),
                    key=lambda i: len(way[i] or ()),
                )
                for word in way[at] or ():
                    by_word.setdefault(word, []).append((at, way, tag))
        self._by_word = by_word

    def find(self, words: Sequence[str]) -> list[Hit]:
        """Every place where a phrase stands, by the word it was found by.

        Args:
            words: keys of tokens, ``BREAK`` between sentences.
        """
        by_word = self._by_word
        said = (BREAK, *words, BREAK)
        count = len(said)
        out: list[Hit] = []
        for index, word in enumerate(said):
            for at, way, tag in by_word.get(word, ()):
                start = index - at
                stop = start + len(way)
                if start < 0 or stop > count:
                    continue
                for i, slot in enumerate(way, start):
                    if (said[i] not in slot) if slot is not None else not said[i]:
                        break
                else:
                    free = tuple(i - 1 for i, slot in enumerate(way, start) if slot is None)
                    first = start if way[0] is not _EDGE else start + 1
                    last = stop if way[-1] is not _EDGE else stop - 1
                    out.append(Hit(tag, first - 1, last - 1, free))
        return out

    def any(self, words: Sequence[str]) -> bool:
        return bool(self.find(words))


@lru_cache(maxsize=4096)
def matcher(phrases: tuple[str, ...]) -> Matcher:
    """A matcher of these phrases, each tagged with its place; made once for equal phrases.

    Raises:
        PhraseError: one of them cannot be matched.
    """
    return Matcher(enumerate(phrases))


def heard(phrases: tuple[str, ...], text: str) -> bool:
    """Whether one of the phrases stands in the text; phrases that cannot be matched do not."""
    try:
        return matcher(phrases).any(keys(text))
    except PhraseError:
        return False


def near(word: str) -> set[str]:
    """What is left of a word where one letter or none is taken away.

    Two words at a distance of one (a letter more, less, other, or two neighbours exchanged) have
    one of these in common (Garbe, symmetric delete, 2012).
    """
    return {word, *(word[:i] + word[i + 1 :] for i in range(len(word)))}


def one_off(a: str, b: str) -> bool:
    """Whether two different words are one letter more, less or other apart, or one exchange of
    neighbours."""
    if a == b or abs(len(a) - len(b)) > 1:
        return False
    first = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), None)
    if first is None:
        return True
    rest_a, rest_b = a[first:], b[first:]
    return (
        rest_a[1:] == rest_b[1:]
        or rest_a[1:] == rest_b
        or rest_a == rest_b[1:]
        or (rest_a[:2] == rest_b[1::-1] and rest_a[2:] == rest_b[2:])
    )
