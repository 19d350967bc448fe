"""Each law on a good run that it lets pass, and on bad ones that it names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import pytest

from holodeck.messages.codec import encode_checkpoint
from holodeck.messages.envelope import HEADER_COMMAND, HEADER_WRITER
from holodeck.messages.session import (
    AddTask,
    ChangeReputation,
    CompleteTask,
    End,
    MindKind,
    NpcReply,
    Outcome,
    Pause,
    RouteTask,
    SessionKind,
    SessionPaused,
    StartTask,
    TakeTurn,
)
from tests.torture.checker import Report, check
from tests.torture.checker.tale import NOON, Tale, refolded, said_by, tiles_for
from tests.torture.run import BadRun, Fault, Op, Row, Run, Stored

Telling = Callable[[Tale], Any]


def turn(number: int, npc: str = "marta") -> TakeTurn:
    return TakeTurn(turn=number, npc=npc, text="hola", frictions=(), register_aligned=True)


def reputation(delta: float = 0.1) -> ChangeReputation:
    return ChangeReputation(npc="marta", delta=delta)


def told(*tellings: Telling) -> Tale:
    """A session of Ana's that has begun, and what then happened."""
    tale = Tale()
    tale.starts("s-1", session_timeout_s=600, task_timeout_s=60)
    for telling in tellings:
        telling(tale)
    return tale


def verdict(run: Run) -> tuple[str, ...]:
    return check(run).broken


def changed(run: Run, op: Op, **changes: Any) -> None:
    """Another answer than was given."""
    run.ops = [replace(one, **changes) if one.op == op.op else one for one in run.ops]


def without(run: Run, sequence: int) -> None:
    """A checkpoint that never came to be, nor anything made from it."""
    _rewrite(run, [row for row in run.journal if row.sequence != sequence])


def _rewrite(run: Run, journal: list[Row]) -> None:
    for name, value in refolded(journal).items():
        setattr(run, name, value)


def again(row: Row, *, sequence: int, writer: str | None = None, **headers: str) -> Row:
    """The same checkpoint at another place."""
    more = {HEADER_WRITER: writer or row.writer, **headers}
    return Row.of(sequence, row.subject, row.data, {**row.headers, **more})


def row_at(run: Run, sequence: int) -> Row:
    return next(row for row in run.journal if row.sequence == sequence)


# --- a good run ----------------------------------------


def everything(tale: Tale) -> None:
    """A bit of all there is."""
    tale.says("s-1", turn(1), id="t1")
    tale.says("s-1", turn(1), id="t1")
    tale.says("s-1", turn(3))
    tale.reads("session", "s-1")
    tale.says("s-1", reputation(), answered=False)
    tale.says("s-1", AddTask(task="a task", npc="joan"))
    tale.says("s-1", StartTask(task="a task"))
    tale.fires("s-1")
    tale.says("s-1", CompleteTask(task="a task"))
    tale.reads("npc", "marta")
    tale.reads("npc", "marta", learner="ana")
    tale.reads("npc", "marta", learner="nobody-yet")
    tale.describes("marta", "Marta")
    tale.reads("learner", "ana", after=tale.end)
    tale.says("s-1", Pause(), id="p1")
    tale.says("s-1", Pause(), id="p2")
    tale.starts("s-2")
    tale.says("s-2", End())
    tale.moves_to("inc_b")
    tale.resumes("s-1")
    tale.reads("session", "s-1", at=3)
    tale.passes(1000)
    tale.fires("s-1")
    tale.says("s-1", End())
    tale.says("s-1", turn(2))


def test_a_sound_run_breaks_no_law() -> None:
    report = check(told(everything).run())
    assert report.holds, report
    assert {finding.law for finding in report.findings if not finding.checked} == {"dead"}


def test_where_nobody_looked_nothing_is_said() -> None:
    run = told(everything).run()
    run.tiles = run.dead = run.said = None
    laws = {finding.law for finding in check(run).findings}
    assert laws.isdisjoint({"tiles", "dead", "states"})
    with pytest.raises(KeyError):
        check(run).of("tiles")


def test_one_law_alone() -> None:
    assert [f.law for f in check(told().run(), {"timers"}).findings] == ["timers"]


# --- acknowledged ----------------------------------------


def test_an_acknowledged_command_that_is_lost_is_found() -> None:
    tale = told(lambda tale: tale.says("s-1", reputation()))
    run = tale.run()
    without(run, tale.end)
    report = check(run)
    assert report.broken == ("acknowledged",)
    (violation,) = report.of("acknowledged").violations
    assert violation.about == "session.s-1"
    assert f"acknowledged at {tale.end}, but lost: c0.1 change-reputation" in violation.text


