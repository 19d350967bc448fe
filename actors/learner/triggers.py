"""What is said to a learner between sessions, and when.

One law: at most two a day of the learner's own, in the hours it likes, the weightiest first; what
has waited too long is dropped, never said late.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from holodeck.messages.conversation import (
    MicroCurriculum,
    RetentionStyle,
    ScheduledTrigger,
    TriggerContent,
    TriggerSender,
    TriggerType,
)
from holodeck.messages.learner import TriggerDelivered, TriggerExpired, TriggerScheduled

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
PER_DAY: Final = 2
LOW_ENGAGEMENT: Final = 0.2
ENOUGH_TO_TELL: Final = 5
"""Deliveries before their share of answers says anything."""
QUEUE: Final = 64
QUEUE_BYTES: Final = 32 * 1024
DELIVERED: Final = 32
"""Deliveries remembered; their answers count, and a trigger's id is taken as long."""
FIRST_REVIEW_HOURS: Final = 24
LESSON_TRIES: Final = 3
REMINDERS: Final = 3
"""Reminders after one session; whoever answers none of them is left in peace."""
_LAST: Final = 253_402_300_799_999
"""The last ms that ISO 8601 can say with four digits of a year."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

CADENCE_DAYS: Final[dict[RetentionStyle, int]] = {
    RetentionStyle.GAMIFIED: 1,
    RetentionStyle.ORGANIC: 3,
    RetentionStyle.URGENCY: 3,
    RetentionStyle.MASTERY: 5,
    RetentionStyle.ACCOUNTABILITY: 3,
}
"""Days without a session until something reminds of it: daily; two or three times a week; once or
twice a week."""


def told_at(time: str) -> int:
    """ISO 8601 with a zone as ms since 1970 UTC; 1 at least, 0 says that there is nothing."""
    return max(1, (datetime.fromisoformat(time) - _EPOCH) // timedelta(milliseconds=1))


def iso(at: int) -> str:
    """ms since 1970 UTC as ISO 8601 in UTC, to the millisecond."""
    moment = _EPOCH + timedelta(milliseconds=min(at, _LAST))
    return moment.isoformat(timespec="milliseconds")


def slows(answered: int, delivered: int) -> bool:
    """Whether so few were answered (below 0.2) that less should be said."""
    return delivered > 0 and answered / delivered < LOW_ENGAGEMENT


def weightiest(waiting: Iterable[Waiting], room: int) -> list[Waiting]:
    """As many as there is room for: by priority, then by how long they have been due."""
    return sorted(waiting, key=lambda item: (-item.trigger.priority, item.due, item.id))[:room]


def reviews(forms: Iterable[str]) -> list[tuple[str, int]]:
    """Which forms are to be looked at again, each once, and after how many hours.

    What has no target form cannot be reviewed.
    """
    return [(form, FIRST_REVIEW_HOURS) for form in dict.fromkeys(forms) if form]


@dataclass(frozen=True, slots=True)
class Waiting:
    """Attributes:
    due, expires: ms since 1970 UTC.
    """

    trigger: ScheduledTrigger
    due: int
    expires: int

    @property
    def id(self) -> str:
        return self.trigger.trigger_id


@dataclass(frozen=True, slots=True)
class Delivery:
    """``answer``: ``engaged`` or ``dismissed``; empty: none yet."""

    trigger: str
    at: int
    answer: str = ""


@dataclass(frozen=True, slots=True)
class LessonNotice:
    """The word that a lesson is ready.

    Attributes:
        trigger: id of the one sent last; tries: how many were.
        at: when it was delivered or dropped, 0 while it waits.
        forms: what the lesson is about, at most 5.
    """

    session: str
    forms: tuple[str, ...] = ()
    trigger: str = ""
    tries: int = 0
    at: int = 0


@dataclass(slots=True)
class Queue:
    """What waits to be said to one learner.

    Attributes:
        on: whether anything is said at all.
        hours: of the learner's own day in which it may be, 0 to 23; empty: any.
        offset_minutes: the learner's time minus UTC.
        waiting: at most 64; delivered: the newest 32.
        lesson: of the pending curriculum; None: there is none.
    """

    on: bool = True
    hours: tuple[int, ...] = ()
    offset_minutes: int = 0
    waiting: tuple[Waiting, ...] = ()
    delivered: tuple[Delivery, ...] = ()
    lesson: LessonNotice | None = None

    def copy(self) -> Queue:
        return replace(self)

    # --- when ----------------------------------------

    def day(self, at: int) -> int:
        """The learner's own day, counted from 1970."""
        return (at + self.offset_minutes * 60_000) // DAY_MS

    def hour(self, at: int) -> int:
        """The hour of the learner's own day, 0 to 23."""
        return (at + self.offset_minutes * 60_000) % DAY_MS // HOUR_MS

    @property
    def slowed(self) -> bool:
        """Less is said: of at least five deliveries, fewer than 0.2 were answered."""
        answered = sum(item.answer == "engaged" for item in self.delivered)
        many = len(self.delivered)
        return many >= ENOUGH_TO_TELL and slows(answered, many)

    @property
    def engagement(self) -> float:
        """The share of deliveries that were answered, 0 to 1; 0 before any."""
        answered = sum(item.answer == "engaged" for item in self.delivered)
        return round(answered / len(self.delivered), 6) if self.delivered else 0.0

    def room(self, at: int) -> int:
        """How many more may be said at a moment: two a day; one in two days when slowed."""
        if not self.on or (self.hours and self.hour(at) not in self.hours):
            return 0
        return self._left(self.day(at))

    def _left(self, day: int) -> int:
        days = [self.day(item.at) for item in self.delivered]
        if self.slowed:
            return 0 if day in days or day - 1 in days else 1
        return max(0, PER_DAY - days.count(day))

    def opening(self, at: int) -> int:
        """The first moment from ``at`` on at which something may be said; 0: never."""
        if not self.on:
            return 0
        while True:
            day = self.day(at)
            if not self._left(day):
                at = self._begins(day + 1)
            elif self.hours and self.hour(at) not in self.hours:
                later = [hour for hour in self.hours if hour > self.hour(at)]
                at = self._begins(day) + min(later) * HOUR_MS if later else self._begins(day + 1)
            else:
                return at

    def _begins(self, day: int) -> int:
        return day * DAY_MS - self.offset_minutes * 60_000

    def next_moment(self, now: int) -> int:
        """The first moment from ``now`` on at which :func:`delivering` has something to do;
        0: none."""
        moments = [max(now, item.expires) for item in self.waiting]
        if self.waiting and self.on:
            # What is left of a day's queue waits for a day after the last delivery, whenever due.
            last = max((item.at for item in self.delivered), default=0)
            moments.append(self.opening(max(now, last, min(item.due for item in self.waiting))))
        again = self._again()
        if again:
            moments.append(max(now, again))
        return min(moments, default=0)

    def _again(self) -> int:
        """When an unanswered lesson is spoken of once more; 0: not."""
        lesson = self.lesson
        if not self.on or lesson is None or not lesson.at or lesson.tries >= LESSON_TRIES:
            return 0
        return lesson.at + FIRST_REVIEW_HOURS * HOUR_MS if len(self.waiting) < QUEUE else 0

    # --- what ----------------------------------------

    def knows(self, trigger: str) -> bool:
        """Whether a trigger of that id waits or was delivered."""
        return any(item.id == trigger for item in self.waiting) or any(
            item.trigger == trigger for item in self.delivered
        )

    def full_with(self, trigger: ScheduledTrigger) -> bool:
        """Whether there is no room for one more: 64, or 32 KiB of text."""
        if len(self.waiting) >= QUEUE:
            return True
        size = sum(_size(item.trigger) for item in self.waiting)
        return size + _size(trigger) > QUEUE_BYTES

    # --- how it changes ----------------------------------------

    def add(self, trigger: ScheduledTrigger) -> None:
        due, expires = told_at(trigger.scheduled_at), told_at(trigger.expires_at)
        kept = tuple(item for item in self.waiting if item.id != trigger.trigger_id)
        self.waiting = (*kept, Waiting(trigger, due, expires))[-QUEUE:]
        lesson = self.lesson
        if lesson is not None and trigger.trigger_id == _lesson_id(lesson.session, lesson.tries):
            self.lesson = replace(lesson, trigger=trigger.trigger_id, tries=lesson.tries + 1, at=0)

    def said(self, trigger: str, at: int) -> None:
        self._leave(trigger, at)
        self.delivered = (*self.delivered, Delivery(trigger, at))[-DELIVERED:]

    def dropped(self, trigger: str, at: int) -> None:
        self._leave(trigger, at)

    def _leave(self, trigger: str, at: int) -> None:
        self.waiting = tuple(item for item in self.waiting if item.id != trigger)
        if self.lesson is not None and self.lesson.trigger == trigger:
            self.lesson = replace(self.lesson, at=at)

    def answered(self, trigger: str, answer: Literal["engaged", "dismissed"]) -> None:
        self.delivered = tuple(
            replace(item, answer=answer) if item.trigger == trigger else item
            for item in self.delivered
        )

    def lesson_ready(self, curriculum: MicroCurriculum, at: int) -> None:
        self.lesson = replace(_noticed(curriculum), at=at)

    def lesson_over(self) -> None:
        self.lesson = None

    def came_back(self) -> None:
        """A session begins: what was to remind of one has nothing to say any more."""
        self.waiting = tuple(item for item in self.waiting if not item.id.startswith(_REMINDER))


