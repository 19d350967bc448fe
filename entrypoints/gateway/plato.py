"""PLATO rooms over HTTP, as the published clients expect them.

One law: what the clients disagree about is settled here and only here; which tiles there are and
what may become one is :mod:`~holodeck.entrypoints.gateway.rooms`' and
:mod:`~holodeck.entrypoints.gateway.gate`'s business.

Success is exactly 200. Room names may hold slashes, raw or as ``%2F``.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from functools import cache
from importlib import metadata
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from holodeck.entrypoints.gateway.asking import answer, asked, door, number, refused, whole
from holodeck.entrypoints.gateway.gate import Submission, admit, iso, room_name
from holodeck.entrypoints.gateway.rooms import Accepted, Room, Rooms, Wanted
from holodeck.messages.errors import ContractError, HolodeckError, RefusedError

MAX_BATCH: Final = 1000
"""Tiles of one batch."""
PAGE: Final = 1000
"""Tiles of one answer unless ``limit`` says otherwise; at most ten times as many."""
_READ: Final = ("tiles", "history")
_PUT: Final = ("submit", "tile", "tiles")
_SERVICE: Final = "holodeck-rooms"


def plato_app(rooms: Rooms) -> Starlette:
    """The rooms as an application; mounted at ``/plato``, or at the root of a port of its own."""
    return door(_Plato(rooms).routes())


class _Plato:
    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    def routes(self) -> list[Route]:
        get, post = ["GET"], ["POST"]
        table: list[tuple[str, Callable[[Request], Coroutine[Any, Any, Response]], list[str]]] = [
            ("/", self.root, get),
            ("/health", self.health, get),
            ("/status", self.status, get),
            ("/stats", self.stats, get),
            ("/rooms", self.rooms, get),
            ("/rooms/", self.rooms, get),
            ("/room/{name:path}", self.room, get),
            ("/rooms/{name:path}", self.room, get),
            ("/tiles/recent", self.recent, get),
            ("/search", self.search, get),
            ("/query", self.query, ["GET", "POST"]),
            ("/verify/{digest}", self.verify, get),
            ("/export/plato-tile-spec", self.export, get),
            ("/submit", self.submit, post),
            ("/gate", self.submit, post),
            ("/room/{name:path}", self.submit_here, post),
            ("/rooms/{name:path}", self.submit_here, post),
            ("/submit_batch", self.batch, post),
            ("/retract", self.retract, post),
            ("/supersede", self.supersede, post),
            ("/armor", self.nothing, get),
            ("/keys", self.nothing, get),
            ("/agents", self.nothing, get),
            ("/sync/status", self.sync, get),
            ("/sync/toggle", self.sync, post),
            ("/spawn", self.unsupported, post),
            ("/agent/{name}/chat", self.unsupported, post),
            ("/agent/{name}/submit", self.submit, post),
        ]
        return [Route(path, endpoint, methods=methods) for path, endpoint, methods in table]

    # --- what there is ----------------------------------------------------------------------------

    async def root(self, _: Request) -> Response:
        index = await self._rooms.index()
        return answer(
            {
                "service": _SERVICE,
                "status": "ok",
                "version": _version(),
                "tiles": index.total,
                "rooms": len(index.rooms),
            }
        )

    async def health(self, _: Request) -> Response:
        index = await self._rooms.index()
        return answer(
            {
                "status": "ok",
                "rooms": len(index.rooms),
                "tiles": index.total,
                "uptime_s": round(self._rooms.uptime_s, 3),
            }
        )

    async def status(self, _: Request) -> Response:
        index = await self._rooms.index()
        refusals = self._rooms.refused
        return answer(
            {
                "status": "ok",
                "version": _version(),
                "total_tiles": index.total,
                "room_count": len(index.rooms),
                "uptime_seconds": round(self._rooms.uptime_s, 3),
                "rooms": {name: {"tile_count": room.total} for name, room in index.rooms.items()},
                "gate_stats": {
                    "accepted": self._rooms.accepted,
                    "rejected": refusals.total(),
                    "reasons": dict(refusals),
                },
                "counting": self._rooms.counting,
            }
        )

    async def stats(self, _: Request) -> Response:
        index = await self._rooms.index()
        return answer(
            {
                "total_tiles": index.total,
                "total_rooms": len(index.rooms),
                "tiles": index.total,
                "rooms": len(index.rooms),
                "agents": list(index.sources),
                "domains": list(index.rooms),
            }
        )

    async def rooms(self, request: Request) -> Response:
        """By default an object by name; the other forms are asked for, or known by their client."""
        index = await self._rooms.index()
        query = request.query_params
        form = query.get("format", "")
        agent = request.headers.get("user-agent", "")
        prefix = query.get("prefix", "")
        found = [room for room in index.rooms.values() if room.name.startswith(prefix)]
        if form == "objects":
            return answer(
                {
                    "rooms": [{"id": room.name, "room": room.name} | _size(room) for room in found],
                    "total": len(found),
                }
            )
        if form == "list" or (not form and ("prefix" in query or agent.startswith("python-httpx"))):
            return answer({"rooms": [room.name for room in found]})
        if form not in ("", "object"):
            raise ContractError(f"format is object, list or objects, not {form[:40]!r}")
        return answer({room.name: _size(room) for room in found})

    async def room(self, request: Request) -> Response:
        index = await self._rooms.index()
        name = room_name(request.path_params["name"])
        if name not in index.rooms:
            name = _without(name, _READ) or name
        wanted = Wanted(room=name, since=number(request, "since", 0, 0, 1 << 62), active=False)
        tiles = await self._rooms.newest(wanted, limit=_limit(request))
        tiles.reverse()
        room = index.rooms.get(name)
        return answer(
            {
                "status": "ok",
                "room": name,
                "room_id": name,
                "tile_count": room.total if room is not None else 0,
                "tiles": tiles,
            }
        )

    async def recent(self, request: Request) -> Response:
        tiles = await self._rooms.newest(Wanted(), limit=_limit(request, 50))
        return answer({"tiles": tiles, "count": len(tiles)})

    async def search(self, request: Request) -> Response:
        text = request.query_params.get("q", "")
        wanted = Wanted(room=request.query_params.get("room", ""), words=_words(text))
        found = await self._rooms.newest(wanted, limit=_limit(request, 50)) if text.strip() else []
        return answer({"query": text, "results": found, "count": len(found)})

    async def query(self, request: Request) -> Response:
        given: Mapping[str, Any] = request.query_params
        bounds = given
        if request.method == "POST":
            bounds = await asked(request)
            given = bounds.get("where") or bounds
            if not isinstance(given, dict):
                raise ContractError("where is an object")
        texts = {key: given.get(key) or "" for key in ("room", "q", "domain", "agent", "source")}
        for key, value in texts.items():
            if not isinstance(value, str):
                raise ContractError(f"{key} is a text")
        limit = whole(bounds.get("limit"), "limit", 50, 0, 10 * PAGE)
        offset = whole(bounds.get("offset"), "offset", 0, 0, 1 << 31)
        wanted = Wanted(
            room=texts["room"],
            domain=texts["domain"],
            source=texts["agent"] or texts["source"],
            words=_words(texts["q"]),
        )
        tiles, total = await self._rooms.page(wanted, limit=limit, offset=offset)
        return answer(
            {"results": tiles, "tiles": tiles, "total": total, "limit": limit, "offset": offset}
        )

    async def verify(self, request: Request) -> Response:
        digest = request.path_params["digest"]
        return answer({"tile_hash": digest, "verified": await self._rooms.has(digest)})

    async def export(self, request: Request) -> Response:
        offset = number(request, "offset", 0, 0, 1 << 31)
        tiles = await self._rooms.newest(Wanted(), limit=_limit(request), offset=offset)
        return answer({"tile_count": len(tiles), "tiles": tiles, "format": "plato-tile-spec"})

    # --- putting something in ---------------------------------------------------------------------

    async def submit(self, request: Request) -> Response:
        given = await asked(request)
        return answer(_told(await self._put(given)))

    async def submit_here(self, request: Request) -> Response:
        place = _without(room_name(request.path_params["name"]), _PUT)
        if place is None:
            raise RefusedError("no-such-address", "tiles go to /room/NAME/submit")
        return answer(_told(await self._put(await asked(request), place)))

    async def batch(self, request: Request) -> Response:
        """Always 200: what became of each tile stands in ``details``, in their order."""
        tiles = (await asked(request)).get("tiles")
        if not isinstance(tiles, list) or len(tiles) > MAX_BATCH:
            raise ContractError(f"tiles is a list of at most {MAX_BATCH}")
        details: list[dict[str, Any]] = []
        for given in tiles:
            try:
                if not isinstance(given, dict):
                    raise ContractError("a tile is an object")
                details.append(_told(await self._put(given)))
            except HolodeckError as error:
                words = error.detail if isinstance(error, RefusedError) else str(error)
                details.append(
                    {"status": "rejected", "reason": words, "error": words, "code": error.code}
                )
        accepted = sum(detail["status"] == "accepted" for detail in details)
        return answer(
            {"accepted": accepted, "rejected": len(details) - accepted, "details": details}
        )

    async def retract(self, request: Request) -> Response:
        given = await asked(request)
        digest = _text(given, "tile_hash")
        reason = given.get("reason") or ""
        done = await self._rooms.retract(
            room_name(given.get("room") or given.get("room_id")), digest, str(reason)[:1000]
        )
        return answer(
            {"status": "retracted", "tile_hash": digest, "room": done.room, "lamport": done.lamport}
        )

    async def supersede(self, request: Request) -> Response:
        given = await asked(request)
        tile, old = given.get("new_tile"), _text(given, "old_hash")
        if not isinstance(tile, dict):
            raise ContractError("new_tile is an object")
        name = room_name(given.get("room") or given.get("room_id") or tile.get("room"))
        done = await self._rooms.supersede(name, old, self._admitted(tile, name))
        return answer(
            _told(done) | {"status": "superseded", "old_hash": old, "new_hash": done.hash}
        )

    async def _put(self, given: Mapping[str, Any], place: str | None = None) -> Accepted:
        try:
            return await self._rooms.submit(self._admitted(given, place))
        except RefusedError as error:
            if error.reason == "duplicate":
                self._rooms.refused[error.reason] += 1
            raise

    def _admitted(self, given: Mapping[str, Any], place: str | None) -> Submission:
        try:
            return admit(given, place)
        except (RefusedError, ContractError) as error:
            reason = error.reason if isinstance(error, RefusedError) else error.code
            self._rooms.refused[reason] += 1
            raise

    # --- what is not here -------------------------------------------------------------------------

    async def nothing(self, _: Request) -> Response:
        """Armor, keys, agents: there are none, and clients take that for an answer."""
        return answer({})

    async def sync(self, _: Request) -> Response:
        return answer({"enabled": False, "status": "disabled", "peers": []})

    async def unsupported(self, _: Request) -> Response:
        return refused(RefusedError("unsupported", "agents are not run here; start a session"))


@cache
def _version() -> str:
    return metadata.version("holodeck-sessions")


def _told(stored: Accepted) -> dict[str, Any]:
    return {
        "status": "accepted",
        "room": stored.room,
        "room_id": stored.room,
        "tile_hash": stored.hash,
        "tile_id": stored.hash,
        "id": stored.hash,
        "lamport": stored.lamport,
        "room_tile_count": stored.total,
    }


def _size(room: Room) -> dict[str, Any]:
    return {"tile_count": room.total, "created": iso(room.since)}


def _limit(request: Request, default: int = PAGE) -> int:
    return number(request, "limit", default, 0, 10 * PAGE)


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.lower().split())


def _text(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name)
    if not isinstance(value, str) or not value:
        raise ContractError(f"{name} is missing, or no text")
    return value


def _without(name: str, suffixes: tuple[str, ...]) -> str | None:
    """A room's name without one of the suffixes; None if it has none."""
    front, slash, last = name.rpartition("/")
    return front if slash and last in suffixes else None
