"""Law: what the living say at the end is a fresh fold of the journal.

Every session, NPC, relation and learner that the journal names has said its state, and both the
state and the sequence of its last checkpoint equal what the pure deciders make of the journal.
Whoever the journal does not name is as before anything happened. What nobody can read changes no
state and may or may not have been passed by.
"""

from __future__ import annotations

from typing import Final

from tests.torture.checker.evidence import Evidence
from tests.torture.checker.histories import Histories, History, Key, difference, state_of
from tests.torture.checker.report import Finding
from tests.torture.run import Said

LAW: Final = "states"


def states(evidence: Evidence, histories: Histories) -> Finding:
    """Everyone who lives, against the journal."""
    finding = Finding(LAW, "actors")
    said: set[Key] = set()
    for item in evidence.run.said or ():
        key = _key(item)
        said.add(key)
        finding.checked += 1
        _compare(histories.of(key), item, finding)
    for history in histories:
        if history.key not in said and history.readable:
            finding.checked += 1
            finding.wrong(history.name, f"said nothing; the journal has {len(history.rows)} of it")
    return finding


def _key(item: Said) -> Key:
    return (
        (item.actor, item.id, item.learner) if item.actor == "relation" else (item.actor, item.id)
    )


def _compare(history: History, item: Said, finding: Finding) -> None:
    try:
        found = state_of(item.actor, item.state)
    except ValueError as error:
        finding.wrong(history.name, f"said what is no state: {error}")
        return
    expected, last = history.states[-1], history.sequence(len(history.rows))
    if found != expected:
        finding.wrong(history.name, f"as of {last}: {difference(expected, found)}")
    elif item.sequence not in (last, history.readable):
        finding.wrong(history.name, f"says it is at {item.sequence}, the journal is at {last}")


__all__ = ["LAW", "states"]
