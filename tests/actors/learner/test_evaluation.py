"""How a learner does: each ratio with its guard, trends that judge, remarks at their thresholds."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holodeck.actors.learner.evaluation import (
    PARTIAL,
    TARGETS,
    Buckets,
    Competence,
    Grade,
    Remark,
    Scores,
    buckets,
    code_switch_reduction,
    competences,
    composite,
    course,
    injection_hits,
    longitudinal,
    negotiation_success,
    rate_of_change,
    reached,
    recurrence,
    remarks,
    scores,
    session_trend,
    slope,
    social_trajectory,
    trend,
)
from holodeck.messages.conversation import InjectionStatus, SessionMetrics, SpecStatus
from holodeck.messages.errors import ContractError
from holodeck.messages.persona import Weights

DONE, FRICTION, ENDED = "completed-successfully", "friction-event", "npc-ended"


# --- ratios ----------------------------------------


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (code_switch_reduction(0.4, 0.4), 0.0),
        (code_switch_reduction(0.6, 0.4), 0.0),
        (code_switch_reduction(0.2, 0.8), 0.75),
        (code_switch_reduction(0.0, 0.8), 1.0),
        (code_switch_reduction(0.1, 0.0), None),
        (code_switch_reduction(0.0, 0.0), None),
        (code_switch_reduction(None, 0.5), None),
        (code_switch_reduction(0.5, None), None),
        (recurrence(["a"], ["a"]), 1.0),
        (recurrence(["a", "b", "u1", "c"], ["a", "u1"]), 0.5),
        (recurrence(["a", "a"], ["b"]), 0.0),
        (recurrence([], ["a"]), None),
        (social_trajectory([-5]), -1.0),
        (social_trajectory([0.1, -0.3]), -0.1),
        (social_trajectory([0.0]), 0.0),
        (social_trajectory([]), None),
        (negotiation_success([DONE, ENDED]), 0.5),
        (negotiation_success([DONE, FRICTION, ENDED, ENDED]), 0.25),
        (negotiation_success([DONE, FRICTION, ENDED, ENDED], partial=PARTIAL), 0.375),
        (negotiation_success([ENDED]), 0.0),
        (negotiation_success([]), None),
    ],
)
def test_a_ratio_is_none_where_it_divides_by_nothing(
    found: float | None, expected: float | None
) -> None:
    assert found == expected


def test_injections_hit_once_they_were_executed_or_where_it_is_asked_once_they_were_used() -> None:
    across = [SpecStatus.INJECTED, SpecStatus.RESOLVED, SpecStatus.EXPIRED, SpecStatus.PENDING]
    within = [InjectionStatus.OPPORTUNITY, InjectionStatus.USED, InjectionStatus.DEFERRED]
    assert injection_hits(across) == 0.5
    assert injection_hits(across, used=True) == 0.25
    assert injection_hits(within) == pytest.approx(2 / 3, abs=1e-6)
    assert injection_hits(["pending"]) == 0.0
    assert injection_hits([]) is None


def test_partial_credit_outside_its_range_is_refused() -> None:
    with pytest.raises(ContractError, match="partial credit"):
        negotiation_success([DONE], partial=1.5)


# --- the composite score ----------------------------------------

RUBRIC = Weights(linguistic=0.2, pragmatic=0.3, register_accuracy=0.3, cultural=0.2).model_dump()


@pytest.mark.parametrize(
    ("each", "expected"),
    [
        (0.9, Grade(0.9, passed=True, distinction=True)),
        (0.85, Grade(0.85, passed=True, distinction=True)),
        (0.6, Grade(0.6, passed=True, distinction=False)),
        (0.59, Grade(0.59, passed=False, distinction=False)),
    ],
)
def test_a_grade_is_reached_at_its_threshold(each: float, expected: Grade) -> None:
    assert composite(dict.fromkeys(RUBRIC, each), RUBRIC) == expected


def test_dimensions_count_by_their_weight() -> None:
    given_scores = {"linguistic": 1.0, "pragmatic": 0.5, "register_accuracy": 0.0, "cultural": 0.5}
    assert composite(given_scores, RUBRIC).score == 0.45


@pytest.mark.parametrize(
    ("given_scores", "weights", "why"),
    [
        ({"a": 0.5}, {"a": 0.5, "b": 0.5}, "differ in their dimensions: b"),
        ({"a": 0.5, "b": 0.5}, {"a": 0.5, "b": 0.4}, "sum to 0.9"),
        ({"a": 1.5, "b": 0.5}, {"a": 0.5, "b": 0.5}, "a: 1.5"),
        ({"a": math.nan, "b": 0.5}, {"a": 0.5, "b": 0.5}, "a: nan"),
        ({}, {}, "sum to 0"),
    ],
)
def test_a_rubric_that_cannot_be_is_refused(given_scores: Any, weights: Any, why: str) -> None:
    with pytest.raises(ContractError, match=why):
        composite(given_scores, weights)


# --- trends ----------------------------------------


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.5, 0.52, 0.54], "stable"),
        ([0.5, 0.525, 0.55], "stable"),
        ([0.8, 0.76, 0.72], "declining"),
        ([0.5, 0.6, 0.7], "improving"),
        ([0.95, 1.0, 1.05], "stable"),
        ([0.3, 0.9, 0.3], "stable"),
        ([-0.2, -0.1, 0.0], "improving"),
        ([0.0, 0.0, 0.0], "stable"),
        ([0.7], "stable"),
        ([], "stable"),
    ],
)
def test_a_trend_leaves_five_percent_of_the_mean_before_it_is_one(
    values: list[float], expected: str
) -> None:
    assert trend(values) == expected


def test_recurrence_that_rises_is_decline() -> None:
    assert trend([0.1, 0.2, 0.4], lower_is_better=True) == "declining"
    assert trend([0.4, 0.2, 0.1], lower_is_better=True) == "improving"
    assert trend([0.2, 0.2, 0.2], lower_is_better=True) == "stable"


def test_a_sessions_own_trend_looks_back_on_three() -> None:
    earlier = [0.1, 0.2, 0.9, 0.9, 0.9]
    assert session_trend(earlier, 0.9) == "stable"
    assert session_trend(earlier, 0.3) == "declining"
    assert session_trend([], 0.3) == "stable"


@given(
    st.lists(st.floats(-1, 1), min_size=2, max_size=12).filter(lambda values: len(set(values)) > 1)
)
def test_a_slope_is_that_of_least_squares_and_turned_round_with_its_values(
    values: list[float],
) -> None:
    # given
    n = len(values)
    sums = (sum(range(n)), sum(x * x for x in range(n)), sum(values))
    product = sum(x * value for x, value in enumerate(values))

    # when
    steep = slope(values)

    # then
    assert steep == pytest.approx(
        (n * product - sums[0] * sums[2]) / (n * sums[1] - sums[0] ** 2), abs=1e-9
    )
    opposite = {"improving": "declining", "declining": "improving", "stable": "stable"}
    assert trend(values, lower_is_better=True) == opposite[trend(values)]


def test_a_rate_of_change_is_divided_by_the_number_of_values() -> None:
    assert rate_of_change([0.2, 0.9, 0.8]) == 0.2
    assert rate_of_change([0.5]) == 0.0
    assert rate_of_change([]) is None


def test_a_course_needs_three_sessions_that_know_the_figure() -> None:
    # given
    found = course([0.5, None, 0.6, None, 0.7])

    # then
    assert course([0.5, None, 0.6]) is None
    assert found is not None
    assert found.values == (0.5, 0.6, 0.7)
    assert found.direction == "improving"
    assert found.change == 0.066667


# --- buckets ----------------------------------------


@pytest.mark.parametrize(
    ("sessions", "expected"),
    [
        (
            [["A"], ["A"], ["B"], ["B"], ["B"], ["C"], ["C"], ["Z"]],
            Buckets(resolved=("A",), persistent=("B", "C"), emerging=("Z",)),
        ),
        (
            [["A"], ["A", "B"], ["A"], ["A", "C"], ["D"], ["E"]],
            Buckets(fossilising=("A",), emerging=("D", "E")),
        ),
        ([["A", "A", "A", "A"], []], Buckets(fossilising=("A",))),
        ([["A", "A"], [], [], [], []], Buckets(resolved=("A",))),
        ([["A", "A"], [], [], []], Buckets(persistent=("A",))),
        ([["A"], [], []], Buckets()),
        ([["A"]], Buckets(emerging=("A",))),
        ([], Buckets()),
    ],
)
def test_forms_are_sorted_by_how_often_and_how_lately_they_were_missed(
    sessions: list[list[str]], expected: Buckets
) -> None:
    assert buckets(sessions) == expected


@given(st.lists(st.lists(st.sampled_from("abcde"), max_size=4), max_size=8))
def test_a_form_is_in_one_bucket_at_most(sessions: list[list[str]]) -> None:
    found = buckets(sessions)
    listed = [*found.resolved, *found.fossilising, *found.persistent, *found.emerging]
    assert len(listed) == len(set(listed))
    assert set(listed) <= {form for forms in sessions for form in forms}


# --- scores and flags ----------------------------------------


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({"words": 200, "turns": 20, "errors": 10, "unique": 120}, Scores(0.95, 0.5, 0.6)),
        ({"words": 4, "turns": 1, "errors": 9, "unique": 4}, Scores(0.0, 0.2, 1.0)),
        ({"words": 90, "turns": 3, "errors": 0, "unique": 0}, Scores(1.0, 1.0, 0.0)),
        ({"words": 0, "turns": 3, "errors": 2, "unique": 0}, Scores(None, 0.0, None)),
        ({"words": 0, "turns": 0, "errors": 0, "unique": 0}, Scores(None, None, None)),
    ],
)
def test_scores_are_between_nothing_and_all_and_none_where_nothing_was_said(
    counts: Any, expected: Scores
) -> None:
    assert scores(**counts) == expected


def test_a_competence_is_shown_above_its_threshold_and_not_at_it() -> None:
    assert competences(words=100, turns=5, errors=4, unique=51) == {*Competence}
    assert competences(words=100, turns=10, errors=20, unique=50) == frozenset()
    assert competences(words=100, turns=10, errors=5, unique=50) == {Competence.ACCURATE}
    assert competences(words=0, turns=0, errors=0, unique=0) == frozenset()


# --- reports ----------------------------------------


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"completion": 0.9}, [Remark.PRAISE_COMPLETION]),
        ({"completion": 0.89}, []),
        ({"completion": 0.6}, []),
        ({"completion": 0.59}, [Remark.SIMPLIFY]),
        ({"completion": 0.49}, [Remark.WARN_COMPLETION, Remark.SIMPLIFY]),
        ({"completion": 0.0}, [Remark.WARN_COMPLETION, Remark.SIMPLIFY]),
        ({"recurring": 0.4}, []),
        ({"recurring": 0.41}, [Remark.ANTI_FOSSILISATION]),
        ({"recurring": 0.5}, [Remark.ANTI_FOSSILISATION]),
        ({"recurring": 0.51}, [Remark.WARN_RECURRENCE, Remark.ANTI_FOSSILISATION]),
        ({"recurring": 0.14, "earlier_sessions": 3}, []),
        ({"recurring": 0.14, "earlier_sessions": 4}, [Remark.PRAISE_RECURRENCE]),
        ({"recurring": 0.15, "earlier_sessions": 9}, []),
        ({"comprehensible": 0.69}, [Remark.PRONUNCIATION]),
        ({"comprehensible": 0.7}, []),
        ({"frictions": 0}, [Remark.ADVANCE]),
        ({"frictions": 1}, []),
        ({}, []),
    ],
)
def test_a_remark_is_made_at_its_threshold_and_never_of_what_nobody_knows(
    said: Any, expected: list[Remark]
) -> None:
    assert list(remarks(**said)) == expected


def test_a_target_is_reached_by_the_mean_of_its_last_sessions() -> None:
    assert reached("task_completion_rate", [0.0, *[0.8] * 10])
    assert not reached("task_completion_rate", [0.8, 0.7, None])
    assert reached("recurrence", [0.3, 0.1])
    assert not reached("recurrence", [0.3, 0.2])
    assert all(reached(name, [None, None]) is None for name in TARGETS)
    with pytest.raises(ContractError, match="no target for 'speed'"):
        reached("speed", [1.0])


def test_a_learner_is_summed_up_over_its_sessions() -> None:
    # given
    figures = [
        SessionMetrics(friction_rate=rate, recovery_rate=recovered, words_per_minute=None)
        for rate, recovered in ((2.0, 0.5), (1.0, None), (0.5, 0.5))
    ]

    # when
    found = longitudinal([30, 30, 30], figures)

    # then: fewer frictions are progress
    assert (found.session_count, found.total_hours) == (3, 1.5)
    assert {name: one.direction for name, one in found.courses.items()} == {
        "friction_rate": "improving"
    }
    assert (longitudinal([]).session_count, longitudinal([]).total_hours) == (0, 0.0)
    with pytest.raises(ContractError, match="no time"):
        longitudinal([30, -1])
