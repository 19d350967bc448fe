"""What is left of those who were erased, without a broker."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holodeck.actors.decider import Moment
from holodeck.actors.erasing import CUT, Erasure, _mentions
from holodeck.actors.exporting import _place, _shown, _told
from holodeck.actors.fleet.decider import FLEET_STATE, FleetState, fleet
from holodeck.actors.folds import Cell
from holodeck.actors.learner.decider import LEARNER_STATE, LearnerState, learner
from holodeck.actors.npc.decider import RELATION_STATE, Relation, relation
from holodeck.actors.session import STATE, Phase, SessionState, session
from holodeck.actors.tiles import JsonlSink
from holodeck.actors.tiles.recent import Recent, StoredTile
from holodeck.actors.tiles.sinks import Erased
from holodeck.broker.port import Record
from holodeck.entrypoints.gateway.rooms import Index
from holodeck.messages.codec import pack
from holodeck.messages.errors import DecodeError, RefusedError
from holodeck.messages.fleet import AgentRegistered
from holodeck.messages.learner import ClaimLearner, LearnerClaimed
from holodeck.messages.player import EraseLearner, LearnerErased, SessionErased
from holodeck.messages.session import (
    EndReason,
    Outcome,
    ReputationChanged,
    SessionEnded,
    SessionKind,
    SessionStarted,
    TaskAdded,
    TaskCompleted,
    TaskRouted,
    TurnTaken,
)
from tests.messages.strategies import EVENTS, any_of

laws = settings(max_examples=60, deadline=None)
ENDED = SessionEnded(
    reason=EndReason.LEARNER_ENDED, outcome=Outcome.SUCCESS, duration_ms=1, active_ms=1, agent="ana"
)
STARTED = SessionStarted(session_kind=SessionKind.CONVERSATION, learner="ana", claim=1)


def at(number: int, writer: str = "s-1", who: str = "ana") -> Moment:
    return Moment(number, 1000 * number, writer, who)


# --- those who fold it ----------------------------------------


@laws
@given(st.lists(any_of(EVENTS), max_size=6), st.lists(any_of(EVENTS), max_size=6))
def test_a_learners_tombstone_says_nothing_whatever_was_before_or_comes_after(
    before: list[Any], after: list[Any]
) -> None:
    state = LearnerState()
    for number, event in enumerate(before, 1):
        learner.advance(state, (event,), at(number))
    learner.advance(state, (LearnerErased(),), at(50, "ana"))
    for number, event in enumerate(after, 51):
        learner.advance(state, (event,), at(number))
    assert state == LearnerState(erased=True)
    assert LEARNER_STATE.validate_python(LEARNER_STATE.dump_python(state)) == state


@laws
@given(st.lists(any_of(EVENTS), max_size=6), st.lists(any_of(EVENTS), max_size=6))
def test_so_does_a_relations(before: list[Any], after: list[Any]) -> None:
    state = Relation()
    for number, event in enumerate(before, 1):
        relation.advance(state, (event,), at(number))
    relation.advance(state, (LearnerErased(npc="marta"),), at(50, "ana"))
    for number, event in enumerate(after, 51):
        relation.advance(state, (event,), at(number))
    assert state == Relation(erased=True)
    assert RELATION_STATE.validate_python(RELATION_STATE.dump_python(state)) == state


@laws
@given(st.lists(any_of(EVENTS), max_size=6))
def test_so_does_a_sessions(after: list[Any]) -> None:
    state = SessionState()
    session.advance(state, (STARTED,), at(1))
    session.advance(state, (TurnTaken(turn=1, npc="marta", text="hola"),), at(2))
    session.advance(state, (SessionErased(),), at(3))
    for number, event in enumerate(after, 4):
        session.advance(state, (event,), at(number))
    assert state == SessionState(phase=Phase.ERASED, ended_at=3000)
    assert STATE.validate_python(STATE.dump_python(state)) == state


def test_an_erased_learner_refuses_everything_but_to_be_erased() -> None:
    state = LearnerState(erased=True)
    with pytest.raises(RefusedError, match="learner-erased"):
        learner.decide(state, ClaimLearner(session="s-2"), 0)
    assert learner.decide(state, EraseLearner(npc="marta"), 0) == (LearnerErased(npc="marta"),)
    assert learner.decide(LearnerState(), EraseLearner(), 0) == (LearnerErased(),)


def test_a_cell_remembers_no_command_from_before() -> None:
    """Ids of commands are the sender's own words too."""
    cell = Cell("learner", "cell.1.learner.ana")
    cell.fold(at(1, "ana"), (LearnerClaimed(session="s-1"),), "ana-is-here")
    cell.fold(at(2, "ana"), (LearnerErased(),), "erasure_1.block")
    assert b"ana-is-here" not in cell.dump()
    assert cell.own == 2


