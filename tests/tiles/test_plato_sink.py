"""A PLATO server gets every tile, in order per session, and its trouble is nobody else's."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import logging
import shutil
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import structlog
from pydantic import SecretStr

from holodeck.actors.metrics import Metrics
from holodeck.actors.tiles import ROOM, JsonlSink, SinkRunner, TileEmitter
from holodeck.actors.tiles.dead import HEADER_ORIGIN_SEQUENCE, HEADER_REASON
from holodeck.actors.tiles.plato import DOWN_AFTER, PlatoSink, _seconds, _understood
from holodeck.broker import Broker, EmbeddedServer, MemoryBroker, NatsBroker
from holodeck.broker.port import Record
from holodeck.config import Settings
from holodeck.messages.envelope import AnyEvent
from holodeck.messages.session import Outcome, TaskCompleted
from tests.tiles.plato_stub import (
    TAKEN,
    Drip,
    Drop,
    Fate,
    Hang,
    Plato,
    Reply,
    busy,
    http_date,
    refused,
)
from tests.tiles.support import LAYOUT, journal, tiles, until

BROKEN = Reply(500, {"error": "the disk is on fire"})
FAILED = TaskCompleted(task="order", outcome=Outcome.FAILED, error="ValueError: it never worked")


async def fill(broker: Broker, checkpoints: int, events: Sequence[AnyEvent] | None = None) -> int:
    """Adds checkpoints and makes tiles of them; how many tiles there are then."""
    await (journal(broker, checkpoints, events=events) if events else journal(broker, checkpoints))
    end = await broker.log(LAYOUT.checkpoints).end()
    emitter = TileEmitter(broker, LAYOUT, Metrics())
    await emitter.start()
    await until(lambda: emitter.position == end)
    await emitter.stop()
    return await broker.log(LAYOUT.tiles).end()


class Running:
    """A runner with its sink and what it counts."""

    def __init__(self, broker: Broker, sink: PlatoSink) -> None:
        self.metrics = Metrics()
        self.runner = SinkRunner(broker, LAYOUT, self.metrics, "plato", sink)

    def count(self, result: str) -> int:
        value = self.metrics.registry.get_sample_value(
            "holodeck_tile_deliveries_total", {"sink": "plato", "result": result}
        )
        return int(value or 0)

    async def reaches(self, end: int, seconds: float = 15.0) -> None:
        await until(lambda: self.runner.position >= end, seconds)


@contextlib.asynccontextmanager
async def delivering(broker: Broker, url: str, **options: Any) -> AsyncIterator[Running]:
    running = Running(broker, PlatoSink(url, **options))
    await running.runner.start()
    try:
        yield running
    finally:
        await running.runner.stop(grace=0.2)


async def letters(broker: Broker) -> list[Record]:
    return [record async for record in broker.log(LAYOUT.dead).read("holodeck.dead.>")]


async def in_tiles(broker: Broker, session: str | None = None) -> list[str]:
    """The ids of all tiles stored, in their order; of one session or all."""
    found = [json.loads(record.data)["id"] for record in await tiles(broker)]
    return [i for i in found if session is None or i.partition(".")[0] == session]


async def nothing_is_lost_and_every_session_in_order(broker: Broker, plato: Plato) -> None:
    """Each tile is there; repeats left aside, each session's stand as they happened."""
    stored = await in_tiles(broker)
    assert set(plato.ids()) == set(stored)
    for session in sorted({i.partition(".")[0] for i in stored}):
        assert list(dict.fromkeys(plato.ids(session))) == await in_tiles(broker, session)
    assert plato.overtaken == []


def first_requests(fate: Fate, count: int) -> Callable[[dict[str, Any]], Fate]:
    """``fate`` for so many requests, then every tile is taken."""
    numbers = itertools.count()
    return lambda tile: fate if next(numbers) < count else TAKEN


@pytest.fixture(params=["memory", "nats"])
def either(request: pytest.FixtureRequest) -> Broker:
    broker: Broker = request.getfixturevalue("memory" if request.param == "memory" else "broker")
    return broker


