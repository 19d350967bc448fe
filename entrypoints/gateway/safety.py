"""What the door does about a text that gives cause for concern.

One law: no text is turned away unread. Texts that are taken are looked at where they are taken,
by the host; what is refused here is looked at here, and its refusal names whom the player can
turn to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import structlog
from pydantic_core import from_json

from holodeck.deck import Deck
from holodeck.messages.errors import HolodeckError
from holodeck.messages.ids import new_id
from holodeck.messages.player import CrisisResource, FlagSafety, SafetyFinding, SafetyFlagged
from holodeck.minds.safety import named
from holodeck.session import Step

log = structlog.get_logger("holodeck.gateway")

MOST: Final = 64
"""Findings on their way to their learner at once; more are only logged."""


class Care:
    """Looks at what is refused.

    Args:
        mind: what looks at a text; None: nobody does.
        resources: whom players can turn to.
    """

    def __init__(
        self,
        mind: Callable[[str], SafetyFinding | None] | None,
        resources: Sequence[CrisisResource] = (),
    ) -> None:
        self._mind = mind
        self.resources = tuple(resources)
        self._telling: set[asyncio.Task[None]] = set()

    def look(self, text: str) -> SafetyFinding | None:
        return None if self._mind is None or not text.strip() else self._mind(text)

    def look_into(self, body: bytes) -> SafetyFinding | None:
        """What there is to be concerned about in a body, of whatever form it is."""
        if not body or self._mind is None:
            return None
        try:
            text = "\n".join(_texts(from_json(body)))
        except ValueError:
            text = body.decode(errors="replace")
        return self.look(text)

    def answering(self, finding: SafetyFinding) -> list[dict[str, Any]]:
        """Whom to turn to, as it is answered."""
        return [one.model_dump(mode="json") for one in named(self.resources, finding.resources)]

    def concern(self, step: Step) -> dict[str, Any]:
        """``{safety, resources}`` of a step that was taken."""
        flagged = next((e for e in step.events if isinstance(e, SafetyFlagged)), None)
        return self.told(None if flagged is None else flagged.finding)

    def told(self, finding: SafetyFinding | None) -> dict[str, Any]:
        if finding is None:
            return {"safety": {"crisis": False, "types": []}, "resources": []}
        safety = {
            "crisis": True,
            "types": [kind.value for kind in finding.types],
            "confidence": finding.confidence,
        }
        return {"safety": safety, "resources": self.answering(finding)}

    def flag(self, deck: Deck, learner: str, finding: SafetyFinding) -> None:
        """Has a learner remember that a text of its was refused. Nobody waits for it: an answer
        that names help must not depend on the runtime."""
        if len(self._telling) >= MOST:
            log.warning("finding not kept: too many at once", learner=learner)
            return
        task = asyncio.create_task(self._flag(deck, learner, finding), name="flag-safety")
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _flag(self, deck: Deck, learner: str, finding: SafetyFinding) -> None:
        body = FlagSafety(finding=finding, rejected=True)
        try:
            await deck.caller.command("learner", learner, new_id("http"), body)
        except HolodeckError as error:
            log.warning("finding not kept", learner=learner, error=str(error) or error.code)

    async def close(self) -> None:
        for task in self._telling:
            task.cancel()
        await asyncio.gather(*self._telling, return_exceptions=True)


def _texts(value: Any) -> Iterator[str]:
    """Every text in a JSON value, without recursion: it may be nested as deep as it likes."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict):
            waiting.extend(reversed(one.values()))
        elif isinstance(one, list):
            waiting.extend(reversed(one))
