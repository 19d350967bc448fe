"""Practice in the terminal: ``holodeck play``.

One law: leaving it, however, leaves a session that can go on where it was.
"""

from __future__ import annotations

import asyncio
from typing import ClassVar

from textual.app import App
from textual.binding import Binding, BindingType
from textual.events import Resize

from holodeck.entrypoints.play import words
from holodeck.entrypoints.play.board import Board, Stage
from holodeck.entrypoints.play.desk import Desk, Lobby
from holodeck.entrypoints.play.screens import Home, TooSmall
from holodeck.entrypoints.play.screens_progress import History, SkillMap
from holodeck.entrypoints.play.screens_session import Practice
from holodeck.messages.errors import HolodeckError

PAUSE_S = 5.0
"""How long a session may take to be paused when the window closes."""


class Play(App[str]):
    """The windows of practice. Returns how they were left: ``left`` or ``paused``."""

    TITLE = words.PRODUCT
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c", "interrupt", show=False, priority=True),
        Binding("ctrl+q", "interrupt", show=False, priority=True),
    ]
    CSS = """
    Page { background: $background; }
    #head { height: 2; padding: 0 2; border-bottom: solid $primary; }
    #foot {
        height: 2; padding: 0 2; border-top: solid $primary;
        link-style: none; link-color: $text; link-style-hover: reverse;
    }
    #body { height: 1fr; align: center top; }

    Menu { border: none; background: $background; height: auto; max-height: 1fr; }
    Menu:focus { border: none; background-tint: transparent; }
    #greeting { margin-top: 2; width: 100%; text-align: center; }
    #standing { margin: 1 0; width: 100%; text-align: center; }
    #menu { width: 50; margin-top: 1; }

    #panes { height: 1fr; }
    #waiting, #paused { height: 1fr; content-align: center middle; text-align: center; }
    #skill, #tier { padding: 0 2; width: 100%; }
    #tier { border-bottom: solid $primary-darken-2; }
    Center { height: auto; }
    #asking { scrollbar-size-vertical: 1; }
    #question { height: auto; max-height: 9; width: 60; margin: 1 0; }
    #text { width: 100%; text-align: center; }
    #answer { width: 40; }
    #options { width: 60; max-height: 12; padding: 0 8; scrollbar-size-vertical: 1; }
    #options.long { width: 74; padding: 0 2; }
    #tip { margin-top: 1; content-align: center middle; text-align: center; width: 100%; }
    #told, #moved, #summed { align: center top; scrollbar-size-vertical: 1; }
    #feedback { width: 74; padding: 0 2; }
    #moved { align: center middle; }
    #notice {
        width: 66; padding: 1 2; border: double $primary;
    }
    #summary { width: 100%; padding: 1 2; }

    #skills, #past { height: 1fr; padding: 0 1; scrollbar-size-vertical: 1; }
    #legend { height: 1; padding: 0 2; }
    #none { margin-top: 4; width: 100%; text-align: center; }

    Dialog { align: center middle; }
    #box {
        width: 90%; max-width: 76; height: auto; max-height: 100%;
        border: round $primary; padding: 0 2; background: $surface;
    }
    #said { height: auto; max-height: 19; scrollbar-size-vertical: 1; }
    #choices {
        margin-top: 1; text-align: center; width: 100%;
        link-style: none; link-color: $text; link-style-hover: reverse;
    }
    TooSmall { align: center middle; background: $background; }
    #small { width: 100%; text-align: center; }
    """

    def __init__(self, desk: Desk, *, close_after: float = 0.0) -> None:
        """
        Args:
            close_after: seconds after which feedback closes by itself; 0: it never does.
        """
        super().__init__()
        self.desk = desk
        self._close_after = close_after

    def on_mount(self) -> None:
        self.push_screen(Home())

    def on_resize(self, event: Resize) -> None:
        width, height = event.size
        small = width < words.WIDTH or height < words.HEIGHT
        if isinstance(self.screen, TooSmall):
            if small:
                self.screen.fit(width, height)
            else:
                self.pop_screen()
        elif small:
            self.push_screen(TooSmall())

    def open_session(self, board: Board) -> None:
        self.push_screen(Practice(board, close_after=self._close_after))

    def open_map(self, lobby: Lobby) -> None:
        self.push_screen(SkillMap(lobby))

    def open_history(self, lobby: Lobby) -> None:
        self.push_screen(History(lobby))

    async def action_interrupt(self) -> None:
        """Pauses what is open, and leaves."""
        self.exit("paused" if await self.put_down() else "left")

    async def put_down(self) -> bool:
        """Pauses what is open; whether there is something, and it is paused."""
        page = next((one for one in self.screen_stack if isinstance(one, Practice)), None)
        if page is None or page.board.stage is Stage.ENDED:
            return False
        try:
            async with asyncio.timeout(PAUSE_S):
                if page.board.stage is not Stage.PAUSED:
                    await self.desk.pause()
        except (HolodeckError, TimeoutError):
            return False
        return True
