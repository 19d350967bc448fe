"""What counts as right."""

from __future__ import annotations

import time
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holodeck.actors.session.practice.answers import Verdict, check, read
from holodeck.messages.practice import AnswerFormat, AnswerType, Question, SkillTier


def question(answer: str, kind: str = "integer", **more: object) -> Question:
    return Question.model_validate(
        {
            "text": "How many?",
            "answer": answer,
            "answer_type": AnswerType(kind),
            "explanation": "So many.",
            "skill": "counting",
            "tier": SkillTier.LEARN,
            **more,
        }
    )


def chosen(answer: str, *choices: str) -> Question:
    return question(answer, "fraction", format=AnswerFormat.CHOICE, choices=choices)


@pytest.mark.parametrize(
    ("said", "key", "kind"),
    [
        ("42", "42", "integer"),
        ("  042 ", "42", "integer"),
        ("+42", "42", "integer"),
        ("42.", "42", "integer"),
        ("42.00", "42", "integer"),
        ("1,000", "1000", "integer"),
        ("1 000", "1000", "integer"),
        ("1\u00a0000\u202f000", "1000000", "integer"),
        ("1,234,567.50", "1234567.5", "decimal"),
        ("\u22125", "-5", "integer"),
        ("- 5", "-5", "integer"),
        ("４２", "42", "integer"),
        ("٤٢", "42", "integer"),
        ("$42", "42", "integer"),
        ("-€42", "-42", "integer"),
        ("-0", "0", "integer"),
        (".5", "0.5", "decimal"),
        ("1/2", "0.5", "decimal"),
        ("½", "0.5", "decimal"),
        ("0.5", "1/2", "fraction"),
        ("2 / 4", "1/2", "fraction"),
        ("1/-2", "-1/2", "fraction"),
        ("-1/-2", "1/2", "fraction"),
        ("3\u20444", "3/4", "fraction"),
        ("¹⁄₂", "1/2", "fraction"),
        ("1 1/2", "3/2", "fraction"),
        ("1½", "3/2", "fraction"),
        ("-1 1/2", "-3/2", "fraction"),
        ("6/4", "3/2", "fraction"),
        ("2", "2/1", "fraction"),
        ("0/5", "0/1", "fraction"),
        ("1,000/3", "1000/3", "fraction"),
    ],
)
def test_a_right_value_is_right_however_it_is_written(said: str, key: str, kind: str) -> None:
    assert check(question(key, kind), said, None).right


@pytest.mark.parametrize(
    ("said", "key", "kind"),
    [
        ("43", "42", "integer"),
        ("abc", "42", "integer"),
        ("1e2", "100", "integer"),
        ("50%", "0.5", "decimal"),
        ("50 %", "50", "integer"),
        ("0,5", "0.5", "decimal"),
        ("0,500", "500", "integer"),
        ("1,00", "100", "integer"),
        ("10 00", "1000", "integer"),
        ("1,000 000", "1000000", "integer"),
        ("4²", "42", "integer"),
        ("11/2", "3/2", "fraction"),
        ("1 000/3", "1", "integer"),
        ("1/0", "1/2", "fraction"),
        ("1/0", "0", "integer"),
        ("3 r 2", "3", "integer"),
        ("--5", "5", "integer"),
        ("2+3", "5", "integer"),
        (".", "0", "integer"),
        ("-", "0", "integer"),
        ("42 cm", "42", "integer"),
        ("0.3333", "1/3", "fraction"),
        ("1" * 201, "1", "integer"),
    ],
)
def test_what_is_another_value_or_no_number_is_wrong(said: str, key: str, kind: str) -> None:
    verdict = check(question(key, kind), said, None)

    assert verdict == Verdict(right=False, shown=verdict.shown)


@pytest.mark.parametrize(
    ("unit", "said", "right"),
    [
        ("cm", "42 cm", True),
        ("cm", "42cm", True),
        ("cm", "42 CM.", True),
        ("cm", "42", True),
        ("cm", "42 m", False),
        ("cm", "$42", False),
        ("m", "42 ms", False),
        ("pages", "42 page", True),
        ("page", "42 pages", True),
        ("cm²", "42 cm²", True),
        ("cm²", "42 cm2", True),
        ("euros", "€42", True),
        ("euros", "$42", False),
        ("$", "$42", True),
        ("%", "42 %", True),
        ("cm", "cm", False),
    ],
)
def test_only_the_unit_of_the_question_may_stand_by_the_number(
    unit: str, said: str, right: bool
) -> None:
    assert check(question("42", unit=unit), said, None).right is right


