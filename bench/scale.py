"""What a command, a start and a recovery cost with ever more sessions alive."""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from bench._conductor import Conductor, crowd
from bench._generator import Plan, session_id
from bench._plain import Plain, plain
from bench._probe import kill_host, one_of_each
from bench._processes import Child, CpuMeter, resident_now
from bench._progress import wait
from bench._report import Report, Row, say
from holodeck.broker import Broker
from holodeck.broker.streams import StreamSpec
from holodeck.config import load_settings

HELP = "cost of a command, a start and a recovery at 100 to 50,000 live sessions, 200,000 asleep"
WITHIN: Final = 1.25
"""How much dearer a command or a start may be at the dearest size than at the cheapest."""
IN_FLIGHT: Final = 100
"""Commands in flight, the same at every size: how many wait decides how well work is batched."""
STARTS: Final = 1000
"""Sessions started on top of those that live, to say what a start costs there."""
STARTS_IN_FLIGHT: Final = 128
BESIDE_LIVE: Final = 10_000
"""The sleepers are beside the largest size up to this."""
_IDLE_S: Final = 5.0
_RUNTIME: Final = ("host", "nats-server", "tiles", "supervisor")


def sizes(text: str) -> list[int]:
    """``100,1000`` as numbers, each at least 1."""
    found = [int(part) for part in text.replace("_", "").split(",")]
    if min(found) < 1:
        raise argparse.ArgumentTypeError("each size is at least 1")
    return found


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sizes", type=sizes, default=[100, 1000, 10_000, 50_000],
                        help="live sessions, as 100,1000,10000")  # fmt: skip
    parser.add_argument("--asleep", type=int, default=200_000,
                        help="sessions not in memory, in one more run; 0: none")  # fmt: skip
    parser.add_argument("--seconds-per-size", type=float, default=40.0,
                        help="measured; whole snapshot rounds (20 s) are best")  # fmt: skip
    parser.add_argument("--starts", type=int, default=STARTS, help="measured at each size")
    parser.add_argument("--recovery-rate", type=float, default=500.0,
                        help="commands a second while a host is killed")  # fmt: skip
    parser.add_argument("--npcs", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)


