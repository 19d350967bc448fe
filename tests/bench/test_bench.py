"""Every benchmark runs, at sizes that say nothing about speed, and reports what it promises."""

from __future__ import annotations

import argparse
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from bench._mix import ROUND, Script, Step, from_the_middle
from bench._report import percentile
from bench._series import HOUR_S, slope
from bench.soak import Sample, judge, report_of
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
    _never_refused([script.next() for _ in range(10 * ROUND)])


def _never_refused(steps: Sequence[Step]) -> None:
    """A fresh session would obey each of them."""
    turn, paused, tasks = 0, False, dict[str, str]()
    for step in steps:
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


def test_a_script_from_the_middle_needs_only_what_it_begins_with() -> None:
    for passed in range(ROUND + 1):
        needed, script = from_the_middle("npc-1", "seed", passed)
        assert len(needed) <= 5, "two tasks of two steps each and a pause"
        _never_refused([*needed, *(script.next() for _ in range(2 * ROUND))])


def test_scripts_from_the_middle_give_the_mix_from_their_first_commands_on() -> None:
    kinds = []
    for number in range(4000):
        _, script = from_the_middle("npc-1", f"seed.{number}", number % ROUND)
        kinds += [script.next().kind for _ in range(2)]
    shares = {kind: kinds.count(kind) / len(kinds) for kind in set(kinds)}

    assert shares == pytest.approx(
        {"turn": 0.5, "friction": 0.2, "reputation": 0.1, "task": 0.15, "pause": 0.025,
         "resume": 0.025}, abs=0.02
    )  # fmt: skip
    assert shares["resume"] == pytest.approx(0.025, abs=0.008)


def test_a_slope_is_found_in_noise_with_its_error() -> None:
    times = [3.0 * n for n in range(200)]

    rising = slope(times, [100 + 50 * at / HOUR_S + math.sin(n * n) for n, at in enumerate(times)])
    level = slope(times, [100 + math.sin(n * n) for n in range(200)])

    assert rising.per_hour == pytest.approx(50, abs=3 * rising.error)
    assert rising.sure
    assert not level.sure


def test_samples_that_resemble_their_neighbours_know_less() -> None:
    times = [3.0 * n for n in range(200)]
    alone = slope(times, [math.sin(n * n) for n in range(200)])
    in_waves = slope(times, [math.sin(n / 9) for n in range(200)])

    assert in_waves.error > 3 * alone.error


def _hour(**per_hour: float) -> list[Sample]:
    """An hour of samples of a host and a journal; ``per_hour``: what grows, in bytes or records."""
    rest = {"resident_host-0": 100e6, "files_host-0": 40, "lag_host-0": 2, "commands": 0,
            "store_CHECKPOINTS": 0}  # fmt: skip
    growth = {"commands": 1_800_000, "store_CHECKPOINTS": 720e6} | per_hour
    return [
        Sample(at, {name.replace("_", " "): first + growth.get(name, 0) * at / HOUR_S
                    + math.sin(at * at) for name, first in rest.items()})
        for at in range(0, 3600, 4)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("grows", "how_much"),
    [("resident_host-0", 30e6), ("files_host-0", 60.0), ("lag_host-0", 5000.0)],
    ids=["memory", "descriptors", "lag"],
)
def test_what_must_be_flat_and_is_not_fails_the_soak(grows: str, how_much: float) -> None:
    options = argparse.Namespace(warmup_share=0.3, shortest=60.0, tolerance=10.0, rate=500.0,
                                 sessions=500)  # fmt: skip
    fine = report_of(_hour(), {}, options)
    bad = report_of(_hour(**{grows: how_much}), {}, options)

    assert fine.passed
    assert not bad.passed
    assert bad.figures["growing"] == [grows.replace("_", " ")]


def test_a_slope_that_cannot_be_told_from_noise_is_neither_flat_nor_growing() -> None:
    noisy = [
        Sample(at, {"resident host-0": 100e6 + 40e6 * math.sin(at * at) + 70e6 * at / HOUR_S})
        for at in range(0, 800, 4)
    ]
    (found,) = judge(noisy, warmup_share=0.0, shortest_s=60.0, percent=10.0)

    assert found.slope.per_hour > 16e6
    assert found.flat is None


def test_what_may_grow_is_explained_by_what_it_grows_with() -> None:
    found = judge(_hour(), warmup_share=0.3, shortest_s=60.0, percent=10.0)

    (journal,) = [one for one in found if one.name == "store CHECKPOINTS"]
    assert journal.flat is None
    assert "400 bytes a command" in journal.text


def test_a_few_seconds_say_nothing_of_an_hour() -> None:
    found = judge(_hour(**{"resident_host-0": 1e12})[:10],
                  warmup_share=0.3, shortest_s=60.0, percent=10.0)  # fmt: skip

    assert all(one.flat is None for one in found)


def test_help_lists_every_benchmark_with_a_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--help"],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    for name in (
        "raw",
        "commands",
        "starts",
        "latency",
        "memory",
        "failover",
        "scale",
        "soak",
        "rayactor",
        "fleet",
    ):
        assert f"\n    {name} " in done.stdout


