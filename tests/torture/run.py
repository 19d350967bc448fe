"""What is left of a torture run: who asked for what, who did what to the world, what stands.

One law: everything here is data. Times are CLOCK_BOOTTIME in nanoseconds, one clock for all
processes; sequences are those of the journal. A run is read from its folder by :func:`load`, or
built in memory by whoever has a live stage.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal

import msgpack

from holodeck.actors.supervisor import step
from holodeck.messages.codec import decode_checkpoint
from holodeck.messages.envelope import HEADER_COMMAND, HEADER_WRITER, Checkpoint
from holodeck.messages.errors import DecodeError
from holodeck.messages.subjects import Place, place_of

Outcome = Literal["ok", "refused", "unknown"]
ActorKey = tuple[str, str]
"""Kind and id of an actor that writes."""
ORDERS: Final = {
    "start": ("start",),
    "resume": ("resume",),
    "fork": ("fork",),
    "switch": ("start", "resume"),
}
"""What is ordered from the supervisor, and the steps of its walk that write to the session."""
READS: Final = frozenset({"read", "read-state", "await-reply", "replay"})
"""What only looks."""


class BadRun(Exception):
    """The folder does not hold what it has to; the text names file and line."""


@dataclass(frozen=True, slots=True)
class Settings:
    """``run.json``.

    Attributes:
        seconds: how long the load lasted; lease_s: how long a host's lease holds, seconds.
        mutant: the planted fault, None for the product as it is.
    """

    seed: int = 0
    seconds: float = 0.0
    partitions: int = 64
    ns: str = "holodeck"
    lease_s: float = 2.0
    mutant: str | None = None
    plan: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Op:
    """One thing a client asked for, and what it was told.

    Attributes:
        op: its name in the history; where: file and line of its invocation.
        what: the command's kind, a key of :data:`ORDERS`, or one of :data:`READS`.
        command: the command's id; of an order, the order's id.
        returned: None where the outcome is unknown: it may take effect at any time, or never.
        sequence: that was answered; events: kinds of the stored checkpoint, empty if nothing
            changed. Both only of an ``ok``.
        reason: the stable word of a refusal, without its detail.
        state: what a read returned, plain or as the actor's own dataclass.
    """

    op: str
    actor: str
    id: str
    what: str
    command: str
    body: Mapping[str, Any]
    invoked: int
    outcome: Outcome = "unknown"
    returned: int | None = None
    sequence: int = 0
    events: tuple[str, ...] = ()
    reason: str = ""
    state: Any = None
    where: str = ""

    @property
    def key(self) -> ActorKey:
        """The actor it is about; of an order, the session that is started, resumed or forked."""
        if self.is_order and "session" in self.body:
            return "session", str(self.body["session"])
        return self.actor, self.id

    @property
    def is_read(self) -> bool:
        return self.what in READS

    @property
    def is_order(self) -> bool:
        """Whether the supervisor was asked, which then walks by ids of its own.

        A command sent to the session itself has a body that says its kind; an order's does not.
        """
        return self.what == "switch" or (self.what in ORDERS and "kind" not in self.body)

    @property
    def stored_as(self) -> tuple[str, ...]:
        """The ids its checkpoint may stand under in the session it is about."""
        steps = ORDERS.get(self.what, ())
        return (*(step(self.command, name) for name in steps), self.command)

    def __str__(self) -> str:
        told = "" if self.returned is None else f"..{self.returned}"
        answer = {"ok": f"ok {self.sequence}", "refused": self.reason}.get(self.outcome, "unknown")
        return (
            f"{self.op} {self.what} {self.actor}.{self.id} ({self.command}) "
            f"at {self.invoked}{told}: {answer}" + (f" [{self.where}]" if self.where else "")
        )


@dataclass(frozen=True, slots=True)
class Fault:
    """One line of ``nemesis.jsonl``."""

    t: int
    phase: Literal["begin", "end"]
    fault: str
    target: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Loss:
    """A power loss: the store came back as it was at an earlier moment.

    Attributes:
        begin: the server was killed not before this; until: it served again not after this.
        end: last journal sequence the restored store holds.
        copied: when that store was copied; 0 if nobody said. What was acknowledged before it has
            to be in the copy.
    """

    begin: int
    until: int
    end: int
    copied: int = 0


@dataclass(frozen=True, slots=True)
class TableVersion:
    """The partition table as it was seen at ``t``; empty text where nobody owns."""

    t: int
    epoch: int
    owners: tuple[str, ...]
    server: str = ""
    end: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """One record of the journal.

    Attributes:
        place: None if its subject is no checkpoint's.
        checkpoint: None if nobody can read it.
    """

    sequence: int
    subject: str
    data: bytes
    headers: Mapping[str, str]
    place: Place | None
    checkpoint: Checkpoint | None

    @staticmethod
    def of(sequence: int, subject: str, data: bytes, headers: Mapping[str, str]) -> Row:
        place = place_of(subject)
        checkpoint: Checkpoint | None = None
        if place is not None:
            try:
                checkpoint = decode_checkpoint(data, subject)
            except DecodeError:
                checkpoint = None
        return Row(sequence, subject, data, headers, place, checkpoint)

    @property
    def command(self) -> str:
        return self.headers.get(HEADER_COMMAND, "")

    @property
    def writer(self) -> str:
        """Incarnation of the host that wrote it."""
        return self.headers.get(HEADER_WRITER, "")

    @property
    def key(self) -> ActorKey:
        """The actor that wrote it; two empty texts where the subject does not say."""
        return (self.place.kind, self.place.identity) if self.place else ("", "")

    @property
    def events(self) -> tuple[Any, ...]:
        return self.checkpoint.events if self.checkpoint else ()

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(event.kind for event in self.events)

    def __str__(self) -> str:
        kind, identity = self.key
        return f"{self.sequence} {kind}.{identity} {'+'.join(self.kinds)} ({self.command})"


@dataclass(frozen=True, slots=True)
class Stored:
    """One record of another stream: TILES or DEAD."""

    sequence: int
    subject: str
    data: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Said:
    """What a living actor said at the end.

    Attributes:
        learner: of a relation, the learner it is with.
        state: plain, or as the actor's own dataclass.
    """

    actor: Literal["session", "npc", "relation", "learner"]
    id: str
    sequence: int
    state: Any
    learner: str = ""


@dataclass(slots=True)
class Run:
    """A whole run.

    Attributes:
        recorded: whether ``ops`` has everything anybody ever sent; then what stands in the
            journal has to come from there.
        tables: None if nobody listened: then no writer may come back to an actor.
        tiles, dead, said: None if nobody looked; the laws about them are then not applied.
    """

    settings: Settings = field(default_factory=Settings)
    ops: Sequence[Op] = ()
    faults: Sequence[Fault] = ()
    tables: Sequence[TableVersion] | None = None
    journal: Sequence[Row] = ()
    tiles: Sequence[Stored] | None = None
    dead: Sequence[Stored] | None = None
    said: Sequence[Said] | None = None
    recorded: bool = True

    def losses(self) -> list[Loss]:
        """The power losses in the order of time.

        Raises:
            BadRun: one has no end or does not say what the store held.
        """
        return list(_losses(self.faults))

    def by_writer(self) -> dict[ActorKey, list[Row]]:
        """The journal by the actor that wrote, each in journal order."""
        lines: dict[ActorKey, list[Row]] = {}
        for row in self.journal:
            if row.place is not None:
                lines.setdefault(row.key, []).append(row)
        return lines

    def by_actor(self) -> dict[ActorKey, list[Op]]:
        """What was asked of each actor, in the order of asking."""
        asked: dict[ActorKey, list[Op]] = {}
        for op in sorted(self.ops, key=lambda op: op.invoked):
            asked.setdefault(op.key, []).append(op)
        return asked


def _losses(faults: Iterable[Fault]) -> Iterator[Loss]:
    begun: Fault | None = None
    for fault in sorted(faults, key=lambda fault: fault.t):
        if fault.fault != "power-loss":
            continue
        if fault.phase == "begin":
            begun = fault
            continue
        detail = {**(begun.detail if begun else {}), **fault.detail}
        if begun is None or "end" not in detail:
            raise BadRun(f"nemesis.jsonl: power-loss at {fault.t} without its begin or `end`")
        yield Loss(begun.t, fault.t, int(detail["end"]), int(detail.get("t_copy", 0)))
        begun = None
    if begun is not None:
        raise BadRun(f"nemesis.jsonl: the power-loss at {begun.t} never ended")


# --- reading a folder ----------------------------------------


def load(folder: Path | str) -> Run:
    """The run in ``folder``.

    Raises:
        BadRun: a file is missing or a line cannot be understood. The last line of a history may
            be cut off: its client was killed while writing it.
    """
    home = Path(folder)
    ops: list[Op] = []
    for path in sorted(home.glob("history-*.jsonl")):
        ops += _history(path)
    return Run(
        settings=_settings(home / "run.json"),
        ops=ops,
        faults=[_made(Fault, line, at) for at, line in _lines(home / "nemesis.jsonl")],
        tables=[
            _made(TableVersion, {**line, "owners": tuple(line.get("owners", ()))}, at)
            for at, line in _lines(home / "table.jsonl")
        ],
        journal=[Row.of(*row) for row in _rows(home / "journal.bin")],
        tiles=[Stored(*row) for row in _rows(home / "tiles.bin")],
        dead=[Stored(*row) for row in _rows(home / "dead.bin")],
        said=[
            _made(Said, {**line, "learner": line.get("learner") or ""}, at)
            for at, line in _lines(home / "states.jsonl")
        ],
    )


def _settings(path: Path) -> Settings:
    try:
        raw = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise BadRun(f"{path}: {error}") from error
    return Settings(**{name: raw[name] for name in Settings.__slots__ if name in raw})


def _made(kind: type[Any], line: Mapping[str, Any], at: str) -> Any:
    """A dataclass from a line; what it has no field for is left out."""
    known = {"phase" if name == "type" else name: value for name, value in line.items()}
    try:
        return kind(**{name: known[name] for name in kind.__slots__ if name in known})
    except TypeError as error:
        raise BadRun(f"{at}: {error}") from error


def _lines(path: Path, *, torn: bool = False) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each line with its place; ``torn``: the last one may be cut off."""
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise BadRun(f"{path}: {error}") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except ValueError as error:
            if torn and number == len(lines):
                return
            raise BadRun(f"{path}:{number}: {error}") from error
        yield f"{path.name}:{number}", found


