"""A conversation with an NPC in the terminal: ``holodeck chat``.

One law: what is shown is the fold of the session's own checkpoints. The window decides nothing,
keeps nothing, and shows the same after a restart.
"""

from __future__ import annotations

import asyncio
import getpass
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal, Protocol

import typer
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from textual import on, work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.events import Key
from textual.screen import ModalScreen
from textual.widgets import Footer, Input, Static

from holodeck.actors.npc.decider import CEILING, FLOOR, band
from holodeck.actors.session import Phase
from holodeck.config import Settings, configure_logging
from holodeck.deck import Deck
from holodeck.entrypoints.running import REMEDIES, open_deck, out_for, run, settings_for, usage
from holodeck.local import Local
from holodeck.messages.base import MAX_TEXT
from holodeck.messages.conversation import (
    Affect,
    FrictionType,
    InjectionStatus,
    InterSessionPersistence,
    OpennessState,
    PostSessionExhaust,
    Refraction,
    RefractionLevel,
    Scaffold,
    Severity,
    SilenceStep,
    Tier,
    severity_level,
)
from holodeck.messages.envelope import AnyEvent
from holodeck.messages.errors import HolodeckError, InvalidId, RefusedError, StartupError
from holodeck.messages.ids import check_id, encode_foreign
from holodeck.messages.persona import Persona
from holodeck.messages.session import (
    FrictionDetected,
    MindKind,
    ReputationChanged,
    SessionEnded,
    SessionPaused,
    SessionResumed,
    SessionStarted,
    TurnAnswered,
    TurnTaken,
)
from holodeck.messages.talk import (
    AffectChanged,
    AnalysisKind,
    FactLearned,
    GoalReached,
    IncidentArose,
    IncidentResolved,
    InjectionAdvanced,
    MoodChanged,
    NegotiationCollapsed,
    OpennessChanged,
    ScaffoldingEscalated,
    SilenceNoticed,
)
from holodeck.wiring import RuntimeFile, library_of, runtime_path

if TYPE_CHECKING:
    from holodeck.messages.tiles import Tile
    from holodeck.session import Offer, Reply, Step

# --- in words and signs; a colour never says anything alone -----------------

BLUE: Final = "#56b4e9"
ORANGE: Final = "#e69f00"
GREEN: Final = "#009e73"
RED: Final = "#d55e00"
GREY: Final = "#9a9a9a"
"""Colours that people who confuse colours can tell apart (Okabe and Ito)."""

TIERS: Final[Mapping[int, str]] = {1: "companion", 2: "immersion", 3: "negotiation"}
KINDS: Final[Mapping[FrictionType, str]] = {
    FrictionType.LEXICAL: "word",
    FrictionType.MORPHOSYNTACTIC: "grammar",
    FrictionType.PHONEMIC: "sound",
    FrictionType.REGISTER: "register",
    FrictionType.PRAGMATIC: "manner",
    FrictionType.CULTURAL: "custom",
}
LEVELS: Final[Mapping[Severity, str]] = {
    Severity.LOW: "·",
    Severity.MEDIUM: "!",
    Severity.HIGH: "!!",
    Severity.CRITICAL: "!!!",
}
FEELINGS: Final[Mapping[Affect, str]] = {
    Affect.CONFIDENT: "▲ confident",
    Affect.ENGAGED: "△ engaged",
    Affect.NEUTRAL: "– neutral",
    Affect.UNCERTAIN: "? uncertain",
    Affect.FRUSTRATED: "! frustrated",
    Affect.ANXIOUS: "~ anxious",
    Affect.WITHDRAWN: "▽ withdrawn",
}
HELPS: Final[Mapping[Scaffold, str]] = {
    Scaffold.REDUCE_L2: "your own language is fine",
    Scaffold.CHECK_IN: "your companion is here",
    Scaffold.SIMPLIFY: "they speak more simply",
    Scaffold.PATIENCE: "they have more patience",
    Scaffold.HINT: "a word to help you",
    Scaffold.TOPIC: "an easier topic",
    Scaffold.BREAK: "a break (Ctrl-P)",
    Scaffold.REFRACTION: "say it better (Ctrl-R)",
}
SILENCES: Final[Mapping[SilenceStep, str]] = {
    SilenceStep.WAIT: "{name} waits",
    SilenceStep.ENCOURAGE: "{name} nods to you",
    SilenceStep.SCAFFOLD: "{name} looks for an easier way",
    SilenceStep.CHECK_IN: "{name} asks whether you are there",
    SilenceStep.WAY_OUT: "{name} offers to leave it at that",
    SilenceStep.PAUSE: "{name} lets the silence stand",
}
COLLAPSES: Final[Mapping[str, str]] = {
    "openness": "has had enough of how it was said",
    "cultural-breach": "cannot pass over what was done",
    "no-meaning": "could not understand for too long",
    "aggression": "does not take that tone",
    "l1-fallback": "does not go on in another language",
}
METRICS: Final[tuple[tuple[str, str, str], ...]] = (
    ("task_completion_rate", "Conversations that succeeded", "{:.0%}"),
    ("friction_rate", "Frictions a minute", "{:.2f}"),
    ("recovery_rate", "Frictions you got over", "{:.0%}"),
    ("code_switch_ratio", "Words of your own language", "{:.0%}"),
    ("register_accuracy_score", "Turns in the right register", "{:.0%}"),
    ("average_comprehensibility", "How easy to understand", "{:.0%}"),
    ("words_per_minute", "Words a minute", "{:.0f}"),
    ("total_speaking_time_seconds", "Seconds spoken", "{:.0f}"),
)
INJECTIONS: Final[Mapping[InjectionStatus, str]] = {
    InjectionStatus.PENDING: "– no occasion came",
    InjectionStatus.OPPORTUNITY: "○ there was an occasion",
    InjectionStatus.USED: "● you used it",
    InjectionStatus.DEFERRED: "– left for another day",
}


