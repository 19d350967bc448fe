"""The NPC actor's mind. Pure.

An NPC is two kinds of state: what it is (:class:`NpcState`), and one :class:`Relation` for each
learner it has met, loaded on demand; so an NPC that met 50,000 learners stays small.
"""

from holodeck.actors.npc.decider import SCHEMA, NpcState, npc
from holodeck.actors.npc.relation import Relation, relation
from holodeck.actors.npc.standing import band

__all__ = ["SCHEMA", "NpcState", "Relation", "band", "npc", "relation"]
