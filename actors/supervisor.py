"""The supervisor: gives partitions to hosts, watches them, and walks the steps of a start.

One law: it holds nothing that is not in the broker. Killed at any point, its next run reads the
table and goes on; sessions do not notice.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import structlog
from pydantic import ValidationError

from holodeck.actors.caller import Caller
from holodeck.actors.erasing import Erasing
from holodeck.actors.exporting import Exporting
from holodeck.actors.folds import HEADER_SEQUENCE
from holodeck.actors.keeper import TILES_HOST
from holodeck.actors.learner.decider import LEARNER_STATE, LearnerState
from holodeck.actors.learner.player.history import PlayHistory
from holodeck.actors.learner.player.playing import able
from holodeck.actors.lease import REVOKED, Holder, boottime, incarnation_of, lease_key
from holodeck.actors.metrics import Metrics
from holodeck.actors.projections import PROJECTIONS_HOST
from holodeck.actors.session import SCHEMA, STATE, Phase, SessionState
from holodeck.actors.table import LEASES, Table, deployment, read_table, write_table
from holodeck.broker.port import Broker, Delivery, Entry, Subscription
from holodeck.broker.streams import Layout
from holodeck.messages.codec import explain, pack, unpack
from holodeck.messages.control import (
    VERBS,
    DrainHost,
    EraseLearner,
    ExportLearner,
    ForkSession,
    ListSessions,
    RebuildProjection,
    Reported,
    ResumeSession,
    SpawnSession,
    SwitchWorld,
)
from holodeck.messages.envelope import (
    HEADER_CONTENT,
    JSON_CONTENT,
    CheckStart,
    ReadPlayer,
    ReadState,
)
from holodeck.messages.errors import (
    ContractError,
    DecodeError,
    LostFence,
    NoResponder,
    RefusedError,
    TransientError,
    Unavailable,
)
from holodeck.messages.ids import MAX_COMMAND_ID
from holodeck.messages.learner import ClaimLearner
from holodeck.messages.player import TherapeuticSettings
from holodeck.messages.session import AbandonStart, ForkFrom, Pause, Resume, SessionKind
from holodeck.messages.subjects import ANY, CTL_HOST, CTL_SUPERVISOR, all_tiles

log = structlog.get_logger("holodeck.supervisor")

WATCH_S: Final = 0.1
"""How often hosts are looked at: a process that is gone, a lease that ran out."""
SCAN_S: Final = 1.0
"""How often all leases are read. In between they are heard of: this is for what was not heard."""
ENDED_S: Final = 60.0
"""How long an incarnation that is over is known to be: longer than any word of it is on its way."""
MOVED_AT_ONCE: Final = 4
"""How many partitions of a host move in one step. A partition is silent from its laying down to
its taking up; so few are at once that nobody waits long."""
WALKS: Final = 5
"""How often a resume is walked anew when others move the session meanwhile."""
_MOVED: Final = frozenset({"session-ended", "session-paused", "claim-void", "session-erased"})
"""Why a step of a switch may be refused because others moved a session meanwhile."""
OVERDUE_MS: Final = 5_000
"""A claim that no start or resume has followed for so long may be settled by others, ms."""


Walk = SpawnSession | ResumeSession | ForkSession | SwitchWorld
"""The orders that are walked in steps."""


class Launcher(Protocol):
    """Starts and kills host processes."""

    async def kill(self, holder: Holder) -> None:
        """Makes sure the process of a replaced incarnation is gone, if it can be reached."""
        ...


@dataclass(slots=True)
class _Seen:
    """A host as the supervisor sees it.

    Attributes:
        revision: of its lease when last looked; seen_at: boot clock when that was first seen.
    """

    holder: Holder
    revision: int
    seen_at: float
    draining: bool = False


@dataclass(frozen=True, slots=True)
class SupervisorOptions:
    """Attributes:
    lease_s: how long a host's lease holds after a renewal; must be what the hosts use.
    max_sessions: live sessions a host takes before starts are refused.
    full_at: share of the journal's limit above which no session is started.
    projections: names of those that are configured; an erasure waits for them.
    """

    partitions: int = 64
    lease_s: float = 2.0
    max_sessions: int = 100_000
    full_at: float = 0.95
    projections: tuple[str, ...] = ()


class Supervisor:
    """One run of the supervisor.

    Two runs at once do no harm: whoever changes the table does so by compare-and-set.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[Broker]],
        layout: Layout,
        options: SupervisorOptions,
        *,
        launcher: Launcher | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self._connect = connect
        self._layout = layout
        self._options = options
        self._launcher = launcher
        self.metrics = metrics or Metrics()
        self._hosts: dict[str, _Seen] = {}
        self._over: dict[str, float] = {}
        self._scan_at = 0.0
        self._table = Table(0, (), "")
        self._tasks: set[asyncio.Task[Any]] = set()
        self._walks: dict[str, asyncio.Task[Reported]] = {}
        self._subs: list[Subscription] = []
        self._checked = ""
        self._end = 0
        self._moving = False
        self._full = False
        self._live = 0
        self.discarded = 0
        self._wake = asyncio.Event()

    async def start(self) -> None:
        """Declares the streams, reads the table, begins to watch.

        Raises:
            StartupError: the broker cannot be reached or used.
        """
        self._loop = asyncio.get_running_loop()
        self.broker = await self._connect()
        layout = self._layout
        for mismatch in await self.broker.declare(layout.streams, layout.buckets):
            log.warning("stream.mismatch", what=str(mismatch))
        self._cluster = self.broker.bucket(layout.cluster)
        self._journal = self.broker.log(layout.checkpoints)
        self.partitions = (await deployment(self._cluster, self._options.partitions)).partitions
        self._caller = Caller(self.broker, layout.ns, self.partitions, one_run=True)
        self._table = await read_table(self._cluster, self.partitions)
        self._subs.append(
            await self.broker.subscribe(CTL_SUPERVISOR.of(layout.ns, ANY), self._on_ctl)
        )
        self._subs.append(await self._cluster.watch(LEASES, self._on_lease))
        self._erasing = Erasing(
            self.broker,
            layout,
            self.partitions,
            self._caller,
            self._ask,
            self._options.projections,
        )
        self._exporting = Exporting(self.broker, layout, self.partitions, self._caller)
        self._spawn(self._watch())
        self._spawn(self._measure())
        self._spawn(self._go_on_erasing())
        log.info("supervisor.started", partitions=self.partitions)

    async def stop(self) -> None:
        for sub in self._subs:
            await sub.stop()
        await self._erasing.stop()
        tasks = [*self._tasks, *self._walks.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.broker.close()

    def _spawn(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        task = self._loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("supervisor.task-failed", exc_info=task.exception())

    # -- watching -----------------------------------

    async def _watch(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(WATCH_S):
                    await self._wake.wait()
            self._wake.clear()
            try:
                if self._checked != self.broker.server_id:
                    await self._check_store()
                if boottime() >= self._scan_at:
                    await self._scan()
                await self._look()
                await self._assign()
            except TransientError as error:
                log.warning("watch.failed", reason=str(error))
                # While the broker was away nobody could renew: everyone's time starts anew.
                for seen in self._hosts.values():
                    seen.seen_at = boottime()
                await asyncio.sleep(0.1)

    def _on_lease(self, entry: Entry) -> None:
        """A lease was taken, renewed, given up by its holder, or revoked."""
        if entry.data == REVOKED:
            self._left(incarnation_of(entry.key))
        else:
            self._saw(Holder.decode(entry.data), entry.revision)

    def _saw(self, holder: Holder, revision: int) -> None:
        """A lease stands at a revision. A renewal counts from when it was sent, which is before."""
        incarnation = holder.incarnation
        seen = self._hosts.get(incarnation)
        if seen is not None:
            if revision != seen.revision:
                seen.revision, seen.seen_at = revision, boottime()
        elif incarnation not in self._over:
            self._hosts[incarnation] = _Seen(holder, revision, boottime())
            log.info("host.seen", host=holder.host, incarnation=incarnation)
            self._wake.set()

    def _left(self, incarnation: str) -> None:
        """An incarnation has no lease any more, and never will again."""
        self._over[incarnation] = boottime()
        seen = self._hosts.pop(incarnation, None)
        if seen is not None:
            log.info("host.left", host=seen.holder.host, incarnation=incarnation)
            self._wake.set()

    async def _scan(self) -> None:
        """Reads all leases: what there is to know when this run begins, and what was not heard."""
        held: set[str] = set()
        async for entry in self._cluster.scan(LEASES):
            if entry.data == REVOKED:
                await self._cluster.delete(entry.key)
                continue
            holder = Holder.decode(entry.data)
            held.add(holder.incarnation)
            self._saw(holder, entry.revision)
        for incarnation in self._hosts.keys() - held:
            # A scan may miss a key that is just being renewed; only its absence counts.
            if await self._cluster.get(lease_key(incarnation)) is None:
                self._left(incarnation)
        self._scan_at = boottime() + SCAN_S
        since = boottime() - ENDED_S
        self._over = {one: at for one, at in self._over.items() if at > since}

    async def _look(self) -> None:
        """Revokes the leases that ran out, and those whose process is known to be gone."""
        for seen in list(self._hosts.values()):
            dead = seen.holder.known_dead()
            if dead or boottime() - seen.seen_at > self._options.lease_s + 0.1:
                await self._revoke(seen, "killed" if dead else "lease")

    async def _revoke(self, seen: _Seen, cause: str) -> None:
        """Takes a lease away for good; from then on that incarnation can never renew it."""
        incarnation = seen.holder.incarnation
        try:
            await self._cluster.put(lease_key(incarnation), REVOKED, after=seen.revision)
        except LostFence:
            # It was renewed unheard, or given up.
            seen.seen_at, self._scan_at = boottime(), 0.0
            return
        log.warning("host.revoked", host=seen.holder.host, incarnation=incarnation, cause=cause)
        self.metrics.recovery(cause, 0.0)
        self._left(incarnation)
        if cause == "lease" and self._launcher is not None:
            self._spawn(self._launcher.kill(seen.holder))

    async def _assign(self) -> None:
        """Gives ownerless partitions to the least loaded hosts and evens out the load."""
        table = self._table
        takers = {i for i, seen in self._hosts.items() if not seen.draining}
        owners = [owner if owner in self._hosts else "" for owner in table.owners]
        load = dict.fromkeys(takers, 0)
        for owner in owners:
            if owner in load:
                load[owner] += 1
        if takers:
            for partition, owner in enumerate(owners):
                if not owner:
                    host = owners[partition] = _least(load)
                    load[host] += 1
        if tuple(owners) != table.owners or table.server != self._checked:
            await self._write(tuple(owners))
            return
        if takers and not self._moving:
            moves = {host: some[:MOVED_AT_ONCE] for host, some in _moves(owners, load).items()}
            if moves:
                # Beside the watching: a host that dies while it is asked must still be noticed.
                self._moving = True
                self._spawn(self._move(moves))

    async def _move(self, moves: dict[str, list[int]]) -> None:
        """Moves partitions from draining or overloaded hosts, each laid down before it moves."""
        try:
            released: dict[int, str] = {}
            for owner, partitions in moves.items():
                if await self._ask(owner, "release", pack(partitions), 10.0) is not None:
                    released |= dict.fromkeys(partitions, owner)
            owners = list(self._table.owners)
            load = {i: owners.count(i) for i, seen in self._hosts.items() if not seen.draining}
            for partition, owner in released.items():
                if owners[partition] == owner and load:
                    if owner in load:
                        load[owner] -= 1
                    host = owners[partition] = _least(load)
                    load[host] += 1
            if tuple(owners) != self._table.owners:
                await self._write(tuple(owners))
        finally:
            self._moving = False

    async def _write(self, owners: tuple[str, ...]) -> None:
        try:
            self._table = await write_table(
                self._cluster, self._table, owners, self._checked, self._end
            )
        except LostFence:
            self._table = await read_table(self._cluster, self.partitions)
            self._wake.set()
            return
        log.info("table.written", epoch=self._table.epoch)

    async def _ask(self, incarnation: str, verb: str, data: bytes, seconds: float) -> Any:
        """A host's answer; None if it gives none."""
        raw = await self._ask_raw(incarnation, verb, data, seconds)
        return None if raw is None else unpack(raw)

    async def _ask_raw(
        self, incarnation: str, verb: str, data: bytes, seconds: float
    ) -> bytes | None:
        try:
            reply = await self.broker.request(
                CTL_HOST.of(self._layout.ns, incarnation, verb), data, timeout=seconds
            )
        except (NoResponder, Unavailable):
            return None
        return reply.data

    # -- a store that lost its unsynced tail ---------

    async def _check_store(self) -> None:
        """Before the first append to a newly started server: discards what is ahead of the journal.

        A machine that lost power may come back with a journal that ends earlier than snapshots
        and tiles that were made from it. Both are rebuilt by folding; counted and reported.
        """
        server = self.broker.server_id
        self._table = await read_table(self._cluster, self.partitions)
        self._end = self._table.end
        if self._table.server != server:
            end = self._end = await self._journal.end()
            discarded = 0
            # A partition that loses a snapshot loses its mark too: the mark says that everything
            # up to it is in the snapshots, and what the lost one held is then read by nobody.
            for spec in (self._layout.live, self._layout.actors):
                bucket = self.broker.bucket(spec)
                shortened: set[str] = set()
                async for entry in bucket.scan(">", headers_only=True):
                    if int(entry.headers.get(HEADER_SEQUENCE, "0")) > end:
                        await bucket.delete(entry.key)
                        shortened.add(entry.key.split(".")[1])
                        discarded += 1
                async for entry in bucket.scan("folded.*"):
                    if unpack(entry.data) > end or entry.key.split(".")[1] in shortened:
                        await bucket.delete(entry.key)
                        discarded += 1
            tiles = self.broker.log(self._layout.tiles)
            last = await tiles.last(all_tiles(self._layout.ns))
            while last is not None and _origin(last.headers) > end:
                await tiles.delete(last.sequence, overwrite=False)
                discarded += 1
                last = await tiles.last(all_tiles(self._layout.ns))
            if discarded:
                self.discarded += discarded
                self.metrics.discarded_snapshots.inc(discarded)
                log.error("store.shortened", end=end, discarded=discarded)
        self._checked = server

    async def _measure(self) -> None:
        """Keeps the figures admission needs: how full the store is, how many sessions live."""
        while True:
            try:
                for spec in self._layout.streams:
                    size, limit = await self.broker.log(spec).size()
                    self.metrics.store(spec.name, size, limit)
                    if spec is self._layout.checkpoints:
                        self._full = 0 < limit * self._options.full_at < size
                statuses = [await self._ask(i, "status", b"", 2.0) for i in list(self._hosts)]
                self._live = sum(s["awake"] + s["asleep"] for s in statuses if s)
            except TransientError as error:
                log.warning("measure.failed", reason=str(error))
            await asyncio.sleep(1.0)

    # -- being spoken to -----------------------------

    def _on_ctl(self, delivery: Delivery) -> None:
        self._spawn(self._ctl(delivery))

    async def _ctl(self, delivery: Delivery) -> None:
        as_json = bool(
            delivery.headers and delivery.headers.get(HEADER_CONTENT, "").startswith(JSON_CONTENT)
        )
        try:
            reported = await self._obey(delivery, as_json)
        except RefusedError as error:
            reported = Reported(status="refused", reason=error.reason, detail=error.detail)
        except ContractError as error:
            reported = Reported(status="contract", reason=error.code, detail=str(error)[:1000])
        except TransientError as error:
            # The caller sends the same again, under the same id.
            reported = Reported(status="busy", reason=error.code, detail=str(error)[:1000])
        if not delivery.reply:
            return
        if as_json:
            body = reported.model_dump_json(exclude={"checkpoint"}).encode()
            self.broker.post(delivery.reply, body, headers={HEADER_CONTENT: JSON_CONTENT})
        else:
            self.broker.post(
                delivery.reply,
                pack(reported.model_dump(exclude_defaults=True) | {"status": reported.status}),
            )

    async def _obey(self, delivery: Delivery, as_json: bool) -> Reported:
        verb = delivery.subject.rpartition(".")[2]
        adapter = VERBS.get(verb)
        order: Any = None
        if adapter is not None and (delivery.data or verb != "sessions"):
            try:
                order = (
                    adapter.validate_json(delivery.data)
                    if as_json
                    else adapter.validate_python(unpack(delivery.data, delivery.subject))
                )
            except ValidationError as error:
                raise DecodeError(delivery.subject, explain(error)) from error
        if isinstance(order, SpawnSession | ResumeSession | ForkSession | SwitchWorld):
            return await self._walk_once(order)
        if isinstance(order, DrainHost):
            return Reported(status="ok", value=self._drain(order))
        if isinstance(order, EraseLearner):
            receipt = await self._erasing.erase(order.learner, order.wait_s)
            return Reported(status="ok", value=receipt.model_dump(mode="json"))
        if isinstance(order, ExportLearner):
            return Reported(status="ok", value=await self._exporting.page(order))
        if isinstance(order, RebuildProjection):
            await self._rebuild(order)
            return Reported(status="ok")
        match verb:
            case "status":
                return Reported(status="ok", value=await self.status())
            case "sessions":
                return Reported(status="ok", value=await self._sessions(order or ListSessions()))
            case "metrics":
                return Reported(status="ok", value=await self.dumps())
            case "projections":
                rows = await self._ask(PROJECTIONS_HOST, "status", b"", 5.0)
                return Reported(status="ok", value=rows or [])
            case _:
                raise DecodeError(delivery.subject, f"no verb {verb!r}")

    async def status(self) -> dict[str, Any]:
        """What operators ask: hosts, partitions, what is amiss."""
        hosts = []
        for incarnation, seen in list(self._hosts.items()):
            status = await self._ask(incarnation, "status", b"", 2.0)
            hosts.append(
                {
                    "host": seen.holder.host,
                    "incarnation": incarnation,
                    "node": seen.holder.node,
                    "pid": seen.holder.pid,
                    "answers": status is not None,
                    **(status or {}),
                    # Told to lay everything down, or on its way out by itself.
                    "draining": seen.draining or bool((status or {}).get("draining")),
                }
            )
        return {
            "partitions": self.partitions,
            "unowned": sum(1 for owner in self._table.owners if owner not in self._hosts),
            "epoch": self._table.epoch,
            "hosts": hosts,
            "tiles": await self._ask(TILES_HOST, "status", b"", 2.0),
            "live": sum(h.get("awake", 0) + h.get("asleep", 0) for h in hosts),
            "full": self._full,
            "discarded": self.discarded,
        }

    async def _sessions(self, page: ListSessions) -> dict[str, Any]:
        """Rows of one host, and where the next page begins: ``next`` is ``[host, after]`` or
        None. A host that does not answer is passed over."""
        hosts = sorted(name for name in self._hosts if name >= page.host)
        if not hosts:
            return {"rows": [], "next": None}
        name = hosts[0]
        after = page.after if name == page.host else ""
        named = self._hosts[name].holder.host
        told = await self._ask(name, "sessions", pack([after, page.limit]), 5.0)
        rows, more = told or ([], False)
        following = [name, rows[-1]["session"]] if more else [hosts[1], ""] if hosts[1:] else None
        return {"rows": [{**row, "host": named} for row in rows], "next": following}

    async def dumps(self) -> Mapping[str, bytes]:
        """The metrics of every host and of this process, for one scrape."""
        found: dict[str, bytes] = {"supervisor": self.metrics.dump()}
        for incarnation, seen in list(self._hosts.items()):
            dump = await self._ask_raw(incarnation, "metrics", b"", 2.0)
            if dump is not None:
                found[seen.holder.host] = dump
        tiles = await self._ask_raw(TILES_HOST, "metrics", b"", 2.0)
        if tiles is not None:
            found[TILES_HOST] = tiles
        projections = await self._ask_raw(PROJECTIONS_HOST, "metrics", b"", 2.0)
        if projections is not None:
            found[PROJECTIONS_HOST] = projections
        return found

    async def _rebuild(self, order: RebuildProjection) -> None:
        told = pack([order.name, order.id])
        known = await self._ask(PROJECTIONS_HOST, "rebuild", told, 5.0)
        if known is None:
            raise RefusedError("no-projections", "no projection runs")
        if not known:
            raise RefusedError("unknown-projection", order.name)

    def _drain(self, order: DrainHost) -> bool:
        found = False
        for incarnation, seen in self._hosts.items():
            if order.host in (seen.holder.host, incarnation):
                seen.draining = not order.resume
                found = True
        if not found:
            raise RefusedError("unknown-host", order.host)
        self._wake.set()
        return True

    async def _go_on_erasing(self) -> None:
        """What an earlier run had begun to erase is erased."""
        while True:
            try:
                await self._erasing.begin()
                return
            except TransientError as error:
                log.warning("erasing.waits", reason=str(error))
                await asyncio.sleep(1.0)

    # -- walking the steps ----------------------------

    async def _walk_once(self, order: Walk) -> Reported:
        """A repeat of an order that is being walked waits for that walk. Of two beside each other
        one could be answered and the other still have its effect afterwards."""
        walk = self._walks.get(order.id)
        if walk is None:
            walk = self._walks[order.id] = self._loop.create_task(self._walk(order))
            walk.add_done_callback(lambda _: self._walks.pop(order.id))
        return await asyncio.shield(walk)

    async def _walk(self, order: Walk) -> Reported:
        match order:
            case SpawnSession():
                return await self._start_session(order)
            case ResumeSession():
                return await self._resume(order)
            case ForkSession():
                return await self._fork(order)
            case SwitchWorld():
                return await self._switch(order)

    async def _start_session(self, order: SpawnSession) -> Reported:
        """Admits, claims, starts. Each step has an id derived from the order's, so that the whole
        walk can be repeated."""
        if self._full:
            raise RefusedError("store-full", "the journal is above its watermark")
        if self._live >= self._options.max_sessions * max(1, len(self._hosts)):
            raise RefusedError("at-capacity", f"{self._live} sessions live")
        start = order.start
        check: CheckStart | None = None
        if start.session_kind is SessionKind.CONVERSATION and start.persona:
            check = CheckStart(persona=start.persona, cast=start.cast)
        elif start.session_kind is SessionKind.PRACTICE and start.practice is not None:
            check = CheckStart(curriculum=start.practice.curriculum)
        if check is not None or start.world is not None:
            check = (check or CheckStart()).model_copy(update={"world": start.world})
            await self._caller.command("session", order.session, step(order.id, "check"), check)
        if start.character is not None:
            await self._check_character(order.id, start.learner, start.character)
        if start.session_kind.claims:
            claim = await self._claim(order.id, start.learner, order.session, switch=order.switch)
            start = start.model_copy(update={"claim": claim})
        answer = await self._caller.command(
            "session", order.session, step(order.id, "start"), start
        )
        return Reported(status="ok", sequence=answer.sequence, checkpoint=answer.checkpoint)

    async def _check_character(self, command: str, learner: str, character: str) -> None:
        """Asked before the learner is claimed: a claim whose start is refused would keep the
        learner from others for seconds.

        Raises:
            RefusedError: ``unknown-character``.
        """
        now = int(time.time() * 1000)
        ask = ReadPlayer(view="beginning", at=now, character=character)
        await self._caller.command("learner", learner, step(command, "character"), ask)

    async def _switch(self, order: SwitchWorld) -> Reported:
        """Goes on with the session of the pair wanted, resumes one, or starts one; anew where
        others move the sessions meanwhile.

        All steps have ids derived from the order's, and what was started or resumed under one is
        found by it again; so the repeat of an order leads to the same session.
        """
        pair = (order.character or "", order.world or "")
        for walk in range(WALKS + 1):
            try:
                return await self._switch_once(order, pair, step(order.id, "switch", walk))
            except RefusedError as error:
                # Ended or paused by others between two steps: what it was decided on is gone.
                if error.reason not in _MOVED or walk == WALKS:
                    raise
        raise AssertionError("unreachable")

    async def _switch_once(self, order: SwitchWorld, pair: tuple[str, str], name: str) -> Reported:
        begun = await self._state_of(order.session, step(name, "begun"))
        if begun is not None and begun[1].charter is not None:
            if begun[1].charter.learner != order.learner:
                raise RefusedError("session-exists", order.session)
            # An earlier sending of this order started it.
            return Reported(
                status="ok", sequence=begun[0], value=_switched(order.session, "started")
            )
        asked = await self._caller.command(
            "learner",
            order.learner,
            step(name, "look"),
            ReadState(after=await self._journal.end()),
        )
        held: LearnerState = LEARNER_STATE.validate_python(unpack(asked.state or b""))
        able(held.player)
        history, claim = held.history, held.claim
        settings = None if history is None else _last_settings(history)
        if claim is not None:
            current = await self._state_of(claim.session, step(name, "current"))
            if current is not None and current[1].phase is Phase.ACTIVE:
                if pair == _pair(current[1]):
                    value = _switched(claim.session, "kept")
                    return Reported(status="ok", sequence=current[0], value=value)
                playing = current[1].playing
                settings = settings if playing is None else playing.settings or settings
        if order.character is not None:
            await self._check_character(order.id, order.learner, order.character)
        for session in () if history is None else history.of_pair(*pair):
            found = await self._state_of(session, step(name, "paused", session))
            if found is None or found[1].phase is not Phase.PAUSED:
                continue
            resumed = await self._resume(
                ResumeSession(
                    id=step(order.id, "go-on", session),
                    session=session,
                    learner=order.learner,
                    switch=True,
                )
            )
            return resumed.model_copy(update={"value": _switched(session, "resumed")})
        change: dict[str, Any] = {
            "learner": order.learner,
            "character": order.character,
            "world": order.world,
        }
        if order.start.settings is None and settings is not None:
            change["settings"] = settings
        started = await self._start_session(
            SpawnSession(
                id=step(order.id, "begin"),
                session=order.session,
                start=order.start.model_copy(update=change),
                switch=True,
            )
        )
        return started.model_copy(update={"value": _switched(order.session, "started")})

    async def _state_of(self, session: str, command: str) -> tuple[int, SessionState] | None:
        """A session's last sequence and its state; None: there is no such session."""
        try:
            answer = await self._caller.command("session", session, command, ReadState())
        except RefusedError as error:
            if error.reason in ("unknown-session", "session-erased"):
                return None
            raise
        return answer.sequence, STATE.validate_python(unpack(answer.state or b""))

    async def _claim(self, command: str, learner: str, session: str, *, switch: bool) -> int:
        """The number of a claim of ``learner`` for ``session``.

        Raises:
            RefusedError: ``learner-busy`` with the id of the active session.
        """
        attempt, holder, after, void = 0, "", 0, 0
        while True:
            attempt += 1
            if attempt > 40:
                raise RefusedError("learner-busy", holder)
            try:
                answer = await self._caller.command(
                    "learner",
                    learner,
                    step(command, "claim", session, attempt),
                    ClaimLearner(session=session, after=after, void=void),
                )
                return answer.sequence
            except RefusedError as error:
                if error.reason != "claimed":
                    raise
                holder = error.detail
            after, void = await self._settle(
                command, learner, holder, switch=switch, attempt=attempt
            )

    async def _settle(
        self, command: str, learner: str, holder: str, *, switch: bool, attempt: int
    ) -> tuple[int, int]:
        """Finds out whether the session that holds a claim still needs it.

        Returns:
            the sequence at which it let go, which the learner's fold must have before it is asked
            again, and the number of a claim that can never be used (0: none).

        Raises:
            RefusedError: ``learner-busy``: it is active (or has only just been claimed).
        """
        state: SessionState | None = None
        sequence = 0
        erased = False
        try:
            answer = await self._caller.command(
                "session", holder, step(command, "ask", attempt), ReadState()
            )
            state = STATE.validate_python(unpack(answer.state or b""))
            sequence = answer.sequence
        except RefusedError as error:
            if error.reason not in ("unknown-session", "session-erased"):
                raise
            erased = error.reason == "session-erased"
        lost = erased or (
            state is not None
            and (
                state.phase in (Phase.ENDED, Phase.ABANDONED)
                or state.parent != ""
                or (state.charter is not None and state.charter.learner != learner)
            )
        )
        if state is not None and state.phase is Phase.ACTIVE and not lost:
            if not switch:
                raise RefusedError("learner-busy", holder)
            paused = await self._caller.command(
                "session", holder, step(command, "pause", attempt), Pause(reason="switched")
            )
            return paused.sequence, 0
        # Paused, or not there: either it is about to begin on its claim, or whoever wanted that
        # has died. The learner's own clock decides.
        asked = await self._caller.command(
            "learner", learner, step(command, "look", attempt), ReadState(after=sequence)
        )
        held: LearnerState = LEARNER_STATE.validate_python(unpack(asked.state or b""))
        if held.claim is None or held.claim.session != holder:
            return asked.sequence, 0
        if lost:
            # A start under an id that is taken: nothing can ever begin or let go on this claim.
            return asked.sequence, held.claim.number
        if time.time() * 1000 - held.claim.at < OVERDUE_MS:
            if attempt * 250 > OVERDUE_MS or not switch:
                raise RefusedError("learner-busy", holder)
            await asyncio.sleep(0.25)
            return 0, 0
        try:
            gave_up = await self._caller.command(
                "session",
                holder,
                step(command, "abandon", attempt),
                AbandonStart(learner=learner, claim=held.claim.number),
            )
        except RefusedError as error:
            if error.reason != "session-active":
                raise
            return 0, 0  # it has begun on its claim after all: ask anew
        return gave_up.sequence, 0

    async def _resume(self, order: ResumeSession) -> Reported:
        """Claims the learner if need be, then resumes; anew where somebody paused the session or
        used the claim up between the two.

        Whose learner it is, the session says itself when it is asked to resume without a claim:
        that is the first step where the order does not name the learner.
        """
        learner, claim = order.learner, None
        for walk in range(WALKS + 1):
            if learner is not None:
                name = step(order.id, "walk", walk)
                claim = await self._claim(name, learner, order.session, switch=order.switch)
            try:
                # One id for all attempts: a refused one is remembered by nobody.
                answer = await self._caller.command(
                    "session",
                    order.session,
                    step(order.id, "resume"),
                    Resume(claim=claim, learner=learner),
                )
                break
            except RefusedError as error:
                if error.reason not in ("claim-required", "claim-void") or walk == WALKS:
                    raise
                if error.reason == "claim-required":
                    learner = error.detail
        return Reported(status="ok", sequence=answer.sequence, checkpoint=answer.checkpoint)

    async def _fork(self, order: ForkSession) -> Reported:
        answer = await self._caller.command(
            "session", order.parent, step(order.id, "read"), ReadState(at=order.at)
        )
        fork = ForkFrom(
            parent=order.parent, sequence=answer.sequence, state=answer.state or b"", layout=SCHEMA
        )
        done = await self._caller.command("session", order.session, step(order.id, "fork"), fork)
        return Reported(status="ok", sequence=done.sequence, value=answer.sequence)


def _switched(session: str, how: str) -> dict[str, str]:
    """What a switch came to: ``how`` is kept, resumed or started."""
    return {"session": session, "how": how}


def _pair(state: SessionState) -> tuple[str, str]:
    """Who is played, and where; a persona is a world."""
    playing, charter = state.playing, state.charter
    character = playing.character if playing is not None else None
    world = playing.world if playing is not None else None
    return character or "", world or (charter.persona if charter is not None else "")


def _last_settings(history: PlayHistory) -> TherapeuticSettings | None:
    """How the session that was played last is led, of those that live."""
    last = max(history.live.values(), key=lambda sitting: sitting.last_at, default=None)
    return None if last is None else last.settings


def _least(load: dict[str, int]) -> str:
    """The host with the fewest partitions."""
    return min(load, key=lambda host: (load[host], host))


def step(command: str, *parts: str | int) -> str:
    """The id of one step of a walk: ``<command>.<part>…``, shortened by hashing where it would be
    longer than an id may be. The same order always walks by the same ids."""
    whole = ".".join((command, *map(str, parts)))
    if len(whole) <= MAX_COMMAND_ID:
        return whole
    return f"{hashlib.blake2b(whole.encode(), digest_size=16).hexdigest()}.{parts[0]}"


def _moves(owners: list[str], load: dict[str, int]) -> dict[str, list[int]]:
    """Who has to lay down what, so that draining hosts have nothing and no two others differ by
    more than one partition."""
    moves: dict[str, list[int]] = {}
    if load.keys() >= set(owners) and max(load.values()) - min(load.values()) <= 1:
        return moves
    load = dict(load)
    for partition, owner in enumerate(owners):
        if owner not in load:
            moves.setdefault(owner, []).append(partition)
            load[_least(load)] += 1
    for partition, owner in enumerate(owners):
        least = _least(load)
        if owner in load and load[owner] > load[least] + 1:
            moves.setdefault(owner, []).append(partition)
            load[owner] -= 1
            load[least] += 1
    return moves


def _origin(headers: Mapping[str, str]) -> int:
    return int(headers.get("Holodeck-Origin", "0").partition(".")[0])
