"""What a learner has played: every session while it lives, the newest after it, figures for ever.

One law: it is the fold of what sessions said, bounded whatever happens; each span of active time
is counted once, to the day it began on, and a day is the player's own.
"""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from typing import Any, Final, NamedTuple

from holodeck.actors.learner.player.days import begin_of, day_of, hour_of
from holodeck.messages.player import (
    MarkerType,
    MilestoneReached,
    SessionInteracted,
    SessionMarked,
    SessionStatus,
    TherapeuticApproach,
    TherapeuticSettings,
)
from holodeck.messages.session import (
    EndReason,
    Outcome,
    SessionEnded,
    SessionKind,
    SessionStarted,
)

RECENT: Final = 50
"""Sessions that are over and remembered one by one."""
OPEN: Final = 32
"""Sessions that may be open at once; of more the one begun first is heard no more."""
DAYS: Final = 62
"""Days whose figures are kept one by one: what charts and reports look back, and two more."""
RUNS: Final = 128
"""Unbroken runs of days that are kept; of those before only the longest one's length."""
WORLDS: Final = 64
"""Worlds whose figures are kept; those left longest ago go first."""
GOALS: Final = 64
"""Goals that are remembered to have been achieved."""
INTERVENTIONS: Final = 32
"""Interventions of an open session that are told apart."""
ACHIEVEMENTS: Final = 3
"""Descriptions of markers that are kept of each session, the newest."""
WORDS: Final = 120
"""Bytes kept of one, and of a scene, as UTF-8."""
FULL_MS: Final = 30 * 60_000
"""Active time from which a session counts whole where sessions are compared: half an hour."""


@dataclass(slots=True)
class Sitting:
    """A session that lives.

    Attributes:
        character, world: empty: none. A persona is a world.
        day: it was started on.
        since: when the running span of active time began, ms since 1970 UTC; 0 while paused.
        active_ms: of the spans that are over.
        interactions: turns and answers included.
        interventions: a number for each that is told apart, at most 32; markers: how many.
        achievements: the newest three, in words; of each, as of the scene, 120 bytes.
        last_at: when something last happened in it.
    """

    kind: SessionKind
    started_at: int
    day: int
    character: str = ""
    world: str = ""
    settings: TherapeuticSettings | None = None
    scene: str = ""
    since: int = 0
    active_ms: int = 0
    interactions: int = 0
    interventions: tuple[int, ...] = ()
    markers: int = 0
    achievements: tuple[str, ...] = ()
    last_at: int = 0

    @property
    def status(self) -> SessionStatus:
        return SessionStatus.ACTIVE if self.since else SessionStatus.PAUSED

    @property
    def approaches(self) -> tuple[TherapeuticApproach, ...]:
        return () if self.settings is None else self.settings.preferred_approaches

    def running(self, now: int) -> int:
        """Active time of the span that is not over, ms."""
        return max(0, now - self.since) if self.since else 0


class Played(NamedTuple):
    """A session that is over; as in :class:`Sitting`.

    Attributes:
        status: completed or abandoned.
        interventions: how many.
    """

    session: str
    kind: SessionKind
    started_at: int
    ended_at: int
    day: int
    active_ms: int
    status: SessionStatus
    outcome: Outcome
    character: str = ""
    world: str = ""
    interactions: int = 0
    interventions: int = 0
    markers: int = 0
    approaches: tuple[TherapeuticApproach, ...] = ()
    achievements: tuple[str, ...] = ()


class Day(NamedTuple):
    """One day in figures.

    Attributes:
        day: days since 1970.
        markers: of every type, mastered skills included.
    """

    day: int = 0
    sessions: int = 0
    active_ms: int = 0
    markers: int = 0
    skills: int = 0
    breakthroughs: int = 0
    insights: int = 0
    goals: int = 0


class Part(NamedTuple):
    """Sessions under one approach or in one world.

    Attributes:
        sessions: that are over.
        active_ms: of those, and of spans of the others.
        full_ms: the sum over those sessions of their time, each counted up to half an hour.
    """

    sessions: int = 0
    active_ms: int = 0
    full_ms: int = 0

    @property
    def effectiveness(self) -> float:
        """The mean of min(1, minutes / 30) over its sessions, 0 to 1."""
        return round(self.full_ms / FULL_MS / self.sessions, 6) if self.sessions else 0.0


