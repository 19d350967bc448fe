"""A run's folder: what is written is what is checked, and what is broken is said."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgpack
import pytest

from holodeck.messages.session import End, Pause, TakeTurn
from tests.conftest import ROOT
from tests.torture.checker import check
from tests.torture.checker.tale import Tale
from tests.torture.run import BadRun, Op, Row, Run, Stored, load


def tale() -> Tale:
    tale = Tale()
    tale.starts("s-1", session_timeout_s=600)
    tale.says("s-1", TakeTurn(turn=1, npc="marta", text="hola", frictions=()))
    tale.says("s-1", Pause(), answered=False)
    tale.says("s-1", TakeTurn(turn=2, npc="marta", text="hola"))
    tale.reads("session", "s-1")
    tale.reads("npc", "marta", learner="ana")
    kept = tale.end
    tale.says("s-1", End())
    tale.loses_power(kept)
    tale.moves_to("inc_b")
    tale.says("s-1", End())
    return tale


def lines_of(op: Op) -> list[dict[str, Any]]:
    """An operation as its client wrote it down."""
    lines = [
        {
            "t": op.invoked, "type": "invoke", "op": op.op, "actor": op.actor, "id": op.id,
            "what": op.what, "command": op.command, "body": dict(op.body),
        }
    ]  # fmt: skip
    told: dict[str, Any] = {"t": op.returned, "type": op.outcome, "op": op.op}
    match op.outcome:
        case "ok":
            lines.append(told | {"sequence": op.sequence, "events": list(op.events)})
            if op.state is not None:
                lines[-1]["state"] = op.state
        case "refused":
            lines.append(told | {"reason": f"{op.reason}: and more words"})
        case "unknown":
            pass
    return lines


def save(run: Run, home: Path) -> None:
    """The folder as the runner leaves it."""

    def jsonl(name: str, rows: Iterable[dict[str, Any]]) -> None:
        (home / name).write_text("".join(json.dumps(row) + "\n" for row in rows))

    def stream(name: str, rows: Sequence[Row] | Sequence[Stored]) -> None:
        packed = (msgpack.packb([r.sequence, r.subject, r.data, dict(r.headers)]) for r in rows)
        (home / name).write_bytes(b"".join(packed))

    (home / "run.json").write_text(json.dumps(asdict(run.settings) | {"more": "ignored"}))
    jsonl("history-c0.jsonl", (line for op in run.ops for line in lines_of(op)))
    jsonl(
        "nemesis.jsonl",
        ({"t": f.t, "type": f.phase, "fault": f.fault, "target": f.target, "detail": f.detail}
         for f in run.faults),
    )  # fmt: skip
    jsonl("table.jsonl", (asdict(table) for table in run.tables or ()))
    jsonl("states.jsonl", (asdict(said) for said in run.said or ()))
    stream("journal.bin", run.journal)
    stream("tiles.bin", run.tiles or ())
    stream("dead.bin", run.dead or ())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save(tale().run(), tmp_path)
    return tmp_path


def test_what_is_read_is_what_was_written(folder: Path) -> None:
    run, read = tale().run(), load(folder)
    assert [(o.op, o.outcome, o.reason, o.state) for o in read.ops] == [
        (o.op, o.outcome, o.reason, o.state) for o in run.ops
    ]
    assert read.ops[1].where == "history-c0.jsonl:3"
    assert (read.settings, read.journal) == (run.settings, run.journal)
    assert (read.faults, read.tables, read.said) == (run.faults, run.tables, run.said)
    assert (read.tiles, read.dead) == (run.tiles, run.dead)
    assert check(read).holds, check(read)


def test_a_client_that_is_killed_as_it_writes_leaves_half_a_line(folder: Path) -> None:
    history = folder / "history-c0.jsonl"
    history.write_bytes(history.read_bytes()[:-20])
    *_, last = load(folder).ops
    assert last.outcome == "unknown"
    assert check(load(folder)).holds


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("history-c0.jsonl", '{"t": 1, "type": "ok", "op": "c9.9", "sequence": 1}'),
        ("history-c0.jsonl", '{"t": 1, "type": "maybe", "op": "c0.2"}'),
        ("history-c0.jsonl", '{"t": 1, "type": "invoke"\n{"t": 2}'),
        ("nemesis.jsonl", '{"t": 1, "type": "begin"}'),
        ("table.jsonl", "junk"),
    ],
)
def test_what_cannot_be_understood_is_said_with_its_line(
    folder: Path, name: str, line: str
) -> None:
    with (folder / name).open("a") as file:
        file.write(line + "\n")
    with pytest.raises(BadRun, match=rf"{name}:\d+"):
        load(folder)


@pytest.mark.parametrize("name", ["run.json", "journal.bin", "states.jsonl"])
def test_a_file_that_is_missing_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(BadRun, match=name):
        load(folder)


def checked(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.torture.checker", str(folder), *more],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "200", "TERM": "dumb"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_program_tells_each_law_and_what_broke_it(folder: Path) -> None:
    good = checked(folder)
    assert good.returncode == 0, good.stdout + good.stderr
    assert "linearizable" in good.stdout
    journal = list(tale().run().journal)
    rows = (msgpack.packb([r.sequence, r.subject, r.data, dict(r.headers)]) for r in journal[:-1])
    (folder / "journal.bin").write_bytes(b"".join(rows))
    bad = checked(folder)
    assert bad.returncode == 1
    assert "acknowledged: session.s-1: acknowledged at" in bad.stdout
    assert "[history-c0.jsonl:" in bad.stdout


def test_the_program_knows_what_is_no_run_and_no_law(folder: Path) -> None:
    assert checked(folder, "--law", "gravity").returncode == 2
    (folder / "run.json").unlink()
    nothing = checked(folder)
    assert nothing.returncode == 2
    assert "run.json" in nothing.stderr
