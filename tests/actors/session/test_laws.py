"""What holds for every session whatever is said to it, in whatever order."""

from __future__ import annotations

import contextlib
from dataclasses import fields
from typing import Any

from hypothesis import event, given, settings
from hypothesis import strategies as st

from holodeck.actors.decider import Moment
from holodeck.actors.session import (
    STATE,
    SessionState,
    arms,
    concerns,
    next_deadline,
    session,
    task_counts,
)
from holodeck.actors.session.talk.affect import pressure_range
from holodeck.actors.session.talk.openness import openness_after
from holodeck.actors.session.talk.state import Talk
from holodeck.messages.base import MAX_MESSAGE
from holodeck.messages.codec import decode_checkpoint, encode_checkpoint, pack, unpack
from holodeck.messages.conversation import (
    ConversationOutcome,
    OpennessState,
    PhonemeResult,
    PreSessionContext,
    ProfessionalKind,
    PronunciationResult,
    RefractionLevel,
)
from holodeck.messages.errors import RefusedError
from holodeck.messages.fleet import GraphPoint, SessionGraph
from holodeck.messages.session import (
    AbandonStart,
    AddTask,
    ChangeReputation,
    CompleteTask,
    End,
    FrictionFinding,
    FrictionType,
    MindKind,
    NpcReply,
    Outcome,
    Pause,
    ReportEmergence,
    ReportError,
    ReportFriction,
    ReputationChanged,
    Resume,
    RetryTask,
    RouteTask,
    SessionEnded,
    SessionKind,
    SettleOwed,
    StartSession,
    StartTask,
    TakeTurn,
    TimerFired,
    TurnTaken,
)
from holodeck.messages.talk import (
    AffectChanged,
    AskRefraction,
    ChooseRefraction,
    CloseConversation,
    FactHeard,
    Heard,
    NegotiationCollapsed,
    OfferRefraction,
    ReachGoal,
    RecordAttempt,
    RecordProfessional,
    RememberFact,
    ResolveIncident,
    Signals,
    TurnAnalysis,
)
from tests.actors.session.stories import (
    JOAN,
    MARTA,
    Story,
    active,
    crossing,
    decided,
    fork_of,
    replayed,
)
from tests.actors.session.worlds import (
    BAKER,
    CHARACTERS,
    CLERK,
    FRIEND,
    JUDGE,
    OLD_QUARREL,
    STRANGER,
    WORDINGS,
    asked,
    begin,
    conversation,
    open_stage,
    reply,
    said,
)
from tests.messages.strategies import EVENTS, SESSION_COMMANDS, any_of

NPCS = st.sampled_from(["marta", "joan", "stranger"])
TASKS = st.sampled_from(["t1", "t2", "t3", "a task\nwith: anything"])
NUMBERS = st.integers(0, 6)
FINDINGS = st.builds(
    FrictionFinding, type=st.sampled_from(list(FrictionType)), severity=st.floats(0, 1)
)
OUTCOMES = st.sampled_from(list(Outcome))
CLAIMS = st.none() | st.integers(1, 60)

