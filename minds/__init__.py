"""What thinks: the port and the scripted mind."""

from holodeck.minds.port import Faculties, Mind, Prompt, Said
from holodeck.minds.scripted import ScriptedMind

__all__ = ["Faculties", "Mind", "Prompt", "Said", "ScriptedMind"]
