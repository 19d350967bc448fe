"""A picture of the co-work graph: who worked with whom, and how firmly the team is braced.

One law: the same view gives the same picture. What is told by a colour is told by the stroke too,
and the colours are those of Okabe and Ito, which people who confuse colours can tell apart.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from holodeck.messages.errors import StartupError

GREY: Final = "#8a8a8a"
BLUE: Final = "#0072b2"
ORANGE: Final = "#d55e00"
SHADE: Final = "#f6d3bd"
INK: Final = "#1a1a1a"
LABELLED: Final = 150
"""Agents up to which each has its name beside it; more names would cover the picture."""
CAPTIONED: Final = 24
"""Groups up to which each has its figures above it."""
SHADED: Final = 40
"""Over-braced groups up to which each is shaded."""
_HEAD: Final = 0.95
_FOOT: Final = 0.6
_EDGE: Final = 1.15
"""How long an edge is on the whole; like all lengths, inches."""
_ROOM: Final = 0.85
"""What a team keeps free around it for names, its caption not counted."""

Point = tuple[float, float]
Edge = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Figures:
    """What the whole graph comes to: V, E, C, β1, degrees of freedom and redundant edges."""

    vertices: int
    edges: int
    components: int
    beta1: int
    dof: int
    redundant: int

    def __str__(self) -> str:
        return (
            f"V {self.vertices:,}   E {self.edges:,}   C {self.components:,}   "
            f"β₁ {self.beta1:,}   dof {self.dof:,}   redundant {self.redundant:,}"
        )


def figures(parts: Sequence[Mapping[str, Any]]) -> Figures:
    """The sums over all components of a view; β1, freedom and bracing are additive over them."""
    return Figures(
        sum(part["vertices"] for part in parts),
        sum(part["edges"] for part in parts),
        len(parts),
        sum(part["h1"] for part in parts),
        sum(part["dof"] for part in parts),
        sum(part["redundant"] for part in parts),
    )


@dataclass(frozen=True, slots=True)
class Strokes:
    """How each edge is drawn, each edge in exactly one list.

    Attributes:
        bridges: lie on no loop; loops: lie on one; braced: inside an over-braced group.
        closing: of the edges above, one for each independent loop: without them no loop is left.
    """

    bridges: list[Edge]
    loops: list[Edge]
    braced: list[Edge]
    closing: frozenset[Edge]


def strokes(graph: Any, groups: Sequence[Sequence[str]]) -> Strokes:
    """Sorts the edges of a networkx graph; ``groups`` are the over-braced ones.

    The closing edges are those outside of a spanning forest that is grown in the order of names:
    β1 of them, whichever forest is grown.
    """
    import networkx as nx

    bridges = {_sorted(edge) for edge in nx.bridges(graph)}
    within = [set(group) for group in groups]
    found = Strokes([], [], [], frozenset(_closing(graph)))
    for edge in sorted(_sorted(edge) for edge in graph.edges):
        if any(edge[0] in group and edge[1] in group for group in within):
            found.braced.append(edge)
        elif edge in bridges:
            found.bridges.append(edge)
        else:
            found.loops.append(edge)
    return found


def _sorted(edge: Sequence[str]) -> Edge:
    return (edge[0], edge[1]) if edge[0] <= edge[1] else (edge[1], edge[0])


def _closing(graph: Any) -> list[Edge]:
    """The edges beside a forest of shortest ways, so that loops are closed far from its roots."""
    forest: set[Edge] = set()
    seen: set[str] = set()
    for root in sorted(graph, key=lambda name: (-graph.degree(name), name)):
        if root in seen:
            continue
        seen.add(root)
        queue = [root]
        for at in queue:
            for to in sorted(graph[at]):
                if to not in seen:
                    seen.add(to)
                    forest.add(_sorted((at, to)))
                    queue.append(to)
    return [edge for edge in sorted(map(_sorted, graph.edges)) if edge not in forest]


def draw(view: Mapping[str, Any], path: Path) -> None:
    """Writes a PNG of what ``holodeck fleet graph`` shows.

    Args:
        view: ``edges`` [a, b, at, weight], ``components`` with ``members`` and figures, and
            ``left_out``, how many edges are missing.

    Raises:
        StartupError: matplotlib or networkx is missing, or the file cannot be written.
    """
    try:
        import matplotlib
        import networkx as nx
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise StartupError(
            f"a picture needs {error.name}, which is not installed",
            "Install the extra: `pip install 'holodeck-sessions[pictures]'`",
        ) from error
    parts = view["components"]
    graph = nx.Graph()
    for part in parts:
        graph.add_nodes_from(part["members"])
    graph.add_edges_from((edge[0], edge[1]) for edge in view["edges"])
    lone = sorted(name for name in graph if not graph.degree(name))
    teams = [sorted(team) for team in nx.connected_components(graph) if len(team) > 1]
    teams.sort(key=lambda team: (-len(team), team))
    groups = [group for part in parts for group in part["overbraced"]]
    where, boxes, (width, height) = _placed(graph, teams, lone)
    scale = min(1.0, 36.0 / max(width, height, 1.0))
    across, down = max(10.5, width * scale), max(2.0, height * scale)
    said = str(figures(parts))
    if view.get("left_out"):
        said += f"   ({view['left_out']:,} older edges not drawn)"
    with matplotlib.rc_context({"font.family": "DejaVu Sans"}):
        figure = Figure(
            figsize=(across, down + _HEAD + _FOOT), dpi=140 if scale == 1.0 else 90,
            facecolor="white",
        )  # fmt: skip
        FigureCanvasAgg(figure)
        whole = down + _HEAD + _FOOT
        axes = figure.add_axes((0.0, _FOOT / whole, 1.0, down / whole))
        axes.set_axis_off()
        spare = (across / scale - width) / 2
        axes.set_xlim(-spare, width + spare)
        axes.set_ylim(max(height, 2.0), 0.0)
        _draw_edges(axes, where, strokes(graph, groups), groups)
        _draw_agents(axes, graph, where, teams, lone)
        if len(teams) <= CAPTIONED:
            _draw_captions(axes, teams, boxes, parts)
        figure.text(
            0.5, 1.0 - 0.2 / whole, "co-work graph", ha="center", va="top", fontsize=15,
            weight="bold", color=INK,
        )  # fmt: skip
        figure.text(0.5, 1.0 - 0.56 / whole, said, ha="center", va="top", fontsize=11.5, color=INK)
        _draw_legend(figure, whole)
        try:
            figure.savefig(path, format="png", metadata={"Software": ""})
        except OSError as error:
            raise StartupError(
                f"{path} cannot be written ({error})", "Name another file"
            ) from error


# --- where everybody stands ----------------------------------------


@dataclass(frozen=True, slots=True)
class _Box:
    """Where a team stands; in inches, y downwards."""

    left: float
    top: float
    width: float
    height: float


def _placed(
    graph: Any, teams: Sequence[Sequence[str]], lone: Sequence[str]
) -> tuple[dict[str, Point], list[_Box], Point]:
    """Each team in a box of its own, who is alone in rows below; and the size of it all.

    Boxes stand in rows as high as their first one, which is the largest; smaller ones stand below
    each other where there is room.
    """
    where: dict[str, Point] = {}
    boxes: list[_Box] = []
    shapes = [_shape(graph.subgraph(team)) for team in teams]
    outer = [(w + 2 * _ROOM, h + 1.0 + 0.45) for w, h, _ in shapes]
    row = max(10.5, 1.35 * math.sqrt(sum(w * h for w, h in outer)), *(w for w, _ in outer), 0.0)
    top = bottom = left = right = level = 0.0  # of the row; of the column, and how far it is filled
    reach = 0.0
    for (width, height, spots), (wide, high) in zip(shapes, outer, strict=True):
        below = level + high <= bottom + 1e-9 and left + wide <= right + 1e-9
        if not below and right + wide <= row + 1e-9 and top + high <= bottom + 1e-9:
            left, level = right, top
        elif not below:
            top = level = bottom
            left = right = 0.0
            bottom = top + high
        right = max(right, left + wide)
        reach = max(reach, right)
        box = _Box(left + _ROOM, level + 1.0, width, height)
        boxes.append(box)
        for name, (x, y) in spots.items():
            where[name] = (box.left + x, box.top + y)
        level += high
    reach = max(reach, min(row, 1.3 * len(lone)))
    across = max(1, int(reach / 1.3))
    for index, name in enumerate(lone):
        line, place = divmod(index, across)
        where[name] = ((place + 0.5) * 1.3, bottom + 0.4 + line * 0.75)
    rows = math.ceil(len(lone) / across)
    return where, boxes, (reach, bottom + rows * 0.75)


def _shape(team: Any) -> tuple[float, float, dict[str, Point]]:
    """Width, height and the places of one team, in inches, the upper left corner at 0, 0."""
    import networkx as nx

    names = sorted(team)
    plain = nx.Graph()  # in the order of names, so that the same team is always drawn alike
    plain.add_nodes_from(names)
    plain.add_edges_from(sorted(_sorted(edge) for edge in team.edges))
    count = len(names)
    if count <= 3:
        raw = nx.circular_layout(plain)
    elif count < 500:
        flat, embedding = nx.check_planarity(plain)
        begin = nx.planar_layout(embedding) if flat else nx.circular_layout(plain)
        raw = nx.spring_layout(
            plain, pos=begin, seed=7, iterations=300, k=1.6 / math.sqrt(count), method="force"
        )
    else:
        raw = nx.forceatlas2_layout(plain, seed=7, max_iter=100)
    spots = _turned([(float(raw[name][0]), float(raw[name][1])) for name in names])
    by_name = dict(zip(names, spots, strict=True))
    lengths = sorted(math.dist(by_name[a], by_name[b]) for a, b in plain.edges)
    factor = _EDGE / max(lengths[len(lengths) // 2], 1e-9)
    if count <= LABELLED:
        # Room for names between any two, but not at any price.
        factor = min(2.0 * factor, max(factor, 0.7 / max(_nearest(spots), 1e-9)))
    else:
        factor *= 0.45
    left, top = min(x for x, _ in spots), min(y for _, y in spots)
    width, height = (max(x for x, _ in spots) - left, max(y for _, y in spots) - top)
    return (
        width * factor,
        height * factor,
        {name: ((x - left) * factor, (y - top) * factor) for name, (x, y) in by_name.items()},
    )


def _turned(points: list[Point]) -> list[Point]:
    """The same points, lying: turned so that they reach furthest from left to right."""
    best, out = math.inf, points
    for step in range(12):
        angle = math.pi * step / 12
        sine, cosine = math.sin(angle), math.cos(angle)
        turned = [(x * cosine - y * sine, x * sine + y * cosine) for x, y in points]
        height = max(y for _, y in turned) - min(y for _, y in turned)
        if height < best - 1e-9:
            best, out = height, turned
    return out


def _nearest(points: Sequence[Point]) -> float:
    """The smallest distance between two."""
    return min(math.dist(one, other) for n, one in enumerate(points) for other in points[n + 1 :])


# --- what is drawn ----------------------------------------


def _draw_edges(
    axes: Any, where: Mapping[str, Point], found: Strokes, groups: Sequence[Sequence[str]]
) -> None:
    from matplotlib.collections import LineCollection
    from matplotlib.patches import Polygon

    for group in groups[:SHADED]:
        corners = _hull([where[name] for name in group if name in where])
        axes.add_patch(
            Polygon(
                corners, closed=True, facecolor=SHADE, edgecolor=SHADE, linewidth=30,
                joinstyle="round", zorder=0,
            )
        )  # fmt: skip
    kinds = ((found.bridges, GREY, 1.4), (found.loops, BLUE, 2.2), (found.braced, ORANGE, 3.0))
    for edges, colour, width in kinds:
        for closing in (False, True):
            lines = [(where[a], where[b]) for a, b in edges if ((a, b) in found.closing) is closing]
            axes.add_collection(
                LineCollection(
                    lines, colors=colour, linewidths=width, zorder=1,
                    linestyles=(0, (2.2, 1.4)) if closing else "solid",
                )
            )  # fmt: skip


def _hull(points: Sequence[Point]) -> list[Point]:
    """The corners of the convex hull, by monotone chain (Andrew, 1979)."""
    ordered = sorted(set(points))
    if len(ordered) < 3:
        return ordered

    def chain(line: Sequence[Point]) -> list[Point]:
        kept: list[Point] = []
        for x, y in line:
            while len(kept) > 1:
                (ax, ay), (bx, by) = kept[-2], kept[-1]
                if (bx - ax) * (y - ay) - (by - ay) * (x - ax) > 0:
                    break
                kept.pop()
            kept.append((x, y))
        return kept[:-1]

    return chain(ordered) + chain(ordered[::-1])


def _draw_agents(
    axes: Any,
    graph: Any,
    where: Mapping[str, Point],
    teams: Sequence[Sequence[str]],
    lone: Sequence[str],
) -> None:
    from matplotlib.patheffects import withStroke

    many = len(where) > LABELLED
    for names, face in (([name for team in teams for name in team], INK), (lone, "white")):
        axes.scatter(
            [where[name][0] for name in names], [where[name][1] for name in names],
            s=14 if many else 64, c=face, edgecolors=INK, linewidths=1.2, zorder=3,
        )  # fmt: skip
    if many:
        return
    for name, (x, y) in where.items():
        dx, dy = _away(name, graph, where)
        axes.annotate(
            name if len(name) <= 18 else name[:17] + "…",
            (x, y),
            xytext=(9 * dx, -9 * dy),
            textcoords="offset points",
            ha="left" if dx > 0.4 else "right" if dx < -0.4 else "center",
            va="top" if dy > 0.4 else "bottom" if dy < -0.4 else "center",
            fontsize=8.5,
            color=INK,
            zorder=4,
            path_effects=[withStroke(linewidth=2.6, foreground="white")],
        )


def _away(name: str, graph: Any, where: Mapping[str, Point]) -> Point:
    """The direction from an agent in which a name covers the fewest of its edges."""
    x, y = where[name]
    angles = sorted(math.atan2(where[n][1] - y, where[n][0] - x) for n in graph[name])
    if not angles:
        return (0.0, 1.0)
    wider = [(b - a, a) for a, b in zip(angles, [*angles[1:], angles[0] + math.tau], strict=True)]
    gap, start = max(wider)
    middle = start + gap / 2
    return (math.cos(middle), math.sin(middle))


def _draw_captions(
    axes: Any,
    teams: Sequence[Sequence[str]],
    boxes: Sequence[_Box],
    parts: Sequence[Mapping[str, Any]],
) -> None:
    by_member = {name: part for part in parts for name in part["members"]}
    for team, box in zip(teams, boxes, strict=True):
        part = next((by_member[name] for name in team if name in by_member), None)
        if part is None:
            continue
        threshold = part["vertices"] - 2
        said = f"β₁ {part['h1']}, dof {part['dof']}, redundant {part['redundant']}"
        if part["emergence"]:
            said += f"\nemergence: β₁ {part['h1']} > V-2 = {threshold}"
        axes.text(
            box.left + box.width / 2, box.top - 0.42, said, ha="center", va="bottom",
            fontsize=9, color=ORANGE if part["emergence"] else "#555555", zorder=4,
            weight="bold" if part["emergence"] else "normal", linespacing=1.35,
        )  # fmt: skip


def _draw_legend(figure: Any, height: float) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    dashes = (0, (2.2, 1.4))
    figure.legend(
        handles=[
            Line2D([], [], color=GREY, linewidth=1.4, label="on no loop"),
            Line2D([], [], color=BLUE, linewidth=2.2, label="on a loop"),
            Line2D([], [], color=BLUE, linewidth=2.2, linestyle=dashes,
                   label="closes an independent loop (β₁ of them)"),
            Patch(facecolor=SHADE, edgecolor=ORANGE, linewidth=2.4, label="over-braced group"),
            Line2D([], [], color=INK, marker="o", linestyle="", markerfacecolor="white",
                   label="works with nobody"),
        ],
        loc="lower center", bbox_to_anchor=(0.5, 0.12 / height), ncols=5, frameon=False,
        fontsize=9.5, handlelength=2.6, columnspacing=1.6,
    )  # fmt: skip
