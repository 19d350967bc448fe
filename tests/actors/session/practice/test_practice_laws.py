"""What holds for every practice session, whatever is answered."""

from __future__ import annotations

import contextlib
from collections import Counter
from typing import Any

from hypothesis import event, given, settings
from hypothesis import strategies as st

from holodeck.actors.session import STATE, SessionState, next_deadline
from holodeck.actors.session.practice import progress
from holodeck.actors.session.practice.outlook import foreseen
from holodeck.actors.session.practice.state import ERRORS, TASKS, TEXTS
from holodeck.messages.base import MAX_MESSAGE
from holodeck.messages.codec import decode_checkpoint, encode_checkpoint, pack, unpack
from holodeck.messages.errors import RefusedError
from holodeck.messages.practice import (
    AnswerGiven,
    AnswerQuestion,
    Category,
    CloseFeedback,
    Course,
    PracticeOptions,
    PracticePlanned,
    QuestionServed,
    ReviewCredited,
    SchedulerKind,
    ServeQuestion,
    ShowHint,
    SkillMoved,
    SkillRecord,
    SkillState,
    SkillTier,
    Slot,
    TierRule,
    Trigger,
)
from holodeck.messages.session import End, Pause, Resume, TimerFired
from tests.actors.session.practice.sessions import (
    CHAIN,
    Lesson,
    course,
    failed,
    lesson,
    made,
    mastered,
    start,
)
from tests.actors.session.practice.test_planner import card
from tests.actors.session.stories import NOON, replayed

laws = settings(max_examples=60, deadline=None)

SHORT = course(
    "root 2",
    "add 2 root",
    "sub 2 root",
    "mix 3 add sub",
    learn=TierRule(problems=2, accuracy=0.75),
    prove=TierRule(problems=2, accuracy=0.85, limit_s=30),
    recovery=TierRule(problems=1, accuracy=0.75),
)
RECORDS = st.sampled_from(
    [
        (),
        (mastered("root", card=card(-1)), mastered("gone")),
        (mastered("root", card=card(-9)), SkillRecord(skill="add", attempts=3, correct=1, total=3)),
        tuple(mastered(name, card=card(-1)) for name in ("root", "add", "sub", "mix")),
    ]
)
OPTIONS = st.builds(
    PracticeOptions,
    curriculum=st.just("maths"),
    minutes=st.sampled_from([1, 15]),
    slots=st.integers(1, 6),
    block=st.integers(1, 4),
    distinct=st.integers(1, 4),
    scheduler=st.sampled_from(list(SchedulerKind)),
)
STEPS = st.lists(
    st.sampled_from(["R", "R", "R", "W", "W", "r", "w", "c", "h", "p", "f", "x", "t", "late"]),
    max_size=60,
)
"""R, W: answered and on; r, w: answered, feedback open; c: feedback closed; h: hint; p: paused and
gone on; f: no question could be made; x: fatally so; t: a timer; late: nobody there for a while."""


def played(
    of: Course, records: tuple[SkillRecord, ...], options: PracticeOptions, steps: list[str]
) -> Lesson:
    told = Lesson()
    told.tell(start(of, records, options))
    for step in steps:
        if told.state.phase == "ended":
            break
        _served(told, step)
        if told.state.phase == "ended":
            break
        with contextlib.suppress(RefusedError):
            _step(told, step)
    event(told.state.phase)
    return told


def _served(told: Lesson, step: str) -> None:
    """Whoever wants a question gets one, or hears that there is none."""
    while (want := told.want) is not None:
        told.serve(failed(want, fatal=step == "x") if step in ("f", "x") else made(want))
        if step in ("f", "x"):
            break


def _step(told: Lesson, step: str) -> None:
    number = max(1, told.practice.served)
    match step:
        case "R" | "W" | "r" | "w" if told.practice.question is not None:
            right, proceed = step in "Rr", step in "RW"
            told.answer(right, proceed=proceed, after_s=7)
        case "c" | "R" | "W":
            told.give(CloseFeedback(number=number))
        case "h":
            told.tell(ShowHint(number=number))
        case "p":
            told.tell(Pause())
            told.tell(Resume(claim=told.sequence + 1), after_s=500)
        case "late":
            told.at += 200_000
            _timer(told)
        case "t":
            _timer(told)
        case _:
            pass


