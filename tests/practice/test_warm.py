"""The first start of a curriculum has its questions listed beside the loop."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Sequence
from typing import Any

from holodeck.actors.practising import Practising
from holodeck.messages.codec import pack
from holodeck.messages.curriculum import Curriculum, Skill
from holodeck.messages.envelope import Answer
from holodeck.messages.practice import (
    Course,
    GeneratorKind,
    PracticeBrief,
    PracticeOptions,
    SkillTier,
    Supply,
)
from holodeck.messages.session import SessionKind, StartSession
from holodeck.minds.faculties import minds_of
from holodeck.minds.port import Faculties
from holodeck.minds.questions import generate


class Counting:
    """The program's families; which skills were asked for, and in which thread."""

    def __init__(self) -> None:
        self.asked: Counter[tuple[str, SkillTier]] = Counter()
        self.threads: set[int] = set()

    def generate(
        self,
        skill: Skill,
        tier: SkillTier,
        seed: str,
        avoid: frozenset[str],
        errors: Sequence[str] = (),
        prior: Sequence[str] = (),
        *,
        curriculum: Curriculum | None = None,
    ) -> Supply:
        self.asked[skill.id, tier] += 1
        self.threads.add(threading.get_ident())
        return generate(skill, tier, seed, avoid, errors, prior)


class House:
    """A host whose learner has never practised."""

    def __init__(self) -> None:
        self.tasks: list[asyncio.Task[Any]] = []

    def now(self) -> int:
        return 1_700_000_000_000

    def spawn(self, coroutine: Any) -> None:
        self.tasks.append(asyncio.get_running_loop().create_task(coroutine))

    async def command(
        self, kind: str, identity: str, command: str, body: Any, seconds: float
    ) -> Answer:
        brief = PracticeBrief(course=Course(id=body.curriculum))
        return Answer(status="ok", state=pack(brief.model_dump()))


async def test_the_first_start_lists_every_skills_questions_in_another_thread() -> None:
    # given a host with the packaged curricula
    curricula = minds_of().curricula
    assert curricula is not None
    curriculum = curricula.get("music-reading")
    assert curriculum is not None
    made, house = Counting(), House()
    practising = Practising(
        house, Faculties(minds={}, curricula=curricula, questions={GeneratorKind.OFFLINE: made})
    )
    start = StartSession(
        session_kind=SessionKind.PRACTICE,
        learner="ana",
        claim=1,
        practice=PracticeOptions(curriculum="music-reading"),
    )

    # when two sessions of one of them are prepared
    first = await practising.prepare(start)
    second = await practising.prepare(start)
    await asyncio.gather(*house.tasks)

    # then every skill was asked for once, and not in the thread of the loop
    wanted = {(skill.id, tier) for skill in curriculum.skills for tier in SkillTier}
    assert made.asked == Counter(wanted)
    assert threading.get_ident() not in made.threads
    # and both sessions share their course
    assert first.brief is not None
    assert second.brief is not None
    assert first.brief.course is second.brief.course
    assert first.brief.course == curriculum.course()
