"""A host process dies."""

from __future__ import annotations

import pytest

from holodeck.actors import host as host_module
from holodeck.messages.session import EndReason
from holodeck.session import Session
from tests.runtime.checks import everything_is_exact
from tests.runtime.load import Load
from tests.runtime.stage import Stage, crash, until

pytestmark = [pytest.mark.nats, pytest.mark.integration]


async def test_a_host_killed_under_load_loses_nothing_and_repeats_nothing(stage: Stage) -> None:
    # given two hosts, many sessions at work, and some that only wait for their time to end
    deck = await stage.begun(2)
    waiting = [
        await deck.start_session(learner=f"w{n}", session=f"w{n}", session_timeout_s=5.0)
        for n in range(8)
    ]
    async with Load(deck) as load:
        await load.acknowledgements(200)

        # when one of the two is killed
        stage.process("host-0").kill()

        # then the clients' retries succeed on the other one
        await load.acknowledgements(400)
        assert len(set((await stage.owned(1)).owners)) == 1
        account = await load.stop()
    assert not account.unknown

    # and every waiting session ends once, by itself
    for session in waiting:

        async def ended(session: Session = session) -> bool:
            return (await session.state()).end_reason is EndReason.TIME_LIMIT

        await until(ended, 15.0, 0.1)
    rows = await everything_is_exact(stage, deck, account)
    for session in waiting:
        ends = [r for r in rows if r.place.identity == session.id and "session.ended" in r.kinds()]
        assert len(ends) == 1


@pytest.mark.parametrize("few", [0, 1000], ids=["all-at-once", "one-by-one"])
async def test_a_takeover_rebuilds_from_snapshots_and_what_was_written_behind_them(
    stage: Stage, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given sessions with snapshots; some were spoken to since, one ended, one is new
    monkeypatch.setattr(host_module, "FEW", few)
    deck = await stage.begun_here(1, flush_s=600.0)
    sessions = [await deck.start_session(learner=f"l{n}", session=f"s{n}") for n in range(20)]
    for session in sessions:
        await session.take_turn("hola", to="marta")
    keeper = stage.keepers.pop()
    assert keeper.host is not None
    for partition in range(stage.partitions):
        assert await keeper.host.flush(partition)
    for session in sessions[:10]:
        await session.take_turn("hola", to="marta")
    await sessions[10].end()
    await deck.start_session(learner="new", session="new")

    # when their host dies and another takes over
    await crash(keeper)
    await stage.host("host-1", flush_s=600.0)
    await stage.owned(1)

    # then those are awake, the others asleep, and nothing is missing
    (taker,) = stage.keepers
    assert taker.host is not None
    assert set(taker.host.sessions) == {*(f"s{n}" for n in range(11)), "new"}
    assert set(taker.host.asleep) == {f"s{n}" for n in range(11, 20)}
    assert [(await session.state()).turns for session in sessions] == [2] * 10 + [1] * 10
    await everything_is_exact(stage, deck)
