"""A player's settings: what of them cannot stand together, how it is mended, what a session gets.

One law: what is stored holds no conflict of severity error or critical; who wants such settings
gets mended ones or is refused.

The float of a session and the level of a person are turned into one another here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal

from holodeck.actors.learner.player.state import Player
from holodeck.messages.player import (
    IntensityLevel,
    PlayerSettings,
    TherapeuticApproach,
    TherapeuticPreferences,
    TherapeuticSettings,
)

Severity = Literal["warning", "error", "critical"]

LOW_TO: Final = 0.33
MEDIUM_TO: Final = 0.66
"""Up to where a float intensity is low, and medium."""
INTENSITY: Final[dict[IntensityLevel, float]] = {
    IntensityLevel.LOW: 0.3,
    IntensityLevel.MEDIUM: 0.5,
    IntensityLevel.HIGH: 0.8,
}
"""What a level is as a float; turned back it is the same level."""
LEVELS: Final = tuple(IntensityLevel)
GENTLE: Final = frozenset({TherapeuticApproach.MINDFULNESS, TherapeuticApproach.HUMANISTIC})
"""Approaches that a high intensity works against."""
BOLD: Final = 0.8
"""A tolerance above it does not go with a slow pace."""
WATCHFUL: Final = 0.3
"""Dialectical behavioural therapy needs at least this sensitivity to crises."""
WATCHFUL_AGAIN: Final = 0.7


def level_of(intensity: float) -> IntensityLevel:
    """The level of a float intensity: up to 0.33 low, up to 0.66 medium, else high."""
    if intensity <= LOW_TO:
        return IntensityLevel.LOW
    return IntensityLevel.MEDIUM if intensity <= MEDIUM_TO else IntensityLevel.HIGH


def intensity_of(level: IntensityLevel) -> float:
    """The float of a level: 0.3, 0.5, 0.8."""
    return INTENSITY[level]


def session_settings(player: Player) -> TherapeuticSettings:
    """How a session of the player is to be led, where its start does not say."""
    held = player.settings
    return TherapeuticSettings(
        intensity_level=intensity_of(held.intensity_level),
        preferred_approaches=held.preferred_approaches,
        intervention_frequency=held.intervention_frequency,
        feedback_sensitivity=held.feedback_sensitivity,
        crisis_monitoring_enabled=held.crisis_monitoring_enabled,
        adaptive_difficulty=held.adaptive_difficulty,
    )


# --- conflicts ----------------------------------------


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two settings that do not go together.

    Attributes:
        name: a stable word, such as ``intensity_approach_mismatch``.
        fields: of the settings it is about; topics: those it is about, lower case.
        remedy: what mending it does; empty: it cannot be mended of itself.
    """

    name: str
    severity: Severity
    fields: tuple[str, ...]
    description: str
    remedy: str = ""
    topics: tuple[str, ...] = ()

    @property
    def auto_resolvable(self) -> bool:
        return bool(self.remedy)

    @property
    def blocks(self) -> bool:
        """Settings with it are not stored."""
        return self.severity != "warning"


def same(topics: Iterable[str]) -> set[str]:
    """Topics as two lists of them are compared: without regard to case."""
    return {topic.strip().casefold() for topic in topics}


def _mismatch(held: PlayerSettings) -> Conflict | None:
    if held.intensity_level is not IntensityLevel.HIGH or not GENTLE & set(
        held.preferred_approaches
    ):
        return None
    return Conflict(
        "intensity_approach_mismatch",
        "warning",
        ("intensity_level", "preferred_approaches"),
        "a high intensity works against mindfulness and humanistic therapy",
        "the intensity becomes medium",
    )


def _unwatched(held: PlayerSettings) -> Conflict | None:
    if held.intensity_level is not IntensityLevel.HIGH or held.crisis_monitoring_enabled:
        return None
    return Conflict(
        "high_intensity_without_monitoring",
        "critical",
        ("intensity_level", "crisis_monitoring_enabled"),
        "a high intensity needs crisis monitoring",
        "crisis monitoring is enabled",
    )


def _both(held: PlayerSettings) -> Conflict | None:
    shared = same(held.comfort_topics) & same(held.avoid_topics)
    if not shared:
        return None
    return Conflict(
        "comfort_avoid_overlap",
        "error",
        ("comfort_topics", "avoid_topics"),
        f"topics that comfort and are avoided: {', '.join(sorted(shared))}",
        "they are no longer avoided",
        tuple(sorted(shared)),
    )


def _hurried(held: PlayerSettings) -> Conflict | None:
    if held.pacing_preference != "slow" or held.challenge_tolerance <= BOLD:
        return None
    return Conflict(
        "pacing_challenge_mismatch",
        "warning",
        ("pacing_preference", "challenge_tolerance"),
        f"a slow pace does not go with a challenge tolerance above {BOLD:g}",
        "the pace becomes adaptive",
    )