def test_a_command_that_stands_twice_is_found() -> None:
    """As a host does that does not remember ids."""
    tale = told(lambda tale: tale.says("s-1", reputation(), id="m"))
    run = tale.run()
    _rewrite(run, [*run.journal, again(run.journal[-1], sequence=tale.end + 1)])
    assert "acknowledged" in verdict(run)
    assert any("m stands 2 times" in v.text for v in check(run).of("acknowledged").violations)


def test_an_unknown_command_may_stand_once_or_not_at_all() -> None:
    tale = told(lambda tale: tale.says("s-1", reputation(), answered=False))
    run = tale.run()
    assert verdict(run) == ()
    without(run, tale.end)
    assert verdict(run) == ()


def test_an_unknown_command_that_stands_twice_is_found() -> None:
    tale = told(lambda tale: tale.says("s-1", reputation(), answered=False))
    run = tale.run()
    _rewrite(run, [*run.journal, again(run.journal[-1], sequence=tale.end + 1)])
    assert verdict(run) == ("acknowledged",)


def test_a_refused_command_that_stands_is_found() -> None:
    tale = told()
    op = tale.says("s-1", reputation())
    run = tale.run()
    changed(run, op, outcome="refused", reason="store-full", sequence=0, events=())
    assert verdict(run) == ("acknowledged",)


def test_a_refused_command_that_is_sent_again_may_stand() -> None:
    tale = told(lambda tale: tale.says("s-1", Pause()))
    tale.says("s-1", turn(1), id="m")
    tale.resumes("s-1")
    tale.says("s-1", turn(1), id="m")
    assert [op.outcome for op in tale.ops if op.command == "m"] == ["refused", "ok"]
    assert verdict(tale.run()) == ()


def test_what_is_said_to_change_nothing_and_stands_is_found() -> None:
    tale = told()
    op = tale.says("s-1", reputation())
    run = tale.run()
    changed(run, op, events=())
    assert "acknowledged" in verdict(run)


def test_an_answer_that_names_another_place_is_found() -> None:
    tale = told()
    op = tale.says("s-1", reputation())
    run = tale.run()
    changed(run, op, sequence=op.sequence - 1)
    assert "acknowledged" in verdict(run)


def test_an_answer_that_names_other_events_is_found() -> None:
    tale = told()
    op = tale.says("s-1", reputation())
    run = tale.run()
    changed(run, op, events=("turn.taken",))
    assert verdict(run) == ("acknowledged",)


def test_what_nobody_sent_is_found() -> None:
    tale = told()
    tale.obey("s-1", "from-nowhere", reputation())
    run = tale.run()
    assert "acknowledged" in verdict(run)
    run.recorded = False
    assert "acknowledged" not in verdict(run)


def test_what_a_declared_power_loss_took_is_not_missed() -> None:
    def story(tale: Tale) -> None:
        kept = tale.says("s-1", turn(1))
        tale.says("s-1", turn(2), id="gone")
        tale.reads("session", "s-1")
        tale.loses_power(kept.sequence)
        tale.reads("session", "s-1")
        tale.says("s-1", turn(2), id="after")

    tale = told(story)
    run = tale.run()
    report = check(run)
    assert report.holds, report
    assert "1 taken back by 1 declared power losses" in report.of("acknowledged").note
    run.faults = []
    assert {"acknowledged", "order"} <= set(verdict(run))


def test_what_a_power_loss_took_may_be_sent_again() -> None:
    def story(tale: Tale) -> None:
        kept = tale.says("s-1", turn(1))
        tale.says("s-1", reputation())
        tale.says("s-1", turn(2), id="t2")
        tale.loses_power(kept.sequence)
        tale.says("s-1", turn(2), id="t2")

    assert verdict(told(story).run()) == ()


def test_a_power_loss_excuses_nothing_that_it_left_standing() -> None:
    tale = told()
    kept = tale.says("s-1", turn(1))
    tale.loses_power(kept.sequence)
    run = tale.run()
    without(run, kept.sequence)
    assert "acknowledged" in verdict(run)


def test_a_power_loss_excuses_nothing_that_was_acknowledged_before_the_copy() -> None:
    def story(tale: Tale, *, late: bool) -> None:
        copied = tale.tick()
        kept = tale.end
        tale.says("s-1", turn(1))
        tale.loses_power(kept, copied=tale.tick() if late else copied)

    assert verdict(told(lambda tale: story(tale, late=False)).run()) == ()
    assert "acknowledged" in verdict(told(lambda tale: story(tale, late=True)).run())


