"""Whoever speaks to an actor sends the same again until it is answered, refused or too late."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from holodeck.actors.caller import Caller
from holodeck.broker import Delivery, MemoryBroker
from holodeck.messages.codec import decode_command, encode_answer
from holodeck.messages.envelope import Answer
from holodeck.messages.errors import Busy, DecodeError, RefusedError, Unavailable
from holodeck.messages.session import Pause

OK = Answer(status="ok", sequence=7)
BUSY = Answer(status="busy", reason="busy")
MOVED = Answer(status="moved", reason="moved")


class Actor:
    """Answers what comes with one prepared answer after the other; None: not at all."""

    def __init__(self, broker: MemoryBroker, *answers: Answer | None) -> None:
        self._broker = broker
        self._answers = list(answers)
        self.heard: list[Delivery] = []

    def __call__(self, delivery: Delivery) -> None:
        self.heard.append(delivery)
        answer = self._answers.pop(0)
        if answer is not None:
            self._broker.post(delivery.reply, encode_answer(answer))


@pytest.fixture
async def broker() -> AsyncIterator[MemoryBroker]:
    opened = MemoryBroker()
    yield opened
    await opened.close()


async def says(broker: MemoryBroker, *answers: Answer | None, deadline_s: float = 5.0) -> Actor:
    """A session that answers so, and a command sent to it, until it has its final answer."""
    actor = Actor(broker, *answers)
    listening = await broker.subscribe("ns.cmd.*.session.s1", actor)
    try:
        caller = Caller(broker, "ns", 8, deadline_s=deadline_s)
        assert (await caller.command("session", "s1", "c1", Pause(reason="tea"))).sequence == 7
        assert caller.retries == len(actor.heard) - 1
    finally:
        await listening.stop()
    return actor


async def test_a_command_arrives_as_it_was_said(broker: MemoryBroker) -> None:
    actor = await says(broker, OK)
    (heard,) = actor.heard
    envelope = decode_command("session", heard.data, heard.subject)
    assert (envelope.id, envelope.body) == ("c1", Pause(reason="tea"))
    assert envelope.deadline - envelope.sent == 5000


@pytest.mark.parametrize("first", [BUSY, MOVED], ids=["busy", "moved"])
async def test_who_is_told_to_come_again_sends_the_same_bytes(
    broker: MemoryBroker, first: Answer
) -> None:
    actor = await says(broker, first, first, OK)
    assert len({heard.data for heard in actor.heard}) == 1
    assert len(actor.heard) == 3


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(status="refused", reason="session-paused"), RefusedError),
        (Answer(status="contract", reason="undecodable", detail="no"), DecodeError),
    ],
    ids=["refused", "contract"],
)
async def test_a_final_no_is_not_asked_again(
    broker: MemoryBroker, answer: Answer, error: type[Exception]
) -> None:
    with pytest.raises(error):
        await says(broker, answer, OK)


async def test_after_the_deadline_it_is_said_what_is_known(broker: MemoryBroker) -> None:
    with pytest.raises(Busy):
        await says(broker, *[BUSY] * 20, deadline_s=0.1)
    with pytest.raises(Unavailable, match=r"no answer within 0\.1 s; the outcome is unknown"):
        await says(broker, *[None] * 20, deadline_s=0.1)
    with pytest.raises(Unavailable, match="nobody owns the partition"):
        await Caller(broker, "ns", 8, deadline_s=0.1).command("session", "s2", "c2", Pause())


async def test_who_comes_late_is_waited_for(broker: MemoryBroker) -> None:
    # given nobody who listens
    caller = Caller(broker, "ns", 8)
    calling = asyncio.create_task(caller.command("session", "s1", "c1", Pause()))
    await asyncio.sleep(0.05)
    assert not calling.done()

    # when somebody begins to
    listening = await broker.subscribe("ns.cmd.*.session.s1", Actor(broker, OK))

    # then the command gets to him
    assert (await calling).sequence == 7
    await listening.stop()


async def test_what_rests_on_one_run_of_the_server_is_not_said_to_another(
    broker: MemoryBroker,
) -> None:
    # given a caller whose command rests on what the server told it
    caller = Caller(broker, "ns", 8, one_run=True)
    calling = asyncio.create_task(caller.command("session", "s1", "c1", Pause()))
    await asyncio.sleep(0.05)
    assert not calling.done()

    # when the server begins anew, and only then somebody listens
    broker._server.server_id = "another"
    actor = Actor(broker, OK)
    listening = await broker.subscribe("ns.cmd.*.session.s1", actor)

    # then it is not sent again, but what is said from now on is
    with pytest.raises(Unavailable, match="another run"):
        await calling
    assert not actor.heard
    assert (await caller.command("session", "s1", "c2", Pause())).sequence == 7
    await listening.stop()