# --- what goes over the wire --------------------------------------------------------------------


async def test_a_tile_travels_with_its_answer_as_a_json_string(memory: MemoryBroker) -> None:
    end = await fill(memory, 1)
    async with (
        Plato() as plato,
        delivering(memory, plato.url, token=SecretStr("open sesame")) as running,
    ):
        await running.reaches(end)
    assert {one.path for one in plato.seen} == {"/submit"}
    assert {one.headers["authorization"] for one in plato.seen} == {"Bearer open sesame"}
    sent = plato.seen[0].tile
    stored = json.loads((await tiles(memory))[0].data)
    assert isinstance(sent["answer"], str)
    assert json.loads(sent["answer"]) == stored["answer"]
    assert sent | {"answer": None} == stored | {"answer": None}
    assert sent["domain"] == ROOM


async def test_a_room_of_the_servers_own_takes_tiles_that_name_none(memory: MemoryBroker) -> None:
    await fill(memory, 1)
    log = memory.log(LAYOUT.tiles)
    for n, domain in enumerate(("", "  ", "kitchen"), 4):
        tile = {"id": f"s0.{n}.0", "domain": domain, "question": "[X] y", "answer": {"n": n}}
        await log.append("holodeck.tile.x.y.s0", json.dumps(tile, separators=(",", ":")).encode())
    async with Plato() as plato, delivering(memory, plato.url, room="cafe") as running:
        await until(lambda: len(plato.taken) == 6)
    assert [one["domain"] for one in plato.taken] == ["cafe"] * 5 + ["kitchen"]
    assert running.count("accepted") == 6


async def test_a_quiet_tile_is_not_sent_and_its_place_is_passed(memory: MemoryBroker) -> None:
    end = await fill(memory, 1)
    quiet = {"id": "hush.9.0", "domain": "r", "question": "[X] y", "answer": {}, "quiet": True}
    await memory.log(LAYOUT.tiles).append(
        "holodeck.tile.x.y.hush", json.dumps(quiet, separators=(",", ":")).encode()
    )
    async with Plato() as plato, delivering(memory, plato.url) as running:
        await running.reaches(end + 1)
    assert len(plato.seen) == end
    assert (running.count("skipped"), running.count("accepted")) == (1, end)


async def test_sessions_go_side_by_side_and_tiles_of_one_after_each_other(either: Broker) -> None:
    # given a server that takes its time
    end = await fill(either, 70)
    async with (
        Plato(delay_s=0.02) as plato,
        delivering(either, plato.url, max_per_s=10_000.0) as running,
    ):
        await running.reaches(end)
    # then all seven sessions were served at once, over connections that stayed
    assert plato.most == 7
    assert plato.connections <= 7
    assert len(plato.seen) == end
    await nothing_is_lost_and_every_session_in_order(either, plato)


async def test_no_more_than_so_many_are_on_their_way_at_once(memory: MemoryBroker) -> None:
    end = await fill(memory, 70)
    async with (
        Plato(delay_s=0.02) as plato,
        delivering(memory, plato.url, in_flight=3, max_per_s=10_000.0) as running,
    ):
        await running.reaches(end)
    assert plato.most == 3


async def test_a_backlog_is_made_up_for_at_a_bounded_rate(memory: MemoryBroker) -> None:
    end = await fill(memory, 35)
    async with Plato() as plato, delivering(memory, plato.url, max_per_s=100.0) as running:
        await running.reaches(end)
    assert plato.seen[-1].at - plato.seen[0].at >= (end - 1) / 100.0 * 0.95


# --- a server in trouble ------------------------------------------------------------------------


@pytest.mark.parametrize("fate", [BROKEN, Drop(), busy(429, "0")], ids=["500", "drop", "429"])
async def test_a_server_in_trouble_for_a_while_gets_everything_in_order_after(
    either: Broker, fate: Fate
) -> None:
    end = await fill(either, 70)
    async with Plato(first_requests(fate, 12)) as plato, delivering(either, plato.url) as running:
        await running.reaches(end)
    await nothing_is_lost_and_every_session_in_order(either, plato)
    assert running.count("failed") == 12
    assert running.count("accepted") == end
    assert await letters(either) == []


