"""The pebble game against the rank of the rigidity matrix at random points modulo a prime."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import Final

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from holodeck.actors.fleet.graph import CoworkGraph
from holodeck.actors.fleet.rigidity import Bracing, Group, Rigidity, analyse, freedom, play
from tests.actors.fleet.golden import (
    GOLDEN,
    K4,
    K4_APART,
    Edges,
    Golden,
    bipartite,
    built,
    complete,
    cycle,
    path,
    simple_graphs,
)

P: Final = 2**61 - 1
LONG = settings(max_examples=60, deadline=None)


def matrix_rank(vertices: int, edges: Iterable[tuple[int, int]], seed: int = 1) -> int:
    """Rank mod P of the matrix whose row of an edge uv holds p(u) - p(v) at u, p(v) - p(u) at v.

    At random points it is the generic rank but for a chance of about 2V / P (Schwartz-Zippel).
    """
    chance = random.Random(seed)
    points = [(chance.randrange(P), chance.randrange(P)) for _ in range(vertices)]
    pivots: dict[int, dict[int, int]] = {}
    for u, v in edges:
        row: dict[int, int] = {}
        for axis in (0, 1):
            step = (points[u][axis] - points[v][axis]) % P
            if step:
                row[2 * u + axis], row[2 * v + axis] = step, P - step
        while row:
            at = min(row)
            if at not in pivots:
                inverse = pow(row[at], -1, P)
                pivots[at] = {column: value * inverse % P for column, value in row.items()}
                break
            times = row[at]
            for column, value in pivots[at].items():
                left = (row.get(column, 0) - times * value) % P
                if left:
                    row[column] = left
                else:
                    del row[column]
    return len(pivots)


def played(vertices: int, edges: Iterable[tuple[int, int]]) -> Rigidity:
    game = Rigidity(vertices)
    for u, v in edges:
        game.insert(u, v)
    return game


def inside(edges: Iterable[tuple[int, int]], vertices: Sequence[int]) -> Edges:
    """The edges that belong to a group."""
    if len(vertices) == 1:
        return [(u, v) for u, v in edges if u == v == vertices[0]]
    return [(u, v) for u, v in edges if u != v and u in vertices and v in vertices]


@st.composite
def hinged_graphs(draw: st.DrawFn) -> tuple[int, Edges]:
    """Up to 40 vertices: bodies that overlap or hang together, and bars across; in any order."""
    chance = draw(st.randoms(use_true_random=False))
    vertices = draw(st.integers(8, 40))
    size = draw(st.integers(3, 7))
    edges = set[tuple[int, int]]()
    start = 0
    while start + size <= vertices:
        body = complete(*range(start, start + size))
        edges |= set(chance.sample(body, min(len(body), 2 * size - 3 + chance.randint(-1, 1))))
        start += chance.randint(max(1, size - 2), size)
    bars = complete(*range(vertices))
    edges |= set(chance.sample(bars, chance.randint(0, vertices // 2)))
    ordered = sorted(edges)
    chance.shuffle(ordered)
    return vertices, ordered


some_graph = simple_graphs() | hinged_graphs()


# --- known graphs -------------------------------------------------------------------------------


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda one: one.name)
def test_a_known_graph_has_its_rank_freedom_and_redundancy(golden: Golden) -> None:
    game = play(built(golden.vertices, golden.edges, multigraph=golden.multigraph))

    assert (game.rank, game.dof, game.redundant) == (golden.rank, golden.dof, golden.redundant)
    assert game.rigid == (golden.dof == 0)
    assert game.minimally_rigid == (golden.dof == golden.redundant == 0)
    assert matrix_rank(golden.vertices, golden.edges) == golden.rank


def test_an_edge_is_redundant_only_when_its_ends_are_rigid_already() -> None:
    game = Rigidity(4)

    assert [game.insert(u, v) for u, v in K4] == [True] * 5 + [False]
    assert not game.insert(0, 1), "a repeated edge"
    assert not game.insert(2, 2), "a self loop"
    assert (game.rank, game.redundant) == (5, 3)


def test_a_vertex_that_is_not_there_is_an_error() -> None:
    game = Rigidity(2)
    for u, v in ((0, 2), (-1, 0), (5, 5)):
        with pytest.raises(IndexError):
            game.insert(u, v)
    assert game.add() == 2
    assert game.insert(0, 2)


@pytest.mark.parametrize(("vertices", "dof"), [(0, 0), (1, 0), (2, 1), (3, 3), (10, 17)])
def test_without_edges_all_but_the_motion_of_the_whole_is_free(vertices: int, dof: int) -> None:
    assert freedom(vertices, 0) == Rigidity(vertices).dof == dof


# --- against the matrix -------------------------------------------------------------------------


@LONG
@given(some_graph)
def test_each_edge_is_independent_iff_it_raises_the_rank_of_the_matrix(
    drawn: tuple[int, Edges],
) -> None:
    vertices, edges = drawn
    game = Rigidity(vertices)
    independent: Edges = []
    for edge in edges:
        expected = matrix_rank(vertices, [*independent, edge]) > len(independent)
        if expected:
            independent.append(edge)

        assert game.insert(*edge) is expected
    assert game.rank == matrix_rank(vertices, edges, seed=2)
    assert game.rank + game.redundant == len(edges)


@LONG
@given(simple_graphs(9))
def test_two_vertices_are_in_one_component_iff_a_bar_between_them_adds_nothing(
    drawn: tuple[int, Edges],
) -> None:
    vertices, edges = drawn
    game = played(vertices, edges)
    rank, components = game.rank, game.components()
    for u, v in complete(*range(vertices)):
        rigid = matrix_rank(vertices, [*edges, (u, v)]) == rank

        assert sum(u in one and v in one for one in components) == rigid


@LONG
@given(simple_graphs(9), st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=2))
def test_an_edge_is_in_an_overbraced_group_iff_the_rank_is_the_same_without_it(
    drawn: tuple[int, Edges], more: Edges
) -> None:
    vertices, edges = drawn
    edges = edges + [(u, v) for u, v in more if max(u, v) < vertices]
    game = played(vertices, edges)
    groups = game.overbraced()

    for place, edge in enumerate(edges):
        without = edges[:place] + edges[place + 1 :]
        spare = matrix_rank(vertices, without) == game.rank
        assert sum(edge in inside(edges, group.vertices) for group in groups) == spare
    assert sum(group.redundant for group in groups) == game.redundant
    for group in groups:
        needed = max(0, 2 * len(group.vertices) - 3)
        assert len(inside(edges, group.vertices)) == needed + group.redundant


@LONG
@given(simple_graphs(7))
def test_a_group_is_connected_by_circuits(drawn: tuple[int, Edges]) -> None:
    vertices, edges = drawn
    for group in played(vertices, edges).overbraced():
        own = inside(edges, group.vertices)
        # A matroid falls apart iff some cut of its elements has ranks that add up.
        circuits = [
            {edge for edge in own if matrix_rank(vertices, _less(basis, edge, extra)) == len(basis)}
            for basis in [_basis(vertices, own)]
            for extra in own
            if extra not in basis
        ]
        together = circuits.pop()
        while met := [circuit for circuit in circuits if circuit & together]:
            together = together.union(*met)
            circuits = [circuit for circuit in circuits if circuit not in met]

        assert together == set(own)


def _basis(vertices: int, edges: Edges) -> Edges:
    found: Edges = []
    for edge in edges:
        if matrix_rank(vertices, [*found, edge]) > len(found):
            found.append(edge)
    return found


def _less(basis: Edges, edge: tuple[int, int], extra: tuple[int, int]) -> Edges:
    """The basis and ``extra`` without ``edge``: still a basis iff it is in extra's circuit."""
    return [one for one in [*basis, extra] if one != edge]