def bar(value: float, low: float, high: float, width: int) -> str:
    """A bar of ``width`` cells; where zero lies inside, it is marked and the bar begins there."""
    cell = (high - low) / width
    inside = low < 0.0 < high
    zero = round((0.0 - low) / cell) if inside else 0
    at = max(0, min(width, round((value - low) / cell)))
    first, last = min(zero, at), max(zero, at)
    cells = ["█" if first <= n < last else "░" for n in range(width)]
    if inside:
        cells.insert(zero, "│")
    return "".join(cells)


# --- the session, as the window shows it: pure ----------------------------------------


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody to talk to.

    Attributes:
        reputation: -0.5 to 1; openness: 0 to 1, of tier 3 alone.
    """

    npc: str
    name: str
    role: str = ""
    tier: Tier = 1
    reputation: float = 0.0
    mood: str = ""
    openness: float | None = None
    openness_state: OpennessState = OpennessState.OPEN
    collapsed: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the conversation; ``who`` is the NPC's id, ``you``, or empty for a note."""

    who: str
    text: str


YOU: Final = "you"


@dataclass(frozen=True, slots=True)
class Scene:
    """A session so far.

    Attributes:
        frictions: of the last turn; found: all of them.
        level: of the help that is on, 0 to 5; helps: what it is.
        titles: of objectives, by id.
        phase: ``active``, ``paused`` or ``ended``.
    """

    people: Mapping[str, Person] = field(default_factory=dict)
    titles: Mapping[str, str] = field(default_factory=dict)
    lines: tuple[Line, ...] = ()
    turn: int = 0
    affect: Affect = Affect.NEUTRAL
    pressure: float = 0.5
    level: int = 0
    helps: tuple[Scaffold, ...] = ()
    frictions: tuple[FrictionDetected, ...] = ()
    found: tuple[FrictionDetected, ...] = ()
    injections: Mapping[str, InjectionStatus] = field(default_factory=dict)
    moved: Mapping[str, float] = field(default_factory=dict)
    goals: tuple[str, ...] = ()
    phase: Literal["active", "paused", "ended"] = "active"
    reason: str = ""

    def name(self, npc: str) -> str:
        """What somebody is called."""
        known = self.people.get(npc)
        return known.name if known is not None and known.name else npc

    def after(self, event: AnyEvent) -> Scene:
        """The scene with an event in it; events that are not to be seen change nothing."""
        match event:
            case SessionStarted():
                return self._begun(event)
            case TurnTaken():
                return replace(
                    self._said(YOU, event.text), turn=event.turn, frictions=(), phase="active"
                )
            case TurnAnswered():
                return self._said(event.npc, event.text)
            case FrictionDetected():
                now = (*self.frictions, event) if event.turn == self.turn else self.frictions
                return replace(self, frictions=now, found=(*self.found, event))
            case ReputationChanged():
                moved = {**self.moved, event.npc: self.moved.get(event.npc, 0.0) + event.delta}
                return self._changed(event.npc, lambda one: _moved(one, event.delta), moved=moved)
            case AffectChanged():
                return replace(self, affect=event.state, pressure=event.pressure)
            case ScaffoldingEscalated():
                return replace(self, level=event.level, helps=event.actions if event.level else ())
            case OpennessChanged():
                scene = self._changed(
                    event.npc,
                    lambda one: replace(one, openness=event.score, openness_state=event.state),
                )
                warning = f"{self.name(event.npc)} closes up: {event.description or 'mind how'}"
                return scene._said("", warning) if event.warning else scene
            case NegotiationCollapsed():
                scene = self._changed(
                    event.npc,
                    lambda one: replace(
                        one, collapsed=True, openness_state=OpennessState.COLLAPSED
                    ),
                )
                return scene._said(
                    "", f"{self.name(event.npc)} breaks off: {COLLAPSES[event.cause]}"
                )
            case MoodChanged():
                return self._changed(event.npc, lambda one: replace(one, mood=event.mood.value))
            case InjectionAdvanced():
                return replace(self, injections={**self.injections, event.form: event.status})
            case GoalReached():
                title = self.titles.get(event.objective, event.objective)
                scene = self._said("", f"Reached: {title}")
                return replace(scene, goals=(*self.goals, event.objective))
            case FactLearned():
                return self._said("", f"{self.name(event.npc)} will remember: {event.fact}")
            case IncidentArose():
                return self._said(
                    "", f"This stays between you and {self.name(event.npc)}: {event.description}"
                )
            case IncidentResolved():
                return self._said("", f"Put right with {self.name(event.npc)}")
            case SilenceNoticed():
                name = self.name(event.npc or "")
                return self._said("", SILENCES[event.step].format(name=name or "Nobody"))
            case SessionPaused():
                return replace(self, phase="paused")
            case SessionResumed():
                return replace(self._said("", "You are back"), phase="active")
            case SessionEnded():
                return replace(self, phase="ended", reason=event.reason.value)
            case _:
                return self

    def _said(self, who: str, text: str) -> Scene:
        return replace(self, lines=(*self.lines, Line(who, " ".join(text.split()))))

    def _changed(self, npc: str, change: Callable[[Person], Person], **more: Any) -> Scene:
        known = self.people.get(npc) or Person(npc, npc)
        return replace(self, people={**self.people, npc: change(known)}, **more)

    def _begun(self, event: SessionStarted) -> Scene:
        people = dict(self.people)
        briefings = event.context.npc_briefings if event.context is not None else {}
        for one in event.stage.characters if event.stage is not None else ():
            known = people.get(one.npc) or Person(one.npc, one.name or one.npc)
            told = briefings.get(one.npc)
            openness = told.openness_score if told is not None else None
            people[one.npc] = replace(
                known,
                tier=one.tier,
                reputation=one.reputation,
                mood=one.mood.value,
                openness=openness if one.openness_enabled else None,
            )
        due = event.stage.injections if event.stage is not None else ()
        return replace(
            self,
            people=people,
            pressure=event.stage.pressure if event.stage is not None else self.pressure,
            injections={one.form: InjectionStatus.PENDING for one in due},
        )