def routed(task: str, npc: str, *others: str) -> TaskRouted:
    return TaskRouted(task=task, npc=npc, match=1.0, fallback=False, collaborators=others)


def _agent_works() -> FleetState:
    state = FleetState()
    kind = SessionKind.AGENT
    steps: list[tuple[Moment, Any]] = [
        (at(1, "fleet", ""), AgentRegistered(agent="ana", capabilities=("skill MARK",))),
        (at(2), SessionStarted(session_kind=kind, learner="ana", tags=("tag MARK",))),
        (at(3), TaskAdded(task="t", capabilities=("bake",))),
        (at(4), routed("t", "ben", "ana")),
        (at(5), TaskCompleted(task="t", outcome=Outcome.FAILED, npc="ben")),
        (at(6), TaskAdded(task="u")),
        (at(7), routed("u", "ana", "ben", "cem")),
        (at(8), ENDED),
        (at(9, "s-2", "ben"), SessionStarted(session_kind=kind, learner="ben")),
        (at(10, "s-2", "ben"), TaskAdded(task="v")),
        (at(11, "s-2", "ben"), routed("v", "ana", "ben")),
        (at(12, "s-2", "ben"), routed("w", "cem", "ben")),
    ]
    for moment, event in steps:
        fleet.advance(state, (event,), moment)
    return state


def test_the_fleet_forgets_an_agent_and_its_sessions() -> None:
    state = _agent_works()
    told = pack(FLEET_STATE.dump_python(state))
    assert b"MARK" in told
    fleet.advance(state, (SessionErased(),), at(20, "s-1", ""))
    fleet.advance(state, (LearnerErased(),), at(21, "ana"))
    raw = pack(FLEET_STATE.dump_python(state))
    assert b"MARK" not in raw
    assert b"ana" not in raw
    assert b"s-1" not in raw
    assert {"ben", "cem"} <= set(state.graph)
    assert state.graph.edges == 1
    # It can be put away and taken out again, and goes on.
    again = FLEET_STATE.validate_python(FLEET_STATE.dump_python(state))
    done = TaskCompleted(task="v", outcome=Outcome.SUCCESS, npc="ana")
    fleet.advance(again, (done,), at(22, "s-2", "ben"))


def test_a_word_to_one_npc_leaves_the_fleet_as_it_is() -> None:
    state = _agent_works()
    before = FLEET_STATE.dump_python(state) | {"sequence": 21}
    fleet.advance(state, (LearnerErased(npc="marta"),), at(21, "ana"))
    assert pack(FLEET_STATE.dump_python(state)) == pack(before)


# --- what is found, told, and kept ----------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        pack({"id": "x", "body": {"learner": "ana", "n": 65}}),
        pack({"ana": 1}),
        pack([b"to ana, again"]),
        json.dumps({"text": "to ana"}).encode(),
        b"\xff rubbish about ana \x00",
        pack({"id": "a" * 48}),
    ],
)
def test_a_letter_that_names_somebody_is_found(data: bytes) -> None:
    assert _mentions(data, frozenset({"ana", "a" * 48}))


@pytest.mark.parametrize(
    "data",
    [pack({"learner": "anabel"}), b'{"text":"banana"}', b"ana-2 \xff", pack({"id": "a" * 47})],
)
def test_one_that_names_somebody_else_is_not(data: bytes) -> None:
    assert not _mentions(data, frozenset({"ana", "a" * 48}))


def test_a_receipt_counts_and_is_the_same_each_time() -> None:
    intent = Erasure("erasure_1", "ana", 5, sessions={"s-1": 4, "f-1": 9}, forks=["f-1"])
    intent.counts = {"tiles": 3}
    intent.projections = {"redis": "behind"}
    told = intent.receipt()
    assert (told.sessions, told.forks, told.tiles, told.complete) == (1, 1, 3, False)
    assert "what redis has: behind" in told.remains
    again = Erasure.of(intent.told())
    assert again == intent
    assert again.receipt().digest == told.digest
    intent.cut = 1
    assert CUT.format(1) in intent.receipt().remains
    assert intent.receipt().digest != told.digest


def test_a_place_in_an_export_is_what_was_told() -> None:
    assert _place(_told((2, "s-1", 7), 30)) == ((2, "s-1", 7), 30)
    assert _place("") == ((0, "", 0), 0)
    with pytest.raises(DecodeError):
        _place("somewhere")


