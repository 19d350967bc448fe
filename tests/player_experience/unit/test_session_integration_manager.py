"""The life of a played session, decided without a runtime: status, play, continuity, abandonment.

Cases of area ``lifecycle`` in the table of docs/sessions-at-play.md name their tests here.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holodeck.actors.session import STATE, Phase, SessionState, next_deadline
from holodeck.actors.session.playing.state import (
    EMOTIONS,
    FLAGS,
    INTERVENTIONS,
    MAX_OBJECT,
    NOTES,
    NOTES_WEIGHT,
    merged,
)
from holodeck.actors.session.playing.view import continuity, status_of
from holodeck.messages.codec import pack, unpack
from holodeck.messages.errors import RefusedError
from holodeck.messages.player import (
    AddMarker,
    AddNote,
    ChangeSettings,
    CrisisType,
    FlagSafety,
    Interact,
    MarkerType,
    ProgressMarker,
    SafetyFinding,
    SafetyFlagged,
    SessionInteracted,
    SessionStatus,
    TherapeuticSettings,
)
from holodeck.messages.session import (
    AddTask,
    CompleteTask,
    End,
    EndReason,
    MindKind,
    NpcReply,
    Outcome,
    Pause,
    Resume,
    SessionKind,
    StartSession,
    TakeTurn,
    TimerFired,
)
from tests.actors.session.stories import Story, story, turn

FINDING = SafetyFinding(types=(CrisisType.SUICIDAL_IDEATION,), confidence=0.4, source="keyword")
GENTLE = TherapeuticSettings(intensity_level=0.6)
MINUTE = 60_000


def start(**more: Any) -> StartSession:
    given = {"character": "hero", "world": "garden", "settings": GENTLE, **more}
    return StartSession(learner="ana", claim=4, session_timeout_s=0.0, **given)


def played(*commands: Any, **more: Any) -> Story:
    return story(start(**more), *commands)


def marker(name: str, kind: MarkerType = MarkerType.INSIGHT) -> ProgressMarker:
    return ProgressMarker(marker_id=name, marker_type=kind)


def kinds(told: Story, command: Any) -> list[str]:
    return [event.kind for event in told.says(command)]


# --- the twelve transitions ----------------------------------------

OPS: dict[str, Any] = {"pause": Pause(), "resume": Resume(claim=99), "end": End()}
STANDS: dict[str, Any] = {
    "active": played,
    "paused": lambda: played(Pause()),
    "completed": lambda: played(End()),
    "abandoned": lambda: played(End(reason=EndReason.ABANDONED)),
}
TRANSITIONS = [
    ("active", "pause", ["session.paused"], "paused"),
    ("active", "resume", [], "active"),
    ("active", "end", ["session.ended"], "completed"),
    ("paused", "pause", [], "paused"),
    ("paused", "resume", ["session.resumed"], "active"),
    ("paused", "end", ["session.ended"], "completed"),
    ("completed", "pause", "session-ended", "completed"),
    ("completed", "resume", "session-ended", "completed"),
    ("completed", "end", [], "completed"),
    ("abandoned", "pause", "session-ended", "abandoned"),
    ("abandoned", "resume", "session-ended", "abandoned"),
    ("abandoned", "end", [], "abandoned"),
]


@pytest.mark.parametrize(("status", "op", "leads_to", "after"), TRANSITIONS)
def test_a_transition(status: str, op: str, leads_to: list[str] | str, after: str) -> None:
    """What is so already is left as it is, and said to be so; nothing that is over begins again."""
    told = STANDS[status]()
    assert status_of(told.state).value == status
    before = told.state.copy()
    if isinstance(leads_to, str):
        with pytest.raises(RefusedError) as caught:
            told.says(OPS[op])
        assert caught.value.reason == leads_to
        assert told.state == before
    else:
        assert kinds(told, OPS[op]) == leads_to
        told.tell(OPS[op])
    assert status_of(told.state).value == after


def test_what_never_began_was_abandoned() -> None:
    assert status_of(SessionState()) is SessionStatus.ABANDONED


def test_a_session_knows_who_is_played_where_and_how() -> None:
    told = played()
    shown = continuity(told.state, told.at)
    assert (shown.character, shown.world, shown.settings) == ("hero", "garden", GENTLE)
    assert shown.status is SessionStatus.ACTIVE


def test_a_plain_session_carries_nothing_of_it() -> None:
    told = story(StartSession(learner="ana", claim=4))
    assert told.state.playing is None
    shown = continuity(told.state, told.at)
    assert (shown.character, shown.world, shown.settings) == (None, None, TherapeuticSettings())


def test_a_persona_is_the_world_of_a_session_that_names_none() -> None:
    told = played(character=None, world=None, persona="bakery")
    assert continuity(told.state, told.at).world == "bakery"


# --- what happens in it ----------------------------------------


def test_an_interaction() -> None:
    """The case ``interaction update``."""
    told = played(
        Interact(
            intervention="mindfulness_exercise",
            variables='{"current_exercise": "breathing"}',
            scene="scene_2",
            emotional_state='{"mood": "calm"}',
        )
    )
    shown = continuity(told.state, told.at)
    assert (shown.interactions, shown.scene) == (1, "scene_2")
    assert shown.interventions == ("mindfulness_exercise",)
    assert [felt.state for felt in shown.emotions] == [{"mood": "calm"}]
    assert shown.variables == {"current_exercise": "breathing"}


def test_turns_are_interactions_too() -> None:
    told = played(turn(1), Interact(), turn(2))
    assert continuity(told.state, told.at).interactions == 3
    (event,) = told.says(Interact())
    assert isinstance(event, SessionInteracted)
    assert event.number == 4


def test_an_intervention_is_remembered_once_and_the_newest_hundred() -> None:
    told = played(*[Interact(intervention=f"i{n % 2}") for n in range(4)])
    assert continuity(told.state, told.at).interventions == ("i0", "i1")
    told.tell(*[Interact(intervention=f"j{n}") for n in range(INTERVENTIONS)])
    found = continuity(told.state, told.at).interventions
    assert len(found) == INTERVENTIONS
    assert found[-1] == f"j{INTERVENTIONS - 1}"


def test_variables_are_merged() -> None:
    told = played(Interact(variables='{"a": 1, "b": {"c": 2}}'), Interact(variables='{"b": 3}'))
    assert continuity(told.state, told.at).variables == {"a": 1, "b": 3}


def test_variables_that_would_be_too_many_change_nothing() -> None:
    told = played(Interact(variables=json.dumps({"a": "x" * (MAX_OBJECT - 100)})))
    before = told.state.copy()
    with pytest.raises(RefusedError, match="variables-full"):
        told.says(Interact(variables=json.dumps({"b": "y" * 200}), scene="elsewhere"))
    assert told.state == before
    told.tell(Interact(variables=json.dumps({"a": 1})))  # in place of the large one there is room
    assert continuity(told.state, told.at).variables == {"a": 1}


def test_the_last_twenty_feelings_are_kept_and_five_are_shown() -> None:
    """The case ``continuity keeps the last five emotional states``."""
    told = played(*[Interact(emotional_state=json.dumps({"n": n})) for n in range(25)])
    assert told.state.playing is not None
    assert len(told.state.playing.emotions) == EMOTIONS
    shown = continuity(told.state, told.at)
    assert [felt.state["n"] for felt in shown.emotions] == [20, 21, 22, 23, 24]
    assert all(felt.at > 0 for felt in shown.emotions)


def test_a_marker_is_set_once_by_its_id() -> None:
    told = played(AddMarker(marker=marker("m")))
    assert told.says(AddMarker(marker=marker("m", MarkerType.BREAKTHROUGH))) == []
    assert [one.marker_id for one in continuity(told.state, told.at).markers] == ["m"]


def test_settings_are_changed_and_the_same_ones_are_not() -> None:
    wanted = TherapeuticSettings(intensity_level=0.8, intervention_frequency="frequent")
    told = played(ChangeSettings(settings=wanted))
    assert continuity(told.state, told.at).settings == wanted
    assert told.says(ChangeSettings(settings=wanted)) == []


def test_notes_are_taken_while_it_is_paused_and_the_newest_are_kept() -> None:
    told = played(Pause(), *[AddNote(text=f"{n}", author="op") for n in range(25)])
    assert told.state.playing is not None
    assert [note.text for note in told.state.playing.notes] == [f"{n}" for n in range(5, 25)]
    told.tell(*[AddNote(text="é" * 4000) for _ in range(NOTES)])
    notes = told.state.playing.notes
    assert 1 <= len(notes) < NOTES
    assert sum(len(note.text.encode()) for note in notes) <= NOTES_WEIGHT


@pytest.mark.parametrize(
    "command",
    [
        Interact(),
        AddMarker(marker=marker("m")),
        ChangeSettings(settings=GENTLE.model_copy(update={"intensity_level": 0.1})),
        TakeTurn(turn=1, npc="marta", text="hi"),
    ],
    ids=lambda command: command.kind,
)
def test_nothing_is_played_while_it_is_paused(command: Any) -> None:
    """The case ``interaction on a paused session``."""
    with pytest.raises(RefusedError, match="session-paused"):
        played(Pause()).says(command)
    with pytest.raises(RefusedError, match="session-ended"):
        played(End()).says(command)


# --- safety ----------------------------------------


def test_a_finding_stands_in_the_checkpoint_of_its_turn() -> None:
    told = played()
    events = told.says(TakeTurn(turn=1, npc="marta", text="…", safety=FINDING))
    assert [event.kind for event in events] == ["turn.taken", "safety.flagged"]
    told.tell(TakeTurn(turn=1, npc="marta", text="…", safety=FINDING))
    (flag,) = continuity(told.state, told.at).flags
    assert (flag.finding, flag.turn, flag.rejected) == (FINDING, 1, False)


def test_a_repeated_turn_is_not_flagged_again() -> None:
    told = played(turn(1))
    assert told.says(TakeTurn(turn=1, npc="marta", text="…", safety=FINDING)) == []


@pytest.mark.parametrize("status", ["active", "paused", "completed", "abandoned"])
def test_a_finding_is_taken_whatever_the_session_does(status: str) -> None:
    told = STANDS[status]()
    assert kinds(told, FlagSafety(finding=FINDING, rejected=True)) == ["safety.flagged"]


def test_where_nobody_shall_watch_nothing_is_stored() -> None:
    unwatched = TherapeuticSettings(crisis_monitoring_enabled=False)
    told = played(settings=unwatched)
    assert told.says(FlagSafety(finding=FINDING)) == []
    events = told.says(TakeTurn(turn=1, npc="marta", text="…", safety=FINDING))
    assert not any(isinstance(event, SafetyFlagged) for event in events)


def test_findings_are_counted_and_the_newest_kept() -> None:
    told = played(*[FlagSafety(finding=FINDING) for _ in range(FLAGS + 5)])
    shown = continuity(told.state, told.at)
    assert (len(shown.flags), shown.flagged) == (FLAGS, FLAGS + 5)


# --- the narrative ----------------------------------------


def test_what_the_narrator_keeps_is_stored_with_the_pause() -> None:
    """The cases ``pause stores narrative state…`` and ``narrative state after a real pause…``."""
    told = played(Pause(narrative='{"narrative_position": 10}'), Resume(claim=99))
    assert continuity(told.state, told.at).narrative == {"narrative_position": 10}


def test_a_pause_without_a_word_of_the_narrator_keeps_what_was_kept() -> None:
    told = played(Pause(), narrative='{"narrative_position": 1}')
    assert continuity(told.state, told.at).narrative == {"narrative_position": 1}


# --- time ----------------------------------------


def test_both_durations_are_told() -> None:
    """The case ``duration is floored wall-clock minutes``; pauses count in the one alone."""
    told = played()
    told.at += 30 * MINUTE
    told.tell(Pause())
    told.at += 60 * MINUTE + 59_000
    told.tell(End())
    shown = continuity(told.state, told.at)
    assert shown.active_ms // MINUTE == 30
    assert shown.elapsed_ms // MINUTE == 90


WEEK_S = 7 * 86_400


def fires(told: Story) -> str | None:
    """The deadline that is due now, by name."""
    due = next_deadline(told.state)
    return None if due is None or due[0] > told.at else due[2].name


@pytest.mark.parametrize("paused", [False, True], ids=["active", "paused"])
def test_a_session_nobody_speaks_to_is_abandoned(paused: bool) -> None:
    told = played(*[Pause()] * paused, abandon_s=WEEK_S)
    told.at += WEEK_S * 1000 - 1
    assert told.says(TimerFired(name="abandon")) == []
    told.at += 1
    assert fires(told) == "abandon"
    told.tell(TimerFired(name="abandon"))
    assert told.state.phase is Phase.ENDED
    assert (told.state.end_reason, told.state.outcome) == (EndReason.ABANDONED, Outcome.TIMEOUT)
    assert status_of(told.state) is SessionStatus.ABANDONED


@pytest.mark.parametrize(
    "command",
    [
        turn(1),
        Interact(),
        Pause(),
        AddMarker(marker=marker("m")),
        AddTask(task="t"),
        NpcReply(turn=0, npc="marta", text="hola"),
    ],
    ids=lambda command: command.kind,
)
def test_whatever_a_client_says_is_a_sign_of_life(command: Any) -> None:
    told = played(abandon_s=100.0)
    told.at += 60_000
    told.tell(command)
    told.at += 60_000
    assert told.says(TimerFired(name="abandon")) == []


@pytest.mark.parametrize(
    "command",
    [
        NpcReply(turn=0, npc="marta", text="hola"),
        AddNote(text="where is he?"),
        FlagSafety(finding=FINDING),
    ],
    ids=lambda command: command.kind,
)
def test_what_a_mind_or_an_operator_says_is_none(command: Any) -> None:
    told = played(abandon_s=100.0, mind=MindKind.SCRIPTED)
    told.at += 60_000
    told.tell(command)
    told.at += 60_000
    assert "session.ended" in kinds(told, TimerFired(name="abandon"))


def test_a_task_that_ran_out_of_time_is_no_sign_of_life() -> None:
    told = played(AddTask(task="t", timeout_s=50.0, start=True), abandon_s=100.0)
    told.at += 60_000
    told.tell(TimerFired(name="task", task="t"))
    told.at += 60_000
    assert kinds(told, TimerFired(name="abandon"))[-1] == "session.ended"
    alive = played(AddTask(task="t", start=True), abandon_s=100.0)
    alive.at += 60_000
    alive.tell(CompleteTask(task="t"))
    alive.at += 60_000
    assert alive.says(TimerFired(name="abandon")) == []


@pytest.mark.parametrize("seconds", [0.0, None])
def test_without_a_limit_nobody_is_abandoned(seconds: float | None) -> None:
    told = played(Pause(), abandon_s=seconds)
    assert next_deadline(told.state) is None
    told.at += 400 * 86_400_000
    assert told.says(TimerFired(name="abandon")) == []


def test_a_session_of_an_agent_may_be_abandoned_where_its_start_says_so() -> None:
    told = story(
        StartSession(
            learner="agent-1",
            session_kind=SessionKind.AGENT,
            session_timeout_s=0.0,
            abandon_s=10.0,
        )
    )
    told.at += 10_000
    assert kinds(told, TimerFired(name="abandon")) == ["session.ended"]


# --- the state ----------------------------------------

OBJECTS = st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5), max_size=4)


@given(st.lists(OBJECTS, max_size=5))
def test_merging_is_what_python_does(changes: list[dict[str, Any]]) -> None:
    text, wanted = "{}", dict[str, Any]()
    for change in changes:
        text = merged(text, json.dumps(change))
        wanted |= change
    assert json.loads(text) == wanted


def test_a_snapshot_brings_all_of_it_back() -> None:
    told = played(
        turn(1),
        Interact(
            intervention="i", emotional_state='{"a": 1}', variables='{"b": [2]}', scene="mill"
        ),
        AddMarker(marker=marker("m")),
        AddNote(text="n", author="op"),
        FlagSafety(finding=FINDING, turn=1),
        Pause(narrative='{"pos": 5}'),
    )
    raw = unpack(pack(STATE.dump_python(told.state)))
    assert STATE.validate_python(raw) == told.state
    before = told.state.copy()
    told.tell(AddNote(text="more"))
    assert before.playing is not None
    assert len(before.playing.notes) == 1
