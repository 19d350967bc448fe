"""Sessions and progress in a real redis-server, from a journal in a real nats-server."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import holodeck
from holodeck.actors.folds import HEADER_SEQUENCE
from holodeck.actors.host import archived
from holodeck.actors.projections import Bookmark, Overtaken, Step
from holodeck.actors.projections.port import START
from holodeck.actors.projections.redis_store import RedisProjection
from holodeck.broker import NatsBroker
from holodeck.config import load_settings
from holodeck.deck import Deck
from holodeck.messages.control import SpawnSession
from holodeck.messages.errors import RefusedError, Unavailable
from holodeck.messages.ids import new_id, partition_of
from holodeck.messages.player import (
    Interact,
    LearnerErased,
    MarkerType,
    ProgressMarker,
    SessionErased,
    SessionInteracted,
    SessionMarked,
)
from holodeck.messages.session import MindKind, SessionPaused, StartSession
from tests.player_experience.journal import (
    LAYOUT,
    PARTITIONS,
    Dial,
    Projecting,
    Scribe,
    caught_up,
    ended,
    now,
    started,
    step,
    turn,
    until,
)
from tests.player_experience.stores import RedisServer

pytestmark = [pytest.mark.integration, pytest.mark.redis, pytest.mark.nats]


@pytest.fixture
async def redis(tmp_path: Path) -> AsyncIterator[RedisServer]:
    server = RedisServer(tmp_path / "redis")
    await server.start()
    yield server
    await server.stop()


async def data_of(redis: RedisServer, session: str) -> dict[str, Any]:
    text = await redis.client.get(f"tta:session:{session}")
    assert text is not None, f"no session {session}"
    found: dict[str, Any] = json.loads(text)["session_data"]
    return found


# --- what lies there ----------------------------------------


async def test_a_session_lies_below_its_key_for_an_hour(
    redis: RedisServer, dial: Dial, scribe: Scribe
) -> None:
    async with Projecting(dial, partial(RedisProjection, redis.url)) as service:
        last = await scribe.session("session_x", started())
        await caught_up(service, last)
        assert 3590 < await redis.client.ttl("tta:session:session_x") <= 3600
        saved = json.loads(str(await redis.client.get("tta:session:session_x")))
        assert set(saved) == {"session_data", "saved_at", "version"}
        assert saved["version"] == "enhanced_v1"
        assert saved["session_data"]["status"] == "active"
        assert saved["session_data"]["created_at"].endswith("Z")


async def test_reads_do_not_renew_the_expiry_and_writes_do(
    redis: RedisServer, dial: Dial, scribe: Scribe
) -> None:
    async with Projecting(dial, partial(RedisProjection, redis.url)) as service:
        await caught_up(service, await scribe.session("s1", started()))
        await redis.client.expire("tta:session:s1", 100)
        await redis.client.get("tta:session:s1")
        assert await redis.client.ttl("tta:session:s1") <= 100
        await caught_up(service, await scribe.session("s1", turn(1)))
        assert await redis.client.ttl("tta:session:s1") > 3590


async def test_expiry_counts_from_the_checkpoint_however_late_it_comes(
    redis: RedisServer, dial: Dial, scribe: Scribe
) -> None:
    at = now()
    await scribe.session("gone", started(), at=at - 2 * 3_600_000)
    last = await scribe.session("late", started("bo"), learner="bo", at=at - 1_800_000)
    async with Projecting(dial, partial(RedisProjection, redis.url)) as service:
        await caught_up(service, last)
        assert await redis.client.get("tta:session:gone") is None
        assert 1780 < await redis.client.ttl("tta:session:late") <= 1800
        # Where a player was last does not go by itself.
        assert await redis.client.hget("player:ana:progress", "current_session") == "gone"
        assert await redis.client.ttl("player:ana:progress") == -1


async def test_progress_is_a_hash_with_the_current_scene(
    redis: RedisServer, dial: Dial, scribe: Scribe
) -> None:
    async with Projecting(dial, partial(RedisProjection, redis.url)) as service:
        await scribe.session("s1", started(character="hero", world="garden"))
        last = await scribe.session("s1", SessionInteracted(number=1, scene="cave"))
        await caught_up(service, last)
        progress = await redis.client.hgetall("player:ana:progress")
        assert progress["current_scene"] == "cave"
        assert (progress["current_session"], progress["current_world"]) == ("s1", "garden")
        assert (progress["current_character"], progress["status"]) == ("hero", "active")


async def test_the_end_of_an_earlier_session_is_not_where_a_player_is(
    redis: RedisServer, dial: Dial, scribe: Scribe
) -> None:
    async def told() -> tuple[str, str]:
        found = await redis.client.hgetall("player:ana:progress")
        return str(found["current_session"]), str(found["status"])

    async with Projecting(dial, partial(RedisProjection, redis.url)) as service:
        await scribe.session("s1", started())
        await scribe.session("s1", SessionPaused())
        await caught_up(service, await scribe.session("s2", started()))
        last = await scribe.session("s1", ended())
        await caught_up(service, last)
        assert await told() == ("s2", "active")
        last = await scribe.session("s2", ended())
        await caught_up(service, last)
        live = await redis.content()
        assert await told() == ("s2", "completed")
        service.rebuild("redis", "cmd-1")
        await until(lambda: service.runners["redis"].rebuilds == 2)
        await caught_up(service, last)
        assert await redis.content() == live
        assert service.rebuild("redis", "cmd-1")  # the order sent again has its effect once
        row = (await service.status())[0]
        assert (row["rebuilds"], row["state"]) == (2, "live")


async def test_prefixes_and_expiry_are_as_configured(
    redis: RedisServer, dial: Dial, scribe: Scribe
) -> None:
    make = partial(
        RedisProjection, redis.url, session_prefix="app:s:", player_prefix="app:p:", ttl_s=60
    )
    async with Projecting(dial, make) as service:
        await caught_up(service, await scribe.session("s1", started()))
        assert 50 < await redis.client.ttl("app:s:s1") <= 60
        assert await redis.client.exists("app:p:ana:progress")
        assert not await redis.client.exists("tta:session:s1")


async def test_who_may_enter_is_asked_for(tmp_path: Path, dial: Dial, scribe: Scribe) -> None:
    guarded = RedisServer(tmp_path / "guarded", password="sesame")
    await guarded.start()
    try:
        last = await scribe.session("s1", started())
        async with Projecting(dial, partial(RedisProjection, guarded.url)) as service:
            runner = service.runners["redis"]
            await until(lambda: runner.state == "waiting")
            assert "authenticat" in runner.error
        allowed = partial(RedisProjection, guarded.url, password="sesame")
        async with Projecting(dial, allowed) as service:
            await caught_up(service, last)
            assert "sesame" not in str(await service.status())
    finally:
        await guarded.stop()


async def test_a_completed_session_keeps_its_last_value_until_it_goes(
    redis: RedisServer, dial: Dial, scribe: Scribe
) -> None:
    async with Projecting(dial, partial(RedisProjection, redis.url)) as service:
        await scribe.session("s1", started())
        marker = ProgressMarker(marker_id="m1", marker_type=MarkerType.BREAKTHROUGH)
        await scribe.session("s1", SessionMarked(marker=marker))
        await caught_up(service, await scribe.session("s1", ended()))
        data = await data_of(redis, "s1")
        assert (data["status"], data["end_reason"]) == ("completed", "learner-ended")
        assert [one["marker_id"] for one in data["progress_markers"]] == ["m1"]
        assert await redis.client.ttl("tta:session:s1") > 3590


async def test_two_writers_of_different_variables_lose_nothing(
    redis: RedisServer, dial: Dial, scribe: Scribe
) -> None:
    async with Projecting(dial, partial(RedisProjection, redis.url)) as service:
        await scribe.session("s1", started())
        await scribe.session("s1", SessionInteracted(number=1, variables='{"a":1}'))
        last = await scribe.session("s1", SessionInteracted(number=2, variables='{"b":2}'))
        await caught_up(service, last)
        assert (await data_of(redis, "s1"))["session_variables"] == {"a": 1, "b": 2}


@pytest.mark.parametrize("broken", ["{not json", "", "[]"])
async def test_a_corrupt_value_is_replaced_by_the_next_write(
    redis: RedisServer, dial: Dial, scribe: Scribe, broken: str
) -> None:
    async with Projecting(dial, partial(RedisProjection, redis.url)) as service:
        await scribe.session("s1", started())
        await caught_up(service, await scribe.session("s1", turn(1)))
        await redis.client.set("tta:session:s1", broken)
        await redis.client.delete("player:ana:progress")
        await redis.client.rpush("player:ana:progress", "no hash")
        await caught_up(service, await scribe.session("s1", turn(2)))
        assert (await data_of(redis, "s1"))["interaction_count"] == 2
        assert await redis.client.hget("player:ana:progress", "interaction_count") == "2"


async def test_a_session_that_went_by_itself_comes_back_whole(
    redis: RedisServer, dial: Dial, scribe: Scribe
) -> None:
    async with Projecting(dial, partial(RedisProjection, redis.url)) as service:
        marker = ProgressMarker(marker_id="m1", marker_type=MarkerType.INSIGHT)
        await caught_up(service, await scribe.session("s1", started()))
        await caught_up(service, await scribe.session("s1", SessionMarked(marker=marker)))
        await redis.client.delete("tta:session:s1")
        await caught_up(service, await scribe.session("s1", SessionPaused()))
        data = await data_of(redis, "s1")
        assert (data["status"], len(data["progress_markers"])) == ("paused", 1)


# --- death and rebirth ----------------------------------------


async def course(scribe: Scribe, sessions: int, begin: int = 0) -> int:
    """Sessions of several players, some of which pause and end; the last sequence."""
    last = 0
    for n in range(begin, begin + sessions):
        learner = f"p{n % 5}"
        await scribe.session(f"s{n}", started(learner, world=f"w{n % 3}"), learner=learner)
        for k in range(1, 4):
            told = SessionInteracted(
                number=k, variables=json.dumps({f"v{k}": k}), scene=f"scene{n}-{k}"
            )
            last = await scribe.session(f"s{n}", told, learner=learner)
        if n % 3 == 0:
            last = await scribe.session(f"s{n}", SessionPaused(), learner=learner)
        elif n % 3 == 1:
            last = await scribe.session(f"s{n}", ended(), learner=learner)
    return last


async def test_a_store_that_dies_and_comes_back_is_filled_up(
    redis: RedisServer, dial: Dial, scribe: Scribe
) -> None:
    async with Projecting(dial, partial(RedisProjection, redis.url)) as service:
        await caught_up(service, await course(scribe, 10))
        await redis.kill()
        last = await course(scribe, 10, 10)  # nobody who writes notices
        runner = service.runners["redis"]
        await until(lambda: runner.state == "waiting")
        status = await runner.status()
        assert status["lag"] > 0
        assert status["error"]
        await redis.start()
        await caught_up(service, last)
        live = await redis.content()
        assert len([key for key in live if key.startswith("tta:session:")]) == 20
        service.rebuild("redis")
        await until(lambda: runner.rebuilds == 2)
        await caught_up(service, last)
        assert await redis.content() == live


async def test_a_service_that_is_restarted_loses_and_doubles_nothing(
    redis: RedisServer, dial: Dial, scribe: Scribe
) -> None:
    make = partial(RedisProjection, redis.url)
    last = 0
    for n in range(4):
        async with Projecting(dial, make) as service:
            last = await course(scribe, 3, 3 * n)
            if n == 3:
                await caught_up(service, last)
    async with Projecting(dial, make) as service:
        await caught_up(service, last)
        for n in range(12):
            data = await data_of(redis, f"s{n}")
            assert data["interaction_count"] == 3
            assert data["session_variables"] == {"v1": 1, "v2": 2, "v3": 3}
        live = await redis.content()
        assert service.runners["redis"].rebuilds == 0
        service.rebuild("redis")
        await until(lambda: service.runners["redis"].rebuilds == 1)
        await caught_up(service, last)
        assert await redis.content() == live


async def test_a_store_that_came_back_with_old_data_goes_on_from_there(
    redis: RedisServer, dial: Dial, scribe: Scribe
) -> None:
    make = partial(RedisProjection, redis.url)
    async with Projecting(dial, make) as service:
        await caught_up(service, await course(scribe, 6))
        place = await redis.client.get("holodeck:projection:redis:place")
        last = await course(scribe, 6, 6)
        await caught_up(service, last)
        whole = await redis.content()
    assert place is not None
    await redis.client.set("holodeck:projection:redis:place", place)
    await redis.client.delete(*[f"tta:session:s{n}" for n in range(6, 12)])
    async with Projecting(dial, make) as service:
        await caught_up(service, last)
        assert service.runners["redis"].rebuilds == 0
        assert await redis.content() == whole


async def test_a_rebuild_leaves_what_is_not_its_own(
    redis: RedisServer, dial: Dial, scribe: Scribe
) -> None:
    async with Projecting(dial, partial(RedisProjection, redis.url)) as service:
        last = await course(scribe, 3)
        await caught_up(service, last)
        await redis.client.set("tta:session:foreign", "theirs")
        await redis.client.hset("player:foreign:progress", "current_scene", "theirs")
        await redis.client.set("other", "theirs")
        await redis.client.hset("player:p0:progress", "current_scene", "tampered with")
        service.rebuild("redis")
        await until(lambda: service.runners["redis"].rebuilds == 2)
        await caught_up(service, last)
        assert await redis.client.get("tta:session:foreign") == "theirs"
        assert await redis.client.hget("player:foreign:progress", "current_scene") == "theirs"
        assert await redis.client.get("other") == "theirs"
        assert await redis.client.hget("player:p0:progress", "current_scene") == "scene0-3"


async def test_sessions_that_were_archived_are_rebuilt_from_the_archive(
    redis: RedisServer, dial: Dial, scribe: Scribe
) -> None:
    last = await course(scribe, 6)
    async with Projecting(dial, partial(RedisProjection, redis.url)) as service:
        await caught_up(service, last)
        live = await redis.content()
        for n in (1, 4):
            partition = partition_of(f"s{n}", PARTITIONS)
            subjects = f"{LAYOUT.ns}.checkpoint.session.{partition}.s{n}.>"
            records = [record async for record in scribe.journal.read(subjects)]
            await scribe.broker.bucket(LAYOUT.archive).put(
                f"log.{partition}.s{n}",
                archived(records, b""),
                headers={HEADER_SEQUENCE: str(records[-1].sequence)},
            )
            for record in records:
                await scribe.journal.delete(record.sequence, overwrite=False)
        service.rebuild("redis")
        await until(lambda: service.runners["redis"].rebuilds == 2)
        await until(lambda: service.runners["redis"].position >= last)
        assert await redis.content() == live


async def test_of_two_services_one_writes_and_nothing_is_doubled(
    redis: RedisServer, dial: Dial, scribe: Scribe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holodeck.actors.projections.runner._STAND_BY_S", (0.2, 0.4))
    make = partial(RedisProjection, redis.url)
    async with Projecting(dial, make) as first:
        await caught_up(first, await course(scribe, 2))
        async with Projecting(dial, make) as second:
            last = await course(scribe, 8, 2)
            runners = [first.runners["redis"], second.runners["redis"]]
            await until(lambda: max(runner.position for runner in runners) >= last, 20)
        last = await course(scribe, 1, 10)
        await until(lambda: first.runners["redis"].position >= last, 20)
    for n in range(11):
        assert (await data_of(redis, f"s{n}"))["interaction_count"] == 3


async def test_a_store_filled_from_another_journal_is_filled_anew(
    redis: RedisServer, dial: Dial, scribe: Scribe
) -> None:
    make = partial(RedisProjection, redis.url)
    async with Projecting(dial, make) as service:
        await caught_up(service, await course(scribe, 3))
    await scribe.journal.purge()
    place = json.loads(str(await redis.client.get("holodeck:projection:redis:place")))
    last = 0
    while last < place["sequence"] + 3:
        last = await scribe.session(f"n{last}", started("zoe"), learner="zoe")
    await redis.client.set(
        "holodeck:projection:redis:place", json.dumps(place | {"sequence": last - 1})
    )
    async with Projecting(dial, make) as service:
        await caught_up(service, last)
        assert service.runners["redis"].rebuilds == 1
        assert not await redis.client.exists("tta:session:s0")
        assert not await redis.client.exists("player:p0:progress")
        assert await redis.client.exists("player:zoe:progress")


async def test_a_batch_whose_answer_was_lost_is_taken_once(redis: RedisServer) -> None:
    class Nothing:
        async def of(self, session: str, before: int) -> list[Step]:
            return []

    projection = RedisProjection(redis.url)
    assert await projection.open(Nothing()) is None
    await projection.reset()
    begun = step(1, "s1", started(), at=now(), learner="ana")
    await projection.apply([begun], Bookmark(1))
    projection._place = START.dump()  # as it was before the answer was lost
    await projection.apply([begun], Bookmark(1))
    projection._place = START.dump()
    with pytest.raises(Overtaken):
        await projection.apply([begun], Bookmark(2))
    assert (await data_of(redis, "s1"))["sequence"] == 1
    await projection.close()


# --- erasure ----------------------------------------


async def test_what_is_erased_leaves_the_store(
    redis: RedisServer, dial: Dial, scribe: Scribe
) -> None:
    async with Projecting(dial, partial(RedisProjection, redis.url)) as service:
        await scribe.session("s1", started("MARKER"), learner="MARKER")
        await scribe.session("s2", started("MARKER"), learner="MARKER")
        await scribe.session("s3", started("bo"), learner="bo")
        await caught_up(service, await scribe.write("session", "s1", SessionErased()))
        assert not await redis.client.exists("tta:session:s1")
        assert await redis.client.exists("tta:session:s2")
        await caught_up(service, await scribe.player("MARKER", LearnerErased()))
        found = await redis.content(places=True)
        assert "MARKER" not in str(found)
        assert "tta:session:s3" in found


async def test_what_was_erased_does_not_come_back_with_a_rebuild(
    redis: RedisServer, dial: Dial, scribe: Scribe
) -> None:
    await scribe.session("s1", started("MARKER"), learner="MARKER")
    last = await scribe.player("MARKER", LearnerErased())
    async with Projecting(dial, partial(RedisProjection, redis.url)) as service:
        await caught_up(service, last)
        assert "MARKER" not in str(await redis.content(places=True))


# --- the consumer ----------------------------------------


async def test_the_broker_keeps_the_consumer_when_its_reader_is_gone(
    redis: RedisServer, dial: Dial, scribe: Scribe
) -> None:
    broker = scribe.broker
    assert isinstance(broker, NatsBroker)
    async with Projecting(dial, partial(RedisProjection, redis.url)) as service:
        await caught_up(service, await course(scribe, 1))
    last = await course(scribe, 3, 1)
    info = await broker._api("CONSUMER.INFO.CHECKPOINTS.projection-redis")
    assert info["config"]["durable_name"] == "projection-redis"
    assert info["num_pending"] + info["num_ack_pending"] > 0
    async with Projecting(dial, partial(RedisProjection, redis.url)) as service:
        await caught_up(service, last)


# --- in a whole runtime ----------------------------------------


async def begin(deck: Deck, session: str, learner: str = "ana", **told: Any) -> None:
    start = StartSession(learner=learner, mind=MindKind.SCRIPTED, **told)
    await deck.order("start", SpawnSession(id=new_id("cmd"), session=session, start=start))


async def end_of(deck: Deck) -> int:
    newest = await deck.broker.log(deck.layout.checkpoints).last(f"{deck.ns}.checkpoint.>")
    return newest.sequence if newest is not None else 0


async def test_a_runtime_projects_what_its_sessions_do(redis: RedisServer, tmp_path: Path) -> None:
    settings = load_settings(redis_url=redis.url, partitions=4)
    async with holodeck.local(tmp_path / "state", settings=settings) as deck:
        await begin(deck, "s1", world="world_mindfulness_garden")
        told = Interact(scene="cave", variables='{"mood":"calm"}')
        await deck.session("s1").command(told)
        await deck.projected(await end_of(deck), seconds=10)
        data = await data_of(redis, "s1")
        assert (data["current_scene_id"], data["session_variables"]) == ("cave", {"mood": "calm"})
        await deck.session("s1").command(Interact(variables='{"mood":"energized"}'))
        await deck.session("s1").pause()
        await deck.projected(await end_of(deck), "redis", seconds=10)
        data = await data_of(redis, "s1")
        assert (data["status"], data["session_variables"]) == ("paused", {"mood": "energized"})
        [row] = await deck.projections()
        assert (row["projection"], row["state"], row["lag"]) == ("redis", "live", 0)
        figures = await deck.metrics()
        assert b"holodeck_projection_applied_total" in figures["projections"]


async def test_a_dead_store_delays_its_projection_and_nothing_else(
    redis: RedisServer, tmp_path: Path
) -> None:
    await redis.kill()
    settings = load_settings(redis_url=redis.url, partitions=4)
    async with holodeck.local(tmp_path / "state", settings=settings) as deck:
        await begin(deck, "s1")
        step = await deck.session("s1").take_turn("Hola", to="marta")
        assert step.sequence
        await deck.session("s1").end()
        with pytest.raises(Unavailable):
            await deck.projected(await end_of(deck), seconds=0.3)
        [row] = await deck.projections()
        assert row["state"] == "waiting"
        await redis.start()
        await deck.projected(await end_of(deck), seconds=15)
        assert (await data_of(redis, "s1"))["status"] == "completed"


async def test_orders_to_projections_that_are_not_there_are_refused(
    redis: RedisServer, tmp_path: Path
) -> None:
    async with holodeck.local(broker="memory", settings=load_settings(partitions=4)) as deck:
        assert await deck.projections() == []
        with pytest.raises(RefusedError, match="no-projections"):
            await deck.rebuild_projection("redis")
        with pytest.raises(RefusedError, match="no-projections"):
            await deck.projected(1, seconds=1)
    settings = load_settings(redis_url=redis.url, partitions=4)
    async with holodeck.local(broker="memory", settings=settings) as deck:
        with pytest.raises(RefusedError, match="unknown-projection"):
            await deck.rebuild_projection("nothing")
        with pytest.raises(RefusedError, match="unknown-projection"):
            await deck.projected(0, "nothing", seconds=1)
        await begin(deck, "s1")
        await deck.rebuild_projection("redis")
        await deck.projected(await end_of(deck), "redis", seconds=10)
        assert (await data_of(redis, "s1"))["status"] == "active"


async def test_who_erases_a_learner_is_told_when_the_stores_have_it(
    redis: RedisServer, tmp_path: Path
) -> None:
    marker = "Zubenelgenubi"
    settings = load_settings(
        redis_url=redis.url,
        graph="embedded",
        graph_path=tmp_path / "graph" / "g.lbug",
        partitions=4,
    )
    runtime = holodeck.local(tmp_path / "state", settings=settings)
    async with runtime as deck:
        for session in ("one", "two"):
            await begin(deck, session, marker, persona="lisbon-tiles")
            scene = Interact(scene=f"with {marker}", variables=json.dumps({"name": marker}))
            await deck.session(session).command(scene)
            npc = next(iter((await deck.session(session).state()).talk.standings))  # type: ignore[union-attr]
            await deck.session(session).take_turn("Olá", to=npc)
            await deck.session(session).end()
        await begin(deck, "other", "bo", persona="lisbon-tiles")
        await deck.projected(await end_of(deck), seconds=15)
        assert marker in str(await redis.content())
        receipt = await deck.erase(marker, wait_s=60)
        assert receipt.complete
        assert receipt.projections == {"redis": "erased", "graph": "erased"}
        found = await redis.content(places=True)
        assert marker not in str(found)
        assert "tta:session:other" in found
        files = [p for p in (tmp_path / "graph").rglob("*") if marker.encode() in p.read_bytes()]
        assert files == []
        for name in ("redis", "graph"):
            await deck.rebuild_projection(name)
        await deck.projected(await end_of(deck), seconds=15)
        assert marker not in str(await redis.content(places=True))
        files = [p for p in (tmp_path / "graph").rglob("*") if marker.encode() in p.read_bytes()]
        assert files == []
