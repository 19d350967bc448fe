"""Refraction, goals, incidents, silence and how learner and NPC part."""

from __future__ import annotations

from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holodeck.actors.session import STATE, arms, next_deadline, session
from holodeck.actors.session.talk.refraction import holds, normal
from holodeck.actors.session.talk.silence import LADDERS
from holodeck.actors.session.talk.state import WORDINGS as REMEMBERED
from holodeck.actors.session.talk.state import Talk
from holodeck.messages.codec import pack
from holodeck.messages.conversation import (
    Affect,
    ConversationOutcome,
    Mood,
    ProfessionalKind,
    RefractionLevel,
    RegisterClass,
    SilenceStep,
)
from holodeck.messages.session import (
    End,
    EndReason,
    NpcParted,
    Pause,
    ReputationChanged,
    Resume,
    SessionEnded,
    SettleOwed,
    TakeTurn,
    TimerFired,
)
from holodeck.messages.talk import (
    ChooseRefraction,
    CloseConversation,
    FactHeard,
    IncidentResolved,
    MoodChanged,
    OfferRefraction,
    Parting,
    ProfessionalRecorded,
    ReachGoal,
    RecordAttempt,
    RecordProfessional,
    RefractionAsked,
    RefractionUsed,
    RememberFact,
    ResolveIncident,
    SilenceNoticed,
    TurnAnalysis,
)
from tests.actors.session.stories import NOON, START, Story, fork_of, story, turn
from tests.actors.session.worlds import (
    ATTEMPT,
    BAKER,
    CLERK,
    FRIEND,
    JUDGE,
    OLD_QUARREL,
    WORDINGS,
    asked,
    chosen,
    collapsed,
    conversation,
    friction,
    offered,
    reply,
    said,
    wordings,
)

E = TypeVar("E")
SILENCE = TimerFired(name="silence")


def all_of(events: list[Any], kind: type[E]) -> list[E]:
    return [event for event in events if isinstance(event, kind)]


def talk_of(told: Story) -> Talk:
    assert told.state.talk is not None
    return told.state.talk


# --- refraction ----------------------------------------


def test_a_request_says_all_a_mind_needs() -> None:
    told = conversation(said(1, text="hola"), reply(1))
    (event,) = told.says(asked(trigger="system-detected"))
    assert isinstance(event, RefractionAsked)
    request = event.request
    assert (event.npc, event.turn, event.number) == (BAKER, 1, 1)
    assert (request.trigger, request.learner_input) == (
        "system-detected",
        "ich hätte gern ein Brot",
    )
    assert (request.input_language, request.target_language) == ("de", "es")
    assert (request.cefr_level, request.tier_context) == ("A2", 2)
    assert (request.domain_context, request.persona_schema_id) == ("everyday life", "quarter")
    assert request.session_id == "sess_1"
    scene = request.conversation_context
    assert (scene.npc_id, scene.npc_role) == (BAKER, "baker")
    assert [(one.speaker, one.text) for one in scene.recent_turns] == [
        ("learner", "hola"),
        ("npc", "muy bien"),
    ]


def test_a_request_may_be_about_another_npc_and_languages_may_be_unknown() -> None:
    told = conversation(native="", target="?")
    (event,) = told.says(asked(npc=JUDGE))
    assert isinstance(event, RefractionAsked)
    assert event.request.conversation_context.npc_register is RegisterClass.FORMAL
    assert (event.request.native_language, event.request.target_language) == ("de", "es")


def test_a_refraction_waits_for_whoever_answers_it() -> None:
    told = conversation(asked())
    waiting = talk_of(told).waiting
    assert waiting is not None
    assert (waiting.number, waiting.asked_seq, waiting.offered) == (1, told.sequence, False)
    told.tell(OfferRefraction(number=1, response=WORDINGS))
    assert talk_of(told).waiting is None


