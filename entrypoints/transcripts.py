"""Recorded dialogues, played into sessions turn by turn.

One law: every command's id follows from the dialogue's own id, and what a session already holds is
read before anything is sent. So playing a file again, also after a crash half way, adds nothing
twice and leaves nothing out.

The format of a file, and what of it becomes what, is told in ``docs/transcripts.md``.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Annotated, Final, Literal, TypeVar

from pydantic import Field, JsonValue, ValidationError

from holodeck.actors.session import Phase, SessionState
from holodeck.deck import Deck
from holodeck.messages.base import Label, Message, Text
from holodeck.messages.codec import explain
from holodeck.messages.control import SpawnSession
from holodeck.messages.errors import (
    HolodeckError,
    InvalidId,
    RefusedError,
    StartupError,
    TransientError,
)
from holodeck.messages.ids import ID_PATTERN, encode_foreign
from holodeck.messages.session import (
    AddTask,
    CastMember,
    CompleteTask,
    End,
    EndReason,
    FrictionFinding,
    FrictionType,
    MindKind,
    NpcReply,
    Outcome,
    SessionKind,
    StartSession,
    StartTask,
    TakeTurn,
)
from holodeck.messages.talk import AnalysisKind
from holodeck.session import Session

PARALLEL: Final = 64
"""How many dialogues are played at once unless told otherwise."""
GOAL: Final = "goal"
"""The task a dialogue's goal becomes."""
NPC: Final = "tutor"
"""Who speaks the npc's turns where a dialogue does not say."""
SEVERITY: Final = 0.5
"""Of the friction a correction shows. A choice: the record says only that something was wrong."""
PATIENCE_S: Final = 60.0
"""How long one command is tried before its dialogue is given up, seconds."""
_PAUSE_S: Final = 0.2

Act = Literal["guess", "question", "affirmation", "hint", "correction", "confirmation", "other"]
Saying = TakeTurn | NpcReply
Move = AddTask | StartTask | TakeTurn | NpcReply | CompleteTask | End
OnAck = Callable[[str, str, int], None]
"""Called with session, command id and sequence once a command is acknowledged as stored."""

T = TypeVar("T")


# --- the file ----------------------------------------


class RecordedTurn(Message):
    """One utterance.

    Attributes:
        acts: what annotators saw in it; empty where nobody looked.
    """

    by: Literal["npc", "learner"]
    text: Text
    acts: Annotated[tuple[Act, ...], Field(max_length=16)] = ()


class Recording(Message):
    """One line of a file.

    Attributes:
        id: names the dialogue; becomes the session's id.
        l1, l2: the learner's language and the one learned.
        goal: what the learner is to achieve, in any JSON form.
        learner: who learns; None: the dialogue's id.
        npc: who speaks the npc's turns; None: ``tutor``.
    """

    id: Annotated[str, Field(min_length=1, max_length=200)]
    turns: Annotated[tuple[RecordedTurn, ...], Field(min_length=1)]
    l1: Label = ""
    l2: Label = ""
    goal: JsonValue = None
    learner: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    npc: Annotated[str, Field(min_length=1, max_length=200)] | None = None


@dataclass(frozen=True, slots=True)
class Dialogue:
    """A recorded dialogue as the commands it is played with.

    Attributes:
        session: id of the session it becomes.
        moves: everything behind the start, in order, each with the ending of its command id.
        turns, replies: how many of them are the learner's and the NPC's turns.
    """

    session: str
    start: StartSession
    moves: tuple[tuple[str, Move], ...]
    turns: int
    replies: int

    @property
    def key(self) -> str:
        """What the ids of its commands begin with; 24 characters, for any session id."""
        return "imp-" + hashlib.blake2b(self.session.encode(), digest_size=10).hexdigest()


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one line of a file; lines count from 1."""

    line: int
    problem: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.problem}"


@dataclass(frozen=True, slots=True)
class World:
    """The persona recorded dialogues are played in: its id, and the NPC that speaks in all of
    them. What the record says of corrections is left aside, for the persona's word lists look."""

    persona: str
    npc: str


