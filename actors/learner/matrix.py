"""Where the learner stands: three coordinates, and what is usual for its turns.

One law: both are exponential moving averages of what sessions were; a session in which nothing
was said moves neither, and what it gives no measure of stays.

Coordinates, each 0 to 1, begin at 0. Session n moves each by ``max(0.2, 1 / (n + 1))`` of the way
to what the session was worth, so the first four sessions are a plain mean with the beginning:

- x, linguistic granularity: 0.5 accuracy, 0.2 complexity, 0.2 fitting register, 0.1
  comprehensibility; what was not measured is left out and the rest weighs as much more.
- y, situational agency: the mean over the learner's turns of 0 in tier 1, 0.5 in tier 2 and 1 in
  tier 3, times the share of conversations in tiers 2 and 3 that were completed.
- z, engagement fit: 0.5 sessions a week by what the style wants (at most 1), 0.3 lessons worked
  through (left out before the second session), 0.2 a session without anxiety.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from holodeck.actors.learner.story import Known, Story
from holodeck.actors.learner.tiers import scores
from holodeck.messages.conversation import Coordinates, RetentionStyle, SessionMetrics
from holodeck.messages.talk import Baseline

STEP: Final = 0.2
"""Share of the way a coordinate goes in one session, once there were a few."""
X_ACCURACY, X_COMPLEXITY, X_REGISTER, X_COMPREHENSIBILITY = 0.5, 0.2, 0.2, 0.1
Z_CADENCE, Z_LESSONS, Z_CALM = 0.5, 0.3, 0.2
AGENCY: Final[Mapping[int, float]] = {1: 0.0, 2: 0.5, 3: 1.0}
CADENCE: Final[Mapping[RetentionStyle, float]] = {
    RetentionStyle.GAMIFIED: 7.0,
    RetentionStyle.ORGANIC: 2.5,
    RetentionStyle.URGENCY: 2.5,
    RetentionStyle.MASTERY: 1.5,
    RetentionStyle.ACCOUNTABILITY: 2.5,
}
"""Sessions a week that fit a style: daily, two to three, one to two."""
NORM_SESSIONS: Final = 3
"""As many sessions population norms outweigh what was measured."""
NORM_STEP, BASELINE_STEP = 0.1, 0.3
"""Share of the way a baseline goes in one session, in the first three and after them."""
FLOOR: Final = 0.2
"""No baseline falls below this share of the population's: turns are judged by how many times the
usual they are, and of almost nothing everything is many times."""
_NORMS: Final = Baseline()


def moved(before: float, worth: float | None, number: int) -> float:
    """A coordinate after session ``number`` (from 1); unmoved where the session says nothing."""
    if worth is None:
        return before
    step = max(STEP, 1.0 / (max(1, number) + 1))
    return round(min(1.0, max(0.0, before + step * (worth - before))), 6)


def _weighed(parts: Iterable[tuple[float, float | None]]) -> float | None:
    """The weighted mean of what is there; None: nothing is."""
    there = [(weight, value) for weight, value in parts if value is not None]
    total = sum(weight for weight, _ in there)
    return sum(weight * value for weight, value in there) / total if there else None


def granularity(story: Story) -> float | None:
    """What a session was worth on x; None where no turn was analysed."""
    made = scores(story)
    if made is None:
        return None
    return _weighed(
        (
            (X_ACCURACY, made.accuracy),
            (X_COMPLEXITY, made.complexity),
            (X_REGISTER, story.fitting / story.judged if story.judged else None),
            (X_COMPREHENSIBILITY, story.scores / story.scored if story.scored else None),
        )
    )


def agency(story: Story, completion: float | None) -> float | None:
    """What it was worth on y; None where nothing was said.

    Args:
        completion: share of completed conversations of tiers 2 and 3; None: there was none.
    """
    turns = sum(story.tiers.values())
    if not turns:
        return None
    reach = sum(AGENCY.get(tier, 0.0) * count for tier, count in story.tiers.items()) / turns
    return reach * (completion or 0.0)


def fit(story: Story, known: Known, style: RetentionStyle) -> float | None:
    """What it was worth on z."""
    return _weighed(
        (
            (Z_CADENCE, min(1.0, known.weekly_sessions / CADENCE[style])),
            (Z_LESSONS, known.lesson_completion if known.number > 1 else None),
            (Z_CALM, 0.0 if story.bad_affect else 1.0),
        )
    )


def coordinates(
    story: Story, known: Known, metrics: SessionMetrics, style: RetentionStyle
) -> Coordinates:
    """The learner's, after a session."""
    before, number = known.coordinates, known.number
    if not story.turns:
        return before
    return Coordinates(
        x=moved(before.x, granularity(story), number),
        y=moved(before.y, agency(story, metrics.task_completion_rate), number),
        z=moved(before.z, fit(story, known, style), number),
    )


def baseline(story: Story, known: Known) -> Baseline:
    """What is usual for the learner, after a session.

    The means of the session's analysed turns: latency and pause in ms; ``l1`` words of the native
    language by all words; ``hedging`` hedges a word; ``repair`` repairs a turn; ``avoidance``
    turns away from the topic by turns. Shares are at most 1, and nothing falls below 0.2 of the
    population's norm.
    """
    step = NORM_STEP if known.number <= NORM_SESSIONS else BASELINE_STEP
    words = story.l1_words + story.l2_words + story.other_words

    def now(before: float, norm: float, total: float, count: int, most: float = 1.0) -> float:
        if count <= 0:
            return before
        after = before + step * (min(most, max(0.0, total / count)) - before)
        return round(max(FLOOR * norm, after), 6)

    old, hour = known.baseline, 3_600_000.0
    return Baseline(
        latency_ms=now(old.latency_ms, _NORMS.latency_ms, story.latency_ms, story.latencies, hour),
        l1=now(old.l1, _NORMS.l1, story.l1_words, words),
        hedging=now(old.hedging, _NORMS.hedging, story.hedges, words),
        repair=now(old.repair, _NORMS.repair, story.repairs, story.analysed),
        pause_ms=now(old.pause_ms, _NORMS.pause_ms, story.pause_ms, story.pauses, hour),
        avoidance=now(old.avoidance, _NORMS.avoidance, story.avoided, story.analysed),
    )
