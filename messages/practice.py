"""What is said in a practice session: skills, questions, answers, and how far somebody has come.

One law: a question carries its key, and an answer is judged by value where the key has one; so a
replay needs neither generator nor curriculum.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from holodeck.messages.base import Event, Message, Millis, Share
from holodeck.messages.player import SafetyFinding

SkillId = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)]
"""Kebab-case and permanent: it is what progress is kept by."""
Title = Annotated[str, Field(max_length=200)]
Given = Annotated[str, Field(max_length=200)]
"""What the learner entered."""
Difficulty = Annotated[int, Field(ge=1, le=5)]


class SkillTier(StrEnum):
    LEARN = "learn"
    PROVE = "prove"


class SkillState(StrEnum):
    NEW = "new"
    LEARNING = "learning"
    MASTERED = "mastered"
    RUSTY = "rusty"


class Category(StrEnum):
    """Why a skill is in a plan."""

    FRONTIER = "frontier"
    REVIEW = "review"
    BOOSTER = "booster"


class AnswerFormat(StrEnum):
    NUMERIC = "numeric"
    CHOICE = "multiple_choice"


class AnswerType(StrEnum):
    """``text`` only with multiple choice."""

    INTEGER = "integer"
    DECIMAL = "decimal"
    FRACTION = "fraction"
    TEXT = "text"


class Trigger(StrEnum):
    """Why a skill's state or tier moved."""

    FIRST = "first-attempt"
    TIER = "tier-complete"
    MASTERY = "prove-complete"
    RECOVERY = "recovery-complete"
    DECAY = "time-decay"
    REVIEW = "review-performance"


class GeneratorKind(StrEnum):
    """Who makes the questions: the families of the program, or a model (and the families where it
    fails)."""

    OFFLINE = "offline"
    MODEL = "model"


class SchedulerKind(StrEnum):
    """What says when a mastered skill is to be reviewed: the scheduler of spaced repetition, or
    plainly whatever was practised least recently."""

    FSRS = "fsrs"
    OLDEST = "oldest"


class TierRule(Message):
    """When a tier is complete.

    Attributes:
        problems: attempts it takes at least.
        accuracy: of all attempts of the tier, above 0 to 1.
        limit_s: advised seconds for a question, 0 none; it only shapes the speed score.
        hints: whether hints may be shown.
    """

    problems: Annotated[int, Field(ge=1, le=1000)]
    accuracy: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
    limit_s: Annotated[int, Field(ge=0, le=3600)] = 0
    hints: bool = False


LEARN_RULE = TierRule(problems=8, accuracy=0.75, limit_s=0, hints=True)
PROVE_RULE = TierRule(problems=6, accuracy=0.85, limit_s=30, hints=False)
RECOVERY_RULE = TierRule(problems=4, accuracy=0.75, limit_s=0, hints=True)
"""What a rusty skill takes to be mastered again."""


class CourseSkill(Message):
    """A skill as a session needs it; a rule of None is the course's."""

    id: SkillId
    name: Title
    grade: Annotated[int, Field(ge=0, le=20)] = 0
    needs: Annotated[tuple[SkillId, ...], Field(max_length=16)] = ()
    learn: TierRule | None = None
    prove: TierRule | None = None


class Course(Message):
    """A curriculum as a session needs it: at most 400 skills."""

    id: SkillId
    name: Title = ""
    skills: Annotated[tuple[CourseSkill, ...], Field(max_length=400)] = ()
    learn: TierRule = LEARN_RULE
    prove: TierRule = PROVE_RULE
    recovery: TierRule = RECOVERY_RULE


class Card(Event):
    """When a skill is to be reviewed, as the scheduler keeps it.

    Attributes:
        due_at, last_at: ms since 1970 UTC; last_at 0: never reviewed.
        stability: days until recall falls to nine in ten; difficulty: 1 to 10.
        reviews: how many; hits: right ones in a row.
    """

    due_at: int
    last_at: int = 0
    stability: float = 0.0
    difficulty: float = 0.0
    reviews: int = 0
    hits: int = 0


class SkillRecord(Event):
    """How far a learner has come in one skill, over all sessions.

    Attributes:
        attempts, correct: in the current tier; total, right: ever.
        speeds: scores of the last ten answers, 0 to 1, the newest last.
        streak: right answers in a row.
        last_at: of the last answer, ms since 1970 UTC; 0: never answered.
        session: number of the last practice session in which it was asked, from 1.
        reviewed: outcomes of the last four review answers, the newest last.
    """

    skill: SkillId
    state: SkillState = SkillState.NEW
    tier: SkillTier = SkillTier.LEARN
    attempts: int = 0
    correct: int = 0
    total: int = 0
    right: int = 0
    speeds: Annotated[tuple[float, ...], Field(max_length=10)] = ()
    streak: int = 0
    last_at: int = 0
    mastered_at: int = 0
    rusty_at: int = 0
    session: int = 0
    reviewed: Annotated[tuple[bool, ...], Field(max_length=4)] = ()
    card: Card | None = None


