"""The composition root: settings in, connected parts out.

One law: this is where settings are read and adapters chosen; everything below is handed what it
needs.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from holodeck.actors.host import HostOptions
from holodeck.actors.supervisor import SupervisorOptions
from holodeck.broker import Broker, CredsFile, Password, Token
from holodeck.broker.nats import Reads
from holodeck.broker.nats import connect as connect_nats
from holodeck.broker.streams import Layout, layout
from holodeck.config import Settings, load_settings
from holodeck.messages.errors import StartupError
from holodeck.minds import Faculties

if TYPE_CHECKING:
    from holodeck.actors.projections import Projection
    from holodeck.messages.player import CrisisResource
    from holodeck.minds.personas import Library
    from holodeck.minds.safety import KeywordSafety

DAY_S: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach a broker; can be pickled, and called to open one connection.

    Attributes:
        user, password, token, creds: who we are; at most one kind is given.
        inbox_prefix: what the subjects of our answers begin with.
        reads: ``direct`` for a user who may create no consumers.
    """

    url: str
    user: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    creds: str = ""
    inbox_prefix: str = "_INBOX"
    reads: Reads = "consumer"
    name: str = "holodeck"

    async def __call__(self) -> Broker:
        """Opens it.

        Raises:
            StartupError: nobody answers there, or we are not let in.
        """
        credentials: Password | Token | CredsFile | None = None
        if self.user:
            credentials = Password(self.user, self.password)
        elif self.token:
            credentials = Token(self.token)
        elif self.creds:
            credentials = CredsFile(self.creds)
        return await connect_nats(
            self.url,
            credentials=credentials,
            name=self.name,
            inbox_prefix=self.inbox_prefix,
            reads=self.reads,
        )


@dataclass(frozen=True, slots=True)
class RuntimeFile:
    """What a running ``holodeck up`` tells other programs of this user on this machine.

    Kept in ``<state_dir>/runtime.json``, readable by the user alone: it holds passwords.

    Attributes:
        pid: of the process that runs it.
        client: how programs connect; ``runtime``: how hosts do.
        http: where metrics and health are served.
        folder: where store, tiles and logs lie.
    """

    pid: int
    ns: str
    client: Connection
    runtime: Connection
    http: str
    folder: str

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".new")
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as file:
            json.dump(asdict(self), file)
        fresh.replace(path)

    @staticmethod
    def read(path: Path) -> RuntimeFile | None:
        """The file's content if the process that wrote it still runs."""
        try:
            raw: dict[str, Any] = json.loads(path.read_text())
            found = RuntimeFile(
                **{
                    **raw,
                    "client": Connection(**raw["client"]),
                    "runtime": Connection(**raw["runtime"]),
                }
            )
        except (OSError, ValueError, TypeError, KeyError):
            return None
        return found if _alive(found.pid) else None


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def runtime_path(settings: Settings) -> Path:
    return settings.state_path / "runtime.json"


def given_connection(settings: Settings, name: str = "holodeck") -> Connection | None:
    """The connection the settings name; None if they name none."""
    if settings.nats_url is None:
        return None
    return Connection(
        settings.nats_url,
        user=settings.nats_user or "",
        password=settings.nats_password.get_secret_value() if settings.nats_password else "",
        token=settings.nats_token.get_secret_value() if settings.nats_token else "",
        creds=str(settings.nats_creds) if settings.nats_creds else "",
        name=name,
    )


def find_connection(settings: Settings | None = None) -> tuple[Connection, str]:
    """How a program reaches the runtime, and its namespace.

    ``HOLODECK_NATS_URL`` if set, else the runtime that runs on this machine.

    Raises:
        StartupError: neither is there.
    """
    settings = settings or load_settings()
    given = given_connection(settings, "holodeck-client")
    if given is not None:
        return given, settings.namespace
    running = RuntimeFile.read(runtime_path(settings))
    if running is None:
        raise StartupError(
            "no runtime is running here and HOLODECK_NATS_URL is not set",
            "Start one with `holodeck up`, or name a NATS server",
        )
    return running.client, running.ns


def layout_of(settings: Settings) -> Layout:
    return layout(settings.namespace, max_bytes=settings.max_bytes, replicas=settings.replicas)


def host_options(settings: Settings, name: str = "host", node: str = "") -> HostOptions:
    return HostOptions(
        name=name,
        node=node,
        partitions=settings.partitions,
        mailbox=settings.mailbox,
        idle_sleep_s=settings.idle_sleep_s,
        flush_s=settings.flush_s,
        mid_window_s=settings.mid_window_s,
        lease_s=settings.lease_s,
        lease_renew_s=settings.lease_renew_s,
        keep_s=settings.keep_days * DAY_S,
        abandon_s=settings.abandon_s,
        max_sessions=settings.max_sessions_per_host,
    )


def supervisor_options(settings: Settings) -> SupervisorOptions:
    return SupervisorOptions(
        partitions=settings.partitions,
        lease_s=settings.lease_s,
        max_sessions=settings.max_sessions_per_host,
        projections=projection_names(settings),
    )


