"""The promised names, their labels, and many hosts in one scrape."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest

from holodeck.actors.metrics import MAX_AGENTS, SEED_NAMES, Merger, Metrics, merge
from holodeck.messages.envelope import AnyEvent
from holodeck.messages.errors import DecodeError
from holodeck.messages.fleet import AgentRegistered, AgentUnregistered, Routing
from holodeck.messages.session import (
    Crossing,
    EmergenceDetected,
    EndReason,
    Outcome,
    SessionEnded,
    SessionErred,
    SessionKind,
    SessionStarted,
    TaskCompleted,
    TaskRefused,
    TaskRetried,
    TaskRouted,
    TaskStarted,
    TurnTaken,
)

START = SessionStarted(session_kind=SessionKind.AGENT, learner="ana")
END = SessionEnded(reason=EndReason.LEARNER_ENDED, outcome=Outcome.SUCCESS, active_ms=2340)
OUTCOMES = ("success", "failed", "timeout", "cancelled")

PROMISED = {
    "holodeck_session_active_total": ("gauge", set()),
    "holodeck_session_completed_total": ("counter", {"outcome"}),
    "holodeck_session_duration_seconds": ("histogram", {"le"}),
    "holodeck_task_started_total": ("counter", set()),
    "holodeck_task_completed_total": ("counter", {"outcome"}),
    "holodeck_task_duration_seconds": ("histogram", {"le", "outcome"}),
    "holodeck_h1_routing_decisions_total": ("counter", {"agent_id"}),
    "holodeck_emergence_alerts_total": ("counter", set()),
    "holodeck_h1_before_routing": ("gauge", {"agent_id"}),
    "holodeck_h1_after_routing": ("gauge", {"agent_id"}),
}
OPERATOR = [
    "holodeck_commands_total",
    "holodeck_append_latency_seconds",
    "holodeck_command_latency_seconds",
    "holodeck_mailbox_depth",
    "holodeck_actors_awake",
    "holodeck_actors_asleep",
    "holodeck_fence_losses_total",
    "holodeck_outcomes_unknown_total",
    "holodeck_recoveries_total",
    "holodeck_recovery_seconds",
    "holodeck_inbox_lag",
    "holodeck_inbox_gaps_total",
    "holodeck_consumer_lag",
    "holodeck_dead_letters_total",
    "holodeck_partitions_owned",
    "holodeck_lease_losses_total",
    "holodeck_discarded_snapshots_total",
    "holodeck_tiles_total",
    "holodeck_tile_submit_duration_seconds",
    "holodeck_tile_deliveries_total",
    "holodeck_route_duration_seconds",
    "holodeck_routing_betti1_delta",
    "holodeck_graph_betti1",
    "holodeck_graph_components",
    "holodeck_graph_vertices",
    "holodeck_graph_edges",
    "holodeck_store_bytes",
    "holodeck_store_limit_bytes",
    "holodeck_narrator_failures_total",
    "holodeck_safety_failures_total",
    "holodeck_safety_findings_total",
    "holodeck_projection_applied_total",
    "holodeck_projection_lag",
    "holodeck_projection_errors_total",
    "holodeck_build_info",
]


def observed(*events: AnyEvent) -> Metrics:
    metrics = Metrics("1.2.3")
    metrics.observe(events)
    return metrics


def routed(agents: Sequence[str]) -> Metrics:
    return observed(
        *(TaskRouted(task="t", npc=agent, match=1.0, fallback=False) for agent in agents)
    )


def lines(text: str, name: str) -> list[str]:
    return [line for line in text.splitlines() if re.match(rf"{name}[ {{]", line)]


def test_the_ten_names_and_labels_are_exactly_as_promised() -> None:
    metrics = observed(TaskRouted(task="t", npc="marta", match=1.0, fallback=False))
    metrics.h1("marta", 3, 4)
    text = merge({"a": metrics.dump()})
    assert set(SEED_NAMES) == set(PROMISED)
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M))
    for name, (kind, labels) in PROMISED.items():
        assert types[name] == kind
        suffix = "(?:_bucket|_sum|_count)" if kind == "histogram" else ""
        samples = re.findall(rf"^{name}{suffix}(?:{{(.*)}})? \S+$", text, re.M)
        assert samples
        assert {label for s in samples for label in re.findall(r"(\w+)=", s)} == labels
    assert types.keys() == set(PROMISED) | set(OPERATOR)
    assert "_created" not in text


def test_every_family_has_help_and_type_once() -> None:
    text = merge({"a": Metrics().dump(), "b": Metrics().dump()})
    for head in ("HELP", "TYPE"):
        names = re.findall(rf"^# {head} (\S+)", text, re.M)
        assert len(names) == len(set(names)) == len(PROMISED) + len(OPERATOR)


def test_all_outcomes_stand_at_zero_before_anything_happened() -> None:
    text = merge({"a": Metrics().dump()})
    for name in ("holodeck_session_completed_total", "holodeck_task_completed_total"):
        assert lines(text, name) == [f'{name}{{outcome="{o}"}} 0.0' for o in OUTCOMES]
    assert lines(text, "holodeck_task_duration_seconds_count") == [
        f'holodeck_task_duration_seconds_count{{outcome="{o}"}} 0.0' for o in OUTCOMES
    ]


def test_events_are_counted_and_durations_are_seconds() -> None:
    metrics = observed(
        START,
        START,
        TurnTaken(turn=1, npc="marta", text="hola"),
        TaskStarted(task="t"),
        TaskCompleted(task="t", outcome=Outcome.FAILED, duration_ms=250),
        TaskCompleted(task="u", outcome=Outcome.CANCELLED),
        END,
    )
    text = merge({"a": metrics.dump()})
    for line in (
        "holodeck_session_active_total 1.0",
        'holodeck_session_completed_total{outcome="success"} 1.0',
        "holodeck_session_duration_seconds_sum 2.34",
        'holodeck_session_duration_seconds_bucket{le="1.0"} 0.0',
        'holodeck_session_duration_seconds_bucket{le="5.0"} 1.0',
        'holodeck_session_duration_seconds_bucket{le="14400.0"} 1.0',
        "holodeck_task_started_total 1.0",
        'holodeck_task_completed_total{outcome="failed"} 1.0',
        'holodeck_task_completed_total{outcome="cancelled"} 1.0',
        'holodeck_task_duration_seconds_sum{outcome="failed"} 0.25',
        'holodeck_task_duration_seconds_bucket{le="600.0",outcome="failed"} 1.0',
        'holodeck_task_duration_seconds_count{outcome="cancelled"} 0.0',
    ):
        assert line in text.splitlines()


def test_agents_are_capped_on_a_host_and_over_all_hosts() -> None:
    one = routed([f"a{n}" for n in range(MAX_AGENTS + 20)] + ["a0"])
    text = merge({"x": one.dump()})
    found = lines(text, "holodeck_h1_routing_decisions_total")
    assert len(found) == MAX_AGENTS + 1
    assert 'holodeck_h1_routing_decisions_total{agent_id="a0"} 2.0' in found
    assert 'holodeck_h1_routing_decisions_total{agent_id="other"} 20.0' in found

    two = routed([f"b{n}" for n in range(MAX_AGENTS)])
    both = lines(merge({"x": one.dump(), "y": two.dump()}), "holodeck_h1_routing_decisions_total")
    assert len(both) == MAX_AGENTS + 1
    assert 'holodeck_h1_routing_decisions_total{agent_id="other"} 120.0' in both


def test_promised_families_are_summed_and_the_others_say_which_host() -> None:
    one, two = observed(START, START, END), observed(START)
    one.partitions_owned.set(40)
    two.partitions_owned.set(24)
    two.command("session", "ok", 0.002)
    text = merge({"one": one.dump(), "two": two.dump()})
    assert lines(text, "holodeck_session_active_total") == ["holodeck_session_active_total 2.0"]
    assert lines(text, "holodeck_partitions_owned") == [
        'holodeck_partitions_owned{host="one"} 40.0',
        'holodeck_partitions_owned{host="two"} 24.0',
    ]
    assert lines(text, "holodeck_commands_total") == [
        'holodeck_commands_total{actor="session",result="ok",host="two"} 1.0'
    ]
    assert 'holodeck_build_info{version="1.2.3",host="one"} 1.0' in text


def test_a_routing_of_the_fleet_shows_the_graph_before_and_behind_it() -> None:
    routing = Routing(agent="marta", h1_before=3, h1_after=5)
    asked = TaskRouted(task="t", npc="marta", match=1.0, fallback=False, routing=routing)
    unasked = TaskRouted(task="u", npc="joan", match=1.0, fallback=False)
    text = merge({"a": observed(asked, unasked).dump()})
    assert lines(text, "holodeck_h1_before_routing") == [
        'holodeck_h1_before_routing{agent_id="marta"} 3.0'
    ]
    assert lines(text, "holodeck_h1_after_routing") == [
        'holodeck_h1_after_routing{agent_id="marta"} 5.0'
    ]
    assert len(lines(text, "holodeck_h1_routing_decisions_total")) == 2


def test_emergence_alerts_are_counted_over_all_hosts() -> None:
    crossing = Crossing(
        number=4, h1=3, threshold=2, vertices=4, edges=6, edge=("a", "b"), session="s"
    )
    alert = EmergenceDetected(crossing=crossing)
    text = merge({"a": observed(alert, alert).dump(), "b": observed(alert).dump()})
    assert "holodeck_emergence_alerts_total 3.0" in text.splitlines()


def test_how_long_the_fleet_took_and_what_its_choices_close_is_measured() -> None:
    metrics = Metrics()
    metrics.routing(0.002, 0)
    metrics.routing(0.25, 3)
    text = merge({"h": metrics.dump()})
    for line in (
        'holodeck_route_duration_seconds_sum{host="h"} 0.252',
        'holodeck_route_duration_seconds_count{host="h"} 2.0',
        'holodeck_routing_betti1_delta_sum{host="h"} 3.0',
        'holodeck_routing_betti1_delta_bucket{le="0.0",host="h"} 1.0',
        'holodeck_routing_betti1_delta_bucket{le="2.0",host="h"} 1.0',
        'holodeck_routing_betti1_delta_bucket{le="3.0",host="h"} 2.0',
    ):
        assert line in text.splitlines()


def test_the_co_work_graph_is_told_by_the_host_that_has_the_fleet() -> None:
    metrics = Metrics()
    for figure, value in (("betti1", 2), ("components", 3), ("vertices", 9), ("edges", 8)):
        metrics.graph[figure].set(value)
    text = merge({"h": metrics.dump()})
    assert 'holodeck_graph_betti1{host="h"} 2.0' in text
    assert 'holodeck_graph_components{host="h"} 3.0' in text
    assert 'holodeck_graph_vertices{host="h"} 9.0' in text
    assert 'holodeck_graph_edges{host="h"} 8.0' in text


@pytest.mark.parametrize(
    "event",
    [
        TaskRetried(task="t", attempt=2),
        TaskRefused(task="t", limit=1),
        SessionErred(error="no milk"),
        AgentRegistered(agent="a"),
        AgentUnregistered(agent="a"),
    ],
    ids=lambda event: event.kind,
)
def test_what_is_no_session_or_task_coming_or_going_moves_none_of_their_figures(
    event: AnyEvent,
) -> None:
    before = merge({"h": observed(START).dump()})
    assert merge({"h": observed(START, event).dump()}) == before


def test_each_attempt_of_a_task_is_started_and_completed() -> None:
    text = merge(
        {
            "h": observed(
                TaskStarted(task="t"),
                TaskCompleted(task="t", outcome=Outcome.FAILED, duration_ms=100),
                TaskRetried(task="t", attempt=2),
                TaskStarted(task="t", attempt=2),
                TaskCompleted(task="t", outcome=Outcome.SUCCESS, duration_ms=200, attempt=2),
            ).dump()
        }
    )
    for line in (
        "holodeck_task_started_total 2.0",
        'holodeck_task_completed_total{outcome="failed"} 1.0',
        'holodeck_task_completed_total{outcome="success"} 1.0',
    ):
        assert line in text.splitlines()


def test_of_h1_the_newest_value_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = Metrics(), Metrics()
    monkeypatch.setattr("time.time", lambda: 200.0)
    one.h1("marta", 3, 4)
    monkeypatch.setattr("time.time", lambda: 100.0)
    two.h1("marta", 7, 8)
    text = merge({"one": one.dump(), "two": two.dump()})
    assert 'holodeck_h1_after_routing{agent_id="marta"} 4.0' in text


def test_a_sum_does_not_fall_when_a_host_dies_or_begins_again() -> None:
    name = "holodeck_session_completed_total"
    merger = Merger()
    one, two = observed(START, END, START, END).dump(), observed(START, END, START).dump()
    assert f'{name}{{outcome="success"}} 3.0' in merger.text({"one": one, "two": two})
    alone = merger.text({"two": two})
    assert f'{name}{{outcome="success"}} 3.0' in alone
    assert "holodeck_session_active_total 1.0" in alone
    again = observed(START, END).dump()
    assert f'{name}{{outcome="success"}} 4.0' in merger.text({"one": again, "two": two})
    assert f'{name}{{outcome="success"}} 4.0' in merger.text({"one": again, "two": two})


def test_an_unknown_actor_kind_makes_no_series_of_its_own() -> None:
    metrics = Metrics()
    for n in range(50):
        metrics.command(f"kind{n}", "contract", 0.001)
    assert lines(merge({"h": metrics.dump()}), "holodeck_commands_total") == [
        'holodeck_commands_total{actor="other",result="contract",host="h"} 50.0'
    ]


def test_label_values_are_escaped() -> None:
    metrics = Metrics()
    metrics.store('a"b\\c\nd', 1, -1)
    assert r'holodeck_store_bytes{stream="a\"b\\c\nd",host="h"} 1.0' in merge({"h": metrics.dump()})


def test_what_is_no_dump_names_its_host() -> None:
    with pytest.raises(DecodeError, match="host7"):
        merge({"host7": b"\x93\x01\x02\x03"})
