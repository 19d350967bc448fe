"""Every subject, written once.

One law: a template yields both the one subject and the wildcards of its family, so that nobody
writes a subject by hand anywhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from holodeck.messages.ids import NOBODY

ANY: Final = "*"
REST: Final = ">"


@dataclass(frozen=True, slots=True)
class Route:
    """A subject template; ``{}`` stands where subjects differ."""

    template: str

    def of(self, *tokens: str | int) -> str:
        """The one subject (or, with :data:`ANY` as a token, the filter) for ``tokens``."""
        return self.template.format(*tokens)

    def under(self, *tokens: str | int) -> str:
        """The filter for everything below the given leading tokens."""
        head = self.template.split("{}")
        return "".join(h + str(t) for h, t in zip(head, tokens, strict=False)) + "." + REST


COMMAND: Final = Route("{}.cmd.{}.{}.{}")
"""ns, partition, actor kind, id. Request and reply."""
COMMAND_BY_ID: Final = Route("{}.cmd.{}.{}")
"""ns, actor kind, id: what plain clients send; the broker maps it to the partition."""
CTL_SUPERVISOR: Final = Route("{}.ctl.supervisor.{}")
"""ns, verb."""
CTL_HOST: Final = Route("{}.ctl.host.{}.{}")
"""ns, host incarnation, verb."""
CHECKPOINT: Final = Route("{}.checkpoint.{}.{}.{}.{}.{}.{}.{}.{}")
"""ns, writer kind, its partition, its id, family, npc's partition, npc, learner's one, learner."""
TILE: Final = Route("{}.tile.{}.{}.{}")
"""ns, family, event, session."""
DEAD: Final = Route("{}.dead.{}.{}")
"""ns, stream it came from, reason."""
ROOM: Final = Route("{}.room.{}")
"""ns, encoded room: what others put into a PLATO room."""
WORDS: Final = Route("{}.words.{}.{}")
"""ns, session, turn: an NPC's reply piece by piece while it is being made up; nothing keeps it."""


class Place(NamedTuple):
    """Where a checkpoint belongs: the tokens of its subject."""

    kind: str
    partition: str
    identity: str
    family: str
    npc_partition: str
    npc: str
    learner_partition: str
    learner: str


def place_of(subject: str) -> Place | None:
    """The tokens of a checkpoint subject; None if it is not one."""
    tokens = subject.split(".")
    if len(tokens) != 10 or tokens[1] != "checkpoint":
        return None
    return Place(*tokens[2:])


def writer_filter(ns: str, kind: str, partition: int | str, identity: str) -> str:
    """All checkpoints one actor wrote: what its fence looks over."""
    return f"{ns}.checkpoint.{kind}.{partition}.{identity}.>"


def partition_filter(ns: str, kind: str, partition: int | str) -> str:
    """All checkpoints the actors of ``kind`` in one partition wrote."""
    return f"{ns}.checkpoint.{kind}.{partition}.>"


def npc_filter(ns: str, partition: int | str) -> str:
    """The inbox of the NPCs of one partition."""
    return f"{ns}.checkpoint.*.*.*.*.{partition}.>"


def learner_filter(ns: str, partition: int | str) -> str:
    """The inbox of the learners of one partition."""
    return f"{ns}.checkpoint.*.*.*.*.*.*.{partition}.*"


def all_checkpoints(ns: str) -> str:
    return f"{ns}.checkpoint.>"


def all_tiles(ns: str) -> str:
    return f"{ns}.tile.>"


__all__ = [
    "ANY",
    "CHECKPOINT",
    "COMMAND",
    "COMMAND_BY_ID",
    "CTL_HOST",
    "CTL_SUPERVISOR",
    "DEAD",
    "NOBODY",
    "REST",
    "ROOM",
    "TILE",
    "Place",
    "Route",
    "all_checkpoints",
    "all_tiles",
    "learner_filter",
    "npc_filter",
    "partition_filter",
    "place_of",
    "writer_filter",
]
