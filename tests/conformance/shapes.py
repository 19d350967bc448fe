"""Which shape an input has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tests.conformance.runner import UnknownShape

ORDINALS: Final = (
    "first",
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
)


def has(given: Any, *required: str, maybe: tuple[str, ...] = ()) -> bool:
    """Whether it is an object with all required keys and none beside these and ``maybe``."""
    return (
        isinstance(given, Mapping)
        and set(required) <= given.keys()
        and given.keys() <= {*required, *maybe}
    )


def unknown(area: str, given: Any) -> UnknownShape:
    """What an adapter raises that has no use for an input."""
    keys = sorted(given) if isinstance(given, Mapping) else type(given).__name__
    return UnknownShape(f"{area} does not know what to do with {keys}")
