"""The command line against a real runtime: every command, its JSON, its errors, its end.

One runtime serves all tests of this module; at the end it gets its Ctrl-C, and everything it
started has to be gone.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner

from holodeck.broker import find_server
from holodeck.entrypoints.cli import app
from holodeck.messages.errors import StartupError
from tests.conftest import ROOT, missing

pytestmark = [pytest.mark.nats, pytest.mark.ray]

CIMA = ROOT.parent / "shared" / "data" / "cima.jsonl"


@dataclass(frozen=True, slots=True)
class Done:
    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def environment(folder: Path, **more: str) -> dict[str, str]:
    kept = {name: text for name, text in os.environ.items() if not name.startswith("HOLODECK_")}
    return {
        **kept,
        "PYTHONPATH": str(ROOT),
        "HOLODECK_STATE_DIR": str(folder),
        "HOLODECK_HTTP_PORT": "0",
        **more,
    }


def spawn(folder: Path, *words: str, **more: str) -> subprocess.Popen[str]:
    """The command as a process of its own, first of a process group as under a terminal."""
    return subprocess.Popen(
        [sys.executable, "-m", "holodeck.entrypoints.cli", *words],
        cwd=ROOT,
        env=environment(folder, **more),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def run(folder: Path, *words: str, **more: str) -> Done:
    process = spawn(folder, *words, **more)
    out, err = process.communicate(timeout=60)
    return Done(process.returncode, out, err)


def offspring(pid: int) -> set[int]:
    """Every process below ``pid``."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(stat.parent.name))
    found: set[int] = set()
    waiting = [pid]
    while waiting:
        below = children.get(waiting.pop(), [])
        found.update(below)
        waiting += below
    return found


def left_of(pids: set[int], seconds: float = 8.0) -> set[int]:
    """Those that still run after so long; zombies do not."""

    def runs(pid: int) -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except OSError:
            return False

    deadline = time.monotonic() + seconds
    while (left := {pid for pid in pids if runs(pid)}) and time.monotonic() < deadline:
        time.sleep(0.1)
    return left


@contextlib.contextmanager
def watching(up: Up, *words: str) -> Iterator[subprocess.Popen[str]]:
    """A command that goes on by itself; killed if a test leaves it running."""
    with spawn(up.folder, *words) as process:
        try:
            yield process
        finally:
            process.kill()


@dataclass(frozen=True, slots=True)
class Up:
    """A running ``holodeck up``."""

    process: subprocess.Popen[str]
    folder: Path
    where: dict[str, Any]

    def holodeck(self, *words: str) -> Done:
        """A command, in this process."""
        result = CliRunner().invoke(app, list(words), env={"HOLODECK_STATE_DIR": str(self.folder)})
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Done(result.exit_code, result.stdout, result.stderr)

    def session(self, name: str, *more: str) -> str:
        """A new session whose turns nobody answers, of a learner of the same name."""
        done = self.holodeck(
            "session", "start", "--learner", name, "--session", name, "--mind", "none", *more
        )
        assert done.status == 0, done.err
        return name

    def sequence(self) -> int:
        """The last sequence of the journal."""
        status = self.holodeck("status", "--json").json
        return max(int(host["position"]) for host in status["hosts"])


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    try:
        find_server()
    except StartupError as error:
        missing(f"nats-server ({error})")
    folder = tmp_path_factory.mktemp("up")
    process = spawn(folder, "up", "--hosts", "1", "--json")
    assert process.stdout is not None
    assert process.stderr is not None
    text = ""
    for line in process.stdout:
        text += line
        if line == "}\n":
            break
    else:
        pytest.fail(f"holodeck up ended: {process.stderr.read()}")
    below = offspring(process.pid)
    yield Up(process, folder, json.loads(text))
    below |= offspring(process.pid)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert out == ""
    about_the_crash = ("connection lost", "connection is back", "nats-server has ended")
    lines = [line for line in err.splitlines() if not any(w in line for w in about_the_crash)]
    assert lines == [
        "starting; this takes some seconds",
        "stopping what was started (Ctrl-C again: at once)",
        "stopped; all that was acknowledged is stored",
    ]
    assert len(below) >= 6  # nats-server, its guard, Ray's own, supervisor, tiles, host
    assert left_of(below) == set()
    assert not (folder / "runtime.json").exists()


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def one_line(done: Done, *words: str) -> None:
    """An error as it has to be: one line that says these words, no traceback."""
    assert done.status == 1, done
    assert "Traceback" not in done.err + done.out
    lines = [line for line in done.err.splitlines() if not line.startswith("starting")]
    assert len(lines) == 1, done.err
    for word in words:
        assert word in lines[0]


