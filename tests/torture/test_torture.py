"""The runtime under fire, and the proof that the fire is hot: planted faults are found.

The runs are programs of their own, as ``python -m tests.torture`` starts them. The mutants run
beside each other: each of their worlds is light.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from holodeck.broker import find_server
from holodeck.messages.errors import StartupError
from tests.conftest import ROOT, missing
from tests.torture.mutants import MUTANTS
from tests.torture.schedule import FAULTS, Cast, schedule

pytestmark = [pytest.mark.nats, pytest.mark.integration, pytest.mark.slow]

SECONDS = 60
SEED = 2026
MUTANT_SECONDS = 20
MUTANT_SEEDS = (1, 2, 3)
FOUND = 1
"""The exit status of a run that found its mutant."""


@pytest.fixture(autouse=True)
def _need_server() -> None:
    try:
        find_server()
    except StartupError as error:
        missing(f"nats-server ({error})")


def begun(folder: Path, *options: str) -> subprocess.Popen[str]:
    """A run in a folder of its own; what it says comes through a pipe."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.torture", "--folder", str(folder), *options],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "160"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def ended(run: subprocess.Popen[str], seconds: float) -> str:
    """What it said; ends it where it takes too long, and everything of it ends with it."""
    try:
        said, _ = run.communicate(timeout=seconds)
    finally:
        run.kill()
    return said


def test_everything_within_a_minute_happens_to_everyone() -> None:
    # given the schedule of the run below
    faults = schedule(SEED, SECONDS, Cast(hosts=3, clients=2, lease_s=1.5))

    # then no kind of fault is missing from it, and it ends before the load does
    assert {fault.fault for fault in faults} == set(FAULTS)
    assert max(fault.at + fault.seconds for fault in faults) < SECONDS
    assert faults == schedule(SEED, SECONDS, Cast(hosts=3, clients=2, lease_s=1.5))


@pytest.mark.timeout(180)
def test_a_minute_of_everything_breaks_no_promise(tmp_path: Path) -> None:
    # when all faults there are befall a runtime under load
    folder = tmp_path / "run"
    run = begun(folder, "--seconds", str(SECONDS), "--seed", str(SEED))
    said = ended(run, 170)

    # then every promise was kept
    assert run.returncode == 0, said
    assert "every promise was kept" in said


@pytest.mark.timeout(300)
def test_every_planted_fault_is_found(tmp_path: Path) -> None:
    # when each mutant is tortured for a little while; for a second and a third one where chance
    # or a busy machine let it get away: found within a minute is what is promised
    left = set(MUTANTS)
    said: dict[str, str] = {}
    for seed in MUTANT_SEEDS:
        runs = {name: begun_mutant(tmp_path / f"{name}-{seed}", name, seed) for name in left}
        try:
            said = {name: ended(run, 140) for name, run in runs.items()}
        finally:
            for run in runs.values():
                run.kill()
                run.wait()

        # then the law it breaks is named, and no other one
        for name, run in runs.items():
            assert run.returncode in (0, FOUND), said[name]
            if run.returncode == FOUND:
                assert f"{name} was found" in said[name]
                shutil.rmtree(tmp_path / f"{name}-{seed}")
                left.discard(name)
        if not left:
            break
    assert not left, "\n".join(said[name] for name in left)


def begun_mutant(folder: Path, name: str, seed: int) -> subprocess.Popen[str]:
    return begun(folder, "--mutant", name, "--seconds", str(MUTANT_SECONDS), "--seed", str(seed))
