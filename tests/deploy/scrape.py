"""What a deployment exports: one scrape of hosts that did everything once.

One law: names and labels come from the program that exports them, never from a list.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from prometheus_client import Metric, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from holodeck.actors.metrics import ACTOR_KINDS, Metrics, merge
from holodeck.entrypoints.gateway.api import Figures
from holodeck.messages.player import CrisisType, SafetyFinding, SafetyFlagged
from holodeck.messages.session import TaskRouted

ADDED_BY_PROMETHEUS = frozenset({"job", "instance"})


def busy() -> Metrics:
    """A process that has told of everything at least once, so that every label is there."""
    metrics = Metrics("1.2.3")
    for kind in ACTOR_KINDS:
        metrics.command(kind, "ok", 0.001)
    metrics.routing(0.001, 1)
    metrics.h1("marta", 1, 2)
    metrics.recovery("killed", 1.0)
    metrics.consumer_lag("tiles").set(0)
    metrics.dead_letter("CHECKPOINTS", "undecodable")
    metrics.tile("session.started").inc()
    metrics.deliveries("plato")
    metrics.projection("redis")
    metrics.store("CHECKPOINTS", 1, 2)
    finding = SafetyFinding(types=(next(iter(CrisisType)),), confidence=1.0)
    metrics.observe(
        [
            TaskRouted(task="t", npc="marta", match=1.0, fallback=False),
            SafetyFlagged(finding=finding),
        ]
    )
    return metrics


def called() -> Figures:
    """A gateway that was called, and watched."""
    figures = Figures()
    figures.answered("GET", "/api/v1/sessions", 200, 0.01)
    figures.streams.labels("tiles").set(1)
    return figures


@cache
def families() -> tuple[Metric, ...]:
    """All that hosts and gateway export."""
    text = merge({"host-0": busy().dump()}) + generate_latest(called().registry).decode()
    return tuple(text_string_to_metric_families(text))


@cache
def exported() -> Mapping[str, frozenset[str]]:
    """From each series' name, with its ``_bucket``, ``_sum`` or ``_count``, to its labels."""
    labels: dict[str, set[str]] = {"up": set()}  # Prometheus' own
    for family in families():
        for sample in family.samples:
            if not sample.name.endswith("_created"):
                labels.setdefault(sample.name, set()).update(sample.labels)
    return {name: frozenset(found | ADDED_BY_PROMETHEUS) for name, found in labels.items()}
