"""A run told by hand: what clients ask, what a sound runtime answers, what then stands.

One law: a tale is sound by itself, because the pure deciders tell it; a test that wants a bad one
changes the data of the finished :class:`Run`, and nothing but the data.

Time passes by itself, one tick for each thing that happens; ``during`` gives a thing its moments.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from holodeck.actors.session import SCHEMA, STATE, SessionState, concerns, next_deadline, session
from holodeck.actors.supervisor import step
from holodeck.messages.codec import encode_checkpoint, pack
from holodeck.messages.envelope import HEADER_COMMAND, HEADER_WRITER
from holodeck.messages.errors import RefusedError
from holodeck.messages.ids import NOBODY, partition_of
from holodeck.messages.learner import LearnerClaimed
from holodeck.messages.npc import DescribeNpc, NpcDescribed
from holodeck.messages.session import ForkFrom, Resume, SettleOwed, StartSession
from holodeck.messages.subjects import CHECKPOINT
from holodeck.messages.tiles import HEADER_ORIGIN, HEADER_TILE
from tests.torture.checker.histories import DECIDERS, Histories
from tests.torture.checker.tiles import due_tiles
from tests.torture.run import Fault, Op, Row, Run, Said, Settings, Stored, TableVersion

NOON: Final = 1_767_268_800_000
"""When every tale begins, ms since 1970 UTC."""
TICK: Final = 10
"""Between two things that happen, ns."""
During = tuple[int, int] | None


@dataclass(slots=True)
class Tale:
    """What has happened so far.

    Attributes:
        writer: the incarnation that owns everything now.
        now: ns on the clock of the history; wall: ms on the clock of the checkpoints.
    """

    partitions: int = 8
    writer: str = "inc_a"
    now: int = 1000
    wall: int = NOON
    end: int = 0
    ops: list[Op] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    tables: list[TableVersion] = field(default_factory=list)
    histories: Histories = field(default_factory=Histories)

    def __post_init__(self) -> None:
        self.moves_to(self.writer)

    # -- the world ----------------------------------------

    def tick(self) -> int:
        self.now += TICK
        return self.now

    def passes(self, seconds: float) -> None:
        self.wall += round(seconds * 1000)

    def moves_to(self, writer: str) -> None:
        """Every partition is given to one incarnation."""
        self.writer = writer
        version = TableVersion(self.tick(), len(self.tables) + 1, (writer,) * self.partitions)
        self.tables.append(version)

    def loses_power(self, end: int, *, copied: int = 0) -> None:
        """The store comes back with nothing behind ``end``, as it was at the time ``copied``."""
        detail = {"end": end, "t_copy": copied}
        self.faults.append(Fault(self.tick(), "begin", "power-loss", "server", detail))
        self.rows = [row for row in self.rows if row.sequence <= end]
        self.histories = Histories(self.rows)
        self.end = end
        self.faults.append(Fault(self.tick(), "end", "power-loss", "server"))

    # -- checkpoints ----------------------------------------

    def state(self, identity: str) -> SessionState:
        found: SessionState = self.histories.of(("session", identity)).states[-1]
        return found

    def last(self, kind: str, *identity: str) -> int:
        """Sequence of the last checkpoint in an actor's state."""
        history = self.histories.of((kind, *identity))
        return history.sequence(len(history.rows))

    def store(
        self,
        kind: str,
        identity: str,
        command: str,
        events: tuple[Any, ...],
        npc: str,
        learner: str,
    ) -> Row:
        """One more checkpoint, by whoever owns everything now."""
        self.end += 1
        p = self.partitions
        subject = CHECKPOINT.of(
            "holodeck",
            kind,
            partition_of(identity, p),
            identity,
            events[0].kind.partition(".")[0],
            partition_of(npc, p) if npc else NOBODY,
            npc or NOBODY,
            partition_of(learner, p) if learner else NOBODY,
            learner or NOBODY,
        )
        headers = {HEADER_COMMAND: command, HEADER_WRITER: self.writer}
        row = Row.of(self.end, subject, encode_checkpoint(self.wall, events), headers)
        self.rows.append(row)
        self.histories.add(row)
        return row

    def obey(self, identity: str, command: str, body: Any) -> Row | None:
        """A session does what it is told; None if there is nothing to do.

        Raises:
            RefusedError: its state forbids it.
        """
        state = self.state(identity)
        events = tuple(session.decide(state, body, self.wall))
        if not events:
            return None
        _, npc, learner = concerns(state, events)
        return self.store("session", identity, command, events, npc, learner)

    def fires(self, identity: str) -> Row:
        """The session's next timer, at its time."""
        due = next_deadline(self.state(identity))
        assert due is not None, "nothing is armed"
        self.wall, armed, body = max(self.wall, due[0]), due[1], due[2]
        name = body.name if body.task is None else f"{body.name}-{body.task}"
        row = self.obey(identity, f"timer.{name}.{armed}", body)
        assert row is not None
        self.settles(identity)
        return row

    def settles(self, identity: str) -> None:
        """Tells every NPC that is owed a word."""
        while (state := self.state(identity)).owed:
            self.obey(identity, f"owed.{state.ended_at}.{len(state.owed)}", SettleOwed())

    # -- what clients do ----------------------------------------

    def _noted(self, during: During, actor: str, id: str, what: str, body: Any, **more: Any) -> Op:
        number = len(self.ops)
        begin, end = during or (self.tick(), self.tick())
        more.setdefault("command", f"m-{number}")
        if more.setdefault("outcome", "ok") != "unknown":
            more["returned"] = end
        op = Op(f"c0.{number}", actor, id, what, body=body, invoked=begin, **more)
        self.ops.append(op)
        return op

    def says(
        self,
        identity: str,
        body: Any,
        *,
        id: str | None = None,
        during: During = None,
        answered: bool = True,
    ) -> Op:
        """A client tells a session something, and is told what came of it.

        Args:
            answered: False: it takes effect, and the answer gets lost.
        """
        command = id or f"m-{len(self.ops)}"
        told: dict[str, Any] = {"command": command}
        known = [r for r in self.rows if (r.key, r.command) == (("session", identity), command)]
        try:
            row = known[0] if known else self.obey(identity, command, body)
        except RefusedError as error:
            told |= {"outcome": "refused", "reason": error.reason}
        else:
            self.settles(identity)
            told["sequence"] = row.sequence if row else self.last("session", identity)
            told["events"] = row.kinds if row else ()
        if not answered:
            told = {"command": command, "outcome": "unknown"}
        plain = body.model_dump(mode="json")
        return self._noted(during, "session", identity, body.kind, plain, **told)

    def starts(self, identity: str, learner: str = "ana", **start: Any) -> Op:
        """A session is ordered from the supervisor, which claims the learner first."""
        order = f"o-{len(self.ops)}"
        claim = self.claims(learner, identity, step(order, "claim", identity, 1))
        body = StartSession(learner=learner, **start)
        row = self.obey(
            identity, step(order, "start"), body.model_copy(update={"claim": claim.sequence})
        )
        assert row is not None
        ordered = {"id": order, "session": identity, "start": body.model_dump(mode="json")}
        return self._noted(
            None, "session", identity, "start", ordered,
            command=order, sequence=row.sequence, events=row.kinds,
        )  # fmt: skip

    def resumes(self, identity: str) -> Op:
        """A paused session is resumed by order."""
        order = f"o-{len(self.ops)}"
        charter = self.state(identity).charter
        assert charter is not None
        claim = self.claims(charter.learner, identity, step(order, "claim", identity, 1))
        row = self.obey(identity, step(order, "resume"), Resume(claim=claim.sequence))
        assert row is not None
        return self._noted(
            None, "session", identity, "resume", {"id": order, "session": identity},
            command=order, sequence=row.sequence, events=row.kinds,
        )  # fmt: skip

    def forks(self, parent: str, identity: str, *, at: int) -> Op:
        """A rehearsal is ordered; the answer does not carry its checkpoint."""
        order = f"o-{len(self.ops)}"
        history = self.histories.of(("session", parent))
        then = STATE.dump_python(history.states[history.position(at)])
        fork = ForkFrom(parent=parent, sequence=at, state=pack(then), layout=SCHEMA)
        row = self.obey(identity, step(order, "fork"), fork)
        assert row is not None
        return self._noted(
            None, "session", identity, "fork",
            {"id": order, "parent": parent, "session": identity, "at": at},
            command=order, sequence=row.sequence,
        )  # fmt: skip

    def awaits(self, identity: str, *, turn: int, during: During = None) -> Op:
        """A client waits for the reply to a turn, and is told it is there now."""
        last = self.last("session", identity)
        return self._noted(
            during, "session", identity, "await-reply", {"turn": turn}, sequence=last
        )

    def claims(self, learner: str, identity: str, command: str) -> Row:
        events = (LearnerClaimed(session=identity),)
        return self.store("learner", learner, command, events, "", learner)

    def describes(self, npc: str, name: str) -> Op:
        command = f"m-{len(self.ops)}"
        row = self.store("npc", npc, command, (NpcDescribed(name=name),), npc, "")
        body = DescribeNpc(name=name).model_dump(mode="json")
        return self._noted(
            None, "npc", npc, "describe", body,
            command=command, sequence=row.sequence, events=row.kinds,
        )  # fmt: skip

    def reads(
        self, kind: str, identity: str, *, learner: str = "", during: During = None, **body: Any
    ) -> Op:
        """A client reads a state as it is now; a session's with ``at`` as it was then."""
        key = ("relation", identity, learner) if learner else (kind, identity)
        history = self.histories.of(key)
        position = len(history.rows)
        if body.get("at") is not None:
            position = history.position(body["at"])
        if learner:
            body["learner"] = learner
        plain = DECIDERS[key[0]][1].dump_python(history.states[position], mode="json")
        return self._noted(
            during, kind, identity, "read", body,
            sequence=history.sequence(position), state=plain,
        )  # fmt: skip

    # -- the end ----------------------------------------

    def run(self) -> Run:
        """What is left, with the tiles and the last words of everyone."""
        return Run(
            settings=Settings(partitions=self.partitions),
            ops=list(self.ops),
            faults=list(self.faults),
            tables=list(self.tables),
            journal=list(self.rows),
            tiles=tiles_for(self.rows),
            dead=[],
            said=said_by(self.rows),
        )


def tiles_for(journal: list[Row]) -> list[Stored]:
    """TILES as a sound emitter leaves it."""
    return [
        Stored(number, due.subject, due.data, {HEADER_TILE: due.id, HEADER_ORIGIN: due.origin})
        for number, due in enumerate(due_tiles(journal, "holodeck"), 1)
    ]


def said_by(journal: list[Row]) -> list[Said]:
    """What everyone whom a journal names says of itself at the end."""
    said: list[Said] = []
    for history in Histories(journal):
        kind, identity, *with_whom = history.key
        plain = DECIDERS[kind][1].dump_python(history.states[-1], mode="json")
        last = history.sequence(len(history.rows))
        learner = with_whom[0] if with_whom else ""
        said.append(Said(kind, identity, last, plain, learner))  # type: ignore[arg-type]
    return said


def refolded(journal: list[Row]) -> dict[str, Any]:
    """What changes in a run whose journal is another: everything that is made from it."""
    return {"journal": journal, "tiles": tiles_for(journal), "said": said_by(journal)}


__all__ = ["NOON", "TICK", "Tale", "refolded", "said_by", "tiles_for"]
