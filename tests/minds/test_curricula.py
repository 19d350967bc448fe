"""Curricula in YAML: what is told about them, and the two that come with the program."""

from __future__ import annotations

import pickle
from collections import Counter
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from holodeck.actors.session.practice.answers import check as answered
from holodeck.messages.curriculum import Curriculum
from holodeck.messages.persona import Fault
from holodeck.messages.practice import SkillTier
from holodeck.minds.checking import answer_format, math_check
from holodeck.minds.curricula import (
    PACKAGED,
    CurriculumError,
    CurriculumLibrary,
    ancestors,
    check,
    cycles,
    depths,
    load,
    order,
    parse,
    warnings,
)
from holodeck.minds.questions import generate


def skill(name: str, *needs: str, **changes: Any) -> dict[str, Any]:
    return {
        "id": name,
        "name": name.title(),
        "strand": "all",
        "grade": 3,
        "needs": list(needs),
        "generator": {"family": "addition"},
        **changes,
    }


def curriculum(*skills: dict[str, Any], **changes: Any) -> str:
    return yaml.safe_dump(
        {
            "id": "own",
            "name": "Own",
            "strands": [{"id": "all", "name": "All"}],
            "skills": list(skills) or [skill("a")],
            **changes,
        },
        sort_keys=False,
    )


def faults(text: str) -> list[str]:
    return [f"{fault.path}: {fault.problem}" for fault in parse(text)[1]]


def test_a_small_curriculum_is_read() -> None:
    read, found, needless = parse(curriculum(skill("a"), skill("b", "a")))

    assert (found, needless) == ((), ())
    assert read is not None
    assert [(one.id, one.needs) for one in read.skills] == [("a", ()), ("b", ("a",))]
    assert read.learn.problems == 8


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (curriculum(skill("a"), skill("a")), ["skills.1.id: 'a' stands there twice"]),
        (curriculum(skill("a"), skill("b", "q")), ["skills.1.needs.0: there is no skill 'q'"]),
        (
            curriculum(skill("adding"), skill("b", "addin")),
            ["skills.1.needs.0: there is no skill 'addin'; did you mean 'adding'?"],
        ),
        (curriculum(skill("a"), skill("b", "b")), ["skills.1.needs.0: a skill cannot need itself"]),
        (
            curriculum(skill("a"), skill("b", "a", "a")),
            ["skills.1.needs.1: 'a' stands there twice"],
        ),
        (
            curriculum(skill("r"), skill("a", "b"), skill("b", "c"), skill("c", "a")),
            ["skills.1.needs: a cycle: a → b → c → a"],
        ),
        (
            curriculum(skill("a", "b"), skill("b", "a")),
            [
                "skills: there is no root: every skill needs another",
                "skills.0.needs: a cycle: a → b → a",
            ],
        ),
        (
            curriculum(strands=[{"id": "all", "name": "All"}, {"id": "idle", "name": "Idle"}]),
            ["strands.1.id: no skill lies in the strand 'idle'"],
        ),
        (
            curriculum(skill("a"), skill("b", strand="al")),
            ["skills.1.strand: there is no strand 'al'; did you mean 'all'?"],
        ),
        (
            curriculum(learn={"problems": 0, "accuracy": 0.5}),
            ["learn.problems: a tier needs at least 1 of its problems, not 0"],
        ),
        (
            curriculum(prove={"problems": 1, "accuracy": 0}),
            ["prove.accuracy: the threshold is above 0 and at most 1, not 0"],
        ),
        (
            curriculum(skill("a", learn={"problems": 1, "accuracy": 1.5, "limit_s": -1})),
            [
                "skills.0.learn.accuracy: the threshold is above 0 and at most 1, not 1.5",
                "skills.0.learn.limit_s: the time limit is 0 (none) or more seconds, not -1",
            ],
        ),
        (curriculum(learn={"problems": 1, "accuracy": 1.0}), []),
        (
            curriculum(skill("a", generator={"family": "adition"})),
            ["skills.0.generator.family: there is no family 'adition'; did you mean 'addition'?"],
        ),
        (
            curriculum(skill("a", generator={"family": "addition", "prove": {"numbers": [9, 1]}})),
            ["skills.0.generator.prove.numbers: 9 is above 1"],
        ),
        (curriculum(skill("A b")), None),
        ("id: [", None),
        ("- a\n- b", [": is no mapping of names to values"]),
        ("a: &x 1\nb: *x", [": anchors and aliases are not taken"]),
    ],
)
def test_each_fault_is_told_where_it_stands(text: str, told: list[str] | None) -> None:
    found = faults(text)

    assert found == told if told is not None else len(found) == 1


