"""Whether a question may be asked."""

from __future__ import annotations

import pickle
import time
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holodeck.messages.practice import AnswerFormat, AnswerType, SkillTier
from holodeck.minds.checking import (
    UnsoundQuestion,
    answer_format,
    checked,
    math_check,
    structural,
)


def draft(**changes: Any) -> dict[str, Any]:
    return {
        "text": "What is 345 + 278?",
        "format": "numeric",
        "answer": "623",
        "answer_type": "integer",
        "choices": [],
        "hint": "Carry the ten.",
        "difficulty": 2,
        "explanation": "5 + 8 is 13: carry one.",
        **changes,
    }


def fault(said: Any, *, math: bool = True) -> UnsoundQuestion:
    with pytest.raises(UnsoundQuestion) as caught:
        checked(said, skill="sums", tier=SkillTier.LEARN, math=math)
    return caught.value


def format_fault(
    answer: str, kind: AnswerType, form: AnswerFormat, choices: Sequence[str] = ()
) -> str | None:
    """Which validator finds something."""
    try:
        answer_format(answer, kind, form, choices)
    except UnsoundQuestion as error:
        return error.validator
    return None


def test_a_sound_draft_becomes_a_question() -> None:
    question = checked(draft(), skill="sums", tier=SkillTier.PROVE, math=True, source="m")

    assert (question.answer, question.skill, question.tier, question.source) == (
        "623", "sums", SkillTier.PROVE, "m",
    )  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [
        {"text": ""},
        {"text": "x" * 501},
        {"text": "   "},
        {"explanation": "x" * 1001},
        {"explanation": ""},
        {"difficulty": 6},
        {"difficulty": 0},
        {"format": "essay"},
        {"answer_type": "boolean"},
        {"answer_type": "text"},
        {"thought": "the model's own"},
    ],
)
def test_a_draft_out_of_shape_is_told_by_the_first_validator(changes: dict[str, Any]) -> None:
    found = fault(draft(**changes))

    assert (found.validator, found.retryable) == ("structural", True)
    assert next(iter(changes)) in found.problem


@pytest.mark.parametrize("said", [None, [], "text", {}, {"text": "only"}])
def test_what_is_no_draft_at_all_is_told_so(said: Any) -> None:
    assert fault(said).validator == "structural"


def test_the_longest_texts_are_taken() -> None:
    assert structural(draft(text="x" * 500, explanation="y" * 1000)).difficulty == 2


def test_the_first_validator_that_finds_something_says_so() -> None:
    assert fault(draft(difficulty=9, answer="007")).validator == "structural"
    assert fault(draft(answer="007")).validator == "answer-format"
    assert fault(draft(answer="622")).validator == "math-check"
    assert checked(draft(answer="622"), skill="s", tier=SkillTier.LEARN, math=False).answer == "622"


def test_the_error_survives_a_process() -> None:
    found = fault(draft(answer="622"))

    again = pickle.loads(pickle.dumps(found))

    assert (again.validator, str(again)) == ("math-check", str(found))


@pytest.mark.parametrize(
    ("answer", "kind", "sound"),
    [
        ("42", "integer", True),
        ("0", "integer", True),
        ("-7", "integer", True),
        ("-0", "integer", False),
        ("042", "integer", False),
        ("+42", "integer", False),
        ("4\n", "integer", False),
        ("٤", "integer", False),
        ("9" * 19, "integer", False),
        ("0.75", "decimal", True),
        ("-0.5", "decimal", True),
        ("100", "decimal", True),
        ("3.50", "decimal", False),
        (".5", "decimal", False),
        ("1e2", "decimal", False),
        ("1/2", "fraction", True),
        ("-7/3", "fraction", True),
        ("1/1", "fraction", True),
        ("2/4", "fraction", False),
        ("1/0", "fraction", False),
        ("1/-2", "fraction", False),
        ("", "fraction", False),
    ],
)
def test_a_key_has_one_canonical_form(answer: str, kind: str, sound: bool) -> None:
    found = format_fault(answer, AnswerType(kind), AnswerFormat.NUMERIC)

    assert found == (None if sound else "answer-format")


@pytest.mark.parametrize(
    ("choices", "answer", "kind", "sound"),
    [
        (["612", "623", "633", "652"], "623", "integer", True),
        (["612", "623", "633"], "623", "integer", False),
        (["612", "623", "633", "652", "1"], "623", "integer", False),
        (["612", "623", "623", "652"], "623", "integer", False),
        (["1", " ", "2", "3"], "1", "integer", False),
        (["1", "2", "3", "4"], "5", "integer", False),
        (["1/2", "2/4", "1/3", "1/5"], "1/2", "fraction", False),
        (["0.5", "0.50", "1", "2"], "0.5", "decimal", False),
        (["Yes", "yes ", "No", "Both"], "No", "text", False),
        (["yes", "maybe", "no", "both"], "no", "text", True),
        (["2/4", "1/2 of it", "1/2", "none"], "none", "text", True),
    ],
)
def test_four_options_are_distinct_and_the_key_is_one(
    choices: list[str], answer: str, kind: str, sound: bool
) -> None:
    found = format_fault(answer, AnswerType(kind), AnswerFormat.CHOICE, choices)

    assert found == (None if sound else "answer-format")


