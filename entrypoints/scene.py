"""A conversation as a person sees it: the fold of its checkpoints, and what is drawn from it.

One law: pure. Nothing is told by a colour that a sign or a word does not tell too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Literal

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from holodeck.actors.npc.decider import CEILING, FLOOR, band
from holodeck.messages.conversation import (
    Affect,
    FrictionType,
    InjectionStatus,
    InterSessionPersistence,
    OpennessState,
    PostSessionExhaust,
    Refraction,
    Risk,
    Scaffold,
    Severity,
    SilenceStep,
    Tier,
    severity_level,
)
from holodeck.messages.envelope import AnyEvent
from holodeck.messages.persona import Persona
from holodeck.messages.session import (
    FrictionDetected,
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

if TYPE_CHECKING:
    from holodeck.session import Offer

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
SPOKEN: Final = ("words_per_minute", "total_speaking_time_seconds")
"""Figures that are worth telling only where somebody measured how long it took to speak."""
RISKS: Final[Mapping[Risk, str]] = {
    Risk.ZERO: "never wrong",
    Risk.LOW: "hardly ever wrong",
    Risk.CONTEXT: "mind whom you say it to",
    Risk.HIGH: "take care",
}
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
        titles: of objectives, by id; hushed: what an NPC says to which silence.
        phase: ``active``, ``paused`` or ``ended``.
    """

    people: Mapping[str, Person] = field(default_factory=dict)
    titles: Mapping[str, str] = field(default_factory=dict)
    hushed: Mapping[tuple[str, SilenceStep], str] = field(default_factory=dict)
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
                npc = event.npc or ""
                spoken = self.hushed.get((npc, event.step))
                if spoken:
                    return self._said(npc, spoken)
                return self._said("", SILENCES[event.step].format(name=self.name(npc) or "Nobody"))
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
        known_before, people = self.people, dict(self.people if event.stage is None else {})
        briefings = event.context.npc_briefings if event.context is not None else {}
        for one in event.stage.characters if event.stage is not None else ():
            known = known_before.get(one.npc) or Person(one.npc, one.name or one.npc)
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


def opening(persona: Persona) -> Scene:
    """The scene before anything happened."""
    people = {
        one.id: Person(one.id, one.name, one.role, one.tier, one.initial_reputation)
        for one in persona.npcs
    }
    titles = {
        objective.id: objective.title
        for scenario in persona.scenarios
        for objective in scenario.objectives
    }
    hushed = {
        (one.id, step): line
        for one in persona.npcs
        for step, line in one.silence.items()
        if line.strip(". …")
    }
    return Scene(people=people, titles=titles, hushed=hushed)


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
    measured = held.metrics.total_speaking_time_seconds > 0
    for name, words, form in METRICS:
        value = getattr(held.metrics, name)
        if value is not None and (measured or name not in SPOKEN):
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


# --- pages ----------------------------------------


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
            Text.assemble((f" {key} ", "reverse bold"), f" {name}", f": {RISKS[one.risk_level]}")
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
