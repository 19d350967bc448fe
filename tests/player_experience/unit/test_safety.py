"""The offline safety mind: what it finds, what it leaves, and whom it names."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holodeck.actors.heeding import Heeding, said_in
from holodeck.actors.metrics import Metrics
from holodeck.messages.errors import StartupError
from holodeck.messages.player import AddNote, CrisisType, GiveFeedback, SafetyFinding
from holodeck.messages.practice import AnswerQuestion
from holodeck.messages.session import TakeTurn
from holodeck.messages.talk import AskRefraction
from holodeck.minds.faculties import minds_of
from holodeck.minds.port import Faculties, Heeded
from holodeck.minds.safety import (
    PHRASES,
    BackedSafety,
    KeywordSafety,
    answering,
    load_resources,
    named,
)

RESOURCES = load_resources()
SAFETY = KeywordSafety(RESOURCES)
S, H, P = CrisisType.SUICIDAL_IDEATION, CrisisType.SELF_HARM, CrisisType.PANIC_ATTACK
D, T = CrisisType.SEVERE_DEPRESSION, CrisisType.TRAUMA_RESPONSE
A, G = CrisisType.SUBSTANCE_ABUSE, CrisisType.GENERAL_DISTRESS

FOUND: list[tuple[str, set[CrisisType]]] = [
    ("I want to kill myself", {S}),
    ("I want to kill myself!", {S}),
    ("I can't go on, I don't want to live", {S}),
    ("I can’t go on. I don’t want to live…", {S}),
    ("I CANNOT go on", {S}),
    ("i do not want to live anymore", {S}),
    ("I feel like I want to die and can't go on.", {S}),
    ("I don't think I want to live", {S}),
    ("I just really want to die", {S}),
    ("I don't care, I want to die", {S}),
    ("i dont care i want to die", {S}),
    ("No, I want to die", {S}),
    ("no i want to die", {S}),
    ("Not only that: I want to die", {S}),
    ("there's no reason to live", {S}),
    ("everyone would be better off without me", {S}),
    ("I keep cutting myself", {H}),
    ("I want to hurt myself", {H}),
    ("I'm having a panic attack and I can't breathe", {P}),
    ("I feel numb", {D}),
    ("I am worthless; it is hopeless", {D}),
    ("I get flashbacks every night", {T}),
    ("I relapsed last night", {A}),
    ("I can't cope, I'm falling apart", {G}),
    ("I'm hopeless and I want to die", {S, D}),
]
NOTHING = [
    "",
    "Hello, I feel okay today.",
    "I do not want to die",
    "I don't want to die.",
    "I don’t want to die",
    "I never wanted to die",
    "I'm not going to kill myself",
    "I am not suicidal",
    "I don't feel like I want to die",
    "I have no plan to end my life",
    "I no longer want to die",
    "I'm not numb",
    "the number is seven",
    "What a number of benumbing numbers!",
    "I love my cat",
    "the flowers die in winter",
    "This exercise is killing me, but it is fun",
    "Quisiera dos cruasanes; no quiero pagar tanto.",
    "cut the bread, I burned it myself",
    "I want to live",
    "select * from users; drop table; <script>",
]


@pytest.mark.parametrize(("text", "types"), FOUND, ids=[text for text, _ in FOUND])
def test_what_is_found(text: str, types: set[CrisisType]) -> None:
    found = SAFETY.look(text)
    assert found is not None
    assert set(found.types) == types
    assert found.resources
    assert found.source == "keyword"


@pytest.mark.parametrize("text", NOTHING)
def test_what_is_left(text: str) -> None:
    assert SAFETY.look(text) is None


ALL = [(kind, phrase) for kind, phrases in PHRASES.items() for phrase in phrases]


@pytest.mark.parametrize(("kind", "phrase"), ALL, ids=[phrase for _, phrase in ALL])
def test_every_phrase_is_found_in_a_text(kind: CrisisType, phrase: str) -> None:
    words = " ".join(word.split("|")[0] for word in phrase.split())
    found = SAFETY.look(f"Today: {words}.")
    assert found is not None
    assert kind in found.types


def test_all_seven_types_can_be_found() -> None:
    assert set(PHRASES) == set(CrisisType)


@pytest.mark.parametrize(
    ("text", "confidence"),
    [
        ("I want to die", 0.4),
        ("I want to die. I want to die. I want to die.", 0.4),
        ("I want to die, suicide", 0.7),
        ("I want to die, suicide, I can't go on", 0.9),
        ("I want to die, suicide, I can't go on, no reason to live", 0.9),
    ],
)
def test_confidence_is_of_the_hits(text: str, confidence: float) -> None:
    """``min(0.9, 0.3·hits + 0.1)``, each phrase once."""
    found = SAFETY.look(text)
    assert found is not None
    assert found.confidence == confidence


def test_the_surest_type_comes_first() -> None:
    found = SAFETY.look("I want to die, it is hopeless, I am worthless and numb")
    assert found is not None
    assert found.types == (D, S)
    assert found.confidence == 0.9


@given(st.text(max_size=300))
def test_any_text_can_be_looked_at(text: str) -> None:
    found = SAFETY.look(text)
    assert found is None or 0.4 <= found.confidence <= 0.9


@given(st.text(alphabet="!?.,;:()[]{}<>$&|*\"'`´ \n", max_size=20))
def test_no_sign_hides_it(signs: str) -> None:
    """What a filter of signs would turn away is looked at all the same."""
    found = SAFETY.look(f"{signs} I want to kill myself {signs}")
    assert found is not None


def test_the_longest_text_is_looked_at_in_a_moment() -> None:
    text = "I want to go to the market and I feel numb. " * 90
    began = time.perf_counter()
    assert SAFETY.look(text[:4000]) is not None
    assert time.perf_counter() - began < 0.1


# --- resources ----------------------------------------


@pytest.mark.parametrize("kind", list(CrisisType))
def test_every_type_has_somebody_to_turn_to(kind: CrisisType) -> None:
    found = answering(RESOURCES, (kind,))
    assert found
    assert [one.priority for one in found] == sorted(one.priority for one in found)


def test_resources_are_found_again_by_their_ids() -> None:
    ids = ["find-a-helpline", "gone", "lifeline-988"]
    assert [one.resource_id for one in named(RESOURCES, ids)] == ["find-a-helpline", "lifeline-988"]


OWN = """resources:
  - {resource_id: here, name: Here, contact_method: phone, contact_info: "1", crisis_types: [%s]}