class _Stage:
    """One runtime with so many sessions alive, and what is measured there."""

    def __init__(
        self, options: argparse.Namespace, runtime: Plain, broker: Broker, host: Child,
        tiles: Child, people: Conductor,
    ) -> None:  # fmt: skip
        self.options = options
        self.runtime = runtime
        self.broker = broker
        self.host = host
        self.people = people
        self.flush_s = load_settings().flush_s
        self.pids = {
            "host": host.pid,
            "nats-server": runtime.server.pid,
            "tiles": tiles.pid,
            "supervisor": runtime.supervisor.pid,
        }

    async def grow(self, live: int) -> dict[str, Any]:
        """Starts all sessions and brings them into the middle of their lives."""
        meter = CpuMeter(self.pids)
        started = await self.people.do(
            "start", title=f"starting {live:,} sessions", total=live, count=live,
            in_flight=STARTS_IN_FLIGHT,
        )  # fmt: skip
        used = meter.used()
        await self.people.do(
            "settle-in", title="bringing each into the middle of its life", total=live,
            in_flight=IN_FLIGHT,
        )  # fmt: skip
        await self.settle()
        return {
            "grown_per_s": round(started["per_s"], 1),
            "grown_us_per_start": _each(used, live),
        }

    async def commands(self, seconds: float) -> dict[str, Any]:
        """The mix over all sessions in turn, as fast as it goes; warm-up first."""
        await self._play("warm-up", min(self.flush_s, seconds))
        return await self._play("commands", seconds)

    async def _play(self, title: str, seconds: float) -> dict[str, Any]:
        await self.people.begin("play", seconds=seconds, concurrency=IN_FLIGHT)
        await self.people.done("opened")
        meter = CpuMeter({**self.pids, "generator": self.people.child.pid})
        before = await self._stored()
        await wait(title, seconds)
        await self.people.done("closed")
        used = meter.used()
        after = await self._stored()
        result = await self.people.done("play")
        done = result["durable"]
        kinds = result["by_kind"]
        return {
            "commands_per_s": round(done / seconds, 1),
            "us_per_command": _each(used, done),
            "stored_per_command": {
                name: round((after[name] - before[name]) / max(1, done), 3) for name in before
            },
            "mix": {kind: round(kinds[kind]["count"] / max(1, done), 4) for kind in kinds},
            **{key: result[key] for key in ("p50_ms", "p99_ms", "refused", "failed", "retries",
                                            "examples", "without_checkpoint")},
        }  # fmt: skip

    async def idle(self) -> dict[str, float]:
        """What it costs to have them, while nobody speaks: CPU milliseconds a second."""
        await self._all_saved()
        meter = CpuMeter(self.pids)
        began = time.perf_counter()
        await wait("nobody speaks", min(_IDLE_S, self.options.seconds_per_size))
        used, seconds = meter.used(), time.perf_counter() - began
        return {name: round(used[name] / seconds * 1000, 2) for name in _RUNTIME}

    async def starts(self, count: int, idle: Mapping[str, float]) -> dict[str, Any]:
        """Starts some more, then ends those. Their snapshots, later, are not in the figure."""
        meter = CpuMeter(self.pids)
        began = time.perf_counter()
        started = await self.people.do("start", count=count, in_flight=STARTS_IN_FLIGHT)
        await self.settle()
        used, seconds = meter.used(), time.perf_counter() - began
        own = {name: max(0.0, used[name] - idle[name] / 1000 * seconds) for name in _RUNTIME}
        await self.people.do("end", count=count, in_flight=STARTS_IN_FLIGHT)
        await self.settle()
        return {
            "starts_per_s": round(started["per_s"], 1),
            "start_p99_ms": started["p99_ms"],
            "us_per_start": _each(own, count),
        }

    async def recovery(self, live: int, rate: float, seconds: float) -> dict[str, Any]:
        """A second host takes its half; the first is killed while commands come in.

        Args:
            seconds: of load before the kill, so that there is a tail behind the snapshots.
        """
        second = await self.runtime.add_host()
        try:
            await self.runtime.balanced(2, 180.0)
            await self.people.begin("play", seconds=3600.0, rate=rate)
            await self.people.done("opened")
            await wait(f"load before the kill, {rate:g}/s", seconds)
            names = (session_id("b", number) for number in range(live))
            deck = self.runtime.deck
            _, answers = await kill_host(
                deck, self.broker, one_of_each(names, deck.partitions), self.host.pid
            )
            await asyncio.sleep(0.2)
            await self.people.stop()
            result = await self.people.done("play")
        finally:
            await second.stop()
        return {
            "recovered_s": round(max(answers, default=0.0), 3),
            "partitions": len(answers),
            "recovery_failed": result["failed"],
            "recovery_refused": result["refused"],
        }

    async def settle(self) -> None:
        """Waits until nothing is on its way in folds and tiles."""
        await self.runtime.folded(self.host.pid, 120.0)

    async def _all_saved(self) -> None:
        """Waits until hardly a snapshot is written: only each partition's mark, once a round."""
        parts = 8
        marks = self.runtime.deck.partitions / parts
        give_up = time.monotonic() + 3 * self.flush_s
        before = (await self._stored())["snapshots"]
        while time.monotonic() < give_up:
            await asyncio.sleep(self.flush_s / parts)
            now = (await self._stored())["snapshots"]
            if now - before <= 1.5 * marks:
                return
            before = now

    async def _stored(self) -> dict[str, int]:
        """Messages ever stored: in the journal, as tiles, as snapshots."""
        layout = self.runtime.layout
        return {
            "checkpoints": await self.broker.log(layout.checkpoints).end(),
            "tiles": await self.broker.log(layout.tiles).end(),
            "snapshots": sum(
                [
                    await self.broker.log(StreamSpec(f"KV_{bucket.name}", (), 0)).end()
                    for bucket in (layout.live, layout.actors)
                ]
            ),
        }


def _each(used: Mapping[str, float], count: int) -> dict[str, float]:
    """CPU seconds as microseconds for each of ``count``; ``runtime`` is the sum of its parts."""
    found = {name: round(seconds / max(1, count) * 1e6, 1) for name, seconds in used.items()}
    return {"runtime": round(sum(found[name] for name in _RUNTIME), 1), **found}


