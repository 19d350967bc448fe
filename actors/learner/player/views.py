"""What each view of a player tells.

One law: a view is made of what may be seen, never of everything with something taken out.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from holodeck.actors.learner.player import dashboard
from holodeck.actors.learner.player.characters import owned
from holodeck.actors.learner.player.profile import known
from holodeck.actors.learner.player.settings import Conflict, conflicts
from holodeck.actors.learner.player.state import CharacterKept, Player
from holodeck.actors.learner.player.worlds import Compatibility
from holodeck.actors.learner.player.worlds import compatibility as worked_out
from holodeck.messages.errors import RefusedError

if TYPE_CHECKING:
    from holodeck.actors.learner.player.reading import Looking


MASKED: Final = "***"
"""What stands for a mail address in the eyes of others."""
_PLAIN: Final = {
    "intensity_level",
    "preferred_approaches",
    "session_duration_preference",
    "reminder_frequency",
}
"""Preferences that tell nothing of what a player went through."""
_TOPICS: Final = _PLAIN | {"trigger_warnings", "comfort_topics", "avoid_topics"}
"""Preferences without the crisis contacts."""


def profile(looking: Looking) -> dict[str, Any]:
    """The profile.

    The owner sees all of it. A delegate sees no mail address, no crisis contacts, no privacy
    settings and no delegates. A stranger sees neither time zone nor topics nor open sessions
    besides, ``progress_summary`` (as the view ``progress``) only where the player shares it, and
    ``last_login`` (the last session begun or resumed) only while usage statistics are collected.
    What is not seen is None or empty; ``seen_as`` says by whose eyes.
    """
    who, held = looking.standing.value, known(looking.state)
    told: dict[str, Any] = {
        "player_id": looking.identity,
        "seen_as": who,
        "username": held.username,
        "email": MASKED,
        "time_zone": None,
        "is_active": held.is_active,
        "created_at": held.created_at,
        "updated_at": None,
        "last_login": None,
        "therapeutic_preferences": held.preferences.model_dump(mode="json", include=_PLAIN),
        "privacy_settings": None,
        "delegates": None,
        "settings_version": None,
        "characters": [_card(kept) for kept in held.characters.values() if kept.active],
        "active_sessions": {},
        "progress_summary": _progress(looking) if looking.shares else {},
    }
    if held.seen_at and (who != "stranger" or held.privacy.collect_usage_statistics):
        told["last_login"] = held.seen_at
    if who == "stranger":
        return told
    told |= {
        "time_zone": held.time_zone,
        "updated_at": held.updated_at,
        "settings_version": held.settings.version,
        "active_sessions": dict(held.open),
        "therapeutic_preferences": held.preferences.model_dump(mode="json", include=_TOPICS),
    }
    return told | _private(held) if who == "owner" else told


def _progress(looking: Looking) -> dict[str, Any]:
    """Without when it was looked at: a profile that has not changed is told in the same words."""
    told = dashboard.progress(looking)
    return {name: told[name] for name in told if name not in ("at", "player_id")}


def _plain(found: Conflict | Compatibility) -> dict[str, Any]:
    """Its fields, with lists for tuples."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in asdict(found).items()
    }


def _private(held: Player) -> dict[str, Any]:
    """What the owner alone sees."""
    return {
        "email": held.email,
        "therapeutic_preferences": held.preferences.model_dump(mode="json"),
        "privacy_settings": held.privacy.model_dump(mode="json"),
        "delegates": list(held.delegates),
        "characters": [_card(kept) for kept in held.characters.values()],
    }


def _card(kept: CharacterKept) -> dict[str, Any]:
    """What a character is called."""
    character = kept.character
    return {
        "character_id": character.character_id,
        "name": character.name,
        "is_active": character.is_active,
    }


def settings(looking: Looking) -> dict[str, Any]:
    """``{settings, version, conflicts}``."""
    held = known(looking.state).settings
    return {
        "settings": held.model_dump(mode="json"),
        "version": held.version,
        "conflicts": [
            _plain(found) | {"auto_resolvable": found.auto_resolvable} for found in conflicts(held)
        ],
    }


def shown(kept: CharacterKept) -> dict[str, Any]:
    """All of a character."""
    return kept.character.model_dump(mode="json") | {
        "created_at": kept.created_at,
        "changed_at": kept.changed_at,
        "removed_at": kept.removed_at or None,
    }


def characters(looking: Looking) -> dict[str, Any]:
    """``{characters: […]}``, in the order they were made."""
    return {"characters": [shown(kept) for kept in known(looking.state).characters.values()]}


def compatibility(looking: Looking) -> dict[str, Any]:
    """How a character and a world go together, as in
    :class:`~holodeck.actors.learner.player.worlds.Compatibility`, with the ``parameters`` in force.

    Raises:
        RefusedError: ``unknown-character``; ``unknown-world``, the host knows none of that id.
    """
    held, query = known(looking.state), looking.query
    kept = owned(held, query.character or "")
    world = looking.worlds.get(query.world or "") if looking.worlds is not None else None
    if world is None:
        raise RefusedError("unknown-world", query.world or "")
    own = held.parameters(kept.character.character_id, world.world_id)
    history = looking.state.history
    found = worked_out(
        kept.character,
        world,
        triggers=(*held.settings.trigger_warnings, *held.settings.avoid_topics),
        parameters=own,
        completed=[] if history is None else [w for w, p in history.worlds.items() if p.sessions],
    )
    return _plain(found) | {
        "parameters": (own or world.default_parameters).model_dump(mode="json"),
        "customized": own is not None,
    }


def access_log(looking: Looking) -> dict[str, Any]:
    """``{accesses: […]}``, in order."""
    return {"accesses": [asdict(one) for one in known(looking.state).accesses]}