def test_a_power_loss_explains_no_refusal_from_before_the_copy() -> None:
    """Somebody may have paused the session in what is lost, but not before that began."""

    def story(tale: Tale, *, late: bool) -> None:
        during = (tale.tick(), tale.tick())
        copied = during[0] if not late else tale.tick()
        op = tale.says("s-1", turn(4), during=during)
        tale.ops[-1] = replace(op, reason="session-paused")
        tale.loses_power(tale.end, copied=copied)

    assert verdict(told(lambda tale: story(tale, late=False)).run()) == ()
    assert verdict(told(lambda tale: story(tale, late=True)).run()) == ("linearizable",)


def test_a_power_loss_excuses_nothing_that_came_after_it() -> None:
    tale = told(lambda tale: tale.says("s-1", turn(1)))
    tale.loses_power(tale.end)
    lost = tale.says("s-1", turn(2))
    run = tale.run()
    without(run, lost.sequence)
    assert "acknowledged" in verdict(run)


@pytest.mark.parametrize(
    "faults",
    [
        [Fault(1, "begin", "power-loss", detail={"end": 3})],
        [Fault(1, "end", "power-loss", detail={"end": 3})],
        [Fault(1, "begin", "power-loss"), Fault(2, "end", "power-loss")],
    ],
    ids=["that never ends", "that never began", "that says not what was left"],
)
def test_a_power_loss_is_declared_whole(faults: list[Fault]) -> None:
    run = told().run()
    run.faults = faults
    with pytest.raises(BadRun):
        check(run)


# --- order ----------------------------------------


def test_sequences_that_fall_are_found() -> None:
    run = told(lambda tale: tale.says("s-1", turn(1))).run()
    *rest, before, last = run.journal
    run.journal = [*rest, last, before]
    assert "order" in verdict(run)


def test_time_that_falls_is_found() -> None:
    tale = told(lambda tale: tale.says("s-1", reputation()))
    tale.wall -= 5
    tale.says("s-1", reputation())
    assert verdict(tale.run()) == ("order",)


def test_time_may_fall_from_one_session_to_another() -> None:
    tale = told(lambda tale: tale.starts("s-2", learner="bo"))
    tale.says("s-1", reputation())
    tale.passes(5)
    tale.says("s-2", reputation())
    tale.wall -= 3000
    tale.says("s-1", reputation())
    run = tale.run()
    assert "order" not in [f.law for f in check(run, {"order"}).findings if not f.holds]


def test_a_later_command_that_stands_ahead_is_found() -> None:
    """The second one was sent when the first had been acknowledged, in another session too."""
    tale = told(lambda tale: tale.starts("s-2", learner="bo"))
    first = tale.says("s-2", reputation())
    second = tale.says("s-1", reputation())
    run = tale.run()
    changed(run, second, invoked=first.invoked - 6, returned=first.invoked - 5)
    assert verdict(run) == ("order",)


def test_an_answer_from_before_what_was_acknowledged_is_found() -> None:
    """As a host gives that was replaced and does not know it."""
    tale = told()
    stale = tale.reads("session", "s-1")
    tale.says("s-1", reputation())
    run = tale.run()
    changed(run, stale, invoked=tale.tick(), returned=tale.tick())
    assert set(verdict(run)) == {"order", "linearizable"}


def test_what_was_answered_before_a_power_loss_binds_nobody_after_it() -> None:
    """Nor does it bind a repeat within what was lost: that gets its first answer again."""
    tale = told()
    tale.describes("marta", "Marta")
    kept = tale.end
    first = tale.says("s-1", reputation())
    tale.says("s-1", reputation())
    tale.says("s-1", reputation(), id=first.command)
    tale.loses_power(kept)
    tale.reads("session", "s-1")
    assert verdict(tale.run()) == ()


def test_what_a_reader_waited_for_may_be_lost_afterwards() -> None:
    """And what then stands under later sequences is none of its business."""
    tale = told()
    tale.describes("marta", "Marta")
    kept = tale.end
    gone = tale.describes("joan", "Joan")
    read = tale.reads("npc", "marta", after=gone.sequence)
    tale.loses_power(kept)
    tale.describes("marta", "Marta again")
    assert tale.end == gone.sequence
    assert read.sequence == kept
    assert verdict(tale.run()) == ()


# --- one line of history ----------------------------------------


def moving(*writers: str) -> Tale:
    """A session written by one incarnation after the other, each with the right to."""
    tale = told()
    for writer in writers:
        tale.moves_to(writer)
        tale.says("s-1", reputation())
    return tale


def test_a_writer_may_come_back_if_it_was_given_the_partition_again() -> None:
    run = moving("inc_b", "inc_a", "inc_c").run()
    assert verdict(run) == ()
    run.tables = None
    assert verdict(run) == ("one-line",)


