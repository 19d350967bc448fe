"""The property graph in a real Neo4j server; runs where ``HOLODECK_NEO4J_URL`` names one.

It takes a namespace of its own in the database and removes it again, so a server with other data
in it will do. User and password: ``HOLODECK_NEO4J_USER``, ``HOLODECK_NEO4J_PASSWORD``.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from holodeck.actors.projections import Changes, Graph, GraphProjection, Overtaken, Projection
from holodeck.actors.projections.embedded import EmbeddedGraph
from holodeck.actors.projections.neo4j_store import Neo4jGraph
from holodeck.messages.player import LearnerErased, SessionErased
from tests.player_experience.integration.test_graph_integration import play
from tests.player_experience.journal import Dial, Projecting, Scribe, caught_up, until

# Read here: no test sees the settings of whoever runs it.
URL: Final = os.environ.get("HOLODECK_NEO4J_URL", "")
USER: Final = os.environ.get("HOLODECK_NEO4J_USER")
PASSWORD: Final = os.environ.get("HOLODECK_NEO4J_PASSWORD")

pytestmark = [
    pytest.mark.integration,
    pytest.mark.nats,
    pytest.mark.skipif(not URL, reason="HOLODECK_NEO4J_URL names no Neo4j server"),
]


@pytest.fixture
async def graph() -> AsyncIterator[Neo4jGraph]:
    opened = Neo4jGraph(URL, user=USER, password=PASSWORD, ns=f"test-{secrets.token_hex(4)}")
    try:
        await opened.open()
        yield opened
        await opened.reset("")
    finally:
        await opened.close()


def make(ns: str) -> Projection:
    graph = Neo4jGraph(URL, user=USER, password=PASSWORD, ns=ns)
    return GraphProjection(graph, {"garden": "The Garden"})


async def in_a_file(dial: Dial, path: Path, last: int) -> Graph:
    """The same journal in the embedded graph."""
    store = EmbeddedGraph(path)
    worlds = {"garden": "The Garden"}
    async with Projecting(dial, lambda: GraphProjection(store, worlds)) as service:
        await caught_up(service, last)
        return await store.dump()


async def test_neo4j_and_the_file_hold_the_same_graph(
    dial: Dial, scribe: Scribe, graph: Neo4jGraph, tmp_path: Path
) -> None:
    async with Projecting(dial, partial(make, graph._ns)) as service:
        last = await play(scribe)
        await caught_up(service, last)
        live = await graph.dump()
        service.rebuild("graph")
        await until(lambda: service.runners["graph"].rebuilds == 2)
        await caught_up(service, last)
        assert await graph.dump() == live
    assert live == await in_a_file(dial, tmp_path / "g.lbug", last)
    async with Projecting(dial, partial(make, graph._ns)) as service:
        await caught_up(service, last)
        assert service.runners["graph"].rebuilds == 0


async def test_what_is_erased_leaves_neo4j(dial: Dial, scribe: Scribe, graph: Neo4jGraph) -> None:
    await play(scribe)
    await scribe.write("session", "ana-0", SessionErased())
    last = await scribe.player("bo", LearnerErased())
    async with Projecting(dial, partial(make, graph._ns)) as service:
        await caught_up(service, last)
        found = await graph.dump()
    assert ("Session", "ana-0") not in found.nodes
    assert ("Session", "ana-1") in found.nodes
    assert not [node for node in found.nodes if "bo" in str(found.nodes[node].get("player_id", ""))]
    assert ("Player", "bo") not in found.nodes
    assert ("REPUTATION", "marta", "ana") in found.edges


async def test_of_two_writers_the_one_who_is_behind_changes_nothing(graph: Neo4jGraph) -> None:
    first, late = Changes(), Changes()
    first.node("World", "first")
    late.node("World", "late")
    await graph.write(first, "one", "")
    with pytest.raises(Overtaken):
        await graph.write(late, "two", "")
    assert set((await graph.dump()).nodes) == {("World", "first")}
    assert await graph.open() == "one"


async def test_nodes_of_others_are_shared_and_never_removed(graph: Neo4jGraph) -> None:
    shared = f"shared-{secrets.token_hex(4)}"
    theirs = Neo4jGraph(URL, user=USER, password=PASSWORD, ns=f"test-{secrets.token_hex(4)}")
    try:
        await theirs.open()
        first, second = Changes(), Changes()
        first.node("World", shared, name="Theirs")
        await theirs.write(first, "one", "")
        second.node("World", shared)
        second.node("Session", f"{shared}-s")
        second.edge("IN_WORLD", f"{shared}-s", shared)
        await graph.write(second, "one", "")
        await graph.reset("zero")
        assert (await theirs.dump()).nodes == {("World", shared): {"id": shared, "name": "Theirs"}}
    finally:
        await theirs.reset("")
        await theirs.close()
