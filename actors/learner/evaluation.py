"""How a learner does: ratios of a session, scores, trends over sessions, what a report says.

One law: up is better in every verdict. A figure of which less is better is turned round before it
is judged, and where nothing is known the answer is None, never a number.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Literal

from holodeck.messages.conversation import (
    ConversationOutcome,
    InjectionStatus,
    SessionMetrics,
    SpecStatus,
)
from holodeck.messages.errors import ContractError

# --- ratios ----------------------------------------


def code_switch_reduction(current: float | None, baseline: float | None) -> float | None:
    """CSRR, how much less of the native language is used than at first: ``1 - current / baseline``.

    Both are shares of words, 0 to 1. More of it than at first is no reduction, 0. None without
    a baseline, or where nothing of the native language was used at first.
    """
    if current is None or baseline is None or baseline <= 0:
        return None
    return round(max(0.0, 1.0 - current / baseline), 6)


def recurrence(current: Iterable[str], history: Iterable[str]) -> float | None:
    """FPRR, the share of a session's frictions whose form had been seen before, 0 to 1.

    Args:
        current, history: of each friction its target rule, else what was said.

    None for a session without friction.
    """
    now, before = list(current), set(history)
    if not now:
        return None
    return round(sum(form in before for form in now) / len(now), 6)


_DONE: Final = frozenset(
    {
        SpecStatus.INJECTED.value,
        SpecStatus.RESOLVED.value,
        InjectionStatus.OPPORTUNITY.value,
        InjectionStatus.USED.value,
    }
)
_USED: Final = frozenset({SpecStatus.RESOLVED.value, InjectionStatus.USED.value})


def injection_hits(
    statuses: Iterable[SpecStatus | InjectionStatus | str], *, used: bool = False
) -> float | None:
    """FIHR, the share of forward injections that were executed; None where there were none.

    Args:
        statuses: of each injection, across sessions or in one.
        used: count only those whose form the learner then used.
    """
    told = [str(status) for status in statuses]
    if not told:
        return None
    counted = _USED if used else _DONE
    return round(sum(status in counted for status in told) / len(told), 6)


def social_trajectory(deltas: Collection[float]) -> float | None:
    """SRT, the mean change of standing, -1 to 1; None without a change.

    The mean of changes was chosen before a weighted mean of scores: it needs no weights, and a
    learner who is liked and stays liked has none.
    """
    if not deltas:
        return None
    return round(max(-1.0, min(1.0, sum(deltas) / len(deltas))), 6)


PARTIAL: Final = 0.5
"""What a negotiation with friction may be counted as, where the report wants partial credit."""


def negotiation_success(
    outcomes: Collection[ConversationOutcome | str], *, partial: float = 0.0
) -> float | None:
    """NSR, the share of tier 3 conversations that were completed; None where there were none.

    Args:
        outcomes: of each of them.
        partial: credit for one that ended as a friction event, 0 to 1; :data:`PARTIAL` is half.

    Raises:
        ContractError: ``partial`` is outside its range.
    """
    if not 0.0 <= partial <= 1.0:
        raise ContractError(f"partial credit is 0 to 1, not {partial:g}")
    if not outcomes:
        return None
    credit = {ConversationOutcome.COMPLETED: 1.0, ConversationOutcome.FRICTION: partial}
    earned = sum(credit.get(ConversationOutcome(outcome), 0.0) for outcome in outcomes)
    return round(earned / len(outcomes), 6)


@dataclass(frozen=True, slots=True)
class Grade:
    """Of a tier 3 scenario: ``score`` 0 to 1."""

    score: float
    passed: bool
    distinction: bool


def composite(
    scores: Mapping[str, float],
    weights: Mapping[str, float],
    *,
    pass_at: float = 0.6,
    distinction_at: float = 0.85,
) -> Grade:
    """The weighted score of a tier 3 scenario and what it is worth.

    Args:
        scores: by dimension, each 0 to 1.
        weights: by the same dimensions, 0 to 1, together 1.
        pass_at, distinction_at: thresholds; reaching one is enough.

    Raises:
        ContractError: the dimensions differ, weights do not sum to 1, or a number is outside its
            range.
    """
    if scores.keys() != weights.keys():
        odd = ", ".join(sorted(scores.keys() ^ weights.keys()))
        raise ContractError(f"scores and weights differ in their dimensions: {odd}")
    for name, number in [*scores.items(), *weights.items()]:
        if not 0.0 <= number <= 1.0:
            raise ContractError(f"{name}: {number:g} is not between 0 and 1")
    total = sum(weights.values())
    if abs(total - 1.0) > 1e-6:
        raise ContractError(f"the weights sum to {total:g}, not to 1")
    score = round(sum(weights[name] * scores[name] for name in weights), 6)
    return Grade(score, score >= pass_at, score >= distinction_at)


# --- trends ----------------------------------------

BAND: Final = 0.05
"""A slope within this share of the mean is no change."""
FEWEST: Final = 3
"""Sessions a trajectory needs."""

Direction = Literal["improving", "stable", "declining"]


def slope(values: Sequence[float]) -> float:
    """The least-squares slope over index 0, 1, 2 …; 0 for fewer than two values."""
    n = len(values)
    if n < 2:
        return 0.0
    middle, mean = (n - 1) / 2, sum(values) / n
    above = sum((x - middle) * (value - mean) for x, value in enumerate(values))
    return above / sum((x - middle) ** 2 for x in range(n))


def trend(values: Sequence[float], *, lower_is_better: bool = False) -> Direction:
    """Where a figure goes: improving or declining once its slope leaves 5 % of the mean's size.

    Args:
        values: one a session, the newest last. Fewer than two go nowhere.
        lower_is_better: of friction, recurrence and the share of the native language less is
            better: rising, they decline.
    """
    if not values:
        return "stable"
    steep = slope(values)
    edge = BAND * abs(sum(values) / len(values))
    # A slope that is the band's edge but for the last digits of binary fractions is within it.
    if abs(steep) <= edge + 1e-12:
        return "stable"
    return "improving" if (steep > 0) != lower_is_better else "declining"


def rate_of_change(values: Sequence[float]) -> float | None:
    """``(last - first) / n`` with n the number of values; None without any."""
    return round((values[-1] - values[0]) / len(values), 6) if values else None


RECENT: Final = 3
"""Earlier sessions a session's own trend looks back on."""


