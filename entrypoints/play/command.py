"""The command ``holodeck play``.

One law: however the program is told to go, the session is left so that it can go on.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from holodeck.config import Settings, configure_logging
from holodeck.deck import Deck
from holodeck.entrypoints.running import learner_of, out_for, run, settings_for, usage
from holodeck.local import Local
from holodeck.messages.errors import StartupError
from holodeck.messages.practice import GeneratorKind, SchedulerKind
from holodeck.minds.curricula import CurriculumError, CurriculumLibrary
from holodeck.wiring import curriculum_folders

if TYPE_CHECKING:
    from holodeck.entrypoints.play.app import Play


def play(
    ctx: typer.Context,
    learner: Annotated[
        str | None, typer.Option("--learner", help="Who learns; else your user name.")
    ] = None,
    curriculum: Annotated[
        str, typer.Option("--curriculum", "-c", help="What is practised.")
    ] = "primary-maths",
    minutes: Annotated[
        float, typer.Option("--minutes", "-m", min=0.05, max=240, help="How long a session is.")
    ] = 15.0,
    slots: Annotated[
        int, typer.Option("--slots", min=1, max=20, help="Places in a session's plan.")
    ] = 5,
    scheduler: Annotated[
        SchedulerKind, typer.Option("--scheduler", help="What says when a skill is reviewed.")
    ] = SchedulerKind.FSRS,
    generator: Annotated[
        GeneratorKind, typer.Option("--generator", help="Who makes the questions.")
    ] = GeneratorKind.OFFLINE,
    close_after: Annotated[
        float,
        typer.Option(
            "--close-after",
            min=0,
            max=600,
            help="Seconds after which feedback closes by itself; 0: only with a key.",
        ),
    ] = 0.0,
    local: Annotated[
        Path | None,
        typer.Option("--local", help="Play here, with the store in this folder."),
    ] = None,
    url: Annotated[
        str | None, typer.Option("--url", help="NATS server of a runtime; else the one here.")
    ] = None,
) -> None:
    """Practises, here in the terminal.

    Goes on where you left off. Where no runtime is up, one is started in this program for as long
    as you play, on the same store.

    [bold]Examples:[/bold]

      holodeck play
      holodeck play --learner ana --minutes 10
      holodeck play --curriculum music-reading --local ~/practice
    """
    # The windows' library takes half a second to load: no other command waits for it.
    from holodeck.entrypoints.play.app import Play
    from holodeck.entrypoints.play.seat import Seat

    out = out_for(ctx, False)
    who = learner_of(learner)
    settings = settings_for(ctx, nats_url=url)
    try:
        library = CurriculumLibrary(curriculum_folders(settings))
    except CurriculumError as error:
        usage(str(error))
    course = library.get(curriculum)
    if course is None:
        usage(f"there is no curriculum {curriculum!r}; there is {', '.join(library.names())}")
    asked = "log_level" in settings.model_fields_set
    configure_logging(settings.log_level if asked else "error", settings.log_json)
    left = ""

    async def sit() -> None:
        nonlocal left
        if not sys.stdout.isatty():
            raise StartupError("practice needs a terminal", "Run `holodeck play` in one")
        async with _deck(settings, local and local.expanduser()) as deck:
            seat = Seat(
                deck,
                who,
                course,
                minutes=minutes,
                slots=slots,
                scheduler=scheduler,
                generator=generator,
            )
            app = Play(seat, close_after=close_after)
            with _heeding(app):
                left = await app.run_async() or ""

    run(out, sit)
    if left == "paused":
        out.note("Paused. `holodeck play` goes on where you were")


@contextmanager
def _heeding(app: Play) -> Iterator[None]:
    """Leaves in good order where a signal says so."""
    from holodeck.entrypoints.play.app import PAUSE_S

    loop = asyncio.get_running_loop()
    vanishing: list[asyncio.Future[None]] = []

    def leave() -> None:
        app.call_later(app.action_interrupt)

    async def vanish() -> None:
        await app.put_down()
        os._exit(128 + signal.SIGHUP)

    def hung_up() -> None:
        # Nobody is there to be written to: what restores the terminal would wait for ever.
        signal.alarm(round(2 * PAUSE_S))
        vanishing.append(asyncio.ensure_future(vanish()))

    loop.add_signal_handler(signal.SIGTERM, leave)
    loop.add_signal_handler(signal.SIGHUP, hung_up)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
        loop.remove_signal_handler(signal.SIGHUP)


def _deck(settings: Settings, folder: Path | None) -> AbstractAsyncContextManager[Deck]:
    """The runtime that is there; with a folder, one in this process, whatever else is up."""
    from holodeck.entrypoints.chat import some_deck

    if folder is None:
        return some_deck(settings)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StartupError(f"{folder} cannot be used ({error})", "Name another folder") from error
    return Local(folder, settings=settings)
