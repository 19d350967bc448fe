"""Who should get a task: by capability, then by what it does to the team, and by load. Pure.

One law: the same fleet, the same reservations and the same question give the same answer, and the
answer names the term that told the chosen agent from the next best one.

The score is a sum of four terms, and the lowest wins; equal scores go to whoever was given nothing
for longest, then by id:

* ``beta1``: new loops in the co-work graph, as a share of the links there could be: Δβ1 / (k + 1)
  with k collaborators, below 1;
* ``components``: silos joined, 0.1 · ΔC / (k + 1), above -0.1: links that bring groups together are
  worth a little;
* ``load``: tasks the agent has, 1 each. So whatever the graph says, nobody of a team of equals ever
  has two tasks more than another when the task comes;
* ``match``: 10 · (1 − match), where nobody has all the capabilities.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from heapq import nsmallest
from itertools import chain, compress, filterfalse, repeat
from operator import add
from typing import Final, NamedTuple

from holodeck.actors.fleet.graph import Change, CoworkGraph, Stand, margin, risk
from holodeck.messages.errors import RefusedError
from holodeck.messages.fleet import Alternative, AskRoute, Decision, Routing, Term

COMPONENTS_WEIGHT: Final = 0.1
MATCH_WEIGHT: Final = 10.0
ALTERNATIVES: Final = 3
SPAN: Final = 1
"""How many tasks over the least loaded somebody may have and still be the best: the graph's terms
together span less than 1.1."""
MANY: Final = 256
"""Candidates above which not each of them is looked at."""
RESERVED_MS: Final = 5_000
"""How long a decision's load is reserved while ``task.routed`` has not been folded."""


@dataclass(slots=True)
class Agent:
    """One agent.

    Attributes:
        max_load: tasks it takes at once; 0: any number.
        registered: said itself what it can do; only then it gets tasks of foreign sessions.
        done: tasks it ended; routed: tasks it was ever given.
    """

    capabilities: tuple[str, ...] = ()
    max_load: int = 0
    registered: bool = False
    routed: int = 0
    done: int = 0


NOBODY_YET: Final = Agent()


class Roster:
    """The agents, and who can do what.

    Attributes:
        loads: tasks an agent was given and that have not ended; without those that have none.
        assigned: sequence of the last task an agent was given.
        limited: registered agents that take only so many tasks.
    """

    __slots__ = (
        "_able",
        "_aged",
        "_registered",
        "_unused",
        "agents",
        "assigned",
        "limited",
        "loads",
    )

    def __init__(self) -> None:
        self.agents: dict[str, Agent] = {}
        self.loads: dict[str, int] = {}
        self.assigned: dict[str, int] = {}
        self.limited: dict[str, int] = {}
        self._unused: list[str] = []  # who was never given anything, by name
        self._aged: dict[str, None] = {}  # the others, in the order of their last task
        self._able: dict[str, set[str]] = {}
        self._registered: set[str] = set()

    def get(self, name: str) -> Agent:
        """The agent, or one that knows nothing and has nothing."""
        return self.agents.get(name, NOBODY_YET)

    def ensure(self, name: str) -> Agent:
        found = self.agents.get(name)
        if found is None:
            found = self.agents[name] = Agent()
            insort(self._unused, name)
        return found

    def by_age(self) -> Iterator[str]:
        """All agents: who was given nothing for longest first; of those never given anything, by
        name."""
        return chain(self._unused, self._aged)

    def register(self, name: str, capabilities: tuple[str, ...], max_load: int) -> None:
        agent = self.ensure(name)
        self._forget(name, agent)
        agent.capabilities, agent.max_load, agent.registered = capabilities, max_load, True
        self._registered.add(name)
        if max_load:
            self.limited[name] = max_load
        for capability in capabilities:
            self._able.setdefault(capability, set()).add(name)

    def unregister(self, name: str) -> None:
        agent = self.agents.get(name)
        if agent is not None:
            self._forget(name, agent)
            agent.registered = False

    def give(self, name: str, sequence: int) -> None:
        """The agent gets one more task, by the checkpoint ``sequence``."""
        self.ensure(name).routed += 1
        self.loads[name] = self.loads.get(name, 0) + 1
        self._age(name, sequence)

    def _age(self, name: str, sequence: int) -> None:
        if name in self.assigned:
            del self._aged[name]
        else:
            del self._unused[bisect_left(self._unused, name)]
        self.assigned[name] = sequence
        self._aged[name] = None

    def restore(self, loads: Mapping[str, int], assigned: Mapping[str, int]) -> None:
        """Takes loads and last tasks of agents that are known already and were given nothing."""
        self.loads = dict(loads)
        for name, sequence in sorted(assigned.items(), key=lambda item: item[1]):
            self._age(name, sequence)

    def take(self, name: str) -> None:
        """One task of the agent has ended, or went to another."""
        left = self.loads.get(name, 0) - 1
        if left > 0:
            self.loads[name] = left
        else:
            self.loads.pop(name, None)

    def drop(self, name: str) -> None:
        """Forgets an agent altogether."""
        agent = self.agents.pop(name, None)
        if agent is not None:
            self._forget(name, agent)
            if name in self.assigned:
                del self._aged[name]
            else:
                del self._unused[bisect_left(self._unused, name)]
        self.loads.pop(name, None)
        self.assigned.pop(name, None)

    def _forget(self, name: str, agent: Agent) -> None:
        self._registered.discard(name)
        self.limited.pop(name, None)
        for capability in agent.capabilities:
            able = self._able.get(capability)
            if able is not None:
                able.discard(name)
                if not able:
                    del self._able[capability]

    @property
    def registered(self) -> Collection[str]:
        return self._registered

    def able(self, capabilities: Iterable[str]) -> Collection[str]:
        """Registered agents that have all of ``capabilities``; everyone if there are none."""
        sets: list[set[str]] = [self._able.get(one, set()) for one in set(capabilities)]
        if not sets:
            return self._registered
        sets.sort(key=len)
        return sets[0].intersection(*sets[1:]) if len(sets) > 1 else sets[0]


