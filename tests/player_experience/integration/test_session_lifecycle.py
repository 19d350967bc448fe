"""Played sessions on the real runtime: starts, narrator, settings at every mind, abandonment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from holodeck.deck import Deck
from holodeck.messages.conversation import RefractionRequest, RefractionResponse
from holodeck.messages.errors import RefusedError
from holodeck.messages.persona import Persona
from holodeck.messages.player import (
    Background,
    Character,
    IntensityLevel,
    MarkerType,
    PlayerSettings,
    ProgressMarker,
    SessionStatus,
    TherapeuticSettings,
)
from holodeck.messages.session import EndReason, MindKind
from holodeck.messages.talk import AnalysisKind, TurnAnalysis
from holodeck.minds import Faculties, minds_of
from holodeck.minds.analysis import OfflineAnalyst
from holodeck.minds.port import Prompt, Said, Story, Utterance
from holodeck.minds.scripted import ScriptedMind
from holodeck.session import Session
from tests.runtime.stage import Stage, crash, until

pytestmark = [pytest.mark.nats, pytest.mark.integration]

WORLD, FRIEND = "barcelona-cafe", "jordi"
GARDEN = "world_mindfulness_garden"
LOW = TherapeuticSettings(intensity_level=0.2)
HIGH = TherapeuticSettings(intensity_level=0.9, intervention_frequency="frequent")


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as stack:
        yield await stack.enter_async_context(Stage(tmp_path))


class Recorder:
    """A mind, refractor and analyst that notes the settings it is told."""

    def __init__(self) -> None:
        self.settings: dict[str, list[TherapeuticSettings | None]] = {}
        self.prompts: list[Prompt] = []
        self._scripted, self._analyst = ScriptedMind(), OfflineAnalyst()

    def _note(self, path: str, settings: TherapeuticSettings | None) -> None:
        self.settings.setdefault(path, []).append(settings)

    async def reply(self, prompt: Prompt, heard: Callable[[str], None] | None = None) -> Said:
        self._note("silence" if prompt.turn and not prompt.text else "reply", prompt.settings)
        self.prompts.append(prompt)
        return await self._scripted.reply(prompt, heard)

    async def refract(
        self,
        request: RefractionRequest,
        world: Persona | None,
        settings: TherapeuticSettings | None = None,
    ) -> RefractionResponse:
        self._note("refract", settings)
        return await self._scripted.refract(request, world, settings)

    def analyse(self, utterance: Utterance) -> TurnAnalysis:
        self._note("analyse", utterance.settings)
        return self._analyst.analyse(utterance)


class Teller:
    """A narrator with a position of its own in memory; notes what it is asked."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Story]] = []
        self.position: dict[str, int] = {}
        self.fails = ""
        self.ended: list[SessionStatus] = []
        self.deck: Deck | None = None

    def _note(self, call: str, story: Story) -> None:
        self.calls.append((call, story))
        if self.fails == call:
            raise RuntimeError(call)

    def of(self, call: str) -> list[Story]:
        return [story for name, story in self.calls if name == call]

    async def initialise(self, story: Story) -> Mapping[str, Any]:
        self._note("initialise", story)
        self.position[story.session] = 1
        return {"position": 1}

    async def state(self, story: Story) -> Mapping[str, Any]:
        self._note("state", story)
        if self.fails == "slow":
            await asyncio.sleep(60)
        if self.fails == "huge":
            return {"x": "y" * 20_000}
        if self.fails == "nan":
            return {"x": float("nan")}
        self.position[story.session] += 1
        return {"position": self.position[story.session], "summary": "learner: hi"}

    async def restore(self, story: Story) -> None:
        self._note("restore", story)
        self.position[story.session] = int((story.kept or {})["position"])

    async def settings(self, story: Story) -> None:
        self._note("settings", story)

    async def finalise(self, story: Story) -> None:
        self._note("finalise", story)
        if self.deck is not None:
            self.ended.append(await self.deck.session(story.session).status())


def faculties(narrator: Teller | None = None, recorder: Recorder | None = None) -> Faculties:
    made = minds_of()
    if narrator is not None:
        made = replace(made, narrator=narrator)
    if recorder is not None:
        made = replace(
            made,
            minds={MindKind.SCRIPTED: recorder},
            refractors={MindKind.SCRIPTED: recorder},
            analysts={AnalysisKind.OFFLINE: recorder},
        )
    return made


async def player(deck: Deck, learner: str = "ana", **settings: Any) -> None:
    """A player with a character ``mira``."""
    await deck.player(learner).create(f"{learner}_1", f"{learner}@example.org")
    character = Character(character_id="mira", name="Mira", background=Background(name="Mira"))
    await deck.player(learner).put_character(character)
    if settings:
        await deck.player(learner).change_settings(PlayerSettings(**settings))


