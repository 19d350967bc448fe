"""The newest tiles in memory, for sinks that keep up.

One law: what is held is the unbroken end of TILES as it was acknowledged, or nothing; whoever asks
for a place outside of it reads the stream. So a sink beside the emitter costs the broker nothing,
and a slow one costs nobody anything: the memory moves on without it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from holodeck.actors.tiles.tile import decode_tile
from holodeck.broker.port import Headers
from holodeck.messages.tiles import Tile

_MAX_BYTES: Final = 8 * 1024 * 1024


class StoredTile(NamedTuple):
    """A tile with its place in TILES.

    Attributes:
        sequence: its place.
        data: the tile's own JSON, one line.
    """

    sequence: int
    subject: str
    data: bytes

    @property
    def tile(self) -> Tile:
        """The tile, parsed anew at each call.

        Raises:
            DecodeError: it is none.
        """
        return decode_tile(self.data, self.subject)


class Recent:
    """What one emitter stored last; filled by it, read by the sinks of its process.

    Args:
        max_bytes: how much JSON is held; beyond, the older half is let go.
    """

    def __init__(self, max_bytes: int = _MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._live = False
        self._first = 1
        self._tiles: list[StoredTile] = []
        self._bytes = 0
        self._readers: set[Callable[[], None]] = set()

    @property
    def end(self) -> int:
        """Sequence of the last tile told of."""
        return self._first + len(self._tiles) - 1

    def begin(self, end: int) -> None:
        """An emitter is at work that has seen all of TILES, which ends with ``end``."""
        self._restart(end, live=True)

    def forget(self) -> None:
        """Lets go what is held; whoever is behind reads the stream, as far as it is still there."""
        self._first, self._bytes = self.end + 1, 0
        self._tiles.clear()
        self._wake()

    def cease(self) -> None:
        """It is not any more: what is stored from now on stands in the stream alone."""
        self._restart(0, live=False)

    def _restart(self, end: int, *, live: bool) -> None:
        self._live, self._first, self._bytes = live, end + 1, 0
        self._tiles.clear()
        self._wake()

    def add(self, rows: Sequence[tuple[str, bytes, Headers]]) -> None:
        """``rows`` are stored, right behind the last one told of."""
        if not self._live:
            return
        if not self._readers:
            self._first = self.end + len(rows) + 1
            self._tiles.clear()
            return
        after = self.end + 1
        self._tiles += [
            StoredTile(sequence, subject, data)
            for sequence, (subject, data, _) in enumerate(rows, after)
        ]
        self._bytes += sum([len(data) for _, data, _ in rows])
        if self._bytes > self._max_bytes:
            half = len(self._tiles) // 2
            del self._tiles[:half]
            self._first += half
            self._bytes = sum([len(tile.data) for tile in self._tiles])
        self._wake()

    def behind(self, position: int, limit: int) -> list[StoredTile] | None:
        """Up to ``limit`` tiles from right behind ``position``, empty if that is the end.

        None: they are not held, or not yet told of; the stream may have them.
        """
        at = position + 1 - self._first
        if not self._live or not 0 <= at <= len(self._tiles):
            return None
        return self._tiles[at : at + limit]

    def join(self, reader: Callable[[], None]) -> None:
        """From now on tiles are held, and ``reader`` is called whenever :meth:`behind` changes."""
        self._readers.add(reader)

    def leave(self, reader: Callable[[], None]) -> None:
        self._readers.discard(reader)

    def _wake(self) -> None:
        for reader in self._readers:
            reader()
