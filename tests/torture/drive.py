"""One whole run: a world, its clients, its nemesis, the end, the verdict.

One law: whatever happens, what is known stands in the folder before the verdict is spoken.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import structlog

from tests.torture.checker import Report, check
from tests.torture.collect import collect, settle
from tests.torture.nemesis import Nemesis
from tests.torture.record import Lines, now
from tests.torture.run import load
from tests.torture.schedule import Fault
from tests.torture.world import Setting, World

LEAD_S: Final = 0.8
"""Client processes need so long until they can begin, seconds."""
PATIENCE_S: Final = 40.0
"""How long a sound runtime may take to heal after the last fault, seconds."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What is to be run.

    Attributes:
        seconds: how long the load lasts; patience_s: how long everything may take to heal.
    """

    seed: int
    seconds: float
    setting: Setting
    faults: tuple[Fault, ...]
    patience_s: float = PATIENCE_S


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a run came to.

    Attributes:
        unhealed: what did not come about after the last fault; empty if all is well.
    """

    report: Report
    unhealed: str
    operations: int
    checkpoints: int

    @property
    def holds(self) -> bool:
        return self.report.holds and not self.unhealed


def _log_to(path: Path) -> None:
    """What the world's own connection has to say is for who looks into the folder."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(path.open("a", buffering=1)))


async def drive(trial: Trial, folder: Path, told: Callable[[str], None]) -> Verdict:
    """Runs it in an empty folder.

    Args:
        told: is called with what goes on now, for a progress line.

    Raises:
        RuntimeError: a client process failed.
    """
    _write_plan(trial, folder)
    _log_to(folder / "world.log")
    unhealed = await _run(trial, folder, told)
    told("checking")
    run = load(folder)
    report = await asyncio.to_thread(check, run)
    return Verdict(report, unhealed, len(run.ops), len(run.journal))


def _write_plan(trial: Trial, folder: Path) -> None:
    setting = trial.setting
    plan = {
        "seed": trial.seed,
        "seconds": trial.seconds,
        "partitions": setting.partitions,
        "ns": "holodeck",
        "lease_s": setting.lease_s,
        "mutant": setting.mutant or None,
        "plan": {"setting": asdict(setting), "faults": [asdict(f) for f in trial.faults]},
    }
    (folder / "run.json").write_text(json.dumps(plan, indent=1))


async def _run(trial: Trial, folder: Path, told: Callable[[str], None]) -> str:
    told("building the world")
    async with World(folder, trial.setting) as world:
        with Lines(folder / "nemesis.jsonl") as lines:
            await world.whole()
            begin = now() + int(LEAD_S * 1e9)
            world.begin_clients(trial.seed, begin, trial.seconds)
            nemesis = Nemesis(world, lines)
            news = asyncio.create_task(_news(trial, nemesis, folder, begin, told))
            async with asyncio.TaskGroup() as group:
                group.create_task(nemesis.run(trial.faults, begin))
                group.create_task(
                    world.clients_ended(trial.seconds + 3 * trial.setting.limit_s + LEAD_S)
                )
            news.cancel()
        told("waiting until all is quiet")
        unhealed = await settle(world, trial.patience_s)
        told("reading what stands")
        await collect(world)
    return unhealed


async def _news(
    trial: Trial, nemesis: Nemesis, folder: Path, begin: int, told: Callable[[str], None]
) -> None:
    while True:
        elapsed = max(0.0, (now() - begin) / 1e9)
        asked = _written(folder)
        going_on = ", ".join(f"{f.fault} {f.target}" for f in nemesis.active) or "peace"
        told(
            f"{elapsed:5.1f} of {trial.seconds:g} s, {asked / 1e6:.1f} MB of history, "
            f"{nemesis.done} of {len(trial.faults)} faults over; now: {going_on}"
        )
        await asyncio.sleep(0.2)


def _written(folder: Path) -> int:
    """Bytes of history so far."""
    return sum(path.stat().st_size for path in folder.glob("history-*.jsonl"))
