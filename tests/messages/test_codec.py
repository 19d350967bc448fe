"""Bytes on the wire: what was written is read, and what cannot be read says so."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import msgpack
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from holodeck.messages import codec
from holodeck.messages.base import MAX_MESSAGE
from holodeck.messages.codec import (
    decode_answer,
    decode_checkpoint,
    decode_command,
    encode_answer,
    encode_checkpoint,
    encode_command,
    pack,
    unpack,
)
from holodeck.messages.envelope import (
    JSON_CONTENT,
    Answer,
    AwaitReply,
    Checkpoint,
    Envelope,
    ReadState,
    ToFleet,
    ToLearner,
    ToNpc,
    ToSession,
)
from holodeck.messages.errors import ContractError, DecodeError, FutureSchema, TooLarge
from holodeck.messages.session import AddTask, ForkFrom, Pause, SessionPaused
from holodeck.messages.talk import BriefLearner, BriefNpc
from tests.messages.strategies import (
    EVENTS,
    FLEET_COMMANDS,
    FLEET_QUERIES,
    LEARNER_COMMANDS,
    NPC_COMMANDS,
    SESSION_COMMANDS,
    any_of,
    few,
    instances,
    kind_of,
    many,
)

TO: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "session": (ToSession, (*SESSION_COMMANDS, ReadState, AwaitReply)),
    "npc": (ToNpc, (*NPC_COMMANDS, ReadState, BriefNpc)),
    "learner": (ToLearner, (*LEARNER_COMMANDS, ReadState, BriefLearner)),
    "fleet": (ToFleet, (*FLEET_COMMANDS, *FLEET_QUERIES)),
}
CASES = [(actor, body) for actor, (_, bodies) in TO.items() for body in bodies]
PAUSED = (SessionPaused(reason="tea"),)


def enveloped(actor: str, body: Any, sent: int = 5, deadline: int = 9) -> Envelope:
    made: Envelope = TO[actor][0](id="cmd_1", sent=sent, deadline=deadline, body=body)
    return made


# --- commands ----------------------------------------


@pytest.mark.parametrize(
    ("actor", "model"), CASES, ids=[f"{actor}-{kind_of(model)}" for actor, model in CASES]
)
@few
@given(data=st.data())
def test_a_command_comes_back_as_it_was(actor: str, model: Any, data: st.DataObject) -> None:
    envelope = enveloped(actor, data.draw(instances(model)))
    assert decode_command(actor, encode_command(envelope), "s") == envelope


@pytest.mark.parametrize(
    ("actor", "model"),
    [case for case in CASES if case[1] is not ForkFrom],  # its state is bytes: msgpack only
    ids=[f"{actor}-{kind_of(model)}" for actor, model in CASES if model is not ForkFrom],
)
@few
@given(data=st.data())
def test_json_and_msgpack_say_the_same_command(actor: str, model: Any, data: st.DataObject) -> None:
    envelope = enveloped(actor, data.draw(instances(model)))
    written = envelope.model_dump_json(exclude_defaults=data.draw(st.booleans()))
    raw = json.loads(written)
    raw["body"]["kind"] = kind_of(model)
    from_json = decode_command(actor, json.dumps(raw).encode(), "s", JSON_CONTENT)
    assert from_json == decode_command(actor, encode_command(envelope), "s") == envelope


def test_json_is_known_by_its_content_type_whatever_stands_behind_it() -> None:
    data = b'{"id": "c", "body": {"kind": "pause"}}'
    found = decode_command("session", data, "s", "application/json; charset=utf-8")
    assert found.body == Pause()
    with pytest.raises(DecodeError):
        decode_command("session", data, "s")


def test_a_plain_client_may_leave_its_times_out() -> None:
    found = decode_command("session", pack({"id": "c", "body": {"kind": "pause"}}), "s")
    assert (found.sent, found.deadline) == (0, 0)


def test_an_oversize_command_is_neither_sent_nor_read() -> None:
    body = AddTask(
        task="t", data=json.dumps("x" * 32_000), capabilities=tuple("ü" * 200 for _ in range(32))
    )
    assert len(encode_command(enveloped("session", body))) < MAX_MESSAGE
    big = body.model_copy(update={"data": json.dumps("x" * 65_000)})
    with pytest.raises(TooLarge):
        encode_command(enveloped("session", big))
    with pytest.raises(TooLarge) as caught:
        decode_command("session", b"\x00" * (MAX_MESSAGE + 1), "s")
    assert (caught.value.size, caught.value.limit) == (MAX_MESSAGE + 1, MAX_MESSAGE)


def test_there_is_no_actor_of_another_kind() -> None:
    with pytest.raises(DecodeError, match="'fleets'"):
        decode_command("fleets", b"", "s")


def test_an_error_names_the_field_and_keeps_the_value_to_itself() -> None:
    data = pack({"id": "c", "body": {"kind": "take-turn", "turn": 1, "npc": "m", "text": 5}})
    with pytest.raises(DecodeError) as caught:
        decode_command("session", data, "hd.cmd.1.session.s")
    assert "text" in caught.value.reason
    secret = pack({"id": "c", "body": {"kind": "pause", "reason": ["secret"]}})
    with pytest.raises(DecodeError) as caught:
        decode_command("session", secret, "s")
    assert "secret" not in str(caught.value)


# --- garbage ----------------------------------------

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=8)
    | st.binary(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=8) | st.integers(-9, 9), inner, max_size=4)
    ),
    max_leaves=12,
)


def _only_contract_errors(read: Any) -> None:
    with contextlib.suppress(ContractError):
        read()


@many
@given(st.binary(max_size=300))
@example(b"")
@example(b"\xc1")
@example(b"\xd6\xff\xff\xff\xff\xff")
@example(b"\x91" * 2000)
@example(b"\x81" * 600)
@example(b"\xdd\xff\xff\xff\xff")
@example(b"\x81\x90\x01")
@example(b"[" * 2000)
def test_garbage_raises_nothing_but_contract_errors(data: bytes) -> None:
    for actor in TO:
        _only_contract_errors(lambda actor=actor: decode_command(actor, data, "s"))
        _only_contract_errors(lambda actor=actor: decode_command(actor, data, "s", JSON_CONTENT))
    _only_contract_errors(lambda: decode_checkpoint(data, "s"))
    _only_contract_errors(lambda: decode_answer(data, "s"))
    _only_contract_errors(lambda: unpack(data))


@many
@given(PLAIN)
def test_sound_msgpack_of_nonsense_raises_nothing_but_contract_errors(value: Any) -> None:
    for raw in (value, {"id": "c", "body": value}, {"id": "c", "body": {"kind": value}}):
        _only_contract_errors(lambda raw=raw: decode_command("session", pack(raw), "s"))
    for raw in (
        value,
        {"v": value},
        {"v": 1, "at": value, "events": [{"kind": "session.paused"}]},
        {"v": 1, "at": 1, "events": value},
        {"v": 1, "at": 1, "events": [value]},
        {"v": 1, "at": 1, "events": [{"kind": "turn.taken", "turn": value}]},
    ):
        _only_contract_errors(lambda raw=raw: decode_checkpoint(pack(raw), "s"))


@many
@given(any_of(EVENTS), st.data())
def test_a_damaged_checkpoint_is_read_or_refused_but_never_a_bug(
    event: Any, data: st.DataObject
) -> None:
    good = bytearray(encode_checkpoint(1, [event]))
    for _ in range(data.draw(st.integers(1, 3))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    _only_contract_errors(lambda: decode_checkpoint(bytes(good), "s"))


# --- checkpoints ----------------------------------------


@pytest.mark.parametrize("model", EVENTS, ids=kind_of)
@few
@given(data=st.data())
def test_an_event_comes_back_as_it_was(model: Any, data: st.DataObject) -> None:
    event = data.draw(instances(model))
    assert decode_checkpoint(encode_checkpoint(7, [event]), "s") == Checkpoint(
        at=7, events=(event,)
    )


@many
@given(st.lists(any_of(EVENTS), min_size=1, max_size=6), st.integers(0, 2**53))
def test_several_events_keep_their_order(events: list[Any], at: int) -> None:
    found = decode_checkpoint(encode_checkpoint(at, events), "s")
    assert found == Checkpoint(at=at, events=tuple(events))
    assert encode_checkpoint(found.at, found.events) == encode_checkpoint(at, events)


@few
@given(st.text(max_size=20), st.booleans())
def test_a_checkpoint_says_where_its_tiles_belong_and_whether_they_are_quiet(
    room: str, quiet: bool
) -> None:
    data = encode_checkpoint(7, PAUSED, room, quiet)
    assert decode_checkpoint(data, "s") == Checkpoint(7, PAUSED, room, quiet)
    assert ("room" in unpack(data), "quiet" in unpack(data)) == (bool(room), quiet)


@pytest.mark.parametrize("room", [7, None, b"lab", ["lab"]])
def test_a_checkpoint_whose_room_is_no_text_is_undecodable(room: Any) -> None:
    raw = {"v": 1, "at": 1, "events": [{"kind": "session.paused"}], "room": room}
    with pytest.raises(DecodeError, match="room"):
        decode_checkpoint(pack(raw), "s")


@pytest.mark.parametrize("quiet", [0, 1, "yes", None, [True]])
def test_only_true_keeps_a_checkpoints_tiles_from_plato(quiet: Any) -> None:
    raw = {"v": 1, "at": 1, "events": [{"kind": "session.paused"}], "quiet": quiet}
    assert decode_checkpoint(pack(raw), "s").quiet is False


def test_a_newer_schema_says_that_the_program_is_too_old() -> None:
    data = pack({"v": codec.SCHEMA + 1, "at": 1, "what": "is this"})
    with pytest.raises(FutureSchema, match="schema 2"):
        decode_checkpoint(data, "s")


@pytest.mark.parametrize("version", [0, -1, None, "1", 1.0])
def test_a_schema_that_never_was_is_undecodable(version: Any) -> None:
    data = pack({"v": version, "at": 1, "events": [{"kind": "session.paused"}]})
    with pytest.raises(DecodeError):
        decode_checkpoint(data, "s")


@pytest.mark.parametrize("at", [-1, None, "1", 1.5])
def test_a_checkpoint_without_its_time_is_undecodable(at: Any) -> None:
    with pytest.raises(DecodeError):
        decode_checkpoint(pack({"v": 1, "at": at, "events": [{"kind": "session.paused"}]}), "s")


def test_a_checkpoint_without_events_is_undecodable() -> None:
    with pytest.raises(DecodeError):
        decode_checkpoint(pack({"v": 1, "at": 1, "events": []}), "s")


def test_older_checkpoints_are_lifted_step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two versions ahead of today, of which the first called a pause a rest."""

    def from_1(raw: dict[str, Any]) -> dict[str, Any]:
        events = [
            event | {"kind": "session.rested"} if event["kind"] == "session.slept" else event
            for event in raw["events"]
        ]
        return raw | {"v": 2, "events": events}

    def from_2(raw: dict[str, Any]) -> dict[str, Any]:
        events = [
            {"kind": "session.paused", "reason": event["why"]}
            if event["kind"] == "session.rested"
            else event
            for event in raw["events"]
        ]
        return raw | {"v": 3, "events": events}

    monkeypatch.setattr(codec, "SCHEMA", 3)
    monkeypatch.setattr(codec, "UPCASTERS", {1: from_1, 2: from_2})
    want = Checkpoint(at=4, events=PAUSED)
    first = pack({"v": 1, "at": 4, "events": [{"kind": "session.slept", "why": "tea"}]})
    second = pack({"v": 2, "at": 4, "events": [{"kind": "session.rested", "why": "tea"}]})
    third = encode_checkpoint(4, PAUSED)
    assert unpack(third)["v"] == 3
    assert [decode_checkpoint(data, "s") for data in (first, second, third)] == [want] * 3
    with pytest.raises(FutureSchema):
        decode_checkpoint(pack({"v": 4, "at": 4, "events": []}), "s")


