"""Learners and NPCs, as a program holds them.

One law: what they know is the fold of what concerned them; asking them changes nothing.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from holodeck.actors.learner.decider import LEARNER_STATE, LearnerState
from holodeck.actors.learner.profile import persistence
from holodeck.actors.npc.decider import (
    NPC_STATE,
    RELATION_STATE,
    Band,
    NpcState,
    Relation,
    band,
)
from holodeck.messages.codec import unpack
from holodeck.messages.conversation import (
    AdaptiveLessonResult,
    InterSessionPersistence,
    ScheduledTrigger,
)
from holodeck.messages.envelope import (
    ReadState,
)
from holodeck.messages.ids import check_id, new_id
from holodeck.messages.learner import (
    AnswerTrigger,
    EditProfile,
    ReportLesson,
    ScheduleTrigger,
)
from holodeck.messages.npc import DescribeNpc
from holodeck.messages.talk import (
    BriefLearner,
    BriefNpc,
    LearnerBrief,
    NpcBrief,
)
from holodeck.practice import Mastery, PastPractice, Practice, mastery_of
from holodeck.session import Step

if TYPE_CHECKING:
    from holodeck.deck import Deck


@dataclass(frozen=True, slots=True)
class Standing:
    """How a learner stands with an NPC, with the band it falls into."""

    relation: Relation
    band: Band


class Learner:
    """One learner, by its id."""

    def __init__(self, deck: Deck, identity: str) -> None:
        self._deck = deck
        self.id = check_id(identity)

    async def state(self, *, after: int = 0) -> LearnerState:
        """The fold of everything that concerned the learner; with ``after``: at least up to
        that sequence."""
        answer = await self._deck.caller.command(
            "learner", self.id, new_id("ask"), ReadState(after=after)
        )
        return LEARNER_STATE.validate_python(unpack(answer.state or b""))

    async def command(self, body: Any, *, id: str | None = None) -> Step:
        """Sends any learner command."""
        return Step.of(
            await self._deck.caller.command("learner", self.id, id or new_id("cmd"), body)
        )

    async def edit(self, **profile: Any) -> Step:
        """Says something of the learner; takes what :class:`EditProfile` has."""
        return await self.command(EditProfile(**profile))

    async def report_lesson(self, result: AdaptiveLessonResult) -> Step:
        """How the learner worked through its pending curriculum.

        Raises:
            RefusedError: ``unknown-curriculum``.
        """
        return await self.command(ReportLesson(result=result))

    async def schedule(self, trigger: ScheduledTrigger) -> Step:
        """Has something said to the learner at its time.

        Raises:
            RefusedError: ``trigger-exists``, ``trigger-past``, ``queue-full``.
        """
        return await self.command(ScheduleTrigger(trigger=trigger))

    async def answer_trigger(self, trigger: str, status: Literal["engaged", "dismissed"]) -> Step:
        """What the learner did with something that was said to it.

        Raises:
            RefusedError: ``unknown-trigger``.
        """
        return await self.command(AnswerTrigger(trigger=trigger, status=status))

    async def brief(self, persona: str = "", *, after: int = 0) -> LearnerBrief:
        """What a session of that persona would be told of the learner now."""
        body = BriefLearner(at=int(time.time() * 1000), persona=persona, after=after)
        answer = await self._deck.caller.command("learner", self.id, new_id("ask"), body)
        return LearnerBrief.model_validate(unpack(answer.state or b""))

    # -- practice ----------------------------------------

    async def mastery(self, curriculum: str = "primary-maths", *, after: int = 0) -> Mastery:
        """How far the learner has come in a curriculum; with ``after``: at least up to that
        sequence."""
        practised = (await self.state(after=after)).practice or {}
        return mastery_of(curriculum, practised.get(curriculum), int(time.time() * 1000))

    async def practice_history(
        self, curriculum: str | None = None, *, after: int = 0
    ) -> tuple[PastPractice, ...]:
        """Practice sessions that are over, the newest 50 of each curriculum, the newest first;
        None: of all."""
        practised = (await self.state(after=after)).practice or {}
        found = [
            past
            for name, profile in practised.items()
            if curriculum in (None, name)
            for past in profile.history
        ]
        return tuple(sorted(found, key=lambda past: past.at, reverse=True))

    async def open_practice(self, curriculum: str | None = None) -> Practice | None:
        """The practice session to go on with: the one that holds the learner, else the one begun
        last of those that have not ended (it is paused then); None: there is none."""
        state = await self.state()
        practised = state.practice or {}
        found = [
            session
            for name, profile in practised.items()
            if curriculum in (None, name)
            for session in profile.live
        ]
        if not found:
            return None
        begun = {visit.session: visit.started_at for visit in state.recent}
        held = state.claim.session if state.claim is not None else ""
        session = max(found, key=lambda one: (one == held, begun.get(one, 0)))
        return Practice(self._deck, session, self.id)

    async def persistence(self) -> InterSessionPersistence:
        """All that stays between sessions: the learner's, and of every NPC it has met."""
        state = await self.state()
        profile = state.profile
        npcs = () if profile is None else profile.met
        met = await asyncio.gather(*(self._deck.npc(npc).brief(self.id) for npc in npcs))
        relations = {npc: standing.relation for npc, standing in zip(npcs, met, strict=True)}
        return persistence(profile, relations, int(time.time() * 1000))


class Npc:
    """One NPC, by its id."""

    def __init__(self, deck: Deck, identity: str) -> None:
        self._deck = deck
        self.id = check_id(identity)

    async def describe(
        self, name: str, role: str = "", *, id: str | None = None, **more: Any
    ) -> None:
        """Says who the NPC is; takes what :class:`DescribeNpc` has."""
        body = DescribeNpc(name=name, role=role, **more)
        await self._deck.caller.command("npc", self.id, id or new_id("cmd"), body)

    async def briefing(
        self, learner: str, *, cue: str = "", recall: int = 5, after: int = 0
    ) -> NpcBrief:
        """What the NPC would know of a learner entering a session now; memories by ``cue``."""
        body = BriefNpc(
            learner=learner, at=int(time.time() * 1000), cue=cue, recall=recall, after=after
        )
        answer = await self._deck.caller.command("npc", self.id, new_id("ask"), body)
        return NpcBrief.model_validate(unpack(answer.state or b""))

    async def state(self, *, after: int = 0) -> NpcState:
        answer = await self._deck.caller.command(
            "npc", self.id, new_id("ask"), ReadState(after=after)
        )
        return NPC_STATE.validate_python(unpack(answer.state or b""))

    async def brief(self, learner: str, *, after: int = 0) -> Standing:
        """How the learner stands with this NPC; with ``after``: at least up to that sequence."""
        answer = await self._deck.caller.command(
            "npc", self.id, new_id("ask"), ReadState(after=after, learner=check_id(learner))
        )
        found = RELATION_STATE.validate_python(unpack(answer.state or b""))
        return Standing(found, band(found.standing(int(time.time() * 1000))))
