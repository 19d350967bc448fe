"""How a session is played: what its checkpoints fold to beside the session's own state.

One law: what is kept is bounded, whatever the length of the session; every text stands in the
journal.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any, Final

from holodeck.messages.player import (
    ProgressMarker,
    SafetyFinding,
    SessionInteracted,
    SessionMarked,
    SessionNoted,
    TherapeuticSettings,
)

MAX_OBJECT: Final = 16 * 1024
"""Bytes of a session's variables, and of a narrative, as JSON text in UTF-8."""
MAX_EMOTION: Final = 2 * 1024
"""Bytes of one emotional state, as JSON text in UTF-8."""
EMOTIONS: Final = 20
"""Newest emotional states that are kept; FELT of them are shown for continuity."""
FELT: Final = 5
INTERVENTIONS: Final = 100
"""Newest kinds of intervention that are kept."""
MAX_MARKERS: Final = 200
"""Markers a session may have; together they may have MARKERS_WEIGHT bytes."""
MARKERS_WEIGHT: Final = 64 * 1024
NOTES: Final = 20
"""Newest notes that are kept, as long as together they have at most NOTES_WEIGHT bytes."""
NOTES_WEIGHT: Final = 32 * 1024
FLAGS: Final = 20
"""Newest safety findings that are kept."""


@dataclass(frozen=True, slots=True)
class Emotion:
    """How the player said it felt; ``data``: a JSON object as text; ``at``: ms since 1970 UTC."""

    at: int
    data: str


@dataclass(frozen=True, slots=True)
class Marked:
    """Something achieved, and when: ms since 1970 UTC."""

    at: int
    marker: ProgressMarker


@dataclass(frozen=True, slots=True)
class Note:
    at: int
    text: str
    author: str = ""


@dataclass(frozen=True, slots=True)
class Flag:
    """A finding; ``turn``: the turn it is about, 0 none; ``rejected``: the text was not taken."""

    at: int
    finding: SafetyFinding
    turn: int = 0
    rejected: bool = False


@dataclass(slots=True)
class Playing:
    """How a session is played. Only its fold changes it.

    Attributes:
        character, world: whom the player plays, and where; None: nobody in particular.
        settings: how it is led; None: nobody said.
        scene: where the story is; empty: nowhere in particular.
        variables: a JSON object as text.
        interacted: interactions that are no turns and no answers.
        interventions: each kind once, in the order they were first tried; the newest 100.
        emotions, notes, flags: the newest, the oldest first.
        markers: by id; weight: their bytes.
        flagged: findings in all.
        narrative: what the narrator keeps of it, JSON; None: nothing.
    """

    character: str | None = None
    world: str | None = None
    settings: TherapeuticSettings | None = None
    scene: str = ""
    variables: str = "{}"
    interacted: int = 0
    interventions: tuple[str, ...] = ()
    emotions: tuple[Emotion, ...] = ()
    markers: dict[str, Marked] = field(default_factory=dict)
    weight: int = 0
    notes: tuple[Note, ...] = ()
    flags: tuple[Flag, ...] = ()
    flagged: int = 0
    narrative: str | None = None

    def copy(self) -> Playing:
        """An equal state that shares nothing changeable with this one."""
        return replace(self, markers=dict(self.markers))

    def interacted_as(self, event: SessionInteracted, at: int) -> None:
        self.interacted += 1
        if event.intervention and event.intervention not in self.interventions:
            self.interventions = (*self.interventions, event.intervention)[-INTERVENTIONS:]
        if event.emotional_state is not None:
            felt = Emotion(at, event.emotional_state)
            self.emotions = (*self.emotions, felt)[-EMOTIONS:]
        if event.variables is not None:
            self.variables = merged(self.variables, event.variables)
        if event.scene is not None:
            self.scene = event.scene

    def marked(self, event: SessionMarked, at: int) -> None:
        self.weight += weight(event.marker)
        self.markers[event.marker.marker_id] = Marked(at, event.marker)

    def noted(self, event: SessionNoted, at: int) -> None:
        notes = (*self.notes, Note(at, event.text, event.author))[-NOTES:]
        while len(notes) > 1 and sum(map(_bytes, notes)) > NOTES_WEIGHT:
            notes = notes[1:]
        self.notes = notes

    def flag(self, flag: Flag) -> None:
        self.flagged += 1
        self.flags = (*self.flags, flag)[-FLAGS:]


def _bytes(note: Note) -> int:
    return len(note.text.encode()) + len(note.author.encode())


def weight(marker: ProgressMarker) -> int:
    """Bytes of a marker's texts."""
    goal = marker.related_goal_id or ""
    return sum(len(text.encode()) for text in (marker.marker_id, marker.description, goal))


def merged(variables: str, change: str) -> str:
    """A JSON object with another's entries in place of its own of the same name."""
    after = {**as_object(variables), **as_object(change)}
    return json.dumps(after, ensure_ascii=False, separators=(",", ":"))


def as_object(text: str) -> dict[str, Any]:
    """A stored text as the object it says; empty where it says none, for folds refuse nothing."""
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
