"""The main job, live: a crowd of learners, a killed host, and a table that proves the rest.

One law: its exit status is 0 only if every claim of the final table holds; and whatever happens,
it stops what it started.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import re
import shutil
import signal
import sys
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TextIO, TypeVar

import typer
from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from holodeck.actors.caller import Caller
from holodeck.actors.metrics import merge
from holodeck.actors.table import TABLE, read_table, table_of
from holodeck.broker.port import Broker, Entry
from holodeck.config import Settings, configure_logging, load_settings
from holodeck.deck import Deck
from holodeck.entrypoints import gateway, transcripts
from holodeck.entrypoints.crowd import Crowd, Pulse, make_crews, quantiles
from holodeck.entrypoints.proof import (
    Claim,
    DeckActors,
    Intent,
    Ledger,
    Owners,
    Proof,
    Told,
    count_dead,
    prove,
    read_actors,
    read_journal,
    read_tiles,
    read_told,
)
from holodeck.messages.codec import encode_command
from holodeck.messages.envelope import QUERY_KINDS, Answer, ReadState, ToSession
from holodeck.messages.errors import HolodeckError, StartupError, TransientError
from holodeck.messages.ids import new_id, partition_of
from holodeck.messages.subjects import COMMAND, all_tiles
from holodeck.messages.tiles import HEADER_ORIGIN, Tile
from holodeck.wiring import RuntimeFile, runtime_path

if TYPE_CHECKING:
    from holodeck.up import Runtime, Where

T = TypeVar("T")

KEPT: Final = 5
"""How many state folders of earlier demos are kept."""
CALM_MS: Final = 100.0
"""A p99 below this counts as well again, whatever it was before the kill; ms."""
PATIENCE_S: Final = 30.0
"""How long the run waits beyond its time for the recovery, seconds."""
SETTLE_S: Final = 60.0
"""How long the folds and the tile emitter may take to catch up at the end."""
_QUIET: Final = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DEDUP_LOGS": "0",
}
_FOLDER: Final = re.compile(r"^demo-\d{8}-\d{6}(-\d+)?$")
_BARS: Final = "▁▂▃▄▅▆▇█"
_STYLES: Final = {"alive": "green", "dead": "bold red", "recovering": "yellow", "joining": "yellow"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line asked for."""

    sessions: int = 500
    seconds: float = 60.0
    seed: int = 1
    kill: bool = True
    transcripts: Path | None = None
    npcs: int = 40
    hosts: int = 2
    json: bool = False
    picture: Path | None = None


# --- what is seen ----------------------------------------


@dataclass(slots=True)
class HostRow:
    """A host slot as the view shows it."""

    name: str
    pid: int = 0
    partitions: frozenset[int] = frozenset()
    awake: int = 0
    folds: int = 0
    lag: int = 0
    state: str = "joining"


@dataclass(slots=True)
class Failover:
    """A host was killed, and what became of it; times in seconds since the kill.

    Attributes:
        owned: all partitions have a living owner; answered: the last partition of the dead host
            answers; calm: latency is what it was; back: the host has partitions again.
    """

    host: str
    pid: int
    partitions: frozenset[int]
    awake: int
    at: float
    killed: float = field(default_factory=time.monotonic)
    owned: float | None = None
    answered: float | None = None
    calm: float | None = None
    back: float | None = None

    @property
    def over(self) -> bool:
        return None not in (self.owned, self.answered, self.calm, self.back)

    def since(self) -> float:
        return time.monotonic() - self.killed

    def rested(self) -> float:
        """Seconds since the last of the four."""
        steps = (self.owned, self.answered, self.calm, self.back)
        return self.since() - max((took for took in steps if took is not None), default=0.0)


@dataclass(slots=True)
class FleetView:
    """What is shown of the fleet.

    Attributes:
        status: its figures, as it told them last; empty until it has.
        routings: when its count of routings was read, and what it was; the last seconds.
        alerts: how many emergence tiles were seen; last: the newest, with when it came.
        patterns: how many ended sessions showed each.
        sessions: how many ended sessions were looked at.
    """

    status: dict[str, Any] = field(default_factory=dict)
    routings: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=8))
    alerts: int = 0
    last: tuple[float, str, str] | None = None
    patterns: Counter[str] = field(default_factory=Counter)
    sessions: int = 0

    def told(self, status: dict[str, Any], now: float) -> None:
        """The fleet's figures, read at ``now`` (seconds, monotonic)."""
        self.status = status
        self.routings.append((now, status["routed"]))

    def rate(self) -> float:
        """Routings a second, over the last looks."""
        if len(self.routings) < 2:
            return 0.0
        (began, first), (at, last) = self.routings[0], self.routings[-1]
        return (last - first) / max(at - began, 1e-9)

    def render(self) -> RenderableType:
        """Figures in a row, the last alert, and what ended sessions showed most often."""
        status = self.status
        grid = Table.grid(expand=True, padding=(0, 1))
        for _ in range(6):
            grid.add_column(ratio=1)

        def cell(name: str, unit: str, style: str = "bold") -> Text:
            value = f"{status[name]:,}" if name in status else "·"
            return Text.assemble((value, style), (f" {unit}", "dim"))

        grid.add_row(
            cell("agents", "agents"),
            cell("tasks", "tasks open"),
            Text.assemble((f"{self.rate():,.0f}", "bold cyan"), (" routings/s", "dim")),
            cell("fallbacks", "fallbacks"),
            cell("h1", "β₁"),
            cell("components", "components"),
        )
        alert = Text(no_wrap=True, overflow="ellipsis")
        alert.append(f"{self.alerts:,}", style="bold yellow" if self.alerts else "bold")
        alert.append(" emergence alerts", style="dim")
        if self.last is not None:
            at, words, where = self.last
            alert.append(f"   {at:.1f} s ", style="dim")
            alert.append(words, style="yellow")
            alert.append(f"  {where}", style="dim")
        shown = Text(no_wrap=True, overflow="ellipsis")
        shown.append(f"{self.sessions:,}", style="bold")
        shown.append(" ended sessions show ", style="dim")
        for index, (name, count) in enumerate(self.patterns.most_common(4)):
            shown.append(" · " if index else " ", style="dim")
            shown.append(f"{name} ")
            shown.append(f"{count:,}", style="bold")
        return Panel(Group(grid, alert, shown), title="fleet", border_style="blue", padding=(0, 1))


