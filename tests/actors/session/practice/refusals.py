"""What a practice session refuses, and why: rows of name, story, command and reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from holodeck.messages.practice import (
    AnswerQuestion,
    CloseFeedback,
    ServeQuestion,
    ShowHint,
    SkillTier,
    Supply,
)
from holodeck.messages.session import SessionKind
from tests.actors.session.practice.sessions import MATHS, Lesson, course, lesson, start
from tests.actors.session.stories import Story

NOTHING: Final = (Supply(skill="root", tier=SkillTier.LEARN),)
OF_ANOTHER: Final = (Supply(skill="add", tier=SkillTier.LEARN),)
OF_ANOTHER_TIER: Final = (Supply(skill="root", tier=SkillTier.PROVE),)
EARLY: Final = ServeQuestion(number=2, supplies=NOTHING)
WRONGLY_SAID: Final = AnswerQuestion(number=1, given="1", supplies=NOTHING)
NO_BRIEF: Final = start().model_copy(update={"brief": None})
OF_AN_AGENT: Final = start().model_copy(update={"session_kind": SessionKind.AGENT})


def waiting(**options: Any) -> Lesson:
    """A session whose first question nobody has made yet."""
    told = Lesson()
    told.tell(start(options=MATHS.model_copy(update=options)))
    return told


def answered() -> Lesson:
    return lesson().answer(proceed=False)


def proving() -> Lesson:
    return lesson().answers("RRRRRRRR")


REFUSALS: list[tuple[str, Callable[[], Story], Any, str]] = [
    ("nothing-to-practise", Story, start(course()), "empty-curriculum"),
    ("nobody-said-how-far", Story, NO_BRIEF, "no-brief"),
    ("practice-is-a-kind", Story, OF_AN_AGENT, "no-practice"),
    ("no-question-is-left-out", lesson, AnswerQuestion(number=2, given="1"), "question-order"),
    ("nor-answered-before-it-is-there", answered, AnswerQuestion(number=2), "question-order"),
    ("nor-closed-before", lesson, CloseFeedback(number=2), "question-order"),
    ("nor-hinted-at-before", lesson, ShowHint(number=2), "question-order"),
    ("none-comes-while-one-is-open", lesson, EARLY, "question-order"),
    ("nor-over-its-feedback", answered, EARLY, "question-order"),
    ("an-open-one-is-answered-first", lesson, CloseFeedback(number=1), "question-open"),
    ("a-blank-is-no-answer", lesson, AnswerQuestion(number=1, given=" \t"), "blank-answer"),
    ("no-hint-while-proving", proving, ShowHint(number=9), "no-hint"),
    ("another-skill", waiting, ServeQuestion(number=1, supplies=OF_ANOTHER), "wrong-supply"),
    ("another-tier", waiting, ServeQuestion(number=1, supplies=OF_ANOTHER_TIER), "wrong-supply"),
    ("none-with-feedback-left-open", lesson, WRONGLY_SAID, "wrong-supply"),
]  # fmt: skip
