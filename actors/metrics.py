"""What a process tells of itself, and how many processes tell it as one.

One law: no label ever holds an id, except ``agent_id``, and that one is capped; so the number of
series is bounded however many sessions run.

The ten names of the session manager are kept byte for byte (also ``holodeck_session_active_total``,
which is a gauge in spite of its name). Everything else follows Prometheus' naming; there the
label ``host`` is added when the hosts are merged, never before.
"""

from __future__ import annotations

import math
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from itertools import accumulate
from typing import Any, Final, NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics_core import HistogramMetricFamily
from prometheus_client.registry import Collector

from holodeck.messages.codec import pack, unpack
from holodeck.messages.envelope import AnyEvent
from holodeck.messages.errors import DecodeError
from holodeck.messages.player import SafetyFlagged
from holodeck.messages.session import (
    EmergenceDetected,
    Outcome,
    SessionEnded,
    SessionForked,
    SessionStarted,
    TaskCompleted,
    TaskRouted,
    TaskStarted,
)

MAX_AGENTS: Final = 100
"""How many values ``agent_id`` takes before all further ones become :data:`OTHER`."""
OTHER: Final = "other"
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

SEED_NAMES: Final = (
    "holodeck_session_active_total",
    "holodeck_session_completed_total",
    "holodeck_session_duration_seconds",
    "holodeck_task_started_total",
    "holodeck_task_completed_total",
    "holodeck_task_duration_seconds",
    "holodeck_h1_routing_decisions_total",
    "holodeck_emergence_alerts_total",
    "holodeck_h1_before_routing",
    "holodeck_h1_after_routing",
)
"""The promised families; merged over all hosts without a further label."""
_LAST_WINS: Final = frozenset({"holodeck_h1_before_routing", "holodeck_h1_after_routing"})

DELTA_BUCKETS: Final = (0.0, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0)
GRAPH_FIGURES: Final = {
    "betti1": "Independent loops of the co-work graph.",
    "components": "Groups that share nobody.",
    "vertices": "Agents in the co-work graph.",
    "edges": "Links in the co-work graph.",
}
ACTOR_KINDS: Final = ("session", "npc", "learner", "fleet")
DELIVERIES: Final = ("accepted", "refused", "failed", "skipped")
"""What may become of a tile at a foreign server."""

SESSION_BUCKETS: Final = (1, 5, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400)
"""Seconds, 1 s to 4 h."""
TASK_BUCKETS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
"""Seconds, 10 ms to 10 min."""
LATENCY_BUCKETS: Final = (
    0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5,
)  # fmt: skip
"""Seconds, 0.5 ms to 5 s."""
SUBMIT_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
"""Seconds, 1 ms to 30 s."""
RECOVERY_BUCKETS: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60)

_DUMP: Final = 1
_MAX_DEPARTED: Final = 64


def program_version() -> str:
    """The installed version; ``0+checkout`` when the code runs without being installed."""
    try:
        return version("holodeck-sessions")
    except PackageNotFoundError:
        return "0+checkout"


class AgentCap:
    """The first :data:`MAX_AGENTS` agents keep their name, later ones share one."""

    def __init__(self, limit: int = MAX_AGENTS) -> None:
        self._limit = limit
        self._names: set[str] = set()

    def label(self, agent: str) -> str:
        """``agent``, or ``other`` when the names are used up."""
        if agent in self._names or agent == OTHER:
            return agent
        if len(self._names) >= self._limit:
            return OTHER
        self._names.add(agent)
        return agent


class Latency(Collector):
    """A histogram for what happens ten thousand times a second, on one thread.

    prometheus_client's own takes two locks and walks over the buckets for each observation.

    Args:
        bounds: upper bounds of the buckets, seconds, rising.
    """

    def __init__(self, name: str, text: str, bounds: Sequence[float]) -> None:
        self._name, self._text, self._bounds = name, text, bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, seconds: float) -> None:
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self._sum += seconds

    def collect(self) -> Iterator[HistogramMetricFamily]:
        family = HistogramMetricFamily(self._name, self._text)
        bounds = [*(repr(float(bound)) for bound in self._bounds), "+Inf"]
        below = list(zip(bounds, accumulate(self._counts), strict=True))
        family.add_metric([], below, self._sum)
        yield family


