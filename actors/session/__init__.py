"""The session actor's mind. Pure."""

from holodeck.actors.session.decider import (
    active_ms,
    arms,
    concerns,
    next_deadline,
    session,
)
from holodeck.actors.session.state import (
    SCHEMA,
    STATE,
    Charter,
    Phase,
    SessionState,
    Task,
)

__all__ = [
    "SCHEMA",
    "STATE",
    "Charter",
    "Phase",
    "SessionState",
    "Task",
    "active_ms",
    "arms",
    "concerns",
    "next_deadline",
    "session",
]
