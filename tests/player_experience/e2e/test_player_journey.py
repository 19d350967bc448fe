"""A player's way through everything, with ``holodeck up`` as a user runs it: over HTTP and a
WebSocket, a host and then the whole runtime lost on the way, to the last trace of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from websockets.asyncio.client import connect

from holodeck.broker import find_server
from holodeck.messages.errors import StartupError
from tests.conftest import ROOT, missing

pytestmark = [
    pytest.mark.nats,
    pytest.mark.ray,
    pytest.mark.slow,
    pytest.mark.integration,
    pytest.mark.timeout(240),
]

MARKER: Final = "zaffre-quokka-17"
"""Stands in everything the player says of itself, and nowhere else."""


def environment(folder: Path) -> dict[str, str]:
    kept = {name: text for name, text in os.environ.items() if not name.startswith("HOLODECK_")}
    return {
        **kept,
        "PYTHONPATH": str(ROOT),
        "HOLODECK_STATE_DIR": str(folder),
        "HOLODECK_HTTP_PORT": "0",
        "HOLODECK_HTTP_AUTH": "required",
    }


async def holodeck(folder: Path, *words: str) -> Any:
    """What a command says as JSON."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "holodeck.entrypoints.cli", *words, "--json",
        cwd=ROOT, env=environment(folder), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, err.decode()
    return json.loads(out)


@dataclass(frozen=True, slots=True)
class Up:
    folder: Path
    where: dict[str, Any]

    @property
    def api(self) -> str:
        return str(self.where["api"])


