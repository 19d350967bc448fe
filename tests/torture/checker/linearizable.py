"""Laws: each answer is right for one moment between the question and the answer.

``linearizable``: a session behaves as if its commands came one after the other, each taking effect
at one moment between its sending and its answer; where the outcome is unknown, at any moment after
its sending, or never. The journal gives the order of the effects; the pure decider gives the rest:

- a command that was stored has taken effect when it is answered, and a repeat of it is answered
  with the same checkpoint;
- an ``ok`` without events was given in a state in which the decider has nothing to do, and names
  that state's sequence;
- a refusal is the one the decider gives in that state, or is about the world around (a full store,
  a full mailbox, a busy learner, …); no bug is a refusal;
- a read returns the state and the sequence of one moment; with ``at`` the state as of then; who
  awaits a reply is answered in a state that has it, and refused in one where none will come.

What nobody asked for (timers, replies of minds, partings, steps of the supervisor) takes place in
its journal order, at any time. A command whose id stands in the journal is never decided again.

``fold-reads``: an NPC's, a relation's and a learner's reads and own edits likewise, over the
checkpoints that name them, which reach them late but in order: each read is one of their states
with its sequence, contains what ``after`` asked for and the actor's own acknowledged edits, holds
nothing that had not been sent yet, and never falls back behind an earlier read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from pydantic import ValidationError

from holodeck.actors.session import Phase, session
from holodeck.actors.session.decider import refusal
from holodeck.messages.errors import RefusedError
from holodeck.messages.learner import LEARNER_COMMAND
from holodeck.messages.npc import NPC_COMMAND
from tests.torture.checker.acknowledged import is_stored_refusal, stores
from tests.torture.checker.evidence import Evidence
from tests.torture.checker.histories import DECIDERS, Histories, History, Key, difference, state_of
from tests.torture.checker.report import Finding
from tests.torture.checker.speech import spoken
from tests.torture.checker.tiles import UNREADABLE
from tests.torture.checker.walk import Look, Setback, Unexplained, walk
from tests.torture.run import Op, Row

LAW: Final = "linearizable"
FOLDS: Final = "fold-reads"

AROUND: Final = UNREADABLE | {
    "agents-full",
    "at-capacity",
    "busy",
    "expired",
    "internal-command",
    "late",
    "learner-busy",
    "moved",
    "no-agents",
    "not-stored",
    "store-full",
}
"""Refusals that say nothing about the actor's state; some are the fleet's word."""
ON_THE_WAY: Final = frozenset({"session-active", "claim-required", "claim-void"})
"""What an order may meet on its walk: at the session that holds the learner, or because others
moved the session meanwhile."""
OF_THE_PARENT: Final = frozenset({"unknown-session", "no-such-checkpoint", "bad-fork"})
"""What a fork may meet at the session it is forked from."""

Fits = Callable[[int], bool]


def linearizable(evidence: Evidence, histories: Histories) -> Finding:
    """Sessions."""
    finding = Finding(LAW, "answers of sessions")
    unjudged = 0
    for (kind, identity), ops in evidence.ops.items():
        if kind != "session":
            continue
        history = histories.of(("session", identity))
        looks = []
        for op in ops:
            if op.returned is None or _bug(op, history, finding):
                continue
            look = _session_look(evidence, history, op)
            if look is None:
                unjudged += 1
            else:
                looks.append(look)
        _walk(evidence, history, looks, finding, lags=False)
    if unjudged:
        finding.note = f"{unjudged:,} answers name what does not stand: see acknowledged"
    return finding


def fold_reads(evidence: Evidence, histories: Histories) -> Finding:
    """NPCs, relations and learners."""
    finding = Finding(FOLDS, "answers of NPCs and learners")
    for (kind, identity), ops in evidence.ops.items():
        if kind == "session":
            continue
        by_cell: dict[Key, list[Op]] = {}
        for op in ops:
            by_cell.setdefault(_cell(kind, identity, op), []).append(op)
        for key, some in by_cell.items():
            history = histories.of(key)
            answered = [op for op in some if op.returned is not None]
            looks = [
                look
                for op in answered
                if not _bug(op, history, finding)
                and (look := _fold_look(evidence, history, op)) is not None
            ]
            _walk(evidence, history, looks, finding, lags=True)
    _edits_are_decided(evidence, histories, finding)
    return finding


def _cell(kind: str, identity: str, op: Op) -> Key:
    """An NPC that is asked about a learner answers from its relation with that one."""
    if kind == "npc" and op.is_read and op.body.get("learner"):
        return "relation", identity, str(op.body["learner"])
    return kind, identity


def _bug(op: Op, history: History, finding: Finding) -> bool:
    if op.outcome == "refused" and op.reason == "internal-error":
        finding.checked += 1
        finding.wrong(history.name, f"its mind broke: {op}")
        return True
    return False


# --- the walk along a history ----------------------------------------


def _walk(
    evidence: Evidence, history: History, looks: Sequence[Look[Op]], finding: Finding, *, lags: bool
) -> None:
    finding.checked += len(looks)
    earliest = [evidence.earliest(row) for row in history.rows]
    setbacks = [
        Setback(loss.begin, loss.until, loss.end, history.position(loss.end), since)
        for loss, since in zip(evidence.losses, evidence.lost_since, strict=True)
    ]
    for failure in walk(earliest, looks, setbacks, lags=lags):
        finding.wrong(history.name, _explained(history, failure))


def _explained(history: History, failure: Unexplained[Op]) -> str:
    wrong = _wrong_state(history, failure.look.op)
    if wrong:
        return f"{failure.look.op}: {wrong}"
    at = history.sequence(failure.position)
    text = f"{failure.look.op}, but by then it stood at {at}"
    if failure.pushed_by is not None:
        text += f" at least, as {failure.pushed_by} shows"
    if failure.unsent is not None:
        text += f", and {history.rows[failure.unsent - 1]} had not been sent yet"
    return text


def _wrong_state(history: History, op: Op) -> str:
    """What a read got wrong about the very checkpoint it names; empty if it is right about it."""
    position = history.position(op.sequence)
    if op.state is None or history.sequence(position) != op.sequence:
        return ""
    try:
        return difference(history.states[position], state_of(history.key[0], op.state))
    except ValueError as error:
        return f"that is no state: {error}"


# --- what fits a session's answers ----------------------------------------


def _session_look(evidence: Evidence, history: History, op: Op) -> Look[Op] | None:
    """None for an acknowledgement of what does not stand: the first law's business."""
    assert op.returned is not None
    if stores(op):
        return _stored_look(evidence, history, op)
    if op.outcome == "refused":
        fits = _refusal(history, op)
        return Look(op, op.invoked, op.returned, _unremembered(evidence, history, op, fits))
    if op.is_read:
        back = op.body.get("at") is not None
        return Look(op, op.invoked, op.returned, _read(history, op), op.sequence, back=back)
    fits = _unremembered(evidence, history, op, _nothing_to_do(history, op))
    return Look(op, op.invoked, op.returned, fits, op.sequence)