def test_an_export_names_no_other_agents() -> None:
    crossing = {"number": 3, "h1": 2, "members": ["ben", "cem"], "edge": ["ben", "cem"]}
    data = pack({"v": 1, "at": 5, "events": [{"kind": "emergence.detected", "crossing": crossing}]})
    assert _shown(Record("s", 9, data, {})) == {
        "sequence": 9,
        "at": 5,
        "events": [{"kind": "emergence.detected", "crossing": {"number": 3, "h1": 2}}],
    }


# --- sinks and rooms ----------------------------------------


def tile(sequence: int, about: str, question: str = "[TURN] x", **answer: Any) -> StoredTile:
    kind = "learner_id" if "learner" in question.lower() else "session_id"
    told = {
        "id": f"{about}.{sequence}.0",
        "domain": "room",
        "question": question,
        "answer": {kind: about, **answer},
    }
    return StoredTile(sequence, f"ns.tile.turn.turn.{about}", json.dumps(told).encode())


def tiles_in(folder: Path) -> list[Path]:
    return sorted(folder.glob("tiles*.jsonl"))


async def test_a_file_is_rewritten_without_the_lines_of_the_erased(tmp_path: Path) -> None:
    path = tmp_path / "tiles.jsonl"
    sink = JsonlSink(path, rotate_bytes=600)
    await sink.open(99)
    for number in range(1, 13):
        mine = number % 2
        await sink.write(
            [tile(number, "s-1" if mine else "s-2", learner="ana" if mine else "ben", text="MARK")]
        )
    await sink.write([tile(13, "f-1", text="MARK"), tile(14, "s-1", "[SESSION_ERASED] s-1")])
    files = tiles_in(tmp_path)
    assert len(files) > 1

    await sink.erase(Erased(frozenset({"s-1", "f-1"}), "ana"))

    assert tiles_in(tmp_path) == files
    lines = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    assert sorted(line["tile_sequence"] for line in lines) == [2, 4, 6, 8, 10, 12, 14]
    await sink.write([tile(14, "s-9"), tile(15, "s-2", text="goes on")])
    assert path.read_text().count("\n") == path.read_text().count('"tile_sequence":1')
    await sink.close()
    again = JsonlSink(path)
    assert await again.open(99) == 15
    await again.close()


async def test_the_newest_tiles_are_let_go(tmp_path: Path) -> None:
    recent = Recent()
    recent.begin(0)
    recent.join(lambda: None)
    recent.add([("t", b"MARK", {}), ("t", b"MARK", {})])
    recent.forget()
    assert recent.behind(0, 10) is None
    assert recent.behind(2, 10) == []
    recent.add([("t", b"new", {})])
    assert [one.sequence for one in recent.behind(2, 10) or []] == [3]


def test_a_room_forgets_what_was_erased() -> None:
    index = Index()

    def add(sequence: int, about: str, event: str, room: str, **answer: Any) -> None:
        data = {"id": f"{about}.{sequence}.0", "domain": room, "question": "q", "answer": answer}
        raw = json.dumps(data, separators=(",", ":")).encode()
        index.add_own(Record(f"ns.tile.x.{event}.{about}", sequence, raw, {}))

    add(1, "s-1", "turn", "room MARK", learner="ana")
    add(2, "f-1", "turn", "hall", text="MARK")
    add(3, "s-2", "turn", "hall", learner="ben")
    add(4, "s-1", "session-erased", "hall")
    add(5, "f-1", "session-erased", "hall")
    add(6, "ana", "learner-erased", "hall", learner="ana")
    held = [entry.data for entry in index.newest()]
    assert not any(b"MARK" in data for data in held)
    assert any(b'"ben"' in data for data in held)
    assert list(index.rooms) == ["hall"]
    assert index.rooms["hall"].own_total == len(index.own) == 4


def test_a_standing_with_others_stays() -> None:
    """What an NPC thinks of one learner has nothing to do with what it thinks of another."""
    one, other = Relation(), Relation()
    moved = ReputationChanged(npc="marta", delta=0.1, reason="kind", turn=1)
    relation.advance(one, (moved,), at(1))
    relation.advance(other, (moved,), at(2, "s-2", "ben"))
    kept = RELATION_STATE.dump_python(other)
    relation.advance(one, (LearnerErased(npc="marta"),), at(3, "ana"))
    assert one == Relation(erased=True)
    assert RELATION_STATE.dump_python(other) == kept
