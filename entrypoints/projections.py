"""``holodeck projections``: how far the stores are that the journal is projected into.

One law: a rebuild empties what the projection itself has written, and nothing of anybody else's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Annotated, Any, Final

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from holodeck.deck import Deck
from holodeck.entrypoints import show
from holodeck.entrypoints.running import Json, with_deck
from holodeck.entrypoints.show import Out
from holodeck.messages.errors import RefusedError, Unavailable

projections_app = typer.Typer(
    no_args_is_help=True,
    help="""The journal in stores that others run: Redis and a property graph.

    What runs is configured where the runtime is started: HOLODECK_REDIS_URL, HOLODECK_GRAPH.

    [bold]Examples:[/bold]

      holodeck projections status
      holodeck projections rebuild graph""",
)

_LOOK_S: Final = 0.25
_NONE: Final = "no projection runs; set HOLODECK_REDIS_URL or HOLODECK_GRAPH before `holodeck up`"


@projections_app.command("status")
def projections_status(ctx: typer.Context, as_json: Json = False) -> None:
    """A row a projection: its store, how far it is, and what went wrong last.

    Lag is how many checkpoints the store does not have yet, at most. One that is waiting goes on
    by itself when its store is back.

    [bold]Example:[/bold]  holodeck projections status --json
    """

    async def work(deck: Deck, out: Out) -> None:
        rows = await deck.projections()
        head = ("projection", "store", "is", "position", "end", "lag", "last error")
        cells = (
            (
                row["projection"],
                row["store"],
                row["state"],
                row["position"],
                row["end"],
                row["lag"],
                show.clean(row["error"]),
            )
            for row in rows
        )
        out.document(rows, show.table(head, cells) if rows else _NONE)

    with_deck(ctx, as_json, work)


@projections_app.command("rebuild")
def projections_rebuild(
    ctx: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="redis or graph.", show_default=False)
    ],
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Until it has caught up, or only until begun.")
    ] = True,
    seconds: Annotated[
        float, typer.Option("--seconds", min=1, help="How long to wait, at most.")
    ] = 3600.0,
    as_json: Json = False,
) -> None:
    """Empties what a projection wrote and fills its store from the first checkpoint on.

    Only its own keys or nodes are removed. Meanwhile readers of the store see part of it; sessions
    themselves notice nothing. If you leave, it goes on.

    [bold]Examples:[/bold]

      holodeck projections rebuild redis
      holodeck projections rebuild graph --no-wait
    """

    async def work(deck: Deck, out: Out) -> None:
        before = await _row(deck, name)
        await deck.rebuild_projection(name)
        row = await _watched(deck, name, before, seconds) if wait else await _row(deck, name)
        done = f"{name}: {row['position']:,} of {row['end']:,}, {row['state']}"
        out.document(row, done if wait else f"{name} is being rebuilt")

    with_deck(ctx, as_json, work)


async def _row(deck: Deck, name: str) -> Mapping[str, Any]:
    rows = await deck.projections()
    if not rows:
        raise RefusedError("no-projections", "no projection runs")
    for row in rows:
        if row["projection"] == name:
            return row
    known = ", ".join(row["projection"] for row in rows)
    raise RefusedError("unknown-projection", f"{name}; there is {known}")


async def _watched(
    deck: Deck, name: str, before: Mapping[str, Any], seconds: float
) -> Mapping[str, Any]:
    """Shows how far a rebuild is, until it is done."""
    give_up = time.monotonic() + seconds
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    console = Out(as_json=False).progress
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as bar:
        task = bar.add_task(name, total=None)
        while True:
            row = await _row(deck, name)
            began = row["rebuilds"] > before["rebuilds"]
            if began and row["lag"] == 0 and row["state"] == "live":
                return row
            if time.monotonic() >= give_up:
                raise Unavailable(f"projection {name}", row["error"] or "it takes longer")
            waits = (
                f"{name}: {show.clean(row['error'])[:80]}" if row["state"] == "waiting" else name
            )
            bar.update(
                task,
                description=waits,
                total=row["end"] or None,
                completed=row["position"] if began else 0,
            )
            await asyncio.sleep(_LOOK_S)
