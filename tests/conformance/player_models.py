"""The cases of the player's models: ranges, words, characters, goals, markers, milestones.

One law: a value is given to the model or the rule that takes it in the product; what none takes is
told with what the product does instead.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC
from functools import partial
from typing import Any, Final, cast

from pydantic import BaseModel

from holodeck.actors.learner.player.milestones import highlights
from holodeck.actors.learner.player.progress import (
    dropout_risk,
    momentum,
    overall,
    readiness,
)
from holodeck.actors.learner.player.recommend import (
    Recommendation,
    combined,
    recommendations,
)
from holodeck.actors.learner.player.worlds import Factor, weighted
from holodeck.actors.session.playing.view import continuity
from holodeck.deck import Deck
from holodeck.messages.errors import HolodeckError
from holodeck.messages.ids import check_id
from holodeck.messages.player import (
    Appearance,
    Background,
    Boundary,
    Character,
    CreatePlayer,
    CrisisContact,
    CrisisResource,
    CrisisType,
    FlagSafety,
    GiveFeedback,
    Goal,
    Interact,
    MarkerType,
    PlayerSettings,
    Prerequisite,
    PrivacySettings,
    ProgressGoal,
    ProgressMarker,
    PutCharacter,
    RemoveCharacter,
    SafetyFinding,
    TherapeuticPreferences,
    TherapeuticProfile,
    TherapeuticSettings,
    World,
    WorldParameters,
)
from holodeck.messages.session import SessionKind, SessionStarted, StartSession
from holodeck.player import Player
from tests.actors.session.stories import Story, story
from tests.conformance.figures import (
    Figure,
    Figures,
    each,
    like,
    number_word,
    otherwise,
    tried,
)
from tests.conformance.runner import Adapter, Case, OfCase, UnknownShape
from tests.conformance.shapes import ORDINALS, has, unknown
from tests.conformance.words import Said
from tests.player_experience.unit.folk import Folk, character
from tests.player_experience.unit.plays import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    NOW,
    Life,
    begun,
    daily,
    five_daily,
    mark,
    over,
)

NOWHERE: Final = cast(Deck, None)
"""Nothing is sent: a wrong id is noticed before."""

# --- one value after the other ----------------------------------------

MODELS: Final[dict[str, tuple[type[BaseModel], dict[str, Any]]]] = {
    "preferences": (TherapeuticPreferences, {}),
    "privacy": (PrivacySettings, {}),
    "settings": (PlayerSettings, {}),
    "session": (TherapeuticSettings, {}),
    "world": (WorldParameters, {}),
    "appearance": (Appearance, {}),
    "profile": (CreatePlayer, {"username": "Ana_1", "email": "ana@example.org"}),
    "therapeutic": (TherapeuticProfile, {}),
    "goal": (Goal, {"goal_id": "g", "description": "calm"}),
    "marker": (ProgressMarker, {"marker_id": "m", "marker_type": "insight"}),
    "background": (Background, {"name": "Mira"}),
    "boundary": (Boundary, {"boundary_id": "b", "boundary_type": "other"}),
    "finding": (SafetyFinding, {"types": ["self_harm"], "confidence": 0.5}),
    "contact": (CrisisContact, {}),
    "resource": (
        CrisisResource,
        {"resource_id": "r", "name": "R", "contact_method": "phone", "contact_info": "024"},
    ),
    "template": (World, {"world_id": "w", "name": "World"}),
    "prerequisite": (Prerequisite, {"prerequisite_type": "skill_level"}),
    "feedback": (GiveFeedback, {"feedback_id": "f"}),
}
"""What takes values, by a word, with what it needs besides."""
_WORDS: Final = {"player": "preferences", "default": "", "parameter": "world"}


def _takers(case: Case, field: str) -> Iterator[tuple[type[BaseModel], dict[str, Any]]]:
    """The models that have a field, those the case's name speaks of first."""
    told = [_WORDS.get(word, word) for word in re.findall(r"[a-z]+", case.name.lower())]
    named = [MODELS[word] for word in told if word in MODELS]
    for model, more in (*named, *MODELS.values()):
        if field in model.model_fields:
            yield model, more


def _repeated(value: Any) -> Any:
    """``A*50`` is fifty times A."""
    times = re.fullmatch(r"(.)\*(\d+)", value) if isinstance(value, str) else None
    return times[1] * int(times[2]) if times else value


