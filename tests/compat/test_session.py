"""Sessions and tasks through the synchronous door."""

from __future__ import annotations

import os
import pickle
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from holodeck.compat import (
    DuplicateTask,
    InvalidValue,
    Session,
    SessionConfig,
    SessionManager,
    SessionOutcome,
    SessionOver,
    Task,
    TaskAlreadyEnded,
    TaskLimitReached,
    TaskOutcome,
    TaskPriority,
    TaskStillOpen,
    UnknownTask,
    open_session,
)
from holodeck.compat.background import background
from holodeck.compat.config import from_actor, to_actor
from holodeck.messages.errors import RefusedError
from holodeck.wiring import RuntimeFile
from tests.compat.support import Heard, config, events_of, run, tiles_of

pytestmark = [pytest.mark.nats, pytest.mark.usefixtures("runtime")]


def begin(**more: Any) -> Session:
    return SessionManager(config(**more)).start_session()


# --- what it says of itself ----------------------------------------


def test_a_session_says_what_it_was_started_with_and_keeps_a_list_of_its_own() -> None:
    given = config(tags=["research"])
    session = SessionManager(given).start_session()

    given.tags.append("later")

    assert (session.agent_id, session.session_name) == (given.agent_id, given.session_name)
    assert session.tags == ["research"]
    assert session.is_active
    assert session.outcome is None
    assert 0 <= session.duration_seconds < 60
    assert abs(session.started_at - time.time()) < 60


def test_five_tasks_make_one_start_and_one_end_each_in_order() -> None:
    session = begin(scout_room="gc/research/scout-reports/holodeck-session")
    for number in range(5):
        session.add_task(f"t{number}").complete()
    session.end_session()

    tiles = tiles_of(session)
    names = [tile.question[1:].partition("]")[0] for tile in tiles]
    counts = {name: names.count(name) for name in ("SESSION_START", "TASK_START", "TASK_END")}
    assert counts == {"SESSION_START": 1, "TASK_START": 5, "TASK_END": 5}
    assert (names[0], names[-1]) == ("SESSION_START", "SESSION_END")
    assert {tile.domain for tile in tiles} == {"gc/research/scout-reports/holodeck-session"}
    assert tiles[-1].answer["tasks"]["succeeded"] == 5
    assert "high_completion_streak" in session.patterns
    assert tiles[-1].answer["patterns"] == session.patterns


def test_a_task_knows_what_it_was_added_with() -> None:
    session = begin()

    task = session.add_task("t", {"query": "test"}, TaskPriority.CRITICAL, ["research"])

    assert (task.is_complete, task.is_success, task.outcome) == (False, False, None)
    assert task.data["query"] == "test"
    assert task.priority is TaskPriority.CRITICAL
    assert task.required_capabilities == ["research"]
    assert session.add_task("plain").priority is TaskPriority.NORMAL
    assert session.get_task("t") is task
    assert session.get_task("nope") is None
    assert [one.task_id for one in session.get_active_tasks()] == ["t", "plain"]
    assert [TaskPriority[name].value for name in ("LOW", "NORMAL", "HIGH", "CRITICAL")] == [
        1,
        2,
        3,
        4,
    ]


COMPLETIONS: dict[str, tuple[Callable[[Session, Task], Task], TaskOutcome, int]] = {
    "success-keyword": (lambda s, t: t.complete(success=True, duration_ms=7),
                        TaskOutcome.SUCCESS, 7),
    "no-success": (lambda s, t: t.complete(False, 7), TaskOutcome.FAILED, 7),
    "outcome-first": (lambda s, t: t.complete(TaskOutcome.CANCELLED, duration_ms=7),
                      TaskOutcome.CANCELLED, 7),
    "outcome-keyword": (lambda s, t: t.complete(outcome="failed", duration_ms=7),
                        TaskOutcome.FAILED, 7),
    "a-word": (lambda s, t: t.complete("TIMEOUT", 7), TaskOutcome.TIMEOUT, 7),
    "by-id": (lambda s, t: s.complete_task("t", TaskOutcome.SUCCESS, 7), TaskOutcome.SUCCESS, 7),
    "all-keywords": (
        lambda s, t: s.complete_task(task_id="t", outcome=TaskOutcome.FAILED, duration_ms=7),
        TaskOutcome.FAILED, 7),
    "published-order": (
        lambda s, t: s.complete_task("t", TaskOutcome.FAILED, 7, "why", {"r": 1}),
        TaskOutcome.FAILED, 7),
    "a-given-zero-stays": (lambda s, t: t.complete(duration_ms=0), TaskOutcome.SUCCESS, 0),
}  # fmt: skip


