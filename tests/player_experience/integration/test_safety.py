"""Texts that give cause for concern, on the real runtime: stored once, wherever they were said,
and whatever became of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from holodeck.deck import Deck
from holodeck.messages.codec import decode_checkpoint
from holodeck.messages.errors import HolodeckError, RefusedError
from holodeck.messages.player import (
    CrisisType,
    FlagSafety,
    PlayerFlagged,
    SafetyFinding,
    SafetyFlagged,
    TherapeuticSettings,
)
from holodeck.messages.session import TakeTurn
from holodeck.minds import minds_of
from holodeck.minds.port import Heeded
from holodeck.minds.safety import BackedSafety, KeywordSafety, load_resources
from holodeck.session import Session
from holodeck.watching import SafetyAlert
from tests.player_experience.integration.test_session_lifecycle import player
from tests.runtime.stage import Stage, crash, until

pytestmark = [pytest.mark.nats, pytest.mark.integration]

CRISIS = "I want to kill myself!"
WORLD, FRIEND = "barcelona-cafe", "jordi"
S = CrisisType.SUICIDAL_IDEATION
UNWATCHED = TherapeuticSettings(crisis_monitoring_enabled=False)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as stack:
        yield await stack.enter_async_context(Stage(tmp_path))


async def flags(session: Session) -> list[SafetyFlagged]:
    return [
        event
        async for step in session.replay()
        for event in step.events
        if isinstance(event, SafetyFlagged)
    ]


async def flagged(deck: Deck, learner: str) -> int:
    """How many findings the learner knows of."""
    history = (await deck.learner(learner).state()).history
    return 0 if history is None else history.deeds.flags


async def test_a_turn_that_is_taken_is_flagged_in_its_own_checkpoint(stage: Stage) -> None:
    deck = await stage.begun_here(1, minds=minds_of())
    session = await deck.start_session(learner="ana", persona=WORLD, cast=[FRIEND])
    reply = await session.say(CRISIS, to=FRIEND)
    assert reply.text
    assert reply.safety is not None
    assert reply.safety.types == (S,)
    assert reply.safety.resources
    steps = [step async for step in session.replay()]
    (step,) = [one for one in steps if any(isinstance(e, SafetyFlagged) for e in one.events)]
    assert step.events[0].kind == "turn.taken"
    (flag,) = await flags(session)
    assert (flag.turn, flag.rejected) == (1, False)
    assert (await session.continuity()).flagged == 1
    await until(lambda: flagged(deck, "ana"))

    # an ordinary turn is not
    assert (await session.say("Hola", to=FRIEND)).safety is None
    assert len(await flags(session)) == 1


async def test_a_repeat_is_told_the_same_and_flags_nothing_more(stage: Stage) -> None:
    deck = await stage.begun_here(1, minds=minds_of())
    session = await deck.start_session(learner="ana")
    body = TakeTurn(turn=1, npc="marta", text=CRISIS)
    answers = [await session.command(body, id="t-1") for _ in range(3)]
    assert len({answer.checkpoint for answer in answers}) == 1
    assert all(answer.safety is not None for answer in answers)
    assert len(await flags(session)) == 1


async def test_what_is_refused_is_flagged_before_it_is_answered(stage: Stage) -> None:
    deck = await stage.begun_here(1, minds=minds_of())
    session = await deck.start_session(learner="ana", cast=["marta"])

    # of the wrong order, and to nobody who is there
    for turn, npc, reason in ((7, "marta", "turn-order"), (1, "nobody", "unknown-npc")):
        with pytest.raises(RefusedError) as caught:
            await session.take_turn(CRISIS, to=npc, turn=turn)
        assert caught.value.reason == reason
        assert caught.value.safety is not None
        assert caught.value.safety.resources
    found = await flags(session)
    assert [(one.turn, one.rejected) for one in found] == [(0, True)] * 2

    # while it is paused; sent again under the same id it is flagged once
    await session.pause()
    for _ in range(3):
        with pytest.raises(RefusedError, match="session-paused") as caught:
            await session.command(TakeTurn(turn=1, npc="marta", text=CRISIS), id="same")
        assert caught.value.safety is not None
    assert len(await flags(session)) == 3

    # where nothing is a conversation
    await session.resume()
    with pytest.raises(RefusedError, match="no-persona") as caught:
        await session.refract(CRISIS)
    assert caught.value.safety is not None
    assert len(await flags(session)) == 4


async def test_of_a_session_that_is_over_its_learner_keeps_it(stage: Stage) -> None:
    deck = await stage.begun_here(1, minds=minds_of(), keep_s=0.2, flush_s=0.2)
    session = await deck.start_session(learner="ana")
    await session.end()
    before = await flagged(deck, "ana")
    with pytest.raises(RefusedError, match="session-ended") as caught:
        await session.take_turn(CRISIS, to="marta", turn=1)
    assert caught.value.safety is not None

    async def heard(count: int) -> bool:
        return await flagged(deck, "ana") == before + count

    await until(lambda: heard(1))
    finding = SafetyFinding(types=(S,), confidence=0.5)
    await session.flag(finding, rejected=True)
    await until(lambda: heard(2))
    assert await flags(session) == []

    # also of one that was put into the archive
    (keeper,) = stage.keepers
    assert keeper.host is not None
    host = keeper.host

    async def archived() -> bool:
        partition = host._partition(session.id)
        return await host._archive.get(f"log.{partition}.{session.id}") is not None

    await until(archived, 30.0, 0.1)
    with pytest.raises(RefusedError, match="session-ended") as caught:
        await session.take_turn(CRISIS, to="marta", turn=1)
    assert caught.value.safety is not None
    await until(lambda: heard(3))


async def test_of_a_session_nobody_knows_the_sender_is_told_all_the_same(stage: Stage) -> None:
    deck = await stage.begun_here(1, minds=minds_of())
    with pytest.raises(RefusedError, match="unknown-session") as caught:
        await deck.session("nope").take_turn(CRISIS, to="marta", turn=1)
    assert caught.value.safety is not None
    assert caught.value.safety.resources


async def test_where_nobody_shall_watch_nothing_is_stored_and_help_is_named(stage: Stage) -> None:
    deck = await stage.begun_here(1, minds=minds_of())
    session = await deck.start_session(
        learner="ana", world="world_mindfulness_garden", settings=UNWATCHED
    )
    step = await session.take_turn(CRISIS, to="marta")
    assert step.safety is not None
    assert step.safety.resources
    with pytest.raises(RefusedError, match="turn-order") as caught:
        await session.take_turn(CRISIS, to="marta", turn=9)
    assert caught.value.safety is not None
    assert await flags(session) == []


async def test_wordings_answers_and_feedback_are_looked_at_and_notes_are_not(stage: Stage) -> None:
    deck = await stage.begun_here(1, minds=minds_of())
    await player(deck)
    talk = await deck.start_session(learner="ana", persona=WORLD, cast=[FRIEND])
    with pytest.raises(HolodeckError):  # nothing in the cards to say that with
        await talk.refract("I want to die", npc=FRIEND, timeout=1.0)
    await talk.note(CRISIS, author="op")
    assert len(await flags(talk)) == 1
    await talk.end()

    practice = await deck.start_practice("ana")
    question = await practice.question()
    assert question is not None
    await practice.answer("I want to die")
    found = await flags(practice.session)
    assert [one.rejected for one in found] == [False]

    step = await deck.player("ana").feedback(text="too fast, and I can't go on")
    assert step.safety is not None
    await until(lambda: _learner_flags(stage))


async def _learner_flags(stage: Stage) -> bool:
    """Whether the learner itself has stored a finding."""
    async for record in stage.broker.log(stage.layout.checkpoints).read(
        f"{stage.layout.ns}.checkpoint.learner.>"
    ):
        events = decode_checkpoint(record.data, record.subject).events
        if any(isinstance(event, PlayerFlagged) for event in events):
            return True
    return False


async def test_who_watches_is_told_of_all_with_help_and_without_the_text(stage: Stage) -> None:
    deck = await stage.begun_here(1, minds=minds_of())
    alerts: list[SafetyAlert] = []
    watcher = await stage.deck()
    stop = await watcher.watch_safety(alerts.append)
    session = await deck.start_session(learner="ana")
    await session.take_turn(CRISIS, to="marta")
    with pytest.raises(RefusedError):
        await session.take_turn(CRISIS, to="marta", turn=9)
    finding = SafetyFinding(types=(S,), confidence=0.5, resources=("lifeline-988",))
    flag = FlagSafety(finding=finding, rejected=True)
    await deck.caller.command("learner", "ben", "flag-1", flag)
    await until(lambda: len(alerts) == 3)
    told = [(one.learner, one.session, one.turn, one.rejected) for one in alerts]
    assert set(told) == {
        ("ana", session.id, 1, False),
        ("ana", session.id, 0, True),
        ("ben", None, 0, True),
    }
    assert all(alert.resources for alert in alerts)
    assert all(CRISIS not in repr(alert) for alert in alerts)
    await stop()

    # the tiles name neither the text nor what was found
    async for record in stage.broker.log(stage.layout.tiles).read(
        f"{stage.layout.ns}.tile.safety.>"
    ):
        assert b"suicid" not in record.data
        assert b"kill" not in record.data

    # who comes later may be told of what was before
    later: list[SafetyAlert] = []
    stop = await watcher.watch_safety(later.append, after=0)
    await until(lambda: len(later) == 3)
    await stop()


class Thoughtful:
    """A safety mind that takes its time."""

    def __init__(self) -> None:
        self.may = asyncio.Event()
        self.asked: list[tuple[str, Heeded | None]] = []

    def look(self, text: str, context: Heeded | None = None) -> Awaitable[SafetyFinding | None]:
        self.asked.append((text, context))
        return self._think(text)

    async def _think(self, text: str) -> SafetyFinding | None:
        await self.may.wait()
        return SafetyFinding(types=(S,), confidence=0.9, source="model") if "x" in text else None


async def test_a_mind_that_takes_its_time_is_waited_for_and_asked_once(stage: Stage) -> None:
    mind = Thoughtful()
    deck = await stage.begun_here(1, minds=replace(minds_of(), safety=mind))
    session = await deck.start_session(learner="ana")
    body = TakeTurn(turn=1, npc="marta", text="x")
    sent = [asyncio.create_task(session.command(body, id="t-1")) for _ in range(3)]
    await until(lambda: mind.asked)
    await asyncio.sleep(0.2)
    mind.may.set()
    answers = await asyncio.gather(*sent)
    assert len({answer.checkpoint for answer in answers}) == 1
    assert len(mind.asked) == 1
    assert mind.asked[0] == ("x", Heeded("ana", session.id))
    (flag,) = await flags(session)
    assert flag.finding.source == "model"
    assert (await session.take_turn("plain", to="marta")).safety is None


async def test_one_that_never_answers_has_the_phrases_behind_it(stage: Stage) -> None:
    behind = KeywordSafety(load_resources())
    backed = BackedSafety(Thoughtful(), behind, patience_s=0.1)
    deck = await stage.begun_here(1, minds=replace(minds_of(), safety=backed))
    session = await deck.start_session(learner="ana")
    step = await session.take_turn(CRISIS, to="marta")
    assert step.safety is not None
    assert len(await flags(session)) == 1


async def test_a_finding_is_stored_though_the_host_dies_right_after_the_turn(
    stage: Stage,
) -> None:
    deck = await stage.begun_here(1, minds=minds_of(), flush_s=600.0)
    session = await deck.start_session(learner="ana")
    await session.take_turn(CRISIS, to="marta")
    with pytest.raises(RefusedError):
        await session.take_turn(CRISIS, to="marta", turn=9)
    await crash(stage.keepers.pop())
    await stage.host("host-1", minds=minds_of(), flush_s=600.0)
    await stage.owned(1)
    assert (await session.continuity()).flagged == 2


def test_what_anybody_may_say_of_safety_is_bounded() -> None:
    many: Any = tuple(f"r{n}" for n in range(21))
    with pytest.raises(ValueError, match="resources"):
        SafetyFinding(types=(S,), confidence=0.5, resources=many)
    with pytest.raises(ValueError, match="types"):
        SafetyFinding(types=(), confidence=0.5)
