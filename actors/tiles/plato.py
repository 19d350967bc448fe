"""Tiles to a PLATO server, over HTTP.

One law: of each session one tile at a time is on its way, and the next one goes only when the
server has answered for it: taken, taken before, or refused for good, and then it lies in DEAD with
the server's words. What the server did not answer for waits in TILES.

A batch is safe when every tile of it is answered for. A session whose tile fails is tried again
with growing pauses while the others of the batch go on. When the server fails several times in a
row and takes nothing in between, it is taken to be down as a whole: the batch is given up, comes
again later, and one tile at a time is tried until one is answered for. What was answered for
before that is remembered, so that only a new process sends it twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import ssl
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from email.utils import parsedate_to_datetime
from enum import Enum, auto
from typing import Any, Final, NamedTuple

import httpx
import structlog
from pydantic import SecretStr
from pydantic_core import from_json, to_json

from holodeck.actors.session.faults import fault
from holodeck.actors.tiles.recent import StoredTile
from holodeck.actors.tiles.sinks import Desk, SinkDown, Taken
from holodeck.actors.tiles.tile import ROOM
from holodeck.broker.port import Record
from holodeck.messages.errors import StartupError

QUIET: Final = "quiet"
"""Key of a tile that is for the stream only: its session asked for silence."""
DOWN_AFTER: Final = 8
"""So many attempts fail in a row, over all sessions, until the server is taken to be down."""

_FIRST_WAIT_S: Final = 0.1
_MAX_WAIT_S: Final = 10.0
_SHORT_S: Final = 0.05
"""A pause that need not be broken off."""
_STRIKES: Final = 3
_MAX_ANSWER: Final = 64 * 1024
_MAX_WORDS: Final = 500
_OVERLOADED: Final = frozenset({408, 425, 429})
_NOT_THE_TILE: Final = frozenset({401, 404, 405, 407})
"""Refusals of whoever asks or of the address, which no other tile would escape."""
_DUPLICATE_BY: Final = frozenset({403, 409, 422})
_REFUSING: Final = frozenset({"rejected", "refused", "error", "failed", "denied", "invalid"})

log = structlog.get_logger("holodeck.tiles")


class _Fate(Enum):
    """What an attempt to hand a tile over came to."""

    TAKEN = auto()
    REFUSED = auto()
    MISSED = auto()


class _Answer(NamedTuple):
    """
    Attributes:
        words: the server's, or what kept it from answering.
        wait_s: for how long the server asked to be left alone, seconds; None: it did not.
    """

    fate: _Fate
    words: str = ""
    wait_s: float | None = None


class _Refusal(NamedTuple):
    """Why a tile goes to DEAD: a token and the words."""

    reason: str
    words: str


class _Trouble(NamedTuple):
    """A tile that fails: how often, since when, and how often the server took another meanwhile."""

    times: int
    since: float
    strikes: int


class _Round:
    """One batch under way.

    Attributes:
        down: why it is given up; None while it is not.
        proven: set when the server is known to answer, or the round is given up.
    """

    def __init__(self, lanes: deque[deque[StoredTile]], *, proven: bool) -> None:
        self.lanes = lanes
        self.down: str | None = None
        self.proven = asyncio.Event()
        self._over = asyncio.Event()
        if proven:
            self.proven.set()

    def give_up(self, words: str) -> None:
        self.down = self.down or words
        self._over.set()
        self.proven.set()

    async def pause(self, seconds: float) -> bool:
        """Whether the round still goes on after so long; False at once when it is given up."""
        if seconds < _SHORT_S:
            await asyncio.sleep(seconds)  # 0 or less gives the others a turn
        elif self.down is None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), seconds)
        return self.down is None


class PlatoSink:
    """A PLATO server that takes tiles one by one.

    At least once: after the death of this process up to one batch comes again. A server that keeps
    track of what it has calls those duplicates, and that counts as taken.

    A tile that alone goes on failing, while the server takes others, would hold up all that stands
    behind it. After ``patience_s`` its failures are told from the server's: the tile taken last is
    handed over once more. When that succeeds three times in a row and the tile fails each time,
    it goes to DEAD as ``undeliverable``.
    """

    def __init__(
        self,
        url: str,
        *,
        room: str = ROOM,
        token: SecretStr | None = None,
        path: str = "/submit",
        timeout_s: float = 10.0,
        in_flight: int = 32,
        max_per_s: float = 500.0,
        max_hold_s: float = 300.0,
        patience_s: float = 60.0,
    ) -> None:
        """
        Args:
            url: the server, ``http://host:port`` or ``https://…``, perhaps with a path.
            room: the domain of tiles that name none, or the built-in one.
            token: shown as ``Authorization: Bearer``.
            timeout_s: seconds for one attempt, from connecting to the end of the answer.
            in_flight: how many sessions may have a tile on its way at once.
            max_per_s: attempts a second. An attempt costs about a millisecond of a core; without
                a bound, a backlog that is made up for would take the whole of one from sessions.
            max_hold_s: seconds ``Retry-After`` is obeyed for at most.
            patience_s: seconds a tile may fail until it is looked at whether it is to blame.
        """
        self._url = url.rstrip("/") + path
        self._room = room.strip() or ROOM
        self._token = token
        self._timeout_s, self._in_flight = timeout_s, in_flight
        self._spacing_s = 1.0 / max_per_s
        self._max_hold_s, self._patience_s = max_hold_s, patience_s
        self._tls: ssl.SSLContext | None = None
        self._idle: list[httpx.AsyncClient] = []
        self._desk: Desk
        self._last = 0
        self._highest = 0
        self._cleared = False
        self._settled: dict[int, _Refusal | None] = {}
        self._troubles: dict[int, _Trouble] = {}
        self._streak = 0
        self._hold_until = 0.0
        self._due = 0.0
        self._taken: bytes | None = None

    def attach(self, desk: Desk) -> None:
        self._desk = desk
        self._counts = desk.metrics.deliveries(desk.name)

    async def open(self, end: int) -> int | None:
        """Asks nothing of the server: whether it is there shows with the first tile."""
        try:
            tls = httpx.URL(self._url).scheme != "http"
        except httpx.InvalidURL as error:
            raise StartupError(
                f"{self._url} is no address of a PLATO server: {error}",
                "Set HOLODECK_PLATO_URL to one like http://host:port",
            ) from error
        if tls and self._tls is None:
            self._tls = httpx.create_ssl_context(trust_env=False)
        if not self._cleared or end < self._highest:
            await self._desk.refused.discard_ahead(end)
            self._cleared = True
        self._highest, self._last = min(self._highest, end), min(self._last, end)
        for known in (self._settled, self._troubles):
            for sequence in [sequence for sequence in known if sequence > end]:
                known.pop(sequence)
        return self._last or None

    async def write(self, tiles: Sequence[StoredTile]) -> None:
        self._highest = max(self._highest, tiles[-1].sequence)
        lanes: dict[str, deque[StoredTile]] = {}
        for stored in tiles:
            if stored.sequence > self._last and stored.sequence not in self._settled:
                lanes.setdefault(_session(stored), deque()).append(stored)
        if lanes:
            # Those in trouble come last: when the server is down, it is a sound tile that shows it.
            order = sorted(lanes.values(), key=lambda lane: self._times(lane[0]))
            round_ = _Round(deque(order), proven=self._streak < DOWN_AFTER)
            async with asyncio.TaskGroup() as workers:
                for number in range(min(self._in_flight, len(lanes))):
                    workers.create_task(self._work(round_, first=number == 0))
            if round_.down is not None:
                raise SinkDown(f"{self._url}: {round_.down}")
        await self._bury(tiles)
        self._last = tiles[-1].sequence
        self._settled = {s: fate for s, fate in self._settled.items() if s > self._last}

    async def again(self, stored: StoredTile) -> Taken:
        """Offers a tile once more that was refused, where it must be without its error's text."""
        tile = _read(stored)
        if tile is None:
            return "refused", "it is no tile"
        tile.pop(QUIET, False)
        answer = await self._submit(self._on_the_wire(tile))
        if answer.fate is _Fate.REFUSED and (without := _redacted(tile)) is not None:
            answer = await self._submit(self._on_the_wire(without))
        match answer.fate:
            case _Fate.TAKEN:
                self._counts["accepted"].inc()
                return "ok", answer.words
            case _Fate.REFUSED:
                self._counts["refused"].inc()
                return "refused", answer.words
            case _Fate.MISSED:
                self._counts["failed"].inc()
                return "down", answer.words

    async def close(self) -> None:
        idle, self._idle = self._idle, []
        for client in idle:
            await client.aclose()

    @contextlib.asynccontextmanager
    async def _connection(self) -> AsyncIterator[httpx.AsyncClient]:
        """A client with one connection. A pool of many costs several times as much a request:
        for each it looks at all connections and at all who wait."""
        client = self._idle.pop() if self._idle else self._client()
        try:
            yield client
        finally:
            self._idle.append(client)

    def _client(self) -> httpx.AsyncClient:
        headers = {"content-type": "application/json", "accept-encoding": "identity"}
        if self._token is not None:
            headers["authorization"] = f"Bearer {self._token.get_secret_value()}"
        # What the environment says of proxies and passwords is meant for other programs.
        return httpx.AsyncClient(
            headers=headers,
            limits=httpx.Limits(max_connections=1),
            timeout=self._timeout_s,
            verify=self._tls or False,  # without a context the address is a plain http one
            trust_env=False,
        )

    # --- sessions side by side, tiles of one after the other --------------------------------------

    async def _work(self, round_: _Round, *, first: bool) -> None:
        """Takes one session after the other until none is left or the round is given up."""
        if not first:
            await round_.proven.wait()
        while round_.lanes and round_.down is None:
            for stored in round_.lanes.popleft():
                if not await self._deliver(stored, round_):
                    return

    async def _deliver(self, stored: StoredTile, round_: _Round) -> bool:
        """Hands one tile over, as often as it takes; False when the round is given up."""
        tile = _read(stored)
        if tile is None:
            self._settle(stored, _Refusal("undecodable", "no tile"))
            return True
        if tile.pop(QUIET, False):
            self._settle(stored, None, "skipped")
            return True
        body, redacted = self._on_the_wire(tile), False
        for times in itertools.count():
            if not await round_.pause(self._until_due()):
                return False
            answer = await self._submit(body)
            if answer.fate is not _Fate.MISSED:
                self._streak = 0
                round_.proven.set()
            match answer.fate:
                case _Fate.TAKEN:
                    self._taken = body
                    self._settle(stored, None)
                    return True
                case _Fate.REFUSED if not redacted and (without := _redacted(tile)) is not None:
                    log.info("once more without the error's text", tile=tile["id"],
                             words=answer.words)  # fmt: skip
                    body, redacted = self._on_the_wire(without), True
                case _Fate.REFUSED:
                    self._settle(stored, _Refusal("refused", answer.words))
                    return True
                case _Fate.MISSED:
                    self._counts["failed"].inc()
                    if await self._to_blame(stored):
                        self._settle(stored, _Refusal("undeliverable", answer.words))
                        return True
                    self._streak += 1
                    if self._streak >= DOWN_AFTER:
                        round_.give_up(answer.words)
                    wait = min(_FIRST_WAIT_S * 2 ** min(times, 16), _MAX_WAIT_S)
                    if not await round_.pause(random.uniform(wait / 2, wait)):
                        return False
        raise AssertionError("counting ends never")

    def _until_due(self) -> float:
        """Seconds until the next attempt may be made."""
        now = time.monotonic()
        self._due = max(self._due + self._spacing_s, now)
        return max(self._due, self._hold_until) - now

    def _settle(
        self, stored: StoredTile, refusal: _Refusal | None, result: str | None = None
    ) -> None:
        self._settled[stored.sequence] = refusal
        self._troubles.pop(stored.sequence, None)
        self._counts[result or ("accepted" if refusal is None else "refused")].inc()

    async def _bury(self, tiles: Sequence[StoredTile]) -> None:
        """In the order of TILES, which is what tells a graveyard what it has already."""
        for stored in tiles:
            refusal = self._settled.get(stored.sequence)
            if refusal is not None:
                record = Record(stored.subject, stored.sequence, stored.data, {})
                await self._desk.refused.bury(record, refusal.reason, refusal.words)

    def _times(self, stored: StoredTile) -> int:
        trouble = self._troubles.get(stored.sequence)
        return trouble.times if trouble is not None else 0

    async def _to_blame(self, stored: StoredTile) -> bool:
        """Notes a failure; whether it is the tile that fails and not the server."""
        now = time.monotonic()
        times, since, strikes = self._troubles.get(stored.sequence, _Trouble(0, now, 0))
        if now - since >= self._patience_s and self._taken is not None:
            other = await self._submit(self._taken)
            # One that is refused now for being a repeat shows as much as one that is taken.
            strikes = 0 if other.fate is _Fate.MISSED else strikes + 1
            if strikes:
                self._streak = 0
        self._troubles[stored.sequence] = _Trouble(times + 1, since, strikes)
        return strikes >= _STRIKES

    # --- one attempt ------------------------------------------------------------------------------

    def _on_the_wire(self, tile: dict[str, Any]) -> bytes:
        """The tile as servers take it: its answer a string, its domain never blank."""
        answer, domain = tile.get("answer"), tile.get("domain")
        if not isinstance(answer, str):
            answer = to_json(answer).decode()
        if not isinstance(domain, str) or not domain.strip() or domain == ROOM:
            domain = self._room
        return to_json(tile | {"answer": answer, "domain": domain})

    async def _submit(self, body: bytes) -> _Answer:
        began = time.monotonic()
        try:
            # httpx's own timeouts begin anew with each byte that comes.
            async with (
                asyncio.timeout(self._timeout_s),
                self._connection() as client,
                client.stream("POST", self._url, content=body) as response,
            ):
                text = await _head(response)
        except TimeoutError:
            answer = _Answer(_Fate.MISSED, f"no answer within {self._timeout_s:g} s")
        except httpx.HTTPError as error:
            answer = _Answer(_Fate.MISSED, str(error) or type(error).__name__)
        else:
            answer = _understood(response.status_code, text, response.headers.get("retry-after"))
        self._desk.metrics.tile_submit.observe(time.monotonic() - began)
        if answer.wait_s is not None:
            hold = time.monotonic() + min(answer.wait_s, self._max_hold_s)
            self._hold_until = max(self._hold_until, hold)
        return answer


