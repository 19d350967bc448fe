"""The small rules of a session: what a turn does to reputation, who gets a task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from holodeck.actors.session.state import SessionState, Task
from holodeck.messages.session import FrictionFinding, FrictionType, TaskRouted

CLEAN_TURN: Final = 0.05
REGISTER_ALIGNED: Final = 0.05
FRICTION_COST: Final[dict[FrictionType, float]] = {
    FrictionType.CULTURAL: 0.15,
    FrictionType.REGISTER: 0.10,
    FrictionType.PRAGMATIC: 0.08,
    FrictionType.LEXICAL: 0.05,
    FrictionType.MORPHOSYNTACTIC: 0.05,
    FrictionType.PHONEMIC: 0.03,
}
"""What one friction costs per unit of severity."""


def turn_reputation(frictions: Sequence[FrictionFinding], register_aligned: bool | None) -> float:
    """How one analysed turn moves the standing with the NPC, -1 to 1.

    A turn without friction earns 0.05, a fitting register 0.05 (also together with friction),
    each friction costs its kind's rate times its severity.
    """
    delta = 0.0 if frictions else CLEAN_TURN
    if register_aligned:
        delta += REGISTER_ALIGNED
    for found in frictions:
        delta -= FRICTION_COST[found.type] * found.severity
    return round(max(-1.0, min(1.0, delta)), 6)


def choose(state: SessionState, task: Task) -> TaskRouted:
    """Who of the cast gets ``task``: best capability match, then fewest open tasks, then name.

    Nobody with all capabilities: the best match is taken and flagged as a fallback.
    """
    assert state.charter is not None
    wanted = set(task.capabilities)
    load: dict[str, int] = {}
    for other in state.tasks.values():
        if other.npc is not None and other.outcome is None:
            load[other.npc] = load.get(other.npc, 0) + 1

    def match(capabilities: Sequence[str]) -> float:
        return len(wanted & set(capabilities)) / len(wanted) if wanted else 1.0

    ranked = sorted(
        state.charter.cast,
        key=lambda member: (-match(member.capabilities), load.get(member.npc, 0), member.npc),
    )
    best = ranked[0]
    share = match(best.capabilities)
    equals = [member for member in ranked if match(member.capabilities) == share]
    if len(equals) == 1:
        term = "capability"
    elif len({load.get(member.npc, 0) for member in equals}) > 1:
        term = "load"
    else:
        term = "name"
    return TaskRouted(
        task=task.id,
        npc=best.npc,
        match=round(share, 6),
        fallback=share < 1.0,
        reasoning=f"decided by {term}: match {share:.2f}, open tasks {load.get(best.npc, 0)}",
        attempt=task.attempt,
        offset=state.charter.emergence_offset,
    )
