"""A learner told by what it played: the shortest way to a history."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from holodeck.actors.decider import Moment
from holodeck.actors.learner import LearnerState, learner
from holodeck.actors.learner.player.history import PlayHistory
from holodeck.actors.learner.player.reading import read
from holodeck.actors.learner.player.tracking import history_of
from holodeck.messages.envelope import ReadPlayer
from holodeck.messages.player import (
    MarkerType,
    MilestoneReached,
    PlayerCreated,
    ProgressMarker,
    ReachMilestones,
    SessionMarked,
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

NOW: Final = 1_795_694_400_000
"""Thursday 26 November 2026, noon UTC."""
MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS


def begun(
    *,
    kind: SessionKind = SessionKind.CONVERSATION,
    character: str | None = None,
    world: str | None = None,
    approaches: Sequence[TherapeuticApproach] = (),
) -> SessionStarted:
    settings = TherapeuticSettings(preferred_approaches=tuple(approaches)) if approaches else None
    return SessionStarted(
        session_kind=kind, learner="ana", character=character, world=world, settings=settings
    )


def over(minutes: float, reason: EndReason = EndReason.LEARNER_ENDED) -> SessionEnded:
    return SessionEnded(
        reason=reason, outcome=Outcome.SUCCESS, active_ms=round(minutes * MINUTE_MS)
    )


def mark(name: str, kind: MarkerType, description: str = "", **more: Any) -> SessionMarked:
    marker = ProgressMarker(marker_id=name, marker_type=kind, description=description, **more)
    return SessionMarked(marker=marker)


@dataclass(slots=True)
class Life:
    """A learner so far; ``sequence``: of its last checkpoint."""

    state: LearnerState = field(default_factory=lambda: learner.initial)
    sequence: int = 0

    @property
    def history(self) -> PlayHistory:
        return history_of(self.state)

    def tell(self, writer: str, event: Any, at: int) -> None:
        self.sequence += 1
        moment = Moment(self.sequence, at, writer, "ana")
        self.state = learner.fold(self.state, (event,), moment)

    def settle(self, zone: str = "UTC", at: int = NOW - 100 * DAY_MS) -> None:
        """Gives it a profile."""
        event = PlayerCreated(username="ana_m", email="ana@example.org", time_zone=zone)
        self.tell("ana", event, at)

    def owe(self, now: int = NOW) -> list[str]:
        """Does what the learner does by itself; the milestones that were reached by it."""
        events = learner.decide(self.state, ReachMilestones(), now)
        found = []
        for event in events:
            assert isinstance(event, MilestoneReached)
            found.append(event.title)
        if events:
            self.sequence += 1
            moment = Moment(self.sequence, now, "ana", "ana")
            self.state = learner.fold(self.state, events, moment)
        return found

    def play(
        self,
        at: int,
        minutes: float = 30,
        markers: Iterable[MarkerType] = (),
        *,
        session: str = "",
        **start: Any,
    ) -> str:
        """A whole session that begins at ``at``."""
        name = session or f"s{self.sequence + 1}"
        self.tell(name, begun(**start), at)
        for number, kind in enumerate(markers, 1):
            self.tell(name, mark(f"m{number}", kind), at + number)
        self.tell(name, over(minutes), at + round(minutes * MINUTE_MS))
        return name

    def days(self, days_ago: Iterable[int], minutes: float = 30, **start: Any) -> None:
        """A session at nine o'clock (UTC) on each of those days, the earliest first."""
        for ago in sorted(days_ago, reverse=True):
            self.play(NOW - 3 * HOUR_MS - ago * DAY_MS, minutes, **start)

    def view(self, view: str, now: int = NOW, **query: Any) -> dict[str, Any]:
        return read("ana", self.state, ReadPlayer(view=view, at=now, **query))


SKILL: Final = MarkerType.SKILL_ACQUIRED
BREAKTHROUGH: Final = MarkerType.BREAKTHROUGH


def five_daily() -> Life:
    """Five daily sessions of half an hour, the last today, a skill acquired in each."""
    life = Life()
    life.settle()
    for ago in range(4, -1, -1):
        life.play(NOW - 3 * HOUR_MS - ago * DAY_MS, 30, [SKILL])
    return life


def daily(count: int, minutes: float = 25) -> Life:
    life = Life()
    life.settle()
    life.days(range(count), minutes)
    return life
