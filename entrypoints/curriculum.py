"""``holodeck curriculum``: the graphs of skills there are, and how far a learner has come in one.

One law: a file is told all its faults at once, each with its line; and what a colour says, a word
says too.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from holodeck.deck import Deck
from holodeck.entrypoints import show
from holodeck.entrypoints.running import Json, out_for, settings_for, telling, with_deck
from holodeck.entrypoints.show import Out
from holodeck.entrypoints.skill_map import Standing, draw_map, standings
from holodeck.messages.curriculum import Curriculum
from holodeck.messages.errors import RefusedError
from holodeck.messages.ids import check_id
from holodeck.messages.persona import Fault
from holodeck.messages.practice import SkillRecord
from holodeck.minds.curricula import CurriculumLibrary, check, depths, load, warnings
from holodeck.wiring import curriculum_folders

curriculum_app = typer.Typer(
    no_args_is_help=True,
    help="""Curricula: graphs of skills to practise, each a YAML file.

    [bold]Examples:[/bold]

      holodeck curriculum list
      holodeck curriculum show primary-maths --learner ana
      holodeck curriculum show primary-maths --png skills.png
      holodeck curriculum check my-course.yaml""",
)

Folders = Annotated[
    list[Path] | None,
    typer.Option("--folder", help="Curricula of this folder too; may be given often."),
]

_MARKS: Final[Mapping[Standing, tuple[str, str]]] = {
    Standing.LOCKED: ("-", "dim"),
    Standing.OPEN: ("○", "blue"),
    Standing.LEARNING: ("◔", "cyan"),
    Standing.PROVING: ("◑", "bold cyan"),
    Standing.MASTERED: ("●", "green"),
    Standing.RUSTY: ("◌", "yellow"),
}


@curriculum_app.command("check")
def curriculum_check(
    ctx: typer.Context,
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Curriculum files.")],
    as_json: Json = False,
) -> None:
    """Reads curricula and tells every fault with its line; exit status 1 if there is one.

    What is merely needless is a warning and leaves the status 0.

    [bold]Example:[/bold]  holodeck curriculum check my-course.yaml
    """
    out = out_for(ctx, as_json)
    with telling(out):
        found = {file: (check(file), warnings(file)) for file in files}
        shown: list[RenderableType] = []
        for file, (faults, needless) in found.items():
            shown += [_fault(file, fault, "", "red") for fault in faults]
            shown += [_fault(file, fault, "warning: ", "yellow") for fault in needless]
            if not faults:
                shown.append(Text(f"{file}: {_summary(load(file))}", style="green"))
        out.document(
            [
                {
                    "file": str(file),
                    "sound": not faults,
                    "faults": [fault.model_dump() for fault in faults],
                    "warnings": [fault.model_dump() for fault in needless],
                }
                for file, (faults, needless) in found.items()
            ],
            Group(*shown),
        )
    if any(faults for faults, _ in found.values()):
        raise typer.Exit(1)


def _fault(file: Path, fault: Fault, kind: str, style: str) -> Text:
    where = f"{file}:{fault.line}" if fault.line else str(file)
    path = f"{fault.path}: " if fault.path else ""
    return Text(show.clean(f"{where}: {kind}{path}{fault.problem}"), style=style)


def _summary(curriculum: Curriculum) -> str:
    needs = {skill.id: skill.needs for skill in curriculum.skills}
    return (
        f"{curriculum.id}, {len(needs)} skills in {len(curriculum.strands)} strands, "
        f"{sum(map(len, needs.values()))} needs, {max(depths(needs).values()) + 1} steps deep"
    )


@curriculum_app.command("list")
def curriculum_list(ctx: typer.Context, folder: Folders = None, as_json: Json = False) -> None:
    """The curricula there are.

    [bold]Example:[/bold]  holodeck curriculum list --json
    """
    out = out_for(ctx, as_json)
    with telling(out):
        library = CurriculumLibrary([*curriculum_folders(settings_for(ctx)), *(folder or ())])
        found = [one for name in library.names() if (one := library.get(name)) is not None]
        out.document(
            [
                {
                    "id": one.id,
                    "name": one.name,
                    "subject": one.subject,
                    "language": one.language,
                    "skills": len(one.skills),
                    "strands": [strand.name for strand in one.strands],
                }
                for one in found
            ],
            show.table(
                ("curriculum", "subject", "grades", "skills", "about"),
                [(one.id, one.subject, _grades(one), len(one.skills), one.description)
                 for one in found],
            ),
        )  # fmt: skip


def _grades(curriculum: Curriculum) -> str:
    grades = [skill.grade for skill in curriculum.skills]
    low, high = min(grades), max(grades)
    return str(low) if low == high else f"{low} to {high}"


@curriculum_app.command("show")
def curriculum_show(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its id.", show_default=False)],
    learner: Annotated[
        str | None, typer.Option("--learner", help="How far this learner has come.")
    ] = None,
    png: Annotated[
        Path | None, typer.Option("--png", help="Draws a picture into this file.")
    ] = None,
    folder: Folders = None,
    as_json: Json = False,
) -> None:
    """One curriculum by strand, and with a learner how each skill stands.

    [bold]Example:[/bold]  holodeck curriculum show primary-maths --learner ana --png ana.png
    """
    out = out_for(ctx, as_json)
    with telling(out):
        library = CurriculumLibrary([*curriculum_folders(settings_for(ctx)), *(folder or ())])
        curriculum = library.get(name)
        if curriculum is None:
            known = ", ".join(library.names())
            raise RefusedError("unknown-curriculum", f"{name}; there are {known}")
        if learner is None:
            _tell(out, curriculum, {}, (), "", png)
            return
        who = check_id(learner)

    async def work(deck: Deck, out: Out) -> None:
        found = await deck.learner(who).mastery(curriculum.id)
        records = {record.skill: record for record in found.records}
        _tell(out, curriculum, records, found.due, who, png)

    with_deck(ctx, as_json, work)


def _tell(
    out: Out,
    curriculum: Curriculum,
    records: Mapping[str, SkillRecord],
    due: tuple[str, ...],
    learner: str,
    png: Path | None,
) -> None:
    standing = standings(curriculum, records)
    if png is not None:
        title = f"{curriculum.name}: {learner}" if learner else curriculum.name
        draw_map(curriculum, standing, png, title)
        out.note(f"drawn into {png}", "dim")
    out.document(
        document(curriculum, standing, records, due, learner),
        shown(curriculum, standing, records, due, learner),
    )


def document(
    curriculum: Curriculum,
    standing: Mapping[str, Standing],
    records: Mapping[str, SkillRecord],
    due: tuple[str, ...] = (),
    learner: str = "",
) -> dict[str, Any]:
    """A curriculum for programs; without a learner's figures where there is none."""
    skills = []
    for skill in curriculum.skills:
        row: dict[str, Any] = {
            "id": skill.id, "name": skill.name, "strand": skill.strand, "grade": skill.grade,
            "needs": list(skill.needs), "family": skill.generator.family,
        }  # fmt: skip
        if learner:
            record = records.get(skill.id, SkillRecord(skill=skill.id))
            row |= {
                "standing": standing[skill.id].value, "due": skill.id in due,
                "total": record.total, "right": record.right,
            }  # fmt: skip
        skills.append(row)
    top = {"id": curriculum.id, "name": curriculum.name, "subject": curriculum.subject}
    return top | ({"learner": learner} if learner else {}) | {"skills": skills}


