"""Whose a session is, what one call's commands are called, and who may do what with a session.

One law: a session's learner never changes, so it is asked for once; everything else that is kept
here is a guess that the actor puts right.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from typing import Annotated, Any, Final

from fastapi import Depends, Header
from fastapi import Path as InPath
from starlette.requests import HTTPConnection, Request

from holodeck.deck import Deck
from holodeck.entrypoints.gateway.access import Anyone, Caller, deck, forbidden
from holodeck.messages.codec import unpack
from holodeck.messages.envelope import ReadState
from holodeck.messages.ids import ID_PATTERN, CommandId, check_id, new_id
from holodeck.messages.session import SessionKind

KEPT: Final = 50_000
"""Sessions of which it is remembered whose they are."""


class Known:
    """What is remembered of a session.

    Attributes:
        turns: learner turns it had when last heard of; None: not known.
        lock: held while a turn without a number of its own is on its way.
        offered: guided exercises that were offered and not finished.
    """

    __slots__ = ("kind", "learner", "lock", "offered", "turns")

    def __init__(self, learner: str, kind: str, turns: int | None) -> None:
        self.learner, self.kind, self.turns = learner, kind, turns
        self.lock = asyncio.Lock()
        self.offered: set[str] = set()


class Sessions:
    """The sessions that were asked for lately."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, Known] = OrderedDict()

    async def known(self, on: Deck, identity: str) -> Known:
        """Whose a session is.

        Raises:
            RefusedError: ``unknown-session``; ``session-erased``.
        """
        found = self._known.get(identity)
        if found is None:
            _, state = await raw_state(on, identity)
            charter = state.get("charter") or {}
            found = self.keep(identity, charter.get("learner", ""), charter.get("kind", ""))
            found.turns = state["turns"]
        else:
            self._known.move_to_end(identity)
        return found

    def keep(self, identity: str, learner: str, kind: str, turns: int | None = None) -> Known:
        """Remembers a session whose learner is known."""
        found = self._known[identity] = Known(learner, kind, turns)
        while len(self._known) > KEPT:
            self._known.popitem(last=False)
        return found

    def forget_of(self, learner: str) -> None:
        for identity in [one for one, held in self._known.items() if held.learner == learner]:
            del self._known[identity]


async def raw_state(on: Deck, identity: str, at: int | None = None) -> tuple[int, dict[str, Any]]:
    """A session's state as plain values, and the sequence of its last checkpoint.

    Raises:
        RefusedError: ``unknown-session``; ``no-such-checkpoint``.
    """
    answer = await on.caller.command("session", identity, new_id("ask"), ReadState(at=at))
    state: dict[str, Any] = unpack(answer.state or b"")
    return answer.sequence, state


# --- what a call's commands are called ----------------------------------------


class Intent:
    """Names for what one call sends: the same for a repeat under the same ``Idempotency-Key``,
    and other ones for every other caller, method and address."""

    __slots__ = ("_digest",)

    def __init__(self, digest: str | None) -> None:
        self._digest = digest

    def id(self, part: str = "") -> str:
        """A command's id; ``part`` tells several of one call apart."""
        if self._digest is None:
            return new_id("http")
        return f"http-{self._digest}:{part}" if part else f"http-{self._digest}"

    def name(self, prefix: str) -> str:
        """An id for something that is made."""
        return new_id(prefix) if self._digest is None else f"{prefix}_{self._digest[:16]}"


async def intent(
    request: Request,
    who: Anyone,
    key: Annotated[
        CommandId | None,
        Header(
            alias="Idempotency-Key",
            description="the same key has its effect once within 60 s, and the same answer",
        ),
    ] = None,
) -> Intent:
    if key is None:
        return Intent(None)
    parts = (who.role, who.subject, request.method, request.url.path, key)
    return Intent(hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:40])


OneIntent = Annotated[Intent, Depends(intent)]


# --- who may ----------------------------------------

SessionPath = Annotated[str, InPath(pattern=ID_PATTERN, description="a session")]


class Visit:
    """A caller at a session it may do this with."""

    __slots__ = ("caller", "deck", "id", "known")

    def __init__(self, caller: Caller, on: Deck, identity: str, known: Known) -> None:
        self.caller, self.deck, self.id, self.known = caller, on, identity, known


async def _visit(connection: HTTPConnection, who: Caller, identity: str) -> Visit:
    on = await deck(connection)
    sessions: Sessions = connection.app.state.gateway.sessions
    return Visit(who, on, identity, await sessions.known(on, check_id(identity)))


async def watching(connection: HTTPConnection, who: Anyone, id: SessionPath) -> Visit:
    """Who may read a session: its learner, whom that lets see, readers and operators."""
    visit = await _visit(connection, who, id)
    learner = visit.known.learner
    if not (who.reads or who.is_(learner)):
        delegated = connection.app.state.gateway.delegated
        if who.learner is None or not await delegated(learner, who.learner):
            raise _foreign()
    return visit


async def playing(connection: HTTPConnection, who: Anyone, id: SessionPath) -> Visit:
    """Who may act in a session: its learner; in a session of an agent operators too."""
    visit = await _visit(connection, who, id)
    if not (
        who.is_(visit.known.learner) or (who.operates and visit.known.kind == SessionKind.AGENT)
    ):
        raise _foreign()
    return visit


async def running(connection: HTTPConnection, who: Anyone, id: SessionPath) -> Visit:
    """Who may pause, resume, end and note: its learner and operators."""
    visit = await _visit(connection, who, id)
    if not (who.operates or who.is_(visit.known.learner)):
        raise _foreign()
    return visit


def _foreign() -> Any:
    return forbidden("this session is somebody else's")


Watching = Annotated[Visit, Depends(watching)]
Playing = Annotated[Visit, Depends(playing)]
Running = Annotated[Visit, Depends(running)]
