"""A session told by its commands: the shortest way to a state."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from holodeck.actors.decider import Moment
from holodeck.actors.session import SCHEMA, STATE, SessionState, session
from holodeck.messages.codec import pack
from holodeck.messages.fleet import Decision, Routing
from holodeck.messages.session import (
    AbandonStart,
    AddTask,
    CastMember,
    Crossing,
    End,
    ForkFrom,
    MindKind,
    Pause,
    SessionEvent,
    SessionKind,
    StartSession,
    StartTask,
    TakeTurn,
)

NOON: Final = 1_767_268_800_000
"""When every story begins, ms since 1970 UTC."""
MARTA: Final = CastMember(npc="marta", capabilities=("waiter", "cook"))
JOAN: Final = CastMember(npc="joan", capabilities=("cook",))

START: Final = StartSession(
    learner="ana",
    claim=5,
    cast=(MARTA, JOAN),
    max_tasks=2,
    task_timeout_s=60,
    session_timeout_s=600,
    idle_timeout_s=120,
)
OPEN: Final = StartSession(
    learner="ana",
    session_kind=SessionKind.AGENT,
    max_tasks=9,
    task_timeout_s=0,
    session_timeout_s=0,
)
"""No claim, no cast, no limits of time."""


@dataclass(slots=True)
class Story:
    """A session so far.

    Attributes:
        at: now, ms; log: every checkpoint.
    """

    state: SessionState = field(default_factory=lambda: session.initial)
    at: int = NOON
    sequence: int = 0
    log: list[tuple[Moment, tuple[SessionEvent, ...]]] = field(default_factory=list)

    def tell(self, *commands: Any, after_s: float = 0) -> Story:
        """Gives commands one after the other, ``after_s`` seconds from now."""
        self.at += round(after_s * 1000)
        for command in commands:
            events = tuple(session.decide(self.state, command, self.at))
            if events:
                self.sequence += 10  # a session's sequences have gaps: the journal is shared
                moment = Moment(self.sequence, self.at, "sess_1")
                self.log.append((moment, events))
                self.state = session.fold(self.state, events, moment)
        return self

    def says(self, command: Any, *, after_s: float = 0) -> list[SessionEvent]:
        """What a command would lead to; nothing happens."""
        return list(session.decide(self.state, command, self.at + round(after_s * 1000)))

    @property
    def events(self) -> list[SessionEvent]:
        return [event for _, events in self.log for event in events]


def story(*commands: Any) -> Story:
    return Story().tell(*commands)


def turn(number: int, npc: str = "marta", **more: Any) -> TakeTurn:
    return TakeTurn(turn=number, npc=npc, text=f"turn {number}", **more)


def fork_of(parent: SessionState, sequence: int = 20) -> ForkFrom:
    state = pack(STATE.dump_python(parent))
    return ForkFrom(parent="sess_0", sequence=sequence, state=state, layout=SCHEMA)


def decided(agent: str, **more: Any) -> Decision:
    """What the fleet says when it chose ``agent``; empty: there is nobody."""
    return Decision(
        routing=Routing(agent=agent, h1_before=2, h1_after=3, delta_h1=1, match=0.5),
        reasoning="Lowest load",
        **more,
    )


def crossing(number: int = 41) -> Crossing:
    return Crossing(number=number, h1=3, threshold=2, vertices=4, edges=6, edge=("jc1", "fm"))


def replayed(log: Iterable[tuple[Moment, Iterable[SessionEvent]]]) -> SessionState:
    """The state by folding the log anew, in place, as a recovery does."""
    state = session.initial
    for moment, events in log:
        session.advance(state, events, moment)
    return state


def new() -> Story:
    return Story()


def active() -> Story:
    return story(START, AddTask(task="done-soon", capabilities=("waiter",)))


def paused() -> Story:
    return active().tell(Pause(), after_s=10)


def ended() -> Story:
    return active().tell(End(), after_s=10)


def abandoned() -> Story:
    return story(AbandonStart(learner="ana", claim=5))


def rehearsal() -> Story:
    parent = active().tell(turn(1), StartTask(task="done-soon"), after_s=30)
    return Story(at=parent.at + 3_600_000).tell(fork_of(parent.state))


def with_mind() -> Story:
    return story(START.model_copy(update={"mind": MindKind.SCRIPTED}))
