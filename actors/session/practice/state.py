"""How a practice session stands: what its checkpoints fold to beside the session's own state.

One law: what is kept is bounded, whatever the length of the session; every question and answer
stands in the journal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Any, Final

from holodeck.actors.decider import Moment
from holodeck.actors.session.practice import progress
from holodeck.messages.practice import (
    AnswerGiven,
    Category,
    Course,
    CourseSkill,
    FeedbackClosed,
    HintShown,
    PracticeBrief,
    PracticeOptions,
    PracticePlanned,
    PracticeSummed,
    Question,
    QuestionFailed,
    QuestionServed,
    ReviewCredited,
    RewardEarned,
    SkillMoved,
    SkillRecord,
    SkillRow,
    SkillState,
    SkillTier,
    Slot,
    Trigger,
)

TASKS: Final = 64
"""Newest tasks of a skill that are not asked again."""
TEXTS: Final = 8
"""Newest questions of a skill whose words are kept, for whoever makes the next."""
ERRORS: Final = 5
"""Newest wrong answers of a skill that are kept."""
REMEMBERED: Final = 24
"""Skills all that is kept for; the one asked longest ago is forgotten first."""
REWARDS: Final = 24
STREAK_WORDS: Final = "right in a row."
"""How the line of a streak ends, of which a summary keeps the longest alone."""
CUT: Final = 160
"""Characters of a kept question, CUT_ANSWER of an answer."""
CUT_ANSWER: Final = 60


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked of a skill in this session, the newest last."""

    tasks: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()


UNASKED: Final = Asked()


@dataclass(slots=True)
class Practice:
    """A practice session. Only its fold changes it.

    Attributes:
        seed: of the questions.
        limit_ms: of active time.
        records: by skill; those of skills the course does not know are kept as they are.
        slot: the place in the plan whose block was begun last; asked: questions of that block.
        failed: places no question could be made for since one was served last.
        served: number of the question that was served last; answered, correct: how many were.
        question: the open one; hinted: its hint was shown.
        feedback: the one to the last question is being read.
        block_asked, block_right: review answers of the block that were not credited yet.
        streak: right answers in a row, in this session.
        asked_of: by skill, the one asked last at the end.
        rows: of the summary, by skill, in the order they were planned.
        armed: sequence of the checkpoint the time it ends at was changed by.
    """

    course: Course
    options: PracticeOptions
    number: int = 1
    days: int = 0
    seed: str = ""
    limit_ms: int = 0
    records: dict[str, SkillRecord] = field(default_factory=dict)
    plan: tuple[Slot, ...] = ()
    slot: int = 0
    asked: int = 0
    failed: tuple[int, ...] = ()
    served: int = 0
    answered: int = 0
    correct: int = 0
    question: Question | None = None
    category: Category = Category.FRONTIER
    hinted: bool = False
    feedback: bool = False
    block_asked: int = 0
    block_right: int = 0
    streak: int = 0
    asked_of: dict[str, Asked] = field(default_factory=dict)
    rows: dict[str, SkillRow] = field(default_factory=dict)
    rewards: tuple[str, ...] = ()
    armed: int = 0

    def copy(self) -> Practice:
        """An equal state that shares nothing changeable with this one."""
        twin = Practice(*_FIELDS(self))
        twin.records = dict(self.records)
        twin.asked_of = dict(self.asked_of)
        twin.rows = dict(self.rows)
        return twin

    @property
    def busy(self) -> bool:
        """A question or its feedback is open; else the session waits for a question."""
        return self.feedback or self.question is not None

    def skill(self, identity: str) -> CourseSkill | None:
        for one in self.course.skills:
            if one.id == identity:
                return one
        return None

    def name(self, identity: str) -> str:
        found = self.skill(identity)
        return found.name if found is not None else identity

    def record(self, skill: str) -> SkillRecord:
        return self.records.get(skill) or SkillRecord(skill=skill)


_FIELDS: Final[Callable[[Practice], tuple[Any, ...]]] = attrgetter(
    *(one.name for one in fields(Practice))
)


def begun(brief: PracticeBrief, options: PracticeOptions, session: str) -> Practice:
    """Before its plan is made."""
    return Practice(
        course=brief.course,
        options=options,
        number=brief.number,
        days=brief.days,
        seed=options.seed or session,
        limit_ms=round(options.minutes * 60_000),
        records={one.skill: one for one in brief.records},
    )


# --- whose turn it is ----------------------------------------


def block_over(asked: int, block: int) -> bool:
    return asked >= block


def following(slot: int, closed: Iterable[int], slots: int) -> int | None:
    """The next place in turn that is not closed, maybe the same once more; None: there is none."""
    shut = set(closed)
    for step in range(1, slots + 1):
        place = (slot + step) % slots
        if place not in shut:
            return place
    return None


def finished(practice: Practice, slot: Slot) -> bool:
    """Whether a slot has reached its goal: the tier of its skill is complete. All slots with that
    goal are finished by it. Reviews and boosters have none and stay."""
    if slot.category is not Category.FRONTIER:
        return False
    record = practice.record(slot.skill)
    return record.state is SkillState.MASTERED or record.tier is not slot.tier


def turn(practice: Practice) -> int | None:
    """The place in the plan the next question is for; None: no question could be made for any."""
    plan, failed, here = practice.plan, practice.failed, practice.slot
    if (
        not block_over(practice.asked, practice.options.block)
        and here < len(plan)
        and here not in failed
        and not finished(practice, plan[here])
    ):
        return here
    closed = [
        place for place, slot in enumerate(plan) if place in failed or finished(practice, slot)
    ]
    return following(practice.slot, closed, len(practice.plan))


