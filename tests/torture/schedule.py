"""What the nemesis will do and when: a pure function of the seed.

One law: faults of one lane never overlap, faults of different lanes may. Every fault ends, the last
one well before the load does.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

FIRST_S: Final = 1.0
"""Nothing happens before that."""
LAST_SHARE: Final = 0.92
"""By then, as a share of the run, every fault has ended."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing done to the world.

    Attributes:
        at: when, seconds from the beginning of the run; seconds: how long.
        target: a process (``host-0``, ``client-1``, ``supervisor``, ``tiles``), ``server``, or
            ``hosts``.
    """

    at: float
    seconds: float
    fault: str
    target: str
    detail: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        detail = ", ".join(f"{name} {value}" for name, value in self.detail.items())
        return f"{self.at:7.2f} s  {self.fault:15} {self.target:10} {self.seconds:5.2f} s  {detail}"


@dataclass(frozen=True, slots=True)
class Cast:
    """Who there is to be tormented.

    Attributes:
        hosts, clients: how many; lease_s: of the hosts, seconds.
        walled: hosts that live in a network namespace of their own.
    """

    hosts: int
    clients: int
    lease_s: float
    walled: frozenset[str] = frozenset()

    def host(self, chance: Random) -> str:
        return f"host-{chance.randrange(self.hosts)}"

    def anybody(self, chance: Random) -> str:
        """Hosts oftenest."""
        clients = [f"client-{n}" for n in range(self.clients)]
        hosts = [f"host-{n}" for n in range(self.hosts)]
        return chance.choice([*hosts, *hosts, *clients, "supervisor", "tiles"])


def _shorter_or_longer(chance: Random, cast: Cast) -> float:
    """Shorter than the lease, about as long, or clearly longer."""
    return cast.lease_s * chance.choice((0.2, 0.5, 0.9, 1.1, 2.0))


def _kill_host(chance: Random, cast: Cast) -> Fault:
    return Fault(0, chance.choice((0.1, 0.5, 2.0)), "kill-host", cast.host(chance))


def _kill_supervisor(chance: Random, cast: Cast) -> Fault:
    return Fault(0, chance.choice((0.1, 1.0, 2.5)), "kill-supervisor", "supervisor")


def _kill_tiles(chance: Random, cast: Cast) -> Fault:
    return Fault(0, chance.choice((0.1, 1.0)), "kill-tiles", "tiles")


def _freeze_host(chance: Random, cast: Cast) -> Fault:
    return Fault(0, _shorter_or_longer(chance, cast), "freeze-host", cast.host(chance))


def _kill_server(chance: Random, cast: Cast) -> Fault:
    return Fault(0, chance.choice((0.1, 0.5, cast.lease_s * 1.3)), "kill-server", "server")


def _fill_store(chance: Random, cast: Cast) -> Fault:
    return Fault(0, chance.uniform(0.5, 2.0), "fill-store", "server")


def _power_loss(chance: Random, cast: Cast) -> Fault:
    """``seconds`` lie between the copy of the store and the loss of what came after it."""
    what = chance.choice(("journal", "everything"))
    return Fault(0, chance.uniform(1.0, 4.0), "power-loss", "server", {"what": what})


def _cut(chance: Random, cast: Cast) -> Fault:
    """Once, or so that nobody gets through for a while."""
    seconds = chance.choice((0.0, 0.0, 0.4, cast.lease_s * 1.3))
    return Fault(0, seconds, "cut", cast.anybody(chance))


def _delay(chance: Random, cast: Cast) -> Fault:
    detail = {"late_s": chance.choice((0.02, 0.1, 0.4)), "ways": chance.choice(_WAYS)}
    return Fault(0, chance.uniform(0.5, 2.5), "delay", cast.anybody(chance), detail)


def _partition(chance: Random, cast: Cast) -> Fault:
    """Everything is held back: both ways, or one; of a walled host, its cable is pulled."""
    target = cast.anybody(chance)
    how = "link" if target in cast.walled and chance.random() < 0.6 else "held"
    detail: dict[str, Any] = {"how": how}
    if how == "held":
        detail["ways"] = chance.choice(_WAYS)
    return Fault(0, _shorter_or_longer(chance, cast), "partition", target, detail)


def _skew_clock(chance: Random, cast: Cast) -> Fault:
    offsets = [round(chance.choice((-4.0, -0.7, 0.5, 3.0)), 2) for _ in range(cast.hosts)]
    return Fault(0, chance.uniform(1.0, 5.0), "skew-clock", "hosts", {"offsets_s": offsets})


_WAYS: Final = ("up", "down", "both")
_LANES: Final[dict[str, tuple[float, dict[str, Callable[[Random, Cast], Fault]]]]] = {
    "processes": (
        2.0,
        {
            "kill-host": _kill_host,
            "freeze-host": _freeze_host,
            "kill-supervisor": _kill_supervisor,
            "kill-tiles": _kill_tiles,
        },
    ),
    "network": (2.0, {"cut": _cut, "delay": _delay, "partition": _partition}),
    "server": (
        6.0,
        {"kill-server": _kill_server, "fill-store": _fill_store, "power-loss": _power_loss},
    ),
    "clocks": (5.0, {"skew-clock": _skew_clock}),
}
"""Each lane: the mean pause between two of its faults, seconds, and the faults."""

FAULTS: Final = tuple(name for _, faults in _LANES.values() for name in faults)


def schedule(
    seed: int, seconds: float, cast: Cast, only: Collection[str] = FAULTS
) -> tuple[Fault, ...]:
    """Everything that will happen, in the order of its beginning."""
    found: list[Fault] = []
    for lane, (pause_s, faults) in _LANES.items():
        chance = Random(f"nemesis {seed} {lane}")
        wanted = {name: make for name, make in faults.items() if name in only}
        if wanted:
            found += _lane(chance, seconds * LAST_SHARE, pause_s, wanted, cast)
    return tuple(sorted(found, key=lambda fault: (fault.at, fault.fault)))


def _lane(
    chance: Random,
    until: float,
    pause_s: float,
    faults: Mapping[str, Callable[[Random, Cast], Fault]],
    cast: Cast,
) -> Iterator[Fault]:
    at = FIRST_S
    for name in _in_turn(chance, tuple(faults)):
        at += chance.uniform(0.3, 1.7) * pause_s
        made = faults[name](chance, cast)
        if at + made.seconds > until:
            return
        yield Fault(round(at, 2), round(made.seconds, 2), made.fault, made.target, made.detail)
        at += made.seconds


def _in_turn(chance: Random, names: tuple[str, ...]) -> Iterator[str]:
    """Each name once before any comes again, in an order that changes."""
    while True:
        bag = list(names)
        chance.shuffle(bag)
        yield from bag


__all__ = ["FAULTS", "Cast", "Fault", "schedule"]
