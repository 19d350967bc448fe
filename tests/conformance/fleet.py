"""The cases of agent sessions: tasks, tiles, patterns, the co-work graph, routing, emergence.

One law: what is expected is computed by the real graph, the real deciders and the real tile maker;
here inputs are only put into their words, and their answers into those of the cases.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from holodeck.actors.decider import Moment
from holodeck.actors.fleet.decider import EXPIRIES, WINDOW_MS, FleetState, fleet
from holodeck.actors.fleet.graph import (
    CoworkGraph,
    betti1,
    cliques_of,
    emerges,
    filled_beta1,
    margin,
    projection_of,
    risk,
)
from holodeck.actors.fleet.rigidity import play
from holodeck.actors.fleet.routing import Reservations, Roster, route
from holodeck.actors.session.faults import fault
from holodeck.actors.session.patterns import Done, Story, patterns
from holodeck.messages.fleet import AskRoute, Candidate, Routing
from holodeck.messages.session import Crossing, Outcome, ReportEmergence, TaskRouted
from tests.conformance.agent_sessions import begun, tiles
from tests.conformance.drop_in import alerts
from tests.conformance.runner import Adapter
from tests.conformance.shapes import has, unknown

# --- the graph ----------------------------------------


def h1_formula(given: Any) -> Any:
    if has(given, "V", "E", "C"):
        return {"beta1": betti1(given["V"], given["E"], given["C"])}
    if has(given, "h1", "V", maybe=("offset",)):
        offset = [given["offset"]] if "offset" in given else []
        over = margin(given["h1"], given["V"], *offset)
        return {
            "emergence": emerges(given["h1"], given["V"], *offset),
            "margin": over,
            "threshold": given["h1"] - over,
        }
    raise unknown("h1_formula", given)


def graph(given: Any) -> Any:
    """Names are the texts of what stands for vertices; an edge brings its ends along."""
    if not has(given, "vertices", "edges", maybe=("multigraph", "offset")):
        raise unknown("graph", given)
    made = _graph(given["edges"], given["vertices"], multigraph=given.get("multigraph", False))
    game = play(made)
    offset = [given["offset"]] if "offset" in given else []
    parts = sorted(made.parts(), key=lambda part: min(map(made.index, made.members_at(part.root))))
    return {
        "vertices": made.vertices,
        "edges": made.edges,
        "components": made.components,
        "beta1": made.beta1,
        "rank_2d": game.rank,
        "dof": game.dof,
        "redundant_edges": game.redundant,
        "rigid": game.rigid,
        "laman_minimal": game.minimally_rigid,
        "global_emergence": emerges(made.beta1, made.vertices, *offset),
        "component_emergence": [emerges(part.beta1, part.vertices, *offset) for part in parts],
    }


def _graph(
    edges: Iterable[Sequence[Any]], vertices: Iterable[Any] = (), *, multigraph: bool = False
) -> CoworkGraph:
    made = CoworkGraph(multigraph=multigraph)
    for vertex in vertices:
        made.add(str(vertex))
    for a, b in edges:
        made.connect(str(a), str(b))
    return made


def h1_incremental(given: Any) -> Any:
    if not has(given, "edges", maybe=("vertices", "simple_graph", "multigraph")):
        raise unknown("h1_incremental", given)
    made = CoworkGraph(multigraph=given.get("multigraph", not given.get("simple_graph", True)))
    for vertex in given.get("vertices", ()):
        made.add(str(vertex))
    seen = []
    for a, b in given["edges"]:
        made.connect(str(a), str(b))
        seen.append((made.beta1, made.components))
    return {
        "beta1_after_each": [beta1 for beta1, _ in seen],
        "components_after_each": [components for _, components in seen],
    }


def cowork(given: Any) -> Any:
    if has(given, "edges", "collaborators", "candidate", maybe=("agents",)):
        return _joining(given)
    if has(given, "edges"):
        return _incidence([(str(agent), str(task)) for agent, task in given["edges"]])
    if has(given, "task", "agents"):
        return _incidence([(str(agent), str(given["task"])) for agent in given["agents"]])
    raise unknown("cowork", given)


def _joining(given: Mapping[str, Any]) -> dict[str, int]:
    """What a candidate would change; ``agents`` is a list of names or a text of letters."""
    made = _graph(given["edges"], given.get("agents", ()))
    candidate, others = given["candidate"], given["collaborators"]
    for name in (candidate, *others):
        made.add(name)
    change = made.project(candidate, others)
    gain = play(made).gain(made.index(candidate), map(made.index, others))
    return {
        "new_edges": change.new_edges,
        "delta_beta1": change.delta_beta1,
        "delta_components": change.delta_components,
        "delta_rank": gain,
        "delta_redundant": change.new_edges - gain,
    }


def _incidence(pairs: Sequence[tuple[str, str]]) -> dict[str, int]:
    """Of agents and tasks; a task may have an agent's name."""
    projection = projection_of(pairs)
    both = _graph((f"agent {agent}", f"task {task}") for agent, task in pairs)
    bipartite = both.beta1
    for link in projection.links():
        both.connect(f"agent {link.a}", f"agent {link.b}")
    return {
        "bipartite_beta1": bipartite,
        "bipartite_plus_clique_beta1": both.beta1,
        "projection_beta1": projection.beta1,
        "filled_complex_beta1": filled_beta1(cliques_of(pairs)),
    }