def test_refraction_commands_told_twice_do_nothing_more() -> None:
    told = chosen()
    told.tell(RecordAttempt(number=1, result=ATTEMPT))
    for again in (
        asked(),
        OfferRefraction(number=1, response=wordings("¡Pan!")),
        ChooseRefraction(number=1, level=RefractionLevel.BASIC),
        RecordAttempt(number=1, result=ATTEMPT),
    ):
        assert told.says(again) == []
    (one,) = talk_of(told).refractions
    assert (one.level, one.attempted, one.accuracy) == (RefractionLevel.BASIC, True, 0.8)


def test_the_last_choice_counts_until_it_was_said() -> None:
    told = chosen().tell(ChooseRefraction(number=1, level=RefractionLevel.FORMAL))
    told.tell(said(1, text="Desearía un pan"))
    (used,) = all_of(told.events, RefractionUsed)
    assert (used.number, used.turn, used.level) == (1, 1, "formal")
    assert told.says(ChooseRefraction(number=1, level=RefractionLevel.NATIVE)) == []
    assert all_of(told.says(said(2, text="Desearía un pan")), RefractionUsed) == []


def test_whoever_wants_none_of_the_wordings_goes_back() -> None:
    told = offered(ChooseRefraction(number=1))
    assert talk_of(told).refractions[0].decided
    assert told.says(ChooseRefraction(number=1)) == []
    assert all_of(told.says(said(1, text="¿Me da un pan?")), RefractionUsed) == []


def test_a_turn_may_name_the_refraction_it_uses() -> None:
    told = chosen()
    (used,) = all_of(told.says(said(1, text="pan", command={"refraction": 1})), RefractionUsed)
    assert used.level == "basic"


@pytest.mark.parametrize(
    ("text", "wording", "found"),
    [
        ("Buenos días, ¿ME DA UN PAN, por favor?", "¿Me da un pan?", True),
        ("que me dan un pan", "¿Me da un pan?", False),
        ("noche", "no", False),
        ("E\u0301l come", "él", True),
        ("STRASSE", "Straße", True),
        ("すみません、パンをください。", "パンをください", True),
        ("hola", "…", False),
        ("", "hola", False),
    ],
)
def test_a_wording_is_found_whole_whatever_its_case_and_normalisation(
    text: str, wording: str, found: bool
) -> None:
    assert holds(normal(text), normal(wording)) is found


@given(st.text(), st.text(min_size=1), st.text())
def test_a_wording_is_found_between_any_others(before: str, wording: str, after: str) -> None:
    if normal(wording):
        assert holds(normal(f"{before} {wording} {after}"), normal(wording))


def test_only_the_newest_wordings_are_kept() -> None:
    told = conversation()
    for number in range(1, REMEMBERED + 3):
        told.tell(asked(number), OfferRefraction(number=number, response=WORDINGS))
    known = [bool(one.basic) for one in talk_of(told).refractions]
    assert known == [False] * 2 + [True] * REMEMBERED
    told.tell(ChooseRefraction(number=1, level=RefractionLevel.BASIC))
    assert all_of(told.says(said(1, text="¿Me da un pan?")), RefractionUsed) == []
    named = said(1, command={"refraction": 1})
    assert len(all_of(told.says(named), RefractionUsed)) == 1


# --- goals, incidents, outcomes ----------------------------------------


def test_a_goal_is_rewarded_once() -> None:
    goal = ReachGoal(npc=JUDGE, objective="appeal")
    told = conversation(goal)
    reached, moved = told.events[1:]
    assert reached.kind == "goal.reached"
    assert moved == ReputationChanged(npc=JUDGE, delta=0.1, reason="goal reached")
    assert told.says(goal) == []
    assert talk_of(told).goals == ("appeal",)