def test_every_fault_is_told_at_once_with_its_line() -> None:
    text = """\
id: own
name: Own
subjekt: odd
strands:
  - {id: all, name: All}
  - {id: idle, name: Idle}
skills:
  - id: a
    name: A
    strand: al
    grade: many
    needs: [b, q]
    generator: {family: nothing}
  - id: b
    name: B
    strand: all
    grade: 1
    needs: [a]
    generator:
      family: addition
      learn: {numbrs: [1, 2]}
"""

    found = parse(text)[1]

    assert [(fault.line, fault.path) for fault in found] == [
        (3, "subjekt"),
        (6, "strands.1.id"),
        (7, "skills"),
        (10, "skills.0.strand"),
        (11, "skills.0.grade"),
        (12, "skills.0.needs"),
        (12, "skills.0.needs.1"),
        (13, "skills.0.generator.family"),
        (21, "skills.1.generator.learn.numbrs"),
    ]


def test_what_is_needed_by_way_of_others_is_a_warning_and_no_fault(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(curriculum(skill("a"), skill("b", "a"), skill("c", "b"), skill("d", "a", "c")))

    assert check(file) == ()
    assert [(fault.path, fault.problem) for fault in warnings(file)] == [
        ("skills.3.needs.0", "'a' is needed by 'c' already")
    ]


def test_parameters_that_allow_no_question_are_found_by_the_thorough_look(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    impossible = {"family": "addition", "prove": {"numbers": [1, 2], "carry": "some"}}
    file.write_text(curriculum(skill("a", generator=impossible)))

    assert len(check(file)) == 1
    assert "no task" in check(file)[0].problem
    assert load(file).id == "own"


def test_a_file_that_cannot_be_read_is_a_fault_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_bytes(b"\xff\xfe")

    for path in (file, tmp_path / "none.yaml"):
        assert "cannot be read" in check(path)[0].problem
        with pytest.raises(CurriculumError, match="cannot be read"):
            load(path)


def test_the_error_survives_a_process() -> None:
    error = CurriculumError("own.yaml", (Fault(path="id", problem="is odd", line=3),))

    assert str(pickle.loads(pickle.dumps(error))) == "own.yaml: 1 fault\n  line 3: id: is odd"


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=6,
)
PLACES = ("id", "name", "strand", "grade", "needs", "generator", "learn", "minutes", "keywords")


@given(st.data())
@settings(max_examples=100)
def test_whatever_stands_in_a_file_is_read_or_told_and_never_raises(data: st.DataObject) -> None:
    top = data.draw(st.dictionaries(st.sampled_from(["strands", "skills", "prove", "id"]), ODD))
    one = data.draw(st.dictionaries(st.sampled_from(PLACES), ODD))
    use = data.draw(st.dictionaries(st.sampled_from(["family", "learn", "prove"]), ODD))

    for text in (
        curriculum(**top),
        curriculum(skill("a"), skill("b", "a") | one),
        curriculum(skill("a", generator={"family": "addition", **use})),
    ):
        read, found, _ = parse(text)
        assert (read is None) is bool(found)


# --- the graph ----------------------------------------


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, tuple[str, ...]]:
    names = [f"n{i}" for i in range(draw(st.integers(1, 9)))]
    return {name: tuple(draw(st.sets(st.sampled_from(names), max_size=3))) for name in names}


@given(graphs())
@settings(max_examples=120)
def test_there_is_a_cycle_where_and_only_where_there_is_no_order(
    needs: dict[str, tuple[str, ...]],
) -> None:
    rings = cycles(needs)

    assert bool(rings) is (len(order(needs)) < len(needs))
    for ring in rings:
        for node, need in zip(ring, (*ring[1:], ring[0]), strict=True):
            assert need in needs[node]


@given(graphs())
@settings(max_examples=120)
def test_in_the_order_everything_stands_behind_what_it_needs(
    needs: dict[str, tuple[str, ...]],
) -> None:
    placed = order(needs)
    sound = {node: needs[node] for node in placed}

    for at, node in enumerate(placed):
        assert set(needs[node]) <= set(placed[:at])
    for node, deep in depths(sound).items():
        assert deep == max((depths(sound)[need] + 1 for need in needs[node]), default=0)
        assert all(ancestors(sound)[need] < ancestors(sound)[node] for need in needs[node])


# --- what comes with the program ----------------------------------------


