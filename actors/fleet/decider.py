"""The fleet: who can do what, who has how much to do, and who worked with whom. Pure.

One law: its state is the fold of the session and task checkpoints of its namespace and of its own
edits, in the order of the journal. Rehearsals are nobody's work and are passed over.

What the graph holds: a vertex for every agent of an agent session and for everyone who was given a
task; an edge between an agent and each who worked in the same session, or on an earlier attempt of
the same task, when it was given the task (``task.routed`` names them). Edges not seen for
:data:`WINDOW_MS` are forgotten.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import TypeAdapter

from holodeck.actors.decider import Decider, Moment
from holodeck.actors.fleet.architect import ArchitectState, advise, learn
from holodeck.actors.fleet.graph import CoworkGraph, margin
from holodeck.actors.fleet.mid import MidState, close, see, synthesise
from holodeck.actors.fleet.oblivion import leave_out, left_out, let_go, unlearn
from holodeck.actors.fleet.routing import Roster
from holodeck.actors.fleet.scout import Seen
from holodeck.messages.envelope import AnyEvent
from holodeck.messages.errors import RefusedError
from holodeck.messages.fleet import (
    AgentRegistered,
    AgentUnregistered,
    ArchitectInferred,
    CloseWindow,
    FleetCommand,
    GraphPoint,
    Infer,
    MidSynthesised,
    RecordEmergence,
    RegisterAgent,
    SessionGraph,
    UnregisterAgent,
)
from holodeck.messages.player import LearnerErased, SessionErased
from holodeck.messages.session import (
    Crossing,
    EmergenceDetected,
    SessionEnded,
    SessionErred,
    SessionKind,
    SessionPaused,
    SessionResumed,
    SessionStarted,
    TaskAdded,
    TaskCompleted,
    TaskRouted,
    TaskStarted,
)
from holodeck.messages.synthesis import Advice, Synthesis

SCHEMA: Final = 1
WINDOW_MS: Final = 7 * 86_400_000
"""How long an edge that is not seen again stays in the co-work graph, ms."""
EXPIRIES: Final = 8
"""How often within a window old edges are looked for: each look may build the graph anew."""
MEMBERS: Final = 64
"""How many members of a component an alert names."""


@dataclass(slots=True)
class Own:
    """What one live session did to the graph: loops closed by its links, crossings by them."""

    change: int = 0
    crossings: int = 0


@dataclass(slots=True)
class FleetState:
    """The fleet. Only its fold changes it.

    Attributes:
        open: tasks given to somebody and not ended, with the agent, by session.
        own: by live session; only those that made links.
        alerted: by root of a component, the offsets whose threshold it was seen above and has not
            fallen below since.
        owed: crossings whose session has not been told yet.
        sequence: of the last checkpoint folded.
        synthesised: sequence of the last synthesis; inferred: of the last one inferred from.
    """

    roster: Roster = field(default_factory=Roster)
    graph: CoworkGraph = field(default_factory=CoworkGraph)
    open: dict[str, dict[str, str]] = field(default_factory=dict)
    own: dict[str, Own] = field(default_factory=dict)
    alerted: dict[int, frozenset[float]] = field(default_factory=dict)
    owed: tuple[Crossing, ...] = ()
    sequence: int = 0
    routed: int = 0
    fallbacks: int = 0
    completed: int = 0
    alerts: int = 0
    expire_at: int = 0
    mid: MidState = field(default_factory=MidState)
    architect: ArchitectState = field(default_factory=ArchitectState)
    synthesis: Synthesis | None = None
    advice: Advice | None = None
    synthesised: int = 0
    inferred: int = 0

    def copy(self) -> FleetState:
        """An equal state that shares nothing changeable with this one."""
        return FLEET_STATE.validate_python(FLEET_STATE.dump_python(self))

    @property
    def tasks(self) -> int:
        """How many tasks are given to somebody and have not ended."""
        return sum(map(len, self.open.values()))

    @property
    def gathered(self) -> bool:
        """Whether the mid has seen anything since its last window was closed."""
        return self.mid.ticks > self.mid.closed

    def point(self, joins: str | None = None) -> GraphPoint:
        """The graph in figures; with ``joins`` as if that agent were in it."""
        graph = self.graph
        more = joins is not None and joins not in graph
        return GraphPoint(
            h1=graph.beta1,
            vertices=graph.vertices + more,
            edges=graph.edges,
            components=graph.components + more,
            sequence=self.sequence,
        )

    def seen_by(self, session: str | None, joins: str | None = None) -> SessionGraph:
        """The graph, and what one live session has done to it."""
        own = self.own.get(session or "") or Own()
        point = self.point(joins)
        return SessionGraph(graph=point, own_change=own.change, crossings=own.crossings)


# --- decide ----------------------------------------


def decide(state: FleetState, command: FleetCommand, now: int) -> Sequence[AnyEvent]:
    """The events a command leads to; none if it was already obeyed.

    Raises:
        RefusedError: ``unknown-agent``.
    """
    match command:
        case RegisterAgent():
            agent = state.roster.agents.get(command.agent)
            wanted = tuple(dict.fromkeys(command.capabilities))
            if (
                agent is not None
                and agent.registered
                and (agent.capabilities, agent.max_load) == (wanted, command.max_load)
            ):
                return ()
            return (
                AgentRegistered(
                    agent=command.agent, capabilities=wanted, max_load=command.max_load
                ),
            )
        case UnregisterAgent():
            agent = state.roster.agents.get(command.agent)
            if agent is None:
                raise RefusedError("unknown-agent", command.agent)
            return (AgentUnregistered(agent=command.agent),) if agent.registered else ()
        case RecordEmergence():
            return tuple(
                EmergenceDetected(crossing=owed)
                for owed in state.owed
                if owed.number == command.crossing
            )
        case CloseWindow():
            if state.mid.closed != command.read or not state.gathered:
                return ()
            return (MidSynthesised(synthesis=synthesise(state.mid, now)),)
        case Infer():
            if command.sequence != state.synthesised or state.inferred >= state.synthesised:
                return ()
            return (ArchitectInferred(sequence=state.synthesised, advice=advise(state.architect)),)


# --- evolve ----------------------------------------


def _seen(state: FleetState, moment: Moment) -> None:
    state.sequence = moment.sequence
    if moment.at >= state.expire_at:
        _expire(state, moment.at)


def _expire(state: FleetState, at: int) -> None:
    """Forgets edges that are too old; now and then, driven by the checkpoints' own time."""
    if state.expire_at:
        names = {root: state.graph.name(root) for root in state.alerted}
        agents = state.roster.agents
        busy = {*state.roster.registered, *state.roster.loads}
        if state.graph.expire(at - WINDOW_MS, keep=busy):
            _alerts_again(state, names)
            for name in [n for n in agents if n not in busy and n not in state.graph]:
                state.roster.drop(name)
    state.expire_at = at + WINDOW_MS // EXPIRIES


