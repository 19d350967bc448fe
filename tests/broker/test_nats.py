"""What only a real nats-server can show: crashes, cut connections, rights, the child process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import nats
import pytest

from holodeck.broker import (
    Delivery,
    EmbeddedServer,
    Headers,
    Layout,
    NatsBroker,
    Password,
    Record,
    Users,
    connect,
    find_server,
    layout,
)
from holodeck.messages.errors import (
    BrokerError,
    LostFence,
    NoResponder,
    OutcomeUnknown,
    StartupError,
    TransientError,
    Unavailable,
)
from holodeck.messages.ids import partition_of
from tests.broker.proxy import Proxy
from tests.conftest import ROOT

pytestmark = pytest.mark.nats

LAYOUT: Layout = layout(max_bytes=1 << 30)
NOBODY = "-.-.-.-"


async def open_runtime(server: EmbeddedServer, *, ack_timeout: float = 2.0) -> NatsBroker:
    broker = await connect(server.url, credentials=server.runtime, ack_timeout=ack_timeout)
    assert await broker.declare(LAYOUT.streams, LAYOUT.buckets) == []
    return broker


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


class Writer:
    """One session that appends until told to stop, by the rules of the design."""

    def __init__(self, broker: NatsBroker, number: int) -> None:
        self.log = broker.log(LAYOUT.checkpoints)
        self.front = f"holodeck.checkpoint.session.{number % 64}.s{number}"
        self.acknowledged: dict[str, int] = {}
        self.unknown = 0

    async def run(self, enough: Callable[[], bool]) -> None:
        last, turn = 0, 0
        while not enough():
            command = f"{self.front}.{turn}"
            try:
                last = await self.log.append(
                    f"{self.front}.turn.{NOBODY}",
                    command.encode(),
                    after=last,
                    over=f"{self.front}.>",
                    headers={"Command": command},
                )
            except (OutcomeUnknown, LostFence) as error:
                self.unknown += isinstance(error, OutcomeUnknown)
                found = await self.look(command, last)
                if found is None:
                    continue
                last = found
            except (BrokerError, Unavailable):
                await asyncio.sleep(0.05)
                continue
            self.acknowledged[command] = last
            turn += 1

    async def look(self, command: str, after: int) -> int | None:
        """The sequence of ``command`` if the tail has it."""
        while True:
            try:
                tail = await self.log.tail(f"{self.front}.>", after)
                break
            except TransientError:
                await asyncio.sleep(0.05)
        return next((r.sequence for r in tail if r.headers["Command"] == command), None)


async def check(writers: list[Writer], seen: list[Record], broker: NatsBroker) -> None:
    """Acknowledged is stored once, in each writer's order; followers saw everything once."""
    log = broker.log(LAYOUT.checkpoints)
    stored = [r async for r in log.read("holodeck.checkpoint.>")]
    counts = Counter(r.headers["Command"] for r in stored)
    assert set(counts.values()) == {1}
    by_command = {r.headers["Command"]: r.sequence for r in stored}
    for writer in writers:
        for command, sequence in writer.acknowledged.items():
            assert by_command[command] == sequence
    for writer in writers:
        mine = [r.data.decode() for r in stored if r.subject.startswith(writer.front + ".")]
        assert mine == [f"{writer.front}.{n}" for n in range(len(mine))]
    await until(lambda: len(seen) >= len(stored))
    assert [r.sequence for r in seen] == [r.sequence for r in stored]


# --- crashes and cuts -----------------------------------------------------------------------------


async def test_a_deleted_key_stays_deleted_though_the_server_is_killed(
    server: EmbeddedServer,
) -> None:
    # given keys that were overwritten and then deleted, one of them written again since
    broker = await open_runtime(server)
    bucket = broker.bucket(LAYOUT.live)
    for key in ("read", "fenced", "again"):
        first = await bucket.put(key, b"first", after=0)
        second = await bucket.put(key, b"second", after=first)
        await bucket.delete(key, after=second if key == "fenced" else None)
    third = await bucket.put("again", b"third", after=0)

    # when the server is killed before it has noted what was overwritten
    first_id = broker.server_id
    await server.kill()
    await server.start()
    await until(lambda: broker.connected and broker.server_id != first_id)

    # then nothing comes back, and what was written last is there
    assert await bucket.get("read") is None
    assert await bucket.get("fenced") is None
    entries = [(entry.key, entry.data, entry.revision) async for entry in bucket.scan(">")]
    assert entries == [("again", b"third", third)]
    await broker.close()


