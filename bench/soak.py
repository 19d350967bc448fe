"""Hours in small: what grows while sessions come and go at a steady rate, and what stays flat."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import math
import signal
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bench._conductor import Conductor, crowd
from bench._generator import Plan
from bench._processes import ChildFailed, open_files, resident_now
from bench._progress import bar
from bench._report import Report, Row, say
from bench._runtime import Running, ray_argument, running
from bench._series import Slope, slope
from holodeck.broker import Broker
from holodeck.broker.streams import StreamSpec
from holodeck.deck import Deck
from holodeck.messages.errors import HolodeckError

HELP = "slopes of memory, descriptors, lag, store and latency at a steady rate; exit 1 if not flat"
LEAST_MEMORY: Final = 16e6
"""Resident memory may grow so many bytes an hour, however small the process is."""
MORE_FILES: Final = 12.0
"""So many more open descriptors an hour are none that leak: connections come and go."""
MORE_LAG: Final = 1000.0
"""So many more records of lag an hour; a reader that falls behind has that in seconds."""
NOT_SURE: Final = "not sure: run it longer"
_MB: Final = 1e6
_NOTHING: Final = {"resident": 0.1 * _MB, "store": 0.1 * _MB}
"""Slopes an hour that are none."""


def arguments(parser: argparse.ArgumentParser) -> None:
    ray_argument(parser)
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--rate", type=float, default=500.0, help="commands a second, open loop")
    parser.add_argument("--sessions", type=int, default=500, help="live at any time")
    parser.add_argument("--life", type=int, default=120, help="commands from a start to its end")
    parser.add_argument("--npcs", type=int, default=40)
    parser.add_argument("--hosts", type=int, default=1, help="host processes")
    parser.add_argument("--idle-sleep", type=float, default=60.0,
                        help="HOLODECK_IDLE_SLEEP_S; short, so that sleep comes often")  # fmt: skip
    parser.add_argument("--every", type=float, default=3.0, help="seconds between samples")
    parser.add_argument("--warmup-share", type=float, default=1 / 3,
                        help="of the time, not judged")  # fmt: skip
    parser.add_argument("--tolerance", type=float, default=10.0,
                        help="percent an hour that resident memory may grow")  # fmt: skip
    parser.add_argument("--shortest", type=float, default=120.0,
                        help="seconds; less behind the warm-up is not judged")  # fmt: skip
    parser.add_argument("--seed", type=int, default=1)


# --- sampling -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sample:
    """What was seen at one moment.

    Attributes:
        at: seconds since the load began.
        values: by series: ``resident host-0`` (bytes), ``files host-0``, ``lag host-0`` and
            ``lag tiles`` (records), ``store CHECKPOINTS`` (bytes), ``awake``, ``p99_ms``, …
    """

    at: float
    values: Mapping[str, float]


class Listener:
    """Hears what the crowd says of itself.

    Attributes:
        latest: its last sample; empty before the first.
        commands, ended: answered, and sessions ended, since the beginning.
    """

    def __init__(self, people: Conductor) -> None:
        self._people = people
        self.latest: dict[str, Any] = {}
        self.commands = 0
        self.ended = 0
        self.result: dict[str, Any] = {}

    async def listen(self) -> None:
        """Returns when the crowd is done.

        Raises:
            ChildFailed: its process ended without a result.
        """
        async for line in self._people.child.lines():
            if "sample" in line:
                self.latest = line["sample"]
                self.commands += self.latest["commands"]
                self.ended += self.latest["ended"]
            elif "live" in line:
                self.result = line["live"]
                return
        raise ChildFailed("the load generator ended by itself")


class Sampler:
    """Looks at the whole runtime."""

    def __init__(
        self, runtime: Running, deck: Deck, broker: Broker, heard: Listener, generator: int
    ) -> None:
        self._pids = {**runtime.pids, "generator": generator}
        self._deck = deck
        self._heard = heard
        layout = deck.layout
        names = [one.name for one in layout.streams] + [f"KV_{b.name}" for b in layout.buckets]
        self._stores = {name: broker.log(StreamSpec(name, (), 0)) for name in names}

    async def look(self, at: float) -> Sample:
        """One sample."""
        values: dict[str, float] = {}
        for name, pid in self._pids.items():
            values[f"resident {name}"] = resident_now(pid)
            values[f"files {name}"] = open_files(pid)
        for name, store in self._stores.items():
            values[f"store {name}"], _ = await store.size()
        values |= _of_status(await self._deck.status())
        heard = self._heard
        values |= {"commands": heard.commands, "ended": heard.ended}
        for key in ("p50_ms", "p99_ms", "max_ms", "late_ms"):
            if key in heard.latest:
                values[key] = heard.latest[key]
        return Sample(at, values)


def _of_status(status: Mapping[str, Any]) -> dict[str, float]:
    """Lags and populations as the runtime itself tells them; a host that is silent is left out."""
    values: dict[str, float] = {}
    hosts = [host for host in status["hosts"] if host["answers"]]
    for host in hosts:
        values[f"lag {host['host']}"] = host["lag"]
    for key in ("awake", "asleep", "folds", "gaps"):
        values[key] = sum(host[key] for host in hosts)
    tiles = status["tiles"]
    if tiles:
        values["lag tiles"] = tiles["lag"]
    return values


async def _watch(
    sampler: Sampler, heard: Listener, options: argparse.Namespace, stop: asyncio.Event
) -> list[Sample]:
    """Samples until the time is over, or ``stop``."""
    samples: list[Sample] = []
    began, seconds = time.monotonic(), options.minutes * 60
    with bar(f"{options.minutes:g} minutes at {options.rate:g}/s", round(seconds)) as shown:
        while not stop.is_set() and (gone := time.monotonic() - began) < seconds:
            try:
                samples.append(await sampler.look(gone))
            except HolodeckError as error:
                say(f"  no sample after {gone:.0f} s: {error}")
            shown.reached(int(gone), _glance(samples, heard))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(options.every, seconds - gone)):
                    await stop.wait()
    return samples


def _glance(samples: Sequence[Sample], heard: Listener) -> str | None:
    """The bar's text: what a person wants to see change, or not."""
    if not samples or not heard.latest:
        return None
    values = samples[-1].values
    hosts = sum(v for name, v in values.items() if name.startswith("resident host-"))
    return (
        f"hosts {hosts / _MB:.0f} MB · {values['awake']:.0f} awake · p99"
        f" {heard.latest['p99_ms']:.1f} ms · failed {heard.latest['failed']}"
    )


