"""What may be said to an NPC, and the edits an NPC makes of its own."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from holodeck.messages.base import Event, Label, Message
from holodeck.messages.conversation import Sentence, Tier
from holodeck.messages.talk import Culture, Traits


class DescribeNpc(Message):
    """Says who an NPC is, or says it anew; of a persona's NPCs the persona says it.

    Attributes:
        traits, culture, patience: what its behaviour is worked out from; None: average.
    """

    kind: Literal["describe"] = "describe"
    name: Label
    role: Label = ""
    personality: Sentence = ""
    tier: Tier = 1
    traits: Traits | None = None
    culture: Culture | None = None
    patience: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.5


NpcCommand = Annotated[DescribeNpc, Field()]


class NpcDescribed(Event):
    """Written by the NPC itself; whose it is, its subject says."""

    kind: Literal["npc.described"] = "npc.described"
    name: str
    role: str = ""
    personality: str = ""
    tier: Tier = 1
    traits: Traits | None = None
    culture: Culture | None = None
    patience: float = 0.5


NpcEvent = Annotated[NpcDescribed, Field()]
NPC_COMMAND: TypeAdapter[NpcCommand] = TypeAdapter(NpcCommand)
