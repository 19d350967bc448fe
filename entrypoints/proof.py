"""Proof by reading back: what was acknowledged against what the streams and the actors hold.

One law: nothing here trusts the run that is proved. The journal is read from its first record and
folded afresh with the pure deciders; what the actors and TILES say has to equal that.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Protocol

from holodeck.actors.decider import Moment
from holodeck.actors.fleet.decider import FleetState, fleet
from holodeck.actors.fleet.views import agents_view, status_view
from holodeck.actors.folds import FLEET_FAMILIES, concerns_fleet
from holodeck.actors.learner.decider import LearnerState, learner
from holodeck.actors.npc.decider import NpcState, Relation, npc, relation
from holodeck.actors.tiles import decode_tile
from holodeck.broker.port import Broker
from holodeck.broker.streams import Layout
from holodeck.deck import Deck
from holodeck.messages.codec import decode_checkpoint
from holodeck.messages.envelope import HEADER_COMMAND, HEADER_WRITER, AnyEvent, Checkpoint
from holodeck.messages.errors import DecodeError, HolodeckError
from holodeck.messages.ids import NOBODY, partition_of
from holodeck.messages.session import (
    EmergenceDetected,
    SessionEnded,
    TaskCompleted,
    TaskRouted,
)
from holodeck.messages.subjects import (
    ANY,
    REST,
    TILE,
    Place,
    all_checkpoints,
    all_tiles,
    place_of,
)
from holodeck.messages.tiles import HEADER_TILE

FAMILIES: Final = ("friction", "reputation", "task")
"""The families every demo has to have brought to NPCs and to learners."""
FORESEEN: Final = frozenset(
    {"task-completed", "learner-busy", "store-full", "at-capacity", "agents-full"}
)
"""Why somebody who drives a session alone may be refused: time, the store and those who have
enough to do have their say."""
FIGURES: Final = (
    "agents", "registered", "tasks", "sessions", "routed", "fallbacks", "completed", "alerts",
    "owed", "vertices", "edges", "components", "h1", "rank", "dof", "redundant", "overbraced",
    "emerged_components",
)  # fmt: skip
"""The figures of the fleet that a fresh fold has to give again."""
AGENTS: Final = 20_000
"""How many agents' rows are compared; all there are, but for very large fleets."""
_SHOWN: Final = 3
_SLICE: Final = 512

Progress = Callable[[str, int, int], None]
"""Told what is being done, how much of it is done, and how much there is."""


def quiet(_what: str, _done: int, _all: int) -> None:
    """Progress for those who do not look."""


# --- what the clients know ----------------------------------------


class Intent(NamedTuple):
    """One command of one client: the kind and id of the actor it was for, and its own id."""

    kind: str
    actor: str
    command: str

    def __str__(self) -> str:
        return f"{self.kind}.{self.actor}:{self.command}"


class Ack(NamedTuple):
    """One acknowledged command.

    Attributes:
        sequence: of the checkpoint it was said to have led to.
        what: the command's kind.
    """

    intent: Intent
    sequence: int
    what: str


@dataclass(slots=True)
class Ledger:
    """What the clients were told, command by command.

    Attributes:
        acks: commands that were stored.
        obeyed: commands that were answered ``ok`` without a checkpoint: they changed nothing.
        refused: with the reason of each.
        unknown: commands nobody answered before the deadline.
    """

    acks: list[Ack] = field(default_factory=list)
    obeyed: set[Intent] = field(default_factory=set)
    refused: dict[Intent, str] = field(default_factory=dict)
    unknown: set[Intent] = field(default_factory=set)

    def acknowledge(self, intent: Intent, sequence: int, what: str, *, stored: bool = True) -> None:
        """Notes an ``ok``; it settles what was unknown before."""
        self.unknown.discard(intent)
        if stored:
            self.acks.append(Ack(intent, sequence, what))
        else:
            self.obeyed.add(intent)

    def refuse(self, intent: Intent, reason: str) -> None:
        self.unknown.discard(intent)
        self.refused[intent] = reason

    def wonder(self, intent: Intent) -> None:
        """Notes that the outcome of a command is unknown."""
        self.unknown.add(intent)


