"""What a host does for how a session is played: asks the player at a start, and the narrator.

One law: what the narrator keeps is stored in the checkpoint it belongs to, and a narrator that
fails or is slow costs a session its thread, never its turn.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, Protocol

import structlog
from pydantic import ValidationError

from holodeck.actors.metrics import Metrics
from holodeck.actors.session.playing.state import MAX_OBJECT, as_object
from holodeck.actors.session.state import Phase, SessionState
from holodeck.actors.session.talk.live import recent_turns
from holodeck.actors.shell import SessionShell
from holodeck.messages.codec import unpack
from holodeck.messages.envelope import Answer, ReadPlayer
from holodeck.messages.errors import DecodeError, RefusedError, TransientError
from holodeck.messages.ids import new_id
from holodeck.messages.player import SettingsChanged, TherapeuticSettings
from holodeck.messages.session import (
    Pause,
    SessionEnded,
    SessionKind,
    SessionResumed,
    StartSession,
)
from holodeck.minds.port import Faculties, Story

log = structlog.get_logger("holodeck.narrator")

ASK_S: Final = 5.0
"""How long a player is asked before a start, seconds; longer than a takeover takes."""
NARRATOR_S: Final = 2.0
"""How long a narrator is waited for, seconds."""


class Around(Protocol):
    """What is needed of the host."""

    metrics: Metrics

    def now(self) -> int: ...
    def spawn(self, coroutine: Any) -> None: ...
    async def command(
        self, kind: str, identity: str, command: str, body: Any, seconds: float
    ) -> Answer: ...


class Narrating:
    """The side of a host that knows who is played, and where."""

    def __init__(self, house: Around, faculties: Faculties, abandon_s: float = 0.0) -> None:
        """
        Args:
            abandon_s: of sessions whose start does not say, seconds; 0 never.
        """
        self._house = house
        self._narrator = faculties.narrator
        self._worlds = faculties.worlds
        self._abandon_s = abandon_s
        self._telling: dict[str, asyncio.Future[None]] = {}

    # -- before a start ----------------------------------------

    def concerns(self, start: StartSession) -> bool:
        """Whether somebody in particular is played, or somewhere."""
        return start.character is not None or start.world is not None

    def completed(self, start: StartSession) -> StartSession:
        """The start with how long it may be left alone, where it does not say, and with the
        persona whose people live in its world."""
        change: dict[str, Any] = {}
        if start.abandon_s is None:
            change["abandon_s"] = self._abandon_s if start.session_kind.claims else 0.0
        if start.world is not None and not start.persona and self._worlds is not None:
            world = self._worlds.get(start.world)
            if world is not None and start.session_kind is SessionKind.CONVERSATION:
                change["persona"] = world.persona
        return start.model_copy(update=change) if change else start

    def check(self, world: str) -> None:
        """
        Raises:
            RefusedError: ``unknown-world``, with those there are.
        """
        if self._worlds is not None and self._worlds.get(world) is None:
            known = ", ".join(self._worlds.names())
            raise RefusedError("unknown-world", f"{world!r}; there are {known}"[:1000])

    async def prepare(self, start: StartSession, session: str) -> StartSession:
        """The start with the player's settings and what the narrator keeps of it.

        Raises:
            RefusedError: ``unknown-world``; ``unknown-character``; ``player-inactive``;
                ``learner-erased``.
            TransientError: the learner did not answer.
        """
        if start.world is not None:
            self.check(start.world)
        settings = start.settings
        if start.character is not None or settings is None:
            ask = ReadPlayer(
                view="beginning",
                at=self._house.now(),
                after=start.claim or 0,
                character=start.character,
            )
            answer = await self._house.command("learner", start.learner, new_id("ask"), ask, ASK_S)
            try:
                told = unpack(answer.state or b"", "learner").get("settings")
                players = None if told is None else TherapeuticSettings.model_validate(told)
            except (DecodeError, ValidationError) as error:
                raise TransientError(f"settings cannot be read: {error}") from error
            settings = settings or players or TherapeuticSettings()
        start = start.model_copy(update={"settings": settings})
        if start.narrative is None and self._narrator is not None:
            story = Story(
                session,
                start.learner,
                start.character or "",
                start.world or "",
                settings,
            )
            kept = await self._kept(session, self._narrator.initialise(story))
            start = start.model_copy(update={"narrative": kept})
        return start

    # -- while it is played ----------------------------------------

    def tells(self, state: SessionState) -> bool:
        """Whether a narrator has to do with it."""
        playing = state.playing
        if self._narrator is None or playing is None or state.parent:
            return False
        return bool(playing.character or playing.world)

    async def pausing(self, state: SessionState, session: str, pause: Pause) -> Pause:
        """The pause with what the narrator keeps; as it is where the narrator says nothing."""
        if self._narrator is None:
            return pause
        await self.settled(session)
        kept = await self._kept(session, self._narrator.state(story_of(state, session)))
        return pause if kept is None else pause.model_copy(update={"narrative": kept})

    def stored(self, shell: SessionShell, events: Sequence[Any]) -> None:
        """A played session has stored a checkpoint: the narrator hears what concerns it."""
        narrator = self._narrator
        if narrator is None or not self.tells(shell.state):
            return
        for event in events:
            story = story_of(shell.state, shell.identity)
            match event:
                case SessionResumed():
                    self._tell(story, narrator.restore)
                case SettingsChanged():
                    self._tell(story, narrator.settings)
                case SessionEnded():
                    self._tell(story, narrator.finalise)
                case _:
                    pass  # nothing a narrator hears of

    def again(self, shell: SessionShell) -> None:
        """A session is in memory again, perhaps of another process: the story goes on here."""
        narrator = self._narrator
        if narrator is None or shell.state.phase is not Phase.ACTIVE:
            return
        if self.tells(shell.state):
            story = story_of(shell.state, shell.identity)
            self._tell(story, narrator.restore)

    async def settled(self, session: str) -> None:
        """Waits until the narrator has heard everything of a session."""
        telling = self._telling.get(session)
        if telling is not None:
            await asyncio.wait((telling,), timeout=2 * NARRATOR_S)

    # -- the narrator's own time ----------------------------------------

    def _tell(self, story: Story, tell: Callable[[Story], Awaitable[None]]) -> None:
        """One thing after the other, in the order it was stored."""
        before = self._telling.get(story.session)
        heard: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._telling[story.session] = heard

        async def told() -> None:
            try:
                if before is not None:
                    await asyncio.wait((before,), timeout=2 * NARRATOR_S)
                await self._patiently(story.session, tell(story))
            finally:
                heard.set_result(None)
                if self._telling.get(story.session) is heard:
                    del self._telling[story.session]

        self._house.spawn(told())

    async def _kept(self, session: str, asking: Awaitable[Mapping[str, Any]]) -> str | None:
        """What the narrator keeps, as JSON; None where it has nothing that can be kept."""
        kept = await self._patiently(session, asking)
        if kept is None:
            return None
        try:
            text = json.dumps(
                dict(kept), ensure_ascii=False, separators=(",", ":"), allow_nan=False
            )
        except (TypeError, ValueError) as error:
            self._failed(session, f"no JSON object: {error}")
            return None
        if len(text.encode(errors="replace")) > MAX_OBJECT:
            self._failed(session, f"more than {MAX_OBJECT} bytes")
            return None
        return text

    async def _patiently(self, session: str, asking: Awaitable[Any]) -> Any:
        try:
            async with asyncio.timeout(NARRATOR_S):
                return await asking
        except Exception as error:  # whatever an adapter may raise: the story goes on without it
            self._failed(session, repr(error))
            return None

    def _failed(self, session: str, reason: str) -> None:
        self._house.metrics.narrator_failures.inc()
        log.warning("narrator.failed", session=session, reason=reason)


def story_of(state: SessionState, session: str) -> Story:
    """What a narrator is told of a session as it stands."""
    playing, charter = state.playing, state.charter
    assert playing is not None
    assert charter is not None
    kept = playing.narrative
    return Story(
        session,
        charter.learner,
        playing.character or "",
        playing.world or "",
        playing.settings,
        playing.scene,
        state.turns,
        recent_turns(state),
        None if kept is None else as_object(kept),
    )
