"""Players over HTTP, against a runtime that runs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, Final

import httpx
import pytest

from tests.entrypoints.gateway.doors import House, house, problem

ANA: Final = {"username": "ana-b", "email": "ana@example.org", "time_zone": "Europe/Madrid"}
APPROACH: Final = "humanistic_therapy"
MIRA: Final = {"name": "Mira", "background": {"name": "Mira", "backstory": "keeps a garden"}}


@pytest.fixture
async def home() -> AsyncIterator[House]:
    async with house() as made:
        yield made


@pytest.fixture
async def ana(home: House) -> httpx.AsyncClient:
    client = home.learner("ana")
    made = await client.post("/players", json=ANA)
    assert made.status_code == 201, made.text
    assert made.headers["location"] == "/api/v1/players/ana"
    assert made.json()["seen_as"] == "owner"
    return client


async def test_a_profile_is_made_read_and_changed(home: House, ana: httpx.AsyncClient) -> None:
    told = await ana.get("/players/ana")
    assert told.json()["email"] == "ana@example.org"
    assert told.json()["created_at"].endswith("Z")
    same = await ana.get("/players/ana", headers={"if-none-match": told.headers["etag"]})
    assert same.status_code == 304
    changed = await ana.patch("/players/ana", json={"privacy": {"data_retention_period_days": 30}})
    assert changed.status_code == 200, changed.text
    assert changed.json()["privacy_settings"]["data_retention_period_days"] == 30
    after = await ana.get("/players/ana", headers={"if-none-match": told.headers["etag"]})
    assert after.status_code == 200
    problem(await home.learner("bob").get("/players/bob"), 404, "unknown-player")
    problem(await ana.post("/players", json=ANA), 409, "player-exists")
    taken = {"username": "ana-b", "email": "bob@example.org"}
    problem(await home.learner("bob").post("/players", json=taken), 409, "name-taken")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/players", {"username": "ab", "email": "a@b.org"}),
        ("POST", "/players", {"username": "abc", "email": "invalid-email"}),
        ("PATCH", "/players/ana", {"privacy": {"data_retention_period_days": 10}}),
        ("PATCH", "/players/ana", {"preferences": {"preferred_approaches": [APPROACH] * 6}}),
        ("PATCH", "/players/ana", {"created_at": 1}),
        ("PUT", "/players/ana/worlds/calm?character=mira", {"session_length_preference": 5}),
        ("PUT", "/players/ana/settings", {"session_duration": 5}),
        ("POST", "/players/ana/feedback", {"rating": 6}),
        ("POST", "/players/ana/feedback", {"rating": 4, "text": "good"}),
        ("POST", "/players/ana/feedback", {}),
        ("POST", "/players/ana/feedback/%C2%85/approve", None),
        ("POST", "/players/ana/recommendations/%20/dismiss", None),
        ("PUT", "/players/ana/characters/mira/goals/%09", {"percentage": 1}),
        ("POST", "/players/ana/characters", {"name": "M1ra", "background": {"name": "M1ra"}}),
        ("POST", "/players/ana/characters", {"name": "Mira", "background": {"name": "Bo"}}),
    ],
)  # fmt: skip
async def test_what_is_out_of_bounds_is_refused_and_changes_nothing(
    ana: httpx.AsyncClient, method: str, path: str, body: dict[str, Any] | None
) -> None:
    before = (await ana.get("/players/ana")).json()
    told = problem(await ana.request(method, path, json=body), 422, "invalid")
    assert told["title"] == "Validation Error"
    assert (await ana.get("/players/ana")).json() == before


async def test_settings_are_versions(ana: httpx.AsyncClient) -> None:
    first = await ana.get("/players/ana/settings")
    tag = first.headers["etag"]
    wanted = {**first.json()["settings"], "pacing_preference": "slow"}
    led = await ana.put("/players/ana/settings", json=wanted, headers={"if-match": tag})
    assert led.status_code == 200, led.text
    assert led.json()["version"] == first.json()["version"] + 1
    problem(await ana.put("/players/ana/settings", json=wanted, headers={"if-match": tag}), 412)
    problem(await ana.put("/players/ana/settings", json=wanted, headers={"if-match": '"x"'}), 412)
    clash = {"intensity_level": "high", "crisis_monitoring_enabled": False}
    problem(
        await ana.put("/players/ana/settings?resolve=false", json=clash), 409, "settings-conflict"
    )
    mended = await ana.put("/players/ana/settings", json=clash)
    assert mended.json()["settings"]["crisis_monitoring_enabled"] is True


async def test_characters_are_made_changed_and_removed(ana: httpx.AsyncClient) -> None:
    made = await ana.post("/players/ana/characters", json=MIRA | {"character_id": "mira"})
    assert made.status_code == 201, made.text
    told = (await ana.get("/players/ana/characters/mira")).json()
    assert told["background"]["backstory"] == "keeps a garden"
    told["background"]["backstory"] = "keeps bees"
    changed = await ana.put("/players/ana/characters/mira", json=told)
    assert changed.status_code == 200, changed.text
    assert changed.json()["background"]["backstory"] == "keeps bees"
    problem(await ana.put("/players/ana/characters/other", json=told), 422)
    problem(await ana.get("/players/ana/characters/other"), 404, "unknown-character")
    for n in range(4):
        more = {"name": f"Mira {'abcd'[n]}", "background": {"name": f"Mira {'abcd'[n]}"}}
        assert (await ana.post("/players/ana/characters", json=more)).status_code == 201
    last = {"name": "Zoe", "background": {"name": "Zoe"}}
    problem(await ana.post("/players/ana/characters", json=last), 409, "too-many-characters")
    gone = await ana.delete("/players/ana/characters/mira")
    assert (gone.status_code, gone.content) == (204, b"")
    assert (await ana.post("/players/ana/characters", json=last)).status_code == 201
    pages = []
    cursor: str | None = None
    while True:
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        got = (await ana.get("/players/ana/characters", params=query)).json()
        pages.append([one["name"] for one in got["items"]])
        cursor = got["next"]
        if cursor is None:
            break
    assert [len(one) for one in pages] == [2, 2, 2]
    assert got["total"] == 6
    problem(await ana.get("/players/ana/characters?cursor=x"), 400, "bad-cursor")


async def test_worlds_suit_characters_more_or_less(ana: httpx.AsyncClient) -> None:
    await ana.post("/players/ana/characters", json=MIRA | {"character_id": "mira"})
    first = (await ana.get("/worlds?limit=1")).json()
    assert len(first["items"]) == 1
    world = first["items"][0]["world_id"]
    assert (await ana.get(f"/worlds/{world}")).json()["world_id"] == world
    problem(await ana.get("/worlds/nowhere"), 404, "unknown-world")
    query = f"/worlds/{world}/compatibility?player=ana&character=mira"
    found = await ana.get(query)
    assert found.status_code == 200, found.text
    parameters = {"therapeutic_intensity": 0.2, "session_length_preference": 20}
    led = await ana.put(f"/players/ana/worlds/{world}?character=mira", json=parameters)
    assert led.status_code == 200, led.text
    assert (await ana.get(query)).json()["parameters"]["session_length_preference"] == 20
    for path in ("/personas", "/curricula", "/resources"):
        assert (await ana.get(path)).json()["total"] > 0


async def test_progress_is_told(home: House, ana: httpx.AsyncClient) -> None:
    session = (await ana.post("/sessions", json={"learner": "ana", "cast": ["marta"]})).json()["id"]
    await ana.post(f"/sessions/{session}/turns", json={"text": "Hola", "to": "marta"})
    await ana.post(f"/sessions/{session}/end")
    for _ in range(100):
        progress = (await ana.get("/players/ana/progress")).json()
        if progress["engagement"]["total_sessions"]:
            break
        await asyncio.sleep(0.02)
    assert progress["engagement"]["total_sessions"] == 1
    for days, status in ((0, 422), (1, 200), (60, 200), (61, 422)):
        got = await ana.get(f"/players/ana/progress/charts?days={days}")
        assert got.status_code == status
    assert len((await ana.get("/players/ana/progress/charts?days=7")).json()["buckets"]) == 7
    for path in ("milestones", "effectiveness", "dashboard"):
        assert (await ana.get(f"/players/ana/{path}")).status_code == 200
    rows = (await ana.get("/players/ana/sessions")).json()["items"]
    assert [row["session_id"] for row in rows] == [session]
    first = (await ana.get("/players/ana/recommendations")).json()["items"][0]["id"]
    await ana.post(f"/players/ana/recommendations/{first}/dismiss")
    later = (await ana.get("/players/ana/recommendations")).json()["items"]
    assert first not in [one["id"] for one in later]


async def test_feedback_changes_what_it_may(ana: httpx.AsyncClient) -> None:
    given = await ana.post("/players/ana/feedback", json={"rating": 1})
    assert given.status_code == 201, given.text
    assert given.json()["events"][0]["kind"] == "player.feedback-given"
    cried = await ana.post("/players/ana/feedback", json={"text": "I want to kill myself!"})
    assert cried.status_code == 201, cried.text
    assert cried.json()["resources"]
    problem(await ana.post("/players/ana/feedback/nothing/approve"), 404, "unknown-feedback")


async def test_others_see_what_the_player_lets_them(home: House, ana: httpx.AsyncClient) -> None:
    bob, eve = home.learner("bob"), home.learner("eve")
    contact = {"primary_contact_name": "Rosa", "primary_contact_phone": "+34 600 000 000"}
    await ana.patch(
        "/players/ana", json={"preferences": {"crisis_contact_info": contact}, "delegates": ["bob"]}
    )
    stranger = await eve.get("/players/ana")
    assert stranger.json()["seen_as"] == "stranger"
    assert "Rosa" not in stranger.text
    assert "ana@example.org" not in stranger.text
    delegate = await bob.get("/players/ana")
    assert delegate.json()["seen_as"] == "delegate"
    assert "Rosa" not in delegate.text
    assert (await home.operator.get("/players/ana")).json()["seen_as"] == "stranger"
    assert (await bob.get("/players/ana/settings")).status_code == 200
    problem(await eve.get("/players/ana/settings"), 403, "access-restricted")
    for who in (bob, eve, home.operator):
        problem(await who.patch("/players/ana", json={"username": "eve"}), 403, "forbidden")
        problem(await who.put("/players/ana/settings", json={}), 403, "forbidden")
        problem(await who.get("/players/ana/access-log"), 403, "forbidden")
    await ana.patch("/players/ana", json={"privacy": {"data_collection_consent": False}})
    problem(await eve.get("/players/ana"), 403, "access-restricted")
    log = (await ana.get("/players/ana/access-log")).json()["items"]
    looks = {(one["by"], one["role"], one["what"]) for one in log}
    assert looks == {
        ("eve", "stranger", "profile"),
        ("bob", "delegate", "profile"),
        ("bob", "delegate", "settings"),
        ("operator", "operator", "profile"),
    }


async def test_a_delegate_reads_sessions_and_plays_none(
    home: House, ana: httpx.AsyncClient
) -> None:
    session = (await ana.post("/sessions", json={"learner": "ana", "cast": ["marta"]})).json()["id"]
    bob = home.learner("bob")
    problem(await bob.get(f"/sessions/{session}"), 403)
    await ana.patch("/players/ana", json={"delegates": ["bob"]})
    home.gateway._delegates.clear()  # else it is asked again after some seconds
    assert (await bob.get(f"/sessions/{session}")).status_code == 200
    problem(await bob.post(f"/sessions/{session}/turns", json={"text": "x", "to": "marta"}), 403)
    problem(await bob.post(f"/sessions/{session}/pause"), 403)


async def test_a_player_switches_to_and_fro(home: House, ana: httpx.AsyncClient) -> None:
    worlds = [one["world_id"] for one in (await ana.get("/worlds?limit=2")).json()["items"]]
    for name in ("Mira", "Leo"):
        body = {"character_id": name.lower(), "name": name, "background": {"name": name}}
        await ana.post("/players/ana/characters", json=body)
    path = "/players/ana/switch"
    first = await ana.post(path, json={"character": "mira", "world": worlds[0], "cast": ["marta"]})
    assert first.status_code == 200, first.text
    led = {"intensity_level": 0.9}
    await ana.put(f"/sessions/{first.json()['id']}/settings", json=led)
    second = await ana.post(path, json={"character": "leo", "world": worlds[1]})
    told = (await ana.get(f"/sessions/{second.json()['id']}")).json()
    assert (told["character"], told["world"], told["status"]) == ("leo", worlds[1], "active")
    assert told["settings"]["intensity_level"] == 0.9
    back = await ana.post(path, json={"character": "mira", "world": worlds[0]})
    assert back.json()["id"] == first.json()["id"]
    assert (await ana.get(f"/sessions/{second.json()['id']}")).json()["status"] == "paused"
    problem(await ana.post(path, json={"character": "nobody", "world": worlds[0]}), 404)
    problem(await ana.post(path, json={"character": "leo", "world": "nowhere"}), 404)
    problem(
        await ana.post("/sessions", json={"learner": "ana", "world": "nowhere", "switch": True}),
        404,
        "unknown-world",
    )


async def test_everything_is_exported_and_then_erased(home: House, ana: httpx.AsyncClient) -> None:
    made = await ana.post("/sessions", json={"learner": "ana", "cast": ["marta"]})
    session = made.json()["id"]
    await ana.post(f"/sessions/{session}/turns", json={"text": "a marker text", "to": "marta"})
    for path in ("/players/ana/export", "/players/ana"):
        method = "GET" if path.endswith("export") else "DELETE"
        for who in (home.learner("bob"), home.operator):
            problem(await who.request(method, path), 403, "forbidden")
    export = await ana.get("/players/ana/export")
    assert export.status_code == 200
    lines = [json.loads(line) for line in export.text.splitlines()]
    assert lines[0]["kind"] == "learner"
    assert "a marker text" in export.text
    receipt = await ana.delete("/players/ana")
    assert receipt.status_code == 200, receipt.text
    assert receipt.json()["complete"] is True
    assert receipt.json()["sessions"] == 1
    problem(await ana.get("/players/ana"), 410, "learner-erased")
    problem(await ana.get(f"/sessions/{session}"), 410, "session-erased")
    problem(await ana.get("/players/ana/export"), 410, "learner-erased")
    problem(await home.learner("eve").delete("/players/eve"), 404, "unknown-learner")
