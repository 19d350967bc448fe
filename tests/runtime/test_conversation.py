"""Conversations in a world on the real runtime: what carries over, and what a death may not
change."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from holodeck.config import load_settings
from holodeck.deck import Deck
from holodeck.messages.conversation import InjectionStatus, RefractionLevel
from holodeck.messages.errors import HolodeckError, RefusedError
from holodeck.messages.session import EndReason, MindKind
from holodeck.minds import Faculties, Prompt, Said, minds_of
from holodeck.session import Session
from holodeck.wiring import faculties_of
from tests.minds.model_server import ModelStage, says, stalls
from tests.runtime.checks import everything_is_exact
from tests.runtime.minds import EchoMind
from tests.runtime.stage import Stage, crash, until

pytestmark = [pytest.mark.nats, pytest.mark.integration]

WORLD, FRIEND = "barcelona-cafe", "jordi"
MISSED = ("Hola, me llamo Ana", "Por favor, estoy hambre", "Estoy muy sed y estoy prisa")
MENDED = ("Hola, estoy hambre", "Sí, por favor, tengo hambre y tengo prisa")
RIGHT = ("Hola, ¿qué tal?", "Bien, gracias, pero tengo hambre y tengo sed")
FORM = "tener-for-states"


async def started(deck: Deck, **more: Any) -> Session:
    given = {"learner": "ana", "persona": WORLD, "cast": [FRIEND], "analysis": "offline", **more}
    return await deck.start_session(**given)


async def talked(session: Session, lines: tuple[str, ...]) -> list[str]:
    """Says the lines; the kinds of all events that came of it, in order."""
    for line in lines:
        await session.say(line, to=FRIEND)
    return [event.kind async for step in session.replay() for event in step.events]


async def test_friction_becomes_an_injection_that_is_executed_and_resolved_though_hosts_die(
    staging: Callable[..., Any],
) -> None:
    # given two host processes and a session in which a form goes wrong three times
    stage: Stage = await staging(worlds=True)
    deck = await stage.begun(2)
    first = await started(deck)
    assert (await first.context()).injections == ()  # type: ignore[union-attr]
    kinds = await talked(first, MISSED)
    assert kinds.count("friction.detected") >= 3
    assert "fact.learned" in kinds
    await first.end()

    # when a host is killed before anybody has looked at what came of it
    stage.process("host-0").kill()
    await stage.owned(1)

    # then the next session begins with an injection of that form, told to the NPC it is for
    second = await started(deck)
    context = await second.context()
    assert context is not None
    assert [one.target_form for one in context.injections] == [FORM]
    assert context.npc_briefings[FRIEND].injection_directives
    assert [fact.fact for fact in context.npc_briefings[FRIEND].remembered_facts]
    assert context.npc_briefings[FRIEND].recent_vector_memories

    # and its mind makes an opening, in which the learner uses the form
    await talked(second, MENDED)
    moves = [
        event.status
        async for step in second.replay()
        for event in step.events
        if event.kind == "injection.advanced"
    ]
    assert moves == [InjectionStatus.OPPORTUNITY, InjectionStatus.USED]
    await second.end()
    results = (await second.record()).injection_results
    assert [(one.target_form, one.executed, one.learner_used_target_form) for one in results] == [
        (FORM, True, True)
    ]

    # and when it goes right in the third, it is resolved
    third = await started(deck)
    assert [one.target_form for one in (await third.context()).injections] == [FORM]  # type: ignore[union-attr]
    await talked(third, RIGHT)
    await third.end()
    await deck.learner("ana").brief(WORLD)
    profile = (await deck.learner("ana").state()).profile
    assert profile is not None
    assert profile.injections == ()
    assert profile.rules[FORM].trend[-1] == 1.0
    assert profile.evaluated == 3

    # and each session was evaluated once
    loops = [
        row for row in await everything_is_exact(stage, deck) if "loop.completed" in row.kinds()
    ]
    assert len(loops) == 3


async def test_a_session_is_evaluated_once_though_every_host_dies_at_its_end(stage: Stage) -> None:
    # given a host whose learner has ended a session
    faculties = faculties_of(load_settings())
    deck = await stage.begun_here(1, minds=faculties)
    session = await started(deck)
    await talked(session, MISSED)
    await session.end()

    # when it dies at once, and another takes over, and that one dies too
    for number in (1, 2):
        await crash(stage.keepers.pop())
        await stage.host(f"host-{number}", minds=faculties)
        await stage.owned(1)

    # then the evaluation stands in the journal once, without anybody asking for it
    async def evaluated() -> bool:
        profile = (await deck.learner("ana").state()).profile
        return profile is not None and profile.evaluated == 1 and not profile.owed

    await until(evaluated, 20.0, 0.05)
    rows = await everything_is_exact(stage, deck)
    assert sum("loop.completed" in row.kinds() for row in rows) == 1


async def test_a_session_that_broke_is_saved_and_not_evaluated(stage: Stage) -> None:
    deck = await stage.begun_here(1, minds=faculties_of(load_settings()))
    session = await started(deck)
    await talked(session, MISSED)

    await session.end(EndReason.SYSTEM_ERROR, "failed", error="the room is gone")

    await deck.learner("ana").brief(WORLD)
    profile = (await deck.learner("ana").state()).profile
    assert profile is not None
    assert (profile.evaluated, profile.injections, profile.owed) == (0, (), ())
    assert (await session.record()).session_record.end_reason == "system-error"


async def test_two_sessions_one_after_the_other_know_of_each_other_at_once(stage: Stage) -> None:
    # given nobody waits between the end of one session and the start of the next
    deck = await stage.begun_here(1, minds=faculties_of(load_settings()))
    for number in range(1, 6):
        session = await started(deck)
        context = await session.context()
        assert context is not None
        assert context.learner.session_count == number - 1
        await session.say("Hola, por favor, tengo hambre", to=FRIEND)
        await session.end()


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"persona": "atlantis"}, "unknown-persona"),
        ({"cast": ["marta", "poseidon"]}, "unknown-npc"),
    ],
)
async def test_a_start_in_a_world_that_is_none_is_refused_and_changes_nothing(
    stage: Stage, given: dict[str, Any], reason: str
) -> None:
    deck = await stage.begun_here(1, minds=faculties_of(load_settings()))
    with pytest.raises(RefusedError) as refused:
        await started(deck, session="nowhere", **given)
    assert refused.value.reason == reason
    with pytest.raises(RefusedError, match="unknown-session"):
        await deck.session("nowhere").state()
    # and the learner is free
    await (await started(deck)).end()


async def test_an_npc_of_another_world_is_refused_in_a_turn(stage: Stage) -> None:
    deck = await stage.begun_here(1, minds=faculties_of(load_settings()))
    session = await started(deck)
    before = await session.state()
    with pytest.raises(RefusedError, match="unknown-npc"):
        await session.take_turn("Ciao", to="tutor")
    assert await session.state() == before


class Dictating:
    """A mind that says a sentence piece by piece and waits in the middle until it may go on."""

    def __init__(self) -> None:
        self.asked = 0
        self.half = asyncio.Event()
        self.may = asyncio.Event()

    async def reply(self, prompt: Prompt, heard: Callable[[str], None] | None = None) -> Said:
        self.asked += 1
        assert heard is not None
        heard("Claro, ")
        self.half.set()
        await self.may.wait()
        heard("ahora mismo.")
        return Said("Claro, ahora mismo.", source="dictating")


async def test_a_reply_is_heard_while_it_is_made_up(stage: Stage) -> None:
    mind = Dictating()
    faculties = Faculties(
        minds={MindKind.SCRIPTED: mind}, library=faculties_of(load_settings()).library
    )
    deck = await stage.begun_here(1, minds=faculties)
    session = await started(deck, analysis="none")
    pieces: list[str] = []
    saying = asyncio.create_task(session.say("Un café", to=FRIEND, heard=pieces.append))
    await mind.half.wait()

    async def first_piece() -> bool:
        return pieces == ["Claro, "]

    await until(first_piece, 5.0, 0.01)
    mind.may.set()
    assert (await saying).text == "Claro, ahora mismo."
    assert "".join(pieces) == "Claro, ahora mismo."


async def test_one_reply_is_stored_though_the_host_dies_while_the_mind_speaks(
    stage: Stage,
) -> None:
    # given a mind in the middle of its sentence
    library = faculties_of(load_settings()).library
    mind = Dictating()
    deck = await stage.begun_here(
        1, minds=Faculties(minds={MindKind.SCRIPTED: mind}, library=library)
    )
    session = await started(deck, analysis="none")
    step = await session.take_turn("Un café", to=FRIEND)
    await mind.half.wait()

    # when its host dies, and the next one's mind answers
    await crash(stage.keepers.pop())
    again = Dictating()
    again.may.set()
    await stage.host("host-1", minds=Faculties(minds={MindKind.SCRIPTED: again}, library=library))
    await stage.owned(1)
    mind.may.set()

    # then there is one reply
    assert (await session.reply(step, to=FRIEND)).text == "Claro, ahora mismo."
    assert again.asked == 1
    kinds = [event.kind async for one in session.replay() for event in one.events]
    assert kinds.count("turn.answered") == 1


async def test_one_reply_is_stored_though_the_host_dies_while_a_model_streams(
    stage: Stage,
) -> None:
    """The model's server is a real one, spoken to by the real client."""
    async with ModelStage(stalls("Claro, ahora"), says("Ahora ", "mismo.")) as server:
        # given a model in the middle of its sentence
        faculties = minds_of(model_url=server.url, model_name="m", model_timeout_s=30)
        deck = await stage.begun_here(1, minds=faculties)
        session = await started(deck, mind="model", analysis="none")
        pieces: list[str] = []
        saying = asyncio.create_task(session.say("Un café", to=FRIEND, heard=pieces.append))

        async def heard() -> bool:
            return bool(pieces)

        await until(heard, 10.0, 0.01)

        # when its host dies, and the next one asks again
        await crash(stage.keepers.pop())
        again = minds_of(model_url=server.url, model_name="m")
        await stage.host("host-1", minds=again)
        await stage.owned(1)

        # then what the second answer says is the one reply
        assert (await saying).text == "Ahora mismo."
        replies = [
            event
            async for step in session.replay()
            for event in step.events
            if event.kind == "turn.answered"
        ]
        assert [(one.text, one.source) for one in replies] == [("Ahora mismo.", "m")]
        assert len(server.asked) == 2
        await faculties.close()
        await again.close()


