"""Tiles as server-sent events: of one session, or of all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

import structlog
from fastapi import APIRouter, Header, Query, Request
from pydantic_core import to_json
from starlette.responses import Response, StreamingResponse
from starlette.types import Send

from holodeck.broker.port import Record
from holodeck.entrypoints.gateway.access import Reader
from holodeck.entrypoints.gateway.feed import TooSlow
from holodeck.entrypoints.gateway.manners import Problem
from holodeck.entrypoints.gateway.whose import Watching
from holodeck.messages.errors import HolodeckError

log = structlog.get_logger("holodeck.gateway")

router: Final = APIRouter(tags=["events"])

STUCK_S: Final = 30.0
"""Seconds one write to a listener may take before it is given up."""
BEAT_S: Final = 15.0
"""Seconds after which a comment says that the stream is there."""
_STREAM: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "Tiles, without end",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}
LastSeen = Annotated[
    str | None,
    Header(alias="Last-Event-ID", pattern=r"^\d{1,18}$", description="go on behind this tile"),
]
After = Annotated[
    int | None, Query(ge=0, le=2**53, description="as Last-Event-ID; 0: from the first tile on")
]
Token = Annotated[str, Query(pattern=r"^[a-z0-9-]{0,40}$")]


class Events(StreamingResponse):
    """A stream of events whose reader has to read."""

    async def stream_response(self, send: Send) -> None:
        await send(
            {
                "type": "http.response.start",
                "status": self.status_code,
                "headers": self.raw_headers,
            }
        )
        async for chunk in self.body_iterator:
            async with asyncio.timeout(STUCK_S):
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


@router.get(
    "/sessions/{id}/events",
    response_class=StreamingResponse,
    responses=_STREAM,
    summary="A session's tiles as they come",
)
async def of_session(
    request: Request, visit: Watching, last_seen: LastSeen = None, after: After = None
) -> Response:
    return stream(request, last_seen, after, session=visit.id)


@router.get(
    "/events",
    response_class=StreamingResponse,
    responses=_STREAM,
    summary="All tiles as they come",
)
async def of_all(
    request: Request,
    _: Reader,
    family: Token = "",
    event: Token = "",
    last_seen: LastSeen = None,
    after: After = None,
) -> Response:
    return stream(request, last_seen, after, family=family, event=event)


def stream(request: Request, last_seen: str | None, after: int | None, **wanted: str) -> Response:
    """The answer that goes on."""
    behind = int(last_seen) if last_seen is not None else after
    return Events(
        _told(request, behind, wanted),
        media_type="text/event-stream",
        headers={"cache-control": "no-store", "x-accel-buffering": "no"},
    )


async def _told(
    request: Request, after: int | None, wanted: dict[str, str]
) -> AsyncIterator[bytes]:
    gateway = request.app.state.gateway
    gauge = gateway.figures.streams.labels("events")
    gauge.inc()
    try:
        async with gateway.feed.listen(**wanted, after=after, beat_s=BEAT_S) as tiles:
            # Whoever reads this misses nothing of what comes then.
            yield b"retry: 2000\n\n"
            async for records in tiles:
                if records:
                    yield b"".join(map(framed, records))
                    continue
                # A token may end while its stream is open.
                await gateway.access.caller(request)
                yield b": still here\n\n"
    except TooSlow as slow:
        gateway.figures.dropped.inc()
        told = {"code": "too-slow", "detail": "read faster, or go on from last", "last": slow.last}
        yield b"event: dropped\ndata: " + to_json(told) + b"\n\n"
    except Problem as problem:
        yield b"event: ended\ndata: " + to_json(problem.body()) + b"\n\n"
    except HolodeckError as error:
        log.warning("events ended", error=str(error) or error.code)
        told = {"code": error.code, "detail": "the runtime does not answer"}
        yield b"event: ended\ndata: " + to_json(told) + b"\n\n"
    finally:
        gauge.dec()


def framed(record: Record) -> bytes:
    """A tile as an event: its sequence, what happened, and itself in one line."""
    event = record.subject.split(".")[3]
    data = record.data.replace(b"\n", b" ")
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (record.sequence, event.encode(), data)