def test_a_turn_may_reach_a_goal_of_the_npc_it_is_said_to_and_once() -> None:
    found = TurnAnalysis(l2_words=5, reached=("appeal", "another"))
    told = conversation(TakeTurn(turn=1, npc=JUDGE, text="Quisiera recurrir", analysis=found))
    events = told.events[1:]
    assert [event.objective for event in events if event.kind == "goal.reached"] == ["appeal"]
    rewards = [event for event in events if event.kind == "reputation.changed"]
    assert [(one.delta, one.reason) for one in rewards][-1] == (0.1, "goal reached")
    again = told.says(TakeTurn(turn=2, npc=JUDGE, text="Quisiera recurrir", analysis=found))
    assert all(event.kind != "goal.reached" for event in again)
    assert talk_of(told).goals == ("appeal",)


def test_an_npc_without_objectives_takes_any_goal() -> None:
    assert len(conversation().says(ReachGoal(npc=BAKER, objective="anything"))) == 2


def test_an_incident_put_right_mends_standing_and_mood() -> None:
    told = conversation(said(1, BAKER, friction("register", 0.8)))
    amends = ResolveIncident(npc=BAKER, incident="sess_1-incident-1", resolution="said sorry")
    resolved, moved, mood = told.says(amends)
    assert isinstance(resolved, IncidentResolved)
    assert resolved.resolution == "said sorry"
    assert isinstance(moved, ReputationChanged)
    assert (moved.delta, moved.reason) == (0.1, "incident put right")
    assert isinstance(mood, MoodChanged)
    assert (mood.trigger, mood.before, mood.mood) == (
        "repair-attempt",
        Mood.IRRITATED,
        Mood.NEUTRAL,
    )
    told.tell(amends)
    assert talk_of(told).standings[BAKER].incidents == ()
    assert told.says(amends) == []


def test_an_incident_of_an_earlier_session_goes_by_what_the_briefing_says() -> None:
    amends = ResolveIncident(npc=BAKER, incident=OLD_QUARREL)
    told = conversation(amends)
    assert len(all_of(told.events, IncidentResolved)) == 1
    assert told.says(amends) == []


def test_the_last_word_on_an_outcome_counts() -> None:
    told = conversation(
        CloseConversation(npc=BAKER, outcome=ConversationOutcome.ABANDONED),
        CloseConversation(npc=BAKER, outcome=ConversationOutcome.COMPLETED),
    )
    assert told.says(CloseConversation(npc=BAKER, outcome=ConversationOutcome.COMPLETED)) == []
    assert talk_of(told).standings[BAKER].outcome is ConversationOutcome.COMPLETED


def test_facts_and_history_need_no_world() -> None:
    told = story(START, turn(1))
    (fact,) = told.says(RememberFact(npc="marta", fact=FactHeard(fact="has a dog")))
    assert fact.kind == "fact.learned"
    record = RecordProfessional(npc="marta", type=ProfessionalKind.PROPOSAL, description="a menu")
    (line,) = told.says(record)
    assert isinstance(line, ProfessionalRecorded)
    assert line.turn == 1
    closed = CloseConversation(npc="marta", outcome=ConversationOutcome.ABANDONED)
    assert [e.kind for e in told.says(closed)] == ["conversation.closed"]
    told.tell(closed, End())
    assert all_of(told.events, NpcParted) == [NpcParted(npc="marta", turns=1)]


# --- silence ----------------------------------------


def climbed(npc: str) -> list[tuple[float, SilenceStep]]:
    """The steps a session takes by itself while the learner says nothing."""
    told = conversation(said(1, npc), reply(1, npc), ladder=True, inactivity_ms=0)
    steps = []
    spoke = told.at
    while (due := next_deadline(told.state)) is not None and due[2] == SILENCE:
        told.at = due[0]
        told.tell(SILENCE)
        event = told.events[-1]
        assert isinstance(event, SilenceNoticed)
        assert (event.npc, event.after_ms) == (npc, told.at - spoke)
        steps.append((event.after_ms / 1000, event.step))
    return steps


def test_each_tier_has_its_ladder_of_silence() -> None:
    assert climbed(FRIEND) == [(5.0, "encourage"), (10.0, "scaffold")]
    assert climbed(BAKER) == [
        (3.0, "wait"),
        (6.0, "check-in-or-repeat"),
        (10.0, "offer-alternative-or-end"),
    ]
    assert climbed(JUDGE) == [(10.0, "hold-the-pause")]
    assert all(list(ladder) == sorted(ladder) for ladder in LADDERS.values())


