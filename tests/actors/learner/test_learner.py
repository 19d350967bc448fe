"""Learners: one active session at a time, and what their sessions left behind."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holodeck.actors.decider import Moment
from holodeck.actors.learner import Claim, LearnerState, learner
from holodeck.actors.learner.decider import LEARNER_STATE, RECENT, FrictionTotal
from holodeck.messages.codec import pack, unpack
from holodeck.messages.errors import RefusedError
from holodeck.messages.learner import ClaimLearner, LearnerClaimed
from holodeck.messages.session import (
    EndReason,
    FrictionDetected,
    FrictionType,
    Outcome,
    ReputationChanged,
    SessionEnded,
    SessionKind,
    SessionPaused,
    SessionResumeAbandoned,
    SessionResumed,
    SessionStartAbandoned,
    SessionStarted,
    TaskAdded,
    TaskCompleted,
    TurnTaken,
)
from tests.messages.strategies import EVENTS, any_of

laws = settings(max_examples=100, deadline=None)
PAUSED = SessionPaused()
ENDED = SessionEnded(reason=EndReason.LEARNER_ENDED, outcome=Outcome.SUCCESS, active_ms=1)


def claimed(session: str) -> LearnerClaimed:
    return LearnerClaimed(session=session)


def started(claim: int | None, kind: SessionKind = SessionKind.CONVERSATION) -> SessionStarted:
    return SessionStarted(session_kind=kind, learner="ana", claim=claim)


def told(*steps: tuple[int, str, Any]) -> LearnerState:
    """The fold of (sequence, writer, event)."""
    state = learner.initial
    for sequence, writer, event in steps:
        state = learner.evolve(state, event, Moment(sequence, 1000 * sequence, writer, "ana"))
    return state


def asks(state: LearnerState, session: str, void: int = 0) -> str:
    """``claimed`` for it, or who holds the learner."""
    try:
        (event,) = learner.decide(state, ClaimLearner(session=session, void=void), 0)
    except RefusedError as error:
        return f"held by {error.detail}" if error.reason == "claimed" else error.reason
    assert event == claimed(session)
    return "claimed"


A1 = (1, "ana", claimed("a"))
A2 = (2, "a", started(1))


@pytest.mark.parametrize(
    ("steps", "a", "b"),
    [
        ([], "claimed", "claimed"),
        ([A1], "claimed", "held by a"),
        ([A1, A2], "claimed", "held by a"),
        ([A1, (2, "a", started(None))], "claimed", "held by a"),
        ([A1, A2, (3, "a", PAUSED)], "claimed", "claimed"),
        ([A1, A2, (3, "a", ENDED)], "claimed", "claimed"),
        ([A1, (2, "a", SessionStartAbandoned(learner="ana", claim=1))], "claimed", "claimed"),
        ([A1, A2, (3, "b", PAUSED), (4, "b", ENDED)], "claimed", "held by a"),
        ([A1, A2, (3, "a", PAUSED), (4, "ana", claimed("b"))], "held by b", "claimed"),
        (
            [A1, A2, (3, "a", PAUSED), (4, "ana", claimed("b")), (5, "a", ENDED)],
            "held by b",
            "claimed",
        ),
        (
            [A1, A2, (3, "a", PAUSED), (4, "ana", claimed("a")), (5, "a", SessionResumed(claim=4))],
            "claimed",
            "held by a",
        ),
        ([A1, (2, "ana", claimed("a")), (3, "a", started(1))], "claimed", "held by a"),
        ([A1, (2, "ana", claimed("a")), (3, "a", started(2))], "claimed", "held by a"),
    ],
    ids=[
        "nobody-has-claimed",
        "a-claim-holds-before-the-start-and-may-be-made-again",
        "a-start-confirms-it",
        "an-agents-start-confirms-nothing",
        "a-pause-lets-go",
        "an-end-lets-go",
        "an-abandoned-start-lets-go",
        "others-cannot-let-go",
        "another-may-claim-during-a-pause",
        "the-end-of-the-paused-one-changes-nothing",
        "a-resume-confirms-its-new-claim",
        "a-start-on-an-older-claim-confirms-nothing",
        "a-start-on-the-newer-one-does",
    ],
)
def test_the_life_of_a_claim(steps: list[tuple[int, str, Any]], a: str, b: str) -> None:
    state = told(*steps)
    assert (asks(state, "a"), asks(state, "b")) == (a, b)


def test_a_later_claim_of_the_same_session_outlives_the_abandoning_of_an_earlier_one() -> None:
    """Two wanted to resume it; the first was overdue and given up after the second had claimed."""
    began = [A1, A2, (3, "a", PAUSED), (4, "ana", claimed("a")), (5, "ana", claimed("a"))]
    state = told(*began, (6, "a", SessionResumeAbandoned(claim=4)))
    assert state.claim == Claim("a", 5, 5000)
    state = told(
        *began, (6, "a", SessionResumeAbandoned(claim=4)), (7, "a", SessionResumed(claim=5))
    )
    assert asks(state, "b") == "held by a"
    assert told(*began, (6, "a", SessionResumeAbandoned(claim=5))).claim is None


def test_a_session_that_holds_the_learner_may_claim_anew_before_its_pause_is_heard_of() -> None:
    state = told(A1, A2, (4, "ana", claimed("a")))
    assert state.claim == Claim("a", 4, 4000)
    # and the pause, wherever it stands, lets go of what was claimed before it
    assert told(A1, A2, (3, "a", PAUSED), (4, "ana", claimed("a"))).claim == Claim("a", 4, 4000)
    assert told(A1, A2, (4, "ana", claimed("a")), (5, "a", PAUSED)).claim is None


def test_a_refused_claim_names_who_holds_the_learner() -> None:
    with pytest.raises(RefusedError) as caught:
        learner.decide(told(A1, A2), ClaimLearner(session="b"), 0)
    assert (caught.value.reason, caught.value.detail) == ("claimed", "a")


@pytest.mark.parametrize(
    ("void", "answer"), [(1, "claimed"), (0, "held by a"), (2, "held by a"), (9, "held by a")]
)
@pytest.mark.parametrize("confirmed", [False, True])
def test_a_claim_known_to_be_worth_nothing_is_passed_over_and_no_other(
    void: int, answer: str, confirmed: bool
) -> None:
    state = told(A1, A2) if confirmed else told(A1)
    assert asks(state, "b", void) == answer


@laws
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b", "c"]),
            st.sampled_from(["claim", "start", "resume", "pause", "end", "abandon"]),
        ),
        max_size=40,
    )
)
def test_at_most_one_session_ever_holds_the_learner(steps: list[tuple[str, str]]) -> None:
    """Sessions begin and resume only on a claim of their own, be it their oldest, that was neither
    given up nor made before a pause."""
    state, sequence = learner.initial, 0
    claims: dict[str, list[int]] = defaultdict(list)
    active: set[str] = set()
    paused: set[str] = set()
    over: set[str] = set()

    def happened(writer: str, event: Any) -> None:
        nonlocal state
        state = learner.evolve(state, event, Moment(sequence, sequence, writer, "ana"))

    for session, step in steps:
        sequence += 1
        mine = claims[session]
        match step:
            case "claim" if session not in over:
                if asks(state, session) == "claimed":
                    mine.append(sequence)
                    happened("ana", claimed(session))
            case "start" if mine and session not in active | paused | over:
                active.add(session)
                happened(session, started(mine.pop(0)))
            case "resume" if mine and session in paused:
                paused.discard(session)
                active.add(session)
                happened(session, SessionResumed(claim=mine.pop(0)))
            case "pause" if session in active:
                active.discard(session)
                paused.add(session)
                mine.clear()
                happened(session, PAUSED)
            case "end" if session in active | paused:
                active.discard(session)
                paused.discard(session)
                over.add(session)
                mine.clear()
                happened(session, ENDED)
            case "abandon" if mine and session in paused:
                happened(session, SessionResumeAbandoned(claim=mine[-1]))
                mine.clear()
            case "abandon" if mine and session not in active | over:
                over.add(session)
                happened(session, SessionStartAbandoned(learner="ana", claim=mine[-1]))
                mine.clear()
        assert len(active) <= 1
        if active:
            assert state.claim is not None
            assert state.claim.session == next(iter(active))


# --- what is kept ----------------------------------------


def test_a_learner_remembers_its_last_sessions_one_by_one() -> None:
    steps: list[tuple[int, str, Any]] = []
    for number in range(RECENT + 5):
        steps += [(3 * number + 1, "ana", claimed(f"s{number}"))]
        steps += [(3 * number + 2, f"s{number}", started(3 * number + 1))]
        steps += [(3 * number + 3, f"s{number}", ENDED)]
    state = told(*steps)
    assert state.sessions == RECENT + 5
    assert [visit.session for visit in state.recent] == [f"s{n}" for n in range(5, RECENT + 5)]
    assert all(visit.outcome is Outcome.SUCCESS for visit in state.recent)
    assert state.recent[-1].ended_at == 1000 * (3 * (RECENT + 4) + 3)


def test_agents_sessions_are_counted_side_by_side() -> None:
    state = told(
        (1, "a", started(None, SessionKind.AGENT)), (2, "b", started(None)), (3, "a", ENDED)
    )
    assert (state.claim, state.sessions) == (None, 2)
    assert [(v.session, bool(v.ended_at)) for v in state.recent] == [("a", True), ("b", False)]


def test_friction_is_totalled_by_type() -> None:
    def friction(kind: FrictionType, severity: float) -> FrictionDetected:
        return FrictionDetected(type=kind, severity=severity, turn=1)

    state = told(
        (1, "a", friction(FrictionType.LEXICAL, 0.1)),
        (2, "a", friction(FrictionType.REGISTER, 1.0)),
        (3, "a", friction(FrictionType.LEXICAL, 0.2)),
    )
    assert state.friction == 3
    assert state.friction_totals == {
        "lexical": FrictionTotal(2, 0.3),
        "register": FrictionTotal(1, 1.0),
    }


def test_what_reached_the_learner_is_counted_by_family() -> None:
    state = told(
        (4, "a", TurnTaken(turn=1, npc="marta", text="hola")),
        (5, "a", ReputationChanged(npc="marta", delta=0.1)),
        (6, "a", TaskAdded(task="t")),
        (9, "a", TaskCompleted(task="t", outcome=Outcome.SUCCESS)),
    )
    assert (state.turns, state.reputations, state.tasks, state.tasks_done) == (1, 1, 2, 1)
    assert (state.checkpoints, state.last_sequence) == (4, 9)
    assert (state.first_at, state.last_at) == (4000, 9000)


@laws
@given(st.lists(any_of(EVENTS), max_size=12))
def test_the_fold_is_total_pure_and_survives_a_snapshot(events: list[Any]) -> None:
    state, in_place = learner.initial, learner.initial
    for number, event in enumerate(events, 1):
        moment = Moment(number, number, "a", "ana")
        before = pack(LEARNER_STATE.dump_python(state))
        after = learner.evolve(state, event, moment)
        assert pack(LEARNER_STATE.dump_python(state)) == before
        learner.advance(in_place, [event], moment)
        state = after
    data = pack(LEARNER_STATE.dump_python(state))
    assert pack(LEARNER_STATE.dump_python(in_place)) == data
    back = LEARNER_STATE.validate_python(unpack(data))
    assert back == state
    assert pack(LEARNER_STATE.dump_python(back)) == data