# --- what the streams hold ----------------------------------------


@dataclass(slots=True)
class Reading:
    """The journal, read from its first record and folded afresh.

    Attributes:
        end: the journal's last sequence when the reading began.
        standing: at which sequences each command stands; one, if all is well.
        writers: by actor the incarnations that wrote it, in order, neighbours merged.
        tiles: the ids of the tiles there have to be, in order.
        npcs, relations, learners: what a fresh fold makes of them.
        fleet: what a fresh fold makes of it.
        held: by session and task, who has a task that was routed and has not ended; kept by this
            reading itself, without the fleet's fold.
        told: the numbers of the emergence crossings in the journal, in order, doubled ones too.
        reached: by role (``npc``, ``learner``) and family, the events that named somebody.
        unreadable: sequences nobody can decode or place.
    """

    end: int
    checkpoints: int = 0
    events: int = 0
    standing: dict[Intent, list[int]] = field(default_factory=dict)
    writers: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    tiles: list[str] = field(default_factory=list)
    npcs: dict[str, NpcState] = field(default_factory=dict)
    relations: dict[tuple[str, str], Relation] = field(default_factory=dict)
    learners: dict[str, LearnerState] = field(default_factory=dict)
    fleet: FleetState = field(default_factory=FleetState)
    held: dict[str, dict[str, str]] = field(default_factory=dict)
    told: list[int] = field(default_factory=list)
    reached: Counter[tuple[str, str]] = field(default_factory=Counter)
    unreadable: list[int] = field(default_factory=list)

    def take(
        self, place: Place, sequence: int, checkpoint: Checkpoint, command: str, writer: str
    ) -> None:
        """Adds one checkpoint, in journal order."""
        self.checkpoints += 1
        self.events += len(checkpoint.events)
        if command:
            intent = Intent(place.kind, place.identity, command)
            self.standing.setdefault(intent, []).append(sequence)
        line = self.writers.setdefault((place.kind, place.identity), [])
        if not line or line[-1] != writer:
            line.append(writer)
        self.tiles += [f"{place.identity}.{sequence}.{n}" for n in range(len(checkpoint.events))]
        self._fold(place, sequence, checkpoint)

    def _fold(self, place: Place, sequence: int, checkpoint: Checkpoint) -> None:
        events = checkpoint.events
        concerned = "" if place.learner == NOBODY else place.learner
        moment = Moment(sequence, checkpoint.at, place.identity, concerned)
        families = [event.kind.partition(".")[0] for event in events]
        if place.npc != NOBODY:
            before = self.npcs.get(place.npc, npc.initial)
            self.npcs[place.npc] = npc.fold(before, events, moment)
            if concerned:
                both = (place.npc, concerned)
                stood = self.relations.get(both, relation.initial)
                self.relations[both] = relation.fold(stood, events, moment)
                self.reached.update(("npc", family) for family in families)
        if concerned:
            was = self.learners.get(concerned, learner.initial)
            self.learners[concerned] = learner.fold(was, events, moment)
            self.reached.update(("learner", family) for family in families)
        if place.family in FLEET_FAMILIES and concerns_fleet(place.family, events):
            fleet.advance(self.fleet, events, moment)  # ours alone, and too large to be copied
        for event in events:
            self._note(event, place.identity, rehearsed=not concerned)

    def _note(self, event: AnyEvent, session: str, *, rehearsed: bool) -> None:
        match event:
            case EmergenceDetected():
                self.told.append(event.crossing.number)
            case TaskRouted() if not rehearsed:
                self.held.setdefault(session, {})[event.task] = event.npc
            case TaskCompleted():
                self.held.get(session, {}).pop(event.task, None)
            case SessionEnded():
                self.held.pop(session, None)
            case _:
                return

    @property
    def loads(self) -> Counter[str]:
        """By agent, how many tasks it has by the journal."""
        return Counter(agent for tasks in self.held.values() for agent in tasks.values())