def _session(stored: StoredTile) -> str:
    """Whose tile it is: the first part of its id, which is also the last of its subject."""
    return stored.subject.rpartition(".")[2]


def _read(stored: StoredTile) -> dict[str, Any] | None:
    try:
        tile = from_json(stored.data)
    except ValueError:
        return None
    return tile if isinstance(tile, dict) and "id" in tile else None


def _redacted(tile: dict[str, Any]) -> dict[str, Any] | None:
    """The tile with what is stable of its error in place of the error's text; None if it has none.

    Not to slip past anybody's gate: the words are gone, and that they are is said.
    """
    answer = tile.get("answer")
    if not isinstance(answer, dict):
        return None
    error = answer.get("error")
    if not isinstance(error, str) or not error.strip():
        return None
    found = fault(error)
    rest = {key: value for key, value in answer.items() if key != "error"}
    told = {
        "error_class": answer.get("error_class") or found.error_class,
        "fingerprint": answer.get("fingerprint") or found.fingerprint,
        "error_length": len(error),
        "redacted": ["error"],
    }
    return tile | {"answer": rest | told}


async def _head(response: httpx.Response) -> bytes:
    """The beginning of an answer: whoever answers at length is not read to the end."""
    text = b""
    async for chunk in response.aiter_bytes():
        text += chunk
        if len(text) > _MAX_ANSWER:
            break
    return text[:_MAX_ANSWER]


