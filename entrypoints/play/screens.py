"""What all pages of practice have, and the first of them.

One law: a page shows and asks; everything it can do has a key, and what has a key can be clicked.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, ClassVar, Final, TypeVar

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Center, Vertical, VerticalScroll
from textual.content import Content
from textual.events import Key
from textual.screen import ModalScreen, Screen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from holodeck.entrypoints.play import words
from holodeck.entrypoints.play.board import Stage
from holodeck.entrypoints.play.desk import Desk, Lobby
from holodeck.entrypoints.running import REMEDIES
from holodeck.entrypoints.scene import GREY
from holodeck.messages.errors import HolodeckError, RefusedError

if TYPE_CHECKING:
    from holodeck.entrypoints.play.app import Play

Hints = Sequence[tuple[str, str, str]]
"""What the last line offers: key, what it does, and the action it stands for."""
Got = TypeVar("Got")
SCROLLING: Final = frozenset({"up", "down", "pageup", "pagedown", "home", "end"})


def now() -> int:
    """ms since 1970 UTC."""
    return int(time.time() * 1000)


def told(error: HolodeckError) -> str:
    """What went wrong, and what to do about it."""
    remedy = REMEDIES.get(error.reason, "") if isinstance(error, RefusedError) else ""
    return f"{error}. {remedy}" if remedy else str(error)


class Menu(OptionList):
    """Lines to choose from; the one that is meant has a sign before it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "cursor_down", show=False),
        Binding("k", "cursor_up", show=False),
    ]
    POINTER: ClassVar = "▶ "

    def __init__(self, *, id: str, wrap: bool = False) -> None:
        """
        Args:
            wrap: whether what is too long goes on in the next line; else it is cut.
        """
        super().__init__(id=id, compact=True)
        self._wrap = wrap
        self._texts: list[Text] = []
        self._pointed: int | None = None

    def fill(self, lines: Sequence[tuple[str | None, Text]], at: int | None = 0) -> None:
        """Puts lines in: an id (None: it cannot be chosen) and a text each."""
        self._texts = [text for _, text in lines]
        self._pointed = None
        self.clear_options()
        self.add_options(
            Option(self._drawn(index, False), id=name, disabled=name is None)
            for index, (name, _) in enumerate(lines)
        )
        self.highlighted = at

    def _drawn(self, index: int, meant: bool) -> Text:
        if not meant:
            return Text.assemble("  ", self._texts[index], no_wrap=not self._wrap)
        # Its own colours would not stand out from that of the line.
        return Text(f"{self.POINTER}{self._texts[index].plain}", no_wrap=not self._wrap)

    @on(OptionList.OptionHighlighted)
    def _point(self, event: OptionList.OptionHighlighted) -> None:
        for index in (self._pointed, event.option_index):
            if index is not None and index < self.option_count:
                meant = index == self.highlighted
                self.replace_option_prompt_at_index(index, self._drawn(index, meant))
        self._pointed = event.option_index


class Page(Screen[None]):
    """A page: a head, a body, and a line that says which keys there are."""

    AUTO_FOCUS = ""  # a page says itself what has the keys
    app: Play

    def compose(self) -> ComposeResult:
        yield Static(id="head")
        with Vertical(id="body"):
            yield from self.body()
        yield Static(id="foot")

    def body(self) -> ComposeResult:
        """What stands between head and foot."""
        raise NotImplementedError

    @property
    def desk(self) -> Desk:
        return self.app.desk

    def entitle(self, title: str, right: RenderableType = "") -> None:
        head = Table.grid(expand=True)
        head.add_column(ratio=1)
        head.add_column(justify="center")
        head.add_column(ratio=1, justify="right")
        head.add_row(Text(words.PRODUCT, style="bold"), title, right)
        self.query_one("#head", Static).update(head)

    def offer(self, hints: Hints) -> None:
        """Says which keys there are; each can be clicked too."""
        pieces = [
            Content.from_markup(f"[@click={action}][b]$key[/b] $label[/]", key=key, label=label)
            for key, label, action in hints
        ]
        self.query_one("#foot", Static).update(Content("  │  ").join(pieces))

    async def tried(self, work: Awaitable[Got]) -> Got | None:
        """What comes of asking the runtime; None: it went wrong, and that was said."""
        try:
            return await work
        except HolodeckError as error:
            self.notify(told(error), severity="error", markup=False)
            return None