async def read_journal(broker: Broker, layout: Layout, progress: Progress = quiet) -> Reading:
    """Reads and folds all of CHECKPOINTS.

    Raises:
        Unavailable: the broker does not answer.
    """
    log = broker.log(layout.checkpoints)
    reading = Reading(await log.end())
    count = 0
    async for record in log.read(all_checkpoints(layout.ns), upto=reading.end):
        count += 1
        if count % _SLICE == 0:
            progress("folding the journal", count, reading.end)
            await asyncio.sleep(0)
        place = place_of(record.subject)
        try:
            if place is None:
                raise DecodeError(record.subject, "no subject of a checkpoint")
            checkpoint = decode_checkpoint(record.data, record.subject)
        except DecodeError:
            reading.unreadable.append(record.sequence)
            continue
        reading.take(
            place,
            record.sequence,
            checkpoint,
            record.headers.get(HEADER_COMMAND, ""),
            record.headers.get(HEADER_WRITER, ""),
        )
    progress("folding the journal", count, count)
    return reading


async def read_tiles(broker: Broker, layout: Layout, progress: Progress = quiet) -> list[str]:
    """The id of every tile in TILES, in order."""
    log = broker.log(layout.tiles)
    end = await log.end()
    found: list[str] = []
    async for record in log.read(all_tiles(layout.ns), upto=end, headers_only=True):
        found.append(record.headers.get(HEADER_TILE, ""))
        if len(found) % (_SLICE * 4) == 0:
            progress("reading the tiles", len(found), end)
            await asyncio.sleep(0)
    progress("reading the tiles", len(found), len(found))
    return found


@dataclass(slots=True)
class Told:
    """What the tiles say of the fleet and of how sessions came out.

    Attributes:
        crossings: the number in every EMERGENCE tile, in order.
        ends: by session, the counts its SESSION_END tile gives; None where it gives none.
        outcomes: by session and task, the outcome in the task's last TASK_END tile.
        patterns: how many SESSION_END tiles name each.
    """

    crossings: list[int] = field(default_factory=list)
    ends: dict[str, dict[str, int] | None] = field(default_factory=dict)
    outcomes: dict[str, dict[str, str]] = field(default_factory=dict)
    patterns: Counter[str] = field(default_factory=Counter)

    def take(self, event: str, answer: dict[str, Any]) -> None:
        """Adds one tile, in the order of TILES; ``event`` is its token."""
        match event:
            case "emergence-alert":
                self.crossings.append(int(answer["crossing"]))
            case "session-end":
                self.ends[answer["session_id"]] = answer["tasks"]
                self.patterns.update(answer["patterns"])
            case _:
                tasks = self.outcomes.setdefault(answer["session_id"], {})
                tasks[answer["task_id"]] = answer["outcome"]


async def read_told(broker: Broker, layout: Layout, progress: Progress = quiet) -> Told:
    """Reads what EMERGENCE, TASK_END and SESSION_END tiles say.

    Raises:
        DecodeError: one of them is no tile.
    """
    log = broker.log(layout.tiles)
    end = await log.end()
    told = Told()
    count = 0
    for event in ("emergence-alert", "task-end", "session-end"):
        async for record in log.read(TILE.of(layout.ns, ANY, event, ANY), upto=end):
            told.take(event, decode_tile(record.data, record.subject).answer)
            count += 1
            if count % _SLICE == 0:
                progress("reading what tiles say", count, count)
                await asyncio.sleep(0)
    progress("reading what tiles say", count, count)
    return told


async def count_dead(broker: Broker, layout: Layout) -> int:
    """How many messages nobody could process."""
    subjects = f"{layout.ns}.dead.{REST}"
    found = 0
    async for _ in broker.log(layout.dead).read(subjects, headers_only=True):
        found += 1
    return found


# --- what the actors say ----------------------------------------


class Actors(Protocol):
    """Whoever knows the live state, at least up to the sequence ``after``."""

    async def npc(self, identity: str, after: int) -> NpcState: ...
    async def relation(self, identity: str, learner: str, after: int) -> Relation: ...
    async def learner(self, identity: str, after: int) -> LearnerState: ...
    async def fleet(self, after: int) -> FleetSaid: ...


