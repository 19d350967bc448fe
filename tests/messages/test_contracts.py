"""Contracts: closed, frozen, bounded, told apart by their kind."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

from holodeck.messages.base import MAX_TEXT
from holodeck.messages.codec import SCHEMA, decode_checkpoint, pack
from holodeck.messages.control import VERBS
from holodeck.messages.conversation import (
    FRICTION_ALIASES,
    Contract,
    FrictionType,
    MicroCurriculum,
    PreSessionContext,
    RefractionResponse,
    ScheduledTrigger,
    severity_level,
)
from holodeck.messages.envelope import (
    QUERY_KINDS,
    AnyEvent,
    ToFleet,
    ToLearner,
    ToNpc,
    ToSession,
)
from holodeck.messages.errors import DecodeError
from holodeck.messages.fleet import (
    FLEET,
    FLEET_COMMAND,
    INTERNAL_FLEET_COMMANDS,
    AskGraph,
    AskRoute,
    Decision,
    ReadFleet,
    RegisterAgent,
    Routing,
    UnregisterAgent,
)
from holodeck.messages.ids import ID_PATTERN, check_id
from holodeck.messages.learner import (
    INTERNAL_LEARNER_COMMANDS,
    AnswerTrigger,
    ClaimLearner,
    EditProfile,
    ReportLesson,
    ScheduleTrigger,
)
from holodeck.messages.npc import DescribeNpc
from holodeck.messages.session import (
    INTERNAL_COMMANDS,
    SESSION_COMMAND,
    AddTask,
    ChangeReputation,
    CompleteTask,
    Crossing,
    FrictionFinding,
    NpcReply,
    ReportEmergence,
    ReportError,
    RetryTask,
    RouteTask,
    SessionKind,
    StartSession,
    TakeTurn,
)
from holodeck.messages.talk import (
    AskRefraction,
    BriefLearner,
    BriefNpc,
    ChooseRefraction,
    CloseConversation,
    OfferRefraction,
    ReachGoal,
    RecordAttempt,
    RecordProfessional,
    RememberFact,
    ResolveIncident,
)
from tests.messages.strategies import (
    BRIEF_QUERIES,
    EVENTS,
    FLEET_COMMANDS,
    FLEET_QUERIES,
    LEARNER_COMMANDS,
    NPC_COMMANDS,
    SESSION_COMMANDS,
    any_of,
    few,
    kind_of,
    leaves,
    limit,
    many,
    parts,
)

COMMANDS = (*SESSION_COMMANDS, *NPC_COMMANDS, *LEARNER_COMMANDS, *FLEET_COMMANDS)
QUERIES = (*FLEET_QUERIES, *BRIEF_QUERIES)
EVENT: TypeAdapter[Any] = TypeAdapter(AnyEvent)


def test_every_kind_is_said_once() -> None:
    """A command two kinds of actor take is one contract."""
    models = {*COMMANDS, *QUERIES, *EVENTS}
    assert len({kind_of(model) for model in models}) == len(models)


def test_commands_are_bare_verbs_and_events_have_a_family() -> None:
    assert all("." not in kind_of(model) for model in COMMANDS)
    assert all(kind_of(model).count(".") == 1 for model in EVENTS)
    assert {kind_of(model) for model in SESSION_COMMANDS} >= INTERNAL_COMMANDS
    assert {kind_of(model) for model in LEARNER_COMMANDS} >= INTERNAL_LEARNER_COMMANDS
    assert {kind_of(model) for model in FLEET_COMMANDS} >= INTERNAL_FLEET_COMMANDS


@pytest.mark.parametrize("model", [*COMMANDS, *QUERIES, *EVENTS], ids=kind_of)
@few
@given(data=st.data())
def test_what_was_said_cannot_be_changed(model: type[BaseModel], data: st.DataObject) -> None:
    message = data.draw(any_of([model]))
    hash(without_maps(message))  # frozen all the way down: no list and no set inside
    with pytest.raises(ValidationError):
        message.kind = "other"


def without_maps(value: Any) -> Any:
    """The same with each map as its pairs: only :data:`MAPS` have any."""
    if isinstance(value, BaseModel):
        return tuple(without_maps(held) for held in value.__dict__.values())
    if isinstance(value, tuple):
        return tuple(map(without_maps, value))
    return tuple(map(without_maps, value.items())) if isinstance(value, dict) else value


MAPS = {
    ("PreSessionContext", "npc_briefings"),
    ("SessionMetrics", "reputation_delta"),
    ("Background", "relationships"),
}
"""Fields that are maps, because the users' own contracts say so."""


