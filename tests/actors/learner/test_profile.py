"""What sessions with a persona leave behind in their learner."""

from __future__ import annotations

from typing import Any

import pytest

from holodeck.actors.decider import Moment
from holodeck.actors.learner import due_command, learner, next_due, persistence, saved
from holodeck.actors.learner.decider import LEARNER_STATE
from holodeck.actors.learner.loop import MAX_ACTIVE, MAX_DEFERRED
from holodeck.actors.learner.profile import LIVE, STILL_TO_COME_MS, l2_share
from holodeck.actors.learner.stories import POINTS
from holodeck.actors.npc import Relation, relation
from holodeck.messages.codec import pack, unpack
from holodeck.messages.conversation import (
    Affect,
    Cefr,
    Consequence,
    ConversationOutcome,
    FrictionType,
    InjectionStatus,
    InnerAffect,
    PhonemeResult,
    PreferenceSignals,
    RetentionStyle,
    SpecStatus,
    Trajectory,
    Trend,
)
from holodeck.messages.envelope import AnyEvent
from holodeck.messages.errors import RefusedError
from holodeck.messages.learner import (
    CurriculumGenerated,
    EditProfile,
    InjectionPlanned,
    InjectionSettled,
    LoopCompleted,
    ProfileEdited,
    ReportLesson,
    RunLoop,
)
from holodeck.messages.session import (
    EndReason,
    FrictionDetected,
    NpcParted,
    ReputationChanged,
    SessionKind,
    SessionStarted,
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
from tests.actors.learner.talks import DAY, HOUR, PERSONA, SER, Ana, lesson


def heard(**accuracy: float) -> PronunciationHeard:
    return PronunciationHeard(
        turn=1,
        comprehensibility=0.8,
        phonemes=tuple(PhonemeResult(phoneme=p, accuracy=a) for p, a in accuracy.items()),
    )


def affect(inner: InnerAffect, state: Affect = Affect.ANXIOUS) -> AffectChanged:
    return AffectChanged(turn=1, state=state, inner=inner, pressure=0.5)


# --- a session's story ----------------------------------------


def test_a_session_without_a_context_leaves_no_profile() -> None:
    ana = Ana()
    ana.wrote(
        "s1",
        SessionStarted(
            session_kind=SessionKind.CONVERSATION, learner="ana", persona="just-a-label"
        ),
    )
    ana.wrote("s1", TurnTaken(turn=1, npc="marta", text="hola", analysed=True))
    assert ana.state.profile is None
    assert next_due(ana.state) == 0


def test_a_story_is_the_sum_of_its_turns() -> None:
    ana = Ana()
    ana.starts("s1")
    ana.says("s1", SER, l1=2, l2=6, latency=1000, tier=1, npc="iris")
    ana.says("s1", tier=3, npc="don-luis", aligned=False, latency=3000, forms=("tener",))
    ana.wrote(
        "s1",
        ReputationChanged(npc="iris", delta=0.05),
        GoalReached(npc="iris", objective="table"),
        ConversationClosed(npc="iris", outcome=ConversationOutcome.COMPLETED),
        heard(r=0.5, s=0.9),
        affect(InnerAffect.FRUSTRATED, Affect.FRUSTRATED),
    )
    ana.wrote("s1", ReputationChanged(npc="iris", delta=-0.2), heard(r=0.7))
    story = ana.profile.live["s1"].story
    assert (story.persona, story.turns, story.analysed) == (PERSONA, 2, 2)
    assert (story.l1_words, story.l2_words, story.l1_tier1, story.words_tier1) == (2, 14, 2, 8)
    assert (story.spoken_ms, story.spoken_words, story.l1_turns) == (8000, 16, 1)
    assert (story.judged, story.fitting, story.judged3, story.fitting3) == (2, 1, 1, 0)
    assert (story.latency_ms, story.latencies) == (4000, 2)
    assert (story.tiers, story.npcs) == ({1: 1, 3: 1}, {"iris": 1, "don-luis": 3})
    assert (story.forms, story.reached) == ({"tener": 1}, ("table",))
    assert story.outcomes == {"iris": "completed-successfully"}
    assert story.reputation == {"iris": -0.15}
    assert (story.scores, story.scored) == (1.6, 2)
    assert story.phonemes == {"r": (1.2, 2), "s": (0.9, 1)}
    assert (story.affects, story.bad_affect) == ({"frustrated": 1}, False)
    (point,) = story.points
    assert (point.id, point.form, point.said, point.turn, point.npc, point.tier) == (
        "s1-fp-1",
        SER,
        f"no {SER}",
        1,
        "iris",
        1,
    )
    assert point.at == ana.at - 20_000


@pytest.mark.parametrize(
    ("then", "recovered"),
    [
        ([{}], True),
        ([{"missed": SER}], False),
        ([{"missed": "tener"}], True),
        ([{"missed": SER}, {}], True),
        ([{"npc": "pau"}], False),
        ([{"npc": "pau"}, {}], True),
        ([{"meaningful": False}], False),
        ([{"meaningful": False, "forms": (SER,)}], True),
        ([], False),
    ],
    ids=[
        "the-next-turn-is-clean",
        "it-is-missed-again",
        "something-else-is-missed",
        "later-it-goes-well",
        "it-goes-well-with-somebody-else",
        "and-then-with-the-same",
        "the-next-turn-says-nothing",
        "or-nothing-but-the-form",
        "nothing-follows",
    ],
)
def test_a_friction_is_recovered_by_what_follows(
    then: list[dict[str, Any]], recovered: bool
) -> None:
    ana = Ana()
    ana.starts("s1")
    ana.says("s1", SER)
    for turn in then:
        how = dict(turn)
        missed = [how.pop("missed")] if "missed" in how else []
        ana.says("s1", *missed, **how)
    ana.ends("s1")
    story = ana.profile.live["s1"].story
    assert story.points[0].recovered is recovered
    assert story.recovered == sum(point.recovered for point in story.points)


@pytest.mark.parametrize(
    ("consequence", "recovered"),
    [(Consequence.NPC_HELPED, True), (Consequence.ABANDONED, False)],
)
def test_what_somebody_said_of_a_friction_holds(consequence: Consequence, recovered: bool) -> None:
    ana = Ana()
    ana.starts("s1")
    told = FrictionDetected(
        type=FrictionType.LEXICAL, severity=0.3, turn=1, npc="marta", consequence=consequence
    )
    ana.says("s1", also=[told])
    ana.says("s1")
    ana.ends("s1")
    story = ana.profile.live["s1"].story
    assert (story.points[0].recovered, story.recovered) == (recovered, int(recovered))


def test_an_injection_once_used_stays_used() -> None:
    ana = Ana()
    ana.talks("s1", SER, SER, SER)
    ana.settles()
    ana.starts("s2")
    assert ana.profile.live["s2"].story.injections == {SER: InjectionStatus.PENDING}
    for status in (InjectionStatus.OPPORTUNITY, InjectionStatus.USED, InjectionStatus.OPPORTUNITY):
        ana.wrote("s2", InjectionAdvanced(form=SER, status=status, turn=1))
    assert ana.profile.live["s2"].story.injections == {SER: InjectionStatus.USED}


def test_a_very_long_session_stays_small_and_counts_all() -> None:
    ana = Ana()
    ana.starts("s1")
    for n in range(3 * POINTS):
        ana.says("s1", f"form {n}", forms=(f"right {n}",))
    story = ana.profile.live["s1"].story
    assert (story.frictions, len(story.points), len(story.forms)) == (3 * POINTS, POINTS, POINTS)
    assert story.points[-1].id == f"s1-fp-{3 * POINTS}"
    assert story.recovered == 3 * POINTS - 2


# --- its evaluation ----------------------------------------


def test_a_session_that_ended_is_evaluated_once() -> None:
    ana = Ana()
    ana.talks("s1", SER, SER, SER)
    assert due_command(ana.state, ana.at) == RunLoop(session="s1")
    assert next_due(ana.state) == ana.at
    events = ana.does(RunLoop(session="s1"))
    assert [event.kind for event in events] == [
        "loop.completed",
        "curriculum.generated",
        "injection.planned",
        "trigger.scheduled",
        "trigger.scheduled",
    ]
    assert ana.does(RunLoop(session="s1")) == ()
    assert (ana.profile.live, ana.profile.owed) == ({}, ())


def test_what_was_found_is_known_from_then_on() -> None:
    ana = Ana()
    ana.talks("s1", SER, SER, SER, l1=1, l2=3)
    ana.settles()
    profile = ana.profile
    assert [point.id for point in profile.history] == ["s1-fp-1", "s1-fp-2", "s1-fp-3"]
    assert profile.rules[SER].hits == 3
    assert (profile.rates, profile.completions) == ((0.3,), (1.0,))
    assert profile.shares == (0.85,)
    assert profile.curriculum is not None
    assert profile.update.violated_rules == (SER,)
    (pending,) = profile.injections
    assert (pending.persona, pending.attempts, pending.since) == (PERSONA, 0, ana.at)
    assert profile.coordinates.y > 0
    assert profile.tiers == {2: 1}
    assert profile.met == ("marta",)


def test_a_friction_becomes_an_injection_and_is_resolved_three_sessions_later() -> None:
    ana = Ana()
    # given friction in the first session
    ana.talks("s1", SER, SER, SER)
    ana.settles()
    assert [spec.target_form for spec in ana.brief().injections] == [SER]
    assert ana.brief("another-world").injections == ()
    # when an opening is made in the second and not used
    ana.at += DAY
    ana.starts("s2")
    ana.says("s2", also=[InjectionAdvanced(form=SER, status=InjectionStatus.OPPORTUNITY)])
    ana.ends("s2")
    ana.settles()
    brief = ana.brief()
    assert (brief.injections[0].status, brief.attempts) == (SpecStatus.INJECTED, (1,))
    # and used in the third
    ana.at += DAY
    ana.starts("s3")
    used = InjectionAdvanced(form=SER, status=InjectionStatus.USED, npc="marta", turn=1)
    ana.says("s3", forms=(SER,), also=[used])
    ana.ends("s3")
    events = ana.settles()
    # then it is over
    assert InjectionSettled(form=SER, status="resolved", attempts=2, session="s3") in events
    assert ana.profile.injections == ()


def test_after_a_system_error_the_story_is_kept_and_not_evaluated() -> None:
    ana = Ana()
    ana.starts("s1")
    ana.says("s1", SER, also=[GoalReached(npc="marta", objective="table"), heard(r=0.4)])
    ana.ends("s1", reason=EndReason.SYSTEM_ERROR, parting=False)
    (event,) = ana.settles()
    assert isinstance(event, LoopCompleted)
    assert (event.skipped, event.rules) == ("system-error", ())
    profile = ana.profile
    assert [point.id for point in profile.history] == ["s1-fp-1"]
    assert (profile.evaluated, profile.sessions) == (0, 1)
    assert (profile.rates, profile.rules, profile.curriculum) == ((), {}, None)
    assert profile.reached == {PERSONA: ("table",)}
    assert ana.does(RunLoop(session="s1")) == ()


def test_an_evaluation_waits_a_little_for_npcs_to_part() -> None:
    ana = Ana()
    ana.starts("s1")
    ana.says("s1", npc="marta")
    ana.says("s1", npc="pau")
    ana.ends("s1", parting=False)
    assert due_command(ana.state, ana.at) is None
    assert next_due(ana.state) == ana.at + STILL_TO_COME_MS
    assert due_command(ana.state, ana.at + STILL_TO_COME_MS) == RunLoop(session="s1")
    done = Parting(outcome=ConversationOutcome.COMPLETED, tier=2)
    ana.wrote("s1", NpcParted(npc="marta", turns=1, parting=done))
    assert due_command(ana.state, ana.at) is None
    ana.wrote("s1", NpcParted(npc="pau", turns=1, parting=None))
    assert due_command(ana.state, ana.at) == RunLoop(session="s1")
    ana.settles()
    assert ana.profile.completions == (0.5,)


def test_two_sessions_that_ended_are_evaluated_one_after_the_other() -> None:
    ana = Ana()
    ana.talks("s1", SER)
    ana.talks("s2", SER)
    assert ana.profile.owed == ("s1", "s2")
    loops = [event for event in ana.settles() if isinstance(event, LoopCompleted)]
    assert [event.session for event in loops] == ["s1", "s2"]
    assert ana.profile.rules[SER].sessions == 2
    # the second knew of the first: it recurred, and so earned a unit
    assert ana.profile.curriculum is not None
    assert ana.profile.curriculum.source_session_id == "s2"


def test_of_too_many_open_sessions_the_longest_paused_is_forgotten() -> None:
    ana = Ana()
    ana.talks("owed", SER)
    for n in range(LIVE):
        ana.starts(f"s{n}")
    assert list(ana.profile.live) == ["owed", "s1", "s2", "s3"]
    # its later checkpoints are told to nobody
    ana.wrote("s0", FrictionDetected(type=FrictionType.LEXICAL, severity=0.1, turn=1))
    assert ana.profile.owed == ("owed",)


def test_at_most_five_injections_are_active_whatever_is_planned() -> None:
    ana = Ana()
    ana.talks("s1", SER, SER, SER)
    (spec,) = [e.spec for e in ana.settles() if isinstance(e, InjectionPlanned)]
    for n in range(20):
        more = spec.model_copy(update={"target_form": f"form {n}"})
        ana.wrote("ana", InjectionPlanned(spec=more, session="s1"))
    statuses = [item.spec.status for item in ana.profile.injections]
    assert statuses.count(SpecStatus.PENDING) == MAX_ACTIVE
    assert len(statuses) == MAX_ACTIVE + MAX_DEFERRED
    assert ana.profile.injections[0].spec.target_form == SER
    assert len(ana.brief().injections) == 3


def test_a_hard_run_counts_sessions_in_a_row() -> None:
    ana = Ana()
    for session, inner in [
        ("s1", InnerAffect.OVERWHELMED),
        ("s2", InnerAffect.ANXIOUS),
        ("s3", InnerAffect.FRUSTRATED),
    ]:
        ana.starts(session)
        ana.wrote(session, affect(inner))
        ana.ends(session)
        if session == "s2":
            assert ana.profile.bad_affect == 2
    assert ana.profile.bad_affect == 0


def test_a_collapse_is_to_be_talked_over_until_the_next_session() -> None:
    ana = Ana()
    ana.starts("s1")
    ana.says("s1", tier=3, npc="don-luis")
    ana.wrote("s1", NegotiationCollapsed(npc="don-luis", turn=1, cause="openness"))
    ana.ends("s1", outcome=ConversationOutcome.NPC_ENDED)
    assert ana.profile.debrief == "s1"
    assert any("care" in getattr(e, "trigger", "") for e in ana.settles() if e.kind.endswith("ed"))
    assert ana.brief().tier3_sessions == 1
    ana.starts("s2")
    assert ana.profile.debrief == ""


# --- lessons ----------------------------------------


def with_lesson() -> Ana:
    ana = Ana()
    ana.starts("s1")
    for form in ("a", "b", "c", "d", "e"):
        ana.says("s1", form, severity=0.9, kind=FrictionType.LEXICAL)
    ana.ends("s1")
    ana.settles()
    assert ana.profile.curriculum is not None
    assert len(ana.profile.curriculum.units) == 5
    return ana


@pytest.mark.parametrize(
    ("done", "accuracy", "engaged", "mastered"),
    [
        (3, 0.8, True, True),
        (3, 0.79, True, False),
        (2, 1.0, False, True),
        (0, 1.0, False, False),
    ],
)
def test_a_lesson_is_taken_to_by_units_and_mastered_by_exercises(
    done: int, accuracy: float, engaged: bool, mastered: bool
) -> None:
    ana = with_lesson()
    curriculum = ana.profile.curriculum
    assert curriculum is not None
    event = ana.does(ReportLesson(result=lesson(curriculum, done=done, accuracy=accuracy)))[0]
    assert event.kind == "lesson.reported"
    assert (event.engaged, event.mastered) == (engaged, mastered)
    # what was taken to is done; what was not waits on
    assert (ana.profile.curriculum is None) is engaged
    assert ana.profile.preferences.completes_exercises is engaged
    assert ana.profile.preferences.average_completion_rate == done / 5


def test_a_unit_that_did_not_help_is_told_of_its_rule() -> None:
    ana = with_lesson()
    assert ana.profile.curriculum is not None
    first = ana.profile.curriculum.units[0].target_form
    ana.does(ReportLesson(result=lesson(ana.profile.curriculum, done=1, accuracy=0.5)))
    assert {form: rule.lessons for form, rule in ana.profile.rules.items() if rule.lessons} == {
        first: 1
    }


def test_what_a_learner_likes_is_learned_from_its_lessons() -> None:
    ana = with_lesson()
    assert ana.profile.curriculum is not None
    signals = PreferenceSignals(
        engages_audio=True, reads_explanations=True, example_preference="more"
    )
    ana.does(
        ReportLesson(result=lesson(ana.profile.curriculum, done=5, preference_signals=signals))
    )
    preferences = ana.profile.preferences
    assert (preferences.engages_audio, preferences.engages_video) == (True, False)
    assert preferences.explanation_depth == "detailed"
    assert saved(ana.profile, ana.at).instructional_preferences == preferences


@pytest.mark.parametrize("which", ["none", "another", "reported", "unit"])
def test_a_report_is_for_the_lesson_that_waits(which: str) -> None:
    ana = with_lesson()
    curriculum = ana.profile.curriculum
    assert curriculum is not None
    result, reason = lesson(curriculum, done=5), "unknown-curriculum"
    match which:
        case "none":
            ana = Ana()
        case "another":
            result = result.model_copy(update={"curriculum_id": "x"})
        case "reported":
            ana.does(ReportLesson(result=result))
        case _:
            reason = "unknown-unit"
            unit = result.unit_engagement[0].model_copy(update={"unit_id": "x"})
            result = result.model_copy(update={"unit_engagement": (unit,)})
    before = ana.bytes()
    with pytest.raises(RefusedError) as caught:
        learner.decide(ana.state, ReportLesson(result=result), ana.at)
    assert (caught.value.reason, ana.bytes()) == (reason, before)


# --- edits ----------------------------------------


def test_an_edit_says_what_is_new_and_nothing_else() -> None:
    ana = Ana()
    assert ana.does(EditProfile()) == ()
    assert ana.does(EditProfile(cefr=Cefr.A1, triggers=True)) == ()
    assert ana.state.profile is None
    command = EditProfile(name="Ana", cefr=Cefr.A1, preferred_hours=(9, 8, 9), triggers=False)
    assert ana.does(command) == (ProfileEdited(name="Ana", preferred_hours=(8, 9), triggers=False),)
    assert ana.does(command) == ()
    assert ana.does(EditProfile(preferred_hours=())) == (ProfileEdited(preferred_hours=()),)
    assert (ana.profile.learner, ana.profile.name, ana.profile.queue.on) == ("ana", "Ana", False)


def test_every_part_of_an_edit_is_kept() -> None:
    ana = Ana()
    ana.does(
        EditProfile(
            cefr=Cefr.B2,
            native_language="de",
            target_language="es",
            style=RetentionStyle.ORGANIC,
            preferred_minutes=12.5,
            utc_offset_minutes=-60,
            critical_phonemes=("r", "x"),
        )
    )
    brief = ana.brief()
    assert (brief.learner.cefr, brief.learner.retention_profile) == (
        Cefr.B2,
        RetentionStyle.ORGANIC,
    )
    assert (brief.preferred_minutes, brief.learner.phoneme_priorities) == (12.5, ("r", "x"))
    # a session's context overwrites nothing the learner said
    ana.starts("s1")
    assert (ana.profile.cefr, ana.profile.native_language) == (Cefr.B2, "de")


# --- readings ----------------------------------------


@pytest.mark.parametrize(
    ("number", "share"),
    [(1, 0.2), (5, 0.2), (6, 0.4), (15, 0.4), (16, 0.6), (31, 0.8), (50, 0.8), (51, 0.95)],
)
def test_the_mix_of_languages_goes_by_the_number_of_the_session(number: int, share: float) -> None:
    assert l2_share(number) == share
    assert l2_share(number, distress=True) <= share


def test_the_mix_goes_a_step_back_after_two_hard_sessions_in_a_row() -> None:
    ana = Ana()
    for n in range(7):
        ana.starts(f"s{n}")
        if n >= 5:
            ana.wrote(f"s{n}", affect(InnerAffect.ANXIOUS))
        ana.ends(f"s{n}")
        ana.settles()
        expected = 0.2 if n < 4 or n == 6 else 0.4
        assert ana.brief().learner.code_switch_state.current_l2_ratio == expected


@pytest.mark.parametrize(
    ("shares", "trajectory"),
    [
        ((1, 5), Trajectory.STALLED),
        ((2, 4, 7), Trajectory.ADVANCING),
        ((7, 4, 2), Trajectory.REGRESSING),
        ((5, 5, 5), Trajectory.STALLED),
        ((9, 9, 1, 2, 3, 4, 5, 6), Trajectory.ADVANCING),
    ],
)
def test_the_trajectory_goes_by_what_was_observed(
    shares: tuple[int, ...], trajectory: Trajectory
) -> None:
    ana = Ana()
    for n, share in enumerate(shares):
        ana.starts(f"s{n}")
        ana.says(f"s{n}", l1=10 - share, l2=share)
        ana.ends(f"s{n}")
        ana.settles()
    assert ana.profile.trajectory is trajectory
    assert saved(ana.profile, ana.at).code_switching_state.trajectory is trajectory


def test_phonemes_are_critical_until_they_are_mastered() -> None:
    ana = Ana()
    ana.does(EditProfile(critical_phonemes=("x",)))
    for n, (r, s, x) in enumerate([(0.3, 0.5, 0.9), (0.5, 0.9, 0.9), (0.4, 0.95, 0.85)]):
        ana.starts(f"s{n}")
        ana.says(f"s{n}", also=[heard(r=r, s=s, x=x), heard(r=r)])
        ana.ends(f"s{n}")
        wanted = {0: ("x", "r", "s"), 1: ("x", "r"), 2: ("r",)}[n]
        assert ana.brief().learner.phoneme_priorities == wanted
    assert ana.profile.mastered_phonemes() == ("x",)
    accuracies = saved(ana.profile, ana.at).phoneme_profile.accuracy_map
    assert accuracies["r"] == (0.3, 0.5, 0.4)


def test_engagement_counts_days_and_weeks() -> None:
    ana = Ana()
    began = ana.at
    for n, day in enumerate((0, 1, 20, 26, 27)):
        ana.at = began + day * DAY
        ana.starts(f"s{n}")
        ana.ends(f"s{n}", minutes=10 + n)
        ana.settles()
    ana.at = began + 28 * DAY
    told = ana.profile.engagement(ana.at)
    assert (told.total_sessions, told.sessions_last_7_days, told.sessions_last_30_days) == (5, 2, 5)
    assert (told.days_since_start, told.days_since_last_session) == (28.0, 1.0)
    assert told.average_session_minutes == 12.0
    # of four weeks, the first session is just too old
    assert told.weekly_frequency == 1.0
    assert told.frequency_trend is Trend.INCREASING
    assert ana.profile.engagement(ana.at + 28 * DAY).frequency_trend is Trend.STABLE
    assert ana.profile.engagement(ana.at + 12 * DAY).frequency_trend is Trend.DECREASING


def test_a_brief_tells_what_the_next_session_has_to_know() -> None:
    ana = Ana()
    first = ana.brief()
    assert (first.learner.session_count, first.learner.days_since_last_session) == (0, 0)
    assert (first.pressure, first.recommended_tier, first.landing) == (0.325, 1, False)
    assert first.preferred_minutes is None
    kinds = [FrictionType.LEXICAL, FrictionType.REGISTER, FrictionType.CULTURAL]
    ana.starts("s1")
    for n, kind in enumerate(kinds, 1):
        for _ in range(n):
            ana.says("s1", kind.value, kind=kind)
    ana.says("s1", "ll", kind=FrictionType.PHONEMIC)
    ana.wrote("s1", GoalReached(npc="marta", objective="table"))
    ana.ends("s1")
    ana.settles()
    ana.at += 36 * HOUR
    brief = ana.brief()
    assert brief.learner.top_friction_areas == ("cultural", "register", "lexical")
    assert (brief.learner.session_count, brief.learner.days_since_last_session) == (1, 1.5)
    assert (brief.reached, ana.brief("elsewhere").reached) == (("table",), ())
    assert brief.baseline == ana.profile.baseline


def test_what_stays_is_told_whole() -> None:
    ana = with_lesson()
    met = Relation()
    turn = TurnTaken(turn=1, npc="marta", text="hola", tier=2)
    part = Parting(outcome=ConversationOutcome.COMPLETED, tier=2, memory="We talked of fish.")
    events: list[AnyEvent] = [turn, NpcParted(npc="marta", turns=1, parting=part)]
    for sequence, event in enumerate(events, 1):
        met = relation.evolve(met, event, Moment(sequence, ana.at, "s1", "ana"))
    told = persistence(ana.profile, {"marta": met}, ana.at)
    assert told.learner_profile == saved(ana.profile, ana.at)
    assert told.learner_profile.total_session_count == 1
    assert told.learner_profile.last_session_at == "2026-01-05T09:01:40.000+00:00"
    assert told.npc_relationships["marta"].interaction_count == 1
    assert [memory.content for memory in told.vector_memories] == ["We talked of fish."]
    assert len(told.pending_injections) == 5
    assert told.pending_curriculum == ana.profile.curriculum
    assert [item.type.value for item in told.scheduled_triggers] == ["companion-check-in"]
    assert told.interlanguage_update == ana.profile.update
    outside = told.outside()
    assert outside["learnerProfile"]["frictionProfile"]["dominantTypes"] == ["lexical"]
    assert type(told).model_validate(outside) == told


def test_of_a_learner_nobody_has_met_everything_is_at_its_beginning() -> None:
    told = persistence(None, {}, 0)
    assert told.learner_profile.last_session_at is None
    assert told.learner_profile.code_switching_state.current_l2_ratio == 0.2
    assert told.pending_curriculum is None


def test_a_snapshot_holds_the_whole_profile() -> None:
    ana = with_lesson()
    ana.starts("s2")
    ana.says("s2", SER, latency=100)
    back = LEARNER_STATE.validate_python(unpack(ana.bytes()))
    assert back == ana.state
    assert pack(LEARNER_STATE.dump_python(back)) == ana.bytes()


def test_an_event_that_never_was_planned_for_changes_what_it_can() -> None:
    """A checkpoint is never refused, even one that names what is not there."""
    ana = with_lesson()
    made = ana.profile.curriculum
    assert made is not None
    fresh = Ana()
    fresh.wrote("ana", InjectionSettled(form="x", status="resolved"))
    fresh.wrote("ana", LoopCompleted(session="never-begun"))
    fresh.wrote("ana", CurriculumGenerated(curriculum=made))
    assert fresh.profile.evaluated == 1
    assert fresh.profile.queue.lesson is not None
    assert next_due(fresh.state) == fresh.at + DAY
