"""Holodeck: very many durable learner and NPC sessions at once.

``holodeck.connect()`` speaks to a runtime, ``holodeck.local()`` is one in this process.
"""

from __future__ import annotations

from collections.abc import Generator
from types import TracebackType
from typing import Any

from holodeck.config import load_settings
from holodeck.deck import Deck, Fleet
from holodeck.local import Local, local
from holodeck.messages.errors import (
    ContractError,
    HolodeckError,
    RefusedError,
    StartupError,
    TransientError,
)
from holodeck.messages.session import CastMember, FrictionFinding
from holodeck.people import Learner, Npc, Standing
from holodeck.practice import Asked, Marked, Mastery, PastPractice, Practice
from holodeck.session import Exhaust, Offer, Reply, Session, Step, TaskRef
from holodeck.wiring import Connection, find_connection


class _Connecting:
    """What :func:`connect` returns: awaitable, and an async context manager."""

    def __init__(self, connection: Connection | None, ns: str, deadline_s: float) -> None:
        self._connection = connection
        self._ns = ns
        self._deadline_s = deadline_s
        self._deck: Deck | None = None

    async def _open(self) -> Deck:
        connection, ns = self._connection, self._ns
        if connection is None:
            connection, found = find_connection()
            ns = ns or found
        return await Deck.open(connection, ns or "holodeck", deadline_s=self._deadline_s)

    def __await__(self) -> Generator[Any, None, Deck]:
        return self._open().__await__()

    async def __aenter__(self) -> Deck:
        self._deck = await self._open()
        return self._deck

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._deck is not None:
            await self._deck.close()


def connect(
    url: str | None = None,
    *,
    user: str = "",
    password: str = "",
    ns: str = "",
    deadline_s: float = 15.0,
) -> _Connecting:
    """Connects to a runtime: ``async with holodeck.connect() as deck``.

    Args:
        url: of its NATS server; None: ``HOLODECK_NATS_URL``, else the runtime that runs on this
            machine.
        ns: its namespace; empty: what the settings or that runtime say.
        deadline_s: how long a command is sent again, at most 60 s.

    Raises:
        StartupError: nothing is there.
    """
    connection = Connection(url, user=user, password=password) if url is not None else None
    if url is not None and not ns:
        ns = load_settings().namespace
    return _Connecting(connection, ns, deadline_s)


__all__ = [
    "Asked",
    "CastMember",
    "ContractError",
    "Deck",
    "Exhaust",
    "Fleet",
    "FrictionFinding",
    "HolodeckError",
    "Learner",
    "Local",
    "Marked",
    "Mastery",
    "Npc",
    "Offer",
    "PastPractice",
    "Practice",
    "RefusedError",
    "Reply",
    "Session",
    "Standing",
    "StartupError",
    "Step",
    "TaskRef",
    "TransientError",
    "connect",
    "local",
]
