"""NPCs: what they are, and how they stand with each learner."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holodeck.actors.decider import Moment
from holodeck.actors.npc import band, npc, relation
from holodeck.actors.npc.decider import (
    CEILING,
    FLOOR,
    NPC_STATE,
    RELATION_STATE,
    NpcState,
    OpenTasks,
    Relation,
)
from holodeck.messages.codec import pack, unpack
from holodeck.messages.npc import DescribeNpc, NpcDescribed
from holodeck.messages.session import (
    FrictionDetected,
    FrictionType,
    NpcParted,
    Outcome,
    ReputationChanged,
    TaskAdded,
    TaskCompleted,
    TaskRetried,
    TaskRouted,
    TaskStarted,
    TurnAnswered,
    TurnTaken,
)
from tests.messages.strategies import EVENTS, any_of

TURN = TurnTaken(turn=1, npc="marta", text="hola")
PARTED = NpcParted(npc="marta", turns=1)
laws = settings(max_examples=100, deadline=None)


def at(sequence: int, writer: str = "sess_1") -> Moment:
    return Moment(sequence, 1000 * sequence, writer, "ana")


def told(*events: Any, writer: str = "sess_1", since: Relation | None = None) -> Relation:
    """The relation after these events, each in a checkpoint of its own."""
    state = since or relation.initial
    for event in events:
        state = relation.evolve(state, event, at(state.last_sequence + 1, writer))
    return state


def moved(delta: float, reason: str = "") -> ReputationChanged:
    return ReputationChanged(npc="marta", delta=delta, reason=reason)


# --- standing ----------------------------------------


@pytest.mark.parametrize(
    ("reputation", "feels"),
    [
        (1.0, "warm"),
        (0.5, "warm"),
        (0.499999, "friendly"),
        (0.05, "friendly"),
        (0.0, "friendly"),
        (-0.000001, "cool"),
        (-0.3, "cool"),
        (-0.300001, "cold"),
        (-0.5, "cold"),
    ],
)
def test_a_standing_feels_like_its_band(reputation: float, feels: str) -> None:
    assert band(reputation) == feels


def test_strangers_stand_at_zero_and_friendly() -> None:
    assert relation.initial.reputation == 0.0
    assert band(relation.initial.reputation) == "friendly"


@pytest.mark.parametrize(
    ("deltas", "standing"),
    [
        ([0.05], 0.05),
        ([0.1, 0.1, 0.1], 0.3),
        ([1.0, 1.0], 1.0),
        ([-1.0], -0.5),
        ([-1.0, 0.1], -0.4),
        ([1.0, 0.5, -0.2], 0.8),
    ],
)
def test_standing_is_clamped_at_every_step(deltas: list[float], standing: float) -> None:
    assert told(*map(moved, deltas)).reputation == standing


@laws
@given(st.lists(st.floats(-1, 1), max_size=50))
def test_standing_never_leaves_its_bounds(deltas: list[float]) -> None:
    assert FLOOR <= told(*map(moved, deltas)).reputation <= CEILING


def test_the_last_reason_is_kept() -> None:
    assert told(moved(0.1, "kind"), moved(-0.1, "late")).last_reason == "late"


# --- what is counted ----------------------------------------


def test_turns_either_way_are_interactions() -> None:
    state = told(TURN, TurnAnswered(turn=1, npc="marta", text="sí"), TURN)
    assert (state.interactions, state.checkpoints, state.last_sequence) == (3, 3, 3)
    assert (state.first_at, state.last_at) == (1000, 3000)


def test_a_checkpoint_of_several_events_is_one_meeting() -> None:
    events: list[Any] = [
        TURN,
        FrictionDetected(type=FrictionType.LEXICAL, severity=0.5, turn=1, npc="marta"),
        moved(-0.025),
    ]
    state = relation.fold(relation.initial, events, at(7))
    assert (state.interactions, state.friction, state.reputations) == (1, 1, 1)
    assert (state.checkpoints, state.last_sequence) == (1, 7)


def test_a_session_is_counted_when_it_ends() -> None:
    assert told(TURN).sessions == 0
    assert told(TURN, PARTED).sessions == 1


def test_tasks_are_open_from_being_given_until_their_end() -> None:
    given_later = TaskRouted(task="t", npc="marta", match=1.0, fallback=False)
    given_at_once = TaskAdded(task="u", npc="marta")
    state = told(given_later, TaskStarted(task="t", npc="marta"), given_at_once)
    assert state.open == (OpenTasks("sess_1", 2),)
    state = told(TaskCompleted(task="u", outcome=Outcome.FAILED, npc="marta"), since=state)
    assert state.open == (OpenTasks("sess_1", 1),)
    state = told(TaskCompleted(task="t", outcome=Outcome.SUCCESS, npc="marta"), since=state)
    assert (state.open, state.tasks) == ((), 5)


def test_each_attempt_at_a_task_is_given_and_ended_for_itself() -> None:
    """Whoever gets the next one: a retried task is given to nobody at first."""
    given = TaskRouted(task="t", npc="marta", match=1.0, fallback=False)
    failed = TaskCompleted(task="t", outcome=Outcome.FAILED, npc="marta")
    state = told(given, failed, TaskRetried(task="t", attempt=2))
    assert state.open == ()
    state = told(given.model_copy(update={"attempt": 2}), since=state)
    assert state.open == (OpenTasks("sess_1", 1),)
    state = told(failed.model_copy(update={"attempt": 2}), since=state)
    assert state.open == ()


def test_the_end_of_a_session_closes_its_tasks_and_no_others() -> None:
    other = told(TaskAdded(task="t", npc="marta"), writer="sess_2")
    state = told(TaskAdded(task="t", npc="marta"), TaskAdded(task="u", npc="marta"), since=other)
    assert state.open == (OpenTasks("sess_2", 1), OpenTasks("sess_1", 2))
    closing = [TaskCompleted(task=task, outcome=Outcome.CANCELLED) for task in "tuv"]
    state = relation.fold(state, [*closing, PARTED], at(9))
    assert state.open == (OpenTasks("sess_2", 1),)


# --- what it is ----------------------------------------


def test_an_npc_is_described_and_described_anew() -> None:
    (event,) = npc.decide(npc.initial, DescribeNpc(name="Marta", role="waiter"), 0)
    assert event == NpcDescribed(name="Marta", role="waiter")
    state = npc.evolve(npc.initial, event, at(1, "marta"))
    assert (state.name, state.role, state.last_at) == ("Marta", "waiter", 1000)
    assert npc.decide(state, DescribeNpc(name="Marta", role="waiter"), 0) == ()
    assert npc.decide(state, DescribeNpc(name="Marta"), 0) == (NpcDescribed(name="Marta"),)


def test_an_npc_counts_what_named_it() -> None:
    state = npc.initial
    events: list[Any] = [TURN, TURN, moved(0.1), PARTED]
    for number, event in enumerate(events, 1):
        state = npc.evolve(state, event, at(number))
    assert state == NpcState(turns=2, partings=1, checkpoints=4, last_at=4000)


def test_a_relation_is_never_spoken_to() -> None:
    assert relation.decide(relation.initial, DescribeNpc(name="x"), 0) == ()


# --- laws ----------------------------------------


@laws
@given(st.lists(any_of(EVENTS), max_size=12))
def test_folds_are_total_pure_and_survive_a_snapshot(events: list[Any]) -> None:
    minds: list[tuple[Any, Any]] = [(npc, NPC_STATE), (relation, RELATION_STATE)]
    for mind, adapter in minds:
        state: Any = mind.initial
        in_place: Any = mind.initial
        for number, event in enumerate(events, 1):
            before = pack(adapter.dump_python(state))
            after = mind.evolve(state, event, at(number))
            assert pack(adapter.dump_python(state)) == before
            mind.advance(in_place, [event], at(number))
            state = after
        data = pack(adapter.dump_python(state))
        assert pack(adapter.dump_python(in_place)) == data
        back = adapter.validate_python(unpack(data))
        assert back == state
        assert pack(adapter.dump_python(back)) == data
