"""What of a player's settings goes together, how it is mended, and what a session gets of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from pydantic import ValidationError

from holodeck.actors.learner.player.settings import (
    Conflict,
    conflicts,
    from_preferences,
    intensity_of,
    level_of,
    migrated,
    resolved,
    session_settings,
    valid,
)
from holodeck.messages.player import (
    Boundary,
    ChangePlayerSettings,
    IntensityLevel,
    PlayerSettings,
    PlayerSettingsChanged,
    PrivacySettings,
    TherapeuticApproach,
    TherapeuticPreferences,
    TherapeuticSettings,
    UpdatePlayer,
)
from tests.messages.strategies import instances
from tests.player_experience.unit.folk import Folk

CBT = TherapeuticApproach.CBT
MINDFULNESS = TherapeuticApproach.MINDFULNESS
HUMANISTIC = TherapeuticApproach.HUMANISTIC
DBT = TherapeuticApproach.DIALECTICAL_BEHAVIORAL
laws = settings(max_examples=50, deadline=None)


def found(**more: Any) -> Conflict | None:
    """The one conflict of settings, if there is one."""
    some = conflicts(PlayerSettings(**more))
    assert len(some) <= 1
    return some[0] if some else None


def avoiding(*topics: str, comfort: tuple[str, ...] = (), active: bool = True) -> PlayerSettings:
    return PlayerSettings(
        boundaries=(
            Boundary(boundary_id="a", boundary_type="avoid_topic", topics=topics),
            Boundary(
                boundary_id="b", boundary_type="comfort_topic", topics=comfort, is_active=active
            ),
        )
    )


# --- limits ----------------------------------------


@pytest.mark.parametrize(
    ("model", "name", "values"),
    [
        (TherapeuticPreferences, "session_duration_preference", [9, 10, 120, 121]),
        (PrivacySettings, "data_retention_period_days", [29, 30, 2555, 2556]),
        (TherapeuticSettings, "intensity_level", [-0.01, 0, 1, 1.01]),
        (TherapeuticSettings, "feedback_sensitivity", [-0.01, 0, 1, 1.01]),
        (PlayerSettings, "feedback_sensitivity", [-0.01, 0, 1, 1.01]),
        (PlayerSettings, "challenge_tolerance", [-0.01, 0, 1, 1.01]),
        (PlayerSettings, "crisis_sensitivity", [-0.01, 0, 1, 1.01]),
        (PlayerSettings, "safety_check_frequency", [0, 1, 20, 21]),
        (PlayerSettings, "session_duration", [9, 10, 120, 121]),
        (PlayerSettings, "break_reminder_interval", [4, 5, 60, 61]),
    ],
)
def test_a_number_has_its_range_and_both_ends_of_it(
    model: Any, name: str, values: list[float]
) -> None:
    below, least, most, above = values
    assert getattr(model(**{name: least}), name) == least
    assert getattr(model(**{name: most}), name) == most
    for value in (below, above):
        with pytest.raises(ValidationError, match=name):
            model(**{name: value})


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (TherapeuticSettings, {"intervention_frequency": "often"}),
        (PlayerSettings, {"intervention_frequency": "often"}),
        (PlayerSettings, {"pacing_preference": "medium"}),
        (PlayerSettings, {"progress_celebration_style": "loud"}),
        (PlayerSettings, {"version": 0}),
        (TherapeuticPreferences, {"intensity_level": "extreme"}),
        (TherapeuticPreferences, {"intensity_level": "MEDIUM"}),
        (TherapeuticPreferences, {"preferred_approaches": ("hypnosis",)}),
        (TherapeuticPreferences, {"preferred_approaches": tuple(TherapeuticApproach)[:6]}),
        (TherapeuticPreferences, {"unknown": 1}),
    ],
)
def test_what_is_none_of_the_words_is_refused(model: Any, told: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        model(**told)


def test_words_of_the_wire_become_what_they_name() -> None:
    """A model is what travels: its words are taken, and become the members they name."""
    made = TherapeuticPreferences.model_validate(
        {"intensity_level": "medium", "preferred_approaches": ["mindfulness"]}
    )
    assert made.intensity_level is IntensityLevel.MEDIUM
    assert made.preferred_approaches == (MINDFULNESS,)


def test_privacy_begins_with_consent_to_be_known_and_to_nothing_beyond() -> None:
    assert PrivacySettings().model_dump() == {
        "data_collection_consent": True,
        "research_participation_consent": False,
        "progress_sharing_enabled": False,
        "anonymous_analytics_enabled": True,
        "session_recording_enabled": False,
        "data_retention_period_days": 365,
        "third_party_sharing_consent": False,
        "collect_interaction_patterns": True,
        "collect_emotional_responses": True,
        "collect_therapeutic_outcomes": True,
        "collect_usage_statistics": True,
    }


def test_a_boundary_stands_in_settings_once() -> None:
    one = Boundary(boundary_id="a", boundary_type="other")
    with pytest.raises(ValidationError, match="twice"):
        PlayerSettings(boundaries=(one, one))


# --- conflicts ----------------------------------------


def test_a_medium_intensity_with_cognitive_therapy_has_no_conflict() -> None:
    held = PlayerSettings(preferred_approaches=(CBT,))
    assert conflicts(held) == ()
    assert valid(held)


@pytest.mark.parametrize("approach", [MINDFULNESS, HUMANISTIC])
def test_a_high_intensity_is_warned_of_beside_a_gentle_approach(
    approach: TherapeuticApproach,
) -> None:
    held = PlayerSettings(intensity_level=IntensityLevel.HIGH, preferred_approaches=(CBT, approach))
    (conflict,) = conflicts(held)
    assert (conflict.name, conflict.severity) == ("intensity_approach_mismatch", "warning")
    assert valid(held)
    assert resolved(held) == (held, ())


def test_a_topic_that_comforts_and_is_avoided_is_an_error_and_is_no_longer_avoided() -> None:
    held = PlayerSettings(comfort_topics=("Family", "work"), avoid_topics=("family", "war"))
    (conflict,) = conflicts(held)
    assert (conflict.severity, conflict.auto_resolvable) == ("error", True)
    assert conflict.topics == ("family",)
    assert not valid(held)
    mended, names = resolved(held)
    assert mended.avoid_topics == ("war",)
    assert mended.comfort_topics == ("Family", "work")
    assert names == ("comfort_avoid_overlap",)


def test_a_high_intensity_without_crisis_monitoring_is_critical_and_gets_it() -> None:
    held = PlayerSettings(intensity_level=IntensityLevel.HIGH, crisis_monitoring_enabled=False)
    (conflict,) = conflicts(held)
    assert (conflict.severity, conflict.auto_resolvable) == ("critical", True)
    assert not valid(held)
    assert resolved(held)[0].crisis_monitoring_enabled


@pytest.mark.parametrize(("tolerance", "severity"), [(0.8, None), (0.81, "warning")])
def test_a_slow_pace_is_warned_of_beside_a_high_tolerance(
    tolerance: float, severity: str | None
) -> None:
    conflict = found(pacing_preference="slow", challenge_tolerance=tolerance)
    assert (conflict.severity if conflict else None) == severity


@pytest.mark.parametrize(("sensitivity", "severity"), [(0.29, "error"), (0.3, None)])
@pytest.mark.parametrize("where", ["preferred_approaches", "secondary_approaches"])
def test_dialectical_therapy_needs_an_ear_for_crises(
    sensitivity: float, severity: str | None, where: str
) -> None:
    told: dict[str, Any] = {"crisis_sensitivity": sensitivity, where: (DBT,)}
    conflict = found(**told)
    assert (conflict.severity if conflict else None) == severity
    assert resolved(PlayerSettings(**told))[0].crisis_sensitivity == (0.7 if severity else 0.3)


def test_boundaries_that_contradict_are_an_error_nobody_else_mends() -> None:
    held = avoiding("x", comfort=("X",))
    (conflict,) = conflicts(held)
    assert (conflict.severity, conflict.auto_resolvable) == ("error", False)
    assert resolved(held) == (held, ())
    assert not conflicts(avoiding("x", comfort=("X",), active=False))
    assert not conflicts(avoiding("x", comfort=("y",)))


@laws
@given(instances(PlayerSettings))
def test_after_mending_only_what_cannot_be_mended_blocks(held: PlayerSettings) -> None:
    mended, names = resolved(held)
    assert all(not one.auto_resolvable for one in conflicts(mended) if one.blocks)
    assert bool(names) == (mended != held)
    assert resolved(mended) == (mended, ())
    assert mended.boundaries == held.boundaries
    assert PlayerSettings.model_validate(mended.model_dump()) == mended


# --- versions ----------------------------------------


def test_mended_settings_are_stored_as_a_new_version_and_told_with_what_was_mended() -> None:
    ana = Folk.made()
    wanted = PlayerSettings(intensity_level=IntensityLevel.HIGH, crisis_monitoring_enabled=False)
    assert ana.player.settings.version == 1
    (event,) = ana.does(ChangePlayerSettings(settings=wanted, base=1))
    assert isinstance(event, PlayerSettingsChanged)
    assert event.resolved == ("high_intensity_without_monitoring",)
    assert ana.player.settings == wanted.model_copy(
        update={"crisis_monitoring_enabled": True, "version": 2}
    )
    assert ana.does(ChangePlayerSettings(settings=wanted, base=2)) == ()


def test_the_version_is_the_actors_whatever_the_sender_says() -> None:
    ana = Folk.made()
    ana.does(ChangePlayerSettings(settings=PlayerSettings(session_duration=40, version=77)))
    assert ana.player.settings.version == 2


def test_settings_made_from_another_version_are_refused_with_the_present_one() -> None:
    ana = Folk.made()
    ana.does(ChangePlayerSettings(settings=PlayerSettings(session_duration=40)))
    refused = ana.refuses(
        ChangePlayerSettings(settings=PlayerSettings(session_duration=50), base=1)
    )
    assert (refused.reason, refused.detail) == ("settings-version", "2")


def test_what_cannot_be_mended_is_refused_and_changes_nothing() -> None:
    ana = Folk.made()
    refused = ana.refuses(ChangePlayerSettings(settings=avoiding("x", comfort=("x",))))
    assert refused.reason == "settings-conflict"
    assert "contradicting_boundaries" in refused.detail


def test_who_wants_no_mending_is_told_what_conflicts() -> None:
    ana = Folk.made()
    wanted = PlayerSettings(intensity_level=IntensityLevel.HIGH, crisis_monitoring_enabled=False)
    refused = ana.refuses(ChangePlayerSettings(settings=wanted, resolve=False))
    assert refused.reason == "settings-conflict"
    assert "critical" in refused.detail


def test_only_a_player_has_settings() -> None:
    ana = Folk()
    assert ana.refuses(ChangePlayerSettings(settings=PlayerSettings())).reason == "unknown-player"


# --- preferences and settings ----------------------------------------


def test_settings_begin_as_the_preferences_say_without_what_contradicts() -> None:
    ana = Folk.made(
        preferences=TherapeuticPreferences(
            intensity_level=IntensityLevel.LOW,
            preferred_approaches=(CBT,),
            comfort_topics=("the sea",),
            avoid_topics=("The Sea", "war"),
            session_duration_preference=45,
        )
    )
    held = ana.player.settings
    assert (held.intensity_level, held.preferred_approaches) == (IntensityLevel.LOW, (CBT,))
    assert (held.avoid_topics, held.session_duration, held.version) == (("war",), 45, 1)
    assert valid(held)


def test_a_changed_preference_is_carried_over_and_the_others_are_left_alone() -> None:
    ana = Folk.made()
    ana.does(ChangePlayerSettings(settings=PlayerSettings(session_duration=60)))
    events = ana.does(
        UpdatePlayer(preferences=TherapeuticPreferences(intensity_level=IntensityLevel.LOW))
    )
    assert [event.kind for event in events] == ["player.updated", "player.settings-changed"]
    held = ana.player.settings
    assert (held.intensity_level, held.session_duration) == (IntensityLevel.LOW, 60)
    assert held.version == 3


@laws
@given(instances(TherapeuticPreferences), instances(TherapeuticPreferences))
def test_settings_from_preferences_always_stand(
    before: TherapeuticPreferences, after: TherapeuticPreferences
) -> None:
    held = from_preferences(before)
    assert valid(held)
    assert valid(from_preferences(after, held, before))


# --- float and level ----------------------------------------


@pytest.mark.parametrize(
    ("intensity", "level"),
    [(0, "low"), (0.33, "low"), (0.34, "medium"), (0.66, "medium"), (0.67, "high"), (1, "high")],
)
def test_a_float_intensity_has_a_level(intensity: float, level: str) -> None:
    assert level_of(intensity).value == level
    assert migrated({"intensity_level": intensity}).intensity_level.value == level


@pytest.mark.parametrize("level", list(IntensityLevel))
def test_a_level_survives_being_a_float(level: IntensityLevel) -> None:
    assert level_of(intensity_of(level)) is level


def test_older_values_are_taken_over_as_far_as_they_mean_something() -> None:
    made = migrated(
        {
            "intensity_level": 0.9,
            "preferred_approaches": ["mindfulness", "hypnosis"],
            "secondary_approaches": ["cbt"],
            "session_duration": 50,
            "validation_level": "strict",
            "version": 12,
        }
    )
    assert made == PlayerSettings(
        intensity_level=IntensityLevel.HIGH,
        preferred_approaches=(MINDFULNESS,),
        session_duration=50,
    )


@pytest.mark.parametrize(
    "raw", [{"intensity_level": 1.5}, {"intensity_level": True}, {"session_duration": 9}]
)
def test_older_values_outside_their_range_are_refused(raw: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"intensity|session_duration"):
        migrated(raw)


def test_a_session_is_led_as_the_players_settings_say() -> None:
    ana = Folk.made()
    assert session_settings(ana.player) == TherapeuticSettings()
    ana.does(
        ChangePlayerSettings(
            settings=PlayerSettings(
                intensity_level=IntensityLevel.LOW,
                preferred_approaches=(CBT,),
                intervention_frequency="frequent",
                feedback_sensitivity=0.9,
                adaptive_difficulty=False,
            )
        )
    )
    assert session_settings(ana.player) == TherapeuticSettings(
        intensity_level=0.3,
        preferred_approaches=(CBT,),
        intervention_frequency="frequent",
        feedback_sensitivity=0.9,
        adaptive_difficulty=False,
    )


@laws
@given(instances(PlayerSettings))
def test_whatever_the_settings_a_session_gets_sound_ones(held: PlayerSettings) -> None:
    ana = Folk.made()
    ana.player.settings = held
    made = session_settings(ana.player)
    assert level_of(made.intensity_level) is held.intensity_level
    assert TherapeuticSettings.model_validate(made.model_dump()) == made