def _size(trigger: ScheduledTrigger) -> int:
    return len(trigger.model_dump_json(exclude_defaults=True).encode())


# --- what the learner itself plans ----------------------------------------

_REMINDER: Final = "again-"


def _lesson_id(session: str, tries: int) -> str:
    return f"lesson-{session}-{tries + 1}"


_LESSONS: Final[tuple[tuple[str, str], ...]] = (
    ("Your lesson is ready", "A few minutes on what came up in your last talk: {forms}."),
    ("Another way in", "One short exercise is enough to begin with: {forms}."),
    ("Still here when you want it", "Five quiet minutes, whenever they suit you: {forms}."),
)
_REMINDERS: Final[dict[RetentionStyle, tuple[TriggerType, str, str]]] = {
    RetentionStyle.GAMIFIED: (
        TriggerType.STREAK,
        "Keep it going",
        "A short talk today keeps your row of days unbroken.",
    ),
    RetentionStyle.ORGANIC: (
        TriggerType.CHECK_IN,
        "Somebody asked about you",
        "Drop by when you feel like it and tell how your week went.",
    ),
    RetentionStyle.URGENCY: (
        TriggerType.CHECK_IN,
        "Time for a rehearsal",
        "One session now is one thing less to worry about on the day.",
    ),
    RetentionStyle.MASTERY: (
        TriggerType.CHECK_IN,
        "Ready for the next step?",
        "What you practised has had time to settle. See how much stayed.",
    ),
    RetentionStyle.ACCOUNTABILITY: (
        TriggerType.CHECK_IN,
        "Your week so far",
        "You set out to practise this week. A session still fits in.",
    ),
}
CARE: Final = ("How are you?", "Last time was not easy. No lesson now: just come and talk.")


