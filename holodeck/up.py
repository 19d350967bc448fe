"""The whole runtime on one machine (or joined to others): what ``holodeck up`` runs.

One law: it stops everything it started, and nothing else.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr

from holodeck.actors.cluster import Blueprint, Cluster, Placed
from holodeck.actors.tiles import JsonlSink, Sink
from holodeck.broker import EmbeddedServer, Users
from holodeck.config import Settings, configure_logging
from holodeck.deck import Deck
from holodeck.messages.errors import HolodeckError, StartupError
from holodeck.wiring import (
    DAY_S,
    Connection,
    RuntimeFile,
    faculties_of,
    given_connection,
    host_options,
    layout_of,
    projections_of,
    runtime_path,
    supervisor_options,
)

ROOT: Final = Path(__file__).resolve().parent.parent
"""Where the package ``holodeck`` lies, so that Ray's workers find the same code."""


def prepare(folder: str, level: str, name: str) -> None:
    """Sets logging up in a service process: one JSON line an event, one file a service."""
    logs = Path(folder) / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    stream = (logs / f"{name}.log").open("a", buffering=1)
    configure_logging(level, True, stream=stream)
    logging.getLogger("nats").addHandler(logging.StreamHandler(stream))


def jsonl_sink(folder: str) -> JsonlSink:
    """The tiles as a file of JSON lines."""
    (Path(folder) / "tiles").mkdir(parents=True, exist_ok=True)
    return JsonlSink(Path(folder) / "tiles" / "tiles.jsonl")


def plato_sink(url: str, room: str, token: SecretStr | None) -> Sink:
    """The tiles at a PLATO server."""
    # Here, because only the process of the tiles needs an HTTP client, and it is not small.
    from holodeck.actors.tiles.plato import PlatoSink

    return PlatoSink(url, room=room, token=token)


@dataclass(frozen=True, slots=True)
class Where:
    """What was started, and where it is.

    Attributes:
        nats: address of the broker, without secrets; ``embedded``: it is ours.
        services: supervisor, tile emitter and hosts with their processes.
        ready_s: seconds the start took.
    """

    nats: str
    embedded: bool
    ray: str
    services: Mapping[str, Placed]
    folder: Path
    tiles: Path
    logs: Path
    ready_s: float


