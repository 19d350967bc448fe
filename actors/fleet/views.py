"""The fleet as others see it: figures, rows, and the graph with its bracing. Pure."""

from __future__ import annotations

from typing import Any, Final

from holodeck.actors.fleet.decider import FleetState
from holodeck.actors.fleet.graph import emerges, margin
from holodeck.actors.fleet.rigidity import Bracing, analyse

OFFSET: Final = -2.0
"""What emergence is told by where no session asks for another."""
SHOWN: Final = 64
"""How many names of a component or group a view tells."""


def status_view(state: FleetState) -> dict[str, Any]:
    """The fleet in figures: :func:`figures_view` and :func:`bracing_view` of the same moment."""
    return figures_view(state) | bracing_view(analyse(state.graph))


def figures_view(state: FleetState) -> dict[str, Any]:
    """What is known at any time, O(open tasks)."""
    graph = state.graph
    return {
        "agents": len(state.roster.agents),
        "registered": len(state.roster.registered),
        "tasks": state.tasks,
        "sessions": len(state.open),
        "routed": state.routed,
        "fallbacks": state.fallbacks,
        "completed": state.completed,
        "alerts": state.alerts,
        "owed": len(state.owed),
        "vertices": graph.vertices,
        "edges": graph.edges,
        "components": graph.components,
        "h1": graph.beta1,
        "sequence": state.sequence,
    }


def bracing_view(parts: list[Bracing]) -> dict[str, Any]:
    """How the team is braced, from the analysis of its graph.

    ``margin`` and ``threshold`` are those of the component that lies highest above V - 2;
    ``rank``, ``dof`` and ``redundant`` are sums over the components.
    """
    worst = max(
        (part for part in parts if part.vertices >= 3),
        key=lambda part: margin(part.beta1, part.vertices, OFFSET),
        default=None,
    )
    emerged = [part for part in parts if emerges(part.beta1, part.vertices, OFFSET)]
    dof, redundant = sum(p.dof for p in parts), sum(p.redundant for p in parts)
    return {
        "rank": sum(p.rank for p in parts),
        "dof": dof,
        "redundant": redundant,
        "rigid": len(parts) == 1 and parts[0].rigid,
        "minimally_rigid": len(parts) == 1 and parts[0].minimally_rigid,
        "overbraced": sum(len(p.overbraced) for p in parts),
        "emergence": bool(emerged),
        "emerged_components": len(emerged),
        "margin": None if worst is None else margin(worst.beta1, worst.vertices, OFFSET),
        "threshold": None if worst is None else worst.vertices + OFFSET,
        "description": _described(parts, dof, redundant),
    }


def _described(parts: list[Bracing], dof: int, redundant: int) -> str:
    """The team in two or three words: how it hangs together, and how it is braced."""
    if not parts:
        return "empty"
    if redundant:
        return "over-braced" if not dof else "over-braced in parts"
    if len(parts) > 1:
        return "in parts"
    return "rigid" if not dof else "flexible"


def agents_view(state: FleetState, limit: int) -> list[dict[str, Any]]:
    """One row an agent: who has most to do first, then by name."""
    graph = state.graph
    loads = state.roster.loads
    rows = sorted(state.roster.agents.items(), key=lambda item: (-loads.get(item[0], 0), item[0]))
    return [
        {
            "agent": name,
            "capabilities": list(agent.capabilities),
            "registered": agent.registered,
            "load": loads.get(name, 0),
            "max_load": agent.max_load,
            "routed": agent.routed,
            "done": agent.done,
            "links": len(graph.neighbours(name)) if name in graph else 0,
        }
        for name, agent in rows[:limit]
    ]


def graph_view(state: FleetState, limit: int) -> dict[str, Any]:
    """:func:`edges_view` and :func:`components_view` of the same moment."""
    return edges_view(state, limit) | components_view(analyse(state.graph), limit)


def edges_view(state: FleetState, limit: int) -> dict[str, Any]:
    """Edges, newest first, at most ``limit``."""
    links = list(state.graph.links())
    newest = sorted(links, key=lambda link: (-link.at, link.a, link.b))[:limit]
    return {
        "edges": [[link.a, link.b, link.at, link.weight] for link in newest],
        "left_out": len(links) - len(newest),
    }


def components_view(parts: list[Bracing], limit: int) -> dict[str, Any]:
    """How each component is braced, the largest first, at most ``limit``."""
    return {
        "components": [
            {
                "members": list(part.members[:SHOWN]),
                "vertices": part.vertices,
                "edges": part.edges,
                "h1": part.beta1,
                "rank": part.rank,
                "dof": part.dof,
                "redundant": part.redundant,
                "emergence": emerges(part.beta1, part.vertices, OFFSET),
                "overbraced": [list(group[:SHOWN]) for group in part.overbraced[:SHOWN]],
            }
            for part in parts[:limit]
        ]
    }
