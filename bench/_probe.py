"""Kills a host and sees when each of its partitions answers again."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterable, Mapping
from typing import Any

from bench._report import say
from holodeck.broker import Broker
from holodeck.deck import Deck
from holodeck.messages.codec import decode_answer, encode_command
from holodeck.messages.envelope import ReadState, ToSession
from holodeck.messages.errors import HolodeckError
from holodeck.messages.ids import new_id, partition_of
from holodeck.messages.subjects import COMMAND

PROBE_S = 0.05
_PROBE_TIMEOUT_S = 1.0
GIVE_UP_S = 120.0


def one_of_each(sessions: Iterable[str], partitions: int) -> dict[int, str]:
    """One session of each partition that has any."""
    return {partition_of(session, partitions): session for session in sessions}


async def kill_host(
    deck: Deck, broker: Broker, asked: Mapping[int, str], pid: int | None = None
) -> tuple[float, list[float]]:
    """SIGKILLs a host and sees when each of its partitions answers again.

    Args:
        asked: which session of a partition is asked for its state, every 50 ms.
        pid: of the host's process; None: the one with the most partitions.

    Returns:
        when it was killed, by ``time.perf_counter``, and for each partition it held the seconds
        until the first answer; :data:`GIVE_UP_S` where nobody answered by then.
    """
    hosts = [host for host in (await deck.status())["hosts"] if pid in (None, host.get("pid"))]
    victim: dict[str, Any] = max(hosts, key=lambda host: len(host.get("partitions", ())))
    held = [partition for partition in victim["partitions"] if partition in asked]
    say(f"  SIGKILL of {victim['host']} with {len(held)} partitions")
    killed = time.perf_counter()
    os.kill(victim["pid"], signal.SIGKILL)
    answers = await asyncio.gather(
        *(_answers(broker, deck.ns, partition, asked[partition]) for partition in held)
    )
    return killed, [at - killed for at in answers]


async def _answers(broker: Broker, ns: str, partition: int, session: str) -> float:
    """When the session first answered, by ``time.perf_counter``."""
    subject = COMMAND.of(ns, partition, "session", session)
    give_up = time.perf_counter() + GIVE_UP_S
    answered: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    async def ask() -> None:
        now = int(time.time() * 1000)
        question = ToSession(id=new_id("probe"), sent=now, body=ReadState(),
                             deadline=now + int(_PROBE_TIMEOUT_S * 1000))  # fmt: skip
        try:
            reply = await broker.request(
                subject, encode_command(question), timeout=_PROBE_TIMEOUT_S
            )
            status = decode_answer(reply.data, subject).status
        except HolodeckError:
            return
        if status == "ok" and not answered.done():
            answered.set_result(time.perf_counter())

    asking = set()
    while not answered.done() and time.perf_counter() < give_up:
        asking.add(asyncio.create_task(ask()))
        await asyncio.wait([answered], timeout=PROBE_S)
    await asyncio.gather(*asking)
    return answered.result() if answered.done() else give_up
