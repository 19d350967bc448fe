"""A real HTTP server on loopback that speaks ``chat/completions`` and ``embeddings`` as it is told.

One law: each request gets the next of the acts it was given, and the last one from then on.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it came."""

    path: str
    headers: Mapping[str, str]
    body: dict[str, Any]


class ModelStage:
    """The server; ``async with ModelStage(act, …) as stage``.

    Attributes:
        asked: every request; left: told whenever a stream that was begun came to its end, also
            when the client had gone.
    """

    def __init__(self, *acts: Act) -> None:
        self._acts = deque(acts)
        self.asked: list[Asked] = []
        self.left = asyncio.Event()
        self.over = asyncio.Event()
        self.url = ""

    async def __aenter__(self) -> ModelStage:
        sock = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{sock.getsockname()[1]}/v1"
        app = Starlette(
            routes=[Route(f"/v1/{path}", self._serve, methods=["POST"]) for path in _PATHS]
        )
        config = uvicorn.Config(
            app, log_level="critical", lifespan="off", timeout_graceful_shutdown=1
        )
        self._server = _Server(config)
        self._task = asyncio.create_task(self._server.serve(sockets=[sock]), name="model-stage")
        while not self._server.started:
            await asyncio.sleep(0.002)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.over.set()
        self._server.should_exit = True
        await self._task

    async def _serve(self, request: Request) -> Response:
        self.asked.append(
            Asked(request.url.path, dict(request.headers), json.loads(await request.body()))
        )
        act = self._acts.popleft() if len(self._acts) > 1 else self._acts[0]
        return act(self, self.asked[-1])


_PATHS = ("chat/completions", "embeddings")
Act = Callable[[ModelStage, Asked], Response]


def chunk(text: str | None, finish: str | None = None, usage: int | None = None) -> bytes:
    """One event of a stream."""
    delta = {"role": "assistant"} if text is None else {"content": text}
    told: dict[str, Any] = {
        "id": "c",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }
    if usage is not None:
        told["usage"] = {
            "prompt_tokens": usage - 1, "completion_tokens": 1, "total_tokens": usage
        }  # fmt: skip
    return f"data: {json.dumps(told)}\n\n".encode()


DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer in pieces.

    Attributes:
        stalls: it says no more after them, and stays.
        cuts: the connection breaks after them.
        raw: sent as it is, in place of events.
    """

    pieces: tuple[str, ...] = ()
    finish: str = "stop"
    usage: int | None = None
    stalls: bool = False
    cuts: bool = False
    raw: tuple[bytes, ...] = field(default=())

    def __call__(self, stage: ModelStage, asked: Asked) -> Response:
        return StreamingResponse(self._events(stage), media_type="text/event-stream")

    async def _events(self, stage: ModelStage) -> AsyncIterator[bytes]:
        try:
            for part in self.raw:
                yield part
            if not self.raw:
                yield chunk(None)
            for piece in self.pieces:
                yield chunk(piece)
            if self.stalls:
                await stage.over.wait()
            if self.cuts:
                raise ConnectionAbortedError
            if not self.raw:
                yield chunk("", self.finish, self.usage)
                yield DONE
        finally:
            stage.left.set()


def says(*pieces: str, finish: str = "stop", usage: int | None = None) -> Act:
    return Stream(pieces, finish, usage)


def stalls(*pieces: str) -> Act:
    return Stream(pieces, stalls=True)


def breaks_off(*pieces: str) -> Act:
    return Stream(pieces, cuts=True)


def sends(*raw: bytes) -> Act:
    return Stream(raw=raw)


def refuses(status: int, *, headers: Mapping[str, str] | None = None, message: str = "no") -> Act:
    """An error as these servers give it."""
    body = {"error": {"message": message, "type": "e", "code": None, "param": None}}

    def act(stage: ModelStage, asked: Asked) -> Response:
        return JSONResponse(body, status, dict(headers or {}))

    return act


def embeds(vector: Callable[[str], list[float]]) -> Act:
    """Embeddings, the last text first: an index says which is whose."""

    def act(stage: ModelStage, asked: Asked) -> Response:
        data = [
            {"object": "embedding", "index": at, "embedding": vector(text)}
            for at, text in enumerate(asked.body["input"])
        ]
        return JSONResponse(
            {
                "object": "list",
                "model": "e",
                "data": data[::-1],
                "usage": {"prompt_tokens": 1, "total_tokens": 1},
            }
        )

    return act