def _timer(told: Lesson) -> None:
    told.tell(TimerFired(name="session"))


def dumped(state: SessionState) -> bytes:
    return pack(STATE.dump_python(state))


PLAYS = st.builds(played, st.sampled_from([SHORT, CHAIN]), RECORDS, OPTIONS, STEPS)


@laws
@given(PLAYS)
def test_replaying_the_journal_gives_the_state(told: Lesson) -> None:
    log: list[Any] = [
        (moment, decode_checkpoint(encode_checkpoint(moment.at, events), "s").events)
        for moment, events in told.log
    ]
    assert dumped(replayed(log)) == dumped(told.state)
    back = STATE.validate_python(unpack(dumped(told.state)))
    assert back == told.state
    assert next_deadline(back) == next_deadline(told.state)


@laws
@given(PLAYS)
def test_it_always_knows_what_comes_next(told: Lesson) -> None:
    """A question, its feedback, a want, a timer that is due, or the end: never nothing."""
    practice = told.practice
    if told.state.phase == "ended":
        assert told.want is None
        assert told.sum in told.log[-1][1]
        assert told.end in told.log[-1][1]
        return
    due = next_deadline(told.state)
    assert due is not None
    assert practice.busy or told.want is not None or due[0] <= told.at
    assert not (practice.question is not None and practice.feedback)
    assert not (practice.busy and told.want is not None)
    told.at = due[0]
    told.tell(due[2])
    assert told.state.phase == "ended"