def _alerts_again(state: FleetState, names: dict[int, str]) -> None:
    """The alerts of a graph whose vertices have new indexes; ``names``: of the roots before."""
    alerted: dict[int, frozenset[float]] = {}
    for root, offsets in state.alerted.items():
        if names[root] in state.graph:
            now = state.graph.root(names[root])
            alerted[now] = alerted.get(now, frozenset()) | offsets
    state.alerted = alerted
    _rearm(state, list(alerted))


def _rearm(state: FleetState, roots: list[int]) -> None:
    """Lets components that have fallen below a threshold alert again."""
    for root in roots:
        part = state.graph.component(state.graph.name(root))
        left = frozenset(
            offset
            for offset in state.alerted.get(root, ())
            if margin(part.beta1, part.vertices, offset) >= 0
        )
        if left:
            state.alerted[root] = left
        else:
            state.alerted.pop(root, None)


def _registered(state: FleetState, event: AgentRegistered, moment: Moment) -> None:
    state.roster.register(event.agent, event.capabilities, event.max_load)


def _unregistered(state: FleetState, event: AgentUnregistered, moment: Moment) -> None:
    state.roster.unregister(event.agent)


def _session_started(state: FleetState, event: SessionStarted, moment: Moment) -> None:
    if event.session_kind is SessionKind.AGENT:
        state.roster.ensure(event.learner)
        state.graph.add(event.learner)
    _observe(state, event, moment)