@dataclass(slots=True)
class Scene:
    """All the view shows that is not the pulse."""

    wanted: Wanted
    pulse: Pulse
    partitions: int = 0
    hosts: dict[str, HostRow] = field(default_factory=dict)
    failover: Failover | None = None
    checkpoints: int = 0
    tiles: int = 0
    tiles_rate: float = 0.0
    emitter_at: int = 0
    emitter_lag: int = 0
    tape: deque[str] = field(default_factory=lambda: deque(maxlen=5))
    fleet: FleetView = field(default_factory=FleetView)
    metrics: str = ""
    phase: str = "running"

    def render(self, rows: int = 60) -> RenderableType:
        """One picture of it all, for a terminal of so many rows: what there is no room for is
        told by fewer lines of events and tiles."""
        taken = 1 + 7 + 4 + len(self.hosts) + 4 + 5
        lines = min(5, rows - 1 - taken - 2)
        parts = [
            self._head(),
            self._figures(),
            self._hosts(),
            self._story(),
            self.fleet.render(),
        ]
        if lines > 0:
            parts.append(self._tape_panel(lines))
        return Group(*parts)

    def _head(self) -> RenderableType:
        now, total = self.pulse.now(), self.wanted.seconds
        line = Table.grid(expand=True)
        line.add_column()
        line.add_column(justify="right")
        share = min(1.0, now / total) if total else 1.0
        bar, rest = "━" * round(30 * share), "─" * (30 - round(30 * share))
        left = Text.assemble(("Holodeck ", "bold"), ("● ", "green"), (bar, "green"), (rest, "dim"))
        line.add_row(
            Text.assemble(left, f"  {min(now, 1e6):.0f} s of {total:.0f} s  ", (self.phase, "dim")),
            Text(f"metrics {self.metrics}/metrics", style="dim"),
        )
        return line

    def _figures(self) -> RenderableType:
        pulse = self.pulse
        p50, p95, p99 = pulse.quantiles()
        grid = Table.grid(expand=True, padding=(0, 1))
        for _ in range(4):
            grid.add_column(ratio=1)

        def cell(value: str, unit: str, style: str = "bold") -> Text:
            return Text.assemble((value, style), (f" {unit}", "dim"))

        slow = "bold red" if p99 > 250 else "bold"
        grid.add_row(
            cell(f"{pulse.live:,}", "sessions live"),
            cell(f"{pulse.rate():,.0f}", "commands/s", "bold cyan"),
            cell(f"{p50:.1f}", "ms p50"),
            cell(f"{self.checkpoints:,}", "checkpoints"),
        )
        grid.add_row(
            cell(f"{pulse.started:,}", "started"),
            cell(f"{self.tiles_rate:,.0f}", "tiles/s", "bold cyan"),
            cell(f"{p95:.1f}", "ms p95"),
            cell(f"{self.tiles:,}", "tiles"),
        )
        grid.add_row(
            cell(f"{pulse.ended:,}", f"ended, {pulse.paused} paused"),
            cell(f"{pulse.commands:,}", "acknowledged"),
            cell(f"{p99:.1f}", "ms p99", slow),
            cell(f"{self.emitter_lag:,}", f"tile lag, at {self.emitter_at:,}"),
        )
        return Panel(Group(grid, Text(), self._spark()), border_style="blue", padding=(0, 1))

    def _spark(self, width: int = 90) -> Text:
        pulse = self.pulse
        now = int(pulse.now())
        first = max(0, now - width)
        values = [pulse.by_second[second] for second in range(first, now)]
        top = max([*values, 1])
        struck = int(self.failover.at) if self.failover else -1
        out = Text()
        for second, value in enumerate(values, start=first):
            bar = _BARS[min(7, round(value / top * 7))]
            near = struck >= 0 and struck <= second < struck + 3
            out.append(bar, style="red" if near else "cyan")
        out.append(f"  peak {top:,}/s", style="dim")
        return out

    def _hosts(self) -> RenderableType:
        table = Table(
            expand=True, border_style="blue", header_style="dim", padding=(0, 1), box=box.ROUNDED
        )
        for name in ("host", "process", "state"):
            table.add_column(name)
        for name in ("partitions", "sessions awake", "actors folded", "inbox lag"):
            table.add_column(name, justify="right")
        for row in self.hosts.values():
            style = _STYLES[row.state]
            table.add_row(
                row.name,
                str(row.pid or ""),
                Text(row.state, style=style),
                f"{len(row.partitions)} / {self.partitions}",
                f"{row.awake:,}",
                f"{row.folds:,}",
                f"{row.lag:,}",
            )
        return table

    def _story(self) -> RenderableType:
        story = self.failover
        if story is None:
            half = self.wanted.seconds / 2
            text = f"half way, at {half:.0f} s, a host is killed with SIGKILL"
            if not self.wanted.kill or self.wanted.hosts < 1:
                text = "no host is killed in this run"
            return Panel(Text(text, style="dim"), title="failover", border_style="blue")
        line = Text.assemble(
            (f"{story.host} (process {story.pid}) killed at {story.at:.1f} s", "bold red"),
            f" with {len(story.partitions)} partitions and {story.awake:,} sessions\n",
        )
        steps = (
            ("partitions owned", story.owned),
            ("all answer", story.answered),
            ("latency as before", story.calm),
            (f"{story.host} back", story.back),
        )
        for index, (what, took) in enumerate(steps):
            if index:
                line.append("  ·  ", style="dim")
            if took is None:
                line.append(f"… {what} ", style="yellow")
                line.append(f"{story.since():.1f} s", style="yellow")
            else:
                line.append(f"✓ {what} ", style="green")
                line.append(f"{took:.1f} s", style="bold green")
        return Panel(line, title="failover", border_style="green" if story.over else "red")

    def _tape_panel(self, lines: int) -> RenderableType:
        left, right = (
            Text(no_wrap=True, overflow="ellipsis"),
            Text(no_wrap=True, overflow="ellipsis"),
        )
        for at, text in list(self.pulse.events)[-lines:]:
            left.append(f"{at:5.1f} s ", style="dim")
            left.append(f"{text}\n")
        for question in list(self.tape)[-lines:]:
            word, _, rest = question.partition(" ")
            right.append(word, style="magenta")
            right.append(f" {rest}\n")
        grid = Table.grid(expand=True, padding=(0, 1))
        grid.add_column(ratio=5)
        grid.add_column(ratio=6)
        grid.add_row(left, right)
        return Panel(grid, title="events · tiles", border_style="blue", height=lines + 2)

    def line(self) -> str:
        """The same for those without a terminal."""
        pulse = self.pulse
        p50, _, p99 = pulse.quantiles()
        hosts = ", ".join(
            f"{row.name} {row.state} {len(row.partitions)}" for row in self.hosts.values()
        )
        return (
            f"{pulse.now():5.0f} s  live {pulse.live:,}  started {pulse.started:,}  "
            f"ended {pulse.ended:,}  {pulse.rate():,.0f} commands/s  {self.tiles_rate:,.0f} "
            f"tiles/s  p50 {p50:.1f} ms  p99 {p99:.1f} ms  [{hosts}]  "
            f"{self.fleet.rate():,.0f} routings/s  β₁ {self.fleet.status.get('h1', 0):,}  "
            f"alerts {self.fleet.alerts:,}"
        )


