"""The board of a practice session: the fold of what was stored."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as some

from holodeck.entrypoints.play.board import Board, Goal, Stage, Standing, goal
from holodeck.messages.envelope import AnyEvent
from holodeck.messages.practice import (
    LEARN_RULE,
    PROVE_RULE,
    RECOVERY_RULE,
    AnswerFormat,
    AnswerGiven,
    Category,
    FeedbackClosed,
    HintShown,
    PracticeBrief,
    PracticeOptions,
    PracticePlanned,
    QuestionFailed,
    QuestionServed,
    ReviewCredited,
    RewardEarned,
    SkillRecord,
    SkillState,
    SkillTier,
    TierRule,
    Trigger,
)
from holodeck.messages.session import (
    EndReason,
    Outcome,
    SessionEnded,
    SessionKind,
    SessionPaused,
    SessionResumed,
    SessionStarted,
)
from tests.play.desks import CURRICULUM, NOON, SHARE, SUM, SUMMED, moved

SECOND = 1000
RULES = some.builds(
    TierRule,
    problems=some.integers(1, 30),
    accuracy=some.sampled_from([0.05, 0.5, 0.6, 0.75, 0.8, 0.85, 0.9, 0.99]),
)


def started(*records: SkillRecord) -> SessionStarted:
    return SessionStarted(
        session_kind=SessionKind.PRACTICE,
        learner="ana",
        practice=PracticeOptions(curriculum="small-maths"),
        brief=PracticeBrief(course=CURRICULUM.course(), records=records),
    )


def served(number: int, *, share: bool = False) -> QuestionServed:
    return QuestionServed(
        number=number, slot=0, question=SHARE if share else SUM, category=Category.FRONTIER
    )


def answered(number: int, right: bool, attempts: int = 1, hits: int = 1) -> AnswerGiven:
    return AnswerGiven(
        number=number,
        skill="sum-1000",
        tier=SkillTier.LEARN,
        category=Category.FRONTIER,
        question_text=SUM.text,
        correct_answer="852",
        learner_answer="852" if right else "842",
        correct=right,
        time_ms=900,
        answer_format=AnswerFormat.NUMERIC,
        attempts=attempts,
        hits=hits,
    )


PLANNED = PracticePlanned(slots=(), duration_ms=900 * SECOND)


def board(*events: AnyEvent | tuple[int, AnyEvent]) -> Board:
    """What comes of events; each happens a second after the one before, or when it says."""
    made, at = Board(CURRICULUM.course()), NOON
    for one in events:
        at, event = one if isinstance(one, tuple) else (at + SECOND, one)
        made = made.after(event, at)
    return made


# --- how far a tier is ----------------------------------------


@pytest.mark.parametrize(
    ("rule", "attempts", "right", "then"),
    [
        (LEARN_RULE, 0, 0, Goal(0, 6, 8)),
        (LEARN_RULE, 6, 6, Goal(6, 6, 2)),
        (LEARN_RULE, 7, 5, Goal(5, 6, 1)),
        (LEARN_RULE, 8, 5, Goal(5, 9, 4)),
        (LEARN_RULE, 8, 0, Goal(0, 24, 24)),
        (PROVE_RULE, 0, 0, Goal(0, 6, 6)),
        (PROVE_RULE, 6, 5, Goal(5, 6, 1)),
        (PROVE_RULE, 20, 17, Goal(17, 17, 0)),
        (RECOVERY_RULE, 2, 1, Goal(1, 3, 2)),
        (TierRule(problems=3, accuracy=1.0), 1, 0, Goal(0, None, 2)),
        (TierRule(problems=3, accuracy=1.0), 1, 1, Goal(1, 3, 2)),
    ],
)
def test_the_bar_shows_the_numbers_of_the_rule(
    rule: TierRule, attempts: int, right: int, then: Goal
) -> None:
    assert goal(rule, attempts, right) == then


@given(RULES, some.integers(0, 60), some.data())
def test_a_tier_is_complete_when_all_that_is_missing_was_right_and_not_before(
    rule: TierRule, attempts: int, data: some.DataObject
) -> None:
    right = data.draw(some.integers(0, attempts))

    def complete(more: int) -> bool:
        n = attempts + more
        return n >= rule.problems and right + more >= Fraction(str(rule.accuracy)) * n

    found = goal(rule, attempts, right)

    assert complete(found.more)
    assert found.more == 0 or not complete(found.more - 1)
    assert found.of is not None
    assert right <= right + found.more
    assert right + found.more >= found.of


# --- the fold ----------------------------------------


def test_a_session_begins_where_the_learner_stands() -> None:
    record = SkillRecord(skill="sum-1000", state=SkillState.LEARNING, attempts=6, correct=4)

    then = board(started(record), PLANNED, served(1))

    assert then.stage is Stage.ASKING
    assert (then.number, then.question) == (1, SUM)
    assert then.standing("sum-1000") == Standing(SkillState.LEARNING, SkillTier.LEARN, 6, 4)
    assert then.standing("diff-100") == Standing()
    assert then.name("sum-1000") == "Sums of 3-digit numbers"


def test_an_answer_is_counted_and_its_feedback_open() -> None:
    then = board(started(), PLANNED, served(1), answered(1, True))

    assert then.stage is Stage.TOLD
    assert (then.answered, then.correct) == (1, 1)
    assert then.standing("sum-1000") == Standing(SkillState.LEARNING, SkillTier.LEARN, 1, 1)

    then = board(started(), PLANNED, served(1), answered(1, True), served(2), answered(2, False))

    assert (then.answered, then.correct) == (2, 1)


def test_an_answer_that_does_not_count_leaves_the_tier() -> None:
    mastered = SkillRecord(
        skill="sum-1000", state=SkillState.MASTERED, tier=SkillTier.PROVE, attempts=6, correct=6
    )
    uncounted = answered(1, False).model_copy(update={"counted": False, "attempts": 0, "hits": 0})

    then = board(started(mastered), PLANNED, served(1), uncounted)

    assert then.standing("sum-1000") == Standing(SkillState.MASTERED, SkillTier.PROVE, 6, 6)


def test_a_move_begins_a_tier_anew_and_is_gone_with_the_next_question() -> None:
    up = moved(Trigger.TIER)
    praise = RewardEarned(reward="streak", line="5 right in a row")

    told = board(started(), PLANNED, served(1), answered(1, True, 8, 7), up, praise)
    then = told.after(served(2), NOON)

    assert told.moves == (up,)
    assert told.rewards == (praise,)
    assert told.standing("sum-1000") == Standing(SkillState.LEARNING, SkillTier.PROVE, 0, 0)
    assert not then.moves
    assert not then.rewards
    assert then.verdict is None


def test_a_first_attempt_moves_a_skill_and_keeps_its_count() -> None:
    first = moved(Trigger.FIRST, before=SkillState.NEW)

    then = board(started(), PLANNED, served(1), answered(1, True), first)

    assert then.standing("sum-1000") == Standing(SkillState.LEARNING, SkillTier.LEARN, 1, 1)


def test_skills_that_went_rusty_at_the_start_are_known() -> None:
    decayed = moved(Trigger.DECAY, skill="sum-20", before=SkillState.MASTERED)

    then = board(started(), decayed, PLANNED, served(1))

    assert then.rusty == ("sum-20",)
    assert then.standing("sum-20").state is SkillState.RUSTY
    assert then.rule("sum-20") == RECOVERY_RULE


def test_the_rule_is_that_of_the_tier_and_of_the_skill_if_it_has_one() -> None:
    own = TierRule(problems=3, accuracy=0.5)
    skill = CURRICULUM.course().skills[0].model_copy(update={"prove": own})
    course = CURRICULUM.course().model_copy(update={"skills": (skill,)})
    proving = Standing(SkillState.LEARNING, SkillTier.PROVE)

    assert Board(course).rule(skill.id) == LEARN_RULE
    assert Board(course, standings={skill.id: proving}).rule(skill.id) == own
    assert Board(course, standings={"unknown": proving}).rule("unknown") == PROVE_RULE


def test_between_questions_one_waits() -> None:
    then = board(
        started(),
        PLANNED,
        served(1),
        HintShown(number=1, skill="sum-1000"),
        answered(1, True),
        FeedbackClosed(number=1),
        QuestionFailed(slot=1, skill="diff-100", tries=3),
    )

    assert then.stage is Stage.WAITING
    assert then.hinted
    assert then.failed == ("diff-100",)
    assert then.after(served(2), NOON).failed == ()
    assert not then.after(served(2), NOON).hinted


def test_what_is_not_to_be_seen_changes_nothing() -> None:
    credit = ReviewCredited.model_validate(
        {"skill": "sum-20", "right": 2, "asked": 3, "card": {"due_at": NOON}}
    )
    before = board(started(), PLANNED, served(1))

    assert before.after(credit, NOON + 99 * SECOND) == before


# --- the clock ----------------------------------------


def test_time_runs_in_questions_and_in_feedback() -> None:
    then = board((NOON, started()), (NOON, PLANNED), (NOON, served(1)))

    assert then.left_ms(NOON + 60 * SECOND) == 840 * SECOND
    assert then.after(answered(1, True), NOON + 70 * SECOND).left_ms(NOON + 100 * SECOND) == (
        800 * SECOND
    )


def test_time_stands_still_in_a_pause_and_goes_on_behind_it() -> None:
    asking = board((NOON, started()), (NOON, PLANNED), (NOON, served(1)))

    paused = asking.after(SessionPaused(), NOON + 100 * SECOND)
    resumed = paused.after(SessionResumed(), NOON + 9_000 * SECOND)

    assert paused.stage is Stage.PAUSED
    assert paused.left_ms(NOON + 5_000 * SECOND) == 800 * SECOND
    assert resumed.stage is Stage.ASKING
    assert resumed.left_ms(NOON + 9_010 * SECOND) == 790 * SECOND


def test_a_pause_in_feedback_goes_back_to_the_feedback() -> None:
    told = board(started(), PLANNED, served(1), answered(1, True))

    then = told.after(SessionPaused(), NOON).after(SessionResumed(), NOON)

    assert then.stage is Stage.TOLD
    assert then.verdict == told.verdict


def test_time_goes_below_zero_and_stops_at_the_end() -> None:
    asking = board((NOON, started()), (NOON, PLANNED), (NOON, served(1)))
    end = SessionEnded(reason=EndReason.TIME_LIMIT, outcome=Outcome.SUCCESS, active_ms=1)

    ended = asking.after(end, NOON + 910 * SECOND).after(SUMMED, NOON + 910 * SECOND)

    assert asking.left_ms(NOON + 905 * SECOND) == -5 * SECOND
    assert ended.stage is Stage.ENDED
    assert ended.left_ms(NOON + 9_999 * SECOND) == -10 * SECOND
    assert ended.summed == SUMMED
