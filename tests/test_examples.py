"""The examples run as they stand, each as a program of its own, and say what they are meant to."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from holodeck.broker import find_server
from holodeck.messages.errors import StartupError
from tests.conftest import ROOT, missing

pytestmark = [pytest.mark.nats, pytest.mark.integration]

SAYS = {
    "quickstart": [
        r"^marta: \S.*$",
        r"^goes to: marta$",
        r"^1 turn, \{'success': 1\}$",
        r"^\[SESSION_START\]",
        r"^\[TASK_END\].*SUCCESS",
        r"^\[SESSION_END\]",
    ],
    "fork_and_replay": [
        r"^\d+ session\.started$",
        r"^\d+ reputation\.changed$",
        r"^back then: 2 turns, \{\}$",
        r"^in the rehearsal: 3 turns, no friction$",
        r"^in the session: \{'marta': -0\.2\}$",
    ],
    "many_sessions": [r"^200 sessions, 1000 turns in \d+\.\d s$"],
    "listen_with_plain_nats": [
        r"^start: ok$",
        r"^turn: ok \['turn\.taken', 'friction\.detected', 'reputation\.changed'\]$",
        r"^refused: turn-order$",
        r"^holodeck\.tile\.friction\.friction\.plain → \[FRICTION\]",
    ],
}


def test_every_example_is_run() -> None:
    assert {path.stem for path in (ROOT / "examples").glob("*.py")} == set(SAYS)


@pytest.mark.parametrize("name", SAYS)
def test_an_example_runs_and_says_what_it_promises(name: str, tmp_path: Path) -> None:
    try:
        find_server()
    except StartupError as error:
        missing(f"nats-server ({error})")
    done = subprocess.run(
        [sys.executable, "-W", "error", ROOT / "examples" / f"{name}.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    places = []
    for pattern in SAYS[name]:
        found = re.search(pattern, done.stdout, re.MULTILINE)
        assert found is not None, f"{pattern} is not in:\n{done.stdout}"
        places.append(found.start())
    assert places == sorted(places)
    assert not list(tmp_path.glob("*.jsonl")), "an example leaves files behind"
