"""Worlds: how one is made to measure for a character.

One law: what a character wants of a world is kept with the player; the world stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from holodeck.actors.decider import Moment
from holodeck.actors.learner.player.characters import owned
from holodeck.actors.learner.player.profile import known
from holodeck.actors.learner.player.state import CUSTOMIZED, Customized
from holodeck.messages.player import CustomizeWorld, PlayerEvent, WorldCustomized

if TYPE_CHECKING:
    from holodeck.actors.learner.decider import LearnerState


def customize(state: LearnerState, command: CustomizeWorld, now: int) -> Sequence[PlayerEvent]:
    """Raises RefusedError: ``unknown-player``, ``unknown-character``."""
    held = known(state)
    owned(held, command.character)
    if held.parameters(command.character, command.world) == command.parameters:
        return ()
    return (
        WorldCustomized(
            character=command.character, world=command.world, parameters=command.parameters
        ),
    )


def customized(state: LearnerState, event: WorldCustomized, moment: Moment) -> None:
    player = state.player
    if player is None:
        return
    others = (
        one for one in player.worlds if (one.character, one.world) != (event.character, event.world)
    )
    made = Customized(event.character, event.world, event.parameters, moment.at)
    player.worlds = (*others, made)[-CUSTOMIZED:]
