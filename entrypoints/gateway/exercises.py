"""Two guided exercises for somebody who says to be anxious.

One law: they are offered, never imposed; having done one is worth a marker only where it was
offered and begun.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from holodeck.messages.player import MarkerType, ProgressMarker

_ANXIOUS: Final = re.compile(
    r"\b(anxious|anxiety|panic|panicking|overwhelmed|stressed)\b", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Exercise:
    """A guided exercise; ``seconds``: how long it takes about."""

    id: str
    label: str
    steps: tuple[str, ...]
    seconds: int

    @property
    def done(self) -> str:
        """Id of the button that says it was done."""
        return f"{self.id}_complete"

    def button(self) -> dict[str, Any]:
        return {"type": "button", "id": self.id, "label": self.label}

    def guidance(self) -> list[dict[str, Any]]:
        """What is shown while it is done."""
        return [
            {"type": "instruction", "steps": list(self.steps), "seconds": self.seconds},
            {"type": "button", "id": self.done, "label": "I have done it"},
        ]

    def marker(self) -> ProgressMarker:
        """What doing it is worth, once a session."""
        return ProgressMarker(
            marker_id=self.id,
            marker_type=MarkerType.SKILL_ACQUIRED,
            description=f"{self.label}: done as it was guided",
            therapeutic_value=0.2,
        )


EXERCISES: Final = {
    one.id: one
    for one in (
        Exercise(
            "ex_breathing",
            "Breathe slowly",
            (
                "Sit so that your feet rest on the floor.",
                "Breathe in through the nose while you count to four.",
                "Let the air go slowly while you count to six.",
                "Do this ten times; if you lose count, begin again at one.",
            ),
            100,
        ),
        Exercise(
            "ex_grounding",
            "Look around you",
            (
                "Name five things that you can see from where you are.",
                "Name four that you can touch, and touch one of them.",
                "Name three that you can hear.",
                "Name two that you can smell, and one that you can taste.",
            ),
            120,
        ),
    )
}


def suggested(text: str, crisis: bool) -> list[Exercise]:
    """The exercises to be offered to who said this."""
    return list(EXERCISES.values()) if crisis or _ANXIOUS.search(text) else []