@pytest.mark.parametrize(
    ("key", "said", "right", "other"),
    [
        ("3/4", "3/4", True, False),
        ("3/4", " 03 / 4", True, False),
        ("3/4", "6/8", False, True),
        ("3/4", "0.75", False, True),
        ("3/4", "4/3", False, False),
        ("3/2", "1 1/2", False, True),
        ("1 1/2", "3/2", False, True),
        ("1 1/2", "1½", True, False),
        ("0.5", "0.50", False, True),
    ],
)
def test_where_the_form_is_asked_for_another_form_is_told_so(
    key: str, said: str, right: bool, other: bool
) -> None:
    verdict = check(question(key, "fraction", exact_form=True), said, None)

    assert (verdict.right, verdict.other_form) == (right, other)


def test_a_division_left_undone_is_another_form_of_a_whole_number() -> None:
    assert check(question("42"), "84/2", None) == Verdict(
        right=False, other_form=True, shown="84/2"
    )


@pytest.mark.parametrize("said", ["", "   ", "\t\n", "\u200b\ufeff", "\u00a0"])
def test_nothing_entered_is_blank_and_not_wrong_by_value(said: str) -> None:
    assert check(question("42"), said, None) == Verdict(right=False, blank=True)


HALVES = ("1/2", "3/4", "2/3", "1/4")
ODD = ("3", "5", "7", "1")


@pytest.mark.parametrize(
    ("options", "key", "said", "choice", "right"),
    [
        (HALVES, "3/4", "2", None, True),
        (HALVES, "3/4", "1", None, False),
        (HALVES, "3/4", "2/3", None, False),
        (HALVES, "3/4", "5", None, False),
        (HALVES, "3/4", " 3 / 4", None, True),
        (HALVES, "3/4", "6/8", None, True),
        (HALVES, "3/4", "", 1, True),
        (HALVES, "3/4", "3/4", 0, False),
        (ODD, "7", "3", None, False),
        (ODD, "7", "7", None, True),
        (ODD, "7", "", 0, False),
        (ODD, "7", "", 2, True),
        (("yes", "no", "both", "none"), "none", "NONE ", None, True),
        (("yes", "no", "both", "none"), "none", "maybe", None, False),
    ],
)
def test_an_option_is_chosen_by_its_place_or_else_by_its_words_first(
    options: tuple[str, ...], key: str, said: str, choice: int | None, right: bool
) -> None:
    assert check(chosen(key, *options), said, choice).right is right


def test_a_place_beyond_the_options_is_wrong() -> None:
    assert not check(chosen("1/2", *HALVES[:2]), "", 3).right
    assert not check(chosen("1/2", *HALVES), "", -4).right


def test_the_option_itself_is_kept_as_the_answer() -> None:
    assert check(chosen("3/4", *HALVES), "2", 2).shown == "2/3"
    assert check(chosen("3/4", *HALVES), "2", None).shown == "3/4"


TEXTS = st.text(max_size=60) | st.text(alphabet="0123456789 ,./+-−⁄½²$€%cm", max_size=40)


@given(TEXTS, st.sampled_from(["42", "1/2", "0.5", "none of these"]), st.booleans())
@settings(max_examples=400)
def test_no_text_raises_and_what_is_shown_can_be_stored(said: str, key: str, exact: bool) -> None:
    plain = check(question(key, "fraction", unit="cm", exact_form=exact), said, None)
    among = check(chosen("1/2", *HALVES), said, None)

    for verdict in (plain, among):
        assert verdict.right + verdict.blank + verdict.other_form <= 1
        assert len(verdict.shown.encode()) <= 800
        assert bool(verdict.shown) != verdict.blank


@given(st.fractions(max_denominator=10**6))
def test_every_way_of_writing_a_number_reads_as_its_value(value: Fraction) -> None:
    sign, size = ("-" if value < 0 else ""), abs(value)
    whole, rest = divmod(size, 1)
    ways = [
        f"{value.numerator}/{value.denominator}",
        f"{sign}{7 * size.numerator}\u2044{7 * size.denominator}",
        f"{sign}{whole} {rest.numerator}/{rest.denominator}",
        f"{sign}{size.numerator:,}/{size.denominator}",
    ]

    for way in ways:
        number = read(way)
        assert number is not None
        assert number.value == value


@given(st.integers(-(10**12), 10**12), st.integers(0, 999))
def test_separators_and_zeros_at_the_end_change_no_value(whole: int, part: int) -> None:
    value = Fraction(f"{whole}.{part:03}")

    spaced = f"{whole:,}.{part:03}00".replace(",", " ")
    for way in (f"{whole}.{part:03}0", f"{whole:,}.{part:03}", spaced):
        number = read(way)
        assert number is not None
        assert number.value == value


@pytest.mark.parametrize("piece", ["1", ",000", " 000", "1/", "½", "\ufdfa", " ", "-", "cm"])
def test_a_long_text_takes_no_longer_than_its_length(piece: str) -> None:
    said = piece * (100_000 // len(piece))

    before = time.process_time()
    verdict = check(question("1", unit="cm"), said, None)

    assert time.process_time() - before < 0.5
    assert not verdict.right
