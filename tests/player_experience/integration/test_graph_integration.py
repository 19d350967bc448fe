"""The property graph in a real file, from a journal in a real nats-server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import ladybug
import pytest

import holodeck
from holodeck.actors.projections import (
    Changes,
    Graph,
    GraphProjection,
    Overtaken,
    Projection,
    ProjectionsService,
    Standing,
    StoreDown,
)
from holodeck.actors.projections.embedded import EmbeddedGraph
from holodeck.broker import EmbeddedServer
from holodeck.config import load_settings
from holodeck.messages.npc import NpcDescribed
from holodeck.messages.player import (
    Background,
    Character,
    CharacterPut,
    CharacterRemoved,
    LearnerErased,
    SessionErased,
)
from holodeck.messages.session import SessionKind, SessionPaused
from tests.conftest import ROOT
from tests.player_experience.journal import (
    Dial,
    Projecting,
    Scribe,
    caught_up,
    ended,
    moved,
    started,
    turn,
    until,
)

pytestmark = [pytest.mark.integration, pytest.mark.nats]


def make(path: Path) -> Projection:
    return GraphProjection(EmbeddedGraph(path), {"garden": "The Garden"})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "graph" / "players.lbug"


@pytest.fixture
async def graph(file: Path) -> AsyncIterator[EmbeddedGraph]:
    opened = EmbeddedGraph(file)
    await opened.open()
    yield opened
    await opened.close()


async def dump_of(service: ProjectionsService) -> Graph:
    projection = service.runners["graph"].projection
    assert isinstance(projection, GraphProjection)
    return await projection.graph.dump()


async def rebuilt(service: ProjectionsService, sequence: int) -> Graph:
    runner = service.runners["graph"]
    before = runner.rebuilds
    service.rebuild("graph")
    await until(lambda: runner.rebuilds == before + 1)
    await caught_up(service, sequence)
    return await dump_of(service)


def bytes_with(folder: Path, marker: bytes) -> list[str]:
    return [
        path.name for path in folder.rglob("*") if path.is_file() and marker in path.read_bytes()
    ]


async def play(scribe: Scribe) -> int:
    """Two players, their characters and sessions, and two NPCs; the last sequence."""
    for player in ("ana", "bo"):
        name = {"ana": "Nova", "bo": "Kim"}[player]
        hero = Character(character_id="hero", name=name, background=Background(name=name))
        await scribe.player(player, CharacterPut(character=hero))
        for n in range(3):
            session = f"{player}-{n}"
            await scribe.session(
                session, started(player, character="hero", world="garden"), learner=player
            )
            for k in range(1, 4):
                await scribe.session(
                    session, turn(k), moved(0.1 * k - 0.15), learner=player, npc="marta"
                )
            await scribe.session(session, moved(-0.2, "joe"), learner=player, npc="joe")
            await scribe.session(session, ended() if n else SessionPaused(), learner=player)
    return await scribe.write("npc", "marta", NpcDescribed(name="Marta"), npc="marta")


# --- what is in it ----------------------------------------


async def test_the_relations_are_those_that_were_promised(
    dial: Dial, scribe: Scribe, file: Path
) -> None:
    last = await play(scribe)
    async with Projecting(dial, partial(make, file)) as service:
        await caught_up(service, last)
        graph = await dump_of(service)
    assert graph.nodes["Player", "ana"] == {"id": "ana"}
    assert graph.nodes["World", "garden"] == {"id": "garden", "name": "The Garden"}
    assert graph.nodes["NPC", "marta"] == {"id": "marta", "name": "Marta"}
    hero = graph.nodes["Character", "ana/hero"]
    assert (hero["id"], hero["name"], hero["player_id"]) == ("hero", "Nova", "ana")
    session = graph.nodes["Session", "ana-1"]
    assert (session["status"], session["kind"]) == ("completed", "conversation")
    assert (session["player_id"], session["interaction_count"]) == ("ana", 3)
    assert graph.nodes["Session", "ana-0"]["status"] == "paused"
    for n in range(3):
        assert ("HAS_SESSION", "ana", f"ana-{n}") in graph.edges
        assert ("USES_CHARACTER", f"ana-{n}", "ana/hero") in graph.edges
        assert ("IN_WORLD", f"ana-{n}", "garden") in graph.edges
    assert graph.edges["REPUTATION", "joe", "ana"]["standing"] == -0.5  # it goes no lower
    assert graph.edges["REPUTATION", "marta", "bo"]["standing"] == pytest.approx(0.45)


async def test_others_read_the_file_while_it_is_written(
    dial: Dial, scribe: Scribe, file: Path
) -> None:
    last = await play(scribe)
    async with Projecting(dial, partial(make, file)) as service:
        await caught_up(service, last)
        query = (
            "MATCH (p:Player {id: 'ana'})-[:HAS_SESSION]->(s)-[:IN_WORLD]->(w) "
            "RETURN s.id, w.name ORDER BY s.id"
        )
        program = (
            "import sys, ladybug; database = ladybug.Database(sys.argv[1], read_only=True); "
            "print(ladybug.Connection(database).execute(sys.argv[2]).get_all())"
        )
        found = subprocess.run(  # noqa: ASYNC221 - the service waits meanwhile
            [sys.executable, "-c", program, str(file), query],
            capture_output=True, text=True, timeout=30, check=True,
        )  # fmt: skip
    assert found.stdout.strip() == str([[f"ana-{n}", "The Garden"] for n in range(3)])


async def test_agents_are_no_players(dial: Dial, scribe: Scribe, file: Path) -> None:
    begun = started("forge", session_kind=SessionKind.AGENT)
    await scribe.session("a1", begun, learner="forge")
    last = await scribe.session("a1", moved(0.2, "mill"), learner="forge", npc="mill")
    async with Projecting(dial, partial(make, file)) as service:
        await caught_up(service, last)
        graph = await dump_of(service)
    assert set(graph.nodes) == {("Session", "a1")}
    assert not graph.edges


# --- again and again ----------------------------------------


async def test_a_rebuild_gives_the_same_graph(dial: Dial, scribe: Scribe, file: Path) -> None:
    async with Projecting(dial, partial(make, file)) as service:
        last = await play(scribe)  # while it runs
        await caught_up(service, last)
        live = await dump_of(service)
        assert await rebuilt(service, last) == live
        assert live.edges


async def test_a_service_that_is_restarted_moves_no_standing_twice(
    dial: Dial, scribe: Scribe, file: Path
) -> None:
    await scribe.session("s1", started())
    last = 0
    for n in range(5):
        async with Projecting(dial, partial(make, file)) as service:
            last = await scribe.session("s1", turn(n + 1), moved(0.1), npc="marta")
            if n % 2:
                await caught_up(service, last)
    async with Projecting(dial, partial(make, file)) as service:
        await caught_up(service, last)
        assert service.runners["graph"].rebuilds == 0
        live = await dump_of(service)
        assert live.edges["REPUTATION", "marta", "ana"]["standing"] == 0.5
        assert await rebuilt(service, last) == live


async def test_a_lost_file_is_filled_anew(dial: Dial, scribe: Scribe, file: Path) -> None:
    last = await play(scribe)
    async with Projecting(dial, partial(make, file)) as service:
        await caught_up(service, last)
        before = await dump_of(service)
    for path in file.parent.iterdir():
        path.unlink()
    async with Projecting(dial, partial(make, file)) as service:
        await caught_up(service, last)
        assert await dump_of(service) == before


def _of_another_version(file: Path) -> None:
    with file.open("r+b") as broken:
        broken.seek(4)
        broken.write(b"\xff\xff\xff\xff")


def _cut_short(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def _with_a_broken_log(file: Path) -> None:
    file.with_name(file.name + ".wal").write_bytes(b"rubbish" * 100)


HARMS = {"version": _of_another_version, "cut": _cut_short, "log": _with_a_broken_log}


@pytest.mark.parametrize("harm", HARMS)
async def test_a_file_that_cannot_be_read_is_put_aside_and_made_anew(
    dial: Dial, scribe: Scribe, file: Path, harm: str
) -> None:
    last = await play(scribe)
    async with Projecting(dial, partial(make, file)) as service:
        await caught_up(service, last)
        before = await dump_of(service)
    HARMS[harm](file)
    aside = file.with_name(file.name + ".unreadable")
    async with Projecting(dial, partial(make, file)) as service:
        await caught_up(service, last)
        assert await dump_of(service) == before
        assert aside.exists()
        # It may hold what somebody wants forgotten.
        await caught_up(service, await scribe.player("bo", LearnerErased()))
        assert not aside.exists()


@pytest.fixture
def photo(file: Path) -> Iterator[Path]:
    content = b"a photo" * 1000
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    yield file
    assert file.read_bytes() == content


async def test_a_file_that_is_no_graph_is_left_alone(
    dial: Dial, scribe: Scribe, photo: Path
) -> None:
    async with Projecting(dial, partial(make, photo)) as service:
        runner = service.runners["graph"]
        await until(lambda: runner.state == "waiting")
        assert "not a valid" in runner.error
        service.rebuild("graph")
        await until(lambda: runner.state == "waiting")


async def test_a_file_that_another_process_writes_is_waited_for(
    dial: Dial, scribe: Scribe, file: Path
) -> None:
    last = await play(scribe)
    file.parent.mkdir(parents=True)
    holding = (
        "import sys, ladybug; database = ladybug.Database(sys.argv[1]); "
        "connection = ladybug.Connection(database); print('held', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(  # noqa: ASYNC220 - it is talked to line by line
        [sys.executable, "-c", holding, str(file)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "held"
        async with Projecting(dial, partial(make, file)) as service:
            runner = service.runners["graph"]
            await until(lambda: runner.state == "waiting")
            assert "lock" in runner.error.lower()
            process.kill()
            process.wait()
            await caught_up(service, last)


async def test_a_file_with_tables_of_others_is_left_alone(
    dial: Dial, scribe: Scribe, file: Path
) -> None:
    file.parent.mkdir(parents=True)
    database = ladybug.Database(str(file))
    connection = ladybug.Connection(database)
    connection.execute("CREATE NODE TABLE Recipe(id STRING PRIMARY KEY)")
    connection.close()
    database.close()
    async with Projecting(dial, partial(make, file)) as service:
        runner = service.runners["graph"]
        await until(lambda: runner.state == "waiting")
        assert "HOLODECK_GRAPH_PATH" in runner.error
        service.rebuild("graph")
        await until(lambda: runner.state == "waiting")
    database = ladybug.Database(str(file))
    found = ladybug.Connection(database).execute("CALL show_tables() RETURN name")
    assert isinstance(found, ladybug.QueryResult)
    assert found.get_all() == [["Recipe"]]
    database.close()


# --- erasure ----------------------------------------


async def test_what_is_erased_leaves_the_graph_and_its_file(
    dial: Dial, scribe: Scribe, file: Path
) -> None:
    name = "Zubenelgenubi"
    marked = Character(character_id="hero", name=name, background=Background(name=name))
    async with Projecting(dial, partial(make, file)) as service:
        await play(scribe)
        await scribe.player("MARKER", CharacterPut(character=marked))
        begun = started("MARKER", character="hero", world="garden")
        await scribe.session("m1", begun, learner="MARKER")
        await scribe.session("m2", begun, learner="MARKER")
        last = await scribe.session("m1", turn(1), moved(0.3), learner="MARKER", npc="marta")
        await caught_up(service, last)
        assert bytes_with(file.parent, b"MARKER")
        await caught_up(service, await scribe.write("session", "m1", SessionErased()))
        assert ("Session", "m1") not in (await dump_of(service)).nodes
        last = await scribe.player("MARKER", LearnerErased())
        await caught_up(service, last)
        graph = await dump_of(service)
        assert "MARKER" not in str(graph)
        assert bytes_with(file.parent, b"MARKER") == []
        assert bytes_with(file.parent, name.encode()) == []
        assert ("REPUTATION", "marta", "ana") in graph.edges
        assert ("NPC", "marta") in graph.nodes
        last = await scribe.session("n1", started("neu"), learner="neu")
        await caught_up(service, last)
        assert ("HAS_SESSION", "neu", "n1") in (await dump_of(service)).edges
    assert bytes_with(file.parent, b"MARKER") == []


async def test_a_character_that_is_not_played_any_more_stays(
    dial: Dial, scribe: Scribe, file: Path
) -> None:
    async with Projecting(dial, partial(make, file)) as service:
        await play(scribe)
        await caught_up(service, await scribe.player("ana", CharacterRemoved(character="hero")))
        graph = await dump_of(service)
    assert graph.nodes["Character", "ana/hero"]["active"] is False
    assert graph.nodes["Character", "bo/hero"]["active"] is True


# --- the adapter ----------------------------------------


async def test_of_two_writers_the_one_who_is_behind_changes_nothing(graph: EmbeddedGraph) -> None:
    changes = Changes()
    changes.node("Player", "ana")
    await graph.write(changes, "one", "")
    late = Changes()
    late.node("Player", "bo")
    with pytest.raises(Overtaken):
        await graph.write(late, "two", "")
    assert set((await graph.dump()).nodes) == {("Player", "ana")}
    await graph.write(late, "two", "one")
    assert await graph.open() == "two"


async def test_what_the_graph_cannot_take_changes_nothing(graph: EmbeddedGraph) -> None:
    wrong = Changes()
    wrong.node("Player", "ana")
    wrong.node("Session", "s1", no_such_property="x")
    with pytest.raises(StoreDown, match="no_such_property"):
        await graph.write(wrong, "one", "")
    assert not (await graph.dump()).nodes
    assert await graph.open() is None


async def test_standings_are_read_of_those_who_have_met(graph: EmbeddedGraph) -> None:
    told = Standing(0.25, "2027-01-15T08:00:00.000Z", True, 7)
    changes = Changes()
    changes.edge("REPUTATION", "marta", "ana", **told._asdict())
    await graph.write(changes, "one", "")
    found = await graph.standings([("marta", "ana"), ("marta", "bo"), ("joe", "ana")])
    assert found == {("marta", "ana"): told}


async def test_a_place_is_kept_over_a_reset_and_a_reset_leaves_nothing(
    graph: EmbeddedGraph,
) -> None:
    changes = Changes()
    changes.edge("REPUTATION", "marta", "ana")
    await graph.write(changes, "one", "")
    await graph.reset("zero")
    assert await graph.open() == "zero"
    assert not (await graph.dump()).nodes


_WRITER = """
import asyncio, sys
from holodeck.actors.projections import Changes
from holodeck.actors.projections.embedded import EmbeddedGraph

