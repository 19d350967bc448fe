"""``holodeck fleet``: the agents, who worked with whom, and what their sessions show.

One law: what is advice is called advice, and no command here applies any.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from holodeck.deck import Deck
from holodeck.entrypoints import show
from holodeck.entrypoints.picture import draw, figures
from holodeck.entrypoints.running import CommandId, Json, usage, with_deck
from holodeck.entrypoints.show import Out
from holodeck.messages.ids import check_id

fleet = typer.Typer(
    no_args_is_help=True,
    help="""The agents: who can do what, who has how much to do, who worked with whom.

    [bold]Examples:[/bold]

      holodeck fleet register forge --capability compilation --capability research --max 3
      holodeck fleet agents
      holodeck fleet graph --png team.png
      holodeck fleet advise""",
)

_NAMED: Final = 6
"""How many names a cell of a table holds."""

Agent = Annotated[str, typer.Argument(metavar="AGENT", help="Its id.", show_default=False)]


@fleet.command("status")
def fleet_status(ctx: typer.Context, as_json: Json = False) -> None:
    """The fleet in figures: agents, tasks, the co-work graph and how it is braced.

    [bold]Example:[/bold]  holodeck fleet status --json
    """

    async def work(deck: Deck, out: Out) -> None:
        found = await deck.fleet.status()
        out.document(found, show.pairs(_status(found)))

    with_deck(ctx, as_json, work)


def _status(found: Mapping[str, Any]) -> list[tuple[str, Any]]:
    over = f"{found['emerged_components']:,} of {found['components']:,} components above V-2"
    if found["margin"] is not None:
        side = "above" if found["margin"] > 0 else "below"
        over += f"; the highest is {abs(found['margin']):g} {side} its {found['threshold']:g}"
    alerts = f"{found['alerts']:,} told"
    if found["owed"]:
        alerts += f", {found['owed']} still to be told"
    return [
        ("agents", f"{found['agents']:,}, {found['registered']:,} registered"),
        ("tasks", f"{found['tasks']:,} given and not ended, in {found['sessions']:,} sessions"),
        ("routed", f"{found['routed']:,}, {found['fallbacks']:,} of them by fallback"),
        ("completed", f"{found['completed']:,}"),
        ("co-work graph", f"V {found['vertices']:,}, E {found['edges']:,}, "
                          f"C {found['components']:,}, β₁ {found['h1']:,}"),
        ("braced", f"{found['description']}: rank {found['rank']:,}, dof {found['dof']:,}, "
                   f"redundant {found['redundant']:,}, over-braced groups {found['overbraced']:,}"),
        ("emergence", over),
        ("alerts", alerts),
        ("at checkpoint", f"{found['sequence']:,}"),
    ]  # fmt: skip


@fleet.command("agents")
def fleet_agents(
    ctx: typer.Context,
    capability: Annotated[
        list[str] | None,
        typer.Option("--capability", "-c", help="Only who can do this; may be given often."),
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=20_000, help="At most so many.")
    ] = 2000,
    as_json: Json = False,
) -> None:
    """A row an agent, who has most to do first.

    Who is not registered was given a task in a session, or began one of its own.

    [bold]Example:[/bold]  holodeck fleet agents --capability research
    """

    async def work(deck: Deck, out: Out) -> None:
        needed = set(capability or ())
        rows = await deck.fleet.agents(limit=20_000 if needed else limit)
        rows = [row for row in rows if needed <= set(row["capabilities"])][:limit]
        cells = (
            (
                row["agent"],
                "registered" if row["registered"] else "known",
                f"{row['load']} / {row['max_load']}" if row["max_load"] else row["load"],
                row["routed"],
                row["done"],
                row["links"],
                ", ".join(row["capabilities"]),
            )
            for row in rows
        )
        head = ("agent", "is", "load", "routed", "done", "links", "capabilities")
        out.document(rows, show.table(head, cells) if rows else "no agent")

    with_deck(ctx, as_json, work)


@fleet.command("graph")
def fleet_graph(
    ctx: typer.Context,
    png: Annotated[
        Path | None,
        typer.Option("--png", dir_okay=False, help="Draws it into this file (extra: pictures)."),
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=20_000, help="At most so many edges, newest first.")
    ] = 2000,
    as_json: Json = False,
) -> None:
    """The co-work graph: its components, their loops, and how firmly each is braced.

    An edge stands between two agents that worked in the same session or on the same task. Per
    component: β₁ independent loops, dof degrees of freedom in the plane, redundant edges, and the
    groups that stay as rigid whichever one of their edges is lost.

    [bold]Examples:[/bold]

      holodeck fleet graph
      holodeck fleet graph --png team.png
    """

    async def work(deck: Deck, out: Out) -> None:
        view = await deck.fleet.graph(limit=limit)
        if png is not None:
            draw(view, png)
        parts = view["components"]
        value = view | ({"png": str(png)} if png is not None else {})
        if not parts:
            out.document(value, "nobody has worked with anybody yet")
            return
        lines: list[RenderableType] = [_components(parts), "", str(figures(parts))]
        if view["left_out"]:
            lines.append(f"{view['left_out']:,} older edges are left out; see --limit")
        if png is not None:
            lines.append(f"drawn into {png}")
        out.document(value, Group(*lines))

    if png is not None and not png.parent.is_dir():
        usage(f"--png {png}: there is no folder {png.parent}")
    with_deck(ctx, as_json, work)


def _components(parts: Sequence[Mapping[str, Any]]) -> RenderableType:
    """A row a component of two or more; who works with nobody is counted below."""
    teams = [part for part in parts if part["vertices"] > 1]
    rows = (
        (
            part["vertices"],
            part["edges"],
            part["h1"],
            part["dof"],
            part["redundant"],
            "yes" if part["emergence"] else "",
            _names(part["members"], part["vertices"]),
            "; ".join(_names(group, len(group)) for group in part["overbraced"][:3]),
        )
        for part in teams
    )
    head = ("V", "E", "β₁", "dof", "redundant", "emergence", "agents", "over-braced")
    lone = len(parts) - len(teams)
    made: list[RenderableType] = [show.table(head, rows)] if teams else []
    if lone:
        made.append(f"{lone:,} {'agent works' if lone == 1 else 'agents work'} with nobody")
    return Group(*made)


def _names(names: Sequence[str], count: int) -> str:
    shown = names[:_NAMED]
    more = count - len(shown)
    return ", ".join(shown) + (f" and {more:,} more" if more > 0 else "")


@fleet.command("advise")
def fleet_advise(ctx: typer.Context, as_json: Json = False) -> None:
    """What the sessions of the last windows show: conflicts, complements, trends, advice.

    Advice only: nothing here is applied, no routing changes by it.

    [bold]Example:[/bold]  holodeck fleet advise --json | jq .advice.recommendations
    """

    async def work(deck: Deck, out: Out) -> None:
        found = await deck.fleet.advice()
        out.document(found, Group(*_advised(found)))

    with_deck(ctx, as_json, work)


def _advised(found: Mapping[str, Any]) -> list[RenderableType]:
    shown: list[RenderableType] = [Text("Advice only: nothing of it is applied.", style="bold")]
    last, running, advice = found["synthesis"], found["open"], found["advice"]
    if last is None and running is None and advice is None:
        return [*shown, "No session has shown anything yet."]
    for name, synthesis in (("last window", last), ("open window, so far", running)):
        if synthesis is not None:
            shown += ["", Text(name, style="bold"), *_synthesis(synthesis)]
    if advice is not None:
        shown += ["", *_inferred(advice)]
    else:
        shown += ["", "No window has been closed yet, so there are no trends."]
    return shown


def _synthesis(synthesis: Mapping[str, Any]) -> list[RenderableType]:
    metrics = synthesis["metrics"]
    rate = metrics["success_rate"]
    facts = [
        ("what", synthesis["scope"]),
        ("from", f"{show.clock(synthesis['since'])} to {show.clock(synthesis['until'])}"),
        ("sessions", f"{metrics['ended']} ended, {metrics['open']} open"
                     + ("" if rate is None else f", {rate:.0%} with success")),
        ("tasks", f"{metrics['tasks']} ended, {metrics['routings']} routings, "
                  f"{metrics['fallbacks']} by fallback"),
        ("confidence", f"{synthesis['confidence']:.2f}, the share of complete sessions"),
    ]  # fmt: skip
    made: list[RenderableType] = [show.pairs(facts)]
    for what in ("conflicts", "complements"):
        findings = synthesis[what]
        if findings:
            head = (what, "sessions", "tasks", "agents", "in words")
            rows = (
                (
                    finding["kind"],
                    _names(finding["subjects"], len(finding["subjects"])),
                    _names(finding["tasks"], len(finding["tasks"])),
                    _names(finding["agents"], len(finding["agents"])),
                    finding["detail"],
                )
                for finding in findings
            )
            made.append(show.table(head, rows))
        else:
            made.append(f"no {what}")
    return made


def _inferred(advice: Mapping[str, Any]) -> list[RenderableType]:
    made: list[RenderableType] = []
    if advice["agents"]:
        head = ("trend of", "success", "a task takes", "load", "Δβ₁ a window", "heads for")
        rows = (
            (
                trend["agent"],
                _moved(trend["success_rate"], trend["success_change"], ".2f"),
                _moved(trend["duration_ms"], trend["duration_change"], ".0f", " ms"),
                _moved(trend["load"], trend["load_change"], ".2f"),
                _moved(trend["delta_beta1"], trend["delta_beta1_change"], ".2f"),
                f"{trend['intent']} ({trend['intent_share']:.0%})" if trend["intent"] else "",
            )
            for trend in advice["agents"]
        )
        made.append(show.table(head, rows))
    if advice["recommendations"]:
        weights = (
            (one["agent"], one["capability"], f"{one['weight_delta']:+.2f}", one["why"])
            for one in advice["recommendations"]
        )
        made += ["", show.table(("advice for", "capability", "weight", "because"), weights)]
    else:
        made += ["", "no recommendation"]
    made.append(
        f"from {advice['mids']} windows, confidence {advice['confidence']:.2f}; advice, not applied"
    )
    return made


def _moved(value: float | None, change: float, form: str, unit: str = "") -> str:
    """A mean and how the last window moved it."""
    if value is None:
        return ""
    arrow = "↑" if change > 0 else "↓" if change < 0 else "="
    return f"{value:{form}}{unit} {arrow}"


@fleet.command("register")
def fleet_register(
    ctx: typer.Context,
    agent: Agent,
    capability: Annotated[
        list[str] | None,
        typer.Option("--capability", "-c", help="What it can do; may be given often."),
    ] = None,
    max_load: Annotated[
        int,
        typer.Option("--max", min=0, max=100_000, help="Tasks it takes at once; 0: any."),
    ] = 0,
    command_id: CommandId = None,
    as_json: Json = False,
) -> None:
    """Says what an agent can do, or says it anew; from then on it is given tasks.

    [bold]Example:[/bold]  holodeck fleet register forge -c compilation -c research --max 3
    """

    async def work(deck: Deck, out: Out) -> None:
        name = check_id(agent)
        skills = tuple(dict.fromkeys(capability or ()))
        await deck.fleet.register(name, skills, max_load=max_load, id=command_id)
        value = {"agent": name, "capabilities": skills, "max_load": max_load}
        takes = f", {max_load} tasks at once" if max_load else ""
        out.document(value, f"{name}: {', '.join(skills) or 'no capabilities'}{takes}")

    with_deck(ctx, as_json, work)


@fleet.command("unregister")
def fleet_unregister(
    ctx: typer.Context, agent: Agent, command_id: CommandId = None, as_json: Json = False
) -> None:
    """The agent gets no further tasks; what it has, it keeps.

    [bold]Example:[/bold]  holodeck fleet unregister forge
    """

    async def work(deck: Deck, out: Out) -> None:
        name = check_id(agent)
        await deck.fleet.unregister(name, id=command_id)
        out.document({"agent": name, "registered": False}, f"{name} gets no further tasks")

    with_deck(ctx, as_json, work)
