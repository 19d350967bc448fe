"""The README of the published session manager: each of its Python blocks, as it is printed there.

What is changed: the name of the package in imports, and a line of three dots that stands for the
identity. What a block does not say itself comes from a preamble.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

import holodeck.compat as compat
from tests.compat.support import config, events_of

BLOCKS: Final = re.findall(
    r"```python\n(.*?)```\n",
    (Path(__file__).parent / "snippets.md").read_text(encoding="utf-8"),
    re.DOTALL,
)
IMPORT: Final = re.compile(r"^from holodeck_session_manager\b", re.MULTILINE)
IDENTITY: Final = re.compile(r"^( +)# \.\.\.(?: other config \.\.\.)?$", re.MULTILINE)
COMMON: Final = """
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Callable, Dict, List, Optional
from holodeck.compat import *
"""

pytestmark = [pytest.mark.nats, pytest.mark.usefixtures("runtime")]


def run(number: int, **given: Any) -> dict[str, Any]:
    """Runs the block of that number, from 1; what it left behind."""
    block = IMPORT.sub("from holodeck.compat", BLOCKS[number - 1])
    block = IDENTITY.sub(r'\1session_name="from-readme", agent_id="oracle1",', block)
    space: dict[str, Any] = {"__name__": f"block_{number}"}
    exec(COMMON, space)
    space |= given
    exec(compile(block, f"README block {number}", "exec", dont_inherit=True), space)
    return space


def test_there_are_eleven_blocks() -> None:
    assert len(BLOCKS) == 11


def test_the_quick_start_runs() -> None:
    left = run(1)

    session = left["session"]
    assert session.outcome is compat.SessionOutcome.SUCCESS
    assert left["task1"].duration_ms == 2340
    assert left["task2"].outcome is compat.TaskOutcome.CANCELLED
    assert events_of(session)[0] == "SESSION_START"


def test_the_full_example_runs_and_emits_each_tile_once() -> None:
    left = run(2)

    session = left["session"]
    events = events_of(session)
    assert session.outcome is compat.SessionOutcome.SUCCESS
    assert [events.count(one) for one in ("SESSION_START", "TASK_START", "TASK_END")] == [1, 3, 3]
    assert events.count("SESSION_END") == 1
    assert "SESSION_ERROR" not in events
    assert (session.tasks_succeeded, session.tasks_failed) == (2, 1)
    assert left["decision"].agent_id == session.tasks["write-findings"].agent_id


def test_the_configuration_runs() -> None:
    found = run(3)["config"]

    assert found == compat.SessionConfig(
        session_name="my-session",
        agent_id="oracle1",
        tags=["research", "example"],
        scout_room="my/scout/sessions",
    )


def test_adding_tasks_runs() -> None:
    session = compat.SessionManager(config()).start_session()

    run(4, session=session)

    fix, code = session.tasks["critical-fix"], session.tasks["compile-code"]
    assert session.task_order == ["analyze-data", "critical-fix", "compile-code"]
    assert fix.priority is compat.TaskPriority.HIGH
    assert (code.required_capabilities, code.data) == (["compilation", "llvm"], {})


def test_completing_tasks_runs() -> None:
    session = compat.SessionManager(config()).start_session()
    for name in ("analyze-data", "compile-code", "long-task"):
        session.add_task(name)

    run(5, session=session)

    done = {name: (task.outcome, task.duration_ms) for name, task in session.tasks.items()}
    assert done == {
        "analyze-data": (compat.TaskOutcome.SUCCESS, 1234),
        "compile-code": (compat.TaskOutcome.FAILED, 5000),
        "long-task": (compat.TaskOutcome.CANCELLED, 60000),
    }
    assert session.tasks["analyze-data"].result == {"patterns_found": 5}
    assert session.tasks["compile-code"].error == "Compilation failed: missing dependency"


def test_routing_before_any_session_runs_as_a_question(
    capsys: pytest.CaptureFixture[str],
) -> None:
    left = run(6)

    said = capsys.readouterr().out
    assert "Agent: " in said
    assert "H¹ before: " in said
    assert "Emergence risk: " in said
    assert left["decision"].stored is False
    assert left["manager"].active_session is None


def test_the_emergence_callback_runs(capsys: pytest.CaptureFixture[str]) -> None:
    left = run(7)

    left["config"].on_emergence_alert(compat.EmergenceAlert(h1=3, threshold=2))

    assert capsys.readouterr().out == "⚠️ EMERGENCE: β₁=3 > V-2=2\n"


def test_the_configuration_has_the_fields_of_the_reference() -> None:
    theirs = run(8)["SessionConfig"]

    def described(kind: Any) -> list[tuple[str, Any, Any]]:
        return [
            (one.name, one.default, one.default_factory is not dataclasses.MISSING)
            for one in dataclasses.fields(kind)
        ]

    assert described(theirs) == described(compat.SessionConfig)


def test_the_reference_of_the_manager_runs_from_top_to_bottom() -> None:
    left = run(
        9,
        config=config(),
        outcome=compat.TaskOutcome.SUCCESS,
        task_id="a-task",
        data={"query": "x"},
        caps=["research"],
    )

    # It ends the session before it adds a task to it: that task is in a session of its own.
    session = left["session"]
    assert session.outcome is compat.SessionOutcome.SUCCESS
    assert session.task_count == 0
    assert session.continued is not None
    assert session.continued.get_task("a-task") is left["task"]
    assert left["task"].is_success
    assert left["status"].n_agents >= 1
    session.end_session()
    assert not session.continued.is_active


@pytest.mark.parametrize(("number", "name"), [(10, "TaskOutcome"), (11, "SessionOutcome")])
def test_the_outcomes_are_those_of_the_reference(number: int, name: str) -> None:
    theirs = run(number)[name]

    def values(kind: Any) -> dict[str, str]:
        return {one.name: one.value for one in kind}

    assert values(theirs) == values(getattr(compat, name))


def test_the_door_exports_public_names_only() -> None:
    space: dict[str, Callable[..., Any]] = {}
    exec("from holodeck.compat import *", space)

    del space["__builtins__"]
    assert sorted(space) == sorted(compat.__all__)
    assert not {"os", "json", "time", "uuid", "datetime", "annotations"} & set(space)
