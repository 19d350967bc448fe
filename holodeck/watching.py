"""Watching for texts that gave cause for concern, over all sessions and learners.

One law: who watches is told whom and where, what was found and whom the player can turn to; never
the text.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from holodeck.actors.tiles.tile import EVENTS
from holodeck.broker.port import Record
from holodeck.messages.codec import decode_checkpoint
from holodeck.messages.errors import TransientError
from holodeck.messages.ids import NOBODY, new_id
from holodeck.messages.player import (
    CrisisResource,
    PlayerFlagged,
    SafetyFinding,
    SafetyFlagged,
)
from holodeck.messages.subjects import ANY, TILE, place_of
from holodeck.messages.tiles import HEADER_ORIGIN
from holodeck.minds.safety import named
from holodeck.wiring import resources_of

if TYPE_CHECKING:
    from holodeck.deck import Deck

log = structlog.get_logger("holodeck.safety")

KINDS: Final = ("safety.flagged", "player.flagged")


@dataclass(frozen=True, slots=True)
class SafetyAlert:
    """A text gave cause for concern.

    Attributes:
        learner: who wrote it; empty in a rehearsal.
        session: where; None: in none.
        resources: whom the player can turn to, the most urgent first.
        turn: the turn it is about, 0 none; rejected: the text itself was not taken.
        at: when, ms since 1970 UTC; sequence: of the tile, for ``after``.
    """

    learner: str
    session: str | None
    finding: SafetyFinding
    resources: tuple[CrisisResource, ...]
    turn: int
    rejected: bool
    at: int
    sequence: int


async def watch(
    deck: Deck, callback: Callable[[SafetyAlert], None], after: int | None
) -> Callable[[], Awaitable[None]]:
    """As :meth:`~holodeck.deck.Deck.watch_safety`.

    Raises:
        StartupError: the crisis resources cannot be used.
    """
    resources = resources_of()
    tiles = deck.broker.log(deck.layout.tiles)
    journal = deck.broker.log(deck.layout.checkpoints)
    begin = await tiles.end() if after is None else after
    waiting: asyncio.Queue[Record] = asyncio.Queue()
    following = [
        await tiles.follow(
            TILE.of(deck.ns, kind.partition(".")[0], EVENTS[kind].token, ANY),
            waiting.put_nowait,
            after=begin,
            name=new_id("safety"),
        )
        for kind in KINDS
    ]

    async def told() -> None:
        while True:
            tile = await waiting.get()
            origin, _, nth = tile.headers[HEADER_ORIGIN].partition(".")
            try:
                record = await journal.get(int(origin))
                if record is not None:
                    alert = _alert(record, int(nth), tile.sequence, resources)
                    if alert is not None:
                        callback(alert)
            except TransientError as error:
                log.warning("safety.unread", reason=str(error))
                waiting.put_nowait(tile)
                await asyncio.sleep(0.5)
            except Exception:  # the callback's, or a checkpoint of a newer program
                log.exception("safety.untold", tile=tile.sequence)

    telling = asyncio.get_running_loop().create_task(told())

    async def stop() -> None:
        telling.cancel()
        for follower in following:
            await follower.stop()

    return stop


def _alert(
    record: Record, nth: int, sequence: int, resources: tuple[CrisisResource, ...]
) -> SafetyAlert | None:
    """None: what stood there was erased since."""
    place = place_of(record.subject)
    checkpoint = decode_checkpoint(record.data, record.subject)
    event = checkpoint.events[nth] if nth < len(checkpoint.events) else None
    if place is None or not isinstance(event, SafetyFlagged | PlayerFlagged):
        return None
    return SafetyAlert(
        learner="" if place.learner == NOBODY else place.learner,
        session=place.identity if place.kind == "session" else None,
        finding=event.finding,
        resources=tuple(named(resources, event.finding.resources)),
        turn=event.turn,
        rejected=event.rejected,
        at=checkpoint.at,
        sequence=sequence,
    )