async def test_a_server_that_is_down_is_asked_with_one_tile_at_a_time(
    memory: MemoryBroker,
) -> None:
    await fill(memory, 70)
    async with Plato(lambda tile: BROKEN) as plato, delivering(memory, plato.url) as running:
        await until(lambda: len(plato.seen) >= DOWN_AFTER + 3)
        assert running.runner.position == 0
        plato.most, before = 0, len(plato.seen)
        await until(lambda: len(plato.seen) >= before + 2)
        assert plato.most == 1


async def test_a_server_that_is_not_there_yet_gets_everything_once_it_is(
    memory: MemoryBroker,
) -> None:
    end = await fill(memory, 7)
    async with Plato() as other:
        gone = other.port
    async with delivering(memory, f"http://127.0.0.1:{gone}") as running:
        await until(lambda: running.count("failed") >= DOWN_AFTER)
        async with Plato(port=gone) as plato:
            await running.reaches(end)
            await nothing_is_lost_and_every_session_in_order(memory, plato)


@pytest.mark.parametrize("form", ["seconds", "date"])
async def test_retry_after_is_honoured(memory: MemoryBroker, form: str) -> None:
    # given a server that asks the first to come for more than a second of peace
    end = await fill(memory, 7)
    told: list[float] = []

    def answer(tile: dict[str, Any]) -> Fate:
        if told:
            return TAKEN
        told.append(time.monotonic())
        # A date has whole seconds: of two at least one is left.
        return busy(503, "1" if form == "seconds" else http_date(2.0))

    async with Plato(answer) as plato, delivering(memory, plato.url, in_flight=1) as running:
        await running.reaches(end)
    # then it had it, by its own clock
    assert plato.seen[1].at - told[0] >= 1.0
    await nothing_is_lost_and_every_session_in_order(memory, plato)


async def test_retry_after_holds_all_sessions_and_no_longer_than_the_cap(
    memory: MemoryBroker,
) -> None:
    end = await fill(memory, 70)
    async with (
        Plato(first_requests(busy(429, "3600"), 1)) as plato,
        delivering(memory, plato.url, max_hold_s=0.5) as running,
    ):
        await running.reaches(end)
    gaps = [late.at - early.at for early, late in itertools.pairwise(plato.seen)]
    assert 0.3 < max(gaps) < 3.0
    await nothing_is_lost_and_every_session_in_order(memory, plato)


