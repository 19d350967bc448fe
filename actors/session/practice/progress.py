"""How far somebody has come in a skill: tiers, mastery, fluency.

One law: a tier is complete by the share of right answers among all of its attempts, and nothing is
ever complete twice.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from holodeck.messages.base import Event
from holodeck.messages.practice import (
    AnswerGiven,
    Category,
    Course,
    CourseSkill,
    ReviewCredited,
    SkillMoved,
    SkillRecord,
    SkillState,
    SkillTier,
    TierRule,
    Trigger,
)

SPEEDS: Final = 10
"""Newest speed scores that are kept."""
STREAK_CAP: Final = 8
"""Right answers in a row that count as wholly consistent."""
REVIEWS: Final = 4
"""Newest review answers that are looked at."""
POOR: Final = 0.5
"""A share of right ones below this, among the last four review answers, makes a skill rusty."""
WEIGHTS: Final = (0.6, 0.2, 0.2)
"""Of accuracy, speed and consistency in the fluency."""
NEUTRAL: Final = 0.5
"""Speed where none was measured or there is no limit."""


def accuracy(correct: int, attempts: int) -> float:
    """The share of right answers, 0 to 1; 0 where there are none."""
    return correct / attempts if attempts else 0.0


def complete(attempts: int, correct: int, rule: TierRule) -> bool:
    """Whether a tier is done: enough attempts, and enough of them right.

    A quotient that rounds to the threshold reaches it: 17 of 20 is .85.
    """
    return attempts >= rule.problems and accuracy(correct, attempts) >= rule.accuracy


def needed(attempts: int, correct: int, rule: TierRule) -> int | None:
    """How many right answers in a row would complete the tier; 0: it is complete, None: none
    would, for all have to be right and one was not."""
    wrong = attempts - correct
    if rule.accuracy >= 1 and wrong:
        return None
    short = wrong * rule.accuracy / (1 - rule.accuracy) - correct if wrong else 0
    more = max(0, rule.problems - attempts, math.floor(short))
    while not complete(attempts + more, correct + more, rule):
        more += 1
    return more


def speed_score(time_ms: float, limit_s: float) -> float:
    """How quick an answer was, 0 to 1.

    With x = time/limit: 1 up to half of it, then 1.5 - x, and beyond the limit 1 - x/2, at least
    0. Without a limit .5.
    """
    if limit_s <= 0:
        return NEUTRAL
    x = time_ms / (limit_s * 1000)
    if x <= 0.5:
        return 1.0
    return 1.5 - x if x <= 1 else max(0.0, 1 - x / 2)


def windowed(speeds: Sequence[float], score: float, window: int = SPEEDS) -> tuple[float, ...]:
    """The newest scores after one more."""
    return (*speeds, score)[-window:]


def mean_speed(speeds: Sequence[float]) -> float:
    return sum(speeds) / len(speeds) if speeds else NEUTRAL


def consistency(streak: int, cap: int = STREAK_CAP) -> float:
    """How much of ``cap`` right answers in a row there is, 0 to 1; 0 without a cap."""
    return min(1.0, streak / cap) if cap > 0 else 0.0


def fluency(share: float, speeds: Sequence[float], streak: int, cap: int = STREAK_CAP) -> float:
    """How fluent somebody is, 0 to 1: .6 accuracy + .2 mean speed + .2 consistency.

    Args:
        share: of right answers, 0 to 1.
    """
    by_share, by_speed, by_streak = WEIGHTS
    parts = by_share * _unit(share) + by_speed * _unit(mean_speed(speeds))
    return round(_unit(parts + by_streak * consistency(streak, cap)), 6)


def _unit(value: float) -> float:
    if 0 < value < 1:
        return value
    return 1.0 if value >= 1 else 0.0


def rule_of(
    course: Course, skill: CourseSkill | None, state: SkillState, tier: SkillTier
) -> TierRule:
    """What completes a tier: a rusty skill takes the short rule of recovery, else its own rule or
    its course's."""
    if state is SkillState.RUSTY:
        return course.recovery
    if tier is SkillTier.LEARN:
        return (skill and skill.learn) or course.learn
    return (skill and skill.prove) or course.prove


