"""What each view of a player tells.

One law: a view is made of what may be seen, never of everything with something taken out.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from holodeck.actors.learner.player.profile import known
from holodeck.actors.learner.player.settings import conflicts
from holodeck.actors.learner.player.state import CharacterKept

if TYPE_CHECKING:
    from holodeck.actors.learner.player.reading import Looking


def profile(looking: Looking) -> dict[str, Any]:
    raise NotImplementedError


def settings(looking: Looking) -> dict[str, Any]:
    """``{settings, version, conflicts}``."""
    held = known(looking.state).settings
    return {
        "settings": held.model_dump(mode="json"),
        "version": held.version,
        "conflicts": [
            asdict(found) | {"auto_resolvable": found.auto_resolvable} for found in conflicts(held)
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
    raise NotImplementedError


def access_log(looking: Looking) -> dict[str, Any]:
    """``{accesses: […]}``, in order."""
    return {"accesses": [asdict(one) for one in known(looking.state).accesses]}