@dataclass(frozen=True, slots=True)
class Teller:
    """Whom it is said to, and in which style."""

    learner: str
    style: RetentionStyle

    def lesson(self, notice: LessonNotice, due: int) -> ScheduledTrigger:
        """The next word that a lesson is ready, from another angle each time."""
        title, body = _LESSONS[min(notice.tries, len(_LESSONS) - 1)]
        forms = ", ".join(form[:80] for form, _ in reviews(notice.forms)[:3])
        return self._make(
            _lesson_id(notice.session, notice.tries),
            TriggerType.CURRICULUM,
            TriggerContent(title=title, body=body.format(forms=forms), cta_text="Begin"),
            due=due,
            expires=due + FIRST_REVIEW_HOURS * HOUR_MS,
            priority=50,
        )

    def care(self, session: str, now: int) -> ScheduledTrigger:
        """A kind word after a hard session; it asks for nothing."""
        title, body = CARE
        return self._make(
            f"care-{session}",
            TriggerType.CHECK_IN,
            TriggerContent(title=title, body=body, cta_text="Talk"),
            due=now,
            expires=now + 2 * DAY_MS,
            priority=80,
        )

    def reminder(self, session: str, number: int, now: int, slowed: bool) -> ScheduledTrigger:
        """A reminder after the style's cadence, twice that where little is answered."""
        type_, title, body = _REMINDERS[self.style]
        days = CADENCE_DAYS[self.style] * (2 if slowed else 1)
        return self._make(
            f"{_REMINDER}{session}-{number}",
            type_,
            TriggerContent(title=title, body=body, cta_text="Start"),
            due=now + days * DAY_MS,
            expires=now + 2 * days * DAY_MS,
            priority=20,
        )

    def _make(
        self,
        trigger: str,
        type_: TriggerType,
        content: TriggerContent,
        *,
        due: int,
        expires: int,
        priority: int,
    ) -> ScheduledTrigger:
        return ScheduledTrigger(
            trigger_id=trigger,
            learner_id=self.learner,
            type=type_,
            sender=TriggerSender(name="Holodeck"),
            content=content,
            scheduled_at=iso(due),
            expires_at=iso(expires),
            priority=priority,
            source_profile=self.style,
            is_reactive=type_ is not TriggerType.CURRICULUM,
        )


