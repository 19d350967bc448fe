"""In which format a lesson is given, and when it counts as done.

One law: the learner's style names two formats, one preferred and one to fall back to; what is
known of how it worked through lessons only chooses between the two.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from holodeck.messages.conversation import (
    CURRICULUM_ALIASES,
    CurriculumFormat,
    InstructionalPreferences,
    RetentionStyle,
    UnitEngagement,
)

ENGAGED_FROM: Final = 0.6
"""Of the units done."""
MASTERED_FROM: Final = 0.8
"""Of the exercises right."""
UNIT_MINUTES: Final = 3
MAX_UNITS: Final = 5


@dataclass(frozen=True, slots=True)
class Manner:
    """How a format works.

    Attributes:
        least, most: items (slides, cards, scenes, ...) of one lesson.
        contrast, audio, interaction: whether it sets the two languages side by side, is heard,
            lets the learner answer.
    """

    least: int
    most: int
    contrast: bool = False
    audio: bool = False
    interaction: bool = False


@dataclass(frozen=True, slots=True)
class Route:
    preferred: CurriculumFormat
    fallback: CurriculumFormat


@dataclass(frozen=True, slots=True)
class Delivery:
    """How one lesson is to be given; nothing of it has been done yet.

    Attributes:
        items: within ``manner.least`` and ``manner.most``; 0: there is no lesson.
    """

    format: CurriculumFormat
    fallback: CurriculumFormat
    manner: Manner
    items: int


MANNERS: Final[Mapping[CurriculumFormat, Manner]] = {
    CurriculumFormat.SLIDESHOW: Manner(3, 10, contrast=True),
    CurriculumFormat.VIDEO: Manner(1, 5, contrast=True, audio=True),
    CurriculumFormat.CARDS: Manner(5, 20, contrast=True, interaction=True),
    CurriculumFormat.PODCAST: Manner(3, 8, audio=True),
    CurriculumFormat.DEBRIEF: Manner(1, 15, contrast=True, audio=True, interaction=True),
    CurriculumFormat.SUMMARY: Manner(1, 10, contrast=True),
}
ROUTES: Final[Mapping[RetentionStyle, Route]] = {
    RetentionStyle.GAMIFIED: Route(CurriculumFormat.CARDS, CurriculumFormat.SLIDESHOW),
    RetentionStyle.ORGANIC: Route(CurriculumFormat.DEBRIEF, CurriculumFormat.PODCAST),
    RetentionStyle.URGENCY: Route(CurriculumFormat.SLIDESHOW, CurriculumFormat.CARDS),
    RetentionStyle.MASTERY: Route(CurriculumFormat.VIDEO, CurriculumFormat.SLIDESHOW),
    RetentionStyle.ACCOUNTABILITY: Route(CurriculumFormat.DEBRIEF, CurriculumFormat.VIDEO),
}
SHORT: Final[Mapping[CurriculumFormat, str]] = {
    long: short for short, long in CURRICULUM_ALIASES.items()
}
"""What a format is also called."""
_UNKNOWN: Final = Route(CurriculumFormat.SLIDESHOW, CurriculumFormat.SLIDESHOW)
_NOTHING_KNOWN: Final = InstructionalPreferences()


def route(style: str) -> Route:
    """The two formats of a style; of an unknown one, slides."""
    try:
        return ROUTES[RetentionStyle(style)]
    except ValueError:
        return _UNKNOWN


def chosen(style: str, preferences: InstructionalPreferences) -> CurriculumFormat:
    """The format for a learner.

    The style's preferred one, unless something speaks for the other: the learner prefers it; or
    the preferred one is a video or a podcast and the learner takes to no such thing and the other
    asks for none; or less than 0.6 of earlier lessons was worked through. Preferences that are all
    at their defaults are nobody's, and say nothing.
    """
    formats = route(style)
    if preferences == _NOTHING_KNOWN:
        return formats.preferred
    if preferences.preferred_format in (formats.preferred, formats.fallback):
        return preferences.preferred_format
    if not _suits(formats.fallback, preferences):
        return formats.preferred
    tired = 0.0 < preferences.average_completion_rate < ENGAGED_FROM
    if tired or not _suits(formats.preferred, preferences):
        return formats.fallback
    return formats.preferred


def _suits(format_: CurriculumFormat, preferences: InstructionalPreferences) -> bool:
    if format_ is CurriculumFormat.VIDEO:
        return preferences.engages_video
    if format_ is CurriculumFormat.PODCAST:
        return preferences.engages_audio
    return True


def delivery(
    style: str, preferences: InstructionalPreferences, units: int, exercises: int
) -> Delivery:
    """How a lesson of so many units and exercises is given: one item each, within the bounds of
    the format."""
    formats = route(style)
    format_ = chosen(style, preferences)
    manner = MANNERS[format_]
    other = formats.fallback if format_ is formats.preferred else formats.preferred
    items = min(manner.most, max(manner.least, units + exercises)) if units else 0
    return Delivery(format_, other, manner, items)


def minutes(units: int) -> int:
    """How long a lesson takes: three minutes a unit."""
    return UNIT_MINUTES * units


def completed(units: Iterable[UnitEngagement], of: int) -> float:
    """The share of ``of`` units that were done, 0 to 1; 0 where there is none."""
    return min(1.0, sum(unit.completed for unit in units) / of) if of > 0 else 0.0


def engaged(rate: float) -> bool:
    """Whether a learner took to a lesson: at least 0.6 of its units were done."""
    return rate >= ENGAGED_FROM


def mastered(accuracy: float) -> bool:
    """Whether it learned what the lesson was about: at least 0.8 of the exercises were right."""
    return accuracy >= MASTERED_FROM
