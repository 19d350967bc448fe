"""How sessions end, are forked and are given up; and who is told."""

from __future__ import annotations

from typing import Any

import pytest

from holodeck.actors.decider import Moment
from holodeck.actors.session import STATE, concerns, session, task_counts
from holodeck.messages.codec import decode_checkpoint, pack
from holodeck.messages.errors import RefusedError
from holodeck.messages.fleet import GraphPoint, SessionGraph
from holodeck.messages.session import (
    AbandonStart,
    AddTask,
    ChangeReputation,
    CompleteTask,
    End,
    EndReason,
    NpcParted,
    Outcome,
    Pause,
    ReportEmergence,
    Resume,
    RetryTask,
    RouteTask,
    SessionEnded,
    SessionForked,
    SettleOwed,
    StartTask,
    TaskCounts,
    TimerFired,
)
from tests.actors.session.stories import (
    OPEN,
    START,
    Story,
    active,
    crossing,
    decided,
    ended,
    fork_of,
    new,
    paused,
    rehearsal,
    story,
    turn,
)
from tests.messages.freeze import SAMPLES


def addresses(told: Story) -> list[tuple[str, str, str]]:
    """Family, NPC and learner of each checkpoint."""
    state, found = session.initial, []
    for moment, events in told.log:
        found.append(concerns(state, events))
        state = session.fold(state, events, moment)
    return found


# --- partings ----------------------------------------


def test_every_npc_that_was_met_is_told_of_the_end_once() -> None:
    told = story(OPEN, turn(1, "a"), turn(2, "b"), turn(3, "a"), ChangeReputation(npc="c", delta=1))
    told.tell(End())
    assert told.state.owed == ("b", "c")
    told.tell(SettleOwed(), SettleOwed())
    assert not told.state.owed
    assert told.says(SettleOwed()) == []
    partings = [event for event in told.events if isinstance(event, NpcParted)]
    assert partings == [
        NpcParted(npc="a", turns=2),
        NpcParted(npc="b", turns=1),
        NpcParted(npc="c", turns=0),
    ]


def test_a_debt_is_paid_once_however_often_it_is_asked_for() -> None:
    told = story(OPEN, turn(1, "a"), turn(2, "b"), End())
    first = told.says(SettleOwed())
    assert first == told.says(SettleOwed())
    assert told.tell(SettleOwed()).says(SettleOwed()) == []


def test_a_debt_outlives_a_second_end() -> None:
    told = story(OPEN, turn(1, "a"), turn(2, "b"), End(), End(), TimerFired(name="session"))
    assert told.state.owed == ("b",)


def test_a_session_that_met_nobody_owes_nobody() -> None:
    told = story(OPEN, End())
    assert told.state.owed == ()
    assert [event.kind for event in told.events] == ["session.started", "session.ended"]


def test_who_only_got_a_task_is_told_of_the_end_too() -> None:
    told = story(OPEN, AddTask(task="t", npc="a"), End())
    assert NpcParted(npc="a", turns=0) in told.events


# --- the end ----------------------------------------


@pytest.mark.parametrize("reason", list(EndReason))
@pytest.mark.parametrize("outcome", list(Outcome))
def test_a_session_ends_for_a_reason_with_an_outcome(reason: EndReason, outcome: Outcome) -> None:
    told = active().tell(End(reason=reason, outcome=outcome, error="why"))
    assert (told.state.end_reason, told.state.outcome) == (reason, outcome)


def test_the_first_end_stands() -> None:
    told = active().tell(End(outcome=Outcome.FAILED)).tell(End(outcome=Outcome.SUCCESS), after_s=9)
    assert told.state.outcome is Outcome.FAILED
    assert told.state.ended_at == told.at - 9000


def test_a_paused_session_can_be_ended() -> None:
    assert paused().tell(End()).state.phase == "ended"


# --- addresses ----------------------------------------


def test_a_checkpoint_is_addressed_to_whom_it_concerns() -> None:
    told = story(
        START,
        turn(1, "marta"),
        AddTask(task="t"),
        AddTask(task="u", npc="joan"),
        StartTask(task="u"),
        Pause(),
        Resume(claim=99),
        End(),
        SettleOwed(),
    )
    assert addresses(told) == [
        ("session", "", "ana"),
        ("turn", "marta", "ana"),
        ("task", "", "ana"),
        ("task", "joan", "ana"),
        ("task", "joan", "ana"),
        ("session", "", "ana"),
        ("session", "", "ana"),
        ("task", "marta", "ana"),
        ("npc", "joan", "ana"),
    ]


def test_an_abandoned_start_is_told_to_the_learner() -> None:
    told = new().tell(AbandonStart(learner="ana", claim=5))
    assert addresses(told) == [("session", "", "ana")]


