"""Sinks get every tile in order; a file gets each exactly once."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from holodeck.actors.metrics import Metrics
from holodeck.actors.tiles import (
    JsonlSink,
    Recent,
    Sink,
    SinkDown,
    SinkRunner,
    StoredTile,
    TileEmitter,
)
from holodeck.broker import Broker, EmbeddedServer, MemoryBroker, NatsBroker
from holodeck.messages.errors import StartupError
from tests.tiles.conftest import Launch
from tests.tiles.support import LAYOUT, journal, tiles, until, until_tiles


async def fill(broker: Broker, checkpoints: int, upto: int) -> None:
    await journal(broker, checkpoints)
    emitter = TileEmitter(broker, LAYOUT, Metrics())
    await emitter.start()
    await until(lambda: emitter.position == upto)
    await emitter.stop()


async def run(broker: Broker, sink: JsonlSink | Flaky, upto: int) -> SinkRunner:
    """A runner that has carried everything up to ``upto`` and was stopped."""
    runner = SinkRunner(broker, LAYOUT, Metrics(), "file", sink)
    await runner.start()
    await until(lambda: runner.position >= upto)
    await runner.stop()
    return runner


def lines(path: Path) -> list[int]:
    return [json.loads(line)["tile_sequence"] for line in path.read_bytes().splitlines()]


def rotated_beside(path: Path) -> list[Path]:
    return sorted(path.parent.glob(f"{path.stem}.*{path.suffix}"))


class Gated:
    """A sink that takes nothing while its gate is shut."""

    def __init__(self) -> None:
        self.taken: list[StoredTile] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.ends: list[int] = []

    async def open(self, end: int) -> int | None:
        self.ends.append(end)
        return None

    async def write(self, tiles: Sequence[StoredTile]) -> None:
        await self.gate.wait()
        self.taken += tiles

    async def close(self) -> None: ...


async def stored(broker: Broker) -> list[StoredTile]:
    """TILES as it is."""
    return [StoredTile(r.sequence, r.subject, r.data) for r in await tiles(broker)]


@contextlib.asynccontextmanager
async def fed(
    broker: Broker, sink: Sink, recent: Recent | None = None
) -> AsyncIterator[tuple[TileEmitter, SinkRunner]]:
    """An emitter with a sink beside it, both at the end of their streams."""
    emitter = TileEmitter(broker, LAYOUT, Metrics())
    emitter.recent = recent or emitter.recent
    runner = SinkRunner(broker, LAYOUT, Metrics(), "beside", sink, emitter.recent)
    await emitter.start()
    await runner.start()
    end = await broker.log(LAYOUT.checkpoints).end()
    await until(lambda: emitter.position == end and emitter.recent.end == runner.position)
    await until(lambda: not runner.reading)
    yield emitter, runner
    await emitter.stop()
    await runner.stop()


@pytest.fixture(params=["memory", "nats"])
def either(request: pytest.FixtureRequest) -> Broker:
    broker: Broker = request.getfixturevalue("memory" if request.param == "memory" else "broker")
    return broker


class Flaky:
    """A sink that fails every other time, after taking some."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.calls = 0

    async def open(self, end: int) -> int | None:
        return None

    async def write(self, tiles: Sequence[StoredTile]) -> None:
        self.calls += 1
        if self.calls % 2:
            self.taken += [stored.tile.id for stored in tiles[:3]]
            raise SinkDown("not today")
        self.taken += [stored.tile.id for stored in tiles]

    async def close(self) -> None: ...


async def test_a_file_has_each_tile_once_over_restarts(
    memory: MemoryBroker, tmp_path: Path
) -> None:
    path = tmp_path / "out" / "tiles.jsonl"
    await fill(memory, 100, 100)
    await run(memory, JsonlSink(path), 300)
    await fill(memory, 100, 200)
    await run(memory, JsonlSink(path), 600)
    assert lines(path) == list(range(1, 601))
    stored = await tiles(memory)
    first = json.loads(path.read_bytes().splitlines()[0])
    assert first.pop("tile_sequence") == 1
    assert first == json.loads(stored[0].data)


