"""The published clients put tiles into the rooms served here and find them again."""

from __future__ import annotations

from typing import Any, Final

import httpx
import pytest

from tests.published.conftest import Doors, Published

pytestmark = [pytest.mark.slow, pytest.mark.nats, pytest.mark.integration]

ROOM: Final = "gc/research/scout-reports/holodeck-session"

SDK: Final = """
    import json, sys
    from plato_sdk import Agent, ExploreRooms, PlatoClient, ReadRoom, SearchKnowledge, SubmitTiles
    from plato_sdk.skills import BatchSubmit, FleetSync, Think

    client, room = PlatoClient(sys.argv[1]), sys.argv[2]
    answer = "Seven metres at low tide, twelve at high tide."
    out = {"empty": client.status(), "nowhere": client.room("nowhere")}
    out["first"] = client.submit(room, "harbour", "How deep is it?", answer, agent="pilot")
    out["again"] = client.submit(room, "harbour", "How deep is it?", answer, agent="pilot")
    out["short"] = client.submit(room, "harbour", "How deep is it?", "deep", agent="pilot")
    out["claim"] = client.submit("sea", "sea", "Is it deep?", "It is always deep enough here.")
    agent = Agent("mate", skills=[ExploreRooms(), ReadRoom(), SearchKnowledge(), SubmitTiles(),
                                  BatchSubmit(), FleetSync(), Think()])
    agent.connect(client)
    out["by_agent"] = agent.submit("quay", "Who moors here?", "Two ferries and a pilot boat.")
    tile = {"room": "quay", "question": "Since when?", "answer": "Since the pier was built."}
    out["batch"] = agent.use("batch-submit", {"tiles": [tile, tile]})
    out["explored"] = agent.explore()
    out["read"] = agent.use("read-room", {"room": room})
    out["found"] = agent.search("LOW tide")
    out["thought"] = agent.use("think", {"room": room})["context"]
    out["sync"] = agent.use("fleet-sync")
    out["rooms"], out["room"] = client.rooms(), client.room(room)
    out["recent"], out["stats"] = client.recent(2), client.stats()
    out["armor"], out["keys"] = client.armor_catalog(), client.keys()
    out["toggled"] = client.sync_toggle(True)
    out["spawned"] = client.spawn("a mate")
    out["chatted"] = client.chat("s1", "hello")
    out["session"] = client.agent_submit("s1", "quay", "quay", "And now?", "Now it is still here.")
    out["status"] = client.status()
    print(json.dumps(out))
"""


@pytest.mark.parametrize("below_the_gateway", [True, False], ids=["mounted", "own-port"])
async def test_the_sdk_submits_reads_and_searches(
    doors: Doors, published: Published, below_the_gateway: bool
) -> None:
    url = f"{doors.url}/plato" if below_the_gateway else doors.plato

    out = await published.run(SDK, url, ROOM)

    assert (out["empty"]["tiles"], out["status"]["tiles"], out["status"]["rooms"]) == (0, 4, 2)
    assert (out["nowhere"]["tile_count"], out["nowhere"]["tiles"]) == (0, [])
    assert (out["first"]["status"], out["first"]["room"]) == ("accepted", ROOM)
    assert [out[name]["status"] for name in ("again", "short", "claim")] == ["rejected"] * 3
    assert out["short"]["error"] == "Answer too short (4 < 20)"
    assert out["again"]["reason"].startswith("Duplicate")
    assert out["by_agent"]["status"] == out["session"]["status"] == "accepted"
    assert out["batch"]["accepted"] == 1
    assert out["explored"]["rooms"] == {ROOM: {"tiles": 1}, "quay": {"tiles": 2}}
    assert out["read"]["tiles"] == out["found"]["results"] == out["room"]["tiles"]
    assert "Seven metres" in out["thought"]
    assert out["rooms"][ROOM]["tile_count"] == out["room"]["tile_count"] == 1
    assert [tile["room"] for tile in out["recent"]] == ["quay", "quay"]
    assert out["stats"]["total_tiles"] == 3
    assert (out["armor"], out["keys"]) == ({}, {})
    assert not out["sync"]["enabled"]
    assert not out["toggled"]["enabled"]
    assert out["spawned"]["error"] == out["chatted"]["error"]


async def test_the_sdks_program_speaks_to_the_rooms(doors: Doors, published: Published) -> None:
    program = ("-m", "plato_sdk.cli", "--url", f"{doors.url}/plato")

    stored = await published.program(
        *program, "submit", "--room", ROOM, "--question", "How deep is it?",
        "--answer", "Seven metres at low tide, twelve at high tide.",
    )  # fmt: skip

    assert '"status": "accepted"' in stored
    assert "1 tiles | 1 rooms" in await published.program(*program, "status")
    assert f"{ROOM}: 1 tiles" in await published.program(*program, "rooms")
    assert f"[{ROOM}] How deep is it?" in await published.program(*program, "search", "metres")
    assert await published.program(*program, "armor") == ""
    assert await published.program(*program, "keys") == ""


async def test_a_third_client_explores_submits_and_searches(
    doors: Doors, published: Published
) -> None:
    out = await published.run(
        """
        import json, sys
        from plato import PlatoClient

        client = PlatoClient(sys.argv[1])
        answer = "Seven metres at low tide, twelve at high tide."
        out = {"stored": client.submit(sys.argv[2], "How deep is it?", answer, tags=["chart"])}
        out["refused"] = client.submit("harbour", "How deep is it?", "deep")
        out["rooms"], out["found"] = client.explore(), client.search("chart metres")
        print(json.dumps(out))
        """,
        f"{doors.url}/plato",
        ROOM,
    )

    assert (out["stored"]["status"], out["stored"]["room"]) == ("accepted", ROOM)
    assert out["refused"]["error"] == 403
    assert "Answer too short" in out["refused"]["message"]
    assert out["rooms"][ROOM]["tile_count"] == 1
    assert [tile["room"] for tile in out["found"]["results"]] == [ROOM]


