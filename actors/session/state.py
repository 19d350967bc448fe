"""The state of a session: what the fold of its checkpoints keeps in memory.

Texts are not kept: they stand in the journal. What is kept is what a decision needs.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from pydantic import TypeAdapter

from holodeck.actors.session.playing.state import Playing
from holodeck.actors.session.practice.state import Practice
from holodeck.actors.session.talk.state import Talk
from holodeck.messages.fleet import GraphPoint, Routing
from holodeck.messages.session import (
    CastMember,
    EndReason,
    MindKind,
    Outcome,
    SessionKind,
    TaskPriority,
)

SCHEMA: Final = 5
"""Version of the snapshot layout; a snapshot of another version is folded again."""


class Phase(StrEnum):
    NEW = "new"
    ACTIVE = "active"
    PAUSED = "paused"
    ENDED = "ended"
    ABANDONED = "abandoned"
    ERASED = "erased"


@dataclass(frozen=True, slots=True)
class Charter:
    """What was agreed at the start and never changes."""

    kind: SessionKind
    learner: str
    name: str = ""
    cast: tuple[CastMember, ...] = ()
    persona: str = ""
    tags: tuple[str, ...] = ()
    room: str = ""
    model: str = ""
    mind: MindKind = MindKind.NONE
    max_tasks: int = 50
    task_timeout_ms: int = 0
    session_timeout_ms: int = 0
    idle_timeout_ms: int = 0
    emit_tiles: bool = True
    emergence_offset: float = -2.0
    abandon_ms: int = 0


@dataclass(frozen=True, slots=True)
class Task:
    """One task; its data stands in the journal. ``started_at`` and ``armed`` (the sequence of its
    start) are 0 before it starts; ``outcome`` is None while it is open.

    Attributes:
        routing: how it was routed in this attempt, if the fleet was asked.
        place: among all that were completed in this session, from 1; 0 while it is open.
        fingerprint: of the error it ended with.
    """

    id: str
    added_at: int
    priority: TaskPriority = TaskPriority.NORMAL
    capabilities: tuple[str, ...] = ()
    npc: str | None = None
    timeout_ms: int = 0
    started_at: int = 0
    armed: int = 0
    outcome: Outcome | None = None
    duration_ms: int | None = None
    attempt: int = 1
    routing: Routing | None = None
    fallback: bool = False
    place: int = 0
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Earlier:
    """An attempt at a task that was followed by another; as in :class:`Task`."""

    task: str
    attempt: int
    outcome: Outcome
    duration_ms: int | None
    place: int
    fingerprint: str
    fallback: bool = False


@dataclass(slots=True)
class SessionState:
    """One session. Only its fold changes it.

    Attributes:
        parent: of a rehearsal, the session it was forked from.
        claim: number of the learner's claim it is active on; 0 if it needs none.
        voided: claims up to this number can start or resume nothing any more: they were given up,
            or made before the last pause.
        turns: learner turns taken.
        answered: the last learner turn that got its reply; -1: none, not even an opening.
        replies: NPC turns taken.
        active_ms: active time before ``active_since``, ms.
        touched: sequence of the last checkpoint; what the idle timer is armed by.
        heard_at: when a client last said anything to it, ms; what abandonment is counted from.
        awaiting: the learner turn a mind has still to answer, 0 none; ``awaiting_seq`` is the
            sequence of its checkpoint.
        met: learner turns by NPC, in the order they were met.
        frictions: how many, by type; reputation: how far it moved, by NPC.
        tasks: by id, in the order they were added.
        weight: bytes of the tasks' ids and capabilities; a state has to fit into a message.
        completed: how many attempts at tasks have ended; earlier: those followed by another.
        handed: task and agent of attempts that were given to somebody and followed by another.
        open: how many tasks have not ended.
        refused: a task was turned away because there were as many as there may be.
        crossed: crossings the session was told of, by number; the newest 64.
        graph: the co-work graph when it started; None where there was none.
        busy_ms: time with an open task before ``busy_since``, which is 0 while none is open.
        owed: NPCs that still have to be told of the end.
        talk: the micro-loop's side; None: it is no conversation in a persona's world.
        practice: how it is practised; None: it is no practice session.
        playing: as whom, where and how it is played; None: nothing of all that was said.
    """

    phase: Phase = Phase.NEW
    charter: Charter | None = None
    parent: str = ""
    parent_sequence: int = 0
    claim: int = 0
    voided: int = 0
    started_at: int = 0
    started_seq: int = 0
    active_ms: int = 0
    active_since: int = 0
    touched_at: int = 0
    touched: int = 0
    heard_at: int = 0
    ended_at: int = 0
    end_reason: EndReason | None = None
    outcome: Outcome | None = None
    turns: int = 0
    answered: int = -1
    replies: int = 0
    npc: str | None = None
    awaiting: int = 0
    awaiting_seq: int = 0
    met: dict[str, int] = field(default_factory=dict)
    frictions: dict[str, int] = field(default_factory=dict)
    reputation: dict[str, float] = field(default_factory=dict)
    tasks: dict[str, Task] = field(default_factory=dict)
    owed: tuple[str, ...] = ()
    weight: int = 0
    completed: int = 0
    open: int = 0
    earlier: tuple[Earlier, ...] = ()
    handed: tuple[tuple[str, str], ...] = ()
    refused: bool = False
    crossed: tuple[int, ...] = ()
    graph: GraphPoint | None = None
    busy_ms: int = 0
    busy_since: int = 0
    talk: Talk | None = None
    practice: Practice | None = None
    playing: Playing | None = None

    def copy(self) -> SessionState:
        """An equal state that shares nothing changeable with this one."""
        return replace(
            self,
            met=dict(self.met),
            frictions=dict(self.frictions),
            reputation=dict(self.reputation),
            tasks=dict(self.tasks),
            talk=None if self.talk is None else self.talk.copy(),
            practice=None if self.practice is None else self.practice.copy(),
            playing=None if self.playing is None else self.playing.copy(),
        )


STATE: Final = TypeAdapter(SessionState)
