"""Erasing a learner, held against the files of a real nats-server's store."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from holodeck.actors.erasing import Erasure
from holodeck.actors.keeper import TilesService
from holodeck.actors.projections import GraphProjection, ProjectionsService
from holodeck.actors.projections.embedded import EmbeddedGraph
from holodeck.actors.table import erasure_key, hold_key
from holodeck.actors.tiles import JsonlSink
from holodeck.broker import find_server
from holodeck.deck import Deck
from holodeck.messages.codec import pack
from holodeck.messages.envelope import HEADER_COMMAND
from holodeck.messages.errors import RefusedError, StartupError
from holodeck.messages.player import EraseLearner, EraseSession
from holodeck.messages.subjects import all_checkpoints
from tests.conftest import missing
from tests.player_experience.integration.lives import (
    Life,
    everywhere,
    exported,
    in_files,
    lived,
)
from tests.runtime.stage import Stage, until

MARKS_IN_ONE = 12
"""How often the mark stands in the largest checkpoint of a life: a rehearsal's first."""

pytestmark = [pytest.mark.integration, pytest.mark.nats]


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    try:
        find_server()
    except StartupError as error:
        missing(f"nats-server ({error})")
    async with AsyncExitStack() as stack:
        yield await stack.enter_async_context(Stage(tmp_path))


async def jsonl(stage: Stage, path: Path) -> TilesService:
    """The tile emitter, with a file beside it."""
    made = TilesService(stage.connect, stage.layout, sinks=[("jsonl", lambda: JsonlSink(path))])
    await made.start()
    stage._closers.append(made.stop)
    return made


async def begun(stage: Stage, path: Path, **options: Any) -> Deck:
    await stage.supervisor()
    for name in ("host-0", "host-1"):
        await stage.host(name, **{"flush_s": 0.5, **options})
    await jsonl(stage, path)
    await stage.owned(2)
    return await stage.deck()


async def kinds(stage: Stage, identity: str) -> list[str]:
    """What is left of an actor in the journal."""
    found = []
    journal = stage.broker.log(stage.layout.checkpoints)
    async for record in journal.read(all_checkpoints(stage.layout.ns)):
        if record.subject.split(".")[4] == identity:
            found.append(".".join((record.subject.split(".")[5], str(len(record.data)))))
    return found


async def nothing_is_left(stage: Stage, life: Life, path: Path) -> None:
    assert await everywhere(stage.broker, stage.layout, life.mark) == []
    assert in_files(stage.folder / "nats", life.mark) == {}
    assert in_files(path.parent, life.mark) == {}


async def refused(call: Any) -> str:
    with pytest.raises(RefusedError) as caught:
        await call
    return caught.value.reason


async def test_after_it_nothing_in_the_store_has_the_learners_words(
    stage: Stage, tmp_path: Path
) -> None:
    path = tmp_path / "sink" / "tiles.jsonl"
    deck = await begun(stage, path)
    ana = await lived(deck, "ana", "MARKana7", agent=True)
    ben = await lived(deck, "ben", "MARKben7")
    await asyncio.sleep(1.5)  # snapshots were written, and written over
    assert in_files(stage.folder / "nats", ana.mark)
    assert in_files(path.parent, ana.mark)
    before = json.dumps(await exported(deck, "ben"))

    receipt = await deck.erase("ana", wait_s=90)

    assert receipt.complete, receipt
    assert (receipt.sessions, receipt.forks) == (4, 2)
    assert receipt.checkpoints > 50
    assert receipt.tiles > 50
    assert receipt.names == 1
    assert receipt.sinks == {"jsonl": "erased"}
    assert len(receipt.digest) == 64
    await nothing_is_left(stage, ana, path)
    assert in_files(stage.folder / "nats", ben.mark)
    assert json.dumps(await exported(deck, "ben")) == before

    # Tombstones: one for each session, and the last word of the learner; they name nobody.
    for session in ana.ids:
        assert len(await kinds(stage, session)) == 1
    assert len(await kinds(stage, "ana")) == 1

    # Ids are spent.
    assert await refused(deck.player("ana").create("u_other", "x@example.org")) == "learner-erased"
    assert await refused(deck.start_session(learner="ana", cast=("marta",))) == "learner-erased"
    assert await refused(deck.start_session(learner="ana", kind="agent")) == "learner-erased"
    assert await refused(deck.learner("ana").state()) == "learner-erased"
    for session in ana.ids:
        assert await refused(deck.session(session).state()) == "session-erased"
        assert await refused(deck.session(session).end()) == "session-erased"
        born = deck.start_session(learner="dora", session=session)
        assert await refused(born) == "session-erased"
    await deck.start_session(learner="dora", cast=("marta",))
    # So that somebody else may have the name.
    await deck.player("cem").create(f"u_{ana.mark}", "cem@example.org")

    # Two are one.
    assert await deck.erase("ana") == receipt
    assert await refused(deck.erase("nobody")) == "unknown-learner"
    # What is left goes on.
    await ben.sessions[2].say("still here", to="marta")