def used_up(practice: Practice) -> bool:
    """Whether a new plan is wanted: every frontier slot is finished, and there was one."""
    some = False
    for slot in practice.plan:
        if slot.category is Category.FRONTIER:
            if not finished(practice, slot):
                return False
            some = True
    return some


def tier_of(practice: Practice, slot: Slot) -> SkillTier:
    """The tier that is asked: the one the skill is at now, but a booster's is always Learn."""
    if slot.category is Category.BOOSTER:
        return SkillTier.LEARN
    return practice.record(slot.skill).tier


def error_text(question: str, given: str, answer: str) -> str:
    """What is remembered of a wrong answer."""
    return f"Answered {_cut(given)} for '{question[:CUT]}', correct answer was {_cut(answer)}"


def _cut(text: str) -> str:
    return text[:CUT_ANSWER]


def newest(kept: tuple[str, ...], one: str, limit: int) -> tuple[str, ...]:
    """The newest texts after one more, at most ``limit``."""
    return (*kept, one) if len(kept) < limit else (*kept[len(kept) - limit + 1 :], one)


# --- what the events change ----------------------------------------


def on_planned(practice: Practice, event: PracticePlanned, moment: Moment) -> None:
    practice.plan = event.slots
    practice.limit_ms = event.duration_ms
    practice.slot = practice.asked = 0
    practice.failed = ()
    practice.block_asked = practice.block_right = 0
    practice.armed = moment.sequence
    for slot in event.slots:
        if slot.skill not in practice.rows:
            record = practice.record(slot.skill)
            practice.rows[slot.skill] = SkillRow(
                skill=slot.skill,
                name=practice.name(slot.skill),
                category=slot.category,
                tier_before=record.tier,
                tier_after=record.tier,
                state_before=record.state,
                state_after=record.state,
            )


def on_served(practice: Practice, event: QuestionServed, moment: Moment) -> None:
    if event.slot != practice.slot or block_over(practice.asked, practice.options.block):
        practice.slot, practice.asked = event.slot, 0
        practice.block_asked = practice.block_right = 0
    practice.asked += 1
    practice.failed = ()
    practice.served = event.number
    practice.question, practice.category = event.question, event.category
    practice.hinted = practice.feedback = False
    practice.armed = moment.sequence


def on_failed(practice: Practice, event: QuestionFailed, moment: Moment) -> None:
    practice.failed = tuple(sorted({*practice.failed, event.slot}))
    practice.feedback = False
    practice.armed = moment.sequence


def on_hint(practice: Practice, event: HintShown, moment: Moment) -> None:
    practice.hinted = True


def on_answer(practice: Practice, event: AnswerGiven, moment: Moment) -> None:
    before = practice.record(event.skill)
    practice.records[event.skill] = progress.answered(before, event, moment.at, practice.number)
    practice.question, practice.feedback = None, True
    practice.served = event.number
    practice.answered += 1
    practice.correct += event.correct
    practice.streak = practice.streak + 1 if event.correct else 0
    if event.category is Category.REVIEW and before.state is SkillState.MASTERED:
        practice.block_asked += 1
        practice.block_right += event.correct
    _remember(practice, event)
    row = practice.rows.get(event.skill)
    if row is not None:
        practice.rows[event.skill] = progress.changed(
            row,
            attempted=row.attempted + 1,
            correct=row.correct + event.correct,
            fluency=event.fluency,
        )


def _remember(practice: Practice, event: AnswerGiven) -> None:
    asked = practice.asked_of.pop(event.skill, UNASKED)
    text, errors = event.question_text, asked.errors
    if not event.correct:
        wrong = error_text(text, event.learner_answer, event.correct_answer)
        errors = newest(errors, wrong, ERRORS)
    practice.asked_of[event.skill] = Asked(
        newest(asked.tasks, event.task or text, TASKS),
        newest(asked.texts, text[:CUT], TEXTS),
        errors,
    )
    if len(practice.asked_of) > REMEMBERED:
        del practice.asked_of[next(iter(practice.asked_of))]


def on_closed(practice: Practice, event: FeedbackClosed, moment: Moment) -> None:
    practice.feedback = False
    practice.armed = moment.sequence


def on_moved(practice: Practice, event: SkillMoved, moment: Moment) -> None:
    record = progress.moved(practice.record(event.skill), event, moment.at)
    practice.records[event.skill] = record
    row = practice.rows.get(event.skill)
    if row is not None:
        practice.rows[event.skill] = progress.changed(
            row, tier_after=event.tier, state_after=event.state
        )
    if practice.plan and practice.plan[practice.slot].skill == event.skill:
        # What was asked before belongs to another state of the skill.
        practice.block_asked = practice.block_right = 0
        if event.trigger in (Trigger.TIER, Trigger.MASTERY, Trigger.RECOVERY):
            practice.asked = practice.options.block  # the rest of the block is skipped


def on_credited(practice: Practice, event: ReviewCredited, moment: Moment) -> None:
    record = practice.record(event.skill)
    practice.records[event.skill] = progress.credited(record, event)
    if event.asked:
        practice.block_asked = practice.block_right = 0


def on_reward(practice: Practice, event: RewardEarned, moment: Moment) -> None:
    kept = practice.rewards
    if event.reward == "streak":  # the longest says it all
        kept = tuple(line for line in kept if not line.endswith(STREAK_WORDS))
    practice.rewards = (*kept, event.line)[-REWARDS:]


def on_summed(practice: Practice, event: PracticeSummed, moment: Moment) -> None:
    practice.question, practice.feedback = None, False