def _named(name: str, background: str | None = None) -> Character:
    """As a client sends it: the model itself checks its name."""
    own = {"name": name if background is None else background}
    return Character.model_validate({"character_id": "c", "name": name, "background": own})


def _taking(case: Case, field: str) -> tuple[Callable[[Any], Any], bool] | None:
    """What takes a value of that field, and whether a list is one value of it; None: nothing."""
    if field == "player_id":
        return lambda value: Player(NOWHERE, value), False
    if field == "name" and "world" not in case.name.lower():
        return _named, False
    given = each(case.input[field]) if isinstance(case.input, Mapping) else []
    number = any(isinstance(one, int | float) for one in given)
    for model, more in _takers(case, field):
        # Both a player and a session have an intensity: a level of the one, a float of the other.
        if field == "intensity_level" and number is not (model is TherapeuticSettings):
            continue
        begins = more.get(field, model.model_fields[field].get_default(call_default_factory=True))
        many = isinstance(begins, list | tuple)

        def take(value: Any, model: type[BaseModel] = model, more: Any = more) -> Any:
            return model.model_validate({**more, field: value})

        return take, many
    return None


def bounds(case: Case) -> Any:
    """One field, with a value or a list of such; or a list of objects with one each."""
    if isinstance(case.input, list) and case.input:
        rows = [case_of(case, row) for row in case.input]
        return [bounds(row) for row in rows]
    if not has(case.input, *case.input) or len(case.input) != 1:
        raise unknown(case.area, case.input)
    ((field, value),) = case.input.items()
    found = _taking(case, field)
    if found is None:
        raise unknown(case.area, case.input)
    take, many = found
    if many and not any(isinstance(one, list) for one in value):
        got: Any = tried(partial(take, value))
    else:
        got = like(value, [tried(partial(take, _repeated(one))) for one in each(value)])
    words = field == "preferred_approaches" or isinstance(value, str)
    if words and field in ("intensity_level", "preferred_approaches") and isinstance(got, Said):
        return otherwise(
            case, got, "docs/player.md", "a model is what travels: the words of an enum are taken",
            decided="ok",
        )  # fmt: skip
    return got


def case_of(case: Case, row: Any) -> Case:
    """The case with one row of its input in place of all."""
    return Case(case.file, case.place, case.area, case.name, row, case.expected)


def defaults(case: Case) -> Any:
    """Nothing is given: the model the name speaks of, as it begins."""
    if case.input not in ({}, None) or not isinstance(case.expected, Mapping):
        raise unknown(case.area, case.input)
    for key in case.expected:
        for model, more in _takers(case, key):
            return model(**more).model_dump(mode="json")
    raise unknown(case.area, case.input)


# --- what is made here and nowhere taken ----------------------------------------

MADE: Final = "docs/player.md"
MANY: Final = 9**9
WORKED_OUT: Final[dict[str, tuple[Callable[[], float], Callable[[], float]]]] = {
    "therapeutic_momentum": (lambda: momentum(0, 0, 0), lambda: momentum(MANY, MANY, MANY)),
    "readiness_for_advancement": (lambda: readiness(0, 0, 0), lambda: readiness(1, MANY, MANY)),
    "dropout_risk": (lambda: dropout_risk(0, 9, 9, 30), lambda: dropout_risk(None, 0, 0, 0)),
    "dropout_risk_score": (lambda: dropout_risk(0, 9, 9, 30), lambda: dropout_risk(None, 0, 0, 0)),
}
"""Figures no client gives: the least and the most the formula comes to."""