def test_typed_answers_take_no_options() -> None:
    with pytest.raises(UnsoundQuestion, match="no choices"):
        answer_format("1", AnswerType.INTEGER, AnswerFormat.NUMERIC, ["1", "2", "3", "4"])


@pytest.mark.parametrize(
    ("text", "right", "wrong"),
    [
        ("345 + 278 - 100", "523", "623"),
        ("12 / 4 + 3", "6", "7"),
        ("2 + 3 × 4 =", "14", "20"),
        ("(2 + 3) × 4 = ?", "20", "14"),
        ("5,432 + 1,000 = ?", "6432", "433"),
        ("1 000 + 5", "1005", "5"),
        ("What is 567−289?", "278", "288"),
        ("567-289 = ?", "278", "288"),
        ("3x4 = ?", "12", "13"),
        ("What is 6 x 7?", "42", "43"),
        ("144÷12", "12", "11"),
        ("144/12 = ?", "12", "11"),
        ("17 / 5", "17/5", "3"),
        ("What is the remainder of 17 ÷ 5?", "2", "4"),
        ("5 + 3 = ? + 2", "6", "8"),
        ("7 + ? = 12", "5", "19"),
        ("__ × 6 = 42", "7", "8"),
        ("1/2 = ?/8", "4", "2"),
        ("Find x: x + 4 = 9", "5", "13"),
        ("Solve n − 4 = 9", "13", "5"),
        ("n + n = 10", "5", "10"),
        ("1½ + ½ = ?", "2", "3"),
        ("1 1/2 + 3/4", "9/4", "2"),
        ("Work out 3/4 ÷ 1/2", "3/2", "3/8"),
        ("1/2 + 1/2", "1/1", "2/4"),
        ("-5 + 3", "-2", "2"),
        ("5 − (−3) = ?", "8", "2"),
        ("$3.50 + $1.50", "5", "6"),
        ("0.1 + 0.2", "0.3", "0.30000000000000004"),
    ],
)
def test_what_can_be_computed_is(text: str, right: str, wrong: str) -> None:
    kind = AnswerType.DECIMAL if "." in wrong else AnswerType.INTEGER

    assert math_check(text, right, kind)
    assert not math_check(text, wrong, kind)


@pytest.mark.parametrize(
    "text",
    [
        "pages 12-18, how many pages",
        "12–18",
        "Tom has 3 + 4 apples and gives 2 away. How many are left?",
        "Tom has 3 + 4 apples and gives two away. How many are left?",
        "What is the numerator of 3/4?",
        "A rectangle is 3 cm by 4 cm. What is its area?",
        "Which is more: 3 + 4 or 2 × 5?",
        "Is 3 + 4 = 7?",
        "? + ? = 10",
        "x + y = 10",
        "2^3 + 4",
        "√9 + 4",
        "3:15 + 0:45",
        "3/4/2024 + 1",
        "Round 345 + 278 to the nearest ten.",
        "How many digits has 345 + 278?",
        "4 + 5 - ",
        "((((4 + 5",
        "Grade-3 task: 4 + 5",
        "",
    ],
)
def test_what_cannot_be_computed_with_certainty_is_believed(text: str) -> None:
    assert math_check(text, "999", AnswerType.INTEGER)


def test_division_by_zero_has_no_number_for_a_value() -> None:
    assert not math_check("5 / 0", "0", AnswerType.INTEGER)
    assert not math_check("5 ÷ (3 − 3) = ?", "5", AnswerType.INTEGER)
    assert math_check("5 / 0", "it has none", AnswerType.TEXT)


NUMBERS = st.integers(0, 10_000)


@st.composite
def chains(draw: st.DrawFn) -> tuple[str, Fraction]:
    """A chain of up to five numbers, and its value by Python's own precedence."""
    count = draw(st.integers(2, 5))
    numbers = [draw(NUMBERS) for _ in range(count)]
    signs = [draw(st.sampled_from("+-*")) for _ in range(count - 1)]
    plain = str(numbers[0]) + "".join(
        f" {sign} {number}" for sign, number in zip(signs, numbers[1:], strict=True)
    )
    dress = draw(st.sampled_from([str.maketrans({}), str.maketrans("-*", "−×"),
                                  str.maketrans("*", "x")]))  # fmt: skip
    return plain.translate(dress), Fraction(eval(plain))


@given(chains(), st.integers(-5, 5))
@settings(max_examples=300)
def test_a_chain_takes_exactly_its_value(chain: tuple[str, Fraction], off: int) -> None:
    text, value = chain

    assert math_check(f"What is {text}?", str(value + off), AnswerType.INTEGER) is (off == 0)


@given(st.text(max_size=500) | st.text("0123456789+-*/×÷=()?x_., ", max_size=500))
@settings(max_examples=400)
def test_no_text_raises(text: str) -> None:
    assert math_check(text, "5", AnswerType.INTEGER) in (True, False)


@pytest.mark.parametrize("piece", ["(", "1 ", "-", "1,000", "?", "1/", "9 + ", "x "])
def test_the_longest_text_takes_no_time(piece: str) -> None:
    text = (piece * 500)[:500]

    before = time.process_time()
    math_check(text, "5", AnswerType.INTEGER)

    assert time.process_time() - before < 0.2
