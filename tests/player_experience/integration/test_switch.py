"""Switching between characters and worlds: one active session whatever races, and no illegal state
whoever dies."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from holodeck.actors.supervisor import Supervisor
from holodeck.deck import Deck
from holodeck.messages.errors import HolodeckError, RefusedError, TransientError
from holodeck.messages.player import SessionStatus, TherapeuticSettings
from holodeck.messages.session import MindKind, Pause, StartSession
from holodeck.minds import minds_of
from holodeck.session import Session
from tests.player_experience.integration.test_session_lifecycle import player
from tests.runtime.stage import Stage, until

pytestmark = [pytest.mark.nats, pytest.mark.integration]

GARDEN, REFUGE = "world_mindfulness_garden", "world_anxiety_sanctuary"
KEEN = TherapeuticSettings(intensity_level=0.6)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as stack:
        yield await stack.enter_async_context(Stage(tmp_path))


async def kinds(session: Session) -> list[str]:
    return [event.kind async for step in session.replay() for event in step.events]


async def stand(deck: Deck, names: list[str]) -> dict[str, SessionStatus]:
    """How the sessions stand; those that never were are left out."""
    found = {}
    for name in names:
        try:
            found[name] = await deck.session(name).status()
        except RefusedError as error:
            if error.reason != "unknown-session":
                raise
    return found


def active(found: dict[str, SessionStatus]) -> list[str]:
    return [name for name, status in found.items() if status is SessionStatus.ACTIVE]


async def test_switching_pauses_starts_carries_over_keeps_and_resumes(stage: Stage) -> None:
    """Cases ``switch to a new pair…``, ``switch back…`` and the current pair (2.7)."""
    deck = await stage.begun_here(1, minds=minds_of())
    await player(deck)
    first = await deck.start_session(
        learner="ana", character="mira", world=GARDEN, settings=KEEN, session="first"
    )

    # to another pair: the first is paused, a new one is led as the first was
    second = await deck.switch("ana", character="mira", world=REFUGE, session="second")
    assert second.id == "second"
    assert await first.status() is SessionStatus.PAUSED
    shown = await second.continuity()
    assert (shown.character, shown.world, shown.settings) == ("mira", REFUGE, KEEN)
    assert shown.status is SessionStatus.ACTIVE

    # the settings are a copy: what changes here changes nothing there
    await second.change_settings(TherapeuticSettings(intensity_level=0.1))
    assert (await first.continuity()).settings == KEEN

    # to the pair that is being played: nothing happens
    before = (await second.continuity()).last_at
    assert (await deck.switch("ana", character="mira", world=REFUGE)).id == "second"
    assert (await second.continuity()).last_at == before
    assert "session.paused" not in await kinds(second)

    # and back: the paused one goes on, with what it was
    assert (await deck.switch("ana", character="mira", world=GARDEN)).id == "first"
    assert await first.status() is SessionStatus.ACTIVE
    assert await second.status() is SessionStatus.PAUSED
    assert (await first.continuity()).settings == KEEN

    # a pair whose session is over begins anew
    await second.end()
    third = await deck.switch("ana", character="mira", world=REFUGE)
    assert third.id not in ("first", "second")
    assert (await third.continuity()).settings == KEEN
    assert await first.status() is SessionStatus.PAUSED


async def test_the_newest_paused_session_of_a_pair_is_resumed(stage: Stage) -> None:
    deck = await stage.begun_here(1, minds=minds_of())
    for name in ("one", "two"):
        session = await deck.start_session(learner="ana", world=GARDEN, session=name)
        await session.pause()
    assert (await deck.switch("ana", world=GARDEN)).id == "two"


async def test_a_switch_may_say_how_what_it_starts_is_led(stage: Stage) -> None:
    deck = await stage.begun_here(1, minds=minds_of())
    await deck.start_session(learner="ana", world=GARDEN, settings=KEEN)
    own = TherapeuticSettings(intensity_level=0.1)
    start = StartSession(learner="ana", mind=MindKind.SCRIPTED, name="refuge", settings=own)
    session = await deck.switch("ana", world=REFUGE, start=start)
    state = await session.state()
    assert state.charter is not None
    assert state.charter.name == "refuge"
    assert (await session.continuity()).settings == own


async def test_what_is_refused_pauses_nothing(stage: Stage) -> None:
    deck = await stage.begun_here(1, minds=minds_of())
    await player(deck)
    session = await deck.start_session(learner="ana", character="mira", world=GARDEN)
    with pytest.raises(RefusedError, match="unknown-world"):
        await deck.switch("ana", character="mira", world="atlantis")
    with pytest.raises(RefusedError, match="unknown-character"):
        await deck.switch("ana", character="nobody", world=REFUGE)
    assert await session.status() is SessionStatus.ACTIVE


async def test_the_repeat_of_a_switch_gives_the_same_session(stage: Stage) -> None:
    deck = await stage.begun_here(1, minds=minds_of())
    await deck.start_session(learner="ana", world=GARDEN, session="first")
    for _ in range(3):
        assert (await deck.switch("ana", world=REFUGE, session="second", id="sw-1")).id == "second"
    assert (await kinds(deck.session("second"))).count("session.started") == 1
    for _ in range(3):
        assert (await deck.switch("ana", world=GARDEN, session="third", id="sw-2")).id == "first"
    assert (await kinds(deck.session("first"))).count("session.resumed") == 1
    assert "third" not in await stand(deck, ["third"])

    # also of one that started a session which is over since
    await deck.session("first").end()
    assert (await deck.switch("ana", world=REFUGE, session="second", id="sw-1")).id == "second"


async def test_a_pause_that_fails_fails_the_switch(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The case ``switch when the pause failed``."""
    deck = await stage.begun_here(1, minds=minds_of())
    first = await deck.start_session(learner="ana", world=GARDEN, session="first")
    asked = Supervisor._settle

    async def failing(self: Supervisor, *args: Any, **more: Any) -> tuple[int, int]:
        command = self._caller.command

        async def no_pause(kind: str, identity: str, name: str, body: Any, **rest: Any) -> Any:
            if isinstance(body, Pause):
                raise RefusedError("not-stored", "the disk is full")
            return await command(kind, identity, name, body, **rest)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(self._caller, "command", no_pause)
            return await asked(self, *args, **more)

    monkeypatch.setattr(Supervisor, "_settle", failing)
    with pytest.raises(RefusedError, match="not-stored"):
        await deck.switch("ana", world=REFUGE, session="second")
    assert await stand(deck, ["first", "second"]) == {"first": SessionStatus.ACTIVE}
    monkeypatch.undo()
    assert (await deck.switch("ana", world=REFUGE, session="second")).id == "second"
    assert await first.status() is SessionStatus.PAUSED


