"""The router's door on the real fleet actor: names of any kind, figures, and honest refusals."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

import holodeck
from holodeck.broker import find_server
from holodeck.entrypoints.gateway import DeckFleet, router_app
from holodeck.messages.errors import StartupError
from tests.conftest import missing

pytestmark = [pytest.mark.nats, pytest.mark.integration]


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    try:
        find_server()
    except StartupError as error:
        missing(f"nats-server ({error})")
    async with holodeck.local(tmp_path) as deck:
        transport = httpx.ASGITransport(app=router_app(lambda: DeckFleet(deck)))
        async with httpx.AsyncClient(transport=transport, base_url="http://h1") as client:
            yield client


async def test_an_agent_of_any_name_registers_is_told_of_and_gets_tasks(
    http: httpx.AsyncClient,
) -> None:
    for agent, can in (("Ora cle/1", ["plato"]), ("ben", ["messaging"])):
        answer = await http.post("/register/agent", json={"agent_id": agent, "capabilities": can})
        assert answer.status_code == 200, answer.text

    agents = {agent["agent_id"]: agent for agent in (await http.get("/agents")).json()}
    chosen = (
        await http.post("/route", json={"task_id": "t", "required_capabilities": ["plato"]})
    ).json()
    liked = (
        await http.post("/route", json={"task_id": "u", "prefer_agents": ["Ora cle/1"]})
    ).json()

    assert agents["Ora cle/1"] == {
        "agent_id": "Ora cle/1",
        "capabilities": ["plato"],
        "n_tasks": 0,
    }
    assert (chosen["agent_id"], chosen["task_id"], chosen["fallback"]) == ("Ora cle/1", "t", False)
    assert chosen["reasoning"].startswith("Ora cle/1 ")
    assert liked["agent_id"] == "Ora cle/1"


async def test_the_figures_are_those_of_a_graph(http: httpx.AsyncClient) -> None:
    empty = (await http.get("/h1-snapshot")).json()
    assert (empty["h1_dimension"], empty["margin"], empty["threshold"]) == (0, 0, 0)

    for n in range(5):
        await http.post("/register/agent", json={"agent_id": f"idle-{n}"})

    status = (await http.get("/status")).json()
    assert status["n_agents"] == 5
    # Five who never met: a Betti number is not negative, and nothing emerges.
    assert status["h1_dimension"] == 0
    assert status["emergence_detected"] is False


async def test_what_the_fleet_cannot_take_is_the_senders_error(http: httpx.AsyncClient) -> None:
    nobody = await http.post("/route", json={"task_id": "t"})
    assert (nobody.status_code, nobody.json()["reason"]) == (409, "no agent is registered")
    for body in ({"agent_id": "ü" * 64}, {"agent_id": "a" * 65}):
        answer = await http.post("/register/agent", json=body)
        assert answer.status_code == 400
        assert "no valid id" in answer.json()["error"]