@contextlib.asynccontextmanager
async def _stopped_by_hand() -> AsyncIterator[asyncio.Event]:
    """Ctrl-C sets the event, once; a second one ends the program as ever."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()

    def first() -> None:
        say("  stopping; the report is of what was measured so far")
        loop.remove_signal_handler(signal.SIGINT)
        stop.set()

    loop.add_signal_handler(signal.SIGINT, first)
    try:
        yield stop
    finally:
        loop.remove_signal_handler(signal.SIGINT)


# --- judging ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of one series.

    Attributes:
        allowed: how much an hour it may grow; None where growing is no fault.
        flat: whether it grows by no more than allowed; None where that is not judged or not sure.
        text: said plainly.
    """

    name: str
    slope: Slope
    allowed: float | None
    flat: bool | None
    text: str


def tolerance(name: str, mean: float, percent: float) -> float | None:
    """How much a series may grow an hour, in its own unit; None: as much as it likes."""
    what, _, whose = name.partition(" ")
    if what == "resident" and (whose.startswith("host-") or whose in ("supervisor", "tiles")):
        return max(LEAST_MEMORY, percent / 100 * mean)
    if what == "files" and whose != "generator":
        return MORE_FILES
    return MORE_LAG if what == "lag" else None


def judge(
    samples: Sequence[Sample], *, warmup_share: float, shortest_s: float, percent: float
) -> list[Finding]:
    """What each series did behind the warm-up."""
    until = samples[-1].at if samples else 0.0
    kept = [sample for sample in samples if sample.at >= until * warmup_share]
    whole = bool(kept) and until - kept[0].at >= shortest_s
    names = sorted({name for sample in kept for name in sample.values})
    slopes = {}
    for name in names:
        some = [(s.at, s.values[name]) for s in kept if name in s.values]
        slopes[name] = slope([at for at, _ in some], [value for _, value in some])
    found = []
    for name in names:
        line = slopes[name]
        allowed = tolerance(name, line.mean, percent)
        flat = None if allowed is None or not whole else _flat(line, allowed)
        found.append(Finding(name, line, allowed, flat, _said(name, line, flat, slopes)))
    return found


