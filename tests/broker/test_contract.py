"""What every broker adapter does alike: one suite, run over each."""

from __future__ import annotations

import asyncio
import gc
import itertools
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from holodeck.broker import (
    Broker,
    BucketSpec,
    Delivery,
    EmbeddedServer,
    Entry,
    MemoryBroker,
    MemoryServer,
    Record,
    StreamSpec,
    connect,
    find_server,
)
from holodeck.messages.errors import (
    BrokerError,
    ContractError,
    LostFence,
    NoResponder,
    StartupError,
    StoreFull,
    Unavailable,
)
from tests.conftest import missing

MB = 1024 * 1024


@dataclass
class World:
    """Brokers on one server, and a stream and a bucket nobody else uses."""

    broker: Broker
    another: Callable[[], Awaitable[Broker]]
    ns: str
    stream: StreamSpec
    bucket: BucketSpec
    direct: bool


@pytest.fixture(
    params=[
        "memory",
        pytest.param("consumer", marks=pytest.mark.nats),
        pytest.param("direct", marks=pytest.mark.nats),
    ]
)
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    opened: list[Broker] = []
    embedded: EmbeddedServer | None = None
    reads = request.param
    if request.param == "memory":
        shared = MemoryServer()

        async def another() -> Broker:
            opened.append(MemoryBroker(shared))
            return opened[-1]

    else:
        try:
            find_server()
        except StartupError as error:
            missing(f"nats-server ({error})")
        embedded = EmbeddedServer(tmp_path / "nats")
        await embedded.start()
        at = embedded

        async def another() -> Broker:
            opened.append(await connect(at.url, credentials=at.runtime, reads=reads))
            return opened[-1]

    try:
        ns = f"t{secrets.token_hex(3)}"
        world = World(
            await another(),
            another,
            ns,
            StreamSpec(f"S{ns}", (f"{ns}.log.>",), 64 * MB),
            BucketSpec(f"b{ns}", 64 * MB),
            reads == "direct",
        )
        assert await world.broker.declare([world.stream], [world.bucket]) == []
        yield world
    finally:
        for broker in opened:
            await broker.close()
        if embedded is not None:
            await embedded.stop()


async def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


# --- appends and fences ---------------------------------------------------------------------------


async def test_an_append_gives_the_sequence_and_keeps_data_and_headers(world: World) -> None:
    log = world.broker.log(world.stream)
    subject = f"{world.ns}.log.a.x"
    assert await log.append(subject, b"one", headers={"Command": "c-1"}) == 1
    assert await log.append(subject, b"two") == 2
    record = await log.get(1)
    assert record is not None
    assert (record.subject, record.sequence, record.data) == (subject, 1, b"one")
    assert record.headers["Command"] == "c-1"


async def test_a_fence_over_the_exact_subject_refuses_who_has_not_seen_the_last(
    world: World,
) -> None:
    log = world.broker.log(world.stream)
    subject = f"{world.ns}.log.a.x"
    first = await log.append(subject, b"1", after=0, over=subject)
    await log.append(f"{world.ns}.log.b.x", b"elsewhere")
    second = await log.append(subject, b"2", after=first, over=subject)
    with pytest.raises(LostFence) as refused:
        await log.append(subject, b"3", after=first, over=subject)
    assert refused.value.last == second
    with pytest.raises(LostFence):
        await log.append(subject, b"3", after=0, over=subject)


async def test_a_fence_over_a_wildcard_sees_every_subject_below_it(world: World) -> None:
    log = world.broker.log(world.stream)
    over = f"{world.ns}.log.s1.>"
    first = await log.append(f"{world.ns}.log.s1.turn.marta", b"1", after=0, over=over)
    await log.append(f"{world.ns}.log.s2.turn.marta", b"another session")
    second = await log.append(f"{world.ns}.log.s1.task.-", b"2", after=first, over=over)
    with pytest.raises(LostFence) as refused:
        await log.append(f"{world.ns}.log.s1.new.token", b"3", after=first, over=over)
    assert refused.value.last == second


async def test_a_fence_over_the_stream_takes_many_in_flight_and_stops_a_rival(
    world: World,
) -> None:
    log = world.broker.log(world.stream)
    rival = (await world.another()).log(world.stream)
    futures = [log.append(f"{world.ns}.log.t.{n}", b"x", after=n) for n in range(100)]
    assert await asyncio.gather(*futures) == list(range(1, 101))
    await rival.append(f"{world.ns}.log.t.rival", b"x", after=100)
    with pytest.raises(LostFence):
        await log.append(f"{world.ns}.log.t.late", b"x", after=100)
    assert await log.end() == 101


