"""User names, each one player's alone across the whole deployment.

One law: a name is reserved before the command that takes it is decided, and belongs to whoever
really carries it. A reservation that came to nothing (its host died, its command was refused) can
be taken over once it is old enough for no command to rest on it any more.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import Final

from holodeck.broker.port import Bucket
from holodeck.messages.codec import pack, unpack
from holodeck.messages.envelope import REMEMBER_MS
from holodeck.messages.errors import LostFence, RefusedError

YOUNG_MS: Final = REMEMBER_MS
"""How long a reservation stands that nobody carries yet; no command lives longer than half of
that, so that clocks may differ by as much as a minute."""


def name_key(name: str) -> str:
    """The key of a name in the bucket ``actors``; names that differ in case alone are one.

    Not the name itself: a key outlives its value in the store's files, and of a player who was
    erased nothing may.
    """
    return f"name.{hashlib.sha256(name.lower().encode()).hexdigest()[:40]}"


class Names:
    """The names of a deployment.

    Args:
        bucket: ``actors``.
        carries: ``(learner, name)``: whether the learner's profile has that name now.
        now: ms since 1970 UTC.
    """

    def __init__(
        self,
        bucket: Bucket,
        carries: Callable[[str, str], Awaitable[bool]],
        now: Callable[[], int],
    ) -> None:
        self._bucket = bucket
        self._carries = carries
        self._now = now

    async def take(self, name: str, learner: str) -> None:
        """Reserves a name for a learner, anew if it was already.

        Raises:
            RefusedError: ``name-taken``, somebody else carries it or is just about to.
            TransientError: it is not known whether it was reserved; the same learner may try again.
        """
        key = name_key(name)
        while True:
            entry = await self._bucket.get(key)
            after = 0
            if entry is not None:
                holder, at = unpack(entry.data)
                after = entry.revision
                if holder != learner and (
                    self._now() < at + YOUNG_MS or await self._carries(holder, name)
                ):
                    raise RefusedError("name-taken", f"the name {name!r} already exists")
            try:
                await self._bucket.put(key, pack([learner, self._now()]), after=after)
            except LostFence:
                continue
            return

    async def release(self, name: str, learner: str, before: int) -> None:
        """Gives a name back that its learner had reserved before ``before``, ms since 1970 UTC.

        What somebody else has taken over, or the learner itself has taken anew, stays.

        Raises:
            TransientError: it may not have been given back; then it can be taken over.
        """
        key = name_key(name)
        entry = await self._bucket.get(key)
        if entry is None:
            return
        holder, at = unpack(entry.data)
        if holder != learner or at >= before:
            return
        try:
            await self._bucket.delete(key, after=entry.revision)
        except LostFence:
            return  # somebody was quicker, and it is theirs
