"""The cases of NPCs: how a learner stands with them, how they feel and act, what they keep.

One law: what is expected is computed by the real fold and the real rules; here inputs are only put
into their words, and their answers into those of the cases.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from holodeck.actors.decider import Moment
from holodeck.actors.npc.behaviour import behaviour, decayed, mood_after
from holodeck.actors.npc.memory import Fact, Memory, learned, remembered, ring
from holodeck.actors.npc.relation import Relation, relation
from holodeck.actors.npc.standing import CEILING, WEEK_MS, band, faded
from holodeck.messages.conversation import FactCategory, Mood
from holodeck.messages.session import ReputationChanged
from holodeck.messages.talk import Culture, Traits
from tests.conformance.runner import Adapter
from tests.conformance.shapes import has, unknown


def reputation(given: Any) -> Any:
    """A standing moved by a fold, or what weeks take from the highest there is."""
    if has(given, "score", "delta"):
        moved = ReputationChanged(npc="marta", delta=given["delta"], base=given["score"])
        return relation.fold(Relation(), [moved], Moment(1, 1)).reputation
    if has(given, "weeks_absent", maybe=("max_decay_per_week",)):
        rate = [given["max_decay_per_week"]] if "max_decay_per_week" in given else []
        left = faded(CEILING, 1, 1 + given["weeks_absent"] * WEEK_MS, *rate)
        return {"max_total_decay": CEILING - left}
    raise unknown("reputation", given)


def reputation_band(given: Any) -> Any:
    if has(given, "score"):
        return band(given["score"])
    raise unknown("reputation_band", given)


def mood_shift(given: Any) -> Any:
    """Of several personalities by name, or of one."""
    if has(given, "event", "personalities"):
        return {
            name: str(mood_after(given["event"], Traits(**traits)))
            for name, traits in given["personalities"].items()
        }
    if has(given, "event", "personality"):
        return str(mood_after(given["event"], Traits(**given["personality"])))
    raise unknown("mood_shift", given)


def mood_decay(given: Any) -> Any:
    """Whether a mood has gone back to neutral after each number of ticks."""
    if not has(given, "mood", "ticks"):
        raise unknown("mood_decay", given)
    mood = Mood(given["mood"])
    return [decayed(mood, ticks) is not mood for ticks in given["ticks"]]


def npc_behavior(given: Any) -> Any:
    if not has(given, "personality", "mood", "reputation", "culture", "patience_level"):
        raise unknown("npc_behavior", given)
    outputs = behaviour(
        Traits(**given["personality"]),
        Mood(given["mood"]),
        given["reputation"],
        Culture(**given["culture"]),
        given["patience_level"],
    )
    return {_camel(name): value for name, value in outputs.items()}


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.title, others))


def memory(given: Any) -> Any:
    """A ring, episodes with importance (and recalls), or one fact heard several times."""
    if has(given, "size", "observe"):
        seen: tuple[Any, ...] = ()
        for item in given["observe"]:
            seen = ring(seen, item, given["size"])
        return list(seen)
    if has(given, "capacity", "importance"):
        return _kept(given["capacity"], given["importance"], lambda item: (item, 0))
    if has(given, "capacity", "items"):
        return _kept(given["capacity"], given["items"], lambda item: (item[0], item[1]))
    if has(given, "confidences"):
        facts: tuple[Fact, ...] = ()
        for confidence in given["confidences"]:
            facts = learned(facts, Fact("has a sister", FactCategory.PERSONAL, confidence))
        first = facts[0]
        return {
            "confidence": first.confidence,
            "evidence": first.evidence,
            "facts": len(facts),
        }
    raise unknown("memory", given)


def _kept(
    capacity: int, items: Mapping[str, Any], read: Callable[[Any], tuple[float, int]]
) -> list[str]:
    memories: tuple[Memory, ...] = ()
    for number, (name, item) in enumerate(items.items(), 1):
        importance, recalls = read(item)
        memories = remembered(memories, Memory(number, name, importance, recalls=recalls), capacity)
    return [one.content for one in memories]


ADAPTERS: Final[dict[str, Adapter]] = {
    "memory": memory,
    "mood_decay": mood_decay,
    "mood_shift": mood_shift,
    "npc_behavior": npc_behavior,
    "reputation": reputation,
    "reputation_band": reputation_band,
}
