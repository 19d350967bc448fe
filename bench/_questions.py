"""How fast questions are made without a model."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from holodeck.messages.curriculum import Skill
from holodeck.messages.practice import SkillTier
from holodeck.minds.questions import generate

_ROUNDS: Final = 5


@dataclass(frozen=True, slots=True)
class Pace:
    """Questions per second of one core.

    Attributes:
        overall: of all skills and both tiers in turn, the median of five rounds.
        slowest: of the skill and tier that take longest.
        slowest_of: which ones.
        first_ms: what the first question of a skill and tier takes, on average, milliseconds.
    """

    overall: float
    slowest: float
    slowest_of: str
    first_ms: float


def questions_per_second(skills: Sequence[Skill], each: int = 100) -> Pace:
    """
    Args:
        each: questions of each skill and tier in a round, every one with the tasks avoided that
            came before it.

    Raises:
        ValueError: a skill's questions cannot be made.
    """
    pairs = [(skill, tier) for skill in skills for tier in SkillTier]
    firsts = []
    for skill, tier in pairs:
        began = time.process_time()
        if generate(skill, tier, "first", frozenset()).question is None:
            raise ValueError(f"no question of {skill.id}, {tier}")
        firsts.append(time.process_time() - began)
    took: dict[str, float] = {}
    rounds = []
    for number in range(_ROUNDS):
        total = 0.0
        for skill, tier in pairs:
            asked: frozenset[str] = frozenset()
            lasted = 0.0
            for turn in range(each):
                began = time.process_time()
                question = generate(skill, tier, f"{number}:{turn}", asked).question
                lasted += time.process_time() - began
                if question is not None and turn < each // 2:
                    asked |= {question.task}
            name = f"{skill.id}, {tier}"
            took[name] = min(took.get(name, lasted), lasted)
            total += lasted
        rounds.append(len(pairs) * each / total)
    slow = max(took, key=lambda name: took[name])
    return Pace(
        overall=sorted(rounds)[_ROUNDS // 2],
        slowest=each / took[slow],
        slowest_of=slow,
        first_ms=1000 * sum(firsts) / len(firsts),
    )