def test_maps_stand_only_where_users_contracts_have_them() -> None:
    found = {
        (model.__name__, name)
        for model in parts((*COMMANDS, *QUERIES, *EVENTS))
        for name, field in model.model_fields.items()
        if any(one is dict for one, _ in leaves(field.annotation, tuple(field.metadata)))
    }
    assert found == MAPS


def test_everything_a_client_can_say_has_an_end() -> None:
    endless = {
        f"{model.__name__}.{name}"
        for model in parts((*COMMANDS, *QUERIES))
        for name, field in model.model_fields.items()
        for one, constraints in leaves(field.annotation, tuple(field.metadata))
        if one in (str, tuple, dict) and not _ends(constraints)
    }
    # Said by the fleet alone, from what was bounded when it came in.
    assert endless == {"Crossing.session", "Crossing.task"}


def _ends(constraints: tuple[Any, ...]) -> bool:
    said = [limit(constraints, "max_length"), limit(constraints, "pattern")]
    return said[0] is not None or said[1] == ID_PATTERN


@many
@given(any_of((*COMMANDS, *QUERIES)))
def test_an_unknown_field_of_a_command_is_refused(command: BaseModel) -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        type(command).model_validate(command.model_dump() | {"surprise": 1})


@many
@given(any_of(EVENTS))
def test_an_unknown_field_of_a_stored_event_is_left_out(event: BaseModel) -> None:
    assert EVENT.validate_python(event.model_dump() | {"surprise": 1}) == event


NESTED: tuple[tuple[str, dict[str, Any], str, dict[str, Any]], ...] = (
    ("turn.taken", {"turn": 1, "npc": "m", "text": "x"}, "analysis", {}),
    ("turn.taken", {"turn": 1, "npc": "m", "text": "x"}, "signals", {"latency_ms": 900}),
    ("loop.completed", {"session": "s"}, "metrics", {"friction_rate": 0.5}),
    ("npc.parted", {"npc": "m", "turns": 1}, "parting", {"memory": "we met"}),
)


@pytest.mark.parametrize(("kind", "fields", "name", "inside"), NESTED)
def test_what_a_newer_writer_put_inside_a_stored_event_is_left_out_too(
    kind: str, fields: dict[str, Any], name: str, inside: dict[str, Any]
) -> None:
    def stored(held: dict[str, Any]) -> Any:
        event = {"kind": kind, **fields, name: held}
        return decode_checkpoint(pack({"v": SCHEMA, "at": 1, "events": [event]}), "s").events[0]

    assert stored(inside | {"surprise": 1}) == stored(inside)


@pytest.mark.parametrize(
    ("union", "kind"),
    [
        (SESSION_COMMAND, "describe"),
        (SESSION_COMMAND, "turn.taken"),
        (SESSION_COMMAND, "read-state"),
        (SESSION_COMMAND, "register-agent"),
        (FLEET_COMMAND, "add-task"),
        (FLEET_COMMAND, "agent.registered"),
        (FLEET_COMMAND, "ask-route"),
        (EVENT, "take-turn"),
        (EVENT, ""),
        (EVENT, None),
    ],
)
def test_a_kind_that_does_not_belong_is_refused(union: TypeAdapter[Any], kind: Any) -> None:
    with pytest.raises(ValidationError):
        union.validate_python({"kind": kind})


def test_a_message_without_a_kind_is_refused() -> None:
    with pytest.raises(ValidationError):
        SESSION_COMMAND.validate_python({"turn": 1, "npc": "marta", "text": "hola"})


@pytest.mark.parametrize(
    ("model", "others"),
    [
        (ToSession, NPC_COMMANDS),
        (ToSession, FLEET_QUERIES),
        (ToSession, BRIEF_QUERIES),
        (ToFleet, BRIEF_QUERIES),
        (ToNpc, LEARNER_COMMANDS),
        (ToLearner, NPC_COMMANDS),
        (ToFleet, SESSION_COMMANDS),
        (ToFleet, LEARNER_COMMANDS),
    ],
)
def test_an_actor_takes_no_other_kinds_commands(
    model: type[BaseModel], others: tuple[type[BaseModel], ...]
) -> None:
    for other in others:
        with pytest.raises(ValidationError):
            model.model_validate({"id": "c", "body": {"kind": kind_of(other)}})


