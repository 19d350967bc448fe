"""A runtime for one test: a real nats-server, services here or in processes of their own.

One law: nothing of it outlives the test, whatever the test did to it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from holodeck.actors.host import Host, HostOptions
from holodeck.actors.keeper import HostKeeper, TilesService
from holodeck.actors.lease import REVOKED, Holder
from holodeck.actors.supervisor import Supervisor, SupervisorOptions
from holodeck.actors.table import LEASES, Table, read_table
from holodeck.broker import EmbeddedServer
from holodeck.broker.port import Broker
from holodeck.broker.streams import Layout, layout
from holodeck.deck import Deck
from holodeck.messages.codec import unpack
from holodeck.messages.errors import HolodeckError
from holodeck.messages.session import MindKind
from holodeck.messages.subjects import CTL_HOST
from holodeck.minds import Faculties, Mind
from holodeck.wiring import Connection
from tests.conftest import ROOT
from tests.runtime.minds import EchoMind

MIB: Final = 1024**2
LEASE_S: Final = 1.5
"""Short, so that takeovers are quick; long enough for two busy cores."""


async def until(
    what: Callable[[], Any] | Callable[[], Awaitable[Any]],
    seconds: float = 20.0,
    step: float = 0.02,
) -> Any:
    """The first true value of ``what``; fails after ``seconds``."""
    async with asyncio.timeout(seconds):
        while True:
            found = what()
            if isinstance(found, Awaitable):
                found = await found
            if found:
                return found
            await asyncio.sleep(step)


@dataclass(slots=True)
class Process:
    """A service in a process of its own."""

    name: str
    popen: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        return self.popen.pid

    def send(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL; returns when it is gone."""
        self.popen.kill()
        self.popen.wait()

    def end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.popen.kill()
        self.popen.wait()
        if self.popen.stdin is not None:
            with contextlib.suppress(OSError):
                self.popen.stdin.close()


