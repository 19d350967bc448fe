"""A session as a store of the outside sees it: the fold of its checkpoints into one document.

One law: a view holds what was said of a session and nothing that was said in it: no utterance, no
question, no answer. Times are ISO 8601 in UTC. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from holodeck.actors.projections.port import Step
from holodeck.messages.player import (
    SessionErased,
    SessionInteracted,
    SessionMarked,
    SessionStatus,
    SettingsChanged,
    TherapeuticSettings,
)
from holodeck.messages.practice import AnswerGiven
from holodeck.messages.session import (
    EndReason,
    SessionEnded,
    SessionForked,
    SessionPaused,
    SessionResumed,
    SessionStarted,
    TurnTaken,
)

VERSION: Final = "enhanced_v1"
EMOTIONS: Final = 5
"""Emotional states of a session that are kept, the newest."""
MANY: Final = 100
"""Markers and interventions of a session that are kept, the newest."""

_DEFAULTS: Final = TherapeuticSettings()
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_MS: Final = 253_402_300_799_999
"""The end of the year 9999, the last one that ISO 8601 and ``datetime`` can say."""


def iso(at: int) -> str:
    """ms since 1970 UTC as ISO 8601 with milliseconds; what is later than 9999 is its end."""
    moment = _EPOCH + timedelta(milliseconds=min(at, _LATEST_MS))
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def millis(text: str) -> int:
    """The inverse of :func:`iso`.

    Raises:
        ValueError: no ISO 8601 time.
    """
    return (datetime.fromisoformat(text) - _EPOCH) // timedelta(milliseconds=1)


@dataclass(slots=True)
class SessionView:
    """One session.

    Attributes:
        begun: it was started here; a rehearsal never is, and no store is told of it.
        player: the learner, in sessions of kinds that claim theirs; else empty.
        agent: who works in it, in sessions of kind ``agent``; else empty.
        world: where it is played; without one the persona, whose world it is.
        sequence: of its last checkpoint that was folded.
        active_ms: active time before ``since``, which is 0 while it is not active.
        current: sequence of the checkpoint that made it the one its player is in, its start or
            last resumption.
    """

    session: str
    begun: bool = False
    player: str = ""
    agent: str = ""
    kind: str = ""
    name: str = ""
    persona: str = ""
    character: str = ""
    world: str = ""
    status: SessionStatus = SessionStatus.ACTIVE
    outcome: str = ""
    reason: str = ""
    sequence: int = 0
    created_at: int = 0
    touched_at: int = 0
    ended_at: int = 0
    active_ms: int = 0
    since: int = 0
    current: int = 0
    interactions: int = 0
    scene: str = ""
    settings: TherapeuticSettings = _DEFAULTS
    variables: dict[str, Any] = field(default_factory=dict)
    markers: dict[str, dict[str, Any]] = field(default_factory=dict)
    interventions: list[str] = field(default_factory=list)
    emotions: list[dict[str, Any]] = field(default_factory=list)
    narrative: Any = None

    def take(self, step: Step) -> bool:
        """Folds one checkpoint; whether there is anything to tell. One that was folded already
        changes nothing."""
        if step.sequence <= self.sequence:
            return self.begun
        self.sequence = step.sequence
        if step.at > self.touched_at:
            self.touched_at = step.at
        for event in step.events:
            change = _CHANGES.get(type(event))
            if change is not None:
                change(self, event, step.at)
        return self.begun

    def document(self) -> dict[str, Any]:
        """The session for programs: plain JSON values."""
        active = self.active_ms + (max(0, self.touched_at - self.since) if self.since else 0)
        return {
            "session_id": self.session,
            "player_id": self.player or None,
            "agent_id": self.agent or None,
            "character_id": self.character or None,
            "world_id": self.world or None,
            "kind": self.kind,
            "name": self.name,
            "persona": self.persona or None,
            "status": self.status.value,
            "outcome": self.outcome or None,
            "end_reason": self.reason or None,
            "created_at": iso(self.created_at),
            "last_interaction": iso(self.touched_at),
            "ended_at": iso(self.ended_at) if self.ended_at else None,
            "interaction_count": self.interactions,
            "total_duration_minutes": round(active / 60_000, 3),
            "current_scene_id": self.scene or None,
            "session_variables": self.variables,
            "progress_markers": list(self.markers.values()),
            "therapeutic_interventions_used": self.interventions,
            "therapeutic_settings": self.settings.model_dump(mode="json"),
            "emotional_state_history": self.emotions,
            "narrative_state": self.narrative,
            "sequence": self.sequence,
        }

    def saved(self) -> str:
        """The session as it lies in a key-value store, JSON text: ``session_data``, ``saved_at``
        (when its last checkpoint was written) and ``version``."""
        saved = {
            "session_data": self.document(),
            "saved_at": iso(self.touched_at),
            "version": VERSION,
        }
        return json.dumps(saved, ensure_ascii=False, separators=(",", ":"))

    def progress(self) -> dict[str, str]:
        """Where its player is now: the fields of a hash."""
        return {
            "current_scene": self.scene,
            "current_session": self.session,
            "current_character": self.character,
            "current_world": self.world,
            "status": self.status.value,
            "interaction_count": str(self.interactions),
            "updated_at": iso(self.touched_at),
            "current_since": str(self.current),
        }

    # --- what each event changes ----------------------------------------

    def _started(self, event: SessionStarted, at: int) -> None:
        self.begun, self.current = True, self.sequence
        claims = event.session_kind.claims
        self.player, self.agent = (event.learner, "") if claims else ("", event.learner)
        self.kind, self.name = event.session_kind.value, event.name
        self.persona = event.persona
        self.character = event.character or ""
        self.world = event.world or event.persona
        self.created_at = self.touched_at = self.since = at
        if event.settings is not None:
            self.settings = event.settings
        self.narrative = _parsed(event.narrative)

    def _paused(self, event: SessionPaused, at: int) -> None:
        self.status = SessionStatus.PAUSED
        self._rest(at)
        if event.narrative is not None:
            self.narrative = _parsed(event.narrative)

    def _resumed(self, event: SessionResumed, at: int) -> None:
        self.status, self.since, self.current = SessionStatus.ACTIVE, at, self.sequence

    def _ended(self, event: SessionEnded, at: int) -> None:
        abandoned = event.reason in _ABANDONING
        self.status = SessionStatus.ABANDONED if abandoned else SessionStatus.COMPLETED
        self.outcome, self.reason = event.outcome.value, event.reason.value
        self.ended_at, self.since, self.active_ms = at, 0, event.active_ms

    def _rest(self, at: int) -> None:
        if self.since:
            self.active_ms += max(0, at - self.since)
            self.since = 0

    def _spoke(self, event: TurnTaken, at: int) -> None:
        self.interactions += 1
        if event.location:
            self.scene = event.location

    def _answered(self, event: AnswerGiven, at: int) -> None:
        self.interactions += 1

    def _interacted(self, event: SessionInteracted, at: int) -> None:
        self.interactions = max(self.interactions + 1, event.number)
        if event.scene is not None:
            self.scene = event.scene
        if event.intervention and event.intervention not in self.interventions:
            self.interventions = [*self.interventions, event.intervention][-MANY:]
        felt = _parsed(event.emotional_state)
        if felt is not None:
            self.emotions = [*self.emotions, {"timestamp": iso(at), "data": felt}][-EMOTIONS:]
        said = _parsed(event.variables)
        if isinstance(said, dict):
            self.variables |= said

    def _marked(self, event: SessionMarked, at: int) -> None:
        marker = event.marker
        if marker.marker_id in self.markers:
            return
        if len(self.markers) >= MANY:
            del self.markers[next(iter(self.markers))]
        self.markers[marker.marker_id] = {
            **marker.model_dump(mode="json"),
            "achieved_at": iso(at),
        }

    def _settings(self, event: SettingsChanged, at: int) -> None:
        self.settings = event.settings


_ABANDONING: Final = frozenset({EndReason.ABANDONED})

_CHANGES: Final[Mapping[type, Callable[[SessionView, Any, int], None]]] = {
    SessionStarted: SessionView._started,
    SessionPaused: SessionView._paused,
    SessionResumed: SessionView._resumed,
    SessionEnded: SessionView._ended,
    TurnTaken: SessionView._spoke,
    AnswerGiven: SessionView._answered,
    SessionInteracted: SessionView._interacted,
    SessionMarked: SessionView._marked,
    SettingsChanged: SessionView._settings,
}


def erases(step: Step) -> bool:
    """Whether a checkpoint leaves nothing of the session that wrote it."""
    return any(type(event) is SessionErased for event in step.events)


def opens(step: Step) -> bool:
    """Whether a checkpoint is the first of its session that a view can begin with."""
    return any(type(event) in (SessionStarted, SessionForked) for event in step.events)


def _parsed(text: str | None) -> Any:
    """JSON text of a caller as a value; None: there is none, or it is broken, which cannot be
    mended here and must not hold the others up."""
    if text is None:
        return None
    try:
        return json.loads(text)
    except ValueError:
        return None