def test_each_kind_of_actor_answers_the_briefing_that_is_about_it() -> None:
    learner = ToLearner.model_validate({"id": "q", "body": {"kind": "brief-learner", "at": 5}})
    npc = ToNpc.model_validate({"id": "q", "body": {"kind": "brief-npc", "learner": "a", "at": 5}})
    assert (learner.body, npc.body) == (BriefLearner(at=5), BriefNpc(learner="a", at=5))
    with pytest.raises(ValidationError):
        ToNpc.model_validate({"id": "q", "body": {"kind": "brief-learner", "at": 5}})


def test_queries_are_no_commands() -> None:
    assert not QUERY_KINDS & {kind_of(model) for model in COMMANDS}


def test_there_is_one_fleet_and_its_name_can_stand_in_a_subject() -> None:
    assert check_id(FLEET) == FLEET == "main"


def test_the_fleet_is_asked_and_told_through_an_envelope_of_its_own() -> None:
    told = ToFleet.model_validate(
        {"id": "c", "body": {"kind": "register-agent", "agent": "oracle1", "capabilities": ["x"]}}
    )
    assert told.body == RegisterAgent(agent="oracle1", capabilities=("x",))
    asked = ToFleet.model_validate({"id": "q", "body": {"kind": "read-fleet", "view": "graph"}})
    assert asked.body == ReadFleet(view="graph")
    for body in ({"kind": "read-state"}, {"kind": "read-fleet", "surprise": 1}, {"agent": "a"}):
        with pytest.raises(ValidationError):
            ToFleet.model_validate({"id": "c", "body": body})


def test_a_decision_without_an_agent_can_be_said() -> None:
    assert Decision(routing=Routing()).routing.agent == ""


def test_a_crossing_says_itself_in_one_line() -> None:
    crossing = Crossing.model_validate(CROSSING)
    assert str(crossing) == "EMERGENCE: β₁=3 > V-2=2 (V=4, E=6)"
    half = crossing.model_copy(update={"offset": 0.5, "threshold": 4.5, "h1": 5})
    assert str(half) == "EMERGENCE: β₁=5 > V+0.5=4.5 (V=4, E=6)"


