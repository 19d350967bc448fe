"""Errors: their class says what to do next, and they survive the way to another process."""

from __future__ import annotations

import inspect
import pickle

import pytest

from holodeck.messages import errors
from holodeck.messages.errors import (
    Busy,
    ContractError,
    DecodeError,
    FutureSchema,
    HolodeckError,
    RefusedError,
    StartupError,
    TransientError,
)

ERRORS = [
    value
    for value in vars(errors).values()
    if isinstance(value, type) and issubclass(value, HolodeckError)
]


def made(kind: type[HolodeckError]) -> HolodeckError:
    """One of its kind, every parameter filled by its type."""
    if kind.__init__ is HolodeckError.__init__:
        return kind("something happened")
    parameters = list(inspect.signature(kind).parameters.values())
    return kind(*(7 if p.annotation == "int" else f"some {p.name}" for p in parameters))


@pytest.mark.parametrize("kind", ERRORS)
def test_an_error_is_the_same_after_a_trip_through_pickle(kind: type[HolodeckError]) -> None:
    error = made(kind)
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is kind
    assert back.args == error.args
    assert vars(back) == vars(error)
    assert str(back) == str(error) != ""


@pytest.mark.parametrize("kind", [k for k in ERRORS if k.__init__ is HolodeckError.__init__])
def test_an_error_without_words_of_its_own_still_says_what_happened(
    kind: type[HolodeckError],
) -> None:
    assert len(str(kind())) > 10


@pytest.mark.parametrize("kind", ERRORS)
def test_an_error_is_of_exactly_one_sort(kind: type[HolodeckError]) -> None:
    sorts = [s for s in (ContractError, RefusedError, TransientError) if issubclass(kind, s)]
    assert len(sorts) == (0 if kind is HolodeckError or kind is StartupError else 1)


def test_error_codes_tell_all_kinds_apart() -> None:
    codes = [kind.code for kind in ERRORS]
    assert len(set(codes)) == len(codes)


def test_a_message_of_a_newer_schema_is_undecodable_too() -> None:
    assert issubclass(FutureSchema, DecodeError)


def test_a_refusal_shows_its_reason_and_detail() -> None:
    assert str(RefusedError("turn-order", "turn 2 is next")) == "turn-order: turn 2 is next"
    assert str(RefusedError("session-ended")) == "session-ended"


def test_answers_that_may_be_sent_again_become_transient_errors() -> None:
    assert errors.REPLY_ERRORS["busy"] is Busy
    assert all(issubclass(kind, TransientError) for kind in errors.REPLY_ERRORS.values())
    assert all(kind.code == code for code, kind in errors.REPLY_ERRORS.items())