@laws
@given(PLAYS)
def test_what_is_counted_is_what_was_answered(told: Lesson) -> None:
    practice, given_ = told.practice, told.of(AnswerGiven)
    assert practice.answered == len(given_)
    assert practice.correct == sum(one.correct for one in given_)
    numbers = [one.number for one in told.of(QuestionServed)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert [one.number for one in given_] == numbers[: len(given_)]
    rows = practice.rows.values()
    assert sum(row.attempted for row in rows) == len(given_)
    assert sum(row.correct for row in rows) == practice.correct
    for record in practice.records.values():
        assert 0 <= record.right <= record.total
        assert 0 <= record.correct <= record.attempts
        assert len(record.speeds) <= 10
        assert all(0 <= one.fluency <= 1 for one in given_)


@laws
@given(PLAYS)
def test_a_skill_moves_from_where_it_was_and_is_mastered_only_once_between_rusts(
    told: Lesson,
) -> None:
    where: dict[str, tuple[SkillState, SkillTier]] = {}
    for move in told.of(SkillMoved):
        at = (move.before, move.tier_before)
        assert where.get(move.skill, at) == at
        where[move.skill] = (move.state, move.tier)
        assert (move.state is SkillState.MASTERED) == (
            move.trigger in (Trigger.MASTERY, Trigger.RECOVERY)
        )
        assert move.state is not move.before or move.trigger is Trigger.TIER
    for skill, at in where.items():
        record = told.practice.record(skill)
        assert (record.state, record.tier) == at
        assert (record.state is SkillState.RUSTY) == bool(record.rusty_at)
    mastered_now = Counter(one.skill for one in told.of(ReviewCredited) if not one.asked)
    moved = Counter(one.skill for one in told.of(SkillMoved) if one.state is SkillState.MASTERED)
    assert mastered_now == moved


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 8), st.integers(1, 5), st.text("RW", max_size=50))
def test_slots_take_turns_in_blocks_as_long_as_none_is_finished(
    slots: int, block: int, pattern: str
) -> None:
    never = TierRule(problems=1000, accuracy=1)
    of = course(*(f"skill-{n} 2" for n in range(slots)), learn=never)
    told = lesson(of, slots=slots, block=block, distinct=slots).answers(pattern)
    places = [one.slot for one in told.of(QuestionServed)]
    assert places == [(n // block) % slots for n in range(len(pattern) + 1)]


@laws
@given(PLAYS)
def test_a_booster_is_asked_at_learn_and_a_question_fits_its_slot(told: Lesson) -> None:
    plan: tuple[Slot, ...] = ()
    for one in told.events:
        if isinstance(one, PracticePlanned):
            plan = one.slots
        if isinstance(one, QuestionServed):
            slot = plan[one.slot]
            assert (slot.skill, slot.category) == (one.question.skill, one.category)
            if slot.category is Category.BOOSTER:
                assert one.question.tier is SkillTier.LEARN
            if slot.category is Category.FRONTIER:
                assert one.question.tier is slot.tier


@laws
@given(PLAYS)
def test_memory_is_bounded_and_a_task_is_not_wanted_twice(told: Lesson) -> None:
    for asked in told.practice.asked_of.values():
        assert len(asked.tasks) <= TASKS
        assert len(asked.texts) <= TEXTS
        assert len(asked.errors) <= ERRORS
    want = told.want
    if want is not None:
        tasks = {one.task for one in told.given if one.skill == want.skill}
        assert want.avoid == tasks


@laws
@given(PLAYS, st.sampled_from(["R", "w", "close", "end"]))
def test_what_is_foreseen_is_wanted_after_and_deciding_changes_nothing(
    told: Lesson, kind: str
) -> None:
    number = max(1, told.practice.served)
    command: Any = {
        "R": AnswerQuestion(number=number, given=str(number), proceed=True),
        "w": AnswerQuestion(number=number, given="no"),
        "close": CloseFeedback(number=number),
        "end": End(),
    }[kind]
    before = dumped(told.state)
    try:
        want = foreseen(told.state, command, told.at, "sess_1")
    except RefusedError:
        return
    assert dumped(told.state) == before
    told.tell(command)
    assert told.want == want


def test_three_hundred_questions_stay_small() -> None:
    """In a course of thirty-two skills, with the longest words there may be."""
    skills = [
        f"skill-{n:02d} {n % 4}" + (f" skill-{n // 2:02d}" if n > 3 else "") for n in range(32)
    ]
    easy = TierRule(problems=3, accuracy=0.5)
    told = Lesson()
    options = PracticeOptions(curriculum="maths", minutes=240)
    records = tuple(
        SkillRecord(skill=f"skill-{n:02d}", session=1, speeds=(0.5,) * 10) for n in range(32)
    )
    told.tell(start(course(*skills, learn=easy, prove=easy), records, options))
    largest = 0
    for number in range(1, 301):
        want = told.want
        assert want is not None
        long = {
            "text": f"{number} " + "x" * 490,
            "task": f"{number} " + "t" * 190,
            "explanation": "e" * 1000,
            "hint": "h" * 500,
        }
        told.tell(ServeQuestion(number=number, supplies=(made(want, **long),)))
        told.tell(
            AnswerQuestion(
                number=number,
                given=str(number) if number % 2 else "w" * 200,
                time_ms=5000,
                proceed=True,
            ),
            after_s=10,
        )
        largest = max(largest, len(dumped(told.state)))
    assert told.practice.answered == 300
    assert largest < 200_000
    assert max(len(encode_checkpoint(m.at, e)) for m, e in told.log) < MAX_MESSAGE


def test_a_learner_who_knows_everything_masters_the_course_in_its_order() -> None:
    told = lesson(minutes=240)
    for _ in range(200):
        told.answer()
    order = [move.skill for move in told.moves if move.trigger is Trigger.MASTERY]
    assert order[0] == "root"
    assert set(order) == {one.id for one in CHAIN.skills}
    assert order.index("mix") > max(order.index("add"), order.index("sub"))
    assert len(order) == len(set(order))
    for skill in order:
        record = told.practice.record(skill)
        assert progress.accuracy(record.right, record.total) == 1.0
        assert record.mastered_at > NOON
