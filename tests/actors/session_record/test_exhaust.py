"""What an ended session came to: conversations, frictions in their context, standings, memories."""

from __future__ import annotations

import json

import pytest

from holodeck.actors.session.talk.exhaust import exhaust, injection_result, standing
from holodeck.messages.conversation import (
    Affect,
    ConversationOutcome,
    InjectionStatus,
    InnerAffect,
    PhonemeResult,
    PostSessionExhaust,
    PronunciationResult,
    RefractionLevel,
    RefractionRequest,
    RefractionTrigger,
    Severity,
)
from holodeck.messages.errors import RefusedError
from holodeck.messages.session import NpcParted, SessionForked
from holodeck.messages.talk import (
    AffectChanged,
    ConversationClosed,
    InjectionAdvanced,
    NegotiationCollapsed,
    PronunciationHeard,
    RefractionAsked,
    RefractionAttempted,
    RefractionChosen,
    RefractionUsed,
)
from tests.actors.session_record.log import MINUTE, NOON, Log, parted, slip

REQUEST = RefractionRequest(
    trigger=RefractionTrigger.USER,
    learner_input="how do I say it",
    input_language="en",
    target_language="pt",
    native_language="en",
)


def of(log: Log) -> PostSessionExhaust:
    return exhaust("s1", log.steps)


# --- the record ----------------------------------------


def test_the_record_says_whose_session_it_was_and_how_long_it_took() -> None:
    # given
    log = Log().start().says("lia", after_ms=MINUTE).says("rui", after_ms=500)
    log.end(active_ms=90_000, after_ms=MINUTE)

    # when
    record = of(log).session_record

    # then
    assert (record.session_id, record.learner_id, record.persona_schema_id) == (
        "s1",
        "ana",
        "harbour",
    )
    assert record.active_tiers == (1, 2)
    assert record.started_at == "2026-01-01T12:00:00.000+00:00"
    assert record.ended_at == "2026-01-01T12:02:00.500+00:00"
    assert record.duration_minutes == 1.5
    assert record.end_reason == "natural-conclusion"


def test_each_npc_has_one_conversation_however_often_the_learner_went_to_and_fro() -> None:
    # given
    log = Log().start().answers("rui", "olá!", turn=0)
    log.says("rui", "bom dia", location="pier").answers("rui", "tudo bem?")
    log.says("lia", "um café", location="bar").answers("lia", "pois não")
    log.says("rui", "voltei", location="pier")
    log.end(parted("rui", memory="Ana came back."), parted("lia", "friction-event"))

    # when
    rui, lia = of(log).session_record.conversations

    # then
    assert [(turn.speaker, turn.content) for turn in rui.turns] == [
        ("npc", "olá!"),
        ("learner", "bom dia"),
        ("npc", "tudo bem?"),
        ("learner", "voltei"),
    ]
    assert (rui.npc_id, rui.tier, rui.location_id) == ("rui", 1, "pier")
    assert (lia.npc_id, lia.tier, lia.location_id) == ("lia", 2, "bar")
    assert (rui.outcome, lia.outcome) == (
        ConversationOutcome.COMPLETED,
        ConversationOutcome.FRICTION,
    )
    assert rui.turns[2].duration_ms == 900
    assert rui.turns[0].timestamp == "2026-01-01T12:00:01.000+00:00"


def test_an_outcome_is_what_the_npc_parted_with_else_what_was_said_last() -> None:
    # given
    log = Log().start()
    collapse = NegotiationCollapsed(npc="captain", turn=1, cause="aggression")
    log.says("captain", then=(collapse,)).says("lia").says("rui")
    for outcome in (ConversationOutcome.FRICTION, ConversationOutcome.COMPLETED):
        log.tell(ConversationClosed(npc="lia", outcome=outcome))
    log.end()

    # when
    outcomes = [one.outcome.value for one in of(log).session_record.conversations]

    # then
    assert outcomes == ["npc-ended", "completed-successfully", "abandoned"]
    log.tell(parted("lia", "friction-event"))
    assert of(log).session_record.conversations[1].outcome is ConversationOutcome.FRICTION


