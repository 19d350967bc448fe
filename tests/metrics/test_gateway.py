"""The HTTP door: metrics and health, on loopback or with a token."""

from __future__ import annotations

from collections.abc import Mapping

import httpx
import pytest

from holodeck.actors.metrics import Metrics
from holodeck.entrypoints.gateway import app, serve
from holodeck.messages.errors import StartupError, Unavailable


class Source:
    """What a supervisor would say."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.down = False

    async def metrics(self) -> Mapping[str, bytes]:
        return {"one": Metrics().dump(), "two": Metrics().dump()}

    async def ready(self) -> list[str]:
        if self.down:
            raise Unavailable("holodeck.ctl.supervisor.status", "no answer within 2 s")
        return self.problems


def client(source: Source) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app(source)), base_url="http://gateway"
    )


async def test_one_scrape_shows_all_hosts() -> None:
    async with client(Source()) as http:
        answer = await http.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert 'holodeck_mailbox_depth{host="one"} 0.0' in answer.text
    assert 'holodeck_mailbox_depth{host="two"} 0.0' in answer.text


async def test_it_is_ready_when_nothing_stands_in_the_way() -> None:
    async with client(Source()) as http:
        assert (await http.get("/readyz")).status_code == 200
        assert (await http.get("/healthz")).json() == {"status": "ok"}


async def test_it_says_why_it_is_not_ready_and_is_alive_all_the_same() -> None:
    source = Source()
    source.problems = ["3 of 64 partitions have no owner"]
    async with client(source) as http:
        answer = await http.get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["problems"] == source.problems
        source.down = True
        answer = await http.get("/readyz")
        assert answer.status_code == 503
        assert "supervisor does not answer" in answer.json()["problems"][0]
        assert (await http.get("/healthz")).status_code == 200


async def test_it_listens_on_a_free_port_and_a_taken_one_is_one_clear_line() -> None:
    door = await serve(app(Source()))
    try:
        async with httpx.AsyncClient() as http:
            assert (await http.get(f"{door.url}/healthz")).status_code == 200
        with pytest.raises(StartupError, match=f"127.0.0.1:{door.port}"):
            await serve(app(Source()), port=door.port)
    finally:
        await door.stop()
    again = await serve(app(Source()), port=door.port)
    await again.stop()


async def test_beyond_loopback_it_needs_a_token() -> None:
    with pytest.raises(StartupError, match="without a token"):
        await serve(app(Source()), "0.0.0.0")
    door = await serve(app(Source()), "0.0.0.0", token="a-long-secret-token")
    url = f"http://127.0.0.1:{door.port}"
    try:
        async with httpx.AsyncClient() as http:
            assert (await http.get(f"{url}/metrics")).status_code == 401
            wrong = {"authorization": "Bearer another"}
            assert (await http.get(f"{url}/metrics", headers=wrong)).status_code == 401
            right = {"authorization": "Bearer a-long-secret-token"}
            assert (await http.get(f"{url}/metrics", headers=right)).status_code == 200
            assert (await http.get(f"{url}/healthz")).status_code == 200
    finally:
        await door.stop()


async def test_an_unknown_address_is_one_clear_line() -> None:
    with pytest.raises(StartupError):
        await serve(app(Source()), "203.0.113.7", token="a-long-secret-token")
