"""One session and its tasks, as the published library shows them.

One law: an object holds nothing of its own but what it was given; what it says of a session is the
fold of that session's checkpoints, by the runtime's own rules.

It knows what its own calls led to at once. What others do to the session (timers, the fleet,
another program) it reads from the journal: when a deadline has passed, when something is refused,
on :meth:`Session.refresh`, and while the configuration has callbacks, as it happens.
"""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Final, Self, cast

import structlog
from pydantic import ValidationError

from holodeck.actors.decider import Moment
from holodeck.actors.session import Phase, SessionState, next_deadline, seen_patterns
from holodeck.actors.session import Task as TaskState
from holodeck.actors.session import session as rules
from holodeck.actors.session.decider import collaborators
from holodeck.broker.port import Record
from holodeck.compat import routers
from holodeck.compat.background import background, callbacks
from holodeck.compat.config import (
    DEFAULT_PLATO_URL,
    SessionConfig,
    SessionOutcome,
    TaskOutcome,
    TaskPriority,
    from_actor,
    given_url,
    to_actor,
    to_millis,
    to_outcome,
    to_priority,
)
from holodeck.compat.errors import (
    InvalidValue,
    TaskAlreadyEnded,
    UnknownSession,
    UnknownTask,
    typed,
)
from holodeck.compat.records import Decision, EmergenceAlert
from holodeck.compat.watching import Watch
from holodeck.deck import Deck
from holodeck.messages import session as contract
from holodeck.messages.codec import decode_checkpoint, explain
from holodeck.messages.envelope import AnyEvent
from holodeck.messages.errors import RefusedError
from holodeck.messages.fleet import AskRoute
from holodeck.messages.fleet import Decision as FleetDecision
from holodeck.messages.ids import new_id
from holodeck.messages.session import (
    AddTask,
    CompleteTask,
    Crossing,
    EmergenceDetected,
    End,
    EndReason,
    ReportError,
    RetryTask,
    RouteTask,
    SessionEnded,
    SessionErred,
    SessionStarted,
    StartTask,
    TaskAdded,
    TaskCompleted,
    TaskRouted,
)
from holodeck.session import Step

ALERTS_S: Final = 2.0
"""Seconds the end of a session waits for alerts that its own links caused."""
_VISIBLE_S: Final = 10.0
"""Seconds until what is stored can be read."""
_LONGEST: Final = 1000
"""Characters of an error that the runtime keeps."""

log = structlog.get_logger("holodeck.compat")


