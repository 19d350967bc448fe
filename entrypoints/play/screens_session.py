"""The page a child practises on: question, feedback, pause, and what it came to.

One law: it shows the board. Keys ask the session for something; the board that comes back is what
is shown.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import ClassVar, Final, Literal

from rich.console import RenderableType
from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Center, VerticalScroll
from textual.events import Key
from textual.timer import Timer
from textual.widgets import ContentSwitcher, Input, OptionList, Static

from holodeck.entrypoints.play import words
from holodeck.entrypoints.play.board import Board, Stage
from holodeck.entrypoints.play.screens import (
    SCROLLING,
    Dialog,
    Hints,
    Menu,
    Page,
    now,
    scroll,
    told,
)
from holodeck.entrypoints.scene import ORANGE
from holodeck.messages.errors import HolodeckError, RefusedError
from holodeck.messages.practice import AnswerFormat

LONGEST: Final = 20
"""Characters of an answer."""
SHORT: Final = 40
"""Characters up to which options stand in a narrow column."""
TICK_S: Final = 0.25
LEFT_ALONE_MS: Final = 300_000
"""How long after its time a session waits for an answer before it ends by itself."""
LOOK_S: Final = 5.0
"""How often one looks whether it has."""
Pane = Literal["waiting", "asking", "told", "moved", "paused", "summed"]
SPINNER: Final = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


class AnswerField(Input):
    """The field for an answer. No answer begins with h or p, so they are keys in an empty one."""

    def on_key(self, event: Key) -> None:
        if not self.value and event.key in ("h", "p"):
            event.stop()
            event.prevent_default()
            page = self.screen
            assert isinstance(page, Practice)
            if event.key == "h":
                page.action_hint()
            else:
                page.action_pause()


class Practice(Page):
    """A session, from the first question to what it came to."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "quit", show=False),
        Binding("f2,h", "hint", show=False),
        Binding("f3,p", "pause", show=False),
        *(Binding(str(n), f"choose({n - 1})", show=False) for n in range(1, 5)),
    ]

    def __init__(self, board: Board, *, close_after: float = 0.0) -> None:
        """
        Args:
            close_after: seconds after which feedback closes by itself; 0: it never does.
        """
        super().__init__()
        self.board = board
        self._close_after = close_after
        self._closer: Timer | None = None
        self._shown = 0
        self._since = 0.0
        self._spent = 0.0
        self._noticed = 0
        self._busy = False
        self._looked = 0.0
        self._turning = 0

    def body(self) -> ComposeResult:
        with ContentSwitcher(id="panes", initial="waiting"):
            yield Static(id="waiting")
            with VerticalScroll(id="asking", can_focus=False):
                yield Static(id="skill")
                yield Static(id="tier")
                with Center(), VerticalScroll(id="question", can_focus=False):
                    yield Static(id="text")
                with Center():
                    yield AnswerField(id="answer", max_length=LONGEST, placeholder="Answer")
                    yield Menu(id="options", wrap=True)
                yield Static(id="tip")
            with VerticalScroll(id="told", can_focus=False):
                yield Static(id="feedback")
            with VerticalScroll(id="moved", can_focus=False):
                yield Static(id="notice")
            yield Static(id="paused")
            with VerticalScroll(id="summed", can_focus=False):
                yield Static(id="summary")

    def on_mount(self) -> None:
        self.query_one("#paused", Static).update(
            Text("Paused\n\nThe clock stands still.\nPress any key to go on.", justify="center")
        )
        self.show(self.board)
        self.set_interval(TICK_S, self._tick)
        for skill in self.board.rusty:
            self.notify(
                f"{self.board.name(skill)} has become a little rusty", timeout=4, markup=False
            )

    # -- what is shown ----------------------------------------

    def show(self, board: Board) -> None:
        """Shows what the session is at."""
        if self.board.failed != board.failed:
            for skill in board.failed:
                self.notify(f"No question for {board.name(skill)} today", timeout=4, markup=False)
        if board.stage is not Stage.TOLD:
            self._noticed = 0
        self.board = board
        pane = self.pane
        self.query_one(ContentSwitcher).current = pane
        if self._closer is not None:
            self._closer.stop()
            self._closer = None
        match pane:
            case "asking":
                self._ask()
            case "told":
                self._say("feedback", words.feedback(board, now()))
            case "moved":
                self._say("notice", words.notice(board, words.notices(board)[self._noticed - 1]))
            case "summed":
                self._say("summary", words.ended(board))
            case "waiting" | "paused":
                self.set_focus(None)
        if pane in ("told", "moved") and self._close_after:
            self._closer = self.set_timer(self._close_after, self.action_go_on)
        self._draw_head()
        self.offer(self._hints(pane))

    @property
    def pane(self) -> Pane:
        """Which of the panes is shown."""
        match self.board.stage:
            case Stage.WAITING:
                return "waiting"
            case Stage.ASKING:
                return "asking"
            case Stage.TOLD:
                return "moved" if self._noticed else "told"
            case Stage.PAUSED:
                return "paused"
            case Stage.ENDED:
                return "summed"

    def _say(self, where: str, content: RenderableType) -> None:
        said = self.query_one(f"#{where}", Static)
        said.update(content)
        if isinstance(said.parent, VerticalScroll):
            said.parent.scroll_home(animate=False)
        self.set_focus(None)

    def _ask(self) -> None:
        board = self.board
        question = board.question
        assert question is not None
        self.query_one("#skill", Static).update(words.skill_line(board))
        self.query_one("#tier", Static).update(words.tier_line(board))
        self.query_one("#tip", Static).update(words.tip(board, now()))
        chosen = question.format is AnswerFormat.CHOICE
        field, options = self.query_one(AnswerField), self.query_one("#options", Menu)
        field.display, options.display = not chosen, chosen
        if self._shown != board.number:
            self._shown, self._spent = board.number, 0.0
            self.query_one("#text", Static).update(
                Text(question.text, style="bold", justify="center")
            )
            field.clear()
            options.set_class(max(map(len, question.choices), default=0) > SHORT, "long")
            options.fill(
                [(str(n), Text(f"{n + 1}) {text}")) for n, text in enumerate(question.choices)],
                at=None,
            )
        self._since = time.monotonic()
        self.set_focus(options if chosen else field)

    def _draw_head(self) -> None:
        board = self.board
        if board.stage is Stage.ENDED:
            self.entitle("Session summary")
            return
        left = board.left_ms(now())
        clock = Text(f"{'‖ ' if board.stage is Stage.PAUSED else ''}{words.ms(left)}")
        if left <= 0:
            clock.stylize(f"bold {ORANGE}")
        self.entitle(f"Practice · {board.course.name or board.course.id}", clock)

    def _hints(self, pane: Pane) -> Hints:
        match pane:
            case "asking":
                question = self.board.question
                hints = [("Enter", "Submit", "screen.submit")]
                if question is not None and question.format is AnswerFormat.CHOICE:
                    hints = [("1-4", "Answer", "screen.submit")]
                if words.may_hint(self.board):
                    hints.append(("h", "Hint", "screen.hint"))
                return [*hints, ("p", "Pause", "screen.pause"), ("Esc", "Quit", "screen.quit")]
            case "told" | "moved":
                return [("any key", "Go on", "screen.go_on")]
            case "paused":
                return [("any key", "Go on", "screen.go_on")]
            case "summed":
                return [
                    ("Enter", "Continue", "screen.home"),
                    ("Esc", "Home", "screen.home"),
                    ("↑ ↓", "Read on", "screen.read_on"),
                ]
            case "waiting":
                return [("Esc", "Quit", "screen.quit")]

    def _tick(self) -> None:
        board = self.board
        if board.stage is Stage.ENDED:
            return
        self._draw_head()
        if board.stage is Stage.ASKING:
            self.query_one("#tip", Static).update(words.tip(board, now()))
        if board.stage is Stage.WAITING:
            self._turning = (self._turning + 1) % len(SPINNER)
            text = f"{SPINNER[self._turning]}  Thinking of a question..."
            self.query_one("#waiting", Static).update(Text(text, justify="center"))
            self._ask_for(self.desk.read)
        elif board.left_ms(now()) < -LEFT_ALONE_MS and time.monotonic() - self._looked > LOOK_S:
            self._looked = time.monotonic()
            self._ask_for(self.desk.read)

    # -- what the child does ----------------------------------------

    def _ask_for(self, what: Callable[[], Awaitable[Board]]) -> None:
        """Asks the session for something, one thing at a time."""
        if not self._busy:
            self._busy = True
            self._asking(what)

    @work(group="ask")
    async def _asking(self, what: Callable[[], Awaitable[Board]]) -> None:
        board: Board | None
        try:
            board = await what()
        except HolodeckError as error:
            board = await self._after(error)
        finally:
            self._busy = False
        if board is not None:
            self.show(board)

    async def _after(self, error: HolodeckError) -> Board | None:
        """Where one is after something went wrong; what was typed stays."""
        if not isinstance(error, RefusedError):
            self.notify(told(error), severity="error", markup=False)
            return None
        # It has moved on without this window: it ended, was paused, or has another question.
        board = await self.tried(self.desk.read())
        if board is not None and board.sequence == self.board.sequence:
            self.notify(told(error), severity="error", markup=False)
        return board

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        self._answer(given=event.value.strip())

    @on(OptionList.OptionSelected, "#options")
    def _selected(self, event: OptionList.OptionSelected) -> None:
        self._answer(choice=event.option_index)

    def action_choose(self, choice: int) -> None:
        question = self.board.question
        if question is not None and choice < len(question.choices):
            self._answer(choice=choice)

    def action_submit(self) -> None:
        if self.query_one("#options", Menu).display:
            self.query_one("#options", Menu).action_select()
        else:
            self._answer(given=self.query_one(AnswerField).value.strip())

    def _answer(self, *, given: str = "", choice: int | None = None) -> None:
        if self.board.stage is not Stage.ASKING or (not given and choice is None):
            return
        number, spent = self.board.number, self._spent + time.monotonic() - self._since
        self._ask_for(
            lambda: self.desk.answer(
                number, given=given, choice=choice, time_ms=round(spent * 1000)
            )
        )

    def on_key(self, event: Key) -> None:
        pane = self.pane
        if pane in ("asking", "waiting"):
            return
        event.stop()
        pages = {"told": "#told", "moved": "#moved", "summed": "#summed"}
        if pane in pages:
            page = self.query_one(pages[pane], VerticalScroll)
            if event.key in SCROLLING and page.max_scroll_y > 0:
                scroll(page, event.key)
                return
        if pane != "summed":
            self.action_go_on()
        elif event.key in ("enter", "escape", "q", "space"):
            self.action_home()

    def action_go_on(self) -> None:
        """Leaves feedback, a notice or a pause."""
        board = self.board
        if self._busy:
            return
        if board.stage is Stage.PAUSED:
            self._ask_for(self.desk.resume)
        elif board.stage is Stage.TOLD and self._noticed < len(words.notices(board)):
            self._noticed += 1
            self.show(board)
        elif board.stage is Stage.TOLD:
            self._ask_for(lambda: self.desk.close_feedback(board.number))

    def action_read_on(self) -> None:
        self.query_one("#summed", VerticalScroll).scroll_page_down(animate=False)

    def action_home(self) -> None:
        self.dismiss(None)

    def action_pause(self) -> None:
        field = self.query_one(AnswerField)
        if self.board.stage is Stage.ASKING and not (field.display and field.value):
            self._spent += time.monotonic() - self._since
            self._ask_for(self.desk.pause)

    def action_hint(self) -> None:
        board = self.board
        question = board.question
        if board.stage is not Stage.ASKING or question is None:
            return
        if not words.may_hint(board):
            self.notify("There is no hint for this one", timeout=2)
            return
        number = board.number

        async def hinted() -> Board:
            board = await self.desk.hint(number)
            self.app.push_screen(Dialog(words.hint(question)))
            return board

        self._ask_for(hinted)

    @work(group="quit")
    async def action_quit(self) -> None:
        if self.board.stage not in (Stage.ASKING, Stage.WAITING):
            return
        answer = await self.app.push_screen_wait(
            Dialog(
                words.quitting(),
                {"y": "yes", "n": "no"},
                (("Y", "Yes, end session", "screen.say('yes')"),
                 ("N", "No, keep going", "screen.say('no')")),
            )
        )  # fmt: skip
        if answer == "yes":
            self._ask_for(self.desk.quit)