@pytest.mark.parametrize("how", COMPLETIONS)
def test_a_task_is_completed_in_every_form_of_the_readme(how: str) -> None:
    complete, outcome, duration = COMPLETIONS[how]
    session = begin()
    task = session.add_task("t")

    assert complete(session, task) is task

    assert (task.outcome, task.duration_ms) == (outcome, duration)
    assert task.is_complete
    assert task.is_success == (outcome is TaskOutcome.SUCCESS)
    assert session.get_completed_tasks() == [task]


def test_a_duration_that_is_not_given_is_measured() -> None:
    task = begin().add_task("t").complete()

    assert task.duration_ms is not None
    assert task.started_at is not None
    assert task.completed_at is not None
    assert task.duration_ms == round((task.completed_at - task.started_at) * 1000)
    assert task.duration_seconds == task.duration_ms / 1000


def test_a_task_keeps_its_result_and_its_error() -> None:
    session = begin()

    good = session.add_task("good").complete(result={"found": 5})
    bad = session.add_task("bad").complete(False, error="x" * 5000)

    assert (good.result, good.error) == ({"found": 5}, None)
    assert bad.error is not None
    assert len(bad.error) == 1000
    assert events_of(session.end_session()).count("TASK_END") == 2


def test_every_kind_of_end_is_counted_apart() -> None:
    session = begin()
    for number, outcome in enumerate(("success", "success", "failed", "cancelled", "timeout")):
        session.add_task(f"t{number}").complete(outcome)
    session.add_task("open")

    assert session.task_count == 6
    assert (session.tasks_succeeded, session.tasks_failed) == (2, 1)
    assert (session.tasks_cancelled, session.tasks_timed_out) == (1, 1)
    session.end_session("failed")
    assert session.tasks_cancelled == 2
    assert tiles_of(session)[-1].answer["tasks"] == {
        "total": 6,
        "succeeded": 2,
        "failed": 1,
        "cancelled": 2,
        "timed_out": 1,
        "open": 1,
    }


# --- what is refused ----------------------------------------


def test_a_second_task_of_one_id_is_refused_and_named() -> None:
    session = begin()
    session.add_task("x1", {"mine": 1})

    with pytest.raises(DuplicateTask, match="x1") as refused:
        session.add_task("x1")

    assert isinstance(refused.value, ValueError)
    assert session.task_order == ["x1"]
    assert session.tasks["x1"].data == {"mine": 1}


def test_the_limit_of_tasks_is_hard() -> None:
    session = begin(max_tasks=2)
    session.add_task("a")
    session.add_task("b")

    for name in ("c", "d"):
        with pytest.raises(TaskLimitReached, match="at most 2"):
            session.add_task(name)

    assert session.task_count == 2


@pytest.mark.parametrize("do", ["complete_task", "start_task"])
def test_an_unknown_task_is_refused_and_named(do: str) -> None:
    session = begin()

    with pytest.raises(UnknownTask, match="nope") as refused:
        getattr(session, do)("nope")

    assert isinstance(refused.value, KeyError)
    assert isinstance(refused.value, RefusedError)
    assert str(pickle.loads(pickle.dumps(refused.value))) == "unknown-task: nope"


