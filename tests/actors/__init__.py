"""Actors' minds and what belongs to them: pure, no broker, no clock, no coroutine."""
