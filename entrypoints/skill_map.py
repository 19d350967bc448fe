"""A picture of a curriculum: which skill needs which, and how far somebody has come.

One law: the same curriculum and states give the same picture; what is told by a colour stands
there in words too.
"""

from __future__ import annotations

import textwrap
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from holodeck.messages.curriculum import Curriculum
from holodeck.messages.errors import StartupError
from holodeck.messages.practice import SkillRecord, SkillState, SkillTier
from holodeck.minds.curricula import depths

INK: Final = "#1a1a1a"
GREY: Final = "#9a9a9a"
_WIDE: Final = 1.9
"""A box's width; like all lengths, inches."""
_HIGH: Final = 0.62
_ACROSS: Final = 2.5
"""From one column to the next."""
_DOWN: Final = 0.8
_LANE: Final = 0.34
"""Above the boxes of a strand, for its name."""
_HEAD: Final = 0.9
_FOOT: Final = 0.6
_FREE: Final = 0.06
"""What a line keeps away from a box it passes."""
_TRACK: Final = 0.04
"""Half of what it keeps away from another line."""
_LARGEST: Final = 60.0

Point = tuple[float, float]


class Standing(StrEnum):
    """How a skill stands for somebody: its state, and for what is new whether it may begin."""

    LOCKED = "locked"
    OPEN = "open"
    LEARNING = "learning"
    PROVING = "proving"
    MASTERED = "mastered"
    RUSTY = "rusty"


@dataclass(frozen=True, slots=True)
class Look:
    face: str
    edge: str
    ink: str


LOOKS: Final[Mapping[Standing, Look]] = {
    Standing.LOCKED: Look("#f0f0f0", "#b5b5b5", "#6a6a6a"),
    Standing.OPEN: Look("#ffffff", "#0072b2", INK),
    Standing.LEARNING: Look("#d6ebf8", "#0072b2", INK),
    Standing.PROVING: Look("#56b4e9", "#0072b2", INK),
    Standing.MASTERED: Look("#00795a", "#005a43", "#ffffff"),
    Standing.RUSTY: Look("#e69f00", "#a87400", INK),
}
"""From the colours of Okabe and Ito, which people who confuse colours can tell apart."""


def standings(curriculum: Curriculum, records: Mapping[str, SkillRecord]) -> dict[str, Standing]:
    """How each skill stands; a new one is open once all it needs is mastered (rusty is not)."""
    mastered = {name for name, one in records.items() if one.state is SkillState.MASTERED}
    found: dict[str, Standing] = {}
    for skill in curriculum.skills:
        record = records.get(skill.id)
        match record.state if record is not None else SkillState.NEW:
            case SkillState.MASTERED:
                found[skill.id] = Standing.MASTERED
            case SkillState.RUSTY:
                found[skill.id] = Standing.RUSTY
            case SkillState.LEARNING:
                proving = record is not None and record.tier is SkillTier.PROVE
                found[skill.id] = Standing.PROVING if proving else Standing.LEARNING
            case SkillState.NEW:
                ready = mastered.issuperset(skill.needs)
                found[skill.id] = Standing.OPEN if ready else Standing.LOCKED
    return found


@dataclass(frozen=True, slots=True)
class Plan:
    """Where everything stands.

    Attributes:
        spots: the left upper corner of each skill's box, y downwards.
        lanes: top and height of each strand.
    """

    spots: dict[str, tuple[float, float]]
    lanes: dict[str, tuple[float, float]]
    width: float
    height: float


def placed(curriculum: Curriculum) -> Plan:
    """Columns by depth, a lane for each strand; within a cell near what is needed."""
    needs = {skill.id: skill.needs for skill in curriculum.skills}
    column = depths(needs)
    spots: dict[str, tuple[float, float]] = {}
    lanes: dict[str, tuple[float, float]] = {}
    top = 0.0
    for strand in curriculum.strands:
        cells: dict[int, list[str]] = defaultdict(list)
        for skill in curriculum.skills:
            if skill.strand == strand.id:
                cells[column[skill.id]].append(skill.id)
        rows = max((len(cell) for cell in cells.values()), default=1)
        height = _LANE + rows * _DOWN + 0.12
        for at in sorted(cells):
            cell = sorted(cells[at], key=lambda name: (_mean(needs[name], spots, top), name))
            spare = (rows - len(cell)) / 2
            for row, name in enumerate(cell):
                spots[name] = (at * _ACROSS, top + _LANE + (row + spare) * _DOWN)
        lanes[strand.id] = (top, height)
        top += height
    return Plan(spots, lanes, max(column.values()) * _ACROSS + _WIDE, top)


