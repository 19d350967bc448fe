"""TILES holds one copy of each tile, in order, whatever happens to emitters."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from dataclasses import replace

import msgpack
import pytest

from holodeck.actors.metrics import Metrics, merge
from holodeck.actors.tiles import TileEmitter
from holodeck.actors.tiles.dead import HEADER_ORIGIN_SEQUENCE, HEADER_ORIGIN_SUBJECT
from holodeck.broker import Broker, EmbeddedServer, MemoryBroker, NatsBroker, layout
from holodeck.messages.codec import encode_checkpoint
from holodeck.messages.session import SessionPaused
from holodeck.messages.tiles import HEADER_ORIGIN
from tests.tiles.conftest import Launch
from tests.tiles.support import (
    EVENTS,
    LAYOUT,
    expected,
    journal,
    origins,
    subject,
    tiles,
    until,
    until_tiles,
)


@pytest.fixture(params=["memory", "nats"])
def either(request: pytest.FixtureRequest) -> Broker:
    broker: Broker = request.getfixturevalue("memory" if request.param == "memory" else "broker")
    return broker


async def emitted(broker: Broker, upto: int, metrics: Metrics | None = None) -> TileEmitter:
    """An emitter that has come to the checkpoint ``upto`` and was stopped."""
    emitter = TileEmitter(broker, LAYOUT, metrics or Metrics())
    await emitter.start()
    await until(lambda: emitter.position >= upto)
    await emitter.stop()
    return emitter


async def test_each_event_becomes_one_tile_in_the_order_of_the_journal(either: Broker) -> None:
    await journal(either, 200)
    metrics = Metrics()
    emitter = await emitted(either, 200, metrics)
    stored = await tiles(either)
    assert [record.headers[HEADER_ORIGIN] for record in stored] == expected(200)
    assert json.loads(stored[0].data)["id"] == "s0.1.0"
    assert stored[1].subject == "holodeck.tile.friction.friction.s0"
    assert emitter.lag == 0
    assert 'holodeck_tiles_total{event="TURN",host="h"} 200.0' in merge({"h": metrics.dump()})


async def test_tiles_go_where_their_checkpoint_says_and_are_quiet_if_it_says_so(
    either: Broker,
) -> None:
    log = either.log(LAYOUT.checkpoints)
    for room, quiet in (("", False), ("gc/lab", False), ("gc/lab", True)):
        await log.append(subject(), encode_checkpoint(1, EVENTS, room, quiet))
    emitter = TileEmitter(either, LAYOUT, Metrics(), room="the/default")
    await emitter.start()
    await until(lambda: emitter.position >= 3)
    await emitter.stop()
    told = [json.loads(record.data) for record in await tiles(either)]
    each = len(EVENTS)
    rooms = ["the/default"] * each + ["gc/lab"] * 2 * each
    assert [tile["domain"] for tile in told] == rooms
    assert [tile.get("quiet") for tile in told] == [None] * 2 * each + [True] * each


async def test_a_restarted_emitter_goes_on_behind_the_last_tile(either: Broker) -> None:
    await journal(either, 50)
    await emitted(either, 50)
    await journal(either, 50)
    await emitted(either, 100)
    assert await origins(either) == expected(100)


async def test_an_emitter_follows_what_is_appended_while_it_runs(either: Broker) -> None:
    emitter = TileEmitter(either, LAYOUT, Metrics())
    await emitter.start()
    for _ in range(5):
        await journal(either, 20)
        await asyncio.sleep(0.02)
    await until(lambda: emitter.position == 100)
    await emitter.stop()
    assert not emitter.running
    assert await origins(either) == expected(100)


async def test_a_checkpoint_half_emitted_is_completed(either: Broker) -> None:
    await journal(either, 3)
    await emitted(either, 3)
    log = either.log(LAYOUT.tiles)
    for sequence in (9, 8):  # the last two of three tiles of the last checkpoint
        await log.delete(sequence)
    await journal(either, 1)
    await emitted(either, 4)
    assert await origins(either) == expected(4)


async def test_more_than_the_queue_holds_comes_through(either: Broker) -> None:
    await journal(either, 500)
    emitter = TileEmitter(either, LAYOUT, Metrics(), window=8, backlog=16)
    await emitter.start()
    await until(lambda: emitter.position == 500)
    await emitter.stop()
    assert await origins(either) == expected(500)


async def test_what_nobody_can_decode_ends_in_dead_once_and_does_not_stall(either: Broker) -> None:
    log = either.log(LAYOUT.checkpoints)
    future = msgpack.packb({"v": 99, "at": 1, "events": [{"kind": "dream.dreamt"}]})
    far_off = encode_checkpoint(2**60, [SessionPaused()])
    await journal(either, 2)
    await log.append(subject(), b"garbage")
    await log.append("holodeck.checkpoint.too.short", b"garbage")
    await log.append(subject(), future)
    await log.append(subject(), far_off)
    await journal(either, 2)
    metrics = Metrics()
    await emitted(either, 8, metrics)
    await log.append(subject(), b"the last one is garbage too")
    for _ in range(2):  # a restart reads the last one again and buries it once
        emitter = TileEmitter(either, LAYOUT, metrics)
        await emitter.start()
        await asyncio.sleep(0.3)
        assert emitter.running
        await emitter.stop()

    assert await origins(either) == expected(2) + expected(2, first=7)
    letters = [record async for record in either.log(LAYOUT.dead).read("holodeck.dead.>")]
    assert [letter.headers[HEADER_ORIGIN_SEQUENCE] for letter in letters] == list("34569")
    assert [letter.subject.rpartition(".")[2] for letter in letters] == [
        "undecodable", "undecodable", "future-schema", "undecodable", "undecodable",
    ]  # fmt: skip
    assert letters[2].data == future
    assert letters[2].headers[HEADER_ORIGIN_SUBJECT] == subject()
    text = merge({"h": metrics.dump()})
    assert (
        'holodeck_dead_letters_total{reason="undecodable",stream="CHECKPOINTS",host="h"} 4.0'
        in text
    )


async def test_a_tile_too_large_for_a_message_is_a_dead_letter(memory: MemoryBroker) -> None:
    text = "\x01" * (memory.max_payload // 2)  # six bytes each in JSON
    await journal(memory, 1, events=[SessionPaused(reason=text)])
    await journal(memory, 1)
    await emitted(memory, 2)
    assert await origins(memory) == expected(1, first=2)
    letters = [record async for record in memory.log(LAYOUT.dead).read("holodeck.dead.>")]
    assert [letter.subject for letter in letters] == ["holodeck.dead.CHECKPOINTS.too-large"]


async def test_what_others_publish_below_tiles_does_not_mislead_it(either: Broker) -> None:
    await journal(either, 2)
    await emitted(either, 2)
    await either.log(LAYOUT.tiles).append("holodeck.tile.not.a.tile", b"hello")
    await journal(either, 2)
    await emitted(either, 4)
    ours = [r.headers[HEADER_ORIGIN] for r in await tiles(either) if r.headers]
    assert ours == expected(4)


async def test_tiles_ahead_of_the_journal_are_discarded_and_made_anew(
    either: Broker,
) -> None:
    await journal(either, 40)
    emitter = await emitted(either, 40)
    tiles_log = either.log(LAYOUT.tiles)
    # Lost power: the journal came back without 41 and 42, TILES has tiles of them.
    for n, origin in enumerate(("41.0", "42.0")):
        await tiles_log.append(
            "holodeck.tile.turn.turn.s0", b"{}", after=120 + n, headers={HEADER_ORIGIN: origin}
        )
    assert await emitter.discard_ahead() == 2
    assert await emitter.discard_ahead() == 0
    await journal(either, 2)
    await emitted(either, 42)
    assert await origins(either) == expected(42)


async def test_an_emitter_discards_what_is_ahead_by_itself(either: Broker) -> None:
    await journal(either, 1)
    tiles_log = either.log(LAYOUT.tiles)
    for n in range(600):
        await tiles_log.append(
            "holodeck.tile.turn.turn.s0", b"{}", after=n, headers={HEADER_ORIGIN: f"{n + 2}.0"}
        )
    await emitted(either, 1)
    assert await origins(either) == expected(1)


async def test_trimming_removes_old_tiles_but_never_the_last(either: Broker) -> None:
    now = int(time.time() * 1000)
    await journal(either, 10, at=now - 7_200_000)
    emitter = await emitted(either, 10)
    assert await emitter.trim(3600) == 29
    assert await origins(either) == ["10.2"]
    assert await emitter.trim(3600) == 0
    await journal(either, 10, at=now)
    await emitted(either, 20)
    assert await emitter.trim(3600) == 0
    assert await origins(either) == ["10.2", *expected(10, first=11)]
    assert await emitter.trim(0) == 30


async def test_what_a_dead_rival_left_half_done_is_completed(
    memory: MemoryBroker,
) -> None:
    emitter = TileEmitter(memory, LAYOUT, Metrics())
    await emitter.start()
    await asyncio.sleep(0.05)
    rivals = {HEADER_ORIGIN: "1.0"}  # its first tile was stored, then the rival died
    await memory.log(LAYOUT.tiles).append("holodeck.tile.turn.turn.s0", b"{}", headers=rivals)
    await journal(memory, 1)
    await until_tiles(memory, 3)
    await emitter.stop()
    assert await origins(memory) == expected(1)


@pytest.mark.nats
async def test_two_emitters_racing_write_each_tile_once(broker: NatsBroker) -> None:
    both = [TileEmitter(broker, LAYOUT, Metrics(), window=16) for _ in range(2)]
    for emitter in both:
        await emitter.start()
    for _ in range(20):
        await journal(broker, 50)
        await asyncio.sleep(0.02)
    await until_tiles(broker, 3000)
    await asyncio.sleep(0.1)
    for emitter in both:
        await emitter.stop()
    assert await origins(broker) == expected(1000)


@pytest.mark.nats
async def test_a_killed_and_a_frozen_emitter_leave_one_copy_of_each(
    broker: NatsBroker, launch: Launch
) -> None:
    feeding = True

    async def feed() -> int:
        fed = 0
        while feeding:
            await journal(broker, 40)
            fed += 40
            await asyncio.sleep(0.05)
        return fed

    feeder = asyncio.create_task(feed())
    first, second = launch("emit"), launch("emit")
    await until_tiles(broker, 600)
    first.send_signal(signal.SIGSTOP)
    await asyncio.sleep(0.4)
    reached = await broker.log(LAYOUT.tiles).end()
    await until_tiles(broker, reached + 600)  # the other has taken over
    first.send_signal(signal.SIGCONT)
    await asyncio.sleep(0.3)
    second.kill()
    reached = await broker.log(LAYOUT.tiles).end()
    await until_tiles(broker, reached + 600)
    launch("emit")
    await asyncio.sleep(0.5)
    feeding = False
    fed = await feeder
    await until_tiles(broker, 3 * fed)
    assert await origins(broker) == expected(fed)


@pytest.mark.nats
async def test_a_killed_nats_server_costs_no_tile_and_doubles_none(
    server: EmbeddedServer, broker: NatsBroker
) -> None:
    emitter = TileEmitter(broker, LAYOUT, Metrics(), window=64)
    await journal(broker, 3000)
    await emitter.start()
    await until_tiles(broker, 500)
    await server.kill()
    await server.start()
    await until(lambda: emitter.position == 3000)
    await emitter.stop()
    assert await origins(broker) == expected(3000)


async def test_a_full_tiles_stream_makes_tiles_wait(memory: MemoryBroker) -> None:
    spacious = layout("small", max_bytes=10_000_000)
    small = replace(spacious, tiles=replace(spacious.tiles, max_bytes=30_000))
    assert await memory.declare([small.tiles, small.checkpoints], []) == []
    data = encode_checkpoint(1, EVENTS)
    log = memory.log(small.checkpoints)
    for _ in range(40):
        await log.append(subject().replace("holodeck", "small"), data)
    emitter = TileEmitter(memory, small, Metrics())
    await emitter.start()
    await asyncio.sleep(0.3)
    assert emitter.running
    assert 0 < emitter.position < 40
    tiles_log = memory.log(small.tiles)
    before = [r.headers[HEADER_ORIGIN] async for r in tiles_log.read("small.tile.>")]
    assert before == expected(40)[: len(before)]
    await emitter.stop()
