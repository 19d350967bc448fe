"""The co-work graph: its loops after every edge, and what an edge would change."""

from __future__ import annotations

from collections.abc import Iterable

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holodeck.actors.fleet.graph import (
    Change,
    CoworkGraph,
    Link,
    betti1,
    cliques_of,
    emerges,
    filled_beta1,
    margin,
    projection_of,
    risk,
)
from holodeck.messages.codec import pack, unpack
from tests.actors.fleet.golden import GOLDEN, Edges, Golden, built, simple_graphs

LONG = settings(max_examples=100, deadline=None)
NAMES = "abcdefgh"
edges_with_time = st.lists(
    st.tuples(
        st.sampled_from(NAMES),
        st.sampled_from(NAMES),
        st.integers(0, 9),
        st.sampled_from((0.5, 1.0)),
    ).filter(lambda edge: edge[0] != edge[1]),
    max_size=40,
)


def connected(edges: Iterable[str], *, alone: str = "", multigraph: bool = False) -> CoworkGraph:
    """``connected(["ab", "bc"], alone="d")``: one letter, one name."""
    graph = CoworkGraph(multigraph=multigraph)
    for name in alone:
        graph.add(name)
    for edge in edges:
        graph.connect(edge[0], edge[1])
    return graph


TEAM = connected(["AB", "BC", "AC", "DE"], alone="ABCDEF")
"""A triangle, a pair and one alone."""


# --- loops --------------------------------------------------------------------------------------


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda one: one.name)
def test_a_known_graph_has_its_components_and_loops(golden: Golden) -> None:
    graph = built(golden.vertices, golden.edges, multigraph=golden.multigraph)

    assert (graph.vertices, graph.edges) == (golden.vertices, len(golden.edges))
    assert (graph.components, graph.beta1) == (golden.components, golden.beta1)
    assert graph.beta1 == betti1(graph.vertices, graph.edges, graph.components)


@LONG
@given(simple_graphs(12))
def test_components_and_loops_are_those_networkx_finds_after_every_edge(
    drawn: tuple[int, Edges],
) -> None:
    vertices, edges = drawn
    graph, other = built(vertices, [], multigraph=False), nx.Graph()
    other.add_nodes_from(map(str, range(vertices)))
    for a, b in edges:
        before = graph.beta1
        gained = graph.connect(str(a), str(b))
        other.add_edge(str(a), str(b))

        assert gained == graph.beta1 - before
        assert graph.beta1 == len(nx.cycle_basis(other))
    parts = {frozenset(graph.members_at(part.root)): part for part in graph.parts()}
    assert set(parts) == set(map(frozenset, nx.connected_components(other)))
    for members, part in parts.items():
        inner = other.subgraph(members)
        assert part.vertices == len(members)
        assert part.edges == inner.number_of_edges()
        assert part.beta1 == len(nx.cycle_basis(inner))
        for name in members:
            assert graph.component(name) == part
            assert graph.neighbours(name) == set(other[name])
            assert set(graph.members(name)) == members


def test_loops_and_components_are_known_edge_by_edge() -> None:
    graph, seen = CoworkGraph(), []
    for a, b in (("a", "t1"), ("b", "t1"), ("c", "t3"), ("a", "t2"), ("b", "t2"), ("c", "t1"),
                 ("b", "t3")):  # fmt: skip
        graph.connect(a, b)
        seen.append((graph.beta1, graph.components))

    assert seen == [(0, 1), (0, 1), (0, 2), (0, 2), (1, 2), (1, 1), (2, 1)]


def test_what_two_sessions_closed_adds_up_to_what_changed() -> None:
    graph, own = CoworkGraph(), {"S1": 0, "S2": 0}
    for session, agent, task in (
        ("S1", "a", "t1"),
        ("S1", "b", "t1"),
        ("S2", "c", "t3"),
        ("S2", "a", "t2"),
        ("S1", "b", "t2"),
        ("S2", "c", "t1"),
        ("S2", "b", "t3"),
    ):
        own[session] += graph.connect(agent, task)

    assert own == {"S1": 1, "S2": 1}
    assert graph.beta1 == 2


