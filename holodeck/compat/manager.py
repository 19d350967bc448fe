"""The session manager: starts sessions of one agent, and speaks for the newest of them.

One law: its sessions are independent; starting one leaves the others as they are.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from holodeck.compat import routers
from holodeck.compat.background import background
from holodeck.compat.config import SessionConfig, SessionOutcome, TaskOutcome, to_actor
from holodeck.compat.records import Decision, H1Status
from holodeck.compat.session import Session, labels, start, valid
from holodeck.messages.fleet import AskRoute


class SessionManager:
    """Starts sessions by one configuration.

    Attributes:
        config: read when a session starts.
    """

    def __init__(self, config: SessionConfig) -> None:
        """Connects to nothing yet."""
        self.config = config
        self._sessions: list[Session] = []
        self._last: Session | None = None
        self._lock = threading.Lock()

    @property
    def sessions(self) -> list[Session]:
        """Those of this manager that run, in the order they started."""
        with self._lock:
            started = list(self._sessions)
        running = [one for one in started if one.is_active]
        over = set(started) - set(running)
        with self._lock:
            self._sessions = [one for one in self._sessions if one not in over]
        return running

    @property
    def active_session(self) -> Session | None:
        """The newest that runs; None: none does."""
        running = self.sessions
        return running[-1] if running else None

    def get_active_session(self) -> Session | None:
        """As :attr:`active_session`."""
        return self.active_session

    def start_session(self) -> Session:
        """Starts one more session.

        The first call of a process connects to the runtime, or starts one; that takes seconds.

        Raises:
            InvalidValue: the configuration names something no session can have.
            StartupError: there is no runtime and none can be started.
            RefusedError: ``at-capacity``; ``store-full``.
        """
        session = start(self.config)
        with self._lock:
            self._sessions.append(session)
            self._last = session
        return session

    def end_session(
        self,
        outcome: SessionOutcome | TaskOutcome | str = SessionOutcome.SUCCESS,
        error: str | None = None,
    ) -> Session | None:
        """Ends the active session and gives it; without one nothing happens, and the last one that
        ended comes back, or None."""
        session = self.active_session
        return self._last if session is None else session.end_session(outcome, error)

    def route_task_h1(
        self,
        task_id: str,
        required_capabilities: Sequence[str] | None = None,
        prefer: Sequence[str] = (),
    ) -> Decision:
        """As :meth:`Session.route_task_h1` in the active session.

        Without an active session it is a question only: the decision says who would get the
        task, ``stored`` is False in it, and nobody was given anything.

        Raises:
            RefusedError: ``agents-full``: those who are capable have as many tasks as they take.
        """
        session = self.active_session
        if session is not None:
            return session.route_task_h1(task_id, required_capabilities, prefer)
        needed = labels(required_capabilities)
        found, problem = routers.asked(self.config, task_id, needed, prefer)
        if found is not None:
            return Decision.made(
                task_id,
                found.routing,
                found.reasoning,
                router=self.config.h1_router_url,
                stored=False,
            )
        back = background()
        ask = AskRoute(
            session="proposals",
            task=task_id,
            capabilities=needed,
            own=to_actor(self.config.agent_id),
            prefer=tuple(to_actor(agent) for agent in prefer),
            offset=self.config.emergence_threshold_offset,
        )
        return Decision.proposed(
            task_id, back.call(routers.propose(back.deck, ask)), router_error=problem
        )

    def register_agent(
        self, agent_id: str, capabilities: Sequence[str] = (), max_load: int = 0
    ) -> None:
        """Tells the fleet what an agent can do, or tells it anew.

        Args:
            max_load: how many tasks it takes at once; 0: any number.

        Raises:
            InvalidValue: an argument cannot be taken.
        """
        back = background()
        with valid():
            agent = to_actor(agent_id)
            back.call(back.deck.fleet.register(agent, labels(capabilities), max_load=max_load))

    def get_h1_status(self) -> H1Status:
        """The co-work graph in figures: of the configured router where routing is enabled, else of
        the runtime's own fleet. Where the router does not answer it is the fleet's, and
        ``router_error`` says why."""
        found, problem = routers.status(self.config)
        if found is not None:
            return found
        back = background()
        return H1Status.of(back.call(back.deck.fleet.status()), problem)