class Reached(NamedTuple):
    """A milestone that was reached; ``at``: ms since 1970 UTC."""

    at: int
    title: str
    value: float


Run = tuple[int, int]
"""First and last day of an unbroken run."""


@dataclass(slots=True)
class Deeds:
    """What most learners never come to.

    Attributes:
        markers: by type; mastered: skills of practice, each when it was first mastered.
        goals: achieved; named: a number for each that has a name and is counted once.
        milestones: by id.
        stress: 0 to 1, as the player last said; stressed_at: when; 0: it never did.
        flags: texts that gave cause for concern; flagged_at: the last.
    """

    interventions: int = 0
    markers: dict[MarkerType, int] = field(default_factory=dict)
    mastered: int = 0
    goals: int = 0
    named: tuple[int, ...] = ()
    approaches: dict[TherapeuticApproach, Part] = field(default_factory=dict)
    milestones: dict[str, Reached] = field(default_factory=dict)
    stress: float = 0.0
    stressed_at: int = 0
    flags: int = 0
    flagged_at: int = 0

    def copy(self) -> Deeds:
        """Equal deeds that share nothing changeable."""
        return replace(
            self,
            markers=dict(self.markers),
            approaches=dict(self.approaches),
            milestones=dict(self.milestones),
        )


_NONE: Final = Deeds()
"""Read where there are none; never changed."""


