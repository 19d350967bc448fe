"""The command ``holodeck-session``: one agent's session from a shell, a call at a time.

One law: what a call leaves behind stands in the runtime; here only the id of the current session
is remembered, in ``holodeck-session.json`` of the state folder.

A runtime that runs is used. Without one, each call starts one in its own process for as long as it
takes, with the store that ``holodeck up`` would use; calls then wait for one another. A deadline
that passed between two calls is kept by the second one.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from holodeck.compat import (
    Session,
    SessionConfig,
    SessionManager,
    SessionOutcome,
    Task,
    TaskOutcome,
    TaskPriority,
    open_session,
    shutdown,
)
from holodeck.compat.background import background
from holodeck.compat.config import to_outcome, to_priority
from holodeck.compat.errors import InvalidValue, UnknownTask
from holodeck.config import Settings, load_settings
from holodeck.entrypoints import show
from holodeck.entrypoints.show import Out
from holodeck.messages.errors import HolodeckError, RefusedError

app = typer.Typer(
    name="holodeck-session",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""Starts an agent's session, keeps its tasks, ends it.

    [bold]To begin:[/bold]

      holodeck-session start my-research --agent oracle1 --tag research
      holodeck-session task add analyze --capability research
      holodeck-session task complete analyze --duration-ms 2340
      holodeck-session end --outcome success

    Every command takes --json. The current session is remembered between calls.""",
)
tasks = typer.Typer(no_args_is_help=True, help="Adds, routes, completes, retries and lists tasks.")
app.add_typer(tasks, name="task")

Json = Annotated[bool, typer.Option("--json", help="JSON in place of text.")]
Id = Annotated[
    str | None, typer.Option("--session", help="Id of the session; else the current one.")
]
Name = Annotated[str, typer.Argument(help="Id of the task.", show_default=False)]
Needed = Annotated[
    list[str] | None, typer.Option("--capability", "-c", help="Needed for it; may be repeated.")
]
OUTCOMES: Final = ", ".join(one.value for one in TaskOutcome)


@app.command()
def start(
    name: Annotated[str, typer.Argument(help="For people.", show_default=False)],
    agent: Annotated[str, typer.Option("--agent", help="Who works.", show_default=False)],
    tag: Annotated[list[str] | None, typer.Option("--tag", help="May be repeated.")] = None,
    max_tasks: Annotated[int, typer.Option("--max-tasks", help="Hard limit of tasks.")] = 50,
    task_timeout: Annotated[int, typer.Option("--task-timeout", help="Seconds; 0: none.")] = 300,
    session_timeout: Annotated[
        int, typer.Option("--session-timeout", help="Seconds; 0: none.")
    ] = 3600,
    room: Annotated[str, typer.Option("--room", help="Where its tiles belong.")] = "",
    as_json: Json = False,
) -> None:
    """Starts a session and makes it the current one; others go on.

    [bold]Example:[/bold]  holodeck-session start my-research --agent oracle1 --tag research
    """
    config = SessionConfig(
        session_name=name,
        agent_id=agent,
        tags=list(tag or ()),
        max_tasks=max_tasks,
        task_timeout_seconds=task_timeout,
        session_timeout_seconds=session_timeout,
        scout_room=room,
    )
    out = Out(as_json)
    with _telling(out):
        settings = load_settings()
        with _runtime(settings):
            session = SessionManager(config).start_session()
            _remember(settings, session.session_id)
            out.document(_value(session), f"{session.session_id} has started")


@tasks.command("add")
def add(
    task: Name,
    data: Annotated[str | None, typer.Option("--data", help="Of yours, as JSON.")] = None,
    priority: Annotated[
        str, typer.Option("--priority", help="low, normal, high or critical.")
    ] = "normal",
    capability: Needed = None,
    session: Id = None,
    as_json: Json = False,
) -> None:
    """Adds a task and begins it.

    [bold]Example:[/bold]  holodeck-session task add analyze --data '{"query": "H1"}' -c research
    """
    given = _json_value(data, "--data")
    with _valid("--priority"):
        urgency = to_priority(priority)
    with _session(as_json, session) as (out, found):
        added = found.add_task(task, given, urgency, capability)
        out.document(_task_value(added), f"{task} is added and has begun")