def test_a_repeated_edge_only_brings_the_first_one_up_to_date() -> None:
    graph = CoworkGraph()

    assert [graph.connect("a", "t", 5, 0.5), graph.connect("t", "a", 7, 0.2)] == [0, 0]
    assert graph.connect("a", "t", 6, 0.9) == 0
    assert list(graph.links()) == [Link("a", "t", 7, 0.9)]
    assert (graph.edges, graph.beta1) == (1, 0)


def test_a_repeated_edge_of_a_multigraph_is_a_loop_and_so_is_one_to_itself() -> None:
    graph = CoworkGraph(multigraph=True)

    assert [graph.connect("a", "t"), graph.connect("t", "a"), graph.connect("a", "a")] == [0, 1, 1]
    assert (graph.edges, graph.beta1, graph.components) == (3, 2, 1)


def test_a_simple_graph_refuses_an_edge_to_itself_and_stays_as_it_was() -> None:
    graph = CoworkGraph()

    with pytest.raises(ValueError, match="itself"):
        graph.connect("a", "a")
    assert "a" not in graph


def test_a_name_keeps_its_index() -> None:
    graph = connected(["ab", "cb"])

    assert [graph.add(name) for name in "abcd"] == [0, 1, 2, 3]
    assert [graph.index(name) for name in graph] == [0, 1, 2, 3]
    assert graph.name(2) == "c"
    assert list(graph.ends()) == [(0, 1), (2, 1)]
    with pytest.raises(KeyError):
        graph.component("nobody")


# --- what would be ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("collaborators", "expected"),
    [
        ("AB", {"C": (0, 0, 0), "D": (2, 1, -1), "E": (2, 1, -1), "F": (2, 1, -1)}),
        ("ABC", {"D": (3, 2, -1), "E": (3, 2, -1), "F": (3, 2, -1)}),
        ("AD", {"B": (1, 0, -1), "C": (1, 0, -1), "E": (1, 0, -1), "F": (2, 0, -2)}),
        ("ABD", {"C": (1, 0, -1), "E": (2, 1, -1), "F": (3, 1, -2)}),
        ("", {"A": (0, 0, 0), "F": (0, 0, 0), "nobody": (0, 0, 0)}),
        ("A", {"A": (0, 0, 0), "nobody": (1, 0, -1)}),
    ],
)
def test_each_candidate_shows_the_loops_and_silos_it_would_change(
    collaborators: str, expected: dict[str, tuple[int, int, int]]
) -> None:
    assert TEAM.projections(expected, collaborators) == [Change(*one) for one in expected.values()]
    for candidate, change in expected.items():
        assert TEAM.project(candidate, collaborators)[:3] == change


@LONG
@given(simple_graphs(8), st.lists(st.integers(0, 10), max_size=5))
def test_a_projection_is_what_happens_on_a_copy(
    drawn: tuple[int, Edges], numbers: list[int]
) -> None:
    graph = built(*drawn, multigraph=False)
    before = graph.copy()
    collaborators = [str(number) for number in numbers]  # 8 to 10 are strangers
    candidates = [str(number) for number in range(11)]
    changes = graph.projections(candidates, collaborators)
    for candidate, change in zip(candidates, changes, strict=True):
        copy = graph.copy()
        for name in (candidate, *collaborators):
            copy.add(name)
        beta1, components, edges = copy.beta1, copy.components, copy.edges
        for name in collaborators:
            if name != candidate:
                copy.connect(candidate, name)
        projected = graph.project(candidate, collaborators)

        assert change == (copy.edges - edges, copy.beta1 - beta1, copy.components - components)
        assert projected == (*change, *copy.component(candidate)[1:])
    assert graph == before


def test_a_loop_at_a_collaborator_is_no_edge_to_a_candidate() -> None:
    graph = connected(["AA", "AB", "AB"], multigraph=True)

    assert graph.projections("AB", "AB") == [Change(0, 0, 0), Change(0, 0, 0)]
    assert graph.project("A", "AB")[:3] == (0, 0, 0)
    assert graph.projections("A", "A") == [Change(0, 0, 0)]


# --- forgetting, storing, comparing -------------------------------------------------------------


