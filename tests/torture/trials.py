"""How each planted fault is looked for: the load and the faults that bring it to light.

One law: a trial is made for what its mutant breaks and stays silent on the product as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Final

from tests.torture.drive import Trial
from tests.torture.program import Size
from tests.torture.schedule import Fault
from tests.torture.world import Setting

LEASE_S: Final = 1.2
PATIENCE_S: Final = 6.0
"""A runtime with a fault in it may never heal."""

EXPECTED: Final[dict[str, frozenset[str]]] = {
    "fence-off": frozenset({"acknowledged", "one-line", "one-story", "linearizable"}),
    "lease-off": frozenset({"linearizable", "one-line", "order"}),
    "remembered-ids-off": frozenset({"acknowledged"}),
    "answer-before-append": frozenset({"acknowledged"}),
    "gap-check-off": frozenset({"states", "tiles"}),
}
"""The laws a planted fault breaks first of all."""


def _fence(chance: Random, seconds: float) -> Iterator[Fault]:
    """A host's uplink is held back until others have its partitions: what it had decided before
    arrives behind what they wrote."""
    at, host = 1.0, chance.randrange(2)
    while at + 3.5 < seconds:
        yield Fault(at, 3.2, "partition", f"host-{host}", {"how": "held", "ways": "up"})
        at, host = at + 5.0, 1 - host


def _lease(chance: Random, seconds: float) -> Iterator[Fault]:
    """A host is frozen until the other has its partitions, and thawed while what the other writes
    is slow: it writes first, what was asked of it when it had nothing to say any more. Then it is
    killed, for it would never leave."""
    at, host = 1.0, chance.randrange(2)
    while at + 5.0 < seconds:
        # A client sends again after 2.5 s: before that nobody who asked the frozen one goes on.
        late = {"late_s": 0.5, "ways": "up"}
        yield Fault(at, 4.0, "freeze-host", f"host-{host}")
        yield Fault(round(at + 3.3, 2), 1.3, "delay", f"host-{1 - host}", late)
        yield Fault(round(at + 4.7, 2), 0.1, "kill-host", f"host-{host}")
        at, host = at + 6.0, 1 - host


def _server(chance: Random, seconds: float) -> Iterator[Fault]:
    """Appends fail: the store is full, or the server dies with them."""
    at = 1.0
    while at + 2.0 < seconds:
        yield Fault(round(at, 2), 0.8, "fill-store", "server")
        yield Fault(round(at + 2.0, 2), 0.3, "kill-server", "server")
        at += chance.uniform(4.0, 5.0)


def _gaps(chance: Random, seconds: float) -> Iterator[Fault]:
    """What is on its way to a host is much, and is lost with its connection."""
    at, host = 1.0, chance.randrange(2)
    while at + 1.5 < seconds:
        late = {"late_s": 0.3, "ways": "down"}
        yield Fault(at, 1.0, "delay", f"host-{host}", late)
        yield Fault(round(at + 0.7, 2), 0.0, "cut", f"host-{host}")
        at, host = at + 2.0, 1 - host


def _nothing(chance: Random, seconds: float) -> Iterator[Fault]:
    yield from ()


_LIGHT: Final = Size(sessions=10, learners=7, clients=1, workers=10, pace_s=0.05)
_TRIALS: Final[dict[str, tuple[Size, Callable[[Random, float], Iterator[Fault]]]]] = {
    "fence-off": (_LIGHT, _fence),
    "lease-off": (
        # Many sessions, so that the other host has not written to each of them yet.
        Size(sessions=36, learners=33, clients=1, workers=40, pace_s=0.4,
             favour={"report-friction": 4.0, "change-reputation": 4.0}),
        _lease,
    ),
    "remembered-ids-off": (
        Size(sessions=6, learners=5, clients=1, workers=4, pace_s=0.08, repeats=0.5), _nothing
    ),
    "answer-before-append": (_LIGHT, _server),
    "gap-check-off": (_LIGHT, _gaps),
}  # fmt: skip


def trial_of(mutant: str, seed: int, seconds: float) -> Trial:
    """The trial of one planted fault.

    Raises:
        KeyError: there is no such mutant.
    """
    size, faults = _TRIALS[mutant]
    setting = Setting(size, hosts=2, partitions=8, lease_s=LEASE_S, mutant=mutant, limit_s=6.0)
    done = tuple(faults(Random(f"{mutant} {seed}"), seconds))
    return Trial(seed, seconds, setting, done, patience_s=PATIENCE_S)
