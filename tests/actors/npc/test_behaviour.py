"""How an NPC feels and acts."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holodeck.actors.npc.behaviour import (
    VALENCE,
    MoodTrigger,
    behaviour,
    decayed,
    mood_after,
    trigger_of,
)
from holodeck.messages.conversation import FrictionType, Mood
from holodeck.messages.errors import ContractError
from holodeck.messages.talk import Culture, Traits

laws = settings(max_examples=100, deadline=None)
shares = st.floats(0, 1)
traits = st.builds(Traits, **dict.fromkeys(Traits.model_fields, shares))
cultures = st.builds(Culture, **dict.fromkeys(Culture.model_fields, shares))
moods = st.sampled_from(Mood)
CALM = Traits(openness=0.8, agreeableness=0.9, neuroticism=0.2)
HARSH = Traits(openness=0.2, agreeableness=0.1, neuroticism=0.6)


@pytest.mark.parametrize(
    ("types", "aligned", "trigger"),
    [
        ((), None, "successful-communication"),
        ((), True, "successful-communication"),
        ((), False, "register-violation"),
        (("phonemic",), None, "successful-communication"),
        (("morphosyntactic",), True, "successful-communication"),
        (("lexical",), None, "communication-failure"),
        (("pragmatic",), False, "communication-failure"),
        (("phonemic",), False, "register-violation"),
        (("lexical", "register"), True, "register-violation"),
        (("register", "lexical", "cultural"), False, "cultural-violation"),
    ],
)
def test_the_worst_thing_in_a_turn_is_what_it_is_to_the_npc(
    types: tuple[str, ...], aligned: bool | None, trigger: str
) -> None:
    assert trigger_of([FrictionType(one) for one in types], aligned) == trigger


@pytest.mark.parametrize(
    ("event", "of_the_calm", "of_the_harsh"),
    [
        ("successful-communication", "pleased", "neutral"),
        ("register-violation", "cold", "irritated"),
        ("communication-failure", "neutral", "impatient"),
        ("cultural-violation", "cold", "cold"),
        ("hesitation", "neutral", "impatient"),
        ("repair-attempt", "warm", "neutral"),
        ("ambient-event-negative", "busy", "anxious"),
        ("ambient-event-positive", "amused", "amused"),
    ],
)
def test_the_same_thing_puts_two_npcs_into_two_moods(
    event: str, of_the_calm: str, of_the_harsh: str
) -> None:
    assert (mood_after(event, CALM), mood_after(event, HARSH)) == (of_the_calm, of_the_harsh)


def test_only_who_feels_nothing_at_all_is_merely_irritated_by_a_breach_of_culture() -> None:
    assert mood_after("cultural-violation", Traits(neuroticism=0.0)) is Mood.IRRITATED
    assert mood_after("cultural-violation", Traits(neuroticism=0.001)) is Mood.COLD


def test_what_moves_no_mood_is_no_event() -> None:
    with pytest.raises(ContractError, match="'thunder' moves a mood"):
        mood_after("thunder", CALM)


@laws
@given(st.sampled_from(get_args(MoodTrigger)), traits)
def test_everything_that_moves_a_mood_moves_it_to_one_with_a_valence(
    event: str, of: Traits
) -> None:
    assert mood_after(event, of) in VALENCE


def test_every_mood_has_its_valence() -> None:
    assert set(VALENCE) == set(Mood)


@pytest.mark.parametrize("ticks", [-1, 0, 9])
def test_a_mood_stays_whole_for_ten_ticks(ticks: int) -> None:
    assert decayed(Mood.IRRITATED, ticks) is Mood.IRRITATED


@pytest.mark.parametrize("ticks", [10, 11, 10**9])
def test_and_then_it_is_gone(ticks: int) -> None:
    assert decayed(Mood.IRRITATED, ticks) is Mood.NEUTRAL


def test_an_average_npc_acts_as_its_formulas_say() -> None:
    acts = behaviour(Traits(), Mood.COLD, -0.5, Culture(), 0.0)
    assert acts == {
        "response_length": 0.7,
        "patience": 0.6,
        "helpfulness": 0.3,
        "register_strictness": 0.95,
        "topic_initiative": 0.75,
        "expressiveness": 0.8,
        "silence_tolerance_seconds": 10.0,
        "escalation_tendency": 0.5,
    }


def test_half_a_second_of_silence_is_rounded_up() -> None:
    """patience .625 makes 10.5 s."""
    quiet = Traits(agreeableness=0.3125)
    acts = behaviour(quiet, Mood.NEUTRAL, -0.5, Culture(), 0.0)
    assert (acts["patience"], acts["silence_tolerance_seconds"]) == (0.625, 11.0)


@laws
@given(traits, moods, st.floats(-0.5, 1), cultures, shares)
def test_every_output_is_in_its_range(
    of: Traits, mood: Mood, reputation: float, culture: Culture, patience: float
) -> None:
    acts = behaviour(of, mood, reputation, culture, patience)
    assert 3 <= acts.pop("silence_tolerance_seconds") <= 15
    assert len(acts) == 7
    assert all(0 <= value <= 1 for value in acts.values())


@laws
@given(traits, moods, st.floats(-0.5, 1), st.floats(-0.5, 1), cultures, shares)
def test_whoever_stands_better_is_helped_more(
    of: Traits, mood: Mood, one: float, other: float, culture: Culture, patience: float
) -> None:
    worse, better = sorted((one, other))
    less = behaviour(of, mood, worse, culture, patience)["helpfulness"]
    assert less <= behaviour(of, mood, better, culture, patience)["helpfulness"]
