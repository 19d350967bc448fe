"""``holodeck player``: a learner as a person at play, its settings and how it comes on.

One law: whoever calls this speaks for the player, unless ``--viewer`` names somebody else; then it
shows what that one would see.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from pydantic import BaseModel
from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from holodeck.deck import Deck
from holodeck.entrypoints import show
from holodeck.entrypoints.running import CommandId, Json, json_value, usage, with_deck
from holodeck.entrypoints.show import Out
from holodeck.messages.player import (
    Character,
    PlayerSettings,
    PrivacySettings,
    TherapeuticPreferences,
)

player_app = typer.Typer(
    no_args_is_help=True,
    help="""Players: profile, settings, characters, sessions and how they come on.

    [bold]Examples:[/bold]

      holodeck player create ana --username Ana_1 --email ana@example.org
      holodeck player settings ana --set intensity_level=low
      holodeck player dashboard ana""",
)

Who = Annotated[str, typer.Argument(metavar="PLAYER", help="The learner's id.", show_default=False)]
Viewer = Annotated[
    str | None,
    typer.Option("--viewer", help="Id of the learner who looks; else the player itself."),
]
Given = Annotated[
    list[str] | None,
    typer.Option("--set", "-s", metavar="NAME=VALUE", help="May be given many times."),
]
_MAIL = typer.Option("--email", help="Its mail address.")
_ZONE = typer.Option("--time-zone", help="IANA name, such as Europe/Madrid.")
_PREFERENCES = typer.Option("--preferences", help="JSON: intensity_level, avoid_topics, …")
_PRIVACY = typer.Option("--privacy", help="JSON: data_collection_consent, …")
BAR: Final = 24
"""Width of a bar, in cells."""


def _part(model: type[BaseModel], text: str | None, option: str) -> Any:
    """A part of a profile from an option's JSON; None where it was left out."""
    raw = json_value(text, option)
    if raw is not None and not isinstance(raw, dict):
        usage(f"{option}: give a JSON object")
    return None if raw is None else model.model_validate_json(json.dumps(raw))


