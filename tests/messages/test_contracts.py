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
    ToLearner,
    ToNpc,
    ToSession,
)
from holodeck.messages.errors import DecodeError
from holodeck.messages.learner import ClaimLearner
from holodeck.messages.npc import DescribeNpc
from holodeck.messages.session import (
    INTERNAL_COMMANDS,
    SESSION_COMMAND,
    AddTask,
    ChangeReputation,
    CompleteTask,
    FrictionFinding,
    NpcReply,
    SessionKind,
    StartSession,
    TakeTurn,
)
from tests.messages.strategies import (
    EVENTS,
    LEARNER_COMMANDS,
    NPC_COMMANDS,
    SESSION_COMMANDS,
    any_of,
    few,
    kind_of,
    many,
)

COMMANDS = (*SESSION_COMMANDS, *NPC_COMMANDS, *LEARNER_COMMANDS)
EVENT: TypeAdapter[Any] = TypeAdapter(AnyEvent)


def test_every_kind_is_said_once() -> None:
    kinds = [kind_of(model) for model in (*COMMANDS, *EVENTS)]
    assert len(set(kinds)) == len(kinds)


def test_commands_are_bare_verbs_and_events_have_a_family() -> None:
    assert all("." not in kind_of(model) for model in COMMANDS)
    assert all(kind_of(model).count(".") == 1 for model in EVENTS)
    assert {kind_of(model) for model in SESSION_COMMANDS} >= INTERNAL_COMMANDS


@pytest.mark.parametrize("model", [*COMMANDS, *EVENTS], ids=kind_of)
@few
@given(data=st.data())
def test_what_was_said_cannot_be_changed(model: type[BaseModel], data: st.DataObject) -> None:
    message = data.draw(any_of([model]))
    hash(message)  # frozen all the way down: no list, no dict, no set inside
    with pytest.raises(ValidationError):
        message.kind = "other"


@many
@given(any_of(COMMANDS))
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
    [(ToSession, NPC_COMMANDS), (ToNpc, LEARNER_COMMANDS), (ToLearner, NPC_COMMANDS)],
)
def test_an_actor_takes_no_other_kinds_commands(
    model: type[BaseModel], others: tuple[type[BaseModel], ...]
) -> None:
    for other in others:
        with pytest.raises(ValidationError):
            model.model_validate({"id": "c", "body": {"kind": kind_of(other)}})


def test_queries_are_no_commands() -> None:
    assert not QUERY_KINDS & {kind_of(model) for model in COMMANDS}


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