STARTS = st.builds(
    StartSession,
    learner=st.just("ana"),
    session_kind=st.sampled_from(list(SessionKind)),
    claim=CLAIMS,
    cast=st.sampled_from([(), (MARTA, JOAN)]),
    mind=st.sampled_from(list(MindKind)),
    max_tasks=st.integers(1, 3),
    task_timeout_s=st.sampled_from([0, 5, 60]),
    session_timeout_s=st.sampled_from([0, 30, 600]),
    idle_timeout_s=st.sampled_from([0, 20]),
    graph=st.none() | st.just(GraphPoint(h1=1, vertices=3, edges=3, components=1)),
)
GRAPHS = st.none() | st.builds(
    SessionGraph,
    graph=st.builds(GraphPoint, h1=st.integers(0, 3), components=st.integers(0, 3)),
    own_change=st.integers(-1, 2),
    crossings=st.integers(0, 2),
)
BEGIN = st.booleans()
LIKELY = st.one_of(
    st.builds(
        TakeTurn,
        turn=NUMBERS.filter(bool),
        npc=NPCS,
        text=st.just("hola"),
        frictions=st.none() | st.lists(FINDINGS, max_size=3).map(tuple),
        register_aligned=st.none() | st.booleans(),
    ),
    st.builds(NpcReply, turn=NUMBERS, npc=NPCS, text=st.just("sí")),
    st.builds(ReportFriction, finding=FINDINGS, npc=st.none() | NPCS),
    st.builds(ChangeReputation, npc=NPCS, delta=st.floats(-1, 1)),
    st.builds(
        AddTask, task=TASKS, npc=st.none() | NPCS, capabilities=st.just(("cook",)), start=BEGIN
    ),
    st.builds(RouteTask, task=TASKS, start=BEGIN),
    st.builds(RouteTask, task=TASKS, start=BEGIN, decision=st.builds(decided, NPCS | st.just(""))),
    st.builds(RetryTask, task=TASKS, attempt=st.integers(2, 4), start=BEGIN),
    st.builds(
        ReportError, error=st.sampled_from(["no milk", "KeyError: 4"]), task=st.none() | TASKS
    ),
    st.builds(ReportEmergence, crossing=st.builds(crossing, st.integers(1, 70))),
    st.builds(StartTask, task=TASKS),
    st.builds(CompleteTask, task=TASKS, outcome=OUTCOMES),
    st.builds(Pause),
    st.builds(Resume, claim=CLAIMS),
    st.builds(End, outcome=OUTCOMES, graph=GRAPHS),
    st.builds(End, outcome=OUTCOMES, error=st.just("KeyError: 4")),
    st.builds(SettleOwed),
    st.builds(TimerFired, name=st.sampled_from(["session", "idle"]), graph=GRAPHS),
    st.builds(TimerFired, name=st.just("task"), task=st.none() | TASKS),
    st.builds(AbandonStart, learner=st.just("ana"), claim=st.integers(1, 60)),
    STARTS,
    st.just(fork_of(active().state)),
)
OPENINGS = st.one_of(
    STARTS.filter(lambda start: start.claim is not None), st.just(fork_of(active().state)), LIKELY
)
PAUSES = st.sampled_from([0.0, 1.0, 25.0, 700.0])
PLAIN = st.builds(
    lambda first, more: [(0.0, first), *more],
    OPENINGS,
    st.lists(st.tuples(PAUSES, LIKELY), max_size=25),
)