def test_completing_twice_changes_nothing_and_with_another_outcome_is_refused() -> None:
    session = begin()
    task = session.add_task("t").complete(True, 5)

    task.complete(True, 99)
    with pytest.raises(TaskAlreadyEnded, match="t ended as success"):
        task.complete(False)

    assert (task.outcome, task.duration_ms) == (TaskOutcome.SUCCESS, 5)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda s: s.add_task("t", {"f": open}), "nothing JSON can say"),
        (lambda s: s.add_task(""), "task"),
        (lambda s: s.add_task("t", priority="urgent"), "no priority"),
        (lambda s: s.add_task("known").complete("maybe"), "no outcome"),
        (lambda s: s.add_task("known").complete(True, -1), "from 0 on"),
        (lambda s: s.add_task("known").complete(True, error=ValueError("x")), "as text"),
        (lambda s: s.end_session("perhaps"), "no outcome"),
    ],
    ids=["data", "no-name", "priority", "outcome", "duration", "error", "session-outcome"],
)
def test_what_cannot_be_said_is_a_value_error_that_says_why(
    call: Callable[[Session], object], words: str
) -> None:
    session = begin()

    with pytest.raises(InvalidValue, match=words) as refused:
        call(session)

    assert isinstance(refused.value, ValueError)
    assert session.is_active


@pytest.mark.parametrize(
    "wrong",
    [{"max_tasks": 0}, {"agent_id": ""}, {"tags": ["x"] * 40}, {"task_timeout_seconds": -1}],
    ids=["limit", "nobody", "tags", "timeout"],
)
def test_a_configuration_no_session_can_have_is_refused_at_the_start(wrong: dict[str, Any]) -> None:
    manager = SessionManager(config(**wrong))

    with pytest.raises(InvalidValue):
        manager.start_session()

    assert manager.active_session is None


# --- attempts ----------------------------------------


def test_a_retry_is_the_next_attempt_and_keeps_the_first_in_the_journal() -> None:
    session = begin()
    task = session.add_task("t").complete(False, 10, error="first")

    task.retry()

    assert (task.attempt, task.outcome, task.error) == (2, None, None)
    task.complete(True, 20)
    assert (task.attempt, task.duration_ms, task.is_success) == (2, 20, True)
    assert session.tasks_failed == 0
    session.end_session()
    ends = [tile for tile in tiles_of(session) if tile.question.startswith("[TASK_END]")]
    assert [(one.answer["attempt"], one.answer["outcome"]) for one in ends] == [
        (1, "failed"),
        (2, "success"),
    ]
    assert "first_failure_recovered" in session.patterns


def test_only_what_failed_or_ran_out_of_time_is_tried_again() -> None:
    session = begin()

    with pytest.raises(TaskStillOpen):
        session.add_task("open").retry()
    with pytest.raises(TaskAlreadyEnded):
        session.add_task("done").complete().retry()


# --- the end ----------------------------------------


@pytest.mark.parametrize("word", [SessionOutcome.FAILED, "failed", "FAILED"])
def test_a_session_ends_once_however_it_is_said(word: SessionOutcome | str) -> None:
    session = begin()

    session.end_session(word, error="it broke")
    session.end_session(SessionOutcome.SUCCESS)

    assert session.outcome is SessionOutcome.FAILED
    assert session.error == "it broke"
    assert session.ended_at is not None
    names = events_of(session)
    assert (names.count("SESSION_END"), names.count("SESSION_ERROR")) == (1, 1)
    assert session.h1_delta is not None
    assert session.h1_delta["change"] == session.h1_delta["end"] - session.h1_delta["start"]


def test_a_block_ends_its_session_by_how_it_is_left() -> None:
    with begin() as good:
        good.add_task("t").complete()
    bad = begin()
    with pytest.raises(ZeroDivisionError), bad:
        _ = 1 / 0

    assert good.outcome is SessionOutcome.SUCCESS
    assert (bad.outcome, bad.error) == (SessionOutcome.FAILED, "division by zero")


def test_two_sessions_of_one_agent_run_at_once() -> None:
    manager = SessionManager(config())
    first, second = manager.start_session(), manager.start_session()

    first.add_task("t")
    second.add_task("t").complete()

    assert first.session_id != second.session_id
    assert manager.sessions == [first, second]
    assert manager.get_active_session() is second
    assert manager.end_session("success") is second
    assert manager.active_session is first
    assert not first.tasks["t"].is_complete
    first.end_session("cancelled")
    assert manager.active_session is None