class Screen:
    """Where people read: a live view on a terminal, plain lines elsewhere.

    Attributes:
        live: whether there is a terminal to draw on.
    """

    def __init__(self, out: TextIO) -> None:
        self.live = out.isatty() and not os.environ.get("CI")
        self.console = Console(
            file=out, highlight=False, width=None if self.live else 110, emoji=False
        )

    def say(self, text: str, style: str = "") -> None:
        self.console.print(text, style=style, markup=False, soft_wrap=not self.live)

    @contextlib.asynccontextmanager
    async def doing(self, what: str) -> AsyncIterator[Steps]:
        """A spinner (or a line) while something takes its time."""
        steps = Steps(self, what)
        if not self.live:
            yield steps
            return
        with self.console.status(what, spinner="dots") as status:
            steps.status = status
            yield steps

    @contextlib.contextmanager
    def bars(self) -> Iterator[Any]:
        """A progress function for the proof."""
        if not self.live:
            yield lambda what, done, total: None
            return
        progress = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
            console=self.console, transient=True,
        )  # fmt: skip
        tasks: dict[str, Any] = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=total)
            progress.update(tasks[what], completed=done, total=total)

        with progress:
            yield show


class Steps:
    """The steps of something that takes its time."""

    def __init__(self, screen: Screen, what: str) -> None:
        self._screen, self._what = screen, what
        self._began = time.monotonic()
        self.status: Any = None

    def next(self, what: str) -> None:
        self._what = what
        if self.status is not None:
            self.status.update(what)

    def done(self, what: str) -> None:
        """A step is over."""
        took = time.monotonic() - self._began
        self._began = time.monotonic()
        self._screen.say(f"  ✓ {what}  {took:.1f} s")


# --- watching the runtime ----------------------------------------