def _moved(one: Person, delta: float) -> Person:
    return replace(one, reputation=max(FLOOR, min(CEILING, one.reputation + delta)))


def opening(persona: Persona, cast: tuple[str, ...] = ()) -> Scene:
    """The scene before anything happened; ``cast``: who takes part, empty: all the persona has."""
    people = {
        one.id: Person(one.id, one.name, one.role, one.tier, one.initial_reputation)
        for one in persona.npcs
        if not cast or one.id in cast
    }
    titles = {
        objective.id: objective.title
        for scenario in persona.scenarios
        for objective in scenario.objectives
    }
    return Scene(people=people, titles=titles)


# --- what is drawn from it: pure ----------------------------------------


def spoken(line: Line, scene: Scene) -> Text:
    """A line of the conversation. Each speaker has a sign and a name beside the colour."""
    if line.who == YOU:
        return Text.assemble(("you › ", f"bold {BLUE}"), line.text)
    if line.who:
        return Text.assemble((f"{scene.name(line.who)} ‹ ", f"bold {ORANGE}"), line.text)
    return Text(f"  · {line.text}", style=f"italic {GREY}")


def told(friction: FrictionDetected) -> tuple[Text, str, str]:
    """A friction: what it is, what was said, and the form that was missed."""
    level = friction.level or severity_level(friction.severity)
    head = Text.assemble(
        (f"{LEVELS[level]:<3} ", f"bold {RED}"), f"{KINDS[friction.type]}, {level.value}"
    )
    return head, friction.said, friction.form or ("" if friction.said else friction.detail)


WIDE: Final = 27
"""Cells of the side of the window; 19 rows of them are there in the smallest one."""


def panel(scene: Scene, npc: str) -> Text:
    """The side of the window: how things stand with whoever is talked to."""
    rows: list[Text] = []

    def row(*parts: str | tuple[str, str]) -> None:
        rows.append(Text.assemble(*parts))

    one = scene.people.get(npc) or Person(npc, npc)
    row((one.name, "bold"), f" · {one.mood}" if one.mood else "")
    row((f"tier {one.tier}, {TIERS[one.tier]}", GREY))
    row(("Standing", "bold"))
    colour = BLUE if one.reputation >= 0 else RED
    row(
        (bar(one.reputation, FLOOR, CEILING, 9), colour),
        f" {one.reputation:+.2f} {band(one.reputation)}",
    )
    if one.tier == 3 and one.openness is not None:
        row(("Openness", "bold"))
        row((bar(one.openness, 0.0, 1.0, 10), GREEN), f" {one.openness:.2f} {one.openness_state}")
    row(("You  ", "bold"), FEELINGS[scene.affect])
    row((bar(scene.pressure, 0.0, 1.0, 10), ORANGE), f" {scene.pressure:.2f} pressure")
    row((f"Your turn {scene.turn}" if scene.turn else "Your turn comes", "bold"))
    if scene.turn and not scene.frictions:
        row(("✓ nothing to mend", GREEN))
    for friction in scene.frictions[:2]:
        head, said, form = told(friction)
        rows.append(head)
        both = f"    {said} → {form}"
        if said and form and len(both) <= WIDE:
            row(both)
        else:
            for text in (said, f"→ {form}" if form else ""):
                if text:
                    row(f"    {text}")
    if len(scene.frictions) > 2:
        row(f"    and {len(scene.frictions) - 2} more")
    if scene.level:
        row((f"Help, level {scene.level}", "bold"))
        for action in scene.helps[:2]:
            row((f"+ {HELPS[action]}", GREEN))
    for line in rows:
        line.truncate(WIDE, overflow="ellipsis")
    return Text("\n").join(rows)


