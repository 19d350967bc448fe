"""How a played session stands, for whoever goes on with it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from holodeck.actors.session.decider import active_ms, interactions
from holodeck.actors.session.playing.rules import DEFAULTS, UNPLAYED
from holodeck.actors.session.playing.state import FELT, as_object
from holodeck.actors.session.state import Phase, SessionState
from holodeck.messages.player import (
    ProgressMarker,
    SafetyFinding,
    SessionStatus,
    TherapeuticSettings,
)
from holodeck.messages.session import EndReason


def status_of(state: SessionState) -> SessionStatus:
    """How a session stands, as players are told. What never began was abandoned."""
    match state.phase:
        case Phase.ACTIVE:
            return SessionStatus.ACTIVE
        case Phase.PAUSED:
            return SessionStatus.PAUSED
        case Phase.ENDED if state.end_reason is not EndReason.ABANDONED:
            return SessionStatus.COMPLETED
        case _:
            return SessionStatus.ABANDONED


@dataclass(frozen=True, slots=True)
class Felt:
    """A JSON object of how the player felt, and when, ms since 1970 UTC."""

    at: int
    state: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Found:
    """A safety finding; ``turn``: 0 none; ``rejected``: the text was not taken."""

    at: int
    finding: SafetyFinding
    turn: int
    rejected: bool


@dataclass(frozen=True, slots=True)
class Continuity:
    """What whoever goes on with a session has to know; times in ms since 1970 UTC.

    Attributes:
        settings: how it is led; the defaults where nobody said.
        markers: in the order they were set.
        emotions: the last five, the oldest first; flags: the last 20; flagged: findings in all.
        interventions: each once; interactions: turns and answers included.
        active_ms: pauses not counted; elapsed_ms: since the start, pauses counted, until its end.
        narrative: what the narrator keeps, if it keeps anything.
    """

    status: SessionStatus
    character: str | None
    world: str | None
    settings: TherapeuticSettings
    scene: str
    variables: dict[str, Any]
    markers: tuple[ProgressMarker, ...]
    interventions: tuple[str, ...]
    emotions: tuple[Felt, ...]
    flags: tuple[Found, ...]
    flagged: int
    interactions: int
    active_ms: int
    elapsed_ms: int
    started_at: int
    last_at: int
    narrative: dict[str, Any] | None


def continuity(state: SessionState, now: int) -> Continuity:
    """``now``: ms since 1970 UTC."""
    playing = state.playing or UNPLAYED
    charter = state.charter
    persona = charter.persona if charter is not None else ""
    return Continuity(
        status=status_of(state),
        character=playing.character,
        world=playing.world or persona or None,
        settings=playing.settings or DEFAULTS,
        scene=playing.scene,
        variables=as_object(playing.variables),
        markers=tuple(one.marker for one in playing.markers.values()),
        interventions=playing.interventions,
        emotions=tuple(Felt(one.at, as_object(one.data)) for one in playing.emotions[-FELT:]),
        flags=tuple(Found(f.at, f.finding, f.turn, f.rejected) for f in playing.flags),
        flagged=playing.flagged,
        interactions=interactions(state),
        active_ms=active_ms(state, now),
        elapsed_ms=(state.ended_at or now) - state.started_at if state.started_at else 0,
        started_at=state.started_at,
        last_at=state.touched_at,
        narrative=None if playing.narrative is None else as_object(playing.narrative),
    )
