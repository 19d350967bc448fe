"""Plans: which skills, in which order, and that nobody waits for ever."""

from __future__ import annotations

from collections.abc import Mapping
from zlib import crc32

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from holodeck.actors.session.practice.planner import (
    OVERDUE,
    UNASKED,
    Shares,
    available,
    decayed,
    dependents,
    kept,
    plan,
    shares,
    unlocked,
)
from holodeck.actors.session.practice.reviews import due, scheduler
from holodeck.messages.practice import (
    Card,
    Category,
    Course,
    PracticeOptions,
    SchedulerKind,
    SkillRecord,
    SkillState,
    SkillTier,
    Slot,
)
from tests.actors.session.practice.sessions import CHAIN, DAY_MS, MATHS, by_id, course, mastered
from tests.actors.session.stories import NOON

F, R, B = Category.FRONTIER, Category.REVIEW, Category.BOOSTER
WIDE = course(*(f"s{n:02d} {n % 4}" for n in range(24)))
TINY = course("x 2", "y 2 x")


def card(due_in_days: float, interval_days: float = 10) -> Card:
    due_at = NOON + round(due_in_days * DAY_MS)
    return Card(due_at=due_at, last_at=due_at - round(interval_days * DAY_MS), stability=3.0)


def plans(
    of: Course, records: Mapping[str, SkillRecord], number: int = 1, **options: object
) -> list[tuple[str, Category]]:
    chosen = MATHS.model_copy(update=options)
    return [(slot.skill, slot.category) for slot in plan(of, records, chosen, NOON, number)]


@pytest.mark.parametrize(
    ("slots", "expected"),
    [
        (1, (1, 0, 0)),
        (2, (1, 1, 0)),
        (3, (2, 0, 1)),
        (4, (2, 1, 1)),
        (5, (3, 1, 1)),
        (10, (6, 3, 1)),
        (20, (12, 6, 2)),
    ],
)
def test_shares_for_other_numbers_of_slots(slots: int, expected: tuple[int, int, int]) -> None:
    assert shares(slots) == Shares(*expected)


@given(st.integers(1, 20))
def test_shares_add_up(slots: int) -> None:
    assert sum(shares(slots)) == slots
    assert min(shares(slots)) >= 0


def test_the_graph_opens_a_skill_when_all_it_needs_is_mastered() -> None:
    assert [one.id for one in available(CHAIN, frozenset())] == ["root"]
    assert [one.id for one in available(CHAIN, frozenset({"root", "add"}))] == ["sub", "big"]
    assert unlocked(CHAIN, "mix", {"add", "sub"})
    assert not unlocked(CHAIN, "mix", {"add"})
    assert not unlocked(CHAIN, "nope", {"add"})
    assert dependents(CHAIN) == {"root": 3, "add": 1, "sub": 1, "big": 0, "mix": 0}


def test_a_rusty_skill_closes_what_it_opened_and_goes_first() -> None:
    rusty = mastered("root").model_copy(update={"state": SkillState.RUSTY, "tier": SkillTier.LEARN})
    assert plans(CHAIN, by_id([rusty])) == [("root", F)] * 5
    of = course("easy 1", "hard 5", "known 1")
    rusty = rusty.model_copy(update={"skill": "hard"})
    assert plans(of, by_id([rusty]), distinct=1)[0] == ("hard", F)


def test_at_most_the_chosen_number_of_frontier_skills_is_in_a_plan() -> None:
    for distinct in (1, 2, 3, 5):
        skills = {skill for skill, _ in plans(WIDE, {}, distinct=distinct)}
        assert len(skills) == distinct


def test_a_review_nobody_is_due_for_goes_to_the_frontier() -> None:
    records = by_id([mastered("root", card=card(5))])
    assert plans(CHAIN, records) == [
        ("add", F),
        ("sub", F),
        ("big", F),
        ("add", F),
        ("root", B),
    ]


def test_the_most_overdue_review_comes_first_and_ties_go_by_id() -> None:
    of = course("a 1", "b 1", "c 1", "new 2")
    records = by_id(
        [
            mastered("b", card=card(-1)),
            mastered("a", card=card(-1)),
            mastered("c", card=card(-2)),
        ]
    )
    # Nobody knows of an earlier session, so each of them may have waited for none.
    reviews = [skill for skill, kind in plans(of, records, slots=10) if kind is R]
    assert reviews == ["c", "a", "b"]


def test_all_mastered_and_nothing_due_is_practised_all_the_same() -> None:
    records = by_id([mastered("x", card=card(5)), mastered("y", card=card(5), right=13)])
    assert plans(TINY, records) == [("x", R), ("y", R), ("x", R), ("x", B), ("y", B)]
    assert plans(TINY, records, scheduler=SchedulerKind.OLDEST) == [
        ("x", R),
        ("y", R),
        ("x", R),
        ("x", B),
        ("y", B),
    ]


