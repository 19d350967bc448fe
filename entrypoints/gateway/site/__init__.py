"""The dashboard: pages that any browser shows, served as they lie here.

One law: nothing is fetched from elsewhere and nothing runs that does not lie here as a file: the
Content-Security-Policy says so to the browser, and no page has a script or a style of its own.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

FOLDER: Final = Path(__file__).resolve().parent
POLICY: Final = (
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
HEADERS: Final = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    # Asked for again each time, and answered by 304: an upgrade shows at the next look.
    "cache-control": "no-cache",
}
_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


def files() -> dict[str, Path]:
    """Every file by the path it is served at."""
    found = {
        "/assets/" + path.relative_to(FOLDER / "assets").as_posix(): path
        for path in sorted((FOLDER / "assets").rglob("*"))
        if path.suffix in _TYPES
    }
    pages = dict.fromkeys(("/", "/index.html"), FOLDER / "index.html")
    # What browsers ask for on pages of others behind this door.
    return {**pages, "/favicon.ico": FOLDER / "assets" / "icon.svg", **found}


def site() -> Starlette:
    """The dashboard as an application, to be mounted at ``/`` behind everything else."""
    known = files()
    held: dict[str, tuple[bytes, str, float]] = {}

    def content(path: str) -> tuple[bytes, str]:
        file = known[path]
        changed = file.stat().st_mtime
        found = held.get(path)
        if found is None or found[2] != changed:
            data = file.read_bytes()
            tag = f'"{hashlib.sha256(data).hexdigest()[:20]}"'
            found = held[path] = data, tag, changed
        return found[0], found[1]

    async def serve(request: Request) -> Response:
        path = "/" + request.path_params["path"]
        if path not in known:
            return PlainTextResponse("there is nothing at this address\n", 404, HEADERS)
        data, tag = content(path)
        headers = {**HEADERS, "etag": tag}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(data, headers=headers | {"content-type": _TYPES[known[path].suffix]})

    return Starlette(routes=[Route("/{path:path}", serve, methods=["GET", "HEAD"])])
