"""A practice session told by its commands, with questions anybody can answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from holodeck.actors.session.practice.outlook import Want, foreseen, wanted
from holodeck.actors.session.practice.state import Practice
from holodeck.messages.practice import (
    AnswerGiven,
    AnswerQuestion,
    CloseFeedback,
    Course,
    CourseSkill,
    PracticeBrief,
    PracticeOptions,
    PracticeSummed,
    Question,
    ServeQuestion,
    SkillMoved,
    SkillRecord,
    SkillState,
    SkillTier,
    Supply,
)
from holodeck.messages.session import SessionEnded, SessionKind, StartSession
from tests.actors.session.stories import NOON, Story

DAY_MS: Final = 86_400_000
MATHS: Final = PracticeOptions(curriculum="maths")


def course(*skills: str, **more: Any) -> Course:
    """Skills written as ``id grade need need …``."""
    return Course(id="maths", name="Maths", skills=tuple(map(_skill, skills)), **more)


def _skill(text: str) -> CourseSkill:
    name, grade, *needs = text.split()
    return CourseSkill(id=name, name=name.title(), grade=int(grade), needs=tuple(needs))


CHAIN: Final = course("root 2", "add 2 root", "sub 2 root", "big 3 root", "mix 3 add sub")


def mastered(skill: str, **more: Any) -> SkillRecord:
    given = {"attempts": 6, "correct": 6, "total": 14, "right": 14, "session": 1}
    return SkillRecord(
        skill=skill, state=SkillState.MASTERED, tier=SkillTier.PROVE, **(given | more)
    )


def by_id(records: Iterable[SkillRecord]) -> dict[str, SkillRecord]:
    return {one.skill: one for one in records}


def made(want: Want, **more: Any) -> Supply:
    """A question whose key is its number."""
    return Supply(
        skill=want.skill,
        tier=want.tier,
        question=Question(
            **{
                "text": f"What is the number of this question about {want.skill}, {want.number}?",
                "answer": str(want.number),
                "hint": "Look at it.",
                "explanation": f"It is {want.number}.",
                "skill": want.skill,
                "tier": want.tier,
                "task": f"{want.skill}-{want.number}",
            }
            | more
        ),
    )


def failed(want: Want, tries: int = 3, *, fatal: bool = False) -> Supply:
    return Supply(
        skill=want.skill, tier=want.tier, tries=tries, fatal=fatal, reason="nothing came of it"
    )


def start(
    of: Course = CHAIN,
    records: Iterable[SkillRecord] = (),
    options: PracticeOptions = MATHS,
    **brief: Any,
) -> StartSession:
    return StartSession(
        session_kind=SessionKind.PRACTICE,
        learner="ana",
        claim=5,
        practice=options,
        brief=PracticeBrief(course=of, records=tuple(records), **brief),
    )


class Lesson(Story):
    """A practice session whose host makes every question in time."""

    @property
    def practice(self) -> Practice:
        assert self.state.practice is not None
        return self.state.practice

    @property
    def question(self) -> Question:
        assert self.practice.question is not None
        return self.practice.question

    @property
    def want(self) -> Want | None:
        return wanted(self.state, self.at)

    def give(self, command: Any, *, after_s: float = 0) -> Lesson:
        """Tells a command with the question that is wanted after it."""
        self.at += round(after_s * 1000)
        want = foreseen(self.state, command, self.at, "sess_1")
        if want is not None:
            command = command.model_copy(update={"supplies": (made(want),)})
        self.tell(command)
        return self

    def answer(
        self, right: bool = True, *, proceed: bool = True, after_s: float = 10, **more: Any
    ) -> Lesson:
        """Answers the open question; the next one comes with it."""
        given = self.question.answer if right else "wrong"
        return self.give(
            AnswerQuestion(
                number=self.practice.served,
                given=given,
                time_ms=round(after_s * 1000),
                proceed=proceed,
                **more,
            ),
            after_s=after_s,
        )

    def answers(self, pattern: str) -> Lesson:
        """``R`` is right and ``W`` is wrong."""
        for letter in pattern:
            self.answer(letter == "R")
        return self

    def close(self) -> Lesson:
        return self.give(CloseFeedback(number=self.practice.served))

    def serve(self, *supplies: Supply) -> Lesson:
        self.tell(ServeQuestion(number=self.practice.served + 1, supplies=supplies))
        return self

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if type(event) is kind]

    @property
    def given(self) -> list[AnswerGiven]:
        return self.of(AnswerGiven)

    @property
    def moves(self) -> list[SkillMoved]:
        return self.of(SkillMoved)

    @property
    def sum(self) -> PracticeSummed:
        (one,) = self.of(PracticeSummed)
        assert isinstance(one, PracticeSummed)
        return one

    @property
    def end(self) -> SessionEnded:
        (one,) = self.of(SessionEnded)
        assert isinstance(one, SessionEnded)
        return one


def lesson(
    of: Course = CHAIN,
    records: Iterable[SkillRecord] | Mapping[str, SkillRecord] = (),
    *,
    at: int = NOON,
    **options: Any,
) -> Lesson:
    """A session with its first question open."""
    brief = {key: options.pop(key) for key in ("number", "days") if key in options}
    held = records.values() if isinstance(records, Mapping) else records
    chosen = MATHS.model_copy(update=options)
    return Lesson(at=at).give(start(of, held, chosen, **brief))
