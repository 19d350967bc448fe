"""What is said between sessions: at most two a day, in the learner's hours, never late."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holodeck.actors.learner import due_command, learner, next_due
from holodeck.actors.learner.triggers import (
    DELIVERED,
    LESSON_TRIES,
    PER_DAY,
    QUEUE,
    QUEUE_BYTES,
    REMINDERS,
    reviews,
    slows,
    told_at,
)
from holodeck.messages.conversation import Affect, InnerAffect, RetentionStyle
from holodeck.messages.errors import RefusedError
from holodeck.messages.learner import (
    AnswerTrigger,
    DeliverTriggers,
    EditProfile,
    ReportLesson,
    RunLoop,
    ScheduleTrigger,
    TriggerAnswered,
    TriggerDelivered,
    TriggerExpired,
    TriggerScheduled,
)
from holodeck.messages.talk import AffectChanged
from tests.actors.learner.talks import DAY, HOUR, MONDAY, SER, Ana, lesson, trigger

laws = settings(max_examples=100, deadline=None)
NINE = MONDAY + 9 * HOUR


def delivered(events: Any) -> list[str]:
    return [event.trigger for event in events if isinstance(event, TriggerDelivered)]


def expired(events: Any) -> list[str]:
    return [event.trigger for event in events if isinstance(event, TriggerExpired)]


def planned(events: Any) -> list[str]:
    return [event.trigger.trigger_id for event in events if isinstance(event, TriggerScheduled)]


def queued(*triggers: Any, **edit: Any) -> Ana:
    ana = Ana(at=MONDAY)
    if edit:
        ana.does(EditProfile(**edit))
    for item in triggers:
        ana.does(ScheduleTrigger(trigger=item))
    return ana


# --- scheduling ----------------------------------------


def refusal(ana: Ana, command: Any) -> str:
    before = ana.bytes()
    with pytest.raises(RefusedError) as caught:
        learner.decide(ana.state, command, ana.at)
    assert ana.bytes() == before
    return caught.value.reason


def test_a_trigger_waits_under_its_id_once() -> None:
    ana = queued(trigger("a"))
    assert refusal(ana, ScheduleTrigger(trigger=trigger("a", priority=3))) == "trigger-exists"
    ana.at = NINE
    ana.does(DeliverTriggers())
    assert refusal(ana, ScheduleTrigger(trigger=trigger("a", at=NINE))) == "trigger-exists"


@pytest.mark.parametrize(
    ("at", "lasts", "taken"),
    [(NINE, DAY, True), (NINE - DAY, 2 * DAY, True), (NINE - DAY, DAY, False), (NINE, 0, False)],
    ids=["to-come", "begun-and-good-yet", "expired", "good-for-no-time"],
)
def test_what_could_only_be_said_too_late_is_refused(at: int, lasts: int, taken: bool) -> None:
    ana, command = Ana(at=NINE), ScheduleTrigger(trigger=trigger(at=at, lasts=lasts))
    if taken:
        assert planned(ana.does(command)) == ["a"]
    else:
        assert refusal(ana, command) == "trigger-past"


def test_a_trigger_for_somebody_else_is_refused() -> None:
    assert refusal(queued(trigger("a")), ScheduleTrigger(trigger=trigger("b", whose="bo"))) == (
        "other-learner"
    )


def test_a_queue_takes_sixty_four_and_so_much_text() -> None:
    ana = queued(*(trigger(f"t{n}") for n in range(QUEUE)))
    assert refusal(ana, ScheduleTrigger(trigger=trigger("more"))) == "queue-full"
    # and of long texts as many as are together below 32 KiB
    long = "字" * 500
    ana, number = Ana(at=MONDAY), 0
    while number < QUEUE:
        more = trigger(f"t{number}", body=long)
        if ana.state.profile is not None and ana.profile.queue.full_with(more):
            break
        ana.does(ScheduleTrigger(trigger=more))
        number += 1
    assert 15 <= number <= QUEUE_BYTES // len(long.encode())
    assert refusal(ana, ScheduleTrigger(trigger=trigger("x", body=long))) == "queue-full"


def test_before_anything_was_said_of_a_learner_there_is_nothing_to_do() -> None:
    ana = Ana()
    assert (next_due(ana.state), due_command(ana.state, ana.at)) == (0, None)
    assert ana.does(DeliverTriggers()) == ()
    assert ana.does(RunLoop(session="s1")) == ()


# --- delivering ----------------------------------------


def test_the_weightiest_two_of_a_day_are_said_and_the_rest_the_next_day() -> None:
    ana = queued(trigger("a", priority=1), trigger("b", priority=9), trigger("c", priority=5))
    assert next_due(ana.state, ana.at) == NINE
    assert due_command(ana.state, NINE - 1) is None
    ana.at = NINE
    assert delivered(ana.settles()) == ["b", "c"]
    assert next_due(ana.state, ana.at) == MONDAY + DAY
    ana.at = MONDAY + DAY
    assert delivered(ana.settles()) == ["a"]
    assert next_due(ana.state, ana.at) == 0


def test_the_day_is_the_learners_own() -> None:
    # given a learner six hours behind, whose Monday begins at six in UTC
    ana = queued(
        trigger("a", at=MONDAY + 5 * HOUR),
        trigger("b", at=MONDAY + 5 * HOUR),
        trigger("c", at=MONDAY + 5 * HOUR),
        utc_offset_minutes=-360,
    )
    ana.at = MONDAY + 5 * HOUR
    assert len(delivered(ana.settles())) == 2
    # then Tuesday's turn comes with its own Monday, an hour later
    assert next_due(ana.state, ana.at) == MONDAY + 6 * HOUR
    ana.at = MONDAY + 6 * HOUR
    assert delivered(ana.settles()) == ["c"]


def test_nothing_is_said_outside_the_hours_the_learner_likes() -> None:
    ana = queued(trigger("a", lasts=3 * DAY), preferred_hours=(18, 7, 18), utc_offset_minutes=60)
    assert ana.profile.queue.hours == (7, 18)
    # nine in UTC is ten for the learner; its eighteen is seventeen in UTC
    assert next_due(ana.state, ana.at) == MONDAY + 17 * HOUR
    assert due_command(ana.state, NINE) is None
    # a host that was down at that hour finds the next one
    late = MONDAY + 18 * HOUR
    assert due_command(ana.state, late) is None
    assert next_due(ana.state, late) == MONDAY + DAY + 6 * HOUR
    ana.at = MONDAY + DAY + 6 * HOUR
    assert delivered(ana.settles()) == ["a"]


def test_who_wants_nothing_said_hears_nothing_and_its_queue_runs_dry() -> None:
    ana = queued(trigger("a"), triggers=False)
    ana.at = NINE
    assert ana.settles() == []
    assert next_due(ana.state, ana.at) == NINE + DAY
    ana.at = NINE + DAY
    assert expired(ana.settles()) == ["a"]
    assert next_due(ana.state) == 0


def test_what_has_expired_is_dropped_and_never_said() -> None:
    ana = queued(trigger("a", lasts=HOUR), trigger("b", lasts=DAY))
    ana.at = NINE + HOUR
    events = ana.does(DeliverTriggers())
    assert (expired(events), delivered(events)) == (["a"], ["b"])


def test_little_engagement_slows_down_and_an_answer_speeds_up_again() -> None:
    ana = queued(*(trigger(f"t{n}", lasts=60 * DAY) for n in range(12)))
    said: list[tuple[int, str]] = []
    for day in range(10):
        ana.at = NINE + day * DAY
        said += [(day, name) for name in delivered(ana.settles())]
    # five unanswered ones within three days, then one in two days
    days = [day for day, _ in said]
    assert days == [0, 0, 1, 1, 2, 2, 4, 6, 8]
    assert ana.profile.queue.slowed
    for _, name in said[-2:]:
        assert ana.does(AnswerTrigger(trigger=name, status="engaged")) == (
            TriggerAnswered(trigger=name, status="engaged"),
        )
    assert not ana.profile.queue.slowed
    ana.at = NINE + 10 * DAY
    assert len(delivered(ana.settles())) == 2


@pytest.mark.parametrize(
    ("answered", "of", "slow"), [(0, 0, False), (1, 6, True), (1, 5, False), (0, 1, True)]
)
def test_slow_is_below_a_fifth(answered: int, of: int, slow: bool) -> None:
    assert slows(answered, of) is slow


def test_an_answer_is_for_what_was_delivered_and_the_last_one_counts() -> None:
    ana = queued(trigger("a"))
    assert refusal(ana, AnswerTrigger(trigger="a", status="engaged")) == "unknown-trigger"
    ana.at = NINE
    ana.settles()
    assert ana.does(AnswerTrigger(trigger="a", status="dismissed"))
    assert ana.does(AnswerTrigger(trigger="a", status="dismissed")) == ()
    assert ana.does(AnswerTrigger(trigger="a", status="engaged"))
    assert ana.profile.queue.engagement == 1.0


# --- what the learner plans itself ----------------------------------------


def test_a_lesson_is_spoken_of_three_times_each_time_otherwise() -> None:
    # given a session from which a lesson came
    ana = Ana()
    ana.talks("s1", SER, SER, SER)
    ana.settles()
    # when nobody answers
    titles = {event.title for event in _said_later(ana, days=8) if "lesson" in event.trigger}
    # then it is told twice more, a day apart, and no more
    lessons = [item.trigger for item in ana.profile.queue.delivered if "lesson" in item.trigger]
    assert lessons == [f"lesson-s1-{n}" for n in range(1, LESSON_TRIES + 1)]
    times = [item.at for item in ana.profile.queue.delivered if "lesson" in item.trigger]
    assert [later - at for at, later in pairwise(times)] == [DAY, DAY]
    assert len(titles) == LESSON_TRIES - 1


def _said_later(ana: Ana, days: int) -> list[TriggerDelivered]:
    """Lets time pass, by what the learner itself says is next."""
    end, said = ana.at + days * DAY, []
    while 0 < (due := next_due(ana.state, ana.at)) <= end:
        ana.at = max(ana.at, due)
        events = ana.settles()
        assert events
        said += [event for event in events if isinstance(event, TriggerDelivered)]
    ana.at = end
    return said


def test_a_lesson_that_was_done_is_not_spoken_of_again() -> None:
    ana = Ana()
    ana.talks("s1", SER, SER, SER)
    ana.settles()
    assert ana.profile.curriculum is not None
    ana.does(ReportLesson(result=lesson(ana.profile.curriculum, done=1)))
    assert not any("lesson" in item.trigger for item in _said_later(ana, days=4))


def test_a_lesson_done_before_it_was_spoken_of_needs_no_word() -> None:
    ana = Ana()
    ana.does(EditProfile(triggers=False))
    ana.talks("s1", SER, SER, SER)
    ana.settles()
    assert ana.profile.curriculum is not None
    events = ana.does(ReportLesson(result=lesson(ana.profile.curriculum, done=1)))
    assert expired(events) == ["lesson-s1-1"]
    assert [item.id for item in ana.profile.queue.waiting] == ["again-s1-1"]


@pytest.mark.parametrize(
    ("style", "days"),
    [
        (RetentionStyle.GAMIFIED, 1),
        (RetentionStyle.ORGANIC, 3),
        (RetentionStyle.URGENCY, 3),
        (RetentionStyle.ACCOUNTABILITY, 3),
        (RetentionStyle.MASTERY, 5),
    ],
)
def test_reminders_come_by_the_styles_cadence_and_stop(style: RetentionStyle, days: int) -> None:
    ana = Ana()
    ana.does(EditProfile(style=style))
    ana.talks("s1")
    ana.settles()
    began = ana.at
    said = _said_later(ana, days=60)
    assert [item.trigger for item in said] == [f"again-s1-{n}" for n in range(1, REMINDERS + 1)]
    times = [item.at - began for item in ana.profile.queue.delivered]
    assert times == [days * DAY * n for n in range(1, REMINDERS + 1)]


def test_who_comes_back_is_not_reminded() -> None:
    ana = Ana()
    ana.talks("s1")
    ana.settles()
    ana.at += DAY
    ana.starts("s2")
    assert ana.profile.queue.waiting == ()


def test_after_a_hard_session_care_goes_before_lessons() -> None:
    ana = Ana()
    ana.starts("s1")
    for _ in range(3):
        ana.says("s1", SER)
    hard = AffectChanged(turn=3, state=Affect.ANXIOUS, inner=InnerAffect.ANXIOUS, pressure=0.6)
    ana.wrote("s1", hard)
    ana.ends("s1")
    assert delivered(ana.settles()) == ["care-s1"]
    ana.at += DAY - 1
    assert due_command(ana.state, ana.at) is None
    ana.at += 1
    assert delivered(ana.settles()) == ["lesson-s1-1"]


def test_what_a_full_queue_has_no_room_for_is_not_planned() -> None:
    ana = queued(*(trigger(f"t{n}", at=MONDAY + 300 * DAY) for n in range(QUEUE)))
    ana.talks("s1", SER, SER, SER)
    assert planned(ana.settles()) == []
    assert len(ana.profile.queue.waiting) == QUEUE


def test_a_review_is_due_after_a_day_for_what_has_a_form() -> None:
    assert reviews(["a", "", "b", "a"]) == [("a", 24), ("b", 24)]


# --- laws ----------------------------------------

HOURS = st.lists(st.integers(0, 23), max_size=4).map(tuple)
PLANS = st.lists(
    st.tuples(st.integers(0, 10 * 24 * 60), st.integers(1, 4 * 24 * 60), st.integers(0, 9)),
    max_size=20,
)


@laws
@given(
    PLANS,
    HOURS,
    st.integers(-840, 840),
    st.lists(st.integers(0, 2 * 24 * 60), min_size=1, max_size=25),
    st.lists(st.booleans(), min_size=1, max_size=5),
    st.booleans(),
)
def test_never_more_than_two_a_day_and_every_moment_named_is_one_to_act_at(
    plans: list[tuple[int, int, int]],
    hours: tuple[int, ...],
    offset: int,
    steps: list[int],
    answers: list[bool],
    with_a_lesson: bool,
) -> None:
    """A host wakes the learner at the moments it names, or whenever it happens to be up."""
    ana = Ana(at=MONDAY)
    ana.does(EditProfile(preferred_hours=hours, utc_offset_minutes=offset, name="Ana"))
    if with_a_lesson:
        ana.talks("s1", SER, SER, SER)
        ana.settles()
    for n, (at, lasts, priority) in enumerate(plans):
        made = trigger(f"t{n}", at=MONDAY + at * 60_000, lasts=lasts * 60_000, priority=priority)
        if at + lasts > (ana.at - MONDAY) // 60_000:
            ana.does(ScheduleTrigger(trigger=made))
    for n, step in enumerate(steps):
        due = next_due(ana.state, ana.at)
        assert due == 0 or due >= ana.at
        assert (due_command(ana.state, ana.at) is not None) == (due == ana.at)
        # up in time for it, or not
        ana.at = due if due and answers[n % len(answers)] else ana.at + step * 60_000
        command = due_command(ana.state, ana.at)
        if due and ana.at == due:
            assert command == DeliverTriggers()
        if command is not None:
            events = ana.does(command)
            assert events
            assert not due_command(ana.state, ana.at)
            now = next_due(ana.state, ana.at)
            assert now == 0 or now > ana.at
            for name in delivered(events)[:1] if answers[n % len(answers)] else []:
                ana.does(AnswerTrigger(trigger=name, status="engaged"))
    queue = ana.profile.queue
    days = [queue.day(item.at) for item in queue.delivered]
    assert all(days.count(day) <= PER_DAY for day in days)
    assert all(not hours or queue.hour(item.at) in hours for item in queue.delivered)
    assert len(queue.waiting) <= QUEUE
    assert len(queue.delivered) <= DELIVERED
    ends = {f"t{n}": MONDAY + (at + lasts) * 60_000 for n, (at, lasts, _) in enumerate(plans)}
    assert all(item.at < ends.get(item.trigger, item.at + 1) for item in queue.delivered)


@laws
@given(st.integers(-840, 840), HOURS, st.integers(0, 5 * 24 * 60))
def test_an_opening_is_the_first_moment_there_is_room(
    offset: int, hours: tuple[int, ...], minute: int
) -> None:
    ana = queued(utc_offset_minutes=offset, preferred_hours=hours, name="Ana")
    queue, at = ana.profile.queue, MONDAY + minute * 60_000
    opening = queue.opening(at)
    assert opening >= at
    assert queue.room(opening) == 2
    # nothing opens before it, looked at every quarter of an hour
    assert all(queue.room(moment) == 0 for moment in range(at, opening, 15 * 60_000))


def test_a_time_is_read_in_its_zone_and_never_nothing() -> None:
    assert told_at("2026-01-05T01:30:00+01:30") == MONDAY
    assert told_at("1969-01-05T00:00:00Z") == 1
