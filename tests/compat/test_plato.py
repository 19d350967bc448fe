"""Tiles: by themselves, by hand, and to a PLATO server of one's own."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from holodeck.compat import (
    InvalidValue,
    PlatoTileEmitter,
    SessionManager,
    SessionOutcome,
    TaskOutcome,
    UnknownSession,
    UnknownTask,
)
from tests.compat.server import plato
from tests.compat.support import Heard, config, events_of, run, tiles_of
from tests.tiles.plato_stub import TAKEN, Hang, refused

pytestmark = [pytest.mark.nats, pytest.mark.usefixtures("runtime")]

AT_HOME = PlatoTileEmitter()


# --- by hand ----------------------------------------


def test_telling_what_has_been_told_sends_nothing_and_says_yes() -> None:
    manager = SessionManager(config())
    session = manager.start_session()
    decision = manager.route_task_h1("t", ["research"])

    for _ in range(2):
        assert AT_HOME.emit_session_start(session)
        assert AT_HOME.emit_task_start(session.session_id, "t", decision)
    session.complete_task("t", TaskOutcome.SUCCESS, duration_ms=234)
    for outcome in (TaskOutcome.SUCCESS, "success"):
        assert AT_HOME.emit_task_end(session.session_id, "t", outcome, 234)
    session.end_session(SessionOutcome.SUCCESS)
    for _ in range(2):
        assert AT_HOME.emit_session_end(session, SessionOutcome.SUCCESS)

    names = events_of(session)
    assert names == [
        "SESSION_START",
        "TASK_ADDED",
        "TASK_ROUTED",
        "TASK_START",
        "TASK_END",
        "SESSION_END",
    ]


def test_telling_what_has_not_happened_says_no_and_changes_nothing() -> None:
    session = SessionManager(config()).start_session()
    task = session.add_task("t")

    assert not AT_HOME.emit_task_end(session.session_id, "t", "success")
    assert not AT_HOME.emit_session_end(session, "success")
    assert not AT_HOME.emit_emergence_alert(session.session_id)
    task.complete(False)
    assert not AT_HOME.emit_task_end(session.session_id, "t", "success")

    assert session.is_active
    assert session.tasks_failed == 1


def test_an_error_is_told_once_however_often_it_is_said() -> None:
    session = SessionManager(config()).start_session()

    for _ in range(2):
        assert AT_HOME.emit_session_error(session.session_id, "Connection timeout")
    assert AT_HOME.emit_session_error(session.session_id, "another")
    session.end_session()

    tiles = [one for one in tiles_of(session) if one.question.startswith("[SESSION_ERROR]")]
    assert [one.answer["error"] for one in tiles] == ["Connection timeout", "another"]
    assert not AT_HOME.emit_session_error(session.session_id, "too late")


def test_the_error_a_session_ended_with_is_told_already() -> None:
    session = SessionManager(config()).start_session()
    session.end_session(SessionOutcome.FAILED, error="it broke")

    assert AT_HOME.emit_session_error(session.session_id, "it broke")

    assert events_of(session).count("SESSION_ERROR") == 1


def test_an_alert_that_was_raised_is_told_already() -> None:
    heard = Heard()
    manager = SessionManager(config(emergence_threshold_offset=-3, on_emergence_alert=heard))
    session = manager.start_session()
    for number in range(3):
        name = f"{manager.config.agent_id}-{number}"
        manager.register_agent(name, [f"skill-of-{name}"])
        manager.route_task_h1(f"for {name}", [f"skill-of-{name}"])
    ((alert,),) = heard.wait()

    assert AT_HOME.emit_emergence_alert(session.session_id, alert)
    assert not AT_HOME.emit_emergence_alert(session.session_id, alert | {"crossing": 1})


def test_unknown_names_are_refused_and_named() -> None:
    session = SessionManager(config()).start_session()

    with pytest.raises(UnknownSession, match="sess_nope is no session of this process"):
        AT_HOME.emit_session_error("sess_nope", "x")
    with pytest.raises(UnknownTask, match="nope"):
        AT_HOME.emit_task_start(session.session_id, "nope")
    with pytest.raises(InvalidValue, match="no outcome"):
        AT_HOME.emit_session_end(session, "perhaps")


# --- a server of one's own ----------------------------------------


def run_three(**more: Any) -> Any:
    session = SessionManager(config(**more)).start_session()
    for number in range(3):
        session.add_task(f"t{number}", {"n": number}).complete()
    return session.end_session()


def test_a_server_that_is_named_gets_every_tile_in_order() -> None:
    with plato() as server:
        session = run_three(plato_url=server.url, scout_room="gc/research/sessions")
        assert PlatoTileEmitter(server.url).flush(10)

    tiles = tiles_of(session)
    assert [one["id"] for one in server.taken] == [one.id for one in tiles]
    assert {one["domain"] for one in server.taken} == {"gc/research/sessions"}
    assert json.loads(server.taken[0]["answer"])["session_id"] == session.session_id
    assert {one.path for one in server.seen} == {"/submit"}


def test_a_server_gets_the_built_in_room_where_none_is_named() -> None:
    with plato() as server:
        run_three(plato_url=server.url)
        assert PlatoTileEmitter(server.url).flush(10)

    assert {one["domain"] for one in server.taken} == {"scout-reports/holodeck-session"}


def test_an_emitter_with_a_server_of_its_own_sends_all_of_the_session_once() -> None:
    with plato() as server:
        emitter = PlatoTileEmitter(server.url, "a/room")
        session = SessionManager(config()).start_session()
        session.add_task("before").complete()
        for _ in range(3):
            assert emitter.emit_session_start(session)
        session.end_session()
        assert emitter.emit_session_end(session, "success")
        assert emitter.flush(10)

    assert server.ids() == [one.id for one in tiles_of(session)]


def test_a_silent_session_tells_no_server_and_keeps_its_tiles() -> None:
    with plato() as server:
        session = run_three(plato_url=server.url, emit_tiles=False)
        emitter = PlatoTileEmitter(server.url)
        assert emitter.emit_session_end(session, "success")
        assert emitter.flush(2)

    assert server.seen == []
    assert "SESSION_END" in events_of(session)


def test_a_server_that_hangs_holds_up_no_session() -> None:
    with plato(lambda tile: Hang()) as server:
        began = time.monotonic()
        session = run_three(plato_url=server.url)
        took = time.monotonic() - began

        assert session.outcome is SessionOutcome.SUCCESS
        assert not PlatoTileEmitter(server.url).flush(0.1)
        server.answer = lambda tile: TAKEN

    assert took < 5


def test_a_tile_that_is_refused_stops_none_of_those_behind_it() -> None:
    def answer(tile: dict[str, Any]) -> Any:
        return refused("too short") if "TASK_ADDED" in tile["question"] else TAKEN

    with plato(answer) as server:
        session = run_three(plato_url=server.url)
        assert PlatoTileEmitter(server.url).flush(10)

    kept = [one for one in tiles_of(session) if "TASK_ADDED" not in one.question]
    assert server.ids() == [one.id for one in kept]


def test_two_sessions_at_once_are_each_in_order() -> None:
    with plato() as server:
        manager = SessionManager(config(plato_url=server.url))
        sessions = [manager.start_session() for _ in range(2)]
        for number in range(5):
            for session in sessions:
                session.add_task(f"t{number}").complete()
        for session in sessions:
            session.end_session()
        assert PlatoTileEmitter(server.url).flush(10)

    for session in sessions:
        assert server.ids(session.session_id) == [one.id for one in tiles_of(session)]
    assert server.overtaken == []


def test_a_program_that_ends_at_once_has_sent_its_tiles(tmp_path: Path) -> None:
    program = """
        import sys
        from holodeck.compat import SessionConfig, SessionManager
        config = SessionConfig("brief", "agent", plato_url=sys.argv[1])
        with SessionManager(config).start_session() as session:
            session.add_task("t").complete()
    """
    with plato() as server:
        done = run(program, tmp_path, server.url)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    events = [one["question"][1:].partition("]")[0] for one in server.taken]
    assert events == ["SESSION_START", "TASK_ADDED", "TASK_START", "TASK_END", "SESSION_END"]
