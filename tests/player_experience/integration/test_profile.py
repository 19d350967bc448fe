"""Profiles through the real runtime, with a client's rights and a real nats-server."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from holodeck.actors.names import YOUNG_MS, name_key
from holodeck.broker import Broker, find_server
from holodeck.config import load_settings
from holodeck.deck import Deck
from holodeck.local import Local
from holodeck.messages.codec import pack
from holodeck.messages.errors import RefusedError, StartupError
from holodeck.messages.ids import partition_of
from holodeck.messages.player import (
    Background,
    Boundary,
    Character,
    CreatePlayer,
    CrisisContact,
    CrisisType,
    IntensityLevel,
    PlayerSettings,
    PrivacySettings,
    TherapeuticApproach,
    TherapeuticPreferences,
    WorldParameters,
)
from holodeck.messages.subjects import all_tiles
from tests.conftest import missing

pytestmark = [pytest.mark.integration, pytest.mark.nats]

MARK = "zq7"


@pytest.fixture
async def runtime() -> AsyncIterator[Local]:
    try:
        find_server()
    except StartupError as error:
        missing(f"nats-server ({error})")
    local = Local(hosts=2, settings=load_settings(partitions=16))
    await local.start()
    try:
        yield local
    finally:
        await local.stop()


@pytest.fixture
async def deck(runtime: Local) -> Deck:
    return await runtime.deck()


@pytest.fixture
async def rights(runtime: Local) -> AsyncIterator[Broker]:
    """A connection with the runtime's rights."""
    broker = await runtime.runtime_connection()
    yield broker
    await broker.close()


def mira(**more: Any) -> Character:
    return Character(character_id="mira", name="Mira", background=Background(name="Mira", **more))


async def test_a_player_through_a_clients_eyes(deck: Deck) -> None:
    ana = deck.player("ana")
    with pytest.raises(RefusedError, match="unknown-player"):
        await ana.profile()
    made = await ana.create("Ana_1", "ana@example.org", time_zone="Europe/Madrid")
    assert [event.kind for event in made.events] == ["player.created"]
    with pytest.raises(RefusedError, match="player-exists"):
        await ana.create("Ana_2", "ana@example.org")

    await ana.put_character(mira(personality_traits=("anxious",)))
    (held,) = await ana.characters()
    assert held["therapeutic_profile"]["primary_concerns"] == ["anxiety"]
    await ana.progress_goal("mira", "ease-anxiety", 140)
    (held,) = await ana.characters()
    assert held["therapeutic_profile"]["therapeutic_goals"][0]["progress_percentage"] == 100.0

    fits = await ana.compatibility("mira", "world_mindfulness_garden")
    assert 0 < fits["overall_score"] <= 1
    await ana.customize("mira", "barcelona-cafe", WorldParameters(narrative_pace="slow"))
    custom = await ana.compatibility("mira", "barcelona-cafe")
    assert (custom["customized"], custom["parameters"]["narrative_pace"]) == (True, "slow")
    with pytest.raises(RefusedError, match="unknown-world"):
        await ana.customize("mira", "atlantis", WorldParameters())
    with pytest.raises(RefusedError, match="unknown-world"):
        await ana.compatibility("mira", "atlantis")

    await ana.remove_character("mira")
    profile = await ana.profile()
    assert profile["characters"] == [{"character_id": "mira", "name": "Mira", "is_active": False}]


async def test_settings_that_are_mended_are_the_ones_that_are_stored(deck: Deck) -> None:
    ana = deck.player("ana")
    await ana.create("ana", "ana@example.org")
    wanted = PlayerSettings(
        intensity_level=IntensityLevel.HIGH,
        crisis_monitoring_enabled=False,
        preferred_approaches=(TherapeuticApproach.MINDFULNESS,),
    )
    stored, left = await ana.change_settings(wanted, base=1)
    assert (stored.crisis_monitoring_enabled, stored.version) == (True, 2)
    assert [(one["name"], one["severity"]) for one in left] == [
        ("intensity_approach_mismatch", "warning")
    ]
    assert await ana.settings() == stored
    with pytest.raises(RefusedError, match="settings-version: 2"):
        await ana.change_settings(wanted, base=1)
    contradicting = tuple(
        Boundary(boundary_id=kind, boundary_type=kind, topics=("x",))
        for kind in ("avoid_topic", "comfort_topic")
    )
    with pytest.raises(RefusedError, match="settings-conflict"):
        await ana.change_settings(PlayerSettings(boundaries=contradicting))
    assert await ana.settings() == stored


