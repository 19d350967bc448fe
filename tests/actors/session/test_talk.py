"""What one turn of a conversation does to everything around it."""

from __future__ import annotations

from typing import Any, TypeVar

import pytest

from holodeck.actors.session.decider import friction_rate
from holodeck.actors.session.talk.state import Standing, Talk
from holodeck.messages.conversation import (
    Affect,
    FrictionType,
    InjectionStatus,
    InnerAffect,
    Mood,
    OpennessState,
    PhonemeResult,
    Scaffold,
    Severity,
)
from holodeck.messages.session import (
    ChangeReputation,
    FrictionDetected,
    MindKind,
    ReportFriction,
    ReputationChanged,
    SessionStarted,
    TakeTurn,
    TurnAnswered,
    TurnTaken,
)
from holodeck.messages.talk import (
    AffectChanged,
    AnalysisKind,
    ConversationClosed,
    FactHeard,
    FactLearned,
    Heard,
    IncidentArose,
    InjectionAdvanced,
    MoodChanged,
    NegotiationCollapsed,
    OpennessChanged,
    PronunciationHeard,
    ScaffoldingEscalated,
    Signals,
)
from tests.actors.session.stories import NOON, START, Story, story, turn
from tests.actors.session.worlds import (
    BAKER,
    CLERK,
    CONTEXT,
    FRIEND,
    JUDGE,
    analysis,
    begin,
    collapsed,
    conversation,
    friction,
    open_stage,
    reply,
    said,
)

E = TypeVar("E")


def only(events: list[Any], kind: type[E]) -> E:
    (found,) = all_of(events, kind)
    return found


def all_of(events: list[Any], kind: type[E]) -> list[E]:
    return [event for event in events if isinstance(event, kind)]


def talk_of(told: Story) -> Talk:
    assert told.state.talk is not None
    return told.state.talk


def standing(told: Story, npc: str = BAKER) -> Standing:
    return talk_of(told).standings[npc]


def struggling(turn_: int, npc: str = BAKER, **more: Any) -> TakeTurn:
    """Slow, which is a friction of its own, full of hedges and with one more: frustrated."""
    return said(turn_, npc, friction("lexical"), latency_ms=9000, l1_words=6, hedges=3, **more)


# --- the start ----------------------------------------


def test_a_start_keeps_world_and_context_and_begins_a_talk() -> None:
    told = story(begin(analysis=AnalysisKind.OFFLINE, ladder=True))
    started = only(told.events, SessionStarted)
    assert (started.context, started.stage) == (CONTEXT, open_stage())
    talk = talk_of(told)
    assert (talk.session, talk.analysis, talk.ladder) == ("sess_1", AnalysisKind.OFFLINE, True)
    assert (talk.pressure, talk.affect, talk.scaffold) == (0.5, Affect.NEUTRAL, 0)
    assert standing(told, CLERK).reputation == 0.9
    assert [one.status for one in talk.injections] == [InjectionStatus.PENDING] * 3 + [
        InjectionStatus.DEFERRED
    ]


def test_a_world_sets_the_limits_of_time_where_they_are_closer() -> None:
    def charter(**more: Any) -> tuple[int, int]:
        found = story(begin(**more)).state.charter
        assert found is not None
        return found.session_timeout_ms, found.idle_timeout_ms

    assert charter(session_timeout_s=3600) == (1_800_000, 300_000)
    assert charter(session_timeout_s=60) == (60_000, 300_000)
    assert charter(session_timeout_s=0) == (1_800_000, 300_000)
    assert charter(idle_timeout_s=10) == (1_800_000, 10_000)
    free = open_stage(limit_ms=0, inactivity_ms=0)
    assert charter(stage=free, session_timeout_s=0) == (0, 0)