"""


def test_resources_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(OWN % ", ".join(kind.value for kind in CrisisType))
    faculties = minds_of(resources=path)
    assert [one.resource_id for one in faculties.resources] == ["here"]
    assert faculties.safety is not None
    found = faculties.safety.look("I want to die")
    assert isinstance(found, SafetyFinding)
    assert found.resources == ("here",)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (OWN % "self_harm", "have no answer to"),
        (OWN % "nonsense", "crisis_types"),
        ("resources: {", "cannot be read"),
        ("- a", "own.yaml"),
        ("", "own.yaml"),
        ((OWN + OWN.partition("\n")[2]) % ("self_harm", "self_harm"), "name an id twice"),
    ],
)
def test_resources_that_cannot_be_used(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(text)
    with pytest.raises(StartupError, match=told):
        load_resources(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="cannot be read"):
        load_resources(tmp_path / "none.yaml")


def test_nobody_looks_where_nobody_shall() -> None:
    assert minds_of(safety="none").safety is None


# --- what is looked at, and by whom ----------------------------------------


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (TakeTurn(turn=1, npc="marta", text="hola"), "hola"),
        (AskRefraction(number=1, text="how do I say"), "how do I say"),
        (AnswerQuestion(number=1, given="forty two"), "forty two"),
        (AnswerQuestion(number=1, given="42"), ""),
        (AnswerQuestion(number=1, given="x"), ""),
        (AnswerQuestion(number=1, choice=2), ""),
        (GiveFeedback(feedback_id="f", text="too fast"), "too fast"),
        (GiveFeedback(feedback_id="f", rating=3), ""),
        (AddNote(text="an operator's"), ""),
    ],
    ids=str,
)
def test_what_a_players_own_words_are(body: Any, text: str) -> None:
    assert said_in(body) == text


class House:
    def __init__(self) -> None:
        self.metrics = Metrics()


class Broken:
    """Fails at once, or later, or never answers."""

    def __init__(self, how: str) -> None:
        self.how = how

    def look(
        self, text: str, context: Heeded | None = None
    ) -> SafetyFinding | Awaitable[SafetyFinding | None] | None:
        if self.how == "at-once":
            raise RuntimeError("no")
        return self._later()

    async def _later(self) -> SafetyFinding | None:
        if self.how == "never":
            await asyncio.sleep(60)
        raise RuntimeError("later")


TURN = TakeTurn(turn=1, npc="marta", text="I want to die")


@pytest.mark.parametrize("how", ["at-once", "later", "never"])
async def test_behind_a_mind_that_fails_stand_the_phrases(how: str) -> None:
    backed = BackedSafety(Broken(how), SAFETY, patience_s=0.05)
    found = await backed.look(TURN.text)
    assert found is not None
    assert found.types == (S,)


@pytest.mark.parametrize("how", ["at-once", "later"])
async def test_a_mind_that_fails_is_counted_and_takes_nobody_with_it(how: str) -> None:
    house = House()
    looked = Heeding(house, Faculties(safety=Broken(how))).look(TURN)
    found = await looked if isinstance(looked, Awaitable) else looked
    assert found is None
    (sample,) = next(iter(house.metrics.safety_failures.collect())).samples[:1]
    assert sample.value == 1


def test_a_host_without_such_a_mind_looks_at_nothing() -> None:
    assert Heeding(House(), Faculties()).look(TURN) is None
