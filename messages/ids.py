"""Names of things, and the partition a name lives in.

One law: every id is one NATS token, so it can stand in a subject as it is.
"""

from __future__ import annotations

import os
import re
import secrets
from functools import lru_cache
from typing import Annotated, Final, NewType

from pydantic import StringConstraints

from holodeck.messages.errors import InvalidId

ID_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
NOBODY: Final = "-"
"""Stands in a subject where no NPC or learner is concerned; never a valid id."""

SessionId = Annotated[str, StringConstraints(pattern=ID_PATTERN)]
"""Names one session; 1 to 64 characters, always a single NATS token."""
NpcId = Annotated[str, StringConstraints(pattern=ID_PATTERN)]
LearnerId = Annotated[str, StringConstraints(pattern=ID_PATTERN)]
TaskId = Annotated[str, StringConstraints(min_length=1, max_length=128)]
"""Names a task inside its session. Free text: it never stands in a subject."""
MAX_COMMAND_ID: Final = 128
CommandId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$")]
"""Names one intent of one sender; the same id sent again is the same intent."""

Incarnation = NewType("Incarnation", str)
"""One run of one host process; random, so no two runs are ever taken for each other."""

_ID: Final = re.compile(ID_PATTERN)
_PLAIN: Final = re.compile(r"[A-Za-z0-9-]")
_FNV_OFFSET: Final = 2166136261
_FNV_PRIME: Final = 16777619


def check_id(value: str) -> str:
    """``value`` itself if it is a valid id.

    Raises:
        InvalidId: it is not 1 to 64 of ``A-Za-z0-9_-`` beginning with a letter or digit.
    """
    if _ID.fullmatch(value) is None:
        raise InvalidId(value)
    return value


def new_id(prefix: str) -> str:
    """A fresh id such as ``sess_3f9c…``: 16 random hex digits (64 bits) behind ``prefix``."""
    try:
        digits = _fresh.pop()
    except IndexError:
        # The system is asked for many at once: asked for each, it would cost as much as the rest
        # of making and packing a command.
        many = secrets.token_hex(8 * 256)
        _fresh.extend(many[at : at + 16] for at in range(0, len(many), 16))
        digits = _fresh.pop()
    return f"{prefix}_{digits}"


_fresh: Final[list[str]] = []
os.register_at_fork(after_in_child=_fresh.clear)  # or parent and child would give equal ids


@lru_cache(maxsize=65_536)
def partition_of(identity: str, partitions: int) -> int:
    """The partition of an id: 0 to ``partitions`` - 1.

    FNV-1a, 32 bits, over the UTF-8 of the id, modulo the number of partitions; exactly what
    the broker's own ``partition(P, n)`` subject mapping computes (Fowler, Noll, Vo, 1991).
    """
    digest = _FNV_OFFSET
    for byte in identity.encode():
        digest = ((digest ^ byte) * _FNV_PRIME) & 0xFFFFFFFF
    return digest % partitions


def encode_foreign(name: str) -> str:
    """A foreign name as an id, reversibly.

    Letters, digits and dashes stay; every other byte of the UTF-8 becomes ``_`` and two hex
    digits. Where the result would not begin with a letter or digit, ``x_zz`` goes in front: no
    name encodes to that, because ``zz`` is no hex number.

    Raises:
        InvalidId: the name is empty, longer than 64 characters once encoded, or no Unicode text
            (a lone surrogate).
    """
    try:
        raw = name.encode()
    except UnicodeEncodeError as error:
        raise InvalidId(name) from error
    out = "".join(chr(b) if b < 128 and _PLAIN.match(chr(b)) else f"_{b:02x}" for b in raw)
    if out and not out[0].isalnum():
        out = "x_zz" + out
    if _ID.fullmatch(out) is None:
        raise InvalidId(name)
    return out


def decode_foreign(identity: str) -> str:
    """The foreign name that :func:`encode_foreign` made into ``identity``.

    Raises:
        InvalidId: ``identity`` was not made by :func:`encode_foreign`.
    """
    rest = identity.removeprefix("x_zz")
    try:
        raw = re.sub(
            rb"_([0-9a-f]{2})", lambda m: bytes([int(m.group(1), 16)]), rest.encode()
        ).decode()
    except UnicodeError as error:
        raise InvalidId(identity) from error
    if encode_foreign(raw) != identity:
        raise InvalidId(identity)
    return raw