@dataclass(slots=True)
class PlayHistory:
    """All a learner has played, conversations and practice; what agents did is not play.

    Attributes:
        sessions, active_ms, interactions: ever.
        first_at, last_at: when it first and last played, ms since 1970 UTC.
        live: sessions that have not ended, the one begun last at the end.
        recent: those that have, the newest 50, the newest last.
        runs: unbroken runs of days, in order; longest: of a run that is kept no more.
        edge: the end of the last day that is in ``runs``, ms since 1970 UTC.
        daily: figures of the newest 62 days that have any, in order.
        hours: hours of the day in which something was begun, and how often, in order.
        owed_at: since when a milestone is passed and not stored, ms since 1970 UTC; 0: none is.
        done: None before there is something in it.
    """

    sessions: int = 0
    active_ms: int = 0
    interactions: int = 0
    first_at: int = 0
    last_at: int = 0
    live: dict[str, Sitting] = field(default_factory=dict)
    recent: tuple[Played, ...] = ()
    runs: tuple[Run, ...] = ()
    longest: int = 0
    edge: int = 0
    daily: tuple[Day, ...] = ()
    hours: tuple[tuple[int, int], ...] = ()
    worlds: dict[str, Part] = field(default_factory=dict)
    owed_at: int = 0
    done: Deeds | None = None

    def copy(self) -> PlayHistory:
        """An equal history that shares nothing changeable."""
        return replace(
            self,
            live={session: replace(sitting) for session, sitting in self.live.items()},
            worlds=dict(self.worlds),
            done=None if self.done is None else self.done.copy(),
        )

    # --- readings ----------------------------------------

    @property
    def deeds(self) -> Deeds:
        """To be read, not to be changed."""
        return self.done or _NONE

    @property
    def skills(self) -> int:
        """Acquired by a marker or mastered in practice."""
        return self.deeds.markers.get(MarkerType.SKILL_ACQUIRED, 0) + self.deeds.mastered

    @property
    def breakthroughs(self) -> int:
        return self.deeds.markers.get(MarkerType.BREAKTHROUGH, 0)

    @property
    def achieved(self) -> int:
        """Markers of every type, and skills mastered in practice."""
        return sum(self.deeds.markers.values()) + self.deeds.mastered

    def on(self, day: int) -> Day:
        """The figures of a day."""
        return next((one for one in reversed(self.daily) if one.day == day), Day(day))

    @property
    def minutes(self) -> int:
        """Whole minutes of active time whose spans are over."""
        return self.active_ms // 60_000

    def of_pair(self, character: str | None, world: str | None) -> tuple[str, ...]:
        """Sessions that live in which that character is in that world, the newest first; None as
        well as empty is nobody in particular, or nowhere."""
        pair = (character or "", world or "")
        return tuple(
            session
            for session, sitting in reversed(self.live.items())
            if (sitting.character, sitting.world) == pair
        )

    def active(self) -> str | None:
        """The session that is being played, the one begun last if several say so; None: none."""
        return next((session for session, one in reversed(self.live.items()) if one.since), None)

    def current_streak(self, today: int) -> int:
        """Unbroken days up to today; 0 if today nothing was played yet. Days to come do not
        count. The source's 4.2; a day is played on where a session is started or resumed or
        something is done in it."""
        for first, last in reversed(self.runs):
            if first <= today:
                return today - first + 1 if today <= last else 0
        return 0

    def longest_streak(self, today: int) -> int:
        """The longest unbroken run of days up to today."""
        runs = [min(last, today) - first + 1 for first, last in self.runs if first <= today]
        return max((self.longest, *runs), default=0)

    def last_day(self, today: int) -> int | None:
        """The last day played on, up to today; None: none."""
        for first, last in reversed(self.runs):
            if first <= today:
                return min(last, today)
        return None

    def between(self, first: int, last: int) -> Day:
        """The figures of some days, both included."""
        days = [one for one in self.daily if first <= one.day <= last]
        return Day(*map(sum, zip(*days, strict=True)))._replace(day=last) if days else Day(last)

    def played_ms(self, day: int, now: int, zone: tzinfo) -> int:
        """Active time that began on a day, what is running now included, ms."""
        found = self.on(day).active_ms
        for sitting in self.live.values():
            if sitting.since and sitting.since <= now and day_of(sitting.since, zone) == day:
                found += sitting.running(now)
        return found

    def newest(self) -> Iterator[Played]:
        return reversed(self.recent)

    # --- how it changes ----------------------------------------

    def begins(self, session: str, event: SessionStarted, at: int, zone: tzinfo) -> None:
        if not event.session_kind.claims or session in self.live:
            return
        day, hour = self._played(at, zone), hour_of(at, zone)
        self.sessions += 1
        self.first_at = self.first_at or at
        self.live[session] = Sitting(
            kind=event.session_kind,
            started_at=at,
            day=day,
            character=event.character or "",
            world=event.world or event.persona,
            settings=event.settings,
            since=max(1, at),
            last_at=at,
        )
        while len(self.live) > OPEN:
            del self.live[next(iter(self.live))]
        starts = dict(self.hours)
        starts[hour] = starts.get(hour, 0) + 1
        self.hours = tuple(sorted(starts.items()))
        self._count(day, sessions=1)

    def pauses(self, session: str, at: int, zone: tzinfo) -> None:
        sitting = self.live.get(session)
        if sitting is not None and sitting.since:
            self._span(sitting, sitting.running(at), zone)
            sitting.since, sitting.last_at = 0, at

    def resumes(self, session: str, at: int, zone: tzinfo) -> None:
        sitting = self.live.get(session)
        if sitting is not None and not sitting.since:
            sitting.since, sitting.last_at = max(1, at), at
            self._played(at, zone)

    def ends(self, session: str, event: SessionEnded, at: int, zone: tzinfo) -> None:
        sitting = self.live.pop(session, None)
        if sitting is None:
            return
        # The session has counted its own time; what of it no span has is the last one's.
        self._span(sitting, max(0, event.active_ms - sitting.active_ms), zone)
        abandoned = event.reason is EndReason.ABANDONED
        self.recent = (
            *self.recent,
            Played(
                session=session,
                kind=sitting.kind,
                started_at=sitting.started_at,
                ended_at=at,
                day=sitting.day,
                active_ms=sitting.active_ms,
                status=SessionStatus.ABANDONED if abandoned else SessionStatus.COMPLETED,
                outcome=event.outcome,
                character=sitting.character,
                world=sitting.world,
                interactions=sitting.interactions,
                interventions=len(sitting.interventions),
                markers=sitting.markers,
                approaches=sitting.approaches,
                achievements=sitting.achievements,
            ),
        )[-RECENT:]
        full = min(FULL_MS, sitting.active_ms)
        for approach in sitting.approaches:
            approaches = self._doing().approaches
            part = approaches.get(approach, Part())
            approaches[approach] = part._replace(
                sessions=part.sessions + 1, full_ms=part.full_ms + full
            )
        if sitting.world:
            part = self.worlds.get(sitting.world, Part())
            self._left(
                sitting.world,
                part._replace(sessions=part.sessions + 1, full_ms=part.full_ms + full),
            )

    def acts(self, session: str, at: int) -> bool:
        """A turn or an answer; whether :meth:`plays` has to be told of it."""
        sitting = self.live.get(session)
        if sitting is None:
            return False
        sitting.interactions += 1
        sitting.last_at = at
        self.interactions += 1
        if at > self.last_at:
            self.last_at = at
        return at >= self.edge

    def plays(self, at: int, zone: tzinfo) -> None:
        """Something was played."""
        self._played(at, zone)

    def interacted(
        self, session: str, event: SessionInteracted, at: int, *, feelings: bool
    ) -> None:
        """What was done beside :meth:`acts`; ``feelings``: what is said of them may be kept."""
        sitting = self.live.get(session)
        if sitting is None:
            return
        if event.scene is not None:
            sitting.scene = clipped(event.scene)
        known, number = sitting.interventions, number_of(event.intervention)
        if event.intervention and number not in known and len(known) < INTERVENTIONS:
            sitting.interventions = (*known, number)
            self._doing().interventions += 1
        if feelings and event.emotional_state is not None:
            stress = stress_of(event.emotional_state)
            if stress is not None:
                doing = self._doing()
                doing.stress, doing.stressed_at = stress, at

    def marked(self, session: str, event: SessionMarked, at: int, zone: tzinfo) -> None:
        """A session stores each marker once; one that is over stores none."""
        sitting = self.live.get(session)
        if sitting is None:
            return
        marker = event.marker
        kind = marker.marker_type
        sitting.markers += 1
        sitting.last_at = at
        words = clipped(marker.description) or kind.value.replace("_", " ")
        sitting.achievements = (*sitting.achievements, words)[-ACHIEVEMENTS:]
        markers = self._doing().markers
        markers[kind] = markers.get(kind, 0) + 1
        day = self._played(at, zone)
        self._count(
            day,
            markers=1,
            skills=kind is MarkerType.SKILL_ACQUIRED,
            breakthroughs=kind is MarkerType.BREAKTHROUGH,
            insights=kind is MarkerType.INSIGHT,
        )
        if kind in (MarkerType.GOAL_ACHIEVED, MarkerType.THERAPEUTIC_GOAL):
            goal = marker.related_goal_id
            self.achieves(goal_key(sitting.character, goal) if goal else "", at, zone)

    def settles(self, session: str, settings: TherapeuticSettings, at: int, zone: tzinfo) -> None:
        """Other settings: what was played until now was played under the old ones."""
        sitting = self.live.get(session)
        if sitting is None:
            return
        if sitting.since:
            self._span(sitting, sitting.running(at), zone)
            sitting.since = max(1, at)
        sitting.settings, sitting.last_at = settings, at

    def masters(self, at: int, zone: tzinfo) -> None:
        """A skill was mastered for the first time."""
        self._doing().mastered += 1
        self._count(day_of(at, zone), markers=1, skills=1)

    def achieves(self, goal: str, at: int, zone: tzinfo) -> None:
        """A goal was achieved; one with a name counts once."""
        doing = self._doing()
        if goal:
            number = number_of(goal)
            if number in doing.named:
                return
            doing.named = (*doing.named, number)[-GOALS:]
        doing.goals += 1
        self._count(day_of(at, zone), goals=1)

    def reaches(self, event: MilestoneReached, at: int) -> None:
        """Once and for all."""
        kept = Reached(at, event.title, event.value)
        self._doing().milestones.setdefault(event.milestone, kept)

    def flagged(self, at: int) -> None:
        doing = self._doing()
        doing.flags += 1
        doing.flagged_at = max(doing.flagged_at, at)

    def _doing(self) -> Deeds:
        """To be changed."""
        if self.done is None:
            self.done = Deeds()
        return self.done

    def _played(self, at: int, zone: tzinfo) -> int:
        """The day something was played on."""
        day = day_of(at, zone)
        self.last_at = max(self.last_at, at)
        runs, self.longest = with_day(self.runs, day, self.longest)
        if runs is not self.runs:
            self.runs = runs
        if day == runs[-1][1]:
            self.edge = begin_of(day + 1, zone)
        return day

    def _span(self, sitting: Sitting, spent: int, zone: tzinfo) -> None:
        """A span of active time is over."""
        if not spent:
            return
        sitting.active_ms += spent
        self.active_ms += spent
        self._count(day_of(sitting.since, zone) if sitting.since else sitting.day, active_ms=spent)
        for approach in sitting.approaches:
            approaches = self._doing().approaches
            part = approaches.get(approach, Part())
            approaches[approach] = part._replace(active_ms=part.active_ms + spent)
        if sitting.world:
            part = self.worlds.get(sitting.world, Part())
            self._left(sitting.world, part._replace(active_ms=part.active_ms + spent))

    def _left(self, world: str, part: Part) -> None:
        """A world was left just now; those left longest ago go where there are too many."""
        self.worlds.pop(world, None)
        self.worlds[world] = part
        while len(self.worlds) > WORLDS:
            del self.worlds[next(iter(self.worlds))]

    def _count(
        self,
        day: int,
        *,
        sessions: int = 0,
        active_ms: int = 0,
        markers: int = 0,
        skills: int = 0,
        breakthroughs: int = 0,
        insights: int = 0,
        goals: int = 0,
    ) -> None:
        daily = self.daily
        place = len(daily)
        while place and daily[place - 1].day >= day:
            place -= 1
        here = place < len(daily) and daily[place].day == day
        had = daily[place] if here else Day(day)
        told = Day(
            day,
            had.sessions + sessions,
            had.active_ms + active_ms,
            had.markers + markers,
            had.skills + skills,
            had.breakthroughs + breakthroughs,
            had.insights + insights,
            had.goals + goals,
        )
        self.daily = (*daily[:place], told, *daily[place + here :])[-DAYS:]


