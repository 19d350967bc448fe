"""Child processes of a benchmark, and what the system says of any process.

One law: a child gets one JSON object on stdin and answers in JSON lines on stdout; when its stdin
ends, it ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final

from bench._report import ROOT

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_LONGEST_LINE: Final = 1 << 28


class ChildFailed(Exception):
    """A child process ended before it said what it was started for."""


class Child:
    """One child process that runs a module of ours."""

    def __init__(self, process: asyncio.subprocess.Process, module: str) -> None:
        self._process = process
        self._module = module

    @classmethod
    async def start(
        cls, module: str, *arguments: str, order: Mapping[str, Any], apart: bool = False
    ) -> Child:
        """Runs ``python -m module`` with this checkout's code and hands it its order.

        Args:
            apart: Ctrl-C in the terminal does not reach it: for children that watch their stdin
                and so end with us anyway, in good order.
        """
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            module,
            *arguments,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_LONGEST_LINE,
            start_new_session=apart,
        )
        child = cls(process, module)
        await child.tell(order)
        return child

    @property
    def pid(self) -> int:
        return self._process.pid

    async def tell(self, order: Mapping[str, Any]) -> None:
        """Sends one line."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        await self._process.stdin.drain()

    async def said(self, key: str) -> Any:
        """Waits for a line with ``key`` and returns its value; other lines are skipped.

        Raises:
            ChildFailed: it ended first.
        """
        async for content in self.lines():
            if key in content:
                return content[key]
        code = await self._process.wait()
        raise ChildFailed(f"{self._module} ended with status {code} before it said {key!r}")

    async def lines(self) -> AsyncIterator[dict[str, Any]]:
        """Every JSON object it says, until it ends."""
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            with contextlib.suppress(ValueError):
                content = json.loads(line)
                if isinstance(content, dict):
                    yield content

    async def stop(self, seconds: float = 30.0) -> None:
        """Ends it in good order, by force after ``seconds``."""
        process = self._process
        if process.stdin is not None:
            process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), seconds)
        except TimeoutError:
            process.kill()
            await process.wait()


def report_line(**content: Any) -> None:
    """What a child says: one JSON line."""
    print(json.dumps(content), flush=True)


async def orders() -> asyncio.StreamReader:
    """A child's stdin."""
    reader = asyncio.StreamReader(limit=_LONGEST_LINE)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader


def cpu_seconds(pid: int) -> float:
    """CPU time a process (all its threads) has used; 0 if there is none."""
    try:
        # The process's own clock, counted in nanoseconds; /proc shows whole ticks of 10 ms. Linux
        # makes a clock's number so (clock_getcpuclockid(3), which Python does not have).
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return 0.0


def busy_seconds() -> float:
    """CPU time the whole machine has used, by whomever."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    user, nice, system, _idle, _wait, irq, soft = map(int, fields[:7])
    return (user + nice + system + irq + soft) / _TICKS


def resident_bytes(pid: int) -> tuple[int, int]:
    """Resident memory, and the part of it after pages shared with others are divided up."""
    found = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        name, _, rest = line.partition(":")
        if name in ("Rss", "Pss"):
            found[name] = int(rest.split()[0]) * 1024
    return found["Rss"], found["Pss"]


def resident_now(pid: int) -> int:
    """Resident bytes, by the kernel's own count: cheap, to be asked often; 0 if it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    except OSError:
        return 0


def open_files(pid: int) -> int:
    """How many file descriptors a process has open; 0 if it is gone."""
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return 0


class CpuMeter:
    """CPU seconds used by named processes between two moments."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._pids = dict(pids)
        self._before = {name: cpu_seconds(pid) for name, pid in self._pids.items()}
        self._busy = busy_seconds()

    def used(self) -> dict[str, float]:
        """By name; ``everything else`` is what others on this machine used."""
        used = {name: cpu_seconds(pid) - self._before[name] for name, pid in self._pids.items()}
        rest = busy_seconds() - self._busy - sum(used.values())
        return {**used, "everything else": max(0.0, rest)}
