"""Session and learner count the same, each from its own copy, whatever is answered and when."""

from __future__ import annotations

from typing import Any

from hypothesis import event, given, settings
from hypothesis import strategies as st

from holodeck.actors.decider import Moment
from holodeck.actors.learner import LearnerState, brief_practice, learner
from holodeck.actors.learner.decider import LEARNER_STATE
from holodeck.actors.session import Phase
from holodeck.messages.base import MAX_STATE
from holodeck.messages.codec import pack, unpack
from holodeck.messages.practice import SchedulerKind, SkillState
from holodeck.messages.session import End, EndReason, Outcome, Pause
from tests.actors.session.practice.sessions import CHAIN, DAY_MS, MATHS, Lesson, start
from tests.actors.session.stories import NOON

laws = settings(max_examples=60, deadline=None)
SESSIONS = st.lists(
    st.tuples(
        st.integers(0, 40),
        st.sampled_from(["answers", "answers", "reads", "leaves", "dies"]),
        st.lists(st.sampled_from("RRRRRW"), max_size=40),
    ),
    max_size=6,
)


def fed(state: LearnerState, lesson: Lesson, session: str, seen: int) -> tuple[LearnerState, int]:
    """The learner after every checkpoint it has not heard of."""
    for moment, events in lesson.log[seen:]:
        at = Moment(moment.sequence, moment.at, session, "ana")
        state = learner.fold(state, events, at)
    return state, len(lesson.log)


def same(state: LearnerState, lesson: Lesson) -> bool:
    assert state.practice is not None
    return state.practice["maths"].records == lesson.practice.records


@laws
@given(SESSIONS, st.sampled_from(list(SchedulerKind)))
def test_the_learners_records_are_the_sessions_after_every_checkpoint(
    sessions: list[Any], scheduler: SchedulerKind
) -> None:
    state, at = learner.initial, NOON
    answered = right = 0
    for number, (days, how, answers) in enumerate(sessions, 1):
        session, at = f"s{number}", at + days * DAY_MS
        brief = brief_practice(state, "maths", at)
        assert brief.number == number
        options = MATHS.model_copy(update={"scheduler": scheduler})
        lesson = Lesson(at=at)
        lesson.give(start(CHAIN, brief.records, options, number=brief.number, days=brief.days))
        state, seen = fed(state, lesson, session, 0)
        assert same(state, lesson)
        for letter in answers:
            if lesson.state.phase is Phase.ENDED:
                break
            lesson.answer(letter == "R", proceed=how != "reads", after_s=20)
            answered, right = answered + 1, right + (letter == "R")
            state, seen = fed(state, lesson, session, seen)
            assert same(state, lesson)
            if how == "reads":
                lesson.close()
                state, seen = fed(state, lesson, session, seen)
                assert same(state, lesson)
        if lesson.state.phase is not Phase.ENDED and how != "dies":
            lesson.tell(End(reason=EndReason.LEARNER_ENDED, outcome=Outcome.SUCCESS))
        elif how == "dies" and lesson.state.phase is not Phase.ENDED:
            lesson.tell(Pause())
        state, seen = fed(state, lesson, session, seen)
        assert same(state, lesson)
        at = lesson.at
    if sessions:
        assert state.practice is not None
        profile = state.practice["maths"]
        assert (profile.answers, profile.right, profile.sessions) == (
            answered,
            right,
            len(sessions),
        )
        assert len(profile.history) + len(profile.live) == len(sessions)
        event(f"mastered {profile.count(SkillState.MASTERED)}")


@laws
@given(SESSIONS)
def test_a_learner_is_kept_and_read_back_as_it_was(sessions: list[Any]) -> None:
    state, at = learner.initial, NOON
    for number, (days, _, answers) in enumerate(sessions, 1):
        at += days * DAY_MS
        brief = brief_practice(state, "maths", at)
        lesson = Lesson(at=at)
        lesson.give(start(CHAIN, brief.records, number=brief.number, days=brief.days))
        for letter in answers[:25]:
            lesson.answer(letter == "R", after_s=5)
        state, _ = fed(state, lesson, f"s{number}", 0)
        at = lesson.at
    data = pack(LEARNER_STATE.dump_python(state))
    assert len(data) < MAX_STATE
    assert LEARNER_STATE.validate_python(unpack(data)) == state