@dataclass(slots=True)
class _Held:
    agent: str
    until: int
    decision: Decision


@dataclass(slots=True)
class Reservations:
    """Load that was given away and is not folded yet. Lives in memory beside the state.

    Attributes:
        load: by agent; order: the number of its last reservation, for who was asked last.
    """

    load: dict[str, int] = field(default_factory=dict)
    order: dict[str, int] = field(default_factory=dict)
    _held: dict[tuple[str, str, int], _Held] = field(default_factory=dict)
    _count: int = 0

    def __len__(self) -> int:
        return len(self._held)

    def get(self, key: tuple[str, str, int]) -> Decision | None:
        """What was answered to the question of a session, task and attempt, if it still holds."""
        held = self._held.get(key)
        return None if held is None else held.decision

    def hold(self, key: tuple[str, str, int], decision: Decision, now: int) -> None:
        agent = decision.routing.agent
        self._held[key] = _Held(agent, now + RESERVED_MS, decision)
        self._count += 1
        self.load[agent] = self.load.get(agent, 0) + 1
        self.order[agent] = self._count

    def settle(self, key: tuple[str, str, int]) -> None:
        """The decision is folded, or will never be."""
        held = self._held.pop(key, None)
        if held is None:
            return
        left = self.load[held.agent] - 1
        if left:
            self.load[held.agent] = left
        else:
            del self.load[held.agent], self.order[held.agent]

    def expire(self, now: int) -> None:
        """Lets go of what was held for too long; reservations stand in the order they end."""
        while self._held:
            key, first = next(iter(self._held.items()))
            if first.until > now:
                return
            self.settle(key)


class _Scored(NamedTuple):
    """A candidate, comparable: the lowest is the best."""

    score: float
    reserved: int
    assigned: int
    name: str


class _Terms(NamedTuple):
    beta1: float
    components: float
    load: float
    match: float


def route(roster: Roster, graph: CoworkGraph, held: Reservations, ask: AskRoute) -> Decision:
    """Who should get the task.

    Returns:
        a decision without an agent where there is nobody at all.

    Raises:
        RefusedError: ``agents-full``: those who are capable have as many tasks as they take.
    """
    needed = frozenset(ask.capabilities)
    told = {one.agent: one.capabilities for one in ask.candidates}
    match_of: dict[str, float] = {}
    if told:
        everyone: Collection[str] = told.keys()
        able: Collection[str] = [
            name
            for name, capabilities in told.items()
            if needed <= {*capabilities, *roster.get(name).capabilities}
        ]
    else:
        own = ask.own
        everyone = roster.registered
        able = roster.able(needed)
        if own is not None and own not in everyone:
            everyone = {*everyone, own}
            if not needed:
                able = {*able, own}
    if not everyone:
        return Decision(
            routing=Routing(h1_before=graph.beta1, h1_after=graph.beta1, match=0.0),
            reasoning="No agents available",
        )
    fallback = not able
    pool: Collection[str] = able
    if fallback:
        for name in everyone:
            has = {*told.get(name, ()), *roster.get(name).capabilities}
            match_of[name] = len(needed & has) / len(needed)
        pool = everyone
    free = _free(roster, held, pool)
    if not free:
        raise RefusedError("agents-full", f"{len(pool)} agents have as many tasks as they take")
    preferred = [name for name in ask.prefer if name in set(free)] if ask.prefer else []
    linked = tuple(dict.fromkeys(ask.collaborators))
    stand = graph.stand(linked)
    ranked = _rank(roster, graph, held, preferred or free, stand, match_of)
    return _decided(
        roster, graph, held, ask, linked, stand, ranked, match_of, fallback, bool(preferred)
    )


