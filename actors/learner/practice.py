"""What practice sessions left behind in their learner, by curriculum.

One law: every answer is kept the moment it is given, and what is kept only goes on: a session that
was left open and is taken up again after a later one takes nothing back.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from holodeck.actors.session.practice.progress import answered, changed, credited, moved
from holodeck.messages.practice import (
    AnswerGiven,
    Category,
    Course,
    PracticeBrief,
    PracticeSummed,
    ReviewCredited,
    SkillMoved,
    SkillRecord,
    SkillState,
    SkillTier,
)

HISTORY: Final = 50
"""Sessions of a curriculum that are remembered one by one."""
ROWS: Final = 12
"""Skills of such a session at most; all of them stand in its own last checkpoint."""
OPEN: Final = 64
"""Sessions of a curriculum that may be open at once; of more the oldest is heard no more."""
DAYS: Final = 400
"""Days on which was practised that are remembered."""
RECORDS: Final = 400
DAY_MS: Final = 86_400_000


class PastSkill(NamedTuple):
    """One skill of a session that is over."""

    skill: str
    category: Category
    attempted: int
    correct: int
    tier_before: SkillTier
    tier_after: SkillTier
    state_before: SkillState
    state_after: SkillState


@dataclass(frozen=True, slots=True)
class PastPractice:
    """One session that is over.

    Attributes:
        number: among those of its curriculum, from 1.
        at: its end, ms since 1970 UTC.
        accuracy: 0 to 1.
        duration_ms: of active time.
        finished: it was not left early.
        rows: what was attempted, at most :data:`ROWS`; more: how many skills beyond.
    """

    session: str
    number: int
    at: int
    answered: int
    correct: int
    accuracy: float
    duration_ms: int
    finished: bool
    rows: tuple[PastSkill, ...] = ()
    more: int = 0


@dataclass(slots=True)
class PracticeProfile:
    """How far a learner has come in one curriculum.

    Attributes:
        sessions: number of the last one that began.
        answers, right: ever.
        first_at, last_at: of the first and the last answer, ms since 1970 UTC; 0: none.
        days: on which was practised, counted from 1970 UTC; the newest 400, the newest last.
        records: by skill, also of skills that the curriculum has no more.
        live: number of each open session, the one begun last at the end.
        history: the newest 50, the newest last.
    """

    sessions: int = 0
    answers: int = 0
    right: int = 0
    first_at: int = 0
    last_at: int = 0
    days: tuple[int, ...] = ()
    records: dict[str, SkillRecord] = field(default_factory=dict)
    live: dict[str, int] = field(default_factory=dict)
    history: tuple[PastPractice, ...] = ()

    def copy(self) -> PracticeProfile:
        return replace(self, records=dict(self.records), live=dict(self.live))

    def count(self, state: SkillState) -> int:
        """Skills in a state."""
        return sum(record.state is state for record in self.records.values())

    def due(self, at: int) -> list[str]:
        """Mastered skills that are to be reviewed at a moment, the most overdue first."""
        found = [
            (record.card.due_at, record.skill)
            for record in self.records.values()
            if record.state is SkillState.MASTERED
            and record.card is not None
            and record.card.due_at <= at
        ]
        return [skill for _, skill in sorted(found)]

    # --- how it changes ----------------------------------------

    def begins(self, session: str, number: int) -> None:
        self.sessions = max(self.sessions, number)
        self.live[session] = number
        while len(self.live) > OPEN:
            del self.live[next(iter(self.live))]

    def answer(self, session: str, event: AnswerGiven, at: int) -> None:
        record, number = self._record(event.skill), self.live[session]
        after = answered(record, event, at, number)
        if not _current(record, number):
            after = changed(
                after,
                attempts=record.attempts,
                correct=record.correct,
                last_at=max(record.last_at, at),
            )
        self.records[event.skill] = after
        self.answers += 1
        self.right += event.correct
        self.first_at = self.first_at or at
        self.last_at = at
        day = at // DAY_MS
        if day not in self.days[-1:]:
            self.days = (*self.days, day)[-DAYS:]

    def move(self, session: str, event: SkillMoved, at: int) -> None:
        record = self._record(event.skill)
        if _current(record, self.live[session]) or _further(record, event):
            self.records[event.skill] = moved(record, event, at)

    def credit(self, session: str, event: ReviewCredited) -> None:
        record = self._record(event.skill)
        if _current(record, self.live[session]):
            self.records[event.skill] = credited(record, event)

    def sum(self, session: str, event: PracticeSummed, at: int) -> None:
        tried = [row for row in event.rows if row.attempted]
        past = PastPractice(
            session=session,
            number=event.number,
            at=at,
            answered=event.answered,
            correct=event.correct,
            accuracy=event.accuracy,
            duration_ms=event.duration_ms,
            finished=event.finished,
            rows=tuple(
                PastSkill(
                    row.skill,
                    row.category,
                    row.attempted,
                    row.correct,
                    row.tier_before,
                    row.tier_after,
                    row.state_before,
                    row.state_after,
                )
                for row in tried[:ROWS]
            ),
            more=max(0, len(tried) - ROWS),
        )
        self.history = (*self.history, past)[-HISTORY:]

    def ends(self, session: str) -> None:
        self.live.pop(session, None)

    def _record(self, skill: str) -> SkillRecord:
        return self.records.get(skill) or SkillRecord(skill=skill)


Practised = dict[str, PracticeProfile]
"""By curriculum."""


def holding(practised: Practised | None, session: str) -> PracticeProfile | None:
    """The profile a session writes to; None: it is no practice session, or over."""
    for profile in (practised or {}).values():
        if session in profile.live:
            return profile
    return None


# --- one record ----------------------------------------


def _current(record: SkillRecord, number: int) -> bool:
    """Whether no later session has asked for the skill."""
    return record.session <= number


def _further(record: SkillRecord, event: SkillMoved) -> bool:
    """Whether a session that goes on after a later one has brought the skill further."""
    if record.state is SkillState.MASTERED:
        return False
    if event.state is SkillState.MASTERED:
        return True
    ahead = event.tier is SkillTier.PROVE and record.tier is SkillTier.LEARN
    return ahead and record.state is not SkillState.RUSTY


def briefed(practised: Practised | None, curriculum: str, at: int) -> PracticeBrief:
    """What a session that begins at ``at`` has to know of its learner; of the course there is
    nothing but its id, the host knows the rest.

    Records are in the order of their skills' ids; of more than 400 those practised last.
    """
    course = Course(id=curriculum)
    profile = (practised or {}).get(curriculum)
    if profile is None:
        return PracticeBrief(course=course, days=1)
    newest = sorted(profile.records.values(), key=lambda record: (-record.last_at, record.skill))
    return PracticeBrief(
        course=course,
        records=tuple(sorted(newest[:RECORDS], key=lambda record: record.skill)),
        number=profile.sessions + 1,
        days=len(profile.days) + (at // DAY_MS not in profile.days[-1:]),
    )
