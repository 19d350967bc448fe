"""What a session manager is told: the words of the published library, with its values.

One law: names, order and defaults are those of its README, so its users' code runs as it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from holodeck.compat.errors import InvalidValue
from holodeck.messages import session as contract
from holodeck.messages.errors import InvalidId
from holodeck.messages.ids import check_id, decode_foreign, encode_foreign

DEFAULT_PLATO_URL: Final = "http://localhost:8848"
"""Stands for the rooms the runtime keeps itself: nothing is sent there."""
DEFAULT_ROUTER_URL: Final = "http://localhost:8902"
"""Stands for the fleet of the runtime itself: nothing is asked there."""


class TaskOutcome(Enum):
    """How a task came out."""

    SUCCESS = "success"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMEOUT = "timeout"


class SessionOutcome(Enum):
    """How a session came out."""

    SUCCESS = "success"
    FAILED = "failed"
    TIMEOUT = "timeout"
    CANCELLED = "cancelled"


class TaskPriority(Enum):
    """How urgent a task is; a higher value is more urgent."""

    LOW = 1
    NORMAL = 2
    HIGH = 3
    CRITICAL = 4

    def __lt__(self, other: object) -> bool:
        return self.value < other.value if isinstance(other, TaskPriority) else NotImplemented


@dataclass
class SessionConfig:
    """What the sessions of one manager have in common.

    Attributes:
        session_name: for people, up to 200 characters.
        agent_id: who works. Any text; what is no id of the runtime is encoded reversibly.
        max_tasks: hard limit of tasks, 1 to 1000.
        task_timeout_seconds: from the start of each task; 0: none.
        session_timeout_seconds: from the start of the session; 0: none.
        plato_url: another one than the default also gets the session's tiles.
        scout_room: the room of the tiles; empty: ``scout-reports/holodeck-session``.
        emit_tiles: False: no PLATO server is told; the runtime keeps its tiles in any case.
        h1_router_enabled: whether ``h1_router_url`` is asked; told on in the start tile.
        h1_router_url: another one than the default is asked for decisions.
        emergence_threshold_offset: an alert is raised where β1 > V + offset in a component.
        on_task_complete: called with the task.
        on_session_end: called with the session and its outcome.
        on_emergence_alert: called with the alert.
    """

    session_name: str
    agent_id: str
    tags: list[str] = field(default_factory=list)
    max_tasks: int = 50
    task_timeout_seconds: int = 300
    session_timeout_seconds: int = 3600
    plato_url: str = DEFAULT_PLATO_URL
    scout_room: str = ""
    emit_tiles: bool = True
    h1_router_enabled: bool = False
    h1_router_url: str = DEFAULT_ROUTER_URL
    emergence_threshold_offset: int = -2
    on_task_complete: Callable[..., Any] | None = None
    on_session_end: Callable[..., Any] | None = None
    on_emergence_alert: Callable[..., Any] | None = None


def given_url(url: str, default: str) -> str | None:
    """The address without its last slash; None where it is the default."""
    bare = url.strip().rstrip("/")
    return None if bare in ("", default) else bare


# --- to the runtime's words and back ----------------------------------------


def to_actor(agent: str) -> str:
    """The id an agent has in the runtime: its own where that is one and could not be taken for the
    encoding of another.

    Raises:
        InvalidValue: empty, or longer than 64 characters once encoded.
    """
    try:
        if from_actor(check_id(agent)) == agent:
            return agent
    except InvalidId:
        pass  # no id as it is
    try:
        return encode_foreign(agent)
    except InvalidId as error:
        raise InvalidValue(f"agent_id {error}") from error


def from_actor(identity: str) -> str:
    """The agent an id of the runtime stands for."""
    try:
        return decode_foreign(identity)
    except InvalidId:
        return identity


def to_outcome(outcome: TaskOutcome | SessionOutcome | contract.Outcome | str) -> contract.Outcome:
    """Any way to say how something came out, as the runtime says it; case does not matter.

    Raises:
        InvalidValue: it is none of the four.
    """
    word = outcome.value if isinstance(outcome, Enum) else outcome
    try:
        return contract.Outcome(str(word).lower())
    except ValueError as error:
        known = ", ".join(one.value for one in contract.Outcome)
        raise InvalidValue(f"{word!r} is no outcome; it is one of {known}") from error


def to_priority(priority: TaskPriority | contract.TaskPriority | str | int) -> TaskPriority:
    """Any way to say how urgent a task is: member, name or number.

    Raises:
        InvalidValue: it is none of the four.
    """
    word = priority.value if isinstance(priority, Enum) else priority
    try:
        return TaskPriority[word.upper()] if isinstance(word, str) else TaskPriority(word)
    except (KeyError, ValueError) as error:
        known = ", ".join(one.name for one in TaskPriority)
        raise InvalidValue(f"{priority!r} is no priority; it is one of {known}") from error


def to_millis(duration_ms: float | None) -> int | None:
    """A duration in whole ms.

    Raises:
        InvalidValue: negative, or no number.
    """
    if duration_ms is None:
        return None
    if not isinstance(duration_ms, int | float) or not 0 <= duration_ms < math.inf:
        raise InvalidValue(f"duration_ms is a number from 0 on, not {duration_ms!r}")
    return round(duration_ms)