# --- the fleet ----------------------------------------


class Fleet:
    """The real fleet, told of one link after the other.

    Attributes:
        alerts: crossings so far.
    """

    def __init__(self, offset: float = -2.0) -> None:
        self.state = FleetState()
        self.alerts: list[Crossing] = []
        self._offset = offset
        self._at = WINDOW_MS

    def link(self, a: str, b: str, session: str = "sess_1") -> None:
        """Session ``session`` has a task routed to ``a``, who works with ``b``."""
        routed = TaskRouted(
            task="t", npc=a, match=1.0, fallback=False, collaborators=(b,), offset=self._offset
        )
        self._tell(routed, session)

    def _tell(self, event: TaskRouted | None, session: str = "sess_1") -> None:
        moment = Moment(self.state.sequence + 1, self._at, session, "ana")
        fleet.advance(self.state, () if event is None else (event,), moment)
        self.alerts += [one for one in self.state.owed if one.number == moment.sequence]

    def forget(self, edges: Sequence[tuple[str, str]]) -> None:
        """A window goes by in which every other link is seen again."""
        links = [(link.a, link.b) for link in self.state.graph.links()]
        for a, b in links:
            self.link(a, b)
        self._at += WINDOW_MS - 1
        for a, b in links:
            if (a, b) not in edges:
                self.link(a, b)
        self._at += WINDOW_MS // EXPIRIES + 1
        self._tell(None)


class Loops(Fleet):
    """A fleet of one component of V agents, with as many loops as one likes.

    The agents are a path; each further link closes a loop.
    """

    def __init__(self, vertices: int, offset: float) -> None:
        super().__init__(offset)
        names = [f"a{n}" for n in range(vertices)]
        self._free = [(names[a], names[b]) for a in range(vertices) for b in range(a + 2, vertices)]
        self._closed: list[tuple[str, str]] = []
        for a, b in pairwise(names):
            self.link(a, b)

    def to(self, h1: int) -> None:
        """Links are made, or forgotten, until there are ``h1`` loops."""
        while len(self._closed) < h1:
            edge = self._free.pop(0)
            self._closed.append(edge)
            self.link(*edge)
        if surplus := self._closed[h1:]:
            del self._closed[h1:]
            self._free = surplus + self._free
            self.forget(surplus)


def emergence(given: Any) -> Any:
    """Of one component; how many agents it has may be left open where only loops are counted."""
    if has(given, "V", "h1_after", "offset", maybe=("h1_before",)):
        return _alert(given)
    if has(given, "h1_sequence", "threshold", maybe=("V",)):
        sequence, threshold = given["h1_sequence"], given["threshold"]
        vertices = given.get("V", _vertices_for(max(sequence, default=0)))
        lane = Loops(vertices, threshold - vertices)
        for h1 in sequence:
            lane.to(h1)
        return {"alerts": len(lane.alerts)}
    if has(given, "h1", "threshold", "n_vertices", "n_edges"):
        crossing = Crossing(
            number=1,
            h1=given["h1"],
            threshold=given["threshold"],
            offset=given["threshold"] - given["n_vertices"],
            vertices=given["n_vertices"],
            edges=given["n_edges"],
            edge=("a", "b"),
        )
        return {"str": str(crossing)}
    raise unknown("emergence", given)


def _alert(given: Mapping[str, Any]) -> dict[str, Any]:
    """The last loops close; the session is told, and told again, and whoever listens to it."""
    offset = given["offset"]
    lane = Loops(given["V"], offset)
    lane.to(given.get("h1_before", given["h1_after"] - 1))
    before = len(lane.alerts)
    lane.to(given["h1_after"])
    told = begun("ana", emergence_offset=offset)
    for crossing in lane.alerts[before:]:
        told.tell(*[ReportEmergence(crossing=crossing)] * 2)
    found = [tile for tile in tiles(told) if tile["event"] == "EMERGENCE ALERT"]
    links = [(link.a, link.b) for link in lane.state.graph.links()]
    shown: dict[str, Any] = {
        "session_events": len(found),
        "callbacks": len(alerts(links, offset)),
    }
    for crossing, tile in zip(lane.alerts[before:], found, strict=True):
        shown |= {
            "h1": crossing.h1,
            "threshold": crossing.threshold,
            "question": tile["question"],
            "question_prefix": tile["question"][: tile["question"].index("]") + 1],
        }
    return shown


