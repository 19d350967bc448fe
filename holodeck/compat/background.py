"""The runtime behind the synchronous calls: one thread with an event loop in each process.

One law: whoever calls from whatever thread waits for its own answer only; nothing a foreign server
or a callback does holds up a session.

The first call connects to the runtime the settings name or that runs on this machine; where there
is none it starts one in this process, which ends with the process.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import queue
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

import structlog

from holodeck.config import configure_logging, load_settings
from holodeck.deck import Deck
from holodeck.local import Local
from holodeck.messages.errors import StartupError, TransientError, Unavailable
from holodeck.wiring import Connection, find_connection, given_connection


class Part(Protocol):
    """Something that works on the loop beside the calls, and ends with it."""

    def __init__(self, deck: Deck) -> None: ...

    async def close(self) -> None: ...


T = TypeVar("T")
P = TypeVar("P", bound=Part)

START_S: Final = 60.0
"""Seconds a runtime may take to start."""
STOP_S: Final = 15.0
"""Seconds it may take to stop when the process ends."""
DELIVERY_S: Final = 60.0
"""Seconds the end of a session waits for callbacks that are due."""
_AGAIN_S: Final = 0.5
_CALL_S: Final = 90.0
"""Beyond the runtime's own deadline of 60 s: only a loop that is stuck takes longer."""

log = structlog.get_logger("holodeck.compat")


class _Workers(ThreadPoolExecutor):
    """Threads that still take work while the interpreter ends, when the stock pool takes none.

    The runtime stops its server at that time, and waits for it in such a thread.
    """

    def __init__(self, count: int) -> None:
        super().__init__(1)  # its own threads are never started
        self._jobs: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None]
        self._jobs = queue.SimpleQueue()
        self._count = count
        for number in range(count):
            threading.Thread(
                target=self._work, name=f"holodeck-worker-{number}", daemon=True
            ).start()

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        future: Future[T] = Future()
        self._jobs.put((future, lambda: fn(*args, **kwargs)))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        for _ in range(self._count):
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            future, work = job
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(work())
            except BaseException as error:
                future.set_exception(error)


_Due = queue.SimpleQueue[Callable[[], object] | None]


class Dispatcher:
    """Delivers callbacks one after the other, in one thread; what they raise is logged."""

    def __init__(self) -> None:
        self._due: _Due = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def put(self, callback: Callable[[], object]) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(
                    target=_deliver, args=(self._due,), name="holodeck-callbacks", daemon=True
                )
                self._thread.start()
            self._due.put(callback)

    def drain(self, seconds: float = DELIVERY_S) -> bool:
        """Waits until all that is due now is delivered; False if that took too long.

        From inside a callback it does not wait: that one would wait for itself.
        """
        if self._thread is None or self._thread is threading.current_thread():
            return True
        delivered = threading.Event()
        self._due.put(delivered.set)
        if delivered.wait(seconds):
            return True
        log.warning("callbacks take too long", seconds=seconds)
        return False

    def close(self) -> None:
        """Ends the thread behind what is due; the next callback begins another one."""
        with self._lock:
            if self._thread is not None:
                self._due.put(None)
                self._due = queue.SimpleQueue()
                self._thread = None


def _deliver(due: _Due) -> None:
    while (callback := due.get()) is not None:
        try:
            callback()
        except Exception as error:
            log.error("a callback failed", exc_info=error)