async def test_of_concurrent_fenced_writers_exactly_one_wins_each_place(world: World) -> None:
    over = f"{world.ns}.log.s.>"
    logs = [(await world.another()).log(world.stream) for _ in range(4)]
    won: list[int] = []

    async def write(number: int) -> None:
        log, last = logs[number % 4], 0
        for turn in itertools.count():
            if len(won) >= 40:
                return
            try:
                last = await log.append(
                    f"{world.ns}.log.s.{number}.{turn}", b"x", after=last, over=over
                )
                won.append(last)
            except LostFence:
                tail = await log.tail(over, last)
                last = tail[-1].sequence if tail else last

    await asyncio.gather(*(write(n) for n in range(12)))
    stored = await logs[0].tail(over, 0)
    assert [record.sequence for record in stored] == sorted(won)


async def test_the_fence_of_a_thousand_writers_at_once_holds_for_each(world: World) -> None:
    log = world.broker.log(world.stream)

    async def write(number: int) -> list[int]:
        last, mine = 0, []
        for turn in range(4):
            last = await log.append(
                f"{world.ns}.log.w{number}.{turn}",
                b"x",
                after=last,
                over=f"{world.ns}.log.w{number}.>",
            )
            mine.append(last)
        return mine

    mine = await asyncio.gather(*(write(n) for n in range(500)))
    assert sorted(itertools.chain(*mine)) == list(range(1, 2001))


async def test_an_append_no_stream_takes_is_refused(world: World) -> None:
    log = world.broker.log(world.stream)
    with pytest.raises(BrokerError):
        await log.append(f"{world.ns}.elsewhere", b"x")


async def test_a_message_too_large_is_refused_and_harms_nobody(world: World) -> None:
    log = world.broker.log(world.stream)
    size = world.broker.max_payload
    with pytest.raises(BrokerError):
        await log.append(f"{world.ns}.log.a", bytes(size + 1))
    with pytest.raises(BrokerError):
        await world.broker.request(f"{world.ns}.nobody", bytes(size + 1), timeout=1.0)
    assert await log.append(f"{world.ns}.log.a", bytes(size - 1000)) == 1