def redis_projection(settings: Settings) -> Projection:
    """Sessions and players' progress in Redis."""
    # Here and below, because only the process of the projections needs these libraries.
    from holodeck.actors.projections.redis_store import RedisProjection

    assert settings.redis_url is not None
    return RedisProjection(
        settings.redis_url,
        user=settings.redis_user,
        password=settings.redis_password.get_secret_value() if settings.redis_password else None,
        session_prefix=settings.redis_session_prefix,
        player_prefix=settings.redis_player_prefix,
        ttl_s=settings.redis_ttl_s,
        own=f"holodeck:{settings.namespace}:projection:redis",
    )


def graph_file(settings: Settings) -> Path:
    """Where the embedded graph lies."""
    path = settings.graph_path
    if path is not None:
        return path.expanduser().absolute()
    return settings.state_path / "graph" / "holodeck.lbug"


def graph_projection(settings: Settings) -> Projection:
    """The property graph, in a file or in Neo4j."""
    from holodeck.actors.projections import GraphProjection, GraphStore

    graph: GraphStore
    if settings.graph == "neo4j":
        from holodeck.actors.projections.neo4j_store import Neo4jGraph

        assert settings.neo4j_url is not None
        secret = settings.neo4j_password
        graph = Neo4jGraph(
            settings.neo4j_url,
            user=settings.neo4j_user,
            password=secret.get_secret_value() if secret else None,
            ns=settings.namespace,
        )
    else:
        from holodeck.actors.projections.embedded import EmbeddedGraph

        graph = EmbeddedGraph(graph_file(settings))
    from holodeck.minds.worlds import WorldLibrary

    folders = [folder.expanduser() for folder in world_folders(settings)]
    library = WorldLibrary(folders, personas=library_of(settings))
    found = ((name, library.get(name)) for name in library.names())
    worlds = {name: world.name for name, world in found if world is not None}
    return GraphProjection(graph, worlds)


def projection_names(settings: Settings) -> tuple[str, ...]:
    """Names of the projections the settings ask for, in the order of :func:`projections_of`."""
    redis = ("redis",) if settings.redis_url is not None else ()
    return (*redis, "graph") if settings.graph != "none" else redis


def projections_of(settings: Settings) -> tuple[Callable[[], Projection], ...]:
    """What makes each projection the settings ask for.

    Raises:
        StartupError: the library one of them needs is not installed.
    """
    found: list[Callable[[], Projection]] = []
    if settings.redis_url is not None:
        _need("redis", "redis", "HOLODECK_REDIS_URL")
        found.append(partial(redis_projection, settings))
    if settings.graph != "none":
        if settings.graph == "neo4j":
            _need("neo4j", "neo4j", "HOLODECK_GRAPH=neo4j")
        else:
            _need("ladybug", "graph", "HOLODECK_GRAPH=embedded")
        found.append(partial(graph_projection, settings))
    return tuple(found)


def _need(module: str, extra: str, setting: str) -> None:
    if find_spec(module) is None:
        raise StartupError(
            f"{setting} needs the package {module}, which is not installed",
            f"pip install 'holodeck-sessions[{extra}]'",
        )


def persona_folders(settings: Settings) -> list[Path]:
    """Where further personas lie."""
    return [settings.personas] if settings.personas is not None else []


def curriculum_folders(settings: Settings) -> list[Path]:
    """Where further curricula lie."""
    return [settings.curricula] if settings.curricula is not None else []


def world_folders(settings: Settings) -> list[Path]:
    """Where further worlds lie."""
    return [settings.worlds] if settings.worlds is not None else []


def library_of(settings: Settings) -> Library:
    """The personas that come with the program, and those of the settings' folder.

    Raises:
        PersonaError: one of them cannot be used.
    """
    # Here and below not at the top: who only speaks to a runtime loads none of it.
    from holodeck.minds.personas import Library

    return Library([folder.expanduser() for folder in persona_folders(settings)])


def resources_of(settings: Settings | None = None) -> tuple[CrisisResource, ...]:
    """Whom players can turn to.

    Raises:
        StartupError: the file that is set cannot be used.
    """
    from holodeck.minds.safety import load_resources

    return load_resources((settings or load_settings()).resources)


def safety_of(settings: Settings) -> KeywordSafety | None:
    """Who looks at what players write, for a process that carries no host; None: nobody.

    Raises:
        StartupError: as in :func:`resources_of`.
    """
    from holodeck.minds.safety import KeywordSafety

    return KeywordSafety(resources_of(settings)) if settings.safety == "keyword" else None


def faculties_of(settings: Settings) -> Faculties:
    """What a host thinks with.

    Raises:
        PersonaError, CurriculumError, WorldError, StartupError: as in :func:`minds_of`.
    """
    from holodeck.minds import minds_of

    return minds_of(
        model_url=settings.model_url,
        model_key=settings.model_key,
        model_name=settings.model_name,
        model_timeout_s=settings.model_timeout_s,
        model_retries=settings.model_retries,
        model_budget_tokens=settings.model_budget_tokens,
        embedding_url=settings.embedding_url,
        embedding_key=settings.embedding_key,
        embedding_name=settings.embedding_name,
        personas=persona_folders(settings),
        curricula=curriculum_folders(settings),
        worlds=world_folders(settings),
        safety=settings.safety,
        resources=settings.resources,
    )