@dataclass(frozen=True, slots=True)
class Ahead:
    """What comes next time, once a session has been evaluated.

    Attributes:
        lessons: titles of the units of the lesson that waits.
        messages: who says what before the next session, and when.
    """

    lessons: tuple[str, ...] = ()
    forms: tuple[str, ...] = ()
    messages: tuple[str, ...] = ()

    @staticmethod
    def of(kept: InterSessionPersistence) -> Ahead:
        waiting = kept.pending_curriculum
        return Ahead(
            tuple(unit.title for unit in waiting.units) if waiting is not None else (),
            tuple(spec.target_form for spec in kept.pending_injections),
            tuple(
                f"{one.sender.name}: {one.content.title} ({_minute(one.scheduled_at)})"
                for one in kept.scheduled_triggers
            ),
        )


def _minute(time: str) -> str:
    return time[:16].replace("T", " ")


def summary(scene: Scene, record: PostSessionExhaust, ahead: Ahead | None) -> RenderableType:
    """What a session came to. ``ahead``: None: it has not been evaluated in time."""
    figures = Table.grid(padding=(0, 2))
    held = record.session_record
    figures.add_row("Minutes", Text(f"{held.duration_minutes:.1f}", style="bold"))
    figures.add_row("Turns", Text(str(scene.turn), style="bold"))
    for name, words, form in METRICS:
        value = getattr(held.metrics, name)
        if value is not None:
            figures.add_row(words, Text(form.format(value), style="bold"))
    parts: list[RenderableType] = [Text("How it went", style="bold underline"), figures]

    def section(title: str, lines: list[Text | str]) -> None:
        parts.append(Text(f"\n{title}", style="bold underline"))
        parts.extend(lines)

    standings: list[Text | str] = []
    for npc, moved in scene.moved.items():
        now = scene.people[npc].reputation
        sign = "▲" if moved > 0 else "▼" if moved < 0 else "="
        standings.append(f"{sign} {scene.name(npc)} {moved:+.2f}, now {now:+.2f} {band(now)}")
    section("Where you stand", standings or ["= as before"])
    frictions: list[Text | str] = []
    for friction in scene.found[-8:]:
        head, said, form = told(friction)
        frictions.append(
            Text.assemble(head, ": ", " → ".join(part for part in (said, form) if part))
        )
    section(f"What gave you trouble ({len(scene.found)})", frictions or ["✓ nothing"])
    if scene.goals:
        section("Reached", [f"✓ {scene.titles.get(goal, goal)}" for goal in scene.goals])
    if scene.injections:
        section(
            "What you were led to practise",
            [f"{INJECTIONS[status]}: {form}" for form, status in scene.injections.items()],
        )
    section("Next time", _next(ahead))
    return Group(*parts)


def _next(ahead: Ahead | None) -> list[Text | str]:
    if ahead is None:
        return ["is being worked out; it is there when you come back"]
    lines: list[Text | str] = [f"+ lesson: {title}" for title in ahead.lessons]
    lines += [f"+ to practise: {form}" for form in ahead.forms]
    lines += [f"+ {message}" for message in ahead.messages]
    return lines or ["nothing in particular: go on as you do"]


# --- what the window needs of the runtime ----------------------------------------


class Talk(Protocol):
    """A session; :class:`holodeck.session.Session` is one."""

    id: str

    async def say(
        self,
        text: str,
        *,
        to: str,
        heard: Callable[[str], None] | None = None,
        timeout: float = ...,  # noqa: ASYNC109 - as the session has it
        **turn: Any,
    ) -> Reply: ...

    async def greet(
        self,
        npc: str,
        *,
        heard: Callable[[str], None] | None = None,
        timeout: float = ...,  # noqa: ASYNC109 - as the session has it
    ) -> Reply: ...

    async def refract(self, text: str, *, npc: str | None = None) -> Offer: ...

    async def choose(
        self, number: int, level: RefractionLevel | str | None, *, dwell_ms: int = 0
    ) -> Step: ...

    async def pause(self, reason: str = "") -> Step: ...

    async def end(self) -> Any: ...

    async def record(self) -> PostSessionExhaust: ...

    def replay(self, *, after: int = 0) -> AsyncIterator[Step]: ...

    def tiles(self) -> AsyncGenerator[Tile, None]: ...


