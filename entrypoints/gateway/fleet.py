"""The fleet actor as the H1 router's door needs it.

One law: names are changed here and nothing else; every figure is the fleet's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from pydantic import ValidationError

from holodeck.deck import Deck
from holodeck.messages.codec import explain
from holodeck.messages.errors import ContractError, InvalidId, RefusedError
from holodeck.messages.ids import decode_foreign, encode_foreign

_MOST: Final = 20_000
"""Agents that are told of."""


class DeckFleet:
    """:class:`~holodeck.entrypoints.gateway.router.FleetDoor` over a client of the runtime.

    Agents may have any name of up to 64 characters once encoded; inside they have an id. A route
    is a proposal: its load is reserved for some seconds, and the task counts once a session gives
    it to the agent.
    """

    def __init__(self, deck: Deck) -> None:
        self._fleet = deck.fleet

    async def route(
        self, task: str, capabilities: Sequence[str], prefer: Sequence[str]
    ) -> dict[str, Any]:
        """
        Raises:
            RefusedError: ``no-agents``: none is known; ``agents-full``: none takes more.
            ContractError: a name is none.
        """
        try:
            decision = await self._fleet.propose(
                task, capabilities, prefer=[encode_foreign(agent) for agent in prefer]
            )
        except ValidationError as error:
            raise ContractError(explain(error)) from error
        routing = decision.routing
        if not routing.agent:
            raise RefusedError("no-agents", "no agent is registered")
        agent = _name(routing.agent)
        return {
            "agent_id": agent,
            "task_id": task,
            "h1_before": routing.h1_before,
            "h1_after": routing.h1_after,
            "confidence": routing.confidence,
            "emergence_risk": routing.emergence_risk,
            "capability_match_score": routing.match,
            "reasoning": decision.reasoning.replace(routing.agent, agent),
            "fallback": routing.fallback,
            "decided_by": routing.decided_by,
        }

    async def status(self) -> dict[str, Any]:
        """``margin`` and ``threshold`` are those of the component nearest to emergence, 0 where
        none has three agents. ``laman_margin`` is redundant edges less degrees of freedom, which
        for a graph in one piece is E − (2V − 3)."""
        found = await self._fleet.status()
        return {
            "n_agents": found["agents"],
            "n_tasks": found["tasks"],
            "n_edges": found["edges"],
            "n_vertices": found["vertices"],
            "h1_dimension": found["h1"],
            "n_components": found["components"],
            "description": found["description"],
            "emergence_detected": found["emergence"],
            "margin": _plain(found["margin"]),
            "threshold": _plain(found["threshold"]),
            "emergence": found["emergence"],
            "laman_rigid": found["rigid"],
            "laman_margin": found["redundant"] - found["dof"],
        }

    async def agents(self) -> list[dict[str, Any]]:
        return [
            {
                "agent_id": _name(row["agent"]),
                "capabilities": row["capabilities"],
                "n_tasks": row["load"],
            }
            for row in await self._fleet.agents(limit=_MOST)
        ]

    async def register(self, agent: str, capabilities: Sequence[str], max_load: int = 0) -> None:
        """
        Raises:
            ContractError: a name is none.
        """
        try:
            await self._fleet.register(encode_foreign(agent), capabilities, max_load=max_load)
        except ValidationError as error:
            raise ContractError(explain(error)) from error


def _name(identity: str) -> str:
    try:
        return decode_foreign(identity)
    except InvalidId:
        return identity  # it came in as an id, by another door


def _plain(value: float | None) -> float:
    """A whole number as such: the published clients print it."""
    if value is None:
        return 0
    return int(value) if value == int(value) else value
