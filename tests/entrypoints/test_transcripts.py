"""Recorded dialogues: what a line becomes, and that playing it twice is playing it once."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import holodeck
from holodeck.actors.session import Phase
from holodeck.deck import Deck
from holodeck.entrypoints.transcripts import Dialogue, load, parse, play
from holodeck.messages.codec import decode_checkpoint
from holodeck.messages.errors import StartupError
from holodeck.messages.session import AddTask, CompleteTask, NpcReply, Outcome, TakeTurn
from holodeck.messages.subjects import all_checkpoints


def line(id: str = "d-1", *turns: str | tuple[str, ...], **more: Any) -> bytes:
    """A line of a file; a turn is ``npc`` or ``learner``, a colon and the text, then its acts."""
    made = []
    for turn in turns or ("npc:hi", "learner:ciao"):
        said, *acts = (turn,) if isinstance(turn, str) else turn
        by, _, text = said.partition(":")
        made.append({"by": by, "text": text} | ({"acts": acts} if acts else {}))
    return json.dumps({"id": id, "turns": made} | more).encode()


def one(*turns: str | tuple[str, ...], **more: Any) -> Dialogue:
    dialogues, faults = parse([line("d-1", *turns, **more)])
    assert faults == []
    return dialogues[0]


def said(dialogue: Dialogue) -> list[tuple[str, int, str]]:
    return [
        ("turn" if isinstance(move, TakeTurn) else "reply", move.turn, move.text)
        for _, move in dialogue.moves
        if isinstance(move, TakeTurn | NpcReply)
    ]


# --- what a line becomes ----------------------------------------


def test_turns_are_numbered_and_replies_answer_the_turn_before_them() -> None:
    assert said(one("npc:a", "learner:b", "npc:c", "learner:d")) == [
        ("reply", 0, "a"),
        ("turn", 1, "b"),
        ("reply", 1, "c"),
        ("turn", 2, "d"),
    ]


def test_one_who_speaks_twice_in_a_row_is_heard_twice() -> None:
    found = one("learner:a", "learner:b", "npc:c", "npc:d", "learner:e")
    assert said(found) == [
        ("turn", 1, "a"),
        ("turn", 2, "b"),
        ("reply", 2, "c\nd"),
        ("turn", 3, "e"),
    ]


def test_a_correction_is_friction_and_an_uncorrected_guess_is_sound() -> None:
    found = one(
        ("learner:a", "guess"),
        ("npc:no", "correction"),
        ("learner:b", "guess"),
        ("npc:yes", "confirmation"),
        ("learner:c", "question"),
    )
    turns = [move for _, move in found.moves if isinstance(move, TakeTurn)]
    assert [move.frictions and [f.type.value for f in move.frictions] for move in turns] == [
        ["lexical"],
        (),
        None,
    ]


@pytest.mark.parametrize(
    ("last", "outcome"),
    [
        (("npc:yes", "hint", "confirmation"), Outcome.SUCCESS),
        (("npc:no", "hint"), Outcome.FAILED),
        ("npc:hm", Outcome.CANCELLED),
    ],
    ids=["confirmed", "not-confirmed", "nobody-looked"],
)
def test_the_goal_is_a_task(last: str | tuple[str, ...], outcome: Outcome) -> None:
    found = one("learner:a", last, goal={"words": ["la borsa"]})
    bodies = dict(found.moves)
    added, done = bodies["goal-add"], bodies["goal-done"]
    assert isinstance(added, AddTask)
    assert json.loads(added.data) == {"words": ["la borsa"]}
    assert isinstance(done, CompleteTask)
    assert done.outcome is outcome


def test_ids_that_are_no_tokens_are_encoded() -> None:
    found = parse([line("Lektion 1", learner="Ana María", npc="der Wirt")])[0][0]
    assert found.session == "Lektion_201"
    assert found.start.learner == "Ana_20Mar_c3_ada"
    assert found.start.cast[0].npc == "der_20Wirt"
    assert found.start.name == "Lektion 1"


def test_every_fault_is_told_with_its_line() -> None:
    dialogues, faults = parse(
        [
            line("a"),
            b"",
            b"{no json",
            line("b", "npc:"),
            line("c", ("npc:x", "corection")),
            line("a"),
            line("ä" * 60),
            line("d", more="x"),
            line("e", *["npc:" + "x" * 3000] * 2),
            b'{"id": "f", "turns": [{"by": "npc", "text": "\xff"}]}',
            line("g"),
        ]
    )
    assert [dialogue.session for dialogue in dialogues] == ["a", "g"]
    assert [fault.line for fault in faults] == [3, 4, 5, 6, 7, 8, 9, 10]
    assert "line 1 has it already" in str(faults[3])


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match=r"nothing\.jsonl"):
        load(tmp_path / "nothing.jsonl")


# --- playing ----------------------------------------


@pytest.fixture
async def deck() -> AsyncIterator[Deck]:
    async with holodeck.local(broker="memory") as running:
        yield running


def many(count: int) -> list[Dialogue]:
    lines = [
        line(
            f"lesson {n}",
            "npc:Prova.",
            ("learner:il borsa", "guess"),
            ("npc:Quasi.", "correction"),
            ("learner:la borsa", "guess"),
            ("npc:Sì!", "confirmation"),
            goal="la borsa",
            l2="it",
        )
        for n in range(count)
    ]
    dialogues, faults = parse(lines)
    assert faults == []
    return dialogues


async def events(deck: Deck) -> Counter[str]:
    counts: Counter[str] = Counter()
    async for record in deck.broker.log(deck.layout.checkpoints).read(all_checkpoints(deck.ns)):
        counts.update(e.kind for e in decode_checkpoint(record.data, record.subject).events)
    return counts


async def test_each_dialogue_becomes_one_session_and_again_adds_nothing(deck: Deck) -> None:
    acks: list[tuple[str, str, int]] = []
    dialogues = many(30)

    done = await play(deck, dialogues, parallel=8, on_ack=lambda *ack: acks.append(ack))

    assert (done.started, done.turns, done.replies, done.failed) == (30, 60, 90, [])
    counts = await events(deck)
    assert counts["session.started"] == counts["session.ended"] == 30
    assert counts["turn.taken"] == 60
    assert counts["turn.answered"] == 90
    assert counts["friction.detected"] == 30
    stored = {
        (record.headers["Holodeck-Command"], record.sequence)
        async for record in deck.broker.log(deck.layout.checkpoints).read(all_checkpoints(deck.ns))
    }
    assert len(acks) == done.acknowledged == 30 * (1 + 5 + 3 + 1)
    assert {(command, sequence) for _, command, sequence in acks} <= stored

    end = await deck.broker.log(deck.layout.checkpoints).end()
    again = await play(deck, dialogues)
    assert (again.skipped, again.acknowledged, again.said) == (30, 0, 150)
    assert await deck.broker.log(deck.layout.checkpoints).end() == end


async def test_a_dialogue_that_was_begun_goes_on_behind_its_last_turn(deck: Deck) -> None:
    dialogue = many(1)[0]
    for stop in range(len(dialogue.moves)):
        cut = Dialogue(
            f"cut-{stop}",
            dialogue.start.model_copy(update={"learner": f"cut-{stop}"}),
            dialogue.moves[:stop],
            0,
            0,
        )
        whole = Dialogue(cut.session, cut.start, dialogue.moves, 2, 3)
        await play(deck, [cut])
        done = await play(deck, [whole])
        assert (done.continued, done.failed) == (1, [])
        state = await deck.session(cut.session).state()
        assert (state.phase, state.turns, state.replies) == (Phase.ENDED, 2, 3)
        assert state.tasks["goal"].outcome is Outcome.SUCCESS
    counts = await events(deck)
    assert counts["turn.taken"] == 2 * len(dialogue.moves)
    assert counts["turn.answered"] == 3 * len(dialogue.moves)


async def test_one_learner_has_one_dialogue_at_a_time(deck: Deck) -> None:
    dialogues, _ = parse([line(f"d-{n}", learner="ana") for n in range(5)])
    done = await play(deck, dialogues, parallel=5)
    assert (done.started, done.failed) == (5, [])


async def test_what_cannot_be_played_is_reported_and_the_rest_goes_on(deck: Deck) -> None:
    taken = await deck.start_session(learner="somebody", session="d-1", mind="none")
    await (await deck.start_session(learner="d-2", session="d-2", mind="none")).pause()
    dialogues, _ = parse([line("d-1"), line("d-2"), line("d-3")])

    done = await play(deck, dialogues)

    assert sorted(session for session, _ in done.failed) == ["d-1", "d-2"]
    assert done.done == 3
    assert (await taken.state()).turns == 0
    assert (await deck.session("d-3").state()).phase is Phase.ENDED


async def test_speed_paces_each_dialogue(deck: Deck) -> None:
    dialogues, _ = parse([line("d-1", "npc:a", "learner:b", "npc:c"), line("d-2")])
    done = await play(deck, dialogues, speed=10)
    assert 0.2 <= done.seconds < 20.0
