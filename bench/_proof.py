"""Reads a journal back and holds it against what clients were told.

One law: an acknowledged command is in exactly one checkpoint of its session; in none it was lost,
in several it was applied twice.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from holodeck.broker import Broker
from holodeck.broker.streams import Layout
from holodeck.deck import Deck
from holodeck.messages.envelope import HEADER_COMMAND
from holodeck.messages.errors import HolodeckError
from holodeck.messages.subjects import partition_filter

Told = Mapping[str, Mapping[str, Any]]
"""What a generator wrote of each session: the fields of a tally."""


@dataclass(slots=True)
class Proof:
    """What was found.

    Attributes:
        lost: acknowledged commands in no checkpoint; twice: commands in more than one.
        differing: sessions whose state does not say what was acknowledged.
        unasked: sessions that did not answer.
    """

    acked: int = 0
    checkpoints: int = 0
    lost: int = 0
    twice: int = 0
    differing: int = 0
    unasked: int = 0
    examples: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        if len(self.examples) < 10:
            self.examples.append(text)


async def prove(broker: Broker, layout: Layout, deck: Deck, told: Told) -> Proof:
    """Reads every session checkpoint, then asks every session once."""
    proof = Proof()
    stored: Counter[tuple[str, str]] = Counter()
    journal = broker.log(layout.checkpoints)
    async for record in journal.read(
        partition_filter(layout.ns, "session", "*"), headers_only=True
    ):
        proof.checkpoints += 1
        stored[record.subject.split(".", 5)[4], record.headers.get(HEADER_COMMAND, "")] += 1
    for (session, command), times in stored.items():
        if times > 1:
            proof.twice += 1
            proof.note(f"{session}: {command} in {times} checkpoints")
    for session, one in told.items():
        for command in one["acked"]:
            proof.acked += 1
            if not stored[session, command]:
                proof.lost += 1
                proof.note(f"{session}: {command} in no checkpoint")
    waiting = iter(told.items())

    async def ask() -> None:
        for session, one in waiting:
            try:
                state = await deck.session(session).state()
            except HolodeckError as error:
                proof.unasked += 1
                proof.note(f"{session}: {error}")
                continue
            counts, slack = one["counts"], len(one["unknown"])
            for name, has, said in (
                ("turns", state.turns, counts.get("take-turn", 0)),
                ("frictions", sum(state.frictions.values()),
                 counts.get("report-friction", 0)),
                ("tasks", len(state.tasks), counts.get("add-task", 0)),
                ("tasks done", sum(t.outcome is not None for t in state.tasks.values()),
                 counts.get("complete-task", 0)),
            ):  # fmt: skip
                if not said <= has <= said + slack:
                    proof.differing += 1
                    proof.note(f"{session}: {name} {has}, acknowledged {said}")
                    break
            else:
                moved = sum(state.reputation.values())
                if not slack and abs(moved - one["moved"]) > 1e-6:
                    proof.differing += 1
                    proof.note(f"{session}: reputation {moved}, acknowledged {one['moved']}")

    await asyncio.gather(*(ask() for _ in range(64)))
    return proof
