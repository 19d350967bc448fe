"""A desk with a script: which questions come, and what follows each answer.

Its boards are folds of real events; only who judges the answers is put in the place of a session.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from holodeck.entrypoints.play.board import Board, Stage
from holodeck.entrypoints.play.desk import Lobby, Mastery, Past, told
from holodeck.messages.curriculum import Curriculum
from holodeck.messages.envelope import AnyEvent
from holodeck.messages.errors import HolodeckError
from holodeck.messages.practice import (
    AnswerFormat,
    AnswerGiven,
    AnswerType,
    Card,
    Category,
    HintShown,
    PracticeBrief,
    PracticeOptions,
    PracticePlanned,
    PracticeSummed,
    Question,
    QuestionServed,
    SkillMoved,
    SkillRecord,
    SkillRow,
    SkillState,
    SkillTier,
    Trigger,
)
from holodeck.messages.session import (
    EndReason,
    Outcome,
    SessionEnded,
    SessionKind,
    SessionPaused,
    SessionResumed,
    SessionStarted,
)

CURRICULUM = Curriculum.model_validate(
    {
        "id": "small-maths",
        "name": "Small maths",
        "strands": [
            {"id": "numbers", "name": "Numbers"},
            {"id": "sums", "name": "Adding and subtracting"},
            {"id": "parts", "name": "Fractions"},
        ],
        "skills": [
            {
                "id": identity,
                "name": name,
                "description": f"What {name.lower()} are about.",
                "strand": strand,
                "grade": grade,
                "needs": needs,
                "generator": {"family": "add"},
            }
            for identity, name, strand, grade, needs in (
                ("read-100", "Numbers to 100", "numbers", 2, []),
                ("hundreds", "Hundreds, tens and ones", "numbers", 2, ["read-100"]),
                ("round-10-100", "Rounding to tens and hundreds", "numbers", 3, ["hundreds"]),
                ("sum-20", "Sums to 20", "sums", 2, []),
                ("sum-100", "Sums to 100", "sums", 2, ["sum-20", "read-100"]),
                ("diff-100", "Differences to 100", "sums", 2, ["sum-100"]),
                ("sum-1000", "Sums of 3-digit numbers", "sums", 3, ["sum-100", "hundreds"]),
                ("parts-of-whole", "Parts of a whole", "parts", 3, ["sum-20"]),
                ("same-value", "Fractions of the same value", "parts", 4, ["parts-of-whole"]),
            )
        ],
    }
)

SUM = Question(
    text="What is 567 + 285?",
    answer="852",
    hint="Add the ones first. Is there something to carry?",
    explanation="Add the ones: 7 + 5 = 12. Write 2, carry 1.\n"
    "Add the tens: 6 + 8 + 1 = 15. Write 5, carry 1.\n"
    "Add the hundreds: 5 + 2 + 1 = 8.\n567 + 285 = 852",
    skill="sum-1000",
    tier=SkillTier.LEARN,
    difficulty=3,
)
SHARE = Question(
    text="Which fraction has the same value as 2/4?",
    format=AnswerFormat.CHOICE,
    answer="1/2",
    answer_type=AnswerType.FRACTION,
    choices=("3/4", "1/2", "2/3", "1/4"),
    hint="Divide top and bottom by the same number.",
    explanation="Divide top and bottom by 2.\n2 : 2 = 1 and 4 : 2 = 2.\n2/4 = 1/2",
    skill="same-value",
    tier=SkillTier.LEARN,
    difficulty=2,
)
PROOF = SUM.model_copy(update={"text": "What is 408 + 94?", "answer": "502", "tier": "prove"})
DAY_MS = 86_400_000
NOON = 1_800_000_000_000


def mastery(**states: SkillRecord) -> Mastery:
    """A map with some of everything."""
    records = {
        "read-100": SkillRecord(
            skill="read-100",
            state=SkillState.MASTERED,
            tier=SkillTier.PROVE,
            total=16,
            right=15,
            card=Card(due_at=NOON + 3 * DAY_MS),
        ),
        "hundreds": SkillRecord(
            skill="hundreds",
            state=SkillState.MASTERED,
            tier=SkillTier.PROVE,
            total=18,
            right=15,
            card=Card(due_at=NOON - DAY_MS),
        ),
        "sum-20": SkillRecord(
            skill="sum-20", state=SkillState.RUSTY, total=30, right=24, attempts=2, correct=1
        ),
        "sum-100": SkillRecord(
            skill="sum-100",
            state=SkillState.LEARNING,
            tier=SkillTier.PROVE,
            attempts=3,
            correct=3,
            total=11,
            right=9,
        ),
        "round-10-100": SkillRecord(
            skill="round-10-100",
            state=SkillState.LEARNING,
            attempts=5,
            correct=4,
            total=5,
            right=4,
        ),
        **{name.replace("_", "-"): record for name, record in states.items()},
    }
    return Mastery(CURRICULUM, records, NOON)


SUMMED = PracticeSummed(
    curriculum="small-maths",
    number=4,
    answered=14,
    correct=11,
    accuracy=11 / 14,
    duration_ms=912_000,
    finished=True,
    rows=(
        SkillRow(
            skill="sum-1000",
            name="Sums of 3-digit numbers",
            attempted=8,
            correct=6,
            tier_after=SkillTier.PROVE,
            state_before=SkillState.LEARNING,
            state_after=SkillState.LEARNING,
        ),
        SkillRow(
            skill="diff-100",
            name="Differences to 100",
            attempted=3,
            correct=3,
            state_after=SkillState.LEARNING,
        ),
        SkillRow(
            skill="hundreds",
            name="Hundreds, tens and ones",
            category=Category.REVIEW,
            attempted=3,
            correct=2,
            tier_before=SkillTier.PROVE,
            tier_after=SkillTier.PROVE,
            state_before=SkillState.MASTERED,
            state_after=SkillState.MASTERED,
        ),
    ),
    rewards=("5 right in a row", "You practised for the whole time"),
    message="See you tomorrow.",
)


def moved(
    trigger: Trigger, *, skill: str = "sum-1000", before: SkillState = SkillState.LEARNING
) -> SkillMoved:
    """A move of a kind."""
    state = {
        Trigger.MASTERY: SkillState.MASTERED,
        Trigger.RECOVERY: SkillState.MASTERED,
        Trigger.REVIEW: SkillState.RUSTY,
        Trigger.DECAY: SkillState.RUSTY,
    }.get(trigger, SkillState.LEARNING)
    tier = SkillTier.PROVE if trigger in (Trigger.TIER, Trigger.MASTERY) else SkillTier.LEARN
    return SkillMoved(
        skill=skill,
        trigger=trigger,
        state=state,
        before=before,
        tier=tier,
        tier_before=SkillTier.LEARN,
        fluency=0.87,
    )


class Scripted:
    """A desk whose questions are given; ``follows`` says which events come with which answer.

    Attributes:
        asked: what it was asked for, in order.
        fails: raised instead of the next answer.
        gate: while it is clear, nothing is answered.
    """

    def __init__(
        self,
        questions: Sequence[Question] = (SUM,),
        *,
        follows: Mapping[int, Sequence[AnyEvent]] | None = None,
        minutes: float = 15.0,
        records: Sequence[SkillRecord] = (),
        lobby: Lobby | None = None,
        summed: PracticeSummed = SUMMED,
    ) -> None:
        self.learner = "ana"
        self.questions = questions
        self.follows = follows or {}
        self.minutes = minutes
        self.records = tuple(records)
        self.summed = summed
        self.first = lobby or Lobby(mastery())
        self.board = Board(CURRICULUM.course())
        self.asked: list[tuple[object, ...]] = []
        self.fails: HolodeckError | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    def tell(self, *events: AnyEvent) -> Board:
        """Something happens in the session."""
        now = round(time.time() * 1000)
        self.board = told(self.board, events, now, self.board.sequence + 1)
        return self.board

    async def _heard(self, *what: object) -> None:
        self.asked.append(what)
        await self.gate.wait()
        fails, self.fails = self.fails, None
        if fails is not None:
            raise fails

    def _served(self, number: int) -> QuestionServed:
        question = self.questions[(number - 1) % len(self.questions)]
        return QuestionServed(number=number, slot=0, question=question, category=Category.FRONTIER)

    async def lobby(self) -> Lobby:
        past = self.first.past
        alive = self.board.sequence > 0 and self.board.stage is not Stage.ENDED
        if self.board.summed is not None:
            past = (Past(NOON, self.board.summed), *past)
        return replace(self.first, past=past, open=self.board if alive else self.first.open)

    async def begin(self) -> Board:
        await self._heard("begin")
        self.board = Board(CURRICULUM.course())
        options = PracticeOptions(curriculum="small-maths", minutes=self.minutes)
        started = SessionStarted(
            session_kind=SessionKind.PRACTICE,
            learner=self.learner,
            practice=options,
            brief=PracticeBrief(course=CURRICULUM.course(), records=self.records),
        )
        planned = PracticePlanned(slots=(), duration_ms=round(self.minutes * 60_000))
        return self.tell(started, planned, self._served(1))

    async def go_on(self) -> Board:
        await self._heard("go-on")
        if self.board.stage is Stage.PAUSED:
            return self.tell(SessionResumed())
        return self.board

    async def read(self) -> Board:
        return self.board

    async def answer(
        self, number: int, *, given: str = "", choice: int | None = None, time_ms: int = 0
    ) -> Board:
        await self._heard("answer", number, given if choice is None else choice)
        question = self.board.question
        assert question is not None
        entered = given if choice is None else question.choices[choice]
        standing = self.board.standing(question.skill)
        right = entered == question.answer
        return self.tell(
            AnswerGiven(
                number=number,
                skill=question.skill,
                tier=question.tier,
                category=self.board.category,
                question_text=question.text,
                correct_answer=question.answer,
                learner_answer=entered,
                correct=right,
                time_ms=time_ms,
                answer_format=question.format,
                attempts=standing.attempts + 1,
                hits=standing.right + right,
            ),
            *self.follows.get(number, ()),
        )

    async def close_feedback(self, number: int) -> Board:
        await self._heard("close", number)
        if self.board.left_ms(round(time.time() * 1000)) <= 0:
            return self._end(EndReason.TIME_LIMIT)
        return self.tell(self._served(number + 1))

    async def hint(self, number: int) -> Board:
        await self._heard("hint", number)
        assert self.board.question is not None
        return self.tell(HintShown(number=number, skill=self.board.question.skill))

    async def pause(self) -> Board:
        await self._heard("pause")
        return self.tell(SessionPaused())

    async def resume(self) -> Board:
        await self._heard("resume")
        return self.tell(SessionResumed())

    async def quit(self) -> Board:
        await self._heard("quit")
        return self._end(EndReason.LEARNER_ENDED)

    def _end(self, reason: EndReason) -> Board:
        summed = self.summed.model_copy(
            update={
                "answered": self.board.answered,
                "correct": self.board.correct,
                "finished": reason is EndReason.TIME_LIMIT,
            }
        )
        return self.tell(SessionEnded(reason=reason, outcome=Outcome.SUCCESS, active_ms=1), summed)
