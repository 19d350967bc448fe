"""What may be said to the fleet, and the edits it makes of its own.

The fleet is one actor in each namespace: it knows the agents (NPCs are agents too), how much each
has to do and who worked with whom, and proposes who should get a task.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field, TypeAdapter

from holodeck.messages.base import Event, Label, Message, Reason, Share
from holodeck.messages.ids import NpcId, SessionId, TaskId
from holodeck.messages.synthesis import Advice, Synthesis

FLEET: Final = "main"
"""The id of a namespace's one fleet."""

MAX_COLLABORATORS: Final = 32
"""How many agents a task's new agent is linked to at most: the newest of its session."""

Capabilities = Annotated[tuple[Label, ...], Field(max_length=32)]
Collaborators = Annotated[tuple[NpcId, ...], Field(max_length=MAX_COLLABORATORS)]
Term = Literal["only", "beta1", "components", "load", "match", "last-assigned", "id", "preferred"]
"""What told the chosen agent from the next best one; ``only``: there was no other."""


class GraphPoint(Event):
    """The co-work graph at one moment.

    Attributes:
        h1: its first Betti number β1 = E − V + C: independent loops of collaboration.
        components: groups that share nobody (silos).
        sequence: of the last checkpoint that is in it.
    """

    h1: Annotated[int, Field(ge=0)] = 0
    vertices: Annotated[int, Field(ge=0)] = 0
    edges: Annotated[int, Field(ge=0)] = 0
    components: Annotated[int, Field(ge=0)] = 0
    sequence: Annotated[int, Field(ge=0)] = 0


class Alternative(Event):
    """An agent that was considered and not taken; ``score`` is lower for the better."""

    agent: NpcId
    score: float
    load: int
    delta_h1: int
    delta_components: int


class Routing(Event):
    """Who gets a task, and what that does to the co-work graph.

    Attributes:
        agent: empty where there is nobody.
        h1_before, h1_after: β1 of the whole graph, before and with the links the choice makes.
        emergence_risk: 0, 0.3, 0.6 or 0.9 by how far the agent's component would lie above its
            threshold.
        match: share of the required capabilities the agent has.
        confidence: match · (1 − emergence_risk).
        fallback: nobody had all the capabilities; ``match`` says what share the chosen one has.
        load: tasks the agent had before this one.
        decided_by: what told it from the next best one.
    """

    agent: NpcId | Literal[""] = ""
    h1_before: int = 0
    h1_after: int = 0
    emergence_risk: Share = 0.0
    match: Share = 1.0
    confidence: Share = 0.0
    fallback: bool = False
    load: int = 0
    delta_h1: int = 0
    delta_components: int = 0
    decided_by: Term = "only"


class Decision(Message):
    """A routing with its reasons; what a session is told before it routes a task.

    Attributes:
        collaborators: who the agent is linked to by taking the task.
        alternatives: the next best, at most three.
    """

    routing: Routing
    reasoning: Reason = ""
    alternatives: Annotated[tuple[Alternative, ...], Field(max_length=3)] = ()
    collaborators: Collaborators = ()


# --- commands ----------------------------------------


class RegisterAgent(Message):
    """Says what an agent can do, or says it anew.

    Attributes:
        max_load: tasks it takes at once; 0: as many as come.
    """

    kind: Literal["register-agent"] = "register-agent"
    agent: NpcId
    capabilities: Capabilities = ()
    max_load: Annotated[int, Field(ge=0, le=100_000)] = 0


class UnregisterAgent(Message):
    """The agent gets no further tasks; what it has, it keeps. Its links stay until they age."""

    kind: Literal["unregister-agent"] = "unregister-agent"
    agent: NpcId


class RecordEmergence(Message):
    """Sent by the fleet to itself: an alert whose session can store nothing more."""

    kind: Literal["record-emergence"] = "record-emergence"
    crossing: Annotated[int, Field(ge=1)]


class CloseWindow(Message):
    """Sent by the fleet to itself: the window that began behind ``read`` events is over."""

    kind: Literal["close-window"] = "close-window"
    read: Annotated[int, Field(ge=0)]


