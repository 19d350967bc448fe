"""The cases of what a player says of its sessions, what it is recommended, and of its settings.

One law: a feedback is given and settings are changed by a real player; recommendations are those a
real learner gets that said and did what a case gives.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC
from typing import Any, Final

from pydantic import ValidationError

from holodeck.actors.learner.player.recommend import Recommendation, combined, personal
from holodeck.actors.learner.player.settings import conflicts, migrated, valid
from holodeck.messages.player import (
    Boundary,
    ChangePlayerSettings,
    FeedbackGiven,
    GiveFeedback,
    IntensityLevel,
    PlayerSettings,
    SessionInteracted,
    TherapeuticApproach,
)
from tests.conformance.figures import Figure, Listed, answered, each, like, tried
from tests.conformance.player_models import first_of
from tests.conformance.runner import Adapter, Case, OfCase
from tests.conformance.shapes import has, unknown
from tests.conformance.words import NUMBERS, Said
from tests.player_experience.unit.folk import Folk
from tests.player_experience.unit.plays import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    NOW,
    Life,
    begun,
    five_daily,
)

# --- feedback ----------------------------------------

SAYS: Final = ("rating", "text", "preference_changes", "crisis_types")


def feedback(case: Case) -> Any:
    given = case.input
    if not any(has(given, one) for one in SAYS):
        raise unknown(case.area, given)
    ((what, value),) = given.items()
    if what == "preference_changes":
        value = json.dumps(value)
    folk = Folk.made()
    found: list[Any] = []

    def give() -> None:
        # As a client sends it, in JSON: a list is a list, and a text no number.
        body = json.dumps({"feedback_id": "f", what: value})
        found.extend(folk.does(GiveFeedback.model_validate_json(body)))

    tried_so = tried(give)
    if tried_so.value != "ok":
        return tried_so
    told = next(one for one in found if isinstance(one, FeedbackGiven))
    results = {
        "changes": list(told.changes),
        "confidence": told.confidence,
        "approval": told.approval,
        "type": told.feedback_type,
    }
    return answered(case.expected, results) or results


# --- recommendations ----------------------------------------


def _said(life: Life, days_ago: int, **what: Any) -> None:
    number = 0 if life.state.player is None else len(life.state.player.feedback)
    body = GiveFeedback(feedback_id=f"f{number}", **what)
    folk = Folk(state=life.state, sequence=life.sequence, at=NOW - HOUR_MS - days_ago * DAY_MS)
    folk.does(body)
    life.state, life.sequence = folk.state, folk.sequence


def _advised(case: Case, found: list[Recommendation]) -> Any:
    """All of it in a list; of the first, where one is spoken of."""
    if not isinstance(case.expected, Mapping):
        if isinstance(case.expected, list):
            return [one.title for one in found]
        return Said(len(found) or None, () if found else ("none", "nothing", "no recommendation"))
    topics = Listed(tuple(f"{one.title} {one.type}" for one in found))
    results = {
        "priority": found[0].priority if found else None,
        "topic": topics,
        "type": found[0].type if found else None,
        "types": [one.type for one in found],
        "titles": [one.title for one in found],
        "recommendation title": Listed(tuple(one.title for one in found)),
        "count": len(found),
    }
    return answered(case.expected, results)


def recommended(case: Case) -> Any:
    """Of one who plays every day, so that nothing else is recommended for what it said."""
    given = case.input
    life = five_daily()
    if has(given, "ratings", maybe=("days_ago",)):
        for rating in given["ratings"]:
            _said(life, given.get("days_ago", 0), rating=rating)
    elif has(given, "texts", maybe=("days_ago",)):
        for text in given["texts"]:
            _said(life, given.get("days_ago", 0), text=text)
    elif has(given, "stress_level"):
        life.tell("s", begun(), NOW - HOUR_MS)
        felt = json.dumps({"stress_level": given["stress_level"]})
        life.tell("s", SessionInteracted(number=1, emotional_state=felt), NOW - HOUR_MS + MINUTE_MS)
    elif has(given, "hour") or has(given, "local_hour"):
        (hour,) = given.values()
        now = NOW + (hour - 12) * HOUR_MS
        life.play(now - HOUR_MS, 10)
        return _advised(case, personal(life.history, life.state.player, now, UTC))
    else:
        raise unknown(case.area, given)
    return _advised(case, personal(life.history, life.state.player, NOW, UTC))


def _rows(given: list[Any], name: str) -> Iterator[Recommendation]:
    """Rows of id, title, type and priority; or words: ``ten more with priority 5``."""
    for nth, row in enumerate(given):
        if not isinstance(row, str):
            identity, title, kind, priority = row
            yield Recommendation(id=identity, title=title, type=kind, priority=priority)
            continue
        told = re.match(r"(?P<many>\w+) more with priority (?P<priority>\d)", row)
        if told is None:
            raise unknown("personalization", given)
        many = told["many"]
        for n in range(int(many) if many.isdigit() else NUMBERS.index(many)):
            title = f"{name} {nth} more {n}"
            yield Recommendation(id=title, title=title, type="x", priority=int(told["priority"]))


def joined(case: Case) -> Any:
    given = case.input
    if has(given, "progress", "personal"):
        found = combined(_rows(given["progress"], "progress"), _rows(given["personal"], "personal"))
        rows = [*given["progress"], *given["personal"]]
        named = {row[0] for row in rows if not isinstance(row, str)}
        ids = [one.id for one in found]
        # Those that were only counted have no ids a case could name.
        return {"ids": [one for one in ids if one in named], "length": len(ids)}
    if has(given, "today", maybe=("yesterday",)):
        life = Life()
        life.settle()
        for ago, name in enumerate(("today", "yesterday")):
            for n, minutes in enumerate(given.get(name, ())):
                at = NOW - 9 * HOUR_MS - ago * DAY_MS + n * HOUR_MS
                life.play(at, minutes)
        return life.view("dashboard")["total_session_time_today"]
    raise unknown(case.area, given)


def personalization(case: Case) -> Any:
    """Whichever knows the shape."""
    return first_of(case, (feedback, recommended, joined))


# --- settings ----------------------------------------

_SHORT: Final = {
    "act": TherapeuticApproach.ACCEPTANCE_COMMITMENT,
    "dbt": TherapeuticApproach.DIALECTICAL_BEHAVIORAL,
    "sfbt": TherapeuticApproach.SOLUTION_FOCUSED,
    "humanistic": TherapeuticApproach.HUMANISTIC,
}


def _approach(word: str) -> TherapeuticApproach:
    if word.lower() in _SHORT:
        return _SHORT[word.lower()]
    if word.upper() in TherapeuticApproach.__members__:
        return TherapeuticApproach[word.upper()]
    return TherapeuticApproach(word)


def _approaches(value: Any) -> dict[str, Any]:
    return {"preferred_approaches": tuple(_approach(one) for one in each(value))}


def _bound(kind: str) -> Callable[[Any], dict[str, Any]]:
    def boundary(topics: Any) -> dict[str, Any]:
        own = Boundary.model_validate(
            {"boundary_id": kind, "boundary_type": kind, "topics": tuple(each(topics))}
        )
        return {"boundaries": (own,)}

    return boundary


_SETTINGS: Final[dict[str, Callable[[Any], dict[str, Any]]]] = {
    "intensity": lambda value: {"intensity_level": IntensityLevel(value)},
    "approach": _approaches,
    "approaches": _approaches,
    "preferred_approaches": _approaches,
    "secondary": lambda value: {"secondary_approaches": _approaches(value).popitem()[1]},
    "comfort": lambda value: {"comfort_topics": tuple(each(value))},
    "avoid": lambda value: {"avoid_topics": tuple(each(value))},
    "pacing": lambda value: {"pacing_preference": value},
    "avoid_topic": _bound("avoid_topic"),
    "comfort_topic": _bound("comfort_topic"),
}
"""What a case calls a setting; every other key is one's own name."""
_LISTS: Final = frozenset(_SETTINGS) - {"intensity", "pacing"}


