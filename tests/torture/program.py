"""What clients do: endless programs of steps, each a pure function of the seed.

One law: nothing here knows what the runtime answered. What a step needs of that (the number of
the next turn, a sequence that exists) it names by a share or an offset, and the client fills it in.

Sessions live in slots. The session of a slot changes every few seconds, for all clients at the
same moment; two slots share each learner, so that sessions compete for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final, Literal

from holodeck.messages.session import (
    CastMember,
    EndReason,
    FrictionFinding,
    FrictionType,
    MindKind,
    Outcome,
    SessionKind,
    StartSession,
    TaskPriority,
)

NPCS: Final = ("marta", "joan", "pau", "rosa", "lluis", "nuria", "oriol", "carme")
SKILLS: Final = ("waiter", "cook", "guide", "clerk")
TASKS: Final = 6
"""Names of tasks in use in a session; so few that clients meet at them."""

HASTY: Final = 0.05
"""Share of the commands that are given up at once."""
Repeat = Literal["", "at-once", "after", "later"]
"""Whether the same command is sent a second time: beside the first, behind its answer, or some
steps later."""

WEIGHTS: Final[dict[str, int]] = {
    "take-turn": 200,
    "npc-reply": 40,
    "report-friction": 80,
    "change-reputation": 80,
    "add-task": 60,
    "route-task": 30,
    "start-task": 60,
    "complete-task": 40,
    "pause": 14,
    "resume": 40,
    "switch": 12,
    "resume-itself": 6,
    "end": 3,
    "read": 100,
    "read-at": 30,
    "await-reply": 40,
    "replay": 6,
    "start": 16,
    "start-itself": 5,
    "abandon-start": 4,
    "fork": 8,
    "claim": 5,
    "describe": 12,
    "read-npc": 40,
    "read-relation": 30,
    "read-learner": 40,
    "internal": 3,
    "stale": 5,
    "junk": 5,
}
"""How often each thing is done, against each other."""

ONCE_AT_MOST: Final = frozenset(
    {
        "read",
        "read-at",
        "await-reply",
        "replay",
        "read-npc",
        "read-relation",
        "read-learner",
        "junk",
    }
)
"""What is not sent twice under one id: it has no effect that could double."""


@dataclass(frozen=True, slots=True)
class Size:
    """How large a world is.

    Attributes:
        sessions: slots; learners and npcs: how many of each.
        clients: processes; workers: programs that run at the same time in each.
        pace_s: mean pause of a worker between two steps, seconds.
        favour: what is done how many times as often as usual.
    """

    sessions: int = 12
    learners: int = 8
    npcs: int = 5
    clients: int = 2
    workers: int = 8
    pace_s: float = 0.05
    repeats: float = 0.15
    favour: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do.

    Attributes:
        what: a key of :data:`WEIGHTS`.
        slot: whose session; own: the worker's own rehearsal instead, if it has one.
        fields: of the command, as far as they are known beforehand.
        share: where a choice is among things known only then, 0 to below 1.
        hasty: gives up before an answer can come when something is wrong: what becomes of it then
            stays unknown.
        pause_s: until the next step.
    """

    what: str
    slot: int
    own: bool
    npc: str
    learner: str
    fields: dict[str, Any]
    share: float
    repeat: Repeat
    hasty: bool
    pause_s: float


def npcs(size: Size) -> tuple[str, ...]:
    return NPCS[: size.npcs]


def learner_of(slot: int, size: Size) -> str:
    return f"l{slot % size.learners}"


class Slot:
    """The sessions that follow one another in one place, and how each of them starts."""

    def __init__(self, seed: int, number: int, size: Size) -> None:
        chance = Random(f"slot {seed} {number}")
        self.number = number
        self.learner = learner_of(number, size)
        self._seed = seed
        self._size = size
        self._life_s = chance.uniform(6.0, 16.0)
        self._age_s = chance.uniform(0.0, self._life_s)

    def session(self, elapsed_s: float) -> str:
        """Which session it is so long after the run began, seconds."""
        generation = int((elapsed_s + self._age_s) / self._life_s)
        return f"s{self.number}-{generation}"

    def start(self, session: str) -> StartSession:
        """How that session starts, whoever starts it."""
        chance = Random(f"start {self._seed} {session}")
        kind = chance.choices(list(SessionKind), (50, 25, 25))[0]
        cast = tuple(
            CastMember(npc=npc, capabilities=tuple(chance.sample(SKILLS, 2)))
            for npc in npcs(self._size)[: chance.choice((0, 3, 99))]
        )
        return StartSession(
            session_kind=kind,
            learner=self.learner,
            name=session,
            cast=cast,
            mind=chance.choice((MindKind.NONE, MindKind.SCRIPTED)),
            max_tasks=chance.choice((3, 50)),
            task_timeout_s=chance.choice((0.3, 1.0, 300.0)),
            session_timeout_s=chance.choice((3.0, *[3600.0] * 7)),
            idle_timeout_s=chance.choice((1.5, *[0.0] * 7)),
        )