# --- the runtime ----------------------------------------


def test_up_says_what_it_started_and_where(up: Up) -> None:
    assert set(up.where["services"]) == {"supervisor", "tiles", "host-0"}
    assert up.where["nats"].startswith("nats://127.0.0.1:")
    assert up.where["folder"] == str(up.folder)
    assert Path(up.where["logs"]).is_dir()
    for service in up.where["services"].values():
        os.kill(service["pid"], 0)


def test_a_second_runtime_on_the_same_folder_is_refused(up: Up) -> None:
    one_line(run(up.folder, "up"), "runs here already", "HOLODECK_STATE_DIR")


def test_status_tells_hosts_and_partitions(up: Up) -> None:
    found = up.holodeck("status", "--json").json
    assert (found["partitions"], found["unowned"]) == (64, 0)
    assert [host["host"] for host in found["hosts"]] == ["host-0"]
    assert up.holodeck("--json", "status").json["partitions"] == 64
    assert "host-0" in up.holodeck("status").out


def test_doctor_finds_nothing_wrong(up: Up) -> None:
    done = up.holodeck("doctor", "--json")
    checks = {check["name"]: check for check in done.json["checks"]}
    assert done.status == 0, done.out
    assert done.json["ok"]
    for name in ("broker", "streams", "clock", "dead letters", "supervisor", "partitions", "tiles"):
        assert checks[name]["level"] == "ok", checks[name]
    assert "ok   streams" in up.holodeck("doctor").out


def test_version_names_what_it_runs_on(up: Up) -> None:
    assert {"holodeck", "python", "ray"} <= set(up.holodeck("version", "--json").json)


def test_the_last_host_is_not_drained_and_an_unknown_one_is_named(up: Up) -> None:
    one_line(up.holodeck("drain", "host-0"), "last-host")
    one_line(up.holodeck("drain", "host-9"), "unknown-host", "holodeck status")
    assert up.holodeck("drain", "host-0", "--resume", "--json").json["draining"] is False


# --- sessions ----------------------------------------


def test_a_session_from_start_to_end(up: Up) -> None:
    started = up.holodeck(
        "session", "start", "-l", "ana", "--session", "s1", "--cast", "marta:waiter,cook",
        "--cast", "luis", "--tag", "beginner", "--name", "Café", "--json",
    )  # fmt: skip
    assert started.json == {"session": "s1", "learner": "ana"}

    turn = up.holodeck("send", "s1", "turn", "Hola, [bold]un\x1b[31m café", "--to", "marta")
    assert "turn.taken" in turn.out
    assert "turn.answered" in turn.out
    assert "[bold]un" in turn.out
    assert "\x1b" not in turn.out
    second = up.holodeck(
        "send", "s1", "turn", "hm", "--to", "marta", "--friction", "cultural:0.5", "--json",
        "--id", "turn-two",
    )  # fmt: skip
    assert [event["kind"] for event in second.json["events"]] == [
        "turn.taken",
        "friction.detected",
        "reputation.changed",
    ]
    assert second.json["reply"]
    assert up.holodeck("send", "s1", "friction", "lexical", "0.6", "--npc", "marta").status == 0
    lower = up.holodeck("send", "s1", "reputation", "marta", "-0.2", "--reason", "rude", "--json")
    assert lower.json["events"][0]["delta"] == -0.2

    add = ("send", "s1", "task", "add", "order", "--capability", "waiter", "--data", '{"n": 1}')
    assert up.holodeck(*add, "--json").json == {"id": "order", "session": "s1"}
    assert up.holodeck("send", "s1", "task", "route", "order", "--json").json["npc"] == "marta"
    assert "task.started" in up.holodeck("send", "s1", "task", "start", "order").out
    done = ("send", "s1", "task", "complete", "order", "--outcome", "failed", "--error", "no milk")
    assert "order: failed" in up.holodeck(*done).out
    assert "nothing new" in up.holodeck(*done).out
    again = up.holodeck("send", "s1", "task", "retry", "order", "--json").json
    assert again == {"task": "order", "session": "s1", "attempt": 2}
    given = up.holodeck("send", "s1", "task", "route", "order", "--start").out
    assert "order → marta, attempt 2" in given
    assert "decided by" in given
    assert "task.completed" in up.holodeck("send", "s1", "task", "complete", "order").out

    shown = up.holodeck("session", "show", "s1")
    assert "cultural 1, lexical 1" in shown.out
    assert up.holodeck("session", "show", "s1", "--json").json["turns"] == 2
    state = up.holodeck("session", "state", "s1", "--at", str(second.json["sequence"])).json
    assert (state["turns"], state["tasks"]) == (2, {})

    rows = up.holodeck("session", "list", "--tag", "beginner", "--agent", "ana", "--json").json
    assert [row["session"] for row in rows] == ["s1"]
    assert up.holodeck("session", "list", "--phase", "paused").out == "no session\n"

    replayed = up.holodeck("session", "replay", "s1", "--json").json
    assert replayed["state"] == up.holodeck("session", "state", "s1", "--json").json
    upto = str(second.json["sequence"])
    assert up.holodeck("session", "replay", "s1", "--upto", upto, "--json").json["state"] == state
    assert "order → marta" in up.holodeck("session", "replay", "s1").out

    forked = up.holodeck("session", "fork", "s1", "--at", upto, "--session", "f1", "--json")
    assert forked.json == {"session": "f1", "parent": "s1"}
    assert up.holodeck("session", "state", "f1", "--json").json["parent"] == "s1"

    assert "session.paused" in up.holodeck("session", "pause", "s1", "--reason", "lunch").out
    one_line(up.holodeck("send", "s1", "turn", "x", "--to", "marta"), "session-paused", "resume")
    assert up.holodeck("session", "resume", "s1", "--json").json["session"] == "s1"
    ended = up.holodeck("session", "end", "s1", "--reason", "natural-conclusion", "--json").json
    assert (ended["turns"], ended["tasks"]) == (2, {"success": 1})
    ended_shown = up.holodeck("session", "show", "s1").out
    assert "first_failure_recovered" in ended_shown

    tail = up.holodeck("session", "tail", "s1", "--last", "3", "--json").out.splitlines()
    kinds = [event["kind"] for text in tail for event in json.loads(text)["events"]]
    assert kinds[-2:] == ["session.ended", "npc.parted"]
    first = up.holodeck("session", "tail", "s1", "--tiles", "--count", "1").out
    assert "[SESSION_START]" in first
    tiles = up.holodeck(
        "tiles", "tail", "--session", "s1", "--event", "FRICTION", "--all", "-n", "2", "--json"
    )
    assert [json.loads(text)["answer"]["type"] for text in tiles.out.splitlines()] == [
        "cultural",
        "lexical",
    ]


