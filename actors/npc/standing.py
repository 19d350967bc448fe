"""How a learner stands with an NPC: one number, how it moves and what it feels like.

One law: a standing is clamped at every step and never leaves -0.5 to 1; time alone only ever
brings it nearer to 0.
"""

from __future__ import annotations

from typing import Final, Literal

FLOOR: Final = -0.5
CEILING: Final = 1.0
WEEK_MS: Final = 7 * 24 * 3600 * 1000
FADE: Final = 0.1
"""What a full week without meeting takes from a standing."""

Band = Literal["warm", "friendly", "cool", "cold"]


def clamped(reputation: float) -> float:
    """Within -0.5 to 1, rounded to 6 digits."""
    if reputation >= CEILING:
        return CEILING
    return FLOOR if reputation <= FLOOR else round(reputation, 6) + 0.0  # no negative zero


def turned(reputation: float, delta: float) -> float:
    """A standing after it moved by ``delta``: -0.5 to 1, rounded to 6 digits."""
    return clamped(reputation + delta)


def faded(reputation: float, last_at: int, now: int, per_week: float = FADE) -> float:
    """What is left of a standing after a time without meeting.

    It loses ``per_week`` for every full week, in either direction towards 0 and never across it.

    Args:
        last_at, now: ms since 1970 UTC; a ``last_at`` of 0: never met.
    """
    weeks = (now - last_at) // WEEK_MS
    if weeks <= 0 or not last_at:
        return reputation
    left = max(0.0, abs(reputation) - per_week * weeks)
    return round(left if reputation > 0 else -left, 6) + 0.0  # no negative zero


def band(reputation: float) -> Band:
    """How a standing feels: warm from 0.5, friendly from 0, cool from -0.3, cold below."""
    if reputation >= 0.5:
        return "warm"
    if reputation >= 0.0:
        return "friendly"
    return "cool" if reputation >= -0.3 else "cold"