def _vertices_for(h1: int) -> int:
    """The fewest agents, three or more, that can have so many loops."""
    vertices = 3
    while (vertices - 1) * (vertices - 2) // 2 < h1:
        vertices += 1
    return vertices


def router(given: Any) -> Any:
    if has(
        given, "agents", "task",
        maybe=("loads", "edges", "collaborators", "prefer_agents", "offset"),
    ):  # fmt: skip
        return _route(given)
    if has(given, "complete_bipartite", maybe=("offset",)):
        return _bipartite(*given["complete_bipartite"], offset=given.get("offset", -2.0))
    if has(given, "margin"):
        over = given["margin"]
        return {"risk": [risk(one) for one in over] if isinstance(over, list) else risk(over)}
    raise unknown("router", given)


def _route(given: Mapping[str, Any]) -> dict[str, Any]:
    roster = Roster()
    for name, capabilities in given["agents"].items():
        roster.register(name, tuple(capabilities), 0)
        for _ in range(given.get("loads", {}).get(name, 0)):
            roster.give(name, 0)
    task, capabilities = given["task"]
    ask = AskRoute(
        session="sess_1",
        task=task,
        capabilities=tuple(capabilities),
        collaborators=tuple(given.get("collaborators", ())),
        prefer=tuple(given.get("prefer_agents", ())),
        offset=given.get("offset", -2.0),
    )
    decision = route(roster, _graph(given.get("edges", ())), Reservations(), ask)
    return _routed(decision.routing) | {"task_id": task, "reasoning": decision.reasoning}


def _routed(routing: Routing) -> dict[str, Any]:
    return {
        "agent_id": routing.agent,
        "h1_before": routing.h1_before,
        "h1_after": routing.h1_after,
        "confidence": routing.confidence,
        "emergence_risk": routing.emergence_risk,
        "capability_match_score": routing.match,
        "fallback": routing.fallback,
        "decided_by": routing.decided_by,
        "delta_beta1": routing.delta_h1,
        "delta_components": routing.delta_components,
    }


def _bipartite(agents: int, tasks: int, *, offset: float) -> dict[str, Any]:
    """Every agent linked to every task, and one of them asked once more."""
    edges = [(f"a{a}", f"t{t}") for a in range(agents) for t in range(tasks)]
    made = _graph(edges)
    ask = AskRoute(
        session="sess_1",
        task="one more",
        candidates=(Candidate(agent="a0"),),
        collaborators=("t0",),
        offset=offset,
    )
    over = margin(made.beta1, made.vertices, offset)
    routed = _routed(route(Roster(), made, Reservations(), ask).routing)
    return routed | {
        "V": made.vertices,
        "E": made.edges,
        "threshold_E": made.edges - over,
        "emergence": emerges(made.beta1, made.vertices, offset),
    }


# --- patterns ----------------------------------------

_LETTERS: Final = {
    "S": Outcome.SUCCESS,
    "F": Outcome.FAILED,
    "C": Outcome.CANCELLED,
    "T": Outcome.TIMEOUT,
}


def pattern_names(given: Any) -> Any:
    """Outcomes are letters in the order of completion, a dash a task that stayed open; other keys
    are those of :class:`Story`. A session that is not said to be anything was cancelled."""
    maybe = (
        "session_outcome", "durations_ms", "errors", "attempts", "routed", "fallbacks",
        "capacity_hit", "duration_ms", "idle_ms", "crossings", "components",
    )  # fmt: skip
    if not has(given, "outcomes", maybe=maybe) or not set(given["outcomes"]) <= {*_LETTERS, "-"}:
        raise unknown("patterns", given)
    letters = given["outcomes"]
    durations = given.get("durations_ms", [None] * len(letters))
    errors = given.get("errors", [""] * len(letters))
    names = [f"task-{n}" for n in range(1, len(letters) + 1)]
    done = [
        Done(name, 1, _LETTERS[letter], duration, fault(error or "").fingerprint)
        for name, letter, duration, error in zip(names, letters, durations, errors, strict=True)
        if letter != "-"
    ]
    components = given.get("components")
    story = Story(
        done=done,
        tasks=len(letters),
        open=[name for name, letter in zip(names, letters, strict=True) if letter == "-"],
        attempts=given.get("attempts", dict.fromkeys(names, 1)),
        routed=given.get("routed", {}),
        fallbacks=given.get("fallbacks", []),
        capacity_hit=given.get("capacity_hit", False),
        outcome=Outcome(given.get("session_outcome", Outcome.CANCELLED)),
        duration_ms=given.get("duration_ms", 1000),
        idle_ms=given.get("idle_ms", 0),
        crossings=given.get("crossings", 0),
        components=None if components is None else tuple(components),
    )
    return [pattern.name for pattern in patterns(story)]


ADAPTERS: Final[dict[str, Adapter]] = {
    "cowork": cowork,
    "emergence": emergence,
    "graph": graph,
    "h1_formula": h1_formula,
    "h1_incremental": h1_incremental,
    "patterns": pattern_names,
    "router": router,
}
