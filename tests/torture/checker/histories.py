"""Every actor's states, one after each checkpoint that concerns it, folded afresh.

One law: only the pure deciders and the journal make a state here. The n-th state of a history is
the fold of its first n checkpoints; number 0 is the state before anything happened.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from holodeck.actors.decider import Decider, Moment
from holodeck.actors.learner.decider import LEARNER_STATE, learner
from holodeck.actors.npc.decider import NPC_STATE, RELATION_STATE, npc, relation
from holodeck.actors.session import STATE, session
from holodeck.messages.ids import NOBODY
from tests.torture.checker.report import named
from tests.torture.run import Row

Key = tuple[str, ...]
"""``("session", id)``, ``("npc", id)``, ``("relation", npc, learner)`` or ``("learner", id)``."""

DECIDERS: Final[Mapping[str, tuple[Decider[Any, Any, Any], TypeAdapter[Any]]]] = {
    "session": (session, STATE),
    "npc": (npc, NPC_STATE),
    "relation": (relation, RELATION_STATE),
    "learner": (learner, LEARNER_STATE),
}


class History:
    """One actor through the journal.

    Attributes:
        rows: the checkpoints that concern it, in journal order; of a session also those nobody
            can read, which change nothing.
    """

    def __init__(self, key: Key) -> None:
        self.key = key
        self.rows: list[Row] = []
        self._sequences: list[int] = []
        self._states: list[Any] = [DECIDERS[key[0]][0].initial]

    @property
    def name(self) -> str:
        return named(self.key[0], "/".join(self.key[1:]))

    def add(self, row: Row) -> None:
        self.rows.append(row)
        self._sequences.append(row.sequence)

    @property
    def states(self) -> list[Any]:
        """One more than there are rows. Not to be changed."""
        states, decider = self._states, DECIDERS[self.key[0]][0]
        for row in self.rows[len(states) - 1 :]:
            state = states[-1]
            if row.checkpoint is not None and row.place is not None:
                who = "" if row.place.learner == NOBODY else row.place.learner
                moment = Moment(row.sequence, row.checkpoint.at, row.place.identity, who)
                state = decider.fold(state, row.events, moment)
            states.append(state)
        return states

    def sequence(self, position: int) -> int:
        """Of the last checkpoint in the state at ``position``; 0 at the beginning."""
        return self._sequences[position - 1] if position else 0

    @property
    def readable(self) -> int:
        """Sequence of the last checkpoint that somebody can read; 0 if there is none."""
        return max((r.sequence for r in self.rows if r.checkpoint is not None), default=0)

    def position(self, sequence: int) -> int:
        """How many checkpoints there are up to ``sequence``."""
        return bisect_right(self._sequences, sequence)


class Histories:
    """All of them, by key."""

    def __init__(self, journal: Iterable[Row] = ()) -> None:
        self._all: dict[Key, History] = {}
        for row in journal:
            self.add(row)

    def add(self, row: Row) -> None:
        """The next checkpoint of the journal."""
        for key in concerned(row):
            found = self._all.get(key)
            if found is None:
                found = self._all[key] = History(key)
            found.add(row)

    def get(self, key: Key) -> History | None:
        return self._all.get(key)

    def of(self, key: Key) -> History:
        """That one, empty if the journal does not know it."""
        return self._all.get(key) or History(key)

    def of_kind(self, kind: str) -> Iterator[History]:
        return (history for key, history in self._all.items() if key[0] == kind)

    def __iter__(self) -> Iterator[History]:
        return iter(self._all.values())

    def __len__(self) -> int:
        return len(self._all)


def concerned(row: Row) -> Iterator[Key]:
    """The keys of all whose state a checkpoint changes."""
    place = row.place
    if place is None:
        return
    if place.kind == "session":
        yield "session", place.identity
    if row.checkpoint is None:
        return
    if place.npc != NOBODY:
        yield "npc", place.npc
        if place.learner != NOBODY:
            yield "relation", place.npc, place.learner
    if place.learner != NOBODY:
        yield "learner", place.learner


def state_of(kind: str, plain: Any) -> Any:
    """A state as somebody said it, as the actor's own dataclass.

    Raises:
        ValueError: that is no such state.
    """
    decider, adapter = DECIDERS[kind]
    if isinstance(plain, type(decider.initial)):
        return plain
    try:
        return adapter.validate_python(plain)
    except ValidationError as error:
        raise ValueError(re.sub(r"\s+", " ", str(error))) from error


def session_state(plain: Any) -> Any:
    return state_of("session", plain)


def difference(expected: Any, found: Any) -> str:
    """Which fields of two states of one kind differ, as text."""
    parts = [
        f"{name} is {getattr(found, name)!r}, should be {getattr(expected, name)!r}"
        for name in type(expected).__slots__
        if getattr(expected, name) != getattr(found, name)
    ]
    return "; ".join(parts)[:400]


__all__ = [
    "DECIDERS",
    "Histories",
    "History",
    "Key",
    "concerned",
    "difference",
    "session_state",
    "state_of",
]
