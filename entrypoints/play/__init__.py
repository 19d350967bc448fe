"""Practice in the terminal."""

from __future__ import annotations

from holodeck.entrypoints.play.app import Play

__all__ = ["Play"]
