"""What an NPC tells of a learner, before a session and to whoever saves it.

One law: telling changes nothing; what time does to a standing, a fact or a mood is worked out when
it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

from holodeck.actors.npc.decider import NpcState
from holodeck.actors.npc.memory import Fact, Memory
from holodeck.actors.npc.relation import Bond, Relation
from holodeck.actors.npc.standing import FLOOR
from holodeck.messages.conversation import (
    KnownFact,
    NPCBriefing,
    OpenMatter,
    ProfessionalEvent,
    SavedRelationship,
    SocialFrictionEvent,
    VectorMemory,
)
from holodeck.messages.talk import NpcBrief

FACTS_TOLD: Final = 8
MATTERS_TOLD: Final = 8
MEMORIES_TOLD: Final = 5
MOST_MEMORIES: Final = 20


def brief(
    npc: NpcState,
    identity: str,
    relation: Relation,
    at: int,
    recalled: Sequence[int] | None = None,
) -> NpcBrief:
    """What an NPC knows of one learner at a time.

    Args:
        identity: the NPC's id.
        at: ms since 1970 UTC; idle weeks until then have faded the standing.
        recalled: indices into ``relation.memories``, the nearest to a cue first; at most 20 of
            them are told. None: the three newest memories and the two weightiest others.

    Returns:
        At most 8 facts, the surest first (none that is forgotten), and at most 8 open matters, the
        newest first; a negotiation that broke off and was not talked over is one.
    """
    memories = _chosen(relation.memories, recalled)
    bond = relation.bond or Bond()
    briefing = NPCBriefing(
        npc_id=identity,
        role=npc.role[:200],
        tier=npc.tier,
        personality=npc.personality[:500],
        reputation_score=relation.standing(at),
        remembered_facts=tuple(_surest(bond.facts, at))[:FACTS_TOLD],
        unresolved_events=tuple(_open_matters(bond))[:MATTERS_TOLD],
        recent_vector_memories=tuple(memory.content for memory in memories),
        openness_score=bond.openness,
    )
    return NpcBrief(
        briefing=briefing,
        mood=relation.mood(at),
        interactions=relation.interactions,
        sessions=relation.sessions,
        met=relation.begun,
        recalled=tuple(memory.number for memory in memories),
    )


def _chosen(memories: Sequence[Memory], recalled: Sequence[int] | None) -> list[Memory]:
    if recalled is not None:
        known = (index for index in dict.fromkeys(recalled) if 0 <= index < len(memories))
        return [memories[index] for index in known][:MOST_MEMORIES]
    newest = list(reversed(memories[-3:]))
    # What is told often gets heavier: the newest come first, or nothing new ever would be told.
    others = sorted(memories[:-3], key=lambda memory: (-memory.weight, -memory.number))
    return [*newest, *others][:MEMORIES_TOLD]


def _surest(facts: Iterable[Fact], at: int) -> Iterable[KnownFact]:
    known = ((fact.confidence_at(at), fact.at, fact.fact) for fact in facts)
    for confidence, _, text in sorted(known, key=lambda one: (-one[0], -one[1], one[2])):
        if confidence > 0.0:
            yield KnownFact(fact=text, confidence=confidence)


def _open_matters(bond: Bond) -> Iterable[OpenMatter]:
    if bond.debrief is not None:
        words = _COLLAPSES.get(bond.debrief.cause, bond.debrief.cause)
        yield OpenMatter(
            description=f"The last negotiation broke off: {words}. It was not talked over."[:500],
            impact=FLOOR,
        )
    for incident in reversed(bond.incidents):
        if not incident.resolved:
            yield OpenMatter(description=incident.description, impact=incident.impact)


_COLLAPSES: Final = {
    "openness": "patience with the wrong tone was used up",
    "cultural-breach": "a custom was badly broken",
    "no-meaning": "nothing could be understood any more",
    "aggression": "the learner grew angry",
    "l1-fallback": "the learner fell back into another language",
}


# --- to be saved ----------------------------------------


def saved(relation: Relation, at: int) -> SavedRelationship:
    """What stays of a relation between sessions, as users know it.

    Args:
        at: ms since 1970 UTC; standing and confidence are told as of then.
    """
    bond = relation.bond or Bond()
    return SavedRelationship(
        reputation_score=relation.standing(at),
        remembered_facts=tuple(_surest(bond.facts, at)),
        unresolved_events=tuple(
            SocialFrictionEvent(
                event_id=one.incident,
                description=one.description,
                created_at=_iso(one.at),
                resolved=one.resolved,
                resolution=one.resolution or None,
                reputation_impact=one.impact,
            )
            for one in bond.incidents
        ),
        professional_history=tuple(
            ProfessionalEvent(
                type=one.type,
                description=one.description,
                timestamp=_iso(one.at),
                outcome=one.outcome,
            )
            for one in bond.history
        ),
        interaction_count=relation.interactions,
        last_interaction_at=_iso(relation.last_at) if relation.last_at else None,
        openness_score=bond.openness,
    )


def saved_memories(identity: str, relation: Relation) -> tuple[VectorMemory, ...]:
    """The memories of a relation; embeddings are left to whoever has an embedder."""
    return tuple(
        VectorMemory(
            npc_id=identity,
            content=memory.content,
            emotional_valence=memory.valence,
            importance=memory.importance,
        )
        for memory in relation.memories
    )


def _iso(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds")
