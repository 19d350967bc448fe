"""The examples run as they stand, each as a program of its own, and say what they are meant to.

And what the README and docs/ name is there.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from holodeck.broker import find_server
from holodeck.config.settings import Settings, variable_of
from holodeck.messages.errors import StartupError
from holodeck.minds.personas import parse
from tests.conftest import ROOT, missing

SAYS = {
    "quickstart": [
        r"^marta: \S.*$",
        r"^goes to: marta$",
        r"^1 turn, \{'success': 1\}$",
        r"^\[SESSION_START\]",
        r"^\[TASK_END\].*success",
        r"^\[SESSION_END\]",
    ],
    "fork_and_replay": [
        r"^\d+ session\.started$",
        r"^\d+ reputation\.changed$",
        r"^back then: 2 turns, \{\}$",
        r"^in the rehearsal: 3 turns, no friction$",
        r"^in the session: \{'marta': -0\.2\}$",
    ],
    "agents_and_tasks": [
        r"^goes to: forge \| forge by only; match 1\.00, load 0, ",
        r"^shows: mixed_outcomes, first_failure_recovered$",
        r"^forge did 2$",
    ],
    "three_sessions": [
        r"^session 1, to come up: nothing yet$",
        r"^ +missed: tener-for-states \(estoy hambre\)$",
        r"^session 2, to come up: tener-for-states$",
        r"^ +jordi: .*\bAna\b.*$",
        r"^ +tener-for-states: opening made, used$",
        r"^session 3, to come up: tener-for-states$",
        r"^tener-for-states: right uses by session \[0\.0, 0\.5, 1\.0\]$",
        r"^still to come up: 0$",
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


@pytest.mark.nats
@pytest.mark.integration
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


# --- the README and docs/ ----------------------------------------

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
ROOMS = "actors|bench|broker|config|docs|entrypoints|examples|holodeck|messages|minds|tests"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_a_page_names_is_there(page: Path) -> None:
    text = page.read_text()
    links = [page.parent / link for link in re.findall(r"\]\((?!https?:)([^)#]+)", text)]
    named = [ROOT / name for name in re.findall(rf"`((?:{ROOMS})/[\w./-]+)`", text)]
    assert [str(path) for path in (*links, *named) if not path.exists()] == []


def test_the_readme_names_every_setting() -> None:
    named = set(
        re.findall(r"^\| `(HOLODECK_\w+)` ", (ROOT / "README.md").read_text(), re.MULTILINE)
    )
    assert named == {variable_of(field) for field in Settings.model_fields}


def test_the_world_the_docs_write_is_one() -> None:
    text = (ROOT / "docs" / "personas.md").read_text()
    (block,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    persona, faults = parse(block)
    assert faults == ()
    assert persona is not None


@pytest.mark.parametrize(("place", "name"), list(enumerate(["quickstart", "agents_and_tasks"])))
def test_the_readmes_lines_are_those_of_an_example(place: int, name: str) -> None:
    """Word for word, but for what is printed in between."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert len(blocks) == 2
    code = [line.partition("# ")[0].strip() for line in blocks[place].splitlines()]
    lines = [line for line in code if line]
    program = (ROOT / "examples" / f"{name}.py").read_text()
    assert [line for line in lines if line not in program] == []
    assert len(lines) <= 15