def shown(
    curriculum: Curriculum,
    standing: Mapping[str, Standing],
    records: Mapping[str, SkillRecord],
    due: tuple[str, ...] = (),
    learner: str = "",
) -> RenderableType:
    """A curriculum for people: a table with a heading for each strand."""
    head = Text(show.clean(curriculum.name), style="bold")
    head.append(f"  {_summary(curriculum)}", style="dim")
    made = Table(box=None, pad_edge=False)
    for column in ("skill", "name", "grade", "needs", *(("stands", "right") if learner else ())):
        made.add_column(column, overflow="fold", header_style="bold")
    for strand in curriculum.strands:
        made.add_row()
        made.add_row(Text(show.clean(strand.name), style="bold underline"))
        for skill in curriculum.skills:
            if skill.strand != strand.id:
                continue
            mark, style = _MARKS[standing[skill.id]] if learner else ("", "")
            cells = [
                Text(f"  {skill.id}"), Text(show.clean(skill.name), style=style),
                Text(str(skill.grade)), Text(", ".join(skill.needs), style="dim"),
            ]  # fmt: skip
            if learner:
                record = records.get(skill.id)
                late = ", review due" if skill.id in due else ""
                cells += [
                    Text(f"{mark} {standing[skill.id].value}{late}", style=style),
                    Text(f"{record.right} / {record.total}" if record and record.total else ""),
                ]
            made.add_row(*cells)
    if not learner:
        return Group(head, made)
    counts = {kind.value: sum(one is kind for one in standing.values()) for kind in Standing}
    told = show.tally({kind: count for kind, count in counts.items() if count})
    return Group(head, Text(f"{learner}: {told}"), made)
