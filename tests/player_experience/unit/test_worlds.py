"""The worlds there are, and how a character and a world go together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from holodeck.actors.learner.player.worlds import (
    Factor,
    compatibility,
    suited,
    weighted,
)
from holodeck.messages.player import (
    ChangePlayerSettings,
    Character,
    CustomizeWorld,
    DifficultyLevel,
    Goal,
    PlayerSettings,
    Prerequisite,
    PutCharacter,
    RemoveCharacter,
    TherapeuticApproach,
    TherapeuticProfile,
    World,
    WorldParameters,
)
from holodeck.minds.personas import Library
from holodeck.minds.worlds import WorldError, WorldLibrary, load, parse
from tests.messages.strategies import instances
from tests.player_experience.unit.folk import WORLDS, Folk, character

laws = settings(max_examples=50, deadline=None)
A = TherapeuticApproach
GARDEN = "world_mindfulness_garden"


def ready(level: float, *approaches: TherapeuticApproach, **more: Any) -> Character:
    goals = (Goal(goal_id="g", description="d", therapeutic_approaches=approaches),)
    return character(
        profile=TherapeuticProfile(
            readiness_level=level, therapeutic_goals=goals if approaches else (), **more
        )
    )


def world(**more: Any) -> World:
    return World(**{"world_id": "w", "name": "Somewhere", "recommended_readiness": 0.5, **more})


def factors(who: Character, where: World, **more: Any) -> dict[str, float]:
    return {one.name: one.score for one in compatibility(who, where, **more).factors}


# --- shapes ----------------------------------------


@pytest.mark.parametrize(
    "told",
    [
        {"therapeutic_intensity": 1.5},
        {"therapeutic_intensity": -0.1},
        {"narrative_pace": "invalid"},
        {"interaction_frequency": "often"},
        {"session_length_preference": 9},
        {"session_length_preference": 121},
        {"challenge_level": "ADVANCED"},
    ],
)
def test_parameters_out_of_range_are_refused(told: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        WorldParameters(**told)


@pytest.mark.parametrize(
    "told", [{"name": "  ab "}, {"average_rating": 5.1}, {"completion_rate": 1.1}]
)
def test_a_world_out_of_range_is_refused(told: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        world(**told)


# --- the library ----------------------------------------


@pytest.mark.parametrize(
    ("name", "difficulty", "readiness", "warnings", "figures"),
    [
        ("world_mindfulness_garden", "beginner", 0.3, 0, (4.7, 0.85, 0.82)),
        ("world_anxiety_sanctuary", "intermediate", 0.5, 2, (4.5, 0.72, 0.78)),
        ("world_depression_recovery", "intermediate", 0.5, 1, (0, 0, 0)),
        ("world_social_confidence", "beginner", 0.3, 0, (0, 0, 0)),
        ("world_trauma_healing", "advanced", 0.8, 3, (0, 0, 0)),
    ],
)
def test_five_worlds_come_with_the_program(
    name: str,
    difficulty: str,
    readiness: float,
    warnings: int,
    figures: tuple[float, float, float],
) -> None:
    found = WORLDS.get(name)
    assert found is not None
    assert (found.difficulty_level.value, found.recommended_readiness) == (difficulty, readiness)
    assert (found.average_rating, found.completion_rate, found.effectiveness) == figures
    assert len(found.content_warnings) == warnings
    assert found.long_description
    assert found.therapeutic_approaches
    assert WORLDS.file(name) is not None


def test_a_persona_is_a_world_by_its_id() -> None:
    for name in Library().names():
        found = WORLDS.get(name)
        assert found is not None
        assert (found.world_id, found.persona) == (name, name)
        assert found.therapeutic_approaches == (A.SKILL_BUILDING,)
        assert WORLDS.file(name) is None
    assert WORLDS.get("nowhere") is None
    assert list(WORLDS.names()) == sorted(WORLDS.names())
    assert len(WORLDS.names()) == 5 + len(Library().names())


def test_a_world_of_ones_own_may_stand_for_a_persona(tmp_path: Path) -> None:
    (tmp_path / "cafe.yaml").write_text(
        "world_id: barcelona-cafe\nname: My café\npersona: barcelona-cafe\n"
    )
    found = WorldLibrary([tmp_path], personas=Library()).get("barcelona-cafe")
    assert found is not None
    assert found.name == "My café"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("world_id: barcelona-cafe\nname: Mine\n", "is a persona"),
        ("world_id: w\nname: Mine\npersona: nobody\n", "no persona 'nobody'"),
        ("world_id: world_trauma_healing\nname: Mine\n", "too"),
        ("world_id: w\nname: Mine\nmood: calm\n", "mood: is not known"),
        ("world_id: w\n", "name: is missing"),
        ("world_id: 'a b'\nname: Mine\n", "world_id"),
        ("- w\n", "no mapping"),
        ("world_id: &x w\nname: *x\n", "aliases"),
    ],
)
def test_a_world_that_cannot_be_used_is_told_what_is_wrong(
    tmp_path: Path, text: str, told: str
) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(WorldError, match=r"mine\.yaml") as refused:
        WorldLibrary([tmp_path], personas=Library())
    assert told in str(refused.value)


def test_a_folder_and_a_file_have_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(WorldError, match="no such folder"):
        WorldLibrary([tmp_path / "no"])
    with pytest.raises(WorldError, match="cannot be read"):
        load(tmp_path / "no.yaml")
    assert parse("world_id: w\nname: Mine\n")[1] == ()


# --- how they go together ----------------------------------------


def test_scores_are_weighted() -> None:
    assert weighted([Factor("a", 1.0, 3, ""), Factor("b", 0.0, 1, "")]) == 0.75
    assert weighted([]) == 0.0
    assert weighted([Factor("a", 1.0, 0, "")]) == 0.0


@pytest.mark.parametrize(
    ("level", "score"), [(0.5, 1.0), (0.65, 0.5), (0.35, 0.5), (0.8, 0.0), (0.0, 0.0)]
)
def test_readiness_is_best_where_it_is_what_is_recommended(level: float, score: float) -> None:
    assert factors(ready(level), world())["readiness"] == pytest.approx(score)


@pytest.mark.parametrize(
    ("wanted", "offered", "score"),
    [
        ((A.CBT,), (), 0.5),
        ((), (A.CBT,), 0.6),
        ((A.CBT,), (A.CBT,), 1.0),
        ((A.CBT, A.MINDFULNESS), (A.CBT,), 0.65),
        ((A.CBT,), (A.CBT, A.MINDFULNESS), 0.85),
        ((A.CBT,), (A.MINDFULNESS,), 0.0),
    ],
)
def test_approaches_are_best_where_they_are_shared(
    wanted: tuple[A, ...], offered: tuple[A, ...], score: float
) -> None:
    where = world(therapeutic_approaches=offered)
    assert factors(ready(0.5, *wanted), where)["approach"] == pytest.approx(score)


def test_a_goal_that_is_given_up_wants_nothing() -> None:
    goal = Goal(goal_id="g", description="d", therapeutic_approaches=(A.CBT,), is_active=False)
    who = character(profile=TherapeuticProfile(therapeutic_goals=(goal,)))
    assert factors(who, world(therapeutic_approaches=(A.CBT,)))["approach"] == 0.6


@pytest.mark.parametrize(
    ("own", "players", "warned", "score"),
    [
        ((), (), ("storms",), 1.0),
        (("storms",), (), (), 0.9),
        (("war",), (), ("storms",), 1.0),
        (("Storms",), (), ("heights and storms",), 0.2),
        (("storms", "war"), (), ("storms",), 0.6),
        ((), ("storms",), ("storms",), 0.2),
    ],
)
def test_a_world_is_safe_where_it_warns_of_nothing_delicate(
    own: tuple[str, ...], players: tuple[str, ...], warned: tuple[str, ...], score: float
) -> None:
    where = world(content_warnings=warned)
    who = ready(0.5, trigger_topics=own)
    found = compatibility(who, where, triggers=players)
    assert {one.name: one.score for one in found.factors}["safety"] == pytest.approx(score)
    assert any("safety" in one for one in found.warnings) is (score < 0.7)


@pytest.mark.parametrize(
    ("level", "difficulty"),
    [
        (0.0, "beginner"),
        (0.29, "beginner"),
        (0.3, "intermediate"),
        (0.59, "intermediate"),
        (0.6, "advanced"),
        (0.8, "advanced"),
        (0.81, "expert"),
        (1.0, "expert"),
    ],
)
def test_a_readiness_suits_a_difficulty(level: float, difficulty: str) -> None:
    assert suited(level).value == difficulty


def test_who_has_what_the_advanced_world_recommends_fits_it() -> None:
    healing = WORLDS.get("world_trauma_healing")
    assert healing is not None
    who = ready(0.8, *healing.therapeutic_approaches)
    found = compatibility(who, healing, completed=[GARDEN])
    assert found.overall_score == 1.0
    assert (found.label, found.recommended) == ("excellent", True)


@pytest.mark.parametrize(
    ("difficulty", "score"),
    [("beginner", 0.7), ("intermediate", 1.0), ("advanced", 0.7), ("expert", 0.4)],
)
def test_a_difficulty_fits_by_how_far_off_it_is(difficulty: str, score: float) -> None:
    where = world(difficulty_level=DifficultyLevel(difficulty))
    assert factors(ready(0.5), where)["difficulty"] == score
    eased = WorldParameters(challenge_level=DifficultyLevel.INTERMEDIATE)
    assert factors(ready(0.5), where, parameters=eased)["difficulty"] == 1.0


@pytest.mark.parametrize(
    ("kind", "value", "met"),
    [
        ("therapeutic_readiness", 0.5, True),
        ("therapeutic_readiness", 0.6, False),
        ("completed_worlds", ("one",), True),
        ("completed_worlds", "one", True),
        ("completed_worlds", ("one", "two"), False),
        ("skill_level", "intermediate", True),
    ],
)
def test_a_prerequisite_is_met(kind: Any, value: Any, met: bool) -> None:
    where = world(prerequisites=(Prerequisite(prerequisite_type=kind, required_value=value),))
    found = compatibility(ready(0.5), where, completed={"one"})
    assert found.prerequisites_met is met
    assert {one.name: one.score for one in found.factors}["prerequisites"] == (1.0 if met else 0.0)
    assert len(found.unmet_prerequisites) == (0 if met else 1)


@pytest.mark.parametrize(
    ("level", "approaches", "label", "recommended"),
    [
        (0.5, (A.CBT,), "excellent", True),
        (0.5, (A.MINDFULNESS,), "good", True),
        (1.0, (A.MINDFULNESS,), "poor", False),
        (0.65, (A.MINDFULNESS,), "fair", False),
    ],
)
def test_a_score_has_a_label(
    level: float, approaches: tuple[A, ...], label: str, recommended: bool
) -> None:
    where = world(therapeutic_approaches=(A.CBT,), difficulty_level=DifficultyLevel.INTERMEDIATE)
    found = compatibility(ready(level, *approaches), where)
    assert (found.label, found.recommended) == (label, recommended)


@laws
@given(instances(Character), instances(World), st.lists(st.text(max_size=5), max_size=3))
def test_whatever_they_are_every_score_lies_between_nothing_and_all(
    who: Character, where: World, triggers: list[str]
) -> None:
    found = compatibility(who, where, triggers=[one for one in triggers if one.strip()])
    assert all(0 <= one.score <= 1 for one in found.factors)
    assert 0 <= found.overall_score <= 1
    assert found.recommended is (found.overall_score >= 0.6)
    assert sum(one.weight for one in found.factors) == pytest.approx(1.0)


# --- made to measure ----------------------------------------


def test_a_world_is_made_to_measure_for_one_character() -> None:
    ana = Folk.made()
    ana.does(PutCharacter(character=character("al", "Al")))
    ana.does(PutCharacter(character=character("bo", "Bo")))
    slow = WorldParameters(narrative_pace="slow")
    command = CustomizeWorld(character="al", world=GARDEN, parameters=slow)
    assert ana.does(command)
    assert ana.does(command) == ()
    assert ana.player.parameters("al", GARDEN) == slow
    assert ana.player.parameters("bo", GARDEN) is None
    other = command.model_copy(update={"character": "zz"})
    assert ana.refuses(other).reason == "unknown-character"
    assert Folk().refuses(command).reason == "unknown-player"


def test_the_newest_fifty_of_them_are_kept() -> None:
    ana = Folk.made()
    ana.does(PutCharacter(character=character("al", "Al")))
    for n in range(53):
        ana.does(CustomizeWorld(character="al", world=f"w{n}", parameters=WorldParameters()))
    assert [one.world for one in ana.player.worlds] == [f"w{n}" for n in range(3, 53)]


def test_compatibility_is_told_with_what_is_delicate_to_the_player() -> None:
    ana = Folk.made()
    ana.does(PutCharacter(character=character("al", "Al")))
    told = ana.view("compatibility", character="al", world="world_anxiety_sanctuary")
    assert (told["label"], told["customized"]) == ("excellent", False)
    ana.does(ChangePlayerSettings(settings=PlayerSettings(trigger_warnings=("storms",))))
    again = ana.view("compatibility", character="al", world="world_anxiety_sanctuary")
    assert again["overall_score"] < told["overall_score"]
    assert again["warnings"]
    parameters = WorldParameters(challenge_level=DifficultyLevel.EXPERT)
    ana.does(CustomizeWorld(character="al", world="world_anxiety_sanctuary", parameters=parameters))
    custom = ana.view("compatibility", character="al", world="world_anxiety_sanctuary")
    assert custom["customized"]
    assert custom["parameters"]["challenge_level"] == "expert"
    assert custom["overall_score"] < again["overall_score"]


def test_compatibility_needs_a_character_and_a_world_there_are() -> None:
    ana = Folk.made()
    ana.does(PutCharacter(character=character("al", "Al")))
    assert ana.hides("compatibility", character="bo", world=GARDEN) == "unknown-character"
    assert ana.hides("compatibility", character="al", world="nowhere") == "unknown-world"
    assert ana.hides("compatibility", character="al") == "unknown-world"
    ana.does(RemoveCharacter(character="al"))
    assert ana.view("compatibility", character="al", world="barcelona-cafe")["label"]