async def test_what_was_archived_and_what_was_put_aside_goes_too(
    stage: Stage, tmp_path: Path
) -> None:
    path = tmp_path / "sink" / "tiles.jsonl"
    deck = await begun(stage, path, keep_s=1.0)
    ana = await lived(deck, "ana", "MARKana8")
    ended, live = ana.sessions[0], ana.sessions[2]
    fork = await ended.fork()
    ana.forks.append(fork)
    await live.end()
    archive = stage.broker.bucket(stage.layout.archive)

    async def archived() -> bool:
        keys = [entry.key async for entry in archive.scan("log.>")]
        return {key.rsplit(".", 1)[1] for key in keys} >= {ended.id, live.id}

    await until(archived, 30.0)
    # Somebody sent rubbish about the learner; it lies with the dead letters.
    subject = f"{stage.layout.ns}.cmd.session.{live.id}"
    await deck.broker.request(subject, b'{"id":"x","text":"MARKana8"}', timeout=5.0)

    receipt = await deck.erase("ana", wait_s=90)

    assert receipt.complete
    assert receipt.dead == 1
    assert not await archived()
    await nothing_is_left(stage, ana, path)
    assert await refused(ended.state()) == "session-erased"
    assert await refused(ended.fork()) == "session-erased"


async def test_a_store_whose_projection_does_not_run_is_waited_for(
    stage: Stage, tmp_path: Path
) -> None:
    await stage.supervisor(projections=("graph",))
    await stage.host("host-0", flush_s=0.5)
    await stage.tiles()
    await stage.owned(1)
    deck = await stage.deck()
    # What a projection that is configured no more once filled, nobody here can take back.
    await stage.broker.bucket(stage.layout.cluster).put(hold_key("redis"), pack({}))
    session = await deck.start_session(learner="ana", cast=("marta",))
    await session.end()

    receipt = await deck.erase("ana", wait_s=4)
    assert not receipt.complete
    assert receipt.projections == {"graph": "behind", "redis": "kept"}

    graph = partial(GraphProjection, EmbeddedGraph(tmp_path / "graph.lbug"))
    service = ProjectionsService(stage.connect, stage.layout, [graph])
    await service.start()
    stage._closers.append(service.stop)
    receipt = await deck.erase("ana", wait_s=60)
    assert receipt.complete
    assert receipt.projections == {"graph": "erased", "redis": "kept"}
    assert "what redis has: kept" in receipt.remains


async def agents(deck: Deck) -> set[str]:
    end = await deck.broker.log(deck.layout.checkpoints).end()
    return {row["agent"] for row in await deck.fleet.agents(after=end)}


async def test_an_agent_is_erased_with_what_the_fleet_wrote_of_it(
    stage: Stage, tmp_path: Path
) -> None:
    """The fleet's last word goes as well, and it goes on from the one before."""
    deck = await begun(stage, tmp_path / "sink" / "tiles.jsonl")
    await deck.fleet.register("ben", ["bake"])
    worker = await deck.start_session(learner="ana", kind="agent", tags=("MARKtag",))
    task = await worker.add_task("MARKtask", capabilities=["bake"])
    await worker.route(task)
    await worker.complete(task)
    await worker.end()
    await deck.fleet.register("ana", ["MARKskill"])

    receipt = await deck.erase("ana", wait_s=90)

    assert receipt.complete
    assert await everywhere(stage.broker, stage.layout, "MARK") == []
    assert in_files(stage.folder / "nats", "MARKskill") == {}
    assert await agents(deck) == {"ben"}
    await deck.fleet.register("cem", ["serve"])
    await deck.fleet.register("dora", ["serve"])
    assert await agents(deck) == {"ben", "cem", "dora"}


async def test_nobody_is_erased_by_a_client_alone(stage: Stage, tmp_path: Path) -> None:
    """Hosts obey only where the store says that the learner is to be erased, and clients cannot
    write there."""
    deck = await begun(stage, tmp_path / "sink" / "tiles.jsonl")
    session = await deck.start_session(learner="ana", cast=("marta",))
    assert await refused(session.command(EraseSession())) == "not-erasing"
    order = deck.caller.command("learner", "ana", "cmd-1", EraseLearner())
    assert await refused(order) == "not-erasing"
    await session.say("hola", to="marta")


