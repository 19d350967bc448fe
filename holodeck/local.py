"""Holodeck in one process: for notebooks, tests and small programs. No Ray.

The embedded nats-server is a real one; supervisor, hosts and tile emitter run on the caller's
event loop.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Literal

import structlog

from holodeck.actors.host import Host
from holodeck.actors.keeper import HostKeeper, TilesService
from holodeck.actors.projections import ProjectionsService
from holodeck.actors.supervisor import Supervisor
from holodeck.broker import EmbeddedServer, MemoryBroker, MemoryServer
from holodeck.broker.port import Broker
from holodeck.config import Settings, configure_logging, load_settings
from holodeck.deck import Deck
from holodeck.messages.session import MindKind
from holodeck.minds import Faculties, Mind
from holodeck.wiring import (
    Connection,
    faculties_of,
    given_connection,
    host_options,
    layout_of,
    projections_of,
    supervisor_options,
)


class Local:
    """A runtime in this process; ``async with holodeck.local() as deck``.

    Attributes:
        server: the embedded nats-server; None with another broker.
        hosts: the host slots.
    """

    def __init__(
        self,
        folder: str | Path | None = None,
        *,
        hosts: int = 1,
        broker: Literal["nats", "memory"] = "nats",
        minds: Faculties | Mapping[MindKind, Mind] | None = None,
        settings: Settings | None = None,
    ) -> None:
        """
        Args:
            folder: where the store lies and stays; None: a temporary one, gone at the end.
            broker: ``memory`` needs no server and forgets everything at the end.
        """
        self._temporary = folder is None and broker == "nats"
        self._folder = Path(folder) if folder is not None else None
        self._wanted = hosts
        self._kind = broker
        self._minds = minds
        self._faculties: Faculties | None = None
        self._settings = settings or load_settings()
        self.server: EmbeddedServer | None = None
        self.hosts: list[HostKeeper] = []
        self._memory: MemoryServer | None = None
        self._decks: list[Deck] = []
        self._logs = False

    async def __aenter__(self) -> Deck:
        return await self.start()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def runtime_connection(self) -> Broker:
        """One more connection with the runtime's rights."""
        if self._memory is not None:
            return MemoryBroker(self._memory)
        return await self._connection()

    async def start(self) -> Deck:
        """Starts everything and connects.

        Raises:
            StartupError: something needed is missing or taken.
        """
        settings = self._settings
        if not structlog.is_configured():
            # A guest in somebody's program: standard output is theirs, and so is the choice.
            told = "log_level" in settings.model_fields_set
            configure_logging(settings.log_level if told else "warning", settings.log_json)
            self._logs = True
        if self._kind == "memory":
            self._memory = MemoryServer()
        else:
            given = given_connection(settings)
            if given is None:
                if self._folder is None:
                    self._folder = Path(tempfile.mkdtemp(prefix="holodeck-"))
                self.server = EmbeddedServer(
                    self._folder,
                    ns=settings.namespace,
                    partitions=settings.partitions,
                    sync=settings.sync,
                    max_file_store=settings.max_bytes * 2,
                )
                await self.server.start()
                given = Connection(
                    self.server.url,
                    user=self.server.runtime.user,
                    password=self.server.runtime.password,
                )
            self._connection = given
        layout = layout_of(settings)
        self.layout = layout
        try:
            self.supervisor = Supervisor(
                self.runtime_connection, layout, supervisor_options(settings)
            )
            await self.supervisor.start()
            if self._minds is None:
                self._faculties = faculties_of(settings)
            minds = self._faculties if self._minds is None else self._minds
            for index in range(self._wanted):
                options = replace(
                    host_options(settings, f"host-{index}"), threaded_lease=self._memory is None
                )
                keeper = HostKeeper(
                    lambda lost, options=options: Host(  # type: ignore[misc]
                        self.runtime_connection, layout, options, minds=minds, on_lost=lost
                    )
                )
                await keeper.start()
                self.hosts.append(keeper)
            self.tiles = TilesService(self.runtime_connection, layout)
            await self.tiles.start()
            makers = projections_of(settings)
            if makers:
                self.projections = ProjectionsService(
                    self.runtime_connection,
                    layout,
                    makers,
                    keep_s=host_options(settings).keep_s,
                )
                await self.projections.start()
            return await self.deck()
        except BaseException:
            await self.stop()
            raise

    async def deck(self, *, deadline_s: float = 15.0) -> Deck:
        """One more client; with the embedded server it has a client's rights only."""

        async def connect() -> Broker:
            if self.server is None:
                return await self.runtime_connection()
            client = self.server.client
            return await Connection(
                self.server.url,
                user=client.user,
                password=client.password,
                inbox_prefix=self.server.client_inbox_prefix,
                reads="direct",
                name="holodeck-client",
            )()

        found = await Deck.open(connect, self.layout.ns, deadline_s=deadline_s)
        self._decks.append(found)
        return found

    async def stop(self) -> None:
        """Stops everything in good order; safe to call twice."""
        for deck in self._decks:
            await deck.close()
        self._decks.clear()
        for keeper in self.hosts:
            await keeper.stop()
        self.hosts.clear()
        if self._faculties is not None:
            await self._faculties.close()
            self._faculties = None
        for part in ("projections", "tiles", "supervisor"):
            service = self.__dict__.pop(part, None)
            if service is not None:
                await service.stop()
        if self.server is not None:
            await self.server.stop()
            self.server = None
        if self._temporary and self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        if self._logs:
            structlog.reset_defaults()
            self._logs = False


def local(
    folder: str | Path | None = None,
    *,
    hosts: int = 1,
    broker: Literal["nats", "memory"] = "nats",
    minds: Faculties | Mapping[MindKind, Mind] | None = None,
    settings: Settings | None = None,
) -> Local:
    """A runtime in this process; use it as ``async with holodeck.local() as deck``."""
    return Local(folder, hosts=hosts, broker=broker, minds=minds, settings=settings)
