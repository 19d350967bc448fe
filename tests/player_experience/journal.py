"""A journal written by hand, and projections that read it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from holodeck.actors.projections import Projection, ProjectionsService
from holodeck.actors.projections.port import Step, step_of
from holodeck.actors.table import deployment
from holodeck.broker.port import Broker, Record
from holodeck.broker.streams import layout
from holodeck.messages.codec import encode_checkpoint
from holodeck.messages.ids import NOBODY, partition_of
from holodeck.messages.session import (
    EndReason,
    Outcome,
    ReputationChanged,
    SessionEnded,
    SessionKind,
    SessionStarted,
    TurnTaken,
)
from holodeck.messages.subjects import CHECKPOINT

LAYOUT: Final = layout(max_bytes=256 * 1024 * 1024)
PARTITIONS: Final = 4
NS: Final = LAYOUT.ns
Dial = Callable[[], Awaitable[Broker]]


def now() -> int:
    """ms since 1970 UTC."""
    return round(time.time() * 1000)


def subject_of(kind: str, identity: str, family: str, *, npc: str = "", learner: str = "") -> str:
    def place(name: str) -> tuple[str, str]:
        return (str(partition_of(name, PARTITIONS)), name) if name else (NOBODY, NOBODY)

    return CHECKPOINT.of(
        NS, kind, partition_of(identity, PARTITIONS), identity, family, *place(npc), *place(learner)
    )


def started(learner: str = "ana", **told: Any) -> SessionStarted:
    return SessionStarted(**{"session_kind": SessionKind.CONVERSATION, "learner": learner} | told)


def ended(reason: EndReason = EndReason.LEARNER_ENDED, active_ms: int = 60_000) -> SessionEnded:
    return SessionEnded(reason=reason, outcome=Outcome.SUCCESS, active_ms=active_ms)


def turn(number: int, npc: str = "marta", **told: Any) -> TurnTaken:
    return TurnTaken(turn=number, npc=npc, text="Hola", **told)


def moved(delta: float, npc: str = "marta") -> ReputationChanged:
    return ReputationChanged(npc=npc, delta=delta)


def step(
    sequence: int, identity: str, *events: Any, at: int = 1_800_000_000_000, **names: str
) -> Step:
    """One checkpoint as projections read it."""
    kind = names.pop("kind", "session")
    subject = subject_of(kind, identity, events[0].kind.partition(".")[0], **names)
    return step_of(Record(subject, sequence, encode_checkpoint(at, events), {}))


class Scribe:
    """Writes checkpoints as actors do."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.journal = broker.log(LAYOUT.checkpoints)

    async def prepare(self) -> None:
        await self.broker.declare(LAYOUT.streams, LAYOUT.buckets)
        await deployment(self.broker.bucket(LAYOUT.cluster), PARTITIONS)

    async def write(
        self, kind: str, identity: str, *events: Any, at: int | None = None, **names: str
    ) -> int:
        family = events[0].kind.partition(".")[0]
        subject = subject_of(kind, identity, family, **names)
        data = encode_checkpoint(now() if at is None else at, events)
        return await self.journal.append(subject, data)

    async def session(
        self,
        identity: str,
        *events: Any,
        learner: str = "ana",
        npc: str = "",
        at: int | None = None,
    ) -> int:
        return await self.write("session", identity, *events, at=at, npc=npc, learner=learner)

    async def player(self, identity: str, *events: Any, at: int | None = None) -> int:
        return await self.write("learner", identity, *events, at=at, learner=identity)


async def until(
    holds: Callable[[], Awaitable[bool] | bool], seconds: float = 10.0, what: str = ""
) -> None:
    """Waits until something holds."""
    give_up = time.monotonic() + seconds
    while True:
        found = holds()
        if await found if isinstance(found, Awaitable) else found:
            return
        assert time.monotonic() < give_up, what or "it did not come about in time"
        await asyncio.sleep(0.02)


class Projecting:
    """The service with projections, on a connection of its own."""

    def __init__(
        self,
        connect: Dial,
        *makers: Callable[[], Projection],
        keep_s: float = 90 * 86_400.0,
    ) -> None:
        self.service = ProjectionsService(connect, LAYOUT, makers, keep_s=keep_s)

    async def __aenter__(self) -> ProjectionsService:
        await self.service.start()
        return self.service

    async def __aexit__(self, *_: object) -> None:
        await self.service.stop()


async def caught_up(service: ProjectionsService, sequence: int, seconds: float = 10.0) -> None:
    """Waits until every projection has the checkpoint at ``sequence``."""
    runners = service.runners.values()
    await until(
        lambda: all(runner.position >= sequence and runner.state == "live" for runner in runners),
        seconds,
        f"not at {sequence}: {[(r.name, r.position, r.state, r.error) for r in runners]}",
    )