# --- whatever the order -------------------------------------------------------------------------


@LONG
@given(some_graph, st.randoms(use_true_random=False))
def test_rank_components_and_groups_do_not_depend_on_the_order(
    drawn: tuple[int, Edges], chance: random.Random
) -> None:
    vertices, edges = drawn
    one = played(vertices, edges)
    chance.shuffle(edges)
    other = played(vertices, [(v, u) for u, v in edges])

    assert (one.rank, one.redundant) == (other.rank, other.redundant)
    assert one.components() == other.components()
    assert one.overbraced() == other.overbraced()


@LONG
@given(some_graph, st.data())
def test_a_gain_is_what_happens_on_a_copy_and_changes_nothing(
    drawn: tuple[int, Edges], data: st.DataObject
) -> None:
    vertices, edges = drawn
    assume(vertices > 1)
    numbers = st.integers(0, vertices - 1)
    candidate = data.draw(numbers)
    others = data.draw(st.lists(numbers, max_size=5))
    later = data.draw(st.lists(st.tuples(numbers, numbers), max_size=6))
    game, copy = played(vertices, edges), played(vertices, edges).copy()

    assert game.gain(candidate, others) == sum(
        copy.insert(candidate, other) for other in dict.fromkeys(others) if other != candidate
    )
    untouched = played(vertices, edges)
    for u, v in later:
        assert game.insert(u, v) == untouched.insert(u, v)
    assert game.components() == untouched.components()
    assert game.overbraced() == untouched.overbraced()