@LONG
@given(edges_with_time, st.integers(0, 10), st.sets(st.sampled_from(NAMES)), st.booleans())
def test_expiring_leaves_what_a_fresh_build_of_the_younger_edges_gives(
    edges: list[tuple[str, str, int, float]], before: int, keep: set[str], multigraph: bool
) -> None:
    graph = CoworkGraph(multigraph=multigraph)
    for name in NAMES:
        graph.add(name)
    for edge in edges:
        graph.connect(*edge)
    fresh = CoworkGraph(multigraph=multigraph)
    links = list(graph.links())
    for name in keep:
        fresh.add(name)
    for link in links:
        if link.at >= before:
            fresh.connect(*link)

    gone = graph.expire(before, keep)

    assert gone == sum(link.at < before for link in links)
    assert graph == fresh
    assert graph.beta1 == fresh.beta1 == sum(part.beta1 for part in graph.parts())
    assert graph.components == fresh.components == len(list(graph.parts()))


def test_nothing_old_means_nothing_is_built_anew() -> None:
    graph = connected(["ab", "bc"])
    root = graph.root("a")

    assert graph.expire(0) == 0
    assert graph.root("a") == root


@LONG
@given(edges_with_time, st.booleans())
def test_a_dumped_graph_loads_equal_with_the_same_indexes(
    edges: list[tuple[str, str, int, float]], multigraph: bool
) -> None:
    graph = CoworkGraph(multigraph=multigraph)
    graph.add("alone")
    for edge in edges:
        graph.connect(*edge)

    loaded = CoworkGraph.load(unpack(pack(graph.dump())))

    assert loaded == graph
    assert list(loaded) == list(graph)
    assert list(loaded.links()) == list(graph.links())
    assert (loaded.beta1, loaded.components) == (graph.beta1, graph.components)


def test_a_dump_that_does_not_fit_together_is_refused() -> None:
    data = connected(["ab", "bc"]).dump()

    for wrong in ({"names": list("abca")}, {"ends": [0, 1, 1, 0]}, {"ends": [0, 0, 1, 2]},
                  {"at": [0]}, {"ends": [0, 1, 1]}):  # fmt: skip
        with pytest.raises(ValueError, match=r"twice|no time|shorter"):
            CoworkGraph.load(data | wrong)
    with pytest.raises(KeyError):
        CoworkGraph.load({})
    with pytest.raises(IndexError):
        CoworkGraph.load(data | {"ends": [0, 1, 1, 9]})


def test_graphs_are_equal_by_what_they_hold_not_by_how_they_came() -> None:
    assert connected(["ab", "bc"]) == connected(["cb", "ba"])
    assert connected(["ab"]) != connected(["ab"], alone="c")
    assert connected(["ab"]) != connected(["ab"], multigraph=True)
    assert connected(["ab", "ab"], multigraph=True) != connected(["ab"], multigraph=True)
    assert connected(["ab"]) != "ab"
    older, newer = CoworkGraph(), CoworkGraph()
    older.connect("a", "b", 1)
    newer.connect("a", "b", 2)
    assert older != newer


def test_a_copy_goes_its_own_way() -> None:
    graph = connected(["ab"])
    copy = graph.copy()
    copy.connect("b", "c")
    copy.connect("a", "c", 9)
    copy.connect("a", "b", 9)

    assert graph == connected(["ab"])
    assert copy.beta1 == 1


# --- agents and tasks ---------------------------------------------------------------------------


def test_two_agents_that_share_two_tasks_close_a_loop_only_with_the_tasks_in_it() -> None:
    incidence = [("a", "t"), ("b", "t"), ("a", "u"), ("b", "u")]
    graph = CoworkGraph()

    assert sum(graph.connect(agent, task) for agent, task in incidence) == 1
    assert projection_of(incidence).beta1 == 0


def test_three_agents_on_one_task_close_no_hole() -> None:
    incidence = [(agent, "t") for agent in "abc"]
    bipartite, both = CoworkGraph(), projection_of(incidence)
    for agent, task in incidence:
        bipartite.connect(agent, task)
        both.connect(agent, task)

    assert bipartite.beta1 == 0
    assert both.beta1 == 3
    assert projection_of(incidence).beta1 == 1
    assert filled_beta1(cliques_of(incidence)) == 0


