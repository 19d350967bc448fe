"""Linearizability where the order of all writes is known: a walk instead of a search.

The journal says in which order an actor's state changed. So its states are a line, position 0, 1,
2, …, and the question is only *when* it was at each position: every operation needs a moment
between its invocation and its answer at which the actor was at a position that fits the answer.

Going on as late as possible answers that exactly. The walk goes through invocations and answers in
the order of time and moves on only when an answer cannot be explained otherwise, and then to the
nearest position that explains it: whoever moves on earlier or further is, at every later moment, at
the same position or ahead, and can explain nothing that the walk cannot. So it costs one step for
each position and answer, where a search costs an exponential number. A test compares it with
:mod:`tests.torture.checker.linear` on histories of every small shape.

A power loss sets the actor back to a position. What was done beyond it and is not in the journal
any more is a stretch of which only the answers are known: there a read is believed if its sequence
lies in it, and a refusal is believed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from tests.torture.checker.linear import Call

T = TypeVar("T")

_INVOKED: Final = 0
_LOST: Final = 1
_ANSWERED: Final = 2


@dataclass(frozen=True, slots=True)
class Look(Generic[T]):
    """An answered operation, and where on the line its answer is right.

    Attributes:
        op: whose it is, for reports.
        fits: whether it is right at a position.
        sequence: that was answered; None where the answer names none. A sequence beyond what a
            power loss left was read in what is lost.
        stands: it was answered with a checkpoint that stands in the journal.
        back: it asked for an earlier state, whatever has happened since.
    """

    op: T
    invoked: int
    answered: int
    fits: Callable[[int], bool]
    sequence: int | None = None
    stands: bool = False
    back: bool = False


@dataclass(frozen=True, slots=True)
class Setback:
    """A power loss, as one line sees it.

    Attributes:
        begin, until: the server was away between these.
        end: last sequence of the journal afterwards; position: of the line there.
        since: nothing of what it took was stored before that.
    """

    begin: int
    until: int
    end: int
    position: int
    since: int = 0


@dataclass(frozen=True, slots=True)
class Unexplained(Generic[T]):
    """An answer for which there is no moment.

    Attributes:
        position: where the line certainly was when it was given; pushed_by: whose answer needed
            that, None if nobody's.
        unsent: the first position that was out of reach, because its command had not been sent yet
            when the answer came; None if no position ahead would have fitted.
    """

    look: Look[T]
    position: int
    pushed_by: T | None
    unsent: int | None


def walk(
    earliest: Sequence[int],
    looks: Sequence[Look[T]],
    setbacks: Sequence[Setback] = (),
    *,
    lags: bool = False,
) -> Iterator[Unexplained[T]]:
    """Every answer that cannot be explained; none if the history is linearizable.

    An answer given while the server was away in a power loss is not judged.

    Args:
        earliest: for each step, from position n to n + 1, the time before which it cannot be.
        setbacks: in the order of time.
        lags: the actor follows the journal at a distance: what the restored store holds need not
            have reached it.
    """
    timeline: list[tuple[int, int, int]] = []
    for number, look in enumerate(looks):
        if not any(s.begin <= look.answered <= s.until for s in setbacks):
            timeline += [(look.invoked, _INVOKED, number), (look.answered, _ANSWERED, number)]
    timeline += [(setback.begin, _LOST, number) for number, setback in enumerate(setbacks)]
    line: _Line[T] = _Line(earliest, setbacks, lags)
    for time, what, number in sorted(timeline):
        if what == _INVOKED:
            line.invoke(looks[number])
        elif what == _LOST:
            line.lose(number)
        else:
            failure = line.answer(looks[number], time)
            if failure is not None:
                yield failure


class _Line(Generic[T]):
    """Where the line is, and who still waits for a moment.

    Attributes:
        position: the least it can be; lost: beyond it, in what a power loss will take.
    """

    def __init__(self, earliest: Sequence[int], setbacks: Sequence[Setback], lags: bool) -> None:
        self._earliest = earliest
        self._setbacks = setbacks
        self._lags = lags
        self._era = 0
        self._waiting: dict[int, Look[T]] = {}
        self._pushed_by: T | None = None
        self.position = 0
        self.lost = False

    # -- what is reached in this era ----------------------------------------

    @property
    def _limit(self) -> int:
        """The last position of this era: every later loss leaves it standing."""
        ends = [setback.position for setback in self._setbacks[self._era :]]
        return min([len(self._earliest), *ends])

    @property
    def _cap(self) -> int | None:
        """The last sequence of this era that stands in the journal; None in the last era."""
        return min((setback.end for setback in self._setbacks[self._era :]), default=None)

    @property
    def _lost_since(self) -> int:
        """Before this time nothing of what is lost had happened."""
        return min((setback.since for setback in self._setbacks[self._era :]), default=0)

    def _fits_lost(self, look: Look[T]) -> bool:
        cap = self._cap
        if cap is None:
            return False
        if look.stands or look.back:
            # What was there before the lost stretch can be told from within it too.
            return look.fits(self._limit) or look.sequence is None or look.sequence > cap
        return look.sequence is None or look.sequence > cap

    def _fits(self, look: Look[T]) -> bool:
        return self._fits_lost(look) if self.lost else look.fits(self.position)

    # -- events ----------------------------------------

    def invoke(self, look: Look[T]) -> None:
        if not self._fits(look):
            self._waiting[id(look)] = look

    def answer(self, look: Look[T], time: int) -> Unexplained[T] | None:
        if self._waiting.pop(id(look), None) is None or self._answered_across_loss(look):
            return None
        if self.lost:
            return Unexplained(look, self.position, self._pushed_by, None)
        unsent: int | None = None
        for target in range(self.position + 1, self._limit + 1):
            if self._earliest[target - 1] > time:
                unsent = target
                break
            if look.fits(target):
                self._go(target, look.op)
                return None
        if unsent is None and time >= self._lost_since and self._fits_lost(look):
            self._go_astray(look.op)
            return None
        return Unexplained(look, self.position, self._pushed_by, unsent)

    def _answered_across_loss(self, look: Look[T]) -> bool:
        """Sent before a power loss and answered after it: it may have been what is lost that
        explains it. Nothing is concluded from such an answer."""
        return not look.stands and any(
            look.invoked <= setback.until < look.answered
            and (look.sequence is None or look.sequence > setback.end)
            for setback in self._setbacks[: self._era]
        )

    def lose(self, number: int) -> None:
        """The store is as it was: everything in it had happened, nothing else has."""
        setback = self._setbacks[number]
        kept = min(setback.position, self._limit)
        if kept > self.position and not self._lags:
            self._go(kept, None)
        self.position = min(self.position, kept)
        self.lost = False
        self._pushed_by = None
        self._era = number + 1
        # Whoever was asked in what is lost may be answered out of what was kept.
        self._settle()

    # -- moving ----------------------------------------

    def _go(self, target: int, for_whom: T | None) -> None:
        """Moves on step by step; whoever waits and fits on the way has had its moment."""
        while self.position < target:
            self.position += 1
            self._settle()
        self._pushed_by = for_whom

    def _go_astray(self, for_whom: T) -> None:
        """Behind all that stands in this era begins what is lost."""
        self._go(self._limit, for_whom)
        self.lost = True
        self._settle()

    def _settle(self) -> None:
        self._waiting = {key: look for key, look in self._waiting.items() if not self._fits(look)}


class LineModel(Generic[T]):
    """The same question for the search: the state is the position, and each step of the line is an
    operation of its own that nobody answers."""

    def initial(self) -> int:
        return 0

    def step(self, state: int, op: Look[T] | int) -> int | None:
        if isinstance(op, int):
            return op + 1 if op == state else None
        return state if op.fits(state) else None


def as_calls(earliest: Sequence[int], looks: Sequence[Look[T]]) -> list[Call[Look[T] | int]]:
    """Steps and answers as operations for :func:`linear.linearize`; without power losses."""
    steps: list[Call[Look[T] | int]] = [Call(n, time) for n, time in enumerate(earliest)]
    steps += [Call(look, look.invoked, look.answered) for look in looks]
    return steps


__all__ = ["LineModel", "Look", "Setback", "Unexplained", "as_calls", "walk"]
