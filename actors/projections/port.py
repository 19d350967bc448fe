"""What projections are: the journal folded once more, into a store that somebody else runs.

One law: a store keeps the place up to which it has the journal beside the data and changes both
together; so whatever is handed on twice is taken once, and a store that comes back with yesterday's
data goes on from yesterday. The truth stays in the journal: every store can be emptied and filled
again from it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

from holodeck.broker.port import Record
from holodeck.messages.codec import decode_checkpoint
from holodeck.messages.envelope import AnyEvent
from holodeck.messages.errors import DecodeError, TransientError
from holodeck.messages.subjects import Place, place_of


class StoreDown(TransientError):
    """A store takes nothing now; what it is to have waits in the journal."""

    code = "store-down"


class Overtaken(TransientError):
    """Another runner moved the store's place: it is at work, this one is not needed."""

    code = "overtaken"


class Step(NamedTuple):
    """One checkpoint, read.

    Attributes:
        at: ms since 1970 UTC.
        mark: tells this checkpoint from any other that might stand at its sequence.
    """

    place: Place
    sequence: int
    at: int
    events: tuple[AnyEvent, ...]
    mark: str = ""


def step_of(record: Record, mark: str = "") -> Step:
    """A stored checkpoint as projections read it.

    Raises:
        DecodeError: no checkpoint, or of a future schema.
    """
    place = place_of(record.subject)
    if place is None:
        raise DecodeError(record.subject, "no subject of a checkpoint")
    checkpoint = decode_checkpoint(record.data, record.subject)
    return Step(place, record.sequence, checkpoint.at, checkpoint.events, mark)


class Bookmark(NamedTuple):
    """How far a store has the journal.

    Attributes:
        sequence: of the last checkpoint in it; 0: nothing yet.
        mark: of that checkpoint: a journal that has another one there is not the one the store
            was filled from. Empty: not known.
        at: of that checkpoint, ms since 1970 UTC.
    """

    sequence: int = 0
    mark: str = ""
    at: int = 0

    def dump(self) -> str:
        return json.dumps(self._asdict(), separators=(",", ":"))

    @staticmethod
    def load(text: str) -> Bookmark:
        """A bookmark as it was kept.

        Raises:
            ValueError: it is none.
        """
        raw = json.loads(text)
        if not isinstance(raw, dict) or not isinstance(raw.get("sequence"), int):
            raise ValueError("no bookmark")
        return Bookmark(raw["sequence"], str(raw.get("mark", "")), int(raw.get("at", 0)))


START: Final = Bookmark()


class History(Protocol):
    """Where a session's earlier checkpoints are read."""

    async def of(self, session: str, before: int) -> Sequence[Step]:
        """Every checkpoint of a session below the sequence ``before``, in order, from the journal
        or else the archive.

        Raises:
            Unavailable, BrokerError: they cannot be read now.
        """
        ...


class Projection(Protocol):
    """One store and how the journal is folded into it.

    Attributes:
        name: a single token; it names the consumer, the metrics and the commands.
        store: which store and where, for people; without secrets.
    """

    name: str
    store: str

    async def open(self, history: History) -> Bookmark | None:
        """Gets ready; called before the first batch, and again after whatever went wrong.

        Returns:
            where the store is; None: it has nothing, or cannot be trusted, and has to be
            :meth:`reset` before anything is applied.

        Raises:
            StoreDown: try again later.
        """
        ...

    async def apply(self, steps: Sequence[Step], now: Bookmark) -> int:
        """Takes checkpoints, in order, and the place behind them, both or neither; how many
        entries of the store were written.

        Raises:
            StoreDown: the same steps come again after :meth:`open`.
            Overtaken: the store is not where it was left.
        """
        ...

    async def reset(self) -> None:
        """Removes everything this projection ever wrote and nothing else; the place is then 0.

        Raises:
            StoreDown: it may be half done; :meth:`open` then says None.
        """
        ...

    async def close(self) -> None: ...


# --- graphs ----------------------------------------

Value = str | int | float | bool

LABELS: Final[Mapping[str, Mapping[str, type]]] = {
    "Player": {"id": str},
    "Character": {"key": str, "id": str, "name": str, "player_id": str, "active": bool},
    "World": {"id": str, "name": str},
    "Session": {
        "id": str,
        "player_id": str,
        "agent_id": str,
        "kind": str,
        "status": str,
        "outcome": str,
        "created_at": str,
        "last_interaction": str,
        "ended_at": str,
        "interaction_count": int,
        "current_scene_id": str,
        "sequence": int,
    },
    "NPC": {"id": str, "name": str},
}
"""The kinds of nodes and their properties; the first one is unique among the label's nodes."""