@pytest.fixture(scope="module")
def library() -> CurriculumLibrary:
    return CurriculumLibrary()


def graph_of(curriculum: Curriculum | None) -> dict[str, tuple[str, ...]]:
    assert curriculum is not None
    return {one.id: one.needs for one in curriculum.skills}


@pytest.mark.parametrize("name", ["music-reading", "primary-maths"])
def test_the_curricula_that_come_with_the_program_are_sound_and_spare(name: str) -> None:
    assert check(PACKAGED / f"{name}.yaml") == ()
    assert warnings(PACKAGED / f"{name}.yaml") == ()


def test_primary_maths_has_its_thirty_two_skills(library: CurriculumLibrary) -> None:
    maths = library.get("primary-maths")
    needs = graph_of(maths)
    assert maths is not None
    dependents = Counter(need for wanted in needs.values() for need in wanted)
    found = depths(needs)

    assert len(needs) == 32
    assert sum(map(len, needs.values())) == 44
    assert [name for name in needs if not needs[name]] == ["read-100", "sum-20", "clock-5min"]
    assert (max(found.values()), maths.checked) == (7, "math")
    assert {name: dependents[name] for name in
            ("read-100", "sum-20", "clock-5min", "hundreds", "sum-100")} == {
        "read-100": 3, "sum-20": 2, "clock-5min": 1, "hundreds": 5, "sum-100": 4,
    }  # fmt: skip
    grades = {one.id: one.grade for one in maths.skills}
    assert all(grades[need] <= grades[name] for name, wanted in needs.items() for need in wanted)


def test_its_depths_fall_into_the_quarters_that_rarity_is_cut_by(
    library: CurriculumLibrary,
) -> None:
    found = sorted(depths(graph_of(library.get("primary-maths"))).values())
    cuts = tuple(found[len(found) * part // 4] for part in (1, 2, 3))

    assert cuts == (2, 3, 6)
    assert Counter(sum(depth > cut for cut in cuts) for depth in found) == {
        0: 13, 1: 4, 2: 10, 3: 5
    }  # fmt: skip


def test_whoever_masters_the_easiest_first_always_has_three_to_choose_from(
    library: CurriculumLibrary,
) -> None:
    maths = library.get("primary-maths")
    needs = graph_of(maths)
    assert maths is not None
    grades = {one.id: one.grade for one in maths.skills}
    dependents = Counter(need for wanted in needs.values() for need in wanted)
    mastered: set[str] = set()
    widths = []
    while len(mastered) < len(needs):
        ready = [
            name for name in needs if name not in mastered and mastered.issuperset(needs[name])
        ]
        widths.append(len(ready))
        mastered.add(min(ready, key=lambda name: (grades[name], -dependents[name], name)))

    assert min(widths[:-2]) >= 3


def test_reading_music_has_two_strands(library: CurriculumLibrary) -> None:
    music = library.get("music-reading")

    assert music is not None
    assert len(music.strands) == 2
    assert 8 <= len(music.skills) <= 10
    assert depths(graph_of(music))["key-signatures"] == 3


def test_their_own_questions_pass_the_checks_of_a_models_and_take_their_key_for_an_answer(
    library: CurriculumLibrary,
) -> None:
    for name in library.names():
        curriculum = library.get(name)
        assert curriculum is not None
        for skill, tier, seed in product(curriculum.skills, SkillTier, range(12)):
            question = generate(skill, tier, str(seed), frozenset()).question
            assert question is not None
            kind, choices = question.answer_type, question.choices

            answer_format(question.answer, kind, question.format, choices)
            assert math_check(question.text, question.answer, kind), question.text
            assert answered(question, f"{question.answer} {question.unit}").right
            places = [answered(question, "", place).right for place in range(len(choices))]
            assert sum(places) == bool(choices)


def test_the_library_takes_further_folders_and_refuses_what_stands_there_twice(
    tmp_path: Path,
) -> None:
    (tmp_path / "own.yaml").write_text(curriculum())
    grown = CurriculumLibrary([tmp_path])

    assert grown.names() == ["music-reading", "own", "primary-maths"]
    assert grown.file("own") == tmp_path / "own.yaml"
    assert grown.get("none") is None
    (tmp_path / "twin.yml").write_text(curriculum())
    with pytest.raises(CurriculumError, match=r"own\.yaml too"):
        CurriculumLibrary([tmp_path], packaged=False)
    with pytest.raises(CurriculumError, match="no such folder"):
        CurriculumLibrary([tmp_path / "none"])