@dataclass(frozen=True, slots=True)
class Desk:
    """Everything a conversation is held with.

    Attributes:
        npc: who is talked to first.
        fresh: the session has just begun; else it goes on.
        remembered: what an NPC knows of the learner.
        ahead: what comes next time, once it is worked out; None if it takes too long.
    """

    learner: str
    persona: Persona
    session: Talk
    npc: str
    fresh: bool
    remembered: Callable[[str], Awaitable[tuple[str, ...]]]
    ahead: Callable[[], Awaitable[Ahead | None]]
    cast: tuple[str, ...] = ()


# --- dialogs ----------------------------------------

HELP: Final = """\
Say something in the language you learn and press Enter. Beside the conversation you see how you
stand, how you seem to feel, and what of your last turn can be mended.

F1      this page
Ctrl-R  say it better: three wordings of what stands in the line (any language will do)
Ctrl-N  talk to somebody else
Ctrl-P  pause and leave; when you come back you go on where you were
Ctrl-E  end, and see what it came to
Esc     leave, one way or the other
Ctrl-C  pause and leave at once

Signs: · low  ! medium  !! high  !!! critical; ✓ fine; │ in a bar is zero.
A silence is answered too, and after five minutes of it the session ends."""


class Dialog(ModalScreen[str | None]):
    """A page over the conversation that is left by one of its keys; Esc stands for None."""

    CSS = """
    Dialog { align: center middle; }
    Dialog > VerticalScroll {
        width: 90%; max-width: 78; height: auto; max-height: 95%;
        border: round $primary; padding: 0 1; background: $surface;
    }
    """

    def __init__(self, content: RenderableType, keys: Mapping[str, str]) -> None:
        super().__init__()
        self._content = content
        self._keys = keys

    def compose(self) -> ComposeResult:
        with VerticalScroll():
            yield Static(self._content)

    def on_key(self, event: Key) -> None:
        if event.key in self._keys or event.key == "escape":
            event.stop()
            self.dismiss(self._keys.get(event.key))


ANY_KEY: Final = {"enter": "", "f1": "", "q": ""}
LEVEL_KEYS: Final = {"1": "basic", "2": "native", "3": "formal"}


def wordings(offer: Offer) -> RenderableType:
    """Three wordings to choose from, each with what it does."""
    held = offer.response.refractions
    parts: list[RenderableType] = []
    each: tuple[tuple[str, str, Refraction], ...] = (
        ("1", "safe and simple", held.basic),
        ("2", "as people say it", held.native),
        ("3", "formal", held.formal),
    )
    for key, name, one in each:
        parts.append(
            Text.assemble(
                (f" {key} ", "reverse bold"), f" {name}", f", risk {one.risk_level.value}"
            )
        )
        parts.append(Text(f"    {one.formulation}", style=f"bold {BLUE}"))
        why = one.explanation
        note = why.pragmatic_effect or why.grammar or why.vocabulary
        parts.append(Text(f"    {note}\n" if note else ""))
    if offer.response.contrastive_notes:
        parts.append(Text(offer.response.contrastive_notes, style=f"italic {GREY}"))
    parts.append(Text("1, 2, 3: take it into your line    Esc: none of them"))
    return Group(Text("Say it better", style="bold underline"), *parts)


def people(scene: Scene, npc: str) -> RenderableType:
    """Whom one can turn to, by number."""
    table = Table.grid(padding=(0, 1))
    for key, one in zip("123456789", scene.people.values(), strict=False):
        mark = "▸" if one.npc == npc else "✗" if one.collapsed else " "
        table.add_row(
            Text(f" {key} ", style="reverse bold"),
            mark,
            Text(one.name, style=f"bold {ORANGE}"),
            one.role,
            f"tier {one.tier}, {TIERS[one.tier]}",
            f"{one.reputation:+.2f} {band(one.reputation)}",
        )
    return Group(Text("Talk to", style="bold underline"), table, Text("\nEsc: go on with the same"))


# --- the window ----------------------------------------


