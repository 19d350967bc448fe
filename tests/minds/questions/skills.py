"""Skills to make questions for: those of every curriculum that comes along, and one per family."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
import yaml

from holodeck.messages.curriculum import Curriculum, FamilyUse, Skill
from holodeck.messages.practice import SkillTier
from holodeck.minds.questions import FAMILIES

_CURRICULA: Final = Path(__file__).parents[3] / "config" / "curricula"


def plain(family: str, **params: object) -> Skill:
    """A skill of one family, with the same parameters for both tiers."""
    use = FamilyUse.model_validate({"family": family, "learn": params, "prove": params})
    return Skill(id=f"of-{family}", name=family, strand="all", grade=1, generator=use)


def curricula() -> list[Curriculum]:
    return [
        Curriculum.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
        for path in sorted(_CURRICULA.glob("*.yaml"))
    ]


IN_USE: Final = [skill for curriculum in curricula() for skill in curriculum.skills]
SKILLS: Final = [
    *IN_USE,
    *(plain(family) for family in FAMILIES),
    plain("addition", kinds=["plain"], addends=3, numbers=[10, 400]),
    plain("addition", kinds=["plain"], addends=4, numbers=[2, 90], carry="some"),
    plain("addition", numbers=[1000, 90_000], choice=1.0),
    plain("subtraction", high=[200, 999], low=[100, 899], across_zero=True, choice=1.0),
    plain("place-value", numbers=[100_000, 999_999], choice=1.0),
    plain("rounding", numbers=[1001, 99_999], units=[10, 100, 1000, 10_000], choice=1.0),
    plain("multiplication", first=[101, 999], second=[12, 99], choice=1.0),
    plain("compare-fractions", like="bottom", bottoms=[5, 12]),
    plain("compare-fractions", like="top", bottoms=[2, 12]),
    plain("fraction-sums", like=False, bottoms=[2, 12], choice=1.0),
    plain("fraction-products", bottoms=[2, 12], choice=1.0),
    plain("metric", choice=1.0),
    plain("elapsed-time", step=1, minutes=[1, 240], hours=[1, 22], choice=1.0),
    plain("staff-notes", ledger=True),
    plain("scale-notes", keys=[-6, 6]),
    plain("key-signatures", keys=[-6, 6], choice=1.0),
    plain("triads", keys=[-4, 5]),
    plain("half-steps", steps=[1, 11], choice=1.0),
    *(plain(family, choice=1.0) for family in FAMILIES),
]

EACH: Final = [
    pytest.param(skill, tier, id=f"{at}-{skill.id}-{tier}")
    for at, skill in enumerate(SKILLS)
    for tier in SkillTier
]
"""Every skill with every tier."""
