"""``python -m tests.torture``: the runtime under fire, and whether it kept its promises."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from tests.torture import netns
from tests.torture.checker.__main__ import tell
from tests.torture.drive import Trial, Verdict, drive
from tests.torture.mutants import MUTANTS
from tests.torture.program import Size
from tests.torture.schedule import FAULTS, Cast, schedule
from tests.torture.trials import EXPECTED, trial_of
from tests.torture.world import Setting

CONSOLE: Final = Console()
USUAL: Final = Size()


def main(
    minutes: Annotated[float, typer.Option(help="How long the load lasts.")] = 1.0,
    seconds: Annotated[float, typer.Option(help="The same in seconds; goes before.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Programs and faults follow from it alone.")] = 1,
    sessions: Annotated[int, typer.Option(help="Sessions at a time.")] = USUAL.sessions,
    learners: Annotated[
        int, typer.Option(help="Fewer than sessions: they compete.")
    ] = USUAL.learners,
    npcs: Annotated[int, typer.Option(help="At most 8.", max=8)] = USUAL.npcs,
    clients: Annotated[int, typer.Option(help="Client processes.")] = USUAL.clients,
    workers: Annotated[int, typer.Option(help="Programs in each of them.")] = USUAL.workers,
    hosts: Annotated[int, typer.Option(help="Host processes.")] = 3,
    faults: Annotated[
        str, typer.Option(help=f"Only these, with commas; 'none' for none: {', '.join(FAULTS)}.")
    ] = "",
    mutant: Annotated[
        str, typer.Option(help=f"A planted fault that has to be found: {', '.join(MUTANTS)}.")
    ] = "",
    folder: Annotated[
        Path | None, typer.Option(help="Where the run is kept; must be empty.")
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep the folder of a good run too.")
    ] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Only print what would be done.")] = False,
) -> None:
    """Random programs of every command run on a world of real processes, while hosts, supervisor,
    tile emitter and nats-server are killed, frozen, cut off, slowed down, their store filled or put
    back to what it was, their clocks skewed. Then a checker proves that every promise was kept.

    Exit status 0: no violation. 1: violations; history, logs and store stay in the folder. With
    --mutant: 1 if the planted fault was found, 3 if another law is broken, 0 if it went unnoticed.
    """
    size = Size(sessions=sessions, learners=learners, npcs=npcs, clients=clients, workers=workers)
    length = seconds or minutes * 60
    trial = trial_of(mutant, seed, length) if mutant else _trial(
        seed, length, size, hosts, faults, quietly=plan
    )  # fmt: skip
    if plan:
        for fault in trial.faults:
            CONSOLE.print(str(fault), markup=False, highlight=False)
        return
    home = _home(folder)
    verdict = _torture(trial, home)
    raise typer.Exit(_judge(verdict, trial, home, keep=keep or folder is not None))


def _trial(
    seed: int, seconds: float, size: Size, hosts: int, faults: str, *, quietly: bool
) -> Trial:
    only = _chosen(faults)
    walled = 0
    if "partition" in only:
        missing = netns.why_not()
        walled = 0 if missing else 1
        if missing and not quietly:
            CONSOLE.print(f"no network namespaces, partitions by proxy alone: {missing}")
    setting = Setting(size, hosts=hosts, walled=walled)
    cast = Cast(hosts, size.clients, setting.lease_s, frozenset(f"host-{n}" for n in range(walled)))
    return Trial(seed, seconds, setting, schedule(seed, seconds, cast, only))


def _chosen(faults: str) -> tuple[str, ...]:
    if not faults:
        return FAULTS
    if faults == "none":
        return ()
    chosen = tuple(name.strip() for name in faults.split(","))
    for name in chosen:
        if name not in FAULTS:
            raise typer.BadParameter(f"no fault {name}: {', '.join(FAULTS)}", param_hint="--faults")
    return chosen


def _home(folder: Path | None) -> Path:
    if folder is None:
        return Path(tempfile.mkdtemp(prefix="torture-"))
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise typer.BadParameter(f"{folder} is not empty", param_hint="--folder")
    return folder


def _torture(trial: Trial, home: Path) -> Verdict:
    netns.sweep()
    try:
        with CONSOLE.status("") as status:
            return asyncio.run(
                drive(trial, home, lambda text: status.update(f"[bold]torture[/] {text}"))
            )
    except KeyboardInterrupt:
        CONSOLE.print(f"stopped; what there is stands in {home}")
        raise typer.Exit(130) from None


def _judge(verdict: Verdict, trial: Trial, home: Path, *, keep: bool) -> int:
    """Says what came out; the exit status."""
    title = (
        f"seed {trial.seed}, {trial.seconds:g} s, {len(trial.faults)} faults: "
        f"{verdict.operations:,} operations, {verdict.checkpoints:,} checkpoints"
    )
    tell(verdict.report, CONSOLE, title=title, caption="")
    if verdict.unhealed:
        CONSOLE.print(f"[bold red]not healed[/]: {verdict.unhealed}")
    mutant = trial.setting.mutant
    if mutant:
        return _judge_mutant(mutant, verdict, home, keep=keep)
    if verdict.holds:
        CONSOLE.print("[bold green]every promise was kept[/]")
        _leave(home, keep=keep)
        return 0
    CONSOLE.print(f"[bold red]broken[/]: {', '.join(verdict.report.broken) or 'healing'}")
    _guide(home, trial)
    return 1


def _judge_mutant(mutant: str, verdict: Verdict, home: Path, *, keep: bool) -> int:
    found = sorted(EXPECTED[mutant] & set(verdict.report.broken))
    if found:
        CONSOLE.print(f"[bold green]{mutant} was found[/]: {', '.join(found)}")
        _leave(home, keep=keep)
        return 1
    others = ", ".join(verdict.report.broken) or verdict.unhealed
    CONSOLE.print(
        f"[bold red]{mutant} was not found[/], "
        + (f"but this is broken: {others}" if others else "nothing is broken")
    )
    CONSOLE.print(f"kept in {home}")
    return 3 if others else 0


def _leave(home: Path, *, keep: bool) -> None:
    if keep:
        CONSOLE.print(f"kept in {home}")
    else:
        shutil.rmtree(home)


def _guide(home: Path, trial: Trial) -> None:
    """How to look at a failing run."""
    CONSOLE.print(
        f"""
everything is kept in {home}
  check again        python -m tests.torture.checker {home}
  one law, all of it python -m tests.torture.checker {home} --law NAME --show 100
  what was done      {home}/nemesis.jsonl, the plan of it in {home}/run.json
  who said what      grep s3-1 {home}/history-*.jsonl
  what processes say {home}/logs/*.log, {home}/nats/nats-server.log
  the same again     python -m tests.torture --seconds {trial.seconds:g} --seed {trial.seed}""",
        markup=False,
        highlight=False,
    )


if __name__ == "__main__":
    typer.run(main)