def _deaf(held: PlayerSettings) -> Conflict | None:
    approaches = {*held.preferred_approaches, *held.secondary_approaches}
    if held.crisis_sensitivity >= WATCHFUL or (
        TherapeuticApproach.DIALECTICAL_BEHAVIORAL not in approaches
    ):
        return None
    return Conflict(
        "dbt_low_crisis_sensitivity",
        "error",
        ("preferred_approaches", "crisis_sensitivity"),
        f"dialectical behavioural therapy needs a crisis sensitivity of at least {WATCHFUL:g}",
        f"the crisis sensitivity becomes {WATCHFUL_AGAIN:g}",
    )


def _contradicting(held: PlayerSettings) -> Conflict | None:
    topics: dict[str, set[str]] = {"avoid_topic": set(), "comfort_topic": set()}
    for boundary in held.boundaries:
        if boundary.is_active and boundary.boundary_type in topics:
            topics[boundary.boundary_type] |= same(boundary.topics)
    shared = topics["avoid_topic"] & topics["comfort_topic"]
    if not shared:
        return None
    # What somebody drew as a boundary is not for anybody else to lift.
    return Conflict(
        "contradicting_boundaries",
        "error",
        ("boundaries",),
        f"boundaries both seek and avoid: {', '.join(sorted(shared))}",
        topics=tuple(sorted(shared)),
    )


_RULES: Final[tuple[Callable[[PlayerSettings], Conflict | None], ...]] = (
    _mismatch,
    _unwatched,
    _both,
    _hurried,
    _deaf,
    _contradicting,
)


def conflicts(held: PlayerSettings) -> tuple[Conflict, ...]:
    """What does not go together, in the order of the rules."""
    return tuple(found for rule in _RULES if (found := rule(held)) is not None)


def valid(held: PlayerSettings) -> bool:
    """Whether the settings may be stored: no error and nothing critical is among the conflicts."""
    return not any(found.blocks for found in conflicts(held))


def _mended(held: PlayerSettings, found: Conflict) -> dict[str, Any]:
    match found.name:
        case "intensity_approach_mismatch":
            return {"intensity_level": IntensityLevel.MEDIUM}
        case "high_intensity_without_monitoring":
            return {"crisis_monitoring_enabled": True}
        case "comfort_avoid_overlap":
            kept = (t for t in held.avoid_topics if not same((t,)) & set(found.topics))
            return {"avoid_topics": tuple(kept)}
        case "pacing_challenge_mismatch":
            return {"pacing_preference": "adaptive"}
        case "dbt_low_crisis_sensitivity":
            return {"crisis_sensitivity": WATCHFUL_AGAIN}
        case _:
            return {}


def resolved(held: PlayerSettings) -> tuple[PlayerSettings, tuple[str, ...]]:
    """Settings without any conflict that blocks and can be mended, and the names of those mended.

    What is only a warning stays as the player wanted it. One mending never brings forth another
    conflict that blocks; still they are looked for anew after each.
    """
    names: list[str] = []
    while True:
        found = next((c for c in conflicts(held) if c.blocks and c.auto_resolvable), None)
        if found is None:
            return held, tuple(names)
        held = held.model_copy(update=_mended(held, found))
        names.append(found.name)


# --- where settings come from ----------------------------------------

SHARED: Final[dict[str, str]] = {
    "intensity_level": "intensity_level",
    "preferred_approaches": "preferred_approaches",
    "trigger_warnings": "trigger_warnings",
    "comfort_topics": "comfort_topics",
    "avoid_topics": "avoid_topics",
    "session_duration_preference": "session_duration",
}
"""What preferences say that settings say too, by the preference's name."""


def from_preferences(
    preferences: TherapeuticPreferences,
    held: PlayerSettings | None = None,
    before: TherapeuticPreferences | None = None,
) -> PlayerSettings:
    """Settings as preferences want them, mended; the version stays.

    Args:
        held: the settings so far; None: the defaults.
        before: the preferences so far; only what has changed since is carried over. None: all is.
    """
    held = held or PlayerSettings()
    changed = {
        setting: getattr(preferences, name)
        for name, setting in SHARED.items()
        if before is None or getattr(preferences, name) != getattr(before, name)
    }
    return resolved(held.model_copy(update=changed))[0]


def migrated(raw: dict[str, Any]) -> PlayerSettings:
    """Settings from the plain values of an older client, at version 1.

    A float intensity becomes its level; approaches that are no approach are left out, and so is
    what no setting is called. Everything else has to be sound.

    Raises:
        ValueError: a value is outside its range.
    """
    known = {name: value for name, value in raw.items() if name in PlayerSettings.model_fields}
    known.pop("version", None)
    intensity = known.get("intensity_level")
    if isinstance(intensity, int | float) and not isinstance(intensity, bool):
        if not 0 <= intensity <= 1:
            raise ValueError(f"an intensity of {intensity:g} is not between 0 and 1")
        known["intensity_level"] = level_of(intensity)
    values = {approach.value for approach in TherapeuticApproach}
    for name in ("preferred_approaches", "secondary_approaches"):
        if isinstance(known.get(name), list | tuple):
            known[name] = tuple(one for one in known[name] if one in values)
    return PlayerSettings.model_validate(known)
