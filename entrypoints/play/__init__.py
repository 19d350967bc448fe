"""Practice in the terminal.

One law: the command is at hand at once; the windows are loaded when somebody plays.
"""

from __future__ import annotations

from holodeck.entrypoints.play.command import play

__all__ = ["play"]
