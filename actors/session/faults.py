"""What kind of error a text tells of.

One law: whatever differs between two occurrences of one error (numbers, ids, addresses, paths,
quoted values, letter case, blanks) does not change its fingerprint.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final, NamedTuple


class Fault(NamedTuple):
    """What is stable of an error.

    Attributes:
        error_class: the exception's name, such as ``TimeoutError``, or up to three first words,
            such as ``compilation-failed``; ``error`` where it begins with neither; empty for no
            error. At most 64 characters.
        fingerprint: 16 hex digits, equal for occurrences of one error; empty for no error.
    """

    error_class: str
    fingerprint: str


NO_FAULT: Final = Fault("", "")
MAX_WORDS: Final = 3
MAX_CLASS: Final = 64

_QUOTED: Final = re.compile(
    r"""(?<!\w)'[^']*'(?!\w)|"[^"]*"|`[^`]*`|“[^”]*”|‘[^’]*’|«[^»]*»""",
)
_WORD: Final = re.compile(r"[\w.+-]+")
_HEX: Final = re.compile(r"[0-9a-f]{8,}", re.IGNORECASE)
_LIST: Final = re.compile(r"#(?:[ ,;:.]*#)+")
_NAME: Final = re.compile(r"(?:\w+\.)*([A-Za-z_]\w*)")
_SUFFIX: Final = re.compile(r"[A-Z]\w*(?:Error|Exception|Warning|Failure|Fault|Timeout|Interrupt)")
_HUMPS: Final = re.compile(r"[A-Z][A-Za-z]*[a-z][A-Z][A-Za-z]*")
_PLAIN: Final = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_EDGES: Final = "()[]{}<>,;.!?"


def fault(error: str) -> Fault:
    """What is stable of an error's text, of any length; :data:`NO_FAULT` for a blank one.

    The fingerprint is BLAKE2b of 8 bytes (RFC 7693) over the text in lower case, with single
    blanks, in which every quoted value, every path and every number (that is, every word with a
    digit in it) stands as one and the same sign of its kind.
    """
    text = error.strip()
    if not text:
        return NO_FAULT
    digest = hashlib.blake2b(
        _settled(text.casefold()).encode(errors="surrogatepass"), digest_size=8
    )
    return Fault(_class_of(text), digest.hexdigest())


def _settled(text: str) -> str:
    """``text`` without what differs from one occurrence to the next."""
    quoted = _QUOTED.sub('"', " ".join(text.split()))
    words = ("/" if "/" in word or "\\" in word else _number(word) for word in quoted.split())
    return _LIST.sub("#", " ".join(words))


def _number(word: str) -> str:
    def sign(found: re.Match[str]) -> str:
        inner = found[0].rstrip(".+-")
        if _HEX.fullmatch(inner) or any(map(str.isdigit, inner)):
            return "#" + found[0][len(inner) :]
        return found[0]

    return _WORD.sub(sign, word)


def _class_of(text: str) -> str:
    lines = text.splitlines()
    # A traceback says last what it is about.
    line = lines[-1].strip() if text.startswith("Traceback (") else lines[0]
    head = line.partition(":")[0].strip()
    if (named := _NAME.fullmatch(head)) and (_SUFFIX.fullmatch(named[1]) or _HUMPS.fullmatch(head)):
        return named[1][:MAX_CLASS]
    words: list[str] = []
    for word in _settled(head).split()[:MAX_WORDS]:
        plain = word.strip(_EDGES)
        if _PLAIN.fullmatch(plain) is None:
            break
        words.append(plain.casefold())
    return "-".join(words)[:MAX_CLASS] or "error"
