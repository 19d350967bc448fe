"""Who sees what of a player."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holodeck.actors.learner.player.reading import VIEWS, Standing
from holodeck.actors.learner.player.state import ACCESSES
from holodeck.actors.learner.player.views import MASKED
from holodeck.messages.codec import pack, unpack
from holodeck.messages.player import (
    CrisisContact,
    IntensityLevel,
    PrivacySettings,
    PutCharacter,
    RecordAccess,
    RemoveCharacter,
    TherapeuticPreferences,
    UpdatePlayer,
)
from holodeck.messages.session import SessionKind, SessionStarted
from tests.player_experience.unit.folk import Folk, character

laws = settings(max_examples=60, deadline=None)

MARK = "zq7"
"""Stands in everything that is the player's own business."""
CONTACT = CrisisContact(
    primary_contact_name=f"{MARK} Marta",
    primary_contact_phone="+34 699 111 222",
    therapist_name=f"{MARK} Dr. Puig",
    therapist_phone="0034 93 555 44 33",
    crisis_hotline_preference=f"{MARK} 024",
    emergency_instructions=f"{MARK} Call Marta first.",
)
PREFERENCES = TherapeuticPreferences(
    intensity_level=IntensityLevel.LOW,
    trigger_warnings=(f"{MARK} storms",),
    comfort_topics=(f"{MARK} the sea",),
    avoid_topics=(f"{MARK} war",),
    crisis_contact_info=CONTACT,
)
PHONES = ("699 111 222", "93 555 44 33")


def ana(**privacy: Any) -> Folk:
    folk = Folk.made(
        email=f"{MARK}@example.org",
        time_zone="Europe/Madrid",
        preferences=PREFERENCES,
        privacy=PrivacySettings(**privacy),
    )
    folk.does(UpdatePlayer(delegates=("dora",)))
    mine = character("mira", "Mira", backstory=f"{MARK} kept the light")
    folk.does(PutCharacter(character=mine))
    folk.hears(
        "sess_1",
        SessionStarted(session_kind=SessionKind.CONVERSATION, learner="ana", character="mira"),
    )
    return folk


def text(told: Any) -> str:
    return json.dumps(told, default=str)


# --- the profile ----------------------------------------


@pytest.mark.parametrize("asks", [{}, {"viewer": "ana"}])
def test_the_owner_sees_all_of_it(asks: dict[str, Any]) -> None:
    told = ana().view("profile", **asks)
    assert told["seen_as"] == "owner"
    assert told["email"] == f"{MARK}@example.org"
    assert told["therapeutic_preferences"] == PREFERENCES.model_dump(mode="json")
    assert told["privacy_settings"]["data_collection_consent"] is True
    assert told["delegates"] == ["dora"]
    assert told["active_sessions"] == {"mira": "sess_1"}
    assert told["progress_summary"]["engagement"]["total_sessions"] == 1
    assert told["last_login"] == told["updated_at"] or told["last_login"]


def test_a_delegate_sees_progress_and_neither_mail_nor_crisis_contacts() -> None:
    told = ana().view("profile", "dora")
    assert told["seen_as"] == "delegate"
    assert told["email"] == MASKED
    assert told["progress_summary"]["engagement"]["total_sessions"] == 1
    assert told["active_sessions"] == {"mira": "sess_1"}
    assert told["therapeutic_preferences"]["trigger_warnings"] == [f"{MARK} storms"]
    assert "crisis_contact_info" not in told["therapeutic_preferences"]
    assert told["privacy_settings"] is None
    assert told["delegates"] is None


@pytest.mark.parametrize(
    "asks",
    [{"viewer": "ben"}, {"role": "operator"}, {"role": "reader"}, {"role": "learner"}],
)
def test_a_stranger_sees_a_masked_profile(asks: dict[str, Any]) -> None:
    told = ana().view("profile", **asks)
    assert told["seen_as"] == "stranger"
    assert (told["email"], told["time_zone"]) == (MASKED, None)
    assert (told["active_sessions"], told["progress_summary"]) == ({}, {})
    assert told["characters"] == [{"character_id": "mira", "name": "Mira", "is_active": True}]
    assert told["therapeutic_preferences"] == {
        "intensity_level": "low",
        "preferred_approaches": [],
        "session_duration_preference": 30,
        "reminder_frequency": "weekly",
    }