def made_here(case: Case) -> Any:
    """Priorities, momentum and durations: no client gives them; what the product makes of them
    stays within the range that a case would have refused."""
    given = case.input
    if has(given, "priority") and "resource" not in case.name.lower():
        lives = [Life(), five_daily(), daily(15, 35)]
        made = [
            one.priority
            for life in lives
            for one in recommendations(life.history, life.state.player, NOW, UTC)
        ]
        got = {"lowest": Figure(min(made)), "highest": Figure(max(made))}
        reason = "recommendations are made here and nowhere taken from outside; all are 1 to 5"
        return otherwise(case, got, MADE, reason, decided={"lowest": ">=1", "highest": "<=5"})
    for name, (low, high) in WORKED_OUT.items():
        if has(given, name):
            got = {"lowest": Figure(low()), "highest": Figure(high())}
            reason = f"{name} is worked out here and nowhere taken from outside; it is 0 to 1"
            return otherwise(case, got, MADE, reason, decided={"lowest": ">=0", "highest": "<=1"})
    if has(given, "duration_minutes"):
        values = each(given["duration_minutes"])
        if all(value >= 0 for value in values):
            return like(given["duration_minutes"], [_lasts(value) == value for value in values])
        got = {"shortest": Figure(min(map(_lasts, values)))}
        reason = "durations are measured and nowhere taken from outside; none is negative"
        return otherwise(case, got, MADE, reason, decided={"shortest": ">=0"})
    raise unknown(case.area, given)


def _lasts(minutes: float) -> float:
    """What the summary of a session says that is told to have been that long."""
    life = Life()
    life.tell("s", begun(), NOW - HOUR_MS)
    life.tell("s", over(minutes), NOW - HOUR_MS + round(max(0, minutes) * MINUTE_MS))
    return float(life.view("sessions")["sessions"][0]["minutes"])


# --- characters ----------------------------------------


def _cast(*ids: str) -> Folk:
    folk = Folk.made()
    for one in ids:
        folk.does(PutCharacter(character=character(one)))
    return folk


def _plays(folk: Folk, who: str, session: str) -> None:
    """The player begins a session as somebody, as a start asks its learner first.

    Raises:
        RefusedError: it is nobody it plays.
    """
    folk.view("beginning", character=who)
    started = SessionStarted(session_kind=SessionKind.CONVERSATION, learner="ana", character=who)
    folk.hears(session, started)


def characters(case: Case) -> Any:
    given = case.input
    if has(given, "add", maybe=("characters",)):
        if not all(isinstance(one, str) for one in each(given["add"])):
            raise unknown(case.area, given)
        return _added(given)
    if has(given, "characters", "remove", maybe=("active_sessions",)):
        folk = _cast(*given["characters"])
        for who, session in given.get("active_sessions", {}).items():
            _plays(folk, who, session)
        for who in each(given["remove"]):
            folk.does(RemoveCharacter(character=who))
        kept = [one.character.character_id for one in folk.player.active]
        return {"active_sessions": dict(folk.player.open), "characters": kept}
    if has(given, "characters", "set_active_session"):
        folk = _cast(*given["characters"])
        return tried(lambda: _plays(folk, *given["set_active_session"]))
    if has(given, "set", maybe=("characters",)):
        folk = _cast(*dict.fromkeys(who for who, _ in given["set"]))
        for who, session in given["set"]:
            _plays(folk, who, session)
        return dict(folk.player.open)
    raise unknown(case.area, given)


def _added(given: Mapping[str, Any]) -> Any:
    """One after the other; what is refused, by its place, and how many are played afterwards."""
    folk = _cast(*given.get("characters", ()))
    facts: list[str] = []
    last: Said | None = None
    for nth, one in enumerate(each(given["add"])):
        last = tried(partial(folk.does, PutCharacter(character=character(one))))
        if isinstance(last.value, HolodeckError):
            place = ORDINALS[nth] if nth < len(ORDINALS) else str(nth + 1)
            facts += [f"ValueError on the {place} {one}", f"{place} refused"]
    kept = len(folk.player.active)
    assert last is not None
    if not facts:
        return Said("ok", ("all added", "none refused"), {"kept": kept, "characters": kept})
    # Where all there is is one refusal, it is the result itself.
    facts += last.facts if not isinstance(given["add"], list) else ()
    return Said(f"{number_word(kept)} kept", tuple(facts), {"kept": kept, "characters": kept})


def names(case: Case) -> Any:
    given = case.input
    if has(given, "name", "background.name"):
        return tried(lambda: _named(given["name"], given["background.name"]))
    raise unknown(case.area, given)


