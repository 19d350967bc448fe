"""What is written down while a run goes on: lines of JSON, each with its time.

One law: a line is in the file, as far as a killed process is concerned, when :meth:`Lines.write`
returns; all times are of one clock, which no nemesis can skew.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self


def now() -> int:
    """CLOCK_BOOTTIME, nanoseconds: the same for every process of the machine, and it also runs
    while a process is stopped."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class Lines:
    """A file of JSON lines that is only ever added to, from its beginning on with ``anew``."""

    def __init__(self, path: Path, *, anew: bool = False) -> None:
        self._file = path.open("wb" if anew else "ab", buffering=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def write(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")