def test_a_rehearsal_concerns_nobody_but_itself() -> None:
    told = rehearsal().tell(
        turn(2, "joan"),
        ChangeReputation(npc="marta", delta=1),
        AddTask(task="more", npc="joan"),
        Pause(),
        Resume(),
        End(),
    )
    assert {(npc, learner) for _, npc, learner in addresses(told)} == {("", "")}
    assert told.state.owed == ()
    assert not [event for event in told.events if isinstance(event, NpcParted)]


# --- forks ----------------------------------------


def test_a_fork_goes_on_where_its_parent_was() -> None:
    parent = active().tell(turn(1), turn(2, "joan"))
    told = new().tell(fork_of(parent.state, parent.sequence))
    assert (told.state.parent, told.state.parent_sequence) == ("sess_0", parent.sequence)
    assert told.state.turns == 2
    assert told.state.charter == parent.state.charter
    assert told.state.tasks == parent.state.tasks
    assert [event.kind for event in told.says(turn(3))] == ["turn.taken"]
    assert told.says(turn(2)) == []


def test_a_fork_leaves_its_parent_alone() -> None:
    parent = active().tell(turn(1), StartTask(task="done-soon"))
    before = parent.state.copy()
    new().tell(fork_of(parent.state), turn(2), End())
    assert parent.state == before


@pytest.mark.parametrize("parent", [active, paused, ended], ids=["active", "paused", "ended"])
def test_a_fork_of_any_phase_is_alive(parent: object) -> None:
    assert callable(parent)
    told = new().tell(fork_of(parent().state))
    assert told.state.phase == "active"
    assert (told.state.outcome, told.state.end_reason, told.state.ended_at) == (None, None, 0)
    assert (told.state.claim, told.state.owed, told.state.awaiting) == (0, (), 0)
    assert told.says(turn(1))


def test_a_rehearsal_needs_no_claim_to_resume() -> None:
    assert rehearsal().tell(Pause(), Resume()).state.phase == "active"


def test_a_fork_of_a_session_that_ran_out_of_time_has_time() -> None:
    parent = active().tell(TimerFired(name="session"), after_s=9999)
    assert parent.state.outcome is Outcome.TIMEOUT
    told = new().tell(fork_of(parent.state))
    assert told.says(TimerFired(name="session"), after_s=599) == []


def test_a_fork_can_be_forked() -> None:
    again = new().tell(fork_of(rehearsal().state, 30))
    assert (again.state.parent_sequence, again.state.turns) == (30, 1)


def test_a_fork_that_was_stored_long_ago_still_begins() -> None:
    """Its checkpoint holds the parent's state as it was laid out then: that too is for ever."""
    stored = decode_checkpoint((SAMPLES / "session.forked.v1.msgpack").read_bytes(), "")
    (event,) = stored.events
    assert isinstance(event, SessionForked)
    state = session.fold(session.initial, [event], Moment(40, stored.at, "fork_1"))
    assert state.charter is not None
    assert (state.phase, state.parent, state.charter.name) == ("active", "sess_1", "café")
    assert state.charter.cast[0].capabilities == ("waiter",)


def test_a_fork_of_tasks_with_attempts_goes_on_where_they_were() -> None:
    """The parent's state in the second layout, with everything in it that a session keeps."""
    stored = decode_checkpoint((SAMPLES / "session.forked-in-layout-2.v1.msgpack").read_bytes(), "")
    (event,) = stored.events
    assert isinstance(event, SessionForked)
    told = Story(at=stored.at)
    told.state = session.fold(session.initial, [event], Moment(40, stored.at, "fork_1"))
    told.tell(CompleteTask(task="café"), End())
    ended = told.events[-1]
    assert isinstance(ended, SessionEnded)
    assert ended.tasks == TaskCounts(total=2, succeeded=2)
    names = [pattern.name for pattern in ended.patterns]
    assert names == [
        "mixed_outcomes",
        "first_failure_recovered",
        "capacity_hit",
        "emergence_crossed",
    ]


def test_a_fork_counts_what_is_open_in_a_state_that_did_not() -> None:
    """The first layout kept no count, and journals of its time are still read."""
    parent = story(OPEN, AddTask(task="a"), AddTask(task="b"), CompleteTask(task="a"))
    raw: dict[str, Any] = STATE.dump_python(parent.state)
    for name in (
        "open",
        "completed",
        "earlier",
        "handed",
        "refused",
        "crossed",
        "graph",
        "busy_ms",
        "busy_since",
    ):
        del raw[name]
    forked = SessionForked(parent="p", sequence=1, state=pack(raw), layout=1)
    told = Story(at=parent.at + 9000)
    told.state = session.fold(told.state, [forked], Moment(40, told.at, "fork_1"))
    assert (told.state.open, told.state.busy_since) == (1, told.at)
    told.tell(CompleteTask(task="b"), after_s=2)
    assert (told.state.open, told.state.busy_ms, told.state.busy_since) == (0, 2000, 0)
    assert task_counts(told.state) == TaskCounts(total=2, succeeded=2)