Said = TriggerScheduled | TriggerDelivered | TriggerExpired


def delivering(queue: Queue, teller: Teller, now: int) -> list[Said]:
    """Everything there is to do at a moment; afterwards nothing is left to do at that moment.

    What has expired is dropped. A lesson that nobody has answered for 24 hours is spoken of once
    more, three times in all. Of what is due the weightiest are delivered, as many as there is room
    for. A reminder that is delivered plans the next one.
    """
    events: list[Said] = [
        TriggerExpired(trigger=item.id) for item in queue.waiting if item.expires <= now
    ]
    waiting = [item for item in queue.waiting if item.expires > now]
    again = queue._again()
    if again and again <= now and queue.lesson is not None:
        fresh = teller.lesson(queue.lesson, now)
        events.append(TriggerScheduled(trigger=fresh))
        waiting = [item for item in waiting if item.id != fresh.trigger_id]
        waiting.append(Waiting(fresh, told_at(fresh.scheduled_at), told_at(fresh.expires_at)))
    due = [item for item in waiting if item.due <= now]
    for item in weightiest(due, queue.room(now)):
        content = item.trigger.content
        events.append(
            TriggerDelivered(
                trigger=item.id,
                type=item.trigger.type.value,
                title=content.title,
                body=content.body,
            )
        )
        events += _following(queue, teller, item.id, now)
    return events


def _following(queue: Queue, teller: Teller, delivered: str, now: int) -> list[Said]:
    """The next reminder behind one that is delivered."""
    session, _, number = delivered.removeprefix(_REMINDER).rpartition("-")
    if not delivered.startswith(_REMINDER) or not number.isdecimal() or int(number) >= REMINDERS:
        return []
    trigger = teller.reminder(session, int(number) + 1, now, queue.slowed)
    return [] if queue.knows(trigger.trigger_id) else [TriggerScheduled(trigger=trigger)]


def planned(
    queue: Queue,
    teller: Teller,
    session: str,
    now: int,
    *,
    curriculum: MicroCurriculum | None,
    hard: bool,
) -> list[TriggerExpired | TriggerScheduled]:
    """What is planned when a session was evaluated: a kind word where it was hard, the word that
    a lesson is ready (after a hard session a day later: care goes first), a reminder for when
    nothing else follows.

    A new lesson takes the place of the one before it, and its word the place of that one's.
    """
    events: list[TriggerExpired | TriggerScheduled] = []
    later = now + FIRST_REVIEW_HOURS * HOUR_MS if hard else now
    fresh: Sequence[ScheduledTrigger] = (
        *([teller.care(session, now)] if hard else []),
        *([teller.lesson(_noticed(curriculum), later)] if curriculum is not None else []),
        teller.reminder(session, 1, now, queue.slowed),
    )
    old = {item.id for item in queue.waiting if item.id.startswith(_REMINDER)}
    if curriculum is not None and queue.lesson is not None:
        old |= {queue.lesson.trigger} & {item.id for item in queue.waiting}
    events += [TriggerExpired(trigger=trigger) for trigger in sorted(old)]
    room = QUEUE - len(queue.waiting) + len(old)
    events += [
        TriggerScheduled(trigger=trigger)
        for trigger in fresh[: max(0, room)]
        if not queue.knows(trigger.trigger_id)
    ]
    return events


def _noticed(curriculum: MicroCurriculum) -> LessonNotice:
    forms = tuple(unit.target_form for unit in curriculum.units)
    return LessonNotice(curriculum.source_session_id, forms)
