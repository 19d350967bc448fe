"""What thinks: the port, what is offline, what asks a model; ``minds_of`` puts them together."""

from holodeck.minds.faculties import minds_of
from holodeck.minds.port import Faculties, Mind, Prompt, Said
from holodeck.minds.scripted import ScriptedMind

__all__ = ["Faculties", "Mind", "Prompt", "Said", "ScriptedMind", "minds_of"]
