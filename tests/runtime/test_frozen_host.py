"""A host process is frozen, and thawed."""

from __future__ import annotations

import asyncio
import signal

import pytest

from holodeck.actors.caller import Caller
from holodeck.messages.codec import encode_command
from holodeck.messages.envelope import ReadState, ToSession
from holodeck.messages.ids import partition_of
from holodeck.messages.session import ChangeReputation, Pause
from holodeck.messages.subjects import COMMAND
from tests.runtime.checks import everything_is_exact, journal
from tests.runtime.load import Load
from tests.runtime.stage import Stage, until

pytestmark = [pytest.mark.nats, pytest.mark.integration]


async def test_a_thawed_host_answers_and_appends_nothing(stage: Stage) -> None:
    # given sessions on two hosts, some of which nobody will write to while one is frozen
    deck = await stage.begun(2)
    names = [f"s{n}" for n in range(24)]
    for name in names:
        await deck.start_session(learner=f"l-{name}", session=name)
    load = Load(deck, sessions=0)
    table = await stage.table()
    frozen = (await stage.holders())["host-0"].incarnation
    his = [name for name in names if partition_of(name, stage.partitions) in table.of(frozen)]
    written, read = his[::2], his[1::2]
    assert written
    assert read

    # when one is frozen with commands and questions in its socket's buffer
    stage.process("host-0").send(signal.SIGSTOP)
    heard: list[bytes] = []
    await stage.broker.subscribe("late.>", lambda delivery: heard.append(delivery.data))
    for name in his:
        subject = COMMAND.of("holodeck", partition_of(name, stage.partitions), "session", name)
        bodies: tuple[ReadState | Pause, ...] = (ReadState(), Pause(reason="stale"), ReadState())
        for n, body in enumerate(bodies):
            data = encode_command(ToSession(id=f"late.{name}.{n}", body=body))
            stage.broker.post(subject, data, reply=f"late.{name}.{n}")
    await stage.broker.flush()
    # and the other one takes over, writes to some of its sessions and only reads others
    await stage.owned(1)
    assert await stage.table() != table
    for name in written:
        await load.send(name, ChangeReputation(npc="marta", delta=0.1), f"new.{name}")
    for name in read:
        assert (await deck.session(name).state()).phase == "active"
    before = {row.sequence for row in await journal(stage)}

    # and it is thawed
    stage.process("host-0").send(signal.SIGCONT)

    # then it comes back as somebody new, having answered and appended nothing
    async def rejoined() -> bool:
        holders = await stage.holders()
        return "host-0" in holders and holders["host-0"].incarnation != frozen

    await until(rejoined, 10.0, 0.05)
    await stage.owned(2)
    await asyncio.sleep(0.5)
    assert heard == []
    after = [row for row in await journal(stage) if row.sequence not in before]
    assert [row.command for row in after] == []
    for name in his:
        assert (await deck.session(name).state()).phase == "active"
    await everything_is_exact(stage, deck, load.account)


async def test_a_thawed_host_under_load_does_no_harm(stage: Stage) -> None:
    # given two hosts and many sessions at work
    deck = await stage.begun(2)
    async with Load(deck) as load:
        await load.acknowledgements(200)
        await stage.owned(2)  # on a busy machine a host may have to begin anew
        frozen = (await stage.holders())["host-0"].incarnation

        # when one is frozen until the other has taken over and worked, and then thawed
        stage.process("host-0").send(signal.SIGSTOP)
        await stage.owned(1)
        await load.acknowledgements(200)
        stage.process("host-0").send(signal.SIGCONT)

        # then it rejoins as a new incarnation and takes its share
        table = await stage.owned(2)
        assert frozen not in table.owners
        await load.acknowledgements(200)
        account = await load.stop()

    # and everything is exact
    assert not account.unknown
    await everything_is_exact(stage, deck, account, may_return=True)


async def test_a_host_frozen_for_less_than_its_lease_keeps_everything(stage: Stage) -> None:
    # given two hosts and sessions at work
    deck = await stage.begun(2)
    async with Load(deck, sessions=12) as load:
        await load.acknowledgements(50)
        table = await stage.table()

        # when one is frozen for a third of its lease
        stage.process("host-0").send(signal.SIGSTOP)
        await asyncio.sleep(stage.lease_s / 3)
        stage.process("host-0").send(signal.SIGCONT)

        # then nobody notices: the same hosts own the same
        await load.acknowledgements(200)
        account = await load.stop()
    assert await stage.table() == table
    await everything_is_exact(stage, deck, account)


async def test_a_client_of_a_frozen_host_is_answered_by_the_next(stage: Stage) -> None:
    # given a session on a host that freezes
    deck = await stage.begun(2)
    session = await deck.start_session(learner="ana", session="s1")
    stage.process("host-0").send(signal.SIGSTOP)
    stage.process("host-1").send(signal.SIGSTOP)

    # when a client asks, and only the other host wakes again
    caller: Caller = deck.caller
    asking = asyncio.create_task(caller.command("session", session.id, "ask", ReadState()))
    await asyncio.sleep(stage.lease_s + 0.5)
    stage.process("host-1").send(signal.SIGCONT)

    # then its one call is answered
    assert (await asking).status == "ok"
