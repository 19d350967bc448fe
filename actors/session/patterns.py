"""What the tasks of a session show, once it has ended or so far.

One law: :func:`patterns` is a function of the story alone, names every pattern at most once, in
the order they are listed here, and depends on no name: other ids give the same patterns.

Of every completed attempt at a task only its outcome counts, as one letter: S for success, F
failed, C cancelled, T timeout; in the order of completion. Tasks still open have no letter, but
they are tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, groupby, pairwise
from statistics import median
from typing import Final

from holodeck.messages.session import Outcome, Pattern

MAX_EVIDENCE: Final = 20
MAX_EVIDENCE_CHARS: Final = 512
"""Task ids may have 128 characters, and all patterns travel in the one message of the end."""


@dataclass(frozen=True, slots=True)
class Done:
    """One completed attempt at a task.

    Attributes:
        attempt: from 1.
        duration_ms: None where it was not measured.
        fingerprint: of the error it ended with, as :func:`faults.fault` makes it; empty for none.
    """

    task: str
    attempt: int
    outcome: Outcome
    duration_ms: int | None = None
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Story:
    """What a session came to, as far as patterns need it.

    Attributes:
        done: every completed attempt, in the order of completion.
        tasks: how many tasks there are.
        open: ids of those not completed, in the order they were added.
        attempts: by task, the highest attempt.
        routed: by task, the agent it was routed to; only tasks that were routed.
        fallbacks: tasks routed to somebody who has not all capabilities.
        capacity_hit: a task was turned away because there were as many as there may be.
        outcome: what the session was declared to be; None while it runs.
        duration_ms: of the whole session; idle_ms: the part without an open task.
        crossings: how often emergence rose above its threshold in it.
        components: of the co-work graph, at its start and now; None where it is not known.
    """

    done: Sequence[Done]
    tasks: int
    open: Sequence[str]
    attempts: Mapping[str, int]
    routed: Mapping[str, str]
    fallbacks: Sequence[str]
    capacity_hit: bool
    outcome: Outcome | None
    duration_ms: int
    idle_ms: int
    crossings: int
    components: tuple[int, int] | None


def patterns(story: Story) -> tuple[Pattern, ...]:
    """The patterns of a session, in the order of :data:`RULES`, each with what shows it.

    Evidence is the ids of tasks, each once, in the order of the story, or facts such as
    ``idle_ms=900``: at most 20 and at most 512 characters of them.
    """
    return tuple(
        Pattern(name=name, evidence=_bounded(evidence))
        for name, rule in RULES
        if (evidence := rule(story)) is not None
    )


Evidence = Iterable[str] | None
"""What shows a pattern; None where it does not hold."""

_MISSED: Final = frozenset({Outcome.FAILED, Outcome.TIMEOUT})


def _bounded(evidence: Iterable[str]) -> tuple[str, ...]:
    kept: dict[str, None] = {}
    left = MAX_EVIDENCE_CHARS
    for one in evidence:
        if one in kept:
            continue
        left -= len(one)
        if left < 0 or len(kept) == MAX_EVIDENCE:
            break
        kept[one] = None
    return tuple(kept)


def _of(story: Story, *outcomes: Outcome) -> list[str]:
    """The tasks of all attempts with one of these outcomes; a task stands here once for each."""
    return [one.task for one in story.done if one.outcome in outcomes]


def _longest(done: Sequence[Done], outcomes: frozenset[Outcome]) -> list[str]:
    """The tasks of the longest run of these outcomes; of the first, if there are several."""
    runs = groupby(done, key=lambda one: one.outcome in outcomes)
    return max(([one.task for one in run] for held, run in runs if held), key=len, default=[])


# --- the rules, in the order of the table ----------------------------------------


def _streak(story: Story) -> Evidence:
    """The longest run of S is 3 or more, and S ≥ 0.8 of all tasks."""
    run = _longest(story.done, frozenset({Outcome.SUCCESS}))
    succeeded = len(_of(story, Outcome.SUCCESS))
    return run if len(run) >= 3 and 5 * succeeded >= 4 * story.tasks else None


def _mixed(story: Story) -> Evidence:
    """At least one S and one F."""
    failed = _of(story, Outcome.FAILED)
    return failed if failed and _of(story, Outcome.SUCCESS) else None


def _failures_dominate(story: Story) -> Evidence:
    """F + T > S."""
    missed = _of(story, *_MISSED)
    return missed if len(missed) > len(_of(story, Outcome.SUCCESS)) else None


def _recovered(story: Story) -> Evidence:
    """A success completes after the first F or T; shown by both."""
    missed = ""
    for one in story.done:
        if one.outcome in _MISSED:
            missed = missed or one.task
        elif missed and one.outcome is Outcome.SUCCESS:
            return missed, one.task
    return None


def _timeouts(story: Story) -> Evidence:
    """T ≥ 2."""
    late = _of(story, Outcome.TIMEOUT)
    return late if len(late) >= 2 else None


def _cascade(story: Story) -> Evidence:
    """A run of three or more F or T."""
    run = _longest(story.done, _MISSED)
    return run if len(run) >= 3 else None


def _flapping(story: Story) -> Evidence:
    """Six or more of S, F, T, and four or more switches between success and the others."""
    told = [one for one in story.done if one.outcome is not Outcome.CANCELLED]
    switches = [
        after.task
        for before, after in pairwise(told)
        if (before.outcome is Outcome.SUCCESS) is not (after.outcome is Outcome.SUCCESS)
    ]
    return switches if len(told) >= 6 and len(switches) >= 4 else None


def _all_cancelled(story: Story) -> Evidence:
    """At least one completed, and all of them C."""
    cancelled = _of(story, Outcome.CANCELLED)
    return cancelled if cancelled and len(cancelled) == len(story.done) else None


def _unfinished(story: Story) -> Evidence:
    """Open tasks at the end; while the session runs, an open task is none of this."""
    return story.open if story.open and story.outcome is not None else None


def _retries(story: Story) -> Evidence:
    """A task with three or more attempts."""
    return [task for task, attempt in story.attempts.items() if attempt >= 3] or None


def _repeated_error(story: Story) -> Evidence:
    """The same fingerprint of an error three times or more."""
    by_print: dict[str, list[str]] = {}
    for one in story.done:
        if one.fingerprint:
            by_print.setdefault(one.fingerprint, []).append(one.task)
    often = [tasks for tasks in by_print.values() if len(tasks) >= 3]
    return chain.from_iterable(often) if often else None


def _measured(story: Story) -> list[tuple[str, int]]:
    return [(one.task, one.duration_ms) for one in story.done if one.duration_ms is not None]


def _drift(story: Story) -> Evidence:
    """Six or more durations, and the median of the last third is at least twice the first's.

    A third is rounded down; the tasks of the last one show it. Where both are 0 nothing drifted.
    """
    measured = _measured(story)
    if len(measured) < 6:
        return None
    third = len(measured) // 3
    first = median(duration for _, duration in measured[:third])
    last = median(duration for _, duration in measured[-third:])
    return [task for task, _ in measured[-third:]] if last >= 2 * first and last > first else None


def _outlier(story: Story) -> Evidence:
    """Five or more measured tasks, a duration over median + 5·MAD and at least twice the median.

    MAD is the median of the absolute distances from the median, not scaled.
    """
    measured = _measured(story)
    if len({task for task, _ in measured}) < 5:
        return None
    middle = median(duration for _, duration in measured)
    spread = median(abs(duration - middle) for _, duration in measured)
    slow = [
        task
        for task, duration in measured
        if duration > middle + 5 * spread and duration >= 2 * middle
    ]
    return slow or None


def _capacity(story: Story) -> Evidence:
    """A task was turned away."""
    return (f"tasks={story.tasks}",) if story.capacity_hit else None


def _timed_out(story: Story) -> Evidence:
    """The session itself ended as timeout."""
    return (f"duration_ms={story.duration_ms}",) if story.outcome is Outcome.TIMEOUT else None


def _idle(story: Story) -> Evidence:
    """No task, or more than half of the duration without an open one."""
    if story.tasks == 0:
        return ("tasks=0",)
    if 2 * story.idle_ms > story.duration_ms:
        return f"idle_ms={story.idle_ms}", f"duration_ms={story.duration_ms}"
    return None


def _gap(story: Story) -> Evidence:
    """At least one routing by fallback."""
    return story.fallbacks or None


def _single_agent(story: Story) -> Evidence:
    """Five or more routings, and one agent got 0.8 of them; shown by the agent."""
    loads: dict[str, int] = {}
    for agent in story.routed.values():
        loads[agent] = loads.get(agent, 0) + 1
    return next(
        ((agent,) for agent, load in loads.items() if 5 * load >= 4 * len(story.routed) >= 20),
        None,
    )


def _emergence(story: Story) -> Evidence:
    """The threshold was crossed upwards."""
    return (f"crossings={story.crossings}",) if story.crossings else None


def _merged(story: Story) -> Evidence:
    """Fewer components at the end."""
    return _components(story) if story.components and _grown(story.components) < 0 else None


def _split(story: Story) -> Evidence:
    """More components at the end."""
    return _components(story) if story.components and _grown(story.components) > 0 else None


def _grown(components: tuple[int, int]) -> int:
    return components[1] - components[0]


def _components(story: Story) -> tuple[str, ...]:
    start, end = story.components or (0, 0)
    return f"start={start}", f"end={end}"


def _mismatch(story: Story) -> Evidence:
    """Declared a success but F + T > S, or declared failed with all S.

    A task counts by its last attempt: a retry that succeeded mends the failure before it.
    """
    last = {one.task: one.outcome for one in story.done}
    missed = [task for task, outcome in last.items() if outcome in _MISSED]
    succeeded = [task for task, outcome in last.items() if outcome is Outcome.SUCCESS]
    match story.outcome:
        case Outcome.SUCCESS:
            return missed if len(missed) > len(succeeded) else None
        case Outcome.FAILED:
            return succeeded if succeeded and len(succeeded) == len(last) else None
        case Outcome.TIMEOUT | Outcome.CANCELLED | None:
            return None


RULES: Final[tuple[tuple[str, Callable[[Story], Evidence]], ...]] = (
    ("high_completion_streak", _streak),
    ("mixed_outcomes", _mixed),
    ("failure_dominant", _failures_dominate),
    ("first_failure_recovered", _recovered),
    ("timeout_cluster", _timeouts),
    ("cascade_failure", _cascade),
    ("flapping", _flapping),
    ("all_cancelled", _all_cancelled),
    ("unfinished_work", _unfinished),
    ("retry_storm", _retries),
    ("repeated_error", _repeated_error),
    ("latency_drift", _drift),
    ("slow_outlier", _outlier),
    ("capacity_hit", _capacity),
    ("session_timed_out", _timed_out),
    ("idle_session", _idle),
    ("capability_gap", _gap),
    ("single_agent_load", _single_agent),
    ("emergence_crossed", _emergence),
    ("silo_merged", _merged),
    ("silo_split", _split),
    ("outcome_mismatch", _mismatch),
)
"""Every pattern: its name and the rule, which gives what shows it."""
