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
from holodeck.actors.npc.memory import FACTS, MEMORIES, TOPICS
from holodeck.actors.npc.relation import HISTORY, INCIDENTS, TRAIL, Bond, Debrief
from holodeck.actors.npc.standing import WEEK_MS, turned
from holodeck.messages.base import MAX_STATE
from holodeck.messages.codec import pack, unpack
from holodeck.messages.conversation import (
    Mood,
    OpennessState,
    ProfessionalKind,
    ProfessionalOutcome,
)
from holodeck.messages.npc import DescribeNpc, NpcDescribed
from holodeck.messages.player import LearnerErased
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
from holodeck.messages.talk import (
    Culture,
    FactLearned,
    GoalReached,
    IncidentArose,
    IncidentResolved,
    MoodChanged,
    NegotiationCollapsed,
    OpennessChanged,
    Parting,
    ProfessionalRecorded,
    Traits,
)
from tests.messages.strategies import EVENTS, any_of

TURN = TurnTaken(turn=1, npc="marta", text="hola")
PARTED = NpcParted(npc="marta", turns=1)
TURN_FROM_HALF = TURN.model_copy(update={"base": 0.5})
COLLAPSED = NegotiationCollapsed(npc="marta", turn=1, cause="openness")
NAMING = tuple(relation.changes)
"""Events that change a relation."""
MOVING = tuple(kind for kind in NAMING if kind is not LearnerErased)
"""Those that leave something of it."""
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


def parted(memory: str, **more: Any) -> NpcParted:
    return NpcParted(npc="marta", turns=1, parting=Parting(memory=memory, **more))


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


# --- what moved it, and why ----------------------------------------


def test_a_standing_begins_where_the_first_turn_says_and_only_there() -> None:
    state = told(TURN.model_copy(update={"base": 0.4}), TURN.model_copy(update={"base": 0.9}))
    assert (state.begun, state.reputation) == (True, 0.4)
    assert [(one.cause, one.delta) for one in state.changes] == [("begun", 0.4)]


def test_a_standing_that_begins_by_being_moved_begins_from_its_base() -> None:
    state = told(ReputationChanged(npc="marta", delta=0.1, base=-0.3), TURN_FROM_HALF)
    assert state.reputation == -0.2


def test_who_has_met_without_a_base_begins_at_nothing() -> None:
    assert told(TURN, TURN_FROM_HALF).reputation == 0.0


def test_being_spoken_to_begins_no_standing() -> None:
    state = told(TurnAnswered(turn=0, npc="marta", text="¡hola!"), TURN_FROM_HALF)
    assert state.reputation == 0.5


@pytest.mark.parametrize(
    ("events", "cause"),
    [
        ([moved(0.1, "kind")], "told"),
        ([TURN, moved(0.05, "clean turn")], "turn"),
        ([GoalReached(npc="marta", objective="order"), moved(0.1)], "goal"),
        (
            [TURN, NegotiationCollapsed(npc="marta", turn=1, cause="openness"), moved(-1)],
            "collapse",
        ),
        ([IncidentResolved(npc="marta", incident="i1"), moved(0.1)], "repair"),
    ],
)
def test_what_stands_before_it_in_its_checkpoint_is_why_a_standing_moved(
    events: list[Any], cause: str
) -> None:
    state = relation.fold(told(TURN), events, at(9, "sess_2"))
    (change,) = state.changes
    assert (change.cause, change.sequence, change.session) == (cause, 9, "sess_2")
    assert change.score == state.reputation
    state = relation.fold(state, [moved(0.1)], at(10))
    assert state.changes[-1].cause == "told"


def test_weeks_without_meeting_fade_a_standing_when_they_meet_again() -> None:
    state = told(moved(0.8))
    later = Moment(2, 1000 + 3 * WEEK_MS, "sess_2", "ana")
    assert state.standing(later.at) == 0.5
    after = relation.fold(state, [TURN, moved(0.1, "kind")], later)
    assert after.reputation == after.standing(later.at) == 0.6
    assert [(one.cause, one.delta, one.score) for one in after.changes[1:]] == [
        ("faded", -0.3, 0.5),
        ("turn", 0.1, 0.6),
    ]


def test_a_checkpoint_of_an_earlier_clock_neither_fades_nor_turns_time_back() -> None:
    state = told(moved(0.8), since=Relation(first_at=1, last_at=9 * WEEK_MS))
    assert (state.reputation, state.last_at) == (0.8, 9 * WEEK_MS)