CROSSING: dict[str, Any] = {
    "number": 41, "h1": 3, "threshold": 2.0, "vertices": 4, "edges": 6, "edge": ["a", "b"],
}  # fmt: skip
ALTERNATIVE: dict[str, Any] = {
    "agent": "b", "score": 0.5, "load": 1, "delta_h1": 0, "delta_components": 0,
}  # fmt: skip
TURN: dict[str, Any] = {"turn": 1, "npc": "marta", "text": "hola"}
DUE: dict[str, Any] = {"form": "past tense", "type": "morphosyntactic"}
TRIGGER: dict[str, Any] = {
    "trigger_id": "t1", "learner_id": "ana", "type": "streak-reminder",
    "sender": {"name": "Holodeck"}, "content": {"title": "", "body": ""},
    "scheduled_at": "2026-01-01T09:30:00Z", "expires_at": "2026-01-02T09:30:00+00:00",
}  # fmt: skip
WRONG: list[tuple[type[BaseModel], dict[str, Any], str]] = [
    (TakeTurn, TURN | {"turn": 0}, "turn"),
    (TakeTurn, TURN | {"text": ""}, "text"),
    (TakeTurn, TURN | {"text": "x" * (MAX_TEXT + 1)}, "text"),
    (TakeTurn, TURN | {"npc": "-"}, "npc"),
    (TakeTurn, TURN | {"npc": "a.b"}, "npc"),
    (TakeTurn, TURN | {"npc": "a\n"}, "npc"),
    (TakeTurn, TURN | {"speaking_ms": -1}, "speaking_ms"),
    (TakeTurn, TURN | {"frictions": [{"type": "lexical"}] * 17}, "frictions"),
    (NpcReply, TURN | {"turn": -1}, "turn"),
    (FrictionFinding, {"type": "slang"}, "type"),
    (FrictionFinding, {"type": "lexical", "severity": "severe"}, "severity"),
    (FrictionFinding, {"type": "lexical", "form": "x" * 201}, "form"),
    (TakeTurn, TURN | {"analysis": {"l1_words": -1}}, "analysis"),
    (TakeTurn, TURN | {"analysis": {"comprehensibility": 1.01}}, "analysis"),
    (TakeTurn, TURN | {"analysis": {"forms": ["f"] * 17}}, "analysis"),
    (TakeTurn, TURN | {"analysis": {"forms": [""]}}, "analysis"),
    (TakeTurn, TURN | {"signals": {"latency_ms": -1}}, "signals"),
    (TakeTurn, TURN | {"heard": {}}, "heard"),
    (TakeTurn, TURN | {"heard": {"comprehensibility": float("nan")}}, "heard"),
    (TakeTurn, TURN | {"refraction": 0}, "refraction"),
    (TakeTurn, TURN | {"location": "x" * 201}, "location"),
    (NpcReply, TURN | {"opened": ["f"] * 6}, "opened"),
    (StartSession, {"learner": "ana", "analysis": "guess"}, "analysis"),
    (StartSession, {"learner": "ana", "stage": {"pressure": 1.5}}, "stage"),
    (StartSession, {"learner": "ana", "stage": {"injections": [DUE] * 6}}, "stage"),
    (StartSession, {"learner": "ana", "context": {"learner": {"id": "ana"}}}, "context"),
    (AskRefraction, {"number": 0, "text": "hi"}, "number"),
    (AskRefraction, {"number": 1, "text": ""}, "text"),
    (AskRefraction, {"number": 1, "text": "hi", "trigger": "whim"}, "trigger"),
    (OfferRefraction, {"number": 1, "response": {}}, "response"),
    (ChooseRefraction, {"number": 1, "level": "slang"}, "level"),
    (ChooseRefraction, {"number": 1, "dwell_ms": -1}, "dwell_ms"),
    (RecordAttempt, {"number": 1, "result": {"overall_accuracy": 1}}, "result"),
    (RememberFact, {"npc": "m", "fact": {"fact": ""}}, "fact"),
    (RememberFact, {"npc": "m", "fact": {"fact": "x" * 301}}, "fact"),
    (ReachGoal, {"npc": "m", "objective": ""}, "objective"),
    (CloseConversation, {"npc": "m", "outcome": "won"}, "outcome"),
    (ResolveIncident, {"npc": "m", "incident": ""}, "incident"),
    (RecordProfessional, {"npc": "m", "type": "gossip", "description": "x"}, "type"),
    (RecordProfessional, {"npc": "m", "type": "proposal", "description": ""}, "description"),
    (EditProfile, {"cefr": "D1"}, "cefr"),
    (EditProfile, {"native_language": "English"}, "native_language"),
    (EditProfile, {"preferred_hours": [24]}, "preferred_hours"),
    (EditProfile, {"preferred_minutes": 0}, "preferred_minutes"),
    (EditProfile, {"utc_offset_minutes": 841}, "utc_offset_minutes"),
    (ReportLesson, {"result": {"curriculum_id": "c", "completion_rate": 1.1}}, "result"),
    (ScheduleTrigger, {"trigger": TRIGGER | {"scheduled_at": "tomorrow"}}, "trigger"),
    (ScheduleTrigger, {"trigger": TRIGGER | {"scheduled_at": "2026-01-01T09:30:00"}}, "trigger"),
    (ScheduleTrigger, {"trigger": TRIGGER | {"priority": 1001}}, "trigger"),
    (AnswerTrigger, {"trigger": "t", "status": "ignored"}, "status"),
    (DescribeNpc, {"name": "Marta", "tier": 4}, "tier"),
    (DescribeNpc, {"name": "Marta", "patience": 1.1}, "patience"),
    (DescribeNpc, {"name": "Marta", "traits": {"openness": -0.1}}, "traits"),
    (BriefNpc, {"learner": "a b", "at": 1}, "learner"),
    (BriefNpc, {"learner": "ana", "at": 1, "recall": 21}, "recall"),
    (BriefNpc, {"learner": "ana", "at": 1, "cue": "x" * 2001}, "cue"),
    (BriefLearner, {"at": -1}, "at"),
    (FrictionFinding, {"type": "lexical", "severity": 1.01}, "severity"),
    (FrictionFinding, {"type": "lexical", "severity": float("nan")}, "severity"),
    (FrictionFinding, {"type": "lexical", "detail": "x" * 501}, "detail"),
    (ChangeReputation, {"npc": "marta", "delta": -1.5}, "delta"),
    (ChangeReputation, {"npc": "marta", "delta": float("inf")}, "delta"),
    (ChangeReputation, {"npc": "marta", "delta": 0.1, "reason": "x" * 1001}, "reason"),
    (AddTask, {"task": ""}, "task"),
    (AddTask, {"task": "x" * 129}, "task"),
    (AddTask, {"task": "t", "data": "{"}, "data"),
    (AddTask, {"task": "t", "data": '"' + "x" * 40_000 + '"'}, "data"),
    (AddTask, {"task": "t", "priority": "urgent"}, "priority"),
    (AddTask, {"task": "t", "capabilities": ["c"] * 33}, "capabilities"),
    (AddTask, {"task": "t", "timeout_s": -1}, "timeout_s"),
    (CompleteTask, {"task": "t", "outcome": "won"}, "outcome"),
    (CompleteTask, {"task": "t", "result": "not json"}, "result"),
    (StartSession, {"learner": "ana", "max_tasks": 0}, "max_tasks"),
    (StartSession, {"learner": "ana", "max_tasks": 1001}, "max_tasks"),
    (StartSession, {"learner": "ana", "claim": 0}, "claim"),
    (StartSession, {"learner": ""}, "learner"),
    (StartSession, {"learner": "ana", "name": "x" * 201}, "name"),
    (StartSession, {"learner": "ana", "session_kind": "party"}, "session_kind"),
    (StartSession, {"learner": "ana", "session_timeout_s": 1e12}, "session_timeout_s"),
    (StartSession, {"learner": "ana", "emergence_offset": 1e7}, "emergence_offset"),
    (StartSession, {"learner": "ana", "graph": {"h1": -1}}, "graph"),
    (StartSession, {"learner": "ana", "started_us": -1}, "started_us"),
    (StartSession, {"learner": "ana", "started_us": 2**53 + 1}, "started_us"),
    (RouteTask, {"task": "t", "prefer": ["a"] * 33}, "prefer"),
    (RouteTask, {"task": "t", "prefer": ["a b"]}, "prefer"),
    (RouteTask, {"task": "t", "decision": {"routing": {}, "surprise": 1}}, "decision"),
    (RetryTask, {"task": "t", "attempt": 1}, "attempt"),
    (RetryTask, {"task": "t", "attempt": 101}, "attempt"),
    (RetryTask, {"task": "", "attempt": 2}, "task"),
    (ReportError, {"error": ""}, "error"),
    (ReportError, {"error": "x" * 1001}, "error"),
    (ReportEmergence, {"crossing": CROSSING | {"number": 0}}, "crossing"),
    (ReportEmergence, {"crossing": CROSSING | {"edge": ["a", "b", "c"]}}, "crossing"),
    (ReportEmergence, {"crossing": CROSSING | {"members": ["a"] * 65}}, "crossing"),
    (RegisterAgent, {"agent": "a b"}, "agent"),
    (RegisterAgent, {"agent": "-"}, "agent"),
    (RegisterAgent, {"agent": "x" * 65}, "agent"),
    (RegisterAgent, {"agent": "a", "capabilities": ["c"] * 33}, "capabilities"),
    (RegisterAgent, {"agent": "a", "capabilities": ["c" * 201]}, "capabilities"),
    (RegisterAgent, {"agent": "a", "max_load": -1}, "max_load"),
    (UnregisterAgent, {"agent": "a.b"}, "agent"),
    (AskRoute, {"session": "a b", "task": "t"}, "session"),
    (AskRoute, {"session": "s", "task": ""}, "task"),
    (AskRoute, {"session": "s", "task": "t", "attempt": 0}, "attempt"),
    (AskRoute, {"session": "s", "task": "t", "own": ""}, "own"),
    (AskRoute, {"session": "s", "task": "t", "candidates": [{"agent": "a"}] * 33}, "candidates"),
    (AskRoute, {"session": "s", "task": "t", "candidates": [{"agent": ">"}]}, "candidates"),
    (AskRoute, {"session": "s", "task": "t", "collaborators": ["a"] * 33}, "collaborators"),
    (AskGraph, {"session": "a*"}, "session"),
    (AskGraph, {"after": -1}, "after"),
    (ReadFleet, {"view": "everything"}, "view"),
    (ReadFleet, {"limit": 0}, "limit"),
    (ReadFleet, {"limit": 20_001}, "limit"),
    (Decision, {"routing": {"match": 1.01}}, "routing"),
    (Decision, {"routing": {"emergence_risk": float("nan")}}, "routing"),
    (Decision, {"routing": {}, "alternatives": [ALTERNATIVE] * 4}, "alternatives"),
    (Decision, {"routing": {}, "collaborators": ["a"] * 33}, "collaborators"),
    (ClaimLearner, {"session": "a b"}, "session"),
    (ClaimLearner, {"session": "s", "after": -1}, "after"),
    (DescribeNpc, {"name": "x" * 201}, "name"),
]


