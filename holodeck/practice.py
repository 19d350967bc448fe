"""One practice session, as a program holds it.

One law: what it shows is the fold of the session's own checkpoints; so a program that was killed
finds the question that is open, and another that looks on sees the same.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from holodeck.actors.learner.practice import PastPractice, PracticeProfile
from holodeck.actors.session import SessionState
from holodeck.broker.port import Record
from holodeck.messages.envelope import AnyEvent
from holodeck.messages.errors import RefusedError, Unavailable
from holodeck.messages.ids import new_id, partition_of
from holodeck.messages.practice import (
    AnswerGiven,
    AnswerQuestion,
    Category,
    CloseFeedback,
    FeedbackClosed,
    HintShown,
    PracticeOptions,
    PracticePlanned,
    PracticeSummed,
    Question,
    QuestionFailed,
    QuestionServed,
    RewardEarned,
    ShowHint,
    SkillMoved,
    SkillRecord,
    SkillState,
    Slot,
)
from holodeck.messages.session import (
    EndReason,
    Outcome,
    SessionEnded,
    SessionPaused,
    SessionResumed,
    SessionStarted,
)
from holodeck.messages.subjects import writer_filter
from holodeck.session import Session, Step, step_of

if TYPE_CHECKING:
    from holodeck.deck import Deck


@dataclass(frozen=True, slots=True)
class Asked:
    """The open question.

    Attributes:
        number: from 1; slot: its place in the plan, from 0.
        repeat: it was asked before in this session; hinted: its hint was shown.
    """

    number: int
    question: Question
    category: Category
    slot: int = 0
    repeat: bool = False
    hinted: bool = False


@dataclass(frozen=True, slots=True)
class Marked:
    """An answer and what came of it.

    Attributes:
        question: the one that was answered.
        moved: skills whose state or tier changed.
        rewards: lines of praise.
        next: the next question; None: the feedback is open, the next one is still being made, or
            the session is over.
        summary: what the session came to, if it is over.
    """

    answer: AnswerGiven
    question: Question
    moved: tuple[SkillMoved, ...] = ()
    rewards: tuple[RewardEarned, ...] = ()
    next: Asked | None = None
    summary: PracticeSummed | None = None

    @property
    def correct(self) -> bool:
        return self.answer.correct


@dataclass(frozen=True, slots=True)
class Mastery:
    """How far a learner has come in a curriculum.

    Attributes:
        sessions, answers, right: ever; days: on which was practised.
        records: by name of the skill.
        due: mastered skills to be reviewed now, the most overdue first.
        open: sessions that have not ended, the one begun last at the end.
    """

    curriculum: str
    sessions: int = 0
    answers: int = 0
    right: int = 0
    last_at: int = 0
    days: int = 0
    records: tuple[SkillRecord, ...] = ()
    due: tuple[str, ...] = ()
    open: tuple[str, ...] = ()

    def of(self, skill: str) -> SkillRecord:
        """The record of a skill; of one that was never asked, an empty one."""
        found = (record for record in self.records if record.skill == skill)
        return next(found, SkillRecord(skill=skill))

    def count(self, state: SkillState) -> int:
        return sum(record.state is state for record in self.records)


def mastery_of(curriculum: str, profile: PracticeProfile | None, at: int) -> Mastery:
    """What is told of a learner's progress at a moment, ms since 1970 UTC."""
    if profile is None:
        return Mastery(curriculum)
    return Mastery(
        curriculum=curriculum,
        sessions=profile.sessions,
        answers=profile.answers,
        right=profile.right,
        last_at=profile.last_at,
        days=len(profile.days),
        records=tuple(profile.records[skill] for skill in sorted(profile.records)),
        due=tuple(profile.due(at)),
        open=tuple(profile.live),
    )