class Chat(App[str]):
    """The conversation. Returns how it was left: ``paused``, ``ended`` or ``left``."""

    ENABLE_COMMAND_PALETTE = False
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (70, "-wide")]  # noqa: RUF012 - as textual has it
    CSS = """
    #title { height: 1; background: $primary-background; padding: 0 1; text-style: bold; }
    #talk { padding: 0 1; scrollbar-size-vertical: 1; }
    #talk Static { margin-bottom: 1; }
    #talk .note { margin-bottom: 0; }
    #panel { width: 29; border-left: solid $primary; padding: 0 0 0 1; }
    .-narrow #panel { display: none; }
    #live { display: none; }
    #live.on { display: block; }
    #line { border: tall $primary; height: 3; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f1", "help", "Help", priority=True),
        Binding("ctrl+r", "refract", "Say it better", priority=True),
        Binding("ctrl+n", "people", "Talk to", priority=True),
        Binding("ctrl+p", "pause", "Pause", priority=True),
        Binding("ctrl+e", "end", "End", priority=True),
        Binding("escape", "leave", "Leave"),
        Binding("ctrl+c", "interrupt", show=False, priority=True),
        Binding("ctrl+q", "interrupt", show=False, priority=True),
    ]

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self.desk = desk
        self.npc = desk.npc
        self.scene = opening(desk.persona, desk.cast)
        self._sequence = 0
        self._shown = 0
        self._echo = ""
        self._stream = ""
        self._wording: tuple[int, str] | None = None
        self._reading = asyncio.Lock()
        self._summing = False

    def compose(self) -> ComposeResult:
        yield Static(id="title")
        with Horizontal():
            with VerticalScroll(id="talk", can_focus=False):
                yield Static(id="live")
            with VerticalScroll(id="panel", can_focus=False):
                yield Static(id="standing")
        yield Input(id="line", max_length=MAX_TEXT)
        yield Footer()

    def on_mount(self) -> None:
        self._main = self.screen  # what is asked for is never on a dialog
        self._main.query_one("#talk", VerticalScroll).anchor()
        self._draw()
        self._main.query_one(Input).focus()
        self._open()
        self._listen()

    # -- what happened ----------------------------------------

    async def refresh_scene(self) -> None:
        """Reads what the session has stored since, and shows it."""
        async with self._reading:
            async for step in self.desk.session.replay(after=self._sequence):
                self._sequence = max(self._sequence, step.sequence)
                for event in step.events:
                    self.scene = self.scene.after(event)
                    if isinstance(event, TurnTaken):
                        self._echo = ""
                    elif isinstance(event, TurnAnswered):
                        self._stream = ""
            await self._show_lines()
        if self.scene.phase == "ended" and not self._summing:
            self._summing = True
            self._sum_up()

    async def _show_lines(self) -> None:
        fresh = self.scene.lines[self._shown :]
        self._shown = len(self.scene.lines)
        if fresh:
            made = [
                Static(spoken(line, self.scene), classes="" if line.who else "note")
                for line in fresh
            ]
            await self._main.query_one("#talk").mount(*made, before="#live")
        self._draw()

    def _draw(self) -> None:
        one = self.scene.people.get(self.npc)
        about = f"{one.name}, {one.role}" if one is not None and one.role else self.npc
        self._main.query_one("#title", Static).update(
            Text(f"{self.desk.persona.name}  ·  {about}  ·  {self.desk.learner}")
        )
        self._main.query_one("#standing", Static).update(panel(self.scene, self.npc))
        line = self._main.query_one(Input)
        line.placeholder = f"Say something to {self.scene.name(self.npc)} (F1 helps)"
        self._draw_live()

    def _draw_live(self) -> None:
        live = self._main.query_one("#live", Static)
        texts = []
        if self._echo:
            texts.append(spoken(Line(YOU, self._echo), self.scene))
        if self._stream:
            texts.append(spoken(Line(self.npc, f"{self._stream}▌"), self.scene))
        live.set_class(bool(texts), "on")
        live.update(Text("\n\n").join(texts))

    def _hear(self, piece: str) -> None:
        """A piece of the NPC's answer, as it comes."""
        self._stream += piece
        self._draw_live()

    def note(self, text: str) -> None:
        """Says something that is no part of the conversation."""
        self._main.query_one("#talk").mount(
            Static(spoken(Line("", text), self.scene), classes="note"), before="#live"
        )

    def _told(self, error: HolodeckError) -> None:
        remedy = REMEDIES.get(error.reason, "") if isinstance(error, RefusedError) else ""
        self.notify(f"{error}. {remedy}" if remedy else str(error), severity="error", markup=False)

    # -- work ----------------------------------------

    @work(group="listen")
    async def _listen(self) -> None:
        """What the session does on its own account wakes the window: silences, ends, others."""
        async with aclosing(self.desk.session.tiles()) as tiles:
            async for tile in tiles:
                if tile.answer.get("sequence", 0) > self._sequence:
                    await self.refresh_scene()

    @work(group="talk")
    async def _open(self) -> None:
        await self.refresh_scene()
        try:
            await self._recall()
            if self.desk.fresh:
                await self.desk.session.greet(self.npc, heard=self._hear)
        except HolodeckError as error:
            self._told(error)
        self._stream = ""
        await self.refresh_scene()

    async def _recall(self) -> None:
        for fact in (await self.desk.remembered(self.npc))[:3]:
            self.note(f"{self.scene.name(self.npc)} remembers: {fact}")

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        text = event.value.strip()
        if not text or self._busy():
            return
        event.input.clear()
        self._say(text)

    @property
    def waiting(self) -> bool:
        """Whether somebody is being waited for."""
        return any(worker.group == "talk" and worker.is_running for worker in self.workers)

    def _busy(self) -> bool:
        if self.waiting:
            self.notify(f"{self.scene.name(self.npc)} is still thinking", timeout=2, markup=False)
            return True
        return False

    @work(group="talk")
    async def _say(self, text: str) -> None:
        wording, self._wording = self._wording, None
        turn: dict[str, Any] = {}
        if wording is not None and wording[1].casefold() == text.casefold():
            turn["refraction"] = wording[0]
        self._echo = text
        self._draw_live()
        try:
            reply = await self.desk.session.say(text, to=self.npc, heard=self._hear, **turn)
            if reply.text is None and self.scene.phase == "active":
                self.note(f"{self.scene.name(self.npc)} does not answer")
        except HolodeckError as error:
            self._told(error)
            if self._echo and not self._main.query_one(Input).value:
                self._main.query_one(Input).value = text
        self._echo = self._stream = ""
        await self.refresh_scene()

    def action_help(self) -> None:
        self.push_screen(Dialog(HELP, ANY_KEY))

    def action_refract(self) -> None:
        line = self._main.query_one(Input)
        text = line.value.strip()
        if not text:
            self.notify("First write what you want to say, in any language")
        elif not self._busy():
            self._refract(text)

    @work(group="talk")
    async def _refract(self, text: str) -> None:
        session = self.desk.session
        try:
            offer = await session.refract(text, npc=self.npc)
            since = time.monotonic()
            chosen = await self.push_screen_wait(Dialog(wordings(offer), LEVEL_KEYS))
            level = RefractionLevel(chosen) if chosen is not None else None
            await session.choose(
                offer.number, level, dwell_ms=round((time.monotonic() - since) * 1000)
            )
        except HolodeckError as error:
            self._told(error)
        else:
            if level is not None:
                taken: Refraction = getattr(offer.response.refractions, level.value)
                self._wording = (offer.number, taken.formulation)
                line = self._main.query_one(Input)
                line.value = taken.formulation
                line.cursor_position = len(line.value)
        await self.refresh_scene()

    def action_people(self) -> None:
        if not self._busy():
            self._choose_person()

    @work(group="talk")
    async def _choose_person(self) -> None:
        keys = dict(zip("123456789", self.scene.people, strict=False))
        chosen = await self.push_screen_wait(Dialog(people(self.scene, self.npc), keys))
        if chosen is None or chosen == self.npc:
            return
        self.npc = chosen
        self.note(f"You turn to {self.scene.name(chosen)}")
        self._draw()
        try:
            await self._recall()
        except HolodeckError as error:
            self._told(error)

    # -- leaving ----------------------------------------

    @work(group="leave", exclusive=True)
    async def action_leave(self) -> None:
        words = Text.assemble(
            ("Leave?\n\n", "bold underline"),
            (" p ", "reverse bold"), "  pause: you go on where you were when you come back\n",
            (" e ", "reverse bold"), "  end: see what it came to\n",
            ("Esc", "reverse bold"), "  stay",
        )  # fmt: skip
        match await self.push_screen_wait(Dialog(words, {"p": "pause", "e": "end"})):
            case "pause":
                await self._pause()
            case "end":
                await self._end()

    @work(group="leave", exclusive=True)
    async def action_end(self) -> None:
        words = Text.assemble(
            ("End this conversation?\n\n", "bold underline"),
            (" Enter ", "reverse bold"), "  end it, and see what it came to\n",
            ("  Esc  ", "reverse bold"), "  stay",
        )  # fmt: skip
        if await self.push_screen_wait(Dialog(words, {"enter": "end"})) == "end":
            await self._end()

    @work(group="leave", exclusive=True)
    async def action_pause(self) -> None:
        await self._pause()

    @work(group="leave", exclusive=True)
    async def action_interrupt(self) -> None:
        if self.scene.phase != "active" or self._summing:
            self.exit("ended" if self.scene.phase == "ended" else "left")
            return
        await self._pause(anyway=True)

    async def _pause(self, *, anyway: bool = False) -> None:
        """Pauses and leaves; ``anyway``: leaves also where that was refused."""
        try:
            async with asyncio.timeout(5.0):
                await self.desk.session.pause("the learner left")
        except TimeoutError:
            self.exit("left")
        except HolodeckError as error:
            if anyway:
                self.exit("left")
            else:
                self._told(error)
        else:
            self.exit("paused")

    async def _end(self) -> None:
        try:
            await self.desk.session.end()
        except HolodeckError as error:
            self._told(error)
        await self.refresh_scene()

    @work(group="sum")
    async def _sum_up(self) -> None:
        """Shows what the session came to, as soon as that is known."""
        self._main.query_one(Input).disabled = True
        why = self.scene.reason
        self.note(f"The session has ended ({why}); what it came to is being worked out")
        try:
            ahead = await self.desk.ahead()
            record = await self.desk.session.record()
        except HolodeckError as error:
            self._told(error)
            return
        content = Group(
            summary(self.scene, record, ahead), Text("\nEnter: leave", style=f"italic {GREY}")
        )
        await self.push_screen_wait(Dialog(content, ANY_KEY))
        self.exit("ended")


