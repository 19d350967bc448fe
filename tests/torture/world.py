"""A runtime made of real processes, each of which may be killed at any time and comes back.

One law: the world restarts whatever dies, as Ray would, until it is closed; then nothing of it is
left but the folder. Everybody reaches the server through a proxy of his own, except the world,
which only looks.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from holodeck.actors.host import HostOptions
from holodeck.actors.supervisor import SupervisorOptions
from holodeck.actors.table import TABLE, Table, read_table, table_of
from holodeck.broker import EmbeddedServer
from holodeck.broker.port import Broker, Subscription
from holodeck.broker.streams import Layout, layout
from holodeck.messages.codec import unpack
from holodeck.messages.errors import HolodeckError
from holodeck.messages.subjects import CTL_HOST
from holodeck.wiring import Connection
from tests.broker.proxy import Proxy
from tests.conftest import ROOT
from tests.torture.leash import PLAN
from tests.torture.netns import Wall
from tests.torture.process import OFFSET
from tests.torture.program import Size
from tests.torture.record import Lines, now

MIB: Final = 1024**2
AGAIN_S: Final = 0.2
"""How long a process that ended by itself stays away, seconds."""


@dataclass(frozen=True, slots=True)
class Setting:
    """How a world is made.

    Attributes:
        size: the clients and what they do; hosts: how many.
        mutant: the planted fault, empty for none; walled: how many hosts get a network namespace.
        lease_s: of hosts, seconds.
    """

    size: Size
    hosts: int = 2
    partitions: int = 16
    lease_s: float = 1.5
    mutant: str = ""
    walled: int = 0
    max_bytes: int = 1024 * MIB
    limit_s: float = 8.0


@dataclass(slots=True)
class Slot:
    """A process that is kept alive.

    Attributes:
        held: while positive nobody restarts it.
        starts: how often it was started.
    """

    name: str
    line: list[str]
    plan: dict[str, Any]
    log: Path
    popen: subprocess.Popen[bytes] | None = None
    held: int = 0
    starts: int = 0
    restarts: bool = True

    @property
    def pid(self) -> int:
        return self.popen.pid if self.popen is not None else 0

    @property
    def alive(self) -> bool:
        return self.popen is not None and self.popen.poll() is None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.popen = subprocess.Popen(
                self.line,
                cwd=ROOT,
                env={**os.environ, PLAN: json.dumps(self.plan), "PYTHONPATH": str(ROOT)},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                # A Ctrl-C in the terminal is for the world, which then ends them all.
                start_new_session=True,
            )
        self.starts += 1

    def signal(self, number: int) -> None:
        if self.alive:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL; returns when it is gone."""
        if self.popen is None:
            return
        self.popen.kill()
        self.popen.wait()
        if self.popen.stdin is not None:
            with contextlib.suppress(OSError):
                self.popen.stdin.close()


