"""What people and programs see of what the runtime says: tables and lines, or JSON.

One law: standard output is data and nothing else; notes, progress and errors go to standard error.
"""

from __future__ import annotations

import json
import sys
import time
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from pydantic import BaseModel
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from holodeck.messages.envelope import AnyEvent
from holodeck.messages.session import (
    EmergenceDetected,
    FrictionDetected,
    NpcParted,
    ReputationChanged,
    SessionEnded,
    SessionErred,
    SessionForked,
    SessionPaused,
    SessionStarted,
    TaskAdded,
    TaskCompleted,
    TaskRefused,
    TaskRetried,
    TaskRouted,
    TaskStarted,
    TurnAnswered,
    TurnTaken,
)
from holodeck.messages.tiles import Tile
from holodeck.session import Step

COLOURS = {
    "session": "cyan",
    "turn": "green",
    "friction": "yellow",
    "reputation": "magenta",
    "task": "blue",
    "npc": "cyan",
    "emergence": "bold yellow",
}
LEVELS = {"ok": "green", "warn": "yellow", "fail": "bold red"}


class Out:
    """Where a command's results go.

    Attributes:
        json: one JSON document (or, for what goes on, one JSON object a line) in place of text.
    """

    def __init__(self, as_json: bool) -> None:
        self.json = as_json
        terminal = sys.stdout.isatty()
        # In a pipe nothing is cut to a width nobody has.
        self._out = Console(
            markup=False, highlight=False, emoji=False, width=None if terminal else 240
        )
        self._err = Console(stderr=True, markup=False, highlight=False, emoji=False, soft_wrap=True)
        self.progress = Console(stderr=True)

    def document(self, value: Any, shown: RenderableType) -> None:
        """The result of a command: ``value`` for programs, ``shown`` for people."""
        if self.json:
            print(json.dumps(plain(value), ensure_ascii=False, indent=2), flush=True)
        else:
            self._out.print(shown, soft_wrap=isinstance(shown, str | Text))

    def line(self, value: Any, shown: str | Text) -> None:
        """One of many results that come by and by."""
        if self.json:
            print(json.dumps(plain(value), ensure_ascii=False), flush=True)
        else:
            self._out.print(shown, soft_wrap=True)
            self._out.file.flush()

    def note(self, words: str, style: str = "") -> None:
        """Something by the way, on standard error."""
        self._err.print(Text(clean(words), style=style))


def plain(value: Any) -> Any:
    """``value`` as JSON has it; the bytes of a state are left out."""
    match value:
        case BaseModel():
            pairs = [(name, getattr(value, name)) for name in type(value).model_fields]
        case Enum():
            return value.value
        case _ if is_dataclass(value) and not isinstance(value, type):
            pairs = [(field.name, getattr(value, field.name)) for field in fields(value)]
        case Mapping():
            pairs = [(str(name), inner) for name, inner in value.items()]
        case str() | int() | float() | bool() | None:
            return value
        case Iterable() if not isinstance(value, bytes):
            return [plain(inner) for inner in value]
        case _:
            return str(value)
    return {name: plain(inner) for name, inner in pairs if not isinstance(inner, bytes)}


def clean(words: str) -> str:
    """What somebody wrote, on one line, with nothing in it that moves a terminal's cursor."""
    return "".join(
        " " if char in "\n\t" else "�" if unicodedata.category(char) in ("Cc", "Cf") else char
        for char in words
    )


def clock(at: int) -> str:
    """A time in ms since 1970 on this machine's clock."""
    if not at:
        return ""
    return datetime.fromtimestamp(at / 1000).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def ago(at: int) -> str:
    """How long a time in ms since 1970 is past: ``12 s``, ``5 min``, ``3 h``, ``2 d``."""
    seconds = max(0.0, time.time() - at / 1000)
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def bytes_text(count: float) -> str:
    """A size for people: ``1.5 GiB``."""
    if count < 1024:
        return f"{count:.0f} B"
    size, unit = 1024.0, "KiB"
    for bigger in ("MiB", "GiB", "TiB"):
        if count >= size * 1024:
            size, unit = size * 1024, bigger
    return f"{count / size:.1f} {unit}"


