"""What thinks: the port and the scripted mind."""

from holodeck.minds.port import Mind, Prompt, Said
from holodeck.minds.scripted import ScriptedMind

__all__ = ["Mind", "Prompt", "Said", "ScriptedMind"]
