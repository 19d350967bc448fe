"""Progress through the real runtime: a learner reaches its milestones by itself, once."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

import holodeck
from holodeck.broker import find_server
from holodeck.deck import Deck
from holodeck.messages.codec import decode_checkpoint
from holodeck.messages.errors import RefusedError, StartupError
from holodeck.messages.player import AddMarker, Interact, MarkerType, ProgressMarker
from holodeck.messages.subjects import writer_filter
from tests.conftest import missing

pytestmark = [pytest.mark.integration, pytest.mark.nats]


@pytest.fixture
async def deck() -> AsyncIterator[Deck]:
    try:
        find_server()
    except StartupError as error:
        missing(str(error))
    async with holodeck.local(hosts=2) as deck:
        yield deck


async def played(deck: Deck, learner: str, count: int) -> int:
    """Sessions one after the other; the sequence of the last end."""
    sequence = 0
    for _ in range(count):
        session = await deck.start_session(learner=learner)
        sequence = (await session.end()).sequence
    return sequence


async def reached(deck: Deck, learner: str, names: set[str], seconds: float = 20.0) -> Any:
    """The view once these are stored."""
    until = time.monotonic() + seconds
    while True:
        found = await deck.player(learner).milestones()
        stored = {one["milestone_id"] for one in found["achieved"] if one["achieved_at"]}
        if names <= stored:
            return found
        assert time.monotonic() < until, f"{sorted(names - stored)} are not reached"
        await asyncio.sleep(0.05)


async def stored(deck: Deck, learner: str) -> Counter[str]:
    """Milestones in the journal of a learner, by id."""
    found: Counter[str] = Counter()
    subjects = writer_filter(deck.ns, "learner", "*", learner)
    async for record in deck.broker.log(deck.layout.checkpoints).read(subjects):
        for event in decode_checkpoint(record.data, record.subject).events:
            if event.kind == "player.milestone-reached":
                found[event.milestone] += 1
    return found


async def test_a_player_reaches_milestones_by_itself_and_each_once(deck: Deck) -> None:
    player = deck.player("ana")
    await player.create("ana_m", "ana@example.org", time_zone="Europe/Madrid")
    await played(deck, "ana", 5)
    await reached(deck, "ana", {"ms_sessions_5"})
    session = await deck.start_session(learner="ana")
    for number in range(3):
        marker = ProgressMarker(marker_id=f"m{number}", marker_type=MarkerType.SKILL_ACQUIRED)
        await session.command(AddMarker(marker=marker))
        await session.command(AddMarker(marker=marker))
    await session.command(Interact(intervention="breathing"))
    end = await session.end()
    await reached(deck, "ana", {"ms_sessions_5", "ms_skills_3"})
    assert await stored(deck, "ana") == {"ms_sessions_5": 1, "ms_skills_3": 1}
    told = await player.progress(after=end.sequence)
    assert told["markers"]["by_type"] == {"skill_acquired": 3}
    assert told["interventions"] == 1
    assert told["engagement"]["total_sessions"] == 6


async def test_a_profile_that_comes_late_brings_what_was_passed_before(deck: Deck) -> None:
    await played(deck, "bo", 5)
    bare = await deck.player("bo").dashboard()
    assert (bare["total_sessions"], bare["welcome"]) == (5, None)
    assert await stored(deck, "bo") == {}
    await deck.player("bo").create("bo_k", "bo@example.org")
    await reached(deck, "bo", {"ms_sessions_5"})
    assert await stored(deck, "bo") == {"ms_sessions_5": 1}


async def test_the_dashboard_is_one_look_and_what_is_dismissed_goes(deck: Deck) -> None:
    player = deck.player("cy")
    await player.create("cy_p", "cy@example.org")
    welcome = await player.dashboard()
    assert welcome["recommendations"][0]["type"] == "getting_started"
    after = await played(deck, "cy", 2)
    found = await player.dashboard(after=after)
    assert found["current_streak_days"] == 1
    assert len(found["recent_sessions"]) == 2
    wanted = found["recommendations"][0]["id"]
    step = await player.dismiss(wanted)
    left = await player.recommendations(after=step.sequence)
    assert wanted not in [one["id"] for one in left]
    assert len((await player.charts(500))["buckets"]) == 60
    with pytest.raises(RefusedError, match="access-restricted"):
        await player.dashboard(viewer="eve")
