"""How well braced a team is: exact rigidity of its graph in the plane.

One law: an edge is redundant iff both its ends lie in one rigid component of the edges before it,
so none is ever found redundant by a search that fails. Which edges are called redundant depends on
their order; how many, the components and the over-braced groups do not.

The (2,3)-pebble game of Jacobs and Hendrickson (1997), in the form of Lee and Streinu (2008), with
one addition. A rigid component is *condensed*: its edges are replaced by a star of two vertices,
which spans the same, so every later search crosses it in a constant number of steps. It holds for
points in general position, and in two dimensions only.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple, Self

from holodeck.actors.fleet.graph import CoworkGraph

_NONE: Final = -1


class Group(NamedTuple):
    """An over-braced group: what stays as rigid whichever one of its edges is lost.

    Attributes:
        vertices: in ascending order; one alone for a self loop.
        redundant: how many edges are more than it needs, at least 1.
    """

    vertices: tuple[int, ...]
    redundant: int


class _Plane:
    """Pebbles on vertices, and blocks: rigid sets of vertices, two of which share at most one.

    Each vertex has two pebbles. An edge takes one of one end and points from there to the other
    end, so ``first`` and ``second`` hold where a vertex's pebbles went; ``second`` is empty where
    one is free, both where two are. The edges inside a block are a star: each of its vertices
    points to its two bases, and the bases have one edge; but for the paths on which up to three
    pebbles have left it.
    """

    __slots__ = (
        "back",
        "bases",
        "blocks",
        "blocks_of",
        "first",
        "hinges",
        "round",
        "second",
        "seen",
        "ways",
    )

    def __init__(self) -> None:
        self.first: list[int] = []
        self.second: list[int] = []
        self.seen: list[int] = []  # the round in which a search came by
        self.back: list[int] = []  # and from where
        self.round = 0
        self.blocks: list[list[int]] = []  # the vertices; empty once it is part of another
        self.bases: list[tuple[int, int]] = []
        self.hinges: list[set[int]] = []  # of a block: its vertices that are in others too
        self.blocks_of: list[set[int]] = []  # of a vertex
        self.ways: list[set[int]] = []  # of a vertex: its blocks that have two hinges or more

    def add(self, vertices: int) -> None:
        """So many more vertices, each with two free pebbles and in no block."""
        self.first += [_NONE] * vertices
        self.second += [_NONE] * vertices
        self.seen += [0] * vertices
        self.back += [_NONE] * vertices
        self.blocks_of += [set() for _ in range(vertices)]
        self.ways += [set() for _ in range(vertices)]

    def copy(self) -> _Plane:
        other = _Plane()
        other.first, other.second = self.first.copy(), self.second.copy()
        other.seen, other.back, other.round = self.seen.copy(), self.back.copy(), self.round
        other.blocks = [block.copy() for block in self.blocks]
        other.bases = self.bases.copy()
        other.hinges = [hinges.copy() for hinges in self.hinges]
        other.blocks_of = [blocks.copy() for blocks in self.blocks_of]
        other.ways = [ways.copy() for ways in self.ways]
        return other

    # --- pebbles ------------------------------------------------------------------------------

    def pull(self, root: int, other: int) -> bool:
        """Brings one more pebble to ``root``, none of those on ``other``; False: none in reach.

        The nearest one, by breadth-first search along the edges, which are turned on the way.
        """
        first, second, seen, back = self.first, self.second, self.seen, self.back
        self.round = stamp = self.round + 1
        seen[root] = stamp
        queue = [root]
        for at in queue:
            for to in (first[at], second[at]):
                if to < 0 or seen[to] == stamp:
                    continue
                seen[to] = stamp
                back[to] = at
                if second[to] < 0 and to != other:
                    self._turn(root, to)
                    return True
                queue.append(to)
        return False

    def _turn(self, root: int, end: int) -> None:
        """Turns the path that was found from ``root`` to ``end``, so a pebble moves up it."""
        first, second, back = self.first, self.second, self.back
        above = back[end]
        if first[end] < 0:
            first[end] = above
        else:
            second[end] = above
        while above != root:
            higher = back[above]
            if first[above] == end:
                first[above] = higher
            else:
                second[above] = higher
            end, above = above, higher
        if first[root] == end:
            first[root] = second[root]
        second[root] = _NONE

    def mark(self, u: int, v: int) -> int:
        """A stamp for what is rigid with ``u`` and ``v``; the next one is for what is not."""
        rigid = self.round + 1
        self.round += 2
        self.seen[u] = self.seen[v] = rigid
        return rigid

    def held(self, start: int, rigid: int) -> bool:
        """Whether ``start`` is rigid: what it reaches, beyond what is known to be, has no pebble.

        Then all of that is rigid too. Otherwise all on the way to a pebble is not, and neither
        needs to be searched again; nothing is turned.
        """
        first, second, seen, back = self.first, self.second, self.seen, self.back
        loose = rigid + 1
        if seen[start] == rigid or seen[start] == loose:
            return seen[start] == rigid
        self.round = stamp = self.round + 1
        seen[start] = stamp
        end = start if second[start] < 0 else _NONE
        queue = [start]
        for at in queue:
            if end >= 0:
                break
            for to in (first[at], second[at]):
                known = seen[to]
                if known in (stamp, rigid):
                    continue
                back[to] = at
                if known == loose or second[to] < 0:
                    end = to
                    break
                seen[to] = stamp
                queue.append(to)
        if end < 0:
            for at in queue:
                seen[at] = rigid
            return True
        while end != start:
            seen[end] = loose
            end = back[end]
        seen[start] = loose
        return False

    def gather(self, u: int, v: int) -> bool:
        """Brings all four pebbles to ``u`` and ``v``; False if an edge there were redundant.

        First to ``v``: what it can reach holds at least three pebbles, and four where ``u`` is
        among it and no block holds both. Then to ``u``, whose search ends at ``v``.
        """
        first, second = self.first, self.second
        while first[v] >= 0:
            if not self.pull(v, u):
                return False
        while first[u] >= 0:
            if not self.pull(u, v):
                return False
        return second[u] < 0

    def point(self, u: int, v: int) -> None:
        """Lays an edge from ``u``, which has a free pebble, to ``v``."""
        if self.first[u] < 0:
            self.first[u] = v
        else:
            self.second[u] = v

    # --- blocks -------------------------------------------------------------------------------

    def together(self, u: int, v: int) -> bool:
        """Whether one block holds both."""
        return not self.blocks_of[u].isdisjoint(self.blocks_of[v])

    def open(self, u: int, v: int) -> int:
        """A new block without vertices yet, with the bases ``u`` and ``v``."""
        self.blocks.append([])
        self.bases.append((u, v))
        self.hinges.append(set())
        return len(self.blocks) - 1

    def enter(self, vertex: int, block: int) -> None:
        """``vertex`` belongs to ``block`` from now on; it may belong to others."""
        self.blocks[block].append(vertex)
        blocks = self.blocks_of[vertex]
        if blocks:
            if len(blocks) == 1:
                (only,) = blocks
                self._hinge(vertex, only)
            self._hinge(vertex, block)
        blocks.add(block)

    def _hinge(self, vertex: int, block: int) -> None:
        hinges = self.hinges[block]
        hinges.add(vertex)
        if len(hinges) == 2:
            for one in hinges:
                self.ways[one].add(block)
        elif len(hinges) > 2:
            self.ways[vertex].add(block)

    def _unhinge(self, vertex: int, block: int) -> None:
        hinges = self.hinges[block]
        hinges.discard(vertex)
        self.ways[vertex].discard(block)
        if len(hinges) == 1:
            (only,) = hinges
            self.ways[only].discard(block)

    def condense(self, joined: Iterable[int], loose: Iterable[int], u: int, v: int) -> int:
        """Makes one block of the blocks ``joined`` and the vertices ``loose``; returns it.

        Together they are rigid, and hold no free pebbles but three on ``u`` and ``v``, two of
        them. The largest block takes in the others, so a vertex is moved O(log V) times.
        """
        first, second, blocks_of = self.first, self.second, self.blocks_of
        ordered = sorted(joined, key=lambda block: len(self.blocks[block]))
        big = ordered.pop() if ordered else self.open(u, v)
        a, b = self.bases[big]
        for to in (first[a], second[a], first[b], second[b]):
            if to >= 0 and to != a and to != b and big in blocks_of[to]:
                first[to], second[to] = a, b  # its pebble was away, and comes back
        first[a], second[a] = b, _NONE
        first[b] = second[b] = _NONE
        for small in ordered:
            for vertex in self.blocks[small]:
                blocks = blocks_of[vertex]
                blocks.remove(small)
                self.ways[vertex].discard(small)
                if big not in blocks:
                    self.enter(vertex, big)
                    first[vertex], second[vertex] = a, b
                if len(blocks) == 1:
                    self._unhinge(vertex, big)
            self.blocks[small] = []
            self.hinges[small] = set()
        for vertex in loose:
            if big not in blocks_of[vertex]:
                self.enter(vertex, big)
                if vertex != a and vertex != b:
                    first[vertex], second[vertex] = a, b
        return big


class Rigidity:
    """The pebble game over vertices 0, 1, 2…, edge by edge.

    A redundant edge costs a look at the components of its ends. An independent one, of which
    there are at most 2V − 3, costs up to four searches for a free pebble, O(V) each, and one for
    each component that hangs on the one it makes, but for those on its largest part; moving
    vertices between components is O(V log V) in all. Without components and stars this would be
    O(V·E). The searches end where a pebble is near, and cross a rigid component in a few steps,
    so random graphs, chains and braced grids grow with about V^1.2 here; the worst shape found, a
    grid with hardly more diagonals than it needs, laid row by row, with V^1.7.

    Args:
        vertices: how many there are to begin with.
    """

    __slots__ = ("_accepted", "_extra", "_plane", "_refused")

    def __init__(self, vertices: int = 0) -> None:
        self._plane = _Plane()
        self._accepted: list[tuple[int, int]] = []
        self._refused: list[tuple[int, int]] = []
        self._plane.add(vertices)

    def add(self) -> int:
        """One more vertex; returns its number."""
        self._plane.add(1)
        return self.vertices - 1

    def copy(self) -> Self:
        """The same game, which shares nothing with this one; O(V + E)."""
        other = type(self)()
        other._plane = self._plane.copy()
        other._accepted, other._refused = self._accepted.copy(), self._refused.copy()
        return other

    # --- figures ------------------------------------------------------------------------------

    @property
    def vertices(self) -> int:
        return len(self._plane.first)

    @property
    def rank(self) -> int:
        """How many edges are independent, 0 to max(0, 2V − 3)."""
        return len(self._accepted)

    @property
    def redundant(self) -> int:
        """How many edges brace what was rigid already: E − rank."""
        return len(self._refused)

    @property
    def dof(self) -> int:
        """Degrees of freedom beside moving the whole: 2V − 3 − rank; 0 for V ≤ 1."""
        return freedom(self.vertices, self.rank)

    @property
    def rigid(self) -> bool:
        """No degree of freedom; the empty graph and a single vertex have none."""
        return self.dof == 0

    @property
    def minimally_rigid(self) -> bool:
        """Rigid, and no edge can be spared (Laman 1970, Pollaczek-Geiringer 1927)."""
        return self.dof == 0 and not self._refused

    # --- edges --------------------------------------------------------------------------------

    def insert(self, u: int, v: int) -> bool:
        """Adds an edge; True if it is independent of those before it.

        A self loop and a repeated edge are redundant.

        Raises:
            IndexError: there is no such vertex.
        """
        plane = self._plane
        if not (0 <= u < self.vertices and 0 <= v < self.vertices):
            raise IndexError(f"no vertex {max(u, v) if min(u, v) >= 0 else min(u, v)}")
        if u == v or plane.together(u, v):
            self._refused.append((u, v))
            return False
        if not plane.gather(u, v):
            raise AssertionError(f"{u} and {v} are rigid, and no component says so")
        plane.point(u, v)
        self._accepted.append((u, v))
        bar = plane.open(u, v)
        plane.enter(u, bar)
        plane.enter(v, bar)
        joined = self._made_rigid(bar)
        if len(joined) > 1:
            plane.condense(joined, (), u, v)
        return True

    def _made_rigid(self, bar: int) -> set[int]:
        """The blocks that the newest edge, the block ``bar``, makes one with itself; it too.

        Its ends hold three pebbles now and lead nowhere else. A vertex is rigid with them iff it
        reaches no other pebble, and a block iff one vertex of it is, beside the one through which
        it was met; then so is everything on the way. The growing component has no cut vertex, so
        of the blocks that hang on it only those with another hinge are looked at, and if it is
        more than the edge, it is so at both ends: where nothing joins at the end with fewer
        blocks, all is said. It also has no part that hangs on one of its blocks, away from the
        edge, or that would have been rigid with this block before: so the way need not lead
        through the largest block. Each other one is about to be taken in by it, which pays for
        looking at what hangs on it.
        """
        plane = self._plane
        ways, bases, hinges, blocks = plane.ways, plane.bases, plane.hinges, plane.blocks
        u, v = plane.bases[bar]
        if len(ways[u]) < len(ways[v]):
            u, v = v, u
        joined, tried = {bar}, {bar}
        rigid = plane.mark(u, v)
        reached, todo = {u, v}, [u, v]
        largest = _NONE
        while todo:
            vertex = todo.pop()
            if largest in ways[vertex]:
                reached.discard(vertex)
                continue
            for block in ways[vertex]:
                if block in tried:
                    continue
                tried.add(block)
                start = bases[block][0]
                if start == vertex:
                    start = bases[block][1]
                if not plane.held(start, rigid):
                    continue
                joined.add(block)
                passed = block
                if largest < 0 or len(blocks[block]) > len(blocks[largest]):
                    passed, largest = largest, block
                    if passed < 0:
                        continue
                new = hinges[passed] - reached
                reached |= new
                todo += new
            if len(joined) == 1:
                break
        return joined

    def gain(self, vertex: int, others: Iterable[int]) -> int:
        """How many of the edges from ``vertex`` to each of ``others`` would be independent.

        Nothing is changed: edges that exist, and ``vertex`` itself, add nothing. O(V) for each.
        """
        plane = self._plane
        laid: list[int] = []
        for other in dict.fromkeys(others):
            if other == vertex or plane.together(vertex, other):
                continue
            if plane.gather(vertex, other):
                plane.point(vertex, other)
                laid.append(other)
        for other in laid:
            tail, head = vertex, other
            if plane.first[tail] != head and plane.second[tail] != head:
                tail, head = head, tail
            if plane.first[tail] == head:
                plane.first[tail] = plane.second[tail]
            plane.second[tail] = _NONE
        return len(laid)

    # --- parts --------------------------------------------------------------------------------

    def components(self) -> list[tuple[int, ...]]:
        """The rigid components: the largest sets of vertices that move as one, in order.

        Each edge lies in exactly one, so a bar that nothing braces is one of two vertices; a
        vertex without edges is in none. Two of them share at most one vertex.
        """
        return sorted(tuple(sorted(block)) for block in self._plane.blocks if block)

    def overbraced(self) -> list[Group]:
        """The over-braced groups, in order of their vertices.

        An edge is over-braced iff the rank is the same without it, that is, iff it lies in a
        circuit of the rigidity matroid. Two such edges are in one group iff some circuit holds
        both: the groups are the matroid's connected components but for single independent edges,
        and do not depend on the order of insertion. An edge with both ends in one group belongs
        to it. A rigid component can hold several groups, and bars outside of them all.

        Groups are found by uniting the fundamental circuits of the redundant edges, each one
        condensed as soon as it is known, which changes no later circuit outside of it. A circuit
        lies in what three pebbles on the ends of its redundant edge reach. O((E + R)·V) at worst
        for R redundant edges, near O(E + R) where circuits are small or grow together.
        """
        found = {(u,): 0 for u, v in self._refused if u == v}
        for u, v in self._refused:
            if u == v:
                found[u,] += 1
        plane = self._circuits()
        counts = [0] * len(plane.blocks)
        for u, v in self._refused:
            if u != v:
                (block,) = plane.blocks_of[u] & plane.blocks_of[v]
                counts[block] += 1
        groups = [Group(*one) for one in found.items()]
        groups += [
            Group(tuple(sorted(block)), count)
            for block, count in zip(plane.blocks, counts, strict=True)
            if block
        ]
        return sorted(groups)

    def _circuits(self) -> _Plane:
        """A plane whose blocks are the over-braced groups of two vertices and more."""
        rigid = self._plane.blocks_of
        plane = _Plane()
        plane.add(self.vertices)
        refused = [(u, v) for u, v in self._refused if u != v]
        braced = set[int]()
        for u, v in refused:
            braced |= rigid[u] & rigid[v]
        second = plane.second
        for u, v in self._accepted:
            if braced.isdisjoint(rigid[u] & rigid[v]):
                continue
            if second[u] >= 0:
                if second[v] < 0:
                    u, v = v, u
                else:
                    plane.pull(u, _NONE)  # independent edges leave three in every reach
            plane.point(u, v)
        for u, v in refused:
            if not plane.together(u, v):
                self._unite(plane, u, v)
        return plane

    @staticmethod
    def _unite(plane: _Plane, u: int, v: int) -> None:
        """Makes one block of the fundamental circuit of ``uv`` and the blocks it runs through."""
        first, second = plane.first, plane.second
        while first[v] >= 0 and plane.pull(v, u):
            pass
        while (first[u] >= 0) + (second[u] >= 0) + (first[v] >= 0) + (second[v] >= 0) > 1:
            if not plane.pull(u, v):
                raise AssertionError(f"fewer than three pebbles in reach of {u} and {v}")
        reach = {u, v}
        queue = [u, v]
        for at in queue:
            for to in (first[at], second[at]):
                if to >= 0 and to not in reach:
                    reach.add(to)
                    queue.append(to)
        met: dict[int, int] = {}
        for at in queue:
            for block in plane.blocks_of[at]:
                met[block] = met.get(block, 0) + 1
        plane.condense([block for block, times in met.items() if times > 1], queue, u, v)


def freedom(vertices: int, rank: int) -> int:
    """Degrees of freedom of ``vertices`` with so many independent edges; 0 for one or none."""
    return 2 * vertices - 3 - rank if vertices > 1 else 0


# --- of a co-work graph -------------------------------------------------------------------------


class Bracing(NamedTuple):
    """How one component of a co-work graph is braced.

    Attributes:
        members: the names, in order.
        vertices: how many, ``edges`` likewise.
        beta1: independent loops.
        rank: independent edges, at most 2V − 3.
        dof: degrees of freedom, 2V − 3 − rank; 0 for V ≤ 1.
        redundant: edges − rank.
        bodies: the rigid components, sets of two or more names, in order.
        overbraced: the groups that lose no rigidity with any one edge, in order.
    """

    members: tuple[str, ...]
    vertices: int
    edges: int
    beta1: int
    rank: int
    dof: int
    redundant: int
    bodies: tuple[tuple[str, ...], ...]
    overbraced: tuple[tuple[str, ...], ...]

    @property
    def rigid(self) -> bool:
        return self.dof == 0

    @property
    def minimally_rigid(self) -> bool:
        return self.dof == 0 and self.redundant == 0


def play(graph: CoworkGraph) -> Rigidity:
    """The game over all edges of ``graph`` in the order they came, with its indexes."""
    game = Rigidity(graph.vertices)
    for u, v in graph.ends():
        game.insert(u, v)
    return game


def analyse(graph: CoworkGraph, game: Rigidity | None = None) -> list[Bracing]:
    """The figures of each component of ``graph``, the largest first, then by their names.

    Args:
        game: what :func:`play` gives for the graph, if it was kept up edge by edge.
    """
    game = play(graph) if game is None else game
    roots = [graph.root(name) for name in graph]
    rank = dict.fromkeys(roots, 0)
    for u, _ in game._accepted:
        rank[roots[u]] += 1
    bodies: dict[int, list[tuple[str, ...]]] = {root: [] for root in rank}
    overbraced: dict[int, list[tuple[str, ...]]] = {root: [] for root in rank}

    def named(vertices: Iterable[int]) -> tuple[str, ...]:
        return tuple(sorted(map(graph.name, vertices)))

    for component in game.components():
        bodies[roots[component[0]]].append(named(component))
    for group in game.overbraced():
        overbraced[roots[group.vertices[0]]].append(named(group.vertices))
    found = [
        Bracing(
            tuple(sorted(graph.members_at(part.root))),
            part.vertices,
            part.edges,
            part.beta1,
            rank[part.root],
            freedom(part.vertices, rank[part.root]),
            part.edges - rank[part.root],
            tuple(sorted(bodies[part.root])),
            tuple(sorted(overbraced[part.root])),
        )
        for part in graph.parts()
    ]
    return sorted(found, key=lambda one: (-one.vertices, one.members))