def test_tail_follows_a_session_until_it_ends(up: Up) -> None:
    name = up.session("tailed")
    with watching(up, "session", "tail", name, "--json") as watcher:
        assert watcher.stdout is not None
        first = json.loads(watcher.stdout.readline())
        assert first["events"][0]["kind"] == "session.started"
        up.holodeck("send", name, "turn", "ciao", "--to", "marta", "--wait", "0")
        assert json.loads(watcher.stdout.readline())["events"][0]["text"] == "ciao"
        up.holodeck("session", "end", name)
        rest, _ = watcher.communicate(timeout=20)
    assert "session.ended" in rest
    assert watcher.returncode == 0


def test_tiles_are_followed_from_now_on(up: Up) -> None:
    name = up.session("tiled")
    with watching(up, "tiles", "tail", "--session", name, "--json") as watcher:
        assert watcher.stdout is not None
        for n in range(1, 60):  # until the watcher listens
            up.holodeck("send", name, "turn", f"turn {n}", "--to", "marta", "--wait", "0")
            if select.select([watcher.stdout], [], [], 0.3)[0]:
                break
        assert json.loads(watcher.stdout.readline())["answer"]["text"].startswith("turn")
        watcher.send_signal(signal.SIGINT)
        _, err = watcher.communicate(timeout=20)
    assert (watcher.returncode, err) == (130, "")


def test_the_same_command_id_has_its_effect_once(up: Up) -> None:
    name = up.session("once")
    words = (
        "send",
        name,
        "turn",
        "uno",
        "--to",
        "marta",
        "--wait",
        "0",
        "--id",
        "once-1",
        "--json",
    )
    assert up.holodeck(*words).json == up.holodeck(*words).json
    assert up.holodeck("session", "state", name, "--json").json["turns"] == 1


# --- what goes wrong ----------------------------------------


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("session", "show", "nobody"), ("unknown-session", "session list")),
        (("session", "tail", "nobody"), ("unknown-session",)),
        (("session", "replay", "nobody"), ("unknown-session",)),
        (("session", "fork", "nobody"), ("unknown-session",)),
        (("session", "show", "a/b"), ("'a/b'", "valid id")),
        (("session", "start", "-l", "a b"), ("'a b'", "valid id")),
        (("send", "nobody", "turn", "x", "--to", "marta"), ("unknown-session",)),
        (("send", "nobody", "task", "start", "t"), ("unknown-session",)),
        (("import", "nothing.jsonl"), ("nothing.jsonl",)),
    ],
    ids=lambda value: "-".join(value)[:30] if isinstance(value, tuple) else None,
)
def test_a_refusal_is_one_line_with_its_remedy(
    up: Up, words: tuple[str, ...], told: tuple[str, ...]
) -> None:
    one_line(up.holodeck(*words), *told)


