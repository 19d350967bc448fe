"""Practice on the real runtime: what a death, a pause and a slow generator may not change."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from holodeck.config import load_settings
from holodeck.deck import Deck
from holodeck.messages.errors import RefusedError
from holodeck.messages.practice import GeneratorKind, Question
from holodeck.messages.session import MindKind
from holodeck.minds import Faculties, minds_of
from holodeck.practice import Practice
from holodeck.wiring import faculties_of
from tests.minds.model_server import ModelStage, refuses, says
from tests.runtime.checks import everything_is_exact
from tests.runtime.minds import EchoMind
from tests.runtime.stage import Stage, crash

pytestmark = [pytest.mark.nats, pytest.mark.integration]


async def answered(practice: Practice, right: bool = True) -> None:
    """Answers the open question, and goes on."""
    asked = await practice.question()
    assert asked is not None
    question = asked.question
    if question.choices:
        place = question.choices.index(question.answer)
        await practice.answer(choice=place if right else (place + 1) % 4, time_ms=900)
    else:
        await practice.answer(given=question.answer if right else "99999", time_ms=900)
    await practice.close_feedback()


async def played(deck: Deck, learner: str = "kim", **more: Any) -> Practice:
    return await deck.start_practice(learner=learner, curriculum="primary-maths", **more)


async def test_a_killed_host_costs_no_answer_and_no_question(staging: Callable[..., Any]) -> None:
    # given two host processes and a session in its middle, its fifth question open
    stage: Stage = await staging(worlds=True)
    deck = await stage.begun(2)
    practice = await played(deck)
    for number in range(4):
        await answered(practice, right=number != 2)
    before = await practice.question()
    assert before is not None
    assert before.number == 5

    # when both hosts are killed, one after the other
    stage.process("host-0").kill()
    await stage.owned(1)
    stage.host_process("host-2")
    await stage.owned(2)
    stage.process("host-1").kill()
    await stage.owned(1)

    # then the same question is open, and what was answered stands at the learner
    assert await practice.question() == before
    mastery = await deck.learner("kim").mastery("primary-maths")
    assert (mastery.answers, mastery.right) == (4, 3)
    await answered(practice)
    await practice.quit()
    summary = await practice.summary()
    assert (summary.answered, summary.correct) == (5, 4)
    await everything_is_exact(stage, deck)


async def test_a_learner_practises_in_one_session_at_a_time(stage: Stage) -> None:
    deck = await stage.begun_here(1, minds=faculties_of(load_settings()))
    first = await played(deck)
    with pytest.raises(RefusedError, match="learner-busy"):
        await played(deck)
    await first.pause()
    second = await played(deck)
    with pytest.raises(RefusedError, match="learner-busy"):
        await first.resume()
    await second.quit()
    await first.resume()
    assert await first.question() is not None


async def test_an_unknown_curriculum_is_refused_and_the_learner_stays_free(stage: Stage) -> None:
    deck = await stage.begun_here(1, minds=faculties_of(load_settings()))
    with pytest.raises(RefusedError, match="unknown-curriculum"):
        await deck.start_practice(learner="kim", curriculum="alchemy")
    await (await played(deck)).quit()


async def test_what_the_client_may_get_wrong_changes_nothing(stage: Stage) -> None:
    deck = await stage.begun_here(1, minds=faculties_of(load_settings()))
    practice = await played(deck)
    before = await practice.session.state()
    for body in (
        {"number": 2, "given": "1"},
        {"number": 1, "given": "   "},
    ):
        with pytest.raises(RefusedError):
            await practice.session.command(_answer(**body))
    assert await practice.session.state() == before


def _answer(**body: Any) -> Any:
    from holodeck.messages.practice import AnswerQuestion

    return AnswerQuestion.model_validate(body)


MADE = {
    "text": "What is 2 + 3?",
    "format": "numeric",
    "answer": "5",
    "answer_type": "integer",
    "choices": [],
    "hint": "Count on from 2.",
    "difficulty": 1,
    "explanation": "2 + 3 = 5",
}


async def test_a_models_question_comes_when_it_is_made(stage: Stage) -> None:
    async with ModelStage(says(json.dumps(MADE))) as server:
        faculties = minds_of(model_url=server.url, model_name="m")
        deck = await stage.begun_here(1, minds=faculties)
        practice = await played(deck, generator=GeneratorKind.MODEL)
        asked = await practice.question()
        assert asked is not None
        assert (asked.question.text, asked.question.source) == ("What is 2 + 3?", "m")
        await faculties.close()


async def test_where_the_model_makes_none_the_families_do(stage: Stage) -> None:
    async with ModelStage(refuses(500)) as server:
        faculties = minds_of(model_url=server.url, model_name="m", model_retries=0)
        deck = await stage.begun_here(1, minds=faculties)
        practice = await played(deck, generator=GeneratorKind.MODEL)
        asked = await practice.question()
        assert asked is not None
        assert asked.question.source == "offline"
        await answered(practice)
        assert (await practice.question()) is not None
        await faculties.close()


class Nobody:
    """A generator that never comes back."""

    def __init__(self) -> None:
        self.asked = 0

    async def generate(self, *_: Any, **__: Any) -> Any:
        import asyncio

        self.asked += 1
        await asyncio.Event().wait()


async def test_a_question_that_was_being_made_when_its_host_died_is_made_by_the_next(
    stage: Stage,
) -> None:
    # given a generator in the middle of its work
    whole = faculties_of(load_settings())
    slow = Nobody()
    deck = await stage.begun_here(
        1,
        minds=Faculties(
            minds={MindKind.SCRIPTED: EchoMind()},
            curricula=whole.curricula,
            questions={GeneratorKind.OFFLINE: slow},
        ),
    )
    practice = await played(deck)
    assert (await practice.session.state()).practice is not None
    assert slow.asked

    # when its host dies and another takes over
    await crash(stage.keepers.pop())
    await stage.host("host-1", minds=whole)
    await stage.owned(1)

    # then the first question is there
    asked = await practice.question()
    assert asked is not None
    assert isinstance(asked.question, Question)
    assert asked.number == 1
