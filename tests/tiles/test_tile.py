"""Checkpoints become tiles; no broker, no clock."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest

from holodeck.actors.tiles import EVENTS, ROOM, decode_tile, tile_fronts, tiles_of
from holodeck.messages.base import Event
from holodeck.messages.envelope import AnyEvent, Checkpoint
from holodeck.messages.errors import DecodeError
from holodeck.messages.learner import LearnerClaimed
from holodeck.messages.npc import NpcDescribed
from holodeck.messages.session import (
    CastMember,
    EndReason,
    FrictionDetected,
    FrictionType,
    NpcParted,
    Outcome,
    ReputationChanged,
    SessionEnded,
    SessionForked,
    SessionKind,
    SessionPaused,
    SessionResumeAbandoned,
    SessionResumed,
    SessionStartAbandoned,
    SessionStarted,
    TaskAdded,
    TaskCompleted,
    TaskRouted,
    TaskStarted,
    TurnAnswered,
    TurnTaken,
)
from holodeck.messages.subjects import Place
from holodeck.messages.tiles import SOURCE, Tile

PLACE = Place("session", "3", "sess_1", "turn", "4", "marta", "5", "ana")
NPC = Place("npc", "4", "marta", "npc", "4", "marta", "-", "-")
LEARNER = Place("learner", "5", "ana", "learner", "-", "-", "5", "ana")
FORK = Place("session", "3", "sess_2", "session", "-", "-", "-", "-")
AT = 1_780_000_000_123

SAMPLES: list[tuple[Place, AnyEvent, str, str]] = [
    (
        PLACE,
        SessionStarted(session_kind=SessionKind.AGENT, learner="ana", name="two\n words"),
        "holodeck.tile.session.session-start.sess_1",
        "[SESSION_START] ana:two words",
    ),
    (
        PLACE,
        SessionStartAbandoned(learner="ana", claim=7),
        "holodeck.tile.session.session-start-abandoned.sess_1",
        "[SESSION_START_ABANDONED] ana:sess_1, claim 7",
    ),
    (
        PLACE,
        SessionResumeAbandoned(claim=7),
        "holodeck.tile.session.session-resume-abandoned.sess_1",
        "[SESSION_RESUME_ABANDONED] ana:sess_1, claim 7",
    ),
    (
        FORK,
        SessionForked(parent="sess_1", sequence=9, state=b"\xff\x00"),
        "holodeck.tile.session.session-fork.sess_2",
        "[SESSION_FORK] sess_2 from sess_1 at 9",
    ),
    (
        PLACE,
        SessionPaused(reason="tea"),
        "holodeck.tile.session.session-pause.sess_1",
        "[SESSION_PAUSE] ana:sess_1",
    ),
    (
        PLACE,
        SessionResumed(),
        "holodeck.tile.session.session-resume.sess_1",
        "[SESSION_RESUME] ana:sess_1",
    ),
    (
        PLACE,
        SessionEnded(reason=EndReason.LEARNER_ENDED, outcome=Outcome.SUCCESS, active_ms=847_000),
        "holodeck.tile.session.session-end.sess_1",
        "[SESSION_END] ana:sess_1 — SUCCESS",
    ),
    (
        PLACE,
        NpcParted(npc="marta", turns=4),
        "holodeck.tile.npc.npc-parted.sess_1",
        "[NPC_PARTED] ana from marta after 4 turns",
    ),
    (
        NPC,
        NpcDescribed(name="Marta", role="waiter"),
        "holodeck.tile.npc.npc-described.marta",
        "[NPC_DESCRIBED] marta: Marta",
    ),
    (
        LEARNER,
        LearnerClaimed(session="sess_1"),
        "holodeck.tile.learner.learner-claimed.ana",
        "[LEARNER_CLAIMED] ana:sess_1",
    ),
    (
        PLACE,
        TurnTaken(turn=2, npc="marta", text="¿qué tal?"),
        "holodeck.tile.turn.turn.sess_1",
        "[TURN] ana → marta, turn 2",
    ),
    (
        PLACE,
        TurnAnswered(turn=2, npc="marta", text="bien"),
        "holodeck.tile.turn.reply.sess_1",
        "[REPLY] marta → ana, turn 2",
    ),
    (
        PLACE,
        FrictionDetected(type=FrictionType.LEXICAL, severity=0.5, turn=2),
        "holodeck.tile.friction.friction.sess_1",
        "[FRICTION] ana:sess_1: lexical 0.50",
    ),
    (
        PLACE,
        ReputationChanged(npc="marta", delta=-0.02),
        "holodeck.tile.reputation.reputation.sess_1",
        "[REPUTATION] ana with marta -0.020",
    ),
    (
        PLACE,
        TaskAdded(task="order a\tcoffee"),
        "holodeck.tile.task.task-added.sess_1",
        "[TASK_ADDED] order a coffee",
    ),
    (
        PLACE,
        TaskRouted(task="order", npc="marta", match=1.0, fallback=False),
        "holodeck.tile.task.task-routed.sess_1",
        "[TASK_ROUTED] order → marta",
    ),
    (
        PLACE,
        TaskStarted(task="order", npc="marta"),
        "holodeck.tile.task.task-start.sess_1",
        "[TASK_START] order → marta",
    ),
    (
        PLACE,
        TaskCompleted(task="order", outcome=Outcome.FAILED, error="no milk"),
        "holodeck.tile.task.task-end.sess_1",
        "[TASK_END] order — FAILED",
    ),
]


def union_members(union: Any) -> set[type[Event]]:
    """The classes of a union, however deeply annotated."""
    if isinstance(union, type):
        return {union} if issubclass(union, Event) else set()
    return {member for part in get_args(union) for member in union_members(part)}


def checkpoint(*events: AnyEvent, at: int = AT) -> Checkpoint:
    return Checkpoint(at=at, events=events)


def made(place: Place, sequence: int, *events: AnyEvent) -> list[Tile]:
    """The tiles of a checkpoint as whoever reads TILES sees them."""
    return [decode_tile(data, "tile") for data in tiles_of(place, sequence, checkpoint(*events))]


def test_every_event_kind_has_a_name_and_a_sample() -> None:
    members = union_members(AnyEvent)
    kinds = {member.model_fields["kind"].default for member in members}
    assert len(kinds) == len(members) >= 18
    assert set(EVENTS) == kinds
    assert {event.kind for _, event, _, _ in SAMPLES} == kinds
    assert len({event.name for event in EVENTS.values()}) == len(EVENTS)


@pytest.mark.parametrize(
    ("place", "event", "subject", "question"), SAMPLES, ids=[s[1].kind for s in SAMPLES]
)
def test_an_event_becomes_a_tile(
    place: Place, event: AnyEvent, subject: str, question: str
) -> None:
    (data,) = tiles_of(place, 41, checkpoint(event))
    tile = decode_tile(data, "tile")

    assert tile_fronts("holodeck")[event.kind] + place.identity == subject
    assert tile.question == question
    assert tile.id == f"{place.identity}.41.0"
    assert tile.answer["schema"] == 1
    assert tile.answer["at"] == "2026-05-28T20:26:40.123Z"
    assert (tile.answer["sequence"], tile.answer["n"]) == (41, 0)
    assert tile.answer[f"{place.kind}_id"] == place.identity
    assert tile.tags[:2] == ("scout", event.kind.partition(".")[0])
    assert tile.confidence == EVENTS[event.kind].confidence
    assert (tile.domain, tile.source) == (ROOM, SOURCE)
    assert data.startswith(b'{"id":"')
    assert b"\n" not in data
    assert data == tile.model_dump_json().encode()
    fields = json.loads(data)["answer"]
    for name, value in event.model_dump(mode="json", exclude={"state", "sequence"}).items():
        assert fields[name] == value


def test_a_turn_with_friction_and_reputation_gives_three_tiles_in_order() -> None:
    events: list[AnyEvent] = [
        TurnTaken(turn=1, npc="marta", text="hola"),
        FrictionDetected(type=FrictionType.LEXICAL, severity=0.5, turn=1),
        ReputationChanged(npc="marta", delta=0.1, turn=1),
    ]
    tiles = made(PLACE, 8, *events)
    assert [tile.id for tile in tiles] == ["sess_1.8.0", "sess_1.8.1", "sess_1.8.2"]
    assert [tile.answer["n"] for tile in tiles] == [0, 1, 2]
    assert tiles[0].answer["text"] == "hola"
    assert "text" not in tiles[1].answer
    assert made(PLACE, 8, *events) == tiles


def test_what_json_has_no_words_for_is_still_one_line_of_it() -> None:
    odd = 'quote " backslash \\ line\nend \x01 and é😀'
    paused = SessionPaused(reason=odd)
    endless = FrictionDetected(type=FrictionType.LEXICAL, severity=float("inf"), turn=1)
    first, second = tiles_of(PLACE, 8, checkpoint(paused, endless))
    assert b"\n" not in first
    assert json.loads(first)["answer"]["reason"] == odd
    assert json.loads(second, parse_constant=pytest.fail)["answer"]["severity"] is None


def test_a_fork_tells_its_parent_but_not_the_state_it_began_from() -> None:
    (tile,) = made(FORK, 12, SessionForked(parent="p", sequence=9, state=b"x"))
    assert "state" not in tile.answer
    assert (tile.answer["parent_sequence"], tile.answer["sequence"]) == (9, 12)


def test_a_start_carries_the_names_the_session_manager_promised() -> None:
    cast = (CastMember(npc="marta", capabilities=("waiter",)), CastMember(npc="pau"))
    started = SessionStarted(
        session_kind=SessionKind.AGENT, learner="oracle1", name="research", cast=cast
    )
    (tile,) = made(PLACE, 1, started)
    assert tile.answer["cast"] == [
        {"npc": "marta", "capabilities": ["waiter"]},
        {"npc": "pau", "capabilities": []},
    ]
    assert (tile.answer["agent_id"], tile.answer["session_name"]) == ("oracle1", "research")
    assert tile.tags == ("scout", "session", "start", "oracle1")


def test_a_time_no_calendar_knows_is_undecodable() -> None:
    with pytest.raises(DecodeError, match="9999"):
        tiles_of(PLACE, 1, checkpoint(SessionPaused(), at=2**53))


def test_bytes_that_are_no_tile_are_refused() -> None:
    with pytest.raises(DecodeError):
        decode_tile(b'{"id": 7}', "somewhere")