async def test_a_session_in_trouble_does_not_hold_up_the_others(memory: MemoryBroker) -> None:
    end = await fill(memory, 70)
    sick = {"s3"}
    async with (
        Plato(lambda t: BROKEN if t["id"].partition(".")[0] in sick else TAKEN) as plato,
        delivering(memory, plato.url) as running,
    ):
        await until(lambda: len(plato.taken) == end * 6 // 7)
        assert running.runner.position == 0  # the place never passes what is not delivered
        sick.clear()
        await running.reaches(end)
    await nothing_is_lost_and_every_session_in_order(memory, plato)
    assert len(plato.taken) == end  # what had been taken was not sent again


async def test_a_tile_that_alone_goes_on_failing_goes_to_dead_in_the_end(
    memory: MemoryBroker,
) -> None:
    end = await fill(memory, 70)
    poison = (await in_tiles(memory))[0]
    async with (
        Plato(lambda tile: BROKEN if tile["id"] == poison else TAKEN) as plato,
        delivering(memory, plato.url, patience_s=0.3) as running,
    ):
        await running.reaches(end)
    [letter] = await letters(memory)
    assert letter.subject == "holodeck.dead.TILES-plato.undeliverable"
    assert letter.headers[HEADER_REASON] == "500: the disk is on fire"
    assert set(plato.ids()) == set(await in_tiles(memory)) - {poison}


async def test_a_server_that_fails_with_everything_makes_no_tile_undeliverable(
    memory: MemoryBroker,
) -> None:
    end = await fill(memory, 7)
    down: set[int] = set()
    async with (
        Plato(lambda tile: BROKEN if down else TAKEN) as plato,
        delivering(memory, plato.url, patience_s=0.0) as running,
    ):
        await running.reaches(end)
        down.add(1)
        end = await fill(memory, 7)
        seen = len(plato.seen)
        await until(lambda: len(plato.seen) > seen + 12)
        down.clear()
        await running.reaches(end)
    assert await letters(memory) == []
    assert set(plato.ids()) == set(await in_tiles(memory))


async def test_a_wrong_token_lets_all_tiles_wait_and_buries_none(memory: MemoryBroker) -> None:
    end = await fill(memory, 7)
    right = {"no"}
    async with (
        Plato(lambda tile: Reply(401, {"error": "who?"}) if right else TAKEN) as plato,
        delivering(memory, plato.url) as running,
    ):
        await until(lambda: running.count("failed") >= DOWN_AFTER)
        assert running.runner.position == 0
        right.clear()
        await running.reaches(end)
    assert await letters(memory) == []


# --- a server that says no ----------------------------------------------------------------------


async def test_a_refused_tile_goes_to_dead_with_the_servers_words(either: Broker) -> None:
    end = await fill(either, 70)
    unwanted = set((await in_tiles(either))[3::10])
    no = refused("Answer too short (8 < 20)")
    async with (
        Plato(lambda tile: no if tile["id"] in unwanted else TAKEN, delay_s=0.002) as plato,
        delivering(either, plato.url) as running,
    ):
        await running.reaches(end)
    buried = await letters(either)
    assert {letter.subject for letter in buried} == {"holodeck.dead.TILES-plato.refused"}
    assert {letter.headers[HEADER_REASON] for letter in buried} == {
        "403: Answer too short (8 < 20)"
    }
    assert [json.loads(letter.data)["id"] for letter in buried] == [
        i for i in await in_tiles(either) if i in unwanted
    ]
    assert set(plato.ids()) == set(await in_tiles(either)) - unwanted
    assert running.count("refused") == len(unwanted)


async def test_garbage_behind_a_refused_tile_does_not_keep_it_out_of_dead(
    memory: MemoryBroker,
) -> None:
    await fill(memory, 1)
    await memory.log(LAYOUT.tiles).append("holodeck.tile.not.a.tile", b"{\n}")
    async with Plato(lambda tile: refused("no")) as plato, delivering(memory, plato.url) as running:
        await running.reaches(4)
    assert sorted(letter.headers[HEADER_ORIGIN_SEQUENCE] for letter in await letters(memory)) == [
        "1",
        "2",
        "3",
        "4",
    ]


async def test_a_tile_that_is_refused_for_its_error_goes_once_more_without_the_text(
    memory: MemoryBroker,
) -> None:
    # given a server with a gate for words
    end = await fill(memory, 1, [FAILED])

    def gate(tile: dict[str, Any]) -> Fate:
        words = tile["answer"].split()
        return refused("Absolute claim: never") if "never" in words else TAKEN

    async with Plato(gate) as plato, delivering(memory, plato.url) as running:
        await running.reaches(end)
    # then it got what is stable of the error, and is told that the text is missing
    assert [one.taken for one in plato.seen] == [False, True]
    answer = json.loads(plato.taken[0]["answer"])
    assert "error" not in answer
    assert answer["error_class"] == "ValueError"
    assert len(answer["fingerprint"]) == 16
    assert answer["error_length"] == len("ValueError: it never worked")
    assert answer["redacted"] == ["error"]
    assert await letters(memory) == []


async def test_a_tile_that_is_refused_without_its_error_too_is_dead_with_all_of_it(
    memory: MemoryBroker,
) -> None:
    end = await fill(memory, 1, [FAILED])
    async with Plato(lambda tile: refused("no")) as plato, delivering(memory, plato.url) as running:
        await running.reaches(end)
    assert len(plato.seen) == 2
    [letter] = await letters(memory)
    assert json.loads(letter.data)["answer"]["error"] == "ValueError: it never worked"


async def test_a_duplicate_is_delivered(memory: MemoryBroker) -> None:
    end = await fill(memory, 7)
    async with (
        Plato(lambda tile: refused("Duplicate tile")) as plato,
        delivering(memory, plato.url) as running,
    ):
        await running.reaches(end)
    assert (running.count("accepted"), running.count("refused")) == (end, 0)
    assert await letters(memory) == []


@pytest.mark.parametrize(
    ("status", "body", "fate", "words"),
    [
        (200, '{"status":"accepted"}', "TAKEN", ""),
        (202, '{"status":"pending"}', "TAKEN", ""),
        (204, "", "TAKEN", ""),
        (200, '{"Success":{"hash":"x"}}', "TAKEN", ""),
        (200, '{"status":"rejected","reason":"too short"}', "REFUSED", "200: too short"),
        (200, '{"ok":false,"error":"no"}', "REFUSED", "200: no"),
        (200, '{"status":"rejected","reason":"Duplicate"}', "TAKEN", "200: Duplicate"),
        (409, "duplicate of 17", "TAKEN", "409: duplicate of 17"),
        (400, '{"error":"bad JSON"}', "REFUSED", "400: bad JSON"),
        (422, '{"Rejected":{"reason":"claim","tile_id":"x"}}', "REFUSED", "422: claim"),
        (413, "x" * 900, "REFUSED", "413: " + "x" * 500),
        (404, "", "MISSED", "404: "),
        (302, "moved", "MISSED", "302: moved"),
        (408, "slow", "MISSED", "408: slow"),
        (429, '{"detail":"slow down"}', "MISSED", "429: slow down"),
        (503, "<h1>no</h1>", "MISSED", "503: <h1>no</h1>"),
    ],
)
def test_an_answer_is_understood(status: int, body: str, fate: str, words: str) -> None:
    found = _understood(status, body.encode(), None)
    assert (found.fate.name, found.words) == (fate, words)


def test_retry_after_is_a_number_or_a_date_or_nothing() -> None:
    assert _seconds("120") == 120.0
    assert _seconds(None) is None
    assert _seconds("soon") is None
    assert _seconds(http_date(-60)) == 0.0
    assert 58.0 < (_seconds(http_date(60)) or 0.0) <= 60.0


# --- a server that hangs ------------------------------------------------------------------------


async def test_a_hanging_server_holds_up_neither_the_emitter_nor_another_sink(
    either: Broker, tmp_path: Path
) -> None:
    # given a server that accepts and never answers, beside a file, both fed by one emitter
    emitter = TileEmitter(either, LAYOUT, Metrics())
    path = tmp_path / "tiles.jsonl"
    async with Plato(lambda tile: Hang()) as plato:
        file = SinkRunner(either, LAYOUT, Metrics(), "file", JsonlSink(path), emitter.recent)
        sink = PlatoSink(plato.url, timeout_s=0.5)
        foreign = SinkRunner(either, LAYOUT, Metrics(), "plato", sink, emitter.recent)
        for part in (emitter, file, foreign):
            await part.start()

        # when checkpoints come while it hangs
        for round_ in range(1, 6):
            await journal(either, 20)
            await until(lambda due=20 * round_: emitter.position == due)  # type: ignore[misc]
            await until(lambda due=60 * round_: file.position == due)  # type: ignore[misc]
        await until(lambda: len(plato.seen) >= 8)
        assert foreign.position == 0

        # then it gets all of them as soon as it answers again
        plato.answer = lambda tile: TAKEN
        await until(lambda: foreign.position == 300, 30.0)
        await nothing_is_lost_and_every_session_in_order(either, plato)
        for running in (emitter, foreign, file):
            await running.stop()
    assert path.read_bytes().count(b"\n") == 300


async def test_an_answer_that_drips_costs_no_more_than_the_timeout(memory: MemoryBroker) -> None:
    end = await fill(memory, 1)
    async with (
        Plato(lambda tile: Drip()) as plato,
        delivering(memory, plato.url, timeout_s=0.3) as running,
    ):
        await until(lambda: running.count("failed") >= 2, 3.0)
        plato.answer = lambda tile: TAKEN
        await running.reaches(end)


# --- starts, ends, power losses -----------------------------------------------------------------


async def test_a_new_runner_goes_on_where_the_one_before_it_was(either: Broker) -> None:
    first = await fill(either, 70)
    async with Plato() as plato:
        async with delivering(either, plato.url) as running:
            await running.reaches(first)
        end = await fill(either, 70)
        async with delivering(either, plato.url) as running:
            await running.reaches(end)
        await nothing_is_lost_and_every_session_in_order(either, plato)
        assert len(plato.taken) == end  # each once


async def test_a_runner_that_ends_in_the_middle_loses_nothing(either: Broker) -> None:
    end = await fill(either, 100)
    async with Plato(delay_s=0.001) as plato:
        for part in range(1, 4):
            async with delivering(either, plato.url):
                await until(lambda due=part * 50: len(plato.taken) >= due)  # type: ignore[misc]
        async with delivering(either, plato.url) as running:
            await running.reaches(end)
        assert len(plato.taken) > end  # at least once
        assert set(plato.ids()) == set(await in_tiles(either))
        firsts: dict[str, list[str]] = defaultdict(list)
        for one in dict.fromkeys(plato.ids()):
            firsts[one.partition(".")[0]].append(one)
        for session, ids in firsts.items():
            assert ids == await in_tiles(either, session)


@pytest.mark.nats
async def test_a_hanging_server_does_not_keep_the_sink_from_seeing_a_power_loss(
    server: EmbeddedServer, broker: NatsBroker, tmp_path: Path
) -> None:
    # given a sink that hangs with tiles whose storing the disk has not seen
    before = await fill(broker, 20)
    await server.stop()
    copy = tmp_path / "yesterday"
    shutil.copytree(server.folder, copy)
    run = broker.server_id
    await server.start()
    await until(lambda: broker.server_id != run)
    async with Plato() as plato, delivering(broker, plato.url, timeout_s=60.0) as running:
        await running.reaches(before)
        plato.answer = lambda tile: Hang()
        await fill(broker, 20)
        await until(lambda: len(plato.seen) > before)

        # when the power goes and the older store comes back, and other tiles are made
        await server.kill()
        shutil.rmtree(server.folder)
        shutil.copytree(copy, server.folder)
        plato.answer = lambda tile: TAKEN
        run = broker.server_id
        await server.start()
        await until(lambda: broker.server_id != run)
        end = await fill(broker, 10)

        # then it has them all, long before its timeout
        await running.reaches(end)
        assert set(await in_tiles(broker)) <= set(plato.ids())


# --- what it tells ------------------------------------------------------------------------------


async def test_the_token_shows_in_no_log_and_no_repr(memory: MemoryBroker) -> None:
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    logging.getLogger().addHandler(handler)
    level = logging.getLogger().level
    logging.getLogger().setLevel(logging.DEBUG)
    end = await fill(memory, 7)
    try:
        with structlog.testing.capture_logs() as logged:
            async with (
                Plato(first_requests(BROKEN, 10)) as plato,
                delivering(memory, plato.url, token=SecretStr("open-sesame")) as running,
            ):
                await running.reaches(end)
    finally:
        logging.getLogger().setLevel(level)
        logging.getLogger().removeHandler(handler)
    assert any(entry["event"] == "sink waits" for entry in logged)
    assert "sesame" not in str(logged) + out.getvalue()


async def test_every_attempt_is_measured(memory: MemoryBroker) -> None:
    end = await fill(memory, 7)
    async with (
        Plato(first_requests(BROKEN, 3)) as plato,
        delivering(memory, plato.url) as running,
    ):
        await running.reaches(end)
    count = running.metrics.registry.get_sample_value(
        "holodeck_tile_submit_duration_seconds_bucket", {"le": "+Inf"}
    )
    assert count == end + 3 == len(plato.seen)


def test_the_room_of_the_settings_is_the_built_in_one() -> None:
    assert Settings().plato_room == ROOM
