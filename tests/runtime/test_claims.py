"""A learner is in one session at a time, whoever asks and whoever dies."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

import pytest

from holodeck.actors import supervisor as supervisor_module
from holodeck.messages.control import ResumeSession
from holodeck.messages.errors import RefusedError
from holodeck.messages.learner import ClaimLearner
from holodeck.messages.session import Pause, StartSession
from tests.runtime.checks import everything_is_exact
from tests.runtime.stage import Stage, crash, until

pytestmark = [pytest.mark.nats, pytest.mark.integration]


async def test_of_a_hundred_starts_for_one_learner_one_succeeds(stage: Stage) -> None:
    # given a learner in no session
    deck = await stage.begun(2)

    # when a hundred sessions want to start with it at once
    async def start(n: int) -> str:
        try:
            await deck.start_session(learner="ana", session=f"s{n}")
        except RefusedError as error:
            return error.reason
        return "started"

    told = Counter(await asyncio.gather(*(start(n) for n in range(100))))

    # then one does, and the others are told who holds the learner
    assert told == {"started": 1, "learner-busy": 99}
    rows = await everything_is_exact(stage, deck)
    assert sum("session.started" in row.kinds() for row in rows) == 1


async def test_a_switch_pauses_the_session_that_holds_the_learner(stage: Stage) -> None:
    # given a learner in a session
    deck = await stage.begun_here(1)
    first = await deck.start_session(learner="ana", session="first")

    # when another one starts, first without and then with leave to switch
    with pytest.raises(RefusedError, match="learner-busy: first"):
        await deck.start_session(learner="ana", session="second")
    second = await deck.start_session(learner="ana", session="second", switch=True)

    # then the first is paused, and may come back only by switching or when the second lets go
    assert (await first.state()).phase == "paused"
    with pytest.raises(RefusedError, match="learner-busy: second"):
        await first.resume()
    await first.resume(switch=True)
    assert (await second.state()).phase == "paused"
    await first.end()
    await second.resume()
    await second.pause()
    await second.resume()
    assert (await second.state()).phase == "active"
    await everything_is_exact(stage, deck)


async def test_switching_back_and_forth_keeps_one_session_active(stage: Stage) -> None:
    # given four sessions of one learner, three of them paused by switching
    deck = await stage.begun_here(1)
    sessions = [
        await deck.start_session(learner="ana", session=f"s{n}", switch=True) for n in range(4)
    ]

    told: set[str] = set()

    # when all want the learner back again and again at once
    async def want(n: int) -> None:
        for _ in range(5):
            try:
                await sessions[n].resume(switch=True)
            except RefusedError as error:
                told.add(error.reason)

    await asyncio.gather(*(want(n) for n in range(4)))

    # then at no point of the journal two were active
    assert told <= {"learner-busy", "claim-void"}
    await everything_is_exact(stage, deck)


async def test_an_overdue_claim_is_settled_and_its_late_start_refused(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a claim whose claimer died before it started anything
    monkeypatch.setattr(supervisor_module, "OVERDUE_MS", 300)
    deck = await stage.begun_here(1)
    claim = await deck.caller.command("learner", "ana", "c1", ClaimLearner(session="lost"))
    with pytest.raises(RefusedError, match="learner-busy: lost"):
        await deck.start_session(learner="ana", session="eager")

    # when another session wants the learner after a while
    await asyncio.sleep(0.4)
    await deck.start_session(learner="ana", session="next")

    # then the first one can never start on that claim
    with pytest.raises(RefusedError, match="start-abandoned"):
        await deck.caller.command(
            "session", "lost", "late", StartSession(learner="ana", claim=claim.sequence)
        )
    with pytest.raises(RefusedError, match="start-abandoned"):
        await deck.caller.command("session", "lost", "late-pause", Pause())
    rows = await everything_is_exact(stage, deck)
    assert [r.place.identity for r in rows if "session.started" in r.kinds()] == ["next"]


async def test_a_supervisor_killed_between_claim_and_start_leaves_no_learner_locked(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a supervisor that dies whenever a claim has been made
    monkeypatch.setattr(supervisor_module, "OVERDUE_MS", 300)
    first = await stage.supervisor()
    await stage.host("host-0")
    await stage.tiles()
    await stage.owned(1)
    deck = await stage.deck(deadline_s=15)
    claim = first._claim

    async def dies(*args: object, **options: object) -> int | None:
        await claim(*args, **options)  # type: ignore[arg-type]
        await asyncio.Event().wait()
        return None

    monkeypatch.setattr(first, "_claim", dies)
    starting = asyncio.create_task(deck.start_session(learner="ana", session="s1"))
    async with asyncio.timeout(5):
        while (await deck.learner("ana").state()).claim is None:
            await asyncio.sleep(0.02)
    await first.stop()
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)

    # when another one takes its place
    await stage.supervisor()
    await asyncio.sleep(0.4)
    began = time.monotonic()
    await deck.start_session(learner="ana", session="s2")

    # then the learner is free within moments
    assert time.monotonic() - began < 5
    await everything_is_exact(stage, deck)


async def test_a_claim_is_decided_on_the_whole_fold_after_a_takeover(stage: Stage) -> None:
    # given many learners in sessions, on a host that dies without a snapshot
    deck = await stage.begun_here(1, flush_s=60.0)
    for n in range(20):
        await deck.start_session(learner=f"l{n}", session=f"s{n}")
    await crash(stage.keepers.pop())

    # when each is wanted by another session as soon as the next host is there
    starts = [
        asyncio.create_task(deck.start_session(learner=f"l{n}", session=f"t{n}")) for n in range(20)
    ]
    await stage.host("host-1")

    # then every claim still holds
    for start in starts:
        with pytest.raises(RefusedError, match="learner-busy"):
            await start
    await everything_is_exact(stage, deck)


async def test_a_start_under_a_taken_id_locks_no_learner(stage: Stage) -> None:
    # given sessions of other learners: one that goes on, one that has ended, and a rehearsal
    deck = await stage.begun_here(1)
    going = await deck.start_session(learner="eva", session="going")
    over = await deck.start_session(learner="pol", session="over")
    await over.end()
    await going.fork(id="rehearsal")

    # when a learner tries to start under each of their ids
    for taken in ("going", "over", "rehearsal"):
        with pytest.raises(RefusedError, match="session-exists"):
            await deck.start_session(learner="ana", session=taken)

    # then it can start under its own at once, and only once
    await deck.start_session(learner="ana", session="own")
    with pytest.raises(RefusedError, match="learner-busy: own"):
        await deck.start_session(learner="ana", session="second")
    assert (await going.state()).phase == "active"
    await everything_is_exact(stage, deck)


@pytest.mark.parametrize("learner", [None, "ana", "eva"], ids=["unnamed", "named", "misnamed"])
async def test_a_resume_finds_the_learner_whatever_it_is_told(
    stage: Stage, learner: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a paused session of ana's
    deck = await stage.begun_here(1)
    session = await deck.start_session(learner="ana", session="s1")

    # when it is resumed again and again, right behind each pause
    for number in range(5):
        await session.pause()
        order = ResumeSession(id=f"resume.{number}", session="s1", learner=learner)
        first = await deck.order("resume", order)
        # and once more under the same id, as after a lost answer
        assert (await deck.order("resume", order)).sequence == first.sequence

    # then it goes on each time, and ana is in it
    assert (await session.state()).phase == "active"
    with pytest.raises(RefusedError, match="learner-busy: s1"):
        await deck.start_session(learner="ana", session="s2")
    rows = await everything_is_exact(stage, deck)
    kinds = Counter(kind for row in rows for kind in row.kinds())
    assert kinds["session.resumed"] == kinds["session.paused"] == 5
    # and whoever was claimed in vain is free for the next who asks
    monkeypatch.setattr(supervisor_module, "OVERDUE_MS", 0)
    await deck.start_session(learner="eva", session="s3")


async def test_an_order_sent_again_while_it_is_walked_is_walked_once(stage: Stage) -> None:
    # given a paused session whose learner is claimed for a session that does not begin
    supervisor = await stage.supervisor()
    await stage.host("host-0")
    await stage.owned(1)
    deck = await stage.deck()
    session = await deck.start_session(learner="ana", session="s1")
    await session.pause()
    await deck.caller.command("learner", "ana", "claim-1", ClaimLearner(session="late"))

    # when it is ordered to resume, and the same order comes again while the claim is waited for
    order = ResumeSession(id="order-1", session="s1", switch=True)
    told = [asyncio.create_task(deck.order("resume", order)) for _ in range(3)]
    await until(lambda: supervisor._walks)
    await asyncio.sleep(0.5)

    # then there is one walk, and all are told what came of it
    assert len(supervisor._walks) == 1
    answers = await asyncio.gather(*told)
    assert len({answer.sequence for answer in answers}) == 1
    assert all(answer.checkpoint for answer in answers)
    assert not supervisor._walks
    await everything_is_exact(stage, deck, tiles=False)
