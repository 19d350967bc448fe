"""``python -m tests.conformance FILE…``: whether the real code does what files of cases say.

Exit status 0: nothing failed. 1: something did. 2: no file was named.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

import structlog

from tests.conformance import real
from tests.conformance.adapters import ADAPTERS
from tests.conformance.runner import exceptions_of, lines, run, summary

EXCEPTIONS = Path(__file__).parent / "exceptions.toml"


def main(files: Sequence[str], out: TextIO) -> int:
    """Runs the files, tells what came of it, and returns the exit status."""
    if not files:
        out.write("usage: python -m tests.conformance FILE…\n")
        return 2
    exceptions = exceptions_of(EXCEPTIONS)
    try:
        reports = [run(Path(file), ADAPTERS, exceptions) for file in files]
    finally:
        real.close()
    for report in reports:
        out.writelines(line + "\n" for line in lines(report))
    out.write(summary(reports) + "\n")
    return 1 if any(report.failed for report in reports) else 0


if __name__ == "__main__":
    # What the real code logs on the way is no part of the report.
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    sys.exit(main(sys.argv[1:], sys.stdout))