# --- how it is begun ----------------------------------------


async def unfinished(deck: Deck, learner: str, persona: str) -> str | None:
    """The learner's last session in this world that has not ended; None: there is none."""
    state = await deck.learner(learner).state()
    for visit in reversed(state.recent):
        if visit.ended_at:
            continue
        try:
            held = await deck.session(visit.session).state()
        except RefusedError:
            continue
        if held.persona == persona and held.phase in (Phase.ACTIVE, Phase.PAUSED):
            return visit.session
    return None


async def sit_down(
    deck: Deck,
    persona: Persona,
    learner: str,
    *,
    npc: str | None = None,
    session: str | None = None,
    mind: MindKind = MindKind.SCRIPTED,
) -> Desk:
    """Starts a conversation, or goes on with the one the learner left.

    Args:
        session: go on with this one, or start it under this id; None: the one left, else a fresh
            one.

    Raises:
        RefusedError: ``unknown-npc``; ``session-ended``; whatever a start is refused for.
    """
    first = npc or persona.npcs[0].id
    if persona.npc(first) is None:
        raise RefusedError("unknown-npc", f"{first}; there is {_names(persona)}")
    wanted = session or await unfinished(deck, learner, persona.id)
    fresh, cast = True, ()
    if wanted is not None:
        held = deck.session(wanted)
        try:
            state = await held.state()
        except RefusedError as error:
            if error.reason != "unknown-session":
                raise
        else:
            if state.phase is Phase.ENDED:
                raise RefusedError("session-ended", wanted)
            if state.phase is Phase.PAUSED:
                await held.resume(switch=True)
            fresh = False
    if fresh:
        held = await deck.start_session(
            learner=learner,
            persona=persona.id,
            mind=mind,
            analysis=AnalysisKind.OFFLINE,
            ladder=True,
            session=wanted,
            switch=True,
        )

    async def remembered(one: str) -> tuple[str, ...]:
        brief = await deck.npc(one).briefing(learner)
        return tuple(fact.fact for fact in brief.briefing.remembered_facts)

    async def ahead() -> Ahead | None:
        return await look_ahead(deck, learner, held.id)

    return Desk(learner, persona, held, first, fresh, remembered, ahead, cast)