class Question(Message):
    """One question with its key.

    Attributes:
        answer: the key in its canonical form: an integer, a decimal without trailing zeros, a
            fraction in lowest terms, or one of the choices.
        choices: four, distinct by value, or none.
        unit: a word the learner may write behind the number, such as ``cm``.
        exact_form: only the canonical form counts; another of the same value is told so.
        task: names the task whatever its words, so that it is not asked twice.
    """

    text: Annotated[str, Field(min_length=1, max_length=500)]
    format: AnswerFormat = AnswerFormat.NUMERIC
    answer: Annotated[str, Field(min_length=1, max_length=200)]
    answer_type: AnswerType = AnswerType.INTEGER
    choices: Annotated[tuple[Annotated[str, Field(max_length=200)], ...], Field(max_length=4)] = ()
    hint: Annotated[str, Field(max_length=500)] = ""
    difficulty: Difficulty = 1
    explanation: Annotated[str, Field(min_length=1, max_length=1000)]
    skill: SkillId
    tier: SkillTier
    unit: Annotated[str, Field(max_length=20)] = ""
    exact_form: bool = False
    task: Annotated[str, Field(max_length=200)] = ""
    source: Annotated[str, Field(max_length=100)] = "offline"


class Slot(Message):
    """One place of a plan: a skill that is asked in blocks of three questions."""

    skill: SkillId
    tier: SkillTier
    category: Category


class PracticeOptions(Message):
    """What a learner or teacher chooses.

    Attributes:
        curriculum: one the hosts know.
        minutes: of active time; an open question may be finished.
        slots: of a plan; block: questions until the next slot's turn.
        distinct: frontier skills of a plan at most.
        seed: of the questions; empty: the session's id.
    """

    curriculum: SkillId
    minutes: Annotated[float, Field(ge=0.05, le=240, allow_inf_nan=False)] = 15.0
    slots: Annotated[int, Field(ge=1, le=20)] = 5
    block: Annotated[int, Field(ge=1, le=20)] = 3
    distinct: Annotated[int, Field(ge=1, le=20)] = 3
    generator: GeneratorKind = GeneratorKind.OFFLINE
    scheduler: SchedulerKind = SchedulerKind.FSRS
    seed: Annotated[str, Field(max_length=100)] = ""


class PracticeBrief(Message):
    """What a practice session has to know of its learner and its course; filled in by the host.

    Attributes:
        number: of this practice session of the curriculum, from 1.
        days: on which the learner practised, this one counted; 0: not known.
    """

    course: Course
    records: Annotated[tuple[SkillRecord, ...], Field(max_length=400)] = ()
    number: Annotated[int, Field(ge=1)] = 1
    days: Annotated[int, Field(ge=0)] = 0


class Supply(Message):
    """What came of making a question for one slot.

    Attributes:
        question: None: none could be made.
        tries: how often it was tried; fatal: trying again could not help.
        repeat: every task of the skill had been asked before.
    """

    skill: SkillId
    tier: SkillTier
    question: Question | None = None
    tries: Annotated[int, Field(ge=1, le=100)] = 1
    fatal: bool = False
    repeat: bool = False
    reason: Annotated[str, Field(max_length=500)] = ""


Supplies = Annotated[tuple[Supply, ...], Field(max_length=20)]


# --- queries ----------------------------------------


class BriefPractice(Message):
    """Asks a learner actor how far it has come in a curriculum.

    Attributes:
        at: now, ms since 1970 UTC.
    """

    kind: Literal["brief-practice"] = "brief-practice"
    curriculum: SkillId
    at: Millis
    after: Annotated[int, Field(ge=0)] = 0


# --- commands ----------------------------------------


class AnswerQuestion(Message):
    """The learner answers the open question.

    Attributes:
        number: of the question, from 1; makes a repeat harmless.
        given: what was entered; ``choice``: which option, from 0, with multiple choice.
        time_ms: from when the question was shown.
        proceed: close the feedback at once, so that the next question comes with the answer.
        supplies: the next question, made by the host.
        safety: what gives cause for concern in it; filled in by the host.
    """

    kind: Literal["answer-question"] = "answer-question"
    number: Annotated[int, Field(ge=1, le=100_000)]
    given: Given = ""
    choice: Annotated[int, Field(ge=0, le=3)] | None = None
    time_ms: Millis = 0
    proceed: bool = False
    supplies: Supplies = ()
    safety: SafetyFinding | None = None


class CloseFeedback(Message):
    """The learner has read the feedback to a question: the next one, or the end if time is up.

    Attributes:
        number: of the question that was answered.
    """

    kind: Literal["close-feedback"] = "close-feedback"
    number: Annotated[int, Field(ge=1, le=100_000)]
    supplies: Supplies = ()


