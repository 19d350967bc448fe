"""Laws of the learner's fold and of its evaluations, whatever happens in whatever order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holodeck.actors.decider import Moment
from holodeck.actors.learner import LearnerState, due_command, learner, next_due
from holodeck.actors.learner.decider import LEARNER_STATE
from holodeck.actors.learner.loop import MAX_ACTIVE, MAX_DEFERRED
from holodeck.actors.learner.profile import ATTENDED, FIGURES, HISTORY, LIVE, PHONEMES, RULES
from holodeck.actors.learner.stories import FORMS, NPCS, POINTS
from holodeck.actors.learner.triggers import QUEUE
from holodeck.actors.session.talk.exhaust import exhaust
from holodeck.actors.session.talk.record import read
from holodeck.messages.base import MAX_MESSAGE, MAX_STATE
from holodeck.messages.codec import pack, unpack
from holodeck.messages.conversation import (
    Affect,
    Consequence,
    ConversationOutcome,
    FrictionType,
    InjectionStatus,
    InnerAffect,
    PhonemeResult,
    SpecStatus,
    Tier,
)
from holodeck.messages.errors import RefusedError
from holodeck.messages.learner import ClaimLearner, LoopCompleted, RunLoop, ScheduleTrigger
from holodeck.messages.session import (
    EndReason,
    NpcParted,
    Outcome,
    ReputationChanged,
    SessionEnded,
    SessionPaused,
    TurnTaken,
)
from holodeck.messages.talk import (
    AffectChanged,
    ConversationClosed,
    GoalReached,
    InjectionAdvanced,
    NegotiationCollapsed,
    Parting,
    PronunciationHeard,
)
from tests.actors.learner.talks import DAY, HOUR, Ana, trigger
from tests.messages.strategies import EVENTS, any_of

laws = settings(max_examples=100, deadline=None)
SESSIONS: Final = st.sampled_from(["s1", "s2", "s3"])
MORE: Final[Sequence[Any]] = (
    ReputationChanged(npc="marta", delta=0.05),
    AffectChanged(turn=1, state=Affect.ANXIOUS, inner=InnerAffect.ANXIOUS, pressure=0.5),
    InjectionAdvanced(form="a", status=InjectionStatus.USED),
    InjectionAdvanced(form="b", status=InjectionStatus.OPPORTUNITY),
    PronunciationHeard(
        turn=1, comprehensibility=0.5, phonemes=(PhonemeResult(phoneme="r", accuracy=0.3),)
    ),
    GoalReached(npc="marta", objective="table"),
    ConversationClosed(npc="marta", outcome=ConversationOutcome.COMPLETED),
    NegotiationCollapsed(npc="pau", turn=1, cause="openness"),
    NpcParted(npc="pau", turns=1, parting=Parting(tier=3)),
    SessionPaused(),
    TurnTaken(turn=1, npc="marta", text="hola"),
)
STEPS: Final = st.lists(
    st.one_of(
        st.tuples(st.just("start"), SESSIONS),
        st.tuples(
            st.just("say"),
            SESSIONS,
            st.lists(st.sampled_from("abcdef"), max_size=4),
            st.sampled_from(["marta", "pau"]),
            st.sampled_from(list(FrictionType)),
        ),
        st.tuples(st.just("tell"), SESSIONS, st.sampled_from(MORE)),
        st.tuples(st.just("end"), SESSIONS, st.sampled_from(list(EndReason))),
        st.tuples(st.just("loop"), SESSIONS),
        st.tuples(st.just("time"), st.integers(0, 3 * DAY)),
        st.tuples(st.just("settle")),
    ),
    max_size=40,
)


def lived(steps: list[Any]) -> tuple[Ana, list[LoopCompleted], list[str]]:
    """A learner through all steps; its evaluations; the sessions that were told and ended."""
    ana, loops, ended = Ana(), list[LoopCompleted](), list[str]()
    begun: set[str] = set()

    def decided(events: Any) -> None:
        loops.extend(event for event in events if isinstance(event, LoopCompleted))

    for step in steps:
        ana.at += 1000
        match step:
            case ("start", session) if session not in begun:
                begun.add(session)
                ana.starts(session)
            case ("say", session, missed, npc, kind) if session in begun:
                ana.says(session, *missed, npc=npc, kind=kind, tier=3 if npc == "pau" else 2)
            case ("tell", session, event) if session in begun:
                ana.wrote(session, event)
            case ("end", session, reason) if session in begun and session not in ended:
                ended.append(session)
                over = SessionEnded(reason=reason, outcome=Outcome.SUCCESS, active_ms=60_000)
                ana.wrote(session, over)
            case ("loop", session):
                decided(ana.does(RunLoop(session=session)))
            case ("time", passed):
                ana.at += passed
            case ("settle",):
                decided(ana.settles())
            case _:
                pass
    return ana, loops, ended


@laws
@given(STEPS)
def test_every_session_is_evaluated_once_and_after_its_end(steps: list[Any]) -> None:
    ana, loops, ended = lived(steps)
    ana.at += DAY
    loops += [event for event in ana.settles() if isinstance(event, LoopCompleted)]
    assert sorted(event.session for event in loops) == sorted(ended)
    for session in ("s1", "s2", "s3"):
        assert ana.does(RunLoop(session=session)) == ()
    assert set(ana.profile.live if ana.state.profile else ()).isdisjoint(ended)


@laws
@given(
    st.lists(
        st.tuples(
            st.lists(st.sampled_from("abc"), max_size=2),
            st.sampled_from(["iris", "marta", "pau"]),
            st.booleans(),
            st.sets(st.sampled_from("abc"), max_size=1),
            st.sampled_from(list(Consequence)) | st.none(),
            st.integers(0, 5),
            st.sampled_from([True, False, None]),
            st.sampled_from([MORE[0], MORE[4]]) | st.none(),
        ),
        max_size=20,
    )
)
def test_the_learner_and_the_sessions_record_tell_the_same(turns: list[Any]) -> None:
    ana = Ana()
    ana.starts("s1")
    tiers: dict[str, Tier] = {"iris": 1, "marta": 2, "pau": 3}
    for missed, npc, meaningful, forms, consequence, l1, aligned, also in turns:
        ana.says(
            "s1",
            *missed,
            npc=npc,
            tier=tiers[npc],
            l1=l1,
            aligned=aligned,
            also=[] if also is None else [also],
            meaningful=meaningful,
            forms=tuple(forms),
            consequence=consequence,
        )
    ana.ends("s1")
    points = ana.profile.live["s1"].story.points
    record = read(ana.steps["s1"])
    assert [point.recovered for point in points] == [
        struggle.recovered for struggle in record.struggles
    ][-POINTS:]
    told = ana.settles()[0]
    assert isinstance(told, LoopCompleted)
    assert told.metrics == exhaust("s1", ana.steps["s1"]).session_record.metrics


@laws
@given(STEPS)
def test_a_refolded_learner_owes_and_decides_the_same(steps: list[Any]) -> None:
    """A host that takes over reads a snapshot and goes on."""
    ana, _, _ = lived(steps)
    back: LearnerState = LEARNER_STATE.validate_python(unpack(ana.bytes()))
    assert back == ana.state
    assert (next_due(back), next_due(back, ana.at)) == (
        next_due(ana.state),
        next_due(ana.state, ana.at),
    )
    command = due_command(ana.state, ana.at)
    assert due_command(back, ana.at) == command
    if command is not None:
        assert learner.decide(back, command, ana.at) == learner.decide(ana.state, command, ana.at)


@laws
@given(STEPS)
def test_bounds_hold(steps: list[Any]) -> None:
    profile = lived(steps)[0].state.profile
    if profile is None:
        return
    assert len(profile.live) <= LIVE
    assert len(profile.history) <= HISTORY
    assert len(profile.queue.waiting) <= QUEUE
    statuses = [item.spec.status for item in profile.injections]
    assert sum(status is not SpecStatus.DEFERRED for status in statuses) <= MAX_ACTIVE
    assert len(statuses) <= MAX_ACTIVE + MAX_DEFERRED
    assert all(0 <= item <= 1 for item in profile.shares)


@laws
@given(st.lists(any_of(EVENTS), max_size=12), st.integers(0, 12), st.booleans())
def test_a_fold_of_any_events_is_pure_and_may_be_cut_anywhere(
    events: list[Any], cut: int, talking: bool
) -> None:
    """With a profile, and while a session is being told: whatever comes, from whomever."""

    def steps(state: LearnerState, some: list[tuple[int, Any]]) -> LearnerState:
        for number, event in some:
            before = pack(LEARNER_STATE.dump_python(state))
            after = learner.evolve(state, event, Moment(number, number * HOUR, "s1", "ana"))
            assert pack(LEARNER_STATE.dump_python(state)) == before
            state = after
        return state

    ana = Ana()
    if talking:
        ana.talks("s0", "a", "a", "a")
        ana.settles()
        ana.starts("s1")
    numbered = list(enumerate(events, 100))
    whole = steps(ana.state, numbered)
    head = steps(ana.state, numbered[:cut])
    back = LEARNER_STATE.validate_python(unpack(pack(LEARNER_STATE.dump_python(head))))
    rest = steps(back, numbered[cut:])
    assert rest == whole
    in_place = ana.state.copy()
    for number, event in numbered:
        learner.advance(in_place, [event], Moment(number, number * HOUR, "s1", "ana"))
    assert pack(LEARNER_STATE.dump_python(in_place)) == pack(LEARNER_STATE.dump_python(whole))


@pytest.mark.parametrize("letter", ["a", "字", "😀"])
def test_the_largest_learner_can_be_stored_and_its_evaluations_sent(letter: str) -> None:
    """Every list full and every text as long as it may be."""
    ana = Ana()

    def form(n: int) -> str:
        return f"{n}".ljust(200, letter)

    for session in range(12):
        name = f"s{session}".ljust(64, "x")
        ana.starts(name, persona=f"{session}".ljust(200, letter))
        for n in range(POINTS // 4):
            ana.says(
                name,
                *(form(session * 50 + 4 * n + k) for k in range(4)),
                npc=f"npc{n}".ljust(64, "x"),
                forms=tuple(form(5000 + 4 * n + k) for k in range(4)),
                severity=0.9,
            )
        ana.wrote(
            name,
            *(GoalReached(npc="marta", objective=form(n)) for n in range(70)),
            *(
                PronunciationHeard(
                    turn=1,
                    comprehensibility=0.5,
                    phonemes=(PhonemeResult(phoneme=f"{n}".ljust(20, letter), accuracy=0.5),),
                )
                for n in range(70)
            ),
        )
        if session < 12 - LIVE:
            ana.ends(name)
            command = due_command(ana.state, ana.at)
            assert isinstance(command, RunLoop)
            events = learner.decide(ana.state, command, ana.at)
            told = pack([event.model_dump(exclude_defaults=True) for event in events])
            assert len(told) < MAX_MESSAGE - 4096
            ana.does(command)
        ana.at += DAY
    for n in range(QUEUE):
        long = trigger(f"t{n}", body=letter * 500, at=ana.at + DAY)
        if not ana.profile.queue.full_with(long):
            ana.does(ScheduleTrigger(trigger=long))
    profile = ana.profile
    assert len(profile.live) == LIVE
    assert 40 < len(profile.history) <= HISTORY
    assert 20 < len(profile.rules) <= RULES
    assert len(profile.phonemes) == FORMS <= PHONEMES
    assert len(profile.rates) <= FIGURES
    assert len(profile.attended) <= ATTENDED
    assert all(len(t.story.npcs) <= NPCS for t in profile.live.values())
    assert len(ana.bytes()) < MAX_STATE


def test_a_claim_is_nothing_to_a_profile() -> None:
    """What a learner is claimed by is decided as it always was."""
    ana = Ana()
    ana.starts("s1")
    ana.does(ClaimLearner(session="s2"))
    with pytest.raises(RefusedError):
        learner.decide(ana.state, ClaimLearner(session="s3"), ana.at)
