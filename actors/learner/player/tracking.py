"""What a learner's history hears of: which event is folded how, and in which calendar.

One law: a learner has a history from the first session it plays on, and nothing is heard of one
that it does not know. Where there is a profile, milestones are looked at after whatever may have
passed one.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from typing import TYPE_CHECKING, Final

from holodeck.actors.decider import Moment
from holodeck.actors.learner.player.days import zone_named
from holodeck.actors.learner.player.history import PlayHistory, goal_key
from holodeck.actors.learner.player.milestones import reaching, watch
from holodeck.messages.player import (
    CharacterPut,
    GoalProgressed,
    MilestoneReached,
    PlayerCreated,
    PlayerFlagged,
    ReachMilestones,
    SafetyFlagged,
    SessionInteracted,
    SessionMarked,
    SettingsChanged,
)
from holodeck.messages.session import SessionEnded, SessionPaused, SessionResumed, SessionStarted

if TYPE_CHECKING:
    from holodeck.actors.learner.decider import LearnerState

DONE: Final = 100.0
"""Per cent at which a goal is achieved."""


def zone_of(state: LearnerState) -> tzinfo:
    """The player's calendar: the zone of its profile, else the offset a learner said, else UTC."""
    player, profile = state.player, state.profile
    offset = 0 if profile is None else profile.queue.offset_minutes
    return zone_named("" if player is None else player.time_zone, offset)


def history_of(state: LearnerState) -> PlayHistory:
    """What it played; an empty one before the first session."""
    return state.history or PlayHistory()


# --- deciding ----------------------------------------


def reach(state: LearnerState, command: ReachMilestones, now: int) -> Sequence[MilestoneReached]:
    """Each milestone that is passed and not stored, once; learners without a profile have none."""
    return reaching(state.history) if state.player is not None else ()


def owed_at(state: LearnerState) -> int:
    """Since when a milestone waits to be stored, ms since 1970 UTC; 0: none does."""
    history = state.history
    return 0 if history is None or state.player is None else history.owed_at


def profiled(state: LearnerState, event: PlayerCreated, moment: Moment) -> None:
    """From now on its milestones are looked at, those it has passed already first."""
    _look(state, moment)


def _look(state: LearnerState, moment: Moment) -> None:
    if state.player is not None and state.history is not None:
        watch(state.history, moment.at)


# --- what sessions say ----------------------------------------


def started(state: LearnerState, event: SessionStarted, moment: Moment) -> None:
    if not event.session_kind.claims:
        return
    if state.history is None:
        state.history = PlayHistory()
    state.history.begins(moment.writer, event, moment.at, zone_of(state))
    _look(state, moment)


def paused(state: LearnerState, event: SessionPaused, moment: Moment) -> None:
    if state.history is not None:
        state.history.pauses(moment.writer, moment.at, zone_of(state))
        _look(state, moment)


def resumed(state: LearnerState, event: SessionResumed, moment: Moment) -> None:
    if state.history is not None:
        state.history.resumes(moment.writer, moment.at, zone_of(state))
        _look(state, moment)


def ended(state: LearnerState, event: SessionEnded, moment: Moment) -> None:
    if state.history is not None:
        state.history.ends(moment.writer, event, moment.at, zone_of(state))
        _look(state, moment)


def acted(state: LearnerState, moment: Moment) -> None:
    """A turn or an answer: what is heard most, so that it asks for the calendar once a day."""
    history = state.history
    if history is not None and history.acts(moment.writer, moment.at):
        history.plays(moment.at, zone_of(state))
        _look(state, moment)


def interacted(state: LearnerState, event: SessionInteracted, moment: Moment) -> None:
    history, player = state.history, state.player
    if history is None:
        return
    acted(state, moment)
    feelings = player is None or player.privacy.collect_emotional_responses
    history.interacted(moment.writer, event, moment.at, feelings=feelings)


def marked(state: LearnerState, event: SessionMarked, moment: Moment) -> None:
    if state.history is not None:
        state.history.marked(moment.writer, event, moment.at, zone_of(state))
        _look(state, moment)


def settled(state: LearnerState, event: SettingsChanged, moment: Moment) -> None:
    if state.history is not None:
        state.history.settles(moment.writer, event.settings, moment.at, zone_of(state))
        _look(state, moment)


def mastered(state: LearnerState, moment: Moment) -> None:
    """A skill of practice, for the first time."""
    if state.history is not None:
        state.history.masters(moment.at, zone_of(state))
        _look(state, moment)


def flagged(state: LearnerState, event: SafetyFlagged | PlayerFlagged, moment: Moment) -> None:
    if state.history is not None:
        state.history.flagged(moment.at)


# --- what the player says ----------------------------------------


def goal_progressed(state: LearnerState, event: GoalProgressed, moment: Moment) -> None:
    if event.percentage >= DONE:
        _achieved(state, goal_key(event.character, event.goal), moment)


def character_put(state: LearnerState, event: CharacterPut, moment: Moment) -> None:
    for goal in event.character.therapeutic_profile.therapeutic_goals:
        if goal.progress_percentage >= DONE:
            _achieved(state, goal_key(event.character.character_id, goal.goal_id), moment)


def _achieved(state: LearnerState, goal: str, moment: Moment) -> None:
    if state.history is None:
        state.history = PlayHistory()
    state.history.achieves(goal, moment.at, zone_of(state))
    _look(state, moment)


def reached(state: LearnerState, event: MilestoneReached, moment: Moment) -> None:
    if state.history is None:
        state.history = PlayHistory()
    state.history.reaches(event, moment.at)
    _look(state, moment)
