"""A live session over a WebSocket, and tiles as server-sent events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Origin

from holodeck.broker import find_server
from holodeck.entrypoints.gateway import feed
from holodeck.messages.errors import StartupError
from holodeck.messages.subjects import WORDS
from tests.conftest import missing
from tests.entrypoints.gateway.doors import House, house, problem


@pytest.fixture
async def home() -> AsyncIterator[House]:
    async with house() as made:
        yield made


async def begun(home: House, learner: str = "ana", **more: Any) -> str:
    client = home.learner(learner)
    made = await client.post("/sessions", json={"learner": learner, "cast": ["marta"], **more})
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


@asynccontextmanager
async def talking(
    home: House, session: str, learner: str | None = "ana", query: str = ""
) -> AsyncIterator[ClientConnection]:
    url = f"{home.url.replace('http', 'ws', 1)}/sessions/{session}/live?{query}"
    if learner is not None:
        url += f"&token={home.token('learner', learner)}"
    async with connect(url) as socket:
        yield socket


async def heard(socket: ClientConnection) -> dict[str, Any]:
    async with asyncio.timeout(10):
        frame: dict[str, Any] = json.loads(await socket.recv())
    return frame


async def until(socket: ClientConnection, kind: str) -> list[dict[str, Any]]:
    """Frames up to the first of a kind."""
    frames = [await heard(socket)]
    while frames[-1]["type"] != kind:
        frames.append(await heard(socket))
    return frames


async def say(socket: ClientConnection, text: str) -> list[dict[str, Any]]:
    await socket.send(json.dumps({"type": "say", "text": text, "to": "marta"}))
    return await until(socket, "reply")


async def closed_with(socket: ClientConnection) -> int | None:
    async with asyncio.timeout(10):
        try:
            while True:
                await socket.recv()
        except ConnectionClosed:
            return socket.close_code


# --- coming in ----------------------------------------


async def test_nobody_comes_in_without_a_token(home: House) -> None:
    session = await begun(home)
    async with talking(home, session, None) as socket:
        assert await closed_with(socket) == 1008


async def test_a_session_of_somebody_else_is_closed_and_an_unknown_one_too(home: House) -> None:
    session = await begun(home)
    for who, where in (("bob", session), ("ana", "nobody-knows")):
        async with talking(home, where, who) as socket:
            assert await closed_with(socket) == 1008


async def test_a_page_of_elsewhere_is_turned_away(home: House) -> None:
    session = await begun(home)
    url = f"{home.url.replace('http', 'ws', 1)}/sessions/{session}/live"
    with pytest.raises(Exception, match="403"):
        async with connect(url, origin=Origin("http://evil.example")):
            pass


async def test_who_comes_in_is_welcomed(home: House) -> None:
    session = await begun(home)
    async with talking(home, session) as socket:
        welcome = await heard(socket)
        assert (welcome["type"], welcome["role"]) == ("welcome", "system")
        assert welcome["session"] == session


async def test_a_token_that_ends_ends_its_connection(home: House) -> None:
    session = await begun(home)
    token = home.token("learner", "ana")
    url = f"{home.url.replace('http', 'ws', 1)}/sessions/{session}/live?token={token}"
    async with connect(url) as socket:
        await heard(socket)
        ended = await home.client(token).post("/tokens/revoke")
        assert ended.status_code == 204
        await socket.send('{"type":"ping"}')
        assert await closed_with(socket) == 1008


# --- speaking ----------------------------------------


async def test_what_is_said_is_answered_step_by_step(home: House) -> None:
    session = await begun(home)
    async with talking(home, session) as socket:
        await heard(socket)
        frames = await say(socket, "Hello, I feel okay today.")
        stages = [frame["stage"] for frame in frames if frame["type"] == "progress"]
        assert stages == ["analyzing", "personalizing", "complete"]
        reply = frames[-1]
        assert (reply["role"], reply["npc"], reply["turn"]) == ("assistant", "marta", 1)
        assert reply["safety"] == {"crisis": False, "types": []}
        assert reply["elements"] == []
        assert reply["text"]
    assert (await home.deck.session(session).state()).turns == 1


async def test_typing_is_told_around_the_reply(home: House) -> None:
    session = await begun(home)
    async with talking(home, session, query="typing=1") as socket:
        await heard(socket)
        await socket.send(json.dumps({"type": "say", "text": "Hola", "to": "marta"}))
        frames = await until(socket, "reply")
        frames.append(await heard(socket))
        assert (frames[0]["type"], frames[0]["state"]) == ("typing", "start")
        assert (frames[-1]["type"], frames[-1]["state"]) == ("typing", "stop")
        assert [frame["type"] for frame in frames].index("reply") == len(frames) - 2


async def test_a_harmless_word_is_answered(home: House) -> None:
    session = await begun(home)
    async with talking(home, session) as socket:
        await heard(socket)
        assert (await say(socket, "I love my cat; ls & select (*)!"))[-1]["text"]


async def test_somebody_in_distress_is_told_whom_to_turn_to(home: House) -> None:
    session = await begun(home)
    async with talking(home, session) as socket:
        await heard(socket)
        frames = await say(socket, "I feel like I want to die and can't go on.")
        safety = next(frame for frame in frames if frame["type"] == "safety")
        assert safety["safety"]["crisis"] is True
        assert frames.index(safety) < len(frames) - 1
        reply = frames[-1]
        assert reply["safety"]["crisis"] is True
        kinds = [element["type"] for element in reply["elements"]]
        assert "resource" in kinds
        assert kinds.count("button") == 2
    state = await home.deck.session(session).state()
    assert state.playing is not None
    assert state.playing.flagged == 1


async def test_a_frame_that_is_refused_is_read_first(home: House) -> None:
    session = await begun(home)
    async with talking(home, session) as socket:
        await heard(socket)
        for text in (
            '{"type": "say", "text": "I want to kill myself!"',
            '["I want to kill myself!"]',
            '{"type": "shout", "text": "I want to kill myself!"}',
            '{"type": "say", "text": "I want to kill myself!", "volume": 11}',
        ):
            await socket.send(text)
            assert (await heard(socket))["type"] == "notice"
            safety = await heard(socket)
            assert (safety["type"], safety["safety"]["crisis"]) == ("safety", True)
            assert safety["resources"]
        await home.deck.session(session).pause()
        await socket.send(json.dumps({"type": "say", "text": "I want to die", "to": "marta"}))
        kinds = [frame["type"] for frame in await until(socket, "safety")]
        assert kinds == ["progress", "error", "safety"]


# --- exercises ----------------------------------------


async def test_an_anxious_word_is_answered_with_two_exercises(home: House) -> None:
    session = await begun(home)
    async with talking(home, session) as socket:
        await heard(socket)
        reply = (await say(socket, "I'm feeling very anxious and overwhelmed"))[-1]
        buttons = [one["id"] for one in reply["elements"] if one["type"] == "button"]
        assert buttons == ["ex_breathing", "ex_grounding"]
        await press(socket, "ex_breathing")
        guided = await heard(socket)
        assert guided["type"] == "exercise"
        instruction, button = guided["elements"]
        assert (instruction["type"], button["id"]) == ("instruction", "ex_breathing_complete")
        await press(socket, "ex_breathing_complete")
        done = await heard(socket)
        assert done["elements"][0]["type"] == "progress"
        assert done["elements"][0]["new"] is True
        await press(socket, "ex_breathing_complete")
        assert (await heard(socket))["code"] == "not-offered"
    state = await home.deck.session(session).state()
    assert state.playing is not None
    assert list(state.playing.markers) == ["ex_breathing"]
    assert state.playing.markers["ex_breathing"].marker.therapeutic_value == 0.2


async def press(socket: ClientConnection, button: str) -> None:
    await socket.send(json.dumps({"type": "interaction", "id": button}))


@pytest.mark.parametrize(
    "button", ["anything_complete", "ex_breathing_complete", "ex_breathing", "ex_grounding"]
)
async def test_a_button_that_was_not_offered_earns_nothing(home: House, button: str) -> None:
    session = await begun(home)
    async with talking(home, session) as socket:
        await heard(socket)
        await press(socket, button)
        assert (await heard(socket))["code"] == "not-offered"
    state = await home.deck.session(session).state()
    assert state.playing is None or not state.playing.markers


# --- frames ----------------------------------------


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("{bad", "not-json"),
        ("[1,2]", "not-an-object"),
        ('"say"', "not-an-object"),
        ("{}", "unknown-type"),
        ('{"type": ["say"]}', "unknown-type"),
        ('{"type": "say", "text": "  ", "to": "marta"}', "invalid"),
        ('{"type": "say", "text": "x"}', "invalid"),
        ("[" * 5000, "not-json"),
        (b"\xff\xfe", "not-json"),
    ],
    ids=str,
)
async def test_a_bad_frame_is_noticed_and_the_connection_stays(
    home: House, frame: str | bytes, code: str
) -> None:
    session = await begun(home)
    async with talking(home, session) as socket:
        await heard(socket)
        await socket.send(frame)
        notice = await heard(socket)
        assert (notice["type"], notice["code"]) == ("notice", code)
        await socket.send('{"type":"ping"}')
        assert (await heard(socket))["type"] == "pong"


async def test_of_twelve_frames_at_once_ten_are_handled(home: House) -> None:
    session = await begun(home)
    async with talking(home, session) as socket:
        await heard(socket)
        for _ in range(12):
            await socket.send('{"type":"ping"}')
        frames = [await heard(socket) for _ in range(12)]
        assert [frame["type"] for frame in frames].count("pong") == 10
        assert [frame.get("code") for frame in frames[10:]] == ["slow-down"] * 2


async def test_a_session_is_led_from_its_connection(home: House) -> None:
    session = await begun(home)
    async with talking(home, session) as socket:
        await heard(socket)
        marker = {"marker_id": "m", "marker_type": "insight"}
        for frame in (
            {"type": "interaction", "scene": "bar", "variables": {"a": 1}},
            {"type": "marker", "marker": marker},
            {"type": "settings", "settings": {"intensity_level": 0.1}},
            {"type": "pause"},
            {"type": "resume"},
            {"type": "end"},
        ):
            await socket.send(json.dumps(frame))
            answer = await heard(socket)
            assert (answer["type"], answer["of"]) == ("done", frame["type"]), answer
        await socket.send(json.dumps({"type": "say", "text": "Hola", "to": "marta"}))
        assert (await until(socket, "error"))[-1]["code"] == "session-ended"
    state = await home.deck.session(session).state()
    assert state.playing is not None
    assert (state.playing.scene, state.phase) == ("bar", "ended")


async def test_a_player_gives_feedback_and_switches(home: House) -> None:
    ana = home.learner("ana")
    await ana.post("/players", json={"username": "ana", "email": "ana@example.org"})
    for name in ("Mira", "Leo"):
        body = {"character_id": name.lower(), "name": name, "background": {"name": name}}
        assert (await ana.post("/players/ana/characters", json=body)).status_code == 201
    worlds = (await ana.get("/worlds")).json()["items"]
    session = await begun(home, character="mira", world=worlds[0]["world_id"])
    async with talking(home, session) as socket:
        await heard(socket)
        await socket.send(json.dumps({"type": "feedback", "rating": 2}))
        assert (await heard(socket))["of"] == "feedback"
        switch = {"type": "switch", "character": "leo", "world": worlds[0]["world_id"]}
        await socket.send(json.dumps(switch))
        switched = await heard(socket)
        assert switched["type"] == "switched", switched
        assert switched["before"] == session
        other = switched["session"]
        reply = (await say(socket, "Hola"))[-1]
        assert (reply["session"], reply["turn"]) == (other, 1)
    assert (await home.deck.session(session).state()).phase == "paused"
    assert (await home.deck.session(other).state()).turns == 1


async def test_tiles_are_told_where_they_are_wanted(home: House) -> None:
    session = await begun(home)
    async with talking(home, session, query="tiles=1") as socket:
        await heard(socket)
        await asyncio.sleep(0.1)
        await home.deck.session(session).take_turn("Hola", to="marta")
        tile = (await until(socket, "tile"))[-1]["tile"]
        assert tile["answer"]["session_id"] == session


# --- server-sent events ----------------------------------------


async def events(response: httpx.Response) -> AsyncIterator[dict[str, str]]:
    event: dict[str, str] = {}
    async for line in response.aiter_lines():
        if not line:
            if event:
                yield event
            event = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(": ")
            event[name] = value


async def gather(
    client: httpx.AsyncClient, path: str, count: int, **more: Any
) -> list[dict[str, str]]:
    found: list[dict[str, str]] = []
    async with asyncio.timeout(15), client.stream("GET", path, **more) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        async for event in events(response):
            if "data" in event:
                found.append(event)
            if len(found) == count:
                break
    return found


async def test_tiles_of_a_session_come_as_events_and_are_resumed(home: House) -> None:
    session = await begun(home)
    ana = home.learner("ana")
    for n in range(3):
        await home.deck.session(session).take_turn(f"t{n}", to="marta")
    path = f"/sessions/{session}/events"
    first = await gather(ana, path, 4, params={"after": 0})
    assert first[0]["event"] == "session-start"
    assert [int(one["id"]) for one in first] == sorted({int(one["id"]) for one in first})
    assert json.loads(first[0]["data"])["answer"]["session_id"] == session
    later = await gather(ana, path, 2, headers={"last-event-id": first[1]["id"]})
    assert [one["id"] for one in later] == [one["id"] for one in first[2:4]]
    problem(await home.learner("bob").get(path), 403)
    problem(await ana.get("/events"), 403)
    problem(await ana.get(path, headers={"last-event-id": "x"}), 422)


async def test_many_listeners_share_one_reader(home: House) -> None:
    session, other = await begun(home), await begun(home, "bob")
    clients = [home.learner("ana") for _ in range(5)]
    waiting = [
        asyncio.create_task(gather(client, f"/sessions/{session}/events", 3)) for client in clients
    ]
    every = asyncio.create_task(gather(home.reader, "/events?event=turn", 2))
    for _ in range(200):
        if home.gateway.feed.listeners == 6 and home.gateway.feed._follower is not None:
            break
        await asyncio.sleep(0.02)
    await asyncio.sleep(0.2)
    for n in range(3):
        await home.deck.session(session).take_turn(f"t{n}", to="marta")
        await home.deck.session(other).take_turn(f"o{n}", to="marta")
    found = await asyncio.gather(*waiting)
    assert all(one == found[0] for one in found)
    assert {json.loads(one["data"])["answer"]["session_id"] for one in found[0]} == {session}
    assert len(await every) == 2
    for _ in range(200):
        if not home.gateway.feed.listeners:
            break
        await asyncio.sleep(0.02)
    assert home.gateway.feed._follower is None


async def test_who_does_not_keep_up_is_told_and_let_go(
    home: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "WINDOW", 5)
    session = await begun(home)
    async with home.gateway.feed.listen(session=session) as tiles:
        first = asyncio.ensure_future(anext(aiter(tiles)))
        await asyncio.sleep(0.05)
        for n in range(30):
            await home.deck.session(session).take_turn(f"t{n}", to="marta")
        assert await first
        await asyncio.sleep(0.3)
        with pytest.raises(feed.TooSlow) as caught:
            async for _ in tiles:
                pass
        last = caught.value.last
    # From there on nothing is lost.
    async with home.gateway.feed.listen(session=session, after=last) as tiles:
        assert (await anext(aiter(tiles)))[0].sequence > last


async def test_pieces_of_a_reply_are_told_as_they_come(home: House) -> None:
    session = await begun(home)
    async with talking(home, session) as socket:
        await heard(socket)
        for piece in ("Ho", "la"):
            home.deck.broker.post(WORDS.of(home.layout.ns, session, 7), piece.encode())
        frames = [await heard(socket) for _ in range(2)]
        assert [(one["type"], one["turn"], one["text"]) for one in frames] == [
            ("words", 7, "Ho"),
            ("words", 7, "la"),
        ]


@pytest.mark.nats
async def test_on_a_real_server_it_is_the_same() -> None:
    try:
        find_server()
    except StartupError as error:
        missing(f"nats-server ({error})")
    async with house(broker="nats") as home:
        session = await begun(home)
        async with talking(home, session, query="tiles=1") as socket:
            await heard(socket)
            frames = await say(socket, "Hola")
            assert frames[-1]["text"]
            # They may come before the reply.
            tiles = [one for one in frames if one["type"] == "tile"]
            tiles = tiles or (await until(socket, "tile"))[-1:]
            assert tiles[0]["tile"]["answer"]["session_id"] == session
        found = await gather(home.learner("ana"), f"/sessions/{session}/events?after=0", 2)
        assert [one["event"] for one in found] == ["session-start", "turn"]
        ended = home.token("learner", "ana")
        assert (await home.client(ended).post("/tokens/revoke")).status_code == 204
        problem(await home.client(ended).get("/"), 401)