class Watcher:
    """Looks at the runtime a few times a second and writes what it sees into the scene."""

    def __init__(self, scene: Scene, deck: Deck, broker: Broker) -> None:
        self._scene, self._deck = scene, deck
        self._journal = broker.log(deck.layout.checkpoints)
        self._tiles = broker.log(deck.layout.tiles)
        self._grown: deque[tuple[float, int]] = deque(maxlen=12)

    async def run(self) -> None:
        while True:
            with contextlib.suppress(HolodeckError):  # the next look tells more
                await self.look()
            story = self._scene.failover
            await asyncio.sleep(0.1 if story is not None and not story.over else 0.4)

    async def look(self) -> None:
        """One look."""
        scene = self._scene
        scene.checkpoints = await self._journal.end()
        scene.tiles = await self._tiles.end()
        now = time.monotonic()
        self._grown.append((now, scene.tiles))
        while len(self._grown) > 2 and self._grown[0][0] < now - 2.5:
            self._grown.popleft()
        first_at, first = self._grown[0]
        if now - first_at > 0.2:
            scene.tiles_rate = (scene.tiles - first) / (now - first_at)
        last = await self._tiles.get(scene.tiles) if scene.tiles else None
        if last is not None:
            question = str(json.loads(last.data).get("question", ""))
            if not scene.tape or scene.tape[-1] != question:
                scene.tape.append(question)
        self._status(await self._deck.status())

    def _status(self, status: dict[str, Any]) -> None:
        scene = self._scene
        scene.partitions = status["partitions"]
        tiles = status["tiles"] or {}
        scene.emitter_at = tiles.get("position", scene.emitter_at)
        scene.emitter_lag = tiles.get("lag", scene.emitter_lag)
        story = scene.failover
        found: dict[str, HostRow] = {}
        for raw in status["hosts"]:
            row = HostRow(
                raw["host"],
                raw["pid"],
                frozenset(raw.get("partitions", ())),
                raw.get("awake", 0),
                raw.get("folds", 0),
                raw.get("lag", 0),
                "alive" if raw["answers"] and _alive(raw["pid"]) else "dead",
            )
            if row.state == "alive" and not row.partitions:
                row.state = "joining"
            if row.name not in found or row.state != "dead":
                found[row.name] = row
        for name in sorted({*scene.hosts, *found}):
            row = found.get(name) or HostRow(name, scene.hosts[name].pid, state="dead")
            if story is not None and not story.over and row.state == "alive":
                row.state = "alive" if _recovered(story) else "recovering"
            scene.hosts[name] = row
        if story is not None:
            self._follow(story, status)

    def _follow(self, story: Failover, status: dict[str, Any]) -> None:
        """How far the failover is."""
        scene, pulse = self._scene, self._scene.pulse
        rows = [row for row in scene.hosts.values() if row.state != "dead"]
        held = sum(len(row.partitions) for row in rows)
        gone = all(raw["pid"] != story.pid for raw in status["hosts"])
        if story.owned is None and gone and held >= scene.partitions and not status["unowned"]:
            story.owned = story.since()
            pulse.say(f"all {scene.partitions} partitions owned again after {story.owned:.1f} s")
        mine = scene.hosts.get(story.host)
        if (
            story.back is None
            and mine is not None
            and mine.pid != story.pid
            and mine.partitions
            and mine.state != "dead"
        ):
            story.back = story.since()
            pulse.say(f"{story.host} is back as process {mine.pid}")


class FleetWatcher:
    """Follows the fleet, by questions and by tiles, and writes what it sees into the scene."""

    def __init__(self, scene: Scene, deck: Deck) -> None:
        self._scene, self._deck = scene, deck

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._figures())
            group.create_task(self._follow("EMERGENCE_ALERT", self._alerted))
            group.create_task(self._follow("SESSION_END", self._ended))

    async def look(self) -> None:
        """Asks once for the figures."""
        self._scene.fleet.told(await self._deck.fleet.status(), time.monotonic())

    async def _figures(self) -> None:
        while True:
            with contextlib.suppress(HolodeckError):  # while its host is gone nobody answers
                await self.look()
            await asyncio.sleep(0.8)

    async def _follow(self, event: str, seen: Callable[[Tile], None]) -> None:
        async with contextlib.aclosing(self._deck.tiles(event=event)) as tiles:
            async for tile in tiles:
                seen(tile)

    def _alerted(self, tile: Tile) -> None:
        scene = self._scene
        words = tile.question.removeprefix("[EMERGENCE ALERT] ")
        one, other = tile.answer["edge"]
        scene.fleet.alerts += 1
        scene.fleet.last = (scene.pulse.now(), words, f"{one} ↔ {other}")
        scene.pulse.say(f"emergence: {words}, by {one} and {other}")

    def _ended(self, tile: Tile) -> None:
        fleet = self._scene.fleet
        fleet.sessions += 1
        fleet.patterns.update(tile.answer["patterns"])


class Killer:
    """Kills a host and looks how long the others take."""

    def __init__(self, scene: Scene, deck: Deck, broker: Broker) -> None:
        self._scene, self._deck, self._broker = scene, deck, broker

    async def strike(self) -> None:
        """Kills the host with the most sessions (among equals, by the seed), and waits until all
        is well again."""
        scene, pulse = self._scene, self._scene.pulse
        rows = [row for row in scene.hosts.values() if row.state == "alive" and row.pid]
        if not rows:
            pulse.say("there is no host to kill")
            return
        before = pulse.quantiles()[2]
        row = rows[scene.wanted.seed % len(rows)]
        pulse.failing_over = True
        story = Failover(row.name, row.pid, row.partitions, row.awake, pulse.now())
        os.kill(row.pid, signal.SIGKILL)
        scene.failover = story
        row.state = "dead"
        pulse.say(f"SIGKILL to {row.name}, process {row.pid}")
        await asyncio.gather(*(self._answers(partition) for partition in row.partitions))
        story.answered = story.since()
        pulse.say(f"every partition answers again after {story.answered:.1f} s")
        limit = max(CALM_MS, 2.0 * before)
        while pulse.quantiles(1.0)[2] > limit or pulse.oldest_ms() > limit * 2:
            await asyncio.sleep(0.1)
        story.calm = story.since()
        pulse.failing_over = False
        pulse.say(f"latency as before after {story.calm:.1f} s")

    async def _answers(self, partition: int) -> None:
        """Asks an actor of the partition until its owner answers; that there is no such session
        is an answer too."""
        deck = self._deck
        number = 0
        while partition_of(name := f"probe-{number}", deck.partitions) != partition:
            number += 1
        subject = COMMAND.of(deck.ns, partition, "session", name)
        answered = asyncio.Event()

        async def ask() -> None:
            now = int(time.time() * 1000)
            question = ToSession(id=new_id("ask"), sent=now, deadline=now + 5000, body=ReadState())
            with contextlib.suppress(TransientError):
                await deck.caller.send(subject, encode_command(question), 5.0)
                answered.set()

        # A new question before the old ones are given up: one that was lost must not count.
        async with asyncio.TaskGroup() as group:
            asking: list[asyncio.Task[None]] = []
            while not answered.is_set():
                asking.append(group.create_task(ask()))
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.25):
                        await answered.wait()
            for task in asking:
                task.cancel()


