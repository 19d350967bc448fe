"""The proof finds every way in which a journal, its tiles or its folds can be wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import pytest

from holodeck.actors.fleet.views import agents_view, status_view
from holodeck.actors.learner.decider import LearnerState
from holodeck.actors.npc.decider import NpcState, Relation
from holodeck.actors.tiles import tile_fronts, tiles_of
from holodeck.broker import MemoryBroker, MemoryServer
from holodeck.broker.streams import Layout, layout
from holodeck.entrypoints.proof import (
    FleetSaid,
    Intent,
    Ledger,
    Owners,
    Proof,
    Reading,
    count_dead,
    prove,
    read_actors,
    read_journal,
    read_tiles,
    read_told,
)
from holodeck.messages.codec import encode_checkpoint
from holodeck.messages.envelope import HEADER_COMMAND, HEADER_WRITER, AnyEvent, Checkpoint
from holodeck.messages.errors import Unavailable
from holodeck.messages.ids import NOBODY
from holodeck.messages.session import (
    EmergenceDetected,
    EndReason,
    FrictionDetected,
    FrictionType,
    Outcome,
    Pattern,
    ReputationChanged,
    SessionEnded,
    SessionKind,
    SessionStarted,
    TaskAdded,
    TaskCompleted,
    TaskCounts,
    TaskRetried,
    TaskRouted,
    TurnTaken,
)
from holodeck.messages.subjects import CHECKPOINT, DEAD, TILE, place_of
from holodeck.messages.tiles import HEADER_TILE

LAYOUT: Final[Layout] = layout(max_bytes=256 * 1024 * 1024)
STARTED: Final = SessionStarted(session_kind=SessionKind.AGENT, learner="ana")
TURN: Final[tuple[AnyEvent, ...]] = (
    TurnTaken(turn=1, npc="marta", text="hola", analysed=True),
    FrictionDetected(type=FrictionType.LEXICAL, severity=0.3, turn=1, npc="marta"),
    ReputationChanged(npc="marta", delta=0.25, turn=1),
)
TASK: Final = TaskAdded(task="t", npc="marta")


class World:
    """A hand-made journal with its tiles, the ledger that goes with it, and actors that folded
    it; sound unless a test breaks something."""

    def __init__(self) -> None:
        self.broker = MemoryBroker(MemoryServer())
        self.ledger = Ledger()
        self.tiles: list[str] = []
        self.bodies: dict[str, tuple[str, bytes]] = {}
        self.spoil: dict[object, object] = {}

    async def open(self) -> World:
        await self.broker.declare(LAYOUT.streams, LAYOUT.buckets)
        await self.store("start", STARTED, npc=NOBODY)
        await self.store("turn-1", *TURN)
        await self.store("task-1", TASK)
        return self

    async def store(
        self,
        command: str,
        *events: AnyEvent,
        npc: str = "marta",
        writer: str = "inc-1",
        told: bool = True,
    ) -> int:
        """Appends a checkpoint, makes its tiles and notes the answer."""
        family = events[0].kind.partition(".")[0]
        subject = CHECKPOINT.of(
            "holodeck", "session", 3, "s1", family, 4 if npc != NOBODY else NOBODY, npc, 5, "ana"
        )
        headers = {HEADER_COMMAND: command, HEADER_WRITER: writer}
        at = 1000 + len(self.tiles)
        sequence = await self.broker.log(LAYOUT.checkpoints).append(
            subject, encode_checkpoint(at, events), headers=headers
        )
        place = place_of(subject)
        assert place is not None
        fronts = tile_fronts("holodeck")
        bodies = tiles_of(place, sequence, Checkpoint(at, events))
        for n, (event, body) in enumerate(zip(events, bodies, strict=True)):
            tile = f"s1.{sequence}.{n}"
            self.tiles.append(tile)
            self.bodies[tile] = (f"{fronts[event.kind]}s1", body)
        if told:
            self.ledger.acknowledge(intent(command), sequence, family)
        return sequence

    async def proof(self) -> Proof:
        log = self.broker.log(LAYOUT.tiles)
        nothing = (TILE.of("holodeck", "turn", "turn", "s1"), b"{}")
        for tile in self.tiles:
            subject, body = self.bodies.get(tile, nothing)
            await log.append(subject, body, headers={HEADER_TILE: tile})
        reading = await read_journal(self.broker, LAYOUT)
        live = await read_actors(Folded(reading, self.spoil), reading, parallel=2)
        tiles = await read_tiles(self.broker, LAYOUT)
        told = await read_told(self.broker, LAYOUT)
        dead = await count_dead(self.broker, LAYOUT)
        return prove(self.ledger, reading, tiles, live, dead, told=told)

    async def route(self, task: str, agent: str, *others: str) -> int:
        """Gives a task to an agent, which is linked to others by it."""
        return await self.store(
            f"route-{task}-{agent}",
            TaskRouted(task=task, npc=agent, match=1.0, fallback=False, collaborators=others),
            npc=agent,
        )

    async def cross(self) -> EmergenceDetected:
        """Four agents come to have all six links there can be between them."""
        await self.route("a", "ada")
        await self.route("b", "bob", "ada")
        await self.route("c", "cyd", "ada", "bob")
        await self.route("d", "dan", "ada", "bob", "cyd")
        (owed,) = (await read_journal(self.broker, LAYOUT)).fleet.owed
        return EmergenceDetected(crossing=owed)

    async def end(self, **counts: int) -> None:
        """Ends the session with these counts."""
        ended = SessionEnded(
            reason=EndReason.LEARNER_ENDED,
            outcome=Outcome.SUCCESS,
            active_ms=5,
            agent="ana",
            tasks=TaskCounts(**counts),
            patterns=(Pattern(name="mixed_outcomes"),),
        )
        await self.store("end", ended, npc=NOBODY)


@dataclass
class Folded:
    """Actors that hold what a fresh fold gives, except where they are spoilt."""

    reading: Reading
    spoil: dict[object, object]

    def _say(self, key: object, sound: object) -> object:
        answer = self.spoil.get(key, sound)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def npc(self, identity: str, after: int) -> NpcState:
        return self._say(identity, self.reading.npcs[identity])  # type: ignore[return-value]

    async def relation(self, identity: str, learner: str, after: int) -> Relation:
        both = (identity, learner)
        return self._say(both, self.reading.relations[both])  # type: ignore[return-value]

    async def learner(self, identity: str, after: int) -> LearnerState:
        return self._say(identity, self.reading.learners[identity])  # type: ignore[return-value]

    async def fleet(self, after: int) -> FleetSaid:
        fleet = self.reading.fleet
        said = FleetSaid.of(status_view(fleet), agents_view(fleet, 100))
        spoil: Any = self.spoil.get("fleet")
        if callable(spoil):
            spoil(said)
            return said
        return self._say("fleet", said)  # type: ignore[return-value]


def intent(command: str) -> Intent:
    return Intent("session", "s1", command)


@pytest.fixture
async def world() -> World:
    return await World().open()


def broken(proof: Proof) -> list[str]:
    return [claim.what for claim in proof.claims if not claim.holds]


async def test_a_sound_journal_is_proved(world: World) -> None:
    proof = await world.proof()

    assert broken(proof) == []
    assert proof.holds
    assert (proof.lost, proof.twice) == (0, 0)


async def test_an_acknowledged_id_that_is_nowhere_is_lost(world: World) -> None:
    world.ledger.acknowledge(intent("turn-2"), 4, "take-turn")

    proof = await world.proof()

    assert proof.lost == 1
    assert broken(proof) == [
        "acknowledged ids in exactly one checkpoint",
        "acknowledged and lost",
    ]
    assert "turn-2" in proof.claims[1].detail


async def test_an_id_in_two_checkpoints_was_applied_twice(world: World) -> None:
    await world.store("turn-1", *TURN, told=False)

    proof = await world.proof()

    assert proof.twice == 1
    assert broken(proof) == ["acknowledged ids in exactly one checkpoint", "ids applied twice"]


async def test_an_id_nobody_was_told_of_counts_too_when_it_stands_twice(world: World) -> None:
    for _ in range(2):
        await world.store("timer.task-t.3", TASK, told=False)

    proof = await world.proof()

    assert broken(proof) == ["ids applied twice"]


async def test_an_id_at_another_sequence_than_acknowledged_is_found(world: World) -> None:
    at = await world.store("turn-2", *TURN, told=False)
    world.ledger.acknowledge(intent("turn-2"), at - 1, "take-turn")

    proof = await world.proof()

    assert broken(proof) == ["acknowledged ids in exactly one checkpoint"]
    assert f"at {at}, not {at - 1}" in proof.claims[0].detail


async def test_a_refused_id_that_was_stored_is_found(world: World) -> None:
    await world.store("turn-2", *TURN, told=False)
    world.ledger.refuse(intent("turn-2"), "turn-order")

    assert broken(await world.proof()) == [
        "refused or changing nothing, and stored",
        "answers that deny what was acknowledged",
    ]


async def test_a_refusal_only_a_stale_state_explains_is_found(world: World) -> None:
    world.ledger.refuse(intent("done-1"), "task-completed")  # its time had run out
    assert broken(await world.proof()) == []

    stale = await World().open()
    stale.ledger.refuse(intent("turn-2"), "turn-order")
    stale.ledger.acknowledge(intent("resume-1"), 3, "resume", stored=False)

    proof = await stale.proof()

    assert broken(proof) == ["answers that deny what was acknowledged"]
    claim = next(claim for claim in proof.claims if not claim.holds)
    assert claim.found == "2"


@pytest.mark.parametrize(("times", "wrong"), [(0, False), (1, False), (2, True)])
async def test_an_unknown_outcome_may_be_stored_once_at_most(
    world: World, times: int, wrong: bool
) -> None:
    for _ in range(times):
        await world.store("turn-2", *TURN, told=False)
    world.ledger.wonder(intent("turn-2"))

    assert ("unknown outcomes stored more than once" in broken(await world.proof())) is wrong


async def test_writers_that_follow_each_other_are_one_line_and_alternating_ones_are_not(
    world: World,
) -> None:
    await world.store("turn-2", TASK, writer="inc-2")
    assert broken(await world.proof()) == []

    torn = await World().open()
    await torn.store("turn-2", TASK, writer="inc-2")
    await torn.store("turn-3", TASK, writer="inc-1")

    assert broken(await torn.proof()) == ["histories in one line, no two writers alternating"]


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        (lambda tiles: tiles.pop(2), "missing 1"),
        (lambda tiles: tiles.append(tiles[1]), "doubled 1"),
        (lambda tiles: tiles.append("s9.1.0"), "foreign 1"),
        (lambda tiles: tiles.reverse(), "out of order"),
    ],
    ids=["missing", "doubled", "foreign", "out-of-order"],
)
async def test_tiles_that_are_not_the_events_are_found(
    world: World, spoil: object, word: str
) -> None:
    spoil(world.tiles)  # type: ignore[operator]

    proof = await world.proof()

    assert broken(proof) == ["events = tiles, each once and in order"]
    claim = next(claim for claim in proof.claims if not claim.holds)
    assert word in claim.detail


async def test_a_relation_that_missed_a_checkpoint_is_found(world: World) -> None:
    reading = await read_journal(world.broker, LAYOUT)
    both = ("marta", "ana")
    world.spoil[both] = replace(reading.relations[both], reputation=0.5, friction=0)

    proof = await world.proof()

    assert broken(proof) == [
        "relation = fresh fold",
        "friction messages that reached NPCs",
    ]
    claim = next(claim for claim in proof.claims if not claim.holds)
    assert "marta/ana: reputation 0.5, should be 0.25" in claim.detail


async def test_an_npc_and_a_learner_that_differ_are_found(world: World) -> None:
    reading = await read_journal(world.broker, LAYOUT)
    world.spoil["marta"] = replace(reading.npcs["marta"], turns=2)
    world.spoil["ana"] = replace(reading.learners["ana"], last_at=1)

    assert broken(await world.proof()) == [
        "NPC state = fresh fold",
        "learner state = fresh fold",
    ]


async def test_an_actor_that_does_not_answer_is_found(world: World) -> None:
    world.spoil["ana"] = Unavailable("learner.ana", "no answer")

    assert "learner state = fresh fold" in broken(await world.proof())


async def test_a_family_nobody_heard_of_is_found() -> None:
    world = World()
    await world.broker.declare(LAYOUT.streams, LAYOUT.buckets)
    await world.store("start", STARTED, npc=NOBODY)
    await world.store("task-1", TASK)

    assert broken(await world.proof()) == [
        "friction messages that reached NPCs",
        "reputation messages that reached NPCs",
        "friction messages that reached learners",
        "reputation messages that reached learners",
    ]


LOAD: Final = "agents' load = tasks given and not ended"
AGENTS: Final = "agents in the fleet = fresh fold"
FIGURES: Final = "figures of the fleet = fresh fold"
CROSSINGS: Final = "emergence crossings, each told exactly once"
COUNTS: Final = "SESSION_END tiles whose counts are those of TASK_END tiles"


async def test_a_session_that_routed_crossed_failed_tried_again_and_ended_is_proved(
    world: World,
) -> None:
    alert = await world.cross()
    await world.store("emergence.1", alert, npc=NOBODY)
    for task, agent in (("a", "ada"), ("b", "bob"), ("c", "cyd")):
        done = TaskCompleted(task=task, outcome=Outcome.SUCCESS, npc=agent)
        await world.store(f"done-{task}", done, npc=agent)
    failed = TaskCompleted(task="d", outcome=Outcome.FAILED, npc="dan")
    await world.store("done-d", failed, npc="dan")
    await world.store("retry-d", TaskRetried(task="d", attempt=2), npc=NOBODY)
    await world.store("done-d-2", failed.model_copy(update={"outcome": Outcome.SUCCESS}))
    await world.end(total=4, succeeded=4)

    proof = await world.proof()

    assert broken(proof) == []
    found = {claim.what: claim for claim in proof.claims}
    assert (found[CROSSINGS].expected, found[CROSSINGS].found) == ("1", "1")
    assert found[LOAD].expected == "0"
    assert "mixed_outcomes 1" in found[COUNTS].detail


@pytest.mark.parametrize(
    ("spoil", "claims"),
    [
        (lambda said: said.agents["ada"].update(load=0), [AGENTS, LOAD]),
        (lambda said: said.agents["ada"].update(links=7), [AGENTS]),
        (lambda said: said.agents.pop("ada"), [AGENTS, LOAD]),
        (lambda said: said.figures.update(h1=1), [FIGURES]),
        (lambda said: said.figures.update(routed=0), [FIGURES]),
        (lambda said: said.figures.update(alerts=1), [FIGURES, CROSSINGS]),
    ],
    ids=["load", "links", "agent-missing", "loops", "routed", "alerts"],
)
async def test_a_fleet_that_differs_from_its_fold_is_found(
    world: World, spoil: Callable[[FleetSaid], object], claims: list[str]
) -> None:
    await world.route("t", "ada")
    world.spoil["fleet"] = spoil

    assert broken(await world.proof()) == claims


async def test_a_fleet_that_does_not_answer_is_found(world: World) -> None:
    world.spoil["fleet"] = Unavailable("fleet.main", "no answer")

    assert broken(await world.proof()) == [AGENTS, FIGURES, LOAD, CROSSINGS]


@pytest.mark.parametrize("times", [0, 2], ids=["never-told", "told-twice"])
async def test_a_crossing_that_is_not_told_exactly_once_is_found(world: World, times: int) -> None:
    alert = await world.cross()
    for n in range(times):
        await world.store(f"emergence.{n}", alert, npc=NOBODY)

    assert broken(await world.proof()) == [CROSSINGS]


async def test_an_end_that_counts_otherwise_than_its_tasks_is_found(world: World) -> None:
    done = TaskCompleted(task="t", outcome=Outcome.TIMEOUT, npc="marta")
    await world.store("timer.task-t.3", done, told=False)
    await world.end(total=1, succeeded=1)

    proof = await world.proof()

    assert broken(proof) == [COUNTS]
    claim = next(claim for claim in proof.claims if not claim.holds)
    assert "s1: succeeded 1, by its tasks 0" in claim.detail
    assert (claim.expected, claim.found) == ("1", "0")


async def test_a_task_end_tile_that_was_changed_is_found(world: World) -> None:
    done = TaskCompleted(task="t", outcome=Outcome.SUCCESS, npc="marta")
    at = await world.store("done-1", done)
    await world.end(total=1, succeeded=1)
    subject, body = world.bodies[f"s1.{at}.0"]
    changed = json.loads(body)
    changed["answer"]["outcome"] = "failed"
    world.bodies[f"s1.{at}.0"] = (subject, json.dumps(changed).encode())

    assert broken(await world.proof()) == [COUNTS]


async def test_garbage_in_the_journal_and_dead_letters_are_found(world: World) -> None:
    subject = CHECKPOINT.of("holodeck", "session", 3, "s1", "turn", 4, "marta", 5, "ana")
    await world.broker.log(LAYOUT.checkpoints).append(subject, b"garbage")
    await world.broker.log(LAYOUT.dead).append(DEAD.of("holodeck", "CHECKPOINTS", "x"), b"garbage")

    proof = await world.proof()

    assert broken(proof) == ["messages nobody could read"]
    claim = next(claim for claim in proof.claims if not claim.holds)
    assert claim.found == "2"


def test_a_host_that_is_given_a_partition_again_may_write_again() -> None:
    owners = Owners(1)
    for owner in ("one", "two", "", "one"):
        owners.note((owner,))
    assert owners.allow("s1", ["one", "two", "one"])
    assert owners.allow("s1", ["two", "one"])


def test_who_writes_out_of_the_order_of_owners_is_found() -> None:
    owners = Owners(1)
    for owner in ("one", "two"):
        owners.note((owner,))
    assert not owners.allow("s1", ["one", "two", "one"])
    assert not owners.allow("s1", ["two", "one"])
    assert not owners.allow("s1", ["stranger"])
