"""``holodeck projections`` against a real runtime, and projections as Ray runs them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from holodeck.actors.host import Host
from holodeck.actors.table import hold_key
from holodeck.broker import find_server
from holodeck.config import load_settings
from holodeck.deck import Deck
from holodeck.entrypoints.cli import app
from holodeck.local import Local
from holodeck.messages.codec import pack
from holodeck.messages.errors import RefusedError, StartupError
from holodeck.up import Runtime
from holodeck.wiring import Connection, RuntimeFile
from tests.conftest import missing
from tests.player_experience.journal import until
from tests.player_experience.stores import RedisServer, free_port

pytestmark = [pytest.mark.integration, pytest.mark.nats]


@dataclass(frozen=True, slots=True)
class Done:
    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Here:
    """A runtime in a thread of this process, and the folder in which the command finds it."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._settings = settings

    def __enter__(self) -> Here:
        try:
            find_server()
        except StartupError as error:
            missing(f"nats-server ({error})")
        self._thread.start()
        settings = load_settings(partitions=4, **self._settings)
        self._runtime = Local(self.folder / "store", settings=settings)
        asyncio.run_coroutine_threadsafe(self._runtime.start(), self._loop).result(30)
        server = self._runtime.server
        assert server is not None
        client = Connection(
            server.url,
            user=server.client.user,
            password=server.client.password,
            inbox_prefix=server.client_inbox_prefix,
            reads="direct",
        )
        own = Connection(server.url, user=server.runtime.user, password=server.runtime.password)
        file = RuntimeFile(os.getpid(), "holodeck", client, own, "", str(self.folder))
        file.write(self.folder / "runtime.json")
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._runtime.stop(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def holodeck(self, *words: str, **env: str) -> Done:
        result = CliRunner().invoke(
            app, list(words), env={"HOLODECK_STATE_DIR": str(self.folder), "COLUMNS": "200", **env}
        )
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Done(result.exit_code, result.stdout, result.stderr)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Here]:
    folder = tmp_path_factory.mktemp("projections")
    with Here(folder, graph="embedded", graph_path=folder / "g.lbug") as running:
        yield running


def test_status_shows_a_row_for_each_projection(here: Here) -> None:
    done = here.holodeck("session", "start", "--learner", "ana", "--session", "s1")
    assert done.status == 0, done.err
    [row] = here.holodeck("projections", "status", "--json").json
    assert (row["projection"], row["error"]) == ("graph", "")
    text = here.holodeck("projections", "status").out
    assert "graph" in text
    assert "last error" in text


def test_a_rebuild_is_waited_for_and_says_where_it_came_to(here: Here) -> None:
    while (first := here.holodeck("projections", "status", "--json").json[0])["state"] != "live":
        time.sleep(0.1)  # an empty store is filled once of itself
    before = first["rebuilds"]
    done = here.holodeck("projections", "rebuild", "graph")
    assert done.status == 0, done.err
    assert "live" in done.out
    row = here.holodeck("projections", "rebuild", "graph", "--json").json
    assert (row["rebuilds"], row["lag"], row["state"]) == (before + 2, 0, "live")
    assert here.holodeck("projections", "rebuild", "graph", "--no-wait").status == 0


def test_a_name_that_is_not_there_is_told_with_those_there_are(here: Here) -> None:
    done = here.holodeck("projections", "rebuild", "elastic")
    assert (done.status, done.out) == (1, "")
    assert "there is graph" in done.err