@dataclass(slots=True)
class _View:
    """What the checkpoints so far say.

    Attributes:
        sequence: of the last one that was read.
        feedback: number of the answer whose feedback is open, 0 none.
    """

    sequence: int = 0
    options: PracticeOptions | None = None
    slots: tuple[Slot, ...] = ()
    open: Asked | None = None
    question: Question | None = None
    feedback: int = 0
    marked: Marked | None = None
    paused: bool = False
    ended: bool = False
    summary: PracticeSummed | None = None

    def take(self, step: Step) -> None:
        if step.sequence <= self.sequence:
            return
        self.sequence = step.sequence
        for event in step.events:
            self._event(event)
        if any(isinstance(event, AnswerGiven) for event in step.events):
            self._mark(step.events)

    def _event(self, event: AnyEvent) -> None:
        match event:
            case SessionStarted():
                self.options = event.practice
            case PracticePlanned():
                self.slots = event.slots
            case QuestionServed():
                self.open = Asked(
                    event.number, event.question, event.category, event.slot, event.repeat
                )
                self.feedback = 0
            case QuestionFailed() | FeedbackClosed():
                self.feedback = 0
            case HintShown() if self.open is not None and self.open.number == event.number:
                held = self.open
                self.open = Asked(
                    held.number, held.question, held.category, held.slot, held.repeat, hinted=True
                )
            case AnswerGiven():
                self.question = None if self.open is None else self.open.question
                self.open, self.feedback = None, event.number
            case PracticeSummed():
                self.summary = event
            case SessionPaused():
                self.paused = True
            case SessionResumed():
                self.paused = False
            case SessionEnded():
                self.ended, self.open, self.feedback = True, None, 0
            case _:
                pass

    def _mark(self, events: Iterable[AnyEvent]) -> None:
        given = next(event for event in events if isinstance(event, AnswerGiven))
        if self.question is None:
            return
        self.marked = Marked(
            answer=given,
            question=self.question,
            moved=tuple(event for event in events if isinstance(event, SkillMoved)),
            rewards=tuple(event for event in events if isinstance(event, RewardEarned)),
            next=self.open,
            summary=self.summary,
        )

    @property
    def waits(self) -> bool:
        """Whether the next question is still being made."""
        return not (self.open or self.feedback or self.ended or self.paused)


