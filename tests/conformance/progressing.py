"""The cases of a player's progress: streaks, risk, momentum, trends, milestones, charts.

One law: where a case gives days of play, a real learner plays on them and is looked at; where it
gives figures, the product's own formula is asked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Any, Final

from holodeck.actors.learner.player.charts import charts
from holodeck.actors.learner.player.days import DAY_MS, HOUR_MS, day_of
from holodeck.actors.learner.player.milestones import (
    BY_TITLE,
    FAMILIES,
    achievement_value,
    celebration,
    highlights,
    level,
    milestone_value,
    next_title,
)
from holodeck.actors.learner.player.progress import (
    dropout_risk,
    effectiveness_metrics,
    effectiveness_overall,
    engagement,
    engagement_trend,
    momentum,
    part_of,
    progress_trend,
    readiness,
    summary,
)
from holodeck.actors.learner.player.recommend import recommendations
from holodeck.messages.player import MarkerType
from tests.conformance.figures import (
    Figure,
    Figures,
    Listed,
    answered,
    each,
    like,
    order,
    otherwise,
)
from tests.conformance.player_models import first_of
from tests.conformance.runner import Adapter, Case, OfCase, Otherwise
from tests.conformance.shapes import has, unknown
from tests.conformance.words import Said
from tests.player_experience.unit.plays import NOW, Life

MORNING: Final = NOW - 3 * HOUR_MS
MINUTES: Final = 30
"""How long a session is where a case does not say."""
MARKERS: Final = tuple(str(kind) for kind in MarkerType)
_GIVEN: Final = (*MARKERS, "minutes", "skills", "breakthroughs")

# --- a learner that plays ----------------------------------------


def _played(days_ago: Sequence[int], given: Mapping[str, Any]) -> Life:
    """A session on each of those days, the markers a case names one a session, in turn."""
    life = Life()
    life.settle()
    kinds = {"skills": MarkerType.SKILL_ACQUIRED, "breakthroughs": MarkerType.BREAKTHROUGH}
    wanted = [
        kinds.get(name) or MarkerType(name)
        for name in (*MARKERS, *kinds)
        for _ in range(given.get(name, 0))
    ]
    days = sorted(days_ago, reverse=True)
    for n, ago in enumerate(days):
        own = wanted[n :: len(days)]
        at = MORNING - ago * DAY_MS + n  # of two on one day the later one begins later
        life.play(at, given.get("minutes", MINUTES), own)
    return life


def _facts(life: Life) -> dict[str, Any]:
    """All that is told of one who has played like this."""
    told, today = summary(life.history, NOW, UTC), day_of(NOW, UTC)
    seen = told.engagement
    advice = recommendations(life.history, life.state.player, NOW, UTC)
    looked_back = highlights(life.history)
    titles = [one.title for one in looked_back]
    return {
        "current": seen.current_streak,
        "longest": life.history.longest_streak(today),
        "streak": seen.current_streak,
        "total_sessions": seen.sessions,
        "total_minutes": seen.minutes,
        "average_minutes": seen.average_minutes,
        "sessions_this_week": seen.sessions_this_week,
        "sessions_this_month": seen.sessions_this_month,
        "dropout_risk": seen.dropout_risk,
        "momentum": told.momentum,
        "readiness": told.readiness,
        "overall_score": told.overall,
        "progress_trend": told.progress_trend,
        "trend": told.progress_trend,
        "engagement_trend": told.engagement_trend,
        "strengths": list(told.strengths),
        "challenges": list(told.challenges),
        "milestones": [one["title"] for one in life.view("milestones")["achieved"]],
        "recommendation types": [one.type for one in advice],
        "recommendation priorities": [one.priority for one in advice],
        "recommendation titles": [one.title for one in advice],
        "count": Figure(len(advice)),
        "priorities": order([one.priority for one in advice]),
        "types": Figure(len({one.type for one in advice})),
        "highlight": titles,
        "title": Listed(tuple(titles)),
        "highlight_type": Listed(tuple(one.type for one in looked_back)),
    }


def _told(case: Case, life: Life) -> Any:
    life.owe()
    facts = _facts(life)
    got = answered(case.expected, facts)
    wanted = case.expected if isinstance(case.expected, Mapping) else {}
    if isinstance(wanted.get("milestones"), list):
        return _with_minutes(case, got)
    if "highlight_type" in got or "title mentions" in got:
        return _of_one(got, life, wanted)
    return got


def _with_minutes(case: Case, got: dict[str, Any]) -> Otherwise:
    """Minutes are counted as milestones here; in all else the titles are the expected ones."""
    minutes = {title for title, one in BY_TITLE.items() if one.family == "minutes"}
    wanted = case.expected["milestones"]
    places = {title: place for place, title in enumerate(wanted)}
    # Milestones of one moment have no order of their own.
    got["milestones"] = sorted(
        got["milestones"], key=lambda one: (places.get(one, len(places)), one)
    )
    extra = [title for title in got["milestones"] if title in minutes and title not in places]
    return otherwise(
        case,
        got,
        "docs/progress.md",
        "a milestone of minutes comes with them",
        milestones=[*wanted, *extra],
    )


def _of_one(got: dict[str, Any], life: Life, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Type and title are those of one highlight."""
    title = str(next((value for key, value in wanted.items() if "title" in key), ""))
    one = next((h for h in highlights(life.history) if title.lower() in h.title.lower()), None)
    if one is not None:
        got["highlight_type"] = one.type
    return got


