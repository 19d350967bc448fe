"""What the client makes of an answer."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from holodeck.messages.codec import encode_checkpoint, pack
from holodeck.messages.errors import FutureSchema
from holodeck.messages.session import SessionPaused, TurnTaken
from holodeck.session import Step

TURN = TurnTaken(turn=1, npc="marta", text="hola")
STORED = encode_checkpoint(1_700_000_000_000, [TURN, SessionPaused()])


def test_a_step_shows_what_was_stored() -> None:
    step = Step(17, "c1", STORED)
    assert (step.sequence, step.command, step.at) == (17, "c1", 1_700_000_000_000)
    assert step.events == (TURN, SessionPaused())
    assert asdict(step) | {"events": None} == {
        "sequence": 17,
        "at": 1_700_000_000_000,
        "command": "c1",
        "events": None,
    }
    assert "hola" in repr(step)


def test_a_command_that_changed_nothing_made_no_events() -> None:
    step = Step(17, "", None)
    assert (step.at, step.events) == (0, ())


def test_steps_are_equal_by_what_was_stored() -> None:
    steps = {Step(17, "c1", STORED), Step(17, "c1", STORED), Step(18, "c1", STORED)}
    assert steps == {Step(17, "c1", STORED), Step(18, "c1", STORED)}
    assert Step(17, "c1", STORED) != Step(17, "c1", None)


def test_what_a_newer_program_stored_is_stored_all_the_same_and_cannot_be_looked_into() -> None:
    step = Step(17, "c1", pack({"v": 99, "at": 1, "events": [{"kind": "wonder"}]}))
    assert step.sequence == 17
    with pytest.raises(FutureSchema):
        _ = step.events
