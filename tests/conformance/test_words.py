"""Prose is true of a result only where a fact says so."""

from __future__ import annotations

import pytest

from holodeck.messages.errors import RefusedError
from tests.conformance.compare import difference
from tests.conformance.words import Said, refused

PAUSED = Said("paused", ("A paused first", "session returned", "not expired"), {"active": 1})


@pytest.mark.parametrize(
    "text",
    [
        "paused",
        "A was paused first",
        "A paused first or the call refused",
        "the session is returned",
        "session returned, A paused",
        "at most one active",
        "at most 2 active",
        "exactly one active",
        "one active",
        "at least one active",
        "not expired",
    ],
)
def test_what_a_fact_says_is_true(text: str) -> None:
    assert difference(text, PAUSED) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "B paused first",
        "a paused B",
        "refused",
        "session returned, B paused",
        "two active",
        "at least two active",
        "no active",
        "expired",
        "session not returned",
        "one paused",
        "the",
    ],
)
def test_what_no_fact_says_is_not(text: str) -> None:
    assert difference(text, PAUSED) is not None


def test_a_refusal_has_many_names() -> None:
    found = refused(RefusedError("learner-busy", "sess_1"), "resume refused")
    for text in ("refused", "rejected", "error", "explicit error", "resume fails", "learner-busy"):
        assert difference(text, found) is None
    for text in ("ok", "not refused", "pause fails"):
        assert difference(text, found) is not None
    assert difference(None, found) is not None
    assert difference(False, found) is not None


def test_numbers_are_equal_to_numbers() -> None:
    assert difference(1, Said(1)) is None
    assert difference(True, Said(1)) is not None
    assert difference(None, Said(None)) is None
    assert difference("400 or 422", Said(422)) is None
    assert difference("400", Said(422)) is not None
