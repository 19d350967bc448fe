"""Who may do what: tokens, and every route for everybody."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import httpx
import jwt
import pytest
import pytest_asyncio
from fastapi.routing import APIRoute
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from holodeck.entrypoints.gateway.access import (
    Guard,
    Role,
    mint,
    read,
    token_key,
    write_down,
    written_down,
)
from holodeck.entrypoints.gateway.api import ROUTERS
from holodeck.entrypoints.gateway.manners import Problem
from holodeck.messages.errors import InvalidId, SettingsError, StartupError
from tests.entrypoints.gateway.doors import KEY, OPERATOR, House, house, problem

NS: Final = "holodeck"


# --- tokens ----------------------------------------


def test_a_token_says_who_brings_it() -> None:
    made = mint(KEY, NS, Role.LEARNER, "ana", days=1)
    caller = read(made.token, KEY, NS)
    assert (caller.role, caller.learner, caller.jti) == (Role.LEARNER, "ana", made.jti)
    assert caller.expires == made.expires
    assert not caller.local
    assert made.token.count(".") == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"use": "refresh"},
        {"use": None},
        {"exp": 1},
        {"exp": None},
        {"aud": "another"},
        {"aud": None},
        {"sub": "a b"},
        {"sub": None},
        {"jti": None},
        {"scope": "admin"},
        {"scope": None},
    ],
    ids=str,
)
def test_a_token_that_is_not_whole_is_none(wrong: dict[str, Any]) -> None:
    token = mint(KEY, NS, Role.LEARNER, "ana", days=1).token
    claims = jwt.decode(token, KEY, algorithms=["HS256"], audience=NS)
    claims = {k: v for k, v in (claims | wrong).items() if v is not None}
    with pytest.raises(Problem) as caught:
        read(jwt.encode(claims, KEY, "HS256"), KEY, NS)
    assert (caught.value.status, caught.value.title) == (401, "Authentication Failed")


@pytest.mark.parametrize("algorithm", ["none", "HS512", "HS384"])
def test_only_one_way_of_signing_counts(algorithm: str) -> None:
    token = mint(KEY, NS, Role.OPERATOR, "olga", days=1).token
    claims = jwt.decode(token, KEY, algorithms=["HS256"], audience=NS)
    forged = jwt.encode(claims, None if algorithm == "none" else KEY * 2, algorithm)
    with pytest.raises(Problem):
        read(forged, KEY * 2, NS)
    with pytest.raises(Problem):
        read(token[:-2] + ("AA" if token[-2:] != "AA" else "BB"), KEY, NS)


@pytest.mark.parametrize("days", [0, -1, 367, float("nan")])
def test_a_token_has_an_end_that_is_not_far(days: float) -> None:
    with pytest.raises(ValueError, match="366"):
        mint(KEY, NS, Role.LEARNER, "ana", days=days)
    with pytest.raises(InvalidId):
        mint(KEY, NS, Role.LEARNER, "a b", days=1)


def test_the_key_is_made_once_and_is_the_users_alone(tmp_path: Path) -> None:
    key = token_key(tmp_path / "state")
    assert token_key(tmp_path / "state") == key
    assert len(key) == 64
    mode = stat.S_IMODE((tmp_path / "state" / "token.key").stat().st_mode)
    assert mode == 0o600
    assert token_key(tmp_path, "x" * 32) == b"x" * 32
    with pytest.raises(SettingsError):
        token_key(tmp_path, "short")
    (tmp_path / "file").write_text("")
    with pytest.raises(StartupError):
        token_key(tmp_path / "file")


def test_what_is_kept_of_a_token_does_not_let_anybody_in(tmp_path: Path) -> None:
    made = mint(KEY, NS, Role.LEARNER, "ana", days=1)
    old = mint(KEY, NS, Role.LEARNER, "bob", days=1, now=1)
    write_down(tmp_path, made)
    write_down(tmp_path, old)
    assert [row["id"] for row in written_down(tmp_path)] == [made.jti]
    kept = (tmp_path / "tokens.jsonl").read_text()
    assert made.token not in kept
    assert made.token.rpartition(".")[2] not in kept
    if os.name == "posix":
        assert stat.S_IMODE((tmp_path / "tokens.jsonl").stat().st_mode) == 0o600


# --- knocking ----------------------------------------


@pytest.fixture
async def home() -> AsyncIterator[House]:
    async with house() as made:
        yield made


@pytest.mark.parametrize(
    ("header", "title"),
    [
        (None, "Authentication Required"),
        ("InvalidFormat token", "Invalid Authorization Header"),
        ("Bearer", "Invalid Authorization Header"),
        ("Basic b2xnYTpzZWNyZXQ=", "Invalid Authorization Header"),
        ("Bearer invalid-token", "Authentication Failed"),
        ("Bearer " + "x" * 4000, "Authentication Failed"),
        ("Bearer " + "x" * 5000, "Invalid Authorization Header"),
    ],
)
async def test_who_shows_no_good_token_is_told_what_is_wrong(
    home: House, header: str | None, title: str
) -> None:
    headers = {} if header is None else {"authorization": header}
    response = await home.client().get("/players/x", headers=headers)
    told = problem(response, 401, "unauthenticated")
    assert told["title"] == title
    assert response.headers["www-authenticate"].startswith("Bearer")
    assert "invalid-token" not in response.text


async def test_a_token_is_made_used_and_ended(home: House) -> None:
    made = await home.operator.post("/tokens", json={"scope": "learner", "subject": "ana"})
    assert made.status_code == 201, made.text
    ana = home.client(made.json()["token"])
    assert (await ana.get("/")).json()["learner"] == "ana"
    problem(await ana.post("/tokens", json={"scope": "operator", "subject": "ana"}), 403)
    assert (await ana.post("/tokens/revoke")).status_code == 204
    problem(await ana.get("/"), 401)
    other = home.token("learner", "bob")
    bob, eve = home.client(other), home.learner("eve")
    problem(await eve.post("/tokens/revoke", json={"token": other}), 403)
    assert (await bob.get("/")).status_code == 200
    assert (await home.operator.post("/tokens/revoke", json={"token": other})).status_code == 204
    problem(await bob.get("/"), 401)
    problem(await home.operator.post("/tokens/revoke"), 409, "no-token")


async def test_who_needs_no_token_and_sends_a_bad_one_is_refused() -> None:
    async with house(required=False, token="") as open_:
        nobody = open_.client()
        assert (await nobody.get("/")).json()["local"] is True
        made = await nobody.post("/sessions", json={"learner": "ana"})
        assert made.status_code == 201
        problem(await open_.client("bad").get("/"), 401)
        bob = open_.learner("bob")
        problem(await bob.get(f"/sessions/{made.json()['id']}"), 403)


async def test_pages_and_names_of_elsewhere_are_turned_away() -> None:
    async with house(required=False, token="") as open_:
        http = open_.client()
        evil = {"origin": "http://evil.example"}
        problem(await http.get("/", headers=evil), 403, "foreign-page")
        problem(await http.get("/", headers={"origin": "null"}), 403, "foreign-page")
        problem(await http.post("/sessions", headers=evil, json={"learner": "x"}), 403)
        problem(await http.get("/", headers={"host": "evil.example"}), 403, "foreign-host")
        own = {"origin": open_.door.url}
        assert (await http.get("/", headers=own)).status_code == 200
        assert "access-control-allow-origin" not in (await http.get("/", headers=own)).headers
        preflight = await http.options("/sessions", headers=evil)
        assert preflight.status_code == 403


async def test_what_asks_for_no_token_by_itself_is_guarded(home: House) -> None:
    async def inner(request: Request) -> Response:
        return Response(request.url.path)

    app = Starlette(routes=[Route("/{rest:path}", inner, methods=["GET", "POST"])])
    guarded = Guard(app, home.gateway.access, ("/plato", "/metrics"))
    transport = httpx.ASGITransport(app=guarded)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
        for path in ("/healthz", "/", "/platonic"):
            assert (await http.get(path)).status_code == 200
        problem(await http.get("/plato"), 401)
        problem(await http.get("/metrics"), 401)
        reader = {"authorization": f"Bearer {home.token('reader', 'rita')}"}
        assert (await http.get("/plato/rooms", headers=reader)).status_code == 200
        problem(await http.post("/plato/submit", headers=reader), 403)
        learner = {"authorization": f"Bearer {home.token('learner', 'ana')}"}
        problem(await http.get("/metrics", headers=learner), 403)
        operator = {"authorization": f"Bearer {OPERATOR}"}
        assert (await http.post("/plato/submit", headers=operator)).status_code == 200


# --- rates ----------------------------------------


async def test_of_four_calls_three_are_let_through() -> None:
    async with house(rate=3) as busy:
        token = busy.token("learner", "ana")
        ana = busy.client(token)
        busy.gateway.access._good.clear()
        await busy.client(OPERATOR).get("/")  # so that its window is another
        answers = [await ana.get("/worlds") for _ in range(5)]
        # The first call of a token nobody knows yet counts for its address.
        known = answers[1:]
        assert [one.status_code for one in known] == [200, 200, 200, 429]
        assert [one.headers["x-ratelimit-remaining"] for one in known[:3]] == ["2", "1", "0"]
        assert known[0].headers["x-ratelimit-limit"] == "3"
        assert known[3].headers["retry-after"] == "60"
        problem(known[3], 429, "too-many-requests")


async def test_calls_without_a_good_token_are_counted_before_it_is_looked_at() -> None:
    async with house(rate=3) as busy:
        nobody = busy.client()
        tries = [await nobody.get("/", headers={"authorization": f"Bearer {n}"}) for n in range(4)]
        assert [one.status_code for one in tries] == [401, 401, 401, 429]
        hard = await nobody.post("/sessions/x/turns", json={"text": "I want to die", "to": "m"})
        assert problem(hard, 429)["resources"]


# --- every route for everybody ----------------------------------------

NONE, OWN, FOREIGN, DELEGATE, READER, OPERATES = (
    "none", "own", "foreign", "delegate", "reader", "operator",
)  # fmt: skip
ANYONE: Final = {OWN, FOREIGN, DELEGATE, READER, OPERATES}
OWNER: Final = {OWN}
TRUSTED: Final = {OWN, DELEGATE}
WATCH: Final = {OWN, DELEGATE, READER, OPERATES}
RUN: Final = {OWN, OPERATES}
READ: Final = {READER, OPERATES}
OPERATE: Final = {OPERATES}

PROFILE: Final = {"player_id": "ana", "username": "ana", "email": "ana@example.org"}
TABLE: Final[dict[str, tuple[set[str], Any]]] = {
    "GET /": (ANYONE, None),
    "POST /tokens": (OPERATE, {"scope": "learner", "subject": "ana"}),
    "POST /tokens/revoke": (ANYONE, None),
    "POST /players": (OWNER, PROFILE),
    "GET /players/{id}": (ANYONE, None),
    "PATCH /players/{id}": (OWNER, {}),
    "DELETE /players/{id}": (OWNER, None),
    "GET /players/{id}/export": (OWNER, None),
    "POST /players/{id}/switch": (OWNER, {}),
    "GET /players/{id}/settings": (TRUSTED, None),
    "PUT /players/{id}/settings": (OWNER, {}),
    "GET /players/{id}/characters": (TRUSTED, None),
    "POST /players/{id}/characters": (OWNER, {}),
    "GET /players/{id}/characters/{character}": (TRUSTED, None),
    "PUT /players/{id}/characters/{character}": (OWNER, {}),
    "DELETE /players/{id}/characters/{character}": (OWNER, None),
    "PUT /players/{id}/characters/{character}/goals/{goal}": (OWNER, {}),
    "PUT /players/{id}/worlds/{world}": (OWNER, {}),
    "GET /players/{id}/progress": (TRUSTED, None),
    "GET /players/{id}/progress/charts": (TRUSTED, None),
    "GET /players/{id}/milestones": (TRUSTED, None),
    "GET /players/{id}/effectiveness": (TRUSTED, None),
    "GET /players/{id}/recommendations": (TRUSTED, None),
    "POST /players/{id}/recommendations/{recommendation}/dismiss": (OWNER, None),
    "GET /players/{id}/dashboard": (TRUSTED, None),
    "GET /players/{id}/sessions": (TRUSTED, None),
    "POST /players/{id}/feedback": (OWNER, {}),
    "POST /players/{id}/feedback/{feedback_id}/approve": (OWNER, None),
    "GET /players/{id}/access-log": (OWNER, None),
    "GET /players/{id}/frictions": (TRUSTED, None),
    "GET /players/{id}/triggers": (TRUSTED, None),
    "GET /players/{id}/mastery": (TRUSTED, None),
    "GET /worlds": (ANYONE, None),
    "GET /worlds/{world}": (ANYONE, None),
    "GET /worlds/{world}/compatibility": (TRUSTED, None),
    "GET /personas": (ANYONE, None),
    "GET /curricula": (ANYONE, None),
    "GET /resources": (ANYONE, None),
    "POST /sessions": (OWNER, {"learner": "ana"}),
    "GET /sessions": (READ, None),
    "GET /sessions/{id}": (WATCH, None),
    "GET /sessions/{id}/state": (WATCH, None),
    "GET /sessions/{id}/timeline": (WATCH, None),
    "GET /sessions/{id}/messages": (WATCH, None),
    "GET /sessions/{id}/exhaust": (WATCH, None),
    "GET /sessions/{id}/events": (WATCH, None),
    "GET /sessions/{id}/practice": (WATCH, None),
    "POST /sessions/{id}/turns": (OWNER, {}),
    "POST /sessions/{id}/greeting": (OWNER, {}),
    "POST /sessions/{id}/interactions": (OWNER, {}),
    "POST /sessions/{id}/markers": (OWNER, {}),
    "POST /sessions/{id}/notes": (RUN, {}),
    "PUT /sessions/{id}/settings": (OWNER, {}),
    "POST /sessions/{id}/pause": (RUN, None),
    "POST /sessions/{id}/resume": (RUN, None),
    "POST /sessions/{id}/end": (RUN, None),
    "POST /sessions/{id}/fork": (RUN, {}),
    "POST /sessions/{id}/tasks": (OWNER, {}),
    "POST /sessions/{id}/tasks/{task}/route": (OWNER, None),
    "POST /sessions/{id}/tasks/{task}/start": (OWNER, None),
    "POST /sessions/{id}/tasks/{task}/complete": (OWNER, None),
    "POST /sessions/{id}/tasks/{task}/retry": (OWNER, None),
    "POST /sessions/{id}/practice/answer": (OWNER, {}),
    "POST /sessions/{id}/practice/hint": (OWNER, None),
    "POST /sessions/{id}/practice/continue": (OWNER, None),
    "POST /sessions/{id}/refractions": (OWNER, {}),
    "POST /sessions/{id}/refractions/{number}/choose": (OWNER, {}),
    "GET /events": (READ, None),
    "GET /overview": (READ, None),
    "GET /overview/events": (READ, None),
    "GET /hosts": (READ, None),
    "POST /hosts/{host}/drain": (OPERATE, None),
    "POST /hosts/{host}/undrain": (OPERATE, None),
    "GET /npcs": (READ, None),
    "GET /npcs/{id}": (READ, None),
    "GET /npcs/{id}/relations/{learner}": (READ, None),
    "GET /npcs/{id}/reputation": (READ, None),
    "GET /learners": (READ, None),
    "GET /fleet": (READ, None),
    "GET /fleet/agents": (READ, None),
    "GET /fleet/graph": (READ, None),
    "GET /fleet/advice": (READ, None),
    "GET /dead-letters": (OPERATE, None),
    "POST /dead-letters/{sequence}/redeliver": (OPERATE, None),
    "DELETE /dead-letters/{sequence}": (OPERATE, None),
    "GET /projections": (READ, None),
    "POST /projections/{name}/rebuild": (OPERATE, None),
}
"""Who gets past the door at each route, in a player's profile or session that is somebody's own,
foreign, or another's that lets one see it. A body only where whose it is stands in it."""
LIVE: Final = {"/sessions/{id}/live"}
"""WebSockets; ``test_live.py`` has theirs."""


