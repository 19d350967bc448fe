"""Law: what stands for a session is one story.

For each session, over its checkpoints in journal order:

1. The first begins it (started, forked, or its start abandoned), and none after it does.
2. Turns count 1, 2, 3, …; a rehearsal goes on counting from its parent.
3. After its end there is nothing but partings, each NPC is parted from at most once, and when all
   is quiet an ended session has parted from every NPC it met; a rehearsal from none.
4. A task ends at most once, and only after it was added.
5. A rehearsal begins with the state its parent had at the checkpoint it names.
6. Each checkpoint is what the decider makes of its command in the state before it. Where no client
   recorded the command (timers, partings, replies, steps of the supervisor) it is the one command
   that can lead to such an event.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from holodeck.actors.session import Phase, SessionState, session
from holodeck.messages.codec import unpack
from holodeck.messages.errors import RefusedError
from holodeck.messages.session import (
    NpcParted,
    SessionForked,
    TaskAdded,
    TaskCompleted,
    TurnTaken,
)
from tests.torture.checker.evidence import Evidence
from tests.torture.checker.histories import Histories, History, session_state
from tests.torture.checker.report import Finding
from tests.torture.checker.speech import candidates
from tests.torture.run import Row

LAW: Final = "one-story"
BEGINNINGS: Final = frozenset({"session.started", "session.forked", "session.start-abandoned"})


def one_story(evidence: Evidence, histories: Histories) -> Finding:
    """Every session from its beginning to its end."""
    finding = Finding(LAW, "checkpoints")
    for history in histories.of_kind("session"):
        finding.checked += len(history.rows)
        if any(row.checkpoint is None for row in history.rows):
            # What nobody can read is missing from every count; the dead letters say so.
            continue
        _begins_once(history, finding)
        _counts(history, finding)
        _forks_truly(history, histories, finding)
        _is_decided(evidence, history, finding)
    return finding


def _begins_once(history: History, finding: Finding) -> None:
    for index, row in enumerate(history.rows):
        begins = not BEGINNINGS.isdisjoint(row.kinds)
        if begins and index:
            finding.wrong(history.name, f"begins a second time: {row}")
        if not begins and not index:
            finding.wrong(history.name, f"does not begin with a beginning: {row}")


def _counts(history: History, finding: Finding) -> None:
    """Turns, tasks, partings and the end, from the events alone."""
    turns = 0
    ended: Row | None = None
    tasks: dict[str, int] = {}
    parted: Counter[str] = Counter()
    for index, row in enumerate(history.rows):
        for event in row.events:
            match event:
                case _ if ended is not None and not isinstance(event, NpcParted):
                    finding.wrong(history.name, f"{event.kind} after its end: {row}, ended {ended}")
                case SessionForked():
                    begun = history.states[index + 1]
                    turns = begun.turns
                    tasks = {t.id: int(t.outcome is not None) for t in begun.tasks.values()}
                case TurnTaken(turn=turn):
                    if turn != turns + 1:
                        finding.wrong(history.name, f"turn {turn} follows turn {turns}: {row}")
                    turns = turn
                case TaskAdded(task=task):
                    if task in tasks:
                        finding.wrong(history.name, f"task {task!r} is added again: {row}")
                    tasks[task] = 0
                case TaskCompleted(task=task):
                    tasks[task] = tasks.get(task, 2) + 1
                    if tasks[task] != 1:
                        again = "again" if tasks[task] == 2 else "without having been added"
                        finding.wrong(history.name, f"task {task!r} ends {again}: {row}")
                case NpcParted(npc=npc):
                    parted[npc] += 1
                    if parted[npc] > 1:
                        finding.wrong(history.name, f"parts from {npc} again: {row}")
                case _:
                    pass
            if event.kind == "session.ended":
                ended = row
    _all_parted(history, set(parted), finding)


def _all_parted(history: History, parted: set[str], finding: Finding) -> None:
    last: SessionState = history.states[-1]
    due = set(last.met) if last.phase is Phase.ENDED and not last.parent else set()
    if parted != due:
        finding.wrong(history.name, f"parted from {sorted(parted)}, has to be {sorted(due)}")


def _forks_truly(history: History, histories: Histories, finding: Finding) -> None:
    for row in history.rows:
        for event in row.events:
            if not isinstance(event, SessionForked):
                continue
            parent = histories.get(("session", event.parent))
            at = parent.position(event.sequence) if parent is not None else 0
            if parent is None or not at or parent.sequence(at) != event.sequence:
                finding.wrong(
                    history.name, f"{row} is forked from {event.parent} at {event.sequence}, "
                    "where nothing stands",
                )  # fmt: skip
            elif session_state(unpack(event.state)) != parent.states[at]:
                finding.wrong(history.name, f"{row} does not begin as {event.parent} was then")


def _is_decided(evidence: Evidence, history: History, finding: Finding) -> None:
    for index, row in enumerate(history.rows):
        before = history.states[index]
        intent = evidence.intent_of(row)
        found: list[str] = []
        commands = candidates(row, intent.ops if intent is not None else ())
        if intent is None and not commands:
            continue  # whoever sent it was not recorded, or nobody sent it: see acknowledged
        for command in commands:
            assert row.checkpoint is not None
            try:
                events = tuple(session.decide(before, command, row.checkpoint.at))
            except RefusedError as error:
                found.append(f"is refused: {error}")
                continue
            if events == row.events:
                break
            found.append("leads to " + ("+".join(e.kind for e in events) or "nothing"))
        else:
            why = "; ".join(found) or "no command of that id can lead to it"
            finding.wrong(
                history.name,
                f"{row} is not what its command leads to behind {history.sequence(index)} "
                f"({before.phase}): there it {why}",
            )


__all__ = ["BEGINNINGS", "LAW", "one_story"]
