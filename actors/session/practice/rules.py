"""What a practice session answers to what is said to it.

One law: whatever a command leads to, the session then has a question open, or its feedback, or
waits for one question that :mod:`outlook` names, or has ended.

Reasons it refuses with: ``no-practice`` the session is none · ``no-brief`` nobody said how far
the learner has come · ``empty-curriculum`` there is nothing to practise · ``question-order`` ·
``question-open`` it was not answered yet · ``blank-answer`` · ``no-hint`` · ``wrong-supply`` the
question that came along is not the one that is wanted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from holodeck.actors.decider import Moment
from holodeck.actors.session.practice import progress, reviews, summary
from holodeck.actors.session.practice.answers import Verdict, check
from holodeck.actors.session.practice.clock import time_up
from holodeck.actors.session.practice.planner import decayed, plan
from holodeck.actors.session.practice.state import (
    Practice,
    begun,
    block_over,
    on_answer,
    on_closed,
    on_credited,
    on_failed,
    on_hint,
    on_moved,
    on_planned,
    on_reward,
    on_served,
    on_summed,
    tier_of,
    turn,
    used_up,
)
from holodeck.messages.errors import RefusedError
from holodeck.messages.practice import (
    AnswerGiven,
    AnswerQuestion,
    Category,
    CloseFeedback,
    FeedbackClosed,
    HintShown,
    PracticeBrief,
    PracticeEvent,
    PracticeOptions,
    PracticePlanned,
    PracticeSummed,
    Question,
    QuestionFailed,
    QuestionServed,
    ReviewCredited,
    RewardEarned,
    ServeQuestion,
    ShowHint,
    SkillMoved,
    SkillState,
    Supply,
    Trigger,
)

TRIES: Final = 3
"""How often a question is tried for one slot before the next one has its turn."""

CHANGES: Final[Mapping[type, Callable[[Practice, Any, Moment], None]]] = {
    PracticePlanned: on_planned,
    QuestionServed: on_served,
    QuestionFailed: on_failed,
    HintShown: on_hint,
    AnswerGiven: on_answer,
    FeedbackClosed: on_closed,
    SkillMoved: on_moved,
    ReviewCredited: on_credited,
    RewardEarned: on_reward,
    PracticeSummed: on_summed,
}
"""Every event of practice: what it changes."""


@dataclass(slots=True)
class Step:
    """What one command leads to: events, and the practice as it stands after them.

    Attributes:
        practice: the decision's own copy.
        now: ms since 1970 UTC; active_ms: of the session until now.
        over: why the session ends with it; None: it goes on.
        fault: what was wrong, where no question could be made.
        read: how many events there were when the feedback was read.
    """

    practice: Practice
    now: int
    active_ms: int
    events: list[PracticeEvent] = field(default_factory=list)
    over: summary.Why | None = None
    fault: str = ""
    read: int = 0

    def tell(self, event: PracticeEvent | None) -> None:
        if event is not None:
            self.events.append(event)
            CHANGES[type(event)](self.practice, event, Moment(0, self.now))

    @property
    def time_up(self) -> bool:
        return time_up(self.active_ms, self.practice.limit_ms)


def begin(
    options: PracticeOptions, brief: PracticeBrief, supplies: Sequence[Supply], now: int
) -> Step:
    """Plans a session and serves its first question, if it was brought along.

    Raises:
        RefusedError: ``empty-curriculum``, ``wrong-supply``.
    """
    step = Step(begun(brief, options, ""), now, 0)
    practice = step.practice
    for skill in decayed(practice.course, practice.records, options, now):
        _move(step, skill, progress.rusted(Trigger.DECAY))
    _plan(step, renewed=False)
    if not practice.plan:
        raise RefusedError("empty-curriculum", options.curriculum)
    step.tell(summary.steady_reward(practice, now))
    _serve(step, supplies)
    return step


def answer(step: Step, command: AnswerQuestion) -> None:
    """Judges an answer.

    Raises:
        RefusedError: ``question-order``, ``blank-answer``, ``wrong-supply``.
    """
    practice = step.practice
    question = practice.question
    if command.number < practice.served or (command.number == practice.served and not question):
        return
    if question is None or command.number != practice.served:
        raise RefusedError("question-order", _next_number(practice))
    if command.supplies and not command.proceed:
        raise RefusedError("wrong-supply", "the feedback stays open")
    judge(step, command, question)
    if command.proceed:
        go_on(step)
        supplied(step, command.supplies)


def judge(step: Step, command: AnswerQuestion, question: Question) -> None:
    """What an answer to the open question is worth.

    Raises:
        RefusedError: ``blank-answer``.
    """
    verdict = check(question, command.given, command.choice)
    if verdict.blank:
        raise RefusedError("blank-answer")
    _judged(step, command, verdict)


def close(step: Step, command: CloseFeedback) -> None:
    """Closes the feedback: the next question, or the end.

    Raises:
        RefusedError: ``question-order``, ``question-open``, ``wrong-supply``.
    """
    practice = step.practice
    if command.number > practice.served:
        raise RefusedError("question-order", _next_number(practice))
    if command.number == practice.served and practice.question is not None:
        raise RefusedError("question-open", str(command.number))
    if command.number == practice.served and practice.feedback:
        go_on(step)
        supplied(step, command.supplies)


def serve(step: Step, command: ServeQuestion) -> None:
    """Serves the question that is waited for; where the time has run out meanwhile, the end.

    Raises:
        RefusedError: ``question-order``, ``wrong-supply``.
    """
    practice = step.practice
    if command.number <= practice.served:
        return
    if practice.busy or command.number != practice.served + 1:
        raise RefusedError("question-order", _next_number(practice))
    if step.time_up:
        step.over = "time"
        return
    _serve(step, command.supplies)


def hint(step: Step, command: ShowHint) -> None:
    """Shows the hint of the open question, where its tier allows one.

    Raises:
        RefusedError: ``question-order``, ``no-hint``.
    """
    practice = step.practice
    question = practice.question
    if question is None or command.number != practice.served:
        raise RefusedError("question-order", _next_number(practice))
    record = practice.record(question.skill)
    skill = practice.skill(question.skill)
    if (
        not question.hint
        or not progress.rule_of(practice.course, skill, record.state, question.tier).hints
    ):
        raise RefusedError("no-hint")
    if not practice.hinted:
        step.tell(HintShown(number=practice.served, skill=question.skill))


def expire(step: Step) -> None:
    """The end of a session whose time has run out."""
    step.over = "alone" if step.practice.busy else "time"


def finish(step: Step) -> None:
    """What is told at the end: what is owed to the last block, and the sum."""
    why = step.over or ("time" if step.time_up else "left")
    _credit(step)
    step.tell(summary.finished_reward(step.practice, why))
    step.tell(summary.summed(step.practice, step.active_ms, why))


def _next_number(practice: Practice) -> str:
    if practice.question is not None:
        return f"question {practice.served} is open"
    if practice.feedback:
        return f"question {practice.served} is answered, and its feedback is open"
    return f"question {practice.served + 1} is next"


# --- the answer ----------------------------------------


def _judged(step: Step, command: AnswerQuestion, verdict: Verdict) -> None:
    practice, right = step.practice, verdict.right
    question = practice.question
    assert question is not None
    record = practice.record(question.skill)
    skill = practice.skill(question.skill)
    counted = record.state is not SkillState.MASTERED
    rule = progress.rule_of(practice.course, skill, record.state, record.tier)
    asked = progress.rule_of(practice.course, skill, record.state, question.tier)
    attempts, hits = record.attempts + counted, record.correct + (counted and right)
    speed = round(progress.speed_score(command.time_ms, asked.limit_s), 6)
    share = (
        progress.accuracy(hits, attempts)
        if counted
        else progress.accuracy(record.right + right, record.total + 1)
    )
    streak = record.streak + 1 if right else 0
    fluency = progress.fluency(share, progress.windowed(record.speeds, speed), streak)
    step.tell(
        AnswerGiven(
            number=practice.served,
            skill=question.skill,
            tier=question.tier,
            category=practice.category,
            question_text=question.text,
            correct_answer=question.answer,
            learner_answer=verdict.shown,
            correct=right,
            time_ms=command.time_ms,
            answer_format=question.format,
            task=question.task,
            difficulty=question.difficulty,
            other_form=verdict.other_form,
            hinted=practice.hinted,
            attempts=attempts,
            hits=hits,
            fluency=fluency,
            speed=speed,
            counted=counted,
        )
    )
    record = practice.record(question.skill)
    if counted:
        move = progress.moved_by(record, rule)
    elif practice.category is Category.REVIEW and progress.poor(record.reviewed):
        move = progress.rusted(Trigger.REVIEW)
    else:
        move = None
    if move is not None:
        _move(step, question.skill, move, fluency)
    if block_over(practice.asked, practice.options.block):
        _credit(step)
    step.tell(summary.streak_reward(practice.streak) if right else None)


def _move(step: Step, skill: str, move: progress.Move, fluency: float = 0.0) -> None:
    practice = step.practice
    before = practice.record(skill)
    step.tell(
        SkillMoved(
            skill=skill,
            trigger=move.trigger,
            state=move.state,
            before=before.state,
            tier=move.tier,
            tier_before=before.tier,
            fluency=fluency,
        )
    )
    if move.state is SkillState.MASTERED:
        card = reviews.scheduler(practice.options.scheduler).first(step.now)
        step.tell(ReviewCredited(skill=skill, right=0, asked=0, card=card))
        recovered = move.trigger is Trigger.RECOVERY
        reward = summary.recovery_reward if recovered else summary.mastery_reward
        step.tell(reward(practice, skill))


def _credit(step: Step) -> None:
    """One credit for the review answers of the block so far."""
    practice = step.practice
    asked, right = practice.block_asked, practice.block_right
    if not asked:
        return
    skill = practice.plan[practice.slot].skill
    record = practice.record(skill)
    by = reviews.scheduler(practice.options.scheduler)
    # Somebody mastered it before there were dates: its first one counts from its mastery.
    card = record.card or by.first(record.mastered_at or record.last_at)
    card = by.reviewed(card, right / asked, step.now)
    step.tell(ReviewCredited(skill=skill, right=right, asked=asked, card=card))


# --- the next question ----------------------------------------


def _plan(step: Step, *, renewed: bool) -> None:
    practice = step.practice
    slots = plan(practice.course, practice.records, practice.options, step.now, practice.number)
    step.tell(PracticePlanned(slots=slots, duration_ms=practice.limit_ms, renewed=renewed))


def go_on(step: Step) -> None:
    """The feedback is read: the end if time is up, else the plan that says what comes next.

    :func:`supplied` follows it. In between the feedback counts as open.
    """
    if step.time_up:
        step.over = "time"
        return
    step.read = len(step.events)
    if used_up(step.practice):
        _credit(step)
        _plan(step, renewed=True)


def supplied(step: Step, supplies: Sequence[Supply]) -> None:
    """The next question, or the wait for it where none was brought along.

    Raises:
        RefusedError: ``wrong-supply``.
    """
    if step.over is not None:
        return
    if not supplies:
        closed = FeedbackClosed(number=step.practice.served)
        on_closed(step.practice, closed, Moment(0, step.now))
        step.events.insert(step.read, closed)  # a new plan comes after it
    _serve(step, supplies)


def _serve(step: Step, supplies: Sequence[Supply]) -> None:
    """Takes what was brought along, slot by slot, until one question is served."""
    practice = step.practice
    left = list(supplies)
    while left:
        place = turn(practice)
        if place is None:
            break
        slot = practice.plan[place]
        tier = tier_of(practice, slot)
        tries, last = 0, left[0]
        while left and tries < TRIES:
            last = left.pop(0)
            tries += last.tries
            question = last.question
            made = (last.skill, last.tier)
            if made != (slot.skill, tier):
                raise RefusedError("wrong-supply", f"wanted is {slot.skill} at {tier}")
            if question is not None:
                if (question.skill, question.tier) != made:
                    raise RefusedError("wrong-supply", f"it asks for {question.skill}")
                if left:
                    raise RefusedError("wrong-supply", "one question is enough")
                step.tell(
                    QuestionServed(
                        number=practice.served + 1,
                        slot=place,
                        question=question,
                        category=slot.category,
                        repeat=last.repeat,
                    )
                )
                return
            if last.fatal:
                break
        _credit(step)
        step.tell(QuestionFailed(slot=place, skill=slot.skill, tries=tries, reason=last.reason))
    if turn(practice) is None:
        step.over = "failed"
        step.fault = f"no question could be made: {supplies[-1].reason}" if supplies else ""
