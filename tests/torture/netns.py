"""Network namespaces: a host behind a cable that can be pulled.

A host in a namespace of its own reaches the world through a pair of virtual interfaces only.
Pulling that cable is silence in both directions: no reset, no error, packets simply gone, as
between two machines. Needs root and iproute2; :func:`why_not` says what is missing.

One law: whatever is made here is removed by :meth:`Wall.remove`, and by whoever comes after a run
that could not.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PREFIX: Final = "hd"
"""Names of what we make begin with it, then the process id of the run: ``hd<pid>x<n>``."""
_NAMES: Final = Path("/run/netns")


def why_not() -> str:
    """Why there can be no namespaces here; empty if there can."""
    if shutil.which("ip") is None:
        return "the program ip (iproute2) is not installed"
    if os.geteuid() != 0:
        return "only root may make network namespaces"
    probe = f"{PREFIX}{os.getpid()}x99"
    made = subprocess.run(["ip", "netns", "add", probe], capture_output=True, text=True)
    if made.returncode:
        return f"a network namespace cannot be made here ({made.stderr.strip()})"
    tried = subprocess.run(
        ["ip", "link", "add", probe, "type", "veth", "peer", "name", "eth0", "netns", probe],
        capture_output=True, text=True,
    )  # fmt: skip
    subprocess.run(["ip", "netns", "del", probe], capture_output=True)
    subprocess.run(["ip", "link", "del", probe], capture_output=True)
    if tried.returncode:
        return f"a pair of virtual interfaces cannot be made here ({tried.stderr.strip()})"
    return ""


def can_delay() -> bool:
    """Whether the kernel can delay packets by itself (``tc … netem``)."""
    if shutil.which("tc") is None:
        return False
    tried = subprocess.run(
        ["tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "0ms"], capture_output=True
    )
    if tried.returncode == 0:
        subprocess.run(["tc", "qdisc", "del", "dev", "lo", "root"], capture_output=True)
    return tried.returncode == 0


@dataclass(frozen=True, slots=True)
class Wall:
    """One namespace and its cable.

    Attributes:
        name: of the namespace and of our end of the cable.
        here: our address on the cable; there: the one inside.
    """

    name: str
    here: str
    there: str

    @staticmethod
    def build(number: int) -> Wall:
        """A new one.

        Args:
            number: 0 to 63, unique in this process.

        Raises:
            CalledProcessError: the machine does not allow it after all.
        """
        pid = os.getpid()
        net = (pid * 64 + number) % (64 * 250)
        high, low = divmod(net * 4, 256)
        wall = Wall(
            f"{PREFIX}{pid}x{number}", f"10.201.{high}.{low + 1}", f"10.201.{high}.{low + 2}"
        )
        inside = ["ip", "-n", wall.name]
        for line in (
            ["ip", "netns", "add", wall.name],
            ["ip", "link", "add", wall.name, "type", "veth", "peer", "name", "eth0",
             "netns", wall.name],
            ["ip", "addr", "add", f"{wall.here}/30", "dev", wall.name],
            ["ip", "link", "set", wall.name, "up"],
            [*inside, "addr", "add", f"{wall.there}/30", "dev", "eth0"],
            [*inside, "link", "set", "lo", "up"],
            [*inside, "link", "set", "eth0", "up"],
        ):  # fmt: skip
            _run(line)
        return wall

    def command(self, line: list[str]) -> list[str]:
        """The command line that runs ``line`` inside."""
        return ["ip", "netns", "exec", self.name, *line]

    def pull(self) -> None:
        """Silence."""
        _run(["ip", "link", "set", self.name, "down"])

    def plug(self) -> None:
        _run(["ip", "link", "set", self.name, "up"])

    def remove(self) -> None:
        """Takes it away; the interfaces go with the namespace once nobody lives there."""
        subprocess.run(["ip", "link", "del", self.name], capture_output=True)
        subprocess.run(["ip", "netns", "del", self.name], capture_output=True)


def sweep() -> None:
    """Removes what runs left behind that were killed."""
    for path in _NAMES.glob(f"{PREFIX}*x*"):
        pid = path.name.removeprefix(PREFIX).partition("x")[0]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists():
            Wall(path.name, "", "").remove()


def _run(line: list[str]) -> None:
    subprocess.run(line, check=True, capture_output=True)
