"""``holodeck-session`` as a shell runs it: a process a call, and nothing between two calls."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
from typer.testing import CliRunner

from holodeck.broker import find_server
from holodeck.entrypoints.compat import app
from holodeck.messages.errors import StartupError
from tests.conftest import ROOT, missing

COMMAND: Final = (sys.executable, "-m", "holodeck.entrypoints.compat")
HELPS: Final = ((), ("start",), ("task",), ("end",))
TASKS: Final = ("add", "route", "complete", "retry", "list")

pytestmark = [pytest.mark.nats, pytest.mark.timeout(180)]


class Shell:
    """Calls with one state folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*COMMAND, *words],
            cwd=ROOT,
            env={"PATH": "/usr/bin:/bin", "HOLODECK_STATE_DIR": str(self._folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str) -> tuple[int, str, str]:
        """Exit status, standard output, standard error."""
        process = self.start(*words)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    def json(self, *words: str) -> Any:
        status, out, err = self.run(*words, "--json")
        assert (status, err) == (0, "")
        return json.loads(out)


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    try:
        find_server()
    except StartupError as error:
        missing(f"nats-server ({error})")
    return Shell(tmp_path / "state")


def test_a_session_is_carried_from_call_to_call(shell: Shell, tmp_path: Path) -> None:
    started = shell.json("start", "my research", "--agent", "oracle1", "--tag", "a", "--tag", "b")
    added = shell.json("task", "add", "t", "--data", '{"q": 1}', "-c", "research")
    failed = shell.json("task", "complete", "t", "--outcome", "failed", "--error", "no data")
    again = shell.json("task", "retry", "t")
    routed = shell.json("task", "route", "u")
    status, table, _ = shell.run("task", "list")
    ended = shell.json("end", "--outcome", "success")

    assert (started["agent_id"], started["tags"], started["outcome"]) == (
        "oracle1",
        ["a", "b"],
        None,
    )
    assert (added["data"], added["outcome"]) == ({"q": 1}, None)
    assert (failed["outcome"], failed["error"]) == ("failed", "no data")
    assert again["attempt"] == 2
    assert routed["agent_id"] == "oracle1"
    assert status == 0
    assert [line.split()[0] for line in table.splitlines()] == ["task", "t", "u"]
    assert ended["session_id"] == started["session_id"]
    assert (ended["outcome"], ended["tasks"]["total"]) == ("success", 2)
    assert ended["tasks"]["cancelled"] == 2
    assert "unfinished_work" in ended["patterns"]
    assert not (tmp_path / "state" / "holodeck-session.json").exists()


def test_what_is_refused_is_said_in_one_line_with_a_remedy(shell: Shell) -> None:
    status, out, err = shell.run("task", "add", "t")

    assert (status, out, err.count("\n")) == (1, "", 1)
    assert "no-session" in err
    assert "holodeck-session start NAME" in err


def test_a_wrong_command_line_is_told_apart(shell: Shell) -> None:
    status, out, err = shell.run("task", "complete", "t", "--outcome", "perhaps")

    assert (status, out) == (2, "")
    assert "no outcome" in err


def test_every_command_helps(shell: Shell) -> None:
    running = [(words, shell.start(*words, "--help")) for words in HELPS]
    for words, process in running:
        out, err = process.communicate(timeout=90)
        assert (process.returncode, err) == (0, "")
        assert " ".join(("Usage: holodeck-session", *words)) in out


@pytest.mark.parametrize("name", TASKS)
def test_every_command_of_a_task_helps(name: str) -> None:
    shown = CliRunner().invoke(app, ["task", name, "--help"], prog_name="holodeck-session")

    assert shown.exit_code == 0
    assert f"Usage: holodeck-session task {name}" in shown.output
    assert "Example:" in shown.output