def _mean(needs: tuple[str, ...], spots: Mapping[str, tuple[float, float]], top: float) -> float:
    ys = [spots[need][1] for need in needs if need in spots]
    return sum(ys) / len(ys) if ys else top


def draw_map(
    curriculum: Curriculum, standing: Mapping[str, Standing], path: Path, title: str = ""
) -> None:
    """Writes a PNG of the curriculum.

    Args:
        standing: of each of its skills.

    Raises:
        StartupError: matplotlib is missing, or the file cannot be written.
    """
    try:
        import matplotlib
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise StartupError(
            f"a picture needs {error.name}, which is not installed",
            "Install the extra: `pip install 'holodeck-sessions[pictures]'`",
        ) from error
    plan = placed(curriculum)
    across, down = max(plan.width + 0.8, 9.0), plan.height
    scale = min(1.0, _LARGEST / max(across, down))
    whole = (down * scale) + _HEAD + _FOOT
    with matplotlib.rc_context({"font.family": "DejaVu Sans"}):
        figure = Figure(figsize=(across * scale, whole), dpi=130, facecolor="white")
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0.0, _FOOT / whole, 1.0, down * scale / whole))
        axes.set_axis_off()
        left = (across - plan.width) / 2
        axes.set_xlim(-left, plan.width + left)
        axes.set_ylim(plan.height, 0.0)
        _draw_lanes(axes, curriculum, plan, left)
        _draw_needs(axes, curriculum, standing, plan)
        for skill in curriculum.skills:
            _draw_skill(axes, skill.name, standing[skill.id], plan.spots[skill.id], scale)
        head: dict[str, Any] = {"ha": "center", "va": "top", "color": INK}
        figure.text(0.5, 1 - 0.18 / whole, title or curriculum.name, fontsize=15, weight="bold",
                    **head)  # fmt: skip
        figure.text(0.5, 1 - 0.54 / whole, _summary(standing), fontsize=10.5, **head)
        _draw_legend(figure, whole)
        try:
            figure.savefig(path, format="png", metadata={"Software": ""})
        except OSError as error:
            raise StartupError(
                f"{path} cannot be written ({error})", "Name another file"
            ) from error


def _summary(standing: Mapping[str, Standing]) -> str:
    counts = [(kind, sum(one is kind for one in standing.values())) for kind in Standing]
    told = ", ".join(f"{count} {kind}" for kind, count in counts if count)
    return f"{len(standing)} skills: {told}"


def _draw_lanes(axes: Any, curriculum: Curriculum, plan: Plan, left: float) -> None:
    from matplotlib.patches import Rectangle

    for n, strand in enumerate(curriculum.strands):
        top, height = plan.lanes[strand.id]
        axes.add_patch(
            Rectangle(
                (-left, top), plan.width + 2 * left, height, linewidth=0, zorder=0,
                facecolor="#fafafa" if n % 2 else "#f3f5f8",
            )
        )  # fmt: skip
        axes.text(
            -left + 0.14, top + 0.08, strand.name, fontsize=10, weight="bold", color="#555555",
            ha="left", va="top", zorder=4,
        )  # fmt: skip