def test_skills_the_course_does_not_know_are_passed_over() -> None:
    assert plans(CHAIN, by_id([mastered("gone", card=card(-9))])) == plans(CHAIN, {})


def test_a_course_with_nothing_to_practise_has_no_plan() -> None:
    assert plan(course(), {}, MATHS, NOON, 1) == ()
    assert plan(course("a 1 b", "b 1 a"), {}, MATHS, NOON, 1) == ()


def test_a_mastered_skill_is_forgotten_after_three_days_or_half_its_interval() -> None:
    records = by_id(
        [
            mastered("root", card=card(-2.9, 1)),
            mastered("add", card=card(-3.1, 1)),
            mastered("sub", card=card(-4.9, 10)),
            mastered("big", card=card(-5.1, 10)),
        ]
    )
    assert decayed(CHAIN, records, MATHS, NOON) == ("add", "big")
    oldest = PracticeOptions(curriculum="maths", scheduler=SchedulerKind.OLDEST)
    assert decayed(CHAIN, records, oldest, NOON) == ()


def test_a_skill_passed_over_for_seven_sessions_goes_first() -> None:
    of = course(*(f"s{n} {n}" for n in range(9)))
    records = by_id(
        [SkillRecord(skill=one.id, session=8, last_at=NOON - DAY_MS) for one in of.skills]
    )
    records["s3"] = SkillRecord(skill="s3", session=2, last_at=NOON - 9 * DAY_MS)
    assert plans(of, records, 9)[0] == ("s0", F)
    assert plans(of, records, 10)[0] == ("s3", F)


# --- nobody waits for ever ----------------------------------------


def outcomes(skill: str, number: int, seed: int) -> int:
    """Some number that looks like chance and is none."""
    return crc32(f"{skill} {number} {seed}".encode()) % 100


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    width=st.integers(1, 16),
    gaps=st.lists(st.sampled_from([0, 1, 1, 1, 2, 3, 9]), min_size=40, max_size=40),
    slots=st.sampled_from([4, 5, 6, 10]),
)
def test_no_open_skill_and_no_due_review_waits_for_ever(
    seed: int, width: int, gaps: list[int], slots: int
) -> None:
    """A learner practises every planned skill once a session, sometimes masters one, and comes
    back after some days. As long as no more skills are open, and no more reviews due, than can be
    asked in time at all."""
    names = [f"s{n:02d} {n % 5}" for n in range(width)]
    names += [f"t{n:02d} 3 s{n:02d}" for n in range(width)]
    of = course(*names)
    options = MATHS.model_copy(update={"slots": slots})
    by = scheduler(SchedulerKind.FSRS)
    records: dict[str, SkillRecord] = {}
    waits: dict[str, int] = {}
    overdue: dict[str, int] = {}
    now = NOON
    for number, gap in enumerate(gaps, 1):
        now += gap * DAY_MS + 3_600_000
        known = frozenset(s for s, r in records.items() if r.state is SkillState.MASTERED)
        slotted = plan(of, records, options, now, number)
        assert len(slotted) == slots
        if len(available(of, known)) > min(3, kept(slots)) * (UNASKED + 1):
            event("too many skills are open")
            return
        asked = {slot.skill for slot in slotted if slot.category is F}
        reviewed = {slot.skill for slot in slotted if slot.category is R}
        unasked = {one.id for one in available(of, known)} - asked
        waits = {skill: waits.get(skill, 0) + 1 for skill in unasked}
        due_now = {s for s, r in records.items() if due(r, now)}
        if len(due_now) > (slots - kept(slots)) * (OVERDUE + 1):
            event("too many reviews are due")
            return
        overdue = {skill: overdue.get(skill, 0) + 1 for skill in due_now - reviewed}
        assert max(waits.values(), default=0) < 10
        assert max(overdue.values(), default=0) <= 3
        for slot in slotted:
            records[slot.skill] = practised(records, slot, now, number, seed, by.first(now))
            if slot.category is R:
                before = records[slot.skill].card
                assert before is not None
                share = outcomes(slot.skill, number, seed) / 100
                after = by.reviewed(before, share, now)
                records[slot.skill] = records[slot.skill].model_copy(update={"card": after})


def practised(
    records: Mapping[str, SkillRecord], slot: Slot, now: int, number: int, seed: int, first: Card
) -> SkillRecord:
    record = records.get(slot.skill, SkillRecord(skill=slot.skill, state=SkillState.LEARNING))
    update: dict[str, object] = {"last_at": now, "session": number}
    if slot.category is F and outcomes(slot.skill, number, seed) < 25:
        update |= {
            "state": SkillState.MASTERED,
            "tier": SkillTier.PROVE,
            "mastered_at": now,
            "card": first,
        }
    return record.model_copy(update=update)