def routes() -> set[str]:
    return {
        f"{method} {route.path}"
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }


def test_every_route_stands_in_the_table() -> None:
    assert routes() == TABLE.keys()
    others = {
        getattr(route, "path", "")
        for router in ROUTERS
        for route in router.routes
        if not isinstance(route, APIRoute)
    }
    assert others == LIVE


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def inhabited() -> AsyncIterator[tuple[House, dict[str, str]]]:
    """A house where ana has a profile, a session and, in bob, somebody she lets see."""
    async with house() as made:
        ana = made.learner("ana")
        assert (await ana.post("/players", json=PROFILE)).status_code == 201
        await ana.patch("/players/ana", json={"delegates": ["bob"]})
        character = {"character_id": "mira", "name": "Mira", "background": {"name": "Mira"}}
        assert (await ana.post("/players/ana/characters", json=character)).status_code == 201
        begun = await ana.post("/sessions", json={"learner": "ana", "cast": ["marta"]})
        world = (await ana.get("/worlds?limit=1")).json()["items"][0]["world_id"]
        names = {
            "character": "mira", "goal": "g", "world": world, "recommendation": "r",
            "feedback_id": "f", "task": "t", "number": "1", "host": "no-host", "learner": "ana",
            "sequence": "999", "name": "no-store", "session": begun.json()["id"],
        }  # fmt: skip
        yield made, names


