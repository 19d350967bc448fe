"""The client: what a program does with sessions, NPCs and learners.

One law: every method that changes something has one command id for all its sendings, so it takes
effect once, however often it had to be sent.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from holodeck.actors.caller import Caller
from holodeck.actors.table import known_deployment
from holodeck.actors.tiles import decode_tile
from holodeck.broker.port import Broker, Record
from holodeck.broker.streams import Layout, layout
from holodeck.messages.codec import pack, unpack
from holodeck.messages.control import (
    DrainHost,
    EraseLearner,
    ExportLearner,
    ListSessions,
    RebuildProjection,
    Receipt,
    Reported,
    SpawnSession,
    SwitchWorld,
)
from holodeck.messages.errors import (
    BrokerError,
    Busy,
    DecodeError,
    NoResponder,
    RefusedError,
    StartupError,
    Unavailable,
)
from holodeck.messages.fleet import (
    FLEET,
    AskGraph,
    AskRoute,
    Candidate,
    Decision,
    ReadFleet,
    RegisterAgent,
    SessionGraph,
    UnregisterAgent,
)
from holodeck.messages.ids import check_id, new_id
from holodeck.messages.player import TherapeuticSettings
from holodeck.messages.practice import GeneratorKind, PracticeOptions, SchedulerKind
from holodeck.messages.session import (
    CastMember,
    MindKind,
    SessionKind,
    StartSession,
)
from holodeck.messages.subjects import ANY, CTL_SUPERVISOR, TILE
from holodeck.messages.talk import (
    AnalysisKind,
)
from holodeck.messages.tiles import Tile
from holodeck.people import Learner, Npc
from holodeck.player import Player
from holodeck.practice import Practice
from holodeck.session import Session

if TYPE_CHECKING:
    from holodeck.watching import SafetyAlert


class Fleet:
    """The agents of a namespace: who can do what, who has how much to do, who worked with whom."""

    def __init__(self, deck: Deck) -> None:
        self._deck = deck

    async def _ask(self, body: AskRoute | AskGraph | ReadFleet) -> Any:
        answer = await self._deck.caller.command("fleet", FLEET, new_id("ask"), body)
        return unpack(answer.state or b"")

    async def register(
        self,
        agent: str,
        capabilities: Sequence[str] = (),
        *,
        max_load: int = 0,
        id: str | None = None,
    ) -> None:
        """Says what an agent can do; ``max_load`` is how many tasks it takes at once, 0 any."""
        body = RegisterAgent(agent=agent, capabilities=tuple(capabilities), max_load=max_load)
        await self._deck.caller.command("fleet", FLEET, id or new_id("cmd"), body)

    async def unregister(self, agent: str, *, id: str | None = None) -> None:
        """The agent gets no further tasks.

        Raises:
            RefusedError: ``unknown-agent``.
        """
        await self._deck.caller.command(
            "fleet", FLEET, id or new_id("cmd"), UnregisterAgent(agent=agent)
        )

    async def propose(
        self,
        task: str,
        capabilities: Sequence[str] = (),
        *,
        session: str = "proposals",
        candidates: Sequence[CastMember] = (),
        collaborators: Sequence[str] = (),
        prefer: Sequence[str] = (),
        offset: float = -2.0,
    ) -> Decision:
        """Who should get a task. Its load is reserved for five seconds and nothing is stored:
        what gives a task to somebody is :meth:`Session.route`.

        Raises:
            RefusedError: ``agents-full``.
        """
        ask = AskRoute(
            session=session,
            task=task,
            capabilities=tuple(capabilities),
            candidates=tuple(
                Candidate(agent=one.npc, capabilities=one.capabilities) for one in candidates
            ),
            collaborators=tuple(collaborators),
            prefer=tuple(prefer),
            offset=offset,
        )
        return Decision.model_validate(await self._ask(ask))

    async def graph_of(self, session: str | None = None, *, after: int = 0) -> SessionGraph:
        """The co-work graph in figures, and what one live session has done to it."""
        return SessionGraph.model_validate(await self._ask(AskGraph(session=session, after=after)))

    async def status(self, *, after: int = 0) -> dict[str, Any]:
        """Figures: agents, tasks, the co-work graph, how it is braced, emergence."""
        return dict(await self._ask(ReadFleet(view="status", after=after)))

    async def agents(self, *, limit: int = 2000, after: int = 0) -> list[dict[str, Any]]:
        """A row an agent, who has most to do first."""
        return list(await self._ask(ReadFleet(view="agents", limit=limit, after=after)))

    async def graph(self, *, limit: int = 2000, after: int = 0) -> dict[str, Any]:
        """The newest edges, and how each component is braced."""
        return dict(await self._ask(ReadFleet(view="graph", limit=limit, after=after)))

    async def advice(self) -> dict[str, Any]:
        """The last ``synthesis`` and ``advice``, and what the ``open`` window shows so far.
        Advice: nothing obeys it by itself."""
        return dict(await self._ask(ReadFleet(view="advice")))


class Deck:
    """A connection to a runtime.

    Attributes:
        broker, layout: for what this class has no method for.
        partitions: of the deployment.
    """

    def __init__(
        self, broker: Broker, streams: Layout, partitions: int, *, deadline_s: float = 15.0
    ) -> None:
        self.broker = broker
        self.layout = streams
        self.ns = streams.ns
        self.partitions = partitions
        self.caller = Caller(broker, streams.ns, partitions, deadline_s=deadline_s)
        self._deadline_s = deadline_s

    @staticmethod
    async def open(connect: Callable[[], Any], ns: str, *, deadline_s: float = 15.0) -> Deck:
        """Connects.

        Raises:
            StartupError: no broker there, or nothing was ever started on it.
        """
        broker: Broker = await connect()
        streams = layout(ns)
        try:
            found = await known_deployment(broker.bucket(streams.cluster))
        except (BrokerError, Unavailable) as error:
            await broker.close()
            raise StartupError(
                f"the broker holds no namespace {ns!r} ({error})",
                "Start a runtime on it with `holodeck up`",
            ) from error
        if found is None:
            await broker.close()
            raise StartupError(
                f"no runtime was ever started in namespace {ns!r}", "Start one with `holodeck up`"
            )
        return Deck(broker, streams, found.partitions, deadline_s=deadline_s)

    async def close(self) -> None:
        await self.broker.close()

    # -- sessions -----------------------------------

    async def start_session(
        self,
        *,
        learner: str,
        name: str = "",
        persona: str = "",
        kind: SessionKind | str = SessionKind.CONVERSATION,
        cast: Sequence[str | CastMember] = (),
        tags: Sequence[str] = (),
        room: str = "",
        model: str = "",
        mind: MindKind | str = MindKind.SCRIPTED,
        max_tasks: int = 50,
        task_timeout_s: float = 300.0,
        session_timeout_s: float = 3600.0,
        idle_timeout_s: float = 0.0,
        emit_tiles: bool = True,
        h1_router: bool = False,
        emergence_offset: float = -2.0,
        started_us: int | None = None,
        analysis: AnalysisKind | str = AnalysisKind.NONE,
        ladder: bool = False,
        character: str | None = None,
        world: str | None = None,
        settings: TherapeuticSettings | None = None,
        abandon_s: float | None = None,
        session: str | None = None,
        switch: bool = False,
        id: str | None = None,
    ) -> Session:
        """Starts a session; the learner is claimed first unless the kind is ``agent``.

        Args:
            persona: the world of a conversation, one of :meth:`personas`; the learner's and the
                NPCs' memories are gathered before it starts.
            cast: the NPCs that take part (empty: any, or all the persona has), by id or with
                their capabilities.
            analysis: who looks at turns: nobody, the persona's word lists or a model.
            ladder: whether silence is answered by deadline.
            room: where its tiles belong; empty: the default room.
            emit_tiles: whether its tiles go to PLATO.
            emergence_offset: an alert is raised where β1 > V + offset in a component.
            started_us: when it began by the caller's clock, µs since 1970 UTC; None: when the host
                hears of it.
            character, world: whom the player plays, and where; a persona is a world too.
            settings: how it is to be led; None: as the player's settings say, or the defaults.
            abandon_s: seconds without a command, active or paused, after which it ends as
                abandoned; 0 never; None: as the hosts are set.
            session: its id; None: a fresh one.
            switch: pause the session that holds the learner instead of being refused.

        Raises:
            RefusedError: ``learner-busy`` with the id of the session that holds the learner;
                ``session-exists``; ``at-capacity``; ``store-full``; ``unknown-persona``;
                ``unknown-npc``, one of another world; ``unknown-character``; ``unknown-world``.
        """
        identity = check_id(session) if session is not None else new_id("sess")
        start = StartSession(
            session_kind=SessionKind(kind),
            learner=learner,
            name=name,
            persona=persona,
            cast=tuple(CastMember(npc=m) if isinstance(m, str) else m for m in cast),
            tags=tuple(tags),
            room=room,
            model=model,
            mind=MindKind(mind),
            max_tasks=max_tasks,
            task_timeout_s=task_timeout_s,
            session_timeout_s=session_timeout_s,
            idle_timeout_s=idle_timeout_s,
            emit_tiles=emit_tiles,
            h1_router=h1_router,
            emergence_offset=emergence_offset,
            started_us=started_us,
            analysis=AnalysisKind(analysis),
            ladder=ladder,
            character=character,
            world=world,
            settings=settings,
            abandon_s=abandon_s,
        )
        order = SpawnSession(id=id or new_id("cmd"), session=identity, start=start, switch=switch)
        await self.order("start", order)
        made = Session(self, identity)
        made._turns, made._learner = 0, learner
        return made

    async def start_practice(
        self,
        learner: str,
        curriculum: str = "primary-maths",
        *,
        minutes: float = 15.0,
        slots: int = 5,
        block: int = 3,
        distinct: int = 3,
        generator: GeneratorKind | str = GeneratorKind.OFFLINE,
        scheduler: SchedulerKind | str = SchedulerKind.FSRS,
        seed: str = "",
        name: str = "",
        tags: Sequence[str] = (),
        emit_tiles: bool = True,
        session: str | None = None,
        switch: bool = False,
        id: str | None = None,
    ) -> Practice:
        """Starts a practice session: it is planned from what the learner has come to, and its
        first question is there at once (with a model: soon).

        Args:
            curriculum: one the hosts know.
            minutes: of active time, 0.05 to 240; pauses do not count, an open question may be
                finished.
            slots: of the plan; block: questions until the next slot's turn; distinct: new skills
                in a plan at most.
            generator: who makes the questions; scheduler: what says when a skill is reviewed.
            seed: of the questions; empty: the session's id.
            session: its id; None: a fresh one.
            switch: pause the session that holds the learner instead of being refused.

        Raises:
            RefusedError: ``learner-busy`` with the id of the session that holds the learner;
                ``unknown-curriculum``; ``empty-curriculum``; ``session-exists``; ``at-capacity``;
                ``store-full``.
        """
        identity = check_id(session) if session is not None else new_id("practice")
        start = StartSession(
            session_kind=SessionKind.PRACTICE,
            learner=learner,
            name=name,
            tags=tuple(tags),
            emit_tiles=emit_tiles,
            practice=PracticeOptions(
                curriculum=curriculum,
                minutes=minutes,
                slots=slots,
                block=block,
                distinct=distinct,
                generator=GeneratorKind(generator),
                scheduler=SchedulerKind(scheduler),
                seed=seed,
            ),
        )
        order = SpawnSession(id=id or new_id("cmd"), session=identity, start=start, switch=switch)
        await self.order("start", order)
        return Practice(self, identity, learner)

    async def switch(
        self,
        learner: str,
        *,
        character: str | None = None,
        world: str | None = None,
        start: StartSession | None = None,
        session: str | None = None,
        id: str | None = None,
    ) -> Session:
        """Has a learner play a character in a world: goes on with the session that is being
        played there, or resumes the newest one that is paused there, or starts one. Whatever else
        is being played is paused first; where that fails nothing is switched.

        Args:
            start: how one is started, if one has to be; None: a conversation with the scripted
                mind. Its learner, character and world are those above; without settings it is led
                as the session before was.
            session: id of the one that is started; None: a fresh one.

        Raises:
            RefusedError: as :meth:`start_session`.
        """
        order = SwitchWorld(
            id=id or new_id("cmd"),
            learner=learner,
            character=character,
            world=world,
            session=check_id(session) if session is not None else new_id("sess"),
            start=start or StartSession(learner=learner, mind=MindKind.SCRIPTED),
        )
        reported = await self.order("switch", order)
        found = Session(self, str(reported.value["session"]))
        found._learner = learner
        return found

    async def watch_safety(
        self, callback: Callable[[SafetyAlert], None], *, after: int | None = None
    ) -> Callable[[], Awaitable[None]]:
        """Calls back for every text that gave cause for concern, as it is stored; what it returns
        ends that.

        Args:
            after: sequence of a tile: those behind it too; 0: all that are kept; None: from now on.
        """
        from holodeck.watching import watch

        return await watch(self, callback, after)

    def practice(self, identity: str) -> Practice:
        """A practice session that exists already."""
        return Practice(self, identity)

    def session(self, identity: str) -> Session:
        """A session that exists already."""
        return Session(self, identity)

    def learner(self, identity: str) -> Learner:
        return Learner(self, identity)

    def player(self, identity: str) -> Player:
        """A learner as a person at play; the player's id is the learner's."""
        return Player(self, identity)

    def npc(self, identity: str) -> Npc:
        return Npc(self, identity)

    @property
    def fleet(self) -> Fleet:
        return Fleet(self)

    async def sessions(self) -> list[dict[str, Any]]:
        """All sessions the hosts carry, as rows; of sleeping ones only id and sequence are known.

        Read page by page: what starts or ends meanwhile may or may not be among them.
        """
        found: dict[str, dict[str, Any]] = {}
        page: ListSessions | None = ListSessions()
        while page is not None:
            value = (await self.order("sessions", page)).value
            # One that moved to another host meanwhile may come twice.
            found.update((row["session"], row) for row in value["rows"])
            following = value["next"]
            page = ListSessions(host=following[0], after=following[1]) if following else None
        return list(found.values())

    async def status(self) -> dict[str, Any]:
        """Hosts, partitions and what is amiss."""
        found: dict[str, Any] = (await self.order("status")).value
        return found

    async def metrics(self) -> dict[str, bytes]:
        """Every host's metrics, for :func:`holodeck.actors.metrics.merge`."""
        found: dict[str, bytes] = (await self.order("metrics")).value
        return found

    async def projections(self) -> list[dict[str, Any]]:
        """A row a projection: ``projection, store, state, position, end, lag, error, rebuilds``.

        ``end`` is the sequence of the newest checkpoint, ``lag`` how many the store does not have
        yet, ``state`` one of starting, filling, live, waiting (the store is away), standing-by and
        stopped. Empty: none runs.
        """
        found: list[dict[str, Any]] = (await self.order("projections")).value
        return found

    async def rebuild_projection(self, name: str) -> None:
        """Empties what a projection wrote and fills its store from the beginning; returns when
        that has begun. A store that is away is emptied when it is back.

        Raises:
            RefusedError: ``no-projections``; ``unknown-projection``.
        """
        await self.order("rebuild-projection", RebuildProjection(name=name, id=new_id("cmd")))

    async def projected(self, sequence: int, name: str | None = None, *, seconds: float) -> None:
        """Waits until projections (or the one named) have the checkpoint at ``sequence``.

        Raises:
            RefusedError: ``no-projections``, ``unknown-projection``.
            Unavailable: not within ``seconds``; says which one waits and why.
        """
        give_up = time.monotonic() + seconds
        while True:
            rows = await self.projections()
            if not rows:
                raise RefusedError("no-projections", "no projection runs")
            rows = [row for row in rows if name in (None, row["projection"])]
            if not rows:
                raise RefusedError("unknown-projection", str(name))
            # What was erased at the end of the journal is never handed on.
            late = [row for row in rows if row["position"] < min(sequence, row["end"])]
            if not late:
                return
            if time.monotonic() >= give_up:
                row = late[0]
                about = f"at {row['position']} of {sequence}, {row['state']}"
                raise Unavailable(f"projection {row['projection']}", row["error"] or about)
            await asyncio.sleep(0.05)

    async def drain(self, host: str, *, resume: bool = False) -> None:
        """Moves everything off a host (or lets it take again)."""
        await self.order("drain", DrainHost(host=host, resume=resume))

    async def tiles(
        self, *, session: str | None = None, event: str | None = None, after: int = 0
    ) -> AsyncGenerator[Tile, None]:
        """Tiles as they come, from the beginning on, for ever; of one session or one event."""
        queue: asyncio.Queue[Record] = asyncio.Queue()
        name = event.lower().replace("_", "-") if event else ANY
        follower = await self.broker.log(self.layout.tiles).follow(
            TILE.of(self.ns, ANY, name, session or ANY),
            queue.put_nowait,
            after=after,
            name=new_id("tiles"),
        )
        try:
            while True:
                record = await queue.get()
                yield decode_tile(record.data, record.subject)
        finally:
            await follower.stop()

    async def erase(self, learner: str, *, wait_s: float = 600.0) -> Receipt:
        """Leaves nothing of a learner but that its ids were used, and tells what that came to.

        It goes on until it is done, whoever dies meanwhile, and also if nobody waits for it.

        Args:
            wait_s: how long to wait for the end, seconds; the receipt then says whether it is
                ``complete``. Asked again later it tells how it stands.

        Raises:
            RefusedError: ``unknown-learner``, nothing names it.
            Unavailable: no supervisor answered in time.
        """
        give_up = time.monotonic() + wait_s
        while True:
            left = give_up - time.monotonic()
            order = EraseLearner(learner=learner, wait_s=min(5.0, max(0.0, left)))
            receipt = Receipt.model_validate((await self.order("erase", order)).value)
            if receipt.complete or time.monotonic() >= give_up:
                return receipt
            await asyncio.sleep(0.2)

    async def export(self, learner: str) -> AsyncIterator[dict[str, Any]]:
        """Everything about a learner and nobody else, as plain values, one line after the other:
        first the learner itself, then what it wrote, its sessions with their checkpoints, and how
        NPCs stand with it. ``kind`` tells them apart: ``learner``, ``session``, ``checkpoint``,
        ``relation``.

        Raises:
            RefusedError: ``unknown-learner``; ``learner-erased``.
            Unavailable: no supervisor answered in time.
        """
        after, rest = "", ""
        while True:
            order = ExportLearner(learner=learner, after=after)
            page = (await self.order("export", order)).value
            *lines, rest = (rest + page["text"]).split("\n")
            for line in lines:
                yield json.loads(line)
            after = page["next"]
            if not after:
                return

    async def order(self, verb: str, body: Any = None) -> Reported:
        """Sends an order to the supervisor until it is obeyed, refused or too late.

        Raises:
            RefusedError: it will not.
            DecodeError: it does not understand.
            Unavailable: no supervisor answered in time.
        """
        subject = CTL_SUPERVISOR.of(self.ns, verb)
        data = b"" if body is None else pack(body.model_dump(exclude_defaults=True, mode="python"))
        give_up = time.monotonic() + self._deadline_s
        pause, last = 0.05, "no answer"
        while True:
            left = give_up - time.monotonic()
            if left <= 0:
                if last == "busy":
                    raise Busy()
                raise Unavailable(subject, f"{last} within {self._deadline_s:g} s")
            try:
                reply = await self.broker.request(subject, data, timeout=min(10.0, left))
            except NoResponder:
                last = "no supervisor listens"
            except Unavailable:
                last = "no answer"
            else:
                reported = Reported.model_validate(unpack(reply.data, subject))
                if reported.status == "refused":
                    raise RefusedError(reported.reason, reported.detail)
                if reported.status == "contract":
                    raise DecodeError(subject, reported.detail)
                if reported.status == "ok":
                    return reported
                last = "busy"
            await asyncio.sleep(min(pause, max(0.0, give_up - time.monotonic())))
            pause = min(0.5, pause * 1.7)