@dataclass
class Stage:
    """The runtime of one test.

    Attributes:
        folder: the store and the logs of the processes.
        broker: a connection with the runtime's rights, for looking.
        worlds: host processes know the personas and their minds, in place of one that echoes.
    """

    folder: Path
    partitions: int = 16
    lease_s: float = LEASE_S
    max_bytes: int = 512 * MIB
    worlds: bool = False
    processes: list[Process] = field(default_factory=list)
    keepers: list[HostKeeper] = field(default_factory=list)

    async def __aenter__(self) -> Stage:
        self.server = EmbeddedServer(self.folder / "nats", partitions=self.partitions)
        self.layout: Layout = layout(max_bytes=self.max_bytes)
        self._closers: list[Callable[[], Awaitable[None]]] = []
        await self.server.start()
        self.broker = await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        for process in self.processes:
            process.end()
        for close in reversed(self._closers):
            with contextlib.suppress(HolodeckError, TimeoutError):
                await close()
        for keeper in self.keepers:
            await crash(keeper)
        await self.broker.close(discard=True)
        await self.server.stop()

    # -- connections -----------------------------------

    @property
    def connection(self) -> Connection:
        runtime = self.server.runtime
        return Connection(
            self.server.url, user=runtime.user, password=runtime.password, name="stage"
        )

    async def connect(self) -> Broker:
        return await self.connection()

    async def deck(self, *, deadline_s: float = 20.0, url: str | None = None) -> Deck:
        """A client with a client's rights."""
        client = self.server.client
        connection = Connection(
            url or self.server.url,
            user=client.user,
            password=client.password,
            inbox_prefix=self.server.client_inbox_prefix,
            reads="direct",
            name="client",
        )
        deck = await Deck.open(connection, self.layout.ns, deadline_s=deadline_s)
        self._closers.append(deck.close)
        return deck

    # -- services ---------------------------------------

    def host_options(self, name: str, **options: Any) -> HostOptions:
        given = {
            "partitions": self.partitions,
            "lease_s": self.lease_s,
            "lease_renew_s": self.lease_s / 5,
            "flush_s": 1.0,
        }
        return HostOptions(name=name, **{**given, **options})

    def _process(
        self, role: str, name: str, options: dict[str, Any], url: str | None = None
    ) -> Process:
        connection = self.connection if url is None else replace(self.connection, url=url)
        plan = {
            "role": role,
            "connection": asdict(connection),
            "options": options,
            "max_bytes": self.max_bytes,
            "worlds": self.worlds,
        }
        path = self.folder / f"{name}.log"
        with path.open("ab") as log:
            popen = subprocess.Popen(
                [sys.executable, "-m", "tests.runtime.process"],
                cwd=ROOT,
                env={**os.environ, "STAGE": json.dumps(plan), "PYTHONPATH": str(ROOT)},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
            )
        process = Process(name, popen, path)
        self.processes.append(process)
        return process

    def host_process(self, name: str, *, url: str | None = None, **options: Any) -> Process:
        return self._process("host", name, asdict(self.host_options(name, **options)), url)

    def supervisor_process(self, **options: Any) -> Process:
        given = {"partitions": self.partitions, "lease_s": self.lease_s, **options}
        return self._process("supervisor", "supervisor", given)

    def tiles_process(self, name: str = "tiles") -> Process:
        return self._process("tiles", name, {})

    async def supervisor(self, **options: Any) -> Supervisor:
        """A supervisor on this loop; it kills nobody."""
        given = {"partitions": self.partitions, "lease_s": self.lease_s, **options}
        made = Supervisor(self.connect, self.layout, SupervisorOptions(**given))
        await made.start()
        self._closers.append(made.stop)
        return made

    async def host(
        self,
        name: str,
        *,
        minds: Faculties | dict[MindKind, Mind] | None = None,
        connect: Callable[[], Awaitable[Broker]] | None = None,
        **options: Any,
    ) -> HostKeeper:
        """A host on this loop."""
        given = self.host_options(name, **options)
        mind = minds if minds is not None else {MindKind.SCRIPTED: EchoMind()}
        keeper = HostKeeper(
            lambda lost: Host(connect or self.connect, self.layout, given, minds=mind, on_lost=lost)
        )
        await keeper.start()
        self.keepers.append(keeper)
        return keeper

    async def tiles(self) -> TilesService:
        made = TilesService(self.connect, self.layout)
        await made.start()
        self._closers.append(made.stop)
        return made

    # -- looking ----------------------------------------

    async def table(self) -> Table:
        return await read_table(self.broker.bucket(self.layout.cluster), self.partitions)

    async def holders(self) -> dict[str, Holder]:
        """Whoever holds a lease, by host name."""
        found = {}
        async for entry in self.broker.bucket(self.layout.cluster).scan(LEASES):
            if entry.data != REVOKED:
                holder = Holder.decode(entry.data)
                found[holder.host] = holder
        return found

    async def ask(self, incarnation: str, verb: str, seconds: float = 1.0) -> Any:
        reply = await self.broker.request(
            CTL_HOST.of(self.layout.ns, incarnation, verb), b"", timeout=seconds
        )
        return unpack(reply.data)

    async def owned(self, hosts: int, seconds: float = 30.0) -> Table:
        """Waits until every partition is held by one of ``hosts`` living hosts, each its share."""

        async def all_held() -> Table | None:
            try:
                table = await self.table()
                names = set(table.owners)
                if "" in names or len(names) != hosts:
                    return None
                shares = [len(table.of(name)) for name in names]
                if max(shares) - min(shares) > 1:
                    return None
                for name in names:
                    status = await self.ask(name, "status")
                    if set(status["partitions"]) != table.of(name) or not status["lease"]:
                        return None
            except HolodeckError:
                return None
            return table

        return await until(all_held, seconds, 0.05)  # type: ignore[no-any-return]

    async def begun(self, hosts: int = 2, **options: Any) -> Deck:
        """Supervisor and tile emitter here, hosts as processes ``host-0``…; a client."""
        await self.supervisor()
        for index in range(hosts):
            self.host_process(f"host-{index}", **options)
        await self.tiles()
        await self.owned(hosts)
        return await self.deck()

    async def begun_here(self, hosts: int = 1, **options: Any) -> Deck:
        """As :meth:`begun`, everything on this loop."""
        await self.supervisor()
        for index in range(hosts):
            await self.host(f"host-{index}", **options)
        await self.tiles()
        await self.owned(hosts)
        return await self.deck()

    def process(self, name: str) -> Process:
        """The newest process of that name."""
        return next(p for p in reversed(self.processes) if p.name == name)


async def crash(keeper: HostKeeper) -> None:
    """Ends a host on this loop as a crash would, and its slot with it."""
    keeper._stopping = True
    if keeper._task is not None:
        keeper._task.cancel()
        await asyncio.gather(keeper._task, return_exceptions=True)
    if keeper.host is not None:
        await keeper.host.kill()