@pytest.mark.parametrize("asks", [{"viewer": "ben"}, {"role": "operator"}])
def test_a_stranger_must_not_read_crisis_contacts(asks: dict[str, Any]) -> None:
    told = text(ana(progress_sharing_enabled=True).view("profile", **asks))
    assert MARK not in told
    assert not any(phone in told for phone in PHONES)


def test_a_stranger_sees_progress_only_where_it_is_shared() -> None:
    assert ana().view("profile", "ben")["progress_summary"] == {}
    shared = ana(progress_sharing_enabled=True).view("profile", "ben")
    assert shared["progress_summary"]["engagement"]
    assert ana().hides("progress", "ben") == "access-restricted"
    assert ana(progress_sharing_enabled=True).view("progress", "ben")


@pytest.mark.parametrize(("collected", "seen"), [(True, True), (False, False)])
def test_a_stranger_sees_the_last_visit_only_while_usage_statistics_are_kept(
    collected: bool, seen: bool
) -> None:
    folk = ana(collect_usage_statistics=collected)
    assert (folk.view("profile", "ben")["last_login"] is not None) is seen
    assert folk.view("profile", "dora")["last_login"] is not None
    assert folk.view("profile")["last_login"] is not None


def test_a_stranger_does_not_see_whom_the_player_plays_no_more() -> None:
    folk = ana()
    folk.does(RemoveCharacter(character="mira"))
    assert folk.view("profile", "ben")["characters"] == []
    assert folk.view("profile")["characters"] == [
        {"character_id": "mira", "name": "Mira", "is_active": False}
    ]


# --- consent ----------------------------------------


@pytest.mark.parametrize("view", sorted(VIEWS))
@pytest.mark.parametrize("asks", [{"viewer": "ben"}, {"role": "operator"}, {"role": "reader"}])
def test_without_consent_a_stranger_sees_nothing(view: str, asks: dict[str, Any]) -> None:
    folk = ana(data_collection_consent=False, progress_sharing_enabled=True)
    more = {"character": "mira", "world": "barcelona-cafe"}
    assert folk.hides(view, **asks, **more) == "access-restricted"


def test_without_consent_the_owner_sees_its_profile() -> None:
    folk = ana(data_collection_consent=False)
    assert folk.view("profile")["email"] == f"{MARK}@example.org"
    assert folk.view("profile", "dora")["seen_as"] == "delegate"


@pytest.mark.parametrize("view", ["settings", "characters", "compatibility"])
def test_what_is_the_players_and_its_delegates_no_stranger_sees(view: str) -> None:
    folk = ana(progress_sharing_enabled=True)
    more = {"character": "mira", "world": "barcelona-cafe"}
    assert folk.view(view, **more)
    assert folk.view(view, "dora", **more)
    assert folk.hides(view, "ben", **more) == "access-restricted"
    assert folk.hides(view, role="operator", **more) == "access-restricted"


def test_a_delegate_who_is_one_no_more_is_a_stranger() -> None:
    folk = ana()
    folk.does(UpdatePlayer(delegates=()))
    assert folk.view("profile", "dora")["seen_as"] == "stranger"


# --- who looked ----------------------------------------


def test_the_owner_alone_reads_who_looked_in_order() -> None:
    folk = ana()
    folk.does(RecordAccess(by="ben", role="stranger", what="profile"))
    folk.does(RecordAccess(by="dora", role="delegate", what="dashboard"))
    told = folk.view("access-log")["accesses"]
    assert [(one["by"], one["role"], one["what"]) for one in told] == [
        ("ben", "stranger", "profile"),
        ("dora", "delegate", "dashboard"),
    ]
    assert told[0]["at"] < told[1]["at"]
    for asks in ({"viewer": "ben"}, {"viewer": "dora"}, {"role": "operator"}):
        assert folk.hides("access-log", **asks) == "access-restricted"


