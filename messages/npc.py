"""What may be said to an NPC, and the edits an NPC makes of its own."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from holodeck.messages.base import Event, Label, Message


class DescribeNpc(Message):
    """Says who an NPC is, or says it anew."""

    kind: Literal["describe"] = "describe"
    name: Label
    role: Label = ""


NpcCommand = Annotated[DescribeNpc, Field()]


class NpcDescribed(Event):
    """Written by the NPC itself; whose it is, its subject says."""

    kind: Literal["npc.described"] = "npc.described"
    name: str
    role: str = ""


NpcEvent = Annotated[NpcDescribed, Field()]
NPC_COMMAND: TypeAdapter[NpcCommand] = TypeAdapter(NpcCommand)