def test_fleet_reports_growth_and_rigidity(tmp_path: Path) -> None:
    plot = tmp_path / "fleet.svg"
    figures = bench(
        tmp_path, "fleet", "--sizes", "60", "600", "--questions", "3", "--vertices", "50",
        "--edges", "100", "--plot", str(plot),
    )  # fmt: skip

    assert [one["edges"] for one in figures["growth"]] == [60, 600]
    assert figures["insert_us"] > 0
    assert figures["projections_ms"] > 0
    assert figures["rigidity_s"] > 0
    assert figures["rigidity"]["chain of K5"] | {
        "rank": 79, "dof": 18, "redundant": 30, "components": 19, "groups": 10
    } == figures["rigidity"]["chain of K5"]  # fmt: skip
    assert figures["rigidity"]["grid"]["edges"] == 100
    assert "<svg" in plot.read_text()


# --- with one -----------------------------------------------------------------------------------


@pytest.mark.bench
@pytest.mark.nats
@pytest.mark.usefixtures("server")
def test_raw_reports_the_limits(tmp_path: Path) -> None:
    plot = tmp_path / "raw.png"
    figures = bench(tmp_path, "raw", "--seconds", "0.2", "--writers", "20", "--plot", str(plot))

    for name in ("fenced_wildcard_per_s", "publish_per_s", "request_per_s"):
        assert figures[name] > 0
    assert plot.stat().st_size > 0


@pytest.mark.bench
@pytest.mark.nats
@pytest.mark.usefixtures("server")
def test_memory_reports_bytes_and_briefings(tmp_path: Path) -> None:
    figures = bench(tmp_path, "memory", "--sessions", "50", "--learners", "60", "--briefs", "20")

    assert {"awake_bytes", "asleep_bytes", "npc_brief_p99_ms"} <= set(figures)
    assert figures["asleep"] == 50


@pytest.mark.bench
@pytest.mark.nats
@pytest.mark.slow
@pytest.mark.usefixtures("server")
def test_scale_reports_each_size_with_the_same_mix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOLODECK_FLUSH_S", "1")  # it waits for rounds of snapshots
    plot = tmp_path / "scale.svg"
    figures = bench(
        tmp_path, "scale", "--sizes", "20", "--asleep", "30", "--seconds-per-size", "1",
        "--starts", "40", "--plot", str(plot),
    )  # fmt: skip

    sizes = figures["sizes"]
    assert [(one["live"], one["asleep"]) for one in sizes] == [(20, 0), (20, 30)]
    for one in sizes:
        assert one["us_per_command"]["host"] > 0
        assert one["us_per_start"]["runtime"] > 0
        assert one["stored_per_command"]["checkpoints"] > 1
        assert one["partitions"] > 0
        assert 0 < one["recovered_s"] < 60
        assert not one["refused"], one["examples"]
        assert not one["failed"], one["examples"]
    assert figures["command_asleep_ratio"] > 0
    assert "<svg" in plot.read_text()


@pytest.mark.bench
@pytest.mark.nats
@pytest.mark.slow
@pytest.mark.usefixtures("server")
def test_soak_reports_what_there_is_when_it_is_interrupted(tmp_path: Path) -> None:
    file = tmp_path / "soak.json"
    running = subprocess.Popen(
        [sys.executable, "-m", "bench", "soak", "--no-ray", "--minutes", "10", "--rate", "60",
         "--sessions", "12", "--life", "8", "--every", "0.5", "--json", str(file)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    assert running.stderr is not None
    while "10 minutes at 60/s" not in (line := running.stderr.readline()):
        assert line, "it ended by itself"
    time.sleep(6)
    os.killpg(running.pid, signal.SIGINT)  # as a terminal does
    out, said = running.communicate(timeout=60)

    assert running.returncode == 0, said[-4000:]
    assert "not judged" in out
    figures = json.loads(file.read_text())["figures"]
    assert figures["commands"] > 100
    assert figures["ended"] > 10, "sessions come and go"
    assert not figures["refused"], figures["examples"]
    assert not figures["failed"], figures["examples"]
    assert {"resident host-0", "lag host-0", "files tiles", "lag tiles", "store CHECKPOINTS",
            "resident supervisor", "p99_ms"} <= set(figures["slopes"])  # fmt: skip


@pytest.mark.bench
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
        pytest.param(
            "starts",
            ("--starts", "20", "--raw-seconds", "0.2", "--no-with-rayactor"),
            {"starts_per_s"},
            marks=pytest.mark.bench,
        ),
        pytest.param(
            "latency",
            ("--rate", "50", "--sessions", "8", "--seconds", "1", "--warmup", "0.2",
             "--raw-seconds", "0.2"),
            {"rate", "p50_ms", "p99_ms"},
            marks=pytest.mark.bench,
        ),
        pytest.param(
            "failover",
            ("--sessions", "40", "--rate", "40", "--before", "1", "--after", "4"),
            {"recovered_s", "lost", "twice"},
            marks=pytest.mark.bench,
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