def test_only_the_newest_fifty_moves_are_kept() -> None:
    state = told(*(moved(0.01, f"no. {number}") for number in range(1, 61)))
    assert [one.reason for one in state.changes] == [f"no. {n}" for n in range(11, 61)]
    assert state.reputations == 60


# --- what conversations leave ----------------------------------------


def test_plain_turns_leave_nothing_but_numbers() -> None:
    assert told(TURN, moved(0.1), PARTED).bond is None


def test_a_fact_heard_twice_is_one_fact() -> None:
    fact = FactLearned(npc="marta", fact="Has two cats", confidence=0.7)
    again = FactLearned(npc="marta", fact="has two cats", confidence=0.4)
    (kept,) = told(fact, again).facts
    assert (kept.fact, kept.confidence, kept.evidence) == ("Has two cats", 0.7, 2)
    assert (kept.since, kept.at) == (1000, 2000)


def test_a_parting_leaves_a_memory_and_tells_which_were_recalled() -> None:
    state = told(parted("We spoke of trains."), parted("We spoke of tea.", recalled=(1,)))
    assert [(one.content, one.number, one.recalls) for one in state.memories] == [
        ("We spoke of trains.", 1, 1),
        ("We spoke of tea.", 2, 0),
    ]
    assert state.sessions == 2


def test_a_parting_without_words_leaves_no_memory() -> None:
    assert told(parted("", openness=0.4)).memories == ()
    assert told(parted("", openness=0.4)).bond == Bond(openness=0.4)


def test_mood_and_openness_stay_as_they_were_left() -> None:
    state = told(
        MoodChanged(npc="marta", turn=1, mood=Mood.COLD, before=Mood.NEUTRAL, trigger="x"),
        OpennessChanged(npc="marta", turn=1, score=0.6, penalty=0.1, state=OpennessState.OPEN),
    )
    assert state.bond is not None
    assert (state.bond.mood_at, state.bond.openness) == (1000, 0.6)
    assert state.mood(1000 + 9 * 60_000) is Mood.COLD
    assert state.mood(1000 + 10 * 60_000) is Mood.NEUTRAL


def test_topics_are_kept_as_they_are_turned_to() -> None:
    turns = [TURN.model_copy(update={"topic": topic}) for topic in ("tea", "tea", "trains", "tea")]
    state = told(*turns, TURN)
    assert state.bond is not None
    assert state.bond.topics == ("tea", "trains", "tea")


def test_an_incident_is_open_until_it_is_put_right() -> None:
    arose = IncidentArose(npc="marta", incident="i1", description="too loud", impact=-0.2)
    state = told(arose, IncidentResolved(npc="marta", incident="i2"))
    assert state.bond is not None
    assert not state.bond.incidents[0].resolved
    state = told(IncidentResolved(npc="marta", incident="i1", resolution="sorry"), since=state)
    assert state.bond is not None
    (kept,) = state.bond.incidents
    assert (kept.resolved, kept.resolution, kept.impact) == (True, "sorry", -0.2)


def test_of_too_many_incidents_those_put_right_go_first() -> None:
    arose = [
        IncidentArose(npc="marta", incident=f"i{n}", description="", impact=-0.1)
        for n in range(INCIDENTS + 1)
    ]
    resolved = IncidentResolved(npc="marta", incident="i7")
    state = told(*arose[:-1], resolved, arose[-1])
    assert state.bond is not None
    names = [one.incident for one in state.bond.incidents]
    assert len(names) == INCIDENTS
    assert "i7" not in names
    assert "i0" in names


def test_a_debrief_is_pending_until_they_part_in_a_later_session() -> None:
    collapse = NegotiationCollapsed(npc="marta", turn=4, cause="aggression")
    state = told(collapse, parted("It went badly."))
    assert state.bond is not None
    assert state.bond.debrief == Debrief("sess_1", 4, "aggression", 1000)
    state = told(TURN, writer="sess_2", since=state)
    assert state.bond is not None
    assert state.bond.debrief is not None
    state = told(parted("We spoke about it."), writer="sess_2", since=state)
    assert state.bond is not None
    assert state.bond.debrief is None


