"""How the learner feels, inferred from how it speaks; and the pressure that follows from it.

One law: a signal is compared to what is usual for this learner, and one that nobody measured is as
usual.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from holodeck.actors.session.talk.state import Sample
from holodeck.messages.conversation import Affect, InnerAffect, Tier
from holodeck.messages.talk import Baseline

PRESSURE_STEP: Final[dict[InnerAffect, float]] = {
    InnerAffect.OVERWHELMED: -0.15,
    InnerAffect.FRUSTRATED: -0.08,
    InnerAffect.ANXIOUS: -0.05,
    InnerAffect.UNCERTAIN: -0.02,
    InnerAffect.DISENGAGED: -0.03,
    InnerAffect.CONFIDENT: 0.05,
    InnerAffect.DETERMINED: 0.03,
    InnerAffect.AMUSED: 0.01,
    InnerAffect.ENGAGED: 0.02,
}
"""How far one turn in a state moves the communicative pressure."""
PRESSURE_RANGE: Final[dict[int, tuple[float, float]]] = {
    1: (0.2, 0.7),
    2: (0.3, 0.85),
    3: (0.4, 1.0),
}
FIRST_NEGOTIATION: Final = 0.7
"""Where the pressure of a learner's first tier 3 session ends."""
NEGATIVE: Final = frozenset({Affect.FRUSTRATED, Affect.ANXIOUS, Affect.WITHDRAWN})
"""States in which friction calls for an intervention."""
NAMED: Final[dict[InnerAffect, Affect]] = {
    InnerAffect.CONFIDENT: Affect.CONFIDENT,
    InnerAffect.ENGAGED: Affect.ENGAGED,
    InnerAffect.UNCERTAIN: Affect.UNCERTAIN,
    InnerAffect.FRUSTRATED: Affect.FRUSTRATED,
    InnerAffect.ANXIOUS: Affect.ANXIOUS,
    InnerAffect.DISENGAGED: Affect.WITHDRAWN,
    InnerAffect.AMUSED: Affect.ENGAGED,
    InnerAffect.DETERMINED: Affect.ENGAGED,
    InnerAffect.OVERWHELMED: Affect.ANXIOUS,
}
"""What contracts call the nine states the rule knows."""
ESCALATION: Final = 0.7
"""The signal from which a frustrated or overwhelmed learner gets help at once."""
HELPED: Final = frozenset({InnerAffect.OVERWHELMED, InnerAffect.FRUSTRATED})
"""The only states in which the signal calls for anything."""
SIGNAL_TURNS: Final = 3
HESITATION_S: Final = 2.0
_LEAST: Final = 0.01
"""A baseline below this counts as this: the usual may be never, and nothing is divided by 0."""

Help = Literal["activate_companion", "lower_difficulty"]


@dataclass(slots=True)
class Ratios:
    """Means over the last five analysed turns, the first four by the learner's own.

    Attributes:
        l1, hedging: words of the native language, and hedges, by word; repair: repairs a turn.
        frictions, words: a turn.
    """

    latency: float = 1.0
    l1: float = 1.0
    hedging: float = 1.0
    repair: float = 1.0
    frictions: float = 0.0
    words: float = 0.0

    def reasons(self) -> tuple[str, ...]:
        """The signals away from the usual, such as ``latency above-baseline 2.4``."""
        found = []
        for name, ratio in (
            ("latency", self.latency),
            ("l1", self.l1),
            ("hedging", self.hedging),
            ("repair", self.repair),
        ):
            if ratio > 1.2:
                found.append(f"{name} above-baseline {ratio:.1f}")
            elif ratio < 0.8:
                found.append(f"{name} below-baseline {ratio:.1f}")
        if self.frictions:
            found.append(f"frictions {self.frictions:.1f}")
        return tuple(found)


