"""What the learner's own grammar is believed to be, rule by rule.

One law: a session moves a rule once, by how many uses of its form were right and how many wrong;
the order of the uses does not matter.

The confidence of a rule says how sure it is that the learner follows a rule of its own, one that
is not the target language's. A wrong use confirms it, a right one violates it, and each is weighed
as Bayes does: ``c' = c·w / (c·w + (1 - c)·CHANCE)`` with ``w`` = :data:`CONFIRMS` or
:data:`VIOLATES`. Written as odds, a use multiplies them by ``w / CHANCE``. (A violation is also
found described as ``(1 - c)·w / ((1 - c)·w + (1 - c)·w3)``; that forgets ``c`` and is not used.)
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Final

from holodeck.messages.conversation import FrictionType, RuleTrajectory
from holodeck.messages.learner import LanguageRule

CONFIRMS: Final = 0.7
"""Chance of a wrong use where the learner follows a rule of its own."""
VIOLATES: Final = 0.3
"""Chance of a right use where it does."""
CHANCE: Final = 0.5
"""Chance of either where it follows none."""
STEPS: Final = 2.0
"""As many uses as one session may weigh: those of one evening are not independent, and nothing is
called systematic before its second session."""
LEAST, MOST = 0.01, 0.99
RANDOM_BELOW: Final = 0.5
SYSTEMATIC_FROM: Final = 0.7
STABLE_FROM: Final = 0.85
TREND: Final = 8
"""Sessions a rule remembers one by one."""
FOSSIL_SESSIONS: Final = 5
AT_RISK_HITS: Final = 3
RESOLVED_SESSIONS: Final = 5


class RuleStatus(StrEnum):
    RANDOM = "random"
    UNDECIDED = "undecided"
    SYSTEMATIC = "systematic"


class Strategy(StrEnum):
    """Ways out of a fossilised form, in the order they are tried."""

    VARIED = "varied-context-exposure"
    PAIRS = "contrastive-minimal-pairs"
    CORRECTION = "npc-correction-sequence"
    COMBINED = "combined"


STRATEGIES: Final[tuple[Strategy, ...]] = tuple(Strategy)


@dataclass(frozen=True, slots=True)
class Uses:
    """Of one form in one session: how often it was right, how often wrong."""

    right: int = 0
    wrong: int = 0

    @property
    def share(self) -> float:
        """Of right uses, 0 to 1; there is at least one use."""
        return self.right / (self.right + self.wrong)


def status(confidence: float) -> RuleStatus:
    """Below 0.5 random, from 0.7 systematic, between them undecided."""
    if confidence < RANDOM_BELOW:
        return RuleStatus.RANDOM
    return RuleStatus.SYSTEMATIC if confidence >= SYSTEMATIC_FROM else RuleStatus.UNDECIDED


def believed(confidence: float, uses: Uses) -> float:
    """The confidence after a session, 0.01 to 0.99.

    All uses of the session together weigh at most :data:`STEPS` of them, each kind its share.
    """
    count = uses.right + uses.wrong
    if not count:
        return confidence
    scale = min(1.0, STEPS / count)
    odds: float = confidence / (1.0 - confidence)
    odds *= math.pow(CONFIRMS / CHANCE, uses.wrong * scale)
    odds *= math.pow(VIOLATES / CHANCE, uses.right * scale)
    return round(min(MOST, max(LEAST, odds / (1.0 + odds))), 6)


def trajectory(trend: Sequence[float]) -> RuleTrajectory:
    """Where a rule goes, from its share of right uses in each session, the newest last.

    Of fewer than three sessions nothing is said but ``acquiring``. ``stable-correct``: each of the
    last three at least 0.85. ``fluctuating``: in the last five it went over from mostly right to
    mostly wrong or back at least twice. ``regressing``: it was at 0.85 once, and the last two
    together are at least 0.2 below that. ``stable-incorrect``: each of the last three below 0.5,
    and the newest no better than the one two sessions before it by more than 0.05. Else
    ``acquiring``. The first that fits is taken.
    """
    if len(trend) < 3:
        return RuleTrajectory.ACQUIRING
    last = trend[-3:]
    if min(last) >= STABLE_FROM:
        return RuleTrajectory.CORRECT
    mostly = [share >= 0.5 for share in trend[-5:]]
    if sum(before != after for before, after in pairwise(mostly)) >= 2:
        return RuleTrajectory.FLUCTUATING
    if max(trend[:-2]) >= STABLE_FROM and sum(trend[-2:]) / 2 <= STABLE_FROM - 0.2:
        return RuleTrajectory.REGRESSING
    if max(last) < 0.5 and last[-1] - last[0] <= 0.05:
        return RuleTrajectory.INCORRECT
    return RuleTrajectory.ACQUIRING


def fossilises(sessions: int, going: RuleTrajectory, confidence: float, lessons: int) -> bool:
    """Whether a wrong form has set: five sessions or more, no improvement (stable-incorrect or
    regressing), a confidence of 0.7 or more, and at least one lesson that did not help."""
    return (
        sessions >= FOSSIL_SESSIONS
        and going in (RuleTrajectory.INCORRECT, RuleTrajectory.REGRESSING)
        and confidence >= SYSTEMATIC_FROM
        and lessons >= 1
    )


def at_risk(hits: int) -> bool:
    """Whether a form may set: it was missed three times before, or more often."""
    return hits >= AT_RISK_HITS


def resolved(trend: Sequence[float]) -> bool:
    """Whether a form that had set is right again: above 0.85 in each of the last five sessions."""
    last = trend[-RESOLVED_SESSIONS:]
    return len(last) == RESOLVED_SESSIONS and min(last) > STABLE_FROM


def strategy(lessons: int) -> Strategy:
    """What to try next where ``lessons`` did not help: varied contexts, then minimal pairs, then a
    correction by the NPC, then all of them."""
    return STRATEGIES[min(max(lessons - 1, 0), len(STRATEGIES) - 1)]


def teachable(rule_stage: int, learner_stage: int) -> bool:
    """Whether a rule's developmental stage (1 words to 5 subordinate clauses) can be learned now:
    it is at most one above the learner's."""
    return rule_stage <= learner_stage + 1


