"""What the HTTP doors have in common: reading what was asked, answering, refusing.

One law: every refusal is JSON and says why in both ``reason`` and ``error``, because published
clients read the one or the other.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import structlog
from pydantic_core import from_json, to_json
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from holodeck.config import is_loopback
from holodeck.messages.errors import ContractError, HolodeckError, RefusedError, TooLarge

log = structlog.get_logger("holodeck.gateway")

MAX_BODY: Final = 1024 * 1024
"""Bytes of a body that are taken."""
_DRAINED: Final = 16 * MAX_BODY
"""Bytes of a body that are read only so that its sender comes to hear the refusal."""
_STATUS: Final = {"unknown-tile": 404, "not-active": 409, "unsupported": 501}
"""HTTP status of a refusal by its reason; of all others 403 or what the door says."""


def answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """``value`` as JSON."""
    return Response(
        to_json(value, inf_nan_mode="null"),
        status,
        headers,
        media_type="application/json",
    )


def refusal(status: int, words: str, **more: Any) -> Response:
    """A refusal in words."""
    return answer({"status": "rejected", "reason": words, "error": words} | more, status)


def refused(error: HolodeckError, status: int = 403) -> Response:
    """The answer an error gets; ``status``: of a refusal that has none of its own."""
    words = " ".join(str(error).split()) or error.code
    match error:
        case RefusedError():
            words = error.detail or error.reason
            return refusal(_STATUS.get(error.reason, status), words, code=error.reason)
        case TooLarge():
            return refusal(413, words, code=error.code)
        case ContractError():
            return refusal(400, words, code=error.code)
        case _:
            response = refusal(503, words, code=error.code)
            response.headers["retry-after"] = "1"
            return response


async def asked(request: Request) -> dict[str, Any]:
    """The JSON object a request brings.

    Raises:
        TooLarge: it is above 1 MiB.
        ContractError: it is no JSON, or no object.
    """
    size, parts = 0, []
    async for part in request.stream():
        size += len(part)
        if size <= MAX_BODY:
            parts.append(part)
        elif size > _DRAINED:
            break
    if size > MAX_BODY:
        raise TooLarge(size, MAX_BODY)
    try:
        value = json.loads(b"".join(parts), parse_constant=_no_number)
        # What could not be written and read again: halves of characters, numbers that overflow,
        # objects in objects in objects. Four levels are for what a tile is served in.
        from_json(to_json([[[[value]]]]), allow_inf_nan=False)
    except (ValueError, RecursionError) as error:
        raise ContractError(f"the body is no JSON: {error}") from error
    if not isinstance(value, dict):
        raise ContractError("the body is a JSON object, and nothing else")
    return value


def number(request: Request, name: str, default: int, least: int, most: int) -> int:
    """A whole number of the query; beyond its bounds the nearest within.

    Raises:
        ContractError: it is no whole number.
    """
    return whole(request.query_params.get(name), name, default, least, most)


def whole(given: Any, name: str, default: int, least: int, most: int) -> int:
    """A whole number out of what was given as number or text; beyond its bounds the nearest.

    Raises:
        ContractError: it is no whole number.
    """
    if given is None or given == "":
        return default
    try:
        value = int(given) if isinstance(given, str | int) else int(str(given))
    except ValueError as error:
        raise ContractError(f"{name} is a whole number, not {str(given)[:40]!r}") from error
    return min(max(value, least), most)


def door(routes: Iterable[BaseRoute], refusals: int = 403) -> Starlette:
    """An application that answers errors as :func:`refused` does.

    Args:
        refusals: HTTP status of refusals that have none of their own.
    """

    async def on_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HolodeckError)
        if not isinstance(error, ContractError | RefusedError):
            log.warning("not answered", path=request.url.path, error=str(error) or error.code)
        return refused(error, refusals)

    async def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        words = {404: "there is nothing at this address", 405: "not with this method"}
        response = refusal(error.status_code, words.get(error.status_code, error.detail))
        response.headers.update(error.headers or {})
        return response

    return Starlette(
        routes=list(routes),
        middleware=[Middleware(_NoStrangers)],
        exception_handlers={HolodeckError: on_error, HTTPException: on_http},
    )


class _NoStrangers:
    """Turns away what a web page of elsewhere has the user's browser send: loopback alone does
    not keep that out, and there is no cross-origin sharing here."""

    def __init__(self, inner: ASGIApp) -> None:
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            origin = next((v for k, v in scope["headers"] if k == b"origin"), b"")
            if origin and not is_loopback(urlsplit(origin.decode("latin-1")).hostname or ""):
                await refusal(403, "this door is not for web pages")(scope, receive, send)
                return
        await self._inner(scope, receive, send)


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number in JSON")
