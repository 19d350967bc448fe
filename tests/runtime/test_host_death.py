"""A host process dies under load."""

from __future__ import annotations

import pytest

from holodeck.deck import Session
from holodeck.messages.session import EndReason
from tests.runtime.checks import everything_is_exact
from tests.runtime.load import Load
from tests.runtime.stage import Stage, until

pytestmark = [pytest.mark.nats, pytest.mark.integration]


async def test_a_host_killed_under_load_loses_nothing_and_repeats_nothing(stage: Stage) -> None:
    # given two hosts, many sessions at work, and some that only wait for their time to end
    deck = await stage.begun(2)
    waiting = [
        await deck.start_session(learner=f"w{n}", session=f"w{n}", session_timeout_s=5.0)
        for n in range(8)
    ]
    async with Load(deck) as load:
        await load.acknowledgements(200)

        # when one of the two is killed
        stage.process("host-0").kill()

        # then the clients' retries succeed on the other one
        await load.acknowledgements(400)
        assert len(set((await stage.owned(1)).owners)) == 1
        account = await load.stop()
    assert not account.unknown

    # and every waiting session ends once, by itself
    for session in waiting:

        async def ended(session: Session = session) -> bool:
            return (await session.state()).end_reason is EndReason.TIME_LIMIT

        await until(ended, 15.0, 0.1)
    rows = await everything_is_exact(stage, deck, account)
    for session in waiting:
        ends = [r for r in rows if r.place.identity == session.id and "session.ended" in r.kinds()]
        assert len(ends) == 1