async def test_a_failed_append_nobody_waits_for_says_nothing(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    log = world.broker.log(world.stream)
    future = log.append(f"{world.ns}.log.a", b"x", after=7)
    given_up = log.append(f"{world.ns}.log.a", b"x")
    given_up.cancel()
    await until(future.done)
    del future, given_up
    gc.collect()
    assert "never retrieved" not in caplog.text


async def test_a_full_stream_refuses_and_takes_again_when_there_is_room(world: World) -> None:
    small = StreamSpec(f"F{world.ns}", (f"{world.ns}.full.>",), 100_000)
    await world.broker.declare([small], [])
    log = world.broker.log(small)
    puts = [log.append(f"{world.ns}.full.{n}", bytes(1000)) for n in range(200)]
    outcomes = await asyncio.gather(*puts, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {int, StoreFull}
    stored = await log.end()
    assert 50 < stored < 100
    used, limit = await log.size()
    assert used <= limit == 100_000
    await log.purge(below=stored // 2)
    assert await log.append(f"{world.ns}.full.again", bytes(1000)) == stored + 1


# --- reading --------------------------------------------------------------------------------------


async def test_a_tail_holds_what_matches_and_lies_behind(world: World) -> None:
    log = world.broker.log(world.stream)
    for n in range(6):
        await log.append(f"{world.ns}.log.s{n % 2}.k{n}.-", b"%d" % n)
    tail = await log.tail(f"{world.ns}.log.s1.>", 2)
    assert [(r.sequence, r.data) for r in tail] == [(4, b"3"), (6, b"5")]
    assert [r.sequence for r in await log.tail(f"{world.ns}.log.*.k2.*", 0)] == [3]
    assert await log.tail(f"{world.ns}.log.s1.>", 6) == []
    assert await log.tail(f"{world.ns}.log.nobody.>", 0) == []


async def test_last_get_and_end_of_an_empty_and_of_a_filled_stream(world: World) -> None:
    log = world.broker.log(world.stream)
    assert await log.end() == 0
    assert await log.get(1) is None
    assert await log.last(f"{world.ns}.log.>") is None
    for n in range(4):
        await log.append(f"{world.ns}.log.s{n % 2}.x", b"%d" % n)
    last = await log.last(f"{world.ns}.log.s0.*")
    assert last is not None
    assert (last.sequence, last.data) == (3, b"2")
    assert await log.end() == 4
    assert await log.last(f"{world.ns}.log.s9.*") is None


async def test_a_read_is_complete_and_in_order(world: World) -> None:
    log = world.broker.log(world.stream)
    count = 5000
    await asyncio.gather(
        *(log.append(f"{world.ns}.log.p{n % 2}.{n}", b"%d" % n) for n in range(count))
    )
    everything = [r async for r in log.read(f"{world.ns}.log.>")]
    assert [r.sequence for r in everything] == list(range(1, count + 1))
    assert [r.data for r in everything] == [b"%d" % n for n in range(count)]
    some = [r.sequence async for r in log.read(f"{world.ns}.log.p1.>", after=100, upto=201)]
    assert some == list(range(102, 201, 2))
    assert [r async for r in log.read(f"{world.ns}.log.none.>")] == []
    assert [r async for r in log.read(f"{world.ns}.log.>", after=count)] == []


async def test_a_read_may_be_left_in_the_middle(world: World) -> None:
    log = world.broker.log(world.stream)
    await asyncio.gather(*(log.append(f"{world.ns}.log.a", b"x") for _ in range(300)))
    seen = 0
    async for _ in log.read(f"{world.ns}.log.>"):
        seen += 1
        if seen == 10:
            break
    assert [r.sequence async for r in log.read(f"{world.ns}.log.>", after=298)] == [299, 300]


async def test_a_read_ends_although_more_is_appended_meanwhile(world: World) -> None:
    log = world.broker.log(world.stream)
    await asyncio.gather(*(log.append(f"{world.ns}.log.a", b"x") for _ in range(200)))
    sequences = []
    async for record in log.read(f"{world.ns}.log.>", upto=200):
        sequences.append(record.sequence)
        if len(sequences) <= 200:
            await log.append(f"{world.ns}.log.a", b"more")
    assert sequences == list(range(1, 201))


async def test_a_read_of_headers_leaves_the_data_out(world: World) -> None:
    log = world.broker.log(world.stream)
    await log.append(f"{world.ns}.log.a", b"secret", headers={"Command": "c"})
    [record] = [r async for r in log.read(f"{world.ns}.log.>", headers_only=True)]
    assert record.data == b""
    assert record.headers["Command"] == "c"
    assert "Nats-Msg-Size" not in record.headers


async def test_a_read_of_the_last_per_subject_gives_one_each(world: World) -> None:
    log = world.broker.log(world.stream)
    for n in range(9):
        await log.append(f"{world.ns}.log.s{n % 3}", b"%d" % n)
    records = [r async for r in log.read(f"{world.ns}.log.>", last_per_subject=True)]
    assert [(r.sequence, r.data) for r in records] == [(7, b"6"), (8, b"7"), (9, b"8")]


async def test_deleted_records_are_skipped(world: World) -> None:
    log = world.broker.log(world.stream)
    for n in range(5):
        await log.append(f"{world.ns}.log.s", b"%d" % n)
    await log.delete(2)
    await log.delete(4, overwrite=False)
    await log.delete(4)
    await log.delete(99)
    assert [r.sequence async for r in log.read(f"{world.ns}.log.>")] == [1, 3, 5]
    assert [r.sequence for r in await log.tail(f"{world.ns}.log.s", 0)] == [1, 3, 5]
    assert await log.get(2) is None
    assert await log.end() == 5


async def test_a_purge_takes_what_matches_below_a_sequence(world: World) -> None:
    log = world.broker.log(world.stream)
    for n in range(10):
        await log.append(f"{world.ns}.log.s{n % 2}", b"%d" % n)
    assert await log.purge(f"{world.ns}.log.s0", below=6) == 3
    assert [r.sequence async for r in log.read(f"{world.ns}.log.>")] == [2, 4, 6, 7, 8, 9, 10]
    assert await log.purge(f"{world.ns}.log.s1") == 5
    assert await log.purge(below=1) == 0
    assert await log.purge() == 2
    # Without the right to ask how the stream is, only what is still there can be seen.
    assert await log.end() == (0 if world.direct else 10)


async def test_what_goes_with_a_stream_that_is_not_there_is_an_error(world: World) -> None:
    log = world.broker.log(StreamSpec(f"N{world.ns}", (f"{world.ns}.none.>",), MB))
    with pytest.raises(BrokerError):
        await log.end()
    with pytest.raises(BrokerError):
        await log.tail(f"{world.ns}.none.>", 0)
    with pytest.raises(BrokerError):
        await log.follow(f"{world.ns}.none.>", lambda _: None, after=0, name="f")


# --- following ------------------------------------------------------------------------------------


async def test_a_follower_gets_the_backlog_and_what_comes_after(world: World) -> None:
    log = world.broker.log(world.stream)
    await asyncio.gather(*(log.append(f"{world.ns}.log.a", b"%d" % n) for n in range(100)))
    got: list[Record] = []
    follower = await log.follow(f"{world.ns}.log.>", got.append, after=40, name="f", window=16)
    await asyncio.gather(*(log.append(f"{world.ns}.log.a", b"%d" % n) for n in range(100, 3000)))
    await until(lambda: len(got) == 2960)
    assert [r.sequence for r in got] == list(range(41, 3001))
    assert [r.data for r in got] == [b"%d" % n for n in range(40, 3000)]
    assert (follower.position, follower.gaps, follower.pending) == (3000, 0, 0)
    await follower.stop()
    await log.append(f"{world.ns}.log.a", b"unheard")
    await asyncio.sleep(0.05)
    assert len(got) == 2960


async def test_two_followers_each_get_everything_they_ask_for(world: World) -> None:
    log = world.broker.log(world.stream)
    other = (await world.another()).log(world.stream)
    all_of_it: list[int] = []
    some: list[int] = []
    first = await log.follow(
        f"{world.ns}.log.>", lambda r: all_of_it.append(r.sequence), after=0, name="f"
    )
    second = await other.follow(
        f"{world.ns}.log.*.*.marta.>", lambda r: some.append(r.sequence), after=0, name="g"
    )
    await asyncio.gather(
        *(
            log.append(f"{world.ns}.log.s.{n}.{'marta' if n % 3 else '-'}.1.ana", b"x")
            for n in range(600)
        )
    )
    await until(lambda: len(all_of_it) == 600 and len(some) == 400)
    assert all_of_it == list(range(1, 601))
    assert some == [n + 1 for n in range(600) if n % 3]
    await first.stop()
    await second.stop()


async def test_a_handler_that_raises_does_not_stop_its_follower(world: World) -> None:
    log = world.broker.log(world.stream)
    got: list[int] = []

    def handle(record: Record) -> None:
        got.append(record.sequence)
        if record.sequence == 2:
            raise ValueError("on purpose")

    follower = await log.follow(f"{world.ns}.log.>", handle, after=0, name="f")
    for _ in range(4):
        await log.append(f"{world.ns}.log.a", b"x")
    await until(lambda: got == [1, 2, 3, 4])
    assert follower.gaps == 0
    await follower.stop()


async def test_a_follower_does_not_run_inside_the_call_that_appends(world: World) -> None:
    log = world.broker.log(world.stream)
    got: list[int] = []
    follower = await log.follow(
        f"{world.ns}.log.>", lambda r: got.append(r.sequence), after=0, name="f"
    )
    future = log.append(f"{world.ns}.log.a", b"x")
    assert got == []
    assert not future.done()
    await future
    await until(lambda: got == [1])
    await follower.stop()


# --- buckets --------------------------------------------------------------------------------------


async def test_a_value_is_put_read_and_put_again_by_its_revision(world: World) -> None:
    bucket = world.broker.bucket(world.bucket)
    assert await bucket.get("live.3.s1") is None
    first = await bucket.put("live.3.s1", b"one", after=0, headers={"Upto": "17"})
    entry = await bucket.get("live.3.s1")
    assert entry is not None
    assert (entry.key, entry.revision, entry.data) == ("live.3.s1", first, b"one")
    assert entry.headers["Upto"] == "17"
    second = await bucket.put("live.3.s1", b"two", after=first)
    assert second > first
    with pytest.raises(LostFence) as refused:
        await bucket.put("live.3.s1", b"three", after=first)
    assert refused.value.last == second
    with pytest.raises(LostFence):
        await bucket.put("live.3.s1", b"three", after=0)
    await bucket.put("live.3.s1", b"whatever was there")
    entry = await bucket.get("live.3.s1")
    assert entry is not None
    assert entry.data == b"whatever was there"


async def test_values_written_anew_are_the_same_at_another_revision(world: World) -> None:
    bucket = world.broker.bucket(world.bucket)
    large = secrets.token_bytes(2 * MB) if world.bucket.max_bytes > 8 * MB else b"small"
    for number in range(5):
        await bucket.put(f"k.{number}", b"old")
        await bucket.put(f"k.{number}", str(number).encode(), headers={"Of": str(number)})
    await bucket.put("large", large)
    await bucket.put("gone", b"gone")
    await bucket.delete("gone")
    before = {entry.key: entry async for entry in bucket.scan(">")}

    assert await bucket.renew() >= len(before)

    after = {entry.key: entry async for entry in bucket.scan(">")}
    assert {key: one.data for key, one in after.items()} == {
        key: one.data for key, one in before.items()
    }
    assert [after[f"k.{number}"].headers["Of"] for number in range(5)] == list("01234")
    order = sorted(before, key=lambda key: before[key].revision)
    assert order == sorted(after, key=lambda key: after[key].revision)
    assert min(one.revision for one in after.values()) > max(o.revision for o in before.values())
    with pytest.raises(LostFence):
        await bucket.put("k.1", b"late", after=before["k.1"].revision)
    await bucket.put("k.1", b"anew", after=after["k.1"].revision)
    await bucket.put("gone", b"back", after=0)


async def test_what_is_written_while_all_is_written_anew_wins(world: World) -> None:
    bucket = world.broker.bucket(world.bucket)
    for number in range(200):
        await bucket.put(f"k.{number}", b"old")

    renewing = asyncio.create_task(bucket.renew())
    for number in range(200):
        await bucket.put(f"k.{number}", b"new")
    await renewing

    assert {entry.data async for entry in bucket.scan(">")} == {b"new"}


async def test_an_erased_value_is_gone(world: World) -> None:
    bucket = world.broker.bucket(world.bucket)
    await bucket.put("mine", b"value")
    await bucket.put("yours", b"value")

    assert await bucket.erase("mine") == 1
    assert await bucket.erase("mine") == 0
    assert await bucket.get("mine") is None
    assert [entry.key async for entry in bucket.scan(">")] == ["yours"]
    await bucket.put("mine", b"again", after=0)


async def test_a_deleted_key_is_gone_and_can_be_created_again(world: World) -> None:
    bucket = world.broker.bucket(world.bucket)
    first = await bucket.put("k", b"one", after=0)
    with pytest.raises(LostFence):
        await bucket.delete("k", after=first + 5)
    await bucket.delete("k", after=first)
    assert await bucket.get("k") is None
    assert [e async for e in bucket.scan(">")] == []
    again = await bucket.put("k", b"two", after=0)
    assert again > first
    await bucket.delete("k")
    await bucket.delete("k")
    await bucket.delete("k", after=0)
    assert await bucket.get("k") is None
    await bucket.put("k", b"three", after=0)
    with pytest.raises(LostFence):
        await bucket.delete("k", after=0)


async def test_a_scan_gives_every_present_entry_that_matches(world: World) -> None:
    bucket = world.broker.bucket(world.bucket)
    for n in range(50):
        await bucket.put(f"live.{n % 2}.s{n}", b"%d" % n, headers={"N": str(n)})
        await bucket.put(f"live.{n % 2}.s{n}", b"%d!" % n, headers={"N": str(n)})
    found = {e.key: e.data async for e in bucket.scan("live.1.>")}
    assert found == {f"live.1.s{n}": b"%d!" % n for n in range(1, 50, 2)}
    assert len([e async for e in bucket.scan("live.*.s7")]) == 1
    bare = [e async for e in bucket.scan(">", headers_only=True)]
    assert len(bare) == 50
    assert {e.data for e in bare} == {b""}
    assert {e.headers["N"] for e in bare} == {str(n) for n in range(50)}


async def test_a_value_of_three_megabytes_is_taken_whole(world: World) -> None:
    bucket = world.broker.bucket(world.bucket)
    large = secrets.token_bytes(3 * MB)
    first = await bucket.put("npc.marta", large, after=0, headers={"Upto": "9"})
    entry = await bucket.get("npc.marta")
    assert entry is not None
    assert (entry.revision, entry.data == large, entry.headers["Upto"]) == (first, True, "9")
    assert [(e.key, e.data == large) async for e in bucket.scan(">")] == [("npc.marta", True)]
    with pytest.raises(LostFence):
        await bucket.put("npc.marta", large, after=first + 1)
    larger = secrets.token_bytes(4 * MB)
    second = await bucket.put("npc.marta", larger, after=first)
    entry = await (await world.another()).bucket(world.bucket).get("npc.marta")
    assert entry is not None
    assert entry.data == larger
    await bucket.put("npc.marta", b"small", after=second)
    entry = await bucket.get("npc.marta")
    assert entry is not None
    assert entry.data == b"small"
    stored = world.broker.log(
        StreamSpec(f"KV_{world.bucket.name}", (f"$KV.{world.bucket.name}.>",), 64 * MB)
    )
    for _ in range(100):  # the old pieces go a moment after the put is answered
        if (await stored.size())[0] < 10_000:
            break
        await asyncio.sleep(0.02)
    assert (await stored.size())[0] < 10_000
    revision = await bucket.put("npc.marta", large)
    await bucket.delete("npc.marta", after=revision)
    assert (await stored.size())[0] < 10_000
    await bucket.put("npc.marta", b"new", after=0)


async def test_a_watch_tells_of_puts_that_were_stored(world: World) -> None:
    bucket = world.broker.bucket(world.bucket)
    seen: list[Entry] = []
    await bucket.put("table", b"before")
    watch = await (await world.another()).bucket(world.bucket).watch("table", seen.append)
    first = await bucket.put("table", b"one")
    await until(lambda: len(seen) == 1)
    with pytest.raises(LostFence):
        await bucket.put("table", b"refused", after=0)
    await bucket.put("other", b"not asked for")
    await bucket.delete("table")
    second = await bucket.put("table", b"two")
    await until(lambda: len(seen) == 2)
    assert [(e.key, e.data, e.revision) for e in seen] == [
        ("table", b"one", first),
        ("table", b"two", second),
    ]
    await watch.stop()
    await bucket.put("table", b"unheard")
    await asyncio.sleep(0.05)
    assert len(seen) == 2


async def test_what_is_no_key_is_refused(world: World) -> None:
    bucket = world.broker.bucket(world.bucket)
    for key in ("", "a b", "a.*", ">", "chunk.a"):
        with pytest.raises(ContractError):
            bucket.put(key, b"x")
        with pytest.raises(ContractError):
            await bucket.get(key)


# --- messages -------------------------------------------------------------------------------------


async def test_a_request_is_answered(world: World) -> None:
    server = await world.another()

    def answer(asked: Delivery) -> None:
        server.post(asked.reply, asked.data.upper(), headers={"For": (asked.headers or {})["Id"]})

    sub = await server.subscribe(f"{world.ns}.cmd.*", answer)
    got = await world.broker.request(f"{world.ns}.cmd.x", b"hola", timeout=2.0, headers={"Id": "7"})
    assert got.data == b"HOLA"
    assert got.headers == {"For": "7"}
    await sub.stop()
    with pytest.raises(NoResponder):
        await world.broker.request(f"{world.ns}.cmd.x", b"hola", timeout=2.0)


async def test_a_request_nobody_hears_is_told_at_once(world: World) -> None:
    async with asyncio.timeout(1.0):
        with pytest.raises(NoResponder):
            await world.broker.request(f"{world.ns}.nobody", b"", timeout=30.0)


async def test_a_request_nobody_answers_times_out(world: World) -> None:
    await world.broker.subscribe(f"{world.ns}.deaf", lambda _: None)
    with pytest.raises(Unavailable):
        await world.broker.request(f"{world.ns}.deaf", b"", timeout=0.1)


async def test_posts_arrive_in_the_order_they_were_sent(world: World) -> None:
    listener = await world.another()
    got: list[bytes] = []
    await listener.subscribe(f"{world.ns}.p.>", lambda d: got.append(d.data))
    for n in range(2000):
        world.broker.post(f"{world.ns}.p.{n % 7}", b"%d" % n)
    assert got == []
    await until(lambda: len(got) == 2000)
    assert got == [b"%d" % n for n in range(2000)]


async def test_of_a_queue_one_member_gets_each_message(world: World) -> None:
    got: list[bytes] = []
    for _ in range(3):
        member = await world.another()
        await member.subscribe(f"{world.ns}.q", lambda d: got.append(d.data), queue="workers")
    for n in range(100):
        world.broker.post(f"{world.ns}.q", b"%d" % n)
    await until(lambda: len(got) == 100)
    await asyncio.sleep(0.02)
    assert sorted(got) == sorted(b"%d" % n for n in range(100))


async def test_a_handler_that_raises_does_not_end_its_subscription(world: World) -> None:
    got: list[bytes] = []

    def handle(delivery: Delivery) -> None:
        got.append(delivery.data)
        if delivery.data == b"1":
            raise ValueError("on purpose")

    await world.broker.subscribe(f"{world.ns}.x", handle)
    for n in range(3):
        world.broker.post(f"{world.ns}.x", b"%d" % n)
    await until(lambda: got == [b"0", b"1", b"2"])


async def test_a_stopped_subscription_hears_nothing_more(world: World) -> None:
    got: list[bytes] = []
    sub = await world.broker.subscribe(f"{world.ns}.x", lambda d: got.append(d.data))
    world.broker.post(f"{world.ns}.x", b"1")
    await until(lambda: got == [b"1"])
    await sub.stop()
    world.broker.post(f"{world.ns}.x", b"2")
    await world.broker.flush()
    await asyncio.sleep(0.02)
    assert got == [b"1"]


async def test_a_flush_returns_when_the_posts_are_with_the_server(world: World) -> None:
    log = (await world.another()).log(world.stream)
    for n in range(100):
        world.broker.post(f"{world.ns}.log.posted", b"%d" % n)
    await world.broker.flush()
    async with asyncio.timeout(2.0):  # they are with the server, and stored a moment later
        while await log.end() < 100:
            await asyncio.sleep(0.01)


# --- declaring ------------------------------------------------------------------------------------


async def test_declaring_again_changes_nothing_and_reports_nothing(world: World) -> None:
    await world.broker.log(world.stream).append(f"{world.ns}.log.a", b"x")
    other = await world.another()
    assert await other.declare([world.stream], [world.bucket]) == []
    assert await other.log(world.stream).end() == 1


async def test_declaring_at_the_same_time_succeeds_for_all(world: World) -> None:
    brokers = [await world.another() for _ in range(4)]
    stream = StreamSpec(f"D{world.ns}", (f"{world.ns}.d.>",), MB)
    bucket = BucketSpec(f"d{world.ns}", MB)
    assert await asyncio.gather(*(b.declare([stream], [bucket]) for b in brokers)) == [[]] * 4


async def test_what_is_not_as_declared_is_reported_and_left_alone(world: World) -> None:
    changed = StreamSpec(world.stream.name, world.stream.subjects, 32 * MB)
    [mismatch] = await world.broker.declare([changed], [])
    assert (mismatch.stream, mismatch.setting) == (world.stream.name, "max_bytes")
    assert (mismatch.expected, mismatch.actual) == (str(32 * MB), str(64 * MB))
    assert (await world.broker.log(world.stream).size())[1] == 64 * MB


# --- the end --------------------------------------------------------------------------------------


async def test_a_closed_broker_says_so(world: World) -> None:
    broker = await world.another()
    log = broker.log(world.stream)
    assert broker.connected
    await broker.close()
    assert not broker.connected
    broker.post(f"{world.ns}.x", b"into the void")
    with pytest.raises(Unavailable):
        await broker.request(f"{world.ns}.x", b"", timeout=1.0)
    with pytest.raises(BrokerError):
        await log.append(f"{world.ns}.log.a", b"x")
    with pytest.raises(Unavailable):
        await broker.flush()
    await broker.close()


async def test_closing_sends_what_was_posted_and_discarding_throws_it_away(world: World) -> None:
    log = world.broker.log(world.stream)
    polite, rude = await world.another(), await world.another()
    polite.post(f"{world.ns}.log.polite", b"x")
    await polite.close()
    assert await log.end() == 1
    unsent = rude.log(world.stream).append(f"{world.ns}.log.rude", b"x")
    rude.post(f"{world.ns}.log.rude", b"x")
    await rude.close(discard=True)
    await asyncio.sleep(0.05)
    assert await log.end() == 1
    assert unsent.done()
