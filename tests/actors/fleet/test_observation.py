"""A session of ours, decided for real, as the mid sees it: from the journal and from its tiles."""

from __future__ import annotations

import json

from holodeck.actors.decider import Moment
from holodeck.actors.fleet.decider import seen_of_event
from holodeck.actors.fleet.mid import MidState, see, seen_of_tile, synthesise
from holodeck.actors.session.decider import session
from holodeck.actors.tiles import tiles_of
from holodeck.messages.envelope import Checkpoint
from holodeck.messages.fleet import GraphPoint, SessionGraph
from holodeck.messages.session import (
    AddTask,
    CastMember,
    CompleteTask,
    End,
    Outcome,
    Pause,
    ReportError,
    Resume,
    RetryTask,
    RouteTask,
    SessionCommand,
    SessionKind,
    StartSession,
    StartTask,
)
from holodeck.messages.subjects import Place

NOON = 1_780_000_000_000
CAST = (
    CastMember(npc="bob", capabilities=("llvm",)),
    CastMember(npc="eve", capabilities=("plato",)),
)
GRAPH = GraphPoint(h1=2, vertices=4, edges=5, components=1)
COMMANDS: list[SessionCommand] = [
    StartSession(
        session_kind=SessionKind.AGENT, learner="ada", cast=CAST, tags=("research",), graph=GRAPH
    ),
    AddTask(task="build-1", capabilities=("llvm",)),
    RouteTask(task="build-1"),
    StartTask(task="build-1"),
    CompleteTask(task="build-1", outcome=Outcome.FAILED, error="no disk 7"),
    RetryTask(task="build-1", attempt=2),
    RouteTask(task="build-1"),
    StartTask(task="build-1"),
    CompleteTask(task="build-1"),
    AddTask(task="left-open"),
    Pause(),
    Resume(),
    ReportError(error="no disk 8"),
    AddTask(task="solo", start=True),
    CompleteTask(task="solo", outcome=Outcome.FAILED, error="no disk 9"),
    End(graph=SessionGraph(graph=GRAPH, own_change=1)),
]


def observed() -> tuple[MidState, MidState]:
    """The same session from its events and from its tiles."""
    by_events, by_tiles = MidState(), MidState()
    state = session.new()
    for sequence, command in enumerate(COMMANDS, 1):
        at = NOON + 1000 * sequence
        events = tuple(session.decide(state, command, at))
        moment = Moment(sequence, at, "s1", "ada")
        session.advance(state, events, moment)
        for event in events:
            seen = seen_of_event(event, moment)
            if seen is not None:
                see(by_events, seen)
        place = Place("session", "1", "s1", "task", "-", "-", "5", "ada")
        for data in tiles_of(place, sequence, Checkpoint(at=at, events=events)):
            seen = seen_of_tile(json.loads(data))
            if seen is not None:
                see(by_tiles, seen)
    return by_events, by_tiles


def test_a_session_of_ours_contradicts_itself_in_nothing() -> None:
    by_events, _ = observed()

    synthesis = synthesise(by_events, NOON + 10**9)

    metrics = synthesis.metrics
    assert synthesis.conflicts == ()
    assert [one.kind for one in synthesis.complements] == ["shared-error"]
    assert synthesis.complements[0].agents == ("bob", "ada")
    assert (metrics.complete, metrics.tasks, metrics.routings, metrics.errors) == (1, 4, 2, 1)
    assert (metrics.delta_beta1, synthesis.confidence) == (1, 1.0)
    assert {one.agent: (one.tasks_succeeded, one.tasks) for one in synthesis.agents} == {
        "ada": (0, 1),
        "bob": (1, 2),
    }


def test_tiles_tell_the_mid_what_the_journal_tells_it() -> None:
    by_events, by_tiles = observed()

    assert synthesise(by_tiles, NOON + 10**9) == synthesise(by_events, NOON + 10**9)
