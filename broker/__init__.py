"""How messages travel: the port, its adapters, the streams as data, and the embedded server.

One law: this is the room's public door; ``nats`` is the only file in it that knows NATS.
"""

from __future__ import annotations

from holodeck.broker.memory import MemoryBroker, MemoryServer
from holodeck.broker.nats import (
    Credentials,
    CredsFile,
    CredsText,
    NatsBroker,
    Password,
    Token,
    connect,
)
from holodeck.broker.port import (
    Broker,
    Bucket,
    Delivery,
    Entry,
    Follower,
    Headers,
    Log,
    Record,
    Subscription,
)
from holodeck.broker.server import EmbeddedServer, Users, find_server
from holodeck.broker.streams import BucketSpec, Layout, Mismatch, StreamSpec, layout

__all__ = [
    "Broker",
    "Bucket",
    "BucketSpec",
    "Credentials",
    "CredsFile",
    "CredsText",
    "Delivery",
    "EmbeddedServer",
    "Entry",
    "Follower",
    "Headers",
    "Layout",
    "Log",
    "MemoryBroker",
    "MemoryServer",
    "Mismatch",
    "NatsBroker",
    "Password",
    "Record",
    "StreamSpec",
    "Subscription",
    "Token",
    "Users",
    "connect",
    "find_server",
    "layout",
]
