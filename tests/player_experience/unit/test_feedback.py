"""What a player says of its sessions, and that what follows of it is really done."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from holodeck.actors.learner.player.feedback import adapted, effect
from holodeck.actors.learner.player.settings import valid
from holodeck.actors.learner.player.state import FEEDBACK, FEEDBACK_TEXT
from holodeck.messages.player import (
    ApproveChange,
    ChangeApproved,
    ChangePlayerSettings,
    CrisisType,
    FeedbackGiven,
    GiveFeedback,
    IntensityLevel,
    PlayerSettings,
    PlayerSettingsChanged,
    TherapeuticApproach,
)
from tests.messages.strategies import instances
from tests.player_experience.unit.folk import Folk, kinds

laws = settings(max_examples=50, deadline=None)
EASE = ("reduce_intensity", "increase_support")
A = TherapeuticApproach


def fb(identity: str = "f1", **more: Any) -> GiveFeedback:
    return GiveFeedback(feedback_id=identity, **more)


def wanting(**changes: Any) -> GiveFeedback:
    return fb(preference_changes=json.dumps(changes))


def with_settings(**more: Any) -> Folk:
    ana = Folk.made()
    ana.does(ChangePlayerSettings(settings=PlayerSettings(**more)))
    return ana


# --- what follows ----------------------------------------


@pytest.mark.parametrize(
    ("rating", "changes", "confidence"),
    [
        (1, EASE, 0.8),
        (2, EASE, 0.8),
        (3, (), 0.6),
        (4, ("maintain_current_approach",), 0.9),
        (5, ("maintain_current_approach",), 0.9),
    ],
)
def test_a_rating_leads_to(rating: int, changes: tuple[str, ...], confidence: float) -> None:
    found = effect(fb(rating=rating))
    assert found == ("rating", changes, confidence, False)


@pytest.mark.parametrize(
    ("text", "changes", "confidence"),
    [
        ("helpful but hard", ("maintain_current_approach",), 0.7),
        ("That was GOOD", ("maintain_current_approach",), 0.7),
        ("hard", ("reduce_difficulty", "increase_support"), 0.6),
        ("so difficult", ("reduce_difficulty", "increase_support"), 0.6),
        ("boring", ("increase_engagement", "vary_approaches"), 0.7),
        ("well", (), 0.5),
    ],
)
def test_a_text_leads_to_what_its_first_match_says(
    text: str, changes: tuple[str, ...], confidence: float
) -> None:
    assert effect(fb(text=text)) == ("text", changes, confidence, False)


def test_a_change_of_preference_waits_for_the_players_word() -> None:
    found = effect(wanting(intensity_level="low"))
    assert found == ("preference_change", ("update_intensity_level",), 0.9, True)


def test_a_crisis_is_answered_at_once() -> None:
    found = effect(fb(crisis_types=(CrisisType.SUICIDAL_IDEATION,)))
    assert (found.confidence, found.approval) == (1.0, False)
    assert {"enable_crisis_monitoring", "provide_support_resources"} <= set(found.changes)


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"rating": "5"},
        {"rating": 0},
        {"rating": 6},
        {"rating": True},
        {"rating": 3, "text": "and this"},
        {"preference_changes": "{no json"},
    ],
)
def test_a_feedback_says_one_thing_of_the_right_kind(told: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        fb(**told)


@pytest.mark.parametrize(
    "changes",
    [[], {}, "low", {"mood": "low"}, {"intensity_level": "extreme"}, {"version": 9}],
)
def test_changes_that_are_none_of_settings_are_refused(changes: Any) -> None:
    ana = Folk.made()
    told = fb(preference_changes=json.dumps(changes))
    assert ana.refuses(told).reason == "invalid-preference"


# --- and is done ----------------------------------------


def test_a_low_rating_lowers_the_intensity_by_a_level_and_raises_support() -> None:
    ana = with_settings(intensity_level=IntensityLevel.HIGH)
    events = ana.does(fb(rating=1))
    assert kinds(events) == ["player.feedback-given", "player.settings-changed"]
    held = ana.player.settings
    assert held.intensity_level is IntensityLevel.MEDIUM
    assert (held.intervention_frequency, held.feedback_sensitivity) == ("frequent", 0.6)
    assert held.version == 3
    ana.does(fb("f2", rating=2))
    assert ana.player.settings.intensity_level is IntensityLevel.LOW
    for n in range(6):
        ana.does(fb(f"more{n}", rating=1))
    held = ana.player.settings
    assert (held.intensity_level, held.feedback_sensitivity) == (IntensityLevel.LOW, 1.0)


def test_what_needs_no_change_changes_nothing() -> None:
    ana = Folk.made()
    before = ana.player.settings
    for n, told in enumerate((fb("a", rating=3), fb("b", rating=5), fb("c", text="good"))):
        assert kinds(ana.does(told)) == ["player.feedback-given"], n
    assert ana.player.settings == before


def test_a_hard_session_makes_the_next_easier() -> None:
    ana = with_settings(challenge_tolerance=0.5, pacing_preference="fast")
    ana.does(fb(text="too hard"))
    held = ana.player.settings
    assert (held.challenge_tolerance, held.pacing_preference) == (0.3, "adaptive")
    assert held.intervention_frequency == "frequent"


def test_a_boring_session_makes_the_next_livelier_with_another_approach() -> None:
    ana = with_settings(
        preferred_approaches=(A.CBT, A.MINDFULNESS),
        secondary_approaches=(A.NARRATIVE_THERAPY, A.HUMANISTIC),
        pacing_preference="slow",
    )
    ana.does(fb(text="boring"))
    held = ana.player.settings
    assert held.preferred_approaches == (A.NARRATIVE_THERAPY, A.CBT)
    assert held.secondary_approaches == (A.HUMANISTIC, A.MINDFULNESS)
    assert (held.challenge_tolerance, held.pacing_preference) == (0.6, "adaptive")


def test_a_crisis_switches_monitoring_on_and_the_intensity_down() -> None:
    ana = with_settings(crisis_monitoring_enabled=False, crisis_sensitivity=0.4)
    ana.does(fb(crisis_types=(CrisisType.SELF_HARM,)))
    held = ana.player.settings
    assert (held.crisis_monitoring_enabled, held.crisis_sensitivity) == (True, 0.9)
    assert held.intensity_level is IntensityLevel.LOW


def test_a_wanted_change_is_made_when_the_player_says_yes() -> None:
    ana = Folk.made()
    assert kinds(ana.does(wanting(intensity_level="high", session_duration_preference=60))) == [
        "player.feedback-given"
    ]
    assert ana.player.settings.intensity_level is IntensityLevel.MEDIUM
    events = ana.does(ApproveChange(feedback_id="f1"))
    assert kinds(events) == ["player.change-approved", "player.settings-changed"]
    held = ana.player.settings
    assert (held.intensity_level, held.session_duration) == (IntensityLevel.HIGH, 60)
    assert ana.does(ApproveChange(feedback_id="f1")) == ()
    refused = ana.refuses(ApproveChange(feedback_id="f1", approve=False))
    assert refused.reason == "already-answered"


def test_a_wanted_change_is_not_made_when_the_player_says_no() -> None:
    ana = Folk.made()
    ana.does(wanting(intensity_level="high"))
    answer = ApproveChange(feedback_id="f1", approve=False)
    assert ana.does(answer) == (ChangeApproved(feedback_id="f1", approve=False),)
    assert ana.player.settings.intensity_level is IntensityLevel.MEDIUM
    assert ana.does(answer) == ()


def test_a_yes_to_what_conflicts_by_then_is_mended_or_refused() -> None:
    ana = with_settings(crisis_monitoring_enabled=False)
    ana.does(wanting(intensity_level="high"))
    events = ana.does(ApproveChange(feedback_id="f1"))
    assert isinstance(events[1], PlayerSettingsChanged)
    assert events[1].resolved == ("high_intensity_without_monitoring",)
    boundary = {"boundary_type": "comfort_topic", "topics": ["x"]}
    both = [
        {"boundary_id": "a", **boundary},
        {"boundary_id": "b", **boundary, "boundary_type": "avoid_topic"},
    ]
    ana.does(fb("f2", preference_changes=json.dumps({"boundaries": both})))
    assert ana.refuses(ApproveChange(feedback_id="f2")).reason == "settings-conflict"
    assert ana.does(ApproveChange(feedback_id="f2", approve=False))


def test_a_yes_needs_something_that_waits_for_it() -> None:
    ana = Folk.made()
    assert ana.refuses(ApproveChange(feedback_id="zz")).reason == "unknown-feedback"
    ana.does(fb(rating=5))
    assert ana.refuses(ApproveChange(feedback_id="f1")).reason == "unknown-feedback"


def test_a_feedback_counts_once_for_its_id() -> None:
    ana = with_settings(intensity_level=IntensityLevel.HIGH)
    ana.does(fb(rating=1))
    assert ana.does(fb(rating=1)) == ()
    assert ana.player.settings.intensity_level is IntensityLevel.MEDIUM
    assert len(ana.player.feedback) == 1


def test_only_a_player_gives_feedback() -> None:
    assert Folk().refuses(fb(rating=1)).reason == "unknown-player"
    assert Folk().refuses(ApproveChange(feedback_id="f1")).reason == "unknown-player"


# --- whatever is said ----------------------------------------


def test_as_much_is_kept_as_there_is_room_for() -> None:
    ana = Folk.made()
    for n in range(FEEDBACK + 5):
        ana.does(fb(f"f{n}", text="x" * 4000))
    assert ana.player.feedback[0].feedback_id == "f5"
    assert {len(one.text or "") for one in ana.player.feedback} == {FEEDBACK_TEXT}
    assert len(ana.player.feedback) == FEEDBACK


def test_changes_too_large_to_be_kept_are_refused() -> None:
    ana = Folk.made()
    assert ana.refuses(wanting(avoid_topics=["x" * 200] * 50)).reason == "invalid-preference"


@laws
@given(instances(PlayerSettings), st.lists(instances(GiveFeedback), max_size=3))
def test_whatever_is_said_the_settings_stand(
    wanted: PlayerSettings, said: list[GiveFeedback]
) -> None:
    ana = Folk.made()
    if valid(wanted):
        ana.does(ChangePlayerSettings(settings=wanted))
    for told in said:
        known = ana.player.said(told.feedback_id) is not None
        if told.preference_changes is not None and not known:
            assert ana.refuses(told).reason == "invalid-preference"
            continue
        events = ana.does(told)
        assert not events or isinstance(events[0], FeedbackGiven)
        assert valid(ana.player.settings)
        assert PlayerSettings.model_validate(ana.player.settings.model_dump())


@laws
@given(
    instances(PlayerSettings).filter(valid),
    st.lists(
        st.sampled_from(
            ["reduce_intensity", "increase_support", "reduce_difficulty", "increase_engagement",
             "vary_approaches", "enable_crisis_monitoring", "maintain_current_approach"]
        )
    ),
)  # fmt: skip
def test_no_change_draws_or_lifts_a_boundary(held: PlayerSettings, changes: list[str]) -> None:
    after = adapted(held, changes)
    assert after.boundaries == held.boundaries
    assert after.trigger_warnings == held.trigger_warnings
    assert after.version == held.version
    assert set(after.preferred_approaches + after.secondary_approaches) == set(
        held.preferred_approaches + held.secondary_approaches
    )
