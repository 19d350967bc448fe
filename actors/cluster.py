"""Holodeck's service actors as Ray actors; the only file that imports ray.

One law: Ray places processes and restarts them; nothing travels over it but these few calls.

Each Ray actor runs its service on an event loop of its own in a thread of its own: so it starts
again by itself when Ray restarts the process, without anyone calling it.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

import ray
import structlog
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from holodeck.actors.host import Host, HostOptions
from holodeck.actors.keeper import HostKeeper, TilesService
from holodeck.actors.lease import Holder
from holodeck.actors.projections import Projection, ProjectionsService
from holodeck.actors.supervisor import Supervisor, SupervisorOptions
from holodeck.actors.tiles import Sink
from holodeck.broker.port import Broker
from holodeck.broker.streams import Layout
from holodeck.messages.errors import StartupError
from holodeck.messages.session import MindKind
from holodeck.minds.port import Faculties, Mind

log = structlog.get_logger("holodeck.cluster")

NAMESPACE: Final = "holodeck"
"""The Ray namespace all actors are named in."""


@dataclass(frozen=True, slots=True)
class Blueprint:
    """Everything a service actor is made from; travels to its process as a pickle.

    Attributes:
        connect: opens a connection with the runtime's rights.
        prepare: called first in each process with the actor's name, to set logging up.
        minds: makes what a host thinks with.
        sinks: each sink's name and what makes it.
        projections: what makes each.
    """

    connect: Callable[[], Awaitable[Broker]]
    layout: Layout
    host: HostOptions
    supervisor: SupervisorOptions
    prepare: Callable[[str], None]
    minds: Callable[[], Faculties | Mapping[MindKind, Mind]]
    sinks: tuple[tuple[str, Callable[[], Sink]], ...] = ()
    tile_max_age_s: float = 0.0
    projections: tuple[Callable[[], Projection], ...] = ()
    env: dict[str, str] = field(default_factory=dict)

    @property
    def ns(self) -> str:
        return self.layout.ns


class _Service(Protocol):
    async def start(self) -> None: ...
    async def stop(self) -> None: ...


class _Loop:
    """A service on an event loop in a thread; a service that cannot start ends the process, so
    that Ray tries again."""

    def __init__(self, make: Callable[[], _Service]) -> None:
        self._make = make
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._service: _Service | None = None
        self._thread = threading.Thread(target=self._guarded, name="service", daemon=True)
        self._thread.start()

    def _guarded(self) -> None:
        """A process whose service is gone is of no use: Ray starts it again."""
        try:
            self._run()
        except BaseException as error:
            log.exception("service.died", exc_info=error)
            os._exit(1)

    def _run(self) -> None:
        # Messages live for microseconds and states for hours: looking for cycles at every 700
        # new objects finds none and costs a tenth of the time.
        gc.set_threshold(50_000, 20, 50)
        try:
            import uvloop

            run: Callable[[Coroutine[Any, Any, None]], None] = uvloop.run
        except ImportError:
            run = asyncio.run
        run(self._main())

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._done = asyncio.Event()
        service = self._make()
        try:
            await service.start()
        except Exception as error:
            log.exception("service.start-failed", exc_info=error)
            os._exit(1)
        self._service = service
        self._ready.set()
        await self._done.wait()
        await service.stop()

    def wait(self, seconds: float) -> bool:
        return self._ready.wait(seconds)

    def stop(self) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._done.set)
        self._thread.join(20.0)


def _node() -> str:
    return str(ray.get_runtime_context().get_node_id())


class _HostActor:
    def __init__(self, plan: Blueprint, name: str) -> None:
        plan.prepare(name)
        options = replace(plan.host, name=name, node=_node())

        def make() -> _Service:
            return HostKeeper(
                lambda lost: Host(
                    plan.connect, plan.layout, options, minds=plan.minds(), on_lost=lost
                )
            )

        self._service = _Loop(make)

    def ready(self, seconds: float) -> tuple[str, int]:
        """Waits until it runs; node and pid."""
        if not self._service.wait(seconds):
            raise StartupError("a host did not start in time", "See its log")
        return _node(), os.getpid()

    def stop(self) -> None:
        self._service.stop()


class _SupervisorActor:
    def __init__(self, plan: Blueprint) -> None:
        plan.prepare("supervisor")
        self._service = _Loop(
            lambda: Supervisor(
                plan.connect, plan.layout, plan.supervisor, launcher=_RayLauncher(plan.ns)
            )
        )

    def ready(self, seconds: float) -> tuple[str, int]:
        if not self._service.wait(seconds):
            raise StartupError("the supervisor did not start in time", "See its log")
        return _node(), os.getpid()

    def stop(self) -> None:
        self._service.stop()


class _TilesActor:
    def __init__(self, plan: Blueprint) -> None:
        plan.prepare("tiles")
        self._service = _Loop(
            lambda: TilesService(
                plan.connect, plan.layout, sinks=plan.sinks, max_age_s=plan.tile_max_age_s
            )
        )

    def ready(self, seconds: float) -> tuple[str, int]:
        if not self._service.wait(seconds):
            raise StartupError("the tile emitter did not start in time", "See its log")
        return _node(), os.getpid()

    def stop(self) -> None:
        self._service.stop()


class _ProjectionsActor:
    def __init__(self, plan: Blueprint) -> None:
        plan.prepare("projections")
        self._service = _Loop(
            lambda: ProjectionsService(
                plan.connect, plan.layout, plan.projections, keep_s=plan.host.keep_s
            )
        )

    def ready(self, seconds: float) -> tuple[str, int]:
        if not self._service.wait(seconds):
            raise StartupError("the projections did not start in time", "See their log")
        return _node(), os.getpid()

    def stop(self) -> None:
        self._service.stop()


class _RayLauncher:
    """Kills what the supervisor replaced; Ray starts it again."""

    def __init__(self, ns: str) -> None:
        self._ns = ns

    async def kill(self, holder: Holder) -> None:
        if holder.same_machine():
            if not holder.known_dead():
                os.kill(holder.pid, signal.SIGKILL)
            return
        try:
            actor = await asyncio.to_thread(
                ray.get_actor, actor_name(self._ns, holder.host), NAMESPACE
            )
        except ValueError:
            return
        ray.kill(actor, no_restart=False)


def _quieten() -> None:
    """Keeps Ray from reporting home and from talking into the terminal of whoever starts us.

    What is set already stays; errors are still shown.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Ray lets its workers step back behind every other process (niceness 15). Ours are no batch
    # jobs: a host that waits for a core keeps its clients waiting.
    os.environ.setdefault("RAY_worker_niceness", "0")
    logging.getLogger("ray").setLevel(logging.ERROR)


