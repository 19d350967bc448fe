"""Planted faults: what the torture has to find, or it finds nothing.

One law: a fault is planted by patching the classes of one service process, from its test entry; the
product has no switch for any of them. A patch that no longer fits the product fails loudly.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from holodeck.actors.lease import Lease
from holodeck.actors.memory import CommandMemory
from holodeck.actors.shell import SessionShell
from holodeck.broker import nats
from holodeck.messages.envelope import HEADER_WRITER, Answer


def _fence_off() -> None:
    """Appends go out without the sequence they were decided on."""
    log: Any = nats._Log
    fenced = log.append

    def append(
        self: Any, subject: str, data: bytes, *, after: Any = None, over: Any = None,
        headers: Any = None,
    ) -> asyncio.Future[int]:  # fmt: skip
        if headers and HEADER_WRITER in headers:
            after = over = None
        future: asyncio.Future[int] = fenced(
            self, subject, data, after=after, over=over, headers=headers
        )
        return future

    log.append = append


def _lease_off() -> None:
    """A host believes its lease for ever, also when it was told that it is revoked."""
    lease: Any = Lease
    begin = lease.__init__

    def believing(self: Any, *args: Any, **options: Any) -> None:
        begin(self, *args, **{**options, "on_lost": lambda: None})

    lease.__init__ = believing
    _replace(Lease, "valid", property(lambda self: True))


def _remembered_ids_off() -> None:
    """A repeat is a new command."""
    _replace(CommandMemory, "get", lambda self, command: None)


def _answer_before_append() -> None:
    """A host says ok as soon as it has sent the append, with the sequence it will surely get."""
    shell: Any = SessionShell
    send = shell._send

    def hasty(self: Any, after: int) -> None:
        send(self, after)
        work, house = self.flight.work, self.house
        if not work.internal:
            told = Answer("ok", sequence=house.high + 1, checkpoint=self.flight.data)
            house.answer(work, told)

    shell._send = hasty


def _gap_check_off() -> None:
    """A reader takes what comes for all there is."""
    follower: Any = nats._Follower
    lost, receiver = follower._lost, follower._receiver

    def _lost(self: Any, reason: str) -> None:
        if reason not in ("gap", "reconnect"):
            lost(self, reason)

    def _receiver(self: Any, epoch: int) -> Callable[..., None]:
        receive = receiver(self, epoch)

        def trusting(subject: str, reply: str, data: bytes, headers: Any) -> None:
            if reply:
                tail = reply if reply.count(".") < 11 else reply.rpartition(".")[0]
                self._expected = int(tail.rsplit(".", 3)[1])
            receive(subject, reply, data, headers)

        return trusting

    follower._lost, follower._receiver = _lost, _receiver


def _replace(owner: type, name: str, by: Any) -> None:
    if name not in vars(owner):
        raise AttributeError(f"{owner.__name__} has no {name} any more: mend the mutant")
    setattr(owner, name, by)


MUTANTS: Final[dict[str, Callable[[], None]]] = {
    "fence-off": _fence_off,
    "lease-off": _lease_off,
    "remembered-ids-off": _remembered_ids_off,
    "answer-before-append": _answer_before_append,
    "gap-check-off": _gap_check_off,
}


def plant(name: str) -> None:
    """Plants a fault in this process."""
    MUTANTS[name]()


__all__ = ["MUTANTS", "plant"]
