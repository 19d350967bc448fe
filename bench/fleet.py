"""The fleet's graph: how fast it grows, what it answers, how well it knows its bracing."""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import combinations
from typing import Any, Final, NamedTuple

from bench._report import Figures, Report, Row, median, say
from holodeck.actors.fleet.graph import CoworkGraph
from holodeck.actors.fleet.rigidity import Rigidity
from holodeck.actors.fleet.routing import Reservations, Roster, route
from holodeck.messages.codec import pack, unpack
from holodeck.messages.fleet import AskRoute

HELP = "the co-work graph: edge insertion, projections, rigidity, and how they grow"
BOUND_INSERT_US: Final = 50.0
BOUND_PROJECTIONS_MS: Final = 1.0
BOUND_ROUTE_MS: Final = 1.0
BOUND_RIGIDITY_S: Final = 2.0
DEGREE: Final = 10
"""Edges for each vertex in the growth curve."""

Pair = tuple[int, int]


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000],
                        metavar="E", help="edges, over a tenth as many vertices")  # fmt: skip
    parser.add_argument("--candidates", type=int, default=1_000, help="projected at once")
    parser.add_argument("--collaborators", type=int, default=5)
    parser.add_argument("--questions", type=int, default=200, help="such projections")
    parser.add_argument("--vertices", type=int, default=5_000, help="whose rigidity is analysed")
    parser.add_argument("--edges", type=int, default=10_000, help="between them")


# --- the graph as it grows ----------------------------------------------------------------------


def pairs_of(vertices: int, edges: int, chance: random.Random) -> list[Pair]:
    """So many different pairs, uniformly, in random order."""
    found = dict[Pair, None]()
    while len(found) < edges:
        u, v = chance.randrange(vertices), chance.randrange(vertices)
        if u != v:
            found[min(u, v), max(u, v)] = None
    return list(found)