class Practice:
    """One practice session, by its id. Making the object does no I/O.

    Attributes:
        session: the same as a session of any kind.
    """

    def __init__(self, deck: Deck, identity: str, learner: str | None = None) -> None:
        self._deck = deck
        self.session = Session(deck, identity)
        if learner is not None:
            self.session._learner = learner
        self._view = _View()
        self._shown: tuple[int, float] = (0, 0.0)

    def __repr__(self) -> str:
        return f"Practice({self.id!r})"

    @property
    def id(self) -> str:
        return self.session.id

    # -- questions ----------------------------------------

    async def question(self, *, timeout: float = 60.0) -> Asked | None:  # noqa: ASYNC109
        """The open question; where it is still being made, once it is there.

        Args:
            timeout: seconds one may take to be made.

        Returns:
            None: feedback is open (:meth:`close_feedback`), the session is paused, or over.

        Raises:
            Unavailable: none was made in time.
        """
        await self._read()
        if self._view.waits:
            await self._wait(lambda view: not view.waits, timeout)
        return self._told(self._view.open)

    async def answer(
        self,
        given: str = "",
        *,
        choice: int | None = None,
        time_ms: int | None = None,
        proceed: bool = False,
        number: int | None = None,
        id: str | None = None,
    ) -> Marked:
        """Answers the open question, or says again what came of an answer.

        Args:
            given: what was entered; ``choice``: which option, from 0, with multiple choice.
            time_ms: since the question was shown; None: since :meth:`question` told it.
            proceed: close the feedback at once: the next question comes with the answer.
            number: of the question; None: the open one.

        Raises:
            RefusedError: ``blank-answer``, nothing was entered and nothing has changed;
                ``question-order``, no question of that number is open; ``session-paused``;
                ``session-ended``.
        """
        if number is None:
            if self._view.open is None:
                await self._read()
            number = self._view.open.number if self._view.open else max(1, self._view.feedback)
        asked, at = self._shown
        if time_ms is None:
            time_ms = round((time.monotonic() - at) * 1000) if asked == number else 0
        body = AnswerQuestion(
            number=number, given=given, choice=choice, time_ms=time_ms, proceed=proceed
        )
        step = Step.of(await self.session.command(body, id=id))
        held = self._view.open
        if held is not None and held.number == number and step.events:
            self._view.take(step)
        else:
            await self._read()
        marked = self._view.marked
        if marked is None or marked.answer.number != number:
            marked = await self._earlier(number)
        self._told(self._view.open)
        return marked

    async def feedback(self) -> Marked | None:
        """The answer whose feedback is still open; None: there is none."""
        await self._read()
        return self._view.marked if self._view.feedback else None

    async def close_feedback(self, *, id: str | None = None) -> Asked | None:
        """The learner has read the feedback; the next question, if it is there already.

        Returns:
            None: it is still being made (:meth:`question` waits for it), or the session is over.
        """
        if not self._view.feedback:
            await self._read()
        if self._view.feedback:
            body = CloseFeedback(number=self._view.feedback)
            step = Step.of(await self.session.command(body, id=id))
            if step.events:
                self._view.take(step)
            else:
                await self._read()
        return self._told(self._view.open)

    async def hint(self, *, id: str | None = None) -> str:
        """The hint of the open question.

        Raises:
            RefusedError: ``question-order``, no question is open; ``no-hint``, it has none.
        """
        if self._view.open is None:
            await self._read()
        held = self._view.open
        if held is None:
            raise RefusedError("question-order", "no question is open")
        step = Step.of(await self.session.command(ShowHint(number=held.number), id=id))
        if step.events:
            self._view.take(step)
        return held.question.hint

    # -- the session ----------------------------------------

    async def plan(self) -> tuple[Slot, ...]:
        """The slots as they were planned last."""
        await self._read()
        return self._view.slots

    async def options(self) -> PracticeOptions | None:
        """What was chosen at the start; None: it is no practice session."""
        await self._read()
        return self._view.options

    async def over(self) -> bool:
        await self._read()
        return self._view.ended

    async def paused(self) -> bool:
        await self._read()
        return self._view.paused

    async def summary(self) -> PracticeSummed:
        """What the session came to.

        Raises:
            RefusedError: ``not-ended``.
        """
        await self._read()
        if self._view.summary is None:
            raise RefusedError("not-ended", self.id)
        return self._view.summary

    async def pause(self, *, id: str | None = None) -> None:
        """The clock stands still until :meth:`resume`."""
        await self.session.pause(id=id)

    async def resume(self, *, switch: bool = False, id: str | None = None) -> None:
        """Goes on after a pause; as :meth:`Session.resume`."""
        await self.session.resume(switch=switch, id=id)

    async def quit(self, *, id: str | None = None) -> PracticeSummed:
        """Ends the session before its time; progress is kept. Of one that is over, its summary."""
        await self.session.end(EndReason.LEARNER_ENDED, Outcome.SUCCESS, id=id)
        return await self.summary()

    async def state(self) -> SessionState:
        return await self.session.state()

    # -- reading ----------------------------------------

    async def _read(self) -> None:
        async for step in self.session.replay(after=self._view.sequence):
            self._view.take(step)

    async def _earlier(self, number: int) -> Marked:
        """What came of an answer that was given before."""
        view = _View()
        async for step in self.session.replay():
            view.take(step)
            if view.marked is not None and view.marked.answer.number == number:
                return view.marked
        raise RefusedError("question-order", str(number))

    async def _wait(self, there: Callable[[_View], bool], seconds: float) -> None:
        queue: asyncio.Queue[Record] = asyncio.Queue()
        deck = self._deck
        subjects = writer_filter(
            deck.ns, "session", partition_of(self.id, deck.partitions), self.id
        )
        follower = await deck.broker.log(deck.layout.checkpoints).follow(
            subjects, queue.put_nowait, after=self._view.sequence, name=new_id("practice")
        )
        try:
            async with asyncio.timeout(seconds):
                while not there(self._view):
                    self._view.take(step_of(await queue.get()))
        except TimeoutError:
            raise Unavailable(self.id, f"no question was made within {seconds:g} s") from None
        finally:
            await follower.stop()

    def _told(self, asked: Asked | None) -> Asked | None:
        """Notes when a question was first told, so that the time it took can be."""
        if asked is not None and self._shown[0] != asked.number:
            self._shown = (asked.number, time.monotonic())
        return asked


__all__ = ["Asked", "Marked", "Mastery", "PastPractice", "Practice", "mastery_of"]