def test_two_incarnations_that_alternate_are_found() -> None:
    run = moving("inc_b").run()
    row = run.journal[-1]
    more = again(row, sequence=row.sequence + 1, writer="inc_a", **{HEADER_COMMAND: "m-x"})
    run.recorded = False
    _rewrite(run, [*run.journal, more])
    (violation,) = check(run, {"one-line"}).of("one-line").violations
    assert f"inc_a came back at {more.sequence}, out of turn" in violation.text


def test_a_writer_that_never_owned_the_partition_is_found() -> None:
    tale = moving("inc_b")
    assert tale.tables.pop().owners[0] == "inc_b"
    assert verdict(tale.run()) == ("one-line",)


def test_a_writer_that_wrote_before_its_turn_is_found() -> None:
    """B was given it before C, and C wrote before B."""
    tale = moving("inc_c", "inc_b")
    first, second, third = tale.tables
    tale.tables = [first, replace(third, t=second.t), replace(second, t=third.t)]
    assert verdict(tale.run()) == ("one-line",)


def test_who_writes_what_was_sent_after_it_had_lost_the_partition_is_found() -> None:
    """As a host does that was replaced while it was frozen, where nobody else has written yet."""
    tale = told()
    late = tale.says("s-1", reputation())
    tale.writer = "inc_b"
    tale.says("s-1", reputation())
    given = replace(tale.tables[0], t=late.invoked + 1, epoch=2, owners=("inc_b",) * 8)
    tale.tables.append(given)
    assert verdict(tale.run()) == ()
    tale.tables[-1] = replace(given, t=late.invoked - 1)
    (violation,) = check(tale.run()).of("one-line").violations
    assert "had lost the partition" in violation.text


# --- one story ----------------------------------------


def test_turns_that_are_counted_twice_are_found() -> None:
    """As by two hosts that each took the turn for the next."""
    tale = told(lambda tale: tale.says("s-1", turn(1)))
    run = tale.run()
    more = again(run.journal[-1], sequence=tale.end + 1, **{HEADER_COMMAND: "m-x"})
    run.recorded = False
    _rewrite(run, [*run.journal, more])
    (violation,) = check(run).of("one-story").violations
    assert "turn 1 follows turn 1" in violation.text


def test_a_story_that_does_not_begin_or_begins_twice_is_found() -> None:
    run = told(lambda tale: tale.says("s-1", reputation())).run()
    start = row_at(run, 2)
    run.recorded = False
    _rewrite(run, [*run.journal, again(start, sequence=9, **{HEADER_COMMAND: "m-x"})])
    assert "one-story" in verdict(run)
    _rewrite(run, [row for row in run.journal if row.sequence == 3])
    assert "one-story" in verdict(run)


def test_what_happens_after_the_end_is_found() -> None:
    run = told(lambda tale: tale.says("s-1", reputation()), lambda tale: tale.says("s-1", End()))
    journal = run.run()
    late = again(row_at(journal, 3), sequence=99, **{HEADER_COMMAND: "m-x"})
    journal.recorded = False
    _rewrite(journal, [*journal.journal, late])
    assert "one-story" in verdict(journal)


def ended(tale: Tale) -> None:
    """After turns with two NPCs, so that one of them is owed a word."""
    tale.says("s-1", turn(1, "marta"))
    tale.says("s-1", turn(2, "joan"))
    tale.says("s-1", End())


def test_an_npc_that_is_not_parted_from_is_found() -> None:
    tale = told(ended)
    run = tale.run()
    assert verdict(run) == ()
    without(run, tale.end)
    assert verdict(run) == ("one-story",)


def test_an_npc_that_is_parted_from_twice_is_found() -> None:
    tale = told(ended)
    run = tale.run()
    _rewrite(
        run, [*run.journal, again(run.journal[-1], sequence=99, **{HEADER_COMMAND: "owed.1.1"})]
    )
    assert verdict(run) == ("one-story",)


def test_a_task_that_ends_twice_is_found() -> None:
    tale = told(lambda tale: tale.says("s-1", AddTask(task="a")))
    tale.says("s-1", CompleteTask(task="a"))
    run = tale.run()
    more = again(run.journal[-1], sequence=99, **{HEADER_COMMAND: "m-x"})
    run.recorded = False
    _rewrite(run, [*run.journal, more])
    assert verdict(run) == ("one-story",)


def test_a_checkpoint_that_its_command_does_not_lead_to_is_found() -> None:
    """The state says 0.1, the command said 0.3."""
    tale = told()
    op = tale.says("s-1", reputation(0.1))
    run = tale.run()
    changed(run, op, body=reputation(0.3).model_dump(mode="json"))
    report = check(run)
    assert report.broken == ("one-story",)
    assert "it leads to reputation.changed" in report.of("one-story").violations[0].text