def test_a_learner_turn_carries_the_state_the_learner_was_in_after_it() -> None:
    # given
    log = Log().start().says("rui")
    worse = AffectChanged(
        turn=2, state=Affect.FRUSTRATED, inner=InnerAffect.OVERWHELMED, pressure=0.3
    )
    log.says("rui", then=(worse,)).answers("rui").says("rui").end()

    # when
    turns = of(log).session_record.conversations[0].turns

    # then
    assert [turn.emotional_state for turn in turns] == [None, "frustrated", None, "frustrated"]


def test_pronunciation_is_kept_utterance_by_utterance() -> None:
    # given
    heard = PronunciationHeard(
        turn=1,
        comprehensibility=0.7,
        target_phrase="pão",
        phonemes=(PhonemeResult(phoneme="ɐ̃w̃", accuracy=0.5, cosine_similarity=0.6),),
        issues=("ɐ̃w̃",),
    )

    # when
    (data,) = of(Log().start().says("rui", then=(heard,)).end()).session_record.pronunciation_data

    # then
    assert (data.target_phrase, data.comprehensibility_score) == ("pão", 0.7)
    assert data.phoneme_results == heard.phonemes


# --- frictions ----------------------------------------


def test_a_friction_stands_between_three_turns_before_and_three_after() -> None:
    # given
    log = Log().start().answers("rui", "r0", turn=0)
    for number in range(1, 6):
        found = [slip(severity=0.6, said="kaffe")] if number == 3 else []
        log.says("rui", f"a{number}", *found).says("lia", "…").answers("rui", f"r{number}")

    # when
    (friction,) = of(log.end()).raw_friction_detections

    # then: of the conversation with that NPC alone
    assert [turn.content for turn in friction.context_window] == [
        "r1", "a2", "r2", "a3", "r3", "a4", "r4",
    ]  # fmt: skip
    assert friction.raw_utterance == "a3"
    assert friction.severity is Severity.HIGH


def test_a_window_ends_where_the_conversation_does() -> None:
    log = Log().start().says("rui", "a1", slip()).answers("rui", "r1").end()
    (friction,) = of(log).raw_friction_detections
    assert [turn.content for turn in friction.context_window] == ["a1", "r1"]


def test_an_index_is_the_place_among_all_turns() -> None:
    # given
    log = Log().start().answers("rui", turn=0).says("rui").answers("rui")
    log.says("lia", "x", slip()).answers("lia")

    # when
    (friction,) = of(log.end()).raw_friction_detections

    # then
    assert friction.turn_index == 3


def test_a_friction_that_was_reported_before_anybody_spoke_has_no_window() -> None:
    # given
    log = Log().start().tell(slip("cultural", said="oi, velho"))

    # when
    (friction,) = of(log.says("rui").end()).raw_friction_detections

    # then
    assert (friction.turn_index, friction.raw_utterance) == (0, "oi, velho")
    assert friction.context_window == ()


# --- standings and memories ----------------------------------------


@pytest.mark.parametrize(
    ("began_at", "deltas", "expected"),
    [
        (0.0, [], 0.0),
        (0.2, [0.05, 0.1], 0.35),
        (-0.45, [-0.3, 0.1], -0.4),
        (0.9, [0.5, -0.2], 0.8),
        (0.1, [0.2], 0.3),
    ],
    ids=["nothing", "added up", "the floor holds each step", "so does the ceiling", "no dust"],
)
def test_a_standing_is_held_in_its_range_step_by_step(
    began_at: float, deltas: list[float], expected: float
) -> None:
    assert standing(began_at, deltas) == expected


def test_standings_begin_where_the_session_found_them() -> None:
    # given
    log = Log().start().says("captain").moves("captain", -0.2, "rude")
    log.says("captain").moves("captain", 0.1, "put right").says("lia").moves("lia", 0.05)

    # when
    captain, lia = of(log.end()).reputation_updates

    # then
    assert (captain.npc_id, captain.new_score) == ("captain", -0.4)
    assert [(one.delta, one.reason) for one in captain.deltas] == [
        (-0.2, "rude"),
        (0.1, "put right"),
    ]
    assert (lia.npc_id, lia.new_score) == ("lia", 0.15)


def test_memories_are_those_the_npcs_parted_with() -> None:
    # given
    log = Log().start().says("rui").says("lia").says("captain")
    log.end(
        parted("rui", memory="Ana sails.", valence=0.4, importance=0.6),
        parted("lia"),
        parted("captain", "npc-ended", memory="She shouted.", valence=-0.8, importance=0.9),
    )

    # when
    found = [
        (one.npc_id, one.content, one.emotional_valence, one.importance)
        for one in of(log).new_memories
    ]

    # then
    assert found == [("rui", "Ana sails.", 0.4, 0.6), ("captain", "She shouted.", -0.8, 0.9)]


