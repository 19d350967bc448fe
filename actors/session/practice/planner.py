"""What a practice session is made of.

One law: the same course, records, options, time and number always give the same plan, and it has
as many slots as were asked for wherever there is one skill to practise.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Final, NamedTuple

from holodeck.actors.session.practice.progress import accuracy
from holodeck.actors.session.practice.reviews import due, due_at, forgotten
from holodeck.messages.practice import (
    Category,
    Course,
    CourseSkill,
    PracticeOptions,
    SchedulerKind,
    SkillRecord,
    SkillState,
    SkillTier,
    Slot,
)

Records = Mapping[str, SkillRecord]
"""By skill. Skills the course does not know are passed over."""

UNASKED: Final = 7
"""Sessions an unlocked skill may pass unasked before it goes before all others."""
OVERDUE: Final = 2
"""Sessions a due review may pass before it goes before all else."""
FRONTIER_SHARE: Final = 0.6
BOOSTER_SHARE: Final = 0.1


class Shares(NamedTuple):
    """How many slots of a plan each category gets."""

    frontier: int
    review: int
    booster: int


def shares(slots: int) -> Shares:
    """60 % frontier and 10 % booster, each rounded half up; the rest is for reviews. From three
    slots on there is a booster."""
    booster = max(1, int(BOOSTER_SHARE * slots + 0.5)) if slots >= 3 else 0
    frontier = int(FRONTIER_SHARE * slots + 0.5)
    return Shares(frontier, slots - frontier - booster, booster)


def kept(slots: int) -> int:
    """Places of a plan that reviews do not take from the frontier: half of its share."""
    return max(1, (shares(slots).frontier + 1) // 2)


# --- the graph ----------------------------------------


def mastered(records: Records) -> frozenset[str]:
    """Skills that open others; a rusty one does not."""
    return frozenset(i for i, r in records.items() if r.state is SkillState.MASTERED)


def unlocked(course: Course, skill: str, known: Iterable[str]) -> bool:
    """Whether all a skill needs is mastered; never for a skill the course does not know."""
    found = next((one for one in course.skills if one.id == skill), None)
    return found is not None and set(found.needs) <= set(known)


def available(course: Course, known: frozenset[str]) -> list[CourseSkill]:
    """Skills that are unlocked and not mastered, in the course's order."""
    return [
        one for one in course.skills if one.id not in known and all(n in known for n in one.needs)
    ]


def dependents(course: Course) -> dict[str, int]:
    """How many skills need each skill directly."""
    counts = {one.id: 0 for one in course.skills}
    for one in course.skills:
        for need in set(one.needs):
            if need in counts:
                counts[need] += 1
    return counts


# --- the plan ----------------------------------------


def plan(
    course: Course, records: Records, options: PracticeOptions, now: int, number: int
) -> tuple[Slot, ...]:
    """The slots of a session, in the order they are asked.

    Frontier skills come by grade, then by how many skills they open, then by id; rusty ones first.
    Due reviews come most overdue first, ties by id; without dates every mastered skill is due, the
    one practised longest ago first. Boosters come by the share of right answers ever.
    A review nobody is due for goes to the frontier, and where there is none to the boosters, then
    to whatever was practised longest ago.

    Nobody waits for ever. Of the unlocked skills, longest unasked first, the r-th (from 0) has its
    turn within r // c sessions if c are asked in each. Where that would be more than
    :data:`UNASKED` sessions after it was asked last, it and those before it are asked now. That
    leaves every other where it stood, so the bound holds from one session to the next, as long as
    at most c · (UNASKED + 1) skills are unlocked and every slot gets its turn. By the same count
    reviews take as many places as keep each of them within :data:`OVERDUE` sessions: boosters'
    first, then the frontier's, which keeps :func:`kept` of them: these are the c above, at most as
    many as the distinct skills of a plan.

    Args:
        now: ms since 1970 UTC; number: of this session, from 1.

    Returns:
        as many slots as the options say; none where the course has no skill to practise.
    """
    course_ids = {one.id for one in course.skills}
    known = mastered(records)
    held = [records[i] for i in sorted(known & course_ids)]
    open_skills = available(course, known)
    passed = Passed(records)
    slots = options.slots
    oldest = sorted(held, key=lambda r: (r.last_at, r.skill))
    dated = options.scheduler is not SchedulerKind.OLDEST
    reviews = (
        sorted((r for r in held if due(r, now)), key=lambda r: (due_at(r), r.skill))
        if dated
        else oldest
    )

    count = shares(slots) if held else Shares(slots, 0, 0)
    if not open_skills:
        count = Shares(0, slots - count.booster, count.booster)
    elif dated:
        waited = [number - 1 - passed.before(due_at(r)) for r in reviews]
        most = max(1, slots - kept(slots))
        places = min(most, max(count.review, _places(waited)))
        booster = max(0, count.booster - (places - count.review))
        count = Shares(slots - places - booster, places, booster)

    boosters = sorted(held, key=lambda r: (-accuracy(r.right, r.total), r.skill))
    review = [_slot(r, Category.REVIEW) for r in reviews[: count.review]]
    boost = [_boost(r) for r in boosters[: count.booster]]
    missing = slots - count.frontier - len(review) - len(boost)
    if open_skills:
        places = count.frontier + missing
        distinct = max(1, min(options.distinct, places))
        asked = _frontier(course, open_skills, records, passed, number, min(distinct, kept(slots)))
        chosen = asked[:distinct]
        tiers = [_tier(records, one.id) for one in chosen]
        frontier = [
            Slot(
                skill=chosen[i % len(chosen)].id,
                tier=tiers[i % len(chosen)],
                category=Category.FRONTIER,
            )
            for i in range(places)
        ]
        return (*frontier, *review, *boost)
    more = [_boost(r) for r in boosters[len(boost) : len(boost) + missing]]
    left = missing - len(more) if oldest else 0
    again = [_slot(oldest[i % len(oldest)], Category.REVIEW) for i in range(left)]
    return (*review, *again, *boost, *more)


