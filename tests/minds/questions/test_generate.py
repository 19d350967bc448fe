"""What a question depends on: the arguments, what was asked before, and what went wrong."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from holodeck.messages.curriculum import FamilyUse, Skill
from holodeck.messages.errors import ContractError
from holodeck.messages.practice import Question, SkillTier
from holodeck.minds.questions import FAMILIES, POOL, faults, generate, tasks
from holodeck.minds.questions.family import space
from tests.minds.questions.answers import value_of
from tests.minds.questions.skills import EACH, IN_USE, SKILLS, plain

LEARN: Final = SkillTier.LEARN
NOTHING: Final[frozenset[str]] = frozenset()


def asked(
    skill: Skill,
    seed: object,
    avoid: frozenset[str] = NOTHING,
    errors: tuple[str, ...] = (),
    prior: tuple[str, ...] = (),
) -> Question:
    question = generate(skill, LEARN, str(seed), avoid, errors, prior).question
    assert question is not None
    return question


# --- the arguments and nothing else ----------------------------------------


@given(at=st.integers(0, len(SKILLS) - 1), tier=st.sampled_from(SkillTier), seed=st.text())
@settings(deadline=None, max_examples=300)
def test_the_same_arguments_make_the_same_question(at: int, tier: SkillTier, seed: str) -> None:
    first = generate(SKILLS[at], tier, seed, NOTHING)
    generate(SKILLS[at - 1], tier, f"{seed} of another", NOTHING)
    assert generate(SKILLS[at], tier, seed, NOTHING) == first


def test_another_process_makes_the_same_questions() -> None:
    # given: a process with hashes of its own
    program = (
        "from tests.minds.questions.skills import IN_USE\n"
        "from tests.minds.questions.test_generate import asked\n"
        "print([asked(skill, 'elsewhere').model_dump_json() for skill in IN_USE])\n"
    )

    # when
    run = [sys.executable, "-c", program]
    other = subprocess.run(run, capture_output=True, text=True, check=True, timeout=60)

    # then
    here = [asked(skill, "elsewhere").model_dump_json() for skill in IN_USE]
    assert other.stdout.strip() == repr(here)


def test_other_seeds_make_other_questions() -> None:
    skill = next(one for one in IN_USE if one.id == "sum-1000")
    assert len({asked(skill, seed).task for seed in range(100)}) > 90


# --- what was asked before ----------------------------------------


@pytest.mark.parametrize(("skill", "tier"), EACH)
def test_no_task_comes_twice_until_all_were_asked_and_then_one_is_repeated(
    skill: Skill, tier: SkillTier
) -> None:
    # given
    total = tasks(skill, tier)
    assert 0 < total <= POOL
    rounds = total if total <= 150 else 40

    # when
    seen: set[str] = set()
    for turn in range(rounds):
        supply = generate(skill, tier, f"round-{turn}", frozenset(seen))
        assert supply.question is not None
        assert not supply.repeat
        assert supply.question.task not in seen
        seen.add(supply.question.task)

    # then
    if rounds == total:
        again = generate(skill, tier, "once-more", frozenset(seen))
        assert again.repeat
        assert again.question is not None
        assert again.question.task in seen


def test_even_a_large_space_comes_to_its_end() -> None:
    # given
    skill = plain("two-step-story")
    seen: set[str] = set()

    # when
    while not (supply := generate(skill, LEARN, str(len(seen)), frozenset(seen))).repeat:
        assert supply.question is not None
        seen.add(supply.question.task)

    # then
    assert len(seen) == tasks(skill, LEARN) == POOL


def test_a_repeat_is_not_of_what_was_asked_last() -> None:
    # given: eight tasks, all of them asked, in this order
    skill = plain("place-value", kinds=["words"], numbers=[21, 28])
    order: list[Question] = []
    for turn in range(8):
        order.append(asked(skill, turn, frozenset(one.task for one in order)))
    avoid = frozenset(one.task for one in order)

    # when: the newest four are known, then all
    some = tuple(one.text for one in order[4:])
    again = {asked(skill, seed, avoid, prior=some).task for seed in range(60)}
    oldest = asked(skill, "x", avoid, prior=tuple(one.text for one in order))

    # then
    assert again <= {one.task for one in order[:4]}
    assert oldest.task in {one.task for one in order[:7]}


def test_tasks_of_other_skills_are_no_hindrance() -> None:
    strange = frozenset(f"other:plain:{at}" for at in range(5000))
    skill = plain("clock", kinds=["hand"])
    assert not generate(skill, LEARN, "x", strange).repeat


def test_kinds_come_equally_often() -> None:
    skill = plain("clock")
    kinds = Counter(asked(skill, seed).task.split(":")[1] for seed in range(1000))
    assert set(kinds) == {"minutes", "hand", "read", "spoken", "to-next"}
    assert min(kinds.values()) > 140


# --- what went wrong ----------------------------------------


def wrong(text: str, given: str, key: str) -> str:
    return f"Answered {given} for '{text}', correct answer was {key}"


def carried(question: Question) -> bool:
    a, b = (int(one) for one in question.task.rsplit(":", 1)[1].split(","))
    return a % 10 + b % 10 > 9


def borrowed(question: Question) -> bool:
    a, b = (int(one) for one in question.task.rsplit(":", 1)[1].split(","))
    return a % 10 < b % 10


def after(skill: Skill, *errors: str) -> list[Question]:
    return [asked(skill, seed, NOTHING, errors) for seed in range(200)]


def test_who_forgets_to_carry_is_asked_sums_with_a_carry() -> None:
    skill = plain("addition", kinds=["plain", "story"], numbers=[11, 49])
    without = sum(map(carried, after(skill)))
    told = sum(map(carried, after(skill, wrong("What is 27 + 35?", "52", "62"))))
    assert without < 130
    assert told == 200


def test_who_takes_the_smaller_from_the_larger_digit_is_asked_to_break_a_ten() -> None:
    skill = plain("subtraction", kinds=["plain"], high=[40, 99], low=[11, 39])
    without = sum(map(borrowed, after(skill)))
    told = sum(map(borrowed, after(skill, wrong("62 - 35 = ?", "33", "27"))))
    assert without < 130
    assert told == 200


def test_a_mistake_is_seen_in_the_text_of_a_story_too() -> None:
    skill = plain("subtraction", kinds=["plain", "story"], high=[40, 99], low=[11, 39])
    story = "A shop has 62 stamps and sells 35 of them. How many stamps remain?"
    assert sum(map(borrowed, after(skill, wrong(story, "33 stamps", "27")))) == 200


def test_who_takes_only_one_part_is_asked_for_more_than_one() -> None:
    skill = plain("fraction-of", kinds=["plain"])
    told = after(skill, wrong("What is 3/4 of 20?", "5", "15"))
    assert all(int(one.task.rsplit(":", 1)[1].split(",")[0]) > 1 for one in told)


@pytest.mark.parametrize(
    ("family", "text", "given", "key", "name"),
    [
        ("addition", "What is 567 + 285?", "742", "852", "no-carry"),
        ("addition", "Which number is missing? 5 + ? = 12", "17", "7", "added"),
        ("fraction-sums", "What is 1/4 + 2/4?", "3/8", "3/4", "tops-and-bottoms"),
        ("perimeter", "A rectangle is 7 cm long and 3 cm wide. What is its perimeter?", "21",
         "20", "area"),
        ("area", "A rectangle is 7 m long and 3 m wide. What is its area in square metres?",
         "20", "21", "perimeter"),
        ("rounding", "Round 345 to the nearest 10.", "340", "350", "middle-down"),
        ("division-remainder", "What is 29 ÷ 4, with remainder?", "8 r 3", "7 r 1",
         "missing-to-next"),
        ("elapsed-time", "Uma reads from 8:50 to 9:20. How many minutes is that?", "70", "30",
         "hundred-minutes"),
        ("clock", "It is 4:35. How many minutes is it until 5:00?", "65", "25",
         "hundred-minutes"),
        ("place-value", "What is the value of the digit 7 in 74?", "7", "70", "digit-alone"),
        ("multiplication", "What is 23 × 4?", "82", "92", "no-carry"),
        ("same-fraction", "Which number is missing? 2/3 = ?/12", "11", "8", "added-the-same"),
        ("coins", "Uma buys a bun for 48 cents and pays with 50 cents. "
         "How many cents come back?", "98", "2", "added"),
    ],
    ids=lambda one: str(one)[:24],
)  # fmt: skip
def test_a_typical_mistake_is_known_by_its_name(
    family: str, text: str, given: str, key: str, name: str
) -> None:
    # given
    params: dict[str, JsonValue] = {"numbers": [1, 900]} if family == "addition" else {}
    known = space(FAMILIES[family], LEARN, params)

    # then
    assert name in known.misconceptions([wrong(text, given, key)])
    assert name not in known.misconceptions([wrong(text, "987654", key)])


@given(errors=st.lists(st.text(max_size=80) | st.builds(wrong, st.text(), st.text(), st.text())))
@settings(deadline=None)
def test_no_text_of_an_error_stops_a_question(errors: list[str]) -> None:
    for family in FAMILIES:
        assert generate(plain(family), LEARN, "x", NOTHING, errors).question is not None


@given(shown=st.lists(st.integers(0, 120), max_size=5), key=st.integers(0, 200))
@settings(deadline=None)
def test_no_numbers_of_an_error_stop_a_question(shown: list[int], key: int) -> None:
    error = wrong(" and ".join(map(str, shown)), str(key), str(key))
    for family in FAMILIES:
        assert generate(plain(family), LEARN, "x", NOTHING, [error]).question is not None


# --- what a curriculum gets wrong ----------------------------------------


def test_an_unknown_family_is_fatal_and_says_so() -> None:
    skill = plain("clairvoyance")
    supply = generate(skill, LEARN, "x", NOTHING)
    assert (supply.question, supply.fatal) == (None, True)
    assert "clairvoyance" in supply.reason
    with pytest.raises(ContractError, match="clairvoyance"):
        tasks(skill, LEARN)


@pytest.mark.parametrize(
    ("family", "params", "said"),
    [
        ("addition", {"numbrs": [1, 9]}, "numbrs"),
        ("addition", {"numbers": [9, 1]}, "9 is above 1"),
        ("addition", {"kinds": []}, "kinds"),
        ("addition", {"kinds": ["plain", "sung"]}, "kinds"),
        ("addition", {"numbers": [5, 9], "carry": "none", "total": 9}, "no task of kind plain"),
        ("subtraction", {"high": [1, 5], "low": [6, 9]}, "no task"),
        ("division-remainder", {"by": [0, 9]}, "by"),
        ("times-table", {"tables": []}, "tables"),
        ("rounding", {"units": [7]}, "units"),
        ("clock", {"step": 7}, "step"),
        ("clock", {"choice": 1.5}, "choice"),
        ("scale-notes", {"keys": [3, -3]}, "3 is above -3"),
    ],
)
def test_a_wrong_parameter_is_fatal_and_named(
    family: str, params: dict[str, object], said: str
) -> None:
    skill = plain(family, **params)
    supply = generate(skill, LEARN, "x", NOTHING)
    assert (supply.question, supply.fatal) == (None, True)
    assert said in supply.reason
    assert len(faults(skill)) == 2
    assert said in faults(skill)[0]


def test_every_skill_of_the_curricula_has_sound_parameters_and_enough_tasks() -> None:
    assert len(IN_USE) >= 42
    for skill in IN_USE:
        assert faults(skill) == ()
        for tier, needed in ((LEARN, 8), (SkillTier.PROVE, 6)):
            assert tasks(skill, tier) >= needed, skill.id


spans: st.SearchStrategy[JsonValue] = st.tuples(st.integers(1, 120), st.integers(0, 80)).map(
    lambda one: [one[0], sum(one)]
)


@given(
    family=st.sampled_from(sorted(FAMILIES)),
    data=st.data(),
)
@settings(deadline=None, max_examples=150)
def test_parameters_either_make_questions_or_are_told_to_be_wrong(
    family: str, data: st.DataObject
) -> None:
    # given: some of the family's spans, drawn freely
    fields = FAMILIES[family].params.model_fields
    names = [name for name, one in fields.items() if isinstance(one.default, tuple)]
    names = [name for name in names if len(fields[name].default) == 2 and name != "kinds"]
    params: dict[str, JsonValue] = {
        name: data.draw(spans) for name in names if data.draw(st.booleans())
    }
    use = FamilyUse(family=family, learn=params, prove=params)
    skill = Skill(id="any", name="Any", strand="all", grade=1, generator=use)

    # then
    supply = generate(skill, LEARN, data.draw(st.text()), NOTHING)
    assert supply.fatal == (supply.question is None)
    if supply.question is None:
        assert faults(skill)
    else:
        assert Question.model_validate(supply.question.model_dump()) == supply.question
        assert len(supply.question.choices) in (0, 4)
        assert len({value_of(one) for one in supply.question.choices}) in (0, 4)