def test_a_soft_landing_begins_with_help_and_keeps_it() -> None:
    told = conversation(said(1, FRIEND), landing=True)
    assert talk_of(told).scaffold == 3
    assert talk_of(told).scaffolds == (Scaffold.HINT, Scaffold.REDUCE_L2, Scaffold.TOPIC)


def test_a_session_without_a_world_is_what_it_was() -> None:
    told = story(START, turn(1, analysis=analysis(friction("lexical"), aligned=True)))
    assert told.state.talk is None
    taken, found, moved = told.events[1:]
    assert taken == TurnTaken(turn=1, npc="marta", text="turn 1", analysed=True)
    assert found == FrictionDetected(type=FrictionType.LEXICAL, severity=0.4, turn=1, npc="marta")
    assert moved == ReputationChanged(npc="marta", delta=0.03, reason="turn", turn=1)


# --- a turn and its frictions ----------------------------------------


def test_a_turn_keeps_what_was_found_but_for_what_is_an_event_of_its_own() -> None:
    found = analysis(
        friction("vocabulary", "high", form="pan", said="Brot", detail="bread"),
        aligned=True,
        topic="bread",
        facts=(FactHeard(fact="has a dog"),),
    )
    command = TakeTurn(
        turn=1, npc=BAKER, text="un Brot", analysis=found, signals=Signals(latency_ms=900)
    )
    events = conversation().says(command)
    taken = only(events, TurnTaken)
    assert taken.analysis == found.model_copy(update={"frictions": (), "facts": ()})
    assert (taken.tier, taken.aligned, taken.topic, taken.analysed) == (2, True, "bread", True)
    detected = only(events, FrictionDetected)
    assert (detected.type, detected.level) == ("lexical", Severity.HIGH)
    assert (detected.form, detected.said, detected.detail) == ("pan", "Brot", "bread")
    assert only(events, FactLearned).fact == "has a dog"


def test_what_the_caller_says_itself_goes_before_the_analysis() -> None:
    command = TakeTurn(
        turn=1,
        npc=BAKER,
        text="hola",
        frictions=(friction("phonemic", 1),),
        register_aligned=True,
        analysis=analysis(friction("cultural"), aligned=False),
    )
    events = conversation().says(command)
    assert only(events, FrictionDetected).type == "phonemic"
    assert only(events, ReputationChanged).delta == 0.02


def test_where_nobody_looked_nothing_moves() -> None:
    events = conversation().says(TakeTurn(turn=1, npc=BAKER, text="hola", location="court"))
    (taken,) = events
    assert isinstance(taken, TurnTaken)
    assert not taken.analysed
    assert taken.location == "court"


def test_place_and_topic_stay_until_another_is_told() -> None:
    told = conversation(said(1, command={"location": "court", "topic": "law"}), said(2))
    taken = all_of(told.events, TurnTaken)[-1]
    assert (taken.location, taken.topic) == ("court", "law")
    told.tell(said(3, topic="bread"))
    assert talk_of(told).topics == ("law", "bread")
    assert standing(told).topics == ("law", "bread")


@pytest.mark.parametrize(
    ("latency_ms", "usual_ms", "frictions"),
    [(None, 2000, 0), (4000, 2000, 0), (4001, 2000, 1), (1900, 500, 0), (2001, 500, 1)],
)
def test_hesitation_is_friction_above_two_seconds_and_twice_what_is_usual(
    latency_ms: int | None, usual_ms: float, frictions: int
) -> None:
    told = conversation(baseline={"latency_ms": usual_ms})
    found = all_of(told.says(said(1, latency_ms=latency_ms)), FrictionDetected)
    assert [(one.type, one.level, one.detail) for one in found] == [
        ("lexical", "low", "hesitation")
    ] * frictions


def test_there_are_never_more_than_sixteen_frictions_in_a_turn() -> None:
    many = tuple(friction("phonemic", 0.1) for _ in range(16))
    events = conversation().says(said(1, BAKER, *many, latency_ms=60_000))
    assert len(all_of(events, FrictionDetected)) == 16