def eventful() -> Story:
    """A session with something of everything that a session keeps of its tasks."""
    start = OPEN.model_copy(update={"max_tasks": 1, "graph": GraphPoint(h1=1, components=2)})
    told = story(start, AddTask(task="t"), RouteTask(task="t", decision=decided("jc1")))
    told.tell(CompleteTask(task="t", outcome=Outcome.FAILED), AddTask(task="u"), after_s=5)
    return told.tell(RetryTask(task="t", attempt=2), ReportEmergence(crossing=crossing()))


def test_a_fork_keeps_what_its_tasks_went_through_and_leaves_the_graph() -> None:
    """Attempts, who had them, crossings and the task turned away are of the tasks' story; the
    graph is the fleet's, and a rehearsal is no part of it."""
    parent = eventful()
    told = Story(at=parent.at + 60_000).tell(fork_of(parent.state))
    for name in ("tasks", "earlier", "handed", "refused", "crossed", "completed", "open"):
        assert getattr(told.state, name) == getattr(parent.state, name) != 0
    assert told.state.graph is None
    assert parent.state.graph is not None
    (ended,) = (e for e in told.tell(End(graph=SessionGraph())).events if e.kind == "session.ended")
    assert isinstance(ended, SessionEnded)
    assert ended.h1 is None


def test_a_rehearsals_duration_is_its_own() -> None:
    """However long after its parent it began."""
    parent = story(OPEN, AddTask(task="t"))
    told = Story(at=parent.at + 3_600_000).tell(fork_of(parent.state))
    told.tell(CompleteTask(task="t"), after_s=8).tell(End(), after_s=2)
    ended = told.events[-1]
    assert isinstance(ended, SessionEnded)
    assert ended.duration_ms == 10_000
    assert ended.patterns == ()


# --- claims ----------------------------------------


def test_a_start_that_was_given_up_never_happens() -> None:
    told = new().tell(AbandonStart(learner="ana", claim=5))
    assert told.state.phase == "abandoned"
    for late in (START, START.model_copy(update={"claim": 99})):
        with pytest.raises(RefusedError, match="start-abandoned"):
            told.says(late)
    assert told.says(AbandonStart(learner="ana", claim=5)) == []


def test_a_session_that_began_cannot_be_given_up() -> None:
    with pytest.raises(RefusedError, match="session-active"):
        active().says(AbandonStart(learner="ana", claim=5))


def test_a_resume_that_was_given_up_needs_a_later_claim() -> None:
    told = paused().tell(AbandonStart(learner="ana", claim=99))
    assert told.state.voided == 99
    with pytest.raises(RefusedError, match="claim-void"):
        told.says(Resume(claim=99))
    assert told.tell(Resume(claim=100)).state.claim == 100


def test_a_pause_makes_every_claim_made_before_it_void() -> None:
    """Two claimed to resume it; one did, and by the next pause the other's claim was let go too."""
    told = paused().tell(Resume(claim=35), Pause())
    assert told.state.voided == told.sequence == 50
    with pytest.raises(RefusedError, match="claim-void"):
        told.says(Resume(claim=36))
    assert told.says(AbandonStart(learner="ana", claim=36)) == []
    assert told.tell(Resume(claim=51)).state.claim == 51


def test_a_resume_on_another_learners_claim_is_told_whose_it_needs() -> None:
    for wrong in (Resume(), Resume(claim=99, learner="eva")):
        with pytest.raises(RefusedError) as caught:
            paused().says(wrong)
        assert (caught.value.reason, caught.value.detail) == ("claim-required", "ana")
    assert paused().tell(Resume(claim=99, learner="ana")).state.phase == "active"


@pytest.mark.parametrize("claim", [4, 5])
def test_the_claim_a_paused_session_has_used_up_needs_no_giving_up(claim: int) -> None:
    assert paused().says(AbandonStart(learner="ana", claim=claim)) == []


def test_a_claim_is_given_up_once() -> None:
    told = paused().tell(AbandonStart(learner="ana", claim=99))
    assert told.says(AbandonStart(learner="ana", claim=99)) == []
    assert told.says(AbandonStart(learner="ana", claim=98)) == []


def test_what_has_ended_has_nothing_to_give_up() -> None:
    assert ended().says(AbandonStart(learner="ana", claim=99)) == []