async def test_a_killed_server_loses_nothing_acknowledged_and_followers_stay_complete(
    server: EmbeddedServer,
) -> None:
    broker = await open_runtime(server)
    back: list[str] = []
    broker.on_reconnect(lambda: back.append(broker.server_id))
    first_id = broker.server_id
    seen: list[Record] = []
    follower = await broker.log(LAYOUT.checkpoints).follow(
        "holodeck.checkpoint.>", seen.append, after=0, name="fold"
    )
    writers = [Writer(broker, n) for n in range(200)]
    stop = False
    work = [asyncio.create_task(w.run(lambda: stop)) for w in writers]
    for _ in range(2):
        await asyncio.sleep(0.5)
        await server.kill()
        await server.start()
        await until(lambda: broker.connected)
    await asyncio.sleep(0.5)
    stop = True
    await asyncio.gather(*work)
    assert len(back) == 2
    assert broker.server_id != first_id
    assert sum(w.unknown for w in writers) > 0
    await check(writers, seen, broker)
    assert follower.gaps >= 2
    await broker.close()


async def test_cut_connections_leave_no_hole_in_what_a_follower_sees(
    server: EmbeddedServer,
) -> None:
    writing = await open_runtime(server)
    async with Proxy(server.port) as proxy:
        reading = await connect(proxy.url, credentials=server.runtime)
        seen: list[Record] = []
        some: list[int] = []
        log = reading.log(LAYOUT.checkpoints)
        follower = await log.follow("holodeck.checkpoint.>", seen.append, after=0, name="all")
        narrow = await log.follow(
            "holodeck.checkpoint.session.3.>", lambda r: some.append(r.sequence), after=0, name="p"
        )
        writers = [Writer(writing, n) for n in range(200)]
        stop = False
        work = [asyncio.create_task(w.run(lambda: stop)) for w in writers]
        for _ in range(4):
            await asyncio.sleep(0.3)
            proxy.cut()
        proxy.pause()
        await asyncio.sleep(0.3)
        proxy.resume()
        await asyncio.sleep(0.3)
        stop = True
        await asyncio.gather(*work)
        await check(writers, seen, writing)
        wanted = [r.sequence for r in seen if ".session.3." in r.subject]
        await until(lambda: len(some) == len(wanted))
        assert some == wanted
        assert follower.gaps >= 4
        assert narrow.gaps >= 4
        await reading.close()
    await writing.close()


async def test_a_read_survives_a_cut_connection(server: EmbeddedServer) -> None:
    writing = await open_runtime(server)
    log = writing.log(LAYOUT.checkpoints)
    subject = f"holodeck.checkpoint.session.1.s.turn.{NOBODY}"
    await asyncio.gather(*(log.append(subject, bytes(500)) for _ in range(20_000)))
    async with Proxy(server.port) as proxy:
        reading = await connect(proxy.url, credentials=server.runtime)
        sequences = []
        async for record in reading.log(LAYOUT.checkpoints).read("holodeck.checkpoint.>"):
            sequences.append(record.sequence)
            if len(sequences) == 3000:
                proxy.cut()
        assert sequences == list(range(1, 20_001))
        await reading.close()
    await writing.close()


def stopped(pid: int) -> bool:
    """Whether every thread has taken the SIGSTOP: on a busy machine some run a little longer."""
    states = [
        (task / "stat").read_text().rpartition(")")[2].split()[0]
        for task in Path(f"/proc/{pid}/task").iterdir()
    ]
    return set(states) == {"T"}


