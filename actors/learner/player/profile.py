"""A player's profile and settings: what may be said of them, and what it changes.

One law: a profile is made once; an edit that says nothing new leads to nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from holodeck.actors.decider import Moment
from holodeck.actors.learner.player.settings import conflicts, from_preferences, resolved
from holodeck.actors.learner.player.state import (
    ACCESS_WORDS,
    ACCESSES,
    DISMISSED,
    DISMISSED_BYTES,
    PREFERENCES_BYTES,
    SETTINGS_BYTES,
    Access,
    Player,
    size,
)
from holodeck.messages.errors import RefusedError
from holodeck.messages.player import (
    ChangePlayerSettings,
    CreatePlayer,
    DismissRecommendation,
    PlayerAccessed,
    PlayerCreated,
    PlayerEvent,
    PlayerSettings,
    PlayerSettingsChanged,
    PlayerUpdated,
    RecommendationDismissed,
    RecordAccess,
    UpdatePlayer,
)

if TYPE_CHECKING:
    from holodeck.actors.learner.decider import LearnerState


def known(state: LearnerState) -> Player:
    """The player of a learner.

    Raises:
        RefusedError: ``unknown-player``, the learner has no profile.
    """
    if state.player is None:
        raise RefusedError("unknown-player", "no profile was ever created for this learner")
    return state.player


def fits(part: BaseModel, room: int) -> None:
    """
    Raises:
        RefusedError: ``too-large``, as JSON it has more than ``room`` bytes.
    """
    if size(part) > room:
        raise RefusedError("too-large", f"{size(part)} bytes, at most {room} are kept")


# --- decisions ----------------------------------------


def create(state: LearnerState, command: CreatePlayer, now: int) -> Sequence[PlayerEvent]:
    """Raises RefusedError: ``player-exists``; ``too-large``, preferences of more than 16 KiB."""
    if state.player is not None:
        raise RefusedError("player-exists", "a profile of this learner already exists")
    fits(command.preferences, PREFERENCES_BYTES)
    return (
        PlayerCreated(
            username=command.username,
            email=command.email,
            time_zone=command.time_zone,
            preferences=command.preferences,
            privacy=command.privacy,
        ),
    )


def update(state: LearnerState, command: UpdatePlayer, now: int) -> Sequence[PlayerEvent]:
    """Raises RefusedError: ``unknown-player``; ``too-large``, preferences of more than 16 KiB."""
    held = known(state)
    if command.preferences is not None:
        fits(command.preferences, PREFERENCES_BYTES)
    said = {name: getattr(command, name) for name in UpdatePlayer.model_fields if name != "kind"}
    if command.delegates is not None:
        said["delegates"] = tuple(one for one in dict.fromkeys(command.delegates) if one != held.id)
    new = {
        name: value
        for name, value in said.items()
        if value is not None and value != getattr(held, name)
    }
    if not new:
        return ()
    events: list[PlayerEvent] = [PlayerUpdated(**new)]
    if command.preferences is not None:
        wanted = from_preferences(command.preferences, held.settings, held.preferences)
        events += changed(held, wanted)
    return events


def changed(
    held: Player, wanted: PlayerSettings, mended: tuple[str, ...] = ()
) -> Sequence[PlayerSettingsChanged]:
    """The event that makes ``wanted`` the player's settings; nothing where they are already."""
    version = held.settings.version
    if wanted.model_copy(update={"version": version}) == held.settings:
        return ()
    fresh = wanted.model_copy(update={"version": version + 1})
    return (PlayerSettingsChanged(settings=fresh, resolved=mended),)


def settle(wanted: PlayerSettings, resolve: bool = True) -> tuple[PlayerSettings, tuple[str, ...]]:
    """Settings that may be stored, and the names of the conflicts that were mended.

    Raises:
        RefusedError: ``settings-conflict``, with what conflicts: one of severity error or critical
            that cannot be mended, or any such where mending is not wanted; ``too-large``, they have
        more than 32 KiB.
    """
    fits(wanted, SETTINGS_BYTES)
    mended: tuple[str, ...] = ()
    if resolve:
        wanted, mended = resolved(wanted)
    left = [found for found in conflicts(wanted) if found.blocks]
    if left:
        told = "; ".join(f"{found.name} ({found.severity}): {found.description}" for found in left)
        raise RefusedError("settings-conflict", told[:1000])
    return wanted, mended


def change_settings(
    state: LearnerState, command: ChangePlayerSettings, now: int
) -> Sequence[PlayerEvent]:
    """Raises RefusedError: ``unknown-player``; ``settings-version``, made from another version than
    the present one, which is the detail; ``settings-conflict``."""
    held = known(state)
    if command.base is not None and command.base != held.settings.version:
        raise RefusedError("settings-version", str(held.settings.version))
    wanted, mended = settle(command.settings, command.resolve)
    return changed(held, wanted, mended)


def dismiss(state: LearnerState, command: DismissRecommendation, now: int) -> Sequence[PlayerEvent]:
    """Raises RefusedError: ``unknown-player``."""
    if command.recommendation in known(state).dismissed:
        return ()
    return (RecommendationDismissed(recommendation=command.recommendation),)


def record_access(state: LearnerState, command: RecordAccess, now: int) -> Sequence[PlayerEvent]:
    """That a player looks at itself is nothing to note.

    Raises RefusedError: ``unknown-player``.
    """
    if command.by == known(state).id:
        return ()
    return (PlayerAccessed(by=command.by, role=command.role, what=command.what),)


# --- folds ----------------------------------------


def created(state: LearnerState, event: PlayerCreated, moment: Moment) -> None:
    state.player = Player(
        username=event.username,
        email=event.email,
        time_zone=event.time_zone,
        created_at=moment.at,
        updated_at=moment.at,
        preferences=event.preferences,
        privacy=event.privacy,
        settings=from_preferences(event.preferences),
        id=moment.learner or moment.writer,
    )


def updated(state: LearnerState, event: PlayerUpdated, moment: Moment) -> None:
    if state.player is None:
        return
    new: dict[str, Any] = {
        name: getattr(event, name)
        for name in PlayerUpdated.model_fields
        if name != "kind" and getattr(event, name) is not None
    }
    state.player = replace(state.player, **new, updated_at=moment.at)


def settings_changed(state: LearnerState, event: PlayerSettingsChanged, moment: Moment) -> None:
    if state.player is not None:
        state.player.settings = event.settings
        state.player.updated_at = moment.at


def dismissed(state: LearnerState, event: RecommendationDismissed, moment: Moment) -> None:
    if state.player is not None:
        room, kept = DISMISSED_BYTES, list[str]()
        for one in (event.recommendation, *reversed(state.player.dismissed))[:DISMISSED]:
            room -= len(one.encode())
            if room >= 0:
                kept.insert(0, one)
        state.player.dismissed = tuple(kept)


def accessed(state: LearnerState, event: PlayerAccessed, moment: Moment) -> None:
    if state.player is not None:
        access = Access(event.by, event.role, event.what[:ACCESS_WORDS], moment.at)
        state.player.accesses = (*state.player.accesses, access)[-ACCESSES:]