async def test_a_torn_last_line_is_cut_off_and_written_whole(
    memory: MemoryBroker, tmp_path: Path
) -> None:
    path = tmp_path / "tiles.jsonl"
    await fill(memory, 100, 100)
    await run(memory, JsonlSink(path), 300)
    whole = path.read_bytes()
    path.write_bytes(whole[:-37])
    await run(memory, JsonlSink(path), 300)
    assert path.read_bytes() == whole


async def test_a_file_is_rotated_by_size_and_resumed_from_its_name(
    memory: MemoryBroker, tmp_path: Path
) -> None:
    path = tmp_path / "tiles.jsonl"
    for upto in (400, 800, 1200):
        await fill(memory, 400, upto)
        await run(memory, JsonlSink(path, rotate_bytes=200_000), 3 * upto)
    rotated = rotated_beside(path)
    assert len(rotated) >= 2
    assert [n for p in [*rotated, path] for n in lines(p)] == list(range(1, 3601))
    path.unlink()
    last = lines(rotated[-1])[-1]
    sink = JsonlSink(path)
    assert await sink.open(10_000) == last
    await sink.close()


async def test_two_processes_cannot_write_one_file(tmp_path: Path) -> None:
    first, second = JsonlSink(tmp_path / "t.jsonl"), JsonlSink(tmp_path / "t.jsonl")
    await first.open(0)
    with pytest.raises(StartupError, match="another process"):
        await second.open(0)
    await first.close()
    assert await second.open(0) is None
    await second.close()


async def test_a_sink_that_fails_gets_everything_in_the_end(memory: MemoryBroker) -> None:
    await fill(memory, 10, 10)
    sink = Flaky()
    await run(memory, sink, 30)
    ids = [json.loads(record.data)["id"] for record in await tiles(memory)]
    assert list(dict.fromkeys(sink.taken)) == ids


async def test_a_sink_goes_on_at_its_place_after_a_restart(memory: MemoryBroker) -> None:
    await fill(memory, 10, 10)
    await run(memory, Flaky(), 30)
    await fill(memory, 10, 20)
    sink = Flaky()
    await run(memory, sink, 60)
    assert sink.taken[0] == "s0.11.0"


async def test_a_sink_beside_the_emitter_gets_what_is_stored_without_reading_it(
    either: Broker,
) -> None:
    await journal(either, 30)
    sink = Gated()
    async with fed(either, sink) as (emitter, runner):
        read = len(sink.taken)
        for _ in range(10):
            await journal(either, 30)
            await asyncio.sleep(0.02)
            assert not runner.reading
        await until(lambda: runner.position == 990)
        assert runner.lag == emitter.lag == 0
        assert len(sink.taken) - read >= 900
    assert sink.taken == await stored(either)


async def test_a_sink_that_falls_behind_reads_the_stream_until_it_has_caught_up(
    either: Broker,
) -> None:
    sink = Gated()
    async with fed(either, sink, Recent(max_bytes=20_000)) as (emitter, runner):
        await journal(either, 10)
        await until(lambda: runner.position == 30)
        sink.gate.clear()
        for _ in range(5):
            await journal(either, 60)
        await until(lambda: emitter.position == 310)  # nobody waited for it
        assert runner.position < 100
        sink.gate.set()
        await until(lambda: runner.reading)
        await until(lambda: runner.position == 930 and not runner.reading)
        await journal(either, 10)
        await until(lambda: runner.position == 960)
        assert not runner.reading
    assert sink.taken == await stored(either)


async def test_a_sink_whose_emitter_stops_reads_what_another_one_stores(either: Broker) -> None:
    sink = Gated()
    async with fed(either, sink) as (emitter, runner):
        await journal(either, 10)
        await until(lambda: runner.position == 30)
        await emitter.stop()
        await until(lambda: runner.reading)
        await fill(either, 20, 30)
        await until(lambda: runner.position == 90)
        await emitter.start()
        await until(lambda: not runner.reading)
        await journal(either, 10)
        await until(lambda: runner.position == 120)
        assert not runner.reading
    assert sink.taken == await stored(either)


async def test_a_sink_beside_an_emitter_that_lost_to_another_misses_nothing(
    memory: MemoryBroker,
) -> None:
    sink = Gated()
    async with fed(memory, sink) as (emitter, runner):
        rival = TileEmitter(memory, LAYOUT, Metrics())
        await rival.start()
        for _ in range(20):
            await journal(memory, 20)
            await asyncio.sleep(0.01)
        await until(lambda: rival.standing_by != emitter.standing_by)
        await until(lambda: runner.position == 1200)
        await rival.stop()
    assert sink.taken == await stored(memory)


