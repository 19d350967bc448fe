"""What is told of a player, and to whom.

One law: who asks decides what is seen, here and nowhere else; telling changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from holodeck.actors.learner.player import dashboard, playing, views
from holodeck.messages.envelope import ReadPlayer
from holodeck.messages.errors import RefusedError
from holodeck.minds.port import Worlds

if TYPE_CHECKING:
    from holodeck.actors.learner.decider import LearnerState


class Standing(StrEnum):
    """How somebody stands to a player."""

    OWNER = "owner"
    DELEGATE = "delegate"
    STRANGER = "stranger"


@dataclass(frozen=True, slots=True)
class Looking:
    """One look at a player.

    Attributes:
        identity: the player's id; state: the learner's.
        query: what is asked; ``at`` in it is now, ms since 1970 UTC.
        standing: how who asks stands to the player.
        shares: who asks may see how the player comes on.
        worlds: those the host knows; None: none.
    """

    identity: str
    state: LearnerState
    query: ReadPlayer
    standing: Standing
    shares: bool
    worlds: Worlds | None = None

    @property
    def stranger(self) -> bool:
        return self.standing is Standing.STRANGER


class View(NamedTuple):
    """One view.

    Attributes:
        show: what is told, as plain values (times in ms since 1970 UTC).
        seen_by: who may see it; a stranger only where the player consents to being known of.
        shared: a stranger may where the player shares its progress.
        bare: told of a learner without a profile too, to the learner itself.
    """

    show: Callable[[Looking], dict[str, Any]]
    seen_by: frozenset[Standing]
    shared: bool = False
    bare: bool = False


OWNER: Final = frozenset({Standing.OWNER})
TRUSTED: Final = frozenset({Standing.OWNER, Standing.DELEGATE})
ANYBODY: Final = frozenset(Standing)

VIEWS: Final[dict[str, View]] = {
    "profile": View(views.profile, ANYBODY),
    "settings": View(views.settings, TRUSTED),
    "characters": View(views.characters, TRUSTED),
    "compatibility": View(views.compatibility, TRUSTED),
    "access-log": View(views.access_log, OWNER),
    "progress": View(dashboard.progress, TRUSTED, shared=True, bare=True),
    "charts": View(dashboard.charts, TRUSTED, shared=True, bare=True),
    "milestones": View(dashboard.milestones, TRUSTED, shared=True, bare=True),
    "effectiveness": View(dashboard.effectiveness, TRUSTED, bare=True),
    "recommendations": View(dashboard.recommendations, TRUSTED, bare=True),
    "sessions": View(dashboard.sessions, TRUSTED, bare=True),
    "beginning": View(playing.beginning, OWNER, bare=True),
    "dashboard": View(dashboard.dashboard, TRUSTED, bare=True),
}
"""Every view that is offered, by its name in the query."""


def standing(identity: str, state: LearnerState, query: ReadPlayer) -> Standing:
    """How who asks stands to the player: operators and readers as strangers do."""
    if query.role == "owner" or (query.role == "learner" and query.viewer == identity):
        return Standing.OWNER
    player = state.player
    if query.role == "learner" and player is not None and query.viewer in player.delegates:
        return Standing.DELEGATE
    return Standing.STRANGER


def read(
    identity: str, state: LearnerState, query: ReadPlayer, worlds: Worlds | None = None
) -> dict[str, Any]:
    """What a query is told.

    Raises:
        RefusedError: ``unknown-player``, the learner has no profile; ``access-restricted``, who
            asks may not see that; ``unknown-view``; what the view itself refuses.
    """
    if state.erased:
        raise RefusedError("learner-erased")
    view = VIEWS.get(query.view)
    if view is None:
        raise RefusedError("unknown-view", query.view)
    who = standing(identity, state, query)
    player = state.player
    consents = player is not None and player.privacy.data_collection_consent
    shares = who is not Standing.STRANGER or (
        player is not None and consents and player.privacy.progress_sharing_enabled
    )
    if player is None and (who is Standing.OWNER or query.role == "operator"):
        if not (view.bare and who is Standing.OWNER):
            raise RefusedError("unknown-player", "no profile was ever created for this learner")
    elif who is Standing.STRANGER and not (
        consents and (who in view.seen_by or (view.shared and shares))
    ):
        raise RefusedError("access-restricted", "the player does not let you see this")
    elif who not in view.seen_by and who is not Standing.STRANGER:
        raise RefusedError("access-restricted", "the player alone sees this")
    return view.show(Looking(identity, state, query, who, shares, worlds))