class Runtime:
    """nats-server, Ray cluster, supervisor, hosts and tile emitter, as the settings say."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.folder = settings.state_path
        self.server: EmbeddedServer | None = None
        self.cluster: Cluster | None = None
        self._file = runtime_path(settings)
        self._wrote = False

    async def start(self) -> Where:
        """Starts everything and waits until every partition is owned.

        Raises:
            StartupError: something needed is missing, taken or too old; the text says what to do.
        """
        began = asyncio.get_running_loop().time()
        settings = self.settings
        running = RuntimeFile.read(self._file)
        if running is not None and running.pid != os.getpid():
            raise StartupError(
                f"a runtime runs here already (process {running.pid}, {self.folder})",
                "Stop it, or give this one another HOLODECK_STATE_DIR",
            )
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StartupError(
                f"cannot write to {self.folder}: {error.strerror}",
                "Name a folder of yours in HOLODECK_STATE_DIR",
            ) from error
        try:
            connection = given_connection(settings)
            client = connection
            if connection is None:
                connection, client = await self._embed()
            assert client is not None
            self.connection = connection
            self.client = client
            plan = Blueprint(
                connect=replace(connection, name="holodeck-runtime"),
                layout=layout_of(settings),
                host=host_options(settings),
                supervisor=supervisor_options(settings),
                prepare=partial(prepare, str(self.folder), settings.log_level),
                minds=partial(faculties_of, settings),
                sinks=tuple(self._sinks()),
                tile_max_age_s=settings.tile_max_age_days * DAY_S,
                projections=projections_of(settings),
                env={"PYTHONPATH": os.pathsep.join(_python_path())},
            )
            self.cluster = Cluster(plan, address=settings.ray_address)
            await asyncio.to_thread(self.cluster.connect)
            await asyncio.to_thread(self.cluster.start, settings.hosts)
            await self._owned()
        except BaseException:
            await self.stop()
            raise
        self.write_file("")
        loop = asyncio.get_running_loop()
        return Where(
            nats=connection.url,
            embedded=self.server is not None,
            ray=settings.ray_address or "started on this machine",
            services=self.cluster.services,
            folder=self.folder,
            tiles=self.folder / "tiles" / "tiles.jsonl",
            logs=self.folder / "logs",
            ready_s=loop.time() - began,
        )

    def _sinks(self) -> Iterator[tuple[str, Callable[[], Sink]]]:
        settings = self.settings
        yield "jsonl", partial(jsonl_sink, str(self.folder))
        if settings.plato_url is not None:
            yield (
                "plato",
                partial(plato_sink, settings.plato_url, settings.plato_room, settings.plato_token),
            )

    def write_file(self, http: str) -> None:
        """Lets other programs of this user find the runtime; ``http``: where metrics are."""
        RuntimeFile(
            os.getpid(),
            self.settings.namespace,
            self.client,
            self.connection,
            http,
            str(self.folder),
        ).write(self._file)
        self._wrote = True

    async def _embed(self) -> tuple[Connection, Connection]:
        settings = self.settings
        self.server = EmbeddedServer(
            self.folder / "nats",
            ns=settings.namespace,
            partitions=settings.partitions,
            users=_kept_users(self.folder / "nats-users.json"),
            sync=settings.sync,
            max_file_store=settings.max_bytes * 2,
        )
        await self.server.start()
        url = self.server.url
        runtime, client = self.server.runtime, self.server.client
        return (
            Connection(url, user=runtime.user, password=runtime.password),
            Connection(
                url,
                user=client.user,
                password=client.password,
                inbox_prefix=self.server.client_inbox_prefix,
                reads="direct",
                name="holodeck-client",
            ),
        )

    async def _owned(self, seconds: float = 30.0) -> None:
        """Waits until every host is known, every partition answers to somebody, and no host has
        to hand any over any more."""
        deck = await self.deck()
        try:
            async with asyncio.timeout(seconds):
                while True:
                    status = await deck.status()
                    held = [len(host.get("partitions", ())) for host in status["hosts"]]
                    whole = sum(held) == status["partitions"] and len(held) >= self.settings.hosts
                    if whole and max(held) - min(held) <= 1:
                        return
                    await asyncio.sleep(0.05)
        except TimeoutError as error:
            raise StartupError(
                "the hosts did not take all partitions in time", f"See {self.folder / 'logs'}"
            ) from error
        finally:
            await deck.close()

    async def deck(self, *, deadline_s: float = 15.0) -> Deck:
        """A client of this runtime, with a client's rights only."""
        return await Deck.open(self.client, self.settings.namespace, deadline_s=deadline_s)

    async def stop(self) -> None:
        """Drains and stops what :meth:`start` started."""
        if self.cluster is not None:
            await asyncio.to_thread(self.cluster.stop)
            self.cluster = None
        if self.server is not None:
            await self.server.stop()
            self.server = None
        if self._wrote:
            self._file.unlink(missing_ok=True)
            self._wrote = False

    def kill(self) -> None:
        """For those who will not wait for :meth:`stop`: ends the services on Ray at once.

        A Ray and a nats-server started here end with this process, which is to end next.
        """
        if self.cluster is not None:
            self.cluster.kill()
        if self._wrote:
            self._file.unlink(missing_ok=True)


class DeckStatus:
    """What the HTTP door asks: the metrics of all hosts, and what keeps us from being ready."""

    def __init__(self, deck: Deck) -> None:
        self._deck = deck

    async def metrics(self) -> Mapping[str, bytes]:
        return await self._deck.metrics()

    async def ready(self) -> list[str]:
        """Problems, one sentence each; empty when ready."""
        if not self._deck.broker.connected:
            return ["the broker is not connected"]
        try:
            status: dict[str, Any] = await self._deck.status()
        except HolodeckError as error:
            return [f"the supervisor does not answer: {error}"]
        problems = []
        held = sum(len(host.get("partitions", ())) for host in status["hosts"])
        if held < status["partitions"]:
            problems.append(f"{status['partitions'] - held} partitions have no owner")
        if status["full"]:
            problems.append("the journal is above its watermark")
        return problems


def _kept_users(path: Path) -> Users:
    """The embedded server's passwords, random and kept from one start to the next."""
    try:
        raw = json.loads(path.read_text())
        return Users(runtime=raw["runtime"], client=raw["client"])
    except (OSError, ValueError, KeyError):
        users = Users(runtime=secrets.token_urlsafe(24), client=secrets.token_urlsafe(24))
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        json.dump({"runtime": users.runtime, "client": users.client}, file)
    return users


def _python_path() -> list[str]:
    given = os.environ.get("PYTHONPATH", "")
    return [str(ROOT), *(part for part in given.split(os.pathsep) if part and part != str(ROOT))]
