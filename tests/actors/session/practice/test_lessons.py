"""A practice session from its start to its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from holodeck.actors.decider import Moment
from holodeck.actors.session import arms, next_deadline, session
from holodeck.actors.session.practice.outlook import foreseen
from holodeck.messages.errors import RefusedError
from holodeck.messages.practice import (
    AnswerQuestion,
    Category,
    CloseFeedback,
    FeedbackClosed,
    HintShown,
    PracticePlanned,
    QuestionFailed,
    QuestionServed,
    ReviewCredited,
    RewardEarned,
    ServeQuestion,
    ShowHint,
    SkillRecord,
    SkillState,
    SkillTier,
    Trigger,
)
from holodeck.messages.session import (
    End,
    Pause,
    Resume,
    SessionErred,
    SessionKind,
    SessionStarted,
    StartSession,
)
from tests.actors.session.practice.refusals import REFUSALS, waiting
from tests.actors.session.practice.sessions import (
    CHAIN,
    DAY_MS,
    MATHS,
    Lesson,
    course,
    failed,
    lesson,
    made,
    mastered,
    start,
)
from tests.actors.session.practice.test_planner import card
from tests.actors.session.stories import NOON, Story, fork_of

LEARN, PROVE = SkillTier.LEARN, SkillTier.PROVE
ONE = course("skill 2")


def refused(told: Story, command: Any) -> str:
    with pytest.raises(RefusedError) as caught:
        told.says(command)
    return caught.value.reason


@pytest.mark.parametrize(
    ("given", "when", "reason"), [row[1:] for row in REFUSALS], ids=[row[0] for row in REFUSALS]
)
def test_what_cannot_be_is_refused_and_changes_nothing(
    given: Callable[[], Story], when: Any, reason: str
) -> None:
    told = given()
    before = told.state.copy()
    assert refused(told, when) == reason
    assert told.state == before


# --- the start ----------------------------------------


def test_a_session_begins_with_its_plan_and_its_first_question() -> None:
    told = lesson()
    assert [event.kind for event in told.events] == [
        "session.started",
        "practice.planned",
        "question.served",
    ]
    planned = told.of(PracticePlanned)[0]
    assert planned.duration_ms == 900_000
    assert not planned.renewed
    assert told.question.skill == "root"
    assert told.want is None


def test_a_start_without_a_question_waits_for_the_one_that_is_wanted() -> None:
    told = waiting(seed="blue")
    want = told.want
    assert want is not None
    assert (want.number, want.skill, want.tier, want.seed) == (1, "root", LEARN, "blue:root:1")
    assert told.serve(made(want)).question.answer == "1"
    assert told.want is None


def test_the_seed_is_the_sessions_id_unless_somebody_chose_one() -> None:
    want = waiting().want
    assert want is not None
    assert want.seed == "sess_1:root:1"


def test_what_is_foreseen_is_what_is_wanted_then() -> None:
    told = lesson()
    answer = AnswerQuestion(number=1, given="1", proceed=True)
    want = foreseen(told.state, answer, told.at, "sess_1")
    told.tell(answer)
    assert told.want == want
    assert want is not None
    assert want.avoid == {"root-1"}
    assert want.prior == (told.given[0].question_text,)


def test_time_makes_skills_rusty_before_the_plan_is_made() -> None:
    told = lesson(CHAIN, [mastered("root", card=card(-6))])
    assert [event.kind for event in told.events][:3] == [
        "session.started",
        "skill.moved",
        "practice.planned",
    ]
    (move,) = told.moves
    assert (move.trigger, move.before, move.state) == (
        Trigger.DECAY,
        SkillState.MASTERED,
        SkillState.RUSTY,
    )
    assert (move.tier_before, move.tier) == (PROVE, LEARN)
    assert told.practice.plan[0].skill == "root"
    told.answers("RRR")
    assert [move.trigger for move in told.moves] == [Trigger.DECAY]
    told.answer()
    assert told.moves[-1].trigger is Trigger.RECOVERY
    record = told.practice.record("root")
    assert record.state is SkillState.MASTERED
    assert record.card is not None
    assert record.card.last_at == told.at
    assert "Known again: Root." in told.practice.rewards


# --- answers ----------------------------------------


def test_an_answer_is_told_with_everything_a_report_needs() -> None:
    told = lesson().tell(ShowHint(number=1))
    assert isinstance(told, Lesson)
    told.answer(proceed=False, after_s=4)
    (given,) = told.given
    assert given.model_dump(exclude_defaults=True) == {
        "number": 1,
        "skill": "root",
        "tier": LEARN,
        "category": Category.FRONTIER,
        "question_text": "What is the number of this question about root, 1?",
        "correct_answer": "1",
        "learner_answer": "1",
        "correct": True,
        "time_ms": 4000,
        "answer_format": "numeric",
        "task": "root-1",
        "hinted": True,
        "attempts": 1,
        "hits": 1,
        "fluency": 0.725,
    }


def test_a_blank_answer_changes_nothing() -> None:
    told = lesson()
    for blank in ("", "   ", "\t\n"):
        assert refused(told, AnswerQuestion(number=1, given=blank)) == "blank-answer"
    assert not told.given


def test_an_answer_said_twice_counts_once() -> None:
    told = lesson()
    command = AnswerQuestion(number=1, given="1", proceed=True)
    told.give(command)
    served = told.practice.served
    told.tell(command)
    assert (told.practice.answered, told.practice.served) == (1, served)


def test_answers_come_in_order() -> None:
    told = lesson()
    assert refused(told, AnswerQuestion(number=2, given="1")) == "question-order"
    assert refused(told, CloseFeedback(number=1)) == "question-open"
    assert refused(told, CloseFeedback(number=2)) == "question-order"
    assert refused(told, ServeQuestion(number=2, supplies=(_root(2),))) == "question-order"
    told.answer(proceed=False)
    assert refused(told, AnswerQuestion(number=2, given="1")) == "question-order"
    assert told.says(ServeQuestion(number=1, supplies=(_root(1),))) == []


def _root(number: int) -> Any:
    told = waiting()
    want = told.want
    assert want is not None
    return made(want, answer=str(number))


def test_feedback_stays_until_it_is_closed() -> None:
    told = lesson().answer(proceed=False)
    assert told.practice.feedback
    assert told.want is None
    told.close()
    assert told.practice.served == 2
    assert told.says(CloseFeedback(number=1)) == []
    assert not told.of(FeedbackClosed)


def test_feedback_closed_without_a_question_leaves_the_session_waiting() -> None:
    told = lesson().answer(proceed=False)
    told.tell(CloseFeedback(number=1))
    assert [event.kind for event in told.log[-1][1]] == ["feedback.closed"]
    assert told.want is not None
    assert told.says(CloseFeedback(number=1)) == []


def test_hints_are_for_learn_and_shown_once() -> None:
    told = lesson().tell(ShowHint(number=1), ShowHint(number=1))
    assert isinstance(told, Lesson)
    assert len(told.of(HintShown)) == 1
    assert refused(told, ShowHint(number=2)) == "question-order"
    told.answers("RRRRRRRR")
    assert told.question.tier is PROVE
    assert refused(told, ShowHint(number=told.practice.served)) == "no-hint"


def test_a_question_that_is_not_wanted_is_refused() -> None:
    told = waiting()
    want = told.want
    assert want is not None
    other = made(want).model_copy(update={"skill": "add"})
    proved = made(want).model_copy(update={"tier": PROVE})
    foreign = made(want, skill="add")
    for supplies in ((other,), (proved,), (foreign,), (made(want), made(want))):
        assert refused(told, ServeQuestion(number=1, supplies=supplies)) == "wrong-supply"
    told.serve(made(want))
    early = AnswerQuestion(number=1, given="1", supplies=(made(want),))
    assert refused(told, early) == "wrong-supply"


def test_what_is_no_practice_knows_nothing_of_questions() -> None:
    told = Story().tell(StartSession(session_kind=SessionKind.PRACTICE, learner="a", claim=1))
    for command in (
        AnswerQuestion(number=1),
        CloseFeedback(number=1),
        ServeQuestion(number=1, supplies=(_root(1),)),
        ShowHint(number=1),
    ):
        assert refused(told, command) == "no-practice"


# --- rotation and plans ----------------------------------------


def test_a_tier_that_is_complete_ends_its_block_and_all_slots_of_its_goal() -> None:
    told = lesson(ONE).answers("RRRRRRRR")
    assert [move.trigger for move in told.moves] == [Trigger.FIRST, Trigger.TIER]
    assert [event.renewed for event in told.of(PracticePlanned)] == [False, True]
    assert {slot.tier for slot in told.practice.plan} == {PROVE}
    told.answers("RRRRRR")
    assert told.moves[-1].trigger is Trigger.MASTERY
    assert len(told.given) == 14


def test_what_a_mastery_opens_is_asked_in_the_same_session() -> None:
    told = lesson().answers("R" * 14)
    assert told.practice.record("root").state is SkillState.MASTERED
    assert told.question.skill == "add"
    assert [slot.category for slot in told.practice.plan] == [Category.FRONTIER] * 4 + [
        Category.BOOSTER
    ]


def test_a_mastered_skill_is_mastered_once() -> None:
    told = lesson(ONE).answers("R" * 40)
    assert [move.trigger for move in told.moves].count(Trigger.MASTERY) == 1
    record = told.practice.record("skill")
    assert (record.attempts, record.correct) == (6, 6)
    assert (record.total, record.right) == (40, 40)
    assert not told.given[-1].counted


def test_reviews_and_boosters_stay_until_the_time_is_up() -> None:
    told = lesson(ONE, [mastered("skill", card=card(-1))])
    told.answers("R" * 31)
    assert {event.category for event in told.of(QuestionServed)} == {
        Category.REVIEW,
        Category.BOOSTER,
    }
    assert len(told.of(PracticePlanned)) == 1
    boosted = [event for event in told.given if event.category is Category.BOOSTER]
    assert {event.tier for event in boosted} == {LEARN}


def test_a_block_of_reviews_is_credited_once() -> None:
    told = lesson(ONE, [mastered("skill", card=card(-1))], slots=2)
    told.answers("RR")
    assert not told.of(ReviewCredited)
    told.answer(False)
    (credit,) = told.of(ReviewCredited)
    assert (credit.right, credit.asked, credit.skill) == (2, 3, "skill")
    assert told.practice.record("skill").card == credit.card
    assert told.practice.record("skill").reviewed == (True, True, False)


def test_a_review_block_left_in_the_middle_is_credited_at_the_end() -> None:
    told = lesson(ONE, [mastered("skill", card=card(-1))], slots=2)
    told.answer().tell(End())
    (credit,) = told.of(ReviewCredited)
    assert (credit.right, credit.asked) == (1, 1)


def test_poor_reviews_make_a_skill_rusty_with_the_answer_that_shows_it() -> None:
    told = lesson(ONE, [mastered("skill", card=card(-1), reviewed=(True, False))], slots=2)
    told.answer(False)
    assert not told.moves
    told.answer(False)
    (move,) = told.moves
    assert (move.trigger, move.state, move.tier) == (
        Trigger.REVIEW,
        SkillState.RUSTY,
        LEARN,
    )
    record = told.practice.record("skill")
    assert (record.attempts, record.correct, record.reviewed) == (0, 0, ())
    assert told.question.tier is LEARN
    told.answers("RRRR")
    assert told.moves[-1].trigger is Trigger.RECOVERY


def test_progress_goes_on_over_sessions_and_unknown_skills_are_kept() -> None:
    gone = mastered("gone", card=card(-90))
    half = SkillRecord(
        skill="root", state=SkillState.LEARNING, attempts=7, correct=6, total=7, right=6
    )
    told = lesson(CHAIN, [gone, half], number=4).answer()
    assert told.moves[-1].trigger is Trigger.TIER
    assert told.practice.records["gone"] == gone
    assert told.practice.record("root").session == 4


# --- questions that cannot be made ----------------------------------------


def test_three_tries_then_the_next_slot_and_back_again_later() -> None:
    of = course("a 1", "b 1")
    told = Lesson()
    told.tell(start(of, (), MATHS.model_copy(update={"slots": 2, "block": 1})))
    want = told.want
    assert want is not None
    told.serve(failed(want, 3))
    (lost,) = told.of(QuestionFailed)
    assert (lost.slot, lost.skill, lost.tries, lost.reason) == (0, "a", 3, "nothing came of it")
    want = told.want
    assert want is not None
    assert (want.slot, want.skill, want.number) == (1, "b", 1)
    told.serve(made(want)).answer()
    assert told.question.skill == "a"


def test_a_session_without_questions_ends_and_keeps_what_there_is() -> None:
    told = lesson().answer(proceed=False)
    told.tell(CloseFeedback(number=1))
    for _ in range(5):
        want = told.want
        assert want is not None
        told.serve(failed(want))
    assert told.want is None
    assert (told.end.reason, told.end.outcome) == ("system-error", "failed")
    assert "nothing came of it" in told.end.error
    assert len(told.of(SessionErred)) == 1
    assert (told.sum.answered, told.sum.finished) == (1, False)
    assert told.sum.message.startswith("No question could be made")


def test_a_session_that_never_gets_a_question_ends_with_its_start() -> None:
    told = waiting(slots=1)
    want = told.want
    assert want is not None
    command = start(options=MATHS.model_copy(update={"slots": 1})).model_copy(
        update={"supplies": (failed(want),)}
    )
    other = Lesson()
    other.tell(command)
    assert other.state.phase == "ended"
    assert (other.end.duration_ms, other.sum.answered) == (0, 0)
    assert isinstance(other.events[0], SessionStarted)


# --- time and end ----------------------------------------


def test_an_open_question_may_be_finished_and_its_feedback_read() -> None:
    told = lesson(minutes=1)
    told.answer(proceed=False, after_s=70)
    assert told.state.phase == "active"
    told.close()
    assert (told.end.reason, told.end.outcome) == ("time-limit", "success")
    assert told.end.active_ms == 70_000
    assert told.sum.finished
    assert told.sum.rewards[-1] == "Practised until the time was up."


def test_a_timer_ends_what_waits_and_spares_what_is_open() -> None:
    told = lesson(minutes=1)
    due = next_deadline(told.state)
    assert due is not None
    assert due[0] == NOON + 360_000
    told.answer(proceed=False, after_s=10)
    closing = CloseFeedback(number=1)
    events = told.says(closing)
    assert arms(events)
    told.tell(closing)
    later = next_deadline(told.state)
    assert later is not None
    assert later[0] == NOON + 60_000
    assert later[1] != due[1]
    told.tell(later[2], after_s=49)
    assert told.state.phase == "active"
    told.tell(later[2], after_s=1)
    assert (told.end.reason, told.sum.message) == ("time-limit", "Time is up.")


@pytest.mark.parametrize("answered", [False, True])
def test_whoever_leaves_a_question_or_feedback_alone_is_gone_after_five_minutes(
    answered: bool,
) -> None:
    told = lesson(minutes=1)
    if answered:
        told.answer(proceed=False, after_s=50)
    due = next_deadline(told.state)
    assert due is not None
    told.at = due[0]
    told.tell(due[2])
    assert told.end.active_ms == 360_000
    assert (told.end.reason, told.end.outcome) == ("inactivity-timeout", "timeout")
    assert told.sum.finished
    assert told.sum.answered == answered


def test_a_pause_stops_the_clock() -> None:
    told = lesson(minutes=1)
    told.tell(Pause(), after_s=30)
    assert next_deadline(told.state) is None
    told.tell(Resume(claim=99), after_s=3600)
    told.answer(after_s=20)
    assert told.state.phase == "active"
    assert told.question.answer == "2"
    told.answer(after_s=20)
    assert told.sum.duration_ms == 70_000


def test_a_paused_session_wants_nothing_until_it_goes_on() -> None:
    told = waiting()
    told.tell(Pause())
    assert told.want is None
    told.tell(Resume(claim=99))
    assert told.want is not None


def test_a_question_that_comes_after_the_time_is_not_asked() -> None:
    told = waiting(minutes=1)
    want = told.want
    assert want is not None
    told.at += 60_000
    assert told.want is None
    told.serve(made(want))
    assert not told.of(QuestionServed)
    assert told.end.reason == "time-limit"


def test_leaving_early_saves_what_there_is() -> None:
    told = lesson().answers("RRW")
    told.tell(End())
    assert (told.end.reason, told.end.outcome) == ("learner-ended", "success")
    (row,) = told.sum.rows
    assert (row.skill, row.name, row.attempted, row.correct) == ("root", "Root", 3, 2)
    assert (told.sum.finished, told.sum.accuracy) == (False, 0.666667)
    assert told.sum.message == "Ended early. Everything up to here is saved."
    told.tell(End())
    assert told.end


def test_the_summary_tells_how_far_each_skill_went() -> None:
    told = lesson().answers("R" * 14)
    told.tell(End())
    (row,) = told.sum.rows
    assert (row.tier_before, row.tier_after) == (LEARN, PROVE)
    assert (row.state_before, row.state_after) == (SkillState.NEW, SkillState.MASTERED)
    assert row.fluency == told.given[-1].fluency


def test_rewards_are_few_and_honest() -> None:
    told = lesson(days=5).answers("RRRRRRRRRR")
    assert [event.line for event in told.of(RewardEarned)] == [
        "Day 5 of practice.",
        "5 right in a row.",
        "10 right in a row.",
    ]
    again = lesson(
        CHAIN, [SkillRecord(skill="root", last_at=NOON - 1000, session=1)], days=5, number=2
    )
    assert not again.of(RewardEarned)


def test_a_rehearsal_goes_on_with_the_open_question_and_the_whole_time() -> None:
    told = lesson(minutes=1).answer(after_s=50)
    other = Lesson(at=told.at + DAY_MS)
    other.tell(fork_of(told.state))
    assert other.question == told.question
    due = next_deadline(other.state)
    assert due is not None
    assert due[0] == other.at + 360_000
    other.answer()
    assert other.practice.answered == 2


def test_a_session_of_another_kind_has_no_practice() -> None:
    told = Story().tell(StartSession(learner="ana", claim=1))
    assert told.state.practice is None
    moment = Moment(90, NOON, "sess_1")
    stray = FeedbackClosed(number=1)
    assert session.fold(told.state, (stray,), moment).practice is None
