"""Milestones: thresholds a player passes, and what is made of having passed them.

One law: a milestone is its family and its number; it is reached when what the family counts has
come that far, and stored once, by its id, however often that is seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from holodeck.actors.learner.player.history import Played, PlayHistory, Sitting
from holodeck.messages.player import MilestoneReached, TherapeuticApproach

Celebration = Literal["progress_milestone", "skill_mastery", "major_achievement"]
FOREVER: Final = 10_000_000
"""A day behind all days: streaks of whenever count."""


@dataclass(frozen=True, slots=True)
class Family:
    """Milestones that count the same thing.

    Attributes:
        steps: how much of it each of them asks for.
        title: of the one that asks for so much.
        description, unit: what is told of it.
        merit: it says what was achieved, not only that time went by; such count for readiness.
    """

    name: str
    steps: tuple[int, ...]
    counted: Callable[[PlayHistory], int]
    title: Callable[[int], str]
    description: str
    approaches: tuple[TherapeuticApproach, ...] = ()
    merit: bool = True


def level(threshold: int) -> int:
    """The level a number of skills is: thresholds 3, 5, 10, 20, 35 are 1, 2, 3, 5, 8."""
    return threshold // 5 + 1


FAMILIES: Final[dict[str, Family]] = {
    family.name: family
    for family in (
        Family(
            "streak", (3, 7, 14, 30, 60), lambda held: held.longest_streak(FOREVER),
            lambda n: f"{n}-Day Engagement Streak", "Played on {n} days in a row.",
            (TherapeuticApproach.BEHAVIORAL_ACTIVATION,),
        ),
        Family(
            "sessions", (5, 10, 25, 50, 100), lambda held: held.sessions,
            lambda n: f"{n} Sessions Completed", "Began {n} sessions.",
        ),
        Family(
            "skills", (3, 5, 10, 20, 35), lambda held: held.skills,
            lambda n: f"Skill Builder Level {level(n)}", "Acquired {n} skills.",
            (TherapeuticApproach.CBT, TherapeuticApproach.SKILL_BUILDING),
        ),
        Family(
            "breakthroughs", (1, 3, 5, 10, 15), lambda held: held.breakthroughs,
            lambda n: f"Breakthrough Explorer Level {n}", "Broke through {n} times.",
            (TherapeuticApproach.INSIGHT_ORIENTED,),
        ),
        Family(
            "minutes", (60, 180, 360, 720, 1440), lambda held: held.minutes,
            lambda n: f"{n} Minutes Together", "Was active for {n} minutes.", merit=False,
        ),
        Family(
            "goals", (1, 3, 5, 8, 12), lambda held: held.deeds.goals,
            lambda n: f"{n} Therapeutic {'Goal' if n == 1 else 'Goals'} Achieved",
            "Achieved {n} goals of its own.",
        ),
    )
}  # fmt: skip
"""The source's 4.7; it counts the last two nowhere. Sessions count when they begin."""


class Milestone(NamedTuple):
    """One of a family, by the number it asks for."""

    family: str
    threshold: int

    @property
    def id(self) -> str:
        return f"ms_{self.family}_{self.threshold}"

    @property
    def title(self) -> str:
        return FAMILIES[self.family].title(self.threshold)

    @property
    def description(self) -> str:
        return FAMILIES[self.family].description.format(n=self.threshold)

    @property
    def approaches(self) -> tuple[TherapeuticApproach, ...]:
        return FAMILIES[self.family].approaches

    @property
    def value(self) -> float:
        return milestone_value(self.title, len(self.approaches))

    @property
    def next(self) -> Milestone | None:
        """The one after it in its family; None: it is the last."""
        steps = FAMILIES[self.family].steps
        place = steps.index(self.threshold) + 1
        return Milestone(self.family, steps[place]) if place < len(steps) else None


ALL: Final = tuple(Milestone(name, n) for name, family in FAMILIES.items() for n in family.steps)
BY_ID: Final = {milestone.id: milestone for milestone in ALL}
BY_TITLE: Final = {milestone.title: milestone for milestone in ALL}
FIRSTS: Final = tuple(Milestone(name, family.steps[0]) for name, family in FAMILIES.items())


def passed(history: PlayHistory) -> Iterator[Milestone]:
    """Milestones whose number has come, stored or not, family by family."""
    for name, family in FAMILIES.items():
        reached = family.counted(history)
        for threshold in family.steps:
            if threshold > reached:
                break
            yield Milestone(name, threshold)


def owed(history: PlayHistory) -> tuple[Milestone, ...]:
    """Those of them that are not stored yet."""
    known = history.deeds.milestones
    return tuple(milestone for milestone in passed(history) if milestone.id not in known)


def watch(history: PlayHistory, at: int) -> None:
    """Notes since when a milestone is owed; asked after whatever may have passed one."""
    if not owed(history):
        history.owed_at = 0
    elif not history.owed_at:
        history.owed_at = max(1, at)


def reaching(history: PlayHistory | None) -> tuple[MilestoneReached, ...]:
    """What ``reach-milestones`` leads to: each milestone that is owed, once."""
    if history is None:
        return ()
    return tuple(
        MilestoneReached(milestone=one.id, title=one.title, value=one.value)
        for one in owed(history)
    )


