"""Coordinates of the learner and what is usual for its turns."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holodeck.actors.learner.loop import measured
from holodeck.actors.learner.matrix import (
    FLOOR,
    agency,
    baseline,
    coordinates,
    fit,
    granularity,
    moved,
)
from holodeck.actors.learner.story import Known, Story
from holodeck.messages.conversation import Coordinates, RetentionStyle, SessionMetrics
from holodeck.messages.talk import Baseline

GOOD = Story(
    "s",
    turns=5,
    analysed=5,
    l2_words=100,
    unique_words=60,
    frictions=10,
    tiers={2: 5},
    npcs={"marta": 2},
    outcomes={"marta": "completed-successfully"},
)


def after(
    story: Story, known: Known, style: RetentionStyle = RetentionStyle.ORGANIC
) -> Coordinates:
    return coordinates(story, known, measured(story), style)


def test_the_first_session_goes_half_the_way_and_later_ones_a_fifth() -> None:
    assert moved(0.0, 0.8, 1) == 0.4
    assert moved(0.4, 0.8, 2) == 0.533333
    assert moved(0.5, 1.0, 50) == 0.6
    assert moved(0.5, None, 50) == 0.5


def test_the_first_four_sessions_are_a_plain_mean_with_the_beginning() -> None:
    where = 0.0
    for number, worth in enumerate((1.0, 0.5, 0.0, 1.0), 1):
        where = moved(where, worth, number)

    assert where == pytest.approx((0.0 + 1.0 + 0.5 + 0.0 + 1.0) / 5, abs=1e-5)


def test_x_is_accuracy_and_complexity_where_nothing_else_was_measured() -> None:
    assert granularity(GOOD) == pytest.approx((0.5 * 0.9 + 0.2 * 0.6) / 0.7)


def test_x_takes_register_and_comprehensibility_in_where_they_were_measured() -> None:
    told = Story(
        "s", turns=5, analysed=5, l2_words=100, unique_words=60, frictions=10,
        judged=4, fitting=3, scores=1.6, scored=2,
    )  # fmt: skip

    assert granularity(told) == pytest.approx(0.5 * 0.9 + 0.2 * 0.6 + 0.2 * 0.75 + 0.1 * 0.8)


def test_y_is_how_far_the_turns_reached_times_what_was_completed() -> None:
    mixed = Story("s", turns=4, tiers={1: 1, 2: 2, 3: 1})

    assert agency(mixed, 0.5) == pytest.approx(0.5 * 0.5)
    assert agency(mixed, None) == 0.0
    assert agency(Story("s", turns=4, tiers={1: 4}), 1.0) == 0.0
    assert agency(Story("s"), 1.0) is None


def test_z_is_cadence_lessons_and_calm() -> None:
    known = Known(number=4, weekly_sessions=1.25, lesson_completion=0.5)

    assert fit(GOOD, known, RetentionStyle.ORGANIC) == pytest.approx(0.25 + 0.15 + 0.2)
    assert fit(GOOD, known, RetentionStyle.MASTERY) == pytest.approx(0.5 * 1.25 / 1.5 + 0.15 + 0.2)


def test_lessons_do_not_count_before_there_can_have_been_one() -> None:
    first = Known(number=1, weekly_sessions=2.5)

    assert fit(GOOD, first, RetentionStyle.ORGANIC) == 1.0


def test_a_session_without_a_turn_moves_nothing() -> None:
    known = Known(coordinates=Coordinates(x=0.3, y=0.2, z=0.1))

    assert after(Story("s"), known) == known.coordinates
    assert baseline(Story("s"), known) == known.baseline


def test_the_same_good_sessions_draw_all_coordinates_to_what_they_are_worth() -> None:
    where = Coordinates()
    for number in range(1, 60):
        known = Known(number=number, coordinates=where, weekly_sessions=3.0, lesson_completion=1.0)
        where = after(GOOD, known)

    assert where.x == pytest.approx((0.5 * 0.9 + 0.2 * 0.6) / 0.7, abs=1e-3)
    assert where.y == pytest.approx(0.5, abs=1e-3)
    assert where.z == pytest.approx(1.0, abs=1e-3)


def test_population_norms_outweigh_the_first_three_sessions() -> None:
    slow = Story("s", turns=4, analysed=4, l2_words=40, latency_ms=20_000, latencies=4)

    third = baseline(slow, Known(number=3))
    fourth = baseline(slow, Known(number=4))

    assert third.latency_ms == 2000 + 0.1 * 3000
    assert fourth.latency_ms == 2000 + 0.3 * 3000


def test_a_baseline_keeps_what_was_not_measured_and_a_floor() -> None:
    quiet = Story("s", turns=4, analysed=4, l2_words=40)
    where = Baseline()
    for number in range(1, 40):
        where = baseline(quiet, Known(number=number, baseline=where))

    assert where.latency_ms == 2000
    assert where.hedging == pytest.approx(FLOOR * 0.05)
    assert where.l1 == pytest.approx(FLOOR * 0.10)


@given(
    st.builds(
        Story,
        session=st.just("s"),
        turns=st.integers(0, 9),
        analysed=st.integers(0, 9),
        l1_words=st.integers(0, 99),
        l2_words=st.integers(0, 99),
        unique_words=st.integers(0, 99),
        frictions=st.integers(0, 99),
        judged=st.just(9),
        fitting=st.integers(0, 9),
        hedges=st.integers(0, 999),
        repairs=st.integers(0, 999),
        avoided=st.integers(0, 9),
        latency_ms=st.integers(0, 2**53),
        latencies=st.integers(0, 9),
        pause_ms=st.integers(0, 2**53),
        pauses=st.integers(0, 9),
        tiers=st.dictionaries(st.integers(1, 3), st.integers(0, 9)),
        bad_affect=st.booleans(),
    ),
    st.builds(
        Known,
        number=st.integers(1, 99),
        weekly_sessions=st.floats(0, 99),
        lesson_completion=st.floats(0, 1),
    ),
    st.sampled_from(RetentionStyle),
    st.none() | st.floats(0, 1),
)
def test_whatever_a_session_was_all_of_it_stays_in_range(
    story: Story, known: Known, style: RetentionStyle, completion: float | None
) -> None:
    where = coordinates(story, known, SessionMetrics(task_completion_rate=completion), style)
    usual = baseline(story, known)

    assert Coordinates.model_validate(where.model_dump()) == where
    assert Baseline.model_validate(usual.model_dump()) == usual