def test_the_last_hundred_looks_are_kept() -> None:
    folk = ana()
    for n in range(ACCESSES + 7):
        folk.does(RecordAccess(by=f"b{n}", role="stranger", what="profile"))
    told = folk.view("access-log")["accesses"]
    assert len(told) == ACCESSES
    assert told[0]["by"] == "b7"


# --- who is not there ----------------------------------------


def test_of_a_learner_without_a_profile_only_it_is_told_so() -> None:
    bare = Folk()
    assert bare.hides("profile") == "unknown-player"
    assert bare.hides("settings") == "unknown-player"
    assert bare.hides("profile", role="operator") == "unknown-player"
    assert bare.hides("profile", "ben") == "access-restricted"
    assert bare.view("progress")


def test_a_view_there_is_not_is_refused() -> None:
    assert ana().hides("secrets") == "unknown-view"


# --- whatever is said ----------------------------------------

WORDS = st.text("abc ", min_size=1, max_size=6).map(lambda word: f"{MARK}{word}x")
WHOM = st.text("abc ", min_size=1, max_size=6).map(lambda word: f"qz8{word}x")
CONTACTS = st.builds(
    CrisisContact,
    primary_contact_name=WHOM,
    therapist_name=WHOM,
    emergency_instructions=WHOM,
    crisis_hotline_preference=WHOM,
)
PRIVATE = st.builds(
    TherapeuticPreferences,
    trigger_warnings=st.lists(WORDS, max_size=3).map(tuple),
    comfort_topics=st.lists(WORDS, max_size=3).map(tuple),
    avoid_topics=st.lists(WORDS, max_size=3).map(tuple),
    crisis_contact_info=st.none() | CONTACTS,
)
PRIVACY = st.builds(
    PrivacySettings,
    data_collection_consent=st.booleans(),
    progress_sharing_enabled=st.booleans(),
    collect_usage_statistics=st.booleans(),
)


@laws
@given(PRIVATE, PRIVACY, st.sampled_from(sorted(VIEWS)), st.sampled_from(["ben", "dora", ""]))
def test_no_view_lets_out_what_is_not_for_who_asks(
    preferences: TherapeuticPreferences, privacy: PrivacySettings, view: str, viewer: str
) -> None:
    folk = Folk.made(email=f"{MARK}@mail.example", preferences=preferences, privacy=privacy)
    folk.does(UpdatePlayer(delegates=("dora",)))
    mine = character("mira", "Mira", backstory=f"{MARK} story")
    folk.does(PutCharacter(character=mine))
    more: dict[str, Any] = {"character": "mira", "world": "world_anxiety_sanctuary"}
    asks: dict[str, Any] = {"viewer": viewer} if viewer else {"role": "operator"}
    seen = VIEWS[view].seen_by
    who = Standing.DELEGATE if viewer == "dora" else Standing.STRANGER
    shared = VIEWS[view].shared and privacy.progress_sharing_enabled
    if who is Standing.STRANGER and not privacy.data_collection_consent:
        assert folk.hides(view, **asks, **more) == "access-restricted"
        return
    if who not in seen and not (who is Standing.STRANGER and shared):
        assert folk.hides(view, **asks, **more) == "access-restricted"
        return
    told = folk.view(view, **asks, **more)
    assert unpack(pack(told)) == told
    said = text(told)
    assert "mail.example" not in said
    contact = preferences.crisis_contact_info
    for private in contact.model_dump().values() if contact is not None else ():
        assert not private or private not in said
    if who is Standing.STRANGER:
        assert MARK not in said
        assert "qz8" not in said


@laws
@given(st.sampled_from(sorted(VIEWS)))
def test_looking_changes_nothing(view: str) -> None:
    folk = ana()
    before = folk.state.copy()
    folk.view(view, character="mira", world="barcelona-cafe")
    assert folk.state == before