@dataclass(frozen=True, slots=True)
class FleetSaid:
    """A fleet as it shows itself: its figures, and by agent what it says of each."""

    figures: dict[str, Any]
    agents: dict[str, dict[str, Any]]

    @staticmethod
    def of(status: dict[str, Any], rows: Iterable[dict[str, Any]]) -> FleetSaid:
        """Of its views ``status`` and ``agents``."""
        figures = {name: status.get(name) for name in FIGURES}
        return FleetSaid(figures, {row["agent"]: row for row in rows})


class DeckActors:
    """The actors of a runtime, through its client."""

    def __init__(self, deck: Deck) -> None:
        self._deck = deck

    async def npc(self, identity: str, after: int) -> NpcState:
        return await self._deck.npc(identity).state(after=after)

    async def relation(self, identity: str, learner: str, after: int) -> Relation:
        return (await self._deck.npc(identity).brief(learner, after=after)).relation

    async def learner(self, identity: str, after: int) -> LearnerState:
        return await self._deck.learner(identity).state(after=after)

    async def fleet(self, after: int) -> FleetSaid:
        fleet = self._deck.fleet
        status = await fleet.status(after=after)
        return FleetSaid.of(status, await fleet.agents(limit=AGENTS, after=after))


@dataclass(slots=True)
class Live:
    """What the actors hold; where one did not answer, the error stands in its place."""

    npcs: dict[str, NpcState | HolodeckError] = field(default_factory=dict)
    relations: dict[tuple[str, str], Relation | HolodeckError] = field(default_factory=dict)
    learners: dict[str, LearnerState | HolodeckError] = field(default_factory=dict)
    fleet: FleetSaid | HolodeckError | None = None


async def read_actors(
    actors: Actors, reading: Reading, progress: Progress = quiet, *, parallel: int = 48
) -> Live:
    """Asks every NPC, relation and learner the journal names for its state.

    Args:
        parallel: how many questions are on their way at a time.
    """
    live = Live()
    jobs: list[Callable[[], Awaitable[None]]] = []

    def ask(into: dict[Any, Any], key: Any, how: Callable[..., Awaitable[Any]], *of: str) -> None:
        async def job() -> None:
            try:
                into[key] = await how(*of, reading.end)
            except HolodeckError as error:
                into[key] = error

        jobs.append(job)

    async def ask_fleet() -> None:
        try:
            live.fleet = await actors.fleet(reading.end)
        except HolodeckError as error:
            live.fleet = error

    jobs.append(ask_fleet)
    for name in reading.npcs:
        ask(live.npcs, name, actors.npc, name)
    for both in reading.relations:
        ask(live.relations, both, actors.relation, *both)
    for name in reading.learners:
        ask(live.learners, name, actors.learner, name)
    todo = iter(jobs)
    done = 0

    async def work() -> None:
        nonlocal done
        for job in todo:
            await job()
            done += 1
            progress("asking the actors", done, len(jobs))

    async with asyncio.TaskGroup() as group:
        for _ in range(parallel):
            group.create_task(work())
    return live


# --- the claims ----------------------------------------


@dataclass(frozen=True, slots=True)
class Claim:
    """One thing that has to be true.

    Attributes:
        detail: where it fails, or what was looked at.
    """

    what: str
    expected: str
    found: str
    holds: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Proof:
    """All claims, and the two figures everyone asks for."""

    claims: tuple[Claim, ...]
    lost: int
    twice: int

    @property
    def holds(self) -> bool:
        return all(claim.holds for claim in self.claims)


class Owners:
    """Who was given each partition, one after the other, as the table said while we listened.

    A host may hold a partition, hand it over and be given it again; then its incarnation stands
    twice in an actor's history, and rightly so. Who wrote out of this order had no right to.
    """

    def __init__(self, partitions: int) -> None:
        self._lines: list[list[str]] = [[] for _ in range(partitions)]

    def note(self, owners: Sequence[str]) -> None:
        """One state of the table."""
        for line, owner in zip(self._lines, owners, strict=True):
            if owner and (not line or line[-1] != owner):
                line.append(owner)

    def allow(self, actor: str, writers: Sequence[str]) -> bool:
        """Whether ``writers`` wrote in the order in which they were given the partition."""
        line = iter(self._lines[partition_of(actor, len(self._lines))])
        return all(any(owner == writer for owner in line) for writer in writers)


