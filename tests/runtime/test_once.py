"""A command has its effect once, however often and wherever it is sent."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from holodeck.actors.shell import SessionShell
from holodeck.messages.envelope import Answer
from holodeck.messages.errors import OutcomeUnknown
from holodeck.messages.learner import ClaimLearner
from holodeck.messages.session import (
    FrictionFinding,
    FrictionType,
    NpcParted,
    SessionEnded,
    TakeTurn,
)
from tests.runtime.checks import everything_is_exact, journal, of_session
from tests.runtime.stage import Stage, crash, until

pytestmark = [pytest.mark.nats, pytest.mark.integration]

SAID = TakeTurn(
    turn=1,
    npc="marta",
    text="hola",
    frictions=(FrictionFinding(type=FrictionType.LEXICAL, severity=0.3),),
)


async def test_a_repeated_command_gets_the_first_answer_for_ever(stage: Stage) -> None:
    # given a session
    deck = await stage.begun_here(1, idle_sleep_s=0.3, flush_s=0.2)
    await deck.start_session(learner="ana", session="s1")

    async def send() -> Answer:
        return await deck.caller.command("session", "s1", "once", SAID)

    # when one command is sent twenty times at once
    answers = list(await asyncio.gather(*(send() for _ in range(20))))

    # and again after the session was put to sleep
    (keeper,) = stage.keepers
    assert keeper.host is not None
    host = keeper.host
    await until(lambda: "s1" in host.asleep)
    answers.append(await send())

    # and again after a failover, twice: from the journal's tail and from the snapshot
    for _ in range(2):
        await crash(stage.keepers.pop())
        await stage.host("host-0", idle_sleep_s=0.3, flush_s=0.2)
        await stage.owned(1)
        answers.append(await send())
        await asyncio.sleep(0.8)

    # then there is one checkpoint and one answer
    assert len(set(map(repr, answers))) == 1
    assert answers[0].checkpoint is not None
    rows = await everything_is_exact(stage, deck)
    assert [row.command for row in rows].count("once") == 1


async def test_a_repeated_claim_gets_the_first_answer(stage: Stage) -> None:
    # given a learner nobody claims
    deck = await stage.begun_here(1)

    async def send() -> Answer:
        claim = ClaimLearner(session="s1")
        return await deck.caller.command("learner", "ana", "claim", claim)

    # when one claim is sent twenty times at once, and again after a failover
    answers = list(await asyncio.gather(*(send() for _ in range(20))))
    await crash(stage.keepers.pop())
    await stage.host("host-0")
    await stage.owned(1)
    answers.append(await send())

    # then it was made once
    assert len({(a.sequence, a.checkpoint) for a in answers}) == 1
    rows = await everything_is_exact(stage, deck)
    assert len(rows) == 1


@pytest.mark.parametrize("stored", [0, 1, 3])
async def test_every_npc_is_parted_from_once_though_the_host_dies_in_between(
    stage: Stage, stored: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a session that met five NPCs
    deck = await stage.begun_here(1)
    session = await deck.start_session(learner="ana", session="s1")
    for npc in ("n1", "n2", "n3", "n4", "n5"):
        await session.take_turn("hola", to=npc)
    keeper = stage.keepers.pop()

    # when it ends, and the host dies once so many partings are stored behind the end
    settle, left = SessionShell.settle, [stored]

    def balking(shell: SessionShell) -> None:
        if left[0]:
            left[0] -= 1
            settle(shell)

    with monkeypatch.context() as patch:
        patch.setattr(SessionShell, "settle", balking)
        ending = asyncio.create_task(session.end())

        async def ended() -> bool:
            kinds = [k for row in of_session(await journal(stage), "s1") for k in row.kinds()]
            return "session.ended" in kinds and kinds.count("npc.parted") == 1 + stored

        await until(ended)
        assert not ending.done()
        await crash(keeper)
    await stage.host("host-1")

    # then the next host settles what is owed, and only then the end is answered
    exhaust = await ending
    assert exhaust.turns == 5
    rows = await everything_is_exact(stage, deck)
    events = [e for row in of_session(rows, "s1") if row.checkpoint for e in row.checkpoint.events]
    assert sum(isinstance(e, SessionEnded) for e in events) == 1
    parted = sorted(e.npc for e in events if isinstance(e, NpcParted))
    assert parted == ["n1", "n2", "n3", "n4", "n5"]


class Forgetful:
    """A journal that loses the first acknowledgement, after everyone has read what was stored."""

    def __init__(self, journal: Any) -> None:
        self._journal = journal
        self.lost = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)

    def append(self, *args: Any, **options: Any) -> asyncio.Future[int]:
        stored: asyncio.Future[int] = self._journal.append(*args, **options)
        return stored if self.lost else asyncio.ensure_future(self._lose(stored))

    async def _lose(self, stored: asyncio.Future[int]) -> int:
        self.lost = await stored
        await asyncio.sleep(0.3)
        raise OutcomeUnknown("the answer got lost")


async def test_a_claim_that_came_back_before_its_acknowledgement_is_made_once(
    stage: Stage,
) -> None:
    # given a learner whose host reads its checkpoint before it knows what became of the append
    deck = await stage.begun_here(1)
    host = stage.keepers[0].host
    assert host is not None
    journal = host.journal = Forgetful(host.journal)

    # when the learner is claimed
    answer = await deck.caller.command("learner", "ana", "claim-1", ClaimLearner(session="s1"))

    # then what was stored first is the answer, and it stands once
    assert answer.sequence == journal.lost
    await everything_is_exact(stage, deck)