# Conversations in a world: turns mostly come in order, so that scripts get somewhere.
WORLD = st.sampled_from([FRIEND, BAKER, JUDGE, CLERK, STRANGER])
SEVERITIES = st.floats(0, 1)
REFRACTIONS = st.integers(1, 3)
FORMS = st.sampled_from(["subjunctive", "past", "article", "else"])
SOME_FORMS = st.lists(FORMS, max_size=2).map(tuple)
FACTS = st.builds(FactHeard, fact=st.sampled_from(["has a dog", "is a cook"]))
WORDS = st.integers(0, 9)
ANALYSES = st.builds(
    TurnAnalysis,
    l1_words=WORDS,
    l2_words=WORDS,
    aligned=st.none() | st.booleans(),
    frictions=st.lists(
        st.builds(FrictionFinding, type=st.sampled_from(list(FrictionType)), severity=SEVERITIES),
        max_size=4,
    ).map(tuple),
    forms=SOME_FORMS,
    meaningful=st.sampled_from([True, True, True, False]),
    aggressive=st.sampled_from([False] * 9 + [True]),
    hedges=st.integers(0, 2),
    repairs=st.integers(0, 2),
    topic=st.sampled_from(["", "bread", "law"]),
    facts=st.lists(FACTS, max_size=1).map(tuple),
)
TURNS = st.builds(
    TakeTurn,
    turn=st.integers(1, 8),
    npc=WORLD,
    text=st.sampled_from(["¿me da un pan?", "Desearía un pan", "no", "…"]),
    analysis=st.none() | ANALYSES,
    frictions=st.none() | st.lists(FINDINGS, max_size=2).map(tuple),
    signals=st.none()
    | st.builds(Signals, latency_ms=st.none() | st.sampled_from([0, 1500, 5000, 20_000])),
    heard=st.none()
    | st.builds(
        Heard,
        comprehensibility=SEVERITIES,
        phonemes=st.just((PhonemeResult(phoneme="r", accuracy=0.3),)),
    ),
    location=st.sampled_from(["", "", "court", "moon"]),
    refraction=st.none() | REFRACTIONS,
)
TALKING = st.one_of(
    TURNS,
    TURNS,
    TURNS,
    st.builds(NpcReply, turn=st.integers(0, 8), npc=WORLD, text=st.just("sí"), opened=SOME_FORMS),
    st.builds(ReportFriction, finding=FINDINGS, npc=st.none() | WORLD),
    st.builds(ChangeReputation, npc=WORLD, delta=st.floats(-1, 1)),
    st.builds(AskRefraction, number=REFRACTIONS, text=st.just("Brot"), npc=st.none() | WORLD),
    st.builds(OfferRefraction, number=REFRACTIONS, response=st.just(WORDINGS)),
    st.builds(
        ChooseRefraction,
        number=REFRACTIONS,
        level=st.none() | st.sampled_from(list(RefractionLevel)),
    ),
    st.builds(
        RecordAttempt,
        number=REFRACTIONS,
        result=SEVERITIES.map(
            lambda share: PronunciationResult(overall_accuracy=share, comprehensibility_score=1)
        ),
    ),
    st.builds(RememberFact, npc=WORLD, fact=FACTS),
    st.builds(ReachGoal, npc=WORLD, objective=st.sampled_from(["appeal", "bread"])),
    st.builds(CloseConversation, npc=WORLD, outcome=st.sampled_from(list(ConversationOutcome))),
    st.builds(
        ResolveIncident, npc=WORLD, incident=st.sampled_from([OLD_QUARREL, "sess_1-incident-1"])
    ),
    st.builds(
        RecordProfessional,
        npc=WORLD,
        type=st.sampled_from(list(ProfessionalKind)),
        description=st.just("a proposal"),
    ),
    st.builds(TimerFired, name=st.sampled_from(["silence", "idle", "session"])),
    st.builds(Pause),
    st.builds(Resume, claim=st.integers(1, 99)),
    st.builds(End),
    st.builds(SettleOwed),
    st.just(fork_of(conversation(said(1), asked()).state)),
)
STAGES = st.builds(
    open_stage,
    ladder=st.booleans(),
    landing=st.booleans(),
    pressure=SEVERITIES,
    tier3_sessions=st.integers(0, 1),
)


def _in_order(start: StartSession, more: list[tuple[float, Any]]) -> list[tuple[float, Any]]:
    """Most turns and replies get the number that is next, so that scripts lead somewhere."""
    script: list[tuple[float, Any]] = [(0.0, start), *more]
    story = Story()
    for place, (after_s, command) in enumerate(script):
        if isinstance(command, TakeTurn | NpcReply) and command.turn > 2:
            number = story.state.turns + isinstance(command, TakeTurn)
            command = command.model_copy(update={"turn": number})
            script[place] = (after_s, command)
        with contextlib.suppress(RefusedError):
            story.tell(command, after_s=after_s)
    return script


CONVERSATIONS = st.builds(
    _in_order,
    st.builds(begin, STAGES, mind=st.sampled_from(list(MindKind))),
    st.lists(st.tuples(st.sampled_from([0.0, 1.0, 25.0, 250.0]), TALKING), max_size=25),
)
SCRIPTS = PLAIN | CONVERSATIONS
COMMANDS = LIKELY | TALKING
laws = settings(max_examples=60, deadline=None)


