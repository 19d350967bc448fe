"""The learner actor's mind. Pure."""

from holodeck.actors.learner.decider import SCHEMA, Claim, LearnerState, learner

__all__ = ["SCHEMA", "Claim", "LearnerState", "learner"]
