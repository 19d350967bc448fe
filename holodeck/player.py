"""Players, as a program holds them.

One law: whoever reads says who is reading, and sees what the player lets it see; only the player
itself changes anything.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from holodeck.messages.codec import unpack
from holodeck.messages.control import Receipt
from holodeck.messages.envelope import ReadPlayer
from holodeck.messages.errors import RefusedError
from holodeck.messages.ids import check_id, new_id
from holodeck.messages.player import (
    ApproveChange,
    ChangePlayerSettings,
    Character,
    CreatePlayer,
    CrisisType,
    CustomizeWorld,
    DismissRecommendation,
    GiveFeedback,
    PlayerSettings,
    ProgressGoal,
    PutCharacter,
    RecordAccess,
    RemoveCharacter,
    UpdatePlayer,
    WorldParameters,
)
from holodeck.session import Step

if TYPE_CHECKING:
    from holodeck.deck import Deck

Role = Literal["owner", "learner", "operator", "reader"]
PROTECTED = frozenset({"player_id", "created_at"})
"""What no update of a profile changes."""


class Player:
    """One player, by the learner's id."""

    def __init__(self, deck: Deck, identity: str) -> None:
        self._deck = deck
        self.id = check_id(identity)

    # -- saying and asking ----------------------------------------

    async def command(self, body: Any, *, id: str | None = None) -> Step:
        """Sends any command of a player."""
        return Step.of(
            await self._deck.caller.command("learner", self.id, id or new_id("cmd"), body)
        )

    async def view(
        self, view: str, *, viewer: str | None = None, role: Role | None = None, **more: Any
    ) -> dict[str, Any]:
        """One view, as plain values; times in ms since 1970 UTC.

        Args:
            viewer: the learner who asks; None: the player itself, unless ``role`` says otherwise.
            role: who asks, where that is no learner.
            more: ``character``, ``world``, ``days``, ``limit``, ``after`` of
                :class:`~holodeck.messages.envelope.ReadPlayer`.

        Raises:
            RefusedError: ``unknown-player``; ``access-restricted``; ``unknown-view``.
        """
        query = ReadPlayer(
            view=view,
            at=int(time.time() * 1000),
            viewer=viewer,
            role=role or ("owner" if viewer is None else "learner"),
            **more,
        )
        answer = await self._deck.caller.command("learner", self.id, new_id("ask"), query)
        found: dict[str, Any] = unpack(answer.state or b"")
        return found

    def _owner(self, by: str | None) -> None:
        if by is not None and by != self.id:
            raise RefusedError("access-restricted", "only the player itself changes its profile")

    # -- profile ----------------------------------------

    async def create(
        self, username: str, email: str, *, id: str | None = None, **more: Any
    ) -> Step:
        """Gives the learner a profile; takes what :class:`CreatePlayer` has.

        Raises:
            RefusedError: ``player-exists``; ``name-taken``, somebody else has that name.
        """
        return await self.command(CreatePlayer(username=username, email=email, **more), id=id)

    async def update(self, *, by: str | None = None, id: str | None = None, **changes: Any) -> Step:
        """Changes the profile; takes what :class:`UpdatePlayer` has.

        Args:
            by: the learner who asks for it; None: the player.

        Raises:
            RefusedError: ``unknown-player``; ``name-taken``; ``access-restricted``, somebody else
                asks for it, or a field that never changes is named.
        """
        self._owner(by)
        protected = sorted(PROTECTED & changes.keys())
        if protected:
            raise RefusedError("access-restricted", f"{', '.join(protected)} cannot be updated")
        return await self.command(UpdatePlayer(**changes), id=id)

    async def profile(
        self, *, viewer: str | None = None, role: Role | None = None, after: int = 0
    ) -> dict[str, Any]:
        """The profile as ``viewer`` may see it; see :meth:`view`."""
        return await self.view("profile", viewer=viewer, role=role, after=after)

    # -- settings ----------------------------------------

    async def settings(self, *, viewer: str | None = None) -> PlayerSettings:
        found = await self.view("settings", viewer=viewer)
        return PlayerSettings.model_validate(found["settings"])

    async def change_settings(
        self,
        settings: PlayerSettings,
        *,
        base: int | None = None,
        resolve: bool = True,
        by: str | None = None,
        id: str | None = None,
    ) -> tuple[PlayerSettings, list[dict[str, Any]]]:
        """Makes them the player's settings, mended where ``resolve`` says so.

        Args:
            base: the version they were made from; another one by now refuses them.

        Returns:
            the settings as they are stored, and the conflicts that are left (warnings).

        Raises:
            RefusedError: ``unknown-player``; ``settings-version``; ``settings-conflict``;
                ``access-restricted``.
        """
        self._owner(by)
        body = ChangePlayerSettings(settings=settings, base=base, resolve=resolve)
        step = await self.command(body, id=id)
        found = await self.view("settings", after=step.sequence)
        return PlayerSettings.model_validate(found["settings"]), list(found["conflicts"])

    # -- characters and worlds ----------------------------------------

    async def characters(self, *, viewer: str | None = None) -> list[dict[str, Any]]:
        """All characters, in the order they were made, with those that are played no more."""
        return list((await self.view("characters", viewer=viewer))["characters"])

    async def put_character(
        self, character: Character, *, create: bool = True, id: str | None = None
    ) -> Step:
        """A new character, or all of one anew.

        Raises:
            RefusedError: ``unknown-player``; ``character-exists``; ``unknown-character``;
                ``too-many-characters``; ``too-large``.
        """
        return await self.command(PutCharacter(character=character, create=create), id=id)

    async def remove_character(self, character: str, *, id: str | None = None) -> Step:
        """Raises RefusedError: ``unknown-player``, ``unknown-character``."""
        return await self.command(RemoveCharacter(character=character), id=id)

    async def progress_goal(
        self, character: str, goal: str, percentage: float, *, id: str | None = None
    ) -> Step:
        """Raises RefusedError: ``unknown-player``, ``unknown-character``, ``unknown-goal``."""
        body = ProgressGoal(character=character, goal=goal, percentage=percentage)
        return await self.command(body, id=id)

    async def customize(
        self, character: str, world: str, parameters: WorldParameters, *, id: str | None = None
    ) -> Step:
        """Raises RefusedError: ``unknown-player``, ``unknown-character``, ``unknown-world``."""
        body = CustomizeWorld(character=character, world=world, parameters=parameters)
        return await self.command(body, id=id)

    async def compatibility(
        self, character: str, world: str, *, viewer: str | None = None
    ) -> dict[str, Any]:
        """How a character and a world go together.

        Raises:
            RefusedError: ``unknown-player``, ``unknown-character``, ``unknown-world``.
        """
        return await self.view("compatibility", viewer=viewer, character=character, world=world)

    # -- feedback ----------------------------------------

    async def feedback(
        self,
        *,
        rating: int | None = None,
        text: str | None = None,
        preference_changes: str | None = None,
        crisis_types: Sequence[CrisisType] = (),
        session: str | None = None,
        feedback_id: str | None = None,
        id: str | None = None,
    ) -> Step:
        """Says something of a session: one of rating (1 to 5), text, changes (a JSON object of
        settings) and crisis types. What follows is in the step's events.

        Raises:
            RefusedError: ``unknown-player``; ``invalid-preference``.
        """
        body = GiveFeedback(
            feedback_id=feedback_id or new_id("fb"),
            session=session,
            rating=rating,
            text=text,
            preference_changes=preference_changes,
            crisis_types=tuple(crisis_types),
        )
        return await self.command(body, id=id)

    async def approve(
        self, feedback_id: str, approve: bool = True, *, id: str | None = None
    ) -> Step:
        """Raises RefusedError: ``unknown-player``, ``unknown-feedback``, ``already-answered``,
        ``settings-conflict``."""
        return await self.command(ApproveChange(feedback_id=feedback_id, approve=approve), id=id)

    async def dismiss(self, recommendation: str, *, id: str | None = None) -> Step:
        """Raises RefusedError: ``unknown-player``."""
        return await self.command(DismissRecommendation(recommendation=recommendation), id=id)

    # -- how it comes on ----------------------------------------

    async def progress(
        self, *, viewer: str | None = None, role: Role | None = None, after: int = 0
    ) -> dict[str, Any]:
        """Engagement, trends, strengths and next goals; see ``docs/progress.md`` for all that is in
        it. A learner without a profile sees its own."""
        return await self.view("progress", viewer=viewer, role=role, after=after)

    async def charts(
        self,
        days: int = 14,
        *,
        viewer: str | None = None,
        role: Role | None = None,
        after: int = 0,
    ) -> dict[str, Any]:
        """Sessions, minutes and markers of each of the last days; ``days``: 1 to 60, what is
        beyond is the nearest within."""
        days = min(60, max(1, days))
        return await self.view("charts", viewer=viewer, role=role, days=days, after=after)

    async def milestones(
        self, *, viewer: str | None = None, role: Role | None = None, after: int = 0
    ) -> dict[str, Any]:
        """``{achieved, upcoming, highlights}``."""
        return await self.view("milestones", viewer=viewer, role=role, after=after)

    async def effectiveness(
        self, days: int = 30, *, viewer: str | None = None, after: int = 0
    ) -> dict[str, Any]:
        """What the last ``days`` (1 to 60) brought."""
        days = min(60, max(1, days))
        return await self.view("effectiveness", viewer=viewer, days=days, after=after)

    async def recommendations(
        self, *, viewer: str | None = None, after: int = 0
    ) -> list[dict[str, Any]]:
        """At most eight, the most urgent first; see :meth:`dismiss`."""
        found = await self.view("recommendations", viewer=viewer, after=after)
        return list(found["recommendations"])

    async def sessions(
        self, limit: int = 50, *, viewer: str | None = None, after: int = 0
    ) -> list[dict[str, Any]]:
        """Those that live, then the newest fifty that are over; each the newest first."""
        found = await self.view("sessions", viewer=viewer, limit=limit, after=after)
        return list(found["sessions"])

    async def dashboard(self, *, viewer: str | None = None, after: int = 0) -> dict[str, Any]:
        """All of it at one look."""
        return await self.view("dashboard", viewer=viewer, after=after)

    # -- who looked ----------------------------------------

    async def access_log(self, *, viewer: str | None = None) -> list[dict[str, Any]]:
        """The last 100 looks of others, in order: ``{by, role, what, at}``; the owner's alone."""
        return list((await self.view("access-log", viewer=viewer))["accesses"])

    async def record_access(
        self,
        by: str,
        role: Literal["delegate", "operator", "reader", "stranger"],
        what: str,
        *,
        id: str | None = None,
    ) -> Step:
        """Notes that somebody else looked.

        Raises:
            RefusedError: ``unknown-player``.
        """
        return await self.command(RecordAccess(by=by, role=role, what=what), id=id)

    # -- all of it ----------------------------------------

    def export(self) -> AsyncIterator[dict[str, Any]]:
        """Everything about the player and nobody else; see :meth:`holodeck.deck.Deck.export`."""
        return self._deck.export(self.id)

    async def erase(self, *, wait_s: float = 600.0) -> Receipt:
        """Leaves nothing of the player; see :meth:`holodeck.deck.Deck.erase`."""
        return await self._deck.erase(self.id, wait_s=wait_s)
