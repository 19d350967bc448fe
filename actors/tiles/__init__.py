"""Tiles: what the outside world sees of every checkpoint."""

from __future__ import annotations

from holodeck.actors.tiles.emitter import TileEmitter
from holodeck.actors.tiles.recent import Recent, StoredTile
from holodeck.actors.tiles.sinks import JsonlSink, Sink, SinkDown, SinkRunner
from holodeck.actors.tiles.tile import (
    EVENTS,
    ROOM,
    Origin,
    decode_tile,
    origin_of,
    tile_fronts,
    tiles_of,
)

__all__ = [
    "EVENTS",
    "ROOM",
    "JsonlSink",
    "Origin",
    "Recent",
    "Sink",
    "SinkDown",
    "SinkRunner",
    "StoredTile",
    "TileEmitter",
    "decode_tile",
    "origin_of",
    "tile_fronts",
    "tiles_of",
]