# --- starts ----------------------------------------


async def test_a_start_knows_the_players_characters_worlds_and_settings(stage: Stage) -> None:
    deck = await stage.begun_here(1, minds=minds_of())
    await player(deck, intensity_level=IntensityLevel.LOW)

    # who or what there is not is refused by name, and leaves the learner free
    with pytest.raises(RefusedError) as caught:
        await deck.start_session(learner="ana", character="nobody", world=GARDEN)
    assert (caught.value.reason, caught.value.detail) == ("unknown-character", "nobody")
    with pytest.raises(RefusedError) as caught:
        await deck.start_session(learner="ana", character="mira", world="atlantis")
    assert caught.value.reason == "unknown-world"
    assert GARDEN in caught.value.detail

    # a start that names both is led as the player wants
    session = await deck.start_session(learner="ana", character="mira", world=GARDEN)
    shown = await session.continuity()
    assert (shown.character, shown.world, shown.status) == ("mira", GARDEN, SessionStatus.ACTIVE)
    assert shown.settings.intensity_level < 0.34
    assert shown.narrative == {
        "character": "mira",
        "world": GARDEN,
        "scene": "",
        "position": 0,
        "summary": "",
    }
    await session.end()

    # unless it says otherwise
    session = await deck.start_session(learner="ana", world=GARDEN, settings=HIGH)
    assert (await session.continuity()).settings == HIGH
    await session.end()

    # a character that was let go cannot be played any more
    await deck.player("ana").remove_character("mira")
    with pytest.raises(RefusedError, match="unknown-character"):
        await deck.start_session(learner="ana", character="mira", world=GARDEN)

    # without a profile there are no characters; worlds and plain starts are as before
    with pytest.raises(RefusedError, match="unknown-character"):
        await deck.start_session(learner="ben", character="mira")
    session = await deck.start_session(learner="ben", world=GARDEN)
    assert (await session.continuity()).settings == TherapeuticSettings()
    await session.end()
    plain = await deck.start_session(learner="ben")
    assert (await plain.state()).playing is None


async def test_the_people_of_a_persona_live_in_its_world(stage: Stage) -> None:
    deck = await stage.begun_here(1, minds=minds_of())
    session = await deck.start_session(learner="ana", world=WORLD, cast=[FRIEND])
    reply = await session.say("Hola", to=FRIEND)
    assert reply.text
    assert (await session.state()).talk is not None


# --- interactions ----------------------------------------


async def test_all_that_is_played_survives_a_host_and_no_stale_word_revives_it(
    stage: Stage,
) -> None:
    """Cases ``pause from a second process`` and ``stale manager revives a completed session``."""
    deck = await stage.begun_here(1, minds=minds_of(), flush_s=600.0)
    session = await deck.start_session(learner="ana", world=GARDEN)
    await session.interact(
        intervention="breathing",
        emotional_state={"mood": "calm"},
        variables={"exercise": "breathing"},
        scene="pond",
    )
    marker = ProgressMarker(marker_id="m", marker_type=MarkerType.INSIGHT, therapeutic_value=0.3)
    await session.mark(marker)
    await session.mark(marker)
    await session.note("seems well", author="op")
    await session.change_settings(HIGH)
    before = await session.continuity()

    # when its host dies and another takes over
    await crash(stage.keepers.pop())
    await stage.host("host-1", minds=minds_of(), flush_s=600.0)
    await stage.owned(1)

    # then nothing is missing, and another client pauses it
    other = await stage.deck()
    shown = await other.session(session.id).continuity()
    assert replace(shown, active_ms=0, elapsed_ms=0) == replace(before, active_ms=0, elapsed_ms=0)
    assert shown.markers == (marker,)
    assert shown.interventions == ("breathing",)
    await other.session(session.id).pause()
    assert await session.status() is SessionStatus.PAUSED
    with pytest.raises(RefusedError, match="session-paused"):
        await session.interact()

    # and what was ended by one stays so for the other
    await other.session(session.id).end()
    for attempt in (session.interact(), session.mark(marker), session.change_settings(LOW)):
        with pytest.raises(RefusedError, match="session-ended"):
            await attempt
    assert await session.status() is SessionStatus.COMPLETED


async def test_what_there_is_not_is_refused_by_name(stage: Stage) -> None:
    """Cases ``… without a session`` and ``… of an unknown session``."""
    deck = await stage.begun_here(1)
    nowhere = deck.session("nope")
    marker = ProgressMarker(marker_id="m", marker_type=MarkerType.INSIGHT)
    for attempt in (
        nowhere.pause(),
        nowhere.resume(),
        nowhere.interact(),
        nowhere.mark(marker),
        nowhere.change_settings(LOW),
        nowhere.note("x"),
        nowhere.continuity(),
    ):
        with pytest.raises(RefusedError, match="unknown-session"):
            await attempt