def test_a_copy_goes_its_own_way() -> None:
    game = played(4, cycle(0, 1, 2, 3))
    copy = game.copy()
    copy.insert(0, 2)
    copy.insert(1, 3)

    assert (game.rank, game.dof, len(game.components())) == (4, 1, 4)
    assert (copy.rank, copy.redundant, copy.components()) == (5, 1, [(0, 1, 2, 3)])


@pytest.mark.parametrize(
    ("others", "rank", "redundant"), [("AB", 2, 0), ("ABC", 2, 1), ("D", 1, 0)]
)
def test_who_joins_a_rigid_team_is_held_by_two_links(
    others: str, rank: int, redundant: int
) -> None:
    graph = CoworkGraph()
    for a, b in ("AB", "BC", "AC", "DE"):
        graph.connect(a, b)
    newcomer = graph.add("F")
    game = play(graph)

    assert game.gain(newcomer, map(graph.index, others)) == rank
    assert graph.project("F", others).new_edges - rank == redundant


# --- parts --------------------------------------------------------------------------------------


def test_bodies_share_hinges_and_a_lone_bar_is_one() -> None:
    game = played(8, cycle(0, 1, 2) + cycle(2, 3, 4) + [(4, 5)])

    assert game.components() == [(0, 1, 2), (2, 3, 4), (4, 5)]
    assert game.overbraced() == []


def test_one_bar_can_make_a_ring_of_bodies_rigid() -> None:
    ring = cycle(0, 1, 2) + cycle(2, 3, 4) + cycle(4, 5, 6) + cycle(6, 7, 0)
    game = played(8, ring)
    assert len(game.components()) == 4
    assert game.dof == 1

    assert game.insert(0, 4)

    assert game.components() == [tuple(range(8))]
    assert game.minimally_rigid


def test_a_vertex_passed_over_in_the_largest_part_is_looked_at_once_there_is_a_larger() -> None:
    edges = [
        (14, 16), (16, 17), (5, 8), (0, 4), (1, 3), (21, 22), (11, 12), (18, 19), (3, 6), (3, 8),
        (4, 21), (9, 14), (2, 11), (3, 5), (2, 3), (3, 7), (11, 24), (0, 1), (5, 6), (0, 2),
        (15, 16), (4, 20), (3, 9), (2, 12), (4, 22), (1, 2), (14, 15), (20, 21), (6, 7), (1, 18),
        (1, 4), (9, 15), (23, 24), (3, 10), (2, 13), (1, 19), (12, 13), (9, 17), (5, 9), (11, 22),
        (0, 10), (13, 19), (18, 24), (9, 11), (1, 16), (14, 20), (7, 24),
    ]  # fmt: skip
    game = played(25, edges)

    assert game.rank == matrix_rank(25, edges)
    for u, v in edges:
        assert sum(u in one and v in one for one in game.components()) == 1
    for u, v in complete(*range(25)):
        rigid = matrix_rank(25, [*edges, (u, v)]) == game.rank
        assert sum(u in one and v in one for one in game.components()) == rigid