class Task:
    """One task of a session. Reading an attribute asks nobody, unless a deadline has passed.

    Attributes:
        task_id: its id inside the session.
        data: what it was added with.
    """

    def __init__(self, session: Session, task_id: str, data: Any) -> None:
        self._session = session
        self.task_id = task_id
        self.data = data

    def __repr__(self) -> str:
        outcome = self.outcome
        state = outcome.value if outcome is not None else "open"
        return f"Task({self.task_id!r}, attempt {self.attempt}, {state})"

    @property
    def priority(self) -> TaskPriority:
        return to_priority(self._state.priority)

    @property
    def required_capabilities(self) -> list[str]:
        return list(self._state.capabilities)

    @property
    def attempt(self) -> int:
        """1 for the first; :meth:`retry` counts on."""
        return self._state.attempt

    @property
    def outcome(self) -> TaskOutcome | None:
        """How this attempt came out; None while it is open."""
        outcome = self._state.outcome
        return None if outcome is None else TaskOutcome(outcome.value)

    @property
    def is_complete(self) -> bool:
        return self._state.outcome is not None

    @property
    def is_success(self) -> bool:
        return self._state.outcome is contract.Outcome.SUCCESS

    @property
    def started_at(self) -> float | None:
        """Seconds since 1970 UTC; None before it starts."""
        return self._state.started_at / 1000 or None

    @property
    def completed_at(self) -> float | None:
        """Seconds since 1970 UTC; None while it is open."""
        ended = self._session._ending_of(self._state)
        return None if ended is None else ended.at / 1000

    @property
    def duration_ms(self) -> int | None:
        """What :meth:`complete` was told, else the time since the start; None while it is open."""
        return self._state.duration_ms

    @property
    def duration_seconds(self) -> float | None:
        duration = self._state.duration_ms
        return None if duration is None else duration / 1000

    @property
    def result(self) -> Any:
        """What it was completed with; None otherwise."""
        ended = self._session._ending_of(self._state)
        return None if ended is None else ended.result

    @property
    def error(self) -> str | None:
        """The error it ended with; None otherwise."""
        ended = self._session._ending_of(self._state)
        return None if ended is None else ended.error or None

    @property
    def agent_id(self) -> str:
        """Who does it: whom it was routed to, else the agent whose session it is."""
        npc = self._state.npc
        return self._session.agent_id if npc is None else from_actor(npc)

    @property
    def h1_routing(self) -> Decision | None:
        """How this attempt was routed; None if it was not."""
        return self._session._decision_of(self._state)

    def start(self) -> Task:
        """Begins it, if it has not begun; its time runs from then on.

        Raises:
            TaskAlreadyEnded: it has ended. SessionOver: the session has.
        """
        self._session.start_task(self.task_id)
        return self

    def complete(
        self,
        success: bool | TaskOutcome | str = True,
        duration_ms: float | None = None,
        result: Any = None,
        error: str | None = None,
        *,
        outcome: TaskOutcome | str | None = None,
    ) -> Task:
        """Ends it. Again with the same outcome: nothing happens.

        Args:
            success: whether it went well, or how it came out.
            duration_ms: None: the time since its start.
            result: anything JSON can say.
            error: of the text, the first 1000 characters are kept.
            outcome: goes before ``success``.

        Raises:
            TaskAlreadyEnded: with another outcome. SessionOver: the session has ended.
            InvalidValue: an argument cannot be taken.
        """
        if outcome is None:
            if isinstance(success, bool):
                success = TaskOutcome.SUCCESS if success else TaskOutcome.FAILED
            outcome = success
        return self._session.complete_task(self.task_id, outcome, duration_ms, error, result)

    def retry(self, *, start: bool = True) -> Task:
        """One more attempt after a failure or a time-out; begins at once unless told otherwise.

        Raises:
            TaskStillOpen: it is open. TaskAlreadyEnded: it succeeded or was cancelled.
            SessionOver: the session has ended.
        """
        attempt = self._state.attempt + 1
        self._session._command(
            lambda: RetryTask(task=self.task_id, attempt=attempt, start=start), self.task_id
        )
        return self

    @property
    def _state(self) -> TaskState:
        return self._session._task_state(self.task_id)


@dataclass(frozen=True, slots=True)
class _Ending:
    """How an attempt ended, beyond what the runtime keeps in memory; ``at`` in ms."""

    at: int
    result: Any
    error: str


