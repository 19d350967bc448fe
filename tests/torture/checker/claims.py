"""Law: at every point of the journal a learner has at most one active session that claims.

Conversation and practice claim their learner while they are active; agent sessions and rehearsals
do not. A session is active from its start or resume to its pause or end.
"""

from __future__ import annotations

from typing import Final

from holodeck.messages.session import (
    SessionEnded,
    SessionForked,
    SessionPaused,
    SessionResumed,
    SessionStarted,
)
from tests.torture.checker.evidence import Evidence
from tests.torture.checker.report import Finding, named
from tests.torture.run import Row

LAW: Final = "one-active"


def one_active(evidence: Evidence) -> Finding:
    """Nobody is in two conversations at once."""
    finding = Finding(LAW, "starts and resumes")
    claimants: dict[str, str] = {}
    active: dict[str, dict[str, Row]] = {}
    for row in evidence.run.journal:
        if row.place is None or row.place.kind != "session":
            continue
        here = row.place.identity
        for event in row.events:
            match event:
                case SessionStarted() if event.session_kind.claims:
                    claimants[here] = event.learner
                    _begin(claimants[here], here, row, active, finding)
                case SessionForked():
                    claimants.pop(here, None)
                case SessionResumed() if here in claimants:
                    _begin(claimants[here], here, row, active, finding)
                case SessionPaused() | SessionEnded() if here in claimants:
                    active.get(claimants[here], {}).pop(here, None)
                case _:
                    pass
    return finding


def _begin(
    learner: str, session: str, row: Row, active: dict[str, dict[str, Row]], finding: Finding
) -> None:
    finding.checked += 1
    held = active.setdefault(learner, {})
    for other, since in held.items():
        if other != session:
            finding.wrong(
                named("learner", learner),
                f"{session} begins at {row.sequence} ({row.command}) while {other} is active "
                f"since {since.sequence} ({since.command})",
            )
    held[session] = row


__all__ = ["LAW", "one_active"]
