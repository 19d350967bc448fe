"""What may be said to the supervisor."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import Field, TypeAdapter

from holodeck.messages.base import Message
from holodeck.messages.ids import CommandId, LearnerId, SessionId
from holodeck.messages.player import CharacterId, WorldId
from holodeck.messages.session import StartSession


class SpawnSession(Message):
    """Starts a session: claims its learner if its kind does, then starts it.

    Attributes:
        id: names the intent; sent again under the same id it has its effect once.
        switch: pause the session that holds the learner instead of being refused.
    """

    id: CommandId
    session: SessionId
    start: StartSession
    switch: bool = False


class ResumeSession(Message):
    """Resumes a paused session: claims its learner first if its kind does.

    Attributes:
        learner: whose session it is, if the sender knows: it then need not be asked. What is
            claimed in vain on a wrong word here is free again after some seconds.
    """

    id: CommandId
    session: SessionId
    switch: bool = False
    learner: LearnerId | None = None


class SwitchWorld(Message):
    """Has a learner play a character in a world: goes on with the session that is being played
    there, or resumes the newest one that is paused there, or starts one.

    Whatever else is being played is paused first; where that fails nothing is switched. A session
    that is started carries over how the one before was led, unless ``start`` says otherwise.

    Attributes:
        session: id of the session that is started, if one has to be.
        start: how; its ``learner``, ``character`` and ``world`` are those above.
    """

    id: CommandId
    learner: LearnerId
    character: CharacterId | None = None
    world: WorldId | None = None
    session: SessionId
    start: StartSession


class ForkSession(Message):
    """Forks a session at one of its checkpoints into a rehearsal.

    Attributes:
        session: id of the rehearsal.
        at: sequence of the checkpoint; None: the last one.
    """

    id: CommandId
    parent: SessionId
    session: SessionId
    at: Annotated[int, Field(ge=1)] | None = None


class DrainHost(Message):
    """Moves everything off one host, so that it can be stopped without anyone noticing.

    Attributes:
        host: its name or incarnation.
    """

    host: str
    resume: bool = False


class ListSessions(Message):
    """Asks for the sessions the hosts carry, a page at a time; host by host, in order of id.

    Attributes:
        host: incarnation the page begins at; empty: at the first. One that is gone: at the next.
        after: id of that host's session behind which it begins; empty: with its first.
        limit: rows of a page at most. A message holds a megabyte.
    """

    host: Annotated[str, Field(max_length=100)] = ""
    after: Annotated[str, Field(max_length=64)] = ""
    limit: Annotated[int, Field(ge=1, le=2000)] = 1000


class RebuildProjection(Message):
    """Empties what one projection wrote into its store, and fills it from the beginning.

    Attributes:
        name: ``redis`` or ``graph``.
        id: names the intent; sent again under the same id it has its effect once.
    """

    name: Annotated[str, Field(min_length=1, max_length=64)]
    id: CommandId | None = None


class EraseLearner(Message):
    """Leaves nothing of a learner but that its ids were used. It goes on until it is done, whoever
    dies meanwhile; two orders for one learner are one.

    Attributes:
        wait_s: how long the answer may wait for the end, seconds.
    """

    learner: LearnerId
    wait_s: Annotated[float, Field(ge=0, le=8)] = 5.0


class ExportLearner(Message):
    """Asks for everything about a learner, a page at a time.

    Attributes:
        after: where the page begins, as the page before said; empty: at the beginning.
    """

    learner: LearnerId
    after: Annotated[str, Field(max_length=400)] = ""


class Receipt(Message):
    """What erasing a learner came to. Counts are of what was found; after a crash on the way,
    of what was left to be found.

    Attributes:
        at: when it was ordered, ms since 1970 UTC.
        checkpoints: taken out of the journal; snapshots: of sessions, relations and the learner,
            archived sessions included; tiles; dead: dead letters; names: user names set free.
        sinks, projections: by name, ``erased``, ``behind`` (it will be, in its own time) or
            ``kept`` (what it was given lies with somebody else, or in the store of a projection
            that is not configured any more).
        complete: all of it is done.
        remains: in words, what is still there.
        digest: SHA-256 of all the above as JSON with sorted keys, 64 hex digits; kept as long as
            the deployment.
    """

    learner: LearnerId
    at: int
    sessions: int = 0
    forks: int = 0
    checkpoints: int = 0
    snapshots: int = 0
    tiles: int = 0
    dead: int = 0
    names: int = 0
    sinks: dict[str, str] = Field(default_factory=dict)
    projections: dict[str, str] = Field(default_factory=dict)
    complete: bool = False
    remains: tuple[str, ...] = ()
    digest: str = ""


class Reported(Message):
    """The supervisor's answer.

    Attributes:
        status: as in :class:`~holodeck.messages.envelope.Answer`.
        value: what was asked for.
    """

    status: Literal["ok", "refused", "contract", "busy", "moved"]
    sequence: int = 0
    reason: str = ""
    detail: str = ""
    checkpoint: bytes | None = None
    value: Any = None


VERBS: Final[dict[str, TypeAdapter[Any]]] = {
    "start": TypeAdapter(SpawnSession),
    "resume": TypeAdapter(ResumeSession),
    "fork": TypeAdapter(ForkSession),
    "switch": TypeAdapter(SwitchWorld),
    "drain": TypeAdapter(DrainHost),
    "sessions": TypeAdapter(ListSessions),
    "rebuild-projection": TypeAdapter(RebuildProjection),
    "erase": TypeAdapter(EraseLearner),
    "export": TypeAdapter(ExportLearner),
}
"""Verbs with a body; ``status``, ``metrics`` and ``projections`` have none. ``sessions`` without
one asks for the first page."""