def test_every_version_has_a_way_up_to_todays() -> None:
    assert set(codec.UPCASTERS) == set(range(1, codec.SCHEMA))


# --- answers ----------------------------------------

ANSWERS = st.builds(
    Answer,
    status=st.sampled_from(["ok", "refused", "contract", "busy", "moved"]),
    sequence=st.integers(0, 2**60),
    reason=st.text(max_size=10),
    detail=st.text(max_size=10),
    checkpoint=st.none() | st.binary(max_size=20),
    state=st.none() | st.binary(max_size=20),
)


@many
@given(ANSWERS)
def test_an_answer_comes_back_as_it_was(answer: Answer) -> None:
    assert decode_answer(encode_answer(answer), "s") == answer


def test_an_answer_as_json_shows_what_was_stored() -> None:
    stored = encode_checkpoint(7, PAUSED)
    answer = Answer(status="ok", sequence=3, checkpoint=stored, state=pack({"raw": b"\xff"}))
    shown = json.loads(encode_answer(answer, as_json=True))
    assert shown == {
        "status": "ok",
        "sequence": 3,
        "checkpoint": {
            "v": 1,
            "at": 7,
            "events": [{"kind": "session.paused", "reason": "tea"}],
        },
        "state": {"raw": "/w=="},
    }


def test_a_refusal_as_json_says_why() -> None:
    answer = Answer(status="refused", reason="turn-order", detail="turn 2 is next")
    shown = json.loads(encode_answer(answer, as_json=True))
    assert (shown["reason"], shown["detail"]) == ("turn-order", "turn 2 is next")


def test_the_wire_is_msgpack_with_text_and_bytes_told_apart() -> None:
    value = {"text": "ñ", "bytes": b"\x00", "list": [1, None, True]}
    assert unpack(pack(value)) == value
    assert msgpack.unpackb(pack(value)) == value