def test_an_agent_alone_on_a_task_is_in_the_projection() -> None:
    projection = projection_of([("a", "t"), ("b", "u")])

    assert sorted(projection) == ["a", "b"]
    assert projection.components == 2


@pytest.mark.parametrize(
    ("cliques", "holes"),
    [
        ([], 0),
        (["a"], 0),
        (["ab", "bc", "ca"], 1),
        (["ab", "bc", "ca", "abc"], 0),
        (["abcdefg"], 0),
        (["abc", "cde", "efa"], 1),
        (["abc", "bcd", "cda", "dab"], 0),
        (["abx", "bcx", "cdx", "dax"], 0),
        (["ab", "bc", "cd", "da", "ef", "fg", "ge"], 2),
        (["abcd", "cdef", "efab"], 1),
    ],
)
def test_holes_are_loops_that_no_shared_task_fills(cliques: list[str], holes: int) -> None:
    assert filled_beta1(cliques) == holes


@LONG
@given(st.lists(st.tuples(st.sampled_from("abcde"), st.sampled_from("tuvwx")), max_size=18))
def test_agents_and_tasks_have_the_same_holes(incidence: list[tuple[str, str]]) -> None:
    turned = [(task, agent) for agent, task in incidence]

    assert filled_beta1(cliques_of(incidence)) == filled_beta1(cliques_of(turned))


# --- thresholds ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("vertices", "edges", "components", "loops"),
    [
        (0, 0, 0, 0), (5, 5, 1, 1), (5, 10, 1, 6), (3, 3, 1, 1), (4, 5, 1, 2), (4, 3, 1, 0),
        (4, 6, 1, 3), (12, 66, 1, 55), (10, 10, 1, 1), (7, 3, 5, 1), (5, 0, 5, 0),
    ],
)  # fmt: skip
def test_loops_are_edges_less_vertices_plus_components(
    vertices: int, edges: int, components: int, loops: int
) -> None:
    assert betti1(vertices, edges, components) == loops


@pytest.mark.parametrize("figures", [(5, 0, 1), (2, 3, 3), (0, 0, 1), (1, 0, 0), (3, -1, 3)])
def test_figures_that_no_graph_has_are_an_error(figures: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="no graph"):
        betti1(*figures)


@pytest.mark.parametrize(
    ("h1", "vertices", "offset", "expected"),
    [
        (3, 4, -2.0, True), (4, 4, -2.0, True), (3, 4, 0.0, False), (4, 4, 0.0, False),
        (2, 4, -2.0, False), (0, 1, -2.0, False), (1, 2, -2.0, False), (1, 3, -2.0, False),
        (2, 3, -2.0, True), (2, 4, -2.07, True), (1, 3, -2.0 + 14 * 0.07 - 0.98, False),
    ],
)  # fmt: skip
def test_a_team_emerges_above_its_threshold(
    h1: int, vertices: int, offset: float, expected: bool
) -> None:
    assert emerges(h1, vertices, offset) is expected


def test_two_teams_apart_emerge_each_and_not_together() -> None:
    golden = next(one for one in GOLDEN if one.name == "two K4 apart")
    graph = built(golden.vertices, golden.edges, multigraph=False)

    assert not emerges(graph.beta1, graph.vertices)
    assert [emerges(part.beta1, part.vertices) for part in graph.parts()] == [True, True]


@pytest.mark.parametrize(
    ("over", "expected"),
    [(-3, 0.0), (0, 0.0), (0.07, 0.3), (1, 0.3), (1.5, 0.6), (2, 0.6), (2.1, 0.9), (9, 0.9)],
)
def test_risk_rises_in_steps(over: float, expected: float) -> None:
    assert risk(over) == expected


def test_many_learned_steps_do_not_push_a_margin_over_an_edge() -> None:
    offset = -2.0
    for _ in range(100):
        offset -= 0.07
    assert risk(margin(2, 10, offset)) == 0.3, "1 over, and no trace of rounding"
