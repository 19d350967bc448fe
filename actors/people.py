"""The shells of NPCs and learners: briefings, and what a learner does by itself.

One law: a briefing changes nothing and takes no place in the mailbox; what a learner owes (the
evaluation of a session, something to be said between sessions) is a command it sends to itself,
decided and stored like any other, so that it happens once whoever dies in between.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable
from typing import Final

import structlog

from holodeck.actors.learner import briefing as learner_briefing
from holodeck.actors.learner.decider import LearnerState, due_command, learner, next_due
from holodeck.actors.learner.player.reading import read
from holodeck.actors.npc import briefing as npc_briefing
from holodeck.actors.npc.decider import NpcState, Relation, npc
from holodeck.actors.shell import FoldShell, House, Work
from holodeck.messages.codec import pack
from holodeck.messages.envelope import Answer, ReadPlayer
from holodeck.messages.errors import RefusedError, TransientError
from holodeck.messages.learner import RunLoop
from holodeck.messages.player import (
    CreatePlayer,
    CustomizeWorld,
    FlagSafety,
    GiveFeedback,
    ReachMilestones,
    SafetyFinding,
    UpdatePlayer,
)
from holodeck.messages.practice import BriefPractice
from holodeck.messages.talk import BriefLearner, BriefNpc, LearnerBrief, NpcBrief
from holodeck.minds.port import Recall, Worlds

log = structlog.get_logger("holodeck.people")

LOOP_PATIENCE_S: Final = 3.0
"""How long a briefing waits for the evaluation of the session before, seconds."""
AGAIN_S: Final = 5.0
"""How long until a learner sends itself the same command anew, seconds."""


class NpcShell(FoldShell):
    """One NPC: it remembers by meaning, if the host has a recall."""

    __slots__ = ("_recall",)

    def __init__(self, house: House, identity: str, partition: int, recall: Recall | None) -> None:
        super().__init__(house, "npc", identity, partition, npc)
        self._recall = recall

    def submit(self, work: Work) -> None:
        body = work.body
        if not isinstance(body, BriefNpc):
            super().submit(work)
            return
        house = self.house
        self.used = house.time()
        after = max(body.after, self.wrote)
        house.when_folded(self.kind, self.partition, after, lambda: self._called(work, body))

    def _called(self, work: Work, body: BriefNpc) -> None:
        house = self.house
        own = self._cell()
        met = house.cell("relation", f"{self.identity}.{body.learner}")

        def ready() -> None:
            house.when_ready(met, lambda: self._brief(work, body, own.state, met.state))

        house.when_ready(own, ready)

    def _brief(self, work: Work, body: BriefNpc, own: NpcState, met: Relation) -> None:
        contents = [memory.content for memory in met.memories]
        if self._recall is not None and body.cue and len(contents) > body.recall:
            # What is recalled is numbered: the list must stay as it is meanwhile.
            self.house.spawn(self._recalled(work, body, own, met.copy(), contents))
        else:
            self._tell(work, npc_briefing.brief(own, self.identity, met, body.at, None))

    async def _recalled(
        self, work: Work, body: BriefNpc, own: NpcState, met: Relation, contents: list[str]
    ) -> None:
        nearest: list[int] | None = None
        assert self._recall is not None
        try:
            nearest = await self._recall.nearest(body.cue, contents, body.recall)
        except Exception as error:  # whatever an adapter may raise: the newest are good enough
            log.warning("recall.failed", npc=self.identity, reason=repr(error))
        self._tell(work, npc_briefing.brief(own, self.identity, met, body.at, nearest))

    def _tell(self, work: Work, brief: NpcBrief) -> None:
        house = self.house
        if house.valid() and not self.dropped:
            state = pack(brief.model_dump(mode="json", exclude_defaults=True))
            house.answer(work, Answer(status="ok", sequence=self._cell().sequence, state=state))


class LearnerShell(FoldShell):
    """One learner.

    Attributes:
        asking: briefings that wait for the evaluation of the session before.
    """

    __slots__ = ("_given_up", "_reserved", "_sent", "_sent_at", "_worlds", "asking")

    def __init__(
        self, house: House, identity: str, partition: int, worlds: Worlds | None = None
    ) -> None:
        super().__init__(house, "learner", identity, partition, learner)
        self._worlds = worlds
        self._reserved = ""
        self._given_up: tuple[str, str, int] = ("", "", 0)
        self.asking: list[tuple[Work, BriefLearner]] = []
        self._sent = ""
        self._sent_at = 0.0

    def submit(self, work: Work) -> None:
        body = work.body
        if isinstance(body, GiveFeedback) and not work.heeded:
            self._heed(work)
            return
        if not isinstance(body, BriefLearner | BriefPractice | ReadPlayer):
            super().submit(work)
            return
        house = self.house
        self.used = house.time()
        after = max(body.after, self.wrote)

        def folded() -> None:
            house.when_ready(self._cell(), lambda: self._asked(work, body))

        house.when_folded(self.kind, self.partition, after, folded)

    def _heed(self, work: Work) -> None:
        """Has what the player wrote looked at, before anything can refuse it."""
        work.heeded = True
        found = self.house.heeds.look(work.body, self.identity)
        if found is None or isinstance(found, SafetyFinding):
            self._heeded(work, found)
        else:
            self.house.spawn(self._heeding(work, found))

    async def _heeding(self, work: Work, looking: Awaitable[SafetyFinding | None]) -> None:
        self._heeded(work, await looking)

    def _heeded(self, work: Work, found: SafetyFinding | None) -> None:
        if found is not None:
            work.finding = found
            name = hashlib.blake2b(work.id.encode(), digest_size=16).hexdigest()
            self.internal(f"safety.{name}", FlagSafety(finding=found))
        self.submit(work)

    def _asked(self, work: Work, body: BriefLearner | BriefPractice | ReadPlayer) -> None:
        if self._state().erased:
            self._refuse(work, RefusedError("learner-erased"))
            return
        if isinstance(body, BriefPractice):
            self._practice(work, body)
            return
        if isinstance(body, ReadPlayer):
            self._player(work, body)
            return
        profile = self._state().profile
        if profile is not None and profile.owed:
            if not self.asking:
                asyncio.get_running_loop().call_later(LOOP_PATIENCE_S, self._answer_all)
            self.asking.append((work, body))
            self.stir()
        else:
            self._brief(work, body)

    def _practice(self, work: Work, body: BriefPractice) -> None:
        house = self.house
        if not house.valid() or self.dropped:
            return
        told = learner_briefing.brief_practice(self._state(), body.curriculum, body.at)
        state = pack(told.model_dump(mode="json", exclude_defaults=True))
        house.answer(work, Answer(status="ok", sequence=self._cell().sequence, state=state))

    def _player(self, work: Work, body: ReadPlayer) -> None:
        house = self.house
        if not house.valid() or self.dropped:
            return
        try:
            told = read(self.identity, self._state(), body, self._worlds)
        except RefusedError as error:
            self._refuse(work, error)
            return
        except Exception as error:
            self._bug(work, error)
            return
        house.answer(work, Answer(status="ok", sequence=self._cell().sequence, state=pack(told)))

    def _state(self) -> LearnerState:
        found: LearnerState = self._cell().state
        return found

    def _brief(self, work: Work, body: BriefLearner) -> None:
        house = self.house
        if not house.valid() or self.dropped:
            return
        told: LearnerBrief = learner_briefing.brief(
            self.identity, self._state(), body.at, body.persona
        )
        state = pack(told.model_dump(mode="json", exclude_defaults=True))
        house.answer(work, Answer(status="ok", sequence=self._cell().sequence, state=state))

    # -- user names ----------------------------------------

    def _decide(self, work: Work) -> None:
        """A user name is reserved first: what is decided here cannot know who else has it."""
        name = self._wanted(work)
        if name and self._reserved != work.id:
            self.house.spawn(self._reserve(work, name))
            return
        self._reserved = ""
        if isinstance(work.body, CustomizeWorld) and not self._known(work.body.world):
            self.loading = False
            self._refuse(work, RefusedError("unknown-world", work.body.world))
            self._soon()
            return
        player = self._state().player
        if name and player is not None:
            self._given_up = (work.id, player.username, self.house.now())
        super()._decide(work)

    def _known(self, world: str) -> bool:
        return self._worlds is None or self._worlds.get(world) is not None

    def _wanted(self, work: Work) -> str:
        """The name a command takes that is not the player's yet; empty: none."""
        body = work.body
        if not isinstance(body, CreatePlayer | UpdatePlayer) or body.username is None:
            return ""
        memory = self._cell().memory
        if not self.house.valid() or (memory is not None and memory.get(work.id) is not None):
            return ""
        state = self._state()
        player = state.player
        if isinstance(body, CreatePlayer):
            return "" if player is not None or state.erased else body.username
        if player is None or player.username.lower() == body.username.lower():
            return ""
        return body.username

    async def _reserve(self, work: Work, name: str) -> None:
        try:
            await self.house.names.take(name, self.identity)
        except (RefusedError, TransientError) as error:
            if self.dropped:
                return
            self.loading = False
            if isinstance(error, RefusedError):
                self._refuse(work, error)
            else:
                log.warning("name.unreserved", learner=self.identity, reason=str(error))
                self.house.answer(work, Answer(status="busy", reason="busy"))
            self._soon()
            return
        except Exception as error:  # nothing may leave the mailbox standing
            self.loading = False
            self._bug(work, error)
            self._soon()
            return
        if not self.dropped:
            self._reserved = work.id
            self._folded(work)

    def _stored(self, work: Work, sequence: int, data: bytes) -> None:
        command, name, at = self._given_up
        if command == work.id:
            self._given_up = ("", "", 0)
            self.house.spawn(self._release(name, at))
        super()._stored(work, sequence, data)

    async def _release(self, name: str, before: int) -> None:
        try:
            await self.house.names.release(name, self.identity, before)
        except TransientError as error:
            # Nobody carries it any more, so whoever wants it takes it over.
            log.warning("name.unreleased", learner=self.identity, reason=str(error))

    def _answer_all(self) -> None:
        asking, self.asking = self.asking, []
        for work, body in asking:
            self._brief(work, body)

    def stir(self) -> None:
        """Sends itself what it owes or what is due; else says when the next thing is."""
        house = self.house
        if self.dropped:
            return
        state, now = self._state(), house.now()
        body = due_command(state, now)
        if self.asking and not (state.profile is not None and state.profile.owed):
            self._answer_all()
        due = next_due(state, now)
        if body is None:
            if due:
                house.arm_learner(self.identity, max(due, now + 1000))
            return
        if isinstance(body, RunLoop):
            name = f"loop.{body.session}"
        elif isinstance(body, ReachMilestones):
            name = f"milestones.{state.last_sequence}"
        else:
            name = f"triggers.{state.last_sequence}"
        if name == self._sent and house.time() < self._sent_at + AGAIN_S:
            house.arm_learner(self.identity, now + round(1000 * AGAIN_S))
            return
        self._sent, self._sent_at = name, house.time()
        house.arm_learner(self.identity, now + round(1000 * AGAIN_S))
        self.internal(name, body)
