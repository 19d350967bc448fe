"""Which question a practice session waits for: what its host has to have made.

One law: a want is a function of the state alone, so whoever asks again asks for the same question.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from holodeck.actors.decider import Moment
from holodeck.actors.session.decider import active_ms, session
from holodeck.actors.session.practice.clock import time_up
from holodeck.actors.session.practice.rules import (
    Step,
    answer,
    close,
    go_on,
    judge,
    supplied,
)
from holodeck.actors.session.practice.state import UNASKED, Practice, tier_of, turn
from holodeck.actors.session.state import Phase, SessionState
from holodeck.messages.practice import (
    AnswerQuestion,
    Category,
    CloseFeedback,
    PracticeEvent,
    SkillTier,
    Supply,
)
from holodeck.messages.session import SessionCommand


class Want(NamedTuple):
    """A question that is waited for.

    Attributes:
        number: of the question, from 1; slot: its place in the plan, from 0.
        seed: for whoever draws it, ``<seed of the session>:<skill>:<number>``.
        avoid: tasks that were asked already; prior: the last questions, at most 8, cut short.
        errors: the learner's last wrong answers in this skill, at most 5, the newest last.
    """

    number: int
    slot: int
    skill: str
    tier: SkillTier
    category: Category
    seed: str
    avoid: frozenset[str] = frozenset()
    prior: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()


def wanted(state: SessionState, now: int) -> Want | None:
    """The question the session waits for; None: one is open, or its feedback, or it is paused,
    over, or out of time."""
    if state.practice is None or state.phase is not Phase.ACTIVE:
        return None
    return _wanted(state.practice, active_ms(state, now))


def _wanted(practice: Practice, active: int) -> Want | None:
    if practice.busy or time_up(active, practice.limit_ms):
        return None
    return _next(practice)


def _next(practice: Practice) -> Want | None:
    place = turn(practice)
    if place is None:
        return None
    slot = practice.plan[place]
    asked = practice.asked_of.get(slot.skill, UNASKED)
    number = practice.served + 1
    return Want(
        number=number,
        slot=place,
        skill=slot.skill,
        tier=tier_of(practice, slot),
        category=slot.category,
        seed=f"{practice.seed}:{slot.skill}:{number}",
        avoid=frozenset(asked.tasks),
        prior=asked.texts,
        errors=asked.errors,
    )


class Ahead(NamedTuple):
    """A command that is decided but for the question that comes with it.

    Attributes:
        step: for one call of :meth:`with_supply`.
    """

    want: Want
    step: Step

    def with_supply(self, supply: Supply | None) -> Sequence[PracticeEvent] | None:
        """The events of the command with that question, or with none; None: they are to be
        decided by the session, for it ends with them.

        Raises:
            RefusedError: ``wrong-supply``.
        """
        step = self.step
        supplied(step, () if supply is None else (supply,))
        return step.events if step.over is None else None


def ahead(state: SessionState, command: AnswerQuestion | CloseFeedback, now: int) -> Ahead | None:
    """What a command leads to and which question it then waits for, decided once; None: it waits
    for none, or brings its questions along. ``state`` stays as it is.

    Raises:
        RefusedError: the command will be refused.
    """
    practice = state.practice
    if practice is None or state.phase is not Phase.ACTIVE or command.supplies:
        return None
    if command.number != practice.served:
        return None
    question = practice.question
    if isinstance(command, AnswerQuestion):
        if question is None or not command.proceed:
            return None
        step = Step(practice.copy(), now, active_ms(state, now))
        judge(step, command, question)
    elif question is None and practice.feedback:
        step = Step(practice.copy(), now, active_ms(state, now))
    else:
        return None
    go_on(step)
    want = None if step.over is not None else _next(step.practice)
    return None if want is None else Ahead(want, step)


def foreseen(
    state: SessionState, command: SessionCommand, now: int, identity: str = ""
) -> Want | None:
    """The question that will be waited for after a command; ``state`` stays as it is.

    So a host makes it before the command is decided, and puts it into it. Asked again with what
    could not be made among the command's supplies, it names the next one.

    Args:
        identity: of the session.

    Raises:
        RefusedError: the command will be refused; but an answer whose feedback stays open wants
            nothing, and is not looked at.
    """
    practice = state.practice if state.phase is Phase.ACTIVE else None
    if practice is None or not isinstance(command, AnswerQuestion | CloseFeedback):
        events = session.decide(state, command, now)
        return wanted(session.fold(state, events, Moment(0, now, identity)), now)
    step = Step(practice.copy(), now, active_ms(state, now))
    if isinstance(command, AnswerQuestion):
        if not command.proceed and practice.busy:
            return None  # its feedback stays open
        answer(step, command)
    else:
        close(step, command)
    return None if step.over is not None else _wanted(step.practice, step.active_ms)
