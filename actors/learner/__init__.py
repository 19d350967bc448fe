"""The learner actor's mind. Pure."""

from holodeck.actors.learner.briefing import brief, brief_practice
from holodeck.actors.learner.decider import (
    SCHEMA,
    Claim,
    LearnerState,
    due_command,
    learner,
    next_due,
)
from holodeck.actors.learner.practice import PastPractice, PracticeProfile
from holodeck.actors.learner.profile import Profile, persistence, saved

__all__ = [
    "SCHEMA",
    "Claim",
    "LearnerState",
    "PastPractice",
    "PracticeProfile",
    "Profile",
    "brief",
    "brief_practice",
    "due_command",
    "learner",
    "next_due",
    "persistence",
    "saved",
]
