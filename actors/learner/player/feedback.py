"""What a player says of its sessions, and what that changes.

One law: what a feedback leads to is done, not only told: of itself it alters the player's settings,
each time as a new version; what changes a preference waits for the player's word.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pydantic import ValidationError

from holodeck.actors.decider import Moment
from holodeck.actors.learner.player.profile import changed, known, settle
from holodeck.actors.learner.player.settings import LEVELS, SHARED, resolved
from holodeck.actors.learner.player.state import (
    FEEDBACK,
    FEEDBACK_BYTES,
    FEEDBACK_TEXT,
    Feedback,
)
from holodeck.messages.errors import RefusedError
from holodeck.messages.player import (
    ApproveChange,
    ChangeApproved,
    FeedbackGiven,
    GiveFeedback,
    PlayerEvent,
    PlayerSettings,
)

if TYPE_CHECKING:
    from holodeck.actors.learner.decider import LearnerState


class Effect(NamedTuple):
    """What a feedback leads to; ``confidence``: 0 to 1."""

    type: str
    changes: tuple[str, ...]
    confidence: float
    approval: bool = False


_EASE: Final = ("reduce_intensity", "increase_support")
_KEEP: Final = ("maintain_current_approach",)
_TEXTS: Final[tuple[tuple[tuple[str, ...], tuple[str, ...], float], ...]] = (
    (("helpful", "good"), _KEEP, 0.7),
    (("difficult", "hard"), ("reduce_difficulty", "increase_support"), 0.6),
    (("boring",), ("increase_engagement", "vary_approaches"), 0.7),
)
"""Words, what they lead to and how sure that is; the first row with one of them in the text."""
_UPDATE: Final = "update_"
WANTED: Final = 2000
"""The longest text of changes, in bytes: it is kept until it is answered."""
WAITING: Final = 8
"""How many changes may wait for the player's word at once."""
CRISIS: Final = ("enable_crisis_monitoring", "provide_support_resources", "reduce_intensity")


def effect(given: GiveFeedback) -> Effect:
    """What a feedback leads to.

    Raises:
        RefusedError: ``invalid-preference``, changes that are no object of settings.
    """
    if given.rating is not None:
        if given.rating <= 2:
            return Effect("rating", _EASE, 0.8)
        return Effect("rating", _KEEP, 0.9) if given.rating >= 4 else Effect("rating", (), 0.6)
    if given.text is not None:
        text = given.text.casefold()
        for words, changes, confidence in _TEXTS:
            if any(word in text for word in words):
                return Effect("text", changes, confidence)
        return Effect("text", (), 0.5)
    if given.preference_changes is not None:
        wanted = _wanted(given.preference_changes)
        named = tuple(f"{_UPDATE}{name}" for name in wanted)
        return Effect("preference_change", named, 0.9, approval=True)
    return Effect("crisis_indicator", CRISIS, 1.0)


def _wanted(text: str) -> dict[str, Any]:
    """The settings a text of changes names, by the setting's name."""
    if len(text.encode()) > WANTED:
        raise RefusedError("invalid-preference", f"changes have at most {WANTED} bytes")
    raw = json.loads(text)
    if not isinstance(raw, dict) or not raw:
        raise RefusedError("invalid-preference", "changes are an object of settings by name")
    wanted: dict[str, Any] = {SHARED.get(str(name)) or name: raw[name] for name in raw}
    for name in wanted:
        if name == "version" or name not in PlayerSettings.model_fields:
            raise RefusedError("invalid-preference", f"there is no setting {name!r}"[:1000])
    try:
        sound = PlayerSettings.model_validate_json(json.dumps(wanted))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise RefusedError("invalid-preference", f"{where}: {first['msg']}"[:1000]) from error
    return {name: getattr(sound, name) for name in wanted}


# --- what a change does ----------------------------------------


def _gentler(held: PlayerSettings) -> dict[str, Any]:
    lower = max(0, LEVELS.index(held.intensity_level) - 1)
    return {"intensity_level": LEVELS[lower]}


_FREQUENCIES: Final = ("minimal", "balanced", "frequent")
_PACES: Final = ("slow", "adaptive", "fast")
_STEP: Final = 0.1
WATCHED: Final = 0.9
"""How sensitive to crises monitoring is at least, once one was told of."""


def _next(steps: tuple[str, ...], now: str, by: int) -> str:
    return steps[max(0, min(len(steps) - 1, steps.index(now) + by))]


def _supported(held: PlayerSettings) -> dict[str, Any]:
    return {
        "intervention_frequency": _next(_FREQUENCIES, held.intervention_frequency, 1),
        "feedback_sensitivity": round(min(1.0, held.feedback_sensitivity + _STEP), 6),
    }


def _easier(held: PlayerSettings) -> dict[str, Any]:
    return {
        "challenge_tolerance": round(max(0.0, held.challenge_tolerance - 2 * _STEP), 6),
        "pacing_preference": _next(_PACES, held.pacing_preference, -1),
    }


def _livelier(held: PlayerSettings) -> dict[str, Any]:
    return {
        "challenge_tolerance": round(min(1.0, held.challenge_tolerance + _STEP), 6),
        "pacing_preference": _next(_PACES, held.pacing_preference, 1),
    }


