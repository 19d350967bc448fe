"""What a host does before anything else with a text of a player: has it looked at.

One law: every text is looked at before anything can refuse it, so that whoever says that they are
in distress is told whom to turn to, whatever becomes of what they said.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable
from typing import Any, Final, Protocol

import structlog

from holodeck.actors.metrics import Metrics
from holodeck.messages.player import GiveFeedback, SafetyFinding
from holodeck.messages.practice import AnswerQuestion
from holodeck.messages.session import TakeTurn
from holodeck.messages.talk import AskRefraction
from holodeck.minds.port import Faculties, Heeded

log = structlog.get_logger("holodeck.safety")

LOOK_S: Final = 2.0
"""How long a safety mind is waited for, seconds."""
_PROSE: Final = re.compile(r"[^\W\d_]{2}")
"""What makes an answer more than a number or a letter."""


class Around(Protocol):
    """What is needed of the host."""

    metrics: Metrics


class Heeding:
    """The side of a host that has texts looked at."""

    def __init__(self, house: Around, faculties: Faculties) -> None:
        self._house = house
        self._mind = faculties.safety

    def look(
        self, body: Any, learner: str = "", session: str = ""
    ) -> SafetyFinding | Awaitable[SafetyFinding | None] | None:
        """What gives cause for concern in a command's text; None: nothing, or it has no text."""
        if self._mind is None:
            return None
        text = said_in(body)
        if not text:
            return None
        try:
            found = self._mind.look(text, Heeded(learner, session))
        except Exception as error:  # whatever an adapter may raise: then nobody looked
            self._failed(error)
            return None
        if found is None or isinstance(found, SafetyFinding):
            return found
        return self._patiently(found)

    async def _patiently(self, looking: Awaitable[SafetyFinding | None]) -> SafetyFinding | None:
        try:
            async with asyncio.timeout(LOOK_S):
                return await looking
        except Exception as error:  # as above
            self._failed(error)
            return None

    def _failed(self, error: Exception) -> None:
        self._house.metrics.safety_failures.inc()
        log.error("safety.failed", reason=repr(error))


def said_in(body: Any) -> str:
    """A player's own words in a command; empty where it has none. Notes are an operator's."""
    match body:
        case TakeTurn() | AskRefraction():
            return body.text
        case AnswerQuestion():
            return body.given if _PROSE.search(body.given) else ""
        case GiveFeedback():
            return body.text or ""
        case _:
            return ""