async def test_feedback_changes_how_the_next_session_is_led(deck: Deck) -> None:
    ana = deck.player("ana")
    await ana.create("ana", "ana@example.org")
    step = await ana.feedback(rating=1, feedback_id="f1")
    assert [event.kind for event in step.events] == [
        "player.feedback-given",
        "player.settings-changed",
    ]
    assert (await ana.feedback(rating=1, feedback_id="f1")).events == ()
    held = await ana.settings()
    assert (held.intensity_level, held.intervention_frequency) == (IntensityLevel.LOW, "frequent")
    await ana.put_character(mira())
    session = await deck.start_session(learner="ana", character="mira")
    playing = (await session.state()).playing
    settings = None if playing is None else playing.settings
    assert settings is not None
    assert (settings.intensity_level, settings.intervention_frequency) == (0.3, "frequent")

    wanted = json.dumps({"session_duration": 60})
    await ana.feedback(preference_changes=wanted, feedback_id="f2")
    assert (await ana.settings()).session_duration == 30
    await ana.approve("f2")
    assert (await ana.settings()).session_duration == 60
    with pytest.raises(RefusedError, match="already-answered"):
        await ana.approve("f2", approve=False)
    crisis = await ana.feedback(crisis_types=[CrisisType.GENERAL_DISTRESS])
    assert "provide_support_resources" in crisis.events[0].changes  # type: ignore[union-attr]


async def test_only_the_player_changes_its_profile_and_some_of_it_nobody(deck: Deck) -> None:
    ana = deck.player("ana")
    await ana.create("ana", "ana@example.org")
    for name in ("player_id", "created_at"):
        with pytest.raises(RefusedError, match="access-restricted"):
            await ana.update(**{name: "x"})
    with pytest.raises(RefusedError, match="access-restricted"):
        await ana.update(by="ben", email="ben@example.org")
    with pytest.raises(RefusedError, match="access-restricted"):
        await ana.change_settings(PlayerSettings(), by="ben")
    with pytest.raises(RefusedError, match="unknown-player"):
        await deck.player("nonexistent_id").update(email="a@b.co")
    assert (await ana.profile())["email"] == "ana@example.org"


async def test_who_looks_sees_its_own_view_and_is_written_down_for_the_owner(deck: Deck) -> None:
    ana = deck.player("ana")
    contact = CrisisContact(primary_contact_name=f"{MARK} Marta")
    await ana.create(
        "ana",
        f"{MARK}@example.org",
        preferences=TherapeuticPreferences(
            crisis_contact_info=contact, avoid_topics=(f"{MARK} war",)
        ),
    )
    await ana.update(delegates=("dora",))
    assert (await ana.profile(viewer="ana"))["seen_as"] == "owner"
    assert (await ana.profile(viewer="dora"))["progress_summary"]
    for asks in ({"viewer": "ben"}, {"role": "operator"}):
        told = await ana.profile(**asks)  # type: ignore[arg-type]
        assert told["seen_as"] == "stranger"
        assert MARK not in json.dumps(told)
    await ana.record_access("ben", "stranger", "profile")
    assert [one["by"] for one in await ana.access_log()] == ["ben"]
    with pytest.raises(RefusedError, match="access-restricted"):
        await ana.access_log(viewer="dora")
    await ana.update(privacy=PrivacySettings(data_collection_consent=False))
    with pytest.raises(RefusedError, match="access-restricted"):
        await ana.profile(viewer="ben")
    assert (await ana.profile())["email"] == f"{MARK}@example.org"


# --- user names ----------------------------------------


async def test_of_many_who_want_a_name_at_once_one_gets_it(deck: Deck) -> None:
    names = ["Wanted", "wanted", "WANTED", "wAnted"]

    async def want(n: int) -> str:
        try:
            await deck.player(f"p{n}").create(names[n % 4], "a@b.co")
        except RefusedError as error:
            return str(error)
        return ""

    told = await asyncio.gather(*(want(n) for n in range(40)))
    winner = told.index("")
    others = [*told[:winner], *told[winner + 1 :]]
    assert all("name-taken" in one and "already exists" in one for one in others)
    assert (await deck.player(f"p{winner}").profile())["username"].lower() == "wanted"
    for n in range(40):
        if n != winner:
            with pytest.raises(RefusedError, match="unknown-player"):
                await deck.player(f"p{n}").profile()


async def eventually(work: Any, seconds: float = 10.0) -> None:
    """Does something until it is not refused for a taken name."""
    until = time.monotonic() + seconds
    while True:
        try:
            await work()
            return
        except RefusedError as error:
            if error.reason != "name-taken" or time.monotonic() > until:
                raise
        await asyncio.sleep(0.05)


async def test_who_is_called_otherwise_gives_its_name_back(deck: Deck) -> None:
    ana, ben = deck.player("ana"), deck.player("ben")
    await ana.create("first", "ana@example.org")
    await ben.create("second", "ben@example.org")
    with pytest.raises(RefusedError, match="name-taken"):
        await ben.update(username="First")
    assert (await ben.profile())["username"] == "second"
    await ana.update(username="FIRST")  # the same name, in other letters
    with pytest.raises(RefusedError, match="name-taken"):
        await ben.update(username="first")
    await ana.update(username="third")
    await eventually(lambda: ben.update(username="first"))
    with pytest.raises(RefusedError, match="name-taken"):
        await ana.update(username="first")
    await eventually(lambda: ana.update(username="second"))