class Infer(Message):
    """Sent by the fleet to itself: what the synthesis at ``sequence`` means for the agents."""

    kind: Literal["infer"] = "infer"
    sequence: Annotated[int, Field(ge=1)]


FleetCommand = Annotated[
    RegisterAgent | UnregisterAgent | RecordEmergence | CloseWindow | Infer,
    Field(discriminator="kind"),
]

INTERNAL_FLEET_COMMANDS: Final = frozenset({"record-emergence", "close-window", "infer"})


# --- queries: answered from the state, nothing is stored ----------------------------------------


class Candidate(Message):
    """Somebody a task could go to, and what the session knows of its capabilities."""

    agent: NpcId
    capabilities: Capabilities = ()


class AskRoute(Message):
    """Who should get a task? The load of the answer is reserved until ``task.routed`` is folded,
    or for 5 s; asked again meanwhile, the fleet answers the same.

    Attributes:
        attempt: counts from 1; another attempt is another question.
        candidates: who may get it; empty: every registered agent, and the session's own.
        own: the agent whose session it is.
        collaborators: agents that already work in the session, in the order they came.
        prefer: agents to be taken if any of them is capable.
        offset: emergence is β1 > V + offset.
    """

    kind: Literal["ask-route"] = "ask-route"
    session: SessionId
    task: TaskId
    attempt: Annotated[int, Field(ge=1)] = 1
    capabilities: Capabilities = ()
    candidates: Annotated[tuple[Candidate, ...], Field(max_length=32)] = ()
    own: NpcId | None = None
    collaborators: Collaborators = ()
    prefer: Annotated[tuple[NpcId, ...], Field(max_length=32)] = ()
    offset: Annotated[float, Field(ge=-1e6, le=1e6)] = -2.0


class AskGraph(Message):
    """Where does the co-work graph stand, and what has one session done to it?

    Attributes:
        joins: an agent that is about to be in the graph, counted as if it were.
        after: answer only once the fold has this sequence.
    """

    kind: Literal["ask-graph"] = "ask-graph"
    session: SessionId | None = None
    joins: NpcId | None = None
    after: Annotated[int, Field(ge=0)] = 0


class ReadFleet(Message):
    """Asks for a view of the fleet.

    Attributes:
        view: ``status`` figures, ``agents`` rows, ``graph`` vertices and edges with their
            analysis, ``advice`` the last synthesis and inference and what the open window shows.
        limit: how many rows at most.
        after: answer only once the fold has this sequence.
    """

    kind: Literal["read-fleet"] = "read-fleet"
    view: Literal["status", "agents", "graph", "advice"] = "status"
    limit: Annotated[int, Field(ge=1, le=20_000)] = 2000
    after: Annotated[int, Field(ge=0)] = 0


FleetQuery = AskRoute | AskGraph | ReadFleet


class SessionGraph(Message):
    """The answer to :class:`AskGraph`.

    Attributes:
        own_change: loops closed by links this session made, counted when it made them; adds up
            over sessions, and depends on the order in which they came.
        crossings: how often one of its links lifted a component above its threshold.
    """

    graph: GraphPoint = GraphPoint()
    own_change: int = 0
    crossings: int = 0


# --- events ----------------------------------------


class AgentRegistered(Event):
    kind: Literal["agent.registered"] = "agent.registered"
    agent: NpcId
    capabilities: tuple[str, ...] = ()
    max_load: int = 0


class AgentUnregistered(Event):
    kind: Literal["agent.unregistered"] = "agent.unregistered"
    agent: NpcId


class MidSynthesised(Event):
    """What a window of sessions and tasks shows: conflicts and complements."""

    kind: Literal["mid.synthesised"] = "mid.synthesised"
    synthesis: Synthesis


class ArchitectInferred(Event):
    """Trends and advice from the syntheses so far. Advice: nothing obeys it by itself."""

    kind: Literal["architect.inferred"] = "architect.inferred"
    sequence: int
    advice: Advice


FleetEvent = Annotated[
    AgentRegistered | AgentUnregistered | MidSynthesised | ArchitectInferred,
    Field(discriminator="kind"),
]
FLEET_COMMAND: TypeAdapter[Any] = TypeAdapter(FleetCommand, config=ConfigDict(defer_build=True))