def load(path: Path, world: World | None = None) -> tuple[list[Dialogue], list[Fault]]:
    """The dialogues of a file, and every fault of it; blank lines are neither.

    Raises:
        StartupError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return parse(file, world)
    except OSError as error:
        raise StartupError(
            f"{path} cannot be read ({error.strerror})",
            "Name a file with one dialogue, a JSON object, a line",
        ) from error


def parse(lines: Iterable[bytes], world: World | None = None) -> tuple[list[Dialogue], list[Fault]]:
    """As :func:`load`, from the lines themselves."""
    dialogues: list[Dialogue] = []
    faults: list[Fault] = []
    seen: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            found = dialogue_of(Recording.model_validate_json(line), world)
        except ValidationError as error:
            faults.append(Fault(number, explain(error)))
            continue
        except InvalidId as error:
            faults.append(Fault(number, f"{error.value[:80]!r} is too long for an id once encoded"))
            continue
        first = seen.setdefault(found.session, number)
        if first != number:
            faults.append(Fault(number, f"id: line {first} has it already"))
            continue
        dialogues.append(found)
    return dialogues, faults


def dialogue_of(recording: Recording, world: World | None = None) -> Dialogue:
    """The commands a recorded dialogue is played with.

    Raises:
        ValidationError: a command would be out of its bounds, such as joined turns of over 4000
            characters.
        InvalidId: an id has over 64 characters once encoded.
    """
    session = _id_of(recording.id)
    npc = world.npc if world is not None else _id_of(recording.npc or NPC)
    moves: list[tuple[str, Move]] = []
    if recording.goal is not None:
        goal = json.dumps(recording.goal, ensure_ascii=False)
        moves.append(("goal-add", AddTask(task=GOAL, data=goal, npc=npc)))
        moves.append(("goal-start", StartTask(task=GOAL)))
    said = list(_sayings(recording.turns, npc))
    if world is not None:
        said = [_unjudged(move) for move in said]
    moves += [
        (f"{'turn' if isinstance(move, TakeTurn) else 'reply'}-{move.turn}", move) for move in said
    ]
    if recording.goal is not None:
        moves.append(("goal-done", CompleteTask(task=GOAL, outcome=_outcome(recording.turns))))
    moves.append(("end", End(reason=EndReason.NATURAL_CONCLUSION)))
    languages = (f"{name}:{code}" for name in ("l1", "l2") if (code := getattr(recording, name)))
    start = StartSession(
        session_kind=SessionKind.CONVERSATION,
        learner=_id_of(recording.learner or recording.id),
        name=recording.id,
        cast=(CastMember(npc=npc),),
        tags=("imported", *languages),
        mind=MindKind.NONE,
        persona=world.persona if world is not None else "",
        analysis=AnalysisKind.OFFLINE if world is not None else AnalysisKind.NONE,
        # Its time passed when it was recorded; played slowly it must not run out again.
        task_timeout_s=0,
        session_timeout_s=0,
    )
    turns = sum(isinstance(move, TakeTurn) for move in said)
    return Dialogue(session, start, tuple(moves), turns, len(said) - turns)


def _id_of(name: str) -> str:
    return name if re.match(ID_PATTERN, name) else encode_foreign(name)


def _sayings(turns: Sequence[RecordedTurn], npc: str) -> Iterator[Saying]:
    """Each learner turn with the next number; npc turns in a row as the one reply they are."""
    runs = [(by, list(run)) for by, run in groupby(turns, key=lambda turn: turn.by)]
    number = 0
    for index, (by, run) in enumerate(runs):
        if by == "npc":
            yield NpcReply(turn=number, npc=npc, text="\n".join(turn.text for turn in run))
            continue
        answer = runs[index + 1][1] if index + 1 < len(runs) else []
        corrected = any("correction" in turn.acts for turn in answer)
        for turn in run:
            number += 1
            # What the npc says next answers the last thing the learner said.
            wrong = corrected and turn is run[-1]
            yield TakeTurn(turn=number, npc=npc, text=turn.text, frictions=_found(turn, wrong))


def _unjudged(move: Saying) -> Saying:
    return move.model_copy(update={"frictions": None}) if isinstance(move, TakeTurn) else move


def _found(turn: RecordedTurn, wrong: bool) -> tuple[FrictionFinding, ...] | None:
    if wrong:
        return (FrictionFinding(type=FrictionType.LEXICAL, severity=SEVERITY, detail="corrected"),)
    return () if "guess" in turn.acts else None


def _outcome(turns: Sequence[RecordedTurn]) -> Outcome:
    """Success if the npc's last turn confirms, cancelled if nobody annotated, else failed."""
    last = next((turn for turn in reversed(turns) if turn.by == "npc"), None)
    if last is not None and "confirmation" in last.acts:
        return Outcome.SUCCESS
    return Outcome.FAILED if any(turn.acts for turn in turns) else Outcome.CANCELLED


# --- playing ----------------------------------------