def _said(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


# --- the profile ----------------------------------------


@player_app.command("create")
def player_create(
    ctx: typer.Context,
    player: Who,
    username: Annotated[str, typer.Option("--username", help="3 to 50 of A-Z a-z 0-9 _ -.")],
    email: Annotated[str, _MAIL],
    time_zone: Annotated[str | None, _ZONE] = None,
    preferences: Annotated[str | None, _PREFERENCES] = None,
    privacy: Annotated[str | None, _PRIVACY] = None,
    command: CommandId = None,
    as_json: Json = False,
) -> None:
    """Gives a learner a profile, once; the user name is one player's alone.

    [bold]Example:[/bold]  holodeck player create ana --username Ana_1 --email ana@example.org
    """

    async def work(deck: Deck, out: Out) -> None:
        more = _said(
            time_zone=time_zone,
            preferences=_part(TherapeuticPreferences, preferences, "--preferences"),
            privacy=_part(PrivacySettings, privacy, "--privacy"),
        )
        one = deck.player(player)
        step = await one.create(username, email, id=command, **more)
        _profile(out, await one.profile(after=step.sequence))

    with_deck(ctx, as_json, work)


@player_app.command("show")
def player_show(
    ctx: typer.Context, player: Who, viewer: Viewer = None, as_json: Json = False
) -> None:
    """The profile, as its owner or --viewer sees it.

    [bold]Example:[/bold]  holodeck player show ana --viewer ben
    """

    async def work(deck: Deck, out: Out) -> None:
        _profile(out, await deck.player(player).profile(viewer=viewer))

    with_deck(ctx, as_json, work)


@player_app.command("update")
def player_update(
    ctx: typer.Context,
    player: Who,
    username: Annotated[str | None, typer.Option("--username", help="Another user name.")] = None,
    email: Annotated[str | None, _MAIL] = None,
    time_zone: Annotated[str | None, _ZONE] = None,
    preferences: Annotated[str | None, _PREFERENCES] = None,
    privacy: Annotated[str | None, _PRIVACY] = None,
    delegate: Annotated[
        list[str] | None,
        typer.Option("--delegate", help="Who may see what the player sees; '' for nobody."),
    ] = None,
    active: Annotated[
        bool | None, typer.Option("--active/--inactive", help="Whether it plays at all.")
    ] = None,
    command: CommandId = None,
    as_json: Json = False,
) -> None:
    """Changes the profile; what is left out stays. Of --preferences and --privacy too: what their
    JSON leaves out stays as it is.

    [bold]Example:[/bold]  holodeck player update ana --privacy '{"progress_sharing_enabled": true}'
    """

    async def work(deck: Deck, out: Out) -> None:
        one = deck.player(player)
        held = await one.profile()

        def merged(model: type[BaseModel], text: str | None, option: str, name: str) -> Any:
            new = json_value(text, option)
            if new is None:
                return None
            if not isinstance(new, dict):
                usage(f"{option}: give a JSON object")
            return model.model_validate_json(json.dumps(held[name] | new))

        changes = _said(
            username=username,
            email=email,
            time_zone=time_zone,
            preferences=merged(
                TherapeuticPreferences, preferences, "--preferences", "therapeutic_preferences"
            ),
            privacy=merged(PrivacySettings, privacy, "--privacy", "privacy_settings"),
            delegates=None if delegate is None else tuple(filter(None, delegate)),
            is_active=active,
        )
        if not changes:
            usage("give at least one option that changes something")
        step = await one.update(id=command, **changes)
        _profile(out, await one.profile(after=step.sequence))

    with_deck(ctx, as_json, work)


def _profile(out: Out, told: dict[str, Any]) -> None:
    characters = ", ".join(
        one["name"] + ("" if one["is_active"] else " (played no more)")
        for one in told["characters"]
    )
    consents = [name for name, held in (told["privacy_settings"] or {}).items() if held is True]
    preferences = told["therapeutic_preferences"]
    contact = preferences.get("crisis_contact_info") or {}
    rows = [
        ("player", told["player_id"]),
        ("seen as", told["seen_as"]),
        ("user name", told["username"]),
        ("mail", told["email"]),
        ("time zone", told["time_zone"]),
        ("active", "yes" if told["is_active"] else "no"),
        ("created", show.clock(told["created_at"])),
        ("last login", show.clock(told["last_login"] or 0)),
        ("delegates", ", ".join(told["delegates"] or ())),
        ("consents", ", ".join(consents)),
        ("characters", characters),
        ("open sessions", show.tally(told["active_sessions"])),
        *((name.replace("_", " "), _words(value)) for name, value in preferences.items()
          if name != "crisis_contact_info"),
        ("crisis contact", contact.get("primary_contact_name")),
    ]  # fmt: skip
    out.document(told, show.pairs(rows))


def _words(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_words(one) for one in value)
    return str(value)


# --- settings ----------------------------------------


def _change(given: list[str]) -> dict[str, Any]:
    """Settings from ``name=value``; a value is JSON where it can be, else a word."""
    changes: dict[str, Any] = {}
    for one in given:
        name, sign, text = one.partition("=")
        if not sign:
            usage(f"--set {one}: give name=value")
        if name == "version" or name not in PlayerSettings.model_fields:
            usage(f"--set {one}: there is no setting {name!r}")
        try:
            changes[name] = json.loads(text)
        except ValueError:
            changes[name] = text
    return changes


@player_app.command("settings")
def player_settings(
    ctx: typer.Context,
    player: Who,
    given: Given = None,
    resolve: Annotated[
        bool,
        typer.Option("--resolve/--strict", help="Mend what contradicts, or refuse it."),
    ] = True,
    command: CommandId = None,
    as_json: Json = False,
) -> None:
    """Therapeutic settings with their conflicts; with --set, changed.

    [bold]Example:[/bold]  holodeck player settings ana -s intensity_level=high
    """
    changes = _change(given or [])

    async def work(deck: Deck, out: Out) -> None:
        one = deck.player(player)
        if changes:
            held = await one.settings()
            wanted = PlayerSettings.model_validate_json(
                json.dumps(held.model_dump(mode="json") | changes)
            )
            stored, left = await one.change_settings(
                wanted, base=held.version, resolve=resolve, id=command
            )
            mended = [name for name in changes if getattr(stored, name) != getattr(wanted, name)]
            if mended:
                out.note(f"mended, or it would contradict the rest: {', '.join(mended)}", "yellow")
            told: dict[str, Any] = {"settings": stored.model_dump(mode="json"), "conflicts": left}
        else:
            told = await one.view("settings")
        rows = [
            (name.replace("_", " "), _setting(value)) for name, value in told["settings"].items()
        ]
        shown: list[RenderableType] = [show.pairs(rows)]
        for conflict in told["conflicts"]:
            words = f"{conflict['severity']}: {conflict['description']}"
            shown.append(Text(show.clean(words), style="yellow"))
        out.document(told, Group(*shown))

    with_deck(ctx, as_json, work)


def _setting(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "; ".join(
            f"{one['boundary_id']}: {one['boundary_type']} {_words(one['topics'])}" for one in value
        )
    return _words(value)


# --- characters ----------------------------------------


@player_app.command("characters")
def player_characters(
    ctx: typer.Context,
    player: Who,
    put: Annotated[
        Path | None,
        typer.Option(
            "--put", help="Makes one, or all of one anew: a JSON file, - for standard input."
        ),
    ] = None,
    remove: Annotated[
        str | None, typer.Option("--remove", help="Id of one that is played no more.")
    ] = None,
    world: Annotated[
        str | None, typer.Option("--world", help="Tells how each goes together with that world.")
    ] = None,
    viewer: Viewer = None,
    command: CommandId = None,
    as_json: Json = False,
) -> None:
    """Whom the player plays; at most five are active.

    [bold]Example:[/bold]  holodeck player characters ana --put mira.json
    """
    if put is not None and remove is not None:
        usage("give one of --put and --remove")
    wanted = None if put is None else _character(put)

    async def work(deck: Deck, out: Out) -> None:
        one = deck.player(player)
        if wanted is not None:
            there = {held["character_id"] for held in await one.characters()}
            await one.put_character(wanted, create=wanted.character_id not in there, id=command)
        if remove is not None:
            await one.remove_character(remove, id=command)
        found = await one.characters(viewer=viewer)
        if world is not None:
            for held in found:
                if held["is_active"]:
                    held["compatibility"] = await one.compatibility(
                        held["character_id"], world, viewer=viewer
                    )
        out.document(found, _characters(found) if found else "no character was made yet")

    with_deck(ctx, as_json, work)


def _character(path: Path) -> Character:
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        usage(f"--put {path}: {error}")
    return Character.model_validate_json(text)


def _characters(found: list[dict[str, Any]]) -> Table:
    rows = []
    for one in found:
        profile = one["therapeutic_profile"]
        fits = one.get("compatibility")
        rows.append(
            (
                one["character_id"],
                one["name"],
                "yes" if one["is_active"] else "no",
                f"{profile['readiness_level']:.2f}",
                "; ".join(
                    f"{goal['goal_id']} {goal['progress_percentage']:.0f} %"
                    for goal in profile["therapeutic_goals"]
                ),
                f"{fits['label']} {fits['overall_score']:.2f}" if fits else "",
            )
        )
    return show.table(("id", "name", "played", "ready", "goals", "fits"), rows)


# --- all of it ----------------------------------------


@player_app.command("export")
def player_export(
    ctx: typer.Context,
    player: Who,
    out_file: Annotated[
        Path | None, typer.Option("--out", help="Where to write it; else standard output.")
    ] = None,
) -> None:
    """Everything about the player and nobody else, a JSON object a line.

    [bold]Example:[/bold]  holodeck player export ana --out ana.jsonl
    """

    async def work(deck: Deck, out: Out) -> None:
        lines = deck.player(player).export()
        if out_file is None:
            async for line in lines:
                out.line(line, json.dumps(line, ensure_ascii=False))
            return
        count, fresh = 0, out_file.with_name(f".{out_file.name}.part")
        try:
            # It holds what is the player's own business: for this user alone.
            handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                async for line in lines:
                    file.write(json.dumps(line, ensure_ascii=False) + "\n")
                    count += 1
            fresh.replace(out_file)
        except OSError as error:
            usage(f"--out {out_file}: {error.strerror}")
        finally:
            with suppress(OSError):  # most often it is not there any more
                fresh.unlink()
        out.note(f"{count} lines are in {out_file}")

    with_deck(ctx, False, work)


@player_app.command("erase")
def player_erase(
    ctx: typer.Context,
    player: Who,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask. There is no way back.")] = False,
    wait: Annotated[
        float, typer.Option("--wait", min=0, max=86_400, help="Seconds to wait for the end.")
    ] = 600.0,
    as_json: Json = False,
) -> None:
    """Leaves nothing of the player but that its ids were used, and prints the receipt; exit status
    1 while something is still there.

    [bold]Example:[/bold]  holodeck player erase ana --yes
    """
    if not yes:
        typer.confirm(f"Erase all of {player}? There is no way back", abort=True, err=True)
    whole: list[bool] = []

    async def work(deck: Deck, out: Out) -> None:
        receipt = await deck.player(player).erase(wait_s=wait)
        whole.append(receipt.complete)
        told = receipt.model_dump(mode="json")
        rows = [
            (name.replace("_", " "), show.tally(value) if isinstance(value, dict) else
             show.clock(value) if name == "at" else _setting(value))
            for name, value in told.items()
        ]  # fmt: skip
        out.document(told, show.pairs(rows))

    with_deck(ctx, as_json, work)
    if not all(whole):
        raise typer.Exit(1)


# --- sessions and the dashboard ----------------------------------------


@player_app.command("sessions")
def player_sessions(
    ctx: typer.Context,
    player: Who,
    limit: Annotated[int, typer.Option("--limit", min=1, max=500, help="At most so many.")] = 50,
    viewer: Viewer = None,
    as_json: Json = False,
) -> None:
    """Sessions that live, then those that are over, the newest first.

    [bold]Example:[/bold]  holodeck player sessions ana --limit 10
    """

    async def work(deck: Deck, out: Out) -> None:
        found = await deck.player(player).sessions(limit, viewer=viewer)
        out.document(found, _sessions(found) if found else "no session was played yet")

    with_deck(ctx, as_json, work)


def _sessions(found: list[dict[str, Any]]) -> Table:
    head = ("session", "status", "character", "world", "began", "minutes", "acts", "markers")
    return show.table(
        head,
        [
            (
                one["session_id"],
                one["status"],
                one["character_name"] or one["character_id"],
                one["world_name"] or one["world_id"],
                show.clock(one["started_at"]),
                f"{one['minutes']:.1f}",
                one["interactions"],
                one["progress_markers"],
            )
            for one in found
        ],
    )


@player_app.command("dashboard")
def player_dashboard(
    ctx: typer.Context, player: Who, viewer: Viewer = None, as_json: Json = False
) -> None:
    """How the player comes on, at one look.

    [bold]Example:[/bold]  holodeck player dashboard ana
    """

    async def work(deck: Deck, out: Out) -> None:
        told = await deck.player(player).dashboard(viewer=viewer)
        out.document(told, _dashboard(told))

    with_deck(ctx, as_json, work)


def _bar(share: float, style: str = "cyan") -> ProgressBar:
    return ProgressBar(total=1.0, completed=share, width=BAR, complete_style=style)


def _dashboard(told: dict[str, Any]) -> RenderableType:
    days = told["current_streak_days"]
    figures = show.pairs(
        [
            (
                "streak",
                f"{days} day{'s' if days != 1 else ''}, longest {told['longest_streak_days']}",
            ),
            ("today", f"{told['total_session_time_today']:.0f} min"),
            ("ever", f"{told['total_sessions']:,} sessions, {told['total_minutes']:,.0f} min"),
            ("plays mostly in the", told["preferred_session_time"]),
            ("goes best with", told["most_effective_approach"]),
            ("next", show.clock(told["next_recommended_session"] or 0)),
            ("trend", told["progress_trend"]),
        ]
    )
    bars = Table.grid(padding=(0, 1))
    bars.add_row(
        Text("momentum"), _bar(told["therapeutic_momentum"]), _share(told, "therapeutic_momentum")
    )
    ready = "readiness_for_advancement"
    bars.add_row(Text("ready for more"), _bar(told[ready], "green"), _share(told, ready))
    parts: list[RenderableType] = []
    if told["welcome"]:
        parts.append(Text(show.clean(told["welcome"]), style="bold"))
    parts.append(Columns([_panel("how it goes", figures), _panel("where it stands", bars)]))
    if told["active_characters"]:
        parts.append(_panel("characters", _played(told["active_characters"])))
    if told["recent_sessions"]:
        parts.append(_panel("sessions", _sessions(told["recent_sessions"])))
    if told["upcoming_milestones"]:
        ahead = Table.grid(padding=(0, 1))
        for one in told["upcoming_milestones"]:
            ahead.add_row(Text(show.clean(one["title"])), _bar(one["progress"], "magenta"))
        parts.append(_panel("within reach", ahead))
    if told["progress_highlights"]:
        lines = "\n".join(f"• {show.clean(one)}" for one in told["progress_highlights"])
        parts.append(_panel("achieved", Text(lines)))
    if told["recommendations"]:
        advice = Table.grid(padding=(0, 1))
        for one in told["recommendations"]:
            advice.add_row(
                Text(str(one["priority"]), style="bold yellow" if one["priority"] == 1 else "dim"),
                Text(show.clean(one["title"]), style="bold"),
                Text(show.clean(one["description"])),
            )
        parts.append(_panel("recommended", advice))
    return Group(*parts)


def _share(told: dict[str, Any], name: str) -> Text:
    return Text(f"{100 * told[name]:.0f} %")


def _panel(title: str, inside: RenderableType) -> Panel:
    return Panel(inside, title=title, title_align="left", expand=False, border_style="dim")


def _played(characters: list[dict[str, Any]]) -> Table:
    return show.table(
        ("id", "name", "session", "goals", "last played"),
        [
            (
                one["character_id"],
                one["name"],
                f"{one['session_id']} ({one['session_status']})" if one["session_id"] else "",
                ", ".join(f"{g['goal_id']} {g['progress_percentage']:.0f} %" for g in one["goals"]),
                f"{show.ago(one['last_played_at'])} ago" if one["last_played_at"] else "",
            )
            for one in characters
        ],
    )
