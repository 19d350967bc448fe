"""How much of the code that matters most its own tests run: ``python -m tests.covering``.

One law: a file nobody imported counts as not covered. Lines are counted, not branches; what runs in
other processes is not counted.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import coverage
from rich.console import Console
from rich.table import Table

ROOT: Final = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Area:
    """Code of which at least a share has to be run.

    Attributes:
        floor: percent of all its lines together.
        places: folders and files, from the checkout's root.
    """

    name: str
    floor: float
    places: tuple[str, ...]


AREAS: Final = (
    Area(
        "players and sessions",
        80.0,
        (
            "actors/learner",
            "actors/session",
            "entrypoints/gateway",
            "holodeck/player.py",
            "messages/player.py",
        ),
    ),
    Area("persistence", 75.0, ("actors/projections", "broker")),
)

SHARES: Final[tuple[tuple[str, ...], ...]] = (
    (
        "tests/actors/learner",
        "tests/actors/session",
        "tests/actors/session_record",
        "tests/player_experience/unit",
        "tests/broker",
    ),
    (
        "tests/entrypoints/gateway",
        "tests/player_experience/integration/test_graph_integration.py",
        "tests/player_experience/integration/test_projections_cli.py",
        "tests/player_experience/integration/test_redis_integration.py",
    ),
)
"""What is run, one share in a process each; what is not there is left out."""
CHOSEN: Final = "not ray and not slow and not hypothesis"
"""Examples only: a property tried a hundred times runs the same lines a hundred times."""


@dataclass(frozen=True, slots=True)
class Found:
    """Lines that can be run, and those that were."""

    lines: int = 0
    run: int = 0

    def __add__(self, other: Found) -> Found:
        return Found(self.lines + other.lines, self.run + other.run)

    @property
    def percent(self) -> float:
        """Rounded down to a tenth, so that 79.96 is not 80; 100 where there is nothing to run."""
        return 100.0 if not self.lines else self.run * 1000 // self.lines / 10


def files(place: str) -> Iterator[Path]:
    """The modules of a folder, or the one file; nothing where there is neither."""
    path = ROOT / place
    if path.is_file():
        yield path
    yield from sorted(path.rglob("*.py")) if path.is_dir() else ()


def run(data: Path, log: Path, share: Sequence[str]) -> subprocess.Popen[bytes]:
    """Starts the tests of one share, measured into ``data``; what they say goes into ``log``."""
    measured = ",".join(
        f"{ROOT}/{place}" + ("" if place.endswith(".py") else "/*")
        for area in AREAS
        for place in area.places
    )
    environment = dict(os.environ)
    if sys.version_info >= (3, 12):
        environment.setdefault("COVERAGE_CORE", "sysmon")  # costs next to nothing
    command = [
        sys.executable, "-m", "coverage", "run", "--rcfile=/dev/null", f"--data-file={data}",
        f"--include={measured}", "-m", "pytest", "-q", "--no-header", "-p", "no:cacheprovider",
        "-m", CHOSEN, *share,
    ]  # fmt: skip
    with log.open("wb") as out:
        return subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=out, stderr=subprocess.STDOUT
        )


def counted(data: coverage.Coverage, paths: Iterable[Path]) -> Found:
    found = Found()
    for path in paths:
        _, lines, _, missing, _ = data.analysis2(str(path))
        found += Found(len(lines), len(lines) - len(missing))
    return found


def report(data: coverage.Coverage, *, by_file: bool) -> bool:
    """Prints the table; whether every area reaches its floor."""
    table = Table(title="coverage", title_justify="left")
    table.add_column("code")
    for head in ("lines", "run", "percent", "at least"):
        table.add_column(head, justify="right")
    reached = True
    for area in AREAS:
        total = Found()
        for place in area.places:
            paths = list(files(place))
            found = counted(data, paths)
            total += found
            _row(table, f"  {place}", found)
            for path in paths if by_file and len(paths) > 1 else ():
                _row(table, f"    {path.relative_to(ROOT)}", counted(data, [path]))
        enough = total.percent >= area.floor
        reached &= enough
        _row(table, area.name, total, f"{area.floor:.0f} %", "bold" if enough else "bold red")
        table.add_section()
    Console(width=None if sys.stdout.isatty() else 100).print(table)
    return reached


def _row(table: Table, name: str, found: Found, floor: str = "", style: str = "") -> None:
    told = f"{found.percent:.1f} %" if found.lines else "-"
    table.add_row(name, f"{found.lines:,}", f"{found.run:,}", told, floor, style=style)


def main(words: Sequence[str] | None = None) -> int:
    """Runs the shares side by side; 1 where a test fails or an area is below its floor."""
    parser = argparse.ArgumentParser(prog="python -m tests.covering", description=__doc__)
    parser.add_argument("--by-file", action="store_true", help="a line for each file too")
    options = parser.parse_args(words)
    began = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # children go too
    failed = False
    with tempfile.TemporaryDirectory(prefix="holodeck-coverage-") as folder:
        running: list[tuple[subprocess.Popen[bytes], Path]] = []
        try:
            for number, share in enumerate(SHARES):
                there = [one for one in share if (ROOT / one).exists()]
                if there:
                    log = Path(folder) / f"log.{number}"
                    running.append((run(Path(folder) / f"data.{number}", log, there), log))
            for child, log in running:
                broken = child.wait() != 0
                lines = log.read_text(errors="replace").splitlines(keepends=True)
                sys.stdout.writelines(lines if broken else lines[-1:])
                failed |= broken
        finally:
            for child, _ in running:
                child.kill()
                child.wait()
        data = coverage.Coverage(data_file=f"{folder}/data", config_file=False)
        data.combine([folder])
        sys.stdout.flush()
        reached = report(data, by_file=options.by_file)
    sys.stdout.write(f"measured in {time.monotonic() - began:.0f} s\n")
    if failed:
        sys.stderr.write("tests failed under coverage, see above\n")
    if not reached:
        sys.stderr.write(
            "too little of an area is run: see what is missing with --by-file, and test it\n"
        )
    return 1 if failed or not reached else 0


if __name__ == "__main__":
    raise SystemExit(main())