class TimedCaller(Caller):
    """Tells the pulse of every command another player sends."""

    def __init__(self, deck: Deck, pulse: Pulse) -> None:
        super().__init__(deck.broker, deck.ns, deck.partitions)
        self._pulse = pulse

    async def command(
        self,
        kind: str,
        identity: str,
        command: str,
        body: Any,
        *,
        deadline_s: float | None = None,
    ) -> Answer:
        if body.kind in QUERY_KINDS:
            return await super().command(kind, identity, command, body, deadline_s=deadline_s)
        number = self._pulse.sent()
        try:
            answer = await super().command(kind, identity, command, body, deadline_s=deadline_s)
        except BaseException:
            self._pulse.back(number, body.kind, good=False)
            raise
        self._pulse.back(number, body.kind)
        return answer


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


# --- the run ----------------------------------------


@dataclass(slots=True)
class Result:
    """What a run came to."""

    proof: Proof
    pulse: Pulse
    ledger: Ledger
    failover: Failover | None
    checkpoints: int
    tiles: int
    load_s: float
    where: dict[str, str]

    @property
    def holds(self) -> bool:
        return self.proof.holds

    def figures(self) -> dict[str, Any]:
        """Throughput and latency over the whole run, the failover included."""
        pulse = self.pulse
        p50, p95, p99 = quantiles(pulse.latencies)
        return {
            "seconds": round(self.load_s, 1),
            "sessions": pulse.started,
            "commands": pulse.commands,
            "commands_per_s": round(pulse.commands / self.load_s, 1),
            "peak_per_s": max(pulse.by_second.values(), default=0),
            "checkpoints": self.checkpoints,
            "tiles": self.tiles,
            "p50_ms": round(p50, 2),
            "p95_ms": round(p95, 2),
            "p99_ms": round(p99, 2),
            "max_ms": round(max(pulse.latencies, default=0.0), 1),
            "kinds": dict(pulse.kinds.most_common()),
        }

    def recovery(self) -> dict[str, Any] | None:
        story = self.failover
        if story is None:
            return None
        return {
            "host": story.host,
            "pid": story.pid,
            "partitions": len(story.partitions),
            "sessions": story.awake,
            "at_s": round(story.at, 2),
            **{
                f"{name}_s": None if took is None else round(took, 2)
                for name, took in (
                    ("owned", story.owned),
                    ("answered", story.answered),
                    ("calm", story.calm),
                    ("back", story.back),
                )
            },
        }

    def as_json(self) -> str:
        return json.dumps(
            {
                "holds": self.holds,
                "lost": self.proof.lost,
                "twice": self.proof.twice,
                "claims": [
                    {
                        "claim": claim.what,
                        "expected": claim.expected,
                        "found": claim.found,
                        "holds": claim.holds,
                        "detail": claim.detail,
                    }
                    for claim in self.proof.claims
                ],
                "recovery": self.recovery(),
                "load": self.figures(),
                "where": self.where,
            },
            indent=2,
            ensure_ascii=False,
        )

    def table(self) -> RenderableType:
        table = Table(title="read back from the streams", title_style="bold", border_style="blue")
        table.add_column("claim")
        table.add_column("expected", justify="right")
        table.add_column("found", justify="right")
        table.add_column("")
        table.add_column("", style="dim", overflow="fold")
        for claim in self.proof.claims:
            mark = Text("✓", style="green") if claim.holds else Text("✗", style="bold red")
            table.add_row(claim.what, claim.expected, claim.found, mark, claim.detail)
        return table


