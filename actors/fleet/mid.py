"""The mid: what the scouts saw in a window of time, as conflicts and complements.

One law: a fold. :func:`see` takes one event at a time into a state of bounded size,
:func:`synthesise` reads that state and changes nothing, :func:`close` takes out exactly what a
synthesis told. What was seen between the two belongs to the next window, so no matter how late a
synthesis is folded, nothing is lost and nothing told twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final, TypeVar

from pydantic import BaseModel

from holodeck.actors.fleet.scout import Seen, seen_of_tile
from holodeck.actors.fleet.sightings import (
    ATTEMPTS,
    CAPABILITIES,
    DURATIONS,
    ERRORS,
    FAILURES,
    NAMED,
    RECENT,
    TOLD,
    WORD,
    WORDS,
    AgentSeen,
    CapabilitySeen,
    Change,
    Duration,
    ErrorSeen,
    Failure,
    MidState,
    Quiet,
    SessionSeen,
    drop,
    find,
    finding,
    follow_task,
    keep_latest,
    know_agent,
    know_type,
    leave,
    open_session,
    settle,
    task_type,
)
from holodeck.messages.synthesis import (
    DIGITS,
    AgentFigures,
    CapabilityFigures,
    Dropped,
    Finding,
    FindingKind,
    Inputs,
    KindCount,
    MidMetrics,
    Synthesis,
    TypeFigures,
)

__all__ = [
    "MidState",
    "Seen",
    "close",
    "question",
    "see",
    "seen_of_tile",
    "synthesise",
    "task_type",
    "within",
]

AGENTS_TOLD: Final = 64
TYPES_TOLD: Final = 20
GRACE_MS: Final = 60_000
"""How long past its timeout a session may stay without an end: as long as a client may go on
sending one command, so that a failover is no conflict."""
ENOUGH: Final = 5
"""Durations a 95th percentile needs before it is compared."""
SLOWER_BY: Final = 1.25
"""A 95th percentile that rose to this many times the one before is told."""
_FINDINGS_BYTES: Final = 18 * 1024
_AGENTS_BYTES: Final = 28 * 1024
"""Together with the figures below :data:`holodeck.messages.base.MAX_MESSAGE`."""
_PRIME: Final = 0x100000001B3
_MASK: Final = 0xFFFFFFFFFFFFFFFF
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


# --- the fold ----------------------------------------


def see(state: MidState, seen: Seen) -> None:
    """Takes one event into a state that nobody else holds, in place."""
    state.ticks += 1
    sequence = seen.sequence
    state.digest = ((state.digest ^ sequence) * _PRIME) & _MASK
    if sequence > state.last:
        state.last = sequence
    if not state.first:
        state.first = sequence
    if not state.since:
        state.since = seen.at
    if seen.delta_beta1 and seen.session not in state.settled:
        state.delta_beta1 += seen.delta_beta1
        record = state.sessions.get(seen.session)
        owner = record.agent if record is not None and record.agent else seen.agent
        if owner:
            know_agent(state, owner).delta_beta1 += seen.delta_beta1
    step = _STEPS.get(seen.event)
    if step is not None:
        step(state, seen)
    if seen.components is not None:
        _components(state, seen, seen.components)


def _components(state: MidState, seen: Seen, components: int) -> None:
    before, state.components = state.components, components
    change = state.change
    if change is not None and before is not None and components < before:
        state.change = None
        find(
            state,
            FindingKind.SILOS_JOINED,
            f"silos fell from {before} to {components} after {change.type} went to "
            f"{change.after} instead of {change.before}",
            (change.session, seen.session) if seen.session else (change.session,),
            (change.sequence, seen.sequence),
            (change.type,),
            (change.before, change.after),
        )


def _started(state: MidState, seen: Seen) -> None:
    quiet = state.quiet
    record = open_session(state, seen)
    if record is None or record.started:
        return
    if quiet is not None and seen.beta1 is not None and quiet.beta1 != seen.beta1:
        find(
            state,
            FindingKind.BETTI_GAP,
            f"β1 was {quiet.beta1} when {quiet.session} ended and {seen.beta1} when "
            f"{seen.session} began, with no session between",
            (quiet.session, seen.session),
            (quiet.sequence, seen.sequence),
        )
    record.started, record.sequence = True, seen.sequence
    record.agent, record.tags = seen.agent, seen.tags[:WORDS]
    if seen.timeout_ms and seen.at:
        record.deadline = seen.at + seen.timeout_ms
    if seen.agent:
        mine = state.working.setdefault(seen.agent, {})
        for name in islice(reversed(mine), NAMED):
            other = state.sessions[name]
            if not other.paused_at and not 0 < other.deadline < seen.at:
                find(
                    state,
                    FindingKind.OVERLAP,
                    f"{seen.session} of {seen.agent} began while its {name} was open",
                    (name, seen.session),
                    (other.sequence, seen.sequence),
                    agents=(seen.agent,),
                )
                break
        mine[seen.session] = None


def _paused(state: MidState, seen: Seen) -> None:
    record = state.sessions.get(seen.session)
    if record is not None and not record.paused_at:
        record.paused_at = seen.at


def _resumed(state: MidState, seen: Seen) -> None:
    record = state.sessions.get(seen.session)
    if record is not None and record.paused_at:
        if record.deadline:
            record.deadline += max(0, seen.at - record.paused_at)
        record.paused_at = 0


def _added(state: MidState, seen: Seen) -> None:
    session = open_session(state, seen)
    if session is not None:
        follow_task(state, session, seen)


def _routed(state: MidState, seen: Seen) -> None:
    session = open_session(state, seen)
    if session is None:
        return
    task = follow_task(state, session, seen)
    if task is not None and seen.attempt == task.attempt:
        task.routed_to, task.routed = seen.routed_to, seen.sequence
    _count_routing(state, seen)


def _count_routing(state: MidState, seen: Seen) -> None:
    state.routings += 1
    state.fallbacks += seen.fallback
    kind = know_type(state, seen.task)
    before, kind.routed_to = kind.routed_to, seen.routed_to
    if before and before != seen.routed_to:
        state.change = Change(
            state.ticks,
            seen.sequence,
            seen.session,
            task_type(seen.task),
            before,
            seen.routed_to,
        )


def _task_started(state: MidState, seen: Seen) -> None:
    session = open_session(state, seen)
    if session is None:
        return
    task = follow_task(state, session, seen)
    if task is None or seen.attempt != task.attempt:
        return
    task.started_at = seen.at
    task.agent = seen.agent or task.agent
    if seen.routed_to and not task.routed_to:
        # Scouts that have no event of their own for a routing tell it with the start.
        task.routed_to, task.routed = seen.routed_to, seen.sequence
        _count_routing(state, seen)


def _task_ended(state: MidState, seen: Seen) -> None:
    session = open_session(state, seen)
    if session is None or not seen.outcome:
        return
    task = follow_task(state, session, seen)
    worker = seen.agent or seen.routed_to
    duration = seen.duration_ms
    capabilities = seen.capabilities
    if task is not None:
        late = seen.attempt < task.attempt
        known = dict(task.earlier).get(seen.attempt, "") if late else task.outcome
        if known:
            if known != seen.outcome:
                find(
                    state,
                    FindingKind.TWO_OUTCOMES,
                    f"attempt {seen.attempt} of {seen.task} ended with {known} and with "
                    f"{seen.outcome}",
                    (seen.session,),
                    (0 if late else task.ended, seen.sequence),
                    (seen.task,),
                    (task.agent, worker),
                )
            return
        if late:
            if len(task.earlier) < ATTEMPTS:
                task.earlier += ((seen.attempt, seen.outcome),)
        else:
            if worker and task.routed_to and worker != task.routed_to:
                find(
                    state,
                    FindingKind.ROUTED_ELSEWHERE,
                    f"{seen.task} was routed to {task.routed_to} and ended by {worker}",
                    (seen.session,),
                    (task.routed, seen.sequence),
                    (seen.task,),
                    (task.routed_to, worker),
                )
            worker = worker or task.agent or task.routed_to
            task.outcome, task.ended = seen.outcome, seen.sequence
            task.agent = worker = worker or session.agent
            if duration is None and 0 < task.started_at <= seen.at:
                duration = seen.at - task.started_at
        capabilities = capabilities or task.capabilities
    worker = worker or session.agent
    state.tasks += 1
    if duration is not None:
        durations = know_type(state, seen.task).durations
        durations.append(Duration(state.ticks, duration, seen.sequence))
        if len(durations) > DURATIONS:
            del durations[0]
    if worker:
        if seen.outcome != "cancelled":
            _credit(state, worker, capabilities, seen.outcome == "success", duration)
        _recovery(state, seen, worker)
    if seen.fingerprint:
        _error(state, seen, worker)


def _credit(
    state: MidState,
    name: str,
    capabilities: Sequence[str],
    succeeded: bool,
    duration: int | None,
) -> None:
    agent = know_agent(state, name)
    agent.tasks += 1
    agent.tasks_succeeded += succeeded
    if duration is not None:
        agent.timed += 1
        agent.busy_ms += duration
    for word in capabilities:
        one = agent.capabilities.get(word)
        if one is None:
            if len(agent.capabilities) >= CAPABILITIES:
                drop(state, "capabilities", 1)
                continue
            one = agent.capabilities[word] = CapabilitySeen()
        one.tasks += 1
        one.succeeded += succeeded
        if duration is not None:
            one.timed += 1
            one.busy_ms += duration


def _recovery(state: MidState, seen: Seen, worker: str) -> None:
    if seen.outcome == "success":
        failure = state.failures.pop(seen.task, None)
        if failure is not None and failure.agent != worker:
            find(
                state,
                FindingKind.RECOVERED_ELSEWHERE,
                f"{seen.task} failed with {failure.agent} and succeeded with {worker}",
                (failure.session, seen.session),
                (failure.sequence, seen.sequence),
                (seen.task,),
                (failure.agent, worker),
            )
    elif seen.outcome != "cancelled":
        state.failures[seen.task] = Failure(worker, seen.session, seen.sequence, state.ticks)
        keep_latest(state, "failures", state.failures, FAILURES)


def _error(state: MidState, seen: Seen, agent: str) -> None:
    record = state.fingerprints.get(seen.fingerprint)
    if record is None:
        record = state.fingerprints[seen.fingerprint] = ErrorSeen(last=state.ticks)
        keep_latest(state, "errors", state.fingerprints, ERRORS)
    record.count += 1
    record.last = state.ticks
    if agent and agent not in record.agents and len(record.agents) < NAMED:
        record.agents += (agent,)
    if seen.session and seen.session not in record.sessions:
        record.sessions = (*record.sessions, seen.session)[-NAMED:]
    record.evidence = (*record.evidence, seen.sequence)[-NAMED:]


def _failed(state: MidState, seen: Seen) -> None:
    state.errors += 1
    if seen.fingerprint:
        record = state.sessions.get(seen.session)
        _error(state, seen, seen.agent or (record.agent if record is not None else ""))


def _alerted(state: MidState, seen: Seen) -> None:
    state.alerts += 1


def _ended(state: MidState, seen: Seen) -> None:
    if not seen.session or seen.session in state.settled:
        return
    record = leave(state, seen.session) or SessionSeen()
    settle(state, seen.session)
    owner = record.agent or seen.agent
    success = seen.outcome == "success"
    state.ended += 1
    state.complete += record.started
    state.succeeded += success
    _compare(state, seen, record, owner)
    if owner:
        agent = know_agent(state, owner)
        agent.sessions += 1
        agent.sessions_succeeded += success
    _remember(state, record, owner)
    if seen.fingerprint:
        _error(state, seen, owner)
    if seen.beta1 is not None and not state.sessions:
        state.quiet = Quiet(seen.session, seen.beta1, seen.sequence)


def _compare(state: MidState, seen: Seen, record: SessionSeen, owner: str) -> None:
    """An end's own counts against the tasks that were seen to end, and against its outcome.

    Of a task with several attempts the last one counts. What the end calls open, it may have
    closed itself in the same moment, as cancelled or timed out.
    """
    told = Counter(task.outcome for task in record.tasks.values())
    whole = record.started and not record.partial
    told_succeeded, told_failed = told["success"], told["failed"]
    evidence = (record.sequence, seen.sequence)
    if seen.counts is not None:
        total, succeeded, failed, cancelled, timed_out, open_ = seen.counts
        left = max(0, open_)
        pairs = (
            ("in all", total, len(record.tasks), 0),
            ("succeeded", succeeded, told_succeeded, 0),
            ("failed", failed, told_failed, 0),
            ("cancelled", cancelled, told["cancelled"], left),
            ("timed out", timed_out, told["timeout"], left),
        )
        wrong = [
            f"{there} {word} and {here} were seen"
            for word, there, here, more in pairs
            if there >= 0 and not there <= here <= there + more
        ]
        if whole and wrong:
            find(
                state,
                FindingKind.COUNTS_DIFFER,
                f"the end of {seen.session} counts {', '.join(wrong)}",
                (seen.session,),
                evidence,
                agents=(owner,),
            )
        if succeeded >= 0 and failed >= 0:
            told_succeeded, told_failed, whole = succeeded, failed, True
    if whole and seen.outcome == "success" and told_failed > told_succeeded:
        find(
            state,
            FindingKind.HOLLOW_SUCCESS,
            f"{seen.session} claims success with {told_failed} tasks failed and "
            f"{told_succeeded} succeeded",
            (seen.session,),
            evidence,
            agents=(owner,),
        )


def _remember(state: MidState, record: SessionSeen, owner: str) -> None:
    """What a session was about, for its owner and for everyone who worked in it."""
    words: dict[str, dict[str, None]] = {}
    if owner:
        words[owner] = dict.fromkeys(record.tags)
    for task in record.tasks.values():
        if task.capabilities:
            for name in dict.fromkeys((owner, task.agent)):
                if name:
                    words.setdefault(name, {}).update(dict.fromkeys(task.capabilities))
    for name, those in sorted(words.items()):
        if those:
            recent = know_agent(state, name).recent
            recent.append((state.ticks, tuple(word[:WORD] for word in islice(those, WORDS))))
            if len(recent) > RECENT:
                del recent[0]


_STEPS: Final[dict[str, Callable[[MidState, Seen], None]]] = {
    "SESSION_START": _started,
    "SESSION_PAUSE": _paused,
    "SESSION_RESUME": _resumed,
    "SESSION_END": _ended,
    "SESSION_ERROR": _failed,
    "TASK_ADDED": _added,
    "TASK_ROUTED": _routed,
    "TASK_START": _task_started,
    "TASK_END": _task_ended,
    "EMERGENCE_ALERT": _alerted,
}


# --- a window's end ----------------------------------------


def synthesise(state: MidState, now: int) -> Synthesis:
    """What the window up to ``now`` (ms since 1970 UTC) shows; the state stays as it is.

    In order: conflicts and complements by kind, then as they were found (``unended`` by the
    session seen first, ``shared-error`` and ``slower`` by name); agents by how long they wait.
    """
    unended = _unended(state, now, state.ticks)
    found = {kind: [one.finding for one in those] for kind, those in state.found.items() if those}
    counts = Counter(state.counts)
    for kind, those in (
        (FindingKind.UNENDED, [_never_ended(state, name) for name in unended[:TOLD]]),
        (FindingKind.SHARED_ERROR, _shared(state)),
        (FindingKind.SLOWER, _slower(state)),
    ):
        if those:
            found[kind.value] = those[:TOLD]
            counts[kind.value] = len(unended) if kind is FindingKind.UNENDED else len(those)
    told = _told(found)
    agents = within(
        _AGENTS_BYTES,
        (_figures(name, agent, now) for name, agent in islice(state.agents.items(), AGENTS_TOLD)),
    )
    settled = state.ended + len(unended)
    read = state.pending
    return Synthesis(
        scope=f"fleet {_written(state.since or now)}/{_written(now)}",
        since=state.since or now,
        until=now,
        inputs=Inputs(
            count=read,
            digest=f"{state.digest:016x}",
            before=f"{state.before:016x}",
            first=state.first if read else 0,
            last=state.last,
        ),
        conflicts=tuple(one for one in told if one.kind.conflict),
        complements=tuple(one for one in told if not one.kind.conflict),
        counts=tuple(
            KindCount(kind=kind, count=counts[kind]) for kind in FindingKind if counts[kind] > 0
        ),
        metrics=MidMetrics(
            sessions=settled,
            ended=state.ended,
            complete=state.complete,
            succeeded=state.succeeded,
            open=len(state.sessions) - len(unended),
            success_rate=_share(state.succeeded, state.ended),
            tasks=state.tasks,
            routings=state.routings,
            fallbacks=state.fallbacks,
            errors=state.errors,
            alerts=state.alerts,
            delta_beta1=state.delta_beta1,
            types=_type_figures(state),
        ),
        agents=tuple(agents),
        agents_waiting=len(state.agents) - len(agents),
        dropped=tuple(
            Dropped(what=what, count=count) for what, count in sorted(state.dropped.items())
        ),
        confidence=_share(state.complete, settled) or 0.0,
    )


def close(state: MidState, synthesis: Synthesis) -> None:
    """Takes out what ``synthesis`` told, in place; open sessions and memories are carried on.

    What was seen since the synthesis was made stays for the next window. A synthesis that does
    not continue the windows closed before (made twice, say) changes nothing. A session told as
    unended whose end came in between is counted as ended in the next window as well.
    """
    if synthesis.inputs.before != f"{state.before:016x}":
        return
    tick = state.closed + synthesis.inputs.count
    for name in _unended(state, synthesis.until, tick):
        leave(state, name)
        settle(state, name)
    metrics = synthesis.metrics
    state.ended -= metrics.ended
    state.complete -= metrics.complete
    state.succeeded -= metrics.succeeded
    state.tasks -= metrics.tasks
    state.routings -= metrics.routings
    state.fallbacks -= metrics.fallbacks
    state.errors -= metrics.errors
    state.alerts -= metrics.alerts
    state.delta_beta1 -= metrics.delta_beta1
    for entry in synthesis.counts:
        if entry.kind in state.counts:
            state.counts[entry.kind] = max(0, state.counts[entry.kind] - entry.count)
    state.counts = {kind: count for kind, count in state.counts.items() if count}
    later = {kind: [one for one in those if one.tick > tick] for kind, those in state.found.items()}
    state.found = {kind: those for kind, those in later.items() if those}
    for kind in state.types.values():
        told = [one.ms for one in kind.durations if one.tick <= tick]
        if len(told) >= ENOUGH:
            kind.before = _percentile(told, 95)
        kind.durations = [one for one in kind.durations if one.tick > tick]
    for figures in synthesis.agents:
        _take_out(state, figures, tick, synthesis.until)
    if state.change is not None and state.change.tick <= state.closed:
        state.change = None  # a whole window passed without a fall of components
    state.before = int(synthesis.inputs.digest, 16)
    state.closed = tick
    state.first = synthesis.inputs.last + 1 if state.ticks > tick else 0
    state.since = synthesis.until if state.ticks > tick else 0


def question(synthesis: Synthesis) -> str:
    """The question of a synthesis's tile: its scope, and how many findings there were in all."""
    conflicts = sum(entry.count for entry in synthesis.counts if entry.kind.conflict)
    complements = sum(entry.count for entry in synthesis.counts) - conflicts
    return f"[MID_SYNTHESIS] {synthesis.scope} — {conflicts} conflicts, {complements} complements"


