"""``python -m tests.torture.checker FOLDER``: whether the run in a folder kept the promises."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from tests.torture.checker import LAWS, Report, check
from tests.torture.run import BadRun, load


def main(
    folder: Annotated[Path, typer.Argument(help="Of a run: run.json, histories, streams.")],
    law: Annotated[
        list[str] | None, typer.Option(help=f"Only this one (repeat): {', '.join(LAWS)}.")
    ] = None,
    show: Annotated[int, typer.Option(help="How many violations of each law are told.")] = 5,
) -> None:
    """Checks every law on a torture run and tells the violations. Exit status 1 if there are any,
    2 if the folder holds no run."""
    unknown = set(law or ()) - LAWS.keys()
    if unknown:
        raise typer.BadParameter(f"no law {', '.join(sorted(unknown))}: {', '.join(LAWS)}")
    began = time.perf_counter()
    try:
        run = load(folder)
        report = check(run, law or None)
    except BadRun as error:
        Console(stderr=True).print(f"no run to check: {error}", markup=False)
        raise typer.Exit(2) from error
    seconds = time.perf_counter() - began
    title = f"{folder}: {len(run.ops):,} operations, {len(run.journal):,} checkpoints"
    tell(report, Console(), title=title, caption=f"checked in {seconds:.1f} s", show=show)
    raise typer.Exit(0 if report.holds else 1)


def tell(report: Report, console: Console, *, title: str, caption: str, show: int = 5) -> None:
    """Prints a row for each law, then the first violations of each broken one."""
    table = Table(title=title, caption=caption)
    for name in ("law", "checked", "violations", ""):
        table.add_column(name, justify="right" if name in ("checked", "violations") else "left")
    for finding in report.findings:
        count = len(finding.violations)
        table.add_row(
            finding.law,
            f"{finding.checked:,} {finding.unit}",
            f"[bold red]{count:,}[/]" if count else "0",
            finding.note,
        )
    console.print(table)
    for finding in report.findings:
        for violation in finding.violations[:show]:
            console.print(f"{finding.law}: {violation}", markup=False, highlight=False)
        if len(finding.violations) > show:
            console.print(f"{finding.law}: … {len(finding.violations) - show:,} more", markup=False)


if __name__ == "__main__":
    typer.run(main)