class ProjectionFigures(NamedTuple):
    """What one projection tells of itself."""

    applied: Counter
    lag: Gauge
    errors: Counter


class Metrics:
    """The metrics of one process, with a registry of its own.

    Attributes without labels are prometheus objects (``.inc()``, ``.set(x)``, ``.observe(s)``);
    what has labels is a method that keeps its bound children, because looking one up in
    prometheus costs more than counting. All durations are seconds.

    Attributes:
        session_active: sessions alive here; :meth:`observe` moves it, and a host that adopts or
            gives away partitions moves it by their live sessions.
        emergence_alerts: emergence alerts raised.
        append_latency: from handing an append to the broker until its ack.
        command_latency: from a command's arrival until its answer; :meth:`command` feeds it.
        mailbox_depth: commands queued over all mailboxes.
        awake: actors in memory, by kind (``awake["session"].set(n)``).
        asleep: actors that only have a deadline or nothing here.
        fence_losses: appends refused because somebody else had written.
        outcomes_unknown: appends without an answer in time.
        narrator_failures, safety_failures: times a narrator or a safety mind failed or was slow.
        recovery_seconds: how long taking over took; :meth:`recovery` feeds it.
        inbox_lag: records the inbox still has to deliver.
        inbox_gaps: times the inbox found deliveries missing.
        partitions_owned: partitions held under the lease.
        lease_losses: leases that ran out.
        discarded_snapshots: snapshots thrown away (ahead of the journal, other schema).
        tile_submit: how long a foreign server took for a tile.
    """

    def __init__(self, release: str | None = None) -> None:
        self.registry = registry = CollectorRegistry(auto_describe=False)

        def counter(name: str, text: str, labels: Sequence[str] = ()) -> Counter:
            return Counter(name, text, labels, registry=registry)

        def gauge(name: str, text: str, labels: Sequence[str] = ()) -> Gauge:
            return Gauge(name, text, labels, registry=registry)

        def histogram(
            name: str, text: str, buckets: Sequence[float], labels: Sequence[str] = ()
        ) -> Histogram:
            return Histogram(name, text, labels, registry=registry, buckets=buckets)

        # The ten.
        self.session_active = gauge("holodeck_session_active_total", "Sessions alive now.")
        session_completed = counter(
            "holodeck_session_completed_total", "Sessions ended, by outcome.", ["outcome"]
        )
        self._session_completed = {o: session_completed.labels(o.value) for o in Outcome}
        self._session_duration = histogram(
            "holodeck_session_duration_seconds",
            "Active time of ended sessions, pauses not counted.",
            SESSION_BUCKETS,
        )
        self._task_started = counter("holodeck_task_started_total", "Tasks started.")
        task_completed = counter(
            "holodeck_task_completed_total", "Tasks ended, by outcome.", ["outcome"]
        )
        self._task_completed = {o: task_completed.labels(o.value) for o in Outcome}
        task_duration = histogram(
            "holodeck_task_duration_seconds",
            "Duration of ended tasks, by outcome.",
            TASK_BUCKETS,
            ["outcome"],
        )
        self._task_duration = {o: task_duration.labels(o.value) for o in Outcome}
        self._routings = counter(
            "holodeck_h1_routing_decisions_total", "Tasks routed, by chosen agent.", ["agent_id"]
        )
        self.emergence_alerts = counter(
            "holodeck_emergence_alerts_total", "Emergence alerts raised."
        )
        self._h1_before = gauge(
            "holodeck_h1_before_routing", "H1 before the agent's last routing.", ["agent_id"]
        )
        self._h1_after = gauge(
            "holodeck_h1_after_routing", "H1 after the agent's last routing.", ["agent_id"]
        )
        self.route_seconds = histogram(
            "holodeck_route_duration_seconds", "How long the fleet took to choose.", LATENCY_BUCKETS
        )
        self.betti1_delta = histogram(
            "holodeck_routing_betti1_delta",
            "Loops in the co-work graph that a choice closes.",
            DELTA_BUCKETS,
        )
        self.graph: Mapping[str, Gauge] = {
            figure: gauge(f"holodeck_graph_{figure}", text)
            for figure, text in GRAPH_FIGURES.items()
        }
        self._agents = AgentCap()
        self._routed: dict[str, Counter] = {}
        self._h1_at: dict[str, float] = {}

        # The operator's.
        self._commands = counter(
            "holodeck_commands_total", "Commands answered.", ["actor", "result"]
        )
        self._command: dict[tuple[str, str], Counter] = {}
        self.append_latency = Latency(
            "holodeck_append_latency_seconds",
            "From handing an append to the broker until its ack.",
            LATENCY_BUCKETS,
        )
        self.command_latency = Latency(
            "holodeck_command_latency_seconds",
            "From a command's arrival until its answer.",
            LATENCY_BUCKETS,
        )
        registry.register(self.append_latency)
        registry.register(self.command_latency)
        self.mailbox_depth = gauge("holodeck_mailbox_depth", "Commands queued in mailboxes.")
        awake = gauge("holodeck_actors_awake", "Actors in memory.", ["actor"])
        self.awake: Mapping[str, Gauge] = {kind: awake.labels(kind) for kind in ACTOR_KINDS}
        self.asleep = gauge("holodeck_actors_asleep", "Actors out of memory, ready to return.")
        self.fence_losses = counter(
            "holodeck_fence_losses_total", "Appends refused because somebody else had written."
        )
        self.outcomes_unknown = counter(
            "holodeck_outcomes_unknown_total", "Appends without an answer in time."
        )
        self.narrator_failures = counter(
            "holodeck_narrator_failures_total", "Times the narrator failed or took too long."
        )
        self.safety_failures = counter(
            "holodeck_safety_failures_total", "Texts nobody looked at: the safety mind failed."
        )
        self._safety_findings = counter(
            "holodeck_safety_findings_total",
            "Texts that gave cause for concern, by type.",
            ["type"],
        )
        self._recoveries = counter(
            "holodeck_recoveries_total", "Partitions taken over, by cause.", ["cause"]
        )
        self.recovery_seconds = histogram(
            "holodeck_recovery_seconds", "How long taking over took.", RECOVERY_BUCKETS
        )
        self.inbox_lag = gauge("holodeck_inbox_lag", "Records the inbox still has to deliver.")
        self.inbox_gaps = counter(
            "holodeck_inbox_gaps_total", "Times the inbox found deliveries missing and reopened."
        )
        self._consumer_lag = gauge(
            "holodeck_consumer_lag", "Records a reader still has to process.", ["reader"]
        )
        self._lags: dict[str, Gauge] = {}
        self._dead_letters = counter(
            "holodeck_dead_letters_total",
            "Messages nobody could process, by origin and reason.",
            ["stream", "reason"],
        )
        self.partitions_owned = gauge("holodeck_partitions_owned", "Partitions held.")
        self.lease_losses = counter("holodeck_lease_losses_total", "Leases that ran out.")
        self.discarded_snapshots = counter(
            "holodeck_discarded_snapshots_total", "Snapshots thrown away and rebuilt."
        )
        self._tiles = counter("holodeck_tiles_total", "Tiles stored, by event.", ["event"])
        self._tile: dict[str, Counter] = {}
        self.tile_submit = Latency(
            "holodeck_tile_submit_duration_seconds",
            "From handing a tile to a foreign server until its answer, or until none came.",
            SUBMIT_BUCKETS,
        )
        registry.register(self.tile_submit)
        self._deliveries = counter(
            "holodeck_tile_deliveries_total",
            "What became of tiles at a foreign server: each accepted, refused or skipped once, "
            "failed at each attempt that has to be made again.",
            ["sink", "result"],
        )
        self._store_bytes = gauge("holodeck_store_bytes", "Bytes a stream holds.", ["stream"])
        self._store_limit = gauge(
            "holodeck_store_limit_bytes", "Bytes a stream may hold; -1 without limit.", ["stream"]
        )
        self._projection_applied = counter(
            "holodeck_projection_applied_total",
            "Checkpoints a projection has carried into its store.",
            ["projection"],
        )
        self._projection_lag = gauge(
            "holodeck_projection_lag", "Checkpoints a projection's store lacks.", ["projection"]
        )
        self._projection_errors = counter(
            "holodeck_projection_errors_total",
            "Times a projection failed and tried again, and checkpoints it could not read.",
            ["projection"],
        )
        build = gauge("holodeck_build_info", "The program's version.", ["version"])
        build.labels(release or program_version()).set(1)

        self._observers: dict[type, Callable[[Any], None]] = {
            SessionStarted: self._begun,
            SessionForked: self._begun,
            SessionEnded: self._session_ended,
            TaskStarted: self._task_begun,
            TaskCompleted: self._task_ended,
            TaskRouted: self._task_routed,
            EmergenceDetected: self._emerged,
            SafetyFlagged: self._flagged,
        }

    # --- what a host tells: the events it committed ----------------------------------------

    def observe(self, events: Iterable[AnyEvent]) -> None:
        """Counts committed events; call it once per checkpoint, when its append is acknowledged.

        Never call it for replayed or recovered checkpoints: whoever wrote them counted them.
        """
        observers = self._observers
        for event in events:
            observer = observers.get(type(event))
            if observer is not None:
                observer(event)

    def _flagged(self, event: SafetyFlagged) -> None:
        for kind in event.finding.types:
            self._safety_findings.labels(kind.value).inc()

    def _begun(self, event: SessionStarted | SessionForked) -> None:
        self.session_active.inc()

    def _session_ended(self, event: SessionEnded) -> None:
        self.session_active.dec()
        self._session_completed[event.outcome].inc()
        self._session_duration.observe(event.active_ms / 1000)

    def _task_begun(self, event: TaskStarted) -> None:
        self._task_started.inc()

    def _task_ended(self, event: TaskCompleted) -> None:
        self._task_completed[event.outcome].inc()
        # A task that never started has no duration.
        if event.duration_ms is not None:
            self._task_duration[event.outcome].observe(event.duration_ms / 1000)

    def _task_routed(self, event: TaskRouted) -> None:
        counter = self._routed.get(event.npc)
        if counter is None:
            label = self._agents.label(event.npc)
            counter = self._routings.labels(label)
            # Only the capped names are kept: the cache must not grow with the agents either.
            if label == event.npc:
                self._routed[label] = counter
        counter.inc()
        if event.routing is not None:
            self.h1(event.npc, event.routing.h1_before, event.routing.h1_after)

    def _emerged(self, event: EmergenceDetected) -> None:
        self.emergence_alerts.inc()

    def routing(self, seconds: float, delta_h1: int) -> None:
        """The fleet chose somebody within ``seconds``."""
        self.route_seconds.observe(seconds)
        self.betti1_delta.observe(delta_h1)

    def h1(self, agent: str, before: float, after: float) -> None:
        """H1 of the fleet before and after a routing to ``agent``; over hosts the newest wins."""
        label = self._agents.label(agent)
        self._h1_before.labels(label).set(before)
        self._h1_after.labels(label).set(after)
        self._h1_at[label] = time.time()

    # --- what the runtime tells ----------------------------------------

    def command(self, actor: str, result: str, seconds: float) -> None:
        """One command answered after ``seconds``.

        Args:
            actor: its kind; anything but the known kinds counts as ``other``.
            result: ``ok`` or the answer's status or error code; from a fixed set.
        """
        child = self._command.get((actor, result))
        if child is None:
            kind = actor if actor in ACTOR_KINDS else OTHER
            child = self._commands.labels(kind, result)
            if kind == actor:  # garbage from a subject must not fill the cache
                self._command[(actor, result)] = child
        child.inc()
        self.command_latency.observe(seconds)

    def recovery(self, cause: str, seconds: float) -> None:
        """One takeover; ``cause`` from a fixed set such as ``killed``, ``lease``, ``start``."""
        self._recoveries.labels(cause).inc()
        self.recovery_seconds.observe(seconds)

    def consumer_lag(self, reader: str) -> Gauge:
        """The lag gauge of one reader (``tiles``, ``sink.jsonl``, ...); keep it, or ask again."""
        gauge = self._lags.get(reader)
        if gauge is None:
            gauge = self._lags[reader] = self._consumer_lag.labels(reader)
        return gauge

    def dead_letter(self, stream: str, reason: str) -> None:
        """One message put aside in DEAD."""
        self._dead_letters.labels(stream, reason).inc()

    def tile(self, event: str) -> Counter:
        """The counter of tiles of one event name."""
        counter = self._tile.get(event)
        if counter is None:
            counter = self._tile[event] = self._tiles.labels(event)
        return counter

    def deliveries(self, sink: str) -> Mapping[str, Counter]:
        """The counters of one sink by result: accepted, refused, failed, skipped; keep them."""
        return {result: self._deliveries.labels(sink, result) for result in DELIVERIES}

    def projection(self, name: str) -> ProjectionFigures:
        """The figures of one projection; keep them."""
        return ProjectionFigures(
            self._projection_applied.labels(name),
            self._projection_lag.labels(name),
            self._projection_errors.labels(name),
        )

    def store(self, stream: str, size: int, limit: int) -> None:
        """A stream's size and limit in bytes, as ``Log.size()`` gives them."""
        self._store_bytes.labels(stream).set(size)
        self._store_limit.labels(stream).set(limit)

    # --- what is told on ----------------------------------------

    def dump(self) -> bytes:
        """Every family with its samples, as msgpack, to be merged elsewhere.

        The times at which series were created are left out: they are no measurements.
        """
        families = []
        for family in self.registry.collect():
            name = family.name + "_total" if family.type == "counter" else family.name
            samples = [
                [sample.name, sorted(sample.labels.items()), float(sample.value)]
                for sample in family.samples
                if not sample.name.endswith("_created")
            ]
            families.append([name, family.type, family.documentation, samples])
        return pack({"v": _DUMP, "families": families, "h1_at": self._h1_at})


