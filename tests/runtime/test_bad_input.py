"""Bad input to a running host: a typed error or a dead letter, and nothing changes."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from holodeck.deck import Deck
from holodeck.messages.codec import decode_answer, encode_checkpoint, pack, unpack
from holodeck.messages.envelope import JSON_CONTENT, Answer
from holodeck.messages.errors import (
    DecodeError,
    InvalidId,
    NoResponder,
    RefusedError,
    TooLarge,
    Unavailable,
)
from holodeck.messages.ids import partition_of
from holodeck.messages.session import ReputationChanged, TakeTurn
from holodeck.messages.subjects import CHECKPOINT, COMMAND, CTL_HOST, CTL_SUPERVISOR
from tests.runtime.checks import dead_letters, everything_is_exact, journal, of_session
from tests.runtime.stage import Stage, until

pytestmark = [pytest.mark.nats, pytest.mark.integration]


async def _ask(stage: Stage, data: bytes, session: str = "s1", kind: str = "session") -> Answer:
    subject = COMMAND.of("holodeck", partition_of(session, stage.partitions), kind, session)
    reply = await stage.broker.request(subject, data, timeout=3.0)
    return decode_answer(reply.data, subject)


def _command(body: Any, **fields: Any) -> bytes:
    return pack({"id": "bad", "body": body, **fields})


TURN: dict[str, Any] = {"kind": "take-turn", "turn": 1, "npc": "marta", "text": "hola"}
BAD: dict[str, bytes] = {
    "garbage": b"\xc1\xff garbage",
    "nothing": b"",
    "not-a-map": pack([1, 2, 3]),
    "trailing-bytes": _command(TURN) + b"\x00",
    "no-id": pack({"body": TURN}),
    "wrong-command-id": pack({"id": "a b", "body": TURN}),
    "unknown-kind": _command({"kind": "explode"}),
    "unknown-field": _command({**TURN, "colour": "red"}),
    "unknown-envelope-field": _command(TURN, colour="red"),
    "wrong-type": _command({**TURN, "turn": "first"}),
    "turn-zero": _command({**TURN, "turn": 0}),
    "wrong-npc": _command({**TURN, "npc": "mar.ta"}),
    "npc-wildcard": _command({**TURN, "npc": ">"}),
    "text-too-long": _command({**TURN, "text": "x" * 4001}),
    "oversized": _command({**TURN, "text": "x" * 70_000}),
    "infinite-delta": _command({"kind": "change-reputation", "npc": "n", "delta": float("inf")}),
    "event-for-a-command": _command({"kind": "turn.taken", "turn": 1, "npc": "n", "text": "x"}),
    "internal-timer": _command({"kind": "timer", "name": "session"}),
    "internal-settle": _command({"kind": "settle-owed"}),
}


async def test_wrong_commands_are_contract_errors_and_change_nothing(stage: Stage) -> None:
    # given a session
    deck = await stage.begun_here(1)
    session = await deck.start_session(learner="ana", session="s1")
    before = await session.state()
    rows = len(await journal(stage))

    # when it is sent every kind of wrong command
    for name, data in BAD.items():
        answer = await _ask(stage, data)

        # then each is said to be wrong in itself
        assert answer.status == "contract", name
        assert answer.reason in ("undecodable", "too-large", "internal-command"), name

    # and the unreadable are put aside and counted, and nothing has changed
    unreadable = [name for name in BAD if not name.startswith("internal")]
    letters = await dead_letters(stage)
    assert len(letters) == len(unreadable)
    counted = (await deck.metrics())["host-0"]
    assert b"dead_letters" in counted
    assert await session.state() == before
    assert len(await journal(stage)) == rows
    await session.take_turn("hola", to="marta")
    await everything_is_exact(stage, deck, garbage=True)


async def test_commands_the_state_forbids_are_refused_by_name(stage: Stage) -> None:
    # given a session with a cast, and one that has ended
    deck = await stage.begun_here(1)
    session = await deck.start_session(learner="ana", session="s1", cast=["marta"])
    ended = await deck.start_session(learner="eva", session="s2")
    await ended.end()
    rows = len(await journal(stage))

    # when each is asked for what cannot be
    async def refused(what: Any) -> str:
        with pytest.raises(RefusedError) as told:
            await what
        return told.value.reason

    # then the refusal says why, and nothing is stored
    nobody = deck.session("nobody")
    assert await refused(nobody.take_turn("hola", to="marta", turn=1)) == "unknown-session"
    assert await refused(nobody.state()) == "unknown-session"
    assert await refused(nobody.fork()) == "unknown-session"
    assert await refused(nobody.resume()) == "unknown-session"
    assert await refused(ended.take_turn("hola", to="marta", turn=1)) == "session-ended"
    assert await refused(session.take_turn("hola", to="marta", turn=3)) == "turn-order"
    assert await refused(session.take_turn("hola", to="joan", turn=1)) == "unknown-npc"
    assert await refused(session.complete("nothing")) == "unknown-task"
    assert await refused(session.state(at=1)) == "no-such-checkpoint"
    assert await refused(deck.start_session(learner="x", session="s1")) == "session-exists"
    assert await refused(deck.drain("no-such-host")) == "unknown-host"
    expired = {"id": "old", "sent": int(time.time() * 1000) - 61_000, "body": TURN}
    told = await _ask(stage, pack({**expired, "deadline": int(time.time() * 1000) + 9_000}))
    assert (told.status, told.reason) == ("refused", "expired")
    with pytest.raises(InvalidId):
        deck.session("a.b")
    with pytest.raises(TooLarge):
        await _too_large(deck)
    kinds = [kind for row in (await journal(stage))[rows:] for kind in row.kinds()]
    assert set(kinds) <= {"learner.claimed"}


async def _too_large(deck: Deck) -> None:
    body = TakeTurn.model_construct(kind="take-turn", turn=1, npc="marta", text="x" * 70_000)
    await deck.caller.command("session", "s1", "large", body)


async def test_garbage_on_every_subject_leaves_everyone_alive(stage: Stage) -> None:
    # given a runtime
    deck = await stage.begun_here(1)
    session = await deck.start_session(learner="ana", session="s1")
    (holder,) = (await stage.holders()).values()

    # when garbage arrives where commands, orders and questions are awaited
    for subject in (
        COMMAND.of("holodeck", 3, "session", "in-another-partition"),
        COMMAND.of("holodeck", 3, "dragon", "smaug"),
        COMMAND.of("holodeck", partition_of("marta", stage.partitions), "npc", "marta"),
        COMMAND.of("holodeck", partition_of("ana", stage.partitions), "learner", "ana"),
        CTL_HOST.of("holodeck", holder.incarnation, "release"),
        CTL_HOST.of("holodeck", holder.incarnation, "nonsense"),
        CTL_SUPERVISOR.of("holodeck", "start"),
        CTL_SUPERVISOR.of("holodeck", "drain"),
        CTL_SUPERVISOR.of("holodeck", "nonsense"),
        CTL_HOST.of("holodeck", "tiles", "nonsense"),
    ):
        stage.broker.post(subject, b"\xc1 garbage")
        stage.broker.post(subject, pack({"wrong": [1, 2]}))
    await stage.broker.flush()

    # then everyone goes on, orders that cannot be read are said to be so
    reply = await stage.broker.request(CTL_SUPERVISOR.of("holodeck", "start"), b"\xc1", timeout=3)
    assert unpack(reply.data)["status"] == "contract"
    await session.take_turn("hola", to="marta")
    await everything_is_exact(stage, deck, garbage=True)
    assert len((await stage.table()).of(holder.incarnation)) == stage.partitions


async def test_garbage_in_the_journal_is_put_aside_once_and_passed_over(stage: Stage) -> None:
    # given a session with an NPC
    deck = await stage.begun_here(1, flush_s=0.3)
    session = await deck.start_session(learner="ana", session="s1")
    await session.take_turn("hola", to="marta")
    log = stage.broker.log(stage.layout.checkpoints)
    # when unreadable checkpoints appear: in the session's own line, in the NPC's inbox, nowhere
    future = pack({"v": 99, "at": 1, "events": [{"kind": "turn.dreamt"}]})
    await log.append(_subject(stage, "s1"), future)
    await log.append(_subject(stage, "stranger"), future)
    await log.append(_subject(stage, "stranger"), b"\xc1 garbage")
    await log.append("holodeck.checkpoint.short", b"x")
    await session.take_turn("hola again", to="marta")
    await session.state()

    # then the session, its NPC and its learner pass over them, also on the next host
    await until(lambda: _lettered(stage), 10.0, 0.05)
    letters = [letter.subject for letter in await dead_letters(stage)]
    assert sorted(subject.rpartition(".")[2] for subject in letters) == [
        "future-schema",
        "future-schema",
        "undecodable",
        "undecodable",
    ]
    await everything_is_exact(stage, deck, garbage=True)
    stage.keepers[0]._stopping = True
    keeper = stage.keepers.pop()
    assert keeper.host is not None
    await keeper.host.kill()
    await stage.host("host-1")
    await stage.owned(1)
    assert (await session.state()).turns == 2
    await session.take_turn("and again", to="marta")
    rows = await everything_is_exact(stage, deck, garbage=True)
    kinds = [kind for row in of_session(rows, "s1") for kind in row.kinds()]
    assert kinds.count("turn.taken") == 3
    assert len(await dead_letters(stage)) == 4


def _subject(stage: Stage, writer: str) -> str:
    """Of a turn of session ``writer`` with marta and ana."""
    p = stage.partitions
    npc, learner = partition_of("marta", p), partition_of("ana", p)
    return CHECKPOINT.of(
        "holodeck", "session", partition_of(writer, p), writer, "turn", npc, "marta", learner, "ana"
    )


async def _lettered(stage: Stage) -> bool:
    return len(await dead_letters(stage)) >= 4


async def test_what_a_stranger_writes_into_a_session_is_folded_before_the_next_decision(
    stage: Stage,
) -> None:
    # given a session in memory
    deck = await stage.begun_here(1)
    session = await deck.start_session(learner="ana", session="s1")

    # when somebody with the runtime's rights appends a sound checkpoint to it
    event = ReputationChanged(npc="marta", delta=0.25)
    await stage.broker.log(stage.layout.checkpoints).append(
        _subject(stage, "s1"),
        encode_checkpoint(int(time.time() * 1000), (event,)),
    )
    await session.take_turn("hola", to="marta")

    # then the next command was decided on it
    assert (await session.state()).reputation["marta"] == 0.25
    await everything_is_exact(stage, deck)


async def test_plain_clients_may_speak_json(stage: Stage) -> None:
    # given a session
    deck = await stage.begun_here(1)
    await deck.start_session(learner="ana", session="s1")

    async def ask(body: Any, raw: bytes | None = None) -> Any:
        data = raw or json.dumps({"id": f"json-{len(str(body))}", "body": body}).encode()
        reply = await deck.broker.request(
            "holodeck.cmd.session.s1", data, timeout=3, headers={"content-type": JSON_CONTENT}
        )
        return json.loads(reply.data)

    # when commands come as JSON, without a partition, right and wrong
    told = await ask(TURN)
    wrong = await ask({**TURN, "turn": "x"})
    garbage = await ask(None, b"{not json")
    state = await ask({"kind": "read-state"})

    # then each is answered as JSON
    assert told["status"] == "ok"
    assert told["checkpoint"]["events"][0]["kind"] == "turn.taken"
    assert wrong["status"] == garbage["status"] == "contract"
    assert state["state"]["turns"] == 1


async def test_a_command_for_a_partition_nobody_owns_is_unavailable_in_time(stage: Stage) -> None:
    # given a runtime without a host
    await stage.supervisor()
    deck = await stage.deck(deadline_s=1.0)

    # when a command is sent
    began = time.monotonic()
    with pytest.raises(Unavailable, match="nobody owns"):
        await deck.session("s1").take_turn("hola", to="marta", turn=1)

    # then it is given up at its deadline, and one sending alone is told at once
    assert 0.9 < time.monotonic() - began < 10.0
    with pytest.raises(NoResponder):
        await _ask(stage, _command(TURN))


async def test_a_wrong_answer_is_no_crash(stage: Stage) -> None:
    # given somebody else who answers for a partition nobody owns
    await stage.supervisor()
    deck = await stage.deck(deadline_s=1.0)
    await stage.broker.subscribe(
        COMMAND.of("holodeck", "*", "session", "*"),
        lambda delivery: stage.broker.post(delivery.reply, b"\xc1 nonsense"),
    )

    # when it answers nonsense, then the client is told so
    with pytest.raises(DecodeError):
        await deck.session("s1").take_turn("hola", to="marta", turn=1)
