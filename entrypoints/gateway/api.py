"""The REST interface: an application of routers, and what surrounds each call.

One law: before a route is asked, it is settled who may come at all: no foreign web page, not too
often, nothing too large. Who it is that comes, the route's own signature asks.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import re
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import structlog
from fastapi import APIRouter, FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from holodeck.broker.port import Broker, Bucket
from holodeck.broker.streams import Layout
from holodeck.config import is_loopback
from holodeck.deck import Deck
from holodeck.entrypoints.gateway.access import CHECKED_S, KEEP, Access, Caller, Role
from holodeck.entrypoints.gateway.feed import Feed
from holodeck.entrypoints.gateway.manners import (
    MAX_BODY,
    PROBLEM,
    Problem,
    ProblemShape,
    Rate,
    Sent,
    problem_of,
)
from holodeck.entrypoints.gateway.manual import POLICY, manual
from holodeck.entrypoints.gateway.safety import Care
from holodeck.entrypoints.gateway.shelf import Shelf
from holodeck.entrypoints.gateway.v1 import events, live, players, sessions, tasks, tokens, watching
from holodeck.entrypoints.gateway.whose import Sessions
from holodeck.messages.errors import HolodeckError, RefusedError, TransientError
from holodeck.messages.ids import ID_PATTERN
from holodeck.session import Step

log = structlog.get_logger("holodeck.gateway")

_DRAINED: Final = 16 * MAX_BODY


class Figures:
    """What the gateway counts: all in one registry, under ``holodeck_gateway_``."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.calls = Counter(
            "holodeck_gateway_requests",
            "Calls of the REST interface by method, route and status.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self.seconds = Histogram(
            "holodeck_gateway_request_seconds",
            "Time until a call was answered, streams not counted.",
            ("route",),
            buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
            registry=self.registry,
        )
        self.limited = Counter(
            "holodeck_gateway_rate_limited",
            "Calls turned away because there were too many.",
            registry=self.registry,
        )
        self.streams = Gauge(
            "holodeck_gateway_streams",
            "Event streams and WebSockets that are open.",
            ("kind",),
            registry=self.registry,
        )
        self.dropped = Counter(
            "holodeck_gateway_streams_dropped",
            "Event streams that were closed because their reader was too slow.",
            registry=self.registry,
        )
        self._seen: dict[tuple[str, str, int], tuple[Any, Any]] = {}

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Counts a call; ``route`` is the template, so that there are few of them."""
        found = self._seen.get((method, route, status))
        if found is None:
            found = (self.calls.labels(method, route, str(status)), self.seconds.labels(route))
            self._seen[method, route, status] = found
        found[0].inc()
        found[1].observe(seconds)


ROUTERS: Final[tuple[APIRouter, ...]] = (
    tokens.router,
    players.router,
    sessions.router,
    tasks.router,
    events.router,
    live.router,
    watching.router,
)
"""All there is below ``/api/v1``; a module more of routes is one entry more here."""


class Gateway:
    """What the routes stand on.

    Args:
        deck: the connection to the runtime; raises Unavailable while it is starting.
        connect: opens one more connection, with the runtime's rights; asked when first needed.
        key: what tokens are signed with; token: the deployment's own, an operator's.
        required: whether callers have to show a token.
        rate: calls a minute for each caller; 0: any number.
        care: looks at what is refused; shelf: what the hosts know by heart.
        folder: where the list of tokens lies; None: none is kept.

    Attributes:
        looked: who looked at whom lately, and when by the monotonic clock.
    """

    def __init__(
        self,
        deck: Callable[[], Deck],
        connect: Callable[[], Awaitable[Broker]],
        layout: Layout,
        *,
        key: bytes,
        token: str = "",
        required: bool = False,
        rate: int = 0,
        care: Care | None = None,
        shelf: Shelf | None = None,
        folder: Path | None = None,
    ) -> None:
        self.deck, self.layout = deck, layout
        self.care = care or Care(None)
        self.shelf = shelf or Shelf()
        self.feed = Feed(self.runtime, layout)
        self.looked: dict[tuple[str, ...], float] = {}
        self.sessions = Sessions()
        self._delegates: OrderedDict[tuple[str, str], tuple[bool, float]] = OrderedDict()
        self._connect = connect
        self._broker: Broker | None = None
        self._opening = asyncio.Lock()
        self.access = Access(
            ns=layout.ns,
            key=key,
            token=token,
            required=required,
            store=self._tokens,
            folder=folder,
        )
        self.rate = Rate(rate)
        self.figures = Figures()
        self.closing: list[Callable[[], Awaitable[None]]] = []
        """What is to be closed before the connection is."""
        try:
            self.version = version("holodeck-sessions")
        except PackageNotFoundError:  # a checkout that was not installed
            self.version = "0"

    async def runtime(self) -> Broker:
        """A connection with the runtime's rights, one for the process.

        Raises:
            TransientError: the runtime is still starting.
            StartupError: the broker does not answer.
        """
        if self._broker is None:
            async with self._opening:
                if self._broker is None:
                    self._broker = await self._connect()
        return self._broker

    async def _tokens(self) -> Bucket:
        return (await self.runtime()).bucket(self.layout.cluster)

    async def delegated(self, player: str, to: str) -> bool:
        """Whether a player lets somebody see what it sees; asked again after some seconds."""
        found = self._delegates.get((player, to))
        now = time.monotonic()
        if found is not None and now - found[1] < CHECKED_S:
            return found[0]
        try:
            await self.deck().player(player).view("settings", viewer=to)
            may = True
        except RefusedError as error:
            if error.reason not in _NO_DELEGATE:
                raise
            may = False
        self._delegates[player, to] = may, now
        self._delegates.move_to_end((player, to))
        while len(self._delegates) > KEEP:
            self._delegates.popitem(last=False)
        return may

    async def write_down(self, player: str, who: Caller, what: str) -> None:
        """Has a player remember that somebody else looked; once a minute for the same view.

        Raises:
            TransientError: it could not be stored; then nothing may be shown.
        """
        mark = (player, who.subject, who.role, what)
        now = time.monotonic()
        if now - self.looked.get(mark, -_AGAIN_S) < _AGAIN_S:
            return
        role: Literal["delegate", "operator", "reader", "stranger"] = "stranger"
        if who.role is not Role.LEARNER:
            role = "operator" if who.operates else "reader"
        elif await self.delegated(player, who.subject):
            role = "delegate"
        try:
            await self.deck().player(player).record_access(by=who.subject, role=role, what=what)
        except RefusedError as error:
            if error.reason != "unknown-player":  # a learner without a profile has no log
                raise
        self.looked.pop(mark, None)
        self.looked[mark] = now
        while len(self.looked) > KEEP:
            del self.looked[next(iter(self.looked))]

    def with_care(
        self, connection: HTTPConnection, problem: Problem, *, seen: bool = False
    ) -> Response:
        """The answer to a refusal. Where what was sent gives cause for concern it names whom to
        turn to, and the learner is told of it; ``seen``: that was done where it was refused."""
        state = connection.scope.get("state", {})
        finding = self.care.look_into(state.get("body", b""))
        if finding is None:
            return problem.response()
        learner = _learner_of(connection, state.get("caller"))
        if learner is not None and not seen:
            with contextlib.suppress(TransientError):  # it is still starting
                self.care.flag(self.deck(), learner, finding)
        return problem.response(self.care.answering(finding))

    def refusal(self, request: HTTPConnection, error: Exception) -> Response:
        """The answer an error gets."""
        seen = False
        match error:
            case Problem():
                problem = error
            case HolodeckError():
                problem = problem_of(error)
                if problem.status >= 500:
                    words = str(error) or error.code
                    log.warning("not answered", path=request.url.path, error=words)
                # What an actor refused, its host has looked at; what is not there has no host.
                seen = isinstance(error, RefusedError) and problem.status not in (404, 503)
            case RequestValidationError():
                wrong = [
                    {"where": list(one["loc"]), "what": one["msg"], "type": one["type"]}
                    for one in error.errors()[:50]
                ]
                words = "what was sent is not of the form that is asked for"
                problem = Problem(422, "invalid", words, errors=wrong)
            case HTTPException(status_code=status):
                told = {404: "there is nothing at this address", 405: "not with this method"}
                code = {404: "no-such-address", 405: "no-such-method"}.get(status, "http")
                words = told.get(status, str(error.detail))
                problem = Problem(status, code, words, headers=error.headers)
            case _:
                problem = Problem(500, "internal", "something went wrong; the log says what")
        return self.with_care(request, problem, seen=seen)

    def concern(self, step: Step) -> dict[str, Any]:
        """``{safety, resources}`` of a step that was taken."""
        return self.care.concern(step)

    def forget(self, learner: str) -> None:
        """Lets go of what is remembered here of a learner that was erased."""
        self.sessions.forget_of(learner)
        for mark in [mark for mark in self.looked if learner in mark]:
            del self.looked[mark]
        for pair in [pair for pair in self._delegates if learner in pair]:
            del self._delegates[pair]

    def metrics(self) -> bytes:
        """This process's figures as a Prometheus text exposition."""
        return generate_latest(self.figures.registry)

    async def close(self) -> None:
        while self.closing:
            await self.closing.pop()()
        if self._broker is not None:
            await self._broker.close()
            self._broker = None


