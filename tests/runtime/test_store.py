"""A store that is full, and one that keeps only what is needed."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from holodeck.messages.errors import RefusedError
from tests.runtime.checks import (
    every_acknowledged_command_is_stored_once,
    everything_is_exact,
    journal,
    of_session,
)
from tests.runtime.conftest import Staging
from tests.runtime.load import Account, Load
from tests.runtime.stage import MIB, Stage, crash, until

pytestmark = [pytest.mark.nats, pytest.mark.integration]


async def test_a_full_journal_refuses_and_loses_nothing(staging: Staging) -> None:
    # given a journal with room for little more than the sessions in it
    stage: Stage = await staging(max_bytes=4 * MIB)
    small = replace(stage.layout.checkpoints, max_bytes=200_000)
    stage.layout = replace(stage.layout, checkpoints=small)
    deck = await stage.begun_here(1)
    load = Load(deck, sessions=12, pace_s=0.001, tolerated=frozenset(
        {"store-full", "session-paused", "unknown-task", "turn-order"}))  # fmt: skip
    async with load:
        # when clients go on until it is full
        await until(lambda: load.account.refused["store-full"] > 50, 30.0)

        # then commands and starts are refused by name, and reads go on
        async def full() -> bool:
            return bool((await deck.status())["full"])

        await until(full, 5.0, 0.1)
        with pytest.raises(RefusedError, match="store-full"):
            await deck.start_session(learner="late", session="late")
        assert (await deck.session(load.names[0]).state()).turns >= 0

        # and when there is room again, all goes on
        before = len(load.account.acknowledged)
        await _resize(stage, small.name, 50 * MIB)
        await load.acknowledgements(200)
        account = await load.stop()
    assert before > 100
    assert not account.unknown

    async def roomy() -> bool:
        return not (await deck.status())["full"]

    await until(roomy, 5.0, 0.1)
    await deck.start_session(learner="late", session="late")
    await everything_is_exact(stage, deck, account)


async def _resize(stage: Stage, name: str, size: int) -> None:
    info = await stage.broker._api(f"STREAM.INFO.{name}")  # type: ignore[attr-defined]
    await stage.broker._api(  # type: ignore[attr-defined]
        f"STREAM.UPDATE.{name}", {**info["config"], "max_bytes": size}
    )


async def test_an_ended_session_moves_to_the_archive_and_stays_known(stage: Stage) -> None:
    # given sessions that ended, with one that goes on
    deck = await stage.begun_here(1, keep_s=1.0, flush_s=0.3, idle_sleep_s=0.3)
    living = await deck.start_session(learner="eva", session="living")
    await living.take_turn("hola", to="marta")
    ended = []
    for n in range(5):
        session = await deck.start_session(learner=f"l{n}", session=f"s{n}")
        await session.take_turn("hola", to="marta")
        await session.take_turn("adéu", to="joan")
        await session.end()
        ended.append(session)
    states = [await session.state() for session in ended]
    stored = await journal(stage)
    relation = (await deck.npc("marta").brief("l0")).relation
    middle = of_session(stored, "s0")[1].sequence
    early = await ended[0].state(at=middle)

    # when their time is over
    async def gone() -> bool:
        rows = await journal(stage)
        return not any(of_session(rows, session.id) for session in ended)

    await until(gone, 20.0, 0.1)

    # then they have left the journal, and only they, and everything about them is still known
    assert len(of_session(await journal(stage), "living")) >= 2
    for _ in range(2):
        for session, state in zip(ended, states, strict=True):
            assert await session.state() == state
            with pytest.raises(RefusedError, match="session-exists"):
                await deck.start_session(learner="x", session=session.id)
            with pytest.raises(RefusedError, match="session-ended"):
                await session.take_turn("hola", to="marta", turn=3)
        assert await ended[0].state(at=middle) == early
        assert (await deck.npc("marta").brief("l0")).relation == relation
        child = await ended[0].fork(at=middle)
        assert (await child.state()).parent == "s0"

        # and on the next host too
        await crash(stage.keepers.pop())
        await stage.host("host-0", keep_s=1.0, flush_s=0.3, idle_sleep_s=0.3)
        await stage.owned(1)
    every_acknowledged_command_is_stored_once(await journal(stage), Account())


async def test_nothing_is_archived_before_everyone_has_folded_it(stage: Stage) -> None:
    # given an ended session, and no tile emitter
    await stage.supervisor()
    await stage.host("host-0", keep_s=0.2, flush_s=0.2)
    await stage.owned(1)
    deck = await stage.deck()
    session = await deck.start_session(learner="ana", session="s1")
    await session.take_turn("hola", to="marta")
    await session.end()
    before = len(of_session(await journal(stage), "s1"))

    # when its time is over, then it stays, because its tiles are owed
    await asyncio.sleep(1.5)
    assert len(of_session(await journal(stage), "s1")) == before

    # and when they are made it goes
    await stage.tiles()

    async def gone() -> bool:
        return not of_session(await journal(stage), "s1")

    await until(gone, 15.0, 0.1)
    assert (await session.state()).turns == 1
    assert [step.sequence async for step in session.replay()] != []
