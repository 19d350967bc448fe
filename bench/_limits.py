"""The raw limits: what bare nats-py does here and now against a real nats-server.

One law: no code of ours is in the measured loop; only nats-py's own client, a list of futures and
an inbox for acknowledgements. Runs as a process of its own (``python -m bench._limits``).
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import secrets
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import uvloop
from nats.aio.client import Client
from nats.aio.msg import Msg

from bench._processes import Child, cpu_seconds, orders, report_line
from bench._report import say
from holodeck.broker import EmbeddedServer

WRITERS: Final = 500
PAYLOAD: Final = bytes(256)
REQUESTS_IN_FLIGHT: Final = 100
STREAM: Final = "RAW"
_ENDINGS: Final = ("turn", "friction", "reputation", "task")
_EXPECT: Final = "Nats-Expected-Last-Subject-Sequence"
_EXPECT_FILTER: Final = "Nats-Expected-Last-Subject-Sequence-Subject"

Headers = dict[str, str]
Address = Callable[[int, int, int], tuple[str, Headers | None]]
"""Writer, number of the message, last sequence: the subject and the headers."""


def plain(writer: int, number: int, last: int) -> tuple[str, Headers | None]:
    """Stored, without a fence."""
    return f"raw.{writer}", None


def fenced(writer: int, number: int, last: int) -> tuple[str, Headers | None]:
    """Stored if the writer's own subject ends at ``last``."""
    return f"raw.{writer}", {_EXPECT: str(last)}


def fenced_wildcard(writer: int, number: int, last: int) -> tuple[str, Headers | None]:
    """Stored if everything the writer wrote, whatever the last token, ends at ``last``."""
    subject = f"raw.{writer}.{_ENDINGS[number % len(_ENDINGS)]}"
    return subject, {_EXPECT: str(last), _EXPECT_FILTER: f"raw.{writer}.>"}


class Measured:
    """A rate, and the CPU microseconds each operation took of client and server."""

    def __init__(self, client: Client, server: EmbeddedServer) -> None:
        self._server = server.pid
        self._client = client

    async def run(
        self, seconds: float, work: Callable[[float], Awaitable[int]]
    ) -> dict[str, float]:
        """Runs ``work`` for so long; it returns how many it did."""
        began, cpu = time.perf_counter(), (cpu_seconds(os.getpid()), cpu_seconds(self._server))
        done = await work(began + seconds)
        took = time.perf_counter() - began
        return {
            "per_s": done / took,
            "client_us": (cpu_seconds(os.getpid()) - cpu[0]) / max(1, done) * 1e6,
            "server_us": (cpu_seconds(self._server) - cpu[1]) / max(1, done) * 1e6,
        }


class Acks:
    """Acknowledgements of stored messages, on one inbox of this connection."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._inbox = f"_INBOX.{secrets.token_hex(8)}."
        self._at = len(self._inbox)
        self._waiting: dict[int, asyncio.Future[int]] = {}
        self._numbers = itertools.count()

    async def listen(self) -> None:
        await self._client.subscribe(
            self._inbox + "*", cb=self._take, pending_msgs_limit=0, pending_bytes_limit=0
        )

    async def _take(self, msg: Msg) -> None:
        future = self._waiting.pop(int(msg.subject[self._at :]))
        data = msg.data
        at = data.find(b'"seq":')
        if data[2:7] == b"error" or at < 0:
            future.set_exception(RuntimeError(data.decode()))
            return
        end = data.find(b",", at)
        future.set_result(int(data[at + 6 : end if end > 0 else -1]))

    async def store(self, subject: str, headers: Headers | None) -> int:
        """Publishes the payload and waits until it is stored; its sequence."""
        number = next(self._numbers)
        future = self._waiting[number] = asyncio.get_running_loop().create_future()
        await self._client.publish(subject, PAYLOAD, self._inbox + str(number), headers)
        sequence: int = await future
        return sequence


async def _fresh_stream(client: Client) -> None:
    stream = client.jetstream()
    try:
        await stream.delete_stream(STREAM)
    except Exception as error:  # there was none
        if "not found" not in str(error):
            raise
    await stream.add_stream(name=STREAM, subjects=["raw.>"])


async def stored(client: Client, acks: Acks, until: float, writers: int, address: Address) -> int:
    """``writers`` store one message after the other, each waiting for its acknowledgement."""
    done = 0

    async def write(writer: int) -> None:
        nonlocal done
        last = 0
        for number in itertools.count():
            if time.perf_counter() >= until:
                return
            last = await acks.store(*address(writer, number, last))
            done += 1

    await asyncio.gather(*(write(writer) for writer in range(writers)))
    return done


async def _stored_by_api(client: Client, until: float, writers: int, address: Address) -> int:
    """As :func:`stored`, with nats-py's own JetStream publish in place of the lean inbox."""
    stream = client.jetstream()
    done = 0

    async def write(writer: int) -> None:
        nonlocal done
        last = 0
        for number in itertools.count():
            if time.perf_counter() >= until:
                return
            subject, headers = address(writer, number, last)
            last = (await stream.publish(subject, PAYLOAD, timeout=30, headers=headers)).seq
            done += 1

    await asyncio.gather(*(write(writer) for writer in range(writers)))
    return done


