"""The H1 router over HTTP: the published schemas, and 4xx with a reason where it asks wrongly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx
import pytest

from holodeck.entrypoints.gateway import router_app
from holodeck.messages.errors import RefusedError, Unavailable

STATUS = {
    "n_agents", "n_tasks", "n_edges", "n_vertices", "h1_dimension", "n_components", "description",
    "emergence_detected", "margin",
}  # fmt: skip
DECISION = {
    "agent_id", "task_id", "h1_before", "h1_after", "confidence", "emergence_risk",
    "capability_match_score", "reasoning",
}  # fmt: skip


class Fleet:
    """Agents by their capabilities; the least busy capable one gets the task."""

    def __init__(self) -> None:
        self.known: dict[str, tuple[str, ...]] = {}
        self.load: dict[str, int] = {}
        self.limits: dict[str, int] = {}
        self.hangs = False

    async def route(
        self, task: str, capabilities: Sequence[str], prefer: Sequence[str]
    ) -> dict[str, Any]:
        if self.hangs:
            await asyncio.Event().wait()
        if not self.known:
            raise RefusedError("no-agents", "no agent is registered")
        able = [agent for agent, can in self.known.items() if set(capabilities) <= set(can)]
        among = [agent for agent in able if agent in prefer] or able or list(self.known)
        agent = min(among, key=lambda one: (self.load[one], one))
        self.load[agent] += 1
        return {
            "agent_id": agent,
            "task_id": task,
            "h1_before": 0,
            "h1_after": 0,
            "confidence": 1.0 if able else 0.0,
            "emergence_risk": 0.0,
            "capability_match_score": 1.0 if able else 0.0,
            "reasoning": f"{agent}: least load",
            "fallback": not able,
            "decided_by": "load",
        }

    async def status(self) -> dict[str, Any]:
        agents = len(self.known)
        return {
            "n_agents": agents,
            "n_tasks": sum(self.load.values()),
            "n_edges": 0,
            "n_vertices": agents,
            "h1_dimension": 0,
            "n_components": agents,
            "description": "under-constrained",
            "emergence_detected": False,
            "margin": 2 - agents,
            "threshold": agents - 2,
            "emergence": False,
            "laman_rigid": False,
            "laman_margin": 3 - 2 * agents,
        }

    async def agents(self) -> list[dict[str, Any]]:
        return [
            {"agent_id": agent, "capabilities": list(can), "n_tasks": self.load[agent]}
            for agent, can in self.known.items()
        ]

    async def register(self, agent: str, capabilities: Sequence[str], max_load: int = 0) -> None:
        self.known[agent], self.limits[agent] = tuple(capabilities), max_load
        self.load.setdefault(agent, 0)


@pytest.fixture
def fleet() -> Fleet:
    return Fleet()


@pytest.fixture
async def http(fleet: Fleet) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=router_app(lambda: fleet))
    async with httpx.AsyncClient(transport=transport, base_url="http://h1") as client:
        yield client


async def test_agents_register_and_get_tasks(http: httpx.AsyncClient, fleet: Fleet) -> None:
    for agent, can in (("ana", ["plato", "llvm"]), ("ben", ["plato"])):
        told = await http.post("/register/agent", json={"agent_id": agent, "capabilities": can})
        assert (told.status_code, told.json()["status"]) == (200, "registered")
        assert told.headers["content-type"] == "application/json"
    await http.post("/register/agent", json={"agent_id": "cleo", "max_load": 3})
    assert fleet.limits["cleo"] == 3

    chosen = await http.post("/route", json={"task_id": "t", "required_capabilities": ["llvm"]})
    assert chosen.status_code == 200
    assert chosen.json().keys() >= DECISION
    assert (chosen.json()["agent_id"], chosen.json()["fallback"]) == ("ana", False)
    liked = await http.post("/route", json={"task_id": "u", "prefer_agents": ["cleo"]})
    assert liked.json()["agent_id"] == "cleo"
    agents = (await http.get("/agents")).json()
    assert [agent.keys() for agent in agents] == [{"agent_id", "capabilities", "n_tasks"}] * 3


async def test_status_and_snapshot_have_the_published_keys(http: httpx.AsyncClient) -> None:
    assert (await http.get("/status")).json().keys() == STATUS
    assert (await http.get("/status?x=1")).status_code == 200
    snapshot = (await http.get("/h1-snapshot")).json()
    assert snapshot.keys() == STATUS | {"threshold", "emergence", "laman_rigid", "laman_margin"}


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/route", b"{", 400),
        ("/route", b"{}", 400),
        ("/route", b'["t"]', 400),
        ("/route", b'{"task_id": 7}', 400),
        ("/route", b'{"task_id": " "}', 400),
        ("/route", b'{"task_id": "t", "required_capabilities": "plato"}', 400),
        ("/route", b'{"task_id": "t", "required_capabilities": [1]}', 400),
        ("/route", b'{"task_id": "t", "prefer_agents": {"a": 1}}', 400),
        ("/route", b'{"task_id": "' + b"t" * 129 + b'"}', 400),
        ("/route", b" " * (1024 * 1024 + 1), 413),
        ("/route", b'{"task_id": "t"}', 409),
        ("/register/agent", b'{"capabilities": []}', 400),
        ("/register/agent", b'{"agent_id": "a", "capabilities": "plato"}', 400),
        ("/register/agent", b'{"agent_id": "a", "max_load": -1}', 400),
        ("/register/agent", b'{"agent_id": "a", "max_load": true}', 400),
        ("/register/task", b"{}", 404),
    ],
    ids=lambda value: str(value)[:60],
)
async def test_a_bad_request_is_told_why(
    http: httpx.AsyncClient, path: str, body: bytes, status: int
) -> None:
    answer = await http.post(path, content=body)

    assert answer.status_code == status
    assert answer.json()["reason"] == answer.json()["error"] != ""


async def test_too_many_capabilities_are_refused(http: httpx.AsyncClient, fleet: Fleet) -> None:
    await fleet.register("ana", [])
    many = [f"c{n}" for n in range(33)]
    answer = await http.post("/route", json={"task_id": "t", "required_capabilities": many})
    assert answer.status_code == 400


async def test_a_fleet_that_does_not_answer_is_told_in_time(
    http: httpx.AsyncClient, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holodeck.entrypoints.gateway.router._PATIENCE_S", 0.05)
    fleet.hangs = True
    answer = await http.post("/route", json={"task_id": "t"})
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"


async def test_without_a_fleet_it_asks_to_come_again() -> None:
    def none() -> Fleet:
        raise Unavailable("fleet", "the runtime is still starting")

    transport = httpx.ASGITransport(app=router_app(none))
    async with httpx.AsyncClient(transport=transport, base_url="http://h1") as client:
        answer = await client.get("/status")
    assert (answer.status_code, "still starting" in answer.json()["error"]) == (503, True)