class Demo:
    """One run."""

    def __init__(self, wanted: Wanted, settings: Settings, screen: Screen) -> None:
        self.wanted, self.settings, self.screen = wanted, settings, screen
        self.folder = settings.state_dir
        self.extra: list[Claim] = []

    async def run(self) -> Result:
        """Starts, runs, proves, stops.

        Raises:
            StartupError: something needed is missing, taken or too old.
        """
        from holodeck.up import DeckStatus, Runtime  # after the settings that keep Ray quiet

        screen = self.screen
        runtime = Runtime(self.settings)
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(self._stop, runtime)
            where = await self._start(runtime)
            deck = await runtime.deck()
            stack.push_async_callback(deck.close)
            status_deck = await runtime.deck(deadline_s=3.0)
            stack.push_async_callback(status_deck.close)
            broker = await runtime.connection()
            stack.push_async_callback(broker.close)
            owners = await self._listen(broker, deck)
            door = await gateway.serve(gateway.app(DeckStatus(status_deck)))
            stack.push_async_callback(door.stop)
            runtime.write_file(door.url)
            hosts = ", ".join(f"{name} {placed.pid}" for name, placed in where.services.items())
            screen.say(f"  nats {where.nats}{' (ours)' if where.embedded else ''}, ray {where.ray}")
            screen.say(f"  processes {hosts}")
            screen.say(f"  metrics {door.url}/metrics, state {where.folder}")
            pulse = Pulse()
            scene = Scene(self.wanted, pulse, metrics=door.url)
            ledger = Ledger()
            await self._play(scene, ledger, deck, status_deck, broker)
            load_s = pulse.now()
            async with screen.doing("waiting for the folds and the tile emitter") as steps:
                await self._settle(broker, status_deck)
                steps.done("everything folded and every tile stored")
            metrics = self.folder / "metrics.prom"
            with contextlib.suppress(HolodeckError, OSError):
                metrics.write_text(merge(await status_deck.metrics()))
            proof, checkpoints, tiles = await self._prove(ledger, deck, broker, owners)
            if self.wanted.kill:
                self.extra.append(_answers_again(scene.failover))
            proof = replace(proof, claims=(*proof.claims, *self.extra))
            return Result(
                proof,
                pulse,
                ledger,
                scene.failover,
                checkpoints,
                tiles,
                load_s,
                {
                    "tiles": str(where.tiles),
                    "logs": str(where.logs),
                    "store": str(where.folder / "nats"),
                    "metrics": str(metrics),
                    "state": str(where.folder),
                },
            )

    async def _start(self, runtime: Runtime) -> Where:
        """Starts the runtime and says what it is doing. Interrupted, it lets the start come to
        its end first: half a cluster cannot be stopped."""
        starting = asyncio.ensure_future(runtime.start())
        async with self.screen.doing("starting nats-server") as steps:
            try:
                await self._report(runtime, starting, steps)
                return await asyncio.shield(starting)
            except asyncio.CancelledError:
                steps.next("interrupted; waiting for the start to end")
                await _through(asyncio.gather(starting, return_exceptions=True))
                raise

    async def _report(
        self, runtime: Runtime, starting: asyncio.Future[Where], steps: Steps
    ) -> None:
        hosts = self.settings.hosts
        waits: list[tuple[str, Any, str]] = [
            ("nats-server", lambda: runtime.cluster is not None, "starting Ray"),
            ("Ray", lambda: _services(runtime) >= 0, "starting the supervisor"),
            ("supervisor", lambda: _services(runtime) >= 1, "starting tile emitter and hosts"),
            (
                f"tile emitter and {hosts} hosts",
                lambda: _services(runtime) >= 2 + hosts,
                "waiting until every partition is owned",
            ),
        ]
        for what, ready, following in waits:
            while not ready():
                if starting.done():
                    return
                await asyncio.sleep(0.05)
            steps.done(what)
            steps.next(following)
        await asyncio.wait([starting])
        if starting.exception() is None:
            steps.done(f"all {self.settings.partitions} partitions owned")

    async def _stop(self, runtime: Runtime) -> None:
        async with self.screen.doing("stopping what was started"):
            await _through(runtime.stop())

    async def _play(
        self, scene: Scene, ledger: Ledger, deck: Deck, status_deck: Deck, broker: Broker
    ) -> None:
        """Lets the crowd live for its time, the host be killed half way, and the view run."""
        wanted, pulse = self.wanted, scene.pulse
        watcher = Watcher(scene, status_deck, broker)
        await watcher.look()
        fleet = FleetWatcher(scene, status_deck)
        killer = Killer(scene, status_deck, broker)
        crowd: Crowd | None = None
        work: Coroutine[Any, Any, None]
        pulse.began = time.monotonic()
        if wanted.transcripts is not None:
            work = self._recite(wanted.transcripts, deck, ledger, pulse)
        else:
            crowd = Crowd(
                deck, ledger, pulse, sessions=wanted.sessions, npcs=wanted.npcs, seed=wanted.seed
            )
            work = crowd.run()
            pulse.say(f"{wanted.sessions:,} learners and {wanted.npcs} NPCs come in")
            pulse.say(
                f"{sum(len(c.members) for c in crowd.crews)} agents in {len(crowd.crews)} crews"
            )
        helpers = [
            asyncio.create_task(watcher.run()),
            asyncio.create_task(fleet.run()),
            asyncio.create_task(self._show(scene)),
        ]
        striking: asyncio.Task[None] | None = None
        playing = asyncio.create_task(work)
        try:
            if wanted.kill:
                await _sleep(wanted.seconds / 2, playing)
                striking = asyncio.create_task(killer.strike())
            await _sleep(wanted.seconds - pulse.now(), playing)
            if striking is not None:
                # Nobody goes home before all is well, or what was recovered would not be seen.
                scene.phase = "waiting for the recovery"
                while not _recovered(scene.failover) and pulse.now() < wanted.seconds + PATIENCE_S:
                    await asyncio.sleep(0.2)
            scene.phase = "sessions end"
            if crowd is not None:
                crowd.finish()
            await playing
            scene.phase = "done"
            with contextlib.suppress(HolodeckError):
                await watcher.look()
                await fleet.look()
        finally:
            tasks = [task for task in (playing, striking, *helpers) if task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _recite(self, path: Path, deck: Deck, ledger: Ledger, pulse: Pulse) -> None:
        """Plays recorded dialogues, at a speed at which they last about as long as is wanted."""
        dialogues, faults = transcripts.load(path)
        if faults:
            raise StartupError(f"{path}: {faults[0]}", "Mend the file, or leave the line out")
        deck.caller = TimedCaller(deck, pulse)
        parallel = min(transcripts.PARALLEL, max(1, len(dialogues)))
        said = sum(dialogue.turns + dialogue.replies for dialogue in dialogues)
        pulse.say(f"{len(dialogues):,} dialogues with {said:,} utterances from {path.name}")

        def progress(summary: transcripts.Summary) -> None:
            pulse.started, pulse.ended = summary.started, summary.done - len(summary.failed)
            pulse.live = pulse.started - pulse.ended

        def acknowledged(session: str, command: str, sequence: int) -> None:
            ledger.acknowledge(Intent("session", session, command), sequence, "recorded")

        summary = await transcripts.play(
            deck,
            dialogues,
            parallel=parallel,
            speed=max(0.01, said / parallel / self.wanted.seconds),
            on_progress=progress,
            on_ack=acknowledged,
        )
        given_up = "; ".join(f"{session}: {why}" for session, why in summary.failed[:3])
        self.extra.append(
            Claim(
                "recorded dialogues played",
                f"{len(dialogues):,}",
                f"{summary.done - len(summary.failed):,}",
                summary.done == len(dialogues) and not summary.failed,
                given_up or f"{summary.turns:,} turns, {summary.replies:,} replies",
            )
        )

    async def _show(self, scene: Scene) -> None:
        screen, wanted = self.screen, self.wanted
        pictured = wanted.picture is None
        live: Live | None = None
        if screen.live:
            live = Live(
                scene.render(screen.console.height), console=screen.console, auto_refresh=False,
                redirect_stdout=False, redirect_stderr=False,
            )  # fmt: skip
            live.start()
        spoken = 0.0
        try:
            while True:
                await asyncio.sleep(0.25)
                if live is not None:
                    live.update(scene.render(screen.console.height), refresh=True)
                elif time.monotonic() - spoken >= 5.0:
                    spoken = time.monotonic()
                    screen.say(scene.line())
                story = scene.failover
                if not pictured and story is not None and story.over and story.rested() > 3.5:
                    pictured = True
                    assert wanted.picture is not None
                    draw(scene, wanted.picture)
        finally:
            if live is not None:
                live.update(scene.render(screen.console.height), refresh=True)
                live.stop()
            else:
                screen.say(scene.line())

    async def _settle(self, broker: Broker, deck: Deck) -> None:
        """Waits until the journal stands still, its last tile is stored, and every emergence
        that was noticed has been told."""
        journal, tiles = broker.log(deck.layout.checkpoints), broker.log(deck.layout.tiles)
        give_up = time.monotonic() + SETTLE_S
        before = -1
        while time.monotonic() < give_up:
            end = await journal.end()
            last = await tiles.last(all_tiles(deck.ns))
            origin = last.headers.get(HEADER_ORIGIN, "0") if last is not None else "0"
            if end == before and int(origin.partition(".")[0]) == end:
                with contextlib.suppress(HolodeckError):
                    if not (await deck.fleet.status(after=end))["owed"]:
                        return
            before = end
            await asyncio.sleep(0.5)

    async def _listen(self, broker: Broker, deck: Deck) -> Owners:
        """Notes from now on who is given which partition."""
        owners = Owners(deck.partitions)
        cluster = broker.bucket(deck.layout.cluster)

        def changed(entry: Entry) -> None:
            owners.note(table_of(entry).owners)

        await cluster.watch(TABLE, changed)
        owners.note((await read_table(cluster, deck.partitions)).owners)
        return owners

    async def _prove(
        self, ledger: Ledger, deck: Deck, broker: Broker, owners: Owners
    ) -> tuple[Proof, int, int]:
        screen = self.screen
        if not screen.live:
            screen.say("  reading the streams back")
        with screen.bars() as progress:
            reading = await read_journal(broker, deck.layout, progress)
            tiles = await read_tiles(broker, deck.layout, progress)
            told = await read_told(broker, deck.layout, progress)
            live = await read_actors(DeckActors(deck), reading, progress)
            dead = await count_dead(broker, deck.layout)
        proof = prove(ledger, reading, tiles, live, dead, owners, told)
        if self.wanted.transcripts is None:
            self.extra.append(_emerged(told))
        return proof, reading.checkpoints, len(tiles)


def _recovered(story: Failover | None) -> bool:
    return story is not None and story.answered is not None and story.back is not None


def _services(runtime: Runtime) -> int:
    """How many services run; -1 while Ray does not."""
    if runtime.cluster is None or not runtime.cluster.connected:
        return -1
    return len(runtime.cluster.services)


def _emerged(told: Told) -> Claim:
    """The crews are made so that one of their components rises above its threshold."""
    count = len(told.crossings)
    return Claim("emergence alerts in this run", "1 or more", f"{count:,}", count > 0)


def _answers_again(story: Failover | None) -> Claim:
    if story is None:
        return Claim("a host was killed", "1", "0", False, "none was alive half way")
    answered = story.answered
    return Claim(
        "partitions of the killed host that answer again",
        str(len(story.partitions)),
        str(len(story.partitions)) if answered is not None else "not all",
        answered is not None,
        "" if answered is None else f"the last after {answered:.1f} s",
    )


def draw(scene: Scene, path: Path) -> None:
    """The view as a picture (SVG)."""
    console = Console(record=True, width=112, file=io.StringIO(), force_terminal=True, emoji=False,
                      color_system="truecolor", legacy_windows=False)  # fmt: skip
    console.print(scene.render())
    path.parent.mkdir(parents=True, exist_ok=True)
    svg = console.export_svg(title="make demo")
    # Without the fonts it would fetch from elsewhere: any monospaced one will do.
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    path.write_text(svg.replace("Fira Code", "ui-monospace, DejaVu Sans Mono"))


async def _sleep(seconds: float, unless: asyncio.Task[Any]) -> None:
    """Sleeps; what fails meanwhile in ``unless`` is raised."""
    if seconds > 0:
        await asyncio.wait([unless], timeout=seconds)
    if unless.done():
        unless.result()


async def _through(work: Awaitable[T]) -> T:
    """Awaits to the end, however often we are told to stop."""
    task = asyncio.ensure_future(work)
    while not task.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.shield(task)
    return task.result()


# --- the command ----------------------------------------


def demo_settings(hosts: int) -> Settings:
    """The settings of a demo: those of this machine, in a fresh state folder of its own.

    A broker or Ray cluster that is used together with others gets a namespace of its own.
    """
    given = load_settings()
    stamp = time.strftime("%Y%m%d-%H%M%S")
    name, number = f"demo-{stamp}", 1
    while (given.state_path / name).exists():
        number += 1
        name = f"demo-{stamp}-{number}"
    own: dict[str, Any] = {"state_dir": given.state_path / name, "hosts": hosts}
    if given.nats_url is not None or given.ray_address is not None:
        own["namespace"] = name
    _tidy(given.state_path)
    return load_settings(**own)


def _tidy(base: Path) -> None:
    """Removes the state of demos long over."""
    if not base.is_dir():
        return
    old = sorted(path for path in base.iterdir() if _FOLDER.match(path.name) and path.is_dir())
    for path in old[: -KEPT + 1]:
        running = RuntimeFile.read(runtime_path(load_settings(state_dir=path)))
        if running is None:
            shutil.rmtree(path, ignore_errors=True)


async def _main(demo: Demo) -> tuple[Result | None, int]:
    """Runs it under the signals that end it; the result and the exit status."""
    task = asyncio.ensure_future(demo.run())
    caught: list[int] = []

    def interrupt(number: int) -> None:
        caught.append(number)
        task.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupt, number)
    try:
        result = await task
    except asyncio.CancelledError:
        if not caught:
            raise
        return None, 128 + caught[0]
    return result, 0 if result.holds else 1