@tasks.command("route")
def route(
    task: Name,
    capability: Needed = None,
    prefer: Annotated[
        list[str] | None, typer.Option("--prefer", help="An agent; may be repeated.")
    ] = None,
    session: Id = None,
    as_json: Json = False,
) -> None:
    """Gives a task to an agent of the fleet; adds it if it is not there.

    [bold]Example:[/bold]  holodeck-session task route compile -c compilation
    """
    with _session(as_json, session) as (out, found):
        decision = found.route_task_h1(task, capability, tuple(prefer or ()))
        out.document(decision, f"{task} goes to {decision.agent_id} ({decision.reasoning})")


@tasks.command("complete")
def complete(
    task: Name,
    outcome: Annotated[str, typer.Option("--outcome", help=f"{OUTCOMES}.")] = "success",
    duration_ms: Annotated[
        int | None, typer.Option("--duration-ms", min=0, help="Else since its start.")
    ] = None,
    result: Annotated[str | None, typer.Option("--result", help="As JSON.")] = None,
    error: Annotated[str | None, typer.Option("--error", help="What went wrong.")] = None,
    session: Id = None,
    as_json: Json = False,
) -> None:
    """Ends a task.

    [bold]Example:[/bold]  holodeck-session task complete analyze --outcome failed --error "no data"
    """
    came_out = _outcome(outcome)
    given = _json_value(result, "--result")
    with _session(as_json, session) as (out, found):
        ended = found.complete_task(task, came_out, duration_ms, error, given)
        out.document(_task_value(ended), f"{task} ended as {came_out.value}")


@tasks.command("retry")
def retry(task: Name, session: Id = None, as_json: Json = False) -> None:
    """One more attempt at a task that failed or ran out of time.

    [bold]Example:[/bold]  holodeck-session task retry analyze
    """
    with _session(as_json, session) as (out, found):
        again = found.get_task(task)
        if again is None:
            raise UnknownTask("unknown-task", task)
        again.retry()
        out.document(_task_value(again), f"{task} is tried again, attempt {again.attempt}")


@tasks.command("list")
def listing(session: Id = None, as_json: Json = False) -> None:
    """The tasks of a session, in the order they were added.

    [bold]Example:[/bold]  holodeck-session task list --json
    """
    with _session(as_json, session) as (out, found):
        values = [_task_value(one) for one in found.tasks.values()]
        rows = (
            (one["task_id"], one["outcome"] or "open", one["attempt"], one["priority"],
             one["agent_id"], one["duration_ms"], one["error"])
            for one in values
        )  # fmt: skip
        head = ("task", "outcome", "attempt", "priority", "agent", "ms", "error")
        out.document(values, show.table(head, rows))


@app.command()
def end(
    outcome: Annotated[str, typer.Option("--outcome", help=f"{OUTCOMES}.")] = "success",
    error: Annotated[str | None, typer.Option("--error", help="What went wrong.")] = None,
    session: Id = None,
    as_json: Json = False,
) -> None:
    """Ends the session; what is open is cancelled.

    [bold]Example:[/bold]  holodeck-session end --outcome success
    """
    came_out = SessionOutcome(_outcome(outcome).value)
    with _session(as_json, session) as (out, found):
        found.end_session(came_out, error)
        settings = load_settings()
        if _remembered(settings) == found.session_id:
            _file(settings).unlink(missing_ok=True)
        shown = found.outcome.value if found.outcome is not None else "open"
        seen = ", ".join(found.patterns) or "none"
        out.document(_value(found), f"{found.session_id} ended as {shown}; patterns: {seen}")


def main() -> None:
    """The console script."""
    app(prog_name="holodeck-session")


# --- a call ----------------------------------------


