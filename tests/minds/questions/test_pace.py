"""What the benchmark measures."""

from __future__ import annotations

import pytest

from bench._questions import questions_per_second
from tests.minds.questions.skills import IN_USE, plain


def test_the_pace_is_of_all_skills_and_names_the_slowest() -> None:
    pace = questions_per_second(IN_USE[:4], each=10)
    assert pace.slowest > 0
    assert pace.overall > 1000, "a fifth of what is promised: a loaded machine reaches it"
    assert pace.slowest_of.split(", ")[0] in {skill.id for skill in IN_USE[:4]}


def test_a_skill_without_questions_has_no_pace() -> None:
    with pytest.raises(ValueError, match="of-clairvoyance"):
        questions_per_second([plain("clairvoyance")], each=1)
