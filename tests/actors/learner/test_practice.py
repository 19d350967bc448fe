"""What practice leaves in the learner: counted once, never lost, never taken back."""

from __future__ import annotations

from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holodeck.actors.learner.practice import (
    DAY_MS,
    DAYS,
    HISTORY,
    OPEN,
    ROWS,
    PracticeProfile,
    briefed,
    holding,
)
from holodeck.actors.session.practice.progress import REVIEWS, SPEEDS
from holodeck.messages.practice import (
    AnswerFormat,
    AnswerGiven,
    Card,
    Category,
    PracticeSummed,
    ReviewCredited,
    SkillMoved,
    SkillRecord,
    SkillRow,
    SkillState,
    SkillTier,
    Trigger,
)

laws = settings(max_examples=100, deadline=None)
NOON: Final = 1_767_571_200_000 + DAY_MS // 2


def answer(skill: str = "sum-20", right: bool = True, **more: Any) -> AnswerGiven:
    given: dict[str, Any] = {
        "number": 1,
        "skill": skill,
        "tier": SkillTier.LEARN,
        "category": Category.FRONTIER,
        "question_text": "What is 2 + 2?",
        "correct_answer": "4",
        "learner_answer": "4" if right else "5",
        "correct": right,
        "time_ms": 4000,
        "answer_format": AnswerFormat.NUMERIC,
    }
    return AnswerGiven(**given | more)


def move(trigger: Trigger, state: SkillState, tier: SkillTier, skill: str = "sum-20") -> SkillMoved:
    return SkillMoved(
        skill=skill,
        trigger=trigger,
        state=state,
        before=SkillState.LEARNING,
        tier=tier,
        tier_before=SkillTier.LEARN,
    )


PROVING: Final = move(Trigger.TIER, SkillState.LEARNING, SkillTier.PROVE)
MASTERED: Final = move(Trigger.MASTERY, SkillState.MASTERED, SkillTier.PROVE)
RUSTY: Final = move(Trigger.DECAY, SkillState.RUSTY, SkillTier.LEARN)


def begun(*sessions: str) -> PracticeProfile:
    """A profile in which these sessions have begun, as numbers 1, 2, ..."""
    profile = PracticeProfile()
    for number, session in enumerate(sessions, 1):
        profile.begins(session, number)
    return profile


# --- answers ----------------------------------------


def test_an_answer_is_kept_with_the_tiers_counters_as_the_session_counted_them() -> None:
    profile = begun("s1")
    profile.answer("s1", answer(attempts=1, hits=1, speed=0.9), NOON)
    profile.answer("s1", answer(right=False, attempts=2, hits=1, speed=0.1), NOON + 5000)
    assert profile.records["sum-20"] == SkillRecord(
        skill="sum-20",
        attempts=2,
        correct=1,
        total=2,
        right=1,
        speeds=(0.9, 0.1),
        streak=0,
        last_at=NOON + 5000,
        session=1,
    )
    assert (profile.answers, profile.right, profile.first_at, profile.last_at) == (
        2,
        1,
        NOON,
        NOON + 5000,
    )


def test_answers_to_a_review_are_remembered_the_newest_four() -> None:
    profile = begun("s1")
    profile.move("s1", MASTERED, NOON)
    for right in (True, True, False, True, False):
        event = answer(right=right, category=Category.REVIEW, counted=False)
        profile.answer("s1", event, NOON)
    profile.answer("s1", answer(category=Category.BOOSTER, counted=False), NOON)
    record = profile.records["sum-20"]
    assert record.reviewed == (True, False, True, False)
    assert (record.attempts, record.correct, record.total) == (0, 0, 6)