# --- the narrator ----------------------------------------


async def test_the_narrator_is_asked_once_for_each_thing_and_its_word_is_stored(
    stage: Stage,
) -> None:
    teller = Teller()
    deck = await stage.begun_here(1, minds=faculties(teller))
    teller.deck = await stage.deck()
    session = await deck.start_session(learner="ana", world=GARDEN, settings=LOW)
    (begun,) = teller.of("initialise")
    assert (begun.session, begun.learner, begun.world) == (session.id, "ana", GARDEN)
    assert begun.settings == LOW
    assert (await session.continuity()).narrative == {"position": 1}

    # a pause stores where it is, in the checkpoint of the pause itself
    await session.interact(scene="pond")
    step = await session.pause()
    assert [event.kind for event in step.events] == ["session.paused"]
    assert (await session.continuity()).narrative == {"position": 2, "summary": "learner: hi"}
    assert teller.of("state")[0].scene == "pond"

    # what goes on, goes on from there, also where the narrator forgot everything
    teller.position.clear()
    await session.resume()
    await until(lambda: teller.of("restore"))
    assert teller.of("restore")[0].kept == {"position": 2, "summary": "learner: hi"}
    await session.pause()
    assert (await session.continuity()).narrative == {"position": 3, "summary": "learner: hi"}
    await session.resume()

    # other settings reach it
    await session.change_settings(HIGH)
    await until(lambda: teller.of("settings"))
    assert teller.of("settings")[0].settings == HIGH

    # and the end does once it is stored
    await session.end()
    await until(lambda: teller.ended)
    assert teller.ended == [SessionStatus.COMPLETED]
    assert len(teller.of("finalise")) == 1
    assert len(teller.of("initialise")) == 1


async def test_a_plain_session_asks_no_narrator(stage: Stage) -> None:
    teller = Teller()
    deck = await stage.begun_here(1, minds=faculties(teller))
    session = await deck.start_session(learner="ana")
    await session.pause()
    await session.resume()
    await session.end()
    assert teller.calls == []


