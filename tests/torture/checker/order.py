"""Law: there is one order, and time, sequences and answers agree with it.

1. Sequences in the journal strictly rise.
2. The time ``at`` of an actor's checkpoints never falls.
3. The journal's order agrees with real time, over all actors: a command that was first sent after
   another one had been acknowledged stands behind it. What a power loss took is held to this among
   the answers of its own time.
4. No answer of a session goes back behind what was acknowledged: an operation sent after the
   acknowledgement of sequence n is answered with n or more. Excepted are reads as of an earlier
   checkpoint and repeats, which get their first answer again; a power loss sets n back to what the
   store then holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tests.torture.checker.acknowledged import stores
from tests.torture.checker.evidence import Evidence
from tests.torture.checker.report import Finding, named
from tests.torture.run import Loss, Op

LAW: Final = "order"


def order(evidence: Evidence) -> Finding:
    """Sequences, times and answers in one order."""
    finding = Finding(LAW, "checkpoints and answers")
    _sequences_rise(evidence, finding)
    _times_never_fall(evidence, finding)
    _journal_agrees_with_time(evidence, finding)
    for key, ops in evidence.ops.items():
        if key[0] == "session":
            _answers_never_go_back(evidence, ops, finding)
    return finding


def _sequences_rise(evidence: Evidence, finding: Finding) -> None:
    last = 0
    for row in evidence.run.journal:
        finding.checked += 1
        if row.sequence <= last:
            finding.wrong("journal", f"sequence {row.sequence} behind {last}: {row}")
        last = row.sequence


def _times_never_fall(evidence: Evidence, finding: Finding) -> None:
    for key, line in evidence.lines.items():
        latest = 0
        for row in line:
            if row.checkpoint is None:
                continue
            if row.checkpoint.at < latest:
                finding.wrong(
                    named(*key), f"time falls from {latest} to {row.checkpoint.at}: {row}"
                )
            latest = row.checkpoint.at


@dataclass(frozen=True, slots=True)
class _Ack:
    """An acknowledged sequence, stored between ``earliest`` and ``latest``."""

    sequence: int
    earliest: int
    latest: int
    op: Op


def _journal_agrees_with_time(evidence: Evidence, finding: Finding) -> None:
    by_era: dict[int, list[_Ack]] = {}
    for intent in evidence.intents:
        for op in intent.ops:
            if stores(op) and op.returned is not None:
                era = _era(evidence.losses, op)
                if era is not None:
                    ack = _Ack(op.sequence, intent.first, op.returned, op)
                    by_era.setdefault(era, []).append(ack)
    for acks in by_era.values():
        finding.checked += len(acks)
        _in_order(sorted(acks, key=lambda ack: ack.sequence), finding)


def _era(losses: list[Loss], op: Op) -> int | None:
    """How many power losses there were before an answer; None if it came during one."""
    assert op.returned is not None
    for number, loss in enumerate(losses):
        if op.returned < loss.begin:
            return number
        if op.returned <= loss.until:
            return None
    return len(losses)


def _in_order(acks: list[_Ack], finding: Finding) -> None:
    """Nobody was acknowledged before somebody further ahead in the journal was first sent."""
    latest_sent: _Ack | None = None
    for ack in acks:
        if (
            latest_sent is not None
            and latest_sent.sequence < ack.sequence
            and latest_sent.earliest > ack.latest
        ):
            finding.wrong(
                named(*ack.op.key),
                f"{ack.op} was acknowledged before the sending of what stands ahead of it: "
                f"{latest_sent.op}",
            )
        if latest_sent is None or ack.earliest > latest_sent.earliest:
            latest_sent = ack


def _answers_never_go_back(evidence: Evidence, ops: list[Op], finding: Finding) -> None:
    """Walks through invocations, answers and losses in the order of time."""
    answered = [op for op in ops if op.returned is not None and op.outcome == "ok"]
    timeline: list[tuple[int, int, Op | Loss]] = [(op.invoked, 0, op) for op in answered]
    timeline += [(op.returned or 0, 2, op) for op in answered]
    timeline += [(loss.begin, 1, loss) for loss in evidence.losses]
    seen: Op | None = None
    least = 0
    floor: dict[str, tuple[int, Op | None]] = {}
    for _, what, item in sorted(timeline, key=lambda entry: entry[:2]):
        if isinstance(item, Loss):
            kept = evidence.kept(ops[0].key, item)
            least = min(least, kept)
            floor = {name: (min(n, kept), op) for name, (n, op) in floor.items()}
        elif what == 0:
            floor[item.op] = (least, seen)
        else:
            finding.checked += 1
            asked, by = floor.pop(item.op)
            if item.sequence < asked and not _repeats_or_looks_back(evidence, item):
                finding.wrong(
                    named(*item.key), f"{item} is answered from before what was told: {by}"
                )
            if item.sequence > least and not _taken_back(evidence, item):
                least, seen = item.sequence, item


def _repeats_or_looks_back(evidence: Evidence, op: Op) -> bool:
    if op.is_read:
        return "at" in op.body and op.body["at"] is not None
    return evidence.first_sent(op) < op.invoked


def _taken_back(evidence: Evidence, op: Op) -> bool:
    """Answered while a power loss was going on, from what it took away."""
    loss = evidence.loss_of(op)
    return loss is not None and op.returned is not None and op.returned >= loss.begin


__all__ = ["LAW", "order"]
