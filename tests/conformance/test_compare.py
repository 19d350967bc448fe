"""What counts as what is expected."""

from __future__ import annotations

from typing import Any

import pytest

from holodeck.messages.errors import ContractError, RefusedError
from holodeck.messages.session import Outcome
from tests.conformance.compare import difference, shown

REFUSED = RefusedError("task-limit", "at most 2 tasks")


@pytest.mark.parametrize(
    ("expected", "got"),
    [
        (1, 1.0000009),
        (0.3, 0.1 + 0.2),
        (True, True),
        (None, None),
        ("success", Outcome.SUCCESS),
        ([1, [2]], (1, (2.0,))),
        ({}, {"more": 1}),
        ({"a": {"b": 1}}, {"a": {"b": 1, "c": 2}, "d": 3}),
        ({"answer_keys": ["b", "a"]}, {"answer_keys": ["a", "b", "c"]}),
        ({"answer.outcome": "success"}, {"answer": {"outcome": "success"}}),
        ({"answer.outcome": "success"}, {"answer.outcome": "success"}),
        ({"a.b.c": 1}, {"a": {"b": {"c": 1}}}),
        ("raises limit error", REFUSED),
        ("raises", REFUSED),
        ("ValueError on the sixth, five kept", ContractError()),
        ("error", REFUSED),
        ("error", "error"),
        ({"second": "raises"}, {"second": REFUSED}),
    ],
)
def test_a_result_is_what_is_expected(expected: Any, got: Any) -> None:
    assert difference(expected, got) is None


@pytest.mark.parametrize(
    ("expected", "got", "words"),
    [
        (1, 1.000002, "the result is 1.000002, not 1"),
        (1, True, "the result is true, not 1"),
        (True, 1, "the result is 1, not true"),
        (1, "1", 'the result is "1", not 1'),
        (None, False, "the result is false, not null"),
        (None, REFUSED, '"RefusedError: task-limit: at most 2 tasks", not null'),
        ("a", "b", 'the result is "b", not "a"'),
        ("error", "Error", 'the result is "Error", not "error"'),
        ("raises", None, 'the result is null, not "raises"'),
        ("success", REFUSED, "task-limit"),
        ("raises", ValueError("not ours"), "not ours"),
        ([1, 2], [1], "has 1 items, not 2"),
        ([1, 2], [2, 1], "[0] is 2, not 1"),
        ([], None, "the result is null, no list"),
        ({"a": 1}, [1], "no object"),
        ({"a": 1}, {}, "a is missing"),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, "a.b is 2, not 1"),
        ({"a.b": 1}, {"a": 1}, "a.b is missing"),
        ({"a.b": 1}, {"a": {}}, "a.b is missing"),
        ({"answer_keys": ["a", "d"]}, {"answer_keys": ["a"]}, 'answer_keys lacks ["d"]'),
        ({"answer_keys": ["a"]}, {"answer_keys": "a"}, "no list"),
        ({"tags": ["a"]}, {"tags": ["a", "b"]}, "tags has 2 items, not 1"),
    ],
)
def test_what_differs_is_told_with_its_place(expected: Any, got: Any, words: str) -> None:
    found = difference(expected, got)
    assert found is not None
    assert words in found


def test_what_is_no_json_cannot_be_expected() -> None:
    with pytest.raises(TypeError, match="no JSON"):
        difference({1, 2}, {1, 2})


def test_a_value_is_shown_in_one_line() -> None:
    assert shown({"é": [None, REFUSED]}) == f'{{"é": [null, "RefusedError: {REFUSED}"]}}'
    assert shown({1}) == '"{1}"'
    assert shown({(1, 2): 3}) == "{(1, 2): 3}"
