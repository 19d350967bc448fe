"""nats-server dies, connections are cut, the store is put back to yesterday."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from holodeck.actors.folds import HEADER_SEQUENCE
from holodeck.messages.ids import partition_of
from tests.broker.proxy import Proxy
from tests.runtime.checks import everything_is_exact, settled
from tests.runtime.load import Load
from tests.runtime.stage import Stage, crash

pytestmark = [pytest.mark.nats, pytest.mark.integration]


async def test_a_server_killed_under_load_loses_nothing(stage: Stage) -> None:
    # given two hosts and sessions at work
    deck = await stage.begun(2)
    async with Load(deck) as load:
        await load.acknowledgements(200)

        # when the server is killed and started again, twice
        for _ in range(2):
            await stage.server.kill()
            await asyncio.sleep(0.3)
            await stage.server.start()

            # then clients go on within some seconds
            await load.acknowledgements(200, 15.0)
        account = await load.stop()

    # and everything is exact
    assert not account.unknown
    await stage.owned(2)
    await everything_is_exact(stage, deck, account, may_return=True)


async def test_a_server_away_for_longer_than_a_lease_comes_back_to_a_whole_runtime(
    stage: Stage,
) -> None:
    # given sessions at work
    deck = await stage.begun(2)
    async with Load(deck, sessions=12) as load:
        await load.acknowledgements(100)

        # when the server is away for longer than any lease
        await stage.server.kill()
        await asyncio.sleep(stage.lease_s * 1.5)
        await stage.server.start()

        # then all goes on
        await load.acknowledgements(100, 20.0)
        account = await load.stop()
    assert not account.unknown
    await everything_is_exact(stage, deck, account, may_return=True)


async def test_connections_cut_under_load_leave_folds_complete(stage: Stage) -> None:
    # given two hosts that reach the server through a proxy, and sessions at work
    async with Proxy(stage.server.port) as proxy:
        await stage.supervisor()
        for index in range(2):
            stage.host_process(f"host-{index}", url=proxy.url)
        await stage.tiles()
        await stage.owned(2)
        deck = await stage.deck()
        async with Load(deck) as load:
            await load.acknowledgements(100)

            # when their connections are cut again and again
            for _ in range(6):
                proxy.cut()
                await load.acknowledgements(120)
            account = await load.stop()

        # then every append in doubt was resolved once, and no fold misses anything
        assert not account.unknown
        assert proxy.connections > 4 + 6
        await everything_is_exact(stage, deck, account, may_return=True)
        for process in stage.processes:
            process.end()


async def test_a_snapshot_that_a_killed_server_brought_back_is_not_the_last_word(
    stage: Stage,
) -> None:
    # given a session that was snapshotted, went on and ended, and so has no snapshot any more
    deck = await stage.begun_here(1)
    host = stage.keepers[0].host
    assert host is not None
    session = await deck.start_session(learner="ana", session="s1")
    partition = partition_of("s1", stage.partitions)
    await host.flush(partition)
    live = stage.broker.bucket(stage.layout.live)
    old = await live.get(f"live.{partition}.s1")
    assert old is not None
    await session.take_turn("hola", to="marta")
    await session.end()
    await host.flush(partition)
    assert await live.get(old.key) is None

    # when the old value is there again, as after a kill of the server, and the next host begins
    upto = old.headers[HEADER_SEQUENCE]
    await live.put(old.key, old.data, headers={HEADER_SEQUENCE: upto})
    await crash(stage.keepers.pop())
    await stage.host("host-0")
    await stage.owned(1)

    # then the session is as it was left
    await everything_is_exact(stage, deck)
    assert (await session.state()).phase == "ended"


def _store_of_the_journal(stage: Stage) -> Path:
    (found,) = (stage.server.folder / "jetstream").glob("**/streams/CHECKPOINTS")
    return found


async def _journal_is_copied(stage: Stage) -> None:
    """As it stands on the disk of a server that was stopped in good order."""
    await stage.server.stop()
    shutil.copytree(_store_of_the_journal(stage), stage.folder / "yesterday")
    await stage.server.start()


async def _journal_is_put_back(stage: Stage) -> None:
    """A machine that lost power: the killed server starts with the journal of the copy."""
    store = _store_of_the_journal(stage)
    shutil.rmtree(store)
    shutil.copytree(stage.folder / "yesterday", store)
    await stage.server.start()


async def test_a_journal_shorter_than_its_snapshots_makes_them_anew(stage: Stage) -> None:
    # given sessions that went on after the journal was last on the disk, with snapshots and tiles
    supervisor = await stage.supervisor()
    host = await stage.host("host-0", flush_s=0.2)
    tiles = await stage.tiles()
    await stage.owned(1)
    deck = await stage.deck()
    async with Load(deck, sessions=10, pace_s=0.005) as load:
        await load.acknowledgements(150)
        await load.stop()
    rows = await settled(stage)
    kept = rows[-1].sequence
    await _journal_is_copied(stage)
    await stage.owned(1)
    async with Load(deck, sessions=10, pace_s=0.005, seed=2) as more:
        await more.acknowledgements(150)
        await more.stop()
    await everything_is_exact(stage, deck)
    await asyncio.sleep(0.5)
    assert host.host is not None
    for partition in range(stage.partitions):
        await host.host.flush(partition)

    # when power goes and only the journal comes back as it was
    await crash(host)
    stage.keepers.clear()
    await supervisor.stop()
    await tiles.stop()
    await stage.server.kill()
    await _journal_is_put_back(stage)
    assert (await settled(stage))[-1].sequence == kept
    supervisor = await stage.supervisor()
    await stage.host("host-1", flush_s=0.2)
    await stage.tiles()
    await stage.owned(1)

    # then what was ahead of it was counted and is gone, and what there is equals a fresh fold
    assert supervisor.discarded > 0
    async with Load(deck, sessions=10, pace_s=0.005, seed=3) as again:
        await again.acknowledgements(150)
        account = await again.stop()
    rows = await everything_is_exact(stage, deck, account)
    assert not [row for row in rows if row.place.identity in more.names]


async def test_hosts_that_outlive_a_store_that_lost_its_tail_begin_anew(stage: Stage) -> None:
    # given a host with commands under way, on a server whose journal will lose its end
    await stage.supervisor()
    host = await stage.host("host-0", flush_s=0.2)
    await stage.tiles()
    await stage.owned(1)
    deck = await stage.deck()
    async with Load(deck, sessions=10, pace_s=0.005) as load:
        await load.acknowledgements(100)
        await load.stop()
    await _journal_is_copied(stage)
    await stage.owned(1)
    async with Load(deck, sessions=10, pace_s=0.005, seed=2) as more:
        await more.acknowledgements(200)
        await more.stop()
    assert host.host is not None
    first = host.host

    # when the server comes back with the old journal while commands wait for it
    await stage.server.kill()
    waiting = [asyncio.create_task(deck.session(name).pause()) for name in load.names]
    await asyncio.sleep(0.2)
    await _journal_is_put_back(stage)

    # then the host gives up what it knew, and what waited is decided on what is really there
    for done in asyncio.as_completed(waiting):
        assert (await done).events[0].kind == "session.paused"
    await stage.owned(1)
    assert host.host is not first
    rows = await everything_is_exact(stage, deck, may_return=True)
    assert not [row for row in rows if row.place.identity in more.names]


async def test_a_mark_does_not_outlive_the_snapshots_it_counts_on(stage: Stage) -> None:
    # given a host whose snapshots are ahead of the marks of their partitions
    await stage.supervisor()
    host = await stage.host("host-0", flush_s=600)
    await stage.tiles()
    await stage.owned(1)
    deck = await stage.deck()
    async with Load(deck, sessions=10, pace_s=0.005) as load:
        await load.acknowledgements(100)
        await load.stop()
    assert host.host is not None
    for partition in range(stage.partitions):
        assert await host.host.flush(partition)
    await _journal_is_copied(stage)
    await stage.owned(1)
    async with Load(deck, sessions=10, pace_s=0.005, seed=2) as more:
        await more.acknowledgements(100)
        await more.stop()
    await settled(stage)
    assert host.host is not None
    for partition in range(stage.partitions):
        assert await host.host.folds.flush(str(partition))

    # when the journal comes back as it was when the marks were written
    await stage.server.kill()
    await _journal_is_put_back(stage)
    await stage.owned(1)

    # then what the lost snapshots held is read anew
    await everything_is_exact(stage, deck, may_return=True)
