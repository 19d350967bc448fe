"""The eight figures of a session: each formula, its guard, and where its numbers come from."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holodeck.actors.decider import Moment
from holodeck.actors.learner.loop import measured
from holodeck.actors.learner.stories import Telling, begun, hear
from holodeck.actors.session.talk.exhaust import recovers
from holodeck.actors.session.talk.metrics import (
    code_switch_ratio,
    comprehensibility,
    friction_rate,
    metrics,
    recovery_rate,
    register_accuracy,
    reputation_delta,
    running_rate,
    task_completion_rate,
    words_per_minute,
)
from holodeck.messages.conversation import Consequence, FrictionType
from holodeck.messages.errors import RefusedError
from holodeck.messages.session import SessionPaused, SessionResumed, SessionStarted
from holodeck.messages.talk import NegotiationCollapsed, PronunciationHeard, TurnAnalysis
from tests.actors.session_record.log import MINUTE, Log, parted, slip

LEXICAL = FrictionType.LEXICAL


def told(**counts: Any) -> TurnAnalysis:
    return TurnAnalysis(**counts)


# --- each formula ----------------------------------------


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (friction_rate(6, 20), 0.3),
        (friction_rate(0, 20), 0.0),
        (friction_rate(6, 0), None),
        (friction_rate(0, 0), None),
        (code_switch_ratio(40, 160), 0.25),
        (code_switch_ratio(0, 160), 0.0),
        (code_switch_ratio(0, 0), None),
        (code_switch_ratio(40, 160, tier=2), None),
        (register_accuracy(17, 20), 0.85),
        (register_accuracy(0, 20), 0.0),
        (register_accuracy(0, 0), None),
        (register_accuracy(17, 20, tier=1), None),
        (comprehensibility([0.6, 0.9]), 0.75),
        (comprehensibility([0.0]), 0.0),
        (comprehensibility([]), None),
        (words_per_minute(240, 180_000), 80.0),
        (words_per_minute(0, 180_000), 0.0),
        (words_per_minute(240, 0), None),
        (recovery_rate(3, 4), 0.75),
        (recovery_rate(0, 4), 0.0),
        (recovery_rate(0, 0), None),
        (running_rate(3, 0), 3.0),
        (running_rate(3, 20_000), 3.0),
        (running_rate(3, 120_000), 1.5),
    ],
)
def test_a_figure_is_none_where_it_divides_by_nothing_and_zero_where_there_is_none_of_it(
    found: float | None, expected: float | None
) -> None:
    assert found == expected


def test_tasks_are_completed_in_tiers_two_and_three_unless_told_otherwise() -> None:
    # given
    conversations = [
        (1, "abandoned"),
        (2, "completed-successfully"),
        (2, "friction-event"),
        (3, "npc-ended"),
        (3, "completed-successfully"),
    ]

    # then
    assert task_completion_rate(conversations) == 0.5
    assert task_completion_rate(conversations, tiers={2}) == 0.5
    assert task_completion_rate(conversations, tiers={1}) == 0.0
    assert task_completion_rate(conversations[:1]) is None


def test_reputation_is_summed_by_npc_without_the_dust_of_binary_fractions() -> None:
    assert reputation_delta([("a", 0.1), ("b", -0.1), ("a", 0.2), ("a", -0.3)]) == {
        "a": 0.0,
        "b": -0.1,
    }


# --- when a friction is got over ----------------------------------------


@pytest.mark.parametrize(
    ("form", "later", "expected"),
    [
        ("", {"meaningful": True}, True),
        ("", {"meaningful": False}, False),
        ("", {"meaningful": True, "found": [(LEXICAL, "")]}, False),
        ("", {"meaningful": True, "found": [(FrictionType.REGISTER, "")]}, True),
        ("saudade", {"meaningful": True, "found": [(LEXICAL, "saudade")]}, False),
        ("saudade", {"meaningful": True, "found": [(LEXICAL, "barco")]}, True),
        ("saudade", {"meaningful": False, "used": ["saudade"]}, True),
        ("saudade", {"meaningful": False}, False),
        ("", {"meaningful": False, "used": [""]}, False),
    ],
    ids=[
        "something was said without it",
        "nothing was said, or nobody looked",
        "the same kind again",
        "another kind",
        "the same form again",
        "another form of the same kind",
        "the form was used",
        "nothing was said and the form not used",
        "a friction nobody could name a form for is in no list",
    ],
)
def test_a_later_turn_shows_whether_a_friction_was_got_over(
    form: str, later: Any, expected: bool
) -> None:
    assert recovers(LEXICAL, form, **later) is expected


def rate(log: Log) -> float | None:
    return metrics(log.steps).recovery_rate


def test_a_friction_is_recovered_by_a_later_turn_to_the_same_npc_only() -> None:
    log = Log().start().says("rui", "hm", slip())
    assert rate(log) == 0.0
    assert rate(log.says("lia")) == 0.0
    assert rate(log.says("rui")) == 1.0


def test_an_error_that_goes_on_is_recovered_once_it_stops() -> None:
    # given
    log = Log().start()
    for _ in range(3):
        log.says("rui", "eu sou aqui", slip("morphosyntactic", "ser/estar"))
    assert rate(log) == 0.0

    # when
    log.says("rui", "eu estou aqui", slip("morphosyntactic", "gender"))

    # then
    assert rate(log) == 0.75


def test_a_consequence_that_was_told_decides() -> None:
    # given
    log = Log().start()
    log.says("rui", "a", slip(consequence=Consequence.ABANDONED))
    log.says("rui", "b", slip("register", consequence=Consequence.NPC_HELPED))

    # when, then
    assert rate(log.says("rui")) == 0.5


def test_a_turn_nobody_looked_at_shows_nothing_of_earlier_frictions() -> None:
    log = Log().start(bare=True).says("rui", "a", slip(), analysis=None)
    log.turns += 1
    unseen = log.steps[-1][2][0].model_copy(update={"turn": log.turns, "analysed": False})
    assert rate(log.tell(unseen)) == 0.0
    assert rate(log.says("rui", "b", analysis=None)) == 1.0


# --- a session's own numbers ----------------------------------------


def test_friction_is_counted_by_the_minutes_the_session_was_active() -> None:
    # given
    log = Log().start().says("rui", "a", slip(), slip("register"), after_ms=MINUTE)
    log.tell(SessionPaused(), after_ms=MINUTE)
    log.tell(SessionResumed(claim=9), after_ms=600 * MINUTE)
    log.says("rui", after_ms=2 * MINUTE)

    # then
    assert metrics(log.steps).friction_rate == 0.5
    assert metrics(log.end(active_ms=5 * MINUTE).steps).friction_rate == 0.4


def test_a_session_that_took_no_time_has_no_rate() -> None:
    assert metrics(Log().start().end(after_ms=0).steps).friction_rate is None


def test_languages_are_counted_in_tier_one_and_register_in_tier_three() -> None:
    # given
    log = Log().start()
    log.says("rui", analysis=told(l1_words=3, l2_words=6, other_words=1), aligned=False)
    log.says("lia", analysis=told(l1_words=50), aligned=False)
    log.says("captain", analysis=told(l1_words=50), aligned=True)
    log.says("captain", aligned=False)
    log.says("captain")

    # when
    found = metrics(log.steps)

    # then
    assert found.code_switch_ratio == 0.3
    assert found.register_accuracy_score == 0.5


def test_a_register_that_never_fitted_is_zero_and_one_nobody_judged_is_none() -> None:
    log = Log().start().says("captain")
    assert metrics(log.steps).register_accuracy_score is None
    assert metrics(log.says("captain", aligned=False).steps).register_accuracy_score == 0.0


def test_speed_counts_turns_whose_speaking_time_is_known() -> None:
    # given
    log = Log().start()
    log.says("rui", "um dois três", speaking_ms=2000)
    log.says("rui", "quatro cinco", speaking_ms=4000, analysis=told(l2_words=6))
    log.says("rui", "ninguém mediu isto aqui")
    log.says("rui", "nem isto", speaking_ms=0)

    # when
    found = metrics(log.steps)

    # then
    assert found.words_per_minute == 90.0
    assert found.total_speaking_time_seconds == 6.0


def test_what_an_engine_heard_goes_before_what_an_analysis_estimates() -> None:
    # given
    log = Log().start()
    heard = PronunciationHeard(turn=1, comprehensibility=0.4)
    log.says("rui", analysis=told(comprehensibility=0.9), then=(heard,))
    log.says("rui", analysis=told(comprehensibility=0.8))
    log.says("rui")

    # then
    assert metrics(log.steps).average_comprehensibility == 0.6


def test_tasks_are_conversations_somebody_spoke_in() -> None:
    # given
    log = Log().start().answers("lia", turn=0)
    assert metrics(log.steps).task_completion_rate is None
    collapse = NegotiationCollapsed(npc="captain", turn=1, cause="openness")
    log.says("captain", then=(collapse,)).says("lia").says("rui")

    # when
    log.end(parted("captain", "npc-ended"), parted("lia"), parted("rui", "abandoned"))

    # then
    assert metrics(log.steps).task_completion_rate == 0.5


def test_a_session_whose_start_is_missing_has_no_figures() -> None:
    with pytest.raises(RefusedError, match="unknown-session"):
        metrics(Log().says("rui").steps)


# --- laws ----------------------------------------

turns = st.tuples(
    st.sampled_from(["rui", "lia", "captain"]),
    st.lists(
        st.tuples(
            st.sampled_from([kind.value for kind in FrictionType]),
            st.sampled_from(["", "a", "b"]),
            st.floats(0, 1),
            st.sampled_from([None, *Consequence]),
        ),
        max_size=3,
    ),
    st.builds(
        TurnAnalysis,
        l1_words=st.integers(0, 9),
        l2_words=st.integers(0, 9),
        meaningful=st.booleans(),
        forms=st.sets(st.sampled_from(["a", "b"])).map(tuple),
        comprehensibility=st.none() | st.integers(0, 100).map(lambda hundredths: hundredths / 100),
    ),
    st.none() | st.booleans(),
    st.none() | st.integers(0, 5000),
    st.integers(0, 90_000),
)


@given(st.lists(turns, max_size=8))
def test_every_figure_is_finite_or_none_whatever_the_turns(said: list[Any]) -> None:
    # given
    log = Log().start()
    for npc, found, analysis, aligned, speaking, after in said:
        slips = [slip(k, form, s, consequence=c) for k, form, s, c in found]
        log.says(
            npc, "x", *slips,
            analysis=analysis, aligned=aligned, speaking_ms=speaking, after_ms=after,
        )  # fmt: skip
        log.moves(npc, 0.05 - sum(one.severity for one in slips) / 4)

    # when
    figures = metrics(log.steps).model_dump()

    # then
    deltas = figures.pop("reputation_delta").values()
    assert all(math.isfinite(one) for one in (*figures.values(), *deltas) if one is not None)
    assert set(metrics(log.steps).reputation_delta) == {npc for npc, *_ in said}
    assert metrics(log.steps) == metrics(iter(log.steps))


@given(st.lists(turns, max_size=8))
def test_recovered_frictions_are_those_the_rule_says_turn_by_turn(said: list[Any]) -> None:
    # given
    log = Log().start()
    for npc, found, analysis, *_ in said:
        slips = [slip(k, form, s, consequence=c) for k, form, s, c in found]
        log.says(npc, "x", *slips, analysis=analysis)

    # when: counted the long way round, each friction against each later turn
    recovered = total = 0
    for place, (npc, found, *_) in enumerate(said):
        for kind, form, _, consequence in found:
            total += 1
            if consequence is not None:
                recovered += consequence.recovered
                continue
            recovered += any(
                recovers(
                    FrictionType(kind),
                    form,
                    meaningful=analysis.meaningful,
                    used=analysis.forms,
                    found=[(FrictionType(k), f) for k, f, _, _ in later],
                )
                for other, later, analysis, *_ in said[place + 1 :]
                if other == npc
            )

    # then
    assert metrics(log.steps).recovery_rate == recovery_rate(recovered, total)


@given(st.lists(turns, max_size=8))
def test_a_learner_that_hears_of_the_session_event_by_event_comes_to_the_same_figures(
    said: list[Any],
) -> None:
    # given
    log = Log().start()
    for npc, found, analysis, aligned, speaking, after in said:
        slips = [slip(k, form, s, consequence=c) for k, form, s, c in found]
        log.says(
            npc, "two words", *slips,
            analysis=analysis, aligned=aligned, speaking_ms=speaking, after_ms=after,
        )  # fmt: skip
        log.moves(npc, 0.05).answers(npc)
    met = list(dict.fromkeys(npc for npc, *_ in said))
    log.end(
        *(parted(npc, "completed-successfully" if npc == "lia" else "abandoned") for npc in met)
    )

    # when
    telling: Telling | None = None
    for sequence, at, events in log.steps:
        for event in events:
            moment = Moment(sequence, at, "s1", "ana")
            if isinstance(event, SessionStarted):
                telling = begun(event, moment)
            elif telling is not None:
                hear(telling, event, moment)

    # then
    assert telling is not None
    assert measured(telling.story) == metrics(log.steps)
