"""The search for an order, against known examples and against trying every order."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.torture.checker.linear import Call, linearize
from tests.torture.checker.walk import LineModel, Look, Setback, as_calls, walk

Register = tuple[str, int | None]
"""``("w", 3)`` writes 3; ``("r", 3)`` read 3; ``("r", None)`` read and was never told."""


class RegisterModel:
    """A cell that begins as 0."""

    def initial(self) -> int:
        return 0

    def step(self, state: int, op: Register) -> int | None:
        what, value = op
        if what == "w":
            return value
        return state if value in (state, None) else None


def w(value: int, begin: int, end: int | None) -> Call[Register]:
    return Call(("w", value), begin, end)


def r(value: int | None, begin: int, end: int | None) -> Call[Register]:
    return Call(("r", value), begin, end)


GOOD: Final = {
    "nothing": [],
    "one after the other": [w(1, 0, 1), r(1, 2, 3), w(2, 4, 5), r(2, 6, 7)],
    "a read beside a write may be before it": [w(1, 0, 10), r(0, 2, 3)],
    "or behind it": [w(1, 0, 10), r(1, 2, 3)],
    "or one each, in that order": [w(1, 0, 10), r(0, 1, 2), r(1, 3, 4)],
    "two writes at once, seen in the order of their ends reversed": [
        w(1, 0, 10), w(2, 1, 9), r(1, 11, 12),
    ],
    "an unanswered write takes effect late": [w(1, 0, None), r(0, 5, 6), r(1, 7, 8)],
    "an unanswered write never takes effect": [w(1, 0, None), r(0, 5, 6), r(0, 7, 8)],
    "two unanswered writes in either order": [
        w(1, 0, None), w(2, 0, None), r(2, 1, 2), r(1, 3, 4),
    ],
    "an unanswered read says nothing": [w(1, 0, 1), r(None, 2, None), r(1, 5, 6)],
    "what ends as the other begins is beside it": [w(1, 0, 5), r(0, 5, 6)],
    "a choice that has to be taken back": [
        w(1, 0, 9), w(2, 0, 9), w(3, 0, 9), r(2, 3, 10), r(1, 11, 12),
    ],
}  # fmt: skip
BAD: Final = {
    "a read of what nobody wrote": [r(7, 0, 1)],
    "a stale read": [w(1, 0, 1), r(0, 2, 3)],
    "a read from the future": [r(1, 0, 1), w(1, 2, 3)],
    "there and back again": [w(1, 0, 10), r(1, 1, 2), r(0, 3, 4)],
    "two readers do not agree": [
        w(1, 0, 10), w(2, 0, 10), r(1, 1, 4), r(2, 5, 8), r(1, 11, 12),
    ],
    "an unanswered write before it was sent": [r(1, 0, 1), w(1, 2, None)],
    "an unanswered write takes effect once": [
        w(1, 0, None), w(2, 2, 3), r(1, 4, 5), w(2, 6, 7), r(1, 8, 9),
    ],
    "an overwritten value comes back": [w(1, 0, 1), w(2, 2, 3), r(1, 4, 5)],
}  # fmt: skip


@pytest.mark.parametrize("calls", GOOD.values(), ids=GOOD.keys())
def test_a_history_that_has_an_order_is_explained(calls: list[Call[Register]]) -> None:
    assert linearize(RegisterModel(), calls).found


@pytest.mark.parametrize("calls", BAD.values(), ids=BAD.keys())
def test_a_history_that_has_none_is_found_out(calls: list[Call[Register]]) -> None:
    found = linearize(RegisterModel(), calls)
    assert not found.found
    assert found.stuck is not None


def test_the_order_is_a_run_of_the_model_and_what_is_stuck_is_named() -> None:
    good = linearize(RegisterModel(), GOOD["a choice that has to be taken back"])
    assert good.order[-1] == ("r", 1)
    assert good.order.index(("w", 2)) < good.order.index(("r", 2)) < good.order.index(("w", 1))
    bad = linearize(RegisterModel(), BAD["a stale read"])
    assert bad.order == (("w", 1),)
    assert bad.stuck == ("r", 0)


def test_thousands_of_operations_are_searched_in_seconds() -> None:
    """Each read beside its write and the two that follow, and each of them has to be put back."""
    calls: list[Call[Register]] = []
    for n in range(1, 2000):
        calls += [w(n, n * 10, n * 10 + 8), r(n - 1, n * 10 + 1, n * 10 + 25)]
    assert linearize(RegisterModel(), calls).found


# --- against trying every order ----------------------------------------


def brute(calls: list[Call[Register]]) -> bool:
    """By definition: some choice of the unanswered, in some order that time allows."""
    model = RegisterModel()
    answered = [call for call in calls if call.answered is not None]
    open_ended = [call for call in calls if call.answered is None]
    for chosen in range(1 << len(open_ended)):
        some = answered + [call for n, call in enumerate(open_ended) if chosen >> n & 1]
        for order in permutations(some):
            if _in_time(order) and _runs(model, order):
                return True
    return False


def _in_time(order: tuple[Call[Register], ...]) -> bool:
    return not any(
        later.answered is not None and later.answered < earlier.invoked
        for n, earlier in enumerate(order)
        for later in order[n + 1 :]
    )


def _runs(model: RegisterModel, order: tuple[Call[Register], ...]) -> bool:
    state: int | None = model.initial()
    for call in order:
        assert state is not None
        state = model.step(state, call.op)
        if state is None:
            return False
    return True


MOMENTS = st.tuples(st.integers(0, 8), st.integers(0, 8)).map(lambda two: (min(two), max(two)))
CALLS = st.builds(
    lambda what, value, moment, told: Call(
        (what, value if what == "w" or told else None), moment[0], moment[1] if told else None
    ),
    st.sampled_from("wrr"),
    st.integers(0, 2),
    MOMENTS,
    st.sampled_from([True, True, True, False]),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(CALLS, max_size=6))
def test_the_search_finds_an_order_exactly_if_there_is_one(calls: list[Call[Register]]) -> None:
    assert linearize(RegisterModel(), calls).found == brute(calls)


# --- the walk against the search ----------------------------------------

LOOKS = st.builds(
    lambda moment, right: Look(
        "op", moment[0], moment[1], lambda k, right=right: k in right  # type: ignore[misc]
    ),
    MOMENTS,
    st.frozensets(st.integers(0, 4), max_size=3),
)  # fmt: skip


@settings(max_examples=500, deadline=None)
@given(st.lists(st.integers(0, 8), max_size=4), st.lists(LOOKS, max_size=6))
def test_the_walk_along_a_known_line_is_as_exact_as_the_search(
    earliest: list[int], looks: list[Look[str]]
) -> None:
    searched = linearize(LineModel[str](), as_calls(earliest, looks)).found
    assert (not list(walk(earliest, looks))) == searched


def look(op: str, begin: int, end: int, *right: int, sequence: int | None = None) -> Look[str]:
    return Look(op, begin, end, lambda k: k in right, sequence)


def test_the_walk_says_who_pushed_and_what_was_out_of_reach() -> None:
    pushed, *_ = walk([0, 0, 0], [look("first", 1, 2, 2), look("stale", 3, 4, 1)])
    assert (pushed.look.op, pushed.position, pushed.pushed_by) == ("stale", 2, "first")
    early, *_ = walk([0, 50], [look("early", 1, 2, 2)])
    assert (early.look.op, early.unsent) == ("early", 2)


LOSS: Final = Setback(begin=100, until=110, end=5, position=1)


def test_what_a_power_loss_took_may_have_been_read_before_it() -> None:
    """Position 1 is sequence 5, all that was kept; 6 and 7 came before the loss and are gone."""
    before = look("before", 10, 20, sequence=7)
    after = look("after", 120, 130, 1, sequence=5)
    assert not list(walk([0, 115], [before, after], [LOSS]))
    assert list(walk([0, 115], [before, after]))


def test_nothing_goes_back_before_a_power_loss() -> None:
    lost = look("lost", 10, 20, sequence=7)
    back = look("back", 30, 40, 1, sequence=5)
    failure, *_ = walk([0], [lost, back], [LOSS])
    assert (failure.look.op, failure.pushed_by) == ("back", "lost")


def test_an_earlier_state_is_told_also_from_within_what_a_power_loss_took() -> None:
    lost = look("lost", 10, 20, sequence=7)
    as_of = replace(look("as-of", 30, 40, 1, sequence=5), back=True)
    assert not list(walk([0], [lost, as_of], [LOSS]))
    wrong = replace(look("wrong", 30, 40, sequence=5), back=True)
    assert [failure.look.op for failure in walk([0], [lost, wrong], [LOSS])] == ["wrong"]


def test_who_asks_in_what_a_power_loss_takes_may_be_answered_out_of_what_it_leaves() -> None:
    lost = look("lost", 10, 20, sequence=7)
    across = look("across", 30, 130, 1, sequence=5)
    assert not list(walk([0], [lost, across], [LOSS]))
    wrong = look("wrong", 30, 130, 0, sequence=5)
    assert [failure.look.op for failure in walk([0], [lost, wrong], [LOSS])] == ["wrong"]


def test_what_a_power_loss_took_is_not_read_after_it() -> None:
    ghost = look("ghost", 120, 130, sequence=7)
    assert [failure.look.op for failure in walk([0], [ghost], [LOSS])] == ["ghost"]


def test_what_was_kept_had_happened() -> None:
    """Also if nobody had asked before."""
    behind = look("behind", 120, 130, 0, sequence=0)
    assert list(walk([0], [behind], [LOSS]))
    assert not list(walk([0], [behind], [LOSS], lags=True))
