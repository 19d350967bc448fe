"""A simulated learner of known skill, and the practice it goes through day after day.

One law: everything is drawn from a seed, times are virtual, and what plays is the product's own
deciders and generator; so a life of two hundred sessions is the same every time, in seconds.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from holodeck.actors.decider import Moment
from holodeck.actors.learner import LearnerState, PracticeProfile, brief_practice, learner
from holodeck.actors.session import Phase, SessionState, session
from holodeck.actors.session.practice.outlook import foreseen
from holodeck.messages.curriculum import Curriculum, Skill
from holodeck.messages.envelope import AnyEvent
from holodeck.messages.practice import (
    AnswerFormat,
    AnswerGiven,
    AnswerQuestion,
    PracticeOptions,
    Question,
    QuestionServed,
    SchedulerKind,
    SkillMoved,
    SkillRecord,
    SkillState,
    SkillTier,
    Supplies,
    Trigger,
)
from holodeck.messages.session import SessionCommand, SessionKind, StartSession
from holodeck.minds.questions import generate

DAY_MS: Final = 86_400_000
BEGINS: Final = 1_767_603_600_000
"""A Monday morning in 2026, ms since 1970 UTC."""
READING_MS: Final = 8000
"""What feedback is looked at for."""
NAME: Final = "ana"


@dataclass(slots=True)
class Memory:
    """One skill in the learner's head.

    Attributes:
        tries: how often it was practised; it grows by more where the answer was wrong, for the
            explanation is read.
        strength: days until a third of what was gained is gone; at: of the last try, ms.
    """

    tries: float = 0.0
    strength: float = 2.0
    at: int = 0


@dataclass(slots=True)
class Head:
    """What the learner can do, which nobody but the simulation knows.

    The chance of a right answer is logistic in what was practised:
    ``low + (high - low) / (1 + e^-(rate * tries * kept - hurdle))``, where ``kept`` is
    ``e^-(days / strength)`` and strength doubles with each day of practice.

    Attributes:
        rate: how fast it learns; hurdle: how hard a skill of the first grade is, each grade more
            by ``step``; ``prove``: how much harder a question of the second tier is.
    """

    chance: random.Random
    rate: float = 0.16
    hurdle: float = 0.9
    step: float = 0.3
    prove: float = 0.4
    low: float = 0.08
    high: float = 0.96
    memories: dict[str, Memory] = field(default_factory=dict)

    def knows(self, skill: Skill, tier: SkillTier, at: int) -> float:
        """The chance of a right answer, 0 to 1."""
        memory = self.memories.get(skill.id) or Memory()
        days = (at - memory.at) / DAY_MS if memory.at else 0.0
        kept = 0.25 + 0.75 * math.exp(-days / memory.strength)
        hurdle = self.hurdle + self.step * max(0, skill.grade - 2)
        hurdle += self.prove * (tier is SkillTier.PROVE)
        x = self.rate * memory.tries * kept - hurdle
        return self.low + (self.high - self.low) / (1 + math.exp(-x))

    def answers(self, skill: Skill, question: Question, at: int) -> tuple[AnswerQuestion, bool]:
        """What it enters, and whether it means to be right; it learns by it.

        The number of the question is 1 and has still to be put right.
        """
        right = self.chance.random() < self.knows(skill, question.tier, at)
        memory = self.memories.setdefault(skill.id, Memory())
        if memory.at and at // DAY_MS > memory.at // DAY_MS:
            memory.strength = min(400.0, memory.strength * 2)
        memory.tries += 1.0 if right else 1.3
        memory.at = at
        took = int(self.chance.lognormvariate(3.1, 0.5) * 1000)
        if question.format is AnswerFormat.CHOICE:
            key = question.choices.index(question.answer)
            others = [n for n in range(len(question.choices)) if n != key]
            choice = key if right else self.chance.choice(others)
            return AnswerQuestion(number=1, choice=choice, time_ms=took), right
        given = question.answer if right else mistaken(question.answer, self.chance)
        return AnswerQuestion(number=1, given=given, time_ms=took), right


def mistaken(key: str, chance: random.Random) -> str:
    """A typical wrong answer: next to the key, a digit too much, top and bottom changed."""
    if "/" in key:
        top, _, bottom = key.partition("/")
        return f"{int(top) + 1}/{bottom}"
    if "." in key:
        return key.replace(".", "") if key.lstrip("-0.") else "1"
    try:
        number = int(key)
    except ValueError:
        return "no idea"
    return str(number + chance.choice((-10, -1, 1, 2, 10)) if number else 1)


@dataclass(frozen=True, slots=True)
class Past:
    """What one session of the life came to.

    Attributes:
        waited: the most sessions an unlocked, unmastered skill was not asked by now.
        overdue: the most sessions a review that was due has not been held by now.
        unready: skills that were mastered before what they need.
        able: mean chance of a right answer at the first tier, over all skills.
    """

    number: int
    day: float
    answered: int
    right: int
    mastered: int
    rusty: int
    unlocked: int
    waited: int
    overdue: int
    unready: tuple[str, ...]
    able: float


class Life:
    """Practises session after session.

    Args:
        gaps: days between two sessions, by chance one of these.
        told: called with every checkpoint of a session and the session's state after it.
    """

    def __init__(
        self,
        curriculum: Curriculum,
        seed: str = "1",
        *,
        scheduler: SchedulerKind = SchedulerKind.FSRS,
        minutes: float = 15.0,
        gaps: tuple[float, ...] = (*[1] * 14, 2, 2, 3, 3, 4, 10),
        told: Callable[[str, tuple[AnyEvent, ...], SessionState], None] | None = None,
    ) -> None:
        self.curriculum = curriculum
        self.skills: Mapping[str, Skill] = {one.id: one for one in curriculum.skills}
        self.head = Head(random.Random(f"head.{seed}"))
        self.options = PracticeOptions(
            curriculum=curriculum.id, minutes=minutes, scheduler=scheduler, seed=seed
        )
        self.state: LearnerState = learner.initial
        self.at = BEGINS
        self.number = 0
        self.sequence = 0
        self._seed = seed
        self._gaps = gaps
        self._told = told
        self._days = random.Random(f"days.{seed}")
        self._course = curriculum.course()
        self._asked: dict[str, int] = {}
        self._unlocked_at: dict[str, int] = {}
        self._due_since: dict[str, int] = {}
        self._ever: set[str] = set()

    @property
    def profile(self) -> PracticeProfile:
        return (self.state.practice or {}).get(self.curriculum.id) or PracticeProfile()

    def live(self, sessions: int) -> Iterator[Past]:
        for _ in range(sessions):
            yield self.session()

    def session(self) -> Past:
        """One session from its start to its end, and the night behind it."""
        self.number += 1
        began = self.at
        identity = f"s{self.number}"
        due = self._before()
        before = dict(self.profile.records)
        brief = brief_practice(self.state, self.curriculum.id, self.at).model_copy(
            update={"course": self._course}
        )
        start = StartSession(
            session_kind=SessionKind.PRACTICE,
            learner=NAME,
            claim=max(1, self.sequence),
            practice=self.options,
            brief=brief,
        )
        held: SessionState = session.initial
        held, events = self._does(identity, held, start)
        answered = right = 0
        unready: list[str] = []
        for _ in range(1000):
            unready += self._unready(events)
            for event in events:
                match event:
                    case AnswerGiven():
                        answered, right = answered + 1, right + event.correct
                    case QuestionServed():
                        self._asked[event.question.skill] = self.number
                    case _:
                        pass
            if held.phase is Phase.ENDED:
                break
            asked = next(event for event in reversed(events) if isinstance(event, QuestionServed))
            said, meant = self.head.answers(
                self.skills[asked.question.skill], asked.question, self.at
            )
            self.at += said.time_ms + READING_MS
            body = said.model_copy(update={"number": asked.number, "proceed": True})
            held, events = self._does(identity, held, body)
            marked = next(event for event in events if isinstance(event, AnswerGiven))
            assert marked.correct == meant, (asked.question, body)
        else:
            raise AssertionError("a session that does not end")
        after = self.profile.records
        left = {skill for skill in due if not self._held(before[skill], after[skill])}
        past = self._past(began, left, answered, right, tuple(unready))
        gap = self._days.choice(self._gaps) * DAY_MS
        self.at = max(self.at + 3_600_000, began + round(gap))
        return past

    def _does(
        self, identity: str, state: SessionState, body: StartSession | AnswerQuestion
    ) -> tuple[SessionState, tuple[AnyEvent, ...]]:
        """One command as a host does it: the question it leads to is made before it is stored."""
        supplies = self._supplies(identity, state, body)
        command: SessionCommand = body.model_copy(update={"supplies": supplies})
        events = tuple(session.decide(state, command, self.at))
        self.sequence += 1
        moment = Moment(self.sequence, self.at, identity, NAME)
        state = session.fold(state, events, moment)
        self.state = learner.fold(self.state, events, moment)
        if self._told is not None:
            self._told(identity, events, state)
        return state, events

    def _supplies(
        self, identity: str, state: SessionState, body: StartSession | AnswerQuestion
    ) -> Supplies:
        want = foreseen(state, body, self.at, identity)
        if want is None:
            return ()
        return (
            generate(
                self.skills[want.skill], want.tier, want.seed, want.avoid, want.errors, want.prior
            ),
        )

    # -- what is watched ----------------------------------------

    def _mastered(self) -> set[str]:
        records = self.profile.records.values()
        return {record.skill for record in records if record.state is SkillState.MASTERED}

    def _before(self) -> set[str]:
        """Notes what is unlocked as this session begins; the reviews that are due."""
        mastered = self._mastered()
        for skill in self.skills.values():
            open_ = skill.id not in mastered and set(skill.needs) <= mastered
            if open_:
                self._unlocked_at.setdefault(skill.id, self.number)
            else:
                self._unlocked_at.pop(skill.id, None)
        records = self.profile.records
        due = {skill for skill in self.profile.due(self.at) if skill in self.skills}
        if self.options.scheduler is SchedulerKind.OLDEST and due:
            # Nothing has a date: whatever was practised longest ago is meant.
            due = {min(due, key=lambda skill: (records[skill].last_at, skill))}
        self._due_since = {skill: self._due_since.get(skill, self.number) for skill in due}
        return due

    def _held(self, before: SkillRecord, after: SkillRecord) -> bool:
        """Whether a review that was due has been held, or is owed no more."""
        if self.options.scheduler is SchedulerKind.OLDEST:
            return after.last_at != before.last_at
        return after.card != before.card or after.state is not SkillState.MASTERED

    def _unready(self, events: tuple[AnyEvent, ...]) -> list[str]:
        found: list[str] = []
        for event in events:
            if isinstance(event, SkillMoved) and event.trigger is Trigger.MASTERY:
                if not set(self.skills[event.skill].needs) <= self._ever:
                    found.append(event.skill)
                self._ever.add(event.skill)
        return found

    def _past(
        self, began: int, left: set[str], answered: int, right: int, unready: tuple[str, ...]
    ) -> Past:
        mastered = self._mastered()
        waited = [
            self.number - max(self._asked.get(skill, since - 1), since - 1)
            for skill, since in self._unlocked_at.items()
            if skill not in mastered
        ]
        self._due_since = {
            skill: since for skill, since in self._due_since.items() if skill in left
        }
        overdue = [self.number - since + 1 for since in self._due_since.values()]
        able = [self.head.knows(skill, SkillTier.LEARN, self.at) for skill in self.skills.values()]
        return Past(
            number=self.number,
            day=(began - BEGINS) / DAY_MS,
            answered=answered,
            right=right,
            mastered=len(mastered),
            rusty=self.profile.count(SkillState.RUSTY),
            unlocked=len(self._unlocked_at),
            waited=max(waited, default=0),
            overdue=max(overdue, default=0),
            unready=unready,
            able=sum(able) / len(able),
        )
