"""What was ever stored is read for ever: frozen bytes of every kind of checkpoint.

The files are history. If one of these tests fails, the contract is wrong, not the file: give the
new field a default, or raise the schema and bring an upcaster in ``messages/codec.py``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
from pydantic import BaseModel

from holodeck.messages.codec import decode_checkpoint, unpack
from tests.messages.freeze import SAMPLES, shown
from tests.messages.strategies import EVENTS, kind_of, parts

FROZEN = sorted(SAMPLES.glob("*.msgpack"))


def holds(now: Any, before: Any) -> bool:
    """Whether everything that was said is still said, however deep it stands.

    A field that came later may stand beside; none that was there may change or go.
    """
    if isinstance(before, dict) and isinstance(now, dict):
        return all(name in now and holds(now[name], before[name]) for name in before)
    if isinstance(before, list) and isinstance(now, list):
        return len(now) == len(before) and all(map(holds, now, before))
    return bool(now == before) and type(now) is type(before)


@pytest.mark.parametrize("path", FROZEN, ids=lambda path: path.stem)
def test_a_frozen_checkpoint_still_means_what_it_meant(path: Path) -> None:
    found = shown(decode_checkpoint(path.read_bytes(), path.name))
    then = json.loads(path.with_suffix(".json").read_text())
    assert holds(found, then), f"now:\n{found}\nthen:\n{then}"
    assert set(found) == set(then), "a room or quiet that was not said"


@pytest.mark.parametrize(
    ("now", "before", "still"),
    [
        ({"a": 1, "b": 2}, {"a": 1}, True),
        ({"a": 1}, {"a": 1, "b": None}, False),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}, True),
        ({"a": {"c": 2}}, {"a": {"b": 1}}, False),
        ([{"a": 1, "b": 2}], [{"a": 1}], True),
        ([1, 2], [1], False),
        ({"a": None}, {"a": {"b": 1}}, False),
        ({"a": 1}, {"a": True}, False),
    ],
)
def test_a_meaning_may_grow_and_neither_change_nor_shrink(
    now: Any, before: Any, still: bool
) -> None:
    assert holds(now, before) is still


def test_a_sample_holds_every_field_of_its_kind_as_it_is_today() -> None:
    """In its bytes, so set to something else than its default: what grew is frozen too."""
    said: dict[str, set[str]] = {}
    for path in FROZEN:
        for event in unpack(path.read_bytes())["events"]:
            said.setdefault(event["kind"], set()).update(event)
    for model in EVENTS:
        missing = set(model.model_fields) - said[kind_of(model)]
        assert not missing, f"freeze another sample of {kind_of(model)!r} with {missing}"


def constant(annotation: Any) -> bool:
    """Whether a field can have one value only, so that its bytes are never written."""
    return get_origin(annotation) is Literal and len(get_args(annotation)) == 1


def test_so_does_what_stands_inside_an_event() -> None:
    """Of models a stored event is made of, every field is in the bytes of some sample."""
    said: dict[type[BaseModel], set[str]] = {}
    for path in FROZEN:
        waiting: list[Any] = list(decode_checkpoint(path.read_bytes(), path.name).events)
        while waiting:
            value = waiting.pop()
            if isinstance(value, BaseModel):
                said.setdefault(type(value), set()).update(value.model_fields_set)
                waiting += value.__dict__.values()
            elif isinstance(value, dict | tuple):
                waiting += value.values() if isinstance(value, dict) else value
    for model in parts(EVENTS):
        told = {
            name for name, field in model.model_fields.items() if not constant(field.annotation)
        }
        missing = told - said.get(model, set())
        assert not missing, f"freeze another sample with {missing} of {model.__name__}"


def test_a_room_and_quiet_are_among_the_samples() -> None:
    found = [decode_checkpoint(path.read_bytes(), "") for path in FROZEN]
    assert any(checkpoint.room and checkpoint.quiet for checkpoint in found)
    assert any(not checkpoint.room and not checkpoint.quiet for checkpoint in found)


@pytest.mark.parametrize("kind", [kind_of(model) for model in EVENTS])
def test_every_kind_of_event_has_a_frozen_sample(kind: str) -> None:
    assert any(path.name.startswith(f"{kind}.v") for path in FROZEN), (
        f"no frozen sample of {kind!r}. Write an event of it with every field set and freeze it:\n"
        f'  python -m tests.messages.freeze \'[{{"kind": "{kind}", ...}}]\'\n'
        "then commit both new files in tests/messages/samples."
    )


def test_a_checkpoint_of_several_events_is_among_the_samples() -> None:
    several = [path for path in FROZEN if path.name.startswith("several")]
    assert several
    assert all(len(decode_checkpoint(p.read_bytes(), "").events) > 2 for p in several)


def test_a_sample_and_its_meaning_come_together() -> None:
    assert {p.stem for p in FROZEN} == {p.stem for p in SAMPLES.glob("*.json")}