def _unended(state: MidState, now: int, tick: int) -> list[str]:
    """Open sessions, first seen up to ``tick``, whose end is overdue."""
    return [
        name
        for name, one in state.sessions.items()
        if one.deadline and not one.paused_at and one.tick <= tick and now > one.deadline + GRACE_MS
    ]


def _never_ended(state: MidState, name: str) -> Finding:
    one = state.sessions[name]
    return finding(
        FindingKind.UNENDED,
        f"{name} should have ended by {_written(one.deadline)}",
        (name,),
        (one.sequence,),
        agents=(one.agent,),
    )


def _shared(state: MidState) -> list[Finding]:
    return [
        finding(
            FindingKind.SHARED_ERROR,
            f"{', '.join(one.agents)} ran into the same error {name}, {one.count} times in all",
            one.sessions,
            one.evidence,
            agents=one.agents,
        )
        for name, one in sorted(state.fingerprints.items())
        if one.last > state.closed and len(one.agents) > 1
    ]


def _slower(state: MidState) -> list[Finding]:
    found = []
    for name, kind in sorted(state.types.items()):
        if kind.before is not None and len(kind.durations) >= ENOUGH:
            now = _percentile([one.ms for one in kind.durations], 95)
            if now > kind.before and now >= SLOWER_BY * kind.before:
                slowest = sorted(kind.durations, key=lambda one: (-one.ms, one.tick))
                found.append(
                    finding(
                        FindingKind.SLOWER,
                        f"the 95th percentile of {name} rose from {kind.before} to {now} ms",
                        (),
                        (one.sequence for one in slowest[:NAMED]),
                        (name,),
                    )
                )
    return found


