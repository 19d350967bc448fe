"""What was ever stored is read for ever: frozen bytes of every kind of checkpoint.

The files are history. If one of these tests fails, the contract is wrong, not the file: give the
new field a default, or raise the schema and bring an upcaster in ``messages/codec.py``.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from holodeck.messages.codec import decode_checkpoint
from tests.messages.freeze import SAMPLES, shown
from tests.messages.strategies import EVENTS, kind_of

FROZEN = sorted(SAMPLES.glob("*.msgpack"))


@pytest.mark.parametrize("path", FROZEN, ids=lambda path: path.stem)
def test_a_frozen_checkpoint_still_means_what_it_meant(path: Path) -> None:
    found = shown(decode_checkpoint(path.read_bytes(), path.name))
    then = json.loads(path.with_suffix(".json").read_text())
    assert found["at"] == then["at"]
    assert len(found["events"]) == len(then["events"])
    for now, before in zip(found["events"], then["events"], strict=True):
        # A field that came later may stand beside; none that was there may change or go.
        assert {name: now.get(name) for name in before} == before


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