def test_a_task_after_the_end_goes_into_a_session_of_its_own() -> None:
    session = begin()
    session.add_task("before").complete()
    session.end_session()
    with pytest.raises(UnknownTask):
        session.complete_task("never added")
    assert session.continued is None

    late = session.add_task("after")

    assert session.continued is not None
    assert session.continued.session_id != session.session_id
    assert session.continued.tasks == {"after": late}
    assert list(session.tasks) == ["before", "after"]
    assert session.complete_task("after") is late
    assert session.tasks_succeeded == 1
    session.end_session()
    assert session.continued.outcome is SessionOutcome.SUCCESS


# --- time ----------------------------------------


def test_a_task_runs_out_of_time_by_itself() -> None:
    heard = Heard()
    session = begin(task_timeout_seconds=1, on_task_complete=heard)

    task = session.add_task("slow")

    ((told,),) = heard.wait()
    assert told is task
    assert task.outcome is TaskOutcome.TIMEOUT
    assert task.duration_ms is not None
    assert task.duration_ms >= 1000
    with pytest.raises(TaskAlreadyEnded):
        task.complete()
    session.end_session()
    assert events_of(session).count("TASK_END") == 1
    assert len(heard.calls) == 1


def test_a_session_runs_out_of_time_by_itself_and_its_open_tasks_with_it() -> None:
    ended, done = Heard(), Heard()
    session = begin(session_timeout_seconds=1, on_session_end=ended, on_task_complete=done)
    task = session.add_task("open")

    ((told, outcome),) = ended.wait()

    assert told is session
    assert outcome is SessionOutcome.TIMEOUT
    assert (session.outcome, task.outcome) == (SessionOutcome.TIMEOUT, TaskOutcome.TIMEOUT)
    assert session.tasks_timed_out == 1
    with pytest.raises(SessionOver):
        session.add_task("late")
    session.end_session("success")
    assert session.outcome is SessionOutcome.TIMEOUT
    assert (len(ended.calls), len(done.calls)) == (1, 1)
    assert events_of(session).count("SESSION_END") == 1


def test_a_passed_deadline_shows_without_any_callback() -> None:
    task = begin(task_timeout_seconds=1).add_task("slow")

    give_up = time.monotonic() + 15
    while not task.is_complete and time.monotonic() < give_up:
        time.sleep(0.02)

    assert task.outcome is TaskOutcome.TIMEOUT


# --- callbacks ----------------------------------------


def test_each_callback_comes_once_and_before_the_end_returns() -> None:
    done, ended = Heard(), Heard()
    session = begin(on_task_complete=done, on_session_end=ended)
    first = session.add_task("a").complete()
    second = session.add_task("b")

    session.end_session("success")
    session.end_session("success")

    assert done.calls == [(first,), (second,)]
    assert second.outcome is TaskOutcome.CANCELLED
    assert ended.calls == [(session, SessionOutcome.SUCCESS)]


def test_what_a_callback_raises_is_logged_and_changes_nothing() -> None:
    ended = Heard()

    def fail(_task: Task) -> None:
        raise ValueError("mine")

    session = begin(on_task_complete=fail, on_session_end=ended)
    with capture_logs() as logs:
        task = session.add_task("t").complete()
        session.end_session()

    assert [(one["event"], str(one["exc_info"])) for one in logs] == [("a callback failed", "mine")]
    assert task.is_success
    assert len(ended.calls) == 1


def test_a_callback_may_use_the_session_it_is_told_of() -> None:
    followed = Heard()

    def follow(task: Task) -> None:
        if task.task_id == "first":
            session.add_task("second").complete()
            session.end_session()
            followed(session.outcome)

    session = begin(on_task_complete=follow)
    session.add_task("first").complete()

    assert followed.wait() == [(SessionOutcome.SUCCESS,)]
    assert session.tasks["second"].is_success


# --- many threads, other programs ----------------------------------------


