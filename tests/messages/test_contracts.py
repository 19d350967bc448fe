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
from holodeck.messages.ids import check_id
from holodeck.messages.learner import ClaimLearner
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
from tests.messages.strategies import (
    EVENTS,
    FLEET_COMMANDS,
    FLEET_QUERIES,
    LEARNER_COMMANDS,
    NPC_COMMANDS,
    SESSION_COMMANDS,
    any_of,
    few,
    kind_of,
    many,
)

COMMANDS = (*SESSION_COMMANDS, *NPC_COMMANDS, *LEARNER_COMMANDS, *FLEET_COMMANDS)
EVENT: TypeAdapter[Any] = TypeAdapter(AnyEvent)


def test_every_kind_is_said_once() -> None:
    kinds = [kind_of(model) for model in (*COMMANDS, *FLEET_QUERIES, *EVENTS)]
    assert len(set(kinds)) == len(kinds)


def test_commands_are_bare_verbs_and_events_have_a_family() -> None:
    assert all("." not in kind_of(model) for model in COMMANDS)
    assert all(kind_of(model).count(".") == 1 for model in EVENTS)
    assert {kind_of(model) for model in SESSION_COMMANDS} >= INTERNAL_COMMANDS
    assert {kind_of(model) for model in FLEET_COMMANDS} >= INTERNAL_FLEET_COMMANDS


@pytest.mark.parametrize("model", [*COMMANDS, *FLEET_QUERIES, *EVENTS], ids=kind_of)
@few
@given(data=st.data())
def test_what_was_said_cannot_be_changed(model: type[BaseModel], data: st.DataObject) -> None:
    message = data.draw(any_of([model]))
    hash(message)  # frozen all the way down: no list, no dict, no set inside
    with pytest.raises(ValidationError):
        message.kind = "other"


@many
@given(any_of((*COMMANDS, *FLEET_QUERIES)))
def test_an_unknown_field_of_a_command_is_refused(command: BaseModel) -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        type(command).model_validate(command.model_dump() | {"surprise": 1})


@many
@given(any_of(EVENTS))
def test_an_unknown_field_of_a_stored_event_is_left_out(event: BaseModel) -> None:
    assert EVENT.validate_python(event.model_dump() | {"surprise": 1}) == event


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
    (FrictionFinding, {"type": "vocabulary"}, "type"),
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
