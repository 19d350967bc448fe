"""What thinks: the port, what is offline, what asks a model; ``minds_of`` puts them together.

What is more than the port is loaded when it is asked for: most programs only speak to a runtime.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from holodeck.minds.port import Faculties, Mind, Prompt, Said

if TYPE_CHECKING:
    from holodeck.minds.faculties import minds_of
    from holodeck.minds.scripted import ScriptedMind

_LATER: Final = {
    "ScriptedMind": "holodeck.minds.scripted",
    "minds_of": "holodeck.minds.faculties",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LATER[name]), name)


__all__ = ["Faculties", "Mind", "Prompt", "Said", "ScriptedMind", "minds_of"]
