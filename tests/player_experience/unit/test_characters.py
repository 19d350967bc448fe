"""Whom a player plays: names, limits, what a background brings along, goals."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from holodeck.actors.learner.player.characters import enriched, readiness
from holodeck.actors.learner.player.state import CHARACTERS_BYTES, REMOVED
from holodeck.messages.player import (
    Appearance,
    Background,
    Character,
    CharacterPut,
    CharacterRemoved,
    Goal,
    GoalProgressed,
    ProgressGoal,
    PutCharacter,
    RemoveCharacter,
    TherapeuticProfile,
    same_name,
)
from holodeck.messages.session import (
    EndReason,
    Outcome,
    SessionEnded,
    SessionKind,
    SessionPaused,
    SessionStarted,
)
from tests.messages.strategies import instances
from tests.player_experience.unit.folk import Folk, character

laws = settings(max_examples=25, deadline=None)
NAMES = ["Al", "Bo", "Cy", "Di", "Ed", "Flo"]


def started(who: str | None, world: str | None = None) -> SessionStarted:
    return SessionStarted(
        session_kind=SessionKind.CONVERSATION, learner="ana", character=who, world=world
    )


ENDED = SessionEnded(reason=EndReason.LEARNER_ENDED, outcome=Outcome.SUCCESS, active_ms=1)


# --- shapes ----------------------------------------


@pytest.mark.parametrize(
    ("name", "sound"),
    [
        ("A", False),
        ("Al", True),
        ("A" * 50, True),
        ("A" * 51, False),
        ("O'Neil-Ann B", True),
        ("Al1", False),
        ("É", False),
        ("  ", False),
        ("", False),
    ],
)
def test_a_name_has_two_to_fifty_letters_spaces_hyphens_and_apostrophes(
    name: str, sound: bool
) -> None:
    if sound:
        assert character(name=name).name == name
    else:
        with pytest.raises(ValidationError):
            character(name=name)


def test_a_character_has_one_name() -> None:
    assert same_name(" Mira O'Neil! ") == same_name("mira o'neil")
    Character(character_id="c", name="Mira", background=Background(name="mira"))
    with pytest.raises(ValidationError, match="differ"):
        Character(character_id="c", name="Alice", background=Background(name="Bob"))


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (Appearance, {"age_range": "invalid"}),
        (Appearance, {"distinctive_features": ("x",) * 11}),
        (Background, {"name": "Al", "personality_traits": ("x",) * 21}),
        (Background, {"name": "Al", "core_values": (" ",)}),
        (Background, {"name": "Al", "backstory": "x" * 2001}),
        (Goal, {"goal_id": "g", "description": "d", "progress_percentage": 150.0}),
        (Goal, {"goal_id": "g", "description": ""}),
        (TherapeuticProfile, {"readiness_level": 1.5}),
        (TherapeuticProfile, {"readiness_level": -0.1}),
    ],
)
def test_what_is_out_of_range_is_refused(model: Any, told: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        model(**told)


def test_a_goal_stands_in_a_profile_once() -> None:
    goal = Goal(goal_id="g", description="d")
    with pytest.raises(ValidationError, match="twice"):
        TherapeuticProfile(therapeutic_goals=(goal, goal))


# --- making and removing ----------------------------------------


def test_a_sixth_active_character_is_refused_and_five_are_kept() -> None:
    ana = Folk.made()
    for name in NAMES[:5]:
        ana.does(PutCharacter(character=character(name.lower(), name)))
    refused = ana.refuses(PutCharacter(character=character("flo", "Flo")))
    assert refused.reason == "too-many-characters"
    assert list(ana.player.characters) == ["al", "bo", "cy", "di", "ed"]
    ana.does(RemoveCharacter(character="al"))
    ana.does(PutCharacter(character=character("flo", "Flo")))
    assert len(ana.player.active) == 5
    back = ana.player.characters["al"].character.model_copy(update={"is_active": True})
    assert ana.refuses(PutCharacter(character=back, create=False)).reason == "too-many-characters"


def test_a_character_is_made_once() -> None:
    ana = Folk.made()
    ana.does(PutCharacter(character=character("al", "Al")))
    assert ana.refuses(PutCharacter(character=character("al", "Al"))).reason == "character-exists"
    ana.does(RemoveCharacter(character="al"))
    assert ana.refuses(PutCharacter(character=character("al", "Al"))).reason == "character-exists"


def test_a_character_is_changed_as_its_player_says_and_not_further() -> None:
    ana = Folk.made()
    ana.does(PutCharacter(character=character("al", "Al")))
    anew = character("al", "Alba", personality_traits=("anxious",))
    (event,) = ana.does(PutCharacter(character=anew, create=False))
    assert event == CharacterPut(character=anew)
    assert ana.does(PutCharacter(character=anew, create=False)) == ()
    assert (
        ana.refuses(PutCharacter(character=character("bo", "Bo"), create=False)).reason
        == "unknown-character"
    )


def test_a_removed_character_is_kept_and_can_be_played_again() -> None:
    ana = Folk.made()
    ana.does(PutCharacter(character=character("al", "Al")))
    assert ana.does(RemoveCharacter(character="al")) == (CharacterRemoved(character="al"),)
    assert ana.does(RemoveCharacter(character="al")) == ()
    assert ana.refuses(RemoveCharacter(character="zz")).reason == "unknown-character"
    kept = ana.player.characters["al"]
    assert (kept.active, kept.removed_at) == (False, ana.at - 1000)
    anew = kept.character.model_copy(update={"is_active": True})
    ana.does(PutCharacter(character=anew, create=False))
    assert ana.player.characters["al"].active
    assert ana.player.characters["al"].created_at == kept.created_at


def test_of_characters_played_no_more_the_newest_five_are_kept() -> None:
    ana = Folk.made()
    for n in range(REMOVED + 3):
        ana.does(PutCharacter(character=character(f"c{n}", "Al")))
        ana.does(RemoveCharacter(character=f"c{n}"))
    assert list(ana.player.characters) == [f"c{n}" for n in range(3, REMOVED + 3)]


def test_active_characters_may_only_be_so_large_together() -> None:
    ana = Folk.made()
    huge = tuple(str(n).ljust(200, "x") for n in range(15))
    large = TherapeuticProfile(
        therapeutic_goals=tuple(
            Goal(goal_id=f"g{n}", description="d" * 500, milestones=(*huge, *huge)[:20])
            for n in range(10)
        )
    )
    for made, name in enumerate(NAMES[:5]):
        one = character(name.lower(), name, profile=large, backstory="é" * 2000)
        if (made + 1) * len(one.model_dump_json().encode()) > CHARACTERS_BYTES:
            assert ana.refuses(PutCharacter(character=one)).reason == "too-large"
            return
        ana.does(PutCharacter(character=one))
    pytest.fail("all of them fitted")


# --- sessions of characters ----------------------------------------


def test_an_open_session_belongs_to_a_character_of_the_players_own() -> None:
    ana = Folk.made()
    ana.hears("s0", started("zz"))
    ana.hears("s1", started(None))
    assert ana.player.open == {}


def test_a_character_has_one_open_session_its_newest() -> None:
    ana = Folk.made()
    ana.does(PutCharacter(character=character("al", "Al")))
    ana.hears("s1", started("al"))
    ana.hears("s1", SessionPaused())
    assert ana.player.open == {"al": "s1"}
    ana.hears("s2", started("al"))
    assert ana.player.open == {"al": "s2"}
    ana.hears("s1", ENDED)
    assert ana.player.open == {"al": "s2"}
    ana.hears("s2", ENDED)
    assert ana.player.open == {}


def test_removing_a_character_lets_go_of_its_session() -> None:
    ana = Folk.made()
    ana.does(PutCharacter(character=character("al", "Al")))
    ana.hears("s2", started("al"))
    ana.does(RemoveCharacter(character="al"))
    assert ana.player.open == {}


# --- what a background brings along ----------------------------------------


@pytest.mark.parametrize(
    ("traits", "ready"),
    [
        ((), 0.5),
        (("Empathetic", "anxious", "stubborn"), 0.49),
        (("empathetic", "patient", "open-minded", "resilient", "supportive"), 0.7),
        (("Patient",) * 6, 0.7),
        (("anxious",) * 8, 0.3),
        (("tall",), 0.5),
    ],
)
def test_traits_move_readiness(traits: tuple[str, ...], ready: float) -> None:
    assert readiness(0.5, traits) == pytest.approx(ready)


def test_readiness_stays_between_nothing_and_all() -> None:
    assert readiness(0.95, ("patient", "resilient", "supportive")) == 1.0
    assert readiness(0.02, ("anxious", "stubborn")) == 0.0


def test_a_new_character_gets_what_its_background_says() -> None:
    ana = Folk.made()
    made = character(
        "al",
        "Al",
        personality_traits=("Perfectionist", "patient"),
        fears_and_anxieties=("Deadlines at work", "being judged"),
        core_values=("Family", "creativity"),
        strengths_and_skills=("a sense of humour",),
    )
    ana.does(PutCharacter(character=made))
    own = ana.player.characters["al"].character.therapeutic_profile
    assert {"perfectionism", "work stress", "fear of rejection"} <= set(own.primary_concerns)
    assert {"self-acceptance", "social confidence"} <= set(own.challenge_areas)
    assert {"family", "creative expression"} <= set(own.comfort_zones)
    assert {"taking time", "humour"} <= set(own.coping_strategies)
    assert {goal.goal_id for goal in own.therapeutic_goals} == {"balance-work", "accept-myself"}
    assert all(goal.therapeutic_approaches and goal.milestones for goal in own.therapeutic_goals)
    assert own.readiness_level == pytest.approx(0.52)


def test_a_concern_of_anxiety_brings_a_goal_unless_there_is_one_of_that_id() -> None:
    mine = Goal(goal_id="ease-anxiety", description="My own")
    profile = TherapeuticProfile(primary_concerns=("Anxiety",), therapeutic_goals=(mine,))
    assert enriched(character(profile=profile)).therapeutic_profile.therapeutic_goals == (mine,)
    bare = TherapeuticProfile(primary_concerns=("Anxiety",))
    (goal,) = enriched(character(profile=bare)).therapeutic_profile.therapeutic_goals
    assert goal.goal_id == "ease-anxiety"


@laws
@given(instances(Character))
def test_what_is_worked_in_is_sound_and_takes_nothing_away(made: Character) -> None:
    full = enriched(made)
    assert Character.model_validate(full.model_dump()) == full
    before, after = made.therapeutic_profile, full.therapeutic_profile
    for name in ("primary_concerns", "comfort_zones", "challenge_areas", "coping_strategies"):
        had = {entry.casefold() for entry in getattr(before, name)}
        assert had <= {entry.casefold() for entry in getattr(after, name)}
    assert after.therapeutic_goals[: len(before.therapeutic_goals)] == before.therapeutic_goals
    assert abs(after.readiness_level - before.readiness_level) <= 0.2 + 1e-6


# --- goals ----------------------------------------


@pytest.mark.parametrize(("told", "kept"), [(140.0, 100.0), (-3.0, 0.0), (55.5, 55.5)])
def test_how_far_a_goal_is_stays_within_a_hundred(told: float, kept: float) -> None:
    ana = Folk.made()
    goal = Goal(goal_id="g", description="d", progress_percentage=10.0)
    profile = TherapeuticProfile(therapeutic_goals=(goal,))
    ana.does(PutCharacter(character=character("al", "Al", profile=profile)))
    command = ProgressGoal(character="al", goal="g", percentage=told)
    assert ana.does(command) == (GoalProgressed(character="al", goal="g", percentage=kept),)
    own = ana.player.characters["al"].character.therapeutic_profile
    assert own.therapeutic_goals[0].progress_percentage == kept
    assert ana.does(command) == ()


def test_progress_is_made_on_a_goal_there_is() -> None:
    ana = Folk.made()
    ana.does(PutCharacter(character=character("al", "Al")))
    unknown = ProgressGoal(character="al", goal="g", percentage=1)
    assert ana.refuses(unknown).reason == "unknown-goal"
    nobody = ProgressGoal(character="bo", goal="g", percentage=1)
    assert ana.refuses(nobody).reason == "unknown-character"
    with pytest.raises(ValidationError):
        ProgressGoal(character="al", goal="g", percentage=float("nan"))


@given(st.lists(st.sampled_from(NAMES), max_size=20), st.data())
@laws
def test_never_more_than_five_are_active(names: list[str], data: st.DataObject) -> None:
    ana = Folk.made()
    for name in names:
        identity = name.lower()
        if identity in ana.player.characters and data.draw(st.booleans()):
            ana.does(RemoveCharacter(character=identity))
        elif identity not in ana.player.characters and len(ana.player.active) < 5:
            ana.does(PutCharacter(character=character(identity, name)))
        elif identity not in ana.player.characters:
            assert (
                ana.refuses(PutCharacter(character=character(identity, name))).reason
                == "too-many-characters"
            )
        assert len(ana.player.active) <= 5