@pytest.mark.parametrize(
    "words",
    [
        ("nonsense",),
        ("session", "state"),
        ("session", "state", "s1", "--at", "0"),
        ("send", "s1", "friction", "grammar"),
        ("send", "s1", "friction", "lexical", "7"),
        ("send", "s1", "reputation", "marta", "-3"),
        ("send", "s1", "turn", "", "--to", "marta", "--turn", "1"),
        ("send", "s1", "turn", "x", "--to", "marta", "--friction", "lexical:9"),
        ("send", "s1", "task", "add", "t", "--data", "{no json"),
        ("tiles", "tail", "--event", "NONSENSE"),
    ],
    ids=lambda words: "-".join(words)[:40],
)
def test_a_wrong_command_line_is_status_2(up: Up, words: tuple[str, ...]) -> None:
    done = up.holodeck(*words)
    assert done.status == 2, done
    assert done.err
    assert "Traceback" not in done.err


def test_a_busy_learner_is_told_by_the_session_that_holds_it(up: Up) -> None:
    up.session("busy")
    done = up.holodeck("session", "start", "-l", "busy", "--session", "busy-2")
    one_line(done, "learner-busy: busy", "--switch")


def test_without_a_runtime_it_says_so(tmp_path: Path) -> None:
    one_line(run(tmp_path, "status"), "no runtime", "holodeck up")
    done = run(tmp_path, "doctor", "--json")
    assert done.status == 0
    assert done.json["checks"][-1]["name"] == "runtime"
    assert done.json["checks"][-1]["level"] == "warn"