def goal_key(character: str, goal: str) -> str:
    """A goal's name among those of all characters."""
    return f"{character}/{goal}"


def number_of(name: str) -> int:
    """A number that stands for a name of any length: 64 bits of its hash."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big")


def clipped(words: str) -> str:
    """The first 120 bytes of a text, whole characters."""
    return words.encode()[:WORDS].decode(errors="ignore").strip()


def with_day(runs: tuple[Run, ...], day: int, longest: int) -> tuple[tuple[Run, ...], int]:
    """Runs with one day more, and the longest of those let go; the same where it is in one.

    What comes out does not depend on the order in which days come, as long as none is let go.
    """
    if runs:
        first, last = runs[-1]
        if first <= day <= last:
            return runs, longest
        if day == last + 1:
            return (*runs[:-1], (first, day)), longest
    # The run before the place of the day, and the one behind it.
    place = bisect_left(runs, (day + 1,))
    before, behind = runs[:place], runs[place:]
    if before and before[-1][0] <= day <= before[-1][1]:
        return runs, longest
    first = last = day
    if before and before[-1][1] == day - 1:
        first, before = before[-1][0], before[:-1]
    if behind and behind[0][0] == day + 1:
        last, behind = behind[0][1], behind[1:]
    runs = (*before, (first, last), *behind)
    gone = [end - begin + 1 for begin, end in runs[:-RUNS]]
    return runs[-RUNS:], max((longest, *gone))


def streaks(days: Sequence[int], today: int) -> tuple[int, int]:
    """The current and the longest streak of days in any order; as
    :meth:`PlayHistory.current_streak`."""
    history = PlayHistory()
    for day in days:
        history.runs, history.longest = with_day(history.runs, day, history.longest)
    return history.current_streak(today), history.longest_streak(today)


def stress_of(emotional_state: str) -> float | None:
    """``stress_level`` of a JSON object, 0 to 1; None: it has none."""
    try:
        found: Any = json.loads(emotional_state)
    except ValueError:
        return None
    level = found.get("stress_level") if isinstance(found, dict) else None
    if isinstance(level, bool) or not isinstance(level, int | float) or not 0 <= level <= 1:
        return None
    return float(level)