async def _sleepers(runtime: Plain, options: argparse.Namespace) -> None:
    """Starts sessions on a host that puts all to sleep almost at once, and ends that host."""
    host = await runtime.host(idle_sleep_s=2.0, flush_s=2.0)
    plan = _plan(runtime, options, "asleep")
    async with crowd(plan) as people:
        await people.do(
            "start", title=f"starting {options.asleep:,} sessions that go to sleep",
            total=options.asleep, count=options.asleep, in_flight=STARTS_IN_FLIGHT, keep=False,
        )  # fmt: skip
    say("  waiting until all are asleep")
    await runtime.until(lambda one: one["awake"] == 0 and one["folds"] == 0, host.pid, 300.0)
    await host.stop(300.0)


def _plan(runtime: Plain, options: argparse.Namespace, name: str) -> Plan:
    return Plan(connection=asdict(runtime.client), ns=runtime.layout.ns, sessions=0, name=name,
                npcs=options.npcs, seed=options.seed, deadline_s=60.0)  # fmt: skip


async def _at(options: argparse.Namespace, live: int, asleep: int) -> dict[str, Any]:
    """Everything at one size, on a runtime of its own with an empty store."""
    say(f"{live:,} live" + (f" and {asleep:,} asleep" if asleep else ""))
    # The limit of a host is not what is measured here.
    async with plain(max_sessions_per_host=10 * (live + asleep + options.starts)) as runtime:
        tiles = await runtime.tiles()
        broker = await runtime.connection()
        try:
            if asleep:
                await _sleepers(runtime, options)
            began = time.perf_counter()
            host = await runtime.host()
            adopted_s = time.perf_counter() - began
            async with crowd(_plan(runtime, options, "b")) as people:
                stage = _Stage(options, runtime, broker, host, tiles, people)
                found = await stage.grow(live)
                found |= await stage.commands(options.seconds_per_size)
                found["host_bytes"] = resident_now(host.pid)
                found["idle_ms_per_s"] = await stage.idle()
                found |= await stage.starts(options.starts, found["idle_ms_per_s"])
                found |= await stage.recovery(
                    live, options.recovery_rate, min(stage.flush_s, options.seconds_per_size)
                )
            await host.stop()
        finally:
            await broker.close()
            await tiles.stop()
    say(f"  {found['us_per_command']['runtime']:.0f} µs/command at"
        f" {found['commands_per_s']:,.0f}/s, {found['us_per_start']['runtime']:.0f} µs/start,"
        f" recovered in {found['recovered_s']:.2f} s")  # fmt: skip
    return {"live": live, "asleep": asleep, "adopted_s": round(adopted_s, 2), **found}


def spread(values: Sequence[float]) -> float:
    """The largest over the smallest."""
    return max(values) / max(1e-9, min(values))


def _title(one: Mapping[str, Any]) -> str:
    return f"{one['live']:,} live" + (f" + {one['asleep']:,} asleep" if one["asleep"] else "")


def _shares(costs: Mapping[str, float]) -> str:
    return " · ".join(f"{name} {costs[name]:.0f}" for name in _RUNTIME)


def rows_of(stages: Sequence[Mapping[str, Any]]) -> list[Row]:
    """The table: commands, starts and recoveries, each down the sizes."""
    rows = []
    for one in stages:
        stored = one["stored_per_command"]
        rows.append(
            Row(f"a command, {_title(one)}", f"{one['us_per_command']['runtime']:.0f} µs",
                f"{_shares(one['us_per_command'])}; {one['commands_per_s']:,.0f}/s, p99"
                f" {one['p99_ms']:.0f} ms, {stored['snapshots']:.2f} snapshots each")
        )  # fmt: skip
    for one in stages:
        rows.append(
            Row(f"a start, {_title(one)}", f"{one['us_per_start']['runtime']:.0f} µs",
                f"{_shares(one['us_per_start'])}; {one['starts_per_s']:,.0f}/s; while growing"
                f" {one['grown_us_per_start']['runtime']:.0f} µs, {one['grown_per_s']:,.0f}/s")
        )  # fmt: skip
    for one in stages:
        rows.append(
            Row(f"recovery, {_title(one)}", f"{one['recovered_s']:.2f} s",
                f"half of them moved; {one['partitions']} partitions")
        )  # fmt: skip
    for one in stages:
        rows.append(
            Row(f"idle, {_title(one)}", f"{sum(one['idle_ms_per_s'].values()):.0f} ms/s",
                f"{_shares(one['idle_ms_per_s'])}; host {one['host_bytes'] / 1e6:,.0f} MB")
        )  # fmt: skip
    return rows


