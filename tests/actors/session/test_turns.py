"""Turns, replies, friction and standing."""

from __future__ import annotations

import pytest

from holodeck.actors.session.rules import turn_reputation
from holodeck.messages.session import (
    ChangeReputation,
    FrictionDetected,
    FrictionFinding,
    FrictionType,
    NpcReply,
    Pause,
    ReportFriction,
    ReputationChanged,
    Resume,
    TurnTaken,
)
from tests.actors.session.stories import OPEN, active, story, turn, with_mind


def found(kind: FrictionType, severity: float = 1.0) -> FrictionFinding:
    return FrictionFinding(type=kind, severity=severity)


def reply(number: int, npc: str = "marta") -> NpcReply:
    return NpcReply(turn=number, npc=npc, text="bien")


def test_turns_count_up_one_by_one() -> None:
    told = active().tell(turn(1), turn(2, "joan"), turn(3))
    assert told.state.turns == 3
    assert told.state.met == {"marta": 2, "joan": 1}
    assert told.state.npc == "marta"


def test_a_repeated_turn_adds_nothing_whatever_it_says_now() -> None:
    told = active().tell(turn(1), turn(2))
    assert told.says(turn(1)) == []
    assert told.says(turn(2).model_copy(update={"text": "something else"})) == []


def test_an_unanalysed_turn_moves_no_standing() -> None:
    (event,) = active().says(turn(1))
    assert isinstance(event, TurnTaken)
    assert not event.analysed
    assert active().says(turn(1, register_aligned=True)) == [event]


def test_an_analysed_turn_says_everything_in_one_checkpoint() -> None:
    findings = (found(FrictionType.REGISTER, 0.5), found(FrictionType.LEXICAL, 0.25))
    taken, first, second, moved = active().says(turn(1, frictions=findings))
    assert isinstance(taken, TurnTaken)
    assert taken.analysed
    assert [e.type for e in (first, second) if isinstance(e, FrictionDetected)] == [
        FrictionType.REGISTER,
        FrictionType.LEXICAL,
    ]
    assert moved == ReputationChanged(npc="marta", delta=-0.0625, reason="turn", turn=1)


@pytest.mark.parametrize(
    ("frictions", "aligned", "delta"),
    [
        ((), None, 0.05),
        ((), False, 0.05),
        ((), True, 0.10),
        ((found(FrictionType.CULTURAL),), None, -0.15),
        ((found(FrictionType.REGISTER),), None, -0.10),
        ((found(FrictionType.PRAGMATIC),), None, -0.08),
        ((found(FrictionType.LEXICAL),), None, -0.05),
        ((found(FrictionType.MORPHOSYNTACTIC),), None, -0.05),
        ((found(FrictionType.PHONEMIC),), None, -0.03),
        ((found(FrictionType.CULTURAL, 0.5),), None, -0.075),
        ((found(FrictionType.PHONEMIC),), True, 0.02),
        ((found(FrictionType.PHONEMIC, 0.0),), None, 0.0),
        (tuple(found(FrictionType.CULTURAL) for _ in range(16)), None, -1.0),
    ],
)
def test_what_a_turn_does_to_the_standing(
    frictions: tuple[FrictionFinding, ...], aligned: bool | None, delta: float
) -> None:
    assert turn_reputation(frictions, aligned) == delta


def test_a_turn_that_moves_nothing_says_nothing_of_standing() -> None:
    events = active().says(turn(1, frictions=(found(FrictionType.PHONEMIC, 0.0),)))
    assert [event.kind for event in events] == ["turn.taken", "friction.detected"]


def test_an_npc_may_open_the_conversation() -> None:
    told = active().tell(reply(0), turn(1), reply(1))
    assert (told.state.answered, told.state.replies) == (1, 2)


def test_a_turn_is_answered_once() -> None:
    told = active().tell(turn(1), reply(1))
    assert told.says(reply(1)) == []
    assert told.says(reply(1).model_copy(update={"text": "no, wait"})) == []
    assert told.says(reply(0)) == []


def test_a_mind_is_awaited_until_it_has_answered() -> None:
    told = with_mind().tell(turn(1))
    assert (told.state.awaiting, told.state.awaiting_seq) == (1, told.sequence)
    assert told.tell(reply(1)).state.awaiting == 0


def test_nobody_is_awaited_without_a_mind() -> None:
    assert active().tell(turn(1)).state.awaiting == 0


def test_a_late_answer_to_an_earlier_turn_leaves_the_later_one_awaited() -> None:
    told = with_mind().tell(turn(1), turn(2), reply(1))
    assert told.state.awaiting == 2


def test_a_pause_calls_the_awaited_answer_off_and_still_takes_one_on_its_way() -> None:
    told = with_mind().tell(turn(1), Pause())
    assert told.state.awaiting == 0
    told.tell(reply(1))
    assert told.state.answered == 1
    assert told.tell(Resume(claim=99)).state.awaiting == 0


def test_friction_outside_a_turn_is_with_whom_the_learner_speaks() -> None:
    report = ReportFriction(finding=found(FrictionType.CULTURAL, 0.5))
    (event,) = active().tell(turn(1, "joan")).says(report)
    assert event == FrictionDetected(type=FrictionType.CULTURAL, severity=0.5, turn=1, npc="joan")
    (event,) = active().says(report)
    assert isinstance(event, FrictionDetected)
    assert event.npc is None


def test_frictions_are_counted_by_type() -> None:
    told = active().tell(
        turn(1, frictions=(found(FrictionType.LEXICAL), found(FrictionType.LEXICAL))),
        ReportFriction(finding=found(FrictionType.CULTURAL), npc="joan"),
    )
    assert told.state.frictions == {"lexical": 2, "cultural": 1}
    assert list(told.state.met) == ["marta", "joan"]


def test_standing_adds_up_by_npc_without_the_dust_of_floats() -> None:
    told = active().tell(*[ChangeReputation(npc="marta", delta=0.1)] * 3)
    assert told.state.reputation == {"marta": 0.3}


def test_an_open_cast_takes_anybody() -> None:
    assert story(OPEN, turn(1, "anybody")).state.met == {"anybody": 1}