def test_the_friction_rate_is_per_active_minute_the_first_counted_full() -> None:
    told = conversation(said(1, BAKER, friction("lexical"), friction("register")))
    assert friction_rate(told.state, NOON + 10_000) == 2.0
    assert friction_rate(told.state, NOON + 180_000) == 0.666667


def test_friction_reported_later_counts_for_the_turn_it_is_about() -> None:
    told = conversation(said(1), ReportFriction(finding=friction("cultural", 0.8)))
    event = told.events[-1]
    assert isinstance(event, FrictionDetected)
    assert (event.level, event.turn, event.npc) == ("critical", 1, BAKER)
    assert talk_of(told).samples[-1].frictions == 1
    assert standing(told).frictions == {"cultural": 1}


# --- affect, pressure, help ----------------------------------------


def test_affect_is_told_only_where_it_or_the_pressure_moves() -> None:
    told = conversation(pressure=0.84)
    first = only(told.says(said(1)), AffectChanged)
    assert (first.inner, first.state, first.pressure) == ("engaged", "engaged", 0.85)
    told.tell(said(1))
    assert all_of(told.says(said(2)), AffectChanged) == []


def test_a_struggling_learner_gets_help_step_by_step_and_loses_it_at_ease() -> None:
    told = conversation(struggling(1))
    changed = only(told.events, AffectChanged)
    assert (changed.state, changed.inner) == ("frustrated", "frustrated")
    assert changed.intervention
    assert changed.pressure == 0.42
    assert "latency above-baseline 4.5" in changed.reasons
    assert changed.signal == 0.866667
    helped = only(told.events, ScaffoldingEscalated)
    assert (helped.before, helped.level, helped.trigger) == (0, 2, "frustrated")
    assert helped.actions == (Scaffold.PATIENCE, Scaffold.SIMPLIFY)
    told.tell(*[said(number, latency_ms=500) for number in range(2, 8)])
    assert talk_of(told).inner is InnerAffect.ENGAGED
    assert talk_of(told).scaffold < 2
    assert not talk_of(told).intervention


def test_help_never_goes_above_five_and_brings_the_companion() -> None:
    told = conversation(*[struggling(number) for number in range(1, 8)])
    assert talk_of(told).scaffold == 5
    assert talk_of(told).scaffolds[-1] is Scaffold.CHECK_IN
    assert talk_of(told).companion


def test_an_anxious_learner_before_an_authority_gets_its_companion() -> None:
    anxious = said(1, JUDGE, friction("lexical"), l1_words=3, l2_words=3, hedges=2)
    helped = only(conversation().says(anxious), ScaffoldingEscalated)
    assert (helped.trigger, helped.level, helped.companion) == ("anxious", 1, True)
    assert Scaffold.SIMPLIFY not in helped.actions
    friend = anxious.model_copy(update={"npc": FRIEND})
    assert not only(conversation().says(friend), ScaffoldingEscalated).companion


def test_help_is_of_the_tier_the_learner_turns_to() -> None:
    told = conversation(struggling(1), TakeTurn(turn=2, npc=FRIEND, text="hola"))
    assert talk_of(told).scaffolds == (Scaffold.HINT, Scaffold.REDUCE_L2)
    assert talk_of(told).tier == 1


def test_the_first_negotiation_ends_at_seven_tenths_of_pressure() -> None:
    first = conversation(said(1, JUDGE), pressure=1.0, tier3_sessions=0)
    assert talk_of(first).pressure == 0.7
    assert talk_of(conversation(said(1, JUDGE), pressure=1.0)).pressure == 1.0


# --- standing ----------------------------------------