_AGAIN_S: Final = 60.0
_NO_DELEGATE: Final = frozenset(
    {"access-restricted", "unknown-player", "learner-erased", "unknown-view"}
)


def _learner_of(connection: HTTPConnection, who: Caller | None) -> str | None:
    """Who wrote what was refused, as far as that is known."""
    if who is not None and who.learner is not None:
        return who.learner
    if who is not None and who.local and connection.url.path.startswith("/api/v1/players/"):
        named: str | None = connection.path_params.get("id")
        return named if named is not None and re.fullmatch(ID_PATTERN, named) else None
    return None


def api(gateway: Gateway, routers: Sequence[APIRouter] = ()) -> ASGIApp:
    """The REST interface as an application, to be mounted at ``/api/v1``.

    Args:
        routers: more of it.
    """
    made = FastAPI(
        title="Holodeck",
        version=gateway.version,
        docs_url=None,
        redoc_url=None,
    )
    made.state.gateway = gateway
    every = (*ROUTERS, *routers)
    for router in every:
        # Taken over as they are: included, each would be built once more at the first call, all
        # of them together for half a second.
        made.router.routes.extend(router.routes)
    made.openapi = lambda: document(made, every)  # type: ignore[method-assign]
    page: list[str] = []

    async def docs(_: Request) -> Response:
        if not page:
            page.append(manual(document(made, every)))
        return HTMLResponse(page[0], headers={"content-security-policy": POLICY})

    made.add_route("/docs", docs, include_in_schema=False)

    async def on_refusal(request: Request, error: Exception) -> Response:
        return gateway.refusal(request, error)

    for kind in (Problem, HolodeckError, RequestValidationError, HTTPException, Exception):
        made.add_exception_handler(kind, on_refusal)
    for router in every:
        for route in router.routes:
            for need in _needs(route.dependant) if isinstance(route, APIRoute) else ():
                if isinstance(need, Sent):
                    need.model.model_rebuild()  # now, and not while the first caller waits
    return _Surroundings(made, gateway)


