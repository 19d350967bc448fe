"""Every benchmark runs, at sizes that say nothing about speed, and reports what it promises."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench._mix import ROUND, Script
from bench._report import percentile
from holodeck.broker import find_server
from holodeck.messages.errors import StartupError
from tests.conftest import ROOT, missing

KEYS = {"bench", "figures", "machine", "commit", "when"}


@pytest.fixture
def server() -> None:
    try:
        find_server()
    except StartupError as error:
        missing(f"nats-server ({error})")


def bench(folder: Path, name: str, *options: str) -> dict[str, Any]:
    """Runs ``python -m bench`` and returns the figures of its JSON file."""
    file = folder / f"{name}.json"
    done = subprocess.run(
        [sys.executable, "-m", "bench", name, "--json", str(file), *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert f"bench {name}" in done.stdout
    content = json.loads(file.read_text())
    assert set(content) == KEYS
    assert content["bench"] == name
    figures: dict[str, Any] = content["figures"]
    return figures


# --- without a server ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("share", "value"),
    [(0.0, 1), (0.5, 50), (0.99, 99), (1.0, 100)],
    ids=["lowest", "middle", "p99", "highest"],
)
def test_a_percentile_is_a_value_that_was_measured(share: float, value: int) -> None:
    assert percentile(range(100, 0, -1), share) == value


def test_the_mix_is_exact_in_every_round() -> None:
    script = Script("npc-1", "seed")
    for _ in range(5):
        kinds = [script.next().kind for _ in range(ROUND)]
        assert {kind: kinds.count(kind) / ROUND for kind in set(kinds)} == {
            "turn": 0.5,
            "friction": 0.2,
            "reputation": 0.1,
            "task": 0.15,
            "pause": 0.025,
            "resume": 0.025,
        }


def test_a_script_never_asks_for_what_a_session_must_refuse() -> None:
    script = Script("npc-1", "another")
    turn, paused, tasks = 0, False, dict[str, str]()
    for _ in range(10 * ROUND):
        step = script.next()
        assert (step.kind == "resume") == paused
        paused = step.kind == "pause"
        match step.body:
            case {"kind": "take-turn", "turn": number}:
                turn += 1
                assert number == turn
            case {"kind": "add-task", "task": name}:
                assert name not in tasks
                tasks[name] = "added"
            case {"kind": "start-task", "task": name}:
                assert tasks[name] == "added"
                tasks[name] = "started"
            case {"kind": "complete-task", "task": name}:
                assert tasks[name] == "started"
                tasks[name] = "completed"
            case _:
                pass


def test_the_same_seed_gives_the_same_script() -> None:
    one, other = Script("npc-1", "seed"), Script("npc-1", "seed")

    assert [one.next() for _ in range(100)] == [other.next() for _ in range(100)]


def test_help_lists_every_benchmark_with_a_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--help"],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    for name in ("raw", "commands", "starts", "latency", "memory", "failover", "rayactor"):
        assert f"\n    {name} " in done.stdout


# --- with one -----------------------------------------------------------------------------------


@pytest.mark.nats
@pytest.mark.usefixtures("server")
def test_raw_reports_the_limits(tmp_path: Path) -> None:
    plot = tmp_path / "raw.png"
    figures = bench(tmp_path, "raw", "--seconds", "0.2", "--writers", "20", "--plot", str(plot))

    for name in ("fenced_wildcard_per_s", "publish_per_s", "request_per_s"):
        assert figures[name] > 0
    assert plot.stat().st_size > 0


@pytest.mark.nats
@pytest.mark.usefixtures("server")
def test_memory_reports_bytes_and_briefings(tmp_path: Path) -> None:
    figures = bench(tmp_path, "memory", "--sessions", "50", "--learners", "60", "--briefs", "20")

    assert {"awake_bytes", "asleep_bytes", "npc_brief_p99_ms"} <= set(figures)
    assert figures["asleep"] == 50


@pytest.mark.ray
@pytest.mark.slow
def test_rayactor_reports_the_naive_twin(tmp_path: Path) -> None:
    figures = bench(tmp_path, "rayactor", "--actors", "1", "--calls", "20", "--raw-seconds", "0")

    assert {"starts_per_s", "calls_per_s", "bytes_per_session"} <= set(figures)


@pytest.mark.nats
@pytest.mark.slow
@pytest.mark.usefixtures("server")
@pytest.mark.parametrize(
    ("name", "options", "promised"),
    [
        (
            "commands",
            ("--sessions", "8", "--seconds", "1", "--warmup", "0.2", "--raw-seconds", "0.2"),
            {"durable_per_s", "raw_fenced_per_s", "ratio", "p50_ms", "p99_ms"},
        ),
        (
            "starts",
            ("--starts", "20", "--raw-seconds", "0.2", "--no-with-rayactor"),
            {"starts_per_s"},
        ),
        (
            "latency",
            ("--rate", "50", "--sessions", "8", "--seconds", "1", "--warmup", "0.2",
             "--raw-seconds", "0.2"),
            {"rate", "p50_ms", "p99_ms"},
        ),
        (
            "failover",
            ("--sessions", "40", "--rate", "40", "--before", "1", "--after", "4"),
            {"recovered_s", "lost", "twice"},
        ),
    ],
    ids=["commands", "starts", "latency", "failover"],
)  # fmt: skip
def test_a_benchmark_of_the_runtime_reports_its_figures(
    tmp_path: Path, name: str, options: tuple[str, ...], promised: set[str]
) -> None:
    figures = bench(tmp_path, name, "--no-ray", *options)

    assert promised <= set(figures)
    assert figures.get("lost", 0) == figures.get("twice", 0) == 0
    assert not figures.get("refused"), figures
