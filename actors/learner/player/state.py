"""What is kept of a player.

One law: everything here is a fold, bounded whatever happens; what the player never said is not
made up, and what its characters did stays where it happened.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from pydantic import BaseModel

from holodeck.messages.player import (
    Character,
    CrisisType,
    PlayerSettings,
    PrivacySettings,
    TherapeuticPreferences,
    WorldParameters,
)

PREFERENCES_BYTES: Final = 16 * 1024
SETTINGS_BYTES: Final = 32 * 1024
CHARACTERS_BYTES: Final = 96 * 1024
"""What the active characters may come to together, as JSON; those played no more half of that."""
WORLDS_BYTES: Final = 32 * 1024
FEEDBACK_BYTES: Final = 32 * 1024
DISMISSED_BYTES: Final = 8 * 1024
"""However much is said, a player is small enough to travel whole: about 300 KiB at most."""
REMOVED: Final = 5
"""Characters that are not played any more, of which all is kept; the oldest goes first."""
CUSTOMIZED: Final = 50
"""Worlds made to measure that are kept; the one made first goes first."""
FEEDBACK: Final = 40
"""Feedbacks that are kept; the oldest goes first."""
FEEDBACK_TEXT: Final = 500
"""Characters that are kept of what somebody wrote as feedback."""
ACCESSES: Final = 100
ACCESS_WORDS: Final = 50
"""Characters that are kept of what somebody looked at."""
DISMISSED: Final = 100


def size(part: BaseModel) -> int:
    """Bytes of a part of a player as JSON."""
    return len(part.model_dump_json().encode())


@dataclass(frozen=True, slots=True)
class CharacterKept:
    """A character; times in ms since 1970 UTC, ``removed_at`` 0 while it is played."""

    character: Character
    created_at: int
    changed_at: int
    removed_at: int = 0

    @property
    def active(self) -> bool:
        return self.character.is_active


@dataclass(frozen=True, slots=True)
class Customized:
    """A world as one character wants it."""

    character: str
    world: str
    parameters: WorldParameters
    at: int


@dataclass(frozen=True, slots=True)
class Feedback:
    """What a player said of a session.

    Attributes:
        type: rating, text, preference_change or crisis_indicator.
        changes: what it led to; confidence: 0 to 1.
        waits: it needs the player's word; approved: which was given, None while it was not.
        text: at most 500 characters of it.
    """

    feedback_id: str
    type: str
    at: int
    session: str | None = None
    rating: int | None = None
    text: str | None = None
    preference_changes: str | None = None
    crisis_types: tuple[CrisisType, ...] = ()
    changes: tuple[str, ...] = ()
    confidence: float = 0.0
    waits: bool = False
    approved: bool | None = None


@dataclass(frozen=True, slots=True)
class Access:
    """Somebody else looked; ``role``: delegate, operator, reader or stranger."""

    by: str
    role: str
    what: str
    at: int


@dataclass(slots=True)
class Player:
    """One player, by the learner's id; times in ms since 1970 UTC.

    Attributes:
        settings: how it wants to be led, never in an unresolved conflict that is an error.
        characters: by id, in the order they were made; worlds: the newest last.
        open: sessions that have not ended, by the character that is played in them, its newest.
        seen_at: when it last began or resumed a session; 0 never.
        feedback, accesses, dismissed: the newest last.
        id: the learner's, as its own checkpoints have it.
    """

    username: str
    email: str
    time_zone: str
    created_at: int
    updated_at: int
    preferences: TherapeuticPreferences = field(default_factory=TherapeuticPreferences)
    privacy: PrivacySettings = field(default_factory=PrivacySettings)
    delegates: tuple[str, ...] = ()
    is_active: bool = True
    settings: PlayerSettings = field(default_factory=PlayerSettings)
    characters: dict[str, CharacterKept] = field(default_factory=dict)
    worlds: tuple[Customized, ...] = ()
    open: dict[str, str] = field(default_factory=dict)
    seen_at: int = 0
    feedback: tuple[Feedback, ...] = ()
    accesses: tuple[Access, ...] = ()
    dismissed: tuple[str, ...] = ()
    id: str = ""

    def copy(self) -> Player:
        """An equal player that shares nothing changeable."""
        return replace(self, characters=dict(self.characters), open=dict(self.open))

    @property
    def active(self) -> tuple[CharacterKept, ...]:
        """The characters that can be played."""
        return tuple(kept for kept in self.characters.values() if kept.active)

    def parameters(self, character: str, world: str) -> WorldParameters | None:
        """How a character wants a world; None: as it comes."""
        for one in self.worlds:
            if (one.character, one.world) == (character, world):
                return one.parameters
        return None

    def begins(self, session: str, character: str | None, at: int) -> None:
        """A session of the player has begun; a character has one open session, its newest."""
        self.seen_at = at
        if character is not None and character in self.characters:
            self.open[character] = session

    def ends(self, session: str) -> None:
        self.open = {one: other for one, other in self.open.items() if other != session}

    def said(self, feedback_id: str) -> Feedback | None:
        return next((one for one in self.feedback if one.feedback_id == feedback_id), None)