def _settings(given: Mapping[str, Any]) -> PlayerSettings:
    wanted: dict[str, Any] = {}
    for name, value in given.items():
        own = _SETTINGS[name](value) if name in _SETTINGS else {name: value}
        boundaries = (*wanted.get("boundaries", ()), *own.get("boundaries", ()))
        wanted |= own | ({"boundaries": boundaries} if boundaries else {})
    return PlayerSettings(**wanted)


def _conflicting(case: Case, held: PlayerSettings) -> Any:
    """Of one conflict its name, severity and whether it is mended; else how many there are."""
    found = conflicts(held)
    worst = max(found, key=lambda one: _WORST.index(one.severity), default=None)
    results: dict[str, Any] = {"valid": valid(held), "conflicts": len(found)}
    if worst is not None:
        results |= {
            "conflict": worst.name,
            "severity": worst.severity,
            "auto_resolvable": worst.auto_resolvable,
        }
    return results


_WORST: Final = ("warning", "error", "critical")


def validated(case: Case) -> Any:
    given = case.input
    if not isinstance(given, Mapping) or not given:
        raise unknown(case.area, given)
    if set(given) == {"intensity"} and _numbers(given["intensity"]):
        levels = [tried_level(one) for one in each(given["intensity"])]
        return like(given["intensity"], levels)
    known = {*_SETTINGS, *PlayerSettings.model_fields} - {"version"}
    if not set(given) <= known:
        raise unknown(case.area, given)
    more = dict(given)
    # A case of an approach may name it in its name alone.
    if not {"approach", "approaches", "preferred_approaches"} & set(given):
        words = re.findall(r"\w+", case.name.lower())
        named = [word for word in words if word in {"dbt", "cbt", "mindfulness", "humanistic"}]
        more |= {"approach": named} if named else {}
    rows = [
        name
        for name, value in given.items()
        if isinstance(value, list) and name not in _LISTS and name not in _TUPLES
    ]
    if not rows:
        return _conflicting(case, _settings(more))
    if len(rows) != 1:
        raise unknown(case.area, given)
    (name,) = rows
    found = [conflicts(_settings({**more, name: value})) for value in given[name]]
    return [0 if not told else told[0].severity for told in found]


