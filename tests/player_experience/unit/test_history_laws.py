"""What is kept of play: the same by whatever way one comes to it, and never out of range."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import event as seen
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from holodeck.actors.decider import Moment
from holodeck.actors.learner import LearnerState, due_command, learner
from holodeck.actors.learner.decider import LEARNER_STATE
from holodeck.actors.learner.player.history import OPEN, RECENT, WORLDS, streaks
from holodeck.actors.learner.player.milestones import owed
from holodeck.actors.learner.player.progress import engagement, summary
from holodeck.actors.learner.player.tracking import history_of, zone_of
from holodeck.messages.base import MAX_STATE
from holodeck.messages.codec import pack, unpack
from holodeck.messages.player import (
    MarkerType,
    MilestoneReached,
    PlayerCreated,
    ReachMilestones,
    SafetyFlagged,
    SessionInteracted,
    SettingsChanged,
    TherapeuticApproach,
    TherapeuticSettings,
)
from holodeck.messages.session import (
    EndReason,
    Outcome,
    SessionEnded,
    SessionPaused,
    SessionResumed,
    SessionStarted,
    TurnTaken,
)
from tests.messages.strategies import any_of
from tests.player_experience.unit.plays import DAY_MS, HOUR_MS, NOW, Life, begun, mark

laws = settings(max_examples=100, deadline=None)
ZONES = st.sampled_from(["UTC", "Europe/Madrid", "Asia/Kathmandu", "America/New_York"])
SESSIONS = st.sampled_from(["a", "b", "c"])
EVENTS = st.one_of(
    st.builds(
        begun,
        character=st.sampled_from([None, "mira", "tom"]),
        world=st.sampled_from([None, "garden", "harbour"]),
        approaches=st.lists(st.sampled_from(list(TherapeuticApproach)), max_size=2, unique=True),
    ),
    st.just(SessionPaused()),
    st.just(SessionResumed()),
    st.builds(
        SessionEnded,
        reason=st.sampled_from(list(EndReason)),
        outcome=st.just(Outcome.SUCCESS),
        active_ms=st.integers(0, 4 * HOUR_MS),
    ),
    st.builds(mark, st.sampled_from("mnop"), st.sampled_from(list(MarkerType))),
    st.builds(
        SessionInteracted,
        number=st.integers(1, 9),
        intervention=st.sampled_from(["", "breathing", "grounding"]),
        emotional_state=st.sampled_from(
            [None, '{"stress_level": 0.9}', "[]", '{"stress_level":1e999}']
        ),
    ),
    st.builds(
        SettingsChanged,
        settings=st.builds(
            TherapeuticSettings,
            preferred_approaches=st.lists(
                st.sampled_from(list(TherapeuticApproach)), max_size=2, unique=True
            ).map(tuple),
        ),
    ),
    st.just(TurnTaken(turn=1, npc="marta", text="hola")),
)
STEPS = st.lists(st.tuples(st.integers(0, 2 * DAY_MS), SESSIONS, EVENTS), max_size=60)


def lived(steps: list[tuple[int, str, Any]], zone: str = "UTC") -> LearnerState:
    life = Life()
    life.settle(zone)
    at = NOW - 90 * DAY_MS
    for after, session, event in steps:
        at += after
        life.tell(session, event, at)
    return life.state


@laws
@given(st.lists(st.integers(-3, 60), max_size=40), st.randoms())
def test_the_order_of_days_does_not_matter(days_ago: list[int], random: Any) -> None:
    shuffled = list(days_ago)
    random.shuffle(shuffled)
    today = 20_000
    one, other = (streaks([today - ago for ago in days], today) for days in (days_ago, shuffled))
    assert one == other
    # and it is what counting finds
    played = {today - ago for ago in days_ago}
    current = next(n for n in range(100) if today - n not in played)
    longest = max((next(n for n in range(100) if day + n not in played or day + n > today)
                   for day in played if day <= today), default=0)  # fmt: skip
    assert one == (current, longest)


@laws
@given(st.lists(st.integers(0, 40), max_size=25, unique=True), st.randoms(), ZONES)
def test_the_order_of_visits_does_not_matter(days_ago: list[int], random: Any, zone: str) -> None:
    """Sessions of one day each, told in any order, give the same streaks, figures and days."""
    shuffled = list(days_ago)
    random.shuffle(shuffled)
    found = []
    for order in (days_ago, shuffled):
        life = Life()
        life.settle(zone)
        for ago in order:
            life.play(NOW - HOUR_MS - ago * DAY_MS, 20, session=f"s{ago}")
        history = life.history
        found.append((engagement(history, NOW, zone_of(life.state)), history.daily, history.runs))
    assert found[0] == found[1]


@laws
@given(STEPS, ZONES, st.integers(0, 60))
def test_a_history_is_the_fold_of_what_happened_however_it_is_cut(
    steps: list[tuple[int, str, Any]], zone: str, cut: int
) -> None:
    whole = lived(steps, zone)
    assert lived(steps, zone) == whole
    # put to sleep in between and read back
    life = Life()
    life.settle(zone)
    at = NOW - 90 * DAY_MS
    for number, (after, session, event) in enumerate(steps):
        if number == cut:
            data = pack(LEARNER_STATE.dump_python(life.state))
            life.state = LEARNER_STATE.validate_python(unpack(data))
        at += after
        life.tell(session, event, at)
    assert life.state == whole


@laws
@given(STEPS, ZONES)
def test_what_is_kept_is_read_back_as_it_was_and_stays_within_bounds(
    steps: list[tuple[int, str, Any]], zone: str
) -> None:
    state = lived(steps, zone)
    data = pack(LEARNER_STATE.dump_python(state))
    assert LEARNER_STATE.validate_python(unpack(data)) == state
    assert len(data) < MAX_STATE
    history = history_of(state)
    assert len(history.live) <= OPEN
    assert len(history.recent) <= RECENT
    assert history.active_ms == sum(one.active_ms for one in history.recent) + sum(
        one.active_ms for one in history.live.values()
    )
    assert history.sessions == len(history.recent) + len(history.live)
    assert sum(one.sessions for one in history.daily) <= history.sessions
    seen(f"over {min(9, len(history.recent))}")


@laws
@given(STEPS, ZONES)
def test_folding_changes_no_state_but_its_own(steps: list[tuple[int, str, Any]], zone: str) -> None:
    before = lived(steps, zone)
    same = lived(steps, zone)
    for number, (_, session, event) in enumerate(steps):
        learner.fold(before, (event,), Moment(1000 + number, NOW, session, "ana"))
    assert before == same


@laws
@given(STEPS, ZONES, st.integers(-10, 400))
def test_every_number_is_finite_and_in_its_range(
    steps: list[tuple[int, str, Any]], zone: str, days: int
) -> None:
    life = Life(lived(steps, zone))
    now = NOW + days * DAY_MS
    told = summary(life.history, now, zone_of(life.state))
    for share in (
        told.momentum, told.readiness, told.overall, told.engagement.dropout_risk,
    ):  # fmt: skip
        assert math.isfinite(share)
        assert 0 <= share <= 1
    assert told.engagement.minutes >= 0
    assert told.engagement.average_minutes >= 0
    assert told.engagement.current_streak <= told.engagement.longest_streak
    for view in (
        "progress", "charts", "milestones", "effectiveness", "recommendations", "sessions",
        "dashboard",
    ):  # fmt: skip
        assert _finite(life.view(view, now))
    effect = life.view("effectiveness", now)
    assert 0 <= effect["overall"] <= 0.8
    found = life.view("recommendations", now)["recommendations"]
    assert len(found) <= 8
    assert [one["priority"] for one in found] == sorted(one["priority"] for one in found)
    assert all(1 <= one["priority"] <= 5 for one in found)
    assert len({(one["title"], one["type"]) for one in found}) == len(found)


def _finite(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_finite, value.values()))
    if isinstance(value, list | tuple):
        return all(map(_finite, value))
    return not isinstance(value, float) or math.isfinite(value)


@laws
@given(STEPS, st.lists(st.booleans(), min_size=60, max_size=60), st.integers(0, 60))
def test_a_milestone_is_reached_once_whenever_it_is_looked_for(
    steps: list[tuple[int, str, Any]], looks: list[bool], born: int
) -> None:
    """Whenever the learner looks, and whenever its profile is made, each is stored once, and in
    the end all that were passed are."""
    life, stored, at = Life(), list[str](), NOW - 90 * DAY_MS
    profile = PlayerCreated(username="ana_m", email="ana@example.org")

    def look(now: int) -> None:
        events = learner.decide(life.state, ReachMilestones(), now)
        wants = due_command(life.state, now)
        assert (wants is not None) == bool(events)
        for event in events:
            assert isinstance(event, MilestoneReached)
            stored.append(event.milestone)
        if events:
            life.sequence += 1
            moment = Moment(life.sequence, now, "ana", "ana")
            life.state = learner.fold(life.state, events, moment)
        assert learner.decide(life.state, ReachMilestones(), now) == ()

    for number, (after, session, event) in enumerate(steps):
        at += after
        if number == born:
            life.tell("ana", profile, at)
        life.tell(session, event, at)
        if looks[number]:
            look(at)
    life.tell("ana", profile, at)
    look(at)
    assert len(set(stored)) == len(stored)
    assert set(stored) == set(life.history.deeds.milestones)
    assert owed(life.history) == ()


def test_worlds_that_are_left_at_once_are_bounded_too() -> None:
    life = Life()
    for number in range(WORLDS + 10):
        life.play(NOW + number * HOUR_MS, 0, world=f"w{number}")
    assert list(life.history.worlds) == [f"w{number}" for number in range(10, WORLDS + 10)]


def test_the_most_that_can_be_kept_is_a_fifth_of_what_a_state_may_be() -> None:
    """Every list full, every text as long as it may be and of characters of four bytes."""
    wide = "\N{SLIGHTLY SMILING FACE}" * 200
    name = "x" * 64
    life = Life()
    at = NOW - 400 * DAY_MS
    approaches = list(TherapeuticApproach)
    for number in range(OPEN + RECENT):
        at += 2 * DAY_MS
        session = f"{number:03}{name}"[:64]
        start = begun(character=name, world=f"{number:03}{name}"[:64], approaches=approaches)
        life.tell(session, start, at)
        for one in range(40):
            event = SessionInteracted(number=1, intervention=f"{one}{wide}"[:200], scene=wide)
            life.tell(session, event, at)
        for one in range(4):
            kind = list(MarkerType)[one + 3 * (number % 2)]
            marker = mark(f"m{one}", kind, wide, related_goal_id=f"{number}{wide}"[:200])
            life.tell(session, marker, at)
        if number < RECENT:
            life.play(at, 60, session=session)
    life.settle()
    life.owe()
    assert (len(life.history.live), len(life.history.recent)) == (OPEN, RECENT)
    data = pack(LEARNER_STATE.dump_python(life.state))
    assert len(data) < MAX_STATE // 5
    assert LEARNER_STATE.validate_python(unpack(data)) == life.state


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_whatever_arrives_is_folded(data: st.DataObject) -> None:
    """Events of play with any values in them, from any time there is."""
    kinds: tuple[type[BaseModel], ...] = (
        SessionStarted, SessionEnded, SessionInteracted, SettingsChanged, SafetyFlagged,
        SessionPaused, SessionResumed,
    )  # fmt: skip
    state = learner.initial
    for sequence in range(1, 12):
        kind = data.draw(st.sampled_from(kinds))
        event = data.draw(any_of((kind,)))
        at = data.draw(st.integers(0, 2**53) | st.integers(NOW, NOW + DAY_MS))
        state = learner.fold(state, (event,), Moment(sequence, at, "s", "ana"))
    assert LEARNER_STATE.validate_python(unpack(pack(LEARNER_STATE.dump_python(state)))) == state
