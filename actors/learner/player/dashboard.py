"""What is told of how a player comes on, view by view; the dashboard is all of it at one look.

One law: a view is plain values made of the state and of now; nobody else is asked. Times are ms
since 1970 UTC, days ISO dates of the player's own calendar.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import tzinfo
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from holodeck.actors.learner.player.charts import Charts
from holodeck.actors.learner.player.charts import charts as drawn
from holodeck.actors.learner.player.days import date_of, day_of, moment_of
from holodeck.actors.learner.player.history import Part, PlayHistory
from holodeck.actors.learner.player.milestones import (
    BY_ID,
    Milestone,
    Upcoming,
    celebration,
    highlights,
    passed,
    upcoming,
)
from holodeck.actors.learner.player.progress import (
    Effectiveness,
    Engagement,
    Summary,
    summary,
)
from holodeck.actors.learner.player.progress import effectiveness as effect_of
from holodeck.actors.learner.player.recommend import recommendations as recommended
from holodeck.actors.learner.player.tracking import history_of, zone_of
from holodeck.messages.player import SessionStatus

if TYPE_CHECKING:
    from holodeck.actors.learner.player.reading import Looking

SESSIONS: Final = 5
"""Recent sessions on the dashboard."""
HIGHLIGHTS: Final = 5
UPCOMING: Final = 3
SHARED: Final = (
    "player_id",
    "at",
    "engagement",
    "milestones_achieved",
    "milestones_ahead",
    "therapeutic_momentum",
    "overall_score",
    "progress_trend",
    "engagement_trend",
)
"""What of the progress a stranger sees where it is shared."""
HOURS: Final = 3
"""Hours of the day a next session is recommended at, at most."""


def next_session(
    history: PlayHistory, preferred: Sequence[int], now: int, zone: tzinfo
) -> int | None:
    """When the next session is recommended, ms since 1970 UTC; None: nothing is known to say.

    The next of the hours the player named, else of those it begins in most often (at most three,
    each with at least half the starts of the first); today only if it has not played yet today.
    """
    hours = set(preferred)
    if not hours and history.hours:
        starts = sorted(history.hours, key=lambda one: (-one[1], one[0]))[:HOURS]
        hours = {hour for hour, often in starts if 2 * often >= starts[0][1]}
    if not hours:
        return None
    today = day_of(now, zone)
    played = history.last_day(today) == today
    moments = (
        moment_of(day, hour, zone)
        for day in range(today + played, today + 3)
        for hour in sorted(hours)
    )
    return next(moment for moment in moments if moment > now)


# --- parts ----------------------------------------


def _plain(told: Charts | Effectiveness) -> dict[str, Any]:
    """Its fields, with lists for tuples."""
    return {
        name: list(value) if type(value) is tuple else value for name, value in asdict(told).items()
    }


def _engagement(seen: Engagement) -> dict[str, Any]:
    return {
        "total_sessions": seen.sessions,
        "total_minutes": seen.minutes,
        "average_session_minutes": seen.average_minutes,
        "sessions_this_week": seen.sessions_this_week,
        "sessions_this_month": seen.sessions_this_month,
        "current_streak_days": seen.current_streak,
        "longest_streak_days": seen.longest_streak,
        "last_session_date": None if seen.last_day is None else date_of(seen.last_day),
        "days_since_last_session": seen.days_away,
        "preferred_session_times": list(seen.preferred_times),
        "dropout_risk": seen.dropout_risk,
    }


def _parts(parts: dict[Any, Part], name: str) -> list[dict[str, Any]]:
    return [
        {
            name: str(key),
            "sessions": part.sessions,
            "minutes": round(part.active_ms / 60_000, 2),
            "effectiveness": part.effectiveness,
        }
        for key, part in sorted(parts.items(), key=lambda item: (-item[1].active_ms, item[0]))
    ]


def _milestone(one: Milestone) -> dict[str, Any]:
    return {
        "milestone_id": one.id,
        "title": one.title,
        "description": one.description,
        "family": one.family,
        "threshold": one.threshold,
        "approaches": [approach.value for approach in one.approaches],
    }


def _achieved(history: PlayHistory) -> list[dict[str, Any]]:
    """Those that are stored, and those that are about to be (``achieved_at`` None); newest
    first."""
    reached = {one.id: one for one in passed(history)}
    reached |= {name: BY_ID[name] for name in history.deeds.milestones if name in BY_ID}
    found = []
    for one in reached.values():
        kept, after = history.deeds.milestones.get(one.id), one.next
        found.append(
            _milestone(one)
            | {
                "achieved_at": None if kept is None else kept.at,
                "progress": 1.0,
                "value": one.value,
                "celebration": celebration(one.title),
                "next": None if after is None else after.title,
            }
        )
    return sorted(
        found, key=lambda one: (one["achieved_at"] is None, one["achieved_at"] or 0), reverse=True
    )


def _upcoming(one: Upcoming) -> dict[str, Any]:
    return _milestone(one.milestone) | {"reached": one.reached, "progress": one.progress}


def _highlights(looking: Looking, history: PlayHistory) -> list[dict[str, Any]]:
    """What was achieved in sessions stands there in words: not for strangers."""
    return [asdict(one) for one in highlights(history, words=not looking.stranger)]


def _sessions(looking: Looking, history: PlayHistory, limit: int) -> list[dict[str, Any]]:
    """Sessions that live, then those that are over; each the newest first."""
    player, now = looking.state.player, looking.query.at

    def names(character: str, world: str) -> dict[str, Any]:
        kept = None if player is None else player.characters.get(character)
        worlds = looking.worlds
        place = worlds.get(world) if world and worlds is not None else None
        return {
            "character_id": character or None,
            "character_name": None if kept is None else kept.character.name,
            "world_id": world or None,
            "world_name": None if place is None else place.name,
        }

    rows = []
    live = sorted(history.live.items(), key=lambda item: item[1].last_at, reverse=True)
    for session, sitting in live[:limit]:
        rows.append(
            {
                "session_id": session,
                "kind": sitting.kind.value,
                "status": sitting.status.value,
                **names(sitting.character, sitting.world),
                "started_at": sitting.started_at,
                "ended_at": None,
                "last_at": sitting.last_at,
                "minutes": round((sitting.active_ms + sitting.running(now)) / 60_000, 2),
                "interactions": sitting.interactions,
                "progress_markers": sitting.markers,
                "interventions": len(sitting.interventions),
                "key_achievements": list(sitting.achievements),
                "approaches": [one.value for one in sitting.approaches],
                "scene": sitting.scene or None,
                "outcome": None,
            }
        )
    for played in islice(history.newest(), limit - len(rows)):
        rows.append(
            {
                "session_id": played.session,
                "kind": played.kind.value,
                "status": played.status.value,
                **names(played.character, played.world),
                "started_at": played.started_at,
                "ended_at": played.ended_at,
                "last_at": played.ended_at,
                "minutes": round(played.active_ms / 60_000, 2),
                "interactions": played.interactions,
                "progress_markers": played.markers,
                "interventions": played.interventions,
                "key_achievements": list(played.achievements),
                "approaches": [one.value for one in played.approaches],
                "scene": None,
                "outcome": played.outcome.value,
            }
        )
    return rows


def _characters(looking: Looking, history: PlayHistory) -> list[dict[str, Any]]:
    """The characters that can be played, with what they last did."""
    player = looking.state.player
    found = []
    for kept in () if player is None else player.active:
        identity = kept.character.character_id
        open_now = [
            (session, one) for session, one in history.live.items() if one.character == identity
        ]
        over = [one for one in history.recent if one.character == identity]
        last = max(
            (*(one.last_at for _, one in open_now), *(one.ended_at for one in over)), default=0
        )
        found.append(
            {
                "character_id": identity,
                "name": kept.character.name,
                "session_id": open_now[-1][0] if open_now else None,
                "session_status": open_now[-1][1].status.value if open_now else None,
                "last_played_at": last or None,
                "goals": [
                    {"goal_id": goal.goal_id, "progress_percentage": goal.progress_percentage}
                    for goal in kept.character.therapeutic_profile.therapeutic_goals
                    if goal.is_active
                ],
            }
        )
    return found


def _welcome(told: Summary) -> str | None:
    """A word to who never played; None: it did."""
    if told.engagement.sessions:
        return None
    return "Welcome. There is nothing to catch up on: begin whenever you like."


# --- views ----------------------------------------


def progress(looking: Looking) -> dict[str, Any]:
    """How the player comes on: engagement, trends, strengths and what to do next."""
    history, zone, now = history_of(looking.state), zone_of(looking.state), looking.query.at
    told = summary(history, now, zone)
    favourite, best = told.favourite_approach, told.best_approach
    found = {
        "player_id": looking.identity,
        "at": now,
        "welcome": _welcome(told),
        "engagement": _engagement(told.engagement),
        "markers": {
            "total": told.markers,
            "skills": told.skills,
            "breakthroughs": told.breakthroughs,
            "mastered": history.deeds.mastered,
            "by_type": {kind.value: count for kind, count in sorted(history.deeds.markers.items())},
        },
        "goals_achieved": history.deeds.goals,
        "interactions": history.interactions,
        "interventions": history.deeds.interventions,
        "milestones_achieved": told.milestones,
        "milestones_ahead": told.ahead,
        "therapeutic_momentum": told.momentum,
        "readiness_for_advancement": told.readiness,
        "overall_score": told.overall,
        "progress_trend": told.progress_trend,
        "engagement_trend": told.engagement_trend,
        "strength_areas": list(told.strengths),
        "challenge_areas": list(told.challenges),
        "next_recommended_goals": list(told.next_goals),
        "suggested_therapeutic_adjustments": list(told.adjustments),
        "favorite_approach": None if favourite is None else favourite.value,
        "most_effective_approach": None if best is None else best.value,
        "most_effective_world": told.best_world,
        "approaches": _parts(history.deeds.approaches, "approach"),
        "worlds": _parts(history.worlds, "world_id"),
        "recent_highlights": _highlights(looking, history),
    }
    if looking.stranger:
        return {name: found[name] for name in SHARED}
    return found


def charts(looking: Looking) -> dict[str, Any]:
    """Buckets of days; see :class:`~holodeck.actors.learner.player.charts.Charts`."""
    query = looking.query
    found = drawn(history_of(looking.state), query.at, zone_of(looking.state), query.days)
    return _plain(found)


def milestones(looking: Looking) -> dict[str, Any]:
    """``{achieved, upcoming, highlights}``."""
    history, now = history_of(looking.state), looking.query.at
    today = day_of(now, zone_of(looking.state))
    return {
        "achieved": _achieved(history),
        "upcoming": [_upcoming(one) for one in upcoming(history, today)],
        "highlights": _highlights(looking, history),
    }


def effectiveness(looking: Looking) -> dict[str, Any]:
    """What the last days brought: ``days`` of the query, at most 60."""
    state, query = looking.state, looking.query
    found = _plain(effect_of(history_of(state), query.at, zone_of(state), query.days))
    first, last = date_of(found.pop("first")), date_of(found.pop("last"))
    found["metrics"] = [one._asdict() for one in found["metrics"]]
    for name in ("most", "least"):
        found[name] = [one._asdict() | {"approach": one.approach.value} for one in found[name]]
    return {"period": {"from": first, "to": last}} | found


def recommendations(looking: Looking) -> dict[str, Any]:
    """``{recommendations: […]}``, at most eight, the most urgent first."""
    state, now = looking.state, looking.query.at
    found = recommended(history_of(state), state.player, now, zone_of(state))
    return {"recommendations": [asdict(one) for one in found]}


def sessions(looking: Looking) -> dict[str, Any]:
    """``{sessions: […], total}``: those that live, then the newest fifty that are over."""
    history = history_of(looking.state)
    return {
        "sessions": _sessions(looking, history, looking.query.limit),
        "total": len(history.live) + len(history.recent),
        "ever": history.sessions,
    }


def dashboard(looking: Looking) -> dict[str, Any]:
    """All at one look."""
    state, now = looking.state, looking.query.at
    history, zone = history_of(state), zone_of(state)
    today = day_of(now, zone)
    told = summary(history, now, zone)
    preferred = () if state.profile is None else state.profile.queue.hours
    best = told.best_approach
    times = told.engagement.preferred_times
    active = history.active()
    return {
        "player_id": looking.identity,
        "generated_at": now,
        "welcome": _welcome(told),
        "active_characters": _characters(looking, history),
        "active_session": active,
        "paused_sessions": [
            session for session, one in history.live.items() if one.status is SessionStatus.PAUSED
        ],
        "recent_sessions": _sessions(looking, history, SESSIONS),
        "progress_highlights": [one.title for one in highlights(history, HIGHLIGHTS)],
        "recommendations": [
            asdict(one) for one in recommended(history, state.player, now, zone, told)
        ],
        "upcoming_milestones": [_upcoming(one) for one in upcoming(history, today)[:UPCOMING]],
        "total_session_time_today": round(history.played_ms(today, now, zone) / 60_000, 2),
        "current_streak_days": told.engagement.current_streak,
        "longest_streak_days": told.engagement.longest_streak,
        "total_sessions": told.engagement.sessions,
        "total_minutes": told.engagement.minutes,
        "next_recommended_session": next_session(history, preferred, now, zone),
        "most_effective_approach": None if best is None else best.value,
        "preferred_session_time": times[0] if times else None,
        "therapeutic_momentum": told.momentum,
        "readiness_for_advancement": told.readiness,
        "progress_trend": told.progress_trend,
    }