def _told(found: dict[str, list[Finding]]) -> list[Finding]:
    """As many findings as a message holds: the first of each kind before any second."""
    order = {kind: place for place, kind in enumerate(FindingKind)}
    ranked = sorted(
        (
            (place, order[one.kind], one)
            for those in found.values()
            for place, one in enumerate(those)
        ),
        key=lambda entry: entry[:2],
    )
    kept = within(_FINDINGS_BYTES, (one for _, _, one in ranked))
    return [one for _, _, one in sorted(ranked[: len(kept)], key=lambda entry: entry[1])]


M = TypeVar("M", bound=BaseModel)


def within(size: int, those: Iterable[M]) -> list[M]:
    """As many from the front as fit into ``size`` bytes of JSON, but the first in any case."""
    kept: list[M] = []
    for one in those:
        size -= len(one.model_dump_json().encode())
        if size < 0 and kept:
            break
        kept.append(one)
    return kept


def _figures(name: str, agent: AgentSeen, now: int) -> AgentFigures:
    return AgentFigures(
        agent=name,
        sessions=agent.sessions,
        sessions_succeeded=agent.sessions_succeeded,
        tasks=agent.tasks,
        tasks_succeeded=agent.tasks_succeeded,
        timed=agent.timed,
        busy_ms=agent.busy_ms,
        load=_share(agent.busy_ms, now - agent.since) or 0.0,
        delta_beta1=agent.delta_beta1,
        capabilities=tuple(
            CapabilityFigures(
                capability=word,
                tasks=one.tasks,
                succeeded=one.succeeded,
                timed=one.timed,
                busy_ms=one.busy_ms,
            )
            for word, one in sorted(agent.capabilities.items())
        ),
        recent=tuple(words for _, words in agent.recent),
    )


