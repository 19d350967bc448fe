"""Law: what was acknowledged stands exactly once, and nothing stands that nobody asked for.

1. Every ``ok`` with events names a sequence at which exactly that command of that actor stands,
   with those events. Excepted is what a declared power loss took: the answer came before the
   server served again, and its sequence lies behind what the restored store holds.
2. No command id stands twice in one actor's line, whatever was answered to it.
3. A command of which every sending was refused, or answered ``ok`` without events, does not stand.
   One that was sent several times may stand if any sending explains it; and of a refusal that is
   itself stored (the first task beyond the limit) its own checkpoint stands.
4. Every checkpoint comes from a recorded operation, from a step of a recorded order, or from the
   session itself (timers, replies of minds, partings).
"""

from __future__ import annotations

from typing import Final

from tests.torture.checker.evidence import Evidence, Intent, some
from tests.torture.checker.report import Finding, named
from tests.torture.run import Op, Row

LAW: Final = "acknowledged"


def acknowledged(evidence: Evidence) -> Finding:
    """Each acknowledged command once, unknown ones at most once, refused ones never."""
    finding = Finding(LAW, "commands")
    _none_twice(evidence, finding)
    for intent in evidence.intents:
        finding.checked += 1
        _stands_as_answered(evidence, intent, finding)
        _stands_only_if_it_may(evidence, intent, finding)
    if evidence.run.recorded:
        _none_unasked(evidence, finding)
    finding.note = _note(evidence)
    return finding


def stores(op: Op) -> bool:
    """Whether an ``ok`` says that something was stored. A fork's answer does not carry its
    checkpoint, but there is no fork that stores nothing."""
    return op.outcome == "ok" and bool(op.events or (op.what == "fork" and op.is_order))


def _none_twice(evidence: Evidence, finding: Finding) -> None:
    for (kind, identity, command), rows in evidence.stands.items():
        if len(rows) > 1 and command:
            at = some(row.sequence for row in rows)
            finding.wrong(named(kind, identity), f"{command} stands {len(rows)} times: at {at}")


def _stands_as_answered(evidence: Evidence, intent: Intent, finding: Finding) -> None:
    for op in intent.ops:
        if not stores(op):
            continue
        about = named(*op.key)
        row = evidence.row_of(op)
        if row is None:
            if evidence.loss_of(op) is not None:
                continue
            stand = f"stands at {some(r.sequence for r in intent.rows)}" if intent.rows else "lost"
            finding.wrong(about, f"acknowledged at {op.sequence}, but {stand}: {op}")
        elif op.events and row.checkpoint is not None and op.events != row.kinds:
            finding.wrong(about, f"answered {some(op.events)}, but there stands {row}: {op}")


def _stands_only_if_it_may(evidence: Evidence, intent: Intent, finding: Finding) -> None:
    for row in intent.rows:
        if not any(_may_have_stored(evidence, op, row) for op in intent.ops):
            answers = some(intent.ops, 3)
            finding.wrong(named(*row.key), f"not acknowledged, yet there stands {row}: {answers}")


def _may_have_stored(evidence: Evidence, op: Op, row: Row) -> bool:
    """An answer that a power loss took back says nothing about what a repeat did after it."""
    if op.outcome == "unknown" or is_stored_refusal(op, row):
        return True
    return stores(op) and (op.sequence == row.sequence or evidence.loss_of(op) is not None)


def is_stored_refusal(op: Op, row: Row) -> bool:
    """Whether ``op`` was refused with what stands there: the first task beyond the limit is."""
    return op.outcome == "refused" and op.reason == "task-limit" and row.kinds == ("task.refused",)


def _none_unasked(evidence: Evidence, finding: Finding) -> None:
    for row in evidence.run.journal:
        if row.place is None or evidence.own(row) or evidence.intent_of(row) is not None:
            continue
        if evidence.walk_of(row) is None:
            finding.wrong(named(*row.key), f"nobody sent what stands there: {row}")


def _note(evidence: Evidence) -> str:
    ops = [op for intent in evidence.intents for op in intent.ops]
    unknown = [op for op in ops if op.outcome == "unknown"]
    stored = sum(1 for op in unknown if any((*op.key, c) in evidence.stands for c in op.stored_as))
    gone = sum(1 for op in ops if stores(op) and _gone(evidence, op))
    parts = [f"{sum(map(stores, ops)):,} acknowledged"]
    if unknown:
        parts.append(f"{len(unknown):,} unknown, of which {stored:,} stand")
    if gone:
        parts.append(f"{gone:,} taken back by {len(evidence.losses)} declared power losses")
    return ", ".join(parts)


def _gone(evidence: Evidence, op: Op) -> bool:
    return evidence.row_of(op) is None and evidence.loss_of(op) is not None


__all__ = ["LAW", "acknowledged", "is_stored_refusal", "stores"]
