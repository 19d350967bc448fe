"""Laws: each event is one tile, in order; and nothing is dead that nobody killed.

``tiles``: TILES holds exactly one tile for each event of each readable checkpoint, in the order of
the journal (header ``Holodeck-Origin``: ``<sequence>.<n>``), and each is the very tile that the
checkpoint makes: under its subject, with its id and its content.

``dead``: DEAD holds nothing but what was put in on purpose: a command that a client was refused as
unreadable, a journal record that nobody can read and that the nemesis says it wrote, and what the
nemesis declares by subject (detail ``dead``: a list of subjects of dead letters or of what died).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from holodeck.actors.tiles.dead import HEADER_ORIGIN_SEQUENCE, HEADER_ORIGIN_SUBJECT
from holodeck.actors.tiles.tile import decode_tile, tile_fronts, tiles_of
from holodeck.messages.errors import DecodeError
from holodeck.messages.tiles import HEADER_ORIGIN, HEADER_TILE
from tests.torture.checker.evidence import Evidence, some
from tests.torture.checker.report import Finding
from tests.torture.run import Op, Row, Stored

TILES: Final = "tiles"
DEAD: Final = "dead"
HEADER_SUBJECT: Final = "Holodeck-Subject"
"""Where a host writes which subject an unreadable command came on."""
UNREADABLE: Final = frozenset(
    {"undecodable", "future-schema", "too-large", "invalid-id", "contract", "settings"}
)
"""What a client is told of a message that was wrong in itself."""


@dataclass(frozen=True, slots=True)
class Due:
    """A tile that there has to be.

    Attributes:
        origin: ``<sequence>.<n>`` of its event; data: one line of JSON.
    """

    origin: str
    id: str
    subject: str
    data: bytes


def due_tiles(journal: Iterable[Row], ns: str) -> Iterator[Due]:
    """What the readable checkpoints of a journal have to become, in order."""
    fronts = tile_fronts(ns)
    for row in journal:
        if row.place is None or row.checkpoint is None:
            continue
        try:
            made = tiles_of(row.place, row.sequence, row.checkpoint)
        except DecodeError:
            continue  # its time lies behind the year 9999: a dead letter, told below
        identity = row.place.identity
        for n, (event, data) in enumerate(zip(row.events, made, strict=True)):
            origin = f"{row.sequence}.{n}"
            yield Due(origin, f"{identity}.{origin}", fronts[event.kind] + identity, data)


def tiles(evidence: Evidence) -> Finding:
    """TILES against the journal."""
    finding = Finding(TILES, "tiles")
    run = evidence.run
    wanted = {due.origin: due for due in due_tiles(run.journal, run.settings.ns)}
    stored = run.tiles or ()
    found = [tile.headers.get(HEADER_ORIGIN, "") for tile in stored]
    finding.checked = max(len(wanted), len(found))
    if found != list(wanted):
        _tell_apart(list(wanted), found, finding)
    for tile, origin in zip(stored, found, strict=True):
        if origin in wanted:
            _same(tile, wanted[origin], finding)
    return finding


def _tell_apart(wanted: list[str], found: list[str], finding: Finding) -> None:
    there, due = Counter(found), Counter(wanted)
    missing = [origin for origin in wanted if origin not in there]
    doubled = [origin for origin, count in there.items() if count > 1 and origin in due]
    foreign = [origin or "without origin" for origin in found if origin not in due]
    for word, origins in (("missing", missing), ("doubled", doubled), ("foreign", foreign)):
        if origins:
            finding.wrong("TILES", f"{len(origins):,} {word}: {some(origins)}")
    first: dict[str, int] = {}
    for place, origin in enumerate(found):
        first.setdefault(origin, place)
    places = [first[origin] for origin in wanted if origin in first]
    for before, after, origin in zip(
        places, places[1:], [o for o in wanted if o in first][1:], strict=False
    ):
        if after < before:
            finding.wrong("TILES", f"out of order: {origin} stands before {found[before]}")
            break


def _same(stored: Stored, due: Due, finding: Finding) -> None:
    about = f"TILES {stored.sequence}"
    if stored.subject != due.subject:
        finding.wrong(about, f"on {stored.subject}, belongs on {due.subject}")
    if stored.headers.get(HEADER_TILE) != due.id:
        finding.wrong(about, f"headed {stored.headers.get(HEADER_TILE)}, is {due.id}")
    if stored.data != due.data and not _same_but_for_room(stored, due):
        finding.wrong(about, f"says {stored.data[:300]!r}, has to be {due.data[:300]!r}")


def _same_but_for_room(stored: Stored, due: Due) -> bool:
    """Which room a deployment's tiles belong to is no business of the journal."""
    try:
        found = decode_tile(stored.data, stored.subject)
    except DecodeError:
        return False
    return found == decode_tile(due.data, due.subject).model_copy(update={"domain": found.domain})


def dead(evidence: Evidence) -> Finding:
    """DEAD against what was done on purpose."""
    finding = Finding(DEAD, "dead letters")
    declared = _declared(evidence)
    junk = {op.key for op in evidence.run.ops if _may_be_junk(op)}
    for letter in evidence.run.dead or ():
        finding.checked += 1
        origin = letter.headers.get(HEADER_ORIGIN_SUBJECT) or letter.headers.get(HEADER_SUBJECT, "")
        if letter.subject in declared or origin in declared:
            continue
        tokens = origin.split(".")
        if letter.subject.split(".")[2:3] == ["COMMANDS"] and tuple(tokens[3:5]) in junk:
            continue
        finding.wrong(
            letter.subject,
            f"dead letter {letter.sequence} of {origin or 'nobody knows what'} "
            f"{letter.headers.get(HEADER_ORIGIN_SEQUENCE, '')}: {dict(letter.headers)}",
        )
    for row in evidence.run.journal:
        if row.checkpoint is None and row.subject not in declared:
            finding.wrong("journal", f"nobody can read {row.sequence} on {row.subject}")
    return finding


def _declared(evidence: Evidence) -> set[str]:
    return {
        str(subject) for fault in evidence.run.faults for subject in fault.detail.get("dead", ())
    }


def _may_be_junk(op: Op) -> bool:
    """Refused as unreadable, or junk that nobody answered."""
    if op.outcome == "refused":
        return op.reason in UNREADABLE
    return op.outcome == "unknown" and op.what == "junk"


__all__ = ["DEAD", "TILES", "UNREADABLE", "Due", "dead", "due_tiles", "tiles"]