def steps(seed: int, client: int, worker: int, size: Size) -> Iterator[Step]:
    """The program of one worker, without end."""
    chance = Random(f"program {seed} {client} {worker}")
    kinds = list(WEIGHTS)
    weights = [WEIGHTS[kind] * size.favour.get(kind, 1.0) for kind in kinds]
    people = npcs(size)
    while True:
        what = chance.choices(kinds, weights)[0]
        slot = chance.randrange(size.sessions)
        yield Step(
            what,
            slot,
            own=chance.random() < 0.08,
            npc=chance.choice(people),
            learner=f"l{chance.randrange(size.learners)}",
            fields=_fields(what, chance, people),
            share=chance.random(),
            repeat="" if what in ONCE_AT_MOST else _repeat(chance, size.repeats),
            hasty=chance.random() < HASTY,
            pause_s=chance.expovariate(1 / size.pace_s),
        )


def _repeat(chance: Random, share: float) -> Repeat:
    ways: tuple[Repeat, ...] = ("at-once", "after", "later")
    return chance.choice(ways) if chance.random() < share else ""


def _finding(chance: Random) -> FrictionFinding:
    return FrictionFinding(
        type=chance.choice(list(FrictionType)), severity=round(chance.random(), 3)
    )


def _fields(what: str, chance: Random, people: tuple[str, ...]) -> dict[str, Any]:
    """What a command of this kind says, where it can be said beforehand."""
    npc = chance.choice(people)
    task = f"t{chance.randrange(TASKS)}"
    match what:
        case "take-turn":
            found = tuple(_finding(chance) for _ in range(chance.choice((0, 0, 1, 2))))
            return {
                "npc": npc,
                "text": f"hola {chance.randrange(1000)}",
                "frictions": chance.choice((None, found)),
                "register_aligned": chance.choice((None, True, False)),
                "ahead": chance.choices((1, 0, 2), (90, 5, 5))[0],
            }
        case "npc-reply":
            text = f"digues {chance.randrange(1000)}"
            return {"npc": npc, "text": text, "ahead": chance.choices((0, 1), (90, 10))[0]}
        case "report-friction":
            return {"finding": _finding(chance), "npc": chance.choice((None, npc))}
        case "change-reputation":
            return {"npc": npc, "delta": round(chance.uniform(-0.2, 0.2), 3), "reason": "why not"}
        case "add-task":
            return {
                "task": task,
                "data": str(chance.randrange(100)),
                "priority": chance.choice(list(TaskPriority)),
                "capabilities": tuple(chance.sample(SKILLS, 2)),
                "npc": chance.choice((None, npc)),
                "timeout_s": chance.choice((None, 0.0, 0.2, 0.8, 2.0)),
            }
        case "route-task" | "start-task":
            return {"task": task}
        case "complete-task":
            return {"task": task, "outcome": chance.choice(list(Outcome))}
        case "pause":
            return {"reason": "enough"}
        case "end":
            reason = chance.choice(list(EndReason))
            return {"reason": reason, "outcome": chance.choice(list(Outcome))}
        case "describe":
            return {"name": f"{npc} {chance.randrange(100)}", "role": chance.choice(SKILLS)}
        case "internal":
            return {"kind": chance.choice(("settle-owed", "timer"))}
        case "stale":
            return {"age_s": chance.uniform(61.0, 600.0), "npc": npc}
        case "junk":
            return {"how": chance.choice(("bytes", "field", "kind", "large", "json"))}
        case "start":
            return {"switch": chance.random() < 0.5}
        case _:
            return {}


__all__ = [
    "ONCE_AT_MOST",
    "WEIGHTS",
    "Size",
    "Slot",
    "Step",
    "learner_of",
    "npcs",
    "steps",
]
