"""What goes around a command, an answer and a checkpoint.

One law: the answer to a command carries the stored checkpoint's own bytes, so that the first
answer and every repeat of it are the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, NamedTuple

from pydantic import Field, TypeAdapter

from holodeck.messages.base import Label, Message, Millis
from holodeck.messages.fleet import AskGraph, AskRoute, FleetCommand, FleetEvent, ReadFleet
from holodeck.messages.ids import CommandId, LearnerId, NpcId
from holodeck.messages.learner import LearnerCommand, LearnerEvent
from holodeck.messages.npc import NpcCommand, NpcEvent
from holodeck.messages.player import CharacterId, SafetyFinding, WorldId
from holodeck.messages.practice import BriefPractice, SkillId
from holodeck.messages.session import CastMember, SessionCommand, SessionEvent
from holodeck.messages.talk import BriefLearner, BriefNpc

MAX_DEADLINE_MS: Final = 60_000
"""The longest a client may go on sending one command, in milliseconds."""
REMEMBER_MS: Final = 2 * MAX_DEADLINE_MS
"""How long a command id is remembered at least; twice the longest deadline, so that clocks may
differ by as much as a minute."""
REMEMBER_COUNT: Final = 256
"""How many command ids are remembered at least, however old."""

HEADER_COMMAND: Final = "Holodeck-Command"
HEADER_WRITER: Final = "Holodeck-Writer"
HEADER_PARENT: Final = "Holodeck-Parent"
"""Of a rehearsal's first checkpoint, the session it was forked from."""
HEADER_CONTENT: Final = "content-type"
JSON_CONTENT: Final = "application/json"


# --- queries: answered from the state, nothing is stored ----------------------------------------


class ReadState(Message):
    """Asks for the state.

    Attributes:
        after: answer only once a fold has this sequence (NPC and learner; 0: as it stands).
        at: the state as of this checkpoint (sessions only); None: now.
        learner: which relation of an NPC; None: the NPC itself.
    """

    kind: Literal["read-state"] = "read-state"
    after: Annotated[int, Field(ge=0)] = 0
    at: Annotated[int, Field(ge=1)] | None = None
    learner: LearnerId | None = None


class AwaitReply(Message):
    """Asks for the NPC's reply to a turn, and waits for it until the deadline."""

    kind: Literal["await-reply"] = "await-reply"
    turn: Annotated[int, Field(ge=0)]


class Greet(Message):
    """Asks a session's mind to open the conversation, and waits until it has. A conversation that
    has begun is left as it is."""

    kind: Literal["greet"] = "greet"
    npc: NpcId


class CheckStart(Message):
    """Asks whether a start can be prepared at all, before the learner is claimed for it: a claim
    whose start is refused would keep the learner from others for seconds."""

    kind: Literal["check-start"] = "check-start"
    persona: Label = ""
    curriculum: SkillId | None = None
    cast: Annotated[tuple[CastMember, ...], Field(max_length=32)] = ()
    world: WorldId | None = None


class ReadPlayer(Message):
    """Asks a learner actor for one view of its player.

    Attributes:
        at: now, ms since 1970 UTC.
        after: answer only once the fold has this sequence (0: as it stands).
        role: who asks: ``owner`` speaks for the player itself, a ``learner`` is told apart by
            ``viewer``, an operator or reader sees what a stranger sees.
        viewer: id of the learner who asks.
        character, world: which; where the view is of one.
        days: back from now, 1 to 366; limit: entries of a list, 1 to 500.
    """

    kind: Literal["read-player"] = "read-player"
    view: Label
    at: Millis
    after: Annotated[int, Field(ge=0)] = 0
    role: Literal["owner", "learner", "operator", "reader"] = "owner"
    viewer: LearnerId | None = None
    character: CharacterId | None = None
    world: WorldId | None = None
    days: Annotated[int, Field(ge=1, le=366)] = 14
    limit: Annotated[int, Field(ge=1, le=500)] = 50


Query = (
    ReadState
    | AwaitReply
    | Greet
    | CheckStart
    | BriefLearner
    | BriefNpc
    | BriefPractice
    | ReadPlayer
    | AskRoute
    | AskGraph
    | ReadFleet
)
QUERY_KINDS: Final = frozenset(
    {
        "read-state",
        "await-reply",
        "greet",
        "check-start",
        "brief-learner",
        "brief-npc",
        "brief-practice",
        "read-player",
        "ask-route",
        "ask-graph",
        "read-fleet",
    }
)


# --- the envelope ----------------------------------------


class _Envelope(Message):
    """What every command says of itself.

    Attributes:
        id: names the intent; the same id sent again has its effect once.
        sent: when the client first sent it, ms since 1970 UTC; 0 (plain clients): on arrival.
        deadline: after this time, ms since 1970 UTC, nobody waits for an answer any more; at
            most 60 s behind ``sent``; 0: 10 s after arrival.
    """

    id: CommandId
    sent: Millis = 0
    deadline: Millis = 0


class ToSession(_Envelope):
    body: Annotated[
        SessionCommand | ReadState | AwaitReply | Greet | CheckStart, Field(discriminator="kind")
    ]


class ToNpc(_Envelope):
    body: Annotated[NpcCommand | ReadState | BriefNpc, Field(discriminator="kind")]


class ToLearner(_Envelope):
    body: Annotated[
        LearnerCommand | ReadState | BriefLearner | BriefPractice | ReadPlayer,
        Field(discriminator="kind"),
    ]


class ToFleet(_Envelope):
    body: Annotated[FleetCommand | AskRoute | AskGraph | ReadFleet, Field(discriminator="kind")]


Envelope = ToSession | ToNpc | ToLearner | ToFleet
Body = SessionCommand | NpcCommand | LearnerCommand | FleetCommand | Query
"""What a command says, whoever it is for."""
ENVELOPES: Final[dict[str, TypeAdapter[Any]]] = {
    "session": TypeAdapter(ToSession),
    "npc": TypeAdapter(ToNpc),
    "learner": TypeAdapter(ToLearner),
    "fleet": TypeAdapter(ToFleet),
}


@dataclass(slots=True)
class Answer:
    """What an actor says to a command. Made once for each: hence a plain dataclass.

    Attributes:
        status: ``ok``; ``refused``, ``contract`` (do not send again); ``busy``, ``moved``
            (send again, same id).
        sequence: of the checkpoint the command led to, or the actor's last one.
        reason: stable word for programs when not ok.
        checkpoint: the stored checkpoint's bytes when the command led to one.
        state: the state asked for by a query, msgpack.
        safety: what gave cause for concern in the command's text, whatever became of it.
    """

    status: Literal["ok", "refused", "contract", "busy", "moved"]
    sequence: int = 0
    reason: str = ""
    detail: str = ""
    checkpoint: bytes | None = None
    state: bytes | None = None
    safety: SafetyFinding | None = None


AnyEvent = Annotated[
    SessionEvent | NpcEvent | LearnerEvent | FleetEvent, Field(discriminator="kind")
]


class Checkpoint(NamedTuple):
    """What one command led to: one or more events, stored as one message; read by ``codec``.

    Attributes:
        at: when, ms since 1970 UTC; never runs backwards within one actor.
        events: at least one.
        room: where its tiles belong; empty: the default room.
        quiet: its tiles are not for PLATO.
    """

    at: int
    events: tuple[AnyEvent, ...]
    room: str = ""
    quiet: bool = False
