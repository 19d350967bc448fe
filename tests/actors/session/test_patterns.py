"""Every pattern where it holds and right beside where it does; and what holds of all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holodeck.actors.session.patterns import (
    MAX_EVIDENCE,
    MAX_EVIDENCE_CHARS,
    RULES,
    Done,
    Story,
    patterns,
)
from holodeck.messages.session import AddTask, CompleteTask, End, Outcome, SessionEnded
from tests.actors.session.stories import OPEN, story

LETTERS: Final = {
    "S": Outcome.SUCCESS,
    "F": Outcome.FAILED,
    "C": Outcome.CANCELLED,
    "T": Outcome.TIMEOUT,
}
NAMES: Final = (
    "high_completion_streak",
    "mixed_outcomes",
    "failure_dominant",
    "first_failure_recovered",
    "timeout_cluster",
    "cascade_failure",
    "flapping",
    "all_cancelled",
    "unfinished_work",
    "retry_storm",
    "repeated_error",
    "latency_drift",
    "slow_outlier",
    "capacity_hit",
    "session_timed_out",
    "idle_session",
    "capability_gap",
    "single_agent_load",
    "emergence_crossed",
    "silo_merged",
    "silo_split",
    "outcome_mismatch",
)


def told(
    letters: str = "SS",
    *,
    durations: Sequence[int | None] = (),
    prints: Sequence[str] = (),
    **more: Any,
) -> Story:
    """A session whose tasks t0, t1, … ended one after the other, as the letters say.

    A dash is a task that stayed open. The session was cancelled, which claims nothing.
    """
    done = [
        Done(
            f"t{n}",
            1,
            LETTERS[letter],
            durations[n] if n < len(durations) else None,
            prints[n] if n < len(prints) else "",
        )
        for n, letter in enumerate(letters)
        if letter != "-"
    ]
    story = Story(
        done=done,
        tasks=len(letters),
        open=[f"t{n}" for n, letter in enumerate(letters) if letter == "-"],
        attempts={f"t{n}": 1 for n in range(len(letters))},
        routed={},
        fallbacks=(),
        capacity_hit=False,
        outcome=Outcome.CANCELLED,
        duration_ms=1000,
        idle_ms=0,
        crossings=0,
        components=None,
    )
    return replace(story, **more)


def of_one_task(letters: str, durations: Sequence[int] = (), **more: Any) -> Story:
    """One task, tried again until it was left as it is."""
    story = told(letters, durations=durations)
    done = [replace(one, task="t0", attempt=n + 1) for n, one in enumerate(story.done)]
    return replace(story, done=done, tasks=1, attempts={"t0": len(done)}, **more)


def names(story: Story) -> list[str]:
    return [pattern.name for pattern in patterns(story)]


def evidence(story: Story, name: str) -> tuple[str, ...]:
    (shown,) = [pattern.evidence for pattern in patterns(story) if pattern.name == name]
    return shown


def routed(*agents: str) -> dict[str, str]:
    return {f"t{n}": agent for n, agent in enumerate(agents)}


HOLDS: Final[list[tuple[str, Story, tuple[str, ...]]]] = [
    ("high_completion_streak", told("SSS"), ("t0", "t1", "t2")),
    ("high_completion_streak", told("FSSSS"), ("t1", "t2", "t3", "t4")),
    ("high_completion_streak", told("SSSS-"), ("t0", "t1", "t2", "t3")),
    ("high_completion_streak", told("SSSFS"), ("t0", "t1", "t2")),
    ("mixed_outcomes", told("SF"), ("t1",)),
    ("failure_dominant", told("SFT"), ("t1", "t2")),
    ("failure_dominant", told("T"), ("t0",)),
    ("first_failure_recovered", told("SFCS"), ("t1", "t3")),
    ("first_failure_recovered", told("TS"), ("t0", "t1")),
    ("first_failure_recovered", of_one_task("FS"), ("t0",)),
    ("timeout_cluster", told("TST"), ("t0", "t2")),
    ("cascade_failure", told("SFTFS"), ("t1", "t2", "t3")),
    ("cascade_failure", of_one_task("FFF"), ("t0",)),
    ("flapping", told("SFSFSS"), ("t1", "t2", "t3", "t4")),
    ("flapping", told("SCFSTSS"), ("t2", "t3", "t4", "t5")),
    ("all_cancelled", told("C"), ("t0",)),
    ("all_cancelled", told("CC-"), ("t0", "t1")),
    ("unfinished_work", told("S-S-"), ("t1", "t3")),
    ("retry_storm", told("SS", attempts={"t0": 2, "t1": 3}), ("t1",)),
    ("repeated_error", told("FFFS", prints=("a", "a", "a")), ("t0", "t1", "t2")),
    ("repeated_error", told("FTFS", prints=("a", "b", "a", "a")), ("t0", "t2", "t3")),
    ("latency_drift", told("SSSSSS", durations=(10, 10, 1, 1, 20, 20)), ("t4", "t5")),
    ("latency_drift", told("SSSSSS", durations=(0, 0, 1, 1, 1, 1)), ("t4", "t5")),
    ("slow_outlier", told("SSSSS", durations=(9, 10, 10, 11, 20)), ("t4",)),
    ("slow_outlier", told("SSSSS", durations=(8, 9, 10, 11, 21)), ("t4",)),
    ("capacity_hit", told("SS", capacity_hit=True), ("tasks=2",)),
    ("session_timed_out", told("SS", outcome=Outcome.TIMEOUT), ("duration_ms=1000",)),
    ("idle_session", told(""), ("tasks=0",)),
    ("idle_session", told("SS", idle_ms=501), ("idle_ms=501", "duration_ms=1000")),
    ("capability_gap", told("SS", fallbacks=["t1"]), ("t1",)),
    ("single_agent_load", told("SS", routed=routed("b", "a", "a", "a", "a")), ("a",)),
    ("emergence_crossed", told("SS", crossings=1), ("crossings=1",)),
    ("silo_merged", told("SS", components=(3, 2)), ("start=3", "end=2")),
    ("silo_split", told("SS", components=(2, 3)), ("start=2", "end=3")),
    ("outcome_mismatch", told("SFT", outcome=Outcome.SUCCESS), ("t1", "t2")),
    ("outcome_mismatch", told("SS", outcome=Outcome.FAILED), ("t0", "t1")),
    ("outcome_mismatch", of_one_task("FS", outcome=Outcome.FAILED), ("t0",)),
]

FAILS: Final[list[tuple[str, Story]]] = [
    ("high_completion_streak", told("SS")),
    ("high_completion_streak", told("SSS-")),
    ("high_completion_streak", told("SSCSS")),
    ("high_completion_streak", told("SSSFF")),
    ("mixed_outcomes", told("SSTC")),
    ("mixed_outcomes", told("FF")),
    ("failure_dominant", told("SF")),
    ("failure_dominant", told("CC-")),
    ("first_failure_recovered", told("SSF")),
    ("first_failure_recovered", told("CS")),
    ("first_failure_recovered", told("F-")),
    ("timeout_cluster", told("TF")),
    ("cascade_failure", told("FFSTT")),
    ("cascade_failure", told("FFCF")),
    ("flapping", told("SFSFS")),
    ("flapping", told("SFSFFF")),
    ("flapping", told("SFSFSC")),
    ("all_cancelled", told("CS")),
    ("all_cancelled", told("")),
    ("all_cancelled", told("--")),
    ("unfinished_work", told("SC")),
    ("unfinished_work", told("S-", outcome=None)),
    ("retry_storm", told("SS", attempts={"t0": 2, "t1": 2})),
    ("repeated_error", told("FFF", prints=("a", "b", "a"))),
    ("repeated_error", told("FFF")),
    ("latency_drift", told("SSSSSS", durations=(10, 10, 1, 1, 19, 20))),
    ("latency_drift", told("SSSSS", durations=(1, 1, 1, 9, 9))),
    ("latency_drift", told("SSSSSS", durations=(0, 0, 0, 0, 0, 0))),
    ("slow_outlier", told("SSSS", durations=(10, 10, 10, 90))),
    ("slow_outlier", told("SSSSS", durations=(8, 9, 13, 14, 33))),
    ("slow_outlier", told("SSSSS", durations=(10, 10, 10, 10, 19))),
    ("slow_outlier", of_one_task("FFFFS", durations=(1, 1, 1, 1, 9))),
    ("capacity_hit", told("SS")),
    ("session_timed_out", told("TT", outcome=Outcome.FAILED)),
    ("session_timed_out", told("TT", outcome=None)),
    ("idle_session", told("SS", idle_ms=500)),
    ("idle_session", told("-", duration_ms=0)),
    ("capability_gap", told("SS", routed=routed("a", "b"))),
    ("single_agent_load", told("SS", routed=routed("a", "a", "a", "a"))),
    ("single_agent_load", told("SS", routed=routed("b", "b", "a", "a", "a", "a", "a"))),
    ("emergence_crossed", told("SS")),
    ("silo_merged", told("SS", components=(2, 2))),
    ("silo_merged", told("SS")),
    ("silo_split", told("SS", components=(2, 2))),
    ("silo_split", told("SS", components=(2, 1))),
    ("outcome_mismatch", told("SF", outcome=Outcome.SUCCESS)),
    ("outcome_mismatch", told("SF", outcome=Outcome.FAILED)),
    ("outcome_mismatch", told("-", outcome=Outcome.FAILED)),
    ("outcome_mismatch", told("FFF")),
    ("outcome_mismatch", of_one_task("FFS", outcome=Outcome.SUCCESS)),
]


@pytest.mark.parametrize(("name", "story", "shown"), HOLDS)
def test_a_pattern_is_named_with_what_shows_it(
    name: str, story: Story, shown: tuple[str, ...]
) -> None:
    assert evidence(story, name) == shown


@pytest.mark.parametrize(("name", "story"), FAILS)
def test_a_pattern_right_beside_its_bound_is_not_named(name: str, story: Story) -> None:
    assert name not in names(story)


def test_every_pattern_is_tried_on_both_sides() -> None:
    assert tuple(name for name, _ in RULES) == NAMES
    assert {name for name, *_ in HOLDS} == {name for name, _ in FAILS} == set(NAMES)


def test_a_session_can_show_many_patterns_in_the_order_of_the_list() -> None:
    story = told(
        "FTFTSSSSSS-",
        prints="aaab",
        durations=(1, 1, 1, 1, 1, 1, 1, 9, 9, 9),
        attempts={"t0": 3},
        routed=routed("a", "a", "a", "a", "a"),
        fallbacks=["t2"],
        capacity_hit=True,
        outcome=Outcome.TIMEOUT,
        idle_ms=900,
        crossings=2,
        components=(4, 1),
    )
    assert names(story) == [
        "mixed_outcomes",
        "first_failure_recovered",
        "timeout_cluster",
        "cascade_failure",
        "unfinished_work",
        "retry_storm",
        "repeated_error",
        "latency_drift",
        "slow_outlier",
        "capacity_hit",
        "session_timed_out",
        "idle_session",
        "capability_gap",
        "single_agent_load",
        "emergence_crossed",
        "silo_merged",
    ]


def test_an_uneventful_session_shows_nothing() -> None:
    assert patterns(told("SS", outcome=Outcome.SUCCESS)) == ()


def test_two_errors_that_repeat_are_both_shown() -> None:
    story = told("FFFFFF", prints="abbaab")
    assert evidence(story, "repeated_error") == ("t0", "t3", "t4", "t1", "t2", "t5")


def test_evidence_has_a_bound_however_long_the_session_was() -> None:
    short = evidence(told("S" * 100), "high_completion_streak")
    assert short == tuple(f"t{n}" for n in range(MAX_EVIDENCE))
    story = told("S" * 100)
    wide = [replace(one, task=f"{n:0>128}") for n, one in enumerate(story.done)]
    long = evidence(replace(story, done=wide), "high_completion_streak")
    assert len(long) == MAX_EVIDENCE_CHARS // 128


TIMED: Final = ("latency_drift", "slow_outlier")
"""Tasks that begin together and end one after the other take longer and longer."""


@pytest.mark.parametrize("letters", ["", "SS", "FSSSS", "F-S", "TTS", "CC", "SFSFSF", "SCFSTSS--"])
def test_the_end_of_a_session_tells_its_patterns(letters: str) -> None:
    ids = [f"t{n}" for n in range(len(letters))]
    session = story(OPEN, *(AddTask(task=task, start=True) for task in ids))
    for task, letter in zip(ids, letters, strict=True):
        if letter != "-":
            session.tell(CompleteTask(task=task, outcome=LETTERS[letter]), after_s=1)
    (ended,) = (
        event
        for event in session.tell(End(outcome=Outcome.CANCELLED)).events
        if isinstance(event, SessionEnded)
    )
    assert [pattern.name for pattern in ended.patterns if pattern.name not in TIMED] == names(
        told(letters)
    )


# --- what holds of all ----------------------------------------

MILLIS = st.none() | st.integers(0, 10_000)


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """Any session: up to 12 tasks with up to four attempts each."""
    ids = [f"task {n}" for n in range(draw(st.integers(0, 12)))]
    attempts = {task: draw(st.integers(1, 4)) for task in ids}
    queue = draw(st.permutations([task for task in ids for _ in range(attempts[task])]))
    seen: dict[str, int] = {}
    done = []
    for task in queue:
        seen[task] = seen.get(task, 0) + 1
        outcome = draw(st.sampled_from(list(Outcome)))
        fingerprint = draw(st.sampled_from(["", "e1", "e2"]))
        done.append(Done(task, seen[task], outcome, draw(MILLIS), fingerprint))
    left = draw(st.integers(0, len(done)))
    ended = {one.task for one in done[:left] if one.attempt == attempts[one.task]}
    agents = st.sampled_from(["ana", "bo"])
    duration = draw(st.integers(0, 100_000))
    subsets = st.lists(st.sampled_from(ids), unique=True) if ids else st.just([])
    return Story(
        done=done[:left],
        tasks=len(ids),
        open=[task for task in ids if task not in ended],
        attempts=attempts,
        routed={task: draw(agents) for task in draw(subsets)},
        fallbacks=draw(subsets),
        capacity_hit=draw(st.booleans()),
        outcome=draw(st.none() | st.sampled_from(list(Outcome))),
        duration_ms=duration,
        idle_ms=draw(st.integers(0, duration)),
        crossings=draw(st.integers(0, 3)),
        components=draw(st.none() | st.tuples(st.integers(0, 5), st.integers(0, 5))),
    )


def renamed(story: Story, name: Mapping[str, str]) -> Story:
    return replace(
        story,
        done=[
            replace(one, task=name[one.task], fingerprint=one.fingerprint and "p" + one.fingerprint)
            for one in story.done
        ],
        open=[name[task] for task in story.open],
        attempts={name[task]: attempt for task, attempt in story.attempts.items()},
        routed={name[task]: name[agent] for task, agent in story.routed.items()},
        fallbacks=[name[task] for task in story.fallbacks],
    )


@given(stories())
def test_patterns_come_in_the_order_of_the_list_and_each_once(story: Story) -> None:
    places = [NAMES.index(name) for name in names(story)]
    assert all(before < after for before, after in pairwise(places))


@given(stories())
def test_evidence_is_ids_of_the_story_each_once_or_facts(story: Story) -> None:
    ids = set(story.attempts) | set(story.routed.values())
    for pattern in patterns(story):
        assert 0 < len(pattern.evidence) <= MAX_EVIDENCE
        assert len(set(pattern.evidence)) == len(pattern.evidence)
        assert all(one in ids or "=" in one for one in pattern.evidence)


@given(stories())
def test_other_names_make_the_same_patterns(story: Story) -> None:
    # The new names sort the other way round.
    ids = [*story.attempts, "ana", "bo"]
    name = {old: f"x{len(ids) - n:02d}" for n, old in enumerate(ids)}
    expected = [
        (pattern.name, tuple(name.get(one, one) for one in pattern.evidence))
        for pattern in patterns(story)
    ]
    assert [(p.name, p.evidence) for p in patterns(renamed(story, name))] == expected


@given(stories())
def test_a_story_told_again_makes_the_same_patterns(story: Story) -> None:
    again = replace(
        story,
        attempts=dict(list(story.attempts.items())[::-1]),
        routed=dict(list(story.routed.items())[::-1]),
    )
    assert names(again) == names(story)
    assert patterns(replace(story, done=tuple(story.done))) == patterns(story)
