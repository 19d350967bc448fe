"""What ``holodeck doctor`` looks at, and how to mend each.

One law: it only looks. No stream is created, no setting changed, no session woken.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import shutil
import socket
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module, metadata, util
from pathlib import Path
from typing import Any, Final, Literal

from holodeck.broker import find_server
from holodeck.broker.port import Broker
from holodeck.broker.streams import Layout, StreamSpec
from holodeck.config import Settings, unknown_variables
from holodeck.deck import Deck
from holodeck.entrypoints.show import bytes_text
from holodeck.messages.errors import BrokerError, HolodeckError, StartupError, TransientError
from holodeck.messages.subjects import DEAD, REST
from holodeck.wiring import (
    Connection,
    RuntimeFile,
    given_connection,
    graph_file,
    layout_of,
    projection_names,
    projections_of,
    runtime_path,
)

Level = Literal["ok", "warn", "fail"]

OLDEST_PYTHON: Final = (3, 11)
CLOCK_WARN_S: Final = 0.5
CLOCK_FAIL_S: Final = 30.0
"""Command ids are remembered so long that clocks may differ by a minute; half of it is too near."""
LAG_WARN: Final = 5_000
"""Checkpoints a fold or the tile emitter may be behind before it is worth a word."""
FULL_WARN, FULL_FAIL = 0.8, 0.95
DISK_FAIL: Final = 256 * 1024**2
STORE_S: Final = 3.0
"""How long a projection's store may take to be reached, seconds."""
LIBRARIES: Final = ("pydantic", "nats-py", "msgpack", "prometheus-client", "typer", "rich")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at.

    Attributes:
        remedy: what to do; empty where nothing has to be done.
    """

    name: str
    level: Level
    text: str
    remedy: str = ""


async def examine(settings: Settings) -> list[Check]:
    """Looks at everything; what cannot be looked at is said, never left out."""
    running = RuntimeFile.read(runtime_path(settings))
    found = [_python(), _libraries(), _variables(), await asyncio.to_thread(_ray)]
    found.append(await asyncio.to_thread(_server, settings))
    found.append(_store(settings))
    found.append(_disk(settings))
    found.append(_sync(settings))
    found.append(await asyncio.to_thread(_http, settings, running))
    found += await asyncio.to_thread(_projected, settings)
    given = given_connection(settings, "holodeck-doctor")
    connection = given or (running.runtime if running else None)
    if connection is None:
        return [
            *found,
            Check(
                "runtime",
                "warn",
                f"none runs here (nothing in {settings.state_path}) and HOLODECK_NATS_URL is unset;"
                " broker, streams, owners, tiles and clock were not looked at",
                "Start one with `holodeck up`",
            ),
        ]
    ns = running.ns if running and given is None else settings.namespace
    return found + await _runtime(settings, connection, ns)


# --- this machine ----------------------------------------


def _python() -> Check:
    text = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if sys.version_info < OLDEST_PYTHON:
        return Check("python", "fail", text, "Install Python 3.11 or newer")
    return Check("python", "ok", text)


def _libraries() -> Check:
    versions, missing = [], []
    for name in LIBRARIES:
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        remedy = "Install holodeck-sessions again with all it needs"
        return Check("libraries", "fail", f"missing: {', '.join(missing)}", remedy)
    return Check("libraries", "ok", ", ".join(versions))


def _variables() -> Check:
    wrong = unknown_variables()
    if wrong:
        return Check("settings", "warn", "; ".join(wrong), "Correct the name, or unset it")
    return Check("settings", "ok", "every HOLODECK_* variable is a setting")


def _ray() -> Check:
    if util.find_spec("ray") is None:
        return Check("ray", "fail", "Ray is not installed", "Install it: `pip install ray`")
    try:
        import_module("ray")
    except ImportError as error:
        return Check("ray", "fail", f"Ray cannot be imported ({error})", "Install it anew")
    mode = os.environ.get("RAY_AUTH_MODE", "")
    token = Path.home() / ".ray" / "auth_token"
    if mode == "disabled":
        note = (
            "without authentication (RAY_AUTH_MODE=disabled): whoever reaches its ports runs code"
        )
        return Check(
            "ray",
            "warn",
            f"{metadata.version('ray')}, {note}",
            "Unset RAY_AUTH_MODE, so that a token is asked for",
        )
    kept = f"in {token}" if token.is_file() else f"made in {token} at the first start"
    return Check("ray", "ok", f"{metadata.version('ray')}, authentication by token, {kept}")


def _server(settings: Settings) -> Check:
    if settings.nats_url is not None:
        return Check(
            "nats-server", "ok", f"the one at {settings.nats_url} is used, none is started"
        )
    try:
        return Check("nats-server", "ok", f"{find_server()} is 2.12 or newer")
    except StartupError as error:
        return Check("nats-server", "fail", error.problem, _sentence(error.remedy))


def _store(settings: Settings) -> Check:
    folder = settings.state_path
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        return Check(
            "store",
            "fail",
            f"{folder} cannot be written",
            "Name a folder of yours in HOLODECK_STATE_DIR",
        )
    return Check("store", "ok", f"{folder} can be written")


def _disk(settings: Settings) -> Check:
    place = settings.state_path
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        free = shutil.disk_usage(place).free
    except OSError as error:
        return Check(
            "disk", "fail", f"{place}: {error.strerror}", "Name another HOLODECK_STATE_DIR"
        )
    used = sum(file.stat().st_size for file in (settings.state_path / "nats").rglob("*.blk"))
    text = (
        f"{bytes_text(free)} free, the streams take {bytes_text(used)} of at most"
        f" {bytes_text(settings.max_bytes)}"
    )
    if free < DISK_FAIL:
        remedy = "Make room, then stop and start the runtime: nats-server needs a restart to go on"
        return Check("disk", "fail", text, remedy)
    if free < settings.max_bytes - used:
        return Check("disk", "warn", text, "Lower HOLODECK_MAX_BYTES, or make room")
    return Check("disk", "ok", text)


def _sync(settings: Settings) -> Check:
    if settings.nats_url is not None:
        return Check("sync", "ok", "as the NATS server is configured (sync_interval)")
    if settings.sync == "always":
        return Check("sync", "ok", "always: nothing acknowledged is lost, also without power")
    return Check(
        "sync",
        "ok",
        "default: a killed process loses nothing; a power cut may lose up to 2 minutes"
        " (HOLODECK_SYNC=always loses none, at a tenth of the speed)",
    )


def _http(settings: Settings, running: RuntimeFile | None) -> Check:
    if running is not None and running.http:
        try:
            with urllib.request.urlopen(f"{running.http}/readyz", timeout=6) as answer:
                answer.read()
            return Check("http", "ok", f"metrics at {running.http}/metrics, ready")
        except urllib.error.HTTPError as error:
            if error.code == 401:
                return Check("http", "ok", f"{running.http} asks for its token")
            problems = "; ".join(json.loads(error.read()).get("problems", ["not ready"]))
            return Check("http", "warn", f"{running.http} is not ready: {problems}", "See the logs")
        except (OSError, ValueError) as error:
            remedy = "Stop and start the runtime"
            return Check("http", "fail", f"{running.http} does not answer ({error})", remedy)
    host, port = settings.http_host, settings.http_port
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)
    except OSError as error:
        return Check(
            "http",
            "fail",
            f"{host}:{port} cannot be listened on ({error.strerror})",
            "Choose another port with HOLODECK_HTTP_PORT (0 takes a free one)",
        )
    return Check("http", "ok", f"{host}:{port} is free")


def _projected(settings: Settings) -> list[Check]:
    """The stores that are to be filled; none is spoken to, only whether it can be reached."""
    try:
        projections_of(settings)
    except StartupError as error:
        return [Check("projections", "fail", error.problem, _sentence(error.remedy))]
    found: list[Check] = []
    if settings.redis_url is not None:
        url = settings.redis_url
        found.append(_reached("redis", url, 6379, "HOLODECK_REDIS_URL"))
    if settings.graph == "neo4j" and settings.neo4j_url is not None:
        found.append(_reached("graph", settings.neo4j_url, 7687, "HOLODECK_NEO4J_URL"))
    elif settings.graph == "embedded":
        path = graph_file(settings)
        place = next(one for one in (path, *path.parents) if one.exists())
        if os.access(place, os.W_OK) and place.is_file() == (place == path):
            found.append(Check("graph", "ok", f"{path} can be written"))
        else:
            remedy = "Name a file of yours in HOLODECK_GRAPH_PATH"
            found.append(Check("graph", "fail", f"{path} cannot be written", remedy))
    return found


def _reached(name: str, url: str, port: int, setting: str) -> Check:
    """Whether anybody listens there."""
    parts = urllib.parse.urlsplit(url)
    try:
        if parts.scheme == "unix":
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
                probe.settimeout(STORE_S)
                probe.connect(parts.path)
        else:
            address = (parts.hostname or "localhost", parts.port or port)
            socket.create_connection(address, timeout=STORE_S).close()
    except OSError as error:
        text = f"{url} cannot be reached ({error.strerror or error})"
        remedy = f"Start it, or correct {setting}; sessions do without, and it is filled up later"
        return Check(name, "warn", text, remedy)
    return Check(name, "ok", f"somebody listens at {url}")


# --- the runtime ----------------------------------------


async def _runtime(settings: Settings, connection: Connection, ns: str) -> list[Check]:
    began = time.monotonic()
    try:
        broker = await connection()
    except StartupError as error:
        return [Check("broker", "fail", error.problem, _sentence(error.remedy))]
    took = (time.monotonic() - began) * 1000
    found = [Check("broker", "ok", f"{connection.url} lets us in, in {took:.0f} ms")]
    streams = layout_of(settings.model_copy(update={"namespace": ns}))
    looks: list[Callable[[], Awaitable[list[Check]]]] = [
        lambda: _streams(broker, streams),
        lambda: _clock(broker, streams),
        lambda: _dead(broker, streams),
        lambda: _supervisor(connection, ns),
        lambda: _projections(settings, connection, ns),
    ]
    names = ("streams", "clock", "dead letters", "supervisor", "projections")
    try:
        for name, look in zip(names, looks, strict=True):
            try:
                found += await look()
            except HolodeckError as error:
                found.append(Check(name, "fail", str(error) or error.code, "See the logs"))
    finally:
        await broker.close()
    return found


async def _streams(broker: Broker, streams: Layout) -> list[Check]:
    """Compares what is there; what is missing is never made."""
    absent: list[str] = []
    full: list[str] = []
    level: Level = "ok"

    async def there(spec: StreamSpec) -> bool:
        nonlocal level
        try:
            size, limit = await broker.log(spec).size()
        except BrokerError:
            absent.append(spec.name)
            return False
        share = size / limit if limit > 0 else 0.0
        if share >= FULL_WARN:
            full.append(f"{spec.name} {share:.0%}")
            level = "fail" if share >= FULL_FAIL or level == "fail" else "warn"
        return True

    logs = [spec for spec in streams.streams if await there(spec)]
    buckets = [
        spec
        for spec in streams.buckets
        if await there(StreamSpec(f"KV_{spec.name}", (), spec.max_bytes))
    ]
    found: list[Check] = []
    if absent:
        remedy = "`holodeck up` makes them; if the runtime runs, restart it"
        found.append(Check("streams", "fail", f"missing: {', '.join(absent)}", remedy))
    different = await broker.declare(logs, buckets)
    for mismatch in different:
        found.append(
            Check(
                "streams",
                "warn",
                str(mismatch),
                "Change the stream with the nats tool, or the setting it comes from",
            )
        )
    if not found:
        found.append(Check("streams", "ok", f"{len(logs) + len(buckets)} are as they should be"))
    if full:
        remedy = "End and archive sessions sooner (HOLODECK_KEEP), or raise HOLODECK_MAX_BYTES"
        found.append(Check("room", level, ", ".join(full), remedy))
    else:
        found.append(Check("room", "ok", f"every stream is below {FULL_WARN:.0%} of its limit"))
    return found


async def _clock(broker: Broker, streams: Layout) -> list[Check]:
    """Compares our clock with the broker's, which stands in each JetStream answer."""
    before = time.time()
    reply = await broker.request(
        f"$JS.API.STREAM.INFO.{streams.checkpoints.name}", b"", timeout=5.0
    )
    after = time.time()
    stamp = json.loads(reply.data).get("ts")
    if not isinstance(stamp, str):
        return [Check("clock", "warn", "the broker does not tell its time", "Use 2.12 or newer")]
    # Nanoseconds are more than fromisoformat takes on every Python.
    seconds, _, rest = stamp.removesuffix("Z").partition(".")
    theirs = datetime.fromisoformat(f"{seconds}.{rest[:6]:0<6}+00:00").timestamp()
    apart = max(0.0, before - theirs, theirs - after)
    text = f"{apart * 1000:.0f} ms from the broker's"
    remedy = "Let both machines keep their time by NTP"
    if apart > CLOCK_FAIL_S:
        return [Check("clock", "fail", text, remedy)]
    if apart > CLOCK_WARN_S:
        return [Check("clock", "warn", text, remedy)]
    return [Check("clock", "ok", text)]