class Home(Page):
    """The first page: how far one is, and where to go."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "leave", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._lobby: Lobby | None = None
        self._reading = asyncio.Lock()
        self._busy = False

    def body(self) -> ComposeResult:
        yield Static(id="greeting")
        yield Static(id="standing")
        with Center():
            yield Menu(id="menu")

    def on_mount(self) -> None:
        self.entitle("", Text(self.desk.learner))
        self.offer(
            [
                ("↑ ↓", "Choose", "screen.down"),
                ("Enter", "Go", "screen.go"),
                ("Esc", "Exit", "screen.leave"),
            ]
        )
        self.query_one("#greeting", Static).update(Text("One moment...", justify="center"))
        self.query_one(Menu).focus()

    def on_screen_resume(self) -> None:
        self._read()

    @work(group="lobby")
    async def _read(self) -> None:
        async with self._reading:
            lobby = await self.tried(self.desk.lobby())
            if lobby is None:
                return
            self._lobby = lobby
            self._draw(lobby)

    def _draw(self, lobby: Lobby) -> None:
        self.entitle(lobby.mastery.curriculum.name, Text(self.desk.learner))
        self.query_one("#greeting", Static).update(words.greeting(self.desk.learner, lobby))
        self.query_one("#standing", Static).update(words.standing(lobby.mastery))
        lines: list[tuple[str | None, Text]]
        if lobby.open is None:
            lines = [("play", Text("PLAY", style="bold"))]
        else:
            where = f"  ({words.open_line(lobby.open, now())})"
            lines = [
                ("play", Text.assemble(("GO ON", "bold"), (where, GREY))),
                ("end", Text("END THAT SESSION")),
            ]
        lines += [
            ("map", Text("SKILL MAP")),
            ("history", Text("HISTORY")),
            ("exit", Text("EXIT")),
        ]
        self.query_one(Menu).fill(lines)

    def action_down(self) -> None:
        self.query_one(Menu).action_cursor_down()

    def action_go(self) -> None:
        self.query_one(Menu).action_select()

    def action_leave(self) -> None:
        self.app.exit("left")

    @on(OptionList.OptionSelected, "#menu")
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        lobby = self._lobby
        if lobby is None or self._busy:
            return
        match event.option_id:
            case "play" | "end":
                self._busy = True
                self._play(event.option_id)
            case "map":
                self.app.open_map(lobby)
            case "history":
                self.app.open_history(lobby)
            case _:
                self.action_leave()

    @work(group="play")
    async def _play(self, what: str) -> None:
        lobby = self._lobby
        try:
            if what == "end":
                board = await self.tried(self.desk.quit())
            elif lobby is not None and lobby.open is not None:
                board = await self.tried(self.desk.go_on())
            else:
                board = await self.tried(self.desk.begin())
        finally:
            self._busy = False
        if board is not None and (board.stage is not Stage.ENDED or board.summed is not None):
            self.app.open_session(board)
        else:
            self._read()


class Dialog(ModalScreen[str | None]):
    """A box over a page that is left by one of its keys; Esc stands for None."""

    def __init__(
        self,
        content: RenderableType,
        keys: dict[str, str] | None = None,
        hints: Hints = (("any key", "Back", "screen.leave"),),
    ) -> None:
        """
        Args:
            keys: what each key stands for; None: any key leaves.
        """
        super().__init__()
        self._content = content
        self._keys = keys
        self._hints = hints

    def compose(self) -> ComposeResult:
        with Vertical(id="box"):
            with VerticalScroll(id="said", can_focus=False):
                yield Static(self._content)
            yield Static(id="choices")

    def on_mount(self) -> None:
        pieces = [
            Content.from_markup(f"[@click={action}][b]$key[/b] $label[/]", key=key, label=label)
            for key, label, action in self._hints
        ]
        self.query_one("#choices", Static).update(Content("   │   ").join(pieces))

    def on_key(self, event: Key) -> None:
        event.stop()
        said = self.query_one("#said", VerticalScroll)
        if event.key in SCROLLING and said.max_scroll_y > 0:
            scroll(said, event.key)
        elif self._keys is None or event.key == "escape":
            self.dismiss(None)
        elif (key := (event.character or event.key).lower()) in self._keys:
            self.dismiss(self._keys[key])

    def action_leave(self) -> None:
        self.dismiss(None)

    def action_say(self, answer: str) -> None:
        self.dismiss(answer)


def scroll(pane: VerticalScroll, key: str) -> None:
    """Moves a pane as a key says."""
    moves: dict[str, Callable[[], None]] = {
        "up": lambda: pane.scroll_up(animate=False),
        "down": lambda: pane.scroll_down(animate=False),
        "pageup": lambda: pane.scroll_page_up(animate=False),
        "pagedown": lambda: pane.scroll_page_down(animate=False),
        "home": lambda: pane.scroll_home(animate=False),
        "end": lambda: pane.scroll_end(animate=False),
    }
    moves[key]()


class TooSmall(ModalScreen[None]):
    """Stands before everything while the window is too small."""

    def compose(self) -> ComposeResult:
        yield Static(id="small")

    def fit(self, width: int, height: int) -> None:
        self.query_one("#small", Static).update(words.too_small(width, height))

    def on_mount(self) -> None:
        self.fit(self.app.size.width, self.app.size.height)