def goals(case: Case) -> Any:
    if not has(case.input, "update_goal_progress"):
        raise unknown(case.area, case.input)
    found = []
    for value in each(case.input["update_goal_progress"]):
        goal = Goal(goal_id="g", description="calm", progress_percentage=50)
        folk = Folk.made()
        own = TherapeuticProfile(therapeutic_goals=(goal,))
        folk.does(PutCharacter(character=character("mira", profile=own)))
        folk.does(ProgressGoal(character="mira", goal="g", percentage=value))
        (held,) = folk.view("characters")["characters"]
        told = held["therapeutic_profile"]["therapeutic_goals"]
        found.append(next(one["progress_percentage"] for one in told if one["goal_id"] == "g"))
    return like(case.input["update_goal_progress"], found)


# --- a session ----------------------------------------

IDS: Final = ("session_id", "player_id", "character_id", "world_id")


def _session(ids: Mapping[str, Any]) -> Story:
    """A real session that begins with these ids."""
    check_id(ids["session_id"])
    start = StartSession(
        learner=ids["player_id"],
        character=ids["character_id"],
        world=ids["world_id"],
        claim=4,
        session_timeout_s=0.0,
    )
    return story(start)


SOUND: Final = dict(zip(IDS, ("sess_1", "ana", "mira", "garden"), strict=True))


def sessions(case: Case) -> Any:
    given = case.input
    if has(given, *IDS):
        got = tried(lambda: _session(given))
        if got.value == "ok" and None in (given["character_id"], given["world_id"]):
            reason = "character and world may be left out"
            return otherwise(case, got, "docs/player.md", reason, decided="ok")
        return got
    if has(given, "ids") and len(given["ids"]) == len(IDS):
        told = _session(dict(zip(IDS, given["ids"], strict=True)))
        shown = continuity(told.state, told.at)
        return {
            "status": shown.status.value,
            "interaction_count": shown.interactions,
            "is_active": shown.status.value == "active",
            "character_id": shown.character,
            "world_id": shown.world,
            "progress_markers": list(shown.markers),
            "interventions": list(shown.interventions),
        }
    if has(given, "add_intervention"):
        told = _session(SOUND)
        told.tell(*[Interact(intervention=one) for one in each(given["add_intervention"])])
        return list(continuity(told.state, told.at).interventions)
    if has(given, "trigger_crisis_alert"):
        told = _session(SOUND)
        told.tell(FlagSafety(finding=SafetyFinding(types=tuple(CrisisType)[:1], confidence=0.9)))
        (found,) = continuity(told.state, told.at).flags
        alert = {"resolved": getattr(found, "resolved", None), "found": len(found.finding.types)}
        reason = "a finding is something that happened and has no state"
        decided = {"resolved": None, "found": 1}
        return otherwise(case, alert, "docs/player.md", reason, decided=decided)
    raise unknown(case.area, given)


# --- recommendations and worlds ----------------------------------------


def _recommended(name: str, priority: int = 3, expires_at: int = 0) -> Recommendation:
    return Recommendation(id=name, title=name, type="x", priority=priority, expires_at=expires_at)


def recommended(case: Case) -> Any:
    given = case.input
    if has(given, "add") and all(isinstance(one, list) for one in given["add"]):
        rows = [(name, priority) for name, priority in given["add"]]
        found = combined([_recommended(*row) for row in rows], [], (), NOW)
        first = dict(reversed(rows))
        decided = sorted(([*row] for row in first.items()), key=lambda row: row[1])
        got = [[one.id, one.priority] for one in found]
        reason = "a list is made anew at each look and keeps the first of two; nothing is replaced"
        return otherwise(case, got, "docs/player.md", reason, decided=decided)
    if has(given, "recs"):
        rows = [one.split(maxsplit=1) for one in given["recs"]]
        states = {name: " ".join(rest) for name, *rest in rows}
        made = [_recommended(name, expires_at=_expires(state)) for name, state in states.items()]
        gone = [name for name, state in states.items() if "dismissed" in state]
        return [one.id for one in combined(made, [], gone, NOW)]
    raise unknown(case.area, given)


def _expires(state: str) -> int:
    if "expire" not in state:
        return 0
    return NOW + DAY_MS if re.search(r"tomorrow|later|expires|not expired", state) else NOW - DAY_MS


