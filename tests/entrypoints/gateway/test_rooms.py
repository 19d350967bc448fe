"""The store of rooms: a fold over two streams, bounded, fenced, and made anew at any time."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from holodeck.actors.tiles import tiles_of
from holodeck.broker import Broker, EmbeddedServer, MemoryBroker, MemoryServer, connect
from holodeck.broker.port import Record
from holodeck.entrypoints.gateway import Rooms
from holodeck.entrypoints.gateway.gate import admit
from holodeck.entrypoints.gateway.rooms import (
    HEADER_DEED,
    HEADER_HASH,
    HEADER_ROOM,
    Index,
    Wanted,
    room_token,
)
from holodeck.messages.envelope import Checkpoint
from holodeck.messages.errors import LostFence, OutcomeUnknown, RefusedError, TooLarge, Unavailable
from holodeck.messages.ids import check_id
from holodeck.messages.session import TurnTaken
from holodeck.messages.subjects import ANY, CHECKPOINT, ROOM, place_of
from tests.entrypoints.gateway.support import LAYOUT, OURS, SLASHES, own_tiles, submission


def on(store: MemoryServer, **more: Any) -> Rooms:
    async def opened() -> Broker:
        return MemoryBroker(store)

    return Rooms(opened, LAYOUT, **more)


async def held(rooms: Rooms, name: str, limit: int = 1000) -> list[dict[str, Any]]:
    """The tiles of a room, oldest first."""
    return (await rooms.newest(Wanted(room=name, active=False), limit=limit))[::-1]


def core(tiles: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(t["room"], t["question"], t["answer"], t["lamport"], t["state"]) for t in tiles]


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.005)


async def test_nothing_is_connected_before_the_first_question(store: MemoryServer) -> None:
    opened = 0

    async def connecting() -> Broker:
        nonlocal opened
        opened += 1
        return MemoryBroker(store)

    async with asyncio.timeout(5):
        setup = MemoryBroker(store)
        await setup.declare(LAYOUT.streams, LAYOUT.buckets)
        rooms = Rooms(connecting, LAYOUT)
        assert opened == 0
        await asyncio.gather(*(rooms.index() for _ in range(5)))
        assert opened == 1
        await rooms.close()
        await setup.close()


async def test_a_submission_is_there_at_once_and_after_the_gateway_was_made_anew(
    store: MemoryServer, rooms: Rooms
) -> None:
    first = await rooms.submit(admit(submission(1, SLASHES)))
    second = await rooms.submit(admit(submission(2, SLASHES)))
    there = await held(rooms, SLASHES)

    assert (first.lamport, first.total) == (1, 1)
    assert (second.lamport, second.total) == (2, 2)
    assert [tile["tile_hash"] for tile in there] == [first.hash, second.hash]

    again = on(store)
    assert await held(again, SLASHES) == there
    assert (await again.index()).rooms[SLASHES].total == 2
    third = await again.submit(admit(submission(3, SLASHES)))
    assert (third.lamport, third.total) == (3, 3)
    await again.close()


async def test_both_streams_make_one_room(broker: MemoryBroker, rooms: Rooms) -> None:
    await own_tiles(broker, 3)
    accepted = await rooms.submit(admit(submission(1, OURS)))
    there = await held(rooms, OURS)

    assert [tile["lamport"] for tile in there] == [1, 2, 3, 4]
    assert accepted.lamport == 4
    assert there[0]["question"] == "[TURN] ana → marta, turn 1"
    assert there[0]["answer"].startswith("{")
    assert there[-1]["source"] == "pilot"


async def test_tiles_of_ours_are_followed(broker: MemoryBroker, rooms: Rooms) -> None:
    index = await rooms.index()
    assert index.total == 0

    await own_tiles(broker, 5)
    await until(lambda: index.total == 5)

    assert len(await held(rooms, OURS)) == 5


async def test_what_the_emitter_writes_is_read_without_parsing_it() -> None:
    place = place_of(CHECKPOINT.of("holodeck", "session", 3, "s1", "turn", 4, "marta", 5, "ana"))
    assert place is not None
    turn = TurnTaken(turn=1, npc="marta", text='she said "domain":"elsewhere"')
    index = Index()

    for room in (OURS, 'with "quotes"', "Ünïcode"):
        (data,) = tiles_of(place, 7, Checkpoint(at=1, events=(turn,)), room)
        index.add_own(Record("holodeck.tile.turn.turn.s1", 7, data, {}))

    assert set(index.rooms) == {OURS, 'with "quotes"', "Ünïcode"}
    index.add_own(Record("holodeck.tile.x.y.z", 8, b"nonsense", {}))
    assert index.total == 3


async def test_a_duplicate_is_refused_in_its_room_and_welcome_in_another(rooms: Rooms) -> None:
    await rooms.submit(admit(submission(1)))

    with pytest.raises(RefusedError, match="duplicate"):
        await rooms.submit(admit(submission(1, source="another")))

    assert (await rooms.submit(admit(submission(1, "elsewhere")))).total == 1
    assert (await rooms.submit(admit(submission(1, answer={"attempt": 2})))).total == 2


async def test_a_retracted_tile_stays_and_says_so_also_later(
    store: MemoryServer, rooms: Rooms
) -> None:
    stored = await rooms.submit(admit(submission(1)))
    for _ in range(2):
        assert (await rooms.retract("harbour", stored.hash, "silted up")).hash == stored.hash

    again = on(store)
    for each in (rooms, again):
        (tile,) = await held(each, "harbour")
        assert tile["state"] == "Retracted"
        assert await each.newest(Wanted(room="harbour"), limit=9) == []
        assert not await each.has(stored.hash)
    assert (await again.index()).rooms["harbour"].total == 1
    await again.close()
    with pytest.raises(RefusedError, match="unknown-tile"):
        await rooms.retract("harbour", "0" * 16, "")
    with pytest.raises(RefusedError, match="unknown-tile"):
        await rooms.retract("nowhere", stored.hash, "")


async def test_a_tile_of_ours_can_be_retracted_too(
    store: MemoryServer, broker: MemoryBroker, rooms: Rooms
) -> None:
    await own_tiles(broker, 3)
    digest = (await held(rooms, OURS))[1]["tile_hash"]
    await rooms.retract(OURS, digest, "")

    again = on(store)
    assert [tile["state"] for tile in await held(again, OURS)] == ["Active", "Retracted", "Active"]
    await again.close()


async def test_a_superseding_tile_comes_and_the_old_one_goes_in_one_record(
    store: MemoryServer, broker: MemoryBroker, rooms: Rooms
) -> None:
    old = await rooms.submit(admit(submission(1)))
    new = await rooms.supersede("harbour", old.hash, admit(submission(2), "harbour"))

    again = on(store)
    for each in (rooms, again):
        states = [tile["state"] for tile in await held(each, "harbour")]
        assert states == ["Superseded", "Active"]
    await again.close()
    assert (new.lamport, new.total) == (2, 2)
    assert await broker.log(LAYOUT.rooms).end() == 2
    with pytest.raises(RefusedError, match="not-active"):
        await rooms.supersede("harbour", old.hash, admit(submission(3), "harbour"))
    with pytest.raises(RefusedError, match="duplicate"):
        await rooms.supersede("harbour", new.hash, admit(submission(1), "harbour"))


async def test_memory_is_bounded_and_totals_go_on(
    store: MemoryServer, broker: MemoryBroker
) -> None:
    await own_tiles(broker, 50)
    rooms = on(store, most=20)
    for n in range(30):
        await rooms.submit(admit(submission(n)))
    index = await rooms.index()
    await until(lambda: not rooms.counting)

    assert (len(index.own), len(index.others)) == (20, 20)
    assert index.rooms[OURS].total == 50
    assert index.rooms["harbour"].total == 30
    assert [tile["lamport"] for tile in await held(rooms, OURS)] == list(range(31, 51))
    assert len(index.rooms["harbour"].by_hash) == 20
    await rooms.close()

    again = on(store, most=20)
    index = await again.index()
    await until(lambda: not again.counting)
    assert {name: room.total for name, room in index.rooms.items()} == {OURS: 50, "harbour": 30}
    assert (await again.submit(admit(submission(99)))).total == 31
    await again.close()


async def test_a_room_out_of_memory_keeps_its_size_and_its_order(
    store: MemoryServer, broker: MemoryBroker
) -> None:
    writer = on(store)
    for n in range(3):
        await writer.submit(admit(submission(n, "early")))
    for n in range(20):
        await writer.submit(admit(submission(n, "late")))
    await writer.close()

    rooms = on(store, most=10)
    assert await held(rooms, "early") == []
    stored = await rooms.submit(admit(submission(9, "early")))
    assert (stored.lamport, stored.total) == (4, 4)
    await rooms.close()


async def test_bytes_are_bounded_too(store: MemoryServer, broker: MemoryBroker) -> None:
    rooms = on(store, most_bytes=100_000)
    for n in range(10):
        await rooms.submit(admit(submission(n, answer={"much": "x" * 30_000})))

    assert len(await held(rooms, "harbour")) == 3
    assert (await rooms.index()).rooms["harbour"].total == 10
    await rooms.close()


async def test_two_gateways_agree_on_order_and_duplicates(
    store: MemoryServer, broker: MemoryBroker
) -> None:
    left, right = on(store), on(store)
    await asyncio.gather(left.index(), right.index())

    done = await asyncio.gather(
        *(rooms.submit(admit(submission(n))) for n in range(20) for rooms in (left, right)),
        return_exceptions=True,
    )

    stored = [one for one in done if not isinstance(one, BaseException)]
    refused = [one for one in done if isinstance(one, RefusedError)]
    assert (len(stored), len(refused)) == (20, 20)
    assert sorted(one.lamport for one in stored) == list(range(1, 21))
    assert core(await held(left, "harbour")) == core(await held(right, "harbour"))
    await left.close()
    await right.close()


async def test_a_lost_answer_is_looked_up_and_the_tile_is_stored_once(
    store: MemoryServer, broker: MemoryBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    rooms = on(store)
    await rooms.index()
    append = rooms._others.append
    losses = iter([True, False, False])

    def losing(*args: Any, **more: Any) -> asyncio.Future[int]:
        done = append(*args, **more)
        if not next(losses):
            return done
        lost = asyncio.get_running_loop().create_future()
        done.add_done_callback(lambda _: lost.set_exception(OutcomeUnknown("no answer")))
        return lost

    monkeypatch.setattr(rooms._others, "append", losing)

    assert (await rooms.submit(admit(submission(1)))).total == 1
    assert (await rooms.submit(admit(submission(2)))).total == 2
    assert await broker.log(LAYOUT.rooms).end() == 2
    await rooms.close()


async def test_an_answer_lost_with_its_tile_is_sent_again(
    store: MemoryServer, broker: MemoryBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    rooms = on(store)
    await rooms.index()
    append = rooms._others.append
    losses = iter([OutcomeUnknown("no answer"), LostFence(0), None])

    def losing(*args: Any, **more: Any) -> asyncio.Future[int]:
        loss = next(losses)
        if loss is None:
            return append(*args, **more)
        lost: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        lost.set_exception(loss)
        return lost

    monkeypatch.setattr(rooms._others, "append", losing)

    assert (await rooms.submit(admit(submission(1)))).total == 1
    assert len(await held(rooms, "harbour")) == 1
    await rooms.close()


async def test_a_purged_room_takes_tiles_again(store: MemoryServer, rooms: Rooms) -> None:
    await rooms.submit(admit(submission(1)))
    broker = MemoryBroker(store)
    await broker.log(LAYOUT.rooms).purge(ROOM.of(LAYOUT.ns, room_token("harbour")))
    await broker.close()

    assert (await rooms.submit(admit(submission(2)))).total == 2


async def test_a_tile_too_large_for_a_message_is_refused(rooms: Rooms) -> None:
    with pytest.raises(TooLarge):
        await rooms.submit(admit(submission(1, answer={"much": "x" * 1024 * 1024})))


async def test_what_is_no_record_of_a_room_is_passed_over(
    broker: MemoryBroker, rooms: Rooms
) -> None:
    others, subject = broker.log(LAYOUT.rooms), ROOM.of(LAYOUT.ns, "harbour")
    await others.append(subject, b"anything")
    headers = {HEADER_ROOM: "harbour", HEADER_DEED: "tile", HEADER_HASH: "0" * 16}
    for data in (b"anything", b"[]", b"{}", b'{"question": 1}'):
        await others.append(subject, data, headers=headers)
    await broker.log(LAYOUT.tiles).append("holodeck.tile.a.b.c", b"anything")

    assert (await rooms.index()).total == 0
    assert (await rooms.submit(admit(submission(1)))).total == 1
    assert len(await held(rooms, "harbour")) == 1


async def test_without_a_broker_the_question_fails_and_the_next_one_tries_again(
    store: MemoryServer, broker: MemoryBroker
) -> None:
    down = True

    async def connecting() -> Broker:
        if down:
            raise Unavailable("rooms", "the runtime is still starting")
        return MemoryBroker(store)

    rooms = Rooms(connecting, LAYOUT)
    with pytest.raises(Unavailable):
        await rooms.index()
    down = False
    assert (await rooms.index()).total == 0
    await rooms.close()


@pytest.mark.parametrize("name", ["a", "gc/research/x", "ü" * 200, "a b", "a" * 200, "-"])
def test_a_rooms_token_is_a_single_one_and_its_own(name: str) -> None:
    assert check_id(room_token(name)) == room_token(name)
    assert room_token(name) != room_token(name + "x")


def test_the_layout_has_a_stream_for_rooms() -> None:
    assert LAYOUT.rooms in LAYOUT.streams
    assert LAYOUT.rooms.subjects == ("holodeck.room.>",)
    streams = sum(spec.max_bytes for spec in LAYOUT.streams)
    assert streams + sum(spec.max_bytes for spec in LAYOUT.buckets) <= 512 * 1024**2
    assert LAYOUT.rooms.max_bytes > 16 * 1024**2
    assert ROOM.of("holodeck", ANY) == "holodeck.room.*"


@pytest.mark.nats
async def test_a_restart_of_gateway_and_server_loses_none(server: EmbeddedServer) -> None:
    async def opened() -> Broker:
        return await connect(server.url, credentials=server.runtime)

    writer = await opened()
    await own_tiles(writer, 200)
    await writer.close()
    rooms = Rooms(opened, LAYOUT)
    await asyncio.gather(
        *(rooms.submit(admit(submission(n, f"room/{n % 7}"))) for n in range(100)),
        *(rooms.submit(admit(submission(n, OURS))) for n in range(20)),
    )
    names = list((await rooms.index()).rooms)
    before = {name: core(await held(rooms, name)) for name in names}
    assert sum(map(len, before.values())) == 320

    await server.restart()
    assert {name: core(await held(rooms, name)) for name in names} == before
    assert (await rooms.submit(admit(submission(777, "room/0")))).lamport == 16
    await rooms.close()

    again = Rooms(opened, LAYOUT)
    before["room/0"] = core(await held(again, "room/0"))
    assert len(before["room/0"]) == 16
    assert {name: core(await held(again, name)) for name in names} == before
    await server.kill()
    await server.start()
    assert (await again.submit(admit(submission(778, "room/0")))).lamport == 17
    await again.close()


@pytest.mark.nats
async def test_a_store_that_lost_its_end_is_read_anew(
    server: EmbeddedServer, tmp_path: Path
) -> None:
    async def opened() -> Broker:
        return await connect(server.url, credentials=server.runtime)

    rooms = Rooms(opened, LAYOUT)
    await rooms.submit(admit(submission(0)))
    await server.stop()
    shutil.copytree(server.folder, tmp_path / "earlier")
    await server.start()
    for n in (1, 2):
        await rooms.submit(admit(submission(n)))

    await server.stop()
    shutil.rmtree(server.folder)
    shutil.copytree(tmp_path / "earlier", server.folder)
    await server.start()
    other = Rooms(opened, LAYOUT)
    for n in (3, 4):
        await other.submit(admit(submission(n)))
    await until(lambda: rooms._unsure)

    there = await held(rooms, "harbour")
    assert [tile["question"] for tile in there] == [submission(n)["question"] for n in (0, 3, 4)]
    assert (await rooms.submit(admit(submission(1)))).total == 4
    await rooms.close()
    await other.close()