@contextmanager
def _session(as_json: bool, named: str | None) -> Iterator[tuple[Out, Session]]:
    """The session that is named, or the current one, in a runtime for one call."""
    out = Out(as_json)
    with _telling(out):
        settings = load_settings()
        session_id = named or _remembered(settings)
        if session_id is None:
            raise RefusedError("no-session", "none is current")
        with _runtime(settings):
            yield out, open_session(session_id)


@contextmanager
def _runtime(settings: Settings) -> Iterator[None]:
    """A runtime for one call; one call at a time, because two cannot have one store."""
    settings.state_path.mkdir(parents=True, exist_ok=True)
    lock = os.open(settings.state_path / "holodeck-session.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        background(settings.state_path / "nats")
        try:
            yield
        finally:
            shutdown()
    finally:
        os.close(lock)


@contextmanager
def _telling(out: Out) -> Iterator[None]:
    """Errors as one line and an exit status."""
    try:
        yield
    except InvalidValue as error:
        out.note(f"holodeck-session: {error}", "red")
        raise typer.Exit(2) from None
    except RefusedError as error:
        remedy = REMEDIES.get(error.reason, "")
        out.note(f"holodeck-session: refused, {error}{remedy}", "red")
        raise typer.Exit(1) from None
    except HolodeckError as error:
        out.note(f"holodeck-session: {' '.join(str(error).split())}", "red")
        raise typer.Exit(1) from None


REMEDIES: Final = {
    "no-session": ". Start one with `holodeck-session start NAME --agent AGENT`",
    "unknown-session": ". Start one with `holodeck-session start NAME --agent AGENT`",
    "session-ended": ". Start another one with `holodeck-session start NAME --agent AGENT`",
    "unknown-task": ". `holodeck-session task list` shows those there are",
    "duplicate-task": ". Give the task another name",
    "task-open": ". Complete it first",
}
"""What to do about a refusal, by its reason."""


def _file(settings: Settings) -> Path:
    return settings.state_path / "holodeck-session.json"


def _remember(settings: Settings, session_id: str) -> None:
    fresh = _file(settings).with_suffix(".new")
    fresh.write_text(json.dumps({"session": session_id}) + "\n", encoding="utf-8")
    fresh.replace(_file(settings))


def _remembered(settings: Settings) -> str | None:
    try:
        found = json.loads(_file(settings).read_text(encoding="utf-8"))["session"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, str) else None


# --- what is said ----------------------------------------


def _outcome(word: str) -> TaskOutcome:
    with _valid("--outcome"):
        return TaskOutcome(to_outcome(word).value)


@contextmanager
def _valid(option: str) -> Iterator[None]:
    try:
        yield
    except InvalidValue as error:
        raise typer.BadParameter(str(error), param_hint=option) from None


def _json_value(text: str | None, option: str) -> Any:
    if text is None:
        return None
    try:
        return json.loads(text)
    except ValueError as error:
        raise typer.BadParameter(f"no JSON ({error})", param_hint=option) from None


def _task_value(task: Task) -> dict[str, Any]:
    return {
        "task_id": task.task_id,
        "outcome": task.outcome,
        "attempt": task.attempt,
        "priority": TaskPriority(task.priority).name.lower(),
        "required_capabilities": task.required_capabilities,
        "agent_id": task.agent_id,
        "duration_ms": task.duration_ms,
        "data": task.data,
        "result": task.result,
        "error": task.error,
    }


def _value(session: Session) -> dict[str, Any]:
    return {
        "session_id": session.session_id,
        "session_name": session.session_name,
        "agent_id": session.agent_id,
        "tags": session.tags,
        "outcome": session.outcome,
        "duration_seconds": session.duration_seconds,
        "tasks": {
            "total": session.task_count,
            "succeeded": session.tasks_succeeded,
            "failed": session.tasks_failed,
            "cancelled": session.tasks_cancelled,
            "timed_out": session.tasks_timed_out,
            "open": len(session.get_active_tasks()),
        },
        "patterns": session.patterns,
        "h1_delta": session.h1_delta,
    }


if __name__ == "__main__":
    main()
