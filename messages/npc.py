"""What may be said to an NPC, and the edits an NPC makes of its own."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from holodeck.messages.base import Event, Label, Message
from holodeck.messages.ids import NpcId

Reputation = Annotated[float, Field(ge=-0.5, le=1.0, allow_inf_nan=False)]
"""A learner's standing with an NPC; stored -0.5 to 1."""


class DescribeNpc(Message):
    """Says who an NPC is, or says it anew.

    Attributes:
        initial_reputation: where a learner the NPC has never met begins.
    """

    kind: Literal["describe"] = "describe"
    name: Label
    role: Label = ""
    initial_reputation: Reputation = 0.0


NpcCommand = Annotated[DescribeNpc, Field()]


class NpcDescribed(Event):
    kind: Literal["npc.described"] = "npc.described"
    npc: NpcId
    name: str
    role: str = ""
    initial_reputation: float = 0.0


NpcEvent = Annotated[NpcDescribed, Field()]
NPC_COMMAND: TypeAdapter[NpcCommand] = TypeAdapter(NpcCommand)