async def test_an_append_a_frozen_server_does_not_answer_is_unknown(
    server: EmbeddedServer,
) -> None:
    broker = await open_runtime(server, ack_timeout=0.5)
    log = broker.log(LAYOUT.checkpoints)
    subject = f"holodeck.checkpoint.session.1.s.turn.{NOBODY}"
    assert await log.append(subject, b"1", after=0, over=subject) == 1
    server.send_signal(signal.SIGSTOP)
    await until(lambda: stopped(server.pid))
    try:
        started = time.monotonic()
        with pytest.raises(OutcomeUnknown):
            await log.append(subject, b"2", after=1, over=subject)
        assert 0.4 < time.monotonic() - started < 2.0
        with pytest.raises(Unavailable):
            await broker.request("holodeck.nobody", b"", timeout=0.2)
    finally:
        server.send_signal(signal.SIGCONT)
    # It was only delayed; who appends again learns so from the fence.
    with pytest.raises(LostFence):
        await log.append(subject, b"2", after=1, over=subject)
    assert [r.data for r in await log.tail(subject, 1)] == [b"2"]
    await broker.close()


async def test_an_append_on_its_way_when_the_connection_is_cut_is_unknown(
    server: EmbeddedServer,
) -> None:
    direct = await open_runtime(server)
    async with Proxy(server.port) as proxy:
        broker = await connect(proxy.url, credentials=server.runtime, ack_timeout=30.0)
        log = broker.log(LAYOUT.checkpoints)
        subject = f"holodeck.checkpoint.session.1.s.turn.{NOBODY}"
        proxy.pause()
        future = log.append(subject, b"lost", after=0, over=subject)
        asking = asyncio.create_task(broker.request("holodeck.nobody", b"", timeout=30.0))
        await asyncio.sleep(0.1)
        proxy.cut()
        proxy.resume()
        with pytest.raises(OutcomeUnknown):
            await asyncio.wait_for(future, 5.0)
        with pytest.raises(Unavailable):
            await asyncio.wait_for(asking, 5.0)
        assert await log.append(subject, b"again", after=0, over=subject) == 1
        assert [r.data for r in await log.tail(subject, 0)] == [b"again"]
        await broker.close()
    await direct.close()


async def test_what_is_given_up_while_the_connection_is_down_is_never_sent(
    server: EmbeddedServer,
) -> None:
    direct = await open_runtime(server)
    async with Proxy(server.port) as proxy:
        broker = await connect(proxy.url, credentials=server.runtime, ack_timeout=0.4)
        log = broker.log(LAYOUT.checkpoints)
        subject = f"holodeck.checkpoint.session.1.s.turn.{NOBODY}"
        proxy.cut(refuse=True)
        await until(lambda: not broker.connected)
        early = log.append(subject, b"given up")
        with pytest.raises(OutcomeUnknown):
            await early
        late = log.append(subject, b"still wanted")
        broker.post(subject, b"posted")
        with pytest.raises(Unavailable):
            await broker.flush()
        await proxy.mend()
        assert await late == 1
        await broker.flush()
        stored = await direct.log(LAYOUT.checkpoints).tail(subject, 0)
        assert [r.data for r in stored] == [b"still wanted", b"posted"]
        await broker.close()
    await direct.close()


async def test_subscriptions_and_watches_live_on_after_a_restart(server: EmbeddedServer) -> None:
    broker = await open_runtime(server)
    heard: list[bytes] = []
    values: list[bytes] = []
    bucket = broker.bucket(LAYOUT.cluster)
    await broker.subscribe("holodeck.ctl.x", lambda d: heard.append(d.data))
    await bucket.watch("table", lambda e: values.append(e.data))
    await server.restart()
    await until(lambda: broker.connected)
    broker.post("holodeck.ctl.x", b"hola")
    await until(lambda: heard == [b"hola"])
    await bucket.put("table", b"new")
    await until(lambda: values == [b"new"])
    await broker.close()


async def test_a_connection_nats_py_gives_up_is_taken_over_by_a_new_one(
    server: EmbeddedServer,
) -> None:
    broker = await open_runtime(server)
    log = broker.log(LAYOUT.checkpoints)
    heard: list[bytes] = []
    seen: list[int] = []
    back: list[bool] = []
    broker.on_reconnect(lambda: back.append(True))
    await broker.subscribe("holodeck.ctl.x", lambda d: heard.append(d.data))
    await log.follow("holodeck.checkpoint.>", lambda r: seen.append(r.sequence), after=0, name="f")
    # The server ends a connection that breaks the protocol with an error line, and nats-py
    # then closes for good.
    broker.post("holodeck.ctl.x 1 2 3", b"")
    await until(lambda: back == [True])
    broker.post("holodeck.ctl.x", b"hola")
    await until(lambda: heard == [b"hola"])
    subject = f"holodeck.checkpoint.session.1.s.turn.{NOBODY}"
    assert await log.append(subject, b"x") == 1
    await until(lambda: seen == [1])
    await broker.close()


