"""A small HTTP server that does to tiles what it is told to.

In a test: :class:`Plato`, whose ``answer`` may be replaced at any time. As a process of its own
(``python -m tests.tiles.plato_stub``), it gets orders as lines of JSON on stdin: for
``{"mode": …}`` it answers so from then on and says where it is, for anything else it tells what it
took. It ends with its stdin.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, Final, NamedTuple, Self


@dataclass(frozen=True)
class Reply:
    """What a request is answered.

    Attributes:
        body: text as it is, anything else as JSON.
        takes: whether the tile counts as taken.
    """

    status: int
    body: Any = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    takes: bool = False


class Hang:
    """The request is read and never answered."""


class Drip:
    """The answer comes byte by byte and has no end."""


class Drop:
    """The connection is closed without an answer."""


Fate = Reply | Hang | Drip | Drop
Answer = Callable[[dict[str, Any]], Fate]

TAKEN: Final = Reply(200, {"status": "accepted", "room": "r", "tile_hash": "0" * 16}, takes=True)


def refused(reason: str, status: int = 403) -> Reply:
    return Reply(status, {"status": "rejected", "reason": reason, "gate": "P0"})


def busy(status: int, after: str) -> Reply:
    return Reply(status, {"error": "later"}, {"Retry-After": after})


def http_date(seconds: float) -> str:
    """The time so many seconds from now, as HTTP writes it (whole seconds, rounded down)."""
    return formatdate(time.time() + seconds, usegmt=True)


class Seen(NamedTuple):
    """One request.

    Attributes:
        at: when it was here as a whole, seconds of a monotonic clock.
        taken: whether the answer said so.
    """

    at: float
    tile: dict[str, Any]
    headers: Mapping[str, str]
    path: str
    taken: bool


class Plato:
    """The server; ``async with`` it.

    Attributes:
        seen: every request, in the order they were here.
        most: how many requests waited for an answer at once, at most.
        overtaken: ids of tiles that came while another of their session waited for an answer.
    """

    def __init__(
        self, answer: Answer = lambda tile: TAKEN, delay_s: float = 0.0, port: int = 0
    ) -> None:
        self.answer = answer
        self.delay_s = delay_s
        self.port = port
        self.seen: list[Seen] = []
        self.connections = 0
        self.most = 0
        self.overtaken: list[str] = []
        self._waiting: list[str] = []
        self._open: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def taken(self) -> list[dict[str, Any]]:
        return [one.tile for one in self.seen if one.taken]

    def ids(self, session: str | None = None) -> list[str]:
        """Of the tiles taken, in the order they came; of one session or all."""
        found = [tile["id"] for tile in self.taken]
        return [i for i in found if session is None or i.partition(".")[0] == session]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        self.connections += 1
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
                while await self._one(reader, writer):
                    pass
        finally:
            self._open.discard(task)
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request; whether the connection stays."""
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines[1:] if line)
        }
        tile = json.loads(await reader.readexactly(int(headers["content-length"])))
        session = tile["id"].partition(".")[0]
        if session in self._waiting:
            self.overtaken.append(tile["id"])
        self._waiting.append(session)
        self.most = max(self.most, len(self._waiting))
        try:
            if self.delay_s:
                await asyncio.sleep(self.delay_s)
            fate = self.answer(tile)
            takes = isinstance(fate, Reply) and fate.takes
            path = lines[0].split(" ")[1]
            self.seen.append(Seen(time.monotonic(), tile, headers, path, takes))
        finally:
            self._waiting.remove(session)
        if isinstance(fate, Hang):
            await reader.read()  # until the client has had enough
        if isinstance(fate, Drip):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
            while not reader.at_eof():
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.02)
        if not isinstance(fate, Reply):
            return False
        body = (fate.body if isinstance(fate.body, str) else json.dumps(fate.body)).encode()
        head = [f"HTTP/1.1 {fate.status} {HTTPStatus(fate.status).phrase}"]
        head += [f"{name}: {value}" for name, value in fate.headers.items()]
        head += [f"Content-Length: {len(body)}", "", ""]
        writer.write("\r\n".join(head).encode() + body)
        await writer.drain()
        return True


MODES: Final[Mapping[str, Fate]] = {
    "takes": TAKEN,
    "hangs": Hang(),
    "breaks": Reply(500, {"error": "broken"}),
    "refuses": refused("Absolute claim detected"),
}


def _say(**content: Any) -> None:
    sys.stdout.write(json.dumps(content) + "\n")
    sys.stdout.flush()


async def _main() -> None:
    stdin = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin
    )
    async with Plato() as plato:
        while line := await stdin.readline():
            order = json.loads(line)
            if "mode" in order:
                fate = MODES[order["mode"]]
                plato.answer = lambda tile, fate=fate: fate  # type: ignore[misc]
                _say(url=plato.url)
            else:
                _say(
                    told={
                        "ids": plato.ids(),
                        "requests": len(plato.seen),
                        "overtaken": len(plato.overtaken),
                    }
                )


if __name__ == "__main__":
    asyncio.run(_main())
