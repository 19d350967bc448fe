"""``holodeck token``: who may knock at the HTTP door.

One law: a token is shown once, when it is made; what is kept says who it is for, never what it is.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.text import Text

from holodeck.broker.port import Broker
from holodeck.config import Settings
from holodeck.entrypoints import show
from holodeck.entrypoints.running import Json, out_for, settings_for, telling
from holodeck.messages.errors import InvalidId, RefusedError, StartupError
from holodeck.wiring import RuntimeFile, given_connection, layout_of, runtime_path

token_app = typer.Typer(
    no_args_is_help=True,
    help="""Tokens for the HTTP door: made, listed, ended.

    A learner's token opens what is that learner's; a reader's shows what is running; an
    operator's runs it.

    [bold]Examples:[/bold]

      holodeck token create --scope learner --learner ana --days 30
      holodeck token create --scope operator --for maria
      holodeck token list
      holodeck token revoke tok_3f9c21aa0b1c2d3e""",
)


@token_app.command("create")
def create(
    ctx: typer.Context,
    scope: Annotated[str, typer.Option("--scope", help="learner, reader or operator.")] = "learner",
    learner: Annotated[
        str | None, typer.Option("--learner", help="Whose it is, of a learner's token.")
    ] = None,
    subject: Annotated[
        str | None, typer.Option("--for", help="Whom another token is for, as an id.")
    ] = None,
    days: Annotated[float, typer.Option("--days", help="How long it is good, up to 366.")] = 30.0,
    as_json: Json = False,
) -> None:
    """Makes a token. It is shown this once; keep it as you would a password.

    [bold]Example:[/bold]  holodeck token create --scope learner --learner ana --days 30
    """
    from holodeck.entrypoints.gateway.access import Role, mint, write_down
    from holodeck.entrypoints.gateway.wiring import key_of

    out = out_for(ctx, as_json)
    with telling(out):
        settings = settings_for(ctx)
        role = _role(scope, Role)
        who = learner if role is Role.LEARNER else subject or role.value
        if (
            who is None
            or (role is Role.LEARNER and subject)
            or (role is not Role.LEARNER and learner)
        ):
            raise StartupError(
                "it is not said whom the token is for",
                "Add --learner to a learner's token, and --for to the others",
            )
        try:
            made = mint(key_of(settings), settings.namespace, role, who, days=days)
        except ValueError as error:
            raise StartupError(str(error), "Give other --days") from error
        write_down(settings.state_path, made)
        value = {
            "token": made.token,
            "id": made.jti,
            "scope": made.role.value,
            "subject": made.subject,
            "expires": _when(made.expires),
        }
        out.document(value, Text(made.token, overflow="fold", no_wrap=False))
        out.note(f"{made.jti}: {made.role.value} {made.subject}, until {value['expires']}", "dim")


def _role(scope: str, roles: Any) -> Any:
    try:
        return roles(scope)
    except ValueError as error:
        raise StartupError(
            f"there is no scope {scope!r}", "Say learner, reader or operator"
        ) from error


@token_app.command("list")
def listed(ctx: typer.Context, as_json: Json = False) -> None:
    """The tokens that were made here and have not ended by themselves.

    [bold]Example:[/bold]  holodeck token list
    """
    from holodeck.entrypoints.gateway.access import ended, written_down

    out = out_for(ctx, as_json)
    with telling(out):
        settings = settings_for(ctx)

        async def gone() -> set[str]:
            try:
                broker = await _connected(settings)
            except StartupError:
                out.note("no runtime runs here, so ended tokens are not known", "yellow")
                return set()
            try:
                return await ended(broker.bucket(layout_of(settings).cluster))
            finally:
                await broker.close()

        rows = written_down(settings.state_path)
        over = asyncio.run(gone()) if rows else set()
        value = [
            {**row, "expires": _when(row["expires"]), "ended": row["id"] in over} for row in rows
        ]
        if not value:
            out.document(value, "no tokens; make one with `holodeck token create`")
            return
        cells = [
            (row["id"], row["scope"], row["subject"], row["expires"], "ended" * row["ended"])
            for row in value
        ]
        table = show.table(("id", "scope", "for", "until", ""), cells)
        out.document(value, table)


@token_app.command("revoke")
def revoke(
    ctx: typer.Context,
    token: Annotated[str, typer.Argument(metavar="TOKEN|ID", help="The token itself, or its id.")],
    as_json: Json = False,
) -> None:
    """Ends a token; doors that are open notice within seconds.

    [bold]Example:[/bold]  holodeck token revoke tok_3f9c21aa0b1c2d3e
    """
    from holodeck.entrypoints.gateway.access import end, read, written_down
    from holodeck.entrypoints.gateway.manners import Problem
    from holodeck.entrypoints.gateway.wiring import key_of

    out = out_for(ctx, as_json)
    with telling(out):
        settings = settings_for(ctx)
        jti, expires = token, 0
        if "." in token:
            try:
                caller = read(token, key_of(settings), settings.namespace)
            except Problem as problem:
                raise RefusedError("unknown-token", problem.detail) from problem
            jti, expires = caller.jti, caller.expires
        else:
            for row in written_down(settings.state_path):
                if row["id"] == token:
                    expires = row["expires"]

        async def work() -> None:
            broker = await _connected(settings)
            try:
                await end(broker.bucket(layout_of(settings).cluster), jti, expires)
            finally:
                await broker.close()

        try:
            asyncio.run(work())
        except InvalidId as error:
            raise RefusedError("unknown-token", "that is neither a token nor an id") from error
        out.document({"id": jti, "ended": True}, f"{jti} has ended")


async def _connected(settings: Settings) -> Broker:
    """A connection with the runtime's rights.

    Raises:
        StartupError: there is none to be had.
    """
    given = given_connection(settings)
    if given is None:
        running = RuntimeFile.read(runtime_path(settings))
        if running is None:
            raise StartupError(
                "no runtime is running here and HOLODECK_NATS_URL is not set",
                "Start one with `holodeck up`, or name a NATS server",
            )
        given = running.runtime
    return await given()


def _when(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
