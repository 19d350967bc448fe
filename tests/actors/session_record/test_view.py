"""A running session in the users' terms, at any of its checkpoints."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holodeck.actors.session.talk.exhaust import exhaust
from holodeck.actors.session.talk.record import Step
from holodeck.actors.session.talk.view import active
from holodeck.messages.conversation import (
    ActiveSessionState,
    Affect,
    InjectionStatus,
    InnerAffect,
    OpennessState,
    PhonemeResult,
    RefractionLevel,
)
from holodeck.messages.errors import RefusedError
from holodeck.messages.session import ChangeReputation, End, SettleOwed
from holodeck.messages.talk import (
    AffectChanged,
    ChooseRefraction,
    Heard,
    InjectionAdvanced,
    NegotiationCollapsed,
    OfferRefraction,
    OpennessChanged,
    PronunciationHeard,
    RefractionAsked,
    RefractionChosen,
    TurnAnalysis,
)
from tests.actors.session.stories import Story
from tests.actors.session.worlds import (
    BAKER,
    CLERK,
    FRIEND,
    JUDGE,
    WORDINGS,
    asked,
    conversation,
    friction,
    reply,
    said,
)
from tests.actors.session_record.log import MINUTE, Log, slip
from tests.actors.session_record.test_exhaust import REQUEST
from tests.actors.session_record.test_metrics import turns


def of(log: Log, now: int | None = None) -> ActiveSessionState:
    return active("s1", log.steps, now)


def feels(turn: int, state: str, **more: Any) -> AffectChanged:
    return AffectChanged(
        turn=turn, state=Affect(state), inner=InnerAffect.ENGAGED, pressure=0.5, **more
    )


def test_a_session_that_has_just_begun_says_what_it_begins_with() -> None:
    # when
    state = of(Log().start())

    # then
    assert state.session.persona_schema_id == "harbour"
    assert (state.session.current_tier, state.session.current_npc_id) == (2, "")
    assert state.conversation.turn_count == 0
    assert [(one.target_form, one.status) for one in state.injection_status] == [
        ("ser/estar", "pending"),
        ("subjunctive", "pending"),
    ]
    assert state.friction_monitor.current_affective_state is Affect.NEUTRAL
    assert state.pronunciation.average_comprehensibility is None
    assert state.openness_tracking is not None
    assert {npc: one.current_score for npc, one in state.openness_tracking.items()} == {
        "captain": 0.7
    }


def test_where_one_is_with_whom_and_about_what_is_what_was_said_last() -> None:
    # given
    log = Log().start().says("rui", location="pier", topic="boats")
    log.says("captain", analysis=TurnAnalysis(topic="papers")).answers("captain")
    log.says("captain", location="bridge", topic="boats")

    # when
    state = of(log)

    # then
    assert state.session.current_tier == 3
    assert (state.session.current_npc_id, state.session.current_location_id) == (
        "captain",
        "bridge",
    )
    assert state.conversation.current_topic_id == "boats"
    assert state.conversation.topics_discussed == ("boats", "papers")
    assert state.conversation.turn_count == len(state.conversation.turns) == 4


def test_frictions_are_told_by_turn_kind_and_level() -> None:
    # given
    log = Log().start().answers("rui", turn=0)
    log.says("rui", "x", slip("register", severity=0.9), slip(severity=0.1), after_ms=MINUTE)

    # when
    monitor = of(log).friction_monitor

    # then
    assert [(one.turn_index, one.type, one.severity) for one in monitor.detected_frictions] == [
        (1, "register", "critical"),
        (1, "lexical", "low"),
    ]
    assert monitor.detected_frictions[0].timestamp == "2026-01-01T12:01:01.000+00:00"


def test_the_rate_goes_down_while_nothing_happens() -> None:
    # given
    log = Log().start().says("rui", "x", slip(), slip(), after_ms=1000)

    # then
    assert of(log).friction_monitor.current_friction_rate == 2.0
    later = of(log, log.at + 4 * MINUTE - 1000).friction_monitor
    assert later.current_friction_rate == 0.5


@pytest.mark.parametrize("state", ["frustrated", "anxious", "withdrawn"])
def test_help_is_needed_when_friction_meets_a_negative_state_until_the_next_turn(
    state: str,
) -> None:
    # given
    log = Log().start().says("rui", "x", slip(), then=(feels(1, state, intervention=True),))
    assert of(log).friction_monitor.intervention_needed

    # when: the state stays, so that nobody tells it anew
    assert not of(log.says("rui")).friction_monitor.intervention_needed

    # then
    assert of(log.says("rui", "x", slip())).friction_monitor.intervention_needed
    assert of(log).friction_monitor.current_affective_state.value == state


def test_no_help_is_needed_in_a_good_state() -> None:
    log = Log().start().says("rui", "x", slip(), then=(feels(1, "confident"),))
    assert not of(log).friction_monitor.intervention_needed


def test_what_was_heard_is_averaged_and_each_issue_named_once() -> None:
    # given
    log = Log().start()
    for number, score in ((1, 0.5), (2, 0.8)):
        heard = PronunciationHeard(turn=number, comprehensibility=score, issues=("ʎ", "ɲ"))
        log.says("rui", then=(heard,))

    # when
    told = of(log).pronunciation

    # then
    assert (told.utterances_analyzed, told.average_comprehensibility) == (2, 0.65)
    assert told.phoneme_issues_detected == ("ʎ", "ɲ")


def test_injections_standings_and_refractions_are_told_as_they_move() -> None:
    # given
    used = InjectionAdvanced(form="subjunctive", status=InjectionStatus.USED, npc="rui", turn=1)
    log = Log().start().answers("rui", turn=0).says("rui", then=(used,)).moves("rui", 0.1, "kind")
    log.tell(RefractionAsked(number=1, turn=1, request=REQUEST, npc="rui"))
    log.tell(RefractionChosen(number=1, level=RefractionLevel.FORMAL))

    # when
    state = of(log)

    # then
    injection = state.injection_status[1]
    assert (injection.status, injection.npc_id) == (InjectionStatus.USED, "rui")
    (moved,) = state.reputation_deltas
    assert (moved.npc_id, moved.delta, moved.reason, moved.turn_index) == ("rui", 0.1, "kind", 1)
    (asked,) = state.refraction_sessions
    assert (asked.trigger_turn_index, asked.selected_level) == (1, RefractionLevel.FORMAL)


def test_openness_falls_by_its_violations_until_it_collapses() -> None:
    # given
    log = Log().start()
    for number in range(1, 8):
        score = (7 - number) / 10
        fell = OpennessChanged(
            npc="captain",
            turn=number,
            score=score,
            penalty=0.1,
            state=OpennessState.OPEN,
            description="too informal",
        )
        log.says("captain", then=(fell,))
    collapse = NegotiationCollapsed(npc="captain", turn=7, cause="openness")

    # when
    told = of(log.tell(collapse)).openness_tracking

    # then
    assert told is not None
    assert told["captain"].current_score == 0.0
    assert len(told["captain"].violations) == 7
    assert told["captain"].violations[0].description == "too informal"
    assert told["captain"].collapsed


def test_a_session_without_a_persona_has_a_state_too() -> None:
    # when
    state = of(Log().start(bare=True).says("marta", "hola", slip(), analysis=None))

    # then
    assert (state.session.persona_schema_id, state.session.current_tier) == ("", 1)
    assert state.openness_tracking is None
    assert "opennessTracking" not in state.outside()


def test_checkpoints_without_a_start_are_no_session() -> None:
    with pytest.raises(RefusedError, match="unknown-session"):
        of(Log().says("rui"))


@given(st.lists(turns, max_size=6))
def test_every_prefix_is_a_state_that_later_checkpoints_only_add_to(told: list[Any]) -> None:
    # given
    log = Log().start()
    for npc, found, analysis, *_ in told:
        log.says(npc, "x", *(slip(k, form, s) for k, form, s, _ in found), analysis=analysis)
        log.moves(npc, -0.01).answers(npc)
    log.end()

    # when
    states = [active("s1", log.steps[: n + 1]) for n in range(len(log.steps))]

    # then
    for earlier, later in pairwise(states):
        for before, after in (
            (earlier.conversation.turns, later.conversation.turns),
            (
                earlier.friction_monitor.detected_frictions,
                later.friction_monitor.detected_frictions,
            ),
            (earlier.reputation_deltas, later.reputation_deltas),
        ):
            assert list(after[: len(before)]) == list(before)
    assert ActiveSessionState.model_validate(states[-1].outside()) == states[-1]


# --- a session that was really decided ----------------------------------------


def decided() -> Story:
    """Turns to three NPCs, friction, a refraction, openings, and the end."""
    told = conversation(reply(0))
    told.tell(said(1, BAKER, friction("lexical", 0.4, form="pan")), after_s=40)
    told.tell(reply(1, opened=("subjunctive",)), said(2, BAKER, aligned=True), after_s=30)
    told.tell(reply(2), asked(), OfferRefraction(number=1, response=WORDINGS), after_s=10)
    told.tell(ChooseRefraction(number=1, level=RefractionLevel.NATIVE))
    told.tell(said(3, BAKER, text="¿Me pones un pan?", forms=("subjunctive",)), after_s=20)
    heard = Heard(comprehensibility=0.6, phonemes=(PhonemeResult(phoneme="θ", accuracy=0.4),))
    told.tell(said(4, FRIEND, command={"heard": heard}), reply(4, FRIEND), after_s=20)
    told.tell(ChangeReputation(npc=CLERK, delta=0.4, reason="a gift"))
    for number in range(5, 9):
        slow: dict[str, Any] = {"latency_ms": 9000, "hedges": 3, "aligned": False}
        told.tell(said(number, JUDGE, friction("register", 0.8), **slow), after_s=15)
    return told


def steps_of(told: Story) -> list[Step]:
    return [(moment.sequence, moment.at, tuple(events)) for moment, events in told.log]


def test_the_state_is_the_one_the_session_decides_by() -> None:
    # given
    told = decided()
    talk = told.state.talk
    assert talk is not None

    # when
    state = active("sess_1", steps_of(told))

    # then
    assert state.session.current_npc_id == told.state.npc == JUDGE
    assert state.session.current_tier == talk.tier == 3
    assert len(state.friction_monitor.detected_frictions) == sum(told.state.frictions.values())
    assert state.friction_monitor.current_affective_state is talk.affect
    assert state.friction_monitor.intervention_needed is talk.intervention is True
    assert state.pronunciation.average_comprehensibility == talk.average_comprehensibility
    assert state.pronunciation.phoneme_issues_detected == talk.issues == ("θ",)
    assert [(one.target_form, one.status) for one in state.injection_status] == [
        (one.form, one.status) for one in talk.injections
    ]
    assert state.refraction_sessions[0].used_in_conversation
    tracked = state.openness_tracking or {}
    assert {npc: one.current_score for npc, one in tracked.items()} == {
        npc: one.openness / 10 for npc, one in talk.standings.items() if npc in (JUDGE, CLERK)
    }
    assert len(tracked[JUDGE].violations) == 4


def test_what_it_came_to_is_where_the_session_ended() -> None:
    # given
    told = decided()
    talk = told.state.talk
    assert talk is not None
    told.tell(End(), after_s=5)
    while told.state.owed:
        told.tell(SettleOwed())

    # when
    found = exhaust("sess_1", steps_of(told))

    # then
    record = found.session_record
    assert [one.npc_id for one in record.conversations] == [*told.state.met]
    assert {one.npc_id: one.new_score for one in found.reputation_updates} == {
        npc: talk.standings[npc].reputation for npc in told.state.reputation
    }
    assert record.metrics.reputation_delta == told.state.reputation
    assert record.duration_minutes == round(told.state.active_ms / 60_000, 6)
    assert record.active_tiers == (1, 2, 3)
    used = {one.target_form for one in found.injection_results if one.learner_used_target_form}
    assert used == {"subjunctive"}
    assert {one.npc_id for one in found.new_memories} <= {*told.state.met}
    assert record.metrics.register_accuracy_score == 0.0
    assert record.metrics.recovery_rate == round(1 / sum(told.state.frictions.values()), 6)
