"""The fleet's shell: answers who should get a task, and does what the fleet owes.

One law: a routing question changes nothing that is stored. What keeps a thousand of them from all
getting the same answer are reservations in memory: lost with the host, they are missed for five
seconds at most, and what is stored in the session counts.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any, Final

import structlog

from holodeck.actors.fleet.decider import FleetState, fleet
from holodeck.actors.fleet.mid import synthesise
from holodeck.actors.fleet.rigidity import Bracing, analyse
from holodeck.actors.fleet.routing import Reservations, route
from holodeck.actors.fleet.views import (
    agents_view,
    bracing_view,
    components_view,
    edges_view,
    figures_view,
)
from holodeck.actors.shell import FoldShell, House, Work
from holodeck.messages.codec import pack
from holodeck.messages.envelope import Answer
from holodeck.messages.errors import HolodeckError, RefusedError
from holodeck.messages.fleet import (
    FLEET,
    AskGraph,
    AskRoute,
    CloseWindow,
    Infer,
    ReadFleet,
    RecordEmergence,
)
from holodeck.messages.session import Crossing, ReportEmergence, TaskRouted

log = structlog.get_logger("holodeck.fleet")

ALERT_PATIENCE_S: Final = 10.0
"""How long a session is asked to take up an alert before it is asked again, seconds."""
LARGE: Final = 200
"""Edges above which the graph's rigidity is worked out in a thread: the loop has to go on. So many
take some 10 ms."""


class FleetShell(FoldShell):
    """The one fleet of a namespace, in the host that owns its partition.

    Attributes:
        held: load given away and not folded yet.
    """

    __slots__ = ("_due", "_paying", "_window", "held", "window_s")

    def __init__(self, house: House, partition: int, window_s: float) -> None:
        super().__init__(house, "fleet", FLEET, partition, fleet)
        self.held = Reservations()
        self.window_s = window_s
        self._window = -1  # how much had been read when it began
        self._due: float | None = house.time()  # when to look whether there is something to do
        self._paying = False

    @property
    def state(self) -> FleetState:
        found: FleetState = self._cell().state
        return found

    # -- questions ----------------------------------------

    def submit(self, work: Work) -> None:
        body = work.body
        if not isinstance(body, AskRoute | AskGraph | ReadFleet):
            super().submit(work)
            return
        self.used = self.house.time()
        # Questions take no place in the mailbox: they wait for the fold they ask for, and for what
        # was acknowledged before they came.
        after = max(getattr(body, "after", 0), self.wrote)

        def folded() -> None:
            self.house.when_ready(self._cell(), lambda: self._reply(work))

        self.house.when_folded(self.kind, self.partition, after, folded)

    def _reply(self, work: Work) -> None:
        if self.dropped or not self.house.valid():
            return
        body: AskRoute | AskGraph | ReadFleet = work.body
        match body:
            case AskRoute():
                self._route(work, body)
            case AskGraph():
                self._tell(work, self.state.seen_by(body.session, body.joins).model_dump())
            case ReadFleet(view="status"):
                self.house.spawn(self._status(work))
            case ReadFleet(view="agents"):
                self._tell(work, agents_view(self.state, body.limit))
            case ReadFleet(view="graph"):
                self.house.spawn(self._graph(work, body.limit))
            case ReadFleet():
                self._tell(work, self._advice())

    def _tell(self, work: Work, value: Any) -> None:
        self.house.answer(
            work, Answer(status="ok", sequence=self._cell().sequence, state=pack(value))
        )

    def _route(self, work: Work, ask: AskRoute) -> None:
        now = self.house.now()
        held = self.held
        held.expire(now)
        key = (ask.session, ask.task, ask.attempt)
        decision = held.get(key)
        if decision is None:
            state = self.state
            began = self.house.time()
            try:
                decision = route(state.roster, state.graph, held, ask)
            except RefusedError as error:
                self._refuse(work, error)
                return
            self.house.metrics.routing(self.house.time() - began, decision.routing.delta_h1)
            if decision.routing.agent:
                held.hold(key, decision, now)
        self._tell(work, decision.model_dump(exclude_defaults=True))

    async def _status(self, work: Work) -> None:
        view = figures_view(self.state) | {"reserved": len(self.held)}
        self._tell(work, view | bracing_view(await self._analysis()))

    async def _graph(self, work: Work, limit: int) -> None:
        view = edges_view(self.state, limit)
        self._tell(work, view | components_view(await self._analysis(), limit))

    async def _analysis(self) -> list[Bracing]:
        """How the graph is braced right now; a large one is looked at in a thread."""
        graph = self.state.graph
        if graph.edges <= LARGE:
            return analyse(graph)
        return await asyncio.to_thread(analyse, graph.copy())

    def _advice(self) -> dict[str, Any]:
        """The last that was stored, and what the open window shows so far. Advice only."""
        state = self.state
        open_window = synthesise(state.mid, self.house.now()) if state.gathered else None
        return {
            "advice": state.advice.model_dump(mode="json") if state.advice else None,
            "synthesis": state.synthesis.model_dump(mode="json") if state.synthesis else None,
            "open": open_window.model_dump(mode="json") if open_window else None,
        }

    # -- what was folded ----------------------------------------

    def saw(self, writer: str, events: Sequence[Any]) -> None:
        """The fleet has folded a checkpoint: reserved load is now real, and alerts may be owed."""
        if self.held:
            for event in events:
                if isinstance(event, TaskRouted):
                    self.held.settle((writer, event.task, event.attempt))
        if self.state.owed:
            self.pay()

    def _stored(self, work: Work, sequence: int, data: bytes) -> None:
        if self.flight is not None:
            self.house.metrics.observe(self.flight.events)
        super()._stored(work, sequence, data)

    # -- duties ----------------------------------------

    def tick(self) -> None:
        """Looks for what is due: alerts, a window that is over, a synthesis nobody has read."""
        now = self.house.time()
        cell = self.house.awake(self.kind, self.identity)
        if cell is None:
            if self._due is not None and now >= self._due and not self.dropped:
                self._cell()  # brings it back, for the next look
            return
        if self.busy or self.dropped:
            return
        state: FleetState = cell.state
        self.held.expire(self.house.now())
        if state.owed:
            self.pay()
        if state.synthesised > state.inferred:
            self.internal(f"infer.{state.synthesised}", Infer(sequence=state.synthesised))
        elif not state.gathered:
            self._due = None
        elif self._window != state.mid.closed or self._due is None:
            self._window, self._due = state.mid.closed, now + self.window_s
        elif now >= self._due:
            self.internal(f"mid.{self._window}", CloseWindow(read=self._window))

    def pay(self) -> None:
        """Tells the sessions whose links crossed a threshold, one after the other."""
        if not self._paying:
            self._paying = True
            self.house.spawn(self._pay())

    async def _pay(self) -> None:
        try:
            for crossing in self.state.owed:
                await self._alert(crossing)
        finally:
            self._paying = False

    async def _alert(self, crossing: Crossing) -> None:
        """Exactly one checkpoint says it: the session's, or the fleet's own where that one has
        ended. Both know by the crossing's number what they have said."""
        house = self.house
        name = f"emergence.{crossing.number}"
        try:
            answer = await house.command(
                "session",
                crossing.session,
                name,
                ReportEmergence(crossing=crossing),
                ALERT_PATIENCE_S,
            )
        except RefusedError:
            self.internal(name, RecordEmergence(crossing=crossing.number))
            return
        except HolodeckError as error:
            log.warning("alert.waits", crossing=crossing.number, reason=str(error))
            return
        # Until its checkpoint is folded it stands among the owed: not to be sent anew meanwhile.
        folded = asyncio.get_running_loop().create_future()

        def done() -> None:
            if not folded.done():
                folded.set_result(None)

        house.when_folded(self.kind, self.partition, answer.sequence, done)
        with contextlib.suppress(TimeoutError):  # the partition may have gone elsewhere
            await asyncio.wait_for(folded, ALERT_PATIENCE_S)