@dataclass
class World:
    """Server, proxies and processes in one folder.

    Attributes:
        broker: a connection with the runtime's rights that no nemesis touches.
        proxies: by the name of who is behind it; slots: the services; clients: the clients.
        walls: by host.
        slowest: the largest lag of the world's own loop, seconds: proxies live on it.
    """

    folder: Path
    setting: Setting
    proxies: dict[str, Proxy] = field(default_factory=dict)
    slots: dict[str, Slot] = field(default_factory=dict)
    barred: Counter[str] = field(default_factory=Counter)
    clients: dict[str, Slot] = field(default_factory=dict)
    walls: dict[str, Wall] = field(default_factory=dict)

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await self._open(stack)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    async def _open(self, stack: AsyncExitStack) -> None:
        setting = self.setting
        self.server = EmbeddedServer(self.folder / "nats", partitions=setting.partitions)
        self.layout: Layout = layout(max_bytes=setting.max_bytes)
        self.logs = self.folder / "logs"
        self.logs.mkdir(parents=True)
        self._tables = stack.enter_context(Lines(self.folder / "table.jsonl"))
        self._known_table: Table | None = None
        await stack.enter_async_context(self.server)
        await self._begin_looking(stack)
        stack.callback(self._end_processes)
        for number in range(setting.walled):
            wall = self.walls[f"host-{number}"] = Wall.build(number)
            stack.callback(wall.remove)
        names = [f"host-{n}" for n in range(setting.hosts)]
        clients = [f"client-{n}" for n in range(setting.size.clients)]
        for name in ("supervisor", "tiles", *names, *clients):
            listen = self.walls[name].here if name in self.walls else "127.0.0.1"
            proxy = Proxy(self.server.port, listen=listen)
            self.proxies[name] = await stack.enter_async_context(proxy)
        await self._begin_services(names)
        keeper = asyncio.create_task(self._keep())
        stack.push_async_callback(_ended, keeper)

    # -- looking ----------------------------------------

    async def _begin_looking(self, stack: AsyncExitStack) -> None:
        runtime = self.server.runtime
        connection = Connection(
            self.server.url, user=runtime.user, password=runtime.password, name="world"
        )
        self.broker: Broker = await connection()
        stack.push_async_callback(self.broker.close, discard=True)
        await self.broker.declare(self.layout.streams, self.layout.buckets)
        self._cluster = self.broker.bucket(self.layout.cluster)
        self._watch = await self._begin_watching()

    async def _begin_watching(self) -> Subscription:
        return await self._cluster.watch(TABLE, lambda entry: self._seen(table_of(entry)))

    def _seen(self, table: Table) -> None:
        if table == self._known_table or not table.epoch:
            return
        self._known_table = table
        self._tables.write(
            {
                "t": now(),
                "epoch": table.epoch,
                "owners": list(table.owners),
                "server": table.server,
                "end": table.end,
            }
        )

    async def table(self) -> Table:
        """The partition table as it stands, written down if nobody saw it before."""
        found = await read_table(self._cluster, self.setting.partitions)
        self._seen(found)
        return found

    # -- processes ----------------------------------------

    async def _begin_services(self, hosts: list[str]) -> None:
        setting = self.setting
        options = SupervisorOptions(partitions=setting.partitions, lease_s=setting.lease_s)
        self._service("supervisor", "supervisor", asdict(options))
        self._service("tiles", "tiles", {})
        for name in hosts:
            options_of = HostOptions(
                name=name,
                partitions=setting.partitions,
                lease_s=setting.lease_s,
                lease_renew_s=setting.lease_s / 5,
                flush_s=1.0,
                idle_sleep_s=3.0,
            )
            self.clock(name).write_bytes(OFFSET.pack(0.0))
            self._service(name, "host", asdict(options_of))
        for slot in self.slots.values():
            slot.start()

    def _service(self, name: str, role: str, options: dict[str, Any]) -> None:
        runtime = self.server.runtime
        connection = Connection(
            self.proxies[name].url, user=runtime.user, password=runtime.password, name=name
        )
        plan = {
            "role": role,
            "connection": asdict(connection),
            "options": options,
            "max_bytes": self.setting.max_bytes,
            "mutant": self.setting.mutant,
            "clock": str(self.clock(name)),
        }
        line = [sys.executable, "-m", "tests.torture.process"]
        wall = self.walls.get(name)
        if wall is not None:
            line = wall.command(line)
        self.slots[name] = Slot(name, line, plan, self.logs / f"{name}.log")

    def clock(self, name: str) -> Path:
        """The file that says how far a host's clock is off."""
        return self.folder / f"clock-{name}"

    def skew(self, name: str, seconds: float) -> None:
        with self.clock(name).open("r+b") as file:
            file.write(OFFSET.pack(seconds))

    def skew_all(self, seconds: float) -> None:
        for name, slot in self.slots.items():
            if slot.plan["role"] == "host":
                self.skew(name, seconds)

    def begin_clients(self, seed: int, begin: int, seconds: float) -> None:
        """Starts the client processes.

        Args:
            begin: when their run begins, ns on the clock of the history.
        """
        user = self.server.client
        for number in range(self.setting.size.clients):
            name = f"client-{number}"
            connection = Connection(
                self.proxies[name].url,
                user=user.user,
                password=user.password,
                inbox_prefix=self.server.client_inbox_prefix,
                reads="direct",
                name=name,
            )
            plan = {
                "connection": asdict(connection),
                "ns": self.layout.ns,
                "seed": seed,
                "client": number,
                "size": asdict(self.setting.size),
                "history": str(self.folder / f"history-{number}.jsonl"),
                "begin": begin,
                "seconds": seconds,
                "limit_s": self.setting.limit_s,
            }
            slot = Slot(
                name,
                [sys.executable, "-m", "tests.torture.client"],
                plan,
                self.logs / f"{name}.log",
                restarts=False,
            )
            slot.start()
            self.clients[name] = slot

    async def clients_ended(self, seconds: float) -> None:
        """Waits for the clients to end by themselves.

        Raises:
            RuntimeError: one failed, or is not done in time; its log says more.
        """
        async with asyncio.timeout(seconds):
            while any(slot.alive for slot in self.clients.values()):
                await asyncio.sleep(0.05)
        for slot in self.clients.values():
            if slot.popen is not None and slot.popen.returncode:
                raise RuntimeError(f"{slot.name} failed: see {slot.log}")

    async def _keep(self) -> None:
        """Starts again what has died, unless somebody holds it down."""
        while True:
            await asyncio.sleep(0.05)
            for slot in self.slots.values():
                if not slot.alive and not slot.held:
                    await asyncio.sleep(AGAIN_S)
                    if not slot.alive and not slot.held:
                        slot.start()

    def _end_processes(self) -> None:
        for slot in (*self.slots.values(), *self.clients.values()):
            slot.held = 1
            slot.kill()

    # -- being whole ----------------------------------------

    async def whole(self, seconds: float = 30.0) -> None:
        """Waits until every partition is held by one of the living hosts, each its share.

        Raises:
            TimeoutError: that did not come about.
        """
        async with asyncio.timeout(seconds):
            while not await self._is_whole():
                await asyncio.sleep(0.05)

    async def _is_whole(self) -> bool:
        try:
            table = await self.table()
            owners = set(table.owners)
            if "" in owners or len(owners) != self.setting.hosts:
                return False
            for owner in owners:
                status = await self.ask(owner, "status")
                if set(status["partitions"]) != table.of(owner) or not status["lease"]:
                    return False
        except HolodeckError:
            return False
        return True

    async def ask(self, incarnation: str, verb: str, seconds: float = 1.0) -> Any:
        """What a host (or ``tiles``) says to an operator."""
        reply = await self.broker.request(
            CTL_HOST.of(self.layout.ns, incarnation, verb), b"", timeout=seconds
        )
        return unpack(reply.data)

    async def server_back(self, seconds: float = 20.0) -> int:
        """Starts the server again; lets nobody in before the world sees all that happens.

        Returns:
            the journal's last sequence, before anybody could append to it.

        Raises:
            TimeoutError: it does not come up.
        """
        before = self.broker.server_id
        everybody = tuple(self.proxies)
        self.bar(*everybody)
        await self.server.start()
        async with asyncio.timeout(seconds):
            while not (self.broker.connected and self.broker.server_id != before):
                await asyncio.sleep(0.01)
            # From the beginning: a store that was put back is behind what was watched.
            await self._watch.stop()
            self._watch = await self._until_answered(self._begin_watching)
            await self._until_answered(self.table)
            end = await self._until_answered(self.broker.log(self.layout.checkpoints).end)
        await self.admit(*everybody)
        return int(end)

    async def _until_answered(self, ask: Callable[[], Awaitable[Any]]) -> Any:
        while True:
            with contextlib.suppress(HolodeckError):
                return await ask()
            await asyncio.sleep(0.02)

    # -- who may reach the server ----------------------------------------

    def bar(self, *names: str) -> None:
        """Cuts these off until as many :meth:`admit` have followed."""
        for name in names:
            self.barred[name] += 1
            self.proxies[name].cut(refuse=True)

    async def admit(self, *names: str) -> None:
        for name in names:
            self.barred[name] -= 1
            if not self.barred[name]:
                await self.proxies[name].admit()


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
