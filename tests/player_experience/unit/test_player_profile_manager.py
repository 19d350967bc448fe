"""A player's profile: made once, changed by its owner, kept as what was said of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from holodeck.actors.decider import Moment
from holodeck.actors.learner import learner
from holodeck.actors.learner.decider import LEARNER_STATE
from holodeck.actors.learner.player.deciding import CHANGES, DECIDES
from holodeck.actors.learner.player.state import DISMISSED
from holodeck.messages.base import MAX_MESSAGE, MAX_STATE
from holodeck.messages.codec import encode_checkpoint, pack, unpack
from holodeck.messages.errors import RefusedError
from holodeck.messages.learner import ClaimLearner
from holodeck.messages.player import (
    ChangePlayerSettings,
    CreatePlayer,
    CustomizeWorld,
    DismissRecommendation,
    GiveFeedback,
    Goal,
    PlayerCommand,
    PlayerCreated,
    PlayerEvent,
    PlayerSettings,
    PlayerUpdated,
    PrivacySettings,
    ProgressGoal,
    PutCharacter,
    RecordAccess,
    RemoveCharacter,
    TherapeuticPreferences,
    TherapeuticProfile,
    UpdatePlayer,
    WorldParameters,
)
from tests.messages.strategies import any_of, instances, kind_of, members
from tests.player_experience.unit.folk import Folk, character

laws = settings(max_examples=60, deadline=None)
MANY = tuple(f"{n:02}".ljust(200, "é") for n in range(50))
HUGE = TherapeuticPreferences(avoid_topics=MANY)


# --- at rest ----------------------------------------


def test_who_is_put_to_rest_takes_no_new_claim_and_keeps_the_one_it_has() -> None:
    folk = Folk.made()
    folk.does(ClaimLearner(session="before"))
    folk.does(UpdatePlayer(is_active=False))
    assert folk.does(ClaimLearner(session="before")) != ()
    number = folk.sequence
    assert folk.refuses(ClaimLearner(session="next", void=number)).reason == "player-inactive"
    folk.does(UpdatePlayer(is_active=True))
    assert folk.does(ClaimLearner(session="next", void=number)) != ()


# --- names, addresses, zones ----------------------------------------


@pytest.mark.parametrize(
    ("username", "sound"),
    [
        ("ab", False),
        ("", False),
        ("user@name", False),
        ("user name", False),
        ("a" * 51, False),
        ("ok_-9", True),
        ("abc", True),
        ("a" * 50, True),
        ("névé", False),
        ("abc\n", False),
    ],
)
def test_a_user_name_has_three_to_fifty_plain_characters(username: str, sound: bool) -> None:
    told: dict[str, Any] = {"username": username, "email": "a@b.co"}
    if sound:
        assert CreatePlayer(**told).username == username
        return
    with pytest.raises(ValidationError, match="username"):
        CreatePlayer(**told)
    with pytest.raises(ValidationError, match="username"):
        UpdatePlayer(username=username)


@pytest.mark.parametrize(
    ("email", "sound"),
    [
        ("", False),
        ("invalid", False),
        ("invalid_email", False),
        ("invalid@", False),
        ("@invalid.com", False),
        ("invalid.com", False),
        ("a@b.c", False),
        ("a@b.co", True),
        ("a" * 250 + "@b.co", False),
    ],
)
def test_a_mail_address_has_a_name_a_domain_and_an_end(email: str, sound: bool) -> None:
    if sound:
        assert CreatePlayer(username="ana", email=email).email == email
        return
    with pytest.raises(ValidationError, match="email"):
        CreatePlayer(username="ana", email=email)


@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "+02:00", "../etc/passwd"])
def test_a_time_zone_is_one_there_is(zone: str) -> None:
    with pytest.raises(ValidationError, match="zone"):
        CreatePlayer(username="ana", email="a@b.co", time_zone=zone)


@pytest.mark.parametrize("phone", ["123", "call me", "+34-600"])
def test_a_phone_number_has_ten_digits_or_signs(phone: str) -> None:
    with pytest.raises(ValidationError, match="phone"):
        TherapeuticPreferences.model_validate(
            {"crisis_contact_info": {"primary_contact_phone": phone}}
        )


# --- making and changing ----------------------------------------


def test_a_profile_is_made_once() -> None:
    ana = Folk()
    make = CreatePlayer(username="Ana_1", email="ana@example.org", time_zone="Europe/Madrid")
    assert ana.does(make) == (
        PlayerCreated(username="Ana_1", email="ana@example.org", time_zone="Europe/Madrid"),
    )
    assert (ana.player.created_at, ana.player.is_active) == (ana.at, True)
    refused = ana.refuses(make)
    assert refused.reason == "player-exists"
    assert "already exists" in refused.detail


def test_what_is_left_out_of_an_update_stays() -> None:
    ana = Folk.made(time_zone="Asia/Tokyo")
    events = ana.does(UpdatePlayer(email="new@example.org", is_active=False))
    assert events == (PlayerUpdated(email="new@example.org", is_active=False),)
    player = ana.player
    assert (player.username, player.time_zone) == ("Ana_1", "Asia/Tokyo")
    assert (player.email, player.is_active) == ("new@example.org", False)
    assert player.updated_at == ana.at > player.created_at


def test_an_update_that_says_nothing_new_leads_to_nothing() -> None:
    ana = Folk.made()
    assert ana.does(UpdatePlayer()) == ()
    assert ana.does(UpdatePlayer(username="Ana_1", privacy=PrivacySettings())) == ()


def test_delegates_are_each_named_once_and_never_the_player_itself() -> None:
    ana = Folk.made()
    ana.does(UpdatePlayer(delegates=("ben", "dora", "ben", "ana")))
    assert ana.player.delegates == ("ben", "dora")
    with pytest.raises(ValidationError, match="delegates"):
        UpdatePlayer(delegates=tuple(f"d{n}" for n in range(17)))
    (event,) = ana.does(UpdatePlayer(delegates=()))
    assert event.delegates == ()
    assert not ana.player.delegates


@pytest.mark.parametrize("name", ["player_id", "created_at", "characters", "settings"])
def test_no_update_has_a_word_for_what_never_changes(name: str) -> None:
    told: dict[str, Any] = {name: "x"}
    with pytest.raises(ValidationError, match=name):
        UpdatePlayer(**told)


def test_a_learner_without_a_profile_has_nothing_to_change() -> None:
    for command in (
        UpdatePlayer(email="a@b.co"),
        RecordAccess(by="ben", role="stranger", what="profile"),
        DismissRecommendation(recommendation="r"),
        RemoveCharacter(character="c"),
    ):
        assert Folk().refuses(command).reason == "unknown-player"


def test_a_recommendation_is_dismissed_once_and_the_last_hundred_are_known() -> None:
    ana = Folk.made()
    assert ana.does(DismissRecommendation(recommendation="r0"))
    assert ana.does(DismissRecommendation(recommendation="r0")) == ()
    for n in range(1, DISMISSED + 5):
        ana.does(DismissRecommendation(recommendation=f"r{n}"))
    assert len(ana.player.dismissed) == DISMISSED
    assert ana.player.dismissed[-1] == f"r{DISMISSED + 4}"


def test_the_player_looking_at_itself_is_no_access_of_others() -> None:
    ana = Folk.made()
    assert ana.does(RecordAccess(by="ana", role="stranger", what="profile")) == ()


# --- the tables ----------------------------------------


def test_every_command_of_a_player_is_decided_somewhere() -> None:
    erased_by_the_learner = {"erase-learner"}
    missing = {kind_of(one) for one in members(PlayerCommand) if one not in DECIDES}
    assert missing <= erased_by_the_learner


def test_every_event_of_a_player_is_folded() -> None:
    missing = {kind_of(one) for one in members(PlayerEvent) if one not in learner.changes}
    assert missing == set()
    assert set(CHANGES) <= set(learner.changes)


# --- laws ----------------------------------------

COMMANDS = (
    UpdatePlayer,
    ChangePlayerSettings,
    PutCharacter,
    ProgressGoal,
    RemoveCharacter,
    CustomizeWorld,
    GiveFeedback,
    DismissRecommendation,
    RecordAccess,
)


@laws
@given(instances(CreatePlayer), st.lists(any_of(COMMANDS), max_size=6))
def test_the_state_is_the_fold_of_its_events(make: CreatePlayer, said: list[Any]) -> None:
    folk, stored = Folk(), []
    for command in (make, *said):
        before = folk.state.copy()
        try:
            events = tuple(learner.decide(folk.state, command, folk.at))
        except RefusedError:
            assert folk.state == before
            continue
        assert folk.state == before
        if events:
            assert len(encode_checkpoint(folk.at, events)) <= 4 * MAX_MESSAGE
            folk.hears("ana", *events)
            stored.append(events)
    assert _told(stored, folk.at) == folk.state
    back = LEARNER_STATE.validate_python(unpack(pack(LEARNER_STATE.dump_python(folk.state))))
    assert back == folk.state


def _told(stored: Sequence[tuple[Any, ...]], at: int) -> Any:
    state = learner.initial
    for n, events in enumerate(stored, 1):
        state = learner.fold(state, events, Moment(n, at, "ana", "ana"))
    return state


@laws
@given(instances(CreatePlayer), st.lists(any_of(COMMANDS), max_size=4), any_of(COMMANDS))
def test_a_command_that_was_obeyed_is_harmless_when_said_again(
    make: CreatePlayer, said: list[Any], command: Any
) -> None:
    folk = Folk()
    folk.does(make)
    for one in said:
        try:
            folk.does(one)
        except RefusedError:
            continue
    try:
        folk.does(command)
    except RefusedError:
        return
    before, refused = folk.state.copy(), list[str]()
    if isinstance(command, PutCharacter | ChangePlayerSettings):
        # What counts on how things stood is refused, unless it said that it does not.
        try:
            assert learner.decide(folk.state, command, folk.at) == ()
        except RefusedError as error:
            refused.append(error.reason)
        assert set(refused) <= {"settings-version", "character-exists"}
    else:
        again = learner.decide(folk.state, command, folk.at)
        assert not again or isinstance(command, RecordAccess)
    assert folk.state == before


def test_whatever_is_said_a_player_is_small_enough_to_travel_whole() -> None:
    """The largest of everything, in letters of four bytes, again and again."""
    wide = "\N{GRINNING FACE}"
    topics = tuple(f"{n:02}{wide * 198}" for n in range(19))
    few = topics[:9]
    folk = Folk()
    large = TherapeuticPreferences(trigger_warnings=few, comfort_topics=few[:8])
    folk.does(CreatePlayer(username="a" * 50, email="a@b.co", preferences=large))
    folk.does(UpdatePlayer(delegates=tuple(f"d{n}".ljust(64, "x") for n in range(16))))
    folk.does(
        ChangePlayerSettings(settings=PlayerSettings(avoid_topics=topics, comfort_topics=few))
    )
    goals = tuple(
        Goal(goal_id=f"g{n}", description=wide * 500, milestones=topics[:10]) for n in range(3)
    )
    profile = TherapeuticProfile(therapeutic_goals=goals)
    for n in range(2):
        one = character(f"c{n}", "Al", profile=profile, backstory=wide * 2000)
        folk.does(PutCharacter(character=one))
    for n in range(12):
        folk.does(PutCharacter(character=character(f"x{n}", "Al", backstory=wide * 2000)))
        folk.does(RemoveCharacter(character=f"x{n}"))
    parameters = WorldParameters(focus_areas=few, avoid_topics=few)
    for n in range(60):
        world = CustomizeWorld(character="c1", world=f"w{n}", parameters=parameters)
        folk.does(world)
    wanted = json.dumps({"trigger_warnings": [wide * 120]}, ensure_ascii=False)
    for n in range(70):
        folk.does(GiveFeedback(feedback_id=f"{n}{wide * 198}"[:200], text=wide * 4000))
        if n < 8:
            folk.does(GiveFeedback(feedback_id=f"p{n}", preference_changes=wanted))
    for n in range(110):
        folk.does(DismissRecommendation(recommendation=f"{n}{wide * 190}"))
        folk.does(RecordAccess(by=f"b{n}".ljust(64, "x"), role="stranger", what=wide * 200))
    assert sum(one.waits for one in folk.player.feedback) == 8
    refused = folk.refuses(GiveFeedback(feedback_id="p9", preference_changes=wanted))
    assert refused.reason == "too-many-changes"
    assert len(folk.player.accesses) == 100
    whole = len(pack(LEARNER_STATE.dump_python(folk.state)))
    assert 150_000 < whole < MAX_STATE // 2


@pytest.mark.parametrize(
    "command",
    [
        CreatePlayer(username="ana", email="a@b.co", preferences=HUGE),
        UpdatePlayer(preferences=HUGE),
        ChangePlayerSettings(settings=PlayerSettings(avoid_topics=MANY, trigger_warnings=MANY)),
        CustomizeWorld(
            character="al",
            world="w",
            parameters=WorldParameters(focus_areas=MANY, avoid_topics=MANY),
        ),
    ],
    ids=lambda command: command.kind,
)
def test_what_is_too_large_to_be_kept_is_refused(command: Any) -> None:
    folk = Folk() if isinstance(command, CreatePlayer) else Folk.made()
    if not isinstance(command, CreatePlayer):
        folk.does(PutCharacter(character=character("al", "Al")))
    assert folk.refuses(command).reason == "too-large"


@laws
@given(st.lists(any_of(tuple(members(PlayerEvent))), max_size=8))
def test_the_fold_takes_whatever_comes(events: list[Any]) -> None:
    """Also what no decision would bring forth: an older or newer program may have written it."""
    state = learner.initial
    for n, event in enumerate(events, 1):
        state = learner.fold(state, (event,), Moment(n, n * 1000, "ana", "ana"))
    assert LEARNER_STATE.validate_python(LEARNER_STATE.dump_python(state)) == state
