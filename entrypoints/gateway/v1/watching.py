"""Routes for those who watch: figures, sessions, timelines, NPCs, the fleet, dead letters.

One law: what is read here is read from actors, journal and snapshots at that moment; the copies
that are kept are seconds old and nobody decides by them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Path, Query
from pydantic import Field
from pydantic_core import to_json
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response, StreamingResponse

from holodeck.actors.session import STATE, SessionState
from holodeck.entrypoints.gateway.access import OnDeck, Operator, OwnerOrDelegate, Reader
from holodeck.entrypoints.gateway.manners import (
    Page,
    Problem,
    answer,
    etag,
    page,
    sent,
    versioned,
)
from holodeck.entrypoints.gateway.v1.events import Events
from holodeck.entrypoints.gateway.v1.watch_cards import card_of, checkpoints
from holodeck.entrypoints.gateway.v1.watch_letters import Letters
from holodeck.entrypoints.gateway.v1.watch_overview import Overview
from holodeck.entrypoints.gateway.v1.watch_people import People, frictions, mastery, triggers
from holodeck.entrypoints.gateway.v1.watch_rows import SORTS, STATUSES, Rows
from holodeck.entrypoints.gateway.whose import OneIntent, Running, Watching, raw_state
from holodeck.messages.base import Message
from holodeck.messages.control import ForkSession
from holodeck.messages.curriculum import Curriculum
from holodeck.messages.ids import ID_PATTERN

router: Final = APIRouter(tags=["watching"])

Id = Annotated[str, Path(pattern=ID_PATTERN)]
Sequence_ = Annotated[int, Path(ge=1, le=2**53)]
Limit = Annotated[int, Query(ge=1, le=500)]
Cursor = Annotated[str | None, Query(max_length=20)]
Name = Annotated[str, Query(max_length=64)]


class Watch:
    """What the routes here stand on; one for each door.

    Args:
        gateway: the door's, with its connections.
    """

    def __init__(self, gateway: Any) -> None:
        self.rows = Rows(gateway.deck, gateway.runtime)
        self.letters = Letters(gateway.deck, gateway.runtime)
        self.people = People(gateway.deck, gateway.runtime, self.rows)
        self._deck = gateway.deck
        self.overview = Overview(
            gateway.deck, gateway.runtime, self.rows, self.letters, self.projections
        )

    async def projections(self) -> list[dict[str, Any]]:
        """The stores beside, and how far each is."""
        return [
            {
                "name": one["projection"],
                "store": one["store"],
                "position": one["position"],
                "end": one["end"],
                "lag": one["lag"],
                "state": one["state"],
                "last_error": one["error"] or None,
                "rebuilds": one["rebuilds"],
            }
            for one in await self._deck().projections()
        ]

    async def close(self) -> None:
        self.rows.close()
        await self.overview.close()


def watch(connection: HTTPConnection) -> Watch:
    """The door's :class:`Watch`, made at the first question."""
    state = connection.app.state
    found: Watch | None = getattr(state, "watch", None)
    if found is None:
        found = state.watch = Watch(state.gateway)
        state.gateway.closing.append(found.close)
    return found


# --- the whole ----------------------------------------


@router.get("/overview", summary="The runtime in figures, with the last five minutes")
async def overview(request: Request, _: Reader) -> Response:
    return answer(await watch(request).overview.now())


