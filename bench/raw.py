"""What bare nats-py does on a real nats-server, here and now."""

from __future__ import annotations

import argparse
from typing import Any

from bench._limits import ALL, REQUESTS_IN_FLIGHT, WRITERS, limits
from bench._report import Report, Row, say

HELP = "the raw limits: publish, fenced publish, request-reply of bare nats-py"
_TEXTS = {
    "core_publish": "published, not stored",
    "publish": "stored",
    "fenced": "stored, fenced over the exact subject",
    "fenced_wildcard": "stored, fenced over a wildcard, by js.publish",
    "fenced_wildcard_lean": "the same with a hand-made reply inbox",
    "request": "request and reply",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seconds", type=float, default=5.0, help="for each figure")
    parser.add_argument("--writers", type=int, default=WRITERS, help="each with one in flight")


async def run(options: argparse.Namespace) -> Report:
    say("bare nats-py on an embedded nats-server")
    found = await limits(options.seconds, ALL, options.writers)
    figures: dict[str, Any] = {f"{name}_per_s": round(found[name]["per_s"]) for name in found}
    figures["cpu_us"] = {
        name: {"client": round(one["client_us"], 1), "server": round(one["server_us"], 1)}
        for name, one in found.items()
    }
    figures["writers"] = options.writers
    rows = [
        Row(_TEXTS[name], f"{one['per_s']:,.0f}/s",
            f"CPU: client {one['client_us']:.1f} µs, server {one['server_us']:.1f} µs; "
            + ("" if name == "core_publish"
               else f"{REQUESTS_IN_FLIGHT if name == 'request' else options.writers} in flight"))
        for name, one in found.items()
    ]  # fmt: skip

    def draw(axes: Any) -> None:
        names = [name for name in found if name != "core_publish"]
        axes.barh([_TEXTS[name] for name in names], [found[name]["per_s"] for name in names])
        axes.set(xlabel="a second", title="Bare nats-py")
        axes.invert_yaxis()

    return Report("raw", figures, rows, draw)
