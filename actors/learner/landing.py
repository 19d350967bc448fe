"""Soft landing: demands go down where the level a learner stated was too high for it.

One law: it begins in the first three sessions or never, and only where at least three of five
signals say the same; each threshold is strict.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from holodeck.actors.learner.story import Story
from holodeck.messages.conversation import Cefr, ConversationOutcome, CurriculumFormat, Tier

WINDOW: Final = 3
"""Sessions in which it may begin."""
CONVERGING: Final = 3
TURNS: Final = 10
"""Turns that a share or a mean needs before it says anything."""
POPULATION_LATENCY_MS: Final = 2000.0
PRESSURE: Final[dict[Tier, tuple[float, float]]] = {1: (0.2, 0.7), 2: (0.3, 0.85), 3: (0.4, 1.0)}
"""The band of communicative pressure in each tier, 0 to 1."""
EXPECTED: Final[dict[Cefr, float]] = {
    Cefr.A1: 1.0,
    Cefr.A2: 0.8,
    Cefr.B1: 0.6,
    Cefr.B2: 0.4,
    Cefr.C1: 0.3,
    Cefr.C2: 0.2,
}
"""Frictions a minute that are usual at a level; our own figures, until learners have given some."""


@dataclass(frozen=True, slots=True)
class ColdStart:
    """What holds while nothing is known of a learner.

    Attributes:
        quartile: of the tier's band, where pressure begins.
        l1_share: of the native language, as long as soft landing is on.
    """

    format: CurriculumFormat = CurriculumFormat.CARDS
    scaffold: int = 2
    quartile: float = 0.25
    l1_share: float = 0.6


COLD_START: Final = ColdStart()


@dataclass(frozen=True, slots=True)
class LandingSignals:
    """The five, as one session shows them; None: it cannot tell.

    Attributes:
        friction_density_ratio: frictions a minute by those expected at the level.
        l1_utterance_share: turns with a word of the native language, of all.
        latency_ratio: mean latency by the population's.
        tcr: completed of attempted conversations of tier 2.
        bad_affect_sessions: in a row, this one last, in which the learner was anxious or
            overwhelmed.
    """

    friction_density_ratio: float | None = None
    l1_utterance_share: float | None = None
    latency_ratio: float | None = None
    tcr: float | None = None
    bad_affect_sessions: int = 0


def count(signals: LandingSignals) -> int:
    """How many of the five fire: above 3, above 0.4, above 2, below 0.3, and two or more."""
    density, l1, latency = (
        signals.friction_density_ratio,
        signals.l1_utterance_share,
        signals.latency_ratio,
    )
    return sum(
        (
            density is not None and density > 3.0,
            l1 is not None and l1 > 0.4,
            latency is not None and latency > 2.0,
            signals.tcr is not None and signals.tcr < 0.3,
            signals.bad_affect_sessions >= 2,
        )
    )


def lands(signals: LandingSignals, number: int, landing: bool) -> bool:
    """Whether soft landing is on after a session.

    It begins where three signals fire in one of the first three sessions, and is over after the
    first session in which at most one does.

    Args:
        number: of the session, from 1.
        landing: whether it was on before.
    """
    fired = count(signals)
    if landing:
        return fired > 1
    return number <= WINDOW and fired >= CONVERGING


def signals_of(story: Story, cefr: Cefr, bad_affect_sessions: int) -> LandingSignals:
    """The five signals of one session; less than a minute counts as one."""
    minutes = max(1.0, story.active_ms / 60_000)
    met = [npc for npc, tier in story.npcs.items() if tier == 2]
    done = sum(story.outcomes.get(npc) == ConversationOutcome.COMPLETED for npc in met)
    return LandingSignals(
        friction_density_ratio=story.frictions / minutes / EXPECTED[cefr],
        l1_utterance_share=(story.l1_turns / story.analysed if story.analysed >= TURNS else None),
        latency_ratio=(
            story.latency_ms / story.latencies / POPULATION_LATENCY_MS
            if story.latencies >= TURNS
            else None
        ),
        tcr=done / len(met) if met else None,
        bad_affect_sessions=bad_affect_sessions,
    )


def eased_pressure(tier: Tier) -> float:
    """Where pressure begins for a learner nothing is known of, or that lands softly: the end of
    the lower quartile of the tier's band."""
    least, most = PRESSURE[tier]
    return round(least + COLD_START.quartile * (most - least), 6)
