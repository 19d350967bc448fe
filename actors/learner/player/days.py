"""Days and hours as a player lives them.

One law: a day is a date of the player's own calendar, never a span of 24 hours; how long it is is
the time zone's business.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

EPOCH: Final = date(1970, 1, 1).toordinal()
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
LATEST: Final = 253_370_764_800_000
"""The year 9999, ms since 1970 UTC; what is said to be later is taken for it."""


def zone_named(name: str, offset_minutes: int = 0) -> tzinfo:
    """A time zone by its IANA name; without one, or with one this machine does not know, a fixed
    offset from UTC (-840 to 840 minutes)."""
    if name == "UTC":
        return UTC
    fixed = timezone(timedelta(minutes=offset_minutes)) if offset_minutes else UTC
    if not name:
        return fixed
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return fixed  # it was known where it was stored


def local(at: int, zone: tzinfo) -> datetime:
    """A moment, ms since 1970 UTC, on the player's clock."""
    return datetime.fromtimestamp(min(at, LATEST) / 1000, zone)


def day_of(at: int, zone: tzinfo) -> int:
    """The player's date at a moment, in days since 1 January 1970."""
    if zone is UTC:  # who never told where it lives, and that is most
        return min(at, LATEST) // DAY_MS
    return local(at, zone).toordinal() - EPOCH


def hour_of(at: int, zone: tzinfo) -> int:
    """The hour on the player's clock, 0 to 23."""
    return min(at, LATEST) % DAY_MS // HOUR_MS if zone is UTC else local(at, zone).hour


def begin_of(day: int, zone: tzinfo) -> int:
    """When a day begins, ms since 1970 UTC: its midnight, or what comes in its place."""
    return moment_of(day, 0, zone)


def moment_of(day: int, hour: int, zone: tzinfo) -> int:
    """An hour of a day, ms since 1970 UTC. An hour that is leapt over is the one after it."""
    if zone is UTC:
        return day * DAY_MS + hour * HOUR_MS
    there = datetime.combine(date.fromordinal(day + EPOCH), time(hour), zone)
    return round(there.timestamp() * 1000)


def date_of(day: int) -> str:
    """``2026-11-26`` of days since 1970."""
    return date.fromordinal(day + EPOCH).isoformat()


def week_of(day: int) -> tuple[str, int]:
    """The ISO week a day lies in, as ``2026-w48``, and the day after that week's last one."""
    year, week, weekday = date.fromordinal(day + EPOCH).isocalendar()
    return f"{year}-w{week:02}", day + 8 - weekday
