"""A player's dashboard in one call over NATS, beside the learner's plain state in the same run."""

from __future__ import annotations

import argparse
import time
from typing import Any, Final

from bench._report import Report, Row, median, millis, percentile, say
from bench._runtime import ray_argument, running
from holodeck.deck import Deck
from holodeck.messages.codec import pack, unpack
from holodeck.messages.envelope import ReadPlayer, ReadState
from holodeck.messages.ids import new_id
from holodeck.messages.player import (
    AddMarker,
    Background,
    Character,
    Interact,
    MarkerType,
    ProgressMarker,
    PutCharacter,
)

HELP = "p50 and p99 of a player's dashboard, with fifty sessions played, beside a plain read-state"
BOUND_MS: Final = 30.0
LEARNER: Final = "dashing"


def arguments(parser: argparse.ArgumentParser) -> None:
    ray_argument(parser)
    parser.add_argument("--sessions", type=int, default=50, help="that were played")
    parser.add_argument("--looks", type=int, default=2000, help="at each, one after the other")
    parser.add_argument("--hosts", type=int, default=1, help="host processes")


async def _play(deck: Deck, sessions: int) -> int:
    """A player with a character, and its sessions; the last one's last sequence."""
    player = deck.player(LEARNER)
    await player.create("dashing", "dashing@example.org", time_zone="Europe/Madrid")
    character = Character(character_id="mira", name="Mira", background=Background(name="Mira"))
    await player.command(PutCharacter(character=character))
    kinds = list(MarkerType)
    sequence = 0
    for number in range(sessions):
        session = await deck.start_session(learner=LEARNER)
        await session.command(Interact(intervention="breathing", scene=f"scene {number}"))
        marker = ProgressMarker(
            marker_id=f"m{number}",
            marker_type=kinds[number % len(kinds)],
            description=f"came to terms with the thing it met in session {number}",
        )
        await session.command(AddMarker(marker=marker))
        sequence = (await session.end()).sequence
    return sequence


async def _look(deck: Deck, body: ReadPlayer | ReadState) -> tuple[float, Any]:
    """How long an answer took, seconds, unpacked, and what it was."""
    began = time.perf_counter()
    answer = await deck.caller.command("learner", LEARNER, new_id("ask"), body)
    found = unpack(answer.state or b"")
    return time.perf_counter() - began, found


async def run(options: argparse.Namespace) -> Report:
    looks: dict[str, list[float]] = {"dashboard": [], "state": []}
    async with running(options.hosts, ray=options.ray) as runtime:
        deck = await runtime.deck(deadline_s=30.0)
        try:
            after = await _play(deck, options.sessions)
            say(f"  {options.sessions} sessions played")
            found: Any = None
            state: Any = None
            for number in range(options.looks + options.looks // 10):
                now = int(time.time() * 1000)
                # The first look waits for the fold, the first tenth is for warming up.
                bodies = (
                    ReadPlayer(view="dashboard", at=now, after=0 if number else after),
                    ReadState(),
                )
                took, found = await _look(deck, bodies[0])
                plain, state = await _look(deck, bodies[1])
                if number >= options.looks // 10:
                    looks["dashboard"].append(took)
                    looks["state"].append(plain)
        finally:
            await deck.close()
    if found["total_sessions"] != options.sessions:
        raise SystemExit(f"{found['total_sessions']} sessions are known, not {options.sessions}")
    p50, p99 = (percentile(looks["dashboard"], share) for share in (0.5, 0.99))
    state_p50, state_p99 = (percentile(looks["state"], share) for share in (0.5, 0.99))
    figures: dict[str, Any] = {
        "sessions": options.sessions,
        "looks": options.looks,
        "p50_ms": millis(p50),
        "p99_ms": millis(p99),
        "max_ms": millis(max(looks["dashboard"])),
        "state_p50_ms": millis(state_p50),
        "state_p99_ms": millis(state_p99),
        "more_ms": millis(median(looks["dashboard"]) - median(looks["state"])),
        "dashboard_bytes": len(pack(found)),
        "state_bytes": len(pack(state)),
        "hosts": options.hosts,
    }
    rows = [
        Row("p50", f"{figures['p50_ms']:.2f} ms", f"read-state {figures['state_p50_ms']:.2f} ms"),
        Row("p99", f"{figures['p99_ms']:.2f} ms",
            f"at most {BOUND_MS:g} ms; read-state {figures['state_p99_ms']:.2f} ms"),
        Row("longest", f"{figures['max_ms']:.2f} ms"),
        Row("size", f"{figures['dashboard_bytes']:,} B", f"state {figures['state_bytes']:,} B"),
    ]  # fmt: skip

    def draw(axes: Any) -> None:
        for name, took in looks.items():
            axes.plot(sorted(1000 * one for one in took), label=name)
        axes.axhline(BOUND_MS, color="grey", linestyle="--")
        axes.set(xlabel="look, from the fastest", ylabel="ms", yscale="log",
                 title=f"A dashboard of {options.sessions} sessions")  # fmt: skip
        axes.legend()

    return Report("dashboard", figures, rows, draw)