async def test_a_sink_that_fails_beside_the_emitter_gets_everything_in_order(
    memory: MemoryBroker,
) -> None:
    sink = Flaky()
    async with fed(memory, sink) as (_, runner):
        for _ in range(3):
            await journal(memory, 20)
        await until(lambda: runner.position == 180)
    ids = [json.loads(record.data)["id"] for record in await tiles(memory)]
    assert list(dict.fromkeys(sink.taken)) == ids


async def test_garbage_among_tiles_is_a_dead_letter_and_does_not_stall(
    memory: MemoryBroker, tmp_path: Path
) -> None:
    await fill(memory, 2, 2)
    await memory.log(LAYOUT.tiles).append("holodeck.tile.not.a.tile", b"{\n}")
    path = tmp_path / "tiles.jsonl"
    await run(memory, JsonlSink(path), 7)
    assert lines(path) == list(range(1, 7))
    letters = [r.subject async for r in memory.log(LAYOUT.dead).read("holodeck.dead.>")]
    assert letters == ["holodeck.dead.TILES.undecodable"]


async def another_run(server: EmbeddedServer, broker: NatsBroker) -> None:
    """Starts the server again; returns when ``broker`` talks to it."""
    before = broker.server_id
    await server.start()
    await until(lambda: broker.server_id != before)


@pytest.mark.nats
async def test_tiles_that_a_power_loss_took_come_again_as_they_are_stored_now(
    server: EmbeddedServer, broker: NatsBroker, tmp_path: Path
) -> None:
    # given a sink that has tiles whose storing the disk has not seen
    await journal(broker, 20)
    sink = Gated()
    async with fed(broker, sink) as (emitter, runner):
        assert runner.position == 60
        await server.stop()
        copy = tmp_path / "yesterday"
        shutil.copytree(server.folder, copy)
        await another_run(server, broker)
        await journal(broker, 40)
        await until(lambda: runner.position == 180)

        # when the power goes and only the older store comes back
        await server.kill()
        shutil.rmtree(server.folder)
        shutil.copytree(copy, server.folder)
        sink.taken.clear()
        await another_run(server, broker)
        await until(lambda: emitter.recent.end == 60)
        await journal(broker, 30, at=1_700_000_000_000)
        await until(lambda: emitter.position == 50)
        await until(lambda: bool(sink.taken) and sink.taken[-1].sequence == 150)

        # then the sink was told where history ends, and has all that came behind it
        assert sink.ends[-1] == 60
    assert sink.taken == [tile for tile in await stored(broker) if tile.sequence > 60]


@pytest.mark.nats
async def test_a_file_beside_a_killed_emitter_has_each_tile_once(
    broker: NatsBroker, launch: Launch, tmp_path: Path
) -> None:
    path = tmp_path / "tiles.jsonl"
    for _ in range(3):
        process = launch("both", path)
        for _ in range(20):
            await journal(broker, 30)
            await asyncio.sleep(0.03)
        process.kill()
        process.wait()
    launch("both", path)
    await until_tiles(broker, 5400)
    await until(lambda: path.read_bytes().count(b"\n") >= 5400)
    written = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert [tile.pop("tile_sequence") for tile in written] == list(range(1, 5401))
    assert written == [json.loads(record.data) for record in await tiles(broker)]


@pytest.mark.nats
async def test_a_file_is_exact_after_its_writer_was_killed_in_the_middle(
    broker: NatsBroker, launch: Launch, tmp_path: Path
) -> None:
    path = tmp_path / "tiles.jsonl"
    await fill(broker, 5000, 5000)
    process = launch("sink", path)
    await until(lambda: path.exists() and path.stat().st_size > 100_000)
    process.kill()
    process.wait()
    await fill(broker, 100, 5100)
    launch("sink", path)
    size = sum(1 for _ in await tiles(broker))
    await until(lambda: path.read_bytes().count(b"\n") >= size)
    await asyncio.sleep(0.1)
    assert lines(path) == list(range(1, size + 1))