def test_the_doctor_looks_at_stores_and_how_far_they_are(here: Here, tmp_path: Path) -> None:
    while here.holodeck("projections", "status", "--json").json[0]["state"] != "live":
        time.sleep(0.1)  # a rebuild may still be going on
    checks = {one["name"]: one for one in here.holodeck("doctor", "--json").json["checks"]}
    assert checks["projection graph"]["level"] == "ok", checks
    assert not {"redis", "graph", "projection redis"} & set(checks)  # not configured here

    nobody = {"HOLODECK_REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"}
    found = here.holodeck("doctor", "--json", HOLODECK_GRAPH="embedded", **nobody).json["checks"]
    checks = {one["name"]: one for one in found}
    assert checks["graph"]["level"] == "ok", checks["graph"]
    assert checks["redis"]["level"] == "warn"
    assert "HOLODECK_REDIS_URL" in checks["redis"]["remedy"]
    assert "does not fill it" in checks["projection redis"]["text"]

    (tmp_path / "file").touch()
    asked = {"HOLODECK_GRAPH": "embedded", "HOLODECK_GRAPH_PATH": str(tmp_path / "file" / "g")}
    found = here.holodeck("doctor", "--json", **asked).json["checks"]
    assert ("graph", "fail") in {(one["name"], one["level"]) for one in found}


def test_without_projections_it_is_said_how_to_have_some(tmp_path: Path) -> None:
    with Here(tmp_path) as bare:
        assert "HOLODECK_REDIS_URL" in bare.holodeck("projections", "status").out
        done = bare.holodeck("projections", "rebuild", "redis")
        assert done.status == 1
        assert "HOLODECK_REDIS_URL" in done.err


async def test_what_a_projection_has_still_to_read_is_not_archived() -> None:
    runtime = Local(broker="memory", settings=load_settings(partitions=1, flush_s=0.2))
    async with runtime as deck:
        await (await deck.start_session(learner="ana")).end()
        last = await _newest(deck)
        host = runtime.hosts[0].host
        assert host is not None
        await until(lambda: _reached(host, last))
        said = {"position": 1, "at": round(time.time() * 1000)}
        cluster = deck.broker.bucket(deck.layout.cluster)
        await cluster.put(hold_key("redis"), pack(said))
        assert await host._passed() == 1
        # One that has said nothing for a minute is gone, and will look into the archive.
        await cluster.put(hold_key("redis"), pack(said | {"at": said["at"] - 61_000}))
        assert await host._passed() >= last


async def _newest(deck: Deck) -> int:
    newest = await deck.broker.log(deck.layout.checkpoints).last(f"{deck.ns}.checkpoint.>")
    assert newest is not None
    return newest.sequence


async def _reached(host: Host, sequence: int) -> bool:
    return await host._passed() >= sequence


@pytest.mark.ray
@pytest.mark.redis
async def test_a_killed_service_is_started_again_and_goes_on(tmp_path: Path) -> None:
    redis = RedisServer(tmp_path / "redis")
    await redis.start()
    settings = load_settings(
        state_dir=tmp_path / "state", redis_url=redis.url, graph="embedded", hosts=1, partitions=4
    )
    runtime = Runtime(settings)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(redis.stop)
        stack.push_async_callback(runtime.stop)
        where = await runtime.start()
        deck = await runtime.deck()
        stack.push_async_callback(deck.close)
        for n in range(3):
            await deck.start_session(learner=f"p{n}", session=f"s{n}")
            newest = await _newest(deck)
            if n == 1:
                os.kill(where.services["projections"].pid, signal.SIGKILL)
            else:
                await _projected(deck, newest)
        rows = {row["projection"]: row for row in await deck.projections()}
        assert set(rows) == {"redis", "graph"}
        assert [(row["error"], row["rebuilds"]) for row in rows.values()] == [("", 0), ("", 0)]
        assert (settings.state_path / "graph" / "holodeck.lbug").exists()
        for n in range(3):
            assert await redis.client.exists(f"tta:session:s{n}")


async def _projected(deck: Deck, sequence: int) -> None:
    """While the service is away there are no projections to wait for."""
    give_up = time.monotonic() + 60
    while True:
        try:
            await deck.projected(sequence, seconds=30)
        except RefusedError:
            assert time.monotonic() < give_up
            await asyncio.sleep(0.2)
        else:
            return
