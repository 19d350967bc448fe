"""The windows of practice on a real runtime, in this process."""

from __future__ import annotations

from functools import partial

import holodeck
from holodeck.actors.session import Phase
from holodeck.deck import Deck
from holodeck.entrypoints.play.screens import Home
from holodeck.entrypoints.play.seat import Seat
from holodeck.messages.curriculum import Curriculum
from holodeck.messages.practice import AnswerFormat, SkillState, SkillTier
from holodeck.messages.session import SessionKind
from holodeck.minds.curricula import CurriculumLibrary
from tests.play.child import Child, child


def curriculum(name: str = "primary-maths") -> Curriculum:
    found = CurriculumLibrary().get(name)
    assert found is not None
    return found


def seat(deck: Deck, *, minutes: float = 15.0, name: str = "primary-maths") -> Seat:
    return Seat(deck, "ana", curriculum(name), minutes=minutes)


async def solve(one: Child, *, right: bool = True) -> None:
    """Answers the open question with keys, up to its feedback."""
    question = one.page.board.question
    assert question is not None
    if question.format is AnswerFormat.CHOICE:
        wrong = next(n for n, text in enumerate(question.choices) if text != question.answer)
        await one.press(str(1 + (question.choices.index(question.answer) if right else wrong)))
    else:
        await one.answers(question.answer if right else "0")
    await one.until("✓  Correct!" if right else "✗  Not quite")


async def go_on(one: Child) -> None:
    """Leaves the feedback and its notices."""
    start = one.page.board.sequence
    while one.page.board.sequence == start:
        before = one.page.pane
        await one.press("space")
        await one.until(partial(_moved_on, one, start, before))


def _moved_on(one: Child, start: int, pane: str) -> bool:
    return one.page.board.sequence > start or one.page.pane != pane


async def test_a_session_is_played_from_home_to_summary_map_and_history() -> None:
    async with holodeck.local(broker="memory") as deck, child(seat(deck)) as one:
        await one.until("32 skills to discover")
        await one.plays()
        for n in range(17):
            assert f"Q {n + 1}/~" in one.sees
            await solve(one, right=n != 1)
            if n == 16:
                await one.press("space")
                await one.until("★  Level up!")
            await go_on(one)
        practice = await deck.learner("ana").open_practice()
        assert practice is not None

        await one.press("f3")
        await one.until("The clock stands still.")
        assert (await practice.state()).phase is Phase.PAUSED
        await one.press("x")
        await one.until("Q 18/~")
        assert (await practice.state()).phase is Phase.ACTIVE

        await one.press("escape")
        await one.until("End session early?")
        await one.press("y")
        await one.until("Session ended early")
        summed = await practice.summary()
        assert (summed.answered, summed.correct) == (17, 16)
        assert "Questions: 17" in one.sees
        assert "Accuracy: 94%" in one.sees
        assert "Learn ▸ Prove" in one.sees

        await one.press("enter")
        await one.until("▶ PLAY")
        await one.press("down", "enter")
        await one.until("◑ Numbers to 100")
        await one.press("escape")
        await one.until(lambda: isinstance(one.app.screen, Home))
        await one.until("▶ PLAY")
        await one.press("down", "down", "enter")
        await one.until("16/17  right  94%")
        record = (await deck.learner("ana").mastery()).of("read-100")
        assert (record.state, record.tier) == (SkillState.LEARNING, SkillTier.PROVE)


async def test_what_the_window_shows_is_what_the_session_holds() -> None:
    async with holodeck.local(broker="memory") as deck, child(seat(deck)) as one:
        await one.plays()
        for n in range(12):
            await solve(one, right=n % 3 > 0)
            await go_on(one)
            records = {rec.skill: rec for rec in (await deck.learner("ana").mastery(
                after=one.page.board.sequence)).records}  # fmt: skip
            for skill, standing in one.page.board.standings.items():
                record = records[skill]
                assert (standing.state, standing.tier) == (record.state, record.tier)
                assert (standing.attempts, standing.right) == (record.attempts, record.correct)


async def test_a_window_that_was_shut_leaves_a_session_another_goes_on_with() -> None:
    async with holodeck.local(broker="memory") as deck:
        async with child(seat(deck)) as one:
            await one.plays()
            await solve(one)
            await one.press("ctrl+c")
            await one.until(lambda: one.app.return_value == "paused")
        async with child(seat(deck)) as one:
            await one.until("▶ GO ON  (question 1, 14:")
            await one.press("enter")
            await one.until("✓  Correct!")
            await go_on(one)
            await one.until("Q 2/~15   ✓ 1")


async def test_a_session_that_was_ended_elsewhere_shows_its_summary() -> None:
    async with holodeck.local(broker="memory") as deck, child(seat(deck)) as one:
        await one.plays()
        practice = await deck.learner("ana").open_practice()
        assert practice is not None
        await practice.quit()
        question = one.page.board.question
        assert question is not None
        await one.press("1") if question.choices else await one.answers("1")
        await one.until("Session ended early")
        assert "Questions: 0" in one.sees


async def test_a_conversation_that_holds_the_learner_is_paused() -> None:
    async with holodeck.local(broker="memory") as deck:
        talk = await deck.start_session(learner="ana", kind=SessionKind.CONVERSATION)
        async with child(seat(deck)) as one:
            await one.plays()
            assert (await talk.state()).phase is Phase.PAUSED


async def test_time_is_up_after_the_open_question_and_the_session_is_complete() -> None:
    async with holodeck.local(broker="memory") as deck, child(seat(deck, minutes=0.05)) as one:
        await one.plays()
        await one.until("Time is up: take the time you need for this one.")
        await solve(one)
        await one.until("Press any key to see how you did")
        await one.press("space")
        await one.until("Session complete!")
        assert "Questions: 1 " in one.sees


async def test_another_subject_is_practised_in_the_same_windows() -> None:
    async with (
        holodeck.local(broker="memory") as deck,
        child(seat(deck, name="music-reading")) as one,
    ):
        await one.until(curriculum("music-reading").name)
        await one.plays()
        await solve(one)
        await go_on(one)
        await one.until("Q 2/~15   ✓ 1")