def _free(roster: Roster, held: Reservations, pool: Collection[str]) -> Collection[str]:
    """Those of a pool that take one more task."""
    limited, loads, reserved = roster.limited, roster.loads, held.load
    full = [
        name
        for name in (limited if len(limited) < len(pool) else pool)
        if name in limited and loads.get(name, 0) + reserved.get(name, 0) >= limited[name]
    ]
    return pool if not full else set(pool).difference(full)


def _rank(
    roster: Roster,
    graph: CoworkGraph,
    held: Reservations,
    pool: Collection[str],
    stand: Stand,
    match_of: Mapping[str, float],
) -> list[_Scored]:
    """The best of the pool, at most four, best first."""
    scale = 1.0 / len(stand.inside)  # one more than there are collaborators

    def score(change: Change, load: int, match: float = 1.0) -> float:
        links = change.delta_beta1 + COMPONENTS_WEIGHT * change.delta_components
        return round(links * scale + load + MATCH_WEIGHT * (1.0 - match), 9)

    if len(pool) > MANY and not match_of:
        return _best_of_many(roster, graph, held, pool, stand, score)
    loads, reserved = roster.loads, held.load
    scored: dict[float, list[str]] = {}
    for name in pool:
        load = loads.get(name, 0) + reserved.get(name, 0)
        mine = score(graph.change(name, stand), load, match_of.get(name, 1.0))
        scored.setdefault(mine, []).append(name)
    best: list[_Scored] = []
    for mine in sorted(scored):
        best += _oldest(roster, held, mine, scored[mine], ALTERNATIVES + 1 - len(best))
        if len(best) > ALTERNATIVES:
            break
    return best


def _best_of_many(
    roster: Roster,
    graph: CoworkGraph,
    held: Reservations,
    pool: Collection[str],
    stand: Stand,
    score: Callable[[Change, int], float],
) -> list[_Scored]:
    """As :func:`_rank`, where a look at each of them would take too long.

    Candidates score by two things: their load, and their links with the collaborators or, without
    any, the side of the graph they stand on. So there are a few groups of equals. C counts those
    without links; of the best groups the ones given nothing for longest are met first on the way
    through the agents.
    """
    loads, reserved = roster.loads, held.load
    linked = {name for name in stand.known if name in pool}
    groups: dict[float, list[int | list[str]]] = {}
    near: dict[tuple[int, int], list[str]] = {}
    for name in linked:
        burden = loads.get(name, 0) + reserved.get(name, 0)
        near.setdefault((stand.known[name], burden), []).append(name)
    for (links, burden), some in near.items():
        groups.setdefault(score(stand.inside[links], burden), []).append(some)
    burdens = list(map(loads.get, pool, repeat(0)))
    if reserved:
        burdens = list(map(add, burdens, map(reserved.get, pool, repeat(0))))
    kinds = list(map(add, map(add, burdens, burdens), graph.inner(pool, stand)))
    sides = (stand.outside, stand.inside[0])
    for kind in set(kinds):  # 2 · load + side
        groups.setdefault(score(sides[kind & 1], kind >> 1), []).append(kind)
    best: list[_Scored] = []
    for mine in sorted(groups):
        found: list[_Scored] = []
        for group in groups[mine]:
            names: Collection[str] = (
                set(compress(pool, map(group.__eq__, kinds))) - linked
                if isinstance(group, int)
                else group
            )
            found += _oldest(roster, held, mine, names, ALTERNATIVES + 1)
        best += sorted(found)
        if len(best) > ALTERNATIVES:
            break
    return best[: ALTERNATIVES + 1]


