"""How a command of the line is run: its settings, its connection, its errors.

One law: whatever goes wrong on purpose is told in one line that names the cause and the remedy, on
standard error, with exit status 1 (2 where the command line itself is wrong); never a traceback.
"""

from __future__ import annotations

import asyncio
import getpass
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Final, NoReturn

import typer
from pydantic import ValidationError

from holodeck.config import Settings, configure_logging, load_settings
from holodeck.deck import Deck
from holodeck.entrypoints.show import Out
from holodeck.messages.codec import explain
from holodeck.messages.errors import (
    Busy,
    HolodeckError,
    InvalidId,
    NoResponder,
    RefusedError,
    SettingsError,
    StartupError,
    StoreFull,
    Unavailable,
)
from holodeck.messages.ids import check_id, encode_foreign
from holodeck.session import Session
from holodeck.wiring import find_connection

Json = Annotated[bool, typer.Option("--json", help="JSON in place of text.")]
CommandId = Annotated[
    str | None,
    typer.Option("--id", help="Id of the command: sent again under it, it has its effect once."),
]

REMEDIES: Final = {
    "unknown-session": "`holodeck session list` shows those there are",
    "session-exists": "Give another --session, or leave it out for a fresh one",
    "session-ended": "Start another one, or fork it with `holodeck session fork`",
    "session-paused": "Resume it first with `holodeck session resume`",
    "learner-busy": "That session holds the learner: end or pause it, or add --switch",
    "turn-order": "Leave --turn out to take the next one",
    "unknown-npc": "`holodeck session show` tells the cast, `holodeck persona show` a world's",
    "unknown-curriculum": "`holodeck curriculum list` shows those there are",
    "unknown-persona": "`holodeck persona list` shows those there are",
    "unknown-player": "Make a profile with `holodeck player create`",
    "name-taken": "Choose another --username",
    "settings-version": "Somebody changed them meanwhile: look again and repeat it",
    "settings-conflict": "Leave --strict out, and what can be mended is",
    "unknown-character": "`holodeck player characters` shows those there are",
    "too-many-characters": "Take one out of play with `holodeck player characters --remove`",
    "unknown-task": "`holodeck session show` tells the tasks",
    "duplicate-task": "Give the task another name",
    "task-open": "It has not ended: complete it first",
    "task-succeeded": "Only what failed or ran out of time is tried again; add another task",
    "no-cast": "Start the session with --cast to have whom to route to",
    "no-agents": "Register some with `holodeck fleet register`, or start the session with --cast",
    "agents-full": "`holodeck fleet agents` shows loads and limits; complete tasks, or raise --max",
    "unknown-agent": "`holodeck fleet agents` shows those there are",
    "no-such-checkpoint": "`holodeck session replay` shows the sequences there are",
    "unknown-host": "`holodeck status` shows the hosts",
    "no-projections": "Set HOLODECK_REDIS_URL or HOLODECK_GRAPH before `holodeck up`",
    "unknown-projection": "`holodeck projections status` shows those there are",
    "at-capacity": "End sessions, or start the runtime with more --hosts",
    "store-full": "Make room: see `holodeck doctor`",
}
"""What to do about a refusal, by its reason."""


@dataclass(slots=True)
class Given:
    """What was said in front of the command's name."""

    json: bool
    overrides: dict[str, Any]


def out_for(ctx: typer.Context, as_json: bool) -> Out:
    """Where results go; --json counts in front of the command's name and behind it."""
    return Out(as_json or ctx.find_object(Given).json)  # type: ignore[union-attr]


def settings_for(ctx: typer.Context, **more: Any) -> Settings:
    """The settings; options behind the command's name go before those in front of it."""
    given = ctx.find_object(Given)
    assert given is not None
    settings = load_settings(**given.overrides | {k: v for k, v in more.items() if v is not None})
    quiet = "log_level" not in settings.model_fields_set
    configure_logging("warning" if quiet else settings.log_level, settings.log_json)
    return settings


@contextmanager
def telling(out: Out) -> Iterator[None]:
    """Errors as one line and an exit status."""
    try:
        yield
    except ValidationError as error:
        out.note(f"holodeck: {explain(error)}", "red")
        raise typer.Exit(2) from None
    except HolodeckError as error:
        out.note(f"holodeck: {_words(error)}", "red")
        raise typer.Exit(1) from None
    except BrokenPipeError:
        # Whoever read us has had enough; nothing more may be written, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(0) from None


def _words(error: HolodeckError) -> str:
    match error:
        case StartupError() | SettingsError():
            text = str(error)
        case RefusedError():
            remedy = REMEDIES.get(error.reason)
            text = f"refused, {error}" + (f". {remedy}" if remedy else "")
        case Unavailable() | NoResponder():
            text = f"no answer ({error}). Is the runtime up? `holodeck doctor` tells"
        case Busy():
            text = "the session's mailbox is full. Try again in a moment"
        case StoreFull():
            text = "the store is full. Make room: see `holodeck doctor`"
        case _:
            text = f"{error.code}: {error}"
    return " ".join(text.split())


def run(out: Out, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Runs a command to its end; Ctrl-C ends it without a word."""
    with telling(out):
        try:
            asyncio.run(work())
        except KeyboardInterrupt:
            raise typer.Exit(130) from None


@asynccontextmanager
async def open_deck(settings: Settings) -> AsyncIterator[Deck]:
    """The runtime the settings name, or the one on this machine.

    Raises:
        StartupError: there is none.
    """
    connection, ns = find_connection(settings)
    deck = await Deck.open(connection, ns)
    try:
        yield deck
    finally:
        await deck.close()


def with_deck(
    ctx: typer.Context, as_json: bool, work: Callable[[Deck, Out], Awaitable[None]]
) -> None:
    """Runs what needs a runtime."""
    out = out_for(ctx, as_json)

    async def connected() -> None:
        async with open_deck(settings_for(ctx)) as deck:
            await work(deck, out)

    run(out, connected)


def with_session(
    ctx: typer.Context,
    as_json: bool,
    identity: str,
    work: Callable[[Session, Out], Awaitable[None]],
) -> None:
    """Runs what needs one session, whether it exists or not."""

    async def named(deck: Deck, out: Out) -> None:
        await work(deck.session(check_id(identity)), out)

    with_deck(ctx, as_json, named)


def learner_of(given: str | None) -> str:
    """Who learns: as given, else who is at the keyboard."""
    try:
        return check_id(given) if given is not None else encode_foreign(getpass.getuser())
    except InvalidId as error:
        usage(f"--learner: {error}")


def usage(problem: str) -> NoReturn:
    """The command line itself is wrong."""
    raise typer.BadParameter(problem)


def json_value(text: str | None, option: str) -> Any:
    """What an option says in JSON; None where it was left out."""
    if text is None:
        return None
    try:
        return json.loads(text)
    except ValueError as error:
        usage(f"{option} is no JSON ({error}); text goes in quotes of its own: '\"like this\"'")
