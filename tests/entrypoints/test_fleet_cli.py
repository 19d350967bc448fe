"""``holodeck fleet`` against a real runtime, and the picture it draws.

One law: every command is tried as text and as JSON, and what is refused says how to go on.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import networkx as nx
import pytest
import structlog
from typer.testing import CliRunner

from holodeck.actors.fleet.decider import FleetState
from holodeck.actors.fleet.views import graph_view
from holodeck.broker import find_server
from holodeck.entrypoints.cli import app
from holodeck.entrypoints.picture import draw, figures, strokes
from holodeck.local import Local
from holodeck.messages.errors import StartupError
from holodeck.wiring import Connection, RuntimeFile
from tests.conftest import missing


@dataclass(frozen=True, slots=True)
class Done:
    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def invoke(folder: Path, *words: str) -> Done:
    result = CliRunner().invoke(app, list(words), env={"HOLODECK_STATE_DIR": str(folder)})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Done(result.exit_code, result.stdout, result.stderr)


def team(*cliques: str, alone: str = "") -> dict[str, Any]:
    """The view of a graph in which the letters of each word have all worked with each other."""
    graph = (state := FleetState()).graph
    for clique in cliques:
        for one, other in combinations(clique, 2):
            graph.connect(one, other, 5)
    for name in alone:
        graph.add(name)
    return graph_view(state, 2000)


# --- commands ----------------------------------------


@dataclass(frozen=True, slots=True)
class Here:
    """A runtime in a thread of this process, and the folder in which the command finds it."""

    folder: Path

    def holodeck(self, *words: str) -> Done:
        return invoke(self.folder, *words)

    def told(self, *words: str) -> str:
        done = self.holodeck(*words)
        assert done.status == 0, done.err
        return done.out


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Here]:
    try:
        find_server()
    except StartupError as error:
        missing(f"nats-server ({error})")
    folder = tmp_path_factory.mktemp("fleet")
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    runtime = Local(folder / "store")
    try:
        asyncio.run_coroutine_threadsafe(runtime.start(), loop).result(30)
        server = runtime.server
        assert server is not None
        client = Connection(
            server.url,
            user=server.client.user,
            password=server.client.password,
            inbox_prefix=server.client_inbox_prefix,
            reads="direct",
        )
        file = RuntimeFile(os.getpid(), "holodeck", client, client, "", str(folder))
        file.write(folder / "runtime.json")
        yield Here(folder)
        asyncio.run_coroutine_threadsafe(runtime.stop(), loop).result(30)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    yield
    structlog.reset_defaults()


@pytest.mark.nats
class TestCommands:
    def test_a_fleet_without_agents_says_so(self, here: Here) -> None:
        assert here.told("fleet", "agents") == "no agent\n"
        assert "nobody has worked" in here.told("fleet", "graph")
        advice = here.told("fleet", "advise")
        assert advice.startswith("Advice only: nothing of it is applied.\n")
        assert "No session has shown anything yet" in advice
        assert here.holodeck("fleet", "status", "--json").json["agents"] == 0

    def test_agents_are_registered_found_by_what_they_can_and_unregistered(
        self, here: Here
    ) -> None:
        words = ("fleet", "register", "forge", "-c", "compile", "-c", "research", "--max", "3")
        assert here.told(*words) == "forge: compile, research, 3 tasks at once\n"
        registered = here.holodeck("fleet", "register", "oracle", "-c", "research", "--json").json
        assert registered == {"agent": "oracle", "capabilities": ["research"], "max_load": 0}

        rows = here.holodeck("fleet", "agents", "-c", "compile", "--json").json
        assert [(row["agent"], row["max_load"]) for row in rows] == [("forge", 3)]
        text = here.told("fleet", "agents")
        assert "0 / 3" in text
        assert "compile, research" in text
        assert here.told("fleet", "agents", "-c", "nothing") == "no agent\n"

        here.told("fleet", "unregister", "oracle")
        rows = here.holodeck("fleet", "agents", "--json").json
        assert {row["agent"]: row["registered"] for row in rows} == {"forge": True, "oracle": False}

    def test_work_that_is_routed_fails_and_is_tried_again_is_seen_by_every_command(
        self, here: Here, tmp_path: Path
    ) -> None:
        for name in ("ada", "bob", "cyd", "dan"):
            here.told("fleet", "register", name, "-c", "weave", "--max", "2")
        here.told(
            "session", "start", "-l", "boss", "--kind", "agent", "--session", "w1",
            "--tag", "night", "--tag", "wool", "--name", "weaving",
        )  # fmt: skip
        for number in range(4):
            task = f"t{number}"
            here.told("send", "w1", "task", "add", task, "--capability", "weave")
            routed = here.holodeck("send", "w1", "task", "route", task, "--start", "--json").json
            assert routed["routing"]["decided_by"] in ("id", "load", "components", "beta1")

        fell = ("send", "w1", "task", "complete", "t0", "--outcome", "failed", "--error", "no wool")
        here.told(*fell)
        assert here.told("send", "w1", "task", "retry", "t0") == "t0: attempt 2\n"
        choice = here.told("send", "w1", "task", "route", "t0", "--prefer", "dan")
        for words in ("t0 → dan, attempt 2", "preferred", "reasoning", "works with", "emergence"):
            assert words in choice

        status = here.holodeck("fleet", "status", "--json").json
        assert (status["tasks"], status["routed"], status["h1"]) == (4, 5, 3)
        shown = here.told("fleet", "status")
        assert "V 5, E 6, C 2, β₁ 3" in shown
        assert "1 of 2 components above V-2; the highest is 1 above its 2" in shown
        assert "over-braced groups 1" in shown

        picture = tmp_path / "team.png"
        graph = here.holodeck("fleet", "graph", "--png", str(picture), "--json").json
        assert graph["png"] == str(picture)
        assert picture.read_bytes().startswith(b"\x89PNG")
        (part,) = (part for part in graph["components"] if part["vertices"] > 1)
        assert part["overbraced"] == [["ada", "bob", "cyd", "dan"]]
        text = here.told("fleet", "graph", "--limit", "2")
        assert "ada, bob, cyd, dan" in text
        assert "1 agent works with nobody" in text
        assert "4 older edges are left out" in text

        summary = here.told("session", "show", "w1")
        for words in (
            "emergence_crossed",
            "failure_dominant",
            "1 crossings",
            "preferred, β₁ 3 → 3",
        ):
            assert words in summary
        here.told("session", "end", "w1")
        story = here.told("session", "replay", "w1")
        for shown in ("t0 → dan (match 1.00, by preferred)", "t0, attempt 2", "β₁=3 > V-2=2"):
            assert shown in story
        assert "success, active" in story
        assert "emergence_crossed" in story
        ended = here.holodeck("session", "show", "w1", "--json").json["patterns"]
        assert "unfinished_work" in {pattern["name"] for pattern in ended}
        advice = here.told("fleet", "advise")
        assert "open window, so far" in advice
        assert "there are no trends" in advice
        assert here.holodeck("fleet", "advise", "--json").json["open"]["metrics"]["routings"] == 5

    def test_sessions_are_listed_by_all_their_tags_and_by_agent(self, here: Here) -> None:
        for name, agent, tags in (
            ("l1", "ida", ("red", "blue")), ("l2", "ida", ("red",)), ("l3", "jon", ("blue", "red"))
        ):  # fmt: skip
            words = ("session", "start", "-l", agent, "--kind", "agent", "--session", name)
            here.told(*words, *(word for tag in tags for word in ("--tag", tag)))

        def listed(*words: str) -> list[str]:
            rows = here.holodeck("session", "list", *words, "--json").json
            return sorted(row["session"] for row in rows)

        assert listed("--tag", "red") == ["l1", "l2", "l3"]
        assert listed("--tag", "red", "--tag", "blue") == ["l1", "l3"]
        assert listed("--agent", "ida") == ["l1", "l2"]
        assert listed("--tag", "blue", "--agent", "ida") == ["l1"]
        assert listed("--agent", "nobody") == []

    @pytest.mark.parametrize(
        ("words", "told"),
        [
            (("fleet", "unregister", "nobody"), ("unknown-agent", "holodeck fleet agents")),
            (("fleet", "register", "a b"), ("'a b'", "valid id")),
            (("send", "r1", "task", "retry", "t"), ("task-open", "complete it first")),
            (("send", "r1", "task", "retry", "none"), ("unknown-task",)),
            (("send", "r1", "task", "route", "t"), ("agents-full", "holodeck fleet agents")),
        ],
        ids=["unregister", "bad-id", "open", "unknown-task", "full"],
    )
    def test_a_refusal_is_one_line_that_says_how_to_go_on(
        self, here: Here, words: tuple[str, ...], told: tuple[str, ...]
    ) -> None:
        here.holodeck("session", "start", "-l", "lead", "--kind", "agent", "--session", "r1")
        here.told("fleet", "register", "only", "-c", "rare", "--max", "1")
        for task in ("u", "t"):
            here.holodeck("send", "r1", "task", "add", task, "--capability", "rare")
        here.holodeck("send", "r1", "task", "route", "u")

        done = here.holodeck(*words)

        assert done.status == 1, done
        (line,) = done.err.splitlines()
        for word in told:
            assert word in line

    @pytest.mark.parametrize(
        "words",
        [
            ("fleet", "graph", "--png", "/no/such/folder/team.png"),
            ("fleet", "graph", "--limit", "0"),
            ("fleet", "register", "ada", "--max", "-1"),
            ("fleet", "register"),
            ("fleet", "nonsense"),
        ],
        ids=lambda words: "-".join(words)[:30].replace("/", "_"),
    )
    def test_a_wrong_command_line_is_status_2(self, here: Here, words: tuple[str, ...]) -> None:
        done = here.holodeck(*words)
        assert done.status == 2, done
        assert "Traceback" not in done.err

    def test_a_picture_that_cannot_be_written_is_told(self, here: Here, tmp_path: Path) -> None:
        (tmp_path / "full").mkdir()
        done = here.holodeck("fleet", "graph", "--png", str(tmp_path / "full" / ("x" * 300)))
        assert done.status == 1
        assert "cannot be written" in done.err


@pytest.mark.parametrize("command", ["status", "agents", "graph", "advise", "register"])
def test_every_command_has_a_help_with_an_example(command: str, tmp_path: Path) -> None:
    done = invoke(tmp_path, "fleet", command, "--help")
    assert done.status == 0
    assert f"holodeck fleet {command}" in done.out


@pytest.mark.parametrize("command", ["status", "agents", "graph", "advise"])
def test_without_a_runtime_it_says_so(command: str, tmp_path: Path) -> None:
    done = invoke(tmp_path, "fleet", command)
    assert done.status == 1
    assert "no runtime" in done.err


# --- the picture ----------------------------------------


def graph_of(view: dict[str, Any]) -> nx.Graph:
    graph = nx.Graph()
    for part in view["components"]:
        graph.add_nodes_from(part["members"])
    graph.add_edges_from((a, b) for a, b, _, _ in view["edges"])
    return graph


@pytest.mark.parametrize(
    ("cliques", "bridges", "loops", "braced", "closing"),
    [
        (("abcd",), 0, 0, 6, 3),
        (("abc",), 0, 3, 0, 1),
        (("ab", "bc", "bd"), 3, 0, 0, 0),
        (("ab", "bc", "cd", "da"), 0, 4, 0, 1),
        (("abcd", "de", "efg", "xy"), 2, 3, 6, 4),
    ],
    ids=["k4", "triangle", "tree", "square", "all-of-them"],
)
def test_every_edge_is_drawn_once_and_as_many_close_a_loop_as_there_are_loops(
    cliques: tuple[str, ...], bridges: int, loops: int, braced: int, closing: int
) -> None:
    view = team(*cliques, alone="z")
    graph = graph_of(view)

    found = strokes(graph, [g for part in view["components"] for g in part["overbraced"]])

    assert (len(found.bridges), len(found.loops), len(found.braced)) == (bridges, loops, braced)
    assert len(found.closing) == closing == figures(view["components"]).beta1
    graph.remove_edges_from(found.closing)
    assert nx.is_forest(graph)


@pytest.mark.parametrize(
    "view",
    [
        team("abcd", "de", "efg", "hijk", "xy", alone="pq"),
        team(),
        team(alone="a"),
        team("ab") | {"left_out": 7},
        team("".join(map(chr, range(0x4E00, 0x4E00 + 40)))),
    ],
    ids=["teams", "empty", "one-alone", "cut", "clique-of-40"],
)
@pytest.mark.filterwarnings("ignore:Glyph")
def test_whatever_there_is_is_drawn_and_always_alike(view: dict[str, Any], tmp_path: Path) -> None:
    draw(view, tmp_path / "one.png")
    draw(view, tmp_path / "two.png")

    one = (tmp_path / "one.png").read_bytes()
    assert one.startswith(b"\x89PNG")
    assert one == (tmp_path / "two.png").read_bytes()


@pytest.mark.parametrize("name", ["matplotlib", "networkx"])
def test_without_the_libraries_one_line_names_the_extra(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(StartupError) as told:
        draw(team("ab"), tmp_path / "one.png")
    assert f"needs {name}" in str(told.value)
    assert "holodeck-sessions[pictures]" in str(told.value)
    assert not (tmp_path / "one.png").exists()
