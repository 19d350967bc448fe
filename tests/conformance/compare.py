"""When a result is what a case expects.

One law: what is expected must be there; a result may say more than that, in objects and under
keys that end in ``_keys``, nowhere else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol, runtime_checkable

from holodeck.messages.errors import HolodeckError

TOLERANCE: Final = 1e-6
_ERROR: Final = re.compile(r"^raises\b|\b\w*error\b|\b\w+exception\b", re.IGNORECASE)


@runtime_checkable
class Told(Protocol):
    """A result that what is expected is said of in words."""

    def says(self, expected: str | float | None) -> bool:
        """Whether that is true of it."""
        ...

    def shown(self) -> Any:
        """It as JSON can say it."""
        ...


def difference(expected: Any, got: Any, at: str = "") -> str | None:
    """Where and how ``got`` is not what is expected, in one line; None where it is.

    - Numbers are equal within 1e-6; a truth value is no number.
    - Every key of an expected object is in the result, with an equal value. A key such as
      ``answer.outcome`` that the result does not have as it is, is a path into it.
    - A list under a key that ends in ``_keys`` is a subset; any other list is equal item by item.
    - A text that speaks of an error (``raises …``, ``ValueError``, ``error``) stands for an error
      of ours, :class:`HolodeckError`; or for itself.
    - A result that is :class:`Told` says itself whether a text or a number is true of it.
    - ``None`` is None.
    """
    if isinstance(got, Told) and not isinstance(expected, bool | list | dict):
        true = got.says(expected)
        return None if true else f"{at or 'the result'} is {shown(got)}, not {shown(expected)}"
    match expected:
        case None | bool():
            same = got is expected
        case int() | float():
            number = isinstance(got, int | float) and not isinstance(got, bool)
            same = number and abs(got - expected) <= TOLERANCE
        case str() if isinstance(got, HolodeckError):
            same = _ERROR.search(expected) is not None
        case str():
            same = isinstance(got, str) and got == expected
        case list():
            return _of_lists(expected, got, at)
        case dict():
            return _of_objects(expected, got, at)
        case _:
            raise TypeError(f"no JSON: {expected!r}")
    return None if same else f"{at or 'the result'} is {shown(got)}, not {shown(expected)}"


def _of_lists(expected: list[Any], got: Any, at: str) -> str | None:
    if not isinstance(got, list | tuple):
        return f"{at or 'the result'} is {shown(got)}, no list"
    if len(got) != len(expected):
        return f"{at or 'the result'} has {len(got)} items, not {len(expected)}"
    found = (
        difference(e, g, f"{at}[{n}]") for n, (e, g) in enumerate(zip(expected, got, strict=True))
    )
    return next((text for text in found if text is not None), None)


def _of_objects(expected: dict[str, Any], got: Any, at: str) -> str | None:
    if not isinstance(got, Mapping):
        return f"{at or 'the result'} is {shown(got)}, no object"
    for key, value in expected.items():
        here = f"{at}.{key}" if at else key
        try:
            found = _at(got, key)
        except LookupError:
            return f"{here} is missing"
        if key.endswith("_keys") and isinstance(value, list):
            text = _of_sets(value, found, here)
        else:
            text = difference(value, found, here)
        if text is not None:
            return text
    return None


def _of_sets(expected: list[Any], got: Any, at: str) -> str | None:
    if not isinstance(got, Sequence) or isinstance(got, str):
        return f"{at} is {shown(got)}, no list"
    missing = [item for item in expected if item not in got]
    return f"{at} lacks {shown(missing)}" if missing else None


def _at(got: Any, key: str) -> Any:
    """What stands under a key, or at the end of the path it is.

    Raises:
        LookupError: nothing does.
    """
    if isinstance(got, Mapping) and key in got:
        return got[key]
    first, dot, rest = key.partition(".")
    if not dot or not isinstance(got, Mapping):
        raise LookupError(key)
    return _at(got[first], rest)


def shown(value: Any) -> str:
    """A value in one line: as JSON, errors by class and text, everything else by ``repr``."""
    try:
        return json.dumps(value, ensure_ascii=False, default=_told)
    except (TypeError, ValueError):  # keys that are no texts, or a value that holds itself
        return repr(value)


def _told(value: Any) -> Any:
    if isinstance(value, Told):
        return value.shown()
    if isinstance(value, HolodeckError):
        return f"{type(value).__name__}: {value}"
    return dict(value) if isinstance(value, Mapping) else repr(value)
