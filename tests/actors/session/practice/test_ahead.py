"""An answer is decided once: what is decided before its next question is made is what the session
decides of the whole command."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holodeck.actors.session.decider import session
from holodeck.actors.session.practice.outlook import ahead, foreseen
from holodeck.messages.errors import RefusedError
from holodeck.messages.practice import AnswerQuestion, CloseFeedback, PracticePlanned
from tests.actors.session.practice.sessions import DAY_MS, Lesson, lesson, made, mastered
from tests.actors.session.stories import NOON


def _answer(told: Lesson, right: bool, *, proceed: bool = True) -> AnswerQuestion:
    given = told.question.answer if right else "wrong"
    return AnswerQuestion(number=told.practice.served, given=given, time_ms=9000, proceed=proceed)


def _told(told: Lesson, command: AnswerQuestion | CloseFeedback) -> None:
    """Compares what is decided ahead with what is decided of the whole, with a question and
    without; then tells it."""
    want = foreseen(told.state, command, told.at, "sess_1")
    before = told.practice.copy()
    coming = ahead(told.state, command, told.at)
    assert (coming and coming.want) == want
    if coming is not None and want is not None:
        one = made(want)
        whole = command.model_copy(update={"supplies": (one,)})
        decided = coming.with_supply(one)
        assert decided is not None
        assert tuple(decided) == tuple(session.decide(told.state, whole, told.at))
        waiting = ahead(told.state, command, told.at)
        assert waiting is not None
        without = waiting.with_supply(None)
        assert without is not None
        assert tuple(without) == tuple(session.decide(told.state, command, told.at))
    assert told.practice == before
    told.give(command)


@given(
    st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60),
    st.sampled_from([1, 3, 20]),
)
def test_what_is_decided_ahead_is_what_is_decided_of_the_whole(
    answers: list[tuple[bool, bool]], block: int
) -> None:
    told = lesson(
        records=[mastered("root", mastered_at=NOON - 9 * DAY_MS, last_at=NOON - 9 * DAY_MS)],
        block=block,
        minutes=8,
    )

    for right, proceed in answers:
        if told.practice.question is None:
            break  # its time is up
        told.at += 10_000
        _told(told, _answer(told, right, proceed=proceed))
        if not proceed:
            told.at += 2000
            _told(told, CloseFeedback(number=told.practice.served))


def test_a_new_plan_stands_between_the_feedback_and_the_question() -> None:
    told = lesson(slots=1, block=1)
    told.answers("RRRRRRR")

    command = _answer(told, True)
    coming = ahead(told.state, command, told.at)

    assert coming is not None
    waiting = coming.with_supply(None)
    assert waiting is not None
    kinds = [event.kind for event in waiting]
    assert kinds.index("feedback.closed") < kinds.index("practice.planned")
    _told(told, command)
    assert told.of(PracticePlanned)[-1].renewed


def test_nothing_is_decided_ahead_where_no_question_is_waited_for() -> None:
    told = lesson(minutes=1)
    number = told.practice.served

    assert ahead(told.state, _answer(told, True, proceed=False), told.at) is None
    assert ahead(told.state, CloseFeedback(number=number), told.at) is None
    assert ahead(told.state, AnswerQuestion(number=number + 1, given="1"), told.at) is None
    assert ahead(told.state, _answer(told, True), told.at + 60_000) is None


def test_a_blank_answer_is_refused_ahead_too() -> None:
    told = lesson()
    blank = AnswerQuestion(number=told.practice.served, given=" ", proceed=True)

    with pytest.raises(RefusedError, match="blank-answer"):
        ahead(told.state, blank, told.at)