def plays(case: Case) -> Any:
    given = case.input
    if has(given, "summaries") and given["summaries"] == 0:
        return _facts(Life())
    if has(given, "days_ago", maybe=_GIVEN) and (
        isinstance(case.expected, int | Mapping | str | float)
    ):
        life = _played(given["days_ago"], given)
        if isinstance(case.expected, Mapping):
            return _told(case, life)
        return Figures(current=engagement(life.history, NOW, UTC).current_streak)
    if has(given, "daily", maybe=_GIVEN):
        life = _played(range(given["daily"]), given)
        if isinstance(case.expected, Mapping):
            return _told(case, life)
        if "streak" in case.name and "highlight" in case.name:
            titles = [one.title for one in highlights(life.history) if "Streak" in one.title]
            most = max((titles.count(title) for title in titles), default=0)
            return Figure(most)
    raise unknown(case.area, given)


def detected(case: Case) -> Any:
    """Milestones are looked for one time after the other."""
    if not has(case.input, "detect", maybe=("daily", *_GIVEN)):
        raise unknown(case.area, case.input)
    life = _played(range(case.input.get("daily", 10)), case.input)
    found = [life.owe() for _ in range(case.input["detect"])]
    facts = [
        f"{ordinal} call returns {'none' if not titles else 'some'}"
        for ordinal, titles in zip(_NTH, found, strict=False)
    ]
    return Said([len(titles) for titles in found], tuple(facts))


_NTH: Final = ("first", "second", "third", "fourth", "fifth")


# --- formulas ----------------------------------------


def figures(case: Case) -> Any:
    given = case.input
    if has(given, "days_since_last", "sessions_this_week", "streak", "average_minutes"):
        return dropout_risk(
            given["days_since_last"],
            given["sessions_this_week"],
            given["streak"],
            given["average_minutes"],
        )
    if has(given, "markers", "streak", "sessions_this_week"):
        return momentum(given["markers"], given["streak"], given["sessions_this_week"])
    if has(given, "momentum", "milestones", "streak"):
        return readiness(given["momentum"], given["milestones"], given["streak"])
    if has(given, "markers", "week", "streak", "risk"):
        return progress_trend(given["markers"], given["week"], given["streak"], given["risk"])
    if has(given, "week", "before", "risk"):
        return engagement_trend(given["week"], given["before"], given["risk"])
    if has(given, "hours"):
        return like(given["hours"], [part_of(hour) for hour in each(given["hours"])])
    if has(given, "thresholds"):
        return [level(one) for one in given["thresholds"]]
    if has(given, "interventions", "titles"):
        return [achievement_value(one, given["interventions"]) for one in given["titles"]]
    if has(given, "sessions", "skills", "breakthroughs"):
        metrics = effectiveness_metrics(given["sessions"], given["skills"], given["breakthroughs"])
        return {
            "values": [one.value for one in metrics],
            "confidences": [one.confidence for one in metrics],
            "overall": _rounded(effectiveness_overall(metrics), case),
        }
    raise unknown(case.area, given)


def _rounded(value: float, case: Case) -> float:
    """To as many places as a case writes, four at least."""
    wanted = case.expected.get("overall") if isinstance(case.expected, Mapping) else None
    _, _, places = repr(wanted).partition(".")
    return round(value, max(4, len(places))) if places.isdigit() else value


def titles(case: Case) -> Any:
    """The name says what of a milestone is asked."""
    if not has(case.input, "title", maybe=("approaches",)):
        raise unknown(case.area, case.input)
    asked, name = case.input["title"], case.name.lower()
    if "value" in name or "worth" in name:
        approaches = case.input.get("approaches", 0)
        return like(asked, [milestone_value(one, approaches) for one in each(asked)])
    if "celebrat" in name:
        return like(asked, [celebration(one) for one in each(asked)])
    if "next" in name or "following" in name:
        return _next(case, each(asked))
    raise unknown(case.area, case.input)


def _next(case: Case, asked: Sequence[str]) -> Otherwise:
    """Where the cases know none, the next threshold of the family is what was decided."""
    got = [next_title(one) for one in asked]
    decided = []
    for title, wanted in zip(asked, each(case.expected), strict=False):
        one = BY_TITLE.get(title)
        if wanted is None and one is not None:
            family = FAMILIES[one.family]
            wanted = next((family.title(n) for n in family.steps if n > one.threshold), None)
        decided.append(wanted)
    return otherwise(
        case,
        like(case.input["title"], got),
        "docs/progress.md",
        "the next milestone of its family, where the source knows nothing",
        decided=like(case.input["title"], decided),
    )


# --- charts ----------------------------------------


def _ago(words: str) -> int:
    """How many days before today a word means."""
    number = re.match(r"(\d+) days? ago", words)
    if number:
        return int(number[1])
    return {"today": 0, "yesterday": 1}[words]


def drawn(case: Case) -> Any:
    given = case.input
    if has(given, "days") and isinstance(given["days"], list | int):
        life = Life()
        found = [charts(life.history, NOW, UTC, days) for days in each(given["days"])]
        return like(given["days"], [len(one.buckets) for one in found])
    if has(given, "days", "sessions", maybe=("minutes",)):
        life = Life()
        life.settle()
        for words, count in given["sessions"].items():
            life.days([_ago(words)] * count, given.get("minutes", MINUTES))
        told = life.view("charts", days=given["days"])
        got: dict[str, Any] = {"buckets": len(told["buckets"])}
        for key, wanted in case.expected.items():
            for name in ("sessions", "minutes", "markers"):
                if name in key:
                    last = len(wanted) if "tail" in key and isinstance(wanted, list) else None
                    got[key] = told[name][-last:] if last else told[name]
        return got
    raise unknown(case.area, given)


def progress(case: Case) -> Any:
    """Whichever knows the shape."""
    return first_of(case, (plays, detected, figures, titles, drawn))


ADAPTERS: Final[dict[str, Adapter]] = {"progress": OfCase(progress)}
