"""Which kind of social setting is recommended next.

One law: a recommendation only. Every tier is open from the first day; nothing here locks one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from holodeck.actors.learner import evaluation
from holodeck.actors.learner.story import Story
from holodeck.messages.conversation import Tier

ACCURACY, FLUENCY, COMPLEXITY = 0.40, 0.35, 0.25
"""Weights of the composite."""
ADVANCE_FROM: Final[dict[int, float]] = {1: 0.70, 2: 0.75}
"""Composite from which the next tier is recommended; above tier 2 there is none."""
LEAST_TURNS: Final = 3
"""A session of fewer analysed turns recommends nothing: two good sentences are no evidence."""


@dataclass(frozen=True, slots=True)
class Scores:
    """What an evaluator makes of a session; each 0 to 1."""

    accuracy: float
    fluency: float
    complexity: float

    @property
    def composite(self) -> float:
        """0.40 accuracy, 0.35 fluency and 0.25 complexity."""
        return round(
            ACCURACY * self.accuracy + FLUENCY * self.fluency + COMPLEXITY * self.complexity, 6
        )


def scores(story: Story) -> Scores | None:
    """Of a session; None where no turn was analysed.

    As :func:`holodeck.actors.learner.evaluation.scores` defines them, over words that are not of
    the native language: who says all in its own language is not fluent in the other. Without such
    a word each is 0.
    """
    if not story.analysed:
        return None
    made = evaluation.scores(
        words=story.l2_words + story.other_words,
        turns=story.analysed,
        errors=story.frictions,
        unique=story.unique_words,
    )
    return Scores(made.accuracy or 0.0, made.fluency or 0.0, made.complexity or 0.0)


def advances(tier: int, composite: float) -> bool:
    """Whether a session in ``tier`` speaks for the next one: from 0.70 in tier 1, from 0.75 in
    tier 2, never in tier 3."""
    return tier in ADVANCE_FROM and composite >= ADVANCE_FROM[tier]


def main_tier(story: Story) -> Tier:
    """The tier of most learner turns, the lower of two equals; 1 where there was none."""
    tiers: tuple[Tier, ...] = (1, 2, 3)
    return max(tiers, key=lambda tier: (story.tiers.get(tier, 0), -tier))


def recommended(story: Story, before: Tier) -> Tier:
    """The tier to recommend after a session: the one above that session's, where it earned that
    and it is higher than what was recommended before; it never goes down."""
    made = scores(story)
    tier = main_tier(story)
    if made is None or story.analysed < LEAST_TURNS or not advances(tier, made.composite):
        return before
    next_: Tier = 2 if tier == 1 else 3
    return max(before, next_)
