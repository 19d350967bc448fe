"""A session's replay against an independent model, command by command."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import holodeck
from holodeck.actors.decider import Moment
from holodeck.actors.session.decider import session as decider
from holodeck.messages.errors import RefusedError
from holodeck.messages.session import Outcome

T = TypeVar("T")
NPCS = ("marta", "joan", "pau")


class SessionModel(RuleBasedStateMachine):
    """What a session is, in plain words and plain values."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.runtime = holodeck.local(broker="memory", minds={})
        self.deck = self.run(self.runtime.start())
        self.phase = "active"
        self.turns = 0
        self.reputation: dict[str, float] = {}
        self.frictions: dict[str, int] = {}
        self.tasks: dict[str, str | None] = {}
        self.met: list[str] = []

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(asyncio.wait_for(coroutine, 10))

    def teardown(self) -> None:
        self.run(self.runtime.stop())
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()

    @initialize()
    def starts(self) -> None:
        self.session = self.run(self.deck.start_session(learner="ana", session="s1"))

    def does(self, coroutine: Coroutine[Any, Any, Any], refused: str | None) -> bool:
        """Whether it was done; it is exactly if the model says so, and refused for its reason."""
        told: str | None = None
        try:
            self.run(coroutine)
        except RefusedError as error:
            told = error.reason
        assert told == refused, f"refused as {told}, expected {refused}"
        return told is None

    def _closed(self) -> str | None:
        return {"active": None, "paused": "session-paused", "ended": "session-ended"}[self.phase]

    def _meet(self, npc: str) -> None:
        if npc not in self.met:
            self.met.append(npc)

    @rule(npc=st.sampled_from(NPCS), jump=st.integers(0, 2))
    def takes_a_turn(self, npc: str, jump: int) -> None:
        turn = max(1, self.turns + jump)
        refused = self._closed()
        if refused is None and turn > self.turns + 1:
            refused = "turn-order"
        if self.does(self.session.take_turn("hola", to=npc, turn=turn), refused):
            if turn > self.turns:
                self._meet(npc)
            self.turns = max(self.turns, turn)

    @rule(npc=st.sampled_from(NPCS), delta=st.integers(-100, 100))
    def moves_reputation(self, npc: str, delta: int) -> None:
        if self.does(self.session.reputation(npc, delta / 100), self._closed()):
            self.reputation[npc] = self.reputation.get(npc, 0.0) + delta / 100
            self._meet(npc)

    @rule(kind=st.sampled_from(("lexical", "register")))
    def has_friction(self, kind: str) -> None:
        if self.does(self.session.friction(kind), self._closed()):
            self.frictions[kind] = self.frictions.get(kind, 0) + 1

    @rule(task=st.sampled_from("abc"))
    def adds_a_task(self, task: str) -> None:
        refused = self._closed() or ("duplicate-task" if task in self.tasks else None)
        if self.does(self.session.add_task(task), refused):
            self.tasks[task] = None

    @rule(task=st.sampled_from("abc"), outcome=st.sampled_from(("success", "failed")))
    def completes_a_task(self, task: str, outcome: str) -> None:
        refused = "session-ended" if self.phase == "ended" else None
        if refused is None and task not in self.tasks:
            refused = "unknown-task"
        if refused is None and self.tasks[task] not in (None, outcome):
            refused = "task-completed"
        if self.does(self.session.complete(task, Outcome(outcome)), refused):
            self.tasks[task] = outcome

    @rule()
    def pauses(self) -> None:
        refused = "session-ended" if self.phase == "ended" else None
        if self.does(self.session.pause(), refused):
            self.phase = "paused"

    @rule()
    def resumes(self) -> None:
        refused = "session-ended" if self.phase == "ended" else None
        if self.does(self.session.resume(), refused):
            self.phase = "active"

    @rule(sure=st.integers(0, 5))
    def ends(self, sure: int) -> None:
        if sure == 0 and self.does(self.session.end(), None) and self.phase != "ended":
            self.phase = "ended"
            self.tasks = {task: had or "cancelled" for task, had in self.tasks.items()}

    @invariant()
    def the_replay_is_what_the_model_says(self) -> None:
        if not hasattr(self, "session"):
            return

        async def replayed() -> Any:
            state, parted = decider.initial, list[str]()
            async for step in self.session.replay():
                moment = Moment(step.sequence, step.at, "s1", "ana")
                events: tuple[Any, ...] = step.events
                state = decider.fold(state, events, moment)
                parted += [e.npc for e in step.events if e.kind == "npc.parted"]
            return state, parted

        state, parted = self.run(replayed())
        assert state == self.run(self.session.state())
        assert state.phase == self.phase
        assert state.turns == self.turns
        assert {name: task.outcome for name, task in state.tasks.items()} == self.tasks
        assert state.reputation.keys() == self.reputation.keys()
        for npc, amount in self.reputation.items():
            assert abs(state.reputation[npc] - amount) < 1e-5
        assert state.frictions == self.frictions
        assert sorted(parted) == (sorted(self.met) if self.phase == "ended" else [])


TestSession = SessionModel.TestCase
TestSession.settings = settings(
    max_examples=12,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