@dataclass(frozen=True, slots=True)
class Move:
    """A change of a skill's state or tier."""

    trigger: Trigger
    state: SkillState
    tier: SkillTier


def moved_by(record: SkillRecord, rule: TierRule) -> Move | None:
    """Where a skill goes after a counted answer; None: it stays, as a mastered one always does.

    Args:
        record: as after that answer.
    """
    state, tier = record.state, record.tier
    if state is SkillState.MASTERED:
        return None
    if not complete(record.attempts, record.correct, rule):
        if state is SkillState.NEW:
            return Move(Trigger.FIRST, SkillState.LEARNING, tier)
        return None
    if state is SkillState.RUSTY:
        return Move(Trigger.RECOVERY, SkillState.MASTERED, tier)
    if tier is SkillTier.LEARN:
        return Move(Trigger.TIER, SkillState.LEARNING, SkillTier.PROVE)
    return Move(Trigger.MASTERY, SkillState.MASTERED, tier)


def rusted(trigger: Trigger) -> Move:
    """What happens to a mastered skill that was forgotten."""
    return Move(trigger, SkillState.RUSTY, SkillTier.LEARN)


def poor(reviewed: Sequence[bool]) -> bool:
    """Whether the last four review answers, the newest included, are too often wrong."""
    return len(reviewed) >= REVIEWS and sum(reviewed[-REVIEWS:]) / REVIEWS < POOR


# --- what the events change: for whoever keeps records ----------------------------------------


_M = TypeVar("_M", bound=Event)
_put: Final = object.__setattr__


def changed(one: _M, **values: object) -> _M:
    """One that is equal but for these values; they are the program's own, and not validated.

    What ``model_copy`` does, in a third of its time: three records and rows change with every
    answer, wherever it is folded.
    """
    kind = type(one)
    other = kind.__new__(kind)
    _put(other, "__dict__", {**one.__dict__, **values})
    _put(other, "__pydantic_fields_set__", one.__pydantic_fields_set__.union(values))
    _put(other, "__pydantic_extra__", None)
    _put(other, "__pydantic_private__", None)
    return other


def answered(record: SkillRecord, event: AnswerGiven, at: int, number: int) -> SkillRecord:
    """A record after an answer.

    Args:
        at: ms since 1970 UTC; number: of the practice session.
    """
    right = event.correct
    looked = event.category is Category.REVIEW and record.state is SkillState.MASTERED
    return changed(
        record,
        attempts=event.attempts,
        correct=event.hits,
        total=record.total + 1,
        right=record.right + right,
        speeds=windowed(record.speeds, event.speed),
        streak=record.streak + 1 if right else 0,
        last_at=at,
        session=max(record.session, number),
        reviewed=(*record.reviewed, right)[-REVIEWS:] if looked else record.reviewed,
    )


def moved(record: SkillRecord, event: SkillMoved, at: int) -> SkillRecord:
    """A record after its state or tier changed.

    The counters begin anew with a tier; a mastered skill keeps those it was mastered with.
    """
    update: dict[str, object] = {"state": event.state, "tier": event.tier}
    match event.trigger:
        case Trigger.FIRST:
            pass
        case Trigger.TIER:
            update |= {"attempts": 0, "correct": 0}
        case Trigger.MASTERY:
            update |= {"mastered_at": at, "rusty_at": 0, "reviewed": ()}
        case Trigger.RECOVERY:
            # What it opened was open before: nobody's wait begins anew with it.
            update |= {"mastered_at": record.mastered_at or at, "rusty_at": 0, "reviewed": ()}
        case Trigger.DECAY | Trigger.REVIEW:
            update |= {"attempts": 0, "correct": 0, "rusty_at": at, "reviewed": ()}
    return changed(record, **update)


def credited(record: SkillRecord, event: ReviewCredited) -> SkillRecord:
    """A record after a block of review questions, or after its first date was set."""
    return changed(record, card=event.card)
