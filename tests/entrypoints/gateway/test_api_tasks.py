"""Tasks, practice and refractions over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.entrypoints.gateway.doors import House, house, problem


@pytest.fixture
async def home() -> AsyncIterator[House]:
    async with house() as made:
        yield made


async def test_an_operator_has_an_agent_do_tasks(home: House) -> None:
    http = home.operator
    start = {"learner": "bot-1", "kind": "agent", "cast": [{"npc": "bot-2", "capabilities": ["a"]}]}
    made = await http.post("/sessions", json=start)
    assert made.status_code == 201, made.text
    tasks = f"/sessions/{made.json()['id']}/tasks"
    for task in ("t1", "t2"):
        added = await http.post(tasks, json={"task": task, "capabilities": ["a"], "data": {"n": 1}})
        assert added.status_code == 201, added.text
    problem(await http.post(tasks, json={"task": "t1"}), 409, "duplicate-task")
    routed = await http.post(f"{tasks}/t1/route", json={"start": True})
    assert routed.json()["routed"]["npc"] == "bot-2"
    failed = await http.post(f"{tasks}/t1/complete", json={"outcome": "failed", "error": "no"})
    assert failed.status_code == 200, failed.text
    assert (await http.post(f"{tasks}/t1/retry", json={"start": True})).status_code == 200
    assert (await http.post(f"{tasks}/t1/complete", json={"result": [1]})).status_code == 200
    assert (await http.post(f"{tasks}/t2/start")).status_code == 200
    problem(await http.post(f"{tasks}/t9/start"), 404, "unknown-task")
    told = (await http.get(f"/sessions/{made.json()['id']}")).json()["tasks"]
    assert {one["id"]: (one["status"], one["attempt"]) for one in told} == {
        "t1": ("success", 2),
        "t2": ("started", 1),
    }
    # A learner's session is not theirs to work in.
    session = (await home.learner("ana").post("/sessions", json={"learner": "ana"})).json()["id"]
    problem(await http.post(f"/sessions/{session}/tasks", json={"task": "t"}), 403)


async def test_practice_is_answered_and_the_key_is_not_told(home: House) -> None:
    ana = home.learner("ana")
    start = {"learner": "ana", "kind": "practice", "practice": {"curriculum": "primary-maths"}}
    made = await ana.post("/sessions", json=start)
    assert made.status_code == 201, made.text
    path = f"/sessions/{made.json()['id']}/practice"
    asked = (await ana.get(f"{path}?wait_s=10")).json()["question"]
    assert asked["number"] == 1
    assert not {"answer", "explanation", "exact_form"} & asked.keys()
    if asked["has_hint"]:
        hint = await ana.post(f"{path}/hint")
        assert hint.json()["hint"]
    problem(await ana.post(f"{path}/answer", json={"number": 1, "given": " "}), 422, "blank-answer")
    body = {"number": 1, "given": "no idea", "choice": 0 if asked["choices"] else None}
    marked = await ana.post(f"{path}/answer", json=body, headers={"idempotency-key": "a1"})
    assert marked.status_code == 200, marked.text
    assert marked.json()["explanation"]
    again = await ana.post(f"{path}/answer", json=body, headers={"idempotency-key": "a1"})
    assert again.json()["correct"] == marked.json()["correct"]
    assert (await ana.get(path)).json()["feedback"]["number"] == 1
    onward = await ana.post(f"{path}/continue", json={"number": 1})
    assert onward.status_code == 200, onward.text
    assert (await ana.get(f"{path}?wait_s=10")).json()["question"]["number"] == 2
    problem(await ana.post(f"{path}/answer", json={"number": 9, "given": "1"}), 409)


async def test_three_wordings_are_offered_and_one_is_chosen(home: House) -> None:
    ana = home.learner("ana")
    persona = (await ana.get("/personas")).json()["items"][0]
    start = {"learner": "ana", "persona": persona["id"]}
    made = await ana.post("/sessions", json=start)
    assert made.status_code == 201, made.text
    path = f"/sessions/{made.json()['id']}"
    key, text = {"idempotency-key": "r1"}, {"text": "I want a coffee"}
    offer = await ana.post(f"{path}/refractions", json=text, headers=key)
    assert offer.status_code == 201, offer.text
    again = await ana.post(f"{path}/refractions", json=text, headers=key)
    assert again.json() == offer.json()
    level = offer.json()["response"]["refractions"]
    assert len(level) == 3
    chosen = await ana.post(f"{path}/refractions/1/choose", json={"dwell_ms": 900})
    assert chosen.status_code == 200, chosen.text
    problem(await ana.post(f"{path}/refractions/7/choose", json={}), 404, "unknown-refraction")
    plain = (await home.learner("bob").post("/sessions", json={"learner": "bob"})).json()["id"]
    bob = home.learner("bob")
    problem(await bob.post(f"/sessions/{plain}/refractions", json={"text": "x"}), 409, "no-persona")
