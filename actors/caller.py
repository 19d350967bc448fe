"""Speaking to an actor: the same command, under the same id, until it is answered.

One law: a caller never guesses. Until the deadline it sends the command again, with backoff; that
alone carries it over a failover. After the deadline the outcome is unknown and said to be so.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

from holodeck.broker.port import Broker
from holodeck.messages.codec import decode_answer, encode_call
from holodeck.messages.envelope import MAX_DEADLINE_MS, Answer, Body
from holodeck.messages.errors import (
    Busy,
    DecodeError,
    NoResponder,
    RefusedError,
    Unavailable,
)
from holodeck.messages.ids import partition_of
from holodeck.messages.subjects import COMMAND

ATTEMPT_S: Final = 2.5
"""How long one sending waits before the command is sent again; seconds."""
FIRST_PAUSE_S: Final = 0.02
LONGEST_PAUSE_S: Final = 0.5


class Caller:
    """Sends commands to keyed actors.

    Args:
        deadline_s: how long a command is sent again, at most 60 s.
        one_run: send again only while the server runs on. Another run of it may have lost what a
            command rests on, such as a claim.
    """

    def __init__(
        self,
        broker: Broker,
        ns: str,
        partitions: int,
        *,
        deadline_s: float = 15.0,
        one_run: bool = False,
    ) -> None:
        self._one_run = one_run
        self._broker = broker
        self._ns = ns
        self._partitions = partitions
        self._deadline_s = min(deadline_s, MAX_DEADLINE_MS / 1000)
        self.retries = 0

    async def command(
        self,
        kind: str,
        identity: str,
        command: str,
        body: Body,
        *,
        deadline_s: float | None = None,
    ) -> Answer:
        """Sends ``body`` under the id ``command`` and returns the actor's ``ok``.

        Args:
            kind: ``session``, ``npc`` or ``learner``.
            deadline_s: how long it is sent again; None: as this caller does.

        Raises:
            RefusedError: the actor's state forbids it.
            DecodeError: the actor cannot read it (or its answer cannot be read).
            Busy: its mailbox was full until the deadline.
            Unavailable: no answer until the deadline; whether it took effect is unknown.
        """
        limit = self._deadline_s if deadline_s is None else deadline_s
        sent = int(time.time() * 1000)
        data = encode_call(command, sent, sent + int(limit * 1000), body)
        subject = COMMAND.of(self._ns, partition_of(identity, self._partitions), kind, identity)
        answer = await self.send(subject, data, limit)
        if answer.status == "refused":
            refused = RefusedError(answer.reason, answer.detail)
            refused.safety = answer.safety
            raise refused
        if answer.status == "contract":
            raise DecodeError(subject, answer.detail or answer.reason)
        return answer

    async def send(self, subject: str, data: bytes, limit: float) -> Answer:
        """Sends bytes until somebody gives a final answer; ``limit`` in seconds.

        Raises:
            DecodeError: what came is no answer.
            Busy, Unavailable: as :meth:`command`.
        """
        request, run = self._broker.request, self._broker.server_id
        give_up = time.monotonic() + limit
        timeout, pause = min(ATTEMPT_S, limit), FIRST_PAUSE_S
        while True:
            if self._one_run and not (self._broker.connected and self._broker.server_id == run):
                raise Unavailable(subject, "the server is away, and another run may have lost much")
            try:
                reply = await request(subject, data, timeout=timeout)
            except NoResponder:
                last = "nobody owns the partition"
            except Unavailable:
                last = "no answer"
            else:
                answer = decode_answer(reply.data, subject)
                if answer.status not in ("busy", "moved"):
                    return answer
                last = answer.status
            self.retries += 1
            left = give_up - time.monotonic()
            if left > 0:
                await asyncio.sleep(min(pause, left))
                left = give_up - time.monotonic()
            if left <= 0:
                if last == "busy":
                    raise Busy()
                raise Unavailable(subject, f"{last} within {limit:g} s; the outcome is unknown")
            timeout, pause = min(ATTEMPT_S, left), min(LONGEST_PAUSE_S, pause * 1.7)
