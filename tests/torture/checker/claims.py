"""Law: at every point of the journal a learner has at most one active session that claims.

Conversation and practice claim their learner while they are active; agent sessions and rehearsals
do not. A session is active from its start or resume to its pause or end.

And each start or resume of such a session rests on a claim that stands: at the sequence it names,
ahead of it, its learner was claimed for it. Only a claim that a power loss took is not asked for:
whoever was given its number cannot know.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from holodeck.messages.learner import LearnerClaimed
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


@dataclass(slots=True)
class _Learners:
    """Who is claimed by whom, as far as the journal has been read.

    Attributes:
        claims: session and learner by the number of the claim.
        claimants: the learner of each session that claims one.
        active: by learner, the sessions that are active and where they became so.
    """

    claims: dict[int, tuple[str, str]] = field(default_factory=dict)
    claimants: dict[str, str] = field(default_factory=dict)
    active: dict[str, dict[str, Row]] = field(default_factory=dict)


def one_active(evidence: Evidence) -> Finding:
    """Nobody is in two conversations at once."""
    finding = Finding(LAW, "starts and resumes")
    lost_behind = min((loss.end for loss in evidence.losses), default=None)
    learners = _Learners()
    for row in evidence.run.journal:
        if row.place is None:
            continue
        here = row.place.identity
        for event in row.events:
            match event:
                case LearnerClaimed(session=session):
                    learners.claims[row.sequence] = (session, here)
                case SessionStarted(claim=claim) if event.session_kind.claims:
                    learners.claimants[here] = event.learner
                    _begin(learners, here, row, claim, lost_behind, finding)
                case SessionForked():
                    learners.claimants.pop(here, None)
                case SessionResumed(claim=claim) if here in learners.claimants:
                    _begin(learners, here, row, claim, lost_behind, finding)
                case SessionPaused() | SessionEnded() if here in learners.claimants:
                    learners.active.get(learners.claimants[here], {}).pop(here, None)
                case _:
                    pass
    return finding


def _begin(
    learners: _Learners,
    session: str,
    row: Row,
    claim: int | None,
    lost_behind: int | None,
    finding: Finding,
) -> None:
    finding.checked += 1
    learner = learners.claimants[session]
    about = named("learner", learner)
    held = learners.active.setdefault(learner, {})
    for other, since in held.items():
        if other != session:
            finding.wrong(
                about,
                f"{session} begins at {row.sequence} ({row.command}) while {other} is active "
                f"since {since.sequence} ({since.command})",
            )
    held[session] = row
    number = claim or 0
    taken = lost_behind is not None and number > lost_behind
    if learners.claims.get(number) != (session, learner) and not taken:
        finding.wrong(about, f"{row} rests on claim {claim}, which is none of {session}")


__all__ = ["LAW", "one_active"]