def _flat(line: Slope, allowed: float) -> bool | None:
    """Whether a line rises by no more than allowed an hour; None: it may or may not."""
    if line.per_hour > allowed and line.sure:
        return False
    return True if line.per_hour + line.error <= allowed else None


def _said(name: str, line: Slope, flat: bool | None, all_of_it: Mapping[str, Slope]) -> str:
    """The verdict in words; where growing is expected, why, and how much for each cause."""
    what, _, whose = name.partition(" ")
    if flat is not None:
        return "flat" if flat else "GROWS, and must not"
    if not math.isfinite(line.error):
        return "too few samples"
    if tolerance(name, line.mean, 0.0) is not None:
        return NOT_SURE
    if abs(line.per_hour) < _NOTHING.get(what, 0.0):
        return "flat"
    if not line.sure:
        return "no sure slope"
    word = "grows" if line.per_hour > 0 else "falls"
    why = _CAUSES.get(whose if what in ("store", "resident") else name)
    if why is None:
        return word
    cause, text = why
    per = all_of_it[cause].per_hour
    each = line.per_hour / per if per > 0 else 0.0
    return f"{word}: {each:,.0f} bytes a {_ONE[cause]}; {text}"


_ONE: Final = {"commands": "command", "ended": "session that ended"}
_CAUSES: Final = {
    "CHECKPOINTS": ("commands", "the journal keeps all until HOLODECK_KEEP after a session's end"),
    "TILES": ("commands", "tiles stay until HOLODECK_TILE_MAX_AGE_DAYS"),
    "KV_live": ("ended", "a note for the archive, until HOLODECK_KEEP"),
    "KV_actors": ("ended", "one learner and one relation more, each with its snapshot"),
    "nats-server": ("commands", "what the server remembers of each stored subject and block"),
    "generator": ("commands", "the load generator, no part of the runtime"),
}
"""Series that must grow, by what they grow with, and why."""
_UNITS: Final = {"resident": (_MB, "MB"), "store": (_MB, "MB"), "files": (1.0, ""),
                 "lag": (1.0, "records")}  # fmt: skip
_HIDDEN: Final = ("commands", "ended", "max_ms", "late_ms")


def rows_of(findings: Sequence[Finding]) -> list[Row]:
    """The table: each series with its mean, its slope and what that means."""
    rows = []
    for one in findings:
        if one.name in _HIDDEN or (one.slope.mean == 0 and one.slope.per_hour == 0):
            continue
        unit, word = _UNITS.get(one.name.partition(" ")[0], (1.0, ""))
        error = f"{one.slope.error / unit:,.2f}" if math.isfinite(one.slope.error) else "?"
        allowed = "" if one.allowed is None else f"; allowed {one.allowed / unit:,.0f} an hour"
        rows.append(
            Row(one.name, f"{one.slope.mean / unit:,.1f} {word}".strip(),
                f"{one.slope.per_hour / unit:+,.2f} ± {error} an hour: {one.text}{allowed}")
        )  # fmt: skip
    return rows


