"""``holodeck persona``: the worlds there are, and what is wrong with one that is being written.

One law: a file is told all its faults at once, each with its line, and none is changed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from holodeck.entrypoints import show
from holodeck.entrypoints.running import Json, out_for, settings_for, telling
from holodeck.messages.errors import RefusedError
from holodeck.messages.persona import Persona
from holodeck.minds.personas import check, load
from holodeck.wiring import library_of

persona_app = typer.Typer(
    no_args_is_help=True,
    help="""Personas: worlds a learner practises in, each a YAML file.

    [bold]Examples:[/bold]

      holodeck persona list
      holodeck persona show barcelona-cafe
      holodeck persona check my-world.yaml""",
)


@persona_app.command("check")
def persona_check(
    ctx: typer.Context,
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Persona files.")],
    as_json: Json = False,
) -> None:
    """Reads personas and tells every fault with its line; exit status 1 if there is one.

    [bold]Example:[/bold]  holodeck persona check my-world.yaml
    """
    out = out_for(ctx, as_json)
    with telling(out):
        found = {str(file): check(file) for file in files}
        shown: list[RenderableType] = []
        for file, faults in found.items():
            for fault in faults:
                where = f"{file}:{fault.line}" if fault.line else file
                path = f"{fault.path}: " if fault.path else ""
                shown.append(Text(show.clean(f"{where}: {path}{fault.problem}"), style="red"))
            if not faults:
                shown.append(Text(f"{file}: {_summary(load(Path(file)))}", style="green"))
        out.document(
            [
                {
                    "file": file,
                    "sound": not faults,
                    "faults": [fault.model_dump() for fault in faults],
                }
                for file, faults in found.items()
            ],
            Group(*shown),
        )
    if any(found.values()):
        raise typer.Exit(1)


def _summary(persona: Persona) -> str:
    return (
        f"{persona.id}, {persona.native_language} to {persona.target_language}, "
        f"{len(persona.npcs)} NPCs, {len(persona.scenarios)} scenarios, {len(persona.forms)} forms"
    )


@persona_app.command("list")
def persona_list(ctx: typer.Context, as_json: Json = False) -> None:
    """The personas there are: those that come with the program and those of the settings' folder.

    [bold]Example:[/bold]  holodeck persona list --json
    """
    out = out_for(ctx, as_json)
    with telling(out):
        library = library_of(settings_for(ctx))
        found = [one for name in library.names() if (one := library.get(name)) is not None]
        out.document(
            [_document(persona) for persona in found],
            show.table(
                ("persona", "languages", "level", "NPCs", "about"),
                [
                    (
                        persona.id,
                        f"{persona.native_language} to {persona.target_language}",
                        persona.level.value,
                        str(len(persona.npcs)),
                        persona.objective,
                    )
                    for persona in found
                ],
            ),
        )


@persona_app.command("show")
def persona_show(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its id.", show_default=False)],
    as_json: Json = False,
) -> None:
    """One persona: its NPCs and where they are, its scenarios, what it can notice.

    [bold]Example:[/bold]  holodeck persona show barcelona-cafe
    """
    out = out_for(ctx, as_json)
    with telling(out):
        library = library_of(settings_for(ctx))
        persona = library.get(name)
        if persona is None:
            raise RefusedError("unknown-persona", f"{name}; there are {', '.join(library.names())}")
        out.document(persona, _shown(persona))


def _document(persona: Persona) -> dict[str, Any]:
    return {
        "id": persona.id,
        "name": persona.name,
        "native_language": persona.native_language,
        "target_language": persona.target_language,
        "level": persona.level.value,
        "objective": persona.objective,
        "npcs": [npc.id for npc in persona.npcs],
        "scenarios": [scenario.id for scenario in persona.scenarios],
    }


def _shown(persona: Persona) -> RenderableType:
    places = {npc: place.name for place in persona.locations for npc in place.npcs}
    words = sum(len(domain.items) for domain in persona.vocabulary)
    phrases = sum(len(rule.right) + len(rule.wrong) + len(rule.wants) for rule in persona.forms)
    return Group(
        Text(f"{persona.name} ({_summary(persona)})", style="bold"),
        Text(persona.description or persona.objective),
        Text(),
        show.table(
            ("NPC", "name", "role", "tier", "register", "where"),
            [
                (
                    npc.id,
                    npc.name,
                    npc.role,
                    str(npc.tier),
                    npc.register_level.value,
                    places.get(npc.id, ""),
                )
                for npc in persona.npcs
            ],
        ),
        Text(),
        show.table(
            ("scenario", "with", "objectives"),
            [
                (one.title, one.npc, "; ".join(goal.title for goal in one.objectives))
                for one in persona.scenarios
            ],
        ),
        Text(),
        show.pairs(
            [
                ("vocabulary", f"{words:,} words in {len(persona.vocabulary)} domains"),
                (
                    "lexicon",
                    f"{len(persona.lexicon.native):,} and {len(persona.lexicon.target):,} words",
                ),
                ("forms", f"{len(persona.forms)}, by {phrases} phrases"),
                ("norms", str(len(persona.norms))),
                ("refractions", str(len(persona.refractions))),
                ("facts heard", str(len(persona.facts))),
            ]
        ),
    )