def table(head: Sequence[str], rows: Iterable[Sequence[Any]], title: str = "") -> Table:
    made = Table(title=title or None, title_justify="left", box=None, pad_edge=False)
    for name in head:
        made.add_column(name, overflow="fold", header_style="bold")
    for row in rows:
        made.add_row(*(Text(clean("" if cell is None else str(cell))) for cell in row))
    return made


def pairs(rows: Iterable[tuple[str, Any]]) -> Table:
    """Names and values, one below the other; empty values are left out."""
    made = Table(box=None, show_header=False, pad_edge=False)
    made.add_column(style="bold")
    made.add_column(overflow="fold")
    for name, value in rows:
        if value not in ("", None, (), [], {}):
            made.add_row(name, Text(clean(str(value))))
    return made


def tally(counts: Mapping[str, Any]) -> str:
    """``lexical 3, cultural 1``."""
    return ", ".join(
        f"{name} {count:+.3f}" if isinstance(count, float) else f"{name} {count}"
        for name, count in counts.items()
    )


# --- checkpoints and tiles ----------------------------------------


def step_text(step: Step) -> Text:
    """One checkpoint: its place, when, and what happened, an event a line."""
    made = Text()
    for n, event in enumerate(step.events):
        if n:
            made.append("\n" + " " * 28)
        else:
            made.append(f"{step.sequence:>7} ", style="bold")
            made.append(f"{clock(step.at)} ", style="dim")
        family = event.kind.partition(".")[0]
        made.append(f"{event.kind:<20} ", style=COLOURS.get(family, ""))
        made.append(clean(_about(event)))
    return made


def _about(event: AnyEvent) -> str:
    match event:
        case SessionStarted():
            name = f" {event.name!r}" if event.name else ""
            return f"{event.session_kind} with {event.learner}{name}"
        case SessionForked():
            return f"from {event.parent} at {event.sequence}"
        case SessionPaused():
            return event.reason
        case SessionEnded():
            said = f"{event.reason}, {event.outcome}, active {event.active_ms / 1000:.1f} s"
            names = ", ".join(pattern.name for pattern in event.patterns)
            return said + (f"; {names}" if names else "")
        case SessionErred():
            return f"{event.task}: {event.error}" if event.task else event.error
        case EmergenceDetected(crossing=found):
            words = str(found).removeprefix("EMERGENCE: ")
            return f"{words}, by the link of {found.edge[0]} and {found.edge[1]}"
        case TurnTaken() | TurnAnswered():
            arrow = "→" if isinstance(event, TurnTaken) else "←"
            return f"{event.turn} {arrow} {event.npc}: {event.text}"
        case FrictionDetected():
            return f"{event.type} {event.severity:.2f} in turn {event.turn} {event.detail}".rstrip()
        case ReputationChanged():
            return f"{event.npc} {event.delta:+.3f} {event.reason}".rstrip()
        case TaskAdded():
            return f"{event.task} ({event.priority}){_for(event.npc)}"
        case TaskRouted():
            back = ", fallback" if event.fallback else ""
            by = f", by {event.routing.decided_by}" if event.routing else ""
            return f"{event.task}{_for(event.npc)} (match {event.match:.2f}{back}{by})"
        case TaskRetried():
            return f"{event.task}, attempt {event.attempt}"
        case TaskRefused():
            return f"{event.task}: at most {event.limit}"
        case TaskStarted():
            return f"{event.task}{_for(event.npc)}"
        case TaskCompleted():
            took = "" if event.duration_ms is None else f" after {event.duration_ms / 1000:.1f} s"
            return f"{event.task}: {event.outcome}{took}"
        case NpcParted():
            return f"{event.npc} after {event.turns} turns"
        case _:
            rest = event.model_dump(mode="json", exclude={"kind"}, exclude_defaults=True)
            return ", ".join(f"{name} {value}" for name, value in rest.items())


def _for(npc: str | None) -> str:
    return f" → {npc}" if npc else ""


def tile_text(tile: Tile) -> Text:
    """One tile on one line."""
    made = Text()
    made.append(f"{clean(str(tile.answer.get('at', '')))} ", style="dim")
    made.append(f"{clean(tile.id)} ", style="bold")
    family = tile.tags[1] if len(tile.tags) > 1 else ""
    made.append(clean(tile.question), style=COLOURS.get(family, ""))
    return made