def _show_result(screen: Screen, result: Result) -> None:
    console = screen.console
    console.print()
    console.print(result.table())
    load = result.figures()
    recovery = result.recovery()
    screen.say(
        f"{load['commands']:,} commands in {load['seconds']:.0f} s: {load['commands_per_s']:,.0f} "
        f"a second, at most {load['peak_per_s']:,}; p50 {load['p50_ms']:.1f} ms, "
        f"p95 {load['p95_ms']:.1f} ms, p99 {load['p99_ms']:.1f} ms, "
        f"slowest {load['max_ms']:,.0f} ms"
    )
    if recovery is not None:

        def took(name: str) -> str:
            return "not yet" if recovery[name] is None else f"{recovery[name]:.1f} s"

        screen.say(
            f"{recovery['host']} killed at {recovery['at_s']:.0f} s: all partitions owned after "
            f"{took('owned_s')}, every one answered after {took('answered_s')}, latency as before "
            f"after {took('calm_s')}, host back after {took('back_s')}"
        )
    for name in ("tiles", "logs", "store", "metrics"):
        screen.say(f"  {name:<8}{result.where[name]}")
    mark, style = ("✓", "bold green") if result.holds else ("✗", "bold red")
    screen.say(
        f"{mark} lost {result.proof.lost}, applied twice {result.proof.twice}"
        + ("" if result.holds else "; see the ✗ above and the logs"),
        style=style,
    )


