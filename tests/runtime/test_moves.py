"""Partitions move in good order, and hosts own few of many."""

from __future__ import annotations

import asyncio
import time

import pytest

from holodeck.messages.codec import decode_answer, encode_command
from holodeck.messages.envelope import ReadState, ToSession
from holodeck.messages.ids import partition_of
from holodeck.messages.subjects import COMMAND
from tests.runtime.checks import everything_is_exact
from tests.runtime.conftest import Staging
from tests.runtime.load import Load
from tests.runtime.stage import Stage, crash, until

PATIENCE_S = 5.0
"""How long a client sends a command; leases here are four times as long."""

pytestmark = [pytest.mark.nats, pytest.mark.integration]


async def test_a_rolling_restart_is_seen_by_nobody(staging: Staging) -> None:
    # given two hosts with leases longer than any client's patience, and sessions at work
    stage = await staging(lease_s=PATIENCE_S * 4)
    deck = await stage.begun(2)
    async with Load(deck, deadline_s=PATIENCE_S) as load:
        await load.acknowledgements(100)

        # when each in turn is drained, ended and replaced
        for name in ("host-0", "host-1"):
            old = (await stage.holders())[name].incarnation
            await deck.drain(name)

            async def empty(old: str = old) -> bool:
                return old not in (await stage.table()).owners

            await until(empty, stage.lease_s / 2, 0.05)
            await load.acknowledgements(50)
            stage.process(name).kill()
            stage.host_process(name)
            await stage.owned(2)
        account = await load.stop()

    # then no client saw an error, and nobody waited past its patience
    assert not account.unknown
    assert not account.refused
    await everything_is_exact(stage, deck, account, may_return=True)


async def test_a_stopped_host_hands_over_without_waiting_for_its_lease(
    staging: Staging,
) -> None:
    # given two hosts with leases longer than any client's patience, and sessions at work
    stage = await staging(lease_s=PATIENCE_S * 4)
    deck = await stage.begun_here(2)
    async with Load(deck, sessions=12, deadline_s=PATIENCE_S) as load:
        await load.acknowledgements(50)

        # when one is stopped in good order
        await stage.keepers.pop(0).stop()

        # then the other one has everything long before that lease could run out
        await stage.owned(1, seconds=stage.lease_s / 2)
        await load.acknowledgements(50)
        account = await load.stop()
    assert not account.unknown
    await everything_is_exact(stage, deck, account)


async def test_who_asks_the_old_owner_is_sent_on(stage: Stage) -> None:
    # given a host that has laid its partitions down and has not been told to stop listening
    deck = await stage.begun_here(1)
    await deck.start_session(learner="ana", session="s1")
    (keeper,) = stage.keepers
    host = keeper.host
    assert host is not None
    subject = COMMAND.of("holodeck", partition_of("s1", stage.partitions), "session", "s1")
    host.owned.discard(partition_of("s1", stage.partitions))

    # when a client asks it
    data = encode_command(ToSession(id="ask", body=ReadState()))
    reply = await stage.broker.request(subject, data, timeout=2)

    # then it says that it moved, and the client's own retries succeed once there is an owner
    assert decode_answer(reply.data, subject).status == "moved"
    asking = asyncio.create_task(deck.session("s1").state())
    await stage.host("host-1")
    await crash(keeper)
    assert (await asking).phase == "active"


async def test_hosts_that_own_few_partitions_fold_the_same(staging: Staging) -> None:
    # given so many hosts that each reads its partitions one by one
    stage: Stage = await staging(partitions=32)
    await stage.supervisor()
    keepers = [await stage.host(f"host-{n}") for n in range(9)]
    await stage.tiles()
    await stage.owned(9)
    deck = await stage.deck()
    for keeper in keepers:
        assert keeper.host is not None
    assert any(len(k.host._readers) > 1 for k in keepers if k.host is not None)
    async with Load(deck, sessions=16) as load:
        await load.acknowledgements(100)

        # when one dies and another leaves
        await crash(stage.keepers.pop())
        await stage.keepers.pop().stop()
        await stage.owned(7)
        await load.acknowledgements(100)
        account = await load.stop()

    # then everything is exact
    await everything_is_exact(stage, deck, account, may_return=True)


async def test_a_fold_asked_for_what_does_not_concern_it_answers(staging: Staging) -> None:
    # given a host that reads its partitions one by one
    stage: Stage = await staging(partitions=32)
    await stage.supervisor()
    for n in range(9):
        await stage.host(f"host-{n}")
    await stage.owned(9)
    deck = await stage.deck(deadline_s=3.0)
    session = await deck.start_session(learner="ana", session="s1")
    step = await session.take_turn("hola", to="marta")
    assert (await deck.npc("marta").state(after=step.sequence)).turns == 1

    # when an NPC is asked to have seen a checkpoint that does not name it
    sequence = (await session.pause()).sequence
    state = await deck.npc("joan").state(after=sequence)

    # then it answers all the same, before the client gives up: there is nothing it could miss
    assert state.turns == 0


async def test_a_busy_event_loop_keeps_its_lease(stage: Stage) -> None:
    # given a host whose loop will be blocked for twice its lease, watched from another process
    stage.supervisor_process()
    await until(lambda: _declared(stage), 15.0, 0.05)
    keeper = await stage.host("host-0")
    await stage.owned(1)
    assert keeper.host is not None
    host, losses = keeper.host, keeper.host.lease.losses
    table = await stage.table()

    # when it is
    time.sleep(stage.lease_s * 2)  # noqa: ASYNC251 - the point of the test

    # then it still holds its lease, and everything it owned
    assert host.valid()
    await asyncio.sleep(0.5)
    assert host.lease.losses == losses
    assert not host.lease.revoked
    assert keeper.incarnations == 1
    assert await stage.table() == table


async def _declared(stage: Stage) -> bool:
    from holodeck.messages.errors import HolodeckError

    try:
        await stage.broker.log(stage.layout.dead).end()
        await stage.broker.bucket(stage.layout.cluster).get("deployment")
    except HolodeckError:
        return False
    return True