def told(script: list[tuple[float, Any]]) -> Story:
    """The story of a script; refused commands are left out, any other error is a bug."""
    story = Story()
    for after_s, command in script:
        with contextlib.suppress(RefusedError):
            story.tell(command, after_s=after_s)
    event(story.state.phase)
    return story


def dumped(state: SessionState) -> bytes:
    return pack(STATE.dump_python(state))


@laws
@given(SCRIPTS)
def test_a_checkpoint_names_at_most_one_npc(script: list[tuple[float, Any]]) -> None:
    story = told(script)
    state = session.initial
    for moment, events in story.log:
        named = {npc for e in events if (npc := getattr(e, "npc", None)) is not None}
        family, npc, learner = concerns(state, events)
        assert family == events[0].kind.partition(".")[0]
        state = session.fold(state, events, moment)
        if state.parent:
            assert (npc, learner) == ("", "")
        else:
            assert named <= {npc}
            assert len(named) <= 1
            assert learner == "ana"


@laws
@given(SCRIPTS)
def test_replaying_the_journal_gives_every_state_there_was(
    script: list[tuple[float, Any]],
) -> None:
    """Step by step, through the bytes that are stored, in place and by copies, byte for byte."""
    story = Story()
    in_place = session.initial
    for after_s, command in script:
        length = len(story.log)
        with contextlib.suppress(RefusedError):
            story.tell(command, after_s=after_s)
        for moment, events in story.log[length:]:
            read: Any = decode_checkpoint(encode_checkpoint(moment.at, events), "s").events
            assert read == events
            session.advance(in_place, read, moment)
        assert dumped(in_place) == dumped(story.state)
    assert dumped(replayed(story.log)) == dumped(story.state)


@laws
@given(SCRIPTS)
def test_a_snapshot_is_the_state_byte_for_byte(script: list[tuple[float, Any]]) -> None:
    state = told(script).state
    data = dumped(state)
    back = STATE.validate_python(unpack(data))
    assert back == state
    assert dumped(back) == data
    assert next_deadline(back) == next_deadline(state)


@laws
@given(SCRIPTS, COMMANDS, st.integers(0, 10**6))
def test_deciding_is_pure(script: list[tuple[float, Any]], command: Any, later: int) -> None:
    story = told(script)
    before = dumped(story.state)

    def answer(state: SessionState) -> Any:
        try:
            return tuple(session.decide(state, command, story.at + later))
        except RefusedError as error:
            return (error.reason, error.detail)

    first = answer(story.state)
    assert dumped(story.state) == before
    assert answer(story.state) == first
    assert answer(STATE.validate_python(unpack(before))) == first


@laws
@given(SCRIPTS, st.data())
def test_a_command_told_twice_in_a_row_is_obeyed_once(
    script: list[tuple[float, Any]], data: st.DataObject
) -> None:
    """But for what has no number or name of its own, which is what command ids are for."""
    story = told(script)
    command = data.draw(COMMANDS)
    if isinstance(command, NAMELESS) or (
        isinstance(command, CloseConversation) and story.state.talk is None
    ):
        return
    with contextlib.suppress(RefusedError):
        story.tell(command)
        after = dumped(story.state)
        with contextlib.suppress(RefusedError):
            story.tell(command)
        assert dumped(story.state) == after


NAMELESS = (
    ReportFriction,
    ChangeReputation,
    ReportError,
    SettleOwed,
    RememberFact,
    RecordProfessional,
)


@laws
@given(SCRIPTS)
def test_an_ended_session_stays_as_it_ended(script: list[tuple[float, Any]]) -> None:
    story = told([*script, (0.0, End())])
    if story.state.phase != "ended":
        return
    while story.state.owed:
        story.tell(SettleOwed())
    before = dumped(story.state)
    for _, command in script:
        with contextlib.suppress(RefusedError):
            story.tell(command, after_s=1)
    assert dumped(story.state) == before
    assert all(task.outcome is not None for task in story.state.tasks.values())
    assert next_deadline(story.state) is None


