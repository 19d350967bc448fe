"""What a host does for conversations: prepares their worlds, looks at turns, has minds speak.

One law: a mind is asked for an intent that stands in the session's state, and what it says comes
back as a command of that session; so a pause can cancel it, a crash repeats it, and one reply is
stored.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any, Final, Protocol

import structlog
from pydantic import ValidationError

from holodeck.actors.session.playing.state import as_object
from holodeck.actors.session.state import Phase, SessionState
from holodeck.actors.session.talk.context import assemble, cast_of, cue
from holodeck.actors.session.talk.live import recent_turns, told
from holodeck.actors.shell import SessionShell
from holodeck.broker.port import Log
from holodeck.messages.codec import decode_checkpoint, unpack
from holodeck.messages.envelope import Answer
from holodeck.messages.errors import RefusedError, TransientError
from holodeck.messages.ids import new_id
from holodeck.messages.persona import Persona
from holodeck.messages.player import TherapeuticSettings
from holodeck.messages.session import (
    CastMember,
    NpcReply,
    StartSession,
    TakeTurn,
    TurnTaken,
)
from holodeck.messages.subjects import WORDS
from holodeck.messages.talk import (
    BriefLearner,
    BriefNpc,
    LearnerBrief,
    NpcBrief,
    OfferRefraction,
    RefractionAsked,
    TurnAnalysis,
)
from holodeck.minds.port import Faculties, Prompt, Utterance

log = structlog.get_logger("holodeck.minds")

BRIEF_PATIENCE_S: Final = 5.0
"""How long learner and NPCs are asked before a start, seconds; longer than a takeover takes."""
MAX_WORDS: Final = 4000


class Around(Protocol):
    """What is needed of the host."""

    ns: str
    journal: Log

    def now(self) -> int: ...
    def spawn(self, coroutine: Any) -> None: ...
    def post(self, subject: str, data: bytes) -> None: ...
    async def command(
        self, kind: str, identity: str, command: str, body: Any, seconds: float
    ) -> Answer: ...


class Conversing:
    """The thinking side of a host."""

    def __init__(self, house: Around, faculties: Faculties) -> None:
        self._house = house
        self._faculties = faculties

    # -- before a session ----------------------------------------

    def knows_worlds(self) -> bool:
        return self._faculties.library is not None

    def world(self, persona: str) -> Persona | None:
        library = self._faculties.library
        return library.get(persona) if library is not None and persona else None

    def check(self, persona: str, cast: tuple[CastMember, ...]) -> None:
        """
        Raises:
            RefusedError: ``unknown-persona``, with those there are; ``unknown-npc``.
        """
        if self.knows_worlds():
            cast_of(self._known(persona), cast)

    def _known(self, persona: str) -> Persona:
        library, found = self._faculties.library, self.world(persona)
        if library is None or found is None:
            known = ", ".join(library.names()) if library is not None else "none"
            raise RefusedError("unknown-persona", f"{persona!r}; there are {known}")
        return found

    async def prepare(self, start: StartSession) -> StartSession:
        """One round trip, to the learner and to every NPC at once.

        Both are asked behind the claim this start rests on: whatever was stored before it, such
        as the end of the session before, they know.
        """
        persona = self._known(start.persona)
        cast = cast_of(persona, start.cast)
        at, after = self._house.now(), start.claim or 0
        asked = cue(persona, ())
        learner, *npcs = await asyncio.gather(
            self._ask(
                "learner",
                start.learner,
                BriefLearner(at=at, persona=persona.id, after=after),
            ),
            *(
                self._ask(
                    "npc",
                    member.npc,
                    BriefNpc(learner=start.learner, at=at, cue=asked, after=after),
                )
                for member in cast
            ),
        )
        try:
            told = LearnerBrief.model_validate(learner)
            context, stage = assemble(
                persona,
                told,
                {
                    member.npc: NpcBrief.model_validate(brief)
                    for member, brief in zip(cast, npcs, strict=True)
                },
                cast,
                start.analysis,
                start.ladder,
            )
        except ValidationError as error:
            raise TransientError(f"a briefing cannot be read: {error}") from error
        settings = start.settings or told.settings
        return start.model_copy(
            update={"cast": cast, "context": context, "stage": stage, "settings": settings}
        )

    async def _ask(self, kind: str, identity: str, body: BriefLearner | BriefNpc) -> Any:
        answer = await self._house.command(kind, identity, new_id("ask"), body, BRIEF_PATIENCE_S)
        return unpack(answer.state or b"", kind)

    # -- before a turn ----------------------------------------

    def analyse(
        self, state: SessionState, turn: TakeTurn
    ) -> TurnAnalysis | Awaitable[TurnAnalysis | None] | None:
        talk, charter = state.talk, state.charter
        if talk is None or charter is None:
            return None
        analyst = self._faculties.analysts.get(talk.analysis)
        world = self.world(charter.persona)
        character = talk.character(turn.npc)
        if analyst is None or world is None or character is None:
            return None
        utterance = Utterance(
            text=turn.text,
            world=world,
            character=character,
            expected=tuple(due.form for due in talk.stage.injections),
            recent=recent_turns(state),
            settings=settings_of(state),
        )
        try:
            found = analyst.analyse(utterance)
        except Exception as error:  # whatever an adapter may raise: then nobody looked
            log.warning("analysis.failed", reason=repr(error))
            return None
        return found if isinstance(found, TurnAnalysis) else _patiently(found)

    # -- what minds say ----------------------------------------

    def stored(self, shell: SessionShell, events: Sequence[Any]) -> None:
        """A session has stored a checkpoint: has the mind answer what asks for an answer."""
        first = events[0]
        if isinstance(first, TurnTaken):
            if shell.state.awaiting:
                self._house.spawn(self._think(shell, first.turn, first.npc, first.text, events))
        elif isinstance(first, RefractionAsked):
            self._house.spawn(self._refract(shell, first))

    async def again(self, shell: SessionShell) -> None:
        """A recovered session with an unanswered turn or refraction asks again."""
        state = shell.state
        waiting = [state.awaiting_seq] if state.awaiting else []
        if state.talk is not None and state.phase is Phase.ACTIVE:
            waiting += [one.asked_seq for one in state.talk.refractions if not one.offered]
        for sequence in waiting:
            record = await self._house.journal.get(sequence)
            if record is None:
                continue
            self.stored(shell, decode_checkpoint(record.data, record.subject).events)

    async def greet(self, shell: SessionShell, npc: str) -> None:
        await self._think(shell, 0, npc, "", ())

    async def _think(
        self, shell: SessionShell, turn: int, npc: str, text: str, events: Sequence[Any]
    ) -> None:
        """Asks the session's mind for a reply and sends it to the session as a command."""
        state = shell.state
        charter = state.charter
        mind = self._faculties.minds.get(charter.mind) if charter is not None else None
        if charter is None or mind is None:
            return
        prompt = Prompt(
            intent=f"{shell.identity}.{state.awaiting_seq}.mind",
            session=shell.identity,
            npc=npc,
            learner=charter.learner,
            persona=charter.persona,
            turn=turn,
            text=text,
            **_led(state),
        )
        if state.talk is not None and (world := self.world(charter.persona)) is not None:
            prompt = told(state, world, prompt, events, self._house.now())
        house = self._house
        subject = WORDS.of(house.ns, shell.identity, turn)

        def heard(piece: str) -> None:
            house.post(subject, piece.encode())

        try:
            said = await mind.reply(prompt, heard)
        except Exception as error:  # whatever an adapter may raise: it has nothing to say
            log.warning("mind.failed", session=shell.identity, reason=repr(error))
            return
        if shell.dropped:
            return
        if turn == 0 or shell.state.awaiting == turn:
            reply = NpcReply(
                turn=turn,
                npc=npc,
                text=said.text[:MAX_WORDS] or "…",
                opened=said.opened[:5],
                source=said.source[:200],
            )
            shell.internal(f"turn-{turn}-reply", reply)

    async def _refract(self, shell: SessionShell, asked: RefractionAsked) -> None:
        charter = shell.state.charter
        refractor = self._faculties.refractors.get(charter.mind) if charter is not None else None
        if charter is None or refractor is None:
            return
        try:
            response = await refractor.refract(
                asked.request, self.world(charter.persona), settings_of(shell.state)
            )
        except Exception as error:  # whatever an adapter may raise: nothing is offered
            log.warning("refraction.failed", session=shell.identity, reason=repr(error))
            return
        if not shell.dropped:
            shell.internal(
                f"refraction-{asked.number}-offer",
                OfferRefraction(number=asked.number, response=response),
            )


def settings_of(state: SessionState) -> TherapeuticSettings | None:
    """How a session is to be led; None: nobody said."""
    return None if state.playing is None else state.playing.settings


def _led(state: SessionState) -> dict[str, Any]:
    """What a prompt says of how the session is played."""
    playing = state.playing
    if playing is None:
        return {}
    kept = {} if playing.narrative is None else as_object(playing.narrative)
    story = kept.get("summary")
    return {
        "settings": playing.settings,
        "scene": playing.scene,
        "story": story if isinstance(story, str) else "",
    }


async def _patiently(found: Awaitable[TurnAnalysis]) -> TurnAnalysis | None:
    try:
        return await found
    except Exception as error:  # whatever an adapter may raise: then nobody looked
        log.warning("analysis.failed", reason=repr(error))
        return None
