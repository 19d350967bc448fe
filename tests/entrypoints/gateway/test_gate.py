"""The gate: what may become a tile, and what it says where something may not."""

from __future__ import annotations

from typing import Any

import pytest

from holodeck.entrypoints.gateway.gate import admit, own_tile, room_name, tile_hash
from holodeck.messages.errors import ContractError, RefusedError
from tests.entrypoints.gateway.support import PROSE, submission
from tests.entrypoints.gateway.support import own_tile as tile_of_ours


@pytest.mark.parametrize(
    ("change", "reason", "words"),
    [
        ({"domain": ""}, "missing-field", "Missing required field: domain"),
        ({"question": ""}, "missing-field", "Missing required field: question"),
        ({"answer": None}, "missing-field", "Missing required field: answer"),
        ({"answer": {}}, "missing-field", "Missing required field: answer"),
        ({"answer": "x" * 19}, "answer-too-short", "Answer too short (19 < 20)"),
        ({"answer": "x" * 5001}, "answer-too-long", "Answer too long (5001 > 5000)"),
        ({"question": "Why?"}, "question-too-short", "Question too short (4 < 5)"),
        ({"answer": "This harbour is always open."}, "absolute-claim", "'always'"),
        ({"answer": "Never enter it by night, they say."}, "absolute-claim", "'never'"),
        ({"answer": "So it has been said, and proven."}, "absolute-claim", "'proven'"),
        ({"confidence": 1.01}, "confidence", "1.01 is not within 0 and 1"),
        ({"confidence": -0.1}, "confidence", "-0.1 is not within 0 and 1"),
    ],
)
def test_the_gate_refuses_with_a_word_for_programs_and_a_sentence(
    change: dict[str, Any], reason: str, words: str
) -> None:
    with pytest.raises(RefusedError) as caught:
        admit(submission(**change))

    assert caught.value.reason == reason
    assert words in caught.value.detail


def test_of_several_rules_the_first_broken_is_told() -> None:
    with pytest.raises(RefusedError) as caught:
        admit(submission(answer="always", question="?", confidence=7))

    assert caught.value.reason == "answer-too-short"


@pytest.mark.parametrize(
    "change",
    [
        {"answer": "x" * 20},
        {"answer": "x" * 5000},
        {"question": "12345"},
        {"answer": "Nevertheless the alwaysing of ships goes on."},
        {"answer": {"ok": 1}},
        {"answer": '{"error": "this can never happen"}'},
        {"answer": ["always"]},
        {"answer": {"text": "x" * 6000}},
        {"answer": "It was always like this, says the log.", "domain": "gc/scout-reports/keeper"},
        {"confidence": 0},
        {"confidence": 1},
    ],
    ids=str,
)
def test_the_gate_lets_in_what_is_within_its_bounds_or_structured(change: dict[str, Any]) -> None:
    assert admit(submission(**change)).tile["question"]


@pytest.mark.parametrize(
    "change",
    [
        {"question": 7},
        {"answer": 7},
        {"confidence": "0.5"},
        {"confidence": True},
        {"source": ["pilot"]},
        {"domain": ["harbour"]},
    ],
    ids=str,
)
def test_a_field_of_another_type_is_an_error_of_the_sender(change: dict[str, Any]) -> None:
    with pytest.raises(ContractError):
        admit(submission(**change))


@pytest.mark.parametrize(
    ("given", "place", "room"),
    [
        ({"domain": "a"}, None, "a"),
        ({"domain": "a", "room_id": "b"}, None, "b"),
        ({"domain": "a", "room_id": "b", "room": "c"}, None, "c"),
        ({"domain": "a", "room": "c"}, "d", "d"),
        ({"room": "c"}, None, "c"),
    ],
)
def test_the_room_is_that_of_the_address_then_room_then_room_id_then_domain(
    given: dict[str, str], place: str | None, room: str
) -> None:
    plain = {"question": "How deep is it?", "answer": PROSE}

    admitted = admit(plain | given, place)

    assert admitted.room == room
    assert admitted.tile["domain"] == given.get("domain", room)


@pytest.mark.parametrize("name", ["a", "gc/research/x", "Ünïcode room", "a" * 200, "a.b/..c"])
def test_a_room_has_a_name_with_slashes(name: str) -> None:
    assert room_name(f" {name} ") == name


@pytest.mark.parametrize(
    "name",
    ["", " ", "/", "/a", "a/", "a//b", "..", "a/../b", "a/./b", "a" * 201, "a\nb", "a\0", None, 7],
)
def test_what_could_be_a_path_or_nothing_is_no_rooms_name(name: Any) -> None:
    with pytest.raises(ContractError):
        room_name(name)


def test_a_tile_has_all_that_the_clients_index() -> None:
    bare = admit({"room": "r", "question": "How deep?", "answer": PROSE}).tile
    full = admit(
        submission(agent="x", tags=["a", 2], provenance={"signed": True}, tile_type="fact", id="7")
    ).tile

    assert bare["source"] == bare["provenance"] == "anonymous"
    assert (bare["confidence"], bare["tags"], bare["domain"]) == (0.5, [], "r")
    assert full["tags"] == ["a", "2"]
    assert full["provenance"] == '{"signed":true}'
    assert full["tile_type"] == "fact"
    assert "id" not in full


def test_the_hash_is_that_of_the_room_servers() -> None:
    # printf 'How deep?It is seven metres deep.' | sha256sum | cut -c1-16
    assert tile_hash("How deep?", "It is seven metres deep.") == "4065f10b29cb5488"


def test_a_tile_of_ours_is_served_with_its_answer_as_text() -> None:
    shown = own_tile(tile_of_ours(3).model_dump_json().encode())

    assert shown is not None
    assert shown["answer"].startswith('{"schema":1,')
    assert shown["tags"] == ["scout", "turn", "taken", "marta"]
    assert shown["provenance"] == "holodeck-session-manager:sess_1.3.0"


@pytest.mark.parametrize("data", [b"", b"no json", b"[]", b"{}", b'{"domain": "a"}'])
def test_what_is_no_tile_is_none(data: bytes) -> None:
    assert own_tile(data) is None