class ServeQuestion(Message):
    """Serves the question the session waits for, where no host made it in time.

    Attributes:
        number: the question's, from 1.
    """

    kind: Literal["serve-question"] = "serve-question"
    number: Annotated[int, Field(ge=1, le=100_000)]
    supplies: Annotated[tuple[Supply, ...], Field(min_length=1, max_length=20)]


class ShowHint(Message):
    """The learner asks for the hint of the open question."""

    kind: Literal["show-hint"] = "show-hint"
    number: Annotated[int, Field(ge=1, le=100_000)]


# --- events ----------------------------------------


class PracticePlanned(Event):
    """``renewed``: made anew because every slot was finished before time."""

    kind: Literal["practice.planned"] = "practice.planned"
    slots: tuple[Slot, ...]
    duration_ms: int
    renewed: bool = False


class QuestionServed(Event):
    """``slot``: its place in the plan, from 0; ``repeat``: it was asked before in this session."""

    kind: Literal["question.served"] = "question.served"
    number: int
    slot: int
    question: Question
    category: Category
    repeat: bool = False


class QuestionFailed(Event):
    """No question could be made for a slot; the next one has its turn."""

    kind: Literal["question.failed"] = "question.failed"
    slot: int
    skill: SkillId
    tries: int
    reason: str = ""


class HintShown(Event):
    kind: Literal["hint.shown"] = "hint.shown"
    number: int
    skill: SkillId


class AnswerGiven(Event):
    """One answer, with everything a report needs.

    Attributes:
        question_text, correct_answer, learner_answer: as shown, as the key says, as entered.
        other_form: the value is right, the form is not the one asked for.
        attempts, hits: in the tier, after it; fluency: 0 to 1, after it.
        counted: it counts for the tier (answers to a mastered skill do not).
    """

    kind: Literal["answer.given"] = "answer.given"
    number: int
    skill: SkillId
    tier: SkillTier
    category: Category
    question_text: str
    correct_answer: str
    learner_answer: str
    correct: bool
    time_ms: int
    answer_format: AnswerFormat
    task: str = ""
    difficulty: int = 1
    other_form: bool = False
    hinted: bool = False
    attempts: int = 0
    hits: int = 0
    fluency: float = 0.0
    speed: float = 0.5
    counted: bool = True


class FeedbackClosed(Event):
    """The feedback to a question was read, and no other question came with it.

    From now on the session waits for the next one.
    """

    kind: Literal["feedback.closed"] = "feedback.closed"
    number: int


class SkillMoved(Event):
    """A skill's state or tier changed."""

    kind: Literal["skill.moved"] = "skill.moved"
    skill: SkillId
    trigger: Trigger
    state: SkillState
    before: SkillState
    tier: SkillTier
    tier_before: SkillTier
    fluency: float = 0.0


class ReviewCredited(Event):
    """A block of review questions is over: one credit, whatever its length.

    Attributes:
        right: of ``asked`` questions; both 0 where the skill has just been mastered, or mastered
            again, and gets its first date.
        card: when the skill is to be reviewed next.
    """

    kind: Literal["review.credited"] = "review.credited"
    skill: SkillId
    right: int
    asked: int
    card: Card


class RewardEarned(Event):
    """A line of honest praise."""

    kind: Literal["reward.earned"] = "reward.earned"
    reward: Literal["streak", "mastery", "recovery", "steady", "finished"]
    line: str
    skill: str = ""


class SkillRow(Event):
    """One skill in a session's summary."""

    skill: SkillId
    name: str = ""
    category: Category = Category.FRONTIER
    attempted: int = 0
    correct: int = 0
    tier_before: SkillTier = SkillTier.LEARN
    tier_after: SkillTier = SkillTier.LEARN
    state_before: SkillState = SkillState.NEW
    state_after: SkillState = SkillState.NEW
    fluency: float = 0.0


class PracticeSummed(Event):
    """What a practice session came to; stands in the checkpoint of its end.

    Attributes:
        accuracy: correct of answered, 0 where nothing was.
        duration_ms: of active time.
        finished: time was up, or there was nothing left to practise: not left early.
    """

    kind: Literal["practice.summed"] = "practice.summed"
    curriculum: str
    number: int
    answered: int
    correct: int
    accuracy: Share
    duration_ms: int
    finished: bool
    rows: tuple[SkillRow, ...] = ()
    rewards: tuple[str, ...] = ()
    message: str = ""


PracticeCommand = AnswerQuestion | CloseFeedback | ServeQuestion | ShowHint
PracticeEvent = (
    PracticePlanned
    | QuestionServed
    | QuestionFailed
    | HintShown
    | AnswerGiven
    | FeedbackClosed
    | SkillMoved
    | ReviewCredited
    | RewardEarned
    | PracticeSummed
)