def silent() -> Story:
    return conversation(said(1), reply(1), ladder=True)


def test_an_early_timer_does_nothing_and_a_late_one_takes_the_step_that_is_reached() -> None:
    told = silent()
    assert told.says(SILENCE, after_s=2.999) == []
    told.tell(SILENCE, after_s=7)
    assert [e.step for e in all_of(told.events, SilenceNoticed)] == ["check-in-or-repeat"]
    assert told.says(SILENCE) == []
    assert next_deadline(told.state) == (told.at + 3000, told.sequence, SILENCE)


@pytest.mark.parametrize("sign", [said(2), asked()])
def test_a_sign_of_the_learner_ends_the_ladder(sign: Any) -> None:
    told = silent().tell(sign)
    assert told.says(SILENCE, after_s=60) == []
    due = next_deadline(told.state)
    assert due is not None
    assert due[2].name == "idle"


def test_silence_is_no_sign_of_life() -> None:
    told = silent()
    spoke = told.at
    told.tell(SILENCE, after_s=3).tell(SILENCE, after_s=3).tell(SILENCE, after_s=4)
    due = next_deadline(told.state)
    assert due is not None
    assert (due[0], due[2].name) == (spoke + 300_000, "idle")


def test_a_pause_stops_the_ladder_and_it_begins_anew() -> None:
    told = silent().tell(SILENCE, after_s=3).tell(Pause())
    assert told.says(SILENCE, after_s=60) == []
    told.tell(Resume(claim=99), after_s=60)
    assert next_deadline(told.state) == (told.at + 3000, told.sequence, SILENCE)


@pytest.mark.parametrize(
    "told",
    [
        conversation(said(1), reply(1)),
        conversation(said(1), said(2), reply(1), ladder=True),
        conversation(said(1), Pause(), reply(1), Resume(claim=99), ladder=True),
        conversation(said(1, JUDGE, aggressive=True), reply(1, JUDGE), ladder=True),
    ],
    ids=["no-ladder", "the-learner-spoke-on", "answered-while-paused", "who-broke-off"],
)
def test_nobody_is_asked_why_it_is_silent(told: Story) -> None:
    assert told.says(SILENCE, after_s=60) == []


def test_only_a_reply_that_waits_for_the_learner_arms_a_timer() -> None:
    assert arms(conversation(said(1), ladder=True).says(reply(1)))
    assert not arms(conversation(said(1)).says(reply(1)))
    assert not arms(story(START, turn(1)).says(reply(1, "marta")))


# --- parting ----------------------------------------


def parting(told: Story, npc: str = BAKER, **end: Any) -> Parting:
    told.tell(End(**end))
    while told.state.owed:
        told.tell(SettleOwed())
    (found,) = [one for one in all_of(told.events, NpcParted) if one.npc == npc]
    assert found.parting is not None
    return found.parting


def test_every_npc_that_was_met_parts_with_a_memory_of_its_own() -> None:
    told = conversation(
        said(1, BAKER, friction("register"), topic="bread", facts=(FactHeard(fact="has a dog"),)),
        said(2, JUDGE, aligned=True, topic="law"),
        ReachGoal(npc=JUDGE, objective="appeal"),
    )
    baker, judge = parting(told), parting(told, JUDGE)
    assert baker.memory == (
        "We spoke about bread. The learner said: has a dog. The tone gave trouble."
    )
    assert (baker.outcome, baker.tier, baker.importance) == ("completed-successfully", 2, 0.6)
    assert baker.openness is None
    assert judge.memory == "We spoke about law; appeal was done."
    assert (judge.openness, judge.tier) == (0.7, 3)
    assert judge.valence == 0.6
    assert baker.valence == 0.12


