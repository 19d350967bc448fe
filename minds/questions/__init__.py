"""Questions without a model: families of tasks that a curriculum names, with their keys.

One law: a question is a function of its arguments alone; whoever asks again gets the same.

What a curriculum may write under ``generator`` (``learn`` and ``prove`` are parameters; a span is
``[least, greatest]``; ``kinds`` defaults to all, each as often; every family takes ``choice``, the
share of questions with four options where the answer could be typed, by default 0.25):

====================== ============================================ ===============================
family                 kinds                                        parameters with defaults
====================== ============================================ ===============================
``place-value``        value digit compose words more less          numbers [10, 99]
``order-numbers``      largest smallest gap halfway                 numbers [100, 999], spread 300,
                                                                    steps [5, 10, 50, 100]
``rounding``           plain                                        numbers [11, 999],
                                                                    units [10, 100]
``addition``           plain missing story                          addends 2, numbers [1, 10],
                                                                    total 0, carry any (none, some)
``subtraction``        plain missing story                          high [2, 20], low [1, 10],
                                                                    borrow any (none, some),
                                                                    across_zero false
``two-step-story``     more-more more-less less-more less-less      first [50, 400],
                                                                    other [10, 200]
``equal-groups``       groups array repeated story                  groups [2, 5], size [2, 10]
``times-table``        plain missing story                          tables [2, 5, 10], by [1, 10]
``division-facts``     plain share group missing                    by [2, 5, 10], result [1, 10]
``multiplication``     plain story                                  first [11, 99], second [2, 9]
``division-remainder`` both remainder full enough                   by [2, 9], result [2, 10]
``factors``            factor prime common-factor common-multiple   numbers [4, 30]
``estimation``         sum difference                               numbers [110, 990], unit 100
``reasoning``          commute distribute inverse compensate        numbers [3, 12]
``fraction-parts``     shaded unshaded set line                     bottoms [2, 8]
``same-fraction``      top bottom simplify which                    bottoms [2, 6], times [2, 5]
``compare-fractions``  largest smallest                             bottoms [2, 8], like any
                                                                    (bottom, top)
``fraction-sums``      add subtract story                           bottoms [2, 8], like true
``fraction-of``        plain story                                  bottoms [2, 6], unit [1, 10]
``fraction-products``  times divide                                 bottoms [2, 6]
``mixed-numbers``      improper mixed                               bottoms [2, 6], wholes [1, 4]
``coins``              count change total                           coins [1, 2, 5, 10, 20, 50],
                                                                    total [10, 100]
``clock``              minutes hand read spoken to-next             step 5 (10, 15, 30)
``elapsed-time``       duration end start                           step 5, minutes [10, 90],
                                                                    hours [7, 17]
``perimeter``          rectangle square side polygon                sides [2, 12]
``area``               grid rectangle square side                   sides [2, 10]
``metric``             down up decimal add                          units [cm-mm, m-cm, km-m, kg-g,
                                                                    l-ml], amount [1, 9]
``note-values``        fit beats dotted                             shortest 16
``bars``               beats fill count                             bars [2, 8]
``staff-notes``        treble bass                                  ledger false
``scale-notes``        degree which                                 keys [-1, 1]
``key-signatures``     count major minor                            keys [-3, 3]
``intervals``          number semitones above                       roots [0, 6], largest 8
``triads``             third fifth which                            keys [-1, 1]
``same-sound``         sharp flat                                   (none)
``half-steps``         up down                                      steps [1, 4]
``tempo``              seconds beats                                beats [4, 40]
====================== ============================================ ===============================

A task's key (``Question.task``) is ``family:kind:n,n,...``: the family and module say what the
numbers are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from random import Random
from types import MappingProxyType
from typing import Any, Final

from pydantic import JsonValue

from holodeck.messages.curriculum import Skill
from holodeck.messages.errors import ContractError
from holodeck.messages.practice import SkillTier, Supply
from holodeck.minds.questions import fractions, measure, music, numbers, products, reasoning, sums
from holodeck.minds.questions.family import POOL, Family, Space, space

__all__ = ["FAMILIES", "POOL", "Family", "faults", "generate", "tasks"]

FAMILIES: Final[Mapping[str, Family[Any]]] = MappingProxyType(
    {
        one.name: one
        for room in (numbers, sums, products, reasoning, fractions, measure, music)
        for one in room.FAMILIES
    }
)

_TEXT: Final = json.JSONEncoder(sort_keys=True).encode


def generate(
    skill: Skill,
    tier: SkillTier,
    seed: str,
    avoid: frozenset[str],
    errors: Sequence[str] = (),
    prior: Sequence[str] = (),
) -> Supply:
    """A question for a skill.

    Args:
        seed: of chance; the same arguments make the same question, on every machine.
        avoid: tasks not to be asked again (``Question.task``). When no other is left, the supply
            is a ``repeat``, of a task whose words lie far back in ``prior``.
        errors: recent wrong answers, each ``Answered A for 'Q', correct answer was K``. Where one
            shows a typical mistake, tasks are preferred in which it would show again.
        prior: texts of earlier questions, the newest last.

    Returns:
        ``fatal`` without question where the family is unknown or its parameters are wrong;
        ``reason`` says which.
    """
    try:
        tasks = _space_of(skill, tier)
    except ContractError as error:
        return Supply(skill=skill.id, tier=tier, fatal=True, reason=str(error)[:500])
    chance = Random(f"{seed}:{skill.id}:{tier}")
    wanted = tasks.misconceptions(errors) if errors else frozenset()
    found = tasks.fresh(chance, avoid, wanted)
    kind, task = found or tasks.oldest(chance, prior)
    return Supply(
        skill=skill.id,
        tier=tier,
        question=tasks.question(skill.id, kind, task, chance),
        repeat=found is None,
    )


def tasks(skill: Skill, tier: SkillTier) -> int:
    """How many distinct tasks there are; of a larger space :data:`POOL` at most are asked.

    Raises:
        ContractError: the family is unknown or its parameters are wrong.
    """
    return len(_space_of(skill, tier).every)


def faults(skill: Skill) -> tuple[str, ...]:
    """What is wrong with a skill's family and parameters, for each tier; empty: nothing."""
    found = []
    for tier in SkillTier:
        try:
            _space_of(skill, tier)
        except ContractError as error:
            found.append(f"{skill.id}, {tier}: {error}")
    return tuple(dict.fromkeys(found))


def _space_of(skill: Skill, tier: SkillTier) -> Space[Any]:
    held = _LATELY.get((id(skill), tier))
    if held is not None and held[0] is skill:
        return held[1]
    use = skill.generator
    raw = use.learn if tier is SkillTier.LEARN else use.prove
    found = _space(use.family, tier, _TEXT(raw))
    if len(_LATELY) >= _SPACES:
        _LATELY.clear()
    _LATELY[id(skill), tier] = (skill, found)
    return found


_SPACES: Final = 1024
_LATELY: Final[dict[tuple[int, SkillTier], tuple[Skill, Space[Any]]]] = {}
"""Spaces by the very skill object, which is frozen and kept alive here: no parameters need to be
written out to find them."""


@lru_cache(maxsize=_SPACES)
def _space(name: str, tier: SkillTier, params: str) -> Space[Any]:
    family = FAMILIES.get(name)
    if family is None:
        raise ContractError(f"no family of questions is called {name!r}")
    raw: Mapping[str, JsonValue] = json.loads(params)
    return space(family, tier, raw)
