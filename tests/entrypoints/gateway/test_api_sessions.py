"""Sessions over HTTP, against a runtime that runs."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi.routing import APIRoute
from starlette.routing import Match

from holodeck.entrypoints.gateway.api import ROUTERS
from tests.entrypoints.gateway.doors import House, house, problem


@pytest.fixture
async def home() -> AsyncIterator[House]:
    async with house() as made:
        yield made


@pytest.fixture
def ana(home: House) -> httpx.AsyncClient:
    return home.learner("ana")


async def begun(ana: httpx.AsyncClient, **more: object) -> str:
    response = await ana.post("/sessions", json={"learner": "ana", "cast": ["marta"], **more})
    assert response.status_code == 201, response.text
    assert response.headers["location"].endswith(response.json()["id"])
    return str(response.json()["id"])


async def test_a_session_is_begun_played_paused_resumed_and_ended(
    home: House, ana: httpx.AsyncClient
) -> None:
    session = await begun(ana, name="tapas", tags=["bar"])
    turn = await ana.post(f"/sessions/{session}/turns", json={"text": "Hola", "to": "marta"})
    assert turn.status_code == 201, turn.text
    assert turn.json()["turn"] == 1
    assert turn.json()["reply"]
    assert turn.json()["pending"] is False
    assert turn.json()["safety"] == {"crisis": False, "types": []}
    more = await ana.post(
        f"/sessions/{session}/turns", json={"text": "Adios", "to": "marta", "wait_s": 0}
    )
    assert (more.json()["turn"], more.json()["reply"]) == (2, None)
    for verb, status in (("pause", "paused"), ("resume", "active")):
        done = await ana.post(f"/sessions/{session}/{verb}")
        assert done.status_code == 200, done.text
        told = (await ana.get(f"/sessions/{session}")).json()
        assert told["status"] == status
    assert (told["turns"], told["name"], told["tags"]) == (2, "tapas", ["bar"])
    ended = await ana.post(f"/sessions/{session}/end")
    assert ended.json()["turns"] == 2
    assert (await ana.get(f"/sessions/{session}")).json()["status"] == "completed"
    assert (await ana.get(f"/sessions/{session}/exhaust")).json() == ended.json()
    said = (await ana.get(f"/sessions/{session}/messages")).json()
    assert [line["role"] for line in said["items"]].count("learner") == 2
    assert said["items"][0]["text"] == "Hola"
    problem(
        await ana.post(f"/sessions/{session}/turns", json={"text": "Hola", "to": "marta"}),
        409,
        "session-ended",
    )
    assert (await home.deck.session(session).state()).turns == 2


async def test_what_happens_in_a_session_beside_turns(home: House, ana: httpx.AsyncClient) -> None:
    session = await begun(ana)
    made = await ana.post(
        f"/sessions/{session}/interactions",
        json={"scene": "bar", "variables": {"door": "open"}, "emotional_state": {"joy": 0.5},
              "intervention": "grounding"},
    )  # fmt: skip
    assert made.status_code == 201, made.text
    marker = {"marker_id": "m1", "marker_type": "insight", "therapeutic_value": 0.3}
    first = await ana.post(f"/sessions/{session}/markers", json=marker)
    again = await ana.post(f"/sessions/{session}/markers", json=marker)
    assert (first.json()["changed"], again.json()["changed"]) == (True, False)
    noted = await home.operator.post(f"/sessions/{session}/notes", json={"text": "well done"})
    assert noted.status_code == 201, noted.text
    led = await ana.put(f"/sessions/{session}/settings", json={"intensity_level": 0.2})
    assert led.status_code == 200, led.text
    told = (await ana.get(f"/sessions/{session}")).json()
    assert told["scene"] == "bar"
    assert told["variables"] == {"door": "open"}
    assert told["emotions"][0]["state"] == {"joy": 0.5}
    assert told["markers"][0]["marker_id"] == "m1"
    assert (told["notes"][0]["text"], told["notes"][0]["author"]) == ("well done", "operator")
    assert told["settings"]["intensity_level"] == 0.2
    assert told["interactions"] == 1


async def test_a_repeat_under_one_key_has_one_effect_and_one_answer(
    home: House, ana: httpx.AsyncClient
) -> None:
    key = {"idempotency-key": "start-1"}
    body = {"learner": "ana", "cast": ["marta"]}
    first = await ana.post("/sessions", json=body, headers=key)
    second = await ana.post("/sessions", json=body, headers=key)
    assert first.json() == second.json()
    path = f"/sessions/{first.json()['id']}/turns"
    said = {"text": "Hola", "to": "marta"}
    turns = [await ana.post(path, json=said, headers={"idempotency-key": "t1"}) for _ in range(3)]
    assert turns[0].status_code == 201
    assert [turn.json() for turn in turns] == [turns[0].json()] * 3
    assert (await home.deck.session(first.json()["id"]).state()).turns == 1
    # Another caller's key of the same name is another key.
    bob = home.learner("bob")
    other = await bob.post("/sessions", json={"learner": "bob"}, headers=key)
    assert other.json()["id"] != first.json()["id"]
    problem(await ana.post(path, json=said, headers={"idempotency-key": "no spaces"}), 422)


async def test_turns_at_once_are_all_taken(home: House, ana: httpx.AsyncClient) -> None:
    session = await begun(ana, mind="none")
    path = f"/sessions/{session}/turns"
    turns = await asyncio.gather(
        *(ana.post(path, json={"text": f"t{n}", "to": "marta", "wait_s": 0}) for n in range(12))
    )
    assert sorted(turn.json()["turn"] for turn in turns) == list(range(1, 13))
    # One that came another way is noticed.
    await home.deck.session(session).take_turn("elsewhere", to="marta")
    late = await ana.post(path, json={"text": "late", "to": "marta"})
    assert late.json()["turn"] == 14


async def test_versions_spare_what_is_known(ana: httpx.AsyncClient) -> None:
    session = await begun(ana)
    first = await ana.get(f"/sessions/{session}")
    tag = first.headers["etag"]
    same = await ana.get(f"/sessions/{session}", headers={"if-none-match": tag})
    assert (same.status_code, same.content) == (304, b"")
    await ana.post(f"/sessions/{session}/pause")
    other = await ana.get(f"/sessions/{session}", headers={"if-none-match": tag})
    assert other.status_code == 200


async def test_one_learner_has_one_session_at_a_time(home: House, ana: httpx.AsyncClient) -> None:
    first = await begun(ana)
    held = problem(await ana.post("/sessions", json={"learner": "ana"}), 409, "learner-busy")
    assert first in held["detail"]
    second = await begun(ana, switch=True)
    assert (await ana.get(f"/sessions/{first}")).json()["status"] == "paused"
    assert (await ana.get(f"/sessions/{second}")).json()["status"] == "active"


async def test_what_is_foreign_is_kept_from_learners(home: House, ana: httpx.AsyncClient) -> None:
    session = await begun(ana)
    bob = home.learner("bob")
    for method, path, body in (
        ("GET", "", None),
        ("GET", "/messages", None),
        ("GET", "/exhaust", None),
        ("POST", "/turns", {"text": "Hola", "to": "marta"}),
        ("POST", "/pause", None),
        ("POST", "/end", None),
        ("POST", "/notes", {"text": "no"}),
        ("PUT", "/settings", {}),
    ):
        problem(await bob.request(method, f"/sessions/{session}{path}", json=body), 403)
    assert (await home.deck.session(session).state()).turns == 0
    problem(await bob.post("/sessions", json={"learner": "ana"}), 403)
    problem(await bob.get("/sessions/nobody-knows"), 404, "unknown-session")
    # Operators run sessions, and do not speak in them.
    assert (await home.operator.post(f"/sessions/{session}/pause")).status_code == 200
    problem(
        await home.operator.post(f"/sessions/{session}/turns", json={"text": "x", "to": "marta"}),
        403,
    )


async def test_a_text_is_read_before_it_is_refused(home: House, ana: httpx.AsyncClient) -> None:
    session = await begun(ana)
    words = "I want to kill myself!"
    path = f"/sessions/{session}/turns"
    taken = await ana.post(path, json={"text": words, "to": "marta"})
    assert taken.status_code == 201
    assert taken.json()["safety"]["crisis"] is True
    assert taken.json()["resources"]
    for status, content in (
        (422, {"json": {"text": words, "nobody": 1}}),
        (422, {"content": '{"text": "' + words, "headers": {"content-type": "application/json"}}),
        (415, {"content": words}),
        (413, {"json": {"text": words + "x" * 70_000, "to": "marta"}}),
        (404, {"json": {"text": words, "to": "marta"}}),
    ):
        where = "/sessions/nobody/turns" if status == 404 else path
        told = problem(await ana.post(where, **content), status)
        assert told["resources"], (status, told)
    assert "resources" not in problem(await ana.post(path, json={"text": "I love my cat"}), 422)
    for _ in range(200):
        history = (await home.deck.learner("ana").state()).history
        if history is not None and history.done is not None and history.done.flags == 6:
            break
        await asyncio.sleep(0.02)
    else:
        pytest.fail(f"not all findings were kept: {history}")


@pytest.mark.parametrize("text", ["", "   ", "\n\t", "x" * 4001])
async def test_a_blank_text_is_refused(ana: httpx.AsyncClient, text: str) -> None:
    session = await begun(ana)
    path = f"/sessions/{session}"
    problem(await ana.post(f"{path}/turns", json={"text": text, "to": "marta"}), 422, "invalid")
    problem(await ana.post(f"{path}/notes", json={"text": text}), 422, "invalid")


def test_no_route_hides_another() -> None:
    """The first route that matches answers; a template before a plain path would hide it."""
    routes = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    for at, route in enumerate(routes):
        plain = re.sub(r"\{[^}]*\}", "x", route.path)
        for method in route.methods or ():
            scope = {"type": "http", "method": method, "path": plain, "root_path": ""}
            before = [r.path for r in routes[:at] if r.matches(scope)[0] is Match.FULL]
            assert not before, f"{method} {route.path} is hidden by {before}"


@pytest.mark.parametrize("key", ["a b", "", "x" * 129, "-x"])
async def test_a_key_has_a_form(ana: httpx.AsyncClient, key: str) -> None:
    headers = {"idempotency-key": key}
    problem(await ana.post("/sessions", json={"learner": "ana"}, headers=headers), 422, "invalid")
    session = await begun(ana)
    problem(await ana.post(f"/sessions/{session}/pause", headers=headers), 422, "invalid")
