"""The command line in a real terminal: keys go in, a screen is looked at.

One law: whatever a test started in a terminal is gone when the test is.
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Callable, Iterator
from typing import Final

import pyte
import pytest

from tests.conftest import ROOT

COLUMNS: Final = 80
ROWS: Final = 24
PATIENCE_S: Final = 60.0

_PROGRAM: Final = (
    "import sys; sys.path[:0] = ['.']; from holodeck.entrypoints.cli import app; app()"
)


class Terminal:
    """``holodeck`` with the given words, in a terminal of 80 columns and 24 rows.

    Attributes:
        pid: of the program.
        raw: all it wrote so far.
    """

    def __init__(self, *words: str) -> None:
        self.pid, self._file = pty.fork()
        if self.pid == 0:  # the program
            os.chdir(ROOT)
            os.environ["TERM"] = "xterm-256color"
            os.execv(sys.executable, [sys.executable, "-c", _PROGRAM, *words])
        fcntl.ioctl(self._file, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self._screen = pyte.Screen(COLUMNS, ROWS)
        self._stream = pyte.ByteStream(self._screen)
        self.raw = b""
        self._gone = False
        self._status: int | None = None

    @property
    def text(self) -> str:
        """The screen, line by line."""
        return "\n".join(self._screen.display)

    def until(self, seen: Callable[[str], bool], what: str, seconds: float = PATIENCE_S) -> str:
        """Waits until the screen is such; what it shows then."""
        give_up = time.monotonic() + seconds
        while not seen(self.text):
            if time.monotonic() > give_up or not self._read(1.0):
                pytest.fail(f"no {what} in:\n{self.text}")
        return self.text

    def shows(self, text: str, seconds: float = PATIENCE_S) -> str:
        """Waits until the text is on the screen; what it shows then."""
        return self.until(lambda screen: text in screen, repr(text), seconds)

    def types(self, text: str) -> None:
        os.write(self._file, text.encode())

    def kill(self) -> None:
        """The program dies without a word."""
        os.kill(self.pid, signal.SIGKILL)
        assert self.leaves() == -signal.SIGKILL

    def hang_up(self) -> int:
        """The terminal is closed; the program's exit status."""
        os.close(self._file)
        watched = os.pidfd_open(self.pid)
        ended = select.select([watched], [], [], PATIENCE_S)[0]
        os.close(watched)
        if not ended:
            os.kill(self.pid, signal.SIGKILL)
        self._status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self._status

    def leaves(self, seconds: float = PATIENCE_S) -> int:
        """Waits for the end of the program; its exit status."""
        give_up = time.monotonic() + seconds
        while self._read(1.0):
            if time.monotonic() > give_up:
                pytest.fail(f"still there:\n{self.text}")
        return self.stop()

    def stop(self) -> int:
        """Reaps the program, killed if need be; its exit status."""
        if self._status is None:
            if not self._gone:
                os.kill(self.pid, signal.SIGKILL)
            os.close(self._file)
            self._status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self._status

    def _read(self, seconds: float) -> bool:
        """Takes in what the program wrote; False where it has ended."""
        if select.select([self._file], [], [], seconds)[0]:
            try:
                data = os.read(self._file, 65_536)
            except OSError:  # the other side is closed
                data = b""
            if not data:
                self._gone = True
                return False
            self.raw += data
            self._stream.feed(data)
        return True


Start = Callable[..., Terminal]
"""Starts a terminal with the words of a command."""


def terminals(*first: str) -> Iterator[Start]:
    """For a fixture: yields what starts the command of these first words; at the end all that were
    started are stopped."""
    made: list[Terminal] = []

    def start(*words: str) -> Terminal:
        made.append(Terminal(*first, *words))
        return made[-1]

    yield start
    for one in made:
        one.stop()
