"""The published router's own classes take what our router answers, and ours does not err."""

from __future__ import annotations

from typing import Final

import pytest

from tests.published.conftest import Doors, Published

pytestmark = [pytest.mark.slow, pytest.mark.nats, pytest.mark.integration]

SCRIPT: Final = """
    import json, sys
    from dataclasses import asdict, fields
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen
    from fleet_h1_router import FleetStatus, H1Router, RoutingDecision

    def ask(path, body=None):
        data = None if body is None else json.dumps(body).encode()
        try:
            with urlopen(Request(sys.argv[1] + path, data), timeout=5) as answer:
                return json.loads(answer.read())
        except HTTPError as error:
            return {"status": error.code} | json.loads(error.read())

    def taken(kind, answer):
        return kind(**{field.name: answer[field.name] for field in fields(kind)})

    theirs = H1Router()
    for agent, can in {"oracle1": ["plato", "research"], "ccc": ["messaging"]}.items():
        theirs.register_agent(agent, can)
        ask("/register/agent", {"agent_id": agent, "capabilities": can})
    out = {"agents": ask("/agents"), "their_agents": theirs.get_agents()}
    out["decisions"], out["their_decisions"] = [], []
    for task, need in {"read": ["plato"], "tell": ["messaging"], "both": ["plato"]}.items():
        body = {"task_id": task, "required_capabilities": need}
        out["decisions"].append(asdict(taken(RoutingDecision, ask("/route", body))))
        out["their_decisions"].append(asdict(theirs.route_task(task, need)))
    out["status"] = asdict(FleetStatus(**ask("/status")))
    out["their_status"] = asdict(theirs.get_fleet_status())
    out["snapshot"], out["their_snapshot"] = ask("/h1-snapshot"), theirs.get_h1_snapshot()
    out["fallback"] = ask("/route", {"task_id": "fly", "required_capabilities": ["wings"]})
    out["letters"] = ask("/route", {"task_id": "fly", "required_capabilities": "plato"})
    out["nameless"] = ask("/route", {"required_capabilities": []})
    print(json.dumps(out))
"""


@pytest.mark.parametrize("below_the_gateway", [True, False], ids=["mounted", "own-port"])
async def test_its_classes_take_our_answers(
    doors: Doors, published: Published, below_the_gateway: bool
) -> None:
    url = f"{doors.url}/h1" if below_the_gateway else doors.h1

    out = await published.run(SCRIPT, url)

    ours = {agent["agent_id"]: agent for agent in out["agents"]}
    for theirs in out["their_agents"]:
        agent = ours[theirs["agent_id"]]
        assert agent.keys() == theirs.keys()
        assert sorted(agent["capabilities"]) == sorted(theirs["capabilities"])
    assert [one["agent_id"] for one in out["decisions"]] == ["oracle1", "ccc", "oracle1"]
    assert [one["agent_id"] for one in out["their_decisions"]] == ["oracle1", "ccc", "oracle1"]
    assert all(one["capability_match_score"] == 1.0 for one in out["decisions"])
    assert out["status"].keys() == out["their_status"].keys()
    assert out["snapshot"].keys() >= out["their_snapshot"].keys()
    # A Betti number is not negative: theirs is, with every component taken for one.
    assert out["their_status"]["h1_dimension"] < 0
    assert out["status"]["h1_dimension"] == 0
    assert out["fallback"]["fallback"] is True
    assert out["fallback"]["capability_match_score"] == 0.0
    for name in ("letters", "nameless"):
        assert out[name]["status"] == "rejected"
        assert out[name]["reason"] == out[name]["error"]