@asynccontextmanager
async def up(folder: Path) -> AsyncIterator[Up]:
    """``holodeck up``, until it is left; then it ends as by Ctrl-C."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "holodeck.entrypoints.cli", "up", "--hosts", "2", "--json",
        cwd=ROOT, env=environment(folder), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    text = b""
    try:
        async with asyncio.timeout(120):
            line = b""
            while line != b"}\n":
                line = await process.stdout.readline()
                if not line:
                    pytest.fail(f"holodeck up ended: {(await process.stderr.read()).decode()}")
                text += line
        yield Up(folder, json.loads(text))
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
        await asyncio.wait_for(process.communicate(), 60)


def client(here: Up, token: str) -> httpx.AsyncClient:
    headers = {"authorization": f"Bearer {token}"}
    return httpx.AsyncClient(base_url=here.api, headers=headers, timeout=60, verify=False)


async def good(response: httpx.Response, status: int = 200) -> Any:
    assert response.status_code == status, response.text
    return response.json() if response.content else None


@asynccontextmanager
async def talking(here: Up, session: str, token: str) -> AsyncIterator[Any]:
    url = f"{here.api.replace('http', 'ws', 1)}/sessions/{session}/live?token={token}"
    async with connect(url) as socket:

        async def ask(until: str, **frame: Any) -> dict[str, Any]:
            await socket.send(json.dumps(frame))
            while True:
                async with asyncio.timeout(30):
                    told: dict[str, Any] = json.loads(await socket.recv())
                if told["type"] in (until, "error"):
                    return told

        yield ask


async def eventually(check: Any, seconds: float = 20.0) -> Any:
    give_up = time.monotonic() + seconds
    while not (found := await check()):
        assert time.monotonic() < give_up, "it did not come to that"
        await asyncio.sleep(0.1)
    return found


async def test_a_player_goes_its_way(tmp_path: Path) -> None:
    try:
        find_server()
    except StartupError as error:
        missing(f"nats-server ({error})")
    folder = tmp_path / "state"
    made = await holodeck(folder, "token", "create", "--scope", "learner", "--learner", "ana")
    guest = await holodeck(folder, "token", "create", "--scope", "learner", "--learner", "eve")
    ops = await holodeck(folder, "token", "create", "--scope", "operator", "--for", "olga")
    token = made["token"]

    async with up(folder) as here:  # noqa: SIM117 - one is inside the other
        async with client(here, token) as ana, client(here, ops["token"]) as olga:
            # Nobody comes in without a token, not even here.
            async with httpx.AsyncClient(base_url=here.api, verify=False) as nobody:
                assert (await nobody.get("/")).status_code == 401
            # Somebody to be, and somewhere to be it.
            profile = {"username": f"{MARKER}-a", "email": f"{MARKER}@example.org"}
            await good(await ana.post("/players", json=profile), 201)
            for name in ("mira", "leo"):
                character = {
                    "character_id": name,
                    "name": name.title(),
                    "background": {"name": name.title(), "backstory": f"{MARKER} {name}"},
                }
                await good(await ana.post("/players/ana/characters", json=character), 201)
            worlds = (await good(await ana.get("/worlds?limit=100")))["items"]
            # Where no persona's people live, anybody may.
            open_ = [one["world_id"] for one in worlds if not one["persona"]]
            here_, there = open_[:2]
            start = {
                "learner": "ana",
                "character": "mira",
                "world": here_,
                "cast": ["marta"],
                "name": MARKER,
                "settings": {"intensity_level": 0.3},
            }
            first = (await good(await ana.post("/sessions", json=start), 201))["id"]

            # It talks, is anxious, and does an exercise.
            async with talking(here, first, token) as ask:
                hello = await ask("reply", type="say", text=f"Hola, {MARKER}", to="marta")
                assert hello["text"], hello
                worried = await ask("reply", type="say", text="I feel anxious", to="marta")
                assert [one["id"] for one in worried["elements"]] == [
                    "ex_breathing",
                    "ex_grounding",
                ]
                await ask("exercise", type="interaction", id="ex_breathing")
                done = await ask("exercise", type="interaction", id="ex_breathing_complete")
                assert done["elements"][0]["new"] is True
                sad = await ask("reply", type="say", text="I want to die!", to="marta")
                assert sad["safety"]["crisis"] is True
                assert any(one["type"] == "resource" for one in sad["elements"])

            # It goes elsewhere, and the host that carried it dies.
            where = {"character": "leo", "world": there, "cast": ["marta"]}
            second = (await good(await ana.post("/players/ana/switch", json=where)))["id"]
            assert second != first
            os.kill(here.where["services"]["host-0"]["pid"], signal.SIGKILL)
            said = {"text": f"still here, {MARKER}", "to": "marta", "wait_s": 0}
            turn = await ana.post(f"/sessions/{second}/turns", json=said)
            assert (await good(turn, 201))["turn"] == 1

            # An operator looks, and sends a word; it says nothing in the player's name.
            await good(
                await olga.post(f"/sessions/{second}/notes", json={"text": "well done"}), 201
            )
            assert (await olga.post(f"/sessions/{second}/turns", json=said)).status_code == 403

    # The whole runtime is gone and comes back.
    async with up(folder) as here:  # noqa: SIM117 - one is inside the other
        async with client(here, token) as ana, client(here, guest["token"]) as eve:
            told = await good(await ana.get(f"/sessions/{second}"))
            assert (told["status"], told["turns"], told["notes"][0]["author"]) == (
                "active",
                1,
                "olga",
            )
            back = {"character": "mira", "world": here_}
            again = await good(await ana.post("/players/ana/switch", json=back))
            assert again["id"] == first
            first_told = await good(await ana.get(f"/sessions/{first}"))
            assert (first_told["turns"], first_told["settings"]["intensity_level"]) == (3, 0.3)
            assert [one["marker_id"] for one in first_told["markers"]] == ["ex_breathing"]
            for session in (first, second):
                await good(await ana.post(f"/sessions/{session}/end"))

            # How it came on.
            async def counted() -> bool:
                seen = await good(await ana.get("/players/ana/progress"))
                return bool(seen["engagement"]["total_sessions"] == 2)

            await eventually(counted)
            dashboard = await good(await ana.get("/players/ana/dashboard"))
            assert len(dashboard["active_characters"]) == 2
            assert (await eve.get(f"/sessions/{first}/messages")).status_code == 403
            assert MARKER in (await ana.get(f"/sessions/{first}/messages")).text

            # Everything is its own: taken away, and then gone.
            export = await ana.get("/players/ana/export")
            assert export.text.count(MARKER) >= 5
            receipt = await good(await ana.delete("/players/ana?wait_s=50"))
            assert receipt["complete"] is True
            assert receipt["sessions"] == 2
            assert (await ana.get("/players/ana")).status_code == 410
            ended = await holodeck(folder, "token", "revoke", made["id"])
            assert ended == {"id": made["id"], "ended": True}

            async def shut_out() -> bool:
                return (await ana.get("/")).status_code == 401

            await eventually(shut_out)
            listed = await holodeck(folder, "token", "list")
            assert {row["subject"]: row["ended"] for row in listed} == {
                "ana": True,
                "eve": False,
                "olga": False,
            }
    left = [
        path for path in sorted(folder.rglob("*"))
        if path.is_file() and MARKER.encode() in path.read_bytes()
    ]  # fmt: skip
    assert left == []