def figures(case: Case) -> Any:
    given = case.input
    if has(given, "factors"):
        rows = [Factor(str(n), s, w, "") for n, (s, w) in enumerate(given["factors"])]
        return Figures(overall_score=weighted(rows))
    if has(given, "momentum", "streak", maybe=("achieved", "active", "upcoming", "total")):
        achieved = given.get("achieved", 0)
        ahead = given.get("active", given.get("upcoming", given.get("total", achieved) - achieved))
        return overall(achieved, ahead, given["momentum"], given["streak"])
    raise unknown(case.area, given)


# --- milestones, highlights, streaks ----------------------------------------


def milestones(case: Case) -> Any:
    given = case.input
    if has(given, "is_achieved") and given["is_achieved"] is True:
        life = five_daily()
        life.owe()
        achieved = life.view("milestones")["achieved"]
        dates = [one["achieved_at"] for one in achieved]
        dated = bool(dates) and all(date == NOW for date in dates)
        date = Said(dates[0], ("not null", "date set") if dated else ("null", "not set"))
        return {"achieved_date": date, "is_achieved": True}
    if has(given, "required", "complete"):
        ticks = [name for name in ProgressGoal.model_fields if "milestone" in name]
        reason = "milestones are counted, nobody ticks them off"
        return otherwise(case, ticks, "docs/player.md", reason, decided=[])
    if has(given, "progress_percentage", "achieve") and given["achieve"] is True:
        return _achieved(given["progress_percentage"])
    raise unknown(case.area, given)


def _achieved(before: float) -> float:
    """A milestone of sixty minutes that has come that far, and then is reached: what it stands at,
    in per cent."""
    life = Life()
    life.settle()
    name = "ms_minutes_60"
    life.play(NOW - 5 * HOUR_MS, 60 * before / 100)
    ahead = {one["milestone_id"]: one for one in life.view("milestones")["upcoming"]}
    if abs(ahead[name]["progress"] * 100 - before) > 1:  # it counts whole minutes
        raise unknown("models", {"progress_percentage": before})
    life.play(NOW - 2 * HOUR_MS, 60)
    life.owe()
    achieved = {one["milestone_id"]: one for one in life.view("milestones")["achieved"]}
    return float(achieved[name]["progress"]) * 100


def kept_highlights(case: Case) -> Any:
    """Each of a session of its own; there are never more than the kept ones in all."""
    if not has(case.input, "added"):
        raise unknown(case.area, case.input)
    life = Life()
    life.settle()
    for n in range(case.input["added"]):
        at = NOW - HOUR_MS + n * MINUTE_MS
        life.tell(f"s{n}", begun(), at)
        life.tell(f"s{n}", mark("m", MarkerType.INSIGHT, f"highlight {n}"), at + 1)
        life.tell(f"s{n}", over(0), at + 2)
    told = [one for one in highlights(life.history) if one.type == "achievement"]
    everything = highlights(life.history)
    newest = bool(told) and told[0].title == f"highlight {case.input['added'] - 1}"
    falling = [one.at for one in told] == sorted((one.at for one in told), reverse=True)
    first = Said(told[0].title if told else None, ("newest",) if newest and falling else ())
    full = len(everything) >= 10
    return Figures(kept=len(everything) if full else len(told), first=first)


def streak(case: Case) -> Any:
    given = case.input
    life = Life()
    if has(given, "current_streak_days", "gap_days", "update"):
        gap, days = given["gap_days"], given["current_streak_days"]
        life.days([*range(gap, gap + days)])
        life.days([0] * given["update"])
    elif has(given, "current_streak_days", "update_same_day"):
        life.days([*range(given["current_streak_days"]), *[0] * given["update_same_day"]])
    else:
        raise unknown(case.area, given)
    return int(life.view("progress")["engagement"]["current_streak_days"])


_MODELS: Final = (
    defaults,
    made_here,
    characters,
    names,
    goals,
    sessions,
    recommended,
    figures,
    milestones,
    kept_highlights,
    streak,
    bounds,
)


def models(case: Case) -> Any:
    """Whichever knows the shape."""
    return first_of(case, _MODELS)


def first_of(case: Case, known: tuple[Callable[[Case], Any], ...]) -> Any:
    """What the first that knows the shape says.

    Raises:
        UnknownShape: none does.
    """
    for one in known:
        try:
            return one(case)
        except UnknownShape:
            continue
    raise unknown(case.area, case.input)


ADAPTERS: Final[dict[str, Adapter]] = {"models": OfCase(models)}
