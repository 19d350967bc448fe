"""The interface does what its document says: driven by what the document allows."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any, Final

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import (
    not_a_server_error,
)
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.entrypoints.gateway.doors import House, house
from tests.entrypoints.gateway.test_access import TABLE

STREAMS: Final = {"GET /events", "GET /overview/events", "GET /sessions/{id}/events"}
"""Answers that do not end."""
EXAMPLES: Final = 10
"""Calls made up for each route."""
CHECKS: Final = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
)


@pytest.fixture(scope="module")
def running() -> Iterator[House]:
    """A house on a loop of its own, open to whoever is on this machine."""
    loop = asyncio.new_event_loop()
    ready: list[House] = []
    there, done = threading.Event(), asyncio.Event()

    async def live() -> None:
        async with house(required=False, token="") as made:
            ready.append(made)
            there.set()
            await done.wait()

    failed: list[BaseException] = []

    def work() -> None:
        try:
            loop.run_until_complete(live())
        except BaseException as error:
            failed.append(error)
        finally:
            loop.close()
            there.set()

    thread = threading.Thread(target=work, name="house")
    thread.start()
    assert there.wait(30)
    if failed:
        raise failed[0]
    with httpx.Client(base_url=ready[0].url) as http:
        # Something to be found by the names that stand in the document's examples.
        http.post("/players", json={"player_id": "ana", "username": "ana", "email": "a@b.org"})
        character = {"character_id": "mira", "name": "Mira", "background": {"name": "Mira"}}
        http.post("/players/ana/characters", json=character)
        http.post("/sessions", json={"learner": "ana", "session": "session-1", "cast": ["marta"]})
    yield ready[0]
    loop.call_soon_threadsafe(done.set)
    thread.join(30)
    assert not failed


@pytest.fixture(scope="module")
def described(running: House) -> Any:
    return schemathesis.openapi.from_url(f"{running.url}/openapi.json")


@pytest.mark.slow
@pytest.mark.parametrize("route", sorted(set(TABLE) - STREAMS))
def test_every_route_answers_as_the_document_says(described: Any, route: str) -> None:
    method, path = route.split(" ")
    operation = described[path][method]

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate],
    )
    @given(case=operation.as_strategy())
    def holds(case: schemathesis.Case[Any]) -> None:
        response = case.call(timeout=60)
        case.validate_response(response, checks=list(CHECKS))

    holds()


def test_the_document_has_examples_and_says_what_errors_look_like(running: House) -> None:
    told = httpx.get(f"{running.url}/openapi.json").json()
    for path, methods in told["paths"].items():
        for method, spoken in methods.items():
            assert spoken["summary"], (method, path)
            assert "4XX" in spoken["responses"], (method, path)
    assert told["components"]["schemas"]["SessionStart"]["examples"]
    assert told["servers"] == [{"url": "/api/v1"}]