class Session:
    """A focused unit of work by an agent. Also a context manager: it ends with the block, as
    failed where the block raises. Made by :meth:`SessionManager.start_session`.

    Attributes:
        session_id, session_name, agent_id: as told.
        tags: a list of its own.
        config: what it was started with.
    """

    def __init__(self, session_id: str, config: SessionConfig) -> None:
        self.session_id = session_id
        self.session_name = config.session_name
        self.agent_id = config.agent_id
        self.tags = list(config.tags)
        self.config = config
        self._lock = threading.RLock()
        self._base = rules.initial
        self._base_at = 0
        self._journal: dict[int, tuple[int, tuple[AnyEvent, ...]]] = {}
        self._state = rules.initial
        self._last = 0
        self._due: int | None = None
        self._tasks: dict[str, Task] = {}
        self._endings: dict[tuple[str, int], _Ending] = {}
        self._decisions: dict[tuple[str, int], Decision] = {}
        self._errors: list[str] = []
        self._end: SessionEnded | None = None
        self._end_at = 0
        self._ended_here = False
        self._next: Session | None = None
        self._going_on = threading.Lock()
        self._alerts: dict[int, EmergenceAlert] = {}
        self._alerted = threading.Condition(self._lock)
        _known[session_id] = self

    def __repr__(self) -> str:
        return f"Session({self.session_id!r}, {self._state.phase})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.end_session(SessionOutcome.SUCCESS)
        elif isinstance(error, Exception):
            self.end_session(SessionOutcome.FAILED, error=str(error) or type(error).__name__)
        else:
            self.end_session(SessionOutcome.CANCELLED, error=type(error).__name__)

    # --- what it is ----------------------------------------

    @property
    def tasks(self) -> dict[str, Task]:
        """All tasks by id, in the order they were added; a dictionary of its own. With those of
        :attr:`continued`."""
        with self._now():
            own = dict(self._tasks)
        return own if self._next is None else own | self._next.tasks

    @property
    def continued(self) -> Session | None:
        """Where it went on: the first task that is added behind :meth:`end_session` begins a
        fresh session by the same configuration. None: nothing was added."""
        return self._next

    @property
    def task_order(self) -> list[str]:
        """Ids of all tasks, in the order they were added."""
        return list(self.tasks)

    @property
    def task_count(self) -> int:
        """As the other counts, of this session alone."""
        with self._now():
            return len(self._tasks)

    @property
    def tasks_succeeded(self) -> int:
        return self._count(contract.Outcome.SUCCESS)

    @property
    def tasks_failed(self) -> int:
        """Those that failed; not those that were cancelled or ran out of time."""
        return self._count(contract.Outcome.FAILED)

    @property
    def tasks_cancelled(self) -> int:
        return self._count(contract.Outcome.CANCELLED)

    @property
    def tasks_timed_out(self) -> int:
        return self._count(contract.Outcome.TIMEOUT)

    @property
    def is_active(self) -> bool:
        with self._now() as state:
            return state.phase in (Phase.ACTIVE, Phase.PAUSED)

    @property
    def outcome(self) -> SessionOutcome | None:
        """None while it runs."""
        with self._now() as state:
            return None if state.outcome is None else SessionOutcome(state.outcome.value)

    @property
    def error(self) -> str | None:
        """What it ended with; None otherwise."""
        with self._now():
            return (self._end.error or None) if self._end is not None else None

    @property
    def started_at(self) -> float:
        """Seconds since 1970 UTC."""
        with self._lock:
            return self._state.started_at / 1000

    @property
    def ended_at(self) -> float | None:
        """Seconds since 1970 UTC; None while it runs."""
        with self._now() as state:
            return state.ended_at / 1000 or None

    @property
    def duration_seconds(self) -> float:
        """From its start to its end, or to now."""
        with self._now() as state:
            ended = state.ended_at or int(time.time() * 1000)
            return max(0, ended - state.started_at) / 1000

    @property
    def patterns(self) -> list[str]:
        """Names of what its tasks show, now or at its end."""
        with self._now() as state:
            if self._end is not None:
                return [one.name for one in self._end.patterns]
            return [one.name for one in seen_patterns(state, int(time.time() * 1000))]

    @property
    def h1_delta(self) -> dict[str, int] | None:
        """What became of the graph's β1: ``start``, ``end``, ``change`` and ``own_change``, the
        loops this session closed itself. None until it has ended."""
        with self._now():
            found = self._end.h1 if self._end is not None else None
        if found is None:
            return None
        return {
            "start": found.start,
            "end": found.end,
            "change": found.change,
            "own_change": found.own_change,
        }

    @property
    def emergence_alerts(self) -> list[EmergenceAlert]:
        """Those its own links caused; read anew from the journal."""
        self.refresh()
        with self._lock:
            return list(self._alerts.values())

    def get_task(self, task_id: str) -> Task | None:
        """The task of that id; None if there is none."""
        return self.tasks.get(task_id)

    def get_active_tasks(self) -> list[Task]:
        """Those that have not ended, in the order they were added."""
        return [task for task in self.tasks.values() if not task.is_complete]

    def get_completed_tasks(self) -> list[Task]:
        """Those that have ended, however, in the order they were added."""
        return [task for task in self.tasks.values() if task.is_complete]

    # --- what is done ----------------------------------------

    def add_task(
        self,
        task_id: str,
        data: Any = None,
        priority: TaskPriority | str | int = TaskPriority.NORMAL,
        required_capabilities: Sequence[str] | None = None,
    ) -> Task:
        """Adds a task and begins it. Behind :meth:`end_session` it begins a fresh session, see
        :attr:`continued`.

        Args:
            data: anything JSON can say; None: ``{}``.

        Raises:
            DuplicateTask: there is one of that id.
            TaskLimitReached: there are ``max_tasks`` already.
            SessionOver: the session has ended otherwise: its time was up, or another program
                ended it.
            InvalidValue: an argument cannot be taken.
        """
        return self._add(task_id, data, priority, required_capabilities, start=True)

    def start_task(self, task_id: str) -> Task:
        """As :meth:`Task.start`; UnknownTask: there is none of that id."""
        session = self._where(task_id)
        session._held(task_id)
        session._command(lambda: StartTask(task=task_id), task_id)
        return session._tasks[task_id]

    def complete_task(
        self,
        task_id: str,
        outcome: TaskOutcome | str = TaskOutcome.SUCCESS,
        duration_ms: float | None = None,
        error: str | None = None,
        result: Any = None,
    ) -> Task:
        """As :meth:`Task.complete`, its last two arguments in the published library's order;
        UnknownTask: there is none of that id."""
        session = self._where(task_id)
        if session is not self:
            return session.complete_task(task_id, outcome, duration_ms, error, result)
        came_out = to_outcome(outcome)
        duration = to_millis(duration_ms)
        text = None if result is None else _json(result, "result")
        words = _short(error)
        held = self._held(task_id)
        if held.outcome is came_out:
            return self._tasks[task_id]
        if held.outcome is not None:
            raise TaskAlreadyEnded("task-completed", f"{task_id} ended as {held.outcome.value}")
        self._command(
            lambda: CompleteTask(
                task=task_id,
                outcome=came_out,
                duration_ms=duration,
                result=text,
                error=words,
            ),
            task_id,
        )
        return self._tasks[task_id]

    def route_task_h1(
        self,
        task_id: str,
        required_capabilities: Sequence[str] | None = None,
        prefer: Sequence[str] = (),
    ) -> Decision:
        """Gives a task to whom the router chooses, and begins it; adds it if it is not there.

        The router is the one configured if ``h1_router_enabled`` is set and ``h1_router_url`` is
        not the default, else the fleet of the runtime. Where the configured one gives no decision
        the fleet decides, and ``router_error`` of the decision says why. Routed again, a task
        stays with whom it was given to.

        Args:
            required_capabilities: None: those the task was added with.
            prefer: agents to be taken if any of them is capable.

        Raises:
            TaskAlreadyEnded: the task has ended. SessionOver: the session has.
            RefusedError: ``no-agents``; ``agents-full``: those who are capable have as many tasks
                as they take.
        """
        session = self._where(task_id, begin=True)
        if session is not self:
            return session.route_task_h1(task_id, required_capabilities, prefer)
        with self._now() as state:
            held = state.tasks.get(task_id)
        if held is None:
            self._add(task_id, None, TaskPriority.NORMAL, required_capabilities, start=False)
        elif held.outcome is not None:
            raise TaskAlreadyEnded("task-completed", f"{task_id} ended as {held.outcome.value}")
        needed = labels(required_capabilities)
        decision, router, problem = self._decide(task_id, needed, tuple(prefer))
        preferred = tuple(to_actor(agent) for agent in prefer)
        events = self._command(
            lambda: RouteTask(task=task_id, start=True, prefer=preferred, decision=decision),
            task_id,
        )
        with self._lock:
            held = self._state.tasks[task_id]
            key = (task_id, held.attempt)
            for event in events:
                if isinstance(event, TaskRouted) and event.routing is not None:
                    self._decisions[key] = Decision.made(
                        task_id,
                        event.routing,
                        event.reasoning,
                        router=router,
                        router_error=problem,
                    )
            return self._decisions[key]

    def report_error(self, error: str, task_id: str | None = None) -> None:
        """Tells of an error that ends neither a task nor the session.

        Raises:
            SessionOver: the session has ended.
        """
        text = _short(error) or "unknown error"
        self._command(lambda: ReportError(error=text, task=task_id), task_id or "")

    def end_session(
        self,
        outcome: SessionOutcome | TaskOutcome | str = SessionOutcome.SUCCESS,
        error: str | None = None,
    ) -> Session:
        """Ends it; what is open is cancelled, or timed out where it ends as that. Again: nothing
        happens. Returns when the callbacks due so far have been delivered.

        Raises:
            InvalidValue: ``outcome`` is none, or ``error`` is no text.
        """
        came_out, words = to_outcome(outcome), _short(error)
        reason = (
            EndReason.TIME_LIMIT
            if came_out is contract.Outcome.TIMEOUT
            else EndReason.LEARNER_ENDED
        )
        if self.is_active:
            events = self._command(lambda: End(reason=reason, outcome=came_out, error=words))
            if events:
                self._ended_here = True
            else:
                self.refresh()  # somebody else was first
        elif self._next is not None:
            self._next.end_session(outcome, error)
        self._await_alerts()
        callbacks().drain()
        return self

    def refresh(self) -> None:
        """Reads what happened to it since, whoever did it.

        Raises:
            UnknownSession: the runtime knows no such session.
        """
        with self._lock:
            after = self._base_at
        steps = background().call(_read(background().deck, self.session_id, after))
        if not steps and not after:
            raise UnknownSession("unknown-session", self.session_id)
        self._learn(steps)

    # --- speaking to the runtime ----------------------------------------

    def _add(
        self,
        task_id: str,
        data: Any,
        priority: TaskPriority | str | int,
        capabilities: Sequence[str] | None,
        *,
        start: bool,
    ) -> Task:
        session = self._where(task_id, begin=True)
        if session is not self:
            return session._add(task_id, data, priority, capabilities, start=start)
        given = {} if data is None else data
        text = _json(given, "data")
        urgency = contract.TaskPriority[to_priority(priority).name]
        self._command(
            lambda: AddTask(
                task=task_id,
                data=text,
                priority=urgency,
                capabilities=labels(capabilities),
                start=start,
            ),
            task_id,
        )
        task = self._tasks[task_id]
        task.data = given  # the caller's own object, not what JSON made of it
        return task

    def _where(self, task_id: str, *, begin: bool = False) -> Session:
        """The session a task is in; with ``begin`` the one it would be added to."""
        if not self._ended_here or task_id in self._tasks:
            return self
        # Not the other lock: that one is never held while the runtime is asked.
        with self._going_on:
            if self._next is None:
                if not begin:
                    return self
                self._next = start(self.config)
                log.warning("a task after the end begins a session", ended=self.session_id,
                            begun=self._next.session_id)  # fmt: skip
            return self._next

    def _held(self, task_id: str) -> TaskState:
        """The state of a task.

        Raises:
            UnknownTask: nobody added one of that id, this program or another.
        """
        with self._now() as state:
            if task_id in state.tasks:
                return state.tasks[task_id]
        self.refresh()
        with self._lock:
            if task_id in self._state.tasks:
                return self._state.tasks[task_id]
        raise UnknownTask("unknown-task", task_id)

    def _decide(
        self, task_id: str, needed: tuple[str, ...], prefer: tuple[str, ...]
    ) -> tuple[FleetDecision | None, str, str]:
        """The decision a task is routed by, None where the runtime makes it; the address of the
        router that made it; and why the configured one did not."""
        with self._lock:
            held = self._state.tasks[task_id]
            linked = collaborators(self._state, task_id)
        if held.npc is not None:
            return None, "", ""
        found, problem = routers.asked(self.config, task_id, needed or held.capabilities, prefer)
        if found is not None:
            others = tuple(one for one in linked if one != found.routing.agent)
            found = found.model_copy(update={"collaborators": others})
            return found, self.config.h1_router_url, ""
        if needed and needed != held.capabilities:
            ask = AskRoute(
                session=self.session_id,
                task=task_id,
                attempt=held.attempt,
                capabilities=needed,
                own=to_actor(self.agent_id),
                collaborators=linked,
                prefer=tuple(to_actor(agent) for agent in prefer),
                offset=self.config.emergence_threshold_offset,
            )
            found = background().call(routers.propose(background().deck, ask))
        return found, "", problem

    def _command(self, make: Callable[[], Any], name: str = "") -> tuple[AnyEvent, ...]:
        """Sends a command and folds what it led to.

        Args:
            make: makes its body; what cannot be said is an InvalidValue.
            name: of the task it is about, for the error that names it.
        """
        back = background()
        with valid():
            body = make()
        try:
            answer = back.call(back.deck.session(self.session_id).command(body))
        except RefusedError as error:
            self.refresh()
            raise typed(error, name) from error
        if answer.checkpoint is None:
            return ()
        checkpoint = decode_checkpoint(answer.checkpoint, self.session_id)
        with self._lock:
            if not self._knows(answer.sequence):
                self._take(answer.sequence, checkpoint.at, checkpoint.events)
        return checkpoint.events

    # --- the fold ----------------------------------------

    def _learn(self, steps: Sequence[Step]) -> None:
        """Folds all there is of the journal behind what was folded for good."""
        with self._lock:
            for step in steps:
                if not self._knows(step.sequence):
                    self._take(step.sequence, step.at, step.events)
            # Another thread may have read further meanwhile.
            if steps and steps[-1].sequence > self._base_at:
                self._settle(steps[-1].sequence)

    @contextmanager
    def _now(self) -> Iterator[SessionState]:
        """The state, with what a passed deadline has changed; nobody changes it meanwhile."""
        due = self._due
        if due is not None and time.time() * 1000 >= due:
            self.refresh()
        with self._lock:
            yield self._state

    def _task_state(self, task_id: str) -> TaskState:
        with self._now() as state:
            return state.tasks[task_id]

    def _count(self, outcome: contract.Outcome) -> int:
        with self._now() as state:
            return sum(task.outcome is outcome for task in state.tasks.values())

    def _ending_of(self, task: TaskState) -> _Ending | None:
        return self._endings.get((task.id, task.attempt))

    def _decision_of(self, task: TaskState) -> Decision | None:
        return self._decisions.get((task.id, task.attempt))

    def _knows(self, sequence: int) -> bool:
        return sequence <= self._base_at or sequence in self._journal

    def _take(self, sequence: int, at: int, events: tuple[AnyEvent, ...]) -> None:
        """Folds a checkpoint that is not known yet; the lock is held.

        Two threads' answers may come in another order than they were stored: then it folds anew.
        """
        self._journal[sequence] = (at, events)
        if sequence > self._last:
            self._fold(self._state, sequence, at, events)
            self._last = sequence
        else:
            self._state = self._base.copy()
            for place in sorted(self._journal):
                self._fold(self._state, place, *self._journal[place])
        deadline = next_deadline(self._state)
        self._due = None if deadline is None else deadline[0]
        for event in events:
            self._heed(event, at, sequence)

    def _settle(self, upto: int) -> None:
        """Everything up to here is known: it is folded for good and forgotten."""
        for place in sorted(place for place in self._journal if place <= upto):
            self._fold(self._base, place, *self._journal.pop(place))
        self._base_at = upto

    def _fold(
        self, state: SessionState, sequence: int, at: int, events: tuple[AnyEvent, ...]
    ) -> None:
        # A session's own checkpoints hold events of sessions only.
        own = cast("tuple[contract.SessionEvent, ...]", events)
        rules.advance(state, own, Moment(sequence, at, self.session_id))

    def _heed(self, event: AnyEvent, at: int, sequence: int) -> None:
        """What is kept of an event beside the fold, and whom it is told."""
        config = self.config
        match event:
            case TaskAdded():
                self._tasks[event.task] = Task(self, event.task, json.loads(event.data))
            case TaskRouted() if event.routing is not None:
                self._decisions[event.task, event.attempt] = Decision.made(
                    event.task, event.routing, event.reasoning
                )
            case TaskCompleted():
                result = None if event.result is None else json.loads(event.result)
                self._endings[event.task, event.attempt] = _Ending(at, result, event.error)
                task = self._tasks.get(event.task)
                if task is not None and config.on_task_complete is not None:
                    callbacks().put(partial(config.on_task_complete, task))
            case SessionErred():
                self._errors.append(event.error)
            case EmergenceDetected():
                self._alert(event.crossing)
            case SessionEnded():
                self._end, self._end_at = event, sequence
                if config.on_session_end is not None:
                    outcome = SessionOutcome(event.outcome.value)
                    callbacks().put(partial(config.on_session_end, self, outcome))
            case _:
                pass

    def _alert(self, crossing: Crossing) -> None:
        with self._alerted:
            if crossing.number in self._alerts:
                return
            alert = self._alerts[crossing.number] = EmergenceAlert.of(crossing)
            if self.config.on_emergence_alert is not None:
                callbacks().put(partial(self.config.on_emergence_alert, alert))
            self._alerted.notify_all()

    def _await_alerts(self) -> None:
        """Waits for alerts of links it made, as many as its end says there were."""
        if self.config.on_emergence_alert is None or self._end is None:
            return
        words = [one.evidence for one in self._end.patterns if one.name == "emergence_crossed"]
        counts = [word.partition("=")[2] for evidence in words for word in evidence]
        due = sum(int(count) for count in counts if count.isdecimal())
        with self._alerted:
            if not self._alerted.wait_for(lambda: len(self._alerts) >= due, ALERTS_S):
                log.warning("alerts are late", session=self.session_id, due=due)

    def _watched(self, record: Record) -> bool:
        """Takes a checkpoint the watch brings; whether it was the last one."""
        with self._lock:
            if not self._knows(record.sequence):
                checkpoint = decode_checkpoint(record.data, record.subject)
                self._take(record.sequence, checkpoint.at, checkpoint.events)
            return self._end is not None and record.sequence >= self._end_at

    def _has_ended(self) -> bool:
        return self._end is not None

    def _has_erred(self, error: str) -> bool:
        """Whether it told of this error, or ended with it."""
        text = _short(error)
        with self._now():
            return text in self._errors or (self._end is not None and self._end.error == text)


