"""The offline mind: always the same answer to the same turn, and always one that can be stored."""

from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from holodeck.messages.base import MAX_TEXT
from holodeck.messages.session import NpcReply
from holodeck.minds import Mind, Prompt, ScriptedMind


def prompt(text: str, *, npc: str = "marta", turn: int = 1, intent: str = "s.1.mind") -> Prompt:
    return Prompt(intent, "s", npc, "ana", "barcelona-cafe", turn, text)


def said(question: Prompt, mind: Mind | None = None) -> str:
    return asyncio.run((mind or ScriptedMind()).reply(question)).text


@settings(max_examples=50, deadline=None)
@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=50), st.integers(1, 1000))
def test_every_turn_gets_an_answer_that_can_be_stored(text: str, turn: int) -> None:
    answer = said(prompt(text, turn=turn))
    assert 1 <= len(answer) <= MAX_TEXT
    NpcReply(turn=turn, npc="marta", text=answer)


def test_the_same_turn_gets_the_same_answer_from_any_process_that_asks_again() -> None:
    first = said(prompt("Hola, ¿qué tal?", intent="s.1.mind"))
    assert said(prompt("Hola, ¿qué tal?", intent="s.9.mind")) == first


def test_other_turns_and_other_npcs_speak_with_other_words() -> None:
    assert len({said(prompt("hola", turn=turn)) for turn in range(1, 20)}) > 1
    assert len({said(prompt("hola", npc=f"npc{n}")) for n in range(20)}) > 1


def test_a_question_is_answered_as_one() -> None:
    asked = {said(prompt(f"really {n}? ")) for n in range(50)}
    told = {said(prompt(f"really {n}.")) for n in range(50)}
    assert not asked & told