def prove(
    ledger: Ledger,
    reading: Reading,
    tiles: Sequence[str],
    live: Live,
    dead: int,
    owners: Owners | None = None,
    told: Told | None = None,
) -> Proof:
    """Every claim of a demo, each checked.

    Args:
        owners: None: nobody listened, so no writer may come back.
        told: what the tiles say of the fleet; None: nothing, so no session may have ended.
    """
    acknowledged, lost = _acknowledged(ledger, reading)
    once, twice = _once(reading)
    return Proof(
        (
            *acknowledged,
            once,
            _refused(ledger, reading),
            _unforeseen(ledger),
            _unknown(ledger, reading),
            _one_line(reading, owners),
            _same("NPC state = fresh fold", reading.npcs, live.npcs),
            _same("relation = fresh fold", reading.relations, live.relations),
            _same("learner state = fresh fold", reading.learners, live.learners),
            _tiles(reading.tiles, tiles),
            *_families(reading, live),
            *_fleet(reading, live.fleet),
            _crossings(reading, live.fleet, told or Told()),
            _counts(reading, told or Told()),
            Claim(
                "messages nobody could read",
                "0",
                str(len(reading.unreadable) + dead),
                not reading.unreadable and not dead,
                f"in the journal: {_some(reading.unreadable)}" if reading.unreadable else "",
            ),
        ),
        lost,
        twice,
    )


def _acknowledged(ledger: Ledger, reading: Reading) -> tuple[list[Claim], int]:
    lost, moved = [], []
    exact = 0
    asked = {ack.intent: ack for ack in ledger.acks}
    for intent, ack in asked.items():
        at = reading.standing.get(intent)
        if not at:
            lost.append(intent)
        elif ack.sequence not in at:
            moved.append(f"{intent} at {at[0]}, not {ack.sequence}")
        elif len(at) == 1:
            exact += 1
    return [
        Claim(
            "acknowledged ids in exactly one checkpoint",
            f"{len(asked):,}",
            f"{exact:,}",
            exact == len(asked),
            f"at another sequence: {_some(moved)}" if moved else "",
        ),
        Claim("acknowledged and lost", "0", f"{len(lost):,}", not lost, _some(lost)),
    ], len(lost)


def _once(reading: Reading) -> tuple[Claim, int]:
    doubled = [f"{intent} at {at}" for intent, at in reading.standing.items() if len(at) > 1]
    found = f"{len(doubled):,}"
    return Claim("ids applied twice", "0", found, not doubled, _some(doubled)), len(doubled)


def _refused(ledger: Ledger, reading: Reading) -> Claim:
    answers = {**dict.fromkeys(ledger.obeyed, "nothing to do"), **ledger.refused}
    stored = [
        f"{intent} ({answer}) at {reading.standing[intent]}"
        for intent, answer in answers.items()
        if intent in reading.standing
    ]
    words = Counter(ledger.refused.values())
    said = ", ".join(f"{word} {count:,}" for word, count in words.most_common(4))
    return Claim(
        "refused or changing nothing, and stored",
        "0",
        f"{len(stored):,}",
        not stored,
        _some(stored) or f"refused {len(ledger.refused):,}" + (f": {said}" if said else ""),
    )


def _unforeseen(ledger: Ledger) -> Claim:
    """Who alone drives a session, one command after the other, is refused nothing unless a timer
    was quicker: such a refusal was given by somebody who did not know what was acknowledged.

    The same holds for what changed nothing. Sessions with an unknown outcome are left out.
    """
    doubtful = {(intent.kind, intent.actor) for intent in ledger.unknown}
    answers = {**dict.fromkeys(ledger.obeyed, "nothing to do"), **ledger.refused}
    strange = [
        f"{intent} ({answer})"
        for intent, answer in answers.items()
        if answer not in FORESEEN and (intent.kind, intent.actor) not in doubtful
    ]
    return Claim(
        "answers that deny what was acknowledged",
        "0",
        f"{len(strange):,}",
        not strange,
        _some(strange),
    )