class Background:
    """A runtime, and the thread that speaks to it.

    Attributes:
        deck: the connection; used on the loop of the thread only.
        embedded: whether the runtime is one of this process.
        client: how another process of this user reaches it; ns: its namespace.
    """

    def __init__(self, folder: Path | None = None, inherited: Inherited | None = None) -> None:
        """Starts and waits until it answers.

        Args:
            folder: where the store of a runtime of this process lies; None: nowhere for long.
            inherited: how to reach the runtime of the process this one was forked from.

        Raises:
            StartupError: there is none and none can be started.
        """
        self.embedded = False
        self.client: Connection | None = None
        self.ns = ""
        self.deck: Deck
        self.loop: asyncio.AbstractEventLoop
        self._folder, self._inherited = folder, inherited
        self._parts: dict[type, Part] = {}
        self._adding = threading.Lock()
        self._over: asyncio.Event
        ready: Future[None] = Future()
        self._thread = threading.Thread(
            target=self._run, args=(ready,), name="holodeck-runtime", daemon=True
        )
        self._thread.start()
        try:
            ready.result(START_S)
        except TimeoutError as error:
            raise StartupError(
                f"the runtime did not answer within {START_S:g} s", "See `holodeck doctor`"
            ) from error

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs ``work`` on the loop and gives its result, or raises what it raises."""
        if threading.current_thread() is self._thread:
            work.close()
            raise RuntimeError("a call from the runtime's own thread would wait for itself")
        try:
            future = asyncio.run_coroutine_threadsafe(work, self.loop)
        except RuntimeError as error:
            work.close()
            raise Unavailable("runtime", "it has been stopped") from error
        try:
            return future.result(_CALL_S)
        except TimeoutError as error:
            if not future.done():
                future.cancel()
                raise Unavailable("runtime", f"no answer within {_CALL_S:g} s") from error
            raise

    def part(self, kind: type[P]) -> P:
        """The one part of this kind; made when it is first asked for."""
        with self._adding:
            found = self._parts.get(kind)
            if found is None:
                found = self._parts[kind] = kind(self.deck)
            assert isinstance(found, kind)
            return found

    def close(self) -> None:
        """Leaves the runtime, and stops it if it is of this process."""
        if self.alive:
            self.loop.call_soon_threadsafe(self._over.set)
            self._thread.join(STOP_S)

    # --- the thread ----------------------------------------

    def _run(self, ready: Future[None]) -> None:
        loop = _new_loop()
        workers = _Workers(4)
        loop.set_default_executor(workers)
        asyncio.set_event_loop(loop)
        self.loop = loop
        try:
            loop.run_until_complete(self._main(ready))
        except BaseException as error:
            if not ready.done():
                ready.set_exception(error)
            else:
                log.error("the runtime's thread ended", exc_info=error)
        finally:
            # Not shutdown_default_executor(): that starts a thread, and the interpreter may be
            # ending.
            left = asyncio.all_tasks(loop)
            for task in left:
                task.cancel()
            if left:
                loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()
            workers.shutdown()

    async def _main(self, ready: Future[None]) -> None:
        self._over = asyncio.Event()
        async with contextlib.AsyncExitStack() as stack:
            self.deck = await self._enter(stack)
            ready.set_result(None)
            await self._over.wait()
            for part in reversed(self._parts.values()):
                await logged(part.close())

    async def _enter(self, stack: contextlib.AsyncExitStack) -> Deck:
        """Connects, or starts a runtime here."""
        settings = load_settings()
        if not structlog.is_configured():
            # A guest in somebody's program: standard output is theirs, and so is the choice.
            told = "log_level" in settings.model_fields_set
            configure_logging(settings.log_level if told else "warning", settings.log_json)
            stack.callback(structlog.reset_defaults)
        if self._inherited is not None:
            self.client, self.ns = self._inherited
        else:
            try:
                self.client, self.ns = find_connection(settings)
            except StartupError:
                if given_connection(settings) is not None:
                    raise
        if self.client is not None:
            deck = await Deck.open(self.client, self.ns)
            stack.push_async_callback(deck.close)
            return deck
        local = Local(self._folder, settings=settings)
        deck = await stack.enter_async_context(local)
        self.embedded, self.ns = True, settings.namespace
        server = local.server
        if server is not None:
            self.client = Connection(
                server.url,
                user=server.client.user,
                password=server.client.password,
                inbox_prefix=server.client_inbox_prefix,
                reads="direct",
                name="holodeck-client",
            )
        return deck


Inherited = tuple[Connection, str]
"""How to reach the runtime of a parent process, and its namespace."""


async def logged(work: Awaitable[None]) -> None:
    """Awaits ``work``; what it raises is logged, because nobody else would hear of it."""
    try:
        await work
    except Exception as error:
        log.error("work in the background failed", exc_info=error)


async def steadily(begin: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """What ``begin`` gives, begun again until the broker lets it."""
    while True:
        try:
            return await begin()
        except TransientError as error:
            log.warning("begun again in a moment", problem=str(error))
            await asyncio.sleep(_AGAIN_S)


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


# --- the one of this process ----------------------------------------


class _Process:
    """Keeps the one :class:`Background` of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now: Background | None = None
        self._inherited: Inherited | None = None
        self.callbacks = Dispatcher()

    def get(self, folder: Path | None) -> Background:
        with self._lock:
            if self._now is None or not self._now.alive:
                self._now = Background(folder, self._inherited)
            return self._now

    def close(self) -> None:
        with self._lock:
            now, self._now = self._now, None
        self.callbacks.drain()
        if now is not None:
            now.close()
        self.callbacks.close()

    def forked(self) -> None:
        """A child has none of its parent's threads; it may speak to the same runtime."""
        before, self._now = self._now, None
        self._lock = threading.Lock()
        self.callbacks = Dispatcher()
        if before is not None and before.client is not None:
            self._inherited = (before.client, before.ns)


_process: Final = _Process()
atexit.register(_process.close)
os.register_at_fork(after_in_child=_process.forked)


def background(folder: Path | None = None) -> Background:
    """The runtime of this process; the first call connects or starts it.

    Args:
        folder: where the store of a runtime that this call starts is to lie.

    Raises:
        StartupError: there is none and none can be started.
    """
    return _process.get(folder)


def callbacks() -> Dispatcher:
    """What delivers the callbacks of this process."""
    return _process.callbacks


def shutdown() -> None:
    """Leaves the runtime, and stops it if it is of this process. The next call begins anew."""
    _process.close()
