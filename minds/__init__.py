"""What thinks: the port and the scripted mind."""

from holodeck.minds.port import Mind, Prompt
from holodeck.minds.scripted import ScriptedMind

__all__ = ["Mind", "Prompt", "ScriptedMind"]
