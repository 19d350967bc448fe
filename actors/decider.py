"""The form of every actor's mind: pure functions and nothing else.

One law: ``decide`` and ``evolve`` do no I/O, read no clock and draw no chance. Whatever of these a
decision needs comes in with the command; so a replay is exact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, Protocol, Self, TypeVar


class Copyable(Protocol):
    def copy(self) -> Self:
        """An equal state that shares nothing changeable with this one."""
        ...


S = TypeVar("S", bound=Copyable)
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
        new: makes the state before anything happened.
        decide: ``(state, command, now) -> events``; empty if already obeyed. Raises RefusedError,
            and changes nothing.
        changes: by type of event, what it changes in a state that is the caller's own. Total:
            an event that is not there changes nothing, none is ever refused.
        seen: called once for each checkpoint before its events.
        over: whether a state is final, as that of one who was erased: nothing changes it any more.
    """

    new: Callable[[], S]
    decide: Callable[[S, C, int], Sequence[E]]
    changes: Mapping[type, Callable[[S, Any, Moment], None]]
    seen: Callable[[S, Moment], None] | None = None
    over: Callable[[S], bool] | None = None

    @property
    def initial(self) -> S:
        return self.new()

    def advance(self, state: S, events: Iterable[E], moment: Moment) -> None:
        """Folds one checkpoint into a state that nobody else holds, in place.

        What runs ten thousand times a second copies nothing; everyone else uses :meth:`fold`.
        """
        if self.over is not None and self.over(state):
            return
        if self.seen is not None:
            self.seen(state, moment)
        changes = self.changes
        for event in events:
            change = changes.get(type(event))
            if change is not None:
                change(state, event, moment)

    def fold(self, state: S, events: Iterable[E], moment: Moment) -> S:
        """The state after all events of one checkpoint; ``state`` stays as it is."""
        after = state.copy()
        self.advance(after, events, moment)
        return after

    def evolve(self, state: S, event: E, moment: Moment) -> S:
        """The state after one event; ``state`` stays as it is."""
        return self.fold(state, (event,), moment)