def judged(stages: Sequence[Mapping[str, Any]]) -> tuple[dict[str, float], list[Row]]:
    """How much dearer the dearest size is than the cheapest; sleepers against the same without."""
    awake = [one for one in stages if not one["asleep"]]
    figures, rows = {}, []
    for word, key in (("command", "us_per_command"), ("start", "us_per_start")):
        if len(awake) > 1:
            found = figures[f"{word}_spread"] = round(spread([s[key]["runtime"] for s in awake]), 3)
            rows.append(
                Row(f"dearest {word} over cheapest", f"{found:.2f}",
                    f"{_verdict(found)}; {awake[0]['live']:,} to {awake[-1]['live']:,} live")
            )  # fmt: skip
        for one in stages:
            twins = [other for other in awake if other["live"] == one["live"]]
            if one["asleep"] and twins:
                ratio = one[key]["runtime"] / max(1e-9, twins[0][key]["runtime"])
                figures[f"{word}_asleep_ratio"] = round(ratio, 3)
                rows.append(
                    Row(f"{word} with sleepers over without", f"{ratio:.2f}",
                        f"{_verdict(ratio)}; {_title(one)}")
                )  # fmt: skip
    return figures, rows


def _verdict(ratio: float) -> str:
    return f"{'within' if ratio <= WITHIN else 'NOT within'} {WITHIN:.2f}"


async def run(options: argparse.Namespace) -> Report:
    stages = [await _at(options, live, 0) for live in sorted(options.sizes)]
    if options.asleep:
        fitting = [live for live in options.sizes if live <= BESIDE_LIVE]
        stages.append(await _at(options, max(fitting, default=min(options.sizes)), options.asleep))
    spreads, verdicts = judged(stages)
    troubles = [
        f"{_title(one)}: {one[key]}"
        for one in stages
        for key in ("refused", "failed", "recovery_refused", "recovery_failed")
        if one[key]
    ]
    rows = [*rows_of(stages), *verdicts, *(Row("not acknowledged", "", t) for t in troubles)]
    figures = {"sizes": stages, **spreads, "within": WITHIN, "in_flight": IN_FLIGHT}

    def draw(axes: Any) -> None:
        _draw(axes.figure, stages)

    return Report("scale", figures, rows, draw)


def _draw(figure: Any, stages: Sequence[Mapping[str, Any]]) -> None:
    """Three panels over live sessions: a command, a start, a recovery."""
    awake = [one for one in stages if not one["asleep"]]
    slept = [one for one in stages if one["asleep"]]
    live = [one["live"] for one in awake]
    figure.clear()
    figure.set_size_inches(12, 4.4)
    command, start, recovery = figure.subplots(1, 3)
    for axes, key in ((command, "us_per_command"), (start, "us_per_start")):
        whole = [one[key]["runtime"] for one in awake]
        axes.axhspan(min(whole), min(whole) * WITHIN, color="green", alpha=0.12,
                     label="cheapest + 25 %")  # fmt: skip
        axes.plot(live, whole, "k-o", label="all processes")
        for name in _RUNTIME:
            axes.plot(live, [one[key][name] for one in awake], "-", marker=".", label=name)
        for one in slept:
            axes.plot([one["live"]], [one[key]["runtime"]], "k*", markersize=11,
                      label=f"all, with {one['asleep']:,} asleep")  # fmt: skip
    recovery.plot(live, [one["recovered_s"] for one in awake], "k-o")
    for one in slept:
        recovery.plot([one["live"]], [one["recovered_s"]], "k*", markersize=11)
    for axes, title in (
        (command, "CPU of a command, µs"),
        (start, "CPU of a start, µs"),
        (recovery, "A host is killed: seconds until all answer"),
    ):
        axes.set(xscale="log", ylim=(0, None), xlabel="live sessions", title=title)
        axes.set_xticks(live, [f"{count:,}" for count in live])
        axes.minorticks_off()
    handles, names = command.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=len(names), frameon=False)