def _routed(state: FleetState, event: TaskRouted, moment: Moment) -> None:
    """The agent has one task more, and is linked to whom it works with."""
    if not moment.learner:
        return
    name = event.npc
    state.routed += 1
    state.fallbacks += event.fallback
    state.roster.give(name, moment.sequence)
    tasks = state.open.setdefault(moment.writer, {})
    before = tasks.get(event.task)
    if before is not None:
        state.roster.take(before)
    tasks[event.task] = name
    graph = state.graph
    graph.add(name)
    if event.collaborators:
        own = state.own.get(moment.writer)
        if own is None:
            own = state.own[moment.writer] = Own()
        for other in event.collaborators:
            if other != name:
                own.change += _link(state, name, other, moment.at)
                crossing = _crossed(state, event, name, other, moment)
                if crossing is not None:
                    own.crossings += 1
                    state.owed += (crossing,)
    _observe(state, event, moment)


def _link(state: FleetState, one: str, other: str, at: int) -> int:
    graph, alerted = state.graph, state.alerted
    graph.add(other)
    roots = (graph.root(one), graph.root(other))
    change = graph.connect(one, other, at)
    if alerted and roots[0] != roots[1]:
        offsets = alerted.pop(roots[0], frozenset()) | alerted.pop(roots[1], frozenset())
        if offsets:
            root = graph.root(one)
            alerted[root] = offsets
            _rearm(state, [root])
    return change


def _crossed(
    state: FleetState, event: TaskRouted, one: str, other: str, moment: Moment
) -> Crossing | None:
    """An alert, once for each time a component rises above the threshold."""
    graph, offset = state.graph, event.offset
    part = graph.component(one)
    if part.vertices < 3 or margin(part.beta1, part.vertices, offset) <= 0:
        return None
    offsets = state.alerted.get(part.root, frozenset())
    if offset in offsets:
        return None
    state.alerted[part.root] = offsets | {offset}
    members = sorted(graph.members_at(part.root))
    return Crossing(
        number=moment.sequence,
        h1=part.beta1,
        threshold=part.vertices + offset,
        offset=offset,
        vertices=part.vertices,
        edges=part.edges,
        members=tuple(members[:MEMBERS]),
        more=max(0, len(members) - MEMBERS),
        edge=(one, other),
        session=moment.writer,
        task=event.task,
    )


def _completed(state: FleetState, event: TaskCompleted, moment: Moment) -> None:
    if not moment.learner:
        return
    state.completed += 1
    tasks = state.open.get(moment.writer)
    name = tasks.pop(event.task, None) if tasks else None
    if name is not None:
        state.roster.take(name)
        state.roster.ensure(name).done += 1
        if not tasks:
            del state.open[moment.writer]
    _observe(state, event, moment)


def _ended(state: FleetState, event: SessionEnded, moment: Moment) -> None:
    for name in state.open.pop(moment.writer, {}).values():
        state.roster.take(name)
    state.own.pop(moment.writer, None)
    _observe(state, event, moment)


def _alerted(state: FleetState, event: EmergenceDetected, moment: Moment) -> None:
    number = event.crossing.number
    if any(owed.number == number for owed in state.owed):
        state.owed = tuple(owed for owed in state.owed if owed.number != number)
        state.alerts += 1
    _observe(state, event, moment)


def _synthesised(state: FleetState, event: MidSynthesised, moment: Moment) -> None:
    close(state.mid, event.synthesis)
    learn(state.architect, event.synthesis)
    state.synthesis = event.synthesis
    state.synthesised = moment.sequence


def _inferred(state: FleetState, event: ArchitectInferred, moment: Moment) -> None:
    state.advice = event.advice
    state.inferred = event.sequence