@pytest.mark.parametrize(
    ("command", "delta", "reason"),
    [
        (said(1), 0.05, "clean turn"),
        (said(1, aligned=True), 0.1, "clean turn, register fits"),
        (said(1, BAKER, friction("register", 0.5)), -0.05, "register friction"),
        (
            said(1, BAKER, friction("lexical", 1), friction("lexical", 1), aligned=True),
            -0.05,
            "lexical friction, register fits",
        ),
        (said(1, BAKER, friction("morphosyntactic", 1)), -0.05, "morphosyntactic friction"),
    ],
)
def test_a_standing_moves_once_a_turn_and_says_why(
    command: TakeTurn, delta: float, reason: str
) -> None:
    moved = only(conversation().says(command), ReputationChanged)
    assert moved == ReputationChanged(npc=BAKER, delta=delta, reason=reason, turn=1)


@pytest.mark.parametrize("found", [{"meaningful": False}, {"aggressive": True}])
def test_nothing_is_earned_by_saying_nothing_or_in_anger(found: dict[str, Any]) -> None:
    assert all_of(conversation().says(said(1, **found)), ReputationChanged) == []


def test_a_standing_begins_where_the_npc_has_it_and_says_so() -> None:
    told = conversation(said(1, CLERK), said(2, CLERK), said(3, CLERK))
    assert standing(told, CLERK).reputation == 1.0
    assert {e.base for e in all_of(told.events, ReputationChanged)} == {0.9}
    assert {e.base for e in all_of(told.events, TurnTaken)} == {0.9}
    told.tell(ChangeReputation(npc=CLERK, delta=-1, reason="a lie"))
    assert standing(told, CLERK).reputation == 0.0


# --- openness and collapse ----------------------------------------


def breach(turn_: int, npc: str = JUDGE, kind: str = "register") -> TakeTurn:
    return said(turn_, npc, friction(kind, 0.3, detail="tú to a judge"))


def test_openness_falls_by_a_tenth_a_breach_and_warns_once() -> None:
    told = conversation(*[breach(number) for number in range(1, 7)])
    changed = all_of(told.events, OpennessChanged)
    assert [one.score for one in changed] == [0.6, 0.5, 0.4, 0.3, 0.2, 0.1]
    assert [one.warning for one in changed] == [False] * 4 + [True, False]
    assert [one.state for one in changed][3:] == [
        OpennessState.OPEN,
        OpennessState.RESISTANT,
        OpennessState.RESISTANT,
    ]
    assert changed[0].description == "register medium: tú to a judge"
    assert not standing(told, JUDGE).collapsed


def test_the_seventh_breach_ends_the_negotiation_and_the_standing_is_at_its_minimum() -> None:
    told = conversation(*[breach(number) for number in range(1, 8)])
    last = told.log[-1][1]
    kinds = [event.kind for event in last]
    assert kinds.index("openness.changed") < kinds.index("negotiation.collapsed")
    assert kinds.index("negotiation.collapsed") < kinds.index("conversation.closed")
    assert only(list(last), NegotiationCollapsed).cause == "openness"
    assert only(list(last), ConversationClosed).outcome == "npc-ended"
    assert standing(told, JUDGE).reputation == -0.5
    assert standing(told, JUDGE).openness == 0


def test_formality_that_does_not_fit_is_one_breach_also_without_a_finding() -> None:
    assert only(conversation().says(said(1, JUDGE, aligned=False)), OpennessChanged).score == 0.6
    both = said(1, JUDGE, friction("register"), aligned=False)
    assert only(conversation().says(both), OpennessChanged).score == 0.6


def test_who_cannot_break_off_keeps_no_count() -> None:
    told = conversation(*[breach(number, BAKER) for number in range(1, 9)])
    assert all_of(told.events, OpennessChanged) == []
    assert all_of(told.events, NegotiationCollapsed) == []