def _understood(status: int, text: bytes, retry_after: str | None) -> _Answer:
    """What an answer means."""
    try:
        content = from_json(text)
    except ValueError:
        content = None
    if 200 <= status < 300:
        if not _refuses(content):
            return _Answer(_Fate.TAKEN)
    elif status in _OVERLOADED or status >= 500:
        return _Answer(_Fate.MISSED, _words(status, content, text), _seconds(retry_after))
    elif status < 400 or status in _NOT_THE_TILE:
        return _Answer(_Fate.MISSED, _words(status, content, text))
    words = _words(status, content, text)
    if "duplicate" in words.lower() and (status < 300 or status in _DUPLICATE_BY):
        return _Answer(_Fate.TAKEN, words)
    return _Answer(_Fate.REFUSED, words)


def _refuses(content: Any) -> bool:
    """Whether a body says that the tile was not taken, whatever its status says."""
    if not isinstance(content, dict):
        return False
    status = content.get("status")
    return (
        (isinstance(status, str) and status.lower() in _REFUSING)
        or "Rejected" in content
        or any(content.get(key) is False for key in ("accepted", "ok", "success"))
    )


def _words(status: int, content: Any, text: bytes) -> str:
    """The server's words behind its status, at most 500 characters of them."""
    found = content
    for _ in range(3):  # some wrap their reason: {"Rejected": {"reason": …}}
        if not isinstance(found, dict):
            break
        inner = (found.get(key) for key in ("reason", "error", "detail", "message", "Rejected"))
        found = next((value for value in inner if value), None)
    words = found if isinstance(found, str) else text.decode(errors="replace")
    return f"{status}: {' '.join(words.split())[:_MAX_WORDS]}"


def _seconds(retry_after: str | None) -> float | None:
    """``Retry-After`` in seconds from now, RFC 9110 10.2.3: a number or an HTTP date."""
    if retry_after is None:
        return None
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None
