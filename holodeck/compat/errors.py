"""What the session manager's methods raise.

One law: a refusal is a :class:`RefusedError` of the runtime with the word for programs in
``reason``, and also what a user of dictionaries and values expects: a KeyError where a name is
unknown, a ValueError where a value cannot be taken.
"""

from __future__ import annotations

from typing import Final

from holodeck.messages.errors import ContractError, RefusedError, TransientError


class InvalidValue(ContractError, ValueError):
    """A field of the configuration, or an argument, that no session can have."""


class UnknownTask(RefusedError, KeyError):
    """The session has no task of that id; ``detail`` is the id."""

    def __init__(self, reason: str = "unknown-task", detail: str = "") -> None:
        super().__init__(reason, detail)


class UnknownSession(RefusedError, KeyError):
    """No session of that id was started by this process, or anywhere; ``detail`` is the id."""

    def __init__(self, reason: str = "unknown-session", detail: str = "") -> None:
        super().__init__(reason, detail)


class DuplicateTask(RefusedError, ValueError):
    """The session has a task of that id already; ``detail`` is the id."""


class TaskLimitReached(RefusedError, ValueError):
    """The session has as many tasks as ``max_tasks`` allows."""


class TaskAlreadyEnded(RefusedError, ValueError):
    """The task ended with another outcome, or in a way that allows no further attempt."""


class TaskStillOpen(RefusedError, ValueError):
    """A task is tried again only once it has failed or run out of time."""


class SessionOver(RefusedError, RuntimeError):
    """The session has ended; nothing can be added to it."""


class RouterUnavailable(TransientError):
    """The H1 router that was configured gave no decision: away, too slow, or not understood."""

    def __init__(self, url: str, problem: str) -> None:
        super().__init__(url, problem)
        self.url, self.problem = url, problem

    def __str__(self) -> str:
        return f"H1 router {self.url}: {self.problem}"


_BY_REASON: Final[dict[str, type[RefusedError]]] = {
    "unknown-task": UnknownTask,
    "unknown-session": UnknownSession,
    "duplicate-task": DuplicateTask,
    "task-limit": TaskLimitReached,
    "task-completed": TaskAlreadyEnded,
    "task-succeeded": TaskAlreadyEnded,
    "task-open": TaskStillOpen,
    "session-ended": SessionOver,
}


def typed(error: RefusedError, detail: str = "") -> RefusedError:
    """The same refusal as the class its reason has here; ``detail`` where it gave none."""
    kind = _BY_REASON.get(error.reason)
    return error if kind is None else kind(error.reason, error.detail or detail)