async def test_a_name_that_is_taken_back_at_once_stays_its_players(deck: Deck) -> None:
    ana = deck.player("ana")
    await ana.create("one", "ana@example.org")
    for _ in range(5):
        await ana.update(username="two")
        await ana.update(username="one")
    await asyncio.sleep(0.5)  # the last name given back would be gone by now
    with pytest.raises(RefusedError, match="name-taken"):
        await deck.player("ben").create("one", "ben@example.org")


async def test_a_command_said_again_has_its_effect_once(deck: Deck) -> None:
    ana = deck.player("ana")
    first = await ana.create("ana", "ana@example.org", id="create-1")
    await ana.update(username="other")
    again = await ana.create("ana", "ana@example.org", id="create-1")
    assert again == first
    assert (await ana.profile())["username"] == "other"
    # The repeat has not taken the old name again.
    await eventually(lambda: deck.player("ben").create("ana", "ben@example.org"))


async def test_a_reservation_that_came_to_nothing_is_taken_over_when_it_is_old(
    deck: Deck, rights: Broker
) -> None:
    bucket = rights.bucket(deck.layout.actors)
    now = int(time.time() * 1000)
    await bucket.put(name_key("Young"), pack(["ghost", now - YOUNG_MS // 2]), after=0)
    await bucket.put(name_key("Old"), pack(["ghost", now - YOUNG_MS - 1000]), after=0)
    ana = deck.player("ana")
    with pytest.raises(RefusedError, match="name-taken"):
        await ana.create("young", "ana@example.org")
    await ana.create("old", "ana@example.org")
    assert (await ana.profile())["username"] == "old"
    # What somebody really carries is not, however old.
    await bucket.put(name_key("Old"), pack(["ana", now - YOUNG_MS - 1000]))
    with pytest.raises(RefusedError, match="name-taken"):
        await deck.player("ben").create("OLD", "ben@example.org")


async def test_the_learner_whose_reservation_it_was_creates_its_profile_after_a_crash(
    deck: Deck, rights: Broker
) -> None:
    """As when its host died between the reservation and the checkpoint."""
    bucket = rights.bucket(deck.layout.actors)
    await bucket.put(name_key("ana"), pack(["ana", int(time.time() * 1000)]), after=0)
    await deck.player("ana").create("ana", "ana@example.org")
    assert (await deck.player("ana").profile())["username"] == "ana"


# --- where it lives ----------------------------------------


async def test_a_profile_outlives_the_host_that_held_it(runtime: Local, deck: Deck) -> None:
    ana = deck.player("ana")
    await ana.create("ana", "ana@example.org")
    await ana.put_character(mira())
    await ana.feedback(rating=2)
    before = await ana.profile(), await ana.settings(), await ana.characters()
    partition = partition_of("ana", 16)
    holder = next(
        keeper.host
        for keeper in runtime.hosts
        if keeper.host is not None and partition in keeper.host.owned
    )
    await holder.kill()
    assert (await ana.profile(), await ana.settings(), await ana.characters()) == before
    with pytest.raises(RefusedError, match="name-taken"):
        await deck.player("ben").create("ana", "ben@example.org")
    await ana.update(email="new@example.org")
    assert (await ana.profile())["email"] == "new@example.org"


async def test_tiles_tell_nothing_personal_of_a_player(deck: Deck, rights: Broker) -> None:
    ana = deck.player("ana")
    contact = CrisisContact(primary_contact_name=f"{MARK} Marta")
    await ana.create(
        f"{MARK}name",
        f"{MARK}@example.org",
        preferences=TherapeuticPreferences(
            crisis_contact_info=contact, avoid_topics=(f"{MARK} war",)
        ),
    )
    await ana.put_character(mira(backstory=f"{MARK} kept the light", life_goals=(f"{MARK}",)))
    await ana.change_settings(PlayerSettings(trigger_warnings=(f"{MARK} storms",)))
    await ana.feedback(text=f"{MARK} too hard", feedback_id="f1")
    step = await ana.record_access("ben", "stranger", "profile")
    found: list[bytes] = []
    until = time.monotonic() + 10
    while True:
        tiles = rights.log(deck.layout.tiles)
        found = [record.data async for record in tiles.read(all_tiles(deck.ns))]
        if found and json.loads(found[-1])["answer"]["sequence"] >= step.sequence:
            break
        assert time.monotonic() < until, "the tiles do not come"
        await asyncio.sleep(0.05)
    kinds = [json.loads(one)["answer"]["kind"] for one in found]
    assert {"player.created", "player.character-put", "player.feedback-given"} <= set(kinds)
    assert MARK.encode() not in b"".join(found)
    assert b"ben" not in b"".join(found)


async def test_what_is_wrong_in_itself_never_leaves_the_client(deck: Deck) -> None:
    with pytest.raises(ValueError, match="username"):
        await deck.player("ana").create("a b", "ana@example.org")
    with pytest.raises(ValueError, match="rating"):
        await deck.player("ana").feedback(rating=9)
    assert CreatePlayer(username="abc", email="a@b.co").privacy.data_collection_consent
