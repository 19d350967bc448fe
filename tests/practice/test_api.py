"""Practice through the real runtime, as a program of a user's own would do it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

import holodeck
from holodeck.actors.session import Phase
from holodeck.deck import Deck
from holodeck.messages.errors import RefusedError
from holodeck.messages.practice import (
    AnswerFormat,
    Category,
    Question,
    SkillState,
    SkillTier,
    Trigger,
)
from holodeck.practice import Asked, Marked, Practice


@pytest.fixture
async def deck() -> AsyncIterator[Deck]:
    async with holodeck.local(broker="memory") as deck:
        yield deck


def wrong(question: Question) -> str:
    return f"{question.answer}0"


async def answer(practice: Practice, right: bool = True, proceed: bool = True) -> Marked:
    asked = await practice.question()
    assert asked is not None
    question = asked.question
    if question.format is AnswerFormat.CHOICE:
        choices = [n for n, one in enumerate(question.choices) if (one == question.answer) is right]
        return await practice.answer(choice=choices[0], time_ms=4000, proceed=proceed)
    given = question.answer if right else wrong(question)
    return await practice.answer(given, time_ms=4000, proceed=proceed)


async def test_a_question_is_there_at_once_and_an_answer_brings_the_next(deck: Deck) -> None:
    practice = await deck.start_practice("ana", minutes=15)
    first = await practice.question()
    assert isinstance(first, Asked)
    assert (first.number, first.category) == (1, Category.FRONTIER)
    assert len(await practice.plan()) == 5
    marked = await answer(practice)
    assert marked.correct
    assert marked.question == first.question
    assert [(one.skill, one.trigger) for one in marked.moved] == [
        (first.question.skill, Trigger.FIRST)
    ]
    assert marked.next is not None
    assert marked.next.number == 2
    assert await practice.question() == marked.next


async def test_feedback_stays_open_until_it_is_closed(deck: Deck) -> None:
    practice = await deck.start_practice("ana")
    marked = await answer(practice, right=False, proceed=False)
    assert not marked.correct
    assert marked.next is None
    assert await practice.question() is None
    assert await deck.practice(practice.id).feedback() == marked
    following = await practice.close_feedback()
    assert following is not None
    assert following.number == 2
    assert await practice.feedback() is None


async def test_an_answer_that_is_sent_again_has_its_effect_once(deck: Deck) -> None:
    practice = await deck.start_practice("ana")
    first = await answer(practice)
    await answer(practice)
    again = await practice.answer("anything else", number=1)
    assert again == first
    state = (await practice.state()).practice
    assert state is not None
    assert state.answered == 2


async def test_a_blank_answer_is_refused_and_nothing_changes(deck: Deck) -> None:
    practice = await deck.start_practice("ana", curriculum="primary-maths", seed="numeric")
    asked = await practice.question()
    assert asked is not None
    with pytest.raises(RefusedError, match="blank-answer"):
        await practice.answer("   ")
    assert await practice.question() == asked


async def test_a_hint_is_shown_where_the_tier_allows_it(deck: Deck) -> None:
    practice = await deck.start_practice("ana")
    asked = await practice.question()
    assert asked is not None
    assert asked.question.tier is SkillTier.LEARN
    assert await practice.hint() == asked.question.hint
    shown = await deck.practice(practice.id).question()
    assert shown is not None
    assert shown.hinted


async def test_progress_is_kept_with_every_answer_and_goes_on_in_the_next_session(
    deck: Deck,
) -> None:
    ana = deck.learner("ana")
    practice = await deck.start_practice("ana", slots=1, distinct=1)
    moved = [one for _ in range(14) for one in (await answer(practice)).moved]
    assert [one.trigger for one in moved] == [Trigger.FIRST, Trigger.TIER, Trigger.MASTERY]
    last = [step.sequence async for step in practice.session.replay()][-1]
    mastery = await ana.mastery(after=last)
    assert mastery.count(SkillState.MASTERED) == 1
    assert (mastery.answers, mastery.right, mastery.open) == (14, 14, (practice.id,))
    summed = await practice.quit()
    assert (summed.answered, summed.correct, summed.finished) == (14, 14, False)
    assert summed.rows[0].state_after is SkillState.MASTERED

    again = await deck.start_practice("ana", slots=3)
    slots = await again.plan()
    assert {slot.skill for slot in slots if slot.category is Category.BOOSTER} == {moved[0].skill}
    past = await ana.practice_history("primary-maths")
    assert [(one.session, one.number, one.correct) for one in past] == [(practice.id, 1, 14)]


async def test_another_client_goes_on_at_the_question_that_is_open(deck: Deck) -> None:
    ana = deck.learner("ana")
    assert await ana.open_practice() is None
    practice = await deck.start_practice("ana")
    for _ in range(4):
        await answer(practice)
    fifth = await practice.question()
    found = await ana.open_practice("primary-maths")
    assert found is not None
    assert found.id == practice.id
    assert await found.question() == fifth
    with pytest.raises(RefusedError, match="learner-busy"):
        await deck.start_practice("ana")


async def test_a_paused_session_is_resumed_where_it_was(deck: Deck) -> None:
    practice = await deck.start_practice("ana")
    asked = await practice.question()
    await practice.pause()
    assert await practice.paused()
    with pytest.raises(RefusedError, match="session-paused"):
        await practice.answer("1", number=1)
    found = await deck.learner("ana").open_practice()
    assert found is not None
    await found.resume()
    assert await found.question() == asked


async def test_quitting_sums_up_and_quitting_again_changes_nothing(deck: Deck) -> None:
    practice = await deck.start_practice("ana")
    with pytest.raises(RefusedError, match="not-ended"):
        await practice.summary()
    await answer(practice)
    summed = await practice.quit()
    assert (summed.answered, summed.number, summed.curriculum) == (1, 1, "primary-maths")
    assert await practice.quit() == summed
    assert await practice.over()
    assert await practice.question() is None
    assert (await practice.state()).phase is Phase.ENDED
    with pytest.raises(RefusedError, match="session-ended"):
        await practice.answer("1", number=2)


async def test_an_unknown_curriculum_is_refused(deck: Deck) -> None:
    with pytest.raises(RefusedError, match="unknown-curriculum"):
        await deck.start_practice("ana", "alchemy")


async def test_a_whole_session_runs_out_its_time_and_says_what_it_came_to(deck: Deck) -> None:
    practice = await deck.start_practice("ana", minutes=0.05)
    answered, summary = 0, None
    while summary is None:
        marked = await answer(practice, right=answered % 4 != 3)
        answered, summary = answered + 1, marked.summary
    assert summary.finished
    assert summary.answered == answered
    assert summary.correct == answered - answered // 4
    assert sum(row.attempted for row in summary.rows) == answered
    assert await practice.over()
