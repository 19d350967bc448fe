"""How a player comes on, in figures and in words, worked out when asked.

One law: everything here is a function of what was played and of the moment of asking; every number
is finite and within its range, also for who never played, who is welcomed and not reproached.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Final, Literal, NamedTuple, TypeVar

from holodeck.actors.learner.player.days import day_of
from holodeck.actors.learner.player.history import FULL_MS, Part, Played, PlayHistory
from holodeck.actors.learner.player.milestones import merits, passed, upcoming
from holodeck.messages.player import TherapeuticApproach

ProgressTrend = Literal["improving", "stable", "declining"]
EngagementTrend = Literal["increasing", "stable", "decreasing"]
DayPart = Literal["morning", "afternoon", "evening"]
K = TypeVar("K", bound=str)

WEEK: Final = 7
"""Days before today that a week looks back, so that eight dates are in it; the source's 4.2."""
MONTH: Final = 30
AT_RISK: Final = 0.6
"""The most a player who was there before can come to: from here on it is spoken of. The source
asks for more than that, which only who never played has."""
LAPSING: Final = 0.4
MAX_DAYS: Final = 60
"""Days a report or a chart looks back at most."""


def _within(value: float) -> float:
    """Rounded to six places and brought into 0 to 1."""
    return min(1.0, max(0.0, round(value, 6)))


# --- engagement ----------------------------------------


@dataclass(frozen=True, slots=True)
class Engagement:
    """How a player keeps at it.

    Attributes:
        minutes, average_minutes: of active time, to two places; in all and a session.
        sessions_this_week, sessions_this_month: begun today or on the 7, 30 days before.
        sessions_before: on the 8th to 14th day before today.
        last_day: of play, in days since 1970; days_away: from it to today; None: never.
        preferred_times: parts of the day, the one most often begun in first.
        dropout_risk: 0 to 1.
    """

    sessions: int
    minutes: float
    average_minutes: float
    sessions_this_week: int
    sessions_this_month: int
    sessions_before: int
    current_streak: int
    longest_streak: int
    last_day: int | None
    days_away: int | None
    preferred_times: tuple[DayPart, ...]
    dropout_risk: float


def engagement(history: PlayHistory, now: int, zone: tzinfo) -> Engagement:
    today = day_of(now, zone)
    last = history.last_day(today)
    spent = history.active_ms + sum(one.running(now) for one in history.live.values())
    average = spent / history.sessions if history.sessions else 0
    week = history.between(today - WEEK, today).sessions
    streak = history.current_streak(today)
    away = None if last is None else today - last
    average_minutes = round(average / 60_000, 2)
    return Engagement(
        sessions=history.sessions,
        minutes=round(spent / 60_000, 2),
        average_minutes=average_minutes,
        sessions_this_week=week,
        sessions_this_month=history.between(today - MONTH, today).sessions,
        sessions_before=history.between(today - 2 * WEEK, today - WEEK - 1).sessions,
        current_streak=streak,
        longest_streak=history.longest_streak(today),
        last_day=last,
        days_away=away,
        preferred_times=preferred_times(history),
        dropout_risk=dropout_risk(away, week, streak, average_minutes),
    )


def dropout_risk(
    days_away: int | None, sessions_this_week: int, streak: int, average_minutes: float
) -> float:
    """How likely somebody is to stay away, 0 to 1; ``days_away`` None: never there.

    0.5 for who never played, else 0.3 after more than seven days and 0.1 after more than three;
    0.2 without a session this week, 0.1 with one; −0.2 from seven days in a row on, −0.1 from
    three; 0.1 for sessions under ten minutes. The source's 4.3.
    """
    risk = 0.0
    if days_away is None:
        risk += 0.5
    elif days_away > 7:
        risk += 0.3
    elif days_away > 3:
        risk += 0.1
    if sessions_this_week < 2:
        risk += 0.1 if sessions_this_week else 0.2
    if streak >= 3:
        risk -= 0.2 if streak >= 7 else 0.1
    if average_minutes < 10:
        risk += 0.1
    return _within(risk)


def part_of(hour: int) -> DayPart:
    """Morning from 5 to 12 o'clock, afternoon to 17, else evening."""
    if 5 <= hour < 12:
        return "morning"
    return "afternoon" if 12 <= hour < 17 else "evening"


