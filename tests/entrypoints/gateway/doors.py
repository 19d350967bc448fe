"""A runtime with the HTTP interface before it, and clients that show this or that token."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any, Final

import httpx

import holodeck
from holodeck.broker.streams import Layout
from holodeck.deck import Deck
from holodeck.entrypoints.gateway.access import Role, mint
from holodeck.entrypoints.gateway.api import Gateway, api
from holodeck.entrypoints.gateway.door import Door, app, serve
from holodeck.entrypoints.gateway.safety import Care
from holodeck.local import Local
from holodeck.minds import Faculties, minds_of
from holodeck.minds.safety import KeywordSafety, load_resources
from holodeck.up import DeckStatus

KEY: Final = b"a key for the tests, long enough to be one"
OPERATOR: Final = "the-operator-of-the-tests"


@dataclass
class House:
    """A runtime, its gateway and its door.

    Attributes:
        url: of the interface.
    """

    local: Local
    deck: Deck
    gateway: Gateway
    door: Door
    clients: list[httpx.AsyncClient] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"{self.door.url}/api/v1"

    @property
    def layout(self) -> Layout:
        return self.local.layout

    def token(self, role: Role | str, subject: str = "olga", days: float = 1.0) -> str:
        return mint(KEY, self.layout.ns, Role(role), subject, days=days).token

    def client(self, token: str | None = None, **more: Any) -> httpx.AsyncClient:
        """Speaks to the interface, as somebody or as nobody."""
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        made = httpx.AsyncClient(
            base_url=self.url,
            headers=headers | dict(more.pop("headers", {})),
            timeout=30,
            verify=False,  # no certificates are read, which takes longer than most tests
            **more,
        )
        self.clients.append(made)
        return made

    def learner(self, learner: str) -> httpx.AsyncClient:
        return self.client(self.token(Role.LEARNER, learner))

    @cached_property
    def nobody(self) -> httpx.AsyncClient:
        return self.client()

    @property
    def operator(self) -> httpx.AsyncClient:
        return self.client(OPERATOR)

    @property
    def reader(self) -> httpx.AsyncClient:
        return self.client(self.token(Role.READER, "rita"))


@cache
def faculties() -> Faculties:
    """What the hosts think with: read from its files once for all tests."""
    return minds_of()


@asynccontextmanager
async def house(
    *,
    required: bool = True,
    rate: int = 0,
    token: str = OPERATOR,
    broker: Any = "memory",
    **more: Any,
) -> AsyncIterator[House]:
    """A runtime in this process with its door open on a free port of loopback."""
    more.setdefault("minds", faculties())
    local = holodeck.Local(broker=broker, **more)
    async with local as deck:
        resources = load_resources()
        gateway = Gateway(
            lambda: deck,
            local.runtime_connection,
            local.layout,
            key=KEY,
            token=token,
            required=required,
            rate=rate,
            care=Care(KeywordSafety(resources).look, resources),
        )
        served = app(DeckStatus(deck), {"/api/v1": api(gateway)}, gateway.metrics)
        door = await serve(served, token=token, guarded=True)
        made = House(local, deck, gateway, door)
        try:
            yield made
        finally:
            for client in made.clients:
                await client.aclose()
            await door.stop()
            await gateway.close()


def problem(response: httpx.Response, status: int, code: str = "") -> Mapping[str, Any]:
    """The problem a response is, which it has to be."""
    assert response.status_code == status, (response.status_code, response.text)
    assert response.headers["content-type"] == "application/problem+json"
    told: dict[str, Any] = response.json()
    assert told["status"] == status
    assert {"type", "title", "detail", "code"} <= told.keys()
    if code:
        assert told["code"] == code
    return told
