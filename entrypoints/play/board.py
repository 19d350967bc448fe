"""A practice session as a child sees it: the fold of its checkpoints.

One law: pure. What is on the screen follows from what was stored, so that it is the same after a
restart.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from fractions import Fraction

from holodeck.messages.envelope import AnyEvent
from holodeck.messages.practice import (
    AnswerGiven,
    Category,
    Course,
    FeedbackClosed,
    HintShown,
    PracticePlanned,
    PracticeSummed,
    Question,
    QuestionFailed,
    QuestionServed,
    RewardEarned,
    SkillMoved,
    SkillRecord,
    SkillState,
    SkillTier,
    TierRule,
    Trigger,
)
from holodeck.messages.session import (
    SessionEnded,
    SessionPaused,
    SessionResumed,
    SessionStarted,
)


class Stage(StrEnum):
    """What the session is at."""

    WAITING = "waiting"
    ASKING = "asking"
    TOLD = "told"
    PAUSED = "paused"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Goal:
    """What completes a tier at the earliest.

    Attributes:
        right, of: right answers so far and needed; None: it cannot be completed any more.
        more: questions it takes at least.
    """

    right: int
    of: int | None
    more: int


def goal(rule: TierRule, attempts: int, right: int) -> Goal:
    """How far it is to the end of a tier if every further answer is right.

    The rule is the ratio over all attempts: the smallest n >= max(problems, attempts) with
    (right + n - attempts) / n >= accuracy; ``of`` is the right answers there have to be at n.
    """
    accuracy = Fraction(str(rule.accuracy))
    more = max(0, rule.problems - attempts)
    short = accuracy * attempts - right
    if short > 0:
        if accuracy >= 1:
            return Goal(right, None, more)
        more = max(more, math.ceil(short / (1 - accuracy)))
    return Goal(right, math.ceil(accuracy * (attempts + more)), more)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a skill stands; ``attempts`` and ``right`` are of the tier."""

    state: SkillState = SkillState.NEW
    tier: SkillTier = SkillTier.LEARN
    attempts: int = 0
    right: int = 0


@dataclass(frozen=True, slots=True)
class Board:
    """A practice session so far; every time is in ms since 1970 UTC.

    Attributes:
        number: of the newest question, 0: none yet; before: what it stood at when it was served.
        verdict, moves, rewards: of the newest answer.
        failed: skills no question could be made for since the newest question.
        clock: when the active time was last counted; active_ms: what had been counted then.
        sequence: of the newest checkpoint seen.
    """

    course: Course
    stage: Stage = Stage.WAITING
    duration_ms: int = 0
    number: int = 0
    question: Question | None = None
    category: Category = Category.FRONTIER
    hinted: bool = False
    answered: int = 0
    correct: int = 0
    verdict: AnswerGiven | None = None
    moves: tuple[SkillMoved, ...] = ()
    rewards: tuple[RewardEarned, ...] = ()
    failed: tuple[str, ...] = ()
    standings: Mapping[str, Standing] = field(default_factory=dict)
    rusty: tuple[str, ...] = ()
    summed: PracticeSummed | None = None
    resting: Stage = Stage.WAITING
    clock: int = 0
    active_ms: int = 0
    sequence: int = 0

    def name(self, skill: str) -> str:
        """What a skill is called."""
        return next((one.name for one in self.course.skills if one.id == skill), skill)

    def standing(self, skill: str) -> Standing:
        return self.standings.get(skill, Standing())

    def rule(self, skill: str) -> TierRule:
        """What completes the tier a skill is at."""
        standing = self.standing(skill)
        if standing.state is SkillState.RUSTY:
            return self.course.recovery
        known = next((one for one in self.course.skills if one.id == skill), None)
        if standing.tier is SkillTier.LEARN:
            return (known.learn if known else None) or self.course.learn
        return (known.prove if known else None) or self.course.prove

    def left_ms(self, now: int) -> int:
        """What is left of the session's time; below 0: it is over."""
        still = self.stage in (Stage.PAUSED, Stage.ENDED)
        return self.duration_ms - self.active_ms - (0 if still else max(0, now - self.clock))

    def after(self, event: AnyEvent, at: int) -> Board:
        """The board with an event in it that happened ``at``; what is not to be seen changes
        nothing."""
        match event:
            case SessionStarted():
                return self._begun(event, at)
            case PracticePlanned():
                return replace(self, duration_ms=event.duration_ms)
            case QuestionServed():
                return replace(
                    self,
                    stage=Stage.ASKING,
                    number=event.number,
                    question=event.question,
                    category=event.category,
                    hinted=False,
                    verdict=None,
                    moves=(),
                    rewards=(),
                    failed=(),
                )
            case QuestionFailed():
                return replace(self, failed=(*self.failed, event.skill))
            case HintShown():
                return replace(self, hinted=True)
            case AnswerGiven():
                return self._judged(event)
            case FeedbackClosed():
                return replace(self, stage=Stage.WAITING, failed=())
            case SkillMoved():
                return self._moved(event)
            case RewardEarned():
                return replace(self, rewards=(*self.rewards, event))
            case PracticeSummed():
                return replace(self, summed=event)
            case SessionPaused():
                return replace(self._counted(at), stage=Stage.PAUSED, resting=self.stage)
            case SessionResumed():
                return replace(self, stage=self.resting, clock=at)
            case SessionEnded():
                return replace(self._counted(at), stage=Stage.ENDED)
            case _:
                return self

    def _begun(self, event: SessionStarted, at: int) -> Board:
        records = event.brief.records if event.brief is not None else ()
        return replace(
            self,
            course=event.brief.course if event.brief is not None else self.course,
            standings={one.skill: _standing(one) for one in records},
            clock=at,
        )

    def _counted(self, at: int) -> Board:
        if self.stage in (Stage.PAUSED, Stage.ENDED):
            return self
        return replace(self, clock=at, active_ms=self.active_ms + max(0, at - self.clock))

    def _judged(self, event: AnswerGiven) -> Board:
        standing = self.standing(event.skill)
        if event.counted:
            learning = SkillState.LEARNING if standing.state is SkillState.NEW else standing.state
            standing = replace(standing, state=learning, attempts=event.attempts, right=event.hits)
        return replace(
            self,
            stage=Stage.TOLD,
            verdict=event,
            moves=(),
            rewards=(),
            answered=self.answered + 1,
            correct=self.correct + event.correct,
            standings={**self.standings, event.skill: standing},
        )

    def _moved(self, event: SkillMoved) -> Board:
        old = self.standing(event.skill)
        anew = (event.state, event.tier) != (old.state, old.tier)
        keep = event.trigger is Trigger.FIRST or not anew
        standing = Standing(
            event.state,
            event.tier,
            old.attempts if keep else 0,
            old.right if keep else 0,
        )
        rusty = self.rusty
        if event.trigger is Trigger.DECAY:
            rusty = (*rusty, event.skill)
        return replace(
            self,
            moves=(*self.moves, event),
            rusty=rusty,
            standings={**self.standings, event.skill: standing},
        )


def _standing(record: SkillRecord) -> Standing:
    return Standing(record.state, record.tier, record.attempts, record.correct)