@laws
@given(SCRIPTS)
def test_every_npc_a_session_named_is_told_of_its_end_exactly_once(
    script: list[tuple[float, Any]],
) -> None:
    story = told([*script, (0.0, End())])
    if story.state.phase != "ended" or story.state.parent:
        return
    while story.state.owed:
        story.tell(SettleOwed())
    named = {npc for e in story.events if (npc := getattr(e, "npc", None)) is not None}
    parted = [e.npc for e in story.events if e.kind == "npc.parted"]
    assert sorted(parted) == sorted(named)


@laws
@given(SCRIPTS)
def test_what_is_counted_is_what_there_is(script: list[tuple[float, Any]]) -> None:
    """At every moment: what a state adds up as it goes equals what can be counted in it."""
    story = Story()
    for after_s, command in script:
        with contextlib.suppress(RefusedError):
            story.tell(command, after_s=after_s)
        state = story.state
        open_now = [task for task in state.tasks.values() if task.outcome is None]
        assert state.open == len(open_now)
        assert bool(state.busy_since) is bool(open_now)
        assert state.started_at <= story.at
        assert 0 <= state.busy_ms <= story.at - state.started_at
        places = [one.place for one in state.earlier]
        places += [task.place for task in state.tasks.values() if task.outcome is not None]
        assert sorted(places) == list(range(1, state.completed + 1))
        assert all(
            task.attempt == 1 + sum(one.task == task.id for one in state.earlier)
            for task in state.tasks.values()
        )


@laws
@given(SCRIPTS)
def test_the_end_counts_every_task_once(script: list[tuple[float, Any]]) -> None:
    story = told([*script, (0.0, End())])
    for ended in (one for one in story.events if isinstance(one, SessionEnded)):
        counts = ended.tasks
        assert counts is not None
        assert counts == task_counts(story.state).model_copy(update={"open": counts.open})
        parts = (counts.succeeded, counts.failed, counts.cancelled, counts.timed_out)
        assert counts.total == sum(parts) == len(story.state.tasks)
        assert 0 <= counts.open <= counts.cancelled + counts.timed_out
        assert ended.duration_ms >= ended.active_ms >= 0
        assert ended.h1 is None or story.state.graph is not None


@laws
@given(SCRIPTS)
def test_after_its_last_deadline_nothing_is_left_to_wait_for(
    script: list[tuple[float, Any]],
) -> None:
    """Each timer that fires when it is due leads to something, so a host never fires in circles."""
    story = told(script)
    for _ in range(20):
        found = next_deadline(story.state)
        if found is None:
            return
        story.at = max(story.at, found[0])
        length = len(story.log)
        story.tell(found[2])
        assert len(story.log) == length + 1
    raise AssertionError("deadlines without end")


@laws
@given(SCRIPTS)
def test_only_what_arms_brings_a_deadline_nearer(script: list[tuple[float, Any]]) -> None:
    story = Story()
    for after_s, command in script:
        before, length = next_deadline(story.state), len(story.log)
        with contextlib.suppress(RefusedError):
            story.tell(command, after_s=after_s)
        after = next_deadline(story.state)
        if after is not None and (before is None or after[0] < before[0]):
            assert arms(story.log[length][1])


@laws
@given(any_of(SESSION_COMMANDS), st.sampled_from([0, 2**52]))
def test_no_sound_command_is_ever_a_bug(command: Any, now: int) -> None:
    for story in (Story(), active(), conversation(said(1), reply(1), asked())):
        with contextlib.suppress(RefusedError):
            events = session.decide(story.state, command, max(now, story.at))
            session.fold(story.state, events, Moment(99, max(now, story.at)))


@laws
@given(st.lists(any_of(e for e in EVENTS if e.__name__ != "SessionForked"), max_size=8))
def test_no_stored_event_is_ever_refused(events: list[Any]) -> None:
    """Also where one before it could not be read and was skipped."""
    for state in (session.initial, active().state, conversation(said(1), reply(1)).state):
        before = dumped(state)
        dumped(session.fold(state, events, Moment(99, 2**41)))
        assert dumped(state) == before


