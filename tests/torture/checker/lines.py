"""Law: each actor has one line of history, and whoever wrote it had the right to.

The incarnations that wrote an actor's checkpoints (header ``Holodeck-Writer``), neighbours merged,
came in an order in which the partition table gave them the actor's partition: nobody writes whose
partition it never was, and nobody comes back after another unless it was given the partition again
in between. And nobody writes a command that was first sent when it had already lost the partition
for good. Where nobody listened to the table, nobody comes back at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from holodeck.messages.ids import partition_of
from tests.torture.checker.evidence import Evidence, some
from tests.torture.checker.report import Finding, named
from tests.torture.run import Row, TableVersion

LAW: Final = "one-line"


@dataclass(frozen=True, slots=True)
class Stretch:
    """Neighbouring checkpoints of one writer.

    Attributes:
        first, last: sequences.
    """

    writer: str
    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.writer} {self.first}..{self.last}"


def one_line(evidence: Evidence) -> Finding:
    """Every writer in its turn."""
    finding = Finding(LAW, "histories")
    tables = evidence.run.tables
    owners = None if tables is None else owners_of(tables, evidence.run.settings.partitions)
    lost = [] if tables is None else lost_by(tables, evidence.run.settings.partitions)
    moved = 0
    for (kind, identity), line in evidence.lines.items():
        finding.checked += 1
        written = stretches(line)
        moved += len(written) > 1
        wrong = (
            first_to_return(written)
            if owners is None
            else first_out_of_turn(written, owners[partition_of(identity, len(owners))])
        )
        if wrong is not None:
            finding.wrong(named(kind, identity), f"{wrong}; written by {some(written, 12)}")
        if tables is not None and owners is not None:
            _in_time(evidence, line, lost[partition_of(identity, len(owners))], finding)
    finding.note = f"{moved:,} went on under another incarnation"
    return finding


def stretches(line: Sequence[Row]) -> list[Stretch]:
    """Who wrote a line, neighbours merged; rows that name no writer are passed over."""
    found: list[Stretch] = []
    for row in line:
        if not row.writer:
            continue
        if found and found[-1].writer == row.writer:
            found[-1] = Stretch(row.writer, found[-1].first, row.sequence)
        else:
            found.append(Stretch(row.writer, row.sequence, row.sequence))
    return found


def owners_of(tables: Sequence[TableVersion], partitions: int) -> list[list[str]]:
    """By partition, who was given it one after the other, as the table was seen."""
    lines: list[list[str]] = [[] for _ in range(partitions)]
    for table in sorted(tables, key=lambda table: table.t):
        for line, owner in zip(lines, table.owners, strict=True):
            if owner and (not line or line[-1] != owner):
                line.append(owner)
    return lines


def lost_by(tables: Sequence[TableVersion], partitions: int) -> list[dict[str, int]]:
    """By partition, when each owner was seen to have lost it; who has it now is not among them."""
    lost: list[dict[str, int]] = [{} for _ in range(partitions)]
    holds = [""] * partitions
    for table in sorted(tables, key=lambda table: table.t):
        for partition, owner in enumerate(table.owners):
            if holds[partition] not in ("", owner):
                lost[partition][holds[partition]] = table.t
            lost[partition].pop(owner, None)
            holds[partition] = owner
    return lost


def _in_time(
    evidence: Evidence, line: Sequence[Row], lost: Mapping[str, int], finding: Finding
) -> None:
    """Every command was first sent while its writer could still have it to write."""
    for row in line:
        since = lost.get(row.writer)
        sent = evidence.earliest(row)
        if since is not None and sent > since:
            finding.wrong(
                named(*row.key),
                f"{row} was first sent at {sent}, when {row.writer}, who wrote it, had lost the "
                f"partition at {since}",
            )


def first_to_return(written: Sequence[Stretch]) -> str | None:
    """Who wrote again after somebody else, as text; None if nobody did."""
    known: set[str] = set()
    for stretch in written:
        if stretch.writer in known:
            return f"{stretch.writer} came back at {stretch.first}"
        known.add(stretch.writer)
    return None


def first_out_of_turn(written: Sequence[Stretch], owners: Sequence[str]) -> str | None:
    """Who wrote although it was not its turn, as text; None if the writers came in the order in
    which they were given the partition. Not every owner has to have written."""
    turn = 0
    for stretch in written:
        try:
            turn = owners.index(stretch.writer, turn)
        except ValueError:
            given = some(owners, 12) or "nobody"
            if stretch.writer in owners:
                return f"{stretch.writer} came back at {stretch.first}, out of turn ({given})"
            return f"{stretch.writer} wrote at {stretch.first} and never owned it ({given})"
    return None


__all__ = ["LAW", "Stretch", "first_out_of_turn", "first_to_return", "lost_by", "one_line",
           "owners_of", "stretches"]  # fmt: skip
