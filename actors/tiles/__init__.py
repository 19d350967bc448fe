"""Tiles: what the outside world sees of every checkpoint."""

from __future__ import annotations

from holodeck.actors.tiles.emitter import TileEmitter
from holodeck.actors.tiles.sinks import JsonlSink, Sink, SinkDown, SinkRunner, StoredTile
from holodeck.actors.tiles.tile import (
    EVENTS,
    ROOM,
    Origin,
    decode_tile,
    encode_tile,
    origin_of,
    tile_subject,
    tiles_of,
)

__all__ = [
    "EVENTS",
    "ROOM",
    "JsonlSink",
    "Origin",
    "Sink",
    "SinkDown",
    "SinkRunner",
    "StoredTile",
    "TileEmitter",
    "decode_tile",
    "encode_tile",
    "origin_of",
    "tile_subject",
    "tiles_of",
]
