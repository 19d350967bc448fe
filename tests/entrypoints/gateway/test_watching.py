"""What those who watch read over HTTP, against a runtime that runs; the arithmetic behind it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from holodeck.actors.keeper import TilesService
from holodeck.actors.metrics import Metrics
from holodeck.actors.tiles.dead import Graveyard
from holodeck.actors.tiles.plato import PlatoSink
from holodeck.broker.port import Record
from holodeck.entrypoints.gateway.access import Role
from holodeck.entrypoints.gateway.site import POLICY, files
from holodeck.entrypoints.gateway.v1.watch_cards import said, seconds
from holodeck.entrypoints.gateway.v1.watch_letters import letter_of
from holodeck.entrypoints.gateway.v1.watch_overview import Counted, Sample, gained, quantile
from holodeck.entrypoints.gateway.v1.watch_rows import SORTS, row_of, searched
from holodeck.messages.codec import pack
from holodeck.messages.ids import new_id, partition_of
from holodeck.messages.session import CastMember
from holodeck.messages.subjects import COMMAND
from tests.entrypoints.gateway.doors import House, house, problem
from tests.tiles.plato_stub import TAKEN, Plato, refused


@pytest.fixture
async def home() -> AsyncIterator[House]:
    async with house() as made:
        yield made


async def got(client: httpx.AsyncClient, path: str, **query: Any) -> Any:
    response = await client.get(path, params=query)
    assert response.status_code == 200, (path, response.text)
    return response.json()


async def until(ask: Callable[[], Any], holds: Callable[[Any], bool], wait: float = 10.0) -> Any:
    """Asks until it holds; what is asked may be a second or two old."""
    async with asyncio.timeout(wait):
        while not holds(found := await ask()):
            await asyncio.sleep(0.1)
    return found


# --- the overview ----------------------------------------


async def test_the_overview_counts_what_lives_and_what_is_done(home: House) -> None:
    for n in range(3):
        await home.deck.start_session(learner=f"l{n}", cast=["marta"], session=f"s{n}")
    await home.deck.session("s2").pause()
    reader = home.reader

    told = await until(
        lambda: got(reader, "/overview"),
        lambda one: one["sessions"]["live"] == 3 and one["rates"]["commands"] is not None,
    )

    assert told["partitions"] == 64
    assert told["unowned"] == 0
    assert [host["name"] for host in told["hosts"]] == ["host-0"]
    assert told["hosts"][0]["partitions"] == 64
    assert told["hosts"][0]["answers"] is True
    assert told["dead_letters"] == 0
    assert told["projections"] == []
    assert told["sessions"]["by_kind"] == {"conversation": 3}
    assert told["sessions"]["by_status"] == {"active": 2, "paused": 1}
    assert told["history"][-1]["live"] == 3
    assert told["store"]["full"] is False


async def test_overview_events_come_once_a_second_and_their_counters_move(home: House) -> None:
    reader = home.reader
    heard: list[dict[str, Any]] = []
    session = await home.deck.start_session(learner="ana", cast=["marta"])
    async with reader.stream("GET", "/overview/events") as stream, asyncio.timeout(20):
        assert stream.headers["content-type"].startswith("text/event-stream")
        async for line in stream.aiter_lines():
            if not line.startswith("data: "):
                continue
            heard.append(json.loads(line[6:]))
            if len(heard) >= 3 and heard[-1]["rates"]["commands"]:
                break
            for _ in range(5):
                await session.friction("lexical", 0.5)

    assert heard[-1]["rates"]["commands"] > 0
    assert heard[-1]["rates"]["tiles"] is not None
    assert heard[-1]["latency"]["p50_ms"] > 0
    assert heard[-1]["latency"]["p50_ms"] <= heard[-1]["latency"]["p99_ms"]


async def test_many_listeners_are_fed_by_one_poller(home: House) -> None:
    reader = home.reader
    asked = 0
    status = home.deck.status

    async def counted() -> Any:
        nonlocal asked
        asked += 1
        return await status()

    home.deck.status = counted  # type: ignore[method-assign]

    async def listen() -> int:
        heard = 0
        async with reader.stream("GET", "/overview/events") as stream:
            async for line in stream.aiter_lines():
                heard += line.startswith("data: ")
                if heard == 3:
                    return heard
        return heard

    async with asyncio.timeout(20):
        assert await asyncio.gather(*(listen() for _ in range(8))) == [3] * 8
    assert asked < 8


async def test_a_door_that_closes_ends_its_streams_in_good_order(
    home: House, caplog: pytest.LogCaptureFixture
) -> None:
    reader = home.reader
    heard: list[str] = []
    begun = asyncio.Event()

    async def listen() -> None:
        async with reader.stream("GET", "/overview/events") as stream:
            async for line in stream.aiter_lines():
                heard.append(line)
                begun.set()

    listening = asyncio.create_task(listen())
    await asyncio.wait_for(begun.wait(), 10)
    began = asyncio.get_running_loop().time()
    await home.door.stop()
    await asyncio.wait_for(listening, 5)  # its end is an end, no broken connection
    assert asyncio.get_running_loop().time() - began < 5
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def sample(at: float, **hosts: Counted) -> Sample:
    return Sample(at, hosts)


def test_rates_pass_over_a_host_that_died_or_began_again() -> None:
    old = sample(0, a=Counted({"commands": 100}), b=Counted({"commands": 50}))
    new = sample(1, a=Counted({"commands": 130}), b=Counted({"commands": 5}))

    assert gained(old, new, "commands") == 30 + 5
    assert gained(old, sample(1, a=Counted({"commands": 100})), "commands") == 0
    assert gained(old, sample(1, c=Counted({"commands": 7})), "commands") == 7


def test_a_quantile_lies_within_its_bucket() -> None:
    inf = float("inf")
    old = sample(0, a=Counted(buckets={0.001: 10, 0.01: 20, inf: 20}))
    new = sample(1, a=Counted(buckets={0.001: 60, 0.01: 120, inf: 120}))

    assert quantile(old, new, 0.5) == 1.0
    assert quantile(old, new, 0.75) == pytest.approx(5.5)
    assert quantile(old, old, 0.5) is None
    assert quantile(None, sample(0), 0.5) is None
    beyond = sample(0, a=Counted(buckets={0.001: 0, inf: 4}))
    assert quantile(None, beyond, 0.99) == 1.0


# --- sessions ----------------------------------------


async def test_sessions_are_listed_searched_chosen_and_paged(home: House) -> None:
    for n in range(25):
        await home.deck.start_session(
            learner=f"l{n:02d}", kind="agent", name=f"Team {n}", session=f"s{n:02d}", tags=["red"]
        )
    await home.deck.start_session(learner="ana", cast=["marta"], session="cafe", name="Café Olé")
    await home.deck.session("s03").pause()
    reader = home.reader
    whole = await until(
        lambda: got(reader, "/sessions", limit=500),
        lambda page: page["total"] == 26 and any(r["status"] == "paused" for r in page["items"]),
    )

    first = await got(reader, "/sessions", limit=10, sort="id")
    assert (len(first["items"]), first["next"], first["total"]) == (10, "10", 26)
    second = await got(reader, "/sessions", limit=20, sort="id", cursor=first["next"])
    assert second["next"] is None
    ids = [row["id"] for row in first["items"] + second["items"]]
    assert ids == sorted(row["id"] for row in whole["items"])
    assert [r["id"] for r in (await got(reader, "/sessions", q="café"))["items"]] == ["cafe"]
    assert (await got(reader, "/sessions", q="TEAM red"))["total"] == 25
    assert [r["id"] for r in (await got(reader, "/sessions", status="paused"))["items"]] == ["s03"]
    assert (await got(reader, "/sessions", kind="conversation,practice"))["total"] == 1
    assert (await got(reader, "/sessions", learner="l07"))["items"][0]["id"] == "s07"
    assert (await got(reader, "/sessions", q="nobody"))["items"] == []
    row = (await got(reader, "/sessions", q="cafe"))["items"][0]
    assert (row["learner"], row["kind"], row["status"]) == ("ana", "conversation", "active")
    assert row["started_at"].endswith("Z")
    problem(await reader.get("/sessions", params={"sort": "colour"}), 422, "invalid")
    problem(await reader.get("/sessions", params={"status": "tired"}), 422, "invalid")
    problem(await reader.get("/sessions", params={"cursor": "x"}), 400, "bad-cursor")


async def test_a_sleeping_session_is_listed_with_what_its_snapshot_says() -> None:
    from holodeck.config import load_settings

    settings = load_settings(idle_sleep_s=0.2)
    async with house(settings=settings) as home:
        await home.deck.start_session(
            learner="ana", cast=["marta"], session="cafe", name="A nap", idle_timeout_s=0
        )

        async def asleep() -> bool:
            return bool((await home.deck.status())["hosts"][0]["asleep"] == 1)

        await until(asleep, bool)
        assert (await home.deck.sessions())[0].keys() == {"session", "phase", "sequence", "host"}
        reader = home.reader
        page = await until(
            lambda: got(reader, "/sessions"), lambda one: one["items"][0]["status"] != "unknown"
        )
        row = page["items"][0]
        assert (row["asleep"], row["status"], row["name"], row["learner"]) == (
            True, "active", "A nap", "ana",
        )  # fmt: skip
        assert (await home.deck.status())["hosts"][0]["asleep"] == 1, "a look wakes nobody"


async def test_pages_of_hosts_go_into_messages(home: House) -> None:
    """With long names and tags a page is cut by its bytes, and nothing is left out."""
    tags = [f"{n:02d}" + "ü" * 198 for n in range(32)]
    for n in range(60):
        await home.deck.start_session(
            learner=f"l{n}", kind="agent", name="ä" * 200, tags=tags, session=f"s{n:02d}"
        )

    rows = await home.deck.sessions()

    assert sorted(row["session"] for row in rows) == [f"s{n:02d}" for n in range(60)]


def test_every_sort_orders_every_row() -> None:
    rows = [
        row_of({"session": "a", "phase": "asleep", "sequence": 1}, "host-0", asleep=True),
        row_of({"session": "b", "phase": "ended", "turns": 2, "started_at": 5}, "h", asleep=False),
    ]
    for key in SORTS.values():
        rows.sort(key=key)
    assert rows[0]["status"] in ("unknown", "completed")
    assert "completed" in searched(rows[0]) + searched(rows[1])


# --- one session ----------------------------------------


async def test_the_timeline_has_a_card_for_every_checkpoint(home: House) -> None:
    session = await home.deck.start_session(
        learner="ana", cast=["marta"], name="tapas", session="cafe"
    )
    await session.say("Hola", to="marta")
    await session.friction("lexical", 0.8, npc="marta", detail="the word for bill")
    await session.reputation("marta", -0.2, "loud")
    reader = home.reader
    steps = [step async for step in session.replay()]

    told = await got(reader, "/sessions/cafe/timeline")

    assert [card["sequence"] for card in told["items"]] == [step.sequence for step in steps]
    assert told["next"] is None
    first, turn, reply, friction, standing = told["items"]
    assert (first["title"], first["text"]) == (
        "Conversation begins", "ana “tapas”, with marta",
    )  # fmt: skip
    assert (turn["title"], turn["text"], turn["npc"]) == ("ana to marta", "Hola", "marta")
    assert reply["title"] == "marta answers"
    assert (friction["tone"], friction["title"]) == ("bad", "Lexical friction")
    assert "the word for bill" in friction["text"]
    assert (standing["tone"], standing["text"]) == ("bad", "-0.200 loud")
    assert friction["events"][0]["kind"] == "friction.detected"
    page = await got(reader, "/sessions/cafe/timeline", limit=2)
    assert page["next"] == page["items"][-1]["sequence"]
    rest = await got(reader, "/sessions/cafe/timeline", after=page["next"])
    assert page["items"] + rest["items"] == told["items"]
    problem(await reader.get("/sessions/nothing/timeline"), 404, "unknown-session")


async def test_state_at_a_checkpoint_is_the_state_it_had(home: House) -> None:
    session = await home.deck.start_session(learner="ana", cast=["marta"], session="cafe")
    for n in range(4):
        await session.take_turn(f"line {n}", to="marta")
    reader = home.reader
    for card in (await got(reader, "/sessions/cafe/timeline"))["items"]:
        at = card["sequence"]
        told = await got(reader, "/sessions/cafe/state", at=at)
        state = await session.state(at=at)
        assert told["sequence"] == at
        assert told["state"]["turns"] == state.turns
        assert told["state"]["touched"] == state.touched == at
        assert told["state"]["met"] == state.met
    now = await reader.get("/sessions/cafe/state")
    assert now.json()["state"]["turns"] == 4
    again = await reader.get("/sessions/cafe/state", headers={"if-none-match": now.headers["etag"]})
    assert again.status_code == 304
    beyond = await got(reader, "/sessions/cafe/state", at=99999)
    assert beyond["sequence"] == now.json()["sequence"], "the last one up to there"
    await home.deck.start_session(learner="ben", cast=["marta"], session="later")
    early = await reader.get("/sessions/later/state", params={"at": 1})
    problem(early, 404, "no-such-checkpoint")


async def test_state_and_cards_keep_the_keys_of_questions(home: House) -> None:
    practice = await home.deck.start_practice("pupil", seed="1", session="maths")
    state = await home.deck.session("maths").state()
    assert state.practice is not None
    key = state.practice.question
    assert key is not None
    reader = home.reader

    told = await got(reader, "/sessions/maths/state")
    cards = await got(reader, "/sessions/maths/timeline")

    text = json.dumps([told, cards])
    assert key.text in text
    assert key.explanation not in text
    served = [e for c in cards["items"] for e in c["events"] if e["kind"] == "question.served"]
    assert served
    assert "answer" not in served[0]["fields"]["question"]
    assert practice.id == "maths"


async def test_a_fork_begins_at_a_checkpoint_and_once_for_a_key(home: House) -> None:
    session = await home.deck.start_session(learner="ana", cast=["marta"], session="cafe")
    at = (await session.take_turn("one", to="marta")).sequence
    await session.take_turn("two", to="marta")
    operator = home.operator

    made = await operator.post(
        "/sessions/cafe/fork", json={"at": at}, headers={"idempotency-key": "k"}
    )
    again = await operator.post(
        "/sessions/cafe/fork", json={"at": at}, headers={"idempotency-key": "k"}
    )
    other = await operator.post("/sessions/cafe/fork")

    assert made.status_code == again.status_code == 201, made.text
    assert made.json() == again.json()
    assert made.json()["at"] == at
    state = await home.deck.session(made.json()["id"]).state()
    assert (state.parent, state.turns) == ("cafe", 1)
    assert (await home.deck.session(other.json()["id"]).state()).turns == 2
    problem(await home.reader.post("/sessions/cafe/fork"), 403)
    problem(await operator.post("/sessions/cafe/fork", json={"at": 0}), 422)


# --- NPCs and learners ----------------------------------------


async def test_an_npc_tells_whom_it_knows_and_how_standing_went(home: House) -> None:
    for learner, delta in (("ana", 0.3), ("ben", -0.4)):
        session = await home.deck.start_session(learner=learner, cast=["marta"])
        await session.take_turn("Hola", to="marta")
        await session.reputation("marta", delta, "manners")
        await session.reputation("marta", delta / 2, "again")
    await home.deck.npc("marta").describe("Marta", "runs the bar")
    reader = home.reader

    told = await until(lambda: got(reader, "/npcs/marta"), lambda one: len(one["relations"]) == 2)
    history = await got(reader, "/npcs/marta/reputation")

    assert (told["name"], told["role"]) == ("Marta", "runs the bar")
    by = {one["learner"]: one for one in told["relations"]}
    assert by["ana"]["standing"] == pytest.approx(0.45)
    assert (by["ana"]["band"], by["ben"]["band"]) == ("friendly", "cold")
    points = {one["learner"]: one["points"] for one in history["items"]}
    assert [point["standing"] for point in points["ana"]][-2:] == [
        pytest.approx(0.3), pytest.approx(0.45),
    ]  # fmt: skip
    assert points["ben"][-1]["standing"] == -0.5
    assert points["ana"][-1]["reason"] == "again"
    one = await got(reader, "/npcs/marta/reputation", learner="ana", limit=1)
    assert [len(line["points"]) for line in one["items"]] == [1]
    assert (await got(reader, "/npcs/marta/relations/ana"))["interactions"] == 2, (
        "a turn and its reply"
    )
    assert "marta" in [n["id"] for n in (await got(reader, "/npcs"))["items"]]
    assert (await got(reader, "/npcs", q="nobody"))["total"] == 0
    learners = await got(reader, "/learners")
    assert [one["id"] for one in learners["items"]] == ["ana", "ben"]
    assert learners["items"][0]["active"]


async def test_what_learning_left_behind_is_the_learners_own(home: House) -> None:
    session = await home.deck.start_session(learner="ana", cast=["marta"])
    await session.friction("register", 0.6)
    await session.friction("register", 0.2)
    ana, ben = home.learner("ana"), home.learner("ben")

    told = await until(
        lambda: got(ana, "/players/ana/frictions"),
        lambda one: one["totals"] and one["totals"][0]["count"] == 2,
    )

    assert told["totals"] == [{"type": "register", "count": 2, "severity": 0.4}]
    assert (await got(ana, "/players/ana/triggers"))["waiting"] == []
    for path in ("frictions", "triggers", "mastery"):
        problem(await ben.get(f"/players/ana/{path}"), 403)
        problem(await home.operator.get(f"/players/ana/{path}"), 403)


async def test_mastery_is_a_map_of_what_needs_what(home: House) -> None:
    practice = await home.deck.start_practice("pupil", seed="1")
    pupil = home.learner("pupil")

    told = await got(pupil, "/players/pupil/mastery")

    assert told["curriculum"] == "primary-maths"
    by = {skill["id"]: skill for skill in told["skills"]}
    assert all(need in by for skill in told["skills"] for need in skill["needs"])
    assert {skill["strand"] for skill in told["skills"]} == {one["id"] for one in told["strands"]}
    assert by["read-100"]["state"] == "open"
    assert by["hundreds"]["state"] == "locked"
    assert practice.id
    problem(
        await pupil.get("/players/pupil/mastery", params={"curriculum": "alchemy"}),
        404,
        "unknown-curriculum",
    )


# --- the fleet ----------------------------------------


async def test_the_fleet_is_told_with_its_components_and_alerts(home: House) -> None:
    pairs = [("a", "b"), ("b", "c"), ("a", "c"), ("c", "d"), ("a", "d"), ("b", "d")]
    for n, (one, two) in enumerate(pairs):
        session = await home.deck.start_session(
            learner=f"boss{n}", kind="agent",
            cast=[
                CastMember(npc=one, capabilities=("x",)),
                CastMember(npc=two, capabilities=("y",)),
            ],
        )  # fmt: skip
        for want in ("x", "y"):
            await session.route(await session.add_task(f"t-{n}-{want}", capabilities=[want]))
    reader = home.reader

    told = await until(lambda: got(reader, "/fleet"), lambda one: one["alerts"])
    largest = told["components"][0]

    assert (largest["vertices"], largest["edges"], largest["h1"]) == (4, 6, 3)
    assert (largest["threshold"], largest["margin"], largest["emergence"]) == (2, 1, True)
    assert (largest["rigid"], largest["redundant"]) == (True, 1)
    assert sorted(largest["over_braced"][0]) == ["a", "b", "c", "d"]
    assert "3 loops among 4 agents" in told["alerts"][0]["text"]
    assert len((await got(reader, "/fleet/graph"))["edges"]) == 6
    assert (await got(reader, "/fleet/agents"))["total"] >= 4
    assert "open" in await got(reader, "/fleet/advice")
    told = await until(lambda: got(reader, "/overview"), lambda one: one["alerts"])
    assert told["alerts"][0]["kind"] == "emergence"


# --- dead letters ----------------------------------------


async def buried(home: House, data: bytes, session: str = "cafe") -> dict[str, Any]:
    """Sends something nobody can read to a session, and says which letter it became."""
    operator = home.operator
    before = {one["sequence"] for one in (await got(operator, "/dead-letters"))["items"]}
    # Whoever listens: what nobody hears becomes no letter.
    await until(home.deck.status, lambda told: len(told["hosts"][0].get("partitions", ())) == 64)
    broker = await home.gateway.runtime()
    partition = partition_of(session, home.deck.partitions)
    broker.post(COMMAND.of(home.deck.ns, partition, "session", session), data)
    found = await until(
        lambda: got(operator, "/dead-letters"),
        lambda page: any(one["sequence"] not in before for one in page["items"]),
    )
    return next(one for one in found["items"] if one["sequence"] not in before)


async def test_a_letter_tells_what_it_is_and_can_be_thrown_away(home: House) -> None:
    operator = home.operator
    letter = await buried(home, b"\xc1 no message")

    assert (letter["stream"], letter["reason"]) == ("COMMANDS", "undecodable")
    assert letter["subject"].endswith(".session.cafe")
    assert letter["size"] == 12
    assert "no message" in letter["preview"]
    assert letter["at"].endswith("Z")
    assert letter["redeliverable"] is True
    assert (await operator.delete(f"/dead-letters/{letter['sequence']}")).status_code == 204
    assert (await got(operator, "/dead-letters"))["items"] == []
    problem(await operator.delete(f"/dead-letters/{letter['sequence']}"), 404, "unknown-letter")
    problem(await home.reader.get("/dead-letters"), 403)


async def test_a_command_that_is_sent_back_has_its_effect_once(home: House) -> None:
    """A letter of a command that can be read by now: as after an upgrade."""
    session = await home.deck.start_session(learner="ana", cast=["marta"], session="cafe")
    broker = await home.gateway.runtime()
    partition = partition_of("cafe", home.deck.partitions)
    subject = COMMAND.of(home.deck.ns, partition, "session", "cafe")
    command = {
        "id": new_id("cmd"),
        "body": {"kind": "take-turn", "turn": 1, "npc": "marta", "text": "Hola"},
    }
    sequence = await broker.log(home.layout.dead).append(
        f"{home.deck.ns}.dead.COMMANDS.undecodable",
        pack(command),
        headers={"Holodeck-Subject": subject, "Holodeck-Reason": "a newer one sent it"},
    )
    operator = home.operator

    answers = await asyncio.gather(
        *(operator.post(f"/dead-letters/{sequence}/redeliver") for _ in range(8))
    )

    done = [answer for answer in answers if answer.status_code == 200]
    assert [answer.json()["status"] for answer in done][:1] == ["ok"]
    assert {answer.status_code for answer in answers} <= {200, 404, 409}
    turns = [
        event
        async for step in session.replay()
        for event in step.events
        if event.kind == "turn.taken"
    ]
    assert len(turns) == 1
    assert (await got(operator, "/dead-letters"))["items"] == []
    problem(await operator.post(f"/dead-letters/{sequence}/redeliver"), 404, "unknown-letter")


async def test_what_still_cannot_be_read_comes_back_as_another_letter(home: House) -> None:
    operator = home.operator
    letter = await buried(home, b"\xc1 again")

    told = await operator.post(f"/dead-letters/{letter['sequence']}/redeliver")

    assert told.status_code == 200, told.text
    assert told.json()["status"] == "contract"
    left = await until(
        lambda: got(operator, "/dead-letters"),
        lambda page: [one["sequence"] for one in page["items"]] == [letter["sequence"] + 1],
    )
    assert left["total"] == 1


async def test_a_checkpoint_stays_where_it_is(home: House) -> None:
    broker = await home.gateway.runtime()
    grave = Graveyard(broker, home.layout, Metrics(), "CHECKPOINTS")
    await grave.bury(Record("holodeck.checkpoint.x", 7, b"{}", {}), "undecodable", "odd")
    operator = home.operator
    letter = (await got(operator, "/dead-letters"))["items"][0]

    assert letter["redeliverable"] is False
    assert (letter["origin"], letter["subject"]) == (7, "holodeck.checkpoint.x")
    told = await operator.post(f"/dead-letters/{letter['sequence']}/redeliver")
    problem(told, 409, "letter-stays")
    assert (await got(operator, "/dead-letters"))["total"] == 1


async def test_a_tile_of_a_sink_that_is_gone_stays(home: House) -> None:
    broker = await home.gateway.runtime()
    grave = Graveyard(broker, home.layout, Metrics(), "TILES-plato")
    await grave.bury(Record("holodeck.tile.turn.turn.x", 3, b"{}", {}), "refused", "no")
    operator = home.operator
    letter = (await got(operator, "/dead-letters"))["items"][0]

    assert letter["redeliverable"] is True
    told = await operator.post(f"/dead-letters/{letter['sequence']}/redeliver")
    problem(told, 409, "letter-stays")
    assert "plato" in told.json()["detail"]


async def test_a_tile_a_server_refused_goes_back_to_it_once_it_takes_it(home: House) -> None:
    unwanted: dict[str, Any] = {"refuse": True}

    def answer(tile: dict[str, Any]) -> Any:
        turn = tile["question"].startswith("[TURN]")
        return refused("not today") if turn and unwanted["refuse"] else TAKEN

    async with Plato(answer) as plato:
        await home.local.tiles.stop()
        home.local.tiles = TilesService(
            home.local.runtime_connection,
            home.layout,
            sinks=(("plato", lambda: PlatoSink(plato.url)),),
        )
        await home.local.tiles.start()
        session = await home.deck.start_session(learner="ana", cast=["marta"], session="cafe")
        await session.take_turn("Hola", to="marta")
        operator = home.operator
        page = await until(
            lambda: got(operator, "/dead-letters"), lambda one: one["total"] == 1, 20
        )
        letter = page["items"][0]
        assert (letter["stream"], letter["reason"]) == ("TILES-plato", "refused")
        address = f"/dead-letters/{letter['sequence']}/redeliver"

        stays = problem(await operator.post(address), 409, "letter-stays")
        assert "not today" in stays["detail"]
        assert (await got(operator, "/dead-letters"))["total"] == 1
        unwanted["refuse"] = False
        taken = await operator.post(address)

        assert taken.status_code == 200, taken.text
        assert taken.json()["status"] == "ok"
        assert (await got(operator, "/dead-letters"))["total"] == 0
        turns = [one for one in plato.seen if one.tile["question"].startswith("[TURN]")]
        assert [one.taken for one in turns] == [False, False, True]
        problem(await operator.post(address), 404, "unknown-letter")


async def test_a_server_that_is_down_keeps_the_letter(home: House) -> None:
    await home.local.tiles.stop()
    home.local.tiles = TilesService(
        home.local.runtime_connection,
        home.layout,
        sinks=(("plato", lambda: PlatoSink("http://127.0.0.1:1")),),
    )
    await home.local.tiles.start()
    await home.deck.start_session(learner="ana", cast=["marta"])
    broker = await home.gateway.runtime()
    stored = await until(
        lambda: broker.log(home.layout.tiles).get(1), lambda record: record is not None
    )
    grave = Graveyard(broker, home.layout, Metrics(), "TILES-plato")
    await grave.bury(stored, "refused", "no")
    operator = home.operator

    told = await operator.post("/dead-letters/1/redeliver")

    problem(told, 503)
    assert (await got(operator, "/dead-letters"))["total"] == 1


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (pack({"kind": "x"}), "kind"),
        (b"plain words", "plain words"),
        (bytes(range(64)), "00 01 02"),
        (b"", ""),
    ],
    ids=["msgpack", "text", "bytes", "nothing"],
)
def test_a_preview_shows_something_readable(data: bytes, words: str) -> None:
    record = Record("holodeck.dead.TILES-plato.refused", 1, data, {})
    told = letter_of(record)
    assert words in told["preview"]
    assert (told["stream"], told["reason"], told["at"]) == ("TILES-plato", "refused", None)


# --- operators, words, pages ----------------------------------------


async def test_a_host_is_drained_and_takes_again() -> None:
    async with house(hosts=2) as home:
        operator = home.operator

        async def held() -> dict[str, int]:
            told = await got(operator, "/hosts")
            return {one["host"]: len(one["partitions"]) for one in told["items"]}

        await until(held, lambda one: one == {"host-0": 32, "host-1": 32}, 20)
        assert (await operator.post("/hosts/host-1/drain")).status_code == 204
        await until(held, lambda one: one == {"host-0": 64, "host-1": 0}, 20)
        assert (await operator.post("/hosts/host-1/undrain")).status_code == 204
        await until(held, lambda one: one == {"host-0": 32, "host-1": 32}, 20)
        problem(await operator.post("/hosts/nowhere/drain"), 404, "unknown-host")
        problem(await home.reader.post("/hosts/host-1/drain"), 403)


async def test_projections_are_told_and_a_strange_one_is_refused(home: House) -> None:
    assert (await got(home.reader, "/projections"))["items"] == []
    told = await home.operator.post("/projections/redis/rebuild")
    assert told.status_code == 404


async def test_a_learner_watches_its_own_session_and_nobody_elses(home: House) -> None:
    await home.deck.start_session(learner="ana", cast=["marta"], session="cafe")
    ana, ben = home.learner("ana"), home.learner("ben")

    assert (await got(ana, "/sessions/cafe/timeline"))["items"]
    problem(await ben.get("/sessions/cafe/timeline"), 403)
    problem(await ben.get("/sessions/cafe/state"), 403)
    for path in ("/overview", "/sessions", "/hosts", "/npcs", "/learners", "/fleet"):
        problem(await ana.get(path), 403)
        problem(await home.client().get(path), 401)
    assert home.token(Role.READER)


def test_every_event_kind_is_told_in_words_even_by_an_older_writer() -> None:
    from holodeck.actors.tiles import EVENTS

    for kind in EVENTS:
        title, text, tone = said(kind, {"kind": kind})
        assert title
        assert isinstance(text, str)
        assert tone in ("neutral", "good", "bad", "alert")


@pytest.mark.parametrize(
    ("count", "words"), [(0.5, "0.5 s"), (59.6, "60 s"), (61, "1 min 01 s"), (3700, "1 h 01 min")]
)
def test_durations_are_for_people(count: float, words: str) -> None:
    assert seconds(count) == words


async def test_every_page_of_the_dashboard_is_served_with_its_policy() -> None:
    from holodeck.entrypoints.gateway.site import site

    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=site()), base_url="http://127.0.0.1"
    ) as client:
        for path in files():
            response = await client.get(path)
            assert response.status_code == 200
            assert response.headers["content-security-policy"] == POLICY
            assert response.headers["x-content-type-options"] == "nosniff"
            tag = response.headers["etag"]
            again = await client.get(path, headers={"if-none-match": tag})
            assert again.status_code == 304
        for path in ("/nothing", "/assets/../__init__.py", "/__init__.py", "/assets/"):
            assert (await client.get(path)).status_code == 404


def test_no_page_reaches_beyond_itself() -> None:
    for path, file in files().items():
        text = file.read_text()
        for word in (
            "https://",
            "//cdn",
            "innerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
        ):
            assert word not in text, (path, word)
        if path.endswith(".html") or path == "/":
            assert "<style" not in text
            assert "onclick" not in text
            assert text.count("<script") == text.count('<script type="module" src=')