def _oldest(
    roster: Roster, held: Reservations, score: float, names: Collection[str], count: int
) -> list[_Scored]:
    """Those of equal score who were given nothing for longest; who has a reservation was asked
    later than anybody whose task is folded."""
    order = held.order
    found: list[_Scored] = []
    if isinstance(names, set) and len(names) > MANY:
        # Of so many the first are soon met on the way from who was given nothing for longest.
        for name in roster.by_age():
            if name in names and name not in order:
                found.append(_Scored(score, 0, roster.assigned.get(name, 0), name))
                if len(found) == count:
                    return found
        found.clear()
    waiting = list(filterfalse(order.__contains__, names))
    assigned = map(roster.assigned.get, waiting, repeat(0))
    for at, name in nsmallest(count, zip(assigned, waiting, strict=True)):
        found.append(_Scored(score, 0, at, name))
    if len(found) < count and len(waiting) < len(names):
        later = nsmallest(count - len(found), [(order[n], n) for n in names if n in order])
        found += [_Scored(score, at, roster.assigned.get(name, 0), name) for at, name in later]
    return found


def _terms(
    roster: Roster,
    graph: CoworkGraph,
    held: Reservations,
    name: str,
    stand: Stand,
    match_of: Mapping[str, float],
) -> _Terms:
    change = graph.change(name, stand)
    scale = 1.0 / len(stand.inside)
    return _Terms(
        change.delta_beta1 * scale,
        COMPONENTS_WEIGHT * change.delta_components * scale,
        (roster.loads.get(name, 0) + held.load.get(name, 0)),
        MATCH_WEIGHT * (1.0 - match_of.get(name, 1.0)),
    )


def _decided(
    roster: Roster,
    graph: CoworkGraph,
    held: Reservations,
    ask: AskRoute,
    linked: tuple[str, ...],
    stand: Stand,
    ranked: list[_Scored],
    match_of: Mapping[str, float],
    fallback: bool,
    preferred: bool,
) -> Decision:
    first = ranked[0]
    name = first.name
    change = graph.project(name, linked)
    over = margin(change.beta1_after, change.vertices_after, ask.offset)
    danger = risk(over) if change.vertices_after >= 3 else 0.0
    match = match_of.get(name, 1.0)
    load = roster.loads.get(name, 0) + held.load.get(name, 0)
    term: Term = "only"
    against = ""
    if len(ranked) > 1:
        second = ranked[1]
        mine = _terms(roster, graph, held, name, stand, match_of)
        theirs = _terms(roster, graph, held, second.name, stand, match_of)
        term, against = _told_apart(first, second, mine, theirs)
    if preferred:
        term = "preferred"
    words = [f"{name} by {term}{against}"]
    if fallback:
        words.append(f"fallback: nobody has {', '.join(sorted(ask.capabilities))}")
    words.append(
        f"match {match:.2f}, load {load}, β1 {graph.beta1} → {graph.beta1 + change.delta_beta1}, "
        f"ΔC {change.delta_components}"
    )
    return Decision(
        routing=Routing(
            agent=name,
            h1_before=graph.beta1,
            h1_after=graph.beta1 + change.delta_beta1,
            emergence_risk=danger,
            match=round(match, 6),
            confidence=round(match * (1.0 - danger), 6),
            fallback=fallback,
            load=load,
            delta_h1=change.delta_beta1,
            delta_components=change.delta_components,
            decided_by=term,
        ),
        reasoning="; ".join(words)[:1000],
        alternatives=tuple(_alternative(roster, graph, held, other, stand) for other in ranked[1:]),
        collaborators=tuple(other for other in linked if other != name),
    )


def _told_apart(first: _Scored, second: _Scored, mine: _Terms, theirs: _Terms) -> tuple[Term, str]:
    """The term that told the first from the second, and against what."""
    differences: dict[Term, float] = {
        "beta1": theirs.beta1 - mine.beta1,
        "components": theirs.components - mine.components,
        "load": theirs.load - mine.load,
        "match": theirs.match - mine.match,
    }
    if first.score != second.score:
        term = max(differences, key=lambda name: differences[name])
        return term, f" before {second.name}"
    if (first.reserved, first.assigned) != (second.reserved, second.assigned):
        return "last-assigned", f" before {second.name}, whose last task is newer"
    return "id", f" before {second.name}, equal in all else"


def _alternative(
    roster: Roster,
    graph: CoworkGraph,
    held: Reservations,
    scored: _Scored,
    stand: Stand,
) -> Alternative:
    change = graph.change(scored.name, stand)
    return Alternative(
        agent=scored.name,
        score=round(scored.score, 6),
        load=roster.loads.get(scored.name, 0) + held.load.get(scored.name, 0),
        delta_h1=change.delta_beta1,
        delta_components=change.delta_components,
    )
