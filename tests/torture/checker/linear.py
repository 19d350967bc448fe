"""Linearizability by search: Wing and Gong's algorithm with Lowe's memoisation.

One law: a history is linearizable if each answered operation can be given one moment between its
invocation and its answer, and each unanswered one a moment after its invocation or none at all, so
that the operations, taken in the order of their moments, are a run of the model.

The search takes operations off the front of the history one by one, any that was invoked before
the first remaining answer, and goes back where the model forbids it. What it has seen (the set of
operations taken, and the state) it does not look at twice. (Wing, Gong: Testing and verifying
concurrent objects, 1993; Lowe: Testing for linearizability, 2017.)
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

S = TypeVar("S", bound=Hashable)
O_contra = TypeVar("O_contra", contravariant=True)
O = TypeVar("O")  # noqa: E741 - an operation


class Model(Protocol[S, O_contra]):
    """What the object is when one operation comes after the other."""

    def initial(self) -> S: ...

    def step(self, state: S, op: O_contra) -> S | None:
        """The state after ``op`` with the answer it was given; None where that answer is wrong in
        ``state``. An unanswered operation has no wrong answer."""
        ...


@dataclass(frozen=True, slots=True)
class Call(Generic[O]):
    """One operation in time.

    Attributes:
        invoked, answered: on one clock; None: never answered. A moment that is the answer of one
            and the invocation of another orders nothing: the two are concurrent.
    """

    op: O
    invoked: int
    answered: int | None = None


@dataclass(frozen=True, slots=True)
class Linearization(Generic[O]):
    """What the search came to.

    Attributes:
        order: the operations in an order that explains them; where there is none, the longest one
            that was found.
        stuck: the first answer that could not be explained behind ``order``; None if all were.
    """

    order: tuple[O, ...]
    stuck: O | None

    @property
    def found(self) -> bool:
        return self.stuck is None


class _Moment:
    """An invocation or an answer in a doubly linked list in the order of time.

    Attributes:
        number: of its operation; -1: the list's head.
        answer: of an invocation, its answer, None where there is none.
    """

    __slots__ = ("answer", "before", "behind", "invokes", "number")

    def __init__(self, number: int, *, invokes: bool) -> None:
        self.number = number
        self.invokes = invokes
        self.answer: _Moment | None = None
        self.before: _Moment | None = None
        self.behind: _Moment | None = None

    def unlink(self) -> None:
        assert self.before is not None
        self.before.behind = self.behind
        if self.behind is not None:
            self.behind.before = self.before

    def relink(self) -> None:
        """Undoes :meth:`unlink`; the last one unlinked has to come first."""
        assert self.before is not None
        self.before.behind = self
        if self.behind is not None:
            self.behind.before = self


def _linked(calls: Sequence[Call[O]]) -> _Moment:
    """The head of all moments; at equal times invocations come first."""
    moments: list[tuple[int, bool, int, _Moment]] = []
    for number, call in enumerate(calls):
        entry = _Moment(number, invokes=True)
        moments.append((call.invoked, False, number, entry))
        if call.answered is not None:
            entry.answer = _Moment(number, invokes=False)
            moments.append((call.answered, True, number, entry.answer))
    head = last = _Moment(-1, invokes=False)
    for *_, moment in sorted(moments, key=lambda item: item[:3]):
        last.behind, moment.before = moment, last
        last = moment
    return head


def _take(entry: _Moment) -> None:
    entry.unlink()
    if entry.answer is not None:
        entry.answer.unlink()


def _put_back(entry: _Moment) -> None:
    if entry.answer is not None:
        entry.answer.relink()
    entry.relink()


def linearize(model: Model[S, O], calls: Sequence[Call[O]]) -> Linearization[O]:
    """Searches for an order that explains all answers.

    Takes exponential time in the number of operations that run at once, in the worst case.
    """
    head = _linked(calls)
    due = sum(1 << number for number, call in enumerate(calls) if call.answered is not None)
    state, taken = model.initial(), 0
    seen: set[tuple[int, S]] = {(taken, state)}
    path: list[tuple[_Moment, S]] = []
    longest: list[int] = []
    stuck: O | None = None
    moment = head.behind
    while due & ~taken:
        assert moment is not None, "the answer of whoever is due is still in the list"
        if moment.invokes:
            after = model.step(state, calls[moment.number].op)
            with_it = taken | 1 << moment.number
            if after is None or (with_it, after) in seen:
                moment = moment.behind
                continue
            seen.add((with_it, after))
            path.append((moment, state))
            state, taken = after, with_it
            _take(moment)
            moment = head.behind
            continue
        # The answer of somebody who has not been taken: it comes too early for all that is left.
        if stuck is None or len(path) > len(longest):
            longest = [entry.number for entry, _ in path]
            stuck = calls[moment.number].op
        if not path:
            return Linearization(tuple(calls[number].op for number in longest), stuck)
        last, state = path.pop()
        taken &= ~(1 << last.number)
        _put_back(last)
        moment = last.behind
    return Linearization(tuple(calls[entry.number].op for entry, _ in path), None)


__all__ = ["Call", "Linearization", "Model", "linearize"]
