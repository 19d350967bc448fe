"""What an NPC keeps of a learner, and what it lets go.

One law: everything has a cap; when something new comes, at most one old thing goes, and the new
one stays.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Sequence
from typing import Final, NamedTuple, TypeVar

from holodeck.actors.npc.standing import WEEK_MS
from holodeck.messages.conversation import FactCategory

T = TypeVar("T")

MEMORIES: Final = 100
FACTS: Final = 40
TOPICS: Final = 20
FORGETTING: Final = 0.02
"""What a full week takes from the confidence of a fact that was not heard again."""


class Memory(NamedTuple):
    """One conversation, as it is remembered.

    Attributes:
        number: sequence of the checkpoint it came from.
        importance: 0 to 1; valence: -1 to 1; recalls: briefings it was in.
        at: ms since 1970 UTC.
    """

    number: int
    content: str
    importance: float = 0.6
    valence: float = 0.0
    recalls: int = 0
    session: str = ""
    at: int = 0

    @property
    def weight(self) -> float:
        """What it is kept by: importance · (1 + 0.1 · recalls)."""
        return self.importance * (1.0 + 0.1 * self.recalls)


class Fact(NamedTuple):
    """Something the learner said of itself.

    Attributes:
        confidence: 0 to 1, when it was last heard; evidence: how often it was heard.
        since, at: when first and last, ms since 1970 UTC.
    """

    fact: str
    category: FactCategory
    confidence: float
    evidence: int = 1
    since: int = 0
    at: int = 0

    def confidence_at(self, now: int) -> float:
        """Less by 0.02 for every full week since it was last heard, and never below 0."""
        weeks = max(0, now - self.at) // WEEK_MS
        return round(max(0.0, self.confidence - FORGETTING * weeks), 6)

    def worth_at(self, now: int) -> float:
        """What it is kept by: confidence · recency, which is 1 / (1 + full weeks)."""
        return self.confidence / (1 + max(0, now - self.at) // WEEK_MS)


def ring(items: Sequence[T], item: T, size: int) -> tuple[T, ...]:
    """The newest ``size`` of items and one more, the oldest first; ``size`` is at least 1."""
    return (*items[max(0, len(items) - size + 1) :], item)


def remembered(
    memories: Sequence[Memory], new: Memory, capacity: int = MEMORIES
) -> tuple[Memory, ...]:
    """Memories and a new one; where there are ``capacity`` already, the lightest of the old goes,
    of equals the oldest."""
    if len(memories) < capacity:
        return (*memories, new)
    gone = min(range(len(memories)), key=lambda index: memories[index].weight)
    return (*memories[:gone], *memories[gone + 1 :], new)


def recalled(memories: Sequence[Memory], numbers: Collection[int]) -> tuple[Memory, ...]:
    """The same memories, those of these numbers recalled once more."""
    return tuple(
        one._replace(recalls=one.recalls + 1) if one.number in numbers else one for one in memories
    )


def learned(facts: Sequence[Fact], new: Fact, capacity: int = FACTS) -> tuple[Fact, ...]:
    """Facts and one that was just heard.

    Heard before (same category, same text whatever its case, spacing and normalisation), it keeps
    its words and the higher confidence, has one more piece of evidence and is fresh again. Else it
    is added; where there are ``capacity`` already, the one of the least worth goes, of equals the
    oldest.
    """
    key = _key(new.fact)
    for index, old in enumerate(facts):
        if old.category == new.category and _key(old.fact) == key:
            again = old._replace(
                confidence=max(old.confidence, new.confidence),
                evidence=old.evidence + new.evidence,
                at=max(old.at, new.at),
            )
            return (*facts[:index], again, *facts[index + 1 :])
    if len(facts) < capacity:
        return (*facts, new)
    gone = min(range(len(facts)), key=lambda index: facts[index].worth_at(new.at))
    return (*facts[:gone], *facts[gone + 1 :], new)


def _key(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())