def test_a_rigid_component_can_hold_two_groups_and_bars_of_neither() -> None:
    edges = K4 + K4_APART + [(0, 4), (1, 5), (2, 6)]
    game = played(8, edges)

    assert game.components() == [tuple(range(8))]
    assert game.overbraced() == [Group((0, 1, 2, 3), 1), Group((4, 5, 6, 7), 1)]


def test_one_bar_too_many_makes_one_group_of_what_it_spans() -> None:
    edges = K4 + K4_APART + [(0, 4), (1, 5), (2, 6), (3, 7)]

    assert played(8, edges).overbraced() == [Group(tuple(range(8)), 3)]


def test_groups_may_share_a_vertex_and_a_loop_stands_alone() -> None:
    edges = [*K4, *complete(3, 4, 5, 6), (3, 3), (3, 3), (7, 8), (8, 7)]

    assert played(9, edges).overbraced() == [
        Group((0, 1, 2, 3), 1),
        Group((3,), 2),
        Group((3, 4, 5, 6), 1),
        Group((7, 8), 1),
    ]


def test_each_component_of_a_graph_has_its_own_figures() -> None:
    graph = CoworkGraph()
    graph.add("z")
    for a, b in ("ab", "ac", "ad", "bc", "bd", "cd", "de", "xy"):
        graph.connect(a, b)

    team, pair, alone = analyse(graph)

    assert team == Bracing(
        tuple("abcde"), 5, 7, 3, 6, 1, 1, (tuple("abcd"), ("d", "e")), (tuple("abcd"),)
    )
    assert not team.rigid
    assert pair == Bracing(("x", "y"), 2, 1, 0, 1, 0, 0, (("x", "y"),), ())
    assert pair.minimally_rigid
    assert alone == Bracing(("z",), 1, 0, 0, 0, 0, 0, (), ())


@LONG
@given(some_graph)
def test_the_figures_of_the_components_are_those_of_each_alone(
    drawn: tuple[int, Edges],
) -> None:
    graph = built(*drawn, multigraph=False)
    game = play(graph)
    found = analyse(graph, game)

    assert sum(one.rank for one in found) == game.rank
    assert sum(one.redundant for one in found) == game.redundant
    assert len(found) == graph.components
    for one in found:
        alone = CoworkGraph()
        for name in one.members:
            alone.add(name)
        for link in graph.links():
            if link.a in alone:
                alone.connect(*link)
        assert analyse(alone) == [one]


# --- large ones ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("vertices", "edges", "bodies", "dof", "redundant"),
    [
        (3001, bipartite(1, 3000), 3000, 2999, 0),
        (3002, bipartite(2, 3000), 6000, 1, 0),
        (3002, [*bipartite(2, 3000), (0, 1)], 1, 0, 0),
        (3000, [*path(3000), *((i, i + 2) for i in range(2998))], 1, 0, 0),
        (3000, cycle(*range(3000)), 3000, 2997, 0),
        (3001, [e for i in range(0, 3000, 3) for e in complete(*range(i, i + 4))], 1000, 999, 1000),
    ],
    ids=["star", "two hubs", "two hubs, linked", "strip", "ring", "chain of K4"],
)
def test_a_large_graph_of_a_known_shape(
    vertices: int, edges: Edges, bodies: int, dof: int, redundant: int
) -> None:
    mixed = list(edges)
    random.Random(1).shuffle(mixed)
    for ordered in (edges, mixed):
        game = played(vertices, ordered)

        assert len(game.components()) == bodies
        assert (game.dof, game.redundant) == (dof, redundant)
        assert sum(group.redundant for group in game.overbraced()) == redundant


def test_a_large_random_graph_has_the_rank_of_its_matrix() -> None:
    chance = random.Random(4)
    edges = sorted({tuple(sorted(chance.sample(range(300), 2))) for _ in range(640)})
    pairs = [(u, v) for u, v in edges]

    game = played(300, pairs)

    assert game.rank == matrix_rank(300, pairs)
    assert game.redundant > 0
    assert game.dof > 0