def _session_erased(state: FleetState, event: SessionErased, moment: Moment) -> None:
    """The session never was: whoever worked in it is free, and nothing is told of it any more."""
    gone = moment.writer
    for name in state.open.pop(gone, {}).values():
        state.roster.take(name)
    state.own.pop(gone, None)
    state.owed = tuple(one for one in state.owed if one.session != gone)
    let_go(state.mid, gone)
    state.synthesis = left_out(state.synthesis, gone)


def _learner_erased(state: FleetState, event: LearnerErased, moment: Moment) -> None:
    """Whoever it was as an agent is forgotten with all it did."""
    gone = moment.writer
    if event.npc is not None:
        return
    for tasks in list(state.open.values()):
        for task in [task for task, name in tasks.items() if name == gone]:
            del tasks[task]
    state.open = {session: tasks for session, tasks in state.open.items() if tasks}
    state.roster.drop(gone)
    names = {root: state.graph.name(root) for root in state.alerted}
    if state.graph.remove(gone):
        _alerts_again(state, names)
    state.owed = tuple(one for one in state.owed if gone not in (*one.members, *one.edge))
    leave_out(state.mid, gone)
    unlearn(state.architect, gone)
    state.synthesis = left_out(state.synthesis, gone)
    if state.advice is not None:
        state.advice = state.advice.model_copy(
            update={
                "agents": tuple(one for one in state.advice.agents if one.agent != gone),
                "recommendations": tuple(
                    one for one in state.advice.recommendations if one.agent != gone
                ),
            }
        )


def _observe(state: FleetState, event: AnyEvent, moment: Moment) -> None:
    """Shows the mid what happened."""
    if moment.learner:
        seen = seen_of_event(event, moment)
        if seen is not None:
            see(state.mid, seen)


def seen_of_event(event: AnyEvent, moment: Moment) -> Seen | None:
    """What a scout sees of an event; None of what it does not look at."""
    session, at, sequence = moment.writer, moment.at, moment.sequence
    own = moment.learner
    match event:
        case SessionStarted():
            graph = event.graph
            return Seen(
                "SESSION_START", session, own, at, sequence, tags=event.tags,
                timeout_ms=event.session_timeout_ms,
                beta1=graph.h1 if graph else None,
                components=graph.components if graph else None,
            )  # fmt: skip
        case SessionEnded():
            counts, h1 = event.tasks, event.h1
            return Seen(
                "SESSION_END", session, own, at, sequence, outcome=event.outcome.value,
                duration_ms=event.duration_ms,
                counts=(
                    (counts.total, counts.succeeded, counts.failed, counts.cancelled,
                     counts.timed_out, counts.open)
                    if counts else None
                ),
                beta1=h1.end if h1 else None,
                components=h1.last.components if h1 else None,
                delta_beta1=h1.own_change if h1 else 0,
            )  # fmt: skip
        case SessionPaused():
            return Seen("SESSION_PAUSE", session, own, at, sequence)
        case SessionResumed():
            return Seen("SESSION_RESUME", session, own, at, sequence)
        case SessionErred():
            return Seen(
                "SESSION_ERROR", session, own, at, sequence, task=event.task or "",
                fingerprint=event.fingerprint,
            )  # fmt: skip
        case TaskAdded():
            return Seen(
                "TASK_ADDED", session, own, at, sequence, task=event.task,
                capabilities=event.capabilities, timeout_ms=event.timeout_ms,
            )  # fmt: skip
        case TaskRouted():
            return Seen(
                "TASK_ROUTED", session, own, at, sequence, task=event.task,
                attempt=event.attempt, routed_to=event.npc, fallback=event.fallback,
            )  # fmt: skip
        case TaskStarted():
            return Seen(
                "TASK_START", session, event.agent or own, at, sequence, task=event.task,
                attempt=event.attempt, capabilities=event.capabilities,
            )  # fmt: skip
        case TaskCompleted():
            return Seen(
                "TASK_END", session, event.agent or own, at, sequence, task=event.task,
                attempt=event.attempt, outcome=event.outcome.value,
                duration_ms=event.duration_ms, fingerprint=event.fingerprint,
            )  # fmt: skip
        case EmergenceDetected():
            return Seen("EMERGENCE_ALERT", session, own, at, sequence, task=event.crossing.task)
        case _:
            return None


