"""What the windows of practice need of a runtime, and the runtime that gives it.

One law: the windows see boards, maps and past sessions, and say what the child did; whatever is
decided is decided by the session.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Protocol

from holodeck.entrypoints.play.board import Board
from holodeck.messages.curriculum import Curriculum, Skill
from holodeck.messages.envelope import AnyEvent
from holodeck.messages.practice import PracticeSummed, SkillRecord, SkillState, SkillTier


@dataclass(frozen=True, slots=True)
class Past:
    """A session that has ended.

    Attributes:
        at: when it ended, ms since 1970 UTC.
    """

    at: int
    summed: PracticeSummed


class Mark(StrEnum):
    """How a skill stands, as the map tells it."""

    LOCKED = "locked"
    READY = "ready"
    LEARNING = "learning"
    PROVING = "proving"
    MASTERED = "mastered"
    DUE = "due"
    RUSTY = "rusty"


@dataclass(frozen=True, slots=True)
class Mastery:
    """How far a learner has come in a curriculum.

    Attributes:
        records: by skill; what is not in them was never asked.
        at: when it was asked for, ms since 1970 UTC.
    """

    curriculum: Curriculum
    records: Mapping[str, SkillRecord] = field(default_factory=dict)
    at: int = 0

    @property
    def mastered(self) -> int:
        return sum(self.state(one) is SkillState.MASTERED for one in self.curriculum.skills)

    @property
    def due(self) -> int:
        """Mastered skills that are to be reviewed now, and rusty ones."""
        return sum(self.is_due(one) for one in self.curriculum.skills)

    @property
    def practised(self) -> bool:
        """Whether anything was ever answered."""
        return any(one.total for one in self.records.values())

    def record(self, skill: Skill) -> SkillRecord:
        return self.records.get(skill.id, SkillRecord(skill=skill.id))

    def state(self, skill: Skill) -> SkillState:
        return self.record(skill).state

    def is_due(self, skill: Skill) -> bool:
        record = self.record(skill)
        if record.state is SkillState.RUSTY:
            return True
        card = record.card
        return record.state is SkillState.MASTERED and card is not None and card.due_at <= self.at

    def missing(self, skill: Skill) -> tuple[Skill, ...]:
        """What has to be mastered first, and is not."""
        needs = (self.curriculum.skill(one) for one in skill.needs)
        return tuple(
            one for one in needs if one is not None and self.state(one) is not SkillState.MASTERED
        )

    def unlocks(self, skill: Skill) -> tuple[Skill, ...]:
        """The skills that need it."""
        return tuple(one for one in self.curriculum.skills if skill.id in one.needs)

    def mark(self, skill: Skill) -> Mark:
        """What the map shows of a skill."""
        record = self.record(skill)
        match record.state:
            case SkillState.MASTERED:
                return Mark.DUE if self.is_due(skill) else Mark.MASTERED
            case SkillState.RUSTY:
                return Mark.RUSTY
            case SkillState.LEARNING:
                return Mark.PROVING if record.tier is SkillTier.PROVE else Mark.LEARNING
            case SkillState.NEW:
                return Mark.LOCKED if self.missing(skill) else Mark.READY


@dataclass(frozen=True, slots=True)
class Lobby:
    """What the first page shows.

    Attributes:
        open: the session that has not ended; None: there is none.
    """

    mastery: Mastery
    past: tuple[Past, ...] = ()
    open: Board | None = None


class Desk(Protocol):
    """A learner's place at a runtime; everything may raise HolodeckError.

    Every call about the session gives its board as it is then.
    """

    learner: str

    async def lobby(self) -> Lobby:
        """How far the learner is, what was, and the open session."""
        ...

    async def begin(self) -> Board:
        """Starts a session."""
        ...

    async def go_on(self) -> Board:
        """Takes the open session up again; a pause ends."""
        ...

    async def read(self) -> Board:
        """What the session is at, without doing anything."""
        ...

    async def answer(
        self, number: int, *, given: str = "", choice: int | None = None, time_ms: int = 0
    ) -> Board: ...

    async def close_feedback(self, number: int) -> Board: ...

    async def hint(self, number: int) -> Board: ...

    async def pause(self) -> Board: ...

    async def resume(self) -> Board: ...

    async def quit(self) -> Board:
        """Ends the session early; what was reached stays."""
        ...


def told(board: Board, events: Iterable[AnyEvent], at: int, sequence: int) -> Board:
    """The board with a checkpoint in it."""
    for event in events:
        board = board.after(event, at)
    return replace(board, sequence=sequence)