Labels = tuple[tuple[str, str], ...]
_Series = tuple[str, Labels]


class Merger:
    """Makes the dumps of many hosts one scrape, again and again.

    It remembers what hosts that are gone had counted: a sum that fell when a host died would be
    taken by Prometheus for a restart of everything, and every rate would show a spike.
    """

    def __init__(self) -> None:
        self._agents = AgentCap()
        self._counted: dict[str, dict[_Series, float]] = {}
        self._before: dict[_Series, float] = {}

    def text(self, dumps: Mapping[str, bytes]) -> str:
        """All hosts as one text exposition, format 0.0.4.

        The ten promised families are summed over the hosts (H1: the newest value) and carry no
        further label; every other family gets a label ``host``.

        Args:
            dumps: from host name to what its :meth:`Metrics.dump` gave.

        Raises:
            DecodeError: something is no dump; names the host.
        """
        heads: dict[str, tuple[str, str]] = {}
        sums: dict[str, dict[_Series, float]] = {name: {} for name in SEED_NAMES}
        newest: dict[_Series, float] = {}
        operator: dict[str, list[str]] = {}
        counted: dict[str, dict[_Series, float]] = {}
        kinds: dict[str, str] = {}
        for host in sorted(dumps):
            families, h1_at = read_dump(host, dumps[host])
            mine = counted[host] = {}
            for name, kind, text, samples in families:
                heads.setdefault(name, (kind, text))
                if name not in sums:
                    lines = operator.setdefault(name, [])
                    for sample, pairs, value in samples:
                        lines.append(_line(sample, (*map(tuple, pairs), ("host", host)), value))
                    continue
                kinds[name] = kind
                for sample, pairs, value in samples:
                    labels = tuple((key, self._cap(key, text)) for key, text in pairs)
                    series = (sample, labels)
                    if name in _LAST_WINS:
                        at = h1_at.get(pairs[0][1], 0.0)
                        if at >= newest.get(series, -1.0):
                            newest[series] = at
                            sums[name][series] = value
                    elif kind == "gauge":
                        sums[name][series] = sums[name].get(series, 0.0) + value
                    else:
                        mine[series] = mine.get(series, 0.0) + value
        self._remember(counted)
        self._add_up(sums)
        out: list[str] = []
        for name in (*SEED_NAMES, *sorted(operator)):
            head = heads.get(name)
            if head is None:  # no host told of it, as before the first one is up
                continue
            kind, text = head
            out.append(f"# HELP {name} {text}\n# TYPE {name} {kind}\n")
            if name in operator:
                out.extend(operator[name])
            else:
                out.extend(_line(sample, labels, v) for (sample, labels), v in sums[name].items())
        return "".join(out)

    def _cap(self, key: str, value: str) -> str:
        # Each host caps for itself; together they may still know more agents than one may show.
        return self._agents.label(value) if key == "agent_id" else value

    def _remember(self, counted: Mapping[str, dict[_Series, float]]) -> None:
        for host, now in counted.items():
            old = self._counted.pop(host, {})  # put back at the end: the newest seen stand last
            if any(now.get(series, 0.0) < value for series, value in old.items()):
                self._leave(old)  # the same name, counting from 0 again
            self._counted[host] = now
        departed = [host for host in self._counted if host not in counted]
        for host in departed[: max(0, len(departed) - _MAX_DEPARTED)]:
            self._leave(self._counted.pop(host))

    def _leave(self, old: Mapping[_Series, float]) -> None:
        for series, value in old.items():
            self._before[series] = self._before.get(series, 0.0) + value

    def _add_up(self, sums: dict[str, dict[_Series, float]]) -> None:
        for table in (self._before, *self._counted.values()):
            for series, value in table.items():
                family = sums[_family_of(series[0])]
                family[series] = family.get(series, 0.0) + value