@pytest.mark.parametrize(("model", "given", "field"), WRONG)
def test_what_is_out_of_bounds_is_refused_by_name(
    model: type[BaseModel], given: dict[str, Any], field: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(given)
    assert [error["loc"][0] for error in caught.value.errors()] == [field]


def test_a_trigger_that_keeps_the_rules_is_taken() -> None:
    assert ScheduleTrigger.model_validate({"trigger": TRIGGER}).trigger.priority == 0


@pytest.mark.parametrize(("alias", "meant"), sorted(FRICTION_ALIASES.items()))
def test_a_kind_of_friction_goes_by_other_names_too_and_is_stored_by_its_own(
    alias: str, meant: FrictionType
) -> None:
    finding = FrictionFinding.model_validate({"type": alias})
    assert finding.type is meant
    assert finding.model_dump(mode="json")["type"] == meant.value


@pytest.mark.parametrize(
    ("level", "number"), [("low", 0.125), ("medium", 0.375), ("high", 0.625), ("critical", 0.875)]
)
def test_a_severity_may_be_said_as_a_level_and_comes_back_as_that_level(
    level: str, number: float
) -> None:
    finding = FrictionFinding.model_validate({"type": "lexical", "severity": level})
    assert finding.severity == number
    assert severity_level(number) == level


@many
@given(any_of([PreSessionContext, RefractionResponse, MicroCurriculum, ScheduledTrigger]))
def test_users_contracts_are_taken_in_camel_case_and_given_in_either(contract: Contract) -> None:
    outside = contract.outside()
    assert type(contract).model_validate(outside) == contract
    assert type(contract).model_validate(contract.model_dump(mode="json")) == contract
    assert not any("_" in name for name in outside)


def test_a_command_may_hold_users_contracts_as_they_write_them() -> None:
    wording = {"formulation": "Un café, por favor.", "register": "safe-simple", "riskLevel": "zero"}
    said = {
        "kind": "offer-refraction",
        "number": 1,
        "response": {"refractions": dict.fromkeys(("basic", "native", "formal"), wording)},
    }
    (offer,) = [SESSION_COMMAND.validate_python(said)]
    assert isinstance(offer, OfferRefraction)
    assert offer.response.refractions.formal.register_label == "safe-simple"
    assert SESSION_COMMAND.validate_python(offer.model_dump()) == offer


def test_a_cast_names_each_npc_once() -> None:
    with pytest.raises(ValidationError, match="twice"):
        StartSession.model_validate({"learner": "ana", "cast": [{"npc": "marta"}] * 2})


def test_agent_sessions_claim_nobody_and_the_others_do() -> None:
    assert [kind for kind in SessionKind if not kind.claims] == [SessionKind.AGENT]


def test_a_checkpoint_holds_at_least_one_event() -> None:
    with pytest.raises(DecodeError, match="no events"):
        decode_checkpoint(pack({"v": SCHEMA, "at": 1, "events": []}), "s")


@pytest.mark.parametrize("command", ["", "-x", "a b", "x" * 129, "a\r\nb", "ä"])
def test_a_command_id_can_stand_in_a_header(command: str) -> None:
    with pytest.raises(ValidationError):
        ToSession.model_validate({"id": command, "body": {"kind": "pause"}})


def test_orders_to_the_supervisor_are_closed_too() -> None:
    for adapter in VERBS.values():
        with pytest.raises(ValidationError):
            adapter.validate_python({"surprise": 1})
