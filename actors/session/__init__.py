"""The session actor's mind. Pure."""

from holodeck.actors.session.decider import (
    active_ms,
    arms,
    concerns,
    next_deadline,
    seen_patterns,
    session,
    task_counts,
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
    "seen_patterns",
    "session",
    "task_counts",
]
