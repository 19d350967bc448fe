"""``holodeck learner`` against a real runtime: progress and history, as text and as JSON."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
import structlog
from typer.testing import CliRunner

from holodeck.broker import find_server
from holodeck.deck import Deck
from holodeck.entrypoints.learner import learner_app
from holodeck.entrypoints.running import Given
from holodeck.local import Local
from holodeck.messages.errors import StartupError
from holodeck.messages.practice import AnswerFormat
from holodeck.practice import Practice
from holodeck.wiring import Connection, RuntimeFile
from tests.conftest import missing

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Here:
    """A runtime in a thread of this process, and the folder in which the command finds it."""

    folder: Path
    loop: asyncio.AbstractEventLoop
    deck: Deck

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    def told(self, *words: str) -> str:
        result = CliRunner().invoke(
            learner_app,
            list(words),
            obj=Given(False, {}),
            env={"HOLODECK_STATE_DIR": str(self.folder)},
        )
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == 0, result.stderr
        return result.stdout

    def json(self, *words: str) -> Any:
        return json.loads(self.told(*words, "--json"))


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Here]:
    try:
        find_server()
    except StartupError as error:
        missing(f"nats-server ({error})")
    folder = tmp_path_factory.mktemp("learner")
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    runtime = Local(folder / "store")
    try:
        deck = asyncio.run_coroutine_threadsafe(runtime.start(), loop).result(30)
        server = runtime.server
        assert server is not None
        client = Connection(
            server.url,
            user=server.client.user,
            password=server.client.password,
            inbox_prefix=server.client_inbox_prefix,
            reads="direct",
        )
        file = RuntimeFile(os.getpid(), "holodeck", client, client, "", str(folder))
        file.write(folder / "runtime.json")
        yield Here(folder, loop, deck)
        asyncio.run_coroutine_threadsafe(runtime.stop(), loop).result(30)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    yield
    structlog.reset_defaults()


async def practise(deck: Deck, learner: str, answers: int, *, end: bool = True) -> Practice:
    """A session with one skill in which every answer is right."""
    practice = await deck.start_practice(learner, slots=1, distinct=1)
    for _ in range(answers):
        asked = await practice.question()
        assert asked is not None
        question = asked.question
        choice = None
        if question.format is AnswerFormat.CHOICE:
            choice = question.choices.index(question.answer)
        given = "" if choice is not None else question.answer
        await practice.answer(given, choice=choice, time_ms=4000, proceed=True)
    last = [step.sequence async for step in practice.session.replay()][-1]
    if end:
        await practice.quit()
        last += 1
    await deck.learner(learner).state(after=last)
    return practice


@pytest.mark.nats
class TestLearner:
    def test_who_never_practised_is_told_so(self, here: Here) -> None:
        assert here.told("show", "nobody") == "nobody has not practised yet\n"
        assert here.told("history", "nobody") == "no session is over yet\n"
        assert here.json("show", "nobody") == []
        assert here.json("history", "nobody") == []

    def test_progress_is_shown_by_skill_with_what_is_mastered(self, here: Here) -> None:
        here.do(practise(here.deck, "ana", 16))
        text = here.told("show", "ana")
        assert "primary-maths: 1 sessions on 1 days, 16 answers, 100 % right" in text
        assert "1 mastered, 1 being learned, 0 rusty, 0 due for review" in text
        (found,) = here.json("show", "ana", "--curriculum", "primary-maths")
        assert (found["answers"], found["right"]) == (16, 16)
        assert found["states"] == {"rusty": 0, "learning": 1, "mastered": 1}
        states = {record["skill"]: record["state"] for record in found["records"]}
        assert sorted(states.values()) == ["learning", "mastered"]
        mastered = next(skill for skill, state in states.items() if state == "mastered")
        line = next(line for line in text.splitlines() if line.startswith(mastered))
        assert "14/14" in line

    def test_an_open_session_is_named(self, here: Here) -> None:
        practice = here.do(practise(here.deck, "ben", 2, end=False))
        assert f"open: {practice.id}" in here.told("show", "ben")
        assert here.told("history", "ben") == "no session is over yet\n"

    def test_history_tells_what_went_further(self, here: Here) -> None:
        first = here.do(practise(here.deck, "cem", 8))
        second = here.do(practise(here.deck, "cem", 6))
        found = here.json("history", "cem")
        assert [(one["session"], one["number"], one["answered"]) for one in found] == [
            (second.id, 2, 6),
            (first.id, 1, 8),
        ]
        assert found[0]["rows"][0]["state_after"] == "mastered"
        assert found[1]["rows"][0]["tier_after"] == "prove"
        lines = here.told("history", "cem").splitlines()
        assert "6/6" in lines[1]
        assert "mastered" in lines[1]
        assert "left early" in lines[1]
        assert len(here.json("history", "cem", "--limit", "1")) == 1
        assert here.json("history", "cem", "--curriculum", "music-reading") == []