def ways(curriculum: Curriculum, plan: Plan) -> dict[tuple[str, str], list[Point]]:
    """For each need, as (needed, skill), the points of its line: the ends, and where it enters and
    leaves each column between, at the free height nearest to the straight line."""
    taken: dict[float, list[tuple[float, float]]] = defaultdict(list)
    for x, y in plan.spots.values():
        taken[x].append((y - _FREE, y + _HIGH + _FREE))
    found: dict[tuple[str, str], list[Point]] = {}
    for skill in curriculum.skills:
        x, y = plan.spots[skill.id]
        for n, need in enumerate(skill.needs):
            left, top = plan.spots[need]
            start = (left + _WIDE, top + _HIGH / 2)
            end = (x - 0.02, y + _HIGH * (n + 1) / (len(skill.needs) + 1))
            points = [start]
            steps = round((x - left) / _ACROSS)
            for step in range(1, steps):
                column = left + step * _ACROSS
                level = _free(start[1] + (end[1] - start[1]) * step / steps, taken[column])
                taken[column].append((level - _TRACK, level + _TRACK))
                points += [(column - _FREE, level), (column + _WIDE + _FREE, level)]
            found[need, skill.id] = [*points, end]
    return found


def _free(wanted: float, taken: list[tuple[float, float]]) -> float:
    """The height nearest to the wanted one that nothing takes."""
    edges = [wanted, *(edge for pair in taken for edge in pair)]
    free = [y for y in edges if y > 0 and not any(low < y < high for low, high in taken)]
    return min(free, key=lambda y: (abs(y - wanted), y), default=wanted)


def _draw_needs(
    axes: Any, curriculum: Curriculum, standing: Mapping[str, Standing], plan: Plan
) -> None:
    """A line from each skill to those that need it; firm where it is mastered."""
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path as Curve

    for (need, _), points in ways(curriculum, plan).items():
        corners, codes = [points[0]], [Curve.MOVETO]
        for n, (to_x, to_y) in enumerate(points[1:]):
            from_x, from_y = corners[-1]
            if n % 2:  # across a column
                corners.append((to_x, to_y))
                codes.append(Curve.LINETO)
                continue
            bend = 0.6 * (to_x - from_x)
            corners += [(from_x + bend, from_y), (to_x - bend, to_y), (to_x, to_y)]
            codes += [Curve.CURVE4] * 3
        firm = standing[need] is Standing.MASTERED
        axes.add_patch(
            FancyArrowPatch(
                path=Curve(corners, codes), arrowstyle="-|>", mutation_scale=8,
                linewidth=1.5 if firm else 1.0, zorder=1, capstyle="butt",
                color=LOOKS[Standing.MASTERED].face if firm else GREY,
                linestyle="solid" if firm else (0, (4, 2)),
            )
        )  # fmt: skip


def _draw_skill(
    axes: Any, name: str, standing: Standing, spot: tuple[float, float], scale: float
) -> None:
    from matplotlib.patches import FancyBboxPatch

    look, (x, y) = LOOKS[standing], spot
    axes.add_patch(
        FancyBboxPatch(
            (x + 0.06, y + 0.06), _WIDE - 0.12, _HIGH - 0.12, boxstyle="round,pad=0.06",
            facecolor=look.face, edgecolor=look.edge, linewidth=1.3, zorder=2,
        )
    )  # fmt: skip
    words = textwrap.wrap(name, 24, max_lines=2, placeholder="…")
    middle = x + _WIDE / 2
    axes.text(
        middle, y + 0.22, "\n".join(words), fontsize=8.2 * scale, color=look.ink, ha="center",
        va="center", zorder=3, linespacing=1.05,
    )  # fmt: skip
    axes.text(
        middle, y + _HIGH - 0.11, standing.value, fontsize=7 * scale, color=look.ink,
        ha="center", va="center", zorder=3, style="italic",
    )  # fmt: skip


def _draw_legend(figure: Any, whole: float) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    boxes: list[Any] = [
        Patch(facecolor=look.face, edgecolor=look.edge, linewidth=1.3, label=kind.value)
        for kind, look in LOOKS.items()
    ]
    lines = [
        Line2D([], [], color=LOOKS[Standing.MASTERED].face, linewidth=1.5, label="met"),
        Line2D([], [], color=GREY, linewidth=1.0, linestyle=(0, (4, 2)), label="still needed"),
    ]
    figure.legend(
        handles=[*boxes, *lines], loc="lower center", bbox_to_anchor=(0.5, 0.1 / whole), ncols=8,
        frameon=False, fontsize=9, handlelength=2.2, columnspacing=1.4,
    )  # fmt: skip
