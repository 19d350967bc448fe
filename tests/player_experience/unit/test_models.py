"""Shapes that belong to no one rule: ids, markers, what a session of a player begins with."""

from __future__ import annotations

from typing import Any, cast

import pytest
from pydantic import ValidationError

from holodeck.deck import Deck
from holodeck.messages.envelope import ReadPlayer
from holodeck.messages.errors import InvalidId
from holodeck.messages.player import MarkerType, ProgressMarker, SafetyFinding
from holodeck.messages.session import StartSession
from holodeck.player import Player
from tests.player_experience.unit.plays import NOW, five_daily

NOWHERE = cast(Deck, None)
"""Nothing is sent: a wrong id is noticed before."""


@pytest.mark.parametrize("identity", ["", " ", "a b", "a.b", "-a", "x" * 65])
def test_a_player_has_an_id_that_can_stand_in_a_subject(identity: str) -> None:
    with pytest.raises(InvalidId):
        Player(NOWHERE, identity)
    assert Player(NOWHERE, "ana").id == "ana"


@pytest.mark.parametrize("value", [-0.1, 0.0, 1.0, 1.1])
def test_what_a_marker_is_worth_lies_between_nothing_and_all(value: float) -> None:
    told: dict[str, Any] = {
        "marker_id": "m",
        "marker_type": MarkerType.INSIGHT,
        "therapeutic_value": value,
    }
    if 0 <= value <= 1:
        assert ProgressMarker(**told).therapeutic_value == value
        return
    with pytest.raises(ValidationError, match="therapeutic_value"):
        ProgressMarker(**told)


@pytest.mark.parametrize("told", [{"marker_type": "joy"}, {"marker_id": " "}])
def test_a_marker_has_an_id_and_one_of_the_types(told: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ProgressMarker(**{"marker_id": "m", "marker_type": "insight", **told})


@pytest.mark.parametrize("name", ["learner", "character", "world"])
def test_who_plays_as_whom_and_where_is_left_out_or_named_and_never_empty(name: str) -> None:
    ids = {"learner": "ana", "character": "mira", "world": "world_mindfulness_garden"}
    assert StartSession(**ids).character == "mira"  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match=name):
        StartSession(**(ids | {name: ""}))  # type: ignore[arg-type]


def test_a_finding_names_what_it_found() -> None:
    with pytest.raises(ValidationError, match="types"):
        SafetyFinding(types=(), confidence=0.5)


@pytest.mark.parametrize(
    "told", [{"days": 0}, {"days": 367}, {"limit": 0}, {"limit": 501}, {"role": "boss"}]
)
def test_a_look_has_its_limits(told: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ReadPlayer(view="profile", at=0, **told)


def test_a_milestone_that_was_reached_has_a_date_and_stands_at_its_whole() -> None:
    life = five_daily()
    assert life.owe()
    achieved = life.view("milestones")["achieved"]
    assert achieved
    assert all(one["progress"] == 1.0 and one["achieved_at"] == NOW for one in achieved)
