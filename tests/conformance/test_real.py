"""Cases that are led through the real thing, with values that stand in no file of cases."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.conformance import real
from tests.conformance.adapters import ADAPTERS
from tests.conformance.compare import shown
from tests.conformance.real import Real
from tests.conformance.runner import Case, Verdict, judged
from tests.conftest import missing

pytestmark = [pytest.mark.integration, pytest.mark.redis, pytest.mark.nats]

LIFE, STORES, HTTP, LIVE = "lifecycle", "persistence", "api", "websocket"
BUSY: Final = {"create": 1, "player": "q"}
HOT: Final = {"GET": "/api/v1/sessions/{id}/timeline"}
RIGHT: Final[list[tuple[str, str, Any, Any]]] = [
    (LIFE, "transition", {"status": "paused", "op": "interact"}, {"ok": False, "status": "paused"}),
    (LIFE, "transition", {"status": "active", "op": "mark"}, {"ok": True, "status": "active"}),
    (LIFE, "transition", {"status": "completed", "op": "settings"}, {"ok": False}),
    (LIFE, "ids", {"create": 3}, '"sess_" followed by 16 lower-case hex digits (21 characters)'),
    (
        LIFE,
        "start",
        {"create": ["bo", "leo", "moon", {"intensity_level": 0.9, "adaptive_difficulty": False}]},
        {"status": "active", "settings.adaptive_difficulty": False, "repository.create_session": 1},
    ),
    (LIFE, "no id", {"player_id": "a b"}, "validation error"),
    (LIFE, "no world", {"world_id": ""}, "validation error"),
    (LIFE, "stored", {"repository.create_session": True}, "session returned"),
    (LIFE, "a good id", {"player_id": "anna"}, "session returned"),
    (LIFE, "pause", {"engine.get_session_state": "raises"}, "session returned, pause succeeds"),
    (
        LIFE,
        "resume hands it on",
        {"stored status": "paused", "narrative_state.current_scene": "cave"},
        {"status": "active", "engine.restore called with scene": "cave"},
    ),
    (LIFE, "in turn", {"ops": ["create", "end", "interact"]}, False),
    (LIFE, "in turn", {"ops": ["create", "pause", "resume", "get_active"]}, "session returned"),
    (LIFE, "clock", {"created_at": "now-2h59s", "op": "end"}, {"total_duration_minutes": 120}),
    (LIFE, "clock", {"created_at": "now-59s", "op": "end"}, {"total_duration_minutes": 0}),
    (
        LIFE,
        "play",
        {"current_scene_id": "cave", "session_variables": {"k": [1]}},
        {"interaction_count": 1, "current_scene_id": "cave", "interventions": []},
    ),
    (LIFE, "settings", {"feedback_sensitivity": 0.25}, {"session.feedback_sensitivity": 0.25}),
    (LIFE, "settings", {"intensity_level": 1.5}, "validation error"),
    (
        LIFE,
        "switch",
        {"from": ["a1", "w1", 0.25], "to": ["a1", "w2"]},
        {"old": "paused", "new.intensity_level": 0.25, "new session created": True},
    ),
    (
        LIFE,
        "to another pair",
        {"paused": ["kept", "a1", "w1"], "to": ["a1", "w2"]},
        {"status": "active", "new session created": True},
    ),
    (LIFE, "continuity", {"emotional states": 3}, 3),
    (LIFE, "continuity", {"emotional states": 21}, 5),
    (LIFE, "continuity", {"interaction_count": 9, "total_duration_minutes": 7},
     {"interaction_count": 9, "total_duration_minutes": 7, "emotional_state_history": 0}),
    (LIFE, "creates", {"create": 3, "player": "p"}, "exactly one active"),
    (LIFE, "creates at once", {"gather create": 6}, 1),
    (LIFE, "resume", {"paused": "X", "active": "Y", "resume": "X"}, "the call is refused"),
    (LIFE, "switch", {"pause result": True}, "switch succeeds"),
    (LIFE, "two", {"ended by": "B", "then pause by": "A (cached)"}, "rejected"),
    (LIFE, "two", {"paused by": "B", "then resume by": "A"}, "resume ok"),
    (LIFE, "two", {"created by": "A", "end by": "B"}, True),
    (STORES, "expiry", {"ttl": 50, "ops": ["write", "read"]}, [3600, 3600]),
    (STORES, "expiry", {"ttl": 777, "ops": ["read", "read"]}, [777, 777]),
    (STORES, "round trip", {"session_variables": {"n": 1}, "update": {"n": [2, 3]}},
     {"get": [2, 3]}),
    (STORES, "form", {"status": "PAUSED", "last_interaction": "datetime"},
     {"status": "paused", "last_interaction": "ISO-8601 text"}),
    (STORES, "equal", {"intensity_level": 0.05, "approach": "DBT"}, "same ids and settings"),
    (STORES, "again", {"retry pause": 2}, "both paused"),
    (STORES, "markers", {"markers": 4, "redis": "expired"}, 4),
    (STORES, "three", {"A": {"a": 1}, "B": {"b": 2}, "C": {"c": "x"}}, {"a": 1, "b": 2, "c": "x"}),
    (STORES, "updates", {"create then update": 2}, "updated"),
    (STORES, "messages", {"save": ["b", "a", "c"]}, {"message_count": 3, "order": ["b", "a", "c"]}),
    (STORES, "copy", {"copy then add to copy": 2},
     {"original messages": 1, "messages of the copy alone": 2}),
    (STORES, "profile", {"intensity": "LOW", "approaches": ["HUMANISTIC"]},
     {"intensity_level": "low", "preferred_approaches": ["humanistic_therapy"]}),
    (STORES, "schema", {"error text contains": "syntax error"}, False),
    (HTTP, "no token here", {"GET": "/api/v1/worlds"}, 401),
    (HTTP, "scheme", {"Authorization": "Basic eA=="}, {"error": "Invalid Authorization Header"}),
    (HTTP, "fine", {"username": "carla-b", "email": "c@example.org"}, {"status": 201}),
    (HTTP, "bad mail", {"username": "carla", "email": "c@", "password": "x"}, {"status": 422}),
    (HTTP, "theirs and nobody's", {"DELETE": "other, missing"}, {"status": [403, 404]}),
    (HTTP, "retention", {"PATCH privacy": 30}, {"status": 200}),
    (HTTP, "retention", {"PATCH privacy": 29}, {"status": 422}),
    (HTTP, "approaches", {"PATCH preferences": 5}, {"status": 200}),
    (HTTP, "theirs", {"PUT/settings": "other"}, 403),
    (HTTP, "theirs", HOT, {"status": 403}),
    (HTTP, "use", {"token type": "access"}, 200),
    (HTTP, "rate", {"limit": 2, "calls": 4},
     {"statuses": [200, 200, 429, 429], "remaining": [1, 0], "retry_after": 60}),
    (HTTP, "rate", {"limit": 5, "calls": 3}, {"statuses": [200] * 3, "remaining": [4, 3, 2]}),
    (HTTP, "days", {"days": [30, -1, 100]}, [200, 422, 422]),
    (HTTP, "page", {"limit": 2, "offset": 1}, {"length": 2}),
    (HTTP, "page", {"limit": 4, "offset": 500}, {"length": 0}),
    (HTTP, "no such world", {"GET": "/api/v1/worlds/atlantis"}, {"status": 404}),
    (HTTP, "another player's progress", {"GET": "/api/v1/players/{id}/settings"}, 403),
    (HTTP, "own settings", {"GET": "/api/v1/players/{id}/settings"}, 200),
    (HTTP, "theirs", {"DELETE": "other"}, 403),
    (HTTP, "customise", {"session_length_preference": 45}, {"status": 200}),
    (HTTP, "text", {"message": "Hola"}, {"status": 201}),
    (LIVE, "nobody", {"connect": "/ws/anything"}, {"close": 1008}),
    (LIVE, "nobody", {"connect": "with a bad token"}, {"close": 1008}),
    (LIVE, "somebody", {"connect": "with a valid token"}, {"role": "system"}),
    (LIVE, "calm", {"text": "A stressed syllable"}, {"buttons": ["ex_breathing", "ex_grounding"]}),
    (LIVE, "calm", {"text": "I do not want to die"}, {"safety.crisis": False, "buttons": []}),
    (LIVE, "silent", {"typing": 0}, {"first": "progress analyzing", "last": "reply"}),
    (LIVE, "exercise", {"clicks": ["ex_grounding", "ex_grounding_complete"]},
     ["instruction + complete button", "progress element"]),
    (LIVE, "frame", {"frame": '"text"'}, "format notice"),
    (LIVE, "frame", {"frame": '{"type": "shout"}'}, {"connection": "stays open"}),
    (LIVE, "frames", {"frames": 7, "window_s": 2}, {"handled": 7, "slow-down notices": 0}),
    (LIVE, "frames", {"frames": 15, "window_s": 1}, {"handled": 10, "slow-down notices": 5}),
]  # fmt: skip
WRONG: Final[list[tuple[str, str, Any, Any]]] = [
    (LIFE, "transition", {"status": "active", "op": "pause"}, {"ok": True, "status": "active"}),
    (LIFE, "transition", {"status": "paused", "op": "end"}, {"ok": False, "status": "paused"}),
    (LIFE, "creates", {"create": 2, "player": "p"}, "at least two active"),
    (LIFE, "creates at once", {"gather create": 3}, 3),
    (LIFE, "resume", {"paused": "X", "active": "Y", "resume": "X"}, "Y paused first"),
    (LIFE, "switch", {"pause result": False}, "switch succeeds"),
    (LIFE, "play", {"current_scene_id": "cave"}, {"current_scene_id": "pond"}),
    (LIFE, "unheard of", {"weather": "rain"}, {"ok": True}),
    (LIFE, "unheard of", {"status": "asleep", "op": "pause"}, {"ok": True}),
    (STORES, "expiry", {"ttl": 100, "ops": ["read"]}, [3600]),
    (STORES, "two", {"A": {"a": 1}, "B": {"b": 2}}, {"a": 1, "b": 1}),
    (STORES, "unheard of", {"tape": "torn"}, True),
    (HTTP, "retention", {"PATCH privacy": 30}, {"status": 422}),
    (HTTP, "theirs", HOT, 200),
    (HTTP, "unheard of", {"GET": "/api/v1/weather"}, 200),
    (LIVE, "calm", {"text": "Hello"}, {"buttons": ["ex_breathing"]}),
    (LIVE, "calm", {"text": "Hello"}, "refused"),
    (LIVE, "frames", {"frames": 12, "window_s": 2}, {"handled": 12}),
]
OTHERWISE: Final[list[tuple[str, str, Any, Any]]] = [
    (LIFE, "transition", {"status": "abandoned", "op": "end"}, {"ok": False}),
    (LIFE, "settings of nobody", {"player": "nobody"}, False),
    (STORES, "nowhere", {"redis": "miss", "neo4j": "miss"}, None),
    (STORES, "key", {"create": "s9"}, {"key": "session:s9", "ttl": 3600}),
    (HTTP, "lock-out", {"bad logins": 3}, {"3rd": "401 locked"}),
    (HTTP, "blank", {"message": "\t"}, {"status": 400}),
]


@pytest.fixture(scope="module", autouse=True)
def _closed() -> Iterator[None]:
    yield
    real.close()


def ran(area: str, name: str, given: Any, expected: Any) -> tuple[Verdict, str]:
    found = judged(Case("here", 1, area, name, given, expected), ADAPTERS)
    if found.why.startswith("Missing: "):
        missing(found.why)
    return found.verdict, f"{found.why}\n{shown(given)}\n{shown(expected)}\n{shown(found.got)}"


@pytest.mark.parametrize(("area", "name", "given", "expected"), RIGHT, ids=str)
def test_what_is_true_passes(area: str, name: str, given: Any, expected: Any) -> None:
    verdict, why = ran(area, name, given, expected)
    assert verdict is Verdict.PASSED, why


@pytest.mark.parametrize(("area", "name", "given", "expected"), WRONG, ids=str)
def test_what_is_not_true_fails(area: str, name: str, given: Any, expected: Any) -> None:
    verdict, why = ran(area, name, given, expected)
    assert verdict is Verdict.FAILED, why
    if name == "unheard of":
        assert "unknown shape" in why


@pytest.mark.parametrize(("area", "name", "given", "expected"), OTHERWISE, ids=str)
def test_what_was_decided_otherwise_is_excepted(
    area: str, name: str, given: Any, expected: Any
) -> None:
    verdict, why = ran(area, name, given, expected)
    assert verdict is Verdict.EXCEPTED, why
    assert "docs/" in why


def test_without_a_redis_server_its_cases_are_reported_with_the_reason() -> None:
    async def none(of: Real) -> Any:
        before, of.redis, of.without_redis = of.redis, None, "redis-server is missing"
        try:
            return await of.value(await of.begun())
        finally:
            of.redis = before

    with pytest.raises(real.Missing, match=r"redis-server|nats-server"):
        real.done(none)


def test_what_was_started_is_gone_when_it_is_closed() -> None:
    async def where(of: Real) -> tuple[Path, list[int]]:
        server, store = of.home.local.server, of.redis
        found = [server.pid] if server is not None else []
        if store is not None and store._process is not None:
            found.append(store._process.pid)
        return of.graph.parent.parent, found

    folder, pids = real.done(where)
    assert folder.exists()
    real.close()
    real.close()
    assert not folder.exists()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
