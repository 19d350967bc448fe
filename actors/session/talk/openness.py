"""How long an authority goes on listening, and what makes it break off.

One law: openness is counted in whole tenths, so that it collapses at the same turn whether it is
counted down or worked out at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from holodeck.actors.session.talk.state import OPENNESS_TENTHS, Standing
from holodeck.messages.conversation import FrictionType, OpennessState, Severity, severity_level
from holodeck.messages.talk import Character, FrictionFinding, TurnAnalysis

RESISTANT: Final = 3
"""Tenths below which an NPC resists."""
COLLAPSED: Final = 1
PENALTY: Final = 1
"""Tenths one violation costs."""
SENSELESS_TURNS: Final = 3
"""Turns without meaning, one after the other, that end a negotiation."""
FALLBACK_WORDS: Final = 3
"""Words of a turn that has none but of the native language, from which it is a fall-back."""

Cause = Literal["openness", "cultural-breach", "no-meaning", "aggression", "l1-fallback"]


@dataclass(frozen=True, slots=True)
class Violation:
    """``penalty``: in tenths."""

    description: str
    penalty: int = PENALTY


def openness_state(tenths: int) -> OpennessState:
    """Below 0.3 resistant, below 0.1 collapsed."""
    if tenths < COLLAPSED:
        return OpennessState.COLLAPSED
    return OpennessState.RESISTANT if tenths < RESISTANT else OpennessState.OPEN


def openness_after(
    violations: int, start: int = OPENNESS_TENTHS, penalty: int = PENALTY
) -> tuple[int, OpennessState]:
    """Openness in tenths, and what it is called, after a number of violations."""
    tenths = max(0, start - violations * penalty)
    return tenths, openness_state(tenths)


def violations(findings: Sequence[FrictionFinding], aligned: bool | None) -> tuple[Violation, ...]:
    """What in a turn costs openness: each breach of register or culture; and a level of formality
    that does not fit, if no finding says so already."""
    found = tuple(
        Violation(f"{one.type} {severity_level(one.severity)}: {one.form or one.detail}"[:500])
        for one in findings
        if one.type in (FrictionType.REGISTER, FrictionType.CULTURAL)
    )
    if aligned is False and all(one.type is not FrictionType.REGISTER for one in findings):
        found += (Violation("register does not fit"),)
    return found


def falls_back(analysis: TurnAnalysis) -> bool:
    """A turn of three words or more, all of them of the native language."""
    foreign = analysis.l2_words + analysis.other_words
    return analysis.l1_words >= FALLBACK_WORDS and not foreign


def collapse(
    character: Character,
    standing: Standing,
    tenths: int,
    findings: Sequence[FrictionFinding],
    analysis: TurnAnalysis | None,
    senseless: int,
) -> Cause | None:
    """Why an NPC breaks off after a turn; None: it goes on.

    Args:
        tenths: openness after the turn.
        senseless: turns without meaning in a row, this one included.
    """
    if not character.openness_enabled or standing.collapsed:
        return None
    if any(
        one.type is FrictionType.CULTURAL and severity_level(one.severity) is Severity.CRITICAL
        for one in findings
    ):
        return "cultural-breach"
    if analysis is not None and analysis.aggressive:
        return "aggression"
    if character.tier == 3 and analysis is not None and falls_back(analysis):
        return "l1-fallback"
    if senseless >= SENSELESS_TURNS:
        return "no-meaning"
    return "openness" if tenths < COLLAPSED else None