async def test_wordings_are_offered_chosen_and_known_again_when_they_are_said(
    stage: Stage,
) -> None:
    deck = await stage.begun_here(1, minds=faculties_of(load_settings()))
    session = await started(deck)
    offer = await session.refract("I would like a coffee with milk", npc=FRIEND)
    await session.choose(offer.number, RefractionLevel.BASIC, dwell_ms=1200)
    reply = await session.say(offer.response.refractions.basic.formulation, to=FRIEND)
    assert "refraction.used" in [event.kind for event in reply.events]
    active = await session.active()
    assert [
        (one.selected_level, one.used_in_conversation) for one in active.refraction_sessions
    ] == [(RefractionLevel.BASIC, True)]


async def test_a_wording_asked_for_before_a_death_is_offered_after_it(stage: Stage) -> None:
    # given a host that makes no wordings
    library = faculties_of(load_settings()).library
    deck = await stage.begun_here(
        1, minds=Faculties(minds={MindKind.SCRIPTED: EchoMind()}, library=library)
    )
    session = await started(deck)
    asking = asyncio.create_task(session.refract("I would like a coffee with milk", npc=FRIEND))

    async def asked() -> bool:
        talk = (await session.state()).talk
        return talk is not None and len(talk.refractions) == 1

    await until(asked, 5.0, 0.01)

    # when another that does takes over
    await crash(stage.keepers.pop())
    await stage.host("host-1", minds=faculties_of(load_settings()))

    # then they come
    assert (await asking).response.refractions.basic.formulation