def _nodes() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    return found


def actor_name(ns: str, part: str) -> str:
    """A Ray actor's name: ``<ns>-supervisor``, ``<ns>-tiles``, ``<ns>-host-0``."""
    return f"{ns}-{part}"


@dataclass(frozen=True, slots=True)
class Placed:
    """One running service actor."""

    name: str
    node: str
    pid: int
    actor: Any = field(repr=False, compare=False)


class Cluster:
    """The service actors of one namespace on one Ray cluster.

    Args:
        address: of a Ray cluster to join; None starts one on this machine.
    """

    def __init__(self, plan: Blueprint, *, address: str | None = None) -> None:
        self._plan = plan
        self._address = address
        self._started_ray = False
        self._env = {"env_vars": plan.env} if plan.env else {}
        self.services: dict[str, Placed] = {}

    @property
    def connected(self) -> bool:
        """Whether this process has joined Ray."""
        return bool(ray.is_initialized())

    def connect(self) -> None:
        """Joins Ray, or starts it.

        Raises:
            StartupError: there is no Ray at the address.
        """
        if ray.is_initialized():
            return
        _quieten()
        options: dict[str, Any] = {
            "namespace": NAMESPACE,
            "log_to_driver": False,
            "configure_logging": False,
        }
        try:
            if self._address is None:
                # Services wait for messages most of the time; what they need is placed by
                # spreading, not by counting cores.
                # ``local``, or Ray would join whatever cluster was last started on this machine,
                # with somebody else's actors under our names.
                ray.init(address="local", include_dashboard=False, **options)
                self._started_ray = True
            else:
                ray.init(address=self._address, **options)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise StartupError(
                f"no Ray cluster at {self._address or 'this machine'}: {error}",
                "Check --ray, or leave it out to start one here",
            ) from error

    def start(self, hosts: int, *, seconds: float = 60.0) -> None:
        """Starts supervisor, hosts, tile emitter and, where there are any, projections, and waits
        until all run.

        Raises:
            StartupError: one of them did not come up in time.
        """
        names = ["supervisor", "tiles", *(f"host-{index}" for index in range(hosts))]
        if self._plan.projections:
            names.append("projections")
        # The supervisor declares the streams; the others need them.
        self._launch("supervisor", seconds)
        actors = {name: self._make(name) for name in names[1:]}
        for name, actor in actors.items():
            self._placed(name, actor, seconds)

    def add_host(self, name: str, *, seconds: float = 60.0) -> Placed:
        """One more host."""
        return self._launch(name, seconds)

    def _launch(self, name: str, seconds: float) -> Placed:
        return self._placed(name, self._make(name), seconds)

    def _make(self, name: str) -> Any:
        kind: Any
        arguments: Sequence[Any] = (self._plan,)
        match name:
            case "supervisor":
                kind = _SupervisorActor
            case "tiles":
                kind = _TilesActor
            case "projections":
                kind = _ProjectionsActor
            case _:
                kind, arguments = _HostActor, (self._plan, name)
        options: dict[str, Any] = {
            "name": actor_name(self._plan.ns, name),
            "lifetime": "detached",
            "get_if_exists": True,
            "max_restarts": -1,
            "num_cpus": 0,
            "scheduling_strategy": self._place(name),
            "max_concurrency": 4,
        }
        if self._env:
            options["runtime_env"] = self._env
        return ray.remote(kind).options(**options).remote(*arguments)

    def _place(self, name: str) -> Any:
        """Hosts go over the nodes in turn, each bound to its node; the rest anywhere.

        A mere wish (``soft``) Ray fulfils in about half of all cases, or has both hosts of two
        nodes on one of them. If a node is lost, the hosts of the others take its partitions over.
        """
        _, _, number = name.rpartition("-")
        if not number.isdigit():
            return "SPREAD"
        nodes = sorted(str(node["NodeID"]) for node in _nodes() if node["Alive"])
        return NodeAffinitySchedulingStrategy(nodes[int(number) % len(nodes)], soft=False)

    def _placed(self, name: str, actor: Any, seconds: float) -> Placed:
        give_up = time.monotonic() + seconds
        while True:
            left = give_up - time.monotonic()
            try:
                node, pid = ray.get(actor.ready.remote(left), timeout=left + 5)
                break
            except (ray.exceptions.RayError, StartupError) as error:
                # Ray restarts a process that died on its way up: it is asked again, in time.
                gone = isinstance(error, ray.exceptions.RayActorError)
                if not gone or left <= 1.0:
                    raise StartupError(f"{name} did not start: {error}", "See its log") from error
                time.sleep(0.5)
        placed = self.services[name] = Placed(name, node, pid, actor)
        return placed

    def where(self, name: str, *, seconds: float = 30.0) -> Placed:
        """A service as it stands now; after a restart it has another pid."""
        return self._placed(name, self.services[name].actor, seconds)

    def kill(self) -> None:
        """Ends what this object started at once, without laying anything down."""
        for placed in list(self.services.values()):
            try:
                ray.kill(placed.actor, no_restart=True)
            except ray.exceptions.RayError as error:
                log.warning("service.kill-failed", name=placed.name, reason=str(error)[:300])

    def stop(self) -> None:
        """Stops what this object started, hosts in good order first, and nothing else."""
        last = ("tiles", "projections", "supervisor")
        order = sorted(self.services, key=lambda name: last.index(name) if name in last else -1)
        for name in order:
            actor = self.services[name].actor
            try:
                ray.get(actor.stop.remote(), timeout=25)
            except ray.exceptions.RayError as error:
                log.warning("service.stop-failed", name=name, reason=str(error)[:300])
            ray.kill(actor, no_restart=True)
        self.services.clear()
        if self._started_ray:
            ray.shutdown()
            self._started_ray = False
