"""Law: a timer fires once, only while it is armed, and not before its time.

A timer's checkpoint has the command id ``timer.<name>.<arming sequence>`` (of a task
``timer.task-<task>.<arming sequence>``). Each such id stands at most once; in the state before it
that deadline runs and is due at the checkpoint's time; and the arming sequence is the checkpoint
that set it going. A session's time may have been armed anew (by a resume) while the timer waited
in the mailbox, an idle timer likewise: there an earlier arming of the same session is taken too.
"""

from __future__ import annotations

from typing import Final

from holodeck.actors.session import SessionState
from holodeck.actors.session.decider import (
    abandon_deadline,
    idle_deadline,
    session_deadline,
    silence_deadline,
    task_deadline,
)
from holodeck.messages.session import TimerFired
from tests.torture.checker.histories import Histories, History
from tests.torture.checker.report import Finding
from tests.torture.checker.speech import timer_of
from tests.torture.run import Row

LAW: Final = "timers"


def timers(histories: Histories) -> Finding:
    """Every timer's checkpoint."""
    finding = Finding(LAW, "timers fired")
    for history in histories.of_kind("session"):
        fired: dict[str, Row] = {}
        for index, row in enumerate(history.rows):
            timer = timer_of(row.command)
            if timer is None or row.checkpoint is None:
                continue
            finding.checked += 1
            if row.command in fired:
                finding.wrong(history.name, f"fired twice: {fired[row.command]}, then {row}")
            fired[row.command] = row
            wrong = _why_not(history, index, row.checkpoint.at, *timer)
            if wrong:
                finding.wrong(history.name, f"{row} {wrong}")
    return finding


def _why_not(history: History, index: int, at: int, timer: TimerFired, armed: int) -> str | None:
    """Why a timer may not fire behind the first ``index`` checkpoints; None if it may."""
    state: SessionState = history.states[index]
    due, arming, exact = _deadline(state, timer)
    if due is None:
        return f"fired while nothing like it was armed (the session was {state.phase})"
    if at < due:
        return f"fired {due - at} ms before its time {due}"
    known = armed == arming if exact else 0 < armed <= arming and _stands(history, armed)
    if not known:
        return f"names {armed} as what armed it; that was {arming}"
    return None


def _deadline(state: SessionState, timer: TimerFired) -> tuple[int | None, int, bool]:
    """When a timer is due, the sequence that armed it, and whether it must name just that."""
    match timer.name:
        case "session":
            return session_deadline(state), state.started_seq, False
        case "idle":
            return idle_deadline(state), state.touched, False
        case "abandon":
            return abandon_deadline(state), state.touched, False
        case "task":
            task = state.tasks.get(timer.task or "")
            return (None, 0, True) if task is None else (task_deadline(task), task.armed, True)
        case "silence":
            return silence_deadline(state), state.talk.spoke_seq if state.talk else 0, True


def _stands(history: History, sequence: int) -> bool:
    return history.sequence(history.position(sequence)) == sequence


__all__ = ["LAW", "timers"]