def session_trend(
    earlier: Sequence[float], current: float, *, lower_is_better: bool = False
) -> Direction:
    """The trend of a session's figure: the last three sessions and this one."""
    return trend([*earlier[-RECENT:], current], lower_is_better=lower_is_better)


@dataclass(frozen=True, slots=True)
class Course:
    """Where a figure has gone over sessions. ``change``: see :func:`rate_of_change`."""

    values: tuple[float, ...]
    direction: Direction
    change: float


def course(values: Iterable[float | None], *, lower_is_better: bool = False) -> Course | None:
    """A figure over sessions; those that do not know it are passed over. None where fewer than
    three know it."""
    known = tuple(value for value in values if value is not None)
    change = rate_of_change(known)
    if change is None or len(known) < FEWEST:
        return None
    return Course(known, trend(known, lower_is_better=lower_is_better), change)


@dataclass(frozen=True, slots=True)
class Buckets:
    """Forms the learner struggled with, each in the order it was first seen.

    Attributes:
        resolved: more than once, and not in the last three sessions.
        fossilising: four times and more; persistent: two or three times.
        emerging: once, in one of the last two sessions.
    """

    resolved: tuple[str, ...] = ()
    fossilising: tuple[str, ...] = ()
    persistent: tuple[str, ...] = ()
    emerging: tuple[str, ...] = ()


def buckets(sessions: Sequence[Iterable[str]]) -> Buckets:
    """Sorts forms by how often (not in how many sessions) and how lately they were missed.

    A form that was missed once and longer ago is in none.

    Args:
        sessions: of each the forms of its frictions, the newest last.
    """
    seen: dict[str, tuple[int, int, int]] = {}
    for place, forms in enumerate(sessions):
        for form in forms:
            first, count, _ = seen.get(form, (place, 0, place))
            seen[form] = (first, count + 1, place)
    found: dict[str, list[str]] = {}
    for form, (first, count, last) in seen.items():
        name = _bucket(first, count, last, len(sessions))
        found.setdefault(name, []).append(form)
    return Buckets(
        tuple(found.get("resolved", ())),
        tuple(found.get("fossilising", ())),
        tuple(found.get("persistent", ())),
        tuple(found.get("emerging", ())),
    )


def _bucket(first: int, count: int, last: int, sessions: int) -> str:
    if count > 1 and sessions - 1 - last > 3:
        return "resolved"
    if count >= 4:
        return "fossilising"
    if count >= 2:
        return "persistent"
    return "emerging" if first >= sessions - 2 else ""


# --- what an evaluator makes of a session's language ----------------------------------------


@dataclass(frozen=True, slots=True)
class Scores:
    """Each 0 to 1, None where nothing was said."""

    accuracy: float | None = None
    fluency: float | None = None
    complexity: float | None = None


def scores(*, words: int, turns: int, errors: int, unique: int) -> Scores:
    """Accuracy, fluency and complexity of what was said.

    Accuracy is ``1 - errors / words``, at least 0; fluency words per turn of twenty, complexity
    distinct words of all, each at most 1.

    Args:
        words: of the target language; unique: distinct ones; turns: of the learner.
        errors: frictions.
    """
    return Scores(
        accuracy=round(max(0.0, 1.0 - errors / words), 6) if words > 0 else None,
        fluency=round(min(1.0, words / turns / 20), 6) if turns > 0 else None,
        complexity=round(min(1.0, unique / words), 6) if words > 0 else None,
    )


class Competence(StrEnum):
    """What a session shows the learner can do."""

    ACCURATE = "accurate"
    FLUENT = "fluent"
    COMPLEX = "complex"
    WIDE = "wide-vocabulary"
    CLEAN = "few-errors"