async def _core(client: Client, until: float) -> int:
    done = 0
    while time.perf_counter() < until:
        for _ in range(500):
            await client.publish("plain.core", PAYLOAD)
        done += 500
        await asyncio.sleep(0)
    await client.flush()
    return done


async def _requests(client: Client, until: float, in_flight: int) -> int:
    done = 0

    async def ask() -> None:
        nonlocal done
        while time.perf_counter() < until:
            await client.request("plain.echo", PAYLOAD, timeout=5)
            done += 1

    await asyncio.gather(*(ask() for _ in range(in_flight)))
    return done


async def measure(seconds: float, which: list[str], writers: int) -> dict[str, dict[str, float]]:
    """Starts a server with an empty file store and measures each of ``which`` on it."""
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(prefix="holodeck-bench-") as folder:
        async with EmbeddedServer(folder) as server:
            client = Client()
            await client.connect(
                server.url,
                user=server.runtime.user,
                password=server.runtime.password,
                pending_size=256 * 1024 * 1024,
            )
            acks = Acks(client)
            await acks.listen()
            echo = None
            meter = Measured(client, server)
            for name in which:
                work: Callable[[float], Awaitable[int]]
                address = _STORED.get(name)
                if address is not None:
                    await _fresh_stream(client)

                    def work(until: float, address: Address = address) -> Awaitable[int]:
                        return stored(client, acks, until, writers, address)

                elif name == "fenced_wildcard":
                    await _fresh_stream(client)

                    def work(until: float) -> Awaitable[int]:
                        return _stored_by_api(client, until, writers, fenced_wildcard)

                elif name == "one_fenced":
                    await _fresh_stream(client)

                    def work(until: float) -> Awaitable[int]:
                        return stored(client, acks, until, 1, fenced_wildcard)

                elif name in ("request", "one_request"):
                    if echo is not None:
                        await echo.stop()
                    echo = await Child.start(
                        "bench._limits",
                        "echo",
                        order={"url": server.url, "user": server.runtime.user,
                               "password": server.runtime.password},
                    )  # fmt: skip
                    await echo.said("listening")

                    def work(
                        until: float,
                        in_flight: int = REQUESTS_IN_FLIGHT if name == "request" else 1,
                    ) -> Awaitable[int]:
                        return _requests(client, until, in_flight)

                else:

                    def work(until: float) -> Awaitable[int]:
                        return _core(client, until)

                found[name] = await meter.run(seconds, work)
                say(f"  raw {name}: {found[name]['per_s']:,.0f}/s")
            if echo is not None:
                await echo.stop()
            await client.close()
    return found


_STORED: Final[dict[str, Address]] = {
    "publish": plain,
    "fenced": fenced,
    "fenced_wildcard_lean": fenced_wildcard,
}
ALL: Final = ("core_publish", *_STORED, "fenced_wildcard", "request")


async def limits(
    seconds: float, which: tuple[str, ...] = ("fenced_wildcard_lean",), writers: int = WRITERS
) -> dict[str, dict[str, float]]:
    """The limits asked for, measured in a fresh process on a fresh server."""
    child = await Child.start(
        "bench._limits",
        "measure",
        order={"seconds": seconds, "which": list(which), "writers": writers},
    )
    try:
        found: dict[str, dict[str, float]] = await child.said("limits")
        return found
    finally:
        await child.stop()


async def _echo(order: dict[str, Any], stdin: asyncio.StreamReader) -> None:
    client = Client()
    await client.connect(order["url"], user=order["user"], password=order["password"])

    async def answer(msg: Msg) -> None:
        await client.publish(msg.reply, msg.data)

    await client.subscribe("plain.echo", cb=answer)
    await client.flush()
    report_line(listening=True)
    await stdin.read()
    await client.close()


async def _main() -> None:
    stdin = await orders()
    order = json.loads(await stdin.readline())
    if sys.argv[1] == "echo":
        await _echo(order, stdin)
    else:
        found = await measure(order["seconds"], order["which"], order["writers"])
        report_line(limits=found)


if __name__ == "__main__":
    uvloop.run(_main())
