"""What every test has: settings of its own, and the same answer to a missing server.

One law: on a laptop a missing server skips its tests and says why; with ``CI`` set it fails them.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NoReturn

# Here, and not first by its own plugin in the summary of a run that did not need it: what a run
# leaves to the garbage collector can trip the compiler of Python 3.11 ("recursion depth mismatch").
import hypothesis  # noqa: F401
import pytest
import structlog

ROOT: Final = Path(__file__).resolve().parent.parent
"""The checkout."""
IN_CI: Final = os.environ.get("CI", "").lower() not in ("", "0", "false")


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Begun in the background of a shell, where an interrupt is ignored by all that is begun from
    # here: the tests that interrupt somebody need it heard.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def missing(what: str) -> NoReturn:
    """Skips the test for want of ``what``; in CI, where everything has to be there, fails it."""
    if IN_CI:
        pytest.fail(f"{what} is missing, and CI has to have it")
    pytest.skip(f"{what} is missing")


def of_the_system(program: str) -> Path:
    """Where a program lies that pip cannot give and ``make system`` installs: ``chromium``,
    ``redis-server``, ``promtool``. Without it the test is skipped, in CI too: a machine may
    forbid to install it."""
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not installed; make system brings it where apt can")
    return Path(found)


@pytest.fixture(autouse=True)
def _own_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test sees the developer's settings, none writes to the developer's state."""
    for name in list(os.environ):
        if name.startswith("HOLODECK_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture(autouse=True)
def _own_logs() -> Iterator[None]:
    """What a command set up for its logs, on a stream that is closed with it, ends with its
    test."""
    yield
    structlog.reset_defaults()


ALONE: Final = {"runtime": "alone", "torture": "alone", "bench": "whole", "demo": "whole"}
"""Folders of tests that need much of the machine: those of a group run one after the other."""
LONG: Final = (
    "alone",
    "whole",
    "player_experience/e2e",
    "player_experience/integration",
    "entrypoints/test_cli.py",
    "tiles/test_plato_sink.py",
    "play",
    "broker/test_nats.py",
    "compat/test_command.py",
    "published",
    "test_examples.py",
)
"""Groups, folders and files that take longest: begun first, so that no worker is left with one."""
YIELDING: Final = 5
"""How much nicer a worker is, and all it starts, that does not run what has to be alone."""


def _group(item: pytest.Item) -> str:
    path = item.path.relative_to(ROOT / "tests")
    return ALONE.get(path.parts[0], path.as_posix())


def _rank(item: pytest.Item) -> int:
    group = _group(item)
    found = (n for n, one in enumerate(LONG) if group == one or group.startswith(f"{one}/"))
    return next(found, len(LONG))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Says which tests share a worker, for a run with several: those of a file, whose fixtures are
    dear, and all that has to be alone; and which come first."""
    items.sort(key=_rank)
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group(item)))


class Workers:
    """Three workers on two cores: what is timed to the second comes before what only computes."""

    def __init__(self) -> None:
        self._settled = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> None:
        """At a worker's first test: stays as it is, or yields from now on."""
        if not self._settled:
            self._settled = True
            if _group(item) != "alone":
                os.nice(YIELDING)


def pytest_configure(config: pytest.Config) -> None:
    if "PYTEST_XDIST_WORKER" in os.environ:
        config.pluginmanager.register(Workers())