def decayed(
    course: Course, records: Records, options: PracticeOptions, now: int
) -> tuple[str, ...]:
    """Mastered skills that time has made rusty, in the course's order."""
    return tuple(
        one.id
        for one in course.skills
        if one.id in records and forgotten(records[one.id], options.scheduler, now)
    )


class Passed:
    """How many sessions there had been at some time, as far as the records show: each tells when
    one of them was. They may tell of too few, never of too many; so nobody waits too long."""

    def __init__(self, records: Records) -> None:
        seen = sorted((r.last_at, r.session) for r in records.values() if r.last_at)
        self._times = [at for at, _ in seen]
        self._sessions = list(accumulate((number for _, number in seen), max))

    def before(self, at: int) -> int:
        place = bisect_right(self._times, at)
        return self._sessions[place - 1] if place else 0


def _places(waited: Sequence[int]) -> int:
    """The least number of reviews a session that lets none wait too long; ``waited``: sessions
    each one has waited, the next one first."""
    if all(one + 1 + rank <= OVERDUE for rank, one in enumerate(waited)):
        return 0  # one a session, from the next one on, is early enough
    places = 1
    while places < len(waited) and any(
        one + rank // places > OVERDUE for rank, one in enumerate(waited)
    ):
        places += 1
    return places


def _frontier(
    course: Course,
    skills: Sequence[CourseSkill],
    records: Records,
    passed: Passed,
    number: int,
    sure: int,
) -> list[CourseSkill]:
    """The unlocked skills in the order they are to be asked; ``sure``: of which so many are."""
    opens = dependents(course)

    def usual(one: CourseSkill) -> tuple[bool, int, int, str]:
        record = records.get(one.id)
        rusty = record is not None and record.state is SkillState.RUSTY
        return (not rusty, one.grade, -opens[one.id], one.id)

    def waited(one: CourseSkill) -> int:
        record = records.get(one.id)
        opened = max((passed.before(records[need].mastered_at) for need in one.needs), default=0)
        asked = record.session if record is not None else 0
        return number - 1 - max(asked, opened)

    in_order = sorted(skills, key=usual)
    by_age = sorted(((waited(one), one) for one in in_order), key=lambda pair: -pair[0])
    pressing = 0
    for rank, (age, _) in enumerate(by_age):
        if age + rank // sure >= UNASKED:
            pressing = rank + 1
    first = {one.id: one for _, one in by_age[:pressing]}
    return [*first.values(), *(one for one in in_order if one.id not in first)]


def _tier(records: Records, skill: str) -> SkillTier:
    record = records.get(skill)
    return SkillTier.LEARN if record is None else record.tier


def _slot(record: SkillRecord, category: Category) -> Slot:
    return Slot(skill=record.skill, tier=record.tier, category=category)


def _boost(record: SkillRecord) -> Slot:
    """A booster is easy: it asks at Learn."""
    return Slot(skill=record.skill, tier=SkillTier.LEARN, category=Category.BOOSTER)