SESSION: Final = """
    import json, sys
    from holodeck_session_manager import SessionConfig, SessionManager, SessionOutcome, TaskOutcome

    plato, h1, room = sys.argv[1:]
    manager = SessionManager(SessionConfig(
        session_name="night-watch", agent_id="oracle1", tags=["watch"], plato_url=plato,
        scout_room=room, h1_router_enabled=True, h1_router_url=h1,
    ))
    session = manager.start_session()
    out = {"session": session.session_id, "emitted": [], "decisions": [], "tiles": manager.emitter}
    emit = out.pop("tiles")
    for name, outcome in (("look-out", TaskOutcome.SUCCESS), ("report", TaskOutcome.FAILED)):
        session.add_task(name, {}, required_capabilities=["plato"])
        decision = manager.route_task_h1(name, ["plato"])
        out["decisions"].append(decision)
        session.start_task(name)
        out["emitted"].append(emit.emit_task_start(session.session_id, name, decision))
        done = session.complete_task(name, outcome, duration_ms=7, error="it can never be seen")
        out["emitted"].append(
            emit.emit_task_end(session.session_id, name, done.outcome.value, 7, done.error)
        )
    out["emitted"].append(emit.emit_session_error(session.session_id, "always dark"))
    out["repeated"] = emit.emit_session_error(session.session_id, "always dark")
    out["status"] = manager.get_h1_status()
    manager.end_session(SessionOutcome.SUCCESS)
    out["h1"] = [session._h1_start, session._h1_end]
    print(json.dumps(out))
"""


@pytest.mark.parametrize("below_the_gateway", [True, False], ids=["mounted", "own-port"])
async def test_the_session_manager_reports_to_a_room_and_asks_the_router(
    doors: Doors, published: Published, below_the_gateway: bool
) -> None:
    plato = f"{doors.url}/plato" if below_the_gateway else doors.plato
    h1 = f"{doors.url}/h1" if below_the_gateway else doors.h1
    async with httpx.AsyncClient() as http:
        for agent, can in (("oracle1", ["plato"]), ("ccc", ["messaging"])):
            body = {"agent_id": agent, "capabilities": can}
            assert (await http.post(f"{h1}/register/agent", json=body)).status_code == 200

        out = await published.run(SESSION, plato, h1, ROOM)

        there = (await http.get(f"{plato}/room/{ROOM}")).json()
    assert out["emitted"] == [True] * 5
    assert out["repeated"] is False
    assert [tile["question"] for tile in there["tiles"]] == [
        "[SESSION_START] oracle1:night-watch",
        "[TASK_START] look-out",
        "[TASK_END] look-out — success",
        "[TASK_START] report",
        "[TASK_END] report — failed",
        f"[SESSION_ERROR] {out['session']}",
        "[SESSION_END] oracle1:night-watch — success",
    ]
    assert {tile["source"] for tile in there["tiles"]} == {"holodeck-session-manager"}
    assert there["tiles"][0]["tags"] == ["scout", "session", "start", "oracle1"]
    assert [decision["agent_id"] for decision in out["decisions"]] == ["oracle1", "oracle1"]
    assert out["status"]["n_agents"] == 2
    assert out["status"]["h1_dimension"] == 0
    assert out["h1"] == [0, 0]


async def test_the_clients_read_what_our_own_sessions_did(
    doors: Doors, published: Published
) -> None:
    session = await doors.deck.start_session(learner="ana", name="café", cast=["marta"])
    task = await session.add_task("order-coffee")
    await session.begin(task.id)
    await session.complete(task.id)
    await session.end()
    own = [tile async for tile in session.tiles()]

    out: dict[str, Any] = await published.run(
        """
        import json, sys
        from plato_sdk import PlatoClient

        client = PlatoClient(sys.argv[1])
        rooms = client.rooms()
        tiles = {name: client.room(name) for name in rooms}
        print(json.dumps({"rooms": rooms, "tiles": tiles, "found": client.search("order-coffee")}))
        """,
        f"{doors.url}/plato",
    )

    (room,) = {tile.domain for tile in own}
    there = out["tiles"][room]
    questions = [tile["question"] for tile in there["tiles"]]
    assert [question for question in questions if question in {t.question for t in own}] == [
        tile.question for tile in own
    ]
    assert all(isinstance(tile["answer"], str) for tile in there["tiles"])
    assert all(isinstance(tile["provenance"], str) for tile in there["tiles"])
    assert {tile["question"].split("]")[0] for tile in out["found"]} >= {"[TASK_START", "[TASK_END"}


async def test_a_client_finds_everything_again_after_gateway_and_server_were_started_anew(
    doors: Doors, published: Published
) -> None:
    read = """
        import json, sys
        from plato_sdk import PlatoClient

        client = PlatoClient(sys.argv[1])
        print(json.dumps({name: client.room(name) for name in client.rooms()}))
    """
    session = await doors.deck.start_session(learner="ana", name="café", cast=["marta"])
    await session.say("Hola, quisiera un café", to="marta")
    await session.end()
    assert [tile async for tile in session.tiles()]
    await published.run(SDK, doors.plato, ROOM)
    before = await published.run(read, doors.plato)
    assert sum(room["tile_count"] for room in before.values()) > 6

    await doors.shut()
    assert doors.local.server is not None
    await doors.local.server.restart()
    await doors.open()

    after = await published.run(read, doors.plato)
    # What the session led to elsewhere may have come meanwhile; nothing has gone.
    for name, room in before.items():
        assert after[name]["tiles"][: len(room["tiles"])] == room["tiles"]
