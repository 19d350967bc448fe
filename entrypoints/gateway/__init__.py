"""The HTTP door: the REST interface, metrics and health, PLATO rooms, the H1 router.

One law: what is served here holds nothing of its own; all of it stands in the broker or comes from
an actor, so a door can be closed and opened again, and nobody misses anything.
"""

from __future__ import annotations

from holodeck.entrypoints.gateway.access import Guard
from holodeck.entrypoints.gateway.api import Gateway, api
from holodeck.entrypoints.gateway.door import Door, StatusSource, app, serve
from holodeck.entrypoints.gateway.fleet import DeckFleet
from holodeck.entrypoints.gateway.plato import plato_app
from holodeck.entrypoints.gateway.rooms import Rooms
from holodeck.entrypoints.gateway.router import FleetDoor, router_app
from holodeck.entrypoints.gateway.wiring import gateway_of

__all__ = [
    "DeckFleet",
    "Door",
    "FleetDoor",
    "Gateway",
    "Guard",
    "Rooms",
    "StatusSource",
    "api",
    "app",
    "gateway_of",
    "plato_app",
    "router_app",
    "serve",
]