async def test_silence_is_answered_by_deadline_until_the_learner_speaks(stage: Stage) -> None:
    deck = await stage.begun_here(1, minds=faculties_of(load_settings()))
    session = await started(deck, ladder=True)
    await session.say("Hola, ¿qué tal?", to=FRIEND)

    async def noticed() -> list[str]:
        return [
            event.step.value
            async for step in session.replay()
            for event in step.events
            if event.kind == "silence.noticed"
        ]

    async def encouraged() -> bool:
        return await noticed() == ["encourage"]

    await until(encouraged, 9.0, 0.1)
    await session.say("Tengo hambre", to=FRIEND)
    assert await noticed() == ["encourage"]


async def test_a_world_needs_no_host_to_be_replayed(stage: Stage) -> None:
    """The context stands in the journal: a state at any checkpoint is its fold, byte for byte."""
    deck = await stage.begun_here(1, minds=faculties_of(load_settings()))
    session = await started(deck)
    await talked(session, MISSED)
    await session.end()
    steps = [step async for step in session.replay()]
    for step in steps[1:]:
        state = await session.state(at=step.sequence)
        assert state.talk is not None
    fork = await session.fork(at=steps[2].sequence)
    assert (await fork.state()).talk is not None
    reply = await fork.say("Otra vez: tengo hambre", to=FRIEND)
    assert reply.text
    # a rehearsal concerns nobody
    assert (await deck.learner("ana").state()).sessions == 1


async def test_starting_in_a_world_asks_everybody_in_one_round(stage: Stage) -> None:
    """Five NPCs and the learner; what it costs is in the bench, what it must not be is a queue."""
    deck = await stage.begun_here(1, minds=faculties_of(load_settings()))
    npcs = [npc.id for npc in faculties_of(load_settings()).library.get(WORLD).npcs][:5]  # type: ignore[union-attr]
    sessions = await asyncio.gather(
        *(started(deck, learner=f"l{n}", session=f"s{n}", cast=npcs) for n in range(40))
    )
    for session in sessions:
        context = await session.context()
        assert context is not None
        assert set(context.npc_briefings) == set(npcs)
    with pytest.raises(HolodeckError):
        await started(deck, learner="l1")