def test_a_rehearsal_goes_on_from_its_parent() -> None:
    tale = told(lambda tale: tale.says("s-1", turn(1)))
    tale.says("s-1", AddTask(task="a"))
    at = tale.end
    tale.says("s-1", turn(2))
    tale.forks("s-1", "r-1", at=at)
    tale.says("r-1", turn(2, "joan"))
    tale.says("r-1", End())
    run = tale.run()
    assert verdict(run) == ()
    fork = next(op for op in run.ops if op.what == "fork")
    row = row_at(run, fork.sequence)
    other = again(row, sequence=row.sequence)
    event = row.events[0].model_copy(update={"sequence": at + 1})
    other = replace(other, data=encode_checkpoint(NOON, (event,)))
    run.journal = [Row.of(r.sequence, r.subject, other.data, r.headers) if r is row else r
                   for r in run.journal]  # fmt: skip
    assert "one-story" in verdict(run)


# --- timers ----------------------------------------


def timed(tale: Tale) -> None:
    """A task that runs out of time."""
    tale.says("s-1", AddTask(task="a.b-c", timeout_s=5))
    tale.says("s-1", StartTask(task="a.b-c"))
    tale.fires("s-1")


def test_timers_that_fire_as_they_should_pass() -> None:
    def story(tale: Tale) -> None:
        timed(tale)
        tale.says("s-1", Pause())
        tale.passes(2000)
        tale.resumes("s-1")
        tale.fires("s-1")

    report = check(told(story).run())
    assert report.holds, report
    assert report.of("timers").checked == 2


def test_an_idle_timer_fires_when_nothing_happens() -> None:
    tale = Tale()
    tale.starts("s-1", idle_timeout_s=20)
    tale.says("s-1", turn(1))
    tale.fires("s-1")
    report = check(tale.run())
    assert report.holds, report


def test_a_timer_that_fires_twice_is_found() -> None:
    tale = told(timed)
    run = tale.run()
    _rewrite(run, [*run.journal, again(run.journal[-1], sequence=tale.end + 1)])
    assert set(verdict(run)) == {"acknowledged", "one-story", "timers"}


def test_a_timer_that_fires_early_is_found() -> None:
    tale = told(timed)
    run = tale.run()
    last = run.journal[-1]
    early = Row.of(
        last.sequence, last.subject, encode_checkpoint(NOON + 4999, last.events), last.headers
    )
    _rewrite(run, [*run.journal[:-1], early])
    assert "fired 1 ms before" in check(run).of("timers").violations[0].text


def test_a_timer_of_a_task_that_is_over_is_found() -> None:
    tale = told(lambda tale: tale.says("s-1", AddTask(task="a", timeout_s=5)))
    tale.says("s-1", StartTask(task="a"))
    timer = f"timer.task-a.{tale.end}"
    tale.says("s-1", CompleteTask(task="a", outcome=Outcome.TIMEOUT))
    run = tale.run()
    _rewrite(run, [*run.journal, again(run.journal[-1], sequence=99, **{HEADER_COMMAND: timer})])
    assert "while nothing like it was armed" in check(run).of("timers").violations[0].text


def test_a_timer_that_names_another_arming_is_found() -> None:
    tale = told(timed)
    run = tale.run()
    last = run.journal[-1]
    wrong = again(last, sequence=last.sequence, **{HEADER_COMMAND: "timer.task-a.b-c.1"})
    _rewrite(run, [*run.journal[:-1], wrong])
    assert verdict(run) == ("timers",)


# --- linearizable ----------------------------------------


def test_reads_and_writes_at_once_may_be_in_either_order() -> None:
    tale = told()
    tale.reads("session", "s-1", during=(2000, 3000))
    tale.says("s-1", turn(1), during=(2000, 3000))
    tale.reads("session", "s-1", during=(2500, 3000))
    tale.says("s-1", Pause(), during=(2900, 4000))
    tale.says("s-1", turn(2), during=(2950, 3990))
    assert verdict(tale.run()) == ()


def test_a_stale_read_is_found() -> None:
    tale = told()
    tale.says("s-1", turn(1), during=(2000, 3000))
    run = tale.run()
    stale = Tale()
    stale.starts("s-1", session_timeout_s=600, task_timeout_s=60)
    run.ops = [*run.ops, stale.reads("session", "s-1", during=(3001, 3002))]
    assert set(verdict(run)) == {"order", "linearizable"}