def merge(dumps: Mapping[str, bytes]) -> str:
    """One scrape of many hosts, without memory of earlier ones; see :meth:`Merger.text`."""
    return Merger().text(dumps)


def _family_of(sample: str) -> str:
    for suffix in ("_bucket", "_sum", "_count"):
        if sample.endswith(suffix):
            return sample.removesuffix(suffix)
    return sample


def read_dump(host: str, data: bytes) -> tuple[list[Any], dict[str, float]]:
    """What :meth:`Metrics.dump` gave: families as ``[name, type, text, samples]`` with each sample
    as ``[name, labels, value]`` (labels as pairs), and when H1 was set by agent.

    Raises:
        DecodeError: it is no dump of this version; names the host.
    """
    raw = unpack(data, host)
    if not isinstance(raw, dict) or raw.get("v") != _DUMP:
        raise DecodeError(host, "no metrics dump of this version")
    return raw["families"], raw["h1_at"]


def _escape(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _number(value: float) -> str:
    if math.isfinite(value):
        return repr(float(value))
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"


def _line(sample: str, labels: Labels, value: float) -> str:
    if not labels:
        return f"{sample} {_number(value)}\n"
    inner = ",".join(f'{key}="{_escape(text)}"' for key, text in labels)
    return f"{sample}{{{inner}}} {_number(value)}\n"
