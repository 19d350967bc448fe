"""The wheel, as a user gets it: built, installed away from the checkout, imported and run.

One law: nothing here may see the checkout; the sources are copied, built from the source archive
and used from another folder. Run by ``make check`` only.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from holodeck.broker.server import find_server

ROOT: Final = Path(__file__).resolve().parent.parent
ROOMS: Final = ("actors", "broker", "config", "entrypoints", "messages", "minds")
NOT_SOURCE: Final = shutil.ignore_patterns(
    ".git", ".venv", ".*_cache", ".hypothesis", "__pycache__", "build", "dist", "*.egg-info"
)

pytestmark = [pytest.mark.packaging, pytest.mark.timeout(300)]


@dataclass(frozen=True, slots=True)
class Installed:
    """The wheel in a virtual environment of its own.

    Attributes:
        names: the files of the wheel.
        cwd: an empty folder far from the checkout, where everything is run.
    """

    names: frozenset[str]
    python: Path
    cwd: Path

    def run(self, *command: str | Path, timeout: float = 60) -> str:
        """The output of ``command``; fails with all of it if the command does."""
        return run(*command, cwd=self.cwd, timeout=timeout)

    def modules(self) -> list[str]:
        """Every module of the wheel, by its import name."""
        return sorted(
            name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            for name in self.names
            if name.endswith(".py") and not name.endswith("/__main__.py")
        )


def run(*command: str | Path, cwd: Path, timeout: float) -> str:
    kept = {n: v for n, v in os.environ.items() if not n.startswith(("PYTHON", "VIRTUAL_ENV"))}
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=kept
        | {
            "HOLODECK_STATE_DIR": str(cwd / "state"),
            "HOLODECK_HTTP_PORT": "0",
            # The broker's program lies where the dependencies are, not beside this Python.
            "HOLODECK_NATS_SERVER": str(find_server()),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )
    if done.returncode != 0:
        pytest.fail(f"{' '.join(str(w) for w in command)}: {done.returncode}\n{done.stdout}")
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    base = tmp_path_factory.mktemp("packaging")
    shutil.copytree(ROOT, base / "source", symlinks=True, ignore=NOT_SOURCE)

    # Without --wheel the wheel is made from the source archive: so that one is complete too.
    run(
        *(sys.executable, "-m", "build", "--no-isolation", "--outdir", base / "dist"),
        base / "source",
        cwd=base,
        timeout=120,
    )
    (wheel,) = (base / "dist").glob("*.whl")
    shutil.rmtree(base / "source")

    cwd = base / "elsewhere"
    cwd.mkdir()
    venv = base / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", venv, cwd=cwd, timeout=60)
    python = venv / "bin" / "python"
    run(
        *(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps"),
        wheel,
        cwd=cwd,
        timeout=60,
    )
    # The dependencies come from this environment. A path that a .pth file names is not searched
    # for further .pth files, so the editable checkout does not come along.
    purelib = run(
        *(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"),
        cwd=cwd,
        timeout=60,
    ).strip()
    (Path(purelib) / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    with zipfile.ZipFile(wheel) as archive:
        names = frozenset(archive.namelist())
    return Installed(names, python, cwd)


def test_the_wheel_holds_one_import_name(installed: Installed) -> None:
    tops = {name.split("/")[0] for name in installed.names}

    assert {top for top in tops if not top.endswith(".dist-info")} == {"holodeck"}


def test_the_wheel_holds_every_module_and_data_file_of_the_rooms(installed: Installed) -> None:
    expected = {"holodeck/py.typed", "holodeck/__init__.py"}
    for room in ROOMS:
        for path in (ROOT / room).rglob("*"):
            data = room == "config" and path.suffix in (".yaml", ".yml", ".json")
            if path.suffix == ".py" or data:
                expected.add(f"holodeck/{path.relative_to(ROOT).as_posix()}")

    assert expected - installed.names == set()


def test_the_wheel_holds_the_license(installed: Installed) -> None:
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in installed.names)


def test_every_module_imports_from_the_wheel_alone(installed: Installed) -> None:
    code = (
        "import importlib, pathlib, sys\n"
        "prefix = pathlib.Path(sys.prefix).resolve()\n"
        f"for name in {installed.modules()!r}:\n"
        "    module = importlib.import_module(name)\n"
        "    home = pathlib.Path(module.__file__).resolve()\n"
        "    assert home.is_relative_to(prefix), f'{name} comes from {home}'\n"
        f"assert {str(ROOT)!r} not in sys.path\n"
    )

    installed.run(installed.python, "-c", code, timeout=120)


def test_the_console_script_shows_its_help(installed: Installed) -> None:
    shown = installed.run(installed.python.with_name("holodeck"), "--help")

    assert "Usage" in shown


def test_the_demo_runs_from_the_wheel(installed: Installed) -> None:
    if "holodeck.entrypoints.demo" not in installed.modules():
        pytest.skip("this wheel has no demo")

    installed.run(
        *(installed.python, "-m", "holodeck.entrypoints.demo"),
        *("--sessions", "20", "--seconds", "5", "--no-kill"),
        timeout=240,
    )
