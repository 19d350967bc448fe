"""Sessions that nobody speaks to go to sleep, and wake."""

from __future__ import annotations

import pytest

from holodeck.messages.errors import RefusedError
from holodeck.messages.session import EndReason, StartSession
from holodeck.session import Session
from tests.runtime.checks import everything_is_exact, of_session
from tests.runtime.stage import Stage, crash, until

pytestmark = [pytest.mark.nats, pytest.mark.integration]


async def test_a_sleeping_session_wakes_for_a_command(stage: Stage) -> None:
    # given sessions that sleep on a host
    deck = await stage.begun_here(1, idle_sleep_s=0.2, flush_s=0.2)
    sessions = [
        await deck.start_session(learner=f"l{n}", session=f"s{n}", cast=["marta"])
        for n in range(30)
    ]
    for session in sessions:
        await session.say("hola", to="marta")
    (keeper,) = stage.keepers
    host = keeper.host
    assert host is not None
    await until(lambda: not host.sessions and len(host.asleep) == 30 and not len(host.folds))

    # when each is spoken to
    for session in sessions:
        reply = await session.say("hola again", to="marta")
        assert reply.turn == 2
        assert reply.text

    # then it goes on where it was, and so do the NPC and the learners
    rows = await everything_is_exact(stage, deck)
    assert len(of_session(rows, "s0")) == 5


async def test_a_sleeping_session_ends_by_its_timer_even_on_another_host(stage: Stage) -> None:
    # given sleeping sessions with little time
    deck = await stage.begun_here(1, idle_sleep_s=0.2, flush_s=0.2)
    sessions = [
        await deck.start_session(learner=f"l{n}", session=f"s{n}", session_timeout_s=4.5)
        for n in range(20)
    ]
    keeper = stage.keepers.pop()
    host = keeper.host
    assert host is not None
    await until(lambda: len(host.asleep) == 20 and not host.sessions)

    # when their host dies and another one finds only their snapshots
    for partition in range(stage.partitions):
        assert await host.flush(partition)
    await crash(keeper)
    await stage.host("host-1", idle_sleep_s=0.2, flush_s=0.2)
    await stage.owned(1)
    successor = stage.keepers[-1].host
    assert successor is not None
    assert len(successor.asleep) == 20
    assert not successor.sessions

    # then each ends once, by itself
    for session in sessions:

        async def ended(session: Session = session) -> bool:
            return (await session.state()).end_reason is EndReason.TIME_LIMIT

        await until(ended, 10.0, 0.1)
    rows = await everything_is_exact(stage, deck)
    assert sum("session.ended" in row.kinds() for row in rows) == 20


async def test_an_idle_session_times_out_and_a_task_too(stage: Stage) -> None:
    # given a session with a started task, both with little time
    deck = await stage.begun_here(1, idle_sleep_s=0.2, flush_s=0.2)
    session = await deck.start_session(learner="ana", session="s1", idle_timeout_s=2.0)
    task = await session.add_task("order", timeout_s=0.5)
    await session.begin(task)

    # when nobody does anything
    async def ended() -> bool:
        return (await session.state()).phase == "ended"

    await until(ended, 10.0, 0.1)

    # then the task ran out first, and then the session
    rows = of_session(await everything_is_exact(stage, deck), "s1")
    assert [row.kinds()[0] for row in rows] == [
        "session.started",
        "task.added",
        "task.started",
        "task.completed",
        "session.ended",
    ]
    state = await session.state()
    assert state.end_reason is EndReason.INACTIVITY_TIMEOUT


async def test_an_ended_session_leaves_memory_and_is_still_known(stage: Stage) -> None:
    # given a session that ended and whose host forgot it
    deck = await stage.begun_here(1, idle_sleep_s=0.2, flush_s=0.2)
    session = await deck.start_session(learner="ana", session="s1")
    await session.take_turn("hola", to="marta")
    await session.end()
    (keeper,) = stage.keepers
    host = keeper.host
    assert host is not None
    await until(lambda: "s1" not in host.sessions)

    # when it is asked about, then it still knows everything, and cannot start again
    assert (await session.state()).turns == 1
    assert (await session.exhaust()).turns == 1
    with pytest.raises(Exception, match="session-exists"):
        await deck.start_session(learner="ana", session="s1")
    await everything_is_exact(stage, deck)


async def test_a_start_that_is_refused_is_refused_for_what_is_stored(stage: Stage) -> None:
    # given a session that has ended and left the memory of its host
    deck = await stage.begun_here(1, idle_sleep_s=0.2, flush_s=0.2)
    session = await deck.start_session(learner="ana", session="s1")
    await session.end()
    host = stage.keepers[0].host
    assert host is not None
    await until(lambda: not host.sessions and not host.asleep)

    # when somebody starts it again, without a claim and so in vain in any case
    with pytest.raises(RefusedError, match="session-exists"):
        await session.command(StartSession(learner="ana"))

    # then nobody takes it for one that never was
    assert (await session.state()).phase == "ended"
    with pytest.raises(RefusedError, match="claim-required"):
        await deck.session("s2").command(StartSession(learner="ana"))
    with pytest.raises(RefusedError, match="unknown-session"):
        await deck.session("s2").state()
    await everything_is_exact(stage, deck)