def ratios(samples: Sequence[Sample], baseline: Baseline) -> Ratios:
    """What the last turns show, the newest last; of none: everything is as usual."""
    if not samples:
        return Ratios()
    frictions = words = latency = repairs = 0
    latencies = rates = hedgings = repaired = 0
    l1 = hedging = 0.0
    for one in samples:
        _, found, said, native, hedges, corrected, latency_ms = one
        frictions += found
        words += said
        if latency_ms is not None:
            latency += latency_ms
            latencies += 1
        if native is not None:
            l1 += native
            rates += 1
        if hedges is not None:
            hedging += hedges
            hedgings += 1
        if corrected is not None:
            repairs += corrected
            repaired += 1
    turns = len(samples)
    return Ratios(
        _ratio(latency, latencies, baseline.latency_ms),
        _ratio(l1, rates, baseline.l1),
        _ratio(hedging, hedgings, baseline.hedging),
        _ratio(repairs, repaired, baseline.repair),
        frictions / turns,
        words / turns,
    )


def _ratio(total: float, count: int, usual: float) -> float:
    """The mean of ``count`` measurements beside the usual; of none: as usual."""
    if not count:
        return 1.0
    return total / count / (usual if usual > _LEAST else _LEAST)


def inferred(shown: Ratios) -> InnerAffect:
    """The learner's state; the first that fits."""
    latency, l1, hedging = shown.latency, shown.l1, shown.hedging
    if latency > 2.0 and l1 > 1.5 and shown.frictions > 2:
        return InnerAffect.OVERWHELMED
    if latency > 1.5 and hedging > 1.5 and shown.frictions > 1:
        return InnerAffect.FRUSTRATED
    if l1 > 1.5 and hedging > 1.3:
        return InnerAffect.ANXIOUS
    if latency > 1.3 and hedging > 1.2:
        return InnerAffect.UNCERTAIN
    if shown.words < 3 and latency > 1.5:
        return InnerAffect.DISENGAGED
    if not shown.frictions and shown.words > 8 and shown.repair < 0.8:
        return InnerAffect.CONFIDENT
    if shown.frictions and shown.repair > 1.2:
        return InnerAffect.DETERMINED
    return InnerAffect.ENGAGED


def pressure_range(tier: Tier, tier3_sessions: int) -> tuple[float, float]:
    """Where the pressure of a tier ends, below and above.

    Args:
        tier3_sessions: negotiations the learner had before.
    """
    low, high = PRESSURE_RANGE[tier]
    return low, min(high, FIRST_NEGOTIATION) if tier == 3 and not tier3_sessions else high


def pressed(pressure: float, inner: InnerAffect, tier: Tier, tier3_sessions: int) -> float:
    """The pressure after one turn in a state, rounded to 6 digits."""
    low, high = pressure_range(tier, tier3_sessions)
    return round(min(high, max(low, pressure + PRESSURE_STEP[inner])), 6)


def escalation_signal(samples: Sequence[Sample], baseline: Baseline) -> float:
    """How much the last three turns call for help, at most 1, rounded to 6 digits.

    0.3·min(1, (latency/baseline - 1)/2) + 0.4·min(1, frictions/3) + 0.3·min(1, 2·L1 rate), each
    a mean. Quick answers take something off; below 0 it is 0.
    """
    last = samples[-SIGNAL_TURNS:]
    frictions = latency = latencies = rates = 0
    l1 = 0.0
    for one in last:
        _, found, _, native, _, _, latency_ms = one
        frictions += found
        if latency_ms is not None:
            latency += latency_ms
            latencies += 1
        if native is not None:
            l1 += native
            rates += 1
    slower = _ratio(latency, latencies, baseline.latency_ms)
    signal = 0.3 * min(1.0, 0.5 * (slower - 1.0))
    if frictions:
        signal += 0.4 * min(1.0, frictions / len(last) / 3)
    if rates:
        signal += 0.3 * min(1.0, 2.0 * l1 / rates)
    return round(min(1.0, max(0.0, signal)), 6)


def help_for(inner: InnerAffect, signal: float) -> Help | None:
    """What helps at once: whoever is overwhelmed needs the companion, whoever is frustrated
    something easier."""
    if signal < ESCALATION:
        return None
    match inner:
        case InnerAffect.OVERWHELMED:
            return "activate_companion"
        case InnerAffect.FRUSTRATED:
            return "lower_difficulty"
        case _:
            return None


def needs_scaffold(friction: bool, affect: Affect) -> bool:
    """An intervention: friction in the turn AND a negative state."""
    return friction and affect in NEGATIVE


def hesitates(seconds: float) -> bool:
    """Whether a silence before the first word counts as friction."""
    return seconds > HESITATION_S
