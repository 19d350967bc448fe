"""The time of a practice session.

One law: only active time counts, and nobody is cut off: a question that is open may be finished,
its feedback may be read.
"""

from __future__ import annotations

from typing import Final

LEFT_ALONE_MS: Final = 300_000
"""Active time after the limit at which an open question or feedback is given up."""


def time_up(active_ms: int, limit_ms: int) -> bool:
    return active_ms >= limit_ms


def ends_at(limit_ms: int, *, busy: bool) -> int:
    """The active time, ms, at which the session ends by itself.

    Args:
        busy: a question or its feedback is open.
    """
    return limit_ms + LEFT_ALONE_MS if busy else limit_ms


def countdown(active_ms: float, limit_ms: float) -> str:
    """The time that is left, whole seconds, as ``m:ss``; never negative."""
    minutes, seconds = divmod(max(0, int((limit_ms - active_ms) // 1000)), 60)
    return f"{minutes}:{seconds:02d}"


def answer_ms(shown_at: float, submitted_at: float) -> int:
    """How long an answer took, whole ms begun and over; both times in ms of one clock."""
    return max(0, int(submitted_at - shown_at))
