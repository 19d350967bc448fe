"""Routing, the graph in figures, emergence."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest

from holodeck.compat import (
    Decision,
    EmergenceAlert,
    H1Status,
    InvalidValue,
    SessionManager,
    TaskAlreadyEnded,
)
from tests.compat.server import router
from tests.compat.support import Heard, config, events_of, tiles_of

pytestmark = [pytest.mark.nats, pytest.mark.usefixtures("runtime")]


def team(manager: SessionManager, size: int) -> list[str]:
    """So many agents, each of whom alone can do one thing; the capabilities, which are theirs."""
    names = [f"{manager.config.agent_id}-{number}" for number in range(size)]
    for name in names:
        manager.register_agent(name, [f"skill-of-{name}"])
    return names


# --- decisions ----------------------------------------


def test_a_decision_is_read_as_attributes_as_a_dictionary_and_as_json() -> None:
    manager = SessionManager(config())
    (name,) = team(manager, 1)
    session = manager.start_session()

    decision = manager.route_task_h1("t", [f"skill-of-{name}"])

    assert decision.agent_id == decision["agent_id"] == name
    assert (decision.task_id, decision.capability_match_score) == ("t", 1.0)
    assert (decision.fallback, decision.stored, decision.router) == (False, True, "")
    assert (decision.confidence, decision.emergence_risk) == (1.0, 0.0)
    assert decision.reasoning.startswith(f"{name} by {decision.decided_by}")
    assert json.loads(json.dumps(decision)) == dict(decision) == decision.to_dict()
    assert pickle.loads(pickle.dumps(decision)) == decision
    with pytest.raises(AttributeError, match="nothing_like_it"):
        _ = decision.nothing_like_it
    assert session.tasks["t"].h1_routing == decision


def test_routing_adds_the_task_begins_it_and_tells_who_has_it() -> None:
    manager = SessionManager(config(h1_router_enabled=True))
    (name,) = team(manager, 1)
    session = manager.start_session()

    decision = manager.route_task_h1("t", [f"skill-of-{name}"])

    task = session.tasks["t"]
    assert task.started_at is not None
    assert task.agent_id == name
    assert task.required_capabilities == [f"skill-of-{name}"]
    session.complete_task("t", "success")
    session.end_session()
    (start,) = (one for one in tiles_of(session) if one.question.startswith("[TASK_START]"))
    assert start.question == f"[TASK_START] t → {name}"
    assert start.answer["routing"]["agent_id"] == name
    assert start.answer["routing"]["h1_before"] == decision.h1_before
    assert tiles_of(session)[0].answer["h1_router_enabled"] is True


def test_a_task_that_is_there_is_routed_by_the_capabilities_of_the_call() -> None:
    manager = SessionManager(config())
    first, second = team(manager, 2)
    session = manager.start_session()
    session.add_task("t", required_capabilities=[f"skill-of-{first}"])

    assert manager.route_task_h1("t", [f"skill-of-{second}"]).agent_id == second
    again = manager.route_task_h1("t", [f"skill-of-{first}"])

    assert again.agent_id == second, "what was given to somebody stays there"
    assert events_of(session.end_session()).count("TASK_ROUTED") == 1


def test_a_task_nobody_can_do_falls_back_and_says_so() -> None:
    manager = SessionManager(config())
    manager.start_session()

    decision = manager.route_task_h1("t", ["telepathy"])

    assert decision.fallback
    assert decision.capability_match_score == 0.0
    assert "nobody has telepathy" in decision.reasoning


def test_an_agent_that_is_preferred_gets_the_task() -> None:
    manager = SessionManager(config())
    skill = f"shared-{manager.config.agent_id}"
    for name in ("p1", "p2"):
        manager.register_agent(f"{manager.config.agent_id}-{name}", [skill])
    manager.start_session()

    wanted = f"{manager.config.agent_id}-p2"

    assert manager.route_task_h1("t", [skill], prefer=[wanted]).agent_id == wanted


def test_without_a_session_routing_is_a_question() -> None:
    manager = SessionManager(config())
    (name,) = team(manager, 1)

    decision = manager.route_task_h1("t", [f"skill-of-{name}"])

    assert (decision.agent_id, decision.stored) == (name, False)
    assert manager.get_h1_status().n_tasks == SessionManager(config()).get_h1_status().n_tasks


def test_a_task_that_has_ended_is_not_routed() -> None:
    manager = SessionManager(config())
    manager.start_session().add_task("t").complete()

    with pytest.raises(TaskAlreadyEnded):
        manager.route_task_h1("t")


def test_an_agent_nobody_can_have_is_refused() -> None:
    with pytest.raises(InvalidValue):
        SessionManager(config()).register_agent("")


# --- a router of one's own ----------------------------------------

THEIRS = {
    "agent_id": "forge master",
    "task_id": "t",
    "h1_before": -3,
    "h1_after": -2,
    "confidence": 0.8,
    "emergence_risk": 0.3,
    "capability_match_score": 1.0,
    "reasoning": "they know best",
}


def test_a_router_that_is_named_decides() -> None:
    with router(lambda asked: (200, THEIRS)) as (url, asked):
        manager = SessionManager(config(h1_router_enabled=True, h1_router_url=url + "/"))
        session = manager.start_session()
        decision = manager.route_task_h1("t", ["compilation"])
        unstored = SessionManager(manager.config).route_task_h1("t")
        session.end_session()

    assert asked[0] == {"path": "/route", "task_id": "t", "required_capabilities": ["compilation"]}
    assert {name: decision[name] for name in THEIRS} == THEIRS
    assert (decision.decided_by, decision.router_error) == ("router", "")
    assert unstored.agent_id == "forge master"
    assert not unstored.stored
    (start,) = (one for one in tiles_of(session) if one.question.startswith("[TASK_START]"))
    assert start.answer["routing"]["h1_before"] == -3
    assert session.tasks["t"].agent_id == "forge master"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((500, "broken"), "500 broken"),
        ((200, "no json"), "no JSON"),
        ((200, {"reasoning": "?"}), "names no agent_id"),
        ((200, {"agent_id": "", "reasoning": "No agents available"}), "No agents available"),
        ((200, {"agent_id": "a", "emergence_risk": 7}), "emergence_risk"),
        ((200, {"agent_id": "a", "h1_before": "x"}), "h1"),
    ],
    ids=["500", "no-json", "no-agent", "nobody", "risk", "type"],
)
def test_where_the_router_fails_the_fleet_decides_and_the_decision_says_why(
    answer: tuple[int, Any], words: str
) -> None:
    with router(lambda asked: answer) as (url, _):
        manager = SessionManager(config(h1_router_enabled=True, h1_router_url=url))
        manager.start_session()

        decision = manager.route_task_h1("t")

    assert words in decision.router_error
    assert decision.router_error in decision.reasoning
    assert decision.agent_id
    assert decision.router == ""


def test_a_router_that_is_away_stops_nothing() -> None:
    manager = SessionManager(config(h1_router_enabled=True, h1_router_url="http://127.0.0.1:9"))
    manager.start_session()

    decision = manager.route_task_h1("t")

    assert "http://127.0.0.1:9" in decision.router_error
    assert decision.stored


def test_a_router_is_not_asked_where_routing_is_not_enabled() -> None:
    with router(lambda asked: (200, THEIRS)) as (url, asked):
        manager = SessionManager(config(h1_router_enabled=False, h1_router_url=url))
        manager.start_session()

        assert manager.route_task_h1("t").agent_id != "forge master"

    assert asked == []


def test_a_router_that_is_named_tells_the_figures() -> None:
    figures = {"n_agents": 3, "n_tasks": 0, "h1_dimension": -2, "description": "theirs"}
    with router(lambda asked: (200, figures)) as (url, asked):
        status = SessionManager(config(h1_router_enabled=True, h1_router_url=url)).get_h1_status()

    assert asked == [{"path": "/status"}]
    assert {name: status[name] for name in figures} == figures
    assert (status.router, status.margin) == (url, None)


def test_where_the_router_tells_no_figures_they_are_the_fleets() -> None:
    with router(lambda asked: (404, "nothing here")) as (url, _):
        status = SessionManager(config(h1_router_enabled=True, h1_router_url=url)).get_h1_status()

    assert status.router_error == f"H1 router {url}: 404 nothing here"
    assert status.router == ""
    assert status.n_vertices >= 0


# --- the graph ----------------------------------------


def test_the_status_is_read_as_attributes_and_as_a_dictionary() -> None:
    manager = SessionManager(config())
    manager.start_session()

    status = manager.get_h1_status()

    assert isinstance(status, H1Status)
    assert status.n_agents == status["n_agents"] >= 1
    assert status.h1_dimension == status.n_edges - status.n_vertices + status.n_components
    assert set(status) >= {"n_tasks", "emergence_detected", "margin", "threshold", "description"}
    json.dumps(status)


def test_a_session_that_closes_loops_has_them_in_its_delta() -> None:
    manager = SessionManager(config())
    names = team(manager, 3)
    session = manager.start_session()
    for name in names:
        manager.route_task_h1(f"for {name}", [f"skill-of-{name}"])

    session.end_session()

    assert session.h1_delta is not None
    assert session.h1_delta["own_change"] == 1
    assert tiles_of(session)[-1].answer["h1_delta"]["own_change"] == 1


# --- emergence ----------------------------------------


def test_an_alert_comes_once_for_each_crossing_and_before_the_end_returns() -> None:
    heard = Heard()
    manager = SessionManager(config(on_emergence_alert=heard))
    names = team(manager, 5)
    session = manager.start_session()

    for name in names:
        manager.route_task_h1(f"for {name}", [f"skill-of-{name}"])
    session.end_session()

    ((alert,),) = heard.calls
    assert str(alert) == "EMERGENCE: β₁=3 > V-2=2 (V=4, E=6)"
    assert (alert.h1, alert.threshold, alert.n_vertices, alert.n_edges) == (3, 2, 4, 6)
    assert alert["members"] == names[:4]
    assert set(alert.edge) <= set(names[:4])
    assert (alert.session_id, alert.task_id) == (session.session_id, f"for {names[3]}")
    assert session.emergence_alerts == [alert]
    assert "emergence_crossed" in session.patterns


def test_an_alert_is_in_the_session_and_among_its_tiles() -> None:
    heard = Heard()
    manager = SessionManager(config(on_emergence_alert=heard))
    names = team(manager, 4)
    session = manager.start_session()
    for name in names:
        manager.route_task_h1(f"for {name}", [f"skill-of-{name}"])
    heard.wait()

    assert [one.h1 for one in session.emergence_alerts] == [3]

    session.end_session()
    (tile,) = (one for one in tiles_of(session) if one.question.startswith("[EMERGENCE ALERT]"))
    assert (tile.answer["h1"], tile.answer["n_vertices"]) == (3, 4)
    assert len(heard.calls) == 1


def test_the_offset_moves_the_threshold() -> None:
    heard = Heard()
    manager = SessionManager(config(emergence_threshold_offset=-3, on_emergence_alert=heard))
    names = team(manager, 3)
    session = manager.start_session()
    for name in names:
        manager.route_task_h1(f"for {name}", [f"skill-of-{name}"])

    session.end_session()

    ((alert,),) = heard.calls
    assert str(alert) == "EMERGENCE: β₁=1 > V-3=0 (V=3, E=3)"


def test_an_alert_can_be_made_by_hand() -> None:
    alert = EmergenceAlert(h1=3, threshold=2, n_vertices=4, n_edges=6)

    assert str(alert) == "EMERGENCE: β₁=3 > V-2=2 (V=4, E=6)"
    assert isinstance(Decision(agent_id="a"), dict)
