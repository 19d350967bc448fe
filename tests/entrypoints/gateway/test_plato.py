"""The rooms over HTTP: every address the published clients use, and what they are told."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from holodeck.broker import MemoryBroker, MemoryServer
from holodeck.entrypoints.gateway import Rooms, app, plato_app, serve
from holodeck.messages.errors import Unavailable
from tests.entrypoints.gateway.support import LAYOUT, OURS, PROSE, SLASHES, own_tiles, submission
from tests.metrics.test_gateway import Source

MIB = 1024 * 1024


async def put(http: httpx.AsyncClient, *args: Any, **more: Any) -> dict[str, Any]:
    answer = await http.post("/submit", json=submission(*args, **more))
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def got(http: httpx.AsyncClient, path: str) -> Any:
    answer = await http.get(path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert int(answer.headers["content-length"]) == len(answer.content)
    return answer.json()


async def test_it_tells_what_it_is_and_holds(http: httpx.AsyncClient, broker: MemoryBroker) -> None:
    await own_tiles(broker, 2)
    await put(http, 1)

    root, health = await got(http, "/"), await got(http, "/health")
    assert root.keys() == {"service", "status", "version", "tiles", "rooms"}
    assert (root["tiles"], root["rooms"]) == (3, 2)
    assert health.keys() == {"status", "rooms", "tiles", "uptime_s"}
    stats = await got(http, "/stats")
    assert (stats["total_tiles"], stats["total_rooms"]) == (3, 2)
    assert (stats["agents"], stats["domains"]) == (["pilot"], [OURS, "harbour"])


async def test_the_status_counts_what_the_gate_let_in_and_refused(http: httpx.AsyncClient) -> None:
    await put(http, 1)
    for refused in (submission(1), submission(2, answer="short"), submission(3, domain="../x")):
        assert (await http.post("/submit", json=refused)).status_code in (400, 403)

    status = await got(http, "/status")
    assert (status["total_tiles"], status["room_count"]) == (1, 1)
    assert status["rooms"] == {"harbour": {"tile_count": 1}}
    reasons = {"duplicate": 1, "answer-too-short": 1, "contract": 1}
    assert status["gate_stats"] == {"accepted": 1, "rejected": 3, "reasons": reasons}


async def test_rooms_come_in_the_form_each_client_wants(http: httpx.AsyncClient) -> None:
    await put(http, 1)
    await put(http, 1, SLASHES)
    names = ["harbour", SLASHES]

    by_name = await got(http, "/rooms")
    assert list(by_name) == names
    assert by_name["harbour"].keys() == {"tile_count", "created"}
    assert await got(http, "/rooms?format=object") == by_name
    assert await got(http, "/rooms?format=list") == {"rooms": names}
    assert await got(http, "/rooms?prefix=gc/") == {"rooms": [SLASHES]}
    objects = await got(http, "/rooms?format=objects")
    assert [(room["id"], room["tile_count"]) for room in objects["rooms"]] == [
        ("harbour", 1),
        (SLASHES, 1),
    ]
    asked = await http.get("/rooms", headers={"user-agent": "python-httpx/0.28.1"})
    assert asked.json() == {"rooms": names}
    assert (await http.get("/rooms?format=xml")).status_code == 400


@pytest.mark.parametrize(
    "path",
    [
        f"/room/{SLASHES}",
        f"/rooms/{SLASHES}",
        "/room/" + SLASHES.replace("/", "%2F"),
        "/rooms/" + SLASHES.replace("/", "%2f") + "/tiles",
        f"/room/{SLASHES}/history",
    ],
)
async def test_a_room_with_slashes_is_found_raw_and_encoded(
    http: httpx.AsyncClient, path: str
) -> None:
    stored = await put(http, 1, SLASHES)

    room = await got(http, path)

    assert (room["status"], room["room"], room["room_id"]) == ("ok", SLASHES, SLASHES)
    assert room["tile_count"] == 1
    (tile,) = room["tiles"]
    assert {"domain", "question", "answer", "source", "confidence"} <= tile.keys()
    assert isinstance(tile["tags"], list)
    assert isinstance(tile["provenance"], str)
    assert tile["tile_hash"] == tile["id"] == tile["_hash"] == stored["tile_hash"]
    assert tile["created_at"].endswith("Z")


async def test_a_room_whose_name_ends_like_a_view_goes_before_the_view(
    http: httpx.AsyncClient,
) -> None:
    await put(http, 1, "sea")
    assert (await got(http, "/room/sea/tiles"))["room"] == "sea"

    await put(http, 2, "sea/tiles")
    assert (await got(http, "/room/sea/tiles"))["room"] == "sea/tiles"
    assert (await got(http, "/room/sea/tiles/tiles"))["room"] == "sea/tiles"


async def test_an_unknown_room_is_empty_and_an_impossible_one_an_error(
    http: httpx.AsyncClient,
) -> None:
    unknown = await got(http, "/room/nowhere")
    assert (unknown["tile_count"], unknown["tiles"]) == (0, [])
    assert (await http.get("/room/a//b")).status_code == 400
    assert (await http.get("/room/%2e%2e/%2e%2e/etc/passwd")).status_code in (400, 404)


async def test_a_room_is_read_in_order_by_limit_and_since(http: httpx.AsyncClient) -> None:
    for n in range(5):
        await put(http, n)

    tiles = (await got(http, "/room/harbour"))["tiles"]
    assert [tile["lamport"] for tile in tiles] == [1, 2, 3, 4, 5]
    assert [t["lamport"] for t in (await got(http, "/room/harbour?limit=2"))["tiles"]] == [4, 5]
    last = tiles[-1]["timestamp"]
    assert (await got(http, f"/room/harbour?since={last}"))["tiles"] == []
    assert len((await got(http, f"/room/harbour?since={tiles[0]['timestamp'] - 1}"))["tiles"]) == 5
    for wrong in ("limit=many", "since=yesterday"):
        assert (await http.get(f"/room/harbour?{wrong}")).status_code == 400


@pytest.mark.parametrize(
    ("path", "room"),
    [
        ("/submit", "harbour"),
        ("/gate", "harbour"),
        (f"/room/{SLASHES}/submit", SLASHES),
        ("/room/gc%2Fx/tile", "gc/x"),
    ],
)
async def test_tiles_are_taken_at_every_address(
    http: httpx.AsyncClient, path: str, room: str
) -> None:
    answer = await http.post(path, json=submission(1))

    assert answer.status_code == 200
    stored = answer.json()
    assert stored["status"] == "accepted"
    assert stored["room"] == stored["room_id"] == room
    assert stored["tile_hash"] == stored["tile_id"] == stored["id"]
    assert (stored["lamport"], stored["room_tile_count"]) == (1, 1)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"", 400),
        (b"[1]", 400),
        (b"[" * 100_000, 400),
        (b'{"x": ' * 300 + b"1" + b"}" * 300, 400),
        (b'{"question": "\\ud800"}', 400),
        (b'{"confidence": NaN}', 400),
        (b'{"confidence": 1e999}', 400),
        (b"\xff\xfe\xfa", 400),
        (json.dumps({"question": 1, "answer": PROSE, "domain": "x"}).encode(), 400),
        (json.dumps(submission(domain="a/../b")).encode(), 400),
        (json.dumps(submission(confidence="high")).encode(), 400),
        (json.dumps(submission(answer="short")).encode(), 403),
        (json.dumps({"question": "How deep?"}).encode(), 403),
        (b"x" * (MIB + 1), 413),
        (json.dumps(submission(answer={"much": '"' * (MIB // 2 - 200)})).encode(), 413),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_a_refusal_says_why_in_both_words(
    http: httpx.AsyncClient, body: bytes, status: int
) -> None:
    answer = await http.post("/submit", content=body)

    assert answer.status_code == status
    said = answer.json()
    assert said["status"] == "rejected"
    assert said["reason"] == said["error"]
    assert said["reason"]


async def test_whatever_is_let_in_can_be_served(http: httpx.AsyncClient) -> None:
    taken = 0
    for depth in range(150, 300, 2):
        deep: Any = 1
        for _ in range(depth):
            deep = {"x": deep}
        answer = await http.post("/submit", json=submission(depth, deep=deep, answer={"a": deep}))
        taken += answer.status_code == 200
        assert answer.status_code in (200, 400)
    assert 0 < taken < 75

    assert len((await got(http, "/room/harbour"))["tiles"]) == taken
    assert (await got(http, "/query?q=berth"))["total"] == taken
    assert (await got(http, "/export/plato-tile-spec"))["tile_count"] == taken


async def test_a_duplicate_is_a_refusal(http: httpx.AsyncClient) -> None:
    await put(http, 1)
    answer = await http.post("/submit", json=submission(1))
    assert answer.status_code == 403
    assert answer.json()["reason"].startswith("Duplicate")


async def test_a_batch_is_always_200_and_tells_each_tiles_fate(http: httpx.AsyncClient) -> None:
    tiles = [submission(1), submission(1), submission(2, answer="no"), "nothing", submission(3)]
    answer = await http.post("/submit_batch", json={"tiles": tiles})

    assert answer.status_code == 200
    told = answer.json()
    assert (told["accepted"], told["rejected"]) == (2, 3)
    assert [d["status"] for d in told["details"]] == ["accepted", *["rejected"] * 3, "accepted"]
    assert all(d["reason"] and d["error"] for d in told["details"] if d["status"] == "rejected")
    assert (await http.post("/submit_batch", json={"tiles": "x"})).status_code == 400
    assert (await http.post("/submit_batch", json={"tiles": [1] * 1001})).status_code == 400


async def test_recent_search_query_verify_and_export_find_tiles_of_both_kinds(
    http: httpx.AsyncClient, broker: MemoryBroker
) -> None:
    await own_tiles(broker, 3)
    stored = await put(http, 1, answer="Seven fathoms at the Ünicode pier, says the log.")
    await put(http, 2, "elsewhere", tags=["charts"])

    recent = await got(http, "/tiles/recent?limit=3")
    assert recent["count"] == 3
    assert [tile["room"] for tile in recent["tiles"]] == ["elsewhere", "harbour", OURS]
    for words, found in (
        ("FATHOMS log", 1), ("ünicode", 1), ("marta", 3), ("¿qué", 3), ("charts", 1), ("berth", 2),
        ("fathoms marta", 0), ('"text":"', 3), ("", 0),
    ):  # fmt: skip
        results = (await got(http, f"/search?q={words}"))["results"]
        assert len(results) == found, words
        assert all("room" in tile for tile in results)
    assert len((await got(http, "/search?q=berth&room=elsewhere"))["results"]) == 1

    page = await got(http, "/query?agent=pilot&limit=1&offset=1")
    assert (page["total"], page["limit"], page["offset"]) == (2, 1, 1)
    assert page["tiles"] == page["results"]
    assert [tile["room"] for tile in page["tiles"]] == ["harbour"]
    posted = await http.post("/query", json={"where": {"room": OURS, "q": "turn"}, "limit": 2})
    assert (posted.json()["total"], len(posted.json()["tiles"])) == (3, 2)
    assert (await got(http, f"/query?domain={OURS}"))["total"] == 3
    assert (await http.post("/query", json={"where": 3})).status_code == 400
    assert (await http.post("/query", json={"where": {"room": 3}})).status_code == 400

    assert (await got(http, f"/verify/{stored['tile_hash']}"))["verified"] is True
    assert (await got(http, f"/verify/{recent['tiles'][2]['tile_hash']}"))["verified"] is True
    assert (await got(http, "/verify/0000"))["verified"] is False

    export = await got(http, "/export/plato-tile-spec")
    assert (export["tile_count"], len(export["tiles"])) == (5, 5)
    assert len((await got(http, "/export/plato-tile-spec?offset=4"))["tiles"]) == 1


async def test_retracted_and_superseded_tiles_stay_in_the_room_and_leave_the_searches(
    http: httpx.AsyncClient,
) -> None:
    first, second = await put(http, 1), await put(http, 2)

    gone = await http.post(
        "/retract", json={"room": "harbour", "tile_hash": first["tile_hash"], "reason": "silt"}
    )
    assert gone.json()["status"] == "retracted"
    assert gone.json()["tile_hash"] == first["tile_hash"]
    new = {"question": "How deep is berth 2 now?", "answer": PROSE}
    done = await http.post(
        "/supersede",
        json={"room": "harbour", "old_hash": second["tile_hash"], "new_tile": new},
    )
    told = done.json()
    assert (done.status_code, told["status"]) == (200, "superseded")
    assert told["old_hash"] == second["tile_hash"]
    assert told["new_hash"] == told["tile_hash"]
    assert told["lamport"] == 4

    states = [tile["state"] for tile in (await got(http, "/room/harbour"))["tiles"]]
    assert states == ["Retracted", "Superseded", "Active"]
    assert len((await got(http, "/search?q=berth"))["results"]) == 1
    for path, body, status in (
        ("/retract", {"room": "harbour", "tile_hash": "feed"}, 404),
        ("/retract", {"room": "harbour"}, 400),
        ("/retract", {"tile_hash": "feed"}, 400),
        ("/supersede", {"room": "harbour", "old_hash": "feed", "new_tile": new}, 404),
        ("/supersede", {"room": "harbour", "old_hash": "feed", "new_tile": 7}, 400),
        (
            "/supersede",
            {"room": "harbour", "old_hash": second["tile_hash"], "new_tile": submission(5)},
            409,
        ),
    ):
        refused = await http.post(path, json=body)
        assert refused.status_code == status, refused.text
        assert refused.json()["reason"] == refused.json()["error"]


async def test_what_is_not_here_says_so(http: httpx.AsyncClient) -> None:
    for path in ("/armor", "/keys", "/agents"):
        assert await got(http, path) == {}
    assert (await got(http, "/sync/status"))["enabled"] is False
    toggled = await http.post("/sync/toggle", json={"enabled": True})
    assert (toggled.status_code, toggled.json()["enabled"]) == (200, False)
    for path in ("/spawn", "/agent/7/chat"):
        answer = await http.post(path, json={})
        assert answer.status_code == 501
        assert answer.json()["error"]
    missing = await http.get("/nothing/like/this")
    assert (missing.status_code, bool(missing.json()["reason"])) == (404, True)
    method = await http.get("/submit")
    assert (method.status_code, method.json()["error"]) == (405, "not with this method")


async def test_a_web_page_of_elsewhere_is_turned_away(http: httpx.AsyncClient) -> None:
    for origin, status in (
        ("https://evil.example", 403),
        ("null", 403),
        ("http://127.0.0.1:3000", 200),
        ("http://localhost", 200),
    ):
        answer = await http.get("/status", headers={"origin": origin})
        assert answer.status_code == status
        assert "access-control-allow-origin" not in answer.headers


async def test_without_the_runtime_it_asks_to_come_again(store: MemoryServer) -> None:
    async def down() -> MemoryBroker:
        raise Unavailable("rooms", "the runtime is still starting")

    transport = httpx.ASGITransport(app=plato_app(Rooms(down, LAYOUT)))
    async with httpx.AsyncClient(transport=transport, base_url="http://rooms") as client:
        answer = await client.get("/status")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert "still starting" in answer.json()["reason"]


async def test_it_is_found_below_the_gateway_and_asks_for_its_token(rooms: Rooms) -> None:
    door = await serve(app(Source(), {"/plato": plato_app(rooms)}), token="a-long-secret-token")
    right = {"authorization": "Bearer a-long-secret-token", "user-agent": "tests"}
    try:
        async with httpx.AsyncClient(base_url=door.url) as client:
            assert (await client.get("/plato/rooms")).status_code == 401
            assert (await client.post("/plato/submit", json=submission(1))).status_code == 401
            client.headers.update(right)
            stored = await client.post("/plato/submit", json=submission(1, SLASHES))
            assert stored.status_code == 200
            encoded = SLASHES.replace("/", "%2F")
            for path in (f"/plato/room/{SLASHES}", f"/plato/room/{encoded}/tiles"):
                assert (await client.get(path)).json()["tile_count"] == 1
            assert (await client.get("/plato/")).json()["tiles"] == 1
            assert (await client.get("/healthz")).json() == {"status": "ok"}
            much = await client.post("/plato/submit", content=b" " * (3 * MIB))
            assert much.status_code == 413
    finally:
        await door.stop()
