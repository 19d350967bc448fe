"""What was played day by day, to be drawn.

One law: there is a bucket for every day asked for, whether anything was played on it or not.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo
from typing import Final

from holodeck.actors.learner.player.days import date_of, day_of
from holodeck.actors.learner.player.history import PlayHistory
from holodeck.actors.learner.player.progress import MAX_DAYS

DEFAULT_DAYS: Final = 14


@dataclass(frozen=True, slots=True)
class Charts:
    """Attributes:
    days: how many buckets; buckets: their dates, ISO, the last one today's.
    sessions: begun on them; minutes: of active time that began on them, to two places; markers:
        reached on them, mastered skills of practice included.
    """

    days: int
    buckets: tuple[str, ...]
    sessions: tuple[int, ...]
    minutes: tuple[float, ...]
    markers: tuple[int, ...]


def charts(history: PlayHistory, now: int, zone: tzinfo, days: int = DEFAULT_DAYS) -> Charts:
    """``days``: 1 to 60; what is beyond is the nearest within."""
    days = min(MAX_DAYS, max(1, days))
    today = day_of(now, zone)
    told = range(today - days + 1, today + 1)
    figures = [history.on(day) for day in told]
    spent = [one.active_ms for one in figures]
    # What is running is not in the figures yet; it belongs to the day it began on.
    for sitting in history.live.values():
        if sitting.running(now):
            began = day_of(sitting.since, zone)
            if began in told:
                spent[began - told.start] += sitting.running(now)
    return Charts(
        days=days,
        buckets=tuple(date_of(day) for day in told),
        sessions=tuple(one.sessions for one in figures),
        minutes=tuple(round(ms / 60_000, 2) for ms in spent),
        markers=tuple(one.markers for one in figures),
    )
