"""The supervisor and the tile emitter die."""

from __future__ import annotations

import asyncio

import pytest

from holodeck.messages.errors import Unavailable
from tests.runtime.checks import everything_is_exact
from tests.runtime.load import Load
from tests.runtime.stage import Stage

pytestmark = [pytest.mark.nats, pytest.mark.integration]


async def test_sessions_go_on_while_the_supervisor_is_down(stage: Stage) -> None:
    # given a supervisor in a process of its own, a host and sessions at work
    supervisor = stage.supervisor_process()
    await _declared(stage)
    stage.host_process("host-0")
    await stage.owned(1)
    await stage.tiles()
    deck = await stage.deck()
    load = Load(deck, sessions=12, tolerated=frozenset({"session-paused"}))
    async with load:
        await load.acknowledgements(50)
        table = await stage.table()

        # when it is killed
        supervisor.kill()

        # then sessions go on, and starts are said to be impossible
        await load.acknowledgements(150)
        late = await stage.deck(deadline_s=0.5)
        with pytest.raises(Unavailable):
            await late.start_session(learner="late", session="late")

        # and when it is back, starts succeed and nobody has been moved
        stage.supervisor_process()
        await deck.start_session(learner="new", session="new")
        await load.acknowledgements(50)
        account = await load.stop()
    assert await stage.table() == table
    await everything_is_exact(stage, deck, account)


async def test_tiles_are_exact_though_emitters_die(stage: Stage) -> None:
    # given two tile emitters in processes of their own and sessions at work
    await stage.supervisor()
    await stage.host("host-0")
    emitters = [stage.tiles_process(f"tiles-{n}") for n in range(2)]
    await stage.owned(1)
    deck = await stage.deck()
    async with Load(deck, sessions=12) as load:
        # when one is killed, then the other, while the first is back
        for n in range(2):
            await load.acknowledgements(100)
            emitters[n].kill()
            emitters.append(stage.tiles_process(f"tiles-{n + 2}"))
        await load.acknowledgements(100)
        account = await load.stop()

    # then there is one tile for each event, in order
    await everything_is_exact(stage, deck, account)


async def _declared(stage: Stage) -> None:
    async with asyncio.timeout(15):
        while True:
            try:
                await stage.table()
                await stage.broker.log(stage.layout.checkpoints).end()
                await stage.broker.log(stage.layout.dead).end()
            except Exception:
                await asyncio.sleep(0.05)
            else:
                return
