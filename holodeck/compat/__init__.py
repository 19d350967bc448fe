"""The published session manager's interface over this runtime: synchronous, durable, complete.

One law: code written for that library's README runs with only its import changed to
``holodeck.compat``. ``docs/compat.md`` says what is different.

It lies in the front door and not among the entrypoints, because programs import it.
"""

from __future__ import annotations

from holodeck.compat.background import shutdown
from holodeck.compat.config import SessionConfig, SessionOutcome, TaskOutcome, TaskPriority
from holodeck.compat.errors import (
    DuplicateTask,
    InvalidValue,
    RouterUnavailable,
    SessionOver,
    TaskAlreadyEnded,
    TaskLimitReached,
    TaskStillOpen,
    UnknownSession,
    UnknownTask,
)
from holodeck.compat.manager import SessionManager
from holodeck.compat.plato_integration import PlatoTileEmitter
from holodeck.compat.records import Decision, EmergenceAlert, H1Status
from holodeck.compat.session import Session, Task, open_session

__all__ = [
    "Decision",
    "DuplicateTask",
    "EmergenceAlert",
    "H1Status",
    "InvalidValue",
    "PlatoTileEmitter",
    "RouterUnavailable",
    "Session",
    "SessionConfig",
    "SessionManager",
    "SessionOutcome",
    "SessionOver",
    "Task",
    "TaskAlreadyEnded",
    "TaskLimitReached",
    "TaskOutcome",
    "TaskPriority",
    "TaskStillOpen",
    "UnknownSession",
    "UnknownTask",
    "open_session",
    "shutdown",
]
