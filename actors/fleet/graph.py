"""Who worked with whom: a growing graph whose independent loops are always known.

One law: β1 = E − V + C ≥ 0 after every change, for the whole graph and for each component.
Union-find keeps C, so an edge costs amortised O(log V) and the β1 of a component O(1). Over a
field β1 is also the dimension of H¹, since a graph has no 2-cells.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import (
    Collection,
    Container,
    Iterable,
    Iterator,
    KeysView,
    Mapping,
)
from itertools import chain, combinations, compress
from math import ceil
from typing import Any, NamedTuple, Self

from holodeck.messages.errors import ContractError

_OFFSET = -2.0
_DIGITS = 9
"""A learned offset is a sum of many small steps: beyond this digit a margin is rounding noise."""


class ImpossibleGraph(ContractError, ValueError):
    """What no such graph can be or hold; nothing was changed."""

    code = "impossible-graph"


class Component(NamedTuple):
    """A connected part of the graph.

    Attributes:
        root: index of the vertex that stands for it; another one after a merge or an expiry.
        vertices: how many, at least 1.
        edges: how many, repeated ones too in a multigraph.
        beta1: its independent loops, edges - vertices + 1.
    """

    root: int
    vertices: int
    edges: int
    beta1: int


class Link(NamedTuple):
    """An edge; ``a`` is the end that was named first.

    Attributes:
        at: when it was last seen, in the caller's unit (ms since 1970 UTC for a fleet).
        weight: the largest it was seen with.
    """

    a: str
    b: str
    at: int
    weight: float


class Change(NamedTuple):
    """What connecting one candidate to all collaborators would change.

    Attributes:
        new_edges: collaborators it is not connected with yet, at least 0.
        delta_beta1: loops that would close, at least 0.
        delta_components: how many silos would merge, as a number ≤ 0.
    """

    new_edges: int
    delta_beta1: int
    delta_components: int


class Projection(NamedTuple):
    """A :class:`Change`, and the component that would hold the candidate after it.

    Attributes:
        vertices_after: its vertices.
        edges_after: its edges.
        beta1_after: its independent loops.
    """

    new_edges: int
    delta_beta1: int
    delta_components: int
    vertices_after: int
    edges_after: int
    beta1_after: int


class Stand(NamedTuple):
    """Where the collaborators stand: all that settles what connecting somebody to them changes.

    Attributes:
        roots: of their components.
        known: by name, how many of them a name has an edge with; of each of them one more, as if
            it had one with itself.
        inside: by that number, the change for somebody in one of their components.
        outside: the change for everybody else.
    """

    roots: frozenset[int]
    known: dict[str, int]
    inside: tuple[Change, ...]
    outside: Change


class CoworkGraph:
    """An undirected graph over names, made by adding and, in batches, by expiring.

    Vertices have indexes 0, 1, 2… in the order they came; an expiry gives new ones.

    Args:
        multigraph: repeated edges and self loops count, each closes a loop. Otherwise a repeated
            edge only brings the first one up to date, and a self loop is an error.
    """

    __slots__ = (
        "_at",
        "_components",
        "_edges",
        "_from",
        "_index",
        "_members",
        "_names",
        "_near",
        "_root",
        "_to",
        "_weight",
        "multigraph",
    )

    def __init__(self, *, multigraph: bool = False) -> None:
        self.multigraph = multigraph
        self._index: dict[str, int] = {}
        self._names: list[str] = []
        self._near: list[dict[str, int]] = []  # neighbour's name → newest edge with it
        self._from: list[int] = []  # the four of an edge
        self._to: list[int] = []
        self._at: list[int] = []
        self._weight: list[float] = []
        self._root: list[int] = []  # of each vertex: union-find, flat at all times
        self._members: list[list[int]] = []  # of a root; empty elsewhere
        self._edges: list[int] = []  # of a root's component
        self._components = 0

    # --- what it holds ------------------------------------------------------------------------

    @property
    def vertices(self) -> int:
        return len(self._names)

    @property
    def edges(self) -> int:
        return len(self._at)

    @property
    def components(self) -> int:
        """How many connected parts; a vertex without edges is one."""
        return self._components

    @property
    def beta1(self) -> int:
        """Independent loops of the whole graph."""
        return len(self._at) - len(self._names) + self._components

    def __contains__(self, name: object) -> bool:
        return name in self._index

    def __iter__(self) -> Iterator[str]:
        """The names, by index."""
        return iter(self._names)

    def index(self, name: str) -> int:
        """Raises KeyError for a name that is not in the graph; so do all that take one."""
        return self._index[name]

    def name(self, index: int) -> str:
        return self._names[index]

    def neighbours(self, name: str) -> KeysView[str]:
        """A live view, a set; O(1). With a self loop ``name`` itself is in it."""
        return self._near[self._index[name]].keys()

    def links(self) -> Iterator[Link]:
        """The edges in the order they came."""
        names = self._names
        for u, v, at, weight in zip(self._from, self._to, self._at, self._weight, strict=True):
            yield Link(names[u], names[v], at, weight)

    def ends(self) -> Iterator[tuple[int, int]]:
        """The edges in the order they came, as indexes."""
        return zip(self._from, self._to, strict=True)

    # --- components ---------------------------------------------------------------------------

    def root(self, name: str) -> int:
        """Index of the vertex that stands for the component of ``name``; amortised O(α(V))."""
        return self._root[self._index[name]]

    def component(self, name: str) -> Component:
        """The component of ``name``, O(1) beside finding its root."""
        return self._component(self._root[self._index[name]])

    def parts(self) -> Iterator[Component]:
        """Every component, by index of its root; O(V)."""
        for vertex, root in enumerate(self._root):
            if vertex == root:
                yield self._component(vertex)

    def members(self, name: str) -> list[str]:
        """The names in the component of ``name``, in no order that means anything."""
        return self.members_at(self._root[self._index[name]])

    def members_at(self, root: int) -> list[str]:
        """The names in the component of this root; of no other index."""
        names = self._names
        return [names[vertex] for vertex in self._members[root]]

    def _component(self, root: int) -> Component:
        vertices, edges = len(self._members[root]), self._edges[root]
        return Component(root, vertices, edges, edges - vertices + 1)

    def _join(self, u: int, v: int) -> int:
        """Counts one more edge between ``u`` and ``v``; 1 if it closes a loop, else 0."""
        root = self._root
        u, v = root[u], root[v]
        edges = self._edges
        if u == v:
            edges[u] += 1
            return 1
        members = self._members
        if len(members[u]) < len(members[v]):
            u, v = v, u
        edges[u] += edges[v] + 1
        moving = members[v]  # each vertex moves at most log2(V) times
        members[u] += moving
        for vertex in moving:
            root[vertex] = u
        members[v] = []
        self._components -= 1
        return 0

    # --- growing ------------------------------------------------------------------------------

    def add(self, name: str) -> int:
        """The index of ``name``, which is a vertex from now on."""
        known = self._index.get(name)
        if known is not None:
            return known
        vertex = len(self._names)
        self._index[name] = vertex
        self._names.append(name)
        self._near.append({})
        self._root.append(vertex)
        self._members.append([vertex])
        self._edges.append(0)
        self._components += 1
        return vertex

    def connect(self, a: str, b: str, at: int = 0, weight: float = 1.0) -> int:
        """Adds the edge and, where needed, its ends; returns how much β1 grew.

        1 if the edge closes a loop, 0 if it joins two components or was there. Summed over the
        edges of one session this is what the session itself changed: additive over sessions that
        run at once, and dependent on who came first. A repeated edge of a simple graph keeps the
        larger ``at`` and the larger ``weight``.

        Raises:
            ImpossibleGraph: ``a`` is ``b``, and the graph is simple; then nothing is changed.
        """
        if a == b and not self.multigraph:
            raise ImpossibleGraph(f"a simple graph has no edge from {a!r} to itself")
        index = self._index
        u = index.get(a)
        if u is None:
            u = self.add(a)
        v = index.get(b)
        if v is None:
            v = self.add(b)
        near = self._near[u]
        known = near.get(b)
        if known is not None and not self.multigraph:
            if at > self._at[known]:
                self._at[known] = at
            if weight > self._weight[known]:
                self._weight[known] = weight
            return 0
        near[b] = self._near[v][a] = len(self._at)
        self._from.append(u)
        self._to.append(v)
        self._at.append(at)
        self._weight.append(weight)
        return self._join(u, v)

    # --- what would be ------------------------------------------------------------------------

    def project(self, candidate: str, collaborators: Iterable[str]) -> Projection:
        """What would change if ``candidate`` were connected to each of ``collaborators``.

        Nothing is changed. A name that is not in the graph counts as a vertex of it without
        edges. Edges there already, repeated collaborators and the candidate among them add
        nothing. O(collaborators).
        """
        others = dict.fromkeys(collaborators)
        others.pop(candidate, None)
        index = self._index
        vertex = index.get(candidate)
        near: Mapping[str, int] = {} if vertex is None else self._near[vertex]
        new = len(others) - sum([name in near for name in others])
        others[candidate] = None
        found = [index.get(name) for name in others]
        roots = {self._root[known] for known in found if known is not None}
        strangers = found.count(None)
        merges = len(roots) + strangers - 1
        vertices = strangers + sum([len(self._members[root]) for root in roots])
        edges = new + sum([self._edges[root] for root in roots])
        return Projection(new, new - merges, -merges, vertices, edges, edges - vertices + 1)

    def stand(self, collaborators: Iterable[str]) -> Stand:
        """What :meth:`change` needs, worked out once; O(their neighbours)."""
        others = list(dict.fromkeys(collaborators))
        index, root = self._index, self._root
        roots = frozenset([root[index[name]] for name in others if name in index])
        merges = len(roots) + sum([name not in index for name in others]) - 1
        new = len(others)
        if not new:
            return Stand(roots, {}, (Change(0, 0, 0),), Change(0, 0, 0))
        inside = [Change(left, left - merges, -merges) for left in range(new, -1, -1)]
        known = dict.fromkeys(others, 1)
        for name in others:
            if name in index:
                for one in self._near[index[name]]:
                    if one != name:
                        known[one] = known.get(one, 0) + 1
        return Stand(roots, known, tuple(inside), Change(new, new - merges - 1, -merges - 1))

    def change(self, candidate: str, stand: Stand) -> Change:
        """As :meth:`project`, without the component; O(1)."""
        links = stand.known.get(candidate)
        if links is not None:
            return stand.inside[links]
        vertex = self._index.get(candidate)
        inner = vertex is not None and self._root[vertex] in stand.roots
        return stand.inside[0] if inner else stand.outside

    def projections(self, candidates: Iterable[str], collaborators: Iterable[str]) -> list[Change]:
        """:meth:`project` for many candidates at once, in their order, without the component.

        Equal changes are the same object. O(candidates + the collaborators' neighbours): who is no
        neighbour of theirs is settled by whether its component is one of theirs.
        """
        asked = list(candidates)
        stand = self.stand(collaborators)
        changes = (stand.outside, stand.inside[0])
        found = list(map(changes.__getitem__, self.inner(asked, stand)))
        for place in compress(range(len(asked)), map(stand.known.__contains__, asked)):
            found[place] = stand.inside[stand.known[asked[place]]]
        return found

    def inner(self, candidates: Collection[str], stand: Stand) -> list[bool]:
        """Of each candidate whether its component is one of the collaborators'."""
        index, root, roots = self._index, self._root, stand.roots
        try:  # a pass of C
            found = map(root.__getitem__, map(index.__getitem__, candidates))
            return list(map(roots.__contains__, found))
        except KeyError:  # strangers among them
            return [name in index and root[index[name]] in roots for name in candidates]

    # --- forgetting, storing, comparing -----------------------------------------------------

    def expire(self, before: int, keep: Container[str] = ()) -> int:
        """Drops the edges last seen before ``before``; returns how many.

        Vertices without any edge go too, unless they are in ``keep``. Union-find cannot take
        back, so the rest is built anew, O((V + E)·log V), once per window and not per edge;
        O(V + E) if nothing is to go.
        """
        stays = [at >= before for at in self._at]
        gone = stays.count(False)
        used = set[int]()
        for u, v, stay in zip(self._from, self._to, stays, strict=True):
            if stay:
                used.add(u)
                used.add(v)
        if not gone and all(v in used or name in keep for v, name in enumerate(self._names)):
            return 0
        self._build([v in used or name in keep for v, name in enumerate(self._names)], stays)
        return gone

    def remove(self, name: str) -> bool:
        """Takes a vertex out with its edges; False if it was not there. O((V + E)·log V)."""
        vertex = self._index.get(name)
        if vertex is None:
            return False
        self._build(
            [other != vertex for other in range(len(self._names))],
            [vertex not in ends for ends in self.ends()],
        )
        return True

    def _build(self, there: list[bool], stays: list[bool]) -> None:
        """Anew, of the vertices that are ``there`` and the edges that stay."""
        rest = CoworkGraph(multigraph=self.multigraph)
        moved = [
            rest.add(name) if stay else -1 for name, stay in zip(self._names, there, strict=True)
        ]
        rest._lay(
            [moved[vertex] for vertex in compress(self._from, stays)],
            [moved[vertex] for vertex in compress(self._to, stays)],
            list(compress(self._at, stays)),
            list(compress(self._weight, stays)),
        )
        for slot in self.__slots__:
            setattr(self, slot, getattr(rest, slot))

    def dump(self) -> dict[str, Any]:
        """Plain data for msgpack, with each name once: what :meth:`load` takes.

        ``names`` by index; ``ends`` u0, v0, u1, v1…; ``at`` as offsets from ``since``;
        ``weights`` edge, weight, … for those that are not 1.
        """
        since = min(self._at, default=0)
        ends = [0] * (2 * len(self._at))
        ends[::2], ends[1::2] = self._from, self._to
        others = [(edge, weight) for edge, weight in enumerate(self._weight) if weight != 1.0]
        return {
            "multigraph": self.multigraph,
            "names": list(self._names),
            "ends": ends,
            "since": since,
            "at": [at - since for at in self._at],
            "weights": list(chain.from_iterable(others)),
        }

    @classmethod
    def load(cls, data: Mapping[str, Any]) -> Self:
        """The graph that was dumped, with the same indexes and the same order of edges.

        Raises:
            KeyError: a part is missing.
            IndexError: an end has no name.
            ValueError: the parts do not fit each other otherwise.
        """
        graph = cls(multigraph=data["multigraph"])
        names, ends, since = data["names"], data["ends"], data["since"]
        for name in names:
            graph.add(name)
        weights = [1.0] * len(data["at"])
        for edge, weight in zip(data["weights"][::2], data["weights"][1::2], strict=True):
            weights[edge] = weight
        graph._lay(ends[::2], ends[1::2], [at + since for at in data["at"]], weights)
        if len(graph._names) != len(names):
            raise ValueError("a name stands there twice")
        return graph

    def _lay(self, us: list[int], vs: list[int], at: list[int], weight: list[float]) -> None:
        """Adds many edges between the vertices there are; there must be none before.

        Raises:
            ValueError: the lists differ in length, or a simple graph would have an edge twice or
                from a vertex to itself.
        """
        names, near = self._names, self._near
        for edge, (u, v) in enumerate(zip(us, vs, strict=True)):
            near[u][names[v]] = near[v][names[u]] = edge
            self._join(u, v)
        if not len(us) == len(at) == len(weight):
            raise ValueError("an edge has no time or no weight")
        if not self.multigraph and sum(map(len, near)) != 2 * len(us):
            raise ValueError("an edge stands there twice, or leads from a vertex to itself")
        self._from, self._to, self._at, self._weight = us, vs, at, weight

    def copy(self) -> Self:
        """An equal graph that shares nothing with this one; O(V + E)."""
        other = type(self)(multigraph=self.multigraph)
        for slot in self.__slots__:
            value = getattr(self, slot)
            setattr(other, slot, value if isinstance(value, int) else value.copy())
        other._near = [near.copy() for near in self._near]
        other._members = [members.copy() for members in self._members]
        return other

    def __eq__(self, other: object) -> bool:
        """The same vertices and edges with the same times and weights, in whatever order."""
        if not isinstance(other, CoworkGraph):
            return NotImplemented
        return (
            self.multigraph == other.multigraph
            and self._index.keys() == other._index.keys()
            and self._content() == other._content()
        )

    __hash__ = None  # type: ignore[assignment] # it changes

    def _content(self) -> Counter[Link]:
        return Counter(
            link if link.a <= link.b else Link(link.b, link.a, link.at, link.weight)
            for link in self.links()
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} V={self.vertices} E={self.edges} C={self.components}>"


# --- from who did what --------------------------------------------------------------------------


def cliques_of(incidence: Iterable[tuple[str, str]]) -> list[tuple[str, ...]]:
    """The agents of each task, from (agent, task) pairs; both in the order they came."""
    cliques: dict[str, dict[str, None]] = {}
    for agent, task in incidence:
        cliques.setdefault(task, {})[agent] = None
    return [tuple(clique) for clique in cliques.values()]


def projection_of(incidence: Iterable[tuple[str, str]]) -> CoworkGraph:
    """The co-work graph of (agent, task) pairs: an edge where two agents share a task.

    A task with k agents gives k(k - 1)/2 edges, hence loops that :func:`filled_beta1` leaves out.
    """
    graph = CoworkGraph()
    for clique in cliques_of(incidence):
        for agent in clique:
            graph.add(agent)
        for a, b in combinations(clique, 2):
            graph.connect(a, b)
    return graph


def filled_beta1(cliques: Iterable[Collection[str]]) -> int:
    """Holes in the collaboration: β1 of the complex in which every clique is filled.

    β1 = dim ker ∂1 − rank ∂2 over GF(2), for the complex whose simplices are the sets of agents
    that share a task; by Dowker (1952) the same for tasks that share an agent. The triangles of a
    clique at one of its vertices span all of its triangles, so a clique of k brings
    (k - 1)(k - 2)/2 columns. Elimination on integers as bit rows: O(columns · rank · E / 64),
    for teams, not for the whole fleet.
    """
    graph = CoworkGraph()
    sides: dict[tuple[str, str], int] = {}
    columns: set[int] = set()
    for clique in cliques:
        ordered = sorted(set(clique))
        for name in ordered:
            graph.add(name)
        for a, b in combinations(ordered, 2):
            graph.connect(a, b)
            sides.setdefault((a, b), len(sides))
        for b, c in combinations(ordered[1:], 2):
            a = ordered[0]
            columns.add(1 << sides[a, b] | 1 << sides[a, c] | 1 << sides[b, c])
    pivots: dict[int, int] = {}
    for found in columns:
        column = found
        while column:
            top = column.bit_length()
            if top not in pivots:
                pivots[top] = column
                break
            column ^= pivots[top]
    return graph.beta1 - len(pivots)


# --- thresholds ---------------------------------------------------------------------------------


def betti1(vertices: int, edges: int, components: int) -> int:
    """E − V + C; 0 for the empty graph.

    Raises:
        ImpossibleGraph: no graph has these figures.
    """
    loops = edges - vertices + components
    if min(edges, loops) < 0 or not min(1, vertices) <= components <= vertices:
        raise ImpossibleGraph(f"no graph has V={vertices}, E={edges}, C={components}")
    return loops


def margin(h1: int, vertices: int, offset: float = _OFFSET) -> float:
    """How far ``h1`` lies over the threshold V + offset, to nine digits."""
    return round(h1 - (vertices + offset), _DIGITS)


def emerges(h1: int, vertices: int, offset: float = _OFFSET) -> bool:
    """Whether a component has more loops than its threshold: β1 > V + offset, and V ≥ 3.

    With the offset -2 this counts E > 2V − 3: more edges than independent bars fit in the plane.
    One or two vertices never emerge.
    """
    return vertices >= 3 and margin(h1, vertices, offset) > 0


def risk(over: float) -> float:
    """The risk that a :func:`margin` stands for: ≤ 0 → 0, ≤ 1 → 0.3, ≤ 2 → 0.6, above 0.9."""
    return (0.0, 0.3, 0.6, 0.9)[min(3, max(0, ceil(over)))]