def test_a_read_of_the_right_sequence_and_the_wrong_state_is_found() -> None:
    tale = told(lambda tale: tale.says("s-1", turn(1)))
    read = tale.reads("session", "s-1")
    run = tale.run()
    changed(run, read, state={**read.state, "turns": 2})
    report = check(run)
    assert report.broken == ("linearizable",)
    assert "turns is 2, should be 1" in report.of("linearizable").violations[0].text
    changed(run, read, state={**read.state, "phase": "dreaming"})
    assert verdict(run) == ("linearizable",)


def test_a_read_of_what_was_not_yet_sent_is_found() -> None:
    tale = told()
    tale.says("s-1", turn(1), during=(5000, 6000))
    tale.reads("session", "s-1", during=(3000, 4000))
    report = check(tale.run())
    assert report.broken == ("linearizable",)
    assert "had not been sent yet" in report.of("linearizable").violations[0].text


def test_two_readers_that_see_things_in_another_order_are_found() -> None:
    """One has seen the turn, the other, who asked after that, has not."""
    tale = told()
    before = tale.reads("session", "s-1", during=(3500, 3600))
    tale.says("s-1", turn(1), during=(3000, 4000))
    tale.reads("session", "s-1", during=(3200, 3300))
    run = tale.run()
    assert "linearizable" in verdict(run)
    changed(run, before, invoked=3300)
    assert verdict(run) == ()


def test_an_unknown_write_may_come_late_but_not_go_away_again() -> None:
    tale = told()
    before = tale.reads("session", "s-1", during=(4000, 4100))
    tale.says("s-1", turn(1), during=(3000, 3100), answered=False)
    tale.reads("session", "s-1", during=(5000, 5100))
    run = tale.run()
    assert verdict(run) == ()
    changed(run, before, invoked=6000, returned=6100)
    assert "linearizable" in verdict(run)


def test_a_refusal_that_the_state_does_not_give_is_found() -> None:
    tale = told(lambda tale: tale.says("s-1", turn(1)))
    op = tale.says("s-1", turn(4))
    assert op.reason == "turn-order"
    run = tale.run()
    changed(run, op, reason="session-paused")
    assert verdict(run) == ("linearizable",)


def test_a_refusal_that_an_acknowledged_command_has_overtaken_is_found() -> None:
    """A host that has not heard of the turn does not know the task either."""
    tale = told()
    refused = tale.says("s-1", StartTask(task="a"), during=(4000, 4100))
    tale.says("s-1", AddTask(task="a"), during=(3000, 3100))
    run = tale.run()
    assert verdict(run) == ("linearizable",)
    changed(run, refused, invoked=3050)
    assert verdict(run) == ()


@pytest.mark.parametrize("reason", ["store-full", "expired", "not-stored", "busy"])
def test_a_refusal_for_what_is_around_is_always_right(reason: str) -> None:
    tale = told()
    op = tale.says("s-1", turn(7))
    run = tale.run()
    changed(run, op, reason=reason)
    assert verdict(run) == ()


def test_a_bug_is_no_refusal() -> None:
    tale = told()
    op = tale.says("s-1", turn(7))
    run = tale.run()
    changed(run, op, reason="internal-error")
    assert verdict(run) == ("linearizable",)


def test_a_repeat_gets_its_first_answer_and_nothing_else() -> None:
    tale = told(lambda tale: tale.says("s-1", turn(1), id="m"))
    tale.says("s-1", reputation())
    repeat = tale.says("s-1", turn(1), id="m")
    run = tale.run()
    assert verdict(run) == ()
    changed(run, repeat, events=(), sequence=tale.end)
    assert verdict(run) == ("linearizable",)
    changed(run, repeat, outcome="refused", reason="turn-order")
    assert verdict(run) == ("linearizable",)


def test_nothing_to_do_where_there_was_something_is_found() -> None:
    tale = told(lambda tale: tale.says("s-1", Pause()))
    idle = tale.says("s-1", Pause())
    tale.resumes("s-1")
    assert idle.events == ()
    run = tale.run()
    assert verdict(run) == ()
    changed(run, idle, invoked=tale.tick(), returned=tale.tick(), sequence=tale.end)
    assert verdict(run) == ("linearizable",)


def test_a_read_as_of_an_earlier_checkpoint_is_the_state_as_of_then() -> None:
    tale = told(lambda tale: tale.says("s-1", turn(1)))
    tale.says("s-1", turn(2))
    then = tale.reads("session", "s-1", at=3)
    assert then.state["turns"] == 1
    run = tale.run()
    assert verdict(run) == ()
    changed(run, then, state={**then.state, "turns": 2})
    assert verdict(run) == ("linearizable",)