_TUPLES: Final = frozenset(name for name, value in PlayerSettings() if isinstance(value, tuple))


def _numbers(value: Any) -> bool:
    return all(isinstance(one, int | float) for one in each(value))


def tried_level(intensity: float) -> Any:
    """The level of a float of an older client; or why there is none."""
    found: list[str] = []
    attempt = tried(
        lambda: found.append(migrated({"intensity_level": intensity}).intensity_level.value)
    )
    return found[0] if found else attempt


_CONFLICTS: Final[dict[str, dict[str, Any]]] = {
    "critical": {"intensity": "high", "crisis_monitoring_enabled": False},
    "error": {"comfort": ["family"], "avoid": ["family"]},
    "warning": {"pacing": "slow", "challenge_tolerance": 0.9},
}


def resolved(case: Case) -> Any:
    """A player wants settings with a conflict of that severity; what is stored of them."""
    if not has(case.input, "resolve") or case.input["resolve"] not in _CONFLICTS:
        raise unknown(case.area, case.input)
    folk = Folk.made()
    before, owner = folk.player.settings.version, folk.player.id
    wanted = _settings(_CONFLICTS[case.input["resolve"]])
    folk.does(ChangePlayerSettings(settings=wanted))
    held = folk.player.settings
    # Settings have no id of their own: they are their player's, in versions.
    same = ("same",) if folk.player.id == owner else ()
    return held.model_dump(mode="json") | {
        "version": Figure(held.version - before),
        "settings_id": Said(folk.player.id, same),
        "valid": valid(held),
        "conflicts": len(conflicts(held)),
    }


def settings(case: Case) -> Any:
    """Whichever knows the shape."""
    try:
        return first_of(case, (resolved, validated))
    except (ValidationError, ValueError) as error:
        wrong = error

    def again() -> None:
        raise wrong

    return tried(again)


ADAPTERS: Final[dict[str, Adapter]] = {
    "personalization": OfCase(personalization),
    "settings": OfCase(settings),
}
