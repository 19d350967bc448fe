"""The door itself, and what those who watch find behind it: metrics and health over HTTP.

One law: it listens on loopback, or it asks for a token; there is no third way.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import ipaddress
import socket
from collections.abc import Callable, Iterator, Mapping
from typing import Final, Protocol

import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from holodeck.actors.metrics import CONTENT_TYPE, Merger
from holodeck.entrypoints.gateway.manners import Problem
from holodeck.messages.errors import HolodeckError, StartupError

log = structlog.get_logger("holodeck.gateway")

_PATIENCE_S: Final = 5.0
MAX_FRAME: Final = 64 * 1024
"""Bytes of a frame that a WebSocket takes."""


class StatusSource(Protocol):
    """Who knows how the runtime is: the supervisor, or whoever runs the hosts."""

    async def metrics(self) -> Mapping[str, bytes]:
        """From host name to what its ``Metrics.dump()`` gave, of every host that answers."""
        ...

    async def ready(self) -> list[str]:
        """What keeps the runtime from serving, one line each; empty when nothing does.

        The supervisor answers, every partition is owned, the broker is connected.
        """
        ...


def app(
    source: StatusSource,
    mounts: Mapping[str, ASGIApp] | None = None,
    more: Callable[[], bytes] | None = None,
) -> Starlette:
    """``/metrics`` (all hosts in one scrape), ``/healthz`` and ``/readyz``.

    Args:
        mounts: further applications by the path they are found below, such as ``/plato``.
        more: this process's own metrics, as text.
    """
    merger = Merger()

    async def metrics(_: Request) -> Response:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                dumps = await source.metrics()
            text = merger.text(dumps)
            if more is not None:
                text += more().decode()
            return Response(text, headers={"content-type": CONTENT_TYPE})
        except (TimeoutError, HolodeckError) as error:
            log.warning("no metrics", error=_words(error))
            return PlainTextResponse(f"no metrics: {_words(error)}\n", 503)

    async def healthz(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def readyz(_: Request) -> Response:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                problems = await source.ready()
        except (TimeoutError, HolodeckError) as error:
            problems = [f"the supervisor does not answer: {_words(error)}"]
        if problems:
            return JSONResponse({"status": "not ready", "problems": problems}, 503)
        return JSONResponse({"status": "ready", "problems": []})

    async def on_http(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        status = error.status_code
        words = {404: "there is nothing at this address", 405: "not with this method"}
        code = {404: "no-such-address", 405: "no-such-method"}.get(status, "http")
        problem = Problem(status, code, words.get(status, error.detail), headers=error.headers)
        return problem.response()

    return Starlette(
        exception_handlers={HTTPException: on_http},
        routes=[
            Route("/metrics", metrics),
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            *(Mount(path, inner) for path, inner in (mounts or {}).items()),
        ],
    )


def _words(error: BaseException) -> str:
    return str(error) or ("no answer in time" if isinstance(error, TimeoutError) else "failed")


class _Bearer:
    """Lets in who has the token; being alive is no secret."""

    def __init__(self, inner: ASGIApp, token: str) -> None:
        self._inner, self._expected = inner, f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] != "/healthz":
            given = next((v for k, v in scope["headers"] if k == b"authorization"), b"")
            if not hmac.compare_digest(given, self._expected):
                refusal = JSONResponse(
                    {"error": "a bearer token is needed"}, 401, {"www-authenticate": "Bearer"}
                )
                await refusal(scope, receive, send)
                return
        await self._inner(scope, receive, send)


class Door:
    """A gateway that is open.

    Attributes:
        host, port: where it listens.
    """

    def __init__(
        self,
        host: str,
        port: int,
        server: uvicorn.Server,
        sock: socket.socket,
        streams: _Streams,
    ) -> None:
        self.host, self.port = host, port
        self._server = server
        self._streams = streams
        self._socket = sock
        self._task = asyncio.create_task(server.serve(sockets=[sock]), name="gateway")

    @property
    def url(self) -> str:
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    async def _ready(self) -> None:
        while not self._server.started:
            if self._task.done():
                self._socket.close()
                self._task.result()
                raise StartupError("the gateway did not start", "see the log for its reason")
            await asyncio.sleep(0.005)

    async def stop(self) -> None:
        """Closes the door; requests being answered get a second."""
        self._streams.over.set()
        self._server.should_exit = True
        await asyncio.gather(self._task, return_exceptions=True)
        self._socket.close()


class _Streams:
    """Ends what would go on for ever, event streams, when the door closes: to the application it
    is as if its listener had gone. Else each would be cut off, with a trace in the log."""

    def __init__(self, inner: ASGIApp) -> None:
        self._inner = inner
        self.over = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET":
            await self._inner(scope, receive, send)
            return
        begun = False  # and not ended

        async def hear() -> Message:
            heard = asyncio.ensure_future(receive())
            over = asyncio.ensure_future(self.over.wait())
            try:
                await asyncio.wait({heard, over}, return_when=asyncio.FIRST_COMPLETED)
                return heard.result() if heard.done() else {"type": "http.disconnect"}
            finally:
                heard.cancel()
                over.cancel()

        async def tell(message: Message) -> None:
            nonlocal begun
            begun = message["type"] == "http.response.start" or message.get("more_body", False)
            await send(message)

        await self._inner(scope, hear, tell)
        if begun:
            await send({"type": "http.response.body", "body": b"", "more_body": False})


class _Server(uvicorn.Server):
    """Leaves the process's signals to whoever runs the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(
    served: ASGIApp,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    token: str = "",
    guarded: bool = False,
    setting: str = "HOLODECK_HTTP_PORT",
) -> Door:
    """Opens the door to an application, in the running event loop.

    Args:
        served: what :func:`app` made.
        host: an address, or a name that resolves to one.
        port: 0 takes a free one; :attr:`Door.port` tells which.
        token: asked for as ``Authorization: Bearer`` on all but ``/healthz``; needed beyond
            loopback, may be asked for on loopback too.
        guarded: the application asks for it by itself.
        setting: what to say when the port is taken.

    Raises:
        StartupError: the port is taken, the address is not this machine's, or there is no token
            for an address beyond loopback.
    """
    address, family = await _resolve(host)
    if not token and not ipaddress.ip_address(address).is_loopback:
        raise StartupError(
            f"the gateway would listen on {host}, which others can reach, without a token",
            "set HOLODECK_HTTP_TOKEN, or listen on 127.0.0.1",
        )
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setblocking(False)
        sock.bind((address, port))
        # Bound is not taken: only listening tells that nobody else listens there.
        sock.listen(128)
    except OSError as error:
        sock.close()
        raise StartupError(
            f"the gateway cannot listen on {host}:{port} ({error.strerror})",
            f"choose another port with {setting} (0 takes a free one)",
        ) from error
    streams = _Streams(_Bearer(served, token) if token and not guarded else served)
    config = uvicorn.Config(
        streams,
        log_config=None,
        log_level="error",
        access_log=False,
        lifespan="off",
        ws="websockets-sansio",
        ws_max_size=MAX_FRAME,
        timeout_graceful_shutdown=1,
        server_header=False,
        proxy_headers=False,  # nobody's word on where a call comes from
    )
    door = Door(address, sock.getsockname()[1], _Server(config), sock, streams)
    await door._ready()
    return door


async def _resolve(host: str) -> tuple[str, socket.AddressFamily]:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise StartupError(
            f"the gateway's address {host!r} is unknown ({error.strerror})",
            "set HOLODECK_HTTP_HOST to 127.0.0.1 or an address of this machine",
        ) from error
    family, _, _, _, address = found[0]
    return str(address[0]), family