RELATIONS: Final[Mapping[str, tuple[str, str, Mapping[str, type]]]] = {
    "HAS_SESSION": ("Player", "Session", {}),
    "USES_CHARACTER": ("Session", "Character", {}),
    "IN_WORLD": ("Session", "World", {}),
    "REPUTATION": (
        "NPC",
        "Player",
        {"standing": float, "updated_at": str, "begun": bool, "sequence": int},
    ),
}
"""The kinds of relations: from which label, to which, and their properties."""

OWNED: Final = ("Session", "Character")
"""The labels of what belongs to a player, by their property ``player_id``."""


def key_of(label: str) -> str:
    """The property that tells the nodes of a label apart."""
    return next(iter(LABELS[label]))


Props = Mapping[str, Value]


@dataclass(slots=True)
class Changes:
    """What is to become of a graph. Removals come first, then nodes, then relations.

    Attributes:
        nodes: by label and key, the properties that are set; all others stay.
        edges: by relation, from and to (keys); both ends are among ``nodes``.
        gone: label and key of nodes to remove, with their relations.
        players: to remove, with all that belongs to them.
    """

    nodes: dict[tuple[str, str], dict[str, Value]] = field(default_factory=dict)
    edges: dict[tuple[str, str, str], dict[str, Value]] = field(default_factory=dict)
    gone: set[tuple[str, str]] = field(default_factory=set)
    players: set[str] = field(default_factory=set)

    def __len__(self) -> int:
        return len(self.nodes) + len(self.edges) + len(self.gone) + len(self.players)

    def node(self, label: str, key: str, **props: Value) -> None:
        """Sets properties of a node, which is made if it is not there."""
        self.nodes.setdefault((label, key), {}).update(props)

    def edge(self, kind: str, source: str, target: str, **props: Value) -> None:
        """Sets properties of a relation, which is made if it is not there, as are its ends."""
        begins, ends, _ = RELATIONS[kind]
        self.node(begins, source)
        self.node(ends, target)
        self.edges.setdefault((kind, source, target), {}).update(props)

    def remove(self, label: str, key: str) -> None:
        """Removes a node; what was to be set of it before is forgotten."""
        self.gone.add((label, key))
        self._forget({(label, key)})

    def erase(self, player: str) -> None:
        """Removes a player and all that belongs to it; what was to be set before is forgotten."""
        self.players.add(player)
        mine = {
            (label, key)
            for (label, key), props in self.nodes.items()
            if label in OWNED and props.get("player_id") == player
        }
        self._forget(mine | {("Player", player)})

    def _forget(self, nodes: set[tuple[str, str]]) -> None:
        for node in nodes:
            self.nodes.pop(node, None)
        self.edges = {
            (kind, source, target): props
            for (kind, source, target), props in self.edges.items()
            if (RELATIONS[kind][0], source) not in nodes
            and (RELATIONS[kind][1], target) not in nodes
        }


class Standing(NamedTuple):
    """How an NPC stands with a player, as the graph has it; -0.5 to 1."""

    standing: float
    updated_at: str
    begun: bool
    sequence: int


@dataclass(frozen=True, slots=True)
class Graph:
    """Everything a projection has written into a graph; for comparing two of them."""

    nodes: Mapping[tuple[str, str], Props]
    edges: Mapping[tuple[str, str, str], Props]


class GraphStore(Protocol):
    """A property graph.

    Attributes:
        where: which store and where, for people; without secrets.
    """

    where: str

    async def open(self) -> str | None:
        """Connects and makes constraints; the place that was kept, None: there is none.

        Raises:
            StoreDown: it cannot be reached or used now.
        """
        ...

    async def write(self, changes: Changes, place: str, expected: str) -> None:
        """Changes the graph and its place in one transaction.

        Raises:
            Overtaken: the place is not the expected one; nothing was changed.
            StoreDown: nothing was changed, or all of it.
        """
        ...

    async def standings(
        self, pairs: Iterable[tuple[str, str]]
    ) -> Mapping[tuple[str, str], Standing]:
        """What is known of NPC and player, of those pairs that have met.

        Raises:
            StoreDown: it cannot be read now.
        """
        ...

    async def reset(self, place: str) -> None:
        """Removes everything it was ever given, then keeps ``place``.

        Raises:
            StoreDown: it may be half done; then no place is kept.
        """
        ...

    async def dump(self) -> Graph:
        """Everything it was given and that is still there.

        Raises:
            StoreDown: it cannot be read now.
        """
        ...

    async def close(self) -> None: ...