def _stored_look(evidence: Evidence, history: History, op: Op) -> Look[Op] | None:
    assert op.returned is not None
    row = evidence.row_of(op)
    if row is None:
        return None
    position = history.position(row.sequence)
    return Look(op, op.invoked, op.returned, lambda k: k >= position, op.sequence, stands=True)


def _unremembered(evidence: Evidence, history: History, op: Op, fits: Fits) -> Fits:
    """Only in front of its own checkpoint: behind that the first answer is given again. What is
    about the world around may be said at any time."""
    if op.is_read or (op.outcome == "refused" and op.reason in AROUND):
        return fits
    known = [row.sequence for row in evidence.standing(op)]
    if not known:
        return fits
    before = history.position(min(known)) - 1
    if op.outcome == "refused" and is_stored_refusal(op, evidence.standing(op)[0]):
        return lambda k: k > before or fits(k)  # behind it the same is said again
    return lambda k: k <= before and fits(k)


def _nothing_to_do(history: History, op: Op) -> Fits:
    command = spoken(op) if not op.is_order else None

    def fits(k: int) -> bool:
        if history.sequence(k) != op.sequence:
            return False
        if op.is_order:
            # The one order that may find everything done already.
            return op.what in ("resume", "switch") and history.states[k].phase is Phase.ACTIVE
        return command is not None and _decides(history, k, command) == ()

    return fits


