"""When a mastered skill is to be reviewed, and when it counts as forgotten.

One law: all dates come from the times passed in, so the same reviews always give the same dates.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from fsrs import Card as Memory
from fsrs import Rating, State
from fsrs import Scheduler as Fsrs

from holodeck.messages.practice import Card, SchedulerKind, SkillRecord, SkillState

DAY_MS: Final = 86_400_000
GRACE_MS: Final = 3 * DAY_MS
"""How long a review may be overdue at least before the skill is rusty."""
RETENTION: Final = 0.9
"""The chance of recall at which a review is due."""
LONGEST_DAYS: Final = 365
GOOD: Final = 0.8
HARD: Final = 0.5
"""Shares of right answers in a block from which on a review counts as good, or as hard; a block
with fewer counts as forgotten."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST: Final = 200_000_000_000_000
"""A time beyond this (the year 8307) counts as this."""


class Scheduler(Protocol):
    """Says when a skill is to be reviewed. Times are ms since 1970 UTC."""

    def first(self, mastered_at: int) -> Card:
        """The date of a skill that has just been mastered, or mastered again."""
        ...

    def reviewed(self, card: Card, right_share: float, at: int) -> Card:
        """The next date after a block of review questions, ``right_share`` of them right."""
        ...


class SpacedScheduler:
    """By the model of memory of the ``fsrs`` package, with its default weights.

    Mastery counts as a first good review. The intervals are whole days, not blurred by chance;
    there are no steps within a day.
    """

    def __init__(self) -> None:
        self._fsrs = Fsrs(
            desired_retention=RETENTION,
            learning_steps=(),
            relearning_steps=(),
            maximum_interval=LONGEST_DAYS,
            enable_fuzzing=False,
        )

    def first(self, mastered_at: int) -> Card:
        now = _date(mastered_at)
        return self._next(Memory(card_id=0, due=now), Rating.Good, mastered_at, 1, 1)

    def reviewed(self, card: Card, right_share: float, at: int) -> Card:
        known = math.isfinite(card.stability) and math.isfinite(card.difficulty)
        if not card.last_at or not known or card.stability <= 0:
            return self.first(at)
        rating = (
            Rating.Good
            if right_share >= GOOD
            else Rating.Hard
            if right_share >= HARD
            else Rating.Again
        )
        memory = Memory(
            card_id=0,
            state=State.Review,
            stability=min(card.stability, LONGEST_DAYS * 10),
            difficulty=min(10.0, max(1.0, card.difficulty)),
            due=_date(card.due_at),
            last_review=_date(min(card.last_at, at)),
        )
        hits = 0 if rating is Rating.Again else card.hits + 1
        return self._next(memory, rating, at, card.reviews + 1, hits)

    def _next(self, memory: Memory, rating: Rating, at: int, reviews: int, hits: int) -> Card:
        after, _ = self._fsrs.review_card(memory, rating, _date(at))
        assert after.stability is not None
        assert after.difficulty is not None
        return Card(
            due_at=_millis(after.due),
            last_at=at,
            stability=round(after.stability, 6),
            difficulty=round(after.difficulty, 6),
            reviews=reviews,
            hits=hits,
        )


class OldestFirst:
    """Without dates: whatever was reviewed longest ago is next, and nothing is forgotten by time
    alone. A card's date is that of its last review."""

    def first(self, mastered_at: int) -> Card:
        return Card(due_at=mastered_at, last_at=mastered_at)

    def reviewed(self, card: Card, right_share: float, at: int) -> Card:
        hits = card.hits + 1 if right_share >= HARD else 0
        return Card(due_at=at, last_at=at, reviews=card.reviews + 1, hits=hits)


def scheduler(kind: SchedulerKind) -> Scheduler:
    return _SCHEDULERS[kind]


_SCHEDULERS: Final[dict[SchedulerKind, Scheduler]] = {
    SchedulerKind.FSRS: SpacedScheduler(),
    SchedulerKind.OLDEST: OldestFirst(),
}


def due_at(record: SkillRecord) -> int:
    """When a mastered skill is to be reviewed; without a card, when it was last practised."""
    return record.last_at if record.card is None else record.card.due_at


def due(record: SkillRecord, now: int) -> bool:
    """Whether a mastered skill is to be reviewed. By :class:`OldestFirst` it always is."""
    return record.state is SkillState.MASTERED and due_at(record) <= now


def forgotten(record: SkillRecord, kind: SchedulerKind, now: int) -> bool:
    """Whether a mastered skill is rusty by time: its review is overdue by more than three days
    and by more than half of its interval."""
    card = record.card
    if kind is SchedulerKind.OLDEST or card is None or record.state is not SkillState.MASTERED:
        return False
    return now > card.due_at + max(GRACE_MS, (card.due_at - card.last_at) // 2)


def _date(at: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=min(max(at, 0), _LATEST))


def _millis(date: datetime) -> int:
    return (date - _EPOCH) // timedelta(milliseconds=1)