def test_a_taken_port_is_told_before_anything_is_started(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        one_line(run(tmp_path, "up", "--http-port", port), port, "HOLODECK_HTTP_PORT")
        done = run(tmp_path, "doctor", "--json", HOLODECK_HTTP_PORT=port)
    assert done.status == 1
    assert [c["name"] for c in done.json["checks"] if c["level"] == "fail"] == ["http"]
    assert not (tmp_path / "nats").exists()


def test_an_unwritable_store_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "store"
    one_line(run(folder, "up"), str(folder), "HOLODECK_STATE_DIR")
    assert run(folder, "doctor").status == 1


def test_an_old_or_missing_nats_server_is_told(tmp_path: Path) -> None:
    old = tmp_path / "nats-server"
    old.write_text("#!/bin/sh\necho 'nats-server: v2.10.4'\n")
    old.chmod(0o755)
    one_line(run(tmp_path / "a", "up", HOLODECK_NATS_SERVER=str(old)), "2.10", "2.12 or newer")
    done = run(tmp_path / "b", "up", HOLODECK_NATS_SERVER=str(tmp_path / "nothing"))
    one_line(done, "HOLODECK_NATS_SERVER")


def test_wrong_settings_are_told_by_name(tmp_path: Path) -> None:
    one_line(run(tmp_path, "up", HOLODECK_HOSTS="many"), "HOLODECK_HOSTS", "'many'")
    one_line(run(tmp_path, "up", "--hosts", "0"), "HOLODECK_HOSTS")
    done = run(tmp_path, "version", HOLODECK_HOSTZ="2")
    assert done.status == 0
    assert "did you mean HOLODECK_HOSTS?" in done.err


def test_a_second_ctrl_c_does_not_wait(tmp_path: Path) -> None:
    process = spawn(tmp_path, "up", "--hosts", "1")
    assert process.stderr is not None
    process.stderr.readline()
    deadline = time.monotonic() + 30
    while len(offspring(process.pid)) < 4 and time.monotonic() < deadline:
        time.sleep(0.05)
    below = offspring(process.pid)
    os.killpg(process.pid, signal.SIGINT)
    process.stderr.readline()
    below |= offspring(process.pid)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130, err
    assert "by force" in err
    assert left_of(below) == set()


# --- importing ----------------------------------------


def recorded(folder: Path, prefix: str, count: int) -> Path:
    """A file of dialogues with 3 npc and 2 learner turns each."""
    turns = [
        {"by": "npc", "text": "Borsa is bag."},
        {"by": "learner", "text": "il borsa", "acts": ["guess"]},
        {"by": "npc", "text": "Quasi.", "acts": ["correction"]},
        {"by": "learner", "text": "la borsa", "acts": ["guess"]},
        {"by": "npc", "text": "Sì!", "acts": ["confirmation"]},
    ]
    path = folder / f"{prefix}.jsonl"
    with path.open("w") as file:
        for n in range(count):
            line = {"id": f"{prefix}-{n}", "l2": "it", "goal": {"words": ["borsa"]}, "turns": turns}
            file.write(json.dumps(line) + "\n")
    return path


def journal(up: Up, prefix: str, count: int) -> tuple[int, int, set[str]]:
    """Learner turns, NPC turns and phases of the sessions a file became, by their replays."""
    turns = replies = 0
    phases = set()
    for n in range(count):
        found = up.holodeck("session", "replay", f"{prefix}-{n}", "--json").json
        kinds = [e["kind"] for step in found["checkpoints"] for e in step["events"]]
        turns += kinds.count("turn.taken")
        replies += kinds.count("turn.answered")
        phases.add(found["state"]["phase"])
    return turns, replies, phases


def test_a_file_is_imported_once(up: Up, tmp_path: Path) -> None:
    path = recorded(tmp_path, "imp", 20)
    done = up.holodeck("import", str(path), "--json").json
    assert (done["started"], done["turns"], done["replies"]) == (20, 40, 60)
    assert journal(up, "imp", 20) == (40, 60, {"ended"})
    before = up.sequence()
    again = up.holodeck("import", str(path))
    assert "20 there already" in again.out
    assert up.sequence() == before


def test_an_import_killed_half_way_is_completed_exactly(up: Up, tmp_path: Path) -> None:
    path = recorded(tmp_path, "kill", 12)
    process = spawn(up.folder, "import", str(path), "--speed", "4", "--json")
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        rows = up.holodeck("session", "list", "--tag", "imported", "--json").json
        if sum(row.get("turns", 0) for row in rows if row["session"].startswith("kill")) >= 6:
            break
    process.kill()
    process.communicate()
    done = up.holodeck("import", str(path), "--json").json
    assert done["failed"] == []
    assert done["continued"] > 0
    assert journal(up, "kill", 12) == (24, 36, {"ended"})


def test_faulty_lines_stop_an_import_before_anything_is_sent(up: Up, tmp_path: Path) -> None:
    path = recorded(tmp_path, "bad", 2)
    path.write_text(path.read_text() + '{"id": "bad-2", "turns": []}\n{"id": 3}\n')
    done = up.holodeck("import", str(path))
    assert done.status == 1
    assert [f"line {n}" in done.err for n in (2, 3, 4)] == [False, True, True]
    one_line(up.holodeck("session", "show", "bad-0"), "unknown-session")
    skipped = up.holodeck("import", str(path), "--skip-bad", "--json")
    assert (skipped.status, skipped.json["started"], skipped.json["faulty_lines"]) == (0, 2, 2)


@pytest.mark.skipif(not CIMA.is_file(), reason="the recorded dialogues are not in this checkout")
def test_the_recorded_dialogues_are_imported_exactly(up: Up) -> None:
    done = up.holodeck("import", str(CIMA), "--json").json
    assert (done["started"], done["turns"], done["replies"]) == (418, 1216, 1634)
    assert done["failed"] == []
    before = up.sequence()
    assert up.holodeck("import", str(CIMA), "--json").json["skipped"] == 418
    assert up.sequence() == before


# --- plain NATS ----------------------------------------


def test_the_code_of_plain_nats_md_runs_as_it_stands(up: Up) -> None:
    text = (ROOT / "docs" / "plain-nats.md").read_text()
    (block,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", block],
        env=environment(up.folder),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "active 1 turn" in done.stdout
    assert "[TURN] plain-ana → marta, turn 1" in done.stdout
    assert "[SESSION_END]" in done.stdout


def test_a_server_of_ours_that_died_is_started_again_on_its_store(up: Up) -> None:
    name = up.session("survivor")
    server = next(
        pid
        for pid in offspring(up.process.pid)
        if Path(os.readlink(f"/proc/{pid}/exe")).name == "nats-server"
    )
    os.kill(server, signal.SIGKILL)
    deadline = time.monotonic() + 30
    done = Done(1, "", "")
    while done.status and time.monotonic() < deadline:
        done = up.holodeck("send", name, "turn", "ancora", "--to", "marta", "--turn", "1")
    assert done.status == 0, done.err
    assert up.holodeck("session", "state", name, "--json").json["turns"] == 1