@pytest.mark.parametrize(
    ("told", "npc", "end", "outcome"),
    [
        (conversation(said(1)), BAKER, {}, "completed-successfully"),
        (conversation(reply(0)), BAKER, {}, "abandoned"),
        (conversation(said(1)), BAKER, {"reason": EndReason.SYSTEM_ERROR}, "abandoned"),
        (conversation(said(1)), BAKER, {"reason": EndReason.INACTIVITY_TIMEOUT}, "abandoned"),
        (conversation(said(1)), BAKER, {"reason": EndReason.TIME_LIMIT}, "completed-successfully"),
        (conversation(said(1, JUDGE)), JUDGE, {}, "abandoned"),
        (conversation(said(1, CLERK)), CLERK, {}, "completed-successfully"),
        (conversation(said(1, BAKER, friction("register", 1))), BAKER, {}, "friction-event"),
        (collapsed(), JUDGE, {}, "npc-ended"),
        (
            conversation(
                said(1), CloseConversation(npc=BAKER, outcome=ConversationOutcome.FRICTION)
            ),
            BAKER,
            {},
            "friction-event",
        ),
    ],
    ids=[
        "plain", "only-opened", "system-error", "inactivity", "time-limit", "objective-missed",
        "no-objectives", "incident", "collapsed", "told",
    ],
)  # fmt: skip
def test_how_a_conversation_came_out(
    told: Story, npc: str, end: dict[str, Any], outcome: str
) -> None:
    found = parting(told, npc, **end)
    assert found.outcome == outcome
    failed = outcome in ("friction-event", "npc-ended")
    assert found.importance == (0.9 if failed else 0.6)


def test_who_broke_off_remembers_it_darkly() -> None:
    found = parting(collapsed(), JUDGE)
    assert found.memory == "We spoke. I broke it off."
    assert found.valence == -0.8
    assert found.openness == 0.7


def test_nothing_is_remembered_where_nothing_was_said() -> None:
    assert parting(conversation(reply(0))).memory == ""


def test_an_affect_stays_with_whom_it_was_felt() -> None:
    bad = said(1, BAKER, friction("lexical"), l1_words=3, l2_words=3, hedges=2)
    told = conversation(bad, *[said(n, FRIEND) for n in range(2, 9)])
    standings = talk_of(told).standings
    assert standings[BAKER].affect is Affect.ANXIOUS
    assert standings[FRIEND].affect is Affect.ENGAGED


# --- rehearsals and limits ----------------------------------------


def test_a_rehearsal_goes_on_with_the_conversation_and_concerns_nobody() -> None:
    parent = conversation(said(1), reply(1), asked(), ladder=True)
    told = Story(at=parent.at + 7_200_000).tell(fork_of(parent.state))
    assert told.state.parent == "sess_0"
    talk = talk_of(told)
    assert talk.recent == talk_of(parent).recent
    assert talk.standings[BAKER].seen_at == told.at
    assert [e.kind for e in told.says(said(2))][:2] == ["turn.taken", "affect.changed"]
    told.tell(said(2), End())
    assert all_of(told.events, NpcParted) == []


def test_a_world_ends_a_session_at_its_limit_and_for_inactivity() -> None:
    told = conversation(said(1))
    late = told.says(TimerFired(name="idle"), after_s=300)
    assert [e.reason for e in all_of(late, SessionEnded)] == [EndReason.INACTIVITY_TIMEOUT]
    over = told.says(TimerFired(name="session"), after_s=1800)
    assert [e.reason for e in all_of(over, SessionEnded)] == [EndReason.TIME_LIMIT]


def test_the_state_of_a_long_conversation_stays_small() -> None:
    told = conversation()
    state = told.state
    for number in range(1, 401):
        command = said(
            number, BAKER, friction("register", 0.9), text="x" * 4000, topic=f"topic {number}"
        )
        events = session.decide(state, command, NOON)
        session.advance(state, events, told.log[0][0])
    assert len(pack(STATE.dump_python(state))) < 32 * 1024