def competences(*, words: int, turns: int, errors: int, unique: int) -> frozenset[Competence]:
    """Accuracy above 0.8, fluency above 0.7, complexity above 0.5, more than 50 distinct words,
    fewer than 0.05 errors a word. Arguments as in :func:`scores`."""
    found = scores(words=words, turns=turns, errors=errors, unique=unique)
    shown = {
        Competence.ACCURATE: found.accuracy is not None and found.accuracy > 0.8,
        Competence.FLUENT: found.fluency is not None and found.fluency > 0.7,
        Competence.COMPLEX: found.complexity is not None and found.complexity > 0.5,
        Competence.WIDE: unique > 50,
        Competence.CLEAN: words > 0 and errors / words < 0.05,
    }
    return frozenset(one for one, is_so in shown.items() if is_so)


# --- reports ----------------------------------------


class Remark(StrEnum):
    """What a session's report says. ``advance`` is a hint; no remark bars anything."""

    PRAISE_COMPLETION = "praise-completion"
    PRAISE_RECURRENCE = "praise-recurrence"
    WARN_COMPLETION = "warn-completion"
    WARN_RECURRENCE = "warn-recurrence"
    ADVANCE = "advance"
    ANTI_FOSSILISATION = "recommend-anti-fossilisation"
    SIMPLIFY = "recommend-simpler-tasks"
    PRONUNCIATION = "recommend-pronunciation"


def remarks(
    *,
    completion: float | None = None,
    recurring: float | None = None,
    comprehensible: float | None = None,
    frictions: int | None = None,
    earlier_sessions: int = 0,
) -> tuple[Remark, ...]:
    """What to say of a session; what is None leads to no remark.

    Args:
        completion: tasks completed, 0 to 1: praise from 0.9, a warning below 0.5, simpler tasks
            below 0.6.
        recurring: see :func:`recurrence`: a warning above 0.5, work against fossilising above
            0.4, praise below 0.15 behind more than three earlier sessions.
        comprehensible: mean comprehensibility: pronunciation below 0.7.
        frictions: none at all: go on to something harder.
    """
    said = {
        Remark.PRAISE_COMPLETION: completion is not None and completion >= 0.9,
        Remark.PRAISE_RECURRENCE: recurring is not None
        and recurring < 0.15
        and earlier_sessions > 3,
        Remark.WARN_COMPLETION: completion is not None and completion < 0.5,
        Remark.WARN_RECURRENCE: recurring is not None and recurring > 0.5,
        Remark.ADVANCE: frictions == 0,
        Remark.ANTI_FOSSILISATION: recurring is not None and recurring > 0.4,
        Remark.SIMPLIFY: completion is not None and completion < 0.6,
        Remark.PRONUNCIATION: comprehensible is not None and comprehensible < 0.7,
    }
    return tuple(remark for remark, is_so in said.items() if is_so)


@dataclass(frozen=True, slots=True)
class Target:
    """What a figure should come to, as its mean over so many sessions."""

    value: float
    sessions: int
    lower_is_better: bool = False


TARGETS: Final[Mapping[str, Target]] = {
    "task_completion_rate": Target(0.80, 10),
    "average_comprehensibility": Target(0.75, 20),
    "register_accuracy_score": Target(0.85, 10),
    "injection_hits": Target(0.60, 10),
    "negotiation_success": Target(0.70, 10),
    "recurrence": Target(0.20, 10, lower_is_better=True),
}
"""By figure. Where no number of sessions is known, ten."""


def reached(name: str, values: Iterable[float | None]) -> bool | None:
    """Whether a figure has come to its target; None where no session knows it.

    Raises:
        ContractError: there is no target of that name.
    """
    target = TARGETS.get(name)
    if target is None:
        raise ContractError(f"no target for {name!r}")
    known = [value for value in values if value is not None][-target.sessions :]
    if not known:
        return None
    mean = round(sum(known) / len(known), 6)
    return mean <= target.value if target.lower_is_better else mean >= target.value


FIGURES: Final[Mapping[str, bool]] = {
    "task_completion_rate": False,
    "friction_rate": True,
    "code_switch_ratio": True,
    "register_accuracy_score": False,
    "average_comprehensibility": False,
    "words_per_minute": False,
    "recovery_rate": False,
}
"""The figures of a session that are followed over sessions; whether less of it is better."""


@dataclass(frozen=True, slots=True)
class Longitudinal:
    """A learner over its sessions; ``courses``: by figure, of those three sessions know."""

    session_count: int = 0
    total_hours: float = 0.0
    courses: Mapping[str, Course] = field(default_factory=dict)


def longitudinal(minutes: Sequence[float], figures: Sequence[SessionMetrics] = ()) -> Longitudinal:
    """A learner over its sessions.

    Args:
        minutes: how long each took; figures: what each came to, the newest last in both.

    Raises:
        ContractError: a duration is negative.
    """
    if any(one < 0 for one in minutes):
        raise ContractError("a session cannot take less than no time")
    courses = {}
    for name, lower in FIGURES.items():
        found = course((getattr(one, name) for one in figures), lower_is_better=lower)
        if found is not None:
            courses[name] = found
    return Longitudinal(len(minutes), round(sum(minutes) / 60, 6), courses)
