"""Days and hours as a player lives them.

One law: a day is a date of the player's own calendar, never a span of 24 hours; how long it is is
the time zone's business.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

EPOCH: Final = date(1970, 1, 1).toordinal()
LATEST: Final = 253_370_764_800_000
"""The year 9999, ms since 1970 UTC; what is said to be later is taken for it."""


def zone_named(name: str, offset_minutes: int = 0) -> tzinfo:
    """A time zone by its IANA name; without one, or with one this machine does not know, a fixed
    offset from UTC (-840 to 840 minutes)."""
    if name:
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError):
            pass  # stored where it was known: the offset is the next best
    return UTC if not offset_minutes else timezone(timedelta(minutes=offset_minutes))


def local(at: int, zone: tzinfo) -> datetime:
    """A moment, ms since 1970 UTC, on the player's clock."""
    return datetime.fromtimestamp(min(at, LATEST) / 1000, zone)


def day_of(at: int, zone: tzinfo) -> int:
    """The player's date at a moment, in days since 1 January 1970."""
    return local(at, zone).toordinal() - EPOCH


def begin_of(day: int, zone: tzinfo) -> int:
    """When a day begins, ms since 1970 UTC: its midnight, or what comes in its place."""
    return moment_of(day, 0, zone)


def moment_of(day: int, hour: int, zone: tzinfo) -> int:
    """An hour of a day, ms since 1970 UTC. An hour that is leapt over is the one after it."""
    there = datetime.combine(date.fromordinal(day + EPOCH), time(hour), zone)
    return round(there.timestamp() * 1000)


def date_of(day: int) -> str:
    """``2026-11-26`` of days since 1970."""
    return date.fromordinal(day + EPOCH).isoformat()


def week_of(day: int) -> tuple[str, int]:
    """The ISO week a day lies in, as ``2026-w48``, and the day after that week's last one."""
    year, week, weekday = date.fromordinal(day + EPOCH).isocalendar()
    return f"{year}-w{week:02}", day + 8 - weekday