def test_one_session_is_used_from_many_threads() -> None:
    done = Heard()
    session = begin(max_tasks=1000, on_task_complete=done)

    def work(number: int) -> None:
        for index in range(20):
            session.add_task(f"{number}-{index}").complete()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    session.end_session()

    assert session.tasks_succeeded == 160
    assert len(done.calls) == len({task.task_id for (task,) in done.calls}) == 160


def test_another_program_opens_a_session_and_sees_all_of_it() -> None:
    mine = begin(tags=["shared"], on_task_complete=(heard := Heard()))
    mine.add_task("t", {"q": 1}, TaskPriority.HIGH).complete(False, 5, {"r": 2}, "why")
    mine.tasks["t"].retry()

    theirs = open_session(mine.session_id)
    theirs.complete_task("t", "success", 9)

    task = theirs.tasks["t"]
    assert (theirs.agent_id, theirs.tags) == (mine.agent_id, ["shared"])
    assert (task.data, task.priority, task.attempt) == ({"q": 1}, TaskPriority.HIGH, 2)
    assert len(heard.wait(2)) == 2
    assert mine.tasks["t"].is_success
    assert mine.tasks["t"].duration_ms == 9


def test_a_program_uses_the_runtime_that_runs_already(tmp_path: Path) -> None:
    found = background()
    assert found.client is not None
    RuntimeFile(os.getpid(), found.ns, found.client, found.client, "", "").write(
        tmp_path / "runtime.json"
    )
    program = """
        from holodeck.compat import SessionConfig, SessionManager
        from holodeck.compat.background import background
        session = SessionManager(SessionConfig("elsewhere", "agent")).start_session()
        session.add_task("t").complete()
        assert not background().embedded
        print(session.session_id)
    """
    done = run(program, tmp_path)

    assert (done.returncode, done.stderr) == (0, "")
    assert open_session(done.stdout.strip()).tasks["t"].is_success


def test_a_forked_process_goes_on_with_the_sessions_of_its_parent(tmp_path: Path) -> None:
    program = """
        import os, warnings
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads
        from holodeck.compat import SessionConfig, SessionManager
        session = SessionManager(SessionConfig("forked", "parent")).start_session()
        task = session.add_task("t")
        child = os.fork()
        if not child:
            session.complete_task("t", "success", 5)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        session.refresh()
        assert task.is_success and task.duration_ms == 5
        print("seen")
    """
    done = run(program, tmp_path)

    # Then it left nothing to complain about at its end either.
    assert (done.returncode, done.stdout, done.stderr) == (0, "seen\n", "")


@pytest.mark.parametrize(
    "name", ["plain", "my_agent", "with space", "a/b", "x_20y", "ñandú", "_lead", "x_zz1"]
)
def test_any_name_of_an_agent_comes_back(name: str) -> None:
    assert from_actor(to_actor(name)) == name


def test_names_of_agents_never_meet() -> None:
    names = ["x y", "x_20y", "x_5f20y", "x_5f_5f20y", "x_zz_5fa", "_a"]

    assert len({to_actor(name) for name in names}) == len(names)
    assert to_actor("oracle1") == "oracle1"


def test_an_agent_of_any_name_works() -> None:
    session = SessionManager(SessionConfig("n", "agent / número 1")).start_session()
    task = session.add_task("t")

    assert session.agent_id == task.agent_id == "agent / número 1"
    assert open_session(session.session_id).agent_id == "agent / número 1"


def test_how_long_calls_take_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    session = begin(max_tasks=500)
    took = []

    for number in range(500):
        for call in (session.add_task, session.complete_task):
            began = time.perf_counter()
            call(f"t{number}")
            took.append(1000 * (time.perf_counter() - began))

    took.sort()
    with capsys.disabled():
        sys.stdout.write(
            f"\n1000 calls on {'an embedded' if background().embedded else 'a running'} runtime:"
            f" p50 {took[500]:.2f} ms, p99 {took[990]:.2f} ms, longest {took[-1]:.2f} ms\n"
        )
    assert session.tasks_succeeded == 500