def _refusal(history: History, op: Op) -> Fits:
    if op.reason in AROUND:
        return _anywhere
    if op.is_read:
        return _refused_read(history, op)
    if op.is_order:
        return _refused_order(history, op)
    command = spoken(op)
    if command is None:
        # A fork sent by hand carries bytes, which a history in plain text cannot.
        return _anywhere if op.what == "fork" else _nowhere
    return lambda k: _decides(history, k, command) == op.reason


def _refused_order(history: History, op: Op) -> Fits:
    if op.what == "fork":
        if op.reason in OF_THE_PARENT:
            return _anywhere
        return lambda k: op.reason == "session-exists" and _phase(history, k) is not Phase.NEW
    switches = op.what == "switch" or bool(op.body.get("switch"))
    if op.reason in ON_THE_WAY or (switches and op.reason == "session-ended"):
        return _anywhere
    if op.what == "resume" or (op.what == "switch" and "start" not in op.body):
        return lambda k: _WHY_NOT.get(_phase(history, k)) == op.reason
    return lambda k: _START_REFUSED.get(_phase(history, k)) == op.reason


_WHY_NOT: Final = {
    Phase.NEW: "unknown-session",
    Phase.ENDED: "session-ended",
    Phase.ABANDONED: "start-abandoned",
}
"""Why a session in a phase is not resumed."""
_START_REFUSED: Final = {
    Phase.ACTIVE: "session-exists",
    Phase.PAUSED: "session-exists",
    Phase.ENDED: "session-exists",
    Phase.ABANDONED: "start-abandoned",
}
"""Why a session in a phase is not started."""


def _read(history: History, op: Op) -> Fits:
    if op.what == "await-reply":
        turn = int(op.body.get("turn", 0))
        return lambda k: (
            history.sequence(k) == op.sequence
            and _phase(history, k) is not Phase.NEW
            and history.states[k].answered >= turn
        )
    at = op.body.get("at")
    right = _same_state(history, op)

    def fits(k: int) -> bool:
        asked = history.position(at) if at is not None and at < history.sequence(k) else k
        return (
            _phase(history, k) is not Phase.NEW
            and history.sequence(asked) == op.sequence
            and right(asked)
        )

    return fits


def _refused_read(history: History, op: Op) -> Fits:
    def fits(k: int) -> bool:
        state = history.states[k]
        match op.reason:
            case "unknown-session":
                return state.phase is Phase.NEW
            case "no-reply" if op.what == "await-reply":
                turn = int(op.body.get("turn", 0))
                return bool(state.answered < turn <= state.turns and not state.awaiting)
            case "no-such-checkpoint":
                at = op.body.get("at")
                return at is not None and at < history.sequence(k) and not history.position(at)
            case _:
                return False

    return fits


def _same_state(history: History, op: Op) -> Fits:
    """Whether what a read returned is the state at a position. One that tells no state (a replay,
    which tells checkpoints) is only held to its sequence."""
    if op.state is None:
        return _anywhere
    try:
        state = state_of(history.key[0], op.state)
    except ValueError:
        return _nowhere
    return lambda k: bool(history.states[k] == state)


def _anywhere(_k: int) -> bool:
    return True


