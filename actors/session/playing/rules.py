"""The rules of play. Pure; what is refused and why:

``not-an-object`` variables, an emotional state or a narrative that is no JSON object ·
``too-large`` an emotional state or a narrative · ``variables-full`` · ``markers-full``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from holodeck.actors.session.playing.state import (
    MARKERS_WEIGHT,
    MAX_EMOTION,
    MAX_MARKERS,
    MAX_OBJECT,
    Playing,
    merged,
    weight,
)
from holodeck.messages.errors import RefusedError
from holodeck.messages.player import (
    AddMarker,
    AddNote,
    ChangeSettings,
    FlagSafety,
    Interact,
    SafetyFinding,
    SafetyFlagged,
    SessionInteracted,
    SessionMarked,
    SessionNoted,
    SettingsChanged,
    TherapeuticSettings,
)

UNPLAYED: Final = Playing()
"""How a session stands of which nothing of all this was said. Nobody changes it."""
DEFAULTS: Final = TherapeuticSettings()


def interact(playing: Playing, command: Interact, number: int) -> tuple[SessionInteracted, ...]:
    """``number``: of this interaction."""
    if command.emotional_state is not None:
        bounded(command.emotional_state, "emotional_state", MAX_EMOTION)
    if command.variables is not None:
        _object(command.variables, "variables")
        after = merged(playing.variables, command.variables)
        if len(after.encode()) > MAX_OBJECT:
            raise RefusedError("variables-full", f"at most {MAX_OBJECT} bytes in all")
    return (
        SessionInteracted(
            number=number,
            intervention=command.intervention,
            emotional_state=command.emotional_state,
            variables=command.variables,
            scene=command.scene,
        ),
    )


def mark(playing: Playing, command: AddMarker) -> tuple[SessionMarked, ...]:
    marker = command.marker
    if marker.marker_id in playing.markers:
        return ()
    full = len(playing.markers) >= MAX_MARKERS
    if full or playing.weight + weight(marker) > MARKERS_WEIGHT:
        raise RefusedError("markers-full", f"at most {MAX_MARKERS}, of {MARKERS_WEIGHT} bytes")
    return (SessionMarked(marker=marker),)


def change(playing: Playing, command: ChangeSettings) -> tuple[SettingsChanged, ...]:
    if command.settings == playing.settings:
        return ()
    return (SettingsChanged(settings=command.settings),)


def note(command: AddNote) -> tuple[SessionNoted, ...]:
    return (SessionNoted(text=command.text, author=command.author),)


def flag(playing: Playing, command: FlagSafety) -> tuple[SafetyFlagged, ...]:
    return flagged(playing, command.finding, command.turn, rejected=command.rejected)


def flagged(
    playing: Playing, finding: SafetyFinding, turn: int, *, rejected: bool = False
) -> tuple[SafetyFlagged, ...]:
    """Nothing is stored where the settings of the session say that nobody shall watch. Whoever
    wrote the text is told of the resources all the same."""
    if not (playing.settings or DEFAULTS).crisis_monitoring_enabled:
        return ()
    return (SafetyFlagged(finding=finding, turn=turn, rejected=rejected),)


def with_flag(
    events: Sequence[Any], playing: Playing | None, finding: SafetyFinding | None, turn: int
) -> Sequence[Any]:
    """What a command led to, and what was found in its text; nothing more where it led to
    nothing."""
    if finding is None or not events:
        return events
    return (*events, *flagged(playing or UNPLAYED, finding, turn))


def bounded(text: str, name: str, limit: int = MAX_OBJECT) -> None:
    """
    Raises:
        RefusedError: ``not-an-object``; ``too-large``.
    """
    if len(text.encode()) > limit:
        raise RefusedError("too-large", f"{name}: at most {limit} bytes")
    _object(text, name)


def _object(text: str, name: str) -> None:
    try:
        value = json.loads(text, parse_constant=_no_number)
    except ValueError as error:
        raise RefusedError("not-an-object", f"{name}: {error}") from error
    if not isinstance(value, dict):
        raise RefusedError("not-an-object", f"{name} must be a JSON object")


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no JSON")