def _unknown(ledger: Ledger, reading: Reading) -> Claim:
    stands = [reading.standing.get(intent, []) for intent in ledger.unknown]
    wrong = sum(1 for at in stands if len(at) > 1)
    return Claim(
        "unknown outcomes stored more than once",
        "0",
        f"{wrong:,}",
        not wrong,
        f"unknown {len(stands):,}, of them stored {sum(map(bool, stands)):,}",
    )


def _one_line(reading: Reading, owners: Owners | None) -> Claim:
    def sound(actor: str, line: Sequence[str]) -> bool:
        return len(set(line)) == len(line) if owners is None else owners.allow(actor, line)

    torn = [
        f"{kind}.{actor}: {' → '.join(line)}"
        for (kind, actor), line in reading.writers.items()
        if not sound(actor, line)
    ]
    moved = sum(1 for line in reading.writers.values() if len(line) > 1)
    return Claim(
        "histories in one line, no two writers alternating",
        f"{len(reading.writers):,}",
        f"{len(reading.writers) - len(torn):,}",
        not torn,
        _some(torn) or f"{moved:,} went on under another host",
    )


def _same(what: str, folded: dict[Any, Any], live: dict[Any, Any]) -> Claim:
    wrong = []
    for key, expected in folded.items():
        found = live.get(key)
        if found != expected:
            name = "/".join(key) if isinstance(key, tuple) else key
            wrong.append(f"{name}: {_difference(expected, found)}")
    return Claim(what, f"{len(folded):,}", f"{len(folded) - len(wrong):,}", not wrong, _some(wrong))


def _difference(expected: Any, found: Any) -> str:
    if not isinstance(found, type(expected)):
        return f"{type(found).__name__} {found}" if found is not None else "not asked"
    fields = [
        f"{name} {getattr(found, name)!r}, should be {getattr(expected, name)!r}"
        for name in expected.__dataclass_fields__
        if getattr(expected, name) != getattr(found, name)
    ]
    return "; ".join(fields)[:300]


def _tiles(expected: Sequence[str], found: Sequence[str]) -> Claim:
    same = list(expected) == list(found)
    detail = ""
    if not same:
        wanted, there = Counter(expected), Counter(found)
        missing = list((wanted - there).keys())
        doubled = [tile for tile, count in there.items() if count > 1]
        foreign = [tile for tile in there if tile not in wanted]
        parts = [
            f"{word} {len(some):,} ({_some(some)})"
            for word, some in (("missing", missing), ("doubled", doubled), ("foreign", foreign))
            if some
        ]
        detail = ", ".join(parts) or "out of order"
    return Claim(
        "events = tiles, each once and in order",
        f"{len(expected):,}",
        f"{len(found):,}",
        same,
        detail,
    )


def _families(reading: Reading, live: Live) -> list[Claim]:
    """Counted by the actors themselves; the journal says what there has to be."""
    counted: Counter[tuple[str, str]] = Counter()
    for role, states in (("npc", live.relations), ("learner", live.learners)):
        for state in states.values():
            if not isinstance(state, HolodeckError):
                counted[role, "friction"] += state.friction
                counted[role, "reputation"] += state.reputations
                counted[role, "task"] += state.tasks
    out = []
    for role in ("npc", "learner"):
        for family in FAMILIES:
            wanted, found = reading.reached[role, family], counted[role, family]
            who = "NPCs" if role == "npc" else "learners"
            out.append(
                Claim(
                    f"{family} messages that reached {who}",
                    f"{wanted:,}",
                    f"{found:,}",
                    0 < wanted == found,
                    "" if wanted else "none at all",
                )
            )
    return out


