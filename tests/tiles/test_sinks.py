"""Sinks get every tile in order; a file gets each exactly once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from holodeck.actors.metrics import Metrics
from holodeck.actors.tiles import JsonlSink, SinkDown, SinkRunner, StoredTile, TileEmitter
from holodeck.broker import Broker, MemoryBroker, NatsBroker
from holodeck.messages.errors import StartupError
from tests.tiles.conftest import Launch
from tests.tiles.support import LAYOUT, journal, tiles, until


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
