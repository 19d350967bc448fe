"""What happens to a session without a call of this process: timers, the fleet, other programs.

One law: each checkpoint of a watched session is handed over once, in order, until its last one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from holodeck.broker.port import Follower, Record
from holodeck.compat.background import logged, steadily
from holodeck.deck import Deck
from holodeck.messages.codec import decode_checkpoint
from holodeck.messages.fleet import FLEET
from holodeck.messages.ids import new_id, partition_of
from holodeck.messages.session import Crossing, EmergenceDetected
from holodeck.messages.subjects import writer_filter


class Watch:
    """Follows sessions, and the alerts that came too late for theirs; lives on the loop."""

    def __init__(self, deck: Deck) -> None:
        self._deck = deck
        self._journal = deck.broker.log(deck.layout.checkpoints)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._fleet: Follower | None = None
        self._opening = asyncio.Lock()

    async def session(self, identity: str, take: Callable[[Record], bool]) -> None:
        """Hands the session's checkpoints to ``take`` until that says it was the last one."""
        if identity not in self._tasks:
            work = logged(self._follow(identity, take))
            task = asyncio.create_task(work, name=f"watch {identity}")
            self._tasks[identity] = task

    async def late_alerts(self, take: Callable[[Crossing], None]) -> None:
        """Hands alerts to ``take`` whose session had ended when they came; once for all sessions.

        Only those from now on: returns when none can be missed any more.
        """
        async with self._opening:
            if self._fleet is not None:
                return
            deck = self._deck
            subjects = writer_filter(deck.ns, "fleet", partition_of(FLEET, deck.partitions), FLEET)
            last = await self._journal.last(subjects)

            def look(record: Record) -> None:
                for event in decode_checkpoint(record.data, record.subject).events:
                    if isinstance(event, EmergenceDetected):
                        take(event.crossing)

            self._fleet = await self._journal.follow(
                subjects, look, after=last.sequence if last else 0, name=new_id("alerts")
            )

    async def close(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        if self._fleet is not None:
            await self._fleet.stop()

    async def _follow(self, identity: str, take: Callable[[Record], bool]) -> None:
        deck = self._deck
        over = asyncio.Event()

        def look(record: Record) -> None:
            if take(record):
                over.set()

        subjects = writer_filter(
            deck.ns, "session", partition_of(identity, deck.partitions), identity
        )
        follower = await steadily(
            lambda: self._journal.follow(subjects, look, after=0, name=new_id("watch"))
        )
        try:
            await over.wait()
        finally:
            await follower.stop()
        del self._tasks[identity]