async def _dead(broker: Broker, streams: Layout) -> list[Check]:
    counts: Counter[str] = Counter()
    everything = DEAD.under(streams.ns)
    async for record in broker.log(streams.dead).read(everything, headers_only=True):
        counts[".".join(record.subject.split(".")[2:])] += 1
    if not counts:
        return [Check("dead letters", "ok", "none")]
    most = ", ".join(f"{name} {count}" for name, count in counts.most_common(5))
    subject = DEAD.of(streams.ns, "*", REST)
    remedy = f"Look at them: `nats stream view {streams.dead.name}` ({subject})"
    return [Check("dead letters", "warn", f"{counts.total()}: {most}", remedy)]


async def _supervisor(connection: Connection, ns: str) -> list[Check]:
    deck = await Deck.open(connection, ns, deadline_s=5.0)
    try:
        status: dict[str, Any] = await deck.status()
    except TransientError as error:
        remedy = "Is `holodeck up` running on this broker? See its logs"
        return [Check("supervisor", "fail", f"does not answer ({error})", remedy)]
    finally:
        await deck.close()
    hosts = status["hosts"]
    found = [Check("supervisor", "ok", f"answers; table at epoch {status['epoch']}")]
    silent = [str(host["host"]) for host in hosts if not host["answers"] or not host.get("lease")]
    owned = f"{status['partitions'] - status['unowned']} of {status['partitions']}"
    if status["unowned"] or not hosts:
        remedy = "Wait some seconds; if it stays so, start more hosts (`holodeck up --hosts`)"
        found.append(Check("partitions", "fail", f"{owned} are owned", remedy))
    else:
        found.append(Check("partitions", "ok", f"{owned} are owned, hosts: {len(hosts)}"))
    if silent:
        text = f"{', '.join(silent)} do not answer or hold no lease"
        found.append(Check("hosts", "warn", text, "They are replaced by themselves; see the logs"))
    else:
        lag = max((int(host["lag"]) for host in hosts), default=0)
        level: Level = "warn" if lag > LAG_WARN else "ok"
        remedy = "They catch up by themselves; if not, add hosts" if lag > LAG_WARN else ""
        found.append(Check("hosts", level, f"all answer, at most {lag} checkpoints behind", remedy))
    found.append(_tiles(status["tiles"]))
    if status["full"]:
        remedy = "Make room: lower HOLODECK_KEEP or raise HOLODECK_MAX_BYTES"
        found.append(Check("admission", "fail", "the journal is above its watermark", remedy))
    if status["discarded"]:
        text = f"{status['discarded']} snapshots and tiles ahead of the journal were rebuilt"
        found.append(Check("power cut", "warn", text, "HOLODECK_SYNC=always prevents it"))
    return found