# --- beginning ----------------------------------------


def start(config: SessionConfig) -> Session:
    """Starts a session.

    Raises:
        InvalidValue: the configuration names something no session can have.
        StartupError: there is no runtime and none can be started.
        RefusedError: ``at-capacity``; ``store-full``.
    """
    learner = to_actor(config.agent_id)
    back = background()
    if config.on_emergence_alert is not None:
        back.call(back.part(Watch).late_alerts(_late))
    session = Session(new_id("sess"), config)
    with valid():
        back.call(
            back.deck.start_session(
                learner=learner,
                kind=contract.SessionKind.AGENT,
                mind=contract.MindKind.NONE,
                name=config.session_name,
                tags=config.tags,
                room=config.scout_room,
                max_tasks=config.max_tasks,
                task_timeout_s=config.task_timeout_seconds,
                session_timeout_s=config.session_timeout_seconds,
                emit_tiles=config.emit_tiles,
                h1_router=config.h1_router_enabled,
                emergence_offset=config.emergence_threshold_offset,
                started_us=time.time_ns() // 1000,
                session=session.session_id,
            )
        )
    session._learn(back.call(_begun(back.deck, session.session_id)))
    if config.on_task_complete or config.on_session_end or config.on_emergence_alert:
        back.call(back.part(Watch).session(session.session_id, session._watched))
    url = given_url(config.plato_url, DEFAULT_PLATO_URL)
    if url is not None:
        forward(session, url)
    return session


