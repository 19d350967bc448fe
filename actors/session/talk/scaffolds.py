"""What eases a conversation, by tier and level.

One law: help comes step by step, stays while the learner needs it, and never breaks the tier: an
authority keeps its register, whatever happens.

=====  ==========================  ============================  ===========================
level  tier 1, companion           tier 2, immersion             tier 3, negotiation
=====  ==========================  ============================  ===========================
1      a hint at the word          the NPC waits longer          the NPC waits longer
2      + less target language      + simpler register            (as 1)
3      + an easier topic           + an easier topic             + refraction is offered
4      + refraction is offered     + refraction is offered       + the companion comes in
5      + a break is offered        + the companion comes in      + a break is offered
=====  ==========================  ============================  ===========================
"""

from __future__ import annotations

from typing import Final

from holodeck.messages.conversation import Affect, InnerAffect, Scaffold, Tier

MOST: Final = 5
LANDING: Final = 3
"""The level a soft landing does not go below."""
ACTIONS: Final[dict[int, tuple[tuple[int, Scaffold], ...]]] = {
    1: (
        (1, Scaffold.HINT),
        (2, Scaffold.REDUCE_L2),
        (3, Scaffold.TOPIC),
        (4, Scaffold.REFRACTION),
        (5, Scaffold.BREAK),
    ),
    2: (
        (1, Scaffold.PATIENCE),
        (2, Scaffold.SIMPLIFY),
        (3, Scaffold.TOPIC),
        (4, Scaffold.REFRACTION),
        (5, Scaffold.CHECK_IN),
    ),
    3: (
        (1, Scaffold.PATIENCE),
        (3, Scaffold.REFRACTION),
        (4, Scaffold.CHECK_IN),
        (5, Scaffold.BREAK),
    ),
}
"""By tier: from which level on each action is taken."""
_AT_EASE: Final = frozenset({Affect.CONFIDENT, Affect.ENGAGED})


def next_level(level: int, needed: bool, escalates: bool, affect: Affect, landing: bool) -> int:
    """The level of help after a turn, 0 to 5.

    One up where an intervention is needed, two where the signal calls for help at once; one down
    after each turn at ease; else as it was.

    Args:
        needed: friction and a negative state; escalates: as :func:`affect.help_for` says.
        landing: a soft landing is on.
    """
    if escalates:
        level += 2
    elif needed:
        level += 1
    elif affect in _AT_EASE:
        level -= 1
    return min(MOST, max(LANDING if landing else 0, level))


_TAKEN: Final = {
    (tier, level): tuple(action for since, action in steps if level >= since)
    for tier, steps in ACTIONS.items()
    for level in range(MOST + 1)
}


def actions(tier: Tier, level: int) -> tuple[Scaffold, ...]:
    """What a level, 0 to 5, consists of."""
    return _TAKEN[tier, min(MOST, max(0, level))]


def brings_companion(tier: Tier, level: int, inner: InnerAffect, escalates: bool) -> bool:
    """Whether the companion comes in: an overwhelmed learner needs it at once, one that is anxious
    before an authority too. In tier 1 it is there already."""
    if tier == 1:
        return False
    if Scaffold.CHECK_IN in actions(tier, level):
        return True
    if tier == 3 and inner is InnerAffect.ANXIOUS:
        return True
    return escalates and inner is InnerAffect.OVERWHELMED
