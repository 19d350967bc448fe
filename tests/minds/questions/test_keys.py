"""The proof: every key is computed again, from the words and by another way."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Final

import pytest

from holodeck.messages.curriculum import Skill
from holodeck.messages.practice import AnswerFormat, AnswerType, Question, SkillTier, Supply
from holodeck.minds.questions import FAMILIES, generate
from tests.minds.questions.answers import ANSWERS, answer_to, value_of
from tests.minds.questions.skills import EACH, IN_USE, SKILLS, plain

SEEDS: Final = 500
"""For each skill of a curriculum and each tier; a fifth of it for what no curriculum uses yet."""
NOTHING: Final[frozenset[str]] = frozenset()
_FORMS: Final = {
    AnswerType.INTEGER: r"0|[1-9]\d*",
    AnswerType.DECIMAL: r"(0|[1-9]\d*)(\.\d*[1-9])?",
    AnswerType.FRACTION: r"[1-9]\d*/[1-9]\d*",
    AnswerType.TEXT: r"\S(.*\S)?",
}


def asked(skill: Skill, tier: SkillTier, seed: int) -> Question:
    supply = generate(skill, tier, f"proof-{seed}", NOTHING)
    assert supply.question is not None, supply.reason
    return supply.question


def says(text: str, key: str) -> bool:
    """Whether the key stands in a text as a word of its own; commas of thousands are ignored."""
    plain = re.sub(r"(?<=\d),(?=\d{3})", "", text)
    return re.search(rf"(?<!\w){re.escape(key)}(?!\w)", plain) is not None


def test_every_family_is_proved() -> None:
    assert set(ANSWERS) == set(FAMILIES)
    assert {skill.generator.family for skill in SKILLS} == set(FAMILIES)


@pytest.mark.parametrize(("skill", "tier"), EACH)
def test_the_key_is_what_the_words_ask_for_and_the_question_keeps_to_its_contract(
    skill: Skill, tier: SkillTier
) -> None:
    for seed in range(SEEDS if skill in IN_USE else SEEDS // 5):
        # when
        question = asked(skill, tier, seed)

        # then: the key is right and in its canonical form
        key = answer_to(question)
        if isinstance(key, int | Fraction):
            assert Fraction(question.answer) == key, question
            assert question.answer_type is not AnswerType.TEXT
        else:
            assert question.answer == key, question
            assert question.answer_type is AnswerType.TEXT
        assert re.fullmatch(_FORMS[question.answer_type], question.answer), question
        if question.answer_type is AnswerType.FRACTION:
            assert str(Fraction(question.answer)) == question.answer, question

        # then: four options, distinct by value, one of them the key
        if question.format is AnswerFormat.CHOICE:
            assert len(question.choices) == 4, question
            assert len({value_of(one) for one in question.choices}) == 4, question
            assert question.choices.count(question.answer) == 1, question
            assert all(one.strip() == one and one for one in question.choices)
        else:
            assert question.choices == ()
            assert question.answer_type is not AnswerType.TEXT

        # then: help that does not give it away, and an explanation that does
        if tier is SkillTier.LEARN:
            assert question.hint
            assert not says(question.hint, question.answer), question
            assert question.difficulty in (1, 2, 3)
        else:
            assert question.hint == ""
            assert question.difficulty in (3, 4, 5)
        lines = question.explanation.split("\n")
        assert 2 <= len(lines) <= 5, question
        assert all(line.strip() for line in lines), question
        assert says(question.explanation, question.answer), question

        # then: all within the contract
        assert Question.model_validate(question.model_dump()) == question
        assert (question.skill, question.tier) == (skill.id, tier)


def test_a_supply_made_without_validation_is_a_valid_one() -> None:
    for skill in SKILLS:
        supply = generate(skill, SkillTier.LEARN, "valid", NOTHING)
        assert Supply.model_validate(supply.model_dump()) == supply
        assert Supply.model_validate_json(supply.model_dump_json()) == supply


@pytest.mark.parametrize("family", FAMILIES)
def test_the_right_option_stands_at_every_place_and_is_of_every_rank(family: str) -> None:
    # given
    skill = plain(family, choice=1.0)
    places: dict[int, int] = {}
    total = 0
    for seed in range(600):
        question = asked(skill, SkillTier.LEARN, seed)
        if question.choices:
            total += 1
            place = question.choices.index(question.answer)
            places[place] = places.get(place, 0) + 1

    # then
    assert total > 100
    assert set(places) == {0, 1, 2, 3}
    assert all(total * 0.15 < many < total * 0.35 for many in places.values()), places


def test_stories_are_told_in_many_ways() -> None:
    skill = plain("addition", kinds=["story"], numbers=[8, 8])
    texts = {asked(skill, SkillTier.LEARN, seed).text for seed in range(300)}
    assert len(texts) > 200
