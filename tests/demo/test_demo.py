"""The whole demo as people run it: a process of its own, a real server, a real cluster, a kill."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

import pytest
from rich.console import Console

import holodeck
from holodeck.entrypoints.crowd import CREW, Crowd, Pulse, make_crews, make_npcs, quantiles
from holodeck.entrypoints.demo import Failover, FleetView, HostRow, Scene, Wanted, draw
from holodeck.entrypoints.proof import FORESEEN, Ledger
from tests.conftest import ROOT

whole = [pytest.mark.nats, pytest.mark.ray, pytest.mark.slow, pytest.mark.integration]


def start(state: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "HOLODECK_STATE_DIR": str(state),
        "CI": "1",
        "COLUMNS": "110",
    }
    return subprocess.Popen(
        [sys.executable, "-m", "holodeck.entrypoints.demo", *arguments],
        cwd=ROOT,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def left_over(state: Path) -> list[str]:
    """The command lines of all processes that inherited this state folder."""
    mark = f"HOLODECK_STATE_DIR={state}".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes().split(b"\0"):
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


def gone(state: Path, seconds: float = 15.0) -> list[str]:
    """What is still there after a while; empty as soon as nothing is."""
    give_up = time.monotonic() + seconds
    while (left := left_over(state)) and time.monotonic() < give_up:
        time.sleep(0.2)
    return left


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "demo"
    for process in Path("/proc").glob("[0-9]*"):  # a failed test must not leave a cluster behind
        try:
            mark = f"HOLODECK_STATE_DIR={tmp_path / 'demo'}".encode()
            if mark in (process / "environ").read_bytes().split(b"\0"):
                os.kill(int(process.name), signal.SIGKILL)
        except OSError:
            continue


class TestWhole:
    pytestmark = whole

    def test_the_demo_kills_a_host_and_proves_that_nothing_is_lost(self, state: Path) -> None:
        demo = start(state, "--sessions", "30", "--seconds", "8", "--seed", "3", "--json")
        out, err = demo.communicate(timeout=110)

        assert demo.returncode == 0, err
        assert "lost 0, applied twice 0" in err
        result = json.loads(out)
        assert result["holds"]
        assert all(claim["holds"] for claim in result["claims"])
        assert result["recovery"]["answered_s"] > 0
        assert result["load"]["commands"] > 100
        kinds = ("take-turn", "report-friction", "change-reputation", "pause", "add-task",
                 "route-task", "retry-task", "register-agent")  # fmt: skip
        for kind in kinds:
            assert result["load"]["kinds"][kind] > 0, kind
        claims = {claim["claim"]: claim for claim in result["claims"]}
        assert int(claims["emergence crossings, each told exactly once"]["found"]) > 0
        assert claims["agents' load = tasks given and not ended"]["found"] == "0"
        assert "patterns: " in next(c["detail"] for w, c in claims.items() if "SESSION_END" in w)
        assert Path(result["where"]["tiles"]).stat().st_size > 0
        assert "holodeck_" in Path(result["where"]["metrics"]).read_text()
        assert gone(state) == []

    @pytest.mark.parametrize("after", ["starting", "metrics"], ids=["while-starting", "running"])
    def test_interrupted_it_stops_what_it_started(self, state: Path, after: str) -> None:
        demo = start(state, "--sessions", "10", "--seconds", "60")
        assert demo.stdout is not None
        if after == "metrics":
            for line in demo.stdout:
                if "metrics http" in line:
                    break
        else:
            next(line for line in demo.stdout if "nats-server" in line)
        time.sleep(1.0)
        demo.send_signal(signal.SIGINT)
        out, err = demo.communicate(timeout=60)

        assert demo.returncode == 130, err
        assert "interrupted" in out
        assert gone(state) == []


def test_the_same_seed_makes_the_same_npcs() -> None:
    assert make_npcs(40, 1) == make_npcs(40, 1)
    assert make_npcs(40, 1) != make_npcs(40, 2)
    assert len({npc.id for npc in make_npcs(40, 1)}) == 40


@pytest.mark.parametrize(("sessions", "count"), [(1, 2), (30, 2), (240, 4), (500, 8), (9000, 8)])
def test_the_same_seed_makes_the_same_crews_of_which_no_two_share_a_skill(
    sessions: int, count: int
) -> None:
    crews = make_crews(sessions, 1)

    assert crews == make_crews(sessions, 1)
    assert crews != make_crews(sessions, 2)
    assert len(crews) == len({crew.skill for crew in crews}) == count
    assert {len(crew.members) for crew in crews} == {CREW}
    assert len({agent for crew in crews for agent, _ in crew.members}) == CREW * count


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
async def test_the_crews_of_any_seed_come_to_an_emergence_and_leave_no_load(seed: int) -> None:
    async with holodeck.local(broker="memory") as deck:
        ledger, pulse = Ledger(), Pulse()
        crowd = Crowd(deck, ledger, pulse, sessions=4, npcs=6, seed=seed)
        running = asyncio.create_task(crowd.run())
        async with aclosing(deck.tiles(event="EMERGENCE_ALERT")) as tiles, asyncio.timeout(60):
            tile = await anext(tiles)
        crowd.finish()
        await running

        assert tile.answer["h1"] > tile.answer["threshold"]
        end = await deck.broker.log(deck.layout.checkpoints).end()
        status = await deck.fleet.status(after=end)
        assert (status["tasks"], status["sessions"]) == (0, 0)
        assert status["alerts"] + status["owed"] > 0
        assert all(row["load"] == 0 for row in await deck.fleet.agents())
        assert pulse.kinds["route-task"] <= status["routed"]
        assert set(ledger.refused.values()) <= FORESEEN
        assert not ledger.unknown


def test_the_fleet_is_shown_with_its_rate_its_last_alert_and_the_most_frequent_patterns() -> None:
    fleet = FleetView()
    assert fleet.rate() == 0.0

    fleet.told({"routed": 100, "h1": 3, "agents": 9}, 10.0)
    fleet.told({"routed": 150, "h1": 4, "agents": 9}, 12.0)
    assert fleet.rate() == 25.0

    fleet.alerts, fleet.last = 1, (3.0, "β₁=4 > V-2=3 (V=5, E=8)", "ada ↔ bob")
    fleet.sessions = 7
    fleet.patterns.update({"mixed_outcomes": 5, "retry_storm": 6})
    scene = Scene(Wanted(), Pulse(), fleet=fleet)
    console = Console(width=112, record=True, file=io.StringIO(), emoji=False)
    console.print(scene.render())
    text = console.export_text()
    for words in ("25 routings/s", "4 β₁", "1 emergence alerts", "ada ↔ bob", "7 ended sessions",
                  "retry_storm 6 · mixed_outcomes 5"):  # fmt: skip
        assert words in text
    assert "alerts 1" in scene.line()


@pytest.mark.parametrize("rows", [24, 26, 40])
def test_the_view_fits_into_a_terminal(rows: int) -> None:
    scene = Scene(Wanted(), Pulse(), partitions=64)
    for name in ("host-0", "host-1"):
        scene.hosts[name] = HostRow(name, 7, frozenset(range(32)), state="alive")
    scene.failover = Failover("host-1", 7, frozenset(range(32)), 250, 30.0)
    console = Console(width=112, record=True, file=io.StringIO(), emoji=False)
    console.print(scene.render(rows))
    assert len(console.export_text().splitlines()) < rows


def test_the_pulse_knows_rates_latencies_and_who_waits() -> None:
    pulse = Pulse()
    first, second = pulse.sent(), pulse.sent()
    pulse.back(second, "take-turn")

    assert pulse.commands == 1
    assert list(pulse.waiting) == [first]
    assert pulse.oldest_ms() >= 0

    pulse.back(first, "take-turn", good=False)
    assert (pulse.commands, pulse.failed) == (1, 1)
    assert pulse.oldest_ms() == 0.0


def test_quantiles_of_nothing_are_zero_and_of_a_hundred_what_they_should_be() -> None:
    assert quantiles([]) == (0.0, 0.0, 0.0)
    assert quantiles(range(101)) == (50, 95, 99)


def test_the_view_is_drawn_before_during_and_after_a_failover(tmp_path: Path) -> None:
    scene = Scene(Wanted(), Pulse(), partitions=64)
    scene.hosts["host-1"] = HostRow("host-1", 7, frozenset(range(32)), state="dead")
    picture = tmp_path / "docs" / "view.svg"

    draw(scene, picture)
    assert "half" in picture.read_text()

    scene.failover = Failover("host-1", 7, frozenset(range(32)), 250, 30.0)
    assert not scene.failover.over
    draw(scene, picture)
    assert "killed" in picture.read_text()

    story = scene.failover
    story.owned = story.answered = story.calm = story.back = 1.0
    draw(scene, picture)
    assert story.over
    assert "host-1 dead 32" in scene.line()