def _varied(held: PlayerSettings) -> dict[str, Any]:
    """The first secondary approach takes the place of the last preferred one."""
    if not held.secondary_approaches:
        return {}
    first, *rest = held.secondary_approaches
    kept = [one for one in held.preferred_approaches if one != first]
    left = kept[-1:]
    return {
        "preferred_approaches": (first, *kept[:-1]),
        "secondary_approaches": (*rest, *(one for one in left if one not in rest)),
    }


def _watched(held: PlayerSettings) -> dict[str, Any]:
    return {
        "crisis_monitoring_enabled": True,
        "crisis_sensitivity": max(WATCHED, held.crisis_sensitivity),
    }


_DOES: Final[Mapping[str, Callable[[PlayerSettings], dict[str, Any]]]] = {
    "reduce_intensity": _gentler,
    "increase_support": _supported,
    "reduce_difficulty": _easier,
    "increase_engagement": _livelier,
    "vary_approaches": _varied,
    "enable_crisis_monitoring": _watched,
}
"""What the changes that alter settings make of them; the others alter none: what is kept stays,
and resources are shown by whoever asked."""


def adapted(held: PlayerSettings, changes: Sequence[str]) -> PlayerSettings:
    """The settings after changes, without a conflict that blocks; the version stays."""
    for name in changes:
        does = _DOES.get(name)
        if does is not None:
            held = held.model_copy(update=does(held))
    return resolved(held)[0]


# --- decisions ----------------------------------------


def give(state: LearnerState, command: GiveFeedback, now: int) -> Sequence[PlayerEvent]:
    """Raises RefusedError: ``unknown-player``; ``invalid-preference``; ``too-many-changes``, eight
    wait for the player's word."""
    held = known(state)
    if held.said(command.feedback_id) is not None:
        return ()
    found = effect(command)
    if found.approval and sum(one.waits for one in held.feedback) >= WAITING:
        raise RefusedError("too-many-changes", f"{WAITING} wait to be approved or declined")
    told = FeedbackGiven(
        feedback_id=command.feedback_id,
        feedback_type=found.type,
        session=command.session,
        rating=command.rating,
        text=command.text,
        preference_changes=command.preference_changes,
        crisis_types=command.crisis_types,
        changes=found.changes,
        confidence=found.confidence,
        approval=found.approval,
    )
    if found.approval:
        return (told,)
    return (told, *changed(held, adapted(held.settings, found.changes)))


def approve(state: LearnerState, command: ApproveChange, now: int) -> Sequence[PlayerEvent]:
    """Raises RefusedError: ``unknown-player``; ``unknown-feedback``, none of that id waits or was
    answered; ``already-answered``, with the other word; ``settings-conflict``, what was wanted
    does not go with the settings any more."""
    held = known(state)
    said = held.said(command.feedback_id)
    if said is None or not (said.waits or said.approved is not None):
        raise RefusedError("unknown-feedback", command.feedback_id)
    if said.approved is not None:
        if said.approved is command.approve:
            return ()
        word = "approved" if said.approved else "declined"
        raise RefusedError("already-answered", f"it was {word}")
    answered = ChangeApproved(feedback_id=command.feedback_id, approve=command.approve)
    if not command.approve:
        return (answered,)
    wanted = held.settings.model_copy(update=_wanted(said.preference_changes or ""))
    fresh, mended = settle(wanted)
    return (answered, *changed(held, fresh, mended))


# --- folds ----------------------------------------


def given(state: LearnerState, event: FeedbackGiven, moment: Moment) -> None:
    player = state.player
    if player is None:
        return
    said = Feedback(
        feedback_id=event.feedback_id,
        type=event.feedback_type,
        at=moment.at,
        session=event.session,
        rating=event.rating,
        text=None if event.text is None else event.text[:FEEDBACK_TEXT],
        preference_changes=event.preference_changes,
        crisis_types=event.crisis_types,
        changes=event.changes,
        confidence=event.confidence,
        waits=event.approval,
    )
    player.feedback = _kept((*player.feedback, said))


def _kept(said: tuple[Feedback, ...]) -> tuple[Feedback, ...]:
    """As many as there is room for; what waits for an answer goes last."""
    room = FEEDBACK_BYTES - sum(map(_bytes, said))
    gone: set[str] = set()
    for one in sorted(said, key=lambda one: (one.waits, one.at)):
        if room >= 0 and len(said) - len(gone) <= FEEDBACK:
            break
        gone.add(one.feedback_id)
        room += _bytes(one)
    return tuple(one for one in said if one.feedback_id not in gone)


def _bytes(one: Feedback) -> int:
    words = (one.feedback_id, one.text, one.preference_changes, *one.changes, *one.crisis_types)
    return 100 + sum(len(word.encode()) for word in words if word)


def approved(state: LearnerState, event: ChangeApproved, moment: Moment) -> None:
    player = state.player
    if player is None:
        return
    player.feedback = tuple(
        replace(one, waits=False, approved=event.approve, preference_changes=None)
        if one.feedback_id == event.feedback_id
        else one
        for one in player.feedback
    )