def milestone_value(title: str, approaches: int = 0) -> float:
    """What a milestone is worth, 0 to 1: 0.3, and 0.4 for a breakthrough, 0.3 for a skill, 0.2 for
    a streak in its title, and 0.05 for each approach it goes with. The source's 4.7."""
    words = title.lower()
    more = next(
        (value for word, value in (("breakthrough", 0.4), ("skill", 0.3), ("streak", 0.2))
         if word in words),
        0.0,
    )  # fmt: skip
    return min(1.0, round(0.3 + more + 0.05 * approaches, 6))


def celebration(title: str) -> Celebration:
    """How a milestone is celebrated: a breakthrough and a streak of thirty days or more as a major
    achievement, a skill as mastery. The source's 4.7."""
    words = title.lower()
    if "breakthrough" in words:
        return "major_achievement"
    if "streak" in words and any(f"{n}-day" in words for n in (30, 60, 90)):
        return "major_achievement"
    return "skill_mastery" if "skill" in words else "progress_milestone"


def next_title(title: str) -> str | None:
    """The title of the milestone after that of a title; None: there is none, or no such title."""
    milestone = BY_TITLE.get(title)
    after = None if milestone is None else milestone.next
    return None if after is None else after.title


@dataclass(frozen=True, slots=True)
class Upcoming:
    """A milestone on the way; ``progress``: 0 to 1 of what it asks for."""

    milestone: Milestone
    reached: int
    progress: float


def upcoming(history: PlayHistory, today: int) -> list[Upcoming]:
    """The next milestone of each family, the nearest first. For a streak it is the current one
    that has to go on."""
    found = []
    for place, (name, family) in enumerate(FAMILIES.items()):
        reached = family.counted(history)
        threshold = next((n for n in family.steps if n > reached), None)
        if threshold is None:
            continue
        so_far = history.current_streak(today) if name == "streak" else reached
        progress = round(min(1.0, so_far / threshold), 6)
        found.append((-progress, place, Upcoming(Milestone(name, threshold), so_far, progress)))
    return [one for _, _, one in sorted(found, key=lambda item: item[:2])]


# --- highlights ----------------------------------------


@dataclass(frozen=True, slots=True)
class Highlight:
    """Something worth looking back at.

    Attributes:
        type: milestone or achievement.
        at: ms since 1970 UTC; 0: passed and not yet stored.
        value: 0 to 1.
    """

    id: str
    title: str
    description: str
    type: Literal["milestone", "achievement"]
    at: int
    value: float
    session: str = ""
    character: str = ""
    world: str = ""


def achievement_value(words: str, interventions: int = 0) -> float:
    """What something achieved in a session is worth, 0 to 1: 0.1, and 0.3 for an insight, 0.2 for
    a skill, 0.15 for progress in its words, and 0.1 after more than two interventions. The
    source's 4.7."""
    words = words.lower()
    more = 0.0
    for value, signs in (
        (0.3, ("breakthrough", "insight", "realization", "realisation")),
        (0.2, ("skill", "technique", "coping")),
        (0.15, ("goal", "milestone", "progress")),
    ):
        if any(sign in words for sign in signs):
            more = value
            break
    return min(1.0, round(0.1 + more + 0.1 * (interventions > 2), 6))


def highlights(history: PlayHistory, limit: int = 10, *, words: bool = True) -> list[Highlight]:
    """The newest, each once: milestones that were passed, and (``words``) what was achieved in
    sessions, as it was described there.

    A streak is worth min(1, 0.2 + 0.01 a day); of numbers of sessions and of minutes only the
    highest stands. The source's 4.7, which names a top streak twice and says nothing of skills and
    breakthroughs.
    """
    found: dict[str, Highlight] = {}
    reached = tuple(passed(history))
    top = {milestone.family: milestone for milestone in reached}
    for milestone in reached:
        family, n = milestone.family, milestone.threshold
        if family in ("sessions", "minutes") and top[family] != milestone:
            continue
        kept = history.deeds.milestones.get(milestone.id)
        title = {
            "streak": f"Streak Achievement: {n} days",
            "sessions": f"Session Milestone: {n} sessions",
            "minutes": f"Time Milestone: {n} minutes",
        }.get(family, milestone.title)
        value = {"streak": min(1.0, round(0.2 + 0.01 * n, 6)), "sessions": 0.25, "minutes": 0.25}
        found[milestone.id] = Highlight(
            id=f"hl_{milestone.family}_{n}",
            title=title,
            description=milestone.description,
            type="milestone",
            at=0 if kept is None else kept.at,
            value=value.get(family, milestone.value),
        )
    for session, one in _achieving(history) if words else ():
        interventions = len(one.interventions) if isinstance(one, Sitting) else one.interventions
        for place, achieved in enumerate(one.achievements, 1):
            identity = f"hl_{session}_{place}"
            found[identity] = Highlight(
                id=identity,
                title=achieved,
                description="",
                type="achievement",
                at=one.last_at if isinstance(one, Sitting) else one.ended_at,
                value=achievement_value(achieved, interventions),
                session=session,
                character=one.character,
                world=one.world,
            )
    newest = sorted(found.values(), key=lambda one: (one.at == 0, one.at, one.value), reverse=True)
    return newest[:limit]


def _achieving(history: PlayHistory) -> Iterator[tuple[str, Sitting | Played]]:
    """Sessions that may have achieved something: those that live, then the others."""
    yield from history.live.items()
    for played in history.newest():
        yield played.session, played


def merits(milestones: Sequence[str]) -> int:
    """How many of some milestones, by id, say what was achieved and not only that time went by."""
    return sum(one in BY_ID and FAMILIES[BY_ID[one].family].merit for one in milestones)
