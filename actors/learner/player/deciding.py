"""Which function decides which command of a player, and which event changes what.

One law: a row a command, a row an event; the learner's decider asks these tables and knows no more
of players.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from holodeck.actors.decider import Moment
from holodeck.actors.learner.player import (
    characters,
    feedback,
    playing,
    profile,
    tracking,
    worlds,
)
from holodeck.messages.errors import RefusedError
from holodeck.messages.learner import LearnerEvent
from holodeck.messages.player import (
    ApproveChange,
    ChangeApproved,
    ChangePlayerSettings,
    CharacterPut,
    CharacterRemoved,
    CreatePlayer,
    CustomizeWorld,
    DismissRecommendation,
    FeedbackGiven,
    FlagSafety,
    GiveFeedback,
    GoalProgressed,
    MilestoneReached,
    PlayerAccessed,
    PlayerCommand,
    PlayerCreated,
    PlayerSettingsChanged,
    PlayerUpdated,
    ProgressGoal,
    PutCharacter,
    ReachMilestones,
    RecommendationDismissed,
    RecordAccess,
    RemoveCharacter,
    UpdatePlayer,
    WorldCustomized,
)

if TYPE_CHECKING:
    from holodeck.actors.learner.decider import LearnerState

Decide = Callable[["LearnerState", Any, int], Sequence[LearnerEvent]]
Change = Callable[["LearnerState", Any, Moment], None]

DECIDES: Final[dict[type, Decide]] = {
    CreatePlayer: profile.create,
    UpdatePlayer: profile.update,
    ChangePlayerSettings: profile.change_settings,
    PutCharacter: characters.put,
    ProgressGoal: characters.progress,
    RemoveCharacter: characters.remove,
    CustomizeWorld: worlds.customize,
    GiveFeedback: feedback.give,
    ApproveChange: feedback.approve,
    DismissRecommendation: profile.dismiss,
    RecordAccess: profile.record_access,
    ReachMilestones: tracking.reach,
    FlagSafety: playing.flag,
}
"""``(state, command, now in ms since 1970 UTC) -> events``, by command."""


def _then(first: Change, second: Change) -> Change:
    """Both, in that order."""

    def change(state: LearnerState, event: Any, moment: Moment) -> None:
        first(state, event, moment)
        second(state, event, moment)

    return change


CHANGES: Final[Mapping[type, Change]] = {
    PlayerCreated: _then(profile.created, tracking.profiled),
    PlayerUpdated: profile.updated,
    PlayerSettingsChanged: profile.settings_changed,
    CharacterPut: _then(characters.made, tracking.character_put),
    GoalProgressed: _then(characters.progressed, tracking.goal_progressed),
    CharacterRemoved: characters.removed,
    WorldCustomized: worlds.customized,
    FeedbackGiven: feedback.given,
    ChangeApproved: feedback.approved,
    RecommendationDismissed: profile.dismissed,
    PlayerAccessed: profile.accessed,
    MilestoneReached: tracking.reached,
}
"""What each event changes in a state that is the caller's own."""


def decide(state: LearnerState, command: PlayerCommand, now: int) -> Sequence[LearnerEvent]:
    """The events a command to a player leads to.

    Raises:
        RefusedError: as the command's own function says; ``not-offered``, nothing here decides it.
    """
    decides = DECIDES.get(type(command))
    if decides is None:
        raise RefusedError("not-offered", command.kind)
    return decides(state, command, now)
