"""A player told by what is said to it: decides, folds, and is looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import pytest

from holodeck.actors.decider import Moment
from holodeck.actors.learner import LearnerState, learner
from holodeck.actors.learner.player.reading import read
from holodeck.actors.learner.player.state import Player
from holodeck.messages.envelope import ReadPlayer
from holodeck.messages.errors import RefusedError
from holodeck.messages.player import Background, Character, CreatePlayer
from holodeck.minds.personas import Library
from holodeck.minds.worlds import WorldLibrary

NOW: Final = 1_795_694_400_000
"""Thursday 26 November 2026, noon UTC."""
WORLDS: Final = WorldLibrary(personas=Library())


def character(identity: str = "mira", name: str = "Mira", **more: Any) -> Character:
    """A character; ``more`` is of its background, ``profile`` its therapeutic profile."""
    own = {"therapeutic_profile": more.pop("profile")} if "profile" in more else {}
    return Character(
        character_id=identity, name=name, background=Background(name=name, **more), **own
    )


@dataclass(slots=True)
class Folk:
    """One learner, ``ana``; ``at``: now, a second on with each command."""

    state: LearnerState = field(default_factory=lambda: learner.initial)
    sequence: int = 0
    at: int = NOW
    id: str = "ana"

    @classmethod
    def made(cls, username: str = "Ana_1", email: str = "ana@example.org", **more: Any) -> Folk:
        """With a profile."""
        folk = cls()
        folk.does(CreatePlayer(username=username, email=email, **more))
        return folk

    @property
    def player(self) -> Player:
        assert self.state.player is not None
        return self.state.player

    def does(self, command: Any) -> tuple[Any, ...]:
        """The events a command leads to, folded in."""
        self.at += 1000
        events = tuple(learner.decide(self.state, command, self.at))
        if events:
            self.hears(self.id, *events)
        return events

    def hears(self, writer: str, *events: Any) -> None:
        self.sequence += 1
        moment = Moment(self.sequence, self.at, writer, self.id)
        self.state = learner.fold(self.state, events, moment)

    def refuses(self, command: Any) -> RefusedError:
        """What a command is refused for; nothing has changed by it."""
        kept = self.state.copy()
        with pytest.raises(RefusedError) as refused:
            learner.decide(self.state, command, self.at)
        assert self.state == kept
        return refused.value

    def view(self, view: str, viewer: str | None = None, **more: Any) -> dict[str, Any]:
        role = more.pop("role", "owner" if viewer is None else "learner")
        query = ReadPlayer(view=view, at=self.at, viewer=viewer, role=role, **more)
        return read(self.id, self.state, query, WORLDS)

    def hides(self, view: str, viewer: str | None = None, **more: Any) -> str:
        """The reason a view is refused for."""
        with pytest.raises(RefusedError) as refused:
            self.view(view, viewer, **more)
        return refused.value.reason


def kinds(events: Sequence[Any]) -> list[str]:
    return [event.kind for event in events]