def preferred_times(history: PlayHistory) -> tuple[DayPart, ...]:
    counts: dict[DayPart, int] = {}
    for hour, starts in history.hours:
        counts[part_of(hour)] = counts.get(part_of(hour), 0) + starts
    order: tuple[DayPart, ...] = ("morning", "afternoon", "evening")
    return tuple(sorted(counts, key=lambda part: (-counts[part], order.index(part))))


# --- momentum and trends ----------------------------------------


def momentum(markers: int, streak: int, sessions_this_week: int) -> float:
    """0.3, and up to 0.3 for markers (0.02 each), 0.2 for the streak (0.01 a day) and 0.2 for
    sessions this week (0.05 each); 0 to 1. The source's 4.4."""
    return _within(
        0.3
        + min(0.3, 0.02 * markers)
        + min(0.2, 0.01 * streak)
        + min(0.2, 0.05 * sessions_this_week)
    )


def readiness(momentum: float, milestones: int, streak: int) -> float:
    """0.2, and 0.3 of the momentum, up to 0.3 for milestones of merit (0.05 each) and 0.2 for the
    streak (0.01 a day); 0 to 1. The source's 4.4."""
    return _within(0.2 + 0.3 * momentum + min(0.3, 0.05 * milestones) + min(0.2, 0.01 * streak))


def progress_trend(
    markers: int, sessions_this_week: int, streak: int, risk: float
) -> ProgressTrend:
    """Improving from 10 markers, 3 sessions this week and 5 days on, stable from 5, 2 and 2;
    declining without a session this week or with a risk above 0.6; else stable. The source's 4.5.
    """
    if markers >= 10 and sessions_this_week >= 3 and streak >= 5:
        return "improving"
    if markers >= 5 and sessions_this_week >= 2 and streak >= 2:
        return "stable"
    return "declining" if not sessions_this_week or risk > 0.6 else "stable"


def engagement_trend(this_week: int, before: int, risk: float) -> EngagementTrend:
    """Sessions of this week against those of the 8th to 14th day before today: more are
    increasing, fewer with a risk above 0.4 decreasing, else stable. The source's 4.5."""
    if this_week > before:
        return "increasing"
    return "decreasing" if this_week < before and risk > LAPSING else "stable"


# --- in words ----------------------------------------

SKILLED: Final = "Skill Development"
UNSKILLED: Final = "Skill Acquisition"


def strengths(seen: Engagement, skills: int, breakthroughs: int) -> tuple[str, ...]:
    """The source's 4.6."""
    return tuple(
        words
        for holds, words in (
            (seen.current_streak >= 7, "Consistent Engagement"),
            (skills >= 5, SKILLED),
            (breakthroughs >= 2, "Insight and Breakthroughs"),
            (seen.sessions > 0 and seen.average_minutes >= 30, "Sustained Focus"),
            (seen.sessions_this_week >= 4, "Regular Practice"),
        )
        if holds
    )


def challenges(seen: Engagement, skills: int, breakthroughs: int) -> tuple[str, ...]:
    """The source's 4.6; none for who never played, to whom nothing has been hard yet."""
    if not seen.sessions:
        return ()
    return tuple(
        words
        for holds, words in (
            (seen.dropout_risk >= AT_RISK, "Coming Back"),
            (skills < 2, UNSKILLED),
            (seen.average_minutes < 15, "Time in a Session"),
            (not breakthroughs, "Breaking Through"),
            (not seen.sessions_this_week, "A Steady Rhythm"),
        )
        if holds
    )


def next_goals(seen: Engagement, skills: int, breakthroughs: int) -> tuple[str, ...]:
    """The first three of the source's 4.6; for who never played the first session."""
    if not seen.sessions:
        return ("Play a first session",)
    streak = seen.current_streak
    found = (
        (streak < 7, "Play on seven days in a row"),
        (7 <= streak < 14, "Keep going for fourteen days in a row"),
        (skills < 5, "Acquire five skills"),
        (5 <= skills < 10, "Acquire ten skills"),
        (not breakthroughs, "Reach a first breakthrough"),
        (0 < breakthroughs < 3, "Reach three breakthroughs"),
        (seen.average_minutes < 20, "Stay for twenty minutes a session"),
    )
    return tuple(words for holds, words in found if holds)[:3]