def updated(
    before: LanguageRule | None, form: str, type_: FrictionType, uses: Uses, number: int
) -> LanguageRule:
    """A rule after session ``number``, in which its form was used at least once.

    Args:
        before: the rule until now; None: it is new, and begins at a confidence of 0.5.
    """
    old = LanguageRule(form=form, type=type_) if before is None else before
    trend = (*old.trend, round(uses.share, 6))[-TREND:]
    confidence = believed(old.confidence, uses)
    going = trajectory(trend)
    sessions = old.sessions + 1
    # What has set stays so until it was right for five sessions: one good evening is no cure.
    fossil = old.fossilised or fossilises(sessions, going, confidence, old.lessons)
    return LanguageRule(
        form=form,
        type=type_ if uses.wrong else old.type,
        confidence=confidence,
        trend=trend,
        trajectory=going,
        sessions=sessions,
        hits=old.hits + uses.wrong,
        seen=number,
        lessons=old.lessons,
        target_like=uses.right > uses.wrong,
        fossilised=fossil and not resolved(trend),
    )


def changed(
    rules: Mapping[str, LanguageRule],
    missed: Iterable[tuple[str, FrictionType]],
    used: Mapping[str, int],
    number: int,
) -> dict[str, LanguageRule]:
    """The rules that a session changes, those that were missed first.

    A form that was only ever used right needs no watching: it gets no rule.

    Args:
        missed: form and kind of each friction whose form is known.
        used: right uses, by form.
    """
    wrong: dict[str, int] = {}
    types: dict[str, FrictionType] = {}
    for form, type_ in missed:
        wrong[form] = wrong.get(form, 0) + 1
        types.setdefault(form, type_)
    for form, count in used.items():
        if count > 0 and form in rules and form not in wrong:
            wrong[form] = 0
            types[form] = rules[form].type
    return {
        form: updated(
            rules.get(form), form, types[form], Uses(max(used.get(form, 0), 0), count), number
        )
        for form, count in wrong.items()
    }