def forward(session: Session, url: str) -> None:
    """Sends all tiles of a session to the PLATO server at ``url`` too, unless it is silent."""
    if not session.config.emit_tiles:
        return
    # Here, because only who has a server of his own needs an HTTP client, and it is not small.
    from holodeck.compat.forward import Forwarders

    back = background()
    back.call(back.part(Forwarders).add(url, session.session_id, session._has_ended))


def open_session(session_id: str) -> Session:
    """A session that somebody started, perhaps another program; without callbacks.

    Raises:
        UnknownSession: the runtime knows none of that id.
        InvalidId: that is no id.
    """
    back = background()
    steps = back.call(_read(back.deck, session_id, 0))
    for event in (event for step in steps for event in step.events):
        if isinstance(event, SessionStarted):
            config = SessionConfig(
                session_name=event.name,
                agent_id=from_actor(event.learner),
                tags=list(event.tags),
                max_tasks=event.max_tasks,
                task_timeout_seconds=round(event.task_timeout_ms / 1000),
                session_timeout_seconds=round(event.session_timeout_ms / 1000),
                scout_room=event.room,
                emit_tiles=event.emit_tiles,
                h1_router_enabled=event.h1_router,
                emergence_threshold_offset=round(event.emergence_offset),
            )
            session = Session(session_id, config)
            session._learn(steps)
            return session
    raise UnknownSession("unknown-session", session_id)


