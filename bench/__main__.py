"""``python -m bench NAME [--json FILE] [--plot FILE]``: one benchmark."""

from __future__ import annotations

import argparse
import importlib
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import structlog
import uvloop

from holodeck.messages.errors import HolodeckError

NAMES: Final = (
    "raw",
    "commands",
    "starts",
    "latency",
    "memory",
    "failover",
    "scale",
    "soak",
    "sinks",
    "rayactor",
    "fleet",
    "conversation",
    "analysis",
    "recall",
    "practice",
    "mastery",
    "overview",
    "dashboard",
    "gateway",
)


def parser() -> argparse.ArgumentParser:
    """The command line; each benchmark brings its own options."""
    top = argparse.ArgumentParser(prog="python -m bench", description="See docs/bench.md.")
    names = top.add_subparsers(dest="name", required=True, metavar="NAME")
    for name in NAMES:
        module = importlib.import_module(f"bench.{name}")
        one = names.add_parser(
            name, help=module.HELP, description=f"{module.__doc__} {module.HELP}.",
            formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        )  # fmt: skip
        module.arguments(one)
        one.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
        one.add_argument("--plot", type=Path, metavar="FILE", help="draw a picture there")
        one.set_defaults(run=module.run)
    return top


def main(words: Sequence[str] | None = None) -> int:
    """Runs one benchmark; exit status 1 if it could not be run, or found what must not be."""
    top = parser()
    options = top.parse_args(words)
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    try:
        report = uvloop.run(options.run(options))
    except HolodeckError as error:
        top.exit(1, f"bench {options.name}: {error}\n")
    report.show()
    if options.json is not None:
        report.write(options.json)
    if options.plot is not None:
        report.plot(options.plot)
    return 0 if report.passed else 1


if __name__ == "__main__":
    raise SystemExit(main())