@pytest.mark.parametrize(
    "fails", ["initialise", "state", "restore", "finalise", "slow", "huge", "nan"]
)
async def test_a_narrator_that_fails_costs_no_session(
    stage: Stage, fails: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The case ``engine failure at start does not prevent the session``, and every other one."""
    monkeypatch.setattr("holodeck.actors.narrating.NARRATOR_S", 0.2)
    teller = Teller()
    teller.fails = fails
    deck = await stage.begun_here(1, minds=faculties(teller))
    session = await deck.start_session(learner="ana", world=GARDEN)
    kept = None if fails == "initialise" else {"position": 1}
    assert (await session.continuity()).narrative == kept
    if fails == "initialise":
        teller.position[session.id] = 0
    await session.pause()
    await session.resume()
    await session.end()
    assert await session.status() is SessionStatus.COMPLETED
    (keeper,) = stage.keepers
    assert keeper.host is not None
    host = keeper.host

    def counted() -> bool:
        sample = next(iter(host.metrics.narrator_failures.collect())).samples[0]
        return sample.value >= 1

    await until(counted)


async def test_after_a_takeover_and_after_sleep_the_narrator_has_it_again(stage: Stage) -> None:
    # given a story at a host that dies
    first, second = Teller(), Teller()
    deck = await stage.begun_here(1, minds=faculties(first), flush_s=600.0)
    session = await deck.start_session(learner="ana", world=GARDEN)
    await session.pause()
    await session.resume()
    await crash(stage.keepers.pop())

    # when another takes over, its narrator is told before anybody asks for anything
    await stage.host("host-1", minds=faculties(second), idle_sleep_s=1.0, flush_s=600.0)
    await stage.owned(1)
    await until(lambda: second.of("restore"))
    assert second.position == {session.id: 2}

    # and again when the session wakes from its sleep
    (keeper,) = stage.keepers
    assert keeper.host is not None
    host = keeper.host
    await until(lambda: session.id in host.asleep)
    second.position.clear()
    await session.interact()
    await until(lambda: second.position)
    assert second.position == {session.id: 2}
    await session.pause()
    assert (await session.continuity()).narrative == {"position": 3, "summary": "learner: hi"}


# --- settings at every mind ----------------------------------------


async def test_settings_reach_every_mind_and_new_ones_from_the_next_turn(stage: Stage) -> None:
    recorder = Recorder()
    deck = await stage.begun_here(1, minds=faculties(recorder=recorder))
    session = await deck.start_session(
        learner="ana", world=WORLD, cast=[FRIEND], analysis="offline", settings=LOW
    )
    await session.greet(FRIEND)
    await session.say("Hola", to=FRIEND)
    await session.refract("I would like a coffee with milk", npc=FRIEND)
    assert recorder.settings == {
        "reply": [LOW, LOW],
        "analyse": [LOW],
        "refract": [LOW],
    }
    await session.change_settings(HIGH)
    await session.say("Un café, por favor", to=FRIEND)
    await session.refract("I would like a coffee with milk", npc=FRIEND)
    assert recorder.settings["reply"][-1] == HIGH
    assert recorder.settings["analyse"][-1] == HIGH
    assert recorder.settings["refract"][-1] == HIGH

    # and a mind that goes on with a story is told what was said
    await session.interact(scene="the bar")
    await session.pause()
    await session.resume()
    await session.say("¿Cuánto es?", to=FRIEND)
    told = recorder.prompts[-1]
    assert told.scene == "the bar"
    assert "learner: Un café, por favor" in told.story


async def test_a_conversation_in_a_personas_world_is_led_as_the_player_wants(stage: Stage) -> None:
    recorder = Recorder()
    deck = await stage.begun_here(1, minds=faculties(recorder=recorder))
    await player(deck, intensity_level=IntensityLevel.LOW, intervention_frequency="minimal")
    session = await deck.start_session(learner="ana", persona=WORLD, cast=[FRIEND])
    await session.say("Hola", to=FRIEND)
    [told] = recorder.settings["reply"]
    assert told is not None
    assert (told.intensity_level, told.intervention_frequency) == (0.3, "minimal")
    assert (await session.continuity()).settings == told
    await session.end()

    # what its start says counts more; who has no profile is led as before
    said = await deck.start_session(learner="ana", persona=WORLD, cast=[FRIEND], settings=HIGH)
    assert (await said.continuity()).settings == HIGH
    plain = await deck.start_session(learner="ben", persona=WORLD, cast=[FRIEND])
    assert (await plain.state()).playing is None


async def test_who_is_put_to_rest_begins_nothing_until_it_says_otherwise(stage: Stage) -> None:
    deck = await stage.begun_here(1, minds=minds_of())
    await player(deck)
    played = await deck.start_session(learner="ana", character="mira", world=GARDEN)
    await deck.player("ana").update(is_active=False)
    await played.interact(scene="pond")  # what is being played goes on
    await played.pause()

    for asked in (
        deck.start_session(learner="ana", character="mira"),
        deck.start_session(learner="ana", world=GARDEN),
        deck.start_session(learner="ana", persona=WORLD),
        deck.start_session(learner="ana"),
        deck.switch("ana", character="mira", world=GARDEN),
        played.resume(),
    ):
        with pytest.raises(RefusedError) as caught:
            await asked
        assert caught.value.reason == "player-inactive"

    await deck.player("ana").update(is_active=True)
    there = await deck.switch("ana", character="mira", world=GARDEN)
    assert there.id == played.id
    assert await there.status() is SessionStatus.ACTIVE


# --- abandonment ----------------------------------------


async def ends(session: Session, reason: EndReason, seconds: float = 15.0) -> None:
    async def ended() -> bool:
        return (await session.state()).end_reason is reason

    await until(ended, seconds, 0.1)


async def test_who_is_left_alone_is_abandoned_active_or_paused_asleep_or_moved(
    stage: Stage,
) -> None:
    deck = await stage.begun_here(1, idle_sleep_s=0.5, flush_s=600.0, abandon_s=4.0)
    active = await deck.start_session(learner="a", session="a")
    paused = await deck.start_session(learner="b", session="b")
    await paused.pause()
    lively = await deck.start_session(learner="c", session="c")
    never = await deck.start_session(learner="d", session="d", abandon_s=0)
    later = await deck.start_session(learner="e", session="e", abandon_s=600)
    agent = await deck.start_session(learner="f", session="f", kind="agent")

    # they fall asleep, and their host dies
    (keeper,) = stage.keepers
    assert keeper.host is not None
    host = keeper.host
    await until(lambda: {"a", "b"} <= set(host.asleep))
    await lively.interact()
    await crash(stage.keepers.pop())
    await stage.host("host-1", idle_sleep_s=0.5, flush_s=600.0, abandon_s=0.0)
    await stage.owned(1)

    # the time goes on, and ends each that was left alone, as it was agreed at its start
    await ends(active, EndReason.ABANDONED)
    await ends(paused, EndReason.ABANDONED)
    for session in (active, paused):
        assert await session.status() is SessionStatus.ABANDONED
        with pytest.raises(RefusedError, match="session-ended"):
            await session.resume()
    for session in (never, later, agent):
        assert await session.status() is SessionStatus.ACTIVE
    await ends(lively, EndReason.ABANDONED)

    # a sleeping question about it is no sign of life, and the learner is free
    again = await deck.start_session(learner="a")
    assert await again.status() is SessionStatus.ACTIVE
