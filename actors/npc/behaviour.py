"""How an NPC feels, and how it acts for that: mood, its decay and the outputs of behaviour.

One law: what an NPC does follows from its traits, its mood, its culture, its patience and how the
learner stands with it; from nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Final, Literal

from holodeck.messages.conversation import FrictionType, Mood
from holodeck.messages.errors import ContractError
from holodeck.messages.talk import Culture, Traits

MoodTrigger = Literal[
    "successful-communication",
    "register-violation",
    "communication-failure",
    "cultural-violation",
    "hesitation",
    "repair-attempt",
    "ambient-event-negative",
    "ambient-event-positive",
]
"""What moves a mood."""

VALENCE: Final[Mapping[Mood, float]] = {
    Mood.NEUTRAL: 0.0,
    Mood.PLEASED: 0.3,
    Mood.WARM: 0.4,
    Mood.AMUSED: 0.2,
    Mood.BUSY: -0.1,
    Mood.ANXIOUS: -0.2,
    Mood.IMPATIENT: -0.3,
    Mood.IRRITATED: -0.4,
    Mood.COLD: -0.5,
    Mood.PANICKING: -0.6,
}
"""How pleasant a mood is, -1 to 1."""
MOOD_LASTS: Final = 10
"""Ticks after which a mood is over; a tick is a full minute."""


def trigger_of(types: Iterable[FrictionType], aligned: bool | None) -> MoodTrigger:
    """What a learner's turn is to the NPC that hears it; the worst thing in it counts.

    A breach of culture goes before one of register, that before a word or a speech act that did
    not work, that before formality that did not fit. A slip of grammar or of pronunciation alone
    was understood: a success.

    Args:
        types: kinds of friction in the turn.
        aligned: whether its formality fitted; None: nobody judged.
    """
    kinds = frozenset(types)
    if FrictionType.CULTURAL in kinds:
        return "cultural-violation"
    if FrictionType.REGISTER in kinds:
        return "register-violation"
    if FrictionType.LEXICAL in kinds or FrictionType.PRAGMATIC in kinds:
        return "communication-failure"
    return "register-violation" if aligned is False else "successful-communication"


def mood_after(event: str, traits: Traits) -> Mood:
    """The mood something puts an NPC of these traits in, whatever mood it was in before.

    Args:
        event: one of :data:`MoodTrigger`.

    Raises:
        ContractError: nothing of that name moves a mood.
    """
    sensitivity = 0.5 + 0.5 * traits.neuroticism
    match event:
        case "successful-communication":
            return Mood.PLEASED if traits.agreeableness > 0.6 else Mood.NEUTRAL
        case "register-violation":
            return Mood.IRRITATED if sensitivity > 0.7 else Mood.COLD
        case "communication-failure":
            return Mood.NEUTRAL if traits.agreeableness > 0.5 else Mood.IMPATIENT
        case "cultural-violation":
            return Mood.COLD if sensitivity > 0.5 else Mood.IRRITATED
        case "hesitation":
            return Mood.NEUTRAL if traits.agreeableness > 0.7 else Mood.IMPATIENT
        case "repair-attempt":
            return Mood.WARM if traits.openness > 0.5 else Mood.NEUTRAL
        case "ambient-event-negative":
            return Mood.ANXIOUS if sensitivity > 0.6 else Mood.BUSY
        case "ambient-event-positive":
            return Mood.AMUSED
        case _:
            raise ContractError(f"nothing called {event!r} moves a mood")


def decayed(mood: Mood, ticks: int) -> Mood:
    """The mood ``ticks`` after it began: as it was, and from the tenth on neutral."""
    return mood if ticks < MOOD_LASTS else Mood.NEUTRAL


def behaviour(
    traits: Traits, mood: Mood, reputation: float, culture: Culture, patience: float
) -> dict[str, float]:
    """How an NPC acts, in numbers.

    Args:
        reputation: -0.5 to 1.
        patience: the NPC's own, 0 to 1.

    Returns:
        ``response_length``, ``patience``, ``helpfulness``, ``register_strictness``,
        ``topic_initiative``, ``expressiveness`` and ``escalation_tendency``, each 0 to 1 and
        rounded to 6 digits; ``silence_tolerance_seconds``, whole seconds, 3 to 15.
    """
    v = VALENCE[mood]
    r = (reputation + 0.5) / 1.5
    patient = _share(0.4 * traits.agreeableness + 0.3 * r + 0.5 + 0.2 * v + 0.1 * patience)
    lively = culture.emotional_expressiveness
    return {
        "response_length": _share(0.5 * traits.extraversion + 0.5 + 0.3 * v + 0.2 * lively),
        "patience": patient,
        "helpfulness": _share(0.35 * traits.agreeableness + 0.25 * traits.openness + 0.4 * r),
        "register_strictness": _share(
            0.4 * traits.conscientiousness + 0.5 - 0.2 * v + 0.3 * culture.formality_default
        ),
        "topic_initiative": _share(
            0.4 * traits.extraversion + 0.3 * traits.openness + 0.5 + 0.2 * v + 0.1 * r
        ),
        "expressiveness": _share(0.3 * traits.extraversion + 0.5 * lively + 0.5 + 0.2 * v),
        "silence_tolerance_seconds": float(math.floor(3.0 + 12.0 * patient + 0.5)),
        "escalation_tendency": _share(
            0.4 * (1.0 - traits.agreeableness)
            + 0.3 * culture.power_distance_sensitivity
            + 0.3 * max(0.0, -v)
        ),
    }


def _share(value: float) -> float:
    return round(min(1.0, max(0.0, value)), 6)