def _growth(options: argparse.Namespace) -> list[Figures]:
    """Of each size: what an edge costs, a round of projections, and keeping the graph."""
    found = []
    for size in options.sizes:
        chance = random.Random(size)
        vertices = max(size // DEGREE, 2 + int((4 * size) ** 0.5))  # few edges fit among few
        names = [f"agent-{number}" for number in range(vertices)]
        named = [(names[u], names[v]) for u, v in pairs_of(vertices, size, chance)]
        began = time.perf_counter()
        _bare(named)
        bare = time.perf_counter()
        graph = CoworkGraph()
        for at, (a, b) in enumerate(named):
            graph.connect(a, b, at)
        inserted = time.perf_counter()
        bare_s, insert_s = bare - began, inserted - bare
        took = []
        for _ in range(options.questions):
            asked = chance.sample(names, min(options.candidates, vertices))
            others = chance.sample(names, min(options.collaborators, vertices))
            began = time.perf_counter()
            graph.projections(asked, others)
            took.append(time.perf_counter() - began)
        routed = _decisions(graph, names, chance, options)
        began = time.perf_counter()
        stored = pack(graph.dump())
        dumped = time.perf_counter()
        CoworkGraph.load(unpack(stored))
        loaded = time.perf_counter()
        found.append(
            {
                "edges": size,
                "vertices": vertices,
                "insert_us": round(insert_s / size * 1e6, 2),
                "bare_insert_us": round(bare_s / size * 1e6, 2),
                "projections_ms": round(median(took) * 1e3, 3),
                "route_ms": round(median(routed) * 1e3, 3),
                "route_p99_ms": round(sorted(routed)[len(routed) * 99 // 100] * 1e3, 3),
                "dump_s": round(dumped - began, 3),
                "load_s": round(loaded - dumped, 3),
                "stored_bytes": len(stored),
            }
        )
        say(f"  {size:,} edges: {found[-1]['insert_us']} µs each, projections"
            f" {found[-1]['projections_ms']} ms, a decision {found[-1]['route_ms']} ms,"
            f" load {found[-1]['load_s']} s")  # fmt: skip
    return found


def _decisions(
    graph: CoworkGraph, names: Sequence[str], chance: random.Random, options: argparse.Namespace
) -> list[float]:
    """Seconds of each routing decision: as many capable candidates as asked for among all agents,
    all of one load, so that none can be passed over for it; each decision's load is reserved."""
    roster, held = Roster(), Reservations()
    kinds = max(1, len(names) // options.candidates)
    for number, name in enumerate(names):
        graph.add(name)
        roster.register(name, ("work", f"kind-{number % kinds}"), 0)
        roster.give(name, chance.randrange(1, 1_000_000))
    took = []
    for number in range(options.questions):
        ask = AskRoute(
            session=f"s{number}",
            task="t",
            capabilities=("work", f"kind-{number % kinds}"),
            collaborators=tuple(chance.sample(names, min(options.collaborators, len(names)))),
        )
        began = time.perf_counter()
        decision = route(roster, graph, held, ask)
        took.append(time.perf_counter() - began)
        held.hold((ask.session, ask.task, 1), decision, 0)
    return took


def _bare(pairs: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    """The least that a graph is: sets of neighbours. What an edge is to be held against."""
    near: dict[str, set[str]] = {}
    for a, b in pairs:
        near.setdefault(a, set()).add(b)
        near.setdefault(b, set()).add(a)
    return near


# --- rigidity -----------------------------------------------------------------------------------


class Shape(NamedTuple):
    vertices: int
    edges: list[Pair]


def random_shape(vertices: int, edges: int) -> Shape:
    """Edges between any two: a giant rigid component, near the density at which it appears."""
    return Shape(vertices, pairs_of(vertices, edges, random.Random(1)))


def chain_shape(vertices: int, _: int) -> Shape:
    """K5 after K5, each linked to the next by one bar: many small over-braced groups.

    11 edges for five vertices, however many are asked for.
    """
    found: list[Pair] = []
    for start in range(0, vertices - 4, 5):
        found += combinations(range(start, start + 5), 2)
        if start:
            found.append((start - 1, start))
    return Shape(vertices, found)


def grid_shape(vertices: int, edges: int) -> Shape:
    """A square grid, and as many diagonals as edges are left, at random: one tight component."""
    side = max(2, int(vertices**0.5))
    bars = [(at, at + 1) for at in range(side * side) if (at + 1) % side]
    bars += [(at, at + side) for at in range(side * (side - 1))]
    cells = [at for at in range(side * (side - 1)) if (at + 1) % side]
    chance = random.Random(1)
    chance.shuffle(cells)
    bars += [(at, at + side + 1) for at in cells[: max(0, edges - len(bars))]]
    return Shape(side * side, sorted(bars))


SHAPES: Final = {"random": random_shape, "chain of K5": chain_shape, "grid": grid_shape}


def _rigidity(options: argparse.Namespace) -> dict[str, Figures]:
    """Each shape edge by edge in order and shuffled; the slower of the two counts."""
    found = {}
    for name, make in SHAPES.items():
        shape = make(options.vertices, options.edges)
        both = [_analysed(shape, order) for order in ("in order", "shuffled")]
        found[name] = max(both, key=lambda one: float(one["seconds"]))
        say(f"  {name}: {found[name]['seconds']} s")
    return found


def _analysed(shape: Shape, order: str) -> Figures:
    edges: Sequence[Pair] = shape.edges
    if order == "shuffled":
        edges = random.Random(2).sample(edges, len(edges))
    game = Rigidity(shape.vertices)
    began = time.perf_counter()
    for u, v in edges:
        game.insert(u, v)
    components = game.components()
    played = time.perf_counter()
    groups = game.overbraced()
    done = time.perf_counter()
    return {
        "vertices": shape.vertices,
        "edges": len(edges),
        "order": order,
        "seconds": round(done - began, 3),
        "groups_s": round(done - played, 3),
        "rank": game.rank,
        "dof": game.dof,
        "redundant": game.redundant,
        "components": len(components),
        "groups": len(groups),
    }


# --- all ----------------------------------------------------------------------------------------


async def run(options: argparse.Namespace) -> Report:
    say(f"graphs of {', '.join(f'{size:,}' for size in options.sizes)} edges")
    growth = _growth(options)
    say(f"rigidity of {options.vertices:,} vertices and about {options.edges:,} edges")
    rigidity = _rigidity(options)
    worst = max(rigidity, key=lambda name: float(rigidity[name]["seconds"]))
    largest = growth[-1]
    figures: Figures = {
        "growth": growth,
        "insert_us": largest["insert_us"],
        "projections_ms": largest["projections_ms"],
        "route_ms": largest["route_ms"],
        "rigidity": rigidity,
        "rigidity_s": rigidity[worst]["seconds"],
        "rigidity_worst": worst,
    }
    rows = [
        Row(f"insertion, {one['edges']:,} edges", f"{one['insert_us']:.2f} µs",
            f"at most {BOUND_INSERT_US:g} µs, O(log V); {one['vertices']:,} vertices; bare sets of"
            f" neighbours {one['bare_insert_us']:.2f} µs")
        for one in growth
    ]  # fmt: skip
    rows += [
        Row(f"projections, {one['edges']:,} edges", f"{one['projections_ms']:.3f} ms",
            f"at most {BOUND_PROJECTIONS_MS:g} ms, O(candidates);"
            f" {min(options.candidates, one['vertices']):,} candidates,"
            f" {options.collaborators} collaborators, median")
        for one in growth
    ]  # fmt: skip
    rows += [
        Row(f"routing decision, {one['edges']:,} edges", f"{one['route_ms']:.3f} ms",
            f"at most {BOUND_ROUTE_MS:g} ms, O(capable); median, p99 {one['route_p99_ms']:.2f};"
            f" {min(options.candidates, one['vertices']):,} capable of {one['vertices']:,} agents")
        for one in growth
    ]  # fmt: skip
    rows.append(
        Row("stored and loaded", f"{largest['dump_s'] + largest['load_s']:.2f} s",
            f"{largest['edges']:,} edges, {largest['stored_bytes']:,} bytes, msgpack included")
    )  # fmt: skip
    rows += [
        Row(f"rigidity, {name}", f"{one['seconds']:.2f} s",
            f"at most {BOUND_RIGIDITY_S:g} s; {one['vertices']:,} vertices,"
            f" {one['edges']:,} edges {one['order']}: rank {one['rank']:,}, dof {one['dof']:,},"
            f" redundant {one['redundant']:,}")
        for name, one in rigidity.items()
    ]  # fmt: skip
    return Report("fleet", figures, rows, _drawing(growth))


def _drawing(growth: Sequence[Figures]) -> Callable[[Any], None]:
    def draw(axes: Any) -> None:
        sizes = [one["edges"] for one in growth]
        for name, text in (
            ("insert_us", "an edge, µs"),
            ("bare_insert_us", "an edge of bare sets, µs"),
        ):
            axes.plot(sizes, [one[name] for one in growth], marker="o", label=text)
        axes.plot(sizes, [one["route_ms"] * 1000 for one in growth], marker="^",
                  label="a routing decision, µs")  # fmt: skip
        axes.plot(sizes, [one["projections_ms"] * 1000 for one in growth], marker="s",
                  label="a round of projections, µs")  # fmt: skip
        axes.set(xscale="log", yscale="log", xlabel="edges", ylabel="µs",
                 title="The co-work graph as it grows")  # fmt: skip
        axes.legend()

    return draw
