"""The H1 router over HTTP, with the schemas of the published one and without its mistakes.

One law: it knows HTTP and nothing of graphs; who gets a task, and what that does to the fleet, the
fleet actor says.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from holodeck.entrypoints.gateway.asking import answer, asked, door
from holodeck.messages.errors import ContractError, Unavailable

MAX_NAMES: Final = 32
"""Capabilities, or preferred agents, of one question."""
MAX_NAME: Final = 128
"""Characters of a task, an agent or a capability."""

_PATIENCE_S: Final = 4.0
"""The published client waits five seconds."""
_STATUS: Final = (
    "n_agents", "n_tasks", "n_edges", "n_vertices", "h1_dimension", "n_components",
    "description", "emergence_detected", "margin",
)  # fmt: skip
_SNAPSHOT: Final = (*_STATUS, "threshold", "emergence", "laman_rigid", "laman_margin")


class FleetDoor(Protocol):
    """The fleet as the door needs it."""

    async def route(
        self, task: str, capabilities: Sequence[str], prefer: Sequence[str]
    ) -> dict[str, Any]:
        """Who gets a task: ``agent_id``, ``task_id``, ``h1_before``, ``h1_after``,
        ``confidence``, ``emergence_risk``, ``capability_match_score``, ``reasoning``,
        ``fallback``, ``decided_by``.

        Raises:
            RefusedError: nobody can be given it.
        """
        ...

    async def status(self) -> dict[str, Any]:
        """The fleet's graph: ``n_agents``, ``n_tasks``, ``n_edges``, ``n_vertices``,
        ``h1_dimension``, ``n_components``, ``description``, ``emergence_detected``, ``margin``,
        ``threshold``, ``emergence``, ``laman_rigid``, ``laman_margin``."""
        ...

    async def agents(self) -> list[dict[str, Any]]:
        """Of each agent ``agent_id``, ``capabilities`` and ``n_tasks``."""
        ...

    async def register(self, agent: str, capabilities: Sequence[str], max_load: int = 0) -> None:
        """Makes an agent known, or known anew. ``max_load`` 0: no limit."""
        ...


def router_app(fleet: Callable[[], FleetDoor]) -> Starlette:
    """The router as an application; mounted at ``/h1``, or at the root of a port of its own.

    Args:
        fleet: gives the fleet at each question, or raises what keeps it from it.
    """

    async def route(request: Request) -> Response:
        given = await asked(request)
        task = _name(given, "task_id")
        needed = _names(given, "required_capabilities")
        prefer = _names(given, "prefer_agents")
        async with _in_time("route"):
            return answer(await fleet().route(task, needed, prefer))

    async def status(_: Request) -> Response:
        async with _in_time("status"):
            return answer(_only(await fleet().status(), _STATUS))

    async def snapshot(_: Request) -> Response:
        async with _in_time("h1-snapshot"):
            return answer(_only(await fleet().status(), _SNAPSHOT))

    async def agents(_: Request) -> Response:
        async with _in_time("agents"):
            return answer(await fleet().agents())

    async def register(request: Request) -> Response:
        given = await asked(request)
        agent, capabilities = _name(given, "agent_id"), _names(given, "capabilities")
        most = given.get("max_load", 0)
        if isinstance(most, bool) or not isinstance(most, int) or not 0 <= most <= 1_000_000:
            raise ContractError("max_load is a whole number from 0 (no limit) to 1000000")
        async with _in_time("register"):
            await fleet().register(agent, capabilities, most)
        return answer({"status": "registered", "agent_id": agent})

    return door(
        [
            Route("/route", route, methods=["POST"]),
            Route("/status", status, methods=["GET"]),
            Route("/agents", agents, methods=["GET"]),
            Route("/h1-snapshot", snapshot, methods=["GET"]),
            Route("/register/agent", register, methods=["POST"]),
        ],
        refusals=409,
    )


@asynccontextmanager
async def _in_time(what: str) -> AsyncIterator[None]:
    """A question to the fleet that takes too long is told as such."""
    try:
        async with asyncio.timeout(_PATIENCE_S):
            yield
    except TimeoutError as error:
        raise Unavailable("fleet", f"no answer to {what} in time") from error


def _only(found: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: found[name] for name in names}


def _name(given: Mapping[str, Any], field: str) -> str:
    value = given.get(field)
    if not isinstance(value, str) or not value.strip():
        raise ContractError(f"{field} is missing, or no text")
    if len(value) > MAX_NAME:
        raise ContractError(f"{field} has at most {MAX_NAME} characters")
    return value


def _names(given: Mapping[str, Any], field: str) -> list[str]:
    value = given.get(field)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(name, str) and name for name in value):
        raise ContractError(f"{field} is a list of texts")
    if len(value) > MAX_NAMES or any(len(name) > MAX_NAME for name in value):
        raise ContractError(
            f"{field} has at most {MAX_NAMES} entries of at most {MAX_NAME} characters"
        )
    return list(dict.fromkeys(value))