def _nowhere(_k: int) -> bool:
    return False


def _phase(history: History, k: int) -> Phase:
    phase: Phase = history.states[k].phase
    return phase


def _decides(history: History, k: int, command: Any) -> tuple[Any, ...] | str:
    """What the decider makes of a command at a position: events, or the reason of a refusal.

    No client's command is refused, or changes nothing, because of the time it comes at: so the
    time of the last checkpoint does.
    """
    state = history.states[k]
    try:
        events = tuple(session.decide(state, command, state.touched_at))
    except RefusedError as error:
        return error.reason
    stored = refusal(events[0]) if events else None
    return events if stored is None else stored.reason


# --- what fits an NPC's and a learner's answers ----------------------------------------


def _fold_look(evidence: Evidence, history: History, op: Op) -> Look[Op] | None:
    assert op.returned is not None
    if stores(op):
        return _stored_look(evidence, history, op)
    least = history.position(_after(evidence, op))
    if op.outcome == "refused":
        if op.reason in AROUND:
            return None
        fits = _unremembered(evidence, history, op, _fold_refusal(history, op, least))
        return Look(op, op.invoked, op.returned, fits)
    if op.is_read:
        right = _same_state(history, op)
        return Look(
            op,
            op.invoked,
            op.returned,
            lambda k: k >= least and history.sequence(k) == op.sequence and right(k),
            op.sequence,
        )
    command = _told(op)
    fits = _unremembered(
        evidence,
        history,
        op,
        lambda k: (
            k >= least
            and history.sequence(k) == op.sequence
            and command is not None
            and _edits(history, k, command) == ()
        ),
    )
    return Look(op, op.invoked, op.returned, fits, op.sequence)


def _after(evidence: Evidence, op: Op) -> int:
    """Up to where the answer has to contain everything; of what a later power loss took, only up
    to where it left anything."""
    asked = int(op.body.get("after") or 0)
    return min([asked, *(loss.end for loss in evidence.losses if op.invoked <= loss.until)])


def _fold_refusal(history: History, op: Op, least: int) -> Fits:
    command = _told(op)
    if command is None:
        return _nowhere
    return lambda k: k >= least and _edits(history, k, command) == op.reason


def _told(op: Op) -> Any | None:
    adapter: Any = NPC_COMMAND if op.actor == "npc" else LEARNER_COMMAND
    try:
        return adapter.validate_python({"kind": op.what, **op.body})
    except ValidationError:
        return None


def _edits(history: History, k: int, command: Any) -> tuple[Any, ...] | str:
    state = history.states[k]
    try:
        return tuple(DECIDERS[history.key[0]][0].decide(state, command, state.last_at))
    except RefusedError as error:
        return error.reason


def _edits_are_decided(evidence: Evidence, histories: Histories, finding: Finding) -> None:
    """An NPC's or learner's own checkpoint is what its recorded command leads to in a state between
    the last edit, which it has seen for sure, and itself. The fleet's own are what it tells itself
    to do, which nobody records; its state is compared where the runtime still lives."""
    for (kind, identity), line in evidence.lines.items():
        if kind in ("session", "fleet"):
            continue
        history = histories.of((kind, identity))
        seen = 0
        for row in line:
            own = history.position(row.sequence)
            intent = evidence.intent_of(row)
            if intent is not None and row.checkpoint is not None:
                finding.checked += 1
                commands = [told for op in intent.ops if (told := _told(op)) is not None]
                if not _some_state_leads_to(history, range(seen, own), commands, row):
                    finding.wrong(history.name, f"{row} is not what its command leads to")
            seen = own


def _some_state_leads_to(
    history: History, positions: Iterable[int], commands: Sequence[Any], row: Row
) -> bool:
    return any(_edits(history, k, command) == row.events for k in positions for command in commands)


__all__ = ["AROUND", "FOLDS", "LAW", "fold_reads", "linearizable"]
