"""Players: what a learner is as a person at play. Pure."""

from holodeck.actors.learner.player.settings import session_settings
from holodeck.actors.learner.player.state import Player

__all__ = ["Player", "session_settings"]
