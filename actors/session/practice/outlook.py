"""Which question a practice session waits for: what its host has to have made.

One law: a want is a function of the state alone, so whoever asks again asks for the same question.
"""

from __future__ import annotations

from dataclasses import dataclass

from holodeck.actors.decider import Moment
from holodeck.actors.session.decider import active_ms, session
from holodeck.actors.session.practice.clock import time_up
from holodeck.actors.session.practice.rules import Step, answer, close
from holodeck.actors.session.practice.state import Asked, Practice, tier_of, turn
from holodeck.actors.session.state import Phase, SessionState
from holodeck.messages.practice import AnswerQuestion, Category, CloseFeedback, SkillTier
from holodeck.messages.session import SessionCommand


@dataclass(frozen=True, slots=True)
class Want:
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
    place = turn(practice)
    if place is None:
        return None
    slot = practice.plan[place]
    asked = practice.asked_of.get(slot.skill, Asked())
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
