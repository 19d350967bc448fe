"""Which format a lesson takes, and when it counts as done."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holodeck.actors.learner.exercises import exercises_of, explained, shown, titled, wording
from holodeck.actors.learner.lessons import (
    MANNERS,
    ROUTES,
    Manner,
    chosen,
    completed,
    delivery,
    engaged,
    mastered,
    minutes,
    route,
)
from holodeck.messages.conversation import (
    CurriculumFormat,
    ExerciseType,
    FrictionType,
    InstructionalPreferences,
    RetentionStyle,
    UnitEngagement,
)

NEW = InstructionalPreferences()
Format = CurriculumFormat
Style = RetentionStyle
texts = st.text(max_size=200)
kinds = st.sampled_from(FrictionType)
preferences_ = st.builds(
    InstructionalPreferences,
    preferred_format=st.sampled_from(CurriculumFormat),
    explanation_depth=st.sampled_from(("detailed", "standard", "concise")),
    engages_audio=st.booleans(),
    engages_video=st.booleans(),
    average_completion_rate=st.floats(0, 1),
)


def test_every_style_and_format_has_its_row() -> None:
    assert set(ROUTES) == set(RetentionStyle)
    assert set(MANNERS) == set(CurriculumFormat)
    assert MANNERS[Format.DEBRIEF] == Manner(1, 15, contrast=True, audio=True, interaction=True)


def test_an_unknown_style_gets_slides() -> None:
    assert route("something-else").preferred is Format.SLIDESHOW


@pytest.mark.parametrize(
    ("style", "preferences", "format_"),
    [
        (Style.GAMIFIED, NEW, Format.CARDS),
        (Style.URGENCY, NEW, Format.SLIDESHOW),
        (Style.MASTERY, NEW, Format.VIDEO),
        (
            Style.MASTERY,
            InstructionalPreferences(completes_exercises=True),
            Format.SLIDESHOW,
        ),
        (
            Style.MASTERY,
            InstructionalPreferences(engages_video=True),
            Format.VIDEO,
        ),
        (
            Style.ORGANIC,
            InstructionalPreferences(preferred_format=Format.PODCAST),
            Format.PODCAST,
        ),
        (
            Style.ORGANIC,
            InstructionalPreferences(preferred_format=Format.VIDEO, engages_video=True),
            Format.DEBRIEF,
        ),
        (
            Style.ORGANIC,
            InstructionalPreferences(average_completion_rate=0.3, engages_audio=True),
            Format.PODCAST,
        ),
        (
            Style.ORGANIC,
            InstructionalPreferences(average_completion_rate=0.3),
            Format.DEBRIEF,
        ),
        (
            Style.ACCOUNTABILITY,
            InstructionalPreferences(average_completion_rate=0.9, engages_video=True),
            Format.DEBRIEF,
        ),
    ],
)
def test_a_format_is_one_of_the_styles_two(
    style: RetentionStyle, preferences: InstructionalPreferences, format_: CurriculumFormat
) -> None:
    assert chosen(style, preferences) is format_


@given(
    st.sampled_from(RetentionStyle),
    preferences_,
    st.integers(0, 5),
    st.integers(0, 40),
)
def test_a_lesson_keeps_within_the_bounds_of_its_format(
    style: RetentionStyle, preferences: InstructionalPreferences, units: int, exercises: int
) -> None:
    given_ = delivery(style, preferences, units, exercises)

    assert {given_.format, given_.fallback} == {route(style).preferred, route(style).fallback}
    if units:
        assert given_.manner.least <= given_.items <= given_.manner.most
    else:
        assert given_.items == 0


def test_a_lesson_is_worked_through_and_learned_from_its_marks_on() -> None:
    units = [UnitEngagement(unit_id=str(n), completed=n < 3) for n in range(5)]

    assert completed(units, 5) == 0.6
    assert engaged(0.6)
    assert not engaged(0.599)
    assert mastered(0.8)
    assert not mastered(0.79)
    assert completed([], 0) == 0.0
    assert minutes(5) == 15


# --- exercises ----------------------------------------


@pytest.mark.parametrize(
    ("form", "is_one"),
    [
        ("al lado de", True),
        ("biblioteca", True),
        ("図書館", True),
        ("polite-request", False),
        ("ser-vs-estar", False),
        ("morphosyntax.word-order", False),
        ("", False),
        ("the subjunctive after whatever says that something is not sure at all", False),
    ],
)
def test_names_of_rules_are_told_from_wordings(form: str, is_one: bool) -> None:
    assert wording(form) is is_one


def test_a_wording_is_recalled_then_told_apart_then_used() -> None:
    made = exercises_of(FrictionType.LEXICAL, "al lado de", "en lado")

    assert [one.type for one in made] == [
        ExerciseType.FILL_BLANK,
        ExerciseType.CHOICE,
        ExerciseType.PRODUCTION,
    ]
    assert made[0].accepted_answers == made[1].accepted_answers == ("al lado de",)
    assert made[1].prompt == 'Which one: "al lado de" or "en lado"?'


def test_a_sound_is_pronounced_and_a_tone_is_chosen() -> None:
    sound = exercises_of(FrictionType.PHONEMIC, "perro", "pero")
    tone = exercises_of(FrictionType.REGISTER, "polite-request", "dame", tier=3)

    assert sound[0].type is ExerciseType.PRONUNCIATION
    assert ExerciseType.REGISTER in [one.type for one in tone]


def test_a_prompt_does_not_give_away_a_word_nobody_said_wrongly() -> None:
    (first, *_) = exercises_of(FrictionType.LEXICAL, "biblioteca", "")

    assert "biblioteca" not in first.prompt
    assert first.prompt.startswith("b_________")


@given(kinds, texts, texts, st.integers(1, 3))
def test_exercises_are_few_and_a_name_is_never_the_answer(
    kind: FrictionType, form: str, said: str, tier: int
) -> None:
    made = exercises_of(kind, form, said, tier=tier)

    assert 1 <= len(made) <= 3
    assert made[-1].accepted_answers == ()
    if not wording(form):
        assert all(form not in one.accepted_answers for one in made)
    assert len(titled(kind, form, said)) <= 150


@given(kinds, texts, texts)
def test_more_depth_is_more_text(kind: FrictionType, form: str, said: str) -> None:
    concise = explained(kind, form, said, depth="concise", count=2)
    standard = explained(kind, form, said, count=2)
    detailed = explained(kind, form, said, depth="detailed", count=2)

    assert 0 < len(concise) <= len(standard) < len(detailed) <= 500


@given(texts)
def test_what_is_shown_is_short_in_any_script(text: str) -> None:
    assert len(shown(text)) <= 60
    assert len(shown(text).encode()) <= 99