@pytest.mark.parametrize(
    ("commands", "cause"),
    [
        ([said(1, JUDGE, friction("cultural", "critical"))], "cultural-breach"),
        ([said(1, JUDGE, aggressive=True)], "aggression"),
        ([said(1, JUDGE, l1_words=3, l2_words=0)], "l1-fallback"),
        ([said(n, JUDGE, meaningful=False) for n in (1, 2, 3)], "no-meaning"),
    ],
)
def test_other_reasons_to_break_off(commands: list[TakeTurn], cause: str) -> None:
    told = conversation(*commands[:-1])
    assert all_of(told.events, NegotiationCollapsed) == []
    assert only(told.says(commands[-1]), NegotiationCollapsed).cause == cause


@pytest.mark.parametrize(
    "commands",
    [
        [said(1, JUDGE, l1_words=2, l2_words=0)],
        [said(1, JUDGE, l1_words=9, l2_words=1)],
        [said(1, JUDGE, friction("cultural", 0.7))],
        [said(1, JUDGE, meaningful=False), said(2, JUDGE, meaningful=False), said(3, JUDGE)],
        [said(n, npc, meaningful=False) for n, npc in ((1, JUDGE), (2, CLERK), (3, JUDGE))],
    ],
)
def test_no_reason_to_break_off(commands: list[TakeTurn]) -> None:
    assert all_of(conversation(*commands).events, NegotiationCollapsed) == []


def test_a_standing_falls_by_steps_that_contracts_can_name() -> None:
    told = conversation(said(1, CLERK), said(2, CLERK, aggressive=True))
    steps = [e.delta for e in told.log[-1][1] if isinstance(e, ReputationChanged)]
    assert steps == [-1.0, -0.45]
    assert standing(told, CLERK).reputation == -0.5


def test_the_npc_may_still_say_why_it_leaves_and_others_are_still_there() -> None:
    told = collapsed().tell(reply(1, JUDGE), said(2, BAKER))
    assert told.state.turns == 2
    assert only(told.events, TurnAnswered).npc == JUDGE


# --- mood ----------------------------------------


def test_the_mood_follows_the_turn_and_is_told_only_where_it_changes() -> None:
    told = conversation()
    moved = only(told.says(breach(1, BAKER)), MoodChanged)
    assert (moved.before, moved.mood) == (Mood.NEUTRAL, Mood.IRRITATED)
    assert moved.trigger == "register-violation"
    told.tell(breach(1, BAKER))
    assert all_of(told.says(breach(2, BAKER)), MoodChanged) == []
    assert only(told.says(said(2)), MoodChanged).mood is Mood.NEUTRAL


def test_a_mood_is_over_after_ten_minutes_without_a_word() -> None:
    told = conversation(breach(1, BAKER))
    assert all_of(told.says(breach(2, BAKER), after_s=599), MoodChanged) == []
    again = only(told.says(breach(2, BAKER), after_s=600), MoodChanged)
    assert (again.before, again.mood) == (Mood.NEUTRAL, Mood.IRRITATED)
    told.tell(TakeTurn(turn=2, npc=BAKER, text="hola"), after_s=600)
    assert standing(told).mood is Mood.NEUTRAL


@pytest.mark.parametrize(
    ("command", "trigger"),
    [
        (said(1, latency_ms=9000), "hesitation"),
        (said(1, BAKER, friction("cultural"), friction("register")), "cultural-violation"),
        (said(1, meaningful=False), "communication-failure"),
        (said(1, JUDGE, l1_words=3, l2_words=0), "communication-failure"),
        (said(1, FRIEND, friction("phonemic")), "successful-communication"),
    ],
)
def test_what_a_turn_is_to_a_mood(command: TakeTurn, trigger: str) -> None:
    assert only(conversation().says(command), MoodChanged).trigger == trigger


# --- injections ----------------------------------------