def test_the_professional_history_keeps_its_newest_fifty_lines() -> None:
    lines = [
        ProfessionalRecorded(
            npc="marta",
            type=ProfessionalKind.COMMITMENT,
            description=f"no. {number}",
            outcome=ProfessionalOutcome.POSITIVE,
        )
        for number in range(60)
    ]
    state = told(*lines)
    assert state.bond is not None
    assert [one.description for one in state.bond.history] == [f"no. {n}" for n in range(10, 60)]


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


def test_an_npc_is_described_with_all_that_its_behaviour_rests_on() -> None:
    command = DescribeNpc(
        name="Marta",
        personality="dry",
        tier=3,
        traits=Traits(openness=0.9),
        culture=Culture(formality_default=0.8),
        patience=0.2,
    )
    (event,) = npc.decide(npc.initial, command, 0)
    state = npc.evolve(npc.initial, event, at(1, "marta"))
    assert (state.tier, state.personality, state.patience) == (3, "dry", 0.2)
    assert (state.traits, state.culture) == (command.traits, command.culture)
    assert npc.decide(state, command, 0) == ()
    (changed,) = npc.decide(state, command.model_copy(update={"patience": 0.3}), 0)
    assert changed == event.model_copy(update={"patience": 0.3})


# --- laws ----------------------------------------


@laws
@given(st.lists(any_of(NAMING), max_size=80), st.lists(st.integers(0, 9 * WEEK_MS), min_size=80))
def test_whatever_happens_everything_stays_within_its_bounds(
    events: list[Any], gaps: list[int]
) -> None:
    state, now = Relation(), 0
    for number, event in enumerate(events, 1):
        now += gaps[number]
        state = relation.evolve(state, event, Moment(number, now, f"sess_{number % 3}", "ana"))
        assert FLOOR <= state.reputation <= CEILING
        assert FLOOR <= state.standing(now + gaps[0]) <= CEILING
        assert len(state.changes) <= TRAIL
        bond = state.bond or Bond()
        assert len(bond.facts) <= FACTS
        assert len(bond.memories) <= MEMORIES
        assert len(bond.topics) <= TOPICS
        assert len(bond.incidents) <= INCIDENTS
        assert len(bond.history) <= HISTORY
        assert all(0 <= fact.confidence_at(now) <= fact.confidence <= 1 for fact in bond.facts)
        assert all(0 <= one.importance <= 1 and -1 <= one.valence <= 1 for one in bond.memories)
    if state.changes:
        assert state.changes[-1].score == state.reputation


@laws
@given(st.lists(any_of(NAMING), max_size=30), st.integers(0, 30))
def test_folding_a_part_and_then_the_rest_is_folding_all(events: list[Any], cut: int) -> None:
    whole = told(*events)
    part = RELATION_STATE.dump_python(told(*events[:cut]))
    back = RELATION_STATE.validate_python(unpack(pack(part)))
    assert told(*events[cut:], since=back) == whole


@settings(laws, max_examples=50)
@given(st.lists(any_of(MOVING), max_size=TRAIL + 10), st.integers(0, 40))
def test_every_move_of_a_standing_is_in_the_trail(events: list[Any], weeks: int) -> None:
    """From each score to the next by what was asked for, clamped; nothing moves it besides."""
    state, before = Relation(), 0.0
    for number, event in enumerate(events, 1):
        kept = list(state.changes)
        state = relation.evolve(state, event, Moment(number, number * weeks * WEEK_MS // 8, "s"))
        for change in state.changes[len(kept) :] if len(kept) < TRAIL else state.changes[-3:]:
            if change in kept:
                continue
            assert change.score == turned(before, change.delta)
            before = change.score
        assert state.reputation == before


def test_the_fullest_relation_fits_into_a_message() -> None:
    state = Relation()
    long, wide = "𐍈" * 4000, "𐍈" * 200
    for number in range(1, 121):
        events: list[Any] = [
            TURN.model_copy(update={"topic": f"{number}{long}", "base": 0.1}),
            moved(0.001, long),
            FactLearned(npc="marta", fact=f"{number}{long}"),
            IncidentArose(npc="marta", incident=f"{number}{wide}", description=long, impact=-0.1),
            ProfessionalRecorded(
                npc="marta",
                type=ProfessionalKind.PROPOSAL,
                description=long,
                outcome=ProfessionalOutcome.NEUTRAL,
            ),
            parted(long),
        ]
        state = relation.fold(state, events, at(number, "s" * 64))
    assert (len(state.facts), len(state.memories)) == (FACTS, MEMORIES)
    assert len(pack(RELATION_STATE.dump_python(state))) < MAX_STATE


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