# --- injections and refraction ----------------------------------------


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("pending", (False, False)),
        ("opportunity-created", (True, False)),
        ("learner-used", (True, True)),
        ("deferred", (False, False)),
    ],
)
def test_an_injection_was_executed_once_there_was_an_opportunity(
    status: str, expected: tuple[bool, bool]
) -> None:
    result = injection_result("ser/estar", InjectionStatus(status))
    assert (result.executed, result.learner_used_target_form) == expected


def test_an_injection_nothing_came_of_is_told_as_well() -> None:
    # given
    log = Log().start()
    for status in (InjectionStatus.OPPORTUNITY, InjectionStatus.USED):
        log.says("rui", then=(InjectionAdvanced(form="subjunctive", status=status, npc="rui"),))

    # when
    found = of(log.end()).injection_results

    # then
    assert [(one.target_form, one.executed, one.learner_used_target_form) for one in found] == [
        ("ser/estar", False, False),
        ("subjunctive", True, True),
    ]


def test_refractions_say_what_was_chosen_tried_and_used() -> None:
    # given
    log = Log().start().says("rui")
    result = PronunciationResult(overall_accuracy=0.8, comprehensibility_score=0.9)
    for number in (1, 2):
        log.tell(RefractionAsked(number=number, turn=1, request=REQUEST, npc="rui"))
    log.tell(RefractionChosen(number=1, level=RefractionLevel.NATIVE))
    log.tell(RefractionAttempted(number=1, result=result))
    log.says("rui", then=(RefractionUsed(number=1, turn=2),)).tell(RefractionChosen(number=2))

    # when
    first, second = of(log.end()).refraction_data

    # then
    assert (first.selected_level, first.accuracy) == (RefractionLevel.NATIVE, 0.8)
    assert first.pronunciation_attempted
    assert first.used_in_conversation
    assert (second.selected_level, second.accuracy) == (None, None)
    assert not second.pronunciation_attempted
    assert not second.used_in_conversation


# --- sessions of other kinds, and what is no ended session ----------------------------------------


def test_a_session_without_a_persona_has_an_exhaust_too() -> None:
    # given
    log = Log().start(bare=True).says("marta", "hola", slip(), analysis=None).answers("marta")
    log.moves("marta", -0.1).end(NpcParted(npc="marta", turns=1))

    # when
    found = of(log)

    # then
    record = found.session_record
    assert (record.persona_schema_id, record.active_tiers) == ("", ())
    assert record.conversations[0].tier == 1
    assert found.reputation_updates[0].new_score == -0.1
    assert len(found.raw_friction_detections) == 1
    assert (found.new_memories, found.injection_results) == ((), ())


def test_a_session_that_runs_has_no_exhaust_yet() -> None:
    with pytest.raises(RefusedError, match="not-ended"):
        of(Log().start().says("rui"))


def test_checkpoints_without_a_start_are_no_session() -> None:
    with pytest.raises(RefusedError, match="unknown-session"):
        of(Log().says("rui").end())


def test_a_rehearsal_is_read_behind_its_parents_checkpoints() -> None:
    # given
    parent = Log().start().says("rui", "a1")
    log = Log(at=parent.at, steps=list(parent.steps), turns=1)
    log.tell(SessionForked(parent="s0", sequence=13, state=b""), after_ms=600 * MINUTE)

    # when
    record = of(log.says("rui", "a2").end(active_ms=MINUTE)).session_record

    # then
    assert [turn.content for turn in record.conversations[0].turns] == ["a1", "a2"]
    assert record.duration_minutes == 1.0


def test_what_goes_out_comes_back_as_it_was() -> None:
    # given
    log = Log().start().says("rui", "bom dia", slip(form="ser/estar"), speaking_ms=800)
    log.moves("rui", 0.05).answers("rui").end(parted("rui", memory="Ana sails."))

    # when
    found = of(log)
    text = json.dumps(found.outside())

    # then
    assert PostSessionExhaust.model_validate_json(text) == found
    assert json.loads(text)["sessionRecord"]["startedAt"].startswith("2026-01-01T12:00")
    assert log.steps[0][1] == NOON
