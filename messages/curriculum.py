"""A curriculum: a graph of skills, as its author writes it in YAML.

One law: an id is for ever, for progress is kept by it; whatever is wrong is told all at once.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, JsonValue

from holodeck.messages.base import Message
from holodeck.messages.practice import (
    LEARN_RULE,
    PROVE_RULE,
    RECOVERY_RULE,
    Course,
    CourseSkill,
    SkillId,
    TierRule,
    Title,
)


class Strand(Message):
    id: SkillId
    name: Title


class FamilyUse(Message):
    """Which family makes a skill's questions, and its parameters for each tier."""

    family: SkillId
    learn: dict[str, JsonValue] = Field(default_factory=dict)
    prove: dict[str, JsonValue] = Field(default_factory=dict)


class Skill(Message):
    """One node.

    Attributes:
        needs: skills that have to be mastered before.
        minutes: what it takes, roughly.
        keywords: what a model is told beside the description.
        learn, prove: rules of its own; None: the curriculum's.
    """

    id: SkillId
    name: Annotated[str, Field(min_length=1, max_length=200)]
    description: Annotated[str, Field(max_length=500)] = ""
    strand: SkillId
    grade: Annotated[int, Field(ge=0, le=20)]
    needs: Annotated[tuple[SkillId, ...], Field(max_length=16)] = ()
    keywords: Annotated[tuple[Annotated[str, Field(max_length=80)], ...], Field(max_length=32)] = ()
    minutes: Annotated[int, Field(ge=0, le=600)] = 10
    learn: TierRule | None = None
    prove: TierRule | None = None
    generator: FamilyUse


class Curriculum(Message):
    """A graph of skills.

    Attributes:
        subject: such as ``mathematics``; language: of its words.
        checked: ``math``: keys of questions made by a model are recomputed where they can be.
    """

    schema_version: Literal["1"] = "1"
    id: SkillId
    name: Annotated[str, Field(min_length=1, max_length=200)]
    subject: Title = ""
    language: Annotated[str, Field(max_length=20)] = "en"
    description: Annotated[str, Field(max_length=1000)] = ""
    checked: Literal["math", "none"] = "none"
    strands: Annotated[tuple[Strand, ...], Field(min_length=1, max_length=32)]
    learn: TierRule = LEARN_RULE
    prove: TierRule = PROVE_RULE
    recovery: TierRule = RECOVERY_RULE
    skills: Annotated[tuple[Skill, ...], Field(min_length=1, max_length=400)]

    def skill(self, identity: str) -> Skill | None:
        return next((one for one in self.skills if one.id == identity), None)

    def course(self) -> Course:
        """What a session needs of it."""
        return Course(
            id=self.id,
            name=self.name,
            learn=self.learn,
            prove=self.prove,
            recovery=self.recovery,
            skills=tuple(
                CourseSkill(
                    id=one.id,
                    name=one.name,
                    grade=one.grade,
                    needs=one.needs,
                    learn=one.learn,
                    prove=one.prove,
                )
                for one in self.skills
            ),
        )
