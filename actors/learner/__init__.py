"""The learner actor's mind. Pure."""

from holodeck.actors.learner.briefing import brief
from holodeck.actors.learner.decider import (
    SCHEMA,
    Claim,
    LearnerState,
    due_command,
    learner,
    next_due,
)
from holodeck.actors.learner.profile import Profile, persistence, saved

__all__ = [
    "SCHEMA",
    "Claim",
    "LearnerState",
    "Profile",
    "brief",
    "due_command",
    "learner",
    "next_due",
    "persistence",
    "saved",
]
