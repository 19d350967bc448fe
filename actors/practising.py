"""What a host does for practice: asks how far the learner has come, and has questions made.

One law: a question that is waited for stands in the session's state. One that can be made at once
travels inside the command that leads to it; one that takes time comes as a command of its own, and
is asked for again after a crash.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

import structlog
from pydantic import ValidationError

from holodeck.actors.session.decider import session
from holodeck.actors.session.practice.outlook import Want, ahead, foreseen, wanted
from holodeck.actors.session.state import SessionState
from holodeck.actors.shell import SessionShell
from holodeck.messages.codec import unpack
from holodeck.messages.curriculum import Curriculum, Skill
from holodeck.messages.envelope import Answer
from holodeck.messages.errors import RefusedError, TransientError
from holodeck.messages.ids import new_id
from holodeck.messages.practice import (
    AnswerQuestion,
    BriefPractice,
    CloseFeedback,
    Course,
    GeneratorKind,
    PracticeBrief,
    ServeQuestion,
    SkillTier,
    Supply,
)
from holodeck.messages.session import SessionEvent, StartSession
from holodeck.minds.port import Faculties, Questions

log = structlog.get_logger("holodeck.practice")

BRIEF_PATIENCE_S: Final = 5.0
MOST: Final = 20
"""Supplies of one command, at most: a plan has no more slots."""


class Taught(NamedTuple):
    """A curriculum as it is needed again and again: every session of it shares one course.

    Attributes:
        skills: by id.
    """

    curriculum: Curriculum
    course: Course
    skills: Mapping[str, Skill]


Supplied = StartSession | AnswerQuestion | CloseFeedback
"""The commands a question may come with."""


class Around(Protocol):
    """What is needed of the host."""

    def now(self) -> int: ...
    def spawn(self, coroutine: Any) -> None: ...
    async def command(
        self, kind: str, identity: str, command: str, body: Any, seconds: float
    ) -> Answer: ...


class Practising:
    """The side of a host that knows curricula and makes questions."""

    def __init__(self, house: Around, faculties: Faculties) -> None:
        self._house = house
        self._curricula = faculties.curricula
        self._questions = faculties.questions
        self._taught: dict[str, Taught] = {}
        self._warmed: set[str] = set()

    def knows(self) -> bool:
        """Whether there are curricula at all."""
        return self._curricula is not None

    def check(self, curriculum: str) -> None:
        """
        Raises:
            RefusedError: ``unknown-curriculum``, with those there are.
        """
        if self._curricula is not None:
            self._known(curriculum)

    def _known(self, curriculum: str) -> Curriculum:
        curricula = self._curricula
        found = curricula.get(curriculum) if curricula is not None else None
        if curricula is None or found is None:
            known = ", ".join(curricula.names()) if curricula is not None else "none"
            raise RefusedError("unknown-curriculum", f"{curriculum!r}; there are {known}")
        return found

    def _teaching(self, curriculum: Curriculum) -> Taught:
        held = self._taught.get(curriculum.id)
        if held is None or held.curriculum is not curriculum:
            skills = {one.id: one for one in curriculum.skills}
            held = self._taught[curriculum.id] = Taught(curriculum, curriculum.course(), skills)
        return held

    async def prepare(self, start: StartSession) -> StartSession:
        """The start with its course and with what the learner has come to.

        Raises:
            RefusedError: ``unknown-curriculum``.
            TransientError: the learner did not answer.
        """
        options = start.practice
        assert options is not None
        curriculum = self._known(options.curriculum)
        ask = BriefPractice(curriculum=curriculum.id, at=self._house.now(), after=start.claim or 0)
        answer = await self._house.command(
            "learner", start.learner, new_id("ask"), ask, BRIEF_PATIENCE_S
        )
        try:
            told = PracticeBrief.model_validate(unpack(answer.state or b"", "learner"))
        except ValidationError as error:
            raise TransientError(f"a briefing cannot be read: {error}") from error
        if curriculum.id not in self._warmed:
            self._warmed.add(curriculum.id)
            self._house.spawn(self._warm(curriculum, options.generator))
        brief = told.model_copy(update={"course": self._teaching(curriculum).course})
        return start.model_copy(update={"brief": brief})

    async def _warm(self, curriculum: Curriculum, kind: GeneratorKind) -> None:
        """Has one question of every skill made beside the loop, and thrown away: the first of a
        skill and tier takes some milliseconds, for all its tasks are listed then."""
        maker = self._questions.get(kind)
        if maker is None or kind is not GeneratorKind.OFFLINE:
            return
        if inspect.iscoroutinefunction(maker.generate):
            return  # it keeps no loop waiting
        for skill in curriculum.skills:
            for tier in SkillTier:
                await asyncio.to_thread(
                    maker.generate, skill, tier, "", frozenset(), curriculum=curriculum
                )

    # -- questions ----------------------------------------

    def decided(
        self, state: SessionState, body: AnswerQuestion | CloseFeedback, now: int, identity: str
    ) -> Sequence[SessionEvent]:
        """The events a command leads to, with the question that is waited for after it, where
        that can be made at once.

        What leads up to the question is decided once, and the same whoever makes it.

        Raises:
            RefusedError: the present state forbids it.
        """
        coming = ahead(state, body, now)
        if coming is not None:
            made = self._made(state, body, coming.want)
            if not isinstance(made, Supply):
                if inspect.iscoroutine(made):
                    made.close()  # it takes time: it is asked for once the command is stored
                made = None
            if made is None or made.question is not None:
                events = coming.with_supply(made)
                if events is not None:
                    return events
        return session.decide(state, self.stocked(state, body, now, identity), now)

    def stocked(self, state: SessionState, body: Any, now: int, identity: str) -> Any:
        """A command with the question that will be waited for after it, where that can be made at
        once; else as it is."""
        if getattr(body, "supplies", ()):
            return body
        supplies: list[Supply] = []
        while len(supplies) < MOST:
            trial = body.model_copy(update={"supplies": tuple(supplies)}) if supplies else body
            try:
                want = foreseen(state, trial, now, identity)
            except RefusedError:
                return body  # it will be refused as it is
            if want is None:
                break
            made = self._made(state, body, want)
            if not isinstance(made, Supply):
                if inspect.iscoroutine(made):
                    made.close()  # it takes time: it is asked for once the command is stored
                break
            supplies.append(made)
            if made.question is not None:
                break
        return body.model_copy(update={"supplies": tuple(supplies)}) if supplies else body

    def _made(
        self, state: SessionState, body: Any, want: Want
    ) -> Supply | Awaitable[Supply] | None:
        if isinstance(body, StartSession):
            options, brief = body.practice, body.brief
        else:
            practice = state.practice
            options = None if practice is None else practice.options
            brief = None
        if options is None:
            return None
        name = brief.course.id if brief is not None else options.curriculum
        return self._make(options.generator, name, want)

    def _make(
        self, kind: GeneratorKind, curriculum: str, want: Want
    ) -> Supply | Awaitable[Supply] | None:
        maker: Questions | None = self._questions.get(kind)
        known = self._curricula.get(curriculum) if self._curricula is not None else None
        if maker is None or known is None:
            return None
        skill = self._teaching(known).skills.get(want.skill)
        if skill is None:
            return Supply(
                skill=want.skill, tier=want.tier, fatal=True, reason="the curriculum has it no more"
            )
        return maker.generate(
            skill, want.tier, want.seed, want.avoid, want.errors, want.prior, curriculum=known
        )

    def stored(self, shell: SessionShell) -> None:
        """A practice session has stored a checkpoint, or was recovered: if it waits for a question
        now, that is made."""
        want = wanted(shell.state, self._house.now())
        if want is not None:
            self._house.spawn(self._serve(shell, want))

    async def _serve(self, shell: SessionShell, want: Want) -> None:
        practice = shell.state.practice
        if practice is None:
            return
        made = self._make(practice.options.generator, practice.options.curriculum, want)
        if made is None:
            return  # somebody else serves the questions
        try:
            supply = made if isinstance(made, Supply) else await made
        except Exception as error:  # whatever an adapter may raise: the next slot has its turn
            log.warning("question.failed", session=shell.identity, reason=repr(error))
            supply = Supply(
                skill=want.skill, tier=want.tier, tries=3, reason="the generator failed"
            )
        if shell.dropped or wanted(shell.state, self._house.now()) != want:
            return
        shell.internal(
            f"question-{want.number}-{want.slot}-{shell.sequence}",
            ServeQuestion(number=want.number, supplies=(supply,)),
        )
