"""Which tier is recommended after a session."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holodeck.actors.learner.story import Story
from holodeck.actors.learner.tiers import Scores, advances, main_tier, recommended, scores
from holodeck.messages.conversation import Tier


def session(tier: int, *, frictions: int = 0, turns: int = 5, words: int = 100) -> Story:
    return Story(
        "s",
        turns=turns,
        analysed=turns,
        l2_words=words,
        unique_words=words * 6 // 10,
        frictions=frictions,
        tiers={tier: turns},
    )


def test_scores_come_from_words_turns_and_frictions() -> None:
    made = scores(session(1, frictions=10, words=60))

    assert made == Scores(accuracy=0.833333, fluency=0.6, complexity=0.6)


def test_words_of_the_native_language_are_no_fluency() -> None:
    made = scores(Story("s", turns=3, analysed=3, l1_words=60))

    assert made == Scores(0.0, 0.0, 0.0)


def test_nothing_is_known_of_a_session_nobody_looked_at() -> None:
    assert scores(Story("s", turns=9)) is None
    assert recommended(Story("s", turns=9, tiers={1: 9}), 1) == 1


@pytest.mark.parametrize(
    ("tier", "composite", "does"),
    [
        (1, 0.70, True),
        (1, 0.699999, False),
        (2, 0.70, False),
        (2, 0.75, True),
        (3, 1.0, False),
    ],
)
def test_the_next_tier_is_earned_from_its_mark_on(tier: int, composite: float, does: bool) -> None:
    assert advances(tier, composite) is does


def test_a_good_session_recommends_the_tier_above_its_own() -> None:
    assert recommended(session(1), 1) == 2
    assert recommended(session(2), 1) == 3
    assert recommended(session(3), 2) == 2
    assert recommended(session(1), 3) == 3


def test_a_bad_session_and_a_very_short_one_change_nothing() -> None:
    assert recommended(session(1, frictions=100), 2) == 2
    assert recommended(session(1, turns=2, words=40), 1) == 1


def test_the_main_tier_is_that_of_most_turns_and_the_lower_of_two_equals() -> None:
    assert main_tier(Story("s")) == 1
    assert main_tier(Story("s", tiers={1: 2, 3: 5})) == 3
    assert main_tier(Story("s", tiers={2: 4, 3: 4})) == 2


@given(
    st.sampled_from((1, 2, 3)),
    st.integers(0, 400),
    st.integers(0, 400),
    st.integers(0, 400),
    st.integers(0, 40),
    st.dictionaries(st.integers(1, 3), st.integers(0, 40)),
)
def test_a_recommendation_never_goes_down(
    before: Tier, words: int, unique: int, frictions: int, turns: int, by: dict[int, int]
) -> None:
    story = Story(
        "s",
        turns=turns,
        analysed=turns,
        l2_words=words,
        unique_words=unique,
        frictions=frictions,
        tiers=by,
    )
    made = scores(story)

    assert before <= recommended(story, before) <= 3
    if made is not None:
        assert 0 <= made.composite <= 1