def test_who_awaits_a_reply_is_answered_when_it_is_there() -> None:
    tale = Tale()
    tale.starts("s-1", mind=MindKind.SCRIPTED)
    tale.says("s-1", turn(1))
    wait = tale.awaits("s-1", turn=1, during=(3000, 9000))
    tale.now = 5000
    tale.obey("s-1", "turn-1-reply", NpcReply(turn=1, npc="marta", text="hola"))
    run = tale.run()
    changed(run, wait, sequence=tale.end)
    assert verdict(run) == ()
    changed(run, wait, sequence=tale.end - 1)
    assert verdict(run) == ("linearizable",)
    changed(run, wait, sequence=0, outcome="refused", reason="no-reply")
    assert verdict(run) == ("linearizable",)


def test_orders_are_refused_for_what_they_met() -> None:
    tale = told(lambda tale: tale.starts("s-2", learner="bo"))
    run = tale.run()
    body = {"id": "o", "session": "s-1", "start": {}}
    order = Op("c0.9", "session", "s-1", "start", "o", body, 9000, "refused", 9100)
    for reason, broken in {
        "learner-busy": (),
        "session-exists": (),
        "store-full": (),
        "unknown-session": ("linearizable",),
        "session-ended": ("linearizable",),
    }.items():
        run.ops = [*tale.ops, replace(order, reason=reason)]
        assert verdict(run) == broken, reason
    switch = replace(order, what="switch", reason="session-ended")
    run.ops = [*tale.ops, switch]
    assert verdict(run) == ()


# --- reads of folds ----------------------------------------


def test_a_fold_may_lag_but_not_fall_back() -> None:
    tale = told()
    early = tale.reads("learner", "ana", during=(9000, 9100))
    tale.says("s-1", turn(1))
    late = tale.reads("learner", "ana", during=(9200, 9300))
    run = tale.run()
    assert verdict(run) == ()
    changed(run, late, invoked=8000, returned=8100)
    assert verdict(run) == ("fold-reads",)
    changed(run, early, body={"after": tale.end})
    assert verdict(run) == ("fold-reads",)


def test_a_fold_that_does_not_have_what_was_asked_for_is_found() -> None:
    tale = told()
    early = tale.reads("npc", "marta", learner="ana")
    tale.says("s-1", turn(1))
    run = tale.run()
    assert verdict(run) == ()
    changed(run, early, invoked=9000, returned=9100, body={"learner": "ana", "after": tale.end})
    assert verdict(run) == ("fold-reads",)


def test_a_fold_of_the_wrong_state_is_found() -> None:
    tale = told(lambda tale: tale.says("s-1", turn(1)))
    read = tale.reads("npc", "marta")
    run = tale.run()
    changed(run, read, state={**read.state, "turns": 0})
    assert verdict(run) == ("fold-reads",)


def test_an_npcs_own_edit_is_there_for_whoever_reads_after_it() -> None:
    tale = told()
    before = tale.reads("npc", "marta")
    tale.describes("marta", "Marta")
    run = tale.run()
    assert verdict(run) == ()
    changed(run, before, invoked=tale.tick(), returned=tale.tick())
    assert verdict(run) == ("fold-reads",)


def test_an_edit_that_its_command_does_not_lead_to_is_found() -> None:
    tale = told()
    edit = tale.describes("marta", "Marta")
    run = tale.run()
    changed(run, edit, body={"kind": "describe", "name": "Martha"})
    assert verdict(run) == ("fold-reads",)


# --- one active session ----------------------------------------


def test_two_active_sessions_of_a_learner_are_found() -> None:
    tale = told(lambda tale: tale.starts("s-2"))
    report = check(tale.run())
    assert report.broken == ("one-active",)
    assert "s-2 begins at 4" in report.of("one-active").violations[0].text


def test_a_session_resumed_beside_another_is_found() -> None:
    tale = told(lambda tale: tale.says("s-1", Pause()))
    tale.starts("s-2")
    assert verdict(tale.run()) == ()
    tale.resumes("s-1")
    assert verdict(tale.run()) == ("one-active",)


def test_a_session_that_begins_on_a_claim_that_is_lost_is_found() -> None:
    """Nobody outside was ever told of it: the supervisor made it on its way."""
    run = told().run()
    without(run, 1)
    assert verdict(run) == ("one-active",)


def test_sessions_that_claim_nobody_may_be_many() -> None:
    tale = told(lambda tale: tale.starts("a-1", session_kind=SessionKind.AGENT))
    tale.starts("a-2", session_kind=SessionKind.AGENT)
    tale.forks("s-1", "r-1", at=tale.last("session", "s-1"))
    assert verdict(tale.run()) == ()


# --- states ----------------------------------------