def _take_out(state: MidState, figures: AgentFigures, tick: int, until: int) -> None:
    agent = state.agents.get(figures.agent)
    if agent is None or agent.tick > tick:
        return  # given up since then, and perhaps seen anew
    del state.agents[figures.agent]
    if agent.last <= tick:
        return
    agent.since = until
    agent.sessions -= figures.sessions
    agent.sessions_succeeded -= figures.sessions_succeeded
    agent.tasks -= figures.tasks
    agent.tasks_succeeded -= figures.tasks_succeeded
    agent.timed -= figures.timed
    agent.busy_ms -= figures.busy_ms
    agent.delta_beta1 -= figures.delta_beta1
    for told in figures.capabilities:
        one = agent.capabilities[told.capability]
        one.tasks -= told.tasks
        one.succeeded -= told.succeeded
        one.timed -= told.timed
        one.busy_ms -= told.busy_ms
        if not one.tasks:
            del agent.capabilities[told.capability]
    agent.recent = [entry for entry in agent.recent if entry[0] > tick]
    agent.tick = tick + 1
    state.agents[figures.agent] = agent


def _type_figures(state: MidState) -> tuple[TypeFigures, ...]:
    known = [(name, [one.ms for one in kind.durations]) for name, kind in state.types.items()]
    most = sorted(
        ((name, those) for name, those in known if those),
        key=lambda entry: (-len(entry[1]), entry[0]),
    )
    return tuple(
        TypeFigures(
            type=name,
            count=len(those),
            p50=_percentile(those, 50),
            p95=_percentile(those, 95),
        )
        for name, those in most[:TYPES_TOLD]
    )


def _percentile(values: Sequence[int], percent: int) -> int:
    """Nearest rank: the smallest value that at least ``percent`` of all do not exceed."""
    return sorted(values)[(percent * len(values) + 99) // 100 - 1]


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, DIGITS) if whole > 0 else None


def _written(at: int) -> str:
    """UTC, ISO 8601 with ms; the bare number where no calendar knows it."""
    try:
        moment = _EPOCH + timedelta(milliseconds=at)
    except OverflowError:
        return str(at)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{at % 1000:03d}Z"