async def test_a_consumer_that_is_deleted_is_opened_anew(server: EmbeddedServer) -> None:
    broker = await open_runtime(server)
    log = broker.log(LAYOUT.checkpoints)
    seen: list[int] = []
    follower = await log.follow(
        "holodeck.checkpoint.>", lambda r: seen.append(r.sequence), after=0, name="f"
    )
    subject = f"holodeck.checkpoint.session.1.s.turn.{NOBODY}"
    await log.append(subject, b"1")
    await until(lambda: seen == [1])
    answer = await broker.request("$JS.API.CONSUMER.DELETE.CHECKPOINTS.f-1", b"", timeout=2.0)
    assert b"true" in answer.data
    await log.append(subject, b"2")
    await until(lambda: seen == [1, 2])
    assert follower.gaps == 1
    await follower.stop()
    await broker.close()


# --- starting up ----------------------------------------------------------------------------------


async def test_no_server_is_told_soon_and_clearly() -> None:
    with socket.socket() as idle:
        idle.bind(("127.0.0.1", 0))
        port = idle.getsockname()[1]
        started = time.monotonic()
        with pytest.raises(StartupError, match=f"no nats-server answers at 127.0.0.1:{port}"):
            await connect(f"nats://me:secret@127.0.0.1:{port}", connect_timeout=0.5)
        assert time.monotonic() - started < 2.0


async def test_wrong_credentials_are_told_at_once(server: EmbeddedServer) -> None:
    started = time.monotonic()
    with pytest.raises(StartupError, match="refused the credentials"):
        await connect(server.url, credentials=Password("runtime", "guess"), connect_timeout=10.0)
    with pytest.raises(StartupError, match="refused the credentials"):
        await connect(server.url, connect_timeout=10.0)
    assert time.monotonic() - started < 5.0


async def test_a_server_that_is_too_old_is_refused() -> None:
    async def old(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'INFO {"server_id":"X","version":"2.9.10","max_payload":1048576}\r\n')
        with contextlib.suppress(OSError):
            while line := await reader.readline():
                if line.startswith(b"PING"):
                    writer.write(b"PONG\r\n")
        writer.close()

    async with await asyncio.start_server(old, "127.0.0.1", 0) as listener:
        port = listener.sockets[0].getsockname()[1]
        with pytest.raises(StartupError, match=r"version 2\.9"):
            await connect(f"nats://127.0.0.1:{port}")


async def test_streams_larger_than_the_store_name_the_setting(
    need_server: None, tmp_path: Path
) -> None:
    async with EmbeddedServer(tmp_path / "nats", max_file_store=1 << 20) as server:
        broker = await connect(server.url, credentials=server.runtime)
        with pytest.raises(StartupError, match="HOLODECK_MAX_BYTES"):
            await broker.declare(LAYOUT.streams, LAYOUT.buckets)
        await broker.close()


