"""Tiles, our own and strangers', as the mid reads them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holodeck.actors.fleet.mid import MidState, see, synthesise
from holodeck.actors.fleet.scout import DEFAULT_TIMEOUT_MS, Seen, seen_of_tile
from holodeck.actors.session.faults import fault
from holodeck.actors.tiles import tiles_of
from holodeck.messages.codec import pack
from holodeck.messages.envelope import AnyEvent, Checkpoint
from holodeck.messages.session import (
    EndReason,
    Outcome,
    SessionEnded,
    SessionKind,
    SessionPaused,
    SessionResumed,
    SessionStarted,
    TaskAdded,
    TaskCompleted,
    TaskRouted,
    TaskStarted,
    TurnTaken,
)
from holodeck.messages.subjects import Place

PLACE = Place("session", "3", "sess_1", "task", "4", "marta", "5", "ana")
AT = 1_780_000_000_123

# The three tiles the session manager's README prints.
START: dict[str, Any] = {
    "domain": "gc/research/scout-reports/holodeck-session",
    "question": "[SESSION_START] oracle1:constraint-theory-research",
    "answer": {
        "session_id": "sess_abc123",
        "agent_id": "oracle1",
        "session_name": "constraint-theory-research",
        "started": "2026-05-19T22:45:00Z",
        "tags": ["research", "constraint-theory", "h1"],
        "max_tasks": 50,
        "task_timeout_seconds": 300,
        "h1_router_enabled": True,
    },
    "tags": ["scout", "session", "start", "oracle1"],
    "confidence": 1.0,
    "source": "holodeck-session-manager",
}
TASK: dict[str, Any] = {
    "domain": "gc/research/scout-reports/holodeck-session",
    "question": "[TASK_START] analyze-fleet-h1 → oracle1",
    "answer": {
        "session_id": "sess_abc123",
        "task_id": "analyze-fleet-h1",
        "agent_id": "oracle1",
        "routing": {
            "agent_id": "oracle1",
            "h1_before": 3,
            "h1_after": 4,
            "emergence_risk": 0.0,
        },
    },
    "tags": ["scout", "task", "start"],
    "confidence": 0.9,
    "source": "holodeck-session-manager",
}
END: dict[str, Any] = {
    "domain": "gc/research/scout-reports/holodeck-session",
    "question": "[SESSION_END] oracle1:constraint-theory-research — SUCCESS",
    "answer": {
        "session_id": "sess_abc123",
        "outcome": "success",
        "duration_seconds": 847,
        "tasks": {"total": 5, "succeeded": 4, "failed": 1, "cancelled": 0},
        "h1_delta": {"start": 2, "end": 3, "change": 1},
        "patterns": ["high_completion_streak", "first_failure_recovered"],
    },
    "tags": ["scout", "session", "end", "success"],
    "confidence": 0.95,
    "source": "holodeck-session-manager",
}


def read(tile: dict[str, Any]) -> Seen:
    seen = seen_of_tile(tile)
    assert seen is not None
    return seen


def of(*events: AnyEvent, sequence: int = 8) -> list[Seen]:
    """What our own tiles of these events tell."""
    tiles = tiles_of(PLACE, sequence, Checkpoint(at=AT, events=events))
    return [read(json.loads(data)) for data in tiles]


def answer(question: str, **fields: Any) -> Seen | None:
    return seen_of_tile({"question": question, "answer": fields})


def test_the_readmes_start_tells_who_when_what_about_and_how_long_by_default() -> None:
    assert read(START) == Seen(
        "SESSION_START",
        "sess_abc123",
        "oracle1",
        at=1_779_230_700_000,
        tags=("research", "constraint-theory", "h1"),
        timeout_ms=DEFAULT_TIMEOUT_MS,
    )


def test_the_readmes_task_start_tells_whom_the_router_chose() -> None:
    assert read(TASK) == Seen(
        "TASK_START",
        "sess_abc123",
        "oracle1",
        task="analyze-fleet-h1",
        routed_to="oracle1",
    )


def test_the_readmes_end_tells_its_counts_and_leaves_unknown_what_it_does_not_print() -> None:
    assert read(END) == Seen(
        "SESSION_END",
        "sess_abc123",
        outcome="success",
        beta1=3,
        counts=(5, 4, 1, 0, -1, -1),
    )


@pytest.mark.parametrize("tile", [START, TASK, END], ids=["start", "task", "end"])
def test_an_answer_may_travel_as_json_text(tile: dict[str, Any]) -> None:
    text = {**tile, "answer": json.dumps(tile["answer"], indent=2)}

    assert seen_of_tile(text) == seen_of_tile(tile)


def test_the_readmes_session_is_complete_but_its_counts_name_tasks_nobody_saw() -> None:
    state = MidState()
    for tile in (START, TASK, END):
        see(state, read(tile))

    synthesis = synthesise(state, 1_779_231_700_000)

    assert (synthesis.metrics.complete, synthesis.confidence) == (1, 1.0)
    assert [(one.kind, one.detail) for one in synthesis.conflicts] == [
        (
            "counts-differ",
            "the end of sess_abc123 counts 5 in all and 1 were seen, 4 succeeded and 0 were seen, "
            "1 failed and 0 were seen",
        )
    ]


def test_our_own_tiles_tell_a_session_and_its_task_from_start_to_end() -> None:
    started, paused, resumed, added, routed, begun, done, ended = of(
        SessionStarted(
            session_kind=SessionKind.AGENT,
            learner="ana",
            tags=("café",),
            session_timeout_ms=5000,
        ),
        SessionPaused(),
        SessionResumed(),
        TaskAdded(task="t", capabilities=("waiter",)),
        TaskRouted(task="t", npc="marta", match=0.5, fallback=True),
        TaskStarted(task="t", npc="marta"),
        TaskCompleted(
            task="t", outcome=Outcome.FAILED, npc="marta", duration_ms=12, error="no beans"
        ),
        SessionEnded(reason=EndReason.LEARNER_ENDED, outcome=Outcome.SUCCESS, active_ms=9),
    )

    assert [one.event for one in (paused, resumed)] == ["SESSION_PAUSE", "SESSION_RESUME"]
    assert {(one.session, one.at, one.sequence) for one in (started, added, done, ended)} == {
        ("sess_1", AT, 8)
    }
    assert (started.agent, started.tags, started.timeout_ms) == ("ana", ("café",), 5000)
    assert (added.event, added.task, added.capabilities) == ("TASK_ADDED", "t", ("waiter",))
    assert (routed.routed_to, routed.fallback, routed.agent) == ("marta", True, "")
    assert (begun.event, begun.agent) == ("TASK_START", "marta")
    assert (done.outcome, done.duration_ms, done.agent) == ("failed", 12, "marta")
    assert done.fingerprint == fault("no beans").fingerprint
    assert (ended.event, ended.outcome) == ("SESSION_END", "success")


def test_an_event_the_mid_does_not_look_at_is_no_report() -> None:
    tiles = tiles_of(
        PLACE, 8, Checkpoint(at=AT, events=(TurnTaken(turn=1, npc="marta", text="hola"),))
    )

    assert seen_of_tile(json.loads(tiles[0])) is None


@pytest.mark.parametrize(
    "tile",
    [
        {},
        {"question": 7, "answer": {}},
        {"question": "what is H1?", "answer": "an explanation"},
        {"question": "[SESSION_END] x", "answer": "{"},
        {"question": "[SESSION_END] x", "answer": "[" * 100_000},
        {"question": "[SESSION_END] x", "answer": [1]},
        {"question": "[SESSION_END] x", "answer": {"session_id": 5}},
        {"question": "[TASK_END] x", "answer": {"session_id": "s"}},
        {"question": "[STARTUP] x", "answer": {"session_id": "s"}},
    ],
)
def test_what_makes_no_sense_is_no_report(tile: dict[str, Any]) -> None:
    assert seen_of_tile(tile) is None


def test_an_alert_needs_no_session() -> None:
    assert answer("[EMERGENCE ALERT] β₁=3 > V-2=2", h1=3) == Seen("EMERGENCE_ALERT", "", beta1=3)


@pytest.mark.parametrize(
    ("fields", "at"),
    [
        ({"at": "2026-05-19T22:45:00.250Z"}, 1_779_230_700_250),
        ({"started": "2026-05-19T22:45:00"}, 1_779_230_700_000),
        ({"timestamp": "2026-05-20T00:45:00+02:00"}, 1_779_230_700_000),
        ({"timestamp": 1_779_230_700_250}, 1_779_230_700_250),
        ({"timestamp": 1_779_230_700.25}, 1_779_230_700_250),
        ({"timestamp": "yesterday"}, 0),
        ({"timestamp": -5}, 0),
        ({}, 0),
    ],
)
def test_a_time_is_read_in_each_form_that_is_in_use(fields: dict[str, Any], at: int) -> None:
    seen = answer("[SESSION_ERROR] s", session_id="s", **fields)

    assert seen is not None
    assert seen.at == at


@pytest.mark.parametrize(
    ("tile", "fingerprint"),
    [
        ({"answer": {"session_id": "s", "fingerprint": "f1"}}, "f1"),
        ({"answer": {"session_id": "s", "error": {"fingerprint": "f2"}}}, "f2"),
        ({"answer": {"session_id": "s"}, "tags": ["scout", "error_type:Timeout"]}, "Timeout"),
        (
            {"answer": {"session_id": "s", "error": "line 7 is wrong"}},
            fault("line 9 is wrong").fingerprint,
        ),
        ({"answer": {"session_id": "s"}}, ""),
    ],
    ids=["told", "told-inside", "by-tag", "by-its-words", "none"],
)
def test_equal_errors_have_equal_fingerprints(tile: dict[str, Any], fingerprint: str) -> None:
    assert read({"question": "[SESSION_ERROR] s", **tile}).fingerprint == fingerprint


ODD = st.sampled_from(
    [None, True, 0, -1, 3, 0.5, 2**70, 1e300, float("nan"), float("inf"), "", "success"]
) | st.sampled_from(["x" * 999, "é" * 300, "\ud800", "2026-05-19T22:45Z", "9999-12-31T23:59-12:00"])
JSON = ODD | st.lists(ODD, max_size=3) | st.dictionaries(st.sampled_from(["end", "failed"]), ODD)
NAMES = [*START["answer"], *TASK["answer"], *END["answer"], "npc", "agent", "attempt", "error"]
NAMES += ["capabilities", "sequence", "at", "duration_ms", "session_timeout_seconds", "graph"]


@settings(deadline=None)
@given(
    question=st.sampled_from(["[SESSION_START] x", "[TASK_END] x", "[SESSION_END] x"]),
    fields=st.dictionaries(st.sampled_from(NAMES), JSON),
    more=st.dictionaries(st.sampled_from(["sequence", "lamport", "timestamp", "tags"]), JSON),
)
def test_nothing_a_stranger_writes_raises_or_cannot_be_stored(
    question: str, fields: dict[str, Any], more: dict[str, Any]
) -> None:
    tile = {"question": question, "answer": {"session_id": "s", "task_id": "t"} | fields, **more}

    seen = seen_of_tile(tile)

    if seen is not None:
        state = MidState()
        see(state, seen)
        synthesis = synthesise(state, AT)
        assert pack(synthesis.model_dump())
        assert synthesis.inputs.count == 1