@dataclass(slots=True)
class Summary:
    """What playing did so far, or at the end did.

    Attributes:
        dialogues: how many there are; ``done``: finished, skipped and failed ones.
        started: sessions that were not there before; ``continued``: begun before, finished now.
        skipped: had ended before; ``failed``: session and reason of each that was given up.
        turns, replies: learner and NPC turns stored by this run.
        acknowledged: commands stored by this run.
        said: utterances passed, also those stored before; ``utterances``: of all dialogues.
    """

    dialogues: int = 0
    utterances: int = 0
    done: int = 0
    started: int = 0
    continued: int = 0
    skipped: int = 0
    turns: int = 0
    replies: int = 0
    acknowledged: int = 0
    said: int = 0
    seconds: float = 0.0
    failed: list[tuple[str, str]] = field(default_factory=list)

    @property
    def turns_per_s(self) -> float:
        """Learner and NPC turns stored a second."""
        return (self.turns + self.replies) / self.seconds if self.seconds else 0.0


async def play(
    deck: Deck,
    dialogues: Sequence[Dialogue],
    *,
    parallel: int = PARALLEL,
    speed: float | None = None,
    on_progress: Callable[[Summary], None] | None = None,
    on_ack: OnAck | None = None,
) -> Summary:
    """Plays dialogues, each into its session, many at once.

    A dialogue that cannot be played (its session was paused, its learner is busy elsewhere, the
    runtime is away for over a minute) is given up and reported; the others go on. Dialogues of one
    learner are played one after the other, because a learner has one conversation at a time.

    Args:
        parallel: how many at once, at least 1.
        speed: turns a second in each dialogue; None: as fast as it goes.
        on_progress: told after each utterance and each dialogue; the same object grows.
        on_ack: told of each command that was stored. A command stored just before an earlier run
            was killed is found in the session and not told of again.
    """
    if parallel < 1 or (speed is not None and not speed > 0):
        raise ValueError("parallel is at least 1 and speed above 0")
    player = _Player(deck, speed, on_progress, on_ack)
    player.summary.dialogues = len(dialogues)
    player.summary.utterances = sum(d.turns + d.replies for d in dialogues)
    by_learner: dict[str, list[Dialogue]] = {}
    for dialogue in dialogues:
        by_learner.setdefault(dialogue.start.learner, []).append(dialogue)
    waiting = iter(by_learner.values())

    async def worker() -> None:
        for queue in waiting:
            for dialogue in queue:
                await player.play(dialogue)

    async with asyncio.TaskGroup() as group:
        for _ in range(min(parallel, len(by_learner))):
            group.create_task(worker())
    player.tell()
    return player.summary


class _Player:
    def __init__(
        self,
        deck: Deck,
        speed: float | None,
        on_progress: Callable[[Summary], None] | None,
        on_ack: OnAck | None,
    ) -> None:
        self._deck = deck
        self._pause_s = 0.0 if speed is None else 1.0 / speed
        self._on_progress, self._on_ack = on_progress, on_ack
        self._began = time.monotonic()
        self.summary = Summary()

    def tell(self) -> None:
        self.summary.seconds = time.monotonic() - self._began
        if self._on_progress is not None:
            self._on_progress(self.summary)

    async def play(self, dialogue: Dialogue) -> None:
        before = self.summary.said
        try:
            await self._play(dialogue)
        except HolodeckError as error:
            self.summary.failed.append((dialogue.session, str(error) or error.code))
            self.summary.said = before
        self.summary.done += 1
        self.tell()

    async def _play(self, dialogue: Dialogue) -> None:
        session = self._deck.session(dialogue.session)
        state = await self._state(session)
        if state is None:
            state = await self._start(dialogue, session)
        elif state.phase is Phase.ENDED:
            self.summary.skipped += 1
        else:
            self.summary.continued += 1
        learner = state.charter.learner if state.charter else ""
        if learner != dialogue.start.learner:
            raise RefusedError("session-exists", f"{session.id} has the learner {learner!r}")
        first = True
        for ending, move in dialogue.moves:
            said = isinstance(move, Saying)
            if not _done(state, move):
                if said and self._pause_s and not first:
                    await asyncio.sleep(self._pause_s)
                first = first and not said
                await self._send(session, f"{dialogue.key}.{ending}", move)
            if said:
                self.summary.said += 1
                self.tell()

    async def _state(self, session: Session) -> SessionState | None:
        try:
            return await _until_answered(session.state)
        except RefusedError as error:
            if error.reason != "unknown-session":
                raise
            return None

    async def _start(self, dialogue: Dialogue, session: Session) -> SessionState:
        order = SpawnSession(id=dialogue.key, session=session.id, start=dialogue.start)
        try:
            reported = await _until_answered(lambda: self._deck.order("start", order))
        except RefusedError as error:
            # Another run, just killed, was quicker: its last command arrived after we had asked.
            if error.reason != "session-exists":
                raise
            self.summary.continued += 1
        else:
            self.summary.started += 1
            self._acknowledged(session.id, f"{dialogue.key}.start", reported.sequence)
        return await _until_answered(session.state)

    async def _send(self, session: Session, command: str, move: Move) -> None:
        answer = await _until_answered(lambda: session.command(move, id=command))
        if answer.checkpoint is None:
            return
        match move:
            case TakeTurn():
                self.summary.turns += 1
            case NpcReply():
                self.summary.replies += 1
            case _:
                pass
        self._acknowledged(session.id, command, answer.sequence)

    def _acknowledged(self, session: str, command: str, sequence: int) -> None:
        self.summary.acknowledged += 1
        if self._on_ack is not None:
            self._on_ack(session, command, sequence)