async def test_a_busy_learner_is_erased_while_it_goes_on_and_a_host_dies(
    stage: Stage, tmp_path: Path
) -> None:
    path = tmp_path / "sink" / "tiles.jsonl"
    await stage.supervisor()
    for name in ("host-0", "host-1", "host-2"):
        stage.host_process(name, flush_s=0.5)
    await jsonl(stage, path)
    await stage.owned(3)
    deck = await stage.deck(deadline_s=40.0)
    ana = await lived(deck, "ana", "MARKana9")
    ben = await lived(deck, "ben", "MARKben9")
    before = json.dumps(await exported(deck, "ben"))
    stopping = False

    async def talking(life: Life) -> str:
        number = 0
        while not stopping:
            number += 1
            try:
                await life.sessions[2].interact(intervention=f"on and on {life.mark} {number}")
            except RefusedError as error:
                return error.reason
            await asyncio.sleep(0.005)
        return "stopped"

    talk = asyncio.create_task(talking(ana))
    await asyncio.sleep(0.5)
    erasing = asyncio.create_task(deck.erase("ana", wait_s=120))
    bucket = stage.broker.bucket(stage.layout.cluster)

    async def stage_of() -> str:
        entry = await bucket.get(erasure_key("ana"))
        return Erasure.of(entry.data).stage if entry is not None else ""

    await until(stage_of)
    stage.process("host-0").send(signal.SIGKILL)
    await until(lambda: _is(stage_of, "journal", "snapshots", "others", "done"), 60.0)
    stage.process("host-1").send(signal.SIGKILL)

    receipt = await erasing
    assert receipt.complete
    assert await talk == "session-erased"
    stopping = True
    await nothing_is_left(stage, ana, path)
    await until(lambda: _same(deck, before), 30.0, 0.5)
    await ben.sessions[2].say("still here", to="marta")


async def _is(what: Any, *those: str) -> bool:
    return await what() in those


async def _same(deck: Deck, before: str) -> bool:
    return json.dumps(await exported(deck, "ben")) == before


@pytest.mark.parametrize("when", ["blocking", "journal", "snapshots"])
async def test_server_and_supervisor_die_in_the_middle_of_it(
    stage: Stage, tmp_path: Path, when: str
) -> None:
    path = tmp_path / "sink" / "tiles.jsonl"
    supervisor = await stage.supervisor()
    for name in ("host-0", "host-1"):
        await stage.host(name, flush_s=0.5)
    await jsonl(stage, path)
    await stage.owned(2)
    deck = await stage.deck(deadline_s=40.0)
    ana = await lived(deck, "ana", "MARKana6")
    await lived(deck, "ben", "MARKben6")
    before = json.dumps(await exported(deck, "ben"))
    bucket = stage.broker.bucket(stage.layout.cluster)

    async def reached() -> bool:
        entry = await bucket.get(erasure_key("ana"))
        if entry is None:
            return False
        order = ("blocking", "waiting", "journal", "snapshots", "others", "done")
        return order.index(Erasure.of(entry.data).stage) >= order.index(when)

    erasing = asyncio.create_task(deck.erase("ana", wait_s=120))
    await until(reached, 60.0, 0.002)
    await supervisor.stop()
    await stage.server.kill()
    await stage.server.restart()
    await stage.supervisor()

    receipt = await erasing
    assert receipt.complete
    assert await everywhere(stage.broker, stage.layout, ana.mark) == []
    assert in_files(path.parent, ana.mark) == {}
    left = in_files(stage.folder / "nats", ana.mark)
    if any("the server stopped" in told for told in receipt.remains):
        # Of the one record that was being removed the server may have forgotten the bytes.
        assert sum(left.values()) <= MARKS_IN_ONE
    else:
        assert left == {}
    await until(lambda: _same(deck, before), 30.0, 0.5)


async def test_what_erases_names_nobody(stage: Stage, tmp_path: Path) -> None:
    path = tmp_path / "sink" / "tiles.jsonl"
    deck = await begun(stage, path)
    session = await deck.start_session(learner="somebody", cast=("marta",), session="s-1")
    await session.say("hola", to="marta")
    await deck.erase("somebody", wait_s=60)
    journal = stage.broker.log(stage.layout.checkpoints)
    tombstones = [
        record
        async for record in journal.read(all_checkpoints(stage.layout.ns))
        if record.subject.split(".")[4] == "s-1"
    ]
    (tombstone,) = tombstones
    assert b"somebody" not in tombstone.data
    assert "somebody" not in tombstone.subject + tombstone.headers[HEADER_COMMAND]