LAST: Final = ("POST /sessions/{id}/end", "DELETE /players/{id}")
"""What leaves nothing to be asked about."""


def _in_order(route: str) -> tuple[int, str]:
    return (LAST.index(route) + 1 if route in LAST else 0), route


IN_ORDER: Final[list[str]] = sorted(TABLE, key=_in_order)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("route", IN_ORDER)
async def test_each_route_lets_in_who_may(
    inhabited: tuple[House, dict[str, str]], route: str
) -> None:
    home, names = inhabited
    may, body = TABLE[route]
    method, path = route.split(" ")
    own = names["session"] if path.startswith("/sessions") else "ana"
    if path.startswith("/npcs"):
        own = "marta"
    path = path.format(id=own, **names)
    if route.endswith("compatibility") or route.startswith("PUT /players/{id}/worlds"):
        path += "?player=ana&character=mira"
    if route == "DELETE /players/{id}":
        path += "?wait_s=0"
    tokens = {
        NONE: None,
        FOREIGN: home.token("learner", "eve"),
        DELEGATE: home.token("learner", "bob"),
        READER: home.token("reader", "rita"),
        OPERATES: home.token("operator", "olga"),
        OWN: home.token("learner", "ana"),  # last, for it may leave nothing
    }
    for role, token in tokens.items():
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        content = b"a stream"
        async with home.nobody.stream(method, path, json=body, headers=headers) as response:
            status = response.status_code
            if not response.headers.get("content-type", "").startswith("text/event-stream"):
                content = await response.aread()
        if role == NONE:
            assert status == 401, (role, content)
        elif role in may:
            assert status not in (401, 403), (role, content)
            assert status < 500, (role, content)
        else:
            assert status == 403, (role, status, content)
            assert json.loads(content)["code"] in ("forbidden", "access-restricted")