def _names(persona: Persona) -> str:
    return ", ".join(one.id for one in persona.npcs)


async def look_ahead(deck: Deck, learner: str, session: str, wait_s: float = 10.0) -> Ahead | None:
    """What comes next for a learner once ``session`` has been evaluated; None: not in time."""
    with suppress(TimeoutError):
        async with (
            asyncio.timeout(wait_s),
            aclosing(deck.tiles(session=learner, event="MACRO_LOOP")) as tiles,
        ):
            async for tile in tiles:
                if tile.answer["session"] == session:
                    return Ahead.of(await deck.learner(learner).persistence())
    return None


@asynccontextmanager
async def some_deck(settings: Settings) -> AsyncIterator[Deck]:
    """The runtime that is there, or one in this process on the same store."""
    if settings.nats_url is not None or RuntimeFile.read(runtime_path(settings)) is not None:
        async with open_deck(settings) as deck:
            yield deck
        return
    settings.state_path.mkdir(parents=True, exist_ok=True)
    async with Local(settings.state_path / "nats", settings=settings) as deck:
        yield deck


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
) -> None:
    """Talks with an NPC, here in the terminal.

    Goes on where you left off, if you paused. Where no runtime is up, one is started in this
    program for as long as you talk, on the same store.

    [bold]Examples:[/bold]

      holodeck chat --persona picture-tutor
      holodeck chat --persona picture-tutor --learner ana --mind model
    """
    out = out_for(ctx, False)
    if mind not in ("scripted", "model"):
        usage("--mind is scripted or model")
    who = _learner(learner)
    settings = settings_for(ctx, nats_url=url)
    library = library_of(settings)
    world = library.get(persona)
    if world is None:
        usage(f"there is no persona {persona!r}; there is {', '.join(library.names())}")
    told = "log_level" in settings.model_fields_set
    configure_logging(settings.log_level if told else "error", settings.log_json)
    left = ""

    async def talk() -> None:
        nonlocal left
        if not sys.stdout.isatty():
            raise StartupError("a conversation needs a terminal", "Send turns with `holodeck send`")
        async with some_deck(settings) as deck:
            desk = await sit_down(deck, world, who, npc=npc, session=session, mind=MindKind(mind))
            left = await Chat(desk).run_async() or ""

    run(out, talk)
    if left == "paused":
        out.note(f"Paused. Go on with: holodeck chat --persona {persona} --learner {who}")


def _learner(given: str | None) -> str:
    try:
        return check_id(given) if given is not None else encode_foreign(getpass.getuser())
    except InvalidId as error:
        usage(f"--learner: {error}")