def test_an_injection_goes_from_an_opening_to_its_use() -> None:
    told = conversation(said(1), reply(1, opened=("subjunctive", "past", "article", "else")))
    opened = all_of(told.events, InjectionAdvanced)
    assert [(one.form, one.status, one.npc) for one in opened] == [
        ("subjunctive", "opportunity-created", BAKER),
        ("past", "opportunity-created", BAKER),
    ]
    told.tell(said(2, forms=("past", "article")))
    assert [(one.form, one.status.value, one.attempts) for one in talk_of(told).injections] == [
        ("subjunctive", "opportunity-created", 1),
        ("past", "learner-used", 1),
        ("plural", "pending", 0),
        ("article", "deferred", 0),
    ]
    assert all_of(told.says(said(3, forms=("past",))), InjectionAdvanced) == []


def test_only_its_own_npcs_open_for_a_form_and_no_more_than_twice() -> None:
    told = conversation(said(1, FRIEND), reply(1, FRIEND, opened=("past", "plural")))
    assert [one.form for one in all_of(told.events, InjectionAdvanced)] == ["plural"]
    told.tell(said(2, FRIEND), reply(2, FRIEND, opened=("plural",)))
    assert talk_of(told).injections[2].attempts == 2
    told.tell(said(3, FRIEND))
    assert all_of(told.says(reply(3, FRIEND, opened=("plural",))), InjectionAdvanced) == []


# --- pronunciation, facts, incidents ----------------------------------------


def test_pronunciation_is_averaged_and_its_issues_are_kept() -> None:
    def heard(score: float, *phonemes: tuple[str, float]) -> Heard:
        results = tuple(PhonemeResult(phoneme=name, accuracy=share) for name, share in phonemes)
        return Heard(comprehensibility=score, phonemes=results)

    first = said(1, command={"heard": heard(0.8, ("r", 0.59), ("x", 0.6), ("r", 0.1))})
    told = conversation(first, said(2, command={"heard": heard(0.4, ("θ", 0.0))}))
    assert [one.issues for one in all_of(told.events, PronunciationHeard)] == [("r",), ("θ",)]
    talk = talk_of(told)
    assert (talk.heard, talk.average_comprehensibility) == (2, 0.6)
    assert talk.issues == ("r", "θ")
    assert talk_of(conversation()).average_comprehensibility is None


def test_a_grave_breach_in_tier_2_stays_between_the_two() -> None:
    grave = said(1, BAKER, friction("pragmatic", 0.6, detail="orders"), friction("register", 0.8))
    arose = only(conversation().says(grave), IncidentArose)
    assert arose.incident == "sess_1-incident-1"
    assert arose.description == "register friction in turn 1"
    assert arose.impact == -0.128
    told = conversation(grave, said(2, BAKER, friction("cultural", 0.5)))
    assert standing(told).incidents == ("sess_1-incident-1", "sess_1-incident-2")


@pytest.mark.parametrize(
    "command",
    [
        said(1, BAKER, friction("register", 0.49)),
        said(1, BAKER, friction("lexical", 1)),
        said(1, FRIEND, friction("register", 1)),
        said(1, JUDGE, friction("register", 1)),
    ],
)
def test_nothing_else_is_an_incident(command: TakeTurn) -> None:
    assert all_of(conversation().says(command), IncidentArose) == []


def test_a_conversation_keeps_its_last_turns_for_the_mind() -> None:
    told = conversation()
    for number in range(1, 5):
        told.tell(said(number, text="x" * 600), reply(number))
    recent = talk_of(told).recent
    assert len(recent) == 6
    assert [one.speaker for one in recent][:2] == ["learner", "npc"]
    assert len(recent[0].text) == 500


def test_a_mind_is_awaited_in_a_world_too() -> None:
    told = story(begin(mind=MindKind.SCRIPTED), said(1))
    assert told.state.awaiting == 1
    assert told.tell(reply(1)).state.awaiting == 0


def test_everything_of_a_turn_is_one_checkpoint_in_a_fixed_order() -> None:
    families = [event.kind.partition(".")[0] for event in conversation().says(struggling(1))]
    both = ["friction", "friction"]  # the second is the hesitation
    assert families == ["turn", *both, "affect", "scaffolding", "reputation", "mood"]
