"""``holodeck token``, against a runtime that runs."""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner

from holodeck.broker import EmbeddedServer, connect, find_server
from holodeck.broker.streams import layout
from holodeck.entrypoints.cli import app
from holodeck.entrypoints.gateway.access import Access, Role, read, token_key
from holodeck.entrypoints.gateway.manners import Problem
from holodeck.messages.errors import StartupError
from tests.conftest import missing

Holodeck = Callable[..., tuple[int, Any, str]]


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    yield
    structlog.reset_defaults()


@pytest.fixture
def holodeck(tmp_path: Path) -> Holodeck:
    def run(*words: str, **more: str) -> tuple[int, Any, str]:
        env = {"HOLODECK_STATE_DIR": str(tmp_path), **more}
        result = CliRunner().invoke(app, ["token", *words, "--json"], env=env)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        told = json.loads(result.stdout) if result.exit_code == 0 else None
        return result.exit_code, told, result.stderr

    return run


def test_a_token_is_made_for_somebody(holodeck: Holodeck, tmp_path: Path) -> None:
    _, made, _ = holodeck("create", "--learner", "ana", "--days", "2")
    caller = read(made["token"], token_key(tmp_path), "holodeck")
    assert (caller.role, caller.learner, caller.jti) == (Role.LEARNER, "ana", made["id"])
    _, other, _ = holodeck("create", "--scope", "reader", "--for", "rita")
    assert read(other["token"], token_key(tmp_path), "holodeck").subject == "rita"
    assert stat.S_IMODE((tmp_path / "token.key").stat().st_mode) == 0o600
    _, rows, note = holodeck("list")
    assert [(row["subject"], row["scope"], row["ended"]) for row in rows] == [
        ("ana", "learner", False),
        ("rita", "reader", False),
    ]
    assert "no runtime" in note
    with pytest.raises(Problem):  # another namespace's door
        read(made["token"], token_key(tmp_path), "acme")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("create",), "--learner"),
        (("create", "--scope", "reader", "--learner", "ana"), "--for"),
        (("create", "--learner", "ana", "--for", "bob"), "--learner"),
        (("create", "--scope", "king", "--for", "bob"), "learner, reader or operator"),
        (("create", "--learner", "a b"), "id"),
        (("create", "--learner", "ana", "--days", "0"), "366"),
        (("revoke", "x.y.z"), "unknown-token"),
        (("revoke", "tok_1"), "holodeck up"),
    ],
    ids=lambda one: " ".join(one) if isinstance(one, tuple) else "",
)
def test_what_is_wrong_is_told_in_one_line(
    holodeck: Holodeck, words: tuple[str, ...], told: str
) -> None:
    status, _, error = holodeck(*words)
    assert status == 1
    assert told in error
    assert len(error.strip().splitlines()) == 1


@pytest.mark.nats
def test_a_token_is_ended_for_doors_that_are_open(holodeck: Holodeck, tmp_path: Path) -> None:
    try:
        find_server()
    except StartupError as error:
        missing(f"nats-server ({error})")

    async def work() -> None:
        streams = layout(max_bytes=512 * 1024 * 1024)
        async with EmbeddedServer(tmp_path / "nats") as server:
            broker = await connect(server.url, credentials=server.runtime)
            assert await broker.declare(streams.streams, streams.buckets) == []
            env = {
                "HOLODECK_NATS_URL": server.url,
                "HOLODECK_NATS_USER": server.runtime.user,
                "HOLODECK_NATS_PASSWORD": server.runtime.password,
            }
            _, first, _ = await asyncio.to_thread(holodeck, "create", "--learner", "ana", **env)
            _, second, _ = await asyncio.to_thread(holodeck, "create", "--learner", "bob", **env)

            async def store() -> Any:
                return broker.bucket(streams.cluster)

            access = Access(ns="holodeck", key=token_key(tmp_path), required=True, store=store)
            for made, by in ((first, first["id"]), (second, second["token"])):
                assert (await access._check(made["token"])).jti == made["id"]
                for _ in range(2):  # once more changes nothing
                    _, told, _ = await asyncio.to_thread(holodeck, "revoke", by, **env)
                    assert told == {"id": made["id"], "ended": True}
                with pytest.raises(Problem):
                    await access._check(made["token"])
            _, rows, _ = await asyncio.to_thread(holodeck, "list", **env)
            assert [row["ended"] for row in rows] == [True, True]
            await broker.close()

    asyncio.run(work())