def _fleet(reading: Reading, said: FleetSaid | HolodeckError | None) -> list[Claim]:
    """The fleet against a fresh fold, and its loads against what the journal says by itself."""
    folded = FleetSaid.of(status_view(reading.fleet), agents_view(reading.fleet, AGENTS))
    silent = "" if isinstance(said, FleetSaid) else str(said or "not asked")
    found = said if isinstance(said, FleetSaid) else FleetSaid({}, {})
    held = reading.loads
    loads = {agent: row["load"] for agent, row in found.agents.items()}
    wrong = [
        f"{agent}: {loads.get(agent)}, should be {held[agent]}"
        for agent in sorted({*loads, *held})
        if loads.get(agent) != held[agent]
    ]
    shown = ", ".join(f"{name} {folded.figures[name]:,}" for name in ("routed", "h1", "components"))
    return [
        _equal("agents in the fleet = fresh fold", folded.agents, found.agents, silent),
        _equal("figures of the fleet = fresh fold", folded.figures, found.figures, silent or shown),
        Claim(
            "agents' load = tasks given and not ended",
            f"{held.total():,}",
            silent or f"{sum(loads.values()):,}",
            not wrong and not silent,
            _some(wrong),
        ),
    ]


def _equal(what: str, expected: dict[str, Any], found: dict[str, Any], detail: str) -> Claim:
    wrong = [
        f"{name}: {found.get(name)!r}, should be {expected.get(name)!r}"
        for name in {**expected, **found}
        if found.get(name) != expected.get(name)
    ]
    same = sum(1 for name in expected if found.get(name) == expected[name])
    return Claim(what, f"{len(expected):,}", f"{same:,}", not wrong, _some(wrong) or detail)


def _crossings(reading: Reading, said: FleetSaid | HolodeckError | None, told: Told) -> Claim:
    """Each crossing that a fresh fold finds is told once, by one checkpoint, one tile and one
    count of the fleet."""
    state = reading.fleet
    due = state.alerts + len(state.owed)
    counted = said.figures.get("alerts") if isinstance(said, FleetSaid) else None
    distinct = len(set(told.crossings))
    wrong = [
        f"{name} {count}"
        for name, count in (
            ("in the journal", len(reading.told)),
            ("of them distinct", len(set(reading.told))),
            ("tiles", len(told.crossings)),
            ("distinct numbers", distinct),
            ("counted by the fleet", counted),
        )
        if count != due
    ]
    if sorted(reading.told) != sorted(told.crossings):
        wrong.append("journal and tiles name others")
    return Claim(
        "emergence crossings, each told exactly once",
        f"{due:,}",
        f"{distinct:,}",
        not wrong,
        ", ".join(wrong),
    )


_COUNTED: Final = {
    "succeeded": "success",
    "failed": "failed",
    "cancelled": "cancelled",
    "timed_out": "timeout",
}


def _counts(reading: Reading, told: Told) -> Claim:
    """What a SESSION_END tile counts against the last TASK_END tile of each of its tasks.

    A task that was tried again counts by its last attempt. Those open at the end are closed with
    the session, with a TASK_END each, so every task has one.
    """
    wrong = []
    for session, counts in told.ends.items():
        if counts is None:
            continue
        came = Counter(told.outcomes.get(session, {}).values())
        want = {"total": came.total()} | {name: came[word] for name, word in _COUNTED.items()}
        wrong += [
            f"{session}: {name} {counts[name]}, by its tasks {want[name]}"
            for name in want
            if counts[name] != want[name]
        ]
    tasks = sum(len(tasks) for tasks in told.outcomes.values())
    return Claim(
        "SESSION_END tiles whose counts are those of TASK_END tiles",
        f"{len(told.ends):,}",
        f"{len(told.ends) - len({text.partition(':')[0] for text in wrong}):,}",
        not wrong,
        _some(wrong) or f"{tasks:,} tasks; " + _most(told.patterns),
    )


def _most(patterns: Counter[str]) -> str:
    said = ", ".join(f"{name} {count:,}" for name, count in patterns.most_common(_SHOWN))
    return f"patterns: {said}" if said else "no patterns"


def _some(things: Iterable[Any]) -> str:
    all_of = [str(thing) for thing in things]
    more = f" and {len(all_of) - _SHOWN:,} more" if len(all_of) > _SHOWN else ""
    return "; ".join(all_of[:_SHOWN]) + more


__all__ = [
    "Ack",
    "Actors",
    "Claim",
    "DeckActors",
    "FleetSaid",
    "Intent",
    "Ledger",
    "Live",
    "Progress",
    "Proof",
    "Reading",
    "Told",
    "count_dead",
    "prove",
    "read_actors",
    "read_journal",
    "read_tiles",
    "read_told",
]
