"""A learner's place at a runtime.

One law: a board is read from the journal after every command, so it holds what others did too.
"""

from __future__ import annotations

import time

from holodeck.deck import Deck
from holodeck.entrypoints.play.board import Board, Stage
from holodeck.entrypoints.play.desk import Lobby, Mastery, Past, told
from holodeck.messages.curriculum import Curriculum
from holodeck.messages.errors import RefusedError
from holodeck.messages.practice import (
    AnswerQuestion,
    CloseFeedback,
    GeneratorKind,
    PracticeCommand,
    PracticeSummed,
    SchedulerKind,
    ShowHint,
    SkillRow,
)
from holodeck.practice import PastPractice, Practice


class Seat:
    """A :class:`Desk` at a runtime."""

    def __init__(
        self,
        deck: Deck,
        learner: str,
        curriculum: Curriculum,
        *,
        minutes: float = 15.0,
        slots: int = 5,
        scheduler: SchedulerKind = SchedulerKind.FSRS,
        generator: GeneratorKind = GeneratorKind.OFFLINE,
    ) -> None:
        """Args: those of :meth:`Deck.start_practice`."""
        self.learner = learner
        self._deck = deck
        self._curriculum = curriculum
        self._minutes = minutes
        self._slots = slots
        self._scheduler = scheduler
        self._generator = generator
        self._practice: Practice | None = None
        self._board = Board(curriculum.course())

    async def lobby(self) -> Lobby:
        who, curriculum = self._deck.learner(self.learner), self._curriculum
        # What this window has seen has to be in what it shows of the learner.
        after = self._board.sequence
        mastery = await who.mastery(curriculum.id, after=after)
        past = await who.practice_history(curriculum.id)
        held = await who.open_practice(curriculum.id)
        board = None
        if held is not None:
            if self._practice is None or self._practice.id != held.id:
                self._sit(held)
            board = await self.read()
        alive = board is not None and board.stage is not Stage.ENDED
        return Lobby(
            Mastery(curriculum, {one.skill: one for one in mastery.records}, _now()),
            tuple(Past(one.at, _summed(curriculum, one)) for one in past),
            board if alive else None,
        )

    async def begin(self) -> Board:
        self._sit(
            await self._deck.start_practice(
                self.learner,
                self._curriculum.id,
                minutes=self._minutes,
                slots=self._slots,
                generator=self._generator,
                scheduler=self._scheduler,
                switch=True,
            )
        )
        return await self.read()

    async def go_on(self) -> Board:
        board = await self.read()
        return await self.resume() if board.stage is Stage.PAUSED else board

    async def read(self) -> Board:
        async for step in self._held.session.replay(after=self._board.sequence):
            self._board = told(self._board, step.events, step.at, step.sequence)
        return self._board

    async def answer(
        self, number: int, *, given: str = "", choice: int | None = None, time_ms: int = 0
    ) -> Board:
        return await self._said(
            AnswerQuestion(number=number, given=given, choice=choice, time_ms=time_ms)
        )

    async def close_feedback(self, number: int) -> Board:
        return await self._said(CloseFeedback(number=number))

    async def hint(self, number: int) -> Board:
        return await self._said(ShowHint(number=number))

    async def pause(self) -> Board:
        await self._held.pause()
        return await self.read()

    async def resume(self) -> Board:
        await self._held.resume(switch=True)
        return await self.read()

    async def quit(self) -> Board:
        await self._held.quit()
        return await self.read()

    @property
    def _held(self) -> Practice:
        if self._practice is None:
            raise RefusedError("unknown-session", "no session is open")
        return self._practice

    def _sit(self, practice: Practice) -> None:
        self._practice = practice
        self._board = Board(self._curriculum.course())

    async def _said(self, body: PracticeCommand) -> Board:
        await self._held.session.command(body)
        return await self.read()


def _now() -> int:
    return int(time.time() * 1000)


def _summed(curriculum: Curriculum, past: PastPractice) -> PracticeSummed:
    names = {one.id: one.name for one in curriculum.skills}
    more = f"And {past.more} more." if past.more else ""
    return PracticeSummed(
        curriculum=curriculum.id,
        number=past.number,
        answered=past.answered,
        correct=past.correct,
        accuracy=past.accuracy,
        duration_ms=past.duration_ms,
        finished=past.finished,
        rows=tuple(
            SkillRow(
                skill=row.skill,
                name=names.get(row.skill, row.skill),
                category=row.category,
                attempted=row.attempted,
                correct=row.correct,
                tier_before=row.tier_before,
                tier_after=row.tier_after,
                state_before=row.state_before,
                state_after=row.state_after,
            )
            for row in past.rows
        ),
        message=more,
    )