async def test_a_server_without_jetstream_is_told(need_server: None, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    plain = subprocess.Popen(  # noqa: ASYNC220
        [str(find_server()), "-a", "127.0.0.1", "-p", str(port)], stderr=subprocess.DEVNULL
    )
    try:
        broker = await connect(f"nats://127.0.0.1:{port}")
        with pytest.raises(StartupError, match="JetStream is off"):
            await broker.declare(LAYOUT.streams, LAYOUT.buckets)
        await broker.close()
    finally:
        plain.kill()
        plain.wait()


# --- rights and mapping ---------------------------------------------------------------------------


async def open_client(server: EmbeddedServer, url: str = "") -> NatsBroker:
    return await connect(
        url or server.url,
        credentials=server.client,
        inbox_prefix=server.client_inbox_prefix,
        reads="direct",
    )


async def test_a_client_may_ask_and_read_but_neither_write_nor_eavesdrop(
    server: EmbeddedServer,
) -> None:
    runtime = await open_runtime(server)
    client = await open_client(server)
    subject = f"holodeck.checkpoint.session.1.s.turn.{NOBODY}"
    theirs, ours = client.log(LAYOUT.checkpoints), runtime.log(LAYOUT.checkpoints)
    await ours.append(subject, b"1", headers={"Command": "c", "Status": "404"})
    cluster = runtime.bucket(LAYOUT.cluster)
    await cluster.put("deployment", b"d")
    await cluster.put("table", b"t")

    [record] = await theirs.tail(subject, 0)
    assert (record.subject, record.sequence, record.data) == (subject, 1, b"1")
    assert dict(record.headers) == {"Command": "c", "Status": "404"}
    assert [r.data async for r in theirs.read("holodeck.checkpoint.>")] == [b"1"]
    assert [r and r.data for r in (await theirs.get(1), await theirs.last(subject))] == [b"1"] * 2
    assert await theirs.get(7) is None
    assert await theirs.last("holodeck.checkpoint.npc.>") is None
    assert await theirs.end() == 1
    entry = await client.bucket(LAYOUT.cluster).get("deployment")
    assert entry is not None
    assert (entry.key, entry.data) == ("deployment", b"d")
    seen: list[int] = []
    follower = await theirs.follow(
        "holodeck.checkpoint.session.1.s.>", lambda r: seen.append(r.sequence), after=0, name="c"
    )
    live: list[bytes] = []
    await client.subscribe("holodeck.checkpoint.>", lambda d: live.append(d.data))
    await ours.append(subject, b"2")
    await until(lambda: seen == [1, 2] and live == [b"2"])
    await follower.stop()
    await runtime.subscribe("holodeck.cmd.*.session.*", lambda d: runtime.post(d.reply, b"ok"))
    answer = await client.request("holodeck.cmd.session.s1", b"", timeout=2.0)
    assert answer.data == b"ok"
    with pytest.raises(NoResponder):
        await client.request("holodeck.cmd.npc.n1", b"", timeout=2.0)

    heard: list[bytes] = []
    await client.subscribe("_INBOX.>", lambda d: heard.append(d.data))
    await client.subscribe("holodeck.cmd.>", lambda d: heard.append(d.data))
    forged = theirs.append(subject, b"forged")
    client.post("holodeck.tile.friction.x.s", b"forged")
    client.post("_INBOX.somebody", b"forged")
    for refused in (
        "STREAM.PURGE.CHECKPOINTS",
        "STREAM.DELETE.CHECKPOINTS",
        "CONSUMER.CREATE.TILES",
        "STREAM.MSG.GET.KV_cluster",
        "DIRECT.GET.KV_cluster",
        "DIRECT.GET.KV_cluster.$KV.cluster.table",
    ):
        with pytest.raises(Unavailable):
            await client.request(f"$JS.API.{refused}", b"", timeout=0.2)
    await runtime.request("holodeck.cmd.1.session.x", b"", timeout=1.0)
    with pytest.raises(OutcomeUnknown):
        await forged
    assert await ours.end() == 2
    assert await runtime.log(LAYOUT.tiles).end() == 0
    assert heard == []
    await client.close()
    await runtime.close()


@pytest.mark.parametrize(
    "goal",
    [
        f"holodeck.checkpoint.session.1.victim.turn.{NOBODY}",
        "holodeck.ctl.host.h1.stop",
        "holodeck.cmd.1.session.victim",
        "$JS.API.STREAM.PURGE.TILES",
    ],
)
async def test_a_client_has_nothing_delivered_or_answered_to_where_it_may_not_write(
    server: EmbeddedServer, goal: str
) -> None:
    """The server lets a consumer deliver, and a question be answered, to any subject at all."""
    runtime = await open_runtime(server)
    tiles = runtime.log(LAYOUT.tiles)
    await tiles.append("holodeck.tile.friction.x.s", b"what somebody said")
    reached: list[str] = []
    for heard in ("holodeck.checkpoint.>", "holodeck.ctl.host.>"):
        await runtime.subscribe(heard, lambda d: reached.append(d.subject))

    def answer(asked: Delivery) -> None:
        reached.extend([asked.subject] if asked.subject == goal else [])
        if asked.reply:
            runtime.post(asked.reply, b"answer")

    await runtime.subscribe("holodeck.cmd.>", answer)
    await runtime.subscribe("holodeck.ctl.supervisor.>", answer)
    plain = await nats.connect(
        server.url, user="client", password=server.users.client, inbox_prefix=b"_INBOX_client"
    )

    async def unheard(_message: object) -> None: ...

    # A push consumer delivers only where somebody listens.
    await plain.subscribe(goal, cb=unheard)
    consumer = {"name": "x", "deliver_subject": goal, "ack_policy": "none"}
    create = json.dumps({"stream_name": "TILES", "config": consumer}).encode()
    for subject, data in (
        ("$JS.API.CONSUMER.CREATE.TILES", create),
        ("$JS.API.CONSUMER.CREATE.TILES.x", create),
        ("$JS.API.CONSUMER.CREATE.TILES.x.holodeck.tile.>", create),
        ("$JS.API.CONSUMER.DURABLE.CREATE.TILES.x", create),
        ("$JS.API.DIRECT.GET.TILES", b'{"seq":1}'),
        ("$JS.API.DIRECT.GET.TILES", b'{"seq":1,"batch":10}'),
        ("$JS.API.DIRECT.GET.TILES.holodeck.tile.friction.x.s", b""),
        ("$JS.API.DIRECT.GET.KV_cluster.$KV.cluster.deployment", b""),
        ("$JS.API.STREAM.MSG.GET.TILES", b'{"seq":1}'),
        ("$JS.API.STREAM.INFO.TILES", b""),
        ("holodeck.cmd.session.s1", b""),
        ("holodeck.ctl.supervisor.status", b""),
        (goal, b"straight"),
    ):
        await plain.publish(subject, data, reply=goal)
    await plain.flush()
    await asyncio.sleep(0.3)
    allowed = goal.startswith("holodeck.cmd.")  # commands are what a client is for
    assert reached == ([goal] if allowed else [])
    assert await runtime.log(LAYOUT.checkpoints).end() == 0
    assert len(await tiles.tail("holodeck.tile.>", 0)) == 1
    info = await runtime.request("$JS.API.STREAM.INFO.TILES", b"", timeout=2.0)
    assert json.loads(info.data)["state"]["consumer_count"] == 0
    await plain.close()
    await runtime.close()


async def test_a_client_reads_all_of_a_stream_that_is_being_written(
    server: EmbeddedServer,
) -> None:
    runtime = await open_runtime(server)
    client = await open_client(server)
    ours, theirs = runtime.log(LAYOUT.checkpoints), client.log(LAYOUT.checkpoints)
    subject = f"holodeck.checkpoint.session.{{}}.s.turn.{NOBODY}"
    count = 20_000
    seen: list[int] = []
    some: list[int] = []
    follower = await theirs.follow(
        "holodeck.checkpoint.>", lambda r: seen.append(r.sequence), after=0, name="all"
    )
    narrow = await theirs.follow(
        "holodeck.checkpoint.*.3.>", lambda r: some.append(r.sequence), after=0, name="some"
    )

    async def write() -> None:
        for start in range(0, count, 500):
            await asyncio.gather(
                *(ours.append(subject.format(n % 4), bytes(256)) for n in range(start, start + 500))
            )

    writing = asyncio.create_task(write())
    reads = 0
    while not writing.done():
        read = [r.sequence async for r in theirs.read("holodeck.checkpoint.>")]
        assert read == list(range(1, len(read) + 1))
        reads += 1
    await writing
    assert reads > 3
    everything = list(range(1, count + 1))
    assert [r.sequence async for r in theirs.read("holodeck.checkpoint.>")] == everything
    part = [r.sequence async for r in theirs.read("holodeck.checkpoint.*.3.>", after=10, upto=999)]
    assert part == list(range(12, 999, 4))
    await until(lambda: len(seen) == count and len(some) == count // 4)
    assert seen == everything
    assert some == everything[3::4]
    assert (follower.position, follower.gaps, follower.pending) == (count, 0, 0)
    assert narrow.gaps == 0
    await client.close()
    await runtime.close()


async def test_a_client_hears_soon_of_each_record(server: EmbeddedServer) -> None:
    runtime = await open_runtime(server)
    client = await open_client(server)
    lags: list[float] = []
    await client.log(LAYOUT.tiles).follow(
        "holodeck.tile.*.*.s",
        lambda r: lags.append(time.monotonic() - float(r.data)),
        after=0,
        name="f",
    )
    for n in range(20):
        await asyncio.sleep(0.05 if n % 5 else 0.3)
        subject = "holodeck.tile.friction.x.s"
        await runtime.log(LAYOUT.tiles).append(subject, repr(time.monotonic()).encode())
    await until(lambda: len(lags) == 20)
    assert sorted(lags)[10] < 0.1
    await client.close()
    await runtime.close()


async def test_a_client_follows_and_reads_over_cuts_and_restarts_without_a_hole(
    server: EmbeddedServer,
) -> None:
    writing = await open_runtime(server)
    async with Proxy(server.port) as proxy:
        client = await open_client(server, proxy.url)
        seen: list[Record] = []
        log = client.log(LAYOUT.checkpoints)
        follower = await log.follow("holodeck.checkpoint.>", seen.append, after=0, name="all")
        writers = [Writer(writing, n) for n in range(200)]
        stop = False
        work = [asyncio.create_task(w.run(lambda: stop)) for w in writers]
        for _ in range(4):
            await asyncio.sleep(0.3)
            proxy.cut()
        proxy.pause()
        await asyncio.sleep(0.3)
        proxy.resume()
        await server.kill()
        await server.start()
        await until(lambda: writing.connected and client.connected)
        await asyncio.sleep(0.3)
        await server.restart()
        await until(lambda: writing.connected and client.connected)
        await asyncio.sleep(0.3)
        stop = True
        await asyncio.gather(*work)
        await check(writers, seen, writing)
        assert follower.gaps == 0
        sequences = []
        async for record in log.read("holodeck.checkpoint.>"):
            sequences.append(record.sequence)
            if len(sequences) % 2500 == 100 and proxy.connections < 20:
                proxy.cut()
        assert sequences == [r.sequence for r in seen]
        await client.close()
    await writing.close()


async def test_a_part_of_an_answer_that_was_lost_is_noticed(server: EmbeddedServer) -> None:
    runtime = await open_runtime(server)
    client = await open_client(server)
    await asyncio.gather(
        *(runtime.log(LAYOUT.tiles).append("holodeck.tile.a.b.s", b"x") for _ in range(50))
    )
    receive = client._on_batch
    swallowed: list[str] = []

    def lossy(subject: str, reply: str, data: bytes, headers: Headers | None) -> None:
        if len(swallowed) < 2 and (headers or {}).get("Nats-Sequence") in ("20", "50"):
            swallowed.append(subject)
        else:
            receive(subject, reply, data, headers)

    for sub in client._subs:
        if sub.callback == client._on_batch:
            assert sub.wire is not None
            client._nc._receivers[str(sub.wire._id)] = lossy
    log = client.log(LAYOUT.tiles)
    assert [r.sequence async for r in log.read("holodeck.tile.>")] == list(range(1, 51))
    assert len(swallowed) == 2
    await client.close()
    await runtime.close()


async def test_a_plain_nats_client_reaches_the_partition_of_the_id(
    server: EmbeddedServer,
) -> None:
    runtime = await open_runtime(server)
    got: list[str] = []
    await runtime.subscribe("holodeck.cmd.*.*.*", lambda d: got.append(d.subject))
    plain = await nats.connect(server.url, user="client", password=server.users.client)
    ids = [f"sess_{n}" for n in range(50)] + ["A", "a-b_c", "0"]
    for kind in ("session", "npc", "learner"):
        for identity in ids:
            await plain.publish(f"holodeck.cmd.{kind}.{identity}", b"")
    await plain.flush()
    await until(lambda: len(got) == 3 * len(ids))
    assert got == [
        f"holodeck.cmd.{partition_of(identity, 64)}.{kind}.{identity}"
        for kind in ("session", "npc", "learner")
        for identity in ids
    ]
    got.clear()
    await plain.publish("holodeck.cmd.7.session.direct", b"")
    await until(lambda: got == ["holodeck.cmd.7.session.direct"])
    await plain.close()
    await runtime.close()


# --- the child process ----------------------------------------------------------------------------


def alive(pid: int) -> bool:
    """Whether the process still runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


_PARENT = """
import asyncio, sys, threading, time
from holodeck.broker import EmbeddedServer
async def main():
    server = EmbeddedServer(sys.argv[1])
    await server.start()
    print(server.pid, server.url, server.users.runtime, flush=True)
if sys.argv[2] == "thread":
    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    thread.join()
else:
    asyncio.run(main())
time.sleep(60)
"""


@pytest.mark.parametrize("where", ["main", "thread"])
async def test_the_server_goes_with_its_killed_parent_and_its_folder_is_taken_over(
    need_server: None, tmp_path: Path, where: str
) -> None:
    folder = tmp_path / "nats"
    parent = subprocess.Popen(  # noqa: ASYNC220
        [sys.executable, "-c", _PARENT, str(folder), where],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert parent.stdout is not None
    with parent.stdout as said:
        pid, url, password = (await asyncio.to_thread(said.readline)).split()
    broker = await connect(url, credentials=Password("runtime", password))
    await broker.declare(LAYOUT.streams, LAYOUT.buckets)
    subject = f"holodeck.checkpoint.session.1.s.turn.{NOBODY}"
    assert await broker.log(LAYOUT.checkpoints).append(subject, b"kept") == 1
    with pytest.raises(StartupError, match="in use by another server"):
        await EmbeddedServer(folder).start()
    parent.send_signal(signal.SIGKILL)
    await asyncio.to_thread(parent.wait)
    # At once, while the old server may still be ending; lock, pid and store are left behind.
    async with EmbeddedServer(folder) as successor:
        assert not alive(int(pid))
        again = await connect(successor.url, credentials=successor.runtime)
        assert await again.log(LAYOUT.checkpoints).end() == 1
        await again.close()
    await broker.close(discard=True)


async def test_the_server_goes_with_its_wrapper(server: EmbeddedServer) -> None:
    wrapper, pid = parent_of(server.pid), server.pid
    os.kill(wrapper, signal.SIGKILL)
    await until(lambda: not alive(pid) and not server.running)
    await server.start()
    assert alive(server.pid)


async def test_stopping_ends_the_process_and_a_restart_keeps_port_store_and_passwords(
    need_server: None, tmp_path: Path
) -> None:
    users = Users("one-password", "another-password")
    server = EmbeddedServer(tmp_path / "nats", users=users, sync="always")
    await server.start()
    pid, url = server.pid, server.url
    broker = await open_runtime(server)
    subject = f"holodeck.checkpoint.session.1.s.turn.{NOBODY}"
    await broker.log(LAYOUT.checkpoints).append(subject, b"x")
    await broker.close()
    await server.restart()
    assert not alive(pid)
    assert (server.url, server.runtime) == (url, Password("runtime", "one-password"))
    broker = await open_runtime(server)
    assert await broker.log(LAYOUT.checkpoints).end() == 1
    await broker.close()
    pid = server.pid
    await server.stop()
    assert not alive(pid)
    assert server.pid == 0
    await server.stop()


async def test_a_taken_port_is_told_in_one_line(need_server: None, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(StartupError, match=f"port {port} on 127.0.0.1 is taken") as told:
            await EmbeddedServer(tmp_path / "nats", port=port).start()
    assert "\n" not in str(told.value)


async def test_a_folder_that_cannot_be_written_is_told(need_server: None, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StartupError, match="cannot be written"):
        await EmbeddedServer(tmp_path / "file" / "nats").start()


async def test_a_named_server_that_is_none_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOLODECK_NATS_SERVER", str(tmp_path / "nothing"))
    with pytest.raises(StartupError, match="HOLODECK_NATS_SERVER"):
        await EmbeddedServer(tmp_path / "nats").start()
    old = tmp_path / "old"
    old.write_text("#!/bin/sh\necho nats-server: v2.9.10\n")
    old.chmod(0o755)
    monkeypatch.setenv("HOLODECK_NATS_SERVER", str(old))
    with pytest.raises(StartupError, match=r"2\.9"):
        await EmbeddedServer(tmp_path / "nats").start()


async def test_passwords_lie_in_a_private_file_and_only_loopback_is_bound(
    server: EmbeddedServer,
) -> None:
    config = server.folder / "nats-server.conf"
    assert config.stat().st_mode & 0o777 == 0o600
    assert 'listen: "127.0.0.1:' in config.read_text()
    assert server.users.runtime not in repr(server.runtime)
    assert server.users.runtime not in server.log_file.read_text()