def test_days_count_once_and_speeds_stay_ten() -> None:
    profile = begun("s1")
    for hour in range(0, 72, 4):
        profile.answer("s1", answer(speed=hour / 72), NOON + hour * DAY_MS // 24)
    first = NOON // DAY_MS
    assert profile.days == (first, first + 1, first + 2, first + 3)
    assert len(profile.records["sum-20"].speeds) == SPEEDS
    assert profile.records["sum-20"].speeds[-1] == 68 / 72


# --- moves ----------------------------------------


def test_a_tier_that_is_complete_begins_the_next_one_at_nought() -> None:
    profile = begun("s1")
    profile.answer("s1", answer(attempts=8, hits=7), NOON)
    profile.move("s1", PROVING, NOON)
    record = profile.records["sum-20"]
    assert (record.state, record.tier, record.attempts, record.correct) == (
        SkillState.LEARNING,
        SkillTier.PROVE,
        0,
        0,
    )
    assert record.total == 1


def test_mastery_rust_and_recovery_leave_their_times() -> None:
    profile = begun("s1", "s2", "s3")
    profile.move("s1", MASTERED, NOON)
    assert profile.records["sum-20"].mastered_at == NOON
    profile.move("s2", RUSTY, NOON + DAY_MS)
    rusty = profile.records["sum-20"]
    assert (rusty.state, rusty.tier, rusty.rusty_at) == (
        SkillState.RUSTY,
        SkillTier.LEARN,
        NOON + DAY_MS,
    )
    profile.move(
        "s3", move(Trigger.RECOVERY, SkillState.MASTERED, SkillTier.LEARN), NOON + 2 * DAY_MS
    )
    again = profile.records["sum-20"]
    assert (again.state, again.rusty_at) == (SkillState.MASTERED, 0)


def test_what_is_due_is_told_the_most_overdue_first() -> None:
    profile = begun("s1")
    for skill, due in (("late", NOON - 5), ("later", NOON - 9), ("not-yet", NOON + 1)):
        profile.move("s1", move(Trigger.MASTERY, SkillState.MASTERED, SkillTier.PROVE, skill), 1)
        card = Card(due_at=due, last_at=1, reviews=1)
        profile.credit("s1", ReviewCredited(skill=skill, right=3, asked=3, card=card))
    assert profile.due(NOON) == ["later", "late"]
    assert profile.count(SkillState.MASTERED) == 3


# --- sessions ----------------------------------------


def summed(number: int, rows: int = 1) -> PracticeSummed:
    return PracticeSummed(
        curriculum="primary-maths",
        number=number,
        answered=rows,
        correct=rows,
        accuracy=1.0,
        duration_ms=60_000,
        finished=True,
        rows=(
            *(SkillRow(skill=f"s-{i}", attempted=1, correct=1) for i in range(rows)),
            SkillRow(skill="unasked"),
        ),
    )


def test_history_keeps_the_newest_fifty_sessions_and_twelve_skills_of_each() -> None:
    profile = PracticeProfile()
    for number in range(1, HISTORY + 6):
        session = f"s{number}"
        profile.begins(session, number)
        profile.sum(session, summed(number, rows=ROWS + 3), NOON + number)
        profile.ends(session)
    assert [past.number for past in profile.history] == list(range(6, HISTORY + 6))
    last = profile.history[-1]
    assert (len(last.rows), last.more, last.answered) == (ROWS, 3, ROWS + 3)
    assert last.rows[0].skill == "s-0"
    assert profile.live == {}


def test_a_session_is_told_what_there_is_and_its_number() -> None:
    first = briefed(None, "primary-maths", NOON)
    assert (first.records, first.number, first.days) == ((), 1, 1)
    profile = begun("s1")
    for skill in ("sum-20", "diff-20"):
        profile.answer("s1", answer(skill), NOON)
    practised = {"primary-maths": profile}
    told = briefed(practised, "primary-maths", NOON)
    assert [record.skill for record in told.records] == ["diff-20", "sum-20"]
    assert (told.course.id, told.number, told.days) == ("primary-maths", 2, 1)
    assert briefed(practised, "primary-maths", NOON + DAY_MS).days == 2
    assert briefed(practised, "music-reading", NOON).number == 1


def test_a_session_writes_to_the_profile_it_began_in() -> None:
    one, other = begun("s1"), begun("s2")
    practised = {"a": one, "b": other}
    assert holding(practised, "s2") is other
    other.ends("s2")
    assert holding(practised, "s2") is None
    assert holding(None, "s1") is None


# --- sessions that lie open beside each other ----------------------------------------


def test_a_session_taken_up_after_a_later_one_takes_nothing_back() -> None:
    profile = begun("old", "new")
    profile.answer("old", answer(attempts=1, hits=1), NOON)
    profile.answer("new", answer(attempts=8, hits=8), NOON)
    profile.move("new", PROVING, NOON)
    profile.answer("new", answer(attempts=1, hits=1, tier=SkillTier.PROVE), NOON)
    profile.answer("old", answer(attempts=2, hits=2), NOON + 9)
    record = profile.records["sum-20"]
    assert (record.tier, record.attempts, record.correct) == (SkillTier.PROVE, 1, 1)
    assert (record.total, record.right, record.last_at, record.session) == (4, 4, NOON + 9, 2)
    profile.move("old", PROVING, NOON + 9)
    assert profile.records["sum-20"].attempts == 1


def test_what_it_masters_counts_all_the_same() -> None:
    profile = begun("old", "new")
    profile.answer("new", answer(attempts=1, hits=1), NOON)
    profile.move("old", MASTERED, NOON + 1)
    assert profile.records["sum-20"].state is SkillState.MASTERED
    profile.move("old", RUSTY, NOON + 2)
    assert profile.records["sum-20"].state is SkillState.MASTERED


def test_of_too_many_open_sessions_the_oldest_is_heard_no_more() -> None:
    profile = begun(*(f"s{n}" for n in range(OPEN + 2)))
    assert len(profile.live) == OPEN
    assert next(iter(profile.live)) == "s2"


@laws
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["s1", "s2", "s3"]),
            st.sampled_from(["a", "b"]),
            st.one_of(st.booleans(), st.sampled_from([PROVING, MASTERED, RUSTY])),
            st.integers(0, 2 * DAY_MS),
        ),
        max_size=60,
    )
)
def test_whatever_comes_counts_add_up_and_everything_is_bounded(steps: list[Any]) -> None:
    profile, at, said = begun("s1", "s2", "s3"), NOON, []
    best: dict[str, int] = {}
    for session, skill, what, passed in steps:
        at += passed
        if isinstance(what, bool):
            said.append(what)
            profile.answer(session, answer(skill, what, attempts=1, hits=int(what)), at)
        else:
            profile.move(session, what.model_copy(update={"skill": skill}), at)
        for name, record in profile.records.items():
            assert record.session >= best.get(name, 0)
            best[name] = record.session
    records = profile.records.values()
    assert profile.answers == sum(record.total for record in records) == len(said)
    assert profile.right == sum(record.right for record in records) == sum(said)
    assert all(record.right <= record.total for record in records)
    assert all(len(record.speeds) <= SPEEDS for record in records)
    assert all(len(record.reviewed) <= REVIEWS for record in records)
    assert list(profile.days) == sorted(set(profile.days))
    assert len(profile.days) <= DAYS


@pytest.mark.parametrize("state", list(SkillState))
def test_a_copy_shares_nothing_changeable(state: SkillState) -> None:
    profile = begun("s1")
    profile.records["a"] = SkillRecord(skill="a", state=state)
    copied = profile.copy()
    copied.records["b"] = SkillRecord(skill="b")
    copied.ends("s1")
    assert set(profile.records) == {"a"}
    assert profile.live == {"s1": 1}
