"""The benchmarks of practice run, at sizes that say nothing about speed."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench._mix import AnswerScript
from holodeck.broker import find_server
from holodeck.messages.codec import encode_checkpoint
from holodeck.messages.errors import StartupError
from holodeck.messages.practice import Category, Question, QuestionServed, SkillTier
from tests.bench.test_bench import bench
from tests.conftest import missing


def question(answer: str, *choices: str) -> Question:
    return Question(
        text="Which?",
        answer=answer,
        choices=choices,
        explanation="That one.",
        skill="sum-20",
        tier=SkillTier.LEARN,
    )


def test_a_script_answers_what_it_was_asked_and_mostly_right() -> None:
    script = AnswerScript("1")
    script.asked(1, question("42").model_dump())
    bodies = [script.next().body for _ in range(200)]
    assert {body["given"] for body in bodies} == {"42", "420"}
    assert 140 < sum(body["given"] == "42" for body in bodies) < 180
    assert all(body["proceed"] and body["number"] == 1 for body in bodies)


def test_a_script_hears_the_next_question_in_the_checkpoint_of_its_answer() -> None:
    script = AnswerScript("1")
    served = QuestionServed(
        number=7, slot=0, question=question("b", "a", "b", "c", "d"), category=Category.REVIEW
    )
    script.heard(encode_checkpoint(1, [served]))
    bodies = [script.next().body for _ in range(100)]
    assert {body["number"] for body in bodies} == {7}
    assert {body["choice"] for body in bodies} == {0, 1, 2, 3}
    assert max(range(4), key=[body["choice"] for body in bodies].count) == 1


@pytest.mark.slow
def test_mastery_tells_order_and_waiting_of_both_schedulers(tmp_path: Path) -> None:
    figures = bench(tmp_path, "mastery", "--sessions", "12", "--curriculum", "music-reading")
    for scheduler in ("fsrs", "oldest"):
        found = figures[scheduler]
        assert found["unready"] == 0
        assert found["waited"] <= 10
        assert found["answers"] > 100


@pytest.mark.bench
@pytest.mark.nats
def test_practice_tells_answers_beside_plain_commands(tmp_path: Path) -> None:
    try:
        find_server()
    except StartupError as error:
        missing(f"nats-server ({error})")
    figures = bench(
        tmp_path,
        "practice",
        "--no-ray",
        *("--sessions", "8", "--concurrency", "8", "--seconds", "1", "--warmup", "0.2"),
    )
    assert figures["answers_per_s"] > 0
    assert figures["plain_per_s"] > 0
    assert figures["questions_per_s"] > 500
    assert (figures["refused"], figures["failed"], figures["without_checkpoint"]) == ({}, {}, 0)


@pytest.mark.bench
@pytest.mark.nats
def test_conversation_tells_full_turns_beside_plain_commands(tmp_path: Path) -> None:
    try:
        find_server()
    except StartupError as error:
        missing(f"nats-server ({error})")
    figures = bench(
        tmp_path,
        "conversation",
        "--no-ray",
        *("--sessions", "8", "--concurrency", "8", "--seconds", "1", "--warmup", "0.2"),
    )

    assert {"turns_per_s", "plain_per_s", "ratio", "tiles_per_s"} <= set(figures)
    assert figures["turns_per_s"] > 0
    assert figures["tiles_per_s"] > figures["turns_per_s"]
    assert not figures["refused"]
    assert not figures["failed"]