fleet: Final[Decider[FleetState, FleetCommand, AnyEvent]] = Decider(
    FleetState,
    decide,
    {
        AgentRegistered: _registered,
        AgentUnregistered: _unregistered,
        SessionStarted: _session_started,
        SessionErred: _observe,
        SessionPaused: _observe,
        SessionResumed: _observe,
        SessionEnded: _ended,
        TaskAdded: _observe,
        TaskRouted: _routed,
        TaskStarted: _observe,
        TaskCompleted: _completed,
        EmergenceDetected: _alerted,
        MidSynthesised: _synthesised,
        ArchitectInferred: _inferred,
        SessionErased: _session_erased,
        LearnerErased: _learner_erased,
    },
    _seen,
)


# --- as plain values ----------------------------------------


class _Layout:
    """A fleet's state as plain values: the roster and the graph in forms of their own."""

    _mid: Final = TypeAdapter(MidState)
    _architect: Final = TypeAdapter(ArchitectState)
    _owed: Final = TypeAdapter(tuple[Crossing, ...])
    _synthesis: Final = TypeAdapter(Synthesis | None)
    _advice: Final = TypeAdapter(Advice | None)
    _plain: Final = (
        "sequence", "routed", "fallbacks", "completed", "alerts", "expire_at", "synthesised",
        "inferred",
    )  # fmt: skip

    def dump_python(self, state: FleetState, /) -> dict[str, Any]:
        raw: dict[str, Any] = {name: getattr(state, name) for name in self._plain}
        raw["agents"] = [
            [name, list(agent.capabilities), agent.max_load, agent.registered, agent.routed,
             agent.done]
            for name, agent in state.roster.agents.items()
        ]  # fmt: skip
        raw["loads"], raw["assigned"] = state.roster.loads, state.roster.assigned
        raw["graph"] = state.graph.dump()
        raw["open"] = state.open
        raw["own"] = {name: [own.change, own.crossings] for name, own in state.own.items()}
        raw["alerted"] = [
            [state.graph.name(root), sorted(offsets)] for root, offsets in state.alerted.items()
        ]
        raw["owed"] = self._owed.dump_python(state.owed)
        raw["mid"] = self._mid.dump_python(state.mid)
        raw["architect"] = self._architect.dump_python(state.architect)
        raw["synthesis"] = self._synthesis.dump_python(state.synthesis)
        raw["advice"] = self._advice.dump_python(state.advice)
        return raw

    def validate_python(self, raw: Any, /) -> FleetState:
        """The state of what :meth:`dump_python` gave.

        Raises:
            KeyError, TypeError, ValueError: that is no such thing.
        """
        state = FleetState(**{name: raw[name] for name in self._plain})
        roster = state.roster
        for name, capabilities, max_load, registered, routed, done in raw["agents"]:
            if registered:
                roster.register(name, tuple(capabilities), max_load)
            agent = roster.ensure(name)
            agent.capabilities, agent.max_load = tuple(capabilities), max_load
            agent.routed, agent.done = routed, done
        roster.restore(raw["loads"], raw["assigned"])
        state.graph = CoworkGraph.load(raw["graph"])
        state.open = {session: dict(tasks) for session, tasks in raw["open"].items()}
        state.own = {name: Own(*pair) for name, pair in raw["own"].items()}
        state.alerted = {
            state.graph.root(name): frozenset(offsets) for name, offsets in raw["alerted"]
        }
        state.owed = self._owed.validate_python(raw["owed"])
        state.mid = self._mid.validate_python(raw["mid"])
        state.architect = self._architect.validate_python(raw["architect"])
        state.synthesis = self._synthesis.validate_python(raw["synthesis"])
        state.advice = self._advice.validate_python(raw["advice"])
        return state


FLEET_STATE: Final = _Layout()