# --- one active session ----------------------------------------


async def test_of_two_hundred_starts_at_once_one_is_active(stage: Stage) -> None:
    """Cases ``two creates for one player`` and ``three concurrent creates``."""
    deck = await stage.begun_here(2, minds=minds_of())
    names = [f"s{n}" for n in range(200)]
    decks = [await stage.deck() for _ in range(4)]

    async def one(n: int, name: str) -> str | None:
        try:
            await decks[n % 4].start_session(learner="ana", world=GARDEN, session=name)
        except RefusedError as error:
            if error.reason != "learner-busy":
                raise
            return None
        return name

    started = [s for s in await asyncio.gather(*(one(n, s) for n, s in enumerate(names))) if s]
    found = await stand(deck, names)
    assert len(started) == 1
    assert active(found) == started


async def test_of_many_switches_at_once_one_is_active_at_the_end(stage: Stage) -> None:
    deck = await stage.begun_here(2, minds=minds_of())
    pairs = [GARDEN, REFUGE, "world_social_confidence", "barcelona-cafe"]
    names = [f"s{n}" for n in range(24)]

    async def one(n: int, name: str) -> None:
        # Where somebody else was always quicker it is told so, and nothing is half done.
        with contextlib.suppress(RefusedError, TransientError):
            await deck.switch("ana", world=pairs[n % 4], session=name)

    await asyncio.gather(*(one(n, name) for n, name in enumerate(names)))
    found = await stand(deck, names)
    assert len(active(found)) <= 1
    assert set(found.values()) <= {SessionStatus.ACTIVE, SessionStatus.PAUSED}
    final = await deck.switch("ana", world=GARDEN)
    found = await stand(deck, [*names, final.id])
    assert active(found) == [final.id]


async def test_resuming_beside_an_active_session_is_refused_or_pauses_it(stage: Stage) -> None:
    """The case ``resume while another session is active``."""
    deck = await stage.begun_here(1, minds=minds_of())
    first = await deck.start_session(learner="ana", world=GARDEN)
    await first.pause()
    second = await deck.start_session(learner="ana", world=REFUGE)
    with pytest.raises(RefusedError, match="learner-busy"):
        await first.resume()
    assert await second.status() is SessionStatus.ACTIVE
    await first.resume(switch=True)
    assert await second.status() is SessionStatus.PAUSED


@pytest.mark.parametrize("after", [0.0, 0.01, 0.03, 0.06, 0.1])
async def test_a_switch_whose_hosts_are_killed_ends_in_a_legal_state(
    tmp_path: Path, after: float
) -> None:
    async with Stage(tmp_path, worlds=True) as stage:
        deck = await stage.begun(2)
        await deck.start_session(learner="ana", world=GARDEN, session="first", settings=KEEN)

        # when a host is killed in the middle of it
        switching = asyncio.create_task(deck.switch("ana", world=REFUGE, session="second", id="sw"))
        await asyncio.sleep(after)
        stage.process("host-0").kill()
        try:
            made: Session | None = await switching
        except HolodeckError:
            made = None
        await stage.owned(1)

        # then at most one is active, and the same order leads to where it was to lead
        found = await stand(deck, ["first", "second"])
        assert len(active(found)) <= 1
        assert set(found.values()) <= {SessionStatus.ACTIVE, SessionStatus.PAUSED}
        if made is not None:
            assert active(found) == ["second"]

        async def again() -> bool:
            try:
                session = await deck.switch("ana", world=REFUGE, session="second", id="sw")
            except HolodeckError:
                return False
            return session.id == "second"

        await until(again, 30.0, 0.2)
        assert await stand(deck, ["first", "second"]) == {
            "first": SessionStatus.PAUSED,
            "second": SessionStatus.ACTIVE,
        }
        assert (await deck.session("second").continuity()).settings == KEEN
        assert (await kinds(deck.session("second"))).count("session.started") == 1
        assert (await kinds(deck.session("first"))).count("session.paused") == 1
