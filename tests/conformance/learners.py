"""The cases of what a learner keeps and hears: the mix of languages, lessons, the trigger queue,
reviews, soft landing.

One law: what is expected is computed by the learner's own rules and by a learner that is told what
a case gives; here inputs are only put into their words, and their answers into those of the cases.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from holodeck.actors.decider import Moment
from holodeck.actors.learner import LearnerState, learner
from holodeck.actors.learner.landing import LandingSignals, count, lands
from holodeck.actors.learner.lessons import engaged, mastered
from holodeck.actors.learner.profile import l2_share
from holodeck.actors.learner.triggers import DAY_MS, iso, reviews, slows
from holodeck.messages.conversation import (
    ScheduledTrigger,
    TriggerContent,
    TriggerSender,
    TriggerType,
)
from holodeck.messages.envelope import AnyEvent
from holodeck.messages.learner import (
    DeliverTriggers,
    TriggerDelivered,
    TriggerExpired,
    TriggerScheduled,
)
from tests.conformance.runner import Adapter
from tests.conformance.shapes import has, unknown

NOON: Final = 1_767_614_400_000
"""2026-01-05T12:00:00Z: time enough to both ends of the day."""


def code_switch(given: Any) -> Any:
    if not has(given, "session_number"):
        raise unknown("code_switch", given)
    share = l2_share(given["session_number"])
    return {"l1": round(1 - share, 6), "l2": share}


def curriculum(given: Any) -> Any:
    if has(given, "completed_units", "units"):
        rate = given["completed_units"] / given["units"]
        return {"rate": rate, "engaged": engaged(rate)}
    if has(given, "exercise_accuracy"):
        return {"mastered": mastered(given["exercise_accuracy"])}
    raise unknown("curriculum", given)


def retention(given: Any) -> Any:
    if not has(given, "frictions"):
        raise unknown("retention", given)
    forms = (item.get("targetForm", "") for item in given["frictions"])
    return [list(item) for item in reviews(forms)]


def soft_landing(given: Any) -> Any:
    """A case's session is one of the first three, and nothing was known before it."""
    if not has(given, "signals", maybe=("session_number", "active")):
        raise unknown("soft_landing", given)
    signals = LandingSignals(**given["signals"])
    number, before = given.get("session_number", 1), given.get("active", False)
    return {"active": lands(signals, number, before), "count": count(signals)}


# --- the queue ----------------------------------------


def queue(given: Any) -> Any:
    if has(given, "pending", maybe=("delivered_today",)):
        return {"deliver": _delivered(given["pending"], given.get("delivered_today", 0))}
    if has(given, "now", "expiresAt"):
        return {"status": _status(given["now"], given["expiresAt"])}
    if has(given, "opened", "delivered"):
        opened, delivered = given["opened"], given["delivered"]
        rate = opened / delivered if delivered else 0.0
        return {"rate": round(rate, 6), "reduce_frequency": slows(opened, delivered)}
    raise unknown("queue", given)


class _Waiting:
    """A learner with something in its queue."""

    def __init__(self) -> None:
        self.state: LearnerState = learner.initial
        self.sequence = 0

    def wrote(self, at: int, *events: AnyEvent) -> None:
        self.sequence += 1
        moment = Moment(self.sequence, at, "ana", "ana")
        self.state = learner.fold(self.state, events, moment)

    def schedules(self, name: str, priority: int, at: int, expires: str) -> None:
        trigger = ScheduledTrigger(
            trigger_id=name,
            learner_id="ana",
            type=TriggerType.NPC_MESSAGE,
            sender=TriggerSender(name="Marta"),
            content=TriggerContent(title=name, body=name),
            scheduled_at=iso(at),
            expires_at=expires,
            priority=priority,
        )
        self.wrote(at, TriggerScheduled(trigger=trigger))

    def delivers(self, now: int) -> Sequence[AnyEvent]:
        return learner.decide(self.state, DeliverTriggers(), now)


def _delivered(pending: list[dict[str, Any]], today: int) -> list[str]:
    ana = _Waiting()
    for n in range(today):
        ana.schedules(f"earlier-{n}", 0, NOON, iso(NOON + DAY_MS))
        ana.wrote(NOON, TriggerDelivered(trigger=f"earlier-{n}", type="npc-message"))
    for item in pending:
        ana.schedules(item["id"], item["priority"], NOON, iso(NOON + DAY_MS))
    return [e.trigger for e in ana.delivers(NOON) if isinstance(e, TriggerDelivered)]


def _status(now: str, expires: str) -> str:
    at = round(datetime.fromisoformat(now).timestamp() * 1000)
    ana = _Waiting()
    ana.schedules("a", 0, 1, expires)
    (event,) = ana.delivers(at)
    return "expired" if isinstance(event, TriggerExpired) else "delivered"


ADAPTERS: Final[dict[str, Adapter]] = {
    "code_switch": code_switch,
    "curriculum": curriculum,
    "queue": queue,
    "retention": retention,
    "soft_landing": soft_landing,
}