def test_a_copied_state_shares_nothing_that_changes() -> None:
    for state in (active().state, conversation(said(1), reply(1), asked()).state):
        twin = state.copy()
        assert twin == state
        _share_nothing(twin, state)


def _share_nothing(twin: Any, one: Any) -> None:
    for field in fields(one):
        value, other = getattr(one, field.name), getattr(twin, field.name)
        if isinstance(value, Talk):
            assert other is not value
            _share_nothing(other, value)
        elif isinstance(value, dict | list | set):
            assert other is not value
            if isinstance(value, dict) and field.name == "standings":
                for npc, standing in value.items():
                    assert other[npc] is not standing
                    _share_nothing(other[npc], standing)
        elif not isinstance(value, PreSessionContext):  # frozen all the way, but of a dict
            hash(value)  # frozen: may be shared


# --- of conversations alone ----------------------------------------


@laws
@given(CONVERSATIONS)
def test_a_standing_stays_in_its_range_whatever_is_said(script: list[tuple[float, Any]]) -> None:
    """And is what its deltas add up to, clamped with every step."""
    talk = told(script).state.talk
    assert talk is not None
    kept = {one.npc: one.reputation for one in CHARACTERS}
    for happened in told(script).events:
        if isinstance(happened, ReputationChanged):
            assert -1.0 <= happened.delta <= 1.0
            moved = kept[happened.npc] + happened.delta
            kept[happened.npc] = round(min(1.0, max(-0.5, moved)), 6)
    for npc, standing in talk.standings.items():
        assert -0.5 <= standing.reputation <= 1.0
        assert standing.reputation == kept[npc]
        if standing.collapsed:
            event("collapsed")


@laws
@given(CONVERSATIONS)
def test_pressure_stays_in_its_tiers_range(script: list[tuple[float, Any]]) -> None:
    story = told(script)
    tier = 0
    for happened in story.events:
        if isinstance(happened, TurnTaken):
            tier = happened.tier
        if isinstance(happened, AffectChanged):
            first = isinstance(script[0][1], StartSession) and script[0][1].stage
            low, high = pressure_range(
                2 if tier == 2 else 3 if tier == 3 else 1, bool(first and first.tier3_sessions)
            )
            assert low <= happened.pressure <= high
            assert 0.0 <= happened.signal <= 1.0


@laws
@given(st.lists(st.integers(0, 4), min_size=1, max_size=10))
def test_openness_collapses_at_the_same_turn_by_steps_and_at_once(breaches: list[int]) -> None:
    story = conversation()
    for number, count in enumerate(breaches, 1):
        findings = tuple(
            FrictionFinding(type=FrictionType.REGISTER, severity=0.1) for _ in range(count)
        )
        story.tell(said(number, JUDGE, *findings))
        assert story.state.talk is not None
        standing = story.state.talk.standings[JUDGE]
        tenths, called = openness_after(sum(breaches[:number]))
        assert standing.openness == tenths
        assert standing.collapsed is (called is OpennessState.COLLAPSED)
        if standing.collapsed:
            assert standing.reputation == -0.5
            return


@laws
@given(CONVERSATIONS)
def test_who_broke_off_hears_nothing_more(script: list[tuple[float, Any]]) -> None:
    left: set[str] = set()
    for happened in told(script).events:
        if isinstance(happened, NegotiationCollapsed):
            assert happened.npc not in left
            left.add(happened.npc)
        if isinstance(happened, TurnTaken):
            assert happened.npc not in left


@laws
@given(CONVERSATIONS)
def test_no_checkpoint_of_a_conversation_is_too_large(script: list[tuple[float, Any]]) -> None:
    for moment, events in told(script).log[1:]:
        if events[0].kind != "session.forked":
            assert len(encode_checkpoint(moment.at, events)) < MAX_MESSAGE
