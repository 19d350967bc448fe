"""The form of every actor's mind: three pure functions and nothing else.

One law: ``decide`` and ``evolve`` do no I/O, read no clock and draw no chance. Whatever of these a
decision needs comes in with the command; so a replay is exact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

S = TypeVar("S")
C = TypeVar("C")
E = TypeVar("E")


class Moment(NamedTuple):
    """Where in the journal an event stands.

    Attributes:
        sequence: of its checkpoint.
        at: when, ms since 1970 UTC.
        writer: id of the actor that wrote it.
        learner: id of the learner it concerns, empty if none.
    """

    sequence: int
    at: int
    writer: str = ""
    learner: str = ""


@dataclass(frozen=True, slots=True)
class Decider(Generic[S, C, E]):
    """A kind of actor.

    Attributes:
        initial: the state before anything happened.
        decide: ``(state, command, now) -> events``; empty if already obeyed. Raises RefusedError.
        evolve: ``(state, event, moment) -> state``; total: never refuses.
    """

    initial: S
    decide: Callable[[S, C, int], Sequence[E]]
    evolve: Callable[[S, E, Moment], S]

    def fold(self, state: S, events: Iterable[E], moment: Moment) -> S:
        """``state`` after all events of one checkpoint."""
        for event in events:
            state = self.evolve(state, event, moment)
        return state
