"""What a learner tells of itself before a session.

One law: telling changes nothing; how long the learner was away is worked out when it is asked for.
"""

from __future__ import annotations

from typing import Final

from holodeck.actors.learner.decider import LearnerState
from holodeck.actors.learner.landing import eased_pressure
from holodeck.actors.learner.loop import ACTIVE
from holodeck.actors.learner.player.settings import session_settings
from holodeck.actors.learner.practice import briefed
from holodeck.actors.learner.profile import Profile
from holodeck.messages.conversation import (
    ContextLearner,
)
from holodeck.messages.practice import PracticeBrief
from holodeck.messages.talk import LearnerBrief

AREAS: Final = 3
DUE: Final = 3
PRESSURE: Final = 0.5


def brief(identity: str, state: LearnerState, at: int, persona: str) -> LearnerBrief:
    """What a session in the world of ``persona`` has to know of a learner.

    Args:
        identity: the learner's id.
        at: ms since 1970 UTC.

    Returns:
        At most three areas of friction (its kinds, the most frequent of the last hundred first)
        and at most three injections, those that have waited longest first. Pressure is 0.5; in a
        first session, and while soft landing is on, the end of the lower quartile of the
        recommended tier's band. While it is on, tier 1 is recommended.
    """
    held = state.profile or Profile()
    due = [
        item
        for item in held.injections
        if item.spec.status in ACTIVE and item.persona in (persona, "")
    ][:DUE]
    recommended = 1 if held.landing else held.recommended
    eased = held.landing or not held.sessions
    return LearnerBrief(
        learner=ContextLearner(
            id=identity,
            cefr=held.cefr,
            matrix_coordinates=held.coordinates,
            code_switch_state=held.switching,
            top_friction_areas=tuple(kind.value for kind in held.dominant()[:AREAS]),
            phoneme_priorities=held.phoneme_priorities(),
            session_count=held.sessions,
            days_since_last_session=held.days_away(at),
            retention_profile=held.style,
            preferred_curriculum_format=held.preferences.preferred_format,
        ),
        baseline=held.baseline,
        injections=tuple(item.spec for item in due),
        attempts=tuple(item.attempts for item in due),
        recommended_tier=recommended,
        reached=held.reached.get(persona, ()),
        pressure=eased_pressure(recommended) if eased else PRESSURE,
        tier3_sessions=held.tiers.get(3, 0),
        landing=held.landing,
        preferred_minutes=held.preferred_minutes,
        settings=None if state.player is None else session_settings(state.player),
    )


def brief_practice(state: LearnerState, curriculum: str, at: int) -> PracticeBrief:
    """What a practice session that begins at ``at``, ms since 1970 UTC, has to know of a learner.

    Returns:
        The course in it holds its id alone; number 1 and no records before the first session.
    """
    return briefed(state.practice, curriculum, at)
