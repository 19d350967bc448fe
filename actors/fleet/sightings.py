"""What the mid remembers, and how much of it.

One law: bounded. At most :data:`SESSIONS` open sessions with :data:`TASKS` tasks together are
carried, :data:`SETTLED` ended ones are remembered by id, and of types, agents, failures and errors
as many as their constants say. Beyond that the oldest sixteenth is given up and counted in
``dropped``; a task beyond the bound is not followed, and its session's counts are not compared.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import islice
from typing import Final, NamedTuple, Protocol, TypeVar

from holodeck.actors.fleet.scout import Seen
from holodeck.messages.synthesis import Finding, FindingKind

SESSIONS: Final = 16_384
"""Open sessions carried."""
TASKS: Final = 32_768
"""Tasks of open sessions followed, all sessions together."""
SETTLED: Final = 16_384
"""Ended sessions remembered by id, so that a repeat of their tiles counts nothing again."""
TYPES: Final = 256
AGENTS: Final = 1024
FAILURES: Final = 4096
"""Task ids whose last attempt failed."""
ERRORS: Final = 1024
"""Fingerprints of errors."""
CAPABILITIES: Final = 16
"""Capabilities of one agent."""
ATTEMPTS: Final = 32
"""Earlier attempts of one task whose outcome is kept."""
DURATIONS: Final = 256
"""Durations kept of one type in one window, the last ones."""
WORDS: Final = 8
"""Tags and capabilities kept of one session."""
WORD: Final = 64
"""Characters kept of each of them."""
RECENT: Final = 8
"""Sessions of one agent whose words are kept."""
NAMED: Final = 8
"""Sessions, agents and sequences named in one finding."""
TOLD: Final = 8
"""Findings of one kind told in one synthesis; the rest is counted."""


_BASIS: Final = 0xCBF29CE484222325
_COUNTED_ON: Final = re.compile(r"[-_:#./ ](?:\d+|[0-9a-f]{8,})$")


# --- state ----------------------------------------


@dataclass(slots=True)
class TaskSeen:
    """One task of an open session.

    Attributes:
        attempt: the latest; what follows is of it.
        routed, ended: sequences, 0 if it was not.
        earlier: outcomes of earlier attempts.
    """

    attempt: int = 1
    outcome: str = ""
    agent: str = ""
    routed_to: str = ""
    routed: int = 0
    started_at: int = 0
    ended: int = 0
    capabilities: tuple[str, ...] = ()
    earlier: tuple[tuple[int, str], ...] = ()


@dataclass(slots=True)
class SessionSeen:
    """One open session.

    Attributes:
        started: its start was seen; without it only its tasks are.
        deadline: ms since 1970 UTC; 0 none.
        partial: some of its tasks were not followed.
        tick: when it was first seen, counted in events.
    """

    agent: str = ""
    started: bool = False
    sequence: int = 0
    deadline: int = 0
    paused_at: int = 0
    tags: tuple[str, ...] = ()
    partial: bool = False
    tick: int = 0
    tasks: dict[str, TaskSeen] = field(default_factory=dict)


class Duration(NamedTuple):
    tick: int
    ms: int
    sequence: int


@dataclass(slots=True)
class TypeSeen:
    """One type of task.

    Attributes:
        durations: of this window, the last :data:`DURATIONS`.
        before: 95th percentile of the last window that had enough durations, ms.
        routed_to: whom the last task of this type went to.
    """

    durations: list[Duration] = field(default_factory=list)
    before: int | None = None
    routed_to: str = ""
    last: int = 0


@dataclass(slots=True)
class CapabilitySeen:
    tasks: int = 0
    succeeded: int = 0
    timed: int = 0
    busy_ms: int = 0


@dataclass(slots=True)
class AgentSeen:
    """What one agent did since it was last told of.

    Attributes:
        since: ms since 1970 UTC, where the time covered begins.
        tick: when it was first seen, last: when last, both counted in events.
        recent: words of its last sessions, each with its tick.
    """

    since: int = 0
    tick: int = 0
    last: int = 0
    sessions: int = 0
    sessions_succeeded: int = 0
    tasks: int = 0
    tasks_succeeded: int = 0
    timed: int = 0
    busy_ms: int = 0
    delta_beta1: int = 0
    capabilities: dict[str, CapabilitySeen] = field(default_factory=dict)
    recent: list[tuple[int, tuple[str, ...]]] = field(default_factory=list)


class Failure(NamedTuple):
    """The last failure of a task id."""

    agent: str
    session: str
    sequence: int
    last: int


@dataclass(slots=True)
class ErrorSeen:
    """One fingerprint: who ran into it first, the last sessions and sequences, how often."""

    agents: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    evidence: tuple[int, ...] = ()
    count: int = 0
    last: int = 0


class Quiet(NamedTuple):
    """β1 where a session ended and none was open any more."""

    session: str
    beta1: int
    sequence: int


class Change(NamedTuple):
    """A routing that sent a type of task to somebody else than before."""

    tick: int
    sequence: int
    session: str
    type: str
    before: str
    after: str


class Found(NamedTuple):
    tick: int
    finding: Finding


@dataclass(slots=True)
class MidState:
    """What the mid carries. Only :func:`see` and :func:`close` change it.

    Attributes:
        ticks: events ever read; closed: those that belong to closed windows.
        digest: FNV-1a (Fowler, Noll, Vo, 1991) over the sequences read, taken as 64-bit words;
            before: as it was at the last close.
        since: when the window began, ms since 1970 UTC: with its first event, so 0 if there was
            none yet.
        first: its first sequence; last: the highest sequence read.
        sessions: the open ones by id, the one seen first in front.
        working: ids of open sessions by agent.
        followed: tasks in all open sessions.
        settled: ids of ended and given up sessions.
        components: of the graph, as last told; change: the last routing change, for as long as
            a fall of components may come from it.
        quiet: set while no session is open.
        counts: findings of this window by kind; found: the first of each.
        The other integers count this window's events, as in
        :class:`~holodeck.messages.synthesis.MidMetrics`.
    """

    ticks: int = 0
    closed: int = 0
    digest: int = _BASIS
    before: int = _BASIS
    since: int = 0
    first: int = 0
    last: int = 0
    ended: int = 0
    complete: int = 0
    succeeded: int = 0
    tasks: int = 0
    routings: int = 0
    fallbacks: int = 0
    errors: int = 0
    alerts: int = 0
    delta_beta1: int = 0
    followed: int = 0
    sessions: dict[str, SessionSeen] = field(default_factory=dict)
    working: dict[str, dict[str, None]] = field(default_factory=dict)
    settled: dict[str, None] = field(default_factory=dict)
    types: dict[str, TypeSeen] = field(default_factory=dict)
    agents: dict[str, AgentSeen] = field(default_factory=dict)
    failures: dict[str, Failure] = field(default_factory=dict)
    fingerprints: dict[str, ErrorSeen] = field(default_factory=dict)
    components: int | None = None
    change: Change | None = None
    quiet: Quiet | None = None
    counts: dict[str, int] = field(default_factory=dict)
    found: dict[str, list[Found]] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)

    @property
    def pending(self) -> int:
        """Events read since the last window was closed."""
        return self.ticks - self.closed

    def copy(self) -> MidState:
        """An equal state that shares nothing changeable with this one."""
        return replace(
            self,
            sessions={
                name: replace(one, tasks={task: replace(it) for task, it in one.tasks.items()})
                for name, one in self.sessions.items()
            },
            working={name: dict(ids) for name, ids in self.working.items()},
            settled=dict(self.settled),
            types={
                name: replace(one, durations=list(one.durations))
                for name, one in self.types.items()
            },
            agents={
                name: replace(
                    one,
                    capabilities={word: replace(it) for word, it in one.capabilities.items()},
                    recent=list(one.recent),
                )
                for name, one in self.agents.items()
            },
            failures=dict(self.failures),
            fingerprints={name: replace(one) for name, one in self.fingerprints.items()},
            counts=dict(self.counts),
            found={kind: list(those) for kind, those in self.found.items()},
            dropped=dict(self.dropped),
        )


@lru_cache(maxsize=4096)
def task_type(task: str) -> str:
    """A task's id without what counts it on: ``review-17`` and ``review-3f9c01ab`` are reviews.

    Cut off are digits, or eight hex digits and more, behind one of ``-_:#./`` or a blank.
    """
    return _COUNTED_ON.sub("", task) or task


# --- bounds ----------------------------------------


class _Aged(Protocol):
    @property
    def last(self) -> int: ...


A = TypeVar("A", bound=_Aged)


def _some(bound: int) -> int:
    """How many go at once: a sixteenth, so that making room costs little each time."""
    return max(1, bound // 16)


def drop(state: MidState, what: str, count: int) -> None:
    state.dropped[what] = state.dropped.get(what, 0) + count


def keep_latest(state: MidState, what: str, table: dict[str, A], bound: int) -> None:
    """Drops those seen longest ago once there are more than ``bound``."""
    if len(table) > bound:
        oldest = sorted(table, key=lambda name: (table[name].last, name))
        for name in oldest[: _some(bound)]:
            del table[name]
        drop(state, what, _some(bound))


def settle(state: MidState, session: str) -> None:
    settled = state.settled
    settled[session] = None
    if len(settled) > SETTLED:
        for name in list(islice(settled, _some(SETTLED))):
            del settled[name]


def leave(state: MidState, session: str) -> SessionSeen | None:
    """Takes a session out of the open ones."""
    record = state.sessions.pop(session, None)
    if record is not None:
        state.followed -= len(record.tasks)
        mine = state.working.get(record.agent)
        if mine is not None:
            mine.pop(session, None)
            if not mine:
                del state.working[record.agent]
    return record


def open_session(state: MidState, seen: Seen) -> SessionSeen | None:
    """The open session an event belongs to; None if it is settled."""
    record = state.sessions.get(seen.session)
    if record is None and seen.session and seen.session not in state.settled:
        record = SessionSeen(tick=state.ticks)
        state.sessions[seen.session] = record
        state.quiet = None
        if len(state.sessions) > SESSIONS:
            for name in list(islice(state.sessions, _some(SESSIONS))):
                leave(state, name)
            drop(state, "sessions", _some(SESSIONS))
    return record


def follow_task(state: MidState, session: SessionSeen, seen: Seen) -> TaskSeen | None:
    """The task an event is about, at its attempt or a later one; None if it is not followed."""
    task = session.tasks.get(seen.task)
    if task is None:
        if state.followed >= TASKS:
            session.partial = True
            drop(state, "tasks", 1)
            return None
        task = session.tasks[seen.task] = TaskSeen(attempt=seen.attempt)
        state.followed += 1
    elif seen.attempt > task.attempt:
        if task.outcome and len(task.earlier) < ATTEMPTS:
            task.earlier += ((task.attempt, task.outcome),)
        task.attempt, task.outcome, task.agent, task.ended = seen.attempt, "", "", 0
        task.routed_to, task.routed, task.started_at = "", 0, 0
    if seen.capabilities:
        task.capabilities = seen.capabilities
    return task


def know_type(state: MidState, task: str) -> TypeSeen:
    name = task_type(task)
    record = state.types.get(name)
    if record is None:
        record = state.types[name] = TypeSeen(last=state.ticks)
        keep_latest(state, "types", state.types, TYPES)
    record.last = state.ticks
    return record


def know_agent(state: MidState, name: str) -> AgentSeen:
    record = state.agents.get(name)
    if record is None:
        record = state.agents[name] = AgentSeen(
            since=state.since, tick=state.ticks, last=state.ticks
        )
        keep_latest(state, "agents", state.agents, AGENTS)
    record.last = state.ticks
    return record


def find(
    state: MidState,
    kind: FindingKind,
    detail: str,
    sessions: Iterable[str],
    evidence: Iterable[int],
    tasks: Iterable[str] = (),
    agents: Iterable[str] = (),
) -> None:
    state.counts[kind.value] = state.counts.get(kind.value, 0) + 1
    those = state.found.setdefault(kind.value, [])
    if len(those) < TOLD:
        those.append(Found(state.ticks, finding(kind, detail, sessions, evidence, tasks, agents)))


def finding(
    kind: FindingKind,
    detail: str,
    sessions: Iterable[str],
    evidence: Iterable[int],
    tasks: Iterable[str] = (),
    agents: Iterable[str] = (),
) -> Finding:
    return Finding(
        kind=kind,
        subjects=tuple(dict.fromkeys(sessions))[:NAMED],
        tasks=tuple(tasks)[:NAMED],
        agents=tuple(dict.fromkeys(agent for agent in agents if agent))[:NAMED],
        detail=detail,
        evidence=tuple(sorted({sequence for sequence in evidence if sequence}))[-NAMED:],
    )
