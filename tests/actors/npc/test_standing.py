"""How a standing moves, fades and feels."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holodeck.actors.npc.standing import CEILING, FLOOR, WEEK_MS, clamped, faded, turned

laws = settings(max_examples=200, deadline=None)
standings = st.floats(FLOOR, CEILING).map(clamped)
NOW = 10**12


@pytest.mark.parametrize(
    ("reputation", "weeks", "left"),
    [
        (0.8, 0.999, 0.8),
        (0.8, 1, 0.7),
        (0.8, 1.9, 0.7),
        (0.8, 3, 0.5),
        (0.8, 8, 0.0),
        (0.8, 500, 0.0),
        (-0.5, 2, -0.3),
        (-0.05, 1, 0.0),
        (0.0, 7, 0.0),
        (0.8, -3, 0.8),
    ],
)
def test_a_standing_loses_a_tenth_a_week(reputation: float, weeks: float, left: float) -> None:
    assert faded(reputation, NOW, NOW + int(weeks * WEEK_MS)) == left


def test_strangers_have_nothing_to_fade() -> None:
    assert faded(0.4, 0, NOW) == 0.4


@laws
@given(standings, st.integers(-5, 60))
def test_fading_brings_a_standing_nearer_to_zero_and_never_across(
    reputation: float, weeks: int
) -> None:
    left = faded(reputation, NOW, NOW + weeks * WEEK_MS)
    assert abs(left) <= abs(reputation)
    assert left * reputation >= 0
    assert abs(reputation) - abs(left) <= 0.1 * max(0, weeks) + 1e-9
    assert math.copysign(1, left) == 1 or left < 0


@laws
@given(standings, st.integers(0, 10), st.integers(0, 10))
def test_fading_in_two_steps_is_fading_in_one(reputation: float, first: int, then: int) -> None:
    between = NOW + first * WEEK_MS
    end = between + then * WEEK_MS
    assert math.isclose(
        faded(faded(reputation, NOW, between), between, end),
        faded(reputation, NOW, end),
        abs_tol=2e-6,
    )


@laws
@given(st.floats(allow_nan=False), st.floats(allow_nan=False, allow_infinity=False))
def test_no_move_leaves_the_range(reputation: float, delta: float) -> None:
    assert FLOOR <= clamped(reputation) <= CEILING
    assert FLOOR <= turned(clamped(reputation), delta) <= CEILING
