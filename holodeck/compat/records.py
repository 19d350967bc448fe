"""What the session manager tells of routing and of the fleet.

One law: each record is a dictionary, so it goes into JSON as it is, and its keys are attributes.
"""

from __future__ import annotations

from typing import Any

from holodeck.compat.config import from_actor
from holodeck.messages.fleet import Decision as FleetDecision
from holodeck.messages.fleet import Routing
from holodeck.messages.session import Crossing


class Record(dict[str, Any]):
    """A dictionary whose keys can be read as attributes."""

    def __getattr__(self, name: str) -> Any:
        # Asked only for what is no method.
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"{type(self).__name__} has no {name!r}") from None

    def to_dict(self) -> dict[str, Any]:
        return dict(self)


class Decision(Record):
    """Who gets a task, and what that does to the co-work graph.

    Attributes:
        agent_id: empty where there is nobody.
        h1_before, h1_after: β1 of the graph, before and after.
        confidence, emergence_risk, capability_match_score: 0 to 1.
        reasoning: a sentence that says which term decided.
        fallback: nobody had all the capabilities.
        decided_by: the term that told the agent from the next best one; ``router`` where the
            configured router decided.
        router: address of the router that decided; empty: the fleet of the runtime.
        router_error: why the configured router did not; empty: it did, or none is configured.
        stored: False for a proposal: nobody was given the task.
    """

    agent_id: str
    task_id: str
    h1_before: int
    h1_after: int
    confidence: float
    emergence_risk: float
    capability_match_score: float
    reasoning: str
    fallback: bool
    decided_by: str
    router: str
    router_error: str
    stored: bool

    @staticmethod
    def made(
        task_id: str,
        routing: Routing,
        reasoning: str,
        *,
        router: str = "",
        router_error: str = "",
        stored: bool = True,
    ) -> Decision:
        """A decision of the fleet, or of another router, as users see it."""
        if router_error:
            reasoning = f"{reasoning}; by the built-in fleet, because {router_error}"
        return Decision(
            agent_id=from_actor(routing.agent) if routing.agent else "",
            task_id=task_id,
            h1_before=routing.h1_before,
            h1_after=routing.h1_after,
            confidence=routing.confidence,
            emergence_risk=routing.emergence_risk,
            capability_match_score=routing.match,
            reasoning=reasoning,
            fallback=routing.fallback,
            decided_by="router" if router else routing.decided_by,
            router=router,
            router_error=router_error,
            stored=stored,
        )

    @staticmethod
    def proposed(task_id: str, found: FleetDecision, router_error: str = "") -> Decision:
        """What the fleet would do; nobody was given the task."""
        return Decision.made(
            task_id, found.routing, found.reasoning, router_error=router_error, stored=False
        )


class EmergenceAlert(Record):
    """A component of the co-work graph rose above its threshold: β1 > V + offset.

    Attributes:
        h1, n_vertices, n_edges: of the component; threshold: V + offset.
        members: its agents, at most 64; more_members: how many others.
        edge: the two agents whose link crossed.
        crossing: its number; the same alert has the same.
    """

    h1: int
    threshold: float
    n_vertices: int
    n_edges: int
    offset: float
    members: list[str]
    more_members: int
    edge: list[str]
    session_id: str
    task_id: str
    crossing: int

    @staticmethod
    def of(crossing: Crossing) -> EmergenceAlert:
        return EmergenceAlert(
            h1=crossing.h1,
            threshold=crossing.threshold,
            n_vertices=crossing.vertices,
            n_edges=crossing.edges,
            offset=crossing.offset,
            members=[from_actor(one) for one in crossing.members],
            more_members=crossing.more,
            edge=[from_actor(one) for one in crossing.edge],
            session_id=crossing.session,
            task_id=crossing.task,
            crossing=crossing.number,
        )

    def __str__(self) -> str:
        return (
            f"EMERGENCE: β₁={self.h1} > V{self.get('offset', -2):+g}={self.threshold:g} "
            f"(V={self.n_vertices}, E={self.n_edges})"
        )


class H1Status(Record):
    """The co-work graph of the fleet in figures.

    Attributes:
        n_agents: known ones; n_tasks: given to somebody and not ended.
        n_edges, n_vertices, n_components, h1_dimension: of the graph.
        emergence_detected: β1 > V - 2 in some component of at least three agents.
        margin: β1 - (V - 2) of the component that lies highest; None: there is none.
        threshold: that component's V - 2.
        rank, dof, redundant: how it is braced in the plane, summed over the components; None
            where the figures are those of another router.
        router: address of the router whose figures they are; empty: the fleet of the runtime.
        router_error: why the configured router told none; empty: it did, or none is configured.
    """

    n_agents: int
    n_tasks: int
    n_edges: int
    n_vertices: int
    h1_dimension: int
    n_components: int
    emergence_detected: bool
    margin: float | None
    threshold: float | None
    description: str
    rank: int | None
    dof: int | None
    redundant: int | None
    router: str
    router_error: str

    @staticmethod
    def of(status: dict[str, Any], router_error: str = "") -> H1Status:
        """From what the fleet says of itself."""
        return H1Status(
            n_agents=status["agents"],
            n_tasks=status["tasks"],
            n_edges=status["edges"],
            n_vertices=status["vertices"],
            h1_dimension=status["h1"],
            n_components=status["components"],
            emergence_detected=status["emergence"],
            margin=status["margin"],
            threshold=status["threshold"],
            description=status["description"],
            rank=status["rank"],
            dof=status["dof"],
            redundant=status["redundant"],
            router="",
            router_error=router_error,
        )
