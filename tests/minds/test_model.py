"""A model's mind against a real server: whatever that does, there is one valid thing to say."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Sequence
from dataclasses import replace
from email.utils import formatdate
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from holodeck.messages.base import MAX_TEXT
from holodeck.messages.conversation import (
    FrictionType,
    RefractionRequest,
    RefractionTrigger,
    RegisterViolation,
    Risk,
)
from holodeck.messages.errors import StartupError
from holodeck.messages.session import NpcReply
from holodeck.messages.talk import TurnAnalysis
from holodeck.minds.model import Budget, ModelAnalyst, ModelMind, ModelRefractor, Mouth
from holodeck.minds.port import Live, Prompt, Said, Utterance
from holodeck.minds.prompts import messages_of, tokens_of
from holodeck.minds.refraction import CardRefractor
from holodeck.minds.scripted import ScriptedMind
from holodeck.minds.server import BREAK_AFTER, BREAK_S, Breaker, ModelError, ModelServer
from tests.minds.model_server import (
    DONE,
    Act,
    ModelStage,
    breaks_off,
    refuses,
    says,
    sends,
    stalls,
)
from tests.minds.worlds import DUE, WORLD, character, prompt

PATIENCE_S = 0.3


def server_of(stage: ModelStage, **more: Any) -> ModelServer:
    return ModelServer(stage.url, SecretStr("sk-hidden"), **{"timeout_s": PATIENCE_S} | more)


def mind_of(server: ModelServer, budget: Budget | None = None) -> ModelMind:
    return ModelMind(server, "small", fallback=ScriptedMind(), budget=budget)


async def reply(
    *acts: Act, to: Prompt | None = None, heard: list[str] | None = None, **more: Any
) -> tuple[Said, ModelStage]:
    """What a mind with these settings makes of a server that does this."""
    async with ModelStage(*acts) as stage:
        server = server_of(stage, **more)
        try:
            tell = None if heard is None else heard.append
            said = await mind_of(server).reply(to or prompt(), tell)
        finally:
            await server.close()
    NpcReply(turn=1, npc="marta", text=said.text, opened=said.opened, source=said.source)
    return said, stage


# --- it streams ----------------------------------------


async def test_an_answer_is_streamed_and_returned_as_it_was_heard() -> None:
    heard: list[str] = []

    said, stage = await reply(says("Hola", ", Ana.", " ¿Un café?"), heard=heard)

    assert said == Said("Hola, Ana. ¿Un café?", (), "small")
    assert "".join(heard) == said.text
    assert len(heard) > 1
    assert stage.asked[0].headers["authorization"] == "Bearer sk-hidden"


async def test_the_server_is_shown_no_account_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-somebody")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-somebody")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "project-of-somebody")
    async with ModelStage(says("Hola.")) as stage:
        server = ModelServer(stage.url, None, timeout_s=PATIENCE_S)
        await mind_of(server).reply(prompt())
        await server.close()

    assert "somebody" not in json.dumps(dict(stage.asked[0].headers))


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        (("Marta: ", "Hola."), "Hola."),
        (("**Mar", "ta Puig**", ": Hola."), "Hola."),
        (("```text\n", "Hola.\n", "```"), "Hola."),
        (("<think>she wants ", "coffee</think>\n\n", "Hola."), "Hola."),
        (("  \n", "assistant:", " Hola."), "Hola."),
        (("Marta está aquí: pase.",), "Marta está aquí: pase."),
        (("Ho", "\ud83d", "la\x00."), "Hola."),
    ],
    ids=["name", "bold-name", "fence", "thoughts", "role", "a-name-that-is-speech", "no-text"],
)
async def test_what_is_no_speech_is_taken_off(pieces: tuple[str, ...], text: str) -> None:
    heard: list[str] = []

    said, _ = await reply(says(*pieces), heard=heard)

    assert said.text == text
    assert "".join(heard) == text


@given(
    st.lists(
        st.sampled_from(
            ["Marta", ":", " ", "\n", "```", "`", "json\n", "<think>", "</think>", "Hola", ".", "*"]
        ),
        max_size=12,
    ),
    st.randoms(use_true_random=False),
)
def test_however_it_comes_in_pieces_what_was_heard_is_what_is_returned(
    parts: Sequence[str], chance: random.Random
) -> None:
    whole = "".join(parts)
    cuts = sorted(chance.sample(range(len(whole) + 1), min(4, len(whole) + 1)))
    heard: list[str] = []
    mouth = Mouth(("Marta", "assistant"), heard.append)
    for start, stop in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        mouth.hear(whole[start:stop])

    text = mouth.close()

    alone = Mouth(("Marta", "assistant"))
    alone.hear(whole)
    assert "".join(heard) == text == alone.close()


async def test_a_reply_that_was_cut_off_ends_with_its_last_sentence() -> None:
    said, _ = await reply(says("Hola. ¿Qué tal? Pues yo qui", finish="length"))

    assert said.text == "Hola. ¿Qué tal?"


async def test_a_due_form_that_stands_in_the_reply_is_an_opening() -> None:
    live = Live(injections=(DUE, DUE.model_copy(update={"form": "gender-cafe"})))

    said, stage = await reply(says("¿Quisiera algo?"), to=prompt(live=live))

    assert said.opened == ("polite-request",)
    assert "polite-request" in stage.asked[0].body["messages"][0]["content"]


# --- it fails ----------------------------------------


@pytest.mark.parametrize(
    ("acts", "requests"),
    [
        ((stalls(),), 3),
        ((stalls("Hola, "),), 1),
        ((sends(b"data: {not json\n\n"),), 1),
        ((sends(b"<html>hello</html>"),), 1),
        ((sends(b'data: {"choices": "none"}\n\n', DONE),), 1),
        ((sends(b"\xff\xfe\x00data"),), 1),
        ((breaks_off(),), 3),
        ((breaks_off("Hola, "),), 1),
        ((refuses(429),), 3),
        ((refuses(500),), 3),
        ((refuses(503),), 3),
        ((refuses(400),), 1),
        ((refuses(401, message="sk-hidden is no key of ours"),), 1),
        ((refuses(422),), 1),
        ((says(""),), 1),
        ((says("   \n "),), 1),
        ((says("```\n```"),), 1),
        ((says("Marta:"),), 1),
        ((says(*["palabra " * 100] * 100),), 1),
        ((sends(b'data: {"error": {"message": "overloaded"}}\n\n'),), 1),
    ],
    ids=[
        "stalls-before-the-first-piece", "stalls-in-the-middle", "broken-json", "a-web-page",
        "another-shape", "no-utf-8", "cuts-before-the-first-piece", "cuts-in-the-middle", "429",
        "500", "503", "400", "401", "422", "empty", "blank", "only-a-fence", "only-a-name", "huge",
        "an-error-in-the-stream",
    ],
)  # fmt: skip
async def test_whatever_the_server_does_the_fallback_answers(
    acts: tuple[Act, ...], requests: int
) -> None:
    heard: list[str] = []
    with structlog.testing.capture_logs() as lines:
        said, stage = await reply(*acts, heard=heard, total_s=5.0)

    expected = await ScriptedMind().reply(prompt())
    assert said == replace(expected, source="fallback")
    assert len(stage.asked) == requests
    assert len("".join(heard)) <= MAX_TEXT
    assert [line["event"] for line in lines] == ["model.failed"]
    told = json.dumps(lines)
    assert not any(word in told for word in ("hola", "Hola", "palabra", "sk-hidden", "overloaded"))


@pytest.mark.parametrize(
    "first",
    [refuses(429), refuses(500), refuses(502), stalls(), breaks_off()],
    ids=["429", "500", "502", "stalls", "cuts"],
)
async def test_what_may_pass_is_tried_again(first: Act) -> None:
    heard: list[str] = []

    said, stage = await reply(first, says("Aquí", " estoy."), heard=heard, total_s=5.0)

    assert said.source == "small"
    assert "".join(heard) == said.text == "Aquí estoy."
    assert len(stage.asked) == 2


async def test_the_server_s_wish_to_be_left_alone_is_heeded() -> None:
    began = time.monotonic()

    said, _ = await reply(refuses(429, headers={"Retry-After": "1"}), says("Ya."), total_s=5.0)

    assert said.text == "Ya."
    assert time.monotonic() - began >= 1.0


@pytest.mark.parametrize(
    "told",
    ["3600", formatdate(time.time() + 3600, usegmt=True)],
    ids=["seconds", "a-date"],
)
async def test_nobody_waits_an_hour(told: str) -> None:
    began = time.monotonic()

    said, stage = await reply(refuses(503, headers={"Retry-After": told}), says("Ya."))

    assert (said.source, len(stage.asked)) == ("fallback", 1)
    assert time.monotonic() - began < 2.0


async def test_a_server_that_drips_is_given_up_when_the_whole_time_is_over() -> None:
    async with ModelStage(stalls("a")) as stage:
        server = server_of(stage, timeout_s=30.0, total_s=0.4)
        began = time.monotonic()
        said = await mind_of(server).reply(prompt())
        await server.close()

    assert said.source == "fallback"
    assert time.monotonic() - began < 5.0


async def test_a_server_that_is_not_there_leaves_the_fallback() -> None:
    server = ModelServer("http://127.0.0.1:9/v1", None, timeout_s=PATIENCE_S, retries=0)

    said = await mind_of(server).reply(prompt())

    await server.close()
    assert said.source == "fallback"


async def test_an_option_the_server_does_not_take_is_left_out_from_then_on() -> None:
    refusal = refuses(400, message="Unsupported parameter: 'max_tokens'")
    async with ModelStage(refusal, says("Uno."), says("Dos.")) as stage:
        server = server_of(stage)
        mind = mind_of(server)
        texts = [(await mind.reply(prompt(turn=turn))).text for turn in (1, 2)]
        await server.close()

    assert texts == ["Uno.", "Dos."]
    assert ["max_tokens" in one.body for one in stage.asked] == [True, False, False]
    assert stage.asked[2].body["max_completion_tokens"] == 300


async def test_calling_off_a_reply_leaves_no_task_and_no_connection() -> None:
    async with ModelStage(stalls("Hola, ")) as stage:
        server = server_of(stage, timeout_s=60.0)
        before = asyncio.all_tasks()
        began = asyncio.Event()
        asked = asyncio.create_task(mind_of(server).reply(prompt(), lambda _: began.set()))
        await began.wait()

        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked

        # The server's own task of this connection ends once it sees that nobody listens.
        await asyncio.wait_for(stage.left.wait(), 5.0)
        async with asyncio.timeout(5.0):
            while asyncio.all_tasks() - before:
                await asyncio.sleep(0.01)
        await server.close()


# --- the circuit breaker ----------------------------------------


async def test_after_five_failures_the_server_is_left_alone() -> None:
    async with ModelStage(*[refuses(500)] * BREAK_AFTER, says("Aquí estoy.")) as stage:
        now = [100.0]
        server = server_of(stage, retries=0, breaker=Breaker(lambda: now[0]))
        mind = mind_of(server)
        for turn in range(1, BREAK_AFTER + 3):
            assert (await mind.reply(prompt(turn=turn))).source == "fallback"
        assert len(stage.asked) == BREAK_AFTER

        now[0] += BREAK_S
        assert (await mind.reply(prompt(turn=20))).source == "small"
        assert (await mind.reply(prompt(turn=21))).source == "small"
        await server.close()


def test_after_a_rest_one_tries_and_the_others_wait_for_it() -> None:
    now = [0.0]
    breaker = Breaker(lambda: now[0])
    for _ in range(BREAK_AFTER):
        breaker.failed()
    now[0] = BREAK_S
    assert [breaker.lets_through() for _ in range(3)] == [True, False, False]

    breaker.failed()
    assert not breaker.lets_through()
    now[0] += BREAK_S
    assert breaker.lets_through()
    breaker.undecided()
    assert breaker.lets_through()
    breaker.succeeded()
    assert [breaker.lets_through() for _ in range(3)] == [True, True, True]


# --- the budget ----------------------------------------


async def test_a_session_that_has_spent_its_tokens_gets_the_fallback_and_others_do_not() -> None:
    async with ModelStage(says("Hola.", usage=5000)) as stage:
        server = server_of(stage)
        mind = mind_of(server, Budget(5000))
        sources = [
            (await mind.reply(prompt(turn=turn, session=session))).source
            for turn, session in ((1, "a"), (2, "a"), (1, "b"))
        ]
        await server.close()

    assert sources == ["small", "fallback", "small"]
    assert len(stage.asked) == 2


async def test_where_the_server_does_not_count_tokens_they_are_estimated() -> None:
    question = sum(tokens_of(message["content"]) for message in messages_of(prompt()))
    async with ModelStage(says("Hola.")) as stage:
        server = server_of(stage)
        mind = mind_of(server, Budget(2 * question + 310))
        sources = [(await mind.reply(prompt())).source for _ in range(3)]
        await server.close()

    assert sources == ["small", "small", "fallback"]


# --- secrets ----------------------------------------


def test_the_key_is_not_in_what_can_be_printed() -> None:
    server = ModelServer("http://127.0.0.1:9/v1", SecretStr("sk-hidden"))

    assert "sk-hidden" not in repr(server)


def test_without_the_library_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "openai", None)

    with pytest.raises(StartupError, match=r"holodeck-sessions\[model\]"):
        ModelServer("http://127.0.0.1:9/v1")


# --- the analyst ----------------------------------------


class Counted:
    """What is seen without a model."""

    def analyse(self, utterance: Utterance) -> TurnAnalysis:
        return TurnAnalysis(l2_words=4, unique_words=3, topic="cafe", source="offline")


def utterance(text: str = "hola quiero una café") -> Utterance:
    return Utterance(text=text, world=WORLD, character=character(), expected=("polite-request",))


async def analysed(*acts: Act) -> TurnAnalysis:
    async with ModelStage(*acts) as stage:
        server = server_of(stage, retries=0)
        found = await ModelAnalyst(server, "small", fallback=Counted()).analyse(utterance())
        await server.close()
    return found


async def test_what_the_model_finds_is_clamped_and_what_it_makes_up_is_dropped() -> None:
    told = {
        "frictions": [
            {"type": "grammar", "severity": 7, "form": "gender-cafe", "said": "una café"},
            {"type": "register", "severity": "high", "form": "no-such-form"},
            {"type": "nonsense", "severity": 0.5},
            "text",
        ],
        "forms": ["polite-request", "gender-cafe", "no-such-form", 3],
        "level": "neutral",
        "aligned": True,
        "violation": "missing-politeness",
        "comprehensibility": float("nan"),
        "meaningful": True,
        "aggressive": "no",
        "l1_words": -3,
        "l2_words": 4,
        "hedges": 1e300,
        "mood": "made up",
    }

    found = await analysed(says("Here you are:\n```json\n", json.dumps(told), "\n```"))

    assert [(one.type, one.severity, one.form) for one in found.frictions] == [
        (FrictionType.MORPHOSYNTACTIC, 1.0, "gender-cafe"),
        (FrictionType.REGISTER, 0.625, ""),
    ]
    assert found.forms == ("polite-request",)
    assert (found.violation, found.aligned) == (RegisterViolation.POLITENESS, False)
    assert found.comprehensibility is None
    assert (found.l1_words, found.l2_words, found.hedges) == (0, 4, 4)
    assert (found.topic, found.aggressive, found.source) == ("cafe", False, "model")


@pytest.mark.parametrize(
    "act",
    [
        refuses(500),
        stalls(),
        says("I find nothing."),
        says("{}"),
        says("[1, 2]"),
        says('{"frictions": '),
        says("[" * 100_000),
        says('{"a":' * 4000),
    ],
    ids=["500", "stalls", "prose", "empty", "list", "half", "too-long", "too-deep"],
)
async def test_without_a_usable_analysis_the_offline_one_stands(act: Act) -> None:
    assert await analysed(act) == Counted().analyse(utterance())


async def test_a_turn_does_not_wait_longer_for_its_analysis_than_it_may() -> None:
    async with ModelStage(stalls()) as stage:
        server = server_of(stage, timeout_s=60.0)
        analyst = ModelAnalyst(server, "small", fallback=Counted(), patience_s=0.2)
        began = time.monotonic()
        found = await analyst.analyse(utterance())
        await server.close()

    assert found.source == "offline"
    assert time.monotonic() - began < 5.0


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["frictions", "forms", "level", "aligned", "violation", "comprehensibility",
                 "l1_words", "l2_words", "hedges", "type", "severity", "form", "said"]
            ),
            inner,
            max_size=6,
        ),
        max_leaves=12,
    )
)  # fmt: skip
def test_no_json_a_model_can_write_makes_an_invalid_analysis(told: Any) -> None:
    from holodeck.minds.model import _merged, _object

    try:
        found = _merged(Counted().analyse(utterance()), _object(json.dumps(told)), utterance())
    except ModelError:
        return
    assert TurnAnalysis.model_validate(found.model_dump()) == found


# --- the refractor ----------------------------------------

REQUEST = RefractionRequest(
    trigger=RefractionTrigger.USER,
    learner_input="chcę kawę",
    input_language="pl",
    target_language="es",
    native_language="pl",
    session_id="s",
)


async def test_a_model_s_wordings_get_the_labels_and_risks_of_their_levels() -> None:
    told = {
        "intent_analysis": "wants coffee",
        "basic": {"formulation": "Un café.", "grammar": "a noun", "register": "rude"},
        "native": {"formulation": "Ponme un café.", "risk_level": "high"},
        "formal": "Quisiera un café.",
    }
    async with ModelStage(says(json.dumps(told))) as stage:
        server = server_of(stage)
        refractor = ModelRefractor(server, "small", fallback=CardRefractor())
        found = await refractor.refract(REQUEST, WORLD)
        await server.close()

    three = found.refractions
    assert three.basic.formulation == "Un café."
    assert three.basic.explanation.grammar == "a noun"
    assert [one.risk_level for one in (three.basic, three.native, three.formal)] == [
        Risk.ZERO, Risk.LOW, Risk.CONTEXT
    ]  # fmt: skip
    assert three.formal.register_label == "high-professional"
    assert found.metadata.model_used == "small"


@pytest.mark.parametrize(
    "act", [refuses(500), says("{}"), says('{"basic": "a", "native": "", "formal": "b"}')]
)
async def test_without_three_wordings_of_a_model_the_cards_are_used(act: Act) -> None:
    async with ModelStage(act) as stage:
        server = server_of(stage, retries=0)
        refractor = ModelRefractor(server, "small", fallback=CardRefractor())
        found = await refractor.refract(REQUEST, WORLD)
        await server.close()

    assert found == await CardRefractor().refract(REQUEST, WORLD)