@pytest.mark.parametrize("kind", ["session", "npc", "relation", "learner"])
def test_a_state_that_differs_is_found(kind: str) -> None:
    run = told(lambda tale: tale.says("s-1", turn(1))).run()
    field = {"relation": "interactions"}.get(kind, "turns")
    assert run.said is not None
    run.said = [
        replace(item, state={**item.state, field: 7}) if item.actor == kind else item
        for item in run.said
    ]
    report = check(run)
    assert report.broken == ("states",)
    assert f"{field} is 7, should be 1" in report.of("states").violations[0].text


def test_a_state_at_another_sequence_or_unsaid_or_unreadable_is_found() -> None:
    run = told().run()
    assert run.said is not None
    first, *rest = run.said
    for wrong in (replace(first, sequence=99), replace(first, state={"nonsense": 1})):
        run.said = [wrong, *rest]
        assert verdict(run) == ("states",)
    run.said = rest
    assert verdict(run) == ("states",)


# --- tiles ----------------------------------------


def spoilt(how: str, tiles: list[Stored]) -> list[Stored]:
    first, second, *rest = tiles
    match how:
        case "missing":
            return [first, *rest]
        case "the last missing":
            return tiles[:-1]
        case "doubled":
            return [first, second, second, *rest]
        case "swapped":
            return [second, first, *rest]
        case "foreign":
            return [*tiles, replace(first, headers={"Holodeck-Origin": "99.0"})]
        case "of other content":
            return [replace(first, data=second.data), second, *rest]
        case "on another subject":
            return [replace(first, subject=second.subject), second, *rest]
        case "under another id":
            return [replace(first, headers={**first.headers, "Holodeck-Tile": "x"}), second, *rest]
        case _:
            return [replace(first, data=b"junk"), second, *rest]


SPOILT: Final = ("missing", "the last missing", "doubled", "swapped", "foreign", "of other content",
                 "on another subject", "under another id", "unreadable")  # fmt: skip


@pytest.mark.parametrize("how", SPOILT)
def test_a_tile_that_is_not_as_it_should_be_is_found(how: str) -> None:
    run = told(lambda tale: tale.says("s-1", turn(1))).run()
    assert run.tiles is not None
    run.tiles = spoilt(how, list(run.tiles))
    assert verdict(run) == ("tiles",)


# --- dead letters ----------------------------------------


def letter(subject: str, **headers: str) -> Stored:
    return Stored(1, subject, b"junk", {n.replace("_", "-"): v for n, v in headers.items()})


def test_a_dead_letter_that_nobody_sent_is_found() -> None:
    run = told().run()
    run.dead = [letter("holodeck.dead.CHECKPOINTS.undecodable")]
    assert verdict(run) == ("dead",)
    run.faults = [Fault(1, "end", "junk", detail={"dead": [run.dead[0].subject]})]
    assert verdict(run) == ()


def test_junk_that_a_client_sent_and_was_refused_may_lie_there() -> None:
    tale = told()
    op = tale.says("s-1", turn(9))
    run = tale.run()
    subject = "holodeck.cmd.0.session.s-1"
    run.dead = [letter("holodeck.dead.COMMANDS.undecodable", Holodeck_Subject=subject)]
    assert verdict(run) == ("dead",)
    changed(run, op, what="junk", body={}, reason="undecodable")
    assert verdict(run) == ()


def test_a_record_that_nobody_can_read_is_found_unless_declared() -> None:
    run = told().run()
    row = Row.of(9, run.journal[-1].subject, b"junk", {})
    run.recorded = False
    run.journal = [*run.journal, row]
    run.said = said_by(list(run.journal))
    run.tiles = tiles_for(list(run.journal))
    assert verdict(run) == ("dead",)
    run.faults = [Fault(1, "end", "junk", detail={"dead": [row.subject]})]
    assert verdict(run) == ()


# --- reports ----------------------------------------


def test_a_report_leads_to_the_place() -> None:
    tale = told()
    op = tale.says("s-1", turn(1))
    run = tale.run()
    changed(run, op, where="history-c0.jsonl:7")
    without(run, tale.end)
    text = str(check(run))
    assert "acknowledged: 1 VIOLATIONS" in text
    assert "history-c0.jsonl:7" in text
    assert isinstance(check(run), Report)


def test_routing_and_pauses_are_decided_anew() -> None:
    """What no client recorded is told from its checkpoint."""
    tale = Tale()
    tale.starts("s-1", cast=({"npc": "marta", "capabilities": ("cook",)},))
    tale.says("s-1", AddTask(task="a", capabilities=("cook",)))
    tale.says("s-1", RouteTask(task="a"))
    order = tale.ops[0].command
    state = tale.state("s-1")
    assert state.charter is not None
    tale.store("session", "s-1", f"{order}.pause.1", (SessionPaused(reason="switched"),), "", "ana")
    assert verdict(tale.run()) == ()
