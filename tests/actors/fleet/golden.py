"""Graphs whose figures are known, and how they are built."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations, product
from typing import NamedTuple

from hypothesis import strategies as st

from holodeck.actors.fleet.graph import CoworkGraph

Edges = list[tuple[int, int]]


class Golden(NamedTuple):
    """A graph over 0…vertices - 1; dof and redundancy are those of points in general position."""

    name: str
    vertices: int
    edges: Edges
    components: int
    beta1: int
    rank: int
    dof: int
    redundant: int
    multigraph: bool = False


def path(n: int) -> Edges:
    return [(i, i + 1) for i in range(n - 1)]


def cycle(*on: int) -> Edges:
    return list(zip(on, (*on[1:], on[0]), strict=True))


def complete(*on: int) -> Edges:
    return list(combinations(on, 2))


def bipartite(m: int, n: int) -> Edges:
    return list(product(range(m), range(m, m + n)))


def wheel(n: int) -> Edges:
    return cycle(*range(n)) + [(i, n) for i in range(n)]


K4 = complete(0, 1, 2, 3)
K4_APART = complete(4, 5, 6, 7)
CUBE = cycle(0, 1, 2, 3) + cycle(4, 5, 6, 7) + [(i, i + 4) for i in range(4)]
PRISM = cycle(0, 1, 2) + cycle(3, 4, 5) + [(0, 3), (1, 4), (2, 5)]
PETERSEN = cycle(0, 1, 2, 3, 4) + cycle(5, 7, 9, 6, 8) + [(i, i + 5) for i in range(5)]
SPINDLE = [(0, 1), (0, 2), (1, 2), (1, 3), (2, 3), (0, 4), (0, 5), (4, 5), (4, 6), (5, 6), (3, 6)]

GOLDEN = (
    Golden("empty", 0, [], 0, 0, 0, 0, 0),
    Golden("single vertex", 1, [], 1, 0, 0, 0, 0),
    Golden("single edge", 2, [(0, 1)], 1, 0, 1, 0, 0),
    Golden("path of four", 4, path(4), 1, 0, 3, 2, 0),
    Golden("star of four", 5, bipartite(1, 4), 1, 0, 4, 3, 0),
    Golden("triangle", 3, cycle(0, 1, 2), 1, 1, 3, 0, 0),
    Golden("C4", 4, cycle(0, 1, 2, 3), 1, 1, 4, 1, 0),
    Golden("C5", 5, cycle(0, 1, 2, 3, 4), 1, 1, 5, 2, 0),
    Golden("K4 without an edge", 4, K4[:-1], 1, 2, 5, 0, 0),
    Golden("K4", 4, K4, 1, 3, 5, 0, 1),
    Golden("K5", 5, complete(*range(5)), 1, 6, 7, 0, 3),
    Golden("bowtie", 5, cycle(0, 1, 2) + cycle(2, 3, 4), 1, 2, 6, 1, 0),
    Golden("two triangles apart", 6, cycle(0, 1, 2) + cycle(3, 4, 5), 2, 2, 6, 3, 0),
    Golden("prism", 6, PRISM, 1, 4, 9, 0, 0),
    Golden("K3,3", 6, bipartite(3, 3), 1, 4, 9, 0, 0),
    Golden("K2,3", 5, bipartite(2, 3), 1, 2, 6, 1, 0),
    Golden("K2,10", 12, bipartite(2, 10), 1, 9, 20, 1, 0),
    Golden("K3,4", 7, bipartite(3, 4), 1, 6, 11, 0, 1),
    Golden("K4,3", 7, bipartite(4, 3), 1, 6, 11, 0, 1),
    Golden("K4,4", 8, bipartite(4, 4), 1, 9, 13, 0, 3),
    Golden("Moser spindle", 7, SPINDLE, 1, 5, 11, 0, 0),
    Golden("wheel of four", 5, wheel(4), 1, 4, 7, 0, 1),
    Golden("wheel of five", 6, wheel(5), 1, 5, 9, 0, 1),
    Golden("cube", 8, CUBE, 1, 5, 12, 1, 0),
    Golden("Petersen", 10, PETERSEN, 1, 6, 15, 2, 0),
    Golden("K4 and a pendant", 5, [*K4, (3, 4)], 1, 3, 6, 1, 1),
    Golden("K4 and a triangle at a vertex", 6, K4 + cycle(3, 4, 5), 1, 4, 8, 1, 1),
    Golden("K5 and one alone", 6, complete(*range(5)), 2, 6, 7, 2, 3),
    Golden("two K4 at an edge", 6, K4 + complete(2, 3, 4, 5)[1:], 1, 6, 9, 0, 2),
    Golden("two K4 apart", 8, K4 + K4_APART, 2, 6, 10, 3, 2),
    Golden("two K4, two links", 8, K4 + K4_APART + [(0, 4), (1, 5)], 1, 7, 12, 1, 2),
    Golden("two K4, three links", 8, K4 + K4_APART + [(0, 4), (1, 5), (2, 6)], 1, 8, 13, 0, 2),
    Golden("double edge", 2, [(0, 1), (0, 1)], 1, 1, 1, 0, 1, multigraph=True),
    Golden("self loop", 1, [(0, 0)], 1, 1, 0, 0, 1, multigraph=True),
)


def built(vertices: int, edges: Iterable[tuple[int, int]], *, multigraph: bool) -> CoworkGraph:
    """The graph over the vertices' numbers as names."""
    graph = CoworkGraph(multigraph=multigraph)
    for vertex in range(vertices):
        graph.add(str(vertex))
    for a, b in edges:
        graph.connect(str(a), str(b))
    return graph


@st.composite
def simple_graphs(draw: st.DrawFn, most: int = 10) -> tuple[int, Edges]:
    """Number of vertices and edges, each once, in some order; dense ones too."""
    vertices = draw(st.integers(1, most))
    pairs = complete(*range(vertices))
    edges = draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    return vertices, edges
