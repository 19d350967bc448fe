"""Cases of a player that nobody has written down: other values, other words, and wrong ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest

from tests.conformance.adapters import ADAPTERS
from tests.conformance.figures import Figure
from tests.conformance.runner import Case, Otherwise, Outcome, Verdict, judged
from tests.conftest import ROOT

Row = tuple[str, Any, Any]


def told(area: str, row: Row) -> Outcome:
    name, given, expected = row
    return judged(Case("cases.json", 1, area, name, given, expected), ADAPTERS)


def rows(cases: dict[str, list[Row]]) -> list[Any]:
    return [
        pytest.param(area, row, id=f"{area}: {row[0]}")
        for area, found in cases.items()
        for row in found
    ]


TRUE: Final[dict[str, list[Row]]] = {
    "models": [
        (
            "breaks",
            {"break_reminder_interval": [4, 5, 60, 61]},
            ["ValueError", "ok", "ok", "error"],
        ),
        ("checks", {"safety_check_frequency": 21}, "ValueError"),
        ("rating", {"rating": [0, 1, 5, 6]}, ["error", "ok", "ok", "error"]),
        ("phones", {"therapist_phone": ["", "123", "+34 699 111 222"]}, ["ok", "error", "ok"]),
        ("stars", {"average_rating": [-0.1, 0, 5, 5.1]}, ["error", "ok", "ok", "error"]),
        ("world pace", {"narrative_pace": "fast"}, "ok"),
        (
            "preferences defaults",
            {},
            {"session_duration_preference": 30, "intensity_level": "medium"},
        ),
        ("session defaults", {}, {"intensity_level": 0.5, "adaptive_difficulty": True}),
        ("player intensity", {"intensity_level": "extreme"}, "ValueError"),
        ("session intensity", {"intensity_level": 2}, "ValueError"),
        ("four", {"add": ["a", "b", "c", "d"]}, "ok"),
        ("seven", {"add": [f"c{n}" for n in range(7)]}, "ValueError on the seventh, five kept"),
        ("another", {"characters": ["c0"], "add": "c1"}, "ok"),
        (
            "the other's stays",
            {"characters": ["a", "b"], "active_sessions": {"a": "s1", "b": "s2"}, "remove": "b"},
            {"active_sessions": {"a": "s1"}},
        ),
        ("owned", {"characters": ["zz"], "set_active_session": ["zz", "s"]}, "ok"),
        ("two", {"set": [["a", "s1"], ["b", "s2"], ["a", "s3"]]}, {"a": "s3", "b": "s2"}),
        ("order", {"add_intervention": ["b", "a", "b", "c"]}, ["b", "a", "c"]),
        ("sorted", {"add": [["a", 3], ["b", 1], ["c", 2]]}, [["b", 1], ["c", 2], ["a", 3]]),
        ("recs", {"recs": ["a", "b expired yesterday", "c expires tomorrow"]}, ["a", "c"]),
        ("clamp", {"update_goal_progress": -5}, 0.0),
        ("weights", {"factors": [[0.5, 1], [1.0, 1], [0.0, 2]]}, {"overall_score": 0.375}),
        ("few highlights", {"added": 7}, {"kept": 7, "first": "newest"}),
        ("many highlights", {"added": 30}, {"kept": 10, "first": "newest"}),
        ("overall", {"momentum": 1.0, "streak": 15}, 0.45),
        ("gap", {"current_streak_days": 4, "gap_days": 1, "update": 1}, 5),
        ("same day", {"current_streak_days": 1, "update_same_day": 3}, 1),
        ("achieve", {"progress_percentage": 65, "achieve": True}, 100),
        ("names", {"name": ["Bo", "B2", "X*51", "Anna-Maria"]}, ["ok", "error", "error", "ok"]),
    ],
    "progress": [
        ("streak", {"days_ago": [0, 1, 2, 5, 6, 7, 8]}, {"current": 3, "longest": 4}),
        ("never", {"days_ago": []}, 0),
        ("momentum", {"markers": 7, "streak": 2, "sessions_this_week": 1}, 0.51),
        ("trend", {"markers": 5, "week": 2, "streak": 2, "risk": 0.9}, "stable"),
        ("levels", {"thresholds": [35, 3]}, [8, 1]),
        ("milestone value", {"title": ["60-Day Engagement Streak"]}, [0.5]),
        ("celebration", {"title": ["25 Sessions Completed"]}, ["progress_milestone"]),
        (
            "seven daily",
            {"daily": 7, "minutes": 40},
            {"milestones include": ["3-Day", "7-Day"], "total_minutes": 280},
        ),
        ("insights", {"daily": 3, "minutes": 35}, {"count": "1..6", "priorities": "ascending"}),
        ("top streak highlight", {"daily": 15}, "once"),
        (
            "two days",
            {"days_ago": [0, 1], "minutes": 20, "skill_acquired": 3},
            {"milestones": ["Skill Builder Level 1"], "momentum": 0.48},
        ),
        (
            "chart",
            {"days": 5, "sessions": {"today": 1, "2 days ago": 3}, "minutes": 10},
            {"buckets": 5, "sessions tail": [3, 0, 1], "minutes tail": [30, 0, 10]},
        ),
        ("times", {"hours": [5, 12, 23]}, ["morning", "afternoon", "evening"]),
        ("range", {"days": [-3, 7, 60, 61]}, [1, 7, 60, 60]),
    ],
    "personalization": [
        ("rating 0", {"rating": 0}, "validation error"),
        ("boring", {"text": "so BORING"}, {"changes": ["increase_engagement", "vary_approaches"]}),
        (
            "two changes",
            {"preference_changes": {"session_duration": 45, "pacing_preference": "slow"}},
            {"changes": ["update_session_duration", "update_pacing_preference"], "approval": True},
        ),
        ("crisis", {"crisis_types": ["self_harm"]}, {"changes include": ["reduce_intensity"]}),
        ("long ago", {"ratings": [1, 1], "days_ago": 8}, []),
        ("no crisis", {"crisis_types": ["a bad mood"]}, "validation error"),
        ("low", {"ratings": [1, 5, 2]}, {"a recommendation title contains": "intensity"}),
        ("stress", {"stress_level": 0.8}, []),
        (
            "combined",
            {
                "progress": [["1", "A", "x", 2]],
                "personal": [["2", "A", "x", 1], ["3", "B", "x", 1], "three more with priority 4"],
            },
            {"ids": ["3", "1"], "length": 5},
        ),
        ("minutes", {"today": [], "yesterday": [20]}, 0),
    ],
    "settings": [
        (
            "humanistic",
            {"intensity": "high", "approach": "HUMANISTIC"},
            {"valid": True, "severity": "warning"},
        ),
        (
            "deaf",
            {"approach": ["DBT"], "crisis_sensitivity": 0.1},
            {"valid": False, "severity": "error", "auto_resolvable": True},
        ),
        ("adaptive", {"pacing": "adaptive", "challenge_tolerance": [0.8, 0.95]}, [0, 0]),
        ("apart", {"avoid_topic": ["x"], "comfort_topic": ["y"]}, {"conflicts": 0}),
        ("mended", {"resolve": "error"}, {"avoid_topics": [], "version": "+1"}),
        ("floats", {"intensity": [0, 0.5, 1, 1.5]}, ["low", "medium", "high", "error"]),
        ("no such pace", {"pacing": "warp"}, "ValueError"),
    ],
    "profile": [
        ("user names", {"username": ["abc", "a*50", "ünï", "a.b"]}, ["ok", "ok", "error", "error"]),
        ("one mail", {"email": "x@y.org"}, "ok"),
        ("free name on create", {"username_exists": False}, "ok"),
        (
            "stranger with sharing",
            {"progress_sharing_enabled": True, "accessor": "other"},
            {"email": "masked", "progress_summary": "visible", "active_sessions": {}},
        ),
        (
            "owner",
            {"progress_sharing_enabled": False, "accessor": "owner"},
            {"email": "visible", "therapeutic_preferences": "visible"},
        ),
        ("owner and crisis contacts", {"consent": True, "accessor": "owner"}, "visible"),
        ("export by its owner", {"consent": True, "accessor": "owner"}, "ok"),
        ("delete by a stranger", {"accessor": "other"}, "access restricted"),
    ],
}


@pytest.mark.parametrize(("area", "row"), rows(TRUE))
def test_what_is_so_passes(area: str, row: Row) -> None:
    found = told(area, row)
    assert found.verdict is Verdict.PASSED, found.why


FALSE: Final[dict[str, list[Row]]] = {
    "models": [
        ("fifth", {"add": [f"c{n}" for n in range(6)]}, "ValueError on the fifth, five kept"),
        ("four kept", {"add": [f"c{n}" for n in range(6)]}, "ValueError on the sixth, four kept"),
        ("bounds", {"session_duration_preference": [9, 10]}, ["ok", "ok"]),
        ("defaults of privacy", {}, {"data_collection_consent": False}),
        ("oldest first", {"added": 12}, {"kept": 10, "first": "oldest"}),
        ("gap", {"current_streak_days": 4, "gap_days": 2, "update": 1}, 5),
    ],
    "progress": [
        ("no such title", {"daily": 2, "minutes": 40}, {"milestones include": ["3-Day"]}),
        ("too many", {"daily": 3, "minutes": 35}, {"count": "7..9"}),
        ("top streak highlight", {"daily": 15}, "twice"),
        ("again", {"detect": 2}, "second call returns some"),
        ("next milestone", {"title": ["Skill Builder Level 2"]}, ["Skill Builder Level 5"]),
        (
            "a wrong figure beside a decision",
            {"days_ago": [0, 1, 2], "minutes": 30},
            {"milestones": ["3-Day Engagement Streak"], "momentum": 0.9},
        ),
    ],
    "personalization": [
        ("rating", {"rating": 5}, {"changes": ["reduce_intensity"]}),
        ("stress", {"stress_level": 0.81}, []),
    ],
    "settings": [
        ("high", {"intensity": "high", "approach": "MINDFULNESS"}, {"valid": False}),
        ("mended", {"resolve": "critical"}, {"version": "+2"}),
    ],
    "profile": [
        ("stranger", {"data_collection_consent": False, "accessor": "other"}, "full profile"),
        ("contacts, stranger: crisis contacts", {"consent": True, "accessor": "other"}, "visible"),
        (
            "stranger",
            {"progress_sharing_enabled": False, "accessor": "other"},
            {"progress_summary": "visible"},
        ),
    ],
}


@pytest.mark.parametrize(("area", "row"), rows(FALSE))
def test_what_is_not_so_fails(area: str, row: Row) -> None:
    assert told(area, row).verdict is Verdict.FAILED


@pytest.mark.parametrize("area", list(TRUE))
@pytest.mark.parametrize("given", [{"weather": "fine"}, [], "text", {"weather": 1, "rating": 5}])
def test_an_input_of_another_shape_is_unknown(area: str, given: Any) -> None:
    found = told(area, ("some", given, "ok"))
    assert found.verdict is Verdict.FAILED
    assert "unknown shape" in found.why


DECIDED: Final[dict[str, list[Row]]] = {
    "models": [
        ("words", {"intensity_level": "low"}, "ValueError"),
        ("priority", {"priority": [0, 3]}, ["ValueError", "ok"]),
        ("momentum", {"therapeutic_momentum": -0.1}, "ValueError"),
        ("risk", {"dropout_risk_score": 1.1}, "ValueError"),
        ("duration", {"duration_minutes": -20}, "ValueError"),
        ("again", {"add": [["a", 1], ["a", 4]]}, [["a", 4]]),
        ("ticks", {"required": ["a"], "complete": ["a"]}, {"is_achieved": True}),
        ("alert", {"trigger_crisis_alert": {}}, {"resolved": False}),
    ],
    "progress": [
        ("next milestone", {"title": ["30-Day Engagement Streak"]}, [None]),
        (
            "minutes beside the others",
            {"days_ago": [0, 1, 2], "minutes": 30},
            {"milestones": ["3-Day Engagement Streak"], "total_sessions": 3},
        ),
    ],
    "profile": [
        (
            "shared, a stranger",
            {"progress_sharing_enabled": True, "accessor": "other"},
            {"email": "visible"},
        ),
        ("delete of nobody", {"player": "nobody"}, False),
        ("audit", {"ops": ["create", "delete"]}, {"last entry": "DELETE"}),
    ],
}


@pytest.mark.parametrize(("area", "row"), rows(DECIDED))
def test_what_was_decided_otherwise_is_excepted_and_names_its_place(area: str, row: Row) -> None:
    found = told(area, row)
    assert found.verdict is Verdict.EXCEPTED, found.why
    assert any(path.name in found.why for path in Path(ROOT, "docs").glob("*.md"))


def test_a_decision_that_does_not_hold_is_a_failure() -> None:
    case = Case("cases.json", 1, "a", "b", {}, {"x": 1, "y": 2})
    found = judged(
        case, {"a": (lambda _: Otherwise({"x": 3, "y": 9}, {"x": 3, "y": 2}, "d", "r"),)}
    )
    assert found.verdict is Verdict.FAILED


@pytest.mark.parametrize(
    ("words", "true", "false"),
    [
        ("1..6", 3, 7),
        (">1", 2, 1),
        (">=4", 4, 3),
        ("+1", 1, 0),
        ("none", 0, 1),
        ("five", 5, 6),
        ("at most two", 1, 3),
        ("twice", 2, 1),
    ],
)
def test_a_number_in_words(words: str, true: int, false: int) -> None:
    assert Figure(true).says(words)
    assert not Figure(false).says(words)
    assert not Figure(true).says("blue")
