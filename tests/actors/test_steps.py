"""The ids of the steps a supervisor walks."""

from __future__ import annotations

import re

from holodeck.actors.supervisor import step
from holodeck.messages.ids import MAX_COMMAND_ID

COMMAND_ID = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$")


def test_a_step_is_named_after_its_order() -> None:
    assert step("c1", "claim", "sess_1", 2) == "c1.claim.sess_1.2"


def test_the_longest_order_still_has_steps_with_valid_and_different_ids() -> None:
    order, session = "c" * MAX_COMMAND_ID, "s" * 64
    ids = [step(order, "start"), *(step(order, "claim", session, n) for n in range(1, 4))]
    assert all(COMMAND_ID.match(one) for one in ids)
    assert len(set(ids)) == len(ids)
    assert ids == [step(order, "start"), *(step(order, "claim", session, n) for n in range(1, 4))]
