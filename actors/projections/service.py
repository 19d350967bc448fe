"""All projections of a deployment, on a connection of their own.

One law: they share a process and nothing else; one that waits for its store holds up none of the
others.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import structlog

from holodeck.actors.metrics import Metrics
from holodeck.actors.projections.port import Projection
from holodeck.actors.projections.runner import ProjectionRunner
from holodeck.actors.table import known_deployment
from holodeck.broker.port import Broker, Delivery
from holodeck.broker.streams import Layout
from holodeck.messages.codec import pack, unpack
from holodeck.messages.errors import DecodeError, StartupError, TransientError
from holodeck.messages.subjects import ANY, CTL_HOST

PROJECTIONS_HOST: Final = "projections"
"""The name the service is asked under, in place of a host's incarnation."""

log = structlog.get_logger("holodeck.projections")


class ProjectionsService:
    """Runs projections.

    Args:
        makers: of each projection.
        keep_s: seconds after its end at which a session may be archived.

    Attributes:
        runners: by the projection's name.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[Broker]],
        layout: Layout,
        makers: Sequence[Callable[[], Projection]],
        *,
        keep_s: float = 0.0,
        metrics: Metrics | None = None,
    ) -> None:
        self._connect, self._layout, self._makers = connect, layout, makers
        self._keep_s = keep_s
        self.metrics = metrics or Metrics()
        self.runners: dict[str, ProjectionRunner] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._obeyed: deque[str] = deque(maxlen=256)

    async def start(self) -> None:
        """Begins to fill; the streams must have been declared. No store needs to be there.

        Raises:
            StartupError: the broker cannot be reached, no deployment was ever started on it, or
                two projections have one name.
        """
        self.broker = await self._connect()
        found = await known_deployment(self.broker.bucket(self._layout.cluster))
        if found is None:
            raise StartupError("no runtime was ever started here", "Start the supervisor first")
        for make in self._makers:
            projection = make()
            if projection.name in self.runners:
                raise StartupError(
                    f"two projections are called {projection.name}", "Give each its own name"
                )
            self.runners[projection.name] = ProjectionRunner(
                self.broker,
                self._layout,
                self.metrics,
                projection,
                found.partitions,
                keep_s=self._keep_s,
            )
        await self.broker.subscribe(
            CTL_HOST.of(self._layout.ns, PROJECTIONS_HOST, ANY), self._on_ctl
        )
        for runner in self.runners.values():
            await runner.start()

    async def stop(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(runner.stop() for runner in self.runners.values()))
        await self.broker.close()

    async def status(self) -> list[dict[str, Any]]:
        """A row a projection, see :meth:`ProjectionRunner.status`.

        Raises:
            Unavailable, BrokerError: the broker does not answer.
        """
        return [await runner.status() for runner in self.runners.values()]

    def rebuild(self, name: str, intent: str | None = None) -> bool:
        """Whether there is such a projection; it then begins anew, once for the same intent."""
        runner = self.runners.get(name)
        if intent is not None:
            if intent in self._obeyed:
                return runner is not None
            self._obeyed.append(intent)
        if runner is not None:
            log.info("projection is to be rebuilt", projection=name)
            runner.rebuild()
        return runner is not None

    # --- being spoken to ----------------------------------------

    def _on_ctl(self, delivery: Delivery) -> None:
        task = asyncio.get_running_loop().create_task(self._ctl(delivery))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ctl(self, delivery: Delivery) -> None:
        try:
            match delivery.subject.rpartition(".")[2]:
                case "metrics":
                    data = self.metrics.dump()
                case "status":
                    data = pack(await self.status())
                case "rebuild":
                    name, intent = unpack(
                        delivery.data, delivery.subject
                    )  # the supervisor's own words
                    data = pack(self.rebuild(str(name), intent))
                case _:
                    data = pack(None)
        except (TransientError, DecodeError) as error:
            log.warning("projections.not-answered", subject=delivery.subject, reason=str(error))
            return
        if delivery.reply:
            self.broker.post(delivery.reply, data)