async def _projections(settings: Settings, connection: Connection, ns: str) -> list[Check]:
    """How far the stores are; nothing where there are to be none."""
    deck = await Deck.open(connection, ns, deadline_s=5.0)
    try:
        rows = {str(row["projection"]): row for row in await deck.projections()}
    except TransientError:
        return []  # what the supervisor does not answer is said above
    finally:
        await deck.close()
    found: list[Check] = []
    for name in dict.fromkeys((*projection_names(settings), *rows)):
        row = rows.get(name)
        if row is None:
            text = "configured here, but the runtime does not fill it, or does not answer"
            remedy = "Restart the runtime with the same settings; see the log projections.log"
            found.append(Check(f"projection {name}", "warn", text, remedy))
            continue
        text = f"{row['state']}, {row['lag']} checkpoints behind, into {row['store']}"
        if row["error"]:
            remedy = "Mend the store; it is filled up by itself, and sessions do without meanwhile"
            text = f"{text}: {row['error']}"
            found.append(Check(f"projection {name}", "warn", text, remedy))
        elif int(row["lag"]) > LAG_WARN:
            remedy = "It catches up by itself; see holodeck_projection_lag"
            found.append(Check(f"projection {name}", "warn", text, remedy))
        else:
            found.append(Check(f"projection {name}", "ok", text))
    return found


def _tiles(emitter: dict[str, Any] | None) -> Check:
    if emitter is None:
        return Check("tiles", "fail", "the emitter does not answer", "See the log tiles.log")
    lag = int(emitter["lag"])
    sinks = ", ".join(f"{name} at {position}" for name, position in emitter["sinks"].items())
    text = f"{lag} checkpoints behind" + (f"; sinks: {sinks}" if sinks else "")
    if not emitter["running"] and not emitter["standing_by"]:
        return Check("tiles", "fail", f"the emitter has stopped, {text}", "See the log tiles.log")
    if lag > LAG_WARN:
        return Check("tiles", "warn", text, "It catches up by itself; see holodeck_consumer_lag")
    return Check("tiles", "ok", text)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
