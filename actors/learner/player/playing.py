"""What a session asks of its player: who is played, how it is to be led, and what gave cause for
concern where no session took it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from holodeck.actors.learner.player.settings import session_settings
from holodeck.messages.errors import RefusedError
from holodeck.messages.player import FlagSafety, PlayerFlagged

if TYPE_CHECKING:
    from holodeck.actors.learner.decider import LearnerState
    from holodeck.actors.learner.player.reading import Looking
    from holodeck.actors.learner.player.state import Player


def able(player: Player | None) -> None:
    """Who has no profile plays; who has one may have been put to rest.

    Raises:
        RefusedError: ``player-inactive``.
    """
    if player is not None and not player.is_active:
        raise RefusedError("player-inactive", "its profile says that it plays nothing")


def beginning(looking: Looking) -> dict[str, Any]:
    """``{settings}``: what a start needs to know of a player; settings None: it has no profile.

    Raises:
        RefusedError: ``player-inactive``; ``unknown-character``: the query names one that is not
            played.
    """
    player, wanted = looking.state.player, looking.query.character
    able(player)
    if wanted is not None:
        kept = None if player is None else player.characters.get(wanted)
        if kept is None or not kept.active:
            raise RefusedError("unknown-character", wanted)
    settings = None if player is None else session_settings(player).model_dump(mode="json")
    return {"settings": settings}


def flag(state: LearnerState, command: FlagSafety, now: int) -> Sequence[PlayerFlagged]:
    """Taken with or without a profile. Nothing is stored where the player's settings say that
    nobody shall watch; whoever wrote the text is told of the resources all the same."""
    player = state.player
    if player is not None and not player.settings.crisis_monitoring_enabled:
        return ()
    return (PlayerFlagged(finding=command.finding, turn=command.turn, rejected=command.rejected),)