def _done(state: SessionState, move: Move) -> bool:
    """Whether the session holds already what the move leads to."""
    match move:
        case TakeTurn(turn=turn):
            return turn <= state.turns
        case NpcReply(turn=turn):
            return turn <= state.answered
        case AddTask(task=name):
            return name in state.tasks
        case StartTask(task=name):
            task = state.tasks.get(name)
            return task is not None and bool(task.started_at or task.outcome)
        case CompleteTask(task=name):
            task = state.tasks.get(name)
            return task is not None and task.outcome is not None
        case End():
            return state.phase is Phase.ENDED


# --- what came of it ----------------------------------------


@dataclass(slots=True)
class Findings:
    """What the sessions of a file came to in a world, over all learners.

    Attributes:
        frictions: by type; forms: the commonest missed forms with how often.
        metrics: mean of each metric over the sessions that have it, and how many have it.
        injections: forms that are to come up in a later session, with how many learners.
        units: units of lessons that came out of it; learners: who got at least one.
    """

    sessions: int = 0
    turns: int = 0
    frictions: Counter[str] = field(default_factory=Counter)
    levels: Counter[str] = field(default_factory=Counter)
    forms: Counter[str] = field(default_factory=Counter)
    metrics: dict[str, tuple[float, int]] = field(default_factory=dict)
    injections: Counter[str] = field(default_factory=Counter)
    units: int = 0
    learners: int = 0


_METRICS: Final = (
    "task_completion_rate",
    "friction_rate",
    "code_switch_ratio",
    "register_accuracy_score",
    "average_comprehensibility",
    "words_per_minute",
    "recovery_rate",
)


async def findings(deck: Deck, dialogues: Sequence[Dialogue], parallel: int = PARALLEL) -> Findings:
    """Reads what became of dialogues that were played in a world."""
    found = Findings()
    waiting = iter(dialogues)

    async def worker() -> None:
        for dialogue in waiting:
            await _look_into(deck, dialogue, found)

    async with asyncio.TaskGroup() as group:
        for _ in range(parallel):
            group.create_task(worker())
    return found


async def _look_into(deck: Deck, dialogue: Dialogue, found: Findings) -> None:
    session = deck.session(dialogue.session)
    record = await _until_answered(session.record)
    found.sessions += 1
    for conversation in record.session_record.conversations:
        found.turns += sum(turn.speaker == "learner" for turn in conversation.turns)
    for friction in record.raw_friction_detections:
        found.frictions[friction.type.value] += 1
        found.levels[friction.severity.value] += 1
    for name in _METRICS:
        value = getattr(record.session_record.metrics, name)
        if value is not None:
            total, count = found.metrics.get(name, (0.0, 0))
            found.metrics[name] = (total + value, count + 1)
    # The brief is given once the session has been evaluated.
    learner = deck.learner(dialogue.start.learner)
    await _until_answered(lambda: learner.brief(dialogue.start.persona))
    state = await _until_answered(learner.state)
    profile = state.profile
    if profile is None:
        return
    for point in profile.history:
        if point.form:
            found.forms[point.form] += 1
    for pending in profile.injections:
        found.injections[pending.spec.target_form] += 1
    if profile.curriculum is not None:
        found.units += len(profile.curriculum.units)
        found.learners += 1


async def _until_answered(ask: Callable[[], Awaitable[T]]) -> T:
    """What ``ask`` gives; asked again, under the same id, while the world is out of order."""
    give_up = time.monotonic() + PATIENCE_S
    while True:
        try:
            return await ask()
        except TransientError:
            if time.monotonic() > give_up:
                raise
        await asyncio.sleep(_PAUSE_S)
