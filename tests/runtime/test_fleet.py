"""The fleet on a real server: routing under load, alerts, and what a death leaves of both."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from holodeck.actors import host as host_module
from holodeck.actors.folds import cell_key
from holodeck.actors.host import Host
from holodeck.deck import Deck
from holodeck.messages.errors import RefusedError
from holodeck.messages.fleet import FLEET
from holodeck.messages.ids import partition_of
from holodeck.messages.session import EndReason, Outcome, SessionEnded, TaskCompleted
from holodeck.session import Session
from tests.runtime.checks import everything_is_exact, journal, of_session
from tests.runtime.stage import Stage, crash, until

pytestmark = [pytest.mark.nats, pytest.mark.integration]


async def agents(deck: Deck, count: int, max_load: int = 0) -> list[str]:
    names = [f"agent-{n:02d}" for n in range(count)]
    register = deck.fleet.register
    await asyncio.gather(*(register(name, ["work"], max_load=max_load) for name in names))
    return names


async def agent_session(deck: Deck, name: str, **more: object) -> Session:
    return await deck.start_session(learner="boss", session=name, kind="agent", **more)  # type: ignore[arg-type]


async def loads(deck: Deck, after: int = 0) -> dict[str, int]:
    rows = await deck.fleet.agents(after=after)
    return {row["agent"]: row["load"] for row in rows if row["load"]}


async def test_a_thousand_routings_at_once_spread_evenly_over_equal_agents(stage: Stage) -> None:
    # given fifty equal agents and fifty sessions with twenty tasks each
    deck = await stage.begun(2)
    await agents(deck, 50)
    sessions = [await agent_session(deck, f"s{n}") for n in range(50)]
    tasks = [(session, f"t{n}") for session in sessions for n in range(20)]
    await asyncio.gather(*(s.add_task(t, capabilities=["work"]) for s, t in tasks))

    # when all are routed at once
    routed = await asyncio.gather(*(session.route(task) for session, task in tasks))

    # then nobody has more than two above anybody else
    assert all(event is not None and not event.fallback for event in routed)
    spread = Counter(event.npc for event in routed if event is not None)
    assert len(spread) == 50
    assert max(spread.values()) - min(spread.values()) <= 2
    assert await loads(deck, await deck.broker.log(deck.layout.checkpoints).end()) == spread
    await asyncio.gather(*(session.end() for session in sessions))
    await everything_is_exact(stage, deck)
    assert await loads(deck) == {}


async def test_every_task_and_the_session_time_out_once_although_the_host_dies(
    stage: Stage,
) -> None:
    # given a session with 200 tasks at work, a third of them with less time than the session
    deck = await stage.begun(2)
    names = await agents(deck, 5)
    session = await agent_session(deck, "busy", max_tasks=200, session_timeout_s=6.0)
    for n in range(200):
        await session.add_task(
            f"t{n}", capabilities=["work"], timeout_s=3.0 + n / 100 if n % 3 == 0 else 0.0
        )
    await asyncio.gather(*(session.route(f"t{n}", start=True) for n in range(200)))
    assert sum((await loads(deck)).values()) == 200

    # when the host that has it is killed
    table = await stage.table()
    owner = table.owners[partition_of("busy", stage.partitions)]
    holder = next(h for h in (await stage.holders()).values() if h.incarnation == owner)
    stage.process(holder.host).kill()

    # then everything ends by itself, each once, and nobody has anything left to do
    async def over() -> bool:
        return (await session.state()).end_reason is EndReason.TIME_LIMIT

    await until(over, 30.0, 0.1)
    rows = await everything_is_exact(stage, deck)
    told = [
        event
        for row in of_session(rows, "busy")
        if row.checkpoint
        for event in row.checkpoint.events
    ]
    ends = Counter(e.task for e in told if isinstance(e, TaskCompleted))
    assert ends == {f"t{n}": 1 for n in range(200)}
    assert all(e.outcome is Outcome.TIMEOUT for e in told if isinstance(e, TaskCompleted))
    (end,) = [e for e in told if isinstance(e, SessionEnded)]
    assert end.tasks is not None
    assert (end.tasks.total, end.tasks.timed_out) == (200, 200)
    tiles = [tile async for tile in session.tiles()]
    assert sum(tile.question.startswith("[TASK_END]") for tile in tiles) == 200
    assert sum(tile.question.startswith("[SESSION_END]") for tile in tiles) == 1
    assert await loads(deck) == {}
    rows_of = await deck.fleet.agents()
    assert sum(row["done"] for row in rows_of if row["agent"] in names) == 200


async def emerge(deck: Deck, session: Session) -> None:
    """Four agents in one session: the sixth link crosses V - 2."""
    for n in range(4):
        await session.add_task(f"e{n}", capabilities=["work"])
        await session.route(f"e{n}")


async def test_an_alert_is_stored_once_in_the_session_whose_link_crossed(stage: Stage) -> None:
    deck = await stage.begun_here(1)
    await agents(deck, 4)
    session = await agent_session(deck, "dense")

    await emerge(deck, session)

    async def told() -> bool:
        return bool((await deck.fleet.status())["alerts"] == 1)

    await until(told, 10.0)
    state = await session.state()
    assert len(state.crossed) == 1
    await session.end()
    rows = await everything_is_exact(stage, deck)
    alerts = [row for row in rows if "emergence.detected" in row.kinds()]
    assert [row.place.kind for row in alerts] == ["session"]
    tiles = [tile async for tile in session.tiles()]
    (alert,) = [tile for tile in tiles if tile.question.startswith("[EMERGENCE ALERT]")]
    assert alert.answer["members"] == [f"agent-{n:02d}" for n in range(4)]
    assert (alert.answer["h1"], alert.answer["threshold"]) == (3, 2.0)
    end = tiles[-1].answer
    assert end["h1_delta"]["own_change"] == 3
    assert (end["h1_delta"]["start"], end["h1_delta"]["end"]) == (0, 3)
    assert "emergence_crossed" in end["patterns"]
    host = stage.keepers[0].host
    assert host is not None
    assert host.metrics.registry.get_sample_value("holodeck_emergence_alerts_total") == 1


async def test_the_fleet_records_an_alert_itself_where_the_session_has_ended(
    stage: Stage,
) -> None:
    deck = await stage.begun_here(1)
    await agents(deck, 4)
    session = await agent_session(deck, "dense")
    for n in range(4):
        await session.add_task(f"e{n}", capabilities=["work"])
    for n in range(3):
        await session.route(f"e{n}")
    host = stage.keepers[0].host
    assert host is not None
    assert host.fleet is not None
    # Nobody is told for now: as if the fleet's host had died between the two.
    host.fleet._paying = True
    await session.route("e3")
    await session.end()

    host.fleet._paying = False

    async def told() -> bool:
        return bool((await deck.fleet.status())["alerts"] == 1)

    await until(told, 10.0)
    rows = await everything_is_exact(stage, deck)
    alerts = [row.place.kind for row in rows if "emergence.detected" in row.kinds()]
    assert alerts == ["fleet"]


async def test_routing_goes_on_when_the_fleets_host_dies(stage: Stage) -> None:
    # given two hosts and a fleet with work given away
    deck = await stage.begun(2)
    await agents(deck, 3)
    session = await agent_session(deck, "s")
    for n in range(30):
        await session.add_task(f"t{n}", capabilities=["work"])
    for n in range(10):
        await session.route(f"t{n}")

    # when the fleet's host is killed
    table = await stage.table()
    owner = table.owners[partition_of(FLEET, stage.partitions)]
    holder = next(h for h in (await stage.holders()).values() if h.incarnation == owner)
    stage.process(holder.host).kill()

    # then tasks are routed all the same, evenly, on what was folded before
    for n in range(10, 30):
        assert await session.route(f"t{n}") is not None
    assert sorted((await loads(deck)).values()) == [10, 10, 10]
    await everything_is_exact(stage, deck)


async def test_a_host_with_few_partitions_folds_the_fleet_from_a_reader_of_its_own(
    staging: object,
) -> None:
    stage: Stage = await staging(partitions=64)  # type: ignore[operator]
    deck = await stage.begun_here(9)
    await agents(deck, 3)
    session = await agent_session(deck, "s")
    for n in range(9):
        await session.add_task(f"t{n}", capabilities=["work"])
        await session.route(f"t{n}", start=True)
        await session.complete(f"t{n}")
    await session.end()

    await everything_is_exact(stage, deck)
    carriers = [k.host for k in stage.keepers if k.host is not None and k.host.fleet is not None]
    (host,) = carriers
    assert [reader.roles for reader in host._readers].count(frozenset({"fleet"})) == 1
    assert await loads(deck) == {}


async def test_bad_questions_and_orders_to_the_fleet_change_nothing(stage: Stage) -> None:
    deck = await stage.begun_here(1)
    (name,) = await agents(deck, 1, max_load=1)
    session = await agent_session(deck, "s")
    before = len(await journal(stage))

    with pytest.raises(RefusedError, match="unknown-agent"):
        await deck.fleet.unregister("zoe")
    with pytest.raises(RefusedError, match="unknown-task"):
        await session.route("nothing")
    assert len(await journal(stage)) == before

    await session.add_task("a", capabilities=["work"])
    await session.add_task("b", capabilities=["work"])
    first = await session.route("a")
    assert first is not None
    assert first.npc == name
    with pytest.raises(RefusedError, match="agents-full"):
        await session.route("b")
    assert (await session.route("a")) is None
    await session.complete("a", "failed")
    assert await session.retry("a") == 2
    again = await session.route("a")
    assert again is not None
    assert again.attempt == 2
    await everything_is_exact(stage, deck)


async def test_a_task_beyond_the_limit_is_refused_stored_once_and_shown(stage: Stage) -> None:
    deck = await stage.begun_here(1)
    session = await agent_session(deck, "s", max_tasks=2)
    for n in range(2):
        await session.add_task(f"t{n}")

    for n in range(2, 5):
        with pytest.raises(RefusedError, match="task-limit: at most 2 tasks"):
            await session.add_task(f"t{n}", id=f"add-{n}")
    with pytest.raises(RefusedError, match="task-limit"):
        await session.add_task("t2", id="add-2")  # the same again: the same answer

    assert len((await session.state()).tasks) == 2
    await session.end()
    rows = of_session(await everything_is_exact(stage, deck), "s")
    assert sum("task.refused" in row.kinds() for row in rows) == 1
    tiles = [tile async for tile in session.tiles()]
    assert "capacity_hit" in tiles[-1].answer["patterns"]


async def test_a_fleet_far_behind_is_read_for_apart_until_it_has_caught_up(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a host that has the snapshots of everybody but the fleet, as after an upgrade
    monkeypatch.setattr(host_module, "BEHIND", 20)
    deck = await stage.begun_here(1, flush_s=600.0)
    await agents(deck, 3)
    session = await agent_session(deck, "s")
    for n in range(15):
        await session.add_task(f"t{n}", capabilities=["work"])
        await session.route(f"t{n}", start=True)
    keeper = stage.keepers.pop()
    assert keeper.host is not None
    for partition in range(stage.partitions):
        await keeper.host.flush(partition)
    at = partition_of(FLEET, stage.partitions)
    await crash(keeper)
    await stage.broker.bucket(stage.layout.actors).delete(cell_key(at, "fleet", FLEET))

    # when another takes over
    seen: list[int] = []
    joining = Host._join_readers

    def watched(self: Host) -> None:
        seen.append(len(self._readers))
        joining(self)

    monkeypatch.setattr(Host, "_join_readers", watched)
    await stage.host("host-1", flush_s=600.0)
    await stage.owned(1)

    # then the fleet is folded from the beginning by a reader of its own, and in the end by one
    for n in range(15):
        await session.complete(f"t{n}")
    await session.end()
    await everything_is_exact(stage, deck)
    (taker,) = stage.keepers
    assert taker.host is not None
    assert max(seen) == 2
    assert [reader.roles for reader in taker.host._readers] == [host_module.EVERYONE]
    assert await loads(deck) == {}


async def test_a_window_is_put_together_and_inferred_from_also_after_a_death(stage: Stage) -> None:
    # given a fleet that gathers for a while, and a session in that time
    deck = await stage.begun_here(1, mid_window_s=1.0, idle_sleep_s=0.3, flush_s=0.3)
    await agents(deck, 2)
    session = await agent_session(deck, "s")
    await session.add_task("t", capabilities=["work"])
    await session.route("t", start=True)
    await session.complete("t", "failed", error="LinkError: 12")
    await session.end()

    # when its host dies before the window is over, and another has it
    await crash(stage.keepers.pop())
    await stage.host("host-1", mid_window_s=1.0, idle_sleep_s=0.3, flush_s=0.3)
    await stage.owned(1)

    # then one synthesis tells of the session, and one inference of the synthesis
    async def told() -> bool:
        return bool((await deck.fleet.advice())["advice"])

    await until(told, 15.0, 0.1)
    rows = await everything_is_exact(stage, deck)
    kinds = [kind for row in rows for kind in row.kinds()]
    assert (kinds.count("mid.synthesised"), kinds.count("architect.inferred")) == (1, 1)
    found = await deck.fleet.advice()
    assert found["synthesis"]["metrics"]["sessions"] == 1
    assert found["synthesis"]["metrics"]["tasks"] == 1
    assert found["advice"]["advice"] is True
    assert found["open"] is None