async def main() -> None:
    graph = EmbeddedGraph(sys.argv[1])
    place = await graph.open() or "0"
    for n in range(int(place) + 1, 1_000_000):
        changes = Changes()
        changes.node("Session", f"s{n}", player_id=f"p{n % 7}", sequence=n)
        changes.edge("HAS_SESSION", f"p{n % 7}", f"s{n}")
        if n % 50 == 0:
            changes.remove("Session", f"s{n - 25}")
        await graph.write(changes, str(n), "" if n == 1 else str(n - 1))
        print(n, flush=True)

asyncio.run(main())
"""


async def test_a_writer_that_is_killed_leaves_data_and_place_together(file: Path) -> None:
    process = subprocess.Popen(  # noqa: ASYNC220 - nothing else runs here
        [sys.executable, "-c", _WRITER, str(file)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline(), "the writer did not begin"
        time.sleep(0.8)  # noqa: ASYNC251 - nothing else runs here
        process.send_signal(signal.SIGKILL)
        told = [int(line) for line in process.stdout.read().split()]
    opened = EmbeddedGraph(file)
    place = int(await opened.open() or "0")
    graph = await opened.dump()
    await opened.close()
    # What was answered for is there; what the place says is there and no more.
    assert not told or place >= told[-1]
    expected = {("Session", f"s{n}") for n in range(1, place + 1) if n % 50 != 25 or n + 25 > place}
    assert {node for node in graph.nodes if node[0] == "Session"} == expected
    assert len(graph.edges) == len(expected)


# --- in a whole runtime ----------------------------------------


async def test_a_runtime_keeps_its_graph_by_a_standing_that_is_the_npcs_own(
    tmp_path: Path,
) -> None:
    settings = load_settings(graph="embedded", graph_path=tmp_path / "g.lbug", partitions=4)
    runtime = holodeck.local(tmp_path / "state", settings=settings)
    async with runtime as deck:
        session = await deck.start_session(learner="ana", session="s1", persona="lisbon-tiles")
        npc = next(iter((await session.state()).talk.standings))  # type: ignore[union-attr]
        await session.take_turn("Olá, bom dia", to=npc)
        await session.reputation(npc, 0.35)
        await session.reputation(npc, -0.1)
        await session.end()
        newest = await deck.broker.log(deck.layout.checkpoints).last(f"{deck.ns}.checkpoint.>")
        assert newest is not None
        await deck.projected(newest.sequence, "graph", seconds=15)
        relation = (await deck.npc(npc).brief("ana", after=newest.sequence)).relation
        graph = await dump_of(runtime.projections)
    assert ("IN_WORLD", "s1", "lisbon-tiles") in graph.edges
    assert graph.edges["REPUTATION", npc, "ana"]["standing"] == relation.reputation
    assert graph.nodes["Session", "s1"]["status"] == "completed"


async def test_a_broker_that_is_killed_and_comes_back_loses_nothing(
    dial: Dial, scribe: Scribe, file: Path, nats: EmbeddedServer
) -> None:
    async with Projecting(dial, partial(make, file)) as service:
        await caught_up(service, await play(scribe))
        await nats.kill()
        await nats.start()
        await until(lambda: scribe.broker.connected)
        await scribe.session("ana-9", started("ana"), learner="ana")
        await scribe.session("ana-9", moved(0.1), learner="ana", npc="marta")
        last = await scribe.session("ana-9", ended(), learner="ana")
        await caught_up(service, last, 30)
        assert service.runners["graph"].rebuilds == 1  # the one that began it
        live = await dump_of(service)
        assert ("HAS_SESSION", "ana", "ana-9") in live.edges
        assert await rebuilt(service, last) == live
