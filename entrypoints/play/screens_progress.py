"""The map of skills and the sessions that were.

One law: both only look; nothing is changed from here.
"""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import OptionList, Static

from holodeck.entrypoints.play import words
from holodeck.entrypoints.play.desk import Lobby
from holodeck.entrypoints.play.screens import Dialog, Menu, Page


class Listing(Page):
    """A page with lines of which Enter shows more."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q", "back", show=False)]

    def __init__(self, lobby: Lobby) -> None:
        super().__init__()
        self.lobby = lobby

    def action_back(self) -> None:
        self.dismiss(None)

    def action_select(self) -> None:
        self.query_one(Menu).action_select()


class SkillMap(Listing):
    """Every skill, by strand."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "strand(1)", show=False),
        Binding("shift+tab", "strand(-1)", show=False),
    ]

    def body(self) -> ComposeResult:
        yield Menu(id="skills")
        yield Static(words.legend(), id="legend")

    def on_mount(self) -> None:
        mastery = self.lobby.mastery
        curriculum = mastery.curriculum
        of = len(curriculum.skills)
        self.entitle("Skill map", Text(f"● {mastery.mastered}/{of} mastered"))
        self.offer(
            [
                ("Tab", "Next strand", "screen.strand(1)"),
                ("Enter", "More", "screen.select"),
                ("Esc", "Back", "screen.back"),
            ]
        )
        lines: list[tuple[str | None, Text]] = []
        self._starts: list[int] = []
        for strand in curriculum.strands:
            skills = [one for one in curriculum.skills if one.strand == strand.id]
            lines.append((None, words.heading(strand.name)))
            self._starts.append(len(lines))
            lines += [(one.id, words.skill_row(mastery, one)) for one in skills]
        menu = self.query_one(Menu)
        menu.fill(lines, at=1)
        menu.focus()

    def action_strand(self, step: int) -> None:
        """To the first skill of the next strand, or of the one before."""
        menu = self.query_one(Menu)
        at = menu.highlighted or 0
        here = max((n for n, start in enumerate(self._starts) if start <= at), default=0)
        menu.highlighted = self._starts[(here + step) % len(self._starts)]
        menu.scroll_to_highlight(top=True)

    @on(OptionList.OptionSelected)
    def _more(self, event: OptionList.OptionSelected) -> None:
        mastery = self.lobby.mastery
        skill = mastery.curriculum.skill(event.option_id or "")
        if skill is not None:
            self.app.push_screen(Dialog(words.detail(mastery, skill)))


class History(Listing):
    """The sessions that were, the newest first."""

    def body(self) -> ComposeResult:
        yield Menu(id="past")
        yield Static(id="none")

    def on_mount(self) -> None:
        past = self.lobby.past
        self.entitle("History", Text(words.many(len(past), "session")))
        self.offer([("Enter", "More", "screen.select"), ("Esc", "Back", "screen.back")])
        menu = self.query_one(Menu)
        menu.fill([(str(n), words.past_row(one)) for n, one in enumerate(past)])
        menu.display = bool(past)
        menu.focus()
        none = self.query_one("#none", Static)
        none.display = not past
        none.update(Text("No session yet. Every one you finish will stand here.", justify="center"))

    @on(OptionList.OptionSelected)
    def _more(self, event: OptionList.OptionSelected) -> None:
        self.app.push_screen(Dialog(words.summary(self.lobby.past[event.option_index].summed)))