def find(session_id: str) -> Session:
    """The session of this process with that id.

    Raises:
        UnknownSession: this process started none, or has let it go.
    """
    session = _known.get(session_id)
    if session is None:
        raise UnknownSession("unknown-session", f"{session_id} is no session of this process")
    return session


_known: Final[weakref.WeakValueDictionary[str, Session]] = weakref.WeakValueDictionary()
"""The sessions of this process that somebody holds, for those who only have an id."""


def _forked() -> None:
    """Locks that another thread held when the process was forked would be held for ever."""
    for session in list(_known.values()):
        session._lock = threading.RLock()
        session._alerted = threading.Condition(session._lock)
        session._going_on = threading.Lock()


os.register_at_fork(after_in_child=_forked)


def _late(crossing: Crossing) -> None:
    session = _known.get(crossing.session)
    if session is not None:
        session._alert(crossing)


async def _begun(deck: Deck, session_id: str) -> list[Step]:
    """A started session's first checkpoints; a replica of the journal may have them later."""
    async with asyncio.timeout(_VISIBLE_S):
        while not (steps := await _read(deck, session_id, 0)):
            await asyncio.sleep(0.02)
        return steps


async def _read(deck: Deck, session_id: str, after: int) -> list[Step]:
    return [step async for step in deck.session(session_id).replay(after=after)]


@contextmanager
def valid() -> Iterator[None]:
    """What the runtime's contracts cannot say is an InvalidValue."""
    try:
        yield
    except ValidationError as error:
        raise InvalidValue(explain(error)) from error


def labels(capabilities: Sequence[str] | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(capabilities or ()))


def _json(value: Any, what: str) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InvalidValue(f"{what} is nothing JSON can say: {error}") from error


def _short(text: str | None) -> str:
    """What is kept of an error."""
    if text is None:
        return ""
    if not isinstance(text, str):
        raise InvalidValue(f"an error is told as text, not as {type(text).__name__}")
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