def _history(path: Path) -> list[Op]:
    open_ops: dict[str, Op] = {}
    for where, line in _lines(path, torn=True):
        name = line["op"]
        if line["type"] == "invoke":
            if name in open_ops:
                raise BadRun(f"{where}: {name} is invoked twice")
            open_ops[name] = Op(
                name,
                line["actor"],
                line["id"],
                line["what"],
                line["command"],
                line.get("body") or {},
                line["t"],
                where=where,
            )
            continue
        op = open_ops.get(name)
        if op is None or op.outcome != "unknown" or op.reason:
            raise BadRun(f"{where}: {name} was not invoked, or is answered twice")
        open_ops[name] = _answered(op, line, where)
    return list(open_ops.values())


def _answered(op: Op, line: Mapping[str, Any], where: str) -> Op:
    match line["type"]:
        case "ok":
            return replace(
                op,
                outcome="ok",
                returned=line["t"],
                sequence=line["sequence"],
                events=tuple(line.get("events") or ()),
                state=line.get("state"),
            )
        case "refused":
            reason = str(line["reason"]).partition(":")[0].strip()
            return replace(op, outcome="refused", returned=line["t"], reason=reason)
        case "unknown":
            return replace(op, reason=str(line.get("reason") or "unknown"))
        case other:
            raise BadRun(f"{where}: no line of a history is of type {other!r}")


def _rows(path: Path) -> Iterator[tuple[int, str, bytes, dict[str, str]]]:
    try:
        with path.open("rb") as file:
            yield from msgpack.Unpacker(file, raw=False)
    except (OSError, ValueError, msgpack.UnpackException) as error:
        raise BadRun(f"{path}: {error}") from error


__all__ = [
    "ORDERS",
    "READS",
    "ActorKey",
    "BadRun",
    "Fault",
    "Loss",
    "Op",
    "Row",
    "Run",
    "Said",
    "Settings",
    "Stored",
    "TableVersion",
    "load",
]