def adjustments(
    seen: Engagement, breakthroughs: int, momentum: float, readiness: float
) -> tuple[str, ...]:
    """How sessions could be led otherwise; the source's 4.6. None for who never played."""
    if not seen.sessions:
        return ()
    found = (
        (seen.dropout_risk >= AT_RISK, "Offer short sessions, at whatever time suits the player"),
        (seen.average_minutes < 15, "Make sessions more engaging, or plan them shorter"),
        (momentum < 0.5, "Lower the difficulty until things move again"),
        (not breakthroughs, "Leave more room for reflection"),
        (readiness > 0.7, "Go on to more demanding themes"),
    )
    return tuple(words for holds, words in found if holds)


# --- approaches and worlds ----------------------------------------


def favourite_approach(history: PlayHistory) -> TherapeuticApproach | None:
    """The one most time was spent under; None: none was ever set."""
    return _most(history.deeds.approaches, lambda part: part.active_ms)


def best_approach(history: PlayHistory) -> TherapeuticApproach | None:
    """The one whose sessions came nearest to half an hour, by the mean of min(1, minutes / 30);
    None: no session with one is over. The source's 4.8."""
    return _most(history.deeds.approaches, lambda part: part.effectiveness)


def best_world(history: PlayHistory) -> str | None:
    """As :func:`best_approach`, of worlds."""
    return _most(history.worlds, lambda part: part.effectiveness)


def _most(parts: dict[K, Part], measure: Callable[[Part], float]) -> K | None:
    """The key of the part that has most of something; of equals the one with more sessions, then
    the first by name. None: no part has any."""
    found = [key for key, part in parts.items() if measure(part) > 0]
    if not found:
        return None
    return min(found, key=lambda key: (-measure(parts[key]), -parts[key].sessions, key))


# --- all of it ----------------------------------------


@dataclass(frozen=True, slots=True)
class Summary:
    """How a player comes on, at a moment.

    Attributes:
        milestones: passed; ahead: not.
        momentum, readiness, overall: 0 to 1.
    """

    engagement: Engagement
    markers: int
    skills: int
    breakthroughs: int
    milestones: int
    ahead: int
    momentum: float
    readiness: float
    overall: float
    progress_trend: ProgressTrend
    engagement_trend: EngagementTrend
    strengths: tuple[str, ...]
    challenges: tuple[str, ...]
    next_goals: tuple[str, ...]
    adjustments: tuple[str, ...]
    favourite_approach: TherapeuticApproach | None
    best_approach: TherapeuticApproach | None
    best_world: str | None


def overall(achieved: int, ahead: int, momentum: float, streak: int) -> float:
    """0.4 of the share of milestones that were reached, if there are any, 0.3 of the momentum,
    and 0.3 of the streak's share of thirty days; 0 to 1. The source's 1.6."""
    share = achieved / (achieved + ahead) if achieved + ahead else 0.0
    return _within(0.4 * share + 0.3 * momentum + 0.3 * min(1.0, streak / 30))


def summary(history: PlayHistory, now: int, zone: tzinfo) -> Summary:
    """``now`` in ms since 1970 UTC; days are those of ``zone``."""
    seen = engagement(history, now, zone)
    reached = {one.id for one in passed(history)} | history.deeds.milestones.keys()
    ahead = len(upcoming(history, day_of(now, zone)))
    markers, skills, broke = history.achieved, history.skills, history.breakthroughs
    streak, week, risk = seen.current_streak, seen.sessions_this_week, seen.dropout_risk
    going = momentum(markers, streak, week)
    ready = readiness(going, merits(tuple(reached)), streak)
    return Summary(
        engagement=seen,
        markers=markers,
        skills=skills,
        breakthroughs=broke,
        milestones=len(reached),
        ahead=ahead,
        momentum=going,
        readiness=ready,
        overall=overall(len(reached), ahead, going, streak),
        progress_trend=progress_trend(markers, week, streak, risk),
        engagement_trend=engagement_trend(week, seen.sessions_before, risk),
        strengths=strengths(seen, skills, broke),
        challenges=challenges(seen, skills, broke),
        next_goals=next_goals(seen, skills, broke),
        adjustments=adjustments(seen, broke, going, ready),
        favourite_approach=favourite_approach(history),
        best_approach=best_approach(history),
        best_world=best_world(history),
    )


# --- effectiveness ----------------------------------------


class Metric(NamedTuple):
    """One measure; value and confidence 0 to 1."""

    name: str
    value: float
    confidence: float


