"""How the interface answers, whatever is asked: errors, sizes, pages, figures, its manual."""

from __future__ import annotations

import ast
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from holodeck.entrypoints.gateway.manners import (
    REFUSALS,
    Problem,
    Rate,
    etag,
    must_match,
    named_in,
    page,
    problem_of,
)
from holodeck.messages.errors import (
    Busy,
    HolodeckError,
    InvalidId,
    NoResponder,
    RefusedError,
    StoreFull,
    TooLarge,
    Unavailable,
)
from tests.entrypoints.gateway.doors import House, house, problem

ROOT = Path(__file__).resolve().parents[3]
DIALECTS = ("gate.py", "plato.py", "rooms.py", "router.py", "asking.py")
"""Doors that speak as others do, with statuses of their own."""
ELSEWHERE = {"unknown-token"}
"""What is refused at the command line alone."""


# --- errors ----------------------------------------


def reasons() -> Iterator[tuple[str, str]]:
    """Every reason a source gives for a refusal, and where."""
    for folder in ("actors", "minds", "holodeck", "messages", "entrypoints", "broker"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            linked = any(part.is_symlink() for part in (path, *path.parents))
            if linked or path.name in DIALECTS or "compat" in path.parts:
                continue
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and _name(node.func) == "RefusedError" and node.args:
                    for inner in ast.walk(node.args[0]):
                        if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
                            yield inner.value, f"{path.relative_to(ROOT)}:{node.lineno}"


def _name(node: ast.expr) -> str:
    return getattr(node, "id", getattr(node, "attr", ""))


def test_every_reason_for_a_refusal_has_its_status() -> None:
    found = {reason: where for reason, where in reasons() if re.fullmatch(r"[a-z-]+[a-z]", reason)}
    assert len(found) > 50
    missing = {
        reason: where
        for reason, where in found.items()
        if reason not in REFUSALS and reason not in ELSEWHERE
    }
    assert not missing


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (RefusedError("unknown-session"), 404),
        (RefusedError("learner-busy", "sess_1"), 409),
        (RefusedError("session-paused"), 409),
        (RefusedError("session-ended"), 409),
        (RefusedError("session-erased"), 410),
        (RefusedError("access-restricted"), 403),
        (RefusedError("name-taken"), 409),
        (RefusedError("at-capacity"), 503),
        (RefusedError("store-full"), 503),
        (RefusedError("nobody-knows-this"), 409),
        (InvalidId("a b"), 422),
        (TooLarge(10, 5), 413),
        (Busy(), 503),
        (StoreFull(), 503),
        (NoResponder(), 503),
        (Unavailable("holodeck.cmd.1.session.x", "no answer"), 503),
        (HolodeckError(), 500),
    ],
    ids=lambda one: str(one)[:30],
)
def test_an_error_has_one_status(error: HolodeckError, status: int) -> None:
    found = problem_of(error)
    assert found.status == status
    assert found.detail
    assert ("retry-after" in found.headers) == (status == 503)
    assert "holodeck.cmd" not in found.detail


# --- pages and versions ----------------------------------------


def test_a_list_is_cut_into_pages_that_together_are_it() -> None:
    items, cursor, got = list(range(7)), None, []
    for _ in range(4):
        told = page(items, 2, cursor)
        got += told["items"]
        cursor = told["next"]
        assert told["total"] == 7
    assert (got, cursor) == (items, None)
    assert page(items, 7, None)["next"] is None
    assert page(items, 5, "99")["items"] == []
    for wrong in ("x", "-1", "1.5", "9" * 30, "²"):
        with pytest.raises(Problem):
            page(items, 2, wrong)


def test_versions_are_told_apart() -> None:
    assert etag("a", "bc") != etag("ab", "c")
    assert named_in('"x", W/"y"', '"y"')
    assert named_in("*", '"x"')
    assert not named_in(None, '"x"')
    must_match(None, '"x"')
    with pytest.raises(Problem) as caught:
        must_match('"other"', '"x"')
    assert caught.value.status == 412


# --- rates ----------------------------------------


def test_a_window_begins_with_the_first_call_and_ends_after_a_minute() -> None:
    now = [100.0]
    rate = Rate(2, clock=lambda: now[0])
    assert rate.take("a") == (True, 1, 60)
    now[0] += 59.5
    assert rate.take("a") == (True, 0, 1)
    assert rate.take("a") == (False, 0, 1)
    assert rate.take("b") == (True, 1, 60)
    now[0] += 0.5
    assert rate.take("a") == (True, 1, 60)


def test_many_callers_take_only_so_much_memory() -> None:
    rate = Rate(1, keep=100)
    for n in range(5000):
        rate.take(str(n))
    assert len(rate._windows) == 100
    assert rate.take("4999")[0] is False
    assert rate.take("0")[0] is True


# --- the door ----------------------------------------


@pytest.fixture
async def home() -> AsyncIterator[House]:
    async with house() as made:
        yield made


async def test_what_is_not_there_and_what_cannot_be_done_are_problems(home: House) -> None:
    http = home.operator
    problem(await http.get("/nothing"), 404, "no-such-address")
    problem(await http.put("/tokens"), 405, "no-such-method")
    response = await http.post("/tokens", content=b"{}", headers={"content-type": "text/plain"})
    problem(response, 415, "not-json")
    big = b'{"scope": "' + b"x" * 70_000 + b'"}'
    problem(await http.post("/tokens", content=big), 413, "too-large")
    json = {"content-type": "application/json"}
    told = problem(await http.post("/tokens", content=b"{", headers=json), 422, "invalid")
    assert told["errors"][0]["where"] == ["body"]
    for head, value in (("x-content-type-options", "nosniff"), ("referrer-policy", "no-referrer")):
        assert response.headers[head] == value
    outside = await http.get(home.door.url + "/nothing")
    problem(outside, 404, "no-such-address")


async def test_a_runtime_that_is_away_is_said_to_be(home: House) -> None:
    def away() -> None:
        raise Unavailable("runtime", "the runtime is still starting")

    home.gateway.deck = away  # type: ignore[assignment]
    response = await home.learner("ana").post("/sessions", json={"learner": "ana"})
    problem(response, 503, "unavailable")
    assert response.headers["retry-after"] == "1"
    sad = {"text": "I want to die", "to": "marta"}
    told = problem(await home.learner("ana").post("/sessions/x/turns", json=sad), 503)
    assert told["resources"]


async def test_calls_are_counted_by_route(home: House) -> None:
    await home.operator.get("/worlds/nowhere")
    await home.operator.get("/worlds/elsewhere")
    await home.client().get("/")
    text = (await home.operator.get(home.door.url + "/metrics")).text
    line = 'holodeck_gateway_requests_total{method="GET",route="/worlds/{world}",status="404"} 2.0'
    assert line in text
    assert 'route="/",status="401"} 1.0' in text
    assert "holodeck_gateway_request_seconds_bucket" in text
    assert "nowhere" not in text


async def test_the_manual_is_whole_and_loads_nothing(home: House) -> None:
    response = await home.client().get("/docs")
    assert response.status_code == 200
    assert "default-src 'none'" in response.headers["content-security-policy"]
    document = (await home.client().get("/openapi.json")).json()
    for path in document["paths"]:
        assert path in response.text
    assert "<script" not in response.text
    assert not re.search(r"(src|href)=['\"]?(https?:)?//", response.text)