_ABOUT: Final = """Sessions, players and all that runs, over HTTP. Errors are problem+json with a
stable word in `code`; `Idempotency-Key` makes a repeat harmless; lists have `limit` and `cursor`;
what has a version has an `ETag`; times are ISO 8601 UTC. See docs/http.md."""


def document(made: FastAPI, routers: Sequence[APIRouter]) -> dict[str, Any]:
    """The OpenAPI document: FastAPI's, with the bodies that routes read themselves, how callers
    show who they are, and what errors look like."""
    if made.openapi_schema is not None:
        return made.openapi_schema
    told = get_openapi(
        title=made.title,
        version=made.version,
        description=_ABOUT,
        routes=made.routes,
        servers=[{"url": "/api/v1"}],
    )
    parts = told.setdefault("components", {})
    shapes = parts.setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        shapes.pop(name, None)
    parts["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
    told["security"] = [{"bearer": []}, {}]
    wrong = {
        "description": "What is wrong",
        "content": {PROBLEM: {"schema": _shape(ProblemShape, shapes)}},
    }
    for route in _routes(routers):
        for method in route.methods or ():
            spoken = told["paths"].get(route.path_format, {}).get(method.lower())
            if spoken is None:
                continue
            spoken["responses"].pop("422", None)
            spoken["responses"] |= {"4XX": wrong, "5XX": wrong}
            for need in _needs(route.dependant):
                if isinstance(need, Sent):
                    schema = _shape(need.model, shapes)
                    spoken["requestBody"] = {
                        "required": not need.optional,
                        "content": {"application/json": {"schema": schema}},
                    }
    made.openapi_schema = told
    return told


def _shape(model: type[BaseModel], shapes: dict[str, Any]) -> dict[str, Any]:
    """A reference to the model's schema, which is put beside the others."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    for name, inner in schema.pop("$defs", {}).items():
        shapes.setdefault(name, inner)
    shapes.setdefault(model.__name__, schema)
    return {"$ref": f"#/components/schemas/{model.__name__}"}


def _routes(routers: Iterable[APIRouter]) -> Iterator[APIRoute]:
    for router in routers:
        for route in router.routes:
            if isinstance(route, APIRoute):
                yield route


def _needs(dependant: Dependant) -> Iterator[Any]:
    yield dependant.call
    for inner in dependant.dependencies:
        yield from _needs(inner)


class _Surroundings:
    """What is around every call: who may come at all, how much, how often; figures."""

    def __init__(self, inner: FastAPI, gateway: Gateway) -> None:
        self._inner, self._gateway = inner, gateway

    async def _quickly(
        self, scope: Scope, receive: Receive, route: str, call: sessions.Quick, identity: str
    ) -> Response:
        """The answer of a route that is called most, without the framework's own way there, which
        takes several times as long as the rest."""
        request = Request(scope, receive)
        scope["state"]["route"] = route
        try:
            return await call(request, identity)
        except Exception as error:
            if not isinstance(error, Problem | HolodeckError):
                log.exception("a call failed", path=scope["path"])
            return self._gateway.refusal(request, error)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._inner(scope, receive, send)
            return
        gateway, connection = self._gateway, HTTPConnection(scope)
        state: dict[str, Any] = scope.setdefault("state", {})
        told: list[tuple[bytes, bytes]] = list(_ALWAYS)
        started, began = False, time.perf_counter()

        async def telling(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                found = state.get("route") or getattr(scope.get("route"), "path_format", None)
                route = str(found or "other")
                took = time.perf_counter() - began
                gateway.figures.answered(_method(scope), route, message["status"], took)
                message["headers"] = [*message["headers"], *told]
            await send(message)

        async def refuse(problem: Problem) -> None:
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008, "reason": problem.code})
                return
            state.setdefault("caller", gateway.access.peek(connection))
            await gateway.with_care(connection, problem)(scope, receive, telling)

        strange = _stranger(connection, gateway.access.required)
        if strange is not None:
            await refuse(strange)
            return
        rate = gateway.rate
        if rate.limit:
            allowed, left, ends = rate.take(gateway.access.known(connection) or _address(scope))
            told += [
                (b"x-ratelimit-limit", str(rate.limit).encode()),
                (b"x-ratelimit-remaining", str(left).encode()),
                (b"x-ratelimit-reset", str(ends).encode()),
            ]
            if not allowed:
                gateway.figures.limited.inc()
                if scope["type"] == "http" and scope["method"] in ("POST", "PUT", "PATCH"):
                    state["body"], _ = await _body(receive)
                words = f"at most {rate.limit} calls a minute; ask again in {ends} s"
                late = {"retry-after": str(ends)}
                await refuse(Problem(429, "too-many-requests", words, headers=late))
                return
        if scope["type"] == "http" and scope["method"] not in ("GET", "HEAD", "OPTIONS"):
            body, size = await _body(receive)
            state["body"] = body
            if size > MAX_BODY:
                words = f"{size} bytes or more; at most {MAX_BODY} are taken"
                await refuse(Problem(413, "too-large", words))
                return
            receive = _again(body, receive)
        try:
            quick = _quick(scope)
            if quick is not None:
                scope["app"] = self._inner
                await (await self._quickly(scope, receive, *quick))(scope, receive, telling)
            else:
                await self._inner(scope, receive, telling)
        except Exception:
            # The application has answered already, and said it again for whoever logs.
            log.exception("a call failed", path=scope["path"])
            if not started:
                await refuse(Problem(500, "internal", "something went wrong; the log says what"))


def _quick(scope: Scope) -> tuple[str, sessions.Quick, str] | None:
    """What is called most, its route and the session; found without looking through all routes."""
    if scope["type"] != "http" or scope["method"] != "POST":
        return None
    path: str = scope["path"].removeprefix(scope.get("root_path", ""))
    parts = path.split("/")
    if len(parts) == 4 and parts[1] == "sessions":
        route = f"/sessions/{{id}}/{parts[3]}"
    elif len(parts) == 2:
        route = path
    else:
        return None
    call = sessions.QUICK.get(route)
    return None if call is None else (route, call, parts[2] if len(parts) == 4 else "")


_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})
_ALWAYS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)


def _stranger(connection: HTTPConnection, required: bool) -> Problem | None:
    """What keeps a web page of elsewhere out: browsers name their page's origin, and a name that
    was turned to this machine is in Host. Where tokens are required no foreign page has one."""
    host = connection.headers.get("host", "")
    if not required and not is_loopback(urlsplit(f"//{host}").hostname or ""):
        return Problem(403, "foreign-host", "this door answers to names of this machine alone")
    origin = connection.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
        return Problem(403, "foreign-page", "this door is not for pages of elsewhere")
    return None


def _method(scope: Scope) -> str:
    method = str(scope["method"])
    return method if method in _METHODS else "other"


def _address(scope: Scope) -> str:
    """Whose calls are counted together where no token is known: an address, or the network of 64
    bits that one customer has."""
    client = scope.get("client")
    if client is None:
        return "-"
    try:
        address = ipaddress.ip_address(client[0])
    except ValueError:
        return str(client[0])[:64]
    if address.version == 6:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


async def _body(receive: Receive) -> tuple[bytes, int]:
    """The body (of one that is too large the beginning) and its size. Of one that is too large
    some is read in vain, so that its sender comes to hear of it."""
    size, parts = 0, []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            break
        part = message.get("body", b"")
        size += len(part)
        if size - len(part) < MAX_BODY:
            parts.append(part)
        if not message.get("more_body", False) or size > _DRAINED:
            break
    return b"".join(parts)[:MAX_BODY], size


def _again(body: bytes, receive: Receive) -> Receive:
    """Hands out the body once more, then whatever comes."""
    handed = False

    async def again() -> Message:
        nonlocal handed
        if handed:
            return await receive()
        handed = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
