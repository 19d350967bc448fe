"""Telling PLATO by hand what the runtime tells by itself.

One law: a tile is made by the runtime when something happens, once for each session, event, task
and attempt; an explicit emit of it sends nothing and says whether it is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog

from holodeck.compat.background import background
from holodeck.compat.config import (
    DEFAULT_PLATO_URL,
    SessionOutcome,
    TaskOutcome,
    given_url,
    to_outcome,
)
from holodeck.compat.errors import SessionOver, UnknownTask
from holodeck.compat.session import Session, Task, find, forward

log = structlog.get_logger("holodeck.compat")


class PlatoTileEmitter:
    """Says whether the tiles of a session are there; with an address of its own it also has all
    tiles of the sessions it is asked about sent to that server.

    Every ``emit_…`` raises UnknownSession where this process has no session of that id.
    """

    def __init__(self, plato_url: str = DEFAULT_PLATO_URL, scout_room: str = "") -> None:
        """
        Args:
            plato_url: the default: the rooms the runtime keeps itself.
            scout_room: kept for its readers; tiles go to the room of their session.
        """
        self.plato_url = plato_url.rstrip("/")
        self.scout_room = scout_room
        self._url = given_url(plato_url, DEFAULT_PLATO_URL)

    def emit_session_start(self, session: Session) -> bool:
        """True: it is told from the start on."""
        self._of(session.session_id)
        return True

    def emit_task_start(
        self, session_id: str, task_id: str, decision: Mapping[str, Any] | None = None
    ) -> bool:
        """Whether the task has begun; how it was routed the runtime knows.

        Raises:
            UnknownTask: the session has none of that id.
        """
        task = self._task(session_id, task_id)
        return task.started_at is not None or _missing("TASK_START", session_id, task_id)

    def emit_task_end(
        self,
        session_id: str,
        task_id: str,
        outcome: TaskOutcome | str,
        duration_ms: float | None = None,
        error: str | None = None,
    ) -> bool:
        """Whether the task has ended that way; duration and error are those it ended with.

        Raises:
            UnknownTask: the session has none of that id.
            InvalidValue: ``outcome`` is none.
        """
        task = self._task(session_id, task_id)
        wanted = TaskOutcome(to_outcome(outcome).value)
        return task.outcome is wanted or _missing("TASK_END", session_id, task_id)

    def emit_session_end(
        self,
        session: Session,
        outcome: SessionOutcome | TaskOutcome | str,
        error: str | None = None,
    ) -> bool:
        """Whether the session has ended that way.

        Raises:
            InvalidValue: ``outcome`` is none.
        """
        found = self._of(session.session_id)
        wanted = SessionOutcome(to_outcome(outcome).value)
        return found.outcome is wanted or _missing("SESSION_END", found.session_id)

    def emit_session_error(self, session_id: str, error: str) -> bool:
        """Tells of an error once; False where the session has ended without it."""
        session = self._of(session_id)
        if session._has_erred(error):
            return True
        try:
            session.report_error(error)
        except SessionOver:
            return session._has_erred(error) or _missing("SESSION_ERROR", session_id)
        return True

    def emit_emergence_alert(self, session_id: str, alert: Mapping[str, Any] | None = None) -> bool:
        """Whether the session raised that alert, or any where none is given."""
        session = self._of(session_id)
        found = session.emergence_alerts
        if alert is not None:
            found = [one for one in found if one.get("crossing") == alert.get("crossing")]
        return bool(found) or _missing("EMERGENCE ALERT", session_id)

    def flush(self, timeout: float = 5.0) -> bool:
        """Waits until the server has answered for what there is, at most ``timeout`` seconds;
        True at once where there is no server of its own."""
        if self._url is None:
            return True
        from holodeck.compat.forward import Forwarders

        back = background()
        return back.call(back.part(Forwarders).flush(self._url, timeout))

    def _of(self, session_id: str) -> Session:
        session = find(session_id)
        if self._url is not None:
            forward(session, self._url)
        return session

    def _task(self, session_id: str, task_id: str) -> Task:
        task = self._of(session_id).get_task(task_id)
        if task is None:
            raise UnknownTask("unknown-task", task_id)
        return task


def _missing(event: str, session_id: str, task_id: str = "") -> bool:
    log.warning("nothing to tell: it has not happened", tile=event, session=session_id,
                task=task_id)  # fmt: skip
    return False
