"""A conversation with an NPC in the terminal: ``holodeck chat``.

One law: what is shown is the fold of the session's own checkpoints. The window decides nothing,
keeps nothing, and shows the same after a restart.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Protocol

import typer
from rich.console import Group, RenderableType
from rich.text import Text
from textual import on, work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.events import Key
from textual.screen import ModalScreen
from textual.widgets import Footer, Input, Static

from holodeck.actors.session import Phase
from holodeck.config import Settings, configure_logging
from holodeck.deck import Deck
from holodeck.entrypoints.running import (
    REMEDIES,
    learner_of,
    open_deck,
    out_for,
    run,
    settings_for,
    usage,
)
from holodeck.entrypoints.scene import (
    GREY,
    YOU,
    Ahead,
    Line,
    opening,
    panel,
    people,
    spoken,
    summary,
    wordings,
)
from holodeck.local import Local
from holodeck.messages.base import MAX_TEXT
from holodeck.messages.conversation import (
    PostSessionExhaust,
    Refraction,
    RefractionLevel,
)
from holodeck.messages.errors import (
    HolodeckError,
    RefusedError,
    StartupError,
    Unavailable,
)
from holodeck.messages.persona import Persona
from holodeck.messages.session import (
    MindKind,
    TurnAnswered,
    TurnTaken,
)
from holodeck.messages.talk import (
    AnalysisKind,
)
from holodeck.wiring import RuntimeFile, library_of, runtime_path

if TYPE_CHECKING:
    from holodeck.messages.tiles import Tile
    from holodeck.session import Offer, Reply, Step

# --- what the window needs of the runtime ----------------------------------------


WORDING_S: Final = 6.0
"""How long one waits for three wordings."""


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

    async def refract(
        self,
        text: str,
        *,
        npc: str | None = None,
        timeout: float = ...,  # noqa: ASYNC109 - as the session has it
    ) -> Offer: ...

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


# --- the window ----------------------------------------

KEYS: Final = (
    Binding("f1", "help", "Help", priority=True),
    Binding("ctrl+r", "refract", "Say it better", priority=True),
    Binding("ctrl+n", "people", "Talk to", priority=True),
    Binding("ctrl+p", "pause", "Pause", priority=True),
    Binding("ctrl+e", "end", "End", priority=True),
    Binding("escape", "leave", "Leave"),
    Binding("ctrl+c", "interrupt", show=False, priority=True),
    Binding("ctrl+q", "interrupt", show=False, priority=True),
)


def _without(binding: Binding, taken: frozenset[str]) -> Iterator[Binding]:
    keys = [key for key in binding.key.split(",") if key not in taken]
    if keys:
        yield replace(binding, key=",".join(keys))


class Speech(Input, inherit_bindings=False):
    """The line that is spoken: an input without the keys that the window has for itself."""

    BINDINGS: ClassVar[list[BindingType]] = [
        kept
        for binding in Input.BINDINGS
        if isinstance(binding, Binding)
        for kept in _without(binding, frozenset(key.key for key in KEYS))
    ]


class Chat(App[str]):
    """The conversation. Returns how it was left: ``paused``, ``ended`` or ``left``."""

    TITLE = "Holodeck"
    ENABLE_COMMAND_PALETTE = False
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (70, "-wide")]  # noqa: RUF012 - as textual has it
    CSS = """
    #title { height: 1; background: $primary-background; padding: 0 1; text-style: bold; }
    #talk { padding: 0 1; scrollbar-size-vertical: 1; }
    #talk .they { margin-bottom: 1; }
    #panel { width: 29; border-left: solid $primary; padding: 0 0 0 1; }
    .-narrow #panel { display: none; }
    #live { display: none; }
    #live.on { display: block; }
    #line { border: tall $primary; height: 3; }
    """
    BINDINGS: ClassVar[list[BindingType]] = list(KEYS)

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self.desk = desk
        self.npc = desk.npc
        self.scene = opening(desk.persona)
        self._sequence = 0
        self._shown = 0
        self._echo = ""
        self._stream = ""
        self._awaiting = False
        self._asked = 0  # how often an NPC was spoken to; who came later clears up
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
        yield Speech(id="line", max_length=MAX_TEXT)
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
        answered = False
        async with self._reading:
            async for step in self.desk.session.replay(after=self._sequence):
                self._sequence = max(self._sequence, step.sequence)
                for event in step.events:
                    self.scene = self.scene.after(event)
                    if isinstance(event, TurnTaken):
                        self._echo = ""
                    elif isinstance(event, TurnAnswered):
                        self._stream, answered = "", True
            await self._show_lines()
            if answered:
                self._awaiting = False
        if self.scene.phase == "ended" and not self._summing:
            self._summing = True
            self._sum_up()

    async def _show_lines(self) -> None:
        fresh = self.scene.lines[self._shown :]
        self._shown = len(self.scene.lines)
        if fresh:
            they = self.scene.people
            made = [
                Static(spoken(line, self.scene), classes="they" if line.who in they else "")
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
        live.update(Text("\n").join(texts))

    def _hear(self, piece: str) -> None:
        """A piece of the NPC's answer, as it comes."""
        self._stream += piece
        self._draw_live()

    def note(self, text: str) -> None:
        """Says something that is no part of the conversation."""
        self._main.query_one("#talk").mount(
            Static(spoken(Line("", text), self.scene)), before="#live"
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
                asked = self._ask()
                await self.desk.session.greet(self.npc, heard=self._hear)
                await self._done(asked)
        except HolodeckError as error:
            self._told(error)
            await self._done(self._asked)

    def _ask(self, text: str = "") -> int:
        """From now on an answer is awaited; ``text`` shows until it is stored."""
        self._asked += 1
        self._awaiting, self._echo = True, text
        self._draw_live()
        return self._asked

    async def _done(self, asked: int) -> None:
        """Shows what is stored now; where nobody was spoken to since, nothing is awaited more."""
        if asked == self._asked:
            self._echo, self._stream, self._awaiting = "", "", False
        await self.refresh_scene()

    async def _recall(self) -> None:
        for fact in (await self.desk.remembered(self.npc))[:3]:
            self.note(f"{self.scene.name(self.npc)} remembers: {fact}")

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        text = event.value.strip()
        if not text:
            return
        if self._busy():
            self.set_timer(0.1, partial(self._say_later, event.input, text))
            return
        event.input.clear()
        self._say(text)

    def _say_later(self, line: Input, text: str) -> None:
        """What was entered while the NPC was speaking is said when it has, unless it was changed
        meanwhile."""
        if line.value.strip() != text:
            return
        if self.waiting:
            self.set_timer(0.1, partial(self._say_later, line, text))
        else:
            line.clear()
            self._say(text)

    @property
    def waiting(self) -> bool:
        """Whether somebody is being waited for."""
        paging = any(worker.group == "page" and worker.is_running for worker in self.workers)
        return self._awaiting or paging

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
        asked = self._ask(text)
        try:
            reply = await self.desk.session.say(text, to=self.npc, heard=self._hear, **turn)
            if reply.text is None and self.scene.phase == "active":
                self.note(f"{self.scene.name(self.npc)} does not answer")
        except HolodeckError as error:
            self._told(error)
            if self._echo and not self._main.query_one(Input).value:
                self._main.query_one(Input).value = text
        await self._done(asked)

    def action_help(self) -> None:
        self.push_screen(Dialog(HELP, ANY_KEY))

    def action_refract(self) -> None:
        line = self._main.query_one(Input)
        text = line.value.strip()
        if not text:
            self.notify("First write what you want to say, in any language")
        elif not self._busy():
            self._refract(text)

    @work(group="page")
    async def _refract(self, text: str) -> None:
        session = self.desk.session
        try:
            offer = await session.refract(text, npc=self.npc, timeout=WORDING_S)
            since = time.monotonic()
            chosen = await self.push_screen_wait(Dialog(wordings(offer), LEVEL_KEYS))
            level = RefractionLevel(chosen) if chosen is not None else None
            await session.choose(
                offer.number, level, dwell_ms=round((time.monotonic() - since) * 1000)
            )
        except Unavailable:
            self.notify("Nobody knows a better wording of this. Try it in other words")
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

    @work(group="page")
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
            case _:
                pass

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
            summary(self.scene, record, ahead),
            Text("\n↑ ↓: read on    Enter: leave", style=f"italic {GREY}"),
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
        context = held.talk.context if held.talk is not None else None
        alive = held.phase in (Phase.ACTIVE, Phase.PAUSED)
        if alive and context is not None and context.persona.id == persona:
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
    ladder: bool = True,
) -> Desk:
    """Starts a conversation, or goes on with the one the learner left.

    Args:
        session: go on with this one, or start it under this id; None: the one left, else a fresh
            one.
        ladder: whether the learner's silence is answered by deadline; only where it is begun.

    Raises:
        RefusedError: ``unknown-npc``; ``session-ended``; whatever a start is refused for.
    """
    first = npc or persona.npcs[0].id
    if persona.npc(first) is None:
        raise RefusedError("unknown-npc", f"{first}; there is {_names(persona)}")
    wanted = session or await unfinished(deck, learner, persona.id)
    fresh = True
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
            ladder=ladder,
            session=wanted,
            switch=True,
        )

    async def remembered(one: str) -> tuple[str, ...]:
        brief = await deck.npc(one).briefing(learner)
        return tuple(fact.fact for fact in brief.briefing.remembered_facts)

    async def ahead() -> Ahead | None:
        return await look_ahead(deck, learner, held.id)

    return Desk(learner, persona, held, first, fresh, remembered, ahead)


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
    ladder: Annotated[
        bool,
        typer.Option(
            "--ladder/--no-ladder",
            help="Whether a silence is answered. Off: for those who type slowly.",
        ),
    ] = True,
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
    who = learner_of(learner)
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
            desk = await sit_down(
                deck,
                world,
                who,
                npc=npc,
                session=session,
                mind=MindKind(mind),
                ladder=ladder,
            )
            left = await Chat(desk).run_async() or ""

    run(out, talk)
    if left == "paused":
        out.note(f"Paused. Go on with: holodeck chat --persona {persona} --learner {who}")