def run(wanted: Wanted) -> int:
    """A whole demo; the exit status."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    out = sys.stderr if wanted.json else sys.stdout
    data = sys.stdout
    screen = Screen(out)
    try:
        settings = demo_settings(wanted.hosts)
        logs = settings.state_dir / "logs"
        logs.mkdir(parents=True, exist_ok=True)
    except (HolodeckError, OSError) as error:
        screen.say(str(error), style="red")
        return 1
    agents = sum(len(crew.members) for crew in make_crews(wanted.sessions, wanted.seed))
    who = f"{wanted.sessions:,} learners, {wanted.npcs} NPCs, {agents} agents, seed {wanted.seed}"
    if wanted.transcripts is not None:
        who = f"dialogues of {wanted.transcripts.name}"
    kill = "no host is killed" if not wanted.kill else "one host is killed half way"
    screen.say(
        f"Holodeck demo: {who}, {wanted.hosts} hosts, {wanted.seconds:g} s, {kill}",
        style="bold",
    )
    # Ray prints from threads of its own; the view is no place for that.
    # It stays open to the end of the process: what Ray has put around it flushes it then.
    noise = io.TextIOWrapper(io.FileIO(logs / "demo.log", "a"), write_through=True)
    configure_logging(settings.log_level, True, stream=noise)
    with contextlib.redirect_stdout(noise), contextlib.redirect_stderr(noise):
        try:
            result, status = _run_loop(_main(Demo(wanted, settings, screen)))
        except StartupError as error:
            screen.say(str(error), style="red")
            return 1
        except HolodeckError as error:
            screen.say(f"the demo failed: {error}; see {logs}", style="red")
            return 1
    if result is None:
        screen.say("interrupted; everything that was started is stopped")
        return status
    _show_result(screen, result)
    if wanted.json:
        print(result.as_json(), file=data, flush=True)
    return status


def _run_loop(main: Coroutine[Any, Any, T]) -> T:
    try:
        import uvloop

        run_it: Callable[[Coroutine[Any, Any, T]], T] = uvloop.run
    except ImportError:
        run_it = asyncio.run
    return run_it(main)


app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command()
def command(
    sessions: Annotated[int, typer.Option(min=1, help="Simulated learners.")] = 500,
    seconds: Annotated[float, typer.Option(min=1.0, help="How long they come.")] = 60.0,
    seed: Annotated[int, typer.Option(help="The same seed: the same learners.")] = 1,
    no_kill: Annotated[bool, typer.Option("--no-kill", help="Let all hosts live.")] = False,
    transcripts: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="Recorded dialogues in place of learners."),
    ] = None,
    npcs: Annotated[int, typer.Option(min=1, max=500, help="NPCs they meet.")] = 40,
    hosts: Annotated[int, typer.Option(min=1, max=16, help="Host processes.")] = 2,
    as_json: Annotated[bool, typer.Option("--json", help="The proof as JSON on stdout.")] = False,
    picture: Annotated[
        Path | None, typer.Option(help="Save the view some seconds after the kill, as SVG.")
    ] = None,
) -> None:
    """Runs the whole of Holodeck on this machine under load, kills a host, and proves the rest.

    Ends with a table read back from the streams; exit status 0 only if every claim in it holds.
    """
    wanted = Wanted(
        sessions, seconds, seed, not no_kill, transcripts, npcs, hosts, as_json, picture
    )
    raise typer.Exit(run(wanted))


if __name__ == "__main__":
    app()