class Ranked(NamedTuple):
    """An approach; ``value``: the mean of min(1, minutes / 30) over its sessions."""

    approach: TherapeuticApproach
    sessions: int
    value: float


@dataclass(frozen=True, slots=True)
class Effectiveness:
    """What some days brought.

    Attributes:
        first, last: days since 1970, both included.
        overall: 0 to 0.8, the sum of value times confidence by three.
        level: high from 0.8 on, good from 0.6, moderate from 0.4, else low.
        emotional_regulation, coping, self_awareness: 0 to 1.
        goals_in_progress: sessions that have not ended.
        most, least: approaches from 0.7 up, to 0.4 down, by sessions that ended in that time.
    """

    first: int
    last: int
    sessions: int
    overall: float
    level: Literal["high", "good", "moderate", "low"]
    metrics: tuple[Metric, ...]
    emotional_regulation: float
    coping: float
    self_awareness: float
    goals_achieved: int
    goals_in_progress: int
    most: tuple[Ranked, ...]
    least: tuple[Ranked, ...]
    advice: tuple[str, ...]


HIGH: Final = 0.8
GOOD: Final = 0.6
MODERATE: Final = 0.4
BEST: Final = 0.7
WORST: Final = 0.4


def effectiveness_metrics(sessions: int, skills: int, breakthroughs: int) -> tuple[Metric, ...]:
    """The source's 4.8: sessions of 20, skills of 10, breakthroughs of 3."""
    return (
        Metric("engagement_rate", _within(sessions / 20), 0.9),
        Metric("skill_acquisition_rate", _within(skills / 10), 0.8),
        Metric("breakthrough_frequency", _within(breakthroughs / 3), 0.7),
    )


def effectiveness_overall(metrics: Sequence[Metric]) -> float:
    """The sum of value times confidence by their number, rounded to six places: at its most it is
    0.8, where sums of floats stay a hair below."""
    return _within(sum(one.value * one.confidence for one in metrics) / len(metrics))


def ranked(played: Iterable[Played]) -> list[Ranked]:
    """Approaches by their sessions, the best first."""
    parts: dict[TherapeuticApproach, Part] = {}
    for one in played:
        for approach in one.approaches:
            part = parts.get(approach, Part())
            parts[approach] = part._replace(
                sessions=part.sessions + 1, full_ms=part.full_ms + min(FULL_MS, one.active_ms)
            )
    found = [Ranked(key, part.sessions, part.effectiveness) for key, part in parts.items()]
    return sorted(found, key=lambda one: (-one.value, -one.sessions, one.approach))


_ADVICE: Final[dict[str, tuple[str, ...]]] = {
    "high": ("This works very well: go on with it.",),
    "good": ("This works well: keep the rhythm.",),
    "moderate": ("This begins to work: name the next goal.",),
    "low": (
        "Adjust the approach to what the player likes to do.",
        "Adjust how often and how long sessions are.",
    ),
}


def effectiveness(history: PlayHistory, now: int, zone: tzinfo, days: int = 30) -> Effectiveness:
    """What the last ``days`` (1 to 60, today included) brought; nothing before counts."""
    last = day_of(now, zone)
    first = last - min(MAX_DAYS, max(1, days)) + 1
    told = history.between(first, last)
    metrics = effectiveness_metrics(told.sessions, told.skills, told.breakthroughs)
    value = effectiveness_overall(metrics)
    level: Literal["high", "good", "moderate", "low"] = "low"
    if value >= HIGH:
        level = "high"
    elif value >= GOOD:
        level = "good"
    elif value >= MODERATE:
        level = "moderate"
    ranking = ranked(one for one in history.recent if first <= one.day <= last)
    advice = _ADVICE[level] if history.sessions else ("The first session is where it begins.",)
    return Effectiveness(
        first=first,
        last=last,
        sessions=told.sessions,
        overall=value,
        level=level,
        metrics=metrics,
        emotional_regulation=_within(0.1 * told.skills),
        coping=_within(0.15 * told.skills),
        self_awareness=_within(0.2 * told.insights),
        goals_achieved=told.goals,
        goals_in_progress=len(history.live),
        most=tuple(one for one in ranking if one.value >= BEST),
        least=tuple(one for one in reversed(ranking) if one.value <= WORST),
        advice=advice,
    )
