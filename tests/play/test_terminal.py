"""``holodeck play`` in a real terminal: played with keys, killed, gone on with, and ended."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

import holodeck
from holodeck.broker.server import find_server
from holodeck.config import load_settings
from holodeck.messages.errors import StartupError
from holodeck.messages.practice import AnswerGiven, PracticeSummed, QuestionServed
from holodeck.messages.session import SessionEnded
from tests.conftest import missing
from tests.terminal import Start, Terminal, terminals


@pytest.fixture
def terminal() -> Iterator[Start]:
    yield from terminals("play")


@pytest.fixture
def nats() -> None:
    try:
        find_server()
    except StartupError as error:
        missing(f"nats-server ({error})")


# --- a child that can add and read digits, and guesses the rest ----------


def asked(screen: str) -> str:
    """The question on the screen, in one line."""
    body = screen.split("─" * 80)[2]
    lines = [line.strip() for line in body.splitlines()]
    text = []
    for line in filter(None, lines):
        if line.startswith(("▊", "1)", "▶")):
            break
        text.append(line)
    return " ".join(text)


def thought(question: str) -> str:
    """What this child takes for the answer."""
    if found := re.search(r"(\d+) \+ (\d+) =", question):
        return str(int(found[1]) + int(found[2]))
    if found := re.search(r"sum of (\d+) and (\d+)", question):
        return str(int(found[1]) + int(found[2]))
    if found := re.search(r"number is (\d+) tens? and (\d+) ones?", question):
        return found[1] + found[2]
    if found := re.search(r"points at the (\d+)\. How many minutes", question):
        return str(int(found[1]) * 5)
    return "1"


def whole(screen: str) -> bool:
    """Whether a question is there to its last line, with its way to be answered."""
    return "Esc Quit" in screen and (
        "Enter Submit" in screen or ("1-4 Answer" in screen and "4) " in screen)
    )


def options(screen: str) -> list[str]:
    return re.findall(r"[1-4]\) (.*?)\s*$", screen, re.MULTILINE)


HEADS = ("Level up!", "Skill mastered!", "A little rusty", "Skill recovered!")


class Tally:
    """What was seen of a session."""

    def __init__(self) -> None:
        self.questions: list[str] = []
        self.right = 0

    def answer(self, window: Terminal, number: int) -> None:
        """Answers the question that is shown, up to its feedback."""
        screen = window.until(partial(self._whole, number=number), f"question {number}")
        question = asked(screen)
        self.questions.append(question)
        answer, offered = thought(question), options(screen)
        if offered:
            window.types(str(offered.index(answer) + 1 if answer in offered else 1))
        else:
            window.types(answer + "\r")
        screen = window.until(
            lambda text: "✓  Correct!" in text or "✗  Not quite" in text, "feedback"
        )
        self.right += "✓  Correct!" in screen

    def _whole(self, text: str, number: int) -> bool:
        """Whether the question is there to its last line."""
        return f"Q {number}/~" in text and f"✓ {self.right}" in text and whole(text)

    def goes_on(self, window: Terminal, number: int) -> bool:
        """Leaves feedback and what follows it; whether there is a further question."""
        while True:
            before = window.text
            window.types(" ")
            screen = window.until(
                partial(_moved_on, number=number, before=before), "anything behind the feedback"
            )
            if "Session complete!" in screen:
                return False
            if f"Q {number + 1}/~" in screen:
                return True


def _moved_on(text: str, *, number: int, before: str) -> bool:
    """Whether there is a question, a summary, or a notice that was not there before."""
    return (
        f"Q {number + 1}/~" in text
        or "Session complete!" in text
        or any(head in text and head not in before for head in HEADS)
    )


@pytest.mark.usefixtures("nats")
async def test_a_killed_window_goes_on_at_its_question_and_ends_with_the_right_figures(
    terminal: Start, tmp_path: Path
) -> None:
    store = tmp_path / "practice"
    words = ("--learner", "ana", "--minutes", "0.2", "--local", str(store))
    seen = Tally()
    first = terminal(*words)
    first.shows("Hello, ana!")
    first.shows("▶ PLAY")
    first.types("\r")
    for number in range(1, 5):
        seen.answer(first, number)
        assert seen.goes_on(first, number)
    fifth = asked(first.until(lambda text: "Q 5/~" in text and whole(text), "question 5"))
    first.kill()

    second = terminal(*words)
    second.shows("▶ GO ON  (question 5, ")
    second.types("\r")
    again = second.until(lambda text: "Q 5/~" in text and whole(text), "question 5")
    assert asked(again) == fifth
    number = 5
    seen.answer(second, number)
    while seen.goes_on(second, number):
        number += 1
        seen.answer(second, number)

    summary = second.text
    assert f"Questions: {number}" in summary
    assert f"Correct: {seen.right}" in summary
    assert f"Accuracy: {(200 * seen.right + number) // (2 * number)}%" in summary
    second.types("\r")
    second.shows("▶ PLAY")
    second.types("\x1b")
    assert second.leaves() == 0
    assert b"Traceback" not in first.raw + second.raw
    assert second.raw.rfind(b"\x1b[?1049l") > second.raw.rfind(b"\x1b[?1049h") >= 0

    async with holodeck.local(store, settings=load_settings()) as deck:
        (past,) = await deck.learner("ana").practice_history("primary-maths")
        steps = [step async for step in deck.session(past.session).replay()]
    events = [event for step in steps for event in step.events]
    answers = [event for event in events if isinstance(event, AnswerGiven)]
    assert [event.number for event in answers] == list(range(1, number + 1))
    assert [" ".join(event.question_text.split()) for event in answers] == seen.questions
    assert [event.number for event in events if isinstance(event, QuestionServed)] == list(
        range(1, number + 1)
    )
    (summed,) = (event for event in events if isinstance(event, PracticeSummed))
    assert (summed.answered, summed.correct, summed.finished) == (number, seen.right, True)
    assert sum(isinstance(event, SessionEnded) for event in events) == 1


@pytest.mark.usefixtures("nats")
async def test_who_closes_the_terminal_finds_the_session_paused(
    terminal: Start, tmp_path: Path
) -> None:
    store = tmp_path / "practice"
    window = terminal("--learner", "ana", "--local", str(store))
    window.shows("▶ PLAY")
    window.types("\r")
    window.shows("Q 1/~15")
    assert window.hang_up() == 128 + signal.SIGHUP

    async with holodeck.local(store, settings=load_settings()) as deck:
        practice = await deck.learner("ana").open_practice()
        assert practice is not None
        assert await practice.paused()


@pytest.mark.usefixtures("nats")
@pytest.mark.parametrize("way", ["ctrl-c", "sigterm"])
def test_who_is_interrupted_finds_the_session_paused(
    terminal: Start, tmp_path: Path, way: str
) -> None:
    words = ("--learner", "ana", "--local", str(tmp_path / "practice"))
    first = terminal(*words)
    first.shows("▶ PLAY")
    first.types("\r")
    question = asked(first.until(whole, "a question"))
    if way == "ctrl-c":
        first.types("\x03")
    else:
        os.kill(first.pid, signal.SIGTERM)
    assert first.leaves() == 0
    assert b"Paused." in first.raw
    assert b"Traceback" not in first.raw
    assert first.raw.rfind(b"\x1b[?1049l") > first.raw.rfind(b"\x1b[?1049h") >= 0

    second = terminal(*words)
    second.shows("▶ GO ON  (question 1, 14:")
    second.types("\r")
    assert asked(second.until(whole, "a question")) == question
    second.types("\x1b")
    second.shows("End session early?")
    second.types("y")
    second.shows("Session ended early")
    second.types("\r")
    second.shows("▶ PLAY")
    second.types("q")
    assert second.leaves() == 0


def test_a_curriculum_nobody_knows_is_told_with_those_there_are(
    terminal: Start,
) -> None:
    found = terminal("--curriculum", "alchemy")
    assert found.leaves() == 2
    assert b"primary-maths" in found.raw