@router.get(
    "/overview/events",
    summary="The same figures as server-sent events, once a second",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def overview_events(request: Request, _: Reader) -> Response:
    gateway, figures = request.app.state.gateway, watch(request).overview

    async def told() -> AsyncGenerator[bytes]:
        gauge = gateway.figures.streams.labels("overview")
        gauge.inc()
        try:
            yield b"retry: 2000\n\n"
            async with aclosing(figures.events()) as events:
                async for data in events:
                    if data:
                        yield b"event: overview\ndata: " + data + b"\n\n"
                    else:
                        # A token may end while its stream is open.
                        await gateway.access.caller(request)
                        yield b": still here\n\n"
        except Problem as problem:
            yield b"event: ended\ndata: " + to_json(problem.body()) + b"\n\n"
        finally:
            gauge.dec()

    return Events(
        told(),
        media_type="text/event-stream",
        headers={"cache-control": "no-store", "x-accel-buffering": "no"},
    )


@router.get("/hosts", summary="Hosts and the partitions they hold")
async def hosts(_: Reader, deck: OnDeck) -> Response:
    status = await deck.status()
    rows = sorted(status["hosts"], key=lambda host: str(host["host"]))
    return answer({"items": rows, "partitions": status["partitions"], "epoch": status["epoch"],
                   "unowned": status["unowned"], "tiles": status.get("tiles")})  # fmt: skip


Host = Annotated[str, Path(min_length=1, max_length=100)]


@router.post("/hosts/{host}/drain", status_code=204, summary="Move everything off a host")
async def drain(host: Host, _: Operator, deck: OnDeck) -> Response:
    await deck.drain(host)
    return Response(status_code=204)


@router.post("/hosts/{host}/undrain", status_code=204, summary="Let a host take again")
async def undrain(host: Host, _: Operator, deck: OnDeck) -> Response:
    await deck.drain(host, resume=True)
    return Response(status_code=204)


# --- sessions ----------------------------------------


def _chosen(given: str | None, known: Sequence[str], name: str) -> list[str]:
    wanted = [one for one in (given or "").split(",") if one]
    strange = [one for one in wanted if one not in known]
    if strange:
        raise Problem(422, "invalid", f"{name} is some of {', '.join(known)}, by commas")
    return wanted


_KINDS: Final = ("conversation", "practice", "agent")


@router.get("/sessions", response_model=Page, summary="The sessions the hosts carry")
async def sessions(
    request: Request,
    _: Reader,
    q: Annotated[str, Query(max_length=200)] = "",
    status: Annotated[str | None, Query(max_length=100)] = None,
    kind: Annotated[str | None, Query(max_length=100)] = None,
    learner: Name = "",
    sort: Annotated[str, Query(max_length=20)] = "-started",
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """``q``: words that all occur in an id, a name or a tag. ``status`` and ``kind``: some of them,
    by commas. ``sort``: with ``-`` in front the other way round. A cursor is a place in the list.
    """
    if sort.removeprefix("-") not in SORTS:
        raise Problem(422, "invalid", f"sort is one of {', '.join(SORTS)}, perhaps with - before")
    found = await watch(request).rows.chosen(
        q=q,
        status=_chosen(status, (*STATUSES, "unknown"), "status"),
        kind=_chosen(kind, _KINDS, "kind"),
        learner=learner,
        sort=sort,
    )
    return answer(page(found, limit, cursor))


@router.get("/sessions/{id}/state", summary="A session's state, now or at any checkpoint")
async def state_at(
    visit: Watching,
    at: Annotated[int | None, Query(ge=1, le=2**53)] = None,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """``at``: a sequence; the state is that of the session's last checkpoint up to there, whose
    own ``sequence`` is told."""
    sequence, raw = await raw_state(visit.deck, visit.id, at)
    told = {
        "session": visit.id,
        "sequence": sequence,
        "state": shown_state(STATE.validate_python(raw)),
    }
    return versioned(told, etag("state", visit.id, sequence), if_none_match)


def shown_state(state: SessionState) -> dict[str, Any]:
    """A state as JSON, without what learner and NPCs were asked for at the start, and without the
    keys of questions."""
    told: dict[str, Any] = STATE.dump_python(state, mode="json")
    return {name: value for name, value in _without(told).items() if value is not None}


_HIDDEN: Final = frozenset({"context", "stage", "brief", "answer", "explanation", "hint"})


def _without(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _without(one) for name, one in value.items() if name not in _HIDDEN}
    if isinstance(value, list | tuple):
        return [_without(one) for one in value]
    return value


class Cards(Message):
    """Cards behind a sequence; ``next``: what to ask behind for more, null at the end."""

    items: list[dict[str, Any]]
    next: int | None = None


@router.get(
    "/sessions/{id}/timeline", response_model=Cards, summary="Every checkpoint as a readable card"
)
async def timeline(
    visit: Watching,
    after: Annotated[int, Query(ge=0, le=2**53)] = 0,
    limit: Limit = 500,
) -> Response:
    """``after``: a sequence; the cards behind it."""
    found, more = await checkpoints(visit.deck, visit.id, after=after, limit=limit)
    cards = [card_of(record) for record in found]
    return answer({"items": cards, "next": cards[-1]["sequence"] if more else None})


class ForkWanted(Message):
    """Where a rehearsal is to begin; ``at``: a checkpoint's sequence, null: the last."""

    at: Annotated[int, Field(ge=1, le=2**53)] | None = None


class Forked(Message):
    """A rehearsal; ``at``: the checkpoint it goes on from."""

    id: str
    parent: str
    at: int


@router.post(
    "/sessions/{id}/fork",
    status_code=201,
    response_model=Forked,
    summary="Begin a rehearsal at a checkpoint",
)
async def fork(
    visit: Running,
    intent: OneIntent,
    body: Annotated[ForkWanted, sent(ForkWanted, optional=True)],
) -> Response:
    child = intent.name("fork")
    order = ForkSession(id=intent.id(), parent=visit.id, session=child, at=body.at)
    reported = await visit.deck.order("fork", order)
    told = {"id": child, "parent": visit.id, "at": reported.value}
    return answer(told, 201, {"location": f"/api/v1/sessions/{child}"})


# --- NPCs and learners ----------------------------------------


def _named(found: Sequence[dict[str, Any]], q: str) -> list[dict[str, Any]]:
    """Those whose id has every word of ``q`` in it."""
    words = q.lower().split()
    return [one for one in found if all(word in one["id"].lower() for word in words)]


@router.get("/npcs", response_model=Page, summary="NPCs and agents")
async def npcs(
    request: Request,
    _: Reader,
    q: Annotated[str, Query(max_length=200)] = "",
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    found = await watch(request).people.npcs()
    return answer(page(_named(found, q), limit, cursor))


@router.get("/npcs/{id}", summary="Who an NPC is, and whom it knows")
async def npc(request: Request, id: Id, _: Reader) -> Response:
    return answer(await watch(request).people.npc(id))


@router.get("/npcs/{id}/relations/{learner}", summary="How one learner stands with an NPC")
async def relation(request: Request, id: Id, learner: Id, _: Reader) -> Response:
    return answer(await watch(request).people.relation(id, learner))


@router.get("/npcs/{id}/reputation", summary="Standing over time")
async def reputation(
    request: Request,
    id: Id,
    _: Reader,
    learner: Annotated[str | None, Query(pattern=ID_PATTERN)] = None,
    limit: Annotated[int, Query(ge=1, le=50)] = 50,
) -> Response:
    """Of one learner, or of the twelve met last."""
    found = await watch(request).people.reputation(id, learner or "", limit)
    return answer({"items": found})


@router.get("/learners", response_model=Page, summary="Learners, by id")
async def learners(
    request: Request,
    _: Reader,
    q: Annotated[str, Query(max_length=200)] = "",
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    found = await watch(request).people.learners()
    return answer(page(_named(found, q), limit, cursor))


@router.get("/players/{id}/frictions", summary="What a learner struggles with")
async def learner_frictions(id: Id, _: OwnerOrDelegate, deck: OnDeck) -> Response:
    return answer(frictions(await deck.learner(id).state()))


@router.get("/players/{id}/triggers", summary="What waits to be said to a learner")
async def learner_triggers(id: Id, _: OwnerOrDelegate, deck: OnDeck) -> Response:
    return answer(triggers(await deck.learner(id).state()))


@router.get("/players/{id}/mastery", summary="A curriculum as a map of how far a learner has come")
async def learner_mastery(
    request: Request,
    id: Id,
    _: OwnerOrDelegate,
    deck: OnDeck,
    curriculum: Annotated[str | None, Query(pattern=ID_PATTERN)] = None,
) -> Response:
    """Without ``curriculum`` the one practised last, else ``primary-maths``."""
    state = await deck.learner(id).state()
    practised = state.practice or {}
    name = curriculum or max(
        practised, key=lambda one: practised[one].last_at, default="primary-maths"
    )
    library = await request.app.state.gateway.shelf.opened("curricula")
    course: Curriculum | None = library.get(name)
    if course is None and name not in practised:
        raise Problem(404, "unknown-curriculum", f"no curriculum {name!r} is known here")
    return answer(mastery(state, course, name, int(time.time() * 1000)))


# --- the fleet ----------------------------------------


@router.get("/fleet", summary="The fleet in figures, how it is braced, its alerts")
async def fleet(request: Request, _: Reader, deck: OnDeck) -> Response:
    status, graph = await asyncio.gather(deck.fleet.status(), deck.fleet.graph(limit=200))
    alerts = watch(request).overview.alerts
    await alerts.open()
    parts = [
        {
            "members": part["members"],
            "vertices": part["vertices"],
            "edges": part["edges"],
            "h1": part["h1"],
            "threshold": part["vertices"] - 2,
            "margin": part["h1"] - (part["vertices"] - 2),
            "rigid": part["dof"] == 0,
            "dof": part["dof"],
            "redundant": part["redundant"],
            "emergence": part["emergence"],
            "over_braced": part["overbraced"],
        }
        for part in graph["components"]
    ]
    emerged = [one for one in alerts.newest() if one["kind"] == "emergence"]
    # The figure of alerts is how many there ever were; here are the newest themselves.
    more = {
        "alerts_total": status.get("alerts", 0),
        "component_count": status.get("components", len(parts)),
        "components": parts,
        "alerts": emerged,
    }
    return answer(status | more)


@router.get("/fleet/agents", summary="Agents, who has most to do first")
async def fleet_agents(
    _: Reader, deck: OnDeck, limit: Limit = 500, cursor: Cursor = None
) -> Response:
    return answer(page(await deck.fleet.agents(), limit, cursor))


@router.get("/fleet/graph", summary="Who worked with whom")
async def fleet_graph(
    _: Reader, deck: OnDeck, limit: Annotated[int, Query(ge=1, le=2000)] = 500
) -> Response:
    return answer(await deck.fleet.graph(limit=limit))


@router.get("/fleet/advice", summary="What the last windows of work show")
async def fleet_advice(_: Reader, deck: OnDeck) -> Response:
    return answer(await deck.fleet.advice())


# --- for operators ----------------------------------------


@router.get("/dead-letters", response_model=Page, summary="What nobody could process")
async def dead_letters(
    request: Request, _: Operator, limit: Limit = 100, cursor: Cursor = None
) -> Response:
    return answer(page(await watch(request).letters.newest(), limit, cursor))


@router.post("/dead-letters/{sequence}/redeliver", summary="Send a letter back where it came from")
async def redeliver(request: Request, sequence: Sequence_, _: Operator) -> Response:
    return answer(await watch(request).letters.redeliver(sequence))


@router.delete("/dead-letters/{sequence}", status_code=204, summary="Throw a letter away")
async def throw_away(request: Request, sequence: Sequence_, _: Operator) -> Response:
    await watch(request).letters.delete(sequence)
    return Response(status_code=204)


@router.get("/projections", summary="The stores beside, and how far they are")
async def projections(request: Request, _: Reader) -> Response:
    return answer({"items": await watch(request).projections()})


@router.post("/projections/{name}/rebuild", status_code=202, summary="Fill a store anew from zero")
async def rebuild(name: Id, _: Operator, deck: OnDeck) -> Response:
    await deck.rebuild_projection(name)
    return answer({"name": name, "status": "rebuilding"}, 202)