def report_of(
    samples: Sequence[Sample], result: Mapping[str, Any], options: argparse.Namespace
) -> Report:
    """The whole report; not passed if what must be flat is not, or a command was not obeyed."""
    findings = judge(
        samples,
        warmup_share=options.warmup_share,
        shortest_s=options.shortest,
        percent=options.tolerance,
    )
    growing = [one.name for one in findings if one.flat is False]
    troubles = {**result.get("refused", {}), **result.get("failed", {})}
    last = samples[-1] if samples else Sample(0.0, {})
    figures = {
        "rate": options.rate,
        "seconds": round(last.at, 1),
        "sessions": options.sessions,
        "commands": int(last.values.get("commands", 0)),
        "ended": int(last.values.get("ended", 0)),
        "growing": growing,
        "judged": [one.name for one in findings if one.flat is not None],
        "slopes": {
            one.name: {
                "mean": one.slope.mean,
                "per_hour": one.slope.per_hour,
                "error": one.slope.error if math.isfinite(one.slope.error) else None,
                "allowed": one.allowed,
                "text": one.text,
            }
            for one in findings
        },
        "refused": result.get("refused", {}),
        "failed": result.get("failed", {}),
        "examples": result.get("examples", []),
        "samples": [{"at": round(s.at, 2), **s.values} for s in samples],
    }
    rows = [
        Row("ran", f"{last.at / 60:.1f} min",
            f"{figures['commands']:,} commands, {figures['ended']:,} sessions ended"),
        *rows_of(findings),
        Row("refused or without an answer", str(sum(troubles.values())), str(troubles or "")),
        _verdict(findings, options.shortest),
    ]  # fmt: skip

    def draw(axes: Any) -> None:
        _draw(axes.figure, samples, last.at * options.warmup_share)

    return Report("soak", figures, rows, draw, passed=not growing and not troubles)


def _verdict(findings: Sequence[Finding], shortest: float) -> Row:
    """The last row: whether what must be flat is."""
    growing = [one.name for one in findings if one.flat is False]
    fine = [one.name for one in findings if one.flat]
    unsure = [one.name for one in findings if one.allowed is not None and one.flat is None]
    if growing:
        return Row("flat", "no", ", ".join(growing))
    if not fine:
        return Row("flat", "?", f"not judged: less than {shortest:g} s behind the warm-up")
    rest = f"; not sure of {', '.join(unsure)}: run it longer" if unsure else ""
    return Row("flat", "yes", f"{len(fine)} series{rest}")


def _draw(figure: Any, samples: Sequence[Sample], warm: float) -> None:
    """Memory, latency and store over time."""
    figure.clear()
    figure.set_size_inches(12, 4)
    memory, latency, store = figure.subplots(1, 3)

    def line(axes: Any, name: str, unit: float, label: str) -> None:
        some = [(s.at / 60, s.values[name] / unit) for s in samples if name in s.values]
        axes.plot([at for at, _ in some], [value for _, value in some], label=label)

    for name in samples[-1].values if samples else ():
        what, _, whose = name.partition(" ")
        if what == "resident" and whose != "generator":
            line(memory, name, _MB, whose)
        elif what == "store":
            line(store, name, _MB, whose)
    line(latency, "p50_ms", 1.0, "p50")
    line(latency, "p99_ms", 1.0, "p99")
    for axes, title in ((memory, "Resident memory, MB"), (latency, "Latency, ms"),
                        (store, "Store, MB")):  # fmt: skip
        axes.axvline(warm / 60, linestyle=":", color="grey")
        axes.set(xlabel="minutes", ylim=(0, None), title=title)
        axes.legend(frameon=False, fontsize="small")


# --- running ------------------------------------------------------------------------------------


async def run(options: argparse.Namespace) -> Report:
    async with running(
        options.hosts, ray=options.ray, idle_sleep_s=options.idle_sleep
    ) as runtime, _stopped_by_hand() as stop:  # fmt: skip
        deck = await runtime.deck(deadline_s=30.0)
        broker = await runtime.connection()
        plan = Plan(connection=runtime.client, ns=runtime.ns, sessions=0, npcs=options.npcs,
                    seed=options.seed, deadline_s=30.0)  # fmt: skip
        try:
            async with crowd(plan) as people:
                heard = Listener(people)
                await people.begin("live", seats=options.sessions, rate=options.rate,
                                   life=options.life, every=options.every)  # fmt: skip
                listening = asyncio.create_task(heard.listen())
                listening.add_done_callback(lambda _done: stop.set())
                sampler = Sampler(runtime, deck, broker, heard, people.child.pid)
                samples = await _watch(sampler, heard, options, stop)
                if not listening.done():
                    await people.stop()
                await listening
        finally:
            await deck.close()
            await broker.close()
    return report_of(samples, heard.result, options)
