"""What a practice session came to, in numbers and in honest words.

One law: only what was done is told, and a share is rounded the way it is taught: half up.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

from holodeck.actors.session.practice.progress import accuracy
from holodeck.actors.session.practice.state import STREAK_WORDS, Practice
from holodeck.messages.practice import (
    Category,
    PracticeSummed,
    RewardEarned,
    SkillRow,
    Slot,
)

STREAK_STEP: Final = 5
"""Right answers in a row that earn a line; then as many again, and so on."""
DAY_MS: Final = 86_400_000
STEADY: Final = (3, 5, 7, 10)
"""Days of practice that earn a line; later every fifth."""

Why = Literal["time", "left", "alone", "failed"]
"""Time was up · it was left early · nobody was there any more · no question could be made."""

_MESSAGES: Final[dict[Why, str]] = {
    "time": "Time is up.",
    "left": "Ended early. Everything up to here is saved.",
    "alone": "Time was up and nobody answered. Everything up to here is saved.",
    "failed": "No question could be made any more. Everything up to here is saved.",
}


def percent(correct: int, answered: int) -> int:
    """The share of right answers in per cent, rounded half up; 0 where there are none."""
    return (200 * correct + answered) // (2 * answered) if answered else 0


def planned_rows(slots: Iterable[Slot]) -> dict[str, Category]:
    """Each planned skill once, with the category of its first slot."""
    rows: dict[str, Category] = {}
    for slot in slots:
        rows.setdefault(slot.skill, slot.category)
    return rows


def shown_rows(rows: Iterable[SkillRow]) -> tuple[SkillRow, ...]:
    """The rows of skills that were attempted."""
    return tuple(row for row in rows if row.attempted)


def streak_reward(streak: int) -> RewardEarned | None:
    if not streak or streak % STREAK_STEP:
        return None
    return RewardEarned(reward="streak", line=f"{streak} {STREAK_WORDS}")


def mastery_reward(practice: Practice, skill: str) -> RewardEarned:
    return RewardEarned(reward="mastery", line=f"Mastered: {practice.name(skill)}.", skill=skill)


def recovery_reward(practice: Practice, skill: str) -> RewardEarned:
    return RewardEarned(
        reward="recovery", line=f"Known again: {practice.name(skill)}.", skill=skill
    )


def steady_reward(practice: Practice, now: int) -> RewardEarned | None:
    """A line for coming back, once a day."""
    days = practice.days
    if not (days in STEADY or (days > STEADY[-1] and days % 5 == 0)):
        return None
    today = now // DAY_MS
    if any(one.last_at // DAY_MS == today for one in practice.records.values()):
        return None
    return RewardEarned(reward="steady", line=f"Day {days} of practice.")


def finished_reward(practice: Practice, why: Why) -> RewardEarned | None:
    if why != "time" or not practice.answered:
        return None
    return RewardEarned(reward="finished", line="Practised until the time was up.")


def summed(practice: Practice, active_ms: int, why: Why) -> PracticeSummed:
    """
    Args:
        active_ms: of the whole session.
    """
    return PracticeSummed(
        curriculum=practice.options.curriculum,
        number=practice.number,
        answered=practice.answered,
        correct=practice.correct,
        accuracy=round(accuracy(practice.correct, practice.answered), 6),
        duration_ms=active_ms,
        finished=why in ("time", "alone"),
        rows=shown_rows(practice.rows.values()),
        rewards=practice.rewards,
        message=_MESSAGES[why],
    )
