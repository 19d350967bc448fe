"""The journal and the history laid beside each other: who asked for which checkpoint.

One law: nothing is judged here. Each law asks this what belongs together and judges by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from tests.torture.run import ORDERS, ActorKey, Loss, Op, Row, Run

_OWN: Final = re.compile(r"timer\..+\.\d+|owed\.\d+\.\d+|turn-\d+-reply")
"""Ids of the commands a session sends itself."""
_HASHED_STEP: Final = re.compile(r"[0-9a-f]{32}\.[a-z]+")
"""A step of a walk whose id would have been too long (``step`` of the supervisor)."""

Standing = tuple[str, str, str]
"""Kind and id of the writer, and the command's id."""


@dataclass(slots=True)
class Intent:
    """All sendings of one command id to one actor, and what stands in the journal for them."""

    ops: list[Op] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)

    @property
    def first(self) -> int:
        """When it was first sent."""
        return min(op.invoked for op in self.ops)


class Evidence:
    """A run with its indices.

    Attributes:
        lines: the journal by writer; intents: by what stands or could stand.
        losses: the power losses, in order; lost_since: by loss, the time before which nothing of
            what it took was stored.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.losses: list[Loss] = run.losses()
        self.lines: dict[ActorKey, list[Row]] = run.by_writer()
        self.ops: dict[ActorKey, list[Op]] = run.by_actor()
        self.stands: dict[Standing, list[Row]] = {}
        for row in run.journal:
            if row.place is not None:
                self.stands.setdefault((*row.key, row.command), []).append(row)
        self.lost_since: list[int] = []
        self.intents: list[Intent] = []
        self._intent: dict[Standing, Intent] = {}
        self._orders: dict[str, int] = {}
        for op in run.ops:
            self._note(op)
        self.lost_since += map(self._lost_since, self.losses)

    def _note(self, op: Op) -> None:
        if op.is_read:
            return
        if op.what in ORDERS:
            self._orders[op.command] = min(op.invoked, self._orders.get(op.command, op.invoked))
        keys = [(*op.key, command) for command in op.stored_as]
        intent = next((self._intent[key] for key in keys if key in self._intent), None)
        if intent is None:
            intent = Intent()
            self.intents.append(intent)
        intent.ops.append(op)
        for key in keys:
            if key not in self._intent:
                self._intent[key] = intent
                intent.rows += self.stands.get(key, ())

    # -- what belongs to an operation ----------------------------------------

    def row_of(self, op: Op) -> Row | None:
        """The checkpoint an ``ok`` named, if it stands where the answer says."""
        return next((row for row in self.standing(op) if row.sequence == op.sequence), None)

    def standing(self, op: Op) -> list[Row]:
        """What stands under an operation's ids, whoever sent it."""
        return [row for id in op.stored_as for row in self.stands.get((*op.key, id), ())]

    def loss_of(self, op: Op) -> Loss | None:
        """The power loss that took away what an ``ok`` named: the answer came after the copy was
        taken and before the server served again, and the copy ended before it."""
        if op.returned is None:
            return None
        for loss in self.losses:
            if loss.copied < op.returned <= loss.until and op.sequence > loss.end:
                return loss
        return None

    def _lost_since(self, loss: Loss) -> int:
        """What a power loss took stood behind all that it left: it was stored after the copy, and
        after the sending of everything in the copy."""
        kept = (self.earliest(row) for row in self.run.journal if row.sequence <= loss.end)
        return max(loss.copied, max(kept, default=0))

    def first_sent(self, op: Op) -> int:
        """When the command of an operation was first sent, perhaps by an earlier operation."""
        found = [self._intent.get((*op.key, command)) for command in op.stored_as]
        return min([op.invoked, *(intent.first for intent in found if intent is not None)])

    def kept(self, key: ActorKey, loss: Loss) -> int:
        """Sequence of an actor's last checkpoint that a power loss left; 0 if it left none."""
        return max(
            (r.sequence for r in self.lines.get(key, ()) if r.sequence <= loss.end), default=0
        )

    # -- what belongs to a checkpoint ----------------------------------------

    def intent_of(self, row: Row) -> Intent | None:
        """Who sent the command it came from; None if no client did."""
        return self._intent.get((*row.key, row.command))

    def own(self, row: Row) -> bool:
        """Whether a session wrote it of its own accord: a timer, a mind's reply, a parting."""
        return row.key[0] == "session" and _OWN.fullmatch(row.command) is not None

    def walk_of(self, row: Row) -> int | None:
        """When the order was first sent on whose walk the supervisor wrote it; None if no order
        has such a step."""
        head = row.command
        while "." in head:
            head = head.rpartition(".")[0]
            if head in self._orders:
                return self._orders[head]
        if self._orders and _HASHED_STEP.fullmatch(row.command):
            return min(self._orders.values())
        return None

    def earliest(self, row: Row) -> int:
        """Before this time it cannot have been stored; 0 if nothing says so."""
        intent = self.intent_of(row)
        if intent is not None:
            return intent.first
        return self.walk_of(row) or 0


def some(things: Iterable[object], most: int = 6) -> str:
    """The first few of many, as text."""
    shown = [str(thing) for thing in things]
    more = f", … {len(shown) - most} more" if len(shown) > most else ""
    return ", ".join(shown[:most]) + more


__all__ = ["Evidence", "Intent", "Standing", "some"]
